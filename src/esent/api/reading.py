"""`open_read_only`: a database as of its last commit, its files not touched."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from esent.api.reading_table import ReadOnlyTable
from esent.catalog.objects import Table
from esent.catalog.schema import Catalog
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.header import DatabaseState
from esent.tree.source import PageReader

if TYPE_CHECKING:
    from esent.catalog.salvage import Loss, Salvage
    from esent.pages.overlay import OverlayFileSystem
    from esent.recovery.options import RecoveryResult
    from esent.tools.known import Application, KnownNames

PathLike = str | os.PathLike[str]
CACHE_SIZE = 16 * 2**20
FEWEST_PAGES = 64


class ReadOnlyDatabase:
    """A database opened for reading only. A dirty one is recovered with its logs in temporary files, never in its own.

    `replayed` says what that recovery did; None where the database was clean. `source` is a page source for the tools of
    this package. Close it, or use it as a context manager.

    With `salvage` damage costs what it touches and no more: what cannot be read is left out, and told in `losses`, which
    grows while the database is read.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        log_directory: PathLike | None = None,
        salvage: bool = False,
        page_size: int | None = None,
        cache_size: int = CACHE_SIZE,
        files: FileSystem = FILES,
    ) -> None:
        """Logs are looked for beside the file, or in `log_directory`.

        `salvage` reads a database whose headers are lost, too (`page_size`: what it is known to have), and a dirty one without
        its logs as it is. Without it raises JET_errDatabaseDirtyShutdown where the database is dirty and has no logs there, and
        what recovery raises. `cache_size`: bytes of pages to keep in memory for look-ups.
        """
        self.path = Path(path).absolute()
        self.log_directory = Path(log_directory).absolute() if log_directory else None
        self.replayed: RecoveryResult | None = None
        self.salvage: Salvage | None = None
        self._overlay: OverlayFileSystem | None = None
        self.source = DatabaseFile(self.path, files=files, infer=salvage, page_size=page_size)
        header = self.source.header
        # another value once the database has been written to
        self.stamp: tuple[object, ...] = (header.sign_db.pack(), header.dbtime_dirtied, self.source.page_count)
        unreplayed: JetError | None = None
        if self.source.header_damage is None and header.dbstate == DatabaseState.DIRTY_SHUTDOWN:
            from esent.api.replay import replay  # recovery is a large part of this package, and rarely needed

            self.source.close()
            logs = self.log_directory or self.path.parent
            try:
                self._overlay, self.replayed = replay(self.path, header, logs, files)
            except JetError as problem:
                if not salvage:
                    raise
                unreplayed = problem
            self.source = DatabaseFile(self.path, files=self._overlay or files, infer=salvage, page_size=page_size)
        # one for all tables and indexes, so that the whole has a limit
        self.pages = PageReader(self.source, keep=max(FEWEST_PAGES, cache_size // self.source.page_size))
        self._catalog: Catalog | None = None
        self._known: KnownNames | None = None
        if salvage:
            from esent.catalog.salvage import Loss, Salvage

            self.salvage = Salvage(self.source)
            if unreplayed is not None:
                text = f"read as it is, not as of its last commit: {unreplayed.message}"
                self.salvage.losses.add(Loss(None, "logs", None, unreplayed.code, text))

    def __enter__(self) -> ReadOnlyDatabase:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (self.path, self.log_directory, self.salvage is not None, self.source.page_size)

    def close(self) -> None:
        self.source.close()
        if self._overlay is not None:
            self._overlay.close()

    @property
    def catalog(self) -> Catalog:
        if self._catalog is None:
            self._catalog = Catalog.load(self.source) if self.salvage is None else self.salvage.catalog
        return self._catalog

    @property
    def losses(self) -> Sequence[Loss]:
        """What could not be read so far; always empty without `salvage`, where damage raises."""
        return () if self.salvage is None else self.salvage.losses

    @property
    def tables(self) -> list[str]:
        """The names of the user's tables."""
        return [name for name in self.catalog.names() if not self.catalog.is_system(name)]

    @property
    def known(self) -> KnownNames:
        """What the application that made the database calls its tables and columns."""
        if self._known is None:
            from esent.tools.known import KnownNames

            self._known = KnownNames(self.tables, lambda table, columns, index: self[table].index(index).rows(columns))
        return self._known

    @property
    def application(self) -> Application | None:
        """The application that made the database, by its tables; None where it is not known."""
        return self.known.application

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

        return dump(self.source, tables, system=system, entries=entries, salvage=self.salvage or False)


def _opened(path: Path, log_directory: Path | None, salvage: bool, page_size: int) -> ReadOnlyDatabase:
    return ReadOnlyDatabase(path, log_directory=log_directory, salvage=salvage, page_size=page_size if salvage else None)
