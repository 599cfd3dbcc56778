"""Writing: rows a second beside sqlite3 (and lmdb where it is installed), with equal durability in the same run.

    python benchmarks/bench_write.py [--rows N] [--threads N] [--directory FOLDER] [--skip PEER] [--cpu]

Rows of 100 bytes with a primary and a secondary index, through the Pythonic layer (`esent`), the documented calls
(`esent.jet`), `sqlite3` (WAL, synchronous FULL where durable, OFF where lazy) and `lmdb` (two trees; sync or nosync). The
figures are rows (or commits) a second; the ratio is to sqlite3. Nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import shutil
import sqlite3
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import esent
from esent import jet
from esent.pages import page
from esent.tools.build import ColumnSpec, IndexSpec, TableSpec, build_database

BATCH = 100
PAYLOAD = 80
Row = tuple[int, int, bytes]


def rows_of(count: int) -> list[Row]:
    """Key, indexed number, payload: about 100 bytes with what every engine adds."""
    chance = random.Random(7)
    return [(number, chance.getrandbits(31), chance.randbytes(PAYLOAD)) for number in range(1, count + 1)]


def batches(rows: list[Row]) -> Iterator[list[Row]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


class Esent:
    """The Pythonic layer."""

    name = "esent"

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self._durable = durable
        self._db = esent.open(folder / "bench.edb", log_file_size=4 << 20)
        self._table = self._db.create_table(
            "t", {"k": esent.Int32(), "n": esent.Int32(), "v": esent.Binary()}, primary_key="k", indexes={"by_n": "n"}
        )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._db.transaction(lazy=not self._durable):
            yield

    def insert(self, rows: Iterable[Row]) -> None:
        self._table.insert_many([{"k": k, "n": n, "v": v} for k, n, v in rows])

    def update(self, keys: Iterable[int], value: bytes) -> None:
        for key in keys:
            self._table.update(key, v=value)

    def delete(self, keys: Iterable[int]) -> None:
        for key in keys:
            self._table.delete(key)

    def close(self) -> None:
        self._db.close()


class Jet:
    """The documented calls, one session a thread."""

    name = "esent.jet"

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self._grbit = 0 if durable else jet.JET_bitCommitLazyFlush
        self._path = str(folder / "bench.edb")
        self._instance = esent.Instance("bench", directory=folder, log_file_size=4 << 20, circular_logging=True)
        self._instance.start()
        self._local = threading.local()
        sesid = jet.JetBeginSession(self._instance.handle)
        dbid = jet.JetCreateDatabase(sesid, self._path)
        definition = jet.JET_TABLECREATE4(
            szTableName="t",
            rgcolumncreate=[
                jet.JET_COLUMNCREATE(szColumnName="k", coltyp=jet.JET_coltypLong),
                jet.JET_COLUMNCREATE(szColumnName="n", coltyp=jet.JET_coltypLong),
                jet.JET_COLUMNCREATE(szColumnName="v", coltyp=jet.JET_coltypBinary),
            ],
            rgindexcreate=[
                jet.JET_INDEXCREATE3(szIndexName="k", szKey=["+k"], grbit=jet.JET_bitIndexPrimary),
                jet.JET_INDEXCREATE3(szIndexName="n", szKey=["+n"]),
            ],
        )
        jet.JetCreateTableColumnIndex4(sesid, dbid, definition)
        self._columns = [column.columnid for column in definition.rgcolumncreate]
        jet.JetEndSession(sesid)

    def _mine(self) -> tuple[Any, Any]:
        if not hasattr(self._local, "handles"):
            sesid = jet.JetBeginSession(self._instance.handle)
            dbid = jet.JetOpenDatabase(sesid, self._path)
            self._local.handles = sesid, jet.JetOpenTable(sesid, dbid, "t")
        handles: tuple[Any, Any] = self._local.handles
        return handles

    @contextmanager
    def transaction(self) -> Iterator[None]:
        sesid, _ = self._mine()
        jet.JetBeginTransaction(sesid)
        yield
        jet.JetCommitTransaction(sesid, self._grbit)

    def insert(self, rows: Iterable[Row]) -> None:
        sesid, tableid = self._mine()
        k_id, n_id, v_id = self._columns
        for k, n, v in rows:
            jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepInsert)
            jet.JetSetColumn(sesid, tableid, k_id, struct.pack("<i", k))
            jet.JetSetColumn(sesid, tableid, n_id, struct.pack("<i", n))
            jet.JetSetColumn(sesid, tableid, v_id, v)
            jet.JetUpdate(sesid, tableid)

    def _seek(self, key: int) -> tuple[Any, Any]:
        sesid, tableid = self._mine()
        jet.JetMakeKey(sesid, tableid, struct.pack("<i", key), jet.JET_bitNewKey)
        jet.JetSeek(sesid, tableid, jet.JET_bitSeekEQ)
        return sesid, tableid

    def update(self, keys: Iterable[int], value: bytes) -> None:
        for key in keys:
            sesid, tableid = self._seek(key)
            jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepReplace)
            jet.JetSetColumn(sesid, tableid, self._columns[2], value)
            jet.JetUpdate(sesid, tableid)

    def delete(self, keys: Iterable[int]) -> None:
        for key in keys:
            jet.JetDelete(*self._seek(key))

    def close(self) -> None:
        self._instance.close()


class Sqlite:
    """WAL; one connection a thread, as sqlite3 wants it."""

    name = "sqlite3"

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self._path = folder / "bench.sqlite"
        self._durable = durable
        self._local = threading.local()
        self._mine().execute("create table t (k integer primary key, n integer, v blob)")
        self._mine().execute("create index by_n on t (n)")

    def _mine(self) -> sqlite3.Connection:
        if not hasattr(self._local, "connection"):
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=60)
            connection.execute("pragma journal_mode = wal")
            connection.execute(f"pragma synchronous = {'full' if self._durable else 'off'}")
            self._local.connection = connection
        connection = self._local.connection
        assert isinstance(connection, sqlite3.Connection)
        return connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._mine().execute("begin immediate")
        yield
        self._mine().execute("commit")

    def insert(self, rows: Iterable[Row]) -> None:
        self._mine().executemany("insert into t values (?, ?, ?)", rows)

    def update(self, keys: Iterable[int], value: bytes) -> None:
        self._mine().executemany("update t set v = ? where k = ?", ((value, key) for key in keys))

    def delete(self, keys: Iterable[int]) -> None:
        self._mine().executemany("delete from t where k = ?", ((key,) for key in keys))

    def close(self) -> None:
        self._mine().close()


class Lmdb:
    """Two trees: rows by key, and keys by number."""

    name = "lmdb"

    def __init__(self, folder: Path, *, durable: bool) -> None:
        import lmdb

        self._env = lmdb.open(str(folder / "bench.lmdb"), map_size=1 << 32, max_dbs=2, sync=durable)
        self._rows = self._env.open_db(b"rows")
        self._index = self._env.open_db(b"index", dupsort=True)
        self._local = threading.local()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._env.begin(write=True) as transaction:
            self._local.transaction = transaction
            yield

    def insert(self, rows: Iterable[Row]) -> None:
        transaction = self._local.transaction
        for k, n, v in rows:
            key, number = struct.pack(">i", k), struct.pack(">i", n)
            transaction.put(key, number + v, db=self._rows)
            transaction.put(number, key, db=self._index)

    def update(self, keys: Iterable[int], value: bytes) -> None:
        transaction = self._local.transaction
        for k in keys:
            key = struct.pack(">i", k)
            transaction.put(key, transaction.get(key, db=self._rows)[:4] + value, db=self._rows)

    def delete(self, keys: Iterable[int]) -> None:
        transaction = self._local.transaction
        for k in keys:
            key = struct.pack(">i", k)
            number = transaction.pop(key, db=self._rows)[:4]
            transaction.delete(number, key, db=self._index)

    def close(self) -> None:
        self._env.close()


Peer = type[Esent] | type[Jet] | type[Sqlite] | type[Lmdb]


class Clock:
    """What is measured: the time that passes, or the processor time of the process."""

    now: Callable[[], float] = staticmethod(time.perf_counter)


def rate(count: int, work: Callable[[], None]) -> float:
    begun = Clock.now()
    work()
    return count / (Clock.now() - begun)


def measure(peer: Peer, folder: Path, rows: list[Row], *, durable: bool, threads: int, singles: int) -> dict[str, float]:
    """Rates of one engine by what was done."""
    store = peer(folder, durable=durable)
    found: dict[str, float] = {}
    kind = "durable" if durable else "lazy"
    keys = [row[0] for row in rows]
    random.Random(3).shuffle(keys)
    changed = keys[: len(keys) // 2]

    def inserts() -> None:
        for batch in batches(rows):
            with store.transaction():
                store.insert(batch)

    def in_batches(change: Callable[[list[int]], None]) -> None:
        for start in range(0, len(changed), BATCH):
            with store.transaction():
                change(changed[start : start + BATCH])

    def single(first: int) -> None:
        for number in range(first, first + singles):
            with store.transaction():
                store.insert([(number, number, bytes(PAYLOAD))])

    def together() -> None:
        workers = [threading.Thread(target=single, args=(10_000_000 + 100_000 * each,)) for each in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    found[f"insert, {kind}, {BATCH} a commit"] = rate(len(rows), inserts)
    found[f"update, {kind}, {BATCH} a commit"] = rate(
        len(changed), lambda: in_batches(lambda some: store.update(some, b"u" * PAYLOAD))
    )
    found[f"delete, {kind}, {BATCH} a commit"] = rate(len(changed), lambda: in_batches(store.delete))
    if durable:
        found["single commits, durable, 1 thread"] = rate(singles, lambda: single(20_000_000))
        found[f"single commits, durable, {threads} threads"] = rate(singles * threads, together)
    store.close()
    return found


def bulk_load(folder: Path, rows: list[Row]) -> dict[str, dict[str, float]]:
    """A whole file at once, durable at the end."""
    columns = [
        ColumnSpec("k", jet.JET_coltypLong),
        ColumnSpec("n", jet.JET_coltypLong),
        ColumnSpec("v", jet.JET_coltypBinary),
    ]
    indexes = [IndexSpec("k", ["+k"], jet.JET_bitIndexPrimary), IndexSpec("n", ["+n"])]
    spec = TableSpec("t", columns, indexes, in_order=True)

    def ours() -> None:
        build_database(folder / "bulk.edb", [(spec, ({"k": k, "n": n, "v": v} for k, n, v in rows))])

    def theirs() -> None:
        store = Sqlite(folder, durable=True)
        with store.transaction():
            store.insert(rows)
        store.close()

    return {"esent": {"bulk load": rate(len(rows), ours)}, "sqlite3": {"bulk load": rate(len(rows), theirs)}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--singles", type=int, default=200, help="single commits a thread")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--directory", type=Path, help="where the files go; a disk, not memory")
    parser.add_argument("--skip", action="append", default=[])
    parser.add_argument("--cpu", action="store_true", help="processor time instead of time: for a machine that others use too")
    arguments = parser.parse_args()
    if arguments.cpu:
        Clock.now = staticmethod(time.process_time)
    peers: list[Peer] = [Esent, Jet, Sqlite]
    if importlib.util.find_spec("lmdb") is not None:
        peers.append(Lmdb)
    rows = rows_of(arguments.rows)
    kind = "compiled" if page.__file__.endswith((".so", ".pyd")) else "not compiled"
    print(kind, f"- {len(rows)} rows", "- a second of processor time" if arguments.cpu else "")
    results: dict[str, dict[str, float]] = {}
    home = Path(tempfile.mkdtemp(prefix="esent-bench-", dir=arguments.directory))
    try:
        for durable in (True, False):
            for peer in peers:
                if peer.name in arguments.skip:
                    continue
                folder = home / f"{peer.name}-{durable}"
                folder.mkdir()
                done = measure(peer, folder, rows, durable=durable, threads=arguments.threads, singles=arguments.singles)
                results.setdefault(peer.name, {}).update(done)
                with suppress(OSError):
                    shutil.rmtree(folder)
        for name, rates in bulk_load(home, rows).items():
            results.setdefault(name, {}).update(rates)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    whats = list(dict.fromkeys(what for rates in results.values() for what in rates))
    print(f"{'rows a second':40}" + "".join(f"{name:>22}" for name in results))
    for what in whats:
        base = results.get("sqlite3", {}).get(what)
        cells = []
        for rates in results.values():
            own = rates.get(what)
            ratio = f" ({own / base:5.2f})" if own is not None and base else ""
            cells.append(f"{'-' if own is None else f'{own:,.0f}{ratio}':>22}")
        print(f"{what:40}" + "".join(cells))
    return 0


if __name__ == "__main__":
    sys.exit(main())
