"""Counts of the records and entries of a table, as JetComputeStats takes them, and the pages its trees own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from esent.catalog.objects import Index, Table
from esent.constants import codes
from esent.engine.schema import SessionTable
from esent.engine.versioned import VersionedTree
from esent.errors import jet_error
from esent.tree.allocate import DATABASE_ROOT
from esent.tree.space import available_extents, owned_extents

if TYPE_CHECKING:
    from esent.engine.cursor import Cursor
    from esent.engine.database import AttachedDatabase


class Counts(NamedTuple):
    """Of one tree, when they were last taken."""

    keys: int = 0
    entries: int = 0
    pages: int = 0


def _count(cursor: Cursor, tree: VersionedTree) -> Counts:
    """Different keys, visible nodes, and the leaves these are on."""
    place = tree.cursor(cursor.session)
    keys = entries = 0
    pages = set()
    last: bytes | None = None
    more = place.first()
    while more:
        entries += 1
        keys += place.key != last
        last = place.key
        pages.add(tree.nodes.page_of(place.key, place.data_bookmark))
        more = place.next()
    return Counts(keys, entries, len(pages))


def compute_statistics(cursor: Cursor, table: SessionTable) -> None:
    """Count what the session sees of the table and its indexes."""
    counts = table.live.counts
    counts[table.objid] = _count(cursor, cursor.primary.tree)
    for index in table.indexes:
        if not index.is_primary:
            counts[index.objid] = _count(cursor, cursor.index_tree(index))


def counts_of(table: SessionTable, index: Index | None = None) -> Counts:
    """The counts last taken of the records, or of an index."""
    found = table.live.counts.get(table.objid if index is None else index.objid)
    return found if isinstance(found, Counts) else Counts()


def owned_pages(database: AttachedDatabase, objid: int, root: int) -> int:
    """Pages of a tree, those below it included."""
    return sum(extent.pages for extent in owned_extents(database.store, root, objid)) if root else 0


def available_pages(database: AttachedDatabase, objid: int, root: int) -> int:
    """Free pages of a tree."""
    return sum(extent.pages for extent in available_extents(database.store, root, objid)) if root else 0


def table_available_pages(database: AttachedDatabase, table: Table) -> int:
    """Free pages of a table and of the trees below it."""
    trees = [(table.objid, table.root), (table.long_value_objid, table.long_value_root)]
    trees += [(index.objid, index.root) for index in table.indexes if not index.is_primary]
    return sum(available_pages(database, *tree) for tree in trees)


def require_room(cursor: Cursor, pages: int) -> None:
    """JET_errOutOfDatabaseSpace where a database of limited size has not `pages` left for long values of the table.

    They are stored when the update is made; who sets the column is to hear of it, not who has the record ready.
    """
    database = cursor.database
    limit = database.size_limit
    if not limit or pages <= limit - database.file.page_count:
        return
    table = cursor.table
    free = limit - database.file.page_count
    trees = ((table.long_value_objid, table.long_value_root), (table.objid, table.root), (DATABASE_ROOT, DATABASE_ROOT))
    if pages > free + sum(available_pages(database, *tree) for tree in trees):
        what = f"{pages} pages for a long value, where the database may have {limit}"
        raise jet_error(codes.JET_errOutOfDatabaseSpace, what, file=database.path)


__all__ = [
    "Counts",
    "available_pages",
    "compute_statistics",
    "counts_of",
    "owned_pages",
    "require_room",
    "table_available_pages",
]
