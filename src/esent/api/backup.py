"""`Backup`: a streaming backup of an instance into a directory, from `Instance.backup`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from esent import jet
from esent.api.progress import Advance
from esent.api.progress import progress as show_progress
from esent.backup.directory import back_up
from esent.constants import grbits
from esent.engine import process
from esent.jet.handles import JET_INSTANCE

ProgressOption = bool | Callable[[int, int], None]


class Backup:
    """One backup. `run` takes it; `stop`, from any thread, ends it. Nothing is left of one that failed or was stopped.

    A full backup wants an empty or missing directory; `incremental` adds the logs since the last backup to the directory of a
    full one; `atomic` keeps the previous set until the new one is whole (in the subdirectory `new`).
    """

    def __init__(
        self,
        instance: JET_INSTANCE,
        destination: str | os.PathLike[str],
        *,
        incremental: bool = False,
        atomic: bool = False,
        progress: ProgressOption = False,
    ) -> None:
        self.destination = Path(destination).absolute()
        self._instance = instance
        self._grbit = grbits.JET_bitBackupIncremental * incremental | grbits.JET_bitBackupAtomic * atomic
        self._progress = progress
        self._sizes: dict[Path, int] = {}
        self._done: dict[Path, int] = {}

    def __enter__(self) -> Backup:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing to do: `run` has ended the backup, however it went."""

    def run(self) -> None:
        """Take the backup; returns when the set is whole and on stable storage.

        Raises the documented errors of JetBackupInstance, BackupAbortByServerError after a stop.
        """
        if callable(self._progress):
            self._run(self._progress)
        else:
            with show_progress(f"backing up to {self.destination.name}", quiet=not self._progress) as advance:
                self._run(advance)

    def _run(self, advance: Advance) -> None:
        def step(file: Path, done: int, size: int) -> None:
            self._sizes[file] = size
            self._done[file] = done
            advance(sum(self._done.values()), sum(self._sizes.values()))

        instance = process.resolve(self._instance)
        with instance.call():
            back_up(instance.backup, os.fspath(self.destination), self._grbit, progress=step)

    def stop(self) -> None:
        """JetStopBackupInstance: `run` raises BackupAbortByServerError at its next step, and removes what it made."""
        jet.JetStopBackupInstance(self._instance)

    @property
    def bytes_copied(self) -> int:
        return sum(self._done.values())

    @property
    def files(self) -> list[Path]:
        """What was copied so far, in order: the live paths."""
        return list(self._sizes)
