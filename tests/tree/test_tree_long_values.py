"""Long values put together from their chunks: genuine trees, and trees that promise what is not there."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esent.catalog.schema import Catalog
from esent.constants import codes
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.records.compression import compress
from esent.records.decode import Separated
from esent.tree.cursor import Tree
from esent.tree.long_values import LongValues

SETS = [
    "engine/clean-4k/db.edb",
    "engine/clean-2000-32k/db.edb",
    "engine/deleted-4k/db.edb",
    "windows/compression/decompress_test2.edb",
    "windows/types/binary.edb",
]


class Entries:
    """A tree given by its entries, as `LongValues` sees one."""

    root = 1

    def __init__(self, entries: dict[bytes, bytes]) -> None:
        self.sorted = sorted(entries.items())

    def entries(self, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        return (entry for entry in self.sorted if start is None or entry[0] >= start)

    def find(self, key: bytes) -> bytes | None:
        return dict(self.sorted).get(key)


class NoPages:
    page_size = 4096

    def read_page(self, pgno: int) -> bytes:
        raise AssertionError(pgno)


def long_values(entries: dict[bytes, bytes]) -> LongValues:
    found = LongValues(NoPages(), 1)
    found.tree = Entries(entries)  # type: ignore[assignment]
    return found


def tree_of(number: bytes, size: int, chunks: dict[int, bytes], flags: bytes = b"") -> dict[bytes, bytes]:
    """The nodes of one value: its root, and chunks by offset."""
    return {number: struct.pack("<II", 1, size) + flags} | {
        number + struct.pack(">I", offset): data for offset, data in chunks.items()
    }


SHORT, LONG = bytes.fromhex("00000005"), bytes.fromhex("8000000080000007")


@pytest.mark.parametrize("name", SETS)
def test_every_value_has_the_size_its_root_says(fixtures, name: str) -> None:
    count = compressed = 0
    with DatabaseFile(fixtures.path(name)) as file:
        for table in Catalog.load(file):
            if not table.long_value_root:
                continue
            values = LongValues(file, table.long_value_root, table.long_value_objid, keep=16)
            tree = Tree(file, table.long_value_root, table.long_value_objid)
            stored = sum(len(data) for key, data in tree.entries() if len(key) == 12 or (len(key) == 8 and key[0] < 0x80))
            plain = 0
            for lid, root in values.values():
                whole = values.read(lid)
                assert len(whole) == root.size == values.root(lid).size
                assert b"".join(values.chunks(lid)) == whole
                plain += root.size
                count += 1
            compressed += stored < plain
    assert count
    assert compressed or "deleted" not in name


def test_records_point_to_values_with_references(fixtures) -> None:
    with DatabaseFile(fixtures.path("engine/deleted-4k/db.edb")) as file:
        table = Catalog.load(file).table("LvMany")
        plan = table.plan(file.page_size)
        values = LongValues(file, table.long_value_root, table.long_value_objid)
        counts: dict[bytes, int] = {}
        for _, record in Tree(file, table.root, table.objid).entries():
            for value in plan.values(record):
                for part in value if isinstance(value, list) else [value]:
                    if isinstance(part, Separated):
                        counts[part.lid] = counts.get(part.lid, 0) + 1
        known = {lid: root.reference_count for lid, root in values.values()}
    assert len(counts) > 50
    assert all(known[lid] == count for lid, count in counts.items())


@pytest.mark.parametrize("number", [SHORT, LONG])
@given(data=st.data())
@settings(max_examples=60)
def test_put_together_from_any_chunks(number: bytes, data: st.DataObject) -> None:
    """Whatever the chunk size was, and whether or not a chunk is compressed."""
    text = data.draw(st.text("abcdefgh", max_size=3000)).encode()
    step = data.draw(st.integers(100, 4000))
    chunks = {}
    for offset in range(0, len(text), step):
        part = text[offset : offset + step]
        packed = compress(part) if data.draw(st.booleans()) else None
        chunks[offset] = packed if packed is not None and len(packed) < len(part) else part
    others = tree_of(bytes.fromhex("00000004"), 2, {0: b"aa"}) | tree_of(bytes.fromhex("00000006"), 2, {0: b"zz"})
    values = long_values(others | tree_of(number, len(text), chunks))
    assert values.read(number[::-1]) == text
    assert values.root(number[::-1]) == (1, len(text), 0)


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ({}, codes.JET_errLVCorrupted),
        (tree_of(LONG, 5, {0: b"abcde"}), codes.JET_errLVCorrupted),  # another value
        ({SHORT: b"\1\0\0\0\5\0\0"}, codes.JET_errLVCorrupted),  # a root of seven bytes
        (tree_of(SHORT, 0x80000000, {0: b"abc"}), codes.JET_errLVCorrupted),  # larger than a value can be
        (tree_of(SHORT, 0x7FFFFFFF, {0: b"abc"}), codes.JET_errLVCorrupted),  # one chunk for two gigabytes
        (tree_of(SHORT, 0x7FFFFFFF, {}), codes.JET_errLVCorrupted),  # none at all
        (tree_of(SHORT, 5, {}), codes.JET_errLVCorrupted),
        (tree_of(SHORT, 0, {0: b"abc"}), codes.JET_errLVCorrupted),
        (tree_of(SHORT, 3, {0: b"abcde"}), codes.JET_errLVCorrupted),  # more than the size
        (tree_of(SHORT, 5, {3: b"de"}), codes.JET_errLVCorrupted),  # no first chunk
        (tree_of(SHORT, 3, {0: b"abc", 5: b"de"}), codes.JET_errLVCorrupted),  # a chunk behind the end
        (tree_of(SHORT, 90, {0: b"\xf8 is no compression"}), codes.JET_errDecompressionFailed),
        (tree_of(SHORT, 5, {0: b"abcde"}, b"\1"), codes.JET_errColumnNoEncryptionKey),
    ],
)
def test_a_value_that_is_not_there(entries: dict[bytes, bytes], code: int) -> None:
    with pytest.raises(JetError) as refused:
        long_values(entries).read(SHORT[::-1])
    assert refused.value.code == code


def test_no_tree_no_values() -> None:
    values = LongValues(NoPages(), 0)
    assert list(values.values()) == []
    for call in (values.root, values.read):
        with pytest.raises(JetError) as refused:
            call(SHORT[::-1])
        assert refused.value.code == codes.JET_errLVCorrupted


@given(
    st.dictionaries(st.binary(min_size=4, max_size=12), st.binary(max_size=20), max_size=6),
    st.integers(0, 40),
    st.dictionaries(st.integers(0, 60), st.binary(max_size=20), max_size=5),
)
def test_any_tree_ends_in_bytes_or_an_error(noise: dict[bytes, bytes], size: int, chunks: dict[int, bytes]) -> None:
    values = long_values(noise | tree_of(SHORT, size, chunks))
    with contextlib.suppress(JetError):
        assert len(values.read(SHORT[::-1])) == size
    with contextlib.suppress(JetError):
        assert all(root.size <= 0x7FFFFFFF for _, root in values.values())
