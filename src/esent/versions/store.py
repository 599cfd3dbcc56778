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

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

_WORD = 0xFFFFFFFF
_SIGN = 0x80000000
_DELTA_SIZE = {OPER_DELTA: 4, OPER_DELTA64: 8}
_IMAGES = (OPER_REPLACE, OPER_FLAG_DELETE)
_COMMUTING = (OPER_READ_LOCK, OPER_DELTA, OPER_DELTA64)


def precedes(first: int, second: int) -> bool:
    """Whether one transaction id was given out before another; the counter of 32 bits may have wrapped between them."""
    return (first - second) & _WORD >= _SIGN


class Transaction:
    """One transaction of a session: its snapshot, its levels, and the versions they made.

    `commit0` is 0 while it is open. Levels are marks in one list, so that committing an inner one moves nothing.
    """

    __slots__ = ("begin0", "commit0", "marks", "owner", "versions")

    def __init__(self, owner: Any, begin0: int) -> None:
        self.owner = owner
        self.begin0 = begin0
        self.commit0 = 0
        self.versions: list[Version] = []
        self.marks: list[int] = []

    @property
    def level(self) -> int:
        return len(self.marks)

    def sees(self, version: Version) -> bool:
        """Whether a change belongs to the snapshot: its own, or committed before the snapshot was taken."""
        other = version.transaction
        if not other.commit0:
            return other is self or other.owner is self.owner
        return precedes(other.commit0, self.begin0)

    def level_of(self, version: Version) -> int:
        """The level that a roll-back of would take the change away."""
        return bisect_right(self.marks, version.ordinal)


class Version:
    """One change. `before` is the data a replace took away.

    `pgno` is the page that redo takes what undo needs from, if it comes before the change is in the file: that on which the
    node was right after the change; 0 when an UndoInfo record has it.
    """

    __slots__ = (
        "before",
        "chain",
        "cleanup",
        "delta",
        "offset",
        "oper",
        "ordinal",
        "pgno",
        "rceid",
        "transaction",
        "undo",
    )

    def __init__(self, transaction: Transaction, oper: int, rceid: int = 0, chain: Chain | None = None) -> None:
        self.transaction = transaction
        self.oper = oper
        self.rceid = rceid
        self.chain = chain
        self.ordinal = len(transaction.versions)
        self.before = b""
        self.offset = 0
        self.delta = 0
        self.pgno = 0
        self.undo: Callable[[], None] | None = None
        self.cleanup: Callable[[Any], None] | None = None

    @property
    def size(self) -> int:
        """Bytes it counts against the bound of the store."""
        chain = self.chain
        bookmark = len(chain.key) + len(chain.data) if chain is not None else 0
        return VERSION_OVERHEAD + bookmark + len(self.before)

    @property
    def delta_size(self) -> int:
        return _DELTA_SIZE[self.oper]


@dataclass(slots=True, eq=False)
class Chain:
    """The versions of one node, oldest first. `deleted`: the node may have to go from its page once the chain is empty."""

    tree: TreeVersions
    key: bytes
    data: bytes
    versions: list[Version]
    deleted: bool = False


class TreeVersions:
    """The chains of one tree; `owner` undoes and removes its nodes. `open_images`: uncommitted replaces and flag-deletes."""

    __slots__ = ("chains", "dbid", "objid", "open_images", "owner", "unique")

    def __init__(self, dbid: int, objid: int, owner: Any, *, unique: bool) -> None:
        self.dbid = dbid
        self.objid = objid
        self.owner = owner
        self.unique = unique
        self.chains: dict[tuple[bytes, bytes], Chain] = {}
        self.open_images: dict[int, Version] = {}

    def chain(self, key: bytes, data: bytes) -> Chain | None:
        return self.chains.get((key, b"" if self.unique else data))


def view(chain: Chain | None, data: bytes, reader: Transaction | None, *, deleted: bool) -> bytes | None:
    """The data of a node that a transaction (None: one that sees all that is committed) sees, or None if it sees no node.

    `data` and `deleted` are what is on the page.
    """
    if chain is not None:
        for version in reversed(chain.versions):
            visible = version.transaction.commit0 != 0 if reader is None else reader.sees(version)
            oper = version.oper
            if oper in _DELTA_SIZE:
                if not visible:
                    data = add_to_counter(data, version.offset, -version.delta, _DELTA_SIZE[oper])
            elif visible:
                if oper != OPER_READ_LOCK:
                    break
            elif oper == OPER_INSERT:
                deleted = True
            elif oper == OPER_FLAG_DELETE:
                deleted = False
            elif oper == OPER_REPLACE:
                data = version.before
    return None if deleted else data


def add_to_counter(data: bytes, offset: int, delta: int, size: int) -> bytes:
    """The data with `delta` added to the little-endian counter of `size` bytes at `offset`, wrapping around."""
    value = int.from_bytes(data[offset : offset + size], "little") + delta & (1 << 8 * size) - 1
    return data[:offset] + value.to_bytes(size, "little") + data[offset + size :]


def in_conflict(chain: Chain | None, oper: int, writer: Transaction) -> bool:
    """Whether `writer` may not do `oper` to the node: another transaction, not of its snapshot, has a version there.

    Read locks commute with read locks, and deltas with deltas of the same width.
    """
    if chain is None:
        return False
    commutes = oper in _COMMUTING
    return any(not writer.sees(version) and not (commutes and version.oper == oper) for version in chain.versions)


class VersionStore:
    """All versions of an instance, at most `limit` bytes of them."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self.epoch = 0  # goes up with every change of what anybody might see
        self._trees: dict[tuple[int, int], TreeVersions] = {}
        self._open: dict[int, Transaction] = {}  # in the order in which they began
        self._committed: deque[Transaction] = deque()
        self._removable: dict[tuple[int, int], dict[tuple[bytes, bytes], Any]] = {}
        self._undone: dict[tuple[int, int], dict[tuple[bytes, bytes], Any]] = {}  # nodes of inserts that were rolled back
        self._images: dict[tuple[int, int], dict[int, Version]] = {}  # by page, those that are in no UndoInfo record yet
        self._cleanups: list[Callable[[Any], None]] = []
        self._last_id = 0
        self._last_rceid = FIRST_RCEID - RCEID_STEP

    # -- transactions -------------------------------------------------------------------------------------------------

    def next_id(self) -> int:
        """A transaction id: begins and commits take theirs from the same counter. Never 0."""
        self._last_id = self._last_id + TRANSACTION_STEP & _WORD or TRANSACTION_STEP
        return self._last_id

    def next_rceid(self) -> int:
        """The id of a version; odd, so never 0."""
        self._last_rceid = self._last_rceid + RCEID_STEP & _WORD
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

    def merge(self, transaction: Transaction) -> None:
        """The innermost level, which is not the outermost, is committed into the one around it."""
        transaction.marks.pop()

    def commit(self, transaction: Transaction, commit0: int) -> None:
        """The outermost level: everything is visible to the snapshots taken from now on."""
        transaction.commit0 = commit0
        transaction.marks.clear()
        del self._open[transaction.begin0]
        self.epoch += 1
        if transaction.versions:
            for version in transaction.versions:
                if version.oper in _IMAGES and version.chain is not None:
                    self.image_done(version)
                    version.chain.tree.open_images.pop(version.rceid, None)
            self._committed.append(transaction)
        self.collect()

    def newest_of_level(self, transaction: Transaction) -> Version | None:
        """The newest version of the innermost level, which a roll-back has to undo next."""
        return transaction.versions[-1] if len(transaction.versions) > transaction.marks[-1] else None

    def undone(self, version: Version) -> None:
        """Forget the newest version of a transaction; its change is no longer on the page."""
        version.transaction.versions.pop()
        self.epoch += 1
        self._drop(version, self._undone, deleted=version.oper == OPER_INSERT)

    def pop(self, transaction: Transaction) -> None:
        """The innermost level is rolled back; with the outermost the transaction is over."""
        transaction.marks.pop()
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

    def require_room(self, count: int) -> None:
        """JET_errVersionStoreOutOfMemory if `count` bytes more do not fit, even after dropping what nobody needs."""
        if self.size + count <= self.limit:
            return
        self.collect()
        if self.size + count > self.limit:
            oldest = self.oldest
            holder = f"{oldest.owner} holds it with transaction {oldest.begin0}" if oldest is not None else "nobody holds it"
            raise jet_error(
                codes.JET_errVersionStoreOutOfMemory,
                f"the versions of open transactions need more than {self.limit} bytes; {holder}, the oldest",
            )

    def add(
        self,
        transaction: Transaction,
        tree: TreeVersions,
        oper: int,
        key: bytes,
        data: bytes,
        *,
        rceid: int = 0,
        before: bytes = b"",
        offset: int = 0,
        delta: int = 0,
        pgno: int = 0,
    ) -> Version:
        """The version of a change to the node with bookmark `key` (and `data`), in the innermost level.

        `pgno`: the page the node of a logged replace or flag-delete is on now.
        """
        bookmark = (key, b"" if tree.unique else data)
        chain = tree.chains.get(bookmark)
        if chain is None:
            chain = tree.chains[bookmark] = Chain(tree, *bookmark, [])
        version = Version(transaction, oper, rceid, chain)
        version.before = before
        version.offset = offset
        version.delta = delta
        chain.versions.append(version)
        transaction.versions.append(version)
        if oper in _IMAGES:
            tree.open_images[rceid] = version
            if pgno:
                version.pgno = pgno
                self._images.setdefault((tree.dbid, pgno), {})[rceid] = version
        self.size += version.size
        self.epoch += 1
        return version

    def add_action(
        self, transaction: Transaction, undo: Callable[[], None] | None, cleanup: Callable[[Any], None] | None
    ) -> None:
        """A call for the roll-back of the innermost level, and one for when the commit is part of every snapshot."""
        version = Version(transaction, OPER_ACTION)
        version.undo = undo
        version.cleanup = cleanup
        transaction.versions.append(version)
        self.size += version.size

    def _drop(self, version: Version, leaving: dict[tuple[int, int], dict[tuple[bytes, bytes], Any]], *, deleted: bool) -> None:
        """Take a version out of its chain; a node that is only there for versions is among the `leaving` with the last one."""
        self.size -= version.size
        chain = version.chain
        if chain is None:
            return
        tree = chain.tree
        if version.oper in _IMAGES:
            self.image_done(version)
            tree.open_images.pop(version.rceid, None)
        chain.deleted |= deleted
        chain.versions.remove(version)
        if not chain.versions:
            bookmark = (chain.key, chain.data)
            del tree.chains[bookmark]
            if chain.deleted and tree.owner is not None:
                leaving.setdefault((tree.dbid, tree.objid), {})[bookmark] = tree.owner

    # -- clean-up -----------------------------------------------------------------------------------------------------

    def collect(self) -> None:
        """Drop the versions that every snapshot, and every one to come, sees past."""
        oldest = self.oldest
        committed = self._committed
        while committed and (oldest is None or precedes(committed[0].commit0, oldest.begin0)):
            transaction = committed.popleft()
            for version in transaction.versions:
                if version.cleanup is not None:
                    self._cleanups.append(version.cleanup)
                self._drop(version, self._removable, deleted=version.oper == OPER_FLAG_DELETE)
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
        if version.pgno and version.chain is not None:
            place = (version.chain.tree.dbid, version.pgno)
            version.pgno = 0
            images = self._images.get(place, {})
            images.pop(version.rceid, None)
            if not images:
                self._images.pop(place, None)

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
