"""Space of a file under construction: who owns which pages, and the space trees that say so.

`FileSpace` hands out pages from the end of the file; a `TreeSpace` is what one tree owns. Nothing is freed here except the
unused end of the last extent. All is in memory until `TreeSpace.finish` writes the space trees.

Layout (`reference/database-format.md` 7):

| structure           | where                        | content                                                            |
|---------------------|------------------------------|--------------------------------------------------------------------|
| space header, 16    | tag 0 of a data tree's root  | first or last extent's pages u32, parent's root u32, flags u32, then |
|                     |                              | bitmap of free pages (single extent) or root of the OwnExt tree      |
| flags               |                              | 1 multiple extents, 2 non-unique tree, 4 the last extent's size |
| OwnExt, AvailExt    | two neighbouring pages       | last page u32 big-endian -> pages u32 little-endian                 |
| split buffer, 16    | tag 0 of their roots         | zero: nothing set aside                                             |
"""

from __future__ import annotations

import struct
from bisect import insort

from esent.constants import codes
from esent.errors import jet_error
from esent.pages.page import PAGE_INDEX, PAGE_LONG_VALUE, PAGE_NON_UNIQUE_KEYS, PAGE_SPACE_TREE
from esent.tree.bulk import BulkTree, PageSink

PGNO_MOST = 0x7FEFFFFF
BITMAP_PAGES = 32
_MULTIPLE = 1
_NON_UNIQUE = 2
_LAST_SIZE = 4
_SMALL_TREE = 16
_EXTENT_LEAST = 4
_EXTENT_MOST = 4096


class Extent:
    """A run of pages. One object stands in the lists of a tree and of all its ancestors, so that a cut shows in all."""

    __slots__ = ("count", "first")

    def __init__(self, first: int, count: int) -> None:
        self.first = first
        self.count = count

    @property
    def last(self) -> int:
        return self.first + self.count - 1

    def __lt__(self, other: Extent) -> bool:
        return self.first < other.first


class FileSpace:
    """The file: every extent comes from its end. `next` is the first page not yet handed out."""

    root = 1

    def __init__(self, first: int) -> None:
        self.next = first

    def grant(self, count: int) -> Extent:
        """A new extent of `count` pages. JET_errOutOfDatabaseSpace past the highest page number."""
        if self.next + count - 1 > PGNO_MOST:
            raise jet_error(codes.JET_errOutOfDatabaseSpace, f"building a database: {count} more pages")
        extent = Extent(self.next, count)
        self.next += count
        return extent

    def cut(self, extent: Extent, count: int) -> None:
        """Shorten the extent at the end of the file to `count` pages; another one stays as it is."""
        if extent.last + 1 == self.next:
            self.next -= extent.count - count
            extent.count = count


class TreeSpace:
    """The extents of one tree.

    `primary` is its first extent, the root its first page. `own_extents` (OwnExt root, free pages of the primary extent)
    makes it a tree of multiple extents from the beginning. `keeps_space` marks the base catalogue: requests of its
    children are served from its own free pages first.
    """

    def __init__(
        self,
        parent: FileSpace | TreeSpace,
        primary: Extent,
        *,
        objid: int,
        class_flags: int = 0,
        own_trees: int = 0,
        used: int = 1,
        keeps_space: bool = False,
    ) -> None:
        self.parent = parent
        self.root = primary.first
        self.objid = objid
        self.class_flags = class_flags
        self.own_trees = own_trees
        self.keeps_space = keeps_space
        self._primary = primary
        self._own = [primary]
        self._free = [Extent(primary.first + used, primary.count - used)] if primary.count > used else []
        self._last = primary
        if not own_trees and primary.count - 1 > BITMAP_PAGES:
            raise jet_error(codes.JET_errInvalidParameter, f"building a tree: {primary.count} pages in a single extent")

    def allocate(self) -> int:
        """The number of a free page, lowest first."""
        if not self._free:
            self._grow()
        run = self._free[0]
        pgno = run.first
        run.first += 1
        run.count -= 1
        if not run.count:
            del self._free[0]
        return pgno

    def grant(self, count: int) -> Extent:
        """An extent for a child."""
        if not self.own_trees or self.keeps_space:
            for position, run in enumerate(self._free):
                if run.count >= count:
                    extent = Extent(run.first, count)
                    run.first += count
                    run.count -= count
                    if not run.count:
                        del self._free[position]
                    return extent
        if not self.own_trees:
            self._grow()
        extent = self.parent.grant(count)
        insort(self._own, extent)
        return extent

    def _grow(self) -> None:
        """Get a further extent; the first one also takes the roots of the two space trees."""
        owned = sum(extent.count for extent in self._own)
        wanted = max(_EXTENT_LEAST, owned) if owned < _SMALL_TREE else min(max(_SMALL_TREE, owned // 4), _EXTENT_MOST)
        extent = self.parent.grant(wanted)
        insort(self._own, extent)
        self._last = extent
        taken = 0
        if not self.own_trees:
            self.own_trees = extent.first
            taken = 2
        insort(self._free, Extent(extent.first + taken, extent.count - taken))

    def cut(self, extent: Extent, count: int) -> None:
        """Shorten an extent of this tree or of one below it, if it is the end of the file."""
        if any(own is extent for own in self._own):
            self.parent.cut(extent, count)

    def finish(self, sink: PageSink) -> bytes:
        """Give back the unused end of the file, write the space trees; the space header for the tree's root."""
        flags = _NON_UNIQUE if self.class_flags & PAGE_NON_UNIQUE_KEYS else 0
        if not self.own_trees:
            bitmap = 0
            for run in self._free:
                for pgno in range(run.first, run.first + run.count):
                    bitmap |= 1 << (pgno - self.root - 1)
            return struct.pack("<4I", self._primary.count, self.parent.root, flags, bitmap)
        self.cut_unused()
        spare: list[int] = []
        while len(spare) < self._pages_needed(sink):
            spare.append(self.allocate())
        own = self._tree(sink, self.own_trees, self._own, spare)
        available = self._tree(sink, self.own_trees + 1, self._free, spare)
        # Pages set aside for a tree that shrank by setting them aside are what split buffers are for.
        own.write_root(_split_buffer(spare))
        available.write_root(_split_buffer(spare))
        size = self._primary.count
        if self._last.count != size:
            flags |= _LAST_SIZE
            size = self._last.count
        return struct.pack("<4I", size, self.parent.root, flags | _MULTIPLE, self.own_trees)

    def cut_unused(self) -> None:
        """Give the unused end of the last extent back, where that is the end of the file."""
        last = self._last
        if last is self._primary or not self._free:
            return
        run = self._free[-1]
        if run.first > last.first and run.last == last.last:
            kept = run.first - last.first
            self.cut(last, kept)
            if last.count == kept:
                self._free.pop()

    def _pages_needed(self, sink: PageSink) -> int:
        """The pages both space trees take besides their roots."""
        trial = _Trial(sink.page_size)
        for extents in (self._own, self._free):
            if extents:
                self._tree(trial, self.own_trees, extents, None)
        return trial.pages

    def _tree(self, sink: PageSink, root: int, extents: list[Extent], spare: list[int] | None) -> BulkTree:
        """A space tree, all but its root; `spare` are the pages it may take (None: any, for a trial)."""
        allocate = (lambda: root) if spare is None else spare.pop
        flags = PAGE_SPACE_TREE | self.class_flags & (PAGE_INDEX | PAGE_NON_UNIQUE_KEYS | PAGE_LONG_VALUE)
        tree = BulkTree(sink, allocate, root=root, objid=self.objid, class_flags=flags)
        for extent in extents:
            tree.add(extent.last.to_bytes(4, "big"), extent.count.to_bytes(4, "little"))
        tree.finish()
        return tree


class _Trial:
    """A sink that only counts."""

    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self.pages = 0

    def next_dbtime(self) -> int:
        return 0

    def put(self, pgno: int, image: bytes) -> None:
        self.pages += 1


def _split_buffer(spare: list[int]) -> bytes:
    """A split buffer of up to two of the pages left over."""
    pages = [spare.pop() for _ in range(min(2, len(spare)))]
    return b"".join(struct.pack("<II", pgno, 1) for pgno in pages).ljust(16, b"\0")


def write_root_space(sink: PageSink, pages: int, used: int) -> None:
    """Write the system root (page 1) and the space trees of the file (2, 3): `pages` owned, those above `used` free."""
    root = BulkTree(sink, int, root=1, objid=1)
    own = BulkTree(sink, int, root=2, objid=1, class_flags=PAGE_SPACE_TREE)
    own.add(pages.to_bytes(4, "big"), pages.to_bytes(4, "little"))
    available = BulkTree(sink, int, root=3, objid=1, class_flags=PAGE_SPACE_TREE)
    if used < pages:
        available.add(pages.to_bytes(4, "big"), (pages - used).to_bytes(4, "little"))
    for tree, external in ((root, struct.pack("<4I", pages, 0, _MULTIPLE, 2)), (own, bytes(16)), (available, bytes(16))):
        tree.finish()
        tree.write_root(external)
