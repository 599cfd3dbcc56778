"""All rows of a table, or of a range of its keys, as column batches: for exports to columnar formats.

Where a page cannot be followed and damage is to be gone around, the rest of the tree is reached from its root; leaves that were
read before are recognised by their keys.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence

from esent.catalog.objects import Table
from esent.errors import JetError
from esent.pages.page import Page
from esent.records.columnar import Columnar, ColumnBatch
from esent.records.columns import Column
from esent.records.decode import SMALL_PAGE_MAX, RecordPlan
from esent.tree.cursor import NODE_DELETED, Tree
from esent.tree.long_values import LongValues
from esent.tree.source import PageSource

BATCH_ROWS = 65_536
BATCH_BYTES = 32 * 2**20  # of memory taken by a batch
_LONG_VALUE_PAGES_KEPT = 32

Lost = Callable[[JetError], None]
"""Told of each page that could not be followed and of each record that is none."""


def table_columnar(
    source: PageSource,
    table: Table,
    columns: Sequence[Column],
    *,
    batch_rows: int = BATCH_ROWS,
    read: Callable[[bytes], bytes] | None = None,
) -> Columnar:
    """What collects records of `table`. `read`: where its separated values come from, else from the tree in `source`."""
    plan = RecordPlan(columns, large_pages=source.page_size > SMALL_PAGE_MAX, derived=table.is_derived)
    if read is None:
        read = LongValues(source, table.long_value_root, table.long_value_objid, keep=_LONG_VALUE_PAGES_KEPT).read
    return Columnar(plan, read, batch_rows, BATCH_BYTES)


def column_batches(
    source: PageSource,
    table: Table,
    columns: Sequence[Column] | None = None,
    *,
    batch_rows: int = BATCH_ROWS,
    low: bytes | None = None,
    high: bytes | None = None,
    lost: Lost | None = None,
) -> Iterator[ColumnBatch]:
    """The rows of `table` whose keys are at least `low` and below `high`, in the order of its primary index.

    A batch has `batch_rows` rows, fewer where they are large. Raises what walking the tree raises, and the error of a record
    that is none, unless there is `lost`, which is then told of it.
    """
    columnar = table_columnar(source, table, table.columns if columns is None else columns, batch_rows=batch_rows)
    tree = Tree(source, table.root, table.objid)
    for page in tree.leaves(low) if lost is None else _leaves_around_damage(tree, low, lost):
        broken: list[JetError] = []
        bounds = _within(page, low, high)
        done, end = 0, len(bounds) // 8
        while done < end:
            done = columnar.add(page.data, bounds, done, broken)
            if columnar.full:
                yield columnar.taken()
        for problem in broken:
            problem.page = page.pgno
            if lost is None:
                raise problem
            lost(problem)
        if high is not None and page.line_count and page.key(page.line_count - 1) >= high:
            break
    if columnar.rows:
        yield columnar.taken()


def _within(page: Page, low: bytes | None, high: bytes | None) -> bytearray:
    """`Page.data_bounds` of the lines with low <= key < high."""
    lines = page.line_count
    if not lines or ((low is None or page.key(0) >= low) and (high is None or page.key(lines - 1) < high)):
        return page.data_bounds()
    found = array("I")
    for line in range(lines):
        key = page.key(line)
        inside = (low is None or key >= low) and (high is None or key < high)
        if inside and not page.node_flags(line) & NODE_DELETED:
            found.extend(page.value_bounds(line))
    return bytearray(found.tobytes())


def _leaves_around_damage(tree: Tree, low: bytes | None, lost: Lost) -> Iterator[Page]:
    last: bytes | None = None
    try:
        for page in tree.leaves(low):
            if page.line_count:
                last = page.key(page.line_count - 1)
            yield page
    except JetError as problem:
        lost(problem)
    else:
        return
    for found in tree.salvage():
        if isinstance(found, JetError):
            lost(found)
        elif last is None or (found.line_count and found.key(found.line_count - 1) > last):
            yield found
