"""What can be said about the image of a page without its database."""

from __future__ import annotations

from dataclasses import dataclass

from esent.constants import codes
from esent.errors import jet_error
from esent.pages.checksum import LARGEST_SMALL_PAGE, PAGE_BLANK, PAGE_REPAIRABLE, stamp_page, verify_page

_DBTIME_OFFSET = 8
_FLAGS_OFFSET = 36
_CHECKSUM_OFFSETS_SMALL = (0,)
_CHECKSUM_OFFSETS_LARGE = (0, 40, 48, 56)


@dataclass(slots=True)
class PageState:
    """Checksums as stored and as they should be: one, or four on pages above 8 KB, that of the header first."""

    initialised: bool
    correctable: bool
    actual: list[int]
    expected: list[int]
    dbtime: int
    flags: int


def page_state(image: bytes, pgno: object) -> PageState:
    """The state of one page image that stands for page `pgno`."""
    if not isinstance(pgno, int) or not 0 <= pgno < 2**32:
        raise jet_error(codes.JET_errInvalidParameter, f"{pgno!r} is not a page number")
    status = verify_page(image, pgno)
    offsets = _CHECKSUM_OFFSETS_SMALL if len(image) <= LARGEST_SMALL_PAGE else _CHECKSUM_OFFSETS_LARGE
    stamped = stamp_page(image, pgno)
    return PageState(
        initialised=status != PAGE_BLANK,
        correctable=status == PAGE_REPAIRABLE,
        actual=[_word(image, offset) for offset in offsets],
        expected=[_word(stamped, offset) for offset in offsets],
        dbtime=_word(image, _DBTIME_OFFSET),
        flags=int.from_bytes(image[_FLAGS_OFFSET : _FLAGS_OFFSET + 4], "little"),
    )


def _word(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 8], "little")
