"""Reading a database file beside libesedb (pyesedb) and dissect.database: all rows as tuples, single rows, a cold open.

Usage: python benchmarks/bench_read.py [FILE ...]

Without files: `windows/types/large.edb` and `engine/rows-200k-8k/db.edb` of the fixtures (ESENT_FIXTURES, ../shared/fixtures).
Each reader runs in a process of its own, the best of several runs counts. "scan" reads every row of every table (system tables
included) as Python values: `rows()` of each table here; the others hand out the value of each column. "open" opens the file
and reads the first row of its last user table, in a process that has opened it before. "seek" looks rows up by their primary
key in random order; the other readers have no such call.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench_dump import DEFAULT_FILES, expanded

READERS = ("esent", "pyesedb", "dissect")
REPEATS = {"esent": 5, "pyesedb": 3, "dissect": 1}
SEEKS = 5000


def scan_esent(path: str) -> int:
    import esent

    with esent.open(path, read_only=True) as database:
        return sum(sum(1 for _ in database[name].rows()) for name in database.catalog.names())


def open_esent(path: str) -> int:
    import esent

    with esent.open(path, read_only=True) as database:
        return next(database[database.tables[-1]].rows(), None) is not None


def scan_pyesedb(path: str) -> int:
    file = importlib.import_module("pyesedb").file()
    file.open(path)
    count = 0
    for number in range(file.get_number_of_tables()):
        table = file.get_table(number)
        try:
            for row in range(table.get_number_of_records()):
                record = table.get_record(row)
                for place in range(record.get_number_of_values()):
                    record.get_value_data(place)
                count += 1
        except OSError:
            pass  # it cannot read this table
    file.close()
    return count


def open_pyesedb(path: str) -> int:
    file = importlib.import_module("pyesedb").file()
    file.open(path)
    table = file.get_table(file.get_number_of_tables() - 1)
    try:
        record = table.get_record(0)
        found = sum(record.get_value_data(place) is not None for place in range(record.get_number_of_values()))
    except OSError:
        found = 0
    file.close()
    return found


def scan_dissect(path: str) -> int:
    open_database = importlib.import_module("dissect.database.ese").ESE
    count = 0
    with Path(path).open("rb") as stream:
        for table in open_database(stream).tables():
            names = [column.name for column in table.columns]
            for record in table.records():
                for name in names:
                    record.get(name)
                count += 1
    return count


def open_dissect(path: str) -> int:
    open_database = importlib.import_module("dissect.database.ese").ESE
    with Path(path).open("rb") as stream:
        table = list(open_database(stream).tables())[-1]
        record = next(iter(table.records()), None)
        return 0 if record is None else sum(record.get(column.name) is not None for column in table.columns)


DOORS: dict[str, dict[str, Callable[[str], int]]] = {
    "esent": {"scan": scan_esent, "open": open_esent},
    "pyesedb": {"scan": scan_pyesedb, "open": open_pyesedb},
    "dissect": {"scan": scan_dissect, "open": open_dissect},
}


def run_here(reader: str, path: str) -> None:
    """Measure one reader in this process and print the result as JSON."""
    result: dict[str, float] = {}
    for what, read in DOORS[reader].items():
        best = float("inf")
        for _ in range(REPEATS[reader] + (what == "open")):
            started = time.perf_counter()
            result[f"{what} rows"] = read(path)
            best = min(best, time.perf_counter() - started)
        result[what] = best
    print(json.dumps(result))


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
    results: dict[str, dict[str, float]] = {}
    for reader in READERS:
        process = subprocess.run(
            [sys.executable, __file__, "--reader", reader, str(path)], capture_output=True, text=True, check=False
        )
        if process.returncode:
            print(f"  {reader:10} failed: {process.stderr.strip().splitlines()[-1] if process.stderr else ''}")
            continue
        results[reader] = json.loads(process.stdout)
    ours = results.get("esent")
    for reader, result in results.items():
        parts = []
        for what in ("scan", "open"):
            ratio = f" {result[what] / ours[what]:6.1f} x" if ours else ""
            parts.append(f"{what} {result[what] * 1000:10.1f} ms{ratio}")
        print(f"  {reader:10} {'   '.join(parts)}   {result['scan rows']:>7} rows")
    single = seeks(path)
    if single is not None:
        print(f"  esent      {single:.1f} microseconds a row by primary key")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("files", nargs="*", type=Path)
    arguments.add_argument("--reader", choices=READERS, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.reader:
        run_here(options.reader, str(options.files[0]))
        return
    with tempfile.TemporaryDirectory() as folder:
        for path in options.files:
            compare(path, path.name)
        for name in DEFAULT_FILES if not options.files else ():
            try:
                path = expanded(name, Path(folder))
            except OSError:
                print(f"{name}: not there")
                continue
            compare(path, name)


if __name__ == "__main__":
    main()
