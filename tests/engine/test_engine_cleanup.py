"""What is tidied up without being asked: after a crash, by the clock, and where a page would have to split."""

from __future__ import annotations

import random
import shutil
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from live_instances import NEVER
from live_trees import LiveDatabase

from esent import jet
from esent.catalog.schema import Catalog
from esent.engine.database import AttachedDatabase
from esent.engine.instance import Instance
from esent.engine.parameters import ParameterSet
from esent.engine.process import PROCESS, RunMode
from esent.errors import JetError
from esent.log.records import Record
from esent.pages.database_file import DatabaseFile
from esent.pages.edit import NODE_DELETED, PAGE_SPACE_TREE, MutablePage
from esent.pages.primitives import Lgpos
from esent.recovery.options import RecoveryOptions
from esent.recovery.soft import soft_recover
from esent.tools.verify import Severity, VerifyReport, verify_database
from esent.tree.account import unaccounted
from esent.tree.allocate import take_page
from esent.tree.cursor import Tree
from esent.tree.live import TreeName

sys.path.insert(0, str(Path(__file__).parents[1] / "recovery"))
from recovery_crash_files import RecordingFiles, crash_image


class Home:
    """An instance with a database; where it is `eager` the log is on disk after every record."""

    def __init__(self, folder: Path, *, eager: bool = False, fresh: bool = True) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.files = RecordingFiles()
        handle = self.handle = jet.JetCreateInstance(str(folder))
        self.instance: Instance = handle.target
        self.instance.files = self.files
        self.instance.cleanup.delay = NEVER
        for number in (jet.JET_paramSystemPath, jet.JET_paramLogFilePath, jet.JET_paramTempPath):
            jet.JetSetSystemParameter(handle, 0, number, 0, f"{folder}/")
        jet.JetSetSystemParameter(handle, 0, jet.JET_paramAlternateDatabaseRecoveryPath, 0, f"{folder}/")
        for number, value in (
            (jet.JET_paramLogFileSize, 64),
            (jet.JET_paramDbExtensionSize, 16),
            (jet.JET_paramMaxTemporaryTables, 0),
        ):
            jet.JetSetSystemParameter(handle, 0, number, value)
        jet.JetInit(handle)
        self.sesid = jet.JetBeginSession(handle)
        self.path = folder / "db.edb"
        if fresh:
            self.dbid = jet.JetCreateDatabase(self.sesid, str(self.path))
        else:
            jet.JetAttachDatabase(self.sesid, str(self.path))
            self.dbid = jet.JetOpenDatabase(self.sesid, str(self.path))
        self.database: AttachedDatabase = self.instance.databases.all()[0]
        if eager:
            self._write_every_record()
        self.begun = len(self.files.recorder.changes)

    def _write_every_record(self) -> None:
        log = self.instance.instance_log
        append = log.append

        def append_and_flush(record: Record) -> Lgpos:
            position = append(record)
            log.flush(fill=False)
            return position

        log.append = append_and_flush  # type: ignore[method-assign]

    def create_table(self, name: str) -> Any:
        tableid = jet.JetCreateTable(self.sesid, self.dbid, name)
        jet.JetAddColumn(self.sesid, tableid, "id", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong))
        jet.JetAddColumn(self.sesid, tableid, "name", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypText, cp=1252))
        jet.JetCreateIndex(self.sesid, tableid, "pk", jet.JET_bitIndexPrimary, "+id\0\0")
        jet.JetCreateIndex(self.sesid, tableid, "byname", 0, "-name\0\0")
        return tableid

    def insert(self, tableid: Any, number: int, name: str) -> None:
        jet.JetPrepareUpdate(self.sesid, tableid, jet.JET_prepInsert)
        jet.JetSetColumn(self.sesid, tableid, 1, number.to_bytes(4, "little"))
        jet.JetSetColumn(self.sesid, tableid, 128, name.encode())
        jet.JetUpdate(self.sesid, tableid)

    def fill(self, tableid: Any, numbers: range, name: str = "x") -> None:
        jet.JetBeginTransaction(self.sesid)
        for number in numbers:
            self.insert(tableid, number, f"{name * 40}{number}")
        jet.JetCommitTransaction(self.sesid)

    def delete(self, tableid: Any, numbers: Iterable[int]) -> None:
        jet.JetBeginTransaction(self.sesid)
        for number in numbers:
            jet.JetMakeKey(self.sesid, tableid, number.to_bytes(4, "little"), jet.JET_bitNewKey)
            jet.JetSeek(self.sesid, tableid, jet.JET_bitSeekEQ)
            jet.JetDelete(self.sesid, tableid)
        jet.JetCommitTransaction(self.sesid)

    def idle(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            jet.JetIdle(self.sesid, 0)

    def leave(self) -> None:
        """Die, with the log on disk."""
        self.instance.flush_log()
        with pytest.raises(JetError):
            jet.JetTerm2(self.handle, jet.JET_bitTermDirty)


@pytest.fixture(autouse=True)
def clean_process() -> Iterator[None]:
    yield
    for instance in list(PROCESS.instances):
        PROCESS.free(instance)
    PROCESS.mode = RunMode.NOT_SET
    PROCESS.parameters = ParameterSet()


def recovered(folder: Path, goal: Path) -> VerifyReport:
    """A copy of a folder, started, attached and ended: what verification says."""
    shutil.rmtree(goal, ignore_errors=True)
    shutil.copytree(folder, goal)
    jet.JetTerm(Home(goal, fresh=False).handle)
    return verify_database(goal / "db.edb")


def complaints(report: VerifyReport) -> list[str]:
    return [str(each) for each in report.findings if each.severity is not Severity.NOTE]


def definitions(home: Home) -> None:
    """A life of tables and indexes: made, given up, dropped."""
    sesid, dbid = home.sesid, home.dbid
    first = home.create_table("T1")
    home.fill(first, range(60))
    jet.JetBeginTransaction(sesid)
    jet.JetCloseTable(sesid, home.create_table("T2"))
    jet.JetCreateIndex(sesid, first, "more", 0, "+name\0\0")
    jet.JetRollback(sesid)
    jet.JetCreateIndex(sesid, first, "again", 0, "+name\0\0")
    jet.JetDeleteIndex(sesid, first, "again")
    home.idle()
    jet.JetCloseTable(sesid, first)
    jet.JetDeleteTable(sesid, dbid, "T1")
    home.idle()


def test_no_page_is_lost_wherever_definitions_are_cut_short(tmp_path: Path) -> None:
    home = Home(tmp_path / "live", eager=True)
    definitions(home)
    changes = list(home.files.recorder.changes)
    home.leave()
    chosen = random.Random(3)
    leaked = 0
    for cut in [*chosen.sample(range(home.begun, len(changes)), 24), len(changes)]:
        folder = tmp_path / "cut"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, data in crash_image({}, changes, cut, "kept").items():
            (folder / name).write_bytes(data)
        plain = tmp_path / "plain"
        shutil.rmtree(plain, ignore_errors=True)
        shutil.copytree(folder, plain)
        soft_recover(RecoveryOptions(log_path=plain, alternate_path=plain))
        leaked += verify_database(plain / "db.edb").pages_leaked > 0
        report = recovered(folder, tmp_path / "again")
        assert complaints(report) == [], cut
        assert report.pages_leaked == 0, cut
    assert leaked > 3  # recovery alone loses some, so the test tests something


def test_a_page_on_its_way_is_found(tmp_path: Path) -> None:
    home = Home(tmp_path / "live")
    home.fill(home.create_table("T1"), range(400))
    table = Catalog.load(home.database.store).table("T1")
    tree = TreeName(table.objid, table.root, unique=True)
    below = [TreeName(each.objid, each.root, unique=False) for each in table.indexes if each.root != table.root]
    store = home.database.store
    assert unaccounted(store, tree, below) == []
    session = home.sesid.target
    with session.implicit_transaction():
        lost = take_page(store, session, tree, 0)
    assert [(each.first, each.last) for each in unaccounted(store, tree, below)] == [(lost, lost)]
    home.leave()
    report = recovered(home.folder, tmp_path / "again")
    assert (complaints(report), report.pages_leaked) == ([], 0)


def deleted_nodes(path: Path) -> int:
    """Nodes flagged deleted on the leaves of a database, those of space trees apart."""
    count = 0
    with DatabaseFile(path) as file:
        for pgno in range(1, file.page_count + 1):
            try:
                page = MutablePage(file.read_page(pgno), pgno)
            except JetError:
                continue
            if page.is_leaf and not page.flags & PAGE_SPACE_TREE:
                count += sum(bool(page.node_flags(line) & NODE_DELETED) for line in range(page.line_count))
    return count


def test_nodes_that_a_crash_left_deleted_go(tmp_path: Path) -> None:
    home = Home(tmp_path / "live")
    table = home.create_table("T1")
    home.fill(table, range(50))
    home.delete(table, range(20))
    jet.JetBeginTransaction(home.sesid)
    for number in range(100, 130):
        home.insert(table, number, "y" * 50)
    home.leave()
    plain = tmp_path / "plain"
    shutil.copytree(home.folder, plain)
    soft_recover(RecoveryOptions(log_path=plain, alternate_path=plain))
    assert deleted_nodes(plain / "db.edb") >= 60  # records and entries
    report = recovered(home.folder, tmp_path / "again")
    assert (complaints(report), report.pages_leaked) == ([], 0)
    assert deleted_nodes(tmp_path / "again" / "db.edb") == 0


def test_long_values_without_a_record_go(tmp_path: Path) -> None:
    home = Home(tmp_path / "live")
    table = home.create_table("T1")
    big = jet.JetAddColumn(home.sesid, table, "big", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLongBinary))
    jet.JetBeginTransaction(home.sesid)
    for number in range(6):
        jet.JetPrepareUpdate(home.sesid, table, jet.JET_prepInsert)
        jet.JetSetColumn(home.sesid, table, 1, number.to_bytes(4, "little"))
        jet.JetSetColumn(home.sesid, table, big, random.Random(number).randbytes(9000))
        jet.JetUpdate(home.sesid, table)
    jet.JetCommitTransaction(home.sesid)
    home.delete(table, range(4))
    home.leave()
    counts = []
    for name, attach in (("plain", False), ("again", True)):
        if attach:
            report = recovered(home.folder, tmp_path / name)
            assert (complaints(report), report.pages_leaked) == ([], 0)
        else:
            shutil.copytree(home.folder, tmp_path / name)
            soft_recover(RecoveryOptions(log_path=tmp_path / name, alternate_path=tmp_path / name))
        with DatabaseFile(tmp_path / name / "db.edb") as file:
            root = Catalog.load(file).table("T1").long_value_root
            keys = [key for key, _ in Tree(file, root).entries()]
            counts.append((len({key[:4] for key in keys}), len(keys)))
    assert (counts[0][0], counts[1][0]) == (6, 2)
    assert counts[0][1] == 3 * counts[1][1]


def test_a_leaf_is_swept_before_it_splits(tmp_path: Path) -> None:
    database = LiveDatabase(tmp_path)
    tree = database.create_tree(unique=True)
    session = database.session
    with session.implicit_transaction():
        for number in range(30):
            tree.insert(session, b"%04d" % number, bytes(100))
    used = database.store.cache.get(tree.root).line_count
    assert used == 30
    with session.implicit_transaction():
        writer = session
        for number in range(0, 30, 2):  # as recovery leaves them: deleted, and without a version
            tree.nodes.flag_delete(writer, b"%04d" % number, b"")
    with session.implicit_transaction():
        for number in range(15):
            tree.insert(session, b"1%03d" % number, bytes(100))
    root = database.store.cache.get(tree.root)
    assert root.is_leaf  # it did not have to split
    assert [flags & NODE_DELETED for flags, _, _ in root.nodes()] == [0] * 30
    database.close()


def test_versions_are_cleaned_up_by_the_clock(tmp_path: Path) -> None:
    database = LiveDatabase(tmp_path)
    database.instance.cleanup.delay = 0.01
    tree = database.create_tree(unique=True)
    session = database.session
    with session.implicit_transaction():
        for number in range(30):
            tree.insert(session, b"%04d" % number, bytes(100))
    with session.implicit_transaction():
        for number in range(20):
            tree.delete(session, b"%04d" % number)
    end = time.monotonic() + 60
    while database.store.cache.get(tree.root).line_count != 10 and time.monotonic() < end:
        time.sleep(0.01)
    assert database.store.cache.get(tree.root).line_count == 10
    database.close()
    assert database.instance.cleanup._timer is None or not database.instance.cleanup._timer.is_alive()
