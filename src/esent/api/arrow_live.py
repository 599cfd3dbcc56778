"""`to_arrow` of a table that is open for writing: what the calling thread sees of it, through a cursor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from esent.api.table import Table
from esent.catalog.column_scan import table_columnar
from esent.constants import codes, grbits
from esent.engine import navigation
from esent.engine.cursor import Cursor, cursor_call
from esent.errors import JetError
from esent.records.columnar import Columnar
from esent.tools.arrow import arrow, record_batch, schema_of
from esent.tools.selection import Selection
from esent.tools.where import Condition


def live_reader(table: Table, columns: Sequence[str] | None, where: Condition | str | None, rows: int, odd: bool) -> Any:
    """The reader of a live table; a batch holds what is committed, or the thread's own, when it is read."""
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
