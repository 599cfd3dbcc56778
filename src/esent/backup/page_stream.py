"""A database as a backup delivers it: two copies of the header, pages 1..N as they are on disk, the trailer page.

Every page is verified before it is handed out; a single wrong bit is corrected in the stream, a page that stays bad is an
error. A range of pages is read under the range lock of the database, so that no page of it is half written. Sizes and
argument rules: `reference/backup-and-restore.md` 4.1-4.3.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.pages.checksum import repair_page, verify_run

if TYPE_CHECKING:
    from esent.backup.host import BackupDatabase

HEADER_PAGES = 2
FIRST_READ_PAGES = 3
"""The first read of a database has to have room for both headers and a page."""
RETRIES = 16
RETRY_STEP = 0.1
"""A read that failed is repeated 16 times, after 0.1 s, 0.2 s, ... 1.6 s."""
RANGE_BYTES = 1 << 20
"""Pages read under one range lock: write-back of a page never waits longer than for this much."""
NEVER_WRITTEN = 1
REPAIRABLE = 3


class PageStream:
    """The bytes of one database, in file order. `size` and `position` count bytes; `complete` once all were read;
    `sectioned` if it began behind the start."""

    def __init__(
        self,
        database: BackupDatabase,
        page_size: int,
        header: bytes,
        trailer: Callable[[], bytes],
        *,
        start: int = 0,
        give_up: Callable[[], bool] = lambda: False,
    ) -> None:
        """`header` is one page, sent twice; `trailer` is asked for its page when the last database page was read;
        `start` is the byte to begin at (a multiple of the page size); `give_up` ends the retries of a bad page."""
        self.database = database
        self.path = database.path
        self.page_size = page_size
        self.last_pgno = database.last_pgno()
        self.size = (self.last_pgno + HEADER_PAGES + 1) * page_size
        self.sectioned = start > 0
        self.started = self.sectioned
        self.position = start
        self._header = header
        self._trailer = trailer
        self._give_up = give_up

    @property
    def complete(self) -> bool:
        return self.position >= self.size

    def check_count(self, count: int) -> None:
        """The size a caller may ask for: whole pages, not none, and three at first (JET_errInvalidParameter)."""
        if count <= 0 or count % self.page_size:
            raise jet_error(
                codes.JET_errInvalidParameter,
                f"reading {count} bytes of a database, which is not a positive multiple of its page size {self.page_size}",
                file=self.path,
            )
        if not self.started and count < FIRST_READ_PAGES * self.page_size:
            raise jet_error(
                codes.JET_errInvalidParameter,
                f"the first read of a database has to be of at least {FIRST_READ_PAGES} pages",
                file=self.path,
            )

    def read(self, count: int) -> bytes:
        """The next bytes: `count` of them, or what is left; b"" at the end. Pages that stay bad raise, and nothing advances."""
        self.check_count(count)
        count = min(count, self.size - self.position)
        if not count:
            return b""
        parts: list[bytes] = []
        page = self.position // self.page_size
        end = (self.position + count) // self.page_size
        while page < min(end, HEADER_PAGES):
            parts.append(self._header)
            page += 1
        pages_end = self.last_pgno + HEADER_PAGES
        step = max(1, RANGE_BYTES // self.page_size)
        while page < min(end, pages_end):
            last = min(end, pages_end, page + step)
            parts.append(self._pages(page - HEADER_PAGES + 1, last - page))
            page = last
        if page < end:
            parts.append(self._trailer())
        self.started = True
        self.position += count
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _pages(self, first: int, count: int) -> bytes:
        """Pages first..first+count-1, verified; repeated after a pause while they are not good."""
        for attempt in range(1, RETRIES + 2):
            try:
                with self.database.page_range_lock(first, first + count - 1):
                    data = self.database.page_source.read_pages(first, count)
                return self._verified(data, first, count)
            except JetError:
                if attempt > RETRIES or self._give_up():
                    raise
                time.sleep(RETRY_STEP * attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _verified(self, data: bytes, first: int, count: int) -> bytes:
        size = self.page_size
        if len(data) != count * size:
            raise jet_error(
                codes.JET_errFileIOBeyondEOF,
                "the database file ends before the page",
                file=self.path,
                page=first + len(data) // size,
            )
        wrong = [(pgno, status) for pgno, status in verify_run(data, size, first) if status != NEVER_WRITTEN]
        if not wrong:
            return data
        repaired = bytearray(data)
        for pgno, status in wrong:
            start = (pgno - first) * size
            good = repair_page(data[start : start + size], pgno) if status == REPAIRABLE else None
            if good is None:
                raise jet_error(
                    codes.JET_errReadVerifyFailure,
                    "a page to back up does not have its checksum",
                    file=self.path,
                    page=pgno,
                    offset=(pgno - 1 + HEADER_PAGES) * size,
                )
            repaired[start : start + size] = good
        return bytes(repaired)
