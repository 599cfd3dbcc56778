"""A bank many threads work in: what is in it follows from how many transactions each of its writers has made, and nothing else.

The transaction number n of a writer moves an amount between two accounts, adds it to a counter that all writers share, writes
a row with a long value into each of two tables, deletes those it wrote `KEPT` transactions before, and notes n. Every
snapshot, and whatever a kill leaves, must be the state that the numbers in it say.

Run as a program it works until it is killed, and tells on its output what was promised:

| line            | meaning                                                            |
|-----------------|---------------------------------------------------------------------|
| `ready`         | the database is recovered and open, the threads are about to begin |
| `done W N`      | the transaction N of the writer W is on stable storage             |
| `set NAME W=N…` | a backup set is complete; these were promised before it began      |
| `wrong …`       | a snapshot was not what it should be, or a call failed             |
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import esent
from esent import jet

WRITERS = 3
ACCOUNTS = 12
OPENING = 1000
KEPT = 12
STEPS = ("left", "right")  # the tables with a row for each of the last transactions


def create(database: esent.Database) -> None:
    with database.transaction():
        database.create_table("accounts", {"id": esent.Int32(), "balance": esent.Int64()}, primary_key="id")
        database["accounts"].insert_many({"id": number, "balance": OPENING} for number in range(ACCOUNTS))
        database.create_table("writers", {"id": esent.Int32(), "made": esent.Int64(), "pad": esent.Binary()}, primary_key="id")
        database["writers"].insert_many({"id": number, "made": 0} for number in range(WRITERS))
        database.create_table("total", {"id": esent.Int32(), "moved": esent.Int32(escrow=True)}, primary_key="id")
        database["total"].insert(id=0)
        for name in STEPS:
            columns = {"id": esent.Int64(), "name": esent.Text(code_page=1252), "document": esent.LongBinary()}
            database.create_table(name, columns, primary_key="id", indexes={"by_name": "+name"})


def amount(writer: int, number: int) -> int:
    return 1 + (writer * 7 + number * 13) % 40


def route(writer: int, number: int) -> tuple[int, int]:
    """The accounts that a transaction takes from and gives to."""
    chosen = random.Random(writer * 1_000_003 + number)
    source, target = chosen.sample(range(ACCOUNTS), 2)
    return source, target


def document(writer: int, number: int) -> bytes:
    chosen = random.Random(writer * 7919 + number)
    return chosen.randbytes(chosen.choice((20, 300, 300, 2500, 9000)))


def row_id(writer: int, number: int) -> int:
    return writer * 1_000_000 + number


def transact(database: esent.Database, writer: int, number: int) -> None:
    """All changes of a transaction."""
    moved = amount(writer, number)
    source, target = route(writer, number)
    accounts = database["accounts"]
    accounts.update(source, balance=accounts[source].balance - moved)
    accounts.update(target, balance=accounts[target].balance + moved)
    database["total"].add(0, "moved", moved)
    for name in STEPS:
        table = database[name]
        row = {"name": f"{writer}-{number % 5}", "document": document(writer, number)}
        table.insert(id=row_id(writer, number), **row)
        if number > KEPT:
            table.delete(row_id(writer, number - KEPT))
    database["writers"].update(writer, made=number, pad=bytes(number % 200))


def made(database: esent.Database) -> list[int]:
    """How many transactions each writer has made."""
    return [row.made for row in database["writers"]]


class Ledger:
    """The balances after some numbers of transactions, which only grow."""

    def __init__(self) -> None:
        self.counts = [0] * WRITERS
        self.balances = [OPENING] * ACCOUNTS
        self.moved = 0

    def advance(self, counts: list[int]) -> None:
        for writer, count in enumerate(counts):
            for number in range(self.counts[writer] + 1, count + 1):
                source, target = route(writer, number)
                self.balances[source] -= amount(writer, number)
                self.balances[target] += amount(writer, number)
                self.moved += amount(writer, number)
        self.counts = list(counts)


def problems(database: esent.Database, ledger: Ledger) -> Iterator[str]:
    """What is not as the numbers of the writers say; within a transaction of the caller."""
    counts = made(database)
    if any(count < known for count, known in zip(counts, ledger.counts, strict=True)):
        yield f"{counts} after {ledger.counts}"
        return
    ledger.advance(counts)
    balances = [row.balance for row in database["accounts"]]
    if balances != ledger.balances:
        yield f"{counts}: balances {balances}, not {ledger.balances}"
    if database["total"][0].moved != ledger.moved:
        yield f"{counts}: moved {database['total'][0].moved}, not {ledger.moved}"
    expected = {
        row_id(writer, number): (writer, number)
        for writer, count in enumerate(counts)
        for number in range(max(1, count - KEPT + 1), count + 1)
    }
    for name in STEPS:
        rows = {row.id: row for row in database[name]}
        if rows.keys() != expected.keys():
            yield f"{counts}: {name} has {sorted(rows.keys() ^ expected.keys())} or has not"
            continue
        for each, place in expected.items():
            if rows[each].document != document(*place) or rows[each].name != f"{place[0]}-{place[1] % 5}":
                yield f"{counts}: the row {each} of {name} is another"
        if sorted(row.id for row in database[name].index("by_name")) != sorted(expected):
            yield f"{counts}: {name} by name has other rows"


# ---- the program --------------------------------------------------------------------------------------------------------


def tell(*words: object) -> None:
    """A line, in one write: it is there or not when the process is killed."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Bank:
    """The threads that work until the process is killed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chosen = random.Random(seed)
        parameters = {"CheckpointDepthMax": 512 * 1024, "CacheSizeMax": 64, "DbExtensionSize": 16}
        circular = bool(seed % 2)
        self.database = esent.open(
            folder / "bank.edb", circular_logging=circular, log_file_size=128 << 10, parameters=parameters
        )
        if "total" not in self.database:
            create(self.database)
        self.promised = made(self.database)

    def run(self) -> None:
        tell("ready")
        works = [*(self._writer(number) for number in range(WRITERS)), self._reader, self._definer, self._keeper, self._backups]
        for number, work in enumerate(works):
            chosen = random.Random(self.chosen.randrange(1 << 30))
            threading.Thread(target=self._forever, args=(work, chosen), name=f"work {number}", daemon=True).start()
        threading.Event().wait()

    def _forever(self, work: Callable[[random.Random], None], chosen: random.Random) -> None:
        try:
            while True:
                work(chosen)
        except BaseException as problem:
            tell("wrong", threading.current_thread().name, repr(problem).replace("\n", " "))
            raise

    def _writer(self, writer: int) -> Callable[[random.Random], None]:
        state = {"made": self.promised[writer]}

        def work(chosen: random.Random) -> None:
            number = state["made"] + 1
            lazy = chosen.random() < 0.6
            try:
                with self.database.transaction(lazy=lazy):
                    transact(self.database, writer, number)
                    if chosen.random() < 0.1:
                        raise _GivenUp
            except (esent.WriteConflictError, _GivenUp):
                time.sleep(chosen.random() * 0.003)
                return
            state["made"] = number
            if not lazy:
                self.promised[writer] = number
                tell("done", writer, number)

        return work

    def _reader(self, chosen: random.Random) -> None:
        """Two looks at everything in one snapshot, while others commit."""
        with self.database.transaction(read_only=True):
            ledger = Ledger()
            wrong = list(problems(self.database, ledger))
            time.sleep(chosen.random() * 0.02)
            wrong += problems(self.database, ledger)
            if made(self.database) != ledger.counts:
                wrong.append("the snapshot has moved")
        for each in wrong:
            tell("wrong", "snapshot", each)

    def _definer(self, chosen: random.Random) -> None:
        """A table of its own comes, is filled, and goes."""
        database, name = self.database, f"passing{chosen.randrange(3)}"
        if name in database.tables:
            database.delete_table(name)
            return
        with suppress(_GivenUp), database.transaction(lazy=True):
            columns = {"id": esent.Int32(), "text": esent.Text(code_page=1252), "data": esent.LongBinary()}
            table = database.create_table(name, columns, primary_key="id")
            table.insert_many({"id": number, "text": f"t{number}", "data": bytes(number * 40)} for number in range(60))
            table.create_index("by_text", "-text")
            if chosen.random() < 0.3:
                raise _GivenUp
        time.sleep(0.01)

    def _keeper(self, chosen: random.Random) -> None:
        """Defragmentation, shrinking, clean-up."""
        handle = self.database.instance.handle
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sesid = jet.JetBeginSession(handle)
            try:
                dbid = jet.JetOpenDatabase(sesid, str(self.folder / "bank.edb"))
                jet.JetDefragment(sesid, dbid, None, 1, 1, jet.JET_bitDefragmentBatchStart)
                time.sleep(chosen.random() * 0.05)
                with suppress(esent.BackupInProgressError):
                    jet.JetResizeDatabase(sesid, dbid, 1)
                jet.JetIdle(sesid, 0)
            finally:
                jet.JetEndSession(sesid)
        time.sleep(0.02)

    def _backups(self, chosen: random.Random) -> None:
        """Sets of their own, one after another; some are stopped."""
        time.sleep(chosen.random() * 0.1)
        name = f"set-{os.getpid()}-{time.monotonic_ns()}"
        promised = list(self.promised)
        if chosen.random() < 0.3:
            threading.Timer(chosen.random() * 0.02, self._stop_backup).start()
        try:
            self.database.backup(self.folder / name).run()
        except esent.BackupAbortByServerError:
            return
        tell("set", name, *promised)

    def _stop_backup(self) -> None:
        with suppress(esent.JetError):
            self.database.stop_backup()


class _GivenUp(Exception):
    """The transaction is rolled back on purpose."""


if __name__ == "__main__":
    Bank(Path(sys.argv[1]), int(sys.argv[2])).run()
