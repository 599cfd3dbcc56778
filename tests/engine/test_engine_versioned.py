"""Trees as sessions see them: refusals, read-only transactions, calls outside of transactions, hooks, clean-up, threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from memory_trees import MemoryDatabase

from esent.constants import codes
from esent.engine.session import Session
from esent.engine.transactions import CLEAN_AT
from esent.engine.versioned import VersionedTree
from esent.errors import JetError

READ_ONLY = 1


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase()


@pytest.fixture
def tree(database: MemoryDatabase) -> VersionedTree:
    return VersionedTree(database, 10, 30, True)


@pytest.fixture
def one(database: MemoryDatabase, tree: VersionedTree) -> Session:
    session = database.session()
    with session.implicit_transaction():
        for letter in "abcde":
            tree.insert(session, letter.encode(), bytes(4) + letter.encode())
    return session


@pytest.fixture
def two(database: MemoryDatabase, one: Session) -> Session:
    return database.session()


@contextmanager
def refused(code: int) -> Iterator[None]:
    with pytest.raises(JetError) as caught:
        yield
    assert caught.value.code == code


def contents(tree: VersionedTree, session: Session) -> dict[bytes, bytes]:
    cursor = tree.cursor(session)
    found = {}
    while cursor.next():
        found[cursor.key] = cursor.data
    return found


def test_changes_outside_of_a_transaction_are_refused(tree: VersionedTree, one: Session) -> None:
    before = contents(tree, one)
    for change in (
        lambda: tree.insert(one, b"x", b""),
        lambda: tree.replace(one, b"a", b"", b""),
        lambda: tree.delete(one, b"a"),
        lambda: tree.delta(one, b"a", 0, 1, 4),
        lambda: tree.lock(one, b"a", write=True),
    ):
        with refused(codes.JET_errNotInTransaction):
            change()
    assert contents(tree, one) == before


def test_a_read_only_transaction_changes_nothing(tree: VersionedTree, one: Session, two: Session) -> None:
    one.begin(READ_ONLY)
    for change in (
        lambda: tree.insert(one, b"x", b""),
        lambda: tree.replace(one, b"a", b"", b""),
        lambda: tree.delete(one, b"a"),
        lambda: tree.delta(one, b"a", 0, 1, 4),
        lambda: tree.lock(one, b"a", write=True),
    ):
        with refused(codes.JET_errTransReadOnly), one.implicit_transaction():
            change()
    with two.implicit_transaction():
        tree.delete(two, b"a")
    assert tree.get(one, b"a") == bytes(4) + b"a"
    one.commit()
    assert tree.get(one, b"a") is None
    with one.implicit_transaction():
        tree.insert(one, b"a", b"new")
    assert tree.get(two, b"a") == b"new"


def test_an_implicit_transaction_is_all_or_nothing(tree: VersionedTree, one: Session, two: Session) -> None:
    before = contents(tree, two)
    with refused(codes.JET_errKeyDuplicate), one.implicit_transaction():
        tree.insert(one, b"x", b"1")
        tree.delete(one, b"a")
        assert contents(tree, two) == before
        tree.insert(one, b"b", b"2")
    assert contents(tree, one) == contents(tree, two) == before
    assert one.level == 0


def test_an_implicit_transaction_within_a_transaction_is_a_savepoint(tree: VersionedTree, one: Session, two: Session) -> None:
    one.begin()
    tree.delete(one, b"a")
    with refused(codes.JET_errKeyDuplicate), one.implicit_transaction():
        tree.delete(one, b"b")
        tree.insert(one, b"c", b"")
    assert one.level == 1
    assert sorted(contents(tree, one)) == [b"b", b"c", b"d", b"e"]
    assert sorted(contents(tree, two)) == [b"a", b"b", b"c", b"d", b"e"]
    one.commit()
    assert sorted(contents(tree, two)) == [b"b", b"c", b"d", b"e"]


def test_a_call_may_open_levels_of_its_own_beyond_the_seven_of_the_caller(tree: VersionedTree, one: Session) -> None:
    for _ in range(7):
        one.begin()
    with refused(codes.JET_errTransTooDeep):
        one.begin()
    with one.implicit_transaction(), one.implicit_transaction(), one.implicit_transaction():
        tree.delete(one, b"a")
        with refused(codes.JET_errTransTooDeep), one.implicit_transaction():
            pass
    assert one.level == 7
    assert tree.get(one, b"a") is None
    one.rollback(1)
    assert tree.get(one, b"a") is not None


def test_the_first_writer_wins_at_once(tree: VersionedTree, one: Session, two: Session) -> None:
    one.begin()
    two.begin()
    tree.replace(one, b"a", b"", b"first")
    for change in (
        lambda: tree.replace(two, b"a", b"", b"second"),
        lambda: tree.delete(two, b"a"),
        lambda: tree.lock(two, b"a", write=True),
        lambda: tree.lock(two, b"a", write=False),
        lambda: tree.delta(two, b"a", 0, 1, 4),
    ):
        with refused(codes.JET_errWriteConflict):
            change()
    with refused(codes.JET_errKeyDuplicate):
        tree.insert(two, b"a", b"second")
    one.commit()
    with refused(codes.JET_errWriteConflict):
        tree.replace(two, b"a", b"", b"second")
    two.rollback()
    with two.implicit_transaction():
        tree.replace(two, b"a", b"", b"second")
    assert tree.get(one, b"a") == b"second"


def test_a_key_stays_taken_until_the_delete_is_part_of_the_snapshot(tree: VersionedTree, one: Session, two: Session) -> None:
    two.begin()
    with one.implicit_transaction():
        tree.delete(one, b"a")
    with refused(codes.JET_errKeyDuplicate):
        tree.insert(two, b"a", b"again")
    two.rollback()
    two.begin()
    tree.insert(two, b"a", b"again")
    two.rollback()
    assert tree.get(two, b"a") is None


def test_a_session_can_insert_where_it_has_deleted_and_undo_both(tree: VersionedTree, one: Session, two: Session) -> None:
    one.begin()
    tree.delete(one, b"a")
    one.begin()
    tree.insert(one, b"a", b"another and longer one")
    assert tree.get(one, b"a") == b"another and longer one"
    assert tree.get(two, b"a") == bytes(4) + b"a"
    one.rollback()
    assert tree.get(one, b"a") is None
    one.rollback()
    assert tree.get(one, b"a") == bytes(4) + b"a"


def test_counters_of_several_sessions_add_up(tree: VersionedTree, one: Session, two: Session) -> None:
    one.begin()
    two.begin()
    assert tree.delta(one, b"a", 0, 5, 4) == 0
    assert tree.delta(two, b"a", 0, -7, 4) == 5
    assert tree.delta(one, b"a", 0, 1, 4) == 2**32 - 2
    assert tree.get(one, b"a") == (6).to_bytes(4, "little") + b"a"
    assert tree.get(two, b"a") == (-7).to_bytes(4, "little", signed=True) + b"a"
    with refused(codes.JET_errWriteConflict):
        tree.replace(one, b"a", b"", b"")
    with refused(codes.JET_errWriteConflict):
        tree.delta(two, b"a", 0, 1, 8)
    one.rollback()
    two.commit()
    assert tree.get(one, b"a") == (-7).to_bytes(4, "little", signed=True) + b"a"


def test_a_delta_without_version_survives_the_roll_back(tree: VersionedTree, one: Session, two: Session) -> None:
    one.begin()
    two.begin()
    tree.lock(two, b"a", write=True)
    tree.delta(one, b"a", 0, 100, 4, versioned=False)
    two.rollback()
    assert tree.get(two, b"a") == (100).to_bytes(4, "little") + b"a"
    one.rollback()
    assert tree.get(one, b"a") == (100).to_bytes(4, "little") + b"a"


def test_a_counter_must_lie_in_the_data_and_the_node_must_be_there(tree: VersionedTree, one: Session) -> None:
    one.begin()
    for offset in (-1, 2, 2**40):
        with refused(codes.JET_errInvalidParameter):
            tree.delta(one, b"a", offset, 1, 4)
    with refused(codes.JET_errRecordDeleted):
        tree.delta(one, b"nothing", 0, 1, 4)
    tree.delete(one, b"a")
    assert tree.delta(one, b"a", 0, 1, 4) == 0
    one.commit()
    with one.implicit_transaction():
        assert tree.delta(one, b"a", 0, 1, 4) == 1
        tree.lock(one, b"a", write=True)
    one.idle()
    for change in (lambda: tree.delta(one, b"a", 0, 1, 4), lambda: tree.lock(one, b"a", write=True)):
        with refused(codes.JET_errRecordDeleted), one.implicit_transaction():
            change()


def test_read_locks_are_shared_and_become_write_locks_when_nobody_else_has_one(
    tree: VersionedTree, one: Session, two: Session
) -> None:
    one.begin()
    two.begin()
    tree.lock(one, b"a", write=False)
    tree.lock(two, b"a", write=False)
    with refused(codes.JET_errWriteConflict):
        tree.lock(one, b"a", write=True)
    two.rollback()
    tree.lock(one, b"a", write=True)
    two.begin()
    with refused(codes.JET_errWriteConflict):
        tree.lock(two, b"a", write=False)
    one.rollback()
    tree.lock(two, b"a", write=True)
    two.rollback()


def test_hooks_of_a_roll_back_run_newest_first_among_the_changes(tree: VersionedTree, one: Session) -> None:
    seen: list[object] = []
    one.begin()
    tree.delete(one, b"a")
    one.on_rollback(lambda: seen.append(tree.get(one, b"a")))
    one.begin()
    one.on_rollback(lambda: seen.append("inner"))
    tree.delete(one, b"b")
    one.commit()
    one.on_rollback(lambda: seen.append(tree.get(one, b"b")))
    one.rollback()
    assert seen == [None, "inner", None]
    assert tree.get(one, b"a") is not None


def test_what_waits_for_the_last_snapshot_runs_in_the_clean_up(tree: VersionedTree, one: Session, two: Session) -> None:
    writers: list[int] = []
    two.begin()
    with one.implicit_transaction():
        one.when_unneeded(lambda writer: writers.append(writer.procid))
    one.idle()
    assert writers == []
    two.commit()
    one.idle()
    assert writers == [2]
    one.begin()
    one.when_unneeded(lambda writer: writers.append(writer.procid))
    one.rollback()
    one.idle()
    assert writers == [2]


def test_observers_hear_of_every_level(one: Session) -> None:
    class Observer:
        def __init__(self) -> None:
            self.heard: list[tuple[str, int]] = []

        def committed(self, level: int) -> None:
            self.heard.append(("committed", level))

        def rolled_back(self, level: int) -> None:
            self.heard.append(("rolled back", level))

    observer = Observer()
    one.observers.append(observer)
    one.begin()
    one.begin()
    one.commit()
    one.begin()
    one.begin()
    one.rollback(1)
    with one.implicit_transaction():
        pass
    expected = [("committed", 2), ("rolled back", 3), ("rolled back", 2), ("rolled back", 1), ("committed", 1)]
    assert observer.heard == expected


def test_deleted_nodes_stay_for_old_snapshots_and_are_removed_afterwards(
    tree: VersionedTree, one: Session, two: Session
) -> None:
    two.begin()
    with one.implicit_transaction():
        tree.delete(one, b"c")
    one.idle()
    assert tree.nodes.find(b"c") is not None
    assert tree.get(two, b"c") is not None
    two.commit()
    one.idle()
    assert tree.nodes.find(b"c") is None


def test_the_node_of_an_undone_insert_is_removed_at_once(tree: VersionedTree, one: Session) -> None:
    one.begin()
    tree.insert(one, b"x", b"")
    one.rollback()
    assert tree.nodes.find(b"x") is None


def test_many_deleted_nodes_are_removed_without_asking(tree: VersionedTree, one: Session) -> None:
    keys = [b"%04d" % number for number in range(2 * CLEAN_AT + 100)]
    with one.implicit_transaction():
        for key in keys:
            tree.insert(one, key, b"")
    for key in keys:
        with one.implicit_transaction():
            tree.delete(one, key)
    left = [key for key in keys if tree.nodes.find(key) is not None]
    assert len(left) == 100


def test_the_version_store_is_bounded_and_names_the_oldest_transaction() -> None:
    database = MemoryDatabase(MaxVerPages=1, VerPageSize=1024)
    tree = VersionedTree(database, 10, 30, True)
    idler, worker = database.session(), database.session()
    idler.begin()
    worker.begin()
    with pytest.raises(JetError, match=rf"session {idler.procid} \(thread MainThread\) holds it") as caught:
        for number in range(100):
            tree.insert(worker, b"%d" % number, b"")
    assert caught.value.code == codes.JET_errVersionStoreOutOfMemory
    worker.rollback()
    assert contents(tree, worker) == {}
    idler.commit()
    worker.begin()
    tree.insert(worker, b"1", b"")
    worker.commit()
    assert contents(tree, worker) == {b"1": b""}


def test_a_cursor_survives_what_others_do_to_its_node(tree: VersionedTree, one: Session, two: Session) -> None:
    cursor = tree.cursor(one)
    assert cursor.seek(b"c", "eq")
    with two.implicit_transaction():
        tree.delete(two, b"c")
        tree.delete(two, b"d")
    two.idle()
    assert tree.nodes.find(b"c") is None
    assert not cursor.exists_now
    with refused(codes.JET_errRecordDeleted):
        assert cursor.data
    assert cursor.next()
    assert cursor.key == b"e"
    assert cursor.previous()
    assert cursor.key == b"b"
    assert not cursor.seek(b"c", "eq")
    with refused(codes.JET_errNoCurrentRecord):
        assert cursor.key
    assert cursor.next()
    assert cursor.key == b"e"
    assert not cursor.seek(b"c", "eq")
    assert cursor.previous()
    assert cursor.key == b"b"


def test_ends_of_a_tree(tree: VersionedTree, one: Session) -> None:
    cursor = tree.cursor(one)
    assert cursor.previous()
    assert cursor.key == b"e"
    assert not cursor.next()
    assert not cursor.next()
    assert not cursor.on_entry
    assert cursor.previous()
    assert cursor.key == b"e"
    assert cursor.first()
    assert not cursor.previous()
    assert not cursor.previous()
    assert cursor.next()
    assert cursor.key == b"a"
    with pytest.raises(ValueError, match="near"):
        cursor.seek(b"a", "near")


def test_trees_known_by_key_and_data(database: MemoryDatabase) -> None:
    index = VersionedTree(database, 11, 31, False)
    one, two = database.session(), database.session()
    with one.implicit_transaction():
        for data in (b"1", b"2", b"3"):
            index.insert(one, b"k", data)
        index.insert(one, b"l", b"1")
    with refused(codes.JET_errKeyDuplicate), one.implicit_transaction():
        index.insert(one, b"k", b"2")
    assert index.get(one, b"k") == b"1"
    assert index.get(one, b"m") is None
    one.begin()
    index.delete(one, b"k", b"1")
    index.replace(one, b"k", b"2", b"22")
    assert index.get(one, b"k") == b"22"
    assert index.visible(two, b"k", b"2")
    assert not index.visible(two, b"k", b"22")
    two.begin()
    with refused(codes.JET_errWriteConflict):
        index.delete(two, b"k", b"2")
    index.delete(two, b"k", b"3")
    two.commit()
    cursor = index.cursor(one)
    assert cursor.seek(b"k", "ge", b"22")
    assert cursor.data_bookmark == b"22"
    assert cursor.seek(b"k", "le")
    assert cursor.data == b"3"
    assert not cursor.seek(b"k", "eq", b"2")
    assert cursor.next()
    assert cursor.data == b"22"
    one.commit()
    assert not index.visible(one, b"k", b"3")


def test_an_unversioned_tree_changes_for_everybody_at_once(database: MemoryDatabase) -> None:
    tree = VersionedTree(database, 12, 32, True, versioned=False)
    one, two = database.session(), database.session()
    tree.insert(one, b"a", bytes(8))
    one.begin()
    tree.insert(one, b"b", b"")
    tree.replace(one, b"b", b"", b"new")
    tree.delta(one, b"a", 0, 1, 8)
    with refused(codes.JET_errKeyDuplicate):
        tree.insert(two, b"b", b"")
    one.rollback()
    assert contents(tree, two) == {b"a": (1).to_bytes(8, "little"), b"b": b"new"}
    tree.delete(two, b"b")
    assert contents(tree, one) == {b"a": (1).to_bytes(8, "little")}
    assert tree.nodes.find(b"b") is None


def test_ending_a_session_rolls_its_transaction_back(tree: VersionedTree, one: Session, two: Session) -> None:
    before = contents(tree, two)
    one.begin()
    one.begin()
    tree.delete(one, b"a")
    one.close()
    assert contents(tree, two) == before
    assert tree.store.oldest is None


def test_threads_with_sessions_of_their_own_lose_no_addition(
    tree: VersionedTree, database: MemoryDatabase, one: Session
) -> None:
    def work() -> None:
        session = database.session()
        for _ in range(100):
            with session.implicit_transaction():
                tree.delta(session, b"a", 0, 1, 4)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tree.get(one, b"a") == (400).to_bytes(4, "little") + b"a"
    assert tree.store.size == 0


def test_a_lingering_lock_lasts_until_the_session_commits_something(tree: VersionedTree, one: Session, two: Session) -> None:
    tree.lock_lingering(one, b"a")
    tree.lock_lingering(one, b"a")
    assert contents(tree, one) == contents(tree, two)
    with refused(codes.JET_errWriteConflict), two.implicit_transaction():
        tree.replace(two, b"a", b"", b"two")
    with refused(codes.JET_errWriteConflict):
        tree.lock_lingering(two, b"a")
    one.begin()
    tree.replace(one, b"a", b"", b"one")
    one.rollback()
    with refused(codes.JET_errWriteConflict), two.implicit_transaction():
        tree.delete(two, b"a")
    with one.implicit_transaction():
        tree.replace(one, b"b", b"", b"one")
    with two.implicit_transaction():
        tree.replace(two, b"a", b"", b"two")
    assert tree.store.size == 0
    tree.lock_lingering(one, b"c")
    one.close()
    with two.implicit_transaction():
        tree.replace(two, b"c", b"", b"two")
    assert tree.store.size == 0
    with refused(codes.JET_errRecordDeleted):
        tree.lock_lingering(two, b"nothing")
