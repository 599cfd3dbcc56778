# cython: annotation_typing=False
# What a caller gives may be of any type; compiled code would answer a wrong one with TypeError.
"""Updates: preparing one, setting columns, making it; deleting; escrow."""

from __future__ import annotations

from esent.constants import codes
from esent.engine import set_column, short_call, update
from esent.engine.cursor import Call, cursor_call
from esent.errors import jet_error
from esent.jet.cursors import array, buffer
from esent.jet.handles import JET_COLUMNID, JET_ERR, JET_GRBIT, JET_SESID, JET_TABLEID, Buffer
from esent.jet.structures_records import JET_SETCOLUMN, JET_SETINFO


def _value(data: object) -> bytes | int | None:
    """What to set: bytes, NULL, or the size of a value without its bytes."""
    if isinstance(data, int) and not isinstance(data, bool):
        return data
    return buffer(data, "the value of a column")


def JetPrepareUpdate(sesid: JET_SESID, tableid: JET_TABLEID, prep: int) -> JET_ERR:
    """Begin an insert, a replace or a copy, or cancel one."""
    cursor = short_call.begin(sesid, tableid)
    if cursor is not None:
        try:
            update.prepare(cursor, prep)
        finally:
            short_call.end(cursor)
        return 0
    with cursor_call(sesid, tableid, Call.UPDATE) as cursor:
        update.prepare(cursor, prep)
    return 0


def JetSetColumn(
    sesid: JET_SESID,
    tableid: JET_TABLEID,
    columnid: JET_COLUMNID,
    pvData: Buffer | int | None,
    grbit: JET_GRBIT = 0,
    psetinfo: JET_SETINFO | None = None,
) -> JET_ERR:
    """Set a column of the prepared update. JET_wrnColumnMaxTruncated: only a part of the value was taken."""
    if type(pvData) is bytes and psetinfo is None and type(grbit) is int and grbit == 0:
        plain = short_call.begin(sesid, tableid)
        if plain is not None:
            try:
                if set_column.set_plain(plain, columnid, pvData):
                    return 0
            finally:
                short_call.end(plain)
    with cursor_call(sesid, tableid, Call.UPDATE) as cursor:
        if psetinfo is None:
            return set_column.set_column(cursor, columnid, _value(pvData), grbit)
        if not isinstance(psetinfo, JET_SETINFO):
            raise jet_error(codes.JET_errInvalidParameter, f"{psetinfo!r} is not a JET_SETINFO")
        return set_column.set_column(cursor, columnid, _value(pvData), grbit, psetinfo.itagSequence, psetinfo.ibLongValue)


def JetSetColumns(sesid: JET_SESID, tableid: JET_TABLEID, psetcolumn: list[JET_SETCOLUMN]) -> JET_ERR:
    """Set several columns; the first that fails ends it, with its error. The elements set before have their `err`."""
    with cursor_call(sesid, tableid, Call.UPDATE) as cursor:
        elements = array(psetcolumn, JET_SETCOLUMN, "psetcolumn")
        cursor.require_updatable()
        set_column.settable(cursor)
        values = [_value(element.pvData) for element in elements]
        for value in values:
            set_column.checked_size(value)
        status = 0
        for element, value in zip(elements, values, strict=True):
            status = set_column.set_column(
                cursor, element.columnid, value, element.grbit, element.itagSequence, element.ibLongValue
            )
            element.err = status
        return status


def JetUpdate(sesid: JET_SESID, tableid: JET_TABLEID) -> bytes:
    """Make the prepared update; the bookmark of the record."""
    return _update(sesid, tableid, 0)


def JetUpdate2(sesid: JET_SESID, tableid: JET_TABLEID, grbit: JET_GRBIT = 0) -> bytes:
    """JetUpdate with options."""
    return _update(sesid, tableid, grbit)


def _update(sesid: object, tableid: object, grbit: object) -> bytes:
    cursor = short_call.begin_in_transaction(sesid, tableid)
    if cursor is not None:
        try:
            return update.make(cursor, grbit)
        finally:
            short_call.end(cursor)
    with cursor_call(sesid, tableid, Call.UPDATE) as cursor:
        return update.make(cursor, grbit)


def JetDelete(sesid: JET_SESID, tableid: JET_TABLEID) -> JET_ERR:
    """Delete the current record; the cursor stays at its place."""
    cursor = short_call.begin_in_transaction(sesid, tableid)
    if cursor is not None:
        try:
            update.delete(cursor)
        finally:
            short_call.end(cursor)
        return 0
    with cursor_call(sesid, tableid, Call.DELETE) as cursor:
        update.delete(cursor)
    return 0


def JetEscrowUpdate(sesid: JET_SESID, tableid: JET_TABLEID, columnid: JET_COLUMNID, pv: Buffer, grbit: JET_GRBIT = 0) -> bytes:
    """Add to an escrow column; the value before."""
    with cursor_call(sesid, tableid) as cursor:
        return update.escrow_update(cursor, columnid, buffer(pv, "the amount to add") or b"", grbit)


__all__ = [
    "JetDelete",
    "JetEscrowUpdate",
    "JetPrepareUpdate",
    "JetSetColumn",
    "JetSetColumns",
    "JetUpdate",
    "JetUpdate2",
]
