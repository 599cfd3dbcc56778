"""Leaves put together while they are in use, space given back, and files made shorter."""

from __future__ import annotations

import random
import shutil
import threading
import time
import warnings
from pathlib import Path

import pytest
from live_home import Home, complaints, recovered
from live_instances import logged
from live_trees import LiveDatabase
from page_comparison import comparable, recovered_with_and_without_its_file

import esent
from esent import jet
from esent.catalog.schema import Catalog
from esent.constants import params
from esent.engine.versioned import VersionedTree
from esent.errors import JetError
from esent.log import kinds
from esent.log.records import Merge2
from esent.tools.verify import verify_database
from esent.tree.allocate import create_tree
from esent.tree.cursor import Tree
from esent.tree.defragment import LeafMerger
from esent.tree.live import TreeName
from esent.tree.space import available_extents, owned_extents
from recovery_crash_files import crash_image

pytestmark = pytest.mark.usefixtures("clean_process")

FATES = ["kept", "lost", "some", "torn"]


def merge_all(database: LiveDatabase, tree: VersionedTree, *, partial: bool = True) -> LeafMerger:
    merger = LeafMerger(database.store, tree.nodes.name, partial=partial)
    more = True
    while more:
        with database.instance.lock, database.instance.transactions.cleaning() as writer:
            more = merger.step(writer)
    return merger


def contents(database: LiveDatabase, tree: VersionedTree) -> list[tuple[bytes, bytes]]:
    cursor = tree.cursor(database.session)
    found = []
    while cursor.next():
        found.append((cursor.key, cursor.data))
    return found


def leaves(database: LiveDatabase, tree: VersionedTree) -> list[int]:
    return [page.pgno for page in Tree(database.store, tree.root).leaves()]


def thinned(database: LiveDatabase, *, unique: bool, seed: int, keep: float) -> VersionedTree:
    """A tree of a few hundred leaves, most nodes of which are gone."""
    chosen = random.Random(seed)
    tree = database.create_tree(unique=unique)
    session = database.session
    keys = [b"%05d" % number for number in range(2500)]
    with session.implicit_transaction():
        for key in keys:
            tree.insert(session, key, chosen.randbytes(chosen.randrange(20, 120)))
    going = [entry for entry in contents(database, tree) if chosen.random() > keep]
    with session.implicit_transaction():
        for key, data in going:
            tree.delete(session, key, b"" if unique else data)
    database.instance.transactions.clean()
    return tree


@pytest.mark.parametrize(("unique", "keep"), [(True, 0.3), (False, 0.3), (True, 0.62)])
def test_merging_saves_leaves_and_keeps_every_node(tmp_path: Path, unique: bool, keep: float) -> None:
    (tmp_path / "live").mkdir()
    database = LiveDatabase(tmp_path / "live")
    tree = thinned(database, unique=unique, seed=int(keep * 100), keep=keep)
    before, expected = leaves(database, tree), contents(database, tree)
    merger = merge_all(database, tree)
    after = leaves(database, tree)
    assert contents(database, tree) == expected
    assert merger.pages_freed == len(before) - len(after) > len(before) // 6
    kinds_seen = {each.merge_type for each in logged(tmp_path / "live") if isinstance(each, Merge2) and each.merge_type}
    assert kinds.MERGE_FULL_RIGHT in kinds_seen
    assert kinds.MERGE_PARTIAL_RIGHT in kinds_seen
    live = {pgno: comparable(database.store.read_page(pgno)) for pgno in after}
    copy = database.kill_and_recover(tmp_path / "copy")
    assert copy.contents(tree.root) == expected
    assert {pgno: comparable(data) for pgno, data in copy.pages(after).items()} == live
    database.close()


def deep_tree(database: LiveDatabase, count: int, *, seed: int) -> tuple[VersionedTree, list[bytes]]:
    """A tree of some levels, as what separates its keys is long."""
    chosen = random.Random(seed)
    tree = database.create_tree(unique=True)
    groups = [chosen.randbytes(240) for _ in range(count // 12)]
    keys = sorted(group + bytes([number]) for group in groups for number in range(12))
    with database.session.implicit_transaction():
        for key in chosen.sample(keys, len(keys)):
            tree.insert(database.session, key, bytes(1700))
    return tree, keys


def pages_by_level(database: LiveDatabase, tree: VersionedTree) -> list[list[int]]:
    """The pages of a tree, level by level; where a page leads on agrees with what is there."""
    levels = [[tree.root]]
    while not (pages := [database.store.get(pgno) for pgno in levels[-1]])[0].is_leaf:
        below = []
        for page in pages:
            assert page.line_count > 0
            assert all(page.key(line) < page.key(line + 1) or not page.key(line + 1) for line in range(page.line_count - 1))
            for line in range(page.line_count):
                child = database.store.get(page.child(line))
                below.append(child.pgno)
                if not child.is_leaf:
                    assert child.key(child.line_count - 1) == page.key(line)
        levels.append(below)
    leaves = [database.store.get(pgno) for pgno in levels[-1]]
    assert [leaf.next for leaf in leaves] == [*levels[-1][1:], 0]
    assert [leaf.previous for leaf in leaves] == [0, *levels[-1][:-1]]
    return levels


@pytest.mark.parametrize(("seed", "pattern"), [(1, "thin"), (3, "ends"), (5, "middle")])
def test_internal_pages_go_with_their_last_child(tmp_path: Path, seed: int, pattern: str) -> None:
    chosen = random.Random(seed)
    (tmp_path / "live").mkdir()
    database = LiveDatabase(tmp_path / "live")
    tree, keys = deep_tree(database, 400, seed=seed)
    before = pages_by_level(database, tree)
    assert len(before) >= 3
    kept = {
        "thin": [key for key in keys if chosen.random() < 0.04],
        "ends": keys[:15] + keys[-15:],
        "middle": keys[150:180],
    }[pattern]
    going = sorted(set(keys) - set(kept))
    for start in range(0, len(going), 200):
        with database.session.implicit_transaction():
            for key in chosen.sample(going[start : start + 200], len(going[start : start + 200])):
                tree.delete(database.session, key)
        database.instance.transactions.clean()
        pages_by_level(database, tree)
    merge_all(database, tree)
    after = pages_by_level(database, tree)
    assert [key for key, _ in contents(database, tree)] == kept
    assert len(after[-2]) < len(before[-2]) if pattern == "thin" else len(after[-2]) <= 3
    fresh = [chosen.choice(keys) + chosen.randbytes(4) for _ in range(100)]
    with database.session.implicit_transaction():
        for key in fresh:
            tree.insert(database.session, key, b"again")
    final = pages_by_level(database, tree)
    expected = contents(database, tree)
    assert [key for key, _ in expected] == sorted(kept + fresh)
    every = [pgno for level in final for pgno in level]
    live = {pgno: comparable(database.store.read_page(pgno)) for pgno in every}
    copy = database.kill_and_recover(tmp_path / "copy", lose_unwritten=False)
    assert copy.contents(tree.root) == expected
    assert {pgno: comparable(data) for pgno, data in copy.pages(every).items()} == live
    database.close()


def test_only_whole_pages(tmp_path: Path) -> None:
    database = LiveDatabase(tmp_path)
    tree = thinned(database, unique=True, seed=5, keep=0.4)
    expected = contents(database, tree)
    assert merge_all(database, tree, partial=False).pages_freed > 10
    assert contents(database, tree) == expected
    types = {each.merge_type for each in logged(tmp_path) if isinstance(each, Merge2)}
    assert kinds.MERGE_PARTIAL_RIGHT not in types
    database.close()


def test_leaves_with_versions_stay(tmp_path: Path) -> None:
    database = LiveDatabase(tmp_path)
    tree = thinned(database, unique=True, seed=6, keep=0.3)
    other = database.instance.begin_session()
    other.begin()
    expected = contents(database, tree)
    for key, _ in expected[::3]:
        tree.replace(other, key, b"", b"new")
    merge_all(database, tree)
    assert contents(database, tree) == expected
    other.rollback()
    assert contents(database, tree) == expected
    assert merge_all(database, tree).pages_freed > 10
    assert contents(database, tree) == expected
    database.close()


def test_a_life_with_merges_is_the_same_after_any_cut(tmp_path: Path) -> None:
    """Writers, roll-backs, merges and a small cache; power cuts at any change of a file."""
    chosen = random.Random(11)
    home = Home(tmp_path / "live")
    table = home.create_table("T1")
    home.database.store.cache.limit = 16
    states: list[tuple[int, int, set[int]]] = [(0, len(home.files.recorder.changes), set())]
    rows: set[int] = set()
    for number in range(36):
        begun = len(home.files.recorder.changes)
        if number % 3 == 0:
            fresh = set(chosen.sample(range(10_000), 60)) - rows
            home.fill(table, sorted(fresh))  # type: ignore[arg-type]
            rows |= fresh
        elif number % 3 == 1:
            going = {row for row in rows if chosen.random() < 0.6}
            home.delete(table, sorted(going))
            rows = rows - going
        else:
            home.idle()
            jet.JetDefragment(home.sesid, home.dbid, "T1", grbit=jet.JET_bitDefragmentBTree)
            home.instance.defragmenter.close()
            if number % 4 == 0:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    jet.JetResizeDatabase(home.sesid, home.dbid, 1)
        states.append((begun, len(home.files.recorder.changes), set(rows)))
    home.instance.flush_log()
    changes = list(home.files.recorder.changes)
    merged = {each.merge_type for each in logged(home.folder) if isinstance(each, Merge2)}
    assert {kinds.MERGE_FULL_RIGHT, kinds.MERGE_PARTIAL_RIGHT} & merged
    shrunk = [each for each in logged(home.folder) if each.kind == kinds.SHRINK_DB]
    assert shrunk
    home.leave()
    begun = states[0][1]
    cut_short = [
        at for at in range(begun, len(changes)) if changes[at].kind == "truncate" and changes[at].path.name == "db.edb"
    ]
    assert cut_short
    cuts = [*chosen.sample(range(begun, len(changes)), 14), *cut_short[-2:], cut_short[-1] + 1, len(changes)]
    for number, cut in enumerate(cuts):
        folder = tmp_path / "cut"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, data in crash_image({}, changes, cut, FATES[number % 4], number).items():
            (folder / name).write_bytes(data)
        report = recovered(folder, tmp_path / "again")
        assert complaints(report) == [], cut
        assert report.pages_leaked == 0, cut
        sure = max(place for place, (_, end, _) in enumerate(states) if end <= cut)
        allowed = [state for place, (first, _, state) in enumerate(states) if place >= sure and first <= cut]
        assert numbers(tmp_path / "again" / "db.edb") in allowed, cut


def numbers(path: Path) -> set[int]:
    with esent.open(path, read_only=True) as database:
        return {row.id for row in database["T1"]}


def test_redo_from_nothing_gives_the_same_file(tmp_path: Path) -> None:
    home = Home(tmp_path / "live")
    table = home.create_table("T1")
    home.fill(table, range(1500))
    other = home.create_table("T2")
    home.fill(other, range(3000))
    home.delete(table, [number for number in range(1500) if number % 5])
    jet.JetCloseTable(home.sesid, other)
    jet.JetDeleteTable(home.sesid, home.dbid, "T2")
    home.idle()
    jet.JetDefragment(home.sesid, home.dbid, "T1", grbit=jet.JET_bitDefragmentBTree)
    home.instance.defragmenter.close()
    before = home.database.file.page_count
    assert jet.JetResizeDatabase(home.sesid, home.dbid, 2) < before // 2
    home.fill(table, range(5000, 5200))
    home.instance.flush_log()
    home.leave()
    kept, used = recovered_with_and_without_its_file(home.folder, tmp_path)
    report = verify_database(kept)
    assert (complaints(report), report.pages_leaked) == ([], 0)
    assert used > 20


def test_a_database_becomes_shorter(tmp_path: Path) -> None:
    home = Home(tmp_path / "live")
    table = home.create_table("T1")
    smallest = home.database.file.page_count
    home.fill(table, range(3000))
    large = home.database.file.page_count
    jet.JetCloseTable(home.sesid, table)
    jet.JetDeleteTable(home.sesid, home.dbid, "T1")
    home.idle()
    session = jet.JetBeginSession(home.handle)
    dbid = jet.JetOpenDatabase(session, str(home.path))
    jet.JetBeginTransaction(session)
    jet.JetCreateTable(session, dbid, "other")
    with pytest.warns(Warning, match="Shrink"):  # a transaction is open that recovery may have to undo
        assert jet.JetResizeDatabase(home.sesid, home.dbid, 10) == large + 2
    jet.JetRollback(session)
    assert jet.JetResizeDatabase(home.sesid, home.dbid, 100, jet.JET_bitResizeDatabaseOnlyGrow) == large + 2
    assert jet.JetResizeDatabase(home.sesid, home.dbid, large - 30) == large - 30
    assert jet.JetResizeDatabase(home.sesid, home.dbid, 10) <= smallest + 2
    with pytest.warns(Warning, match="Shrink"):
        jet.JetResizeDatabase(home.sesid, home.dbid, 10)
    again = home.create_table("T1")
    home.fill(again, range(100))
    jet.JetTerm(home.handle)
    report = verify_database(home.path)
    assert (complaints(report), report.pages_leaked) == ([], 0)
    assert home.path.stat().st_size == (report.last_owned + 2) * 4096


def test_a_database_becomes_shorter_by_itself(tmp_path: Path) -> None:
    home = Home(tmp_path / "live")
    home.instance.parameters.put(params.JET_paramEnableShrinkDatabase, jet.JET_bitShrinkDatabaseRealtime)
    home.instance.cleanup.delay = 0.05
    table = home.create_table("T1")
    smallest = home.database.file.page_count
    home.fill(table, range(2000))
    large = home.database.file.page_count
    jet.JetCloseTable(home.sesid, table)
    jet.JetDeleteTable(home.sesid, home.dbid, "T1")
    end = time.monotonic() + 60
    while home.database.file.page_count >= large and time.monotonic() < end:
        time.sleep(0.01)
    assert home.database.file.page_count <= smallest
    jet.JetTerm(home.handle)
    report = verify_database(home.path)
    assert (complaints(report), report.pages_leaked) == ([], 0)


def test_pages_that_no_table_has_are_found(tmp_path: Path) -> None:
    """A database that another program has recovered."""
    home = Home(tmp_path / "live")
    home.fill(home.create_table("T1"), range(100))
    lost = create_tree(home.database.store, home.sesid.target, TreeName(1, 1, unique=True), pages=40)
    jet.JetBeginTransaction(home.sesid)
    for expected in (True, False):
        jet.JetDefragment(home.sesid, home.dbid, None, 1, 0, jet.JET_bitDefragmentBatchStart)
        home.instance.defragmenter._batches[home.database]._finished.wait()
        space = [extent for extent in available_extents(home.database.store, 1) if extent.first <= lost.fdp <= extent.last]
        assert (not space) is expected  # while a transaction is open nobody can tell
        if expected:
            jet.JetRollback(home.sesid)
    jet.JetTerm(home.handle)
    report = verify_database(home.path)
    assert (complaints(report), report.pages_leaked) == ([], 0)


def test_a_free_extent_goes_back_to_the_table(tmp_path: Path) -> None:
    home = Home(tmp_path / "live")
    table = home.create_table("T1")
    home.fill(table, range(3000), "n")
    index = next(each for each in Catalog.load(home.database.store).table("T1").indexes if each.name == "byname")
    store = home.database.store

    def owned() -> int:
        return sum(extent.pages for extent in owned_extents(store, index.root))

    def owned_by_all() -> int:
        return sum(extent.pages for extent in available_extents(store, 1))

    before, free = owned(), owned_by_all()
    home.delete(table, range(2990))
    home.idle()
    assert owned() < before // 4
    assert owned_by_all() > free
    home.fill(table, range(3000, 6000), "n")
    jet.JetTerm(home.handle)
    report = verify_database(home.path, keys=True)
    assert (complaints(report), report.pages_leaked) == ([], 0)


def test_nothing_becomes_shorter_while_a_backup_is_on(tmp_path: Path) -> None:
    home = Home(tmp_path / "live")
    jet.JetResizeDatabase(home.sesid, home.dbid, 1000)
    jet.JetBeginExternalBackupInstance(home.handle, 0)
    with pytest.raises(JetError) as caught:
        jet.JetResizeDatabase(home.sesid, home.dbid, 10)
    assert caught.value.code == jet.JET_errBackupInProgress
    jet.JetEndExternalBackupInstance(home.handle)
    assert jet.JetResizeDatabase(home.sesid, home.dbid, 10) < 1000
    jet.JetTerm(home.handle)


def test_defragmentation_beside_writers(tmp_path: Path) -> None:
    home = Home(tmp_path / "live")
    table = home.create_table("T1")
    home.fill(table, range(2000))
    home.delete(table, [number for number in range(2000) if number % 4])
    jet.JetCloseTable(home.sesid, table)  # which had it for itself
    over = threading.Event()
    called = []

    def done(*event: object) -> None:
        called.append(event)
        over.set()

    def write() -> None:
        sesid = jet.JetBeginSession(home.handle)
        dbid = jet.JetOpenDatabase(sesid, str(home.path))
        tableid = jet.JetOpenTable(sesid, dbid, "T1")
        number = 10_000
        while not over.is_set() and number < 10_400:
            jet.JetBeginTransaction(sesid)
            jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepInsert)
            jet.JetSetColumn(sesid, tableid, 1, number.to_bytes(4, "little"))
            jet.JetUpdate(sesid, tableid)
            jet.JetCommitTransaction(sesid, jet.JET_bitCommitLazyFlush)
            number += 1
        written.append(number - 10_000)
        jet.JetEndSession(sesid)

    written: list[int] = []
    writer = threading.Thread(target=write)
    writer.start()
    assert jet.JetDefragment2(home.sesid, home.dbid, None, 2, 60, done, jet.JET_bitDefragmentBatchStart) == (2, 60)
    assert over.wait(120)
    writer.join()
    assert called[0][3] == jet.JET_cbtypOnlineDefragCompleted
    assert jet.JetDefragment(home.sesid, home.dbid, grbit=jet.JET_bitDefragmentBatchStop) == (0, 0)
    jet.JetTerm(home.handle)
    report = verify_database(home.path)
    assert (complaints(report), report.pages_leaked) == ([], 0)
    assert len(numbers(home.path)) == 500 + written[0]


@pytest.mark.parametrize(("pattern", "most"), [("down", 42), ("middle", 42), ("up", 50)])
def test_runs_of_inserts_fill_their_pages(tmp_path: Path, pattern: str, most: int) -> None:
    """1000 nodes of about 120 bytes: 33 fit on a page; halves that stay half would take more than 60."""
    (tmp_path / "live").mkdir()
    database = LiveDatabase(tmp_path / "live")
    tree = database.create_tree(unique=True)
    session = database.session
    with session.implicit_transaction():
        for number in range(40):
            tree.insert(session, b"a%05d" % number, bytes(100))
            tree.insert(session, b"z%05d" % number, bytes(100))
    before = len(leaves(database, tree))
    keys = [b"m%05d" % number for number in range(1000)]
    if pattern == "down":
        keys = [b"0%05d" % (1000 - number) for number in range(1000)]
    elif pattern == "up":
        keys = [b"zz%05d" % number for number in range(1000)]
    session.begin()
    for key in keys:
        tree.insert(session, key, bytes(100))
    session.commit()
    assert len(leaves(database, tree)) - before < most
    found = contents(database, tree)
    assert len(found) == 1080
    live = {pgno: comparable(database.store.read_page(pgno)) for pgno in leaves(database, tree)}
    copy = database.kill_and_recover(tmp_path / "copy")
    assert copy.contents(tree.root) == found
    assert {pgno: comparable(data) for pgno, data in copy.pages(list(live)).items()} == live
    database.close()


def test_inserts_by_chance_split_pages_in_the_middle(tmp_path: Path) -> None:
    database = LiveDatabase(tmp_path)
    tree = database.create_tree(unique=True)
    numbers_by_chance = list(range(1500))
    random.Random(4).shuffle(numbers_by_chance)
    database.session.begin()
    for number in numbers_by_chance:
        tree.insert(database.session, b"%05d" % number, bytes(100))
    database.session.commit()
    assert len(leaves(database, tree)) < 1500 / 33 / 0.64  # as full as splits in the middle leave pages
    database.close()
