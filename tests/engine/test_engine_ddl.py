"""Definitions in a running database: what they leave behind, and what roll-backs, deletions and kills leave of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_instances import logged, running

from esent.catalog.schema import Catalog
from esent.constants import codes, grbits
from esent.engine import ddl, navigation, update
from esent.engine.create import create_database
from esent.engine.cursor import Cursor
from esent.engine.database import AttachedDatabase
from esent.engine.ddl import ColumnWish, IndexWish, TableWish
from esent.engine.instance import Instance
from esent.engine.schema import schema_of
from esent.engine.session import Session
from esent.errors import JetError
from esent.log.header import LogVersion
from esent.log.records import Delta64
from esent.pages.database_file import DatabaseFile
from esent.records.columns import FLAG_ESCROW
from esent.recovery.options import RecoveryOptions
from esent.recovery.soft import soft_recover
from esent.tools.verify import Severity, verify_database
from esent.tree.space import available_extents

NAMES = ("pk", "byname")


def table_wish(name: str = "T", pages: int = 1) -> TableWish:
    columns = [ColumnWish("id", 4), ColumnWish("name", 10, cp=1252), ColumnWish("text", 12, cp=1252)]
    indexes = [IndexWish("pk", ["+id"], grbits.JET_bitIndexPrimary), IndexWish("byname", ["-name", "+id"])]
    return TableWish(name, pages, columns=columns, indexes=indexes)


class World:
    """A database and a session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.instance: Instance = running(folder)
        self.session: Session = self.instance.begin_session()
        create_database(self.session, str(folder / "db.edb"))
        self.database: AttachedDatabase = self.instance.databases.all()[0]

    def create(self, wish: TableWish) -> Cursor:
        return ddl.create_table(self.session, self.database, wish)

    def free_pages(self) -> int:
        return sum(extent.pages for extent in available_extents(self.database.store, 1))

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """The live catalogue as it is on the pages."""
        catalog = Catalog.load(self.database.store)
        found = {}
        for table in catalog:
            columns = [(column.name, column.fid, int(column.coltyp)) for column in table.columns]
            found[table.name] = [*columns, *((index.name, index.objid, index.root) for index in table.indexes)]
        return found

    def shut_down(self) -> Path:
        self.session.close()
        self.instance.terminate(grbits.JET_bitTermComplete)
        return self.folder / "db.edb"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "live" if (tmp_path / "live").mkdir() is None else tmp_path)
    yield made
    try:
        made.instance.terminate(grbits.JET_bitTermDirty)
    except JetError:
        return


def code_of(call: Any, *args: Any) -> int:
    with pytest.raises(JetError) as caught:
        call(*args)
    return caught.value.code


def complaints(path: Path) -> list[str]:
    return [str(each) for each in verify_database(path).findings if each.severity is not Severity.NOTE]


def test_a_table_is_all_there(world: World) -> None:
    wish = table_wish(pages=6)
    cursor = world.create(wish)
    assert wish.created == 6
    assert [column.columnid for column in wish.columns] == [1, 128, 256]
    table = cursor.table
    assert (table.initial_pages, table.primary_index is not None) == (6, True)
    cursor.close()
    path = world.shut_down()
    assert complaints(path) == []
    with DatabaseFile(path) as file:
        catalog = Catalog.load(file)
        stored = catalog.table("t")
        assert [index.name for index in stored.indexes] == ["byname", "pk"]
        assert (stored.indexes[1].root, stored.indexes[1].objid) == (stored.root, stored.objid)
        assert stored.indexes[0].objid == stored.objid + 1
        catalog_again = Catalog(file)
        catalog_again._read(24, 3)  # the shadow says the same
        assert catalog_again.names() == catalog.names()


def test_room_for_the_roots_of_indexes(world: World) -> None:
    assert world.create(table_wish("small")).table.initial_pages == 2
    assert world.create(TableWish("none")).table.initial_pages == 0


def test_a_roll_back_leaves_no_trace(world: World) -> None:
    keep = world.create(table_wish("keep", pages=4))
    world.instance.transactions.clean()
    before, free = world.rows(), world.free_pages()
    world.session.begin()
    made = world.create(table_wish(pages=50))
    ddl.make_long_values(made)
    ddl.add_column(keep, ColumnWish("more", 4))
    ddl.create_indexes(keep, [IndexWish("again", ["+id"])])
    ddl.delete_index(keep, "byname")
    ddl.rename_table(world.session, world.database, "keep", "kept")
    assert world.free_pages() < free
    world.session.rollback()
    world.instance.transactions.clean()
    assert (world.rows(), world.free_pages()) == (before, free)
    assert made.handle.target is None
    keep.refresh_view()
    assert keep.table.name == "keep"
    keep.close()
    assert complaints(world.shut_down()) == []


def test_a_failure_leaves_no_trace(world: World) -> None:
    before, free = world.rows(), world.free_pages()
    wish = table_wish()
    wish.indexes = [*wish.indexes, IndexWish("bad", ["+nope"])]
    assert code_of(world.create, wish) == codes.JET_errColumnNotFound
    assert (wish.created, [index.error for index in wish.indexes]) == (6, [0, 0, codes.JET_errColumnNotFound])
    world.instance.transactions.clean()
    assert (world.rows(), world.free_pages()) == (before, free)
    world.create(table_wish()).close()


def test_the_space_of_a_deleted_table_comes_back_when_nobody_needs_it(world: World) -> None:
    before, free = world.rows(), world.free_pages()
    cursor = world.create(table_wish(pages=20))
    ddl.make_long_values(cursor)
    cursor.close()
    reader = world.instance.begin_session()
    reader.begin()
    ddl.delete_table(world.session, world.database, "T")
    world.instance.transactions.clean()
    assert world.free_pages() < free
    assert [name for name, _ in schema_of(world.database).visible(reader) if name == "T"] == ["T"]
    reader.commit()
    world.instance.transactions.clean()
    assert (world.rows(), world.free_pages()) == (before, free)
    assert complaints(world.shut_down()) == []


def test_deleting_wants_a_table_that_nobody_has_open(world: World) -> None:
    cursor = world.create(table_wish())
    assert code_of(ddl.delete_table, world.session, world.database, "T") == codes.JET_errTableInUse
    assert code_of(ddl.delete_table, world.session, world.database, "MSysObjects") == codes.JET_errCannotDeleteSystemTable
    cursor.close()
    ddl.delete_table(world.session, world.database, "T")
    assert code_of(ddl.delete_table, world.session, world.database, "T") == codes.JET_errObjectNotFound


def test_columns_in_use_stay(world: World) -> None:
    cursor = world.create(table_wish())
    assert code_of(ddl.delete_column, cursor, "name") == codes.JET_errColumnInUse
    assert code_of(ddl.delete_index, cursor, "pk") == codes.JET_errIndexMustStay
    cursor.use_index(cursor.table.index("byname"))
    assert code_of(ddl.delete_index, cursor, "byname") == codes.JET_errIndexInUse
    cursor.use_index(None)
    ddl.delete_index(cursor, "byname")
    ddl.delete_column(cursor, "name")
    assert code_of(ddl.delete_column, cursor, "name") == codes.JET_errColumnNotFound


def test_what_a_deleted_column_leaves_keeps_its_id(world: World) -> None:
    cursor = world.create(table_wish())
    ddl.add_column(cursor, ColumnWish("last", 4, default=b"\7\0\0\0"))
    ddl.delete_column(cursor, "last")
    cursor.close()
    path = world.shut_down()
    with DatabaseFile(path) as file:
        catalog = Catalog.load(file)
        assert [column.name for column in catalog.table("T").columns] == ["id", "name", "text"]
        assert (2, 8, 4) in catalog.column_ids("T")
    assert complaints(path) == []


def test_fixed_definitions(world: World) -> None:
    wish = table_wish()
    wish.grbit = grbits.JET_bitTableCreateFixedDDL
    cursor = world.create(wish)
    assert code_of(ddl.add_column, cursor, ColumnWish("more", 4)) == codes.JET_errFixedDDL
    cursor.close()
    permitted = grbits.JET_bitTablePermitDDL | grbits.JET_bitTableDenyRead
    ddl.add_column(ddl.open_table(world.session, world.database, "T", permitted), ColumnWish("more", 4))


def test_columns_that_want_the_table_alone(world: World) -> None:
    cursor = world.create(TableWish("T"))
    ddl.add_column(cursor, ColumnWish("number", 4, grbits.JET_bitColumnAutoincrement))
    cursor.close()
    shared = ddl.open_table(world.session, world.database, "T", 0)
    wish = ColumnWish("sum", 4, grbits.JET_bitColumnEscrowUpdate, default=bytes(4))
    assert code_of(ddl.add_column, shared, wish) == codes.JET_errExclusiveTableLockRequired


def test_too_many_columns(world: World) -> None:
    columns = [ColumnWish(f"c{number}", 2) for number in range(127)]
    cursor = world.create(TableWish("T", columns=columns))
    assert code_of(ddl.add_column, cursor, ColumnWish("one more", 2)) == codes.JET_errTooManyColumns
    ddl.add_column(cursor, ColumnWish("tagged", 2, grbits.JET_bitColumnTagged))


def test_nothing_is_changed_in_a_read_only_transaction(world: World) -> None:
    cursor = world.create(table_wish())
    world.session.begin(grbits.JET_bitTransactionReadOnly)
    assert code_of(ddl.add_column, cursor, ColumnWish("more", 4)) == codes.JET_errTransReadOnly
    assert code_of(world.create, table_wish("U")) == codes.JET_errTransReadOnly


def test_long_values_are_made_once_for_all(world: World) -> None:
    cursor = world.create(table_wish())
    cursor.close()
    cursor = ddl.open_table(world.session, world.database, "T", 0)
    world.session.begin()
    ddl.make_long_values(cursor)
    root = cursor.table.long_value_root
    world.session.rollback()
    ddl.make_long_values(cursor)
    assert cursor.table.long_value_root == root != 0
    cursor.close()
    assert complaints(world.shut_down()) == []


def test_long_values_that_are_younger_than_the_snapshot_go_with_their_table(world: World) -> None:
    before, free = world.rows(), world.free_pages()
    world.create(table_wish()).close()
    world.session.begin()
    cursor = ddl.open_table(world.session, world.database, "T", 0)
    ddl.make_long_values(cursor)
    cursor.close()
    ddl.delete_table(world.session, world.database, "T")
    world.session.commit()
    world.instance.transactions.clean()
    assert (world.rows(), world.free_pages()) == (before, free)
    assert complaints(world.shut_down()) == []


@pytest.mark.parametrize("committed", [False, True])
def test_a_kill_while_long_values_younger_than_the_snapshot_go(world: World, tmp_path: Path, committed: bool) -> None:
    world.create(table_wish()).close()
    world.session.begin()
    cursor = ddl.open_table(world.session, world.database, "T", 0)
    ddl.make_long_values(cursor)
    root = cursor.table.long_value_root
    cursor.close()
    ddl.delete_table(world.session, world.database, "T")
    if committed:
        world.session.commit()
    world.instance.flush_log()
    goal = tmp_path / "copy"
    shutil.copytree(world.folder, goal)
    soft_recover(RecoveryOptions(log_path=goal, alternate_path=goal))
    assert complaints(goal / "db.edb") == []
    with DatabaseFile(goal / "db.edb") as file:
        roots = [table.long_value_root for table in Catalog.load(file) if not table.is_system]
    assert roots == ([] if committed else [root])
    if not committed:
        world.session.rollback()
        assert complaints(world.shut_down()) == []


@pytest.mark.parametrize("committed", [False, True])
def test_what_a_table_got_since_the_snapshot_keeps_it(world: World, committed: bool) -> None:
    """Its rows in the catalogue could not be deleted: nobody would find them any more."""
    world.create(table_wish()).close()
    other = world.instance.begin_session()
    for change in (
        lambda cursor: ddl.add_column(cursor, ColumnWish("more", 4)),
        lambda cursor: ddl.create_indexes(cursor, [IndexWish("more", ["+text"])]),
    ):
        world.session.begin()
        other.begin()
        cursor = ddl.open_table(other, world.database, "T", 0)
        change(cursor)
        cursor.close()
        if committed:
            other.commit()
        assert code_of(ddl.delete_table, world.session, world.database, "T") == codes.JET_errWriteConflict
        world.session.rollback()
        if not committed:
            other.rollback()
    ddl.delete_table(world.session, world.database, "T")
    world.instance.transactions.clean()
    assert complaints(world.shut_down()) == []


def test_a_deletion_does_not_go_over_long_values_that_are_being_made(world: World) -> None:
    world.create(table_wish()).close()
    tree = schema_of(world.database).writer._trees.objids
    assert tree is not None
    other = world.instance.begin_session()
    other.begin()
    tree.insert(other, b"new", b"")
    world.session.begin()
    assert code_of(tree.delete_unseen, world.session, b"new") == codes.JET_errWriteConflict
    other.commit()
    tree.delete_unseen(world.session, b"new")
    assert code_of(tree.delete_unseen, world.session, b"new") == codes.JET_errRecordDeleted
    world.session.rollback()
    assert tree.get(other, b"new") == b""


def test_two_sessions_begin_to_use_a_sort_order(world: World) -> None:
    """Which one comes second is told to try again, not that its index is there already."""
    for name in ("T", "U"):
        world.create(TableWish(name, columns=[ColumnWish("name", 10, cp=1200)])).close()
    other = world.instance.begin_session()
    cursors = [ddl.open_table(each, world.database, name, 0) for each, name in ((world.session, "T"), (other, "U"))]
    other.begin()
    ddl.create_indexes(cursors[0], [IndexWish("i", ["+name"])])
    assert code_of(ddl.create_indexes, cursors[1], [IndexWish("i", ["+name"])]) == codes.JET_errWriteConflict
    other.rollback()
    ddl.create_indexes(cursors[1], [IndexWish("i", ["+name"])])
    for cursor in cursors:
        cursor.close()
    assert complaints(world.shut_down()) == []


@pytest.mark.parametrize("committed", [False, True])
def test_a_kill_in_the_middle(world: World, tmp_path: Path, committed: bool) -> None:
    world.create(table_wish("before")).close()
    world.session.begin()
    world.create(table_wish("during", pages=40)).close()
    ddl.delete_table(world.session, world.database, "before")
    if committed:
        world.session.commit()
    world.instance.flush_log()
    goal = tmp_path / "copy"
    shutil.copytree(world.folder, goal)
    soft_recover(RecoveryOptions(log_path=goal, alternate_path=goal))
    assert complaints(goal / "db.edb") == []
    with DatabaseFile(goal / "db.edb") as file:
        tables = [table.name for table in Catalog.load(file) if not table.is_system]
    assert tables == (["during"] if committed else ["before"])


def test_building_an_index_meets_others_changes(world: World) -> None:
    cursor = world.create(TableWish("T", columns=[ColumnWish("id", 4)]))
    tree = cursor.primary.tree
    with world.session.implicit_transaction():
        tree.insert(world.session, b"\0\0\0\1", b"\1\x7f\x09\0\5\0\0\0\xfe")
    other = world.instance.begin_session()
    other.begin()
    tree.delete(other, b"\0\0\0\1")
    other.begin()
    tree.insert(other, b"\0\0\0\2", b"\1\x7f\x09\0\6\0\0\0\xfe")
    ddl.create_indexes(cursor, [IndexWish("i", ["+id"])])
    cursor.refresh_view()
    old, new = (b"\x7f\x80\0\0\5", b"\0\0\0\1"), (b"\x7f\x80\0\0\6", b"\0\0\0\2")

    def entries(session: Session) -> list[tuple[bytes, bytes]]:
        place = cursor.index_tree(cursor.table.index("i")).cursor(session)
        found = []
        more = place.first()
        while more:
            found.append((place.key, place.data))
            more = place.next()
        return found

    assert (entries(world.session), entries(other)) == ([old], [new])
    other.rollback()
    assert (entries(world.session), entries(other)) == ([old], [])
    other.rollback()
    assert (entries(world.session), entries(other)) == ([old], [old])


def test_counters_of_64_bits_want_a_log_that_has_them(world: World) -> None:
    """No such column can be made here; a database of a newer engine may have one."""
    default = (7).to_bytes(8, "little")
    cursor = world.create(TableWish("T", columns=[ColumnWish("sum", 15, default=default)]))
    (column,) = cursor.table.columns
    column.flags |= FLAG_ESCROW
    update.prepare(cursor, update.Mode.INSERT)
    update.make(cursor)
    navigation.move(cursor, -(2**31))
    world.session.begin()
    amount = (1 << 40).to_bytes(8, "little")
    refusal = codes.JET_errEngineFormatVersionParamTooLowForRequestedFeature
    assert code_of(update.escrow_update, cursor, column.columnid, amount) == refusal
    world.session.commit()
    world.instance.flush_log()
    assert Delta64 not in map(type, logged(world.folder))
    header = world.instance.log.header
    header.version = LogVersion(8, 4000, 20, 60)
    world.session.begin()
    assert update.escrow_update(cursor, column.columnid, amount) == default
    world.session.commit()
    world.instance.flush_log()
    assert Delta64 in map(type, logged(world.folder))
