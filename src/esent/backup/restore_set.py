"""A backup set in a directory: where its logs are, which databases it has, and whether it may be restored at all.

`find_set` looks in the directory, then in `new`, then in `old` (`reference/backup-and-restore.md` 6.2). A set is refused with
the documented error when a full backup into its directory never finished, when generations are missing, when logs of several
streams are mixed, when a database has no streamed header or no trailer of its own backup.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath

from esent.backup.directory import MARKER, NEW, OLD, PATCH_EXTENSION, WORK, is_unfinished
from esent.backup.paths import is_plain
from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.log.files import LOG_EXTENSIONS, list_generations
from esent.log.reader import LogFile
from esent.log.records import AttachDB, CreateDB
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FileSystem
from esent.pages.primitives import Signature


@dataclass(slots=True)
class SetDatabase:
    """A database of a set: its file (None where only the logs know it), its path when it was backed up."""

    name: str
    file: Path | None
    original: str


@dataclass(slots=True)
class BackupSet:
    """Logs low..high of one stream in `folder`, and the databases that have a patch file."""

    folder: Path
    base: str
    extension: str
    logs: dict[int, Path]
    signature: Signature = field(default_factory=Signature)
    databases: list[SetDatabase] = field(default_factory=list)

    @property
    def low(self) -> int:
        return min(self.logs)

    @property
    def high(self) -> int:
        return max(self.logs)


def find_set(root: Path, base: str, files: FileSystem) -> BackupSet:
    """The set in `root`, its `new` or its `old`. Raises JET_errFileNotFound where none has a log, JET_errPatchFileMissing
    where a backup into the directory never finished."""
    for folder in (root, root / NEW, root / OLD):
        if not files.is_directory(folder):
            continue
        for extension in LOG_EXTENSIONS:
            logs = list_generations(folder, base, files, extension=extension)
            if logs:
                if is_unfinished(folder, files):
                    raise jet_error(
                        codes.JET_errPatchFileMissing,
                        "the backup into this directory never finished; it is no set",
                        file=folder / WORK / MARKER,
                    )
                return BackupSet(folder, base, extension, logs)
    raise jet_error(codes.JET_errFileNotFound, "the directory holds no log of a backup", file=root)


def check_logs(found: BackupSet, page_size: int, files: FileSystem) -> None:
    """Generations without a gap, of one stream, each created after the one before it: else JET_errFileNotFound,
    JET_errGivenLogFileHasBadSignature, JET_errGivenLogFileIsNotContiguous, JET_errPageSizeMismatch, or what a damaged header
    gives. Sets the signature of the set."""
    previous = None
    for generation in range(found.low, found.high + 1):
        path = found.logs.get(generation)
        if path is None:
            raise jet_error(codes.JET_errFileNotFound, f"the set lacks the log of generation {generation}", file=found.folder)
        with LogFile(path, files=files, page_size=page_size or None, generation=generation) as log:
            header = log.header
        if previous is None:
            found.signature = header.signature
        elif header.signature != found.signature:
            raise jet_error(codes.JET_errGivenLogFileHasBadSignature, "a log of another stream is in the set", file=path)
        elif header.created_previous != previous.created:
            raise jet_error(
                codes.JET_errGivenLogFileIsNotContiguous, "a log of the set does not continue the one before it", file=path
            )
        previous = header


def find_databases(found: BackupSet, files: FileSystem) -> None:
    """Fill in the databases: one for each patch file. JET_errPatchFileMissing where there is none, or, if a database lies
    there that is no backup copy, JET_errRestoreOfNonBackupDatabase; JET_errDatabasePatchFileMismatch for one that the logs
    do not know."""
    names = files.names(found.folder)
    stems = [Path(name).stem for name in names if Path(name).suffix.lower() == PATCH_EXTENSION]
    if not stems:
        plain = _plain_database(found, names, files)
        if plain is not None:
            raise jet_error(codes.JET_errRestoreOfNonBackupDatabase, "a database that is no backup copy", file=plain)
        raise jet_error(codes.JET_errPatchFileMissing, "the set has no patch file (.pat), so no database", file=found.folder)
    originals = {stem_of(path).casefold(): path for path in _logged_paths(found, {s.casefold() for s in stems}, files)}
    for stem in stems:
        original = originals.get(stem.casefold())
        name = name_of(original) if original is not None else ""
        if original is None or not is_plain(name):
            raise jet_error(
                codes.JET_errDatabasePatchFileMismatch,
                "the logs of the set do not speak of this database",
                file=found.folder / (stem + PATCH_EXTENSION),
            )
        present = next((each for each in names if each.casefold() == name.casefold()), None)
        found.databases.append(SetDatabase(name, found.folder / present if present else None, original))


def _plain_database(found: BackupSet, names: list[str], files: FileSystem) -> Path | None:
    """A readable database in the folder whose header says that it is no backup copy."""
    for name in names:
        path = found.folder / name
        if files.is_directory(path) or Path(name).suffix.lower() in (*LOG_EXTENSIONS, ".chk", ".jcp", ".jrs", ".jfm"):
            continue
        try:
            with DatabaseFile(path, files=files) as database:
                if not database.header.bkinfo_full_cur.generation_low:
                    return path
        except JetError:
            continue
    return None


def _logged_paths(found: BackupSet, wanted: set[str], files: FileSystem) -> list[str]:
    """Paths of databases in the logs. The lists in the log headers usually name all; only for what they lack are the
    records read."""
    paths: dict[str, None] = {}
    missing = set(wanted)
    for path in found.logs.values():
        with LogFile(path, files=files) as log:
            for info in log.header.attachments:
                paths[info.path] = None
                missing.discard(stem_of(info.path).casefold())
    for path in found.logs.values():
        if not missing:
            break
        with LogFile(path, files=files) as log:
            for _, record in log.records():
                if isinstance(record, AttachDB | CreateDB):
                    paths[record.path] = None
                    missing.discard(stem_of(record.path).casefold())
    return list(paths)


def check_distinct(found: BackupSet, files: FileSystem) -> None:
    """Two files of one database in a set cannot both be recovered: JET_errInvalidParameter. What else may be wrong with a
    database shows when it is recovered."""
    seen: dict[Signature, Path] = {}
    for database in found.databases:
        if database.file is None:
            continue
        try:
            with DatabaseFile(database.file, files=files) as file:
                signature = file.header.sign_db
        except JetError:
            continue
        if signature in seen:
            raise jet_error(codes.JET_errInvalidParameter, f"the same database as {seen[signature].name}", file=database.file)
        seen[signature] = database.file


def name_of(path: str) -> str:
    """The file name of a path that was written on this or on another system."""
    return PureWindowsPath(path).name if "\\" in path or PureWindowsPath(path).drive else PurePosixPath(path).name


def stem_of(path: str) -> str:
    return Path(name_of(path)).stem
