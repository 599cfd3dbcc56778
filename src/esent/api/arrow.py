"""`to_arrow`: a table as record batches of pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from esent.api.reading_partitions import Partition
from esent.api.reading_table import ReadOnlyTable
from esent.api.table import Table
from esent.catalog.column_scan import BATCH_ROWS, table_columnar
from esent.constants import codes, grbits
from esent.engine import navigation
from esent.engine.cursor import Cursor, cursor_call
from esent.errors import JetError
from esent.records.columnar import Columnar
from esent.tools.arrow import arrow, record_batch, schema_of
from esent.tools.selection import Selection
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
    return _live_reader(table, columns, where, batch_size, odd)


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


def _live_reader(table: Table, columns: Sequence[str] | None, where: Condition | str | None, rows: int, odd: bool) -> Any:
    with table.session_cursor() as (cursor, _):
        selection = Selection(cursor.table, columns, where)
    schema = schema_of(table.name, selection.columns, odd=odd)

    def batches() -> Iterator[Any]:
        for columnar in _live_columnar(table, selection, rows):
            batch = columnar.taken()
            chosen = selection.chosen(batch)
            found = record_batch(schema, selection.columns, selection.wanted(batch))
            yield found if chosen is None else found.filter(arrow().array(chosen, arrow().bool_()))

    return arrow().RecordBatchReader.from_batches(schema, batches())


def _live_columnar(table: Table, selection: Selection, rows: int) -> Iterator[Columnar]:
    """Full collections of the rows that the thread sees, each read under the lock of the instance at once."""
    session = table.database.sessions.current()
    opened = session.open(table.name)
    at: list[Cursor] = []
    columnar: Columnar | None = None
    first, more = True, True
    try:
        while more:
            with cursor_call(opened.sesid, opened.tableid) as cursor, cursor.session.instance.lock:
                at[:] = [cursor]
                if columnar is None:
                    columnar = table_columnar(
                        cursor.database.file,
                        selection.table,
                        selection.read,
                        lambda lid: at[0].require_long_values().read(lid, 0, None),
                        batch_rows=rows,
                    )
                more = _fill(cursor, columnar, first=first)
                first = False
            if columnar.rows:
                yield columnar
    finally:
        session.give_back(table.name, opened)


def _fill(cursor: Cursor, columnar: Columnar, *, first: bool) -> bool:
    """The next rows into `columnar` until it is full; False where there are no more."""
    try:
        if first:
            navigation.set_current_index(cursor, None)
        while not columnar.full:
            if first:
                navigation.move(cursor, grbits.JET_MoveFirst)
                first = False
            else:
                navigation.move(cursor, 1)
            columnar.add_record(cursor.record())
    except JetError as problem:
        if problem.code != codes.JET_errNoCurrentRecord:
            raise
        return False
    return True


__all__ = ["to_arrow"]
