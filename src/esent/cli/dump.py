"""`esent dump`: every row of every table, as JSON lines."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from esent.api.reading import ReadOnlyDatabase
from esent.catalog.salvage import Salvage
from esent.pages.database_file import DatabaseFile
from esent.tools.dump import dump
from esent.tools.info import is_log
from esent.tools.log_dump import dump_json, dump_text
from esent.tree.source import PageSource


@click.command("dump", short_help="Print every row of a database, or every record of a log, as JSON lines.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--system", is_flag=True, help="The engine's own tables too.")
@click.option("--entries", is_flag=True, help="Every entry of every secondary index too.")
@click.option("--no-rows", is_flag=True, help="Definitions and indexes only.")
@click.option("--dirty", is_flag=True, help="Dump a database that was not closed well as it is, without its logs.")
@click.option("--salvage", is_flag=True, help="Go on behind damage: everything that can be found, and at the end what is lost.")
@click.option("--json", "as_json", is_flag=True, help="Of a log: JSON lines too. A database always gives them.")
def command(
    file: Path, tables: tuple[str, ...], system: bool, entries: bool, no_rows: bool, dirty: bool, salvage: bool, as_json: bool
) -> None:
    """Print a database as JSON lines: each table's definition, every row with every column, counts, indexes; a log record by
    record.

    A dirty database with its logs beside it is shown as of its last commit. FILE is never written to. The exit status is 1 if
    a value, a row or an index could not be read; its line says so.
    """
    if not salvage and is_log(file):
        for line in dump_json(file) if as_json else dump_text(file):
            sys.stdout.write(line + "\n")
        return
    damaged = 0
    with DatabaseFile(file, infer=salvage) if dirty else ReadOnlyDatabase(file, salvage=salvage) as database:
        mode: bool | Salvage = salvage
        if isinstance(database, ReadOnlyDatabase):
            _say_what_was_replayed(database)
            source: PageSource = database.source
            mode = database.salvage or False
        else:
            source = database
        for line in dump(source, tables or None, system=system, rows=not no_rows, entries=entries, salvage=mode):
            sys.stdout.write(line + "\n")
            # a column may be named so too: only a line that may report damage is worth the parsing
            damaged += ('error":' in line or '"losses":' in line) and _reports_damage(json.loads(line))
    if damaged:
        hint = "" if salvage else "; --salvage goes on behind damage"
        click.echo(f"esent: damage is told of in {damaged} line{'s' if damaged > 1 else ''}{hint}", err=True)
        raise SystemExit(1)


def _say_what_was_replayed(database: ReadOnlyDatabase) -> None:
    if (replayed := database.replayed) is not None:
        click.echo(
            f"{database.path.name} is dirty: shown as of its last commit, generations {replayed.first_generation} to "
            f"{replayed.last_generation} of its logs replayed in temporary files",
            err=True,
        )


def _reports_damage(line: dict[str, Any]) -> bool:
    values = line.get("r", {}).values()
    lost = any(not loss["complete"] for loss in line.get("losses", ()))
    return lost or "error" in line or "scanerror" in line or any(_is_error(value) for value in values)


def _is_error(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_is_error, value))
    return isinstance(value, dict) and "error" in value
