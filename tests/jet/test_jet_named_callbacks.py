"""Callbacks with a name in the database: computed defaults, events of tables; and the event of a counter that comes to zero."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from esent import jet
from jet_helpers import Running, code_of

EVENT = jet.JET_cbtypUserDefinedDefaultValue


@pytest.fixture(autouse=True)
def no_names() -> Iterator[None]:
    yield
    jet.persisted_callbacks.clear()


def computed(name: str = "shop!total", data: bytes | None = b"tax") -> jet.JET_COLUMNCREATE:
    default = jet.JET_USERDEFINEDDEFAULT(szCallback=name, pbUserData=data)
    grbit = jet.JET_bitColumnTagged | jet.JET_bitColumnUserDefinedDefault
    return jet.JET_COLUMNCREATE(szColumnName="total", coltyp=jet.JET_coltypLong, grbit=grbit, pvDefault=default)


def create(running: Running, column: jet.JET_COLUMNCREATE, **more: Any) -> tuple[int, Any, int, int]:
    """A table of a number and a computed column: database, table, both columns."""
    dbid = jet.JetCreateDatabase(running.sesid, running.path())
    number = jet.JET_COLUMNCREATE(szColumnName="number", coltyp=jet.JET_coltypLong)
    table = jet.JET_TABLECREATE3(szTableName="T", rgcolumncreate=[number, column], **more)
    jet.JetCreateTableColumnIndex3(running.sesid, dbid, table)
    return dbid, table.tableid, number.columnid, column.columnid


def put(running: Running, tableid: Any, *values: tuple[int, bytes]) -> None:
    jet.JetPrepareUpdate(running.sesid, tableid, jet.JET_prepInsert)
    for columnid, value in values:
        jet.JetSetColumn(running.sesid, tableid, columnid, value)
    jet.JetGotoBookmark(running.sesid, tableid, jet.JetUpdate(running.sesid, tableid))


def test_a_default_is_computed_from_the_record(start: Callable[..., Running]) -> None:
    seen: list[tuple[Any, ...]] = []

    def total(sesid: Any, dbid: int, tableid: Any, cbtyp: int, columnid: int, _unused: object, context: bytes) -> bytes:
        seen.append((dbid, cbtyp, columnid, context))
        number = int.from_bytes(jet.JetRetrieveColumn(sesid, tableid, 1) or b"", "little")
        return (number * 2).to_bytes(4, "little")

    jet.persisted_callbacks["shop!total"] = total
    running = start(EnablePersistedCallbacks=1)
    dbid, tableid, number, column = create(running, computed())
    put(running, tableid, (number, b"\x15\0\0\0"))
    assert jet.JetRetrieveColumn(running.sesid, tableid, column) == b"\x2a\0\0\0"
    assert seen == [(dbid, EVENT, column, b"tax")]
    ignore = jet.JET_bitRetrieveIgnoreDefault
    assert jet.JetRetrieveColumn(running.sesid, tableid, column, ignore) is None
    put(running, tableid, (number, b"\x15\0\0\0"), (column, b"\x07\0\0\0"))
    assert jet.JetRetrieveColumn(running.sesid, tableid, column) == b"\x07\0\0\0"
    assert len(seen) == 1


def test_the_name_is_kept_with_the_database(start: Callable[..., Running], tmp_path: Path) -> None:
    running = start()
    _, tableid, number, column = create(running, computed())
    put(running, tableid, (number, b"\1\0\0\0"))
    assert code_of(jet.JetRetrieveColumn, running.sesid, tableid, column) == jet.JET_errCallbackFailed
    running.term()
    jet.persisted_callbacks["shop!total"] = lambda *arguments: arguments[-1]
    again = start(EnablePersistedCallbacks=1)
    again.attach()
    tableid = jet.JetOpenTable(again.sesid, again.open(), "T")
    jet.JetMove(again.sesid, tableid, jet.JET_MoveFirst)
    assert jet.JetRetrieveColumn(again.sesid, tableid, column) == b"tax"
    found = jet.JetEnumerateColumns(again.sesid, tableid, [], 0xFFFF, jet.JET_bitEnumerateCompressOutput)
    assert [(each.columnid, each.pvData) for each in found] == [(number, b"\1\0\0\0"), (column, b"tax")]
    found = jet.JetEnumerateColumns(again.sesid, tableid, [], 0xFFFF, jet.JET_bitEnumerateIgnoreUserDefinedDefault)
    assert [each.columnid for each in found] == [number]
    jet.persisted_callbacks.clear()
    assert code_of(jet.JetRetrieveColumn, again.sesid, tableid, column) == jet.JET_errCallbackFailed


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda *_: None, jet.JET_wrnColumnNull),
        (lambda *_: "text", jet.JET_errCallbackFailed),
        (lambda *_: 1 // 0, jet.JET_errCallbackFailed),
        (lambda *_: jet.JET_errInvalidParameter, jet.JET_errInvalidParameter),
        (lambda sesid, _dbid, tableid, *_: jet.JetRetrieveColumn(sesid, tableid, 256), jet.JET_errCallbackFailed),
    ],
)
def test_what_a_callback_answers(start: Callable[..., Running], answer: Callable[..., Any], code: int) -> None:
    jet.persisted_callbacks["shop!total"] = answer
    running = start(EnablePersistedCallbacks=1)
    _, tableid, number, column = create(running, computed())
    put(running, tableid, (number, b"\1\0\0\0"))
    if code == jet.JET_wrnColumnNull:
        assert jet.JetRetrieveColumn(running.sesid, tableid, column) is None
    else:
        assert code_of(jet.JetRetrieveColumn, running.sesid, tableid, column) == code
    assert jet.JetRetrieveColumn(running.sesid, tableid, number) == b"\1\0\0\0"


def test_wrong_definitions(start: Callable[..., Running]) -> None:
    running = start(EnablePersistedCallbacks=1)
    assert code_of(create, running, computed()) == jet.JET_errCallbackNotResolved
    jet.persisted_callbacks["shop!total"] = lambda *_: None
    dbid = running.open()
    tableid = jet.JetCreateTable(running.sesid, dbid, "U")
    default = jet.JET_USERDEFINEDDEFAULT(szCallback="shop!total")
    tagged, own = jet.JET_bitColumnTagged, jet.JET_bitColumnUserDefinedDefault
    for grbit, value, code in [
        (own, default, jet.JET_errInvalidGrbit),
        (tagged | own | jet.JET_bitColumnNotNULL, default, jet.JET_errInvalidGrbit),
        (tagged | own, b"\0\0\0\0", jet.JET_errInvalidParameter),
        (tagged | own, None, jet.JET_errInvalidParameter),
        (tagged, default, jet.JET_errInvalidParameter),
        (tagged | own, jet.JET_USERDEFINEDDEFAULT(szCallback="total"), jet.JET_errInvalidParameter),
        (tagged | own, jet.JET_USERDEFINEDDEFAULT(), jet.JET_errInvalidParameter),
    ]:
        definition = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong, grbit=grbit)
        assert code_of(jet.JetAddColumn, running.sesid, tableid, "c", definition, value) == code
    definition = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong, grbit=tagged | own)
    jet.JetAddColumn(running.sesid, tableid, "c", definition, default)
    index = code_of(jet.JetCreateIndex, running.sesid, tableid, "i", 0, ["+c"], 80)
    assert index == jet.JET_errFeatureNotAvailable


def test_events_of_a_table_by_name(start: Callable[..., Running]) -> None:
    seen: list[int] = []

    def changed(_sesid: Any, _dbid: int, _tableid: Any, cbtyp: int, *_: object) -> int:
        seen.append(cbtyp)
        return jet.JET_errCallbackFailed if len(seen) > 2 else 0

    jet.persisted_callbacks["shop!changed"] = changed
    running = start(EnablePersistedCallbacks=1)
    events = jet.JET_cbtypBeforeInsert | jet.JET_cbtypAfterInsert
    plain = jet.JET_COLUMNCREATE(szColumnName="other", coltyp=jet.JET_coltypLong)
    _, tableid, number, _ = create(running, plain, szCallback="shop!changed", cbtyp=events)
    put(running, tableid, (number, b"\1\0\0\0"))
    assert seen == [jet.JET_cbtypBeforeInsert, jet.JET_cbtypAfterInsert]
    assert code_of(put, running, tableid, (number, b"\2\0\0\0")) == jet.JET_errCallbackFailed
    jet.JetPrepareUpdate(running.sesid, tableid, jet.JET_prepCancel)
    jet.JetMove(running.sesid, tableid, jet.JET_MoveLast)
    assert jet.JetRetrieveColumn(running.sesid, tableid, number) == b"\1\0\0\0"
    running.term()
    again = start()  # names are not enabled
    again.attach()
    tableid = jet.JetOpenTable(again.sesid, again.open(), "T")
    assert code_of(put, again, tableid, (number, b"\2\0\0\0")) == jet.JET_errCallbackFailed


def test_callbacks_of_the_template_hear_of_derived_tables(start: Callable[..., Running]) -> None:
    running = start()
    dbid = jet.JetCreateDatabase(running.sesid, running.path())
    column = jet.JET_COLUMNCREATE(szColumnName="number", coltyp=jet.JET_coltypLong)
    template = jet.JET_TABLECREATE3(szTableName="above", rgcolumncreate=[column], grbit=jet.JET_bitTableCreateTemplateTable)
    jet.JetCreateTableColumnIndex3(running.sesid, dbid, template)
    seen: list[int] = []
    jet.JetRegisterCallback(running.sesid, template.tableid, jet.JET_cbtypAfterInsert, lambda *about: seen.append(about[3]))
    derived = jet.JET_TABLECREATE3(szTableName="below", szTemplateTableName="above")
    jet.JetCreateTableColumnIndex3(running.sesid, dbid, derived)
    put(running, derived.tableid, (column.columnid, b"\1\0\0\0"))
    assert seen == [jet.JET_cbtypAfterInsert]


def escrow_table(running: Running, option: int) -> tuple[Any, int]:
    dbid = jet.JetCreateDatabase(running.sesid, running.path())
    grbit = jet.JET_bitColumnFixed | jet.JET_bitColumnEscrowUpdate | option
    column = jet.JET_COLUMNCREATE(szColumnName="uses", coltyp=jet.JET_coltypLong, grbit=grbit, pvDefault=bytes(4))
    table = jet.JET_TABLECREATE3(szTableName="T", rgcolumncreate=[column])
    jet.JetCreateTableColumnIndex3(running.sesid, dbid, table)
    return table.tableid, column.columnid


def add(running: Running, tableid: Any, columnid: int, amount: int) -> None:
    jet.JetBeginTransaction(running.sesid)
    jet.JetEscrowUpdate(running.sesid, tableid, columnid, amount.to_bytes(4, "little", signed=True))
    jet.JetCommitTransaction(running.sesid)


def test_a_counter_that_comes_to_zero_is_told(start: Callable[..., Running]) -> None:
    running = start()
    tableid, uses = escrow_table(running, jet.JET_bitColumnFinalize)
    seen: list[tuple[int, bytes | None]] = []

    def finalized(sesid: Any, _dbid: int, table: Any, cbtyp: int, *_: object) -> int:
        seen.append((cbtyp, jet.JetRetrieveColumn(sesid, table, uses)))
        jet.JetDelete(sesid, table)
        return 0

    handle = jet.JetRegisterCallback(running.sesid, tableid, jet.JET_cbtypFinalize, finalized)
    for number in range(3):
        put(running, tableid)
        add(running, tableid, uses, 2 if number != 1 else 1)
    jet.JetMove(running.sesid, tableid, jet.JET_MoveFirst)
    add(running, tableid, uses, -1)
    jet.JetIdle(running.sesid)
    assert seen == []
    add(running, tableid, uses, -1)
    jet.JetIdle(running.sesid)
    assert seen == [(jet.JET_cbtypFinalize, bytes(4))]
    jet.JetMove(running.sesid, tableid, jet.JET_MoveFirst)
    assert jet.JetRetrieveColumn(running.sesid, tableid, uses) == b"\1\0\0\0"
    jet.JetUnregisterCallback(running.sesid, tableid, jet.JET_cbtypFinalize, handle)
    add(running, tableid, uses, -1)
    jet.JetIdle(running.sesid)
    assert len(seen) == 1
    assert jet.JetRetrieveColumn(running.sesid, tableid, uses) == bytes(4)


def test_a_finalizer_that_fails_disturbs_nobody(start: Callable[..., Running]) -> None:
    running = start()
    tableid, uses = escrow_table(running, jet.JET_bitColumnFinalize)
    jet.JetRegisterCallback(running.sesid, tableid, jet.JET_cbtypFinalize, lambda *_: jet.JET_errCallbackFailed)
    put(running, tableid)
    add(running, tableid, uses, 1)
    add(running, tableid, uses, -1)
    jet.JetIdle(running.sesid)
    assert jet.JetRetrieveColumn(running.sesid, tableid, uses) == bytes(4)
    running.term()
