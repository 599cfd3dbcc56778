"""Where to split a page, what its parts look like afterwards, and the key that separates them.

Rules: `reference/database-format.md` 6.3-6.5, `reference/log-and-recovery.md` 4.5.7. Nothing here changes a page.
"""

from __future__ import annotations

from collections.abc import Callable

from esent.constants import codes
from esent.errors import jet_error
from esent.pages.cache import CachedPage
from esent.pages.edit import MIN_PREFIX, PAGE_SPACE_TREE
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
TAG = 4
POINTER = 4
_WORD = 0xFFFFFFFF  # ids of versions wrap around
_FAR = 1 << 10


def capacity(page: CachedPage) -> int:
    """Bytes nodes and prefix can take on a page, the tags of the nodes included."""
    return page.page_size - (80 if page.page_size > 8192 else 40) - TAG


def stored_size(key: bytes, data: bytes, prefix: bytes) -> int:
    """Bytes a node takes on a page with a prefix, its tag included."""
    size = 2 + len(key) + len(data) + TAG
    if prefix:
        shared = common_prefix(prefix, key)
        if shared >= MIN_PREFIX:
            size += 2 - shared
    return size


def _saving(prefix: bytes, nodes: list[Node]) -> int:
    total = -len(prefix)
    for _, key, _ in nodes:
        shared = common_prefix(prefix, key)
        if shared >= MIN_PREFIX:
            total += shared - 2
    return total


def choose_prefix(nodes: list[Node], old: bytes, *, space: bool) -> int:
    """The line whose key is the best prefix for the nodes, -1 for none; `old` is the prefix they had."""
    if space or len(nodes) < 2:
        return -1
    best, most = -1, 0
    candidates = {len(nodes) // 2}
    if old:
        candidates.add(max(range(len(nodes)), key=lambda line: common_prefix(old, nodes[line][1])))
    for line in candidates:
        saved = _saving(nodes[line][1], nodes)
        if saved > most:
            best, most = line, saved
    return best


def _size(nodes: list[Node], prefix_line: int) -> int:
    prefix = nodes[prefix_line][1] if prefix_line >= 0 else b""
    return len(prefix) + sum(stored_size(key, data, prefix) for _, key, data in nodes)


def separator(left: Node, right: Node) -> bytes:
    """A key above the left node and not above the right one, as short as can be."""
    shared = common_prefix(left[1], right[1])
    if shared < len(right[1]):
        return right[1][: shared + 1]
    return right[1] + right[2][: common_prefix(left[2], right[2]) + 1]


def folded(page: CachedPage, operation: Operation | None) -> list[Node]:
    """The nodes of a leaf with the operation done."""
    nodes = page.nodes()
    if operation is not None:
        node = (0, operation.key, operation.data)
        if operation.kind == OPER_INSERT:
            nodes.insert(operation.line, node)
        else:
            nodes[operation.line] = node
    return nodes


def plan_vertical(page: CachedPage, operation: Operation | None, reserve: int) -> SplitLevel:
    """A root whose nodes all move one level down, with the operation where there is room for it."""
    space = bool(page.flags & PAGE_SPACE_TREE)
    level = SplitLevel(page, 0, kind=SPLIT_VERTICAL)
    for attempt in (operation, None) if operation is not None else (None,):
        nodes = folded(page, attempt)
        prefix = choose_prefix(nodes, b"", space=space)
        if _size(nodes, prefix) + reserve <= capacity(page):
            level.count = len(nodes)
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
    with_prefix = not space and len(operation.key) >= MIN_PREFIX and _size([node], 0) <= capacity(page)
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
        key_parent=separator((0, page.key(last), page.value(last)), node),
        with_image=False,
    )


def _balanced(sizes: list[int]) -> list[int]:
    """The lines at which a page can be split, the one that leaves the most even parts first."""
    total = sum(sizes)
    left = 0
    found: list[tuple[int, int]] = []
    for line in range(1, len(sizes)):
        left += sizes[line - 1]
        found.append((abs(total - 2 * left), line))
    found.sort()
    return [line for _, line in found]


def _divide(page: CachedPage, nodes: list[Node], lines: list[int], reserve: int) -> tuple[int, int, int] | None:
    """(line to split at, prefix line of the left part, of the right part) for the first line where both parts fit."""
    space = bool(page.flags & PAGE_SPACE_TREE)
    old = page.prefix()
    room = capacity(page) - reserve
    for at in lines:
        left, right = nodes[:at], nodes[at:]
        prefix_left, prefix_right = choose_prefix(left, old, space=space), choose_prefix(right, old, space=space)
        if _size(left, prefix_left) <= room and _size(right, prefix_right) <= room:
            return at, prefix_left, prefix_right
    return None


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
    old = page.prefix()
    for attempt in (operation, None) if operation is not None else (None,):
        nodes = folded(page, attempt)
        lines = _balanced([stored_size(key, data, old) for _, key, data in nodes])
        if hot and attempt is not None:
            lines.insert(0, hot)
        divided = _divide(page, nodes, lines, reserve)
        if divided is None:
            continue
        at, prefix_left, prefix_right = divided
        return SplitLevel(
            page,
            attempt.line if attempt is not None else 0,
            kind=SPLIT_RIGHT,
            oper=attempt.kind if attempt is not None else OPER_NONE,
            at=at,
            count=len(nodes),
            prefix_new=prefix_right,
            prefix_left=prefix_left,
            prefix=nodes[prefix_left][1] if prefix_left >= 0 else b"",
            key_parent=separator(nodes[at - 1], nodes[at]),
        )
    raise jet_error(codes.JET_errRecordTooBig, "a node fits on no page", page=page.pgno)


def plan_internal(page: CachedPage, line: int, key: bytes) -> SplitLevel:
    """An internal page that has no room for the pointer that its child's split adds before `line`."""
    nodes = page.nodes()
    nodes.insert(line, (0, key, bytes(POINTER)))
    count = len(nodes)
    at_end = line == count - 2 and not nodes[-1][1]
    old = page.prefix()
    lines = _balanced([stored_size(each, data, old) for _, each, data in nodes])
    divided = _divide(page, nodes, [count - 1, *lines] if at_end else lines, 0)
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
        prefix=nodes[prefix_left][1] if prefix_left >= 0 else b"",
        key_parent=nodes[at - 1][1],
    )


def has_room_for_pointer(page: CachedPage, key: bytes) -> bool:
    return stored_size(key, bytes(POINTER), page.prefix()) <= page.free
