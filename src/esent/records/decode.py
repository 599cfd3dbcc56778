"""From the bytes of a record to the values of its columns.

Layout (`reference/records-and-indexes.md` 1.1, 1.3-1.6):

| part             | where                               | content                                                         |
|------------------|-------------------------------------|-----------------------------------------------------------------|
| header           | 0..3                                | u8 last fixed id, u8 last variable id, u16 end of fixed data    |
| fixed columns    | 4                                   | slots at the columns' offsets                                   |
| NULL bitmap      | end of fixed data - ceil(fixed / 8) | bit (id - 1): 1 is NULL                                         |
| variable offsets | end of fixed data                   | u16 each: bits 0-14 end of the value, bit 15 NULL               |
| variable data    | behind the offsets                  |                                                                 |
| TAGFLD array     | behind the variable data            | u16 id, u16 offset and flags; sorted; first offset = its size   |
| tagged values    | behind the array                    | [header byte] value                                             |

TAGFLD offset word: small pages 13 bits of offset, 0x2000 NULL, 0x4000 a header byte is there, 0x8000 derived; large pages 15
bits of offset, 0x8000 derived, the header byte is always there. Header byte: 1 long value, 2 compressed, 4 separated, 8 several
values, 0x10 exactly two in the short form, 0x20 NULL, 0x40 encrypted.
Several values: u16 offset each (from the array's start; bit 15: separated), then data. The short form of two: u8 size of the
first, then both.

A `RecordPlan` is made once for a table. `split` finds where each column's value is and leaves it in `cells`, three numbers a
column (form, start, end) in the order of the plan's columns; what formats or converts values reads them there. A column that a
record does not reach has its default; that is decided by the blank row that `split` starts from.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from collections.abc import Callable, Sequence
from typing import Any

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.records.columns import FIXED_LAST, TAGGED_FIRST, VARIABLE_FIRST, Column
from esent.records.compression import decompress
from esent.records.layout import TAG_COMPRESSED, TAG_ENCRYPTED, TAG_MULTIPLE, TAG_NULL, TAG_SEPARATED, TAG_TWO

FORM_NULL = 0
FORM_PLAIN = 1  # the bytes [start, end) of the record
FORM_DEFAULT = 2  # the default, as if stored: fixed and variable columns beyond the record's last
FORM_TAGGED_DEFAULT = 3  # the default of a tagged column, not stored
FORM_HEADER = 4  # a tagged value whose header byte, at start, says more
FORM_BROKEN = 5  # the place of the value is not inside the record

# The same as C integers, for the loops below.
_NULL = cython.declare(cython.int, FORM_NULL)
_PLAIN = cython.declare(cython.int, FORM_PLAIN)
_HEADER = cython.declare(cython.int, FORM_HEADER)
_BROKEN = cython.declare(cython.int, FORM_BROKEN)
_TAG_NULL = cython.declare(cython.int, TAG_NULL)
_TAG_SAYS_MORE = cython.declare(cython.int, TAG_COMPRESSED | TAG_SEPARATED | TAG_MULTIPLE | TAG_TWO | TAG_ENCRYPTED)
_FIXED_LAST = cython.declare(cython.int, FIXED_LAST)
_VARIABLE_FIRST = cython.declare(cython.int, VARIABLE_FIRST)
_TAGGED_FIRST = cython.declare(cython.int, TAGGED_FIRST)


class Separated:
    """Stands for a long value in the tree of long values; `lid` is its id as the record has it (4 or 8 bytes)."""

    __slots__ = ("lid",)

    def __init__(self, lid: bytes) -> None:
        self.lid = lid

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Separated) and other.lid == self.lid

    def __hash__(self) -> int:
        return hash(self.lid)

    def __repr__(self) -> str:
        return f"Separated({self.lid.hex()})"


Value = bytes | Separated | JetError
"""One value of a column as a record has it; an error object stands for a value that cannot be read."""


def tagged_values(data: bytes, start: int, end: int) -> list[Value]:
    """The values of a tagged column from its header byte at `start` of the record, in the order of itagSequence."""
    header = data[start]
    place = start + 1
    if header & TAG_NULL:
        return []
    if header & TAG_TWO:
        if place >= end or place + 1 + data[place] > end:
            return [_broken("the first of two values ends behind its column", start)]
        middle = place + 1 + data[place]
        return [data[place + 1 : middle], data[middle:end]]
    if not header & TAG_MULTIPLE:
        if header & TAG_SEPARATED:
            return [_separated(data[place:end], start)]
        return [_intrinsic(data[place:end], header, start)]
    if end - place < 2:
        return [_broken("no room for the offsets of several values", start)]
    size = (data[place] | data[place + 1] << 8) & 0x7FFF
    if size < 2 or size % 2 or place + size > end:
        return [_broken(f"the offsets of several values take {size} bytes", start)]
    words = [data[i] | data[i + 1] << 8 for i in range(place, place + size, 2)]
    bounds = [word & 0x7FFF for word in words] + [end - place]
    values: list[Value] = []
    for number, word in enumerate(words):
        low, high = bounds[number], bounds[number + 1]
        if low > high or place + high > end:
            values.append(_broken(f"value {number + 1} of several has no place", start))
        elif word & 0x8000:
            values.append(_separated(data[place + low : place + high], start))
        else:
            values.append(_intrinsic(data[place + low : place + high], header if number == 0 else 0, start))
    return values


def _separated(lid: bytes, offset: int) -> Value:
    if len(lid) not in (4, 8):
        return _broken(f"a long-value id of {len(lid)} bytes", offset)
    return Separated(lid)


def _intrinsic(value: bytes, header: int, offset: int) -> Value:
    if header & TAG_ENCRYPTED:
        return jet_error(codes.JET_errColumnNoEncryptionKey, "reading an encrypted value", offset=offset)
    if header & TAG_COMPRESSED:
        try:
            return decompress(value)
        except JetError as problem:
            return problem
    return value


def _broken(what: str, offset: int) -> JetError:
    return jet_error(codes.JET_errDatabaseCorrupted, f"decoding a record: {what}", offset=offset)


@cython.cclass
class RecordPlan:
    """How the records of one table are taken apart. `columns` decides the order of the cells.

    `large_pages`: pages above 8 KB, where tagged values always have a header byte.
    `derived`: the table is derived from a template, whose tagged columns are numbered apart and marked with a bit.
    As the cells belong to the plan, it is for one thread at a time.
    """

    columns: list[Column] = cython.declare(list, visibility="readonly")
    defaults: list[bytes | None] = cython.declare(list, visibility="readonly")
    cells: Any = cython.declare(object, visibility="readonly")
    many: Any = cython.declare(object, visibility="readonly")
    problem: JetError | None = cython.declare(object, visibility="readonly")
    large_pages: bool = cython.declare(cython.bint, visibility="readonly")
    count: int = cython.declare(cython.Py_ssize_t, visibility="readonly")
    _fixed: list  # type: ignore[type-arg]
    _fixed_start: list  # type: ignore[type-arg]
    _fixed_end: list  # type: ignore[type-arg]
    _variable: list  # type: ignore[type-arg]
    _tagged: list  # type: ignore[type-arg]
    _template: list  # type: ignore[type-arg]
    _multiple: list  # type: ignore[type-arg]
    _blank: Any

    def __init__(self, columns: Sequence[Column], *, large_pages: bool, derived: bool = False) -> None:
        self.columns = list(columns)
        self.defaults = [column.default_value() for column in columns]
        self.many = None
        self.problem = None
        self.large_pages = large_pages
        self.count = len(self.columns)
        self._multiple = [column.is_multivalued for column in columns]
        self._fixed = [-1]
        self._fixed_start = [0]
        self._fixed_end = [0]
        self._variable = []
        self._tagged = []
        self._template = []
        blank = [FORM_NULL] * (3 * self.count)
        for index, column in enumerate(self.columns):
            if column.is_fixed:
                _put(self._fixed, column.fid, index)
                _put(self._fixed_start, column.fid, column.record_offset)
                _put(self._fixed_end, column.fid, column.record_offset + column.max_size)
            elif column.is_variable:
                _put(self._variable, column.fid - VARIABLE_FIRST, index)
            elif derived and column.derived_bit:
                _put(self._template, column.fid - TAGGED_FIRST, index)
            else:
                _put(self._tagged, column.fid - TAGGED_FIRST, index)
            if self.defaults[index] is not None:
                blank[3 * index] = FORM_TAGGED_DEFAULT if column.is_tagged else FORM_DEFAULT
        if not derived:
            # Records of the template table itself and of tables without one: the bit, where it is set, changes nothing.
            self._template = self._tagged
        if cython.compiled:
            image = bytearray(8 * len(blank) or 8)
            for place, form in enumerate(blank):
                image[8 * place] = form
            self._blank = bytes(image)
            self.cells = image
        else:
            self._blank = blank
            self.cells = blank

    @cython.boundscheck(False)
    @cython.wraparound(False)
    def split(self, data: bytes) -> None:
        """Find the columns of the record `data` and leave their places in `cells`.

        In the compiled form `cells` is a bytearray of u64, otherwise a list of int.
        Raises JET_errDatabaseCorrupted where the record is not a record.
        """
        if cython.compiled:
            image: bytearray = self.cells
            self._split(data, 0, len(data), cython.cast(cython.p_ulonglong, cython.cast(cython.p_char, image)), 0)
        else:
            self.cells = [0] * (3 * self.count)
            self._split(data, 0, len(data), self.cells, 0)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    def split_many(self, data: bytes, bounds: bytearray, first: cython.Py_ssize_t, most: cython.Py_ssize_t) -> int:
        """Find the columns of up to `most` records of a page image and leave their places in `many`, as in `cells`, one record
        behind the other; places count from the beginning of `data`.

        `bounds` says where the records are (`Page.data_bounds`), `first` with which to begin. Gives how many were done: fewer
        than `most` where they end, or where the next is not a record, whose error is then in `problem`, else None.
        """
        row: cython.Py_ssize_t = 0
        width: cython.Py_ssize_t = 3 * self.count
        most = min(most, len(bounds) // 8 - first)
        self.problem = None
        if cython.compiled:
            places: cython.p_uint = cython.cast(cython.p_uint, cython.cast(cython.p_char, bounds))
            places += 2 * first
            if self.many is None or len(self.many) < 8 * width * most:
                self.many = bytearray(8 * width * most)
            image: bytearray = self.many
            cells: cython.p_ulonglong = cython.cast(cython.p_ulonglong, cython.cast(cython.p_char, image))
        else:
            places = memoryview(bounds).cast("I")[2 * first :]  # type: ignore[assignment]
            self.many = [0] * (width * most)
            cells = self.many
        while row < most:
            try:
                self._split(data, places[2 * row], places[2 * row + 1], cells, row * width)
            except JetError as problem:
                self.problem = problem
                break
            row += 1
        return row

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _split(
        self,
        data: bytes,
        start: cython.Py_ssize_t,
        end: cython.Py_ssize_t,
        cells: cython.p_ulonglong,
        base: cython.Py_ssize_t,
    ) -> cython.int:
        """The record at `data[start:end]`, which the caller knows to be inside, to the cells from `base` on."""
        i: cython.Py_ssize_t
        known: cython.Py_ssize_t
        index: cython.Py_ssize_t
        place: cython.Py_ssize_t
        stop: cython.Py_ssize_t
        word: cython.Py_ssize_t
        low: cython.Py_ssize_t
        high: cython.Py_ssize_t
        fid: cython.Py_ssize_t
        mask: cython.Py_ssize_t
        fixed_count: cython.Py_ssize_t
        variable_count: cython.Py_ssize_t
        bitmap: cython.Py_ssize_t
        offsets: cython.Py_ssize_t
        tagged: cython.Py_ssize_t
        size: cython.Py_ssize_t
        entry: cython.Py_ssize_t
        fixed: list[int] = self._fixed
        fixed_start: list[int] = self._fixed_start
        fixed_end: list[int] = self._fixed_end
        variable: list[int] = self._variable
        own: list[int] = self._tagged
        template: list[int] = self._template
        lookup: list[int]
        if end - start < 4:
            raise _broken("a record is shorter than its header", 0)
        if cython.compiled:
            record: cython.p_uchar = cython.cast(cython.p_uchar, data)
            cells += base
            blank: bytes = self._blank
            source: cython.p_ulonglong = cython.cast(cython.p_ulonglong, cython.cast(cython.p_char, blank))
            for i in range(3 * self.count):
                cells[i] = source[i]
            base = 0
        else:
            record = data  # type: ignore[assignment]
            cells[base : base + 3 * self.count] = self._blank  # type: ignore[index]

        fixed_count = record[start]
        variable_count = record[start + 1] - (_VARIABLE_FIRST - 1)
        offsets = start + (record[start + 2] | record[start + 3] << 8)
        bitmap = offsets - (fixed_count + 7) // 8
        place = offsets + 2 * variable_count  # where variable data begins
        if fixed_count > _FIXED_LAST or variable_count < 0 or bitmap < start + 4 or place > end:
            raise _broken("the parts of a record do not fit into it", 0)

        known = min(fixed_count, len(fixed) - 1)
        for fid in range(1, known + 1):
            index = fixed[fid]
            if index < 0:
                continue
            if record[bitmap + (fid - 1) // 8] >> ((fid - 1) % 8) & 1:
                cells[base + 3 * index] = _NULL
                continue
            low = fixed_start[fid]
            low += start
            high = fixed_end[fid]
            high += start
            cells[base + 3 * index] = _PLAIN if low >= start + 4 and high <= bitmap else _BROKEN
            cells[base + 3 * index + 1] = low
            cells[base + 3 * index + 2] = high

        known = len(variable)
        low = 0
        for i in range(variable_count):
            word = record[offsets + 2 * i] | record[offsets + 2 * i + 1] << 8
            high = word & 0x7FFF
            if high < low or place + high > end:
                raise _broken(f"variable column {_VARIABLE_FIRST + i} has no place in the record", 0)
            index = variable[i] if i < known else -1
            if index >= 0:
                cells[base + 3 * index] = _NULL if word & 0x8000 else _PLAIN
                cells[base + 3 * index + 1] = place + low
                cells[base + 3 * index + 2] = place + high
            low = high
        tagged = place + low

        if tagged == end:
            return 0
        mask = 0x7FFF if self.large_pages else 0x1FFF
        size = (record[tagged + 2] | record[tagged + 3] << 8) & mask if end - tagged >= 4 else 0
        if size == 0 or size % 4 or tagged + size > end:
            raise _broken("the array of tagged columns does not fit into the record", 0)
        high = size
        stop = tagged + size
        place = tagged
        word = record[place + 2] | record[place + 3] << 8
        while place < stop:
            fid = (record[place] | record[place + 1] << 8) - _TAGGED_FIRST
            low = high
            entry = word  # the flags of this entry; `word` goes on to the next one, where this value ends
            place += 4
            if place < stop:
                word = record[place + 2] | record[place + 3] << 8
                high = word & mask
            else:
                high = end - tagged
            if high < low or tagged + high > end:
                raise _broken(f"tagged column {_TAGGED_FIRST + fid} has no place in the record", 0)
            lookup = template if entry & 0x8000 else own
            index = lookup[fid] if 0 <= fid < len(lookup) else -1
            if index < 0:
                continue
            if self.large_pages:
                if low == high or record[tagged + low] & _TAG_NULL:
                    cells[base + 3 * index] = _NULL if low < high else _BROKEN
                    continue
            elif entry & 0x2000:
                cells[base + 3 * index] = _NULL
                continue
            elif not entry & 0x4000:
                cells[base + 3 * index] = _PLAIN
                cells[base + 3 * index + 1] = tagged + low
                cells[base + 3 * index + 2] = tagged + high
                continue
            elif low == high:
                cells[base + 3 * index] = _BROKEN
                continue
            # A header without compression, separation, several values or encryption says nothing that matters here.
            if record[tagged + low] & _TAG_SAYS_MORE:
                cells[base + 3 * index] = _HEADER
                cells[base + 3 * index + 1] = tagged + low
            else:
                cells[base + 3 * index] = _PLAIN
                cells[base + 3 * index + 1] = tagged + low + 1
            cells[base + 3 * index + 2] = tagged + high
        return 0

    def values(self, record: bytes) -> list[Any]:
        """The record's values in the order of the columns: bytes, `Separated`, an error object, None for NULL, a list where
        the record has several (or the column is multi-valued)."""
        self.split(record)
        return self._collect(record)

    def rows(self, records: Sequence[bytes]) -> list[list[Any] | JetError]:
        """`values` of many records; one that is not a record gives its error."""
        found: list[list[Any] | JetError] = []
        record: bytes
        for record in records:
            try:
                self.split(record)
            except JetError as problem:
                found.append(problem)
                continue
            found.append(self._collect(record))
        return found

    def converted(self, records: Sequence[bytes], converters: Sequence[Callable[[bytes], Any]]) -> list[list[Any] | JetError]:
        """As `rows`, with each stored value passed through the converter of its column; `Separated` and errors stay."""
        found = self.rows(records)
        for row in found:
            if isinstance(row, JetError):
                continue
            for index, value in enumerate(row):
                if isinstance(value, bytes):
                    row[index] = converters[index](value)
                elif isinstance(value, list):
                    row[index] = [converters[index](part) if isinstance(part, bytes) else part for part in value]
        return found

    @cython.cfunc
    def _collect(self, data: bytes) -> list:  # type: ignore[type-arg]
        cells: cython.p_ulonglong
        index: cython.Py_ssize_t
        form: cython.int
        low: cython.Py_ssize_t
        high: cython.Py_ssize_t
        if cython.compiled:
            image: bytearray = self.cells
            cells = cython.cast(cython.p_ulonglong, cython.cast(cython.p_char, image))
        else:
            cells = self.cells
        row: list[Any] = [None] * self.count
        multiple: list[bool] = self._multiple
        for index in range(self.count):
            form = cells[3 * index]
            if form == _NULL:
                continue
            value: Any
            if form == _PLAIN:
                low = cells[3 * index + 1]
                high = cells[3 * index + 2]
                value = data[low:high]
            elif form == _HEADER:
                low = cells[3 * index + 1]
                high = cells[3 * index + 2]
                several = tagged_values(data, low, high)
                row[index] = several if len(several) > 1 or multiple[index] else several[0] if several else None
                continue
            elif form == _BROKEN:
                value = _broken(f"column {self.columns[index].name} has no place in the record", 0)
            else:
                value = self.defaults[index]
            row[index] = [value] if multiple[index] else value
        return row


def _put(table: list[int], place: int, value: int) -> None:
    """Set `table[place]`, lengthening the table with -1."""
    if place >= len(table):
        table.extend([-1] * (place + 1 - len(table)))
    table[place] = value
