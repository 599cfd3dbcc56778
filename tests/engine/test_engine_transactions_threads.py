"""Threads with transactions on the same trees: every snapshot adds up, and a kill in the middle loses nothing."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_trees import LiveDatabase

from esent.constants import codes
from esent.engine.session import Session
from esent.engine.versioned import VersionedTree
from esent.errors import JetError

ACCOUNTS = 60
EACH = 1000
COMMIT_LAZY = 1


def number(data: bytes) -> int:
    return int.from_bytes(data[:8], "little", signed=True)


def account(which: int) -> bytes:
    return b"account %03d" % which


class Bank:
    """Money moves between accounts; the sum never changes. Closed accounts take their money to another one."""

    def __init__(self, folder: Path) -> None:
        self.database = LiveDatabase(folder, cache_pages=8, MaxVerPages=1024)
        self.tree: VersionedTree = self.database.create_tree(unique=True)
        with self.database.session.implicit_transaction():
            for which in range(ACCOUNTS):
                self.put(self.database.session, which, EACH)
        self.problems: list[BaseException] = []
        self.stop = threading.Event()
        self.done = 0

    def put(self, session: Session, which: int, amount: int) -> None:
        self.tree.insert(session, account(which), amount.to_bytes(8, "little", signed=True) + bytes(100 + which))

    def balances(self, session: Session) -> dict[bytes, int]:
        cursor = self.tree.cursor(session)
        found = {}
        while cursor.next():
            found[cursor.key] = number(cursor.data)
        return found

    def move(self, session: Session, chance: random.Random) -> None:
        tree = self.tree
        one, two = chance.sample(range(ACCOUNTS), 2)
        amount = chance.randrange(50)
        kind = chance.randrange(6)
        source, target = tree.get(session, account(one)), tree.get(session, account(two))
        if source is None:
            self.put(session, one, 0)
        elif target is None:
            self.put(session, two, 0)
        elif kind == 0:
            tree.delete(session, account(one))
            tree.delta(session, account(two), 0, number(source), 8)
        elif kind < 3:
            tree.replace(session, account(one), b"", (number(source) - amount).to_bytes(8, "little", signed=True) + source[8:])
            tree.replace(session, account(two), b"", (number(target) + amount).to_bytes(8, "little", signed=True) + target[8:])
        else:
            tree.delta(session, account(one), 0, -amount, 8)
            tree.delta(session, account(two), 0, amount, 8)

    def work(self, seed: int) -> None:
        chance = random.Random(seed)
        session = self.database.instance.begin_session()
        try:
            while not self.stop.is_set():
                session.begin()
                try:
                    for _ in range(chance.randrange(1, 4)):
                        with session.implicit_transaction():
                            self.move(session, chance)
                except JetError as problem:
                    if problem.code not in (codes.JET_errWriteConflict, codes.JET_errKeyDuplicate):
                        raise
                if chance.random() < 0.2:
                    session.rollback()
                else:
                    session.commit(COMMIT_LAZY if chance.random() < 0.9 else 0)
                    self.done += 1
        except BaseException as problem:
            self.problems.append(problem)

    def look(self) -> None:
        """Twice in one snapshot: the same, and it adds up; outside of one: it adds up within a single hold of the lock."""
        session = self.database.instance.begin_session()
        try:
            while not self.stop.is_set():
                session.begin()
                first = self.balances(session)
                second = self.balances(session)
                session.commit()
                assert first == second
                assert sum(first.values()) == ACCOUNTS * EACH
                with self.database.instance.lock:
                    assert sum(self.balances(session).values()) == ACCOUNTS * EACH
        except BaseException as problem:
            self.problems.append(problem)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    (tmp_path / "live").mkdir()
    bank = Bank(tmp_path / "live")
    yield bank
    bank.stop.set()
    if not bank.database.instance.terminating:
        for session in bank.database.instance.all_sessions():
            session.abandon()
        bank.database.close()


def test_snapshots_add_up_while_threads_move_money(bank: Bank, tmp_path: Path) -> None:
    threads = [threading.Thread(target=bank.work, args=(seed,)) for seed in range(4)]
    threads += [threading.Thread(target=bank.look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for round_ in range(4):
        bank.stop.wait(0.5)
        with bank.database.instance.lock:
            committed = sorted(bank.balances(bank.database.session).items())
            copy = bank.database.kill_and_recover(tmp_path / "copy")
        found = sorted((key, number(data)) for key, data in copy.contents(bank.tree.root))
        assert found == committed, round_
    bank.stop.set()
    for thread in threads:
        thread.join()
    if bank.problems:
        raise bank.problems[0]
    assert bank.done > 50
    session = bank.database.session
    assert sum(bank.balances(session).values()) == ACCOUNTS * EACH
    session.idle()
    assert bank.tree.store.size == 0
    assert bank.tree.store.oldest is None
