"""Restore: a JetBackup directory copied back and recovered, and hard recovery of databases the caller copied himself.

`restore_directory` never works on a database that is there already: it recovers a copy under another name beside it and puts
that in its place when it is clean and on stable storage. If anything fails, the copies, the logs made on the way and the
changed checkpoint are taken back, and what was there before is as it was. The set itself is only read.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from esent.backup.events import events
from esent.backup.paths import absolute
from esent.backup.restore_set import BackupSet, check_distinct, check_logs, find_databases, find_set
from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.log.files import checkpoint_name
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
    for folder in (options.log_path, options.checkpoint_path):
        _require_folder(folder, files, create=create_paths)
    target = absolute(destination) if destination else None
    if target is not None:
        _require_folder(target, files, create=create_paths)
    check_logs(found, options.page_size, files)
    find_databases(found, files)
    check_distinct(found, files)
    work = Restoration(found, target, options)
    return work.run()


def _require_folder(path: Path, files: FileSystem, *, create: bool) -> None:
    if files.is_directory(path):
        return
    if not create or files.exists(path):
        raise jet_error(codes.JET_errInvalidPath, "the folder does not exist", file=path)
    files.make_directory(path, parents=True)


class Restoration:
    """One restore of a directory set."""

    def __init__(self, found: BackupSet, target: Path | None, options: RecoveryOptions) -> None:
        self.found = found
        self.options = options
        self.files = options.files
        self.copies: list[tuple[Path, Path]] = []  # (copy that is recovered, final place)
        self.map: list[MapEntry] = []
        for database in found.databases:
            final = target / database.name if target is not None else _native(database.original)
            if final in (each for _, each in self.copies):
                raise jet_error(codes.JET_errFileAlreadyExists, "two databases of the set have the same name", file=final)
            copy = final.with_name(final.name + RESTORING)
            self.copies.append((copy, final))
            self.map.append(MapEntry(database.original, copy))

    def run(self) -> RecoveryResult:
        folders = {self.options.log_path, self.options.checkpoint_path}
        before = {folder: set(self.files.names(folder)) for folder in folders}
        checkpoint = self.options.checkpoint_path / checkpoint_name(self.found.base, self.found.extension)
        saved = self._content(checkpoint)
        try:
            for database, (copy, final) in zip(self.found.databases, self.copies, strict=True):
                self._remove(copy)
                if not self.files.is_directory(final.parent):
                    raise jet_error(codes.JET_errInvalidPath, "the folder of the database does not exist", file=final)
                if database.file is not None:
                    copy_file(database.file, copy, self.files)
            result = hard_recover(
                self.found.folder,
                self.found.low,
                self.found.high,
                replace(self.options, restore_map=self.map),
                roll_forward=(self.options.log_path,),
            )
            restored = [pair for pair in self.copies if self.files.exists(pair[0])]
            for copy, _ in restored:
                require_clean(copy, self.files)
        except BaseException:
            self._take_back(before, checkpoint, saved)
            raise
        for copy, final in restored:
            self.files.rename(copy, final)
        finals = dict(self.copies)
        result.databases = [finals.get(path, path) for path in result.databases]
        return result

    def _content(self, path: Path) -> bytes | None:
        if not self.files.exists(path):
            return None
        with self.files.open(path) as file:
            return file.read(0, file.size())

    def _remove(self, path: Path) -> None:
        if self.files.exists(path):
            self.files.remove(path)

    def _take_back(self, before: dict[Path, set[str]], checkpoint: Path, saved: bytes | None) -> None:
        """Remove the copies, and what was made in the folders of logs and checkpoint; put the old checkpoint back."""
        steps: list[Callable[[], None]] = [partial(self._remove, copy) for copy, _ in self.copies]
        for folder, names in before.items():
            base = self.found.base.casefold()
            made = [name for name in self.files.names(folder) if name not in names and name.casefold().startswith(base)]
            steps += [partial(self._remove, folder / name) for name in made]
        if saved is not None:
            steps.append(partial(self._put_back, checkpoint, saved))
        for step in steps:
            try:
                step()
            except JetError as problem:
                events.warning("cleaning up after a failed restore: %s", problem)

    def _put_back(self, path: Path, content: bytes) -> None:
        with self.files.open(path, writable=True, create=True) as file:
            file.write(0, content)
            file.truncate(len(content))
            file.sync()


def _native(original: str) -> Path:
    """The path a database had, if it is one of this system. JET_errInvalidPath if not: then a destination is needed."""
    if os.name == "posix" and not original.startswith("/"):
        raise jet_error(
            codes.JET_errInvalidPath, "the database cannot go back to where it was; a destination is needed", file=original
        )
    return absolute(original)


def require_clean(path: Path, files: FileSystem) -> None:
    """Recovery is over, so the database has to be clean; JET_errDatabaseDirtyShutdown if it is not."""
    with DatabaseFile(path, files=files) as database:
        if not database.header.is_clean:
            raise jet_error(codes.JET_errDatabaseDirtyShutdown, "the restored database did not become clean", file=path)


def copy_file(source: Path, target: Path, files: FileSystem) -> None:
    """Copy a file; on stable storage when this returns."""
    with files.open(source) as reader, files.open(target, writable=True, create=True) as writer:
        offset = 0
        while data := reader.read(offset, COPY_BYTES):
            writer.write(offset, data)
            offset += len(data)
        writer.truncate(offset)
        writer.sync()
