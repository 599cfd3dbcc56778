"""The short way of a new row: from a mapping of names to values to the trees of its table.

A `RowPlan` is made once for a state of a table. It serves rows that are as most are (`records.row`) in tables whose indexes
have one key a record; every other row, and every error in one, is left to the copy buffer (`update`), which gives the same
records and entries. Nothing is changed before it is known which way a row goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.engine import callbacks
from esent.engine.cursor import Cursor
from esent.engine.set_column import preferred_most, set_plain
from esent.engine.update import draw_number, give_back_numbers, last_number, next_number, next_row
from esent.errors import JetError
from esent.records.columns import FLAG_USER_DEFINED_DEFAULT, INHERENT_SIZE, Column
from esent.records.keys import KeyPlan
from esent.records.row import Convert, RowPacker

if TYPE_CHECKING:
    from esent.engine.session import Session
    from esent.engine.table_view import TableView
    from esent.engine.versioned import VersionedTree


@cython.cclass
class _Keys:
    """How one index is kept up."""

    plan: KeyPlan = cython.declare(object)
    index: Any = cython.declare(object)  # None for the primary one
    columns: list[int] = cython.declare(list)
    slots: list[int] = cython.declare(list)
    defaults: list[bytes | None] = cython.declare(list)

    def __init__(self, plan: KeyPlan, index: Any, slots: list[int], defaults: list[bytes | None]) -> None:
        self.plan = plan
        self.columns = [segment.column for segment in plan.definition.segments]
        self.index = index
        self.slots = slots
        self.defaults = defaults

    @cython.cfunc
    def key(self, cells: list[bytes | None]) -> bytes:
        values: list[bytes | None] = []
        i: cython.Py_ssize_t
        for i in range(len(self.slots)):
            cell = cells[self.slots[i]]
            values.append(self.defaults[i] if cell is None else cell)
        key: bytes = self.plan.key(values)
        return key


@cython.cclass
class RowPlan:
    """The short way into one table, for the cursor whose view it was made of."""

    view: TableView = cython.declare(object, visibility="readonly")
    number: int = cython.declare(object, visibility="readonly")  # what the last row was given by the table, 0 if nothing
    _packer: RowPacker = cython.declare(object)
    _primary: _Keys | None = cython.declare(object)
    _indexes: list[_Keys] = cython.declare(list)
    _number: Column | None = cython.declare(object)
    _number_id: int = cython.declare(cython.longlong)
    _number_size: int = cython.declare(cython.Py_ssize_t)
    _image: bytes = cython.declare(bytes)  # of the row that was prepared last
    _key: bytes = cython.declare(bytes)  # empty where the table numbers its rows
    _entries: list[bytes] = cython.declare(list)  # an empty one where the index leaves the row out

    def __init__(self, cursor: Cursor, packer: RowPacker) -> None:
        view = cursor.view
        self.view = view
        self.number = 0
        self._packer = packer
        self._image = self._key = b""
        self._entries = []
        self._primary = None if view.primary is None else self._keys(view, view.primary, primary=True)
        self._indexes = [self._keys(view, index, primary=False) for index in view.maintained]
        self._number = view.autoincrement
        self._number_id = 0 if self._number is None else self._number.columnid
        self._number_size = 0 if self._number is None else INHERENT_SIZE[self._number.coltyp]

    def _keys(self, view: TableView, index: Any, *, primary: bool) -> _Keys:
        definition = view.definition(index)
        slots = [self._packer.slots[segment.column] for segment in definition.segments]
        defaults = [view.defaults.get(segment.column) for segment in definition.segments]
        return _Keys(KeyPlan(definition, primary=primary), None if primary else index, slots, defaults)

    @cython.cfunc
    def _prepare(self, cursor: Cursor, row: dict[str, Any]) -> cython.bint:
        """Work out the record of a row and its keys, and take its number; False, and nothing done, if it goes the long way."""
        number: bytes = b""
        next_one = 0
        if self._number is not None:
            next_one = next_number(cursor, self._number)
            if next_one > last_number(self._number):
                return False
            number = next_one.to_bytes(self._number_size, "little")
        image = self._packer.pack(row, self._number_id, number)
        if image is None:
            return False
        cells: list[bytes | None] = self._packer.cells
        key: bytes = b""
        try:
            if self._primary is not None:
                key = cython.cast(_Keys, self._primary).key(cells)
            self._entries = [cython.cast(_Keys, each).key(cells) for each in self._indexes]
        except JetError:
            return False
        if self._number is not None:
            draw_number(cursor, self._number)
            self.number = next_one
        self._image = image
        self._key = key
        return True

    def insert(self, cursor: Cursor, row: dict[str, Any]) -> bytes | None:
        """Insert a row in the open transaction, with the lock of the instance held: its bookmark, or None if it has to go the
        long way. Where it raises a part of it may be in the trees: the caller undoes the transaction level."""
        if not self._prepare(cursor, row):
            return None
        key: bytes = self._key or next_row(cursor)
        session = cursor.session
        cursor.primary.tree.insert(session, key, self._image)
        for i, entry in enumerate(self._entries):
            if entry:
                tree: VersionedTree = cursor.index_tree(cython.cast(_Keys, self._indexes[i]).index)
                tree.insert(session, entry, key)
        return key

    def insert_alone(self, cursor: Cursor, row: dict[str, Any]) -> bytes | None:
        """`insert` that an error undoes, in a transaction that goes on then."""
        with cursor.session.change():
            return self.insert(cursor, row)

    def insert_run(self, cursor: Cursor, rows: Sequence[Any], start: int, end: int) -> int:
        """Insert rows `start` to `end` as `insert` does, up to one that has to go the long way; the place of that, or `end`.

        Where it raises, the numbers of the rows behind the one that failed are there for others.
        """
        if end == start + 1:
            only = rows[start]
            return end if type(only) is dict and self.insert(cursor, only) is not None else start
        records: list[tuple[bytes, bytes]] = []
        several: list[list[tuple[bytes, bytes]]] = [[] for _ in self._indexes]
        numbers: dict[bytes, int] = {}  # what a row was given, by its key
        place: cython.Py_ssize_t = start
        i: cython.Py_ssize_t
        while place < end:
            row = rows[place]
            if type(row) is not dict or not self._prepare(cursor, row):
                break
            key = self._key or next_row(cursor)
            records.append((key, self._image))
            if self._number is not None:
                numbers[key] = self.number
            for i in range(len(several)):
                entry = self._entries[i]
                if entry:
                    several[i].append((entry, key))
            place += 1
        session = cursor.session
        done, problem = _insert_all(cursor.primary.tree, session, records)
        if problem is not None:
            key = records[done][0]
        for i in range(len(several)):
            if problem is None:
                tree = cursor.index_tree(cython.cast(_Keys, self._indexes[i]).index)
                done, problem = _insert_all(tree, session, several[i])
                if problem is not None:
                    key = several[i][done][1]
        if problem is not None:
            if key in numbers:
                give_back_numbers(cursor, numbers[key] + 1)
            raise problem
        return place

    def find(self, cursor: Cursor, values: Sequence[Any]) -> bool | None:
        """Put the cursor on the row with a primary key, in the order of that, with the lock of the instance held; whether
        there is one. None, and nothing done, where only a search key made column by column can tell."""
        primary: _Keys | None = self._primary
        if primary is None or len(values) != len(primary.columns):
            return None
        stored: list[bytes | None] = []
        i: cython.Py_ssize_t
        for i in range(len(values)):
            value = values[i]
            data = None if value is None else self._packer.stored(primary.columns[i], value)
            if data is None and value is not None:
                return None
            stored.append(data)
        try:
            key = primary.plan.key(stored)
        except JetError:
            return None
        cursor.use_index(None)
        cursor.cancel_update()
        cursor.reset_range()
        return cursor.primary.seek_equal(key)

    def change(self, cursor: Cursor, row: dict[str, Any]) -> list[str]:
        """Set the columns of the prepared update; the names, in their order, from the first that has to go the long way on."""
        left: list[str] = []
        for name, value in row.items():
            if not left:
                found = self._packer.stored_by_name(name, value)
                if found is not None and set_plain(cursor, found[0], found[1]):
                    continue
            left.append(name)
        return left


@cython.cfunc
def _insert_all(tree: VersionedTree, session: Session, entries: list[tuple[bytes, bytes]]) -> tuple[int, JetError | None]:
    """How many could be inserted, and why the next one could not."""
    return tree.insert_many(session, entries) if entries else (0, None)


def row_plan(cursor: Cursor, convert: Convert) -> RowPlan | None:
    """The plan of a cursor's table; None where everything goes the long way. `convert` is as of `records.row`."""
    view = cursor.view
    plan = view.row_plan
    if plan is None:
        plan = view.row_plan = _made(cursor, convert)
    return plan if isinstance(plan, RowPlan) else None


def insert_plan(cursor: Cursor, convert: Convert) -> RowPlan | None:
    """`row_plan` for an insert: None too where callbacks want to know of it. Raises as `Cursor.require_updatable`."""
    plan = row_plan(cursor, convert)
    if plan is None or cursor.update is not None or callbacks.watched(cursor):
        return None
    cursor.require_updatable()
    return plan


def _made(cursor: Cursor, convert: Convert) -> RowPlan | bool:
    """False for a table that is not served."""
    view = cursor.view
    if type(cursor) is not Cursor or not cursor.versioned or view.version is not None:
        return False
    number = view.autoincrement
    if number is not None and not (number.is_fixed and INHERENT_SIZE.get(number.coltyp) in (4, 8)):
        return False
    if any(view.derived(column) or column.flags & FLAG_USER_DEFINED_DEFAULT for column in view.table.columns):
        return False
    indexes = view.maintained if view.primary is None else [view.primary, *view.maintained]
    try:
        if not all(KeyPlan.serves(view.definition(index)) for index in indexes):
            return False
        packer = RowPacker(
            view.table.columns,
            small_page=view.small_page,
            record_most=view.record_most,
            intrinsic_most=preferred_most(cursor),
            required=view.required,
            convert=convert,
        )
        return RowPlan(cursor, packer)
    except (JetError, ValueError):
        return False  # what the definition lacks is said by the long way, where a row needs it


__all__ = ["RowPlan", "insert_plan", "row_plan"]
