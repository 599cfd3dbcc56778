"""Trees as transactions see them: the one way in which records, index entries, long values and the catalogue are changed.

Rules: `reference/records-and-indexes.md` 7.4 - 7.6. The pages hold the newest state, deleted nodes included; the version store
says which of it a session sees. In a transaction that is what was committed when it began and its own changes, outside of one
what is committed now. A change needs a transaction (`Session.implicit_transaction`), and meets those of others at once: the
first writer wins.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from collections.abc import Sequence
from threading import RLock
from typing import TYPE_CHECKING, Protocol

from esent.constants import codes
from esent.engine.cores import SessionCore
from esent.engine.transactions import ProxyWriter, UnloggedWriter, Writer
from esent.engine.versioned_cursor import VersionedCursor
from esent.errors import JetError, jet_error
from esent.pages.edit import NODE_DELETED
from esent.tree.write import WritableTree
from esent.versions.store import (
    OPER_DELTA,
    OPER_DELTA64,
    OPER_FLAG_DELETE,
    OPER_INSERT,
    OPER_READ_LOCK,
    OPER_REPLACE,
    OPER_WRITE_LOCK,
    VERSION_OVERHEAD,
    Chain,
    Transaction,
    TreeVersions,
    Version,
    VersionStore,
    view,
)

if TYPE_CHECKING:
    from esent.engine.instance import Instance
    from esent.engine.session import Session

DELTA_OPERS = {4: OPER_DELTA, 8: OPER_DELTA64}


class Node(Protocol):
    """A node of a tree, as it is on its page; `flags` as of `pages.edit`."""

    key: bytes
    data: bytes
    flags: int


class NodeTree(Protocol):
    """The nodes of a tree without versions. A `data` bookmark counts in trees that are not unique only."""

    def find(self, key: bytes, data: bytes | None = None) -> Node | None: ...
    def first(self) -> Node | None: ...
    def last(self) -> Node | None: ...
    def next(self, node: Node) -> Node | None:
        """The node behind one that may be gone by now."""

    def previous(self, node: Node) -> Node | None: ...
    def seek_ge(self, key: bytes, data: bytes = b"") -> Node | None: ...
    def seek_lt(self, key: bytes, data: bytes = b"") -> Node | None: ...
    def insert(self, writer: Writer, key: bytes, data: bytes, *, rceid: int = 0) -> int | None: ...
    def flag_insert(self, writer: Writer, key: bytes, data: bytes, *, rceid: int = 0) -> None: ...
    def flag_insert_and_replace(
        self, writer: Writer, key: bytes, data: bytes, *, rceid: int = 0, rceid_replace: int = 0
    ) -> None: ...
    def replace(self, writer: Writer, key: bytes, data_bookmark: bytes, new_data: bytes, *, rceid: int = 0) -> int | None: ...
    def flag_delete(self, writer: Writer, key: bytes, data_bookmark: bytes, *, rceid: int = 0) -> int | None: ...
    def delete(self, writer: Writer, key: bytes, data_bookmark: bytes) -> None: ...
    def delta(
        self, writer: Writer, key: bytes, data_bookmark: bytes, offset: int, delta: int, size: int, *, rceid: int = 0
    ) -> None: ...
    def undo(self, writer: Writer, version: Version, key: bytes, data_bookmark: bytes) -> None: ...
    def page_of(self, key: bytes, data_bookmark: bytes) -> int: ...
    def external_header(self) -> bytes: ...
    def root_room(self) -> int: ...
    def set_external_header(self, writer: Writer, content: bytes) -> None: ...
    def fraction_of(self, key: bytes, data: bytes = b"") -> tuple[int, int]: ...
    def at_fraction(self, before: int, total: int) -> Node | None: ...


class TreeHome(Protocol):
    """The database a tree is in."""

    instance: Instance
    dbid: int
    logged: bool

    def nodes(self, objid: int, root: int, *, unique: bool) -> NodeTree:
        """The nodes of the tree with a root page."""


@cython.cclass
class VersionedTree:
    """One tree of a database. `unique`: its nodes are known by key, else by key and data.

    With `versioned` off (temporary tables) changes are final at once, and everybody sees them.
    """

    database: TreeHome = cython.declare(object, visibility="readonly")
    instance: Instance = cython.declare(object, visibility="readonly")
    objid: int = cython.declare(cython.longlong, visibility="readonly")
    root: int = cython.declare(cython.longlong, visibility="readonly")
    unique: bool = cython.declare(cython.bint, visibility="readonly")
    versioned: bool = cython.declare(cython.bint, visibility="public")
    nodes: NodeTree = cython.declare(object, visibility="readonly")
    store: VersionStore = cython.declare(VersionStore, visibility="readonly")
    versions: TreeVersions = cython.declare(TreeVersions, visibility="readonly")
    dbid: int = cython.declare(cython.int, visibility="readonly")
    logged: bool = cython.declare(cython.bint, visibility="readonly")
    title: str = cython.declare(object, visibility="public")  # what people call it, where somebody knows
    _lock: RLock = cython.declare(object)
    _pages: WritableTree | None = cython.declare(WritableTree)  # the nodes, where they are on pages

    def __init__(self, database: TreeHome, objid: int, root: int, unique: bool, *, versioned: bool = True) -> None:
        self.database = database
        self.instance = database.instance
        self.objid = objid
        self.root = root
        self.unique = unique
        self.versioned = versioned
        self.nodes = nodes = database.nodes(objid, root, unique=unique)
        self._pages = nodes if isinstance(nodes, WritableTree) else None
        self.store = self.instance.transactions.store
        self.versions = self.store.tree(database.dbid, objid, self, unique=unique)
        self.dbid = database.dbid
        self.logged = database.logged
        self.title = ""
        self._lock = self.instance.lock

    # -- changes ------------------------------------------------------------------------------------------------------

    def insert(self, session: Session, key: bytes, data: bytes, *, versioned: bool = True) -> None:
        """Insert a node. JET_errKeyDuplicate where there is one, also one the session does not see, or was one until after
        the session's snapshot.

        Without `versioned` it cannot be rolled back and everybody sees it at once.
        """
        with self._lock:
            transaction = session.open_transaction() if self.versioned else session.transaction
            self._insert(session, transaction, self._writer(session), key, data, versioned and self.versioned)

    def insert_many(
        self, session: Session, entries: Sequence[tuple[bytes, bytes]], *, versioned: bool = True
    ) -> tuple[int, JetError | None]:
        """Insert nodes (key, data) in this order until one cannot be: how many were inserted, and why the next one was not.

        Everything is as after as many calls of `insert`.
        """
        done: cython.Py_ssize_t = 0
        with self._lock:
            try:
                transaction = session.open_transaction() if self.versioned else session.transaction
                writer = self._writer(session)
                versioned &= self.versioned
                for key, data in entries:
                    self._insert(session, transaction, writer, key, data, versioned)
                    done += 1
            except JetError as problem:
                return done, problem
        return done, None

    @cython.cfunc
    @cython.exceptval(-1)
    def _insert(
        self,
        session: Session,
        transaction: Transaction | None,
        writer: Writer,
        key: bytes,
        data: bytes,
        versioned: cython.bint,
    ) -> cython.int:
        store = self.store
        pages = self._pages
        unique: cython.bint = self.unique
        node = self._find(key, None if unique else data)
        bookmark = b"" if unique else data
        taken: cython.bint = node is not None and not node.flags & NODE_DELETED
        if taken or self._conflicts(transaction, OPER_INSERT, key, bookmark):
            raise self._refusal(codes.JET_errKeyDuplicate, "inserting a node whose key is taken")
        self._require_writable(session)
        before = node.data if node is not None and unique else b""
        self._require_room(transaction, key, bookmark, len(before))
        rceid: cython.longlong = store.next_rceid() if versioned else 0
        second: cython.longlong = 0
        if node is None:
            if pages is not None:
                pages.insert(writer, key, data, rceid)
            else:
                self.nodes.insert(writer, key, data, rceid=rceid)
        elif unique:
            second = store.next_rceid() if versioned else 0
            self.nodes.flag_insert_and_replace(writer, key, data, rceid=rceid, rceid_replace=second)
        else:
            self.nodes.flag_insert(writer, key, data, rceid=rceid)
        if transaction is not None and rceid:
            store.add(transaction, self.versions, OPER_INSERT, key, bookmark, rceid)
            if second:
                pgno = self._page_of(key, bookmark)
                store.add(transaction, self.versions, OPER_REPLACE, key, bookmark, second, before, 0, 0, pgno)
        return 0

    @cython.cfunc
    def _find(self, key: bytes, data: bytes | None) -> Node | None:
        pages = self._pages
        return pages.find(key, data) if pages is not None else self.nodes.find(key, data)

    def replace(self, session: Session, key: bytes, old_data_bookmark: bytes, new_data: bytes) -> None:
        """Give a node other data. JET_errRecordDeleted where the session sees no such node, JET_errWriteConflict.

        In a tree that is not unique the data is what the node is known by: one is deleted, another inserted.
        """
        with self._lock:
            if not self.unique:
                self.delete(session, key, old_data_bookmark)
                self.insert(session, key, new_data)
                return
            transaction = self._begin_change(session)
            node = self._changeable(session, transaction, OPER_REPLACE, key, b"")
            before = node.data
            self._require_room(transaction, key, b"", len(before))
            rceid = self.store.next_rceid() if self.versioned else 0
            writer = self._writer(session)
            pages = self._pages
            if pages is not None:
                pages.replace(writer, key, b"", new_data, rceid)
            else:
                self.nodes.replace(writer, key, b"", new_data, rceid=rceid)
            if transaction is not None and rceid:
                pgno = self._page_of(key, b"")
                self.store.add(transaction, self.versions, OPER_REPLACE, key, b"", rceid, before, 0, 0, pgno)

    def delete(self, session: Session, key: bytes, data_bookmark: bytes = b"") -> None:
        """Delete a node. JET_errRecordDeleted where the session sees no such node, JET_errWriteConflict."""
        with self._lock:
            transaction = self._begin_change(session)
            bookmark = b"" if self.unique else data_bookmark
            self._changeable(session, transaction, OPER_FLAG_DELETE, key, bookmark)
            self._delete(session, transaction, key, bookmark)

    def delete_unseen(self, session: Session, key: bytes) -> None:
        """As `delete`, of a node that was put there, and committed, since the session's snapshot."""
        with self._lock:
            transaction = self._begin_change(session)
            node = self.nodes.find(key)
            chain = self.versions.chain(key, b"")
            if chain is not None and any(
                not version.transaction.commit0 and version.transaction is not transaction for version in chain.versions
            ):
                raise self._refusal(codes.JET_errWriteConflict, "deleting a node that another session is changing")
            if node is None or node.flags & NODE_DELETED:
                raise self._refusal(codes.JET_errRecordDeleted, "deleting a node that is deleted")
            self._delete(session, transaction, key, b"")

    @cython.cfunc
    def _delete(self, session: Session, transaction: Transaction | None, key: bytes, bookmark: bytes) -> None:
        self._require_room(transaction, key, bookmark, 0)
        writer = self._writer(session)
        if transaction is None or not self.versioned:
            self.nodes.delete(writer, key, bookmark)
            self.store.epoch += 1
            return
        rceid = self.store.next_rceid()
        pages = self._pages
        if pages is not None:
            pages.flag_delete(writer, key, bookmark, rceid)
        else:
            self.nodes.flag_delete(writer, key, bookmark, rceid=rceid)
        pgno = self._page_of(key, bookmark)
        self.store.add(transaction, self.versions, OPER_FLAG_DELETE, key, bookmark, rceid, b"", 0, 0, pgno)

    def delta(
        self,
        session: Session,
        key: bytes,
        offset: int,
        delta: int,
        size: int,
        *,
        data_bookmark: bytes = b"",
        versioned: bool = True,
    ) -> int:
        """Add to the counter of `size` (4, 8) bytes at `offset` of a node's data; the unsigned value on the page before.

        Deltas of several sessions go together; any other open change by another session is JET_errWriteConflict. A deleted
        node takes deltas as long as it is there. Without `versioned` nobody is asked, and it cannot be rolled back.
        """
        with self._lock:
            transaction = self._begin_change(session)
            bookmark = b"" if self.unique else data_bookmark
            oper = DELTA_OPERS[size]
            node = self.nodes.find(key, None if self.unique else bookmark)
            if node is None:
                raise self._refusal(codes.JET_errRecordDeleted, "adding to a node that is gone")
            versioned &= self.versioned
            if versioned and self._conflicts(transaction, oper, key, bookmark):
                raise self._refusal(codes.JET_errWriteConflict, "adding to a node that another session has changed")
            if not 0 <= offset <= len(node.data) - size:
                raise self._refusal(codes.JET_errInvalidParameter, f"no counter of {size} bytes at offset {offset}")
            old = int.from_bytes(node.data[offset : offset + size], "little")
            self._require_room(transaction, key, bookmark, 0)
            rceid = self.store.next_rceid() if versioned else 0
            writer = self._writer(session)
            self.nodes.delta(writer, key, bookmark, offset, delta, size, rceid=rceid)
            self.store.epoch += 1
            if transaction is not None and rceid:
                self.store.add(transaction, self.versions, oper, key, bookmark, rceid, b"", offset, delta)
            return old

    def lock(self, session: Session, key: bytes, data_bookmark: bytes = b"", *, write: bool) -> None:
        """Keep a node as it is until the outermost transaction ends: a write lock for this session, a read lock for all.

        A deleted node can be locked as long as it is there: JET_errRecordDeleted once it is gone. JET_errWriteConflict where
        another session has changed it, or has a lock that goes against this one.
        """
        with self._lock:
            transaction = self._begin_change(session, write)
            bookmark = b"" if self.unique else data_bookmark
            oper = OPER_WRITE_LOCK if write else OPER_READ_LOCK
            if self.nodes.find(key, None if self.unique else bookmark) is None:
                raise self._refusal(codes.JET_errRecordDeleted, "locking a node that is gone")
            if self._conflicts(transaction, oper, key, bookmark):
                raise self._refusal(codes.JET_errWriteConflict, "locking a node that another session has changed or locked")
            if transaction is not None:
                self._require_room(transaction, key, bookmark, 0)
                self.store.add(transaction, self.versions, oper, key, bookmark)

    def lock_lingering(self, session: Session, key: bytes) -> None:
        """A write lock taken outside of a transaction; it lasts until the session commits the next one, or ends.

        That is what the original does where an update that moves a record is prepared. Raises as `lock`.
        """
        with self._lock:
            if session.transaction is not None:
                self.lock(session, key, write=True)
                return
            if self.nodes.find(key) is None:
                raise self._refusal(codes.JET_errRecordDeleted, "locking a node that is gone")
            lingering = self.store.linger(session, session.lingering)
            if self._conflicts(lingering, OPER_WRITE_LOCK, key, b""):
                raise self._refusal(codes.JET_errWriteConflict, "locking a node that another session has changed or locked")
            self._require_room(lingering, key, b"", 0)
            self.store.add(lingering, self.versions, OPER_WRITE_LOCK, key, b"")
            session.lingering = lingering

    def lock_key(self, session: Session, key: bytes, *, write: bool) -> None:
        """`lock` for a key, whether there is a node with it or not."""
        with self._lock:
            transaction = self._begin_change(session, write)
            oper = OPER_WRITE_LOCK if write else OPER_READ_LOCK
            if self._conflicts(transaction, oper, key, b""):
                raise self._refusal(codes.JET_errWriteConflict, "locking a key that another session has locked")
            if transaction is not None:
                self._require_room(transaction, key, b"", 0)
                self.store.add(transaction, self.versions, oper, key, b"")

    @cython.cfunc
    def _begin_change(self, session: Session, write: cython.bint = True) -> Transaction | None:
        if write:
            self._require_writable(session)
        return session.open_transaction() if self.versioned else session.transaction

    @cython.cfunc
    def _require_writable(self, session: Session) -> None:
        """A transaction that only reads may still change temporary tables."""
        if not self.dbid or (isinstance(session, SessionCore) and not session.read_only):
            return
        session.require_writable()

    @cython.cfunc
    def _writer(self, session: Writer) -> Writer:
        """Who the pages know the session as; without a log it begins nothing in that of the instance."""
        return session if self.logged else UnloggedWriter(session)

    @cython.cfunc
    def _page_of(self, key: bytes, data: bytes) -> int:
        """The page a node is on, 0 where no log has to know."""
        if not self.logged:
            return 0
        pages = self._pages
        return pages.page_of(key, data) if pages is not None else self.nodes.page_of(key, data)

    @cython.cfunc
    def _require_room(self, transaction: Transaction | None, key: bytes, data: bytes, image: cython.Py_ssize_t) -> None:
        if transaction is not None:
            self.store.require_room(2 * (VERSION_OVERHEAD + len(key) + len(data)) + image)

    @cython.cfunc
    @cython.exceptval(-1)
    def _conflicts(self, transaction: Transaction | None, oper: cython.int, key: bytes, data: bytes) -> cython.int:
        if transaction is None:
            return 0
        chain: Chain | None = self.versions.chain(key, data)
        return chain is not None and chain.conflicts(oper, transaction)

    @cython.cfunc
    def _changeable(self, session: Session, transaction: Transaction | None, oper: int, key: bytes, data: bytes) -> Node:
        """The node, which the session sees and nobody else has changed."""
        node = self._find(key, None if self.unique else data)
        if node is not None and self._conflicts(transaction, oper, key, data):
            raise self._refusal(codes.JET_errWriteConflict, "changing a node that another session has changed")
        if node is None or self.visible_data(session, node) is None:
            raise self._refusal(codes.JET_errRecordDeleted, "changing a node that is deleted")
        return node

    def _refusal(self, code: int, what: str) -> JetError:
        return jet_error(code, f"{what}, in {self.title or f'tree {self.objid}'}")

    # -- changes that follow from those of others ---------------------------------------------------------------------------

    def insert_for(self, session: Session, original: Version, key: bytes, data: bytes) -> None:
        """Insert a node that has to follow from `original`, a change another session made: it goes with that one, and whoever
        sees the one sees the other. `session` does it if the other has committed.

        JET_errKeyDuplicate where there is such a node, JET_errWriteConflict where a third session is changing it.
        """
        with self._lock:
            unique: cython.bint = self.unique
            bookmark = b"" if unique else data
            node = self.nodes.find(key, None if unique else data)
            writer, rceid = self._writer_for(session, original, key, bookmark)
            if node is not None and not node.flags & NODE_DELETED:
                raise self._refusal(codes.JET_errKeyDuplicate, "inserting a node whose key is taken")
            before = node.data if node is not None and unique else b""
            self._require_room(original.transaction, key, bookmark, len(before))
            second: cython.longlong = 0
            if node is None:
                self.nodes.insert(writer, key, data, rceid=rceid)
            elif unique:
                second = self.store.next_rceid() if rceid else 0
                self.nodes.flag_insert_and_replace(writer, key, data, rceid=rceid, rceid_replace=second)
            else:
                self.nodes.flag_insert(writer, key, data, rceid=rceid)
            self.store.add_for(original, self.versions, OPER_INSERT, key, bookmark, rceid)
            if node is not None and unique:
                pgno = self._page_of(key, bookmark) if second else 0
                self.store.add_for(original, self.versions, OPER_REPLACE, key, bookmark, second, before, pgno)

    def delete_for(self, session: Session, original: Version, key: bytes, data: bytes) -> None:
        """As `insert_for`, the deletion of a node. JET_errWriteConflict too where there is none with that data."""
        with self._lock:
            bookmark = b"" if self.unique else data
            node = self.nodes.find(key, None if self.unique else data)
            writer, rceid = self._writer_for(session, original, key, bookmark)
            if node is None or node.flags & NODE_DELETED or node.data != data:
                raise self._refusal(codes.JET_errWriteConflict, "deleting a node of another session that is not there")
            self._require_room(original.transaction, key, bookmark, 0)
            self.nodes.flag_delete(writer, key, bookmark, rceid=rceid)
            pgno = self._page_of(key, bookmark) if rceid else 0
            self.store.add_for(original, self.versions, OPER_FLAG_DELETE, key, bookmark, rceid, b"", pgno)

    def _writer_for(self, session: Session, original: Version, key: bytes, bookmark: bytes) -> tuple[Writer, int]:
        """Who changes a node so that it follows from `original`, and the id of the version; 0 for one that is not undone."""
        transaction = original.transaction
        chain = self.versions.chain(key, bookmark)
        if chain is not None:
            for version in chain.versions:
                if not version.transaction.commit0 and version.transaction is not transaction:
                    raise self._refusal(codes.JET_errWriteConflict, "changing a node that another session is changing")
        if transaction.commit0:
            return self._writer(session), 0
        owner = ProxyWriter(transaction.owner, transaction.level_of(original))
        return self._writer(owner), self.store.next_rceid()

    # -- what roll-back and clean-up ask for -----------------------------------------------------------------------------

    def undo(self, writer: Writer, version: Version) -> None:
        """Take a version's change off its page."""
        chain = _chain(version)
        self.nodes.undo(self._writer(writer), version, chain.key, chain.data)

    def remove(self, writer: Writer, key: bytes, data: bytes) -> None:
        """Remove a node for good if it is still deleted and nobody has a version of it."""
        node = self.nodes.find(key, None if self.unique else data)
        if node is None or not node.flags & NODE_DELETED or self.versions.chain(key, data) is not None:
            return
        self.nodes.delete(self._writer(writer), key, data)
        self.store.epoch += 1

    def set_external_header(self, session: Session, content: bytes) -> None:
        """Replace the external header of the root, for good and for everybody. It needs a transaction."""
        with self._lock:
            self.nodes.set_external_header(self._writer(session), content)

    def expunge(self, writer: Writer, key: bytes, data: bytes = b"") -> None:
        """Remove a node for good, in the course of the clean-up."""
        self.nodes.delete(self._writer(writer), key, data)
        self.store.epoch += 1

    def take_off(self, writer: Writer, key: bytes, offset: int, amount: int, size: int) -> None:
        """Lower a counter for good, in the course of the clean-up."""
        self.nodes.delta(self._writer(writer), key, b"", offset, -amount, size)
        self.store.epoch += 1

    def forget(self) -> None:
        """The tree is being freed: nothing of it has to be cleaned up any more."""
        self.store.forget_tree(self.dbid, self.objid)

    # -- reading ------------------------------------------------------------------------------------------------------

    def visible_data(self, session: Session, node: Node) -> bytes | None:
        """The data of a node as the session sees it; None where it sees no such node."""
        deleted = bool(node.flags & NODE_DELETED)
        if not self.versions.chains:
            return None if deleted else node.data
        return view(self.versions.chain(node.key, node.data), node.data, session.transaction, deleted=deleted)

    def get(self, session: Session, key: bytes) -> bytes | None:
        """The data of the (first) node with a key that the session sees, or None."""
        with self._lock:
            if self.unique:
                node = self.nodes.find(key)
                return None if node is None else self.visible_data(session, node)
            cursor = self.cursor(session)
            return cursor.data if cursor.seek(key, "eq") else None

    def visible(self, session: Session, key: bytes, data: bytes = b"") -> bool:
        """Whether the session sees the node with that bookmark."""
        with self._lock:
            node = self.nodes.find(key, None if self.unique else data)
            return node is not None and self.visible_data(session, node) is not None

    def changed_by_other(self, session: Session, key: bytes, data: bytes = b"") -> bool:
        """Whether another session has a change to the node that is not committed."""
        with self._lock:
            chain = self.versions.chain(key, b"" if self.unique else data)
            if chain is None or not chain.versions:
                return False
            newest = chain.versions[-1].transaction
            return newest is not session.transaction and not newest.commit0

    def cursor(self, session: Session) -> VersionedCursor:
        """A cursor that is nowhere yet."""
        return VersionedCursor(self, session)


def _chain(version: Version) -> Chain:
    assert version.chain is not None
    return version.chain
