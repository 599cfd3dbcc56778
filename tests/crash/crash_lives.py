"""An instance with a database, the files of which are recorded, and the sessions that work on it through the documented API."""

from __future__ import annotations

import itertools
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crash_model import (
    Contents,
    History,
    Row,
    State,
    Step,
    TableState,
    add_column,
    count,
    create_index,
    create_table,
    delete_column,
    delete_index,
    delete_table,
    drop,
    put,
    rename_table,
)
from live_instances import NEVER

from esent import jet
from esent.backup.directory import back_up
from esent.catalog.schema import Catalog
from esent.engine.database import AttachedDatabase
from esent.engine.instance import Instance
from esent.errors import JetError
from recovery_crash_files import RecordingFiles

COLUMNS: dict[str, tuple[int, int, bytes | None]] = {
    "id": (jet.JET_coltypLong, 0, None),
    "name": (jet.JET_coltypText, 0, None),
    "code": (jet.JET_coltypLong, 0, None),
    "hits": (jet.JET_coltypLong, jet.JET_bitColumnEscrowUpdate, bytes(4)),
    "tags": (jet.JET_coltypLongText, jet.JET_bitColumnTagged | jet.JET_bitColumnMultiValued, None),
    "big": (jet.JET_coltypLongBinary, 0, None),
}
IDS = {"id": 1, "code": 2, "hits": 3, "name": 128, "tags": 256, "big": 257}  # in the order of the columns, by kind
INDEXES: dict[str, tuple[str, int]] = {
    "byname": ("-name\0\0", 0),
    "bycode": ("+code\0\0", jet.JET_bitIndexUnique | jet.JET_bitIndexIgnoreNull),
    "bytag": ("+tags\0\0", jet.JET_bitIndexIgnoreNull),
    "byboth": ("+code\0+name\0\0", 0),
}
# what others' uncommitted or newer changes, and chance, may lead to
REFUSALS = frozenset(
    {
        jet.JET_errWriteConflict,
        jet.JET_errKeyDuplicate,
        jet.JET_errRecordNotFound,
        jet.JET_errRecordDeleted,
        jet.JET_errObjectNotFound,
        jet.JET_errTableDuplicate,
        jet.JET_errTableInUse,
        jet.JET_errTableLocked,
        jet.JET_errIndexDuplicate,
        jet.JET_errIndexNotFound,
        jet.JET_errIndexInUse,
        jet.JET_errColumnDuplicate,
        jet.JET_errColumnNotFound,
        jet.JET_errColumnInUse,
        jet.JET_errSessionWriteConflict,
    }
)


def packed(number: int) -> bytes:
    return number.to_bytes(4, "little", signed=True)


@dataclass(frozen=True, slots=True)
class BackupMade:
    """A backup into a directory that was over after `returned` changes: it has at least the state number `least`."""

    directory: str
    returned: int
    least: int


class Life:
    """A database `db.edb` in a folder, from start to start of its instance."""

    def __init__(self, folder: Path, files: RecordingFiles, history: History | None = None, **parameters: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.path = folder / "db.edb"
        self.files = files
        self.history = history or History(lambda: len(files.recorder.changes))
        self.parameters = {
            "LogFileSize": 32,
            "DbExtensionSize": 16,
            "CheckpointDepthMax": 64 * 1024,
            "MaxTemporaryTables": 0,
            **parameters,
        }
        self.cache_pages = 12
        self.delay = NEVER
        self.backups: list[BackupMade] = []
        self.table_numbers = itertools.count()

    @property
    def clock(self) -> int:
        return len(self.files.recorder.changes)

    def start(self) -> None:
        """Start the instance; recovery is what it does first after a crash. The database is made if it is not there."""
        handle = self.handle = jet.JetCreateInstance(str(self.folder))
        self.instance: Instance = handle.target
        self.instance.files = self.files
        self.instance.cleanup.delay = self.delay
        for number in (jet.JET_paramSystemPath, jet.JET_paramLogFilePath, jet.JET_paramTempPath):
            jet.JetSetSystemParameter(handle, 0, number, 0, f"{self.folder}/")
        jet.JetSetSystemParameter(handle, 0, jet.JET_paramAlternateDatabaseRecoveryPath, 0, f"{self.folder}/")
        for name, value in self.parameters.items():
            self.instance.parameters.put(getattr(jet, f"JET_param{name}"), value)  # also below what is allowed
        jet.JetInit(handle)
        self.sesid = jet.JetBeginSession(handle)
        if self.path.exists():
            jet.JetAttachDatabase(self.sesid, str(self.path))
            self.dbid = jet.JetOpenDatabase(self.sesid, str(self.path))
        else:
            self.dbid = jet.JetCreateDatabase(self.sesid, str(self.path))
        self._take_database()

    def _take_database(self) -> None:
        self.database: AttachedDatabase = self.instance.databases.all()[0]
        self.database.store.cache.limit = self.cache_pages  # also below what a store takes for the least

    def end(self) -> None:
        jet.JetTerm(self.handle)
        self.history.all_sure()

    def restart(self) -> None:
        self.end()
        self.start()

    def detach_and_attach(self) -> None:
        """No session but the first may have the database open."""
        jet.JetCloseDatabase(self.sesid, self.dbid)
        jet.JetDetachDatabase(self.sesid, str(self.path))
        self.history.all_sure()
        jet.JetAttachDatabase(self.sesid, str(self.path))
        self.dbid = jet.JetOpenDatabase(self.sesid, str(self.path))
        self._take_database()

    def back_up(self, directory: str, grbit: int, between: Callable[[], None]) -> None:
        """Make a backup set beside the database; `between` is called as it goes on."""
        (self.folder / directory).mkdir(exist_ok=True)
        least = self.history.last_sure(self.clock)

        def progress(*_: object) -> None:
            between()

        back_up(self.instance.backup, str(self.folder / directory), grbit, None, progress)
        self.backups.append(BackupMade(directory, self.clock, least))

    def crash(self) -> None:
        """End without cleaning up anything."""
        with suppress(JetError):
            jet.JetTerm2(self.handle, jet.JET_bitTermDirty)

    def actor(self) -> Actor:
        return Actor(self)

    def tidy(self) -> None:
        """Everything that is cleaned up some time is, now."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            jet.JetIdle(self.sesid, 0)

    def flush(self) -> None:
        """Write all pages."""
        with self.instance.lock:
            self.database.store.flush()

    def defragment(self, table: str | None = None) -> None:
        """Put leaves together, and wait for it."""
        grbit = jet.JET_bitDefragmentBTree if table else jet.JET_bitDefragmentBatchStart
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            jet.JetDefragment(self.sesid, self.dbid, table, 1, 0, grbit)
        self.instance.defragmenter.close()

    def resize(self, pages: int) -> int:
        """Make the database shorter or longer, as far as it can be."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return jet.JetResizeDatabase(self.sesid, self.dbid, pages)

    def contents(self) -> Contents:
        """All that is in the database, each table read through each of its indexes, which must agree."""
        state: Contents = {}
        for table in Catalog.load(self.database.store):
            if not table.name.startswith("MSys"):
                indexes = frozenset(each.name for each in table.indexes if each.name != "pk")
                columns = frozenset(each.name for each in table.columns) - set(COLUMNS)
                state[table.name] = TableState(table.name, self._rows(table.name, indexes), indexes, columns)
        return state

    def _rows(self, table: str, indexes: frozenset[str]) -> dict[int, Row]:
        sesid = self.sesid
        tableid = jet.JetOpenTable(sesid, self.dbid, table)
        try:
            rows = {number: read_row(sesid, tableid) for number in walk(sesid, tableid, None)}
            for index in indexes:
                found = sorted(walk(sesid, tableid, index))
                assert found == sorted(expected_entries(rows, index)), f"{table} through {index}"
        finally:
            jet.JetCloseTable(sesid, tableid)
        return rows


def walk(sesid: Any, tableid: Any, index: str | None) -> Iterator[int]:
    """The ids of the records in the order of an index; one may come more than once."""
    jet.JetSetCurrentIndex(sesid, tableid, index)
    move = jet.JET_MoveFirst
    while True:
        try:
            jet.JetMove(sesid, tableid, move)
        except JetError as problem:
            if problem.code != jet.JET_errNoCurrentRecord:
                raise
            return
        yield int.from_bytes(jet.JetRetrieveColumn(sesid, tableid, IDS["id"]), "little", signed=True)
        move = jet.JET_MoveNext


def read_row(sesid: Any, tableid: Any) -> Row:
    def number(column: str) -> int | None:
        data = jet.JetRetrieveColumn(sesid, tableid, IDS[column])
        return None if data is None else int.from_bytes(data, "little", signed=True)

    tags: list[bytes] = []
    place = jet.JET_RETINFO()
    while (value := jet.JetRetrieveColumn(sesid, tableid, IDS["tags"], 0, place)) is not None:
        tags.append(value)
        place.itagSequence += 1
    return Row(
        name=jet.JetRetrieveColumn(sesid, tableid, IDS["name"]),
        code=number("code"),
        tags=tuple(tags),
        big=jet.JetRetrieveColumn(sesid, tableid, IDS["big"]),
        hits=number("hits") or 0,
    )


def expected_entries(rows: dict[int, Row], index: str) -> Iterator[int]:
    """The id of the record of each entry of an index."""
    for number, row in rows.items():
        if index == "bytag":
            yield from [number] * len(row.tags)
        elif index != "bycode" or row.code is not None:
            yield number


class Actor:
    """A session and what its open transactions have changed."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.sesid = jet.JetBeginSession(life.handle)
        self.dbid = jet.JetOpenDatabase(self.sesid, str(life.path))
        self.open: list[list[Step]] = []
        self.view: State = {}  # what it should see

    @property
    def level(self) -> int:
        return len(self.open)

    def begin(self) -> None:
        jet.JetBeginTransaction(self.sesid)
        if not self.open:
            self.view = dict(self.life.history.state)
            self._snapshot = self.view.copy()
        self.open.append([])

    def commit(self, *, lazy: bool = False) -> None:
        begun = self.life.clock
        jet.JetCommitTransaction(self.sesid, jet.JET_bitCommitLazyFlush if lazy else 0)
        steps = self.open.pop()
        if self.open:
            self.open[-1] += steps
        elif steps:
            self.life.history.commit(steps, begun, sure=not lazy)

    def rollback(self, *, everything: bool = False) -> None:
        jet.JetRollback(self.sesid, jet.JET_bitRollbackAll if everything else 0)
        del self.open[0 if everything else -1 :]
        self.view = self._snapshot.copy()
        for steps in self.open:
            for step in steps:
                step(self.view)

    @contextmanager
    def transaction(self, *, lazy: bool = False) -> Iterator[None]:
        self.begin()
        try:
            yield
        except BaseException:
            self.rollback()
            raise
        self.commit(lazy=lazy)

    def _done(self, step: Step) -> None:
        step(self.view)
        self.open[-1].append(step)

    def _number(self, table: str) -> int:
        """The number of the table that the session sees under a name."""
        return next(number for number, each in self.view.items() if each.name == table)

    @contextmanager
    def opened(self, table: str) -> Iterator[Any]:
        tableid = jet.JetOpenTable(self.sesid, self.dbid, table)
        try:
            yield tableid
        finally:
            jet.JetCloseTable(self.sesid, tableid)

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _seek(self, tableid: Any, number: int) -> None:
        jet.JetMakeKey(self.sesid, tableid, packed(number), jet.JET_bitNewKey)
        jet.JetSeek(self.sesid, tableid, jet.JET_bitSeekEQ)

    def _set(self, tableid: Any, row: Row, before: int) -> None:
        sesid = self.sesid
        jet.JetSetColumn(sesid, tableid, IDS["name"], row.name)
        jet.JetSetColumn(sesid, tableid, IDS["code"], None if row.code is None else packed(row.code))
        jet.JetSetColumn(sesid, tableid, IDS["big"], row.big)
        for place in range(before, 0, -1):
            jet.JetSetColumn(sesid, tableid, IDS["tags"], None, 0, jet.JET_SETINFO(itagSequence=place))
        for tag in row.tags:
            jet.JetSetColumn(sesid, tableid, IDS["tags"], tag, 0, jet.JET_SETINFO(itagSequence=0))

    def _update(self, tableid: Any) -> None:
        try:
            jet.JetUpdate(self.sesid, tableid)
        except JetError:
            jet.JetPrepareUpdate(self.sesid, tableid, jet.JET_prepCancel)
            raise

    def insert(self, table: str, number: int, row: Row) -> None:
        with self.opened(table) as tableid:
            jet.JetPrepareUpdate(self.sesid, tableid, jet.JET_prepInsert)
            jet.JetSetColumn(self.sesid, tableid, IDS["id"], packed(number))
            self._set(tableid, row, 0)
            self._update(tableid)
        self._done(put(self._number(table), number, row))

    def replace(self, table: str, number: int, row: Row) -> None:
        with self.opened(table) as tableid:
            self._seek(tableid, number)
            before = len(read_row(self.sesid, tableid).tags)
            jet.JetPrepareUpdate(self.sesid, tableid, jet.JET_prepReplace)
            self._set(tableid, row, before)
            self._update(tableid)
        self._done(put(self._number(table), number, row))

    def append(self, table: str, number: int, data: bytes) -> None:
        """Make the long value of a row longer."""
        with self.opened(table) as tableid:
            self._seek(tableid, number)
            row = read_row(self.sesid, tableid)
            jet.JetPrepareUpdate(self.sesid, tableid, jet.JET_prepReplace)
            jet.JetSetColumn(self.sesid, tableid, IDS["big"], data, jet.JET_bitSetAppendLV)
            self._update(tableid)
        self._done(put(self._number(table), number, Row(row.name, row.code, row.tags, (row.big or b"") + data)))

    def delete(self, table: str, number: int) -> None:
        with self.opened(table) as tableid:
            self._seek(tableid, number)
            jet.JetDelete(self.sesid, tableid)
        self._done(drop(self._number(table), number))

    def count(self, table: str, number: int, amount: int) -> None:
        with self.opened(table) as tableid:
            self._seek(tableid, number)
            jet.JetEscrowUpdate(self.sesid, tableid, IDS["hits"], packed(amount))
        self._done(count(self._number(table), number, amount))

    def numbers(self, table: str) -> list[int]:
        """The ids of the rows the session sees."""
        with self.opened(table) as tableid:
            return list(walk(self.sesid, tableid, None))

    # -- definitions --------------------------------------------------------------------------------------------------

    def create_table(self, table: str, indexes: tuple[str, ...] = ("byname", "bycode", "bytag")) -> None:
        with self.nested():
            tableid = jet.JetCreateTable(self.sesid, self.dbid, table)
            try:
                for name, (coltyp, grbit, default) in COLUMNS.items():
                    definition = jet.JET_COLUMNDEF(coltyp=coltyp, cp=1252, grbit=grbit)
                    assert jet.JetAddColumn(self.sesid, tableid, name, definition, default) == IDS[name]
                jet.JetCreateIndex(self.sesid, tableid, "pk", jet.JET_bitIndexPrimary, "+id\0\0")
                for index in indexes:
                    key, grbit = INDEXES[index]
                    jet.JetCreateIndex(self.sesid, tableid, index, grbit, key)
            finally:
                jet.JetCloseTable(self.sesid, tableid)
            self._done(create_table(next(self.life.table_numbers), table, indexes))

    @contextmanager
    def nested(self) -> Iterator[None]:
        """A level below that of the caller, for what is made in several calls."""
        jet.JetBeginTransaction(self.sesid)
        try:
            yield
        except BaseException:
            jet.JetRollback(self.sesid)
            raise
        jet.JetCommitTransaction(self.sesid)

    def delete_table(self, table: str) -> None:
        jet.JetDeleteTable(self.sesid, self.dbid, table)
        self._done(delete_table(self._number(table)))

    def rename_table(self, table: str, name: str) -> None:
        jet.JetRenameTable(self.sesid, self.dbid, table, name)
        self._done(rename_table(self._number(table), name))

    def create_index(self, table: str, index: str) -> None:
        key, grbit = INDEXES[index]
        with self.opened(table) as tableid:
            jet.JetCreateIndex(self.sesid, tableid, index, grbit, key)
        self._done(create_index(self._number(table), index))

    def delete_index(self, table: str, index: str) -> None:
        with self.opened(table) as tableid:
            jet.JetDeleteIndex(self.sesid, tableid, index)
        self._done(delete_index(self._number(table), index))

    def add_column(self, table: str, column: str) -> None:
        with self.opened(table) as tableid:
            jet.JetAddColumn(self.sesid, tableid, column, jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong))
        self._done(add_column(self._number(table), column))

    def delete_column(self, table: str, column: str) -> None:
        with self.opened(table) as tableid:
            jet.JetDeleteColumn(self.sesid, tableid, column)
        self._done(delete_column(self._number(table), column))


def some_row(chosen: random.Random, *, sizes: tuple[int, ...] = (0, 30, 900, 3000, 9000)) -> Row:
    """A row by chance; long values above about a kilobyte are stored apart."""
    size = chosen.choice(sizes)
    return Row(
        name=None if chosen.random() < 0.1 else b"n%d" % chosen.randrange(20) * chosen.choice((1, 1, 8)),
        code=None if chosen.random() < 0.3 else chosen.randrange(1 << 30),
        tags=tuple(dict.fromkeys(b"t%d" % chosen.randrange(9) for _ in range(chosen.randrange(4)))),
        big=chosen.randbytes(size) if size else None,
    )
