"""Every row, every column of a database: to tuples, to Arrow and to Parquet, beside libesedb (pyesedb) and dissect.database.

Usage: python benchmarks/bench_export.py [FILE ...]

Without files: `windows/types/large.edb` and `engine/rows-200k-8k/db.edb` of the fixtures (ESENT_FIXTURES, ../shared/fixtures).
Each way runs in a process of its own, the best of several runs counts, memory is the peak of the process. What pyesedb and
dissect hand out are the values of each row; making Python values of pyesedb's bytes is not counted. Arrow and Parquet have the
user's tables only, and the tuples they are compared with as well; a table of 65,000 columns is no Parquet file anybody wants,
and is left out there.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench_dump import expanded, read_dissect, read_pyesedb

DEFAULT_FILES = ("windows/types/large.edb", "engine/rows-200k-8k/db.edb")
COMPILED = ("esent.pages.page", "esent.records.decode", "esent.records.columnar", "esent.records.tuples")
MOST_COLUMNS = 10_000


def to_tuples(path: str) -> tuple[int, str]:
    import esent

    count = 0
    with esent.open(path, read_only=True) as database:
        for name in database.tables:
            for _ in database[name].rows():
                count += 1
    return count, ""


def to_arrow(path: str) -> tuple[int, str]:
    import esent

    count = 0
    with esent.open(path, read_only=True) as database:
        for name in database.tables:
            for batch in esent.to_arrow(database[name]):
                count += batch.num_rows
    return count, ""


def to_parquet(path: str) -> tuple[int, str]:
    import esent
    from esent.api.export import export

    with esent.open(path, read_only=True) as database:
        tables = [name for name in database.tables if len(database.table(name).columns) <= MOST_COLUMNS]
        left_out = len(database.tables) - len(tables)
    if not tables:
        return 0, "all tables left out"
    with tempfile.TemporaryDirectory() as folder:
        manifest = export(path, Path(folder) / "out", to="parquet", tables=tables)
    return int(manifest["rows"]), f"{left_out} table left out" if left_out else "with hashes and manifest"


WAYS: dict[str, tuple[Callable[[str], tuple[int, str]], int]] = {
    "tuples": (to_tuples, 5),
    "Arrow": (to_arrow, 5),
    "Parquet": (to_parquet, 3),
    "pyesedb": (read_pyesedb, 2),
    "dissect": (read_dissect, 1),
}


def run_here(way: str, path: str) -> None:
    """Measure one way in this process and print the result as JSON."""
    read, repeats = WAYS[way]
    best = float("inf")
    rows, note = 0, ""
    for _ in range(repeats):
        started = time.perf_counter()
        rows, note = read(path)
        best = min(best, time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": best, "rows": rows, "note": note, "peak": peak}))


def measure(way: str, path: Path) -> dict[str, float | str] | None:
    """The result of a way in a process of its own, None where it is not installed or fails."""
    process = subprocess.run([sys.executable, __file__, "--way", way, str(path)], capture_output=True, text=True, check=False)
    if process.returncode:
        print(f"  {way:8} failed: {process.stderr.strip().splitlines()[-1] if process.stderr else ''}")
        return None
    result: dict[str, float | str] = json.loads(process.stdout)
    return result


def compare(path: Path, name: str) -> None:
    print(f"{name}, {path.stat().st_size / 2**20:.1f} MB; ratios to our scan to tuples")
    results = {way: result for way in WAYS if (result := measure(way, path)) is not None}
    base = float(results["tuples"]["seconds"])
    for way, result in results.items():
        seconds = float(result["seconds"])
        speed = f"{seconds:8.3f} s {seconds / base:8.2f} x  {result['rows']:>7} rows"
        print(f"  {way:8} {speed}  peak {result['peak']:6.1f} MB  {result['note']}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("files", nargs="*", type=Path)
    arguments.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.way:
        run_here(given.way, str(given.files[0]))
        return
    places = [importlib.import_module(name).__file__ or "" for name in COMPILED]
    print("esent is compiled" if all(place.endswith((".so", ".pyd")) for place in places) else "esent is not compiled")
    folder = Path(tempfile.mkdtemp())
    try:
        for path in given.files:
            compare(path, path.name)
        for name in () if given.files else DEFAULT_FILES:
            compare(expanded(name, folder), name)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
