"""Counters of the calling thread (JetGetThreadStats): what it put into a log."""

from __future__ import annotations

import threading


class ThreadCounters(threading.local):
    """Numbers of one thread since it began."""

    def __init__(self) -> None:
        self._counts = [0, 0]  # one look-up in what belongs to the thread, instead of one for each number

    @property
    def log_records(self) -> int:
        return self._counts[0]

    @property
    def log_bytes(self) -> int:
        return self._counts[1]

    def count_record(self, size: int) -> None:
        counts = self._counts
        counts[0] += 1
        counts[1] += size


_COUNTERS = ThreadCounters()


def thread_counters() -> ThreadCounters:
    return _COUNTERS
