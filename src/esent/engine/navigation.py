"""Moving a cursor: JetMove, JetSeek, index ranges, bookmarks, the choice of the index, positions as fractions.

Rules: `reference/records-and-indexes.md` 6.6-6.9. What a refused move leaves behind is as recorded of the engine: beyond the
end in both trees after a move, at the place of the key in both after a seek for an equal key.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from collections.abc import Sequence

from esent.catalog.objects import Index
from esent.constants import codes, grbits
from esent.engine.cursor import Cursor
from esent.engine.index_entries import RecordValues
from esent.engine.tree_position import Found, Range, TreePosition, Where
from esent.errors import JetError, jet_error
from esent.records.keys import KEY_MOST_DEFAULT, record_keys

EQ, LT, LE, GE, GT = (
    grbits.JET_bitSeekEQ,
    grbits.JET_bitSeekLT,
    grbits.JET_bitSeekLE,
    grbits.JET_bitSeekGE,
    grbits.JET_bitSeekGT,
)
_ALL = EQ | LT | LE | GE | GT
_CHECK_UNIQUENESS, _SET_RANGE = grbits.JET_bitCheckUniqueness, grbits.JET_bitSetIndexRange
_KEY_NE, _NORMALISED = grbits.JET_bitMoveKeyNE, grbits.JET_bitNormalizedKey
_INT_MOST = 0x7FFFFFFF
_FIRST = -(2**31)  # JET_MoveFirst, as a signed number


def _int(value: object, what: str) -> int:
    if not isinstance(value, int):
        raise jet_error(codes.JET_errInvalidParameter, f"{what} is {value!r}, not a number")
    return int(value)


@cython.ccall
def grbit_of(value: object) -> int:
    """An option parameter. JET_errInvalidGrbit for what is no number."""
    if type(value) is int and 0 <= value <= 0xFFFFFFFF:
        return value
    if not isinstance(value, int):
        raise jet_error(codes.JET_errInvalidGrbit, f"options are given as {value!r}")
    return int(value) & 0xFFFFFFFF


# ---- moving -----------------------------------------------------------------------------------------------------------


def move(cursor: Cursor, rows: object, grbit: object = 0) -> None:
    """JetMove. JET_errNoCurrentRecord beyond the end, JET_errRecordDeleted from staying on a record that is gone."""
    count = rows if type(rows) is int else _int(rows, "the number of rows")
    options = grbit_of(grbit)
    if count > _INT_MOST:
        count -= 2**32
    if not -(2**31) <= count <= _INT_MOST:
        raise jet_error(codes.JET_errInvalidParameter, f"a move by {count} rows")
    if count != _FIRST:
        cursor.admit_move(count)
    if cursor.update is not None:
        cursor.cancel_update()
    cursor.lock.acquire()
    try:
        _move(cursor, count, bool(options & _KEY_NE), cursor.filter is not None)
    finally:
        cursor.lock.release()


@cython.cfunc
def _move(cursor: Cursor, count: cython.longlong, other_key: cython.bint, filtered: cython.bint) -> None:
    place = cursor.primary if cursor.secondary is None else cursor.secondary
    if filtered and other_key:
        raise jet_error(codes.JET_errFilteredMoveNotSupported, "moving to another key with a filter set")
    try:
        if count == _INT_MOST:  # JET_MoveLast
            cursor.reset_range()
            place.last()
            if filtered:
                _skip(cursor, forward=False)
        elif count == _FIRST:
            cursor.reset_range()
            place.first()
            if filtered:
                _skip(cursor, forward=True)
        elif count == 0:
            place.data()
            _follow(cursor)
            return
        else:
            for _ in range(abs(count)):
                if count > 0:
                    place.next(other_key)
                else:
                    place.previous(other_key)
                if filtered:
                    _skip(cursor, forward=count > 0)
        _follow(cursor)
    except JetError:
        if count:
            where = Where.AFTER_LAST if count > 0 else Where.BEFORE_FIRST
            place.where = cursor.primary.where = where
        raise


def _skip(cursor: Cursor, *, forward: bool) -> None:
    """Go on to a record that the filter of the cursor admits."""
    _follow(cursor)
    while cursor.filter is not None and not cursor.filter.admits(cursor):
        if forward:
            cursor.current.next()
        else:
            cursor.current.previous()
        _follow(cursor)


@cython.cfunc
def _follow(cursor: Cursor) -> None:
    """Take the primary position to the record of the current index entry."""
    secondary = cursor.secondary
    if secondary is not None:
        cursor.primary.goto(secondary.place.data)


# ---- keys -------------------------------------------------------------------------------------------------------------


def make_key(cursor: Cursor, data: bytes | None, grbit: object) -> None:
    """JetMakeKey: one more segment of the search key of the current index."""
    options = grbit_of(grbit)
    view = cursor.view
    index = cursor.index or view.primary
    search = cursor.primary.search if cursor.secondary is None else cursor.secondary.search
    if not search.data:
        cursor.primary.search.reset()  # all positions of a cursor have one buffer for their keys
    value = data or b""
    if options & _NORMALISED:
        search.set_normalised(value, KEY_MOST_DEFAULT if index is None else view.definition(index).key_most)
        return
    if index is None:
        raise jet_error(codes.JET_errNoCurrentIndex, f"table {cursor.table.name} has no primary index to make a key for")
    search.add(view.definition(index), view.columns, value, options)


def retrieve_key(cursor: Cursor, grbit: object = 0) -> bytes:
    """JetRetrieveKey: of the current index entry, or the search key as far as it is made."""
    options = grbit_of(grbit)
    place = cursor.current
    if options & grbits.JET_bitRetrieveCopy:
        if not place.search.made:
            raise jet_error(codes.JET_errKeyNotMade, "retrieving a search key that was not made")
        return place.search.data
    with cursor.session.instance.lock:
        return cursor.entry_key()


def seek(cursor: Cursor, grbit: object) -> int:
    """JetSeek: 0, JET_wrnSeekNotEqual or JET_wrnUniqueKey. JET_errRecordNotFound, JET_errKeyNotMade."""
    options = grbit_of(grbit)
    kind = options & _ALL
    if not kind:
        raise jet_error(codes.JET_errInvalidParameter, f"seeking with grbit {options:#x}: neither less, equal nor greater")
    place = cursor.primary if cursor.secondary is None else cursor.secondary
    if not place.search.prepared:
        raise jet_error(codes.JET_errKeyNotMade, "seeking without a key")
    if cursor.update is not None:
        cursor.cancel_update()
    cursor.reset_range()
    cursor.lock.acquire()
    try:
        return _seek(cursor, place, kind, options)
    finally:
        place.search.reset()
        cursor.lock.release()


@cython.cfunc
def _seek(cursor: Cursor, place: TreePosition, kind: int, options: int) -> int:
    key = place.search.data
    if kind == EQ:
        if place.seek_equal(key):
            return _seek_equal_found(cursor, place, options)
        cursor.primary.where = Where.BETWEEN
        raise _not_found(kind)
    if kind & GT and not kind & (LT | LE | GE) and _seeks_behind(cursor, place):
        key += b"\xff"
    found = place.seek_near(key, forward=not kind & (LT | LE))
    if found is None:
        cursor.primary.where = Where.BETWEEN
        raise _not_found(kind)
    try:
        if kind in (GE, GT):
            if found is Found.EQUAL and kind == GE:
                _follow(cursor)
                return 0
            if found is Found.GREATER:
                _follow(cursor)
                return codes.JET_wrnSeekNotEqual if kind == GE else 0
            _move(cursor, 1, found is Found.EQUAL, False)
            return 0
        if kind in (LE, LT):
            if found is Found.EQUAL and kind == LE:
                _follow(cursor)
                return 0
            if found is Found.LESS:
                _follow(cursor)
                return codes.JET_wrnSeekNotEqual if kind == LE else 0
            _move(cursor, -1, found is Found.EQUAL, False)
            return 0
    except JetError as problem:
        if problem.code == codes.JET_errNoCurrentRecord:
            raise _not_found(kind) from None
        raise
    _follow(cursor)
    return 0


def _seeks_behind(cursor: Cursor, place: TreePosition) -> bool:
    """Whether a seek for a greater entry goes behind all with the key at once: the key has all its segments, and room."""
    if cursor.index is None or place.tree.unique:
        return False
    return (
        place.search.columns == len(cursor.index.segments)
        and len(place.search.data) <= cursor.view.definition(cursor.index).key_most
    )


@cython.cfunc
def _seek_equal_found(cursor: Cursor, place: TreePosition, options: int) -> int:
    _follow(cursor)
    if options & _CHECK_UNIQUENESS and (place.tree.unique or place.is_only_with_key()):
        return codes.JET_wrnUniqueKey
    if options & _SET_RANGE:
        _set_range(cursor, place, grbits.JET_bitRangeInclusive | grbits.JET_bitRangeUpperLimit)
    return 0


def _not_found(kind: int) -> JetError:
    return jet_error(codes.JET_errRecordNotFound, f"seeking with grbit {kind:#x}: there is no such record")


# ---- ranges -----------------------------------------------------------------------------------------------------------


def set_index_range(cursor: Cursor, grbit: object) -> None:
    """JetSetIndexRange. JET_errNoCurrentRecord: the current entry is outside; JET_errInvalidOperation: no range to remove."""
    options = grbit_of(grbit)
    place = cursor.current
    if options & grbits.JET_bitRangeRemove:
        if place.range is None:
            raise jet_error(codes.JET_errInvalidOperation, "removing a range that is not set")
        cursor.reset_range()
        return
    if cursor.index is None and cursor.view.primary is None:
        raise jet_error(codes.JET_errNoCurrentIndex, f"table {cursor.table.name} has no primary index for a range")
    if not place.search.prepared:
        raise jet_error(codes.JET_errKeyNotMade, "setting a range without a key")
    with cursor.session.instance.lock:
        _set_range(cursor, place, options)


def _set_range(cursor: Cursor, place: TreePosition, options: int) -> None:
    place.range = Range(
        upper=bool(options & grbits.JET_bitRangeUpperLimit), inclusive=bool(options & grbits.JET_bitRangeInclusive)
    )
    try:
        place.refresh()
        if place.where not in (Where.ON_NODE, Where.BETWEEN):
            raise jet_error(codes.JET_errNoCurrentRecord, f"setting a range: the cursor is {place.where.value}")
        place.check_range()
    finally:
        place.search.reset()
        if options & grbits.JET_bitRangeInstantDuration:
            cursor.reset_range()


def index_record_count(cursor: Cursor, most: object = 0) -> int:
    """JetIndexRecordCount: entries from the current one on, within the range, at most `most` (0: all)."""
    limit = _int(most, "the largest count")
    with cursor.session.instance.lock:
        place = cursor.current
        try:
            place.refresh()
        except JetError as problem:
            if problem.code == codes.JET_errNoCurrentRecord and place.where is Where.FIRST_DEFERRED:
                return 0  # an empty index
            raise
        place.data()
        walker = place.tree.cursor(cursor.session)
        walker.goto(place.place.bookmark_key, place.place.data_bookmark)
        count = 1
        while count != limit and walker.next() and (place.range is None or place.in_range(walker.key)):
            count += 1
        place.range = None
        return count


# ---- bookmarks --------------------------------------------------------------------------------------------------------


def bookmark(cursor: Cursor) -> bytes:
    """JetGetBookmark. JET_errNoCurrentRecord where it is on no record; one that is gone keeps its bookmark."""
    if not cursor.primary.on_node:
        raise jet_error(codes.JET_errNoCurrentRecord, f"the bookmark of a cursor that is {cursor.primary.where.value}")
    return cursor.shown_bookmark(cursor.primary.key)


def require_unchanged(cursor: Cursor) -> None:
    """JetGetCursorInfo: JET_errWriteConflict where another session has an open change to the current record."""
    with cursor.session.instance.lock:
        if not cursor.primary.on_node:
            raise jet_error(codes.JET_errNoCurrentRecord, f"a cursor that is {cursor.primary.where.value}")
        cursor.primary.data()
        if cursor.primary.tree.changed_by_other(cursor.session, cursor.primary.key):
            raise jet_error(codes.JET_errWriteConflict, "another session has an open change to the record")


def goto_bookmark(cursor: Cursor, mark: bytes | None, number: int = 1) -> None:
    """JetGotoBookmark: to a record, and to its entry in the current index (that of instance `number`).

    JET_errRecordDeleted, JET_errInvalidBookmark, JET_errNoCurrentRecord where the record is not in the index.
    """
    if not mark:
        raise jet_error(codes.JET_errInvalidBookmark, "an empty bookmark")
    mark = cursor.known_bookmark(mark)
    cursor.cancel_update()
    cursor.reset_range()
    cursor.primary.search.reset()
    with cursor.session.instance.lock:
        if not cursor.primary.tree.visible(cursor.session, mark):
            raise jet_error(codes.JET_errRecordDeleted, "going to a record that is not there")
        cursor.primary.goto(mark)
        if cursor.secondary is None or cursor.index is None:
            return
        cursor.secondary.search.reset()
        key = _entry_key(cursor, cursor.index, number)
        if key is None:
            cursor.secondary.where = Where.BEFORE_FIRST
            raise jet_error(codes.JET_errNoCurrentRecord, f"the record has no entry in index {cursor.index.name}")
        place = cursor.secondary
        if not place.seek_equal(key, None if place.tree.unique else mark):
            raise jet_error(
                codes.JET_errSecondaryIndexCorrupted, f"index {cursor.index.name} of {cursor.table.name} lacks an entry"
            )


def _entry_key(cursor: Cursor, index: Index, number: int) -> bytes | None:
    """The key of the current record in an index, of instance `number` of its multi-valued columns; None without an entry.

    JET_errBadItagSequence where there is no such instance.
    """
    values = RecordValues(cursor.view, cursor.record(), cursor.read_long_value)
    definition = cursor.view.definition(index)
    several = [segment.column for segment in definition.segments if segment.multi_valued]
    if number <= 1 or not several:
        keys = values.keys(index)
        return _first_key(cursor, index, values, keys)
    if len(values.instances(several[0])) < number:
        raise jet_error(codes.JET_errBadItagSequence, f"the record has no value {number} in index {index.name}")

    def instances(column: int) -> Sequence[bytes]:
        found = values.instances(column)
        return found[number - 1 : number] if column in several[:1] else found[:1]

    keys = record_keys(definition, instances)
    return keys[0] if keys else None


def _first_key(cursor: Cursor, index: Index, values: RecordValues, keys: list[bytes]) -> bytes | None:
    """The key of the first instance of each column: the others may have entries where this one has none."""
    definition = cursor.view.definition(index)
    if len(keys) <= 1 and not any(segment.multi_valued for segment in definition.segments):
        return keys[0] if keys else None
    first = record_keys(definition, lambda column: values.instances(column)[:1])
    return first[0] if first else None


def secondary_bookmark(cursor: Cursor) -> tuple[bytes, bytes]:
    """JetGetSecondaryIndexBookmark: key and bookmark of the current entry of the secondary index."""
    if cursor.secondary is None:
        raise jet_error(codes.JET_errNoCurrentIndex, "there is no secondary index to have a bookmark in")
    with cursor.session.instance.lock:
        bookmark = cursor.secondary.data()
        return cursor.secondary.key, bookmark


def goto_secondary_bookmark(cursor: Cursor, key: bytes | None, bookmark: bytes | None, grbit: object = 0) -> None:
    """JetGotoSecondaryIndexBookmark. JET_errRecordDeleted; then the cursor may be where the entry was, if that is permitted."""
    options = grbit_of(grbit)
    place = cursor.secondary
    if place is None:
        raise jet_error(codes.JET_errNoCurrentIndex, "there is no secondary index to go to a bookmark in")
    if not key or (not bookmark and not place.tree.unique):
        raise jet_error(codes.JET_errInvalidBookmark, "an empty bookmark")
    cursor.cancel_update()
    cursor.reset_range()
    cursor.primary.search.reset()
    place.search.reset()
    data = b"" if place.tree.unique else bytes(bookmark or b"")
    with cursor.session.instance.lock:
        if not place.tree.visible(cursor.session, key, data):
            if options & grbits.JET_bitBookmarkPermitVirtualCurrency:
                place.goto_between(key, data)
                cursor.primary.where = Where.BETWEEN
            raise jet_error(codes.JET_errRecordDeleted, "going to an index entry that is not there")
        place.goto(key, data)
        record = place.place.data
        cursor.primary.goto(record)
        if place.tree.unique and bookmark and record != bookmark:
            raise jet_error(codes.JET_errRecordDeleted, "the index entry is that of another record now")


# ---- the current index ------------------------------------------------------------------------------------------------


def index_id(index: Index | None, objid: int, root: int) -> bytes:
    """The identity of an index as JET_INDEXID has it; of the primary one (None) that of its table."""
    if index is not None:
        objid, root = index.objid, index.root
    return objid.to_bytes(4, "little") + root.to_bytes(4, "little")


def set_current_index(
    cursor: Cursor, name: object, *, identity: bytes | None = None, grbit: object = 0, number: object = 1
) -> None:
    """JetSetCurrentIndex...: by name (None or empty: the primary one) or by identity, and to the first entry or to that of the
    current record."""
    options = grbit_of(grbit)
    instance = _int(number, "the number of the value")
    if options not in (grbits.JET_bitMoveFirst, grbits.JET_bitNoMove):
        raise jet_error(codes.JET_errInvalidGrbit, f"choosing an index with grbit {options:#x}")
    if name is not None and not isinstance(name, str):
        raise jet_error(codes.JET_errInvalidParameter, f"{name!r} is not the name of an index")
    if options == grbits.JET_bitMoveFirst:
        cursor.cancel_update()
        _choose(cursor, _find_index(cursor, name, identity))
        cursor.primary.defer_first()
        if cursor.secondary is not None:
            cursor.secondary.defer_first()
        return
    kept = bookmark(cursor)
    _choose(cursor, _find_index(cursor, name, identity))
    goto_bookmark(cursor, kept, max(1, instance))


def _find_index(cursor: Cursor, name: str | None, identity: bytes | None) -> Index | None:
    table = cursor.table
    if identity is not None:
        if identity == index_id(None, table.objid, table.root):
            return None
        for index in cursor.view.secondary:
            if identity == index_id(index, 0, 0):
                return index
        raise jet_error(codes.JET_errInvalidIndexId, f"not the identity of an index of table {table.name}")
    if not name:
        return None
    try:
        index = table.index(name)
    except JetError:
        # The index that was current is no longer, whatever comes of the choice of another.
        if cursor.secondary is not None:
            cursor.use_index(None)
        raise
    return None if index.is_primary else index


def _choose(cursor: Cursor, index: Index | None) -> None:
    if index is None or cursor.index is None or index.objid != cursor.index.objid:
        cursor.use_index(index)


# ---- positions --------------------------------------------------------------------------------------------------------


def record_position(cursor: Cursor) -> tuple[int, int]:
    """JetGetRecordPosition: (entries before the current one, entries in all), estimated."""
    with cursor.session.instance.lock:
        place = cursor.current
        place.refresh()
        if place.where not in (Where.ON_NODE, Where.BETWEEN):
            raise jet_error(codes.JET_errNoCurrentRecord, f"the position of a cursor that is {place.where.value}")
        return place.position()


def goto_position(cursor: Cursor, before: object, total: object) -> None:
    """JetGotoPosition: to the entry at a fraction of the index. JET_errRecordNotFound in an empty one."""
    low, high = _int(before, "the entries before"), _int(total, "the entries in all")
    if low < 0 or low > high:
        raise jet_error(codes.JET_errInvalidParameter, f"position {low} of {high}")
    cursor.cancel_update()
    cursor.reset_range()
    cursor.primary.search.reset()
    with cursor.session.instance.lock:
        place = cursor.current
        if not place.goto_fraction(low, high):
            place.where = cursor.primary.where = Where.BEFORE_FIRST
            raise jet_error(codes.JET_errRecordNotFound, "going to a position in an empty index")
        _follow(cursor)
