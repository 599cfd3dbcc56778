"""Space trees: what trees of genuine files own, use and have left."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esent.catalog.schema import Catalog
from esent.constants import codes
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.tree.cursor import Tree
from esent.tree.source import PageReader
from esent.tree.space import Extent, available_extents, owned_extents, parse_space_header, space_header, split_buffer

DATABASE_ROOT = 1


def pages_of(extents: object) -> set[int]:
    return {pgno for extent in extents for pgno in range(extent.first, extent.last + 1)}  # type: ignore[attr-defined]


def used(reader: PageReader, root: int) -> set[int]:
    """The pages reachable from a root."""
    found, waiting = set(), [root]
    while waiting:
        pgno = waiting.pop()
        found.add(pgno)
        page = reader.page(pgno)
        if not page.is_leaf:
            waiting.extend(page.child(line) for line in range(page.line_count))
    return found


@pytest.mark.parametrize(
    "name",
    ["engine/clean-4k/db.edb", "engine/clean-32k/db.edb", "engine/deleted-4k/db.edb", "engine/clean-2000-4k/db.edb",
     "windows/srum-win10/SRUDB.dat", "windows/types/index.edb"],
)  # fmt: skip
def test_pages_used_and_left_are_owned_and_different(fixtures, name: str) -> None:
    with DatabaseFile(fixtures.path(name)) as file:
        reader = PageReader(file, keep=256)
        database = pages_of(owned_extents(reader, DATABASE_ROOT))
        free_in_database = pages_of(available_extents(reader, DATABASE_ROOT))
        assert free_in_database < database
        assert max(database) <= file.page_count
        handed_out: set[int] = set()
        several = 0
        for table in Catalog.load(file):
            roots = [(table.root, table.objid)]
            roots += [(index.root, index.objid) for index in table.indexes if index.root != table.root]
            if table.long_value_root:
                roots.append((table.long_value_root, table.long_value_objid))
            of_table = pages_of(owned_extents(reader, table.root, table.objid))
            for root, objid in roots:
                header = space_header(reader, root, objid)
                assert header.parent == (DATABASE_ROOT if root == table.root else table.root)
                owned = pages_of(owned_extents(reader, root, objid))
                left = pages_of(available_extents(reader, root, objid))
                mine = used(reader, root)
                if header.multiple:
                    several += 1
                    mine |= used(reader, header.word) | used(reader, header.word + 1)
                    assert split_buffer(reader.page(header.word)) == []
                assert root in owned and mine <= owned and left <= owned
                assert not mine & left
                assert owned <= of_table
            assert not of_table & handed_out
            assert not of_table & free_in_database
            handed_out |= of_table
        assert handed_out < database
        assert several


def test_deleted_extents_are_not_counted(fixtures) -> None:
    """The space trees of genuine files hold deleted nodes; counted, they would overlap with others."""
    deleted = 0
    with DatabaseFile(fixtures.path("windows/srum-win10/SRUDB.dat")) as file:
        reader = PageReader(file)
        header = space_header(reader, DATABASE_ROOT)
        for root in (header.word, header.word + 1):
            for page in Tree(reader, root).leaves():
                deleted += sum(flags & 2 for flags, _, _ in page.entries())
        owned = list(owned_extents(reader, DATABASE_ROOT))
        assert sum(extent.pages for extent in owned) == len(pages_of(owned))
    assert deleted


def test_header_with_an_autoincrement_mark() -> None:
    header = parse_space_header(bytes.fromhex("03 07000000 01000000 00000000 00000000 0e00000000000000"))
    assert header == (7, 1, False, False, False, 0, 14)
    assert parse_space_header(bytes.fromhex("01 07000000 01000000 05000000 09000000")) == (7, 1, True, False, True, 9, None)


@given(st.binary(max_size=40))
def test_any_header_ends_in_values_or_an_error(data: bytes) -> None:
    try:
        parse_space_header(data)
    except JetError as problem:
        assert problem.code == codes.JET_errDatabaseCorrupted


class OnePage:
    """A source with a single small page, the root of a tree with one extent."""

    page_size = 4096

    def __init__(self, pages: int, bitmap: int) -> None:
        header = struct.pack("<IIII", pages, 1, 0, bitmap)
        image = bytearray(4096)
        struct.pack_into("<I", image, 24, 77)
        struct.pack_into("<HHHHI", image, 28, 4096 - 40 - 4 - 16, 0, 16, 1, 0x2803)
        image[40:56] = header
        struct.pack_into("<HH", image, 4092, 16, 0)
        self.image = bytes(image)

    def read_page(self, pgno: int) -> bytes:
        return self.image


@pytest.mark.parametrize(
    ("pages", "bitmap", "left"),
    [
        (1, 0, []),
        (4, 0b111, [Extent(101, 103)]),
        (4, 0b101, [Extent(101, 101), Extent(103, 103)]),
        (4, 0, []),
        (3, 0xFFFFFFFF, [Extent(101, 102)]),
        (40, 0xFFFFFFFF, [Extent(101, 139)]),
        (40, 0x7FFFFFFF, [Extent(101, 131), Extent(133, 139)]),
    ],
)
def test_bitmap_of_a_single_extent(pages: int, bitmap: int, left: list[Extent]) -> None:
    source = OnePage(pages, bitmap)
    assert list(available_extents(source, 100, 77)) == left
    assert list(owned_extents(source, 100, 77)) == [Extent(100, 99 + pages)]
