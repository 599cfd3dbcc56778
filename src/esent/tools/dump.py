"""Everything that is in a database, as JSON lines: tables with their definitions, rows, counts and indexes.

One JSON value a line, ASCII only, tables in byte order of their names. Of each table, in this order:

| line                                                            | what                                                    |
|-----------------------------------------------------------------|---------------------------------------------------------|
| {"table", "grbit", "flags", "template", "columns", "indexes"}   | definition, as the information calls of the API give it |
| {"table", "error": code}                                        | a table whose definition is damaged                     |
| {"t", "bm": bookmark, "r": {column: value}, "d": [columns]}     | a row; NULL is left out, "d" names tagged defaults      |
| {"t", "bm", "error": code}                                      | a record that is not one                                |
| {"t", "scanerror": code}                                        | the rows cannot be read further                         |
| {"t", "rows": n}                                                | count                                                   |
| {"t", "ix": index, "k": key, "bm": bookmark}                    | an entry, if asked for                                  |
| {"t", "ix", "entries": n, "sha256": over the lines KEY|BOOKMARK} | of each index but the primary one                       |
| {"t", "ix", "scanerror": code}                                  | the index cannot be read further                        |

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
from esent.catalog.schema import Catalog
from esent.constants import codes, grbits
from esent.errors import JetError, jet_error
from esent.pages.database_file import DatabaseFile
from esent.pages.header import DatabaseState
from esent.pages.page import Page
from esent.tools.dump_lines import RowLines, entry_lines, entry_text
from esent.tree.cursor import Tree
from esent.tree.long_values import LongValues
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
    salvage: bool = False,
) -> Iterator[str]:
    """The lines of a dump, without line ends.

    `source`: a path, opened for reading only, or a page source. `tables`: just these; else all, those of the system only if
    `system`. `rows` False leaves out rows and their counts, `entries` adds every index entry. A database that was not closed
    well is refused with JET_errDatabaseDirtyShutdown unless `allow_dirty`. `salvage` goes on behind damage: every leaf that
    can be reached from the root of its tree, with one scanerror for each page that cannot be followed.

    Raises JET_errObjectNotFound for a name that is none, and what reading header and catalog raises; damage further down
    becomes lines.
    """
    if not isinstance(source, str | os.PathLike):
        yield from _dump(source, tables, system, rows, entries, salvage)
        return
    with DatabaseFile(source) as file:
        if not allow_dirty and file.header.dbstate != DatabaseState.CLEAN_SHUTDOWN:
            raise jet_error(codes.JET_errDatabaseDirtyShutdown, "dumping a database", file=Path(source))
        yield from _dump(file, tables, system, rows, entries, salvage)


def _dump(
    source: PageSource, names: Iterable[str] | None, system: bool, rows: bool, entries: bool, salvage: bool
) -> Iterator[str]:
    catalog = Catalog.load(source)
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


def _leaves(tree: Tree, salvage: bool) -> Iterator[Page | JetError]:
    """The leaves of a tree; where one cannot be reached its error, and only when salvaging more after it."""
    if salvage:
        yield from tree.salvage()
        return
    try:
        yield from tree.leaves()
    except JetError as problem:
        yield problem


def _rows(source: PageSource, table: Table, salvage: bool) -> Iterator[str]:
    count = 0
    name = quoted(table.name)
    long_values = LongValues(source, table.long_value_root, table.long_value_objid, keep=_LONG_VALUE_PAGES_KEPT)
    maker = RowLines(table.name, table.columns, table.plan(source.page_size), long_values)
    for page in _leaves(Tree(source, table.root, table.objid), salvage):
        if isinstance(page, JetError):
            yield f'{{"t":{name},"scanerror":{page.code}}}'
            continue
        lines = maker.lines(page.entries())
        count += len(lines)
        yield from lines
    yield f'{{"t":{name},"rows":{count}}}'


def _index(source: PageSource, table: Table, index: Index, entries: bool, salvage: bool) -> Iterator[str]:
    start = f'{{"t":{quoted(table.name)},"ix":{quoted(index.name)},'
    total = 0
    digest = hashlib.sha256()
    errors = []
    for page in _leaves(Tree(source, index.root, index.objid), salvage):
        if isinstance(page, JetError):
            errors.append(page.code)
            continue
        found = page.entries()
        if entries:
            yield from entry_lines(start, found)
        count, text = entry_text(found)
        total += count
        digest.update(text)
    yield f'{start}"entries":{total},"sha256":"{digest.hexdigest()}"}}'
    for code in errors:
        yield f'{start}"scanerror":{code}}}'


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
