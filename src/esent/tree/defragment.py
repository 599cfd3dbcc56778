"""Sparse leaves of a tree put together while it is in use, a pair at a time, from its end to its begin.

Only such leaves are merged as no transaction has versions of: their nodes can move without anybody having to look for them
again. An internal page whose last child goes goes with it.
"""

from __future__ import annotations

from esent.pages.cache import CachedPage
from esent.tree.live import MERGE_PAGE_BECOMES_EMPTY, NodeStore, TreeName, Writer
from esent.tree.merge import NEIGHBOURS, Path, can_save_one, plan_full_right, plan_partial_right
from esent.tree.write import WritableTree

Bookmark = tuple[bytes, bytes]


class LeafMerger:
    """One pass over a tree. With `partial` nodes also move to leaves that do not take all of them."""

    def __init__(self, store: NodeStore, name: TreeName, *, partial: bool = True) -> None:
        self.store = store
        self.name = name
        self.partial = partial
        self.pages_freed = 0
        self.nodes_removed = 0
        self._tree = WritableTree(store, name.objid, name.fdp, unique=name.unique)
        self._place: Bookmark | None = None

    def step(self, writer: Writer) -> bool:
        """Look at one leaf and the one before it; False when there is no more. Between two steps anything may happen."""
        if self.leaf() is None or self._place is None:
            return False
        self._sweep(writer, self._place)
        before = self._before(self._tree._path(self._bookmark(self._place))[-1][0])
        if before is not None:
            self._sweep(writer, before)
        with self.store.steady():
            leaf = self._tree._path(self._bookmark(self._place))[-1][0]
            before = self._before(leaf)
            if before is None:
                return False
            if not self._merge(writer, self._tree._path(self._bookmark(before)), leaf):
                self._place = before
        return True

    def leaf(self) -> CachedPage | None:
        """The leaf that comes next; None in an empty tree."""
        if self._place is None:
            last = self._tree.last()
            if last is None:
                return None
            self._place = last.key, last.data
        return self._tree._path(self._bookmark(self._place))[-1][0]

    def _bookmark(self, place: Bookmark) -> bytes:
        key, data = place
        return key if self.name.unique else key + data

    def _before(self, leaf: CachedPage) -> Bookmark | None:
        """The first node of the leaf before; None where there is no such leaf."""
        if not leaf.previous:
            return None
        before = self.store.get(leaf.previous)
        if not before.line_count:
            return None
        _, key, data = before.node(0)
        return key, data

    def _sweep(self, writer: Writer, place: Bookmark) -> None:
        """Remove the nodes of the leaf at a place that nobody can see any more."""
        leaf = self._tree._path(self._bookmark(place))[-1][0]
        dead = [leaf.node(line) for line in self.store.dead_lines(leaf)]
        for _, key, data in dead:
            self._tree.delete(writer, key, b"" if self.name.unique else data)
        self.nodes_removed += len(dead)

    def _merge(self, writer: Writer, path: Path, right: CachedPage) -> bool:
        """Move nodes of the leaf at the end of a path to the one on its right; whether all of them went."""
        get = self.store.get
        leaf = path[-1][0]
        parent, line = path[-2]
        if leaf.next != right.pgno:
            return False
        neighbours = [right, *(get(parent.child(each)) for each in range(line, max(line - NEIGHBOURS + 1, -1), -1))]
        if not can_save_one(neighbours) or not self.store.is_settled(leaf) or not self.store.is_settled(right):
            return False
        left = get(leaf.previous) if leaf.previous else None
        levels = plan_full_right(path, left, right)
        whole = levels is not None
        if levels is None and self.partial:
            levels = plan_partial_right(path, right)
        if levels is None:
            return False
        gone = [level.page.pgno for level in levels if level.flags & MERGE_PAGE_BECOMES_EMPTY]
        self.store.begin(writer)
        self.store.merge(writer, self.name, levels)
        for pgno in gone:
            self.store.give_back(writer, self.name, pgno, 1)
        self.pages_freed += len(gone)
        return whole
