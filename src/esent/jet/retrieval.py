# cython: annotation_typing=False
# What a caller gives may be of any type; compiled code would answer a wrong one with TypeError.
"""Retrieval: columns of records, keys, sizes, locks."""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

import warnings
from collections.abc import Sequence

from esent.constants import codes
from esent.engine import navigation, record_size, retrieve, short_call, update
from esent.engine.cursor import Call, Cursor, cursor_call
from esent.engine.enumerate import enumerate_columns
from esent.errors import JetWarning, jet_error
from esent.jet.cursors import array
from esent.jet.handles import JET_COLUMNID, JET_ERR, JET_GRBIT, JET_SESID, JET_TABLEID
from esent.jet.structures_records import (
    JET_ENUMCOLUMN,
    JET_ENUMCOLUMNID,
    JET_ENUMCOLUMNVALUE,
    JET_RECSIZE,
    JET_RECSIZE2,
    JET_RECSIZE3,
    JET_RETINFO,
    JET_RETRIEVECOLUMN,
)
from esent.records.access import MORE

# Members of JET_RECSIZE3 and what they are made from; the older structures have the first ones.
_SIZES = {
    "cbData": "data",
    "cbLongValueData": "long_data",
    "cbOverhead": "overhead",
    "cbLongValueOverhead": "long_overhead",
    "cNonTaggedColumns": "plain_columns",
    "cTaggedColumns": "tagged_columns",
    "cLongValues": "long_values",
    "cMultiValues": "multi_values",
    "cCompressedColumns": "compressed_columns",
    "cbDataCompressed": "data_stored",
    "cbLongValueDataCompressed": "long_data_stored",
    "cbIntrinsicLongValueData": "intrinsic",
    "cbIntrinsicLongValueDataCompressed": "intrinsic_stored",
    "cIntrinsicLongValues": "intrinsic_count",
    "cbKey": "key",
}


def _shown(answer: retrieve.Answer) -> bytes | None:
    """The value; a reference in place of it comes with JET_wrnColumnReference."""
    if answer.status == codes.JET_wrnColumnReference:
        warnings.warn(JetWarning(answer.status), stacklevel=1 if cython.compiled else 3)  # compiled code has no frames
    return answer.data


def JetRetrieveColumn(
    sesid: JET_SESID, tableid: JET_TABLEID, columnid: JET_COLUMNID, grbit: JET_GRBIT = 0, pretinfo: JET_RETINFO | None = None
) -> bytes | None:
    """The value of a column, from `pretinfo.ibLongValue` on; None for NULL."""
    if pretinfo is None and type(grbit) is int and grbit == 0:
        plain = short_call.begin(sesid, tableid)
        if plain is not None:
            try:
                value = retrieve.plain_value(plain, columnid)
            finally:
                short_call.end(plain)
            if value is not MORE:
                found: bytes | None = value
                return found
    with cursor_call(sesid, tableid, Call.RETRIEVE) as cursor:
        if pretinfo is None:
            return _shown(retrieve.retrieve(cursor, columnid, grbit))
        if not isinstance(pretinfo, JET_RETINFO):
            raise jet_error(codes.JET_errInvalidParameter, f"{pretinfo!r} is not a JET_RETINFO")
        answer = retrieve.retrieve(cursor, columnid, grbit, pretinfo.itagSequence, pretinfo.ibLongValue)
        if retrieve.tells_instance(grbit):
            pretinfo.itagSequence = answer.number
        pretinfo.columnidNextTagged = answer.columnid
        return _shown(answer)


def _plain_ones(cursor: Cursor, elements: Sequence[object]) -> int:
    """Fill in the first elements, as far as they ask for plain values; how many these are."""
    if type(elements) is not list or any(type(element) is not JET_RETRIEVECOLUMN for element in elements):
        return 0
    done = 0
    for element in elements:
        if element.grbit != 0 or element.itagSequence != 1 or element.ibLongValue != 0:
            break
        value = retrieve.plain_value(cursor, element.columnid)
        if value is MORE:
            break
        element.pvData = value
        element.err = codes.JET_wrnColumnNull if value is None else 0
        element.columnidNextTagged = element.columnid
        done += 1
    return done


def JetRetrieveColumns(sesid: JET_SESID, tableid: JET_TABLEID, pretrievecolumn: list[JET_RETRIEVECOLUMN]) -> JET_ERR:
    """Several values; every element gets its data, `err`, and which value of which column it is."""
    done = 0
    elements = pretrievecolumn if type(pretrievecolumn) is list else array(pretrievecolumn, object, "pretrievecolumn")
    plain = short_call.begin(sesid, tableid)
    if plain is not None:
        try:
            done = _plain_ones(plain, elements)
        finally:
            short_call.end(plain)
        if done == len(elements):
            return 0
    with cursor_call(sesid, tableid, Call.RETRIEVE) as cursor:
        rest = array(elements, JET_RETRIEVECOLUMN, "pretrievecolumn")[done:]
        requests = ((each.columnid, each.grbit, each.itagSequence, each.ibLongValue) for each in rest)
        for element, answer in zip(rest, retrieve.retrieve_several(cursor, requests), strict=True):
            element.pvData = answer.data
            element.err = answer.status or (codes.JET_wrnColumnNull if answer.data is None else 0)
            if element.itagSequence == 0 or retrieve.tells_instance(element.grbit):
                element.itagSequence = answer.number
            element.columnidNextTagged = answer.columnid
    return 0


def JetEnumerateColumns(
    sesid: JET_SESID,
    tableid: JET_TABLEID,
    rgEnumColumnId: list[JET_ENUMCOLUMNID] | None = None,
    cbDataMost: int = 0xFFFFFFFF,
    grbit: JET_GRBIT = 0,
) -> list[JET_ENUMCOLUMN]:
    """All columns the record has, or those asked for, with all their values."""
    with cursor_call(sesid, tableid, Call.RETRIEVE) as cursor:
        asked = array(rgEnumColumnId, JET_ENUMCOLUMNID, "rgEnumColumnId")
        wanted = [(each.columnid, array(each.rgtagSequence, int, "rgtagSequence")) for each in asked]
        found = enumerate_columns(cursor, wanted, cbDataMost, grbit)
    return [
        JET_ENUMCOLUMN(
            columnid=column.columnid,
            err=column.status,
            pvData=column.data,
            rgEnumColumnValue=[
                JET_ENUMCOLUMNVALUE(itagSequence=value.number, err=value.status, pvData=value.data) for value in column.values
            ],
        )
        for column in found
    ]


def JetRetrieveKey(sesid: JET_SESID, tableid: JET_TABLEID, grbit: JET_GRBIT = 0) -> bytes:
    """The key of the current index entry, or with JET_bitRetrieveCopy the search key."""
    with cursor_call(sesid, tableid, Call.RETRIEVE_KEY) as cursor:
        return navigation.retrieve_key(cursor, grbit)


def _sized(
    sesid: JET_SESID, tableid: JET_TABLEID, grbit: JET_GRBIT, structure: type, before: object
) -> JET_RECSIZE | JET_RECSIZE2 | JET_RECSIZE3:
    with cursor_call(sesid, tableid, Call.RETRIEVE) as cursor:
        if before is not None and not isinstance(before, structure):
            raise jet_error(codes.JET_errInvalidParameter, f"{before!r} is not a {structure.__name__}")
        size = record_size.record_size(cursor, grbit)
    running = before is not None and navigation.grbit_of(grbit) & record_size.RUNNING_TOTAL
    result = structure()
    for member, part in _SIZES.items():
        if hasattr(result, member):
            setattr(result, member, getattr(size, part) + (getattr(before, member) if running else 0))
    found: JET_RECSIZE | JET_RECSIZE2 | JET_RECSIZE3 = result
    return found


def JetGetRecordSize(
    sesid: JET_SESID, tableid: JET_TABLEID, precsize: JET_RECSIZE | None = None, grbit: JET_GRBIT = 0
) -> JET_RECSIZE:
    """The size of a record by kind of data; `precsize` gives what a running total goes on from."""
    found = _sized(sesid, tableid, grbit, JET_RECSIZE, precsize)
    assert isinstance(found, JET_RECSIZE)
    return found


def JetGetRecordSize2(
    sesid: JET_SESID, tableid: JET_TABLEID, precsize: JET_RECSIZE2 | None = None, grbit: JET_GRBIT = 0
) -> JET_RECSIZE2:
    """JetGetRecordSize with compressed sizes."""
    found = _sized(sesid, tableid, grbit, JET_RECSIZE2, precsize)
    assert isinstance(found, JET_RECSIZE2)
    return found


def JetGetRecordSize3(
    sesid: JET_SESID, tableid: JET_TABLEID, precsize: JET_RECSIZE3 | None = None, grbit: JET_GRBIT = 0
) -> JET_RECSIZE3:
    """JetGetRecordSize2 with the long values inside the record and the key."""
    found = _sized(sesid, tableid, grbit, JET_RECSIZE3, precsize)
    assert isinstance(found, JET_RECSIZE3)
    return found


def JetGetLock(sesid: JET_SESID, tableid: JET_TABLEID, grbit: JET_GRBIT = 0) -> JET_ERR:
    """A read or write lock on the current record, or on the search key."""
    with cursor_call(sesid, tableid) as cursor:
        update.get_lock(cursor, grbit)
    return 0


__all__ = [
    "JetEnumerateColumns",
    "JetGetLock",
    "JetGetRecordSize",
    "JetGetRecordSize2",
    "JetGetRecordSize3",
    "JetRetrieveColumn",
    "JetRetrieveColumns",
    "JetRetrieveKey",
]
