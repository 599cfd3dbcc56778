"""`esent stop-backup`: a backup that another process takes ends in the documented way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import esent as api
from esent.backup.directory import stop_request


@pytest.fixture
def db(tmp_path: Path) -> api.Database:
    found = api.open(tmp_path / "live" / "a.edb")
    table = found.create_table("rows", {"data": api.LongBinary()})
    table.insert_many([{"data": bytes(3000)} for _ in range(900)])
    return found


def held(db: api.Database, destination: Path, **options: bool) -> tuple[threading.Thread, threading.Event, list[Any]]:
    """A backup in a thread that waits in its first step; what lets it go on; what it raised."""
    begun, go_on = threading.Event(), threading.Event()
    raised: list[Any] = []

    def step(_done: int, _all: int) -> None:
        begun.set()
        go_on.wait()

    def work() -> None:
        try:
            db.backup(destination, progress=step, **options).run()
        except api.JetError as problem:
            raised.append(problem)

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    return thread, go_on, raised


@pytest.mark.parametrize("atomic", [False, True])
def test_it_stops_and_leaves_nothing(
    esent: Callable[..., Any], db: api.Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, atomic: bool
) -> None:
    destination = tmp_path / "set"
    thread, go_on, raised = held(db, destination, atomic=atomic)
    monkeypatch.setattr("esent.cli.stop_backup.time.sleep", lambda _seconds: go_on.set())
    done = esent("stop-backup", "--json", destination)
    thread.join()
    assert done.status == 0, done.err
    assert json.loads(done.out)["stopped"] is True
    assert [type(each) for each in raised] == [api.BackupAbortByServerError]
    assert not destination.exists()
    assert not stop_request(destination).exists()
    db.backup(destination, atomic=atomic).run()
    assert api.restore(destination, tmp_path / "restored").databases
    db.close()


def test_there_is_none(esent: Callable[..., Any], tmp_path: Path) -> None:
    done = esent("stop-backup", tmp_path / "set")
    assert done.status == 1
    assert "no backup into" in done.err


def test_one_that_does_not_answer(esent: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "set" / "temp").mkdir(parents=True)
    done = esent("stop-backup", "--wait", "0", tmp_path / "set")
    assert done.status == 1
    assert "may be gone" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_request_that_came_too_late_stops_no_other_backup(db: api.Database, tmp_path: Path) -> None:
    stop_request(tmp_path / "set").touch()
    db.backup(tmp_path / "set").run()
    assert not stop_request(tmp_path / "set").exists()
    db.close()
