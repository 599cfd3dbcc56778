"""Sessions and versions as redo rebuilds them from the log: enough to roll every open transaction back.

Facts: `reference/log-and-recovery.md` 4.5.1, 4.5.2 ("Version store first, page second"), 4.8. A version remembers what undo
needs: the bookmark, and for a replace the data before it. Where the page already held the change, the before image is no
longer there; the version is then deferred until its UndoInfo record comes by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from esent.constants import codes
from esent.errors import jet_error
from esent.log.records import Record
from esent.pages.primitives import LGPOS_MIN, Lgpos

MACRO_RECORD_LIMIT = 4096  # a macro has a few records for each level of a tree, RootPageMove one for each child of a table


@dataclass(slots=True, eq=False)
class Version:
    """One undoable change. `before` is the old data of a replace; `pending`: no UndoInfo is in the log yet."""

    rceid: int
    dbid: int
    pgno_fdp: int
    objid_fdp: int
    unique: bool
    oper: int
    key: bytes
    bookmark_data: bytes
    order: int
    trx_begin0: int
    before: bytes = b""
    delta: int = 0
    data_offset: int = 0
    pending: bool = False


@dataclass(slots=True)
class Session:
    """What is known of one procid. `started` is set by its first Begin0; what it logged before belongs to finished work."""

    procid: int
    started: bool = False
    level: int = 0
    trx_begin0: int = 0
    lgpos_start: Lgpos = LGPOS_MIN
    levels: list[dict[int, Version]] = field(default_factory=list)
    deferred: dict[int, int] = field(default_factory=dict)
    macros: dict[int, list[Record]] = field(default_factory=dict)

    def begin(self, level_from: int, count: int) -> None:
        self.level = level_from + count
        while len(self.levels) < self.level:
            self.levels.append({})

    def commit_to(self, level: int) -> None:
        """Versions of the deeper levels now belong to `level`."""
        while len(self.levels) > level:
            deeper = self.levels.pop()
            if level:
                self.levels[level - 1].update(deeper)
        self.level = min(self.level, level)

    def find(self, rceid: int) -> Version | None:
        for level in reversed(self.levels):
            version = level.get(rceid)
            if version is not None:
                return version
        return None

    def drop(self, rceid: int) -> Version | None:
        """Forget the version; it is undone."""
        self.deferred.pop(rceid, None)
        for level in reversed(self.levels):
            version = level.pop(rceid, None)
            if version is not None:
                return version
        return None

    def newest_first(self) -> list[Version]:
        """All versions of the innermost level, newest first."""
        return sorted(self.levels[-1].values(), key=lambda version: -version.order) if self.levels else []


class SessionTable:
    """All sessions by procid, and the size of what they hold."""

    def __init__(self, version_bytes: int) -> None:
        self.sessions: dict[int, Session] = {}
        self.version_bytes = version_bytes
        self._held = 0
        self._order = 0

    def __iter__(self) -> Iterator[Session]:
        return iter(sorted(self.sessions.values(), key=lambda session: session.procid))

    def get(self, procid: int) -> Session:
        session = self.sessions.get(procid)
        if session is None:
            session = self.sessions[procid] = Session(procid)
        return session

    def next_order(self) -> int:
        self._order += 1
        return self._order

    def add(self, session: Session, version: Version, level: int) -> None:
        """Put a version at `level` of the session (or its own, if that is lower)."""
        level = min(level, session.level)
        if level < 1:
            return
        self._held += 200 + len(version.key) + len(version.bookmark_data) + len(version.before)
        if self._held > self.version_bytes:
            raise jet_error(
                codes.JET_errVersionStoreOutOfMemory,
                f"the open transactions in the log need more than {self.version_bytes} bytes",
            )
        session.levels[level - 1][version.rceid] = version

    def commit(self, session: Session) -> None:
        """The outermost commit: nothing of the transaction can be undone any more."""
        for level in session.levels:
            self.release(level)
        session.levels.clear()
        session.deferred.clear()
        session.level = 0

    def rollback(self, session: Session, count: int) -> None:
        """The `count` innermost levels are undone; drop what is left of them."""
        for _ in range(min(count, session.level)):
            self.release(session.levels.pop())
            session.level -= 1
        if not session.level:
            session.deferred.clear()

    def release(self, level: dict[int, Version]) -> None:
        for version in level.values():
            version.pending = False
            self._held -= 200 + len(version.key) + len(version.bookmark_data) + len(version.before)

    def undone(self, session: Session, rceid: int) -> None:
        version = session.drop(rceid)
        if version is not None:
            self.release({rceid: version})

    def clear(self) -> None:
        """Every session has ended."""
        for session in self.sessions.values():
            for level in session.levels:
                self.release(level)
        self.sessions.clear()

    def open_transactions(self) -> bool:
        return any(session.level for session in self.sessions.values())
