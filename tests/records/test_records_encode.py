"""Records: what is taken apart from genuine files and encoded anew is byte for byte the same; values, limits, refusals."""

from __future__ import annotations

import datetime
import itertools
import struct
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esent.catalog.schema import Catalog
from esent.constants import codes
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.pages.page import NODE_DELETED
from esent.records.columns import Coltyp, Column
from esent.records.decode import RecordPlan
from esent.records.encode import Tagged, Value, encode_record, ole_date, record_most, stored_value, value_bytes
from esent.tree.cursor import Tree

FILES = [
    "engine/clean-4k/db.edb",
    "engine/clean-8k/db.edb",
    "engine/clean-16k/db.edb",
    "engine/clean-32k/db.edb",
    "engine/deleted-4k/db.edb",
    "windows/types/index.edb",
    "windows/types/multi.edb",
    "windows/types/text.edb",
    "windows/types/binary.edb",
    "windows/types/default.edb",
    "windows/types/Current.mdb",
    "windows/compression/decompress_test.edb",
    "windows/srum-win10/SRUDB.dat",
]


def take_apart(
    record: bytes, sizes: list[int], small: bool
) -> tuple[list[bytes | None], list[bytes | None], list[Tagged], bytes]:
    """The parts of a record, read with nothing but the layout; and the record with undefined bytes as we write them."""
    last_fixed, last_variable, end = struct.unpack_from("<BBH", record)
    bitmap = end - (last_fixed + 7) // 8
    clean = bytearray(record)
    fixed: list[bytes | None] = []
    place = 4
    for i in range(last_fixed):
        if record[bitmap + i // 8] >> i % 8 & 1:
            fixed.append(None)
            clean[place : place + sizes[i]] = b"*" * sizes[i]
        else:
            fixed.append(record[place : place + sizes[i]])
        place += sizes[i]
    assert place == bitmap
    if last_fixed % 8:
        clean[end - 1] |= 0xFF << last_fixed % 8 & 0xFF
    count = last_variable - 127
    words = struct.unpack_from(f"<{count}H", record, end)
    start = end + 2 * count
    variable: list[bytes | None] = []
    low = 0
    for word in words:
        variable.append(None if word & 0x8000 else record[start + low : start + (word & 0x7FFF)])
        low = word & 0x7FFF
    start += low
    tagged = []
    if start < len(record):
        mask = 0x1FFF if small else 0x7FFF
        entries = struct.unpack_from("<H", record, start + 2)[0] & mask
        array = list(struct.iter_unpack("<HH", record[start : start + entries]))
        ends = [start + (ib & mask) for _, ib in array[1:]] + [len(record)]
        for (fid, ib), high in zip(array, ends, strict=True):
            at = start + (ib & mask)
            header = 0
            if not small or ib & 0x4000:
                header = record[at]
                at += 1
            data = record[at:high]
            long = bool(header & 1)
            values: list[Value]
            if header & 0x20 or (small and ib & 0x2000):
                values = []
            elif header & 0x10:
                values = [Value(data[1 : 1 + data[0]]), Value(data[1 + data[0] :])]
            elif header & 0x08:
                first = struct.unpack_from("<H", data)[0] & 0x7FFF
                offsets = [*struct.unpack_from(f"<{first // 2}H", data), len(data)]
                values = [
                    Value(data[a & 0x7FFF : b & 0x7FFF], bool(a & 0x8000), bool(header & 2) and i == 0)
                    for i, (a, b) in enumerate(itertools.pairwise(offsets))
                ]
            else:
                values = [Value(data, bool(header & 4), bool(header & 2))]
            tagged.append(Tagged(fid, values, long, bool(ib & 0x8000)))
    return fixed, variable, tagged, bytes(clean)


@pytest.mark.fixtures
@pytest.mark.parametrize("name", FILES)
def test_genuine_records(fixtures: Any, name: str) -> None:
    compared = 0
    with DatabaseFile(fixtures.path(name)) as database:
        small = database.page_size <= 8192
        for table in Catalog.load(database):
            sizes = {column.fid: column.max_size for column in table.columns if column.is_fixed}
            offsets = {column.fid: column.record_offset for column in table.columns if column.is_fixed}
            for page in Tree(database, table.root, table.objid).leaves():
                for flags, _, record in page.entries():
                    if flags & NODE_DELETED:
                        continue
                    count = record[0]
                    if any(fid not in sizes for fid in range(1, count + 1)):
                        continue  # a slot of a deleted column: its size is known to nobody
                    assert all(offsets[fid] == 4 + sum(sizes[f] for f in range(1, fid)) for fid in range(1, count + 1))
                    slots = [sizes[fid] for fid in range(1, count + 1)]
                    fixed, variable, tagged, clean = take_apart(record, slots, small)
                    if (
                        small
                        and any(len(column.values) == 2 and not column.long for column in tagged)
                        and b"\x08\x04\x00" in clean
                    ):
                        continue  # three values of which one was taken away keep the form for many
                    assert encode_record(fixed, slots, variable, tagged, small_page=small) == clean
                    compared += 1
    assert compared > 90


COLUMNS = [
    Column("a", 1, Coltyp.LONG, 4, record_offset=4),
    Column("b", 2, Coltyp.BINARY, 3, record_offset=8),
    *[Column(f"f{i}", i, Coltyp.UNSIGNED_BYTE, 1, record_offset=8 + i) for i in range(3, 12)],
    Column("v", 128, Coltyp.BINARY, 255),
    Column("w", 129, Coltyp.TEXT, 255, code_page=1252),
    Column("x", 130, Coltyp.TEXT, 255, code_page=1200),
    Column("t", 256, Coltyp.BINARY, 255, flags=8),
    Column("u", 257, Coltyp.LONG_BINARY, 0, flags=8),
    Column("y", 300, Coltyp.LONG, 4),
]


@given(
    st.booleans(),
    st.lists(st.booleans(), max_size=11),
    st.lists(st.none() | st.binary(max_size=30), max_size=3),
    st.lists(st.binary(max_size=20), max_size=5),
    st.lists(st.binary(max_size=300), max_size=5),
    st.booleans(),
)
def test_what_is_encoded_is_decoded(
    small: bool, nulls: list[bool], variable: list[bytes | None], t: list[bytes], u: list[bytes], y: bool
) -> None:
    sizes = [column.max_size for column in COLUMNS if column.is_fixed]
    fixed = [None if null else bytes([i + 1]) * sizes[i] for i, null in enumerate(nulls)]
    tagged = []
    if t:
        tagged.append(Tagged(256, [Value(v) for v in t]))
    if u:
        tagged.append(Tagged(257, [Value(v) for v in u], long=True))
    if y:
        tagged.append(Tagged(300, [Value(b"1234")]))
    record = encode_record(fixed, sizes, variable, tagged, small_page=small)
    found = RecordPlan(COLUMNS, large_pages=not small).values(record)
    expected: list[Any] = [*fixed, *[None] * (11 - len(fixed)), *variable, *[None] * (3 - len(variable))]
    assert found == [*expected, t or None, u or None, b"1234" if y else None]


def test_known_records() -> None:
    record = encode_record((), (), (), small_page=True)
    assert record == bytes.fromhex("007f0400")
    row = [Tagged(256 + i, (Value(v),)) for i, v in enumerate((b"\x08\0\0\0", b"\x08\0\0\0", b"\x01\0"))]
    assert encode_record((), (), (), row, small_page=True).hex() == (
        "007f0400" + "00010c00" + "01011000" + "02011400" + "08000000" + "08000000" + "0100"
    )
    assert encode_record((), (), (), [Tagged(256, [Value(b"ab"), Value(b"c")])], small_page=True).hex() == (
        "007f0400" + "00010440" + "18" + "02" + "6162" + "63"
    )
    assert encode_record((), (), (), [Tagged(256, [Value(b"ab"), Value(b"c")])], small_page=False).hex() == (
        "007f0400" + "00010400" + "08" + "0400" + "0600" + "6162" + "63"
    )
    assert encode_record((), (), (), [Tagged(300, ())], small_page=True).hex() == "007f0400" + "2c010420"
    assert encode_record((), (), (), [Tagged(300, ())], small_page=False).hex() == "007f0400" + "2c010400" + "20"


def test_largest_records() -> None:
    expected = {
        2048: (1743, 1741, 1496),
        4096: (3791, 3789, 3044),
        8192: (7887, 7885, 6140),
        16384: (16288, 16037, 14292),
        32768: (32672, 32421, 30676),
    }
    most = {2048: 500, 4096: 1000}
    for page_size, sizes in expected.items():
        assert tuple(record_most(page_size, key) for key in (4, 255, most.get(page_size, 2000))) == sizes


@pytest.mark.parametrize("small", [True, False])
def test_records_beyond_their_fields(small: bool) -> None:
    for variable, tagged in (
        ([bytes(300)] * 128, []),
        ([], [Tagged(256 + i, [Value(bytes(9000))], long=True) for i in range(6)]),
        ([], [Tagged(256, [Value(bytes(9000))] * 6, long=True)]),
    ):
        with pytest.raises(JetError) as caught:
            encode_record((), (), variable, tagged, small_page=small)
        assert caught.value.code == codes.JET_errRecordTooBig
    with pytest.raises(JetError) as caught:
        encode_record((b"abc",), (4,), (), small_page=small)
    assert caught.value.code == codes.JET_errInvalidBufferSize
    with pytest.raises(JetError) as caught:
        encode_record((bytes(400),) * 127, (400,) * 127, (), small_page=small)
    assert caught.value.code == codes.JET_errRecordTooBig
    for fixed, variable in (([b"x"] * 128, []), ([], [None] * 129)):
        with pytest.raises(JetError) as caught:
            encode_record(fixed, (1,) * 128, variable, small_page=small)
        assert caught.value.code == codes.JET_errTooManyColumns


def test_stored_values() -> None:
    assert stored_value(1, 0, 1, True, b"\x07") == b"\xff"
    assert stored_value(1, 0, 1, True, b"\0") == b"\0"
    assert stored_value(4, 0, 4, False, b"") is None
    assert stored_value(9, 0, 6, True, b"abc") == b"abc\0\0\0"
    assert stored_value(9, 0, 6, True, b"") is None
    assert stored_value(9, 0, 6, False, b"") == b""
    assert stored_value(10, 1252, 6, True, b"abc") == b"abc   "
    assert stored_value(10, 1200, 6, True, b"a\0") == b"a\0 \0 \0"
    assert stored_value(10, 1200, 7, True, b"a\0b") == b"a\0b\0 \0 "
    for arguments, code in (
        ((4, 0, 4, True, b"123"), codes.JET_errInvalidBufferSize),
        ((10, 1252, 3, False, b"1234"), codes.JET_errColumnTooBig),
        ((9, 0, 0, False, bytes(256)), codes.JET_errColumnTooBig),
        ((11, 0, 10, False, bytes(11)), codes.JET_errColumnTooBig),
        ((13, 0, 0, False, b"x"), codes.JET_errInvalidColumnType),
    ):
        with pytest.raises(JetError) as caught:
            stored_value(*arguments)
        assert caught.value.code == code


def test_python_values() -> None:
    guid = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
    assert value_bytes(1, 0, True) == b"\xff"
    assert value_bytes(3, 0, -2) == b"\xfe\xff"
    assert value_bytes(14, 0, 0xFFFFFFFF) == b"\xff" * 4
    assert value_bytes(6, 0, 1.5) == struct.pack("<f", 1.5)
    assert value_bytes(7, 0, 2) == struct.pack("<d", 2.0)
    assert value_bytes(16, 0, guid).hex() == "33221100554477668899aabbccddeeff"
    assert value_bytes(10, 1252, "naïve €") == b"na\xefve \x80"
    assert value_bytes(12, 1200, "é") == b"\xe9\0"
    assert value_bytes(9, 0, bytearray(b"x")) == b"x"
    noon = datetime.datetime(2024, 2, 29, 12)
    assert value_bytes(8, 0, noon) == struct.pack("<d", 45351.5)
    zone = datetime.timezone(datetime.timedelta(hours=2))
    assert ole_date(datetime.datetime(2024, 2, 29, 14, tzinfo=zone)) == 45351.5
    assert ole_date(datetime.datetime(1899, 12, 29, 6)) == -1.25
    for coltyp, value in ((3, 40000), (2, -1), (4, "x"), (10, 5), (16, "x"), (6, 1e300), (99, 1), (9, "text"), (1, "yes")):
        with pytest.raises(JetError) as caught:
            value_bytes(coltyp, 1252, value)
        assert caught.value.code == codes.JET_errInvalidColumnType
    with pytest.raises(JetError) as caught:
        value_bytes(10, 1252, "日")
    assert caught.value.code == codes.JET_errInvalidParameter
