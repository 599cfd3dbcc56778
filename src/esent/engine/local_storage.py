"""A value that the caller attaches to a cursor or to a table (JetSetLS, JetGetLS).

It wants JET_paramRuntimeCallback, which is told when the value is not needed any more: when the cursor, or the last cursor of
the table, is closed.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from esent.constants import codes, grbits, params
from esent.engine.schema import LiveTable, SessionTable
from esent.errors import jet_error

if TYPE_CHECKING:
    from esent.engine.cursor import Cursor

NONE = grbits.JET_LSNil
_KINDS = grbits.JET_bitLSCursor | grbits.JET_bitLSTable
_OPTIONS = _KINDS | grbits.JET_bitLSReset

_of_cursors: weakref.WeakKeyDictionary[Cursor, int] = weakref.WeakKeyDictionary()
_of_tables: weakref.WeakKeyDictionary[LiveTable, int] = weakref.WeakKeyDictionary()


def _checked(cursor: Cursor, grbit: object) -> tuple[int, SessionTable | None]:
    """The options, and the table whose storage is meant; None: that of the cursor."""
    if not isinstance(grbit, int) or grbit & ~_OPTIONS or grbit & _KINDS == _KINDS:
        raise jet_error(codes.JET_errInvalidGrbit, f"local storage with grbit {grbit!r}")
    if not grbit & grbits.JET_bitLSTable:
        return grbit, None
    if not isinstance(cursor.table, SessionTable):
        raise jet_error(codes.JET_errIllegalOperation, f"not with the temporary table {cursor.table.name}")
    return grbit, cursor.table


def _callback(cursor: Cursor) -> Callable[..., Any] | None:
    found: Callable[..., Any] | None = cursor.session.instance.parameters.callback(params.JET_paramRuntimeCallback)
    return found


def set_storage(cursor: Cursor, value: object, grbit: object) -> None:
    """JetSetLS. JET_errLSCallbackNotSpecified, JET_errLSAlreadySet."""
    options, table = _checked(cursor, grbit)
    if not isinstance(value, int):
        raise jet_error(codes.JET_errInvalidParameter, f"{value!r} as local storage")
    if _callback(cursor) is None:
        raise jet_error(codes.JET_errLSCallbackNotSpecified, "local storage without JET_paramRuntimeCallback")
    new = NONE if options & grbits.JET_bitLSReset else value
    known = _of_cursors.get(cursor, NONE) if table is None else _of_tables.get(table.live, NONE)
    if new != NONE and known != NONE:
        raise jet_error(codes.JET_errLSAlreadySet, "there is local storage")
    if table is None:
        _of_cursors[cursor] = new
    else:
        _of_tables[table.live] = new
    if _release not in cursor.on_close:
        cursor.on_close.append(_release)


def get_storage(cursor: Cursor, grbit: object) -> int:
    """JetGetLS; with JET_bitLSReset it is taken away. JET_errLSNotSet."""
    options, table = _checked(cursor, grbit)
    found = _of_cursors.get(cursor, NONE) if table is None else _of_tables.get(table.live, NONE)
    if found == NONE and not (table is None and options & grbits.JET_bitLSReset):
        raise jet_error(codes.JET_errLSNotSet, "there is no local storage")
    if options & grbits.JET_bitLSReset:
        if table is None:
            _of_cursors.pop(cursor, None)
        else:
            _of_tables.pop(table.live, None)
    return found


def _release(cursor: Cursor) -> None:
    """The cursor is closed: its value is not needed any more, nor is that of the table if it was the last one."""
    value = _of_cursors.pop(cursor, NONE)
    if value != NONE:
        _tell(cursor, grbits.JET_cbtypFreeCursorLS, value)
    table = cursor.table
    if not isinstance(table, SessionTable) or table.live not in _of_tables:
        return
    sessions = cursor.session.instance.all_sessions()
    tables = (each.table for session in sessions for each in session.cursors)
    if not any(isinstance(each, SessionTable) and each.live is table.live for each in tables):
        value = _of_tables.pop(table.live)
        if value != NONE:
            _tell(cursor, grbits.JET_cbtypFreeTableLS, value)


def _tell(cursor: Cursor, kind: int, value: int) -> None:
    callback = _callback(cursor)
    if callback is not None:
        callback(cursor.session.handle, cursor.database.number, cursor.handle, kind, value, None, None)


__all__ = ["get_storage", "set_storage"]
