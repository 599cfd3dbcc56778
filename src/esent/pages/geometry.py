"""The page size of a database whose header is lost: the one under which its pages have right checksums."""

from __future__ import annotations

from esent.pages.checksum import PAGE_BAD, PAGE_BLANK, PAGE_SIZES, verify_page
from esent.pages.filesystem import File
from esent.pages.header import HEADER_PAGES

_FIRST_PAGES = 32  # the system's own trees are there
_SPREAD_PAGES = 96


def infer_page_size(file: File) -> int | None:
    """The size under which most of a sample of pages verify; None where no page does under any.

    The sample is the first pages and some spread over the whole file, so the cost does not grow with the file.
    """
    best, most = None, 0
    length = file.size()
    for size in PAGE_SIZES:
        count = length // size - HEADER_PAGES
        step = max(1, count // _SPREAD_PAGES)
        sample = {*range(1, min(count, _FIRST_PAGES) + 1), *range(1, count + 1, step)}
        good = 0
        for pgno in sample:
            data = file.read((pgno - 1 + HEADER_PAGES) * size, size)
            good += len(data) == size and verify_page(data, pgno) not in (PAGE_BAD, PAGE_BLANK)
        if good > most:
            best, most = size, good
    return best
