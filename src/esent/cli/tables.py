"""`esent tables`: what tables a database has, with their columns and indexes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from esent.api.reading_table import ReadOnlyTable
from esent.catalog.objects import Index, Table
from esent.catalog.salvage import Salvage
from esent.catalog.schema import Catalog
from esent.cli.console import json_option, print_json
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.records.columns import Coltyp, Column
from esent.tools.known import KnownNames
from esent.tree.source import PageSource
from esent.tree.space import owned_extents


@click.command("tables", short_help="List tables, columns and indexes.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--system", is_flag=True, help="The engine's own tables too.")
@click.option("--columns", "details", is_flag=True, help="Each table's columns and indexes too.")
@click.option("--salvage", is_flag=True, help="Of a damaged file those that can be found; what is lost is told.")
@json_option
def command(file: Path, system: bool, details: bool, salvage: bool, as_json: bool) -> None:
    """List the tables of FILE, which is never written to and may be dirty."""
    with DatabaseFile(file, infer=salvage) as source:
        saved = Salvage(source) if salvage else None
        catalog = Catalog.load(source) if saved is None else saved.catalog
        tables = [catalog.table(name) for name in catalog.names() if system or not catalog.is_system(name)]
        shown = [(table, _owned_pages(source, table)) for table in tables]
        titles = _titles(source, catalog, tables, columns=details or as_json)
    for loss in saved.losses if saved is not None else ():
        click.echo(str(loss), err=True)
    if as_json:
        print_json([_as_json(table, pages, titles) for table, pages in shown])
        return
    # wide enough for any name: a pipe has no width, and a name cut short would be useless
    console = Console(width=None if Console().is_terminal else 10_000)
    grid = Grid("table", "object", "columns", "indexes", "pages", "template", "title", box=None, pad_edge=False)
    for table, pages in shown:
        counts = [str(table.objid), str(len(table.columns)), str(len(table.indexes)), "?" if pages is None else str(pages)]
        title = titles.get((table.name, ""), "")
        grid.add_row(escape(table.name), *counts, escape(table.template_name or ""), escape(title))
    console.print(grid)
    if details:
        for table, _ in shown:
            _print_details(console, table, titles)


def _titles(source: PageSource, catalog: Catalog, tables: list[Table], *, columns: bool) -> dict[tuple[str, str], str]:
    """What the application calls the tables (column "") and columns, as far as that is known."""

    def read(table: str, names: Sequence[str], index: str | None) -> Iterator[tuple[Any, ...]]:
        return ReadOnlyTable(source, catalog.table(table)).index(index).rows(names)

    known = KnownNames([table.name for table in tables if not table.is_system], read)
    found = {}
    for table in tables:
        for name in ("", *([column.name for column in table.columns] if columns else ())):
            title = known.column(table.name, name) if name else known.table(table.name)
            if title is not None:
                found[table.name, name] = title
    return found


def _owned_pages(source: PageSource, table: Table) -> int | None:
    """Pages of the table's own tree, its indexes and long values not counted; None where its space is damaged."""
    try:
        return sum(extent.pages for extent in owned_extents(source, table.root, table.objid))
    except JetError:
        return None


def _type_name(column: Column) -> str:
    name = "".join(word.capitalize() for word in Coltyp(column.coltyp).name.split("_"))
    return f"{name} {column.code_page}" if column.code_page else name


def _key(table: Table, index: Index) -> list[str]:
    parts = []
    for segment in index.segments:
        column = table.segment_column(segment)
        parts.append(("-" if segment.descending else "+") + (column.name if column else f"{segment.columnid:#x}"))
    return parts


def _print_details(console: Console, table: Table, titles: dict[tuple[str, str], str]) -> None:
    console.print(f"\n[bold]{escape(table.name)}[/bold]", highlight=False)
    grid = Grid("column", "id", "type", "size", "options", "title", box=None, pad_edge=False)
    for column in table.columns:
        size = str(column.max_size or "")
        title = escape(titles.get((table.name, column.name), ""))
        options = f"{column.grbit:#x}"
        grid.add_row(f"  {escape(column.name)}", f"{column.columnid:#x}", _type_name(column), size, options, title)
    console.print(grid)
    for index in table.indexes:
        kind = "primary" if index.is_primary else "unique" if index.is_unique else ""
        console.print(f"  index {escape(index.name)}: {escape(' '.join(_key(table, index)))} {kind}".rstrip(), highlight=False)


def _as_json(table: Table, pages: int | None, titles: dict[tuple[str, str], str]) -> dict[str, Any]:
    return {
        "name": table.name,
        "title": titles.get((table.name, "")),
        "objid": table.objid,
        "root": table.root,
        "pages": pages,
        "flags": table.flags,
        "template": table.template_name,
        "columns": [
            {
                "name": column.name,
                "title": titles.get((table.name, column.name)),
                "id": column.columnid,
                "type": _type_name(column),
                "coltyp": int(column.coltyp),
                "max_size": column.max_size,
                "code_page": column.code_page,
                "grbit": column.grbit,
            }
            for column in table.columns
        ],
        "indexes": [
            {"name": index.name, "key": _key(table, index), "primary": index.is_primary, "unique": index.is_unique}
            for index in table.indexes
        ],
    }
