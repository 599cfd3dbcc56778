"""Many nodes at once: the same as one call for each, whatever comes in between."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_trees import LiveDatabase
from memory_trees import MemoryDatabase

from esent.constants import codes
from esent.engine.versioned import VersionedTree
from esent.errors import JetError

ENTRIES = st.lists(st.tuples(st.binary(min_size=1, max_size=2), st.binary(max_size=3)), max_size=12)


def nodes(tree: VersionedTree) -> list[tuple[bytes, bytes, int]]:
    found = []
    node = tree.nodes.first()
    while node is not None:
        found.append((node.key, node.data, node.flags))
        node = tree.nodes.next(node)
    return found


@given(ENTRIES, ENTRIES, st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_it_is_the_same_as_one_by_one(
    before: list[tuple[bytes, bytes]], entries: list[tuple[bytes, bytes]], unique: bool, deleted: bool
) -> None:
    states = []
    for many in (True, False):
        database = MemoryDatabase()
        tree = VersionedTree(database, 10, 30, unique)
        session = database.session()
        session.begin()
        for key, data in before:
            try:
                tree.insert(session, key, data)
                if deleted:
                    tree.delete(session, key, data)
            except JetError:
                continue
        session.commit()
        session.begin()
        done, problem = 0, None
        if many:
            done, problem = tree.insert_many(session, entries)
        else:
            for key, data in entries:
                try:
                    tree.insert(session, key, data)
                except JetError as met:
                    problem = met
                    break
                done += 1
        states.append([(done, None if problem is None else problem.code), nodes(tree)])
        session.rollback()
        states[-1].append(nodes(tree))
    assert states[0] == states[1]


@pytest.mark.parametrize("unique", [True, False])
def test_it_survives_a_crash_and_a_roll_back(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, unique: bool) -> None:
    database = LiveDatabase(tmp_path)
    tree = database.create_tree(unique=unique)
    session = database.session
    entries = [(b"%05d" % (number * 7 % 3000), b"x" * (number % 90)) for number in range(3000)]
    with session.implicit_transaction():
        assert tree.insert_many(session, entries) == (len(entries), None)
    session.begin()
    done, problem = tree.insert_many(session, [(b"a", b"1"), (b"b", b"2"), entries[5], (b"c", b"3")])
    assert done == 2
    assert problem is not None
    assert problem.code == codes.JET_errKeyDuplicate
    session.rollback()
    copy = database.kill_and_recover(tmp_path_factory.mktemp("copy") / "copy")
    assert copy.contents(tree.root) == sorted(entries)
    database.close()
