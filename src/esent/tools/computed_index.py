"""The entries of a secondary index made anew from the rows, where the stored ones are lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from esent.catalog.objects import Index
from esent.engine.index_entries import ReadLongValue, index_entries
from esent.engine.table_view import TableView
from esent.errors import JetError


def computed_entries(
    view: TableView,
    index: Index,
    rows: Iterable[tuple[bytes, bytes]],
    read: ReadLongValue,
    refused: Callable[[bytes, JetError], None],
) -> Iterator[tuple[bytes, bytes]]:
    """(key, bookmark) of the entries of `rows`, (bookmark, record) pairs, in their order.

    `refused` is told of each row whose keys cannot be made, because its text has no collation here or its record is damaged.
    """
    for bookmark, record in rows:
        try:
            keys = index_entries(view, index, record, read)
        except JetError as problem:
            refused(bookmark, problem)
            continue
        for key in keys:
            yield key, bookmark


def entries_between(
    entries: Iterable[tuple[bytes, bytes]], low: bytes, high: bytes | None, *, unique: bool
) -> list[tuple[bytes, bytes]]:
    """Those from `low` up to `high` (None: no end) in the order of the index; without `unique` the bookmark counts too."""
    found = []
    for key, bookmark in entries:
        place = key if unique else key + bookmark
        if place >= low and (high is None or place < high):
            found.append((key, bookmark))
    return sorted(found)
