"""What a recovery tells its callback, in the order and number of the original (behaviours 17, 18)."""

from __future__ import annotations

from esent.constants import grbits
from esent.errors import jet_error
from esent.pages.primitives import LGPOS_MIN, Lgpos
from esent.recovery.options import Callback, Progress, RecoveryControl


class Events:
    """Speaks to the callback. Whatever negative value it returns ends the recovery with that error."""

    def __init__(self, callback: Callback | None) -> None:
        self.callback = callback
        self._first = 0
        self._segments = 0  # in each log
        self._total = 1
        self._last = 0

    def _call(self, snp: int, snt: int, about: object, default: int = 0) -> int:
        if self.callback is None:
            return default
        answer = self.callback(snp, snt, about)
        result = default if answer is None else answer
        if result < 0 and default >= 0:
            raise jet_error(result, "the status callback ended the recovery")
        return result

    def control(self, snt: int, *, default: int = 0, generation: int = 0, lgpos: Lgpos = LGPOS_MIN, path: object = "") -> int:
        """A recovery-control event; returns what stands: 0, or an error the callback did not take away."""
        about = RecoveryControl(snt, default, generation, lgpos, str(path))
        return self._call(grbits.JET_snpRecoveryControl, snt, about, default)

    def open_log(self, generation: int, path: object) -> None:
        self.control(grbits.JET_sntOpenLog, generation=generation, path=path)

    def begin(self, first: int, last: int, segments: int) -> None:
        """Redo of the generations first..last, logs of `segments` each, is about to begin."""
        self._first = first
        self._segments = segments
        self._total = max(1, (last - first + 1) * segments)
        self._last = 0
        self._call(grbits.JET_snpRestore, grbits.JET_sntBegin, Progress(0))

    def segment(self, generation: int, isec: int) -> None:
        """Redo enters a segment."""
        done = min(99, ((generation - self._first) * self._segments + isec) * 100 // self._total)
        if done > self._last:
            self._last = done
            self._call(grbits.JET_snpRestore, grbits.JET_sntProgress, Progress(done))

    def notify(self) -> None:
        self.control(grbits.JET_sntNotificationEvent)

    def complete(self) -> None:
        self._call(grbits.JET_snpRestore, grbits.JET_sntComplete, Progress(100))
