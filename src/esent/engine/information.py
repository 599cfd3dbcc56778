"""What the information calls report about databases and files, as plain values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from esent.constants import codes, grbits
from esent.engine.database import AttachedDatabase, HeldFile, full_path
from esent.engine.process import PROCESS, same_file
from esent.errors import JetError, jet_error
from esent.log.header import HEADER_SIZE
from esent.log.reader import read_header
from esent.pages.checksum import header_checksum
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.header import FILE_TYPE_DATABASE, HEADER_PAGES, DatabaseHeader, detect_page_size
from esent.pages.locking import FileLock
from esent.tree.space import available_extents, owned_extents

if TYPE_CHECKING:
    from esent.engine.session import Session
    from esent.log.header import LogHeader

COUNTRY = 1
LOCALE = 1033
CODE_PAGE = 1252
NESTING_LIMIT = 7
UPGRADE_FLAG_DONE = 2  # JET_DBINFOUPGRADE: the format is the current one
SMALLEST_DATABASE = 256  # pages
MOST_PAGES = 0x7FEFFFFF - HEADER_PAGES
_FILE_TYPE_OFFSET = 667
_HEAD = 64 * 1024
_FIXED_NUMBERS = {
    grbits.JET_DbInfoCountry: COUNTRY,
    grbits.JET_DbInfoLCID: LOCALE,
    grbits.JET_DbInfoCp: CODE_PAGE,
    grbits.JET_DbInfoCollate: 0,
    grbits.JET_DbInfoTransactions: NESTING_LIMIT,
    grbits.JET_DbInfoSplitBuffers: 0,
}
_DBINFO_LIVE_PAGES = 22  # a number of pages this engine always reports as none
_ROOT = 1  # the tree that owns all pages of a database
_ROOT_OBJID = 1

DatabaseAnswer = int | str | DatabaseHeader


def file_size(database: AttachedDatabase) -> int:
    return database.file.file.size()


def database_info(session: Session, number: object, level: object) -> DatabaseAnswer:
    """JetGetDatabaseInfo: by level a number, a text, or (JET_DbInfoMisc) the live header."""
    database = session.instance.databases.get(session, number)
    if not isinstance(level, int):
        raise jet_error(codes.JET_errInvalidParameter, f"information level {level!r} about a database")
    if level in _FIXED_NUMBERS:
        return _FIXED_NUMBERS[level]
    if level == grbits.JET_DbInfoFilename:
        return str(database.path)
    if level == grbits.JET_DbInfoConnect:
        return ""
    if level == grbits.JET_DbInfoOptions:
        return grbits.JET_bitDbExclusive if database.number in session.exclusive else 0
    if level == grbits.JET_DbInfoVersion:
        return database.header_image().version
    if level == grbits.JET_DbInfoIsam:
        raise jet_error(codes.JET_errFeatureNotAvailable, "there is one storage engine only")
    if level in (grbits.JET_DbInfoFilesize, grbits.JET_DbInfoFilesizeOnDisk):
        return file_size(database) // database.file.page_size
    if level == grbits.JET_DbInfoSpaceOwned:
        with session.instance.lock:
            return sum(extent.pages for extent in owned_extents(database.store, _ROOT, _ROOT_OBJID))
    if level == grbits.JET_DbInfoSpaceAvailable:
        with session.instance.lock:
            return sum(extent.pages for extent in available_extents(database.store, _ROOT, _ROOT_OBJID))
    if level == grbits.JET_DbInfoMisc:
        return database.header_image()
    if level == grbits.JET_DbInfoPageSize:
        return database.file.page_size
    if level == _DBINFO_LIVE_PAGES:
        return 0
    raise jet_error(codes.JET_errInvalidParameter, f"information level {level!r} about a database")


def attached_database(path: Path) -> AttachedDatabase | None:
    """The database a running instance of this process has attached from this file."""
    with PROCESS.lock:
        instances = list(PROCESS.instances)
    databases = (database for instance in instances for database in instance.databases.all())
    return next((each for each in databases if same_file(str(each.path), str(path))), None)


def file_header(path: Path, files: FileSystem = FILES) -> DatabaseHeader:
    """The header of a database file, the live one where it is attached."""
    attached = attached_database(path)
    if attached is not None:
        return attached.header_image()
    if file_type(path, files) != FILE_TYPE_DATABASE:
        raise jet_error(codes.JET_errFileInvalidType, "not a database", file=path)
    with DatabaseFile(path, files=files) as file:
        return file.header


def file_type(path: Path, files: FileSystem = FILES) -> int:
    """Which kind of file this is (JET_filetype...), from its header. JET_errReadVerifyFailure where none is good."""
    with files.open(path) as file:
        head = file.read(0, _HEAD)
    if detect_page_size(head) is not None:
        kind = int.from_bytes(head[_FILE_TYPE_OFFSET : _FILE_TYPE_OFFSET + 4], "little")
        return kind or FILE_TYPE_DATABASE
    first = head[:HEADER_SIZE]
    if len(first) < HEADER_SIZE or header_checksum(first) != int.from_bytes(first[:4], "little"):
        raise jet_error(codes.JET_errReadVerifyFailure, "finding out what kind of file this is", file=path, offset=0)
    return int.from_bytes(first[_FILE_TYPE_OFFSET : _FILE_TYPE_OFFSET + 4], "little")


def database_file_info(name: object, level: object, files: FileSystem = FILES) -> int | DatabaseHeader:
    """JetGetDatabaseFileInfo: by level a number, or (JET_DbInfoMisc) the header. The file is only read.

    JET_DbInfoUpgrade gives the flags of JET_DBINFOUPGRADE, its size comes with JET_DbInfoFilesize.
    """
    path = full_path(name)
    size = files.size(path)
    if level in (grbits.JET_DbInfoFilesize, grbits.JET_DbInfoFilesizeOnDisk):
        return size
    if level == grbits.JET_DbInfoUpgrade:
        if attached_database(path) is not None:
            return 0
        file_header(path, files)
        return UPGRADE_FLAG_DONE
    if level == grbits.JET_DbInfoMisc:
        return file_header(path, files)
    if level == grbits.JET_DbInfoDBInUse:
        return int(_is_in_use(path, files))
    if level == grbits.JET_DbInfoPageSize:
        return file_header(path, files).page_size
    if level == grbits.JET_DbInfoFileType:
        return file_type(path, files)
    raise jet_error(codes.JET_errInvalidParameter, f"information level {level!r} about a database file", file=path)


def _is_in_use(path: Path, files: FileSystem) -> bool:
    """Whether an instance, of this process or another, has the file attached for writing."""
    if attached_database(path) is not None:
        return True
    with files.open(path) as file:
        try:
            FileLock(file, shared=True)
        except JetError as problem:
            return problem.code == codes.JET_errFileAccessDenied
    return False


def log_file_header(name: object, files: FileSystem = FILES) -> LogHeader:
    """The header of a log file, whatever state the rest of it is in. JET_errFileInvalidType for another kind of file."""
    path = full_path(name)
    if detect_kind_mismatch(path, files):
        raise jet_error(codes.JET_errFileInvalidType, "not a log file", file=path)
    with files.open(path) as file:
        return read_header(file, path)


def detect_kind_mismatch(path: Path, files: FileSystem) -> bool:
    """Whether the file has a good header of another kind than a log's."""
    try:
        return file_type(path, files) != grbits.JET_filetypeLog
    except JetError as problem:
        if problem.code == codes.JET_errReadVerifyFailure:
            return False
        raise


def set_database_size(name: object, pages: object, files: FileSystem = FILES) -> int:
    """JetSetDatabaseSize: make a clean, detached database file at least `pages` long, headers not counted; its size then."""
    path = full_path(name)
    if not isinstance(pages, int) or not SMALLEST_DATABASE <= pages <= MOST_PAGES:
        raise jet_error(codes.JET_errInvalidParameter, f"{pages!r} is not a size for a database", file=path)
    if not files.exists(path):
        raise jet_error(codes.JET_errFileNotFound, "there is no such database", file=path)
    if attached_database(path) is not None:
        raise jet_error(codes.JET_errFileAccessDenied, "resizing a database that is attached", file=path)
    held = HeldFile(path, writable=True, files=files)
    try:
        if not held.file.header.is_clean:
            raise jet_error(codes.JET_errDatabaseDirtyShutdown, "resizing a database that is not clean", file=path)
        if held.file.page_count < pages:
            held.file.resize(pages)
            held.file.sync()
        return held.file.page_count
    finally:
        held.close()
