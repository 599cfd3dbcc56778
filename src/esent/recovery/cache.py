"""The pages of one database while it is being recovered: cache, the test whether a page needs a record, redo maps, write-back.

Rules: `reference/log-and-recovery.md` 5.2 (existing pages), 5.3 (new pages), 5.4 (redo maps), 8.6 (when a page may be written).
While the file may hold changes of logs that are still to come (`future`), a page may be newer than the record, or be
missing because a later shrink took it away; once that range has passed, neither may be.
"""

from __future__ import annotations

from typing import Protocol

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.pages.cache import CachedPage
from esent.pages.database_file import PGNO_MAX, DatabaseFile
from esent.pages.edit import PAGE_FLUSH_TYPE
from esent.pages.header import DatabaseState
from esent.pages.primitives import LGPOS_MIN, Signature
from esent.recovery.traces import Traces

DBTIME_LIMIT = 1 << 62
_ABSENT = frozenset({codes.JET_errPageNotInitialized, codes.JET_errFileIOBeyondEOF})
NEXT_FLUSH_TYPE = {0: 0x8000, 0x8000: 0x10000, 0x10000: 0x18000, 0x18000: 0x8000}


class RedoPages(Protocol):
    """What redo of splits, merges and new trees works on: a database being recovered, or one that is written live."""

    page_size: int

    def for_redo(self, pgno: int, dbtime: int, before: int) -> CachedPage | None:
        """The page, if the record has to be applied to it."""
        ...

    def needs_new(self, pgno: int, dbtime: int) -> bool:
        """Whether a page that a record takes into use has to be made."""
        ...

    def new_page(self, pgno: int, objid: int, flags: int, dbtime: int, generation: int) -> CachedPage: ...

    def touch(self, page: CachedPage, dbtime: int, generation: int) -> None:
        """The page now holds the change of a record."""
        ...


class RecoveredDatabase:
    """One database taking part in redo and undo."""

    def __init__(self, dbid: int, file: DatabaseFile, *, cache_bytes: int, logged_path: str) -> None:
        self.dbid = dbid
        self.file = file
        self.header = file.header
        self.logged_path = logged_path
        self.page_size = file.page_size
        self.limit = self.trim_at = max(64, cache_bytes // file.page_size)
        self.pages: dict[int, CachedPage] = {}
        self.absent: dict[int, JetError] = {}  # the redo maps: pages whose records are skipped, and what was wrong
        self.future = False
        self.attach = LGPOS_MIN
        self.dbtime = 0
        self.objid = 0
        self.pages_written = 0
        self.traces = Traces()
        self._growth_limit: int | None = None  # in pages; found when the file first grows

    # what redo asks for

    def for_redo(self, pgno: int, dbtime: int, before: int) -> CachedPage | None:
        """The page if the record (`dbtime`, on a page of dbtime `before`) must be applied to it; None if not.

        Raises JET_errDbTimeTooNew, JET_errDbTimeTooOld, JET_errDbTimeBeyondMaxRequired, JET_errPageNotInitialized,
        JET_errFileIOBeyondEOF, JET_errReadVerifyFailure where page and log do not belong together.
        """
        page = self.pages.get(pgno)
        if page is None:
            if pgno in self.absent:
                return None
            try:
                page = self.load(pgno)
            except JetError as problem:
                if self.future and problem.code in _ABSENT:
                    self.absent[pgno] = problem
                    return None
                raise
        now = page.dbtime
        if now == before:
            return page
        if now >= dbtime:
            if not self.future:
                raise self._mismatch(codes.JET_errDbTimeBeyondMaxRequired, pgno, now, before, dbtime)
            return None
        if now < before:
            too_old = self._mismatch(codes.JET_errDbTimeTooOld, pgno, now, before, dbtime)
            if not self.future:
                raise too_old
            if not page.dirty:
                del self.pages[pgno]
            self.absent[pgno] = too_old
            return None
        raise self._mismatch(codes.JET_errDbTimeTooNew, pgno, now, before, dbtime)

    def _mismatch(self, code: int, pgno: int, now: int, before: int, dbtime: int) -> JetError:
        what = f"the page has dbtime {now}, the log record takes it from {before} to {dbtime}"
        return jet_error(code, what, file=self.file.path, page=pgno)

    def is_absent(self, pgno: int) -> bool:
        """Whether records of this page are skipped altogether, versions included."""
        return pgno in self.absent

    def needs_new(self, pgno: int, dbtime: int) -> bool:
        """Whether a page that a record takes into use must be made: always, unless the file may already have it."""
        if not 1 <= pgno <= PGNO_MAX or (not self.future and pgno > self.file.page_count):
            raise jet_error(codes.JET_errFileIOBeyondEOF, "the log uses a page behind the end", file=self.file.path, page=pgno)
        if not self.future:
            return True
        self.require_room(pgno)
        page = self.pages.get(pgno)
        if page is None:
            try:
                page = self.load(pgno)
            except JetError:
                return True
        return page.dbtime < dbtime

    def require_room(self, page_count: int) -> None:
        """Whether the file may grow to so many pages: JET_errDiskFull where they would not fit on its disk.

        The original writes the pages it adds. Here they take no room until they are used, so that a log could ask for more
        than any disk has.
        """
        present = self.file.page_count
        if page_count <= present:
            return
        if self._growth_limit is None:
            self._growth_limit = present + self.file.files.free_bytes(self.file.path) // self.page_size
        if page_count > self._growth_limit:
            what = f"growing a database of {present} pages to {page_count}"
            raise jet_error(codes.JET_errDiskFull, what, file=self.file.path)

    def new_page(self, pgno: int, objid: int, flags: int, dbtime: int, generation: int) -> CachedPage:
        """A fresh page in the place of whatever was there."""
        page = CachedPage.made(self.page_size, pgno, objid, flags, dbtime)
        page.dirty = True
        page.generation = generation
        self.absent.pop(pgno, None)
        self.pages[pgno] = page
        return page

    def touch(self, page: CachedPage, dbtime: int, generation: int) -> None:
        """The page now holds the change of a record."""
        page.changed(dbtime)
        page.dirty = True
        page.generation = generation

    def saw(self, dbtime: int, objid: int) -> None:
        """The log has come to this dbtime and this object number."""
        if dbtime > self.dbtime:
            self.dbtime = dbtime
        if objid > self.objid:
            self.objid = objid

    def load(self, pgno: int) -> CachedPage:
        """The page as it is in the file, verified, and now in the cache."""
        if pgno < 1:
            raise jet_error(codes.JET_errFileIOBeyondEOF, "there is no such page", file=self.file.path, page=pgno)
        page = self.pages[pgno] = CachedPage.of(self.file.read_page(pgno), pgno)
        return page

    def get(self, pgno: int) -> CachedPage:
        """The page as it stands now."""
        page = self.pages.get(pgno)
        return page if page is not None else self.load(pgno)

    def read_page(self, pgno: int) -> bytes:
        """Makes the database a page source for read cursors."""
        return bytes(self.get(pgno).data)

    def forget(self, first: int, last: int) -> None:
        """Pages first..last were cut off or zeroed: drop them from cache and maps."""
        for table in (self.pages, self.absent):
            if last - first < len(table):
                for pgno in range(first, last + 1):
                    table.pop(pgno, None)
            else:
                for pgno in [pgno for pgno in table if first <= pgno <= last]:
                    del table[pgno]

    def verify_maps(self) -> None:
        """Redo has left the required range: every page that was skipped must have been excused since."""
        for pgno in sorted(self.absent):
            raise self.absent[pgno]

    # writing

    def dirty_pages(self) -> list[CachedPage]:
        return sorted((page for page in self.pages.values() if page.dirty), key=lambda page: page.pgno)

    def write(self, pages: list[CachedPage]) -> None:
        """Write pages, in order of their numbers. The caller has seen to log, UndoInfo and the required range in the header."""
        if not pages:
            return
        for page in pages:
            page.flags = page.flags & ~PAGE_FLUSH_TYPE | NEXT_FLUSH_TYPE[page.flags & PAGE_FLUSH_TYPE]
            self.file.write_page(page.pgno, bytes(page.data))
            page.dirty = False
        self.pages_written += len(pages)

    def write_header(self) -> None:
        """Both copies, durable; the flush map no longer belongs to the file."""
        self.header.sign_flush_map_hdr_flush = Signature()
        self.file.write_header(self.header)

    @property
    def is_new(self) -> bool:
        """Whether its creation has not finished."""
        return self.header.dbstate == DatabaseState.JUST_CREATED

    def evict(self, keep: int) -> None:
        """Drop clean pages, oldest first, until `keep` are left."""
        surplus = len(self.pages) - keep
        if surplus <= 0:
            return
        leaving = [page for page in self.pages.values() if not page.dirty][:surplus]
        self.traces.note(leaving)
        for page in leaving:
            del self.pages[page.pgno]
