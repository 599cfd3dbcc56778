"""What transactions log about trees on pages, and what is left of them when the power goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from live_instances import kinds_of, logged
from live_trees import LiveDatabase

from esent.constants import codes
from esent.engine.session import Session
from esent.engine.transactions import CLEANER_PROCID
from esent.engine.versioned import VersionedTree
from esent.errors import JetError, jet_error
from esent.log.records import Begin, Begin0, Commit, FlagInsertAndReplaceData, Insert, Replace, Undo, UndoInfo
from esent.versions.store import OPER_FLAG_DELETE, OPER_INSERT, OPER_REPLACE

SPACE = 0x08
SPACE_KINDS = ("Delete", "SetExternalHeader", "CreateSEFDP", "ConvertFDP2", "ExtendDB")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[LiveDatabase]:
    (tmp_path / "live").mkdir()
    database = LiveDatabase(tmp_path / "live")
    yield database
    database.close()


@pytest.fixture
def tree(database: LiveDatabase) -> VersionedTree:
    return database.create_tree(unique=True)


@pytest.fixture
def one(database: LiveDatabase, tree: VersionedTree) -> Session:
    """With five committed nodes of 100 bytes in the tree."""
    session = database.instance.begin_session()
    with session.implicit_transaction():
        for letter in b"abcde":
            tree.insert(session, bytes([letter]), bytes([letter]) * 100)
    return session


@pytest.fixture
def two(database: LiveDatabase, one: Session) -> Session:
    return database.instance.begin_session()


@contextmanager
def records_of(database: LiveDatabase) -> Iterator[list[Any]]:
    """The records that are logged inside, without those of space trees."""
    database.instance.flush_log()
    before = len(logged(database.folder))
    found: list[Any] = []
    yield found
    database.instance.flush_log()
    found.extend(each for each in logged(database.folder)[before:] if not getattr(each, "flags", 0) & SPACE)


def everything(tree: VersionedTree, session: Session) -> list[tuple[bytes, bytes]]:
    cursor = tree.cursor(session)
    found = []
    while cursor.next():
        found.append((cursor.key, cursor.data))
    return found


def test_a_call_in_a_transaction_is_a_level_of_its_own(database: LiveDatabase, tree: VersionedTree, one: Session) -> None:
    with records_of(database) as records:
        one.begin()
        with one.implicit_transaction():
            tree.insert(one, b"x", b"1")
        with one.implicit_transaction():
            tree.insert(one, b"y", b"2")
        one.commit()
    assert kinds_of(records) == ["Begin0", "Insert", "Commit", "Begin", "Insert", "Commit", "Commit0"]
    begin0, insert, commit, begin = records[:4]
    assert isinstance(begin0, Begin0)
    assert (begin0.level_begin_from, begin0.clevels_to_begin) == (0, 2)
    assert isinstance(insert, Insert)
    assert (insert.level, insert.trx_begin0, insert.rceid % 2) == (2, begin0.trx_begin0, 1)
    assert isinstance(commit, Commit)
    assert commit.level_commit_to == 1
    assert isinstance(begin, Begin)
    assert (begin.level_begin_from, begin.clevels_to_begin) == (1, 1)


def test_a_roll_back_undoes_newest_first_with_the_images_before(
    database: LiveDatabase, tree: VersionedTree, one: Session
) -> None:
    one.begin()
    tree.replace(one, b"a", b"", b"short")
    tree.delete(one, b"b")
    tree.insert(one, b"x", b"")
    tree.delta(one, b"c", 0, 5, 4)
    with records_of(database) as records:
        one.rollback()
    mine = [each for each in records if each.procid == one.procid]
    assert kinds_of(mine) == ["Undo", "Undo", "UndoInfo", "Undo", "UndoInfo", "Undo", "Rollback"]
    assert [each.oper for each in mine if isinstance(each, Undo)] == [4, OPER_INSERT, OPER_FLAG_DELETE, OPER_REPLACE]
    images = [each for each in mine if isinstance(each, UndoInfo)]
    assert [(each.oper, each.key, each.data, each.dbtime, each.level) for each in images] == [
        (OPER_FLAG_DELETE, b"b", b"", -1, 1),
        (OPER_REPLACE, b"a", b"a" * 100, -1, 1),
    ]
    cleaner = [each for each in records if each.procid == CLEANER_PROCID]
    assert kinds_of(cleaner) == ["Begin0", "Delete", "Commit0"]
    assert records[-3:] == cleaner


def test_an_insert_over_a_deleted_node_takes_its_place(database: LiveDatabase, tree: VersionedTree, one: Session) -> None:
    one.begin()
    tree.delete(one, b"a")
    with records_of(database) as records:
        tree.insert(one, b"a", b"again")
    assert kinds_of(records) == ["FlagInsertAndReplaceData"]
    record = records[0]
    assert isinstance(record, FlagInsertAndReplaceData)
    assert record.rceid != record.rceid_replace != 0
    one.rollback()
    assert tree.get(one, b"a") == b"a" * 100


def test_images_are_logged_before_the_page_is_written_once(database: LiveDatabase, tree: VersionedTree, one: Session) -> None:
    one.begin()
    with records_of(database) as records:
        one.begin()
        tree.replace(one, b"a", b"", b"short")
        tree.delete(one, b"b")
        tree.insert(one, b"x", b"")
        one.begin()
        tree.replace(one, b"a", b"", b"shorter")
        one.commit()
        database.store.flush()
        tree.replace(one, b"a", b"", b"long again" * 5)
        database.store.flush()
        database.store.flush()
    images = [each for each in records if isinstance(each, UndoInfo)]
    assert [each.data for each in images] == [b"a" * 100, b"", b"short", b"shorter"]
    assert {each.level for each in images} == {2}
    replaces = [each.rceid for each in records if isinstance(each, Replace)]
    assert [each.rceid for each in images if each.oper == OPER_REPLACE] == replaces
    with records_of(database) as records:
        one.rollback(1)
    assert not [each for each in records if isinstance(each, UndoInfo)]


@pytest.mark.parametrize("written", ["page of the change", "page of the node", "both", "none"])
def test_a_node_that_moves_in_a_split_can_be_undone_whichever_page_was_written(
    database: LiveDatabase, tree: VersionedTree, one: Session, two: Session, tmp_path: Path, written: str
) -> None:
    keys = [b"k%02d" % number for number in range(40)]
    with two.implicit_transaction():
        for key in keys:
            tree.insert(two, key, key * 30)
    target = keys[-3]
    first = tree.nodes.page_of(target)
    one.begin()
    tree.delete(one, target)
    tree.replace(one, keys[-2], b"", b"")
    added = []
    while tree.nodes.page_of(target) == first:
        assert len(added) < 100
        added.append(b"%s+%02d" % (keys[-4], len(added)))
        with two.implicit_transaction():
            tree.insert(two, added[-1], bytes(200))
    chosen = {"page of the change": [first], "page of the node": [tree.nodes.page_of(target)], "none": []}
    numbers = chosen.get(written, [first, tree.nodes.page_of(target)])
    database.store.cache.flush([database.store.get(pgno) for pgno in numbers])
    committed = everything(tree, two)
    assert len(committed) == 5 + len(keys) + len(added)
    copy = database.kill_and_recover(tmp_path / "copy")
    assert copy.contents(tree.root) == committed


def test_committed_images_are_not_logged(database: LiveDatabase, tree: VersionedTree, one: Session, two: Session) -> None:
    two.begin()
    with records_of(database) as records:
        with one.implicit_transaction():
            tree.replace(one, b"a", b"", b"short")
        database.store.flush()
    assert not [each for each in records if isinstance(each, UndoInfo)]
    assert tree.get(two, b"a") == b"a" * 100


def test_space_given_up_by_an_open_replace_is_kept_for_its_undoing(
    database: LiveDatabase, tree: VersionedTree, one: Session, two: Session, tmp_path: Path
) -> None:
    with one.implicit_transaction():
        for number in range(9):
            tree.insert(one, b"k%d" % number, b"big" * 100)
    before = everything(tree, one)
    one.begin()
    for number in range(9):
        tree.replace(one, b"k%d" % number, b"", b"small")
    numbers = 60
    with two.implicit_transaction():
        for number in range(numbers):
            tree.insert(two, b"kk%02d" % number, b"filler" * 10)
    for number in range(numbers):
        before.append((b"kk%02d" % number, b"filler" * 10))
    for written in (False, True):
        if written:
            database.store.flush()
        copy = database.kill_and_recover(tmp_path / "copy")
        assert copy.contents(tree.root) == sorted(before)
    one.rollback()
    assert everything(tree, one) == sorted(before)


def test_a_kill_in_the_middle_of_nested_levels_leaves_what_was_committed(
    database: LiveDatabase, tree: VersionedTree, one: Session, two: Session, tmp_path: Path
) -> None:
    with two.implicit_transaction():
        tree.delta(two, b"e", 0, 1, 4)
    committed = everything(tree, two)
    one.begin()
    tree.replace(one, b"a", b"", b"1")
    one.begin()
    tree.delete(one, b"b")
    tree.insert(one, b"b", b"2")
    one.commit()
    one.begin()
    tree.delta(one, b"e", 0, 1, 4)
    tree.delete(one, b"c")
    database.store.flush()
    one.rollback()
    two.begin()
    tree.delta(two, b"e", 0, 7, 4)
    copy = database.kill_and_recover(tmp_path / "copy")
    assert copy.contents(tree.root) == committed
    two.rollback()
    one.rollback()
    assert everything(tree, two) == committed


def test_what_the_log_lost_is_not_half_there(database: LiveDatabase, tree: VersionedTree, one: Session, tmp_path: Path) -> None:
    committed = everything(tree, one)
    one.begin()
    tree.delete(one, b"a")
    tree.insert(one, b"z", b"")
    one.commit(1)
    copy = database.kill_and_recover(tmp_path / "copy", lose_unwritten=True)
    assert copy.contents(tree.root) == committed
    database.instance.flush_log()
    copy = database.kill_and_recover(tmp_path / "copy")
    assert copy.contents(tree.root) == everything(tree, one) != committed


def test_deleted_nodes_are_removed_with_records_of_the_clean_up(
    database: LiveDatabase, tree: VersionedTree, one: Session, two: Session
) -> None:
    two.begin()
    with one.implicit_transaction():
        tree.delete(one, b"a")
        tree.delete(one, b"b")
    with records_of(database) as records:
        one.idle()
    assert records == []
    with records_of(database) as records:
        two.commit()
    assert records == []
    with records_of(database) as records:
        one.idle()
    assert kinds_of(records, CLEANER_PROCID) == ["Begin0", "Delete", "Delete", "Commit0"]
    assert tree.nodes.find(b"a") is None


def test_a_session_that_ends_leaves_nothing(database: LiveDatabase, tree: VersionedTree, one: Session, two: Session) -> None:
    committed = everything(tree, two)
    one.begin()
    tree.delete(one, b"a")
    one.close()
    assert everything(tree, two) == committed


def test_an_instance_that_cannot_undo_does_not_go_on(
    database: LiveDatabase, tree: VersionedTree, one: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        root = tree.root

        def undo(self, *_: object) -> None:
            raise jet_error(codes.JET_errInternalError, "no undoing")

    one.begin()
    tree.delete(one, b"a")
    with monkeypatch.context() as patched:
        patched.setattr(tree.versions, "owner", Broken())
        with pytest.raises(JetError, match="no undoing"):
            one.rollback()
    assert database.instance.unavailable is not None
