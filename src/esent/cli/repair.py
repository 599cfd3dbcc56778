"""`esent repair`: a new database with everything that can be kept of a damaged one."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from esent.api.progress import progress
from esent.api.repair import repair
from esent.cli.console import json_option, print_json
from esent.errors import JetError
from esent.tools.repair import RepairReport

SHOWN_LOSSES = 40


@click.command("repair", short_help="Save what can be kept of a damaged database.")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--to", "destination", required=True, type=click.Path(path_type=Path), metavar="NEW", help="The new database.")
@click.option("--logs", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Where the logs of FILE are.")
@click.option("--page-size", type=int, help="What FILE is known to have; counts where its headers are lost.")
@json_option
def command(source: Path, destination: Path, logs: Path | None, page_size: int | None, as_json: bool) -> None:
    """Keep everything that can be kept of the damaged database FILE in the new database NEW.

    FILE is not changed. A dirty one is taken as of its last commit if its logs are there and can be replayed, otherwise as it
    is. The report names everything lost by table and page. Exit status: 0 nothing is lost, 1 something is, 2 it could not be
    done; then there is no NEW.
    """
    try:
        with progress(f"repairing {source.name}", quiet=as_json) as advance:
            report = repair(source, destination, log_directory=logs, page_size=page_size, progress=advance)
    except JetError as problem:
        click.echo(f"esent: {problem}", err=True)
        raise SystemExit(2) from problem
    if as_json:
        print_json(report.as_json())
    else:
        _print(report)
    if not report.ok:
        raise SystemExit(1)


def _print(report: RepairReport) -> None:
    console = Console(width=None if Console().is_terminal else 10_000)
    grid = Grid("table", "rows", "left over", "values lost", "indexes", box=None, pad_edge=False)
    for table in report.tables:
        indexes = ", ".join(f"{name} {done}" for name, done in table.indexes.items() if table.whole is False)
        grid.add_row(
            escape(table.name), str(table.rows), str(table.left_over or ""), str(table.values_lost or ""), escape(indexes)
        )
    console.print(grid)
    for loss in report.losses[:SHOWN_LOSSES]:
        click.echo(str(loss))
    rest = len(report.losses) - SHOWN_LOSSES + report.losses.suppressed
    if rest > 0:
        click.echo(f"... and {rest} more (--json lists them)")
    if report.lost_and_found:
        click.echo(f"{report.left_over} records and pieces without a place are in the table {report.lost_and_found}")
    bad = f"{len(report.bad_pages)} of {report.pages} pages are damaged" if report.bad_pages else "no page is damaged"
    if not report.verified:
        click.echo(f"{report.destination.name} does not verify: what is stored contradicts itself; see esent verify")
    end = "nothing is lost" if report.ok else "see above for what is lost"
    click.echo(f"{report.source.name}: {bad}; {report.destination}: {end}")
