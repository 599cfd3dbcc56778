"""A cursor: the current record of a table, through its primary tree and, where one is chosen, through a secondary index.

The two trees have a position each. A move goes through the current index and takes the primary position along; reading columns
goes by the primary position. What moves, reads and changes is in `navigation`, `retrieve` and `update`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from esent.catalog.objects import Index, Table
from esent.constants import codes, grbits
from esent.engine.collation import sort_key_of
from esent.engine.cores import CursorCore
from esent.engine.handles import TableHandle
from esent.engine.long_value_writer import LongValueTree
from esent.engine.search_key import SearchKey
from esent.engine.session import begin_call, end_call, resolve_session
from esent.engine.table_view import TableCounters, TableView, counters_of, lid_size
from esent.engine.tree_position import TreePosition, Where
from esent.engine.versioned import VersionedTree
from esent.errors import jet_error

if TYPE_CHECKING:
    from esent.engine.database import AttachedDatabase
    from esent.engine.session import Session


class Call(Enum):
    """The kinds of calls, as far as tables differ in which of them they take."""

    CLOSE = "closing"
    DUPLICATE = "duplicating a cursor"
    MOVE = "moving"
    SEEK = "seeking"
    RANGE = "setting a range"
    KEY = "making a key"
    BOOKMARK = "going by bookmarks"
    RETRIEVE = "reading columns"
    RETRIEVE_KEY = "reading a key"
    UPDATE = "changing or inserting a record"
    DELETE = "deleting a record"
    TABLE_INFO = "information"
    OTHER = "this use"


class Filter(Protocol):
    """Conditions for the records that moves stop at."""

    def admits(self, cursor: Cursor) -> bool: ...


class Cursor(CursorCore):
    """One JET_TABLEID: a session's place in a table of a database. Opened on the first record.

    `grbit`: JET_bitTable...; `versioned` is off for temporary tables. `make_long_values` makes the tree of long values of a
    table that has none yet, and puts it down in the table. `on_close` is called when the cursor closes.
    """

    def __init__(
        self,
        session: Session,
        database: AttachedDatabase,
        table: Table,
        grbit: int = 0,
        *,
        versioned: bool = True,
        make_long_values: Callable[[Cursor], None] | None = None,
    ) -> None:
        self.session = session
        self.instance = session.instance
        self.lock = session.instance.lock
        self.acquire, self.release = self.lock.acquire, self.lock.release  # each call takes it
        self.database = database
        self.grbit = grbit
        self.versioned = versioned
        self.make_long_values = make_long_values
        self.handle = TableHandle(self)
        self.level_open = session.level
        self.created_level = 0  # the open transaction level the table was created in, 0 once it is committed
        self._use_view(table)
        self.changes = self.updatable
        self.primary = TreePosition(session, self.tree_of(table.objid, table.root, unique=True))
        self.primary.tree.title = f"table {table.name}"
        self.secondary: TreePosition | None = None
        self.index: Index | None = None
        self.update = None
        self.filter: Filter | None = None  # what records moves stop at
        self.on_close: list[Callable[[Cursor], None]] = []
        self._long_values: LongValueTree | None = None
        self._index_trees: dict[int, VersionedTree] = {}
        self.primary.defer_first()
        session.cursors.append(self)
        session.observers.append(self)

    # -- the table ------------------------------------------------------------------------------------------------

    @property
    def table(self) -> Table:
        return self.view.table

    def _use_view(self, table: Table) -> None:
        self.view = TableView(table, self.database.file.page_size, sort_key_of)
        self.setters = self.view.setters
        self.upkeep = None
        self.live, self.epoch = None, 0

    def use_table(self, table: Table) -> None:
        """The definition of the table has changed: go on with this one."""
        self._use_view(table)
        self._long_values = None
        self._index_trees.clear()
        if self.update is not None:
            self.update.buffer.use_view(self.view)
        if self.index is not None and self.index not in table.indexes:
            self.index = next((each for each in table.indexes if each.objid == self.index.objid), self.index)

    def refresh_view(self) -> None:
        """Take note of columns and indexes added to or taken from the table since the last call."""
        if not self.view.current:
            self.use_table(self.table)

    def tree_of(self, objid: int, root: int, *, unique: bool) -> VersionedTree:
        return VersionedTree(self.database, objid, root, unique, versioned=self.versioned)

    def index_tree(self, index: Index) -> VersionedTree:
        found = self._index_trees.get(index.objid)
        if found is None:
            found = self._index_trees[index.objid] = self.tree_of(index.objid, index.root, unique=index.is_unique)
            found.title = f"index {index.name} of table {self.table.name}"
        return found

    @property
    def counters(self) -> TableCounters:
        return counters_of(self.database, self.table.objid)

    @property
    def lid_size(self) -> int:
        return lid_size(self.database.file.header)

    def long_values(self) -> LongValueTree | None:
        """The table's separated long values; None where it has none yet."""
        table = self.table
        if not table.long_value_root:
            return None
        if self._long_values is None:
            tree = self.tree_of(table.long_value_objid, table.long_value_root, unique=True)
            self._long_values = LongValueTree(self.session, tree, self.view.chunk)
        return self._long_values

    def need_long_values(self) -> LongValueTree:
        """The table's separated long values; their tree is made if it has none yet."""
        if not self.table.long_value_root:
            if self.make_long_values is None:
                raise jet_error(
                    codes.JET_errCannotSeparateIntrinsicLV, f"table {self.table.name} takes no separated long values"
                )
            self.make_long_values(self)
        found = self.long_values()
        assert found is not None
        return found

    def read_long_value(self, lid: bytes, count: int) -> bytes:
        """The first bytes of a separated value, those of the prepared update included."""
        pending = self.update.pending.get(lid) if self.update is not None else None
        if pending is not None:
            return pending.read(0, count)
        return self.require_long_values().read(lid, 0, count)

    def require_long_values(self) -> LongValueTree:
        values = self.long_values()
        if values is None:
            raise jet_error(codes.JET_errLVCorrupted, f"table {self.table.name} has no long values, but a record refers to one")
        return values

    # -- what kinds of tables do in their own way -------------------------------------------------------------------

    def admit(self, call: Call) -> None:
        """Before a call: JET_errIllegalOperation where a table of this kind does not take it."""

    def admit_move(self, rows: int) -> None:
        """Before a move by rows."""

    def shown_bookmark(self, key: bytes) -> bytes:
        """The bookmark of the record with a primary key, as the API has it."""
        return key

    def known_bookmark(self, mark: bytes) -> bytes:
        """The primary key of the record with a bookmark; JET_errInvalidBookmark."""
        return mark

    def entry_key(self) -> bytes:
        """The key of the current index entry. JET_errNoCurrentRecord, JET_errRecordDeleted."""
        self.current.data()
        return self.current.key

    # -- where it is ----------------------------------------------------------------------------------------------

    @property
    def current(self) -> TreePosition:
        """The position in the current index."""
        return self.primary if self.secondary is None else self.secondary

    def refresh(self) -> None:
        """Go to the first record of the current index if that was put off."""
        if self.primary.where is not Where.FIRST_DEFERRED:
            return
        if self.secondary is None:
            self.primary.refresh()
            return
        if not self.secondary.place.first():
            self.secondary.where = Where.BEFORE_FIRST
            raise jet_error(codes.JET_errNoCurrentRecord, f"index {self.index_name} of table {self.table.name} is empty")
        self.secondary.where = Where.ON_NODE
        self.primary.goto(self.secondary.place.data)

    def record(self) -> bytes:
        """The current record as the session sees it. JET_errNoCurrentRecord, JET_errRecordDeleted."""
        self.refresh()
        return self.primary.data()

    @property
    def bookmark(self) -> bytes:
        """The primary key of the record it is on, which may be gone. JET_errNoCurrentRecord."""
        self.refresh()
        self.primary.require_node()
        return self.primary.key

    @property
    def index_name(self) -> str:
        """Name of the current index, "" for the order of a table without a primary index."""
        index = self.index or self.view.primary
        return index.name if index is not None else ""

    def reset_range(self) -> None:
        self.primary.range = None
        if self.secondary is not None:
            self.secondary.range = None

    def use_index(self, index: Index | None) -> None:
        """Make a secondary index the current one, or the primary one (None); before its first entry."""
        if index is None:
            if self.secondary is None:
                return
            self.secondary = None
        else:
            # The key of the new position is the cursor's one buffer, as if the key had been made for it.
            self.secondary = TreePosition(self.session, self.index_tree(index), SearchKey())
        self.index = index
        self.current.where = Where.BEFORE_FIRST
        self.primary.where = Where.BEFORE_FIRST

    # -- updates --------------------------------------------------------------------------------------------------

    @property
    def updatable(self) -> bool:
        return not self.grbit & grbits.JET_bitTableReadOnly and not self.database.read_only

    def require_updatable(self) -> None:
        """JET_errPermissionDenied for a cursor that only reads, JET_errTransReadOnly in a transaction that only reads."""
        if not self.updatable:
            raise jet_error(codes.JET_errPermissionDenied, f"changing table {self.table.name} through a read-only cursor")
        if self.versioned:
            self.session.require_writable()

    def cancel_update(self) -> None:
        """Forget the prepared update, if there is one."""
        self.update = None

    # -- its life -------------------------------------------------------------------------------------------------

    @property
    def positions(self) -> Iterator[TreePosition]:
        yield self.primary
        if self.secondary is not None:
            yield self.secondary

    def committed(self, level: int) -> None:
        """Transaction level `level` of the session is now part of the one below."""
        self.level_open = min(self.level_open, level - 1)
        self.created_level = min(self.created_level, level - 1)
        for position in self.positions:
            position.committed(level)
        if self.update is not None:
            self.update.level = min(self.update.level, level - 1)

    def rolled_back(self, level: int) -> None:
        """Transaction level `level` of the session is being rolled back."""
        for position in self.positions:
            position.rolled_back(level)
        if self.secondary is not None and self.secondary.level_open >= level:
            self.use_index(None)
        if self.update is not None and self.update.level >= level:
            self.update = None
        if self.level_open >= level:
            self.close()

    def duplicate(self) -> Cursor:
        """Another cursor on the table, on its first record."""
        twin = Cursor(
            self.session,
            self.database,
            self.table,
            self.grbit,
            versioned=self.versioned,
            make_long_values=self.make_long_values,
        )
        twin.created_level = self.created_level
        return twin

    def close(self) -> None:
        """Let go of everything; a prepared update is cancelled."""
        if self.handle.target is None:
            return
        self.handle.target = None
        self.update = None
        self.session.cursors.remove(self)
        self.session.observers.remove(self)
        for call in self.on_close:
            call(self)


def resolve_cursor(session: Session, tableid: object) -> Cursor:
    """The cursor of a handle, or JET_errInvalidTableId for whatever else is given."""
    target = tableid.target if isinstance(tableid, TableHandle) else None
    if isinstance(target, Cursor) and target.session is session:
        return target
    raise jet_error(codes.JET_errInvalidTableId, "not the handle of a table of this session, or of one that is closed")


class CursorCall:
    """Around a call that takes a session and a table."""

    __slots__ = ("_call", "_closing", "_session", "_tableid", "_thread")

    def __init__(self, session: Session, tableid: object, call: Call, closing: bool) -> None:
        self._session = session
        self._tableid = tableid
        self._call = call
        self._closing = closing

    def __enter__(self) -> Cursor:
        session = self._session
        self._thread = begin_call(session, closing=self._closing)
        try:
            session.check_owner()
            cursor = resolve_cursor(session, self._tableid)
            if not cursor.view.current:
                cursor.refresh_view()
            cursor.admit(self._call)
        except BaseException:
            end_call(session, self._thread)
            raise
        return cursor

    def __exit__(self, *_error: object) -> None:
        end_call(self._session, self._thread)


def cursor_call(sesid: object, tableid: object, call: Call = Call.OTHER, *, closing: bool = False) -> CursorCall:
    """What to put around every call that takes a session and a table; `closing` as of `session_call`."""
    return CursorCall(resolve_session(sesid), tableid, call, closing)
