"""Pages for trees: taken from what a tree has, from its parent, from the end of the file; and given back.

Rules: `reference/database-format.md` 7. A tree of one extent keeps a bitmap in its space header; any other has two space trees:
OwnExt says what it owns (what its children own included), AvailExt what of that is free. Both are trees of nodes (last page u32
big-endian, pages i32 little-endian); the pages for their own splits lie ready in a split buffer in their roots.

Space operations are logged, but never undone: what a roll-back leaves behind stays with its tree.
"""

from __future__ import annotations

import struct

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.pages.cache import CachedPage
from esent.pages.edit import NODE_DELETED, PAGE_NON_UNIQUE
from esent.tree.live import Conversion, NewTree, NodeStore, TreeName, Writer
from esent.tree.space import (
    BITMAP_PAGES,
    FIELD_AUTOINCREMENT,
    FIELD_SPACE,
    FLAG_LAST_EXTENT,
    FLAG_MULTIPLE,
    FLAG_NON_UNIQUE,
    Extent,
    SpaceHeader,
    parse_space_header,
)
from esent.tree.write import Position, WritableTree

DATABASE_ROOT = 1
SYSTEM_OBJIDS = (2, 3)  # MSysObjects and its shadow use their own free space for what is below them
SMALL_TREE = 16  # pages; below, a tree grows in small steps
SMALL_STEP = 4
SHARE = 4  # a larger one grows by that part of its first extent
ROOT_FRAGMENT = 4
FILE_HEADERS = 2  # pages in front of page 1
BUFFER = struct.Struct("<IIII")
_KEY = struct.Struct(">I")
_BUFFER_STEPS = {2: 2, 3: 8, 4: 16}  # pages needed and taken
_LEAF_ROOM = 100  # bytes free in a root leaf that need no pages in the buffer


def pack_space_header(header: SpaceHeader) -> bytes:
    """The external header of a root, in the form that `header` came in."""
    flags = (
        (FLAG_MULTIPLE if header.multiple else 0)
        | (FLAG_NON_UNIQUE if header.non_unique else 0)
        | (FLAG_LAST_EXTENT if header.latest else 0)
    )
    plain = struct.pack("<IIII", header.pages, header.parent, flags, header.word)
    if header.autoincrement is None:
        return plain
    return bytes((FIELD_SPACE | FIELD_AUTOINCREMENT,)) + plain + struct.pack("<Q", header.autoincrement)


class SpaceTree(WritableTree):
    """OwnExt or AvailExt of a tree: extents as (last page, pages)."""

    def __init__(self, store: NodeStore, owner: TreeName, root: int) -> None:
        name = TreeName(owner.objid, owner.fdp, owner.unique, space=True)
        super().__init__(store, owner.objid, root, unique=True, density=100, name=name)

    def _new_page(self, writer: Writer, page: CachedPage) -> int:
        """From the split buffer, the lowest first."""
        root = self._root()
        words = self._buffer()
        for slot in (0, 2):
            last, count = words[slot], words[slot + 1]
            if count:
                words[slot + 1] = count - 1
                if count == 1:
                    words[slot] = 0
                self.store.set_external_header(writer, self.name, root, BUFFER.pack(*words))
                return last - count + 1
        raise jet_error(
            codes.JET_errSPAvailExtCorrupted, f"tree {self.objid}: no page for a split of a space tree", page=self.root
        )

    def _buffer(self) -> list[int]:
        """Last page and pages of both extents of the split buffer."""
        words: list[int] = list(BUFFER.unpack_from(self._root().external_header()))
        return words

    def buffered(self) -> int:
        """Pages in the split buffer."""
        words = self._buffer()
        return words[1] + words[3]

    def buffer_extents(self) -> list[Extent]:
        """What is in the split buffer."""
        words = self._buffer()
        return [Extent(words[slot] - words[slot + 1] + 1, words[slot]) for slot in (0, 2) if words[slot + 1]]

    def take_from_buffer(self, writer: Writer, extent: Extent) -> None:
        """Take an extent out of the split buffer."""
        words = self._buffer()
        for slot in (0, 2):
            if words[slot] == extent.last:
                words[slot : slot + 2] = 0, 0
        self.store.set_external_header(writer, self.name, self._root(), BUFFER.pack(*words))

    def has_other_pools(self) -> bool:
        """Whether there are extents outside of the general pool."""
        node = self.first()
        while node is not None:
            if not node.flags & NODE_DELETED and len(node.key) != _KEY.size:
                return True
            node = self.next(node)
        return False

    def put_in_buffer(self, writer: Writer, last: int, count: int) -> bool:
        """Add an extent to the buffer; False where both places are taken."""
        root = self._root()
        words = self._buffer()
        for slot in (0, 2):
            if not words[slot + 1]:
                words[slot : slot + 2] = last, count
                self.store.set_external_header(writer, self.name, root, BUFFER.pack(*words))
                return True
        return False

    def pages_needed(self) -> int:
        """Pages the buffer should have before an extent is added."""
        root = self._root()
        if root.is_leaf:
            return 0 if root.free >= _LEAF_ROOM else 2
        return 3 if self.store.get(root.child(0)).is_leaf else 4

    def extent(self, node: Position) -> Extent | None:
        """The extent of a node of the general pool; None for other nodes, deleted and empty ones."""
        if node.flags & NODE_DELETED or len(node.key) != 4 or len(node.data) != 4:
            return None
        (last,) = _KEY.unpack(node.key)
        count = int.from_bytes(node.data, "little", signed=True)
        return Extent(last - count + 1, last) if 0 < count <= last else None

    def from_page(self, pgno: int) -> Position | None:
        """The first node whose last page is not below `pgno`."""
        return self.seek_ge(_KEY.pack(pgno))

    def covering(self, pgno: int) -> Extent | None:
        """The extent a page is in."""
        node = self.from_page(pgno)
        while node is not None:
            extent = self.extent(node)
            if extent is not None:
                return extent if extent.first <= pgno <= extent.last else None
            if len(node.key) != 4:
                return None
            node = self.next(node)
        return None

    def find_run(self, least: int, behind: int) -> Extent | None:
        """The first extent of at least so many pages behind a page, else the first of all."""
        for start in (behind, 0) if behind else (0,):
            node = self.from_page(start)
            while node is not None and len(node.key) == 4:
                extent = self.extent(node)
                if extent is not None and extent.pages >= least:
                    return extent
                node = self.next(node)
        return None

    def extents(self) -> list[Extent]:
        found = []
        node = self.first()
        while node is not None:
            extent = self.extent(node)
            if extent is not None:
                found.append(extent)
            node = self.next(node)
        return found

    def add(self, writer: Writer, last: int, count: int) -> None:
        """Put an extent in; its place may hold a deleted node."""
        key, data = _KEY.pack(last), count.to_bytes(4, "little")
        node = self.find(key)
        if node is None:
            self.insert(writer, key, data)
        elif node.flags & NODE_DELETED:
            self.flag_insert_and_replace(writer, key, data)
        else:
            raise jet_error(codes.JET_errSPOwnExtCorrupted, f"tree {self.objid}: page {last} is there twice", page=self.root)

    def set_pages(self, writer: Writer, last: int, count: int) -> None:
        """Change the size of an extent at its low end; with 0 pages it goes."""
        key = _KEY.pack(last)
        if count:
            self.replace(writer, key, b"", count.to_bytes(4, "little"))
            return
        node = self.find(key)
        if node is not None and node.line == 0:
            self.flag_delete(writer, key)  # so that no page of a space tree ever becomes empty
        else:
            self.delete(writer, key)


class Space:
    """The space of one tree."""

    def __init__(self, store: NodeStore, writer: Writer, name: TreeName) -> None:
        self.store = store
        self.writer = writer
        self.name = name
        self.root = store.get(name.fdp)
        if self.root.objid != name.objid or not self.root.is_root:
            raise jet_error(codes.JET_errCatalogCorrupted, f"space of tree {name.objid}: not its root page", page=name.fdp)
        self.header = parse_space_header(self.root.external_header(), name.fdp)

    def owned(self) -> SpaceTree:
        return self._space_tree(self.header.word)

    def available(self) -> SpaceTree:
        return self._space_tree(self.header.word + 1)

    def _space_tree(self, root: int) -> SpaceTree:
        """A space tree of this tree. It is kept: like any tree it knows the place where it was last."""
        kept = self.store.space_trees
        tree: SpaceTree | None = kept.get((self.name.objid, root))
        if tree is None:
            tree = kept[self.name.objid, root] = SpaceTree(self.store, self.name, root)
        return tree

    def parent(self) -> Space:
        page = self.store.get(self.header.parent)
        name = TreeName(page.objid, page.pgno, not page.flags & PAGE_NON_UNIQUE)
        return Space(self.store, self.writer, name)

    @property
    def is_database(self) -> bool:
        return self.name.fdp == DATABASE_ROOT

    def _set_header(self, header: SpaceHeader) -> None:
        self.header = header
        self.store.set_external_header(self.writer, self.name, self.root, pack_space_header(header))

    # -- taking -----------------------------------------------------------------------------------------------------------

    def take_page(self, near: int) -> int:
        if not self.header.multiple:
            bits = self.header.word
            if bits:
                bit = (bits & -bits).bit_length() - 1
                self._set_header(self.header._replace(word=bits & bits - 1))
                return self.name.fdp + 1 + bit
            self.convert(1)
        extent = self.available().find_run(1, near)
        if extent is None:
            extent = self.grow(1)
        self.available().set_pages(self.writer, extent.last, extent.pages - 1)
        return extent.first

    def take_page_below(self, limit: int) -> int:
        """The lowest free page, of the tree or else of the database, if it is below `limit`; 0 where none is."""
        if not self.header.multiple:
            return 0  # all its pages are right behind its root
        extent = self.available().find_run(1, 0)
        if extent is None or extent.first >= limit:
            page = self.store.get(DATABASE_ROOT)
            lowest = Space(self.store, self.writer, TreeName(page.objid, DATABASE_ROOT, True)).available().find_run(1, 0)
            if lowest is None or lowest.first >= limit:
                return 0
            extent = self.grow(1)
            if extent.first >= limit:
                return 0
        self.available().set_pages(self.writer, extent.last, extent.pages - 1)
        return extent.first

    def _bitmap_run(self, count: int) -> int:
        """The lowest bit with `count` free pages from it on, -1 for none."""
        pages = min(max(self.header.pages - 1, 0), BITMAP_PAGES)
        mask = (1 << count) - 1
        for bit in range(pages - count + 1):
            if self.header.word >> bit & mask == mask:
                return bit
        return -1

    def take_extent(self, least: int, wanted: int) -> Extent:
        """An extent for a child, which this tree then owns for it: at least `least` pages."""
        if not self.header.multiple:
            bit = self._bitmap_run(least)
            if bit >= 0:
                self._set_header(self.header._replace(word=self.header.word & ~(((1 << least) - 1) << bit)))
                first = self.name.fdp + 1 + bit
                return Extent(first, first + least - 1)
            self.convert(least)
        if self.is_database or self.name.objid in SYSTEM_OBJIDS:
            extent = self.available().find_run(least, 0)
            if extent is None:
                extent = self.grow(least, wanted)
            return self._take_from(extent, wanted)
        self.reserve_for_space_trees()
        extent = self.parent().take_extent(least, wanted)
        self._add_owned(extent)
        self._add_available(extent)
        fragment = min(self.store.fragment, wanted)
        count = extent.pages if extent.pages < wanted + fragment else wanted
        self.available().set_pages(self.writer, extent.last, extent.pages - count)
        return Extent(extent.first, extent.first + count - 1)

    def _take_from(self, extent: Extent, wanted: int) -> Extent:
        """The low end of a free extent, or all of it where little would remain."""
        count = min(wanted, extent.pages)
        fragment = ROOT_FRAGMENT if self.is_database else min(self.store.fragment, wanted)
        rest = extent.pages - count
        if self._is_fragment(extent, rest, fragment):
            count = extent.pages
            rest = 0
        self.available().set_pages(self.writer, extent.last, rest)
        return Extent(extent.first, extent.first + count - 1)

    def _is_fragment(self, extent: Extent, rest: int, fragment: int) -> bool:
        if self.is_database and extent.first < 128 and self.header.pages < 254:
            return False  # what is in front of a small database gets exactly what it asks for
        return 0 < rest < fragment

    def convert(self, need: int) -> None:
        """Give a tree of one extent its space trees, and `need` pages beside them."""
        header = self.header
        secondary = self.parent().take_extent(2 + need, 2 + need)
        self.store.convert(
            self.writer,
            Conversion(
                self.root,
                header.parent,
                header.pages,
                header.word,
                secondary.first,
                secondary.pages,
                name=self.name,
            ),
        )
        self.header = parse_space_header(self.root.external_header(), self.name.fdp)

    def grow(self, least: int, wanted: int = 0) -> Extent:
        """A further extent of at least `least` pages from the parent, or from the end of the file; now free in this tree."""
        self.reserve_for_space_trees()
        if self.is_database:
            extent = self._extend(least, max(least, wanted))
        else:
            extent = self.parent().take_extent(least, self._next_step(least))
            if extent.pages != self.header.pages:
                self._set_header(self.header._replace(pages=extent.pages, latest=True))
        self._add_owned(extent)
        self._add_available(extent)
        return extent

    def _next_step(self, least: int) -> int:
        """Pages to ask the parent for."""
        header = self.header
        if not header.latest and sum(extent.pages for extent in self.owned().extents()) < SMALL_TREE:
            return max(least, SMALL_STEP)
        return max(least, header.pages if header.latest else header.pages // SHARE, SMALL_TREE)

    def _extend(self, least: int, wanted: int) -> Extent:
        """Make the file longer: by a whole step of growth, or by what is wanted, or by the least that will do."""
        store = self.store
        last_owned = max((extent.last for extent in self.owned().extents()), default=0)
        growth = store.growth
        count = max(wanted, growth, 0 if self.header.latest else self.header.pages // SHARE)
        total = last_owned + FILE_HEADERS + count
        total += -total % growth
        goals = sorted({total - FILE_HEADERS, last_owned + wanted, last_owned + least}, reverse=True)
        for goal in goals:
            try:
                store.extend(goal)
            except JetError as problem:
                if goal == goals[-1] or problem.code not in (codes.JET_errOutOfDatabaseSpace, codes.JET_errDiskFull):
                    raise
            else:
                return Extent(last_owned + 1, goal)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def reserve_for_space_trees(self) -> None:
        """See to it that both space trees can split when an extent is added."""
        for tree, factor in ((self.owned(), 2), (self.available(), 1)):
            need = factor * tree.pages_needed()
            if need and tree.buffered() < need:
                self._fill_buffer(tree, need)

    def _fill_buffer(self, tree: SpaceTree, need: int) -> None:
        count = max(need, _BUFFER_STEPS.get(tree.pages_needed(), 0))
        rest: Extent | None = None
        if self.is_database:
            extent = self._extend(need, count)
            if extent.pages > count:
                rest = Extent(extent.first + count, extent.last)
        else:
            extent = self.parent().take_extent(count, count)
        kept = extent if rest is None else Extent(extent.first, rest.first - 1)
        if not tree.put_in_buffer(self.writer, kept.last, kept.pages):
            rest = extent
        self._add_owned(extent)
        if rest is not None:
            self.available().add(self.writer, rest.last, rest.pages)

    def _add_owned(self, extent: Extent) -> None:
        self.owned().add(self.writer, extent.last, extent.pages)

    # -- giving back ------------------------------------------------------------------------------------------------------

    def give_back(self, first: int, count: int) -> None:
        """Pages first.. are free again."""
        if not self.header.multiple:
            word = self.header.word
            for pgno in range(first, first + count):
                bit = pgno - self.name.fdp - 1
                if 0 <= bit < BITMAP_PAGES:
                    word |= 1 << bit
            self._set_header(self.header._replace(word=word))
            return
        while count:
            owner = self.owned().covering(first)
            if owner is None:
                raise jet_error(codes.JET_errSPOwnExtCorrupted, f"tree {self.name.objid} does not own the page", page=first)
            part = min(count, owner.last - first + 1)
            self._release(owner, first, part)
            first += part
            count -= part

    def _release(self, owner: Extent, first: int, count: int) -> None:
        """Free pages inside one owned extent, put together with the free ones beside them there."""
        tree = self.available()
        last = first + count - 1
        low = first
        right = tree.covering(last + 1) if last < owner.last else None
        left = tree.covering(first - 1) if first > owner.first else None
        if (right is not None and right.first <= last) or (left is not None and left.last >= first):
            raise jet_error(codes.JET_errSPAvailExtCorrupted, f"tree {self.name.objid}: the page is free already", page=first)
        if left is not None:
            low = left.first
            tree.set_pages(self.writer, left.last, 0)
        high = last if right is None else right.last
        if (low, high) == (owner.first, owner.last) and self._can_return(owner):
            if right is not None:
                tree.set_pages(self.writer, right.last, 0)
            self.owned().set_pages(self.writer, owner.last, 0)
            self.parent().give_back(owner.first, owner.pages)
        elif right is not None:
            tree.set_pages(self.writer, right.last, right.last - low + 1)
        else:
            self._add_available(Extent(low, last))

    def _can_return(self, extent: Extent) -> bool:
        """Whether an extent that is free goes back to the parent: not the first one, and not from the database."""
        return not self.is_database and not extent.first <= self.name.fdp <= extent.last

    def _add_available(self, extent: Extent) -> None:
        tree = self.available()
        need = tree.pages_needed()
        if need and tree.buffered() < need:
            self._fill_buffer(tree, need)
        tree.add(self.writer, extent.last, extent.pages)


def take_page(store: NodeStore, writer: Writer, name: TreeName, near: int) -> int:
    """A free page of a tree. JET_errOutOfDatabaseSpace, JET_errDiskFull."""
    store.begin(writer)
    with store.steady():
        return Space(store, writer, name).take_page(near)


def give_back(store: NodeStore, writer: Writer, name: TreeName, first: int, count: int) -> None:
    """Pages that a tree used are free again. JET_errSPOwnExtCorrupted, JET_errSPAvailExtCorrupted."""
    store.begin(writer)
    with store.steady():
        Space(store, writer, name).give_back(first, count)


def create_tree(
    store: NodeStore,
    writer: Writer,
    parent: TreeName,
    *,
    pages: int = 1,
    unique: bool = True,
    class_flags: int = 0,
    multiple: bool = False,
    objid: int = 0,
) -> TreeName:
    """A new tree without nodes below `parent`: `pages` at its beginning, `class_flags` as of its pages (index, long values).

    With `multiple`, or more pages than a bitmap holds, it gets space trees at once. `objid` 0: the next one.
    """
    store.begin(writer)
    with store.steady():
        multiple = multiple or pages > BITMAP_PAGES + 1
        least = max(pages, 3) if multiple else max(pages, 1)
        extent = Space(store, writer, parent).take_extent(least, least)
        name = TreeName(objid or store.new_objid(), extent.first, unique)
        store.create_tree(
            writer, NewTree(extent.first, name.objid, parent.fdp, extent.pages, unique, class_flags, multiple=multiple)
        )
        return name


def free_tree(store: NodeStore, writer: Writer, name: TreeName) -> list[Extent]:
    """All a tree owns, the trees below it included, goes to its parent: what that is, in order. Nobody may use it any more."""
    store.begin(writer)
    with store.steady():
        space = Space(store, writer, name)
        if space.header.multiple:
            extents = space.owned().extents()
        else:
            extents = [Extent(name.fdp, name.fdp + max(space.header.pages, 1) - 1)]
        parent = space.parent()
        for extent in extents:
            parent.give_back(extent.first, extent.pages)
        return extents


def settle_space(store: NodeStore, writer: Writer, name: TreeName) -> None:
    """Put right what a crash between two steps of a space operation leaves beside pages that nobody has.

    Pages in a split buffer are owned; those of the database that the file was cut to are in none. Of two owned extents of which
    one reaches into the other, the other begins behind it.
    """
    store.begin(writer)
    with store.steady():
        space = Space(store, writer, name)
        if not space.header.multiple:
            return
        owned = space.owned()
        before = 0
        for extent in owned.extents():
            if before >= extent.first:
                owned.set_pages(writer, extent.last, extent.last - before)
            before = extent.last
        for tree in (owned, space.available()):
            for extent in tree.buffer_extents():
                if owned.covering(extent.first) is not None:
                    continue
                if space.is_database:
                    tree.take_from_buffer(writer, extent)
                else:
                    owned.add(writer, extent.last, extent.pages)


def grow_database(store: NodeStore, writer: Writer, pages: int) -> None:
    """Make the database own at least `pages` more, free for everybody."""
    store.begin(writer)
    with store.steady():
        page = store.get(DATABASE_ROOT)
        Space(store, writer, TreeName(page.objid, DATABASE_ROOT, unique=True)).grow(pages, pages)


def owned_pages(store: NodeStore) -> int:
    """The last page the database owns."""
    page = store.get(DATABASE_ROOT)
    header = parse_space_header(page.external_header(), DATABASE_ROOT)
    tree = SpaceTree(store, TreeName(page.objid, DATABASE_ROOT, unique=True), header.word)
    return max((extent.last for extent in tree.extents()), default=0)
