"""What single calls cost: seek and retrieve, move and retrieve, insert, update, delete, through each door, beside `sqlite3`.

Usage: python benchmarks/bench_calls.py [--rows N]

One table of 100-byte rows with a primary key and a secondary index, made in a temporary folder; the same rows in SQLite. Keys
are looked up in random order; the best of several runs counts. `esent.jet` sets a key, seeks and retrieves one column, with
calls of the documented API; SQLite runs a prepared statement and fetches its one row, which is what its module has for that.
Rows are changed one by one, 100 in a transaction that does not wait for the disk.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import esent
from esent import jet

REPEATS = 3
TEXT = "abcdefghijklmnopqrstuvwxyz" * 3
NEW_TEXT = TEXT.upper()
BATCH = 100
Row = tuple[int, str, str]


def best(run: Callable[[], int]) -> float:
    """Microseconds a step of the fastest run."""
    found = float("inf")
    for _ in range(REPEATS):
        started = time.perf_counter()
        count = run()
        found = min(found, (time.perf_counter() - started) / count)
    return found * 1e6


def by_jet(path: Path, keys: list[int], names: list[str]) -> dict[str, float]:
    with esent.open(path) as database:
        session = database.sessions.current()
        sesid = session.sesid
        tableid = jet.JetOpenTable(sesid, session.dbid, "rows")
        column = jet.JetGetTableColumnInfo(sesid, tableid, "payload", 0).columnid
        packed = [key.to_bytes(4, "little") for key in keys]
        texts = [name.encode("utf-16-le") for name in names]
        make, seek, retrieve, move = jet.JetMakeKey, jet.JetSeek, jet.JetRetrieveColumn, jet.JetMove
        fresh, equal, first = jet.JET_bitNewKey, jet.JET_bitSeekEQ, jet.JET_MoveFirst

        def seeks(values: list[bytes]) -> int:
            for value in values:
                make(sesid, tableid, value, fresh)
                seek(sesid, tableid, equal)
                retrieve(sesid, tableid, column)
            return len(values)

        def moves() -> int:
            move(sesid, tableid, first)
            for _ in range(len(keys) - 1):
                retrieve(sesid, tableid, column)
                move(sesid, tableid, 1)
            return len(keys)

        jet.JetSetCurrentIndex(sesid, tableid, None)
        found = {"seek, primary": best(lambda: seeks(packed)), "move": best(moves)}
        jet.JetSetCurrentIndex(sesid, tableid, "by_name")
        found["seek, secondary"] = best(lambda: seeks(texts))
        jet.JetCloseTable(sesid, tableid)
        return found


def by_layer(path: Path, keys: list[int], names: list[str], *, read_only: bool) -> dict[str, float]:
    with esent.open(path, read_only=True) if read_only else esent.open(path) as database:
        table = database["rows"]
        index = table.index("by_name")

        def seeks() -> int:
            for key in keys:
                assert table.get(key).payload
            return len(keys)

        def seeks_by_name() -> int:
            for name in names:
                assert index.get(name).payload
            return len(names)

        def iterate() -> int:
            count = 0
            for row in table:
                count += 1
                assert row.payload
            return count

        return {"seek, primary": best(seeks), "move": best(iterate), "seek, secondary": best(seeks_by_name)}


def by_sqlite(path: Path, keys: list[int], names: list[str]) -> dict[str, float]:
    connection = sqlite3.connect(path)

    def seeks() -> int:
        for key in keys:
            connection.execute("select payload from rows where id = ?", (key,)).fetchone()
        return len(keys)

    def seeks_by_name() -> int:
        for name in names:
            connection.execute("select payload from rows where name = ?", (name,)).fetchone()
        return len(names)

    def iterate() -> int:
        return sum(1 for _ in connection.execute("select payload from rows order by id"))

    found = {"seek, primary": best(seeks), "move": best(iterate), "seek, secondary": best(seeks_by_name)}
    connection.close()
    return found


def batches(rows: list[Row]) -> Iterator[list[Row]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


def changes(
    begin: Callable[[], object], commit: Callable[[], object], rows: list[Row], **steps: Callable[[Row], object]
) -> dict[str, float]:
    """Insert, update and delete rows that are not there, each step as often as the others."""
    found = dict.fromkeys(steps, float("inf"))
    for _ in range(REPEATS):
        for what, step in steps.items():
            started = time.perf_counter()
            for batch in batches(rows):
                begin()
                for row in batch:
                    step(row)
                commit()
            found[what] = min(found[what], (time.perf_counter() - started) / len(rows) * 1e6)
    return found


def changes_by_jet(path: Path, rows: list[Row]) -> dict[str, float]:
    with esent.open(path) as database:
        session = database.sessions.current()
        sesid = session.sesid
        tableid = jet.JetOpenTable(sesid, session.dbid, "rows")
        names = ("id", "name", "payload")
        key, name, payload = (jet.JetGetTableColumnInfo(sesid, tableid, each, 0).columnid for each in names)
        set_column = jet.JetSetColumn

        def seek(row: Row) -> None:
            jet.JetMakeKey(sesid, tableid, row[0].to_bytes(4, "little"), jet.JET_bitNewKey)
            jet.JetSeek(sesid, tableid, jet.JET_bitSeekEQ)

        def insert(row: Row) -> None:
            jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepInsert)
            set_column(sesid, tableid, key, row[0].to_bytes(4, "little"))
            set_column(sesid, tableid, name, row[1].encode("utf-16-le"))
            set_column(sesid, tableid, payload, row[2].encode("utf-16-le"))
            jet.JetUpdate(sesid, tableid)

        def update(row: Row) -> None:
            seek(row)
            jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepReplace)
            set_column(sesid, tableid, payload, NEW_TEXT.encode("utf-16-le"))
            jet.JetUpdate(sesid, tableid)

        def delete(row: Row) -> None:
            seek(row)
            jet.JetDelete(sesid, tableid)

        begin, commit = jet.JetBeginTransaction, jet.JetCommitTransaction
        lazy = jet.JET_bitCommitLazyFlush
        steps = {"insert": insert, "update": update, "delete": delete}
        return changes(lambda: begin(sesid), lambda: commit(sesid, lazy), rows, **steps)


def changes_by_layer(path: Path, rows: list[Row]) -> dict[str, float]:
    with esent.open(path) as database:
        table = database["rows"]
        sesid = database.sessions.current().sesid
        return changes(
            lambda: jet.JetBeginTransaction(sesid),
            lambda: jet.JetCommitTransaction(sesid, jet.JET_bitCommitLazyFlush),
            rows,
            insert=lambda row: table.insert(id=row[0], name=row[1], payload=row[2]),
            update=lambda row: table.update(row[0], payload=NEW_TEXT),
            delete=lambda row: table.delete(row[0]),
        )


def changes_by_sqlite(path: Path, rows: list[Row]) -> dict[str, float]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = off")
    run = connection.execute
    found = changes(
        lambda: run("begin immediate"),
        lambda: run("commit"),
        rows,
        insert=lambda row: run("insert into rows values (?, ?, ?)", row),
        update=lambda row: run("update rows set payload = ? where id = ?", (NEW_TEXT, row[0])),
        delete=lambda row: run("delete from rows where id = ?", (row[0],)),
    )
    connection.close()
    return found


def show(title: str, results: dict[str, dict[str, float]]) -> None:
    peer = results["sqlite3"]
    print(f"{title}; microseconds a row, in brackets how many times as fast as sqlite3")
    for door, times in results.items():
        shown = "  ".join(f"{what} {cost:6.2f} ({peer[what] / cost:4.2f})" for what, cost in times.items())
        print(f"  {door:24} {shown}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=20_000)
    count = arguments.parse_args().rows
    rows = [(number, f"name{number * 7919 % count:08}", TEXT) for number in range(count)]
    order = random.Random(5).sample(rows, len(rows))
    keys, names = [row[0] for row in order], [row[1] for row in order]
    with tempfile.TemporaryDirectory() as folder:
        path, other = Path(folder, "db", "calls.edb"), Path(folder, "calls.sqlite")
        with esent.open(path) as database:
            table = database.create_table(
                "rows",
                {"id": esent.Int32(), "name": esent.Text(), "payload": esent.Text()},
                primary_key="id",
                indexes={"by_name": "+name"},
            )
            table.insert_many([dict(zip(("id", "name", "payload"), row, strict=True)) for row in rows], commit_every=1000)
        connection = sqlite3.connect(other)
        connection.execute("create table rows (id integer primary key, name text, payload text)")
        connection.execute("create index by_name on rows (name)")
        connection.executemany("insert into rows values (?, ?, ?)", rows)
        connection.commit()
        connection.close()
        results = {
            "esent.jet": by_jet(path, keys, names),
            "import esent": by_layer(path, keys, names, read_only=False),
            "import esent, read-only": by_layer(path, keys, names, read_only=True),
            "sqlite3": by_sqlite(other, keys, names),
        }
        show(f"{count} rows", results)
        new = random.Random(6).sample(
            [(count + each, f"new {each * 7919 % count:08}", TEXT) for each in range(count // 4)], count // 4
        )
        results = {
            "esent.jet": changes_by_jet(path, new),
            "import esent": changes_by_layer(path, new),
            "sqlite3": changes_by_sqlite(other, new),
        }
        show(f"{len(new)} rows come, change and go", results)


if __name__ == "__main__":
    main()
