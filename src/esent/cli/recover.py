"""`esent recover`: dirty databases brought back from their logs."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import click

from esent.api.progress import progress
from esent.api.recover import recover
from esent.cli.console import json_option, print_json
from esent.pages.primitives import Lgpos


class PointInLog(click.ParamType):  # type: ignore[type-arg]
    """A log position GENERATION,SEGMENT,BYTE (hexadecimal, as dumps print it) or a time in ISO form (UTC if it has no zone)."""

    name = "TIME|LGPOS"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Lgpos | datetime.datetime:
        text = str(value)
        if match := re.fullmatch(r"([0-9A-Fa-f]+)[,:]([0-9A-Fa-f]+)[,:]([0-9A-Fa-f]+)", text):
            return Lgpos(*(int(part, 16) for part in match.groups()))
        try:
            moment = datetime.datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is neither a time nor a log position", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _mapping(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, Path] | None:
    result = {}
    for value in values:
        old, equals, new = value.partition("=")
        if not (old and equals and new):
            raise click.BadParameter(f"{value!r} is not PATH=NEWPATH")
        result[old] = Path(new)
    return result or None


@click.command("recover", short_help="Bring dirty databases back with their logs.")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
@click.option("--base", help="Base name of the logs, where DIR has several streams.")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), metavar="COPYDIR", help="Recover in this copy of DIR.")
@click.option("--in-place", is_flag=True, help="Recover in DIR although its logs name other places.")
@click.option("--database", multiple=True, callback=_mapping, metavar="PATH=NEWPATH", help="Where a database is now.")
@click.option("--until", type=PointInLog(), help="Stop there: what comes after is not replayed, nothing is undone.")
@click.option("--ignore-missing", is_flag=True, help="Go on without databases that are absent.")
@click.option("--dry-run", is_flag=True, help="Do it in a temporary copy, say what came of it, keep nothing.")
@json_option
def command(
    directory: Path,
    base: str | None,
    to: Path | None,
    in_place: bool,
    database: dict[str, Path] | None,
    until: Lgpos | datetime.datetime | None,
    ignore_missing: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring the databases in DIR to a clean state with their logs.

    Works in place where the logs say that the databases belong exactly there, otherwise on a copy (DIR.recovered). Databases
    are found by their bare names in DIR, or where --database says.
    """
    with progress(f"recovering {directory.name}", quiet=as_json) as advance:
        done = recover(
            directory,
            base_name=base,
            to=to,
            in_place=True if in_place else None,
            databases=database,
            until=until,
            ignore_missing=ignore_missing,
            dry_run=dry_run,
            progress=advance,
        )
    result = done.result
    if as_json:
        print_json(
            {
                "directory": str(done.directory),
                "base": done.base_name,
                "in_place": done.in_place,
                "dry_run": dry_run,
                "needed": result.needed,
                "stopped": done.stopped,
                "generations": [result.first_generation, result.last_generation],
                "records": result.records,
                "transactions_rolled_back": result.transactions_rolled_back,
                "pages_written": result.pages_written,
                "databases": [path.name for path in result.databases],
                "notes": result.notes,
            }
        )
        return
    if done.stopped:
        click.echo("redo stopped where you said; nothing was undone, the databases stay dirty")
    elif not result.needed:
        click.echo("nothing to recover: the logs ended well")
    else:
        click.echo(
            f"replayed {result.records} records of generations {result.first_generation} to {result.last_generation}, "
            f"rolled back {result.transactions_rolled_back} transactions, wrote {result.pages_written} pages"
        )
        for path in result.databases:
            click.echo(f"{path.name} is clean")
    for note in result.notes:
        click.echo(note)
    click.echo("nothing was kept (dry run)" if dry_run else f"the files are in {done.directory}")
