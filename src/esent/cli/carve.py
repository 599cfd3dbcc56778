"""`esent carve`: deleted rows that are still in a database and its logs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from esent.api.progress import progress
from esent.catalog.salvage import Salvage
from esent.log.files import LOG_EXTENSIONS
from esent.pages.database_file import DatabaseFile
from esent.tools.carve import Carver, CarveSummary


@click.command("carve", short_help="List deleted rows that are still in pages and logs.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.argument("logs", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[LOG|DIR]...")
@click.option("--table", "tables", multiple=True, metavar="NAME", help="Only rows of this table; may be given several times.")
@click.option("--raw", is_flag=True, help="The bytes of each record too, in hexadecimal.")
@click.option("--page-size", type=int, help="What FILE is known to have; counts where its headers are lost.")
def command(file: Path, logs: tuple[Path, ...], tables: tuple[str, ...], raw: bool, page_size: int | None) -> None:
    """List the deleted rows that are still present in the pages of FILE and in logs, as JSON lines; a summary goes to standard
    error.

    Live rows are not among them. A LOG may be a directory: all logs in it. Nothing is written to. Fields: table, objid,
    table_deleted, how (flagged, slack, freed page, log ...), confidence (high, medium, low), live (a row with this key is
    there), committed, page and offset, log and position, key, values.
    """
    paths = [path for each in logs for path in (_logs_in(each) if each.is_dir() else [each])]
    with (
        DatabaseFile(file, infer=True, page_size=page_size) as database,
        progress(f"carving {file.name}", quiet=not sys.stderr.isatty()) as advance,
    ):
        salvage = Salvage(database)

        def pages(done: int, total: int) -> None:
            advance(done * database.page_size, total * database.page_size)

        carver = Carver(salvage, paths, tables or None, progress=pages)
        for row in carver:
            sys.stdout.write(json.dumps(row.as_json(raw=raw), ensure_ascii=True) + "\n")
    _print(carver.summary)
    if carver.summary.problems:
        raise SystemExit(1)


def _logs_in(directory: Path) -> list[Path]:
    return sorted(path for path in directory.iterdir() if path.suffix.lower() in LOG_EXTENSIONS and path.is_file())


def _print(summary: CarveSummary) -> None:
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 10_000)
    grid = Grid("table", "how", "confidence", "rows", box=None, pad_edge=False)
    for (table, how, confidence), count in sorted(summary.counts.items()):
        grid.add_row(escape(table), how, confidence, str(count))
    if summary.counts:
        console.print(grid)
    for problem in summary.problems:
        click.echo(problem, err=True)
    click.echo(f"{summary.total} deleted rows and earlier states found", err=True)
