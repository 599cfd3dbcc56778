"""`to_arrow`: a table as record batches of pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from esent.api.reading_partitions import Partition
from esent.api.reading_table import ReadOnlyTable
from esent.catalog.column_scan import BATCH_ROWS
from esent.tools.arrow import arrow, record_batch, schema_of
from esent.tools.selection import Selection

if TYPE_CHECKING:
    from esent.api.table import Table
    from esent.tools.where import Condition


def to_arrow(
    table: Table | ReadOnlyTable | Partition,
    columns: Sequence[str] | None = None,
    where: Condition | str | None = None,
    *,
    batch_size: int = BATCH_ROWS,
    odd: bool = True,
) -> Any:
    """The rows of a table, in the order of its primary key, as a `pyarrow.RecordBatchReader`. Needs pyarrow: `esent[arrow]`.

    `columns`: these only; `where`: rows for which a condition is true (`esent.tools.where` has its language). A batch has up
    to `batch_size` rows, fewer where they are large. Types are as in `esent.tools.arrow`; `odd` adds the column `_odd` with
    what a type cannot hold. Damage raises, unless the database was opened with `salvage`, whose `losses` then tell of it.

    Of a database that is open for writing the rows are what the calling thread sees: those of its transaction, or those
    committed when a batch is read. JET_errColumnNotFound, `ConditionError`, ImportError without pyarrow.
    """
    arrow()
    if isinstance(table, Partition):
        return table.to_arrow(columns, where, batch_size=batch_size, odd=odd)
    if isinstance(table, ReadOnlyTable):
        return read_only_reader(table, columns, where, batch_size=batch_size, odd=odd)
    from esent.api.arrow_live import live_reader  # loads the engine

    return live_reader(table, columns, where, batch_size, odd)


def read_only_reader(
    table: ReadOnlyTable,
    columns: Sequence[str] | None,
    where: Condition | str | None,
    *,
    batch_size: int,
    odd: bool,
    low: bytes | None = None,
    high: bytes | None = None,
) -> Any:
    """`to_arrow` of a read-only table, or of a range of its keys."""
    selection = Selection(table.definition, columns, where)
    schema = schema_of(table.name, selection.columns, odd=odd)

    def batches() -> Iterator[Any]:
        for batch, chosen in selection.batches(table.source, batch_rows=batch_size, low=low, high=high, salvage=table.salvage):
            found = record_batch(schema, selection.columns, batch)
            yield found if chosen is None else found.filter(arrow().array(chosen, arrow().bool_()))

    return arrow().RecordBatchReader.from_batches(schema, batches())


__all__ = ["to_arrow"]
