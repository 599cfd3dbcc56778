"""Volume snapshots: sessions that hold all writes of a set of instances still while somebody copies their files.

States and results: `reference/backup-and-restore.md` 8, with the recorded answers of the original where they differ (an
instance of a default Prepare cannot be added again; a freeze that fails leaves the session without instances). Sessions are
known by increasing numbers; an instance belongs to at most one.
"""

from __future__ import annotations

import enum
import itertools
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from esent.backup.context import BackupContext
from esent.backup.events import events
from esent.backup.ranges import (
    Ranges,
    delete_logs,
    lowest_closed,
    read_checkpoint,
    require_full_backup,
    require_unbroken,
)
from esent.backup.stamps import Kind, Phase, Scope, log_phase, stamp_databases
from esent.constants import codes, grbits
from esent.errors import JetError, jet_error
from esent.pages.primitives import BackupInfo, Lgpos, LogTime

PREPARE_BITS = (
    grbits.JET_bitIncrementalSnapshot
    | grbits.JET_bitCopySnapshot
    | grbits.JET_bitContinueAfterThaw
    | grbits.JET_bitExplicitPrepare
)


class State(enum.Enum):
    PREPARE = "prepared"
    FREEZE = "frozen"
    TIMEOUT = "timed out"
    THAWED = "thawed"
    TRUNCATED = "thawed, logs deleted"


@dataclass(slots=True, eq=False)
class Member:
    """An instance in a session. `owner` is what the caller knows it by."""

    context: BackupContext
    owner: object
    frozen: bool = False
    mark: Lgpos = field(default_factory=Lgpos)
    marked_at: LogTime = field(default_factory=LogTime)
    checkpoint: Lgpos = field(default_factory=Lgpos)
    ranges: Ranges = field(default_factory=Ranges)


class SnapshotSession:
    """One session, from Prepare to its end. Its methods are called with the lock of `Sessions` held."""

    def __init__(self, number: int, grbit: int, lock: threading.RLock) -> None:
        self.number = number
        self.lock = lock
        self.incremental = bool(grbit & grbits.JET_bitIncrementalSnapshot)
        self.copy = bool(grbit & grbits.JET_bitCopySnapshot)
        self.continues = bool(grbit & grbits.JET_bitContinueAfterThaw)
        self.state = State.PREPARE
        self.members: list[Member] = []
        self.timer: threading.Timer | None = None

    @property
    def scope(self) -> Scope:
        if self.incremental:
            return Scope.DIFFERENTIAL if self.copy else Scope.INCREMENTAL
        return Scope.COPY if self.copy else Scope.FULL

    def require(self, what: str, *states: State) -> None:
        """JET_errOSSnapshotInvalidSequence unless the session is in one of `states`."""
        if self.state not in states:
            raise jet_error(
                codes.JET_errOSSnapshotInvalidSequence, f"{what}: snapshot session {self.number} is {self.state.value}"
            )

    # ---- freeze and thaw ----------------------------------------------------------------------------

    def freeze(self) -> None:
        """Freeze every member, or none: then the session is without instances, and the error of the first that could not."""
        self.members = [each for each in self.members if each.context.host.backup_allowed]
        try:
            for member in self.members:
                self._freeze(member)
        except JetError:
            for member in self.members:
                self.release(member)
            self.members = []
            raise
        self.state = State.FREEZE

    def _freeze(self, member: Member) -> None:
        context = member.context
        host = context.host
        context.snapshot_begin(lambda: self.let_go(member))
        if self.incremental:
            if host.circular_logging:
                raise jet_error(codes.JET_errInvalidBackup, "an incremental snapshot with circular logging")
            require_full_backup(host.backup_databases(), Kind.OS_SNAPSHOT)
        log_phase(host, Phase.BEGIN, Kind.OS_SNAPSHOT, self.scope)
        if not host.circular_logging:
            host.roll_log()
        member.mark = log_phase(host, Phase.PREPARE_LOGS, Kind.OS_SNAPSHOT, self.scope)
        member.marked_at = LogTime.now()
        host.flush_log(member.mark)
        self._choose_logs(member)
        host.freeze_writes()
        member.frozen = True

    def _choose_logs(self, member: Member) -> None:
        host = member.context.host
        ranges = member.ranges
        member.checkpoint = read_checkpoint(host)
        ranges.copy_end = host.log.generation
        ranges.copy_low = ranges.delete_low = member.checkpoint.generation
        if host.circular_logging:
            ranges.copy_end += 1  # the log was not rolled: the current one belongs to the copy
        else:
            ranges.delete_low = lowest_closed(host)
            if self.incremental:
                ranges.copy_low = ranges.delete_low
                require_unbroken(host.backup_databases(), ranges.copy_low)
        ranges.delete_end = member.checkpoint.generation

    def thaw(self, *, goes_on: bool = False) -> None:
        """Let the writes of every member go on. Attaches and other backups wait for the end of the session if that follows
        at once; if the session `goes_on` they are refused until then."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        for member in self.members:
            if member.frozen:
                member.frozen = False
                member.context.host.thaw_writes()
            if goes_on:
                member.context.snapshot_thaw()
        self.state = State.THAWED

    def release(self, member: Member) -> None:
        """Let one member go without a stamp: its writes, and its in-progress flag."""
        if member.frozen:
            member.frozen = False
            member.context.host.thaw_writes()
        member.context.snapshot_end()

    def let_go(self, member: Member) -> None:
        """The instance terminates: it leaves the session, which goes on with the others."""
        with self.lock:
            self.release(member)
            self.members = [each for each in self.members if each is not member]

    # ---- end ----------------------------------------------------------------------------------------

    def truncate(self, member: Member) -> None:
        """Delete the logs of a member that its checkpoint at the freeze did not need; circular logging does that itself."""
        host = member.context.host
        if host.circular_logging:
            return
        ranges = member.ranges
        info = BackupInfo(Lgpos(), LogTime.now(), ranges.delete_low, ranges.delete_end)
        host.flush_log(log_phase(host, Phase.TRUNCATE, Kind.OS_SNAPSHOT, self.scope, info=info))
        delete_logs(host, ranges.delete_low, ranges.delete_end)

    def finish(self, *, stamp: bool) -> None:
        """Stamp the databases of a good snapshot and release the members."""
        for member in self.members:
            context = member.context
            if not context.in_snapshot:
                continue
            try:
                if stamp:
                    self._stamp(member)
                else:
                    log_phase(context.host, Phase.ABORT, Kind.OS_SNAPSHOT, self.scope)
                log_phase(context.host, Phase.STOP, Kind.OS_SNAPSHOT, self.scope)
            except JetError as problem:
                events.warning("the end of snapshot %d could not be recorded: %s", self.number, problem)
            finally:
                context.snapshot_end()

    def _stamp(self, member: Member) -> None:
        info = BackupInfo(member.mark, member.marked_at, member.ranges.copy_low, member.ranges.copy_end - 1)
        host = member.context.host
        stamp_databases(host, host.backup_databases(), Kind.OS_SNAPSHOT, self.scope, info, member.checkpoint)


class Sessions:
    """All sessions of the process."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._sessions: dict[int, SnapshotSession] = {}

    def _session(self, number: object, what: str) -> SnapshotSession:
        session = self._sessions.get(number) if isinstance(number, int) else None
        if session is None:
            raise jet_error(codes.JET_errOSSnapshotInvalidSnapId, f"{what}: there is no snapshot session {number!r}")
        return session

    def _member_of_any(self, context: BackupContext) -> bool:
        return any(member.context is context for each in self._sessions.values() for member in each.members)

    def _forget(self, session: SnapshotSession) -> None:
        self._sessions.pop(session.number, None)

    def prepare(self, grbit: int, instances: Iterable[tuple[BackupContext, object]]) -> int:
        """JetOSSnapshotPrepare: a new session of `instances` (all that are initialised) that are in no other one; an empty
        one with JET_bitExplicitPrepare. Returns its number."""
        check_bits("preparing a snapshot", grbit, PREPARE_BITS)
        present = list(instances)
        if not present:
            raise jet_error(codes.JET_errNotInitialized, "preparing a snapshot: no instance is initialised")
        with self.lock:
            session = SnapshotSession(next(self._numbers), grbit, self.lock)
            if not grbit & grbits.JET_bitExplicitPrepare:
                session.members = [Member(*each) for each in present if not self._member_of_any(each[0])]
            self._sessions[session.number] = session
            return session.number

    def prepare_instance(self, number: object, context: BackupContext, owner: object, grbit: int = 0) -> None:
        """JetOSSnapshotPrepareInstance: add an instance."""
        what = "adding an instance to a snapshot"
        check_bits(what, grbit, 0)
        with self.lock:
            session = self._session(number, what)
            session.require(what, State.PREPARE)
            if self._member_of_any(context) or context.in_progress or not context.host.backup_allowed:
                raise jet_error(codes.JET_errOSSnapshotNotAllowed, f"{what}: it is in a session, or is being backed up")
            session.members.append(Member(context, owner))

    def freeze(self, number: object, grbit: int, timeout: float) -> list[object]:
        """JetOSSnapshotFreeze: hold all writes, for `timeout` seconds at most; returns the owners of the frozen instances."""
        what = "freezing a snapshot"
        check_bits(what, grbit, 0)
        with self.lock:
            session = self._session(number, what)
            session.require(what, State.PREPARE)
            session.freeze()
            session.timer = threading.Timer(timeout, self._time_out, (session,))
            session.timer.daemon = True
            session.timer.start()
            return [member.owner for member in session.members]

    def _time_out(self, session: SnapshotSession) -> None:
        with self.lock:
            if session.state is not State.FREEZE:
                return
            session.thaw()
            session.finish(stamp=False)
            session.state = State.TIMEOUT
            events.error("snapshot %d was frozen for too long and was thawed", session.number)

    def thaw(self, number: object, grbit: int = 0) -> None:
        """JetOSSnapshotThaw: writes go on. Without JET_bitContinueAfterThaw that is the good end of the session."""
        what = "thawing a snapshot"
        check_bits(what, grbit, 0)
        with self.lock:
            session = self._session(number, what)
            session.require(what, State.FREEZE, State.TIMEOUT)
            if session.state is State.TIMEOUT:
                if not session.continues:
                    self._forget(session)
                raise _timed_out(what, session)
            session.thaw(goes_on=session.continues)
            if not session.continues:
                session.finish(stamp=True)
                self._forget(session)

    def abort(self, number: object, grbit: int = 0) -> None:
        """JetOSSnapshotAbort: the end of the session in any state, without stamps."""
        what = "aborting a snapshot"
        check_bits(what, grbit, 0)
        with self.lock:
            self._abort(self._session(number, what))

    def _abort(self, session: SnapshotSession) -> None:
        if session.state is State.FREEZE:
            session.thaw()
        session.finish(stamp=False)
        self._forget(session)

    def truncate(self, number: object, grbit: int = 0, context: BackupContext | None = None) -> None:
        """JetOSSnapshotTruncateLog, of all instances or of one: with JET_bitAllDatabasesSnapshot the logs go that the
        checkpoint at the freeze did not need, without it none."""
        what = "deleting the logs of a snapshot"
        check_bits(what, grbit, grbits.JET_bitAllDatabasesSnapshot)
        with self.lock:
            session = self._session(number, what)
            session.require(what, State.THAWED, State.TRUNCATED)
            if session.copy:
                raise jet_error(codes.JET_errOSSnapshotInvalidSequence, f"{what}: it is a copy")
            members = [each for each in session.members if context is None or each.context is context]
            if context is not None and not members:
                raise jet_error(codes.JET_wrnNyi, f"{what}: the instance is not in the session")
            if grbit & grbits.JET_bitAllDatabasesSnapshot:
                for member in members:
                    session.truncate(member)
            session.state = State.TRUNCATED

    def freeze_info(self, number: object, grbit: int = 0) -> list[object]:
        """JetOSSnapshotGetFreezeInfo: the owners of the instances in the session."""
        what = "asking about a snapshot"
        check_bits(what, grbit, 0)
        with self.lock:
            return [member.owner for member in self._session(number, what).members]

    def end(self, number: object, grbit: int = 0) -> None:
        """JetOSSnapshotEnd: the end of the session; a thawed one is stamped into the headers unless JET_bitAbortSnapshot."""
        what = "ending a snapshot"
        check_bits(what, grbit, grbits.JET_bitAbortSnapshot)
        with self.lock:
            session = self._session(number, what)
            if grbit & grbits.JET_bitAbortSnapshot:
                self._abort(session)
                return
            session.require(what, State.PREPARE, State.TIMEOUT, State.THAWED, State.TRUNCATED)
            self._forget(session)
            if session.state is State.TIMEOUT:
                raise _timed_out(what, session)
            session.finish(stamp=True)


def check_bits(what: str, grbit: int, known: int) -> None:
    """JET_errInvalidGrbit for option bits that are not in `known`."""
    if grbit & ~known:
        raise jet_error(codes.JET_errInvalidGrbit, f"{what} with grbit {grbit:#x}")


def _timed_out(what: str, session: SnapshotSession) -> JetError:
    return jet_error(codes.JET_errOSSnapshotTimeOut, f"{what}: snapshot session {session.number} was frozen for too long")


SESSIONS = Sessions()
