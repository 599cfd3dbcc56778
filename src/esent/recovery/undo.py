"""Undo: roll back what was open when the log ended, logging every step (`reference/log-and-recovery.md` 4.8, 7.7).

Changes are found again by bookmark, from the root of their tree, because the node may have moved since. Nodes of undone inserts
stay on their pages flagged deleted.
"""

from __future__ import annotations

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.log import kinds
from esent.log.records import MacroAbort, RecoveryUndo2, Rollback, ShutDownMark, UndoInfo
from esent.log.records import Undo as UndoRecord
from esent.log.writer import LogStream
from esent.pages.cache import CachedPage
from esent.pages.primitives import LGPOS_MIN, Lgpos, LogTime
from esent.recovery.cache import RecoveredDatabase
from esent.recovery.redo import Redo
from esent.recovery.redo_nodes import apply_undo
from esent.recovery.sessions import Session, Version

_DEPTH_LIMIT = 32


class Undo:
    """Rolls back the open sessions of a finished redo; `begun` is the position of RecoveryUndo2, where one was written."""

    def __init__(self, redo: Redo, log: LogStream) -> None:
        self.redo = redo
        self.log = log
        self.begun = LGPOS_MIN
        self.rolled_back = 0
        self._owners: dict[int, Session] = {}

    def run(self) -> None:
        """Abort open macros, roll back every session in the order of their numbers."""
        redo = self.redo
        sessions = list(redo.sessions)
        if not redo.ended and redo.shutdown_mark == LGPOS_MIN:
            self.begun = self.log.append(RecoveryUndo2(LogTime.now()))
        for session in sessions:
            for dbtime in sorted(session.macros):
                self.log.append(MacroAbort(session.procid, dbtime))
            session.macros.clear()
            for version in session.versions():
                self._owners[version.rceid] = session
        redo.writeback.log_undo_info = self._log_undo_info
        for session in sessions:
            if session.level:
                self.rolled_back += 1
                self._roll_back(session)
        redo.sessions.clear()

    def _roll_back(self, session: Session) -> None:
        while session.level:
            for version in session.newest_first():
                db = self.redo.databases.get(version.dbid)
                if db is not None:
                    self._undo(session, db, version)
                    if len(db.pages) > db.trim_at:
                        self.redo.writeback.trim(db)
                self.redo.sessions.undone(session, version.rceid)
            self.log.append(Rollback(session.procid, 1))
            self.redo.sessions.rollback(session, 1)

    def _undo(self, session: Session, db: RecoveredDatabase, version: Version) -> None:
        page, line = self._find(db, version)
        if version.pending:
            self._log_undo_info(page, [version])
        before = page.dbtime
        dbtime = db.dbtime + 1
        if before >= dbtime:
            what = f"the page has dbtime {before}, the log has only come to {db.dbtime}"
            raise jet_error(codes.JET_errDbTimeCorrupted, what, file=db.file.path, page=page.pgno)
        db.dbtime = dbtime
        record = UndoRecord(
            session.procid,
            version.dbid,
            page.pgno,
            dbtime,
            before,
            version.trx_begin0,
            session.level,
            line,
            kinds.UNIQUE if version.unique else 0,
            version.rceid,
            version.pgno_fdp,
            version.objid_fdp,
            version.key,
            version.bookmark_data,
            version.oper,
            session.level,
        )
        self.log.append(record)
        if not apply_undo(page, line, version):
            raise self._lost(db, version, "the counter lies outside of its node")
        db.touch(page, dbtime, self.log.generation)

    def _find(self, db: RecoveredDatabase, version: Version) -> tuple[CachedPage, int]:
        """Page and line of the node with the version's bookmark."""
        bookmark = version.key if version.unique else version.key + version.bookmark_data
        page = db.get(version.pgno_fdp)
        for _ in range(_DEPTH_LIMIT):
            if page.is_leaf:
                break
            if page.objid != version.objid_fdp:
                raise self._lost(db, version, f"page {page.pgno} belongs to another tree")
            page = db.get(page.child(page.seek_child(bookmark)))
        line, exact = page.seek(version.key, None if version.unique else version.bookmark_data)
        if not exact or not page.is_leaf or page.objid != version.objid_fdp:
            raise self._lost(db, version, f"there is no such node on page {page.pgno}")
        return page, line

    @staticmethod
    def _lost(db: RecoveredDatabase, version: Version, what: str) -> JetError:
        return jet_error(
            codes.JET_errDatabaseCorrupted,
            f"undoing operation {version.oper} in tree {version.objid_fdp}: {what}",
            file=db.file.path,
            page=version.pgno_fdp,
        )

    def _log_undo_info(self, page: CachedPage, versions: list[Version]) -> None:
        """Put the before images of a page's open changes into the log, so that the page may be written or changed back."""
        for version in versions:
            session = self._owners.get(version.rceid)
            if session is None:
                version.pending = False
                continue
            record = UndoInfo(
                session.procid,
                version.dbid,
                page.pgno,
                -1,
                -1,
                version.trx_begin0,
                session.level,
                0,
                kinds.UNIQUE if version.unique else 0,
                version.rceid,
                version.pgno_fdp,
                version.objid_fdp,
                version.key,
                version.bookmark_data,
                version.oper,
                len(version.before),
                0,
                version.before,
            )
            self.log.append(record)
            version.pending = False

    def shut_down_mark(self) -> Lgpos:
        """The position at which the databases will be consistent."""
        at = self.log.append(ShutDownMark())
        self.log.flush()
        return at
