"""When pages of a database being recovered go to disk, and in what order (`reference/log-and-recovery.md` 6.4, 8.6).

A page may be written once everything it holds is in the log and its generation lies in the range the header on disk asks for;
so the header is raised first. A page that carries a change of an open transaction whose before image is in no UndoInfo record
stays in memory during redo (nothing may be logged then); undo logs the UndoInfo, then writes.
"""

from __future__ import annotations

from collections.abc import Callable

from esent.constants.formats import Feature
from esent.pages.cache import CachedPage
from esent.pages.header import DatabaseState
from esent.pages.primitives import LogTime
from esent.recovery.cache import RecoveredDatabase
from esent.recovery.sessions import Version


class WriteBack:
    """Writes pages and headers for one recovery; knows the generation that is being replayed or written."""

    def __init__(self) -> None:
        self.generation = 0
        self.created = LogTime()
        self.log_undo_info: Callable[[CachedPage, list[Version]], None] | None = None
        self.log_flush: Callable[[], None] | None = None

    def raise_required(self, db: RecoveredDatabase) -> None:
        """Let the header say that the file may hold changes up to the current generation; durable before it returns."""
        header = db.header
        if header.dbstate == DatabaseState.CLEAN_SHUTDOWN or header.gen_max_required >= self.generation:
            return
        header.gen_max_required = self.generation
        if header.has(Feature.REQUIRED_TIME):
            header.logtime_gen_max_required = self.created
        if header.gen_max_committed <= self.generation:
            header.gen_max_committed = self.generation
            header.logtime_gen_max_create = self.created
        if not header.gen_min_required:
            header.gen_min_required = self.generation
        header.dbtime_dirtied = max(header.dbtime_dirtied, db.dbtime)
        db.write_header()

    def write(self, db: RecoveredDatabase, pages: list[CachedPage]) -> None:
        """Write those of `pages` (ascending) that may be written now."""
        ready: list[CachedPage] = []
        for page in pages:
            if page.pending:
                page.pending = [version for version in page.pending if version.pending]
                if page.pending:
                    if self.log_undo_info is None:
                        continue
                    self.log_undo_info(page, page.pending)
                    page.pending = []
            ready.append(page)
        if ready:
            if self.log_flush is not None:
                self.log_flush()
            self.raise_required(db)
            db.write(ready)

    def flush(self, db: RecoveredDatabase) -> None:
        """Write all dirty pages that may be written, and wait for the disk."""
        self.write(db, db.dirty_pages())
        db.file.sync()

    def trim(self, db: RecoveredDatabase) -> None:
        """Bring the cache back below its limit, as far as pages can be written."""
        if len(db.pages) <= db.trim_at:
            return
        oldest = list(db.pages.values())[: len(db.pages) // 2]
        self.write(db, sorted((page for page in oldest if page.dirty), key=lambda page: page.pgno))
        db.evict(db.limit // 2)
        db.trim_at = max(db.limit, len(db.pages) * 5 // 4)
