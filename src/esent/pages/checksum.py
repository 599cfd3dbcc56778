"""Checksums of database pages, file headers and log segments: computing, verifying in batches, single-bit repair.

Definitions: `reference/database-format.md` 2.4 and 4.4, `reference/log-and-recovery.md` 3.2.

| what               | where                     | value                                                                     |
|--------------------|---------------------------|---------------------------------------------------------------------------|
| file header        | u32 at 0                  | 0x89ABCDEF XOR all other u32 words of the page; no page number            |
| old page format    | u32 at 0, u32 at 4        | the same XOR (the page number at 4 takes part); flag 0x2000 clear, <= 8 KB |
| new page format    | u64 at 0                  | ECC << 32 | (XOR of all words ^ page number), the u64 at 0 counted as 0   |
| pages above 8 KB   | u64 at 0, 40, 48, 56      | four blocks of a quarter each; blocks 1 to 3 first, they count entirely   |
| log segment        | u64 at 0                  | the new format of a 4096-byte page; its number is the segment number      |

A bit has the index 8 * byte + bit. `low` is the XOR of the indexes of all 1-bits, `high` the XOR of their complements;
ECC = high << 16 | low. One flipped bit changes `low` by its index and `high` by the complement, which is what
repair looks for.

What other formats use:

- `header_checksum(data)`: headers of databases, logs, checkpoints, flush maps, and the trailer page of a backup.
- `segment_checksum(segment, isec)`; a segment shadows a page header (flag 0x2000 at 36), so `verify_page(segment, isec)`,
  `verify_run(segments, 4096, first_isec)`, `repair_page(segment, isec)` and `stamp_page(segment, isec)` serve segments too.
- `block_checksum(data, offset, size, number, header)`: one block of the new format.

Compiled, the words are loaded 64 bits at a time through pointers and folded level by level. Uncompiled, the same folding
runs on one big integer a block, which keeps the work inside the interpreter's C code.
"""

from __future__ import annotations

import sys

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.constants import codes
from esent.errors import jet_error

PAGE_GOOD = 0
PAGE_BLANK = 1  # all zero: never written
PAGE_BAD = 2
PAGE_REPAIRABLE = 3  # one bit (of a block) is wrong, and which one is known

MAGIC = 0x89ABCDEF
FLAGS_OFFSET = 36
NEW_FORMAT = 0x2000  # page flag: the checksum has an ECC
NEW_FORMAT_BIT = FLAGS_OFFSET * 8 + 13
LARGEST_SMALL_PAGE = 8192
PAGE_SIZES = (2048, 4096, 8192, 16384, 32768)
SEGMENT_SIZE = 4096

_BLOCK_OFFSETS = (0, 40, 48, 56)
_PGNO_OFFSET = 64
_BLANK = bytes(max(PAGE_SIZES))
_SKIPPED = bytes(8)
_POINTERS = cython.compiled and sys.byteorder == "little"
# index bit k is the parity of the halves selected by mask k, of the 32-bit XOR of a block
_MASKS = (0xAAAAAAAA, 0xCCCCCCCC, 0xF0F0F0F0, 0xFF00FF00, 0xFFFF0000)
_LOWER = {1 << k: (1 << (1 << k)) - 1 for k in range(5, 18)}


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _parity(value: cython.ulonglong) -> cython.ulonglong:
    value ^= value >> 32
    value ^= value >> 16
    value ^= value >> 8
    value ^= value >> 4
    return (0x6996 >> (value & 15)) & 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _fold(block: cython.p_ulonglong, words: cython.Py_ssize_t, header: cython.bint) -> cython.ulonglong:
    """ECC << 32 | XOR of a block of `words` 64-bit words, a power of two from 128 to 1024; no number mixed in."""
    folded = cython.declare(cython.ulonglong[512])  # type: ignore[misc,valid-type]
    half: cython.Py_ssize_t = words >> 1
    i: cython.Py_ssize_t
    upper: cython.ulonglong = 0
    low: cython.ulonglong = 0
    mask: cython.ulonglong = words * 64 - 1
    bit: cython.ulonglong = (mask + 1) >> 1
    for i in range(half):
        upper ^= block[half + i]
        folded[i] = block[i] ^ block[half + i]
    if header:
        folded[0] = block[half]
    if _parity(upper):
        low |= bit
    while half > 1:
        half >>= 1
        bit >>= 1
        upper = 0
        for i in range(half):
            upper ^= folded[half + i]
            folded[i] ^= folded[half + i]
        if _parity(upper):
            low |= bit
    low |= _parity(folded[0] >> 32) << 5
    # literals of 32 bits would be Python objects, hence the shifts
    upper = cython.cast(cython.uint, folded[0] ^ (folded[0] >> 32))
    low |= _parity(upper >> 16) << 4
    low |= _parity((upper >> 8) & 0x00FF00FF) << 3
    low |= _parity((upper >> 4) & 0x0F0F0F0F) << 2
    low |= _parity((upper >> 2) & 0x33333333) << 1
    low |= _parity((upper >> 1) & 0x55555555)
    mask = low ^ mask if _parity(upper) else low
    return (((mask << 16) | low) << 32) | upper


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _xor(words: cython.p_uint, count: cython.Py_ssize_t) -> cython.uint:
    """The header checksum of `count` 32-bit words."""
    result: cython.uint = 0x76543210  # the complement of MAGIC, which as a literal would be a Python object
    i: cython.Py_ssize_t
    for i in range(1, count):
        result ^= words[i]
    return ~result


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _status(page: cython.p_ulonglong, size: cython.Py_ssize_t, pgno: cython.ulonglong) -> cython.int:
    """PAGE_GOOD, PAGE_BLANK or PAGE_BAD for the page at `page`; whether it can be repaired is not asked."""
    words: cython.Py_ssize_t = size >> 3
    i: cython.Py_ssize_t
    if page[0] == 0:
        for i in range(1, words):
            if page[i] != 0:
                break
        else:
            return 1
    if not (page[4] >> 45) & 1:  # flag 0x2000 of the u32 at 36
        if size > 8192 or page[0] >> 32 != pgno:
            return 2
        return 0 if _xor(cython.cast(cython.p_uint, page), size >> 2) == cython.cast(cython.uint, page[0]) else 2
    if size <= 8192:
        return 0 if _fold(page, words, True) ^ pgno == page[0] else 2
    words >>= 2
    if _fold(page, words, True) ^ pgno != page[0] or cython.cast(cython.uint, page[8]) != pgno:
        return 2
    for i in range(1, 4):
        if _fold(page + i * words, words, False) ^ pgno != page[4 + i]:
            return 2
    return 0


def _fold_int(block: bytes) -> int:
    """What `_fold` computes, on one big integer; the caller has zeroed the first 8 bytes of a header block."""
    value = int.from_bytes(block, "little")
    bits = len(block) * 8
    all_ones = bits - 1
    low = 0
    while bits > 32:
        bits >>= 1
        upper = value >> bits
        value = (value & _LOWER[bits]) ^ upper
        if upper.bit_count() & 1:
            low |= bits
    for bit, mask in enumerate(_MASKS):
        low |= ((value & mask).bit_count() & 1) << bit
    high = low ^ all_ones if value.bit_count() & 1 else low
    return (high << 16 | low) << 32 | value


def _status_int(page: bytes, pgno: int) -> int:
    size = len(page)
    stored = int.from_bytes(page[:8], "little")
    if stored == 0 and page == _BLANK[:size]:
        return PAGE_BLANK
    if not page[FLAGS_OFFSET + 1] & (NEW_FORMAT >> 8):
        good = size <= LARGEST_SMALL_PAGE and stored == pgno << 32 | header_checksum(page)
        return PAGE_GOOD if good else PAGE_BAD
    block = size if size <= LARGEST_SMALL_PAGE else size >> 2
    if stored != _fold_int(_SKIPPED + page[8:block]) ^ pgno:
        return PAGE_BAD
    if size <= LARGEST_SMALL_PAGE:
        return PAGE_GOOD
    if int.from_bytes(page[_PGNO_OFFSET : _PGNO_OFFSET + 4], "little") != pgno:
        return PAGE_BAD
    for number in range(1, 4):
        place = _BLOCK_OFFSETS[number]
        if int.from_bytes(page[place : place + 8], "little") != _fold_int(page[number * block : (number + 1) * block]) ^ pgno:
            return PAGE_BAD
    return PAGE_GOOD


def _check_size(size: int) -> None:
    if size not in PAGE_SIZES:
        raise jet_error(codes.JET_errInvalidParameter, f"verifying a checksum: {size} bytes are not a page")


def header_checksum(data: bytes) -> int:
    """The 32-bit XOR checksum of a whole header page, word 0 left out. `data`: a multiple of 4 bytes."""
    if len(data) & 3 or not data:
        raise jet_error(codes.JET_errInvalidParameter, f"computing a header checksum: {len(data)} bytes are not whole words")
    if _POINTERS:
        words: cython.p_uint = cython.cast(cython.p_uint, cython.cast(cython.p_char, data))
        return _xor(words, len(data) >> 2)
    value = int.from_bytes(data, "little") >> 32
    count = (len(data) >> 2) - 1
    while count > 1:
        half = (count + 1) >> 1
        value = (value & ((1 << half * 32) - 1)) ^ (value >> half * 32)
        count = half
    return MAGIC ^ value


def block_checksum(data: bytes, offset: int, size: int, number: int, header: bool) -> int:
    """The 64-bit checksum of the block of `size` bytes (a power of two, 1024 to 8192) at `offset`.

    `number` is the page or segment number mixed in; of a `header` block the first 8 bytes count as zero.
    """
    if size not in (1024, 2048, 4096, 8192) or not 0 <= offset <= len(data) - size or offset & 7:
        raise jet_error(codes.JET_errInvalidParameter, f"computing a checksum: no block of {size} bytes at {offset}")
    if _POINTERS:
        words: cython.p_ulonglong = cython.cast(cython.p_ulonglong, cython.cast(cython.p_char, data))
        start: cython.Py_ssize_t = offset
        length: cython.Py_ssize_t = size
        mixed: cython.uint = number
        return _fold(words + (start >> 3), length >> 3, header) ^ mixed
    if header:
        return _fold_int(_SKIPPED + data[offset + 8 : offset + size]) ^ number
    return _fold_int(data[offset : offset + size]) ^ number


def segment_checksum(segment: bytes, isec: int) -> int:
    """The 64-bit checksum of one log segment of 4096 bytes; what stands at its first 8 bytes does not matter."""
    return block_checksum(segment, 0, SEGMENT_SIZE, isec, True)


def _verify_as_is(data: bytes, pgno: int) -> int:
    """As `verify_page`, without asking whether a bad page can be repaired."""
    _check_size(len(data))
    if _POINTERS:
        words: cython.p_ulonglong = cython.cast(cython.p_ulonglong, cython.cast(cython.p_char, data))
        return _status(words, len(data), pgno)
    return _status_int(data, pgno)


def verify_page(data: bytes, pgno: int) -> int:
    """PAGE_GOOD (0), PAGE_BLANK (1: all zero), PAGE_BAD (2) or PAGE_REPAIRABLE (3: one bit wrong) for one page image.

    Raises JET_errInvalidParameter if `data` has not the size of a page.
    """
    return _refined(data, pgno, _verify_as_is(data, pgno))


def verify_run(data: bytes, page_size: int, first_pgno: int) -> list[tuple[int, int]]:
    """Verify consecutive pages: (page number, status) of those that are not PAGE_GOOD.

    `data` begins with page `first_pgno`; a part of a page at its end is not looked at. Compiled, the interpreter lock is
    free while good pages pass.
    """
    _check_size(page_size)
    found: list[tuple[int, int]] = []
    size: cython.Py_ssize_t = page_size
    count: cython.Py_ssize_t = len(data) // size
    first: cython.ulonglong = first_pgno
    i: cython.Py_ssize_t = 0
    status: cython.int = 0
    if _POINTERS:
        words: cython.p_ulonglong = cython.cast(cython.p_ulonglong, cython.cast(cython.p_char, data))
        while i < count:
            with cython.nogil:
                while i < count:
                    status = _status(words + i * (size >> 3), size, first + i)
                    if status != 0:
                        break
                    i += 1
            if i < count:
                found.append((first_pgno + i, _refined(data[i * size : (i + 1) * size], first_pgno + i, status)))
                i += 1
        return found
    for i in range(count):
        page = data[i * size : (i + 1) * size]
        status = _status_int(page, first_pgno + i)
        if status != PAGE_GOOD:
            found.append((first_pgno + i, _refined(page, first_pgno + i, status)))
    return found


def _refined(page: bytes, pgno: int, status: int) -> int:
    return PAGE_REPAIRABLE if status == PAGE_BAD and wrong_bits(page, pgno) is not None else status


def wrong_bits(data: bytes, pgno: int) -> list[int] | None:
    """The indexes (8 * byte + bit, in the page) of the bits to flip to make a bad page good; None if there is no such way.

    At most one bit a block, so four on pages above 8 KB. The checksum itself and the flag of its format are never corrected.
    """
    _check_size(len(data))
    if not data[FLAGS_OFFSET + 1] & (NEW_FORMAT >> 8):
        return None
    size = len(data)
    block = size if size <= LARGEST_SMALL_PAGE else size >> 2
    page = bytearray(data)
    bits: list[int] = []
    # block 0 comes first: a repair in it may change the stored checksums of the other blocks
    for number in range(size // block):
        stored = int.from_bytes(page[_BLOCK_OFFSETS[number] : _BLOCK_OFFSETS[number] + 8], "little")
        difference = stored ^ block_checksum(bytes(page), number * block, block, pgno, number == 0)
        if not difference:
            continue
        ecc = difference >> 32
        index = ecc & 0xFFFF
        last = block * 8 - 1
        if ((ecc >> 16) ^ index) & last != last or (difference & 0xFFFFFFFF).bit_count() != 1 or index > last:
            return None
        if number == 0 and (index < 64 or index == NEW_FORMAT_BIT):
            return None
        index += number * block * 8
        page[index >> 3] ^= 1 << (index & 7)
        bits.append(index)
    repaired = bytes(page)
    good = _verify_as_is(repaired, pgno) == PAGE_GOOD
    return bits if good else None


def flip_bits(data: bytes, bits: list[int]) -> bytes:
    """`data` with the bits at these indexes flipped."""
    changed = bytearray(data)
    for index in bits:
        changed[index >> 3] ^= 1 << (index & 7)
    return bytes(changed)


def repair_page(data: bytes, pgno: int) -> bytes | None:
    """The page with its wrong bit corrected, a good page as it is; None if that is not possible."""
    bits = wrong_bits(data, pgno)
    if bits is None:
        return data if _verify_as_is(data, pgno) == PAGE_GOOD else None
    return flip_bits(data, bits)


def stamp_page(data: bytes, pgno: int) -> bytes:
    """The page with fresh checksums for the place `pgno`.

    The format is that of its flags: new where flag 0x2000 is set, else old. Pages above 8 KB know the new format only,
    which sets the flag, and carry their number.
    """
    size = len(data)
    _check_size(size)
    flagged = data[FLAGS_OFFSET + 1] & (NEW_FORMAT >> 8)
    if size <= LARGEST_SMALL_PAGE:
        if flagged:
            return block_checksum(data, 0, size, pgno, True).to_bytes(8, "little") + data[8:]
        numbered = data[:4] + pgno.to_bytes(4, "little") + data[8:]
        return header_checksum(numbered).to_bytes(4, "little") + numbered[4:]
    block = size >> 2
    page = bytearray(data)
    page[FLAGS_OFFSET + 1] |= NEW_FORMAT >> 8
    page[_PGNO_OFFSET : _PGNO_OFFSET + 4] = pgno.to_bytes(4, "little")
    for number in range(1, 4):
        place = _BLOCK_OFFSETS[number]
        page[place : place + 8] = block_checksum(data, number * block, block, pgno, False).to_bytes(8, "little")
    page[:8] = block_checksum(bytes(page), 0, block, pgno, True).to_bytes(8, "little")
    return bytes(page)
