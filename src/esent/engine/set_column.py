"""Setting columns of the copy buffer (JetSetColumn, JetSetColumns).

Rules: `reference/records-and-indexes.md` 1.3-1.7, 3.3-3.4, 4.3, 7.3. A record that gets too large sheds its long values into
the table's long-value tree, the largest first; what is then still too large is JET_errRecordTooBig.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from enum import Enum, auto

from esent.constants import codes, grbits
from esent.engine.cores import CursorCore, SessionCore
from esent.engine.cursor import Cursor
from esent.engine.long_value_writer import PendingValue, stored_form
from esent.engine.navigation import grbit_of
from esent.engine.record_buffer import RecordBuffer
from esent.engine.update import Mode, Update, next_number
from esent.errors import JetError, jet_error
from esent.records.columns import (
    FLAG_AUTOINCREMENT,
    FLAG_COMPRESSED,
    FLAG_DEFAULT,
    FLAG_ENCRYPTED,
    FLAG_NOT_NULL,
    FLAG_VERSION,
    INHERENT_SIZE,
    Coltyp,
    Column,
)
from esent.records.compression import decompress
from esent.records.encode import COLUMN_MOST, LONG_VALUE_MOST, Tagged, Value, stored_value, tagged_value
from esent.records.keys import KEY_MOST_DEFAULT, KeyDefinition, Segment, normalise
from esent.records.layout import HEADER_SIZE

APPEND = grbits.JET_bitSetAppendLV
OVERWRITE = grbits.JET_bitSetOverwriteLV
SIZE = grbits.JET_bitSetSizeLV
ZERO_LENGTH = grbits.JET_bitSetZeroLength
SEPARATE = grbits.JET_bitSetSeparateLV
INTRINSIC = grbits.JET_bitSetIntrinsicLV
UNIQUE = grbits.JET_bitSetUniqueMultiValues
UNIQUE_NORMALISED = grbits.JET_bitSetUniqueNormalizedMultiValues
REVERT = grbits.JET_bitSetRevertToDefaultValue
CONTIGUOUS = grbits.JET_bitSetContiguousLV
COMPRESSED = grbits.JET_bitSetCompressed
UNCOMPRESSED = grbits.JET_bitSetUncompressed
_INTERNAL = 0xF0000000
_INTRINSIC_DEFAULT = 1023
_RAW = KeyDefinition(())
_INSERT_NUMBERED = Mode.INSERT_NUMBERED
_NO_WAY: cython.int = 0
_FIXED: cython.int = 1
_BIT: cython.int = 2
_VARIABLE: cython.int = 3
_TAGGED: cython.int = 4
_PECULIAR = FLAG_AUTOINCREMENT | FLAG_COMPRESSED | FLAG_ENCRYPTED | FLAG_VERSION


@cython.cclass
class Setter:
    """The short way of setting one column to a plain value without options; `set_column` is the long one."""

    _column: Column
    _columnid: int
    _fid: int
    _start: int
    _kind: int
    _least: int
    _most: int
    _long: bool
    _key: tuple[bool, int]
    _flags: int
    _header: bytes

    def __init__(self, cursor: Cursor, column: Column) -> None:
        view = cursor.view
        size = INHERENT_SIZE.get(column.coltyp, 0)
        self._column = column
        self._columnid = column.columnid
        self._fid = column.fid
        self._start = column.record_offset - HEADER_SIZE if column.is_fixed else 0
        self._long = column.is_long_value
        self._least = 1
        self._most = column.max_size or COLUMN_MOST
        self._key = view.tagged_order(column)
        self._header = b""
        self._flags = 0
        if column.flags & _PECULIAR or column.coltyp == Coltyp.SLV:
            self._kind = _NO_WAY
        elif column.is_fixed:
            self._kind = _BIT if column.coltyp == Coltyp.BIT else _FIXED
            self._least = self._most = column.max_size
        elif size:
            self._kind = _NO_WAY
        elif column.is_variable:
            self._kind = _VARIABLE
        else:
            self._kind = _TAGGED
            most = preferred_most(cursor)
            self._most = min(most, column.max_size or most) if self._long else min(most, self._most)
            data, self._flags = tagged_value(
                Tagged(column.fid, [Value(b"")], self._long, view.derived(column)), small_page=view.small_page
            )
            self._header = data

    @cython.cfunc
    def set(self, in_transaction: cython.bint, update: Update, value: bytes) -> cython.bint:
        """Whether that was done; if not, nothing was."""
        size: cython.Py_ssize_t = len(value)
        kind: cython.int = self._kind
        if kind == _NO_WAY or size < self._least or size > self._most:
            return False
        buffer: RecordBuffer = update.buffer
        try:
            if kind == _FIXED:
                buffer.put_fixed(self._column, self._fid, self._start, size, value)
            elif kind == _VARIABLE:
                buffer.put_variable(self._column, self._fid, value)
            elif kind == _BIT:
                buffer.put_fixed(self._column, self._fid, self._start, 1, b"\xff" if value[0] else b"\0")
            elif (self._long and not in_transaction) or not buffer.set_entry(
                self._column, self._key, (self._flags, self._header + value)
            ):
                return False
        except JetError:
            return False  # it needs room that other values have to make
        update.touched.add(self._columnid)
        return True


@cython.ccall
def set_plain(cursor: Cursor, columnid: object, value: bytes) -> cython.bint:
    """Set the first value of a column by the short way, if there is one; False where `set_column` has to."""
    core: CursorCore = cursor
    update: Update | None = core.update
    session: SessionCore = core.session
    # what refuses to be changed is said by the long way
    if update is None or update.read_only or not core.changes or session.read_only:
        return False
    if type(columnid) is not int:
        return False
    setter: Setter | None = core.setters.get(columnid)
    if setter is None:
        column = cursor.view.columns.get(columnid)
        if column is None:
            return False
        setter = core.setters[columnid] = Setter(cursor, column)
    return setter.set(session.level != 0, update, value)


class Change(Enum):
    """What a set does to a long value (3.4)."""

    NOTHING = auto()
    NULL = auto()
    ZERO_LENGTH = auto()
    REPLACE = auto()
    ZEROS = auto()
    APPEND = auto()
    RESIZE = auto()
    OVERWRITE = auto()
    OVERWRITE_AND_RESIZE = auto()


def set_column(
    cursor: Cursor, columnid: object, data: bytes | int | None, grbit: object = 0, number: object = 1, offset: object = 0
) -> int:
    """Set one column; 0, or JET_wrnColumnMaxTruncated. An int as `data` is a size without bytes."""
    cursor.require_updatable()
    size = checked_size(data)
    update = settable(cursor)
    return _set(cursor, update, columnid, data, size, grbit, number, offset)


def settable(cursor: Cursor) -> Update:
    """The prepared update whose columns can be set; JET_errUpdateNotPrepared."""
    update = cursor.update
    if update is None or update.read_only:
        raise jet_error(codes.JET_errUpdateNotPrepared, f"setting a column of table {cursor.table.name} without an update")
    return update


def checked_size(data: bytes | int | None) -> int:
    """Bytes of a value to set. JET_errInvalidParameter for more than a value can have."""
    size = data if isinstance(data, int) else len(data or b"")
    if not 0 <= size <= LONG_VALUE_MOST:
        raise jet_error(codes.JET_errInvalidParameter, f"setting a column to {size} bytes")
    return int(size)


def _set(
    cursor: Cursor,
    update: Update,
    columnid: object,
    data: bytes | int | None,
    size: int,
    grbit: object,
    number: object,
    offset: object,
) -> int:
    options = grbit_of(grbit)
    if not isinstance(number, int) or not isinstance(offset, int) or number < 0 or not 0 <= offset <= 0xFFFFFFFF:
        raise jet_error(codes.JET_errInvalidParameter, f"setting value {number!r} at byte {offset!r}")
    unique = bool(options & (UNIQUE | UNIQUE_NORMALISED))
    if unique:
        if options & (APPEND | OVERWRITE | SIZE):
            raise jet_error(codes.JET_errInvalidGrbit, f"a unique value by parts: grbit {options:#x}")
        unique = bool(size) or bool(options & ZERO_LENGTH)
    if options & CONTIGUOUS:
        if not options & SEPARATE:
            raise jet_error(codes.JET_errInvalidGrbit, "contiguous space for a value that need not be separated")
        if size < cursor.view.page_size:
            raise jet_error(codes.JET_errInvalidBufferSize, f"contiguous space for {size} bytes, less than a page")
    if options & _INTERNAL:
        raise jet_error(codes.JET_errInvalidGrbit, f"setting a column with grbit {options:#x}")
    column = cursor.view.column(columnid)
    if data is None or (isinstance(data, int) and not options & SIZE):
        size = 0
    value = data if isinstance(data, bytes) else b""
    if isinstance(data, int) and not (column.is_long_value and not options & OVERWRITE):
        value = bytes(size)  # only resizing does without the bytes
    if column.is_fixed:
        view = cursor.view
        if column is view.version and update.replaces:
            raise jet_error(codes.JET_errInvalidColumnType, f"setting version column {column.name} in a replace")
        if column is view.autoincrement and update.mode is not _INSERT_NUMBERED:
            raise jet_error(codes.JET_errInvalidColumnType, f"setting auto-increment column {column.name}")
    elif column.is_tagged:
        if column.flags & FLAG_ENCRYPTED:
            raise jet_error(codes.JET_errColumnNoEncryptionKey, f"setting the encrypted column {column.name}")
        if column.is_long_value:
            if unique:
                _require_unique(cursor, update, column, value, number, normalised=bool(options & UNIQUE_NORMALISED))
            return _set_long_with_room(cursor, update, column, value, size, options, number, offset)
    content = None if size == 0 and not options & ZERO_LENGTH else value
    threshold = cursor.view.page_size
    while True:
        try:
            return _set_plain(cursor, update, column, content, options, number, unique=unique)
        except JetError as problem:
            if problem.code != codes.JET_errRecordTooBig or threshold <= cursor.lid_size:
                raise
        threshold = _lower(cursor, threshold)
        _separate_all(cursor, update, threshold)


def _lower(cursor: Cursor, threshold: int) -> int:
    """The next size above which long values leave the record."""
    threshold //= 2
    return threshold if threshold >= cursor.view.page_size // 64 else cursor.lid_size


def _require_value(column: Column, value: bytes | None) -> None:
    if not value and column.is_fixed:
        value = None
    if value is None:
        if column.flags & FLAG_NOT_NULL:
            raise jet_error(codes.JET_errNullInvalid, f"setting column {column.name} to NULL")
        if column.flags & FLAG_AUTOINCREMENT and not column.flags & FLAG_DEFAULT:
            raise jet_error(codes.JET_errAutoIncrementNotSet, f"setting auto-increment column {column.name} to NULL")


def _set_plain(
    cursor: Cursor, update: Update, column: Column, value: bytes | None, options: int, number: int, *, unique: bool
) -> int:
    """Set a column that is no long value."""
    _require_value(column, value)
    update.touched.add(column.columnid)
    buffer = update.buffer
    if column.is_fixed:
        stored = None
        if value:
            if len(value) > column.max_size:
                raise jet_error(codes.JET_errInvalidBufferSize, f"{len(value)} bytes for column {column.name}")
            stored = stored_value(column.coltyp, column.code_page, column.max_size, True, value)
            if column is cursor.view.autoincrement:
                _check_number(cursor, column, value)
        buffer.set_fixed(column, stored)
        return 0
    if column.is_variable:
        most = column.max_size or COLUMN_MOST
        cut = value is not None and len(value) > most
        buffer.set_variable(column, value[:most] if value is not None else None)
        return codes.JET_wrnColumnMaxTruncated if cut else 0
    stored = None
    if value is not None:
        if column.max_size and len(value) > column.max_size:
            raise jet_error(codes.JET_errColumnTooBig, f"{len(value)} bytes for column {column.name}")
        stored = value
        if value:
            # A zero-length value of a type of inherent size is none to `stored_value`, but tagged columns have it.
            stored = stored_value(column.coltyp, column.code_page, column.max_size, False, value)
        if len(value) > cursor.view.intrinsic_most:
            raise jet_error(codes.JET_errColumnDoesNotFit, f"{len(value)} bytes for column {column.name} fit into no record")
        if unique:
            _require_unique(cursor, update, column, stored or b"", number, normalised=bool(options & UNIQUE_NORMALISED))
    buffer.set_tagged(column, number, None if stored is None else Value(stored), revert=bool(options & REVERT))
    return 0


def _check_number(cursor: Cursor, column: Column, value: bytes) -> None:
    given = int.from_bytes(value, "little")
    if given == 0:
        raise jet_error(codes.JET_errInvalidParameter, f"0 as number in column {column.name}")
    if given >= next_number(cursor, column):
        what = f"a number for column {column.name} that is not below the next one, {next_number(cursor, column)}"
        raise jet_error(codes.JET_errSetAutoIncrementTooHigh, what)


def _require_unique(cursor: Cursor, update: Update, column: Column, value: bytes, number: int, *, normalised: bool) -> None:
    """JET_errMultiValuedDuplicate where another instance of the column is the same."""

    def shown(data: bytes) -> tuple[bytes, bool]:
        if not normalised:
            return data, False
        segment = Segment(column.columnid, column.coltyp, column.code_page)
        return normalise(_RAW, segment, data[:KEY_MOST_DEFAULT], KEY_MOST_DEFAULT)

    wanted, cut = shown(value)
    for place, other in enumerate(update.buffer.instances(column) or [], 1):
        if place == number:
            continue
        if other.separated:
            data = cursor.read_long_value(other.data, KEY_MOST_DEFAULT if normalised else len(value) + 1)
        else:
            data = decompress(other.data) if other.compressed else other.data
        if shown(data)[0] == wanted:
            code = codes.JET_errMultiValuedDuplicateAfterTruncation if cut else codes.JET_errMultiValuedDuplicate
            raise jet_error(code, f"column {column.name} has that value already")


# ---- long values ------------------------------------------------------------------------------------------------------


def _set_long_with_room(
    cursor: Cursor, update: Update, column: Column, data: bytes, size: int, options: int, number: int, offset: int
) -> int:
    """Set a long value; while the record is too large, others leave it."""
    threshold = cursor.view.page_size
    limit = threshold // 2
    while True:
        saved = (update.buffer.copy(), dict(update.pending), dict(update.references))
        try:
            _set_long(cursor, update, column, data, size, options, number, offset, limit)
            return 0
        except JetError as problem:
            update.buffer, update.pending, update.references = saved
            if problem.code != codes.JET_errRecordTooBig or threshold <= cursor.lid_size:
                raise
        threshold = limit = _lower(cursor, threshold)
        _separate_all(cursor, update, threshold)


def _change(options: int, size: int, offset: int, *, new: bool) -> Change:
    """What is to be done. JET_errColumnNoChunk: into a value that is not there, but not from its begin."""
    kind = options & (APPEND | OVERWRITE | SIZE | ZERO_LENGTH)
    if kind == APPEND:
        if not size:
            return Change.ZERO_LENGTH if new else Change.NOTHING
        return Change.REPLACE if new else Change.APPEND
    if kind in (OVERWRITE, SIZE | OVERWRITE):
        if not size and kind != OVERWRITE:
            return Change.NULL
        if new:
            if offset:
                raise jet_error(codes.JET_errColumnNoChunk, f"overwriting from byte {offset} of a value that is not there")
            return Change.REPLACE if size else Change.ZERO_LENGTH
        if not size:
            return Change.NOTHING
        return Change.OVERWRITE if kind == OVERWRITE else Change.OVERWRITE_AND_RESIZE
    if kind in (SIZE, SIZE | ZERO_LENGTH):
        if not size:
            return Change.NULL if kind == SIZE else Change.ZERO_LENGTH
        return Change.ZEROS if new else Change.RESIZE
    if not size:
        return Change.ZERO_LENGTH if kind == ZERO_LENGTH else Change.NULL
    return Change.REPLACE


def _set_long(
    cursor: Cursor,
    update: Update,
    column: Column,
    data: bytes,
    size: int,
    options: int,
    number: int,
    offset: int,
    limit: int,
) -> None:
    """One attempt. `limit`: what is longer may leave the record when that is too large."""
    if not cursor.session.level:
        raise jet_error(codes.JET_errNotInTransaction, f"setting long value {column.name} outside of a transaction")
    update.touched.add(column.columnid)
    buffer = update.buffer
    values = buffer.instances(column)
    old: Value | None = None
    if values is None:
        default = cursor.view.defaults.get(column.columnid)
        if number == 1 and default is not None:
            old = Value(default)
    elif 1 <= number <= len(values):
        old = values[number - 1]
    compressed = _is_compressed(column, options)
    change = _change(options, size, offset, new=old is None)
    if options & CONTIGUOUS and (change is not Change.REPLACE or old is not None):
        raise jet_error(codes.JET_errInvalidParameter, "contiguous space for a part of a value")
    if change is Change.NOTHING:
        return
    if change in (Change.NULL, Change.ZERO_LENGTH, Change.REPLACE) and old is not None and old.separated:
        update.drop_value(old.data)
        old = Value(b"")
    if change in (Change.NULL, Change.ZERO_LENGTH):
        if change is Change.NULL and column.flags & FLAG_NOT_NULL:
            raise jet_error(codes.JET_errNullInvalid, f"setting column {column.name} to NULL")
        new = None if change is Change.NULL else Value(b"")
        buffer.set_tagged(column, number, new, revert=bool(options & REVERT))
        return
    if old is not None and old.separated:
        _change_separated(update, column, old, data, size, number, offset, change, compressed=compressed)
        return
    plain = b"" if old is None else decompress(old.data) if old.compressed else old.data
    length = _new_length(change, len(plain), size, offset)
    preferred = _preferred(cursor, options)
    if length <= preferred:
        if column.max_size and length > column.max_size:
            raise jet_error(codes.JET_errColumnTooBig, f"{length} bytes for column {column.name}")
        result = _changed(plain, change, data, size, offset)
        try:
            _put_intrinsic(cursor, update, column, number, result, compressed=compressed)
            return
        except JetError as problem:
            if problem.code != codes.JET_errRecordTooBig or length <= max(limit, cursor.lid_size):
                raise
    if (column.max_size and length > column.max_size) or length > LONG_VALUE_MOST:
        raise jet_error(codes.JET_errColumnTooBig, f"{length} bytes for column {column.name}")
    _require_offset(change, len(plain), offset)
    pending = PendingValue(None, cursor.view.chunk, compressed=compressed)
    if change not in (Change.REPLACE, Change.ZEROS):
        pending.write(0, plain)
    _apply(pending, change, data, size, offset)
    lid = update.add_value(pending)
    buffer.set_tagged(column, number, Value(lid, separated=True))


def _is_compressed(column: Column, options: int) -> bool:
    if options & COMPRESSED:
        return True
    return not options & UNCOMPRESSED and bool(column.flags & FLAG_COMPRESSED)


def _preferred(cursor: Cursor, options: int) -> int:
    """The longest value that is kept in the record if it fits."""
    if options & SEPARATE:
        return cursor.lid_size
    if options & INTRINSIC:
        return cursor.view.intrinsic_most
    return preferred_most(cursor)


def preferred_most(cursor: Cursor) -> int:
    """The longest value that is kept in the record if it fits and nothing else is asked for."""
    wanted = cursor.table.separate_threshold or _INTRINSIC_DEFAULT
    return min(max(wanted, cursor.lid_size), cursor.view.intrinsic_most)


def _new_length(change: Change, old: int, size: int, offset: int) -> int:
    if change is Change.APPEND:
        return old + size
    if change is Change.OVERWRITE:
        return max(old, offset + size)
    if change is Change.OVERWRITE_AND_RESIZE:
        return offset + size
    return size


def _require_offset(change: Change, old: int, offset: int) -> None:
    if change in (Change.OVERWRITE, Change.OVERWRITE_AND_RESIZE) and offset > old:
        raise jet_error(codes.JET_errColumnNoChunk, f"overwriting from byte {offset} of a value of {old}")


def _changed(plain: bytes, change: Change, data: bytes, size: int, offset: int) -> bytes:
    """A value in the record after a change."""
    _require_offset(change, len(plain), offset)
    if change is Change.APPEND:
        return plain + data
    if change is Change.OVERWRITE:
        return plain[:offset] + data + plain[offset + size :]
    if change is Change.OVERWRITE_AND_RESIZE:
        return plain[:offset] + data
    if change is Change.RESIZE:
        return plain[:size].ljust(size, b"\0")
    return bytes(size) if change is Change.ZEROS else data


def _put_intrinsic(cursor: Cursor, update: Update, column: Column, number: int, data: bytes, *, compressed: bool) -> None:
    first = number <= 1 and not (number == 0 and update.buffer.instances(column))
    stored, packed = stored_form(data, cursor.lid_size, compressed=compressed and first)
    if len(stored) > cursor.view.intrinsic_most:
        raise jet_error(codes.JET_errColumnDoesNotFit, f"{len(stored)} bytes for column {column.name} fit into no record")
    update.buffer.set_tagged(column, number, Value(stored, compressed=packed))


def _change_separated(
    update: Update,
    column: Column,
    old: Value,
    data: bytes,
    size: int,
    number: int,
    offset: int,
    change: Change,
    *,
    compressed: bool,
) -> None:
    values = update.cursor.long_values()
    known = update.pending.get(old.data)
    length = known.size if known is not None else values.size(old.data) if values is not None else 0
    _require_offset(change, length, offset)
    new_length = _new_length(change, length, size, offset)
    if new_length > (column.max_size or LONG_VALUE_MOST):
        raise jet_error(codes.JET_errColumnTooBig, f"{new_length} bytes for column {column.name}")
    lid, pending = update.changeable_value(old.data, compressed=compressed)
    pending.compressed = compressed
    _apply(pending, change, data, size, offset)
    if lid != old.data:
        update.buffer.set_tagged(column, number, Value(lid, separated=True))


def _apply(pending: PendingValue, change: Change, data: bytes, size: int, offset: int) -> None:
    if change in (Change.ZEROS, Change.RESIZE):
        pending.resize(size)
    elif change is Change.APPEND:
        pending.write(pending.size, data)
    elif change is Change.OVERWRITE:
        pending.write(offset, data)
    elif change is Change.OVERWRITE_AND_RESIZE:
        pending.resize(min(pending.size, offset + size))
        pending.write(offset, data)
    else:
        pending.write(0, data)


def _separate_all(cursor: Cursor, update: Update, threshold: int) -> None:
    """Move every long value of more than `threshold` bytes out of the record. JET_errNotInTransaction outside of one."""
    if not cursor.session.level:
        raise jet_error(codes.JET_errNotInTransaction, "separating long values outside of a transaction")
    for column in cursor.view.tagged:
        if not column.is_long_value:
            continue
        values = update.buffer.instances(column)
        if not values:
            continue
        changed = False
        for place, value in enumerate(values):
            if value.separated or len(value.data) <= threshold:
                continue
            pending = PendingValue(None, cursor.view.chunk, compressed=bool(column.flags & FLAG_COMPRESSED))
            pending.write(0, decompress(value.data) if value.compressed else value.data)
            values[place] = Value(update.add_value(pending), separated=True)
            changed = True
        if changed:
            update.buffer.put_instances(column, values)
