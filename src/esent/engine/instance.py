"""An instance: its states, the entry check of every call, the way down, and what a backup may ask of it.

States (`reference/backup-and-restore.md` 1.5): allocated -> initialising -> initialised -> terminating -> gone; an allocated
one may be restoring; an initialised one may have its service stopped, or be unavailable after its log failed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from esent.backup.context import BackupContext
from esent.constants import codes, grbits, params
from esent.engine.cleanup import Cleanup
from esent.engine.cores import InstanceCore
from esent.engine.database import AttachedDatabase, Databases
from esent.engine.defragment import Defragmenter
from esent.engine.gates import WriteGate
from esent.engine.handles import InstanceHandle
from esent.engine.instance_log import InstanceLog
from esent.engine.interrupts import INTERRUPTS
from esent.engine.parameters import Moment, ParameterSet
from esent.engine.session import FIRST_USER_PROCID, Session
from esent.engine.startup import Claims, InitRequest, bring_up
from esent.engine.transactions import Transactions
from esent.errors import JetError, jet_error
from esent.log.records import Record, ShutDownMark, Term2
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.primitives import Lgpos, LogTime

if TYPE_CHECKING:
    from esent.backup.host import BackupDatabase
    from esent.engine.process import Process
    from esent.log.checkpoint import Checkpoint
    from esent.log.writer import LogStream

SPARE_SESSIONS = 66  # the limit of sessions is rounded up by that much
STOP_SERVICE_PAUSES = grbits.JET_bitStopServiceBackgroundUserTasks | grbits.JET_bitStopServiceQuiesceCaches
STOP_SERVICE_OPTIONS = STOP_SERVICE_PAUSES | grbits.JET_bitStopServiceStopAndEmitLog | grbits.JET_bitStopServiceResume
CHECKPOINT_DEPTH_OF_STOPPED_SERVICE = 16384


class State(Enum):
    ALLOCATED = "allocated"
    INITIALISING = "initialising"
    RESTORING = "restoring"
    INITIALISED = "initialised"
    TERMINATING = "terminating"
    GONE = "gone"


class Instance(InstanceCore):
    """One instance of the process; `lock` guards its state in memory and is never held across a wait for the disk."""

    def __init__(self, process: Process, name: str | None, display_name: str | None) -> None:
        self.process = process
        self.given_name = name
        self.display_name = display_name
        self.handle = InstanceHandle(self)
        self.parameters = ParameterSet(process.parameters)
        self.lock = threading.RLock()
        self.gate = WriteGate()
        self.files: FileSystem = FILES
        self.state = State.ALLOCATED
        self.service_stopped = False
        self.unavailable = None
        self.backup_allowed = False
        self.claims: Claims | None = None
        self.sessions: dict[int, Session] = {}
        self.databases = Databases(self)
        self.backup = BackupContext(self)
        self._log: InstanceLog | None = None
        self._calls: dict[int, int] = {}  # thread -> how deep it is in calls of this instance
        self._idle = threading.Condition(self.lock)
        self.deferred: deque[Callable[[], None]] = deque()  # for a session that is through with its call, outside of the lock
        self.transactions = Transactions(self)
        self.cleanup = Cleanup(self)
        self.defragmenter = Defragmenter(self)

    @property
    def name(self) -> str | None:
        """The name for people; an empty one counts as none."""
        return self.given_name or None

    @property
    def moment(self) -> Moment:
        return Moment.ALLOCATED if self.state in (State.ALLOCATED, State.RESTORING) else Moment.INITIALISED

    # -- the entry check ------------------------------------------------------------------------------------------

    def check_entry(self, *, closing: bool = False, tolerant: bool = False) -> None:
        """The documented order of refusals. `closing` calls go on after JetStopService; `tolerant` ones get the more telling
        JET_errInitInProgress while the instance is initialising."""
        if self.service_stopped and not closing:
            raise jet_error(codes.JET_errClientRequestToStopJetService, "the service of the instance was stopped")
        if self.unavailable is not None:
            full = self.unavailable.code == codes.JET_errLogDiskFull
            code = codes.JET_errInstanceUnavailableDueToFatalLogDiskFull if full else codes.JET_errInstanceUnavailable
            raise jet_error(code, f"the instance cannot go on: {self.unavailable}")
        if self.state is State.TERMINATING or self.state is State.GONE:
            raise jet_error(codes.JET_errTermInProgress, "the instance is terminating")
        if self.state is State.RESTORING:
            raise jet_error(codes.JET_errRestoreInProgress, "the instance is restoring")
        if self.state is State.INITIALISING and tolerant:
            raise jet_error(codes.JET_errInitInProgress, "the instance is initialising")
        if self.state is not State.INITIALISED:
            raise jet_error(codes.JET_errNotInitialized, f"the instance is {self.state.value}, not initialised")

    @contextmanager
    def call(self, *, closing: bool = False, tolerant: bool = False) -> Iterator[Instance]:
        """Around every call of the API that needs a running instance; JetTerm waits for those inside."""
        me = threading.get_ident()
        self.enter(me, closing=closing, tolerant=tolerant)
        try:
            yield self
        finally:
            self.leave(me)

    def enter(self, thread: int, *, closing: bool = False, tolerant: bool = False) -> None:
        """Begin a call in a thread, which `leave` ends."""
        with self.lock:
            if self.state is not State.INITIALISED or self.service_stopped or self.unavailable is not None:
                self.check_entry(closing=closing, tolerant=tolerant)
            self._calls[thread] = self._calls.get(thread, 0) + 1

    def leave(self, thread: int) -> None:
        with self.lock:
            depth = self._calls[thread] - 1
            if depth:
                self._calls[thread] = depth
            else:
                del self._calls[thread]
                self._idle.notify_all()

    @contextmanager
    def restoring(self) -> Iterator[Instance]:
        """Around a restore: the instance must be allocated and is again when the restore is over."""
        with self.lock:
            self._refuse_second_start()
            self.state = State.RESTORING
        try:
            yield self
        finally:
            with self.lock:
                self.state = State.ALLOCATED

    def _refuse_second_start(self) -> None:
        if self.state is State.INITIALISED:
            raise jet_error(codes.JET_errAlreadyInitialized, "the instance is initialised already")
        if self.state is State.INITIALISING:
            raise jet_error(codes.JET_errInitInProgress, "another thread is initialising the instance")
        if self.state is State.RESTORING:
            raise jet_error(codes.JET_errRestoreInProgress, "the instance is restoring")
        if self.state is not State.ALLOCATED:
            raise jet_error(codes.JET_errTermInProgress, "the instance is terminating")

    # -- interrupts ---------------------------------------------------------------------------------------------------

    def holds_lock(self) -> bool:
        """Whether the calling thread has the lock of the instance."""
        return bool(self.lock._is_owned())  # type: ignore[attr-defined]

    def is_called_by(self, thread: int) -> bool:
        """Whether a thread is in a call with a session of the instance. Takes no lock."""
        return any(session.is_used_by(thread) for session in list(self.sessions.values()))

    # -- the way up -----------------------------------------------------------------------------------------------

    def initialise(self, request: InitRequest) -> int:
        """JetInit: 0 or a warning of recovery. A failure frees the instance."""
        with self.lock:
            self._refuse_second_start()
            self.state = State.INITIALISING
        INTERRUPTS.watch(self)
        try:
            warning, self._log = bring_up(self, request)
        except BaseException:
            self._vanish()
            raise
        with self.lock:
            self.state = State.INITIALISED
            self.backup_allowed = True
        return warning

    # -- the way down ---------------------------------------------------------------------------------------------

    def terminate(self, grbit: object) -> None:
        """JetTerm2. A refusal (backup running, transaction open) leaves the instance as it was.

        Raises JET_errDirtyShutdown where that was asked for, though the instance is gone then.
        """
        if not isinstance(grbit, int):
            raise jet_error(codes.JET_errInvalidGrbit, f"terminating with grbit {grbit!r}")
        dirty = bool(grbit & grbits.JET_bitTermDirty)
        stops_backup = bool(grbit & (grbits.JET_bitTermAbrupt | grbits.JET_bitTermStopBackup))
        with self.lock:
            allocated = self.state is State.ALLOCATED
            if allocated:
                self.state = State.GONE
            else:
                self._begin_termination()
        if allocated:
            self._vanish()
            return
        try:
            self._refuse_open_transactions(dirty)
            if not stops_backup and not dirty:
                self.backup.refuse_while_in_progress()
            if stops_backup or dirty:
                self.backup.terminate()
        except JetError:
            with self.lock:
                self.state = State.INITIALISED
                self.backup_allowed = True
            raise
        try:
            self._shut_down(dirty=dirty)
        finally:
            self._vanish()
        if dirty:
            raise jet_error(codes.JET_errDirtyShutdown, "terminated on request without bringing the databases to a clean state")

    def _begin_termination(self) -> None:
        """Keep new calls out and wait for those inside; called with the lock held."""
        if self.state is State.INITIALISING:
            raise jet_error(codes.JET_errInitInProgress, "the instance is initialising")
        if self.state is State.RESTORING:
            raise jet_error(codes.JET_errRestoreInProgress, "the instance is restoring")
        if self.state is not State.INITIALISED:
            raise jet_error(codes.JET_errTermInProgress, "another thread is terminating the instance")
        if self._calls.get(threading.get_ident()):
            raise jet_error(codes.JET_errTermInProgress, "terminating an instance from within a call to it")
        self.state = State.TERMINATING
        self.backup_allowed = False
        self._idle.wait_for(lambda: not self._calls)

    def _refuse_open_transactions(self, dirty: bool) -> None:
        # where the log has failed they cannot be ended, and recovery undoes them
        if not dirty and self.unavailable is None and any(session.level for session in self.all_sessions()):
            raise jet_error(codes.JET_errTooManyActiveUsers, "terminating while a transaction is open")

    def _shut_down(self, *, dirty: bool) -> None:
        """End the sessions; then, unless it is to stay dirty: mark in the log, clean headers, end record, checkpoint."""
        self.transactions.stop()
        self.defragmenter.close()
        self.cleanup.stop()
        undo = not dirty and self.unavailable is None
        for session in self.all_sessions():
            session.close(undo=undo)
        if undo:
            with self.lock, suppress(JetError):
                self.cleanup.finish()
        log = self._log
        if log is None:
            if not dirty:
                self.databases.shut_down(None)
            return
        if dirty:
            if not log.failed:
                log.flush()
            return
        if self.unavailable is not None:
            raise jet_error(self.unavailable.code, f"the instance cannot end cleanly: {self.unavailable}")
        mark = log.append(ShutDownMark())
        log.flush(mark)
        self.databases.shut_down(mark)
        end = log.append(Term2(lgpos=log.started_at, logtime=LogTime.now()))
        log.flush(end, fill=False)
        log.finish_checkpoint(end)

    def _vanish(self) -> None:
        """Close everything and leave the table of the process."""
        with self.lock:
            self.state = State.GONE
            self.backup_allowed = False
            for session in self.all_sessions():
                session.handle.target = None
            self.sessions.clear()
        try:
            self.databases.release()
            if self._log is not None:
                self._log.close()
        finally:
            if self.claims is not None:
                self.claims.release()
            self.process.free(self)
            INTERRUPTS.forget(self)

    # -- stopping the service -------------------------------------------------------------------------------------

    def stop_service(self, grbit: object = 0) -> int:
        """JetStopServiceInstance2; without bits everything is stopped for good. May be repeated."""
        if not isinstance(grbit, int) or grbit & ~STOP_SERVICE_OPTIONS:
            raise jet_error(codes.JET_errInvalidGrbit, f"stopping the service with grbit {grbit!r}")
        emits = bool(grbit & grbits.JET_bitStopServiceStopAndEmitLog)
        if emits and grbit != grbits.JET_bitStopServiceStopAndEmitLog:
            raise jet_error(codes.JET_errInvalidGrbit, "stopping and emitting the log goes with no other option")
        with self.lock:
            if self.state is State.ALLOCATED:
                raise jet_error(codes.JET_errNotInitialized, "stopping the service of an instance that is not initialised")
            if grbit == grbits.JET_bitStopServiceResume and self.service_stopped:
                raise jet_error(codes.JET_errClientRequestToStopJetService, "a stopped service cannot be resumed")
            if not grbit:
                self.service_stopped = True
                self.parameters.put(params.JET_paramCheckpointDepthMax, CHECKPOINT_DEPTH_OF_STOPPED_SERVICE)
                self.cleanup.wake()
        if emits:
            return self._stop_log()
        return 0

    def _stop_log(self) -> int:
        """No more log: what is there is written, what comes after fails. The warning says that no callback took the data."""
        if self._log is not None:
            self._log.flush()
            self._log.failed = True
        if self.parameters.callback(params.JET_paramEmitLogDataCallback) is None:
            return codes.JET_wrnCallbackNotRegistered
        return 0

    # -- sessions -------------------------------------------------------------------------------------------------

    def begin_session(self) -> Session:
        """JetBeginSession."""
        with self.lock:
            if len(self.sessions) >= self.parameters.number(params.JET_paramMaxSessions) + SPARE_SESSIONS:
                raise jet_error(codes.JET_errOutOfSessions, f"{len(self.sessions)} sessions are open")
            procid = FIRST_USER_PROCID
            while procid in self.sessions:
                procid += 1
            session = self.sessions[procid] = Session(self, procid)
            return session

    def all_sessions(self) -> list[Session]:
        with self.lock:
            return list(self.sessions.values())

    # -- the log --------------------------------------------------------------------------------------------------

    @property
    def logging(self) -> bool:
        """False where JET_paramRecovery is off."""
        return self._log is not None

    @property
    def current_generation(self) -> int:
        """The generation of the log that takes records; 0 without one."""
        return self._log.stream.generation if self._log is not None else 0

    @property
    def instance_log(self) -> InstanceLog:
        if self._log is None:
            raise jet_error(codes.JET_errLoggingDisabled, "the instance runs without a log")
        return self._log

    def append(self, record: Record) -> Lgpos:
        return self.instance_log.append(record)

    def flush_log(self, upto: Lgpos | None = None) -> None:
        self.instance_log.flush(upto)

    def roll_log(self) -> None:
        self.instance_log.roll()

    def write_checkpoint(self) -> None:
        self.instance_log.write_checkpoint()

    # -- what a backup asks (backup.host.BackupHost) --------------------------------------------------------------

    @property
    def log(self) -> LogStream:
        return self.instance_log.stream

    @property
    def base(self) -> str:
        return self.parameters.text(params.JET_paramBaseName)

    @property
    def log_path(self) -> Path:
        return Path(self.parameters.text(params.JET_paramLogFilePath))

    @property
    def system_path(self) -> Path:
        return Path(self.parameters.text(params.JET_paramSystemPath))

    @property
    def page_size(self) -> int:
        return self.parameters.number(params.JET_paramDatabasePageSize)

    @property
    def circular_logging(self) -> bool:
        return bool(self.parameters.number(params.JET_paramCircularLog))

    @property
    def recovery_on(self) -> bool:
        return self.parameters.text(params.JET_paramRecovery).lower() == "on"

    @property
    def create_paths(self) -> bool:
        return bool(self.parameters.number(params.JET_paramCreatePathIfNotExist))

    @property
    def recovering(self) -> bool:
        return self.state is State.INITIALISING

    @property
    def terminating(self) -> bool:
        return self.state in (State.TERMINATING, State.GONE)

    @property
    def log_failed(self) -> bool:
        return self._log is not None and self._log.failed

    def parameter(self, paramid: int) -> int | str:
        return self.parameters.value(paramid)

    def backup_databases(self) -> list[BackupDatabase]:
        return [database for database in self.databases.all() if database.logged]

    def checkpoint(self) -> Lgpos:
        return self.instance_log.checkpoint_position

    def update_checkpoint(self, change: Callable[[Checkpoint], None]) -> None:
        self.instance_log.update_checkpoint(change)

    def freeze_writes(self) -> None:
        self.gate.freeze()

    def thaw_writes(self) -> None:
        self.gate.thaw()

    # -- information ----------------------------------------------------------------------------------------------

    def attached_paths(self) -> list[Path]:
        return [database.path for database in self.databases.all()]

    def attached_databases(self) -> list[AttachedDatabase]:
        return self.databases.all()
