"""Callbacks of tables, and values kept with cursors and tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from esent import jet
from jet_helpers import Running, code_of

Start = Callable[..., Running]
INSERTS = jet.JET_cbtypBeforeInsert | jet.JET_cbtypAfterInsert


class Table:
    """A table with one number column in a new database."""

    def __init__(self, running: Running) -> None:
        self.sesid = running.sesid
        self.dbid = jet.JetCreateDatabase(self.sesid, running.path("new.edb"))
        self.tableid = jet.JetCreateTable(self.sesid, self.dbid, "T")
        self.column = jet.JetAddColumn(self.sesid, self.tableid, "a", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong))

    def insert(self, value: int) -> None:
        jet.JetPrepareUpdate(self.sesid, self.tableid, jet.JET_prepInsert)
        jet.JetSetColumn(self.sesid, self.tableid, self.column, value.to_bytes(4, "little"))
        jet.JetUpdate(self.sesid, self.tableid)

    def replace(self, value: int) -> None:
        jet.JetPrepareUpdate(self.sesid, self.tableid, jet.JET_prepReplace)
        jet.JetSetColumn(self.sesid, self.tableid, self.column, value.to_bytes(4, "little"))
        jet.JetUpdate(self.sesid, self.tableid)


@pytest.fixture
def table(start: Start) -> Table:
    return Table(start())


def test_every_change_is_told_before_and_after(table: Table) -> None:
    events: list[tuple[Any, ...]] = []

    def tell(sesid: Any, dbid: int, tableid: Any, cbtyp: int, first: Any, second: Any, context: Any) -> None:
        assert (sesid, dbid, tableid) == (table.sesid, table.dbid, table.tableid)
        events.append((cbtyp, context))

    handle = jet.JetRegisterCallback(table.sesid, table.tableid, 0x7E, tell, "mine")
    table.insert(1)
    jet.JetMove(table.sesid, table.tableid, jet.JET_MoveFirst)
    table.replace(2)
    jet.JetDelete(table.sesid, table.tableid)
    assert events == [(each, "mine") for each in (2, 4, 8, 16, 32, 64)]
    jet.JetUnregisterCallback(table.sesid, table.tableid, 0x7E, handle)
    table.insert(3)
    assert len(events) == 6
    assert code_of(jet.JetUnregisterCallback, table.sesid, table.tableid, 0x7E, handle) == jet.JET_errInvalidParameter


def test_a_callback_refuses_a_change(table: Table) -> None:
    def refuse(*_: Any) -> int:
        return jet.JET_errPermissionDenied

    handle = jet.JetRegisterCallback(table.sesid, table.tableid, jet.JET_cbtypAfterInsert, refuse)
    assert code_of(table.insert, 1) == jet.JET_errPermissionDenied
    jet.JetPrepareUpdate(table.sesid, table.tableid, jet.JET_prepCancel)
    assert code_of(jet.JetMove, table.sesid, table.tableid, jet.JET_MoveFirst) == jet.JET_errNoCurrentRecord
    jet.JetUnregisterCallback(table.sesid, table.tableid, jet.JET_cbtypAfterInsert, handle)
    table.insert(1)
    jet.JetMove(table.sesid, table.tableid, jet.JET_MoveFirst)
    jet.JetRegisterCallback(table.sesid, table.tableid, jet.JET_cbtypBeforeDelete, refuse)
    assert code_of(jet.JetDelete, table.sesid, table.tableid) == jet.JET_errPermissionDenied
    jet.JetMove(table.sesid, table.tableid, 0)


def test_a_registration_is_rolled_back_and_wrong_ones_are_refused(table: Table) -> None:
    events: list[int] = []
    jet.JetBeginTransaction(table.sesid)
    handle = jet.JetRegisterCallback(table.sesid, table.tableid, INSERTS, lambda *each: events.append(each[3]))
    jet.JetRollback(table.sesid)
    table.insert(1)
    assert events == []
    assert code_of(jet.JetUnregisterCallback, table.sesid, table.tableid, INSERTS, handle) == jet.JET_errInvalidParameter
    for types, call in ((0, print), (2, None), ("2", print)):
        assert code_of(jet.JetRegisterCallback, table.sesid, table.tableid, types, call) == jet.JET_errInvalidParameter


def test_local_values_need_a_callback(table: Table) -> None:
    sesid, tableid = table.sesid, table.tableid
    assert code_of(jet.JetSetLS, sesid, tableid, 5, jet.JET_bitLSCursor) == jet.JET_errLSCallbackNotSpecified
    assert code_of(jet.JetGetLS, sesid, tableid, 0) == jet.JET_errLSNotSet
    assert jet.JetGetLS(sesid, tableid, jet.JET_bitLSReset) == jet.JET_LSNil
    assert code_of(jet.JetGetLS, sesid, tableid, jet.JET_bitLSTable | jet.JET_bitLSReset) == jet.JET_errLSNotSet
    assert code_of(jet.JetGetLS, sesid, tableid, jet.JET_bitLSTable | jet.JET_bitLSCursor) == jet.JET_errInvalidGrbit


def test_local_values_are_kept_and_freed(start: Start) -> None:
    freed: list[tuple[int, Any]] = []
    table = Table(start(RuntimeCallback=lambda *each: freed.append((each[3], each[4]))))
    sesid, tableid = table.sesid, table.tableid
    jet.JetSetLS(sesid, tableid, 5, jet.JET_bitLSCursor)
    jet.JetSetLS(sesid, tableid, 6, jet.JET_bitLSTable)
    twin = jet.JetDupCursor(sesid, tableid)
    assert jet.JetGetLS(sesid, tableid) == 5
    assert code_of(jet.JetGetLS, sesid, twin) == jet.JET_errLSNotSet
    assert jet.JetGetLS(sesid, twin, jet.JET_bitLSTable) == 6
    assert code_of(jet.JetSetLS, sesid, tableid, 7, jet.JET_bitLSCursor) == jet.JET_errLSAlreadySet
    jet.JetSetLS(sesid, tableid, 7, jet.JET_bitLSCursor | jet.JET_bitLSReset)
    assert jet.JetGetLS(sesid, tableid, jet.JET_bitLSReset) == 7
    jet.JetSetLS(sesid, tableid, 8)
    jet.JetSetLS(sesid, twin, 9)
    jet.JetCloseTable(sesid, tableid)
    assert freed == [(jet.JET_cbtypFreeCursorLS, 8)]
    jet.JetCloseTable(sesid, twin)
    assert freed[1:] == [(jet.JET_cbtypFreeCursorLS, 9), (jet.JET_cbtypFreeTableLS, 6)]
