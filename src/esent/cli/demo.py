"""`esent demo`: the main job on a small database of its own making, with what each call returns."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from esent import jet
from esent.api.instance import Instance
from esent.api.progress import human_size
from esent.api.progress import progress as show_progress
from esent.api.restore import restore
from esent.constants import codes, grbits
from esent.errors import JetError
from esent.tools.dump import dump
from esent.tools.example import build_example
from esent.tools.verify import verify_database

ROWS = 5000
CHUNK = 64 * 1024


@click.command("demo")
@click.argument("directory", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--keep", is_flag=True, help="Keep the files of the demo and say where they are.")
def command(directory: Path | None, keep: bool) -> None:
    """Attach a database, stream a backup, stop another one half way, restore the first, and verify the result.

    The database is made on the spot, in DIRECTORY (kept) or in a temporary directory (removed at the end, unless --keep).
    """
    if directory is None:
        home = Path(tempfile.mkdtemp(prefix="esent-demo-"))
    else:
        directory.mkdir(parents=True, exist_ok=True)
        home = directory
        keep = True
        if any(home.iterdir()):
            raise click.UsageError(f"{home} is not empty")
    try:
        _run(home)
    finally:
        if not keep:
            shutil.rmtree(home)
    if keep:
        click.echo(f"\nThe files of the demo are in {home}.")


def _run(home: Path) -> None:
    live, backup, restored = home / "live" / "library.edb", home / "backup", home / "restored"
    live.parent.mkdir()
    _heading("1. A database")
    build_example(live, rows=ROWS)
    before = _content(live)
    click.echo(f"made {live.name}: {human_size(live.stat().st_size)}, a clean file in the genuine format")

    with Instance("demo", directory=live.parent, log_file_size=256 * 1024) as instance:
        instance.attach(live)
        click.echo("attached to a running instance: its header now says dirty, its logs say why")

        _heading("2. A full streaming backup")
        job = instance.backup(backup, progress=True)
        job.run()
        click.echo(f"streamed {human_size(job.bytes_copied)}: {', '.join(file.name for file in job.files)}")

        _heading("3. A second backup, stopped half way")
        outcome = _stopped_backup(instance.handle)
        click.echo("a stopped backup records nothing; the instance goes on, and the next backup works")

    _heading("4. Restore the first backup elsewhere")
    result = restore(backup, restored)
    click.echo(f"replayed {result.records} log records; restored {', '.join(sorted({path.name for path in result.databases}))}")

    _heading("5. Verify")
    report = verify_database(restored / live.name)
    after = _content(restored / live.name)
    click.echo(f"{report.pages_seen} pages: {report.bad_checksums} wrong checksums, {report.errors} errors")
    click.echo(f"content before   {before}\ncontent restored {after}")
    if not report.ok or before != after or outcome != jet.JET_errBackupAbortByServer:
        raise click.ClickException("the demo did not come out as it should")
    _heading("What happened")
    click.echo(
        "A database was backed up while an instance had it open. A second backup was stopped half way: every call after\n"
        "JetStopBackupInstance failed in the documented way, and the call that ends a backup still worked. The first backup\n"
        "was restored by replaying its logs, and holds exactly the rows of the original, every page verified."
    )


def _heading(text: str) -> None:
    click.secho(f"\n{text}", bold=True)


def _content(path: Path) -> str:
    """A hash over every row of every table."""
    digest = hashlib.sha256()
    for line in dump(path, allow_dirty=True):
        digest.update(line.encode())
    return digest.hexdigest()


def _stopped_backup(instance: jet.JET_INSTANCE) -> int:
    """Stream a backup by hand, stop it when half of the database is read, and show what each call says; returns the outcome."""
    _show("JetBeginExternalBackupInstance", lambda: jet.JetBeginExternalBackupInstance(instance, 0))
    names = _show("JetGetAttachInfoInstance", lambda: jet.JetGetAttachInfoInstance(instance))
    handle, size = _show("JetOpenFileInstance", lambda: jet.JetOpenFileInstance(instance, names[0]))
    done = 0
    buffer = bytearray(CHUNK)
    with show_progress("reading") as advance:
        while done < size // 2:
            count = jet.JetReadFileInstance(instance, handle, buffer)
            assert isinstance(count, int)  # with a buffer the result is the count
            done += count
            advance(done, size)
    click.echo(f"  JetReadFileInstance ...             {human_size(done)} of {human_size(size)} read")
    _show("JetStopBackupInstance", lambda: jet.JetStopBackupInstance(instance))
    _show("JetReadFileInstance", lambda: jet.JetReadFileInstance(instance, handle, CHUNK))
    _show("JetGetLogInfoInstance", lambda: jet.JetGetLogInfoInstance(instance))
    _show("JetCloseFileInstance", lambda: jet.JetCloseFileInstance(instance, handle))
    outcome: int = _show(
        "JetEndExternalBackupInstance2", lambda: jet.JetEndExternalBackupInstance2(instance, grbits.JET_bitBackupEndNormal)
    )
    return outcome


def _show(name: str, call: Callable[[], Any]) -> Any:
    try:
        value = call()
    except JetError as problem:
        click.echo(f"  {name:<35} {problem.name} ({problem.code})")
        return None
    if isinstance(value, int) and value < 0:
        click.echo(f"  {name:<35} returned; outcome of the backup: {codes.NAMES[value]} ({value})")
    elif isinstance(value, list):
        click.echo(f"  {name:<35} {', '.join(Path(item).name for item in value)}")
    elif isinstance(value, tuple):
        click.echo(f"  {name:<35} handle {int(value[0])}, {human_size(value[1])}")
    else:
        click.echo(f"  {name:<35} done")
    return value
