"""Counters of the calling thread (JetGetThreadStats): what it put into a log."""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

import threading


@cython.cclass
class Counters:
    """Numbers of one thread since it began."""

    log_records: int
    log_bytes: int

    def __init__(self) -> None:
        self.log_records = 0
        self.log_bytes = 0


class ThreadCounters(threading.local):
    """The counters of each thread."""

    def __init__(self) -> None:
        self.mine = Counters()


COUNTERS = ThreadCounters()


def thread_counters() -> Counters:
    """Those of the calling thread."""
    return COUNTERS.mine
