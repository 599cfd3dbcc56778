"""How an emptied leaf leaves its tree (`reference/log-and-recovery.md` 4.5.7, Merge2). Nothing here changes a page."""

from __future__ import annotations

from esent.pages.cache import CachedPage
from esent.tree.live import (
    MERGE_DELETE_NODE,
    MERGE_EMPTY_PAGE,
    MERGE_FULL_LEFT,
    MERGE_KEY_CHANGE,
    MERGE_PAGE_BECOMES_EMPTY,
    MergeLevel,
)


def plan_removal(
    path: list[tuple[CachedPage, int]], left: CachedPage | None, right: CachedPage | None
) -> list[MergeLevel] | None:
    """The levels of a merge that removes the leaf at the end of `path` (pages with the line that leads on); `left` and `right`
    are its siblings.

    None where the ranges of keys of two internal pages would have to change, because a pointer that goes is the last one of a
    page that is not the rightmost. The leaf then stays, with its deleted node.
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
        if line == count - 1 and page.key(line):
            if len(levels) > 1 or left is None:
                return None
            levels[0].kind = MERGE_FULL_LEFT
            level.flags |= MERGE_KEY_CHANGE
        levels.insert(0, level)
        return levels
    return None
