"""Counters of the calling thread (JetGetThreadStats): what it put into a log."""

from __future__ import annotations

import threading


class ThreadCounters(threading.local):
    """Numbers of one thread since it began."""

    log_records: int = 0
    log_bytes: int = 0

    def count_record(self, size: int) -> None:
        self.log_records += 1
        self.log_bytes += size


_COUNTERS = ThreadCounters()


def thread_counters() -> ThreadCounters:
    return _COUNTERS
