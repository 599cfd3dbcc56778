"""All rows of a table, or of a range of its keys, as column batches: for exports to columnar formats.

A database that is being salvaged is read like a sound one as far as that goes. Where a page cannot be followed the rest comes
from the salvaged tree; what was read before is known by its keys.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence

from esent.catalog.objects import Table
from esent.catalog.salvage import Loss, Salvage
from esent.errors import JetError
from esent.pages.page import Page
from esent.records.columnar import Columnar, ColumnBatch
from esent.records.columns import Column
from esent.records.decode import RecordPlan
from esent.records.layout import SMALL_PAGE_MAX
from esent.tree.cursor import NODE_DELETED, Tree
from esent.tree.long_values import LongValues
from esent.tree.source import PageSource

BATCH_ROWS = 65_536
BATCH_BYTES = 32 * 2**20  # of memory taken by a batch
_LONG_VALUE_PAGES_KEPT = 32

Read = Callable[[bytes], bytes]
"""A separated value by the id its record has."""


def table_columnar(
    source: PageSource, table: Table, columns: Sequence[Column], read: Read, *, batch_rows: int = BATCH_ROWS
) -> Columnar:
    """What collects records of `table`, whose pages have the size of those of `source`."""
    plan = RecordPlan(columns, large_pages=source.page_size > SMALL_PAGE_MAX, derived=table.is_derived)
    return Columnar(plan, read, batch_rows, BATCH_BYTES)


def column_batches(
    source: PageSource,
    table: Table,
    columns: Sequence[Column] | None = None,
    *,
    batch_rows: int = BATCH_ROWS,
    low: bytes | None = None,
    high: bytes | None = None,
    salvage: Salvage | None = None,
) -> Iterator[ColumnBatch]:
    """The rows of `table` whose keys are at least `low` and below `high`, in the order of its primary index.

    A batch has `batch_rows` rows, fewer where they are large. Raises what walking the tree raises, and the error of a record
    that is none, unless there is `salvage`, which then takes note of it.
    """
    chosen = list(table.columns if columns is None else columns)
    columnar = table_columnar(source, table, chosen, _reader(source, table, salvage), batch_rows=batch_rows)
    last: bytes | None = None
    try:
        for page in Tree(source, table.root, table.objid).leaves(low):
            yield from _add(columnar, table, page, _within(page, low, high), salvage)
            if page.line_count:
                last = page.key(page.line_count - 1)
                if high is not None and last >= high:
                    break
    except JetError:
        if salvage is None:
            raise
        yield from _salvaged(columnar, table, salvage, low, last, high)
    if columnar.rows:
        yield columnar.taken()


def _reader(source: PageSource, table: Table, salvage: Salvage | None) -> Read:
    sound = LongValues(source, table.long_value_root, table.long_value_objid, keep=_LONG_VALUE_PAGES_KEPT)
    if salvage is None:
        return sound.read
    rescued = salvage.long_values(table, keep=_LONG_VALUE_PAGES_KEPT)

    def read(lid: bytes) -> bytes:
        try:
            return sound.read(lid)
        except JetError:
            return rescued.read(lid)

    return read


def _add(columnar: Columnar, table: Table, page: Page, bounds: bytearray, salvage: Salvage | None) -> Iterator[ColumnBatch]:
    """The records of a page, and the batches that become full with them."""
    broken: list[JetError] = []
    done, end = 0, len(bounds) // 8
    while done < end:
        done = columnar.add(page.data, bounds, done, broken)
        if columnar.full:
            yield columnar.taken()
    for problem in broken:
        _note(problem, table, page.pgno, salvage)


def _note(problem: JetError, table: Table, pgno: int, salvage: Salvage | None) -> None:
    """A record of a page is none: raised, or written down."""
    problem.page = pgno
    if salvage is None:
        raise problem
    salvage.losses.add(Loss(table.name, "rows", pgno, problem.code, problem.message))


def _salvaged(
    columnar: Columnar, table: Table, salvage: Salvage, low: bytes | None, last: bytes | None, high: bytes | None
) -> Iterator[ColumnBatch]:
    """The rows behind the key `last`, or from `low` on, that damage has left."""
    for batch in salvage.rows(table).batches(low if last is None else last):
        for flags, key, record in batch.entries:
            if flags & NODE_DELETED or (last is not None and key <= last) or (low is not None and key < low):
                continue
            if high is not None and key >= high:
                return
            try:
                columnar.add_record(record)
            except JetError as problem:
                _note(problem, table, batch.page, salvage)
            if columnar.full:
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
