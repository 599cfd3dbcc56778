"""Every function with every argument wrong in turn, and every field of the structures: a documented error or a result, and
what was there before is there still."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from esent import jet
from esent.errors import JetError
from jet_helpers import Running, code_of

ODD: tuple[Any, ...] = (1.5, [None], object(), "\ud800", 2**200)
FUNCTIONS = sorted(name for name in dir(jet) if name.startswith("Jet") and inspect.isfunction(getattr(jet, name)))
# these act on the process, wait, or end what the test stands on
ELSEWHERE = {"JetEnableMultiInstance", "JetTestHook", "JetRestore", "JetRestore2"}
ROWS = 3


class Table(Running):
    """An instance with a table of a number and a long value, and a few rows."""

    def __init__(self, folder: Any) -> None:
        super().__init__(folder, "hostile")
        self.dbid = jet.JetCreateDatabase(self.sesid, self.path())
        self.tableid = jet.JetCreateTable(self.sesid, self.dbid, "T")
        jet.JetAddColumn(self.sesid, self.tableid, "a", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong))
        jet.JetAddColumn(self.sesid, self.tableid, "b", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLongBinary))
        jet.JetCreateIndex(self.sesid, self.tableid, "ia", 0, ["+a"], 80)
        jet.JetCloseTable(self.sesid, self.tableid)  # its creator has it for himself
        self.tableid = jet.JetOpenTable(self.sesid, self.dbid, "T")
        for number in range(ROWS):
            jet.JetPrepareUpdate(self.sesid, self.tableid, jet.JET_prepInsert)
            jet.JetSetColumn(self.sesid, self.tableid, 1, number.to_bytes(4, "little"))
            jet.JetUpdate(self.sesid, self.tableid)
        jet.JetMove(self.sesid, self.tableid, jet.JET_MoveFirst)

    def typical(self, parameter: str) -> Any:
        known = {
            "sesid": self.sesid,
            "tableid": self.tableid,
            "dbid": self.dbid,
            "instance": self.instance,
            "columnid": 1,
            "pvData": b"\1\0\0\0",
            "szTableName": "T",
            "szColumnName": "a",
            "szIndexName": "ia",
            "szFilename": self.path(),
            "szDatabaseName": self.path(),
        }
        return known.get(parameter, 0)

    def numbers(self) -> list[bytes | None]:
        """The content, seen by a session of its own."""
        sesid = jet.JetBeginSession(self.instance)
        tableid = jet.JetOpenTable(sesid, jet.JetOpenDatabase(sesid, self.path()), "T")
        found = []
        step = jet.JET_MoveFirst
        while code_of(jet.JetMove, sesid, tableid, step) == 0:
            found.append(jet.JetRetrieveColumn(sesid, tableid, 1))
            step = jet.JET_MoveNext
        jet.JetEndSession(sesid)
        return found


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def ends_in_a_jet_error(call: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    with contextlib.suppress(JetError):
        call(*arguments, **named)


@pytest.mark.parametrize("odd", ODD, ids=lambda value: type(value).__name__)
def test_every_argument_wrong_in_turn(tmp_path: Any, odd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = Table(tmp_path)
    for name in FUNCTIONS:
        if name in ELSEWHERE:
            continue
        function = getattr(jet, name)
        parameters = inspect.signature(function).parameters.values()
        for wrong in parameters:
            arguments = {
                each.name: odd if each is wrong else table.typical(each.name)
                for each in parameters
                if each is wrong or each.default is each.empty
            }
            # a call that ends something is only made with what it is to end wrong
            ends = name.startswith(("JetEnd", "JetTerm", "JetStop", "JetClose", "JetDetach", "JetDelete", "JetInit"))
            if ends and wrong.name not in ("sesid", "tableid", "instance"):
                continue
            ends_in_a_jet_error(function, **arguments)
    assert table.numbers()[:ROWS] == [number.to_bytes(4, "little") for number in range(ROWS)]


STRUCTURES: dict[str, tuple[Callable[[], Any], Callable[[Table, Any], Any]]] = {
    "JET_COLUMNDEF": (
        lambda: jet.JET_COLUMNDEF(coltyp=4),
        lambda table, it: jet.JetAddColumn(table.sesid, table.tableid, f"c{id(it)}", it),
    ),
    "JET_SETINFO": (jet.JET_SETINFO, lambda table, it: jet.JetSetColumn(table.sesid, table.tableid, 1, bytes(4), 0, it)),
    "JET_RETINFO": (
        lambda: jet.JET_RETINFO(itagSequence=1),
        lambda table, it: jet.JetRetrieveColumn(table.sesid, table.tableid, 1, 0, it),
    ),
    "JET_SETCOLUMN": (
        lambda: jet.JET_SETCOLUMN(columnid=1, pvData=bytes(4)),
        lambda table, it: jet.JetSetColumns(table.sesid, table.tableid, [it]),
    ),
    "JET_RETRIEVECOLUMN": (
        lambda: jet.JET_RETRIEVECOLUMN(columnid=1),
        lambda table, it: jet.JetRetrieveColumns(table.sesid, table.tableid, [it]),
    ),
    "JET_ENUMCOLUMNID": (
        lambda: jet.JET_ENUMCOLUMNID(columnid=1),
        lambda table, it: jet.JetEnumerateColumns(table.sesid, table.tableid, [it]),
    ),
    "JET_OPENTEMPORARYTABLE": (
        lambda: jet.JET_OPENTEMPORARYTABLE(prgcolumndef=[jet.JET_COLUMNDEF(coltyp=4, grbit=jet.JET_bitColumnTTKey)]),
        lambda table, it: jet.JetOpenTemporaryTable(table.sesid, it),
    ),
    "JET_INDEX_COLUMN": (
        lambda: jet.JET_INDEX_COLUMN(columnid=1, pv=bytes(4)),
        lambda table, it: jet.JetSetCursorFilter(table.sesid, table.tableid, [it]),
    ),
    "JET_INDEXCREATE3": (
        lambda: jet.JET_INDEXCREATE3(szIndexName="q", szKey=["+a"], ulDensity=80),
        lambda table, it: jet.JetCreateIndex4(table.sesid, table.tableid, [it]),
    ),
    "JET_TABLECREATE4": (
        lambda: jet.JET_TABLECREATE4(szTableName="W"),
        lambda table, it: jet.JetCreateTableColumnIndex4(table.sesid, table.dbid, it),
    ),
    "JET_COLUMNCREATE": (
        lambda: jet.JET_COLUMNCREATE(szColumnName="x", coltyp=4),
        lambda table, it: jet.JetCreateTableColumnIndex3(
            table.sesid, table.dbid, jet.JET_TABLECREATE3(szTableName=f"W{id(it)}", rgcolumncreate=[it])
        ),
    ),
    "JET_DBUTIL": (
        lambda: jet.JET_DBUTIL(op=8, szDatabase="db.edb", grbitOptions=jet.JET_bitDBUtilOptionSuppressConsoleOutput),
        lambda _table, it: jet.JetDBUtilities(it),
    ),
    "JET_RSTINFO": (jet.JET_RSTINFO, lambda _table, it: jet.JetInit3(jet.JetCreateInstance(f"i{id(it)}"), it, 0)),
    "JET_SETDBPARAM": (
        jet.JET_SETDBPARAM,
        lambda table, it: jet.JetAttachDatabase3(table.sesid, table.path("x.edb"), [it]),
    ),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_field_wrong_in_turn(tmp_path: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = Table(tmp_path)
    make, call = STRUCTURES[name]
    for field in dataclasses.fields(make()):
        for odd in (*ODD, -1, "x", b"x"):
            structure = make()
            setattr(structure, field.name, odd)
            if name in ("JET_SETINFO", "JET_SETCOLUMN"):
                jet.JetPrepareUpdate(table.sesid, table.tableid, jet.JET_prepInsert)
            ends_in_a_jet_error(call, table, structure)
            if name in ("JET_SETINFO", "JET_SETCOLUMN"):
                jet.JetPrepareUpdate(table.sesid, table.tableid, jet.JET_prepCancel)
    jet.JetSetCursorFilter(table.sesid, table.tableid)
    assert table.numbers()[:ROWS] == [number.to_bytes(4, "little") for number in range(ROWS)]
    table.term(jet.JET_bitTermAbrupt)


def test_handles_that_are_stale(tmp_path: Any) -> None:
    table = Table(tmp_path)
    sesid = jet.JetBeginSession(table.instance)
    dbid = jet.JetOpenDatabase(sesid, table.path())
    tableid = jet.JetDupCursor(table.sesid, table.tableid)
    jet.JetCloseTable(table.sesid, tableid)
    assert code_of(jet.JetMove, table.sesid, tableid, jet.JET_MoveFirst) == jet.JET_errInvalidTableId
    assert code_of(jet.JetCloseTable, table.sesid, tableid) == jet.JET_errInvalidTableId
    jet.JetCloseDatabase(sesid, dbid)
    assert code_of(jet.JetOpenTable, sesid, dbid, "T") == jet.JET_errInvalidDatabaseId
    jet.JetEndSession(sesid)
    assert code_of(jet.JetBeginTransaction, sesid) == jet.JET_errInvalidSesid
    # a table of one session in the hands of another
    other = jet.JetBeginSession(table.instance)
    assert code_of(jet.JetMove, other, table.tableid, jet.JET_MoveFirst) < 0
    assert code_of(jet.JetDelete, other, table.tableid) < 0
    assert len(table.numbers()) == ROWS
    instance = table.instance
    table.term()
    assert code_of(jet.JetBeginSession, instance) < 0
    assert code_of(jet.JetMove, table.sesid, table.tableid, jet.JET_MoveFirst) < 0


def test_calls_in_the_wrong_order(tmp_path: Any) -> None:
    table = Table(tmp_path)
    sesid, tableid = table.sesid, table.tableid
    assert code_of(jet.JetSetColumn, sesid, tableid, 1, bytes(4)) == jet.JET_errUpdateNotPrepared
    assert code_of(jet.JetUpdate, sesid, tableid) == jet.JET_errUpdateNotPrepared
    assert code_of(jet.JetCommitTransaction, sesid) == jet.JET_errNotInTransaction
    assert code_of(jet.JetRollback, sesid) == jet.JET_errNotInTransaction
    assert code_of(jet.JetSeek, sesid, tableid, jet.JET_bitSeekEQ) == jet.JET_errKeyNotMade
    jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepInsert)
    assert code_of(jet.JetPrepareUpdate, sesid, tableid, jet.JET_prepInsert) == jet.JET_errAlreadyPrepared
    jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepCancel)
    assert code_of(jet.JetPrepareUpdate, sesid, tableid, jet.JET_prepCancel) == jet.JET_errUpdateNotPrepared
    assert len(table.numbers()) == ROWS


def test_a_session_in_the_middle_of_a_transaction_belongs_to_its_thread(tmp_path: Any) -> None:
    table = Table(tmp_path)
    jet.JetBeginTransaction(table.sesid)
    found: list[int] = []

    def intrude() -> None:
        found.append(code_of(jet.JetDelete, table.sesid, table.tableid))
        found.append(code_of(jet.JetCommitTransaction, table.sesid))
        found.append(code_of(jet.JetBeginTransaction, table.sesid))

    thread = threading.Thread(target=intrude)
    thread.start()
    thread.join()
    assert found == [jet.JET_errSessionSharingViolation] * 3
    jet.JetRollback(table.sesid)
    assert len(table.numbers()) == ROWS


def test_two_threads_in_one_session_at_once(tmp_path: Any) -> None:
    table = Table(tmp_path)
    codes: set[int] = set()

    def work() -> None:
        for _ in range(200):
            codes.add(code_of(jet.JetMove, table.sesid, table.tableid, jet.JET_MoveFirst))
            codes.add(code_of(jet.JetRetrieveColumn, table.sesid, table.tableid, 1))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes <= {0, jet.JET_errSessionSharingViolation, jet.JET_errSessionContextAlreadySet}
    assert len(table.numbers()) == ROWS


@pytest.mark.parametrize(
    ("columnid", "size", "code"),
    [(1, 5, jet.JET_errInvalidBufferSize), (2, 2**31, jet.JET_errInvalidParameter)],
)
def test_values_that_are_too_large(tmp_path: Any, columnid: int, size: int, code: int) -> None:
    table = Table(tmp_path)
    jet.JetBeginTransaction(table.sesid)
    jet.JetPrepareUpdate(table.sesid, table.tableid, jet.JET_prepInsert)
    grbit = jet.JET_bitSetSizeLV if size > 5 else 0
    value: Any = size if size > 5 else bytes(size)
    column = columnid if columnid == 1 else 256
    assert code_of(jet.JetSetColumn, table.sesid, table.tableid, column, value, grbit) in (code, jet.JET_errColumnTooBig)
    jet.JetPrepareUpdate(table.sesid, table.tableid, jet.JET_prepCancel)
    jet.JetCommitTransaction(table.sesid)
    assert len(table.numbers()) == ROWS
