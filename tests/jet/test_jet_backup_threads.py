"""Backups and threads: the statements 37, 126, 138 and 139 of the conformance checklist, and many threads at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from backup_helpers import PAGE, begin, is_stamped, opened, read, read_file, stamps, stream
from esent import jet
from esent.backup import page_stream
from esent.pages.database_file import DatabaseFile
from jet_helpers import code_of

PATIENCE = 20.0


class Held:
    """Reads of database pages wait here until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = threading.Event()
        self.go = threading.Event()
        original = DatabaseFile.read_pages

        def waiting(file: DatabaseFile, pgno: int, count: int) -> bytes:
            self.reached.set()
            assert self.go.wait(PATIENCE)
            return original(file, pgno, count)

        monkeypatch.setattr(DatabaseFile, "read_pages", waiting)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    return Held(monkeypatch)


@pytest.fixture
def pool() -> Any:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def test_037_directory_backup_beside_a_streaming_one(run, tmp_path, pool):
    begin(run)
    (tmp_path / "bk").mkdir()
    other = pool.submit(code_of, jet.JetBackupInstance, run.instance, str(tmp_path / "bk"))
    assert other.result(PATIENCE) == jet.JET_errBackupInProgress
    assert len(jet.JetGetAttachInfoInstance(run.instance)) == 1


def test_126_stop_with_a_read_in_flight(run, held, pool):
    begin(run)
    handle, _ = opened(run)
    reading = pool.submit(read, run, handle, 10 * PAGE)
    assert held.reached.wait(PATIENCE)
    assert jet.JetStopBackupInstance(run.instance) == 0, "returns although the read is under way"
    assert not reading.done()
    held.go.set()
    assert reading.result(PATIENCE) == 10 * PAGE
    assert read(run, handle, 10 * PAGE) == jet.JET_errBackupAbortByServer
    assert jet.JetEndExternalBackupInstance(run.instance) == jet.JET_errBackupAbortByServer


@pytest.mark.parametrize("grbit", [0, jet.JET_bitBackupAtomic])
def test_138_139_stop_of_a_directory_backup(run, held, pool, tmp_path, grbit):
    target = tmp_path / "bk"
    target.mkdir()
    working = pool.submit(code_of, jet.JetBackupInstance, run.instance, str(target), grbit)
    assert held.reached.wait(PATIENCE)
    assert jet.JetStopBackupInstance(run.instance) == 0
    held.go.set()
    assert working.result(PATIENCE) == jet.JET_errBackupAbortByServer
    assert list(target.iterdir()) == []
    assert code_of(jet.JetGetAttachInfoInstance, run.instance) == jet.JET_errNoBackup
    assert not is_stamped(stamps(run).bkinfoFullPrev)
    assert jet.JetBackupInstance(run.instance, str(target), grbit) == 0


def test_stop_ends_the_retries_of_a_bad_page(run, pool, monkeypatch):
    """A page that stays bad is read again for 13 seconds; a stop is not made to wait for that."""
    paused = threading.Event()
    go = threading.Event()

    def pause(seconds: float) -> None:
        paused.set()
        assert go.wait(PATIENCE)

    monkeypatch.setattr(page_stream.time, "sleep", pause)
    with Path(run.path()).open("r+b") as file:
        file.seek(5 * PAGE + 100)
        file.write(b"damage of a page")
    begin(run)
    handle, _ = opened(run)
    reading = pool.submit(read, run, handle, 20 * PAGE)
    assert paused.wait(PATIENCE)
    jet.JetStopBackupInstance(run.instance)
    go.set()
    assert reading.result(PATIENCE) == jet.JET_errReadVerifyFailure
    assert jet.JetEndExternalBackupInstance(run.instance) == jet.JET_errBackupAbortByServer


def test_a_second_read_waits_for_the_first(run, held, pool):
    begin(run)
    handle, size = opened(run)
    first = pool.submit(jet.JetReadFileInstance, run.instance, handle, 10 * PAGE)
    assert held.reached.wait(PATIENCE)
    second = pool.submit(jet.JetReadFileInstance, run.instance, handle, size)
    held.go.set()
    got = first.result(PATIENCE) + second.result(PATIENCE)
    jet.JetCloseFileInstance(run.instance, handle)
    assert got == read_file(run.instance, run.path())


def test_end_from_another_thread_waits_for_a_read(run, held, pool):
    begin(run)
    handle, _ = opened(run)
    reading = pool.submit(read, run, handle, 10 * PAGE)
    assert held.reached.wait(PATIENCE)
    ending = pool.submit(jet.JetEndExternalBackupInstance, run.instance)
    held.go.set()
    assert reading.result(PATIENCE) == 10 * PAGE
    assert ending.result(PATIENCE) == jet.JET_errBackupAbortByCaller


def test_abrupt_termination_with_a_directory_backup_under_way(run, held, pool, tmp_path):
    target = tmp_path / "bk"
    target.mkdir()
    working = pool.submit(code_of, jet.JetBackupInstance, run.instance, str(target))
    assert held.reached.wait(PATIENCE)
    ending = pool.submit(code_of, jet.JetTerm, run.instance)
    while code_of(jet.JetGetAttachInfoInstance, run.instance) != jet.JET_errTermInProgress:
        pass
    held.go.set()
    assert working.result(PATIENCE) == jet.JET_errTermInProgress
    assert ending.result(PATIENCE) == 0
    assert list(target.iterdir()) == []


def test_begins_from_many_threads(run, pool):
    outcomes = sorted(pool.map(lambda _: begin(run), range(8)))
    assert outcomes == [jet.JET_errBackupInProgress] * 7 + [0]


def test_a_thousand_stops_beside_whole_backups(run, pool):
    """However a stop and the calls of a backup interleave: the backup is whole and stamped, or stopped and not."""
    over = threading.Event()

    def stopping() -> int:
        stops = 0
        while not over.is_set():
            jet.JetStopBackupInstance(run.instance)
            stops += 1
        return stops

    stopper = pool.submit(stopping)
    outcomes = set()
    try:
        for _ in range(50):
            try:
                outcomes.add(stream(run.instance).outcome)
            except jet.JetError as problem:
                assert problem.code == jet.JET_errBackupAbortByServer
                outcomes.add(jet.JetEndExternalBackupInstance(run.instance))
    finally:
        over.set()
    assert stopper.result(PATIENCE) > 0
    assert outcomes <= {0, jet.JET_errBackupAbortByServer}
    assert stream(run.instance).outcome == 0
    assert is_stamped(stamps(run).bkinfoFullPrev)
