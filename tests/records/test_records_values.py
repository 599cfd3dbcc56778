"""Stored bytes to Python values."""

from __future__ import annotations

import struct
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esent.records.columns import Coltyp, Column
from esent.records.values import converter, unicode_text, western_text


@pytest.mark.parametrize(
    ("coltyp", "stored", "value"),
    [
        (Coltyp.BIT, b"\xff", True),
        (Coltyp.BIT, b"\0", False),
        (Coltyp.UNSIGNED_BYTE, b"\xff", 255),
        (Coltyp.SHORT, b"\xfe\xff", -2),
        (Coltyp.UNSIGNED_SHORT, b"\xfe\xff", 65534),
        (Coltyp.LONG, b"\xff\xff\xff\xff", -1),
        (Coltyp.UNSIGNED_LONG, b"\xff\xff\xff\xff", 2**32 - 1),
        (Coltyp.CURRENCY, b"\xf0" + b"\xff" * 7, -16),
        (Coltyp.LONG_LONG, b"\x00" * 7 + b"\x80", -(2**63)),
        (Coltyp.UNSIGNED_LONG_LONG, b"\xff" * 8, 2**64 - 1),
        (Coltyp.IEEE_SINGLE, struct.pack("<f", 0.5), 0.5),
        (Coltyp.IEEE_DOUBLE, struct.pack("<d", -0.1), -0.1),
        (Coltyp.DATE_TIME, struct.pack("<d", 36220.25), 36220.25),
        (Coltyp.GUID, bytes(range(16)), uuid.UUID("03020100-0504-0706-0809-0a0b0c0d0e0f")),
        (Coltyp.BINARY, b"\0\1", b"\0\1"),
        (Coltyp.LONG_BINARY, b"", b""),
    ],
)
def test_types(coltyp: Coltyp, stored: bytes, value: object) -> None:
    found = converter(Column("c", 256, coltyp))(stored)
    assert found == value and type(found) is type(value)


def test_text_by_code_page() -> None:
    assert converter(Column("c", 128, Coltyp.TEXT, 255, 0, 1200))("Zürich 🦊".encode("utf-16-le")) == "Zürich 🦊"
    assert converter(Column("c", 256, Coltyp.LONG_TEXT, 0, 0, 1252))(b"\x80 \xfc") == "€ ü"


@pytest.mark.parametrize("coltyp", [coltyp for coltyp in Coltyp if coltyp not in (Coltyp.NIL, Coltyp.SLV)])
def test_bytes_of_another_length_stay_bytes(coltyp: Coltyp) -> None:
    column = Column("c", 256, coltyp, 0, 0, 1252 if coltyp in (Coltyp.TEXT, Coltyp.LONG_TEXT) else 0)
    found = converter(column)(b"x" * 3)
    assert found == ("xxx" if column.code_page else b"xxx")


@given(st.binary())
def test_text_of_any_bytes(data: bytes) -> None:
    assert len(western_text(data)) == len(data)
    assert unicode_text(data).encode("utf-16-le", "surrogatepass") == data[: len(data) & ~1]
