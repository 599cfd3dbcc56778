"""Sessions and versions as redo rebuilds them from the log: enough to roll every open transaction back.

Facts: `reference/log-and-recovery.md` 4.5.1, 4.5.2 ("Version store first, page second"), 4.8. A version remembers what undo
needs: the bookmark, and for a replace the data before it. Where the page already held the change, the before image is no
longer there; the version is then deferred until its UndoInfo record comes by.

Most versions are of inserts that are committed soon after, and all there is to know of these stands in the record: what is kept
is the record, and it becomes a `Version` when somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from esent.constants import codes
from esent.errors import jet_error
from esent.log import kinds
from esent.log.records import NodeRecord, Record, decode

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


Kept = tuple[int, bytes]
"""(order, record): an insert as it was logged."""


def make_version(record: NodeRecord, rceid: int, oper: int, key: bytes, data: bytes, order: int) -> Version:
    """The version of a change to the node with that key and data."""
    unique = bool(record.flags & kinds.UNIQUE)
    return Version(
        rceid,
        record.dbid,
        record.pgno_fdp,
        record.objid_fdp,
        unique,
        oper,
        key,
        b"" if unique else data,
        order,
        record.trx_begin0,
    )


def unfold(version: Version | Kept) -> Version:
    if not isinstance(version, tuple):
        return version
    record: Any = decode(version[1])[0]
    key = record.prefix + record.suffix if record.kind == kinds.INSERT else record.key
    return make_version(record, record.rceid, kinds.OPER_INSERT, key, record.data, version[0])


def version_size(version: Version | Kept) -> int:
    """What a version counts for in the limit of all versions."""
    if isinstance(version, tuple):
        return 200 + len(version[1])
    return 200 + len(version.key) + len(version.bookmark_data) + len(version.before)


@dataclass(slots=True)
class Session:
    """What is known of one procid. `started` is set by its first Begin0; what it logged before belongs to finished work."""

    procid: int
    started: bool = False
    level: int = 0
    trx_begin0: int = 0
    levels: list[dict[int, Version | Kept]] = field(default_factory=list)
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
                level[rceid] = found = unfold(version)
                return found
        return None

    def drop(self, rceid: int) -> Version | Kept | None:
        """Forget the version; it is undone."""
        self.deferred.pop(rceid, None)
        for level in reversed(self.levels):
            version = level.pop(rceid, None)
            if version is not None:
                return version
        return None

    def newest_first(self) -> list[Version]:
        """All versions of the innermost level, newest first."""
        if not self.levels:
            return []
        return sorted((unfold(version) for version in self.levels[-1].values()), key=lambda version: -version.order)

    def versions(self) -> Iterator[Version]:
        """All versions of all levels."""
        for level in self.levels:
            yield from (unfold(version) for version in level.values())


class SessionTable:
    """All sessions by procid, and the size of what they hold."""

    def __init__(self, version_bytes: int) -> None:
        self.sessions: dict[int, Session] = {}
        self.version_bytes = version_bytes
        self.held = 0  # bytes the versions count for
        self.order = 0  # of the last version

    def __iter__(self) -> Iterator[Session]:
        return iter(sorted(self.sessions.values(), key=lambda session: session.procid))

    def get(self, procid: int) -> Session:
        session = self.sessions.get(procid)
        if session is None:
            session = self.sessions[procid] = Session(procid)
        return session

    def next_order(self) -> int:
        self.order += 1
        return self.order

    def add(self, session: Session, version: Version, level: int) -> None:
        """Put a version at `level` of the session (or its own, if that is lower)."""
        level = min(level, session.level)
        if level < 1:
            return
        self.put(session.levels[level - 1], version.rceid, version)

    def put(self, level: dict[int, Version | Kept], rceid: int, version: Version | Kept) -> None:
        """Put a version among those of a level. JET_errVersionStoreOutOfMemory beyond what all may take."""
        self.held += version_size(version)
        if rceid in level:
            self.held -= version_size(level[rceid])
        if self.held > self.version_bytes:
            raise jet_error(
                codes.JET_errVersionStoreOutOfMemory,
                f"the open transactions in the log need more than {self.version_bytes} bytes",
            )
        level[rceid] = version

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

    def release(self, level: dict[int, Version | Kept]) -> None:
        for version in level.values():
            if not isinstance(version, tuple):
                version.pending = False
            self.held -= version_size(version)

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
