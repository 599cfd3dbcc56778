"""Batch scans against the recorded dump of the same table."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

import pytest

from esent.catalog.scan import scan
from esent.catalog.schema import Catalog
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.records.columns import Coltyp


def shown(value: bytes) -> Any:
    return value.hex() if len(value) <= 128 else {"len": len(value), "sha256": hashlib.sha256(value).hexdigest()}


@pytest.mark.parametrize("name", ["engine/clean-4k", "engine/clean-32k", "engine/deleted-4k"])
def test_exact_values(fixtures, name: str) -> None:
    """Every column shown as bytes in a dump, of every row."""
    wanted: dict[str, list[dict[str, Any]]] = {}
    for line in fixtures.read(f"{name}/dump.jsonl").decode("ascii").splitlines():
        row = json.loads(line)
        if "r" in row:
            wanted.setdefault(row["t"], []).append(row)
    compared = 0
    with DatabaseFile(fixtures.path(f"{name}/db.edb")) as file:
        catalog = Catalog.load(file)
        for table_name, rows in wanted.items():
            table = catalog.table(table_name)
            found = [pair for batch in scan(file, table, exact=True) for pair in zip(*batch, strict=True)]
            assert [bookmark.hex() for bookmark, _ in found] == [row["bm"] for row in rows]
            for (_, values), row in zip(found, rows, strict=True):
                assert not isinstance(values, JetError)
                for column, value in zip(table.columns, values, strict=True):
                    expected = row["r"].get(column.name)
                    if isinstance(expected, int) or (isinstance(expected, list) and isinstance(expected[0], int)):
                        continue
                    mine = (
                        [shown(part) for part in value] if isinstance(value, list) else None if value is None else shown(value)
                    )
                    assert mine == expected
                    compared += 1
    assert compared > 1000


def test_python_values_of_chosen_columns(fixtures) -> None:
    with DatabaseFile(fixtures.path("engine/clean-4k/db.edb")) as file:
        table = Catalog.load(file).table("AllTypes")
        columns = [table.column(name) for name in ("cGuid", "Id", "vTextU", "lvTextU", "tLong", "cBit")]
        types: list[set[type]] = [set() for _ in columns]
        count = 0
        for batch in scan(file, table, columns):
            for row in batch.rows:
                assert isinstance(row, list)
                count += 1
                assert row[1] == count or row[1] > count
                for kinds, value in zip(types, row, strict=True):
                    kinds.add(type(value))
    none = type(None)
    assert types == [{uuid.UUID, none}, {int}, {str, none}, {str, none}, {list, none}, {bool, none}]
    assert count > 40 and columns[0].coltyp == Coltyp.GUID


def test_from_a_key_on(fixtures) -> None:
    with DatabaseFile(fixtures.path("engine/rows-200k-8k/db.edb")) as file:
        table = Catalog.load(file).table("BenchLazy")
        start = bytes.fromhex("7f80030000")
        batch = next(scan(file, table, [table.column("id")], start=start))
        assert batch.bookmarks[0] <= start <= batch.bookmarks[-1]
        assert [0x30000] in batch.rows
