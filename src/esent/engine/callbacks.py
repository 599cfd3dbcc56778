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
from esent.errors import JetError, jet_error
from esent.records.columns import Column

if TYPE_CHECKING:
    from esent.catalog.objects import Table
    from esent.engine.cursor import Cursor
    from esent.engine.instance import Instance
    from esent.engine.schema import SessionTable

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


_computing: set[tuple[int, int]] = set()  # (cursor, column) whose default is being computed; under the instance's lock
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
    """Whether callbacks may be registered for the table, or are kept with it, or with its template."""
    table = cursor.table
    template = table.template
    if table.callbacks or (template is not None and template.callbacks):
        return True
    tables = _tables.get(cursor.database) if TableExtras.kept else None
    return tables is not None and (table.objid in tables or (template is not None and template.objid in tables))


def notify(cursor: Cursor, event: int) -> None:
    """Call what is registered for an event; the first error returned is raised."""
    if not watched(cursor):
        return
    named = [callback for table in _with_template(cursor) for callback in table.callbacks]
    for registration in _registered(cursor):
        if registration.types & event:
            _require_success(cursor, event, _call(cursor, registration.call, event, registration.context))
    for types, name in named:
        if types & event:
            _require_success(cursor, event, _call(cursor, _named(cursor, name), event, None))


def is_listening(cursor: Cursor, event: int) -> bool:
    """Whether anything is to be called at an event of the table."""
    named = [types for table in _with_template(cursor) for types, _ in table.callbacks]
    return any(types & event for types in [*named, *(registration.types for registration in _registered(cursor))])


def _with_template(cursor: Cursor) -> list[Table | SessionTable]:
    """The table, and the one that it is derived from."""
    template = cursor.table.template
    return [cursor.table] if template is None else [cursor.table, template]


def _registered(cursor: Cursor) -> list[Registration]:
    tables = _tables.get(cursor.database)
    if not tables:
        return []
    extras = [tables[table.objid] for table in _with_template(cursor) if table.objid in tables]
    return [registration for each in extras for registration in each.callbacks]


def _require_success(cursor: Cursor, event: int, answer: int) -> None:
    if answer < 0:
        raise jet_error(answer, f"a callback of table {cursor.table.name} refused event {event}")


def _call(cursor: Cursor, call: Callable[..., Any], event: int, context: object, value: object = None) -> int:
    session = cursor.session
    answer = call(session.handle, cursor.database.number, cursor.handle, event, value, None, context)
    return answer if isinstance(answer, int) else 0


# ---- named callbacks --------------------------------------------------------------------------------------------------


persisted_callbacks: dict[str, Callable[..., Any]] = {}
"""What the names "module!function" in databases stand for. Only what the program puts here is ever called: a name that a file
brings loads nothing."""


def require_named(instance: Instance, name: str) -> None:
    """JET_errCallbackNotResolved where named callbacks are enabled, and there is none of the name."""
    if instance.parameters.number(params.JET_paramEnablePersistedCallbacks) and name not in persisted_callbacks:
        raise jet_error(codes.JET_errCallbackNotResolved, f"there is no callback {name}")


def _named(cursor: Cursor, name: str) -> Callable[..., Any]:
    """What to call; JET_errCallbackFailed where named callbacks are not enabled, or nothing has the name."""
    call = persisted_callbacks.get(name)
    if call is None or not cursor.session.instance.parameters.number(params.JET_paramEnablePersistedCallbacks):
        raise jet_error(codes.JET_errCallbackFailed, f"callback {name} of table {cursor.table.name} cannot be called")
    return call


def computed_default(cursor: Cursor, column: Column) -> bytes | None:
    """The default of a column for the current record, as its callback gives it: bytes, or None for NULL.

    JET_errCallbackFailed where there is none to call, where it raises or gives something else, or asks for its own result.
    """
    name = column.callback or ""
    call = _named(cursor, name)
    asked = (id(cursor), column.columnid)
    if asked in _computing:
        raise jet_error(codes.JET_errCallbackFailed, f"callback {name} needs the default it is to compute")
    _computing.add(asked)
    try:
        event = grbits.JET_cbtypUserDefinedDefaultValue
        answer = call(
            cursor.session.handle, cursor.database.number, cursor.handle, event, column.columnid, None, column.callback_data
        )
    except JetError:
        raise
    except Exception as problem:
        raise jet_error(codes.JET_errCallbackFailed, f"callback {name}: {problem!r}") from problem
    finally:
        _computing.discard(asked)
    if answer is None or isinstance(answer, bytes):
        return answer
    if isinstance(answer, int) and answer < 0:
        raise jet_error(answer, f"callback {name} refused")
    raise jet_error(codes.JET_errCallbackFailed, f"callback {name} gave {type(answer).__name__}, not bytes")


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


__all__ = [
    "CallbackHandle",
    "computed_default",
    "get_local",
    "is_listening",
    "notify",
    "persisted_callbacks",
    "register",
    "require_named",
    "set_local",
    "unregister",
    "watched",
]
