"""Whose the pages of a tree are: in use, available, lent to trees below, or on no list at all.

Space is passed on in several logged steps (`tree.allocate`), always so that a page is on one list too few rather than on two.
A crash between two steps therefore leaves pages that a tree owns and nobody has. What the original calls leaked is found
here by taking away everything that has an owner (`reference/database-format.md` 7.1, 7.7).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from esent.pages.edit import PAGE_NON_UNIQUE, PAGE_PARENT_OF_LEAF
from esent.tree.allocate import SpaceTree
from esent.tree.live import NodeStore, TreeName
from esent.tree.space import BITMAP_PAGES, Extent, SpaceHeader, parse_space_header

_OWNED, _TAKEN = 1, 2
_DEPTH = 32


def tree_at(store: NodeStore, fdp: int) -> TreeName:
    """The tree with a root page."""
    page = store.get(fdp)
    return TreeName(page.objid, fdp, not page.flags & PAGE_NON_UNIQUE)


def header_of(store: NodeStore, name: TreeName) -> SpaceHeader:
    """What the root says about the space of its tree."""
    return parse_space_header(store.get(name.fdp).external_header(), name.fdp)


def owned_by(store: NodeStore, name: TreeName) -> list[Extent]:
    """The extents of a tree, those of the trees below it included."""
    header = header_of(store, name)
    if header.multiple:
        return SpaceTree(store, name, header.word).extents()
    return [Extent(name.fdp, name.fdp + max(header.pages, 1) - 1)]


def unaccounted(store: NodeStore, name: TreeName, children: Sequence[TreeName]) -> list[Extent]:
    """Pages that a tree owns and that are nowhere, given all trees right below it.

    None are named where anything does not add up: then no page is certain to be nobody's.
    """
    state = bytearray(store.page_count + 1)
    if not all(_mark(state, extent, 0, _OWNED) for extent in owned_by(store, name)) or _has_other_pools(store, name):
        return []
    taken = _taken(store, name, children)
    if not all(_mark(state, extent, _OWNED, _TAKEN) for extent in taken):
        return []
    return list(_runs(state))


def _has_other_pools(store: NodeStore, name: TreeName) -> bool:
    """Whether free pages are kept in a way that only the original uses (`reference/database-format.md` 7.3)."""
    header = header_of(store, name)
    return header.multiple and SpaceTree(store, name, header.word + 1).has_other_pools()


def _mark(state: bytearray, extent: Extent, before: int, after: int) -> bool:
    """Give all pages of an extent another state; False where one is not in the state before."""
    count = extent.pages
    if count <= 0 or extent.last >= len(state) or state.count(before, extent.first, extent.last + 1) != count:
        return False
    state[extent.first : extent.last + 1] = bytes((after,)) * count
    return True


def _runs(state: bytearray) -> Iterator[Extent]:
    first = state.find(_OWNED)
    while first >= 0:
        last = first
        while last + 1 < len(state) and state[last + 1] == _OWNED:
            last += 1
        yield Extent(first, last)
        first = state.find(_OWNED, last + 1)


def _taken(store: NodeStore, name: TreeName, children: Sequence[TreeName]) -> Iterator[Extent]:
    header = header_of(store, name)
    yield from _pages(store, name.fdp)
    if header.multiple:
        for root in (header.word, header.word + 1):
            space = SpaceTree(store, name, root)
            yield from _pages(store, root)
            yield from space.buffer_extents()
        yield from SpaceTree(store, name, header.word + 1).extents()
    else:
        last = name.fdp + max(header.pages, 1) - 1
        described = min(last, name.fdp + BITMAP_PAGES)
        free = (pgno for pgno in range(name.fdp + 1, described + 1) if header.word >> (pgno - name.fdp - 1) & 1)
        yield from (Extent(pgno, pgno) for pgno in free)
        if described < last:
            yield Extent(described + 1, last)
    for child in children:
        yield from owned_by(store, child)


def _pages(store: NodeStore, root: int) -> Iterator[Extent]:
    """Every page of a tree; leaves below the root are not read."""
    level: Iterable[int] = [root]
    for _ in range(_DEPTH):
        below: list[int] = []
        leaves = False
        for pgno in level:
            yield Extent(pgno, pgno)
            store.trim()
            page = store.get(pgno)
            if not page.is_leaf:
                below += [page.child(line) for line in range(page.line_count)]
                leaves = bool(page.flags & PAGE_PARENT_OF_LEAF)
        if leaves:
            yield from (Extent(pgno, pgno) for pgno in below)
            return
        if not below:
            return
        level = below
