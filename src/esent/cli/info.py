"""`esent info`: what a file is and what its header says."""

from __future__ import annotations

from pathlib import Path

import click

from esent.cli.console import aligned, json_option, print_json
from esent.tools.info import describe


@click.command("info", short_help="Say what a file is and what its header says.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def command(file: Path, as_json: bool) -> None:
    """Show what FILE is (a database, log or checkpoint) and what its header says."""
    info = describe(file)
    if as_json:
        print_json(info.as_json())
        return
    click.echo(f"{info.path}: {info.kind}\n")
    click.echo(aligned(info.summary))
