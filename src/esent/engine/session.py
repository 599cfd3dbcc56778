"""Sessions and their transactions.

A session is used by one thread at a time. In a transaction it belongs to what began it: the thread, or the context set with
JetSetSessionContext; anything else is JET_errSessionSharingViolation.
"""

from __future__ import annotations

import struct
import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from esent.constants import codes, grbits, params
from esent.engine.cores import SessionCore
from esent.engine.handles import SessionHandle
from esent.engine.transactions import MOST_USER_LEVELS, Writer
from esent.errors import jet_error
from esent.log.records import ForceWriteLog
from esent.pages.primitives import LGPOS_MIN, Lgpos

if TYPE_CHECKING:
    from esent.engine.cursor import Cursor
    from esent.engine.database import AttachedDatabase
    from esent.engine.instance import Instance

FIRST_USER_PROCID = 5
_this_thread = threading.get_ident
COMMIT_LAZY = grbits.JET_bitCommitLazyFlush
COMMIT_WAITS = grbits.JET_bitWaitLastLevel0Commit | grbits.JET_bitWaitAllLevel0Commit
COMMIT_OPTIONS = COMMIT_LAZY | COMMIT_WAITS | grbits.JET_bitForceNewLog | grbits.JET_bitCommitRedoCallback
ROLLBACK_OPTIONS = grbits.JET_bitRollbackAll | grbits.JET_bitRollbackRedoCallback
IDLE_OPTIONS = (
    grbits.JET_bitIdleCompact
    | grbits.JET_bitIdleStatus
    | grbits.JET_bitIdleVersionStoreTest
    | grbits.JET_bitIdleCompactAsync
    | grbits.JET_bitIdleAvailBuffersStatus
    | grbits.JET_bitIdleWaitForAsyncActivity
)
NO_CONTEXT = (0, 2**64 - 1, -1)

# Session parameters that are kept as the bytes of their value: size (None: any up to the limit) and first value.
_STORED_PARAMETERS: dict[int, tuple[int | None, bytes]] = {
    grbits.JET_sesparamCommitGenericContext: (None, b""),
    grbits.JET_sesparamOperationContext: (8, b"\0\0\0\x80\0\0\0\0"),
    grbits.JET_sesparamCorrelationID: (4, bytes(4)),
    grbits.JET_sesparamCachePriority: (4, struct.pack("<I", 100)),
    grbits.JET_sesparamClientComponentDesc: (None, b""),
    grbits.JET_sesparamClientActionDesc: (None, b""),
    grbits.JET_sesparamClientActionContextDesc: (None, b""),
    grbits.JET_sesparamClientActivityId: (16, bytes(16)),
    grbits.JET_sesparamIOSessTraceFlags: (4, bytes(4)),
    grbits.JET_sesparamIOPriority: (4, bytes(4)),
    grbits.JET_sesparamCommitContextContainsCustomerData: (4, bytes(4)),
    grbits.JET_sesparamCommitContextNeedPreCommitCallback: (4, bytes(4)),
}
_LONGEST_STORED = 4096
_HIGHEST_CACHE_PRIORITY = 1000


def checked_commit_options(grbit: object) -> int:
    """The options of a commit, or JET_errInvalidGrbit: unknown ones, or lazy together with waiting."""
    if not isinstance(grbit, int) or grbit & ~COMMIT_OPTIONS or (grbit & COMMIT_LAZY and grbit & COMMIT_WAITS):
        raise jet_error(codes.JET_errInvalidGrbit, f"committing with grbit {grbit!r}")
    return int(grbit)


class LevelObserver(Protocol):
    """Told, with the lock of the instance held, when a transaction level of the session has ended."""

    def committed(self, level: int) -> None:
        """Level `level` is now part of the one around it, or of the database."""

    def rolled_back(self, level: int) -> None:
        """Everything done in level `level` is undone."""


class Session(SessionCore, Writer):
    """One session of an instance: transaction level, context, open databases."""

    def __init__(self, instance: Instance, procid: int) -> None:
        super().__init__(instance, procid)
        self.handle = SessionHandle(self)
        self.read_only = False  # of the outermost transaction
        self.observers: list[LevelObserver] = []
        self.last_commit = LGPOS_MIN  # of the outermost commits of this session the last one that was logged
        self.opens: Counter[int] = Counter()  # JET_DBID -> how often it was opened by this session
        self.exclusive: set[int] = set()
        self.cursors: list[Cursor] = []  # open tables, in the order of their opening
        self.commit_default: int | None = None
        self._owner: object = None  # of the transaction: a thread's identity or a context
        self._owner_thread = 0  # the thread it belongs to, 0 if to a context
        self._context = None
        self._context_thread = 0
        self._user = 0  # thread that is in a call
        self._depth = 0
        self._guard = threading.Lock()
        self._stored = {number: first for number, (_, first) in _STORED_PARAMETERS.items()}

    def __str__(self) -> str:
        """With the thread of its transaction: that is how people know it."""
        names = [thread.name for thread in threading.enumerate() if thread.ident == self._owner_thread]
        return super().__str__() + "".join(f" (thread {name})" for name in names)

    @property
    def alive(self) -> bool:
        return self.handle.target is not None

    # -- who may use it -------------------------------------------------------------------------------------------

    def enter(self, thread: int) -> None:
        """Begin a call, which `leave` ends: one thread at a time, and that which set the context while one is set."""
        with self._guard:
            if self.handle.target is None:
                raise jet_error(codes.JET_errInvalidSesid, "the session has ended")
            if self._depth and self._user != thread:
                raise jet_error(codes.JET_errSessionSharingViolation, "another thread is in a call with this session")
            if self._context is not None and self._context_thread != thread:
                raise jet_error(codes.JET_errSessionSharingViolation, "another thread has set a context for this session")
            self._user = thread
            self._depth += 1

    def leave(self) -> None:
        with self._guard:
            self._depth -= 1

    def is_used_by(self, thread: int) -> bool:
        """Whether a thread is in a call with the session."""
        return self._depth > 0 and self._user == thread

    def _current_owner(self) -> object:
        return ("context", self._context) if self._context is not None else ("thread", threading.get_ident())

    def check_owner(self) -> None:
        """JET_errSessionSharingViolation if a transaction is open that another thread or context began."""
        if self.level and self._owner != self._current_owner():
            raise jet_error(codes.JET_errSessionSharingViolation, "the transaction belongs to another thread or context")

    def require_no_transaction(self, what: str) -> None:
        if self.level:
            raise jet_error(codes.JET_errInTransaction, f"{what} in a transaction")

    def set_context(self, context: object) -> None:
        """JetSetSessionContext."""
        if not isinstance(context, int) or context in NO_CONTEXT:
            raise jet_error(codes.JET_errInvalidParameter, f"{context!r} is not a session context")
        with self._guard:
            if self._context is not None:
                raise jet_error(codes.JET_errSessionContextAlreadySet, "the session has a context")
            self._context = int(context)
            self._context_thread = threading.get_ident()

    def reset_context(self) -> None:
        """JetResetSessionContext."""
        with self._guard:
            if self._context is None or self._context_thread != threading.get_ident():
                raise jet_error(
                    codes.JET_errSessionContextNotSetByThisThread, "this thread has not set a context for the session"
                )
            self._context = None
            self._context_thread = 0

    @property
    def context(self) -> int:
        return self._context or 0

    # -- transactions ---------------------------------------------------------------------------------------------

    def begin(self, grbit: object = 0) -> None:
        """JetBeginTransaction; bits other than read-only have no meaning and are accepted."""
        if not isinstance(grbit, int):
            raise jet_error(codes.JET_errInvalidGrbit, f"beginning a transaction with grbit {grbit!r}")
        self.check_owner()
        if self.level >= MOST_USER_LEVELS:
            raise jet_error(codes.JET_errTransTooDeep, f"{MOST_USER_LEVELS} transactions are open one in the other")
        with self.instance.lock:
            self._begin(read_only=bool(grbit & grbits.JET_bitTransactionReadOnly))

    def _begin(self, *, read_only: bool) -> None:
        outermost = not self.level
        self.instance.transactions.begin_level(self)
        if outermost:
            self._owner = self._current_owner()
            self._owner_thread = 0 if self._context is not None else _this_thread()
            self.read_only = read_only

    def commit(self, grbit: object = 0, delay: int = 0) -> Lgpos:
        """JetCommitTransaction: the position of the commit in the log, LGPOS_MIN where nothing was logged.

        With an option to wait or to roll the log no level is committed. `delay`: milliseconds after which a lazy commit has to
        be durable, 0 for any time.
        """
        options = checked_commit_options(grbit)
        self.check_owner()
        if not options:
            options = self._default_options()
        if options & (COMMIT_WAITS | grbits.JET_bitForceNewLog):
            self._wait(options)
            return LGPOS_MIN
        if not self.level:
            raise jet_error(codes.JET_errNotInTransaction, "committing without a transaction")
        with self.instance.lock:
            position = self._commit()
        self._settle(position, lazy=bool(options & COMMIT_LAZY), delay=delay)
        if self.instance.deferred and not self.level:
            self._do_deferred()
        return position

    def _do_deferred(self) -> None:
        """What the clean-up left for later. Another thread may take it away meanwhile."""
        waiting = self.instance.deferred
        while waiting:
            try:
                work = waiting.popleft()
            except IndexError:
                return
            work()

    def _commit(self) -> Lgpos:
        level = self.level
        position = self.instance.transactions.commit_level(self)
        for observer in list(self.observers):
            observer.committed(level)
        if not self.level:
            self._owner = None
            self.read_only = False
        if position != LGPOS_MIN:
            self.last_commit = position
        return position

    def _settle(self, position: Lgpos, *, lazy: bool, delay: int = 0) -> None:
        """What comes after the outermost commit, outside of the lock: wait for the disk, or not."""
        if position == LGPOS_MIN:
            return
        if lazy:
            self.instance.transactions.leave_lazy(position, delay)
        else:
            self.instance.transactions.wait(position)

    def _default_options(self) -> int:
        """JET_paramCommitDefault of the session or the instance; only laziness is taken over into a plain commit."""
        default = self.commit_default
        if default is None:
            default = self.instance.parameters.number(params.JET_paramCommitDefault)
        return default & COMMIT_LAZY

    def _wait(self, options: int) -> None:
        instance = self.instance
        if not instance.logging:
            return
        if options & grbits.JET_bitWaitAllLevel0Commit:
            instance.transactions.wait(instance.append(ForceWriteLog(self.procid)))
        elif options & grbits.JET_bitWaitLastLevel0Commit and self.last_commit != LGPOS_MIN:
            instance.transactions.wait(self.last_commit)
        if options & grbits.JET_bitForceNewLog:
            instance.roll_log()

    def rollback(self, grbit: object = 0) -> None:
        """JetRollback: the innermost level, or all."""
        if not isinstance(grbit, int) or grbit & ~ROLLBACK_OPTIONS:
            raise jet_error(codes.JET_errInvalidGrbit, f"rolling back with grbit {grbit!r}")
        self.check_owner()
        if not self.level:
            raise jet_error(codes.JET_errNotInTransaction, "rolling back without a transaction")
        self.abandon(all_levels=bool(grbit & grbits.JET_bitRollbackAll))

    def abandon(self, *, all_levels: bool = True) -> None:
        """Undo transaction levels without asking who may."""
        transactions = self.instance.transactions
        with self.instance.lock:
            while self.level:
                level = self.level
                transactions.roll_back_level(self)
                for observer in list(self.observers):
                    observer.rolled_back(level)
                if not all_levels:
                    break
            if not self.level:
                self._owner = None
                self.read_only = False

    def implicit_transaction(self) -> ImplicitTransaction:
        """Around a call that changes something: a level of its own, committed at the end, rolled back by an exception.

        It holds the lock of the instance. Where no other transaction is open the commit is durable when it returns (or lazy,
        by JET_paramCommitDefault); the wait for that is outside of the lock, so the caller must not hold it.
        """
        return ImplicitTransaction(self)

    def change(self) -> Change | ImplicitTransaction:
        """Around changes that are made all or not at all, in the open transaction or, where none is, an implicit one.

        In an open transaction they are no level of their own: an exception undoes just them. It holds the lock of the instance.
        """
        return Change(self) if self.level else ImplicitTransaction(self)

    def begin_implicit(self) -> None:
        """Begin an `implicit_transaction`, with the lock of the instance held."""
        self._begin(read_only=False)

    def end_implicit(self) -> Lgpos:
        """Commit it, with the lock held; `settle_implicit` takes what it gives when the lock is free."""
        return self._commit()

    def settle_implicit(self, position: Lgpos) -> None:
        if position != LGPOS_MIN:
            self._settle(position, lazy=bool(self._default_options() & COMMIT_LAZY))

    def require_writable(self) -> None:
        """JET_errTransReadOnly in a transaction begun with JET_bitTransactionReadOnly."""
        if self.read_only:
            raise jet_error(codes.JET_errTransReadOnly, "changing something in a read-only transaction")

    def on_rollback(self, call: Callable[[], None]) -> None:
        """Have `call` made when the innermost level is rolled back, in its turn: newest changes first."""
        self.instance.transactions.store.add_action(self.open_transaction(), call, None)

    def when_unneeded(self, call: Callable[[Writer], None]) -> None:
        """Have `call` made by the clean-up, when the transaction is committed and no snapshot is older than that."""
        self.instance.transactions.store.add_action(self.open_transaction(), None, call)

    # -- session parameters ---------------------------------------------------------------------------------------

    def set_parameter(self, number: object, value: object) -> None:
        """JetSetSessionParameter: `value` is the bytes of the value."""
        self._known(number)
        if number == grbits.JET_sesparamTransactionLevel:
            raise jet_error(codes.JET_errFeatureNotAvailable, "the transaction level of a session cannot be set")
        data = _as_bytes(value)
        if number == grbits.JET_sesparamCommitDefault:
            options = _exact(data, 4)
            self.commit_default = checked_commit_options(int.from_bytes(options, "little"))
            return
        assert isinstance(number, int)
        size, _ = _STORED_PARAMETERS[number]
        if size is not None:
            data = _exact(data, size)
        elif len(data) > _LONGEST_STORED:
            raise jet_error(codes.JET_errInvalidBufferSize, f"{len(data)} bytes for session parameter {number}")
        if number == grbits.JET_sesparamCachePriority and int.from_bytes(data, "little") > _HIGHEST_CACHE_PRIORITY:
            raise jet_error(codes.JET_errInvalidParameter, "a cache priority above 1000")
        self._stored[number] = data

    def get_parameter(self, number: object) -> bytes:
        """JetGetSessionParameter: the bytes of the value."""
        self._known(number)
        if number == grbits.JET_sesparamTransactionLevel:
            return struct.pack("<I", self.level)
        if number == grbits.JET_sesparamCommitDefault:
            default = self.commit_default
            return struct.pack(
                "<I", self.instance.parameters.number(params.JET_paramCommitDefault) if default is None else default
            )
        assert isinstance(number, int)
        return self._stored[number]

    @staticmethod
    def _known(number: object) -> None:
        special = (grbits.JET_sesparamCommitDefault, grbits.JET_sesparamTransactionLevel)
        if not isinstance(number, int) or (number not in special and number not in _STORED_PARAMETERS):
            raise jet_error(codes.JET_errInvalidSesparamId, f"there is no session parameter {number!r}")

    # -- idle work and end ----------------------------------------------------------------------------------------

    def idle(self, grbit: object = 0) -> int:
        """JetIdle: clean up old versions; the warning says that nothing more will be done."""
        if not isinstance(grbit, int) or grbit & ~IDLE_OPTIONS:
            raise jet_error(codes.JET_errInvalidGrbit, f"idling with grbit {grbit!r}")
        if not grbit or grbit & (grbits.JET_bitIdleCompact | grbits.JET_bitIdleCompactAsync):
            with self.instance.lock:
                self.instance.cleanup.finish()
            if self.instance.deferred and not self.level:
                self._do_deferred()
        return codes.JET_wrnNoIdleActivity if not grbit or grbit & grbits.JET_bitIdleCompact else 0

    def close(self, *, undo: bool = True) -> None:
        """Roll back (unless recovery is to do it), close the databases, and let go of the handle."""
        with self.instance.lock:
            if undo:
                self.abandon()
                self.instance.transactions.release(self)
            else:
                self.instance.transactions.discard(self)
            for cursor in list(self.cursors):
                cursor.close()
            for number in list(self.opens):
                self.instance.databases.close_all(self, number)
            self.instance.sessions.pop(self.procid, None)
            self.handle.target = None

    def opened(self, database: AttachedDatabase) -> bool:
        return self.opens[database.number] > 0


def _as_bytes(value: object) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise jet_error(codes.JET_errInvalidParameter, "the value of a session parameter is bytes")
    return bytes(value)


def _exact(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise jet_error(codes.JET_errInvalidBufferSize, f"{len(data)} bytes where {size} are wanted")
    return data


class ImplicitTransaction:
    """As of `Session.implicit_transaction`."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> None:
        session = self._session
        session.instance.lock.acquire()
        try:
            session.begin_implicit()
        except BaseException:
            session.instance.lock.release()
            raise

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        session = self._session
        position = LGPOS_MIN
        try:
            if kind is None:
                position = session.end_implicit()
            else:
                session.abandon(all_levels=False)
        finally:
            session.instance.lock.release()
        session.settle_implicit(position)


class Change:
    """As of `Session.change` in an open transaction."""

    __slots__ = ("_kept", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> None:
        session = self._session
        session.instance.lock.acquire()
        try:
            self._kept = len(session.open_transaction().versions)
        except BaseException:
            session.instance.lock.release()
            raise

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        session = self._session
        try:
            if kind is not None:
                session.instance.transactions.undo_back_to(session, self._kept)
        finally:
            session.instance.lock.release()


def resolve_session(sesid: object) -> Session:
    """The session of a handle, or JET_errInvalidSesid for whatever else is given."""
    target = sesid.target if isinstance(sesid, SessionHandle) else None
    if isinstance(target, Session):
        return target
    raise jet_error(codes.JET_errInvalidSesid, "not the handle of a session, or of one that has ended")


def begin_call(session: Session, *, closing: bool) -> int:
    """The instance is told of the call, the session checked: the calling thread, for `end_call`."""
    thread = threading.get_ident()
    session.instance.enter(thread, closing=closing)
    try:
        session.enter(thread)
    except BaseException:
        session.instance.leave(thread)
        raise
    return thread


def end_call(session: Session, thread: int) -> None:
    session.leave()
    session.instance.leave(thread)


class SessionCall:
    """Around a call that takes a session."""

    __slots__ = ("_closing", "_session", "_thread")

    def __init__(self, session: Session, closing: bool) -> None:
        self._session = session
        self._closing = closing

    def __enter__(self) -> Session:
        self._thread = begin_call(self._session, closing=self._closing)
        return self._session

    def __exit__(self, *_error: object) -> None:
        end_call(self._session, self._thread)


def session_call(sesid: object, *, closing: bool = False) -> SessionCall:
    """What to put around every call that takes a session; `closing` calls are those still allowed after JetStopService."""
    return SessionCall(resolve_session(sesid), closing)
