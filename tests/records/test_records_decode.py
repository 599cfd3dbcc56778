"""Records taken apart: hand-made ones of both page formats, and anything at all."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esent.constants import codes
from esent.errors import JetError
from esent.records.columns import (
    FLAG_DEFAULT,
    FLAG_MULTIVALUED,
    FLAG_TEMPLATE,
    Coltyp,
    Column,
)
from esent.records.compression import compress
from esent.records.decode import RecordPlan, Separated, tagged_values

LONG = Column("long", 1, Coltyp.LONG, 4, record_offset=4)
BIT = Column("bit", 2, Coltyp.BIT, 1, record_offset=8)
LATER = Column("later", 3, Coltyp.LONG, 4, FLAG_DEFAULT, record_offset=9, default=b"\x07\0\0\0")
TEXT = Column("text", 128, Coltyp.TEXT, 255, code_page=1252)
BINARY = Column("binary", 129, Coltyp.BINARY, 255, FLAG_DEFAULT, default=b"var")
TAGGED = Column("tagged", 256, Coltyp.LONG, 4, FLAG_DEFAULT, default=b"\x2a\0\0\0")
MULTI = Column("multi", 257, Coltyp.TEXT, 60, FLAG_MULTIVALUED, 1252)
LV = Column("lv", 258, Coltyp.LONG_BINARY)
COLUMNS = [LONG, BIT, LATER, TEXT, BINARY, TAGGED, MULTI, LV]
NAMES = [column.name for column in COLUMNS]

NULL_SMALL, HEADER_SMALL, DERIVED = 0x2000, 0x4000, 0x8000


def tagged_part(values: list[tuple[int, int, bytes]]) -> bytes:
    """(column, flags of the offset word, bytes) of each entry."""
    place = 4 * len(values)
    array = body = b""
    for fid, flags, value in values:
        array += struct.pack("<HH", fid, place | flags)
        body += value
        place += len(value)
    return array + body


def record(
    fixed: int = 0, slots: bytes = b"", nulls: bytes = b"", variable: list[bytes | None] | None = None, tagged: bytes = b""
) -> bytes:
    """A record with the first `fixed` fixed columns (their slots and NULL bitmap), these variable columns and a tagged part."""
    values = variable or []
    offsets = data = b""
    for value in values:
        data += value or b""
        offsets += struct.pack("<H", len(data) | (0x8000 if value is None else 0))
    head = struct.pack("<BBH", fixed, 127 + len(values), 4 + len(slots) + len(nulls))
    return head + slots + nulls + offsets + data + tagged


def values(image: bytes, *, large: bool = False, derived: bool = False, columns: list[Column] = COLUMNS) -> dict[str, object]:
    plan = RecordPlan(columns, large_pages=large, derived=derived)
    return {column.name: value for column, value in zip(columns, plan.values(image), strict=True) if value is not None}


ABSENT = {"later": b"\x07\0\0\0", "binary": b"var", "tagged": b"\x2a\0\0\0"}
"""What the shortest record gives: the defaults."""


def test_shortest_record_has_only_defaults() -> None:
    assert values(bytes.fromhex("007f0400")) == ABSENT


def test_fixed_columns_and_their_bitmap() -> None:
    slots = struct.pack("<ib", -5, -1)
    assert values(record(2, slots, b"\xfc")) == ABSENT | {"long": b"\xfb\xff\xff\xff", "bit": b"\xff"}
    assert "bit" not in values(record(2, slots, b"\xfe"))
    assert "long" not in values(record(2, slots, b"\xfd"))


def test_present_and_null_is_not_the_default() -> None:
    image = record(3, bytes(9), b"\x04", [b"abc", None], tagged_part([(256, NULL_SMALL, b"")]))
    assert values(image) == {"long": bytes(4), "bit": b"\0", "text": b"abc"}


def test_variable_zero_length_is_not_null() -> None:
    assert values(record(variable=[b"", b"x"])) == ABSENT | {"text": b"", "binary": b"x"}


def test_tagged_on_small_pages() -> None:
    part = tagged_part([(256, 0, b"\1\0\0\0"), (258, HEADER_SMALL, b"\x01plain")])
    assert values(record(tagged=part)) == ABSENT | {"tagged": b"\1\0\0\0", "lv": b"plain"}


def test_tagged_on_large_pages() -> None:
    part = tagged_part([(256, 0, b"\x20"), (257, 0, b"\x00one"), (258, 0, b"\x01plain")])
    expected = {name: value for name, value in ABSENT.items() if name != "tagged"}
    assert values(record(tagged=part), large=True) == expected | {"multi": [b"one"], "lv": b"plain"}


def test_unknown_columns_are_passed_over() -> None:
    part = tagged_part([(256, 0, b"\1\0\0\0"), (300, 0, b"gone"), (60000, 0, b"gone too")])
    image = record(4, bytes(20), b"\x0f", [None, None, b"deleted"], part)
    assert values(image) == {"tagged": b"\1\0\0\0"}


def test_two_and_several_values() -> None:
    two = b"\x18" + b"\x03one" + b"four"
    assert values(record(tagged=tagged_part([(257, HEADER_SMALL, two)])))["multi"] == [b"one", b"four"]
    several = b"\x08" + struct.pack("<HHH", 6, 9, 9) + b"one" + b"four"
    assert values(record(tagged=tagged_part([(257, HEADER_SMALL, several)])))["multi"] == [b"one", b"", b"four"]


def test_one_value_of_a_multivalued_column_is_a_list() -> None:
    assert values(record(tagged=tagged_part([(257, 0, b"one")])))["multi"] == [b"one"]


def test_several_values_with_separated_and_compressed_ones() -> None:
    plain = b"the same letters, the same letters, the same letters"
    packed = compress(plain)
    assert packed is not None and len(packed) < len(plain)
    lid = struct.pack("<I", 77)
    body = b"\x0b" + struct.pack("<HHH", 6, (6 + len(packed)) | 0x8000, 6 + len(packed) + 4)
    found = values(record(tagged=tagged_part([(258, HEADER_SMALL, body + packed + lid + b"raw")])))["lv"]
    assert found == [plain, Separated(lid), b"raw"]


def test_separated_value() -> None:
    lid = bytes.fromhex("0100008000000080")
    found = values(record(tagged=tagged_part([(258, HEADER_SMALL, b"\x05" + lid)])))["lv"]
    assert found == Separated(lid)


def test_encrypted_value_is_an_error_and_not_its_bytes() -> None:
    found = values(record(tagged=tagged_part([(258, HEADER_SMALL, b"\x41secret")])))["lv"]
    assert isinstance(found, JetError) and found.code == codes.JET_errColumnNoEncryptionKey


def test_undecodable_compression_is_an_error() -> None:
    found = values(record(tagged=tagged_part([(258, HEADER_SMALL, b"\x03\xf8nonsense")])))["lv"]
    assert isinstance(found, JetError) and found.code == codes.JET_errDecompressionFailed


def test_separated_id_of_a_wrong_size_is_an_error() -> None:
    found = values(record(tagged=tagged_part([(258, HEADER_SMALL, b"\x05abc")])))["lv"]
    assert isinstance(found, JetError) and found.code == codes.JET_errDatabaseCorrupted


def test_columns_of_a_template_are_marked_with_a_bit() -> None:
    columns = [
        Column("own", 256, Coltyp.LONG_BINARY),
        Column("inherited", 256, Coltyp.LONG_BINARY, 0, FLAG_TEMPLATE, template=True),
    ]
    part = tagged_part([(256, DERIVED, b"theirs"), (256, 0, b"mine")])
    assert values(record(tagged=part), derived=True, columns=columns) == {"own": b"mine", "inherited": b"theirs"}
    old = [Column("own", 257, Coltyp.LONG_BINARY), Column("inherited", 256, Coltyp.LONG_BINARY, 0, 0, template=True)]
    part = tagged_part([(256, 0, b"theirs"), (257, 0, b"mine")])
    assert values(record(tagged=part), derived=True, columns=old) == {"own": b"mine", "inherited": b"theirs"}


def test_a_slot_outside_of_the_record_is_an_error_of_that_column() -> None:
    columns = [Column("far", 1, Coltyp.LONG, 4, record_offset=400), LONG]
    columns[1] = Column("near", 2, Coltyp.LONG, 4, record_offset=4)
    found = values(record(2, bytes(8), b"\0"), columns=columns)
    assert isinstance(found["far"], JetError)
    assert found["near"] == bytes(4)


@pytest.mark.parametrize(
    "image",
    [
        b"",
        b"\0\x7f\4",
        b"\0\x7e\4\0",  # last variable column below the first
        b"\x80\x7f\4\0",  # more fixed columns than there can be
        b"\x08\x7f\4\0",  # no room for the bitmap
        b"\0\x80\4\0",  # no room for an offset
        b"\0\x81\4\0\x05\0\x02\0abcde",  # offsets that go back
        b"\0\x80\4\0\x05\0abc",  # a value behind the end
        b"\0\x7f\4\0\0\1",  # a tagged part of two bytes
        b"\0\x7f\4\0\0\1\x03\0abcd",  # an array of three bytes
        b"\0\x7f\4\0\0\1\x08\0\1\1\x80\x0fab",  # a tagged value behind the end
    ],
)
def test_what_is_not_a_record(image: bytes) -> None:
    with pytest.raises(JetError) as refused:
        values(image)
    assert refused.value.code == codes.JET_errDatabaseCorrupted


def test_rows_keep_going_after_one_that_is_not_a_record() -> None:
    plan = RecordPlan(COLUMNS, large_pages=False)
    good, bad, again = plan.rows([record(variable=[b"a"]), b"\0", record(variable=[b"b"])])
    assert isinstance(bad, JetError)
    assert (good[3], again[3]) == (b"a", b"b")  # type: ignore[index]


@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_any_bytes_end_in_values_or_an_error(image: bytes, large: bool, derived: bool) -> None:
    plan = RecordPlan(COLUMNS, large_pages=large, derived=derived)
    row = plan.rows([image])[0]
    assert isinstance(row, JetError) or len(row) == len(COLUMNS)


@settings(max_examples=200)
@given(st.data())
def test_damaged_records_end_in_values_or_an_error(data: st.DataObject) -> None:
    several = b"\x08" + struct.pack("<HHH", 6, 9, 9) + b"one" + b"four"
    packed = b"\x03\x18\x20\0abcdefgh"
    part = tagged_part([(256, 0, b"\1\0\0\0"), (257, HEADER_SMALL, several), (258, HEADER_SMALL, packed)])
    image = bytearray(record(3, bytes(9), b"\0", [b"abc", b"defg"], part))
    for _ in range(data.draw(st.integers(1, 4))):
        image[data.draw(st.integers(0, len(image) - 1))] = data.draw(st.integers(0, 255))
    row = RecordPlan(COLUMNS, large_pages=data.draw(st.booleans())).rows([bytes(image)])[0]
    assert isinstance(row, JetError) or len(row) == len(COLUMNS)


@given(st.binary(min_size=1, max_size=80))
def test_any_tagged_value_ends_in_values(image: bytes) -> None:
    for value in tagged_values(image, 0, len(image)):
        assert isinstance(value, bytes | Separated | JetError)


@given(
    st.lists(st.one_of(st.none(), st.binary(max_size=40)), max_size=2),
    st.binary(min_size=9, max_size=9),
    st.integers(0, 7),
    st.lists(st.binary(max_size=30), min_size=2, max_size=9),
)
def test_put_together_and_taken_apart(variable: list[bytes | None], slots: bytes, nulls: int, several: list[bytes]) -> None:
    place = 2 * len(several)
    array = b""
    for value in several:
        array += struct.pack("<H", place)
        place += len(value)
    body = b"\x08" + array + b"".join(several)
    found = values(record(3, slots, bytes([nulls]), variable, tagged_part([(257, HEADER_SMALL, body)])))
    assert found["multi"] == several
    for bit, name, part in ((1, "long", slots[:4]), (2, "bit", slots[4:5]), (4, "later", slots[5:9])):
        assert found.get(name) == (None if nulls & bit else part)
    for name, value in zip(("text", "binary"), variable, strict=False):
        assert found.get(name) == value
