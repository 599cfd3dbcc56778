"""The search key of a cursor, made segment by segment (JetMakeKey).

Rules (`reference/records-and-indexes.md` 6.6): the key holds up to one byte more than the key maximum of the index; a limit
ends it: nothing follows, or FF up to the end. A partial limit leaves out what ends the value: the final 00 of a text of code
page 1252, everything behind the first weights of a Unicode text, the padding and count byte of a binary value.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.constants import codes, grbits
from esent.errors import jet_error
from esent.records.columns import INHERENT_SIZE, UNICODE, Coltyp, Column
from esent.records.keys import KEY_MOST_DEFAULT, KeyDefinition, Segment, normalise

_NEW_KEY, _ZERO_LENGTH = grbits.JET_bitNewKey, grbits.JET_bitKeyDataZeroLength
_OVERRIDE = grbits.JET_bitKeyOverridePrimaryIndexPlaceholder
_SUBSTRING, _STRING = grbits.JET_bitSubStrLimit, grbits.JET_bitStrLimit
FULL_START = grbits.JET_bitFullColumnStartLimit
FULL_END = grbits.JET_bitFullColumnEndLimit
PARTIAL_START = grbits.JET_bitPartialColumnStartLimit
PARTIAL_END = grbits.JET_bitPartialColumnEndLimit
LIMITS = FULL_START | FULL_END | PARTIAL_START | PARTIAL_END

_TEXT = (Coltyp.TEXT, Coltyp.LONG_TEXT)
_BINARY = (Coltyp.BINARY, Coltyp.LONG_BINARY)
_BIT = int(Coltyp.BIT)
_SENTINEL = b"\xff"


@cython.cclass
class SearchKey:
    """`data` stays when the key has been used: only its status is reset, and a range goes on using it as its limit."""

    data: bytes = cython.declare(bytes, visibility="readonly")
    columns: int = cython.declare(cython.Py_ssize_t, visibility="readonly")
    prepared: bool = cython.declare(cython.bint, visibility="readonly")
    too_big: bool = cython.declare(cython.bint, visibility="readonly")
    is_limit: bool = cython.declare(cython.bint, visibility="readonly")

    def __init__(self) -> None:
        self.data = b""
        self.columns = 0
        self.prepared = False
        self.too_big = False
        self.is_limit = False

    @property
    def made(self) -> bool:
        """Whether there is a key, used up or not."""
        return bool(self.data)

    def reset(self) -> None:
        """The key has been used up."""
        self.prepared = self.too_big = self.is_limit = False

    def set_normalised(self, data: bytes, key_most: int) -> None:
        """Take a complete key; JET_errInvalidParameter for one longer than any."""
        most = key_most + 1
        if len(data) > most and len(data) > KEY_MOST_DEFAULT:
            raise jet_error(codes.JET_errInvalidParameter, f"a normalised key of {len(data)} bytes, where {most} are the most")
        self.reset()
        self.columns = 1
        self.data = data[:most]
        self.prepared = True
        self.is_limit = len(self.data) > key_most

    def add(self, definition: KeyDefinition, column_of: dict[int, Column], data: bytes, grbit: int) -> None:
        """Add the next segment. `data` empty: NULL, or zero-length with JET_bitKeyDataZeroLength.

        JET_errKeyIsMade, JET_errKeyNotMade, JET_errInvalidBufferSize, JET_errInvalidGrbit, JET_errIndexTuplesKeyTooSmall.
        """
        if grbit & _NEW_KEY:
            self.reset()
            self.data = b""
            self.columns = 0
        elif self.is_limit:
            raise jet_error(codes.JET_errKeyIsMade, "adding to a key that a limit has ended")
        elif not self.prepared:
            raise jet_error(codes.JET_errKeyNotMade, "adding to a key that was not begun")
        segments = definition.segments
        if not self.prepared and segments[0].placeholder and not grbit & _OVERRIDE:
            self.data, _ = normalise(definition, segments[0], None, definition.key_most)
            self.columns = 1
        if self.columns >= len(segments):
            raise jet_error(codes.JET_errKeyIsMade, f"the key has all {len(segments)} segments")
        segment = segments[self.columns]
        source = data[:KEY_MOST_DEFAULT] if definition.key_most == KEY_MOST_DEFAULT else data
        if segment.coltyp == _BIT and source:
            source = b"\xff" if source[0] else b"\0"
        inherent = INHERENT_SIZE.get(segment.coltyp)
        if inherent is not None and not segment.fixed:
            source = source[:inherent]  # what is too long is refused for fixed columns only
        if segment.fixed:
            source = _fixed_source(column_of[segment.column], data, source)
        limit = _checked_limit(segment, grbit)
        if not self.too_big and len(self.data) < definition.key_most:
            self._append(definition, segment, source, limit, grbit)
        self.columns += 1
        self.prepared = True

    @cython.cfunc
    def _append(self, definition: KeyDefinition, segment: Segment, source: bytes, limit: int, grbit: int) -> None:
        avail = definition.key_most - len(self.data)
        zero_length = bool(grbit & _ZERO_LENGTH)
        first_of_tuples = self.columns == 0 and definition.tuples is not None
        value: bytes | None = source
        if not source:
            if first_of_tuples:
                raise jet_error(codes.JET_errIndexTuplesKeyTooSmall, "an empty value for an index of substrings")
            if zero_length:
                if segment.fixed or segment.coltyp not in _TEXT + _BINARY:
                    raise jet_error(codes.JET_errInvalidBufferSize, "a zero-length value for a column that has none")
            else:
                value = None
        elif first_of_tuples and definition.tuples is not None and segment.coltyp in _TEXT:
            width = 2 if segment.code_page == UNICODE else 1
            if len(source) // width < definition.tuples.shortest:
                raise jet_error(codes.JET_errIndexTuplesKeyTooSmall, "a value shorter than the substrings of the index")
            value = source[: definition.tuples.longest * width]
        part, cut = normalise(definition, segment, value, avail)
        self.too_big |= cut
        room = avail + 1  # for the byte beyond the maximum that only limits have
        if limit in (FULL_START, FULL_END):
            part = _full_limit(part, room, limit == FULL_END)
            self.is_limit = True
        elif limit:
            if segment.coltyp in _TEXT:
                part = _partial_text(part, room, segment, limit == PARTIAL_END)
            else:
                part = _partial_binary(part, room, _binary_end(definition, segment, value, part), limit == PARTIAL_END)
            self.is_limit = True
        elif grbit & _SUBSTRING and segment.coltyp in _TEXT:
            part = _partial_text(part, room, segment, True)
            self.is_limit = True
        elif grbit & _STRING:
            part = _partial_binary(part, room, _binary_end(definition, segment, value, part), True)
            self.is_limit = True
        self.data += part


@cython.cfunc
def _fixed_source(column: Column, data: bytes, source: bytes) -> bytes:
    """The value of a fixed column: short text is filled up with spaces, any other wrong size refused."""
    if not data or len(data) == column.max_size:
        return source
    if column.coltyp == Coltyp.TEXT and len(data) < column.max_size:
        fill = b" \0" if column.code_page == UNICODE else b" "
        missing = column.max_size - len(data)
        return data + (fill * missing)[len(data) % len(fill) :][:missing]
    raise jet_error(codes.JET_errInvalidBufferSize, f"a key value of {len(data)} bytes for column {column.name}")


@cython.cfunc
def _checked_limit(segment: Segment, grbit: int) -> int:
    limit = grbit & LIMITS
    if limit == 0:
        return 0
    if limit in (PARTIAL_START, PARTIAL_END):
        if segment.coltyp not in _TEXT and (segment.fixed or segment.coltyp not in _BINARY):
            raise jet_error(codes.JET_errInvalidGrbit, "a partial limit on a column without a part to leave out")
    elif limit not in (FULL_START, FULL_END):
        raise jet_error(codes.JET_errInvalidGrbit, f"more than one limit in grbit {grbit:#x}")
    return limit


@cython.cfunc
def _full_limit(part: bytes, room: int, end: cython.bint) -> bytes:
    return part + _SENTINEL * (room - len(part)) if end else part


@cython.cfunc
def _partial_text(part: bytes, room: int, segment: Segment, end: cython.bint) -> bytes:
    if len(part) < 2:
        return _full_limit(part, room, end)
    if segment.code_page == UNICODE:
        place = part.find(b"\xfe" if segment.descending else b"\x01", 1)
        place = min(place if place >= 0 else len(part), room - 1)
    else:
        place = len(part)
        if part[-1] == (0xFF if segment.descending else 0):
            place -= 1
    return part[:place] + _SENTINEL * (room - place) if end else part[:place]


@cython.cfunc
def _binary_end(definition: KeyDefinition, segment: Segment, value: bytes | None, part: bytes) -> int:
    """Where the real bytes of a variable binary value end in its segment; 0 where the segment does not hold them all."""
    if segment.fixed or segment.coltyp not in _BINARY or not value:
        return 0
    if definition.key_most <= KEY_MOST_DEFAULT:
        value = value[:KEY_MOST_DEFAULT]
    groups, rest = divmod(len(value) - 1, 8)
    place = 1 + 9 * groups + rest + 1
    # In a segment that was cut between groups the last bytes count only if fewer than the cut leaves room for.
    whole = (len(part) - 1) // 9
    if groups < whole:
        return place
    return place if groups == whole and place < len(part) else 0


@cython.cfunc
def _partial_binary(part: bytes, room: int, place: int, end: cython.bint) -> bytes:
    if place == 0:
        return _full_limit(part, room, end)
    return part[:place] + _SENTINEL * (len(part) + 1 - place) if end else part[:place]
