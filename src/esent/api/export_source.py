"""One database of an export: opened, read, written to a folder of its own, described. Runs in any process."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from esent.api.reading import ReadOnlyDatabase
from esent.catalog.salvage import Salvage
from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.log.files import detect_bases, find_name, list_generations, log_name
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FILES
from esent.pages.header import DatabaseHeader, DatabaseState
from esent.recovery.options import RecoveryResult
from esent.tools.export import CountingSource, Options, TableReport, export_tables, file_digest
from esent.tools.info import STATES

Told = Callable[[int], None]
"""Told how many more bytes are done."""


@dataclass(slots=True)
class SourceReport:
    """What came of one database. `sha256` and `bytes` of its outputs by the name of the file in its folder."""

    path: Path
    size: int = 0
    sha256: str | None = None
    header: dict[str, Any] = field(default_factory=dict)
    replayed: dict[str, Any] | None = None
    damage: list[dict[str, Any]] = field(default_factory=list)  # of what is no table's: headers, catalog, logs
    lost: bool = False
    tables: list[TableReport] = field(default_factory=list)
    outputs: dict[str, tuple[int, str]] = field(default_factory=dict)
    error: str | None = None
    changed: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether everything that was asked for is there."""
        wrong = self.error or self.lost or self.changed
        return not wrong and not any(table.error or table.lost for table in self.tables)


def export_source(path: Path, folder: Path, options: Options, told: Told = lambda count: None) -> SourceReport:
    """Export the tables of the database `path` to files in `folder`, which is made.

    What is wrong with the database is told in the report; what is wrong with the disk written to raises OSError, and whatever
    the file is read with is closed before that.
    """
    found = SourceReport(path)
    if FILES.exists(folder):
        FILES.remove_tree(folder)  # of a process that died over this database
    FILES.make_directory(folder)
    try:
        before = _state(path)
        found.size = before[0]
        found.sha256 = file_digest(path, told)
    except OSError as problem:
        found.error = f"{problem.strerror or problem} (file {path})"
        return found
    try:
        _export(path, folder, options, told, found)
        found.changed = not path.exists() or _state(path) != before
    except JetError as problem:
        found.error = str(problem)
        if problem.code == codes.JET_errDatabaseDirtyShutdown:
            found.error += "; --logs tells where its logs are, --dirty exports it as it is"
    except sqlite3.Error as problem:
        raise OSError(f"writing {folder}: {problem}") from problem
    for file in sorted(folder.iterdir()):
        found.outputs[file.name] = (file.stat().st_size, file_digest(file))
    return found


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _export(path: Path, folder: Path, options: Options, told: Told, found: SourceReport) -> None:
    with _opened(path, options, found) as salvage:
        export_tables(CountingSource(salvage.file, told), salvage, options, folder, found.tables.append)
        names = {table.name for table in found.tables}
        losses = [loss for loss in salvage.losses if loss.table not in names]
        found.damage = [loss.as_json() for loss in losses]
        found.lost = bool(salvage.losses.suppressed) or any(not loss.complete for loss in losses)


@contextlib.contextmanager
def _opened(path: Path, options: Options, found: SourceReport) -> Iterator[Salvage]:
    with DatabaseFile(path, infer=True) as file:
        found.header = _about(file.header)
        if file.header_damage is not None:
            found.header["state"] = "unknown, the headers are damaged"
        dirty = file.header_damage is None and file.header.dbstate == DatabaseState.DIRTY_SHUTDOWN
        if not dirty or options.dirty:
            if file.header_damage is None and not file.header.is_clean and not options.dirty:
                what = f"exporting a database whose state is: {found.header['state']}"
                raise jet_error(codes.JET_errDatabaseDirtyShutdown, what, file=path)
            yield Salvage(file)
            return
    with ReadOnlyDatabase(path, log_directory=options.log_directory) as database:
        if database.replayed is not None:
            found.replayed = _about_logs(database.log_directory or path.parent, database.replayed)
        yield Salvage(database.source)


def _about(header: DatabaseHeader) -> dict[str, Any]:
    state = STATES.get(DatabaseState(header.dbstate)) if header.dbstate in STATES else None
    return {
        "state": state or f"unknown ({header.dbstate})",
        "page_size": header.page_size,
        "format": f"{header.version:#x},{header.update_major},{header.update_minor}",
        "signature": str(header.sign_db),
        "log_signature": str(header.sign_log),
    }


def _about_logs(folder: Path, replayed: RecoveryResult) -> dict[str, Any]:
    """Which logs were replayed in temporary files, with their hashes, as the result depends on them."""
    logs = []
    for base in detect_bases(FILES.names(folder)):
        numbered = list_generations(folder, base)
        paths = [numbered[each] for each in sorted(numbered) if replayed.first_generation <= each <= replayed.last_generation]
        current = find_name(folder, log_name(base))
        for each in [*paths, *([current] if current else [])]:
            with contextlib.suppress(OSError):
                logs.append({"file": each.name, "size": os.path.getsize(each), "sha256": file_digest(each)})  # noqa: PTH202
    return {
        "first_generation": replayed.first_generation,
        "last_generation": replayed.last_generation,
        "transactions_rolled_back": replayed.transactions_rolled_back,
        "notes": list(replayed.notes),
        "logs": logs,
    }
