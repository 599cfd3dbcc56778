"""`esent demo`: a database made on the spot, backed up while a thread writes to it, stopped, restored and compared."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from esent import jet
from esent.api.columns import DateTime, Int64, LongText, Text
from esent.api.database import Database
from esent.api.opening import open as open_database
from esent.api.progress import human_size
from esent.api.progress import progress as show_progress
from esent.api.restore import restore
from esent.api.table import Table
from esent.constants import codes, grbits
from esent.errors import JetError
from esent.tools.verify import verify_database

ROWS = 2000
BATCH = 10
CHUNK = 64 * 1024


@click.command("demo", short_help="See the main job done on a database of its own.")
@click.argument("directory", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--keep", is_flag=True, help="Keep the files of the demo and say where they are.")
def command(directory: Path | None, keep: bool) -> None:
    """Make a database, back it up while a thread writes to it, stop another backup half way, restore and compare.

    The files are in DIRECTORY (kept) or in a temporary directory (removed at the end, unless --keep).
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


class _Writer(threading.Thread):
    """Adds loans, ten a transaction, until it is told to stop; `done` are the rows of the transactions that are committed."""

    def __init__(self, loans: Table) -> None:
        super().__init__(name="writer")
        self.done: dict[int, str] = {}  # replaced, not changed: others read it
        self.problem: JetError | None = None
        self._loans = loans
        self._stop_asked = threading.Event()

    def run(self) -> None:
        batch = 0
        try:
            while not self._stop_asked.is_set():
                rows = {}
                with self._loans.database.transaction():
                    for number in range(BATCH):
                        reader = f"reader {batch}.{number}"
                        rows[self._loans.insert(book=1 + batch % ROWS, reader=reader)] = reader
                self.done = self.done | rows
                batch += 1
        except JetError as problem:
            self.problem = problem

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()


def _run(home: Path) -> None:
    live, backup, restored = home / "live" / "library.edb", home / "backup", home / "restored"
    _heading("1. A database")
    with open_database(live) as db:
        loans = _fill(db)
        click.echo(f"made {live.name}: {', '.join(db.tables)}; {ROWS} books in one transaction")

        _heading("2. A full streaming backup, while a thread lends books")
        writer = _Writer(loans)
        writer.start()
        certain: dict[int, str] = {}  # committed when the backup had read the pages, and before it took the logs
        with show_progress("backing up") as advance:

            def step(done: int, total: int) -> None:
                advance(done, total)
                if len(job.files) == 1:
                    certain.update(writer.done)

            job = db.backup(backup, progress=step)
            job.run()
        click.echo(f"streamed {human_size(job.bytes_copied)}: {', '.join(file.name for file in job.files)}")
        click.echo(f"meanwhile rows were committed: {len(certain)} before it took the logs, {len(writer.done)} up to now")

        _heading("3. A second backup, stopped half way")
        outcome = _stopped_backup(db.instance.handle)
        writer.stop()
        click.echo(f"a stopped backup records nothing, and the writer went on: {len(writer.done)} rows")
        if writer.problem is not None:
            raise writer.problem
        books = [dict(row) for row in db["books"]]

    _heading("4. Restore the first backup elsewhere")
    result = restore(backup, restored)
    click.echo(f"replayed {result.records} log records; restored {', '.join(sorted({path.name for path in result.databases}))}")

    _heading("5. Verify")
    report = verify_database(restored / live.name)
    click.echo(f"{report.pages_seen} pages: {report.bad_checksums} wrong checksums, {report.errors} errors")
    with open_database(restored / live.name, read_only=True) as copy:
        same_books = [dict(row) for row in copy["books"]] == books
        found = {row.id: row.reader for row in copy["loans"]}
    missing = [key for key, reader in certain.items() if found.get(key) != reader]
    foreign = [key for key, reader in found.items() if writer.done.get(key) != reader]
    click.echo(f"{len(books)} books {'as they were' if same_books else 'NOT as they were'}, {len(found)} loans")
    click.echo(f"of those committed before it took the logs {len(missing)} are missing; {len(foreign)} were never committed")
    whole = len(found) % BATCH == 0
    if not (report.ok and same_books and whole) or missing or foreign or outcome != jet.JET_errBackupAbortByServer:
        raise click.ClickException("the demo did not come out as it should")
    _heading("What happened")
    click.echo(
        "A database was made and backed up while a thread wrote to it. A second backup was stopped half way: every call after\n"
        "JetStopBackupInstance failed in the documented way, and the call that ends a backup still worked. The first backup\n"
        "was restored by replaying its logs, and holds every transaction that was committed before it took the logs, and\n"
        "no part of any other."
    )


def _fill(db: Database) -> Table:
    """The tables, and the books."""
    with db.transaction():
        books = db.create_table(
            "books",
            {"id": Int64(autoincrement=True), "title": Text(), "note": LongText()},
            primary_key="id",
            indexes={"by_title": "title"},
        )
        loans = db.create_table(
            "loans",
            {"id": Int64(autoincrement=True), "book": Int64(), "reader": Text(), "since": DateTime()},
            primary_key="id",
            indexes={"by_book": "book"},
        )
        books.insert_many({"title": f"Volume {n}", "note": f"About volume {n}. " * (n % 40)} for n in range(1, ROWS + 1))
    return loans


def _heading(text: str) -> None:
    click.secho(f"\n{text}", bold=True)


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
