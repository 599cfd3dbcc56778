"""Cursors over trees in memory: currency, indexes, conflicts between sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cursor_tables import BLOB, COUNTER, ID, NAME, NUMBER, TAGS, CursorDatabase, long, short

from esent.constants import codes, grbits
from esent.engine import navigation, retrieve, set_column, update
from esent.engine.cursor import Cursor
from esent.engine.table_view import forget_counters
from esent.engine.tree_position import Where
from esent.errors import JetError
from esent.records.columns import FLAG_AUTOINCREMENT

FIRST, LAST = -(2**31), 0x7FFFFFFF


def code(call: Callable[..., Any], *arguments: Any) -> int:
    with pytest.raises(JetError) as caught:
        call(*arguments)
    return caught.value.code


def insert(cursor: Cursor, key: int, number: int | None = None, *tags: int, name: bytes | None = None) -> bytes:
    update.prepare(cursor, update.Mode.INSERT)
    set_column.set_column(cursor, ID, long(key))
    if number is not None:
        set_column.set_column(cursor, NUMBER, short(number))
    for tag in tags:
        set_column.set_column(cursor, TAGS, long(tag), 0, 0)
    if name is not None:
        set_column.set_column(cursor, NAME, name)
    return update.make(cursor)


def ids(cursor: Cursor) -> list[int]:
    """The ids in the order of the current index."""
    found = []
    step = FIRST
    while True:
        try:
            navigation.move(cursor, step)
        except JetError as problem:
            assert problem.code == codes.JET_errNoCurrentRecord
            return found
        data = retrieve.retrieve(cursor, ID).data
        assert data is not None
        found.append(int.from_bytes(data, "little", signed=True))
        step = 1


@pytest.fixture
def database() -> CursorDatabase:
    return CursorDatabase()


@pytest.fixture
def cursor(database: CursorDatabase) -> Cursor:
    return database.cursor(database.session())


def test_records_come_in_the_order_of_each_index(cursor: Cursor) -> None:
    for key, number in ((3, 5), (-1, 7), (2, None), (1, 5)):
        insert(cursor, key, number)
    assert ids(cursor) == [-1, 1, 2, 3]
    navigation.set_current_index(cursor, "NUMBER")
    assert ids(cursor) == [2, 1, 3, -1]
    assert cursor.index_name == "number"
    assert code(navigation.set_current_index, cursor, "nope") == codes.JET_errIndexNotFound
    assert cursor.index_name == "pk"


def test_an_entry_for_each_tag_and_none_without(cursor: Cursor) -> None:
    insert(cursor, 1, None, 7, 3)
    insert(cursor, 2)
    insert(cursor, 3, None, 5, 5)
    navigation.set_current_index(cursor, "tags")
    assert ids(cursor) == [1, 3, 1]
    navigation.set_current_index(cursor, None)
    navigation.move(cursor, 1)
    assert retrieve.retrieve(cursor, ID).data == long(2)
    assert (
        code(lambda: navigation.set_current_index(cursor, "tags", grbit=grbits.JET_bitNoMove)) == codes.JET_errNoCurrentRecord
    )


def test_a_deleted_record_keeps_its_place(cursor: Cursor) -> None:
    for key in (1, 2, 3):
        insert(cursor, key, key)
    navigation.move(cursor, FIRST)
    navigation.move(cursor, 1)
    mark = navigation.bookmark(cursor)
    update.delete(cursor)
    assert code(retrieve.retrieve, cursor, ID) == codes.JET_errRecordDeleted
    assert code(navigation.move, cursor, 0) == codes.JET_errRecordDeleted
    assert navigation.bookmark(cursor) == mark
    navigation.move(cursor, 1)
    assert retrieve.retrieve(cursor, ID).data == long(3)
    navigation.move(cursor, -1)
    assert retrieve.retrieve(cursor, ID).data == long(1)
    assert code(navigation.goto_bookmark, cursor, mark) == codes.JET_errRecordDeleted


@pytest.mark.parametrize(
    ("grbit", "key", "status", "landed"),
    [
        (grbits.JET_bitSeekEQ, 4, 0, 4),
        (grbits.JET_bitSeekGE, 3, codes.JET_wrnSeekNotEqual, 4),
        (grbits.JET_bitSeekGE, 4, 0, 4),
        (grbits.JET_bitSeekGT, 4, 0, 6),
        (grbits.JET_bitSeekLE, 5, codes.JET_wrnSeekNotEqual, 4),
        (grbits.JET_bitSeekLE, 6, 0, 6),
        (grbits.JET_bitSeekLT, 6, 0, 4),
        (grbits.JET_bitSeekEQ | grbits.JET_bitCheckUniqueness, 4, codes.JET_wrnUniqueKey, 4),
    ],
)
def test_seeks_land(cursor: Cursor, grbit: int, key: int, status: int, landed: int) -> None:
    for each in (2, 4, 6):
        insert(cursor, each)
    navigation.make_key(cursor, long(key), grbits.JET_bitNewKey)
    assert navigation.seek(cursor, grbit) == status
    assert retrieve.retrieve(cursor, ID).data == long(landed)
    assert code(navigation.seek, cursor, grbit) == codes.JET_errKeyNotMade


@pytest.mark.parametrize(
    ("grbit", "key", "where"),
    [
        (grbits.JET_bitSeekEQ, 3, Where.BETWEEN),
        (grbits.JET_bitSeekGE, 7, Where.AFTER_LAST),
        (grbits.JET_bitSeekGT, 6, Where.AFTER_LAST),
        (grbits.JET_bitSeekLE, 1, Where.BEFORE_FIRST),
        (grbits.JET_bitSeekLT, 2, Where.BEFORE_FIRST),
    ],
)
def test_seeks_in_vain_leave_a_place(cursor: Cursor, grbit: int, key: int, where: Where) -> None:
    for each in (2, 4, 6):
        insert(cursor, each)
    navigation.make_key(cursor, long(key), grbits.JET_bitNewKey)
    assert code(navigation.seek, cursor, grbit) == codes.JET_errRecordNotFound
    assert cursor.primary.where is where
    assert code(retrieve.retrieve, cursor, ID) == codes.JET_errNoCurrentRecord


def test_a_range_ends_moves_in_its_direction(cursor: Cursor) -> None:
    for each in range(1, 8):
        insert(cursor, each)
    navigation.make_key(cursor, long(3), grbits.JET_bitNewKey)
    navigation.seek(cursor, grbits.JET_bitSeekEQ)
    navigation.make_key(cursor, long(5), grbits.JET_bitNewKey)
    navigation.set_index_range(cursor, grbits.JET_bitRangeUpperLimit | grbits.JET_bitRangeInclusive)
    navigation.move(cursor, 2)
    navigation.move(cursor, -4)
    assert retrieve.retrieve(cursor, ID).data == long(1)
    navigation.move(cursor, 4)
    assert code(navigation.move, cursor, 1) == codes.JET_errNoCurrentRecord
    assert code(navigation.set_index_range, cursor, grbits.JET_bitRangeRemove) == codes.JET_errInvalidOperation


def test_count_stops_at_the_range(cursor: Cursor) -> None:
    for each in range(1, 8):
        insert(cursor, each)
    navigation.move(cursor, FIRST)
    assert navigation.index_record_count(cursor) == 7
    assert navigation.index_record_count(cursor, 3) == 3
    navigation.make_key(cursor, long(5), grbits.JET_bitNewKey)
    navigation.set_index_range(cursor, grbits.JET_bitRangeUpperLimit)
    assert navigation.index_record_count(cursor) == 4


def test_the_first_writer_wins(database: CursorDatabase) -> None:
    one, two = database.cursor(database.session()), database.cursor(database.session())
    insert(one, 1, 10)
    one.session.begin()
    two.session.begin()
    for cursor in (one, two):
        navigation.move(cursor, FIRST)
    update.prepare(one, update.Mode.REPLACE)
    assert code(update.prepare, two, update.Mode.REPLACE) == codes.JET_errWriteConflict
    assert code(update.delete, two) == codes.JET_errWriteConflict
    set_column.set_column(one, NUMBER, short(11))
    update.make(one)
    one.session.commit()
    assert retrieve.retrieve(two, NUMBER).data == short(10)
    assert code(update.get_lock, two, grbits.JET_bitWriteLock) == codes.JET_errWriteConflict
    two.session.commit()
    assert retrieve.retrieve(two, NUMBER).data == short(11)


def test_an_optimistic_replace_notices_a_change(database: CursorDatabase) -> None:
    one, two = database.cursor(database.session()), database.cursor(database.session())
    insert(one, 1, 10)
    for cursor in (one, two):
        navigation.move(cursor, FIRST)
        update.prepare(cursor, update.Mode.REPLACE_NO_LOCK)
        set_column.set_column(cursor, NAME, b"changed by " + str(cursor.session.procid).encode())
    update.make(one)
    assert code(update.make, two) == codes.JET_errWriteConflict
    assert two.update is not None


def test_escrow_updates_of_two_sessions_add_up(database: CursorDatabase) -> None:
    one, two = database.cursor(database.session()), database.cursor(database.session())
    insert(one, 1)
    assert code(update.escrow_update, one, COUNTER, long(1)) == codes.JET_errNotInTransaction
    for cursor in (one, two):
        cursor.session.begin()
        navigation.move(cursor, FIRST)
    assert update.escrow_update(one, COUNTER, long(10)) == long(5)
    assert update.escrow_update(two, COUNTER, long(-3)) == long(15)
    assert retrieve.retrieve(one, COUNTER).data == long(15)
    assert retrieve.retrieve(two, COUNTER).data == long(2)
    assert code(update.prepare, two, update.Mode.REPLACE) == codes.JET_errWriteConflict
    one.session.rollback()
    two.session.commit()
    navigation.move(one, FIRST)
    assert retrieve.retrieve(one, COUNTER).data == long(2)


def test_a_failed_update_changes_nothing_and_stays_prepared(cursor: Cursor) -> None:
    insert(cursor, 1, 1, 4)
    update.prepare(cursor, update.Mode.INSERT)
    set_column.set_column(cursor, ID, long(1))
    set_column.set_column(cursor, NUMBER, short(9))
    assert code(update.make, cursor) == codes.JET_errKeyDuplicate
    set_column.set_column(cursor, ID, long(2))
    update.make(cursor)
    navigation.set_current_index(cursor, "number")
    assert ids(cursor) == [1, 2]


def test_roll_back_takes_updates_positions_and_cursors_away(database: CursorDatabase) -> None:
    cursor = database.cursor(database.session())
    session = cursor.session
    insert(cursor, 1, 1)
    session.begin()
    insert(cursor, 2, 2)
    twin = cursor.duplicate()
    navigation.move(cursor, LAST)
    update.prepare(cursor, update.Mode.INSERT)
    session.rollback()
    assert twin.handle.target is None
    assert cursor.update is None
    assert cursor.primary.where is Where.BEFORE_FIRST
    assert ids(cursor) == [1]


def test_the_primary_key_may_move_by_copying_only(cursor: Cursor) -> None:
    insert(cursor, 1, 8, 3)
    navigation.move(cursor, FIRST)
    update.prepare(cursor, update.Mode.REPLACE)
    set_column.set_column(cursor, ID, long(4))
    assert code(update.make, cursor) == codes.JET_errRecordPrimaryChanged
    cursor.cancel_update()
    update.prepare(cursor, update.Mode.COPY_DELETE)
    set_column.set_column(cursor, ID, long(4))
    update.make(cursor)
    assert code(retrieve.retrieve, cursor, ID) == codes.JET_errRecordDeleted
    for index in ("pk", "number", "tags"):
        navigation.set_current_index(cursor, index)
        assert ids(cursor) == [4]


def test_long_values_are_shared_until_one_is_changed(database: CursorDatabase) -> None:
    cursor = database.cursor(database.session())
    cursor.session.begin()
    update.prepare(cursor, update.Mode.INSERT)
    set_column.set_column(cursor, ID, long(1))
    set_column.set_column(cursor, BLOB, b"abc" * 4000)
    update.make(cursor)
    navigation.move(cursor, FIRST)
    update.prepare(cursor, update.Mode.INSERT_COPY)
    set_column.set_column(cursor, ID, long(2))
    update.make(cursor)
    lid = retrieve.retrieve(cursor, BLOB, grbits.JET_bitRetrieveLongId).data
    assert retrieve.retrieve(cursor, BLOB, grbits.JET_bitRetrieveLongValueRefCount).data == long(2)
    navigation.move(cursor, 1)
    assert retrieve.retrieve(cursor, BLOB, grbits.JET_bitRetrieveLongId).data == lid
    update.prepare(cursor, update.Mode.REPLACE)
    set_column.set_column(cursor, BLOB, b"XYZ", grbits.JET_bitSetOverwriteLV, 1, 5000)
    assert retrieve.retrieve(cursor, BLOB).data == b"abc" * 4000
    update.make(cursor)
    changed = bytearray(b"abc" * 4000)
    changed[5000:5003] = b"XYZ"
    assert retrieve.retrieve(cursor, BLOB).data == bytes(changed)
    assert retrieve.retrieve(cursor, BLOB, 0, 1, 4999).data == bytes(changed[4999:])
    navigation.move(cursor, -1)
    assert retrieve.retrieve(cursor, BLOB).data == b"abc" * 4000
    assert retrieve.retrieve(cursor, BLOB, grbits.JET_bitRetrieveLongValueRefCount).data == long(1)


def test_long_values_nobody_refers_to_are_cleaned_up(database: CursorDatabase) -> None:
    cursor = database.cursor(database.session())
    cursor.session.begin()
    update.prepare(cursor, update.Mode.INSERT)
    set_column.set_column(cursor, ID, long(1))
    set_column.set_column(cursor, BLOB, b"x" * 9000)
    update.make(cursor)
    cursor.session.commit()
    nodes = database.nodes(90, 90, unique=True)
    assert len(nodes.nodes) == 4
    navigation.move(cursor, FIRST)
    update.delete(cursor)
    cursor.session.instance.transactions.clean()
    assert nodes.nodes == []


def test_numbers_go_on_behind_those_reserved_in_the_root(database: CursorDatabase) -> None:
    database.table.columns[0].flags |= FLAG_AUTOINCREMENT
    nodes = database.nodes(20, 20, unique=True)
    nodes.header = b"\x03" + bytes(16) + (40).to_bytes(8, "little")
    cursor = database.cursor(database.session())
    for wanted in (41, 42):
        update.prepare(cursor, update.Mode.INSERT)
        assert retrieve.retrieve(cursor, ID, grbits.JET_bitRetrieveCopy).data == long(wanted)
        update.make(cursor)
    assert int.from_bytes(nodes.header[17:], "little") == 41 + update.NUMBERS_AT_ONCE - 1
    nodes.header = bytes(16)
    forget_counters(database, 20)
    update.prepare(cursor, update.Mode.INSERT)
    assert retrieve.retrieve(cursor, ID, grbits.JET_bitRetrieveCopy).data == long(43)


@pytest.mark.parametrize("grbit", [0, grbits.JET_bitTableReadOnly])
def test_only_writable_cursors_change_anything(database: CursorDatabase, grbit: int) -> None:
    database.read_only = not grbit
    cursor = database.cursor(database.session(), grbit)
    assert code(update.prepare, cursor, update.Mode.INSERT) == codes.JET_errPermissionDenied
    assert code(update.delete, cursor) == codes.JET_errPermissionDenied
    assert code(set_column.set_column, cursor, ID, long(1)) == codes.JET_errPermissionDenied
