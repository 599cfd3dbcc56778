"""All rows of a table in batches, a leaf page each: for exports and whoever wants many rows at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from esent.catalog.objects import Table
from esent.errors import JetError
from esent.records.columns import Column
from esent.records.decode import RecordPlan, Separated
from esent.records.layout import SMALL_PAGE_MAX
from esent.records.values import converter
from esent.tree.cursor import NODE_DELETED, Tree
from esent.tree.long_values import LongValues
from esent.tree.source import PageSource

_LONG_VALUE_PAGES_KEPT = 32


class Batch(NamedTuple):
    """The rows of one leaf: bookmarks, and for each a list of values in the order of the columns or the error of the record."""

    bookmarks: list[bytes]
    rows: list[list[Any] | JetError]


def scan(
    source: PageSource,
    table: Table,
    columns: Sequence[Column] | None = None,
    *,
    exact: bool = False,
    start: bytes | None = None,
) -> Iterator[Batch]:
    """The rows of `table` in the order of its primary index, from the leaf where the key `start` belongs.

    Values are those of `columns` (all without): Python values, or with `exact` the stored bytes; None for NULL, a list where
    the column has several, an error object where one cannot be read. Raises what walking the tree raises.
    """
    chosen = list(table.columns if columns is None else columns)
    plan = RecordPlan(chosen, large_pages=source.page_size > SMALL_PAGE_MAX, derived=table.is_derived)
    converters = [bytes if exact else converter(column) for column in chosen]
    long_values = LongValues(source, table.long_value_root, table.long_value_objid, keep=_LONG_VALUE_PAGES_KEPT)
    long_columns = [place for place, column in enumerate(chosen) if column.is_long_value]

    def whole(value: Any, place: int) -> Any:
        if isinstance(value, list):
            return [whole(part, place) for part in value]
        if not isinstance(value, Separated):
            return value
        try:
            return converters[place](long_values.read(value.lid))
        except JetError as problem:
            return problem

    for page in Tree(source, table.root, table.objid).leaves(start):
        entries = [(key, record) for flags, key, record in page.entries() if not flags & NODE_DELETED]
        records = [record for _, record in entries]
        rows = plan.rows(records) if exact else plan.converted(records, converters)
        for row in rows:
            if not isinstance(row, JetError):
                for place in long_columns:
                    row[place] = whole(row[place], place)
        yield Batch([key for key, _ in entries], rows)
