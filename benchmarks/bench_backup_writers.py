"""What a backup costs those who write meanwhile, beside sqlite3 and its online backup, all in one run.

    python benchmarks/bench_backup_writers.py [--size MB] [--seconds S] [--threads N] [--scratch FOLDER]

Threads insert rows of 100 bytes with a secondary index, 20 a durable commit, into a database of `--size` MB, for `--seconds`
each: with nothing else going on, while full backups are streamed one after another (read and thrown away), and while full
backups are written to a directory. The same with sqlite3 (WAL, synchronous FULL), of which `Connection.backup`
is the peer of a directory backup. What counts is the rows committed during a backup as a share of those without one.

Threads share one interpreter with the backup, so that its own work, reading and verifying pages, is part of what they lose.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import esent
from esent import jet

PIECE = 1 << 20
ROWS_A_COMMIT = 20
FILLER = 3000

Commit = Callable[[list[tuple[int, int, bytes]]], None]


class Writers:
    """Threads that commit as fast as they can; `during` counts the rows while something else is done."""

    def __init__(self, threads: int, connect: Callable[[], Commit]) -> None:
        self._stop = False
        self._counts = [0] * threads
        self._connect = connect
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def _write(self, number: int) -> None:
        commit = self._connect()
        chosen = random.Random(number)
        key = number << 40
        while not self._stop:
            commit([(key + step, chosen.randrange(1 << 30), bytes(84)) for step in range(ROWS_A_COMMIT)])
            key += ROWS_A_COMMIT
            self._counts[number] += ROWS_A_COMMIT

    def during(self, seconds: float, work: Callable[[], object]) -> tuple[float, int]:
        """Rows a second while `work` is done again and again for about so long, and how often it was."""
        first, start, times = sum(self._counts), time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            work()
            times += 1
        return (sum(self._counts) - first) / (time.perf_counter() - start), times

    def end(self) -> None:
        self._stop = True
        for thread in self._threads:
            thread.join()


def say(label: str, alone: float, found: tuple[float, int] | None = None) -> None:
    if found is None:
        print(f"  {label:<34} {alone:>9,.0f} rows/s")
    else:
        print(f"  {label:<34} {found[0]:>9,.0f} rows/s   {found[0] / alone:.2f} of alone, {found[1]} backups")


def stream(instance: jet.JET_INSTANCE) -> None:
    """Every database and log of a full backup, read and thrown away."""
    buffer = bytearray(PIECE)
    jet.JetBeginExternalBackupInstance(instance)
    for names in (jet.JetGetAttachInfoInstance, jet.JetGetLogInfoInstance):
        for name in names(instance):
            handle, _ = jet.JetOpenFileInstance(instance, name)
            while jet.JetReadFileInstance(instance, handle, buffer):
                pass
            jet.JetCloseFileInstance(instance, handle)
    jet.JetTruncateLogInstance(instance)
    jet.JetEndExternalBackupInstance2(instance, jet.JET_bitBackupEndNormal)


def measure_esent(folder: Path, megabytes: int, seconds: float, threads: int) -> None:
    with esent.open(folder / "live" / "app.edb", log_file_size=5 << 20) as db:
        columns = {"key": esent.Int64(), "number": esent.Int64(), "data": esent.LongBinary()}
        rows = db.create_table("rows", columns, primary_key="key", indexes={"by_number": "+number"})
        count = (megabytes << 20) // FILLER
        filler = [{"key": -step - 1, "number": step, "data": bytes(FILLER)} for step in range(count)]
        rows.insert_many(filler, commit_every=500)

        def connect() -> Commit:
            def commit(batch: list[tuple[int, int, bytes]]) -> None:
                rows.insert_many([{"key": key, "number": number, "data": data} for key, number, data in batch])

            return commit

        def directory() -> None:
            shutil.rmtree(folder / "set", ignore_errors=True)
            db.backup(folder / "set").run()

        writers = Writers(threads, connect)
        try:
            alone, _ = writers.during(seconds, lambda: time.sleep(0.05))
            say("esent, alone", alone)
            say("esent, streamed backup", alone, writers.during(seconds, lambda: stream(db.instance.handle)))
            say("esent, backup to a directory", alone, writers.during(seconds, directory))
        finally:
            writers.end()


def measure_sqlite(folder: Path, megabytes: int, seconds: float, threads: int) -> None:
    path = folder / "app.sqlite"

    def opened() -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, timeout=60)
        connection.execute("pragma journal_mode=wal")
        connection.execute("pragma synchronous=full")
        return connection

    def connect() -> Commit:
        connection = opened()

        def commit(batch: list[tuple[int, int, bytes]]) -> None:
            connection.execute("begin immediate")
            connection.executemany("insert into rows values (?, ?, ?)", batch)
            connection.execute("commit")

        return commit

    def backup() -> None:
        (folder / "copy.sqlite").unlink(missing_ok=True)
        source, target = opened(), sqlite3.connect(folder / "copy.sqlite")
        source.backup(target)
        target.close()
        source.close()

    first = opened()
    first.execute("create table rows (key integer primary key, number integer, data blob)")
    first.execute("create index by_number on rows (number)")
    first.execute("begin")
    count = (megabytes << 20) // FILLER
    first.executemany("insert into rows values (?, ?, ?)", ((-step - 1, step, bytes(FILLER)) for step in range(count)))
    first.execute("commit")
    first.close()
    writers = Writers(threads, connect)
    try:
        alone, _ = writers.during(seconds, lambda: time.sleep(0.05))
        say("sqlite3, alone", alone)
        say("sqlite3, Connection.backup", alone, writers.during(seconds, backup))
    finally:
        writers.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64, metavar="MB")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--scratch", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.scratch) as folder:
        print(f"{given.threads} threads, {ROWS_A_COMMIT} rows a durable commit, a database of {given.size} MB")
        measure_esent(Path(folder), given.size, given.seconds, given.threads)
        measure_sqlite(Path(folder), given.size, given.seconds, given.threads)


if __name__ == "__main__":
    main()
