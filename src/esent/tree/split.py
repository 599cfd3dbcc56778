"""Where to split a page, what its parts look like afterwards, and the key that separates them.

Rules: `reference/database-format.md` 6.3-6.5, `reference/log-and-recovery.md` 4.5.7. Nothing here changes a page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from esent.constants import codes
from esent.errors import jet_error
from esent.pages.cache import CachedPage
from esent.pages.edit import MIN_PREFIX, PAGE_SPACE_TREE
from esent.pages.lines import TAG_SIZE, Lines, stored_size
from esent.pages.words import common_prefix
from esent.tree.live import (
    OPER_INSERT,
    OPER_NONE,
    SPLIT_APPEND,
    SPLIT_RIGHT,
    SPLIT_VERTICAL,
    Operation,
    SplitLevel,
)

Node = tuple[int, bytes, bytes]
POINTER = 4
_WORD = 0xFFFFFFFF  # ids of versions wrap around
_FAR = 1 << 10


def capacity(page: CachedPage) -> int:
    """Bytes nodes and prefix can take on a page, the tags of the nodes included."""
    return page.page_size - (80 if page.page_size > 8192 else 40) - TAG_SIZE


def choose_prefix(lines: Lines, first: int, last: int, old: bytes, *, space: bool) -> tuple[int, int]:
    """Which of the lines first..last has the key that is the best prefix for them, counted from the first, -1 for none; and the
    bytes they then take. `old` is the prefix they had."""
    best, least = -1, lines.size(first, last, b"")
    if space or last - first < 2:
        return best, least
    candidates = {first + (last - first) // 2}
    if old:
        candidates.add(lines.closest(first, last, old))
    for line in candidates:
        size = lines.size(first, last, lines.key(line))
        if size < least:
            best, least = line - first, size
    return best, least


def separator(left: Node, right: Node) -> bytes:
    """A key above the left node and not above the right one, as short as can be."""
    shared = common_prefix(left[1], right[1])
    if shared < len(right[1]):
        return right[1][: shared + 1]
    return right[1] + right[2][: common_prefix(left[2], right[2]) + 1]


def folded(page: CachedPage, operation: Operation | None) -> Lines:
    """The lines of a leaf with the operation done."""
    lines = Lines(page)
    if operation is not None:
        if operation.kind == OPER_INSERT:
            lines.put(operation.line, operation.key, operation.data)
        else:
            lines.put_instead(operation.line, operation.data)
    return lines


def plan_vertical(page: CachedPage, operation: Operation | None, reserve: int) -> SplitLevel:
    """A root whose nodes all move one level down, with the operation where there is room for it."""
    space = bool(page.flags & PAGE_SPACE_TREE)
    level = SplitLevel(page, 0, kind=SPLIT_VERTICAL)
    for attempt in (operation, None) if operation is not None else (None,):
        lines = folded(page, attempt)
        prefix, size = choose_prefix(lines, 0, lines.count, b"", space=space)
        if size + reserve <= capacity(page):
            level.count = lines.count
            level.prefix_new = prefix
            if attempt is not None:
                level.line = attempt.line
                level.oper = attempt.kind
            return level
    raise jet_error(codes.JET_errDatabaseCorrupted, "the nodes of a root page do not fit on a page", page=page.pgno)


def plan_append(page: CachedPage, operation: Operation) -> SplitLevel:
    """The new node, behind all others, gets a page of its own."""
    count = page.line_count + 1
    space = bool(page.flags & PAGE_SPACE_TREE)
    node = (0, operation.key, operation.data)
    fits = len(operation.key) + stored_size(operation.key, operation.data, operation.key) <= capacity(page)
    with_prefix = not space and len(operation.key) >= MIN_PREFIX and fits
    last = page.line_count - 1
    return SplitLevel(
        page,
        count - 1,
        kind=SPLIT_APPEND,
        oper=OPER_INSERT,
        at=count - 1,
        count=count,
        prefix_new=0 if with_prefix else -1,
        prefix=page.prefix(),
        key_parent=separator(page.node(last), node),
        with_image=False,
    )


def _divide(page: CachedPage, lines: Lines, cuts: Iterable[int], reserve: int) -> tuple[int, int, int] | None:
    """(line to split at, prefix line of the left part, of the right part) for the first line where both parts fit."""
    space = bool(page.flags & PAGE_SPACE_TREE)
    old = page.prefix()
    room = capacity(page) - reserve
    for at in cuts:
        prefix_left, left = choose_prefix(lines, 0, at, old, space=space)
        prefix_right, right = choose_prefix(lines, at, lines.count, old, space=space)
        if left <= room and right <= room:
            return at, prefix_left, prefix_right
    return None


def _cuts(page: CachedPage, lines: Lines, wanted: int) -> Iterator[int]:
    """The lines to try: the one that is wanted, 0 for none, then those that make even parts."""
    if wanted:
        yield wanted
    yield from lines.cuts(page.prefix())


def hot_line(page: CachedPage, operation: Operation | None, inserted: Callable[[CachedPage, int], int]) -> int:
    """Where to split a leaf so that a run of inserts finds room at once; 0 where there is no such run.

    A run downwards at the begin of the tree leaves the new node alone on the page. One upwards gets what is behind it out of
    its way, and then a page of its own; it shows by the versions of the two nodes in front (`inserted` gives their ids, 0 for
    none), which were made one after the other, and this one at the same distance.
    """
    if operation is None or operation.kind != OPER_INSERT:
        return 0
    line = operation.line
    if line == 0:
        return 0 if page.previous else 1
    before, last = (inserted(page, line - 2), inserted(page, line - 1)) if line > 1 else (0, 0)
    if not (before and last and operation.rceid):
        return 0
    distance = last - before & _WORD
    if distance >= _FAR or operation.rceid - last & _WORD != distance:
        return 0
    return min(line + 1, page.line_count)


def plan_right(page: CachedPage, operation: Operation | None, reserve: int, hot: int = 0) -> SplitLevel:
    """A leaf about half of whose nodes move to a new page, or those from line `hot` on, counted with the operation done.

    Where the operation fits nowhere it is left for later.
    """
    for attempt in (operation, None) if operation is not None else (None,):
        lines = folded(page, attempt)
        divided = _divide(page, lines, _cuts(page, lines, hot if attempt is not None else 0), reserve)
        if divided is None:
            continue
        at, prefix_left, prefix_right = divided
        return SplitLevel(
            page,
            attempt.line if attempt is not None else 0,
            kind=SPLIT_RIGHT,
            oper=attempt.kind if attempt is not None else OPER_NONE,
            at=at,
            count=lines.count,
            prefix_new=prefix_right,
            prefix_left=prefix_left,
            prefix=lines.key(prefix_left) if prefix_left >= 0 else b"",
            key_parent=separator(lines.node(at - 1), lines.node(at)),
        )
    raise jet_error(codes.JET_errRecordTooBig, "a node fits on no page", page=page.pgno)


def plan_internal(page: CachedPage, line: int, key: bytes) -> SplitLevel:
    """An internal page that has no room for the pointer that its child's split adds before `line`."""
    lines = Lines(page)
    lines.put(line, key, bytes(POINTER))
    count = lines.count
    at_end = line == count - 2 and not lines.key(count - 1)
    divided = _divide(page, lines, _cuts(page, lines, count - 1 if at_end else 0), 0)
    if divided is None:
        raise jet_error(codes.JET_errDatabaseCorrupted, "the pointers of a page do not fit on two", page=page.pgno)
    at, prefix_left, prefix_right = divided
    return SplitLevel(
        page,
        line,
        kind=SPLIT_RIGHT,
        oper=OPER_INSERT,
        at=at,
        count=count,
        prefix_new=prefix_right,
        prefix_left=prefix_left,
        prefix=lines.key(prefix_left) if prefix_left >= 0 else b"",
        key_parent=lines.key(at - 1),
    )


def has_room_for_pointer(page: CachedPage, key: bytes) -> bool:
    return stored_size(key, bytes(POINTER), page.prefix()) <= page.free
