"""What the doors of the data API share: parameters of a cursor call, closing and duplicating a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from esent.constants import codes
from esent.engine.cursor import Call, cursor_call
from esent.errors import jet_error
from esent.jet.handles import JET_ERR, JET_GRBIT, JET_SESID, JET_TABLEID


def buffer(value: object, what: str) -> bytes | None:
    """The bytes of an in-buffer; None is NULL. JET_errInvalidParameter for what is neither."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    raise jet_error(codes.JET_errInvalidParameter, f"{what} is given as {type(value).__name__}, not as bytes")


_Element = TypeVar("_Element")


def array(value: object, kind: type[_Element] | tuple[type[_Element], ...], what: str) -> Sequence[_Element]:
    """An array of structures or names; None is an empty one. JET_errInvalidParameter for what is none of them."""
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str | bytes | bytearray | memoryview):
        raise jet_error(codes.JET_errInvalidParameter, f"{what} is given as {type(value).__name__}, not as a list")
    for each in value:
        if not isinstance(each, kind):
            raise jet_error(codes.JET_errInvalidParameter, f"{each!r} is no element of {what}")
    return value


def JetCloseTable(sesid: JET_SESID, tableid: JET_TABLEID) -> JET_ERR:
    """Close a table; a prepared update is cancelled."""
    with cursor_call(sesid, tableid, Call.CLOSE, closing=True) as cursor:
        cursor.close()
    return 0


def JetDupCursor(sesid: JET_SESID, tableid: JET_TABLEID, grbit: JET_GRBIT = 0) -> JET_TABLEID:
    """Another cursor on the same table, on its first record."""
    with cursor_call(sesid, tableid, Call.DUPLICATE) as cursor:
        return cursor.duplicate().handle


def JetSetTableSequential(sesid: JET_SESID, tableid: JET_TABLEID, grbit: JET_GRBIT = 0) -> JET_ERR:
    """A hint that the table will be read in order."""
    with cursor_call(sesid, tableid):
        return 0


def JetResetTableSequential(sesid: JET_SESID, tableid: JET_TABLEID, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Take back JetSetTableSequential."""
    with cursor_call(sesid, tableid):
        return 0


__all__ = [
    "JetCloseTable",
    "JetDupCursor",
    "JetResetTableSequential",
    "JetSetTableSequential",
]
