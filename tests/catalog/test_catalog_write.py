"""Changes of the catalogue: every row in all the places it belongs, and out of them again."""

from __future__ import annotations

import struct
import uuid
from typing import Any

import pytest

from esent.catalog.objects import Index, Segment, Table
from esent.catalog.rows import catalog_key, column_row, long_value_row, table_row
from esent.catalog.system import ObjectType
from esent.catalog.write import CatalogTrees, CatalogWriter
from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.records.columns import FLAG_DEFAULT, Coltyp, Column
from esent.records.keys import INDEX_LOCALIZED

SORT_ID = uuid.UUID("00000001-57ee-1e5c-00b4-d0000bb1e11e").bytes_le
VERSION = 0x0006020F0006020F


class Cursor:
    def __init__(self, nodes: dict[bytes, bytes]) -> None:
        self.keys = sorted(nodes)
        self.place = 0

    def seek(self, key: bytes, mode: str) -> bool:
        assert mode == "ge"
        self.place = next((number for number, each in enumerate(self.keys) if each >= key), len(self.keys))
        return self.place < len(self.keys)

    def next(self) -> bool:
        self.place += 1
        return self.place < len(self.keys)

    @property
    def key(self) -> bytes:
        return self.keys[self.place]


class Tree:
    """A tree as one session sees it: a dictionary."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, bytes] = {}

    def insert(self, session: Any, key: bytes, data: bytes) -> None:
        if key in self.nodes:
            raise jet_error(codes.JET_errKeyDuplicate, "there is one")
        self.nodes[key] = data

    def replace(self, session: Any, key: bytes, old_data_bookmark: bytes, new_data: bytes) -> None:
        assert key in self.nodes
        self.nodes[key] = new_data

    def delete(self, session: Any, key: bytes, data_bookmark: bytes = b"") -> None:
        del self.nodes[key]

    def get(self, session: Any, key: bytes) -> bytes | None:
        return self.nodes.get(key)

    def cursor(self, session: Any) -> Cursor:
        return Cursor(self.nodes)


@pytest.fixture
def trees() -> CatalogTrees:
    return CatalogTrees(*(Tree() for _ in range(6)))


@pytest.fixture(params=[4096, 32768])
def writer(request: Any, trees: CatalogTrees) -> CatalogWriter:
    return CatalogWriter(trees, request.param)


def sizes(trees: CatalogTrees) -> list[int]:
    return [
        len(tree.nodes)
        for tree in (trees.objects, trees.shadow, trees.names, trees.roots, trees.objids, trees.locales)
        if isinstance(tree, Tree)
    ]


def unicode_index(name: str, objid: int) -> Index:
    return Index(name, objid, 50, 0x1000E | INDEX_LOCALIZED, [Segment(128)], version=VERSION, sort_id=SORT_ID)


def test_a_table_is_in_six_places_or_fewer(writer: CatalogWriter, trees: CatalogTrees) -> None:
    table = Table("Some table", 20, 44, density=90, initial_pages=3)
    writer.add(None, table_row(table))
    writer.add_objid(None, 20, 20, ObjectType.TABLE)
    assert sizes(trees) == [1, 1, 1, 1, 1, 0]
    key = catalog_key(20, 1, 20)
    assert trees.objects.get(None, key) == trees.shadow.get(None, key)  # type: ignore[union-attr]
    assert set(trees.names.nodes.values()) == set(trees.roots.nodes.values()) == {key}  # type: ignore[attr-defined]
    row = writer.row(None, 20, 1, 20)
    assert (row["Name"], row["ColtypOrPgnoFDP"], row["SpaceUsage"]) == (b"Some table", b"\x2c\0\0\0", b"\x5a\0\0\0")


def test_names_are_taken_without_regard_to_case(writer: CatalogWriter) -> None:
    writer.add(None, table_row(Table("Same", 20, 44)))
    with pytest.raises(JetError) as caught:
        writer.add(None, table_row(Table("SAME", 21, 45)))
    assert caught.value.code == codes.JET_errKeyDuplicate


def test_a_renamed_table_is_found_under_its_new_name_only(writer: CatalogWriter, trees: CatalogTrees) -> None:
    writer.add(None, table_row(Table("old", 20, 44)))
    writer.change(None, 20, ObjectType.TABLE, 20, {"Name": "new"})
    assert sizes(trees) == [1, 1, 1, 1, 0, 0]
    assert writer.row(None, 20, 1, 20)["Name"] == b"new"
    writer.add(None, table_row(Table("old", 21, 45)))
    with pytest.raises(JetError) as caught:
        writer.change(None, 21, ObjectType.TABLE, 21, {"Name": "New"})
    assert caught.value.code == codes.JET_errKeyDuplicate


def test_what_is_not_changed_stays(writer: CatalogWriter, trees: CatalogTrees) -> None:
    column = Column("c", 3, Coltyp.LONG, 4, FLAG_DEFAULT, 0, 12, b"\1\0\0\0")
    writer.add(None, column_row(20, column))
    before = writer.row(None, 20, 2, 3)
    writer.change(None, 20, ObjectType.COLUMN, 3, {"DefaultValue": b"\2\0\0\0"})
    after = writer.row(None, 20, 2, 3)
    assert after == before | {"DefaultValue": b"\2\0\0\0"}
    writer.change(
        None, 20, ObjectType.COLUMN, 3, {"DefaultValue": None, "Flags": 0, "ColtypOrPgnoFDP": 0, "Name": "JetStub_20_3"}
    )
    stub = writer.row(None, 20, 2, 3)
    assert "DefaultValue" not in stub
    assert (stub["Name"], stub["RecordOffset"]) == (b"JetStub_20_3", b"\x0c\0")
    assert sizes(trees) == [1, 1, 1, 0, 0, 0]


def test_sort_orders_are_counted(writer: CatalogWriter, trees: CatalogTrees) -> None:
    locales = trees.locales
    assert isinstance(locales, Tree)
    counts = []
    for step in (("add", "a", 30), ("add", "b", 31), ("remove", "a", 30), ("remove", "b", 31)):
        index = unicode_index(step[1], step[2])
        if step[0] == "add":
            writer.add_index(None, 20, index)
        else:
            writer.remove_index(None, 20, index)
        counts.append([struct.unpack_from("<i", record, 5)[0] for record in locales.nodes.values()])
    assert counts == [[1], [2], [1], []]
    assert sizes(trees) == [0, 0, 0, 0, 0, 0]


def test_everything_of_a_table_is_found_and_removed(writer: CatalogWriter, trees: CatalogTrees) -> None:
    for objid in (20, 21):
        writer.add(None, table_row(Table(f"t{objid}", objid, 44)))
        writer.add(None, column_row(objid, Column("c", 256, Coltyp.LONG, 4)))
        writer.add(None, long_value_row(objid, 90 + objid, 60))
    assert writer.objects_of(None, 20) == [(1, 20), (2, 256), (4, 110)]
    for kind, identity in writer.objects_of(None, 20):
        writer.remove(None, 20, kind, identity)
    assert writer.objects_of(None, 20) == []
    assert len(writer.objects_of(None, 21)) == 3
    assert sizes(trees) == [3, 3, 3, 1, 0, 0]


def test_a_row_that_is_not_there(writer: CatalogWriter) -> None:
    with pytest.raises(JetError) as caught:
        writer.remove(None, 20, ObjectType.TABLE, 20)
    assert caught.value.code == codes.JET_errCatalogCorrupted


def test_an_older_catalogue_lacks_trees() -> None:
    trees = CatalogTrees(Tree(), None, Tree(), Tree(), None, None)
    writer = CatalogWriter(trees, 4096)
    writer.add(None, table_row(Table("t", 20, 44)))
    writer.add_objid(None, 20, 20, ObjectType.TABLE)
    writer.add_index(None, 20, unicode_index("i", 30))
    writer.remove_index(None, 20, unicode_index("i", 30))
    writer.remove_objid(None, 20)
    assert sizes(trees) == [1, 1, 1]
