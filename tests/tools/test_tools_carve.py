"""Carving: what the engine deleted a moment ago is found, and nothing that never existed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from damaged_files import Undamaged

import esent
from esent.tools.carve import CarvedRow
from esent.tools.dump import dump
from process_reset import reset_process

State = tuple[tuple[str, Any], ...]


@pytest.fixture(autouse=True)
def clean_process() -> Iterator[None]:
    yield
    reset_process()


def state(values: dict[str, Any]) -> State:
    """A row to compare: bytes as carving shows them, NULL left out."""
    return tuple(
        (name, value.hex() if isinstance(value, bytes) else value)
        for name, value in sorted(values.items())
        if value is not None
    )


class Story:
    """A table that lived: every state each of its rows ever had, and what is live in the end."""

    def __init__(self, path: Path, seed: int, page_size: int, text_key: bool) -> None:
        self.path = path
        self.history: set[State] = set()
        self.live: dict[Any, dict[str, Any]] = {}
        self._chance = random.Random(seed)
        self._text_key = text_key
        with esent.open(path, page_size=page_size, circular_logging=False) as db:
            key = esent.Text(40) if text_key else esent.Int64()
            columns = {
                "id": key,
                "n": esent.Int32(),
                "name": esent.Text(60),
                "note": esent.LongText(),
                "flag": esent.Binary(20),
            }
            table = db.create_table("t", columns, primary_key="id")
            for _ in range(8):
                with db.transaction():
                    for _ in range(25):
                        self._step(table)
        self.logs = sorted(path.parent.glob("edb*.log"))

    def _values(self, number: object) -> dict[str, Any]:
        chance = self._chance
        return {
            "name": "".join(chance.choice("abcdef gh") for _ in range(chance.randrange(30))) or None,
            "note": f"n{number} " * chance.choice((0, 1, 5, 30, 600)) or None,
            "n": chance.choice((None, chance.randrange(1000))),
            "flag": chance.choice((None, chance.randbytes(chance.randrange(9)))),
        }

    def _step(self, table: esent.Table) -> None:
        what = self._chance.random()
        if what < 0.5 or not self.live:
            number: Any = self._chance.randrange(300)
            number = f"k{number}\N{LATIN SMALL LETTER E WITH ACUTE}" if self._text_key else number
            if number in self.live:
                return
            values = self._values(number)
            table.insert(id=number, **values)
        elif what < 0.8:
            number = self._chance.choice(list(self.live))
            table.delete(table[number])
            del self.live[number]
            return
        else:
            number = self._chance.choice(list(self.live))
            values = self._values(number)
            table.update(table[number], **values)
        self.live[number] = values
        self.history.add(state({"id": number, **values}))

    def check(self, rows: list[CarvedRow]) -> set[Any]:
        """No row that never was, none that is live; the keys of deleted rows that were found."""
        exact = 0
        known = {dict(each)["id"] for each in self.history}
        for row in rows:
            lost = {name for name, value in row.values.items() if isinstance(value, dict)}  # long values that are gone
            doubtful = {*row.uncertain, *lost}
            shown = state({name: value for name, value in row.values.items() if name not in doubtful})
            was = shown in {tuple(pair for pair in each if pair[0] not in doubtful) for each in self.history}
            exact += was
            number = row.values["id"]
            assert number in known
            assert was or row.confidence != "high"
            assert row.live == (number in self.live)
            if row.live and not doubtful:
                assert shown != state({"id": number, **self.live[number]})
        assert exact >= 0.97 * len(rows)
        return {row.values["id"] for row in rows if not row.live}


@pytest.mark.parametrize(("page_size", "text_key"), [(4096, False), (8192, True), (16384, False)])
def test_everything_deleted_is_in_the_logs_and_nothing_else(tmp_path: Path, page_size: int, text_key: bool) -> None:
    story = Story(tmp_path / "a.edb", page_size, page_size, text_key)
    deleted = {dict(each)["id"] for each in story.history} - set(story.live)
    in_pages = story.check([row for row in esent.carve(story.path) if row.table == "t"])
    assert in_pages & deleted  # how much is left depends on what was written since
    assert story.check([row for row in esent.carve(story.path, story.logs) if row.table == "t"]) == deleted


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(40))
def test_many_stories(tmp_path: Path, seed: int) -> None:
    story = Story(tmp_path / "a.edb", seed, (4096, 8192, 16384, 32768)[seed % 4], seed % 3 == 0)
    story.check([row for row in esent.carve(story.path) if row.table == "t"])
    story.check([row for row in esent.carve(story.path, story.logs) if row.table == "t"])


def test_a_deleted_table_with_its_name_and_columns(tmp_path: Path) -> None:
    with esent.open(tmp_path / "a.edb") as db:
        gone = db.create_table("gone", {"k": esent.Text(50), "v": esent.Int32()}, primary_key="k")
        with db.transaction():
            for number in range(60):
                gone.insert(k=f"key {number}", v=number)
        db.delete_table("gone")
        db.create_table("other", {"x": esent.Int32()})
    rows = list(esent.carve(tmp_path / "a.edb", tables=["GONE"]))
    assert {(row.values["k"], row.values["v"]) for row in rows} == {(f"key {n}", n) for n in range(60)}
    assert {row.how for row in rows} == {"freed page"}
    assert all(row.table_deleted and row.table == "gone" and not row.live for row in rows)


def test_what_was_rolled_back_is_told_so(tmp_path: Path) -> None:
    with esent.open(tmp_path / "a.edb", circular_logging=False) as db:
        table = db.create_table("t", {"id": esent.Int32(), "v": esent.Text(60)}, primary_key="id")
        table.insert(id=1, v="kept")
        table.insert(id=2, v="deleted")
        with pytest.raises(KeyError), db.transaction():
            table.insert(id=3, v="never committed")
            raise KeyError
        table.delete(table[2])
    logs = sorted(tmp_path.glob("edb*.log"))
    rows = {row.values["id"]: row for row in esent.carve(tmp_path / "a.edb", logs, tables=["t"])}
    assert rows[2].committed is True
    assert rows[3].committed is False
    assert 1 not in rows


def test_of_a_freshly_built_database_there_is_nothing(fixtures) -> None:
    assert list(esent.carve(fixtures.path("windows/types/basic.edb"))) == []


@pytest.mark.parametrize("name", ["engine/deleted-4k/db.edb", "engine/clean-4k/db.edb"])
def test_live_rows_are_never_among_them(fixtures, name: str) -> None:
    sound = Undamaged(fixtures.path(name))
    live = {(line_table, bookmark) for line_table, bookmark in map(_name, dump(sound.path, system=True))}
    rows = list(esent.carve(sound.path))
    for row in rows:
        if row.live is not None and not row.table_deleted:
            assert row.live == ((row.table, row.key.hex()) in live)
    if "deleted" in name:
        assert rows


def _name(line: str) -> tuple[str, str]:
    row = json.loads(line)
    return row.get("t", ""), row.get("bm", "")


def test_the_logs_of_a_genuine_database(fixtures, tmp_path: Path) -> None:
    """Rows that the recorded transactions deleted or rolled back."""
    fixtures.copy_set("engine/clean-4k", tmp_path)
    logs = sorted(path for path in tmp_path.glob("edb*.log") if path.name != "edbtmp.log")
    rows = list(esent.carve(tmp_path / "db.edb", logs, tables=["Events", "AllTypes"]))
    assert any(row.how.startswith("log") for row in rows)
    assert {row.committed for row in rows if row.log} >= {True, False}
    assert all(row.position is not None for row in rows if row.log)
