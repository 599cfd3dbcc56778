"""Reading a database file beside libesedb (pyesedb) and dissect.database: all rows as tuples, single rows, a cold open.

Usage: python benchmarks/bench_read.py [FILE ...]

Without files: `windows/types/large.edb` and `engine/rows-200k-8k/db.edb` of the fixtures (ESENT_FIXTURES, ../shared/fixtures).
Each reader runs in a process of its own, the best of several runs counts. "scan" reads every row of every table (system tables
included) as Python values: `rows()` of each table here; the others hand out the value of each column. "open" opens the file
and reads the first row of its last user table, in a process that has opened it before. "seek" looks rows up by their primary
key in random order; the other readers have no such call.
"""

from __future__ import annotations

import importlib
import random
import time
from pathlib import Path
from typing import Any

from reading_bench import Read, best_of, measure_all, read_dissect, read_pyesedb, run

COMPILED = ("esent.pages.page", "esent.records.decode", "esent.records.tuples", "esent.tree.cursor")
SEEKS = 5000


def scan_esent(path: str) -> tuple[int, str]:
    import esent

    with esent.open(path, read_only=True) as database:
        return sum(sum(1 for _ in database[name].rows()) for name in database.catalog.names()), ""


def open_esent(path: str) -> tuple[int, str]:
    import esent

    with esent.open(path, read_only=True) as database:
        return next(database[database.tables[-1]].rows(), None) is not None, ""


def open_pyesedb(path: str) -> tuple[int, str]:
    file = importlib.import_module("pyesedb").file()
    file.open(path)
    table = file.get_table(file.get_number_of_tables() - 1)
    try:
        record = table.get_record(0)
        found = sum(record.get_value_data(place) is not None for place in range(record.get_number_of_values()))
    except OSError:
        found = 0
    file.close()
    return found > 0, ""


def open_dissect(path: str) -> tuple[int, str]:
    open_database = importlib.import_module("dissect.database.ese").ESE
    with Path(path).open("rb") as stream:
        table = list(open_database(stream).tables())[-1]
        record = next(iter(table.records()), None)
        found = record is not None and sum(record.get(column.name) is not None for column in table.columns)
        return found > 0, ""


# how to scan, how to open, how often
READERS: dict[str, tuple[Read, Read, int]] = {
    "esent": (scan_esent, open_esent, 5),
    "pyesedb": (read_pyesedb, open_pyesedb, 3),
    "dissect": (read_dissect, open_dissect, 1),
}


def run_here(reader: str, path: str) -> dict[str, Any]:
    scan, open_, repeats = READERS[reader]
    return {"scan": best_of(repeats, scan, path), "open": best_of(repeats + 1, open_, path)}


def seeks(path: Path) -> float | None:
    """Microseconds a look-up by primary key in the largest table that has a key."""
    import esent

    with esent.open(path, read_only=True) as database:
        tables = [database[name] for name in database.tables]
        keyed = [(table, table.primary_key) for table in tables]
        found = [(len(table), table, names) for table, names in keyed if names]
        if not found:
            return None
        _, table, names = max(found, key=lambda each: each[0])
        keys = list(table.rows(names))
        chosen = random.Random(5).choices(keys, k=SEEKS)
        best = float("inf")
        for _ in range(3):
            started = time.perf_counter()
            for key in chosen:
                table.get(key)
            best = min(best, time.perf_counter() - started)
        return best / SEEKS * 1e6


def compare(path: Path, name: str) -> None:
    print(f"{name}, {path.stat().st_size / 2**20:.1f} MB")
    results = measure_all(__file__, READERS, path)
    ours = results.get("esent")
    for reader, result in results.items():
        parts = []
        for what in ("scan", "open"):
            seconds = result[what]["seconds"]
            ratio = f" {seconds / ours[what]['seconds']:6.1f} x" if ours else ""
            parts.append(f"{what} {seconds * 1000:10.1f} ms{ratio}")
        print(f"  {reader:10} {'   '.join(parts)}   {result['scan']['rows']:>7} rows")
    single = seeks(path)
    if single is not None:
        print(f"  esent      {single:.1f} microseconds a row by primary key")


if __name__ == "__main__":
    run(__doc__, READERS, run_here, compare, COMPILED)
