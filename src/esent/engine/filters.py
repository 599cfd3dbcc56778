"""Conditions that moves skip records by (JetSetCursorFilter), and records that are in several index ranges.

A condition compares the first value of a column; NULL is less than every value. Values are compared as keys order them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from esent.constants import codes, grbits
from esent.engine.collation import default_sort_key
from esent.engine.cursor import Cursor
from esent.engine.retrieve import RecordReader
from esent.errors import jet_error
from esent.records.columns import INHERENT_SIZE, Column
from esent.records.keys import KeyDefinition, Segment, normalise

_COMPARED_MOST = 2000
_BY_KEY = KeyDefinition((), 0, _COMPARED_MOST, 0, (), None, default_sort_key)
RANGES_MOST = 64


class Relation(IntEnum):
    """JET_relop..."""

    EQUALS = 0
    PREFIX_EQUALS = 1
    NOT_EQUALS = 2
    LESS_OR_EQUAL = 3
    LESS = 4
    GREATER_OR_EQUAL = 5
    GREATER = 6
    BITMASK_EQUALS_ZERO = 7
    BITMASK_NOT_EQUALS_ZERO = 8


_MASKS = (Relation.BITMASK_EQUALS_ZERO, Relation.BITMASK_NOT_EQUALS_ZERO)


class Condition(NamedTuple):
    column: Column
    relation: Relation
    value: bytes | None


def condition(cursor: Cursor, columnid: object, relation: object, value: bytes | None, grbit: int) -> Condition:
    """A checked condition. JET_errColumnNotFound, JET_errBadColumnId, JET_errInvalidParameter, JET_errInvalidGrbit."""
    column = cursor.view.column(columnid)
    if not isinstance(relation, int) or relation not in Relation.__members__.values():
        raise jet_error(codes.JET_errInvalidParameter, f"{relation!r} is not a way to compare")
    if grbit & ~grbits.JET_bitZeroLength:
        raise jet_error(codes.JET_errInvalidGrbit, f"a condition with grbit {grbit:#x}")
    kind = Relation(relation)
    if kind in _MASKS and (column.coltyp not in INHERENT_SIZE or not value):
        raise jet_error(codes.JET_errFilteredMoveNotSupported, f"testing bits of column {column.name}")
    if not value and not grbit & grbits.JET_bitZeroLength:
        value = None
    return Condition(column, kind, value)


class RecordFilter:
    """The conditions a record has to meet, all of them."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self.conditions = conditions

    def admits(self, cursor: Cursor) -> bool:
        """Whether the current record meets them."""
        reader = RecordReader(cursor, copy=False)
        for each in self.conditions:
            values = reader.with_default(each.column)
            if not _holds(each, reader.plain(values[0]) if values else None):
                return False
        return True


def _holds(condition: Condition, value: bytes | None) -> bool:
    relation, wanted = condition.relation, condition.value
    if relation in _MASKS:
        bits = int.from_bytes(value or b"", "little") & int.from_bytes(wanted or b"", "little")
        return (bits == 0) == (relation is Relation.BITMASK_EQUALS_ZERO)
    if relation is Relation.PREFIX_EQUALS:
        return value is not None and value.startswith(wanted or b"")
    mine, other = _key(condition.column, value), _key(condition.column, wanted)
    if relation is Relation.EQUALS:
        return mine == other
    if relation is Relation.NOT_EQUALS:
        return mine != other
    if relation is Relation.LESS_OR_EQUAL:
        return mine <= other
    if relation is Relation.LESS:
        return mine < other
    return mine >= other if relation is Relation.GREATER_OR_EQUAL else mine > other


def _key(column: Column, value: bytes | None) -> bytes:
    segment = Segment(column.columnid, int(column.coltyp), column.code_page, column.is_fixed)
    return normalise(_BY_KEY, segment, None if value is None else value[:_COMPARED_MOST], _COMPARED_MOST)[0]


# ---- intersections ----------------------------------------------------------------------------------------------------


def intersection(cursors: Sequence[Cursor]) -> list[bytes]:
    """The bookmarks, in order, of the records that are in the ranges of all cursors, from where each is to its end.

    JET_errInvalidParameter: none or too many, of different tables, on no secondary index, or on the same one twice.
    """
    if not 1 <= len(cursors) <= RANGES_MOST:
        raise jet_error(codes.JET_errInvalidParameter, f"an intersection of {len(cursors)} ranges")
    first = cursors[0]
    indexes = set()
    for cursor in cursors:
        if cursor.database is not first.database or cursor.table.objid != first.table.objid or cursor.index is None:
            raise jet_error(codes.JET_errInvalidParameter, "an intersection wants secondary indexes of one table")
        indexes.add(cursor.index.objid)
    if len(indexes) != len(cursors):
        raise jet_error(codes.JET_errInvalidParameter, "an intersection of ranges of one index")
    found = _bookmarks(first)
    for cursor in cursors[1:]:
        found &= _bookmarks(cursor)
    return sorted(found)


def _bookmarks(cursor: Cursor) -> set[bytes]:
    place = cursor.current
    cursor.refresh()
    if not place.on_node:
        return set()
    walker = place.tree.cursor(cursor.session)
    inside = walker.seek(place.place.bookmark_key, "ge", None if place.tree.unique else place.place.data_bookmark)
    found = set()
    while inside and (place.range is None or place.in_range(walker.key)):
        found.add(walker.data)
        inside = walker.next()
    return found


__all__ = ["RANGES_MOST", "RecordFilter", "Relation", "condition", "intersection"]
