"""Which databases take part in redo: the list at the start, CreateDB, AttachDB, DetachDB (`reference/log-and-recovery.md` 7.4).

| standing | meaning                                                                                                       |
|----------|---------------------------------------------------------------------------------------------------------------|
| now      | open, its records are applied                                                                                  |
| deferred | its records are skipped; a later AttachDB may bring it in. `ignorable`: it is consistent or attached later on   |
| skipped  | the caller's map leaves it out                                                                                 |
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from esent.constants import codes, grbits
from esent.errors import JetError, jet_error
from esent.log.header import AttachInfo
from esent.log.records import AttachDB, CreateDB
from esent.pages.database_file import DatabaseFile
from esent.pages.header import FIRST_DBTIME, HEADER_PAGES, DatabaseHeader, DatabaseState
from esent.pages.primitives import LGPOS_MIN, BackupInfo, Lgpos, LogTime, Signature
from esent.recovery.backup_copy import merge_trailer
from esent.recovery.cache import DBTIME_LIMIT, RecoveredDatabase
from esent.recovery.events import Events
from esent.recovery.options import MAP_FAIL_WHEN_MISSING, MAP_IGNORE_WHEN_MISSING, MAP_OVERWRITE_ON_CREATE, RecoveryOptions
from esent.recovery.paths import PathResolver

_FIRST_SIZE = 30  # pages a new database has until its first ExtendDB
_RECOVERABLE = (DatabaseState.DIRTY_SHUTDOWN, DatabaseState.CLEAN_SHUTDOWN, DatabaseState.DIRTY_AND_PATCHED_SHUTDOWN)
_MISSING = frozenset({codes.JET_errFileNotFound, codes.JET_errInvalidPath})


class Standing(Enum):
    NOW = "now"
    DEFERRED = "deferred"
    SKIPPED = "skipped"


@dataclass(slots=True)
class Attachment:
    """What became of a database the log speaks of."""

    dbid: int
    logged_path: str
    standing: Standing
    reason: str = ""
    ignorable: bool = False
    missing: bool = False
    error: JetError | None = None
    path: Path | None = None


@dataclass(slots=True)
class _Logged:
    """What the log says of a database when it is attached."""

    dbid: int
    path: str
    attach: Lgpos
    consistent: Lgpos
    sign_db: Signature
    sign_log: Signature
    is_record: bool
    dbtime: int = 0
    objid: int = 0


class _Defer(Exception):
    def __init__(self, reason: str, *, ignorable: bool = False) -> None:
        self.reason = reason
        self.ignorable = ignorable


class Attachments:
    """The databases of a recovery by dbid. `databases` are those that take part."""

    def __init__(
        self, options: RecoveryOptions, signature: Signature, page_size: int, events: Events, *, hard: bool = False
    ) -> None:
        self.options = options
        self.signature = signature
        self.page_size = page_size
        self.events = events
        self.hard = hard
        self.copying = False  # the databases of the restore map are copied back, which counts in the progress
        self._restored: set[Path] = set()
        self._in_use: set[Path] = set()
        self.databases: dict[int, RecoveredDatabase] = {}
        self.entries: dict[int, Attachment] = {}
        self.paths = PathResolver(options)
        self.finished: list[Path] = []

    def close(self) -> None:
        """Let go of all files; nothing is written."""
        for db in self.databases.values():
            with contextlib.suppress(JetError):
                db.file.close()
        self.databases.clear()

    # what the log says

    def roll_forward(self) -> None:
        """The logs of the backup are done: its databases are as any others from here on, and that is told."""
        for db in self.databases.values():
            if db.file.path in self._restored:
                self._in_use.add(db.file.path)
                self.events.attached(db.file.path)

    def leaving(self, db: RecoveredDatabase) -> None:
        """A database is about to be closed."""
        if db.file.path in self._in_use:
            self._in_use.remove(db.file.path)
            self.events.detaching(db.file.path)

    def start(self, attached: list[AttachInfo], at: Lgpos) -> None:
        """Take the attach list as of the position where redo begins."""
        for info in attached:
            logged = _Logged(
                info.dbid,
                info.path,
                info.lgpos_attach,
                info.lgpos_consistent,
                info.sign_db,
                self.signature,
                False,
                info.dbtime,
                info.objid_last,
            )
            self._attach(logged, at)

    def attach(self, record: AttachDB, at: Lgpos) -> None:
        logged = _Logged(record.dbid, record.path, at, record.lgpos_consistent, record.sign_db, record.sign_log, True)
        self._attach(logged, at)

    def _enter(self, entry: Attachment) -> None:
        self.entries[entry.dbid] = entry

    def _defer(self, logged: _Logged, path: Path | None, reason: str, **more: object) -> None:
        entry = Attachment(logged.dbid, logged.path, Standing.DEFERRED, reason, path=path)
        for name, value in more.items():
            setattr(entry, name, value)
        self._enter(entry)

    def _attach(self, logged: _Logged, at: Lgpos) -> None:
        if logged.dbid in self.databases:  # the same slot again without a detach in between: a log that was cut
            raise jet_error(codes.JET_errLogCorrupted, f"database slot {logged.dbid} is attached twice", file=logged.path)
        found = self.paths.find(logged.path, logged.sign_db)
        if found.skipped:
            self._enter(Attachment(logged.dbid, logged.path, Standing.SKIPPED, "not in the restore map"))
            return
        path = found.path
        if path is None:
            self._defer(logged, None, "no file is known for this path", missing=True, ignorable=found.ignore_missing)
            return
        try:
            file = DatabaseFile(path, writable=True, files=self.options.files)
        except JetError as problem:
            if problem.code in _MISSING:
                if found.grbit & MAP_FAIL_WHEN_MISSING:
                    raise
                ignorable = bool(found.grbit & MAP_IGNORE_WHEN_MISSING)
                self._defer(logged, path, "the file is missing", missing=True, ignorable=ignorable)
                return
            if problem.code == codes.JET_errFileAccessDenied:
                self._defer(logged, path, "the file cannot be opened", error=problem)
                return
            if problem.code == codes.JET_errReadVerifyFailure:
                self._defer(logged, path, "both header copies are damaged", error=problem)
                return
            raise
        try:
            self._decide(file, logged, at)
        except _Defer as verdict:
            file.close()
            self._defer(logged, path, verdict.reason, ignorable=verdict.ignorable)
        except BaseException:
            file.close()
            raise

    def _decide(self, file: DatabaseFile, logged: _Logged, at: Lgpos) -> None:
        """Compare header and log: take the database in, or raise `_Defer` or the error that ends recovery."""
        header = file.header
        if header.dbstate == DatabaseState.JUST_CREATED:
            raise _Defer("its creation has not finished")
        if header.dbstate not in _RECOVERABLE:
            raise jet_error(codes.JET_errDatabaseCorrupted, f"the database is in state {header.dbstate}", file=file.path)
        if file.page_size != self.page_size:
            raise jet_error(
                codes.JET_errPageSizeMismatch,
                f"pages of {file.page_size} bytes, the logs have {self.page_size}",
                file=file.path,
            )
        stamp = self._compare(header, logged, at, file)
        self._check_now(file, at)
        self._take_in(file, logged, at, stamp=stamp)

    def _compare(self, header: DatabaseHeader, logged: _Logged, at: Lgpos, file: DatabaseFile) -> bool:
        """Whether the header must still be stamped as the attach would have."""
        same_database = header.sign_db == logged.sign_db
        if header.sign_log == self.signature:
            consistent = LGPOS_MIN if logged.consistent >= at else logged.consistent
            theirs = header.lgpos_consistent
            if theirs in (consistent, LGPOS_MIN) or logged.sign_log != header.sign_log:
                if not same_database:
                    raise _Defer("it is another database")
                if header.lgpos_attach == logged.attach:
                    return header.is_clean
                if header.lgpos_attach > logged.attach:
                    raise _Defer("it was attached later", ignorable=True)
                if logged.is_record and logged.sign_log == header.sign_log:
                    return True
                raise jet_error(
                    codes.JET_errAttachedDatabaseMismatch,
                    f"attached at {header.lgpos_attach}, not {logged.attach}",
                    file=file.path,
                )
            if theirs > consistent:
                raise _Defer("it is consistent at a later point", ignorable=True)
            if same_database:
                raise self._inconsistent(header, consistent, file)
            raise _Defer("it is another database")
        if header.sign_log == logged.sign_log:
            if not same_database:
                raise _Defer("it is another database")
            if header.lgpos_consistent != logged.consistent:
                raise self._inconsistent(header, logged.consistent, file)
            return True
        raise _Defer("it belongs to another log stream")

    @staticmethod
    def _inconsistent(header: DatabaseHeader, consistent: Lgpos, file: DatabaseFile) -> JetError:
        what = f"the database is consistent at {header.lgpos_consistent}, the log says {consistent}"
        return jet_error(codes.JET_errConsistentTimeMismatch, what, file=file.path)

    def _check_now(self, file: DatabaseFile, at: Lgpos) -> None:
        header = file.header
        patched = header.dbstate == DatabaseState.DIRTY_AND_PATCHED_SHUTDOWN
        if 0 < header.gen_min_required < at.generation and not patched:
            what = f"redo begins in generation {at.generation}, the database needs {header.gen_min_required}"
            raise jet_error(codes.JET_errRequiredLogFilesMissing, what, file=file.path)
        current = header.bkinfo_full_cur
        if current.generation_low and not current.generation_high and not self.hard:
            if not self.options.grbit & grbits.JET_bitAllowSoftRecoveryOnBackup:
                what = "the database is the copy of a backup that was not restored"
                raise jet_error(codes.JET_errSoftRecoveryOnBackupDatabase, what, file=file.path)
            merge_trailer(file)

    def _take_in(self, file: DatabaseFile, logged: _Logged, at: Lgpos, *, stamp: bool) -> None:
        header = file.header
        self._restored.add(file.path)
        if self.copying:
            self.events.copied(len(self.options.restore_map or []))
        db = RecoveredDatabase(logged.dbid, file, cache_bytes=self.options.cache_bytes, logged_path=logged.path)
        file.lock()
        db.attach = logged.attach
        db.dbtime = logged.dbtime
        db.objid = logged.objid
        if stamp:
            self._stamp(header, logged, at)
            db.write_header()
        db.future = header.gen_max_required >= at.generation
        db.dbtime = max(db.dbtime, header.dbtime_dirtied)
        db.objid = max(db.objid, header.objid_last)
        if db.dbtime >= DBTIME_LIMIT:
            raise jet_error(codes.JET_errDbTimeCorrupted, f"a database of dbtime {db.dbtime}", file=file.path)
        self.databases[logged.dbid] = db
        self._enter(Attachment(logged.dbid, logged.path, Standing.NOW, path=file.path))

    def _stamp(self, header: DatabaseHeader, logged: _Logged, at: Lgpos) -> None:
        """What attaching writes into the header (`reference/database-format.md` 2.6), had the crash not come first."""
        if header.sign_log != self.signature:
            header.lgpos_consistent = header.lgpos_last_resize = LGPOS_MIN
            for name in ("bkinfo_full_prev", "bkinfo_inc_prev", "bkinfo_copy_prev", "bkinfo_diff_prev"):
                setattr(header, name, BackupInfo())
        header.sign_log = self.signature
        if header.is_clean:
            header.change_state(DatabaseState.DIRTY_SHUTDOWN)
            header.gen_min_required = header.gen_max_required = header.gen_max_committed = at.generation
            header.gen_min_consistent = at.generation
        header.lgpos_attach = logged.attach
        header.logtime_attach = LogTime.now()
        header.lgpos_detach = LGPOS_MIN
        header.logtime_detach = LogTime()
        header.lgpos_last_reattach = LGPOS_MIN
        header.dbid = logged.dbid
        header.resized_at(logged.attach)
        if not self.hard:
            header.bkinfo_full_cur = header.bkinfo_snapshot_cur = BackupInfo()

    # creation

    def create(self, record: CreateDB, at: Lgpos, created: LogTime) -> None:
        """CreateDB: make the file anew, or take in the one that is there if it came from this record."""
        logged = _Logged(record.dbid, record.path, at, LGPOS_MIN, record.sign_db, self.signature, True)
        if record.dbid in self.databases:
            raise jet_error(codes.JET_errLogCorrupted, f"database slot {record.dbid} is attached twice", file=record.path)
        if record.version != (2, 0):
            raise jet_error(
                codes.JET_errInvalidCreateDbVersion, f"a database created in version {record.version}", file=record.path
            )
        found = self.paths.find(record.path, record.sign_db, creating=True)
        if found.skipped:
            self._enter(Attachment(record.dbid, record.path, Standing.SKIPPED, "not in the restore map"))
            return
        path = found.path
        if path is None:
            self._defer(logged, None, "no place is known for this path", missing=True, ignorable=found.ignore_missing)
            return
        if self.hard and not found.mapped:
            self._defer(logged, path, "not in the restore map", ignorable=True)
            return
        if not self.options.files.exists(path):
            self._make(record, path, at, created)
            return
        file = None
        try:
            file = DatabaseFile(path, writable=True, files=self.options.files)
            self._decide_create(file, logged, at)
        except _Defer as verdict:
            assert file is not None
            overwrite = found.grbit & MAP_OVERWRITE_ON_CREATE
            recreate = file.header.dbstate == DatabaseState.JUST_CREATED and file.header.sign_db == record.sign_db
            file.close()
            if recreate or (overwrite and not verdict.ignorable):
                self.options.files.remove(path)
                self._make(record, path, at, created)
            else:
                self._defer(logged, path, verdict.reason, ignorable=verdict.ignorable)
        except JetError as problem:
            if file is not None:
                file.close()
            if problem.code != codes.JET_errReadVerifyFailure:
                raise
            # not even a header was written, or both copies are lost: all of its content is in the log
            self.options.files.remove(path)
            self._make(record, path, at, created)

    def _decide_create(self, file: DatabaseFile, logged: _Logged, at: Lgpos) -> None:
        header = file.header
        if header.dbstate == DatabaseState.JUST_CREATED:
            raise _Defer("its creation has not finished")
        if header.sign_log != self.signature:
            raise _Defer("it belongs to another log stream")
        if header.lgpos_attach > logged.attach:
            raise _Defer("it was attached later", ignorable=True)
        if header.lgpos_attach < logged.attach or header.sign_db != logged.sign_db:
            raise _Defer("it is another database")
        if header.lgpos_consistent >= header.lgpos_attach:
            raise _Defer("it is consistent at a later point", ignorable=True)
        if header.dbstate not in _RECOVERABLE:
            raise jet_error(codes.JET_errDatabaseCorrupted, f"the database is in state {header.dbstate}", file=file.path)
        self._check_now(file, at)
        self._take_in(file, logged, at, stamp=False)

    def _make(self, record: CreateDB, path: Path, at: Lgpos, created: LogTime) -> None:
        header = DatabaseHeader()
        header.sign_db = record.sign_db
        header.sign_log = self.signature
        header.dbtime_dirtied = FIRST_DBTIME
        header.change_state(DatabaseState.JUST_CREATED)
        header.dbid = record.dbid
        header.lgpos_attach = at
        header.logtime_attach = LogTime.now()
        header.gen_min_required = header.gen_max_required = header.gen_max_committed = at.generation
        header.gen_min_consistent = at.generation
        header.logtime_gen_max_create = created
        image = header.pack(self.page_size)
        with self.options.files.open(path, writable=True, create=True, exclusive=True) as new:
            new.write(0, image + image)
            new.truncate((HEADER_PAGES + _FIRST_SIZE) * self.page_size)
            new.sync()
        self.options.files.sync_directory(path.parent)
        file = DatabaseFile(path, writable=True, files=self.options.files)
        db = RecoveredDatabase(record.dbid, file, cache_bytes=self.options.cache_bytes, logged_path=record.path)
        file.lock()
        db.attach = at
        db.dbtime = FIRST_DBTIME
        db.future = False
        self.databases[record.dbid] = db
        self._enter(Attachment(record.dbid, record.path, Standing.NOW, path=path))

    # ends

    def drop(self, dbid: int) -> RecoveredDatabase | None:
        """The slot is free again; returns the database if it took part (its file is still open)."""
        self.entries.pop(dbid, None)
        db = self.databases.pop(dbid, None)
        if db is not None:
            self.finished.append(db.file.path)
        return db

    def notes(self) -> list[str]:
        """A sentence for each database that did not take part, and for each whose pages had to be corrected."""
        left_out = [
            f"{entry.path or entry.logged_path} took no part: {entry.reason}"
            for entry in self.entries.values()
            if entry.standing is not Standing.NOW
        ]
        return left_out + [
            f"{db.file.path}: a wrong bit was corrected in {len(db.file.corrections)} pages"
            for db in self.databases.values()
            if db.file.corrections
        ]

    def drop_half_created(self) -> None:
        """A creation that never finished left nothing of use: the file goes."""
        for dbid, db in list(self.databases.items()):
            if db.is_new:
                del self.databases[dbid]
                self.entries.pop(dbid, None)
                db.file.close()
                self.options.files.remove(db.file.path)

    def check_mismatch_unless_clean(self, clean: bool) -> None:
        """`check_mismatch`, where the last shutdown was not clean."""
        if not clean:
            self.check_mismatch()

    def check_mismatch(self) -> None:
        """What was attached when the log ends must be there: JET_errAttachedDatabaseMismatch, or what was wrong with it."""
        if self.options.grbit & grbits.JET_bitReplayIgnoreMissingDB:
            return
        for entry in self.entries.values():
            if entry.standing is Standing.NOW or entry.ignorable:
                continue
            if entry.standing is Standing.SKIPPED and self.hard:
                continue
            if entry.error is not None:
                raise entry.error
            raise jet_error(
                codes.JET_errAttachedDatabaseMismatch,
                f"recovery cannot finish without the database {entry.logged_path}: {entry.reason}",
                file=entry.path or entry.logged_path,
            )
