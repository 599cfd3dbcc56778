"""The records of ordinary changes to one node as bytes, with no record object in between.

They are records of `records_pages`, where their layout is described: what is packed here is what those classes encode.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

import struct

from esent.constants import codes
from esent.errors import jet_error
from esent.log import kinds
from esent.tree.live import TreeName, Writer

_HEAD = struct.Struct("<BHBIqqIBHBIII")
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
def _record(
    dbid: cython.int,
    kind: cython.int,
    who: Writer,
    which: TreeName,
    pgno: cython.longlong,
    dbtime: cython.longlong,
    before: cython.longlong,
    line: cython.int,
    rceid: cython.longlong,
    count: cython.int,
    lengths: cython.ulonglong,
    first: bytes,
    second: bytes,
    third: bytes,
) -> bytes:
    """The head that all have; lengths, u16 each and together `count` bytes, in one number; and what they are the lengths of."""
    flags: cython.int = who.mark
    if rceid:
        flags |= _VERSIONED
    if which.unique:
        flags |= _UNIQUE
    if which.space:
        flags |= _SPACE_TREE
    if cython.compiled:
        goal = cython.declare(cython.uchar[1024])  # type: ignore[misc,valid-type]
        size: cython.Py_ssize_t = _HEAD_SIZE + count
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
        _put(goal, _HEAD_SIZE, lengths, count)
        if size + len(first) + len(second) + len(third) > _SCRATCH:
            return cython.cast(cython.p_char, goal)[:size] + first + second + third  # type: ignore[no-any-return]
        size = _copy(goal, _copy(goal, _copy(goal, size, first), second), third)
        return cython.cast(cython.p_char, goal)[:size]  # type: ignore[no-any-return]
    head = _HEAD.pack(
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
    return head + lengths.to_bytes(count, "little") + first + second + third


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def _words(first: cython.ulonglong, second: cython.ulonglong, third: cython.ulonglong) -> cython.ulonglong:
    return first | second << 16 | third << 32


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
        who: Writer,
        which: TreeName,
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
        lengths: cython.ulonglong = _words(len(suffix), len(prefix), len(data))
        return _record(self.dbid, _INSERT, who, which, pgno, dbtime, before, line, rceid, 6, lengths, prefix, suffix, data)

    @cython.ccall
    def flag_insert(
        self,
        who: Writer,
        which: TreeName,
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
        lengths: cython.ulonglong = _words(len(key), len(data), 0)
        return _record(self.dbid, _FLAG_INSERT, who, which, pgno, dbtime, before, line, rceid, 4, lengths, key, data, b"")

    @cython.ccall
    def flag_delete(
        self,
        who: Writer,
        which: TreeName,
        pgno: cython.longlong,
        dbtime: cython.longlong,
        before: cython.longlong,
        line: cython.int,
        rceid: cython.longlong,
    ) -> bytes:
        """The deleted flag set."""
        return _record(self.dbid, _FLAG_DELETE, who, which, pgno, dbtime, before, line, rceid, 0, 0, b"", b"", b"")

    @cython.ccall
    def delete(
        self,
        who: Writer,
        which: TreeName,
        pgno: cython.longlong,
        dbtime: cython.longlong,
        before: cython.longlong,
        line: cython.int,
    ) -> bytes:
        """A node removed."""
        return _record(self.dbid, _DELETE, who, which, pgno, dbtime, before, line, 0, 0, 0, b"", b"", b"")

    @cython.ccall
    def replace(
        self,
        who: Writer,
        which: TreeName,
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
        lengths: cython.ulonglong = _words(len(data), old_size, len(data))
        return _record(self.dbid, _REPLACE, who, which, pgno, dbtime, before, line, rceid, 6, lengths, data, b"", b"")
