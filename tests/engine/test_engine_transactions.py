"""Transactions of a running instance: what they log and when, and what waits for the disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from live_instances import kinds_of, logged, running

from esent.constants import codes, grbits, params
from esent.engine.instance import Instance
from esent.engine.transactions import commit_number
from esent.errors import JetError, jet_error
from esent.log.records import Begin, Begin0, Commit, Commit0, Rollback
from esent.pages.filesystem import File, FileSystem
from esent.pages.primitives import LGPOS_MIN, Lgpos

LAZY = grbits.JET_bitCommitLazyFlush


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    instance = running(tmp_path)
    yield instance
    if not instance.terminating:
        for session in instance.all_sessions():
            session.abandon()
        instance.terminate(0)


@contextmanager
def refused(code: int) -> Iterator[None]:
    with pytest.raises(JetError) as caught:
        yield
    assert caught.value.code == code


def test_a_transaction_that_changes_nothing_logs_nothing(instance: Instance, tmp_path: Path) -> None:
    session = instance.begin_session()
    session.begin()
    session.begin()
    session.commit()
    assert session.commit() == LGPOS_MIN
    session.begin()
    session.rollback()
    instance.flush_log()
    assert kinds_of(logged(tmp_path), session.procid) == []


def test_begins_are_logged_with_the_first_change(instance: Instance, tmp_path: Path) -> None:
    session = instance.begin_session()
    session.begin()
    session.begin()
    session.log_begin()
    session.log_begin()
    session.begin()
    session.begin()
    session.log_begin()
    session.commit()
    session.rollback()
    session.begin()
    session.rollback()
    session.commit()
    assert session.commit() == session.last_commit != LGPOS_MIN
    mine = [each for each in logged(tmp_path) if getattr(each, "procid", None) == session.procid]
    begin0 = mine[0]
    assert isinstance(begin0, Begin0)
    assert mine == [
        Begin0(session.procid, begin0.trx_begin0, 0, 2),
        Begin(session.procid, 2, 2),
        Commit(session.procid, 3),
        Rollback(session.procid, 1),
        Commit(session.procid, 1),
        Commit0(session.procid, 0, begin0.trx_begin0 + 4),
    ]


def test_transaction_ids_start_low_with_every_start(tmp_path: Path) -> None:
    for _ in range(2):
        instance = running(tmp_path)
        session = instance.begin_session()
        session.begin()
        assert session.trx_begin0 == 4
        session.commit()
        instance.terminate(0)


def test_the_checkpoint_is_held_by_the_oldest_logged_begin(instance: Instance) -> None:
    one, two, three = (instance.begin_session() for _ in range(3))
    assert instance.transactions.oldest_begin() is None
    for session in (one, two, three):
        session.begin()
    three.log_begin()
    two.log_begin()
    assert instance.transactions.oldest_begin() == three.begin_position
    three.commit()
    assert instance.transactions.oldest_begin() == two.begin_position
    two.rollback()
    assert instance.transactions.oldest_begin() is None


def commit_something(session: Any, grbit: int = 0, delay: int = 0) -> Lgpos:
    session.begin()
    session.log_begin()
    position: Lgpos = session.commit(grbit, delay)
    return position


def test_a_commit_is_durable_when_it_returns_and_a_lazy_one_is_not(instance: Instance) -> None:
    session = instance.begin_session()
    position = commit_something(session)
    assert instance.log.is_durable(position)
    lazy = commit_something(session, LAZY)
    assert not instance.log.is_durable(lazy)
    session.commit(grbits.JET_bitWaitLastLevel0Commit)
    assert instance.log.is_durable(lazy)


def test_waiting_for_the_last_commit_waits_for_that_of_the_session(instance: Instance) -> None:
    one, two = instance.begin_session(), instance.begin_session()
    first = commit_something(one, LAZY)
    one.commit(grbits.JET_bitWaitLastLevel0Commit)
    second = commit_something(two, LAZY)
    one.commit(grbits.JET_bitWaitLastLevel0Commit)
    assert instance.log.is_durable(first)
    assert not instance.log.is_durable(second)
    one.commit(grbits.JET_bitWaitAllLevel0Commit)
    assert instance.log.is_durable(second)


def test_laziness_by_default(instance: Instance) -> None:
    session = instance.begin_session()
    session.commit_default = LAZY
    assert not instance.log.is_durable(commit_something(session))
    session.commit_default = 0
    assert instance.log.is_durable(commit_something(session))


def test_forcing_a_new_log_rolls(instance: Instance) -> None:
    session = instance.begin_session()
    generation = instance.current_generation
    session.commit(grbits.JET_bitForceNewLog)
    assert instance.current_generation == generation + 1


def test_the_number_of_a_commit_is_its_position() -> None:
    assert commit_number(LGPOS_MIN) == 0
    assert (
        commit_number(Lgpos(3, 2, 1)) < commit_number(Lgpos(3, 2, 2)) < commit_number(Lgpos(3, 3, 0)) < commit_number(Lgpos(4))
    )


def test_lazy_commits_are_reported_when_they_are_durable(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    arrived = threading.Event()

    def report(handle: object, signature: object, number: int, grbit: int) -> None:
        seen.append((number, grbit))
        arrived.set()

    instance = running(tmp_path)
    instance.parameters._objects[params.JET_paramDurableCommitCallback] = report
    session = instance.begin_session()
    commit_something(session, LAZY)
    newest = commit_something(session, LAZY)
    assert seen == []
    commit_something(session)
    assert seen == [(commit_number(newest), 0)]
    arrived.clear()
    late = commit_something(session, LAZY, delay=20)
    assert not instance.log.is_durable(late)
    assert arrived.wait(10)
    assert instance.log.is_durable(late)
    assert seen[1:] == [(commit_number(late), 0)]
    commit_something(session, LAZY, delay=60_000)
    instance.terminate(0)


class SlowSync(File):
    """Syncing takes a while, and is counted."""

    syncs = 0
    pause = 0.05

    def sync(self) -> None:
        SlowSync.syncs += 1
        time.sleep(self.pause)
        super().sync()


class SlowFiles(FileSystem):
    def open(self, path: Path, *, writable: bool = False, create: bool = False, exclusive: bool = False) -> File:
        file = super().open(path, writable=writable, create=create, exclusive=exclusive)
        file.__class__ = SlowSync
        return file


def test_commits_of_several_threads_share_the_writes(tmp_path: Path) -> None:
    instance = running(tmp_path, files=SlowFiles())
    threads = 8
    ready = threading.Barrier(threads)
    positions: list[Lgpos] = []

    def work() -> None:
        session = instance.begin_session()
        ready.wait()
        positions.extend([commit_something(session) for _ in range(5)])

    workers = [threading.Thread(target=work) for _ in range(threads)]
    before = SlowSync.syncs
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(set(positions)) == 5 * threads
    assert all(instance.log.is_durable(position) for position in positions)
    assert SlowSync.syncs - before < 5 * threads
    instance.terminate(0)


def test_nobody_waits_for_a_commit_that_waits_for_the_disk(tmp_path: Path) -> None:
    instance = running(tmp_path, files=SlowFiles())
    one, two = instance.begin_session(), instance.begin_session()
    SlowSync.pause = 1.0
    try:
        waiting = threading.Thread(target=commit_something, args=(one,))
        waiting.start()
        time.sleep(0.2)
        begun = time.monotonic()
        assert waiting.is_alive()
        two.begin()
        two.log_begin()
        two.commit(LAZY)
        assert waiting.is_alive()
        assert time.monotonic() - begun < 0.5
        waiting.join()
    finally:
        SlowSync.pause = 0.0
    instance.terminate(0)


def test_terminating_with_an_open_transaction_is_refused(instance: Instance) -> None:
    session = instance.begin_session()
    session.begin()
    with refused(codes.JET_errTooManyActiveUsers):
        instance.terminate(0)
    session.rollback()
    instance.terminate(0)


def test_a_dirty_end_leaves_the_open_transaction_to_recovery(instance: Instance, tmp_path: Path) -> None:
    session = instance.begin_session()
    session.begin()
    session.log_begin()
    with refused(codes.JET_errDirtyShutdown):
        instance.terminate(grbits.JET_bitTermDirty)
    assert kinds_of(logged(tmp_path))[-1] == "Begin0"


class FailingFile(File):
    failing = False

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        if FailingFile.failing:
            raise jet_error(codes.JET_errDiskIO, "the disk is gone", file=self.path)
        super().write(offset, data)


class FailingFiles(FileSystem):
    def open(self, path: Path, *, writable: bool = False, create: bool = False, exclusive: bool = False) -> File:
        file = super().open(path, writable=writable, create=create, exclusive=exclusive)
        file.__class__ = FailingFile
        return file


def test_a_commit_that_cannot_be_made_durable_says_so_and_ends_the_instance(tmp_path: Path) -> None:
    instance = running(tmp_path, files=FailingFiles())
    session = instance.begin_session()
    reported: list[int] = []
    instance.parameters._objects[params.JET_paramDurableCommitCallback] = lambda *arguments: reported.append(arguments[3])
    FailingFile.failing = True
    try:
        with pytest.raises(JetError):
            commit_something(session)
        assert instance.log_failed
        assert reported == [grbits.JET_bitDurableCommitCallbackLogUnavailable]
        with refused(codes.JET_errInstanceUnavailable), instance.call():
            pass
    finally:
        FailingFile.failing = False
    with refused(codes.JET_errDirtyShutdown):
        instance.terminate(grbits.JET_bitTermDirty)


def test_an_open_transaction_does_not_keep_an_instance_whose_log_has_failed(tmp_path: Path) -> None:
    """Nobody can end it any more: recovery undoes it, and the files are free for that."""
    instance = running(tmp_path, files=FailingFiles())
    open_session, session = instance.begin_session(), instance.begin_session()
    open_session.begin()
    FailingFile.failing = True
    try:
        with pytest.raises(JetError):
            commit_something(session)
    finally:
        FailingFile.failing = False
    with refused(codes.JET_errLogWriteFail):
        instance.terminate(0)
    again = running(tmp_path)
    again.terminate(0)
