"""Every row, every column of a database: this engine's dump beside libesedb (pyesedb) and dissect.database.

Usage: python benchmarks/bench_dump.py [FILE ...]

Without files: `windows/types/large.edb` and `engine/rows-200k-8k/db.edb` of the fixtures (ESENT_FIXTURES, ../shared/fixtures).
Each reader runs in a process of its own, the best of several runs counts, memory is the peak of the process. The dump makes
finished JSON lines, system tables included; the others only hand out each value of each row.

A reader that cannot read a table is given the time of the rows it did read; the ratio to it is then too small.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

READERS = ("esent", "pyesedb", "dissect")
REPEATS = {"esent": 5, "pyesedb": 3, "dissect": 1}
DEFAULT_FILES = ("windows/types/large.edb", "engine/rows-200k-8k/db.edb")
COMPILED = ("esent.pages.page", "esent.pages.checksum", "esent.records.decode", "esent.tools.dump_lines")


def read_esent(path: str) -> tuple[int, str]:
    from esent.tools.dump import dump

    count = sum(1 for line in dump(path, system=True, allow_dirty=True) if ',"r":{' in line)
    return count, ""


def read_pyesedb(path: str) -> tuple[int, str]:
    file = importlib.import_module("pyesedb").file()
    file.open(path)
    count, refused = 0, []
    for number in range(file.get_number_of_tables()):
        table = file.get_table(number)
        try:
            for row in range(table.get_number_of_records()):
                record = table.get_record(row)
                for place in range(record.get_number_of_values()):
                    record.get_value_data(place)
                count += 1
        except OSError:
            refused.append(table.get_name())
    file.close()
    return count, f"cannot read {', '.join(refused)}" if refused else ""


def read_dissect(path: str) -> tuple[int, str]:
    open_database = importlib.import_module("dissect.database.ese").ESE
    count = 0
    with Path(path).open("rb") as stream:
        for table in open_database(stream).tables():
            names = [column.name for column in table.columns]
            for record in table.records():
                for name in names:
                    record.get(name)
                count += 1
    return count, ""


def run_here(reader: str, path: str) -> None:
    """Measure one reader in this process and print the result as JSON."""
    read: Callable[[str], tuple[int, str]] = {"esent": read_esent, "pyesedb": read_pyesedb, "dissect": read_dissect}[reader]
    best = float("inf")
    rows, note = 0, ""
    for _ in range(REPEATS[reader]):
        started = time.perf_counter()
        rows, note = read(path)
        best = min(best, time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": best, "rows": rows, "note": note, "peak": peak}))


def measure(reader: str, path: Path) -> dict[str, float | str] | None:
    """The result of a reader in a process of its own, None where it is not installed or fails."""
    process = subprocess.run(
        [sys.executable, __file__, "--reader", reader, str(path)], capture_output=True, text=True, check=False
    )
    if process.returncode:
        print(f"  {reader:10} failed: {process.stderr.strip().splitlines()[-1] if process.stderr else ''}")
        return None
    result: dict[str, float | str] = json.loads(process.stdout)
    return result


def compare(path: Path, name: str) -> None:
    print(f"{name}, {path.stat().st_size / 2**20:.1f} MB")
    results = {reader: result for reader in READERS if (result := measure(reader, path)) is not None}
    ours = results.get("esent")
    for reader, result in results.items():
        ratio = f"{float(result['seconds']) / float(ours['seconds']):7.1f} x" if ours else ""
        speed = f"{result['seconds']:8.3f} s {ratio}  {result['rows']:>7} rows"
        print(f"  {reader:10} {speed}  peak {result['peak']:6.1f} MB  {result['note']}")


def expanded(name: str, folder: Path) -> Path:
    """A genuine file, unpacked into `folder` if it is stored compressed."""
    root = Path(os.environ.get("ESENT_FIXTURES") or Path(__file__).resolve().parents[2] / "shared" / "fixtures")
    if (root / name).is_file():
        return root / name
    target = folder / Path(name).name
    with gzip.open(root / f"{name}.gz", "rb") as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    return target


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("files", nargs="*", type=Path)
    arguments.add_argument("--reader", choices=READERS, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.reader:
        run_here(given.reader, str(given.files[0]))
        return
    modules = {name: importlib.import_module(name).__file__ or "" for name in COMPILED}
    print(
        "esent is compiled" if all(place.endswith((".so", ".pyd")) for place in modules.values()) else "esent is not compiled"
    )
    with tempfile.TemporaryDirectory() as folder:
        if given.files:
            for path in given.files:
                compare(path, path.name)
        else:
            for name in DEFAULT_FILES:
                compare(expanded(name, Path(folder)), name)


if __name__ == "__main__":
    main()
