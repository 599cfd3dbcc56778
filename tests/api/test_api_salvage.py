"""`esent.open(..., salvage=True)`: damage costs its own rows, and `losses` says so."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

import esent

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from damaged_files import Undamaged, build_deep


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Undamaged:
    path = tmp_path_factory.mktemp("deep") / "deep.edb"
    build_deep(path, 500)
    return Undamaged(path)


def pages(sound: Undamaged, table: str, part: str, *, leaf: bool = True) -> list[int]:
    return [
        pgno
        for pgno, page in sound.pages.items()
        if sound.owner(pgno) == (table, part) and page.is_leaf == leaf and not page.is_root and not page.is_space
    ]


def numbers_on(sound: Undamaged, pgno: int) -> set[int]:
    """The values of Number in the rows of a leaf of Deep: the first fixed column."""
    return {int.from_bytes(record[4:8], "little") for _, _, record in sound.pages[pgno].entries()}


def test_a_sound_database_has_no_losses(deep: Undamaged) -> None:
    with esent.open(deep.path, salvage=True) as db, esent.open(deep.path, read_only=True) as plain:
        assert [list(row.items()) for row in db["Deep"]] == [list(row.items()) for row in plain["Deep"]]
        assert [row.Number for row in db["Deep"].index("ByText")] == [row.Number for row in plain["Deep"].index("ByText")]
        assert list(db.losses) == []
        assert list(plain.losses) == []


def test_a_bad_leaf_costs_its_rows(deep: Undamaged, tmp_path: Path) -> None:
    pgno = pages(deep, "Deep", "rows")[7]
    gone = numbers_on(deep, pgno)
    path = deep.damaged([pgno], "flip", tmp_path / "x.edb")
    before = hashlib.sha256(path.read_bytes()).digest()
    with esent.open(path, salvage=True) as db:
        table = db["Deep"]
        assert {row.Number for row in table} == set(range(0, 1500, 3)) - gone
        assert [loss.page for loss in db.losses] == [pgno]
        assert db.losses[0].table == "Deep"
        assert "page" in str(db.losses[0])
        number = min(gone)
        assert table.index("ByNumber").get(number) is None
        assert table.index("ByNumber").get(number + 3 * len(gone)) is not None
        # an index still knows the keys of the rows that are gone: each is told
        assert {row.Number for row in table.index("ByNumber")} == set(range(0, 1500, 3)) - gone
        assert sum("the row with the key" in loss.text for loss in db.losses) == len(gone)
    assert hashlib.sha256(path.read_bytes()).digest() == before


def test_a_broken_index_falls_back_to_the_rows(deep: Undamaged, tmp_path: Path) -> None:
    for name, leaf in (("ByNumber", True), ("ByText", True), ("ByText", False)):
        found = pages(deep, "Deep", f"index {name}", leaf=leaf)
        roots = [
            p for p, page in deep.pages.items() if deep.owner(p).part == f"index {name}" and page.is_root and not page.is_space
        ]
        path = deep.damaged([*found[:2], *(roots if not leaf else ())], "zero", tmp_path / "x.edb")
        with esent.open(path, salvage=True) as db, esent.open(deep.path, read_only=True) as plain:
            index, whole = db["Deep"].index(name), plain["Deep"].index(name)
            assert [row.bookmark for row in index] == [row.bookmark for row in whole]
            value = 30 if name == "ByNumber" else "text 5"
            assert [row.bookmark for row in index.equal(value)] == [row.bookmark for row in whole.equal(value)]
            assert db.losses
            assert all(loss.complete for loss in db.losses)


def test_a_bad_page_of_long_values_costs_values(deep: Undamaged, tmp_path: Path) -> None:
    pgno = pages(deep, "Deep", "long values")[5]
    path = deep.damaged([pgno], "zero", tmp_path / "x.edb")
    whole = failed = 0
    with esent.open(path, salvage=True) as db:
        for row in db["Deep"]:
            for name in ("Notes", "Tags"):
                try:
                    whole += bool(row[name]) and all(not isinstance(part, esent.JetError) for part in row[name])
                    failed += isinstance(row[name], list) and any(isinstance(part, esent.JetError) for part in row[name])
                except esent.JetError:
                    failed += 1
        assert len(db["Deep"]) == 500
        assert whole > 100
        assert 0 < failed < 10
        assert {loss.page for loss in db.losses} == {pgno}


def test_a_dirty_database_without_logs(fixtures, tmp_path: Path) -> None:
    path = fixtures.path("engine/dirty-4k/db.edb")
    copy = tmp_path / "db.edb"
    copy.write_bytes(path.read_bytes())
    with pytest.raises(esent.DatabaseDirtyShutdownError):
        esent.open(copy, read_only=True)
    with esent.open(copy, salvage=True) as db:
        assert db.losses[0].part == "logs"
        assert sum(len(list(db[name])) for name in db.tables) > 50


def test_a_dirty_database_with_its_logs_is_read_as_of_its_last_commit(fixtures, tmp_path: Path) -> None:
    fixtures.copy_set("engine/dirty-4k", tmp_path)
    with (
        esent.open(tmp_path / "db.edb", salvage=True) as db,
        esent.open(fixtures.path("engine/dirty-4k/recovered.edb"), read_only=True) as whole,
    ):
        assert list(db.losses) == []
        assert db.replayed is not None
        assert {name: len(db[name]) for name in db.tables} == {name: len(whole[name]) for name in whole.tables}


def test_a_page_size_that_is_known(deep: Undamaged, tmp_path: Path) -> None:
    path = deep.damaged([0], "zero", tmp_path / "x.edb")
    with esent.open(path, salvage=True, page_size=4096) as db:
        assert len(list(db["Heap"])) == 500
        assert db.losses[0].part == "header"
        assert db.losses[0].complete
