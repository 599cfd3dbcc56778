"""Records and index entries to the lines of a dump, a leaf page at a time.

`RowLines.lines` takes the entries of a leaf page and gives one JSON line a record, `entry_text` the text an index is hashed
over. How a value looks:

| type of the column            | JSON                                                                       |
|-------------------------------|----------------------------------------------------------------------------|
| Bit                           | true, false                                                                |
| integers, Currency            | a number                                                                   |
| all others                    | the bytes in hexadecimal; above 128 bytes {"len": n, "sha256": hexadecimal} |
| a value that cannot be read   | {"error": code}                                                            |
| a multi-valued column         | an array                                                                   |
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

import hashlib
from collections.abc import Iterator, Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Protocol

from esent.errors import JetError
from esent.records.columns import INHERENT_SIZE, Coltyp, Column
from esent.records.decode import (
    FORM_BROKEN,
    FORM_DEFAULT,
    FORM_HEADER,
    FORM_NULL,
    FORM_PLAIN,
    FORM_TAGGED_DEFAULT,
    RecordPlan,
    Separated,
    tagged_values,
)

HEX_MAX = 128  # bytes shown in full

_NULL = cython.declare(cython.int, FORM_NULL)
_PLAIN = cython.declare(cython.int, FORM_PLAIN)
_HEADER = cython.declare(cython.int, FORM_HEADER)
_BROKEN = cython.declare(cython.int, FORM_BROKEN)
_TAGGED_DEFAULT = cython.declare(cython.int, FORM_TAGGED_DEFAULT)
_DEFAULT = cython.declare(cython.int, FORM_DEFAULT)
_HEX_MAX = cython.declare(cython.int, HEX_MAX)
_HEXADECIMAL = cython.declare(bytes, b"0123456789abcdef")

_KIND_BYTES = cython.declare(cython.int, 0)
_KIND_BIT = cython.declare(cython.int, 1)
_KIND_UNSIGNED = cython.declare(cython.int, 2)
_KIND_SIGNED = cython.declare(cython.int, 3)

_KINDS: dict[int, int] = {
    Coltyp.BIT: 1,
    Coltyp.UNSIGNED_BYTE: 2,
    Coltyp.UNSIGNED_SHORT: 2,
    Coltyp.UNSIGNED_LONG: 2,
    Coltyp.UNSIGNED_LONG_LONG: 2,
    Coltyp.SHORT: 3,
    Coltyp.LONG: 3,
    Coltyp.LONG_LONG: 3,
    Coltyp.CURRENCY: 3,
}


class LongValueSource(Protocol):
    """Where separated long values come from."""

    def chunks(self, lid: bytes) -> Iterator[bytes]: ...


@cython.cclass
class _Text:
    """ASCII text that grows at its end; `used` bytes of `buffer` are the text."""

    buffer: bytearray
    used: cython.Py_ssize_t

    def __init__(self) -> None:
        self.buffer = bytearray(4096)
        self.used = 0

    @cython.cfunc
    @cython.inline
    def _room(self, count: cython.Py_ssize_t) -> cython.int:
        """Make room for `count` more bytes."""
        if self.used + count > len(self.buffer):
            self.buffer.extend(bytes(max(count, len(self.buffer))))
        return 0

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def add(self, text: bytes) -> cython.int:
        """Text as it is."""
        i: cython.Py_ssize_t
        size: cython.Py_ssize_t = len(text)
        self._room(size)
        if cython.compiled:
            goal: cython.p_char = cython.cast(cython.p_char, self.buffer)
            goal += self.used
            source: cython.p_char = cython.cast(cython.p_char, text)
            for i in range(size):
                goal[i] = source[i]
        else:
            self.buffer[self.used : self.used + size] = text
        self.used += size
        return 0

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def add_hexadecimal(self, data: bytes, low: cython.Py_ssize_t, high: cython.Py_ssize_t) -> cython.int:
        """`data[low:high]`, which the caller knows to be inside, two digits a byte."""
        i: cython.Py_ssize_t
        size: cython.Py_ssize_t = high - low
        self._room(2 * size)
        if cython.compiled:
            goal: cython.p_char = cython.cast(cython.p_char, self.buffer)
            goal += self.used
            source: cython.p_uchar = cython.cast(cython.p_uchar, data)
            source += low
            digits: cython.p_char = cython.cast(cython.p_char, _HEXADECIMAL)
            for i in range(size):
                goal[2 * i] = digits[source[i] >> 4]
                goal[2 * i + 1] = digits[source[i] & 15]
        else:
            self.buffer[self.used : self.used + 2 * size] = data[low:high].hex().encode()
        self.used += 2 * size
        return 0

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def add_number(self, data: bytes, low: cython.Py_ssize_t, size: cython.Py_ssize_t, signed: cython.bint) -> cython.int:
        """The little-endian integer of `size` bytes at `low`, in decimal."""
        i: cython.Py_ssize_t
        if cython.compiled:
            value: cython.ulonglong = 0
            digit: cython.ulonglong
            place: cython.Py_ssize_t = 20
            self._room(24)
            source: cython.p_uchar = cython.cast(cython.p_uchar, data)
            source += low
            for i in range(size):
                digit = source[i]
                value |= digit << (8 * i)
            goal: cython.p_char = cython.cast(cython.p_char, self.buffer)
            goal += self.used
            if signed and source[size - 1] & 0x80:
                if size < 8:
                    digit = 1
                    value = (digit << (8 * size)) - value
                else:
                    value = ~value + 1
                goal[0] = 45
                goal += 1
                self.used += 1
            # digits from the last to the first, to the end of the room, then moved to its start
            while True:
                goal[place] = 48 + value % 10
                value //= 10
                place -= 1
                if value == 0:
                    break
            for i in range(20 - place):
                goal[i] = goal[place + 1 + i]
            self.used += 20 - place
        else:
            text = b"%d" % int.from_bytes(data[low : low + size], "little", signed=signed)
            self.add(text)
        return 0

    @cython.cfunc
    def taken(self) -> str:
        """The text as a string; the buffer starts anew."""
        used: cython.Py_ssize_t = self.used
        self.used = 0
        if cython.compiled:
            source: cython.p_char = cython.cast(cython.p_char, self.buffer)
            return source[:used].decode("ascii")  # type: ignore[attr-defined, index, no-any-return]
        return self.buffer[:used].decode("ascii")


@cython.cclass
class RowLines:
    """Makes the row lines of one table. `plan` is the table's, its columns in the order in which a line shows them."""

    plan: RecordPlan
    long_values: object
    _text: _Text
    _start: bytes
    _names: list  # type: ignore[type-arg]
    _kinds: list  # type: ignore[type-arg]
    _sizes: list  # type: ignore[type-arg]
    _multiple: list  # type: ignore[type-arg]
    _defaults: list  # type: ignore[type-arg]
    _count: cython.Py_ssize_t

    def __init__(self, table: str, columns: Sequence[Column], plan: RecordPlan, long_values: LongValueSource) -> None:
        self.plan = plan
        self.long_values = long_values
        self._text = _Text()
        self._start = b'{"t":%s,"bm":"' % quoted(table).encode()
        self._names = [quoted(column.name).encode() for column in columns]
        self._kinds = [_KINDS.get(column.coltyp, 0) for column in columns]
        self._sizes = [INHERENT_SIZE.get(column.coltyp, 0) for column in columns]
        self._multiple = [column.is_multivalued for column in columns]
        self._defaults = plan.defaults
        self._count = len(columns)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    def lines(self, entries: list[tuple[int, bytes, bytes]]) -> list[str]:
        """One line a (flags, key, record) that is not deleted. A record that is none gives a line with its error."""
        found: list[str] = []
        flags: cython.int
        key: bytes
        record: bytes
        text: _Text = self._text
        for flags, key, record in entries:
            if flags & 2:
                continue
            text.used = 0
            text.add(self._start)
            text.add_hexadecimal(key, 0, len(key))
            try:
                self.plan.split(record)
            except JetError as problem:
                text.add(b'","error":%d}' % problem.code)
            else:
                self._row(record)
            found.append(text.taken())
        return found

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _row(self, record: bytes) -> cython.int:
        """The part of a line from the bookmark on; the places of the values are in the plan's cells."""
        cells: cython.p_ulonglong
        index: cython.Py_ssize_t
        low: cython.Py_ssize_t
        high: cython.Py_ssize_t
        form: cython.int
        first: cython.bint = True
        defaults: cython.bint = False
        multiple: cython.bint
        default: bytes
        text: _Text = self._text
        names: list[bytes] = self._names
        marks: list[bool] = self._multiple
        places: Any = self.plan.cells
        if cython.compiled:
            image: bytearray = places
            cells = cython.cast(cython.p_ulonglong, cython.cast(cython.p_char, image))
        else:
            cells = places
        text.add(b'","r":{')
        for index in range(self._count):
            form = cells[3 * index]
            if form == _NULL:
                continue
            if form == _HEADER:
                low = cells[3 * index + 1]
                high = cells[3 * index + 2]
                if self._several(index, tagged_values(record, low, high), first):
                    first = False
                continue
            if not first:
                text.add(b",")
            first = False
            text.add(names[index])
            multiple = marks[index]
            text.add(b":[" if multiple else b":")
            if form == _PLAIN:
                low = cells[3 * index + 1]
                high = cells[3 * index + 2]
                self._value(index, record, low, high)
            elif form == _BROKEN:
                text.add(b'{"error":-1206}')
            else:
                defaults = defaults or form == _TAGGED_DEFAULT
                default = self._defaults[index]
                self._value(index, default, 0, len(default))
            if multiple:
                text.add(b"]")
        text.add(b"}")
        if defaults:
            first = True
            text.add(b',"d":[')
            for index in range(self._count):
                form = cells[3 * index]
                if form == _TAGGED_DEFAULT:
                    if not first:
                        text.add(b",")
                    first = False
                    text.add(names[index])
            text.add(b"]")
        text.add(b"}")
        return 0

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _value(self, index: cython.Py_ssize_t, data: bytes, low: cython.Py_ssize_t, high: cython.Py_ssize_t) -> cython.int:
        kind: cython.int = self._kinds[index]
        text: _Text = self._text
        size: cython.Py_ssize_t = high - low
        if kind != _KIND_BYTES:
            expected: cython.Py_ssize_t = self._sizes[index]
            if size == expected:
                if kind == _KIND_BIT:
                    text.add(b"true" if data[low] else b"false")
                else:
                    text.add_number(data, low, size, kind == _KIND_SIGNED)
                return 0
        if size > _HEX_MAX:
            text.add(_digest(size, hashlib.sha256(data[low:high])))
            return 0
        text.add(b'"')
        text.add_hexadecimal(data, low, high)
        text.add(b'"')
        return 0

    @cython.cfunc
    def _several(self, index: cython.Py_ssize_t, values: list, first: cython.bint) -> cython.bint:  # type: ignore[type-arg]
        """A tagged column with a header that says more: one value, or an array. False where it has none."""
        if not values:
            return False
        text: _Text = self._text
        if not first:
            text.add(b",")
        text.add(self._names[index])
        text.add(b":")
        if not self._multiple[index]:
            self._any(index, values[0])
            return True
        mark: bytes = b"["
        for value in values:
            text.add(mark)
            self._any(index, value)
            mark = b","
        text.add(b"]")
        return True

    @cython.cfunc
    def _any(self, index: cython.Py_ssize_t, value: object) -> cython.int:
        if isinstance(value, Separated):
            try:
                self._separated(index, value.lid)
            except JetError as problem:
                self._text.add(b'{"error":%d}' % problem.code)
        elif isinstance(value, JetError):
            self._text.add(b'{"error":%d}' % value.code)
        elif isinstance(value, bytes):
            self._value(index, value, 0, len(value))
        return 0

    @cython.cfunc
    def _separated(self, index: cython.Py_ssize_t, lid: bytes) -> cython.int:
        """A separated value: hashed chunk by chunk, so that its size does not matter."""
        source: Any = self.long_values
        start: bytes = b""
        size: cython.Py_ssize_t = 0
        digest: Any = hashlib.sha256()
        for chunk in source.chunks(lid):
            size += len(chunk)
            digest.update(chunk)
            if len(start) <= HEX_MAX:
                start += chunk
        if size > HEX_MAX:
            self._text.add(_digest(size, digest))
        else:
            self._value(index, start, 0, size)
        return 0


def _digest(size: int, digest: Any) -> bytes:
    return b'{"len":%d,"sha256":"%s"}' % (size, digest.hexdigest().encode())


def entry_text(entries: list[tuple[int, bytes, bytes]]) -> tuple[int, bytes]:
    """Number of the entries that are not deleted, and their lines KEY|BOOKMARK in hexadecimal."""
    flags: cython.int
    key: bytes
    bookmark: bytes
    count: cython.Py_ssize_t = 0
    text: _Text = _Text()
    for flags, key, bookmark in entries:
        if flags & 2:
            continue
        count += 1
        text.add_hexadecimal(key, 0, len(key))
        text.add(b"|")
        text.add_hexadecimal(bookmark, 0, len(bookmark))
        text.add(b"\n")
    return count, bytes(text.buffer[: text.used])


def entry_lines(start: str, entries: list[tuple[int, bytes, bytes]]) -> list[str]:
    """One line an entry that is not deleted; `start` is the line up to the key."""
    return [f'{start}"k":"{key.hex()}","bm":"{bookmark.hex()}"}}' for flags, key, bookmark in entries if not flags & 2]
