"""JetDBUtilities: the operations of the command-line utility behind one call.

What an operation finds is printed, unless JET_bitDBUtilOptionSuppressConsoleOutput; the result code says how it went. No
operation needs an instance; a session that is given must be one. Databases are only read, except by
opDBUTILUpdateDBHeaderFromTrailer, and must not be attached where their content is looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum
from pathlib import Path

from esent.constants import codes, grbits
from esent.engine.database import full_path
from esent.engine.information import attached_database
from esent.engine.process import is_nil
from esent.engine.session import session_call
from esent.errors import jet_error
from esent.jet.compact import CompactionStatus
from esent.jet.cursors import buffer
from esent.jet.handles import JET_ERR
from esent.jet.structures_database import JET_DBUTIL
from esent.log.files import list_generations, log_name
from esent.log.reader import read_header
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.header import DatabaseState
from esent.pages.overlay import OverlayFileSystem
from esent.recovery.backup_copy import merge_trailer
from esent.tools.compact import compact_file
from esent.tools.dump import dump
from esent.tools.info import FileInfo, describe
from esent.tools.log_dump import dump_text, header_facts
from esent.tools.page_dump import node_lines, page_lines, read_page
from esent.tools.verify import Severity, verify_database
from esent.tools.verify_logs import verify_log

_QUIET = grbits.JET_bitDBUtilOptionSuppressConsoleOutput
_VERBOSE = grbits.JET_bitDBUtilOptionDumpVerboseLevel1 | grbits.JET_bitDBUtilOptionDumpVerboseLevel2
_VERIFY = grbits.JET_bitDBUtilOptionVerify


class DBUTIL_OP(IntEnum):  # noqa: N801 - its documented name
    """What JetDBUtilities is asked to do."""

    opDBUTILConsistency = 0
    opDBUTILDumpData = 1
    opDBUTILDumpMetaData = 2
    opDBUTILDumpPage = 3
    opDBUTILDumpNode = 4
    opDBUTILDumpTag = 5
    opDBUTILDumpSpace = 6
    opDBUTILSetHeaderState = 7
    opDBUTILDumpHeader = 8
    opDBUTILDumpLogfile = 9
    opDBUTILDumpLogfileTrackNode = 10
    opDBUTILDumpCheckpoint = 11
    opDBUTILEDBDump = 12
    opDBUTILEDBRepair = 13
    opDBUTILMunge = 14
    opDBUTILEDBScrub = 15
    opDBUTILSLVMove_ObsoleteAndUnused = 16
    opDBUTILDBConvertRecords_ObsoleteAndUnused = 17
    opDBUTILDBDefragment = 18
    opDBUTILDumpExchangeSLVInfo_ObsoleteAndUnused = 19
    opDBUTILDumpUnicodeFixupTable_ObsoleteAndUnused = 20
    opDBUTILDumpPageUsage = 21
    opDBUTILUpdateDBHeaderFromTrailer = 22
    opDBUTILChecksumLogFromMemory = 23
    opDBUTILDumpFTLHeader = 24
    opDBUTILDBTrim = 25
    opDBUTILDumpFlushMapFile = 26
    opDBUTILDumpSpaceCategory = 27
    opDBUTILDumpCachedFileHeader = 28
    opDBUTILDumpCacheFile = 29
    opDBUTILDumpRBSHeader = 30
    opDBUTILDumpRBSPages = 31
    opDBUTILEstimateRootSpaceLeak = 32


_NAMELESS = (
    DBUTIL_OP.opDBUTILEDBDump,
    DBUTIL_OP.opDBUTILDumpPageUsage,
    DBUTIL_OP.opDBUTILChecksumLogFromMemory,
    DBUTIL_OP.opDBUTILEstimateRootSpaceLeak,
)


def JetDBUtilities(pdbutil: JET_DBUTIL) -> JET_ERR:
    """Check or dump a database, a log, a checkpoint or a page; copy a database without its wasted space.

    JET_errDatabaseInvalidName without a name; JET_errDatabaseCorrupted, JET_errLogFileCorrupt, JET_errReadVerifyFailure for
    damage; JET_errDatabaseSharingViolation, JET_errDatabaseDirtyShutdown where the content cannot be looked at;
    JET_errFeatureNotAvailable for an operation that is not built; JET_errInvalidParameter for one that there is not.
    """
    if not isinstance(pdbutil, JET_DBUTIL):
        raise jet_error(codes.JET_errInvalidParameter, f"{pdbutil!r} is not a JET_DBUTIL")
    if not isinstance(pdbutil.op, int) or pdbutil.op not in list(DBUTIL_OP):
        raise jet_error(codes.JET_errInvalidParameter, f"there is no operation {pdbutil.op!r}")
    if not isinstance(pdbutil.grbitOptions, int):
        raise jet_error(codes.JET_errInvalidParameter, f"options {pdbutil.grbitOptions!r}")
    operation = DBUTIL_OP(pdbutil.op)
    if operation not in _NAMELESS and (not isinstance(pdbutil.szDatabase, str) or not pdbutil.szDatabase):
        raise jet_error(codes.JET_errDatabaseInvalidName, f"{operation.name} needs the name of a file")
    if not is_nil(pdbutil.sesid):
        with session_call(pdbutil.sesid):
            pass
    work = _OPERATIONS.get(operation)
    if work is None:
        raise jet_error(codes.JET_errFeatureNotAvailable, f"{operation.name} is not built")
    _print(work(pdbutil), quiet=bool(pdbutil.grbitOptions & _QUIET))
    return 0


def _print(lines: Iterable[str], *, quiet: bool) -> None:
    for line in lines:
        if not quiet:
            sys.stdout.write(line + "\n")


def _path(request: JET_DBUTIL) -> Path:
    return full_path(request.szDatabase)


def _database(request: JET_DBUTIL, *, clean: bool = True) -> DatabaseFile:
    """The database of a request, open for reading; one whose content is looked at must not be in use, and be clean."""
    path = _path(request)
    if attached_database(path) is not None:
        raise jet_error(codes.JET_errDatabaseSharingViolation, "the database is attached", file=path)
    file = DatabaseFile(path)
    if clean and file.header.dbstate != DatabaseState.CLEAN_SHUTDOWN:
        file.close()
        raise jet_error(codes.JET_errDatabaseDirtyShutdown, "the database was not closed well", file=path)
    return file


# ---- databases ----------------------------------------------------------------------------------------------------------


def _consistency(request: JET_DBUTIL) -> Iterator[str]:
    with _database(request) as file:
        report = verify_database(file)
    yield from map(str, report.findings)
    if not report.ok:
        raise jet_error(codes.JET_errDatabaseCorrupted, f"{report.errors} errors were found", file=report.path)
    yield f"{report.path.name}: {report.pages_seen} pages, {report.trees} trees, no errors"


def _data(request: JET_DBUTIL, *, rows: bool = True) -> Iterator[str]:
    tables = [request.szTable] if request.szTable else None
    with _database(request) as file:
        yield from dump(file, tables, rows=rows, system=bool(request.grbitOptions & _VERBOSE))


def _meta_data(request: JET_DBUTIL) -> Iterator[str]:
    return _data(request, rows=False)


def _page(request: JET_DBUTIL) -> Iterator[str]:
    with _database(request, clean=False) as file:
        yield from page_lines(file, _number(request.pgno, "page"))


def _node(request: JET_DBUTIL, *, first_line: int = 0) -> Iterator[str]:
    with _database(request, clean=False) as file:
        page, sound = read_page(file, _number(request.pgno, "page"))
        yield from node_lines(page, _number(request.iline, "line") - first_line, whole=True)
        if not sound:
            raise jet_error(codes.JET_errReadVerifyFailure, "the checksum of the page is wrong", file=file.path, page=page.pgno)


def _tag(request: JET_DBUTIL) -> Iterator[str]:
    return _node(request, first_line=1)


def _number(value: object, what: str) -> int:
    if not isinstance(value, int):
        raise jet_error(codes.JET_errInvalidParameter, f"{what} {value!r}")
    return value


def _defragment(request: JET_DBUTIL) -> Iterator[str]:
    if not request.szTable:
        raise jet_error(codes.JET_errInvalidParameter, "szTable names the new file")
    destination = full_path(request.szTable)
    _database(request).close()
    status = CompactionStatus(grbits.JET_sesidNil, request.pfnCallback)
    with status.telling():
        compact_file(_path(request), destination, progress=status.progress)
    yield f"{destination.name}: {FILES.size(destination)} bytes, from {FILES.size(_path(request))}"


def _header_from_trailer(request: JET_DBUTIL) -> Iterator[str]:
    path = _path(request)
    if attached_database(path) is not None:
        raise jet_error(codes.JET_errDatabaseSharingViolation, "the database is attached", file=path)
    with DatabaseFile(path, writable=True) as file:
        if not file.header.bkinfo_full_cur.generation_low:
            raise jet_error(codes.JET_errInvalidParameter, "not the copy of a streaming backup", file=path)
        trailer = merge_trailer(file)
    yield f"{path.name}: needs the logs up to generation {trailer.backup.generation_high}"


# ---- headers and logs ---------------------------------------------------------------------------------------------------


def _described(request: JET_DBUTIL, *kinds: str) -> Iterator[str]:
    path = _path(request)
    info = describe(path)
    if info.kind not in kinds:
        raise jet_error(codes.JET_errFileInvalidType, f"the file is a {info.kind}", file=path)
    return _header_lines(info, verbose=bool(request.grbitOptions & _VERBOSE))


def _header_lines(info: FileInfo, *, verbose: bool) -> Iterator[str]:
    yield f"{info.path.name}: {info.kind}"
    for name, value in info.header.items() if verbose else info.summary:
        yield f"{name}: {value}"


def _header(request: JET_DBUTIL) -> Iterator[str]:
    return _described(request, "database", "temporary database", "database, copy of a streaming backup")


def _checkpoint(request: JET_DBUTIL) -> Iterator[str]:
    return _described(request, "checkpoint")


def _flush_map(request: JET_DBUTIL) -> Iterator[str]:
    return _described(request, "flush map")


def _logs(request: JET_DBUTIL) -> Iterator[str]:
    """A log, or the generations lGeneration to isec of the stream whose path and base name are given."""
    path = _path(request)
    if FILES.exists(path):
        chosen = [path]
    else:
        low = _number(request.lGeneration, "generation") or 0
        high = _number(request.isec, "generation") or sys.maxsize
        found = list_generations(path.parent, path.name, FILES)
        chosen = [each for generation, each in sorted(found.items()) if low <= generation <= high]
        current = path.parent / log_name(path.name)
        if FILES.exists(current) and not request.isec:
            chosen.append(current)
        if not chosen:
            raise jet_error(codes.JET_errFileNotFound, "there is no such log", file=path)
    for each in chosen:
        yield from _log(each, FILES, request.grbitOptions)


def _log(path: Path, files: FileSystem, options: int) -> Iterator[str]:
    with files.open(path) as file:
        facts = header_facts(read_header(file, path))
    yield path.name
    for name, value in facts.items():
        yield f"{name}: {value}"
    damage = [finding for finding in verify_log(path, files=files) if finding.severity is Severity.ERROR]
    if options & _VERBOSE and not options & _VERIFY:
        yield from dump_text(path, files=files)
    yield from map(str, damage)
    if damage:
        raise jet_error(codes.JET_errLogFileCorrupt, damage[0].text, file=path, offset=damage[0].offset)


def _log_from_memory(request: JET_DBUTIL) -> Iterator[str]:
    data = buffer(request.pvBuffer, "pvBuffer")
    if data is None:
        raise jet_error(codes.JET_errInvalidParameter, "pvBuffer is needed")
    if request.cbBuffer and request.cbBuffer != len(data):
        raise jet_error(codes.JET_errInvalidParameter, f"{request.cbBuffer} bytes of a buffer of {len(data)}")
    base = "edb" if request.szBase is None else request.szBase
    if not isinstance(base, str) or not base:
        raise jet_error(codes.JET_errInvalidParameter, f"base name {base!r}")
    path = full_path(request.szLog or log_name(base))
    files = OverlayFileSystem()
    try:
        if files.exists(path):
            files.remove(path)
        with files.open(path, writable=True, create=True) as file:
            file.write(0, data)
        yield from _log(path, files, _VERIFY)
    finally:
        files.close()


def _nothing(_request: JET_DBUTIL) -> Iterator[str]:
    return iter(())


_OPERATIONS: dict[DBUTIL_OP, Callable[[JET_DBUTIL], Iterator[str]]] = {
    DBUTIL_OP.opDBUTILConsistency: _consistency,
    DBUTIL_OP.opDBUTILDumpData: _data,
    DBUTIL_OP.opDBUTILDumpMetaData: _meta_data,
    DBUTIL_OP.opDBUTILDumpPage: _page,
    DBUTIL_OP.opDBUTILDumpNode: _node,
    DBUTIL_OP.opDBUTILDumpTag: _tag,
    DBUTIL_OP.opDBUTILDumpHeader: _header,
    DBUTIL_OP.opDBUTILDumpLogfile: _logs,
    DBUTIL_OP.opDBUTILDumpLogfileTrackNode: _nothing,
    DBUTIL_OP.opDBUTILDumpCheckpoint: _checkpoint,
    DBUTIL_OP.opDBUTILDBDefragment: _defragment,
    DBUTIL_OP.opDBUTILUpdateDBHeaderFromTrailer: _header_from_trailer,
    DBUTIL_OP.opDBUTILChecksumLogFromMemory: _log_from_memory,
    DBUTIL_OP.opDBUTILDumpFlushMapFile: _flush_map,
}

__all__ = ["DBUTIL_OP", "JetDBUtilities"]
