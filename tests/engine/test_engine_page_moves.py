"""Pages moved to the front, so that a file can be made as short as what is in it."""

from __future__ import annotations

import random
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
from live_home import Home, complaints, recovered
from live_instances import logged
from live_trees import LiveDatabase
from page_comparison import comparable, recovered_with_and_without_its_file
from test_engine_defragment import contents, deep_tree, pages_by_level

from esent import jet
from esent.engine.shrink import clear_tail
from esent.errors import JetError
from esent.log.records import PageMove
from esent.tools.verify import verify_database
from esent.tree.move import move_page
from process_reset import end_instances
from recovery_crash_files import crash_image

pytestmark = pytest.mark.usefixtures("clean_process")

FATES = ["kept", "lost", "some", "torn"]


def filled(folder: Path, *, rows: int = 1500, eager: bool = False) -> tuple[Home, Any, Any]:
    """Two tables, the second behind most of the first, of which little is left."""
    home = Home(folder, eager=eager)
    first, second = home.create_table("T1"), home.create_table("T2")
    home.fill(second, range(10_000, 10_150))  # what a tree needs to grow is in front
    home.fill(first, range(rows))
    home.fill(second, range(rows // 2))
    home.delete(second, range(10_000, 10_150))
    home.delete(first, range(20, rows))
    home.idle()
    return home, first, second


def shrink(home: Home) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return int(jet.JetResizeDatabase(home.sesid, home.dbid, 2))


def numbers(home: Home, tableid: Any) -> list[int]:
    found = []
    move = jet.JET_MoveFirst
    while True:
        try:
            jet.JetMove(home.sesid, tableid, move)
        except JetError as problem:
            assert problem.code == jet.JET_errNoCurrentRecord
            return found
        found.append(int.from_bytes(jet.JetRetrieveColumn(home.sesid, tableid, 1), "little"))
        move = jet.JET_MoveNext


def moved(home: Home) -> list[PageMove]:
    home.instance.flush_log()
    return [record for record in logged(home.folder) if isinstance(record, PageMove)]


def test_what_is_at_the_end_moves_to_the_front(tmp_path: Path) -> None:
    home, first, second = filled(tmp_path / "live")
    jet.JetMove(home.sesid, second, jet.JET_MoveFirst)
    jet.JetMove(home.sesid, second, 200)
    here = jet.JetRetrieveColumn(home.sesid, second, 1)
    before = home.database.file.page_count
    after = shrink(home)
    moves = moved(home)
    assert len(moves) > 15
    assert all(move.pgno_dest < move.pgno for move in moves)
    assert after < before * 3 // 4
    assert jet.JetRetrieveColumn(home.sesid, second, 1) == here
    assert (numbers(home, first), numbers(home, second)) == (list(range(20)), list(range(750)))
    home.fill(first, range(2000, 2300))
    home.leave()
    kept, used = recovered_with_and_without_its_file(home.folder, tmp_path)
    report = verify_database(kept, keys=True)
    assert (complaints(report), report.pages_leaked) == ([], 0)
    assert used > 40


def test_pages_that_a_transaction_needs_stay(tmp_path: Path) -> None:
    home, _, second = filled(tmp_path / "live", rows=600)
    reader = jet.JetBeginSession(home.handle)
    jet.JetOpenDatabase(reader, str(home.path))
    jet.JetBeginTransaction(reader)
    home.delete(second, range(0, 300, 2))
    clear_tail(home.database, 1)
    jet.JetRollback(reader)
    assert numbers(home, second) == list(range(1, 300, 2))
    jet.JetTerm(home.handle)
    report = verify_database(home.path, keys=True)
    assert (complaints(report), report.pages_leaked) == ([], 0)


def test_not_while_a_backup_is_on(tmp_path: Path) -> None:
    home, _, second = filled(tmp_path / "live", rows=600)
    jet.JetBeginExternalBackupInstance(home.handle)
    with pytest.raises(JetError) as caught:
        jet.JetResizeDatabase(home.sesid, home.dbid, 2)
    assert caught.value.code == jet.JET_errBackupInProgress
    jet.JetEndExternalBackupInstance(home.handle)
    before = home.database.file.page_count
    assert shrink(home) < before
    assert numbers(home, second) == list(range(300))


def test_a_cut_at_any_write_of_a_shrinking(tmp_path: Path) -> None:
    chosen = random.Random(3)
    home, first, second = filled(tmp_path / "live", rows=700, eager=True)
    expected = numbers(home, first), numbers(home, second)
    home.database.store.cache.limit = 12
    home.instance.flush_log()
    begun = len(home.files.recorder.changes)
    before = home.database.file.page_count
    assert shrink(home) < before
    home.instance.flush_log()
    changes = list(home.files.recorder.changes)
    end_instances()
    for number, cut in enumerate(chosen.sample(range(begun, len(changes)), 12)):
        folder = tmp_path / "cut"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, data in crash_image({}, changes, cut, FATES[number % 4], number).items():
            (folder / name).write_bytes(data)
        report = recovered(folder, tmp_path / "again")
        assert (complaints(report), report.pages_leaked) == ([], 0), cut
        again = Home(tmp_path / "again", fresh=False)
        tables = [jet.JetOpenTable(again.sesid, again.dbid, name) for name in ("T1", "T2")]
        assert (numbers(again, tables[0]), numbers(again, tables[1])) == expected
        end_instances()


def test_internal_pages_move_too(tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    database = LiveDatabase(tmp_path / "live")
    front, _ = deep_tree(database, 240, seed=1)
    tree, keys = deep_tree(database, 240, seed=2)
    expected = contents(database, tree)
    pages = [pgno for level in pages_by_level(database, tree)[1:] for pgno in level]
    levels = len(pages_by_level(database, tree))
    assert levels >= 3
    with database.instance.lock, database.instance.transactions.cleaning() as writer:
        database.store.free(writer, front.nodes.name)
        for pgno in sorted(pages, reverse=True):
            assert move_page(database.store, writer, tree.nodes.name, pgno, pgno) or pgno < 200
        assert not move_page(database.store, writer, tree.nodes.name, tree.root, database.store.page_count)
    after = pages_by_level(database, tree)
    assert (len(after), contents(database, tree)) == (levels, expected)
    assert sum(map(sum, after)) < sum(pages)
    with database.session.implicit_transaction():
        for key in keys[::5]:
            tree.delete(database.session, key)
        for key in keys[::7]:
            tree.insert(database.session, key + b"!", b"new")
    every = [pgno for level in pages_by_level(database, tree) for pgno in level]
    live = {pgno: comparable(database.store.read_page(pgno)) for pgno in every}
    expected = contents(database, tree)
    copy = database.kill_and_recover(tmp_path / "copy")
    assert copy.contents(tree.root) == expected
    assert {pgno: comparable(data) for pgno, data in copy.pages(every).items()} == live
    database.close()
