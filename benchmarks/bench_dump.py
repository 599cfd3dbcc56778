"""Every row, every column of a database: this engine's dump beside libesedb (pyesedb) and dissect.database.

Usage: python benchmarks/bench_dump.py [FILE ...]

Without files: `windows/types/large.edb` and `engine/rows-200k-8k/db.edb` of the fixtures (ESENT_FIXTURES, ../shared/fixtures).
Each reader runs in a process of its own, the best of several runs counts, memory is the peak of the process. The dump makes
finished JSON lines, system tables included; the others only hand out each value of each row.

A reader that cannot read a table is given the time of the rows it did read; the ratio to it is then too small.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reading_bench import Read, best_of, measure_all, print_table, read_dissect, read_pyesedb, run

COMPILED = ("esent.pages.page", "esent.pages.checksum", "esent.records.decode", "esent.tools.dump_lines")


def read_esent(path: str) -> tuple[int, str]:
    from esent.tools.dump import dump

    count = sum(1 for line in dump(path, system=True, allow_dirty=True) if ',"r":{' in line)
    return count, ""


READERS: dict[str, tuple[Read, int]] = {"esent": (read_esent, 5), "pyesedb": (read_pyesedb, 3), "dissect": (read_dissect, 1)}


def run_here(reader: str, path: str) -> dict[str, Any]:
    read, repeats = READERS[reader]
    return best_of(repeats, read, path)


def compare(path: Path, name: str) -> None:
    print(f"{name}, {path.stat().st_size / 2**20:.1f} MB")
    print_table(measure_all(__file__, READERS, path), "esent")


if __name__ == "__main__":
    run(__doc__, READERS, run_here, compare, COMPILED)
