"""What cursors need to know of a table, worked out once: columns by id, limits of its records, how its keys are made.

A `TableView` belongs to one state of a `catalog.objects.Table`. Numbers that all cursors of a table draw from (the next row of
a sequential table, of an auto-increment column, of a long value) are in the `TableCounters` of the database.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from esent.catalog.objects import Index, Table
from esent.catalog.rows import key_definition
from esent.constants import codes
from esent.constants.formats import Feature
from esent.errors import jet_error
from esent.pages.header import DatabaseHeader
from esent.records.access import ColumnPlace
from esent.records.columns import (
    FIXED_LAST,
    FLAG_AUTOINCREMENT,
    FLAG_DEFAULT,
    FLAG_ESCROW,
    FLAG_NOT_NULL,
    FLAG_USER_DEFINED_DEFAULT,
    FLAG_VERSION,
    TAGGED_FIRST,
    TEMPLATE_BIT,
    Coltyp,
    Column,
)
from esent.records.encode import record_most
from esent.records.keys import KeyDefinition, SortKey
from esent.records.layout import SMALL_PAGE_MAX

if TYPE_CHECKING:
    from esent.engine.index_entries import RecordKeyPlan
    from esent.engine.row_plan import RowPlan
    from esent.engine.set_column import Setter

INTRINSIC_MOST = 1023
SEQUENTIAL_KEY_MOST = 4
HEADERS_OF_LONGEST_VALUE = 4 + 4 + 1  # of the record, of the tagged array, of the value


def chunk_size(page_size: int) -> int:
    """Plain bytes a chunk of a long value holds where the catalog says nothing."""
    return page_size - (40 if page_size <= SMALL_PAGE_MAX else 80) - 42


def lid_size(header: DatabaseHeader) -> int:
    """Bytes of the ids that new long values get."""
    return 8 if header.has(Feature.LID_64) else 4


class TableCounters:
    """Numbers a table hands out: the next ones, None while they have to be found out."""

    __slots__ = ("next_autoincrement", "next_lid", "next_row", "reserved_autoincrement")

    def __init__(self) -> None:
        self.next_row: int | None = None
        self.next_autoincrement: int | None = None
        self.reserved_autoincrement: int | None = None  # the highest number the root of the table lets hand out, if it says one
        self.next_lid: int | None = None


_counters: weakref.WeakKeyDictionary[object, dict[int, TableCounters]] = weakref.WeakKeyDictionary()


def counters_of(database: object, objid: int) -> TableCounters:
    """The counters of the table with this object id."""
    tables = _counters.setdefault(database, {})
    found = tables.get(objid)
    if found is None:
        found = tables[objid] = TableCounters()
    return found


def forget_counters(database: object, objid: int) -> None:
    """A table is gone, or what it hands out is to be found out again."""
    _counters.get(database, {}).pop(objid, None)


class TableView:
    """One state of a table. `sort_key` gives the collation of an index over Unicode text, None where there is none."""

    def __init__(self, table: Table, page_size: int, sort_key: Callable[[Index], SortKey | None] | None = None) -> None:
        self.table = table
        self.page_size = page_size
        self.small_page = page_size <= SMALL_PAGE_MAX
        self.stamp = table.stamp
        self.columns = {column.columnid: column for column in table.columns}
        self.fixed = {column.fid: column for column in table.columns if column.is_fixed}
        self.variable = {column.fid: column for column in table.columns if column.is_variable}
        self.tagged = sorted((column for column in table.columns if column.is_tagged), key=self.tagged_order)
        self.defaults = {column.columnid: value for column in table.columns if (value := column.default_value()) is not None}
        with_default = [column.fid for column in table.columns if column.columnid in self.defaults]
        self.default_fixed = max((fid for fid in with_default if fid <= FIXED_LAST), default=0)
        self.default_variable = max((fid for fid in with_default if FIXED_LAST < fid < TAGGED_FIRST), default=0)
        self.has_default = any(
            column.flags & (FLAG_DEFAULT | FLAG_USER_DEFINED_DEFAULT) and not column.flags & FLAG_ESCROW
            for column in table.columns
        )
        self.autoincrement = next((c for c in table.columns if c.flags & FLAG_AUTOINCREMENT), None)
        self.version = next((c for c in table.columns if c.flags & FLAG_VERSION), None)
        self.required = [
            column
            for column in table.columns
            if column.flags & (FLAG_NOT_NULL | FLAG_AUTOINCREMENT) and not column.flags & FLAG_DEFAULT
        ]
        self.primary = table.primary_index
        self.secondary = [index for index in table.indexes if not index.is_primary]
        self.maintained = self.secondary + table.hidden_indexes  # those that updates have to keep up
        self.key_most = SEQUENTIAL_KEY_MOST if self.primary is None else self._longest_key(self.primary)
        self.record_most = record_most(page_size, self.key_most)
        self.intrinsic_most = self.record_most - HEADERS_OF_LONGEST_VALUE
        self.chunk = table.long_value_chunk or chunk_size(page_size)
        self._sort_key = sort_key
        self._definitions: dict[int, KeyDefinition] = {}
        self._index_columns: dict[int, frozenset[int]] = {}
        self.key_plans: dict[int, RecordKeyPlan | None] = {}  # by identity of the index, as `_definitions`
        self.setters: dict[int, Setter] = {}  # of the columns that were set, by id
        self.row_plan: RowPlan | bool | None = None  # how whole rows are inserted, False where only column by column
        self.places: dict[int, ColumnPlace] = {}  # of the columns that `place` was asked for

    def _longest_key(self, primary: Index) -> int:
        """The longest key the primary index can have: less than it may have where all its columns have a fixed size."""
        longest = 0
        for segment in primary.segments:
            column = self.table.segment_column(segment)
            if column is None or not column.is_fixed or column.coltyp == Coltyp.TEXT:
                return primary.key_most
            longest += 1 + column.max_size
        return min(longest, primary.key_most)

    @property
    def current(self) -> bool:
        """False when columns or indexes of the table have been added or taken away since."""
        return self.stamp == self.table.stamp

    def column(self, columnid: object) -> Column:
        """JET_errBadColumnId for what cannot be a column id, JET_errColumnNotFound where the table has no such column."""
        if isinstance(columnid, int):
            found = self.columns.get(columnid)
            if found is not None:
                return found
            if self.table.is_template:
                # A template's own columns are known by their plain ids too.
                found = self.columns.get(columnid | TEMPLATE_BIT)
                if found is not None:
                    return found
            fid = columnid & ~TEMPLATE_BIT
            if 0 < fid <= 0xFFFF and columnid >= 0:
                raise jet_error(codes.JET_errColumnNotFound, f"table {self.table.name} has no column {columnid:#x}")
        raise jet_error(codes.JET_errBadColumnId, f"{columnid!r} is not the id of a column")

    def place(self, columnid: int) -> ColumnPlace | None:
        """Where records have a column; None where the table has none by exactly this id."""
        column = self.columns.get(columnid)
        if column is None:
            return None
        found = self.places[columnid] = ColumnPlace(column, derived=self.derived(column), small_page=self.small_page)
        return found

    def place_of(self, columnid: int) -> ColumnPlace:
        """Where records have a column the table has."""
        found = self.places.get(columnid) or self.place(columnid)
        assert found is not None
        return found

    def tagged_order(self, column: Column) -> tuple[bool, int]:
        """How tagged columns are ordered in a record: derived ones first, then by id."""
        return not self.derived(column), column.fid

    def derived(self, column: Column) -> bool:
        """True if records mark the column with the derived bit."""
        return self.table.is_derived and column.derived_bit

    def definition(self, index: Index) -> KeyDefinition:
        """How the keys of an index are made."""
        found = self._definitions.get(id(index))
        if found is None:
            sort_key = self._sort_key(index) if self._sort_key is not None and index.is_localized else None
            found = key_definition(self.table, index, sort_key)
            if index.is_primary:
                found = replace(found, key_most=self.key_most)
            self._definitions[id(index)] = found
        return found

    def index_columns(self, index: Index) -> frozenset[int]:
        """The columns that decide about the entries of an index."""
        found = self._index_columns.get(id(index))
        if found is None:
            definition = self.definition(index)
            found = frozenset(
                [*(segment.column for segment in definition.segments), *(column for column, _ in definition.conditions)]
            )
            self._index_columns[id(index)] = found
        return found
