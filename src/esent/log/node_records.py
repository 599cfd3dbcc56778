"""The records of ordinary changes to one node as bytes, with no record object in between.

They are records of `records_pages`, where their layout is described: what is packed here is what those classes encode.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

import struct
from typing import Protocol

from esent.constants import codes
from esent.errors import jet_error
from esent.log import kinds

_HEAD = struct.Struct("<BHBIqqIBHBIII")
_TWO_LENGTHS = struct.Struct("<HH")
_THREE_LENGTHS = struct.Struct("<HHH")
_INSERT: cython.int = kinds.INSERT
_FLAG_INSERT: cython.int = kinds.FLAG_INSERT
_FLAG_DELETE: cython.int = kinds.FLAG_DELETE
_REPLACE: cython.int = kinds.REPLACE
_DELETE: cython.int = kinds.DELETE
_VERSIONED: cython.int = kinds.VERSIONED
_UNIQUE: cython.int = kinds.UNIQUE
_SPACE_TREE: cython.int = kinds.SPACE_TREE
_HEAD_SIZE: cython.Py_ssize_t = _HEAD.size
_LONGEST: cython.Py_ssize_t = 0xFFFF
_LONGEST_NARROW: cython.Py_ssize_t = 0x7FFF  # of a replace, whose highest bit says something else
_SCRATCH: cython.Py_ssize_t = 1024


class Who(Protocol):
    """Who makes the change."""

    procid: int
    trx_begin0: int
    level: int


class Which(Protocol):
    """The tree that is changed."""

    @property
    def objid(self) -> int: ...
    @property
    def fdp(self) -> int: ...
    @property
    def unique(self) -> bool: ...
    @property
    def space(self) -> bool: ...


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _put(goal: cython.p_uchar, at: cython.Py_ssize_t, value: cython.longlong, count: cython.int) -> cython.int:
    i: cython.int
    for i in range(count):
        goal[at + i] = (value >> (8 * i)) & 0xFF
    return 0


@cython.cfunc
@cython.inline
def _copy(goal: cython.p_uchar, at: cython.Py_ssize_t, part: bytes) -> cython.Py_ssize_t:
    """Copy bytes to an offset; the offset behind them."""
    source: cython.p_char = cython.cast(cython.p_char, part)
    count: cython.Py_ssize_t = len(part)
    i: cython.Py_ssize_t
    for i in range(count):
        goal[at + i] = source[i]
    return at + count


@cython.cfunc
def _joined(head: cython.p_uchar, size: cython.Py_ssize_t, first: bytes, second: bytes, third: bytes) -> bytes:
    """The head, whose array has _SCRATCH bytes, and what follows it."""
    if size + len(first) + len(second) + len(third) > _SCRATCH:
        return cython.cast(cython.p_char, head)[:size] + first + second + third  # type: ignore[no-any-return]
    size = _copy(head, _copy(head, _copy(head, size, first), second), third)
    return cython.cast(cython.p_char, head)[:size]  # type: ignore[no-any-return]


@cython.cfunc
def _plain(
    dbid: cython.int,
    kind: cython.int,
    who: Who,
    which: Which,
    pgno: cython.longlong,
    dbtime: cython.longlong,
    before: cython.longlong,
    line: cython.int,
    rceid: cython.longlong,
) -> bytes:
    if cython.compiled:
        head = cython.declare(cython.uchar[1024])  # type: ignore[misc,valid-type]
        _head(head, dbid, kind, who, which, pgno, dbtime, before, line, rceid)
        return _joined(head, _HEAD_SIZE, b"", b"", b"")
    return _packed(dbid, kind, who, which, pgno, dbtime, before, line, rceid)


@cython.cfunc
def _head(
    goal: cython.p_uchar,
    dbid: cython.int,
    kind: cython.int,
    who: Who,
    which: Which,
    pgno: cython.longlong,
    dbtime: cython.longlong,
    before: cython.longlong,
    line: cython.int,
    rceid: cython.longlong,
) -> cython.int:
    flags: cython.int = _VERSIONED if rceid else 0
    if which.unique:
        flags |= _UNIQUE
    if which.space:
        flags |= _SPACE_TREE
    _put(goal, 0, kind, 1)
    _put(goal, 1, who.procid, 2)
    _put(goal, 3, dbid, 1)
    _put(goal, 4, pgno, 4)
    _put(goal, 8, dbtime, 8)
    _put(goal, 16, before, 8)
    _put(goal, 24, who.trx_begin0, 4)
    _put(goal, 28, who.level, 1)
    _put(goal, 29, line, 2)
    _put(goal, 31, flags, 1)
    _put(goal, 32, rceid, 4)
    _put(goal, 36, which.fdp, 4)
    _put(goal, 40, which.objid, 4)
    return 0


def _packed(dbid: int, kind: int, who: Who, which: Which, pgno: int, dbtime: int, before: int, line: int, rceid: int) -> bytes:
    flags = (_VERSIONED if rceid else 0) | (_UNIQUE if which.unique else 0) | (_SPACE_TREE if which.space else 0)
    return _HEAD.pack(
        kind,
        who.procid,
        dbid,
        pgno,
        dbtime,
        before,
        who.trx_begin0,
        who.level,
        line,
        flags,
        rceid,
        which.fdp,
        which.objid,
    )


def _too_long(pgno: int) -> Exception:
    return jet_error(codes.JET_errInternalError, "a key or data that no log record can hold", page=pgno)


@cython.cclass
class NodeRecords:
    """Packs records about the nodes of one database.

    `line` and the versions are as in the records; `before` is the dbtime the page had. JET_errInternalError for bytes that are
    longer than their record can say.
    """

    def __init__(self, dbid: int) -> None:
        self.dbid = dbid

    @cython.ccall
    def insert(
        self,
        who: Who,
        which: Which,
        pgno: cython.longlong,
        dbtime: cython.longlong,
        before: cython.longlong,
        line: cython.int,
        rceid: cython.longlong,
        prefix: bytes,
        suffix: bytes,
        data: bytes,
    ) -> bytes:
        """A node put before `line`: a key of `prefix`, compressed, and `suffix`; and data."""
        if len(prefix) > _LONGEST or len(suffix) > _LONGEST or len(data) > _LONGEST:
            raise _too_long(pgno)
        if cython.compiled:
            head = cython.declare(cython.uchar[1024])  # type: ignore[misc,valid-type]
            _head(head, self.dbid, _INSERT, who, which, pgno, dbtime, before, line, rceid)
            _put(head, _HEAD_SIZE, len(suffix), 2)
            _put(head, _HEAD_SIZE + 2, len(prefix), 2)
            _put(head, _HEAD_SIZE + 4, len(data), 2)
            return _joined(head, _HEAD_SIZE + 6, prefix, suffix, data)
        return (
            _packed(self.dbid, _INSERT, who, which, pgno, dbtime, before, line, rceid)
            + _THREE_LENGTHS.pack(len(suffix), len(prefix), len(data))
            + prefix
            + suffix
            + data
        )

    @cython.ccall
    def flag_insert(
        self,
        who: Who,
        which: Which,
        pgno: cython.longlong,
        dbtime: cython.longlong,
        before: cython.longlong,
        line: cython.int,
        rceid: cython.longlong,
        key: bytes,
        data: bytes,
    ) -> bytes:
        """The deleted flag taken off a node with that key and data."""
        if len(key) > _LONGEST or len(data) > _LONGEST:
            raise _too_long(pgno)
        if cython.compiled:
            head = cython.declare(cython.uchar[1024])  # type: ignore[misc,valid-type]
            _head(head, self.dbid, _FLAG_INSERT, who, which, pgno, dbtime, before, line, rceid)
            _put(head, _HEAD_SIZE, len(key), 2)
            _put(head, _HEAD_SIZE + 2, len(data), 2)
            return _joined(head, _HEAD_SIZE + 4, key, data, b"")
        lengths = _TWO_LENGTHS.pack(len(key), len(data))
        return _packed(self.dbid, _FLAG_INSERT, who, which, pgno, dbtime, before, line, rceid) + lengths + key + data

    @cython.ccall
    def flag_delete(
        self,
        who: Who,
        which: Which,
        pgno: cython.longlong,
        dbtime: cython.longlong,
        before: cython.longlong,
        line: cython.int,
        rceid: cython.longlong,
    ) -> bytes:
        """The deleted flag set."""
        return _plain(self.dbid, _FLAG_DELETE, who, which, pgno, dbtime, before, line, rceid)

    @cython.ccall
    def delete(
        self,
        who: Who,
        which: Which,
        pgno: cython.longlong,
        dbtime: cython.longlong,
        before: cython.longlong,
        line: cython.int,
    ) -> bytes:
        """A node removed."""
        return _plain(self.dbid, _DELETE, who, which, pgno, dbtime, before, line, 0)

    @cython.ccall
    def replace(
        self,
        who: Who,
        which: Which,
        pgno: cython.longlong,
        dbtime: cython.longlong,
        before: cython.longlong,
        line: cython.int,
        rceid: cython.longlong,
        old_size: cython.Py_ssize_t,
        data: bytes,
    ) -> bytes:
        """Other data given to a node that had `old_size` bytes of them."""
        if len(data) > _LONGEST_NARROW or old_size > _LONGEST:
            raise _too_long(pgno)
        if cython.compiled:
            head = cython.declare(cython.uchar[1024])  # type: ignore[misc,valid-type]
            _head(head, self.dbid, _REPLACE, who, which, pgno, dbtime, before, line, rceid)
            _put(head, _HEAD_SIZE, len(data), 2)
            _put(head, _HEAD_SIZE + 2, old_size, 2)
            _put(head, _HEAD_SIZE + 4, len(data), 2)
            return _joined(head, _HEAD_SIZE + 6, data, b"", b"")
        lengths = _THREE_LENGTHS.pack(len(data), old_size, len(data))
        return _packed(self.dbid, _REPLACE, who, which, pgno, dbtime, before, line, rceid) + lengths + data
