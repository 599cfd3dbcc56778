"""Temporary tables: JetOpenTempTable..., JetOpenTemporaryTable...

Rules: `reference/records-and-indexes.md` 8, and as recorded. A table with a key begins as a sort, which collects rows until the
first call that wants to read; then it is in order and can only be read, or becomes a table. Without a key, with long values
or when it is asked for, it is a table from the begin. Calls that are not for temporary tables are JET_errIllegalOperation.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from esent.catalog.definition import define_column
from esent.catalog.objects import SEGMENT_DESCENDING, Index, Segment, Table, is_unicode_text
from esent.constants import codes, grbits, params
from esent.engine.cursor import Call, Cursor
from esent.engine.list_table import new_objid
from esent.engine.temporary_store import TIE_BREAKER, TemporaryHome, TemporaryTree
from esent.engine.tree_position import Where
from esent.errors import JetError, jet_error
from esent.records.columns import FIXED_FIRST, FIXED_LAST, TAGGED_FIRST, VARIABLE_FIRST, VARIABLE_LAST, Column
from esent.records.keys import KEY_MOST_DEFAULT, SEGMENTS_MOST, index_flags, key_most_for_page
from esent.records.sort_orders import SORT_VERSION, order_number, sort_id

if TYPE_CHECKING:
    from esent.engine.database import AttachedDatabase
    from esent.engine.session import Session

INDEXED = grbits.JET_bitTTIndexed
UNIQUE = grbits.JET_bitTTUnique
UPDATABLE = grbits.JET_bitTTUpdatable
SCROLLABLE = grbits.JET_bitTTScrollable
FORCED = grbits.JET_bitTTForceMaterialization
FORWARD_ONLY = grbits.JET_bitTTForwardOnly
INTRINSIC_ONLY = grbits.JET_bitTTIntrinsicLVsOnly

_MEMORY_MOST = 64 * 1024 * 1024
_COLUMN_OPTIONS = grbits.JET_bitColumnFixed | grbits.JET_bitColumnTagged | grbits.JET_bitColumnNotNULL
_FIRST_OFFSET = 4
_LAST = {FIXED_FIRST: FIXED_LAST, VARIABLE_FIRST: VARIABLE_LAST}


class ColumnWish(NamedTuple):
    """A column as it is asked for; `grbit` with JET_bitColumnTTKey and JET_bitColumnTTDescending."""

    coltyp: object
    grbit: int
    code_page: object = 0
    size: object = 0


class TableWish(NamedTuple):
    """A temporary table as it is asked for; 0 stands for the default sizes, None for the default collation."""

    columns: Sequence[ColumnWish]
    grbit: int
    key_most: object = 0
    variable_most: object = 0
    locale: str | None = None
    mapping: object = None


class Phase(Enum):
    COLLECTING = "collecting rows"
    SORTED = "sorted"
    TABLE = "a table"


_WHILE_COLLECTING = frozenset({Call.CLOSE, Call.UPDATE, Call.KEY, Call.MOVE, Call.SEEK, Call.RANGE})
_ENDS_COLLECTING = frozenset({Call.MOVE, Call.SEEK, Call.RANGE})
_OF_SORT = frozenset(
    {Call.CLOSE, Call.DUPLICATE, Call.MOVE, Call.SEEK, Call.RANGE, Call.KEY, Call.BOOKMARK, Call.RETRIEVE, Call.RETRIEVE_KEY}
)
_OF_TABLE = _OF_SORT | {Call.UPDATE, Call.DELETE}
_NEEDS_INDEXED = frozenset({Call.SEEK, Call.RANGE})


class _Shared:
    """What the cursors on a temporary table have in common."""

    def __init__(self, home: TemporaryHome, table: Table, options: int, phase: Phase) -> None:
        self.home = home
        self.table = table
        self.options = options
        self.phase = phase
        self.users = 0

    @property
    def tree(self) -> TemporaryTree:
        return self.home.nodes(self.table.objid, self.table.root, unique=True)


class TemporaryCursor(Cursor):
    """A cursor on a temporary table."""

    def __init__(self, session: Session, shared: _Shared, *, versioned: bool) -> None:
        self.shared = shared
        super().__init__(
            session,
            cast("AttachedDatabase", shared.home),
            shared.table,
            versioned=versioned and shared.phase is Phase.TABLE,
            make_long_values=None if shared.options & INTRINSIC_ONLY else _make_long_values,
        )
        self._versioned_as_table = versioned
        self._last_key = b""
        shared.users += 1
        self.on_close.append(TemporaryCursor._let_go)

    def _let_go(self: Cursor) -> None:
        assert isinstance(self, TemporaryCursor)
        self.shared.users -= 1
        if not self.shared.users:
            self.shared.home.forget()

    @property
    def is_sort(self) -> bool:
        return self.shared.phase is not Phase.TABLE

    def duplicate(self) -> Cursor:
        return TemporaryCursor(self.session, self.shared, versioned=self._versioned_as_table)

    def require_updatable(self) -> None:
        """Everything else is asked in `admit`: a transaction that only reads may change temporary tables."""

    # -- what may be done -------------------------------------------------------------------------------------------

    def admit(self, call: Call) -> None:
        if call is Call.TABLE_INFO:
            raise jet_error(codes.JET_errInvalidOperation, "information about a temporary table")
        shared = self.shared
        phase = shared.phase
        if phase is Phase.COLLECTING:
            self._require(call in _WHILE_COLLECTING, call)
            if call in _ENDS_COLLECTING:
                self._end_collecting()
                phase = shared.phase
        if phase is Phase.SORTED:
            self._require(call in _OF_SORT, call)
            self._require(call not in _NEEDS_INDEXED or bool(shared.options & INDEXED), call)
        elif phase is Phase.TABLE:
            self._require(call in _OF_TABLE, call)

    def admit_move(self, rows: int) -> None:
        if self.shared.phase is Phase.SORTED and rows < 0 and not self.shared.options & (SCROLLABLE | INDEXED):
            raise jet_error(codes.JET_errIllegalOperation, f"moving by {rows} rows in a sort that is not scrollable")

    def _require(self, allowed: bool, call: Call) -> None:
        if not allowed:
            raise jet_error(
                codes.JET_errIllegalOperation, f"{call.value} of a temporary table that is {self.shared.phase.value}"
            )

    def _end_collecting(self) -> None:
        shared = self.shared
        with self.session.instance.lock:
            tree = shared.tree
            tree.end_collecting()
            overflown = tree.overflowed and shared.options & (SCROLLABLE | INDEXED)
            shared.phase = Phase.TABLE if shared.options & UPDATABLE or overflown else Phase.SORTED
            if shared.phase is Phase.TABLE:
                self.versioned = self.primary.tree.versioned = self._versioned_as_table
            self.cancel_update()

    # -- bookmarks and keys -------------------------------------------------------------------------------------------

    def shown_bookmark(self, key: bytes) -> bytes:
        if self.shared.phase is Phase.COLLECTING:
            return b""
        if self.shared.phase is Phase.SORTED:
            return self.shared.tree.index_of(key).to_bytes(4, "little")
        return key

    def known_bookmark(self, mark: bytes) -> bytes:
        if self.shared.phase is not Phase.SORTED:
            return mark
        key = self.shared.tree.key_at(int.from_bytes(mark, "little")) if len(mark) == 4 else None
        if key is None:
            raise jet_error(codes.JET_errInvalidBookmark, f"{mark.hex()} is not the place of a row of the sort")
        return key

    def entry_key(self) -> bytes:
        if self.shared.phase is not Phase.SORTED:
            return super().entry_key()
        # A sort still knows its last row when the cursor has left the rows.
        if self.primary.on_node or self.primary.where is Where.FIRST_DEFERRED:
            self._last_key = super().entry_key()
        return self._last_key[:-TIE_BREAKER] if self.shared.tree.keeps_equal else self._last_key


def _make_long_values(cursor: Cursor) -> None:
    cursor.table.long_value_objid = cursor.table.long_value_root = new_objid()


# ---- opening ----------------------------------------------------------------------------------------------------------


def open_temporary(session: Session, wish: TableWish) -> tuple[TemporaryCursor, list[int]]:
    """Open a temporary table: a cursor on it, and the ids of its columns.

    JET_errTooManySorts, JET_errCannotMaterializeForwardOnlySort, JET_errInvalidParameter for impossible key sizes, and what
    wrong columns are answered with.
    """
    instance = session.instance
    most = instance.parameters.number(params.JET_paramMaxTemporaryTables)
    if not most or _open_sorts(session) >= most:
        raise jet_error(codes.JET_errTooManySorts, f"opening a temporary table, where {most} may be open")
    options = wish.grbit
    objid = new_objid()
    table = Table("temporary", objid, objid)
    table.columns = _columns(wish.columns)
    key = _key(table, wish, instance.page_size)
    if key is not None:
        table.indexes.append(key)
    long_values = any(column.is_long_value for column in table.columns) and not options & INTRINSIC_ONLY
    at_once = key is None or long_values or bool(options & FORCED)
    if options & FORWARD_ONLY and (at_once or options & (INDEXED | UPDATABLE | SCROLLABLE)):
        raise jet_error(
            codes.JET_errCannotMaterializeForwardOnlySort,
            f"a temporary table with grbit {options:#x} that is read forward only",
        )
    temporary = Path(instance.parameters.text(params.JET_paramTempPath))
    path = temporary.with_name(f"{temporary.stem}-{objid}{temporary.suffix}")
    limit = min(instance.parameters.number(params.JET_paramCacheSizeMax) * instance.page_size, _MEMORY_MOST)
    shared = _Shared(TemporaryHome(instance, path, limit), table, options, Phase.TABLE if at_once else Phase.COLLECTING)
    if not at_once:
        shared.tree.collecting = True
        shared.tree.keeps_equal = bool(options & FORWARD_ONLY) and not options & UNIQUE
    versioned = bool(instance.parameters.number(params.JET_paramEnableTempTableVersioning))
    cursor = TemporaryCursor(session, shared, versioned=versioned)
    if at_once:
        cursor.primary.where = Where.BEFORE_FIRST
    return cursor, [column.columnid for column in table.columns]


def _open_sorts(session: Session) -> int:
    """How many temporary tables of the instance are sorts."""
    shared = {
        id(cursor.shared)
        for each in session.instance.all_sessions()
        for cursor in each.cursors
        if isinstance(cursor, TemporaryCursor) and cursor.is_sort
    }
    return len(shared)


def _columns(wishes: Sequence[ColumnWish]) -> list[Column]:
    columns = []
    next_id = {FIXED_FIRST: FIXED_FIRST, VARIABLE_FIRST: VARIABLE_FIRST, TAGGED_FIRST: TAGGED_FIRST}
    offset = _FIRST_OFFSET
    for number, wish in enumerate(wishes):
        grbit = wish.grbit & _COLUMN_OPTIONS
        kind, column = _column(f"column {number + 1}", wish, grbit)
        if next_id[kind] > _LAST.get(kind, 0xFFFF):
            raise jet_error(codes.JET_errTooManyColumns, "a temporary table with more columns of a kind than there may be")
        column.fid = next_id[kind]
        next_id[kind] += 1
        if column.is_fixed:
            column.record_offset = offset
            offset += column.max_size
        columns.append(column)
    return columns


def _column(name: str, wish: ColumnWish, grbit: int) -> tuple[int, Column]:
    def define(options: int) -> tuple[int, Column]:
        kind, column, _ = define_column(name, wish.coltyp, options, wish.code_page, wish.size, has_default=False)
        return kind, column

    try:
        kind, column = define(grbit)
    except JetError as problem:
        if problem.code != codes.JET_errInvalidGrbit:
            raise
        kind, column = define(grbit & ~grbits.JET_bitColumnFixed)  # being tagged counts for more
    if kind == TAGGED_FIRST and wish.grbit & grbits.JET_bitColumnMultiValued:
        return define(grbit & ~grbits.JET_bitColumnFixed | grbits.JET_bitColumnMultiValued)
    return kind, column


def _key(table: Table, wish: TableWish, page_size: int) -> Index | None:
    """The primary index over the key columns; None where there is none."""
    most = wish.key_most or KEY_MOST_DEFAULT
    if not isinstance(most, int) or not KEY_MOST_DEFAULT <= most <= key_most_for_page(page_size):
        raise jet_error(codes.JET_errInvalidParameter, f"keys of {wish.key_most!r} bytes in a temporary table")
    variable = wish.variable_most or 0
    if not isinstance(variable, int) or not 0 <= variable <= most:
        raise jet_error(codes.JET_errInvalidParameter, f"{wish.variable_most!r} bytes of a column in a key of {most}")
    parts = [(column, each.grbit) for column, each in zip(table.columns, wish.columns, strict=True)]
    chosen = [(column, grbit) for column, grbit in parts if grbit & grbits.JET_bitColumnTTKey][:SEGMENTS_MOST]
    if not chosen:
        return None
    segments = [
        Segment(column.fid, SEGMENT_DESCENDING if grbit & grbits.JET_bitColumnTTDescending else 0) for column, grbit in chosen
    ]
    options = grbits.JET_bitIndexPrimary
    if wish.grbit & grbits.JET_bitTTSortNullsHigh:
        options |= grbits.JET_bitIndexSortNullsHigh
    if wish.grbit & grbits.JET_bitTTDotNetGuid:
        options |= grbits.JET_bitIndexDotNetGuid
    localized = any(is_unicode_text(column) for column, _ in chosen)
    index = Index("key", table.objid, table.root, index_flags(options, localized=localized), segments)
    index.key_most = most
    index.variable_segment_most = variable or None
    if wish.locale is not None:
        index.locale = wish.locale
    if localized:
        index.version, index.sort_id = SORT_VERSION, sort_id(order_number(index.locale))
    if isinstance(wish.mapping, int) and wish.mapping:
        index.lcmap = wish.mapping
    return index


__all__ = ["ColumnWish", "TableWish", "TemporaryCursor", "open_temporary"]
