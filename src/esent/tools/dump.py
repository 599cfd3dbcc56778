"""Everything that is in a database, as JSON lines: tables with their definitions, rows, counts and indexes.

One JSON value a line, ASCII only, tables in byte order of their names. Of each table, in this order:

| line                                                            | what                                                    |
|-----------------------------------------------------------------|---------------------------------------------------------|
| {"table", "grbit", "flags", "template", "columns", "indexes"}   | definition, as the information calls of the API give it |
| {"table", "error": code}                                        | a table whose definition is damaged                     |
| {"t", "bm": bookmark, "r": {column: value}, "d": [columns]}     | a row; NULL is left out, "d" names tagged defaults      |
| {"t", "bm", "error": code}                                      | a record that is not one                                |
| {"t", "scanerror": code, "page": number}                        | the rows cannot be read further; "page" when salvaging   |
| {"t", "rows": n}                                                | count                                                   |
| {"t", "ix": index, "k": key, "bm": bookmark}                    | an entry, if asked for                                  |
| {"t", "ix", "entries": n, "sha256": over the lines KEY|BOOKMARK} | of each index but the primary one                       |
| {"t", "ix", "scanerror": code, "page": number}                  | the index cannot be read further                        |
| {"losses": [...]}                                               | when salvaging: all that could not be read, if anything  |

The dump streams: memory does not grow with the database.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any

from esent.catalog.objects import LCID_DEFAULT, Index, Table
from esent.catalog.salvage import Salvage
from esent.catalog.schema import Catalog
from esent.constants import codes, grbits
from esent.errors import JetError, jet_error
from esent.pages.database_file import DatabaseFile
from esent.pages.header import DatabaseState
from esent.tools.dump_lines import RowLines, entry_lines, entry_text
from esent.tree.cursor import Tree
from esent.tree.long_values import LongValues
from esent.tree.salvage import Entry, SalvagedTree
from esent.tree.source import PageSource

_DEFAULT = ',"default":"%s"'
_LONG_VALUE_PAGES_KEPT = 32
_OBJECT_GRBIT = grbits.JET_bitTableInfoBookmark | grbits.JET_bitTableInfoRollback


def dump(
    source: PageSource | str | os.PathLike[str],
    tables: Iterable[str] | None = None,
    *,
    system: bool = False,
    rows: bool = True,
    entries: bool = False,
    allow_dirty: bool = False,
    salvage: bool | Salvage = False,
) -> Iterator[str]:
    """The lines of a dump, without line ends.

    `source`: a path, opened for reading only, or a page source. `tables`: just these; else all, those of the system only if
    `system`. `rows` False leaves out rows and their counts, `entries` adds every index entry. A database that was not closed
    well is refused with JET_errDatabaseDirtyShutdown unless `allow_dirty`. `salvage` goes on behind damage, of the headers and
    the catalog too: all rows that can be found, a scanerror for each page that could not be followed, and at the end all
    losses. It wants a path, or a `DatabaseFile`; or is the salvage of `source` that is under way.

    Raises JET_errObjectNotFound for a name that is none, and what reading header and catalog raises; damage further down
    becomes lines.
    """
    if isinstance(source, str | os.PathLike):
        with DatabaseFile(source, infer=bool(salvage)) as file:
            if not allow_dirty and file.header_damage is None and file.header.dbstate != DatabaseState.CLEAN_SHUTDOWN:
                raise jet_error(codes.JET_errDatabaseDirtyShutdown, "dumping a database", file=Path(source))
            yield from _dump(file, tables, system, rows, entries, Salvage(file) if salvage is True else None)
        return
    if salvage is True:
        if not isinstance(source, DatabaseFile):
            raise jet_error(codes.JET_errInvalidParameter, "salvaging what is not a file")
        salvage = Salvage(source)
    yield from _dump(source, tables, system, rows, entries, salvage or None)


def _dump(
    source: PageSource, names: Iterable[str] | None, system: bool, rows: bool, entries: bool, salvage: Salvage | None
) -> Iterator[str]:
    catalog = Catalog.load(source) if salvage is None else salvage.catalog
    if names is None:
        chosen = [name for name in catalog.names() if system or not catalog.is_system(name)]
    else:
        chosen = sorted(catalog.table(name).name for name in names)
    for name in chosen:
        try:
            table = catalog.table(name)
        except JetError as problem:
            yield f'{{"table":{quoted(name)},"error":{problem.code}}}'
            continue
        yield table_line(table)
        if rows:
            yield from _rows(source, table, salvage)
        for index in table.indexes:
            if not index.is_primary:
                yield from _index(source, table, index, entries, salvage)
        catalog.forget(name)
    if salvage is not None and salvage.losses:
        yield _json({"losses": [loss.as_json() for loss in salvage.losses]})


def table_line(table: Table) -> str:
    """The definition of a table as JetGetObjectInfo, JetGetTableColumnInfo and JetGetTableIndexInfo give it."""
    columns = []
    for column in table.columns:
        default = column.default_value()
        columns.append(
            f'{{"name":{quoted(column.name)},"id":{column.columnid},"coltyp":{column.coltyp:d},"cbmax":{column.max_size},'
            f'"grbit":"{column.grbit:#x}","cp":{column.code_page}'
            f"{'' if default is None else _DEFAULT % default.hex()}}}"
        )
    indexes = [_json(_index_definition(table, index)) for index in table.indexes]
    return (
        f'{{"table":{quoted(table.name)},"grbit":"{_OBJECT_GRBIT:#x}","flags":"{table.flags:#x}",'
        f'"template":{json.dumps(table.template_name)},"columns":[{",".join(columns)}],"indexes":[{",".join(indexes)}]}}'
    )


def _index_definition(table: Table, index: Index) -> dict[str, Any]:
    key = []
    for segment in index.segments:
        column = table.segment_column(segment)
        key.append(("-" if segment.descending else "+") + (column.name if column else f"{segment.columnid:#x}"))
    return {
        "name": index.name,
        "grbit": hex(index.grbit),
        "lcid": LCID_DEFAULT,
        "lcmap": hex(index.shown_lcmap),
        "varsegmac": index.key_most if index.variable_segment_most is None else index.variable_segment_most,
        "keymost": index.key_most,
        "locale": index.locale,
        "key": key,
    }


def _batches(tree: Tree) -> Iterator[list[Entry] | str]:
    """The entries of a tree leaf by leaf; for one that cannot be reached what a line says of it, and only when salvaging more
    after it."""
    if isinstance(tree, SalvagedTree):
        yield from _salvaged(tree)
        return
    try:
        for page in tree.leaves():
            yield page.entries()
    except JetError as problem:
        yield f'"scanerror":{problem.code}}}'


def _salvaged(tree: SalvagedTree) -> Iterator[list[Entry] | str]:
    told = len(tree.damages)
    for batch in tree.batches():
        for damage in tree.damages[told:]:
            yield f'"scanerror":{damage.error.code},"page":{damage.page}}}'
        told = len(tree.damages)
        yield batch.entries
    for damage in tree.damages[told:]:
        yield f'"scanerror":{damage.error.code},"page":{damage.page}}}'


def _rows(source: PageSource, table: Table, salvage: Salvage | None) -> Iterator[str]:
    count = 0
    name = quoted(table.name)
    if salvage is None:
        long_values = LongValues(source, table.long_value_root, table.long_value_objid, keep=_LONG_VALUE_PAGES_KEPT)
        tree = Tree(source, table.root, table.objid)
    else:
        long_values, tree = salvage.long_values(table, keep=_LONG_VALUE_PAGES_KEPT), salvage.rows(table)
    maker = RowLines(table.name, table.columns, table.plan(source.page_size), long_values)
    for batch in _batches(tree):
        if isinstance(batch, str):
            yield f'{{"t":{name},{batch}'
            continue
        lines = maker.lines(batch)
        count += len(lines)
        yield from lines
    yield f'{{"t":{name},"rows":{count}}}'


def _index(source: PageSource, table: Table, index: Index, entries: bool, salvage: Salvage | None) -> Iterator[str]:
    start = f'{{"t":{quoted(table.name)},"ix":{quoted(index.name)},'
    total = 0
    digest = hashlib.sha256()
    errors = []
    tree = Tree(source, index.root, index.objid) if salvage is None else salvage.index(table, index)
    for batch in _batches(tree):
        if isinstance(batch, str):
            errors.append(batch)
            continue
        if entries:
            yield from entry_lines(start, batch)
        count, text = entry_text(batch)
        total += count
        digest.update(text)
    yield f'{start}"entries":{total},"sha256":"{digest.hexdigest()}"}}'
    for error in errors:
        yield start + error


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
