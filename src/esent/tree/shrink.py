"""Free pages at the end of a database taken out of its space, so that the file can be cut.

Each step leaves a state that is right, or that `allocate.settle_space` puts right: pages first leave the available space, then
an extent that ends earlier is owned beside the old one, which goes last.
"""

from __future__ import annotations

from collections.abc import Iterable

from esent.tree.account import header_of, owned_by, tree_at
from esent.tree.allocate import DATABASE_ROOT, Space, SpaceTree
from esent.tree.live import NodeStore, TreeName, Writer
from esent.tree.space import Extent


def last_needed(store: NodeStore) -> int:
    """The last page of the database that is not free."""
    name = _database(store)
    word = header_of(store, name).word
    available = SpaceTree(store, name, word + 1)
    for extent in reversed(SpaceTree(store, name, word).extents()):
        free = available.covering(extent.last)
        if free is None:
            return extent.last
        if free.first > extent.first:
            return free.first - 1
    return 0


def cut_tail(store: NodeStore, writer: Writer, keep: int) -> int:
    """Give up the free pages at the end of the database behind page `keep`; the last page it owns then."""
    store.begin(writer)
    with store.steady():
        space = Space(store, writer, _database(store))
        space.reserve_for_space_trees()
        owned, available = space.owned(), space.available()
        while True:
            extent = owned.extents()[-1]
            free = available.covering(extent.last)
            if free is None or keep >= extent.last:
                return extent.last
            first = max(free.first, keep + 1)
            available.set_pages(writer, free.last, 0)
            if first > free.first:
                available.add(writer, first - 1, first - free.first)
            if first > extent.first:
                owned.add(writer, first - 1, first - extent.first)
            owned.set_pages(writer, extent.last, 0)


def free_pages(store: NodeStore) -> int:
    """Pages of the database that no tree below it has."""
    name = _database(store)
    return sum(extent.pages for extent in SpaceTree(store, name, header_of(store, name).word + 1).extents())


def extent_at(store: NodeStore, tables: Iterable[int], pgno: int) -> Extent | None:
    """The extent that a page is in of one of the tables with these root pages."""
    for root in tables:
        for extent in owned_by(store, tree_at(store, root)):
            if extent.first <= pgno <= extent.last:
                return extent
    return None


def is_bound(store: NodeStore, roots: Iterable[int], extent: Extent) -> bool:
    """Whether an extent has pages that cannot move: roots, of space trees too, and what these keep for their splits."""
    for root in roots:
        if extent.first <= root <= extent.last:
            return True
        name = tree_at(store, root)
        header = header_of(store, name)
        if not header.multiple:
            continue
        for word in (header.word, header.word + 1):
            kept = SpaceTree(store, name, word).buffer_extents()
            if any(each.first <= extent.last and extent.first <= each.last for each in (Extent(word, word), *kept)):
                return True
    return False


def _database(store: NodeStore) -> TreeName:
    return TreeName(store.get(DATABASE_ROOT).objid, DATABASE_ROOT, unique=True)
