"""Compression of long values: 7-bit packing, XPRESS (plain LZ77), LZ4 blocks.

Layout (`reference/records-and-indexes.md` 4): the first byte holds the scheme in bits 3 to 7 and scheme data in bits 0 to 2.

| scheme | byte     | then                                                                                               |
|--------|----------|----------------------------------------------------------------------------------------------------|
| 1      | 08 to 0F | 7-bit groups, least significant bit first, one a byte; low bits: used bits of the last byte - 1    |
| 2      | 10 to 17 | the same, one group a UTF-16 unit                                                                   |
| 3      | 18       | u16 plain length, XPRESS stream                                                                    |
| 4      | 20       | filler of a destroyed chunk; stands for nothing                                                    |
| 5, 6   | 28, 30   | XPRESS9, XPRESS10: not decodable from public material, and no file of Windows has them             |
| 7      | 38       | u16 plain length, one LZ4 block                                                                    |

XPRESS stream: 32-bit flag words, most significant bit first, each followed by its items: 0 a literal byte, 1 a match, u16
(distance - 1) << 3 | (length - 3), longer lengths in a shared nibble, then a byte, then a u16.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.constants import codes
from esent.errors import JetError, jet_error

SCHEME_7BIT_ASCII = 1
SCHEME_7BIT_UNICODE = 2
SCHEME_XPRESS = 3
SCHEME_SCRUB = 4
SCHEME_XPRESS9 = 5
SCHEME_XPRESS10 = 6
SCHEME_LZ4 = 7
MINIMUM_FOR_XPRESS = 1024

_NAMES = {SCHEME_XPRESS9: "XPRESS9", SCHEME_XPRESS10: "XPRESS10"}
_LARGEST = 0xFFFF
_XPRESS_HEADER = 3
_SMALLEST_STREAM = 8
# entries of the encoder's table of recent positions, and how many of one kind it looks at
_HASH_SIZE = 4096
_LOOKS = 24


def _failed(what: str) -> JetError:
    return jet_error(codes.JET_errDecompressionFailed, f"decompressing: {what}")


def decompressed_size(data: bytes) -> int:
    """The length of what `decompress(data)` gives, without decompressing; JET_errDecompressionFailed as there."""
    if not data:
        raise _failed("no scheme byte")
    scheme = data[0] >> 3
    if scheme in (SCHEME_7BIT_ASCII, SCHEME_7BIT_UNICODE):
        if len(data) < 2:
            raise _failed("no packed characters")
        groups = ((len(data) - 2) * 8 + (data[0] & 7) + 1) // 7
        return groups if scheme == SCHEME_7BIT_ASCII else groups * 2
    if scheme in (SCHEME_XPRESS, SCHEME_LZ4):
        if len(data) < _XPRESS_HEADER:
            raise _failed("the plain length is cut off")
        return data[1] | data[2] << 8
    if scheme == SCHEME_SCRUB:
        return 0
    if scheme in _NAMES:
        raise _failed(f"{_NAMES[scheme]} (scheme byte {data[0]:#04x}) cannot be decoded")
    raise _failed(f"unknown scheme byte {data[0]:#04x}")


def decompress(data: bytes) -> bytes:
    """The plain bytes of a compressed value or chunk, scheme byte included in `data`.

    Raises JET_errDecompressionFailed for damaged data and for schemes that cannot be decoded.
    """
    size = decompressed_size(data)
    scheme = data[0] >> 3
    if scheme == SCHEME_7BIT_ASCII:
        return _unpack_groups(data, size, 1)
    if scheme == SCHEME_7BIT_UNICODE:
        return _unpack_groups(data, size >> 1, 2)
    if scheme == SCHEME_SCRUB:
        return b""
    stream = data[_XPRESS_HEADER:]
    if scheme == SCHEME_LZ4:
        return lz4_decompress(stream, size)
    # an encoder that gained nothing would have stored the plain bytes
    return stream if len(stream) == size else xpress_decompress(stream, size)


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _unpack_groups(data: bytes, groups: cython.Py_ssize_t, width: cython.Py_ssize_t) -> bytes:
    """`groups` 7-bit groups from the second byte on, each made a little-endian unit of `width` bytes."""
    out: bytearray = bytearray(groups * width)
    held: cython.uint = 0
    bits: cython.int = 0
    source: cython.Py_ssize_t = 1
    i: cython.Py_ssize_t
    for i in range(groups):
        if bits < 7:
            held |= data[source] << bits
            source += 1
            bits += 8
        out[i * width] = held & 0x7F
        held >>= 7
        bits -= 7
    return bytes(out)


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _pack_groups(data: bytes, groups: cython.Py_ssize_t, width: cython.Py_ssize_t, scheme: cython.int) -> bytes:
    out: bytearray = bytearray(1 + (7 * groups + 7) // 8)
    held: cython.uint = 0
    bits: cython.int = 0
    target: cython.Py_ssize_t = 1
    i: cython.Py_ssize_t
    for i in range(groups):
        held |= data[i * width] << bits
        bits += 7
        if bits >= 8:
            out[target] = held & 0xFF
            target += 1
            held >>= 8
            bits -= 8
    if bits:
        out[target] = held & 0xFF
    out[0] = scheme << 3 | ((7 * groups - 1) & 7)
    return bytes(out)


def pack_ascii(data: bytes) -> bytes | None:
    """`data` in scheme 1, None where a byte is 0x80 or above, or there is none."""
    if not data or not data.isascii():
        return None
    return _pack_groups(data, len(data), 1, SCHEME_7BIT_ASCII)


def pack_unicode(data: bytes) -> bytes | None:
    """`data` (UTF-16LE) in scheme 2, None where a unit is 0x80 or above, the length is odd, or there is none."""
    if not data or len(data) & 1 or any(data[1::2]) or not data[::2].isascii():
        return None
    return _pack_groups(data, len(data) >> 1, 2, SCHEME_7BIT_UNICODE)


@cython.boundscheck(False)
@cython.wraparound(False)
def xpress_decompress(stream: bytes, size: int) -> bytes:
    """`size` plain bytes (at most 65535) out of an XPRESS stream; JET_errDecompressionFailed where it does not hold them."""
    if not 0 <= size <= _LARGEST:
        raise _failed(f"{size} bytes from one stream")
    out: bytearray = bytearray(size)
    goal: cython.Py_ssize_t = size
    limit: cython.Py_ssize_t = len(stream)
    source: cython.Py_ssize_t = 0
    done: cython.Py_ssize_t = 0
    nibble: cython.Py_ssize_t = -1
    flags: cython.uint = 0
    left: cython.int = 0
    distance: cython.Py_ssize_t
    length: cython.Py_ssize_t
    word: cython.int
    i: cython.Py_ssize_t
    while done < goal:
        if left == 0:
            if source + 4 > limit:
                raise _failed("the stream ends before the data")
            word = stream[source + 2] | stream[source + 3] << 8
            flags = stream[source] | stream[source + 1] << 8
            flags |= cython.cast(cython.uint, word) << 16
            source += 4
            left = 32
        left -= 1
        if not (flags >> left) & 1:
            if source >= limit:
                raise _failed("the stream ends before the data")
            out[done] = stream[source]
            source += 1
            done += 1
            continue
        if source + 2 > limit:
            raise _failed("the stream ends before the data")
        word = stream[source] | stream[source + 1] << 8
        source += 2
        distance = (word >> 3) + 1
        length = word & 7
        if length == 7:
            if nibble < 0:
                if source >= limit:
                    raise _failed("the stream ends before the data")
                nibble = source
                source += 1
                length = stream[nibble] & 15
            else:
                length = stream[nibble] >> 4
                nibble = -1
            if length == 15:
                if source >= limit:
                    raise _failed("the stream ends before the data")
                length = stream[source]
                source += 1
                if length == 255:
                    if source + 2 > limit:
                        raise _failed("the stream ends before the data")
                    length = stream[source] | stream[source + 1] << 8
                    source += 2
                    if length < 277:
                        raise _failed("a length is given in a longer form than it needs")
                    length -= 22
                length += 15
            length += 7
        length += 3
        if distance > done or length > goal - done:
            raise _failed("a match reaches outside the data")
        if cython.compiled:
            for i in range(done, done + length):
                out[i] = out[i - distance]
        else:
            pattern = out[done - distance : min(done, done - distance + length)]
            out[done : done + length] = (pattern * (length // distance + 1))[:length]
        done += length
    return bytes(out)


@cython.boundscheck(False)
@cython.wraparound(False)
def xpress_compress(data: bytes) -> bytes | None:
    """The XPRESS stream of `data`, such that the decoder of Windows takes it; None where it would not be shorter.

    Greedy, with the longest of the last few matches; `data` of at most 65535 bytes.
    """
    if not _SMALLEST_STREAM < len(data) <= _LARGEST:
        return None
    count: cython.Py_ssize_t = len(data)
    matchable: cython.Py_ssize_t = count - 8  # the last 8 bytes are literals
    # u16 each, 0 none, else a position + 1: the newest of a slot, and the one before a position in its slot
    latest: bytearray = bytearray(2 * _HASH_SIZE)
    before: bytearray = bytearray(2 * count)
    out: bytearray = bytearray(4)
    flags: cython.uint = 0
    used: cython.int = 0
    word_at: cython.Py_ssize_t = 0
    nibble: cython.Py_ssize_t = -1
    i: cython.Py_ssize_t = 0
    candidate: cython.Py_ssize_t
    best: cython.Py_ssize_t
    best_at: cython.Py_ssize_t
    length: cython.Py_ssize_t
    rest: cython.Py_ssize_t
    end: cython.Py_ssize_t
    looks: cython.int
    slot: cython.uint
    word: cython.uint
    while i < count:
        best = 2
        best_at = 0
        if i + 3 <= matchable:
            slot = _slot(data, i)
            candidate = _get(latest, slot) - 1
            looks = _LOOKS
            while candidate >= 0 and i - candidate <= 8192 and looks > 0:
                if i + best < matchable and data[candidate + best] == data[i + best]:
                    length = 0
                    while i + length < matchable and data[candidate + length] == data[i + length]:
                        length += 1
                    if length > best:
                        best = length
                        best_at = candidate
                candidate = _get(before, candidate) - 1
                looks -= 1
        flags <<= 1
        if best < 3:
            out.append(data[i])
            end = i + 1
        else:
            flags |= 1
            end = i + best
            rest = best - 3
            word = cython.cast(cython.uint, ((i - best_at - 1) << 3) | (rest if rest < 7 else 7))
            out.append(word & 0xFF)
            out.append(word >> 8)
            if rest >= 7:
                rest -= 7
                if nibble < 0:
                    nibble = len(out)
                    out.append(rest if rest < 15 else 15)
                else:
                    out[nibble] |= (rest if rest < 15 else 15) << 4
                    nibble = -1
                if rest >= 15:
                    rest -= 15
                    if rest < 255:
                        out.append(rest)
                    else:
                        rest += 22
                        out.append(255)
                        out.append(rest & 0xFF)
                        out.append(rest >> 8)
        while i < end:
            if i + 3 <= count:
                slot = _slot(data, i)
                before[2 * i] = latest[2 * slot]
                before[2 * i + 1] = latest[2 * slot + 1]
                latest[2 * slot] = (i + 1) & 0xFF
                latest[2 * slot + 1] = (i + 1) >> 8
            i += 1
        used += 1
        if used == 32:
            _put_flags(out, word_at, flags)
            word_at = len(out)
            out += b"\0\0\0\0"
            flags = 0
            used = 0
        if len(out) >= count:
            return None
    # filler bits of 1: the reference decoder wants to meet a match flag just behind the data
    for _filler in range(32 - used):
        flags = (flags << 1) | 1
    _put_flags(out, word_at, flags)
    return bytes(out) if _SMALLEST_STREAM <= len(out) < count else None


@cython.cfunc
@cython.inline
@cython.boundscheck(False)
@cython.wraparound(False)
def _slot(data: bytes, i: cython.Py_ssize_t) -> cython.uint:
    """Where the encoder keeps the positions of the three bytes at `i`."""
    return ((data[i] << 8) ^ (data[i + 1] << 4) ^ data[i + 2]) & 0xFFF


@cython.cfunc
@cython.inline
@cython.boundscheck(False)
@cython.wraparound(False)
def _get(table: bytearray, index: cython.Py_ssize_t) -> cython.Py_ssize_t:
    low: cython.Py_ssize_t = table[2 * index]
    high: cython.Py_ssize_t = table[2 * index + 1]
    return low | high << 8


@cython.cfunc
def _put_flags(out: bytearray, place: cython.Py_ssize_t, flags: cython.uint) -> None:
    out[place] = flags & 0xFF
    out[place + 1] = (flags >> 8) & 0xFF
    out[place + 2] = (flags >> 16) & 0xFF
    out[place + 3] = flags >> 24 & 0xFF


def lz4_decompress(block: bytes, size: int) -> bytes:
    """`size` plain bytes (at most 65535) out of one raw LZ4 block; JET_errDecompressionFailed where it does not hold them."""
    if not 0 <= size <= _LARGEST:
        raise _failed(f"{size} bytes from one block")
    out = bytearray()
    limit = len(block)
    source = 0
    while source < limit:
        token = block[source]
        source += 1
        length, source = _lz4_length(block, source, token >> 4)
        if source + length > limit or len(out) + length > size:
            raise _failed("literals reach outside the data")
        out += block[source : source + length]
        source += length
        if source == limit:
            break
        if source + 2 > limit:
            raise _failed("the block ends inside a match")
        distance = block[source] | block[source + 1] << 8
        length, source = _lz4_length(block, source + 2, token & 15)
        length += 4
        if not 0 < distance <= len(out) or len(out) + length > size:
            raise _failed("a match reaches outside the data")
        pattern = out[len(out) - distance : len(out) - distance + length]
        out += (pattern * (length // distance + 1))[:length]
    if len(out) != size:
        raise _failed(f"{len(out)} bytes instead of {size}")
    return bytes(out)


def _lz4_length(block: bytes, source: int, length: int) -> tuple[int, int]:
    if length < 15:
        return length, source
    while source < len(block):
        more = block[source]
        source += 1
        length += more
        if more < 255:
            return length, source
    raise _failed("the block ends inside a length")


@cython.boundscheck(False)
@cython.wraparound(False)
def looks_random(data: bytes) -> bool:
    """The filter that spares compressing what will not get smaller: chi-square of the first 1024 bytes below 500."""
    count: cython.int = min(len(data), 1024)
    i: cython.int
    squares: cython.double = 0
    expected: cython.double = count / 256
    if count < 128:
        return False
    if not cython.compiled:
        sample = data[:1024]
        return sum((sample.count(value) - expected) ** 2 for value in range(256)) / expected < 500
    counts = cython.declare(cython.int[256])  # type: ignore[misc,valid-type]
    for i in range(256):
        counts[i] = 0
    for i in range(count):
        counts[data[i]] += 1
    for i in range(256):
        squares += (counts[i] - expected) * (counts[i] - expected)
    return squares / expected < 500


def compress(data: bytes, *, minimum_for_xpress: int = MINIMUM_FOR_XPRESS) -> bytes | None:
    """`data` compressed as the engine would, scheme byte included; None where it stores it plain.

    `minimum_for_xpress` is JET_paramMinDataForXpress. Schemes 1 to 3 only, which every engine reads.
    """
    if not data or looks_random(data):
        return None
    packed = pack_unicode(data)
    if len(data) >= minimum_for_xpress:
        stream = xpress_compress(data)
        if stream is not None and len(stream) + _XPRESS_HEADER < len(data):
            whole = bytes((SCHEME_XPRESS << 3, len(data) & 0xFF, len(data) >> 8)) + stream
            return packed if packed is not None and len(packed) < len(whole) else whole
    if packed is None:
        packed = pack_ascii(data)
    return packed if packed is not None and len(packed) < len(data) else None
