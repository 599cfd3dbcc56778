"""`esent defrag`: a database into a new file without the space it wastes."""

from __future__ import annotations

from pathlib import Path

import click

from esent.api.progress import human_size
from esent.cli.console import json_option, print_json
from esent.tools.compact import compact_file
from esent.tools.verify import verify_database


@click.command("defrag", short_help="Write a compact copy of a database.")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.argument("destination", type=click.Path(path_type=Path), metavar="NEW")
@click.option("--format-version", type=int, metavar="EFV", help="Engine format version of NEW, as 9180; else that of FILE.")
@click.option("--no-verify", is_flag=True, help="Do not read every page of the new file.")
@json_option
def command(source: Path, destination: Path, format_version: int | None, no_verify: bool, as_json: bool) -> None:
    """Copy the clean database FILE into the new file NEW, every tree in order and without free pages.

    FILE is not changed. It must not be in use; a dirty one wants `esent recover` first.
    """
    compact_file(source, destination, engine_format=format_version)
    ok = no_verify or verify_database(destination).ok
    before, after = source.stat().st_size, destination.stat().st_size
    if as_json:
        print_json(
            {"file": str(destination), "bytes_before": before, "bytes_after": after, "verified": None if no_verify else ok}
        )
    else:
        state = "" if no_verify else ", every page verified" if ok else ": damaged"
        click.echo(f"{destination}: {human_size(before)} before, {human_size(after)} now{state}")
    if not ok:
        raise SystemExit(1)
