"""What the benchmarks of reading share: the other readers, genuine files, and measuring in a process of its own."""

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
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

DEFAULT_FILES = ("windows/types/large.edb", "engine/rows-200k-8k/db.edb")
Read = Callable[[str], tuple[int, str]]  # of a path: the rows there were, and a note


def read_pyesedb(path: str) -> tuple[int, str]:
    """Every value of every row, by libesedb-python."""
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
    """Every value of every row, by dissect.database."""
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


def best_of(repeats: int, read: Read, path: str) -> dict[str, Any]:
    """The best time of several runs, what was read, and the peak of the process in megabytes."""
    best = float("inf")
    rows, note = 0, ""
    for _ in range(repeats):
        started = time.perf_counter()
        rows, note = read(path)
        best = min(best, time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": best, "rows": rows, "note": note, "peak": peak}


def measure(script: str, way: str, path: Path) -> dict[str, Any] | None:
    """What `script` measures of a way in a process of its own; None where that is not installed or fails."""
    process = subprocess.run([sys.executable, script, "--way", way, str(path)], capture_output=True, text=True, check=False)
    if process.returncode:
        print(f"  {way:10} failed: {process.stderr.strip().splitlines()[-1] if process.stderr else ''}")
        return None
    result: dict[str, Any] = json.loads(process.stdout)
    return result


def measure_all(script: str, ways: Collection[str], path: Path) -> dict[str, dict[str, Any]]:
    return {way: result for way in ways if (result := measure(script, way, path)) is not None}


def print_table(results: Mapping[str, Mapping[str, Any]], base: str) -> None:
    """A line a way; the ratio is to the time of `base`."""
    for way, result in results.items():
        ratio = f"{result['seconds'] / results[base]['seconds']:8.2f} x" if base in results else ""
        speed = f"{result['seconds']:8.3f} s {ratio}  {result['rows']:>7} rows"
        print(f"  {way:10} {speed}  peak {result['peak']:6.1f} MB  {result['note']}")


def expanded(name: str, folder: Path) -> Path:
    """A genuine file, unpacked into `folder` if it is stored compressed."""
    root = Path(os.environ.get("ESENT_FIXTURES") or Path(__file__).resolve().parents[2] / "shared" / "fixtures")
    if (root / name).is_file():
        return root / name
    target = folder / Path(name).name
    with gzip.open(root / f"{name}.gz", "rb") as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    return target


def run(
    description: str | None,
    ways: Collection[str],
    run_here: Callable[[str, str], Any],
    compare: Callable[[Path, str], None],
    compiled: Collection[str],
) -> None:
    """The command line: `compare` for each file; `run_here(way, path)`, whose result is JSON, in the processes of `measure`."""
    arguments = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("files", nargs="*", type=Path)
    arguments.add_argument("--way", choices=list(ways), help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.way:
        print(json.dumps(run_here(given.way, str(given.files[0]))))
        return
    places = [importlib.import_module(name).__file__ or "" for name in compiled]
    print("esent is compiled" if all(place.endswith((".so", ".pyd")) for place in places) else "esent is not compiled")
    for path in given.files:
        compare(path, path.name)
    with tempfile.TemporaryDirectory() as folder:
        for name in () if given.files else DEFAULT_FILES:
            try:
                path = expanded(name, Path(folder))
            except OSError:
                print(f"{name}: not there")
                continue
            compare(path, name)
