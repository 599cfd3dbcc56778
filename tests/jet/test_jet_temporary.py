"""Temporary tables: sorts, tables, and the calls each takes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esent import jet
from jet_helpers import Running, code_of
from temporary_helpers import DESCENDING, KEY, Temporary, definition, number

INDEXED, UNIQUE, UPDATABLE = jet.JET_bitTTIndexed, jet.JET_bitTTUnique, jet.JET_bitTTUpdatable
SCROLLABLE, FORCED = jet.JET_bitTTScrollable, jet.JET_bitTTForceMaterialization
FORWARD = jet.JET_bitTTForwardOnly
Start = Callable[..., Running]


@pytest.mark.parametrize("grbit", [0, UNIQUE, INDEXED | SCROLLABLE, UPDATABLE, FORCED, FORWARD])
def test_rows_come_in_the_order_of_the_key(start: Start, grbit: int) -> None:
    table = Temporary(start().sesid, grbit)
    keys = list(range(-200, 200))
    random.Random(5).shuffle(keys)
    for key in keys:
        table.insert(key, b"%d" % key)
    assert list(table.rows()) == [(key, b"%d" % key) for key in range(-200, 200)]


def test_a_sort_drops_rows_with_equal_keys_a_table_refuses_them(start: Start) -> None:
    sesid = start().sesid
    sort = Temporary(sesid, INDEXED)
    assert sort.insert(1, b"first") == b""
    sort.insert(1, b"second")
    assert list(sort.rows()) == [(1, b"first")]
    table = Temporary(sesid, FORCED)
    assert table.insert(1) == bytes.fromhex("7f80000001")
    assert code_of(table.insert, 1) == jet.JET_errKeyDuplicate


def test_a_forward_only_sort_keeps_rows_with_equal_keys_unless_told_otherwise(start: Start) -> None:
    sesid = start().sesid
    for grbit, expected in ((FORWARD, [b"a", b"b", b"a"]), (FORWARD | UNIQUE, [b"a"])):
        sort = Temporary(sesid, grbit)
        for value in (b"a", b"b", b"a"):
            sort.insert(7, value)
        assert [value for _, value in sort.rows()] == expected
        sort.move(jet.JET_MoveFirst)
        assert jet.JetRetrieveKey(sesid, sort.tableid) == bytes.fromhex("7f80000007")


def test_calls_while_rows_are_collected_and_when_they_are_sorted(start: Start) -> None:
    sesid = start().sesid
    sort = Temporary(sesid, INDEXED)
    for key in (3, 1, 2):
        sort.insert(key)
    illegal = jet.JET_errIllegalOperation
    assert code_of(jet.JetRetrieveColumn, sesid, sort.tableid, sort.key) == illegal
    assert code_of(jet.JetGetBookmark, sesid, sort.tableid) == illegal
    jet.JetMakeKey(sesid, sort.tableid, number(2), jet.JET_bitNewKey)
    assert jet.JetSeek(sesid, sort.tableid, jet.JET_bitSeekEQ) == 0
    assert sort.current() == (2, None)
    assert jet.JetGetBookmark(sesid, sort.tableid) == bytes.fromhex("01000000")
    sort.move(jet.JET_MoveLast)
    jet.JetGotoBookmark(sesid, sort.tableid, bytes(4))
    assert sort.current() == (1, None)
    assert code_of(jet.JetGotoBookmark, sesid, sort.tableid, bytes.fromhex("03000000")) == jet.JET_errInvalidBookmark
    assert code_of(jet.JetPrepareUpdate, sesid, sort.tableid, jet.JET_prepInsert) == illegal
    assert code_of(jet.JetDelete, sesid, sort.tableid) == illegal
    assert code_of(jet.JetIndexRecordCount, sesid, sort.tableid) == illegal
    assert code_of(jet.JetGetTableInfo, sesid, sort.tableid, jet.JET_TblInfoName) == jet.JET_errInvalidOperation


def test_without_the_options_a_sort_neither_seeks_nor_goes_back(start: Start) -> None:
    sesid = start().sesid
    sort = Temporary(sesid, 0)
    sort.insert(1)
    sort.insert(2)
    assert sort.move(jet.JET_MoveLast)
    assert code_of(jet.JetMove, sesid, sort.tableid, jet.JET_MovePrevious) == jet.JET_errIllegalOperation
    jet.JetMakeKey(sesid, sort.tableid, number(1), jet.JET_bitNewKey)
    assert code_of(jet.JetSeek, sesid, sort.tableid, jet.JET_bitSeekEQ) == jet.JET_errIllegalOperation
    assert sort.current() == (2, None)


def test_an_updatable_table_is_changed_after_it_was_read(start: Start) -> None:
    sesid = start().sesid
    table = Temporary(sesid, UPDATABLE | INDEXED)
    for key in range(5):
        table.insert(key, b"old")
    assert table.move(jet.JET_MoveFirst)
    jet.JetPrepareUpdate(sesid, table.tableid, jet.JET_prepReplace)
    jet.JetSetColumn(sesid, table.tableid, table.value, b"new")
    jet.JetUpdate(sesid, table.tableid)
    assert table.move(1)
    jet.JetDelete(sesid, table.tableid)
    table.insert(9)
    assert list(table.rows()) == [(0, b"new"), (2, b"old"), (3, b"old"), (4, b"old"), (9, None)]


def test_tables_follow_transactions(start: Start) -> None:
    sesid = start().sesid
    table = Temporary(sesid, FORCED)
    table.insert(1, b"one")
    table.insert(2, b"two")
    jet.JetBeginTransaction(sesid)
    table.insert(3)
    table.move(jet.JET_MoveFirst)
    jet.JetPrepareUpdate(sesid, table.tableid, jet.JET_prepReplace)
    jet.JetSetColumn(sesid, table.tableid, table.value, b"changed")
    jet.JetUpdate(sesid, table.tableid)
    table.move(1)
    jet.JetDelete(sesid, table.tableid)
    assert list(table.rows()) == [(1, b"changed"), (3, None)]
    jet.JetRollback(sesid)
    assert list(table.rows()) == [(1, b"one"), (2, b"two")]
    table.insert(3)
    assert len(list(table.rows())) == 3


def test_a_read_only_transaction_may_fill_one(start: Start) -> None:
    sesid = start().sesid
    table = Temporary(sesid, FORCED)
    jet.JetBeginTransaction2(sesid, jet.JET_bitTransactionReadOnly)
    table.insert(1)
    jet.JetCommitTransaction(sesid)
    assert list(table.rows()) == [(1, None)]


def test_closing_a_table_with_changes_before_the_roll_back(start: Start) -> None:
    sesid = start().sesid
    table = Temporary(sesid, FORCED)
    jet.JetBeginTransaction(sesid)
    table.insert(1)
    jet.JetCloseTable(sesid, table.tableid)
    jet.JetRollback(sesid)
    assert code_of(jet.JetMove, sesid, table.tableid, 0) == jet.JET_errInvalidTableId


def test_long_values_need_a_table_and_a_transaction(start: Start) -> None:
    sesid = start().sesid
    table = Temporary(sesid, INDEXED, jet.JET_coltypLongBinary)
    assert code_of(table.insert, 1, b"x") == jet.JET_errNotInTransaction
    jet.JetPrepareUpdate(sesid, table.tableid, jet.JET_prepCancel)
    jet.JetBeginTransaction(sesid)
    values = [bytes([key]) * 9000 * key for key in range(5)]
    for key, value in enumerate(values):
        table.insert(key, value)
    jet.JetCommitTransaction(sesid)
    assert [value or b"" for _, value in table.rows()] == values
    inside = Temporary(sesid, INDEXED | jet.JET_bitTTIntrinsicLVsOnly, jet.JET_coltypLongBinary)
    jet.JetBeginTransaction(sesid)
    assert code_of(inside.insert, 1, bytes(20000)) == jet.JET_errCannotSeparateIntrinsicLV
    jet.JetRollback(sesid)


def test_forward_only_is_against_all_that_needs_a_table(start: Start) -> None:
    sesid = start().sesid
    key = [definition(jet.JET_coltypLong, KEY)]
    refused = jet.JET_errCannotMaterializeForwardOnlySort
    for grbit in (INDEXED, UPDATABLE, SCROLLABLE, FORCED):
        assert code_of(jet.JetOpenTempTable, sesid, key, FORWARD | grbit) == refused
    assert code_of(jet.JetOpenTempTable, sesid, [definition(jet.JET_coltypLong)], FORWARD) == refused
    long = [*key, definition(jet.JET_coltypLongText)]
    assert code_of(jet.JetOpenTempTable, sesid, long, FORWARD) == refused
    jet.JetOpenTempTable(sesid, long, FORWARD | jet.JET_bitTTIntrinsicLVsOnly)


def test_wrong_columns_and_sizes(start: Start) -> None:
    sesid = start().sesid
    for wrong, code in (
        (definition(0, KEY), jet.JET_errInvalidColumnType),
        (definition(99, KEY), jet.JET_errInvalidColumnType),
        (definition(jet.JET_coltypText, KEY, cp=7), jet.JET_errInvalidCodePage),
        (None, jet.JET_errInvalidParameter),
    ):
        assert code_of(jet.JetOpenTempTable, sesid, [wrong], 0) == code
    for key_most, variable, code in ((254, 0, -1003), (0, 256, -1003), (0, 255, 0), (255, 10, 0), (100000, 0, -1003)):
        wish = jet.JET_OPENTEMPORARYTABLE(
            prgcolumndef=[definition(jet.JET_coltypText, KEY)], cbKeyMost=key_most, cbVarSegMac=variable
        )
        assert code_of(jet.JetOpenTemporaryTable, sesid, wish) == code
        assert (wish.tableid is not None) == (code == 0)
    assert code_of(jet.JetOpenTemporaryTable, sesid, None) == jet.JET_errInvalidParameter
    many = [definition(jet.JET_coltypLong, KEY) for _ in range(128)]
    assert code_of(jet.JetOpenTempTable, sesid, many, 0) == jet.JET_errTooManyColumns


def test_ids_are_put_down_in_the_definitions_and_descending_keys_are_turned(start: Start) -> None:
    sesid = start().sesid
    columns = [
        definition(jet.JET_coltypLong, KEY | DESCENDING),
        definition(jet.JET_coltypText, KEY),
        definition(jet.JET_coltypLong, jet.JET_bitColumnTagged),
    ]
    tableid, ids = jet.JetOpenTempTable(sesid, columns, INDEXED)
    assert ids == [1, 128, 256] == [column.columnid for column in columns]
    for key, text in ((1, b"b"), (2, b"a"), (1, b"a")):
        jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepInsert)
        jet.JetSetColumn(sesid, tableid, ids[0], number(key))
        jet.JetSetColumn(sesid, tableid, ids[1], text)
        jet.JetUpdate(sesid, tableid)
    found = []
    while code_of(jet.JetMove, sesid, tableid, 1 if found else jet.JET_MoveFirst) == 0:
        found.append(tuple(jet.JetRetrieveColumn(sesid, tableid, each) for each in ids[:2]))
    assert found == [(number(2), b"a"), (number(1), b"a"), (number(1), b"b")]


def test_only_sorts_count_against_the_limit(start: Start) -> None:
    sesid = start(MaxTemporaryTables=2).sesid
    key, none = [definition(jet.JET_coltypLong, KEY)], [definition(jet.JET_coltypLong)]
    first, _ = jet.JetOpenTempTable(sesid, key, 0)
    second, _ = jet.JetOpenTempTable(sesid, key, UPDATABLE)
    assert code_of(jet.JetOpenTempTable, sesid, none, 0) == jet.JET_errTooManySorts
    assert code_of(jet.JetMove, sesid, second, jet.JET_MoveFirst) == jet.JET_errNoCurrentRecord  # a table now
    jet.JetOpenTempTable(sesid, key, 0)
    assert code_of(jet.JetOpenTempTable, sesid, key, 0) == jet.JET_errTooManySorts
    jet.JetCloseTable(sesid, first)
    jet.JetOpenTempTable(sesid, key, 0)


def test_no_temporary_tables_at_all(start: Start) -> None:
    sesid = start(MaxTemporaryTables=0).sesid
    assert code_of(jet.JetOpenTempTable, sesid, [definition(jet.JET_coltypLong)], 0) == jet.JET_errTooManySorts


def test_data_beyond_the_limit_are_in_a_file_that_goes_with_the_table(start: Start, tmp_path: Path) -> None:
    def spilled() -> list[str]:
        return [each.name for each in tmp_path.iterdir() if each.name.startswith("tmp-")]

    sesid = start(CacheSizeMax=4).sesid
    table = Temporary(sesid, UPDATABLE)
    generator = random.Random(3)
    expected = {key: generator.randbytes(200) for key in range(300)}
    for key, value in expected.items():
        table.insert(key, value)
    assert len(spilled()) == 1
    assert dict(table.rows()) == expected
    twin = jet.JetDupCursor(sesid, table.tableid)
    jet.JetCloseTable(sesid, table.tableid)
    assert len(spilled()) == 1
    jet.JetMove(sesid, twin, jet.JET_MoveFirst)
    assert jet.JetRetrieveColumn(sesid, twin, table.value) == expected[0]
    jet.JetEndSession(sesid)
    assert spilled() == []


def test_every_opening_call(start: Start) -> None:
    sesid = start().sesid
    columns = [definition(jet.JET_coltypText, KEY, cp=1200), definition(jet.JET_coltypLong)]
    tables: list[Any] = [
        jet.JetOpenTempTable(sesid, columns, INDEXED)[0],
        jet.JetOpenTempTable2(sesid, columns, 0x409, INDEXED)[0],
        jet.JetOpenTempTable3(sesid, columns, jet.JET_UNICODEINDEX(lcid=0x409, dwMapFlags=0x30401), INDEXED)[0],
    ]
    old = jet.JET_OPENTEMPORARYTABLE(prgcolumndef=columns, grbit=INDEXED)
    new = jet.JET_OPENTEMPORARYTABLE2(
        prgcolumndef=columns, grbit=INDEXED, pidxunicode=jet.JET_UNICODEINDEX2(szLocaleName="en-US")
    )
    jet.JetOpenTemporaryTable(sesid, old)
    jet.JetOpenTemporaryTable2(sesid, new)
    assert old.prgcolumnid == new.prgcolumnid == [128, 1]
    for tableid in [*tables, old.tableid, new.tableid]:
        for text in ("b", "A", "c"):
            jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepInsert)
            jet.JetSetColumn(sesid, tableid, 128, text.encode("utf-16-le"))
            jet.JetUpdate(sesid, tableid)
        jet.JetMove(sesid, tableid, jet.JET_MoveFirst)
        assert jet.JetRetrieveColumn(sesid, tableid, 128) == "A".encode("utf-16-le")
    assert code_of(jet.JetOpenTempTable2, sesid, columns, 1, 0) == jet.JET_errInvalidLanguageId
