"""Which columns and rows of a table are wanted, and how much of its primary index has to be read for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from esent.catalog.column_scan import BATCH_ROWS, column_batches
from esent.catalog.objects import SEGMENT_DESCENDING, Table
from esent.catalog.salvage import Salvage
from esent.constants import codes, grbits
from esent.engine.search_key import SearchKey
from esent.engine.table_view import TableView
from esent.errors import JetError, jet_error
from esent.records.column_values import python_values
from esent.records.columnar import ColumnBatch
from esent.records.columns import Column
from esent.records.encode import value_bytes
from esent.tools.where import Condition
from esent.tree.source import PageSource


class Selection:
    """Columns of a table and a condition on its rows. `columns` are those wanted, `read` those and what the condition needs."""

    def __init__(self, table: Table, columns: Sequence[str] | None = None, where: Condition | str | None = None) -> None:
        """JET_errColumnNotFound for a name that the table has not, `ConditionError`."""
        self.table = table
        self.columns: list[Column] = list(table.columns) if columns is None else [table.column(name) for name in columns]
        if len({id(column) for column in self.columns}) < len(self.columns):
            raise jet_error(codes.JET_errInvalidParameter, f"a column of table {table.name} is asked for twice")
        self.where = Condition(where) if isinstance(where, str) else where
        self.read = list(self.columns)
        self._places: list[int] = []
        if self.where is not None:
            tested = [table.column(name) for name in self.where.names]
            self._test = self.where.bound(tested)
            for column in tested:
                if column not in self.read:
                    self.read.append(column)
                self._places.append(self.read.index(column))

    def chosen(self, batch: ColumnBatch) -> list[bool] | None:
        """Which rows of a batch of the columns `read` the condition holds for; None: all."""
        if self.where is None:
            return None
        tested = [python_values(self.read[place], batch.columns[place]) for place in self._places]
        return [self._test(row) is True for row in zip(*tested, strict=True)]

    def wanted(self, batch: ColumnBatch) -> ColumnBatch:
        """A batch of the columns `read` without those that only the condition needs."""
        count = len(self.columns)
        if count == len(self.read):
            return batch
        return ColumnBatch(batch.rows, batch.columns[:count], [odd for odd in batch.odd if odd.column < count])

    def batches(
        self,
        source: PageSource,
        *,
        batch_rows: int = BATCH_ROWS,
        low: bytes | None = None,
        high: bytes | None = None,
        salvage: Salvage | None = None,
    ) -> Iterator[tuple[ColumnBatch, list[bool] | None]]:
        """Batches of the columns wanted, and which of their rows are. Arguments as of `column_batches`."""
        least, most = self._key_range(source.page_size)
        low = max(low, least) if low is not None and least is not None else low or least
        high = min(high, most) if high is not None and most is not None else high or most
        scan = column_batches(source, self.table, self.read, batch_rows=batch_rows, low=low, high=high, salvage=salvage)
        for batch in scan:
            yield self.wanted(batch), self.chosen(batch)

    def _key_range(self, page_size: int) -> tuple[bytes | None, bytes | None]:
        """The part of the primary index outside of which the condition cannot hold."""
        primary = self.table.primary_index
        if self.where is None or primary is None or not primary.segments:
            return None, None
        column = self.table.segment_column(primary.segments[0])
        if column is None:
            return None, None
        low, high = self.where.limits(column)
        if primary.segments[0].flags & SEGMENT_DESCENDING:
            low, high = high, low
        view = TableView(self.table, page_size)

        def key(value: object, limit: int) -> bytes | None:
            if not isinstance(value, int):
                return None
            search = SearchKey()
            try:
                data = value_bytes(column.coltyp, column.code_page, value)
                search.add(view.definition(primary), view.columns, data, grbits.JET_bitNewKey | limit)
            except JetError:
                return None  # a number that the column cannot hold: the test of the rows will tell
            return search.data

        end = key(high, grbits.JET_bitFullColumnEndLimit)
        return key(low, grbits.JET_bitFullColumnStartLimit), None if end is None else end + b"\0"
