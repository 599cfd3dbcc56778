"""The catalog of genuine files, and catalogs that are damaged."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esent.catalog.objects import SEGMENT_MUST_BE_NULL, Index, Segment, TupleLimits, parse_segments, parse_tuple_limits
from esent.catalog.schema import Catalog
from esent.constants import codes, grbits
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.records.keys import INDEX_DERIVED
from esent.tree.cursor import Tree


class Overlay:
    """A page source with some of its pages changed in memory."""

    def __init__(self, file: DatabaseFile) -> None:
        self.file = file
        self.page_size = file.page_size
        self.changed: dict[int, bytes] = {}

    def read_page(self, pgno: int) -> bytes:
        return self.changed.get(pgno) or self.file.read_page(pgno)

    def replace(self, root: int, wanted: bytes, old: bytes, new: bytes) -> int:
        """Replace text by text of the same length in all records of a tree that contain `wanted` and the old one; how many."""
        count = 0
        for page in Tree(self, root).leaves():
            image = page.data
            for line in range(page.line_count):
                start, end = page.value_bounds(line)
                record = page.data[start:end]
                if wanted in record and old in record:
                    image = image[:start] + record.replace(old, new) + image[end:]
                    count += 1
            self.changed[page.pgno] = image
        return count

    def change_record(self, root: int, wanted: bytes, change: dict[int, bytes]) -> int:
        """Overwrite bytes (offset in the record to new ones) of all records of a tree that contain `wanted`; how many."""
        count = 0
        for page in Tree(self, root).leaves():
            image = bytearray(page.data)
            for line in range(page.line_count):
                start, end = page.value_bounds(line)
                if wanted in page.data[start:end]:
                    for offset, new in change.items():
                        image[start + offset : start + offset + len(new)] = new
                    count += 1
            self.changed[page.pgno] = bytes(image)
        return count


@pytest.fixture
def clean(fixtures):
    with DatabaseFile(fixtures.path("engine/clean-4k/db.edb")) as file:
        yield file


def test_names_in_byte_order(clean: DatabaseFile) -> None:
    catalog = Catalog.load(clean)
    assert catalog.names() == sorted(catalog.names(), key=str.encode)
    assert {"AllTypes", "MSysObjects", "MSysObjids", "Wide"} <= set(catalog.names())
    assert len(catalog) == len(catalog.names()) == sum(1 for _ in catalog)
    assert catalog.damage is None and catalog.source_table == "MSysObjects"
    assert [name for name in catalog.names() if catalog.is_system(name)] == [
        "MSysLocales",
        "MSysObjects",
        "MSysObjectsShadow",
        "MSysObjids",
    ]


def test_names_without_regard_to_case(clean: DatabaseFile) -> None:
    catalog = Catalog.load(clean)
    assert catalog.table("alltypes") is catalog.table("AllTypes")
    assert "ALLTYPES" in catalog and "nothing" not in catalog
    table = catalog.table("AllTypes")
    assert table.column("CBIT").fid == 2
    assert table.index("PK").is_primary and table.primary_index is table.index("pk")
    for call, code in (
        (catalog.table, codes.JET_errObjectNotFound),
        (table.column, codes.JET_errColumnNotFound),
        (table.index, codes.JET_errIndexNotFound),
    ):
        with pytest.raises(JetError) as unknown:
            call("none of that name")
        assert unknown.value.code == code


def test_derived_tables_inherit(clean: DatabaseFile) -> None:
    catalog = Catalog.load(clean)
    derived, template = catalog.table("Derived1"), catalog.table("TmplBase")
    assert derived.template is template and derived.template_name == "TmplBase" and derived.is_derived
    assert template.is_template and not template.is_derived
    inherited = [column for column in derived.columns if column.template]
    assert inherited == template.columns and all(column.columnid & 0x80000000 for column in inherited)
    own = [column for column in derived.columns if not column.template]
    assert min(column.record_offset for column in own if column.is_fixed) >= 12
    by_name = derived.index("byName")
    assert by_name.flags & INDEX_DERIVED and by_name.root != template.index("byName").root
    assert by_name.lcmap == template.index("byName").lcmap != 0
    segment = by_name.segments[0]
    column = derived.segment_column(segment)
    assert column is not None and column.name == "bName"


def test_deleted_columns_are_not_there(fixtures) -> None:
    with DatabaseFile(fixtures.path("engine/deleted-4k/db.edb")) as file:
        table = Catalog.load(file).table("AllTypes")
    names = [column.name for column in table.columns]
    assert "addedFix" in names and "cFixBin" not in names
    assert not [name for name in names if name.startswith("JetStub")]


def test_index_definitions(clean: DatabaseFile) -> None:
    table = Catalog.load(clean).table("AllTypes")
    assert [segment.descending for segment in table.index("ix_mixed4").segments] == [True, False, True, False]
    assert table.index("ix_bin").variable_segment_most == 16
    assert table.index("ix_key500").key_most == 500
    assert table.index("ix_tuple").tuple_limits is not None
    assert table.index("ix_cond").conditions and table.index("ix_cond2").conditions
    assert table.index("ix_textU").is_localized and table.index("ix_textU").version is not None
    assert len(table.index("ix_textU").sort_id or b"") == 16
    assert table.long_value_root > 0


def test_segments_in_both_forms() -> None:
    assert parse_segments(bytes.fromhex("40000100 80000001"), True) == [Segment(1, 0x40), Segment(256, 0x80)]
    assert parse_segments(struct.pack("<hh", 3, -256), False) == [Segment(3), Segment(256, 0x40)]
    assert parse_segments(struct.pack("<h", -256), False, SEGMENT_MUST_BE_NULL) == [Segment(256, SEGMENT_MUST_BE_NULL)]
    assert Segment(256, 0x80).columnid == 0x80000100
    for data, extended in ((b"abc", True), (b"abc", False)):
        with pytest.raises(JetError):
            parse_segments(data, extended)


def test_tuple_limits() -> None:
    assert parse_tuple_limits(struct.pack("<5I", 3, 10, 50, 2, 1)) == (3, 10, 50, 2, 1)
    assert parse_tuple_limits(struct.pack("<3I", 3, 10, 50)) == TupleLimits(3, 10, 50, 1, 0)
    with pytest.raises(JetError):
        parse_tuple_limits(b"abcd")


@pytest.mark.parametrize(
    ("flags", "grbit"),
    [
        (0x1002F, grbits.JET_bitIndexPrimary | grbits.JET_bitIndexUnique),
        (0x10031, grbits.JET_bitIndexPrimary | grbits.JET_bitIndexUnique | grbits.JET_bitIndexDisallowNull),
        (0x10009, grbits.JET_bitIndexUnique | grbits.JET_bitIndexIgnoreNull | grbits.JET_bitIndexIgnoreFirstNull),
        (0x1000E, 0),
        (0x1402F, grbits.JET_bitIndexPrimary | grbits.JET_bitIndexUnique | grbits.JET_bitIndexDisallowTruncation),
    ],
)
def test_grbit_of_an_index(flags: int, grbit: int) -> None:
    assert Index("i", 9, 99, flags).grbit == grbit


def test_own_rows_of_the_catalog_are_not_believed(clean: DatabaseFile) -> None:
    """MSysObjects may say of itself what it likes."""
    overlay = Overlay(clean)
    true = Catalog.load(clean).table("MSysObjects")
    assert overlay.change_record(4, b"ColtypOrPgnoFDP", {14: b"\x0b\0\0\0", 18: b"\xff\xff\0\0"})
    found = Catalog.load(overlay).table("MSysObjects")
    assert [(column.name, column.coltyp, column.max_size) for column in found.columns] == [
        (column.name, column.coltyp, column.max_size) for column in true.columns
    ]
    assert (found.root, found.objid) == (4, 2)


def test_shadow_in_place_of_a_damaged_catalog(clean: DatabaseFile) -> None:
    overlay = Overlay(clean)
    image = bytearray(clean.read_page(4))
    struct.pack_into("<I", image, 24, 99)
    overlay.changed[4] = bytes(image)
    catalog = Catalog.load(overlay)
    assert catalog.source_table == "MSysObjectsShadow"
    assert catalog.damage is not None and catalog.damage.code == codes.JET_errCatalogCorrupted
    assert catalog.names() == Catalog.load(clean).names()


def test_both_catalogs_damaged(clean: DatabaseFile) -> None:
    overlay = Overlay(clean)
    for root in (4, 24):
        image = bytearray(clean.read_page(root))
        struct.pack_into("<I", image, 24, 99)
        overlay.changed[root] = bytes(image)
    with pytest.raises(JetError) as refused:
        Catalog.load(overlay)
    assert refused.value.code == codes.JET_errCatalogCorrupted


@pytest.mark.parametrize("name", [b"Derived1", b"NoSuchTb", b"Counters"])
def test_a_template_that_is_none(clean: DatabaseFile, name: bytes) -> None:
    """Derived from itself, from a table that is not there, from one that is no template."""
    overlay = Overlay(clean)
    assert overlay.replace(4, b"Derived1", b"TmplBase", name) == 1
    with pytest.raises(JetError) as refused:
        Catalog.load(overlay).table("Derived1")
    assert refused.value.code == codes.JET_errCatalogCorrupted


@pytest.mark.parametrize(
    "change",
    [
        {14: b"\x63\0\0\0"},  # a type there is not
        {10: b"\0\0\0\0"},  # column 0
        {10: b"\xff\xff\0\0"},  # behind the last tagged column
        {18: b"\xff\xff\xff\xff"},  # a size below zero
        {0: b"\x03"},  # a row that ends before its numbers
    ],
)
def test_a_column_that_cannot_be(clean: DatabaseFile, change: dict[int, bytes]) -> None:
    overlay = Overlay(clean)
    assert overlay.change_record(4, b"cUByte", change) == 1
    catalog = Catalog.load(overlay)
    with pytest.raises(JetError) as refused:
        catalog.table("AllTypes")
    assert refused.value.code == codes.JET_errCatalogCorrupted
    assert catalog.table("Heap").columns


def test_forgotten_tables_come_back(clean: DatabaseFile) -> None:
    catalog = Catalog.load(clean)
    first = catalog.table("Heap")
    catalog.forget("Heap")
    assert catalog.table("Heap") is not first
    assert [column.name for column in catalog.table("Heap").columns] == [column.name for column in first.columns]


@given(st.integers(0, 0xFFFFFFFF))
def test_any_flags_have_a_grbit(flags: int) -> None:
    assert Index("i", 1, 1, flags).grbit >= 0
