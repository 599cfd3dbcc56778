"""`open_read_only`: a database as of its last commit, its files not touched."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from esent.api.reading_table import ReadOnlyTable
from esent.catalog.objects import Table
from esent.catalog.schema import Catalog
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.header import DatabaseState

if TYPE_CHECKING:
    from esent.pages.overlay import OverlayFileSystem
    from esent.recovery.options import RecoveryResult

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
        self.log_directory = Path(log_directory).absolute() if log_directory else None
        self.replayed: RecoveryResult | None = None
        self._overlay: OverlayFileSystem | None = None
        self.source = DatabaseFile(self.path, files=files)
        header = self.source.header
        # another value once the database has been written to
        self.stamp: tuple[object, ...] = (header.sign_db.pack(), header.dbtime_dirtied, self.source.page_count)
        if header.dbstate == DatabaseState.DIRTY_SHUTDOWN:
            from esent.api.replay import replay  # recovery is a large part of this package, and rarely needed

            self.source.close()
            logs = self.log_directory or self.path.parent
            self._overlay, self.replayed = replay(self.path, header, logs, files)
            self.source = DatabaseFile(self.path, files=self._overlay)
        self._catalog: Catalog | None = None

    def __enter__(self) -> ReadOnlyDatabase:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (self.path, self.log_directory)

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
        return ReadOnlyTable(self.source, self.catalog.table(name), self)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.upper() in {each.upper() for each in self.catalog.names()}

    def table(self, name: str) -> Table:
        """The definition of a table; JET_errObjectNotFound."""
        return self.catalog.table(name)

    def dump(self, tables: Iterable[str] | None = None, *, system: bool = False, entries: bool = False) -> Iterator[str]:
        """Every row of every table as JSON lines (`esent.tools.dump`)."""
        from esent.tools.dump import dump

        return dump(self.source, tables, system=system, entries=entries)


def _opened(path: Path, log_directory: Path | None) -> ReadOnlyDatabase:
    return ReadOnlyDatabase(path, log_directory=log_directory)
