"""`esent restore`: databases of a backup directory, put back and made clean."""

from __future__ import annotations

from pathlib import Path

import click

from esent.api.restore import restore
from esent.cli.console import json_option, print_json
from esent.tools.verify import verify_database


@click.command("restore", short_help="Put the databases of a backup back.")
@click.argument("backup", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("destination", type=click.Path(file_okay=False, path_type=Path), metavar="DEST")
@click.option(
    "--logs", type=click.Path(file_okay=False, path_type=Path), help="Directory for logs and checkpoint.  [default: DEST]"
)
@click.option("--base", help="Base name of the log files, where BACKUP has logs of several streams.")
@click.option("--no-verify", is_flag=True, help="Do not read every page of the restored databases.")
@json_option
def command(backup: Path, destination: Path, logs: Path | None, base: str | None, no_verify: bool, as_json: bool) -> None:
    """Restore the databases of the set in the directory BACKUP into the directory DEST, and verify them.

    The copies are recovered with the logs of the set, and with logs in DEST (or --logs) that continue it. The set is not
    changed; a database already in DEST is replaced only when its successor is clean.
    """
    result = restore(backup, destination, log_directory=logs, base_name=base)
    reports = [] if no_verify else [(path, verify_database(path)) for path in result.databases]
    bad = [path for path, report in reports if not report.ok]
    if as_json:
        print_json(
            {
                "databases": [str(path) for path in result.databases],
                "generations": [result.first_generation, result.last_generation],
                "records": result.records,
                "transactions_rolled_back": result.transactions_rolled_back,
                "verified": None if no_verify else not bad,
                "notes": result.notes,
            }
        )
    else:
        for path in result.databases:
            state = "" if no_verify else ": damaged" if path in bad else ": clean, every page verified"
            click.echo(f"restored {path}{state}")
        click.echo(f"replayed {result.records} log records, generations {result.first_generation} to {result.last_generation}")
        for note in result.notes:
            click.echo(note)
    if bad:
        raise SystemExit(1)
