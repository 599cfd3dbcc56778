"""The last steps with a database: its size, its pages, its clean header (`reference/log-and-recovery.md` 7.7, 7.8)."""

from __future__ import annotations

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.pages.database_file import PGNO_MAX
from esent.pages.edit import NODE_DELETED
from esent.pages.header import DatabaseState
from esent.pages.primitives import BackupInfo, Lgpos, LogTime
from esent.recovery.cache import RecoveredDatabase
from esent.recovery.writeback import WriteBack

_OWNED_ROOT = 2
_DEPTH_LIMIT = 32


def owned_pages(db: RecoveredDatabase) -> int:
    """The last page the database owns: the highest key in the tree of owned extents of its root."""
    page = db.get(_OWNED_ROOT)
    for _ in range(_DEPTH_LIMIT):
        if page.is_leaf:
            break
        page = db.get(page.child(page.line_count - 1))
    else:
        raise jet_error(
            codes.JET_errDatabaseCorrupted, "the tree of owned extents has no leaves", file=db.file.path, page=_OWNED_ROOT
        )
    last = 0
    for flags, key, _ in page.nodes():
        if not flags & NODE_DELETED and len(key) == 4:
            last = max(last, int.from_bytes(key, "big"))
    return last


def fit_size(db: RecoveredDatabase) -> None:
    """Cut the file, or extend it, to the space the database owns."""
    try:
        owned = owned_pages(db)
    except JetError as problem:
        if problem.code not in (codes.JET_errPageNotInitialized, codes.JET_errFileIOBeyondEOF):
            raise
        return  # nothing of the creation but the file itself has happened
    if 0 < owned <= PGNO_MAX and owned != db.file.page_count:
        db.require_room(owned)
        db.forget(owned + 1, db.file.page_count)
        db.file.resize(owned)


def close_clean(db: RecoveredDatabase, writeback: WriteBack, at: Lgpos, *, hard: bool) -> None:
    """Write everything, then the header: clean, consistent at `at`. The file is closed."""
    writeback.flush(db)
    header = db.header
    if header.dbstate == DatabaseState.JUST_CREATED:
        db.file.close()
        return
    if header.dbstate == DatabaseState.DIRTY_AND_PATCHED_SHUTDOWN:
        header.change_state(DatabaseState.DIRTY_SHUTDOWN)
    header.change_state(DatabaseState.CLEAN_SHUTDOWN)
    header.dbtime_dirtied = max(header.dbtime_dirtied, db.dbtime)
    header.objid_last = max(header.objid_last, db.objid)
    header.consistent_at(at)
    header.logtime_consistent = LogTime.now()
    header.logtime_detach = LogTime()  # by which whoever attaches it next knows that it may hold what a crash left
    header.gen_recovering = 0
    header.bkinfo_full_cur = header.bkinfo_snapshot_cur = BackupInfo()
    if hard:
        header.bkinfo_full_prev = header.bkinfo_inc_prev = BackupInfo()
        header.bkinfo_copy_prev = header.bkinfo_diff_prev = BackupInfo()
    db.write_header()
    db.file.close()
