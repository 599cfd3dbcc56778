"""Databases made shorter: the free pages at the end leave the space of the database, then the file (`ShrinkDB`).

The record is durable before the file is cut: redo cuts it again, and takes records of pages that are gone as done
(`reference/log-and-recovery.md` 4.5.3, 5.4). Not while a backup is on, which reads the file up to the end it had at first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esent.constants.formats import Feature
from esent.engine.transactions import UnloggedWriter
from esent.log.records import ShrinkDB, ShrinkDB2, ShrinkDB3
from esent.pages.header import DatabaseHeader
from esent.pages.primitives import LGPOS_MIN, LogTime
from esent.tree.shrink import cut_tail, last_needed

if TYPE_CHECKING:
    from esent.engine.database import AttachedDatabase


def shrink_database(database: AttachedDatabase, pages: int) -> int:
    """Make the file `pages` long, or as near to that as its last page in use allows; its pages then.

    As long as a transaction is open that has changed something, it stays as it is.

    JET_errBackupInProgress.
    """
    instance, store = database.instance, database.store
    with instance.backup.attaching(), instance.lock:
        keep = max(pages, last_needed(store))
        # undo by recovery looks for changes on the pages where they were made: none of those may be gone
        if keep >= database.file.page_count or instance.transactions.oldest_begin() is not None:
            return database.file.page_count
        with instance.transactions.cleaning() as cleaner:
            last = cut_tail(store, cleaner if database.logged else UnloggedWriter(cleaner), keep)
        if last < database.file.page_count:
            _cut_file(database, last)
        return database.file.page_count


def _cut_file(database: AttachedDatabase, last: int) -> None:
    instance, store = database.instance, database.store
    count = database.file.page_count - last
    position = LGPOS_MIN
    if database.logged:
        record: ShrinkDB | ShrinkDB2 | ShrinkDB3
        if database.has(Feature.SHRINK_3):
            record = ShrinkDB3(database.dbid, last, count, store.dbtime)
        else:
            record = (ShrinkDB2 if database.has(Feature.SHRINK_2) else ShrinkDB)(database.dbid, last, count)
        position = instance.append(record)
        instance.flush_log(position)
    store.cache.drop(last + 1, last + count)
    with instance.gate.writing():
        database.file.resize(last)
        database.file.sync()

    def change(header: DatabaseHeader) -> None:
        header.resized_at(position)
        header.shrink_count = header.shrink_count + 1 & 0xFFFFFFFF
        header.logtime_last_shrink = LogTime.now()

    database.update_header(change)
