"""Attached databases: the life of their headers, who has them open, and what a backup may do with them.

The header of an attached, logged database is dirty; its generations follow the log (`reference/database-format.md` 2.6,
`reference/log-and-recovery.md` 6.4): set at the attach, rewritten before a new generation takes records, zero when clean.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from esent.constants import codes, grbits, params
from esent.constants.formats import Feature
from esent.engine.gates import RangeLock
from esent.engine.process import same_file
from esent.engine.scrubbed_pages import ScrubbedPages
from esent.engine.store import DatabaseStore
from esent.errors import JetError, jet_error
from esent.log.format_choice import FormatChoice
from esent.log.header import AttachInfo
from esent.log.records import AttachDB, DetachDB, SetDbVersion
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import File, FileSystem
from esent.pages.header import FORMAT_MAJOR, DatabaseHeader, DatabaseState
from esent.pages.locking import FileLock
from esent.pages.primitives import LGPOS_MAX, BackupInfo, Lgpos, LogTime, Signature
from esent.tree.write import DEFAULT_DENSITY, WritableTree

if TYPE_CHECKING:
    from esent.backup.host import PageSource
    from esent.engine.instance import Instance
    from esent.engine.schema import Schema
    from esent.engine.session import Session

MOST_DATABASES = 6  # beside the temporary one
CACHE_BYTES = 256 << 20  # of a database, unless JET_paramCacheSizeMax asks for less
ATTACH_OPTIONS = (
    grbits.JET_bitDbReadOnly
    | grbits.JET_bitDbExclusive
    | grbits.JET_bitDbRecoveryOff
    | grbits.JET_bitDbDeleteCorruptIndexes
    | grbits.JET_bitDbRebuildCorruptIndexes
    | grbits.JET_bitDbUpgrade
    | grbits.JET_bitDbDeleteUnicodeIndexes
    | grbits.JET_bitDbEnableBackgroundMaintenance
    | grbits.JET_bitDbPurgeCacheOnAttach
)
_REFUSED_STATES = {
    DatabaseState.DIRTY_SHUTDOWN: codes.JET_errDatabaseDirtyShutdown,
    DatabaseState.DIRTY_AND_PATCHED_SHUTDOWN: codes.JET_errDatabaseDirtyShutdown,
    DatabaseState.INCREMENTAL_RESEED_IN_PROGRESS: codes.JET_errDatabaseIncompleteIncrementalReseed,
}
_numbers = itertools.count(1)
OS_VERSION = (6, 2, 9200)  # what a process without a manifest sees on any Windows
_NO_POSITION = Lgpos()


def full_path(name: object) -> Path:
    """The absolute path of a database file name. JET_errInvalidParameter for none, JET_errDatabaseInvalidPath for no path."""
    if name is None or not isinstance(name, str):
        raise jet_error(codes.JET_errInvalidParameter, "the name of a database file is needed")
    if os.name == "posix":
        name = name.replace("\\", "/")
    if not name.strip() or "\0" in name:
        raise jet_error(codes.JET_errDatabaseInvalidPath, f"{name!r} is not the path of a database")
    try:
        os.fsencode(name)
    except UnicodeEncodeError as problem:
        raise jet_error(codes.JET_errDatabaseInvalidPath, f"no file can be named {name!r}") from problem
    return Path(os.path.abspath(name))  # noqa: PTH100 - without following links: the name is logged as it was given


def require_attachable(header: DatabaseHeader, page_size: int, path: Path) -> None:
    """The error that forbids attaching a database with this header, if there is one."""
    if header.page_size != page_size:
        raise jet_error(
            codes.JET_errPageSizeMismatch, f"attaching: pages of {header.page_size} bytes, not of {page_size}", file=path
        )
    if header.version != FORMAT_MAJOR:
        raise jet_error(codes.JET_errInvalidDatabaseVersion, f"attaching: format {header.version:#x} is unknown", file=path)
    if header.is_clean:
        return
    if header.bkinfo_full_cur.generation_low:
        raise jet_error(codes.JET_errSoftRecoveryOnBackupDatabase, "attaching: a backup copy that was not restored", file=path)
    code = codes.JET_errDatabaseCorrupted
    if isinstance(header.state, DatabaseState):
        code = _REFUSED_STATES.get(header.state, code)
    raise jet_error(code, f"attaching: the database is in state {header.state!s}, not cleanly shut down", file=path)


class HeldFile:
    """A database file with the lock on it. The lock comes first: a writable open may repair a header copy."""

    def __init__(self, path: Path, *, writable: bool, files: FileSystem) -> None:
        """JET_errFileAccessDenied where another process has it, JET_errDatabaseFileReadOnly where it may only be read."""
        try:
            self._guard: File = files.open(path, writable=writable)
        except JetError as problem:
            if writable and problem.code == codes.JET_errFileAccessDenied and _is_readable(path, files):
                raise jet_error(codes.JET_errDatabaseFileReadOnly, "the file may only be read", file=path) from problem
            raise
        try:
            FileLock(self._guard, shared=not writable)
            self.file = DatabaseFile(path, writable=writable, files=files)
        except JetError as problem:
            self._guard.close()
            if problem.code == codes.JET_errReadVerifyFailure:
                # recorded: what is a read verify failure to recovery is a corrupted database to whoever attaches it
                raise jet_error(codes.JET_errDatabaseCorrupted, problem.message) from problem
            raise
        except BaseException:
            self._guard.close()
            raise

    def close(self) -> None:
        self.file.close()
        self._guard.close()


def _is_readable(path: Path, files: FileSystem) -> bool:
    try:
        files.open(path).close()
    except JetError:
        return False
    return True


class AttachedDatabase:
    """One database attached to an instance; also what a backup sees of it (`backup.host.BackupDatabase`).

    `number` is its JET_DBID, never used twice in a process; `dbid` is its number in the log, 1..6.
    """

    def __init__(
        self,
        instance: Instance,
        dbid: int,
        held: HeldFile,
        *,
        logged: bool,
        size_limit: int,
    ) -> None:
        self.instance = instance
        self.number = next(_numbers)
        self.dbid = dbid
        self.path = held.file.path
        self._held = held
        self.file = held.file
        self.read_only = not held.file.writable
        self.logged = logged and not self.read_only
        self.size_limit = size_limit  # pages; 0: none
        self._header = held.file.header
        self._header_guard = threading.RLock()  # the gate is entered before it is taken
        self._released = False
        self.schema: Schema | None = None  # set by `schema_of`; it holds the database, and so must not outlive it
        self._ranges = RangeLock()
        self.pinned = LGPOS_MAX  # where the log must be kept from while the database is being created
        self.store = self._open_store()
        zeroes = self.logged and instance.parameters.number(params.JET_paramZeroDatabaseDuringBackup)
        self._scrubbed = ScrubbedPages(self) if zeroes else None

    def _open_store(self) -> DatabaseStore:
        """The live pages, hooked to the transactions and the gates of the instance."""
        instance = self.instance
        number = instance.parameters.number
        store = DatabaseStore(
            self.dbid,
            self.file,
            instance.instance_log if self.logged else None,
            dbtime=self._header.dbtime_dirtied,
            objid=self._header.objid_last,
            cache_pages=min(number(params.JET_paramCacheSizeMax), CACHE_BYTES // self.file.page_size),
            size_limit=self.size_limit,
        )
        store.growth = number(params.JET_paramDbExtensionSize)
        store.fragment = number(params.JET_paramPageFragment)
        store.log_undo_info = lambda page: instance.transactions.log_undo_info(self.dbid, page)
        store.versions = instance.transactions.store
        store.reserved_space = lambda page, beside: instance.transactions.reserved_space(self.dbid, page, beside=beside)
        store.dead = lambda page: instance.transactions.dead_lines(self.dbid, page)
        store.inserted = lambda page, line: instance.transactions.inserted_by(self.dbid, page, line)
        store.settled = lambda page: instance.transactions.is_settled(self.dbid, page)
        store.holding = self._ranges.hold
        store.writing = instance.gate.writing
        store.extended = self._extended
        store.announces_pages = lambda: self.has(Feature.NEW_PAGE)
        if self.logged:
            store.tend = instance.instance_log.tend
        return store

    def has(self, feature: Feature) -> bool:
        """Whether the database, and the log it is written under, may have what came with a feature."""
        return self._header.has(feature) and (not self.logged or self.instance.log.header.version.has(feature))

    def keeps(self, feature: Feature) -> bool:
        """Whether the database may have what came with a feature that the log knows nothing of."""
        return self._header.has(feature)

    def _extended(self, position: Lgpos) -> None:
        """The file has become longer, logged at `position`; the header says so when it is written next."""
        with self._header_guard:
            self._header.resized_at(position)
            self._header.extend_count = self._header.extend_count + 1 & 0xFFFFFFFF
            self._header.logtime_last_extend = LogTime.now()

    def limit_size(self, pages: int) -> None:
        """JetSetMaxDatabaseSize; 0: no limit."""
        self.size_limit = self.store.size_limit = pages

    def nodes(self, objid: int, root: int, *, unique: bool, density: int = DEFAULT_DENSITY) -> WritableTree:
        """The nodes of the tree with a root page."""
        return self.store.tree(objid, root, unique=unique, density=density)

    # -- for a backup ---------------------------------------------------------------------------------------------

    @property
    def page_source(self) -> PageSource:
        return self.file if self._scrubbed is None else self._scrubbed

    def header_image(self) -> DatabaseHeader:
        """A copy of the live header."""
        with self._header_guard:
            return self._header.copy()

    def update_header(self, change: Callable[[DatabaseHeader], None]) -> None:
        """Apply `change` to the live header and write both copies durably; if that fails the header is as it was."""
        with self.instance.gate.writing(), self._header_guard:
            changed = self._header.copy()
            changed.dbtime_dirtied = max(changed.dbtime_dirtied, self.store.dbtime)
            changed.objid_last = max(changed.objid_last, self.store.objid)
            change(changed)
            self.file.write_header(changed)
            self._header = changed

    def page_range_lock(self, first: int, last: int) -> AbstractContextManager[None]:
        return self._ranges.hold(first, last) if self._scrubbed is None else self._scrubbed.hold(self._ranges, first, last)

    def last_pgno(self) -> int:
        return self.file.page_count

    def stamp_creation_finished(self) -> None:
        """Everything a new database needs is in the log (or in the file): it is one like any other from now on."""

        def change(header: DatabaseHeader) -> None:
            header.change_state(DatabaseState.DIRTY_SHUTDOWN)
            header.resized_at(header.lgpos_attach)

        self.update_header(change)

    def raise_version(self, version: tuple[int, int, int]) -> None:
        """Stamp a version on the header, at least its own; the log says so first, where its format has a record for that."""
        if self.logged and self.instance.log.header.version.has(Feature.SET_DB_VERSION):
            self.instance.flush_log(self.instance.append(SetDbVersion(self.dbid, *version)))

        def change(header: DatabaseHeader) -> None:
            header.raise_version(version)

        if self.header_image().raise_version(version):
            self.update_header(change)

    # -- the header's life ----------------------------------------------------------------------------------------

    def stamp_attached(self, position: Lgpos) -> None:
        """Dirty, under this log stream from `position` on."""
        signature, generation, created = self.instance.log.signature, self.instance.log.generation, self.instance.log.created

        def change(header: DatabaseHeader) -> None:
            if header.sign_log != signature:
                header.lgpos_consistent = _NO_POSITION
                header.lgpos_last_resize = _NO_POSITION
                header.sign_log = signature
                forget_backups(header)
            header.change_state(DatabaseState.DIRTY_SHUTDOWN)
            header.gen_min_required = header.gen_min_consistent = position.generation
            header.gen_max_required = header.gen_max_committed = generation
            stamp_created(header, created)
            header.lgpos_attach = position
            header.resized_at(position)
            self._stamp_common(header)

        self.update_header(change)

    def stamp_attached_unlogged(self) -> None:
        """Dirty, without a log: a new signature, as no older log or backup matches the file any more."""

        def change(header: DatabaseHeader) -> None:
            header.change_state(DatabaseState.DIRTY_SHUTDOWN)
            header.gen_min_required = header.gen_min_consistent = header.gen_max_required = header.gen_max_committed = 0
            header.sign_db = Signature.fresh()
            header.sign_log = Signature()
            header.lgpos_consistent = header.lgpos_attach = header.lgpos_last_resize = _NO_POSITION
            forget_backups(header)
            self._stamp_common(header)

        self.update_header(change)

    def _stamp_common(self, header: DatabaseHeader) -> None:
        header.logtime_attach = LogTime.now()
        header.lgpos_detach = _NO_POSITION
        header.logtime_detach = LogTime()
        header.dbid = self.dbid
        header.os_major, header.os_minor, header.os_build = OS_VERSION
        header.lgpos_last_reattach = _NO_POSITION
        header.logtime_last_reattach = LogTime()
        header.bkinfo_full_cur = header.bkinfo_snapshot_cur = BackupInfo()

    def stamp_clean(self, position: Lgpos | None) -> None:
        """Clean as of `position` (of the record that says so); without one where nothing is logged."""

        def change(header: DatabaseHeader) -> None:
            header.change_state(DatabaseState.CLEAN_SHUTDOWN)
            if position is not None:
                header.consistent_at(position)
            header.logtime_consistent = header.logtime_detach = LogTime.now()
            header.bkinfo_snapshot_cur = BackupInfo()

        self.flush()
        self.update_header(change)

    def flush(self) -> None:
        """Bring all pages to the file, and the file to the disk."""
        with self.instance.lock:
            self.store.flush()
        with self.instance.gate.writing():
            self.file.sync()

    def stamp_generation(self, generation: int, created: LogTime, lowest: int) -> None:
        """A new generation is about to take records: it may now be in the file, `lowest` is the checkpoint's."""

        def change(header: DatabaseHeader) -> None:
            if generation > header.gen_max_committed:
                header.gen_max_committed = header.gen_max_required = generation
                stamp_created(header, created)
            attached = header.lgpos_attach.generation
            header.gen_min_required = max(header.gen_min_required, min(max(lowest, attached), generation))
            header.gen_min_consistent = max(header.gen_min_consistent, header.gen_min_required)

        with self.instance.gate.writing(), self._header_guard:
            header = self._header
            if header.is_clean or self._released:  # detached meanwhile
                return
            if header.gen_max_committed < generation or header.gen_min_required < lowest:
                self.update_header(change)

    def stamp_lowest(self, lowest: int) -> None:
        """The checkpoint is about to move to generation `lowest`; redo may start there, so the file must not ask for less."""

        def change(header: DatabaseHeader) -> None:
            lowest_needed = min(max(lowest, header.lgpos_attach.generation), header.gen_max_required)
            header.gen_min_required = max(header.gen_min_required, lowest_needed)
            header.gen_min_consistent = max(header.gen_min_consistent, header.gen_min_required)

        self.update_header(change)

    def release(self) -> None:
        """Close the file and give up the lock."""
        with self._header_guard:
            self._released = True
            self._held.close()

    def attach_info(self, position: Lgpos) -> AttachInfo | None:
        """The entry for an attach list as of `position`; None where the database does not belong in it."""
        with self._header_guard:
            header = self._header
            if not self.logged or header.lgpos_attach == _NO_POSITION or position <= header.lgpos_attach:
                return None
            if header.lgpos_detach != _NO_POSITION and position > header.lgpos_detach:
                return None
            consistent = header.lgpos_consistent
            if header.sign_log != self.instance.log.signature or position <= consistent:
                consistent = _NO_POSITION
            return AttachInfo(
                self.dbid,
                str(self.path),
                header.dbtime_dirtied,
                header.objid_last,
                self.size_limit,
                header.lgpos_attach,
                consistent,
                header.sign_db,
            )


def stamp_created(header: DatabaseHeader, created: LogTime) -> None:
    """When the newest generation, which is both committed and required, was created."""
    header.logtime_gen_max_create = created
    if header.has(Feature.REQUIRED_TIME):
        header.logtime_gen_max_required = created


def forget_backups(header: DatabaseHeader) -> None:
    """No earlier backup fits the file any more."""
    nothing = BackupInfo()
    header.bkinfo_full_prev = header.bkinfo_inc_prev = header.bkinfo_copy_prev = header.bkinfo_diff_prev = nothing
    header.bkinfo_type_full_prev = header.bkinfo_type_inc_prev = 0
    header.bkinfo_type_copy_prev = header.bkinfo_type_diff_prev = 0


class Databases:
    """The databases of one instance: attach, detach, open, close."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._attached: dict[int, AttachedDatabase] = {}  # by JET_DBID
        self.changing = threading.RLock()  # attaches, detaches and creations come one after another
        self.unsettled = False  # one of them is between its record and the header that says the same

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Around an attach or a detach; until it is over the checkpoint stays where redo sees the record."""
        with self._instance.backup.attaching(), self.changing:
            self.unsettled = True
            try:
                yield
            finally:
                self.unsettled = False

    def all(self) -> list[AttachedDatabase]:
        """Those attached, in the order of their numbers in the log. Takes no lock: asked for also while a log begins."""
        return sorted(self._attached.values(), key=lambda each: each.dbid)

    def find(self, path: Path) -> AttachedDatabase | None:
        return next((each for each in self.all() if same_file(str(each.path), str(path))), None)

    def get(self, session: Session, number: object) -> AttachedDatabase:
        """The database a session has open under a JET_DBID, or JET_errInvalidDatabaseId."""
        found = self._attached.get(number) if isinstance(number, int) else None
        if found is None or not session.opened(found):
            raise jet_error(codes.JET_errInvalidDatabaseId, "the session has no database open under this id")
        return found

    # -- attach ---------------------------------------------------------------------------------------------------

    def attach(self, session: Session, name: object, grbit: object = 0, size_limit: object = 0) -> int:
        """JetAttachDatabase: 0, or JET_wrnDatabaseAttached."""
        path = full_path(name)
        if not isinstance(grbit, int) or grbit & ~ATTACH_OPTIONS:
            raise jet_error(codes.JET_errInvalidGrbit, f"attaching with grbit {grbit!r}", file=path)
        if not isinstance(size_limit, int) or size_limit < 0:
            raise jet_error(codes.JET_errInvalidParameter, f"{size_limit!r} is not a number of pages", file=path)
        session.check_owner()
        session.require_no_transaction("attaching a database")
        read_only = bool(grbit & grbits.JET_bitDbReadOnly)
        with self._change():
            known = self.find(path)
            if known is not None:
                if known.read_only and not read_only:
                    raise jet_error(codes.JET_errDatabaseInUse, "attached read-only already", file=path)
                return codes.JET_wrnDatabaseAttached
            logged = self._instance.logging and not grbit & grbits.JET_bitDbRecoveryOff
            self._attach(session, path, read_only=read_only, logged=logged, size_limit=size_limit)
        return 0

    def _attach(self, session: Session, path: Path, *, read_only: bool, logged: bool, size_limit: int) -> None:
        instance = self._instance
        if instance.process.attached_elsewhere(instance, str(path)):
            raise jet_error(codes.JET_errDatabaseSharingViolation, "another instance has the database attached", file=path)
        if not instance.files.exists(path):
            raise jet_error(codes.JET_errFileNotFound, "there is no such database", file=path)
        dbid = self.free_dbid()
        held = HeldFile(path, writable=not read_only, files=instance.files)
        try:
            require_attachable(held.file.header, instance.page_size, path)
            choice = instance.parameters.format_choice
            version = None
            if not read_only:
                choice.check_database(held.file.header.format_version, path)
                version = choice.raised_database(held.file.header.format_version)
            database = AttachedDatabase(instance, dbid, held, logged=logged, size_limit=size_limit)
            left_by_crash = held.file.header.is_left_by_crash
            if version is not None and database.logged:
                self.raise_log(choice)
            with instance.lock:  # nobody moves the checkpoint on between the record and the list
                if database.logged:
                    self._log_attach(session, database, version)
                elif not read_only:
                    database.stamp_attached_unlogged()
                    if version is not None:
                        database.raise_version(version)
                self._attached[database.number] = database
                instance.cleanup.attached(database, left_by_crash=left_by_crash)
        except BaseException:
            held.close()
            raise
        if database.logged:
            stream = instance.log  # it may have rolled before the database was in the table
            database.stamp_generation(stream.generation, stream.created, database.header_image().gen_min_required)
            instance.write_checkpoint()
            if instance.parameters.number(params.JET_paramAggressiveLogRollover):
                instance.roll_log()

    def raise_log(self, choice: FormatChoice) -> None:
        """Begin a new generation where the current one has a lower format than is asked for, and databases will show it."""
        log = choice.log
        if log is not None and log.has(Feature.SET_DB_VERSION) and self._instance.log.raise_version(log):
            self._instance.roll_log()

    def free_dbid(self) -> int:
        """A number in the log for one more. JET_errTooManyAttachedDatabases."""
        with self._instance.lock:
            used = {each.dbid for each in self._attached.values()}
        free = next((dbid for dbid in range(1, MOST_DATABASES + 1) if dbid not in used), None)
        if free is None:
            raise jet_error(codes.JET_errTooManyAttachedDatabases, f"{MOST_DATABASES} databases are attached")
        return free

    def _log_attach(self, session: Session, database: AttachedDatabase, version: tuple[int, int, int] | None) -> None:
        """The record first, durable, then the header: a crash between leaves a clean file that recovery stamps again."""
        instance = self._instance
        header = database.header_image()
        record = AttachDB(
            procid=session.procid,
            dbid=database.dbid,
            cpg_database_size_max=database.size_limit,
            lgpos_consistent=header.lgpos_consistent,
            sign_db=header.sign_db,
            sign_log=header.sign_log,
            path=str(database.path),
        )
        position = instance.append(record)
        instance.flush_log(position)
        try:
            database.stamp_attached(position)
            if version is not None:
                database.raise_version(version)
        except JetError:
            self._take_back(session, database, position)
            raise

    def _take_back(self, session: Session, database: AttachedDatabase, position: Lgpos) -> None:
        """An attach failed behind its record: it ends at once. Where not even that can be written, recovery will have to."""
        instance = self._instance
        try:
            database.stamp_attached(position)
            end = instance.append(DetachDB(procid=session.procid, dbid=database.dbid, path=str(database.path)))
            instance.flush_log(end)
            database.stamp_clean(end)
        except JetError as problem:
            if instance.unavailable is None:
                instance.unavailable = problem

    # -- databases that are being created -------------------------------------------------------------------------

    def enter(self, session: Session, database: AttachedDatabase) -> None:
        """A database is attached from now on, and open to a session."""
        with self._instance.lock:
            self._attached[database.number] = database
            session.opens[database.number] += 1

    def leave(self, database: AttachedDatabase) -> None:
        """A database is not attached any more."""
        with self._instance.lock:
            for user in self._instance.all_sessions():
                self.close_all(user, database.number)
            self._attached.pop(database.number, None)

    def require_one_database(self, session: Session, number: int, path: Path) -> None:
        """JET_errOneDatabasePerSession where the session has another one open and that is not allowed."""
        if self._instance.parameters.number(params.JET_paramOneDatabasePerSession) and any(
            other != number for other in +session.opens
        ):
            raise jet_error(codes.JET_errOneDatabasePerSession, "the session has another database open", file=path)

    # -- detach ---------------------------------------------------------------------------------------------------

    def detach(self, session: Session, name: object, grbit: object = 0) -> None:
        """JetDetachDatabase: one, or all where `name` is None."""
        force_close = grbits.JET_bitForceCloseAndDetach
        if not isinstance(grbit, int) or grbit & ~force_close:
            raise jet_error(codes.JET_errInvalidGrbit, f"detaching with grbit {grbit!r}")
        path = None if name is None else full_path(name)
        session.check_owner()
        session.require_no_transaction("detaching a database")
        with self._change():
            if path is None:
                wanted = self.all()
            else:
                found = self.find(path)
                if found is None:
                    raise jet_error(codes.JET_errDatabaseNotFound, "detaching a database that is not attached", file=path)
                wanted = [found]
            for database in wanted:
                users = [each for each in self._instance.all_sessions() if each.opened(database)]
                if users and grbit & force_close != force_close:
                    what = "detaching a database that a session has open"
                    raise jet_error(codes.JET_errDatabaseInUse, what, file=database.path)
            for database in wanted:
                self._detach(session, database)

    def _detach(self, session: Session, database: AttachedDatabase) -> None:
        instance = self._instance
        instance.defragmenter.close(database)
        for user in instance.all_sessions():
            self.close_all(user, database.number)
        if not database.read_only:
            with instance.lock:
                instance.cleanup.forget(database)
                instance.transactions.forget_database(database.dbid)
            database.flush()
        position: Lgpos | None = None
        if database.logged:
            position = instance.append(DetachDB(procid=session.procid, dbid=database.dbid, path=str(database.path)))
            instance.flush_log(position)
        if not database.read_only:
            database.stamp_clean(position)
        with instance.lock:
            del self._attached[database.number]
        database.release()
        if database.logged:
            instance.write_checkpoint()
            if instance.parameters.number(params.JET_paramAggressiveLogRollover):
                instance.roll_log()

    # -- open and close -------------------------------------------------------------------------------------------

    def open(self, session: Session, name: object, grbit: object = 0) -> int:
        """JetOpenDatabase: the JET_DBID, the same for every open of a database."""
        path = full_path(name)
        if not isinstance(grbit, int):
            raise jet_error(codes.JET_errInvalidGrbit, f"opening with grbit {grbit!r}", file=path)
        session.check_owner()
        with self._instance.lock:
            database = self.find(path)
            if database is None:
                raise jet_error(codes.JET_errDatabaseNotFound, "opening a database that is not attached", file=path)
            others = [each for each in self._instance.all_sessions() if each is not session and each.opened(database)]
            if any(database.number in each.exclusive for each in others):
                raise jet_error(codes.JET_errDatabaseLocked, "another session has the database exclusively", file=path)
            if grbit & grbits.JET_bitDbExclusive and others:
                raise jet_error(codes.JET_errDatabaseInUse, "other sessions have the database open", file=path)
            self.require_one_database(session, database.number, path)
            session.opens[database.number] += 1
            if grbit & grbits.JET_bitDbExclusive:
                session.exclusive.add(database.number)
            return database.number

    def close(self, session: Session, number: object) -> None:
        """JetCloseDatabase: one open of a database."""
        with self._instance.lock:
            database = self.get(session, number)
            session.opens[database.number] -= 1
            if not session.opens[database.number]:
                self.close_all(session, database.number)

    def close_all(self, session: Session, number: int) -> None:
        """All opens of a database by a session, and of tables in it."""
        with self._instance.lock:
            for cursor in [each for each in session.cursors if each.database.number == number]:
                cursor.close()
            session.opens.pop(number, None)
            session.exclusive.discard(number)

    # -- the end of the instance ----------------------------------------------------------------------------------

    def stamp_generation(self, generation: int, created: LogTime, lowest: int) -> None:
        for database in self.all():
            if database.logged:
                database.stamp_generation(generation, created, lowest)

    def stamp_lowest(self, lowest: int) -> None:
        for database in self.all():
            if database.logged:
                database.stamp_lowest(lowest)

    def shut_down(self, position: Lgpos | None) -> None:
        """Clean headers as of `position`; the first failure is raised when all were tried."""
        failure: JetError | None = None
        for database in self.all():
            try:
                if not database.read_only:
                    database.stamp_clean(position if database.logged else None)
            except JetError as problem:
                failure = failure or problem
        if failure is not None:
            raise failure

    def release(self) -> None:
        """Close the files, whatever state they are in."""
        with self._instance.lock:
            for database in self._attached.values():
                database.release()
            self._attached.clear()
