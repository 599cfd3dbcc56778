"""Column batches against the rows of the same tables, value by value."""

from __future__ import annotations

import datetime
import decimal
import math
import struct
import uuid
from typing import Any

import pytest

from esent.catalog.column_scan import column_batches
from esent.catalog.objects import Table
from esent.catalog.salvage import Salvage
from esent.catalog.scan import scan
from esent.catalog.schema import Catalog
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.records.column_values import python_values
from esent.records.columns import TEXT_TYPES, Coltyp, Column

DAY_ZERO = datetime.datetime(1899, 12, 30)
ABSENT = object()


def expected(column: Column, stored: bytes) -> Any:
    """What a stored value is, in the plainest way; ABSENT where its type cannot hold it."""
    codes = {2: "<B", 3: "<h", 4: "<i", 6: "<f", 7: "<d", 14: "<I", 15: "<q", 17: "<H", 18: "<Q", 5: "<q", 8: "<d"}
    if column.coltyp in TEXT_TYPES:
        if column.code_page != 1200:
            return "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in stored)
        return stored[: len(stored) // 2 * 2].decode("utf-16-le", "replace")
    if column.coltyp in codes:
        if len(stored) != struct.calcsize(codes[column.coltyp]):
            return ABSENT
        (value,) = struct.unpack(codes[column.coltyp], stored)
        if column.coltyp == Coltyp.CURRENCY:
            return decimal.Decimal(value) / 10000
        if column.coltyp == Coltyp.DATE_TIME:
            if 0 < abs(value) < 1e-100:
                return datetime.datetime(1601, 1, 1) + datetime.timedelta(microseconds=struct.unpack("<Q", stored)[0] // 10)
            return DAY_ZERO + datetime.timedelta(days=math.trunc(value), microseconds=round(abs(math.modf(value)[0]) * 86400e6))
        return value
    if column.coltyp == Coltyp.BIT:
        return bool(stored[0]) if len(stored) == 1 else ABSENT
    if column.coltyp == Coltyp.GUID:
        return uuid.UUID(bytes_le=stored) if len(stored) == 16 else ABSENT
    return stored


def same(left: Any, right: Any) -> bool:
    return left == right or (isinstance(left, float) and isinstance(right, float) and math.isnan(left) and math.isnan(right))


def rows_of(source: DatabaseFile, table: Table, **options: Any) -> list[list[Any]]:
    """All rows, from column batches."""
    found: list[list[Any]] = []
    for batch in column_batches(source, table, **options):
        lists = [python_values(column, buffers) for column, buffers in zip(table.columns, batch.columns, strict=True)]
        assert all(len(values) == batch.rows for values in lists)
        found += [list(row) for row in zip(*lists, strict=True)]
    return found


@pytest.mark.parametrize(
    "name",
    [
        "engine/clean-4k/db.edb",
        "engine/clean-32k/db.edb",
        "engine/deleted-4k/db.edb",
        "windows/types/basic.edb",
        "windows/types/multi.edb",
        "windows/types/default.edb",
        "windows/types/Current.mdb",
        "windows/compression/test.edb",
    ],
)
def test_batches_have_every_value(fixtures, name: str) -> None:
    compared = 0
    with DatabaseFile(fixtures.path(name)) as file:
        catalog = Catalog.load(file)
        for table_name in catalog.names():
            table = catalog.table(table_name)
            stored = [row for batch in scan(file, table, exact=True) for row in batch.rows]
            found = rows_of(file, table, batch_rows=37)
            assert len(found) == len(stored)
            for mine, row in zip(found, stored, strict=True):
                assert not isinstance(row, JetError)
                for column, value, exact in zip(table.columns, mine, row, strict=True):
                    if exact is None or isinstance(exact, JetError):
                        assert value is None
                    elif column.is_multivalued:
                        assert len(value) == len(exact)
                        assert all(
                            same(one, expected(column, each)) for one, each in zip(value, exact, strict=True) if one is not None
                        )
                    else:
                        wanted = expected(column, exact[0] if isinstance(exact, list) else exact)
                        assert same(value, None if wanted is ABSENT else wanted), (table_name, column.name)
                    compared += 1
    assert compared > 500


def test_a_range_of_keys(fixtures) -> None:
    with DatabaseFile(fixtures.path("engine/rows-200k-8k/db.edb")) as file:
        table = Catalog.load(file).table("BenchLazy")
        keys = [key for batch in scan(file, table, [table.column("id")]) for key in batch.bookmarks]
        for low, high in (
            (None, keys[1]),
            (keys[500], keys[501]),
            (keys[777], keys[5000]),
            (keys[-3], None),
            (keys[9], keys[9]),
        ):
            first = 0 if low is None else keys.index(low)
            last = len(keys) if high is None else keys.index(high)
            assert sum(batch.rows for batch in column_batches(file, table, low=low, high=high)) == last - first


def test_small_and_large_batches_are_the_same_rows(fixtures) -> None:
    with DatabaseFile(fixtures.path("engine/clean-2000-4k/db.edb")) as file:
        table = Catalog.load(file).table("AllTypes")
        whole = rows_of(file, table)
        assert rows_of(file, table, batch_rows=1) == whole
        assert [batch.rows for batch in column_batches(file, table, batch_rows=100)][:3] == [100, 100, 100]


def test_a_damaged_page_costs_its_rows(fixtures, tmp_path) -> None:
    copy = tmp_path / "db.edb"
    data = bytearray(fixtures.read("engine/clean-2000-4k/db.edb"))
    with DatabaseFile(fixtures.path("engine/clean-2000-4k/db.edb")) as file:
        table = Catalog.load(file).table("AllTypes")
        whole = rows_of(file, table)
        from esent.tree.cursor import Tree

        leaves = [page.pgno for page in Tree(file, table.root, table.objid).leaves()]
        victim = leaves[len(leaves) // 2]
    data[(victim + 1) * 4096 + 600] ^= 0xFF
    data[(victim + 1) * 4096 + 901] ^= 0x0F
    copy.write_bytes(data)
    with DatabaseFile(copy) as file:
        table = Catalog.load(file).table("AllTypes")
        salvage = Salvage(file)
        found = rows_of(file, table, salvage=salvage)
        assert victim in {loss.page for loss in salvage.losses}
        assert 0 < len(whole) - len(found) < 30
        assert all(row in whole for row in found[:: len(found) // 50])
        with pytest.raises(JetError):
            rows_of(file, table)
