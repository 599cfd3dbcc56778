"""Records as bytes: from column values to the data of a leaf node. No I/O, no schema objects.

Layout (`reference/records-and-indexes.md` 1; catalogue records are the same, `reference/database-format.md` 8.7):

| part               | content                                                                                            |
|--------------------|----------------------------------------------------------------------------------------------------|
| header, 4 bytes    | last fixed column u8 (0: none), last variable column u8 (127: none), end of the fixed part u16        |
| fixed columns      | gap-free from offset 4; the slot of a NULL holds '*'                                                  |
| null bitmap        | ceil(n/8) bytes, bit i = column i+1 is NULL; the bits behind the last column are 1                    |
| variable ends      | u16 a column: end relative to the first variable byte; bit 15 = NULL                                  |
| variable data      |                                                                                                    |
| tagged array       | (column u16, offset u16) sorted by column; offsets relative to this array                             |
| tagged values      | one header byte (always on large pages; on small ones for long and multi-valued columns), then bytes  |

Offset word of a tagged column: 0x8000 derived; small pages (up to 8 KiB): 0x4000 a header byte precedes, 0x2000 NULL,
offset 13 bits; large pages: offset 15 bits. Header byte: 0x01 long value, 0x02 compressed, 0x04 separated, 0x08
multi-valued, 0x10 exactly two values, 0x20 NULL, 0x40 encrypted.
"""

from __future__ import annotations

import datetime
import struct
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.constants import codes
from esent.errors import jet_error
from esent.records.columns import FIXED_LAST, INHERENT_SIZE, TEXT_TYPES, UNICODE, VARIABLE_FIRST, VARIABLE_LAST, Coltyp
from esent.records.layout import (
    ENTRY_SIZE,
    FILL,
    HEADER_SIZE,
    OFFSET_MASK,
    OFFSET_MASK_SMALL,
    SMALL_PAGE_MAX,
    TAG_COMPRESSED,
    TAG_LONG_VALUE,
    TAG_MULTIPLE,
    TAG_NULL,
    TAG_SEPARATED,
    TAG_TWO,
    WORD_DERIVED,
    WORD_SMALL_HEADER,
    WORD_SMALL_NULL,
)

COLUMN_MOST = 255
LONG_VALUE_MOST = 0x7FFFFFFF

_SIGNED = frozenset({Coltyp.SHORT, Coltyp.LONG, Coltyp.CURRENCY, Coltyp.LONG_LONG})
_UNSIGNED = frozenset({Coltyp.UNSIGNED_BYTE, Coltyp.UNSIGNED_LONG, Coltyp.UNSIGNED_SHORT, Coltyp.UNSIGNED_LONG_LONG})
_FLOATING: dict[int, str] = {Coltyp.IEEE_SINGLE: "<f", Coltyp.IEEE_DOUBLE: "<d", Coltyp.DATE_TIME: "<d"}
_DAY_ZERO = datetime.datetime(1899, 12, 30)

_INSTANCE_SEPARATED = 0x8000


class Value(NamedTuple):
    """One stored instance of a tagged column: its bytes (those of the LID if `separated`)."""

    data: bytes
    separated: bool = False
    compressed: bool = False


class Tagged(NamedTuple):
    """A tagged column of a record; no values means an explicit NULL, which overrides a default."""

    fid: int
    values: Sequence[Value]
    long: bool = False
    derived: bool = False


def record_most(page_size: int, key_most: int = COLUMN_MOST) -> int:
    """The largest record on pages of `page_size` bytes under a primary key of at most `key_most` bytes."""
    if page_size <= SMALL_PAGE_MAX:
        return page_size - 48 - 2 - max(255, 2 + key_most)
    return page_size - 88 - 4 - key_most


@cython.cfunc
def _tagged_value(column: Tagged, small_page: bool) -> tuple[bytes, int]:
    """The value bytes of a tagged column and the flag bits of its offset word."""
    flags = WORD_DERIVED if column.derived else 0
    values = column.values
    count: cython.Py_ssize_t = len(values)
    header = TAG_LONG_VALUE if column.long else 0
    if count == 0:
        if small_page:
            return b"", flags | WORD_SMALL_NULL
        return bytes((TAG_NULL | header,)), flags
    first = values[0]
    if count == 1:
        if first.compressed:
            header |= TAG_COMPRESSED
        if first.separated:
            header |= TAG_SEPARATED
        if small_page:
            if not header:
                return first.data, flags
            flags |= WORD_SMALL_HEADER
        return bytes((header,)) + first.data, flags
    if small_page:
        flags |= WORD_SMALL_HEADER
        if count == 2 and not column.long:
            if len(first.data) > 255:
                raise jet_error(codes.JET_errColumnTooBig, f"encoding column {column.fid}: {len(first.data)} bytes")
            return bytes((TAG_MULTIPLE | TAG_TWO, len(first.data))) + first.data + values[1].data, flags
    header |= TAG_MULTIPLE
    if first.compressed:
        header |= TAG_COMPRESSED
    offset = 2 * count
    ends: list[int] = []
    parts: list[bytes] = []
    for value in values:
        if offset > 0x7FFF:
            raise jet_error(codes.JET_errRecordTooBig, f"encoding column {column.fid}: its values exceed a page")
        ends.append(offset | (_INSTANCE_SEPARATED if value.separated else 0))
        parts.append(value.data)
        offset += len(value.data)
    return b"".join((bytes((header,)), struct.pack(f"<{count}H", *ends), *parts)), flags


def tagged_value(column: Tagged, *, small_page: bool) -> tuple[bytes, int]:
    """The stored bytes of a tagged column, header byte included, and the flag bits of its offset word."""
    return _tagged_value(column, small_page)


def encode_record(
    fixed: Sequence[bytes | None],
    sizes: Sequence[int],
    variable: Sequence[bytes | None],
    tagged: Sequence[Tagged] = (),
    *,
    small_page: bool,
) -> bytes:
    """A record: fixed columns 1.. (`sizes` their slot sizes), variable columns 128.., tagged columns in order.

    Tagged columns: derived ones first, then by id. None is NULL. The page's own limit is the caller's to check
    (`record_most`). JET_errRecordTooBig: an offset does not fit its field. JET_errInvalidBufferSize: a fixed value does
    not fill its slot. JET_errTooManyColumns: more than 127 fixed or 128 variable ones.
    """
    count: cython.Py_ssize_t = len(fixed)
    if count > FIXED_LAST or len(variable) > VARIABLE_LAST - VARIABLE_FIRST + 1:
        raise jet_error(codes.JET_errTooManyColumns, f"encoding {count} fixed and {len(variable)} variable columns")
    i: cython.Py_ssize_t
    parts: list[bytes] = [b""]
    size: cython.Py_ssize_t = HEADER_SIZE
    bitmap = bytearray(b"\xff" * ((count + 7) // 8))
    for i in range(count):
        value = fixed[i]
        if value is None:
            value = FILL * sizes[i]
        elif len(value) != sizes[i]:
            raise jet_error(codes.JET_errInvalidBufferSize, f"encoding fixed column {i + 1}: {len(value)} bytes for {sizes[i]}")
        else:
            bitmap[i >> 3] ^= 1 << (i & 7)
        parts.append(value)
        size += len(value)
    if count:
        parts.append(bytes(bitmap))
        size += len(bitmap)
    if size > 0x7FFF:
        raise jet_error(codes.JET_errRecordTooBig, f"encoding a record: {size} bytes in its fixed columns")
    parts[0] = struct.pack("<BBH", count, VARIABLE_FIRST - 1 + len(variable), size)
    if variable:
        end: cython.Py_ssize_t = 0
        ends: list[int] = []
        for value in variable:
            if value is None:
                ends.append(end | 0x8000)
            else:
                end += len(value)
                if end > 0x7FFF:
                    raise jet_error(codes.JET_errRecordTooBig, f"encoding a record: {end} bytes in its variable columns")
                ends.append(end)
        parts.append(struct.pack(f"<{len(ends)}H", *ends))
        parts.extend([value for value in variable if value])
    if tagged:
        most = OFFSET_MASK_SMALL if small_page else OFFSET_MASK
        offset: cython.Py_ssize_t = ENTRY_SIZE * len(tagged)
        array: list[int] = []
        values: list[bytes] = []
        for column in tagged:
            data, flags = _tagged_value(column, small_page)
            if offset > most:
                raise jet_error(codes.JET_errRecordTooBig, "encoding a record: its tagged columns exceed a page")
            array.append(column.fid)
            array.append(offset | flags)
            values.append(data)
            offset += len(data)
        parts.append(struct.pack(f"<{len(array)}H", *array))
        parts.extend(values)
    return b"".join(parts)


def stored_value(coltyp: int, code_page: int, size: int, fixed: bool, data: bytes) -> bytes | None:
    """`data` as a record keeps it; None where an empty value means NULL (fixed columns, types of inherent size).

    Bit becomes 00 or FF; a short fixed Binary is padded with zeros, fixed Text with spaces (in its code page). `size` is the
    column's maximum, 0 for a long value without one. JET_errInvalidBufferSize: wrong size for the type.
    JET_errColumnTooBig: longer than the column allows. JET_errInvalidColumnType: no such type.
    """
    inherent = INHERENT_SIZE.get(coltyp)
    if inherent is not None:
        if not data:
            return None
        if len(data) != inherent:
            raise jet_error(codes.JET_errInvalidBufferSize, f"storing type {coltyp}: {len(data)} bytes for {inherent}")
        if coltyp == Coltyp.BIT:
            return b"\xff" if data[0] else b"\0"
        return data
    if coltyp in (Coltyp.LONG_BINARY, Coltyp.LONG_TEXT):
        most = size or LONG_VALUE_MOST
    elif coltyp in (Coltyp.BINARY, Coltyp.TEXT):
        most = size or COLUMN_MOST
    else:
        raise jet_error(codes.JET_errInvalidColumnType, f"storing a value of type {coltyp}")
    if len(data) > most:
        raise jet_error(codes.JET_errColumnTooBig, f"storing a value of {len(data)} bytes in a column of at most {most}")
    if not fixed:
        return data
    if not data:
        return None
    if len(data) < most:
        missing = most - len(data)
        if coltyp == Coltyp.BINARY:
            return data + b"\0" * missing
        if code_page == UNICODE:
            # In phase with the value's start: an odd last byte is followed by the second half of a space.
            return (data + (b"\0 " if len(data) % 2 else b" \0") * (missing // 2 + 1))[:most]
        return data + b" " * missing
    return data


def ole_date(moment: datetime.datetime) -> float:
    """Days since 1899-12-30; the fraction counts from midnight forward also before that day. A time zone is taken off."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    delta = moment - _DAY_ZERO
    part = (delta.seconds + delta.microseconds / 1e6) / 86400
    return delta.days + part if delta.days >= 0 else delta.days - part


def value_bytes(coltyp: int, code_page: int, value: Any) -> bytes:
    """A Python value as the bytes of a column: bytes as they are, bool, int, float, datetime, UUID, str.

    JET_errInvalidColumnType: a value of another kind, or a number the type does not hold. JET_errInvalidParameter: text the
    code page cannot express.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    try:
        if coltyp == Coltyp.BIT and isinstance(value, int):
            return b"\xff" if value else b"\0"
        if isinstance(value, int) and (coltyp in _SIGNED or coltyp in _UNSIGNED):
            return value.to_bytes(INHERENT_SIZE[coltyp], "little", signed=coltyp in _SIGNED)
        form = _FLOATING.get(coltyp)
        if form is not None:
            if isinstance(value, datetime.datetime) and coltyp == Coltyp.DATE_TIME:
                value = ole_date(value)
            if isinstance(value, int | float):
                return struct.pack(form, value)
        if coltyp == Coltyp.GUID and isinstance(value, uuid.UUID):
            return value.bytes_le
    except (OverflowError, ValueError, struct.error) as problem:
        raise jet_error(codes.JET_errInvalidColumnType, f"storing {value!r} as type {coltyp}: {problem}") from problem
    if coltyp in TEXT_TYPES and isinstance(value, str):
        try:
            return value.encode("utf-16-le", "surrogatepass") if code_page == UNICODE else value.encode("cp1252")
        except UnicodeEncodeError as problem:
            raise jet_error(codes.JET_errInvalidParameter, f"storing text of code page {code_page}: {problem}") from problem
    raise jet_error(codes.JET_errInvalidColumnType, f"storing a value of kind {type(value).__name__} as type {coltyp}")
