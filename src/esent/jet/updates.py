# cython: annotation_typing=False
# What a caller gives may be of any type; compiled code would answer a wrong one with TypeError.
"""Updates: preparing one, setting columns, making it; deleting; escrow."""

from __future__ import annotations

from esent.constants import codes
from esent.engine import set_column, update
from esent.engine.cursor import Call, cursor_call
from esent.engine.set_column import set_plain
from esent.engine.short_call import begin, begin_in_transaction, end
from esent.engine.update import delete_unwatched, make_unwatched
from esent.errors import jet_error
from esent.jet.cursors import array, buffer
from esent.jet.handles import JET_COLUMNID, JET_ERR, JET_GRBIT, JET_SESID, JET_TABLEID, Buffer
from esent.jet.structures_records import JET_SETCOLUMN, JET_SETINFO
from esent.records.encode import LONG_VALUE_MOST


def _value(data: object) -> bytes | int | None:
    """What to set: bytes, NULL, or the size of a value without its bytes."""
    if isinstance(data, int) and not isinstance(data, bool):
        return data
    return buffer(data, "the value of a column")


def JetPrepareUpdate(sesid: JET_SESID, tableid: JET_TABLEID, prep: int) -> JET_ERR:
    """Begin an insert, a replace or a copy, or cancel one."""
    cursor = begin(sesid, tableid)
    if cursor is not None:
        try:
            update.prepare(cursor, prep)
        finally:
            end(cursor)
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
        plain = begin(sesid, tableid)
        if plain is not None:
            try:
                if set_plain(plain, columnid, pvData):
                    return 0
            finally:
                end(plain)
    with cursor_call(sesid, tableid, Call.UPDATE) as cursor:
        if psetinfo is None:
            return set_column.set_column(cursor, columnid, _value(pvData), grbit)
        if not isinstance(psetinfo, JET_SETINFO):
            raise jet_error(codes.JET_errInvalidParameter, f"{psetinfo!r} is not a JET_SETINFO")
        return set_column.set_column(cursor, columnid, _value(pvData), grbit, psetinfo.itagSequence, psetinfo.ibLongValue)


def JetSetColumns(sesid: JET_SESID, tableid: JET_TABLEID, psetcolumn: list[JET_SETCOLUMN]) -> JET_ERR:
    """Set several columns; the first that fails ends it, with its error. The elements set before have their `err`."""
    done = 0
    if type(psetcolumn) is list and _are_plain(psetcolumn):
        plain = begin(sesid, tableid)
        if plain is not None:
            try:
                for element in psetcolumn:
                    value = element.pvData
                    if type(value) is not bytes or not set_plain(plain, element.columnid, value):
                        break
                    element.err = 0
                    done += 1
                else:
                    return 0
            finally:
                end(plain)
    with cursor_call(sesid, tableid, Call.UPDATE) as cursor:
        elements = array(psetcolumn, JET_SETCOLUMN, "psetcolumn")
        cursor.require_updatable()
        set_column.settable(cursor)
        values = [_value(element.pvData) for element in elements]
        for value in values:
            set_column.checked_size(value)
        status = 0
        for element, value in zip(elements[done:], values[done:], strict=True):
            status = set_column.set_column(
                cursor, element.columnid, value, element.grbit, element.itagSequence, element.ibLongValue
            )
            element.err = status
        return status


def _are_plain(elements: list[JET_SETCOLUMN]) -> bool:
    """Whether each sets the first value of its column, whole and without options."""
    if not elements:
        return False
    for element in elements:
        if type(element) is not JET_SETCOLUMN or type(element.pvData) is not bytes:
            return False
        if type(element.grbit) is not int or element.grbit or type(element.itagSequence) is not int:
            return False
        if element.itagSequence != 1 or type(element.ibLongValue) is not int or element.ibLongValue:
            return False
        if len(element.pvData) > LONG_VALUE_MOST:
            return False
    return True


def JetUpdate(sesid: JET_SESID, tableid: JET_TABLEID) -> bytes:
    """Make the prepared update; the bookmark of the record."""
    return _update(sesid, tableid, 0)


def JetUpdate2(sesid: JET_SESID, tableid: JET_TABLEID, grbit: JET_GRBIT = 0) -> bytes:
    """JetUpdate with options."""
    return _update(sesid, tableid, grbit)


def _update(sesid: object, tableid: object, grbit: object) -> bytes:
    cursor = begin_in_transaction(sesid, tableid)
    if cursor is not None:
        try:
            return make_unwatched(cursor, grbit)
        finally:
            end(cursor)
    with cursor_call(sesid, tableid, Call.UPDATE) as cursor:
        return update.make(cursor, grbit)


def JetDelete(sesid: JET_SESID, tableid: JET_TABLEID) -> JET_ERR:
    """Delete the current record; the cursor stays at its place."""
    cursor = begin_in_transaction(sesid, tableid)
    if cursor is not None:
        try:
            delete_unwatched(cursor)
        finally:
            end(cursor)
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
