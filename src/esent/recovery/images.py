"""Difference images of ReplaceD, and page images of Split2 and Merge2 (`reference/log-and-recovery.md` 4.6, 4.7).

| entry of a difference | bytes                                                                                        |
|-----------------------|----------------------------------------------------------------------------------------------|
| header, narrow        | u16: bits 0-12 offset in the old data, flags 0x2000 same length, 0x4000 insert, 0x8000 long   |
| header, wide          | u16 offset, u8: 0x20 same length, 0x40 insert, 0x80 long                                      |
| lengths               | (two bytes if long) of the new bytes; of the old bytes too, unless "same length" or "insert"  |
| new bytes             |                                                                                              |

| page image            | how it is made whole                                                                         |
|-----------------------|----------------------------------------------------------------------------------------------|
| compressed            | scheme byte, u16 size, XPRESS stream                                                         |
| dehydrated            | its tag array (4 bytes a tag) goes back to the end of the page, cbFree grows by the gap       |
"""

from __future__ import annotations

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.log.kinds import IMAGE_COMPRESSED, IMAGE_DEHYDRATED
from esent.records.compression import compress, decompress

_SAME_LENGTH = 0x20
_INSERT = 0x40
_TWO_BYTE = 0x80
_SMALL_PAGE = 8192  # pages up to this size have the short header
_SMALL_HEADER, _LARGE_HEADER = 40, 80


def apply_difference(old: bytes, difference: bytes, *, wide: bool, new_size: int) -> bytes:
    """The new data. JET_errLogFileCorrupt where an entry leaves its bounds, JET_errLogCorrupted for a wrong size."""
    parts: list[bytes] = []
    cursor = at = 0
    end = len(difference)
    head = 3 if wide else 2
    while at < end:
        if at + head > end:
            raise _corrupt(at)
        word = difference[at] | difference[at + 1] << 8
        if wide:
            offset, flags = word, difference[at + 2]
        else:
            offset, flags = word & 0x1FFF, word >> 8 & 0xE0
        at += head
        width = 2 if flags & _TWO_BYTE else 1
        count = 1 if flags & (_SAME_LENGTH | _INSERT) else 2
        if at + width * count > end:
            raise _corrupt(at)
        new = int.from_bytes(difference[at : at + width], "little")
        gone = 0 if flags & _INSERT else new
        if count == 2:
            gone = int.from_bytes(difference[at + width : at + 2 * width], "little")
        at += width * count
        if at + new > end or offset < cursor or offset + gone > len(old):
            raise _corrupt(at)
        parts.append(old[cursor:offset])
        parts.append(difference[at : at + new])
        cursor = offset + gone
        at += new
    parts.append(old[cursor:])
    data = b"".join(parts)
    if len(data) != new_size:
        raise jet_error(codes.JET_errLogCorrupted, f"a difference gives {len(data)} bytes where the record says {new_size}")
    return data


def _corrupt(at: int) -> JetError:
    return jet_error(codes.JET_errLogFileCorrupt, "an entry of a difference leaves its bounds", offset=at)


def logged_image(page: bytes) -> tuple[bytes, int]:
    """A whole page as it goes into the log, and its flags: without the gap before the tags, and compressed where that pays."""
    flags = 0
    image = page
    header = _SMALL_HEADER if len(page) <= _SMALL_PAGE else _LARGE_HEADER
    free, used = int.from_bytes(page[28:30], "little"), int.from_bytes(page[32:34], "little")
    tags = 4 * (int.from_bytes(page[34:36], "little") & 0xFFF)
    body = header + used
    gap = len(page) - tags - body
    if 0 < gap <= free:
        image = page[:28] + (free - gap).to_bytes(2, "little") + page[30:body] + page[len(page) - tags :]
        flags = IMAGE_DEHYDRATED
    small = compress(image)
    if small is not None and len(small) < len(image):
        return small, flags | IMAGE_COMPRESSED
    return image, flags


def page_ends(page: bytes | bytearray, dbtime: int) -> tuple[bytes, bytes]:
    """A page at a dbtime as a move has it in the log: what is before the gap that its free space makes, and what is behind."""
    header = _SMALL_HEADER if len(page) <= _SMALL_PAGE else _LARGE_HEADER
    body = header + int.from_bytes(page[32:34], "little")
    tags = len(page) - 4 * (int.from_bytes(page[34:36], "little") & 0xFFF)
    return bytes(page[:8]) + dbtime.to_bytes(8, "little") + bytes(page[16:body]), bytes(page[tags:])


def restore_image(image: bytes, flags: int, page_size: int, pgno: int) -> bytes:
    """The whole page of a logged image. JET_errLogFileCorrupt where it does not make one."""
    if flags & IMAGE_COMPRESSED:
        try:
            image = decompress(image)
        except JetError as problem:
            raise jet_error(codes.JET_errLogFileCorrupt, f"a page image: {problem.message}", page=pgno) from problem
    if flags & IMAGE_DEHYDRATED and 40 <= len(image) < page_size:
        tags = 4 * (int.from_bytes(image[34:36], "little") & 0xFFF)
        gap = page_size - len(image)
        free = int.from_bytes(image[28:30], "little") + gap
        if tags <= len(image) - 40 and free < 0x10000:
            body = len(image) - tags
            image = image[:28] + free.to_bytes(2, "little") + image[30:body] + bytes(gap) + image[body:]
    if len(image) != page_size:
        raise jet_error(codes.JET_errLogFileCorrupt, f"a page image of {len(image)} bytes", page=pgno)
    return image
