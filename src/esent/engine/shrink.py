"""Databases made shorter: what is at the end moves to free pages in front (`PageMove`), an extent at a time; then the free
pages at the end leave the space of the database, and the file (`ShrinkDB`).

The record is durable before the file is cut: redo cuts it again, and takes records of pages that are gone as done
(`reference/log-and-recovery.md` 4.5.3, 5.4). Not while a backup is on, which reads the file up to the end it had at first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esent.catalog.schema import Catalog
from esent.constants.formats import Feature
from esent.engine.leftovers import Forest
from esent.engine.transactions import UnloggedWriter, Writer
from esent.errors import JetError
from esent.log.records import ShrinkDB, ShrinkDB2, ShrinkDB3
from esent.pages.header import DatabaseHeader
from esent.pages.primitives import LGPOS_MIN, LogTime
from esent.tree.allocate import DATABASE_ROOT
from esent.tree.live import TreeName
from esent.tree.move import move_page
from esent.tree.shrink import cut_tail, extent_at, is_bound, last_needed
from esent.tree.space import Extent

if TYPE_CHECKING:
    from esent.engine.database import AttachedDatabase


_PORTION = 16  # pages moved without letting anybody in


def clear_tail(database: AttachedDatabase, pages: int) -> None:
    """Move pages of trees from behind page `pages` to free ones in front, as long as that frees the end of the database.

    It ends where a root or a page of a space tree is in the way, and where there is no room in front.

    JET_errBackupInProgress.
    """
    instance = database.instance
    before: Extent | None = None
    while (found := _end_to_clear(database, pages)) is not None and found[1] != before:
        forest, last = found
        for start in range(last.last, last.first - 1, -_PORTION):
            with instance.backup.attaching(), instance.lock:
                if not _is_free(database):
                    return
                with instance.transactions.cleaning() as cleaner:
                    writer = cleaner if database.logged else UnloggedWriter(cleaner)
                    for pgno in range(start, max(start - _PORTION, last.first - 1), -1):
                        _move(database, writer, forest, pgno, last.first)
        before = last


def _end_to_clear(database: AttachedDatabase, pages: int) -> tuple[Forest, Extent] | None:
    """The trees there are, and the extent of a table that ends the database; None where that is short enough, or where the end
    cannot move."""
    store = database.store
    with database.instance.lock:
        if not _is_free(database):
            return None
        last = last_needed(store)
        if last <= pages:
            return None
        forest = Forest.of(Catalog.load(store))
        extent = extent_at(store, forest.below[DATABASE_ROOT], last)
        if extent is None or is_bound(store, [DATABASE_ROOT, *forest.roots.values()], extent):
            return None
        return forest, extent


def _is_free(database: AttachedDatabase) -> bool:
    """Whether the database is still in use, and nobody is changing it in a transaction."""
    instance = database.instance
    if instance.terminating or instance.service_stopped or instance.unavailable is not None or instance.log_failed:
        return False
    return database in instance.databases.all() and instance.transactions.oldest_begin() is None


def _move(database: AttachedDatabase, writer: Writer, forest: Forest, pgno: int, limit: int) -> None:
    try:
        objid = database.store.get(pgno).objid
    except JetError:
        return  # a free page that was never used
    tree = forest.tree(database, objid)
    if tree is not None:
        move_page(database.store, writer, TreeName(objid, tree.root, tree.unique), pgno, limit)


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
