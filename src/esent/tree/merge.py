"""How an emptied leaf leaves its tree, and how sparse leaves are put together (`reference/log-and-recovery.md` 4.5.7, Merge2).

Nothing here changes a page.
"""

from __future__ import annotations

from collections.abc import Sequence

from esent.pages.cache import CachedPage
from esent.pages.edit import NODE_DELETED
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
from esent.tree.split import POINTER, TAG, capacity, separator, stored_size

FULL = 90  # percent of a page that merging fills
NEIGHBOURS = 4  # leaves side by side out of which one is to be saved


def plan_removal(
    path: list[tuple[CachedPage, int]], left: CachedPage | None, right: CachedPage | None
) -> list[MergeLevel] | None:
    """The levels of a merge that removes the leaf at the end of `path` (pages with the line that leads on); `left` and `right`
    are its siblings.

    None where the ranges of keys of two internal pages would have to change, because a pointer that goes is the last one of a
    page that is not the rightmost, or leads to the rightmost internal page, whose neighbour would be that then. The leaf stays,
    with its deleted node.
    """
    leaf = path[-1][0]
    levels = [MergeLevel(leaf, 0, MERGE_EMPTY_PAGE, MERGE_PAGE_BECOMES_EMPTY, left, right)]
    for page, line in reversed(path[:-1]):
        levels[0].parent = page
        count = page.line_count
        if count == 1:
            levels.insert(0, MergeLevel(page, line, 0, MERGE_PAGE_BECOMES_EMPTY))
            continue
        level = MergeLevel(page, line, 0, MERGE_DELETE_NODE)
        if line == count - 1 and len(levels) > 1:
            return None
        if line == count - 1 and page.key(line):
            if left is None:
                return None
            levels[0].kind = MERGE_FULL_LEFT
            level.flags |= MERGE_KEY_CHANGE
        levels.insert(0, level)
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


def plan_full_right(
    parent: CachedPage, line: int, leaf: CachedPage, left: CachedPage | None, right: CachedPage
) -> list[MergeLevel] | None:
    """The levels of a merge that moves all nodes of a leaf in front of those of the next one; None where there is no room.

    Their pointers are at `line` of `parent` and behind it; `left` is the sibling on the other side.
    """
    nodes = leaf.nodes()
    prefix = right.prefix()
    if any(flags & NODE_DELETED for flags, _, _ in nodes):
        return None
    if sum(stored_size(key, data, prefix) for _, key, data in nodes) > room(right):
        return None
    return [
        MergeLevel(parent, line, 0, MERGE_DELETE_NODE),
        MergeLevel(leaf, 0, MERGE_FULL_RIGHT, MERGE_PAGE_BECOMES_EMPTY, left, right, parent),
    ]


def plan_partial_right(parent: CachedPage, line: int, leaf: CachedPage, right: CachedPage) -> list[MergeLevel] | None:
    """The levels of a merge that moves as many nodes as fit from the end of a leaf to the next one; None where none does."""
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
    bound = separator(nodes[at - 1], nodes[at])
    if len(bound) + POINTER + TAG > parent.free:
        return None
    return [
        MergeLevel(parent, line, 0, MERGE_KEY_CHANGE),
        MergeLevel(leaf, 0, MERGE_PARTIAL_RIGHT, 0, None, right, parent, at, bound),
    ]
