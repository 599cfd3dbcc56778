"""Pages of trees moved towards the begin of the file (`reference/log-and-recovery.md` 4.5.7, PageMove).

Leaves and internal pages move; roots and pages of space trees stay where they are.
"""

from __future__ import annotations

from esent.errors import JetError
from esent.pages.cache import CachedPage
from esent.pages.edit import PAGE_SPACE_TREE
from esent.tree.allocate import Space
from esent.tree.live import Move, NodeStore, TreeName, Writer
from esent.tree.write import MAX_DEPTH, WritableTree


def move_page(store: NodeStore, writer: Writer, name: TreeName, pgno: int, limit: int) -> bool:
    """Move a page of a tree to a free one below `limit`, and make its place free; whether that was done.

    It is not where the page is none that can move, where transactions need its nodes, and where there is no such place.
    """
    store.trim()
    with store.steady():
        planned = _plan(store, name, pgno)
        if planned is None:
            return False
        store.begin(writer)
        goal = Space(store, writer, name).take_page_below(limit)
        if not goal:
            return False
        planned.goal = goal
        store.move(writer, name, planned)
    store.give_back(writer, name, pgno, 1)
    return True


def _plan(store: NodeStore, name: TreeName, pgno: int) -> Move | None:
    try:
        page = store.get(pgno)
        if page.is_root or page.flags & PAGE_SPACE_TREE:
            return None
        key = _first_key(store, name, page)
    except JetError:
        return None  # free pages may hold anything
    if key is None:
        return None
    path = WritableTree(store, name.objid, name.fdp, unique=name.unique)._path(key)
    depth = next((depth for depth, (each, _) in enumerate(path) if each is page), 0)
    if not depth or (page.is_leaf and not store.is_settled(page)):
        return None
    parent, line = path[depth - 1]
    left = store.get(page.previous) if page.is_leaf and page.previous else None
    right = store.get(page.next) if page.is_leaf and page.next else None
    return Move(page, 0, parent, line, left, right)


def _first_key(store: NodeStore, name: TreeName, page: CachedPage) -> bytes | None:
    """The bookmark of the first node below a page; None where it does not look like one of the tree."""
    for _ in range(MAX_DEPTH):
        if page.objid != name.objid or not page.line_count:
            return None
        if page.is_leaf:
            _, key, data = page.node(0)
            return key if name.unique else key + data
        page = store.get(page.child(0))
    return None
