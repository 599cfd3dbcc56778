"""Definitions of columns and indexes: what comes of them, and which error the wrong ones are."""

from __future__ import annotations

from typing import Any

import pytest

from esent.catalog.definition import (
    IndexWish,
    checked_density,
    define_column,
    define_index,
    key_parts,
    object_name,
    set_default,
)
from esent.catalog.objects import Segment, Table, TupleLimits
from esent.constants import codes, grbits
from esent.errors import JetError
from esent.records.columns import FLAG_ESCROW, FLAG_MULTIVALUED, Coltyp, Column
from esent.records.keys import INDEX_LOCALIZED, INDEX_MULTIVALUED, INDEX_PRIMARY, INDEX_UNIQUE


def code_of(call: Any, *args: Any, **keywords: Any) -> int:
    with pytest.raises(JetError) as caught:
        call(*args, **keywords)
    return caught.value.code


@pytest.mark.parametrize("name", ["a", "a" * 64, "Table with space", "1", "_", "a/b", "T`", "\u00e9"])
def test_names_that_are_good(name: str) -> None:
    assert object_name(name, "a table") == name


def test_blanks_at_the_end_do_not_count() -> None:
    assert object_name("x  ", "a table") == "x"


@pytest.mark.parametrize("name", [None, "", "a" * 65, " x", "x!y", "x.y", "x[y", "x]y", "\t", "x\x07y", "\u4e00", 7, b"a"])
def test_names_that_are_not(name: object) -> None:
    assert code_of(object_name, name, "a table") == codes.JET_errInvalidName


@pytest.mark.parametrize(("density", "result"), [(0, 80), (20, 20), (100, 100)])
def test_densities(density: int, result: int) -> None:
    assert checked_density(density) == result


@pytest.mark.parametrize("density", [19, 101, -1, None])
def test_impossible_densities(density: object) -> None:
    assert code_of(checked_density, density) == codes.JET_errDensityInvalid


@pytest.mark.parametrize(
    ("coltyp", "grbit", "cb_max", "first", "size", "code_page"),
    [
        (Coltyp.LONG, 0, 0, 1, 4, 0),
        (Coltyp.LONG, grbits.JET_bitColumnTagged, 99, 256, 4, 0),
        (Coltyp.GUID, 0, 0, 1, 16, 0),
        (Coltyp.TEXT, 0, 0, 128, 255, 1252),
        (Coltyp.TEXT, grbits.JET_bitColumnFixed, 20, 1, 20, 1252),
        (Coltyp.BINARY, grbits.JET_bitColumnTagged, 60, 256, 60, 0),
        (Coltyp.LONG_TEXT, 0, 0, 256, 0, 1252),
        (Coltyp.LONG_BINARY, grbits.JET_bitColumnCompressed, 2000, 256, 2000, 0),
    ],
)
def test_columns(coltyp: int, grbit: int, cb_max: int, first: int, size: int, code_page: int) -> None:
    kind, column, cut = define_column("c", coltyp, grbit, 0, cb_max, has_default=False)
    assert (kind, column.max_size, column.code_page, cut) == (first, size, code_page, False)


def test_a_size_above_what_is_possible_is_cut() -> None:
    _, column, cut = define_column("c", Coltyp.BINARY, 0, 0, 300, has_default=False)
    assert (column.max_size, cut) == (255, True)


@pytest.mark.parametrize(
    ("coltyp", "grbit", "has_default", "code"),
    [
        (0, 0, False, "InvalidColumnType"),
        (13, grbits.JET_bitColumnTagged | grbits.JET_bitColumnFixed, False, "InvalidColumnType"),
        (19, 0, False, "InvalidColumnType"),
        ("4", 0, False, "InvalidColumnType"),
        (4, grbits.JET_bitColumnTagged | grbits.JET_bitColumnFixed, False, "InvalidGrbit"),
        (11, grbits.JET_bitColumnFixed, False, "InvalidGrbit"),
        (4, grbits.JET_bitColumnMultiValued, False, "MultiValuedColumnMustBeTagged"),
        (4, grbits.JET_bitColumnCompressed, False, "ColumnCannotBeCompressed"),
        (3, grbits.JET_bitColumnAutoincrement, False, "InvalidGrbit"),
        (4, grbits.JET_bitColumnAutoincrement | grbits.JET_bitColumnTagged, False, "CannotBeTagged"),
        (15, grbits.JET_bitColumnVersion, False, "InvalidGrbit"),
        (4, grbits.JET_bitColumnEscrowUpdate, False, "InvalidGrbit"),
        (4, grbits.JET_bitColumnEscrowUpdate | grbits.JET_bitColumnTagged, True, "CannotBeTagged"),
        (4, grbits.JET_bitColumnEscrowUpdate | grbits.JET_bitColumnVersion, True, "InvalidGrbit"),
        (15, grbits.JET_bitColumnEscrowUpdate, True, "EngineFormatVersionParamTooLowForRequestedFeature"),
        (4, grbits.JET_bitColumnDeleteOnZero, True, "InvalidGrbit"),
        (4, grbits.JET_bitColumnEncrypted, False, "FeatureNotAvailable"),
    ],
)
def test_columns_that_cannot_be(coltyp: Any, grbit: int, has_default: bool, code: str) -> None:
    found = code_of(define_column, "c", coltyp, grbit, 0, 0, has_default=has_default)
    assert found == getattr(codes, f"JET_err{code}")


def test_a_code_page_there_is_not() -> None:
    assert code_of(define_column, "c", 10, 0, 850, 0, has_default=False) == codes.JET_errInvalidCodePage


def test_defaults() -> None:
    column = Column("c", 1, Coltyp.LONG, 4)
    assert code_of(set_default, column, b"\0") == codes.JET_errInvalidBufferSize
    set_default(column, b"\1\0\0\0")
    assert column.default_value() == b"\1\0\0\0"
    assert code_of(set_default, Column("t", 128, Coltyp.TEXT, 3), b"abcd") == codes.JET_errDefaultValueTooBig
    assert code_of(set_default, Column("l", 256, Coltyp.LONG_BINARY, 0), bytes(256)) == codes.JET_errDefaultValueTooBig


@pytest.fixture
def table() -> Table:
    columns = [
        Column("n", 1, Coltyp.LONG, 4),
        Column("e", 2, Coltyp.LONG, 4, FLAG_ESCROW, 0, 8),
        Column("t", 128, Coltyp.TEXT, 255, 0, 1252),
        Column("u", 129, Coltyp.TEXT, 255, 0, 1200),
        Column("m", 256, Coltyp.LONG, 4, FLAG_MULTIVALUED),
    ]
    return Table("T", 8, 31, columns=columns)


def define(table: Table, key: Any, grbit: Any = 0, **wishes: Any) -> Any:
    return define_index(IndexWish("i", key, grbit, **wishes), "i", table, 4096)


@pytest.mark.parametrize("key", ["+n\0-t\0\0", ["+n", "-t"], ("n", "-t")])
def test_forms_of_a_key(table: Table, key: Any) -> None:
    assert define(table, key).segments == [Segment(1), Segment(128, 0x40)]


def test_parts_of_a_key_end_at_its_end() -> None:
    assert key_parts("+a\0+b\0\0+c\0\0") == ["+a", "+b"]
    assert key_parts("") == []


def test_flags_of_indexes(table: Table) -> None:
    assert (
        define(table, ["+n"], grbits.JET_bitIndexPrimary).flags & (INDEX_PRIMARY | INDEX_UNIQUE) == INDEX_PRIMARY | INDEX_UNIQUE
    )
    assert define(table, ["+m"]).flags & INDEX_MULTIVALUED
    localized = define(table, ["+u"])
    assert localized.flags & INDEX_LOCALIZED
    assert localized.version == 0x0006030500060305
    assert define(table, ["+t"]).version is None


def test_limits(table: Table) -> None:
    index = define(table, ["+t"], grbits.JET_bitIndexKeyMost, key_most=500, variable_most=60)
    assert (index.key_most, index.variable_segment_most) == (500, 60)
    assert define(table, ["+t"], grbits.JET_bitIndexTuples).tuple_limits == TupleLimits(3, 10, 0x7FFF, 1, 0)
    shorter = define(table, ["+t"], grbits.JET_bitIndexTupleLimits, limits=TupleLimits(2, 5, 0, 0, 1))
    assert shorter.tuple_limits == TupleLimits(2, 5, 0x7FFF, 1, 1)


@pytest.mark.parametrize(
    ("key", "grbit", "wishes", "code"),
    [
        ([], 0, {}, "IndexInvalidDef"),
        (["+n"] * 17, 0, {}, "IndexInvalidDef"),
        (["+"], 0, {}, "IndexInvalidDef"),
        (7, 0, {}, "InvalidParameter"),
        (["+nope"], 0, {}, "ColumnNotFound"),
        (["+n"], None, {}, "InvalidGrbit"),
        (["+e"], 0, {}, "CannotIndex"),
        (["+m"], grbits.JET_bitIndexPrimary, {}, "IndexInvalidDef"),
        (["+n"], grbits.JET_bitIndexPrimary | grbits.JET_bitIndexIgnoreNull, {}, "IndexInvalidDef"),
        (["+n"], grbits.JET_bitIndexEmpty, {}, "InvalidGrbit"),
        (["+n"], grbits.JET_bitIndexCrossProduct | grbits.JET_bitIndexNestedTable, {}, "InvalidGrbit"),
        (["+n"], 0, {"conditions": [("t", 0)]}, "InvalidGrbit"),
        (["+n"], 0, {"conditions": [("nope", 1)]}, "ColumnNotFound"),
        (["+t"], grbits.JET_bitIndexTuples | grbits.JET_bitIndexUnique, {}, "IndexTuplesNonUniqueOnly"),
        (["+t"], grbits.JET_bitIndexTuples | grbits.JET_bitIndexPrimary, {}, "IndexTuplesSecondaryIndexOnly"),
        (["+t"], grbits.JET_bitIndexTuples, {"variable_most": 10}, "IndexTuplesVarSegMacNotAllowed"),
        (["+n"], grbits.JET_bitIndexTuples, {}, "IndexTuplesTextBinaryColumnsOnly"),
        (["+n"], grbits.JET_bitIndexTupleLimits, {"limits": TupleLimits(1, 5, 10, 1, 0)}, "IndexTuplesInvalidLimits"),
        (["+t"], grbits.JET_bitIndexKeyMost, {"key_most": 1001}, "IndexInvalidDef"),
        (["+t"], 0, {"variable_most": 256}, "IndexInvalidDef"),
        (["+u"], grbits.JET_bitIndexUnicode, {"mapping": 1}, "InvalidLCMapStringFlags"),
    ],
)
def test_indexes_that_cannot_be(table: Table, key: Any, grbit: Any, wishes: dict[str, Any], code: str) -> None:
    assert code_of(define, table, key, grbit, **wishes) == getattr(codes, f"JET_err{code}")
