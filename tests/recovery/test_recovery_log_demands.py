"""Logs of ours under a strict replay: from nothing, over varied work, each record judged before it is applied."""

from __future__ import annotations

import random
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from esent import jet
from esent.errors import JetError
from esent.tools.verify import Severity, verify_database
from jet_helpers import Running
from log_demands import Demands, missing, replay_strictly
from process_reset import end_instances, reset_process
from recovery_support import different_pages

KEYS = 2000
FIXED = jet.JET_bitColumnFixed
EVERYDAY = [
    "Insert",
    "Delete",
    "Undo",
    "FlagDelete",
    "Commit",
    "Begin",
    "UndoInfo",
    "Replace",
    "Split2",
    "Merge2",
    "Begin0",
    "Commit0",
    "Delta",
    "CreateSEFDP",
    "SetExternalHeader",
    "ConvertFDP2",
    "Rollback",
    "ExtendDB",
    "FlagInsertAndReplaceData",
    "FreeFDP",
    "CreateMEFDP",
    "Term2",
]


@pytest.fixture(autouse=True)
def _process() -> Iterator[None]:
    reset_process()
    yield
    reset_process()


class Churn:
    """Random work of two sessions on a table with all kinds of indexes and columns, and tables that come and go."""

    def __init__(self, folder: Path, seed: int, page_size: int, engine_format: int | None = None) -> None:
        self.folder = folder
        self.parameters = {} if engine_format is None else {"EngineFormatVersion": engine_format}
        self.page_size = page_size
        self.random = random.Random(seed)
        self.extra = 0
        self.run = self.start()
        self.dbid = jet.JetCreateDatabase(self.run.sesid, self.run.path())
        self._create()
        self.open()

    def start(self) -> Running:
        jet.JetSetSystemParameter(None, jet.JET_sesidNil, jet.JET_paramDatabasePageSize, self.page_size)
        alternate = str(self.folder)
        return Running(self.folder, "churn", DbExtensionSize=16, AlternateDatabaseRecoveryPath=alternate, **self.parameters)

    def _create(self) -> None:
        wishes = [
            jet.JET_COLUMNCREATE(szColumnName="Id", coltyp=jet.JET_coltypLong, grbit=FIXED),
            jet.JET_COLUMNCREATE(szColumnName="Text", coltyp=jet.JET_coltypText, cp=1252, cbMax=200),
            jet.JET_COLUMNCREATE(szColumnName="N", coltyp=jet.JET_coltypLong),
            jet.JET_COLUMNCREATE(
                szColumnName="Many", coltyp=jet.JET_coltypLong, grbit=jet.JET_bitColumnTagged | jet.JET_bitColumnMultiValued
            ),
            jet.JET_COLUMNCREATE(szColumnName="Body", coltyp=jet.JET_coltypLongBinary),
            jet.JET_COLUMNCREATE(
                szColumnName="Count",
                coltyp=jet.JET_coltypLong,
                grbit=FIXED | jet.JET_bitColumnEscrowUpdate,
                pvDefault=bytes(4),
            ),
        ]
        indexes = [
            jet.JET_INDEXCREATE2(szIndexName="id", szKey=["+Id"], grbit=jet.JET_bitIndexPrimary),
            jet.JET_INDEXCREATE2(szIndexName="text", szKey=["+Text"]),
            jet.JET_INDEXCREATE2(szIndexName="n", szKey=["-N", "+Id"], grbit=jet.JET_bitIndexUnique),
            jet.JET_INDEXCREATE2(szIndexName="many", szKey=["+Many"]),
        ]
        table = jet.JET_TABLECREATE3(szTableName="T", rgcolumncreate=wishes, rgindexcreate=indexes)
        jet.JetCreateTableColumnIndex3(self.run.sesid, self.dbid, table)
        jet.JetCloseTable(self.run.sesid, table.tableid)
        self.ids = [wish.columnid for wish in wishes]

    def open(self) -> None:
        self.sessions: list[list[Any]] = []
        for _ in range(2):
            sesid = jet.JetBeginSession(self.run.instance)
            dbid = jet.JetOpenDatabase(sesid, self.run.path())
            self.sessions.append([sesid, jet.JetOpenTable(sesid, dbid, "T"), 0])

    def crash(self) -> None:
        """The process is gone; another one starts on what it left."""
        end_instances()
        self.run = self.start()
        jet.JetAttachDatabase(self.run.sesid, self.run.path())
        self.dbid = jet.JetOpenDatabase(self.run.sesid, self.run.path())
        self.open()

    def end(self) -> None:
        for sesid, _, level in self.sessions:
            for _ in range(level):
                jet.JetRollback(sesid, 0)
        jet.JetTerm2(self.run.instance, jet.JET_bitTermComplete)

    def work(self, steps: int) -> None:
        acts = [self._transact] * 6 + [self._insert] * 5 + [self._change] * 6 + [self._escrow, self._tidy, self._table]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(steps):
                with suppress(JetError):
                    self.random.choice(acts)(self.random.choice(self.sessions))

    def _transact(self, session: list[Any]) -> None:
        sesid, _, level = session
        what = self.random.random()
        if what < 0.5 and level < 4:
            jet.JetBeginTransaction(sesid)
            session[2] += 1
        elif level and what < 0.8:
            jet.JetCommitTransaction(sesid, self.random.choice([0, jet.JET_bitCommitLazyFlush]))
            session[2] -= 1
        elif level:
            jet.JetRollback(sesid, 0)
            session[2] -= 1

    @contextmanager
    def _within(self, session: list[Any]) -> Iterator[None]:
        if not session[2]:
            jet.JetBeginTransaction(session[0])
        try:
            yield
        finally:
            if not session[2]:
                jet.JetCommitTransaction(session[0], jet.JET_bitCommitLazyFlush)

    def _put(self, session: list[Any], prep: int, key: int | None = None) -> None:
        sesid, table, _ = session
        chosen = self.random
        jet.JetPrepareUpdate(sesid, table, prep)
        try:
            if key is not None:
                jet.JetSetColumn(sesid, table, self.ids[0], key.to_bytes(4, "little"))
            text = bytes(chosen.choice(b"abcdef") for _ in range(chosen.choice([1, 5, 40, 150])))
            jet.JetSetColumn(sesid, table, self.ids[1], text)
            for number, most in ((2, 1000), (3, 9)):
                if chosen.random() < 0.5:
                    jet.JetSetColumn(sesid, table, self.ids[number], chosen.randrange(most).to_bytes(4, "little"))
            if chosen.random() < 0.3:
                jet.JetSetColumn(sesid, table, self.ids[4], chosen.randbytes(chosen.choice([10, 700, 3000, 9000, 30000])))
            jet.JetUpdate(sesid, table)
        except JetError:
            jet.JetPrepareUpdate(sesid, table, jet.JET_prepCancel)

    def _insert(self, session: list[Any]) -> None:
        with self._within(session):
            base = self.random.randrange(KEYS)
            for number in range(self.random.choice([1, 1, 3, 20])):
                self._put(session, jet.JET_prepInsert, base + number)

    def _seek(self, session: list[Any]) -> None:
        sesid, table, _ = session
        jet.JetMakeKey(sesid, table, self.random.randrange(KEYS).to_bytes(4, "little"), jet.JET_bitNewKey)
        jet.JetSeek(sesid, table, jet.JET_bitSeekGE)

    def _change(self, session: list[Any]) -> None:
        sesid, table, _ = session
        deletes = self.random.random() < 0.5
        with self._within(session):
            self._seek(session)
            for _ in range(self.random.choice([1, 1, 2, 60])):
                if deletes:
                    jet.JetDelete(sesid, table)
                else:
                    self._put(session, jet.JET_prepReplace)
                jet.JetMove(sesid, table, jet.JET_MoveNext, 0)

    def _escrow(self, session: list[Any]) -> None:
        with self._within(session):
            self._seek(session)
            jet.JetEscrowUpdate(session[0], session[1], self.ids[5], (1).to_bytes(4, "little"))

    def _tidy(self, session: list[Any]) -> None:
        sesid = self.run.sesid
        jet.JetIdle(sesid, 0)
        jet.JetDefragment(sesid, self.dbid, None, 0, 0, jet.JET_bitDefragmentBatchStart)

    def _table(self, session: list[Any]) -> None:
        sesid = self.run.sesid
        self.extra += 1
        table = jet.JetCreateTable(sesid, self.dbid, f"X{self.extra}")
        counted = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong, grbit=jet.JET_bitColumnAutoincrement)
        jet.JetAddColumn(sesid, table, "a", counted)
        column = jet.JetAddColumn(sesid, table, "b", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypText, cp=1252))
        jet.JetBeginTransaction(sesid)
        for _ in range(self.random.choice([0, 5, 100])):
            jet.JetPrepareUpdate(sesid, table, jet.JET_prepInsert)
            jet.JetSetColumn(sesid, table, column, b"q" * self.random.randrange(1, 120))
            jet.JetUpdate(sesid, table)
        jet.JetCommitTransaction(sesid)
        jet.JetCreateIndex(sesid, table, "bb", 0, "+b\0\0")
        if self.random.random() < 0.5:
            jet.JetDeleteIndex(sesid, table, "bb")
        jet.JetCloseTable(sesid, table)
        if self.extra > 2:
            jet.JetDeleteTable(sesid, self.dbid, f"X{self.extra - 2}")


def replayed(folder: Path, goal: Path, monkeypatch: pytest.MonkeyPatch) -> Demands:
    """The logs of a folder replayed with nothing there: no record asks too much, and the pages are those of the folder."""
    goal.mkdir()
    for path in folder.glob("edb*.log"):
        shutil.copy(path, goal)
    demands, _ = replay_strictly(goal, monkeypatch)
    assert demands.wrong == []
    for path in folder.glob("*.edb"):
        assert different_pages(goal / path.name, path)[1] == []
        complaints = [str(each) for each in verify_database(path).findings if each.severity is not Severity.NOTE]
        assert complaints == []
    return demands


@pytest.mark.parametrize(("page_size", "seed"), [(4096, 1), (8192, 2), (32768, 3)])
def test_a_clean_life(page_size: int, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "life"
    folder.mkdir()
    churn = Churn(folder, seed, page_size)
    churn.work(160)
    churn.end()
    demands = replayed(folder, tmp_path / "goal", monkeypatch)
    assert missing(demands, [] if page_size > 8192 else EVERYDAY) == []


@pytest.mark.parametrize("engine_format", [8020, 9120, 9600])
def test_a_life_in_another_format(engine_format: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "life"
    folder.mkdir()
    churn = Churn(folder, 4, 4096, engine_format)
    churn.work(80)
    churn.crash()
    churn.work(40)
    churn.end()
    demands = replayed(folder, tmp_path / "goal", monkeypatch)
    newer = engine_format > 9000
    assert missing(demands, ["Split2", "ConvertFDP2", *(["SetDbVersion", "NewPage"] if newer else [])]) == []
    assert newer or not demands.seen.keys() & {"SetDbVersion", "NewPage"}


@pytest.mark.fixtures
@pytest.mark.parametrize("name", ["efv-9180", "efv-9600"])
def test_the_original_announces_pages_as_it_is_judged_here(
    name: str, fixtures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked of formats newer than the everyday one is what the original does."""
    folder = fixtures.copy_set(f"engine/{name}", tmp_path / "set")
    for path in (folder / "db.edb", folder / "edb.chk", folder / "db.jfm"):
        path.unlink()
    demands, _ = replay_strictly(folder, monkeypatch)
    about = ("announced", "in a format without it", "behind the end", "down to version", "in a log of version")
    assert [each for each in demands.wrong if any(part in each for part in about)] == []
    assert missing(demands, ["NewPage", "SetDbVersion", "Split2", "ConvertFDP2"]) == []


def test_a_life_with_crashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "life"
    folder.mkdir()
    churn = Churn(folder, 5, 4096)
    for _ in range(3):
        churn.work(60)
        churn.crash()
    churn.work(30)
    churn.end()
    demands = replayed(folder, tmp_path / "goal", monkeypatch)
    assert missing(demands, ["RecoveryUndo2", "RecoveryQuit2", "AttachDB", "Undo", "UndoInfo"]) == []


def test_keys_too_short_for_a_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that begins with the key of an appended node has that key as its prefix only where a prefix may be so short."""
    folder = tmp_path / "life"
    folder.mkdir()
    run = Running(folder, "short")
    dbid = jet.JetCreateDatabase(run.sesid, run.path())
    table = jet.JetCreateTable(run.sesid, dbid, "T")
    number = jet.JetAddColumn(run.sesid, table, "n", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypUnsignedByte))
    body = jet.JetAddColumn(run.sesid, table, "b", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypBinary))
    jet.JetCreateIndex(run.sesid, table, "n", jet.JET_bitIndexPrimary, "+n\0\0")
    for each in range(120):
        jet.JetPrepareUpdate(run.sesid, table, jet.JET_prepInsert)
        jet.JetSetColumn(run.sesid, table, number, bytes([each]))
        jet.JetSetColumn(run.sesid, table, body, bytes(200))
        jet.JetUpdate(run.sesid, table)
    run.term()
    demands = replayed(folder, tmp_path / "goal", monkeypatch)
    assert missing(demands, ["Split2"]) == []


def test_two_databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second database has records of its own kind about macros; detaching and attaching again goes by number."""
    folder = tmp_path / "life"
    folder.mkdir()
    run = Running(folder, "two")
    for round_ in range(2):
        for name in ("one.edb", "two.edb"):
            path = run.path(name)
            if round_:
                jet.JetAttachDatabase(run.sesid, path)
                dbid = jet.JetOpenDatabase(run.sesid, path)
            else:
                dbid = jet.JetCreateDatabase(run.sesid, path)
            table = jet.JetCreateTable(run.sesid, dbid, f"T{round_}")
            column = jet.JetAddColumn(run.sesid, table, "c", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypBinary))
            jet.JetBeginTransaction(run.sesid)
            for _ in range(80):
                jet.JetPrepareUpdate(run.sesid, table, jet.JET_prepInsert)
                jet.JetSetColumn(run.sesid, table, column, bytes(200))
                jet.JetUpdate(run.sesid, table)
            jet.JetCommitTransaction(run.sesid)
            jet.JetCloseTable(run.sesid, table)
        if not round_:
            for name in ("two.edb", "one.edb"):
                jet.JetCloseDatabase(run.sesid, jet.JetOpenDatabase(run.sesid, run.path(name)))
                jet.JetDetachDatabase2(run.sesid, run.path(name), jet.JET_bitForceCloseAndDetach)
    run.term()
    demands = replayed(folder, tmp_path / "goal", monkeypatch)
    assert missing(demands, ["MacroInfo", "MacroInfo2", "DetachDB", "AttachDB"]) == []


def _put(sesid: Any, table: Any, columns: list[Any], number: int, text: bytes, prepare: int = jet.JET_prepInsert) -> None:
    jet.JetPrepareUpdate(sesid, table, prepare)
    if prepare == jet.JET_prepInsert:
        jet.JetSetColumn(sesid, table, columns[0], number.to_bytes(4, "little"))
    jet.JetSetColumn(sesid, table, columns[1], text)
    jet.JetUpdate(sesid, table)


def _table(run: Running, dbid: Any, name: str) -> tuple[Any, list[Any]]:
    table = jet.JetCreateTable(run.sesid, dbid, name)
    number = jet.JetAddColumn(run.sesid, table, "n", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong))
    text = jet.JetAddColumn(run.sesid, table, "t", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypText, cp=1252))
    jet.JetCreateIndex(run.sesid, table, "n", jet.JET_bitIndexPrimary, "+n\0\0")
    jet.JetCloseTable(run.sesid, table)  # it was for this session alone
    return jet.JetOpenTable(run.sesid, dbid, name), [number, text]


@pytest.mark.parametrize("outcome", ["commit", "rollback", "crash"])
def test_an_index_built_beside_the_levels_of_a_transaction(
    outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an index takes over from open transactions is logged as theirs, of the level it belongs to, and flagged."""
    folder = tmp_path / "life"
    folder.mkdir()
    run = Running(folder, "beside", AlternateDatabaseRecoveryPath=str(folder))
    dbid = jet.JetCreateDatabase(run.sesid, run.path())
    table, columns = _table(run, dbid, "T")
    for each in range(60):
        _put(run.sesid, table, columns, each, b"%03d" % (each % 20) * 20)
    writer = jet.JetBeginSession(run.instance)
    cursor = jet.JetOpenTable(writer, jet.JetOpenDatabase(writer, run.path()), "T")
    for level in range(3):
        jet.JetBeginTransaction(writer)
        for each in range(100 * (level + 1), 100 * (level + 1) + 40):
            _put(writer, cursor, columns, each, b"%03d" % (each % 30) * 20)
        for each in range(10 * level, 10 * level + 5):
            jet.JetMakeKey(writer, cursor, each.to_bytes(4, "little"), jet.JET_bitNewKey)
            jet.JetSeek(writer, cursor, jet.JET_bitSeekEQ)
            _put(writer, cursor, columns, each, b"changed", jet.JET_prepReplace)
    jet.JetCreateIndex(run.sesid, table, "t", 0, "+t\0\0")
    jet.JetRollback(writer, 0)
    jet.JetCommitTransaction(writer, 0)
    if outcome == "crash":
        end_instances()
        reset_process()
        run = Running(folder, "beside", AlternateDatabaseRecoveryPath=str(folder))
    elif outcome == "commit":
        jet.JetCommitTransaction(writer, 0)
    else:
        jet.JetRollback(writer, 0)
    run.term()
    demands = replayed(folder, tmp_path / "goal", monkeypatch)
    assert missing(demands, ["Insert", "Split2", "Undo", "Commit"]) == []
    assert demands.proxies > 50


def test_pages_that_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "life"
    folder.mkdir()
    run = Running(folder, "moves")
    dbid = jet.JetCreateDatabase(run.sesid, run.path())
    first, columns = _table(run, dbid, "T1")
    second, _ = _table(run, dbid, "T2")
    for each in range(600):
        _put(run.sesid, first, columns, each, b"x" * 200)
    for each in range(300):
        _put(run.sesid, second, columns, each, b"y" * 200)
    jet.JetCloseTable(run.sesid, first)
    jet.JetDeleteTable(run.sesid, dbid, "T1")
    jet.JetIdle(run.sesid, 0)
    jet.JetResizeDatabase(run.sesid, dbid, 0)
    run.term()
    demands = replayed(folder, tmp_path / "goal", monkeypatch)
    assert missing(demands, ["PageMove", "ShrinkDB"]) == []
