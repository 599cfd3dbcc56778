"""`open` and `Database`: a database with an instance of its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from esent import jet
from esent.api.backup import Backup, ProgressOption
from esent.api.columns import ColumnType
from esent.api.instance import Instance
from esent.api.rows import to_bytes
from esent.api.sessions import ThreadSession, ThreadSessions
from esent.api.table import Table
from esent.constants import codes, grbits, params
from esent.engine.process import PROCESS
from esent.engine.schema import schema_of
from esent.engine.session import session_call
from esent.errors import JetError, jet_error
from esent.jet.structures_tables import JET_COLUMNCREATE, JET_COLUMNDEF, JET_INDEXCREATE3, JET_TABLECREATE4
from esent.log.files import detect_extension
from esent.pages.database_file import DatabaseFile
from esent.records.columns import INHERENT_SIZE, TEXT_TYPES, Column
from esent.records.keys import key_most_for_page
from esent.tools.dump import dump
from esent.tools.known import Application, KnownNames

PathLike = str | os.PathLike[str]
PAGE_SIZE = 4096
_FOLDER_IN_USE = frozenset({codes.JET_errTempPathInUse, codes.JET_errLogFilePathInUse, codes.JET_errSystemPathInUse})
LOG_FILE_SIZE = 1024 * 1024
VERSION_PAGES = 2048  # of 32 KB: a transaction is whole or none, and people do not count its rows


@dataclass(frozen=True)
class Key:
    """An index: columns ("+name" ascending, "-name" descending, "name" as "+name") and options.

    `ignore_null` leaves rows out whose columns are all NULL, `ignore_any_null` those with any. `long` keys hold as much as the
    page size allows, not 255 bytes. `no_truncation` refuses rows whose key does not fit, rather than cutting it.
    """

    columns: str | Sequence[str]
    unique: bool = False
    not_null: bool = False
    ignore_null: bool = False
    ignore_any_null: bool = False
    long: bool = False
    no_truncation: bool = False

    def segments(self) -> list[str]:
        names = [self.columns] if isinstance(self.columns, str) else list(self.columns)
        return [name if name[:1] in ("+", "-") else f"+{name}" for name in names]

    def structure(self, name: str, page_size: int, *, primary: bool = False) -> JET_INDEXCREATE3:
        grbit = (
            grbits.JET_bitIndexPrimary * primary
            | grbits.JET_bitIndexUnique * (self.unique or primary)
            | grbits.JET_bitIndexDisallowNull * self.not_null
            | grbits.JET_bitIndexIgnoreNull * self.ignore_null
            | grbits.JET_bitIndexIgnoreAnyNull * self.ignore_any_null
            | grbits.JET_bitIndexDisallowTruncation * self.no_truncation
            | grbits.JET_bitIndexKeyMost * self.long
        )
        most = key_most_for_page(page_size) if self.long else 0
        return JET_INDEXCREATE3(szIndexName=name, szKey=self.segments(), grbit=grbit, cbKeyMost=most)


def _key(key: Key | str | Sequence[str]) -> Key:
    return key if isinstance(key, Key) else Key(key)


class Transaction:
    """A transaction of the calling thread, as a context manager: committed at the end of the block, undone by an exception.

    One inside another is a savepoint of it: undone alone, committed with what is around it (7 levels at most). `lazy` does not
    wait for the disk; `read_only` refuses changes.
    """

    def __init__(self, database: Database, *, lazy: bool = False, read_only: bool = False) -> None:
        self.database = database
        self._commit = grbits.JET_bitCommitLazyFlush if lazy else 0
        self._begin = grbits.JET_bitTransactionReadOnly if read_only else 0
        self._session: ThreadSession | None = None
        self._level = 0

    def __enter__(self) -> Transaction:
        if self._open:
            raise jet_error(codes.JET_errInTransaction, "entering a transaction that is open")
        session = self.database.sessions.current()
        jet.JetBeginTransaction2(session.sesid, self._begin)
        self._session, self._level = session, session.level
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._session is None:
            return
        if not self._open:
            if kind is None:
                self.database.sessions.current()  # tells that it is closed; nothing else ends a transaction unasked
            return
        if kind is None:
            self.commit()
        else:
            self.rollback()

    def commit(self) -> None:
        """Commit now, with those inside of it; what follows in the block is outside of the transaction. A failure undoes it.

        JET_errSessionSharingViolation, and nothing has happened, in another thread than its own.
        """
        session = self._required("committing")
        try:
            while session.level >= self._level:
                jet.JetCommitTransaction(session.sesid, self._commit)
        except JetError as problem:
            if problem.code != codes.JET_errSessionSharingViolation:
                with contextlib.suppress(JetError):  # it may have been committed, and only the wait for the disk failed
                    self._undo(session)
            raise
        self._session = None

    def rollback(self) -> None:
        """Undo it now, with those inside of it; what follows in the block is outside of the transaction."""
        self._undo(self._required("rolling back"))

    def _undo(self, session: ThreadSession) -> None:
        while session.level >= self._level:
            jet.JetRollback(session.sesid)
        self._session = None

    @property
    def _open(self) -> bool:
        return self._session is not None and self._session.level >= self._level

    def _required(self, what: str) -> ThreadSession:
        if self._session is None or not self._open:
            raise jet_error(codes.JET_errNotInTransaction, f"{what} a transaction that is not open")
        return self._session


class Database:
    """An open database: its tables by name, transactions, backups. Any thread may use it; each has a session of its own."""

    def __init__(
        self,
        path: PathLike,
        *,
        page_size: int | None = None,
        log_directory: PathLike | None = None,
        base_name: str = "edb",
        circular_logging: bool = True,
        log_file_size: int | None = None,
        parameters: Mapping[str, int | str] | None = None,
    ) -> None:
        """As `open` says."""
        self._known: tuple[list[str], KnownNames] | None = None
        self.path = Path(path).absolute()
        self.page_size = page_size or _page_size(self.path)
        logs = Path(log_directory) if log_directory else self.path.parent
        if log_file_size is None and not (logs.is_dir() and detect_extension(logs, base_name)):
            log_file_size = LOG_FILE_SIZE  # of a new stream; one that is there keeps its size
        self.instance = Instance(
            os.fspath(self.path),
            directory=logs,
            base_name=base_name,
            page_size=self.page_size,
            log_file_size=log_file_size,
            circular_logging=circular_logging,
            parameters={"MaxVerPages": VERSION_PAGES, **(parameters or {})},
        )
        try:
            self.instance.start()
        except JetError as problem:
            if problem.code not in _FOLDER_IN_USE:
                raise
            what = "a database that is open has its logs in this folder; another one needs a log_directory of its own"
            raise jet_error(problem.code, what, file=logs) from problem
        try:
            with self.instance.session() as sesid:
                if self.path.exists():  # asked now: recovery may have made it
                    jet.JetAttachDatabase(sesid, os.fspath(self.path))
                else:
                    jet.JetCreateDatabase(sesid, os.fspath(self.path))
            self.sessions = ThreadSessions(self.instance.handle, self.path)
        except BaseException:
            self.instance.close()
            raise

    def __enter__(self) -> Database:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Database {self.path}>"

    def close(self) -> None:
        """End all sessions and the instance; the file is clean afterwards. Open transactions are rolled back."""
        self.sessions.end_all()
        self.instance.close()

    # ---- tables ----------------------------------------------------------------------------------------------------------

    @property
    def tables(self) -> list[str]:
        """The names of the user's tables."""
        session = self.sessions.current()
        with session_call(session.sesid) as found:
            database = found.instance.databases.get(found, session.dbid)
            with found.instance.lock:
                known = schema_of(database).visible(found)
                return sorted((name for name, live in known if not live.base.is_system), key=str.upper)

    @property
    def known(self) -> KnownNames:
        """What the application that made the database calls its tables and columns."""
        tables = self.tables
        if self._known is None or self._known[0] != tables:
            self._known = tables, KnownNames(tables, lambda table, columns, index: self[table].index(index).rows(columns))
        return self._known[1]

    @property
    def application(self) -> Application | None:
        """The application that made the database, by its tables; None where it is not known."""
        return self.known.application

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        try:
            self[name]
        except JetError as problem:
            if problem.code not in (codes.JET_errObjectNotFound, codes.JET_errInvalidName):
                raise
            return False
        return True

    def __getitem__(self, name: str) -> Table:
        """A table. JET_errObjectNotFound."""
        with self.sessions.current().cursor(name):
            return Table(self, name)

    def create_table(
        self,
        name: str,
        columns: Mapping[str, ColumnType],
        *,
        primary_key: Key | str | Sequence[str] | None = None,
        indexes: Mapping[str, Key | str | Sequence[str]] | None = None,
    ) -> Table:
        """Create a table. Without a primary key its rows are in the order in which they are inserted.

        JET_errTableDuplicate, JET_errColumnNotFound, and what definitions do wrong.
        """
        asked = []
        if primary_key is not None:
            asked.append(_key(primary_key).structure("primary", self.page_size, primary=True))
        asked += [_key(key).structure(each, self.page_size) for each, key in (indexes or {}).items()]
        structure = JET_TABLECREATE4(
            szTableName=name,
            rgcolumncreate=[_column(each, kind) for each, kind in columns.items()],
            rgindexcreate=asked,
        )
        session = self.sessions.current()
        jet.JetCreateTableColumnIndex4(session.sesid, session.dbid, structure)
        assert structure.tableid is not None
        jet.JetCloseTable(session.sesid, structure.tableid)
        return Table(self, name)

    def delete_table(self, name: str) -> None:
        """JetDeleteTable. JET_errTableInUse while anybody iterates over it."""
        self._forget(name)
        session = self.sessions.current()
        jet.JetDeleteTable(session.sesid, session.dbid, name)

    def rename_table(self, name: str, new: str) -> None:
        """JetRenameTable. JET_errObjectNotFound, JET_errKeyDuplicate where the new name is taken."""
        self._forget(name)
        session = self.sessions.current()
        jet.JetRenameTable(session.sesid, session.dbid, name, new)

    def _forget(self, name: str) -> None:
        for each in self.sessions.all():
            each.forget(name)

    def change_table(
        self,
        name: str,
        *,
        add_column: tuple[str, ColumnType] | None = None,
        delete_column: str | None = None,
        create_index: tuple[str, Key | str | Sequence[str]] | None = None,
        delete_index: str | None = None,
    ) -> None:
        """One change of the definition of a table; `Table` has methods for them."""
        self._forget(name)
        session = self.sessions.current()
        exclusive = add_column is not None and bool(
            add_column[1].grbit & (grbits.JET_bitColumnAutoincrement | grbits.JET_bitColumnEscrowUpdate)
        )
        sesid = session.sesid
        tableid = jet.JetOpenTable(sesid, session.dbid, name, None, grbits.JET_bitTableDenyRead if exclusive else 0)
        try:
            if add_column is not None:
                made = _column(*add_column)
                definition = JET_COLUMNDEF(coltyp=made.coltyp, cp=made.cp, cbMax=made.cbMax, grbit=made.grbit)
                jet.JetAddColumn(sesid, tableid, add_column[0], definition, made.pvDefault)
            if delete_column is not None:
                jet.JetDeleteColumn(sesid, tableid, delete_column)
            if create_index is not None:
                structure = _key(create_index[1]).structure(create_index[0], self.page_size)
                jet.JetCreateIndex4(sesid, tableid, [structure])
            if delete_index is not None:
                jet.JetDeleteIndex(sesid, tableid, delete_index)
        finally:
            jet.JetCloseTable(sesid, tableid)

    # ---- transactions and backups ----------------------------------------------------------------------------------------

    def transaction(self, *, lazy: bool = False, read_only: bool = False) -> Transaction:
        """A transaction of the calling thread, for `with`."""
        return Transaction(self, lazy=lazy, read_only=read_only)

    @property
    def in_transaction(self) -> bool:
        """Whether the calling thread has a transaction open."""
        return self.sessions.current().level > 0

    def flush(self) -> None:
        """Wait until every commit, lazy ones included, is on stable storage."""
        jet.JetCommitTransaction(self.sessions.current().sesid, grbits.JET_bitWaitAllLevel0Commit)

    def backup(
        self, destination: PathLike, *, incremental: bool = False, atomic: bool = False, progress: ProgressOption = False
    ) -> Backup:
        """A streaming backup into a directory while the database is in use; `run` takes it, `stop` (any thread) ends it.

        It holds every commit made before it took the logs, which comes last. `incremental` wants `circular_logging` off.
        """
        return self.instance.backup(destination, incremental=incremental, atomic=atomic, progress=progress)

    def stop_backup(self) -> None:
        """Stop the backup that is under way, from any thread."""
        self.instance.stop_backup()

    def dump(self, tables: Iterable[str] | None = None) -> list[str]:
        """Every row as JSON lines (`esent.tools.dump`), of the newest state of the pages."""
        session = self.sessions.current()
        with session_call(session.sesid) as found, found.instance.lock:
            database = found.instance.databases.get(found, session.dbid)
            return list(dump(database.file, tables))


def _column(name: str, kind: ColumnType) -> JET_COLUMNCREATE:
    if not isinstance(kind, ColumnType):
        raise jet_error(codes.JET_errInvalidColumnType, f"column {name}: {kind!r} is not a column type, such as esent.Int64()")
    default = None
    if kind.default is not None:
        probe = Column(name, 1, kind.coltyp, INHERENT_SIZE.get(kind.coltyp, kind.size), code_page=kind.code_page)
        default = to_bytes(probe, kind.default)
    code_page = kind.code_page if kind.coltyp in TEXT_TYPES else 0
    return JET_COLUMNCREATE(
        szColumnName=name, coltyp=kind.coltyp, cbMax=kind.size, grbit=kind.grbit, pvDefault=default, cp=code_page
    )


def _page_size(path: Path) -> int:
    """That of the file; for a new one that of the instances that run, which all share one."""
    if path.exists():
        with DatabaseFile(path) as database:
            return database.page_size
    if PROCESS.instances:
        running = jet.JetGetSystemParameter(None, None, params.JET_paramDatabasePageSize)
        assert isinstance(running, int)
        return running
    return PAGE_SIZE


__all__ = ["Database", "Key", "Transaction"]
