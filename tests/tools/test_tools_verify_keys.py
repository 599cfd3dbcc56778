"""Index entries against records: every key of every genuine file is made again from its record."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from esent.catalog.schema import Catalog
from esent.engine.collation import sort_key_of
from esent.engine.index_entries import RecordValues
from esent.engine.table_view import TableView
from esent.pages.checksum import stamp_page
from esent.pages.database_file import DatabaseFile
from esent.pages.page import Page
from esent.tools.build import ColumnSpec, IndexSpec, TableSpec, build_database
from esent.tools.verify import Severity, verify_database
from esent.tools.verify_keys import KeyReport, check_keys
from esent.tree.cursor import Tree
from esent.tree.long_values import LongValues
from genuine import FIXTURES, Fixtures


def databases(folder: str) -> list[str]:
    if FIXTURES is None:
        return []
    found = [path for ending in ("edb", "dat", "mdb", "db") for path in (FIXTURES / folder).glob(f"*/*.{ending}*")]
    names = {str(path.relative_to(FIXTURES)).removesuffix(".gz") for path in found if path.suffix not in (".jsonl", ".json")}
    return sorted(name for name in names if not name.endswith((".jsonl", ".json")))


def clean(fixtures: Fixtures, name: str) -> bool:
    with DatabaseFile(fixtures.path(name)) as database:
        return database.header.is_clean


def compare(path: Path) -> KeyReport:
    with DatabaseFile(path) as database:
        return check_keys(database)


LARGE = ("windows/types/large.edb", "engine/rows-200k-8k/db.edb", "engine/clean-2000-4k/db.edb", "engine/clean-2000-32k/db.edb")
WINDOWS = [pytest.param(name, marks=[pytest.mark.campaign] * (name in LARGE)) for name in databases("windows")]
QUICK = ("engine/clean-4k/db.edb", "engine/efv-9600/db.edb", "engine/deleted-4k/db.edb", "engine/dirty-32k/recovered.edb")
ENGINE = [pytest.param(name, marks=[pytest.mark.campaign] * (name not in QUICK)) for name in databases("engine")]


@pytest.mark.fixtures
@pytest.mark.parametrize("name", WINDOWS)
def test_files_of_windows(fixtures: Fixtures, name: str) -> None:
    """Dirty ones included: what they hold is of one time."""
    report = compare(fixtures.path(name))
    assert report.compared >= 250
    assert not report.outdated
    assert not report.unknown
    # one entry too many, of which the original complains as well
    assert [text for _, text in report.wrong] == [
        "index timestampIndex of table backupset: 0 entries that records make are missing, 1 are there that no record makes"
    ] * ("Catalog1" in name)


def entries(database: DatabaseFile, table_name: str, index_name: str) -> Iterator[tuple[set[tuple[bytes, bytes]], ...]]:
    """What the records of a table make for an index, and what is stored."""
    table = Catalog.load(database).table(table_name)
    index = table.index(index_name)
    view = TableView(table, database.page_size, sort_key_of)
    values = LongValues(database, table.long_value_root, table.long_value_objid)
    made = set()
    for bookmark, record in Tree(database, table.root, table.objid).entries():
        found = RecordValues(view, record, lambda lid, count: b"".join(values.chunks(lid))[:count])
        made |= {(key, bookmark) for key in found.keys(index)}
    yield made, set(Tree(database, index.root, index.objid).entries())


def head(key: bytes) -> list[bytes]:
    """Primary and diacritic weights of a key that is a sort key."""
    return key.split(b"\1")[:2]


@pytest.mark.fixtures
@pytest.mark.parametrize("name", ENGINE)
def test_recorded_files(fixtures: Fixtures, name: str) -> None:
    """The system they were recorded on gives surrogates a case weight although case and width are ignored; Windows does not.

    That is all that differs: in all other indexes, among them one that does not ignore case, every key is the same.
    """
    if not clean(fixtures, name):
        pytest.skip("dirty: what it holds is of several times")
    with DatabaseFile(fixtures.path(name)) as database:
        report = check_keys(database)
        assert report.compared > 400
        assert not report.wrong
        assert not report.unknown
        differing = {text.split()[1] for _, text in report.outdated}
        assert differing <= {"ix_lvtextU", "ix_mvtext", "ix_textU", "ix_tuple"}
        for index in differing:
            for made, stored in entries(database, "AllTypes", index):
                ours, theirs = made - stored, stored - made
                assert len(ours) == len(theirs)
                assert sorted((mark, head(key)) for key, mark in ours) == sorted((mark, head(key)) for key, mark in theirs)
                assert all(0x3F in head(key)[1] and set(key.split(b"\1")[2]) <= {2, 6} for key, _ in theirs)
                assert not any(b"".join(key.split(b"\1")[2:3]) for key, _ in ours)


LONG, TEXT = 4, 10


@pytest.fixture
def built(tmp_path: Path) -> Path:
    spec = TableSpec(
        "t",
        [ColumnSpec("id", LONG), ColumnSpec("n", LONG), ColumnSpec("u", TEXT, 0, 1200)],
        [IndexSpec("pk", ["+id"], 2), IndexSpec("by_n", ["-n"]), IndexSpec("by_u", ["+u"])],
    )
    path = tmp_path / "x.edb"
    build_database(path, [(spec, [{"id": i, "n": i % 7, "u": f"naïve Ωμέγα {i}"} for i in range(50)])])
    return path


def patch(path: Path, old: bytes, new: bytes) -> None:
    """Overwrite bytes of the leaf of the records."""
    with DatabaseFile(path) as database:
        size = database.page_size
        root = Catalog.load(database).table("t").root
    data = bytearray(path.read_bytes())
    start = (root + 1) * size
    page = bytes(data[start : start + size])
    assert Page(page, root).is_leaf
    assert page.count(old) == 1
    data[start : start + size] = stamp_page(page.replace(old, new), root)
    path.write_bytes(data)


def test_a_sound_database(built: Path) -> None:
    report = verify_database(built, keys=True)
    assert report.ok
    assert not report.warnings
    assert report.entries_compared > 150


def test_a_changed_number_is_an_error(built: Path) -> None:
    patch(built, struct.pack("<ii", 20, 6), struct.pack("<ii", 20, 9))
    assert verify_database(built).ok
    report = verify_database(built, keys=True)
    assert [finding.text for finding in report.findings if finding.severity is Severity.ERROR] == [
        "index by_n of table t: 1 entries that records make are missing, 1 are there that no record makes"
    ]


def test_a_record_in_the_wrong_place_is_an_error(built: Path) -> None:
    patch(built, struct.pack("<ii", 20, 6), struct.pack("<ii", 21, 6))
    report = verify_database(built, keys=True)
    assert [finding.text for finding in report.findings if finding.severity is Severity.ERROR] == [
        "index pk of table t: 1 records are not at the place of their key"
    ]


def test_changed_text_is_a_warning(built: Path) -> None:
    patch(built, "Ωμέγα 33".encode("utf-16-le"), "Ωμέγα 34".encode("utf-16-le"))
    report = verify_database(built, keys=True)
    assert report.ok
    assert [finding.text for finding in report.findings if finding.severity is Severity.WARNING] == [
        "index by_u of table t: 1 entries that records make are missing, 1 are there that no record makes"
    ]


def test_text_without_a_known_key_is_a_note(built: Path) -> None:
    patch(built, "Ωμέγα 33".encode("utf-16-le"), "Ωμέγα \u1100\u1161".encode("utf-16-le"))
    report = verify_database(built, keys=True)
    assert report.ok
    (note,) = [finding.text for finding in report.findings if "not compared" in finding.text]
    assert note.startswith("index by_u of table t was not compared with the records: ")
