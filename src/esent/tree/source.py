"""What a tree is read from, and the checked way from a page number to a page."""

from __future__ import annotations

from typing import Protocol

from esent.constants import codes
from esent.errors import jet_error
from esent.pages.page import Page


class PageSource(Protocol):
    """Anything that gives verified page images: a database file, an overlay of a recovery, a live cache."""

    @property
    def page_size(self) -> int: ...

    def read_page(self, pgno: int) -> bytes: ...


class PageReader:
    """Pages of one source by number. Keeps up to `keep` of them, those that were asked for lately; 0 for a source whose pages
    change between two reads."""

    def __init__(self, source: PageSource, *, keep: int = 0) -> None:
        self.source = source
        self.page_size = source.page_size
        self._half = (keep + 1) // 2
        # two generations: what is asked for of the older one goes over to the newer one, the rest leaves with it
        self._kept: dict[int, Page] = {}
        self._older: dict[int, Page] = {}

    def page(self, pgno: int) -> Page:
        """The page, its tag array checked. Raises what the source raises, JET_errBadPageLink for no page number at all."""
        kept = self._kept.get(pgno)
        if kept is not None:
            return kept
        page = self._older.get(pgno)
        if page is None:
            page = self.once(pgno)
        if self._half:
            if len(self._kept) >= self._half:
                self._older = self._kept
                self._kept = {}
            self._kept[pgno] = page
        return page

    def once(self, pgno: int) -> Page:
        """As `page`, for a page that will not be asked for again soon."""
        if pgno <= 0:
            raise jet_error(codes.JET_errBadPageLink, f"a page link leads to page {pgno}")
        return Page(self.source.read_page(pgno), pgno)
