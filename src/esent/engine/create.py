"""Creating databases, and making them longer: the file, the trees of the system, the catalogue that describes itself
(`reference/log-and-recovery.md` 8.2, `reference/database-format.md` 7.8, 8).

| page    | content                                     | page    | content                        |
|---------|---------------------------------------------|---------|--------------------------------|
| 1, 2, 3 | root of the system, OwnExt, AvailExt         | 24..28  | MSysObjectsShadow              |
| 4..23   | MSysObjects; in it 7 Name, 10 RootObjects   | 29, 30  | MSysObjids, MSysLocales        |

All is logged between CreateDB and CreateDBFinish. A creation whose CreateDBFinish is not in the log never was: recovery takes
the file away. So does a creation that fails.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from esent.catalog.objects import Table
from esent.catalog.rows import (
    LOCALES,
    LOCALES_DENSITY,
    OBJIDS,
    catalog_record,
    date_root,
    locales_nodes,
    name_index_key,
    objids_node,
    root_objects_key,
    row_key,
    system_tables,
    table_rows,
)
from esent.catalog.system import CATALOG, CATALOG_DENSITY, CATALOG_PAGES, SHADOW, ObjectType
from esent.constants import codes, grbits, params
from esent.constants.formats import FEATURE_OF_DATABASE, EngineFormat, Feature, database_version
from esent.engine.database import AttachedDatabase, Databases, HeldFile, full_path
from esent.engine.shrink import clear_tail, shrink_database
from esent.errors import JetError, JetWarning, jet_error
from esent.log.records import CreateDB, CreateDBFinish, DetachDB
from esent.pages.database_file import PGNO_MAX, DatabaseFile
from esent.pages.edit import PAGE_INDEX
from esent.pages.filesystem import FileSystem
from esent.pages.header import (
    FIRST_DBTIME,
    HEADER_PAGES,
    SHADOWING_OFF,
    SORT_VERSIONS_IN_CATALOG,
    DatabaseHeader,
    DatabaseState,
)
from esent.pages.primitives import LGPOS_MAX, LogTime, Signature
from esent.records.layout import SMALL_PAGE_MAX
from esent.tree.allocate import DATABASE_ROOT, grow_database, owned_pages
from esent.tree.live import TreeName

if TYPE_CHECKING:
    from esent.engine.session import Session
    from esent.engine.store import DatabaseStore

CREATE_OPTIONS = (
    grbits.JET_bitDbRecoveryOff
    | grbits.JET_bitDbVersioningOff
    | grbits.JET_bitDbShadowingOff
    | grbits.JET_bitDbOverwriteExisting
    | grbits.JET_bitDbExclusive
    | grbits.JET_bitDbEnableBackgroundMaintenance
    | grbits.JET_bitDbPurgeCacheOnAttach
)
RESIZE_OPTIONS = grbits.JET_bitResizeDatabaseOnlyGrow | grbits.JET_bitResizeDatabaseOnlyShrink
SYSTEM_TREE_PAGES = 3  # a root with its space trees
SHADOW_TREE_PAGES = 5
LEAST_PAGES = 31  # what the system takes, and one
OS_VERSION = (6, 2, 9200)  # what a process without a manifest sees on any Windows
ROOT = TreeName(1, DATABASE_ROOT, unique=True)


def create_database(session: Session, name: object, grbit: object = 0, size_limit: object = 0) -> int:
    """JetCreateDatabase: the JET_DBID. Errors leave no file and nothing attached.

    JET_errDatabaseDuplicate where the file is there (unless JET_bitDbOverwriteExisting), JET_errInTransaction,
    JET_errTooManyAttachedDatabases, JET_errOneDatabasePerSession, JET_errOutOfDatabaseSpace, JET_errDiskFull.
    """
    path = full_path(name)
    if not isinstance(grbit, int) or grbit & ~CREATE_OPTIONS:
        raise jet_error(codes.JET_errInvalidGrbit, f"creating a database with grbit {grbit!r}", file=path)
    if grbit & grbits.JET_bitDbVersioningOff and not grbit & grbits.JET_bitDbRecoveryOff:
        raise jet_error(codes.JET_errInvalidGrbit, "creating a database without versions, but with a log", file=path)
    if not isinstance(size_limit, int) or size_limit < 0:
        raise jet_error(codes.JET_errInvalidParameter, f"{size_limit!r} is not a number of pages", file=path)
    session.check_owner()
    session.require_no_transaction("creating a database")
    instance = session.instance
    databases = instance.databases
    databases.require_one_database(session, 0, path)
    logged = instance.logging and not grbit & grbits.JET_bitDbRecoveryOff
    engine_format = instance.parameters.format_choice.engine_format
    if engine_format is None:
        raise jet_error(codes.JET_errInvalidOperation, "creating a database in the format of one that is there", file=path)
    if logged:
        databases.raise_log(instance.parameters.format_choice)
    with databases.changing, instance.lock:
        _require_place(databases, session, path, overwrite=bool(grbit & grbits.JET_bitDbOverwriteExisting))
        creation = _Creation(databases, session, path, engine_format, logged=logged, size_limit=size_limit, grbit=grbit)
        database = creation.run()
        if grbit & grbits.JET_bitDbExclusive:
            session.exclusive.add(database.number)
    if logged:
        instance.write_checkpoint()
        if instance.parameters.number(params.JET_paramAggressiveLogRollover):
            instance.roll_log()
    return database.number


def _require_place(databases: Databases, session: Session, path: Path, *, overwrite: bool) -> None:
    """The path must be free, or its file may go."""
    instance = session.instance
    files = instance.files
    if databases.find(path) is not None:
        raise jet_error(codes.JET_errDatabaseDuplicate, "creating a database that is attached", file=path)
    if instance.process.attached_elsewhere(instance, str(path)):
        raise jet_error(codes.JET_errDatabaseSharingViolation, "another instance has the database attached", file=path)
    if not files.is_directory(path.parent):
        if not instance.create_paths:
            raise jet_error(codes.JET_errInvalidPath, "creating a database in a folder that is not there", file=path)
        files.make_directory(path.parent, parents=True)
    if files.exists(path):
        if files.is_directory(path):
            raise jet_error(codes.JET_errFileAccessDenied, "creating a database in the place of a folder", file=path)
        if not overwrite and not _is_remnant(path, files):
            raise jet_error(codes.JET_errDatabaseDuplicate, "creating a database where there is a file", file=path)
    databases.free_dbid()


def _is_remnant(path: Path, files: FileSystem) -> bool:
    """Whether the file is what a creation that failed left: redo makes it again and finds no end of it."""
    try:
        with DatabaseFile(path, files=files) as file:
            return file.header.state == DatabaseState.JUST_CREATED
    except JetError:
        return False


class _CatalogTrees(NamedTuple):
    catalog: TreeName
    shadow: TreeName | None
    by_name: TreeName
    by_root: TreeName


class _Creation:
    """One database on its way; the lock of the instance is held."""

    def __init__(
        self,
        databases: Databases,
        session: Session,
        path: Path,
        engine_format: EngineFormat,
        *,
        logged: bool,
        size_limit: int,
        grbit: int,
    ) -> None:
        self.databases = databases
        self.session = session
        self.instance = session.instance
        self.path = path
        self.version = database_version(engine_format)
        self.logged = logged
        self.size_limit = size_limit
        self.grbit = grbit
        self.shadowed = not grbit & grbits.JET_bitDbShadowingOff
        self.dbid = databases.free_dbid()
        self.dated = False
        self.small_page = self.instance.page_size <= SMALL_PAGE_MAX
        self.tables = system_tables(locales_2=self.version >= FEATURE_OF_DATABASE[Feature.LOCALES_2])

    def run(self) -> AttachedDatabase:
        files = self.instance.files
        if files.exists(self.path):
            self._remove_old()
        header = self._header()
        if self.logged:
            record = CreateDB(
                procid=self.session.procid,
                dbid=self.dbid,
                grbit=self.grbit,
                cpg_database_size_max=self.size_limit,
                sign_db=header.sign_db,
                path=str(self.path),
            )
            position = self.instance.append(record)
            self.instance.flush_log(position)
            header.lgpos_attach = position
            header.sign_log = self.instance.log.signature
            header.gen_min_required = header.gen_min_consistent = position.generation
            header.gen_max_required = header.gen_max_committed = position.generation
            header.logtime_gen_max_create = self.instance.log.created
        database: AttachedDatabase | None = None
        try:
            database = self._open_file(header)
            self.databases.enter(self.session, database)
            self._fill(database)
            if self.logged:
                finish = self.instance.append(CreateDBFinish(self.session.procid, self.dbid))
                self.instance.flush_log(finish)
            else:
                database.flush()
            database.stamp_creation_finished()
            database.pinned = LGPOS_MAX
        except BaseException:
            self._take_back(database)
            raise
        return database

    def _remove_old(self) -> None:
        files = self.instance.files
        with contextlib.suppress(JetError):
            held = HeldFile(self.path, writable=True, files=files)  # JET_errFileAccessDenied where another process has it
            held.close()
        files.remove(self.path)

    def _header(self) -> DatabaseHeader:
        header = DatabaseHeader()
        header.page_size_field = self.instance.page_size
        header.change_state(DatabaseState.JUST_CREATED)
        header.sign_db = Signature.fresh()
        header.dbtime_dirtied = FIRST_DBTIME
        header.dbid = self.dbid
        header.logtime_attach = LogTime.now()
        header.os_major, header.os_minor, header.os_build = OS_VERSION
        header.sort_version = SORT_VERSIONS_IN_CATALOG
        if not self.shadowed:
            header.db_flags |= SHADOWING_OFF
        return header

    def _open_file(self, header: DatabaseHeader) -> AttachedDatabase:
        files = self.instance.files
        image = header.pack(self.instance.page_size)
        with self.instance.gate.writing(), files.open(self.path, writable=True, exclusive=True) as new:
            new.write(0, image * HEADER_PAGES)
            new.sync()
        files.sync_directory(self.path.parent)
        held = HeldFile(self.path, writable=True, files=files)
        try:
            database = AttachedDatabase(self.instance, self.dbid, held, logged=self.logged, size_limit=self.size_limit)
        except BaseException:
            held.close()
            raise
        if self.logged:
            database.pinned = header.lgpos_attach
        return database

    def _take_back(self, database: AttachedDatabase | None) -> None:
        """The creation failed: as if it had never been."""
        session, instance = self.session, self.instance
        if session.level:
            with contextlib.suppress(JetError):
                instance.transactions.roll_back_level(session)
            instance.transactions.discard(session)
        if self.logged and not instance.log_failed:
            with contextlib.suppress(JetError):
                instance.append(DetachDB(procid=session.procid, dbid=self.dbid, path=str(self.path)))
        if database is not None:
            self.databases.leave(database)
            database.release()
        with contextlib.suppress(JetError):
            instance.files.remove(self.path)

    # -- content ------------------------------------------------------------------------------------------------------

    def _fill(self, database: AttachedDatabase) -> None:
        """The content, in transactions of the extent and order of the original's; a log record has its place by them."""
        store, session = database.store, self.session
        transactions = self.instance.transactions
        transactions.begin_level(session)
        store.create_root(session, self._first_size(store))
        transactions.commit_level(session)
        for step in (self._catalog, self._objids, self._list_objects, self._locales):
            transactions.begin_level(session)
            step(store)
            position = transactions.commit_level(session)
            if self.logged:
                self.instance.flush_log(position)
            if step == self._catalog:
                # the catalogue itself is as in any database; what follows may be of the format asked for
                database.raise_version(self.version)
                self.dated = database.keeps(Feature.ROOT_TIME)

    @contextlib.contextmanager
    def _row(self) -> Iterator[None]:
        """A level of its own for a row. What fails ends the creation, which takes back all levels at once."""
        self.instance.transactions.begin_level(self.session)
        yield
        self.instance.transactions.commit_level(self.session)

    def _first_size(self, store: DatabaseStore) -> int:
        """Pages of the new file: whole steps of growth, if the limit allows them."""
        total = LEAST_PAGES + HEADER_PAGES
        total += -total % store.growth
        pages = total - HEADER_PAGES
        return max(LEAST_PAGES, min(pages, self.size_limit)) if self.size_limit else pages

    def _catalog(self, store: DatabaseStore) -> None:
        """The trees of the catalogue, then what they say of themselves."""
        session = self.session
        catalog = store.create(session, ROOT, pages=CATALOG_PAGES, multiple=True)
        shadow = None
        if self.shadowed:
            shadow = store.create(session, ROOT, pages=SHADOW_TREE_PAGES, multiple=True)
        else:
            store.new_objid()
        by_name = store.create(session, catalog, pages=SYSTEM_TREE_PAGES, class_flags=PAGE_INDEX, multiple=True)
        by_root = store.create(session, catalog, pages=SYSTEM_TREE_PAGES, class_flags=PAGE_INDEX, multiple=True)
        self.trees = _CatalogTrees(catalog, shadow, by_name, by_root)
        for table in self.tables:
            if table.name == CATALOG or (table.name == SHADOW and self.shadowed):
                self._describe(store, table)

    def _describe(self, store: DatabaseStore, table: Table) -> None:
        """The rows of a table in the catalogue."""
        trees = self.trees
        for row in sorted(table_rows(table), key=row_key):
            if self.dated:
                date_root(row)
            key, record = row_key(row), catalog_record(row, small_page=self.small_page)
            with self._row():
                self._insert(store, trees.catalog, key, record, CATALOG_DENSITY)
                self._insert(store, trees.by_name, name_index_key(row), key, CATALOG_DENSITY)
                if row["Type"] == ObjectType.TABLE:
                    self._insert(store, trees.by_root, root_objects_key(row), key, CATALOG_DENSITY)
            if trees.shadow is not None:
                with self._row():
                    self._insert(store, trees.shadow, key, record, CATALOG_DENSITY)

    def _own_table(self, store: DatabaseStore, name: str) -> TreeName:
        """The tree of a table that is not part of the catalogue, and its description."""
        tree = store.create(self.session, ROOT)
        table = next(each for each in self.tables if each.name == name)
        table.root = table.indexes[0].root = tree.fdp
        self._describe(store, table)
        return tree

    def _objids(self, store: DatabaseStore) -> None:
        self.objids = self._own_table(store, OBJIDS)

    def _list_objects(self, store: DatabaseStore) -> None:
        """What there is so far, in MSysObjids."""
        for table in self.tables:
            if table.name != LOCALES and (self.shadowed or table.name != SHADOW):
                self._list_object(store, table)

    def _list_object(self, store: DatabaseStore, table: Table) -> None:
        for row in table_rows(table):
            kind, objid, owner = row["Type"], row["Id"], row["ObjidTable"]
            if kind == ObjectType.TABLE or (kind == ObjectType.INDEX and objid != owner):
                with self._row():
                    self._insert(store, self.objids, *objids_node(objid, owner, kind, small_page=self.small_page), 100)

    def _locales(self, store: DatabaseStore) -> None:
        locales = self._own_table(store, LOCALES)
        self._list_object(store, next(table for table in self.tables if table.name == LOCALES))
        second = self.version >= FEATURE_OF_DATABASE[Feature.LOCALES_2]
        for key, record in locales_nodes({}, small_page=self.small_page, locales_2=second):
            with self._row():
                self._insert(store, locales, key, record, LOCALES_DENSITY)

    def _insert(self, store: DatabaseStore, name: TreeName, key: bytes, data: bytes, density: int) -> None:
        store.tree(name.objid, name.fdp, unique=True, density=density).insert(self.session, key, data)


def resize_database(session: Session, number: object, pages: object, grbit: object = 0) -> int:
    """Make an open database `pages` long, headers included; the pages of its file then.

    It grows in whole steps of growth, and becomes shorter as far as the pages at its end are free or can move to free ones:
    JET_wrnShrinkNotPossible is issued where none is. JET_errBackupInProgress: it does not become shorter while a backup is on.
    """
    database = session.instance.databases.get(session, number)
    if not isinstance(grbit, int) or grbit & ~RESIZE_OPTIONS or grbit == RESIZE_OPTIONS:
        raise jet_error(codes.JET_errInvalidGrbit, f"resizing a database with grbit {grbit!r}", file=database.path)
    if not isinstance(pages, int) or not 0 <= pages <= PGNO_MAX:
        raise jet_error(codes.JET_errInvalidParameter, f"{pages!r} is not a number of pages", file=database.path)
    if database.read_only:
        raise jet_error(codes.JET_errFileAccessDenied, "resizing a database that is attached read-only", file=database.path)
    store = database.store
    with session.implicit_transaction():
        missing = pages - HEADER_PAGES - owned_pages(store)
        if missing > 0 and not grbit & grbits.JET_bitResizeDatabaseOnlyShrink:
            grow_database(store, session, missing)
    before = database.file.page_count
    if missing < 0 and not grbit & grbits.JET_bitResizeDatabaseOnlyGrow:
        with session.instance.lock:
            session.instance.cleanup.finish()
        clear_tail(database, max(pages - HEADER_PAGES, 1))
        if shrink_database(database, max(pages - HEADER_PAGES, 1)) == before:
            warnings.warn(JetWarning(codes.JET_wrnShrinkNotPossible), stacklevel=3)
    return database.file.page_count + HEADER_PAGES


__all__ = ["CREATE_OPTIONS", "create_database", "resize_database"]
