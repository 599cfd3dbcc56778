"""Where records begin and end: sizes (`reference/log-and-recovery.md` 4.4) and a pass over whole segments (3.3, 3.5).

Segment: 40 bytes of header, then records; the rest is NOP bytes (type 0). What does not fit is cut:
FragmentBegin (76): total u32@1, piece u16@5, piece @7; Fragment (77): piece u16@1, piece @3.

| type                                            | size                                                       |
|-------------------------------------------------|------------------------------------------------------------|
| fixed ones                                      | `_FIXED`                                                   |
| LRIGNORED family                                | 5 + u32@1                                                  |
| the others                                      | a fixed part and the lengths that stand in it, `record_size` |
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

SEGMENT_SIZE = 4096
SEGMENT_HEADER = 40
MIN_FRAGMENT = 32  # what is left of a segment below this is never used for a piece

_SIZES = {
    0: 1, 1: 568, 2: 18, 3: 9, 4: 1, 5: 4, 6: 4, 7: 4, 8: 8, 9: 8, 10: 7, 11: 11, 12: 11, 13: 11, 17: 1, 18: 18, 21: 4,
    23: 1, 24: 56, 25: 48, 26: 60, 32: 44, 35: 44, 42: 22, 49: 576, 50: 26, 51: 9, 52: 26, 53: 8, 57: 3, 58: 68, 66: 46,
    78: 10, 79: 4, 80: 26, 81: 10, 92: 14, 94: 10, 95: 20, 96: 16, 97: 2, 98: 27, 99: 18, 100: 11, 101: 19,
}  # fmt: skip
_FIXED = b"".join(_SIZES.get(kind, 0).to_bytes(2, "little") for kind in range(102))
_MINIMUM = {
    14: 43, 15: 75, 16: 7, 19: 3, 20: 3, 22: 5, 27: 102, 28: 88, 29: 50, 30: 48, 31: 52, 33: 50, 34: 50, 36: 56, 37: 54,
    38: 46, 39: 51, 45: 3, 46: 5, 48: 46, 54: 7, 59: 3, 60: 35, 61: 5, 62: 110, 63: 96, 64: 54, 65: 96, 67: 5, 68: 5,
    69: 5, 70: 5, 71: 5, 72: 5, 73: 5, 74: 5, 75: 5, 76: 7, 77: 3, 82: 5, 83: 5, 84: 5, 85: 5, 86: 5, 87: 5, 88: 5,
    89: 5, 90: 5, 91: 5, 93: 58,
}  # fmt: skip
_HEAD = b"".join((_MINIMUM.get(kind, 0) or _SIZES.get(kind, 0)).to_bytes(2, "little") for kind in range(102))


@cython.cfunc
@cython.inline
@cython.boundscheck(False)
@cython.wraparound(False)
def _u16(data: bytes, offset: cython.Py_ssize_t) -> cython.Py_ssize_t:
    low: cython.Py_ssize_t = data[offset]
    high: cython.Py_ssize_t = data[offset + 1]
    return low | high << 8


@cython.cfunc
@cython.inline
def _u32(data: bytes, offset: cython.Py_ssize_t) -> cython.Py_ssize_t:
    return _u16(data, offset) | _u16(data, offset + 2) << 16


@cython.cfunc
def _size(data: bytes, offset: cython.Py_ssize_t, end: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """`record_size` for `offset` < `end` <= len(data)."""
    kind: cython.Py_ssize_t = data[offset]
    size: cython.Py_ssize_t
    head: cython.Py_ssize_t
    if kind >= 102:
        return 0
    head = _u16(_HEAD, 2 * kind)
    if head == 0 or offset + head > end:
        return 0
    size = _u16(_FIXED, 2 * kind)
    if size == 0:
        if kind == 29:
            size = 50 + _u16(data, offset + 44) + _u16(data, offset + 46) + _u16(data, offset + 48)
        elif kind == 30 or kind == 31 or kind == 37 or kind == 93 or kind == 39:
            size = head + _u16(data, offset + 44) + _u16(data, offset + 46)
        elif kind == 33 or kind == 34:
            size = 50 + (_u16(data, offset + 44) & 0x7FFF)
        elif kind == 36:
            size = 56 + _u16(data, offset + 44) + _u16(data, offset + 46) + _u16(data, offset + 54)
        elif kind == 38 or kind == 48:
            size = 46 + _u16(data, offset + 44)
        elif kind == 27 or kind == 62:
            size = head + _u16(data, offset + 96) + _u16(data, offset + 98) + _u16(data, offset + 100)
            if kind == 62:
                size += _u32(data, offset + 106)
        elif kind == 28 or kind == 63:
            size = head + _u16(data, offset + 86)
            if kind == 63:
                size += _u32(data, offset + 92)
        elif kind == 14:
            size = 43 + _u16(data, offset + 40) + (data[offset + 42] & 4)
        elif kind == 15:
            size = 75 + _u16(data, offset + 72)
        elif kind == 16:
            size = 7 + _u16(data, offset + 4)
        elif kind == 19 or kind == 20 or kind == 45 or kind == 59 or kind == 77:
            size = 3 + _u16(data, offset + 1)
        elif kind == 22 or kind == 46 or kind == 61:
            size = 5 + _u16(data, offset + 3)
        elif kind == 54:
            size = 7 + _u32(data, offset + 3)
        elif kind == 60:
            size = 35 + _u16(data, offset + 33)
        elif kind == 64:
            size = 54 + _u16(data, offset + 52)
        elif kind == 65:
            size = 96 + _u32(data, offset + 88) + _u32(data, offset + 92)
        elif kind == 76:
            size = 7 + _u16(data, offset + 5)
        else:  # the LRIGNORED family
            size = 5 + _u32(data, offset + 1)
    if size > end - offset:
        return 0
    return size


def record_size(data: bytes, offset: int, end: int) -> int:
    """Bytes of the record at `offset`; 0 where no record of a known type lies wholly before `end` (<= len(data))."""
    if offset < 0 or offset >= end or end > len(data):
        return 0
    return _size(data, offset, end)


def scan_segment(data: bytes, base: int, start: int) -> tuple[list[tuple[int, int, int]], int, int]:
    """What stands in one segment: ([(type, first byte, size in bytes)], end, bad).

    `data` holds the segment at `base`; offsets are those in `data`. `start` is the byte of the segment to begin with (40, or
    where a record begins). NOPs are left out; `end` is where the trailing NOPs begin, in the segment. `bad` is the byte in the
    segment where no record could be read, or -1.
    """
    found: list[tuple[int, int, int]] = []
    limit: cython.Py_ssize_t = base + 4096
    offset: cython.Py_ssize_t = base + start
    finish: cython.Py_ssize_t = offset
    size: cython.Py_ssize_t
    kind: cython.Py_ssize_t
    if base < 0 or start < 0 or start > 4096 or limit > len(data):
        return found, 0, 0
    while offset < limit:
        kind = data[offset]
        if kind == 0:
            if data.count(0, offset, limit) == limit - offset:
                break
            offset += 1
            continue
        size = _size(data, offset, limit)
        if size == 0:
            return found, finish - base, offset - base
        found.append((kind, offset, size))
        offset += size
        finish = offset
    return found, finish - base, -1


def whole_records(
    batch: list[tuple[int, int, int, bytes, int, int]],
    found: list[tuple[int, int, int]],
    index: int,
    isec: int,
    place: tuple[int, int],
    data: bytes,
    base: int,
    skip: int,
) -> int:
    """Append to `batch` what `scan_segment` found from `index` on, up to a piece of a record; the index of that, or the end.

    Appended are (segment, byte, type, `data`, first byte in it, size), `place` for (segment, byte) of a record at the start of
    the segment. What stands below byte `skip` of the segment is left out.
    """
    i: cython.Py_ssize_t = index
    count: cython.Py_ssize_t = len(found)
    start: cython.Py_ssize_t = base
    least: cython.Py_ssize_t = skip
    ib: cython.Py_ssize_t
    number: cython.Py_ssize_t
    while i < count:
        kind, offset, size = found[i]
        number = kind
        if number == 76 or number == 77:
            break
        ib = offset
        ib -= start
        if ib >= least:
            if ib == 40:
                batch.append((place[0], place[1], kind, data, offset, size))
            else:
                batch.append((isec, ib, kind, data, offset, size))
        i += 1
    return i
