"""Counters of the calling thread (JetGetThreadStats): what it put into a log."""

from __future__ import annotations

import threading


class ThreadCounters(threading.local):
    """Numbers of one thread since it began."""

    def __init__(self) -> None:
        self.counts = [0, 0]  # records, bytes: one look-up in what belongs to the thread, instead of one for each number

    @property
    def log_records(self) -> int:
        return self.counts[0]

    @property
    def log_bytes(self) -> int:
        return self.counts[1]


_COUNTERS = ThreadCounters()


def thread_counters() -> ThreadCounters:
    return _COUNTERS
