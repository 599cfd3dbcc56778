"""A table of a database as a Dask dataframe: each part is read by the process that needs it.

    python examples/dask_table.py DATABASE TABLE

Prints the number of rows, and of different values of each column. Needs
`python -m pip install 'esent[arrow]' 'dask[dataframe]'`.
For thousands of databases, export them once (`esent export DIR --to parquet --out DATASET --jobs 8`) and read the dataset:
`dask.dataframe.read_parquet("DATASET/table=NAME")`.
"""

from __future__ import annotations

import sys

import dask
import dask.dataframe
import pandas

import esent
from esent.api.reading_partitions import Partition

PARTS = 8


def read_part(part: Partition, columns: list[str]) -> pandas.DataFrame:
    """The rows of one part; runs in any process, which opens the database for itself."""
    return esent.to_arrow(part, columns, odd=False).read_all().to_pandas(types_mapper=pandas.ArrowDtype)


def dataframe(path: str, name: str) -> dask.dataframe.DataFrame:
    """The whole table, read when something is computed."""
    with esent.open(path, read_only=True) as database:
        table = database[name]
        # lists and bytes are left out, which are nothing that values can be counted of
        columns = [column for column, kind in table.columns.items() if not kind.multi_valued and not isinstance(kind, LEFT_OUT)]
        empty = esent.to_arrow(table, columns, odd=False).schema.empty_table().to_pandas(types_mapper=pandas.ArrowDtype)
        return dask.dataframe.from_map(read_part, table.partitions(PARTS), columns=columns, meta=empty)


LEFT_OUT = (esent.Binary, esent.LongBinary, esent.Guid)


def main() -> None:
    path, name = sys.argv[1:]
    rows = dataframe(path, name)
    count, *different = dask.compute(rows.shape[0], *(rows[column].nunique() for column in rows.columns))
    print(f"{count} rows in {rows.npartitions} parts")
    for column, number in zip(rows.columns, different, strict=True):
        print(f"{column}: {number}")


if __name__ == "__main__":
    main()
