"""Rows of Python values packed into records in one pass, for tables that get many of them.

A `RowPacker` knows of a table what `encode`, and the copy buffer of an update, would look up for every row. It packs what is
plain: a value of the usual kind in a column without peculiarities, in a record that fits. Whatever else a row holds, wrong
values included, is not packed (None), and left to those who know every rule. What is packed is what they would have made.
"""

from __future__ import annotations

import codecs
import datetime
import struct
from collections.abc import Callable, Sequence
from typing import Any

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.errors import JetError
from esent.records.columns import (
    FLAG_AUTOINCREMENT,
    FLAG_COMPRESSED,
    FLAG_ENCRYPTED,
    FLAG_ESCROW,
    FLAG_MULTIVALUED,
    FLAG_USER_DEFINED_DEFAULT,
    FLAG_VERSION,
    INHERENT_SIZE,
    UNICODE,
    VARIABLE_FIRST,
    Coltyp,
    Column,
)
from esent.records.encode import COLUMN_MOST, Tagged, Value, ole_date, tagged_value
from esent.records.layout import ENTRY_SIZE, FILL, HEADER_SIZE, OFFSET_MASK, OFFSET_MASK_SMALL

UNPACKED = -1
"""The slot of a column whose values only the long way can set."""

_KEPT = FLAG_VERSION | FLAG_AUTOINCREMENT | FLAG_ESCROW
_PECULIAR = (
    FLAG_VERSION
    | FLAG_AUTOINCREMENT
    | FLAG_MULTIVALUED
    | FLAG_ESCROW
    | FLAG_USER_DEFINED_DEFAULT
    | FLAG_COMPRESSED
    | FLAG_ENCRYPTED
)
_SHAPES_MOST = 256

_INTEGER, _BIT, _FLOAT, _DATE, _UTF16, _ANSI, _BINARY, _OTHER = range(8)
_INTEGERS: dict[int, str] = {
    Coltyp.UNSIGNED_BYTE: "<B",
    Coltyp.SHORT: "<h",
    Coltyp.UNSIGNED_SHORT: "<H",
    Coltyp.LONG: "<i",
    Coltyp.UNSIGNED_LONG: "<I",
    Coltyp.LONG_LONG: "<q",
    Coltyp.UNSIGNED_LONG_LONG: "<Q",
}
_FLOATS: dict[int, str] = {Coltyp.IEEE_SINGLE: "<f", Coltyp.IEEE_DOUBLE: "<d", Coltyp.DATE_TIME: "<d"}
_datetime = datetime.datetime
_utf16 = codecs.utf_16_le_encode

Convert = Callable[[Column, Any], bytes]
"""Any Python value as the bytes a column stores, checked against its size; JetError for what it does not take."""


def null_counts(column: Column) -> bool:
    """Whether NULL in a new row is something else than nothing: where there is a default that the engine does not keep up."""
    return not column.flags & _KEPT and column.default_value() is not None


def _kind(column: Column) -> int:
    if column.coltyp in _INTEGERS:
        return _INTEGER
    if column.coltyp == Coltyp.BIT:
        return _BIT
    if column.coltyp == Coltyp.DATE_TIME:
        return _DATE
    if column.coltyp in _FLOATS:
        return _FLOAT
    if column.coltyp in (Coltyp.TEXT, Coltyp.LONG_TEXT):
        return _UTF16 if column.code_page == UNICODE else _ANSI
    return _BINARY if column.coltyp in (Coltyp.BINARY, Coltyp.LONG_BINARY) else _OTHER


@cython.cclass
class _Slot:
    """One column of the rows."""

    column: Column = cython.declare(object)
    columnid: int = cython.declare(object)
    number: int = cython.declare(cython.Py_ssize_t)  # UNPACKED for a column that is left to the long way
    kind: int = cython.declare(cython.int)
    exact: int = cython.declare(cython.Py_ssize_t)  # bytes of every value, 0 where they differ
    most: int = cython.declare(cython.Py_ssize_t)
    pack: Any = cython.declare(object)

    def __init__(self, column: Column, number: int, exact: int, most: int) -> None:
        self.column = column
        self.columnid = column.columnid
        self.number = number
        self.kind = _kind(column)
        self.exact = exact
        self.most = most
        form = _INTEGERS.get(column.coltyp) or _FLOATS.get(column.coltyp)
        self.pack = struct.Struct(form).pack if form is not None else None


@cython.cfunc
def _stored(slot: _Slot, value: object, convert: Convert) -> bytes | None:
    """A value as the record has it; None where the long way has to see to it."""
    kind: cython.int = slot.kind
    data: bytes
    try:
        if kind == _BINARY and type(value) is bytes:
            data = value
        elif kind == _INTEGER and type(value) is int:
            data = slot.pack(value)
        elif kind == _UTF16 and type(value) is str:
            data = _utf16(value, "surrogatepass")[0]
        elif kind == _FLOAT and type(value) is float:
            data = slot.pack(value)
        elif kind == _BIT and (value is True or value is False):
            data = b"\xff" if value is True else b"\0"
        elif kind == _DATE and type(value) is _datetime:
            data = slot.pack(ole_date(value))
        elif kind == _ANSI and type(value) is str:
            data = value.encode("cp1252")
        else:
            data = convert(slot.column, value)
    except (JetError, struct.error, OverflowError, UnicodeEncodeError):
        return None
    size: cython.Py_ssize_t = len(data)
    if size > slot.most or (slot.exact and size != slot.exact):
        return None
    return data


@cython.cclass
class RowPacker:
    """Packs the rows of one table. For one thread at a time.

    `cells` are the values of the last row as the record has them, None where it holds nothing of the column; `slots` says where
    each column's is.
    """

    cells: list[bytes | None] = cython.declare(list, visibility="readonly")
    slots: dict[int, int] = cython.declare(dict, visibility="readonly")  # by columnid
    _by_name: dict[str, _Slot] = cython.declare(dict)
    _by_id: dict[int, _Slot] = cython.declare(dict)
    _folded: dict[str, _Slot] = cython.declare(dict)  # by the name in capitals
    _convert: Any = cython.declare(object)
    _null_as_absent: set[str] = cython.declare(set)  # columns without a default
    _blank: list[bytes | None] = cython.declare(list)
    _required: list[int] = cython.declare(list)
    _fixed: int = cython.declare(cython.Py_ssize_t)
    _variable: int = cython.declare(cython.Py_ssize_t)
    _least_fixed: int = cython.declare(cython.Py_ssize_t)
    _least_variable: int = cython.declare(cython.Py_ssize_t)
    _before: list[bytes] = cython.declare(list)
    _absent: list[bytes] = cython.declare(list)
    _defaults: list[bytes | None] = cython.declare(list)
    _tagged: list[int] = cython.declare(list)  # ids
    _tagged_flags: list[int] = cython.declare(list)
    _tagged_headers: list[bytes] = cython.declare(list)
    _tagged_offset_most: int = cython.declare(cython.Py_ssize_t)
    _reserve: int = cython.declare(cython.Py_ssize_t)
    _record_most: int = cython.declare(cython.Py_ssize_t)
    _shapes: dict[int, tuple[bytes, bytes]] = cython.declare(dict)

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        small_page: bool,
        record_most: int,
        intrinsic_most: int,
        required: Sequence[Column],
        convert: Convert,
    ) -> None:
        """`columns` in any order, none of them derived; `intrinsic_most`: the longest long value that stays in its record;
        `required`: columns that must have a value. ValueError where the slots of the fixed columns overlap."""
        fixed = {column.fid: column for column in columns if column.is_fixed}
        variable = {column.fid - VARIABLE_FIRST: column for column in columns if column.is_variable}
        tagged = sorted((column for column in columns if column.is_tagged), key=lambda column: column.fid)
        self._convert = convert
        self._record_most = record_most
        self._fixed = max(fixed, default=0)
        self._variable = max(variable, default=-1) + 1
        self._shapes = {}
        self._null_as_absent = {column.name for column in columns if not null_counts(column)}
        self.slots = {}
        self._by_name = {}
        self._by_id = {}
        self._folded = {}
        self._before = []
        self._absent = []
        self._defaults = []
        self._least_fixed = self._least_variable = 0
        end = HEADER_SIZE
        for fid in range(1, self._fixed + 1):
            column = fixed.get(fid)
            if column is None:  # deleted; what it leaves is filled before the next column
                self._before.append(b"")
                self._absent.append(b"")
                self._defaults.append(None)
                continue
            default = column.default_value()
            if column.record_offset < end or column.max_size < 1 or (default is not None and len(default) != column.max_size):
                raise ValueError(f"fixed column {fid} at offset {column.record_offset}")
            self._before.append(FILL * (column.record_offset - end))
            self._absent.append(FILL * column.max_size if default is None else default)
            self._defaults.append(default)
            if default is not None:
                self._least_fixed = fid
            end = column.record_offset + column.max_size
            self._add(column, fid - 1, column.max_size, column.max_size)
        self._reserve = 0
        for place in range(self._variable):
            column = variable.get(place)
            default = None if column is None else column.default_value()
            self._defaults.append(default)
            if default is not None:
                self._least_variable = place + 1
                self._reserve += len(default)
            if column is not None:
                self._add(column, self._fixed + place, 0, column.max_size or COLUMN_MOST)
        self._tagged = []
        self._tagged_flags = []
        self._tagged_headers = []
        self._tagged_offset_most = OFFSET_MASK_SMALL if small_page else OFFSET_MASK
        for place, column in enumerate(tagged):
            most = column.max_size or (intrinsic_most if column.is_long_value else COLUMN_MOST)
            number = self._fixed + self._variable + place
            self._add(column, number, INHERENT_SIZE.get(column.coltyp, 0), min(most, intrinsic_most))
            self._tagged.append(column.fid)
            header, flags = tagged_value(Tagged(column.fid, (Value(b""),), column.is_long_value), small_page=small_page)
            self._tagged_flags.append(flags)
            self._tagged_headers.append(header)
            self._defaults.append(None)
        self._blank = [None] * len(self._defaults)
        self.cells = list(self._blank)
        self._required = [self.slots[column.columnid] for column in required]

    @cython.cfunc
    def _add(self, column: Column, number: int, exact: int, most: int) -> cython.int:
        self.slots[column.columnid] = number
        inherent = column.coltyp in INHERENT_SIZE
        plain = not column.flags & _PECULIAR and (not inherent or not column.is_variable) and column.coltyp != Coltyp.SLV
        slot = _Slot(column, number if plain else UNPACKED, exact, most)
        self._by_name[column.name] = slot
        self._by_id[column.columnid] = slot
        self._folded[column.name.upper()] = slot
        return 0

    def pack(self, row: dict[str, Any], column: int = 0, value: bytes = b"") -> bytes | None:
        """The record of a row, which has the defaults of what it leaves out. None: the long way has to.

        `value` goes into the fixed column with id `column` (unless that is 0), whatever its kind.
        """
        cells: list[bytes | None] = self._blank[:]
        slot: _Slot | None
        for name, given in row.items():
            if given is None and name in self._null_as_absent:
                continue
            slot = self._by_name.get(name)
            if slot is None:
                slot = self._folded.get(name.upper())
                if slot is None:
                    return None
            if given is None or slot.number < 0 or cells[slot.number] is not None:
                return None
            data = _stored(slot, given, self._convert)
            if data is None:
                return None
            cells[slot.number] = data
        if column:
            cells[self.slots[column]] = value
        self.cells = cells
        return self._record(cells)

    def stored(self, columnid: int, value: object) -> bytes | None:
        """What a column stores for a value that is not NULL; None where the long way has to find it out."""
        slot: _Slot | None = self._by_id.get(columnid)
        return None if slot is None else _stored(slot, value, self._convert)

    def stored_by_name(self, name: str, value: object) -> tuple[int, bytes] | None:
        """The columnid and what it stores, as `stored`, of a column without peculiarities."""
        slot: _Slot | None = self._by_name.get(name)
        if slot is None or slot.number < 0 or value is None:
            return None
        data = _stored(slot, value, self._convert)
        return None if data is None else (slot.columnid, data)

    @cython.cfunc
    def _record(self, cells: list[bytes | None]) -> bytes | None:
        fixed: cython.Py_ssize_t = self._fixed
        last: cython.Py_ssize_t = fixed
        variable: cython.Py_ssize_t = self._variable
        i: cython.Py_ssize_t
        for number in self._required:
            if cells[number] is None:
                return None
        while last > self._least_fixed and cells[last - 1] is None:
            last -= 1
        while variable > self._least_variable and cells[fixed + variable - 1] is None:
            variable -= 1
        one: cython.ulonglong = 1
        shape: cython.ulonglong = 0
        small: cython.bint = last <= 48
        if small:
            for i in range(last):
                if cells[i] is not None:
                    shape |= one << i
            shape |= (one * variable) << 48
            shape |= (one * last) << 56
            known = self._shapes.get(shape)
        else:
            known = None
        if known is None:
            known = self._shape(cells, last, variable)
            if small:
                if len(self._shapes) >= _SHAPES_MOST:
                    self._shapes.clear()
                self._shapes[shape] = known
        header, bitmap = known
        parts: list[bytes | bytearray] = [header]
        for i in range(last):
            gap = self._before[i]
            if gap:
                parts.append(gap)
            cell = cells[i]
            parts.append(self._absent[i] if cell is None else cell)
        parts.append(bitmap)
        if variable:
            ends: bytearray = bytearray(2 * variable)
            parts.append(ends)
            end: cython.Py_ssize_t = 0
            for i in range(variable):
                cell = cells[fixed + i]
                if cell is None:
                    cell = self._defaults[fixed + i]
                if cell is None:
                    ends[2 * i] = end & 0xFF
                    ends[2 * i + 1] = (end >> 8) | 0x80
                    continue
                end += len(cell)
                if end > OFFSET_MASK:
                    return None
                ends[2 * i] = end & 0xFF
                ends[2 * i + 1] = end >> 8
                parts.append(cell)
        if self._tagged and not self._add_tagged(parts, cells):
            return None
        record: bytes = b"".join(parts)
        return record if len(record) + self._reserve <= self._record_most else None

    @cython.cfunc
    def _add_tagged(self, parts: list[bytes | bytearray], cells: list[bytes | None]) -> cython.bint:
        """The array of the tagged columns and their values; False where they need more than their offsets can say."""
        base: cython.Py_ssize_t = self._fixed + self._variable
        count: cython.Py_ssize_t = 0
        i: cython.Py_ssize_t
        for i in range(len(self._tagged)):
            if cells[base + i] is not None:
                count += 1
        if not count:
            return True
        array: bytearray = bytearray(ENTRY_SIZE * count)
        parts.append(array)
        offset: cython.Py_ssize_t = ENTRY_SIZE * count
        at: cython.Py_ssize_t = 0
        fid: cython.Py_ssize_t
        word: cython.Py_ssize_t
        for i in range(len(self._tagged)):
            cell = cells[base + i]
            if cell is None:
                continue
            if offset > self._tagged_offset_most:
                return False
            fid = self._tagged[i]
            word = offset | self._tagged_flags[i]
            array[at] = fid & 0xFF
            array[at + 1] = fid >> 8
            array[at + 2] = word & 0xFF
            array[at + 3] = word >> 8
            at += 4
            header = self._tagged_headers[i]
            if header:
                parts.append(header)
                offset += 1
            parts.append(cell)
            offset += len(cell)
        return True

    @cython.cfunc
    def _shape(self, cells: list[bytes | None], last: int, variable: int) -> tuple[bytes, bytes]:
        """Header and NULL bitmap of a record that reaches up to fixed column `last`, with so many variable ones."""
        bitmap = bytearray(b"\xff" * ((last + 7) // 8))
        end = HEADER_SIZE + len(bitmap)
        for i in range(last):
            end += len(self._before[i]) + len(self._absent[i])
            if cells[i] is not None or self._defaults[i] is not None:
                bitmap[i >> 3] ^= 1 << (i & 7)
        return struct.pack("<BBH", last, VARIABLE_FIRST - 1 + variable, end), bytes(bitmap)


__all__ = ["UNPACKED", "Convert", "RowPacker"]
