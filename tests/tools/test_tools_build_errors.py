"""What cannot be built is refused with the documented error, and nothing is left behind; a full disk likewise."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from esent.catalog.objects import TupleLimits
from esent.constants import codes
from esent.errors import JetError
from esent.pages.filesystem import File, FileSystem, os_error
from esent.tools.build import ColumnSpec, IndexSpec, TableSpec, build_database
from esent.tools.verify import verify_database

LONG = ColumnSpec("a", 4)
TEXT = ColumnSpec("t", 10, 0, 1252)
UNICODE = ColumnSpec("u", 10, 0, 1200)
MANY = [ColumnSpec(f"c{i}", 2) for i in range(17)]
PRIMARY = IndexSpec("pk", ["+a"], 2)


def table(*parts: ColumnSpec | IndexSpec, **options: Any) -> TableSpec:
    columns = [part for part in parts if isinstance(part, ColumnSpec)]
    return TableSpec(options.pop("name", "t"), columns, [part for part in parts if isinstance(part, IndexSpec)], **options)


DEFINITIONS: list[tuple[str, TableSpec]] = [
    ("JET_errInvalidName", table(LONG, name="")),
    ("JET_errInvalidName", table(LONG, name="x" * 65)),
    ("JET_errInvalidName", table(ColumnSpec("a.b", 4))),
    ("JET_errInvalidName", table(LONG, IndexSpec(" i", ["+a"]))),
    ("JET_errInvalidName", table(ColumnSpec(5, 4))),  # type: ignore[arg-type]
    ("JET_errInvalidParameter", table(LONG, pages=-1)),
    ("JET_errInvalidParameter", table(LONG, separate_most=-1)),
    ("JET_errOutOfDatabaseSpace", table(LONG, pages=0x7FF00000)),
    ("JET_errTableDuplicate", table(LONG, name="msysobjects")),
    ("JET_errDensityInvalid", table(LONG, density=19)),
    ("JET_errDensityInvalid", table(LONG, IndexSpec("i", ["+a"], density=101))),
    ("JET_errColumnDuplicate", table(LONG, ColumnSpec("A", 4))),
    ("JET_errTooManyColumns", table(*[ColumnSpec(f"c{i}", 2) for i in range(128)])),
    ("JET_errTooManyColumns", table(*[ColumnSpec(f"c{i}", 9) for i in range(129)])),
    ("JET_errInvalidColumnType", table(ColumnSpec("a", 0))),
    ("JET_errInvalidColumnType", table(ColumnSpec("a", 13))),
    ("JET_errInvalidColumnType", table(ColumnSpec("a", 19))),
    ("JET_errInvalidColumnType", table(ColumnSpec("a", 3, 0x10))),
    ("JET_errInvalidColumnType", table(ColumnSpec("a", 4, 0x12))),
    ("JET_errInvalidColumnType", table(ColumnSpec("a", 15, 8))),
    ("JET_errColumnRedundant", table(ColumnSpec("a", 4, 0x10), ColumnSpec("b", 4, 0x10))),
    ("JET_errInvalidGrbit", table(ColumnSpec("a", 4, 3))),
    ("JET_errInvalidGrbit", table(ColumnSpec("a", 4, 0x800))),
    ("JET_errInvalidGrbit", table(ColumnSpec("a", 4, 0x4000))),
    ("JET_errInvalidGrbit", table(ColumnSpec("a", 4, 0x40000000))),
    ("JET_errMultiValuedColumnMustBeTagged", table(ColumnSpec("a", 4, 0x400))),
    ("JET_errColumnCannotBeCompressed", table(ColumnSpec("a", 10, 0x80002))),
    ("JET_errFeatureNotAvailable", table(ColumnSpec("a", 11, 0x100002))),
    ("JET_errInvalidCodePage", table(ColumnSpec("a", 10, cp=65001))),
    ("JET_errInvalidParameter", table(ColumnSpec("a", 9, cb_max=256))),
    ("JET_errDefaultValueTooBig", table(ColumnSpec("a", 11, default=bytes(256)))),
    ("JET_errColumnTooBig", table(ColumnSpec("a", 9, cb_max=3, default=b"1234"))),
    ("JET_errInvalidBufferSize", table(ColumnSpec("a", 4, default=b"1"))),
    ("JET_errIndexDuplicate", table(LONG, IndexSpec("i", ["+a"]), IndexSpec("I", ["-a"]))),
    ("JET_errIndexHasPrimary", table(LONG, PRIMARY, IndexSpec("again", ["-a"], 2))),
    ("JET_errIndexInvalidDef", table(LONG, IndexSpec("i", []))),
    ("JET_errIndexInvalidDef", table(LONG, IndexSpec("i", ["+a", "-a"]))),
    ("JET_errIndexInvalidDef", table(*MANY, IndexSpec("i", [column.name for column in MANY]))),
    ("JET_errIndexInvalidDef", table(ColumnSpec("a", 4, 0x402), PRIMARY)),
    ("JET_errIndexInvalidDef", table(LONG, IndexSpec("pk", ["+a"], 2, conditions=["+a"]))),
    ("JET_errIndexInvalidDef", table(LONG, IndexSpec("pk", ["+a"], 2 | 8))),
    ("JET_errIndexInvalidDef", table(TEXT, IndexSpec("i", ["+t"], key_most=254))),
    ("JET_errIndexInvalidDef", table(TEXT, IndexSpec("i", ["+t"], key_most=1001))),
    ("JET_errIndexInvalidDef", table(TEXT, IndexSpec("i", ["+t"], var_seg_mac=256))),
    ("JET_errInvalidGrbit", table(LONG, IndexSpec("i", ["+a"], 0x100000))),
    ("JET_errInvalidGrbit", table(LONG, IndexSpec("i", ["+a"], 0x24000))),
    ("JET_errColumnNotFound", table(LONG, IndexSpec("i", ["+b"]))),
    ("JET_errColumnNotFound", table(LONG, IndexSpec("i", ["+a"], conditions=["+b"]))),
    ("JET_errCannotIndex", table(ColumnSpec("a", 4, 0x800, default=0), IndexSpec("i", ["+a"]))),
    ("JET_errIndexTuplesSecondaryIndexOnly", table(TEXT, IndexSpec("i", ["+t"], 2, tuple_limits=TupleLimits()))),
    ("JET_errIndexTuplesNonUniqueOnly", table(TEXT, IndexSpec("i", ["+t"], 0x1001))),
    ("JET_errIndexTuplesTextBinaryColumnsOnly", table(LONG, IndexSpec("i", ["+a"], 0x1000))),
    ("JET_errIndexTuplesVarSegMacNotAllowed", table(TEXT, IndexSpec("i", ["+t"], 0x1000, var_seg_mac=9))),
    ("JET_errIndexTuplesInvalidLimits", table(TEXT, IndexSpec("i", ["+t"], tuple_limits=TupleLimits(5, 4)))),
    ("JET_errIndexTuplesInvalidLimits", table(TEXT, IndexSpec("i", ["+t"], tuple_limits=TupleLimits(1, 4)))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "spec"), DEFINITIONS, ids=[f"{i}-{name}" for i, (name, _) in enumerate(DEFINITIONS)])
def test_definitions(tmp_path: Path, name: str, spec: TableSpec) -> None:
    with pytest.raises(JetError) as caught:
        build_database(tmp_path / "x.edb", [(spec, [])])
    assert caught.value.name == name
    assert list(tmp_path.iterdir()) == []


BIG = [ColumnSpec(f"b{i}", 9) for i in range(20)]
ROWS: list[tuple[str, TableSpec, list[Any]]] = [
    ("JET_errKeyDuplicate", table(LONG, PRIMARY), [{"a": 1}, {"a": 2}, {"a": 1}]),
    ("JET_errKeyDuplicate", table(LONG, PRIMARY, in_order=True), [{"a": 1}, {"a": 1}]),
    ("JET_errInvalidParameter", table(LONG, PRIMARY, in_order=True), [{"a": 2}, {"a": 1}]),
    ("JET_errKeyDuplicate", table(LONG, TEXT, PRIMARY, IndexSpec("i", ["+t"], 1)), [{"a": 1, "t": "x"}, {"a": 2, "t": "X"}]),
    ("JET_errColumnNotFound", table(LONG), [{"b": 1}]),
    ("JET_errColumnNotFound", table(LONG), [{7: 1}]),
    ("JET_errInvalidParameter", table(LONG), [("a", 1)]),
    ("JET_errInvalidColumnType", table(LONG), [{"a": "1"}]),
    ("JET_errInvalidColumnType", table(LONG), [{"a": 2**31}]),
    ("JET_errInvalidColumnType", table(LONG), [{"a": [1, 2]}]),
    ("JET_errInvalidBufferSize", table(LONG), [{"a": b"123"}]),
    ("JET_errColumnTooBig", table(TEXT), [{"t": "x" * 256}]),
    ("JET_errColumnTooBig", table(ColumnSpec("l", 11, cb_max=10)), [{"l": bytes(11)}]),
    ("JET_errInvalidParameter", table(TEXT), [{"t": "日本"}]),
    ("JET_errNullInvalid", table(ColumnSpec("a", 4, 4)), [{}]),
    ("JET_errNullInvalid", table(ColumnSpec("a", 4, 4, default=3)), [{"a": None}]),
    ("JET_errRecordTooBig", table(*BIG), [{f"b{i}": bytes(255) for i in range(20)}]),
    ("JET_errRecordTooBig", table(*[ColumnSpec(f"l{i}", 11) for i in range(500)]), [{f"l{i}": bytes(100) for i in range(500)}]),
    ("JET_errNullKeyDisallowed", table(LONG, IndexSpec("pk", ["+a"], 2 | 4)), [{}]),
    ("JET_errKeyTruncated", table(TEXT, IndexSpec("i", ["+t"], 0x10000)), [{"t": "x" * 255}]),
    ("JET_errOutOfAutoincrementValues", table(ColumnSpec("a", 4, 0x10)), [{"a": 2**31 - 1}, {}]),
    ("JET_errUnicodeNormalizationNotSupported", table(UNICODE, IndexSpec("i", ["+u"])), [{"u": "\u1100"}]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "spec", "rows"), ROWS, ids=[f"{i}-{row[0]}" for i, row in enumerate(ROWS)])
def test_rows(tmp_path: Path, name: str, spec: TableSpec, rows: list[Any]) -> None:
    with pytest.raises(JetError) as caught:
        build_database(tmp_path / "x.edb", [(table(LONG, name="before"), [{"a": 1}]), (spec, rows)])
    assert caught.value.name == name
    assert list(tmp_path.iterdir()) == []


def test_twice_the_same_table(tmp_path: Path) -> None:
    with pytest.raises(JetError) as caught:
        build_database(tmp_path / "x.edb", [(table(LONG, name="one"), []), (table(LONG, name="ONE"), [])])
    assert caught.value.code == codes.JET_errTableDuplicate
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "x.edb"
    path.write_bytes(b"mine")
    with pytest.raises(JetError) as caught:
        build_database(path, [])
    assert caught.value.code == codes.JET_errDatabaseDuplicate
    with pytest.raises(JetError):
        build_database(path, [(table(LONG), [{"b": 1}])], overwrite=True)
    assert path.read_bytes() == b"mine"
    build_database(path, [], overwrite=True)
    assert verify_database(path).ok
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"page_size": 2048}, codes.JET_errInvalidParameter),
        ({"page_size": 5000}, codes.JET_errInvalidParameter),
        ({"version": (0x620, 19, 0)}, codes.JET_errInvalidDatabaseVersion),
        ({"version": (0x621, 20, 0)}, codes.JET_errInvalidDatabaseVersion),
    ],
)
def test_options(tmp_path: Path, options: dict[str, Any], code: int) -> None:
    with pytest.raises(JetError) as caught:
        build_database(tmp_path / "x.edb", [], **options)
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_a_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(JetError) as caught:
        build_database(tmp_path / "no" / "x.edb", [])
    assert caught.value.code == codes.JET_errFileNotFound


def test_rows_that_fail(tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"a": 1}
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build_database(tmp_path / "x.edb", [(table(LONG), rows())])
    assert list(tmp_path.iterdir()) == []


class Failing(FileSystem):
    """A file system that is full from its `at`-th change on."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.changes = 0

    def change(self, path: object) -> None:
        self.changes += 1
        if self.changes > self.at:
            raise os_error(OSError(errno.ENOSPC, "no space left"), "writing", path)

    def open(self, path: Path, *, writable: bool = False, create: bool = False, exclusive: bool = False) -> File:
        if writable:
            self.change(path)
        file = super().open(path, writable=writable, create=create, exclusive=exclusive)
        return FailingFile(file, self.change)

    def rename(self, source: Path, target: Path) -> None:
        self.change(source)
        super().rename(source, target)


class FailingFile(File):
    def __init__(self, file: File, change: Callable[[object], None]) -> None:
        super().__init__(file.path, file.fileno(), writable=file.writable)
        self._change = change

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        self._change(self.path)
        super().write(offset, data)

    def truncate(self, size: int) -> None:
        self._change(self.path)
        super().truncate(size)

    def sync(self) -> None:
        self._change(self.path)
        super().sync()


def test_a_full_disk(tmp_path: Path) -> None:
    """The disk is full at every single change in turn: never a file, until it suffices."""
    spec = table(LONG, ColumnSpec("l", 11), PRIMARY)
    rows = [{"a": i, "l": bytes([i]) * 6000} for i in range(200)]
    path = tmp_path / "x.edb"
    for at in range(1000):
        files = Failing(at)
        try:
            build_database(path, [(spec, rows)], files=files)
        except JetError as problem:
            assert problem.code == codes.JET_errDiskFull
            assert list(tmp_path.iterdir()) == []
        else:
            break
    assert at > 8
    assert verify_database(path).ok
    assert list(tmp_path.iterdir()) == [path]
