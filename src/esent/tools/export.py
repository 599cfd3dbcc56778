"""The tables of one database to files: what goes where, what was lost on the way.

`TableReport.damage` has the losses (`catalog/salvage.py`) that belong to the table; `lost` is true where rows may be missing,
and not only the pages that led to them.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from esent.catalog.column_scan import BATCH_ROWS
from esent.catalog.objects import Table
from esent.catalog.salvage import Salvage
from esent.catalog.schema import Catalog
from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.records.columnar import ColumnBatch
from esent.records.columns import Coltyp
from esent.tools.arrow import unique_names
from esent.tools.export_files import EXTENSIONS, NEED_ARROW, SqliteFile, Writer, open_writer
from esent.tools.selection import Selection
from esent.tools.where import Condition, ConditionError
from esent.tree.source import PageSource

_HASH_STEP = 1 << 20
_ROWS_AS_VALUES = 4096


@dataclass(slots=True)
class Options:
    """What is wanted of every database. `tables`: these (each of which some database must have), else all of the user's."""

    form: str
    tables: list[str] | None = None
    columns: list[str] | None = None
    where: str | None = None
    system: bool = False
    dirty: bool = False
    null: str = ""
    log_directory: Path | None = None

    @property
    def batch_rows(self) -> int:
        """Rows that are in memory at once: more of them make larger row groups, fewer are quicker as Python values."""
        return BATCH_ROWS if self.form in NEED_ARROW else _ROWS_AS_VALUES


@dataclass(slots=True)
class TableReport:
    """What came of one table. `file`: where its rows are, in the folder of the source; None where there is none."""

    name: str
    file: str | None = None
    rows: int = 0
    odd_values: int = 0
    columns: list[dict[str, Any]] = field(default_factory=list)
    damage: list[dict[str, Any]] = field(default_factory=list)
    lost: bool = False
    error: str | None = None


class CountingSource:
    """A page source that tells how much was read of it."""

    def __init__(self, source: PageSource, advance: Callable[[int], None]) -> None:
        self._source = source
        self._advance = advance
        self.page_size = source.page_size
        self._read = source.read_page

    def read_page(self, pgno: int) -> bytes:
        self._advance(self.page_size)
        return self._read(pgno)


def chosen_tables(catalog: Catalog, options: Options) -> list[str]:
    """The names of the tables that are wanted and there."""
    if options.tables is not None:
        wanted = {name.upper() for name in options.tables}
        return [name for name in catalog.names() if name.upper() in wanted]
    return [name for name in catalog.names() if options.system or not catalog.is_system(name)]


def export_tables(
    source: PageSource, salvage: Salvage, options: Options, folder: Path, report: Callable[[TableReport], None]
) -> None:
    """Write the tables of a database to files in `folder`, named by numbers, and `report` each.

    `source` gives the pages of the file that `salvage` is of.

    What is wrong with a table is told in its report. OSError, sqlite3.Error where writing fails.
    """
    condition = None if options.where is None else Condition(options.where)
    catalog = salvage.catalog
    with contextlib.ExitStack() as stack:
        shared = None
        if options.form == "sqlite":
            shared = SqliteFile(folder / "tables.sqlite")
            stack.callback(shared.close)
        for number, name in enumerate(chosen_tables(catalog, options)):
            found = TableReport(name)
            path = folder / f"{number}.{EXTENSIONS[options.form]}"
            try:
                _export(source, salvage, catalog.table(name), options, condition, shared, path, found)
                found.file = path.name if shared is None else "tables.sqlite"
            except JetError as problem:
                found.error = str(problem)
            except ConditionError as problem:
                found.error = f"the condition does not fit this table: {problem}"
            except ValueError as problem:
                found.error = str(problem)
            if found.error is not None:
                path.unlink(missing_ok=True)
            catalog.forget(name)
            losses = [loss for loss in salvage.losses if loss.table == name]
            found.damage = [loss.as_json() for loss in losses]
            found.lost = any(not loss.complete for loss in losses)
            report(found)


def _export(
    source: PageSource,
    salvage: Salvage,
    table: Table,
    options: Options,
    condition: Condition | None,
    shared: SqliteFile | None,
    path: Path,
    found: TableReport,
) -> None:
    names = options.columns
    if names is not None:
        there = {column.name.upper() for column in table.columns}
        names = [name for name in names if name.upper() in there]
        if not names:
            raise jet_error(codes.JET_errColumnNotFound, f"table {table.name} has none of the columns")
    selection = Selection(table, names, condition)
    found.columns = [
        {
            "name": name,
            "type": Coltyp(column.coltyp).name,
            "columnid": column.columnid,
            "code_page": column.code_page,
            "multi_valued": column.is_multivalued,
        }
        for name, column in zip(unique_names(selection.columns), selection.columns, strict=True)
    ]
    writer: Writer
    if shared is not None:
        writer = shared.table(table.name, selection.columns)
    else:
        writer = open_writer(options.form, path, table.name, selection.columns, null=options.null)
    with contextlib.closing(writer):
        for batch, chosen in selection.batches(source, batch_rows=options.batch_rows, salvage=salvage):
            found.rows += writer.write(batch, chosen)
            found.odd_values += len(_odd_of(batch, chosen))


def _odd_of(batch: ColumnBatch, chosen: list[bool] | None) -> list[object]:
    return [odd for odd in batch.odd if chosen is None or chosen[odd.row]]


def file_digest(path: Path, advance: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    for piece in _pieces(path):
        digest.update(piece)
        if advance is not None:
            advance(len(piece))
    return digest.hexdigest()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_HASH_STEP):
            yield piece
