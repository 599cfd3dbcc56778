"""`esent backup`: a streaming backup of databases under an instance of their own."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import click

from esent.api.instance import Instance
from esent.api.progress import human_size
from esent.cli.console import json_option, print_json
from esent.constants import codes
from esent.errors import JetError
from esent.log.files import detect_extension, find_name, log_name
from esent.log.header import HEADER_SIZE, LogHeader
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FILES

NEW_LOG_SIZE = 1024 * 1024
INTERRUPTED = 130


@click.command("backup", short_help="Take a streaming backup of databases into a directory.")
@click.argument(
    "databases", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE..."
)
@click.argument("destination", type=click.Path(file_okay=False, path_type=Path), metavar="DEST")
@click.option("--incremental", is_flag=True, help="Add the logs written since the last backup to the full set in DEST.")
@click.option("--atomic", is_flag=True, help="Keep the previous set in DEST until the new one is whole (in DEST/new).")
@click.option(
    "--logs",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of logs and checkpoint.  [default: beside the first FILE]",
)
@click.option("--base", default="edb", show_default=True, help="Base name of the log files.")
@json_option
def command(
    databases: tuple[Path, ...], destination: Path, incremental: bool, atomic: bool, logs: Path | None, base: str, as_json: bool
) -> None:
    """Attach each FILE to an instance and stream a backup of all of them into the directory DEST.

    The instance recovers the databases first if they need it and their logs are there; it writes its logs beside the first
    FILE, where a later --incremental backup finds them. Ctrl-C stops the backup in the documented way; nothing of it is left.
    """
    directory = (logs or databases[0].parent).absolute()
    with DatabaseFile(databases[0]) as first:
        page_size = first.page_size
    log_size = _log_file_size(directory, base)
    settings = {"base_name": base, "page_size": page_size, "log_file_size": log_size}
    with Instance("esent backup", directory=directory, **settings) as instance:  # type: ignore[arg-type]
        for database in databases:
            instance.attach(database.absolute())
        backup = instance.backup(destination, incremental=incremental, atomic=atomic, progress=not as_json)
        try:
            with _stopped_by_interrupt(backup.stop):
                backup.run()
        except JetError as problem:
            if problem.code != codes.JET_errBackupAbortByServer:
                raise
            click.echo(f"stopped: {problem.name} ({problem.code}); nothing was left in {destination}", err=True)
            raise SystemExit(INTERRUPTED) from None
    if as_json:
        print_json(
            {"destination": str(backup.destination), "bytes": backup.bytes_copied, "files": list(map(str, backup.files))}
        )
        return
    click.echo(f"backed up {len(backup.files)} files, {human_size(backup.bytes_copied)}, to {destination}:")
    for file in backup.files:
        click.echo(f"  {file.name}")


def _log_file_size(directory: Path, base: str) -> int:
    """The size of the logs that are there already (all of a stream have one size), else that of a new stream."""
    extension = detect_extension(directory, base) or ".log"
    path = find_name(directory, log_name(base, extension=extension))
    if path is None:
        return NEW_LOG_SIZE
    with FILES.open(path) as file:
        return LogHeader.parse(file.read(0, HEADER_SIZE), path).file_size


@contextlib.contextmanager
def _stopped_by_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """While the block runs, the first Ctrl-C calls `stop`, which never waits; a second one interrupts as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        stop()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
