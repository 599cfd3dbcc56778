# cython: annotation_typing=False
# What a caller gives may be of any type; compiled code would answer a wrong one with TypeError.
"""Navigation and search: keys, seeks, moves, index ranges, bookmarks, the current index."""

from __future__ import annotations

from esent.constants import codes, grbits
from esent.engine import navigation, short_call
from esent.engine.cursor import Call, cursor_call
from esent.engine.navigation import grbit_of
from esent.errors import jet_error
from esent.jet.cursors import array, buffer
from esent.jet.handles import JET_ERR, JET_GRBIT, JET_SESID, JET_TABLEID, Buffer
from esent.jet.structures_records import JET_INDEXID, JET_RECPOS, JET_RECPOS2

_PREREAD = (
    grbits.JET_bitPrereadForward
    | grbits.JET_bitPrereadBackward
    | grbits.JET_bitPrereadFirstPage
    | grbits.JET_bitPrereadNormalizedKey
)


def JetMove(sesid: JET_SESID, tableid: JET_TABLEID, cRow: int, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Move by rows, or to the first or last one. JET_errNoCurrentRecord beyond the end."""
    cursor = short_call.begin(sesid, tableid)
    if cursor is not None:
        try:
            navigation.move(cursor, cRow, grbit)
        finally:
            short_call.end(cursor)
        return 0
    with cursor_call(sesid, tableid, Call.MOVE) as cursor:
        navigation.move(cursor, cRow, grbit)
    return 0


def JetMakeKey(sesid: JET_SESID, tableid: JET_TABLEID, pvData: Buffer | None, grbit: JET_GRBIT) -> JET_ERR:
    """Add a column value to the search key, or give it whole."""
    cursor = short_call.begin(sesid, tableid)
    if cursor is not None:
        try:
            navigation.make_key(cursor, pvData if type(pvData) is bytes else buffer(pvData, "a key value"), grbit)
        finally:
            short_call.end(cursor)
        return 0
    with cursor_call(sesid, tableid, Call.KEY) as cursor:
        navigation.make_key(cursor, buffer(pvData, "a key value"), grbit)
    return 0


def JetSeek(sesid: JET_SESID, tableid: JET_TABLEID, grbit: JET_GRBIT) -> JET_ERR:
    """Go to an entry relative to the search key; JET_wrnSeekNotEqual, JET_wrnUniqueKey."""
    cursor = short_call.begin(sesid, tableid)
    if cursor is not None:
        try:
            return navigation.seek(cursor, grbit)
        finally:
            short_call.end(cursor)
    with cursor_call(sesid, tableid, Call.SEEK) as cursor:
        return navigation.seek(cursor, grbit)


def JetSetIndexRange(sesid: JET_SESID, tableid: JET_TABLEID, grbit: JET_GRBIT) -> JET_ERR:
    """Limit moves in one direction to the search key, or take the limit off."""
    with cursor_call(sesid, tableid, Call.RANGE) as cursor:
        navigation.set_index_range(cursor, grbit)
    return 0


def JetGetBookmark(sesid: JET_SESID, tableid: JET_TABLEID) -> bytes:
    """The bookmark of the current record."""
    with cursor_call(sesid, tableid, Call.BOOKMARK) as cursor:
        return navigation.bookmark(cursor)


def JetGotoBookmark(sesid: JET_SESID, tableid: JET_TABLEID, pvBookmark: Buffer | None) -> JET_ERR:
    """Go to the record with a bookmark."""
    with cursor_call(sesid, tableid, Call.BOOKMARK) as cursor:
        navigation.goto_bookmark(cursor, buffer(pvBookmark, "a bookmark"))
    return 0


def JetGetSecondaryIndexBookmark(sesid: JET_SESID, tableid: JET_TABLEID, grbit: JET_GRBIT = 0) -> tuple[bytes, bytes]:
    """Key and primary bookmark of the current entry of the secondary index."""
    with cursor_call(sesid, tableid) as cursor:
        return navigation.secondary_bookmark(cursor)


def JetGotoSecondaryIndexBookmark(
    sesid: JET_SESID,
    tableid: JET_TABLEID,
    pvSecondaryKey: Buffer | None,
    pvPrimaryBookmark: Buffer | None = None,
    grbit: JET_GRBIT = 0,
) -> JET_ERR:
    """Go to an entry of the secondary index."""
    with cursor_call(sesid, tableid) as cursor:
        key, bookmark = buffer(pvSecondaryKey, "a key"), buffer(pvPrimaryBookmark, "a bookmark")
        navigation.goto_secondary_bookmark(cursor, key, bookmark, grbit)
    return 0


def JetGotoPosition(sesid: JET_SESID, tableid: JET_TABLEID, precpos: JET_RECPOS | JET_RECPOS2) -> JET_ERR:
    """Go to the entry at a fraction of the index."""
    with cursor_call(sesid, tableid) as cursor:
        if not isinstance(precpos, JET_RECPOS | JET_RECPOS2):
            raise jet_error(codes.JET_errInvalidParameter, f"{precpos!r} is not a position")
        if isinstance(precpos, JET_RECPOS2) and (precpos.centriesLTDeprecated or precpos.centriesTotalDeprecated):
            raise jet_error(codes.JET_errInvalidParameter, "a position in the members of 32 bits")
        navigation.goto_position(cursor, precpos.centriesLT, precpos.centriesTotal)
    return 0


def JetGetRecordPosition(sesid: JET_SESID, tableid: JET_TABLEID) -> JET_RECPOS:
    """Where the current entry is in its index, as a fraction; an estimate."""
    with cursor_call(sesid, tableid) as cursor:
        before, total = navigation.record_position(cursor)
    return JET_RECPOS(centriesLT=before, centriesInRange=1, centriesTotal=total)


def JetIndexRecordCount(sesid: JET_SESID, tableid: JET_TABLEID, crecMax: int = 0) -> int:
    """Entries from the current one on to the end of the index or range, at most `crecMax` (0: all)."""
    with cursor_call(sesid, tableid) as cursor:
        return navigation.index_record_count(cursor, crecMax)


def JetIndexRecordCount2(sesid: JET_SESID, tableid: JET_TABLEID, crecMax: int = 0) -> int:
    """JetIndexRecordCount."""
    return JetIndexRecordCount(sesid, tableid, crecMax)


def JetGetCurrentIndex(sesid: JET_SESID, tableid: JET_TABLEID) -> str:
    """Name of the current index, "" for the order of a table without a primary index."""
    with cursor_call(sesid, tableid) as cursor:
        return cursor.index_name


def JetSetCurrentIndex(sesid: JET_SESID, tableid: JET_TABLEID, szIndexName: str | None) -> JET_ERR:
    """Choose an index, and go to its first entry."""
    return JetSetCurrentIndex4(sesid, tableid, szIndexName, None, grbits.JET_bitMoveFirst, 1)


def JetSetCurrentIndex2(
    sesid: JET_SESID, tableid: JET_TABLEID, szIndexName: str | None = None, grbit: JET_GRBIT = 0
) -> JET_ERR:
    """Choose an index, and go to its first entry or stay on the record."""
    return JetSetCurrentIndex4(sesid, tableid, szIndexName, None, grbit, 1)


def JetSetCurrentIndex3(
    sesid: JET_SESID, tableid: JET_TABLEID, szIndexName: str | None, grbit: JET_GRBIT, itagSequence: int
) -> JET_ERR:
    """JetSetCurrentIndex2; staying on the record, on the entry of one of its values."""
    return JetSetCurrentIndex4(sesid, tableid, szIndexName, None, grbit, itagSequence)


def JetSetCurrentIndex4(
    sesid: JET_SESID,
    tableid: JET_TABLEID,
    szIndexName: str | None,
    pindexid: JET_INDEXID | None,
    grbit: JET_GRBIT,
    itagSequence: int,
) -> JET_ERR:
    """JetSetCurrentIndex3; the index may be given by its identity."""
    with cursor_call(sesid, tableid) as cursor:
        identity = None
        if pindexid is not None:
            if not isinstance(pindexid, JET_INDEXID):
                raise jet_error(codes.JET_errInvalidIndexId, f"{pindexid!r} is not the identity of an index")
            identity = buffer(pindexid.rgbIndexId, "the identity of an index") or b""
        navigation.set_current_index(cursor, szIndexName, identity=identity, grbit=grbit, number=itagSequence)
    return 0


def JetPrereadKeys(sesid: JET_SESID, tableid: JET_TABLEID, rgpvKeys: list[Buffer], grbit: JET_GRBIT = 0) -> int:
    """A hint that records with these keys, in order, will be read; the number of keys taken note of."""
    with cursor_call(sesid, tableid):
        keys = [buffer(key, "a key") or b"" for key in array(rgpvKeys, object, "rgpvKeys")]
        if not keys:
            raise jet_error(codes.JET_errInvalidParameter, "no keys to preread")
        both = grbits.JET_bitPrereadForward | grbits.JET_bitPrereadBackward
        options = grbit_of(grbit)
        direction = options & both
        if options & ~_PREREAD or direction not in (grbits.JET_bitPrereadForward, grbits.JET_bitPrereadBackward):
            raise jet_error(codes.JET_errInvalidGrbit, f"prereading with grbit {options:#x}")
        if keys != sorted(keys, reverse=direction == grbits.JET_bitPrereadBackward):
            raise jet_error(codes.JET_errInvalidParameter, "the keys to preread are not in order")
        return len(keys)


def JetGetCursorInfo(sesid: JET_SESID, tableid: JET_TABLEID, InfoLevel: int = 0) -> JET_ERR:
    """JET_errWriteConflict where another session has an open change to the current record."""
    with cursor_call(sesid, tableid) as cursor:
        if InfoLevel != 0:
            raise jet_error(codes.JET_errInvalidParameter, f"information level {InfoLevel!r} about a cursor")
        navigation.require_unchanged(cursor)
    return 0


__all__ = [
    "JetGetBookmark",
    "JetGetCurrentIndex",
    "JetGetCursorInfo",
    "JetGetRecordPosition",
    "JetGetSecondaryIndexBookmark",
    "JetGotoBookmark",
    "JetGotoPosition",
    "JetGotoSecondaryIndexBookmark",
    "JetIndexRecordCount",
    "JetIndexRecordCount2",
    "JetMakeKey",
    "JetMove",
    "JetPrereadKeys",
    "JetSeek",
    "JetSetCurrentIndex",
    "JetSetCurrentIndex2",
    "JetSetCurrentIndex3",
    "JetSetCurrentIndex4",
    "JetSetIndexRange",
]
