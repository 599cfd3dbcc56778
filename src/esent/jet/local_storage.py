"""Values that the caller attaches to cursors and tables."""

from __future__ import annotations

from esent.engine.cursor import cursor_call
from esent.engine.local_storage import get_storage, set_storage
from esent.jet.handles import JET_ERR, JET_GRBIT, JET_LS, JET_SESID, JET_TABLEID


def JetSetLS(sesid: JET_SESID, tableid: JET_TABLEID, ls: JET_LS, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Attach a value to a cursor, or with JET_bitLSTable to its table; it wants JET_paramRuntimeCallback."""
    with cursor_call(sesid, tableid) as cursor, cursor.session.instance.lock:
        set_storage(cursor, ls, grbit)
    return 0


def JetGetLS(sesid: JET_SESID, tableid: JET_TABLEID, grbit: JET_GRBIT = 0) -> JET_LS:
    """The value attached to a cursor or its table; JET_bitLSReset takes it away."""
    with cursor_call(sesid, tableid) as cursor, cursor.session.instance.lock:
        return get_storage(cursor, grbit)


__all__ = ["JetGetLS", "JetSetLS"]
