"""Definitions of tables, columns and indexes made, changed and taken away.

Everything happens in the transaction of the session: rows of the catalogue are changed like any others, trees that were made
are freed again by a roll-back, trees that are deleted are freed when no snapshot needs them any more
(`reference/log-and-recovery.md` 8.5, `reference/records-and-indexes.md` 7.7).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from esent.catalog.definition import (
    DENSITY_DEFAULT,
    IndexWish,
    define_column,
    define_index,
    object_name,
    require_one_of_a_kind,
    set_default,
)
from esent.catalog.locales import locale_name
from esent.catalog.objects import TABLE_DERIVED, TABLE_TEMPLATE, Index, Table, TupleLimits
from esent.catalog.rows import callback_row, column_row, long_value_row, table_row
from esent.catalog.system import ObjectType
from esent.constants import codes, grbits, params
from esent.constants.formats import Feature
from esent.engine.callbacks import require_named
from esent.engine.cursor import Cursor
from esent.engine.index_build import build_index, require_empty
from esent.engine.parameters import UnicodeDefault
from esent.engine.schema import Entry, LiveTable, Schema, SessionTable, schema_of
from esent.engine.table_view import forget_counters
from esent.engine.transactions import UnloggedWriter
from esent.errors import JetError, KeyDuplicateError, jet_error
from esent.pages.edit import PAGE_INDEX, PAGE_LONG_VALUE
from esent.records.columns import (
    FLAG_AUTOINCREMENT,
    FLAG_DEFAULT,
    FLAG_ESCROW,
    FLAG_TEMPLATE,
    FLAG_USER_DEFINED_DEFAULT,
    TAGGED_FIRST,
    Coltyp,
    Column,
)
from esent.records.encode import COLUMN_MOST
from esent.records.keys import INDEX_DERIVED, INDEX_TEMPLATE
from esent.tree.live import TreeName
from esent.tree.space import with_autoincrement

if TYPE_CHECKING:
    from esent.engine.database import AttachedDatabase
    from esent.engine.session import Session
    from esent.engine.transactions import Writer

ROOT = TreeName(1, 1, unique=True)
TABLE_FIXED = 0x40000000
TABLE_NO_FIXED_BELOW = 0x04000000
LCMAP_UPPERCASE = 0x200
EXCLUSIVELY_ADDED = FLAG_AUTOINCREMENT | FLAG_ESCROW
PAGES_MOST = 0x7FFFFFFF
_TABLE_FLAGS = (
    (grbits.JET_bitTableCreateFixedDDL, TABLE_FIXED),
    (grbits.JET_bitTableCreateTemplateTable, TABLE_TEMPLATE | TABLE_FIXED),
    (grbits.JET_bitTableCreateNoFixedVarColumnsInDerivedTables, TABLE_NO_FIXED_BELOW),
)
_TABLE_GRBITS = sum(bit for bit, _ in _TABLE_FLAGS) | grbits.JET_bitTableCreateImmutableStructure
_CREATED = grbits.JET_bitTableDenyRead


class ComputedDefault(NamedTuple):
    """A default that a named callback computes, and what it is called with."""

    callback: str
    data: bytes | None


@dataclass(slots=True)
class ColumnWish:
    """A column as it is asked for; `columnid`, `cut` (its size was) and `error` are filled in."""

    name: Any
    coltyp: Any
    grbit: Any = 0
    cp: Any = 0
    cb_max: Any = 0
    default: bytes | None = None
    computed: ComputedDefault | None = None
    columnid: int = 0
    cut: bool = False
    error: int = 0


@dataclass(slots=True)
class TableWish:
    """A table as it is asked for; `created` counts table, columns and indexes as they come along."""

    name: Any
    pages: Any = 0
    density: int = DENSITY_DEFAULT
    template: Any = None
    grbit: Any = 0
    callback: tuple[int, str] | None = None  # events, and the name of what is called
    columns: Sequence[ColumnWish] = ()
    indexes: Sequence[IndexWish] = ()
    separate_threshold: int | None = None
    chunk: int | None = None
    space_hints: bytes | None = None
    deferred_space_hints: bytes | None = None
    created: int = 0


@contextmanager
def _duplicates_are(code: int, what: str) -> Iterator[None]:
    """A taken name is told in the words of the kind of object."""
    try:
        yield
    except JetError as problem:
        if problem.code != codes.JET_errKeyDuplicate:
            raise
        raise jet_error(code, what) from problem


def _writer(database: AttachedDatabase, writer: Writer) -> Writer:
    return writer if database.logged else UnloggedWriter(writer)


def _require_writable(session: Session, database: AttachedDatabase, what: str) -> None:
    if database.read_only:
        raise jet_error(codes.JET_errPermissionDenied, f"{what} in a database that may only be read", file=database.path)
    session.require_writable()


def _create_tree(
    session: Session, database: AttachedDatabase, parent: TreeName, *, pages: int = 1, unique: bool = True, class_flags: int = 0
) -> TreeName:
    """A new tree; a roll-back frees it."""
    name = database.store.create(_writer(database, session), parent, pages=pages, unique=unique, class_flags=class_flags)
    session.on_rollback(lambda: _free_tree(database, session, name))
    return name


def _free_tree(database: AttachedDatabase, writer: Writer, name: TreeName, below: Sequence[int] = ()) -> None:
    """Give a tree's space back, that of the trees below included; nothing of them needs cleaning up any more.

    While others have open changes in it, as they have in an index that was being created, it stays: a recovery would undo them.
    """
    store = database.instance.transactions.store
    known = store.known_tree(database.dbid, name.objid)
    if known is not None and any(
        not version.transaction.commit0 and version.transaction is not writer.transaction
        for chain in known.chains.values()
        for version in chain.versions
    ):
        store.call_when_clean(lambda cleaner: _free_tree(database, cleaner, name, below))
        return
    for objid in (name.objid, *below):
        store.forget_tree(database.dbid, objid)
    database.store.free(_writer(database, writer), name)


def _live(cursor: Cursor) -> LiveTable:
    """The table of a cursor. JET_errIllegalOperation for a temporary one."""
    table = cursor.table
    if not isinstance(table, SessionTable):
        raise jet_error(codes.JET_errIllegalOperation, f"not with the temporary table {table.name}")
    return table.live


def _table(cursor: Cursor) -> SessionTable:
    table = cursor.table
    assert isinstance(table, SessionTable)
    table.follow()
    return table


def _tree_of(live: LiveTable) -> TreeName:
    return TreeName(live.objid, live.base.root, unique=True)


def _all_cursors(database: AttachedDatabase, live: LiveTable) -> Iterator[Cursor]:
    for session in database.instance.all_sessions():
        for cursor in session.cursors:
            if isinstance(cursor.table, SessionTable) and cursor.table.live is live:
                yield cursor


def require_changeable(cursor: Cursor) -> LiveTable:
    """The table, whose definition may be changed through the cursor.

    JET_errIllegalOperation, JET_errPermissionDenied, JET_errFixedDDL.
    """
    live = _live(cursor)
    cursor.require_updatable()
    if live.base.flags & TABLE_FIXED and not cursor.grbit & grbits.JET_bitTablePermitDDL:
        raise jet_error(codes.JET_errFixedDDL, f"changing table {cursor.table.name}, whose definition is fixed")
    return live


# ---- opening -------------------------------------------------------------------------------------------------------------


def open_table(session: Session, database: AttachedDatabase, name: object, grbit: object) -> Cursor:
    """JetOpenTable. JET_errObjectNotFound, JET_errTableLocked, JET_errTableInUse, JET_errInvalidGrbit, JET_errOutOfCursors."""
    if not isinstance(grbit, int):
        raise jet_error(codes.JET_errInvalidGrbit, f"opening a table with grbit {grbit!r}")
    with database.instance.lock:
        schema = schema_of(database)
        object_name(name, "a table")
        if grbit & grbits.JET_bitTablePermitDDL and not grbit & grbits.JET_bitTableDenyRead:
            raise jet_error(codes.JET_errInvalidGrbit, f"opening a table with grbit {grbit:#x}")
        live = schema.find(session, name)
        if live.deleter is not None:
            raise jet_error(codes.JET_errTableLocked, f"another session is deleting table {name}", file=database.path)
        others = [cursor for cursor in _all_cursors(database, live) if cursor.session is not session]
        if any(cursor.grbit & grbits.JET_bitTableDenyRead for cursor in others):
            raise jet_error(codes.JET_errTableLocked, f"another session has table {name} for itself", file=database.path)
        hindered = others if grbit & grbits.JET_bitTableDenyRead else []
        if grbit & grbits.JET_bitTableDenyWrite:
            hindered = hindered or [c for c in others if c.updatable or c.grbit & grbits.JET_bitTableDenyWrite]
        if hindered:
            raise jet_error(codes.JET_errTableInUse, f"other sessions have table {name} open", file=database.path)
        if live.base.is_system:
            grbit |= grbits.JET_bitTableReadOnly
        return _cursor(session, database, live, grbit)


def _cursor(session: Session, database: AttachedDatabase, live: LiveTable, grbit: int) -> Cursor:
    instance = session.instance
    cursors = 1 + sum(len(each.cursors) for each in instance.all_sessions())  # one to look into the catalogue
    if cursors >= instance.parameters.number(params.JET_paramMaxCursors):
        raise jet_error(codes.JET_errOutOfCursors, f"{cursors} tables are open")
    cursor = Cursor(session, database, live.view(session), grbit, make_long_values=make_long_values)
    if live.owner is not None and live.owner is session.transaction:
        cursor.created_level = session.level
    return cursor


# ---- tables --------------------------------------------------------------------------------------------------------------


def cursor_of_engine(session: Session, database: AttachedDatabase, name: str) -> Cursor:
    """A cursor for the engine's own work, also on a table that somebody has for himself."""
    return _cursor(session, database, schema_of(database).find(session, name), 0)


def create_table(session: Session, database: AttachedDatabase, wish: TableWish) -> Cursor:
    """JetCreateTable...: the table with its columns and indexes, open for its creator alone.

    JET_errInvalidName, JET_errTableDuplicate, JET_errObjectNotFound (the template), what `catalog.definition` raises, and
    JET_errColumnDuplicate, JET_errIndexDuplicate, JET_errIndexHasPrimary.
    """
    with session.implicit_transaction():
        _require_writable(session, database, "creating a table")
        name = object_name(wish.name, "a table")
        grbit = wish.grbit
        if not isinstance(grbit, int) or grbit & ~_TABLE_GRBITS:
            raise jet_error(codes.JET_errInvalidGrbit, f"creating table {name} with grbit {grbit!r}")
        if not isinstance(wish.pages, int) or not 0 <= wish.pages <= PAGES_MOST:
            raise jet_error(codes.JET_errInvalidParameter, f"creating table {name} with {wish.pages!r} pages")
        schema = schema_of(database)
        template = _template(session, schema, wish)
        wish.created = 1
        schema.require_free(session, name)
        inherited = [] if template is None else [entry.item for entry in template.indexes]
        below = sum(not index.is_primary for index in inherited) + sum(
            not (isinstance(each.grbit, int) and each.grbit & grbits.JET_bitIndexPrimary) for each in wish.indexes
        )
        base = Table(name, 0, 0, density=wish.density, initial_pages=max(wish.pages, below + 1) if below else wish.pages)
        for bit, flags in _TABLE_FLAGS:
            base.flags |= flags if grbit & bit else 0
        if template is not None:
            base.flags |= TABLE_DERIVED
            base.template, base.template_name = template.base, template.name(session.transaction)
        base.separate_threshold, base.long_value_chunk = wish.separate_threshold, wish.chunk
        base.space_hints, base.deferred_space_hints = wish.space_hints, wish.deferred_space_hints
        tree = _create_tree(session, database, ROOT, pages=max(base.initial_pages, 1))
        base.objid, base.root = tree.objid, tree.fdp
        live = schema.create(session, base)
        with _duplicates_are(codes.JET_errTableDuplicate, f"creating table {name}"):
            schema.writer.add(session, table_row(base))
        schema.writer.add_objid(session, base.objid, base.objid, ObjectType.TABLE)
        if wish.callback is not None:
            require_named(session.instance, wish.callback[1])
            base.callbacks.append(wish.callback)
            schema.writer.add(session, callback_row(base.objid, *wish.callback))
        _create_columns(session, schema, live, wish)
        for index in inherited:
            _derive_index(session, database, live, index)
        for each in wish.indexes:
            _create_first_index(session, database, live, each)
            wish.created += 1
        cursor = _cursor(session, database, live, _CREATED)
        if cursor.view.autoincrement is not None and database.keeps(Feature.ROOT_AUTOINCREMENT):
            rows = cursor.primary.tree
            rows.set_external_header(session, with_autoincrement(rows.nodes.external_header(), 0))
        return cursor


def _template(session: Session, schema: Schema, wish: TableWish) -> LiveTable | None:
    if wish.template is None:
        return None
    template = schema.find(session, wish.template)
    if not template.base.is_template:
        raise jet_error(codes.JET_errObjectNotFound, f"table {wish.template} is no template")
    if wish.grbit & grbits.JET_bitTableCreateTemplateTable:
        raise jet_error(codes.JET_errCannotNestDDL, f"template {wish.name} from template {wish.template}")
    return template


def _create_columns(session: Session, schema: Schema, live: LiveTable, wish: TableWish) -> None:
    columns: list[Column] = []
    for each in wish.columns:
        try:
            columns.append(_new_column(schema.database, live, each, [*live.inherited, *columns], require_unique=False))
        except JetError as problem:
            each.error = problem.code
            raise
        wish.created += 1
    for each, column in zip(wish.columns, columns, strict=True):
        _store_column(session, schema, live, column)
        each.columnid = column.columnid


def _new_column(
    database: AttachedDatabase, live: LiveTable, wish: ColumnWish, known: Sequence[Column], *, require_unique: bool
) -> Column:
    """The column, with an id that is used up from then on."""
    name = object_name(wish.name, "a column")
    has_default = bool(wish.default) or wish.computed is not None
    first, column, wish.cut = define_column(
        name,
        wish.coltyp,
        wish.grbit,
        wish.cp,
        wish.cb_max,
        has_default=has_default,
        wide_escrow=database.has(Feature.ESCROW_64),
    )
    if bool(column.flags & FLAG_USER_DEFINED_DEFAULT) != (wish.computed is not None):
        raise jet_error(codes.JET_errInvalidParameter, f"column {name}: a computed default goes with its option")
    if require_unique and any(each.name.upper() == name.upper() for each in known):
        raise jet_error(codes.JET_errColumnDuplicate, f"adding column {name} to table {live.base.name}")
    require_one_of_a_kind(column, known)
    template = live.template
    if template is not None and template.base.flags & TABLE_NO_FIXED_BELOW and first != TAGGED_FIRST:
        raise jet_error(codes.JET_errFixedInheritedDDL, f"column {name} is not tagged, the template wants it so")
    live.number(column, first)
    if wish.default:
        # recorded: with a new table, the default of a column without a limit is cut to what fits; added alone it is refused
        cut = not require_unique and not column.max_size
        set_default(column, wish.default[:COLUMN_MOST] if cut else wish.default)
    if wish.computed is not None:
        require_named(database.instance, wish.computed.callback)
        column.callback, column.callback_data = wish.computed
        column.flags |= FLAG_DEFAULT
    if live.base.is_template:
        column.template = True
        column.flags |= FLAG_TEMPLATE
    return column


def _store_column(session: Session, schema: Schema, live: LiveTable, column: Column) -> None:
    what = f"adding column {column.name} to table {live.base.name}"
    if any(each.name.upper() == column.name.upper() for each in live.inherited):
        raise jet_error(codes.JET_errColumnDuplicate, what)
    with _duplicates_are(codes.JET_errColumnDuplicate, what):
        schema.writer.add(session, column_row(live.objid, column))
    live.add(session, live.columns, column)


def _create_first_index(session: Session, database: AttachedDatabase, live: LiveTable, wish: IndexWish) -> None:
    """An index of a table that is being created."""
    try:
        table = live.view(session)
        index = _new_index(table, wish, database)
        if live.base.is_template:
            index.flags |= INDEX_TEMPLATE
        _store_index(session, database, live, index)
    except JetError as problem:
        wish.error = problem.code
        raise


def _derive_index(session: Session, database: AttachedDatabase, live: LiveTable, origin: Index) -> None:
    index = copy(origin)
    index.flags = origin.flags & ~INDEX_TEMPLATE | INDEX_DERIVED
    _store_index(session, database, live, index)


def delete_table(session: Session, database: AttachedDatabase, name: object) -> None:
    """JetDeleteTable. JET_errTableInUse where anybody has it open, JET_errTableLocked, JET_errCannotDeleteSystemTable,
    JET_errCannotDeleteTemplateTable; JET_errWriteConflict where it has got columns or indexes since the session's snapshot."""
    with session.implicit_transaction():
        schema = schema_of(database)
        object_name(name, "a table")
        session.require_writable()
        live = schema.find(session, name)
        table = live.view(session)
        if table.is_system:
            raise jet_error(codes.JET_errCannotDeleteSystemTable, f"deleting table {table.name}")
        if table.is_template:
            raise jet_error(codes.JET_errCannotDeleteTemplateTable, f"deleting table {table.name}")
        users = list(_all_cursors(database, live))
        if live.deleter is not None or any(
            user.session is not session and user.grbit & grbits.JET_bitTableDenyRead for user in users
        ):
            raise jet_error(codes.JET_errTableLocked, f"another session has table {table.name} for itself")
        if users:
            raise jet_error(codes.JET_errTableInUse, f"deleting table {table.name}, which is open")
        if live.has_grown_since(session.open_transaction()):
            raise jet_error(codes.JET_errWriteConflict, f"deleting table {table.name}, which another session has changed")
        _require_writable(session, database, "deleting a table")
        writer = schema.writer
        for index in table.indexes:
            writer.remove_index(session, live.objid, index)
        seen = writer.objects_of(session, live.objid)
        if (ObjectType.LONG_VALUE, table.long_value_objid) in seen:
            writer.remove_objid(session, table.long_value_objid)
        elif table.long_value_objid:  # made for this very transaction, or since it began
            writer.remove_unseen(session, long_value_row(live.objid, table.long_value_objid, table.long_value_root))
        writer.remove_objid(session, live.objid)
        for kind, identity in seen:
            writer.remove(session, live.objid, kind, identity)
        schema.drop(session, live)
        below = [entry.item.objid for entry in live.indexes if not entry.item.is_primary]
        if table.long_value_objid:
            below.append(table.long_value_objid)
        tree = _tree_of(live)

        def free(cleaner: Writer) -> None:
            _free_tree(database, cleaner, tree, below)
            forget_counters(database, tree.objid)

        session.when_unneeded(free)


def rename_table(session: Session, database: AttachedDatabase, name: object, new: object) -> None:
    """JetRenameTable. JET_errObjectNotFound, JET_errKeyDuplicate where the new name is taken."""
    with session.implicit_transaction():
        schema = schema_of(database)
        object_name(name, "a table")
        wanted = object_name(new, "a table")
        _require_writable(session, database, "renaming a table")
        live = schema.find(session, name)
        if live.base.is_system:
            raise jet_error(codes.JET_errPermissionDenied, f"renaming table {live.base.name} of the system")
        try:
            schema.writer.change(session, live.objid, ObjectType.TABLE, live.objid, {"Name": wanted})
        except KeyDuplicateError as problem:
            raise jet_error(codes.JET_errKeyDuplicate, f"there is a table {wanted}", file=database.path) from problem
        schema.rename(session, live, wanted)


# ---- columns -------------------------------------------------------------------------------------------------------------


def add_column(cursor: Cursor, wish: ColumnWish) -> None:
    """JetAddColumn: `wish.columnid` is the new column."""
    session, database = cursor.session, cursor.database
    with session.implicit_transaction():
        live = require_changeable(cursor)
        table = _table(cursor)
        column = _new_column(database, live, wish, table.columns, require_unique=True)
        if column.flags & EXCLUSIVELY_ADDED:
            if not cursor.grbit & grbits.JET_bitTableDenyRead:
                raise jet_error(
                    codes.JET_errExclusiveTableLockRequired, f"adding column {column.name} to a table others may open"
                )
            require_empty(cursor)
        _store_column(session, schema_of(database), live, column)
        wish.columnid = column.columnid


def delete_column(cursor: Cursor, name: object, *, own_only: bool = False) -> None:
    """JetDeleteColumn. JET_errColumnNotFound, JET_errColumnInUse, JET_errFixedInheritedDDL."""
    session = cursor.session
    with session.implicit_transaction():
        live = require_changeable(cursor)
        table = _table(cursor)
        wanted = object_name(name, "a column").upper()
        found = [
            c for c in table.columns if c.name.upper() == wanted and not (own_only and c.template and not table.is_template)
        ]
        if not found:
            raise jet_error(codes.JET_errColumnNotFound, f"table {table.name} has no column {name}")
        column = found[0]
        if column.template and not table.is_template:
            raise jet_error(codes.JET_errFixedInheritedDDL, f"column {column.name} belongs to the template of {table.name}")
        if _users(table, column):
            raise jet_error(codes.JET_errColumnInUse, f"column {column.name} is part of index {_users(table, column)[0].name}")
        entry = next(each for each in live.columns if each.item is column)
        stub = {
            "ColtypOrPgnoFDP": int(Coltyp.NIL),
            "Flags": column.flags & ~FLAG_DEFAULT,
            "DefaultValue": None,
            "Name": f"JetStub_{live.objid}_{column.fid}",
        }
        schema_of(cursor.database).writer.change(session, live.objid, ObjectType.COLUMN, column.fid, stub)
        live.remove(session, entry)


def _users(table: SessionTable, column: Column) -> list[Index]:
    """The indexes that refer to a column."""
    return [
        index
        for index in (*table.indexes, *table.hidden_indexes, *table.live.unbuilt)
        if any(table.segment_column(segment) is column for segment in (*index.segments, *index.conditions))
    ]


def rename_column(cursor: Cursor, name: object, new: object, grbit: object) -> None:
    """JetRenameColumn, which is not for transactions. JET_errKeyDuplicate where the new name is taken."""
    session = cursor.session
    session.require_no_transaction("renaming a column")
    with session.implicit_transaction():
        live = _live(cursor)
        cursor.require_updatable()
        table = _table(cursor)
        if not isinstance(grbit, int) or grbit:
            raise jet_error(codes.JET_errInvalidGrbit, f"renaming a column with grbit {grbit!r}")
        object_name(name, "a column")
        wanted = object_name(new, "a column")
        column = table.column(object_name(name, "a column"))
        if column.template and not table.is_template:
            raise jet_error(codes.JET_errFixedInheritedDDL, f"column {column.name} belongs to the template of {table.name}")
        schema_of(cursor.database).writer.change(session, live.objid, ObjectType.COLUMN, column.fid, {"Name": wanted})
        _alter(session, live, column, name=wanted)


def _alter(session: Session, live: LiveTable, column: Column, **changes: Any) -> None:
    """Change a column for everybody, until a roll-back."""
    old = {name: getattr(column, name) for name in changes}

    def put(values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(column, name, value)
        live.touch()

    put(changes)
    session.on_rollback(lambda: put(old))


def set_column_default(
    session: Session, database: AttachedDatabase, table_name: object, name: object, data: bytes | None
) -> None:
    """JetSetColumnDefaultValue. JET_errNullInvalid, JET_errInvalidBufferSize, JET_errDefaultValueTooBig, JET_errColumnInUse."""
    with session.implicit_transaction():
        schema = schema_of(database)
        _require_writable(session, database, "changing a default")
        live = schema.find(session, table_name)
        table = live.view(session)
        column = table.column(object_name(name, "a column"))
        if column.template and not table.is_template:
            raise jet_error(codes.JET_errFixedInheritedDDL, f"column {column.name} belongs to the template of {table.name}")
        if not data:
            raise jet_error(codes.JET_errNullInvalid, f"no default for column {column.name}")
        if _users(table, column):
            raise jet_error(codes.JET_errColumnInUse, f"column {column.name} is part of an index")
        changed = copy(column)
        set_default(changed, data)
        changes = {"DefaultValue": data, "Flags": changed.flags}
        schema.writer.change(session, live.objid, ObjectType.COLUMN, column.fid, changes)
        _alter(session, live, column, default=data, flags=changed.flags)


# ---- indexes -------------------------------------------------------------------------------------------------------------


def create_indexes(cursor: Cursor, wishes: Sequence[IndexWish]) -> None:
    """JetCreateIndex...: all of them or none; others read and write the table meanwhile (`index_build`)."""
    session, database = cursor.session, cursor.database
    with session.implicit_transaction():
        live = require_changeable(cursor)
        for wish in wishes:
            table = _table(cursor)
            index = _new_index(table, wish, database)
            if index.is_primary:
                require_empty(cursor)
            index.always_lcmap = True
            entry = _store_index(session, database, live, index, built=index.is_primary)
            cursor.refresh_view()
            if not index.is_primary:
                build_index(cursor, index)
                live.is_built(entry)


def _new_index(table: SessionTable, wish: IndexWish, database: AttachedDatabase) -> Index:
    name = object_name(wish.name, "an index")
    default = database.instance.parameters.unicode_default
    if default != UnicodeDefault() and wish.locale is None and wish.mapping is None:
        wish = replace(wish, locale=locale_name(default.lcid), mapping=default.map_flags)
    if isinstance(wish.mapping, int) and wish.mapping & LCMAP_UPPERCASE and not database.keeps(Feature.UPPERCASE_KEYS):
        raise jet_error(
            codes.JET_errEngineFormatVersionParamTooLowForRequestedFeature, f"index {name} over text mapped to upper case"
        )
    index = define_index(wish, name, table, database.file.page_size)
    used = {segment.columnid for segment in [*index.segments, *index.conditions]}
    if any(column.columnid in used and column.flags & FLAG_USER_DEFINED_DEFAULT for column in table.columns):
        raise jet_error(codes.JET_errFeatureNotAvailable, f"index {name} over a column whose default a callback computes")
    if any(each.name.upper() == name.upper() for each in table.indexes):
        raise jet_error(codes.JET_errIndexDuplicate, f"creating index {name} of table {table.name}")
    if index.is_primary and table.primary_index is not None:
        raise jet_error(codes.JET_errIndexHasPrimary, f"creating primary index {name} of table {table.name}")
    return index


def _store_index(
    session: Session, database: AttachedDatabase, live: LiveTable, index: Index, *, built: bool = True
) -> Entry[Index]:
    """Tree and row of an index."""
    if index.is_primary:
        index.objid, index.root = live.objid, live.base.root
    else:
        tree = _create_tree(session, database, _tree_of(live), unique=index.is_unique, class_flags=PAGE_INDEX)
        index.objid, index.root = tree.objid, tree.fdp
    with _duplicates_are(codes.JET_errIndexDuplicate, f"creating index {index.name} of table {live.base.name}"):
        schema_of(database).writer.add_index(session, live.objid, index)
    return live.add(session, live.indexes, index, built=built)


def delete_index(cursor: Cursor, name: object) -> None:
    """JetDeleteIndex. JET_errIndexNotFound, JET_errIndexMustStay, JET_errIndexInUse, JET_errFixedInheritedDDL."""
    session, database = cursor.session, cursor.database
    with session.implicit_transaction():
        live = require_changeable(cursor)
        index = _table(cursor).index(object_name(name, "an index"))
        if index.is_primary:
            raise jet_error(codes.JET_errIndexMustStay, f"deleting the primary index {index.name}")
        if index.flags & INDEX_DERIVED:
            raise jet_error(codes.JET_errFixedInheritedDDL, f"index {index.name} comes from the template")
        if any(user.index is index for user in _all_cursors(database, live)):
            raise jet_error(codes.JET_errIndexInUse, f"index {index.name} is the current one of a cursor")
        entry = next(each for each in live.indexes if each.item is index)
        schema_of(database).writer.remove_index(session, live.objid, index)
        live.remove(session, entry)
        tree = TreeName(index.objid, index.root, unique=index.is_unique)
        session.when_unneeded(lambda cleaner: _free_tree(database, cleaner, tree))


# ---- long values ---------------------------------------------------------------------------------------------------------


def make_long_values(cursor: Cursor) -> None:
    """The tree of long values of a table that has none.

    Where the table itself is there already, that is a transaction of its own: others may use the tree at once.
    """
    live = _live(cursor)
    session, database = cursor.session, cursor.database
    with session.instance.lock:
        if live.base.long_value_root:
            _table(cursor)
        elif live.owner is not None:
            with session.implicit_transaction():
                _make_long_values(session, database, live)
        else:
            with _own_transaction(database) as helper:
                _make_long_values(helper, database, live)
        _table(cursor)


@contextmanager
def _own_transaction(database: AttachedDatabase) -> Iterator[Session]:
    """A session of the engine with a transaction that is committed at the end, whatever the caller's comes to.

    What it did, the caller's snapshot does not see.
    """
    transactions = database.instance.transactions
    helper = database.instance.begin_session()
    try:
        transactions.begin_level(helper)
        try:
            yield helper
        except BaseException:
            transactions.roll_back_level(helper)
            raise
        transactions.commit_level(helper)
    finally:
        helper.close()


def _make_long_values(session: Session, database: AttachedDatabase, live: LiveTable) -> None:
    tree = _create_tree(session, database, _tree_of(live), class_flags=PAGE_LONG_VALUE)
    writer = schema_of(database).writer
    writer.add(session, long_value_row(live.objid, tree.objid, tree.fdp))
    writer.add_objid(session, tree.objid, live.objid, ObjectType.LONG_VALUE)
    _put_long_values(live, tree.objid, tree.fdp)
    session.on_rollback(lambda: _put_long_values(live, 0, 0))


def _put_long_values(live: LiveTable, objid: int, root: int) -> None:
    live.base.long_value_objid, live.base.long_value_root = objid, root
    live.touch()


__all__ = [
    "ColumnWish",
    "IndexWish",
    "TableWish",
    "TupleLimits",
    "add_column",
    "create_indexes",
    "create_table",
    "cursor_of_engine",
    "delete_column",
    "delete_index",
    "delete_table",
    "make_long_values",
    "open_table",
    "rename_column",
    "rename_table",
    "set_column_default",
]
