"""Pages of one database in memory: as they stand now, which of them the file does not have yet, and which may leave.

The cache knows nothing of logs but positions. Whoever changes a page says with `changed` since when (the begin of the
transaction) and up to where (the last record) the log describes the change. What must precede a write to the file
(`reference/log-and-recovery.md` 8.6) is the work of the callable the cache is made with.

Nobody may keep a page over a `trim`: it may be another object afterwards. `holds` tells whether a page is still the one.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from collections.abc import Callable, Iterable
from typing import Any

from esent.pages.edit import MutablePage
from esent.pages.primitives import LGPOS_MAX, LGPOS_MIN, Lgpos

FEWEST_PAGES = 64


@cython.cclass
class CachedPage(MutablePage):
    """A page in memory.

    `generation`: of the log, at its last change; `begun`: begin of the earliest transaction whose change the file may lack;
    `modified`: position of the last record about it; `pending`: versions of open transactions whose UndoInfo must precede the
    page to disk (each has an attribute `pending` that says whether that is still so).
    """

    dirty: bool
    generation: int
    begun: Lgpos
    modified: Lgpos
    pending: list[Any]
    used: bool

    @staticmethod
    def of(data: bytes, pgno: int) -> CachedPage:
        page: CachedPage = CachedPage(data, pgno)
        return page._fresh()

    @staticmethod
    def made(page_size: int, pgno: int, objid: int, flags: int, dbtime: int) -> CachedPage:
        """A page that did not exist before."""
        page: CachedPage = CachedPage.__new__(CachedPage)
        page._set_up(page_size, pgno, objid, flags, dbtime)
        return page._fresh()

    @cython.cfunc
    def _fresh(self) -> CachedPage:
        self.dirty = False
        self.generation = 0
        self.begun = LGPOS_MAX
        self.modified = LGPOS_MIN
        self.pending = []
        self.used = False
        return self


@cython.cclass
class BufferCache:
    """The pages of one database. `read(pgno)` gives a verified image, `write(pages)` brings dirty ones to the file."""

    def __init__(
        self,
        page_size: int,
        read: Callable[[int], bytes],
        write: Callable[[list[CachedPage]], None],
        *,
        limit: int,
    ) -> None:
        """`limit`: pages to keep; those changed and not writable yet may exceed it."""
        self.page_size: int = page_size
        self.limit: int = max(FEWEST_PAGES, limit)
        self.pages: dict[int, CachedPage] = {}
        self.dirty: dict[int, CachedPage] = {}
        self._read = read
        self._write = write

    @cython.ccall
    def get(self, pgno: cython.longlong) -> CachedPage:
        """The page as it stands now. Raises what reading raises."""
        page: CachedPage | None = self.pages.get(pgno)
        if page is None:
            page = self.pages[pgno] = CachedPage.of(self._read(pgno), pgno)
        else:
            page.used = True
        return page

    def read_page(self, pgno: int) -> bytes:
        """Makes the cache a page source."""
        return bytes(self.get(pgno).data)

    @cython.ccall
    def holds(self, page: CachedPage) -> cython.bint:
        """Whether this object is still the page."""
        return self.pages.get(page.pgno) is page

    def put(self, page: CachedPage) -> None:
        """A page that takes the place of whatever was there."""
        self.dirty.pop(page.pgno, None)
        self.pages[page.pgno] = page

    @cython.ccall
    def changed(self, page: CachedPage, begun: Lgpos, modified: Lgpos) -> cython.int:
        """The page holds what the log says up to `modified`, of a transaction that began at `begun`."""
        page.modified = modified
        if not page.dirty:
            page.dirty = True
            page.begun = begun
            self.dirty[page.pgno] = page
        elif begun is not page.begun and begun < page.begun:
            page.begun = begun
        return 0

    def written(self, page: CachedPage) -> None:
        """The file has the page."""
        page.dirty = False
        page.begun = LGPOS_MAX
        self.dirty.pop(page.pgno, None)

    def oldest(self) -> Lgpos:
        """Where the log must be kept from for the sake of the pages the file does not have; LGPOS_MAX for none."""
        return min((page.begun for page in self.dirty.values()), default=LGPOS_MAX)

    def flush(self, pages: Iterable[CachedPage] | None = None) -> None:
        """Write dirty pages, all by default, in the order of their numbers."""
        chosen = list(self.dirty.values()) if pages is None else [page for page in pages if page.dirty]
        if chosen:
            chosen.sort(key=lambda page: page.pgno)
            self._write(chosen)

    def trim(self) -> None:
        """Bring the cache back to its limit: pages unused since the last time leave first, dirty ones are written before."""
        if len(self.pages) > self.limit:
            self._evict(self.limit - self.limit // 8)

    def _evict(self, keep: int) -> None:
        surplus = len(self.pages) - keep
        leaving: list[CachedPage] = []
        staying: list[CachedPage] = []
        for page in self.pages.values():
            if len(leaving) == surplus:
                break
            if page.used:
                page.used = False
                staying.append(page)
            else:
                leaving.append(page)
        for page in staying:  # behind those not looked at
            self.pages[page.pgno] = self.pages.pop(page.pgno)
        if len(leaving) < surplus:
            chosen = {page.pgno for page in leaving}
            rest = (page for page in self.pages.values() if page.pgno not in chosen)
            leaving += [page for page, _ in zip(rest, range(surplus - len(leaving)), strict=False)]
        self.flush(leaving)
        for page in leaving:
            if not page.dirty:
                del self.pages[page.pgno]

    def drop(self, first: int, last: int) -> None:
        """Pages first..last are no part of the file any more."""
        for pgno in [pgno for pgno in self.pages if first <= pgno <= last]:
            del self.pages[pgno]
            self.dirty.pop(pgno, None)
