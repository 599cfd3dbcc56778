"""Trees that can be written: search, changes of nodes, splits, removal of emptied pages.

`WritableTree` knows nothing of transactions' views: it shows every node, those flagged deleted included. What it changes is
logged by the store it stands on (`tree.live`). Rules: `reference/database-format.md` 6.

A `Position` is a node and the place where it was found. It stays usable whatever happens to the tree: when its page has
changed since, the place is looked up again by the bookmark.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.pages.cache import CachedPage
from esent.pages.edit import NODE_DELETED, NODE_VERSIONED, PAGE_ROOT, PAGE_SPACE_TREE
from esent.tree.live import (
    MERGE_PAGE_BECOMES_EMPTY,
    OPER_FLAG_INSERT_AND_REPLACE,
    OPER_INSERT,
    OPER_NONE,
    OPER_REPLACE,
    Change,
    Node,
    NodeStore,
    Operation,
    SplitLevel,
    TreeName,
    Writer,
)
from esent.tree.merge import plan_removal
from esent.tree.split import has_room_for_pointer, hot_line, plan_append, plan_internal, plan_right, plan_vertical

MAX_DEPTH = 32
DEFAULT_DENSITY = 80
_OPER_REPLACE = 2  # of versions
_ABOVE = b"\xff" * 64  # behind a key: above every bookmark that begins with it, but for keys of no index
_SPLITS = 64  # one operation needs a few at the most


@cython.cclass
class Position:
    """A node and where it was: `flags` as of `pages.edit` (deleted 2)."""

    page: CachedPage
    line: int
    dbtime: int
    flags: int
    key: bytes
    data: bytes

    def __init__(self, page: CachedPage, line: cython.Py_ssize_t) -> None:
        self.page = page
        self.line = line
        self.dbtime = page.changed_at()
        self.key = page.key(line)
        self.flags = page.node_flags(line) & (NODE_VERSIONED | NODE_DELETED)
        self.data = page.value(line)

    @property
    def deleted(self) -> bool:
        return bool(self.flags & NODE_DELETED)


@cython.cclass
class WritableTree:
    """One tree of a store. `density`: how full a page may get while nodes are added behind the last, in percent."""

    store: NodeStore
    objid: int
    root: int
    unique: bool
    density: int
    name: TreeName
    _objid_bytes: bytes
    # the leaf found last, as it was then, and for what
    _near: CachedPage | None
    _near_dbtime: int
    _near_bookmark: bytes
    _stays: bool  # the last two places were on one leaf: the next one may be as well
    # what was looked for last in that leaf: a line, or -1 less the line where it would be
    _found_key: bytes | None
    _found_data: bytes | None
    _found: int

    def __init__(
        self,
        store: NodeStore,
        objid: int,
        root: int,
        *,
        unique: bool,
        density: int = DEFAULT_DENSITY,
        name: TreeName | None = None,
    ) -> None:
        self.store = store
        self.objid = objid
        self.root = root
        self.unique = unique
        self.density = density
        self.name = name or TreeName(objid, root, unique)
        self._objid_bytes = objid.to_bytes(4, "little")
        self._near = None
        self._near_dbtime = 0
        self._near_bookmark = b""
        self._stays = False
        self._found_key = self._found_data = None
        self._found = 0

    # -- the way down -----------------------------------------------------------------------------------------------------

    def _wrong(self, page: CachedPage, what: str, code: int = codes.JET_errBadParentPageLink) -> JetError:
        return jet_error(code, f"tree {self.objid} at page {self.root}: {what}", page=page.pgno)

    def _root(self) -> CachedPage:
        page = self.store.get(self.root)
        if page.data[24:28] != self._objid_bytes or not page.data[36] & PAGE_ROOT:
            raise self._wrong(page, "not its root page", codes.JET_errCatalogCorrupted)
        return page

    @cython.cfunc
    def _leaf(self, bookmark: bytes) -> CachedPage:
        """The leaf where a bookmark belongs."""
        near: CachedPage | None = self._near
        parent: CachedPage
        page: CachedPage
        below: cython.longlong
        depth: cython.int
        # As long as a leaf is as it was, it is the place for what was found in it, and for all between its nodes.
        if (
            near is not None
            and (self._stays or bookmark == self._near_bookmark)
            and near.changed_at() == self._near_dbtime
            and self.store.holds(near)
            and (bookmark == self._near_bookmark or near.encloses(bookmark, not self.unique))
        ):
            self._near_bookmark = bookmark
            return near
        parent = page = self.store.get(self.root)
        if not page.data[36] & PAGE_ROOT:
            raise self._wrong(page, "not its root page", codes.JET_errCatalogCorrupted)
        depth = 0
        while below := page.step_down(bookmark, self.objid):
            if below < 0 or depth > MAX_DEPTH:
                if depth == 0:
                    raise self._wrong(page, "not its root page", codes.JET_errCatalogCorrupted)
                raise self._wrong(parent, f"page {page.pgno} is not a child of its parent")
            parent = page
            page = self.store.get(below)
            depth += 1
        self._stays = page is near
        self._near, self._near_dbtime, self._near_bookmark = page, page.changed_at(), bookmark
        self._found_key = self._found_data = None  # what was found is a line of another page, or of this one as it was
        return page

    @cython.cfunc
    def _locate(self, key: bytes, data: bytes | None) -> cython.Py_ssize_t:
        """Find a bookmark (without `data` in a unique tree): its line in the leaf `_near`, or -1 less where it would be."""
        if self._still_found(key, data):
            return self._found
        page: CachedPage = self._leaf(key if data is None else key + data)
        self._found = page.place(key, data)
        self._found_key, self._found_data = key, data
        return self._found

    @cython.cfunc
    def _still_found(self, key: bytes, data: bytes | None) -> cython.bint:
        """Whether these very objects were looked for last, and nothing has changed since."""
        near: CachedPage | None = self._near
        return (
            key is self._found_key
            and data is self._found_data
            and near is not None
            and near.changed_at() == self._near_dbtime
            and self.store.holds(near)
        )

    @cython.cfunc
    def _done(self, page: CachedPage, found: cython.Py_ssize_t) -> None:
        """The node looked for last was changed, on a page that is as it was but for that; it is at line `found` now."""
        if page is self._near:
            self._near_dbtime = page.changed_at()
            self._found = found

    def _path(self, bookmark: bytes) -> list[tuple[CachedPage, int]]:
        """The pages from the root to the leaf, each with the line that leads on; 0 for the leaf."""
        page = self._root()
        path: list[tuple[CachedPage, int]] = []
        while not page.is_leaf:
            line = page.seek_child(bookmark)
            path.append((page, line))
            page = self.store.get(page.child(line))
            if page.objid != self.objid or len(path) > MAX_DEPTH:
                raise self._wrong(path[-1][0], f"page {page.pgno} is not a child of its parent")
        path.append((page, 0))
        return path

    def _edge(self, *, last: bool) -> CachedPage:
        page = self._root()
        depth = 0
        while not page.is_leaf:
            page = self.store.get(page.child(page.line_count - 1 if last else 0))
            depth += 1
            if page.objid != self.objid or depth > MAX_DEPTH:
                raise self._wrong(page, "not a child of its parent")
        return page

    @cython.cfunc
    def _bookmark(self, key: bytes, data: bytes) -> bytes:
        return key if self.unique else key + data

    def _sibling(self, page: CachedPage, pgno: int, *, forward: bool) -> CachedPage:
        sibling = self.store.get(pgno)
        back = sibling.previous if forward else sibling.next
        if back != page.pgno or sibling.objid != self.objid or not sibling.is_leaf:
            raise self._wrong(page, f"the link to page {pgno} does not agree with that page", codes.JET_errBadPageLink)
        return sibling

    # -- search and navigation ----------------------------------------------------------------------------------------------

    @cython.ccall
    def find(self, key: bytes, data: bytes | None = None) -> Position | None:
        """The node with a key (in a tree that is not unique: and data; without `data` the first one with the key)."""
        self.store.trim()
        if self.unique or data is not None:
            place: cython.Py_ssize_t = self._locate(key, None if self.unique else data)
            page: CachedPage | None = self._near
            return Position(page, place) if place >= 0 and page is not None else None
        found = self._at_least(key, b"")
        return found if found is not None and found.key == key else None

    def first(self) -> Position | None:
        self.store.trim()
        return self._forward(self._edge(last=False), 0)

    def last(self) -> Position | None:
        self.store.trim()
        page = self._edge(last=True)
        return self._backward(page, page.line_count - 1)

    def seek_ge(self, key: bytes, data: bytes = b"") -> Position | None:
        """The first node whose bookmark is not below."""
        self.store.trim()
        return self._at_least(key, data)

    def seek_lt(self, key: bytes, data: bytes = b"") -> Position | None:
        """The last node whose bookmark is below."""
        self.store.trim()
        page = self._leaf(self._bookmark(key, data))
        return self._backward(page, page.seek(key, None if self.unique else data)[0] - 1)

    def seek_le(self, key: bytes, data: bytes | None = None) -> Position | None:
        """The last node whose bookmark (without `data`: whose key) is not above."""
        self.store.trim()
        bookmark = key if self.unique else key + (_ABOVE if data is None else data)
        page = self._leaf(bookmark)
        line = page.line_count
        if self.unique or data is not None:
            line, exact = page.seek(key, None if self.unique else data)
            return self._backward(page, line if exact else line - 1)
        found = self._backward(page, line - 1)
        while found is not None and found.key > key:
            found = self._backward(found.page, found.line - 1)
        return found

    def next(self, node: Node) -> Position | None:
        """The node behind, whether or not this one is still there."""
        self.store.trim()
        if isinstance(node, Position):
            here: Position = node
            if self.store.holds(here.page) and here.page.dbtime == here.dbtime:
                return self._forward(here.page, here.line + 1)
        found = self._at_least(node.key, b"" if self.unique else node.data)
        if found is not None and found.key == node.key and (self.unique or found.data == node.data):
            return self._forward(found.page, found.line + 1)
        return found

    def previous(self, node: Node) -> Position | None:
        """The node before, whether or not this one is still there."""
        self.store.trim()
        if isinstance(node, Position):
            here: Position = node
            if self.store.holds(here.page) and here.page.dbtime == here.dbtime:
                return self._backward(here.page, here.line - 1)
        return self.seek_lt(node.key, b"" if self.unique else node.data)

    @cython.cfunc
    def _at_least(self, key: bytes, data: bytes) -> Position | None:
        page = self._leaf(self._bookmark(key, data))
        return self._forward(page, page.seek(key, None if self.unique else data)[0])

    @cython.cfunc
    def _forward(self, page: CachedPage, line: cython.Py_ssize_t) -> Position | None:
        while line >= page.line_count:
            pgno = page.next
            if not pgno:
                return None
            page = self._sibling(page, pgno, forward=True)
            line = 0
        return Position(page, line)

    @cython.cfunc
    def _backward(self, page: CachedPage, line: cython.Py_ssize_t) -> Position | None:
        while line < 0:
            pgno = page.previous
            if not pgno:
                return None
            page = self._sibling(page, pgno, forward=False)
            line = page.line_count - 1
        return Position(page, line)

    @cython.ccall
    def page_of(self, key: bytes, data_bookmark: bytes = b"") -> cython.longlong:
        """The number of the leaf where a bookmark belongs."""
        self._locate(key, None if self.unique else data_bookmark)
        assert self._near is not None
        return self._near.pgno

    def fraction_of(self, key: bytes, data: bytes = b"") -> tuple[int, int]:
        """Where a bookmark is among all nodes: (nodes before, nodes in all), as if all pages of a level were equally full."""
        before, total = 0, 1
        bookmark = self._bookmark(key, data)
        for page, line in self._path(bookmark):
            count = page.line_count
            place = page.seek(key, None if self.unique else data)[0] if page.is_leaf else line
            before = before * count + min(place, count - 1)
            total *= count
        return before, total

    def at_fraction(self, before: int, total: int) -> Position | None:
        """The node that `before` of `total` nodes are before, found without counting; None in an empty tree."""
        part = min(before / total, 1.0) if total else 0.0
        page = self._root()
        depth = 0
        while True:
            count = page.line_count
            if count == 0:
                return None
            line = min(int(part * count), count - 1)
            part = min(part * count - line, 1.0)
            if page.is_leaf:
                return Position(page, line)
            page = self.store.get(page.child(line))
            depth += 1
            if page.objid != self.objid or depth > MAX_DEPTH:
                raise self._wrong(page, "not a child of its parent")

    # -- changes ------------------------------------------------------------------------------------------------------------

    @cython.ccall
    def insert(self, writer: Writer, key: bytes, data: bytes, rceid: cython.longlong = 0) -> cython.int:
        """Put a node where there is none with its bookmark. JET_errKeyDuplicate where there is one, deleted or not."""
        store: NodeStore = self.store
        page: CachedPage
        bookmark_data = None if self.unique else data
        again: cython.bint = not self._still_found(key, bookmark_data)
        if again:
            store.trim()
        store.begin(writer)
        place: cython.Py_ssize_t
        shared: cython.Py_ssize_t
        for _ in range(_SPLITS):
            place = self._locate(key, bookmark_data) if again else self._found
            again = True
            near = self._near
            assert near is not None
            page = near
            if place >= 0:
                raise jet_error(codes.JET_errKeyDuplicate, f"inserting a node into tree {self.objid}", page=page.pgno)
            place = -1 - place
            shared = page.room_before(place, key, len(data), self.density, store.reserved(page, None))
            if shared >= 0:
                store.insert(writer, self.name, page, place, shared, key[shared:] if shared else key, data, rceid)
                self._done(page, place)
                return 0
            if self._split(writer, self._bookmark(key, data), Operation(OPER_INSERT, place, key, data, rceid)):
                return 0
        raise self._wrong(self._root(), "splitting makes no room", codes.JET_errDatabaseCorrupted)

    def flag_insert(self, writer: Writer, key: bytes, data: bytes, *, rceid: int = 0) -> None:
        """Take the deleted flag off a node."""
        page, line = self._node(writer, key, data)
        self.store.flag_insert(writer, self.name, page, line, rceid)
        self._done(page, line)

    def flag_insert_and_replace(
        self, writer: Writer, key: bytes, data: bytes, *, rceid: int = 0, rceid_replace: int = 0
    ) -> None:
        """Take the deleted flag off a node of a unique tree and give it other data."""
        for _ in range(_SPLITS):
            page, line = self._node(writer, key, b"")
            if self._can_grow(page, line, data):
                self.store.flag_insert_and_replace(writer, self.name, page, line, data, rceid, rceid_replace)
                self._done(page, line)
                return
            operation = Operation(OPER_FLAG_INSERT_AND_REPLACE, line, key, data, rceid, rceid_replace)
            if self._split(writer, key, operation):
                return
        raise self._wrong(page, "splitting makes no room", codes.JET_errDatabaseCorrupted)

    @cython.ccall
    def replace(
        self, writer: Writer, key: bytes, data_bookmark: bytes, new_data: bytes, rceid: cython.longlong = 0
    ) -> cython.int:
        """Give a node of a unique tree other data."""
        line: cython.Py_ssize_t
        page: CachedPage
        for _ in range(_SPLITS):
            line = self._line(writer, key, data_bookmark)
            page = self._leaf_found()
            if self._can_grow(page, line, new_data):
                self.store.replace(writer, self.name, page, line, new_data, rceid)
                self._done(page, line)
                return 0
            if self._split(writer, key, Operation(OPER_REPLACE, line, key, new_data, rceid)):
                return 0
        raise self._wrong(self._root(), "splitting makes no room", codes.JET_errDatabaseCorrupted)

    @cython.ccall
    def flag_delete(self, writer: Writer, key: bytes, data_bookmark: bytes = b"", rceid: cython.longlong = 0) -> cython.int:
        """Set the deleted flag of a node."""
        line: cython.Py_ssize_t = self._line(writer, key, data_bookmark)
        page: CachedPage = self._leaf_found()
        self.store.flag_delete(writer, self.name, page, line, rceid)
        self._done(page, line)
        return 0

    def delete(self, writer: Writer, key: bytes, data_bookmark: bytes = b"") -> None:
        """Remove a node. A page that has no other one goes back to the free space of the tree."""
        page, line = self._node(writer, key, data_bookmark)
        if page.line_count > 1 or page.is_root:
            self.store.delete(writer, self.name, page, line)
            self._done(page, line)
            self._found_key = self._found_data = None
            return
        if not page.node_flags(line) & NODE_DELETED:
            self.store.flag_delete(writer, self.name, page, line, 0)
        self._remove_page(writer, self._bookmark(key, data_bookmark))

    def delta(
        self, writer: Writer, key: bytes, data_bookmark: bytes, offset: int, delta: int, size: int, *, rceid: int = 0
    ) -> None:
        """Add to the integer of `size` (4, 8) bytes at `offset` of a node's data. JET_errInvalidParameter: not in the data."""
        page, line = self._node(writer, key, data_bookmark)
        if not 0 <= offset <= page.value_size(line) - size:
            raise jet_error(codes.JET_errInvalidParameter, f"no counter of {size} bytes at offset {offset}", page=page.pgno)
        self.store.delta(writer, self.name, page, line, offset, delta, size, rceid)

    def undo(self, writer: Writer, change: Change, key: bytes, data_bookmark: bytes = b"") -> None:
        """Take a change off its node."""
        for _ in range(_SPLITS):
            page, line = self._node(writer, key, data_bookmark)
            if change.oper != _OPER_REPLACE or len(change.before) - page.value_size(line) <= page.free:
                self.store.undo(writer, self.name, page, line, change, b"" if self.unique else data_bookmark)
                return
            self._split(writer, self._bookmark(key, data_bookmark), None)
        raise self._wrong(page, "splitting makes no room", codes.JET_errDatabaseCorrupted)

    def external_header(self) -> bytes:
        """The external header of the root."""
        return self._root().external_header()

    def root_room(self) -> int:
        """Bytes free in the root."""
        return self._root().free

    def set_external_header(self, writer: Writer, content: bytes) -> None:
        """Replace the external header of the root."""
        self.store.trim()
        self.store.begin(writer)
        self.store.set_external_header(writer, self.name, self._root(), content)

    def _node(self, writer: Writer, key: bytes, data: bytes) -> tuple[CachedPage, int]:
        """Page and line of a node that is there; the writer may change it now."""
        line = self._line(writer, key, data)
        return self._leaf_found(), line

    @cython.cfunc
    def _line(self, writer: Writer, key: bytes, data: bytes) -> cython.Py_ssize_t:
        """The line of a node that is there, on the leaf found; the writer may change it now."""
        bookmark_data = None if self.unique else data
        if not self._still_found(key, bookmark_data):
            self.store.trim()
        self.store.begin(writer)
        line: cython.Py_ssize_t = self._locate(key, bookmark_data)
        if line < 0:
            what = f"tree {self.objid} has no node with this bookmark"
            raise jet_error(codes.JET_errRecordDeleted, what, page=self._leaf_found().pgno)
        return line

    @cython.cfunc
    def _leaf_found(self) -> CachedPage:
        """The leaf that was found last."""
        page = self._near
        assert page is not None
        return page

    @cython.cfunc
    def _can_grow(self, page: CachedPage, line: cython.Py_ssize_t, data: bytes) -> cython.bint:
        grown: cython.Py_ssize_t = len(data) - page.value_size(line)
        if grown <= 0:
            return True
        if grown > page.free:
            return False
        beside = (page.key(line), b"" if self.unique else page.value(line))
        return grown <= page.free - self.store.reserved(page, beside)

    # -- splits -------------------------------------------------------------------------------------------------------------

    def _split(self, writer: Writer, bookmark: bytes, operation: Operation | None) -> bool:
        """Make room where a bookmark belongs. Whether the operation was done by the way."""
        with self.store.steady():
            return self._split_steadily(writer, bookmark, operation)

    def _split_steadily(self, writer: Writer, bookmark: bytes, operation: Operation | None) -> bool:
        path = self._path(bookmark)
        leaf = path[-1][0]
        if self._sweep(writer, leaf, operation):
            return False
        reserve = self.store.reserved(leaf, None)
        if leaf.is_root:
            levels = [plan_vertical(leaf, operation, reserve)]
        else:
            at_end = operation is not None and operation.kind == OPER_INSERT and operation.line == leaf.line_count
            if at_end and operation is not None and not leaf.next:
                level = plan_append(leaf, operation)
            else:
                level = plan_right(leaf, operation, reserve, hot_line(leaf, operation, self.store.inserted_by))
                if leaf.next:
                    level.right = self._sibling(leaf, leaf.next, forward=True)
            levels = self._plan_upwards(path, level)
        for level in reversed(levels):
            if level.count:
                level.pgno_new = self._new_page(writer, level.page)
        done = levels[-1].page is leaf and levels[-1].oper != OPER_NONE
        self.store.split(writer, self.name, levels, operation if done else None)
        return done

    def _sweep(self, writer: Writer, leaf: CachedPage, operation: Operation | None) -> bool:
        """Remove the nodes of a leaf that nobody can see any more, which may save the split. Whether there were any."""
        lines = self.store.dead_lines(leaf)
        if operation is not None and operation.kind != OPER_INSERT:
            lines = [line for line in lines if line != operation.line]
        if len(lines) == leaf.line_count:
            lines = lines[1:]
        for line in reversed(lines):
            self.store.delete(writer, self.name, leaf, line)
        return bool(lines)

    def _plan_upwards(self, path: list[tuple[CachedPage, int]], level: SplitLevel) -> list[SplitLevel]:
        """The levels above a leaf that splits, as far as they change; a root without room first gets a level more."""
        levels = [level]
        for page, line in reversed(path[:-1]):
            key = levels[0].key_parent
            levels[0].parent = page
            if has_room_for_pointer(page, key):
                return [SplitLevel(page, line), *levels]
            if page.is_root:
                return [plan_vertical(page, None, 0)]
            levels.insert(0, plan_internal(page, line, key))
        raise self._wrong(level.page, "a page without a parent is not a root")

    def _new_page(self, writer: Writer, page: CachedPage) -> int:
        """A page to put beside one that splits."""
        return self.store.take_page(writer, self.name, page.pgno)

    # -- emptied pages ------------------------------------------------------------------------------------------------------

    def _remove_page(self, writer: Writer, bookmark: bytes) -> None:
        """Take the leaf of a bookmark, whose only node is deleted, out of the tree, if that can be done simply."""
        with self.store.steady():
            self._remove_steadily(writer, bookmark)

    def _remove_steadily(self, writer: Writer, bookmark: bytes) -> None:
        path = self._path(bookmark)
        root = path[0][0]
        if root.flags & PAGE_SPACE_TREE:
            return
        gone = [page for page, _ in path[1:]]
        if all(page.line_count == 1 for page, _ in path[:-1]):
            self.store.empty_tree(writer, self.name, root, gone)
        else:
            leaf = path[-1][0]
            left = self._sibling(leaf, leaf.previous, forward=False) if leaf.previous else None
            right = self._sibling(leaf, leaf.next, forward=True) if leaf.next else None
            levels = plan_removal(path, left, right)
            if levels is None:
                return
            gone = [level.page for level in levels if level.flags & MERGE_PAGE_BECOMES_EMPTY]
            self.store.merge(writer, self.name, levels)
        for page in gone:
            self.store.give_back(writer, self.name, page.pgno, 1)
