"""The state machine of a streaming backup: one context belongs to one instance for its whole life.

States, calls and results are tables 3.2-3.6 of `reference/backup-and-restore.md`; where the recorded answers of the original
differ, they decide. Every method assumes that the entry check of the API (service stopped, terminating, not initialised, ...)
was made. Two locks:

- `_calls` makes the streaming calls of one instance run one after another; `stop` does not take it, so it never waits.
- `_gate` guards who is in: a backup, a snapshot (and whether it is frozen), attaches and detaches under way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from esent.backup.events import events
from esent.backup.host import BackupDatabase, BackupHost
from esent.backup.log_stream import LogFileStream
from esent.backup.page_stream import PageStream
from esent.backup.paths import absolute
from esent.backup.ranges import (
    Ranges,
    delete_logs,
    deletion_range,
    log_paths,
    lowest_closed,
    read_checkpoint,
    require_full_backup,
    require_unbroken,
)
from esent.backup.stamps import Kind, Phase, Scope, finished_scope, log_phase, note_file, stamp_databases
from esent.constants import codes, grbits, params
from esent.errors import JetError, jet_error
from esent.log.files import list_generations, parse_log_name
from esent.pages.primitives import BackupInfo, Lgpos, LogTime
from esent.pages.trailer import PatchPage

BEGIN_BITS = grbits.JET_bitBackupIncremental | grbits.JET_bitBackupSurrogate | grbits.JET_bitInternalCopy
END_BITS = (
    grbits.JET_bitBackupEndNormal
    | grbits.JET_bitBackupEndAbort
    | grbits.JET_bitBackupTruncateDone
    | grbits.JET_bitBackupNoDbHeaderUpdate
)

LONGEST_PATH = 260
"""Characters; what the original takes for a path."""


class FileHandle(int):
    """A backup file handle. Its number is that of the engine's only slot; a handle of an earlier open is another object, and
    nothing is read through it although it has the same number."""

    __slots__ = ()


@dataclass(slots=True)
class Run:
    """One backup, from Begin to its end. `in_logs`: the phase; `private`: the engine's own copy into a directory, whose file
    handles nobody else can guess; `seeding`: JET_bitInternalCopy."""

    kind: Kind
    incremental: bool
    in_logs: bool
    mark: Lgpos = field(default_factory=Lgpos)
    marked_at: LogTime = field(default_factory=LogTime)
    checkpoint: Lgpos = field(default_factory=Lgpos)
    ranges: Ranges = field(default_factory=Ranges)
    prepared: bool = False
    truncated: bool = False
    copied: set[Path] = field(default_factory=set)
    read_generations: set[int] = field(default_factory=set)
    seeding: bool = False
    private: bool = False

    @property
    def scope(self) -> Scope:
        return Scope.INCREMENTAL if self.incremental else Scope.FULL


@dataclass(slots=True)
class Slot:
    """The one file that may be open."""

    handle: FileHandle
    stream: PageStream | LogFileStream


class BackupContext:
    """The backup of an instance. `last_outcome` is that of the last one that ended: 0, JET_errBackupAbortByServer,
    JET_errBackupAbortByCaller, or the error that cancelled it; None before the first. `last_problem` is what kept a complete
    one from being recorded."""

    def __init__(self, host: BackupHost) -> None:
        self.host = host
        self.last_outcome: int | None = None
        self.last_problem: JetError | None = None
        self._run: Run | None = None
        self._slot: Slot | None = None
        self._stop = False
        self._calls = threading.RLock()
        self._gate = threading.Condition()
        self._busy: int = 0  # the error others get while something is on: JET_errBackupInProgress or the surrogate's
        self._release: Callable[[], None] | None = None  # of the snapshot the instance is in
        self._frozen = False
        self._attaching = 0

    # ---- what the instance asks ----------------------------------------------------------------------------

    @property
    def in_progress(self) -> bool:
        """A backup of any kind is on: streaming, surrogate or snapshot."""
        return self._busy != 0

    @property
    def holds_logs(self) -> bool:
        """Circular logging must not delete logs now."""
        return self._busy not in (0, codes.JET_errSurrogateBackupInProgress)

    @property
    def stopped(self) -> bool:
        """The stop flag."""
        return self._stop

    @property
    def in_snapshot(self) -> bool:
        """A snapshot of the instance is frozen, or thawed and not ended."""
        return self._release is not None

    @property
    def run(self) -> Run | None:
        """The streaming backup that is on."""
        return self._run

    def refuse_while_in_progress(self) -> None:
        """JET_errBackupInProgress or JET_errSurrogateBackupInProgress while a backup is on: what a clean JetTerm asks."""
        if self._busy:
            raise jet_error(self._busy, "a backup of the instance is in progress")

    @contextmanager
    def attaching(self) -> Iterator[None]:
        """Around an attach or a detach: refused while a backup is on, waited for by the next Begin, waiting while frozen."""
        with self._gate:
            while self._frozen:
                self._gate.wait()
            self.refuse_while_in_progress()
            self._attaching += 1
        try:
            yield
        finally:
            with self._gate:
                self._attaching -= 1
                self._gate.notify_all()

    def terminate(self) -> None:
        """JetTerm with abrupt or stop-backup: waits for a snapshot of the instance to end (as long as one may stay frozen,
        then it is let go without stamps), then aborts a streaming backup with JET_errBackupAbortByServer."""
        timeout = int(self.host.parameter(params.JET_paramOSSnapshotTimeout)) / 1000
        with self._gate:
            self._gate.wait_for(lambda: not self.in_snapshot, timeout)
            release = self._release
        if release is not None:
            release()
        with self._calls:
            self._clean_up(codes.JET_errBackupAbortByServer)

    # ---- begin ---------------------------------------------------------------------------------------------

    def begin(self, grbit: int = 0, *, surrogate_range: tuple[int, int] | None = None, private: bool = False) -> Run:
        """JetBeginExternalBackup: start a full or incremental backup. Errors and their order: 2.2 of the reference."""
        host = self.host
        if not host.backup_allowed:
            raise jet_error(codes.JET_errBackupNotAllowedYet, "backups are not allowed yet, or no longer")
        self._check_logging()
        if host.recovering and not grbit & grbits.JET_bitInternalCopy:
            raise jet_error(codes.JET_errInvalidParameter, "a backup cannot begin during recovery")
        if grbit & ~BEGIN_BITS:
            raise jet_error(codes.JET_errInvalidGrbit, f"beginning a backup with grbit {grbit:#x}")
        incremental = bool(grbit & grbits.JET_bitBackupIncremental)
        surrogate = bool(grbit & grbits.JET_bitBackupSurrogate)
        if (incremental or surrogate) and host.circular_logging:
            raise jet_error(codes.JET_errInvalidBackup, "with circular logging only full backups are possible")
        if grbit & grbits.JET_bitInternalCopy and grbit != grbits.JET_bitInternalCopy:
            raise jet_error(codes.JET_errInvalidGrbit, "JET_bitInternalCopy goes with no other option")
        kind = Kind.SURROGATE if surrogate else Kind.NORMAL
        self._enter(codes.JET_errSurrogateBackupInProgress if surrogate else codes.JET_errBackupInProgress)
        with self._calls:
            try:
                self.last_problem = None
                run = Run(kind, incremental, in_logs=incremental or surrogate)
                run.seeding = bool(grbit & grbits.JET_bitInternalCopy)
                run.private = private
                if incremental:
                    require_full_backup(host.backup_databases(), kind)
                else:
                    run.checkpoint = read_checkpoint(host)
                    run.ranges.copy_low = run.checkpoint.generation
                run.mark = host.log.tip()
                run.marked_at = LogTime.now()
                if surrogate_range:
                    run.ranges.copy_low, run.ranges.copy_end = surrogate_range[0], surrogate_range[1] + 1
                    run.prepared = True
                self._log_quietly(Phase.BEGIN, run)
                self._run = run
            except BaseException:
                self._leave()
                raise
        events.info("%s backup begins", "an incremental" if incremental else "a full")
        return run

    def _check_logging(self) -> None:
        if not self.host.recovery_on:
            raise jet_error(codes.JET_errLoggingDisabled, "a backup needs logging (JET_paramRecovery is off)")
        if self.host.log_failed:
            raise jet_error(codes.JET_errLogWriteFail, "the log cannot be written any more")

    def _enter(self, busy: int) -> None:
        """Take the in-progress flag, after attaches and detaches under way and after a thaw; clears the stop flag."""
        with self._gate:
            while self._frozen:
                self._gate.wait()
            self.refuse_while_in_progress()
            self._busy = busy
            self._stop = False
            while self._attaching:
                self._gate.wait()

    def _leave(self) -> None:
        with self._gate:
            self._run = None
            self._busy = 0
            self._stop = False
            self._gate.notify_all()

    def begin_surrogate(self, generation_low: int, generation_high: int, grbit: int = 0) -> None:
        """JetBeginSurrogateBackup: note a backup of the generations low..high that is taken elsewhere."""
        if not self.host.backup_allowed:
            raise jet_error(codes.JET_errBackupNotAllowedYet, "backups are not allowed yet, or no longer")
        self._check_logging()
        numbers = isinstance(generation_low, int) and isinstance(generation_high, int)
        if not numbers or generation_low < 0 or generation_low > generation_high or generation_high > self.host.log.generation:
            raise jet_error(
                codes.JET_errInvalidParameter, f"a surrogate backup of generations {generation_low} to {generation_high}"
            )
        surrogate = grbits.JET_bitBackupSurrogate
        self.begin(grbit | surrogate, surrogate_range=(generation_low, generation_high))

    # ---- the checks every streaming call makes -------------------------------------------------------------

    def _streaming(self, what: str) -> Run:
        """The local streaming backup, or JET_errNoBackup."""
        run = self._run
        if run is None or run.kind != Kind.NORMAL:
            raise jet_error(codes.JET_errNoBackup, f"{what}: no backup is in progress")
        return run

    def _working(self, what: str) -> Run:
        """The same, not stopped: JET_errBackupAbortByServer once a stop was asked for."""
        run = self._streaming(what)
        if self._stop:
            raise jet_error(codes.JET_errBackupAbortByServer, f"{what}: the backup was stopped")
        return run

    def _refuse_open_file(self, what: str) -> None:
        if self._slot is not None:
            raise jet_error(codes.JET_errInvalidBackupSequence, f"{what}: a file is open", file=self._slot.stream.path)

    # ---- databases and files -------------------------------------------------------------------------------

    def attach_info(self) -> list[str]:
        """JetGetAttachInfo: paths of the databases to back up."""
        with self._calls:
            run = self._working("listing the databases")
            if run.incremental:
                raise jet_error(codes.JET_errInvalidBackupSequence, "an incremental backup copies no databases")
            return [str(database.path) for database in self.host.backup_databases()]

    def open_file(self, name: str | None, *, start: int = 0, sections: int = 1) -> tuple[FileHandle, int]:
        """JetOpenFile: open a database (database phase) or a log (log phase); returns handle and size in bytes."""
        with self._calls:
            run = self._working("opening a file")
            if self.host.recovering and not run.seeding:
                raise jet_error(codes.JET_errBackupNotAllowedYet, "the instance is recovering")
            if not name or not isinstance(name, str):
                raise jet_error(codes.JET_errInvalidParameter, "opening a file without a name")
            page_size = self.host.page_size
            if start < 0 or start % page_size or 0 < start < 3 * page_size:
                raise jet_error(codes.JET_errInvalidParameter, f"opening a file at byte {start}", file=name)
            if sections > 1:
                raise jet_error(codes.JET_wrnNyi, "a file cannot be opened in several sections", file=name)
            if self._slot is not None:
                raise jet_error(codes.JET_errOutOfMemory, "one file can be open at a time", file=self._slot.stream.path)
            path = absolute(name)
            database = self._database(path)
            stream: PageStream | LogFileStream
            if database is not None:
                stream = self._open_database(run, database, start)
            elif not run.in_logs:
                too_long = len(str(path)) >= LONGEST_PATH
                code = codes.JET_errInvalidPath if too_long else codes.JET_errDatabaseNotFound
                raise jet_error(code, "no attached database of that name", file=name)
            else:
                stream = self._open_log(path)
            self._slot = Slot(FileHandle(0), stream)
            return self._slot.handle, stream.size - start

    def _database(self, path: Path) -> BackupDatabase | None:
        """The attached database of that path; names that differ in case only are the same, as they are to the original."""
        databases = self.host.backup_databases()
        exact = next((each for each in databases if each.path == path), None)
        if exact is not None:
            return exact
        wanted = str(path).casefold()
        return next((each for each in databases if str(each.path).casefold() == wanted), None)

    def _open_database(self, run: Run, database: BackupDatabase, start: int) -> PageStream:
        if run.in_logs:
            problem = jet_error(
                codes.JET_errInvalidBackupSequence, "databases cannot be copied any more in this backup", file=database.path
            )
            self._clean_up(problem.code)
            raise problem
        header = database.header_image()
        info = BackupInfo(run.mark, run.marked_at, run.ranges.copy_low, 0)
        header.bkinfo_full_cur = info
        signatures = header.sign_db, header.sign_log

        def trailer() -> bytes:
            if self.host.parameter(params.JET_paramAggressiveLogRollover):
                self.host.roll_log()
            ends = info._replace(generation_high=self.host.log.generation)
            return PatchPage(backup=ends, sign_db=signatures[0], sign_log=signatures[1]).pack(self.host.page_size)

        stream = PageStream(
            database,
            self.host.page_size,
            header.pack(self.host.page_size),
            trailer,
            start=start,
            give_up=lambda: self._stop or self.host.terminating,
        )
        run.copied.discard(database.path)
        note_file(self.host, database.path, stream.size)
        events.info("copying %s begins, %d bytes", database.path, stream.size)
        return stream

    def _open_log(self, path: Path) -> LogFileStream:
        """A closed log of the instance. Every failure here cancels the backup."""
        host = self.host
        try:
            parsed = parse_log_name(path.name, host.base)
            if parsed is None and path.suffix.lower() == host.log.extension:
                raise jet_error(codes.JET_errInvalidParameter, "not the name of a closed log of the instance", file=path)
            if not host.files.exists(path):
                raise jet_error(codes.JET_errMissingFileToBackup, "the file to back up does not exist", file=path)
            if parsed is None or path.parent != absolute(str(host.log_path)):
                raise jet_error(codes.JET_errInvalidParameter, "not a file of this backup", file=path)
            verify = not host.parameter(params.JET_paramDisableBlockVerification)
            return LogFileStream(path, host.page_size, host.files, generation=parsed[0], verify=verify)
        except JetError as problem:
            self._clean_up(problem.code)
            raise

    def _open_slot(self, handle: object, what: str, *, older: bool = False) -> Slot:
        """The open file of a handle, or JET_errInvalidParameter. A plain number is the number of the slot; `older` takes a
        handle of an earlier open for the number it has, as the original does where it closes a file."""
        slot = self._slot
        if slot is not None:
            if handle is slot.handle:
                return slot
            public = self._run is not None and not self._run.private
            numbered = type(handle) is int or (older and isinstance(handle, FileHandle))
            if public and numbered and handle == slot.handle:
                return slot
        raise jet_error(codes.JET_errInvalidParameter, f"{what}: no open backup file has that handle")

    def read_file(self, handle: object, wanted: int | bytearray | memoryview) -> bytes | int:
        """JetReadFile: the next bytes of the open file. `wanted` is a number of bytes (bytes are returned, b"" at the end) or
        a writable buffer to fill (the count is returned)."""
        with self._calls:
            run = self._working("reading a file")
            if self.host.recovering and not run.seeding:
                raise jet_error(codes.JET_errBackupNotAllowedYet, "the instance is recovering")
            stream = self._open_slot(handle, "reading a file").stream
            view = None if isinstance(wanted, int) else writable_view(wanted)
            count = int(wanted) if isinstance(wanted, int) else len(view or b"")
            stream.check_count(count)
            try:
                data = stream.read(count)
            except JetError as problem:
                self._reading_failed(run, stream, problem)
                raise
            if view is None:
                return data
            view[: len(data)] = data
            return len(data)

    def _reading_failed(self, run: Run, stream: PageStream | LogFileStream, problem: JetError) -> None:
        """A bad database leaves the set, its handle is gone, the backup goes on; a bad log ends the backup."""
        events.error("%s could not be copied: %s", stream.path, problem)
        if isinstance(stream, LogFileStream):
            self._clean_up(problem.code)
        else:
            self._slot = None
            run.copied.discard(stream.path)

    def close_file(self, handle: object) -> None:
        """JetCloseFile: works after a stop too. A file counts as copied if it was read to its end."""
        with self._calls:
            run = self._streaming("closing a file")
            stream = self._open_slot(handle, "closing a file", older=True).stream
            self._slot = None
            if isinstance(stream, LogFileStream):
                stream.close()
                if stream.complete and run.prepared:
                    run.read_generations.add(stream.generation)
            elif stream.complete and not stream.sectioned:
                run.copied.add(stream.path)
                note_file(self.host, stream.path, None)
                events.info("copying %s is done", stream.path)
            else:
                events.warning("copying %s ended before its end", stream.path)

    # ---- logs ----------------------------------------------------------------------------------------------

    def log_info(self) -> tuple[list[str], int, int, str]:
        """JetGetLogInfo: paths of the logs to copy, their lowest and highest generation, the base name. The first call ends
        the database phase and closes the current log; where that fails, the backup is cancelled."""
        with self._calls:
            ranges = self._prepared("listing the logs to copy")
            paths = self._listed(ranges.copy_low, ranges.copy_end)
            return paths, ranges.copy_low, ranges.copy_end - 1, self.host.base

    def truncate_log_info(self) -> list[str]:
        """JetGetTruncateLogInfo: paths of the logs that JetTruncateLog would delete."""
        with self._calls:
            ranges = self._prepared("listing the logs to delete")
            return self._listed(ranges.delete_low, ranges.delete_end)

    def _listed(self, low: int, end: int) -> list[str]:
        try:
            return log_paths(self.host, low, end)
        except JetError as problem:
            self._clean_up(problem.code)
            raise

    def _prepared(self, what: str) -> Ranges:
        run = self._working(what)
        self._refuse_open_file(what)
        if not run.prepared:
            try:
                self._prepare(run)
            except JetError as problem:
                self._clean_up(problem.code)
                raise
        return run.ranges

    def _prepare(self, run: Run) -> None:
        host = self.host
        host.roll_log()
        host.update_checkpoint(lambda live: None)  # what it has come to decides which logs may go
        position = log_phase(host, Phase.PREPARE_LOGS, run.kind, run.scope)
        ranges = run.ranges
        run.in_logs = True
        run.read_generations.clear()
        ranges.copy_end = host.log.generation
        if run.incremental:
            run.mark = position
            run.marked_at = LogTime.now()
            ranges.copy_low = lowest_closed(host)
            require_unbroken(host.backup_databases(), ranges.copy_low)
        ranges.delete_low, ranges.delete_end = deletion_range(host, full=not run.incremental, copied=run.copied)
        run.prepared = True
        events.info("copying the logs %d to %d begins", ranges.copy_low, ranges.copy_end - 1)

    def truncate_log(self) -> None:
        """JetTruncateLog: delete the logs that are not needed any more, once all of this backup were read."""
        with self._calls:
            what = "deleting logs"
            run = self._working(what)
            self._refuse_open_file(what)
            if not run.prepared:
                raise jet_error(codes.JET_errInvalidBackupSequence, f"{what} before the logs were listed")
            ranges = run.ranges
            missing = next((g for g in range(ranges.copy_low, ranges.copy_end) if g not in run.read_generations), None)
            if missing is not None:
                raise jet_error(codes.JET_errLogFileNotCopied, f"{what}: the log of generation {missing} was not copied yet")
            run.truncated = True
            self._truncate(run)

    def _truncate(self, run: Run) -> None:
        ranges = run.ranges
        host = self.host
        info = BackupInfo(Lgpos(), LogTime.now(), ranges.delete_low, ranges.delete_end)
        host.flush_log(log_phase(host, Phase.TRUNCATE, run.kind, run.scope, info=info))
        delete_logs(host, ranges.delete_low, ranges.delete_end)

    # ---- end -----------------------------------------------------------------------------------------------

    def end(self, grbit: int = grbits.JET_bitBackupEndNormal) -> int:
        """JetEndExternalBackup: end the backup, whatever its state; returns the outcome: 0, JET_errBackupAbortByServer (it was
        stopped) or JET_errBackupAbortByCaller (given up, or not complete)."""
        with self._calls:
            normal = self._checked_end(grbit)
            run = self._run
            if run is None or run.kind != Kind.NORMAL:
                if not self._busy:
                    self._stop = False
                raise jet_error(codes.JET_errNoBackup, "ending a backup: no backup is in progress")
            if not normal:
                outcome = codes.JET_errBackupAbortByCaller
            elif self._stop:
                outcome = codes.JET_errBackupAbortByServer
            elif not run.prepared:
                outcome = codes.JET_errBackupAbortByCaller
            else:
                outcome = 0
            if grbit & grbits.JET_bitBackupTruncateDone:
                run.truncated = True
            return self._clean_up(outcome, stamp=not grbit & grbits.JET_bitBackupNoDbHeaderUpdate)

    def end_surrogate(self, grbit: int) -> int:
        """JetEndSurrogateBackup: the same for a backup that was taken elsewhere."""
        with self._calls:
            normal = self._checked_end(grbit)
            run = self._run
            if run is None or run.kind != Kind.SURROGATE:
                raise jet_error(codes.JET_errNoBackup, "ending a surrogate backup: none is in progress")
            outcome = 0 if normal else codes.JET_errBackupAbortByCaller
            if grbit & grbits.JET_bitBackupTruncateDone:
                run.truncated = True
            run.copied.update(database.path for database in self.host.backup_databases())
            return self._clean_up(outcome, stamp=not grbit & grbits.JET_bitBackupNoDbHeaderUpdate)

    @staticmethod
    def _checked_end(grbit: int) -> bool:
        """True for a normal end, False for an abort; anything else is JET_errInvalidParameter."""
        normal = bool(grbit & grbits.JET_bitBackupEndNormal)
        if grbit & ~END_BITS or normal == bool(grbit & grbits.JET_bitBackupEndAbort):
            raise jet_error(codes.JET_errInvalidParameter, f"ending a backup with grbit {grbit:#x}")
        return normal

    def stop(self) -> None:
        """JetStopBackup: ask the backup to fail at its next call. Sets a flag and returns."""
        self._stop = True

    def cancel(self, code: int, run: Run | None = None) -> None:
        """End the backup as failed with `code`, if one is on (and, where `run` is given, if it is that one)."""
        with self._calls:
            if run is None or run is self._run:
                self._clean_up(code)

    def delete_unneeded_logs(self) -> None:
        """What a backup to no directory does: delete the closed logs below the checkpoint (circular logging does that itself),
        copy nothing, end."""
        with self._calls:
            self._working("deleting logs")
            host = self.host
            if not host.circular_logging:
                present = list_generations(host.log_path, host.base, host.files, extension=host.log.extension)
                end = min(read_checkpoint(host).generation, host.log.generation)
                delete_logs(host, min(present, default=end), end)
            self._clean_up(0)

    def _clean_up(self, outcome: int, *, stamp: bool = False) -> int:
        """Close the file, stamp the databases of a good backup, log the end, release everything; returns the outcome.

        A good backup that cannot be recorded has the outcome of one that was stopped: it does not count as taken."""
        run = self._run
        if run is None:
            return outcome
        if self._slot is not None:
            if isinstance(self._slot.stream, LogFileStream):
                self._slot.stream.close()
            self._slot = None
        try:
            if outcome == 0 and stamp:
                self._stamp(run)
            elif outcome:
                self._log_quietly(Phase.ABORT, run)
            self._log_quietly(Phase.STOP, run)
        except JetError as problem:
            events.error("the backup could not be recorded: %s", problem)
            outcome = codes.JET_errBackupAbortByServer
            self.last_problem = problem
        finally:
            self.last_outcome = outcome
            self._leave()
        if outcome:
            name = codes.NAMES.get(outcome, str(outcome))
            events.error("the backup was aborted: %s (%d)", name, outcome)
        else:
            events.info("the backup is done")
        return outcome

    def _stamp(self, run: Run) -> None:
        stamp_databases(
            self.host,
            [each for each in self.host.backup_databases() if run.incremental or each.path in run.copied],
            run.kind,
            finished_scope(incremental=run.incremental, truncated=run.truncated),
            BackupInfo(run.mark, run.marked_at, run.ranges.copy_low, run.ranges.copy_end - 1),
            run.checkpoint,
        )

    def _log_quietly(self, phase: Phase, run: Run) -> None:
        """A record that tells about the backup; that it cannot be written is no reason to fail."""
        try:
            log_phase(self.host, phase, run.kind, run.scope)
        except JetError as problem:
            events.warning("the log record %s of the backup could not be written: %s", phase.name, problem)

    # ---- snapshots -----------------------------------------------------------------------------------------

    def snapshot_begin(self, release: Callable[[], None]) -> None:
        """Take the in-progress flag for a snapshot and close the gate: attaches and Begin wait until `snapshot_thaw`.

        `release` lets the instance go from the snapshot; termination calls it when it has waited long enough."""
        with self._gate:
            if self._busy or not self.host.backup_allowed or not self.host.recovery_on:
                raise jet_error(codes.JET_errOSSnapshotNotAllowed, "a backup is in progress, or backups are not allowed")
            self._busy = codes.JET_errBackupInProgress
            self._stop = False
            self._release = release
            self._frozen = True
            while self._attaching:
                self._gate.wait()

    def snapshot_thaw(self) -> None:
        """Open the gate; the snapshot itself stays on until `snapshot_end`."""
        with self._gate:
            self._frozen = False
            self._gate.notify_all()

    def snapshot_end(self) -> None:
        """Give the in-progress flag back, if it is a snapshot's."""
        with self._gate:
            if self._release is None:
                return
            self._release = None
            self._frozen = False
            self._busy = 0
            self._stop = False
            self._gate.notify_all()


def writable_view(buffer: object) -> memoryview:
    """The bytes of a buffer to fill. JET_errInvalidParameter for what is none."""
    try:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
    except (TypeError, ValueError) as problem:
        raise jet_error(codes.JET_errInvalidParameter, "reading into something that is no buffer") from problem
    if view.readonly:
        raise jet_error(codes.JET_errInvalidParameter, "reading into a buffer that cannot be written")
    return view
