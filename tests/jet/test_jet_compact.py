"""JetCompact and JetDefragment: who may, what they say, and that every row, entry and definition is kept."""

from __future__ import annotations

import json
import time
import warnings

import pytest

from esent import jet
from esent.errors import JetError
from esent.tools.dump import dump
from esent.tools.verify import verify_database
from jet_helpers import code_of

ROWS = 240
COLUMNS = [
    ("k", jet.JET_coltypLong, 0, 0),
    ("gone", jet.JET_coltypLongLong, 0, 0),
    ("text", jet.JET_coltypText, 0, 1200),
    ("also gone", jet.JET_coltypBinary, 0, 0),
    ("binary", jet.JET_coltypBinary, 0, 0),
    ("long", jet.JET_coltypLongBinary, 0, 0),
    ("gone too", jet.JET_coltypLong, jet.JET_bitColumnTagged, 0),
    ("several", jet.JET_coltypLong, jet.JET_bitColumnTagged | jet.JET_bitColumnMultiValued, 0),
    ("fixed", jet.JET_coltypShort, 0, 0),
]


def fill(running, dbid):
    """A table with deletions, long values, several kinds of index."""
    sesid = running.sesid
    create = jet.JET_TABLECREATE4(
        szTableName="t",
        rgcolumncreate=[jet.JET_COLUMNCREATE(szColumnName=n, coltyp=t, grbit=g, cp=cp) for n, t, g, cp in COLUMNS],
        rgindexcreate=[
            jet.JET_INDEXCREATE3(szIndexName="p", szKey=["+k"], grbit=jet.JET_bitIndexPrimary),
            jet.JET_INDEXCREATE3(szIndexName="by_text", szKey=["+text", "-fixed"]),
            jet.JET_INDEXCREATE3(szIndexName="by_several", szKey=["-several"]),
        ],
    )
    jet.JetCreateTableColumnIndex4(sesid, dbid, create)
    tableid = create.tableid
    ids = {column.szColumnName: column.columnid for column in create.rgcolumncreate}
    jet.JetBeginTransaction(sesid)
    for k in range(ROWS):
        jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepInsert)
        values = {
            "k": k.to_bytes(4, "little"),
            "gone": bytes([k % 250]) * 8 if k % 3 else None,
            "text": f"text {k % 50}".encode("utf-16-le"),
            "also gone": b"x" * (k % 100),
            "binary": b"b" * (k % 90) if k % 4 else None,
            "long": bytes([k % 256]) * (k * 20 % 9000),
            "gone too": bytes(4),
            "fixed": (k % 7).to_bytes(2, "little") if k % 5 else None,
        }
        for name, value in values.items():
            jet.JetSetColumn(sesid, tableid, ids[name], value)
        for number in range(k % 4):
            info = jet.JET_SETINFO(itagSequence=number + 1)
            jet.JetSetColumn(sesid, tableid, ids["several"], (k + number).to_bytes(4, "little"), 0, info)
        jet.JetUpdate(sesid, tableid)
    jet.JetCommitTransaction(sesid)
    jet.JetMove(sesid, tableid, jet.JET_MoveFirst)
    jet.JetBeginTransaction(sesid)
    for k in range(ROWS):
        if k % 3 == 1:
            jet.JetDelete(sesid, tableid)
        if k < ROWS - 1:
            jet.JetMove(sesid, tableid, jet.JET_MoveNext)
    jet.JetCommitTransaction(sesid)
    return tableid


@pytest.fixture
def filled(start):
    """A running instance with a database that is attached and closed."""
    running = start()
    dbid = jet.JetCreateDatabase(running.sesid, running.path("a.edb"))
    jet.JetCloseTable(running.sesid, fill(running, dbid))
    jet.JetCloseDatabase(running.sesid, dbid)
    return running


def events(into, fail_at=None):
    def status(sesid, snp, snt, pv):
        into.append((snp, snt, None if pv is None else (pv.cunitDone, pv.cunitTotal)))
        return -2101 if fail_at is not None and len(into) == fail_at else 0

    return status


def test_every_row_and_entry_is_kept(filled):
    seen = []
    assert jet.JetCompact(filled.sesid, filled.path("a.edb"), filled.path("c.edb"), events(seen)) == 0
    assert seen[0] == (jet.JET_snpCompact, jet.JET_sntBegin, (0, 0))
    assert seen[-1][:2] == (jet.JET_snpCompact, jet.JET_sntComplete)
    assert {event[1] for event in seen[1:-1]} == {jet.JET_sntProgress}
    assert jet.JetAttachDatabase(filled.sesid, filled.path("c.edb")) == 0
    filled.term()
    assert verify_database(filled.folder / "c.edb").ok
    expected = list(dump(filled.path("a.edb"), entries=True))
    assert list(dump(filled.path("c.edb"), entries=True)) == expected
    assert len(expected) > ROWS
    assert (filled.folder / "c.edb").stat().st_size < (filled.folder / "a.edb").stat().st_size


def test_deleted_columns_are_left_out(filled):
    sesid = filled.sesid
    dbid = filled.open("a.edb")
    tableid = jet.JetOpenTable(sesid, dbid, "t")
    for name in ("gone", "also gone", "gone too"):
        jet.JetDeleteColumn(sesid, tableid, name)
    jet.JetCloseTable(sesid, tableid)
    jet.JetCloseDatabase(sesid, dbid)
    jet.JetCompact(sesid, filled.path("a.edb"), filled.path("c.edb"))
    filled.attach("c.edb")
    copy = filled.open("c.edb")
    tableid = jet.JetOpenTable(sesid, copy, "t")
    names = ("k", "fixed", "text", "binary", "long", "several")
    ids = {name: jet.JetGetTableColumnInfo(sesid, tableid, name, jet.JET_ColInfo).columnid for name in names}
    assert ids == {"k": 1, "fixed": 2, "text": 128, "binary": 129, "long": 256, "several": 257}
    # a new column must not show what records held of an old one
    for name, kind, grbit in (("new", jet.JET_coltypLongLong, 0), ("tag", jet.JET_coltypLong, jet.JET_bitColumnTagged)):
        column = jet.JetAddColumn(sesid, tableid, name, jet.JET_COLUMNDEF(coltyp=kind, grbit=grbit))
        jet.JetMove(sesid, tableid, jet.JET_MoveFirst)
        for _ in range(50):
            assert jet.JetRetrieveColumn(sesid, tableid, column) is None
            jet.JetMove(sesid, tableid, jet.JET_MoveNext)
    filled.term()
    assert verify_database(filled.folder / "c.edb").ok

    def rows(name):
        return [json.loads(line)["r"] for line in dump(filled.path(name), tables=["t"]) if '"bm"' in line]

    kept = rows("a.edb")
    assert len(kept) == ROWS * 2 // 3
    assert [{key: value for key, value in row.items() if key not in ("new", "tag")} for row in rows("c.edb")] == kept


def test_templates_and_derived_tables(filled):
    sesid = filled.sesid
    dbid = filled.open("a.edb")
    template = jet.JET_TABLECREATE4(
        szTableName="zz template",
        grbit=jet.JET_bitTableCreateTemplateTable,
        rgcolumncreate=[jet.JET_COLUMNCREATE(szColumnName="c", coltyp=jet.JET_coltypLong, grbit=jet.JET_bitColumnTagged)],
        rgindexcreate=[jet.JET_INDEXCREATE3(szIndexName="i", szKey=["+c"])],
    )
    jet.JetCreateTableColumnIndex4(sesid, dbid, template)
    jet.JetCloseTable(sesid, template.tableid)
    derived = jet.JET_TABLECREATE4(
        szTableName="derived",
        szTemplateTableName="zz template",
        rgcolumncreate=[jet.JET_COLUMNCREATE(szColumnName="own", coltyp=jet.JET_coltypLong)],
    )
    jet.JetCreateTableColumnIndex4(sesid, dbid, derived)
    own = derived.rgcolumncreate[0].columnid
    inherited = jet.JetGetTableColumnInfo(sesid, derived.tableid, "c", jet.JET_ColInfo).columnid
    jet.JetBeginTransaction(sesid)
    for number in range(20):
        jet.JetPrepareUpdate(sesid, derived.tableid, jet.JET_prepInsert)
        jet.JetSetColumn(sesid, derived.tableid, own, number.to_bytes(4, "little"))
        jet.JetSetColumn(sesid, derived.tableid, inherited, (100 - number).to_bytes(4, "little"))
        jet.JetUpdate(sesid, derived.tableid)
    jet.JetCommitTransaction(sesid)
    jet.JetCloseTable(sesid, derived.tableid)
    jet.JetCloseDatabase(sesid, dbid)
    jet.JetCompact(sesid, filled.path("a.edb"), filled.path("c.edb"))
    filled.term()
    assert list(dump(filled.path("c.edb"), entries=True)) == list(dump(filled.path("a.edb"), entries=True))
    assert verify_database(filled.folder / "c.edb").ok


def test_who_may_compact_what(filled):
    sesid, source, goal = filled.sesid, filled.path("a.edb"), filled.path("c.edb")
    dbid = filled.open("a.edb")
    assert code_of(jet.JetCompact, sesid, source, goal) == jet.JET_errDatabaseInUse
    jet.JetCloseDatabase(sesid, dbid)
    assert code_of(jet.JetCompact, sesid, source, source) == jet.JET_errDatabaseDuplicate
    assert code_of(jet.JetCompact, sesid, filled.path("none.edb"), goal) == jet.JET_errDatabaseNotFound
    assert code_of(jet.JetCompact, sesid, source, None) == jet.JET_errDatabaseInvalidPath
    assert code_of(jet.JetCompact, sesid, source, goal, None, None, 1 << 20) == jet.JET_errInvalidGrbit
    assert code_of(jet.JetCompact, sesid, source, goal, None, object()) == jet.JET_errFeatureNotAvailable
    jet.JetBeginTransaction(sesid)
    assert code_of(jet.JetCompact, sesid, source, goal) == jet.JET_errInTransaction
    jet.JetRollback(sesid)
    jet.JetDetachDatabase(sesid, source)
    assert code_of(jet.JetCompact, sesid, source, goal) == jet.JET_errDatabaseNotFound
    filled.attach("a.edb", jet.JET_bitDbReadOnly)
    assert jet.JetCompact(sesid, source, goal) == 0


@pytest.mark.parametrize("at", [1, 2, 5])
def test_a_callback_ends_it_and_nothing_is_left(filled, at):
    seen = []
    with pytest.raises(JetError) as caught:
        jet.JetCompact(filled.sesid, filled.path("a.edb"), filled.path("c.edb"), events(seen, at))
    assert caught.value.code == -2101
    assert len(seen) == at + 1 and seen[-1] == (jet.JET_snpCompact, jet.JET_sntFail, None)
    assert not [path.name for path in filled.folder.iterdir() if "c.edb" in path.name]
    assert jet.JetCompact(filled.sesid, filled.path("a.edb"), filled.path("c.edb")) == 0


def test_online_defragmentation_is_started_and_stopped_once(filled):
    dbid = filled.open("a.edb")

    def defragment(grbit):
        with warnings.catch_warnings(record=True) as issued:
            warnings.simplefilter("always")
            result = jet.JetDefragment(filled.sesid, dbid, None, 1, 2, grbit)
        return result, [warning.message.code for warning in issued]

    start, stop = jet.JET_bitDefragmentBatchStart, jet.JET_bitDefragmentBatchStop
    assert defragment(stop) == ((0, 0), [jet.JET_wrnDefragNotRunning])
    assert defragment(start) == ((1, 2), [])
    assert defragment(start) == ((1, 2), [jet.JET_wrnDefragAlreadyRunning])
    assert defragment(stop) == ((0, 0), [])
    for wrong in (0, start | stop, 4, 0x8000):
        assert code_of(jet.JetDefragment, filled.sesid, dbid, None, 1, 1, wrong) == jet.JET_errInvalidGrbit
    called = []
    assert jet.JetDefragment2(filled.sesid, dbid, None, 1, 1, lambda *event: called.append(event), start) == (1, 1)
    end = time.monotonic() + 60
    while not called and time.monotonic() < end:
        time.sleep(0.01)
    assert len(called) == 1 and called[0][3] == jet.JET_cbtypOnlineDefragCompleted
    assert jet.JetDefragment3(filled.sesid, filled.path("a.edb"), grbit=stop) == (0, 0)
    assert code_of(jet.JetDefragment3, filled.sesid, filled.path("no.edb"), grbit=stop) == jet.JET_errDatabaseNotFound
