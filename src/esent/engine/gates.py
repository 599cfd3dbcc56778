"""Two locks the standard library lacks: a gate that a snapshot can close, and locks on ranges of pages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class WriteGate:
    """Everything that writes passes through; `freeze` waits for those inside and keeps others out until `thaw`.

    A thread that is inside may enter again, also while another is waiting to freeze.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside: dict[int, int] = {}
        self._closed = 0

    @property
    def closed(self) -> bool:
        """Whether those who come now have to wait."""
        return self._closed > 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        me = threading.get_ident()
        with self._condition:
            if me not in self._inside:
                self._condition.wait_for(lambda: not self._closed)
            self._inside[me] = self._inside.get(me, 0) + 1
        try:
            yield
        finally:
            with self._condition:
                self._inside[me] -= 1
                if not self._inside[me]:
                    del self._inside[me]
                    self._condition.notify_all()

    def freeze(self) -> None:
        """Returns when nobody is inside any more; the calling thread itself must not be."""
        with self._condition:
            self._closed += 1
            self._condition.wait_for(lambda: not self._inside)

    def thaw(self) -> None:
        """End a `freeze`; from any thread."""
        with self._condition:
            self._closed = max(0, self._closed - 1)
            self._condition.notify_all()


class RangeLock:
    """Exclusive locks on ranges of page numbers: those that overlap wait for each other, others do not."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._held: list[tuple[int, int, int]] = []

    @contextmanager
    def hold(self, first: int, last: int) -> Iterator[None]:
        """Hold pages first..last; a thread does not wait for ranges of its own."""
        entry = (first, last, threading.get_ident())
        with self._condition:
            self._condition.wait_for(lambda: self._is_free(entry))
            self._held.append(entry)
        try:
            yield
        finally:
            with self._condition:
                self._held.remove(entry)
                self._condition.notify_all()

    def _is_free(self, wanted: tuple[int, int, int]) -> bool:
        first, last, thread = wanted
        return all(last < low or high < first or thread == owner for low, high, owner in self._held)
