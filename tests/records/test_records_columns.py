"""Column definitions: ids, flags, what the API shows."""

from __future__ import annotations

import pytest

from esent.constants import grbits
from esent.records.columns import (
    FLAG_DEFAULT,
    FLAG_MULTIVALUED,
    FLAG_NOT_NULL,
    FLAG_TEMPLATE,
    INHERENT_SIZE,
    Coltyp,
    Column,
)


def test_types_have_the_numbers_of_the_api() -> None:
    known = {key.lower(): value for key, value in grbits.GRBITS.items() if key.startswith("JET_coltyp")}
    for coltyp in Coltyp:
        name = "".join(part.capitalize() for part in coltyp.name.split("_"))
        assert known[f"jet_coltyp{name}".lower()] == coltyp


@pytest.mark.parametrize(
    ("fid", "flags", "grbit"),
    [
        (1, 0, grbits.JET_bitColumnFixed),
        (127, FLAG_NOT_NULL, grbits.JET_bitColumnFixed | grbits.JET_bitColumnNotNULL),
        (128, FLAG_DEFAULT, 0),
        (255, 0, 0),
        (256, FLAG_MULTIVALUED, grbits.JET_bitColumnTagged | grbits.JET_bitColumnMultiValued),
        (0xFEE0, 0x0104, grbits.JET_bitColumnTagged | grbits.JET_bitColumnAutoincrement),
    ],
)
def test_grbit(fid: int, flags: int, grbit: int) -> None:
    assert Column("c", fid, Coltyp.LONG, 4, flags).grbit == grbit


def test_template_bit_of_the_columnid() -> None:
    column = Column("c", 256, Coltyp.LONG, 4, FLAG_TEMPLATE, template=True)
    assert column.columnid == 0x80000100
    assert column.derived_bit
    assert not Column("c", 256, Coltyp.LONG, 4, 0, template=True).derived_bit


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (Column("c", 1, Coltyp.LONG, 4, FLAG_DEFAULT, default=b"\1\0\0\0"), b"\1\0\0\0"),
        (Column("c", 1, Coltyp.BIT, 1, FLAG_DEFAULT, default=b"\1"), b"\xff"),
        (Column("c", 1, Coltyp.BIT, 1, FLAG_DEFAULT, default=b"\0"), b"\0"),
        (Column("c", 1, Coltyp.BINARY, 4, FLAG_DEFAULT, default=b"ab"), b"ab\0\0"),
        (Column("c", 1, Coltyp.TEXT, 4, FLAG_DEFAULT, 1252, default=b"ab"), b"ab  "),
        (Column("c", 1, Coltyp.TEXT, 6, FLAG_DEFAULT, 1200, default=b"a\0"), b"a\0 \0 \0"),
        (Column("c", 1, Coltyp.TEXT, 6, FLAG_DEFAULT, 1200, default=b"a\0b"), b"a\0b\0 \0"),
        (Column("c", 128, Coltyp.TEXT, 6, FLAG_DEFAULT, 1252, default=b"ab"), b"ab"),
        (Column("c", 128, Coltyp.TEXT, 6, 0, 1252, default=b"ab"), None),
        (Column("c", 128, Coltyp.TEXT, 6), None),
    ],
)
def test_default_as_records_show_it(column: Column, value: bytes | None) -> None:
    assert column.default_value() == value


def test_inherent_sizes() -> None:
    assert {int(coltyp) for coltyp in INHERENT_SIZE} == set(range(1, 9)) | set(range(14, 19))
