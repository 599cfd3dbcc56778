"""Key normalisation: from column values to the bytes by which a B+ tree orders its nodes. Pure functions, no I/O.

Layout of a key (`reference/records-and-indexes.md` 5): the segments in order, each `prefix byte, bytes`, without lengths
or separators, cut at the index's key maximum; a descending segment is complemented, its prefix byte included.

| value               | prefix | bytes that follow (ascending)                                                            |
|---------------------|--------|------------------------------------------------------------------------------------------|
| NULL                | 00, C0 where NULLs sort high | none                                                                |
| zero-length         | 40     | none (variable and tagged text and binary only)                                          |
| Bit, UnsignedByte   | 7F     | as stored                                                                                |
| signed integers     | 7F     | big-endian, sign bit flipped                                                             |
| unsigned integers   | 7F     | big-endian                                                                               |
| floating, DateTime  | 7F     | big-endian bits; negative: all complemented, else the sign bit flipped                   |
| GUID                | 7F     | bytes 10-15, 8, 9, 6, 7, 4, 5, 0-3; .NET order: 3-0, 5, 4, 7, 6, 8-15                     |
| fixed Binary        | 7F     | as stored                                                                                |
| other Binary        | 7F     | groups of 8 bytes and a count: 9 if more follow, else the number of real bytes            |
| Text, code page 1252| 7F     | up to the first NUL, a-z as A-Z, then 00                                                 |
| Text, code page 1200| 7F     | the sort key of a collation, which ends in 00                                            |

Which records have entries in an index, and how many: section 6.3 to 6.5 of the same file.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.constants import codes, grbits
from esent.errors import jet_error
from esent.records.columns import UNICODE

INDEX_UNIQUE = 0x0001
INDEX_ALLOW_ALL_NULLS = 0x0002
INDEX_ALLOW_FIRST_NULL = 0x0004
INDEX_ALLOW_SOME_NULLS = 0x0008
INDEX_NO_NULL_SEGMENT = 0x0010
INDEX_PRIMARY = 0x0020
INDEX_LOCALE_SET = 0x0040
INDEX_MULTIVALUED = 0x0080
INDEX_TEMPLATE = 0x0100
INDEX_DERIVED = 0x0200
INDEX_LOCALIZED = 0x0400
INDEX_SORT_NULLS_HIGH = 0x0800
INDEX_CROSS_PRODUCT = 0x2000
INDEX_DISALLOW_TRUNCATION = 0x4000
INDEX_NESTED_TABLE = 0x8000
INDEX_EXTENDED_SEGMENTS = 0x10000
INDEX_DOT_NET_GUID = 0x20000

NULLS_NONE = 0
NULLS_SOME = 1
NULLS_FIRST = 2
NULLS_ALL = 3

KEY_MOST_DEFAULT = 255
SEGMENTS_MOST = 16

_SIGNED = {3: 2, 4: 4, 5: 8, 15: 8}
_UNSIGNED = {14: 4, 17: 2, 18: 8}
_FLOATING = {6: 4, 7: 8, 8: 8}
_RAW = {1: 1, 2: 1}
_GUID_SIZE = 16
_GUID_ORDER = (10, 11, 12, 13, 14, 15, 8, 9, 6, 7, 4, 5, 0, 1, 2, 3)
_DOT_NET_ORDER = (3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15)
_COMPLEMENT = bytes(255 - value for value in range(256))
_SIGN_CHANGED = [bytes((value ^ 0x80,)) for value in range(256)]
_UPPER = bytes(value - 32 if 97 <= value <= 122 else value for value in range(256))

SortKey = Callable[[bytes, int], bytes]
"""The sort key of a Unicode text (UTF-16LE), of which no more than a number of bytes is needed."""


@dataclass(slots=True, frozen=True)
class Segment:
    """One column of a key. `column` is what the caller's values are looked up by."""

    column: int
    coltyp: int
    code_page: int = 0
    fixed: bool = False
    descending: bool = False
    multi_valued: bool = False
    placeholder: bool = False


@dataclass(slots=True, frozen=True)
class TupleLimits:
    """What of a text a tuple index holds: `shortest` to `longest` characters from each of the first `most` offsets."""

    shortest: int = 3
    longest: int = 10
    most: int = 0x7FFF
    increment: int = 1
    start: int = 0


@dataclass(slots=True, frozen=True)
class KeyDefinition:
    """What the catalogue says of an index as far as its keys depend on it. `flags` as in a catalogue row.

    `conditions` are (column, must be NULL) pairs. `sort_key` is the collation of Unicode text.
    """

    segments: tuple[Segment, ...]
    flags: int = INDEX_UNIQUE | INDEX_PRIMARY | INDEX_ALLOW_ALL_NULLS | INDEX_ALLOW_FIRST_NULL | INDEX_ALLOW_SOME_NULLS
    key_most: int = KEY_MOST_DEFAULT
    var_seg_mac: int = 0
    conditions: tuple[tuple[int, bool], ...] = ()
    tuples: TupleLimits | None = None
    sort_key: SortKey | None = None


def key_most_for_page(page_size: int) -> int:
    """The largest key maximum an index may ask for."""
    return {2048: 500, 4096: 1000}.get(page_size, 2000)


def index_flags(grbit: int, *, multi_valued: bool = False, localized: bool = False) -> int:
    """The catalogue flags of an index created with the option bits `grbit` (JET_bitIndex...)."""
    flags = INDEX_EXTENDED_SEGMENTS
    disallow, ignore_any = bool(grbit & grbits.JET_bitIndexDisallowNull), bool(grbit & grbits.JET_bitIndexIgnoreAnyNull)
    if not (disallow or ignore_any):
        flags |= INDEX_ALLOW_SOME_NULLS
        if not grbit & grbits.JET_bitIndexIgnoreFirstNull:
            flags |= INDEX_ALLOW_FIRST_NULL
            if not grbit & grbits.JET_bitIndexIgnoreNull:
                flags |= INDEX_ALLOW_ALL_NULLS
    if grbit & grbits.JET_bitIndexPrimary:
        flags |= INDEX_PRIMARY | INDEX_UNIQUE
    if grbit & grbits.JET_bitIndexUnique:
        flags |= INDEX_UNIQUE
    if disallow:
        flags |= INDEX_NO_NULL_SEGMENT
    elif grbit & grbits.JET_bitIndexSortNullsHigh:
        flags |= INDEX_SORT_NULLS_HIGH
    for bit, flag in (
        (grbits.JET_bitIndexUnicode, INDEX_LOCALE_SET),
        (grbits.JET_bitIndexCrossProduct, INDEX_CROSS_PRODUCT),
        (grbits.JET_bitIndexDisallowTruncation, INDEX_DISALLOW_TRUNCATION),
        (grbits.JET_bitIndexNestedTable, INDEX_NESTED_TABLE),
        (grbits.JET_bitIndexDotNetGuid, INDEX_DOT_NET_GUID),
    ):
        if grbit & bit:
            flags |= flag
    if multi_valued:
        flags |= INDEX_MULTIVALUED
    if localized:
        flags |= INDEX_LOCALIZED
    return flags


@cython.cfunc
def _inherent(coltyp: int, value: bytes, dot_net_guid: bool) -> bytes | None:
    """The bytes behind the prefix of a type of inherent size; None for the other types."""
    size = _SIGNED.get(coltyp)
    if size is not None:
        _expect(coltyp, value, size)
        return _SIGN_CHANGED[value[size - 1]] + value[-2::-1]
    size = _UNSIGNED.get(coltyp)
    if size is not None:
        _expect(coltyp, value, size)
        return value[::-1]
    size = _FLOATING.get(coltyp)
    if size is not None:
        _expect(coltyp, value, size)
        turned = value[::-1]
        if turned[0] & 0x80:
            return turned.translate(_COMPLEMENT)
        return bytes((turned[0] | 0x80,)) + turned[1:]
    size = _RAW.get(coltyp)
    if size is not None:
        _expect(coltyp, value, size)
        return value
    if coltyp == 16:
        _expect(coltyp, value, _GUID_SIZE)
        return bytes([value[i] for i in (_DOT_NET_ORDER if dot_net_guid else _GUID_ORDER)])
    return None


@cython.cfunc
def _expect(coltyp: int, value: bytes, size: int) -> None:
    if len(value) != size:
        raise jet_error(codes.JET_errInvalidBufferSize, f"normalising a value of type {coltyp}: {len(value)} bytes for {size}")


@cython.cfunc
def _binary(value: bytes, limit: int) -> bytes:
    """Prefix and groups of a variable Binary, at most `limit` bytes."""
    length: cython.Py_ssize_t = len(value)
    groups: cython.Py_ssize_t = (length + 7) // 8
    full: cython.Py_ssize_t = 1 + 9 * groups
    whole: cython.Py_ssize_t = groups if full <= limit else (limit - 1) // 9
    parts: list[bytes] = [b"\x7f"]
    i: cython.Py_ssize_t
    for i in range(whole):
        piece = value[8 * i : 8 * i + 8]
        if i < groups - 1:
            parts.append(piece + b"\x09")
        else:
            parts.append(piece.ljust(8, b"\0") + bytes((len(piece),)))
    if full > limit:
        rest = limit - 1 - 9 * whole
        parts.append(value[8 * whole : 8 * whole + min(rest, 8)].ljust(rest, b"\0"))
    return b"".join(parts)


@cython.cfunc
def _text(value: bytes, left: int) -> tuple[bytes, bool]:
    """The bytes behind the prefix of a text of code page 1252 in `left` bytes, and whether it was cut."""
    length: cython.Py_ssize_t = len(value)
    if left > length:
        end = value.find(b"\0")
        return (value if end < 0 else value[:end]).translate(_UPPER) + b"\0", False
    if left <= 0:
        return b"", True
    head = value[: left - 1]
    end = head.find(b"\0")
    if end >= 0:
        return head[:end].translate(_UPPER) + b"\0", False
    following = value[left - 1]
    if following:
        # The engine takes 32 off this one byte whatever it is; keys must be equal to its keys.
        return head.translate(_UPPER) + bytes(((following - 0x20) & 0xFF,)), True
    return head.translate(_UPPER) + b"\0", False


def normalise(definition: KeyDefinition, segment: Segment, value: bytes | None, avail: int) -> tuple[bytes, bool]:
    """The bytes of one segment in at most `avail` (positive) bytes, and whether the lack of space cut it.

    `value` is what a record stores, decompressed; None is NULL. JET_errUnicodeNormalizationNotSupported: Unicode text
    without a collation.
    """
    cut = False
    data: bytes
    if segment.placeholder:
        data = b"\x7f\x00"
    elif value is None:
        data = b"\xc0" if definition.flags & INDEX_SORT_NULLS_HIGH else b"\x00"
    else:
        coltyp = segment.coltyp
        known = _inherent(coltyp, value, bool(definition.flags & INDEX_DOT_NET_GUID))
        if known is not None:
            data = b"\x7f" + known
        elif coltyp not in (9, 10, 11, 12):
            raise jet_error(codes.JET_errInvalidColumnType, f"normalising a value of type {coltyp}")
        elif not value:
            data = b"\x40"
        else:
            if definition.key_most <= KEY_MOST_DEFAULT:
                value = value[:KEY_MOST_DEFAULT]
            mac = definition.var_seg_mac
            limit = min(avail, mac) if mac else avail
            if coltyp in (9, 11):
                if segment.fixed:
                    data = b"\x7f" + (value[: mac - 1] if mac else value)
                else:
                    cut = limit == avail and 1 + 9 * ((len(value) + 7) // 8) > avail
                    data = _binary(value, limit)
            elif segment.code_page == UNICODE:
                if definition.sort_key is None:
                    raise jet_error(codes.JET_errUnicodeNormalizationNotSupported, "a key of Unicode text without a collation")
                key = definition.sort_key(value[: len(value) & ~1], limit)
                cut = limit == avail and len(key) > limit - 1
                data = b"\x7f" + key[: limit - 1]
            else:
                body, short = _text(value, limit - 1)
                cut = short and limit == avail
                data = b"\x7f" + body
    if len(data) > avail:
        data = data[:avail]
        cut = True
    if segment.descending:
        data = data.translate(_COMPLEMENT)
    return data, cut


def build_key(definition: KeyDefinition, values: Sequence[bytes | None]) -> tuple[bytes, int, bool]:
    """The key of one value a segment: its bytes, which segments were NULL (NULLS_...), and whether it was cut."""
    key = b""
    nulls: cython.Py_ssize_t = 0
    first_null = False
    cut = False
    most = definition.key_most
    for position, segment in enumerate(definition.segments):
        value = values[position]
        if value is None and not segment.placeholder:
            nulls += 1
            if position == 0:
                first_null = True
        if cut:
            continue
        avail = most - len(key)
        if avail <= 0:
            cut = True
            continue
        data, cut = normalise(definition, segment, value, avail)
        key += data
    return key, _nulls(nulls, len(definition.segments), first_null), cut


@cython.cfunc
def _nulls(count: cython.Py_ssize_t, segments: cython.Py_ssize_t, first: cython.bint) -> int:
    """Which of the segments are NULL: so many, the first of them or not."""
    if count == 0:
        return NULLS_NONE
    if count == segments:
        return NULLS_ALL
    return NULLS_FIRST if first else NULLS_SOME


def _sequences(definition: KeyDefinition, instances: list[Sequence[bytes]]) -> Iterator[list[bytes | None]]:
    """The value combinations of a record: which instance of each multi-valued segment goes into which key."""
    segments = definition.segments
    first: list[bytes | None] = [values[0] if values else None for values in instances]
    if not definition.flags & INDEX_MULTIVALUED:
        yield first
        return
    several = [position for position, segment in enumerate(segments) if segment.multi_valued]
    if not several:
        yield first
        return
    if definition.flags & INDEX_NESTED_TABLE:
        for number in range(max(1, max(len(instances[position]) for position in several))):
            row = first.copy()
            for position in several:
                row[position] = instances[position][number] if number < len(instances[position]) else None
            yield row
        return
    if not definition.flags & INDEX_CROSS_PRODUCT:
        several = several[:1]
    choices: list[Sequence[bytes | None]] = [instances[position] or [None] for position in several]
    for chosen in itertools.product(*choices):
        row = first.copy()
        for position, value in zip(several, chosen, strict=True):
            row[position] = value
        yield row


def _tuples(limits: TupleLimits, segment: Segment, value: bytes) -> Iterator[bytes]:
    """The substrings of a value that a tuple index holds."""
    width = 2 if segment.coltyp in (10, 12) and segment.code_page == UNICODE else 1
    length = len(value) // width
    for number in range(limits.most):
        offset = limits.start + number * limits.increment
        if length - offset < limits.shortest:
            return
        yield value[offset * width : min(offset + limits.longest, length) * width]


@cython.cfunc
def _admitted(flags: int, nulls: int, cut: bool) -> bool:
    """Whether a key with these NULLs goes into the index."""
    if nulls:
        if flags & INDEX_NO_NULL_SEGMENT:
            raise jet_error(codes.JET_errNullKeyDisallowed, "building a key of an index that allows no NULL")
        if nulls == NULLS_ALL and not flags & INDEX_ALLOW_ALL_NULLS:
            return False
        if nulls == NULLS_FIRST and not flags & INDEX_ALLOW_FIRST_NULL:
            return False
        if nulls == NULLS_SOME and not flags & INDEX_ALLOW_SOME_NULLS:
            return False
    if cut and flags & INDEX_DISALLOW_TRUNCATION:
        raise jet_error(codes.JET_errKeyTruncated, "building a key of an index that allows no cut keys")
    return True


def record_keys(definition: KeyDefinition, instances: Callable[[int], Sequence[bytes]]) -> list[bytes]:
    """The distinct keys a record has in an index, in the order they arise; none where the index leaves the record out.

    `instances(column)` gives the values of a column of the record, defaults included; an empty sequence is NULL.
    JET_errNullKeyDisallowed: a NULL where the index forbids one. JET_errKeyTruncated: a cut key where it forbids that.
    """
    for column, must_be_null in definition.conditions:
        if bool(instances(column)) == must_be_null:
            return []
    found = [instances(segment.column) for segment in definition.segments]
    if definition.tuples is None and not definition.flags & INDEX_MULTIVALUED:
        key, nulls, cut = build_key(definition, [values[0] if values else None for values in found])
        return [key] if _admitted(definition.flags, nulls, cut) else []
    keys: dict[bytes, bool] = {}
    for row in _sequences(definition, found):
        rows: Iterator[list[bytes | None]] = iter((row,))
        if definition.tuples is not None:
            text = row[0]
            if text is None:
                continue
            rows = ([piece, *row[1:]] for piece in _tuples(definition.tuples, definition.segments[0], text))
        for sequence in rows:
            key, nulls, cut = build_key(definition, sequence)
            if _admitted(definition.flags, nulls, cut):
                keys[key] = True
    return list(keys)


_PLAIN = 0
_NUMBER = 1
_FLOAT = 2
_AS_STORED = 3


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _put_turned(key: bytearray, at: cython.Py_ssize_t, value: bytes, flip: cython.int) -> cython.int:
    """Write a little-endian value big-endian, the first byte changed by `flip`."""
    last: cython.Py_ssize_t = len(value) - 1
    i: cython.Py_ssize_t
    for i in range(last + 1):
        key[at + i] = value[last - i]
    key[at] = key[at] ^ flip
    return 0


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _put_plain(key: bytearray, at: cython.Py_ssize_t, value: bytes) -> cython.int:
    if not cython.compiled:
        key[at : at + len(value)] = value
        return 0
    i: cython.Py_ssize_t
    for i in range(len(value)):
        key[at + i] = value[i]
    return 0


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _complement(key: bytearray, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.int:
    i: cython.Py_ssize_t
    for i in range(start, end):
        key[i] = key[i] ^ 0xFF
    return 0


@cython.cfunc
def _head(key: bytearray, size: cython.Py_ssize_t) -> bytes:
    if cython.compiled:
        source: cython.p_char = cython.cast(cython.p_char, key)
        return source[0:size]  # type: ignore[index,return-value]
    return bytes(key[:size])


Values = list[bytes | None]  # of the segments of a key


@cython.cclass
class KeyPlan:
    """The keys of an index with one key a record: what `build_key` gives, for many records."""

    definition: KeyDefinition
    _segments: list[Segment]
    _kinds: list[int]
    _sizes: list[int]
    _flips: list[int]
    _most: int
    _flags: int
    _primary: bool

    def __init__(self, definition: KeyDefinition, *, primary: bool) -> None:
        """`primary`: NULLs do not keep a record out."""
        self.definition = definition
        self._segments = list(definition.segments)
        self._kinds = []
        self._sizes = []
        self._flips = []
        for segment in definition.segments:
            coltyp = segment.coltyp
            kind, size, flip = _PLAIN, 0, 0
            if segment.placeholder:
                pass
            elif coltyp in _SIGNED:
                kind, size, flip = _NUMBER, _SIGNED[coltyp], 0x80
            elif coltyp in _UNSIGNED:
                kind, size = _NUMBER, _UNSIGNED[coltyp]
            elif coltyp in _FLOATING:
                kind, size = _FLOAT, _FLOATING[coltyp]
            elif coltyp in _RAW:
                kind, size = _AS_STORED, _RAW[coltyp]
            self._kinds.append(kind)
            self._sizes.append(size)
            self._flips.append(flip)
        self._most = definition.key_most
        self._flags = definition.flags
        self._primary = primary

    @staticmethod
    def serves(definition: KeyDefinition) -> bool:
        """Whether every record has at most one key, whatever its values."""
        several = definition.flags & INDEX_MULTIVALUED and any(segment.multi_valued for segment in definition.segments)
        return definition.tuples is None and not definition.conditions and not several

    @cython.ccall
    def key(self, values: Values) -> bytes:
        """The key of one value a segment; b"" where the index leaves the record out.

        JET_errNullKeyDisallowed, JET_errKeyTruncated and what `normalise` raises.
        """
        most: cython.Py_ssize_t = self._most
        scratch: bytearray = bytearray(most)
        at: cython.Py_ssize_t = 0
        size: cython.Py_ssize_t
        kind: cython.int
        i: cython.Py_ssize_t
        count: cython.Py_ssize_t = len(self._segments)
        nulls: cython.Py_ssize_t = 0
        first_null: cython.bint = False
        cut: cython.bint = False
        data: bytes
        for i in range(count):
            value = values[i]
            segment = self._segments[i]
            if value is None and not segment.placeholder:
                nulls += 1
                if i == 0:
                    first_null = True
            if cut:
                continue
            if at >= most:
                cut = True
                continue
            kind = self._kinds[i]
            size = self._sizes[i]
            if kind == _PLAIN or value is None or len(value) != size or at + 1 + size > most:
                data, cut = normalise(self.definition, segment, value, most - at)
                _put_plain(scratch, at, data)
                at += len(data)
                continue
            data = value
            scratch[at] = 0x7F
            if kind == _NUMBER:
                _put_turned(scratch, at + 1, data, self._flips[i])
            elif kind == _AS_STORED:
                _put_plain(scratch, at + 1, data)
            else:
                _put_turned(scratch, at + 1, data, 0)
                if scratch[at + 1] & 0x80:
                    _complement(scratch, at + 1, at + 1 + size)
                else:
                    scratch[at + 1] = scratch[at + 1] | 0x80
            if segment.descending:
                _complement(scratch, at, at + 1 + size)
            at += 1 + size
        if (nulls or cut) and not _admitted(self._flags, _nulls(nulls, count, first_null), cut) and not self._primary:
            return b""
        return _head(scratch, at)
