"""What a recovery tells its callback, in the order and number of the original (behaviours 17, 18)."""

from __future__ import annotations

from esent.constants import grbits
from esent.errors import jet_error
from esent.pages.primitives import LGPOS_MIN, Lgpos
from esent.recovery.options import Callback, Progress, RecoveryControl

_COPY_SHARE = 10
"""A database that is copied back counts as one log in so many, or as one."""
_PERCENT = 100


class Events:
    """Speaks to the callback. Whatever negative value it returns ends the recovery with that error."""

    def __init__(self, callback: Callback | None) -> None:
        self.callback = callback
        self._done = 0  # logs and copies that are done, of so many
        self._expected = 1
        self._segments = 0  # in each log; 0 where there are so many logs that only they are counted
        self._told = 0

    def _call(self, snp: int, snt: int, about: object, default: int = 0) -> int:
        if self.callback is None:
            return default
        answer = self.callback(snp, snt, about)
        result = default if answer is None else answer
        if result < 0 and default >= 0:
            raise jet_error(result, "the status callback ended the recovery")
        return result

    def control(
        self,
        snt: int,
        *,
        default: int = 0,
        generation: int = 0,
        lgpos: Lgpos = LGPOS_MIN,
        path: object = "",
        database: object = "",
    ) -> int:
        """A recovery-control event; returns what stands: 0, or an error the callback did not take away."""
        about = RecoveryControl(snt, default, generation, lgpos, str(path), database=str(database))
        return self._call(grbits.JET_snpRecoveryControl, snt, about, default)

    def open_log(self, generation: int, path: object) -> None:
        self.control(grbits.JET_sntOpenLog, generation=generation, path=path)

    def missing_log(self, generation: int, path: object, *, default: int) -> None:
        """The log behind the last one is not there; raises `default` unless that is 0 or the callback takes it away."""
        verdict = self.control(grbits.JET_sntMissingLog, default=default, generation=generation, path=path)
        if verdict < 0:
            raise jet_error(verdict, "the log that follows is missing", file=str(path))

    def attached(self, database: object) -> None:
        self.control(grbits.JET_sntAttachedDb, database=database)

    def detaching(self, database: object) -> None:
        self.control(grbits.JET_sntDetachingDb, database=database)

    def begin(self, first: int, last: int, segments: int, *, copying: bool = False) -> None:
        """Redo of the generations first..last, logs of `segments` each, is about to begin; `copying`: so are copies."""
        self._done = self._told = 0
        self._expected = max(1, last - first + 1)
        counted = (_PERCENT - (_PERCENT // _COPY_SHARE if copying else 0)) * 2 / 3
        self._segments = segments if self._expected < counted else 0
        self._call(grbits.JET_snpRestore, grbits.JET_sntBegin, Progress(0))

    def copied(self, databases: int) -> None:
        """One of so many databases is in its place."""
        share = max(1, self._expected // (_COPY_SHARE * max(1, databases)))
        self._expected += share
        self._done += share
        self._tell(share * _PERCENT // self._expected)

    def next_log(self) -> None:
        """Redo enters a log, and is not at the first."""
        self._done += 1
        self._tell(self._done * _PERCENT // self._expected)

    def segment(self, isec: int) -> None:
        """Redo has reached the records of a segment."""
        if self._segments:
            within = isec * _PERCENT // (self._segments * self._expected)
            self._tell(self._done * _PERCENT // self._expected + within)

    def _tell(self, percent: int) -> None:
        if min(percent, _PERCENT) > self._told:
            self._told = min(percent, _PERCENT)
            self._call(grbits.JET_snpRestore, grbits.JET_sntProgress, Progress(self._told))

    def notify(self) -> None:
        self.control(grbits.JET_sntNotificationEvent)

    def complete(self) -> None:
        self._call(grbits.JET_snpRestore, grbits.JET_sntComplete, Progress(_PERCENT))
