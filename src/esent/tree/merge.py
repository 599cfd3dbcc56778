"""How an emptied leaf leaves its tree, and how sparse leaves are put together (`reference/log-and-recovery.md` 4.5.7, Merge2).

Nothing here changes a page.
"""

from __future__ import annotations

from collections.abc import Sequence

from esent.pages.cache import CachedPage
from esent.pages.edit import NODE_DELETED
from esent.pages.lines import TAG_SIZE, stored_size
from esent.tree.live import (
    MERGE_DELETE_NODE,
    MERGE_EMPTY_PAGE,
    MERGE_FULL_LEFT,
    MERGE_FULL_RIGHT,
    MERGE_KEY_CHANGE,
    MERGE_PAGE_BECOMES_EMPTY,
    MERGE_PARTIAL_RIGHT,
    MergeLevel,
)
from esent.tree.split import POINTER, capacity, separator

FULL = 90  # percent of a page that merging fills
NEIGHBOURS = 4  # leaves side by side out of which one is to be saved


Path = list[tuple[CachedPage, int]]
"""The pages from the root to a leaf, each with the line that leads on."""


def plan_removal(path: Path, left: CachedPage | None, right: CachedPage | None) -> list[MergeLevel] | None:
    """The levels of a merge that removes the leaf at the end of `path`; `left` and `right` are its siblings.

    None where that cannot be said (`_without`): the leaf stays, with its deleted node.
    """
    leaf = MergeLevel(path[-1][0], 0, MERGE_EMPTY_PAGE, MERGE_PAGE_BECOMES_EMPTY, left, right)
    parent, line = path[-2]
    if left is not None and 0 < line == parent.line_count - 1 and parent.key(line):
        leaf.kind = MERGE_FULL_LEFT
        leaf.parent = parent
        return [MergeLevel(parent, line, 0, MERGE_DELETE_NODE | MERGE_KEY_CHANGE), leaf]
    return _without(path, leaf)


def _without(path: Path, leaf: MergeLevel) -> list[MergeLevel] | None:
    """The levels of a merge after which nothing leads to a leaf any more: pages whose only pointer goes go too.

    Where the last pointer of a page goes the page ends at the one before, and its right neighbour has the keys in between. None
    if it has none: a page would be the rightmost one that does not lead to the last keys; and where a key has no room.
    """
    levels = [leaf]
    for place in range(len(path) - 2, -1, -1):
        page, line = path[place]
        levels[0].parent = page
        if page.line_count == 1:
            levels.insert(0, MergeLevel(page, line, 0, MERGE_PAGE_BECOMES_EMPTY))
            continue
        going = MergeLevel(page, line, 0, MERGE_DELETE_NODE)
        levels.insert(0, going)
        if line < page.line_count - 1 or (not page.key(line) and place == len(path) - 2):
            return levels
        if not page.key(line):
            return None
        leaf.separator = page.key(line - 1)
        above = _ending_at(path[:place], leaf.separator, going)
        return None if above is None else above + levels
    return None


def _ending_at(path: Path, bound: bytes, below: MergeLevel) -> list[MergeLevel] | None:
    """The levels above a page that ends at another key now; None where one of the pages has no room for it."""
    levels: list[MergeLevel] = []
    for page, line in reversed(path):
        if len(bound) + POINTER + TAG_SIZE > page.free:
            return None
        below.parent = page
        below = MergeLevel(page, line, 0, MERGE_KEY_CHANGE)
        levels.insert(0, below)
        if line < page.line_count - 1:
            return levels
    return None


def used(page: CachedPage) -> int:
    """Bytes that the nodes of a page take."""
    return capacity(page) - page.free


def room(page: CachedPage) -> int:
    """Bytes that merging may still put on a page."""
    return page.free - capacity(page) * (100 - FULL) // 100


def can_save_one(leaves: Sequence[CachedPage]) -> bool:
    """Whether neighbours, given from the last one on, would fit on a page less."""
    total = 0
    for number, leaf in enumerate(leaves[:NEIGHBOURS]):
        total += used(leaf)
        if number and total * 100 <= capacity(leaf) * FULL * number:
            return True
    return False


def plan_full_right(path: Path, left: CachedPage | None, right: CachedPage) -> list[MergeLevel] | None:
    """The levels of a merge that moves all nodes of the leaf at the end of `path` in front of those of the next one; None where
    there is no room. `left` is the sibling on the other side."""
    leaf = path[-1][0]
    nodes = leaf.nodes()
    prefix = right.prefix()
    if any(flags & NODE_DELETED for flags, _, _ in nodes):
        return None
    if sum(stored_size(key, data, prefix) for _, key, data in nodes) > room(right):
        return None
    return _without(path, MergeLevel(leaf, 0, MERGE_FULL_RIGHT, MERGE_PAGE_BECOMES_EMPTY, left, right))


def plan_partial_right(path: Path, right: CachedPage) -> list[MergeLevel] | None:
    """The levels of a merge that moves as many nodes as fit from the end of a leaf to the next one; None where none does."""
    leaf = path[-1][0]
    nodes = leaf.nodes()
    prefix = right.prefix()
    free = room(right)
    at = len(nodes)
    while at > 1:
        flags, key, data = nodes[at - 1]
        free -= stored_size(key, data, prefix)
        if free < 0 or flags & NODE_DELETED:
            break
        at -= 1
    if at == len(nodes):
        return None
    level = MergeLevel(leaf, 0, MERGE_PARTIAL_RIGHT, 0, None, right, None, at, separator(nodes[at - 1], nodes[at]))
    above = _ending_at(path[:-1], level.separator, level)
    return None if above is None else [*above, level]
