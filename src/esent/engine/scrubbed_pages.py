"""Pages for a backup under JET_paramZeroDatabaseDuringBackup: without what was deleted on them, and later so in the file.

Deleted nodes that nobody can see any more are removed when the first page is read. Then the bytes that belong to no node are
overwritten in what the backup gets, and on the live pages, which are written when their turn comes. Pages of trees that were
dropped keep their content until they are used again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from esent.pages.checksum import stamp_page, verify_run
from esent.pages.edit import MutablePage
from esent.pages.scrub import scrub

if TYPE_CHECKING:
    from esent.engine.database import AttachedDatabase
    from esent.engine.gates import RangeLock


class ScrubbedPages:
    """The page source of one database."""

    def __init__(self, database: AttachedDatabase) -> None:
        self.database = database
        self._remains: list[int] = []

    @contextmanager
    def hold(self, ranges: RangeLock, first: int, last: int) -> Iterator[None]:
        """Around a read: nobody writes the pages. Live pages are only touched when writers may pass again."""
        instance = self.database.instance
        with instance.lock:
            if first == 1:
                instance.cleanup.finish()
                self.database.store.flush()
            with ranges.hold(first, last):
                yield
            remains, self._remains = self._remains, []
            for pgno in remains:
                self.database.store.scrub(pgno)

    def read_pages(self, pgno: int, count: int) -> bytes:
        """As `DatabaseFile.read_pages`; pages whose checksum is wrong come as they are."""
        file = self.database.file
        data = file.read_pages(pgno, count)
        size = file.page_size
        wrong = {each for each, _ in verify_run(data, size, pgno)}
        parts: list[bytes] = []
        for number in range(len(data) // size):
            image = data[number * size : (number + 1) * size]
            if pgno + number not in wrong:
                page = MutablePage(image, pgno + number)
                if scrub(page):
                    image = stamp_page(bytes(page.data), pgno + number)
                    self._remains.append(pgno + number)
            parts.append(image)
        return b"".join(parts) + data[len(data) // size * size :]
