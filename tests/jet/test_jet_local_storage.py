"""Values attached to cursors and tables, and the callback that wants them back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from esent import jet
from esent.errors import JetError
from jet_helpers import Running

RESET, CURSOR, TABLE = jet.JET_bitLSReset, jet.JET_bitLSCursor, jet.JET_bitLSTable


def code_of(call: Any, *args: Any) -> int:
    with pytest.raises(JetError) as caught:
        call(*args)
    return caught.value.code


def opened(running: Running) -> tuple[int, Any]:
    dbid = jet.JetCreateDatabase(running.sesid, running.path())
    return dbid, jet.JetCreateTable(running.sesid, dbid, "T")


def test_without_the_callback(start: Callable[..., Running]) -> None:
    running = start()
    _, tableid = opened(running)
    assert code_of(jet.JetSetLS, running.sesid, tableid, 7) == jet.JET_errLSCallbackNotSpecified
    assert code_of(jet.JetGetLS, running.sesid, tableid) == jet.JET_errLSNotSet
    assert code_of(jet.JetGetLS, running.sesid, tableid, TABLE | RESET) == jet.JET_errLSNotSet
    assert code_of(jet.JetGetLS, running.sesid, tableid, TABLE | CURSOR) == jet.JET_errInvalidGrbit
    assert jet.JetGetLS(running.sesid, tableid, RESET) == jet.JET_LSNil


def test_values_come_back_when_cursors_close(start: Callable[..., Running]) -> None:
    told: list[tuple[int, int]] = []
    running = start(RuntimeCallback=lambda _s, _d, _t, kind, value, *_: told.append((kind, value)))
    dbid, tableid = opened(running)
    sesid = running.sesid
    other = jet.JetOpenTable(sesid, dbid, "T")
    jet.JetSetLS(sesid, tableid, 7)
    jet.JetSetLS(sesid, tableid, 8, TABLE)
    jet.JetSetLS(sesid, other, 9, CURSOR)
    assert code_of(jet.JetSetLS, sesid, other, 1, TABLE) == jet.JET_errLSAlreadySet
    assert [jet.JetGetLS(sesid, tableid), jet.JetGetLS(sesid, other, TABLE), jet.JetGetLS(sesid, other)] == [7, 8, 9]
    assert jet.JetGetLS(sesid, other, RESET) == 9
    assert code_of(jet.JetGetLS, sesid, other) == jet.JET_errLSNotSet
    jet.JetCloseTable(sesid, tableid)
    assert told == [(jet.JET_cbtypFreeCursorLS, 7)]
    jet.JetCloseDatabase(sesid, dbid)
    assert told[1:] == [(jet.JET_cbtypFreeTableLS, 8)]
    assert code_of(jet.JetGetLS, sesid, other) == jet.JET_errInvalidTableId
