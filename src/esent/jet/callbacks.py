"""Callbacks of tables, and values kept with cursors and tables."""

from __future__ import annotations

from esent.engine import callbacks
from esent.engine.callbacks import persisted_callbacks
from esent.engine.cursor import cursor_call
from esent.engine.navigation import grbit_of
from esent.jet.handles import JET_CALLBACK, JET_ERR, JET_GRBIT, JET_HANDLE, JET_LS, JET_SESID, JET_TABLEID


def JetRegisterCallback(
    sesid: JET_SESID, tableid: JET_TABLEID, cbtyp: int, pCallback: JET_CALLBACK, pvContext: object = None
) -> JET_HANDLE:
    """Have `pCallback` called at events of the table (bits JET_cbtyp...); the handle to unregister it with."""
    with cursor_call(sesid, tableid) as cursor, cursor.session.instance.lock:
        return callbacks.register(cursor, cbtyp, pCallback, pvContext)


def JetUnregisterCallback(sesid: JET_SESID, tableid: JET_TABLEID, cbtyp: int, hCallbackId: JET_HANDLE) -> JET_ERR:
    """Take back JetRegisterCallback."""
    with cursor_call(sesid, tableid) as cursor, cursor.session.instance.lock:
        callbacks.unregister(cursor, cbtyp, hCallbackId)
    return 0


def JetSetLS(sesid: JET_SESID, tableid: JET_TABLEID, ls: JET_LS, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Keep a number with the cursor or the table."""
    with cursor_call(sesid, tableid) as cursor, cursor.session.instance.lock:
        callbacks.set_local(cursor, ls, grbit_of(grbit))
    return 0


def JetGetLS(sesid: JET_SESID, tableid: JET_TABLEID, grbit: JET_GRBIT = 0) -> JET_LS:
    """The number kept with the cursor or the table; JET_bitLSReset takes it away."""
    with cursor_call(sesid, tableid) as cursor, cursor.session.instance.lock:
        return callbacks.get_local(cursor, grbit_of(grbit))


__all__ = ["JetGetLS", "JetRegisterCallback", "JetSetLS", "JetUnregisterCallback", "persisted_callbacks"]
