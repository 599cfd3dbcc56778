"""Prepared updates: tables that change meanwhile, and calls whose short way must come to the same as the long one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from esent import jet
from esent.engine import short_call
from esent.engine.cursor import Cursor
from jet_helpers import Running, code_of

TYPES = [
    (jet.JET_coltypLong, 0),
    (jet.JET_coltypBit, 0),
    (jet.JET_coltypBinary, jet.JET_bitColumnFixed),
    (jet.JET_coltypText, 0),
    (jet.JET_coltypBinary, jet.JET_bitColumnNotNULL),
    (jet.JET_coltypLongLong, jet.JET_bitColumnTagged),
    (jet.JET_coltypText, jet.JET_bitColumnTagged | jet.JET_bitColumnMultiValued),
    (jet.JET_coltypLongBinary, 0),
    (jet.JET_coltypLongText, jet.JET_bitColumnCompressed),
]


def make_tables(running: Running) -> list[tuple[Any, list[int]]]:
    """Two tables that are alike, open: handle and ids of the columns."""
    dbid = jet.JetCreateDatabase(running.sesid, running.path())
    found = []
    for name in ("short", "long"):
        key = jet.JET_COLUMNCREATE(szColumnName="key", coltyp=jet.JET_coltypLong)
        columns = [
            jet.JET_COLUMNCREATE(szColumnName=f"c{place}", coltyp=coltyp, grbit=grbit, cbMax=9 if grbit & 1 else 0, cp=1252)
            for place, (coltyp, grbit) in enumerate(TYPES)
        ]
        indexes = [
            jet.JET_INDEXCREATE2(szIndexName="pk", szKey=["+key"], grbit=jet.JET_bitIndexPrimary),
            jet.JET_INDEXCREATE2(szIndexName="long", szKey=["-c0"], grbit=0),
            jet.JET_INDEXCREATE2(szIndexName="text", szKey=["+c3", "-c4"], grbit=jet.JET_bitIndexUnique),
        ]
        table = jet.JET_TABLECREATE3(szTableName=name, rgcolumncreate=[key, *columns], rgindexcreate=indexes)
        jet.JetCreateTableColumnIndex3(running.sesid, dbid, table)
        found.append((table.tableid, [column.columnid for column in table.rgcolumncreate]))
    return found


values = st.one_of(
    st.binary(max_size=9),
    st.sampled_from([b"\1\2\3\4", b"12345678", b"ninebytes", b"x" * 255, b"y" * 256, b"z" * 1023, b"z" * 1100, b"w" * 1900]),
)
NOT_NULL = 5
SIZES = {1: 4, 2: 1, 3: 9, 6: 8}  # of the columns that take one size only


def sets_of(column: int) -> st.SearchStrategy[tuple[int, bytes | None]]:
    size = SIZES.get(column, 5)
    fitting = st.one_of(st.binary(min_size=size, max_size=size), st.sampled_from([b"\0" * size, b"a" * size]))
    return st.tuples(st.just(column), st.one_of(st.none(), fitting, fitting, values))


sets = st.lists(st.integers(0, len(TYPES)).flatmap(sets_of), max_size=8)
steps = st.lists(
    st.tuples(st.sampled_from(["insert", "replace", "delete", "savepoint"]), st.integers(0, 4), sets), min_size=1, max_size=6
)


class LongWay(Cursor):
    """A cursor of a class that no short way is for."""


def run(
    sesid: Any,
    table: tuple[Any, list[int]],
    plan: list[tuple[str, int, list[tuple[int, bytes | None]]]],
    *,
    together: bool = False,
) -> list[object]:
    """Make the steps in a transaction that is rolled back: every answer, and what the records are in the end."""
    tableid, ids = table
    answers: list[object] = []
    jet.JetBeginTransaction(sesid)
    for kind, number, changes in plan:
        key = number.to_bytes(4, "little")
        if kind == "insert":
            answers.append(code_of(jet.JetPrepareUpdate, sesid, tableid, jet.JET_prepInsert))
            jet.JetSetColumn(sesid, tableid, ids[0], key)
            jet.JetSetColumn(sesid, tableid, ids[NOT_NULL], key)
        elif kind == "savepoint":
            jet.JetBeginTransaction(sesid)
            answers.append(code_of(jet.JetMove, sesid, tableid, jet.JET_MoveFirst))
            answers.append(code_of(jet.JetDelete, sesid, tableid))
            jet.JetRollback(sesid)
            continue
        else:
            jet.JetMakeKey(sesid, tableid, key, jet.JET_bitNewKey)
            answers.append(code_of(jet.JetSeek, sesid, tableid, jet.JET_bitSeekEQ))
            if kind == "delete":
                answers.append(code_of(jet.JetDelete, sesid, tableid))
                continue
            answers.append(code_of(jet.JetPrepareUpdate, sesid, tableid, jet.JET_prepReplace))
        if together:
            elements = [jet.JET_SETCOLUMN(columnid=ids[column], pvData=value, err=1) for column, value in changes]
            answers.append(code_of(jet.JetSetColumns, sesid, tableid, elements))
            answers.append([element.err for element in elements])
        else:
            answers += [code_of(jet.JetSetColumn, sesid, tableid, ids[column], value) for column, value in changes]
        answers.append(code_of(jet.JetUpdate, sesid, tableid))
        answers.append(code_of(jet.JetPrepareUpdate, sesid, tableid, jet.JET_prepCancel))
    for index in ("pk", "long", "text"):
        jet.JetSetCurrentIndex(sesid, tableid, index)
        code = code_of(jet.JetMove, sesid, tableid, jet.JET_MoveFirst)
        while code == 0:
            answers.append([jet.JetRetrieveColumn(sesid, tableid, column) for column in ids])
            code = code_of(jet.JetMove, sesid, tableid, jet.JET_MoveNext)
        answers.append(code)
    jet.JetSetCurrentIndex(sesid, tableid, None)
    jet.JetRollback(sesid)
    return answers


@pytest.mark.parametrize("together", [False, True])
def test_the_short_way_of_a_call_comes_to_the_same_as_the_long_one(start: Callable[..., Running], together: bool) -> None:
    running = start()
    sesid = running.sesid
    tables = make_tables(running)
    tables[1][0].target.__class__ = LongWay
    assert short_call.begin(sesid, tables[1][0]) is None

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @example([("insert", 1, [(column, bytes(SIZES.get(column, 5))) for column in range(1, len(TYPES) + 1)])])
    @example([("insert", 1, [(column, b"a" * SIZES.get(column, 5)) for column in range(1, len(TYPES) + 1)])])
    @given(steps)
    def compare(plan: list[tuple[str, int, list[tuple[int, bytes | None]]]]) -> None:
        short, long = (run(sesid, table, plan, together=together) for table in tables)
        assert short == long

    compare()


def test_a_column_that_is_added_while_an_update_is_prepared_can_be_set(start: Callable[..., Running]) -> None:
    running = start()
    sesid = running.sesid
    dbid = jet.JetCreateDatabase(sesid, running.path())
    tableid = jet.JetCreateTable(sesid, dbid, "t", 1, 100)
    jet.JetBeginTransaction(sesid)
    jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepInsert)
    other = jet.JetOpenTable(sesid, dbid, "t")
    types = {"fixed": jet.JET_coltypLong, "variable": jet.JET_coltypBinary, "tagged": jet.JET_coltypLongBinary}
    ids = [jet.JetAddColumn(sesid, other, name, jet.JET_COLUMNDEF(coltyp=kind), None) for name, kind in types.items()]
    for columnid in ids:
        assert jet.JetSetColumn(sesid, tableid, columnid, b"four") == 0
    jet.JetGotoBookmark(sesid, tableid, jet.JetUpdate(sesid, tableid))
    assert [jet.JetRetrieveColumn(sesid, tableid, columnid) for columnid in ids] == [b"four"] * 3
    jet.JetCommitTransaction(sesid)


def test_an_update_that_fails_half_way_leaves_nothing_in_a_transaction(start: Callable[..., Running]) -> None:
    running = start()
    sesid = running.sesid
    dbid = jet.JetCreateDatabase(sesid, running.path())
    columns = [jet.JET_COLUMNCREATE(szColumnName=name, coltyp=jet.JET_coltypLong) for name in ("k", "u")]
    indexes = [
        jet.JET_INDEXCREATE2(szIndexName="pk", szKey=["+k"], grbit=jet.JET_bitIndexPrimary),
        jet.JET_INDEXCREATE2(szIndexName="u", szKey=["+u"], grbit=jet.JET_bitIndexUnique),
    ]
    table = jet.JET_TABLECREATE3(szTableName="t", rgcolumncreate=columns, rgindexcreate=indexes)
    jet.JetCreateTableColumnIndex3(sesid, dbid, table)
    k, u = (column.columnid for column in columns)

    def insert(key: bytes, unique: bytes) -> int:
        jet.JetPrepareUpdate(sesid, table.tableid, jet.JET_prepInsert)
        jet.JetSetColumn(sesid, table.tableid, k, key)
        jet.JetSetColumn(sesid, table.tableid, u, unique)
        code = code_of(jet.JetUpdate, sesid, table.tableid)
        if code:
            jet.JetPrepareUpdate(sesid, table.tableid, jet.JET_prepCancel)
        return code

    jet.JetBeginTransaction(sesid)
    assert insert(b"0001", b"aaaa") == 0
    assert insert(b"0002", b"aaaa") == jet.JET_errKeyDuplicate  # its record was in already
    assert insert(b"0002", b"bbbb") == 0
    jet.JetCommitTransaction(sesid)
    jet.JetMove(sesid, table.tableid, jet.JET_MoveFirst)
    assert jet.JetIndexRecordCount(sesid, table.tableid) == 2
