"""A place among the nodes of a tree that a session sees; the reading half of `versioned`."""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from esent.constants import codes
from esent.errors import jet_error
from esent.pages.edit import NODE_DELETED

if TYPE_CHECKING:
    from esent.engine.session import Session
    from esent.engine.versioned import Node, NodeTree, VersionedTree

_DELETED = cython.declare(cython.int, NODE_DELETED)


@cython.cclass
class VersionedCursor:
    """A place among the nodes of a tree that a session sees.

    It is a bookmark: splits, deletes and clean-up, by whomever, do not disturb it. When a seek or a move finds nothing the
    cursor is behind the last or before the first node, or, after a seek for an equal key, at the place where it would be.
    """

    tree: VersionedTree = cython.declare(object, visibility="readonly")
    session: Session = cython.declare(object, visibility="readonly")
    _unique: bool = cython.declare(cython.bint)
    _nodes: NodeTree = cython.declare(object)
    _store: Any = cython.declare(object)  # of versions
    _acquire: Callable[[], Any] = cython.declare(object)  # the lock of the instance
    _release: Callable[[], Any] = cython.declare(object)
    _node: Node | None = cython.declare(object)  # where the bookmark was found
    _key: bytes = cython.declare(bytes)
    _data_bookmark: bytes = cython.declare(bytes)
    _side: int = cython.declare(cython.int)  # -1: before the first node, 1: behind the last
    _on: bool = cython.declare(cython.bint)  # whether the bookmark is that of a node; else it is a place between nodes
    _set: bool = cython.declare(cython.bint)
    _data: bytes | None = cython.declare(bytes)
    _epoch: int = cython.declare(cython.longlong)

    def __init__(self, tree: VersionedTree, session: Session) -> None:
        self.tree = tree
        self.session = session
        self._unique = tree.unique
        self._nodes = tree.nodes
        self._store = tree.store
        self._acquire = tree.instance.lock.acquire
        self._release = tree.instance.lock.release
        self._node = None
        self._key = b""
        self._data_bookmark = b""
        self._side = 0
        self._on = False
        self._set = False
        self._data = None
        self._epoch = -1

    # -- where it is ---------------------------------------------------------------------------------------------------

    @property
    def on_entry(self) -> bool:
        """Whether it was put on a node, though that may be deleted by now."""
        return self._on

    @property
    def key(self) -> bytes:
        """Key of the node it is on. JET_errNoCurrentRecord on none."""
        self._require_on()
        return self._key

    @property
    def place_data(self) -> bytes:
        """What belongs to the place beside its key."""
        return self._data_bookmark

    @property
    def bookmark_key(self) -> bytes:
        """Key of the place, whether a node is there or not."""
        return self._key

    @property
    def data(self) -> bytes:
        """Data of the node as the session sees it now. JET_errRecordDeleted where it does not see it any more."""
        found = self._current()
        if found is None:
            raise jet_error(codes.JET_errRecordDeleted, f"reading a deleted node of tree {self.tree.objid}")
        return found

    @property
    def data_bookmark(self) -> bytes:
        """What belongs to the bookmark beside the key; empty where the tree is unique."""
        self._require_on()
        return self._data_bookmark

    @property
    def exists_now(self) -> bool:
        """Whether the session sees the node it is on."""
        return self._on and self._current() is not None

    @cython.cfunc
    def _require_on(self) -> cython.int:
        if not self._on:
            raise jet_error(codes.JET_errNoCurrentRecord, f"the cursor is on no node of tree {self.tree.objid}")
        return 0

    @cython.cfunc
    def _current(self) -> bytes | None:
        self._require_on()
        self._acquire()
        try:
            if self._epoch != self._store.epoch:
                self._node = self._nodes.find(self._key, None if self._unique else self._data_bookmark)
                self._data = None if self._node is None else self._visible(self._node)
                self._epoch = self._store.epoch
            return self._data
        finally:
            self._release()

    @cython.cfunc
    def _visible(self, node: Node) -> bytes | None:
        """The data of a node as the session sees it."""
        if not self.tree.versions.chains:  # nothing of the tree is in flux
            return None if node.flags & _DELETED else node.data
        return self.tree.visible_data(self.session, node)

    # -- moving ---------------------------------------------------------------------------------------------------------

    def first(self) -> bool:
        """To the first node. False where there is none."""
        self._acquire()
        try:
            return self._forward(self._nodes.first())
        finally:
            self._release()

    def last(self) -> bool:
        """To the last node. False where there is none."""
        self._acquire()
        try:
            return self._backward(self._nodes.last())
        finally:
            self._release()

    def next(self) -> bool:
        """To the next node (from nowhere: the first). False at the end; then it is behind the last one."""
        if self._side > 0:
            return False
        nodes = self._nodes
        self._acquire()
        try:
            if self._side < 0 or not self._set:
                return self._forward(nodes.first())
            if not self._on:
                return self._forward(nodes.seek_ge(self._key, self._data_bookmark))
            if self._node is not None:
                return self._forward(nodes.next(self._node))
            if self._unique:
                return self._forward(nodes.seek_ge(self._key + b"\0", b""))
            return self._forward(nodes.seek_ge(self._key, self._data_bookmark + b"\0"))
        finally:
            self._release()

    def previous(self) -> bool:
        """To the node before (from nowhere: the last). False at the begin; then it is before the first one."""
        if self._side < 0:
            return False
        nodes = self._nodes
        self._acquire()
        try:
            if self._side > 0 or not self._set:
                return self._backward(nodes.last())
            if self._on and self._node is not None:
                return self._backward(nodes.previous(self._node))
            return self._backward(nodes.seek_lt(self._key, self._data_bookmark))
        finally:
            self._release()

    def goto(self, key: bytes, data: bytes = b"", *, on: bool = True) -> None:
        """Be on the bookmark of a node without looking whether there is one; without `on`, where it would be."""
        self._place(key, b"" if self._unique else data, on)

    def seek(self, key: bytes, mode: str, data: bytes | None = None) -> bool:
        """To the last node with a key "lt" or "le", the first with one "eq", "ge" or "gt"; whether there is one.

        With `data` (trees that are not unique) it is key and data together that are compared.
        """
        nodes = self._nodes
        whole: cython.bint = data is None or self._unique
        bookmark: bytes = b"" if whole or data is None else data
        found: cython.bint
        self._acquire()
        try:
            if mode in ("eq", "ge"):
                found = self._forward(nodes.seek_ge(key, bookmark))
                if mode == "ge":
                    return found
                if found and self._key == key and (whole or self._data_bookmark == bookmark):
                    return True
                self._place(key, bookmark, False)
                return False
            if mode == "lt":
                return self._backward(nodes.seek_lt(key, bookmark))
            if mode == "le":
                return self._backward(nodes.seek_lt(key + b"\0", b"") if whole else nodes.seek_lt(key, bookmark + b"\0"))
            if mode == "gt":
                return self._forward(nodes.seek_ge(key + b"\0", b"") if whole else nodes.seek_ge(key, bookmark + b"\0"))
            raise ValueError(f"{mode!r} is not a way to seek")
        finally:
            self._release()

    @cython.cfunc
    def _place(self, key: bytes, data: bytes, on: cython.bint) -> cython.int:
        self._key = key
        self._data_bookmark = data
        self._on = on
        self._set = True
        self._side = 0
        self._node = None
        self._epoch = -1
        return 0

    @cython.cfunc
    def _beyond(self, side: cython.int) -> cython.bint:
        self._place(b"", b"", False)
        self._side = side
        return False

    @cython.cfunc
    def _settle(self, node: Node, data: bytes) -> cython.bint:
        self._place(node.key, b"" if self._unique else node.data, True)
        self._node = node
        self._data = data
        self._epoch = self._store.epoch
        return True

    @cython.cfunc
    def _forward(self, node: Node | None) -> cython.bint:
        """To the first visible node from `node` on."""
        while node is not None:
            data = self._visible(node)
            if data is not None:
                return self._settle(node, data)
            node = self._nodes.next(node)
        return self._beyond(1)

    @cython.cfunc
    def _backward(self, node: Node | None) -> cython.bint:
        """To the last visible node up to `node`."""
        while node is not None:
            data = self._visible(node)
            if data is not None:
                return self._settle(node, data)
            node = self._nodes.previous(node)
        return self._beyond(-1)
