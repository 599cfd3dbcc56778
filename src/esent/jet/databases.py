"""Databases: attaching, opening, and what is known about them and their files."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from esent.constants import codes, grbits
from esent.engine.create import create_database, resize_database
from esent.engine.database import full_path
from esent.engine.information import (
    MOST_PAGES,
    DatabaseAnswer,
    database_file_info,
    database_info,
    file_header,
    file_type,
    log_file_header,
    set_database_size,
)
from esent.engine.raw_pages import PageState, page_state
from esent.engine.session import session_call
from esent.errors import JetError, jet_error
from esent.jet.convert import structures, to_dbinfomisc, to_loginfomisc
from esent.jet.handles import JET_DBID, JET_ERR, JET_GRBIT, JET_SESID, Buffer
from esent.jet.structures_database import (
    JET_DBINFOMISC,
    JET_DBINFOUPGRADE,
    JET_LOGINFOMISC2,
    JET_PAGEINFO,
    JET_PAGEINFO2,
    JET_RBSINFOMISC,
)
from esent.jet.structures_instance import JET_SETDBPARAM
from esent.log.checkpoint import Checkpoint
from esent.log.files import CHECKPOINT_EXTENSIONS
from esent.pages.checksum import PAGE_SIZES
from esent.pages.header import FORMAT_MAJOR, DatabaseHeader
from esent.pages.primitives import Lgpos

DatabaseInfo: TypeAlias = str | int | JET_DBINFOMISC
_LOG_INFO_MISC2 = 1
_PAGE_INFO = 0
_PAGE_INFO2 = 1


def JetAttachDatabase(sesid: JET_SESID, szFilename: str, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Attach a clean database to the instance; JET_wrnDatabaseAttached if it is attached already."""
    return JetAttachDatabase2(sesid, szFilename, 0, grbit)


def JetAttachDatabase2(sesid: JET_SESID, szFilename: str, cpgDatabaseSizeMax: int = 0, grbit: JET_GRBIT = 0) -> JET_ERR:
    """JetAttachDatabase with a limit to the size, in pages."""
    with session_call(sesid) as session:
        return session.instance.databases.attach(session, szFilename, grbit, cpgDatabaseSizeMax)


def JetAttachDatabase3(
    sesid: JET_SESID, szFilename: str, rgsetdbparam: list[JET_SETDBPARAM] | None = None, grbit: JET_GRBIT = 0
) -> JET_ERR:
    """JetAttachDatabase with database parameters."""
    return JetAttachDatabase2(sesid, szFilename, _size_limit(rgsetdbparam), grbit)


_DATABASE_PARAMETERS = range(grbits.JET_dbparamDbSizeMaxPages, grbits.JET_dbparamMaxValueInvalid)


def _size_limit(parameters: list[JET_SETDBPARAM] | None) -> int:
    """The limit to the size among database parameters; 0 for none."""
    limit = 0
    for item in structures(parameters or [], JET_SETDBPARAM):
        if not isinstance(item.dbparamid, int) or item.dbparamid not in _DATABASE_PARAMETERS:
            raise jet_error(codes.JET_errInvalidDbparamId, f"there is no database parameter {item.dbparamid!r}")
        if not isinstance(item.pvParam, int):
            raise jet_error(codes.JET_errInvalidParameter, f"{item.pvParam!r} is no value of a database parameter")
        if item.dbparamid == grbits.JET_dbparamDbSizeMaxPages:
            limit = item.pvParam
    return limit


def JetCreateDatabase(sesid: JET_SESID, szFilename: str, szConnect: str | None = None, grbit: JET_GRBIT = 0) -> JET_DBID:
    """Create a database, attach it to the instance and open it for the session."""
    return JetCreateDatabase2(sesid, szFilename, 0, grbit)


def JetCreateDatabase2(sesid: JET_SESID, szFilename: str, cpgDatabaseSizeMax: int = 0, grbit: JET_GRBIT = 0) -> JET_DBID:
    """JetCreateDatabase with a limit to the size, in pages."""
    with session_call(sesid) as session:
        return create_database(session, szFilename, grbit, cpgDatabaseSizeMax)


def JetCreateDatabase3(
    sesid: JET_SESID, szFilename: str, rgsetdbparam: list[JET_SETDBPARAM] | None = None, grbit: JET_GRBIT = 0
) -> JET_DBID:
    """JetCreateDatabase with database parameters."""
    return JetCreateDatabase2(sesid, szFilename, _size_limit(rgsetdbparam), grbit)


def JetDetachDatabase(sesid: JET_SESID, szFilename: str | None) -> JET_ERR:
    """Detach a database nobody has open, leaving a clean file; None: all."""
    return JetDetachDatabase2(sesid, szFilename, 0)


def JetDetachDatabase2(sesid: JET_SESID, szFilename: str | None, grbit: JET_GRBIT = 0) -> JET_ERR:
    """JetDetachDatabase; JET_bitForceCloseAndDetach closes it first."""
    with session_call(sesid, closing=True) as session:
        session.instance.databases.detach(session, szFilename, grbit)
    return 0


def JetOpenDatabase(sesid: JET_SESID, szFilename: str, szConnect: str | None = None, grbit: JET_GRBIT = 0) -> JET_DBID:
    """Open an attached database for a session; each open wants a close."""
    with session_call(sesid) as session:
        return session.instance.databases.open(session, szFilename, grbit)


def JetCloseDatabase(sesid: JET_SESID, dbid: JET_DBID, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Close one open of a database."""
    with session_call(sesid, closing=True) as session:
        session.instance.databases.close(session, dbid)
    return 0


# ---- information ------------------------------------------------------------------------------------------------


def _shown(answer: DatabaseAnswer) -> DatabaseInfo:
    return to_dbinfomisc(answer) if isinstance(answer, DatabaseHeader) else answer


def JetGetDatabaseInfo(sesid: JET_SESID, dbid: JET_DBID, InfoLevel: int) -> DatabaseInfo:
    """About an open database: a text, a number, or the header, by level. Sizes are in pages."""
    with session_call(sesid) as session:
        return _shown(database_info(session, dbid, InfoLevel))


def JetGetDatabaseFileInfo(szDatabaseName: str, InfoLevel: int) -> int | JET_DBINFOMISC | JET_DBINFOUPGRADE:
    """About a database file, attached or not: a number or the header, by level. Sizes are in bytes; nothing is written."""
    answer = database_file_info(szDatabaseName, InfoLevel)
    if InfoLevel == grbits.JET_DbInfoUpgrade:
        size = database_file_info(szDatabaseName, grbits.JET_DbInfoFilesize)
        assert isinstance(size, int) and isinstance(answer, int)
        return JET_DBINFOUPGRADE(cbFilesizeLow=size & 0xFFFFFFFF, cbFilesizeHigh=size >> 32, ulFlags=answer)
    return to_dbinfomisc(answer) if isinstance(answer, DatabaseHeader) else answer


def JetGetLogFileInfo(szLog: str, InfoLevel: int) -> JET_LOGINFOMISC2:
    """The header of a log file, with the position in the checkpoint beside it, if it belongs to the same stream."""
    if InfoLevel != _LOG_INFO_MISC2:
        raise jet_error(codes.JET_errInvalidParameter, f"information level {InfoLevel!r} about a log file")
    header = log_file_header(szLog)
    path = full_path(szLog)
    checkpoint = Lgpos()
    try:
        beside = path.with_name(path.name[:3] + CHECKPOINT_EXTENSIONS.get(path.suffix.lower(), ".chk"))
        checkpoint = Checkpoint.read(beside, signature=header.signature).position
    except JetError:
        checkpoint = header.checkpoint
    return to_loginfomisc(header, checkpoint)


def JetGetRBSFileInfo(szRBSFileName: str, InfoLevel: int) -> JET_RBSINFOMISC:
    """About a revert snapshot file: the format is not supported, other files are told apart from it."""
    path = full_path(szRBSFileName)
    if file_type(path) != grbits.JET_filetypeSnapshot:
        raise jet_error(codes.JET_errFileInvalidType, "not a revert snapshot", file=path)
    raise jet_error(codes.JET_errFeatureNotAvailable, "revert snapshots are not supported", file=path)


# ---- sizes ------------------------------------------------------------------------------------------------------


def JetSetDatabaseSize(sesid: JET_SESID, szDatabaseName: str, cpg: int) -> int:
    """Make the file of a clean, detached database at least `cpg` pages long; returns its size in pages."""
    with session_call(sesid):
        return set_database_size(szDatabaseName, cpg)


def JetGrowDatabase(sesid: JET_SESID, dbid: JET_DBID, cpg: int) -> int:
    """Make an open database at least `cpg` pages long; the pages of its file then."""
    with session_call(sesid) as session:
        return resize_database(session, dbid, cpg, grbits.JET_bitResizeDatabaseOnlyGrow)


def JetResizeDatabase(sesid: JET_SESID, dbid: JET_DBID, cpg: int, grbit: JET_GRBIT = 0) -> int:
    """Make an open database `cpg` pages long; the pages of its file then.

    It becomes shorter as far as the pages at its end are free (else JET_wrnShrinkNotPossible is issued as a warning), and not
    while a backup is on (JET_errBackupInProgress).
    """
    with session_call(sesid) as session:
        return resize_database(session, dbid, cpg, grbit)


def JetGetMaxDatabaseSize(sesid: JET_SESID, dbid: JET_DBID, grbit: JET_GRBIT = 0) -> int:
    """The limit to the size of an open database, in pages; 0 for none."""
    with session_call(sesid) as session:
        if grbit:
            raise jet_error(codes.JET_errInvalidGrbit, f"asking for the maximum size with grbit {grbit!r}")
        return session.instance.databases.get(session, dbid).size_limit


def JetSetMaxDatabaseSize(sesid: JET_SESID, dbid: JET_DBID, cpg: int, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Limit the size of an open database, as long as it stays attached; 0 lifts the limit."""
    with session_call(sesid) as session:
        if grbit:
            raise jet_error(codes.JET_errInvalidGrbit, f"setting the maximum size with grbit {grbit!r}")
        database = session.instance.databases.get(session, dbid)
        if not isinstance(cpg, int) or not 0 <= cpg <= MOST_PAGES:
            raise jet_error(codes.JET_errInvalidParameter, f"{cpg!r} is not a number of pages", file=database.path)
        database.limit_size(cpg)
    return 0


def JetUpgradeDatabase(sesid: JET_SESID, szDbFileName: str, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Upgrade an old format: every format this engine opens is the current one."""
    with session_call(sesid):
        path: Path = full_path(szDbFileName)
        if file_header(path).version == FORMAT_MAJOR:
            raise jet_error(codes.JET_errDatabaseAlreadyUpgraded, "the format is the current one", file=path)
        raise jet_error(codes.JET_errFeatureNotAvailable, "formats before the current one cannot be upgraded", file=path)


# ---- raw pages --------------------------------------------------------------------------------------------------


def _page_states(pages: object, numbers: list[int]) -> list[PageState]:
    if not isinstance(pages, (bytes, bytearray, memoryview)) or not numbers:
        raise jet_error(codes.JET_errInvalidParameter, "raw pages and a list of structures are needed")
    data = bytes(pages)
    size, rest = divmod(len(data), len(numbers))
    if rest or size not in PAGE_SIZES:
        raise jet_error(codes.JET_errInvalidBufferSize, f"{len(data)} bytes are not {len(numbers)} whole pages")
    return [page_state(data[index * size : (index + 1) * size], pgno) for index, pgno in enumerate(numbers)]


def _fill(info: JET_PAGEINFO, state: PageState) -> None:
    info.fPageIsInitialized = int(state.initialised)
    info.fCorrectableError = int(state.correctable)
    info.checksumActual = state.actual[0]
    info.checksumExpected = state.expected[0]
    info.dbtime = state.dbtime
    info.flags = state.flags


def JetGetPageInfo(pvPages: Buffer, rgPageInfo: list[JET_PAGEINFO], grbit: JET_GRBIT = 0, ulInfoLevel: int = 0) -> JET_ERR:
    """What the checksums of raw pages say; the page numbers stand in the structures, the rest of them is filled in."""
    if grbit or ulInfoLevel != _PAGE_INFO:
        raise jet_error(codes.JET_errInvalidParameter, f"page information with grbit {grbit!r}, level {ulInfoLevel!r}")
    wanted = structures(rgPageInfo, JET_PAGEINFO)
    for info, state in zip(wanted, _page_states(pvPages, [info.pgno for info in wanted]), strict=True):
        _fill(info, state)
    return 0


def JetGetPageInfo2(pvPages: Buffer, rgPageInfo: list[JET_PAGEINFO2], grbit: JET_GRBIT = 0, ulInfoLevel: int = 1) -> JET_ERR:
    """JetGetPageInfo with all checksums of large pages."""
    if grbit or ulInfoLevel != _PAGE_INFO2:
        raise jet_error(codes.JET_errInvalidParameter, f"page information with grbit {grbit!r}, level {ulInfoLevel!r}")
    wanted = structures(rgPageInfo, JET_PAGEINFO2)
    for info, state in zip(wanted, _page_states(pvPages, [info.pageInfo.pgno for info in wanted]), strict=True):
        _fill(info.pageInfo, state)
        info.rgChecksumActual = state.actual[1:]
        info.rgChecksumExpected = state.expected[1:]
    return 0


__all__ = [
    "JetAttachDatabase",
    "JetAttachDatabase2",
    "JetAttachDatabase3",
    "JetCloseDatabase",
    "JetCreateDatabase",
    "JetCreateDatabase2",
    "JetCreateDatabase3",
    "JetDetachDatabase",
    "JetDetachDatabase2",
    "JetGetDatabaseFileInfo",
    "JetGetDatabaseInfo",
    "JetGetLogFileInfo",
    "JetGetMaxDatabaseSize",
    "JetGetPageInfo",
    "JetGetPageInfo2",
    "JetGetRBSFileInfo",
    "JetGrowDatabase",
    "JetOpenDatabase",
    "JetResizeDatabase",
    "JetSetDatabaseSize",
    "JetSetMaxDatabaseSize",
    "JetUpgradeDatabase",
]
