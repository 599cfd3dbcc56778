"""Records to tuples of Python values, many at once.

`TupleReader` turns what `RecordPlan.split` finds into the values of `values.converter`, or with `rich` of
`values.rich_converter`; the types that most values have are converted here, in C where this module is compiled.

| value                                   | in the tuple                                                     |
|-----------------------------------------|------------------------------------------------------------------|
| NULL                                    | None; of a multi-valued column with `rich` the empty list        |
| of a multi-valued column, several       | a list                                                           |
| in the tree of long values              | what `resolve` makes of it, else `decode.Separated`              |
| that cannot be read                     | the error as an object                                           |
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

import struct
from collections.abc import Callable, Sequence
from typing import Any

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.records.columns import INHERENT_SIZE, TEXT_TYPES, UNICODE, Coltyp, Column
from esent.records.decode import (
    FORM_BROKEN,
    FORM_HEADER,
    FORM_NULL,
    FORM_PLAIN,
    RecordPlan,
    Separated,
    tagged_values,
)
from esent.records.layout import SMALL_PAGE_MAX
from esent.records.values import converter, rich_converter, western_text

_NULL = cython.declare(cython.int, FORM_NULL)
_PLAIN = cython.declare(cython.int, FORM_PLAIN)
_HEADER = cython.declare(cython.int, FORM_HEADER)
_BROKEN = cython.declare(cython.int, FORM_BROKEN)

# how the bytes of a column become a value; `_OTHER` by a call of its converter
_OTHER = cython.declare(cython.int, 0)
_BYTES = cython.declare(cython.int, 1)
_BIT = cython.declare(cython.int, 2)
_SIGNED = cython.declare(cython.int, 3)
_UNSIGNED = cython.declare(cython.int, 4)
_DOUBLE = cython.declare(cython.int, 5)
_UTF16 = cython.declare(cython.int, 6)
_WESTERN = cython.declare(cython.int, 7)

_KINDS = {
    Coltyp.BIT: 2,
    Coltyp.SHORT: 3,
    Coltyp.LONG: 3,
    Coltyp.LONG_LONG: 3,
    Coltyp.CURRENCY: 3,
    Coltyp.UNSIGNED_BYTE: 4,
    Coltyp.UNSIGNED_SHORT: 4,
    Coltyp.UNSIGNED_LONG: 4,
    Coltyp.UNSIGNED_LONG_LONG: 4,
    Coltyp.IEEE_DOUBLE: 5,
    Coltyp.DATE_TIME: 5,
}
_unpack_double = struct.Struct("<d").unpack

Resolve = Callable[[int, Separated], Any]
"""A value in the tree of long values: (place of its column, where it is) -> what stands in the tuple."""


def _kind(column: Column, rich: bool) -> int:
    if column.coltyp in TEXT_TYPES:
        return 6 if column.code_page == UNICODE else 7
    if column.coltyp not in INHERENT_SIZE:
        return 1
    if rich and column.coltyp in (Coltyp.CURRENCY, Coltyp.DATE_TIME):
        return 0
    return _KINDS.get(Coltyp(column.coltyp), 0)


@cython.cclass
class TupleReader:
    """Reads records of one table. For one thread at a time. `columns` decides the order of the values."""

    columns: list[Column] = cython.declare(list, visibility="readonly")
    refused: int = cython.declare(cython.Py_ssize_t, visibility="readonly")
    _plan: RecordPlan = cython.declare(object)
    _count: int = cython.declare(cython.Py_ssize_t)
    _kinds: bytes = cython.declare(bytes)
    _sizes: bytes = cython.declare(bytes)
    _converters: list[Callable[[bytes], Any]] = cython.declare(list)
    _defaults: list[Any] = cython.declare(list)
    _blank: list[Any] = cython.declare(list)
    _multiple: bytes = cython.declare(bytes)
    _resolve: Resolve | None = cython.declare(object)

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        page_size: int,
        derived: bool = False,
        rich: bool = False,
        resolve: Resolve | None = None,
    ) -> None:
        """`derived`: the table is derived from a template."""
        self.columns = list(columns)
        self._count = len(self.columns)
        self._plan = RecordPlan(self.columns, large_pages=page_size > SMALL_PAGE_MAX, derived=derived)
        # there may be very many columns of few types
        types: dict[tuple[int, int], tuple[int, int, Callable[[bytes], Any]]] = {}
        kinds, sizes, converters = bytearray(), bytearray(), []
        for column in self.columns:
            known = types.get((column.coltyp, column.code_page))
            if known is None:
                convert = rich_converter(column) if rich else converter(column)
                known = _kind(column, rich), INHERENT_SIZE.get(Coltyp(column.coltyp), 0), convert
                types[column.coltyp, column.code_page] = known
            kinds.append(known[0])
            sizes.append(known[1])
            converters.append(known[2])
        self._kinds = bytes(kinds)
        self._sizes = bytes(sizes)
        self._converters = converters
        # 2: NULL is the empty list, made for each tuple anew as whoever gets it may change it
        self._multiple = bytes([(2 if rich else 1) * column.is_multivalued for column in self.columns])
        self._defaults = [
            None if value is None else convert(value)
            for value, convert in zip(self._plan.defaults, self._converters, strict=True)
        ]
        self._blank = [None] * self._count
        self._resolve = resolve
        self.refused = 0

    def read(self, record: bytes) -> tuple[Any, ...]:
        """The values of a record. JET_errDatabaseCorrupted for what is none."""
        self._plan.split(record)
        return tuple(self._collect(record))

    def read_all(self, records: list[bytes]) -> list[tuple[Any, ...] | JetError]:
        """`read` of many records; one that is not a record gives its error. `refused` counts those."""
        self.refused = 0
        split = self._plan.split
        found: list[tuple[Any, ...] | JetError] = []
        record: bytes
        for record in records:
            try:
                split(record)
            except JetError as problem:
                found.append(problem)
                self.refused += 1
            else:
                found.append(tuple(self._collect(record)))
        return found

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _collect(self, record: bytes) -> list:  # type: ignore[type-arg]
        cells: cython.p_ulonglong
        index: cython.Py_ssize_t
        form: cython.int
        row: list[Any] = self._blank.copy()
        multiple: bytes = self._multiple
        value: Any
        if cython.compiled:
            image: bytearray = self._plan.cells
            cells = cython.cast(cython.p_ulonglong, cython.cast(cython.p_char, image))
        else:
            cells = self._plan.cells
        for index in range(self._count):
            form = cells[3 * index]
            if form == _NULL:
                if multiple[index] == 2:
                    row[index] = []
                continue
            if form == _PLAIN:
                value = self._convert(index, record, cells[3 * index + 1], cells[3 * index + 2])
            elif form == _HEADER:
                row[index] = self._several(index, tagged_values(record, cells[3 * index + 1], cells[3 * index + 2]))
                continue
            elif form == _BROKEN:
                what = f"decoding a record: column {self.columns[index].name} has no place in it"
                value = jet_error(codes.JET_errDatabaseCorrupted, what)
            else:
                value = self._defaults[index]
            row[index] = [value] if multiple[index] else value
        return row

    def _several(self, index: int, values: list[Any]) -> Any:
        """What a tagged value whose header says more becomes."""
        convert = self._converters[index]
        found = []
        for value in values:
            if isinstance(value, bytes):
                found.append(convert(value))
            elif isinstance(value, Separated) and self._resolve is not None:
                found.append(self._resolve(index, value))
            else:
                found.append(value)
        if self._multiple[index] or len(found) > 1:
            return found if found or self._multiple[index] == 2 else None
        return found[0] if found else None

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _convert(self, index: cython.Py_ssize_t, record: bytes, low: cython.Py_ssize_t, high: cython.Py_ssize_t) -> Any:
        """The value of the bytes from `low` to `high`, which are inside of the record."""
        kind: cython.int = self._kinds[index]
        size: cython.Py_ssize_t = high - low
        expected: cython.Py_ssize_t = self._sizes[index]
        if not cython.compiled:
            part = record[low:high]
            return _in_python(kind, expected, part) if kind else self._converters[index](part)
        source: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, record)) + low
        text: cython.p_char = cython.cast(cython.p_char, record) + low
        i: cython.Py_ssize_t
        word: cython.ulonglong = 0
        if kind == _UTF16:
            return text[: size & ~1].decode("utf-16-le", "surrogatepass")  # type: ignore[attr-defined,index]
        if kind == _WESTERN:
            for i in range(size):
                if source[i] >= 0x80:
                    return self._converters[index](record[low:high])
            return text[:size].decode("ascii")  # type: ignore[attr-defined,index]
        if kind == _BYTES:
            return text[:size]  # type: ignore[index]
        if kind == _OTHER:
            return self._converters[index](record[low:high])
        if size != expected:  # the engine does not check what a record holds
            return record[low:high]
        for i in range(size):
            word |= cython.cast(cython.ulonglong, source[i]) << (8 * i)
        if kind == _SIGNED:
            if size == 4:
                return cython.cast(cython.int, word)
            if size == 2:
                return cython.cast(cython.short, word)
            return cython.cast(cython.longlong, word)
        if kind == _BIT:
            return word != 0
        if kind == _UNSIGNED:
            return word
        return _unpack_double(record[low:high])[0]


def _in_python(kind: int, expected: int, part: bytes) -> Any:
    """`TupleReader._convert` where it is not compiled."""
    if kind == _UTF16:
        return part[: len(part) & ~1].decode("utf-16-le", "surrogatepass")
    if kind == _WESTERN:
        return western_text(part)
    if kind == _BYTES or len(part) != expected:
        return part
    if kind == _BIT:
        return any(part)
    if kind == _DOUBLE:
        return _unpack_double(part)[0]
    return int.from_bytes(part, "little", signed=kind == _SIGNED)
