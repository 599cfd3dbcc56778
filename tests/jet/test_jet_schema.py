"""Tables, columns and indexes through the door of the API, read back by others, and the recorded answers."""

from __future__ import annotations

import os
import struct
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esent import jet
from esent.errors import JetError, JetWarning
from esent.tools.dump import dump
from esent.tools.verify import verify_database
from jet_helpers import Running

SOURCE = Path(__file__).resolve().parents[2] / "src"
TRANSCRIPTS = [
    "ddl/column-index-names",
    "ddl/createindex-234",
    "ddl/createtablecolumnindex-3",
    "ddl/open-modes",
    "ddl/transacted-commit",
    "info/indexes-4k",
]


def code_of(call: Any, *args: Any) -> int:
    with pytest.raises(JetError) as caught:
        call(*args)
    return caught.value.code


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_transcript_agrees(fixtures: Any, name: str) -> None:
    folder = fixtures.root / "transcripts"
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    from replay import replay_file

    report = replay_file(folder / f"{name}.jsonl.gz", environment=dict(os.environ, PYTHONPATH=str(SOURCE)))
    assert report.ok, report.summary()


class Open(Running):
    """An instance with a new database."""

    def __init__(self, running: Running) -> None:
        self.__dict__.update(running.__dict__)
        self.dbid = jet.JetCreateDatabase(self.sesid, self.path())

    def rows(self, listed: Any, *names: str) -> list[tuple[Any, ...]]:
        """The columns of a list table; texts as str, numbers as int."""
        found = []
        for number in range(listed.cRecord):
            jet.JetMove(self.sesid, listed.tableid, jet.JET_MoveNext if number else jet.JET_MoveFirst)
            row: list[Any] = []
            for name in names:
                value = jet.JetRetrieveColumn(self.sesid, listed.tableid, getattr(listed, f"columnid{name}"))
                text = name.endswith(("name", "Name"))
                row.append(None if value is None else value.decode("utf-16-le") if text else int.from_bytes(value, "little"))
            found.append(tuple(row))
        jet.JetCloseTable(self.sesid, listed.tableid)
        return found


@pytest.fixture
def database_open(start: Callable[..., Running]) -> Open:
    return Open(start())


def create(world: Open, **fields: Any) -> Any:
    structure = jet.JET_TABLECREATE4(szTableName="T", **fields)
    jet.JetCreateTableColumnIndex4(world.sesid, world.dbid, structure)
    return structure.tableid


def column(name: str, coltyp: int, grbit: int = 0, **fields: Any) -> jet.JET_COLUMNCREATE:
    return jet.JET_COLUMNCREATE(szColumnName=name, coltyp=coltyp, grbit=grbit, **fields)


def index(name: str, key: list[str], grbit: int = 0, **fields: Any) -> jet.JET_INDEXCREATE3:
    return jet.JET_INDEXCREATE3(szIndexName=name, szKey=key, grbit=grbit, **fields)


def insert(world: Open, tableid: Any, **values: bytes) -> None:
    jet.JetPrepareUpdate(world.sesid, tableid, jet.JET_prepInsert)
    for name, value in values.items():
        columnid = jet.JetGetTableColumnInfo(world.sesid, tableid, name, jet.JET_ColInfo).columnid
        jet.JetSetColumn(world.sesid, tableid, columnid, value)
    jet.JetUpdate(world.sesid, tableid)


def test_the_file_is_read_by_others(database_open: Open) -> None:
    pyesedb = pytest.importorskip("pyesedb")
    pytest.importorskip("dissect.database")
    from dissect.database.ese import ESE

    world = database_open
    tableid = create(
        world,
        rgcolumncreate=[
            column("id", jet.JET_coltypLong, jet.JET_bitColumnAutoincrement),
            column("name", jet.JET_coltypText, cp=1252, cbMax=60),
            column("blob", jet.JET_coltypLongBinary),
        ],
        rgindexcreate=[index("pk", ["+id"], jet.JET_bitIndexPrimary), index("byname", ["+name", "-id"])],
    )
    jet.JetBeginTransaction(world.sesid)
    for number in range(120):
        insert(world, tableid, name=b"name %d" % (number * 7 % 120), blob=bytes((number,)) * (number * 40))
    jet.JetCommitTransaction(world.sesid)
    jet.JetAddColumn(world.sesid, tableid, "more", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypShort), b"\5\0")
    jet.JetCreateIndex(world.sesid, tableid, "bymore", 0, "+more\0-name\0\0", 70)
    jet.JetCloseTable(world.sesid, tableid)
    world.term()
    assert verify_database(world.path()).findings == []
    lines = [line for line in dump(world.path()) if '"ix"' in line]
    assert [line.split('"entries":')[1].split(",")[0] for line in lines] == ["120", "120"]

    theirs = pyesedb.file()
    theirs.open(world.path())
    table = theirs.get_table_by_name("T")
    columns = {table.get_column(number).name for number in range(table.get_number_of_columns())}
    assert (columns, table.get_number_of_records()) == ({"id", "name", "blob", "more"}, 120)
    assert table.get_record(3).get_value_data(0) == struct.pack("<i", 4)
    theirs.close()
    with Path(world.path()).open("rb") as stream:
        records = list(ESE(stream).table("T").records())
        assert [record.get("id") for record in records] == list(range(1, 121))
        assert bytes(records[119].get("blob")) == bytes((119,)) * 4760


def test_a_derived_table(database_open: Open) -> None:
    world = database_open
    template = jet.JET_TABLECREATE(
        szTableName="Template",
        grbit=jet.JET_bitTableCreateTemplateTable,
        rgcolumncreate=[
            column("id", jet.JET_coltypLong),
            column("name", jet.JET_coltypText, cp=1252),
            column("tag", jet.JET_coltypLong, jet.JET_bitColumnTagged),
        ],
        rgindexcreate=[
            jet.JET_INDEXCREATE(szIndexName="pk", szKey=["+id"], grbit=jet.JET_bitIndexPrimary),
            jet.JET_INDEXCREATE(szIndexName="byname", szKey=["+name"]),
        ],
    )
    jet.JetCreateTableColumnIndex(world.sesid, world.dbid, template)
    jet.JetCloseTable(world.sesid, template.tableid)
    own = [column("more", jet.JET_coltypLong), column("also", jet.JET_coltypLong, jet.JET_bitColumnTagged)]
    tableid = create(
        world, szTemplateTableName="Template", rgcolumncreate=own, rgindexcreate=[index("mixed", ["-name", "+more"])]
    )
    assert [each.columnid for each in own] == [2, 256]
    assert jet.JetGetTableInfo(world.sesid, tableid, jet.JET_TblInfoTemplateTableName) == "Template"
    base = jet.JetGetTableColumnInfo(world.sesid, tableid, "name", jet.JET_ColInfoBase)
    assert (base.columnid, base.szBaseTableName) == (0x80000080, "Template")
    for number in range(9):
        value = struct.pack("<i", number)
        insert(world, tableid, id=value, name=b"n%d" % number, tag=value, more=value, also=value)
    listed = jet.JetGetTableColumnInfo(
        world.sesid, tableid, None, jet.JET_ColInfoGrbitNonDerivedColumnsOnly | jet.JET_ColInfoList
    )
    assert [row[0] for row in world.rows(listed, "columnname")] == ["also", "more"]
    assert code_of(jet.JetDeleteColumn, world.sesid, tableid, "name") == jet.JET_errFixedInheritedDDL
    assert code_of(jet.JetDeleteIndex, world.sesid, tableid, "byname") == jet.JET_errFixedInheritedDDL
    ignoring = jet.JET_bitDeleteColumnIgnoreTemplateColumns
    assert code_of(jet.JetDeleteColumn2, world.sesid, tableid, "tag", ignoring) == jet.JET_errColumnNotFound
    assert code_of(jet.JetDeleteTable, world.sesid, world.dbid, "Template") == jet.JET_errCannotDeleteTemplateTable
    jet.JetCloseTable(world.sesid, tableid)
    world.term()
    assert verify_database(world.path()).findings == []

    again = Running(world.folder, "again")
    jet.JetAttachDatabase(again.sesid, again.path())
    dbid = jet.JetOpenDatabase(again.sesid, again.path())
    tableid = jet.JetOpenTable(again.sesid, dbid, "T")
    assert jet.JetAddColumn(again.sesid, tableid, "third", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong)) == 3
    jet.JetSetCurrentIndex(again.sesid, tableid, "mixed")
    jet.JetMove(again.sesid, tableid, jet.JET_MoveFirst)
    assert jet.JetRetrieveColumn(again.sesid, tableid, 0x80000080) == b"n8"
    assert jet.JetRetrieveColumn(again.sesid, tableid, 256) == struct.pack("<i", 8)


def test_a_size_that_is_cut_is_told(database_open: Open) -> None:
    world = database_open
    tableid = create(world)
    definition = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypBinary, cbMax=1000)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        columnid = jet.JetAddColumn(world.sesid, tableid, "wide", definition)
    assert [each.category for each in told] == [JetWarning]
    assert definition.columnid == columnid == 128
    assert jet.JetGetTableColumnInfo(world.sesid, tableid, columnid, jet.JET_ColInfoByColid).cbMax == 255


def test_errors_stand_in_the_structures(database_open: Open) -> None:
    world = database_open
    structure = jet.JET_TABLECREATE(
        szTableName="T",
        rgcolumncreate=[column("a", jet.JET_coltypLong), column("b", 99)],
        rgindexcreate=[jet.JET_INDEXCREATE(szIndexName="i", szKey=["+a"])],
    )
    assert code_of(jet.JetCreateTableColumnIndex, world.sesid, world.dbid, structure) == jet.JET_errInvalidColumnType
    assert (structure.cCreated, structure.tableid) == (2, None)
    assert [each.err for each in structure.rgcolumncreate] == [0, jet.JET_errInvalidColumnType]
    structure.rgcolumncreate[1].coltyp = jet.JET_coltypText
    structure.rgindexcreate[0].szKey = ["+nope"]
    assert code_of(jet.JetCreateTableColumnIndex, world.sesid, world.dbid, structure) == jet.JET_errColumnNotFound
    assert structure.rgindexcreate[0].err == jet.JET_errColumnNotFound
    structure.rgindexcreate[0].szKey = ["+a"]
    assert jet.JetCreateTableColumnIndex(world.sesid, world.dbid, structure) == 0
    assert (structure.cCreated, structure.rgindexcreate[0].err, structure.rgcolumncreate[1].columnid) == (4, 0, 128)


def test_space_hints(database_open: Open) -> None:
    world = database_open
    hints = jet.JET_SPACEHINTS(ulInitialDensity=70, cbInitial=8192, ulMaintDensity=60, ulGrowth=150)
    tableid = create(
        world,
        pSeqSpacehints=hints,
        cbSeparateLV=200,
        rgcolumncreate=[column("a", jet.JET_coltypLong)],
        rgindexcreate=[index("i", ["+a"], pSpacehints=hints), index("j", ["-a"])],
    )
    pages, density = jet.JetGetTableInfo(world.sesid, tableid, jet.JET_TblInfoSpaceAlloc)
    assert (pages, density) == (8192 // 4096 + 1, 70)
    made = jet.JetGetTableIndexInfo(world.sesid, tableid, "i", jet.JET_IdxInfoCreateIndex3)
    assert made.pSpacehints == hints
    assert jet.JetGetTableIndexInfo(world.sesid, tableid, "j", jet.JET_IdxInfoSpaceAlloc) == 70
    wrong = jet.JET_SPACEHINTS(ulInitialDensity=70, cbInitial=1)
    other = jet.JET_TABLECREATE3(szTableName="U", pSeqSpacehints=wrong)
    assert code_of(jet.JetCreateTableColumnIndex3, world.sesid, world.dbid, other) == jet.JET_errSpaceHintsInvalid


def test_lists_are_tables_that_are_only_read(database_open: Open) -> None:
    world = database_open
    tableid = create(
        world,
        rgcolumncreate=[column("b", jet.JET_coltypLong), column("A", jet.JET_coltypText, cp=1252)],
        rgindexcreate=[index("i", ["+b", "-A"])],
    )
    listed = jet.JetGetTableColumnInfo(world.sesid, tableid, None, jet.JET_ColInfoList)
    assert code_of(jet.JetPrepareUpdate, world.sesid, listed.tableid, jet.JET_prepInsert) == jet.JET_errPermissionDenied
    assert code_of(jet.JetDeleteIndex, world.sesid, listed.tableid, "i") == jet.JET_errIllegalOperation
    assert world.rows(listed, "columnname", "columnid", "cbMax") == [("A", 128, 255), ("b", 1, 4)]
    assert code_of(jet.JetMove, world.sesid, listed.tableid, jet.JET_MoveFirst) == jet.JET_errInvalidTableId
    indexes = jet.JetGetIndexInfo(world.sesid, world.dbid, "T", None, jet.JET_IdxInfoList)
    assert world.rows(indexes, "indexname", "iColumn", "columnname", "grbitColumn") == [("i", 0, "b", 0), ("i", 1, "A", 1)]
    tables = jet.JetGetObjectInfo(world.sesid, world.dbid, jet.JET_objtypTable, None, None, jet.JET_ObjInfoListNoStats)
    assert [row[1] for row in world.rows(tables, "containername", "objectname")][-1] == "T"


def test_counts(database_open: Open) -> None:
    world = database_open
    tableid = create(world, rgcolumncreate=[column("a", jet.JET_coltypLong)], rgindexcreate=[index("i", ["+a"])])
    for number in (1, 1, 2):
        insert(world, tableid, a=struct.pack("<i", number))
    assert jet.JetGetTableInfo(world.sesid, tableid, jet.JET_TblInfo).cRecord == 0
    assert jet.JetComputeStats(world.sesid, tableid) == 0
    assert jet.JetGetTableInfo(world.sesid, tableid, jet.JET_TblInfo).cRecord == 3
    listed = jet.JetGetTableIndexInfo(world.sesid, tableid, "i", jet.JET_IdxInfo)
    assert world.rows(listed, "cKey", "cEntry", "cPage") == [(2, 3, 1)]


def test_defaults_of_records_that_are_there(database_open: Open) -> None:
    world = database_open
    tableid = create(world, rgcolumncreate=[column("a", jet.JET_coltypLong)])
    insert(world, tableid, a=bytes(4))
    columnid = jet.JetAddColumn(world.sesid, tableid, "b", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong), b"\7\0\0\0")
    jet.JetMove(world.sesid, tableid, jet.JET_MoveFirst)
    assert jet.JetRetrieveColumn(world.sesid, tableid, columnid) == b"\7\0\0\0"
    jet.JetSetColumnDefaultValue(world.sesid, world.dbid, "T", "b", b"\x09\0\0\0")
    assert jet.JetRetrieveColumn(world.sesid, tableid, columnid) == b"\x09\0\0\0"
    jet.JetRenameColumn(world.sesid, tableid, "b", "c")
    assert jet.JetGetTableColumnInfo(world.sesid, tableid, "C", jet.JET_ColInfo).columnid == columnid
    jet.JetBeginTransaction(world.sesid)
    assert code_of(jet.JetRenameColumn, world.sesid, tableid, "c", "d") == jet.JET_errInTransaction


def test_an_index_over_unicode_text(database_open: Open) -> None:
    world = database_open
    unicode = jet.JET_UNICODEINDEX2(szLocaleName="en-US", dwMapFlags=0x30401)
    tableid = create(
        world,
        rgcolumncreate=[column("u", jet.JET_coltypText, cp=1200)],
        rgindexcreate=[index("i", ["+u"], jet.JET_bitIndexUnicode, pidxunicode=unicode)],
    )
    for word in ("beta", "Alpha", "gamma", "alphabet"):
        insert(world, tableid, u=word.encode("utf-16-le"))
    jet.JetSetCurrentIndex(world.sesid, tableid, "i")
    found = []
    for number in range(4):
        jet.JetMove(world.sesid, tableid, jet.JET_MoveNext if number else jet.JET_MoveFirst)
        found.append(jet.JetRetrieveColumn(world.sesid, tableid, 128).decode("utf-16-le"))  # type: ignore[union-attr]
    assert found == ["Alpha", "alphabet", "beta", "gamma"]
    assert jet.JetGetTableIndexInfo(world.sesid, tableid, "i", jet.JET_IdxInfoLocaleName) == "en-US"
    jet.JetCloseTable(world.sesid, tableid)
    world.term()
    assert verify_database(world.path()).findings == []


@pytest.mark.parametrize("wrong", [0, None, "T", jet.JET_tableidNil, object()])
def test_what_is_no_table(database_open: Open, wrong: Any) -> None:
    world = database_open
    definition = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong)
    assert code_of(jet.JetAddColumn, world.sesid, wrong, "c", definition) == jet.JET_errInvalidTableId
    assert code_of(jet.JetGetTableInfo, world.sesid, wrong, jet.JET_TblInfo) == jet.JET_errInvalidTableId
    assert code_of(jet.JetCreateIndex, world.sesid, wrong, "i", 0, ["+c"]) == jet.JET_errInvalidTableId


@pytest.mark.parametrize("wrong", [None, 7, b"T", ["T"]])
def test_what_is_no_name(database_open: Open, wrong: Any) -> None:
    world = database_open
    tableid = create(world, rgcolumncreate=[column("c", jet.JET_coltypLong)])
    assert code_of(jet.JetCreateTable, world.sesid, world.dbid, wrong) == jet.JET_errInvalidName
    assert code_of(jet.JetOpenTable, world.sesid, world.dbid, wrong) == jet.JET_errInvalidName
    assert code_of(jet.JetCreateIndex, world.sesid, tableid, wrong, 0, ["+c"]) == jet.JET_errInvalidName
    assert code_of(jet.JetDeleteColumn, world.sesid, tableid, wrong) == jet.JET_errInvalidName
    assert code_of(jet.JetRenameTable, world.sesid, world.dbid, "T", wrong) == jet.JET_errInvalidName


@pytest.mark.parametrize(
    "fields",
    [
        {"rgcolumncreate": [None]},
        {"rgcolumncreate": None},
        {"rgindexcreate": ["+c"]},
        {"rgindexcreate": [index("i", ["+c"], rgconditionalcolumn=["c"])]},
        {"rgindexcreate": [index("i", ["+c"], ptuplelimits=3)]},
        {"rgindexcreate": [index("i", ["+c"], pidxunicode=1033)]},
        {"rgindexcreate": [index("i", 7)]},
        {"rgcolumncreate": [column("c", jet.JET_coltypLong, pvDefault=7)]},
        {"pSeqSpacehints": 7},
        {"ulPages": "many"},
        {"ulPages": -1},
        {"grbit": 0x100},
        {"rgindexcreate": [index("i", ["+c"], pSpacehints=jet.JET_SPACEHINTS(cbInitial="much"))]},
    ],
)
def test_what_is_no_definition(database_open: Open, fields: dict[str, Any]) -> None:
    world = database_open
    whole = {"rgcolumncreate": [column("c", jet.JET_coltypLong)], **fields}
    with pytest.raises(JetError) as caught:
        create(world, **whole)
    wrong = (jet.JET_errInvalidParameter, jet.JET_errInvalidGrbit, jet.JET_errSpaceHintsInvalid)
    assert caught.value.code in wrong
    create(world, rgcolumncreate=[column("c", jet.JET_coltypLong)])


def test_a_closed_database_closes_its_tables(database_open: Open) -> None:
    world = database_open
    tableid = create(world)
    jet.JetCloseDatabase(world.sesid, world.dbid)
    assert code_of(jet.JetMove, world.sesid, tableid, jet.JET_MoveFirst) == jet.JET_errInvalidTableId
    jet.JetDetachDatabase(world.sesid, world.path())
    assert verify_database(world.path()).findings == []
