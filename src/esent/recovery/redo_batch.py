"""The hot loop of redo: what most records of a log are, applied without becoming objects.

`apply_batch` takes the records of a segment as the reader found them and applies the plain ones itself; at the first one that
is something else, or stands in a special place, it stops, and `redo.Redo` applies that one. What it does is what the handlers
of `redo_nodes` and `redo.Redo` do with the same records.

| record           | read here (`log/records_pages.py`, `log/records_session.py`, whose layout this is)                     |
|------------------|---------------------------------------------------------------------------------------------------------|
| LRNODE_          | `_read_head`                                                                                            |
| Insert           | sizes of suffix, prefix, data u16@44, u16@46, u16@48; prefix, suffix, data @50                          |
| FlagInsert       | sizes of key and data, not looked at                                                                    |
| FlagDelete, Delete | nothing else                                                                                          |
| Replace          | size u16@44 (bit 15: wide, of a difference), data @50                                                   |
| Undo             | sizes of key and data u16@44, u16@46, operation u16@48                                                  |
| UndoInfo         | nothing else: the before image is known here                                                            |
| Begin, Begin0    | procid u16@1, levels u8@3 (low nibble from, high nibble how many), Begin0: trxBegin0 u32@4              |
| Commit, Commit0  | procid u16@1, level u8@3                                                                                |
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.constants import codes
from esent.errors import jet_error
from esent.log import kinds
from esent.pages.edit import NODE_DELETED, NODE_VERSIONED
from esent.recovery.sessions import Version, version_size

if TYPE_CHECKING:
    from esent.log.reader import Entry
    from esent.recovery.redo import Redo

_NODE_HEAD = struct.Struct("<xHBIqqIBHBIII")
_DBTIME_LIMIT: cython.longlong = 1 << 62
_HEAD_SIZE: cython.Py_ssize_t = 44
_INSERT: cython.int = kinds.INSERT
_FLAG_INSERT: cython.int = kinds.FLAG_INSERT
_FLAG_DELETE: cython.int = kinds.FLAG_DELETE
_REPLACE: cython.int = kinds.REPLACE
_DELETE: cython.int = kinds.DELETE
_UNDO: cython.int = kinds.UNDO
_UNDO_INFO: cython.int = kinds.UNDO_INFO
_BEGIN: cython.int = kinds.BEGIN
_BEGIN0: cython.int = kinds.BEGIN0
_COMMIT: cython.int = kinds.COMMIT
_COMMIT0: cython.int = kinds.COMMIT0
_OPER_INSERT: cython.int = kinds.OPER_INSERT
_OPER_REPLACE: cython.int = kinds.OPER_REPLACE
_OPER_FLAG_DELETE: cython.int = kinds.OPER_FLAG_DELETE
_VERSIONED: cython.int = kinds.VERSIONED
_UNIQUE: cython.int = kinds.UNIQUE
_NODE_VERSIONED: cython.int = NODE_VERSIONED
_NODE_DELETED: cython.int = NODE_DELETED


@cython.cfunc
@cython.inline
@cython.boundscheck(False)
@cython.wraparound(False)
def _u16(data: bytes, offset: cython.Py_ssize_t) -> cython.longlong:
    low: cython.longlong = data[offset]
    high: cython.longlong = data[offset + 1]
    return low | high << 8


@cython.cfunc
@cython.inline
def _u32(data: bytes, offset: cython.Py_ssize_t) -> cython.longlong:
    return _u16(data, offset) | _u16(data, offset + 2) << 16


@cython.cfunc
@cython.inline
def _i64(data: bytes, offset: cython.Py_ssize_t) -> cython.longlong:
    high: cython.longlong = _u32(data, offset + 4)
    if high >= 0x80000000:
        high -= 0x100000000
    return _u32(data, offset) + high * 0x100000000


@cython.cfunc
@cython.inline
@cython.boundscheck(False)
@cython.wraparound(False)
def _page_dbtime(image: bytearray) -> cython.longlong:
    if not cython.compiled:
        return int.from_bytes(image[8:16], "little", signed=True)
    value: cython.longlong = image[15]
    i: cython.Py_ssize_t
    if value >= 0x80:
        value -= 0x100
    for i in range(14, 7, -1):
        value = value * 256 + image[i]
    return value


@cython.cfunc
@cython.inline
def _slice(data: bytes, start: cython.Py_ssize_t, end: cython.Py_ssize_t) -> bytes:
    """For bounds that are known to lie inside."""
    if cython.compiled:
        source: cython.p_char = cython.cast(cython.p_char, data)
        return source[start:end]  # type: ignore[index,return-value]
    return data[start:end]


@cython.cclass
class _Head:
    """The fields of LRNODE_ of the record that is applied, and while a batch is, what all versions count for."""

    held: int = cython.declare(cython.longlong)
    limit: int = cython.declare(cython.longlong)
    procid: int = cython.declare(cython.longlong)
    dbid: int = cython.declare(cython.longlong)
    pgno: int = cython.declare(cython.longlong)
    dbtime: int = cython.declare(cython.longlong)
    before: int = cython.declare(cython.longlong)
    trx: int = cython.declare(cython.longlong)
    level: int = cython.declare(cython.longlong)
    line: int = cython.declare(cython.longlong)
    flags: int = cython.declare(cython.longlong)
    rceid: int = cython.declare(cython.longlong)
    pgno_fdp: int = cython.declare(cython.longlong)
    objid: int = cython.declare(cython.longlong)


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _read_head(head: _Head, data: bytes, offset: cython.Py_ssize_t) -> cython.int:
    if not cython.compiled:
        (
            head.procid,
            head.dbid,
            head.pgno,
            head.dbtime,
            head.before,
            head.trx,
            head.level,
            head.line,
            head.flags,
            head.rceid,
            head.pgno_fdp,
            head.objid,
        ) = _NODE_HEAD.unpack_from(data, offset)
        return 0
    head.procid = _u16(data, offset + 1)
    head.dbid = data[offset + 3]
    head.pgno = _u32(data, offset + 4)
    head.dbtime = _i64(data, offset + 8)
    head.before = _i64(data, offset + 16)
    head.trx = _u32(data, offset + 24)
    head.level = data[offset + 28]
    head.line = _u16(data, offset + 29)
    head.flags = data[offset + 31]
    head.rceid = _u32(data, offset + 32)
    head.pgno_fdp = _u32(data, offset + 36)
    head.objid = _u32(data, offset + 40)
    return 0


def node_head(data: bytes, offset: int) -> tuple[int, ...]:
    """(procid, dbid, pgno, dbtime, dbtime before, trxBegin0, level, line, flags, rceid, pgnoFDP, objidFDP) of a node record."""
    head = _Head()
    if offset < 0 or offset + 44 > len(data):
        raise jet_error(codes.JET_errLogFileCorrupt, "a log record that is cut off", offset=offset)
    _read_head(head, data, offset)
    return (
        head.procid,
        head.dbid,
        head.pgno,
        head.dbtime,
        head.before,
        head.trx,
        head.level,
        head.line,
        head.flags,
        head.rceid,
        head.pgno_fdp,
        head.objid,
    )


@cython.cfunc
def _image_version(head: _Head, oper: cython.int, page: Any, order: cython.longlong) -> Any:
    """The version of a replace or a flag-delete, from the page as it still is."""
    unique = bool(head.flags & _UNIQUE)
    value: bytes = page.value(head.line)
    version = Version(
        head.rceid,
        head.dbid,
        head.pgno_fdp,
        head.objid,
        unique,
        oper,
        page.key(head.line),
        b"" if unique else value,
        order,
        head.trx,
        value if oper == _OPER_REPLACE else b"",
        0,
        0,
        True,
    )
    page.pending.append(version)
    return version


@cython.cfunc
def _change(page: Any, head: _Head, kind: cython.int, data: bytes, offset: cython.Py_ssize_t) -> cython.int:
    """Make the change of a record on its page."""
    versioned: cython.int = _NODE_VERSIONED if head.flags & _VERSIONED else 0
    suffix: cython.Py_ssize_t
    prefix: cython.Py_ssize_t
    rest: cython.Py_ssize_t
    if kind == _INSERT:
        suffix = _u16(data, offset + 44)
        prefix = _u16(data, offset + 46)
        rest = _u16(data, offset + 48)
        if not page.insert_record(head.line, data, offset + 50, prefix, suffix, rest, versioned):
            raise jet_error(
                codes.JET_errLogOperationInconsistentWithDatabase,
                "the prefix of the inserted node is not that of the page",
                page=head.pgno,
            )
    elif kind == _FLAG_INSERT:
        page.change_node_flags(head.line, _NODE_DELETED, versioned)
    elif kind == _FLAG_DELETE:
        page.change_node_flags(head.line, 0, _NODE_DELETED | versioned)
    elif kind == _REPLACE:
        page.replace(head.line, _slice(data, offset + 50, offset + 50 + (_u16(data, offset + 44) & 0x7FFF)))
        if versioned:
            page.change_node_flags(head.line, 0, _NODE_VERSIONED)
    else:
        page.delete(head.line)
    return 0


@cython.cfunc
def _release(head: _Head, level: dict[int, Any]) -> cython.int:
    """Take what a level holds off the account of all versions; the level itself stays."""
    version: Any
    for version in level.values():
        if isinstance(version, tuple):
            head.held -= 200 + len(version[1])
        else:
            version.pending = False
            head.held -= version_size(version)
    return 0


@cython.cfunc
def _transaction(
    head: _Head, sessions: Any, kind: cython.int, data: bytes, offset: cython.Py_ssize_t, entry: Entry
) -> cython.int:
    """Begin, Begin0, Commit or Commit0."""
    procid: cython.longlong = _u16(data, offset + 1)
    byte: cython.int = _u16(data, offset + 2) >> 8
    session: Any = sessions.sessions.get(procid)
    levels: list[Any]
    level: cython.int
    deeper: dict[int, Any]
    if kind == _BEGIN0:
        if session is None:
            session = sessions.get(procid)
        levels = session.levels
        while levels:
            deeper = levels.pop()
            if deeper:
                _release(head, deeper)
        if session.deferred:
            session.deferred.clear()
        if session.macros:
            session.macros.clear()
        session.started = True
        session.trx_begin0 = _u32(data, offset + 4)
    elif session is None or not session.started or not session.level:
        return 0
    else:
        levels = session.levels
    if kind == _COMMIT0:
        while levels:
            deeper = levels.pop()
            if deeper:
                _release(head, deeper)
        if session.deferred:
            session.deferred.clear()
        session.level = 0
    elif kind == _COMMIT:
        if byte < 1:
            raise jet_error(codes.JET_errLogCorrupted, f"a nested commit to level 0 at segment {entry[0]}, byte {entry[1]}")
        level = byte
        while len(levels) > level:
            deeper = levels.pop()
            if deeper:
                levels[level - 1].update(deeper)
        if session.level > level:
            session.level = level
    else:
        level = (byte & 15) + (byte >> 4)
        session.level = level
        while len(levels) < level:
            levels.append({})
    return 0


@cython.cfunc
def _put(head: _Head, sessions: Any, level: dict[int, Any], version: Any, size: cython.Py_ssize_t) -> cython.int:
    """`SessionTable.put`."""
    rceid = head.rceid
    if head.held + size > head.limit or rceid in level:
        sessions.held = head.held
        sessions.put(level, rceid, version)
        head.held = sessions.held
    else:
        head.held += size
        level[rceid] = version
    return 0


@cython.cfunc
def _holding(levels: list[Any], rceid: int) -> Any:
    """The level in which that version is, or None."""
    level: dict[int, Any]
    i: cython.Py_ssize_t
    for i in range(len(levels) - 1, -1, -1):
        level = levels[i]
        if rceid in level:
            return level
    return None


@cython.cfunc
def _oper_of(version: Any) -> cython.int:
    """The operation of a version that can be undone here, else 0."""
    if isinstance(version, tuple):
        return _OPER_INSERT
    oper: cython.int = version.oper
    return oper if oper in (_OPER_INSERT, _OPER_FLAG_DELETE, _OPER_REPLACE) else 0


@cython.cfunc
def _undo(page: Any, head: _Head, version: Any, oper: cython.int) -> cython.int:
    """`redo_nodes.apply_undo`."""
    if oper == _OPER_INSERT:
        page.change_node_flags(head.line, 0, _NODE_DELETED)
    elif oper == _OPER_FLAG_DELETE:
        page.change_node_flags(head.line, _NODE_DELETED, 0)
    else:
        page.replace(head.line, version.before)
    return 0


@cython.boundscheck(False)
@cython.wraparound(False)
def apply_batch(redo: Redo, batch: list[Entry], first: int, generation: int) -> int:
    """Apply the records of `batch` from index `first` on; the index of the first that is not applied, or their number.

    Raises as `Redo._page_record` and `Redo.apply` do for the same records.
    """
    sessions: Any = redo.sessions
    by_procid: dict[int, Any] = sessions.sessions
    databases: dict[int, Any] = redo.databases
    head = _Head()
    db: Any = None
    pages: dict[int, Any] = {}
    session: Any = None
    page: Any
    entry: tuple[int, int, int, bytes, int, int]
    data: bytes
    count: cython.Py_ssize_t = len(batch)
    index: cython.Py_ssize_t = first
    begun: cython.Py_ssize_t = first
    offset: cython.Py_ssize_t
    size: cython.Py_ssize_t
    kind: cython.int
    dbid: cython.longlong = -1
    procid: cython.longlong = -1
    highest: cython.longlong = 0
    objid: cython.longlong = 0
    level: cython.longlong
    depth: cython.longlong = 0
    oper: cython.int
    version: Any
    macros: dict[int, Any] = {}
    levels: list[dict[int, Any]] = []
    order: cython.longlong = sessions.order
    undone: Any = None
    head.held = sessions.held
    head.limit = sessions.version_bytes
    try:
        while index < count:
            entry = batch[index]
            kind = entry[2]
            if kind < _BEGIN or kind > _UNDO:
                break
            data = entry[3]
            offset = entry[4]
            size = entry[5]
            if offset < 0 or offset + size > len(data):
                break
            if kind in (_BEGIN, _COMMIT, _BEGIN0, _COMMIT0):
                index += 1
                _transaction(head, sessions, kind, data, offset, entry)
                procid = -1
                continue
            if kind not in (_INSERT, _DELETE, _FLAG_DELETE, _UNDO, _FLAG_INSERT, _REPLACE, _UNDO_INFO) or size < _HEAD_SIZE:
                break
            _read_head(head, data, offset)
            if head.dbid != dbid:
                if db is not None:
                    db.saw(highest, objid)
                dbid = head.dbid
                db = databases.get(dbid)
                if db is None or db.attach >= (generation, entry[0], entry[1]):
                    db = None
                    dbid = -1
                    break
                pages = db.pages
                highest = objid = 0
            if head.procid != procid:
                procid = head.procid
                session = by_procid.get(procid)
                if session is None or not session.started:
                    procid = -1
                    break
                macros = session.macros
                levels = session.levels
                depth = session.level
            if kind == _UNDO_INFO:
                undone = _holding(levels, head.rceid)
                if undone is None:
                    break
                version = undone[head.rceid]
                if not isinstance(version, tuple):
                    version.pending = False
                index += 1
                continue
            if head.dbtime < 0 or head.dbtime >= _DBTIME_LIMIT:
                break
            if macros and head.dbtime in macros:
                break
            if kind == _UNDO:
                undone = _holding(levels, head.rceid)
                if undone is None:
                    break
                version = undone[head.rceid]
                oper = _oper_of(version)
                if oper == 0 or oper != _u16(data, offset + 48):
                    break
            if head.dbtime > highest:
                highest = head.dbtime
            if head.objid > objid:
                objid = head.objid
            index += 1
            page = pages.get(head.pgno)
            if page is None or _page_dbtime(page.data) != head.before:
                page = db.for_redo(head.pgno, head.dbtime, head.before)
            if kind == _UNDO:
                if page is not None:
                    _undo(page, head, version, oper)
                    page.changed(head.dbtime)
                    page.dirty = True
                    page.generation = generation
                del undone[head.rceid]
                if session.deferred:
                    session.deferred.pop(head.rceid, None)
                if isinstance(version, tuple):
                    head.held -= 200 + len(version[1])
                else:
                    version.pending = False
                    head.held -= version_size(version)
                continue
            if page is None and kind != _DELETE and db.is_absent(head.pgno):
                continue
            if kind != _DELETE and head.flags & _VERSIONED and head.rceid:
                order += 1
                if page is None and kind in (_FLAG_DELETE, _REPLACE):
                    session.deferred[head.rceid] = order
                else:
                    level = depth
                    if head.level < level:
                        level = head.level
                    if kind in (_INSERT, _FLAG_INSERT):
                        if level >= 1:
                            version = (order, _slice(data, offset, offset + size))
                            _put(head, sessions, levels[level - 1], version, 200 + size)
                    else:
                        oper = _OPER_REPLACE if kind == _REPLACE else _OPER_FLAG_DELETE
                        version = _image_version(head, oper, page, order)
                        if level >= 1:
                            _put(head, sessions, levels[level - 1], version, version_size(version))
            if page is not None:
                _change(page, head, kind, data, offset)
                page.changed(head.dbtime)
                page.dirty = True
                page.generation = generation
    finally:
        sessions.order = order
        sessions.held = head.held
        if db is not None:
            db.saw(highest, objid)
        if index > begun:
            redo.records += index - begun
            redo.ended = False
    return index
