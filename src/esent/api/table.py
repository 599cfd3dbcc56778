# cython: annotation_typing=False
# What a caller gives may be of any type; compiled code would answer a wrong one with TypeError.
"""`Table` and its rows: inserting, changing, finding and iterating.

Every call works in the transaction of the calling thread, or in one of its own that is durable when the call returns.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from esent.api.columns import ColumnType
from esent.api.rows import NOT_PLAIN, Layout, Row, as_key, to_bytes
from esent.api.sessions import OpenTable, Use
from esent.catalog.objects import Index as IndexDefinition
from esent.constants import codes, grbits
from esent.engine import navigation, set_column, short_call, update
from esent.engine.cursor import Cursor, cursor_call
from esent.engine.index_entries import column_values
from esent.engine.row_plan import insert_plan, row_plan
from esent.errors import JetError, jet_error
from esent.records import access
from esent.records.columns import Column
from esent.records.decode import Separated
from esent.records.row import null_counts
from esent.records.values import rich_converter

if TYPE_CHECKING:
    from esent.api.database import Database

T = TypeVar("T")
Make = Callable[[OpenTable, Cursor, Layout], T]
"""Makes of the current record what an iteration gives."""

_PART = 1 << 16
MOVE_LAST = grbits.JET_MoveLast
MOVE_FIRST = grbits.JET_MoveFirst
_NEW = grbits.JET_bitNewKey
_ROWS_AT_ONCE = 128  # then others have their turn


class Rows:
    """The rows of a range of an index, in its order, read as they are asked for. Iterate over it as often as you like.

    Rows that appear or go while an iteration is under way are met or missed by where they are; in a transaction nobody else's
    do.
    """

    def __init__(
        self,
        table: Table,
        index: str | None,
        low: Sequence[Any] | None = None,
        high: Sequence[Any] | None = None,
        *,
        partial: bool = False,
    ) -> None:
        self._table = table
        self._index = index
        self._low = low
        self._high = high
        self._partial = partial

    def __iter__(self) -> Iterator[Row]:
        return self._walk(backward=False, make=self._row)

    def __reversed__(self) -> Iterator[Row]:
        return self._walk(backward=True, make=self._row)

    def _row(self, opened: OpenTable, cursor: Cursor, layout: Layout) -> Row:
        return self._table.row_of(layout, cursor.primary.key, cursor.record(), cursor)

    def first(self) -> Row | None:
        """The first row, None where there is none."""
        return next(iter(self), None)

    def last(self) -> Row | None:
        return next(reversed(self), None)

    def __len__(self) -> int:
        """Counts the entries, all of them."""
        with self._table.session_cursor() as (cursor, layout), cursor.lock:  # nobody deletes the first row before it is counted
            if not self._begin(cursor, layout, backward=False):
                return 0
            return navigation.index_record_count(cursor)

    def __bool__(self) -> bool:
        return self.first() is not None

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[tuple[Any, ...]]:
        """The rows as tuples of the values of these columns (all without), which is the fastest way to read many.

        Long values are read whole. A value that cannot be read is given as its error. JET_errColumnNotFound.
        """
        table = self._table
        chosen = table.columns_named(columns)

        def make(opened: OpenTable, cursor: Cursor, layout: Layout) -> tuple[Any, ...]:
            reader = opened.reader(layout, chosen)
            values = reader.read(cursor.record())
            if any(isinstance(value, NOT_PLAIN) for value in values):
                read = CursorValues(cursor)
                return tuple(
                    [_whole_or_error(column, value, read) for column, value in zip(reader.columns, values, strict=True)]
                )
            return values

        return self._walk(backward=False, make=make)

    def _walk(self, *, backward: bool, make: Make[T]) -> Iterator[T]:
        session = self._table.database.sessions.current()
        name = self._table.name
        opened = session.open(name)
        try:
            row = self._step(opened, backward, make, first=True)
            while row is not None:
                yield row
                row = self._step(opened, backward, make, first=False)
        finally:
            session.give_back(name, opened)

    def _step(self, opened: OpenTable, backward: bool, make: Make[T], *, first: bool) -> T | None:
        cursor = short_call.begin(opened.sesid, opened.tableid)
        if cursor is None:
            with cursor_call(opened.sesid, opened.tableid) as found, found.lock:
                return self._step_of(found, opened, backward, make, first=first)
        try:
            return self._step_of(cursor, opened, backward, make, first=first)
        finally:
            short_call.end(cursor)

    def _step_of(self, cursor: Cursor, opened: OpenTable, backward: bool, make: Make[T], *, first: bool) -> T | None:
        layout = opened.layout(cursor)
        try:
            if first:
                if not self._begin(cursor, layout, backward=backward):
                    return None
            else:
                navigation.move(cursor, -1 if backward else 1)
            return make(opened, cursor, layout)
        except JetError as problem:
            if problem.code != codes.JET_errNoCurrentRecord:
                raise
            return None

    def _begin(self, cursor: Cursor, layout: Layout, *, backward: bool) -> bool:
        """To the first (last) row of the range, with the limit at the other end set. False where there is none."""
        navigation.set_current_index(cursor, self._index, grbit=grbits.JET_bitMoveFirst)
        cursor.reset_range()
        index = cursor.index or cursor.view.primary
        low, high = self._low, self._high
        if index is None and (low is not None or high is not None):
            raise jet_error(codes.JET_errNoCurrentIndex, f"table {cursor.table.name} has no primary key to look in")
        if index is not None and not self._partial and index.segments[0].descending:
            low, high = high, low
        try:
            if backward:
                self._go(cursor, layout, index, high, end=True)
                self._limit(cursor, layout, index, low, end=False)
            else:
                self._go(cursor, layout, index, low, end=False)
                self._limit(cursor, layout, index, high, end=True)
        except JetError as problem:
            if problem.code not in (codes.JET_errNoCurrentRecord, codes.JET_errRecordNotFound):
                raise
            return False
        return True

    def _go(
        self, cursor: Cursor, layout: Layout, index: IndexDefinition | None, values: Sequence[Any] | None, *, end: bool
    ) -> None:
        if values is None or index is None:
            navigation.move(cursor, MOVE_LAST if end else MOVE_FIRST)
            return
        make_key(cursor, layout, index, values, _limit_of(self._partial, end))
        navigation.seek(cursor, grbits.JET_bitSeekLE if end else grbits.JET_bitSeekGE)

    def _limit(
        self, cursor: Cursor, layout: Layout, index: IndexDefinition | None, values: Sequence[Any] | None, *, end: bool
    ) -> None:
        if values is None or index is None:
            return
        make_key(cursor, layout, index, values, _limit_of(self._partial, end))
        bits = grbits.JET_bitRangeInclusive
        navigation.set_index_range(cursor, bits | grbits.JET_bitRangeUpperLimit if end else bits)


def _limit_of(partial: bool, end: bool) -> int:
    if partial:
        return grbits.JET_bitPartialColumnEndLimit if end else grbits.JET_bitPartialColumnStartLimit
    return grbits.JET_bitFullColumnEndLimit if end else grbits.JET_bitFullColumnStartLimit


def make_key(cursor: Cursor, layout: Layout, index: IndexDefinition, values: Sequence[Any], limit: int) -> None:
    """The search key of an index of the values of its first columns; `limit` is what the last of them ends it with."""
    columns = layout.key_columns(index)
    if not 0 < len(values) <= len(columns):
        raise jet_error(
            codes.JET_errInvalidParameter, f"a key of {len(values)} values for index {index.name} of {len(columns)} columns"
        )
    for place, (column, value) in enumerate(zip(columns, values, strict=False)):
        options = _NEW if place == 0 else 0
        if place == len(values) - 1:
            options |= limit
        data = b"" if value is None else to_bytes(column, value)
        if value is not None and not data:
            options |= grbits.JET_bitKeyDataZeroLength
        navigation.make_key(cursor, data, options)


def _whole_or_error(column: Column, value: Any, read: CursorValues) -> Any:
    """A value of a tuple, what is in the tree of long values read."""
    if isinstance(value, list):
        return [_whole_or_error(column, part, read) for part in value]
    if not isinstance(value, Separated):
        return value
    try:
        return rich_converter(column)(read(value.lid))
    except JetError as problem:
        return problem


class CursorValues:
    """The long values of the table of a cursor, while a call has the cursor."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def __call__(self, lid: bytes, /) -> bytes:
        return self._cursor.require_long_values().read(lid, 0, None)

    def chunks(self, lid: bytes) -> Iterator[bytes]:
        yield self(lid)


class TableValues:
    """The long values of a table as they are when they are asked for. JET_errLVCorrupted where one is gone."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def _part(self, lid: bytes, offset: int, count: int | None) -> bytes:
        with self._table.session_cursor() as (cursor, _), cursor.lock:
            return cursor.require_long_values().read(lid, offset, count)

    def __call__(self, lid: bytes, /) -> bytes:
        return self._part(lid, 0, None)

    def chunks(self, lid: bytes) -> Iterator[bytes]:
        offset = 0
        while part := self._part(lid, offset, _PART):
            yield part
            offset += len(part)


class Index(Rows):
    """A table in the order of an index. Keys of several columns are tuples; a tuple may leave out the last ones."""

    def __init__(self, table: Table, name: str | None) -> None:
        super().__init__(table, name)
        self.name = name

    def between(self, low: Any = None, high: Any = None) -> Rows:
        """Rows from one key to another, both included. None leaves that end open."""
        return Rows(self._table, self.name, None if low is None else as_key(low), None if high is None else as_key(high))

    def equal(self, key: Any) -> Rows:
        """Rows with a key, or with these values in the first columns of the index."""
        return Rows(self._table, self.name, as_key(key), as_key(key))

    def prefix(self, start: Any) -> Rows:
        """Rows whose text or bytes begin with `start`; of a tuple that is its last value, those before are equal."""
        return Rows(self._table, self.name, as_key(start), as_key(start), partial=True)

    def get(self, key: Any, default: Any = None) -> Row | Any:
        """The first row with a key, or `default`."""
        found = self._table.find(self.name, as_key(key))
        return default if found is None else found


class Table:
    """A table of a database; for any thread."""

    def __init__(self, database: Database, name: str) -> None:
        self.database = database
        self.name = name
        self._values = TableValues(self)

    def __repr__(self) -> str:
        return f"<Table {self.name} of {self.database.path.name}>"

    def session_cursor(self) -> Use:
        """A cursor of the thread for one call (`ThreadSession.cursor`)."""
        return self.database.sessions.current().cursor(self.name)

    # ---- what it is like -------------------------------------------------------------------------------------------------

    @property
    def columns(self) -> dict[str, ColumnType]:
        """The columns by name."""
        title = self.database.known.column
        with self.session_cursor() as (cursor, _):
            columns = list(cursor.table.columns)
        return {column.name: ColumnType.of(column, title(self.name, column.name)) for column in columns}

    @property
    def title(self) -> str | None:
        """What the application that made the database calls the table; None where that is not known."""
        return self.database.known.table(self.name)

    @property
    def indexes(self) -> dict[str, list[str]]:
        """The indexes by name, each as "+column" and "-column"."""
        with self.session_cursor() as (cursor, layout):
            return {
                index.name: [
                    ("-" if segment.descending else "+") + column.name
                    for segment, column in zip(index.segments, layout.key_columns(index), strict=True)
                ]
                for index in cursor.table.indexes
            }

    @property
    def primary_key(self) -> list[str]:
        """Names of the columns of the primary key; none where rows are in the order of their insertion."""
        with self.session_cursor() as (cursor, layout):
            primary = cursor.view.primary
            return [] if primary is None else [column.name for column in layout.key_columns(primary)]

    # ---- reading ---------------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Row]:
        return iter(Rows(self, None))

    def __reversed__(self) -> Iterator[Row]:
        return reversed(Rows(self, None))

    def __len__(self) -> int:
        """Counts the rows, all of them."""
        return len(Rows(self, None))

    def __bool__(self) -> bool:
        return True

    def index(self, name: str | None = None) -> Index:
        """The table in the order of an index, or of its primary key. JET_errIndexNotFound."""
        if name is not None:
            with self.session_cursor() as (cursor, _):
                cursor.table.index(name)
        return Index(self, name)

    def between(self, low: Any = None, high: Any = None) -> Rows:
        """Rows by a range of the primary key, both ends included."""
        return self.index().between(low, high)

    def prefix(self, start: Any) -> Rows:
        """Rows whose primary key begins so."""
        return self.index().prefix(start)

    def get(self, key: Any, default: Any = None) -> Row | Any:
        """The row with a primary key, or `default`; of a row that was read, as it is now."""
        found = self._now(key) if isinstance(key, Row) else self.find(None, as_key(key), whole=True)
        return default if found is None else found

    def __getitem__(self, key: Any) -> Row:
        """The row with a primary key. JET_errRecordNotFound."""
        found = self._now(key) if isinstance(key, Row) else self.find(None, as_key(key), whole=True)
        if found is None:
            raise jet_error(codes.JET_errRecordNotFound, f"table {self.name} has no row {key!r}")
        return found

    def __contains__(self, key: object) -> bool:
        return (self._now(key) if isinstance(key, Row) else self.find(None, as_key(key), whole=True)) is not None

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[tuple[Any, ...]]:
        """Every row as a tuple of the values of these columns, of all without (`Rows.rows`)."""
        return Rows(self, None).rows(columns)

    def columns_named(self, names: Sequence[str] | None) -> tuple[str, ...] | None:
        """The names of columns as they are in the definition. JET_errColumnNotFound."""
        if names is None:
            return None
        with self.session_cursor() as (_, layout):
            return tuple(layout.column(name).name for name in names)

    def find(self, name: str | None, values: Sequence[Any], *, whole: bool = False) -> Row | None:
        """The first row with these values in the columns of an index, or (without `whole`) in the first of them."""

        def look(cursor: Cursor, opened: OpenTable) -> tuple[bool, Row | None]:
            index = None if name is None else cursor.table.index(name)
            if not whole and len(values) != len(opened.keys(cursor, index).columns):
                return False, None
            found = opened.find(cursor, index, values)
            return True, None if found is None else self.row_of(opened.layout(cursor), *found, cursor)

        done, row = self.database.sessions.current().read(self.name, look)
        return row if done else Rows(self, name, values, values).first()

    def _now(self, row: Row) -> Row | None:
        """A row that was read as it is now."""

        def look(cursor: Cursor, opened: OpenTable) -> Row | None:
            record = cursor.primary.tree.get(cursor.session, row.bookmark)
            return None if record is None else self.row_of(opened.layout(cursor), row.bookmark, record, cursor)

        return self.database.sessions.current().read(self.name, look)

    def row_of(self, layout: Layout, bookmark: bytes, record: bytes, cursor: Cursor) -> Row:
        """A record as a row, its long values read now."""
        return layout.row(record, bookmark, CursorValues(cursor) if layout.has_long_values else None, self._values)

    def _find(self, cursor: Cursor, layout: Layout, key: Any) -> bool:
        """To the row with a primary key, or to a row that was read."""
        try:
            if isinstance(key, Row):
                navigation.set_current_index(cursor, None)
                navigation.goto_bookmark(cursor, key.bookmark)
                return True
            plan = row_plan(cursor, to_bytes)
            found = None if plan is None else plan.find(cursor, as_key(key))
            if found is not None:
                return found
            navigation.set_current_index(cursor, None)
            primary = cursor.view.primary
            if primary is None:
                raise jet_error(codes.JET_errNoCurrentIndex, f"table {self.name} has no primary key to look in")
            values = as_key(key)
            if len(values) != len(primary.segments):
                raise jet_error(
                    codes.JET_errInvalidParameter, f"{len(values)} values for a key of {len(primary.segments)} columns"
                )
            make_key(cursor, layout, primary, values, 0)
            navigation.seek(cursor, grbits.JET_bitSeekEQ)
        except JetError as problem:
            if problem.code not in (codes.JET_errRecordNotFound, codes.JET_errRecordDeleted):
                raise
            return False
        return True

    def _require(self, cursor: Cursor, layout: Layout, key: Any) -> None:
        if not self._find(cursor, layout, key):
            raise jet_error(codes.JET_errRecordNotFound, f"table {self.name} has no row {key!r}")

    # ---- changing --------------------------------------------------------------------------------------------------------

    def insert(self, values: Mapping[str, Any] | None = None, /, **columns: Any) -> Any:
        """Insert a row; what is not given has its default, its number, or NULL. None is NULL, also where there is a default.

        A number may be given that is below the next one. Returns the primary key: the value of its column, a tuple of several,
        None for a table without one. JET_errKeyDuplicate, JET_errSetAutoIncrementTooHigh.
        """
        row = {**(values or {}), **columns}

        def step(cursor: Cursor, opened: OpenTable, own: bool) -> Any:
            layout = opened.layout(cursor)
            plan = insert_plan(cursor, to_bytes)
            if plan is None or (plan.insert(cursor, row) if own else plan.insert_alone(cursor, row)) is None:
                return self._insert(cursor, layout, row, own=own)
            return _key_of(cursor, layout, row, plan.number)

        return self.database.sessions.current().change(self.name, step)

    def insert_many(self, rows: Iterable[Mapping[str, Any]], *, commit_every: int | None = None) -> int:
        """Insert rows; their number. All or none, in one transaction; or so many a transaction, which a large load wants.

        A list or tuple is quickest. Of anything else rows are taken one by one, and each is in the table before the next is
        asked for. Raises as `insert`, TypeError for what is not a row.
        """
        if commit_every is not None and commit_every < 1:
            raise jet_error(codes.JET_errInvalidParameter, f"a commit every {commit_every} rows")
        size = _ROWS_AT_ONCE if isinstance(rows, list | tuple) else 1
        source = iter(rows)
        count = 0
        more = True
        while more:
            more = False
            with self.database.transaction(), self.session_cursor() as (cursor, layout):
                left = commit_every
                while run := list(itertools.islice(source, size if left is None else min(size, left))):
                    self._insert_run(cursor, layout, run)
                    count += len(run)
                    if left is not None:
                        left -= len(run)
                        if not left:
                            more = True
                            break
        return count

    def _insert_run(self, cursor: Cursor, layout: Layout, rows: Sequence[Mapping[str, Any]]) -> None:
        place = 0
        while place < len(rows):
            with cursor.lock:
                cursor.refresh_view()  # an index may have come since
                plan = insert_plan(cursor, to_bytes)
                if plan is not None:
                    place = plan.insert_run(cursor, rows, place, len(rows))
            if place < len(rows):
                if not isinstance(rows[place], Mapping):
                    raise TypeError(f"a row is a mapping of the names of columns to values, not {rows[place]!r:.100}")
                row = dict(rows[place].items())
                with cursor.lock:
                    cursor.refresh_view()
                    self._insert(cursor, layout, row, own=True)
                place += 1

    def _insert(self, cursor: Cursor, layout: Layout, values: Mapping[str, Any], *, own: bool) -> Any:
        """Insert a row column by column; its primary key. `own`: in a transaction level that an error undoes."""
        number = cursor.view.autoincrement
        numbered = number is not None and any(
            value is not None and layout.column(name) is number for name, value in values.items()
        )
        update.prepare(cursor, grbits.JET_prepInsertMustSetAutoIncrement if numbered else grbits.JET_prepInsert)
        for name, value in values.items():
            column = layout.column(name)
            if value is not None or null_counts(column):
                _set(cursor, column, value, present=0)
        drawn = 0
        if number is not None and cursor.update is not None:
            _, data = access.fixed_value(cursor.update.image(), number.fid, number.record_offset, number.max_size)
            drawn = int.from_bytes(data, "little")
        _make(cursor, own)
        return _key_of(cursor, layout, values, drawn)

    def update(self, key: Any, values: Mapping[str, Any] | None = None, /, **columns: Any) -> None:
        """Change columns of the row with a primary key, or of a row that was read.

        JET_errRecordNotFound, JET_errWriteConflict where another transaction has changed the row, JET_errRecordPrimaryChanged.
        """
        row = {**(values or {}), **columns}

        def step(cursor: Cursor, opened: OpenTable, own: bool) -> None:
            layout = opened.layout(cursor)
            self._require(cursor, layout, key)
            update.prepare(cursor, grbits.JET_prepReplace)
            plan = row_plan(cursor, to_bytes)
            for name in row if plan is None else plan.change(cursor, row):
                column = layout.column(name)
                _set(cursor, column, row[name], present=_instances(cursor, column))
            _make(cursor, own)

        self.database.sessions.current().change(self.name, step)

    def delete(self, key: Any) -> None:
        """Delete the row with a primary key, or a row that was read. JET_errRecordNotFound, JET_errWriteConflict."""

        def step(cursor: Cursor, opened: OpenTable, own: bool) -> None:
            self._require(cursor, opened.layout(cursor), key)
            if own:
                cursor.require_updatable()
                update.delete_at_once(cursor)
            else:
                update.delete(cursor)

        self.database.sessions.current().change(self.name, step)

    def add(self, key: Any, column: str, amount: int) -> int:
        """Add to an escrow column; its value before. Sessions that add at the same time do not conflict."""

        def step(cursor: Cursor, opened: OpenTable, own: bool) -> int:
            layout = opened.layout(cursor)
            self._require(cursor, layout, key)
            target = layout.column(column)
            old = update.escrow_update(cursor, target.columnid, to_bytes(target, amount))
            return int.from_bytes(old, "little", signed=True)

        return self.database.sessions.current().change(self.name, step)

    # ---- definition ------------------------------------------------------------------------------------------------------

    def add_column(self, name: str, kind: ColumnType) -> None:
        """Add a column; rows that are there have its default, or NULL."""
        self.database.change_table(self.name, add_column=(name, kind))

    def delete_column(self, name: str) -> None:
        self.database.change_table(self.name, delete_column=name)

    def create_index(self, name: str, key: Any) -> None:
        """Add an index: "+column", a list of these, or an `esent.Key`."""
        self.database.change_table(self.name, create_index=(name, key))

    def delete_index(self, name: str) -> None:
        self.database.change_table(self.name, delete_index=name)


def _make(cursor: Cursor, own: bool) -> None:
    if own:
        update.make_at_once(cursor)
    else:
        update.make(cursor)


def _set(cursor: Cursor, column: Column, value: Any, *, present: int) -> None:
    """Set a column of the prepared update; of a multi-valued one the whole list (`present`: values it has)."""
    if not column.is_multivalued:
        _set_one(cursor, column, value, 1)
        return
    values = value if isinstance(value, list | tuple) else [] if value is None else [value]
    for number, each in enumerate(values, 1):
        if each is None:
            raise jet_error(codes.JET_errInvalidParameter, f"column {column.name} with None among its values")
        _set_one(cursor, column, each, number)
    if not values:
        _set_one(cursor, column, None, 1)
        present -= 1
    for _ in range(present - len(values)):
        _set_one(cursor, column, None, len(values) + 1)


def _set_one(cursor: Cursor, column: Column, value: Any, number: int) -> None:
    data = None if value is None else to_bytes(column, value)
    grbit = grbits.JET_bitSetZeroLength if data == b"" else 0
    set_column.set_column(cursor, column.columnid, data, grbit, number)


def _instances(cursor: Cursor, column: Column) -> int:
    """How many values a multi-valued column of the prepared update has."""
    if not column.is_multivalued or cursor.update is None:
        return 0
    return len(column_values(cursor.view, column, cursor.update.image()) or ())


def _key_of(cursor: Cursor, layout: Layout, values: Mapping[str, Any], drawn: int) -> Any:
    """The primary key of a row that was inserted; `drawn`: the number it got."""
    primary = cursor.view.primary
    if primary is None:
        return None
    number = cursor.view.autoincrement
    found = []
    for column in layout.key_columns(primary):
        value = values.get(column.name)
        if value is None:
            folded = column.name.upper()
            value = next((each for name, each in values.items() if each is not None and name.upper() == folded), None)
        found.append(drawn if value is None and column is number else value)
    return found[0] if len(found) == 1 else tuple(found)


__all__ = ["Index", "Rows", "Table"]
