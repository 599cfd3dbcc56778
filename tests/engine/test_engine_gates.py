"""The gate a snapshot closes, and the locks on ranges of pages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from esent.engine.gates import RangeLock, WriteGate


def starts(call: Callable[[], None]) -> threading.Thread:
    worker = threading.Thread(target=call, daemon=True)
    worker.start()
    return worker


def waits(worker: threading.Thread) -> bool:
    worker.join(0.1)
    return worker.is_alive()


def test_freeze_waits_for_writers_and_keeps_others_out() -> None:
    gate = WriteGate()
    entered, leave, written = threading.Event(), threading.Event(), threading.Event()

    def writer() -> None:
        with gate.writing():
            entered.set()
            leave.wait(10)
            with gate.writing():  # again, while another thread is about to freeze
                written.set()

    first = starts(writer)
    assert entered.wait(10)
    freezer = starts(gate.freeze)
    assert waits(freezer)
    leave.set()
    first.join(10)
    freezer.join(10)
    assert written.is_set()
    assert not freezer.is_alive()

    def late() -> None:
        with gate.writing():
            pass

    second = starts(late)
    assert waits(second)
    starts(gate.thaw).join(10)
    second.join(10)
    assert not second.is_alive()


def test_two_freezes_want_two_thaws() -> None:
    gate = WriteGate()
    gate.freeze()
    gate.freeze()
    gate.thaw()

    def writer() -> None:
        with gate.writing():
            pass

    worker = starts(writer)
    assert waits(worker)
    gate.thaw()
    worker.join(10)
    assert not worker.is_alive()
    gate.thaw()  # one too many does no harm
    writer()


def test_ranges_that_overlap_wait() -> None:
    lock = RangeLock()
    seen: list[str] = []

    def hold(first: int, last: int, name: str) -> None:
        with lock.hold(first, last):
            seen.append(name)
            time.sleep(0.02)

    with lock.hold(10, 19):
        apart = starts(lambda: hold(20, 30, "apart"))
        apart.join(10)
        assert seen == ["apart"]
        overlapping = starts(lambda: hold(19, 25, "overlapping"))
        assert waits(overlapping)
        with lock.hold(15, 16):  # a thread does not wait for itself
            pass
        assert waits(overlapping)
    overlapping.join(10)
    assert seen == ["apart", "overlapping"]
