"""Defragmentation: JetCompact into a new file, JetDefragment in the open one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from esent.constants import codes, grbits
from esent.engine.database import AttachedDatabase, full_path
from esent.engine.defragment import Defragmentation
from esent.engine.session import Session, session_call
from esent.errors import JetWarning, jet_error
from esent.jet.handles import JET_CALLBACK, JET_DBID, JET_ERR, JET_GRBIT, JET_PFNSTATUS, JET_SESID
from esent.jet.structures_instance import JET_SNPROG
from esent.tools.compact import compact

_COMPACT_OPTIONS = grbits.JET_bitCompactStats | grbits.JET_bitCompactRepair
_BEGIN, _PROGRESS, _COMPLETE, _FAIL = grbits.JET_sntBegin, grbits.JET_sntProgress, grbits.JET_sntComplete, grbits.JET_sntFail
_START, _STOP, _ONE_TREE = (
    grbits.JET_bitDefragmentBatchStart,
    grbits.JET_bitDefragmentBatchStop,
    grbits.JET_bitDefragmentBTree,
)
_DEFRAGMENT_OPTIONS = (
    _START | _STOP | _ONE_TREE | grbits.JET_bitDefragmentAvailSpaceTreesOnly | grbits.JET_bitDefragmentNoPartialMerges
)


class CompactionStatus:
    """The status callback of a compaction. An error it returns ends the work and is its result."""

    def __init__(self, sesid: JET_SESID, call: JET_PFNSTATUS | None) -> None:
        self._sesid = sesid
        self._call = call
        self._last = JET_SNPROG()

    def tell(self, snt: int, done: int, total: int) -> None:
        self._last = JET_SNPROG(cunitDone=done, cunitTotal=total)
        self._report(snt, self._last)

    def progress(self, done: int, total: int) -> None:
        self.tell(_PROGRESS, done, total)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Begin before the work, and how it ended after."""
        try:
            self.tell(_BEGIN, 0, 0)
            yield
        except BaseException:
            if self._call is not None:
                self._call(self._sesid, grbits.JET_snpCompact, _FAIL, None)
            raise
        self.tell(_COMPLETE, self._last.cunitDone, self._last.cunitTotal)

    def _report(self, snt: int, progress: JET_SNPROG) -> None:
        if self._call is None:
            return
        answer = self._call(self._sesid, grbits.JET_snpCompact, snt, progress)
        if isinstance(answer, int) and answer < 0:
            raise jet_error(answer, "the status callback ended the compaction")


def JetCompact(
    sesid: JET_SESID,
    szDatabaseSrc: str,
    szDatabaseDest: str,
    pfnStatus: JET_PFNSTATUS | None = None,
    pconvert: object = None,
    grbit: JET_GRBIT = 0,
) -> JET_ERR:
    """Copy a database that is attached, but that nobody has open, into a new file without the space it wastes."""
    with session_call(sesid) as session:
        session.check_owner()
        session.require_no_transaction("compacting a database")
        if pconvert is not None:
            raise jet_error(codes.JET_errFeatureNotAvailable, "compacting with a conversion")
        if not isinstance(grbit, int) or grbit & ~_COMPACT_OPTIONS:
            raise jet_error(codes.JET_errInvalidGrbit, f"compacting with grbit {grbit!r}")
        if szDatabaseDest is None:
            raise jet_error(codes.JET_errDatabaseInvalidPath, "compacting a database to nowhere")
        source, destination = full_path(szDatabaseSrc), full_path(szDatabaseDest)
        status = CompactionStatus(sesid, pfnStatus)
        with status.telling():
            _compact(session, source, destination, status)
    return 0


def _compact(session: Session, source: Path, destination: Path, status: CompactionStatus) -> None:
    instance = session.instance
    databases = instance.databases
    found = databases.find(source)
    if found is not None and session.opened(found):
        raise jet_error(codes.JET_errDatabaseInUse, "compacting a database that is open", file=source)
    number = databases.open(session, str(source), grbits.JET_bitDbExclusive)
    try:
        if instance.files.exists(destination):
            raise jet_error(codes.JET_errDatabaseDuplicate, "compacting into a file that is there", file=destination)
        database = databases.get(session, number)
        if not database.read_only:
            with instance.lock:
                instance.transactions.clean()
            database.flush()
        header = database.header_image()
        version = instance.parameters.format_choice.raised_database(header.format_version) or header.format_version
        compact(
            database.file,
            version,
            destination,
            progress=status.progress,
            files=instance.files,
        )
    finally:
        databases.close(session, number)


def _defragment(
    session: Session,
    database: AttachedDatabase,
    table: object,
    passes: object,
    seconds: object,
    grbit: object,
    done: Callable[[], None] | None = None,
) -> tuple[int, int]:
    """Start or stop a run over all trees of a database or a table; `done` is called when one that was started is over."""
    if not isinstance(grbit, int) or grbit & ~_DEFRAGMENT_OPTIONS:
        raise jet_error(codes.JET_errInvalidGrbit, f"defragmenting with grbit {grbit!r}")
    one_tree = bool(grbit & _ONE_TREE)
    wanted = grbit & (_START | _STOP)
    if not one_tree and wanted not in (_START, _STOP):
        raise jet_error(codes.JET_errInvalidGrbit, f"defragmenting with grbit {grbit:#x}: neither start nor stop")
    defragmenter = session.instance.defragmenter
    if wanted == _STOP and not one_tree:
        if not defragmenter.is_running(database):
            warnings.warn(JetWarning(codes.JET_wrnDefragNotRunning), stacklevel=3)
        defragmenter.stop(database)
        return 0, 0
    if database.read_only:
        raise jet_error(codes.JET_errDatabaseFileReadOnly, "defragmenting a database that may only be read", file=database.path)
    session.require_writable()
    if not one_tree and defragmenter.is_running(database):
        warnings.warn(JetWarning(codes.JET_wrnDefragAlreadyRunning), stacklevel=3)
        return _number(passes), _number(seconds)
    with session.instance.lock:
        session.instance.cleanup.finish()
    run = Defragmentation(
        database,
        table=table if isinstance(table, str) else None,
        passes=_number(passes),
        seconds=_number(seconds),
        leaves=not grbit & grbits.JET_bitDefragmentAvailSpaceTreesOnly,
        partial=not grbit & grbits.JET_bitDefragmentNoPartialMerges,
        done=done,
    )
    defragmenter.start(run, batch=not one_tree)
    return (0, 0) if one_tree else (_number(passes), _number(seconds))


def _number(value: object) -> int:
    return int(value) if isinstance(value, int) else 0


def JetDefragment(
    sesid: JET_SESID,
    dbid: JET_DBID,
    szTableName: str | None = None,
    pcPasses: int | None = None,
    pcSeconds: int | None = None,
    grbit: JET_GRBIT = 0,
) -> tuple[int, int]:
    """Start or stop online defragmentation: passes and seconds as they are taken.

    It goes on in the background: deleted nodes are removed, sparse leaves put together, pages given back.
    JET_wrnDefragAlreadyRunning, JET_wrnDefragNotRunning are issued as warnings.
    """
    with session_call(sesid) as session:
        session.check_owner()
        database = session.instance.databases.get(session, dbid)
        return _defragment(session, database, szTableName, pcPasses, pcSeconds, grbit)


def JetDefragment2(
    sesid: JET_SESID,
    dbid: JET_DBID,
    szTableName: str | None = None,
    pcPasses: int | None = None,
    pcSeconds: int | None = None,
    callback: JET_CALLBACK | None = None,
    grbit: JET_GRBIT = 0,
) -> tuple[int, int]:
    """JetDefragment with a callback: JET_cbtypOnlineDefragCompleted comes, from another thread, when a run is over."""
    with session_call(sesid) as session:
        session.check_owner()
        database = session.instance.databases.get(session, dbid)
        done = None if callback is None else partial(_completed, callback, sesid, dbid, None)
        return _defragment(session, database, szTableName, pcPasses, pcSeconds, grbit, done)


def _completed(callback: Callable[..., object], sesid: JET_SESID, dbid: JET_DBID, context: object) -> None:
    callback(sesid, dbid, grbits.JET_tableidNil, grbits.JET_cbtypOnlineDefragCompleted, None, None, context)


def JetDefragment3(
    sesid: JET_SESID,
    szDatabaseName: str,
    szTableName: str | None = None,
    pcPasses: int | None = None,
    pcSeconds: int | None = None,
    callback: JET_CALLBACK | None = None,
    pvContext: object = None,
    grbit: JET_GRBIT = 0,
) -> tuple[int, int]:
    """JetDefragment2 of an attached database by its name."""
    with session_call(sesid) as session:
        session.check_owner()
        path = full_path(szDatabaseName)
        database = session.instance.databases.find(path)
        if database is None:
            raise jet_error(codes.JET_errDatabaseNotFound, "defragmenting a database that is not attached", file=path)
        done = None if callback is None else partial(_completed, callback, sesid, grbits.JET_dbidNil, pvContext)
        return _defragment(session, database, szTableName, pcPasses, pcSeconds, grbit, done)


__all__ = ["JetCompact", "JetDefragment", "JetDefragment2", "JetDefragment3"]
