"""One column of a record, without taking the others apart.

Layout as in `decode.py` (`reference/records-and-indexes.md` 1.1, 1.3-1.6):

| part             | where                               | content                                                       |
|------------------|-------------------------------------|---------------------------------------------------------------|
| header           | 0..3                                | u8 last fixed id, u8 last variable id, u16 end of fixed data  |
| NULL bitmap      | end of fixed data - ceil(fixed / 8) | bit (id - 1): 1 is NULL                                       |
| variable offsets | end of fixed data                   | u16 each: bits 0-14 end of the value, bit 15 NULL             |
| TAGFLD array     | behind the variable data            | u16 id, u16 offset and flags; sorted                          |

A tagged entry is (flags, data): the flag bits of its offset word and its bytes as stored, header byte included.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from typing import Any

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.records.columns import FLAG_ENCRYPTED, FLAG_USER_DEFINED_DEFAULT, Column
from esent.records.encode import Value
from esent.records.layout import (
    OFFSET_MASK,
    OFFSET_MASK_SMALL,
    TAG_COMPRESSED,
    TAG_ENCRYPTED,
    TAG_MULTIPLE,
    TAG_NULL,
    TAG_SEPARATED,
    TAG_TWO,
    WORD_DERIVED,
    WORD_SMALL_HEADER,
    WORD_SMALL_NULL,
)

ABSENT = 0  # the record does not reach so far, or has no entry: the default holds
NULL = 1
PRESENT = 2

_SAYS_MORE = TAG_COMPRESSED | TAG_SEPARATED | TAG_MULTIPLE | TAG_TWO | TAG_ENCRYPTED


class _More:
    """What stands for a value that is more than some bytes of its record."""

    def __repr__(self) -> str:
        return "MORE"


MORE = _More()


def _broken(what: str) -> JetError:
    return jet_error(codes.JET_errDatabaseCorrupted, f"reading a record: {what}")


@cython.ccall
def check_record(data: bytes) -> None:
    """JET_errDatabaseCorrupted where the parts of a record do not fit into it."""
    size: cython.Py_ssize_t = len(data)
    if size < 4:
        raise _broken("it is shorter than its header")
    variable: cython.Py_ssize_t = data[1] - 127
    fixed: cython.Py_ssize_t = data[0]
    end: cython.Py_ssize_t = data[2] | data[3] << 8
    if fixed > 127 or variable < 0 or end - (fixed + 7) // 8 < 4 or end + 2 * variable > size:
        raise _broken("its parts do not fit into it")
    if variable and end + 2 * variable + ((data[end + 2 * variable - 2] | data[end + 2 * variable - 1] << 8) & 0x7FFF) > size:
        raise _broken("its variable columns do not fit into it")


@cython.ccall
def fixed_value(data: bytes, fid: cython.Py_ssize_t, start: cython.Py_ssize_t, size: cython.Py_ssize_t) -> tuple[int, bytes]:
    """(state, value) of the fixed column whose slot of `size` bytes begins at `start`."""
    check_record(data)
    last: cython.Py_ssize_t = data[0]
    if fid > last:
        return ABSENT, b""
    bitmap: cython.Py_ssize_t = (data[2] | data[3] << 8) - (last + 7) // 8
    if data[bitmap + (fid - 1) // 8] >> ((fid - 1) % 8) & 1:
        return NULL, b""
    if start < 4 or start + size > bitmap:
        raise _broken(f"fixed column {fid} has no place")
    return PRESENT, data[start : start + size]


@cython.ccall
def variable_value(data: bytes, fid: cython.Py_ssize_t) -> tuple[int, bytes]:
    """(state, value) of a variable column."""
    check_record(data)
    count: cython.Py_ssize_t = data[1] - 127
    number: cython.Py_ssize_t = fid - 128
    if number >= count:
        return ABSENT, b""
    array: cython.Py_ssize_t = data[2] | data[3] << 8
    place: cython.Py_ssize_t = array + 2 * number
    word: cython.Py_ssize_t = data[place] | data[place + 1] << 8
    if word & 0x8000:
        return NULL, b""
    low: cython.Py_ssize_t = (data[place - 2] | data[place - 1] << 8) & 0x7FFF if number else 0
    base: cython.Py_ssize_t = array + 2 * count
    if low > word or base + word > len(data):
        raise _broken(f"variable column {fid} has no place")
    return PRESENT, data[base + low : base + word]


@cython.ccall
@cython.exceptval(-1)
def tagged_start(data: bytes) -> cython.Py_ssize_t:
    """Where the tagged columns of a record begin; its length where it has none."""
    check_record(data)
    count: cython.Py_ssize_t = data[1] - 127
    base: cython.Py_ssize_t = (data[2] | data[3] << 8) + 2 * count
    if count == 0:
        return base
    return base + ((data[base - 2] | data[base - 1] << 8) & 0x7FFF)


@cython.ccall
@cython.exceptval(-1)
def tagged_count(data: bytes, start: cython.Py_ssize_t, small_page: cython.bint) -> cython.Py_ssize_t:
    """How many entries the array of tagged columns at `start` has."""
    left: cython.Py_ssize_t = len(data) - start
    if left == 0:
        return 0
    mask: cython.Py_ssize_t = OFFSET_MASK_SMALL if small_page else OFFSET_MASK
    size: cython.Py_ssize_t = (data[start + 2] | data[start + 3] << 8) & mask if left >= 4 else 0
    if size == 0 or size % 4 or size > left:
        raise _broken("the array of tagged columns does not fit into it")
    return size // 4


@cython.ccall
def tagged_entry(
    data: bytes, fid: cython.Py_ssize_t, derived: cython.bint, small_page: cython.bint
) -> tuple[int, bytes] | None:
    """The entry of a tagged column: flags and stored bytes, or None where the record has none."""
    start: cython.Py_ssize_t = tagged_start(data)
    count: cython.Py_ssize_t = tagged_count(data, start, small_page)
    mask: cython.Py_ssize_t = OFFSET_MASK_SMALL if small_page else OFFSET_MASK
    # derived entries come first, so they sort below the others
    wanted: cython.Py_ssize_t = fid if derived else fid | 0x10000
    low: cython.Py_ssize_t = 0
    high: cython.Py_ssize_t = count
    middle: cython.Py_ssize_t
    place: cython.Py_ssize_t
    word: cython.Py_ssize_t
    found: cython.Py_ssize_t
    while low < high:
        middle = (low + high) // 2
        place = start + 4 * middle
        found = data[place] | data[place + 1] << 8
        if not data[place + 3] & 0x80:
            found |= 0x10000
        if found < wanted:
            low = middle + 1
        else:
            high = middle
    if low >= count:
        return None
    place = start + 4 * low
    word = data[place + 2] | data[place + 3] << 8
    found = data[place] | data[place + 1] << 8
    if not word & WORD_DERIVED:
        found |= 0x10000
    if found != wanted:
        return None
    return word & ~mask, _entry_bytes(data, start, low, count, mask)


@cython.cfunc
def _entry_bytes(
    data: bytes, start: cython.Py_ssize_t, number: cython.Py_ssize_t, count: cython.Py_ssize_t, mask: cython.Py_ssize_t
) -> bytes:
    place: cython.Py_ssize_t = start + 4 * number
    low: cython.Py_ssize_t = (data[place + 2] | data[place + 3] << 8) & mask
    high: cython.Py_ssize_t = len(data) - start
    if number + 1 < count:
        high = (data[place + 6] | data[place + 7] << 8) & mask
    if low > high or start + high > len(data):
        raise _broken("a tagged column has no place")
    return data[start + low : start + high]


def tagged_entries(data: bytes, small_page: bool) -> list[tuple[int, int, bytes]]:
    """All tagged entries in their order: (id, flags, stored bytes)."""
    start: cython.Py_ssize_t = tagged_start(data)
    count: cython.Py_ssize_t = tagged_count(data, start, small_page)
    mask: cython.Py_ssize_t = OFFSET_MASK_SMALL if small_page else OFFSET_MASK
    number: cython.Py_ssize_t
    place: cython.Py_ssize_t
    found: list[tuple[int, int, bytes]] = []
    for number in range(count):
        place = start + 4 * number
        word = data[place + 2] | data[place + 3] << 8
        found.append((data[place] | data[place + 1] << 8, word & ~mask, _entry_bytes(data, start, number, count, mask)))
    return found


@cython.ccall
def entry_is_null(flags: cython.int, data: bytes, small_page: cython.bint) -> bool:
    """True for an explicit NULL, which overrides a default."""
    if small_page:
        return bool(flags & WORD_SMALL_NULL)
    if not data:
        raise _broken("a tagged column without its header byte")
    return bool(data[0] & TAG_NULL)


def entry_header(flags: int, data: bytes, small_page: bool) -> int:
    """The header byte of an entry, 0 where it has none."""
    if small_page and not flags & WORD_SMALL_HEADER:
        return 0
    if not data:
        raise _broken("a tagged column without its header byte")
    return data[0]


def entry_values(flags: int, data: bytes, small_page: bool) -> list[Value]:
    """The instances of an entry as stored, in the order of itagSequence; none for an explicit NULL."""
    if entry_is_null(flags, data, small_page):
        return []
    if small_page and not flags & WORD_SMALL_HEADER:
        return [Value(data)]
    header = entry_header(flags, data, small_page)
    compressed = bool(header & TAG_COMPRESSED)
    body = data[1:]
    if not header & TAG_MULTIPLE:
        return [Value(body, bool(header & TAG_SEPARATED), compressed)]
    if header & TAG_TWO:
        if not body or 1 + body[0] > len(body):
            raise _broken("the first of two values ends behind its column")
        return [Value(body[1 : 1 + body[0]]), Value(body[1 + body[0] :])]
    size = (body[0] | body[1] << 8) & 0x7FFF if len(body) >= 2 else 0
    if size < 2 or size % 2 or size > len(body):
        raise _broken("the offsets of several values do not fit into their column")
    words = [body[i] | body[i + 1] << 8 for i in range(0, size, 2)]
    bounds = [word & 0x7FFF for word in words] + [len(body)]
    values = []
    for number, word in enumerate(words):
        low, high = bounds[number], bounds[number + 1]
        if low > high or high > len(body):
            raise _broken(f"value {number + 1} of several has no place")
        values.append(Value(body[low:high], bool(word & 0x8000), compressed and number == 0))
    return values


@cython.cclass
class ColumnPlace:
    """Where the records of a table have one column, for reading its value often."""

    _fid: int
    _start: int
    _size: int
    _kind: int
    _derived: bool
    _small: bool
    _absent: Any

    def __init__(self, column: Column, *, derived: bool, small_page: bool) -> None:
        """`derived`: records mark the column with the derived bit."""
        self._fid = column.fid
        self._start = column.record_offset
        self._size = column.max_size
        self._derived = derived
        self._small = small_page
        self._kind = 0 if column.is_fixed else 1 if column.is_variable else 2
        self._absent = MORE if column.flags & FLAG_USER_DEFINED_DEFAULT else column.default_value()
        if column.flags & FLAG_ENCRYPTED:
            self._kind = 3

    @cython.ccall
    def value(self, record: bytes) -> Any:
        """The bytes of the (first) value, None for NULL, `MORE` where they are not simply a part of the record."""
        state: int
        if self._kind == 2:
            entry = tagged_entry(record, self._fid, self._derived, self._small)
            if entry is None:
                return self._absent
            flags, data = entry
            if entry_is_null(flags, data, self._small):
                return None
            if self._small and not flags & WORD_SMALL_HEADER:
                return data
            return MORE if data[0] & _SAYS_MORE else data[1:]
        if self._kind == 0:
            state, data = fixed_value(record, self._fid, self._start, self._size)
        elif self._kind == 1:
            state, data = variable_value(record, self._fid)
        else:
            return MORE
        if state == ABSENT:
            return self._absent
        return None if state == NULL else data
