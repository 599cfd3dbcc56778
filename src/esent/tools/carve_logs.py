"""Rows in the records of a log: what was inserted, what was there before a change, and pages that were logged whole.

| record                   | what it holds                                                      |
|--------------------------|--------------------------------------------------------------------|
| Insert, FlagInsert...    | key and record as they were inserted                               |
| UndoInfo                 | the record before it was replaced or deleted, with its key          |
| Replace                  | the new record, without its key                                     |
| Split2, Merge2, PageMove | nodes of a page                                                     |

Whether the transaction was committed is known when its end is in the logs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.log import records as kinds
from esent.log.reader import LogFile
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.primitives import Lgpos
from esent.recovery.images import restore_image
from esent.tools.carve_pages import page_of

_WAITING_MOST = 20_000
_REPLACED, _FLAG_DELETED = 2, 3


class LogFind(NamedTuple):
    """A record of the database in the log: of which object, how it was found, its key (None where the log has none)."""

    objid: int
    how: str
    log: Path
    position: Lgpos
    key: bytes | None
    record: bytes
    committed: bool | None


class LogCarver:
    """Goes through logs in order. `problems`: logs that could not be read, or not to their end."""

    def __init__(self, page_size: int, dbid: int, *, files: FileSystem = FILES) -> None:
        self._page_size = page_size
        self._dbid = dbid
        self._files = files
        self._waiting: deque[tuple[int, int, LogFind]] = deque()  # (session, level, find), transactions not yet ended
        self.problems: list[tuple[Path, JetError]] = []

    def run(self, paths: list[Path]) -> Iterator[LogFind]:
        """All finds; those of a transaction when its end is known, or in the end."""
        for path in self._ordered(paths):
            try:
                with LogFile(path, files=self._files) as log:
                    for position, record in log.records():
                        yield from self._record(path, position, record)
                    if log.end.damage is not None:
                        what = f"read up to segment {log.end.last}, where it is damaged"
                        self.problems.append((path, jet_error(codes.JET_errLogFileCorrupt, what, file=path)))
            except JetError as problem:
                self.problems.append((path, problem))
        while self._waiting:
            yield self._waiting.popleft()[2]

    def _ordered(self, paths: list[Path]) -> list[Path]:
        """By generation; a log that cannot be opened comes last and is told when it is tried again."""
        found = []
        for path in paths:
            try:
                with LogFile(path, files=self._files) as log:
                    found.append((log.generation, str(path), path))
            except JetError:
                found.append((1 << 40, str(path), path))
        return [path for _, _, path in sorted(found)]

    def _record(self, path: Path, position: Lgpos, record: kinds.Record) -> Iterator[LogFind]:
        if isinstance(record, kinds.Commit0):
            yield from self._ended(record.procid, 0, committed=True)
        elif isinstance(record, kinds.Rollback):
            levels = [level for session, level, _ in self._waiting if session == record.procid]
            yield from self._ended(record.procid, max(levels, default=0) - record.level_rollback, committed=False)
        elif isinstance(record, kinds.PageRecord) and record.dbid == self._dbid:
            for objid, how, key, data in self._rows(record):
                found = LogFind(objid, how, path, position, key, data, None)
                if isinstance(record, kinds.NodeRecord) and record.level:
                    self._waiting.append((record.procid, record.level, found))
                else:
                    yield found
            while len(self._waiting) > _WAITING_MOST:
                yield self._waiting.popleft()[2]

    def _ended(self, session: int, above: int, *, committed: bool) -> Iterator[LogFind]:
        """What waits of a session on levels above one has come to its end."""
        kept: deque[tuple[int, int, LogFind]] = deque()
        while self._waiting:
            each = self._waiting.popleft()
            if each[0] == session and each[1] > above:
                yield each[2]._replace(committed=committed)
            else:
                kept.append(each)
        self._waiting = kept

    def _rows(self, record: kinds.PageRecord) -> Iterator[tuple[int, str, bytes | None, bytes]]:
        if isinstance(record, kinds.Insert):
            yield record.objid_fdp, "log insert", record.prefix + record.suffix, record.data
        elif isinstance(record, kinds.FlagInsert | kinds.FlagInsertAndReplaceData):
            yield record.objid_fdp, "log insert", record.key, record.data
        elif isinstance(record, kinds.UndoInfo) and record.oper in (_REPLACED, _FLAG_DELETED):
            yield record.objid_fdp, "log before image", record.key, record.data
        elif isinstance(record, kinds.Replace) and not isinstance(record, kinds.ReplaceD):
            yield record.objid_fdp, "log replace", None, record.data
        elif isinstance(record, kinds.Split2 | kinds.Merge2) and record.image:
            yield from self._image(record.image, record.image_flags, record.pgno)
        elif isinstance(record, kinds.PageMove) and len(record.page_header) + len(record.page_trailer) <= self._page_size:
            gap = self._page_size - len(record.page_header) - len(record.page_trailer)
            yield from self._image(record.page_header + bytes(gap) + record.page_trailer, 0, record.pgno)

    def _image(self, image: bytes, flags: int, pgno: int) -> Iterator[tuple[int, str, bytes | None, bytes]]:
        try:
            page = page_of(restore_image(image, flags, self._page_size, pgno), pgno)
        except JetError:
            return
        if page is None or not page.is_leaf or page.is_space or page.is_index or page.is_long_value:
            return
        for _, key, data in page.entries():
            yield page.objid, "log page image", key, data


__all__ = ["LogCarver", "LogFind"]
