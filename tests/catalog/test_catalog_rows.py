"""Catalogue rows: encoded anew they are byte for byte what the engine wrote."""

from __future__ import annotations

from typing import Any

import pytest

from esent.catalog.rows import (
    catalog_record,
    key_definition,
    locale_key,
    locales_nodes,
    name_bytes,
    name_index_key,
    objids_node,
    root_objects_key,
    row_key,
    system_tables,
    table_rows,
)
from esent.catalog.schema import Catalog
from esent.catalog.system import CATALOG_COLUMNS, ObjectType
from esent.constants import codes
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.pages.page import NODE_DELETED
from esent.records.decode import RecordPlan
from esent.tree.cursor import Tree

FILES = [
    "engine/clean-4k/db.edb",
    "engine/clean-16k/db.edb",
    "engine/clean-32k/db.edb",
    "engine/efv-9600/db.edb",
    "windows/types/index.edb",
    "windows/types/default.edb",
    "windows/types/multi.edb",
    "windows/ual-hyperv/SystemIdentity.mdb",
    "windows/srum-win10/SRUDB.dat",
]


def nodes(database: DatabaseFile, root: int) -> dict[bytes, bytes]:
    return {
        key: record
        for page in Tree(database, root).leaves()
        for flags, key, record in page.entries()
        if not flags & NODE_DELETED
    }


@pytest.mark.fixtures
@pytest.mark.parametrize("name", FILES)
def test_rows_of_genuine_catalogues(fixtures: Any, name: str) -> None:
    with DatabaseFile(fixtures.path(name)) as database:
        small = database.page_size <= 8192
        plan = RecordPlan(CATALOG_COLUMNS, large_pages=not small)
        stored = nodes(database, 4)
        names = nodes(database, 7)
        roots = nodes(database, 10)
        for key, record in stored.items():
            row = {c.name: v for c, v in zip(CATALOG_COLUMNS, plan.values(record), strict=True) if v is not None}
            again = {n: int.from_bytes(v, "little") if n in ("ObjidTable", "Type", "Id") else v for n, v in row.items()}
            assert row_key(again) == key
            assert catalog_record(again, small_page=small) == record
            assert names.pop(name_index_key(again)) == key
            if again["Type"] == ObjectType.TABLE:
                assert roots.pop(root_objects_key(again)) == key
        assert not names
        assert not roots


@pytest.mark.fixtures
@pytest.mark.parametrize("name", FILES)
def test_rows_of_parsed_tables(fixtures: Any, name: str) -> None:
    """A table read from the catalogue is written as the same rows."""
    with DatabaseFile(fixtures.path(name)) as database:
        small = database.page_size <= 8192
        stored = nodes(database, 4)
        plan = RecordPlan(CATALOG_COLUMNS, large_pages=not small)
        rows = [row for table in Catalog.load(database) if not table.is_system for row in table_rows(table)]
        made = {row_key(row): catalog_record(row, small_page=small) for row in rows}
        assert made
        compared = 0
        for key, record in made.items():
            values = dict(zip([column.name for column in CATALOG_COLUMNS], plan.values(stored[key]), strict=True))
            # space hints of an index and the time of a root page are not read into tables
            if values["SpaceHints"] is None and values["PgnoFDPLastSetTime"] is None:
                assert stored[key] == record
                compared += 1
        assert compared > 10


@pytest.mark.fixtures
def test_rows_of_a_new_database(fixtures: Any) -> None:
    with DatabaseFile(fixtures.path("engine/clean-4k/db.edb")) as database:
        rows = {row_key(row): catalog_record(row, small_page=True) for table in system_tables() for row in table_rows(table)}
        first_user_table = bytes.fromhex("7f80000008")
        assert {key: record for key, record in nodes(database, 4).items() if key < first_user_table} == rows
        objids = nodes(database, 29)
        for objid, table, kind in ((2, 2, 1), (3, 3, 1), (4, 2, 3), (5, 2, 3), (6, 6, 1), (7, 7, 1), (9, 8, 3), (59, 8, 4)):
            key, record = objids_node(objid, table, kind, small_page=True)
            assert objids[key] == record
        locales = {locale_key("en-US", "00000001-57ee-1e5c-00b4-d0000bb1e11e", 0x0006030500060305): 6}
        assert nodes(database, 30) == dict(locales_nodes(locales, small_page=True))


@pytest.mark.fixtures
def test_key_definitions(fixtures: Any) -> None:
    with DatabaseFile(fixtures.path("engine/clean-4k/db.edb")) as database:
        table = Catalog.load(database).table("AllTypes")
        definition = key_definition(table, table.index("ix_cond2"))
        assert definition.conditions == ((259, True),)
        definition = key_definition(table, table.index("ix_tuple"))
        assert definition.tuples is not None
        assert (definition.tuples.shortest, definition.tuples.longest, definition.tuples.most) == (3, 10, 64)
        definition = key_definition(table, table.index("ix_mv"))
        assert definition.segments[0].multi_valued


@pytest.mark.parametrize("name", ["", " x", "a.b", "a!b", "a[b", "a]b", "a\nb", "x" * 65, "naïve"])
def test_bad_names(name: str) -> None:
    with pytest.raises(JetError) as caught:
        name_bytes(name)
    assert caught.value.code == codes.JET_errInvalidName
