"""Updates: JetPrepareUpdate, JetUpdate, JetDelete, JetEscrowUpdate, JetGetLock.

Rules: `reference/records-and-indexes.md` 1.10, 3.5, 7.1-7.6. An update works in a copy buffer; it is made as a whole: where
anything fails all is as before and the update stays prepared. Setting columns is in `set_column`.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.constants import codes, grbits
from esent.constants.formats import Feature
from esent.engine.callbacks import is_listening, notify, watched
from esent.engine.cores import CursorCore, SessionCore
from esent.engine.finalize import FinalizedRecord
from esent.engine.index_entries import (
    ReadLongValue,
    RecordKeyPlan,
    RecordValues,
    Upkeep,
    column_values,
    key_plan,
)
from esent.engine.long_value_writer import PendingValue
from esent.engine.navigation import grbit_of
from esent.engine.record_buffer import RecordBuffer, separated_ids
from esent.engine.table_statistics import require_room
from esent.engine.tree_position import TreePosition
from esent.engine.versioned import DELTA_OPERS
from esent.engine.zero_records import ZeroRecord
from esent.errors import jet_error
from esent.records import access
from esent.records.columns import (
    FLAG_AUTOINCREMENT,
    FLAG_DEFAULT,
    FLAG_DELETE_ON_ZERO,
    FLAG_ESCROW,
    FLAG_FINALIZE,
    INHERENT_SIZE,
    Column,
)
from esent.records.keys import build_key
from esent.tree.space import AUTOINCREMENT_ROOM, autoincrement_of, with_autoincrement
from esent.versions.store import Transaction

if TYPE_CHECKING:
    from esent.engine.cursor import Cursor
    from esent.engine.table_view import TableView

NO_VERSION = grbits.JET_bitUpdateNoVersion
_LAST_NUMBER = {4: 0x7FFFFEFF, 8: 0x7FFFFFFFFFFFFEFF}
_LAST_ROW = 0xFFFFFFFF
NUMBERS_AT_ONCE = 16
NUMBERS_WITHOUT_END = 1 << 64  # where the root of the table says nothing of numbers
_BEFORE_INSERT, _AFTER_INSERT = grbits.JET_cbtypBeforeInsert, grbits.JET_cbtypAfterInsert
_BEFORE_REPLACE, _AFTER_REPLACE = grbits.JET_cbtypBeforeReplace, grbits.JET_cbtypAfterReplace
_BEFORE_DELETE, _AFTER_DELETE = grbits.JET_cbtypBeforeDelete, grbits.JET_cbtypAfterDelete
_WIDE_COUNTER = 8


class Mode(IntEnum):
    """JET_prep..."""

    INSERT = grbits.JET_prepInsert
    REPLACE = grbits.JET_prepReplace
    CANCEL = grbits.JET_prepCancel
    REPLACE_NO_LOCK = grbits.JET_prepReplaceNoLock
    INSERT_COPY = grbits.JET_prepInsertCopy
    COPY_DELETE = grbits.JET_prepInsertCopyDeleteOriginal
    READ_ONLY_COPY = grbits.JET_prepReadOnlyCopy
    COPY_REPLACE = grbits.JET_prepInsertCopyReplaceOriginal
    INSERT_NUMBERED = grbits.JET_prepInsertMustSetAutoIncrement


# looking a member up in its class takes longer than the rest of a short call
_MODES = {int(mode): mode for mode in Mode}
_INSERT, _INSERT_NUMBERED, _REPLACE, _REPLACE_NO_LOCK = Mode.INSERT, Mode.INSERT_NUMBERED, Mode.REPLACE, Mode.REPLACE_NO_LOCK
_CANCEL, _READ_ONLY_COPY, _INSERT_COPY, _COPY_DELETE = Mode.CANCEL, Mode.READ_ONLY_COPY, Mode.INSERT_COPY, Mode.COPY_DELETE
_REPLACING = (Mode.REPLACE, Mode.REPLACE_NO_LOCK)
_MOVING = (Mode.COPY_DELETE, Mode.COPY_REPLACE)


@cython.cclass
class Update:
    """A prepared update. `level`: the transaction level it was prepared in; `touched`: the columns that were set.

    `pending`: long values that are new or changed, by id; `references`: how many more (or less) records refer to a value;
    `failed`: it was made once already, in vain.
    """

    cursor: Cursor
    mode: Mode
    level: int
    buffer: RecordBuffer
    original: bytes | None
    bookmark: bytes
    optimistic_level_0: bool
    failed: bool
    touched: set[int]
    pending: dict[bytes, PendingValue]
    references: dict[bytes, int]
    read_only: bool

    def __init__(self, cursor: Cursor, mode: Mode, original: bytes | None, bookmark: bytes) -> None:
        core: CursorCore = cursor
        session: SessionCore = core.session
        self.cursor = cursor
        self.mode = mode
        self.level = session.level
        self.buffer = RecordBuffer(core.view, original)
        self.original = original
        self.bookmark = bookmark
        self.optimistic_level_0 = mode is _REPLACE_NO_LOCK and not self.level
        self.failed = False
        self.touched = set()
        self.pending = {}
        self.references = {}
        self.read_only = mode is _READ_ONLY_COPY

    @property
    def replaces(self) -> bool:
        return self.mode in _REPLACING

    def image(self) -> bytes:
        """The record in the copy buffer."""
        return self.buffer.image()

    def room(self, column: Column, number: int) -> int:
        """How many bytes an instance of a column could take in the record."""
        buffer = self.buffer
        left = self.cursor.view.record_most - buffer.size
        if not column.is_tagged:
            return min(left, column.max_size) if left > 0 else 0
        values = buffer.instances(column)
        if values and 1 <= number <= len(values):
            left += len(values[number - 1].data)
        elif not values:
            left -= 5
        else:
            left -= 2
        return max(0, left)

    def lock_record(self) -> None:
        """An optimistic replace becomes an ordinary one: lock the record. JET_errWriteConflict if it has changed since."""
        if self.mode is not _REPLACE_NO_LOCK:
            return
        cursor = self.cursor
        tree = cursor.primary.tree
        tree.lock(cursor.session, self.bookmark, write=True)
        if self.optimistic_level_0 and tree.get(cursor.session, self.bookmark) != self.original:
            raise jet_error(codes.JET_errWriteConflict, "the record has changed since the update was prepared")
        self.mode = _REPLACE

    # -- long values ----------------------------------------------------------------------------------------------

    def add_value(self, pending: PendingValue) -> bytes:
        """Give a new long value its id."""
        cursor = self.cursor
        self.lock_record()
        values = cursor.need_long_values()
        require_room(cursor, -(-pending.size // pending.chunk))
        lid = values.next_lid(cursor.counters, cursor.lid_size)
        self.pending[lid] = pending
        return lid

    def _lock_original(self) -> None:
        """A reference of the record is about to be given up: nobody else may change the record it was copied from."""
        if self.bookmark:
            self.cursor.primary.tree.lock(self.cursor.session, self.bookmark, write=True)

    def drop_value(self, lid: bytes) -> None:
        """The record in the buffer does not refer to a value any more."""
        self.lock_record()
        pending = self.pending.pop(lid, None)
        if pending is None or pending.base is not None:
            self._lock_original()
            self.references[lid] = self.references.get(lid, 0) - 1

    def changeable_value(self, lid: bytes, *, compressed: bool) -> tuple[bytes, PendingValue]:
        """A value whose bytes may be changed, and its id: a copy of its own if others refer to it too."""
        self.lock_record()
        found = self.pending.get(lid)
        if found is not None:
            return lid, found
        values = self.cursor.require_long_values()
        pending = PendingValue(values, values.chunk, base=lid, compressed=compressed)
        shared = values.references(lid) + self.references.get(lid, 0) > 1
        if not shared and self.mode not in _MOVING:
            self.pending[lid] = pending
            return lid, pending
        self._lock_original()
        pending.burst()
        new_lid = self.add_value(pending)
        self.references[lid] = self.references.get(lid, 0) - 1
        return new_lid, pending

    def store_long_values(self) -> None:
        if not self.pending and not any(self.references.values()):
            return
        values = self.cursor.need_long_values()
        for lid, pending in self.pending.items():
            values.store(lid, pending)
        for lid, change in self.references.items():
            for _ in range(change):
                values.add_reference(lid)
            for _ in range(-change):
                values.take_reference(lid)


# ---- preparing --------------------------------------------------------------------------------------------------------


def prepare(cursor: Cursor, prep: object) -> None:
    """JetPrepareUpdate."""
    mode = _MODES.get(prep) if isinstance(prep, int) else None
    if mode is None:
        raise jet_error(codes.JET_errInvalidParameter, f"{prep!r} is not a way to prepare an update")
    if mode is _CANCEL:
        if cursor.update is None:
            raise jet_error(codes.JET_errUpdateNotPrepared, "cancelling an update that is not prepared")
        cursor.cancel_update()
        return
    core: CursorCore = cursor
    if mode is not _READ_ONLY_COPY:
        _require_updatable(core)
    if core.update is not None:
        raise jet_error(codes.JET_errAlreadyPrepared, f"an update of table {cursor.table.name} is prepared")
    if mode is _INSERT and core.view.autoincrement is None:
        core.update = Update(cursor, mode, None, b"")
        return
    core.acquire()
    try:
        _prepare(cursor, mode)
    finally:
        core.release()


@cython.cfunc
def _require_updatable(core: CursorCore) -> cython.int:
    """`Cursor.require_updatable`, asked only where it may have something to say."""
    session: SessionCore = core.session
    if not core.changes or session.read_only:
        cursor: Cursor = cython.cast(object, core)
        cursor.require_updatable()
    return 0


def _prepare(cursor: Cursor, mode: Mode) -> None:
    session = cursor.session
    view = cursor.view
    if mode in (_INSERT, _INSERT_NUMBERED):
        number = view.autoincrement
        if mode is _INSERT_NUMBERED and (number is None or number.flags & FLAG_DEFAULT):
            raise jet_error(codes.JET_errIllegalOperation, f"table {cursor.table.name} has no column to number its rows")
        update = Update(cursor, mode, None, b"")
        if number is not None:
            if mode is _INSERT:
                _number(update, number)
            else:
                next_number(cursor, number)
        cursor.update = update
        return
    if mode is _READ_ONLY_COPY and not session.level:
        raise jet_error(codes.JET_errNotInTransaction, "a read-only copy outside of a transaction")
    if mode is _REPLACE and not session.level:
        mode = _REPLACE_NO_LOCK
    cursor.refresh()
    place = cursor.primary
    if mode is _REPLACE or mode in _MOVING:
        place.require_node()
        place.tree.lock_lingering(session, place.key)
    image = place.data()
    update = Update(cursor, mode, image, place.key)
    if view.autoincrement is not None and mode in (_INSERT_COPY, _COPY_DELETE):
        _number(update, view.autoincrement)
    if mode is _INSERT_COPY:
        if not session.level:
            raise jet_error(codes.JET_errNotInTransaction, "copying a record outside of a transaction")
        for lid in update.buffer.separated():
            update.references[lid] = update.references.get(lid, 0) + 1
    cursor.update = update


def _number(update: Update, column: Column) -> None:
    """Give the record in the buffer the next number of the table."""
    update.buffer.set_fixed(column, draw_number(update.cursor, column))
    update.touched.add(column.columnid)


def draw_number(cursor: Cursor, column: Column) -> bytes:
    """Take the next number of the table, as records have it. JET_errOutOfAutoincrementValues."""
    number = next_number(cursor, column)
    last = last_number(column)
    if number > last:
        raise jet_error(codes.JET_errOutOfAutoincrementValues, f"numbering a row of table {cursor.table.name}")
    counters = cursor.counters
    reserved = counters.reserved_autoincrement
    if reserved is None and not _is_kept_in_root(cursor):
        counters.reserved_autoincrement = NUMBERS_WITHOUT_END
    elif reserved is None or number > reserved:
        _reserve_numbers(cursor, min(number + NUMBERS_AT_ONCE - 1, last))
    counters.next_autoincrement = number + 1
    return number.to_bytes(INHERENT_SIZE[column.coltyp], "little")


def give_back_numbers(cursor: Cursor, next_one: int) -> None:
    """Numbers from this one on were drawn, with the lock of the instance held since, for rows that are not inserted."""
    cursor.counters.next_autoincrement = next_one


def last_number(column: Column) -> int:
    """The largest number an auto-increment column can have."""
    return _LAST_NUMBER[INHERENT_SIZE[column.coltyp]]


def _reserve_numbers(cursor: Cursor, last: int) -> None:
    """Put down in the root of the table that numbers up to `last` may be in use."""
    with cursor.session.implicit_transaction():
        header = cursor.primary.tree.nodes.external_header()
        cursor.primary.tree.set_external_header(cursor.session, with_autoincrement(header, last))
    cursor.counters.reserved_autoincrement = last


def _is_kept_in_root(cursor: Cursor) -> bool:
    """Whether the root of a table that says nothing of numbers yet can and may do so."""
    if not cursor.versioned or not cursor.database.keeps(Feature.ROOT_AUTOINCREMENT):
        return False
    room: int = cursor.primary.tree.nodes.root_room()
    return room > AUTOINCREMENT_ROOM


def next_number(cursor: Cursor, column: Column) -> int:
    """The next number of an auto-increment column: behind those the root of the table says are reserved, or one more than the
    largest in the table when it is first asked for."""
    with cursor.session.instance.lock:
        return _next_number(cursor, column)


def _next_number(cursor: Cursor, column: Column) -> int:
    counters = cursor.counters
    header = cursor.primary.tree.nodes.external_header() if counters.next_autoincrement is None else b""
    reserved = autoincrement_of(header)
    if reserved is not None:
        counters.reserved_autoincrement = reserved
        counters.next_autoincrement = reserved + 1
    if counters.next_autoincrement is None:
        tree = cursor.primary.tree
        primary = cursor.view.primary
        ordered = primary is not None and primary.segments[0].columnid == column.columnid
        descending = primary is not None and ordered and primary.segments[0].descending
        largest = 0
        node = tree.nodes.last() if ordered and not descending else tree.nodes.first()
        while node is not None:
            state, data = access.fixed_value(node.data, column.fid, column.record_offset, column.max_size)
            if state == access.PRESENT:
                largest = max(largest, int.from_bytes(data, "little"))
                if ordered:
                    break
            node = tree.nodes.previous(node) if ordered and not descending else tree.nodes.next(node)
        counters.next_autoincrement = largest + 1
    return counters.next_autoincrement


# ---- making the update ------------------------------------------------------------------------------------------------


def make(cursor: Cursor, grbit: object = 0) -> bytes:
    """JetUpdate: the bookmark of the record. Where it fails the update stays prepared."""
    options = grbit_of(grbit)
    update = _to_be_made(cursor)
    session = cursor.session
    if session.level and not watched(cursor):
        with cursor.lock:
            cursor.refresh_view()  # an index may have come while this waited
            return cursor.shown_bookmark(make_unwatched(cursor, options))
    # callbacks may begin and end transaction levels, so that it has to be one itself for them
    with session.implicit_transaction():
        cursor.refresh_view()
        bookmark = _make(cursor, update, options)
    cursor.update = None
    return cursor.shown_bookmark(bookmark)


@cython.ccall
def make_unwatched(cursor: Cursor, grbit: object) -> bytes:
    """`make` for a table that no callbacks watch, in an open transaction, with the lock of the instance held."""
    options = grbit_of(grbit)
    core: CursorCore = cursor
    update: Update = _to_be_made(cursor)
    mode = update.mode
    transaction: Transaction = core.session.open_transaction()
    kept: cython.Py_ssize_t = len(transaction.versions)
    try:
        bookmark = _replace(cursor, update, options) if mode in _REPLACING else _insert(cursor, update, options)
    except BaseException:
        update.mode = mode
        update.failed = True
        core.instance.transactions.undo_back_to(core.session, kept)
        raise
    core.update = None
    return bookmark


def _to_be_made(cursor: Cursor) -> Update:
    update = cursor.update
    if update is None or update.read_only:
        raise jet_error(codes.JET_errUpdateNotPrepared, f"no update of table {cursor.table.name} is prepared")
    return update


def make_at_once(cursor: Cursor) -> None:
    """`make` in a transaction level that is undone if it fails, with the lock of the instance held."""
    update = cursor.update
    assert update is not None
    _make(cursor, update, 0)
    cursor.update = None


def _make(cursor: Cursor, update: Update, options: int) -> bytes:
    mode = update.mode
    replaces = mode in _REPLACING
    try:
        notify(cursor, _BEFORE_REPLACE if replaces else _BEFORE_INSERT)
        bookmark = _replace(cursor, update, options) if replaces else _insert(cursor, update, options)
        notify(cursor, _AFTER_REPLACE if replaces else _AFTER_INSERT)
    except BaseException:
        update.mode = mode  # the lock that was taken is given back
        update.failed = True
        raise
    return bookmark


def _insert(cursor: Cursor, update: Update, options: int) -> bytes:
    core: CursorCore = cursor
    session, view = core.session, core.view
    versioned = True
    if options & NO_VERSION:
        if not cursor.created_level:
            raise jet_error(codes.JET_errUpdateMustVersion, f"an update of table {cursor.table.name} without a version")
        versioned = False
    if update.mode in _MOVING:
        _remove(cursor, update.bookmark, dereference=False)
    if view.required:
        _require_values(cursor, update)
    version = view.version
    if version is not None and version.columnid not in update.touched:
        update.buffer.set_fixed(version, bytes(version.max_size))
    image: bytes = update.buffer.image()
    key = next_row(cursor) if view.primary is None else _made_key(cursor, image)
    cursor.primary.tree.insert(session, key, image, versioned=versioned)
    each: Upkeep
    for each in _upkeep(core):
        for entry in _entries(each, view, image, cursor.read_long_value):
            each.tree.insert(session, entry, key, versioned=versioned)
    update.store_long_values()
    return key


@cython.cfunc
def _upkeep(core: CursorCore) -> list[Upkeep]:
    """The indexes that updates of a cursor keep up."""
    found = core.upkeep
    if found is None:
        cursor: Cursor = cython.cast(object, core)
        found = core.upkeep = [Upkeep(cursor, index) for index in cursor.view.maintained]
    return found


@cython.cfunc
def _entries(each: Upkeep, view: TableView, image: bytes, read: ReadLongValue) -> list[bytes]:
    """The keys of a record in an index."""
    key = each.key(image)
    if key is None:
        return RecordValues(view, image, read).keys(each.index)
    return [key] if key else []


def _require_values(cursor: Cursor, update: Update) -> None:
    """JET_errNullInvalid, JET_errAutoIncrementNotSet for a column that has to have a value and has none."""
    image = update.image()
    for column in cursor.view.required:
        if not column_values(cursor.view, column, image):
            code = codes.JET_errAutoIncrementNotSet if column.flags & FLAG_AUTOINCREMENT else codes.JET_errNullInvalid
            raise jet_error(code, f"column {column.name} of table {cursor.table.name} is not set")


def next_row(cursor: Cursor) -> bytes:
    """Take the next key of a table without a primary index. JET_errOutOfSequentialIndexValues."""
    counters = cursor.counters
    if counters.next_row is None:
        last = cursor.primary.tree.nodes.last()
        counters.next_row = 1 if last is None else int.from_bytes(last.key, "big") + 1
    if counters.next_row > _LAST_ROW:
        raise jet_error(codes.JET_errOutOfSequentialIndexValues, f"table {cursor.table.name} has no row numbers left")
    counters.next_row += 1
    return struct.pack(">I", counters.next_row - 1)


def _made_key(cursor: Cursor, image: bytes) -> bytes:
    """The primary key of a record. NULLs do not keep it out, unless they are forbidden: JET_errNullKeyDisallowed."""
    primary = cursor.view.primary
    assert primary is not None
    plan: RecordKeyPlan | None = key_plan(cursor.view, primary)
    key = None if plan is None else plan.key(image)
    if key:
        return key
    values = RecordValues(cursor.view, image, cursor.read_long_value)
    keys = values.keys(primary)
    if keys:
        return keys[0]
    definition = cursor.view.definition(primary)
    return build_key(definition, [next(iter(values.instances(segment.column)), None) for segment in definition.segments])[0]


def _replace(cursor: Cursor, update: Update, options: int) -> bytes:
    session, view = cursor.session, cursor.view
    if options & NO_VERSION:
        raise jet_error(codes.JET_errUpdateMustVersion, f"a replace in table {cursor.table.name} without a version")
    update.lock_record()
    if not update.touched:
        return update.bookmark
    tree = cursor.primary.tree
    stored = tree.get(session, update.bookmark)
    if stored is None:
        raise jet_error(codes.JET_errRecordDeleted, "replacing a record that is deleted")
    if view.version is not None:
        _count_version(update, view.version, stored)
    image = update.image()
    primary = view.primary
    if (
        primary is not None
        and not view.index_columns(primary).isdisjoint(update.touched)
        and _made_key(cursor, image) != update.bookmark
    ):
        raise jet_error(codes.JET_errRecordPrimaryChanged, f"a replace in table {cursor.table.name} with another primary key")
    each: Upkeep
    for each in _upkeep(cursor):
        if each.columns.isdisjoint(update.touched):
            continue
        before = _entries(each, view, stored, _stored_values(cursor))
        after = _entries(each, view, image, cursor.read_long_value)
        if before == after:
            continue
        for key in before:
            if key not in after:
                each.tree.delete(session, key, update.bookmark)
        for key in after:
            if key not in before:
                each.tree.insert(session, key, update.bookmark)
    tree.replace(session, update.bookmark, b"", image)
    update.store_long_values()
    return update.bookmark


def _stored_values(cursor: Cursor) -> ReadLongValue:
    """Reads long values as they are stored, without those of the prepared update."""

    def read(lid: bytes, count: int) -> bytes:
        return cursor.require_long_values().read(lid, 0, count)

    return read


def _count_version(update: Update, column: Column, stored: bytes) -> None:
    state, data = access.fixed_value(stored, column.fid, column.record_offset, column.max_size)
    if state == access.ABSENT:
        data = update.cursor.view.defaults.get(column.columnid, b"")
    number = (int.from_bytes(data, "little") + 1) % 2**32 if data else 1
    update.buffer.set_fixed(column, number.to_bytes(column.max_size, "little"))
    update.touched.add(column.columnid)


# ---- deleting ---------------------------------------------------------------------------------------------------------


def delete(cursor: Cursor) -> None:
    """JetDelete. The cursor stays where the record was."""
    session = cursor.session
    if session.level and not watched(cursor):
        with cursor.lock:
            cursor.refresh_view()
            delete_unwatched(cursor)
        return
    _require_deletable(cursor)
    with session.implicit_transaction():
        cursor.refresh_view()
        delete_at_once(cursor)


@cython.ccall
def delete_unwatched(cursor: Cursor) -> cython.int:
    """`delete` from a table that no callbacks watch, in an open transaction, with the lock of the instance held."""
    _require_deletable(cursor)
    core: CursorCore = cursor
    transaction: Transaction = core.session.open_transaction()
    kept: cython.Py_ssize_t = len(transaction.versions)
    try:
        _remove(cursor, cursor.bookmark, dereference=core.update is None)
    except BaseException:
        core.instance.transactions.undo_back_to(core.session, kept)
        raise
    return 0


def _require_deletable(cursor: Cursor) -> None:
    core: CursorCore = cursor
    _require_updatable(core)
    update: Update | None = core.update
    if update is not None:
        if update.mode not in _MOVING:
            cursor.cancel_update()
        elif not update.failed:
            raise jet_error(codes.JET_errAlreadyPrepared, "deleting a record while it is being moved")


def delete_at_once(cursor: Cursor) -> None:
    """Delete the current record in a transaction level that is undone if that fails, with the lock of the instance held."""
    # A move that failed has its copy of the record still, and with it the references to the long values.
    bookmark = cursor.bookmark
    notify(cursor, _BEFORE_DELETE)
    _remove(cursor, bookmark, dereference=cursor.update is None)
    notify(cursor, _AFTER_DELETE)


def _remove(cursor: Cursor, bookmark: bytes, *, dereference: bool) -> None:
    """Delete a record and its index entries; its long values lose a reference, unless they go over to another record."""
    session, view = cursor.session, cursor.view
    tree = cursor.primary.tree
    tree.lock(session, bookmark, write=True)
    image = tree.get(session, bookmark)
    if image is None:
        raise jet_error(codes.JET_errRecordDeleted, "deleting a record that is deleted")
    each: Upkeep
    for each in _upkeep(cursor):
        for entry in _entries(each, view, image, _stored_values(cursor)):
            each.tree.delete(session, entry, bookmark)
    if dereference and view.tagged:
        for lid in separated_ids(image, view.small_page):
            cursor.require_long_values().take_reference(lid)
    tree.delete(session, bookmark)


# ---- escrow and locks -------------------------------------------------------------------------------------------------


def escrow_update(cursor: Cursor, columnid: object, delta: bytes, grbit: object = 0) -> bytes:
    """JetEscrowUpdate: add to an escrow column; the value before, other sessions' open changes included."""
    options = grbit_of(grbit)
    session = cursor.session
    if not session.level:
        raise jet_error(codes.JET_errNotInTransaction, "an escrow update outside of a transaction")
    cursor.require_updatable()
    column = cursor.view.column(columnid)
    if cursor.update is not None:
        raise jet_error(codes.JET_errAlreadyPrepared, f"an update of table {cursor.table.name} is prepared")
    if len(delta) != column.max_size:
        raise jet_error(codes.JET_errInvalidBufferSize, f"an escrow update of {len(delta)} bytes for {column.max_size}")
    if not column.is_fixed or not column.flags & FLAG_ESCROW or column.max_size not in DELTA_OPERS:
        raise jet_error(codes.JET_errInvalidOperation, f"column {column.name} takes no escrow updates")
    size = column.max_size
    # such a column came with its database from a newer engine; this log may be read by an older one
    if size == _WIDE_COUNTER and cursor.database.logged and not session.instance.log.header.version.has(Feature.ESCROW_64):
        raise jet_error(
            codes.JET_errEngineFormatVersionParamTooLowForRequestedFeature,
            f"adding to column {column.name} of 64 bits, which logs of this format cannot say",
        )
    with session.change():
        bookmark = _last_bookmark(cursor)
        tree = cursor.primary.tree
        amount = int.from_bytes(delta, "little", signed=True)
        versioned = not options & grbits.JET_bitEscrowNoRollback
        old = tree.delta(session, bookmark, column.record_offset, amount, size, versioned=versioned)
        if column.flags & FLAG_DELETE_ON_ZERO and versioned:
            session.when_unneeded(ZeroRecord(cursor, bookmark, column))
        if column.flags & FLAG_FINALIZE and versioned and is_listening(cursor, grbits.JET_cbtypFinalize):
            session.when_unneeded(FinalizedRecord(cursor, bookmark, column))
    return old.to_bytes(size, "little")


def _last_bookmark(cursor: Cursor) -> bytes:
    """The record an escrow update goes to: the one the cursor was on last, also when a roll-back took it away from there."""
    cursor.refresh()
    mark = cursor.primary.last_key
    if not mark:
        cursor.primary.require_node()
    return mark


def get_lock(cursor: Cursor, grbit: object) -> None:
    """JetGetLock: a read or write lock on the current record, or on the search key."""
    options = grbit_of(grbit)
    session = cursor.session
    if not session.level:
        raise jet_error(codes.JET_errNotInTransaction, "locking a record outside of a transaction")
    kind = options & (grbits.JET_bitReadLock | grbits.JET_bitWriteLock)
    if kind not in (grbits.JET_bitReadLock, grbits.JET_bitWriteLock):
        raise jet_error(codes.JET_errInvalidGrbit, f"a lock with grbit {options:#x}")
    write = kind == grbits.JET_bitWriteLock
    if write:
        cursor.require_updatable()
    with session.instance.lock:
        if options & grbits.JET_bitKeyLock:
            _lock_key(cursor.current, write)
            return
        cursor.refresh()
        cursor.primary.require_node()
        cursor.primary.tree.lock(session, cursor.primary.key, write=write)


def _lock_key(place: TreePosition, write: bool) -> None:
    if not place.search.prepared or not place.search.data:
        raise jet_error(codes.JET_errKeyNotMade, "locking a key that was not made")
    place.tree.lock_key(place.session, place.search.data, write=write)
