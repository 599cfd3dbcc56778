"""Sets of records: intersections of ranges, filters, copies of many records, references to values, what will be read."""

from __future__ import annotations

from esent.constants import codes, grbits
from esent.engine import column_references, filters, record_stream
from esent.engine.cursor import Call, cursor_call, resolve_cursor
from esent.engine.list_table import list_table
from esent.engine.navigation import grbit_of
from esent.engine.retrieve import RecordReader
from esent.engine.schema import schema_of
from esent.engine.session import session_call
from esent.errors import jet_error
from esent.jet.cursors import array, buffer
from esent.jet.handles import JET_COLUMNID, JET_DBID, JET_ERR, JET_GRBIT, JET_SESID, JET_TABLEID, Buffer
from esent.jet.structures_records import (
    JET_INDEX_COLUMN,
    JET_INDEX_RANGE,
    JET_INDEXRANGE,
    JET_RECORDLIST,
    JET_RETRIEVEMULTIVALUECOUNT,
)
from esent.records.columns import Coltyp

JET_relopEquals = int(filters.Relation.EQUALS)
JET_relopPrefixEquals = int(filters.Relation.PREFIX_EQUALS)
JET_relopNotEquals = int(filters.Relation.NOT_EQUALS)
JET_relopLessThanOrEqual = int(filters.Relation.LESS_OR_EQUAL)
JET_relopLessThan = int(filters.Relation.LESS)
JET_relopGreaterThanOrEqual = int(filters.Relation.GREATER_OR_EQUAL)
JET_relopGreaterThan = int(filters.Relation.GREATER)
JET_relopBitmaskEqualsZero = int(filters.Relation.BITMASK_EQUALS_ZERO)
JET_relopBitmaskNotEqualsZero = int(filters.Relation.BITMASK_NOT_EQUALS_ZERO)

_DIRECTIONS = (grbits.JET_bitPrereadForward, grbits.JET_bitPrereadBackward)
_PREREAD_OPTIONS = grbits.JET_bitPrereadFirstPage | grbits.JET_bitPrereadNormalizedKey


def JetIntersectIndexes(sesid: JET_SESID, rgindexrange: list[JET_INDEXRANGE], grbit: JET_GRBIT = 0) -> JET_RECORDLIST:
    """The bookmarks of the records in all the ranges, in a temporary table."""
    with session_call(sesid) as session:
        session.check_owner()
        if grbit_of(grbit):
            raise jet_error(codes.JET_errInvalidGrbit, f"an intersection with grbit {grbit!r}")
        ranges = array(rgindexrange, JET_INDEXRANGE, "rgindexrange")
        for each in ranges:
            if each.grbit != grbits.JET_bitRecordInIndex:
                raise jet_error(codes.JET_errInvalidGrbit, f"an intersection with a range of grbit {each.grbit!r}")
        cursors = [resolve_cursor(session, each.tableid) for each in ranges]
        with session.instance.lock:
            bookmarks = filters.intersection(cursors)
        cursor, columns = list_table(session, [("bookmark", Coltyp.BINARY)], [{"bookmark": each} for each in bookmarks])
    return JET_RECORDLIST(tableid=cursor.handle, cRecord=len(bookmarks), columnidBookmark=columns["bookmark"])


def JetSetCursorFilter(
    sesid: JET_SESID, tableid: JET_TABLEID, rgFilters: list[JET_INDEX_COLUMN] | None = None, grbit: JET_GRBIT = 0
) -> JET_ERR:
    """Have moves stop at records only that meet all conditions; none take the filter off."""
    with cursor_call(sesid, tableid) as cursor:
        if grbit_of(grbit):
            raise jet_error(codes.JET_errInvalidGrbit, f"a filter with grbit {grbit!r}")
        conditions = []
        for each in array(rgFilters, JET_INDEX_COLUMN, "rgFilters"):
            value = buffer(each.pv, "the value of a condition")
            conditions.append(filters.condition(cursor, each.columnid, each.relop, value, grbit_of(each.grbit)))
        cursor.filter = filters.RecordFilter(conditions) if conditions else None
    return 0


# ---- copies and references ----------------------------------------------------------------------------------------------


def JetStreamRecords(
    sesid: JET_SESID, tableid: JET_TABLEID, rgcolumnid: list[JET_COLUMNID] | None, cbData: int, grbit: JET_GRBIT = 0
) -> bytes:
    """As many records as fit into `cbData` bytes, from the current one on; the cursor goes behind them."""
    with cursor_call(sesid, tableid) as cursor:
        return record_stream.stream(cursor, rgcolumnid, cbData, grbit_of(grbit))


def JetRetrieveColumnFromRecordStream(
    pvData: bytearray | memoryview,
) -> tuple[int, JET_COLUMNID, int, bytes | None] | None:
    """The next (record, column, instance, value) of a stream, which remembers its place; None at its end."""
    if not isinstance(pvData, bytearray | memoryview) or (isinstance(pvData, memoryview) and pvData.readonly):
        raise jet_error(codes.JET_errInvalidParameter, "a stream is read in a buffer that can be written to")
    return record_stream.next_value(pvData)


def JetRetrieveColumnByReference(
    sesid: JET_SESID, tableid: JET_TABLEID, pvReference: Buffer, ibData: int = 0, grbit: JET_GRBIT = 0
) -> bytes | None:
    """The value that a retrieval with JET_bitRetrieveAsRefIfNotInRecord gave a reference to."""
    with cursor_call(sesid, tableid) as cursor, cursor.session.instance.lock:
        if grbit_of(grbit):
            raise jet_error(codes.JET_errInvalidGrbit, f"a value by reference with grbit {grbit!r}")
        return column_references.read_reference(cursor, buffer(pvReference, "a reference") or b"", ibData)


def JetRetrieveTaggedColumnList(
    sesid: JET_SESID, tableid: JET_TABLEID, columnidStart: JET_COLUMNID = 0, grbit: JET_GRBIT = 0
) -> list[JET_RETRIEVEMULTIVALUECOUNT]:
    """The tagged columns the record has values of, from one on, and how many."""
    with cursor_call(sesid, tableid, Call.RETRIEVE) as cursor, cursor.session.instance.lock:
        options = grbit_of(grbit)
        if options & ~(grbits.JET_bitRetrieveCopy | grbits.JET_bitRetrieveIgnoreDefault) or not isinstance(columnidStart, int):
            raise jet_error(codes.JET_errInvalidGrbit, f"listing columns from {columnidStart!r} on with grbit {options:#x}")
        reader = RecordReader(cursor, copy=bool(options & grbits.JET_bitRetrieveCopy))
        ignore = bool(options & grbits.JET_bitRetrieveIgnoreDefault)
        counts = [
            (column.columnid, len(reader.with_default(column, ignore_default=ignore)))
            for column in cursor.view.tagged
            if column.columnid >= columnidStart
        ]
    return [JET_RETRIEVEMULTIVALUECOUNT(columnid=columnid, cMultiValues=count) for columnid, count in counts if count]


# ---- what will be read --------------------------------------------------------------------------------------------------


def _require_direction(grbit: JET_GRBIT) -> None:
    options = grbit_of(grbit)
    if options & ~_PREREAD_OPTIONS not in _DIRECTIONS:
        raise jet_error(codes.JET_errInvalidGrbit, f"prereading with grbit {options:#x}")


def _require_range(wish: object) -> None:
    """JET_errInvalidParameter for what is no range with a begin."""
    if not isinstance(wish, JET_INDEX_RANGE) or not wish.rgStartColumns:
        raise jet_error(codes.JET_errInvalidParameter, f"{wish!r} is not a range to preread")
    for each in [*wish.rgStartColumns, *wish.rgEndColumns]:
        if not isinstance(each, JET_INDEX_COLUMN) or each.relop not in (JET_relopEquals, JET_relopPrefixEquals):
            raise jet_error(codes.JET_errInvalidParameter, f"{each!r} in a range to preread")


def JetPrereadIndexRanges(
    sesid: JET_SESID,
    tableid: JET_TABLEID,
    rgIndexRanges: list[JET_INDEX_RANGE],
    rgcolumnidPreread: list[JET_COLUMNID] | None = None,
    grbit: JET_GRBIT = 0,
) -> int:
    """A hint that records in these ranges will be read; the number of ranges taken note of."""
    with cursor_call(sesid, tableid) as cursor:
        _require_direction(grbit)
        if not rgIndexRanges:
            raise jet_error(codes.JET_errInvalidParameter, "no ranges to preread")
        for each in rgIndexRanges:
            _require_range(each)
        for columnid in rgcolumnidPreread or []:
            column = cursor.view.column(columnid)
            if not column.is_long_value:
                raise jet_error(
                    codes.JET_errMustBeSeparateLongValue, f"prereading column {column.name}, which is no long value"
                )
    return len(rgIndexRanges)


def JetPrereadIndexRange(
    sesid: JET_SESID,
    tableid: JET_TABLEID,
    pIndexRange: JET_INDEX_RANGE,
    cPageCacheMin: int,
    cPageCacheMax: int,
    grbit: JET_GRBIT = 0,
) -> int:
    """A hint that records in a range will be read; the pages read ahead, of which there are none."""
    with cursor_call(sesid, tableid):
        _require_direction(grbit)
        _require_range(pIndexRange)
        _require_pages(cPageCacheMin, cPageCacheMax)
    return 0


def _require_pages(least: object, most: object) -> None:
    if not isinstance(least, int) or not isinstance(most, int) or not 0 <= least <= most:
        raise jet_error(codes.JET_errInvalidParameter, f"prereading {least!r} to {most!r} pages")


def JetPrereadTables(sesid: JET_SESID, dbid: JET_DBID, rgwszTables: list[str], grbit: JET_GRBIT = 0) -> JET_ERR:
    """A hint that these tables will be opened."""
    with session_call(sesid) as session:
        session.check_owner()
        if grbit_of(grbit):
            raise jet_error(codes.JET_errInvalidGrbit, f"prereading tables with grbit {grbit!r}")
        database = session.instance.databases.get(session, dbid)
        names = array(rgwszTables, str, "rgwszTables")
        if not names:
            raise jet_error(codes.JET_errInvalidParameter, "no tables to preread")
        with session.instance.lock:
            for name in names:
                schema_of(database).find(session, name)
    return 0


def JetPrereadColumnsByReference(
    sesid: JET_SESID,
    tableid: JET_TABLEID,
    rgpvReferences: list[Buffer],
    cPageCacheMin: int,
    cPageCacheMax: int,
    grbit: JET_GRBIT = 0,
) -> int:
    """A hint that these values will be read; the number of references taken note of."""
    with cursor_call(sesid, tableid) as cursor, cursor.session.instance.lock:
        if grbit_of(grbit) & ~(_PREREAD_OPTIONS | sum(_DIRECTIONS)):
            raise jet_error(codes.JET_errInvalidGrbit, f"prereading values with grbit {grbit!r}")
        _require_pages(cPageCacheMin, cPageCacheMax)
        references = array(rgpvReferences, object, "rgpvReferences")
        for each in references:
            column_references.require_reference(cursor, buffer(each, "a reference") or b"")
    return len(references)


__all__ = [
    "JET_relopBitmaskEqualsZero",
    "JET_relopBitmaskNotEqualsZero",
    "JET_relopEquals",
    "JET_relopGreaterThan",
    "JET_relopGreaterThanOrEqual",
    "JET_relopLessThan",
    "JET_relopLessThanOrEqual",
    "JET_relopNotEquals",
    "JET_relopPrefixEquals",
    "JetIntersectIndexes",
    "JetPrereadColumnsByReference",
    "JetPrereadIndexRange",
    "JetPrereadIndexRanges",
    "JetPrereadTables",
    "JetRetrieveColumnByReference",
    "JetRetrieveColumnFromRecordStream",
    "JetRetrieveTaggedColumnList",
    "JetSetCursorFilter",
    "JetStreamRecords",
]
