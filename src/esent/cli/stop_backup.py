"""`esent stop-backup`: stops a directory backup that another process takes."""

from __future__ import annotations

import time
from pathlib import Path

import click

from esent.backup.directory import WORK, stop_request
from esent.cli.console import json_option, print_json
from esent.pages.filesystem import FILES

_LOOK_EVERY = 0.02  # seconds


@click.command("stop-backup", short_help="Stop the backup that another process writes to a directory.")
@click.argument("destination", type=click.Path(file_okay=False, path_type=Path), metavar="DEST")
@click.option("--wait", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Seconds to wait for it to end.")
@json_option
def command(destination: Path, wait: float, as_json: bool) -> None:
    """Stop the backup that another process, `esent backup` or a program, writes to the directory DEST.

    It fails with JET_errBackupAbortByServer at its next step and removes what it made; a set that was in DEST before stays.
    The exit status is 1 where no backup into DEST is under way, or it ended before it could be stopped.
    """
    outcome = _stop(destination.absolute(), wait)
    if as_json:
        print_json({"destination": str(destination), "stopped": outcome is None, "reason": outcome})
    elif outcome is None:
        click.echo(f"stopped the backup into {destination}")
    else:
        click.echo(f"esent: {outcome}", err=True)
    if outcome is not None:
        raise SystemExit(1)


def _stop(destination: Path, wait: float) -> str | None:
    """None when it was stopped, else why not."""
    work, request = destination / WORK, stop_request(destination)
    if not FILES.exists(work):
        return f"no backup into {destination} is under way"
    with FILES.open(request, writable=True, create=True):
        pass
    give_up = time.monotonic() + wait
    while FILES.exists(work) and time.monotonic() < give_up:
        time.sleep(_LOOK_EVERY)
    taken = not FILES.exists(request)
    if not taken:
        FILES.remove(request)
    if FILES.exists(work):
        return f"the backup into {destination} did not end within {wait:g} s; the process that began it may be gone"
    return None if taken else f"the backup into {destination} had ended before it could be stopped"


__all__ = ["command"]
