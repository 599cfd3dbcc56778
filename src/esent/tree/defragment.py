"""Sparse leaves of a tree put together while it is in use, a pair at a time, from its end to its begin.

Leaves below one parent only are merged, and only such as no transaction has versions of: their nodes can move without anybody
having to look for them again. What is between two leaves of different parents stays as it is.
"""

from __future__ import annotations

from esent.pages.cache import CachedPage
from esent.tree.live import NodeStore, TreeName, Writer
from esent.tree.merge import NEIGHBOURS, can_save_one, plan_full_right, plan_partial_right
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
        path = self._tree._path(self._bookmark(self._place))
        if len(path) > 1 and path[-2][1]:
            before = self.store.get(path[-2][0].child(path[-2][1] - 1))
            if before.line_count:
                _, key, data = before.node(0)
                self._sweep(writer, (key, data))
        with self.store.steady():
            path = self._tree._path(self._bookmark(self._place))
            leaf = path[-1][0]
            if leaf.is_root:
                return False
            parent, line = path[-2]
            if line == 0 or not self._merge(writer, parent, line - 1, leaf):
                return self._go_on(leaf)
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

    def _go_on(self, leaf: CachedPage) -> bool:
        """To the leaf before."""
        if not leaf.previous:
            return False
        before = self.store.get(leaf.previous)
        if not before.line_count:
            return False
        _, key, data = before.node(0)
        self._place = key, data
        return True

    def _sweep(self, writer: Writer, place: Bookmark) -> None:
        """Remove the nodes of the leaf at a place that nobody can see any more."""
        leaf = self._tree._path(self._bookmark(place))[-1][0]
        dead = [leaf.node(line) for line in self.store.dead_lines(leaf)]
        for _, key, data in dead:
            self._tree.delete(writer, key, b"" if self.name.unique else data)
        self.nodes_removed += len(dead)

    def _merge(self, writer: Writer, parent: CachedPage, line: int, right: CachedPage) -> bool:
        """Move nodes of the leaf at `line` of the parent to the one on its right; whether all of them went."""
        get = self.store.get
        leaf = get(parent.child(line))
        if leaf.next != right.pgno or not leaf.line_count:
            return False
        neighbours = [right, *(get(parent.child(each)) for each in range(line, max(line - NEIGHBOURS + 1, -1), -1))]
        if not can_save_one(neighbours) or not self.store.is_settled(leaf) or not self.store.is_settled(right):
            return False
        left = get(leaf.previous) if leaf.previous else None
        levels = plan_full_right(parent, line, leaf, left, right)
        whole = levels is not None
        if levels is None and self.partial:
            levels = plan_partial_right(parent, line, leaf, right)
        if levels is None:
            return False
        self.store.begin(writer)
        self.store.merge(writer, self.name, levels)
        if whole:
            self.store.give_back(writer, self.name, leaf.pgno, 1)
            self.pages_freed += 1
        return whole
