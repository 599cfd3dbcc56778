"""Records to columns: what many records have in one column, side by side, in the memory layout of Apache Arrow.

| kind     | columns                      | values                                                                       |
|----------|------------------------------|------------------------------------------------------------------------------|
| BIT      | Bit                          | a bit each, the lowest of a byte first                                       |
| NUMBER   | integers, IEEE               | as stored, little-endian                                                     |
| CURRENCY | Currency                     | the same number in 16 bytes, which is what a decimal of four places takes    |
| DATE     | DateTime                     | i64 microseconds since 1970-01-01                                            |
| GUID     | GUID                         | 16 bytes in the order in which a GUID is written                             |
| BYTES    | Binary, LongBinary           | u32 offsets and bytes                                                        |
| UNICODE  | Text, LongText of 1200       | u32 offsets and UTF-8                                                        |
| WESTERN  | Text, LongText of 1252       | the same                                                                     |
| LIST     | multi-valued columns         | u32 offsets into the values, which are one of the kinds above                |

Validity is a bit a value, lowest first, 0 for NULL; a column that has no value at all in a batch has no memory either.

**Odd values** are those that the kind cannot hold: stored bytes of another size than the type has, text that is none in its
code page (a lone surrogate, half a character), a date outside of the years 1 to 9999, a value that could not be read, further
values where only one is expected. They are NULL (text: what can be read of it, with U+FFFD for the rest), and the batch lists
them with their stored bytes.

A DateTime is a number of days since 1899-12-30. Some programs store a FILETIME (100 ns since 1601) in its place; as a number of
days it would be closer to day zero than any clock tells, which is how it is recognised. Its last digit is cut off.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

import datetime
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.records.columns import INHERENT_SIZE, TEXT_TYPES, UNICODE, Coltyp, Column
from esent.records.decode import FORM_BROKEN, FORM_HEADER, FORM_NULL, FORM_PLAIN, RecordPlan, Separated, tagged_values
from esent.records.values import moment, western_text

KIND_BIT = 0
KIND_NUMBER = 1
KIND_CURRENCY = 2
KIND_DATE = 3
KIND_GUID = 4
KIND_BYTES = 5
KIND_UNICODE = 6
KIND_WESTERN = 7
KIND_LIST = 8

MICROSECONDS_A_DAY = 86_400_000_000
DAY_ZERO = -25_569 * MICROSECONDS_A_DAY  # 1899-12-30
FIRST_DATE = -62_135_596_800_000_000  # 0001-01-01
LAST_DATE = 253_402_300_799_999_999  # the end of 9999-12-31
FILETIME_ZERO = -11_644_473_600_000_000  # 1601-01-01

_MICROSECONDS_A_DAY = cython.declare(cython.longlong, MICROSECONDS_A_DAY)
_DAY_ZERO = cython.declare(cython.longlong, DAY_ZERO)
_FIRST_DATE = cython.declare(cython.longlong, FIRST_DATE)
_LAST_DATE = cython.declare(cython.longlong, LAST_DATE)
_FILETIME_ZERO = cython.declare(cython.longlong, FILETIME_ZERO)
_LAST_FILETIME = cython.declare(cython.ulonglong, LAST_DATE - FILETIME_ZERO)
_NULL = cython.declare(cython.int, FORM_NULL)
_PLAIN = cython.declare(cython.int, FORM_PLAIN)
_HEADER = cython.declare(cython.int, FORM_HEADER)
_BROKEN = cython.declare(cython.int, FORM_BROKEN)
_BIT = cython.declare(cython.int, KIND_BIT)
_NUMBER = cython.declare(cython.int, KIND_NUMBER)
_CURRENCY = cython.declare(cython.int, KIND_CURRENCY)
_DATE = cython.declare(cython.int, KIND_DATE)
_BYTES = cython.declare(cython.int, KIND_BYTES)
_UNICODE = cython.declare(cython.int, KIND_UNICODE)
_CELLS_AT_ONCE = 4096
_FIRST_ROOM = cython.declare(cython.Py_ssize_t, 64)

# Characters of code page 1252 by byte, u16 each.
_CODE_POINTS = cython.declare(bytes, struct.pack("<256H", *[ord(western_text(bytes((code,)))) for code in range(256)]))
_EPOCH = datetime.datetime(1970, 1, 1)
_MICROSECOND = datetime.timedelta(microseconds=1)
_GUID_ORDER = (3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15)


class Buffers(NamedTuple):
    """One column of a batch. `validity` None: as many values as rows; `data` and `offsets` None too: none at all."""

    kind: int
    nulls: int
    validity: bytearray | None
    offsets: bytearray | None
    data: bytearray | None
    values: Buffers | None = None  # those of the lists of a multi-valued column
    length: int = 0


class OddValue(NamedTuple):
    """A value that its column cannot hold: `number` is its itagSequence; `code` 0 and the stored bytes, or the error of one
    that cannot be read."""

    row: int
    column: int
    number: int
    code: int
    stored: bytes | None


class ColumnBatch(NamedTuple):
    """`rows` rows, column by column."""

    rows: int
    columns: list[Buffers]
    odd: list[OddValue]


def kind_of(column: Column) -> tuple[int, int]:
    """The kind of a column's single values, and the bytes each takes (0: various)."""
    coltyp = column.coltyp
    if coltyp in TEXT_TYPES:
        return (KIND_UNICODE if column.code_page == UNICODE else KIND_WESTERN), 0
    if coltyp == Coltyp.BIT:
        return KIND_BIT, 0
    if coltyp == Coltyp.CURRENCY:
        return KIND_CURRENCY, 16
    if coltyp == Coltyp.DATE_TIME:
        return KIND_DATE, 8
    if coltyp == Coltyp.GUID:
        return KIND_GUID, 16
    if coltyp in INHERENT_SIZE:
        return KIND_NUMBER, INHERENT_SIZE[coltyp]
    return KIND_BYTES, 0


def date_microseconds(data: bytes) -> int | None:
    """The eight stored bytes of a DateTime as microseconds since 1970-01-01, None where they are no date."""
    found = moment(struct.unpack("<d", data)[0])
    return (found - _EPOCH) // _MICROSECOND if isinstance(found, datetime.datetime) else None


@cython.cclass
class _Growing:
    """The values of one column so far. NULLs take no step: what was skipped is filled in by the next value, or at the end."""

    kind: cython.int
    width: cython.Py_ssize_t
    count: cython.Py_ssize_t
    valid: cython.Py_ssize_t
    room: cython.Py_ssize_t
    used: cython.Py_ssize_t
    memory: cython.Py_ssize_t
    counted: cython.Py_ssize_t
    validity: bytearray
    offsets: bytearray
    data: bytearray

    def __init__(self, kind: int, width: int) -> None:
        self.kind = kind
        self.width = width
        self._empty()

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    def _empty(self) -> cython.int:
        self.count = self.valid = self.room = self.used = self.memory = self.counted = 0
        self.validity = bytearray()
        self.offsets = bytearray()
        self.data = bytearray()
        return 0

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    def _grow(self, count: cython.Py_ssize_t) -> cython.int:
        """Make room for `count` values, twice as much each time."""
        room: cython.Py_ssize_t = max(count, 2 * self.room, _FIRST_ROOM)
        room = (room + 7) // 8 * 8
        self.validity.extend(bytes(room // 8 - len(self.validity)))
        if self.kind >= _BYTES:
            self.offsets.extend(bytes(4 * (room + 1) - len(self.offsets)))
        elif self.kind == _BIT:
            self.data.extend(bytes(room // 8 - len(self.data)))
        else:
            self.data.extend(bytes(room * self.width - len(self.data)))
        self.room = room
        self.memory = len(self.validity) + len(self.offsets) + len(self.data)
        return 0

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def reach(self, row: cython.Py_ssize_t) -> cython.int:
        """Go on to the value `row`, those skipped being NULL."""
        if row >= self.room:
            self._grow(row + 1)
        if self.kind >= _BYTES:
            if cython.compiled:
                offsets: cython.p_uint = cython.cast(cython.p_uint, cython.cast(cython.p_char, self.offsets))
            else:
                offsets = memoryview(self.offsets).cast("I")  # type: ignore[assignment]
            while self.count <= row:
                offsets[self.count] = self.used
                self.count += 1
        else:
            self.count = row + 1
        return 0

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def mark(self, row: cython.Py_ssize_t) -> cython.int:
        """The value `row`, which was reached, is not NULL."""
        if cython.compiled:
            bits: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, self.validity))
            bits[row >> 3] |= 1 << (row & 7)
        else:
            self.validity[row >> 3] |= 1 << (row & 7)
        self.valid += 1
        return 0

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    def _bytes_room(self, count: cython.Py_ssize_t) -> cython.int:
        if self.used + count > len(self.data):
            self.data.extend(bytes(max(count, len(self.data), 1024)))
            self.memory = len(self.validity) + len(self.offsets) + len(self.data)
        return 0

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def put(self, row: cython.Py_ssize_t, data: bytes, low: cython.Py_ssize_t, high: cython.Py_ssize_t) -> cython.int:
        """The value `row` is `data[low:high]`, which the caller knows to be inside. 1 where it is odd."""
        size: cython.Py_ssize_t = high - low
        kind: cython.int = self.kind
        self.reach(row)
        if kind >= _BYTES:
            self.mark(row)
            if kind == _BYTES:
                self._put_bytes(data, low, size)
                return 0
            if kind == _UNICODE:
                return self._put_unicode(data, low, size)
            self._put_western(data, low, size)
            return 0
        if kind == _NUMBER:
            if size != self.width:
                return 1
            self._put_number(row, data, low)
        elif kind == _BIT:
            if size != 1:
                return 1
            if data[low]:
                if cython.compiled:
                    bits: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, self.data))
                    bits[row >> 3] |= 1 << (row & 7)
                else:
                    self.data[row >> 3] |= 1 << (row & 7)
        elif size != (8 if kind in (_CURRENCY, _DATE) else 16):
            return 1
        elif kind == _DATE:
            if self._put_date(row, data, low):
                return 1
        elif kind == _CURRENCY:
            self._put_currency(row, data, low)
        else:
            self._put_guid(row, data, low)
        self.mark(row)
        return 0

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def put_numbers(
        self,
        row: cython.Py_ssize_t,
        data: bytes,
        cells: cython.p_ulonglong,
        place: cython.Py_ssize_t,
        step: cython.Py_ssize_t,
        count: cython.Py_ssize_t,
    ) -> cython.Py_ssize_t:
        """The numbers of up to `count` records, whose cells begin at `place` and lie `step` apart.

        How many were done: up to the first that is no number of its type, as it stands in the record.
        """
        done: cython.Py_ssize_t = 0
        low: cython.Py_ssize_t
        high: cython.Py_ssize_t
        form: cython.int
        while done < count:
            form = cells[place]
            if form == _PLAIN:
                low = cells[place + 1]
                high = cells[place + 2]
                if high - low != self.width:
                    break
                if row >= self.room:
                    self._grow(row + 1)
                self._put_number(row, data, low)
                self.mark(row)
                self.count = row + 1
            elif form != _NULL:
                break
            done += 1
            row += 1
            place += step
        return done

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _put_number(self, row: cython.Py_ssize_t, data: bytes, low: cython.Py_ssize_t) -> cython.int:
        width: cython.Py_ssize_t = self.width
        if cython.compiled:
            source: cython.p_uchar = cython.cast(cython.p_uchar, data)
            goal: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, self.data))
            source += low
            goal += row * width
            goal[0] = source[0]
            if width > 1:
                goal[1] = source[1]
            if width > 2:
                goal[2] = source[2]
                goal[3] = source[3]
            if width > 4:
                goal[4] = source[4]
                goal[5] = source[5]
                goal[6] = source[6]
                goal[7] = source[7]
        else:
            self.data[row * width : (row + 1) * width] = data[low : low + width]
        return 0

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _put_currency(self, row: cython.Py_ssize_t, data: bytes, low: cython.Py_ssize_t) -> cython.int:
        if cython.compiled:
            i: cython.Py_ssize_t
            source: cython.p_uchar = cython.cast(cython.p_uchar, data)
            goal: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, self.data))
            source += low
            goal += 16 * row
            for i in range(8):
                goal[i] = source[i]
            for i in range(8, 16):
                goal[i] = 255 if source[7] & 0x80 else 0
        else:
            sign = b"\xff" if data[low + 7] & 0x80 else b"\0"
            self.data[16 * row : 16 * row + 16] = data[low : low + 8] + 8 * sign
        return 0

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _put_guid(self, row: cython.Py_ssize_t, data: bytes, low: cython.Py_ssize_t) -> cython.int:
        if cython.compiled:
            i: cython.Py_ssize_t
            source: cython.p_uchar = cython.cast(cython.p_uchar, data)
            goal: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, self.data))
            source += low
            goal += 16 * row
            for i in range(4):
                goal[i] = source[3 - i]
            goal[4] = source[5]
            goal[5] = source[4]
            goal[6] = source[7]
            goal[7] = source[6]
            for i in range(8, 16):
                goal[i] = source[i]
        else:
            self.data[16 * row : 16 * row + 16] = bytes([data[low + place] for place in _GUID_ORDER])
        return 0

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _put_date(self, row: cython.Py_ssize_t, data: bytes, low: cython.Py_ssize_t) -> cython.int:
        """1 where the stored bytes are no date. The rules are those of `date_microseconds`."""
        if not cython.compiled:
            found = date_microseconds(data[low : low + 8])
            if found is None:
                return 1
            struct.pack_into("<q", self.data, 8 * row, found)
            return 0
        whole: cython.longlong
        micros: cython.longlong
        part: cython.double
        self._put_number(row, data, low)
        place: cython.p_char = cython.cast(cython.p_char, self.data)
        place += 8 * row
        days: cython.double = cython.cast(cython.p_double, place)[0]
        if days != 0 and -1e-100 < days < 1e-100:
            bits: cython.ulonglong = cython.cast(cython.p_ulonglong, place)[0] // 10
            if bits > _LAST_FILETIME:
                return 1
            micros = bits
            micros += _FILETIME_ZERO
        elif -700_000.0 < days < 2_960_000.0:
            whole = cython.cast(cython.longlong, days)
            part = days - whole
            if part < 0:
                part = -part
            part *= 86_400_000_000.0
            micros = cython.cast(cython.longlong, part)
            part -= micros
            # halves go to the even number, as everywhere in Python
            if part > 0.5 or (part == 0.5 and micros & 1):
                micros += 1
            micros += _DAY_ZERO + whole * _MICROSECONDS_A_DAY
            if micros < _FIRST_DATE or micros > _LAST_DATE:
                return 1
        else:
            return 1
        cython.cast(cython.p_longlong, place)[0] = micros
        return 0

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _put_bytes(self, data: bytes, low: cython.Py_ssize_t, size: cython.Py_ssize_t) -> cython.int:
        self._bytes_room(size)
        if cython.compiled:
            i: cython.Py_ssize_t
            source: cython.p_uchar = cython.cast(cython.p_uchar, data)
            goal: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, self.data))
            source += low
            goal += self.used
            for i in range(size):
                goal[i] = source[i]
        else:
            self.data[self.used : self.used + size] = data[low : low + size]
        self.used += size
        return 0

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _put_unicode(self, data: bytes, low: cython.Py_ssize_t, size: cython.Py_ssize_t) -> cython.int:
        """UTF-16LE to UTF-8, U+FFFD for lone surrogates, half a unit left out; 1 where there was such."""
        odd: cython.int = size & 1
        if cython.compiled:
            self._bytes_room(size // 2 * 3)
            source: cython.p_uchar = cython.cast(cython.p_uchar, data)
            start: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, self.data))
            goal: cython.p_uchar = start + self.used
            i: cython.Py_ssize_t = low
            end: cython.Py_ssize_t = low + size - odd
            code: cython.uint
            second: cython.uint
            while i < end:
                code = source[i] | source[i + 1] << 8
                i += 2
                if code < 0x80:
                    goal[0] = code
                    goal += 1
                    continue
                if code < 0x800:
                    goal[0] = 0xC0 | code >> 6
                    goal[1] = 0x80 | (code & 0x3F)
                    goal += 2
                    continue
                if code & 0xF800 == 0xD800:
                    second = source[i] | source[i + 1] << 8 if i < end else 0
                    if code & 0x400 or second & 0xFC00 != 0xDC00:
                        code = 0xFFFD
                        odd = 1
                    else:
                        i += 2
                        code = 0x10000 + ((code & 0x3FF) << 10) + (second & 0x3FF)
                        goal[0] = 0xF0 | code >> 18
                        goal[1] = 0x80 | (code >> 12 & 0x3F)
                        goal[2] = 0x80 | (code >> 6 & 0x3F)
                        goal[3] = 0x80 | (code & 0x3F)
                        goal += 4
                        continue
                goal[0] = 0xE0 | code >> 12
                goal[1] = 0x80 | (code >> 6 & 0x3F)
                goal[2] = 0x80 | (code & 0x3F)
                goal += 3
            self.used = goal - start
        else:
            units = data[low : low + size - odd]
            try:
                text = units.decode("utf-16-le")
            except UnicodeDecodeError:
                text = units.decode("utf-16-le", "surrogatepass")
                text = "".join(["\ufffd" if "\ud800" <= each <= "\udfff" else each for each in text])
                odd = 1
            encoded = text.encode()
            self._put_bytes(encoded, 0, len(encoded))
        return odd

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _put_western(self, data: bytes, low: cython.Py_ssize_t, size: cython.Py_ssize_t) -> cython.int:
        """Code page 1252 to UTF-8; every byte stands for a character."""
        if cython.compiled:
            self._bytes_room(3 * size)
            source: cython.p_uchar = cython.cast(cython.p_uchar, data)
            table: cython.p_uchar = cython.cast(cython.p_uchar, _CODE_POINTS)
            start: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, self.data))
            goal: cython.p_uchar = start + self.used
            i: cython.Py_ssize_t
            code: cython.uint
            for i in range(low, low + size):
                code = source[i]
                if code < 0x80:
                    goal[0] = code
                    goal += 1
                    continue
                code = table[2 * code] | table[2 * code + 1] << 8
                if code < 0x800:
                    goal[0] = 0xC0 | code >> 6
                    goal[1] = 0x80 | (code & 0x3F)
                    goal += 2
                else:
                    goal[0] = 0xE0 | code >> 12
                    goal[1] = 0x80 | (code >> 6 & 0x3F)
                    goal[2] = 0x80 | (code & 0x3F)
                    goal += 3
            self.used = goal - start
        else:
            encoded = western_text(data[low : low + size]).encode()
            self._put_bytes(encoded, 0, len(encoded))
        return 0

    def taken(self, rows: int, values: Buffers | None = None) -> Buffers:
        """What has come together, as a column of `rows` values; then empty again."""
        nulls = rows - self.valid
        if self.count == 0 and rows:
            # one that was never reached has none but NULLs
            return Buffers(self.kind, rows, None, None, None, values, rows)
        if rows:
            self.reach(rows)  # one more than there are: the end of the last
        offsets = None
        if self.kind >= _BYTES:
            offsets = self.offsets
            if not rows:
                offsets = bytearray(4)
            del offsets[4 * (rows + 1) :]
            del self.data[self.used :]
        elif self.kind == _BIT:
            del self.data[(rows + 7) // 8 :]
        else:
            del self.data[rows * self.width :]
        del self.validity[(rows + 7) // 8 :]
        found = Buffers(self.kind, nulls, self.validity if nulls else None, offsets, self.data, values, rows)
        self._empty()
        return found


@cython.cclass
class Columnar:
    """Collects the records of one table into column batches. `plan` is of the columns wanted; for one thread at a time.

    `read` gives a separated long value by the id its record has.
    A batch is full with `most_rows` rows or `most_bytes` bytes of values of various sizes (the last row may go beyond).
    """

    rows: int = cython.declare(cython.Py_ssize_t, visibility="readonly")
    plan: RecordPlan
    _read: object
    _most_rows: cython.Py_ssize_t
    _most_bytes: cython.Py_ssize_t
    _bytes: cython.Py_ssize_t
    _count: cython.Py_ssize_t
    _columns: list  # type: ignore[type-arg]
    _lists: list  # type: ignore[type-arg]
    _defaults: list  # type: ignore[type-arg]
    _long: list  # type: ignore[type-arg]
    _at_once: cython.Py_ssize_t
    _odd: list  # type: ignore[type-arg]

    def __init__(self, plan: RecordPlan, read: Callable[[bytes], bytes], most_rows: int, most_bytes: int) -> None:
        columns: Sequence[Column] = plan.columns
        self.plan = plan
        self.rows = 0
        self._read = read
        self._most_rows = max(1, most_rows)
        self._most_bytes = most_bytes
        self._bytes = 0
        self._count = len(columns)
        self._columns = [_Growing(*kind_of(column)) for column in columns]
        # of a multi-valued column the lists, whose values are in `_columns`
        self._lists = [_Growing(KIND_LIST, 0) if column.is_multivalued else None for column in columns]
        self._defaults = plan.defaults
        self._long = [place for place, column in enumerate(columns) if column.is_long_value]
        self._at_once = max(1, _CELLS_AT_ONCE // max(1, self._count))
        self._odd = []

    @property
    def full(self) -> bool:
        return self.rows >= self._most_rows or self._bytes >= self._most_bytes

    def add(self, data: bytes, bounds: bytearray, first: int, broken: list[JetError]) -> int:
        """Add the records of a page image from the number `first` of `bounds` (as `Page.data_bounds` gives them) on.

        Gives the number to go on with when the batch has become full, else that behind the last. What is no record goes to
        `broken`.
        """
        plan: RecordPlan = self.plan
        end: cython.Py_ssize_t = len(bounds) // 8
        number: cython.Py_ssize_t = first
        while number < end and self.rows < self._most_rows and self._bytes < self._most_bytes:
            rows: cython.Py_ssize_t = plan.split_many(data, bounds, number, min(self._at_once, self._most_rows - self.rows))
            done: cython.Py_ssize_t = self._block(data, plan.many, rows)
            number += done
            if plan.problem is not None and done == rows:
                broken.append(plan.problem)
                number += 1
        return number

    def add_record(self, record: bytes) -> None:
        """Add one record. JET_errDatabaseCorrupted where it is none."""
        self.plan.split(record)
        self._block(record, self.plan.cells, 1)

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _block(self, data: bytes, places: Any, rows: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Add `rows` records whose places are known; how many until the batch was full."""
        index: cython.Py_ssize_t
        row: cython.Py_ssize_t
        done: cython.Py_ssize_t = 0
        cells: cython.p_ulonglong
        form: cython.int
        long: list[int] = self._long
        apart: cython.bint = False
        if cython.compiled:
            image: bytearray = places
            cells = cython.cast(cython.p_ulonglong, cython.cast(cython.p_char, image))
        else:
            cells = places
        for index in long:
            for row in range(rows):
                form = cells[3 * (row * self._count + index)]
                apart = apart or form == _HEADER
        if not apart:
            self._records(data, cells, 0, rows)
            return rows
        # values from elsewhere may be large: the batch is looked at after each record
        while done < rows and self._bytes < self._most_bytes:
            self._records(data, cells, done, done + 1)
            done += 1
        return done

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _records(self, data: bytes, cells: cython.p_ulonglong, first: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
        """Add the records `first` to `end` of those whose places are in `cells`, column by column."""
        index: cython.Py_ssize_t
        low: cython.Py_ssize_t
        high: cython.Py_ssize_t
        _number: cython.Py_ssize_t
        start: cython.Py_ssize_t
        done: cython.Py_ssize_t
        place: cython.Py_ssize_t
        row: cython.Py_ssize_t
        form: cython.int
        default: bytes
        column: _Growing
        lists: list[Any] = self._lists
        columns: list[Any] = self._columns
        single: cython.bint
        for index in range(self._count):
            column = columns[index]
            single = lists[index] is None
            row = self.rows
            place = 3 * (first * self._count + index)
            start = first
            if single and column.kind == _NUMBER:
                done = column.put_numbers(row, data, cells, place, 3 * self._count, end - first)
                start += done
                row += done
                place += 3 * self._count * done
            for _number in range(start, end):
                form = cells[place]
                if form == _PLAIN:
                    low = cells[place + 1]
                    high = cells[place + 2]
                    if not single:
                        self._several(row, index, [data[low:high]])
                    elif column.put(row, data, low, high):
                        self._odd.append(OddValue(row, index, 1, 0, data[low:high]))
                elif form == _HEADER:
                    low = cells[place + 1]
                    high = cells[place + 2]
                    self._several(row, index, tagged_values(data, low, high))
                elif form == _BROKEN:
                    self._several(row, index, [_no_place()])
                elif form != _NULL:
                    default = self._defaults[index]
                    self._several(row, index, [default])
                row += 1
                place += 3 * self._count
            self._bytes += column.memory - column.counted
            column.counted = column.memory
        self.rows += end - first
        return 0

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    def _several(self, row: cython.Py_ssize_t, index: cython.Py_ssize_t, values: list) -> cython.int:  # type: ignore[type-arg]
        """The values of one column, however many and wherever they are."""
        column: _Growing = self._columns[index]
        outer: _Growing = self._lists[index]
        place: cython.Py_ssize_t = row
        number: cython.Py_ssize_t = 0
        if not values:
            return 0
        if outer is not None:
            outer.used = column.count
            outer.reach(row)
            outer.mark(row)
            self._bytes += 16
        for value in values:
            number += 1
            if outer is not None:
                place = column.count
            elif number > 1:
                # a further value of a column that has one
                if isinstance(value, Separated):
                    value = self._whole(value)
                self._note(row, index, number, value)
                continue
            if isinstance(value, Separated):
                value = self._whole(value)
            if not isinstance(value, bytes):
                column.reach(place)
                self._note(row, index, number, value)
            elif 3 * len(value) + column.used > 0x7FFFFFFF:
                # more than the offsets of a column can tell
                column.reach(place)
                self._note(row, index, number, value)
            elif column.put(place, value, 0, len(value)):
                self._note(row, index, number, value)
        if outer is not None:
            outer.used = column.count
        return 0

    @cython.cfunc
    def _whole(self, value: Any) -> object:
        read: Any = self._read
        try:
            return read(value.lid)
        except JetError as problem:
            return problem

    @cython.cfunc
    @cython.exceptval(-1, check=False)
    def _note(self, row: cython.Py_ssize_t, index: cython.Py_ssize_t, number: cython.Py_ssize_t, value: Any) -> cython.int:
        if isinstance(value, JetError):
            self._odd.append(OddValue(row, index, number, value.code, None))
        else:
            self._bytes += len(value)
            self._odd.append(OddValue(row, index, number, 0, value))
        return 0

    def taken(self) -> ColumnBatch:
        """What has come together as a batch; then empty again."""
        rows = self.rows
        columns: list[Buffers] = []
        index: cython.Py_ssize_t
        column: _Growing
        outer: _Growing
        for index in range(self._count):
            column = self._columns[index]
            outer = self._lists[index]
            if outer is None:
                columns.append(column.taken(rows))
            else:
                inner = column.taken(column.count)
                columns.append(outer.taken(rows, inner))
        odd: list[OddValue] = self._odd
        self._odd = []
        self.rows = 0
        self._bytes = 0
        return ColumnBatch(rows, columns, odd)


def _no_place() -> JetError:
    return jet_error(codes.JET_errDatabaseCorrupted, "decoding a record: a column has no place in it")
