"""What a crash leaves in a database besides its data: pages that nobody has, nodes that nobody sees.

Recovery rolls rows of the catalogue back, but no change of space: the tree of a table or index whose creation was cut short, or
whose deletion had only been committed, is in nobody's catalogue, and its pages are owned by the tree above it alone. Pages
that were on their way into or out of a tree are its own, yet neither in use nor free. The original leaves them so (newer
ones look for those of the database when it is attached); here they become free again before anybody uses the database.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from esent.catalog.schema import Catalog
from esent.engine.long_value_writer import is_unreferenced, reclaim
from esent.engine.transactions import UnloggedWriter
from esent.engine.versioned import VersionedTree
from esent.errors import JetError
from esent.pages.edit import NODE_DELETED, PAGE_LONG_VALUE, PAGE_SPACE_TREE
from esent.tree.account import tree_at, unaccounted
from esent.tree.allocate import DATABASE_ROOT, give_back, settle_space
from esent.tree.live import TreeName

if TYPE_CHECKING:
    from esent.engine.database import AttachedDatabase
    from esent.engine.transactions import Writer
    from esent.pages.cache import CachedPage


@dataclass(slots=True)
class Forest:
    """The trees of a catalogue. `below`: by root page the root pages of the trees right below it, that is of the tables below
    the database, of indexes and long values below a table. `roots`: root pages by object id."""

    below: dict[int, list[int]] = field(default_factory=lambda: {DATABASE_ROOT: []})
    roots: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, catalog: Catalog) -> Forest:
        forest = cls()
        for table in catalog:
            forest._plant(DATABASE_ROOT, table.objid, table.root)
            for index in table.indexes:
                if index.root != table.root:
                    forest._plant(table.root, index.objid, index.root)
            if table.long_value_root:
                forest._plant(table.root, table.long_value_objid, table.long_value_root)
        return forest

    def _plant(self, parent: int, objid: int, root: int) -> None:
        self.below[parent].append(root)
        self.below[root] = []
        self.roots[objid] = root

    def tree(self, database: AttachedDatabase, objid: int) -> VersionedTree | None:
        """The tree with an object id; None where there is none, or none any more."""
        root = self.roots.get(objid)
        if root is None or root > database.store.page_count:
            return None
        name = tree_at(database.store, root)
        return VersionedTree(database, objid, root, name.unique) if name.objid == objid else None


def reclaim_space(database: AttachedDatabase, forest: Forest, roots: Iterable[int]) -> int:
    """Make the pages free that nobody has in the trees with these root pages; how many. The database comes before its tables,
    and a table before its indexes.

    Nobody may be changing the database. A tree in which anything does not add up is left as it is.
    """
    store, instance = database.store, database.instance
    found = 0
    with instance.lock, instance.transactions.cleaning() as cleaner:
        writer = cleaner if database.logged else UnloggedWriter(cleaner)
        names = {root: tree_at(store, root) for root in roots}
        for name in names.values():
            settle_space(store, writer, name)
        for root, name in names.items():  # from above: no page is found twice
            children = [tree_at(store, child) for child in forest.below[root]]
            found += _reclaim(database, writer, name, children)
    return found


def _reclaim(database: AttachedDatabase, writer: Writer, name: TreeName, children: list[TreeName]) -> int:
    try:
        extents = unaccounted(database.store, name, children)
    except JetError:
        return 0  # damaged: verification names it
    for extent in extents:
        give_back(database.store, writer, name, extent.first, extent.pages)
    return sum(extent.pages for extent in extents)


def sweep_leaf(writer: Writer, tree: VersionedTree, page: CachedPage) -> None:
    """Remove from a leaf what nobody needs and no clean-up knows of; what has versions stays.

    That is nodes flagged deleted, and long values that no record refers to any more.
    """
    flags = page.flags
    if not page.is_leaf or flags & PAGE_SPACE_TREE:
        return
    nodes = page.nodes()
    for state, key, data in nodes:
        if state & NODE_DELETED:
            tree.remove(writer, key, b"" if tree.unique else data)
    if flags & PAGE_LONG_VALUE:
        for state, key, data in nodes:
            if not state & NODE_DELETED and is_unreferenced(key, data):
                reclaim(tree, writer, key[::-1])
