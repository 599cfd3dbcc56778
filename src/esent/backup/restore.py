"""Restore: a JetBackup directory copied back and recovered, and hard recovery of databases the caller copied himself.

`restore_directory` never works on a database that is there already: it recovers a copy under another name beside it and puts
that in its place when it is clean and on stable storage. If anything fails, the copies, the logs made on the way and the
changed checkpoint are taken back, and what was there before is as it was. The set itself is only read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from esent.backup.events import events
from esent.backup.paths import absolute
from esent.backup.restore_set import BackupSet, check_distinct, check_logs, find_databases, find_set
from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.log.files import LOG_EXTENSIONS, checkpoint_name, list_generations
from esent.pages.checksum import PAGE_BAD, verify_run
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FileSystem
from esent.recovery.hard import hard_recover
from esent.recovery.options import MapEntry, RecoveryOptions, RecoveryResult

COPY_BYTES = 1 << 20
RESTORING = ".restoring"
"""Ending of the copy that is being recovered."""


def restore_directory(
    source: str, destination: str | None, options: RecoveryOptions, *, create_paths: bool = False
) -> RecoveryResult:
    """Restore the set in directory `source` (or its `new`, or `old`): every database it has, into the folder `destination`
    or to the path it had. Logs behind those of the set are replayed too, from the instance's log folder.

    `options` tells base name, folders, page size, callback. Errors: 2.14 and 6.2 of the reference; the set is unchanged
    whatever happens, and so are existing databases unless 0 is returned.
    """
    files = options.files
    found = find_set(absolute(source or "."), options.base, files)
    target = absolute(destination) if destination else None
    for folder in (options.log_path, options.checkpoint_path, *([target] if target else [])):
        if _is_folder_of(found, folder, files):
            raise jet_error(codes.JET_errInvalidPath, "a set cannot be restored into itself: it would be lost", file=folder)
        require_folder(folder, files, create=create_paths)
    check_logs(found, options.page_size, files)
    find_databases(found, files)
    check_distinct(found, files)
    return _DirectoryRestore(found, target, options).run()


def _is_folder_of(found: BackupSet, folder: Path, files: FileSystem) -> bool:
    return files.is_directory(folder) and folder.resolve() == found.folder.resolve()


def restore_copies(
    backup_log_path: Path,
    generation_low: int,
    generation_high: int,
    options: RecoveryOptions,
    later: Sequence[Path] = (),
) -> RecoveryResult:
    """Hard recovery of databases that are at their new places already: `options.restore_map` says where.

    The logs generation_low..generation_high come from `backup_log_path`. `later` are closed logs of a running instance:
    they are copied into the log folder, and replayed from there as far as they continue those of the backup.
    Errors: 2.15 and 6.4 of the reference. If it fails the databases have to be copied again; what it made in the log folder
    is taken back.
    """
    files = options.files
    if generation_low <= 0 or generation_high <= 0:
        raise jet_error(
            codes.JET_errInvalidPath, f"generations {generation_low} to {generation_high} name no log", file=backup_log_path
        )
    if generation_low > generation_high:
        raise jet_error(codes.JET_errInvalidParameter, f"generations {generation_low} to {generation_high}")
    if not options.restore_map:
        raise jet_error(codes.JET_errInvalidParameter, "a restore without a map of databases")
    for folder in (options.log_path, options.checkpoint_path):
        require_folder(folder, files, create=True)
    found = _given_logs(backup_log_path, generation_low, generation_high, options)
    check_logs(found, options.page_size, files)
    folders = _Folders(options, found)
    try:
        for path in later:
            if not files.exists(options.log_path / path.name):
                copy_file(path, options.log_path / path.name, files)
        result = hard_recover(backup_log_path, generation_low, generation_high, options)
        for path in result.databases:
            require_clean(path, files)
    except BaseException:
        folders.take_back()
        raise
    return result


def _given_logs(folder: Path, low: int, high: int, options: RecoveryOptions) -> BackupSet:
    """The logs of a range in a folder; the ends of the range count as present, so that a missing one is noticed."""
    files = options.files
    if not files.is_directory(folder):
        raise jet_error(codes.JET_errInvalidPath, "the folder of the backup logs does not exist", file=folder)
    for extension in LOG_EXTENSIONS:
        present = list_generations(folder, options.base, files, extension=extension)
        logs = {generation: path for generation, path in present.items() if low <= generation <= high}
        if logs:
            for end in (low, high):
                if end not in logs:
                    raise jet_error(
                        codes.JET_errFileNotFound, f"the log of generation {end} is missing in the backup", file=folder
                    )
            return BackupSet(folder, options.base, extension, logs)
    raise jet_error(codes.JET_errFileNotFound, f"no log of generations {low} to {high} in the backup", file=folder)


def require_folder(path: Path, files: FileSystem, *, create: bool) -> None:
    """JET_errInvalidPath unless the folder is there, or can be made."""
    if files.is_directory(path):
        return
    if not create or files.exists(path):
        raise jet_error(codes.JET_errInvalidPath, "the folder does not exist", file=path)
    files.make_directory(path, parents=True)


class _Folders:
    """What the folders of logs and checkpoint held before a restore, to take back what it made there."""

    def __init__(self, options: RecoveryOptions, found: BackupSet) -> None:
        self.files = options.files
        self.base = found.base.casefold()
        self.before = {folder: set(self.files.names(folder)) for folder in {options.log_path, options.checkpoint_path}}
        self.checkpoint = options.checkpoint_path / checkpoint_name(found.base, found.extension)
        self.saved = self._content()

    def _content(self) -> bytes | None:
        if not self.files.exists(self.checkpoint):
            return None
        with self.files.open(self.checkpoint) as file:
            return file.read(0, file.size())

    def take_back(self, *others: Path) -> None:
        """Remove `others` and the stream's files that were not there; put the old checkpoint back. Goes on after a failure."""
        steps: list[Callable[[], None]] = [partial(remove_if_there, path, self.files) for path in others]
        for folder, names in self.before.items():
            made = [name for name in self.files.names(folder) if name not in names]
            steps += [partial(self.files.remove, folder / name) for name in made if name.casefold().startswith(self.base)]
        if self.saved is not None:
            steps.append(self._put_back)
        for step in steps:
            try:
                step()
            except JetError as problem:
                events.warning("cleaning up after a failed restore: %s", problem)

    def _put_back(self) -> None:
        content = self.saved or b""
        with self.files.open(self.checkpoint, writable=True, create=True) as file:
            file.write(0, content)
            file.truncate(len(content))
            file.sync()


class _DirectoryRestore:
    """One restore of a directory set."""

    def __init__(self, found: BackupSet, target: Path | None, options: RecoveryOptions) -> None:
        self.found = found
        self.files = options.files
        self.copies: list[tuple[Path, Path]] = []  # (copy that is recovered, final place)
        entries: list[MapEntry] = []
        for database in found.databases:
            final = target / database.name if target is not None else _native(database.original)
            if final in (each for _, each in self.copies):
                raise jet_error(codes.JET_errFileAlreadyExists, "two databases of the set have the same name", file=final)
            copy = final.with_name(final.name + RESTORING)
            self.copies.append((copy, final))
            entries.append(MapEntry(database.original, copy))
        self.options = replace(options, restore_map=entries, alternate_path=None)

    def run(self) -> RecoveryResult:
        folders = _Folders(self.options, self.found)
        try:
            for database, (copy, final) in zip(self.found.databases, self.copies, strict=True):
                remove_if_there(copy, self.files)
                require_folder(final.parent, self.files, create=False)
                if database.file is not None:
                    copy_file(database.file, copy, self.files)
            result = hard_recover(self.found.folder, self.found.low, self.found.high, self.options, copying=True)
            restored = [pair for pair in self.copies if self.files.exists(pair[0])]
            for copy, _ in restored:
                require_clean(copy, self.files)
                require_undamaged(copy, self.files)
        except BaseException:
            folders.take_back(*(copy for copy, _ in self.copies))
            raise
        for copy, final in restored:
            self.files.rename(copy, final)
        finals = dict(self.copies)
        result.databases = [finals.get(path, path) for path in result.databases]
        return result


def _native(original: str) -> Path:
    """The path a database had, if it is one of this system. JET_errInvalidPath if not: then a destination is needed."""
    if os.name == "posix" and not original.startswith("/"):
        raise jet_error(
            codes.JET_errInvalidPath, "the database cannot go back to where it was; a destination is needed", file=original
        )
    return absolute(original)


def remove_if_there(path: Path, files: FileSystem) -> None:
    if files.exists(path):
        files.remove(path)


def require_clean(path: Path, files: FileSystem) -> None:
    """Recovery is over, so the database has to be clean; JET_errDatabaseDirtyShutdown if it is not."""
    with DatabaseFile(path, files=files) as database:
        if not database.header.is_clean:
            raise jet_error(codes.JET_errDatabaseDirtyShutdown, "the restored database did not become clean", file=path)


def require_undamaged(path: Path, files: FileSystem) -> None:
    """JET_errReadVerifyFailure for a page whose checksum is wrong: a damaged set must not replace a database."""
    with DatabaseFile(path, files=files) as database:
        step = COPY_BYTES // database.page_size
        for first in range(1, database.page_count + 1, step):
            data = database.read_pages(first, min(step, database.page_count + 1 - first))
            for page, status in verify_run(data, database.page_size, first):
                if status == PAGE_BAD:
                    raise jet_error(codes.JET_errReadVerifyFailure, "a page of the set is damaged", file=path, page=page)


def copy_file(source: Path, target: Path, files: FileSystem) -> None:
    """Copy a file; on stable storage when this returns."""
    with files.open(source) as reader, files.open(target, writable=True, create=True) as writer:
        offset = 0
        while data := reader.read(offset, COPY_BYTES):
            writer.write(offset, data)
            offset += len(data)
        writer.truncate(offset)
        writer.sync()
