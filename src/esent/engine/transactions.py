"""Transactions of an instance: what they log, how they commit and roll back, and what is cleaned up after them.

Rules: `reference/log-and-recovery.md` 4.8, 4.9, 8.4. Nothing is logged before the first change: `Writer.log_begin` then logs
all levels that are open. A roll-back takes its versions off the pages newest first, each with its Undo record, so that redo and
undo of a recovery meet the same steps. It all happens with the lock of the instance held; only waiting for the disk does not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from esent.constants import codes, grbits, params
from esent.errors import JetError, jet_error
from esent.log import kinds
from esent.log.records import Begin, Begin0, Commit, Commit0, Rollback, UndoInfo
from esent.pages.edit import NODE_DELETED
from esent.pages.primitives import LGPOS_MIN, Lgpos
from esent.tree.live import Writer as PageWriter
from esent.versions.store import (
    OPER_ACTION,
    OPER_INSERT,
    OPER_READ_LOCK,
    OPER_REPLACE,
    OPER_WRITE_LOCK,
    Transaction,
    TreeVersions,
    Version,
    VersionStore,
)

if TYPE_CHECKING:
    from esent.engine.instance import Instance

CLEANER_PROCID = 2
MOST_USER_LEVELS = 7
MOST_LEVELS = 10  # with those the engine opens within a call
CLEAN_AT = 512  # nodes that may wait for their removal before a commit sees to it
_UNLOGGED = (OPER_ACTION, OPER_READ_LOCK, OPER_WRITE_LOCK)


class TreeOwner(Protocol):
    """What stands behind the versions of a tree (`engine.versioned.VersionedTree`)."""

    objid: int
    root: int
    unique: bool

    @property
    def dbid(self) -> int: ...

    @property
    def logged(self) -> bool: ...

    def undo(self, writer: Writer, version: Version) -> None:
        """Take the version's change off its page, logged."""

    def remove(self, writer: Writer, key: bytes, data: bytes) -> None:
        """Take a deleted node that has no versions off its page, logged."""


class PageImage(Protocol):
    """What is asked of a page."""

    pgno: int

    @property
    def objid(self) -> int: ...

    @property
    def is_leaf(self) -> bool: ...

    @property
    def line_count(self) -> int: ...

    def key(self, line: int) -> bytes: ...

    def value(self, line: int) -> bytes: ...

    def node_flags(self, line: int) -> int: ...

    def flagged(self, flags: int) -> list[int]: ...

    def seek(self, key: bytes, data: bytes | None = None) -> tuple[int, bool]: ...


class Writer(PageWriter):
    """Who changes pages, as the log knows it, and its transaction."""

    def __init__(self, instance: Instance, procid: int) -> None:
        super().__init__(procid)
        self.instance = instance
        self.transaction: Transaction | None = None
        self.lingering: Transaction | None = None  # locks taken outside of a transaction, until the next commit

    def log_begin(self) -> None:
        """Before a record of this writer: log the begin of the levels that are not in the log yet."""
        logged = self.logged_level
        if logged == self.level or not self.instance.logging:
            return
        if logged:
            self.instance.append(Begin(self.procid, logged, self.level - logged))
        else:
            self.begin_position = self.instance.append(Begin0(self.procid, self.trx_begin0, 0, self.level))
        self.logged_level = self.level

    def open_transaction(self) -> Transaction:
        """JET_errNotInTransaction where none is open."""
        if self.transaction is None:
            raise jet_error(codes.JET_errNotInTransaction, f"{self} has no open transaction")
        return self.transaction

    def __str__(self) -> str:
        return f"session {self.procid}"


class UnloggedWriter(Writer):
    """A writer as pages without a log see it: nothing of it goes into the log of the instance."""

    def __init__(self, writer: Writer) -> None:
        super().__init__(writer.instance, writer.procid)
        self.level = writer.level
        self.trx_begin0 = writer.trx_begin0

    def log_begin(self) -> None:
        """There is nothing to precede."""


class ProxyWriter(Writer):
    """A session as pages see it that another one changes in its name, for one of its levels, while it builds an index."""

    def __init__(self, session: Writer, level: int) -> None:
        super().__init__(session.instance, session.procid)
        self.level = level
        self.trx_begin0 = session.trx_begin0
        self.mark = kinds.CONCURRENT_CREATE_INDEX
        self._session = session

    def log_begin(self) -> None:
        """All levels of the session begin, as before any record of it."""
        self._session.log_begin()
        self.begin_position = self._session.begin_position


class Transactions:
    """The transactions of one instance and their versions."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.cleaner = Writer(instance, CLEANER_PROCID)
        self._cleaning = False
        self._lazy = LGPOS_MIN  # newest commit that nobody waited for
        self._timer: threading.Timer | None = None

    @cached_property
    def store(self) -> VersionStore:
        number = self.instance.parameters.number
        return VersionStore(number(params.JET_paramMaxVerPages) * number(params.JET_paramVerPageSize))

    # -- levels -------------------------------------------------------------------------------------------------------

    def begin_level(self, session: Writer) -> None:
        """One level more; the outermost takes the snapshot. JET_errTransTooDeep."""
        if session.level >= MOST_LEVELS:
            raise jet_error(codes.JET_errTransTooDeep, f"{MOST_LEVELS} transactions are open one in the other")
        transaction = session.transaction
        if transaction is None:
            transaction = session.transaction = self.store.begin(session, session.lingering)
            session.lingering = None
            session.trx_begin0 = transaction.begin0
            session.logged_level = 0
        self.store.push(transaction)
        session.level += 1

    def commit_level(self, session: Writer) -> Lgpos:
        """Commit the innermost level; the position of the record that has to be durable, LGPOS_MIN where there is none.

        What the outermost commit made is visible from now on. If it cannot be logged the level stays open.
        """
        transaction = session.open_transaction()
        store = self.store
        level = session.level - 1
        if level:
            if session.logged_level > level:
                self.instance.append(Commit(session.procid, level))
                session.logged_level = level
            store.merge(transaction)
            session.level = level
            return LGPOS_MIN
        position = LGPOS_MIN
        commit0 = transaction.begin0
        if session.logged_level or transaction.versions:
            commit0 = store.next_id()
        if session.logged_level:
            position = self.instance.append(Commit0(session.procid, 0, commit0))
        store.commit(transaction, commit0)
        self._finish(session)
        removable = store.removable
        if removable >= CLEAN_AT:
            self.clean_quietly()
        elif removable:
            self.instance.cleanup.wake()
        return position

    def roll_back_level(self, session: Writer) -> None:
        """Undo the innermost level. If that fails, pages and versions no longer agree: the instance cannot go on."""
        transaction = session.open_transaction()
        store = self.store
        try:
            while (version := store.newest_of_level(transaction)) is not None:
                self._undo(session, version)
                store.undone(version)
            if session.logged_level == session.level:
                self.instance.append(Rollback(session.procid, 1))
                session.logged_level -= 1
        except JetError as problem:
            self._cannot_go_on(problem)
            raise
        store.pop(transaction)
        session.level -= 1
        if not session.level:
            self._finish(session)
            session.lingering = transaction if transaction.versions else None
        self._after_undo()

    def undo_back_to(self, session: Writer, kept: int) -> None:
        """Undo what the innermost level has changed since its transaction had so many versions; the level stays open.

        Each step has its Undo record, which is all that redo goes by. Fails as `roll_back_level`.
        """
        transaction = session.open_transaction()
        store = self.store
        if len(transaction.versions) <= kept:
            return
        try:
            while len(transaction.versions) > kept:
                version = transaction.versions[-1]
                self._undo(session, version)
                store.undone(version)
        except JetError as problem:
            self._cannot_go_on(problem)
            raise
        self._after_undo()

    def _cannot_go_on(self, problem: JetError) -> None:
        if self.instance.unavailable is None:
            self.instance.unavailable = problem

    def _after_undo(self) -> None:
        store = self.store
        if store.undone_nodes:
            self.clean_quietly(undone_only=True)
        if store.removable:
            self.instance.cleanup.wake()

    @staticmethod
    def _finish(session: Writer) -> None:
        session.level = session.logged_level = 0
        session.transaction = None
        session.begin_position = LGPOS_MIN

    def release(self, session: Writer) -> None:
        """The locks that a session without a transaction still has."""
        lingering, session.lingering = session.lingering, None
        while lingering is not None and lingering.versions:
            self.store.undone(lingering.versions[-1])

    def discard(self, session: Writer) -> None:
        """Forget an open transaction without undoing it: the instance ends in a state that recovery will put right."""
        if session.transaction is not None:
            self._finish(session)

    def _undo(self, session: Writer, version: Version) -> None:
        if version.oper == OPER_ACTION:
            if version.undo is not None:
                version.undo()
            return
        if version.oper in _UNLOGGED:
            return
        assert version.chain is not None
        owner: TreeOwner | None = version.chain.tree.owner
        if owner is None:  # a temporary table that is closed
            return
        if version.pgno:
            self._log_image(version)
        owner.undo(session, version)

    def oldest_logged(self) -> Writer | None:
        """Whose open transaction has the oldest Begin0 in the log."""
        logged = [writer for writer in (*self.instance.all_sessions(), self.cleaner) if writer.logged_level]
        return min(logged, key=lambda writer: writer.begin_position, default=None)

    def oldest_begin(self) -> Lgpos | None:
        """The position of the oldest Begin0 whose transaction is open: the checkpoint may not pass it."""
        oldest = self.oldest_logged()
        return None if oldest is None else oldest.begin_position

    # -- what goes into the log before a page goes to disk -------------------------------------------------------------

    def log_undo_info(self, dbid: int, page: PageImage) -> None:
        """Before a page is written: log what undo will need and redo can no longer find on it.

        That goes by where the changes were made. A node may have moved in a split since: its new page then has it as it is
        now, from the record of the split, and the change itself is not redone if the page it was made on is in the file.
        """
        for version in self.store.images_of(dbid, page.pgno):
            self._log_image(version)

    def reserved_space(self, dbid: int, page: PageImage, *, beside: tuple[bytes, bytes] | None = None) -> int:
        """Bytes of a page that must stay free, so that every open replace on it can be undone where it is.

        The node with the bookmark `beside` (key, data) is not counted.
        """
        tree = self.store.known_tree(dbid, page.objid)
        if tree is None or not tree.unique:
            return 0  # nodes that are known by their data too are never replaced
        longest: dict[tuple[bytes, bytes], int] = {}
        for version in self._images_on(dbid, page):
            chain = version.chain
            if version.oper == OPER_REPLACE and chain is not None and (chain.key, chain.data) != beside:
                bookmark = (chain.key, chain.data)
                longest[bookmark] = max(longest.get(bookmark, 0), len(version.before))
        reserved = 0
        for (key, data), size in longest.items():
            line, exact = page.seek(key, data or None)
            if exact:
                reserved += max(0, size - len(page.value(line)))
        return reserved

    def dead_lines(self, dbid: int, page: PageImage) -> list[int]:
        """The lines of a leaf whose nodes are flagged deleted and have no versions: a clean-up has not come to them, or never
        will, because of a crash."""
        lines = page.flagged(NODE_DELETED)
        tree = self.store.known_tree(dbid, page.objid) if lines else None
        if tree is None or not tree.chains:
            return lines
        return [line for line in lines if tree.chain(page.key(line), page.value(line)) is None]

    def inserted_by(self, dbid: int, page: PageImage, line: int) -> int:
        """The id of the version that inserted the node at a line of a leaf; 0 where nobody has it any more."""
        tree = self.store.known_tree(dbid, page.objid)
        chain = tree.chain(page.key(line), page.value(line)) if tree is not None and tree.chains else None
        if chain is None or chain.versions[-1].oper != OPER_INSERT:
            return 0
        return chain.versions[-1].rceid

    def is_settled(self, dbid: int, page: PageImage) -> bool:
        """Whether no node of a leaf has versions."""
        tree = self.store.known_tree(dbid, page.objid)
        if tree is None or not tree.chains:
            return True
        return all(tree.chain(page.key(line), page.value(line)) is None for line in range(page.line_count))

    def _images_on(self, dbid: int, page: PageImage) -> Iterable[Version]:
        """The open replaces and flag-deletes of the nodes on a page."""
        tree = self.store.known_tree(dbid, page.objid)
        if tree is None or not tree.open_images or not page.is_leaf:
            return ()
        if len(tree.open_images) <= page.line_count:
            return [version for version in tree.open_images.values() if _is_on(tree, version, page)]
        unique = tree.unique
        nodes = ((page.key(line), b"" if unique else page.value(line)) for line in range(page.line_count))
        return self.store.images_on(dbid, tree.objid, nodes)

    def _log_image(self, version: Version) -> None:
        chain = version.chain
        assert chain is not None
        tree = chain.tree
        transaction = version.transaction
        owner: TreeOwner = tree.owner
        self.instance.append(
            UndoInfo(
                transaction.owner.procid,
                tree.dbid,
                version.pgno,
                -1,
                -1,
                transaction.begin0,
                transaction.level_of(version),
                0,
                kinds.UNIQUE if tree.unique else 0,
                version.rceid,
                owner.root,
                tree.objid,
                chain.key,
                chain.data,
                version.oper,
                len(version.before),
                0,
                version.before,
            )
        )
        self.store.image_done(version)

    # -- clean-up -----------------------------------------------------------------------------------------------------

    def clean(self, *, undone_only: bool = False, most: int | None = None) -> int:
        """Remove the nodes that nobody can see any more, and make the calls that waited for that; how many there were.

        With `undone_only` those of inserts that were rolled back: they go at once, deleted ones when there are many or nothing
        else is to be done. `most`: nodes to remove now. It is a transaction of its own, without versions. What fails is tried
        again at the next clean-up.
        """
        store = self.store
        store.collect()
        if self._cleaning or not store.removable:
            return 0
        nodes, calls = (store.take_undone(), []) if undone_only else store.take_removable(most)
        done = 0
        try:
            with self.cleaning() as writer:
                for owner, key, data in nodes:
                    owner.remove(writer, key, data)
                    done += 1
                for call in calls:
                    call(writer)
                    done += 1
        finally:
            for owner, key, data in nodes[done:]:
                store.may_remove(owner.dbid, owner.objid, key, data, owner)
            for call in calls[max(0, done - len(nodes)) :]:
                store.call_when_clean(call)
        return done

    @contextmanager
    def cleaning(self) -> Iterator[Writer]:
        """A transaction of the clean-up's own: what is done in it has no versions and is final."""
        writer = self.cleaner
        nested = self._cleaning
        if not nested:
            writer.level = 1
            writer.trx_begin0 = self.store.next_id()
            self._cleaning = True
        try:
            yield writer
        finally:
            if not nested:
                self._cleaning = False
                if writer.logged_level and not self.instance.log_failed:
                    self.instance.append(Commit0(writer.procid, 0, self.store.next_id()))
                self._finish(writer)

    @property
    def at_rest(self) -> bool:
        """Whether no transaction is open and nothing is left to clean up, so that the pages alone say what there is."""
        store = self.store
        store.collect()
        return store.oldest is None and not store.removable

    def clean_quietly(self, *, undone_only: bool = False) -> None:
        """A clean-up that nobody asked for: what it meets is not the caller's business, a dead log is known to the instance."""
        try:
            self.clean(undone_only=undone_only)
        except JetError:
            return

    def forget_database(self, dbid: int) -> None:
        """Clean up what is left of a database that is about to be detached, then forget it."""
        self.clean()
        self.store.forget_database(dbid)

    # -- durability ---------------------------------------------------------------------------------------------------

    def wait(self, position: Lgpos) -> None:
        """Return when the commit at `position` is durable; several threads share one write."""
        try:
            self.instance.flush_log(position)
        except JetError:
            if self.instance.log_failed:
                self._report(position, grbits.JET_bitDurableCommitCallbackLogUnavailable)
            raise
        self.notify()

    def leave_lazy(self, position: Lgpos, milliseconds: int) -> None:
        """Nobody waits for the commit at `position`; with a delay it becomes durable by then all the same."""
        with self.instance.lock:
            self._lazy = max(self._lazy, position)
            if milliseconds and self._timer is None:
                self._timer = threading.Timer(milliseconds / 1000, self._flush_late)
                self._timer.daemon = True
                self._timer.start()

    def _flush_late(self) -> None:
        with self.instance.lock:
            self._timer = None
            position = self._lazy
        if position == LGPOS_MIN or self.instance.terminating or self.instance.log_failed:
            return
        try:
            self.wait(position)
        except JetError:
            return  # a dead log makes the instance unavailable; the next call says so

    def notify(self) -> None:
        """Tell JET_paramDurableCommitCallback of the newest commit that nobody waited for, once it is durable."""
        with self.instance.lock:
            position = self._lazy
            if position == LGPOS_MIN or not self.instance.log.is_durable(position):
                return
            self._lazy = LGPOS_MIN
        self._report(position, 0)

    def _report(self, position: Lgpos, grbit: int) -> None:
        callback: Callable[..., object] | None = self.instance.parameters.callback(params.JET_paramDurableCommitCallback)
        if callback is not None:
            callback(self.instance.handle, self.instance.log.signature, commit_number(position), grbit)

    def stop(self) -> None:
        """No late flush any more."""
        with self.instance.lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


def commit_number(position: Lgpos) -> int:
    """The number of a commit: its log position as one integer; 0 where nothing was logged."""
    return position.generation << 32 | position.isec << 16 | position.ib


def _is_on(tree: TreeVersions, version: Version, page: PageImage) -> bool:
    chain = version.chain
    return chain is not None and page.seek(chain.key, None if tree.unique else chain.data)[1]
