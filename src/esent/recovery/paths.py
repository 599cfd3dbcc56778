"""From a path in the log to a file the caller allows (`reference/log-and-recovery.md` 7.4, behaviour 15).

A log is outside data: a path in it is opened only where the caller's map, alternate folder or own folders lead to it.
"""

from __future__ import annotations

import ntpath
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from esent.constants import grbits
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.pages.primitives import Signature
from esent.recovery.options import MapEntry, RecoveryOptions


@dataclass(slots=True)
class Found:
    """Where a logged database is to be looked for; `path` None: nowhere."""

    path: Path | None = None
    skipped: bool = False
    mapped: bool = False
    grbit: int = 0
    ignore_missing: bool = False


def bare_name(logged: str) -> str:
    """The file name at the end of a logged path, whichever system wrote it."""
    return PurePosixPath(ntpath.basename(logged)).name


def same_path(first: str, second: str) -> bool:
    """Whether two logged paths are the same, case and kind of slash aside."""
    return ntpath.normcase(ntpath.normpath(first)) == ntpath.normcase(ntpath.normpath(second))


class PathResolver:
    def __init__(self, options: RecoveryOptions) -> None:
        self.options = options
        self._signatures: dict[Path, Signature] = {}

    def find(self, logged: str, sign_db: Signature, *, creating: bool = False) -> Found:
        """Where the database of that logged path and signature is, or is to be made."""
        options = self.options
        name = bare_name(logged)
        if options.alternate_path is not None:
            if not name or name in (".", ".."):
                return Found()
            return Found(options.alternate_path / name, mapped=True)
        if options.restore_map is not None:
            entry = self._entry(logged, sign_db, options.restore_map)
            if entry is not None:
                return Found(Path(entry.new), mapped=True, grbit=entry.grbit)
            if not options.grbit & grbits.JET_bitReplayMissingMapEntryDB:
                return Found(skipped=True)
        return Found(self._allowed(logged))

    def _entry(self, logged: str, sign_db: Signature, entries: list[MapEntry]) -> MapEntry | None:
        for entry in entries:
            if same_path(entry.old, logged):
                return entry
        for entry in entries:
            if sign_db and self._signature(entry.new) == sign_db:
                return entry
        name = bare_name(logged).lower()
        for entry in entries:
            if not self.options.files.exists(entry.new) and bare_name(entry.old).lower() == name:
                return entry
        return None

    def _signature(self, path: Path) -> Signature:
        if path not in self._signatures:
            try:
                with DatabaseFile(path, files=self.options.files) as file:
                    self._signatures[path] = file.header.sign_db
            except JetError:
                self._signatures[path] = Signature()
        return self._signatures[path]

    def _allowed(self, logged: str) -> Path | None:
        """The path itself, if the caller's folders or the instance's trust allow it."""
        options = self.options
        if not logged or (os.name == "posix" and ("\\" in logged or logged[1:2] == ":")):
            return None
        path = Path(os.path.normpath(options.log_path / logged))
        if options.trust_logged_paths:
            return path
        # links are followed before the comparison: what counts is the file that would be written
        real = Path(os.path.realpath(path))
        for root in (options.log_path, options.checkpoint_path, *options.roots):
            if real.is_relative_to(os.path.realpath(root)):
                return path
        return None
