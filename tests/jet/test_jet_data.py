"""Records through the public door: what a program writes is there after the next start; misuse ends in documented errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from esent import jet
from jet_helpers import Running, code_of


def create(running: Running) -> tuple[Any, Any]:
    """A database with a table of a key, a number with an index, a text and a long value: (dbid, tableid)."""
    dbid = jet.JetCreateDatabase(running.sesid, running.path())
    columns = [
        jet.JET_COLUMNCREATE(szColumnName="Id", coltyp=jet.JET_coltypLong, grbit=jet.JET_bitColumnAutoincrement),
        jet.JET_COLUMNCREATE(szColumnName="Number", coltyp=jet.JET_coltypLong),
        jet.JET_COLUMNCREATE(szColumnName="Name", coltyp=jet.JET_coltypText, cp=1252),
        jet.JET_COLUMNCREATE(szColumnName="Body", coltyp=jet.JET_coltypLongBinary),
    ]
    indexes = [
        jet.JET_INDEXCREATE2(szIndexName="pk", szKey=["+Id"], grbit=jet.JET_bitIndexPrimary),
        jet.JET_INDEXCREATE2(szIndexName="number", szKey=["-Number"], grbit=0),
    ]
    table = jet.JET_TABLECREATE3(szTableName="T", rgcolumncreate=columns, rgindexcreate=indexes)
    jet.JetCreateTableColumnIndex3(running.sesid, dbid, table)
    return dbid, table.tableid


ID, NUMBER, NAME, BODY = 1, 2, 128, 256


def put(sesid: Any, tableid: Any, number: int, name: bytes = b"", body: bytes | None = None) -> bytes:
    jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepInsert)
    jet.JetSetColumn(sesid, tableid, NUMBER, number.to_bytes(4, "little"))
    jet.JetSetColumn(sesid, tableid, NAME, name)
    if body is not None:
        jet.JetSetColumn(sesid, tableid, BODY, body)
    return jet.JetUpdate(sesid, tableid)


def rows(sesid: Any, tableid: Any, *columns: int) -> list[tuple[bytes | None, ...]]:
    found = []
    code = code_of(jet.JetMove, sesid, tableid, jet.JET_MoveFirst)
    while code == 0:
        found.append(tuple(jet.JetRetrieveColumn(sesid, tableid, column) for column in columns))
        code = code_of(jet.JetMove, sesid, tableid, jet.JET_MoveNext)
    assert code == jet.JET_errNoCurrentRecord
    return found


def test_records_are_there_after_the_next_start(start: Callable[..., Running]) -> None:
    running = start()
    _, tableid = create(running)
    bodies = [bytes([i]) * (i * 3000) for i in range(4)]
    jet.JetBeginTransaction(running.sesid)
    for number, body in enumerate(bodies):
        put(running.sesid, tableid, number, b"row %d" % number, body or None)
    jet.JetCommitTransaction(running.sesid)
    jet.JetBeginTransaction(running.sesid)
    put(running.sesid, tableid, 99, b"rolled back")
    jet.JetRollback(running.sesid)
    running.term()
    again = start()
    again.attach()
    tableid = jet.JetOpenTable(again.sesid, again.open(), "T")
    expected = [(b"row %d" % number, body or None) for number, body in enumerate(bodies)]
    assert rows(again.sesid, tableid, NAME, BODY) == expected
    jet.JetSetCurrentIndex(again.sesid, tableid, "number")
    assert rows(again.sesid, tableid, NAME, BODY) == expected[::-1]
    jet.JetBeginTransaction(again.sesid)
    mark = put(again.sesid, tableid, 4)
    jet.JetCommitTransaction(again.sesid)
    jet.JetSetCurrentIndex(again.sesid, tableid, None)
    jet.JetGotoBookmark(again.sesid, tableid, mark)
    assert jet.JetRetrieveColumn(again.sesid, tableid, ID) == (5).to_bytes(4, "little")


def test_many_records_split_pages_and_stay_in_order(start: Callable[..., Running]) -> None:
    running = start()
    _, tableid = create(running)
    jet.JetBeginTransaction(running.sesid)
    for number in range(1500):
        put(running.sesid, tableid, number * 7919 % 1500, b"x" * (number % 90))
    jet.JetCommitTransaction(running.sesid)
    jet.JetSetCurrentIndex(running.sesid, tableid, "number")
    found = [int.from_bytes(number or b"", "little") for (number,) in rows(running.sesid, tableid, NUMBER)]
    assert found == list(range(1499, -1, -1))
    jet.JetMove(running.sesid, tableid, jet.JET_MoveFirst)
    assert jet.JetIndexRecordCount(running.sesid, tableid) == 1500
    jet.JetBeginTransaction(running.sesid)
    jet.JetMove(running.sesid, tableid, jet.JET_MoveFirst)
    for _ in range(750):
        jet.JetDelete(running.sesid, tableid)
        jet.JetMove(running.sesid, tableid, 2)
        jet.JetMove(running.sesid, tableid, -1)
    jet.JetCommitTransaction(running.sesid)
    assert len(rows(running.sesid, tableid, NUMBER)) == 750


@pytest.mark.parametrize("tableid", [None, 0, -1, "T", object(), jet.JET_tableidNil])
def test_what_is_no_table_is_refused(start: Callable[..., Running], tableid: Any) -> None:
    running = start()
    for call, *arguments in (
        (jet.JetMove, 1),
        (jet.JetSeek, jet.JET_bitSeekEQ),
        (jet.JetPrepareUpdate, 0),
        (jet.JetRetrieveColumn, 1),
        (jet.JetCloseTable,),
        (jet.JetGetBookmark,),
    ):
        assert code_of(call, running.sesid, tableid, *arguments) == jet.JET_errInvalidTableId
        assert code_of(call, None, tableid, *arguments) == jet.JET_errInvalidSesid


def test_a_table_belongs_to_its_session_and_ends_with_its_close(start: Callable[..., Running]) -> None:
    running = start()
    _, tableid = create(running)
    other = jet.JetBeginSession(running.instance)
    assert code_of(jet.JetMove, other, tableid, 0) == jet.JET_errInvalidTableId
    jet.JetCloseTable(running.sesid, tableid)
    assert code_of(jet.JetCloseTable, running.sesid, tableid) == jet.JET_errInvalidTableId


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("JetMove", ("one",), jet.JET_errInvalidParameter),
        ("JetMove", (2**40,), jet.JET_errInvalidParameter),
        ("JetMakeKey", ("text", jet.JET_bitNewKey), jet.JET_errInvalidParameter),
        ("JetMakeKey", (b"\1\2", jet.JET_bitNewKey), jet.JET_errInvalidBufferSize),
        ("JetSeek", (0,), jet.JET_errInvalidParameter),
        ("JetSeek", (None,), jet.JET_errInvalidGrbit),
        ("JetSetIndexRange", (0,), jet.JET_errKeyNotMade),
        ("JetSetIndexRange", (jet.JET_bitRangeRemove,), jet.JET_errInvalidOperation),
        ("JetGotoBookmark", (None,), jet.JET_errInvalidBookmark),
        ("JetGotoBookmark", (b"nowhere",), jet.JET_errRecordDeleted),
        ("JetGotoSecondaryIndexBookmark", (b"k", b"b"), jet.JET_errNoCurrentIndex),
        ("JetSetCurrentIndex", ("missing",), jet.JET_errIndexNotFound),
        ("JetSetCurrentIndex", (7,), jet.JET_errInvalidParameter),
        ("JetRetrieveColumn", (9999,), jet.JET_errColumnNotFound),
        ("JetRetrieveColumn", (2**31 - 1,), jet.JET_errBadColumnId),
        ("JetRetrieveColumn", ("Id",), jet.JET_errBadColumnId),
        ("JetPrepareUpdate", (17,), jet.JET_errInvalidParameter),
        ("JetPrepareUpdate", (jet.JET_prepCancel,), jet.JET_errUpdateNotPrepared),
        ("JetSetColumn", (NUMBER, b"1234"), jet.JET_errUpdateNotPrepared),
        ("JetUpdate", (), jet.JET_errUpdateNotPrepared),
        ("JetEscrowUpdate", (NUMBER, b"1234"), jet.JET_errNotInTransaction),
        ("JetGetLock", (jet.JET_bitReadLock,), jet.JET_errNotInTransaction),
        ("JetGotoPosition", (jet.JET_RECPOS(centriesLT=3, centriesTotal=2),), jet.JET_errInvalidParameter),
    ],
)
def test_wrong_arguments(start: Callable[..., Running], name: str, arguments: tuple[Any, ...], code: int) -> None:
    running = start()
    _, tableid = create(running)
    put(running.sesid, tableid, 1)
    assert code_of(getattr(jet, name), running.sesid, tableid, *arguments) == code


@pytest.mark.parametrize(
    ("column", "data", "grbit", "code"),
    [
        (ID, b"1234", 0, jet.JET_errInvalidColumnType),
        (NUMBER, b"123", 0, jet.JET_errInvalidBufferSize),
        (NAME, b"n" * 300, 0, jet.JET_wrnColumnMaxTruncated),
        (BODY, b"body", jet.JET_bitSetOverwriteLV, 0),
        (BODY, b"", jet.JET_bitSetAppendLV, 0),
        (BODY, b"body", jet.JET_bitSetAppendLV | jet.JET_bitSetUniqueMultiValues, jet.JET_errInvalidGrbit),
        (BODY, "text", 0, jet.JET_errInvalidParameter),
        (BODY, -1, jet.JET_bitSetSizeLV, jet.JET_errInvalidParameter),
        (0, b"1234", 0, jet.JET_errBadColumnId),
    ],
)
def test_wrong_values(start: Callable[..., Running], column: int, data: Any, grbit: int, code: int) -> None:
    running = start()
    _, tableid = create(running)
    jet.JetBeginTransaction(running.sesid)
    jet.JetPrepareUpdate(running.sesid, tableid, jet.JET_prepInsert)
    assert code_of(jet.JetSetColumn, running.sesid, tableid, column, data, grbit) == code


def test_a_full_database_says_so_where_the_long_value_is_set(start: Callable[..., Running]) -> None:
    running = start()
    dbid, tableid = create(running)
    jet.JetSetMaxDatabaseSize(running.sesid, dbid, 300)
    full = 0
    for number in range(60):
        jet.JetBeginTransaction(running.sesid)
        jet.JetPrepareUpdate(running.sesid, tableid, jet.JET_prepInsert)
        elements = [
            jet.JET_SETCOLUMN(columnid=NUMBER, pvData=number.to_bytes(4, "little")),
            jet.JET_SETCOLUMN(columnid=BODY, pvData=bytes(range(256)) * 160),
        ]
        code = code_of(jet.JetSetColumns, running.sesid, tableid, elements)
        assert code in (0, jet.JET_errOutOfDatabaseSpace)
        assert [element.err for element in elements] == [0, 0]
        full += code != 0
        jet.JetUpdate(running.sesid, tableid)
        jet.JetCommitTransaction(running.sesid)
    assert 0 < full < 60
    found = rows(running.sesid, tableid, NUMBER, BODY)
    assert len(found) == 60
    assert sum(body is None for _, body in found) == full
    running.term()
