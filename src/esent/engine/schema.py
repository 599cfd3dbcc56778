"""The tables of a database as its sessions see them.

The catalogue is read once, when the schema is first asked for; from then on every change of it goes through here and through
`catalog.write`, so this is what the rows say. Tables, columns, indexes and names carry the transactions that added and removed
them: a session sees its own changes and those committed before its snapshot, outside of a transaction all that are committed.
An index that is being deleted is seen by nobody, but everybody keeps it up, as its deletion may be rolled back.

All calls are made with the lock of the instance held.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from esent.catalog.definition import LAST_OF_CLASS, object_name
from esent.catalog.objects import Index, Table
from esent.catalog.rows import LOCALES, OBJIDS
from esent.catalog.schema import Catalog
from esent.catalog.system import (
    CATALOG_OBJID,
    CATALOG_ROOT,
    NAME_OBJID,
    NAME_ROOT,
    ROOT_OBJECTS_OBJID,
    ROOT_OBJECTS_ROOT,
    SHADOW,
    SHADOW_OBJID,
    SHADOW_ROOT,
)
from esent.catalog.write import CatalogTrees, CatalogWriter
from esent.constants import codes
from esent.constants.formats import Feature
from esent.engine.cores import TableCore
from esent.engine.session import Session
from esent.engine.versioned import VersionedTree
from esent.errors import jet_error
from esent.pages.header import SHADOWING_OFF
from esent.records.columns import FIXED_FIRST, TAGGED_FIRST, VARIABLE_FIRST, Column
from esent.versions.store import Transaction, precedes

if TYPE_CHECKING:
    from esent.engine.database import AttachedDatabase

T = TypeVar("T")
_RECORD_HEADER = 4


def folded(name: str) -> bytes:
    """A name for comparing: the engine knows the case of the letters of ASCII only."""
    return name.encode("cp1252").upper()


def _holds(change: Transaction | None, reader: Transaction | None) -> bool:
    """Whether a change is part of what a session outside (None) or in a transaction sees."""
    if change is None or change is reader:
        return True
    return change.commit0 != 0 and (reader is None or precedes(change.commit0, reader.begin0))


def _holds_for_all(change: Transaction, oldest: Transaction | None) -> bool:
    """Whether everybody sees a change; `oldest`: the transaction with the oldest snapshot."""
    return change.commit0 != 0 and (oldest is None or precedes(change.commit0, oldest.begin0))


class Entry(Generic[T]):
    """Something that was added, and may have been removed, by a transaction; None: long ago.

    `built`: others than its creator have to keep it up, as far as there is anything to keep up in it.
    """

    __slots__ = ("added", "built", "item", "removed")

    def __init__(self, item: T, added: Transaction | None = None, *, built: bool = True) -> None:
        self.item = item
        self.added = added
        self.removed: Transaction | None = None
        self.built = built

    def visible(self, reader: Transaction | None) -> bool:
        return _holds(self.added, reader) and (self.removed is None or not _holds(self.removed, reader))

    @property
    def gone(self) -> bool:
        """Removed for good, though older snapshots may see it."""
        return self.removed is not None and self.removed.commit0 != 0

    @property
    def unsettled(self) -> bool:
        return self.added is not None or self.removed is not None


class LiveTable(TableCore):
    """One table: what all sessions share of it. `base` is the table as it was read or made; its numbers never change."""

    def __init__(self, schema: Schema, name: str, objid: int, base: Table | None = None) -> None:
        self.schema = schema
        self.objid = objid
        self.names = [Entry(name)]
        self.columns: list[Entry[Column]] = []
        self.indexes: list[Entry[Index]] = []
        self.epoch = 0  # another one after each change
        self.pending = 0  # changes that some session may not see
        self.template: LiveTable | None = None
        self.next_id = {first: first for first in LAST_OF_CLASS}
        self.next_offset = _RECORD_HEADER
        self.counts: dict[int, object] = {}  # of records and entries, by object id, when they were last taken
        self._first_name = name
        self._base = base
        self._views: weakref.WeakKeyDictionary[Session, SessionTable] = weakref.WeakKeyDictionary()
        if base is not None:
            self._inherit(base)

    @property
    def base(self) -> Table:
        if self._base is None:
            catalog = self.schema.catalog
            base = self._base = catalog.table(self._first_name)
            self._inherit(base)
            own = [column for column in base.columns if base.is_template or not column.template]
            self.columns = [Entry(column) for column in own]
            self.indexes = [Entry(index) for index in base.indexes]
            self._occupy(catalog.column_ids(self._first_name))
            self._occupy((column.fid, column.record_offset, column.max_size) for column in own)
        return self._base

    def _inherit(self, base: Table) -> None:
        """Ids of fixed and variable columns go on behind those of the template."""
        if base.template is None:
            return
        template = self.template = self.schema.live(base.template.objid)
        self.next_offset = template.next_offset
        for first in (FIXED_FIRST, VARIABLE_FIRST):
            self.next_id[first] = template.next_id[first]

    def _occupy(self, ids: Iterable[tuple[int, int, int]]) -> None:
        """Columns there are or were: id, offset in the record, size."""
        for fid, offset, size in ids:
            first = TAGGED_FIRST if fid >= TAGGED_FIRST else VARIABLE_FIRST if fid >= VARIABLE_FIRST else FIXED_FIRST
            self.next_id[first] = max(self.next_id[first], fid + 1)
            if first == FIXED_FIRST:
                self.next_offset = max(self.next_offset, offset + size)

    def number(self, column: Column, first: int) -> None:
        """Give a new column its id, which is never given again, and its place. JET_errTooManyColumns."""
        if self.next_id[first] > LAST_OF_CLASS[first]:
            raise jet_error(codes.JET_errTooManyColumns, f"adding column {column.name} to table {self.base.name}")
        column.fid = self.next_id[first]
        self.next_id[first] += 1
        if first == FIXED_FIRST:
            column.record_offset = self.next_offset
            self.next_offset += column.max_size

    @property
    def inherited(self) -> list[Column]:
        """The columns of the template."""
        return [] if self.template is None else [entry.item for entry in self.template.columns]

    def name(self, reader: Transaction | None) -> str | None:
        """The name as a reader sees it; None where the reader sees no such table."""
        return next((entry.item for entry in self.names if entry.visible(reader)), None)

    @property
    def owner(self) -> Transaction | None:
        """The open transaction that is making the table, if it is not there yet."""
        added = self.names[0].added if self.names else None
        return added if added is not None and not added.commit0 else None

    @property
    def deleter(self) -> Transaction | None:
        """The transaction that has deleted the table, None where it has a name for somebody to come."""
        last = self.names[-1].removed if self.names else None
        return last if all(entry.removed is not None for entry in self.names) else None

    def view(self, session: Session) -> SessionTable:
        """The table for a session; all its cursors share it."""
        found = self._views.get(session)
        if found is None:
            found = self._views[session] = SessionTable(self, session)
        found.follow()
        return found

    # -- changes, which roll back with the transaction level of the session ----------------------------------------------------

    def add(self, session: Session, entries: list[Entry[T]], item: T, *, built: bool = True) -> Entry[T]:
        """Add an item; others see it when the transaction is committed."""
        entry = Entry(item, session.open_transaction(), built=built)
        entries.append(entry)
        self._changed()

        def undo() -> None:
            entries.remove(entry)
            self._changed()

        session.on_rollback(undo)
        session.when_unneeded(lambda _: self.settle())
        return entry

    def is_built(self, entry: Entry[Index]) -> None:
        """An index has what it needs: from now on everybody keeps it up."""
        entry.built = True
        self._changed()

    @property
    def unbuilt(self) -> list[Index]:
        """The indexes that are being built."""
        return [entry.item for entry in self.indexes if not entry.built]

    def remove(self, session: Session, entry: Entry[T]) -> None:
        """Remove an item; others see it until the transaction is committed."""
        entry.removed = session.open_transaction()
        self._changed()

        def undo() -> None:
            entry.removed = None
            self._changed()

        session.on_rollback(undo)
        session.when_unneeded(lambda _: self.settle())

    def has_grown_since(self, reader: Transaction) -> bool:
        """Whether there is a column or an index that a transaction does not see."""
        entries: list[Entry[Any]] = [*self.columns, *self.indexes]
        return any(entry.removed is None and not _holds(entry.added, reader) for entry in entries)

    def touch(self) -> None:
        """Something about a column or an index is not as it was."""
        self.epoch += 1

    def _changed(self) -> None:
        self.epoch += 1
        self.pending = sum(entry.unsettled for entries in self._entries for entry in entries)

    @property
    def _entries(self) -> Iterator[list[Entry[Any]]]:
        yield self.names
        yield self.columns
        yield self.indexes

    def settle(self) -> None:
        """Forget who made the changes that everybody sees by now."""
        oldest = self.schema.oldest_snapshot()
        changed = False
        for entries in self._entries:
            for entry in [each for each in entries if each.unsettled]:
                if entry.added is not None and _holds_for_all(entry.added, oldest):
                    entry.added = None
                    changed = True
                if entry.removed is not None and _holds_for_all(entry.removed, oldest):
                    entries.remove(entry)
                    changed = True
                    if entries is self.names:
                        self.schema.unfile(self, entry.item)
        if changed:
            self._changed()


class SessionTable(Table):
    """A table as one session sees it; it follows what happens to the table whenever its stamp is looked at."""

    __slots__ = ("__weakref__", "_epoch", "_key", "_number", "_session", "live")

    def __init__(self, live: LiveTable, session: Session) -> None:
        base = live.base
        super().__init__(base.name, base.objid, base.root, base.flags, base.density, base.initial_pages)
        self.template_name, self.template = base.template_name, base.template
        self.long_value_chunk, self.separate_threshold = base.long_value_chunk, base.separate_threshold
        self.space_hints, self.deferred_space_hints = base.space_hints, base.deferred_space_hints
        self.callbacks = base.callbacks
        self.live = live
        self._session = weakref.ref(session)
        self._epoch, self._number = -1, 0
        self._key: object = None
        self.follow()

    @property
    def stamp(self) -> object:
        live = self.live
        if live.epoch != self._epoch or live.pending:
            self.follow()
        return self._number

    def follow(self) -> None:
        """Take over what has changed."""
        live = self.live
        if live.epoch != self._epoch or live.pending:
            with live.schema.lock:
                live.settle()
                self._take_over()

    def _take_over(self) -> None:
        live = self.live
        session = self._session()
        reader = None if session is None else session.transaction
        columns = live.inherited + [entry.item for entry in live.columns if entry.visible(reader)]
        indexes = []
        hidden = []
        for entry in live.indexes:
            if entry.removed is None and _holds(entry.added, reader):
                indexes.append(entry.item)
            elif entry.built and not entry.gone and (entry.removed is None or entry.removed is not reader):
                hidden.append(entry.item)
        name = live.name(reader) or self.name
        key = (live.epoch, name, *map(id, columns), 0, *map(id, indexes), 0, *map(id, hidden))
        self._epoch = live.epoch
        if key == self._key:
            return
        self._key = key
        self._number += 1
        self.name = name
        self.columns = sorted(columns, key=lambda column: column.columnid)
        self.indexes = sorted(indexes, key=lambda index: folded(index.name))
        self.hidden_indexes = hidden
        self.long_value_objid, self.long_value_root = live.base.long_value_objid, live.base.long_value_root


class Schema:
    """The tables of one database."""

    def __init__(self, database: AttachedDatabase) -> None:
        self._home = weakref.ref(database)
        self.lock = database.instance.lock
        self._versions = database.instance.transactions.store
        self.catalog = Catalog.load(database.store)
        self._by_name: dict[bytes, list[LiveTable]] = {}
        self._by_objid: dict[int, LiveTable] = {}
        self._writer: CatalogWriter | None = None
        for name in self.catalog.names():
            self._file(LiveTable(self, name, self.catalog.objid(name)), name)

    @property
    def database(self) -> AttachedDatabase:
        database = self._home()
        if database is None:
            raise jet_error(codes.JET_errInvalidDatabaseId, "the database is detached")
        return database

    @property
    def writer(self) -> CatalogWriter:
        """JET_errCatalogCorrupted where only the shadow of the catalogue could be read."""
        if self._writer is None:
            if self.catalog.damage is not None:
                raise jet_error(codes.JET_errCatalogCorrupted, f"changing a damaged catalogue: {self.catalog.damage.message}")
            database = self.database
            dated = database.keeps(Feature.ROOT_TIME)
            self._writer = CatalogWriter(self._trees(), database.file.page_size, Session.implicit_transaction, dated=dated)
        return self._writer

    def _trees(self) -> CatalogTrees:
        database = self.database

        def tree(objid: int, root: int, name: str = "the catalogue") -> VersionedTree:
            found = VersionedTree(database, objid, root, True)
            found.title = name
            return found

        def table_tree(name: str) -> VersionedTree | None:
            if name not in self.catalog:
                return None
            table = self.catalog.table(name)
            return tree(table.objid, table.root, f"table {name}")

        shadowed = SHADOW in self.catalog and not database.file.header.db_flags & SHADOWING_OFF
        return CatalogTrees(
            tree(CATALOG_OBJID, CATALOG_ROOT),
            tree(SHADOW_OBJID, SHADOW_ROOT) if shadowed else None,
            tree(NAME_OBJID, NAME_ROOT),
            tree(ROOT_OBJECTS_OBJID, ROOT_OBJECTS_ROOT),
            table_tree(OBJIDS),
            table_tree(LOCALES),
        )

    def oldest_snapshot(self) -> Transaction | None:
        """The open transaction that began first."""
        return self._versions.oldest

    # -- finding tables --------------------------------------------------------------------------------------------------------

    def live(self, objid: int) -> LiveTable:
        """The table with this object id."""
        return self._by_objid[objid]

    def find(self, session: Session, name: object) -> LiveTable:
        """The table of a name as the session sees it. JET_errInvalidName, JET_errObjectNotFound."""
        wanted = folded(object_name(name, "a table"))
        for live in self._by_name.get(wanted, ()):
            seen = live.name(session.transaction)
            if seen is not None and folded(seen) == wanted:
                return live
        raise jet_error(codes.JET_errObjectNotFound, f"there is no table {name}", file=self.database.path)

    def require_free(self, session: Session, name: str) -> None:
        """JET_errTableDuplicate where a table has the name, be it one that another session is making or deleting."""
        wanted = folded(name)
        for live in self._by_name.get(wanted, ()):
            for entry in live.names:
                removed = entry.removed is not None and (entry.gone or entry.removed is session.transaction)
                if folded(entry.item) == wanted and not removed:
                    raise jet_error(codes.JET_errTableDuplicate, f"there is a table {name}", file=self.database.path)

    def visible(self, session: Session) -> list[tuple[str, LiveTable]]:
        """All tables the session sees, in the order of their names."""
        found = []
        for wanted in sorted(self._by_name):
            for live in self._by_name[wanted]:
                name = live.name(session.transaction)
                if name is not None and folded(name) == wanted:
                    found.append((name, live))
        return found

    # -- changes ---------------------------------------------------------------------------------------------------------------

    def _file(self, live: LiveTable, name: str) -> None:
        self._by_objid[live.objid] = live
        known = self._by_name.setdefault(folded(name), [])
        if live not in known:
            known.append(live)

    def unfile(self, live: LiveTable, name: str) -> None:
        """The table has lost a name."""
        wanted = folded(name)
        if any(folded(entry.item) == wanted for entry in live.names):
            return
        known = self._by_name.get(wanted, [])
        if live in known:
            known.remove(live)
        if not known:
            self._by_name.pop(wanted, None)
        if not live.names:
            self._by_objid.pop(live.objid, None)

    def create(self, session: Session, base: Table) -> LiveTable:
        """A new table without columns and indexes of its own."""
        live = LiveTable(self, base.name, base.objid, base)
        live.names.clear()
        self._name(session, live, base.name)
        return live

    def rename(self, session: Session, live: LiveTable, name: str) -> None:
        """Another name for a table."""
        self.drop(session, live)
        self._name(session, live, name)

    def _name(self, session: Session, live: LiveTable, name: str) -> None:
        session.on_rollback(lambda: self.unfile(live, name))
        live.add(session, live.names, name)
        self._file(live, name)

    def drop(self, session: Session, live: LiveTable) -> None:
        """Take its name from a table."""
        entry = next(each for each in live.names if each.visible(session.transaction))
        live.remove(session, entry)


def schema_of(database: AttachedDatabase) -> Schema:
    """The schema of an attached database, read when it is first asked for."""
    found = database.schema
    if found is None:
        found = database.schema = Schema(database)
    return found
