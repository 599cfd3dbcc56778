"""`esent export`: tables as JSON lines, CSV, Parquet, SQLite or Arrow files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from esent.api.export import export
from esent.api.progress import progress as show_progress
from esent.cli.console import json_option, print_json
from esent.tools.export_files import FORMATS
from esent.tools.where import ConditionError

_SHOWN = 20  # losses of a table that are printed; all are in the manifest


@click.command("export", short_help="Write tables as JSON lines, CSV, Parquet, SQLite or Arrow files.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--to", "form", type=click.Choice(FORMATS), required=True, help="The format.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The new folder that everything goes to.")
@click.option("--table", "tables", multiple=True, help="This table only; may be given several times.")
@click.option("--columns", help="These columns only, separated by commas.")
@click.option("--where", metavar="CONDITION", help="Rows for which a condition is true: \"Size > 1000 and Name like 'A%'\".")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Databases that are read at once.")
@click.option("--system", is_flag=True, help="The engine's own tables too.")
@click.option("--dirty", is_flag=True, help="Export a database that was not closed well as it is, without its logs.")
@click.option("--logs", "log_directory", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Where logs are.")
@click.option("--null", default="", metavar="TEXT", help="What stands for NULL in CSV.")
@click.option("--force", is_flag=True, help="Replace a former export.")
@json_option
def command(
    files: tuple[str, ...],
    form: str,
    out: Path,
    tables: tuple[str, ...],
    columns: str | None,
    where: str | None,
    jobs: int,
    system: bool,
    dirty: bool,
    log_directory: Path | None,
    null: str,
    force: bool,
    as_json: bool,
) -> None:
    """Write the tables of databases to files that other tools read. FILE is a database, a folder of them, or a pattern.

    A dirty database with its logs beside it is read as of its last commit. FILE is never written to. manifest.json in the
    folder tells what is where, where it came from, and what was lost. The exit status is 1 if anything was.
    """
    chosen = None if columns is None else [name.strip() for name in columns.split(",") if name.strip()]
    if chosen is not None and not chosen:
        raise click.UsageError("--columns names no column")
    try:
        with show_progress("exporting") as advance:
            manifest = export(
                files,
                out,
                to=form,
                tables=tables or None,
                columns=chosen,
                where=where,
                system=system,
                dirty=dirty,
                log_directory=log_directory,
                null=null,
                jobs=jobs,
                force=force,
                progress=advance,
            )
    except ConditionError as problem:
        raise click.UsageError(f"--where: {problem}") from problem
    except ImportError as problem:
        raise click.ClickException(str(problem)) from problem
    if as_json:
        print_json(manifest)
    else:
        _tell(manifest, out)
    if not manifest["whole"]:
        raise SystemExit(1)


def _tell(manifest: dict[str, Any], out: Path) -> None:
    tables = 0
    for source in manifest["sources"]:
        if source["error"]:
            click.echo(f"{source['path']}: {source['error']}", err=True)
        _tell_damage(f"{source['path']}: ", source["damage"])
        if source["changed_while_read"]:
            click.echo(f"{source['path']}: the file has changed while it was read", err=True)
        if source["replayed"]:
            click.echo(f"{source['path']} is dirty: exported as of its last commit, from its logs", err=True)
        for table in source["tables"]:
            tables += table["file"] is not None
            start = f"{source['path']}, table {table['table']}: "
            if table["error"]:
                click.echo(start + table["error"], err=True)
            _tell_damage(start, table["damage"])
    for note in manifest["notes"]:
        click.echo(note, err=True)
    rows, databases = manifest["rows"], len(manifest["sources"])
    click.echo(f"{rows} rows of {tables} tables of {databases} database{'' if databases == 1 else 's'} in {out}")


def _tell_damage(start: str, damage: list[dict[str, Any]]) -> None:
    for loss in damage[:_SHOWN]:
        page = "" if loss["page"] is None else f"page {loss['page']}, "
        end = " (nothing is lost)" if loss["complete"] else ""
        click.echo(f"{start}{page}{loss['part']}: {loss['text']}{end}", err=True)
    if len(damage) > _SHOWN:
        click.echo(f"{start}{len(damage) - _SHOWN} more, which the manifest lists", err=True)


__all__ = ["command"]
