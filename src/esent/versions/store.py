"""Versions of nodes: snapshots, conflicts, commuting counters, savepoints and clean-up, all in memory.

Rules: `reference/records-and-indexes.md` 7.4 - 7.6. A page holds the newest state of each node; what it was before is reached
by taking the versions off again, newest first. Nodes are known by bookmark: key, and data too where the tree is not unique.

| oper | made by             | taking it off                                  |
|------|---------------------|------------------------------------------------|
| 1    | insert              | the node is not there                          |
| 2    | replace             | the data before                                |
| 3    | flag-delete         | the node is there                              |
| 4, 9 | delta of 4, 8 bytes | the counter less the delta                     |
| 5, 6 | read lock, write lock | nothing                                      |
| 0    | a call              | whatever the caller registered for a roll-back |
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from esent.constants import codes
from esent.errors import jet_error

OPER_ACTION = 0
OPER_INSERT = 1
OPER_REPLACE = 2
OPER_FLAG_DELETE = 3
OPER_DELTA = 4
OPER_READ_LOCK = 5
OPER_WRITE_LOCK = 6
OPER_DELTA64 = 9

TRANSACTION_STEP = 4  # between one transaction id and the next
RCEID_STEP = 2
FIRST_RCEID = 0xFFFFFFAF  # odd and close to the end of 32 bits, so that every comparison has to cope with wrapping
VERSION_OVERHEAD = 160  # bytes a version counts beside key, data and image

_WORD: cython.longlong = 0xFFFFFFFF
_STEP: cython.longlong = RCEID_STEP
_SIGN: cython.longlong = 0x80000000
# the same numbers, which compiled are no objects
_INSERT: cython.int = OPER_INSERT
_REPLACE: cython.int = OPER_REPLACE
_FLAG_DELETE: cython.int = OPER_FLAG_DELETE
_DELTA: cython.int = OPER_DELTA
_DELTA64: cython.int = OPER_DELTA64
_READ_LOCK: cython.int = OPER_READ_LOCK
_OVERHEAD: cython.int = VERSION_OVERHEAD
_DELTA_SIZE = {OPER_DELTA: 4, OPER_DELTA64: 8}


Leaving = dict[tuple[int, int], dict[tuple[bytes, bytes], Any]]
"""By tree: the bookmarks of nodes that are to be removed, and the owner of the tree."""


@cython.ccall
def precedes(first: cython.longlong, second: cython.longlong) -> cython.bint:
    """Whether one transaction id was given out before another; the counter of 32 bits may have wrapped between them."""
    return (first - second) & _WORD >= _SIGN


@cython.cclass
class TreeVersions:
    """The chains of one tree; `owner` undoes and removes its nodes. `open_images`: uncommitted replaces and flag-deletes."""

    def __init__(self, dbid: cython.int, objid: cython.longlong, owner: Any, *, unique: cython.bint) -> None:
        self.dbid: int = dbid
        self.objid: int = objid
        self.owner: Any = owner
        self.unique: bool = unique
        self.chains: dict[bytes | tuple[bytes, bytes], Chain] = {}  # by key, or key and data
        self.open_images: dict[int, Version] = {}

    @cython.ccall
    def chain(self, key: bytes, data: bytes) -> Chain | None:
        return self.chains.get(key if self.unique else (key, data)) if self.chains else None


@cython.cclass
class Chain:
    """The versions of one node, oldest first. `deleted`: the node may have to go from its page once the chain is empty."""

    def __init__(self, tree: TreeVersions, key: bytes, data: bytes) -> None:
        self._set_up(tree, key, data)

    @cython.cfunc
    def _set_up(self, tree: TreeVersions, key: bytes, data: bytes) -> cython.int:
        self.tree: TreeVersions = tree
        self.key: bytes = key
        self.data: bytes = data
        self.versions: list[Version] = []
        self.deleted: bool = False
        return 0

    @cython.ccall
    def conflicts(self, oper: cython.int, writer: Transaction) -> cython.int:
        """Whether `writer` may not do `oper` to the node: another transaction, not of its snapshot, has a version there.

        Read locks commute with read locks, and deltas with deltas of the same width.
        """
        version: Version
        commutes: cython.bint = oper in (_READ_LOCK, _DELTA, _DELTA64)
        for version in self.versions:
            if not (_sees(writer, version) or (commutes and version.oper == oper)):
                return 1
        return 0


@cython.cclass
class Transaction:
    """One transaction of a session: its snapshot, its levels, and the versions they made.

    `commit0` is 0 while it is open. Levels are marks in one list, so that committing an inner one moves nothing: `marks` has
    where the versions of each level begin, `bounds` the ordinal from which on they are its own.
    """

    def __init__(self, owner: Any, begin0: cython.longlong) -> None:
        self.owner: Any = owner
        self.begin0: int = begin0
        self.commit0: int = 0
        self.versions: list[Version] = []
        self.marks: list[int] = []
        self.bounds: list[int] = []

    @property
    def level(self) -> int:
        return len(self.marks)

    def sees(self, version: Version) -> bool:
        """Whether a change belongs to the snapshot: its own, or committed before the snapshot was taken."""
        return _sees(self, version)

    def level_of(self, version: Version) -> int:
        """The level that a roll-back of would take the change away."""
        return bisect_right(self.bounds, version.ordinal)


@cython.cclass
class Version:
    """One change. `before` is the data a replace took away.

    `pgno` is the page that redo takes what undo needs from, if it comes before the change is in the file: that on which the
    node was right after the change; 0 when an UndoInfo record has it.
    """

    def __init__(
        self, transaction: Transaction, oper: cython.int, rceid: cython.longlong = 0, chain: Chain | None = None
    ) -> None:
        self._set_up(transaction, oper, rceid, chain)

    @cython.cfunc
    def _set_up(self, transaction: Transaction, oper: cython.int, rceid: cython.longlong, chain: Chain | None) -> cython.int:
        self.transaction: Transaction = transaction
        self.oper: int = oper
        self.rceid: int = rceid
        self.chain: Chain | None = chain
        self.ordinal: int = len(transaction.versions)
        self.before: bytes = b""
        self.offset: int = 0
        self.delta: int = 0
        self.pgno: int = 0
        self.undo: Callable[[], None] | None = None
        self.cleanup: Callable[[Any], None] | None = None
        return 0

    @property
    def size(self) -> int:
        """Bytes it counts against the bound of the store."""
        return self._size()

    @cython.cfunc
    def _size(self) -> cython.longlong:
        count: cython.longlong = _OVERHEAD + len(self.before)
        chain: Chain | None = self.chain
        return count if chain is None else count + len(chain.key) + len(chain.data)

    @property
    def delta_size(self) -> int:
        return _DELTA_SIZE[self.oper]


@cython.cfunc
def _sees(reader: Transaction, version: Version) -> cython.bint:
    writer: Transaction = version.transaction
    if not writer.commit0:
        return writer is reader or writer.owner is reader.owner
    return precedes(writer.commit0, reader.begin0)


def view(chain: Chain | None, data: bytes, reader: Transaction | None, *, deleted: cython.bint) -> bytes | None:
    """The data of a node that a transaction (None: one that sees all that is committed) sees, or None if it sees no node.

    `data` and `deleted` are what is on the page.
    """
    version: Version
    oper: cython.int
    visible: cython.bint
    if chain is not None:
        for version in reversed(chain.versions):
            visible = version.transaction.commit0 != 0 if reader is None else _sees(reader, version)
            oper = version.oper
            if oper in (_DELTA, _DELTA64):
                if not visible:
                    data = add_to_counter(data, version.offset, -version.delta, _DELTA_SIZE[oper])
            elif visible:
                if oper != _READ_LOCK:
                    break
            elif oper == _INSERT:
                deleted = True
            elif oper == _FLAG_DELETE:
                deleted = False
            elif oper == _REPLACE:
                data = version.before
    return None if deleted else data


def as_it_was(chain: Chain, count: int, data: bytes, *, deleted: bool) -> bytes | None:
    """The data of a node when it had the first `count` of its versions, or None if it was not there.

    `data` and `deleted` are what is on the page.
    """
    for version in reversed(chain.versions[count:]):
        oper = version.oper
        if oper == _INSERT:
            deleted = True
        elif oper == _FLAG_DELETE:
            deleted = False
        elif oper == _REPLACE:
            data = version.before
        elif oper in _DELTA_SIZE:
            data = add_to_counter(data, version.offset, -version.delta, version.delta_size)
    return None if deleted else data


def add_to_counter(data: bytes, offset: int, delta: int, size: int) -> bytes:
    """The data with `delta` added to the little-endian counter of `size` bytes at `offset`, wrapping around."""
    value = int.from_bytes(data[offset : offset + size], "little") + delta & (1 << 8 * size) - 1
    return data[:offset] + value.to_bytes(size, "little") + data[offset + size :]


@cython.cclass
class VersionStore:
    """All versions of an instance, at most `limit` bytes.

    `epoch` goes up with every change of what anybody might see; `image_count`: the open replaces and flag-deletes of all trees.
    """

    def __init__(self, limit: int) -> None:
        self.limit: int = limit
        self.size: int = 0
        self.epoch: int = 0
        self.image_count: int = 0
        self._trees: dict[tuple[int, int], TreeVersions] = {}
        self._open: dict[int, Transaction] = {}
        self._committed: deque[Transaction] = deque()
        self._removable: dict[tuple[int, int], dict[tuple[bytes, bytes], Any]] = {}
        self._undone: dict[tuple[int, int], dict[tuple[bytes, bytes], Any]] = {}
        self._images: dict[tuple[int, int], dict[int, Version]] = {}
        self._cleanups: list[Callable[[Any], None]] = []
        self._last_id: int = 0
        self._last_rceid: int = FIRST_RCEID - RCEID_STEP

    # -- transactions -------------------------------------------------------------------------------------------------

    def next_id(self) -> int:
        """A transaction id: begins and commits take theirs from the same counter. Never 0."""
        self._last_id = self._last_id + TRANSACTION_STEP & _WORD or TRANSACTION_STEP
        return self._last_id

    @cython.ccall
    def next_rceid(self) -> cython.longlong:
        """The id of a version; odd, so never 0."""
        self._last_rceid = self._last_rceid + _STEP & _WORD
        return self._last_rceid

    def begin(self, owner: Any, lingering: Transaction | None = None) -> Transaction:
        """A transaction with a snapshot of what is committed now; no level is open yet. Lingering locks join it."""
        transaction = Transaction(owner, self.next_id())
        if lingering is not None:
            transaction.versions = lingering.versions
            for version in transaction.versions:
                version.transaction = transaction
        self._open[transaction.begin0] = transaction
        return transaction

    def linger(self, owner: Any, lingering: Transaction | None) -> Transaction:
        """What holds the locks that a session takes outside of a transaction. It is no snapshot: it sees what is committed."""
        if lingering is None:
            return Transaction(owner, self.next_id())
        lingering.begin0 = self.next_id()
        return lingering

    def push(self, transaction: Transaction) -> None:
        """One level more."""
        transaction.marks.append(len(transaction.versions))
        transaction.bounds.append(len(transaction.versions))

    def merge(self, transaction: Transaction) -> None:
        """The innermost level, which is not the outermost, is committed into the one around it."""
        transaction.marks.pop()
        transaction.bounds.pop()

    def commit(self, transaction: Transaction, commit0: int) -> None:
        """The outermost level: everything is visible to the snapshots taken from now on."""
        version: Version
        transaction.commit0 = commit0
        transaction.marks.clear()
        transaction.bounds.clear()
        del self._open[transaction.begin0]
        self.epoch += 1
        if transaction.versions:
            for version in transaction.versions:
                if version.oper in (_REPLACE, _FLAG_DELETE) and version.chain is not None:
                    self._image_done(version)
                    self._close_image(version.chain.tree, version.rceid)
            self._committed.append(transaction)
        self.collect()

    def newest_of_level(self, transaction: Transaction) -> Version | None:
        """The newest version of the innermost level, which a roll-back has to undo next."""
        return transaction.versions[-1] if len(transaction.versions) > transaction.marks[-1] else None

    def undone(self, version: Version) -> None:
        """Forget the newest version of a transaction; its change is no longer on the page."""
        version.transaction.versions.pop()
        self.epoch += 1
        self._drop(version, self._undone, version.oper == _INSERT)

    def pop(self, transaction: Transaction) -> None:
        """The innermost level is rolled back; with the outermost the transaction is over."""
        transaction.marks.pop()
        transaction.bounds.pop()
        if not transaction.marks:
            del self._open[transaction.begin0]
            self.epoch += 1  # its session sees what is committed now
            self.collect()

    @property
    def oldest(self) -> Transaction | None:
        """The open transaction with the oldest snapshot."""
        return next(iter(self._open.values()), None)

    # -- versions -----------------------------------------------------------------------------------------------------

    def tree(self, dbid: int, objid: int, owner: Any, *, unique: bool) -> TreeVersions:
        """The versions of a tree; one object for as long as the store lives or the tree is not forgotten."""
        found = self._trees.get((dbid, objid))
        if found is None:
            found = self._trees[dbid, objid] = TreeVersions(dbid, objid, owner, unique=unique)
        return found

    def known_tree(self, dbid: int, objid: int) -> TreeVersions | None:
        return self._trees.get((dbid, objid))

    @cython.ccall
    def require_room(self, count: cython.longlong) -> cython.int:
        """JET_errVersionStoreOutOfMemory if `count` bytes more do not fit, even after dropping what nobody needs."""
        if self.size + count > self.limit:
            self._make_room(count)
        return 0

    def _make_room(self, count: int) -> None:
        self.collect()
        if self.size + count > self.limit:
            oldest = self.oldest
            holder = "nobody has one"
            if oldest is not None:
                holder = f"{oldest.owner} holds it with transaction {oldest.begin0}, the oldest"
            raise jet_error(
                codes.JET_errVersionStoreOutOfMemory,
                f"the versions of open transactions need more than the {self.limit} bytes of JET_paramMaxVerPages; {holder}",
            )

    @cython.ccall
    def add(
        self,
        transaction: Transaction,
        tree: TreeVersions,
        oper: cython.int,
        key: bytes,
        data: bytes,
        rceid: cython.longlong = 0,
        before: bytes = b"",
        offset: cython.longlong = 0,
        delta: Any = 0,
        pgno: cython.longlong = 0,
    ) -> Version:
        """The version of a change to the node with bookmark `key` (and `data`), in the innermost level.

        `pgno`: the page the node of a logged replace or flag-delete is on now.
        """
        place: bytes | tuple[bytes, bytes] = key if tree.unique else (key, data)
        chain: Chain | None = tree.chains.get(place)
        if chain is None:
            chain = Chain.__new__(Chain)
            chain._set_up(tree, key, b"" if tree.unique else data)
            tree.chains[place] = chain
        version: Version = Version.__new__(Version)
        version._set_up(transaction, oper, rceid, chain)
        version.before = before
        version.offset = offset
        version.delta = delta
        chain.versions.append(version)
        transaction.versions.append(version)
        if oper in (_REPLACE, _FLAG_DELETE):
            tree.open_images[rceid] = version
            self.image_count += 1
            if pgno:
                version.pgno = pgno
                self._images.setdefault((tree.dbid, pgno), {})[rceid] = version
        self.size += version._size()
        self.epoch += 1
        return version

    def add_for(
        self,
        original: Version,
        tree: TreeVersions,
        oper: cython.int,
        key: bytes,
        data: bytes,
        rceid: cython.longlong = 0,
        before: bytes = b"",
        pgno: cython.longlong = 0,
    ) -> Version:
        """`add` for a change that has to follow from `original`, which another session made: in its transaction, committed or
        not, and in its level."""
        transaction: Transaction = original.transaction
        version = self.add(transaction, tree, oper, key, data, rceid, before, 0, 0, pgno)
        if transaction.commit0:
            self._image_done(version)
            self._close_image(tree, rceid)
            return version
        level: cython.Py_ssize_t = transaction.level_of(original)
        if level < len(transaction.marks):
            version.ordinal = original.ordinal
            transaction.versions.insert(transaction.marks[level], transaction.versions.pop())
            for deeper in range(level, len(transaction.marks)):
                transaction.marks[deeper] += 1
        return version

    def add_action(
        self, transaction: Transaction, undo: Callable[[], None] | None, cleanup: Callable[[Any], None] | None
    ) -> None:
        """A call for the roll-back of the innermost level, and one for when the commit is part of every snapshot."""
        version = Version(transaction, OPER_ACTION)
        version.undo = undo
        version.cleanup = cleanup
        transaction.versions.append(version)
        self.size += version._size()

    @cython.cfunc
    def _drop(self, version: Version, leaving: Leaving, deleted: cython.bint) -> cython.int:
        """Take a version out of its chain; a node that is only there for versions is among the `leaving` with the last one."""
        self.size -= version._size()
        chain: Chain | None = version.chain
        if chain is None:
            return 0
        tree: TreeVersions = chain.tree
        if version.oper in (_REPLACE, _FLAG_DELETE):
            self._image_done(version)
            self._close_image(tree, version.rceid)
        if deleted:
            chain.deleted = True
        chain.versions.remove(version)
        if not chain.versions:
            del tree.chains[chain.key if tree.unique else (chain.key, chain.data)]
            if chain.deleted and tree.owner is not None:
                leaving.setdefault((tree.dbid, tree.objid), {})[chain.key, chain.data] = tree.owner
        return 0

    @cython.cfunc
    def _close_image(self, tree: TreeVersions, rceid: cython.longlong) -> cython.int:
        """The change is not open any more."""
        if tree.open_images.pop(rceid, None) is not None:
            self.image_count -= 1
        return 0

    # -- clean-up -----------------------------------------------------------------------------------------------------

    def collect(self) -> None:
        """Drop the versions that every snapshot, and every one to come, sees past."""
        oldest: Transaction | None = self.oldest
        committed = self._committed
        transaction: Transaction
        version: Version
        while committed and (oldest is None or precedes(committed[0].commit0, oldest.begin0)):
            transaction = committed.popleft()
            for version in transaction.versions:
                if version.cleanup is not None:
                    self._cleanups.append(version.cleanup)
                self._drop(version, self._removable, version.oper == _FLAG_DELETE)
            transaction.versions.clear()

    @property
    def removable(self) -> int:
        """How many nodes, and how many registered calls, wait for `take_removable`."""
        return sum(len(nodes) for nodes in self._removable.values()) + self.undone_nodes + len(self._cleanups)

    @property
    def undone_nodes(self) -> int:
        """How many nodes of inserts that were rolled back, which nobody can see, wait for `take_undone`."""
        return sum(len(nodes) for nodes in self._undone.values())

    def may_remove(self, dbid: int, objid: int, key: bytes, data: bytes, owner: Any) -> None:
        """A deleted node without versions was met, left over by a crash."""
        self._removable.setdefault((dbid, objid), {})[key, data] = owner

    def call_when_clean(self, call: Callable[[Any], None]) -> None:
        """A registered call that could not be made yet."""
        self._cleanups.append(call)

    def take_undone(self) -> list[tuple[Any, bytes, bytes]]:
        """(owner of the tree, key, data) of the nodes of inserts that were rolled back."""
        nodes = [(owner, *bookmark) for tree in self._undone.values() for bookmark, owner in tree.items()]
        self._undone = {}
        return nodes

    def take_removable(self, most: int | None = None) -> tuple[list[tuple[Any, bytes, bytes]], list[Callable[[Any], None]]]:
        """(owner of the tree, key, data) of nodes that nobody can see any more, and the registered calls that are due.

        `most`: nodes to take; the rest stays for the next time, and so do the calls.
        """
        nodes = self.take_undone()
        waiting = self._removable
        while waiting and (most is None or len(nodes) < most):
            place, bookmarks = next(iter(waiting.items()))
            count = len(bookmarks) if most is None else min(len(bookmarks), most - len(nodes))
            nodes += [(bookmarks.pop(bookmark), *bookmark) for bookmark in list(islice(bookmarks, count))]
            if not bookmarks:
                del waiting[place]
        cleanups: list[Callable[[Any], None]] = []
        if not waiting:
            cleanups, self._cleanups = self._cleanups, cleanups
        return nodes, cleanups

    def forget_tree(self, dbid: int, objid: int) -> None:
        """The tree is gone with all its nodes; nothing of it has to be removed any more."""
        self._removable.pop((dbid, objid), None)
        self._undone.pop((dbid, objid), None)
        tree = self._trees.pop((dbid, objid), None)
        if tree is not None:
            tree.owner = None
            self.epoch += 1

    def forget_database(self, dbid: int) -> None:
        """The database is detached."""
        for known, objid in [*self._trees, *self._removable, *self._undone]:
            if known == dbid:
                self.forget_tree(known, objid)

    # -- what pages have to keep --------------------------------------------------------------------------------------

    def images_of(self, dbid: int, pgno: int) -> list[Version]:
        """The versions that must be in UndoInfo records before the page is written."""
        return list(self._images.get((dbid, pgno), {}).values())

    def image_done(self, version: Version) -> None:
        """The version is in an UndoInfo record, or will not be undone any more."""
        self._image_done(version)

    @cython.cfunc
    def _image_done(self, version: Version) -> cython.int:
        if version.pgno and version.chain is not None:
            place = (version.chain.tree.dbid, version.pgno)
            version.pgno = 0
            images = self._images.get(place, {})
            images.pop(version.rceid, None)
            if not images:
                self._images.pop(place, None)
        return 0

    def images_on(self, dbid: int, objid: int, nodes: Iterator[tuple[bytes, bytes]]) -> list[Version]:
        """The uncommitted replaces and flag-deletes of the nodes (key, data) of one page."""
        tree = self._trees.get((dbid, objid))
        if tree is None or not tree.open_images:
            return []
        found: list[Version] = []
        for key, data in nodes:
            chain = tree.chain(key, data)
            if chain is not None:
                found.extend(version for version in chain.versions if version.rceid in tree.open_images)
        return found
