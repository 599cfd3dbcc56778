"""What is tidied up without being asked: after a crash, by the clock, and where a page would have to split."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pytest
from live_home import Home, complaints, recovered
from live_trees import LiveDatabase

import esent
from esent import jet
from esent.catalog.schema import Catalog
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.pages.edit import NODE_DELETED, PAGE_SPACE_TREE, MutablePage
from esent.recovery.options import RecoveryOptions
from esent.recovery.soft import soft_recover
from esent.tools.verify import verify_database
from esent.tree.account import unaccounted
from esent.tree.allocate import take_page
from esent.tree.cursor import Tree
from esent.tree.live import TreeName
from recovery_crash_files import crash_image

pytestmark = pytest.mark.usefixtures("clean_process")


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


def test_an_index_whose_deletion_was_all_that_happened_leaves_no_page(tmp_path: Path) -> None:
    """Neither the table it belonged to nor any other index of it is among what recovery has changed."""
    home = Home(tmp_path / "live")
    home.fill(home.create_table("T1"), range(5))
    home.fill(home.create_table("T2"), range(5))
    jet.JetTerm(home.handle)
    home = Home(tmp_path / "live", fresh=False)
    table = jet.JetOpenTable(home.sesid, home.dbid, "T1")
    jet.JetDeleteIndex(home.sesid, table, "byname")
    home.leave()
    report = recovered(home.folder, tmp_path / "again")
    assert (complaints(report), report.pages_leaked) == ([], 0)


def leaking(tmp_path: Path) -> Home:
    """An instance that dies while pages are on their way into a table."""
    home = Home(tmp_path / "live")
    home.fill(home.create_table("T1"), range(100))
    table = Catalog.load(home.database.store).table("T1")
    with home.sesid.target.implicit_transaction():
        for _ in range(3):
            take_page(home.database.store, home.sesid.target, TreeName(table.objid, table.root, unique=True), 0)
    return home


def attached_once(folder: Path) -> int:
    """The leaked pages there are when an instance of its own has attached the database, and ended."""
    jet.JetTerm(Home(folder, fresh=False).handle)
    report = verify_database(folder / "db.edb")
    assert complaints(report) == []
    return report.pages_leaked


def test_whoever_attaches_what_another_has_recovered_finds_what_was_lost(tmp_path: Path) -> None:
    home = leaking(tmp_path)
    home.leave()
    soft_recover(RecoveryOptions(log_path=home.folder, alternate_path=home.folder))
    assert verify_database(home.path).pages_leaked == 3
    (elsewhere := tmp_path / "elsewhere").mkdir()
    shutil.copyfile(home.path, elsewhere / "db.edb")
    assert attached_once(home.folder) == 0
    assert attached_once(elsewhere) == 0  # without the logs


def test_a_restored_database_finds_what_was_lost(tmp_path: Path) -> None:
    home = leaking(tmp_path)
    (tmp_path / "set").mkdir()
    jet.JetBackupInstance(home.handle, str(tmp_path / "set"))
    home.leave()
    esent.restore(tmp_path / "set", tmp_path / "restored")
    assert verify_database(tmp_path / "restored" / "db.edb").pages_leaked == 3
    assert attached_once(tmp_path / "restored") == 0


def test_only_what_a_crash_has_left_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = leaking(tmp_path)
    searched: list[object] = []
    monkeypatch.setattr("esent.engine.cleanup.reclaim_space", lambda *found: searched.append(found))
    jet.JetTerm(home.handle)
    assert attached_once(home.folder) == 3
    assert searched == []


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
