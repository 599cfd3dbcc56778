"""The redo loop: records in log order onto databases, sessions and versions (`reference/log-and-recovery.md` 4.5, 7.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from esent.constants import codes, grbits
from esent.errors import jet_error
from esent.log import kinds
from esent.log.reader import LogFile
from esent.log.records import (
    AttachDB,
    Backup2,
    Begin,
    Begin0,
    Commit,
    CreateDB,
    CreateDBFinish,
    DetachDB,
    ExtendDB,
    MacroAbort,
    MacroBegin,
    MacroCommit,
    Merge2,
    NewPage,
    NodeRecord,
    PageMove,
    ReAttach,
    Record,
    Rollback,
    RootPageMove,
    SetDbVersion,
    ShrinkDB3,
    Split2,
    TrimDB,
    UndoInfo,
    decode_sized,
)
from esent.pages.header import FORMAT_MAJOR, DatabaseState
from esent.pages.primitives import LGPOS_MIN, BackupInfo, Lgpos, LogTime
from esent.recovery import redo_nodes, redo_trees
from esent.recovery.attachments import Attachments
from esent.recovery.cache import DBTIME_LIMIT, RecoveredDatabase
from esent.recovery.finish import close_clean
from esent.recovery.options import RecoveryOptions
from esent.recovery.redo_batch import apply_batch
from esent.recovery.redo_merge import redo_merge, redo_page_move
from esent.recovery.redo_split import redo_split
from esent.recovery.sessions import MACRO_RECORD_LIMIT, Session, SessionTable
from esent.recovery.writeback import WriteBack

# records that do not show in the progress
_UNCOUNTED = frozenset({kinds.NOP, kinds.NOP2, kinds.CHECKSUM}) | kinds.CLEAN_ENDS
_WITHOUT_EFFECT = frozenset(
    {
        kinds.NOP,
        kinds.NOP2,
        kinds.MS,
        kinds.END,
        kinds.REFRESH,
        kinds.JET_OP,
        kinds.TRACE,
        kinds.FULL_BACKUP,
        kinds.INC_BACKUP,
        kinds.BACKUP,
        kinds.CHECKSUM,
        kinds.EXT_RESTORE,
        kinds.EXT_RESTORE2,
        kinds.FORCE_WRITE_LOG,
        kinds.FORCE_LOG_ROLLOVER,
        kinds.PAGE_PATCH_REQUEST,
        kinds.MACRO_INFO,
        kinds.MACRO_INFO2,
        kinds.COMMIT_CTX,
        kinds.SCAN_CHECK,
        kinds.SCAN_CHECK2,
        kinds.FREE_FDP,
        kinds.SIGNAL_ATTACH_DB,
        kinds.EXTENT_FREED,
        kinds.EXTENT_FREED2,
        kinds.IGNORED9,
        *range(kinds.IGNORED10, kinds.IGNORED10 + 10),
    }
)
_PAGE_HANDLERS: dict[int, Callable[[RecoveredDatabase, SessionTable, Session, int, Any], None]] = {
    **redo_nodes.HANDLERS,
    **redo_trees.HANDLERS,
}
_MACRO_ONLY = frozenset({kinds.SPLIT2, kinds.MERGE2})
_PAGE_KINDS = frozenset({*_PAGE_HANDLERS, *_MACRO_ONLY, kinds.PAGE_MOVE})
_TOO_OLD = frozenset({kinds.CONVERT_FDP, kinds.SPLIT, kinds.MERGE})


class Redo:
    """The state of a recovery between records. `run` takes one log; afterwards everything is as the log left it."""

    def __init__(self, options: RecoveryOptions, attachments: Attachments, writeback: WriteBack) -> None:
        self.options = options
        self.attachments = attachments
        self.databases = attachments.databases
        self.sessions = SessionTable(options.version_store_bytes)
        self.writeback = writeback
        self.records = 0
        self.pages_written = 0  # of databases that were closed on the way
        self.generation = 0
        self.created = LogTime()
        self.shutdown_mark = LGPOS_MIN  # of the clean end that is under way, or has just been reached
        self.ended = False  # the last record ended everything
        self._skip_before_required = bool(options.grbit & grbits.JET_bitReplayIgnoreLogRecordsBeforeMinRequiredLog)
        self._system: dict[int, Callable[[Lgpos, Any], None]] = {
            kinds.BEGIN: self._begin,
            kinds.BEGIN0: self._begin0,
            kinds.BEGIN_DT: self._begin0,
            kinds.COMMIT: self._commit,
            kinds.COMMIT0: self._commit0,
            kinds.PREP_COMMIT: self._without_effect,
            kinds.ROLLBACK: self._rollback,
            kinds.MACRO_BEGIN: self._macro_begin,
            kinds.MACRO_COMMIT: self._macro_commit,
            kinds.MACRO_ABORT: self._macro_abort,
            kinds.ROOT_PAGE_MOVE: self._root_page_move,
            kinds.UNDO_INFO: self._undo_info,
            kinds.CREATE_DB: self._create_db,
            kinds.CREATE_DB_FINISH: self._create_db_finish,
            kinds.ATTACH_DB: self._attach_db,
            kinds.DETACH_DB: self._detach_db,
            kinds.RE_ATTACH: self._re_attach,
            kinds.SET_DB_VERSION: self._set_db_version,
            kinds.EXTEND_DB: self._extend_db,
            kinds.SHRINK_DB: self._shrink_db,
            kinds.SHRINK_DB2: self._shrink_db,
            kinds.SHRINK_DB3: self._shrink_db,
            kinds.TRIM_DB: self._trim_db,
            kinds.NEW_PAGE: self._new_page,
            kinds.BACKUP2: self._backup,
            kinds.INIT: self._init,
            kinds.INIT2: self._init,
            kinds.TERM: self._end,
            kinds.TERM2: self._end,
            kinds.RECOVERY_QUIT: self._end,
            kinds.RECOVERY_QUIT2: self._end,
            kinds.RECOVERY_QUIT_KEEP_ATTACHMENTS: self._end_keeping,
            kinds.SHUT_DOWN_MARK: self._shut_down_mark,
            kinds.RECOVERY_UNDO: self._recovery_undo,
            kinds.RECOVERY_UNDO2: self._recovery_undo,
        }

    def begin_generation(self, generation: int, created: LogTime) -> None:
        """Redo enters a log: what is past the required range of a database must now fit exactly."""
        self.generation = self.writeback.generation = generation
        self.created = self.writeback.created = created
        for db in self.databases.values():
            db.header.gen_recovering = generation
            if db.future and generation > db.header.gen_max_required:
                db.verify_maps()
                db.future = False

    def verify_maps(self) -> None:
        """The end of the logs: no page whose records were skipped may be left, where all that a database needs was replayed."""
        for db in self.databases.values():
            if self.generation >= db.header.gen_max_required:
                db.verify_maps()

    def run(
        self,
        log: LogFile,
        start: Lgpos | None = None,
        stop: Lgpos | None = None,
        entering: Callable[[int], None] | None = None,
    ) -> bool:
        """Apply the records of one log from `start` to before `stop`; True if `stop` was reached."""
        generation = log.generation
        at_start = start is not None and start.generation == generation
        segment = start.isec if at_start and start is not None else log.header.header_segments
        plain = not self._skip_before_required and (stop is None or stop.generation > generation)
        for number, batch in enumerate(log.entries(start)):
            if entering is not None and not (at_start and number == 0) and any(entry[2] not in _UNCOUNTED for entry in batch):
                entering(segment + number)
            index, count = 0, len(batch)
            while index < count:
                if plain:
                    index = apply_batch(self, batch, index, generation)
                    if index == count:
                        break
                isec, ib, kind, data, offset, size = batch[index]
                index += 1
                if kind in _WITHOUT_EFFECT:
                    continue
                if stop is not None and (generation, isec, ib) >= stop:
                    return True
                record = decode_sized(data, offset, size)
                if kind in _PAGE_KINDS:
                    self.records += 1
                    self._page_record((generation, isec, ib), record)
                else:
                    self.apply(Lgpos(generation, isec, ib), record)
            for db in self.databases.values():
                if len(db.pages) > db.trim_at:
                    self.writeback.trim(db)
        return False

    def apply(self, at: Lgpos, record: Record) -> None:
        """One record that is no change of pages. Raises the errors of `reference` 7.4, and those of the macro it completes."""
        kind = record.kind
        self.records += 1
        handler = self._system.get(kind)
        if handler is None:
            if kind in _TOO_OLD:
                raise jet_error(codes.JET_errBadLogVersion, f"a log record of type {kind} cannot be replayed")
            raise jet_error(codes.JET_errInvalidLoggedOperation, f"a log record of type {kind} at {at}")
        handler(at, record)
        if kind not in (kinds.TERM, kinds.TERM2, kinds.RECOVERY_QUIT, kinds.RECOVERY_QUIT2):
            self.ended = False

    # pages

    def _database(self, dbid: int, at: Lgpos) -> RecoveredDatabase | None:
        """The database if a record at that position is for it."""
        db = self.databases.get(dbid)
        if db is None or at <= db.attach:
            return None
        if self._skip_before_required and at.generation < db.header.gen_min_required:
            return None
        return db

    def _page_record(self, at: tuple[int, int, int], record: Any) -> None:
        """A change of pages. Raises the errors of `reference` 5.2, and JET_errLogOperationInconsistentWithDatabase."""
        db = self.databases.get(record.dbid)
        self.ended = False
        if db is None:
            return
        dbtime = record.dbtime
        if not 0 <= dbtime < DBTIME_LIMIT:
            raise jet_error(codes.JET_errLogCorrupted, f"a log record with dbtime {dbtime} at {at}", page=record.pgno)
        db.saw(dbtime, record.objid_fdp)
        if at <= db.attach or (self._skip_before_required and at[0] < db.header.gen_min_required):
            return
        session = self.sessions.sessions.get(record.procid)
        if session is None or not session.started:
            return
        if session.macros:
            macro = session.macros.get(dbtime)
            if macro is not None:
                self._queue(macro, at, record)
                return
        if record.kind in _MACRO_ONLY:
            raise jet_error(codes.JET_errLogCorrupted, f"a split or merge outside of a macro at {at}", page=record.pgno)
        if record.kind == kinds.PAGE_MOVE:  # only that of a root is part of a macro
            redo_page_move(db, self.generation, record)
            return
        _PAGE_HANDLERS[record.kind](db, self.sessions, session, self.generation, record)

    @staticmethod
    def _queue(macro: list[Record], at: tuple[int, int, int], record: Record) -> None:
        if len(macro) >= MACRO_RECORD_LIMIT:
            raise jet_error(codes.JET_errLogCorrupted, f"a macro operation of more than {MACRO_RECORD_LIMIT} records at {at}")
        macro.append(record)

    def _new_page(self, at: Lgpos, record: NewPage) -> None:
        db = self._database(record.dbid, at)
        if db is not None:
            if not 0 <= record.dbtime < DBTIME_LIMIT:
                raise jet_error(
                    codes.JET_errLogCorrupted, f"a log record with dbtime {record.dbtime} at {at}", page=record.pgno
                )
            db.dbtime = max(db.dbtime, record.dbtime)
            redo_trees.new_page(db, self.generation, record)

    def _undo_info(self, at: Lgpos, record: UndoInfo) -> None:
        db = self._database(record.dbid, at)
        session = self.sessions.sessions.get(record.procid)
        if db is not None and session is not None and session.started:
            redo_nodes.undo_info(db, self.sessions, session, self.generation, record)

    # transactions

    def _begin0(self, at: Lgpos, record: Begin0) -> None:
        session = self.sessions.get(record.procid)
        self.sessions.commit(session)
        session.macros.clear()
        session.started = True
        session.trx_begin0 = record.trx_begin0
        session.begin(record.level_begin_from, record.clevels_to_begin)

    def _started(self, procid: int) -> Session | None:
        session = self.sessions.sessions.get(procid)
        return session if session is not None and session.started and session.level else None

    def _begin(self, at: Lgpos, record: Begin) -> None:
        session = self._started(record.procid)
        if session is not None:
            session.begin(record.level_begin_from, record.clevels_to_begin)

    def _commit(self, at: Lgpos, record: Commit) -> None:
        session = self._started(record.procid)
        if session is not None:
            if record.level_commit_to < 1:
                raise jet_error(codes.JET_errLogCorrupted, f"a nested commit to level 0 at {at}")
            session.commit_to(record.level_commit_to)

    def _commit0(self, at: Lgpos, record: Any) -> None:
        session = self._started(record.procid)
        if session is not None:
            self.sessions.commit(session)

    def _rollback(self, at: Lgpos, record: Rollback) -> None:
        session = self._started(record.procid)
        if session is not None:
            self.sessions.rollback(session, record.level_rollback)

    def _without_effect(self, at: Lgpos, record: Record) -> None:
        """Only the end of the log matters: it is not there any more."""

    # macros

    def _macro_begin(self, at: Lgpos, record: MacroBegin) -> None:
        session = self.sessions.sessions.get(record.procid)
        if session is not None and session.started:
            session.macros.setdefault(record.dbtime, [])

    def _macro_abort(self, at: Lgpos, record: MacroAbort) -> None:
        session = self.sessions.sessions.get(record.procid)
        if session is not None:
            session.macros.pop(record.dbtime, None)

    def _root_page_move(self, at: Lgpos, record: RootPageMove) -> None:
        session = self.sessions.sessions.get(record.procid)
        macro = session.macros.get(record.dbtime) if session is not None else None
        if macro is not None:
            self._queue(macro, at, record)

    def _macro_commit(self, at: Lgpos, record: MacroCommit) -> None:
        session = self.sessions.sessions.get(record.procid)
        macro = session.macros.pop(record.dbtime, None) if session is not None else None
        if session is None or not macro:
            return
        splits: list[Split2] = []
        merges: list[Merge2] = []
        others: list[Record] = []
        for member in macro:
            if isinstance(member, Split2):
                splits.append(member)
            elif isinstance(member, Merge2):
                merges.append(member)
            elif not isinstance(member, RootPageMove):
                others.append(member)
        first: Any = macro[0]
        db = self.databases.get(first.dbid)
        if db is None or any(getattr(member, "dbid", first.dbid) != first.dbid for member in macro):
            return
        if splits:
            operations = [member for member in others if isinstance(member, NodeRecord)]
            if len(operations) > 1 or len(others) != len(operations) or merges:
                raise jet_error(codes.JET_errLogCorrupted, f"a split with more than one operation at {at}")
            redo_split(db, self.sessions, session, self.generation, splits, operations[0] if operations else None)
            return
        if merges:
            redo_merge(db, self.generation, merges)
        for member in others:
            if isinstance(member, PageMove):
                redo_page_move(db, self.generation, member)
            else:
                _PAGE_HANDLERS[member.kind](db, self.sessions, session, self.generation, member)

    # databases

    def _create_db(self, at: Lgpos, record: CreateDB) -> None:
        self.attachments.create(record, at, self.created)

    def _create_db_finish(self, at: Lgpos, record: CreateDBFinish) -> None:
        db = self.databases.get(record.dbid)
        if db is None or not db.is_new:
            return
        self.writeback.flush(db)
        db.header.change_state(DatabaseState.DIRTY_SHUTDOWN)
        db.write_header()

    def _attach_db(self, at: Lgpos, record: AttachDB) -> None:
        self.attachments.attach(record, at)
        self.shutdown_mark = LGPOS_MIN

    def _detach_db(self, at: Lgpos, record: DetachDB) -> None:
        db = self.attachments.drop(record.dbid)
        if db is not None:
            self._close(db, at)

    def _close(self, db: RecoveredDatabase, at: Lgpos) -> None:
        self.attachments.leaving(db)
        if db.future and self.generation >= db.header.gen_max_required:
            db.verify_maps()
        close_clean(db, self.writeback, at, hard=self.attachments.hard)
        self.pages_written += db.pages_written

    def _re_attach(self, at: Lgpos, record: ReAttach) -> None:
        db = self._database(record.dbid, at)
        if db is not None:
            db.header.lgpos_last_reattach = at

    def _set_db_version(self, at: Lgpos, record: SetDbVersion) -> None:
        db = self._database(record.dbid, at)
        if db is None:
            return
        header = db.header
        version = (record.major, record.update_major, record.update_minor)
        if record.major != FORMAT_MAJOR:
            raise jet_error(codes.JET_errLogCorrupted, f"a database raised to version {version} at {at}", file=db.file.path)
        if self.options.format_choice is not None:
            self.options.format_choice.check_database(max(version, header.format_version), db.file.path)
        if header.raise_version(version):
            db.write_header()

    def _extend_db(self, at: Lgpos, record: ExtendDB) -> None:
        db = self._database(record.dbid, at)
        if db is not None:
            if record.pgno_last > db.file.page_count:
                db.require_room(record.pgno_last)
                db.file.resize(record.pgno_last)
            db.header.extend_count = db.header.extend_count + 1 & 0xFFFFFFFF
            db.header.logtime_last_extend = LogTime.now()

    def _shrink_db(self, at: Lgpos, record: Any) -> None:
        db = self._database(record.dbid, at)
        if db is None:
            return
        if isinstance(record, ShrinkDB3) and 0 <= record.dbtime < DBTIME_LIMIT:
            db.dbtime = max(db.dbtime, record.dbtime)
        db.forget(record.pgno_last + 1, max(record.pgno_last + record.cpg_shrunk, db.file.page_count))
        if not db.future and record.pgno_last < db.file.page_count:
            db.file.resize(record.pgno_last)
            db.header.shrink_count = db.header.shrink_count + 1 & 0xFFFFFFFF
            db.header.logtime_last_shrink = LogTime.now()

    def _trim_db(self, at: Lgpos, record: TrimDB) -> None:
        db = self._database(record.dbid, at)
        if db is not None:
            db.forget(record.pgno_start, record.pgno_start + record.cpg_zeroed - 1)

    def _backup(self, at: Lgpos, record: Backup2) -> None:
        if record.phase != kinds.BACKUP_UPDATE:
            return
        db = self._database(record.dbid, at)
        if db is None:
            return
        header = db.header
        if record.scope == kinds.SCOPE_FULL:
            header.bkinfo_full_prev, header.bkinfo_type_full_prev = record.info, record.backup_type
            header.bkinfo_inc_prev = header.bkinfo_diff_prev = BackupInfo()
        elif record.scope == kinds.SCOPE_INCREMENTAL:
            header.bkinfo_inc_prev, header.bkinfo_type_inc_prev = record.info, record.backup_type
        elif record.scope == kinds.SCOPE_COPY:
            header.bkinfo_copy_prev, header.bkinfo_type_copy_prev = record.info, record.backup_type
        elif record.scope == kinds.SCOPE_DIFFERENTIAL:
            header.bkinfo_diff_prev, header.bkinfo_type_diff_prev = record.info, record.backup_type

    # the instance

    def _init(self, at: Lgpos, record: Record) -> None:
        if not self.ended:
            self.sessions.clear()
        self.shutdown_mark = LGPOS_MIN

    def _shut_down_mark(self, at: Lgpos, record: Record) -> None:
        self.shutdown_mark = at

    def _recovery_undo(self, at: Lgpos, record: Record) -> None:
        for session in self.sessions.sessions.values():
            session.macros.clear()

    def _end(self, at: Lgpos, record: Record) -> None:
        mark = self.shutdown_mark if self.shutdown_mark != LGPOS_MIN else at
        for dbid in sorted(self.attachments.entries):
            db = self.attachments.drop(dbid)
            if db is not None:
                self._close(db, mark)
        self.sessions.clear()
        self.ended = True

    def _end_keeping(self, at: Lgpos, record: Record) -> None:
        self.sessions.clear()
