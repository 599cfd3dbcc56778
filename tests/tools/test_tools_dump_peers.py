"""The same values as two independent readers, apart from what each of them is known to see otherwise.

pyesedb (libesedb): shows the filler of fixed columns that are NULL, does not decompress, does not supply defaults, gives only
the first part of several values, and cannot read tables with templates or some records with explicit NULLs.
dissect.database: DateTime as the integer of its bits, GUID as text, no unsigned 64-bit integers, nothing of templates; a NUL
too many after some values packed in seven bits, a character too many for an odd last byte of Unicode text, none at its end.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest

from esent.catalog.objects import Table
from esent.catalog.schema import Catalog
from esent.pages.database_file import DatabaseFile
from esent.records.columns import FLAG_COMPRESSED, FLAG_DEFAULT, Coltyp
from esent.records.decode import Separated
from esent.records.values import converter
from esent.tree.cursor import Tree
from esent.tree.long_values import LongValues

SAMPLE = {
    "windows/types/basic.edb": (20, 20),
    "windows/types/binary.edb": (5, 8),
    "windows/types/default.edb": (14, 14),
    "windows/types/index.edb": (15, 15),
    "windows/types/multi.edb": (1, 25),
    "windows/types/text.edb": (15, 15),
    "windows/types/SRUDB.dat": (1000, 1000),
    "windows/srum-server2022-second-day/SRUDB.dat": (2000, 2000),
    "windows/ual-hyperv/SystemIdentity.mdb": (50, 50),
    "windows/compression/decompress_test.edb": (10, 30),
    "engine/clean-4k/db.edb": (250, 2000),
    "engine/clean-16k/db.edb": (500, 2000),
}
"""How many non-NULL values at least must have been compared with pyesedb and with dissect.database."""


def user_tables(file: DatabaseFile) -> Iterator[tuple[Table, list[list[Any]]]]:
    """Each table and the rows with separated values put in their places, as stored bytes."""
    for table in Catalog.load(file):
        if table.is_system:
            continue
        values = LongValues(file, table.long_value_root, table.long_value_objid, keep=16)
        plan = table.plan(file.page_size)
        rows = []
        for page in Tree(file, table.root, table.objid).leaves():
            for row in plan.rows([record for flags, _, record in page.entries() if not flags & 2]):
                assert isinstance(row, list)
                rows.append([whole(value, values) for value in row])
        yield table, rows


def whole(value: Any, values: LongValues) -> Any:
    if isinstance(value, list):
        return [whole(part, values) for part in value]
    return values.read(value.lid) if isinstance(value, Separated) else value


def pyesedb_rows(table: Any) -> list[dict[str, bytes | None]] | None:
    """The rows of a table, None where the reader gives up on one of them."""
    rows = []
    for number in range(table.get_number_of_records()):
        try:
            record = table.get_record(number)
        except OSError:
            return None
        row: dict[str, bytes | None] = {}
        for place in range(record.get_number_of_values()):
            if record.is_long_value(place):
                value = record.get_value_data_as_long_value(place)
                row[record.get_column_name(place)] = value.get_data() if value is not None else None
            else:
                row[record.get_column_name(place)] = record.get_value_data(place)
        rows.append(row)
    return rows


@pytest.mark.parametrize("name", SAMPLE)
def test_as_pyesedb(fixtures, name: str) -> None:
    pyesedb = pytest.importorskip("pyesedb")
    peer = pyesedb.file()
    peer.open(str(fixtures.path(name)))
    compared = 0
    try:
        with DatabaseFile(fixtures.path(name)) as file:
            for table, rows in user_tables(file):
                theirs = None if table.template else pyesedb_rows(peer.get_table_by_name(table.name))
                if theirs is None:
                    assert table.template or any(column.is_tagged for column in table.columns)
                    continue
                assert len(theirs) == len(rows)
                for mine, other in zip(rows, theirs, strict=True):
                    for column, value in zip(table.columns, mine, strict=True):
                        if column.is_multivalued or column.flags & FLAG_COMPRESSED or not value:
                            continue
                        found = other.get(column.name)
                        if found is None:
                            assert column.is_tagged and column.flags & FLAG_DEFAULT and value == column.default_value()
                            continue
                        assert found == value
                        compared += 1
    finally:
        peer.close()
    assert compared >= SAMPLE[name][0]


def same(coltyp: int, mine: Any, theirs: Any) -> bool:
    """Equal, the other reader's forms of DateTime and GUID allowed for."""
    if isinstance(mine, list):
        return isinstance(theirs, list) and all(same(coltyp, one, other) for one, other in zip(mine, theirs, strict=True))
    if mine is None or theirs is None:
        return mine is theirs
    if coltyp == Coltyp.DATE_TIME:
        return struct.pack("<d", mine) == struct.pack("<q", theirs)
    if coltyp == Coltyp.GUID:
        return str(mine) == str(theirs)
    if coltyp == Coltyp.UNSIGNED_LONG_LONG:
        return int.from_bytes(bytes(theirs), "little") == mine
    if isinstance(mine, str):
        return mine.rstrip("\0") == theirs[: len(mine)].rstrip("\0") and len(theirs) <= len(mine) + 1
    if isinstance(mine, bytes):
        return mine == theirs[: len(mine)] and theirs[len(mine) :] in (b"", b"\0")
    return bool(mine == theirs)


@pytest.mark.parametrize("name", SAMPLE)
def test_as_dissect(fixtures, name: str) -> None:
    pytest.importorskip("dissect.database")
    from dissect.database.ese import ESE

    compared = 0
    with DatabaseFile(fixtures.path(name)) as file, fixtures.path(name).open("rb") as stream:
        peer = ESE(stream)
        for table, rows in user_tables(file):
            if table.template:
                continue
            converters = [converter(column) for column in table.columns]
            theirs = [
                {column.name: record.get(column.name) for column in table.columns}
                for record in peer.table(table.name).records()
            ]
            assert len(theirs) == len(rows)
            for mine, other in zip(rows, theirs, strict=True):
                for column, convert, value in zip(table.columns, converters, mine, strict=True):
                    if value is None:
                        shown: Any = None
                    else:
                        shown = [convert(part) for part in value] if isinstance(value, list) else convert(value)
                    assert same(column.coltyp, shown, other[column.name]), (table.name, column.name, shown, other[column.name])
                    compared += value is not None
    assert compared >= SAMPLE[name][1]
