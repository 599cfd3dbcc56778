"""Calls that move and read take the short way or the long one: the answers are the same, and no misuse gets through."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from esent import jet
from jet_helpers import Running, code_of

Start = Callable[..., Running]
COUNT = 30
BIG = bytes(range(256)) * 60


class Records:
    """Numbers with a fixed, a variable, a tagged, a multi-valued, a defaulted and a long column."""

    def __init__(self, running: Running) -> None:
        self.instance = running.instance
        self.sesid = running.sesid
        self.dbid = jet.JetCreateDatabase(self.sesid, running.path("new.edb"))
        self.tableid = jet.JetCreateTable(self.sesid, self.dbid, "T")
        kinds = {
            "n": jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong),
            "half": jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong),
            "name": jet.JET_COLUMNDEF(coltyp=jet.JET_coltypText, cp=1252, cbMax=100),
            "tag": jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong, grbit=jet.JET_bitColumnTagged),
            "marks": jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong, grbit=jet.JET_bitColumnTagged | jet.JET_bitColumnMultiValued),
            "long": jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLongBinary),
        }
        self.columns = {name: jet.JetAddColumn(self.sesid, self.tableid, name, kind) for name, kind in kinds.items()}
        default = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong)
        self.columns["seven"] = jet.JetAddColumn(self.sesid, self.tableid, "seven", default, b"\7\0\0\0")
        jet.JetCreateIndex(self.sesid, self.tableid, "pk", jet.JET_bitIndexPrimary, ["+n"])
        jet.JetCreateIndex(self.sesid, self.tableid, "half", 0, ["+half"])
        jet.JetBeginTransaction(self.sesid)
        for n in range(COUNT):
            jet.JetPrepareUpdate(self.sesid, self.tableid, jet.JET_prepInsert)
            self.set("n", n.to_bytes(4, "little"))
            self.set("half", (n // 2).to_bytes(4, "little"))
            if n % 3:
                self.set("name", b"name%d" % n)
                self.set("tag", (-n).to_bytes(4, "little", signed=True))
            for number in range(n % 4):
                info = jet.JET_SETINFO(itagSequence=number + 1)
                jet.JetSetColumn(self.sesid, self.tableid, self.columns["marks"], number.to_bytes(4, "little"), 0, info)
            self.set("long", BIG[: n * 500])
            jet.JetUpdate(self.sesid, self.tableid)
        jet.JetCommitTransaction(self.sesid)
        jet.JetCloseTable(self.sesid, self.tableid)  # whoever makes a table has it alone
        self.tableid = jet.JetOpenTable(self.sesid, self.dbid, "T")

    def set(self, name: str, value: bytes) -> None:
        jet.JetSetColumn(self.sesid, self.tableid, self.columns[name], value)

    def seek(self, n: int) -> int:
        jet.JetMakeKey(self.sesid, self.tableid, n.to_bytes(4, "little"), jet.JET_bitNewKey)
        return jet.JetSeek(self.sesid, self.tableid, jet.JET_bitSeekEQ)

    def get(self, name: str, grbit: int = 0) -> bytes | None:
        return jet.JetRetrieveColumn(self.sesid, self.tableid, self.columns[name], grbit)

    def calls(self) -> dict[str, Callable[[], Any]]:
        sesid, tableid = self.sesid, self.tableid
        return {
            "move": lambda: jet.JetMove(sesid, tableid, 1),
            "key": lambda: jet.JetMakeKey(sesid, tableid, b"\3\0\0\0", jet.JET_bitNewKey),
            "seek": lambda: jet.JetSeek(sesid, tableid, jet.JET_bitSeekEQ),
            "retrieve": lambda: jet.JetRetrieveColumn(sesid, tableid, self.columns["n"]),
            "several": lambda: jet.JetRetrieveColumns(sesid, tableid, [jet.JET_RETRIEVECOLUMN(columnid=self.columns["n"])]),
        }


@pytest.fixture
def records(start: Start) -> Records:
    return Records(start())


def test_a_value_is_the_same_by_itself_and_with_options(records: Records) -> None:
    for n in range(COUNT):
        assert records.seek(n) == 0
        for name in records.columns:
            assert records.get(name) == records.get(name, jet.JET_bitRetrieveCopy), (n, name)
    records.seek(4)
    assert records.get("name") == b"name4"
    assert records.get("tag") == (-4).to_bytes(4, "little", signed=True)
    assert records.get("seven") == b"\7\0\0\0"
    assert records.get("marks") is None
    assert records.get("long") == BIG[:2000]
    records.seek(3)
    assert records.get("name") is None
    assert records.get("marks") == bytes(4)  # the first of three


def test_several_values_are_those_of_single_calls(records: Records) -> None:
    for n in (0, 3, 7, 29):
        records.seek(n)
        wanted = [jet.JET_RETRIEVECOLUMN(columnid=columnid) for columnid in records.columns.values()]
        wanted.insert(2, jet.JET_RETRIEVECOLUMN(columnid=records.columns["marks"], itagSequence=2))
        wanted.append(jet.JET_RETRIEVECOLUMN(columnid=records.columns["long"], ibLongValue=100))
        jet.JetRetrieveColumns(records.sesid, records.tableid, wanted)
        found = {each.columnid: each.pvData for each in wanted if each.itagSequence == 1 and not each.ibLongValue}
        assert found == {columnid: records.get(name) for name, columnid in records.columns.items()}
        assert wanted[2].pvData == ((1).to_bytes(4, "little") if n % 4 > 1 else None)
        assert wanted[-1].pvData == (BIG[100 : n * 500] if n else None)
        for each in wanted:
            assert each.err == (jet.JET_wrnColumnNull if each.pvData is None else 0)


def test_nothing_is_filled_in_where_one_is_no_column_to_retrieve(records: Records) -> None:
    records.seek(1)
    wanted: list[Any] = [jet.JET_RETRIEVECOLUMN(columnid=records.columns["n"]), "no structure"]
    assert code_of(jet.JetRetrieveColumns, records.sesid, records.tableid, wanted) == jet.JET_errInvalidParameter
    assert wanted[0].pvData is None


def test_another_thread_is_kept_out_of_a_transaction(records: Records) -> None:
    found: dict[str, int] = {}

    def elsewhere() -> None:
        for name, call in records.calls().items():
            found[name] = code_of(call)

    jet.JetBeginTransaction(records.sesid)
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    jet.JetRollback(records.sesid)
    assert set(found.values()) == {jet.JET_errSessionSharingViolation}


def test_handles_that_are_none(records: Records) -> None:
    other = jet.JetBeginSession(records.instance)
    for sesid, tableid, code in (
        (records.sesid, 0, jet.JET_errInvalidTableId),
        (records.sesid, records.sesid, jet.JET_errInvalidTableId),
        (0, records.tableid, jet.JET_errInvalidSesid),
        (records.tableid, records.tableid, jet.JET_errInvalidSesid),
        (other, records.tableid, jet.JET_errInvalidTableId),
    ):
        assert code_of(jet.JetMove, sesid, tableid, 1) == code
        assert code_of(jet.JetMakeKey, sesid, tableid, b"\0\0\0\0", jet.JET_bitNewKey) == code
        assert code_of(jet.JetSeek, sesid, tableid, jet.JET_bitSeekEQ) == code
        assert code_of(jet.JetRetrieveColumn, sesid, tableid, 1) == code
    jet.JetCloseTable(records.sesid, records.tableid)
    assert {code_of(call) for call in records.calls().values()} == {jet.JET_errInvalidTableId}


def test_a_stopped_service_takes_no_calls(records: Records) -> None:
    jet.JetStopServiceInstance(records.instance)
    assert {code_of(call) for call in records.calls().values()} == {jet.JET_errClientRequestToStopJetService}


def test_a_column_added_meanwhile_is_there(records: Records) -> None:
    records.seek(5)
    column = jet.JetAddColumn(records.sesid, records.tableid, "late", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong), b"\1\0\0\0")
    assert jet.JetRetrieveColumn(records.sesid, records.tableid, column) == b"\1\0\0\0"
    jet.JetDeleteColumn(records.sesid, records.tableid, "late")
    assert code_of(jet.JetRetrieveColumn, records.sesid, records.tableid, column) == jet.JET_errColumnNotFound


def test_what_was_retrieved_is_not_kept_beyond_a_change(records: Records) -> None:
    jet.JetSetCurrentIndex(records.sesid, records.tableid, "half")
    jet.JetMakeKey(records.sesid, records.tableid, (3).to_bytes(4, "little"), jet.JET_bitNewKey)
    jet.JetSeek(records.sesid, records.tableid, jet.JET_bitSeekEQ)
    assert records.get("n") == (6).to_bytes(4, "little")
    other = jet.JetBeginSession(records.instance)
    dbid = jet.JetOpenDatabase(other, jet.JetGetDatabaseInfo(records.sesid, records.dbid, jet.JET_DbInfoFilename))
    table = jet.JetOpenTable(other, dbid, "T")
    jet.JetMakeKey(other, table, (6).to_bytes(4, "little"), jet.JET_bitNewKey)
    jet.JetSeek(other, table, jet.JET_bitSeekEQ)
    jet.JetBeginTransaction(other)
    jet.JetPrepareUpdate(other, table, jet.JET_prepReplace)
    jet.JetSetColumn(other, table, records.columns["name"], b"changed")
    jet.JetUpdate(other, table)
    assert records.get("name") is None
    jet.JetCommitTransaction(other)
    assert records.get("name") == b"changed"
    jet.JetDelete(other, table)
    assert code_of(records.get, "name") == jet.JET_errRecordDeleted
    assert jet.JetMove(records.sesid, records.tableid, 1) == 0
    assert records.get("n") == (7).to_bytes(4, "little")
