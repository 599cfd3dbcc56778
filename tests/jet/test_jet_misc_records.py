"""Intersections, filters, streams of records, references to values, hints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from esent import jet
from esent.errors import JetWarning
from jet_helpers import Running, code_of

Start = Callable[..., Running]
COUNT = 40


class Numbers:
    """A table of numbers n with n % 4 and n % 5 under indexes of their own, and a text for every second one."""

    def __init__(self, running: Running) -> None:
        self.sesid = running.sesid
        self.dbid = jet.JetCreateDatabase(self.sesid, running.path("new.edb"))
        self.tableid = jet.JetCreateTable(self.sesid, self.dbid, "T")
        long = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong)
        self.columns = {name: jet.JetAddColumn(self.sesid, self.tableid, name, long) for name in ("n", "four", "five")}
        text = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLongText, cp=1252)
        self.columns["text"] = jet.JetAddColumn(self.sesid, self.tableid, "text", text)
        jet.JetCreateIndex(self.sesid, self.tableid, "pk", jet.JET_bitIndexPrimary, ["+n"])
        for name in ("four", "five"):
            jet.JetCreateIndex(self.sesid, self.tableid, name, 0, [f"+{name}"])
        jet.JetBeginTransaction(self.sesid)
        for n in range(COUNT):
            jet.JetPrepareUpdate(self.sesid, self.tableid, jet.JET_prepInsert)
            for name, value in (("n", n), ("four", n % 4), ("five", n % 5)):
                self.set(name, value.to_bytes(4, "little"))
            if n % 2:
                self.set("text", b"t%d" % n)
            jet.JetUpdate(self.sesid, self.tableid)
        jet.JetCommitTransaction(self.sesid)

    def set(self, name: str, value: bytes, grbit: int = 0) -> None:
        jet.JetSetColumn(self.sesid, self.tableid, self.columns[name], value, grbit)

    def number(self, tableid: Any = None) -> int:
        data = jet.JetRetrieveColumn(self.sesid, tableid or self.tableid, self.columns["n"])
        assert data is not None
        return int.from_bytes(data, "little")

    def range(self, index: str, value: int) -> Any:
        """A cursor on the entries of an index with a value."""
        tableid = jet.JetDupCursor(self.sesid, self.tableid)
        jet.JetSetCurrentIndex(self.sesid, tableid, index)
        jet.JetMakeKey(self.sesid, tableid, value.to_bytes(4, "little"), jet.JET_bitNewKey)
        jet.JetSeek(self.sesid, tableid, jet.JET_bitSeekEQ | jet.JET_bitSetIndexRange)
        return tableid

    def walk(self, first: int = jet.JET_MoveFirst, step: int = 1) -> list[int]:
        found = []
        status = code_of(jet.JetMove, self.sesid, self.tableid, first)
        while status == 0:
            found.append(self.number())
            status = code_of(jet.JetMove, self.sesid, self.tableid, step)
        assert status == jet.JET_errNoCurrentRecord
        return found


@pytest.fixture
def numbers(start: Start) -> Numbers:
    return Numbers(start())


def bookmarks(numbers: Numbers, found: Any) -> list[int]:
    rows = []
    status = code_of(jet.JetMove, numbers.sesid, found.tableid, jet.JET_MoveFirst)
    while status == 0:
        mark = jet.JetRetrieveColumn(numbers.sesid, found.tableid, found.columnidBookmark)
        assert mark is not None
        jet.JetGotoBookmark(numbers.sesid, numbers.tableid, mark)
        rows.append(numbers.number())
        status = code_of(jet.JetMove, numbers.sesid, found.tableid, 1)
    assert len(rows) == found.cRecord
    return rows


def test_records_in_all_ranges(numbers: Numbers) -> None:
    sesid = numbers.sesid

    def intersect(*tables: Any, grbit: int = jet.JET_bitRecordInIndex) -> Any:
        return jet.JetIntersectIndexes(sesid, [jet.JET_INDEXRANGE(tableid=each, grbit=grbit) for each in tables])

    found = intersect(numbers.range("four", 3), numbers.range("five", 2))
    assert bookmarks(numbers, found) == [n for n in range(COUNT) if n % 4 == 3 and n % 5 == 2]
    assert bookmarks(numbers, intersect(numbers.range("four", 1))) == list(range(1, COUNT, 4))
    assert code_of(intersect) == jet.JET_errInvalidParameter
    assert code_of(intersect, numbers.tableid) == jet.JET_errInvalidParameter
    assert code_of(intersect, numbers.range("four", 1), numbers.range("four", 2)) == jet.JET_errInvalidParameter
    assert code_of(intersect, numbers.range("four", 1), grbit=4) == jet.JET_errInvalidGrbit
    assert code_of(intersect, 0) == jet.JET_errInvalidTableId


def test_moves_stop_at_records_that_meet_the_conditions(numbers: Numbers) -> None:
    def set_filter(*conditions: tuple[str, int, bytes | None]) -> int:
        filters = [
            jet.JET_INDEX_COLUMN(columnid=numbers.columns[name], relop=relop, pv=value) for name, relop, value in conditions
        ]
        return jet.JetSetCursorFilter(numbers.sesid, numbers.tableid, filters)

    two, seven = (2).to_bytes(4, "little"), (7).to_bytes(4, "little")
    everything = range(COUNT)
    for conditions, expected in (
        ([("four", jet.JET_relopEquals, two)], [n for n in everything if n % 4 == 2]),
        ([("four", jet.JET_relopNotEquals, two), ("n", jet.JET_relopLessThan, seven)], [0, 1, 3, 4, 5]),
        ([("n", jet.JET_relopLessThanOrEqual, seven)], list(range(8))),
        ([("n", jet.JET_relopGreaterThan, seven)], list(range(8, COUNT))),
        ([("n", jet.JET_relopGreaterThanOrEqual, seven)], list(range(7, COUNT))),
        ([("n", jet.JET_relopBitmaskEqualsZero, seven)], [n for n in everything if not n & 7]),
        ([("n", jet.JET_relopBitmaskNotEqualsZero, two)], [n for n in everything if n & 2]),
        ([("text", jet.JET_relopEquals, None)], list(range(0, COUNT, 2))),
        ([("text", jet.JET_relopPrefixEquals, b"t1")], [1, 11, 13, 15, 17, 19]),
    ):
        set_filter(*conditions)
        assert numbers.walk() == expected
        assert numbers.walk(jet.JET_MoveLast, -1) == expected[::-1]
    set_filter(("n", jet.JET_relopEquals, None))
    assert numbers.walk() == []
    set_filter()
    assert numbers.walk() == list(everything)


def test_wrong_filters(numbers: Numbers) -> None:
    sesid, tableid, column = numbers.sesid, numbers.tableid, numbers.columns["n"]
    for wrong, code in (
        (jet.JET_INDEX_COLUMN(columnid=99, relop=0), jet.JET_errColumnNotFound),
        (jet.JET_INDEX_COLUMN(columnid=column, relop=9), jet.JET_errInvalidParameter),
        (jet.JET_INDEX_COLUMN(columnid=column, relop=0, grbit=0x4000), jet.JET_errInvalidGrbit),
        (jet.JET_INDEX_COLUMN(columnid=numbers.columns["text"], relop=7, pv=b"a"), jet.JET_errFilteredMoveNotSupported),
        (None, jet.JET_errInvalidParameter),
    ):
        assert code_of(jet.JetSetCursorFilter, sesid, tableid, [wrong]) == code
    jet.JetSetCursorFilter(sesid, tableid, [jet.JET_INDEX_COLUMN(columnid=column, relop=jet.JET_relopEquals, pv=bytes(4))])
    moved = code_of(jet.JetMove, sesid, tableid, 1, jet.JET_bitMoveKeyNE)
    assert moved == jet.JET_errFilteredMoveNotSupported


def test_records_are_copied_until_the_buffer_is_full(numbers: Numbers) -> None:
    sesid, tableid, columns = numbers.sesid, numbers.tableid, numbers.columns
    jet.JetMove(sesid, tableid, jet.JET_MoveFirst)
    found: list[list[tuple[int, bytes | None]]] = []
    while len(found) < COUNT:
        data = bytearray(jet.JetStreamRecords(sesid, tableid, [columns["n"], columns["text"]], 300, jet.JET_bitStreamForward))
        assert len(data) <= 300
        part: dict[int, list[tuple[int, bytes | None]]] = {}
        while (value := jet.JetRetrieveColumnFromRecordStream(data)) is not None:
            part.setdefault(value[0], []).append((value[1], value[3]))
        assert list(part) == list(range(1, len(part) + 1))
        found += part.values()
    assert found == [
        [(columns["n"], n.to_bytes(4, "little")), (columns["text"], b"t%d" % n if n % 2 else None)] for n in range(COUNT)
    ]
    assert code_of(jet.JetStreamRecords, sesid, tableid, None, 300, 1) == jet.JET_errNoCurrentRecord
    jet.JetMove(sesid, tableid, jet.JET_MoveLast)
    assert code_of(jet.JetStreamRecords, sesid, tableid, None, 20, 1) == jet.JET_errBufferTooSmall
    assert code_of(jet.JetStreamRecords, sesid, tableid, None, 300, 3) == jet.JET_errInvalidGrbit
    backward = bytearray(jet.JetStreamRecords(sesid, tableid, [columns["n"]], 10_000, jet.JET_bitStreamBackward))
    first = jet.JetRetrieveColumnFromRecordStream(backward)
    assert first == (1, columns["n"], 1, (COUNT - 1).to_bytes(4, "little"))


@pytest.mark.parametrize("cut", [0, 5, 13, 20, 30])
def test_damaged_streams(numbers: Numbers, cut: int) -> None:
    jet.JetMove(numbers.sesid, numbers.tableid, jet.JET_MoveFirst)
    data = bytearray(jet.JetStreamRecords(numbers.sesid, numbers.tableid, None, 200))
    assert code_of(jet.JetRetrieveColumnFromRecordStream, data[:cut]) == jet.JET_errInvalidParameter
    assert code_of(jet.JetRetrieveColumnFromRecordStream, bytes(data)) == jet.JET_errInvalidParameter


def test_separated_values_by_reference(numbers: Numbers) -> None:
    sesid, tableid, column = numbers.sesid, numbers.tableid, numbers.columns["text"]
    value = b"long" * 5000
    jet.JetBeginTransaction(sesid)
    jet.JetMove(sesid, tableid, jet.JET_MoveFirst)
    jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepReplace)
    numbers.set("text", value)
    jet.JetUpdate(sesid, tableid)
    with pytest.warns(JetWarning, match="JET_wrnColumnReference"):
        reference = jet.JetRetrieveColumn(sesid, tableid, column, jet.JET_bitRetrieveAsRefIfNotInRecord)
    assert reference is not None and len(reference) < 100
    jet.JetMove(sesid, tableid, 1)
    assert jet.JetRetrieveColumn(sesid, tableid, column, jet.JET_bitRetrieveAsRefIfNotInRecord) == b"t1"
    assert jet.JetRetrieveColumnByReference(sesid, tableid, reference) == value
    assert jet.JetRetrieveColumnByReference(sesid, tableid, reference, 19_998) == b"ng"
    assert jet.JetPrereadColumnsByReference(sesid, tableid, [reference], 0, 10) == 1
    wrong = jet.JET_errInvalidColumnReference
    for bad in (b"", reference[:-1], b"x" + reference[1:]):
        assert code_of(jet.JetRetrieveColumnByReference, sesid, tableid, bad) == wrong
    jet.JetRollback(sesid)
    assert code_of(jet.JetRetrieveColumnByReference, sesid, tableid, reference) == jet.JET_errStaleColumnReference


def test_tagged_columns_are_counted(numbers: Numbers) -> None:
    jet.JetMove(numbers.sesid, numbers.tableid, jet.JET_MoveFirst)
    assert jet.JetRetrieveTaggedColumnList(numbers.sesid, numbers.tableid) == []
    jet.JetMove(numbers.sesid, numbers.tableid, 1)
    (found,) = jet.JetRetrieveTaggedColumnList(numbers.sesid, numbers.tableid)
    assert (found.columnid, found.cMultiValues) == (numbers.columns["text"], 1)
    assert jet.JetRetrieveTaggedColumnList(numbers.sesid, numbers.tableid, found.columnid + 1) == []


def test_hints_are_checked(numbers: Numbers) -> None:
    sesid, tableid = numbers.sesid, numbers.tableid
    begin = [jet.JET_INDEX_COLUMN(columnid=numbers.columns["n"], relop=jet.JET_relopEquals, pv=bytes(4))]
    wish = jet.JET_INDEX_RANGE(rgStartColumns=begin)
    forward = jet.JET_bitPrereadForward
    assert jet.JetPrereadIndexRanges(sesid, tableid, [wish, wish], [numbers.columns["text"]], forward) == 2
    assert jet.JetPrereadIndexRange(sesid, tableid, wish, 1, 5, forward) == 0
    assert jet.JetPrereadTables(sesid, numbers.dbid, ["T"]) == 0
    assert code_of(jet.JetPrereadTables, sesid, numbers.dbid, ["U"]) == jet.JET_errObjectNotFound
    assert code_of(jet.JetPrereadIndexRanges, sesid, tableid, [wish], None, 3) == jet.JET_errInvalidGrbit
    assert code_of(jet.JetPrereadIndexRanges, sesid, tableid, [], None, forward) == jet.JET_errInvalidParameter
    assert code_of(jet.JetPrereadIndexRange, sesid, tableid, wish, 5, 1, forward) == jet.JET_errInvalidParameter
    plain = [numbers.columns["n"]]
    refused = code_of(jet.JetPrereadIndexRanges, sesid, tableid, [wish], plain, forward)
    assert refused == jet.JET_errMustBeSeparateLongValue
