"""Random definitions and rows against a model: what is committed is what a later reader finds."""

from __future__ import annotations

import copy
import random
import shutil
import struct
from pathlib import Path
from typing import Any

from esent import jet
from esent.catalog.schema import Catalog
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.tools.verify import Severity, verify_database
from jet_helpers import Running

TYPES = (jet.JET_coltypLong, jet.JET_coltypText, jet.JET_coltypLongBinary, jet.JET_coltypBit, jet.JET_coltypBinary)
INDEXABLE = (jet.JET_coltypLong, jet.JET_coltypText, jet.JET_coltypBinary)

Model = dict[str, dict[str, Any]]
"""Table name to its columns (name to type), indexes (name to key) and rows (list of column name to value)."""


def random_value(chosen: random.Random, coltyp: int) -> bytes:
    if coltyp == jet.JET_coltypLong:
        return struct.pack("<i", chosen.randrange(-50, 50))
    if coltyp == jet.JET_coltypBit:
        return chosen.choice((b"\x00", b"\xff"))
    if coltyp == jet.JET_coltypLongBinary:
        return bytes((chosen.randrange(256),)) * chosen.choice((1, 100, 1500, 6000))
    return bytes(chosen.choices(b"abcxyz", k=chosen.randrange(1, 30)))


class SchemaWalk:
    """A session that defines, changes and fills tables at random, in transactions of up to three levels."""

    def __init__(self, running: Running, dbid: int, seed: int) -> None:
        self.sesid = running.sesid
        self.dbid = dbid
        self.chosen = random.Random(seed)
        self.levels: list[Model] = [{}]  # as of each open level, the last being what the session sees
        self.number = 0

    @property
    def model(self) -> Model:
        return self.levels[-1]

    def name(self, kind: str) -> str:
        self.number += 1
        return f"{kind}{self.number}"

    def step(self) -> None:
        chosen = self.chosen
        move = chosen.choice(
            (self.begin, self.commit, self.roll_back, self.create_table, self.delete_table, self.rename_table)
            + (self.add_column, self.delete_column, self.create_index, self.delete_index) * 2
            + (self.insert,) * 6
        )
        move()

    def run(self, steps: int) -> Model:
        for _ in range(steps):
            self.step()
        while len(self.levels) > 1:
            self.commit()
        return self.model

    # -- transactions -------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        if len(self.levels) <= 3:
            jet.JetBeginTransaction(self.sesid)
            self.levels.append(copy.deepcopy(self.model))

    def commit(self) -> None:
        if len(self.levels) > 1:
            jet.JetCommitTransaction(self.sesid, jet.JET_bitCommitLazyFlush)
            self.levels[-2:] = [self.levels[-1]]

    def roll_back(self) -> None:
        if len(self.levels) > 1:
            jet.JetRollback(self.sesid)
            self.levels.pop()

    # -- definitions --------------------------------------------------------------------------------------------------

    def create_table(self) -> None:
        if len(self.model) >= 5:
            return
        name = self.name("T")
        structure = jet.JET_TABLECREATE(szTableName=name, ulPages=self.chosen.choice((0, 1, 4, 40)), ulDensity=80)
        structure.rgcolumncreate = [
            jet.JET_COLUMNCREATE(szColumnName="id", coltyp=jet.JET_coltypLong, grbit=jet.JET_bitColumnAutoincrement),
            jet.JET_COLUMNCREATE(szColumnName="n", coltyp=jet.JET_coltypLong),
        ]
        indexes = {"pk": ["+id"], "byn": ["-n"]} if self.chosen.random() < 0.7 else {}
        structure.rgindexcreate = [
            jet.JET_INDEXCREATE(szIndexName=each, szKey=key, grbit=2 if each == "pk" else 0) for each, key in indexes.items()
        ]
        jet.JetCreateTableColumnIndex(self.sesid, self.dbid, structure)
        jet.JetCloseTable(self.sesid, structure.tableid)
        columns = {"id": jet.JET_coltypLong, "n": jet.JET_coltypLong}
        self.model[name] = {"columns": columns, "indexes": indexes, "rows": []}

    def some_table(self) -> str | None:
        return self.chosen.choice(sorted(self.model)) if self.model else None

    def delete_table(self) -> None:
        name = self.some_table()
        if name is not None and self.chosen.random() < 0.4:
            jet.JetDeleteTable(self.sesid, self.dbid, name)
            del self.model[name]

    def rename_table(self) -> None:
        name = self.some_table()
        if name is not None:
            new = self.name("R")
            jet.JetRenameTable(self.sesid, self.dbid, name, new)
            self.model[new] = self.model.pop(name)

    def opened(self) -> tuple[Any, dict[str, Any]] | None:
        name = self.some_table()
        if name is None:
            return None
        return jet.JetOpenTable(self.sesid, self.dbid, name), self.model[name]

    def add_column(self) -> None:
        found = self.opened()
        if found is None:
            return
        tableid, table = found
        name, coltyp = self.name("c"), self.chosen.choice(TYPES)
        grbit = jet.JET_bitColumnTagged if self.chosen.random() < 0.5 else 0
        jet.JetAddColumn(self.sesid, tableid, name, jet.JET_COLUMNDEF(coltyp=coltyp, grbit=grbit, cp=1252))
        table["columns"][name] = coltyp
        jet.JetCloseTable(self.sesid, tableid)

    def delete_column(self) -> None:
        found = self.opened()
        if found is None:
            return
        tableid, table = found
        name = self.chosen.choice(sorted(table["columns"]))
        used = any(part[1:] == name for key in table["indexes"].values() for part in key)
        if used:
            try:
                jet.JetDeleteColumn(self.sesid, tableid, name)
            except JetError as problem:
                assert problem.code == jet.JET_errColumnInUse
            else:
                raise AssertionError("a column that an index uses was deleted")
        elif name != "id":
            jet.JetDeleteColumn(self.sesid, tableid, name)
            del table["columns"][name]
            for row in table["rows"]:
                row.pop(name, None)
        jet.JetCloseTable(self.sesid, tableid)

    def create_index(self) -> None:
        found = self.opened()
        if found is None:
            return
        tableid, table = found
        usable = [name for name, coltyp in table["columns"].items() if coltyp in INDEXABLE]
        key = [self.chosen.choice("+-") + name for name in self.chosen.sample(usable, min(len(usable), 2))]
        name = self.name("i")
        jet.JetCreateIndex(self.sesid, tableid, name, self.chosen.choice((0, jet.JET_bitIndexIgnoreNull)), key, 90)
        table["indexes"][name] = key
        jet.JetCloseTable(self.sesid, tableid)

    def delete_index(self) -> None:
        found = self.opened()
        if found is None:
            return
        tableid, table = found
        names = sorted(set(table["indexes"]) - {"pk"})
        if names:
            name = self.chosen.choice(names)
            jet.JetDeleteIndex(self.sesid, tableid, name)
            del table["indexes"][name]
        jet.JetCloseTable(self.sesid, tableid)

    def insert(self) -> None:
        found = self.opened()
        if found is None:
            return
        tableid, table = found
        implicit = len(self.levels) == 1
        if implicit:
            jet.JetBeginTransaction(self.sesid)
        for _ in range(self.chosen.randrange(1, 8)):
            row = {}
            jet.JetPrepareUpdate(self.sesid, tableid, jet.JET_prepInsert)
            for name, coltyp in table["columns"].items():
                if name != "id" and self.chosen.random() < 0.7:
                    row[name] = random_value(self.chosen, coltyp)
                    columnid = jet.JetGetTableColumnInfo(self.sesid, tableid, name, jet.JET_ColInfo).columnid
                    jet.JetSetColumn(self.sesid, tableid, columnid, row[name])
            jet.JetUpdate(self.sesid, tableid)
            table["rows"].append(row)
        if implicit:
            jet.JetCommitTransaction(self.sesid, jet.JET_bitCommitLazyFlush)
        jet.JetCloseTable(self.sesid, tableid)


def rows_of(sesid: Any, dbid: int, name: str, columns: dict[str, int]) -> list[dict[str, bytes]]:
    """The rows of a table without its numbers, through the API, in a canonical order."""
    tableid = jet.JetOpenTable(sesid, dbid, name, None, jet.JET_bitTableReadOnly)
    ids = {c: jet.JetGetTableColumnInfo(sesid, tableid, c, jet.JET_ColInfo).columnid for c in columns if c != "id"}
    rows = []
    more = True
    try:
        jet.JetMove(sesid, tableid, jet.JET_MoveFirst)
    except JetError as problem:
        assert problem.code == jet.JET_errNoCurrentRecord
        more = False
    while more:
        row = {c: jet.JetRetrieveColumn(sesid, tableid, columnid) for c, columnid in ids.items()}
        rows.append({c: value for c, value in row.items() if value is not None})
        try:
            jet.JetMove(sesid, tableid, jet.JET_MoveNext)
        except JetError as problem:
            assert problem.code == jet.JET_errNoCurrentRecord
            more = False
    jet.JetCloseTable(sesid, tableid)
    return sorted(rows, key=lambda row: sorted(row.items()))


def compare(sesid: Any, dbid: int, model: Model) -> None:
    """What the session sees is the model."""
    listed = jet.JetGetObjectInfo(sesid, dbid, jet.JET_objtypTable, None, None, jet.JET_ObjInfoListNoStats)
    jet.JetCloseTable(sesid, listed.tableid)
    assert listed.cRecord == len(model) + 4
    for name, table in model.items():
        expected = sorted(table["rows"], key=lambda row: sorted(row.items()))
        assert rows_of(sesid, dbid, name, table["columns"]) == expected, name


def compare_file(path: Path, model: Model) -> None:
    """A clean file holds the model and nothing wrong."""
    found = [str(finding) for finding in verify_database(path).findings if finding.severity is not Severity.NOTE]
    assert not found, found
    with DatabaseFile(path) as file:
        catalog = Catalog.load(file)
        assert catalog.damage is None
        assert {table.name for table in catalog if not table.is_system} == set(model)
        for name, expected in model.items():
            table = catalog.table(name)
            assert {column.name: column.coltyp for column in table.columns} == expected["columns"]
            keys = {
                index.name: [
                    ("-" if segment.descending else "+") + table.segment_column(segment).name  # type: ignore[union-attr]
                    for segment in index.segments
                ]
                for index in table.indexes
            }
            assert keys == expected["indexes"]


def copy_of(folder: Path, goal: Path) -> Path:
    """Everything that is on disk now."""
    shutil.copytree(folder, goal)
    return goal
