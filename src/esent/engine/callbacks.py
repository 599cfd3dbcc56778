"""Callbacks of tables (JetRegisterCallback) and values kept with cursors and tables (JetSetLS).

Callbacks are registered with the table, for every cursor of the instance on it, until they are unregistered or the database is
detached. They are called in the thread that makes the change, within its transaction; an error they return refuses it.
Freeing a local value is told to the callback of JET_paramRuntimeCallback; without one there are no local values.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from esent.constants import codes, grbits, params
from esent.engine.handles import Handle
from esent.errors import jet_error

if TYPE_CHECKING:
    from esent.engine.cursor import Cursor

LS_NIL = 2**64 - 1
RESET, OF_CURSOR, OF_TABLE = grbits.JET_bitLSReset, grbits.JET_bitLSCursor, grbits.JET_bitLSTable


class CallbackHandle(Handle):
    """JET_HANDLE of a registered callback."""

    __slots__ = ()


class Registration:
    """One registered callback; `types`: the bits of the events it is for."""

    __slots__ = ("call", "context", "handle", "types")

    def __init__(self, types: int, call: Callable[..., Any], context: object) -> None:
        self.types = types
        self.call = call
        self.context = context
        self.handle = CallbackHandle(self)


class TableExtras:
    """What is kept with one table. `kept`: of how many tables there ever was anything."""

    __slots__ = ("callbacks", "local")
    kept = 0

    def __init__(self) -> None:
        self.callbacks: list[Registration] = []
        self.local = LS_NIL
        TableExtras.kept += 1


_tables: weakref.WeakKeyDictionary[object, dict[int, TableExtras]] = weakref.WeakKeyDictionary()
_cursors: weakref.WeakKeyDictionary[object, int] = weakref.WeakKeyDictionary()


def _extras(cursor: Cursor) -> TableExtras:
    return _tables.setdefault(cursor.database, {}).setdefault(cursor.table.objid, TableExtras())


# ---- callbacks --------------------------------------------------------------------------------------------------------


def register(cursor: Cursor, types: object, call: object, context: object = None) -> CallbackHandle:
    """JetRegisterCallback. In a transaction the registration goes when that is rolled back."""
    if not isinstance(types, int) or types <= 0 or not callable(call):
        raise jet_error(codes.JET_errInvalidParameter, f"registering {call!r} for events {types!r}")
    registration = Registration(types, call, context)
    found = _extras(cursor).callbacks
    found.append(registration)
    if cursor.session.level:
        cursor.session.on_rollback(lambda: _remove(found, registration))
    return registration.handle


def unregister(cursor: Cursor, types: object, handle: object) -> None:
    """JetUnregisterCallback. JET_errInvalidParameter for what is not registered for just these events."""
    target = handle.target if isinstance(handle, CallbackHandle) else None
    found = _extras(cursor).callbacks
    if not isinstance(target, Registration) or target not in found or target.types != types:
        raise jet_error(codes.JET_errInvalidParameter, f"no callback of table {cursor.table.name} has this handle")
    _remove(found, target)


def _remove(found: list[Registration], registration: Registration) -> None:
    registration.handle.target = None
    if registration in found:
        found.remove(registration)


def watched(cursor: Cursor) -> bool:
    """Whether callbacks may be registered for the table."""
    tables = _tables.get(cursor.database) if TableExtras.kept else None
    return tables is not None and cursor.table.objid in tables


def notify(cursor: Cursor, event: int) -> None:
    """Call what is registered for an event; the first error returned is raised."""
    if not TableExtras.kept:
        return
    tables = _tables.get(cursor.database)
    extras = tables.get(cursor.table.objid) if tables else None
    if extras is None:
        return
    for registration in list(extras.callbacks):
        if registration.types & event:
            answer = _call(cursor, registration.call, event, registration.context)
            if answer < 0:
                raise jet_error(answer, f"a callback of table {cursor.table.name} refused event {event}")


def _call(cursor: Cursor, call: Callable[..., Any], event: int, context: object, value: object = None) -> int:
    session = cursor.session
    answer = call(session.handle, cursor.database.number, cursor.handle, event, value, None, context)
    return answer if isinstance(answer, int) else 0


# ---- local values -----------------------------------------------------------------------------------------------------


def _checked(grbit: int) -> bool:
    """Whether it is about the table. JET_errInvalidGrbit for table and cursor at once."""
    if grbit & OF_TABLE and grbit & OF_CURSOR:
        raise jet_error(codes.JET_errInvalidGrbit, "a local value of a table and of a cursor at once")
    return bool(grbit & OF_TABLE)


def set_local(cursor: Cursor, value: object, grbit: int) -> None:
    """JetSetLS. JET_errLSCallbackNotSpecified, JET_errLSAlreadySet unless it is reset."""
    if cursor.session.instance.parameters.callback(params.JET_paramRuntimeCallback) is None:
        raise jet_error(codes.JET_errLSCallbackNotSpecified, "a local value without a callback to free it")
    of_table = _checked(grbit)
    if not isinstance(value, int):
        raise jet_error(codes.JET_errInvalidParameter, f"{value!r} as a local value")
    number = value % 2**64
    extras = _extras(cursor)
    old = extras.local if of_table else _cursors.get(cursor, LS_NIL)
    if old != LS_NIL and not grbit & RESET:
        raise jet_error(codes.JET_errLSAlreadySet, "a local value is set")
    if of_table:
        extras.local = number
    else:
        _cursors[cursor] = number
    if _free not in cursor.on_close:
        cursor.on_close.append(_free)


def get_local(cursor: Cursor, grbit: int) -> int:
    """JetGetLS; resetting gives a cursor without one JET_LSNil. JET_errLSNotSet."""
    if _checked(grbit):
        extras = _extras(cursor)
        found = extras.local
        if found == LS_NIL:
            raise jet_error(codes.JET_errLSNotSet, f"no local value is set for table {cursor.table.name}")
        if grbit & RESET:
            extras.local = LS_NIL
        return found
    found = _cursors.get(cursor, LS_NIL)
    if grbit & RESET:
        _cursors.pop(cursor, None)
    elif found == LS_NIL:
        raise jet_error(codes.JET_errLSNotSet, "no local value is set for the cursor")
    return found


def _free(cursor: Cursor) -> None:
    """A cursor is closed: its value is freed, and with the last cursor on it that of the table."""
    instance = cursor.session.instance
    call = instance.parameters.callback(params.JET_paramRuntimeCallback)
    if call is None:
        return
    own = _cursors.pop(cursor, LS_NIL)
    if own != LS_NIL:
        _call(cursor, call, grbits.JET_cbtypFreeCursorLS, None, own)
    extras = _extras(cursor)
    others = any(
        other.database is cursor.database and other.table.objid == cursor.table.objid
        for session in instance.all_sessions()
        for other in session.cursors
    )
    if extras.local != LS_NIL and not others:
        value, extras.local = extras.local, LS_NIL
        _call(cursor, call, grbits.JET_cbtypFreeTableLS, None, value)


__all__ = ["CallbackHandle", "get_local", "notify", "register", "set_local", "unregister", "watched"]
