"""Random work of several sessions on versioned trees and on the model at once."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from version_model import COUNTER, VersionModel

from esent.engine.versioned import TreeHome, VersionedTree
from esent.errors import JetError

SESSIONS = 3
sessions = st.integers(0, SESSIONS - 1)
keys = st.sampled_from([b"", b"a", b"aa", b"ab", b"b", b"b\0", b"c" * 40, b"zz"])
payloads = st.sampled_from([b"", b"x", b"yy", b"w" * 30, b"long" * 60])
counters = st.integers(0, 2**32 - 1)
deltas = st.integers(-(2**31), 2**31 - 1)


class VersionedMachine(RuleBasedStateMachine):
    """One tree, unique keys."""

    unique = True
    most_levels = 7

    def make_database(self) -> TreeHome:
        raise NotImplementedError

    def make_tree(self, database: Any) -> VersionedTree:
        return VersionedTree(database, 10, 30, self.unique)

    @initialize()
    def start(self) -> None:
        self.model = VersionModel()
        self.database: Any = self.make_database()
        self.tree = self.make_tree(self.database)
        self.open_sessions()

    def open_sessions(self) -> None:
        self.sessions = [self.database.instance.begin_session() for _ in range(SESSIONS)]
        self.cursors = [self.tree.cursor(session) for session in self.sessions]

    # transactions

    @rule(session=sessions)
    def begin(self, session: int) -> None:
        if self.model.level(session) < self.most_levels:
            self.sessions[session].begin()
            self.model.begin(session)

    @rule(session=sessions, lazy=st.booleans())
    def commit(self, session: int, lazy: bool) -> None:
        if self.model.level(session):
            self.sessions[session].commit(1 if lazy else 0)
            self.model.commit(session)

    @rule(session=sessions, everything=st.booleans())
    def rollback(self, session: int, everything: bool) -> None:
        if self.model.level(session):
            self.sessions[session].rollback(1 if everything else 0)
            self.model.rollback(session)
            while everything and self.model.level(session):
                self.model.rollback(session)

    @rule(session=sessions)
    def clean(self, session: int) -> None:
        self.sessions[session].idle()

    # changes

    def attempt(self, session: int, kind: str, bookmark: tuple[bytes, bytes], *, value: bytes = b"", delta: int = 0) -> None:
        """Do it in the session's transaction, or in one of the call's own."""
        own = not self.model.level(session)
        if own:
            self.model.begin(session)
        expected = self.model.outcomes(session, kind, bookmark)
        counter = None
        if kind == "delta" and "" in expected and bookmark in self.model.view(session):
            counter = self.model.page_counter(session, bookmark)
        try:
            with self.sessions[session].implicit_transaction():
                result = self.perform(session, kind, bookmark, value, delta)
        except JetError as problem:
            assert problem.name.removeprefix("JET_err") in expected, f"{kind} gives {problem.name}, not one of {expected}"
            if own:
                self.model.rollback(session)
            return
        assert "" in expected, f"{kind} succeeds, not {expected}"
        if counter is not None:
            assert result == counter
        self.model.change(session, kind, bookmark, value, delta)
        if own:
            self.model.commit(session)

    def perform(self, number: int, kind: str, bookmark: tuple[bytes, bytes], value: bytes, delta: int) -> int | None:
        session = self.sessions[number]
        key, data = bookmark
        if kind == "insert":
            self.tree.insert(session, key, value if self.unique else data)
        elif kind == "replace":
            self.tree.replace(session, key, b"", value)
        elif kind == "delete":
            self.tree.delete(session, key, data)
        elif kind == "delta":
            return self.tree.delta(session, key, 0, delta, COUNTER)
        else:
            self.tree.lock(session, key, data, write=kind == "write lock")
        return None

    @rule(session=sessions, key=keys, counter=counters, payload=payloads)
    def insert(self, session: int, key: bytes, counter: int, payload: bytes) -> None:
        value = counter.to_bytes(COUNTER, "little") + payload
        if self.unique:
            self.attempt(session, "insert", (key, b""), value=value)
        else:
            self.attempt(session, "insert", (key, payload), value=payload)

    @precondition(lambda self: self.unique)
    @rule(session=sessions, key=keys, counter=counters, payload=payloads)
    def replace(self, session: int, key: bytes, counter: int, payload: bytes) -> None:
        self.attempt(session, "replace", (key, b""), value=counter.to_bytes(COUNTER, "little") + payload)

    @rule(session=sessions, key=keys, payload=payloads)
    def delete(self, session: int, key: bytes, payload: bytes) -> None:
        self.attempt(session, "delete", (key, b"" if self.unique else payload))

    @precondition(lambda self: self.unique)
    @rule(session=sessions, key=keys, delta=deltas)
    def delta(self, session: int, key: bytes, delta: int) -> None:
        self.attempt(session, "delta", (key, b""), delta=delta)

    @rule(session=sessions, key=keys, payload=payloads, write=st.booleans())
    def lock(self, session: int, key: bytes, payload: bytes, write: bool) -> None:
        self.attempt(session, "write lock" if write else "read lock", (key, b"" if self.unique else payload))

    # reading

    def expected(self, session: int) -> list[tuple[bytes, bytes]]:
        view = self.model.view(session)
        return sorted((key, value) for (key, _), value in view.items())

    @rule(session=sessions, key=keys)
    def get(self, session: int, key: bytes) -> None:
        found = [value for known, value in self.expected(session) if known == key]
        assert self.tree.get(self.sessions[session], key) == (found[0] if found else None)

    @rule(session=sessions, key=keys, mode=st.sampled_from(["lt", "le", "eq", "ge", "gt"]))
    def seek(self, session: int, key: bytes, mode: str) -> None:
        """The long-lived cursor of the session goes somewhere."""
        entries = self.expected(session)
        candidates = {
            "lt": [entry for entry in entries if entry[0] < key][-1:],
            "le": [entry for entry in entries if entry[0] <= key][-1:],
            "eq": [entry for entry in entries if entry[0] == key],
            "ge": [entry for entry in entries if entry[0] >= key],
            "gt": [entry for entry in entries if entry[0] > key],
        }[mode]
        cursor = self.cursors[session]
        assert cursor.seek(key, mode) == bool(candidates)
        if candidates:
            assert (cursor.key, cursor.data) == candidates[0]

    @rule(session=sessions, forward=st.booleans())
    def move(self, session: int, forward: bool) -> None:
        """A step from wherever the long-lived cursor is, whatever has happened since it went there."""
        cursor = self.cursors[session]
        if not cursor.on_entry:
            return
        entries = self.expected(session)
        here = (cursor.key, b"" if self.unique else cursor.data_bookmark)
        places = [(key, b"" if self.unique else value) for key, value in entries]
        assert cursor.exists_now == (here in places)
        if here in places:
            assert cursor.data == entries[places.index(here)][1]
        if forward:
            wanted = [entry for entry, place in zip(entries, places, strict=True) if place > here][:1]
        else:
            wanted = [entry for entry, place in zip(entries, places, strict=True) if place < here][-1:]
        assert (cursor.next() if forward else cursor.previous()) == bool(wanted)
        if wanted:
            assert (cursor.key, cursor.data) == wanted[0]

    @invariant()
    def everybody_sees_what_they_should(self) -> None:
        if not hasattr(self, "tree"):
            return
        for number, session in enumerate(self.sessions):
            cursor = self.tree.cursor(session)
            seen = []
            while cursor.next():
                seen.append((cursor.key, cursor.data))
            assert seen == self.expected(number)
            backwards = []
            while cursor.previous():
                backwards.append((cursor.key, cursor.data))
            assert backwards == seen[::-1]

    def teardown(self) -> None:
        if not hasattr(self, "tree"):
            return
        for number, session in enumerate(self.sessions):
            if self.model.level(number):
                session.rollback(1)
        self.model.open.clear()
        self.sessions[0].idle()
        self.check_end()

    def check_end(self) -> None:
        """With nobody left in a transaction no version is, and no deleted node."""
        store = self.database.instance.transactions.store
        assert store.size == 0
        assert store.removable == 0
        assert not self.tree.versions.chains
        assert not self.tree.versions.open_images
        node = self.tree.nodes.first()
        nodes = []
        while node is not None:
            assert not node.flags & 2
            nodes.append((node.key, node.data))
            node = self.tree.nodes.next(node)
        assert nodes == sorted((key, value) for (key, _), value in self.model.committed.items())
