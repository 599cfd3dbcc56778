"""The version store by itself: ids that wrap, snapshots, conflicts, savepoints, the bound, clean-up."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esent.constants import codes
from esent.errors import JetError
from esent.versions.store import (
    OPER_DELTA,
    OPER_DELTA64,
    OPER_FLAG_DELETE,
    OPER_INSERT,
    OPER_READ_LOCK,
    OPER_REPLACE,
    OPER_WRITE_LOCK,
    Chain,
    Transaction,
    TreeVersions,
    VersionStore,
    add_to_counter,
    precedes,
    view,
)

WRITES = (OPER_INSERT, OPER_REPLACE, OPER_FLAG_DELETE, OPER_WRITE_LOCK)
COMMUTING = (OPER_READ_LOCK, OPER_DELTA, OPER_DELTA64)


@pytest.fixture
def store() -> VersionStore:
    return VersionStore(1 << 20)


@pytest.fixture
def tree(store: VersionStore) -> TreeVersions:
    return store.tree(1, 10, "owner", unique=True)


class Owner:
    """A session, as far as the store is concerned."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name


def begun(store: VersionStore, name: str = "session 5") -> Transaction:
    transaction = store.begin(Owner(name))
    store.push(transaction)
    return transaction


def in_conflict(chain: Chain | None, oper: int, writer: Transaction) -> bool:
    return chain is not None and bool(chain.conflicts(oper, writer))


def committed(store: VersionStore, transaction: Transaction) -> None:
    store.commit(transaction, store.next_id())


@given(st.integers(0, 2**32 - 1), st.integers(1, 2**31 - 1))
def test_an_id_precedes_those_given_out_after_it_also_over_the_end_of_the_counter(first: int, distance: int) -> None:
    second = first + distance & 0xFFFFFFFF
    assert precedes(first, second)
    assert not precedes(second, first)
    assert not precedes(first, first)


def test_ids_are_never_zero_when_the_counter_wraps(store: VersionStore) -> None:
    store._last_id = 0xFFFFFFF8
    assert [store.next_id() for _ in range(3)] == [0xFFFFFFFC, 4, 8]
    store._last_rceid = 0xFFFFFFFD
    assert [store.next_rceid() for _ in range(3)] == [0xFFFFFFFF, 1, 3]


def test_snapshots_are_right_while_the_counter_wraps(store: VersionStore, tree: TreeVersions) -> None:
    store._last_id = 0xFFFFFFF0
    old = begun(store)
    for number in range(6):
        writer = begun(store)
        store.add(writer, tree, OPER_REPLACE, b"k", b"", rceid=store.next_rceid(), before=b"%d" % number)
        committed(store, writer)
    young = begun(store)
    chain = tree.chain(b"k", b"")
    assert view(chain, b"6", old, deleted=False) == b"0"
    assert view(chain, b"6", young, deleted=False) == b"6"
    assert view(chain, b"6", None, deleted=False) == b"6"
    store.pop(old)
    assert not tree.chains
    store.pop(young)
    assert store.size == 0


@pytest.mark.parametrize(("first", "second"), list(itertools.product((*WRITES, *COMMUTING), repeat=2)))
@pytest.mark.parametrize("state", ["open", "committed since", "committed before", "own"])
def test_who_may_do_what_to_a_node_that_has_a_version(
    store: VersionStore, tree: TreeVersions, first: int, second: int, state: str
) -> None:
    keeper = begun(store, "keeps the versions alive")
    other = begun(store)
    me = begun(store) if state in ("open", "committed since") else None
    store.add(other, tree, first, b"k", b"", rceid=store.next_rceid())
    if state.startswith("committed"):
        committed(store, other)
    if state == "committed before":
        me = begun(store)
    writer = other if me is None else me
    expected = state in ("open", "committed since") and not (first == second and first in COMMUTING)
    assert in_conflict(tree.chain(b"k", b""), second, writer) is expected
    assert keeper.commit0 == 0  # it is open to the end


def test_own_delta_does_not_hide_that_others_have_deltas_too(store: VersionStore, tree: TreeVersions) -> None:
    one, two = begun(store), begun(store)
    store.add(one, tree, OPER_DELTA, b"k", b"", rceid=1, delta=1)
    store.add(two, tree, OPER_DELTA, b"k", b"", rceid=3, delta=2)
    chain = tree.chain(b"k", b"")
    assert not in_conflict(chain, OPER_DELTA, two)
    assert in_conflict(chain, OPER_REPLACE, two)
    assert in_conflict(chain, OPER_REPLACE, one)
    page = (103).to_bytes(4, "little")
    assert view(chain, page, one, deleted=False) == (101).to_bytes(4, "little")
    assert view(chain, page, two, deleted=False) == (102).to_bytes(4, "little")
    assert view(chain, page, None, deleted=False) == (100).to_bytes(4, "little")
    committed(store, one)
    assert view(chain, page, None, deleted=False) == (101).to_bytes(4, "little")
    assert in_conflict(chain, OPER_REPLACE, two)


@given(st.binary(min_size=8, max_size=20), st.integers(0, 12), st.integers(-(2**63), 2**63), st.sampled_from([4, 8]))
def test_adding_to_a_counter_is_undone_by_adding_the_opposite(data: bytes, offset: int, delta: int, size: int) -> None:
    if offset + size <= len(data):
        there = add_to_counter(data, offset, delta, size)
        assert len(there) == len(data)
        assert add_to_counter(there, offset, -delta, size) == data


def test_levels_are_savepoints(store: VersionStore, tree: TreeVersions) -> None:
    transaction = begun(store)
    first = store.add(transaction, tree, OPER_REPLACE, b"a", b"", rceid=1)
    store.push(transaction)
    second = store.add(transaction, tree, OPER_REPLACE, b"b", b"", rceid=3)
    store.push(transaction)
    third = store.add(transaction, tree, OPER_REPLACE, b"c", b"", rceid=5)
    assert [transaction.level_of(version) for version in (first, second, third)] == [1, 2, 3]
    store.merge(transaction)
    assert [transaction.level_of(version) for version in (first, second, third)] == [1, 2, 2]
    undone = []
    while (version := store.newest_of_level(transaction)) is not None:
        undone.append(version)
        store.undone(version)
    assert undone == [third, second]
    store.pop(transaction)
    assert transaction.versions == [first]
    assert set(tree.open_images) == {1}
    committed(store, transaction)
    assert not tree.open_images
    assert store.size == 0


def test_versions_stay_for_the_oldest_snapshot_and_go_with_it(store: VersionStore, tree: TreeVersions) -> None:
    reader = begun(store)
    writer = begun(store)
    store.add(writer, tree, OPER_FLAG_DELETE, b"k", b"", rceid=1)
    committed(store, writer)
    later = begun(store)
    assert tree.chains
    assert store.removable == 0
    store.pop(reader)
    assert not tree.chains
    assert store.removable == 1
    assert store.take_removable() == ([("owner", b"k", b"")], [])
    assert store.removable == 0
    store.pop(later)


def test_a_node_is_removed_only_when_its_last_version_is_gone(store: VersionStore, tree: TreeVersions) -> None:
    deleter = begun(store)
    store.add(deleter, tree, OPER_FLAG_DELETE, b"k", b"", rceid=1)
    committed_before = begun(store)
    committed(store, deleter)
    inserter = begun(store)
    store.add(inserter, tree, OPER_INSERT, b"k", b"", rceid=3)
    store.pop(committed_before)
    assert tree.chains
    assert store.removable == 0
    version = store.newest_of_level(inserter)
    assert version is not None
    store.undone(version)
    store.pop(inserter)
    assert store.removable == 1


def test_the_bound_names_the_oldest_transaction(tree: TreeVersions, store: VersionStore) -> None:
    store.limit = 1000
    oldest = begun(store, "session 7")
    young = begun(store, "session 8")
    store.add(young, tree, OPER_REPLACE, b"k", b"", rceid=1, before=bytes(700))
    with pytest.raises(JetError, match=f"session 7 holds it with transaction {oldest.begin0}, the oldest") as caught:
        store.require_room(500)
    assert caught.value.code == codes.JET_errVersionStoreOutOfMemory
    committed(store, young)
    with pytest.raises(JetError, match="session 7"):
        store.require_room(500)
    store.pop(oldest)
    store.require_room(500)


def test_registered_calls_are_due_when_nobody_sees_the_state_before(store: VersionStore) -> None:
    reader = begun(store)
    writer = begun(store)
    calls: list[object] = []
    store.add_action(writer, None, calls.append)
    committed(store, writer)
    assert store.removable == 0
    store.pop(reader)
    _, due = store.take_removable()
    due[0]("the cleaner")
    assert calls == ["the cleaner"]


def test_what_belonged_to_a_forgotten_tree_is_not_removed(store: VersionStore, tree: TreeVersions) -> None:
    open_one = begun(store)
    store.add(open_one, tree, OPER_INSERT, b"k", b"", rceid=1)
    store.forget_tree(1, 10)
    version = store.newest_of_level(open_one)
    assert version is not None
    store.undone(version)
    store.pop(open_one)
    assert store.removable == 0
    assert store.size == 0
    assert store.tree(1, 10, "another", unique=True) is not tree


def test_trees_that_are_not_unique_tell_nodes_apart_by_data(store: VersionStore) -> None:
    index = store.tree(1, 11, "owner", unique=False)
    one, two = begun(store), begun(store)
    store.add(one, index, OPER_INSERT, b"k", b"first", rceid=1)
    store.add(two, index, OPER_INSERT, b"k", b"second", rceid=3)
    assert in_conflict(index.chain(b"k", b"first"), OPER_FLAG_DELETE, two)
    assert not in_conflict(index.chain(b"k", b"second"), OPER_FLAG_DELETE, two)
    assert view(index.chain(b"k", b"first"), b"first", two, deleted=False) is None
    assert view(index.chain(b"k", b"second"), b"second", two, deleted=False) == b"second"
