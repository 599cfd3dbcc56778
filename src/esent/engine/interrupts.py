"""Ctrl-C waits for the end of the call it meets.

A KeyboardInterrupt comes between any two steps of Python. Between the log record of a change and the change of its page it
would leave pages that are not what the log says. While instances run, and as far as nobody has put a handler of his own in
place of Python's, an interrupt that meets the main thread in a call is therefore tried again a little later, until it meets
it outside. Backups, recovery and tools can be interrupted anywhere.
"""

from __future__ import annotations

import _thread
import signal
import threading
import time
from collections.abc import Iterable
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from esent.engine.instance import Instance

AGAIN_AFTER = 0.002  # seconds
PATIENCE = 10.0  # seconds after which another Ctrl-C is taken at its word
_WHOLE = frozenset({"catalog", "engine", "jet", "log", "pages", "tree", "versions"})
_WHOLE_MODULES = frozenset({"esent.api.database", "esent.api.sessions"})
_FREE = frozenset({"backup", "recovery", "tools"})


class Interrupts:
    """The handler of SIGINT while instances run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[Instance] = set()
        self._waiting_since: float | None = None
        self._is_ours = False  # the interrupt under way is one that is tried again

    def watch(self, instance: Instance) -> None:
        """Look after the calls of an instance from now on; where a thread other than the main one asks, as far as possible."""
        with self._lock:
            self._running.add(instance)
            if _is_main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                signal.signal(signal.SIGINT, self._handle)

    def forget(self, instance: Instance) -> None:
        """The instance has ended; with the last one Python's own handler comes back, unless somebody has put another one."""
        with self._lock:
            self._running.discard(instance)
            if not self._running and _is_main_thread() and signal.getsignal(signal.SIGINT) == self._handle:
                signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        tried_again, self._is_ours = self._is_ours, False
        since = self._waiting_since
        now = time.monotonic()
        forced = since is not None and not tried_again and now - since > PATIENCE
        if not forced and _in_a_call(list(self._running), frame):
            if since is None or tried_again:
                self._waiting_since = since or now
                timer = threading.Timer(AGAIN_AFTER, self._try_again)
                timer.daemon = True
                timer.start()
            return
        self._waiting_since = None
        signal.default_int_handler(number, frame)

    def _try_again(self) -> None:
        self._is_ours = True
        ident = threading.main_thread().ident
        if hasattr(signal, "pthread_kill") and ident is not None:
            signal.pthread_kill(ident, signal.SIGINT)  # wakes it if it waits for something
        else:
            _thread.interrupt_main(signal.SIGINT)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _in_a_call(instances: Iterable[Instance], frame: FrameType | None) -> bool:
    """Whether the calling thread is where a call must not be left; `frame` is where it stands."""
    me = threading.get_ident()
    if any(instance.holds_lock() for instance in instances):
        return True
    whole = any(instance.is_called_by(me) for instance in instances)  # compiled modules have no frames
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith("esent."):
            part = name.split(".", 2)[1]
            if part in _FREE:
                return False
            whole = whole or part in _WHOLE or name in _WHOLE_MODULES
        frame = frame.f_back
    return whole


INTERRUPTS = Interrupts()

__all__ = ["INTERRUPTS", "Interrupts"]
