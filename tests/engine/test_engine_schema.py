"""What a session sees of definitions that others are making, and who may open what."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_instances import running

from esent.constants import codes, grbits
from esent.engine import ddl
from esent.engine.create import create_database
from esent.engine.cursor import Cursor
from esent.engine.database import AttachedDatabase
from esent.engine.ddl import ColumnWish, IndexWish, TableWish
from esent.engine.instance import Instance
from esent.engine.schema import SessionTable, schema_of
from esent.engine.session import Session
from esent.errors import JetError


class World:
    """A database with table T (column A) and two sessions."""

    def __init__(self, folder: Path) -> None:
        self.instance: Instance = running(folder)
        self.one = self.instance.begin_session()
        self.two = self.instance.begin_session()
        create_database(self.one, str(folder / "db.edb"))
        self.database: AttachedDatabase = self.instance.databases.all()[0]
        self.instance.databases.open(self.two, str(folder / "db.edb"), 0)
        ddl.create_table(self.one, self.database, TableWish("T", columns=[ColumnWish("A", 4)])).close()

    def open(self, session: Session, name: str = "T", grbit: int = 0) -> Cursor:
        return ddl.open_table(session, self.database, name, grbit)

    def names(self, session: Session) -> list[str]:
        found = [name for name, live in schema_of(self.database).visible(session) if not live.base.is_system]
        return sorted(found)

    def columns(self, cursor: Cursor) -> list[str]:
        cursor.refresh_view()
        return [column.name for column in cursor.table.columns]

    def indexes(self, cursor: Cursor) -> tuple[list[str], list[str]]:
        cursor.refresh_view()
        return [index.name for index in cursor.table.indexes], [index.name for index in cursor.table.hidden_indexes]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    with pytest.raises(JetError):
        made.instance.terminate(grbits.JET_bitTermDirty)


def code_of(call: Any, *args: Any) -> int:
    with pytest.raises(JetError) as caught:
        call(*args)
    return caught.value.code


def test_a_new_column_is_seen_when_it_is_committed(world: World) -> None:
    mine, theirs = world.open(world.one), world.open(world.two)
    world.one.begin()
    ddl.add_column(mine, ColumnWish("B", 4))
    assert world.columns(mine) == ["A", "B"]
    assert world.columns(theirs) == ["A"]
    world.one.commit()
    assert world.columns(theirs) == ["A", "B"]


def test_a_snapshot_does_not_see_what_is_committed_later(world: World) -> None:
    mine, theirs = world.open(world.one), world.open(world.two)
    world.two.begin()
    ddl.add_column(mine, ColumnWish("B", 4))
    ddl.delete_column(mine, "A")
    ddl.create_table(world.one, world.database, TableWish("U")).close()
    assert (world.columns(theirs), world.names(world.two)) == (["A"], ["T"])
    world.two.commit()
    assert (world.columns(theirs), world.names(world.two)) == (["B"], ["T", "U"])


def test_a_roll_back_of_an_inner_level_takes_its_changes_only(world: World) -> None:
    mine = world.open(world.one)
    world.one.begin()
    ddl.add_column(mine, ColumnWish("B", 4))
    world.one.begin()
    ddl.add_column(mine, ColumnWish("C", 4))
    ddl.delete_column(mine, "A")
    ddl.rename_table(world.one, world.database, "T", "V")
    assert (world.columns(mine), world.names(world.one)) == (["B", "C"], ["V"])
    world.one.rollback()
    assert (world.columns(mine), world.names(world.one)) == (["A", "B"], ["T"])
    world.one.rollback()
    assert world.columns(mine) == ["A"]


def test_ids_of_columns_are_not_used_again(world: World) -> None:
    mine = world.open(world.one)
    ids = []
    for _ in range(3):
        world.one.begin()
        wish = ColumnWish("B", 4)
        ddl.add_column(mine, wish)
        ids.append(wish.columnid)
        world.one.rollback()
    wish = ColumnWish("B", 4, default=b"\0")
    assert code_of(ddl.add_column, mine, wish) == codes.JET_errInvalidBufferSize
    wish = ColumnWish("B", 4)
    ddl.add_column(mine, wish)
    assert [*ids, wish.columnid] == [2, 3, 4, 6]
    assert world.columns(mine) == ["A", "B"]
    assert next(c for c in mine.table.columns if c.name == "B").record_offset == 24


def test_others_keep_up_indexes_they_do_not_see(world: World) -> None:
    mine, theirs = world.open(world.one), world.open(world.two)
    world.one.begin()
    ddl.create_indexes(mine, [IndexWish("a", ["+A"])])
    assert world.indexes(mine) == (["a"], [])
    assert world.indexes(theirs) == ([], ["a"])
    assert [index.name for index in theirs.view.maintained] == ["a"]
    world.one.rollback()
    assert world.indexes(theirs) == ([], [])
    ddl.create_indexes(mine, [IndexWish("a", ["+A"])])
    world.one.begin()
    ddl.delete_index(mine, "a")
    assert world.indexes(theirs) == ([], ["a"])
    world.one.rollback()
    assert world.indexes(theirs) == (["a"], [])
    ddl.delete_index(mine, "a")
    assert world.indexes(theirs) == ([], [])


def test_a_name_is_taken_by_what_others_are_making_or_deleting(world: World) -> None:
    world.one.begin()
    ddl.create_table(world.one, world.database, TableWish("U")).close()
    assert code_of(ddl.create_table, world.two, world.database, TableWish("u")) == codes.JET_errTableDuplicate
    assert code_of(world.open, world.two, "U") == codes.JET_errObjectNotFound
    ddl.delete_table(world.one, world.database, "T")
    assert code_of(ddl.create_table, world.two, world.database, TableWish("T")) == codes.JET_errTableDuplicate
    assert code_of(world.open, world.two) == codes.JET_errTableLocked
    assert code_of(world.open, world.one) == codes.JET_errObjectNotFound
    ddl.create_table(world.one, world.database, TableWish("T")).close()
    world.one.commit()
    assert world.names(world.two) == ["T", "U"]
    assert world.columns(world.open(world.two)) == []


def test_an_added_column_of_another_session_is_a_duplicate(world: World) -> None:
    mine, theirs = world.open(world.one), world.open(world.two)
    world.one.begin()
    ddl.add_column(mine, ColumnWish("B", 4))
    assert code_of(ddl.add_column, theirs, ColumnWish("b", 4)) == codes.JET_errColumnDuplicate
    world.one.rollback()
    ddl.add_column(theirs, ColumnWish("b", 4))
    assert world.columns(theirs) == ["A", "b"]


def test_two_cannot_delete_the_same_column(world: World) -> None:
    mine, theirs = world.open(world.one), world.open(world.two)
    world.one.begin()
    ddl.delete_column(mine, "A")
    assert code_of(ddl.delete_column, theirs, "A") == codes.JET_errWriteConflict
    world.one.rollback()
    ddl.delete_column(theirs, "A")
    assert world.columns(mine) == []


MODES = {"plain": 0, "deny write": 1, "deny read": 2, "read only": 4}


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (0, 0, 0),
        (0, 1, codes.JET_errTableInUse),
        (0, 2, codes.JET_errTableInUse),
        (1, 0, 0),
        (1, 1, codes.JET_errTableInUse),
        (2, 0, codes.JET_errTableLocked),
        (2, 4, codes.JET_errTableLocked),
        (4, 1, 0),
        (4, 2, codes.JET_errTableInUse),
        (5, 1, codes.JET_errTableInUse),
        (5, 0, 0),
    ],
)
def test_modes_of_opening(world: World, first: int, second: int, code: int) -> None:
    held = world.open(world.one, grbit=first)
    if code:
        assert code_of(world.open, world.two, "T", second) == code
    else:
        world.open(world.two, grbit=second).close()
    world.open(world.one, grbit=second).close()
    held.close()
    world.open(world.two, grbit=second).close()


def test_a_new_table_is_its_creators_alone_until_it_is_closed(world: World) -> None:
    made = ddl.create_table(world.one, world.database, TableWish("U"))
    assert code_of(world.open, world.two, "U") == codes.JET_errTableLocked
    world.open(world.one, "U").close()
    made.close()
    world.open(world.two, "U").close()


def test_ddl_without_deny_read_is_no_mode(world: World) -> None:
    assert code_of(world.open, world.one, "T", grbits.JET_bitTablePermitDDL) == codes.JET_errInvalidGrbit


def test_settled_tables_are_not_looked_at_again(world: World) -> None:
    cursor = world.open(world.one)
    table = cursor.table
    assert isinstance(table, SessionTable)
    stamp = table.stamp
    assert table.live.pending == 0
    assert table.stamp == stamp
    ddl.add_column(cursor, ColumnWish("B", 4))
    assert table.stamp != stamp
    assert table.live.pending == 0
    world.two.begin()
    ddl.delete_column(cursor, "B")
    assert (table.stamp, table.live.pending) == (table.stamp, 1)
    world.two.commit()
    assert (table.stamp, table.live.pending) == (table.stamp, 0)


def test_schema_and_tables_go_with_their_owners(world: World) -> None:
    session = world.instance.begin_session()
    world.instance.databases.open(session, str(world.database.path), 0)
    cursor = world.open(session)
    table = weakref.ref(cursor.table)
    cursor.close()
    session.close()
    del cursor, session
    gc.collect()
    assert table() is None
