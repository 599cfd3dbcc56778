"""`open_read_only`: a database as of its last commit, its files not touched."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from esent.api.reading_table import ReadOnlyTable
from esent.catalog.objects import Table
from esent.catalog.schema import Catalog
from esent.constants import codes, grbits
from esent.errors import JetError, jet_error
from esent.log.files import detect_bases, detect_extension, find_name, list_generations, log_name
from esent.log.header import HEADER_SIZE, LogHeader
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.header import DatabaseHeader, DatabaseState
from esent.pages.overlay import OverlayFileSystem
from esent.recovery.options import RecoveryOptions, RecoveryResult
from esent.recovery.soft import soft_recover
from esent.tools.dump import dump

PathLike = str | os.PathLike[str]


class ReadOnlyDatabase:
    """A database opened for reading only. A dirty one is recovered with its logs in temporary files, never in its own.

    `replayed` says what that recovery did; None where the database was clean. `source` is a page source for the tools of
    this package. Close it, or use it as a context manager.
    """

    def __init__(self, path: PathLike, *, log_directory: PathLike | None = None, files: FileSystem = FILES) -> None:
        """Logs are looked for beside the file, or in `log_directory`.

        Raises JET_errDatabaseDirtyShutdown where the database is dirty and has no logs there, and what recovery raises.
        """
        self.path = Path(path).absolute()
        self.replayed: RecoveryResult | None = None
        self._overlay: OverlayFileSystem | None = None
        with DatabaseFile(self.path, files=files) as database:
            header = database.header
        if header.dbstate == DatabaseState.DIRTY_SHUTDOWN:
            logs = Path(log_directory).absolute() if log_directory else self.path.parent
            self._overlay = OverlayFileSystem(files)
            try:
                self.replayed = self._replay(header, logs, self._overlay)
            except BaseException:
                self._overlay.close()
                raise
        self.source = DatabaseFile(self.path, files=self._overlay or files)
        self._catalog: Catalog | None = None

    def _replay(self, header: DatabaseHeader, logs: Path, overlay: OverlayFileSystem) -> RecoveryResult:
        base = _stream_of(header, logs, overlay)
        if base is None:
            what = "the database was not closed well, and its logs are not there"
            raise jet_error(codes.JET_errDatabaseDirtyShutdown, what, file=self.path)
        options = RecoveryOptions(log_path=logs, base=base, files=overlay, alternate_path=self.path.parent)
        # only this database is wanted; others of the stream may be anywhere
        options.grbit = grbits.JET_bitReplayIgnoreMissingDB
        return soft_recover(options)

    def __enter__(self) -> ReadOnlyDatabase:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.source.close()
        if self._overlay is not None:
            self._overlay.close()

    @property
    def catalog(self) -> Catalog:
        if self._catalog is None:
            self._catalog = Catalog.load(self.source)
        return self._catalog

    @property
    def tables(self) -> list[str]:
        """The names of the user's tables."""
        return [name for name in self.catalog.names() if not self.catalog.is_system(name)]

    def __getitem__(self, name: str) -> ReadOnlyTable:
        """A table to read rows of. JET_errObjectNotFound."""
        return ReadOnlyTable(self.source, self.catalog.table(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.upper() in {each.upper() for each in self.catalog.names()}

    def table(self, name: str) -> Table:
        """The definition of a table; JET_errObjectNotFound."""
        return self.catalog.table(name)

    def dump(self, tables: Iterable[str] | None = None, *, system: bool = False, entries: bool = False) -> Iterator[str]:
        """Every row of every table as JSON lines (`esent.tools.dump`)."""
        return dump(self.source, tables, system=system, entries=entries)


def _stream_of(header: DatabaseHeader, logs: Path, files: FileSystem) -> str | None:
    """The base name of the stream in `logs` that the database belongs to."""
    for base in detect_bases(files.names(logs)):
        extension = detect_extension(logs, base, files) or ".log"
        current = find_name(logs, log_name(base, extension=extension), files)
        paths = [*list_generations(logs, base, files, extension=extension).values(), *([current] if current else [])]
        for path in paths:
            try:
                with files.open(path) as file:
                    signature = LogHeader.parse(file.read(0, HEADER_SIZE), path).signature
            except JetError:
                continue  # another log of the stream may be readable; recovery tells what is wrong with this one
            if signature == header.sign_log:
                return base
            break
    return None
