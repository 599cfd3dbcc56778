"""Pages of live databases, and functions of the engine that have nothing to act on here.

The latter check their handles and arguments as documented and then say that there is no such feature.
"""

from __future__ import annotations

import time
import warnings

from esent.constants import codes, grbits, params
from esent.engine.cursor import cursor_call
from esent.engine.database import AttachedDatabase
from esent.engine.navigation import grbit_of
from esent.engine.process import PROCESS
from esent.engine.session import session_call
from esent.errors import JetError, JetWarning, jet_error
from esent.jet.cursors import buffer
from esent.jet.handles import JET_CALLBACK, JET_DBID, JET_ERR, JET_GRBIT, JET_INSTANCE, JET_SESID, JET_TABLEID, Buffer
from esent.jet.structures_database import JET_RBSREVERTINFOMISC
from esent.jet.structures_instance import JET_EMITDATACTX, JET_LOGTIME
from esent.pages.checksum import stamp_page, verify_run

SCAN_START = grbits.JET_bitDatabaseScanBatchStart | grbits.JET_bitDatabaseScanBatchStartContinuous
SCAN_STOP = grbits.JET_bitDatabaseScanBatchStop
_SCAN_KNOWN = SCAN_START | SCAN_STOP | grbits.JET_bitDatabaseScanZeroPages
_SCAN_RUN = 64
_BAD = 2
_DUMP_KNOWN = (
    grbits.JET_bitDumpMinimum
    | grbits.JET_bitDumpMaximum
    | grbits.JET_bitDumpCacheMinimum
    | grbits.JET_bitDumpCacheMaximum
    | grbits.JET_bitDumpCacheIncludeDirtyPages
    | grbits.JET_bitDumpCacheIncludeCachedPages
    | grbits.JET_bitDumpCacheIncludeCorruptedPages
    | grbits.JET_bitDumpCacheNoDecommit
)


def _unavailable(what: str) -> JetError:
    return jet_error(codes.JET_errFeatureNotAvailable, what)


def _require(condition: object, what: str) -> None:
    if not condition:
        raise jet_error(codes.JET_errInvalidParameter, what)


def _require_options(grbit: object, known: int, what: str) -> int:
    options = grbit_of(grbit)
    if options & ~known:
        raise jet_error(codes.JET_errInvalidGrbit, f"{what} with grbit {options:#x}")
    return options


# ---- pages --------------------------------------------------------------------------------------------------------------


def JetGetDatabasePages(sesid: JET_SESID, dbid: JET_DBID, pgnoStart: int, cpg: int, grbit: JET_GRBIT = 0) -> bytes:
    """Pages of a database as they are now, with their checksums."""
    with session_call(sesid) as session:
        session.check_owner()
        database = session.instance.databases.get(session, dbid)
        _require_options(grbit, 0, "reading pages")
        _require(isinstance(pgnoStart, int) and pgnoStart >= 1, f"reading pages from {pgnoStart!r} on")
        _require(isinstance(cpg, int) and cpg >= 1, f"reading {cpg!r} pages")
        with session.instance.lock:
            return b"".join(stamp_page(database.store.read_page(pgno), pgno) for pgno in range(pgnoStart, pgnoStart + cpg))


def JetDatabaseScan(
    sesid: JET_SESID,
    dbid: JET_DBID,
    pcSecondsMax: int | None = None,
    cmsecSleep: int = 0,
    pfnCallback: JET_CALLBACK | None = None,
    grbit: JET_GRBIT = 0,
) -> int:
    """Verify the checksums of all pages in the file, at most for some seconds; how many it took.

    JET_errReadVerifyFailure names the first damaged page. The pass is over when the call returns, so there is none to stop.
    """
    with session_call(sesid) as session:
        session.check_owner()
        database = session.instance.databases.get(session, dbid)
        options = _require_options(grbit, _SCAN_KNOWN, "scanning a database")
        if not options & (SCAN_START | SCAN_STOP) or (options & SCAN_START and options & SCAN_STOP):
            raise jet_error(codes.JET_errInvalidGrbit, f"scanning with grbit {options:#x}: neither started nor stopped")
        limit = pcSecondsMax or 0
        _require(isinstance(limit, int) and limit >= 0, f"scanning for {pcSecondsMax!r} seconds")
        _require(isinstance(cmsecSleep, int) and cmsecSleep >= 0, f"pauses of {cmsecSleep!r} milliseconds")
        if options & SCAN_STOP:
            warnings.warn(JetWarning(codes.JET_wrnDatabaseScanNotRunning), stacklevel=2)
            return 0
        seconds = _scan(database, limit, cmsecSleep)
        if pfnCallback is not None:
            pfnCallback(sesid, dbid, None, grbits.JET_cbtypScanCompleted, None, None, None)
        return seconds


def _scan(database: AttachedDatabase, limit: int, pause: int) -> int:
    begin = time.monotonic()
    file = database.file
    pgno = 1
    while not limit or time.monotonic() - begin < limit:
        with database.instance.lock:
            data = file.read_pages(pgno, _SCAN_RUN)
        for page, status in verify_run(data, file.page_size, pgno):
            if status == _BAD:
                raise jet_error(codes.JET_errReadVerifyFailure, "scanning a database", file=database.path, page=page)
        if len(data) < _SCAN_RUN * file.page_size:
            break
        pgno += _SCAN_RUN
        if pause:
            time.sleep(pause / 1000)
    return int(time.monotonic() - begin)


def JetOnlinePatchDatabasePage(
    sesid: JET_SESID, dbid: JET_DBID, pgno: int, pvToken: Buffer, pvData: Buffer, grbit: JET_GRBIT = 0
) -> JET_ERR:
    """JET_errInvalidParameter: no patch was asked for, for pages are not healed from outside."""
    with session_call(sesid) as session:
        session.instance.databases.get(session, dbid)
        healing = session.instance.parameters.number(params.JET_paramEnableExternalAutoHealing)
        _require(healing, "patching a page, which JET_paramEnableExternalAutoHealing does not allow")
        raise jet_error(codes.JET_errInvalidParameter, f"nobody has asked for a patch of page {pgno!r}")


def _require_database(name: object, options: int, known: int) -> None:
    _require_options(options, known, "reseeding a database")
    _require(isinstance(name, str) and name, f"{name!r} is not the path of a database")


def JetBeginDatabaseIncrementalReseed(
    instance: JET_INSTANCE, szDatabase: str, genFirstDivergedLog: int, grbit: JET_GRBIT = 0
) -> JET_ERR:
    """JET_errFeatureNotAvailable: copies that diverged are made anew."""
    PROCESS.resolve(instance)
    _require_database(szDatabase, grbit, grbits.JET_bitBeginDatabaseIncrementalReseedPatchRBS)
    raise _unavailable("reseeding a database page by page; make the copy anew from a backup")


def JetPatchDatabasePages(
    instance: JET_INSTANCE, szDatabase: str, pgnoStart: int, cpg: int, pv: Buffer, grbit: JET_GRBIT = 0
) -> JET_ERR:
    """JET_errFeatureNotAvailable, as JetBeginDatabaseIncrementalReseed."""
    PROCESS.resolve(instance)
    known = grbits.JET_bitTestUninitShrunkPageImage | grbits.JET_bitPatchingCorruptPage
    _require_database(szDatabase, grbit, known)
    _require(isinstance(pgnoStart, int) and pgnoStart >= 1, f"patching pages from {pgnoStart!r} on")
    _require(isinstance(cpg, int) and cpg >= 1 and buffer(pv, "the pages"), f"patching {cpg!r} pages")
    raise _unavailable("patching a database that is not being reseeded")


def JetEndDatabaseIncrementalReseed(
    instance: JET_INSTANCE,
    szDatabase: str,
    genMinRequired: int,
    genFirstDivergedLog: int,
    genMaxRequired: int,
    grbit: JET_GRBIT = 0,
) -> JET_ERR:
    """JET_errFeatureNotAvailable, as JetBeginDatabaseIncrementalReseed."""
    PROCESS.resolve(instance)
    cancels = grbits.JET_bitEndDatabaseIncrementalReseedCancel
    _require_database(szDatabase, grbit, cancels)
    generations = (genMinRequired, genFirstDivergedLog, genMaxRequired)
    _require(all(isinstance(each, int) and each >= 0 for each in generations), f"generations {generations}")
    if grbit_of(grbit) & cancels:
        _require(not any(generations), "giving up a reseed with log generations")
    else:
        _require(genMinRequired <= genFirstDivergedLog <= genMaxRequired, f"generations {generations} out of order")
    raise _unavailable("ending a reseed where none is under way")


# ---- what does not exist here -------------------------------------------------------------------------------------------


def JetRemoveLogfile(szDatabase: str, szLogfile: str, grbit: JET_GRBIT = 0) -> JET_ERR:
    """JET_errFeatureNotAvailable: recovery leaves out logs that are not required by itself."""
    _require(not grbit, f"removing a log with grbit {grbit!r}")
    _require(isinstance(szDatabase, str) and szDatabase and isinstance(szLogfile, str) and szLogfile, "an empty path")
    raise _unavailable("taking a log out of what a database requires")


def JetConsumeLogData(
    instance: JET_INSTANCE, pEmitLogDataCtx: JET_EMITDATACTX, pvLogData: Buffer | None, grbits: JET_GRBIT = 0
) -> JET_ERR:
    """JET_errFeatureNotAvailable: there are no shadow logs."""
    PROCESS.resolve(instance)
    _require(isinstance(pEmitLogDataCtx, JET_EMITDATACTX), f"{pEmitLogDataCtx!r} is not a JET_EMITDATACTX")
    _require_options(grbits, 0, "consuming log data")
    raise _unavailable("keeping a shadow log")


def JetRBSPrepareRevert(
    instance: JET_INSTANCE, jltRevertExpected: JET_LOGTIME, cpgCache: int, grbit: JET_GRBIT = 0
) -> JET_LOGTIME:
    """JET_errFeatureNotAvailable: there are no revert snapshots."""
    PROCESS.resolve(instance)
    _require(isinstance(jltRevertExpected, JET_LOGTIME), f"{jltRevertExpected!r} is not a JET_LOGTIME")
    raise _unavailable("reverting to a snapshot; restore a backup instead")


def JetRBSExecuteRevert(instance: JET_INSTANCE, grbit: JET_GRBIT = 0) -> JET_RBSREVERTINFOMISC:
    """JET_errFeatureNotAvailable, as JetRBSPrepareRevert."""
    PROCESS.resolve(instance)
    raise _unavailable("reverting where no revert was prepared")


def JetRBSCancelRevert(instance: JET_INSTANCE) -> JET_ERR:
    """JET_errFeatureNotAvailable, as JetRBSPrepareRevert."""
    PROCESS.resolve(instance)
    raise _unavailable("giving up a revert where none was prepared")


def JetSetTableInfo(sesid: JET_SESID, tableid: JET_TABLEID, pvParam: Buffer, InfoLevel: int) -> JET_ERR:
    """JET_errFeatureNotAvailable: what is known of a table cannot be set."""
    with cursor_call(sesid, tableid):
        raise _unavailable(f"setting information of level {InfoLevel!r} about a table")


def JetConvertDDL(sesid: JET_SESID, dbid: JET_DBID, convtyp: int, pvData: object) -> JET_ERR:
    """JET_errFeatureNotAvailable: there is nothing old to convert."""
    with session_call(sesid) as session:
        session.instance.databases.get(session, dbid)
        raise _unavailable(f"converting definitions by {convtyp!r}")


def JetCreateEncryptionKey(encryptionAlgorithm: int) -> bytes:
    """JET_errFeatureNotAvailable: columns are not encrypted."""
    _require(isinstance(encryptionAlgorithm, int), f"{encryptionAlgorithm!r} is not a way to encrypt")
    raise _unavailable("encrypting columns")


def _no_resource(instance: JET_INSTANCE, operation: object, resource: object) -> JetError:
    PROCESS.resolve(instance)
    _require(isinstance(operation, int) and isinstance(resource, int), f"property {operation!r} of resource {resource!r}")
    return _unavailable("resource managers; the limits are system parameters")


def JetGetResourceParam(instance: JET_INSTANCE, resoper: int, resid: int) -> int:
    """JET_errFeatureNotAvailable: the limits are system parameters."""
    raise _no_resource(instance, resoper, resid)


def JetSetResourceParam(instance: JET_INSTANCE, resoper: int, resid: int, ulParam: int) -> JET_ERR:
    """JET_errFeatureNotAvailable: the limits are system parameters."""
    raise _no_resource(instance, resoper, resid)


def JetGetCounter(sesid: JET_SESID, CounterType: int) -> int:
    """JET_errFeatureNotAvailable: the counters are obsolete."""
    with session_call(sesid):
        raise _unavailable("counters; see JetGetThreadStats")


def JetResetCounter(sesid: JET_SESID, CounterType: int) -> JET_ERR:
    """JET_errFeatureNotAvailable: the counters are obsolete."""
    with session_call(sesid):
        raise _unavailable("counters; see JetGetThreadStats")


def JetTracing(traceop: int, tracetag: int, ul: int) -> JET_ERR:
    """JET_errFeatureNotAvailable: nothing is traced."""
    _require(all(isinstance(each, int) for each in (traceop, tracetag, ul)), "tracing is told numbers")
    raise _unavailable("tracing")


def JetTestHook(opcode: int, pv: object = None) -> JET_ERR:
    """JET_errFeatureNotAvailable: tests put their own file system in place."""
    _require(isinstance(opcode, int), f"{opcode!r} is not a test")
    raise _unavailable("test hooks")


def JetConfigureProcessForCrashDump(grbit: JET_GRBIT) -> JET_ERR:
    """Nothing has to be prepared: a dump has all memory of the process. JET_errInvalidGrbit."""
    if not _require_options(grbit, _DUMP_KNOWN, "preparing for a crash dump"):
        raise jet_error(codes.JET_errInvalidGrbit, "preparing for a crash dump of nothing")
    return 0


__all__ = [
    "JetBeginDatabaseIncrementalReseed",
    "JetConfigureProcessForCrashDump",
    "JetConsumeLogData",
    "JetConvertDDL",
    "JetCreateEncryptionKey",
    "JetDatabaseScan",
    "JetEndDatabaseIncrementalReseed",
    "JetGetCounter",
    "JetGetDatabasePages",
    "JetGetResourceParam",
    "JetOnlinePatchDatabasePage",
    "JetPatchDatabasePages",
    "JetRBSCancelRevert",
    "JetRBSExecuteRevert",
    "JetRBSPrepareRevert",
    "JetRemoveLogfile",
    "JetResetCounter",
    "JetSetResourceParam",
    "JetSetTableInfo",
    "JetTestHook",
    "JetTracing",
]
