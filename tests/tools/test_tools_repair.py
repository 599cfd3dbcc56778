"""Repaired databases: everything that can be found is in them, what cannot is reported, and they are sound."""

from __future__ import annotations

import errno
import hashlib
import os
import random
from pathlib import Path

import pyesedb
import pytest
from damaged_files import HOW, Undamaged, build_deep, row_lines, row_name

import esent
from esent.catalog.salvage import Salvage
from esent.constants import codes
from esent.errors import JetError
from esent.pages.checksum import stamp_page
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import File, FileSystem
from esent.tools.dump import dump
from esent.tools.repair import RepairReport
from esent.tools.verify import verify_database

WHOLE = [
    "engine/clean-4k/db.edb",
    "engine/clean-8k/db.edb",
    "engine/clean-16k/db.edb",
    "engine/clean-32k/db.edb",
    "engine/deleted-4k/db.edb",
    "engine/efv-8020/db.edb",
    "engine/efv-9600/db.edb",
    "engine/dirty-4k/recovered.edb",
    "windows/compression/decompress_test.edb",
    "windows/compression/test.edb",
    "windows/srum-server2022-first-day/SRUDB.dat",
    "windows/srum-win11-repaired/SRUDB.dat",
    "windows/types/Current.mdb",
    "windows/types/basic.edb",
    "windows/types/binary.edb",
    "windows/types/default.edb",
    "windows/types/index.edb",
    "windows/types/multi.edb",
    "windows/types/text.edb",
    "windows/ual-hyperv/SystemIdentity.mdb",
]


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Undamaged:
    path = tmp_path_factory.mktemp("deep") / "deep.edb"
    build_deep(path, 160)
    return Undamaged(path)


def repaired(source: Path, target: Path) -> tuple[RepairReport, list[str]]:
    """The report and the dump of the new database, which is sound; the source is as before."""
    before = hashlib.sha256(source.read_bytes()).digest()
    target.unlink(missing_ok=True)
    report = esent.repair(source, target)
    assert hashlib.sha256(source.read_bytes()).digest() == before
    found = verify_database(target)
    assert found.ok, found.findings
    assert report.verified
    assert [path.name for path in target.parent.iterdir() if path.name.startswith(".")] == []
    return report, list(dump(target, entries=True))


def peer_rows(path: Path) -> dict[str, int]:
    """Rows by table as pyesedb counts them."""
    database = pyesedb.open(str(path))
    try:
        tables = [database.get_table(number) for number in range(database.get_number_of_tables())]
        return {table.get_name(): table.get_number_of_records() for table in tables}
    finally:
        database.close()


@pytest.mark.parametrize("name", WHOLE)
def test_of_a_sound_database_everything_is_kept(fixtures, name: str, tmp_path: Path) -> None:
    source = fixtures.path(name)
    report, lines = repaired(source, tmp_path / "new.edb")
    assert lines == list(dump(source, entries=True))
    assert report.ok
    assert report.lost_and_found is None
    assert all(table.whole for table in report.tables)


def test_an_index_that_contradicts_its_table_is_made_anew(fixtures, tmp_path: Path) -> None:
    source = fixtures.path("windows/catalog/Catalog1.edb")
    report, lines = repaired(source, tmp_path / "new.edb")
    assert row_lines(lines) == row_lines(dump(source))
    assert report.ok


def test_a_dirty_database_without_logs(fixtures, tmp_path: Path) -> None:
    """Its rows as they are; the original's own repair finds the same."""
    source = fixtures.path("windows/ual-hyperv/Current.mdb")
    copy = tmp_path / "Current.mdb"
    copy.write_bytes(source.read_bytes())
    report, lines = repaired(copy, tmp_path / "new.edb")
    wanted = fixtures.read("windows/ual-hyperv/Current.mdb.repaired.dump.jsonl").decode().splitlines()
    assert row_lines(lines) == [line for line in row_lines(wanted) if not row_name(line)[0].startswith("MSys")]
    assert not report.ok
    assert [loss.part for loss in report.losses] == ["logs"]


def test_a_dirty_database_with_its_logs(fixtures, tmp_path: Path) -> None:
    fixtures.copy_set("engine/dirty-4k", tmp_path)
    names = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "out").mkdir()
    report, lines = repaired(tmp_path / "db.edb", tmp_path / "out" / "new.edb")
    assert row_lines(lines) == row_lines(dump(fixtures.path("engine/dirty-4k/recovered.edb")))
    assert report.ok
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == names


def check(sound: Undamaged, pgnos: list[int], how: str, folder: Path) -> RepairReport:
    """Pages destroyed: what a reader still finds is in the new database, nothing else, and it is told truly."""
    path = sound.damaged(pgnos, how, folder / "x.edb")
    report, lines = repaired(path, folder / "new.edb")
    got = row_lines(lines)
    wanted = sound.rows_without([pgno for pgno in pgnos if pgno])
    assert list(map(row_name, got)) == list(map(row_name, wanted))
    changed = len(set(got) - set(wanted))
    assert changed <= sum(table.values_lost for table in report.tables)
    assert not any('"error"' in line for line in got)
    if len(got) < len(sound.rows) or changed:
        assert not report.ok
        named = {loss.page for loss in report.losses}
        assert any(pgno in named for pgno in pgnos)
    counts = peer_rows(folder / "new.edb")
    assert all(counts[table.name] == table.rows for table in report.tables)
    return report


def test_one_page_of_every_class(deep: Undamaged, tmp_path: Path) -> None:
    chance = random.Random(3)
    classes: dict[tuple[object, ...], list[int]] = {}
    for pgno, page in deep.pages.items():
        classes.setdefault((*deep.owner(pgno), page.is_root, page.is_leaf, page.is_space), []).append(pgno)
    assert len(classes) > 20
    for number, pgnos in enumerate(list(classes.values())[::2]):
        check(deep, [chance.choice(pgnos)], HOW[number % len(HOW)], tmp_path)


def test_many_pages_and_the_headers(deep: Undamaged, tmp_path: Path) -> None:
    chance = random.Random(5)
    users = [pgno for pgno in deep.pages if not deep.owner(pgno).table.startswith("MSys")]
    for count in (5, 25):
        check(deep, [0, *chance.sample(users, count)], "zero", tmp_path)


@pytest.mark.campaign
def test_many_pages_often(fixtures, deep: Undamaged, tmp_path: Path) -> None:
    chance = random.Random(11)
    for sound in (
        deep,
        Undamaged(fixtures.path("engine/clean-4k/db.edb")),
        Undamaged(fixtures.path("windows/srum-win10/SRUDB.dat")),
    ):
        users = [pgno for pgno in sound.pages if not sound.owner(pgno).table.startswith("MSys")]
        for _ in range(40):
            check(sound, chance.sample(users, chance.randrange(1, 12)), chance.choice(HOW), tmp_path)


def test_values_of_lost_pages_become_null_and_their_pieces_are_kept(deep: Undamaged, tmp_path: Path) -> None:
    pgno = [p for p, page in deep.pages.items() if deep.owner(p) == ("Deep", "long values") and page.is_leaf][6]
    report = check(deep, [pgno], "zero", tmp_path)
    values = sum(table.values_lost for table in report.tables)
    assert values > 0
    told = [loss for loss in report.losses if loss.text.startswith("column ")]
    assert len(told) == values
    with esent.open(tmp_path / "new.edb", read_only=True) as db:
        assert report.lost_and_found in db.tables
        pieces = list(db[str(report.lost_and_found)])
    assert {row.Owner for row in pieces} == {"Deep"}
    assert {row.Part for row in pieces} == {"long values"}
    assert len(pieces) == report.left_over


def test_the_columns_of_a_table_gone_from_both_catalogs(deep: Undamaged, tmp_path: Path) -> None:
    """Nothing describes the rows any more: they are in lost-and-found as they are."""
    pgnos = [p for p in deep.pages if deep.owner(p).table in ("MSysObjects", "MSysObjectsShadow") and deep.pages[p].is_leaf]
    path = deep.damaged(pgnos, "zero", tmp_path / "x.edb")
    report, _ = repaired(path, tmp_path / "new.edb")
    assert not report.ok
    assert report.lost_and_found == "lost_and_found"
    with esent.open(tmp_path / "new.edb", read_only=True) as db:
        kept = {row.Key.hex() for row in db["lost_and_found"] if row.Part == "rows"}
    assert {bookmark for _, bookmark in map(row_name, deep.rows)} <= kept
    assert report.left_over >= len(deep.rows)


def test_rows_with_one_key_in_a_unique_index(deep: Undamaged, tmp_path: Path) -> None:
    """Two rows say the same number: the one the index lists stays, the other is in lost-and-found."""
    image = bytearray(deep.image)
    pgno = [p for p, page in deep.pages.items() if deep.owner(p) == ("Deep", "rows") and page.is_leaf and not page.is_space][3]
    page = deep.pages[pgno]
    first, second = page.value_bounds(0)[0] + 4, page.value_bounds(1)[0] + 4
    start = (pgno + 1) * deep.page_size
    image[start + second : start + second + 4] = image[start + first : start + first + 4]
    image[start : start + deep.page_size] = stamp_page(bytes(image[start : start + deep.page_size]), pgno)
    path = tmp_path / "x.edb"
    path.write_bytes(image)
    report, lines = repaired(path, tmp_path / "new.edb")
    assert not report.ok
    gone = page.key(1).hex()
    assert [name for name in map(row_name, deep.rows) if name not in set(map(row_name, row_lines(lines)))] == [("Deep", gone)]
    assert report.left_over == 1
    assert any("unique index ByNumber" in loss.text for loss in report.losses)


def test_nothing_is_left_behind_when_the_disk_is_full(deep: Undamaged, tmp_path: Path) -> None:
    class Full(FileSystem):
        def __init__(self, most: int) -> None:
            self.most = most

        def open(self, path: Path, *, writable: bool = False, create: bool = False, exclusive: bool = False) -> File:
            file = super().open(path, writable=writable, create=create, exclusive=exclusive)
            return _Limited(file, self) if writable else file

    class _Limited(File):
        def __init__(self, file: File, disk: Full) -> None:
            super().__init__(file.path, os.dup(file.fileno()), writable=True)
            file.close()
            self._disk = disk

        def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
            self._disk.most -= len(data)
            if self._disk.most < 0:
                raise JetError(os.strerror(errno.ENOSPC), code=codes.JET_errDiskFull)
            super().write(offset, data)

    path = deep.damaged([40], "zero", tmp_path / "x.edb")
    for most in (0, 100_000, 250_000):
        with pytest.raises(JetError) as problem:
            esent.repair(path, tmp_path / "new.edb", files=Full(most))
        assert problem.value.code == codes.JET_errDiskFull
        assert [each.name for each in tmp_path.iterdir()] == ["x.edb"]


def test_refusals(deep: Undamaged, tmp_path: Path) -> None:
    there = tmp_path / "there.edb"
    there.write_bytes(b"something")
    with pytest.raises(esent.DatabaseDuplicateError):
        esent.repair(deep.path, there)
    with pytest.raises(esent.DatabaseDuplicateError):
        esent.repair(deep.path, deep.path)
    assert there.read_bytes() == b"something"
    nothing = tmp_path / "zero.edb"
    nothing.write_bytes(bytes(1 << 16))
    with pytest.raises(JetError):
        esent.repair(nothing, tmp_path / "new.edb")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.edb", "zero.edb"]


def test_repairing_twice_changes_nothing(deep: Undamaged, tmp_path: Path) -> None:
    path = deep.damaged([50, 60, 70], "flip", tmp_path / "x.edb")
    _, first = repaired(path, tmp_path / "new.edb")
    report, second = repaired(tmp_path / "new.edb", tmp_path / "newer.edb")
    assert first == second
    assert report.ok


def test_the_salvage_is_not_in_the_way_of_the_file(deep: Undamaged) -> None:
    with DatabaseFile(deep.path) as file:
        salvage = Salvage(file)
        assert salvage.catalog.is_complete
        assert not salvage.losses
