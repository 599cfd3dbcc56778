"""Every row, every column of a database: to tuples, to Arrow and to Parquet, beside libesedb (pyesedb) and dissect.database.

Usage: python benchmarks/bench_export.py [FILE ...]

Without files: `windows/types/large.edb` and `engine/rows-200k-8k/db.edb` of the fixtures (ESENT_FIXTURES, ../shared/fixtures).
Each way runs in a process of its own, the best of several runs counts, memory is the peak of the process. What pyesedb and
dissect hand out are the values of each row; making Python values of pyesedb's bytes is not counted. Arrow and Parquet have the
user's tables only, and the tuples they are compared with as well; a table of 65,000 columns is no Parquet file anybody wants,
and is left out there.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from reading_bench import Read, best_of, measure_all, print_table, read_dissect, read_pyesedb, run

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


WAYS: dict[str, tuple[Read, int]] = {
    "tuples": (to_tuples, 5),
    "Arrow": (to_arrow, 5),
    "Parquet": (to_parquet, 3),
    "pyesedb": (read_pyesedb, 2),
    "dissect": (read_dissect, 1),
}


def run_here(way: str, path: str) -> dict[str, Any]:
    read, repeats = WAYS[way]
    return best_of(repeats, read, path)


def compare(path: Path, name: str) -> None:
    print(f"{name}, {path.stat().st_size / 2**20:.1f} MB; ratios to our scan to tuples")
    print_table(measure_all(__file__, WAYS, path), "tuples")


if __name__ == "__main__":
    run(__doc__, WAYS, run_here, compare, COMPILED)
