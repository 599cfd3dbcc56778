"""Ctrl-C at any moment: a transaction is whole or none, and the database goes on."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import esent

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="the system cannot interrupt a thread")

Content = dict[int, bytes]


@pytest.fixture(autouse=True)
def python_handler() -> Any:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def press_after(seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


def planned(chosen: random.Random, content: Content) -> Content:
    """What the content is to be after the next transaction."""
    after = dict(content)
    for _ in range(chosen.randrange(1, 8)):
        number = chosen.randrange(60)
        if number in after and chosen.random() < 0.3:
            del after[number]
        else:
            after[number] = bytes([chosen.randrange(256)]) * chosen.choice((10, 700, 3000))
    return after


def change(db: esent.Database, before: Content, after: Content) -> None:
    rows = db["rows"]
    with db.transaction():
        for number in before.keys() - after.keys():
            rows.delete(number)
        for number, data in after.items():
            if number not in before:
                rows.insert(id=number, data=data, name=f"n{number % 7}")
            elif before[number] != data:
                rows.update(number, data=data)


def test_a_transaction_is_whole_or_none(tmp_path: Path) -> None:
    chosen = random.Random(1)
    content: Content = {}
    interrupted = 0
    with esent.open(tmp_path / "a.edb", log_file_size=64 * 1024, parameters={"CacheSizeMax": 64}) as db:
        columns = {"id": esent.Int64(), "data": esent.LongBinary(), "name": esent.Text()}
        db.create_table("rows", columns, primary_key="id", indexes={"by_name": "+name"})
        for _ in range(60):
            after = planned(chosen, content)
            try:
                timer = press_after(chosen.random() * 0.02)
                change(db, content, after)
                timer.join()
                time.sleep(5)  # the interrupt ends it
            except KeyboardInterrupt:
                interrupted += 1
            assert not db.in_transaction
            found = dict(db["rows"].rows(["id", "data"]))
            assert found in (content, after)
            assert sorted(row.id for row in db["rows"].index("by_name")) == sorted(found)
            content = found
    assert interrupted == 60
    assert esent.verify(tmp_path / "a.edb").ok


def test_a_handler_of_the_program_stays(tmp_path: Path) -> None:
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: pressed.append(number))
    try:
        with esent.open(tmp_path / "a.edb") as db:
            os.kill(os.getpid(), signal.SIGINT)
            assert db.tables == []
        assert pressed == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_calls_are_looked_after_again_when_the_program_has_put_pythons_handler_back(tmp_path: Path) -> None:
    with esent.open(tmp_path / "one" / "a.edb"):
        ours = signal.signal(signal.SIGINT, signal.default_int_handler)
        assert ours is not signal.default_int_handler
        with esent.open(tmp_path / "other" / "b.edb"):
            assert signal.getsignal(signal.SIGINT) == ours


def test_an_instance_of_another_thread_is_looked_after_as_far_as_possible(tmp_path: Path) -> None:
    made: list[esent.Database] = []
    thread = threading.Thread(target=lambda: made.append(esent.open(tmp_path / "a.edb")))
    thread.start()
    thread.join()
    made[0].create_table("t", {"a": esent.Int32()}, primary_key="a").insert_many([{"a": number} for number in range(5)])
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)  # the interrupt ends it
    assert sorted(row.a for row in made[0]["t"]) == list(range(5))
    made[0].close()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert esent.verify(tmp_path / "a.edb").ok
