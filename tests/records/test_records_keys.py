"""Keys: the keys recomputed from the records of genuine files are the stored ones; the rules of cutting and of NULLs."""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esent.constants import codes
from esent.errors import JetError
from esent.records.keys import (
    INDEX_ALLOW_ALL_NULLS,
    INDEX_ALLOW_FIRST_NULL,
    INDEX_ALLOW_SOME_NULLS,
    INDEX_DISALLOW_TRUNCATION,
    INDEX_MULTIVALUED,
    INDEX_NO_NULL_SEGMENT,
    INDEX_SORT_NULLS_HIGH,
    NULLS_ALL,
    NULLS_FIRST,
    NULLS_SOME,
    KeyDefinition,
    Segment,
    TupleLimits,
    build_key,
    index_flags,
    record_keys,
)

ALL_NULLS = INDEX_ALLOW_ALL_NULLS | INDEX_ALLOW_FIRST_NULL | INDEX_ALLOW_SOME_NULLS
INTEGERS = {2: "B", 3: "h", 4: "i", 5: "q", 14: "I", 15: "q", 17: "H", 18: "Q"}


def lines(path: Any) -> Iterator[Any]:
    with path.open() as source:
        yield from map(json.loads, source)


def stored(coltyp: int, value: Any) -> bytes:
    """The bytes of a value of a dump; a value given by its hash only is an error."""
    if coltyp == 1:
        return b"\xff" if value else b"\0"
    if coltyp in INTEGERS:
        return struct.pack("<" + INTEGERS[coltyp], value)
    if isinstance(value, dict):
        raise LookupError
    return bytes.fromhex(value)


def definition_of(row: dict[str, Any], columns: dict[int, dict[str, Any]]) -> KeyDefinition:
    """The key definition that a row of MSysObjects describes."""
    segments = []
    raw = bytes.fromhex(row["KeyFldIDs"])
    for flags, fid in struct.iter_unpack("<BxH", raw):
        column = columns[fid | (0x80000000 if flags & 0x80 else 0)]
        segments.append(
            Segment(
                fid | (0x80000000 if flags & 0x80 else 0),
                column["coltyp"],
                column["cp"],
                fid < 128,
                bool(flags & 0x40),
                bool(int(column["grbit"], 16) & 0x400),
            )
        )
    conditions = [
        (fid | (0x80000000 if flags & 0x80 else 0), bool(flags & 0x20))
        for flags, fid in struct.iter_unpack("<BxH", bytes.fromhex(row.get("ConditionalColumns", "")))
    ]
    limits = bytes.fromhex(row.get("TupleLimits", ""))
    return KeyDefinition(
        tuple(segments),
        row["Flags"] & 0xFFFFFFFF,
        row.get("KeyMost") or 255,
        struct.unpack("<H", bytes.fromhex(row["VarSegMac"]))[0] if "VarSegMac" in row else 0,
        tuple(conditions),
        TupleLimits(*struct.unpack("<5I", limits)) if limits else None,
    )


def check_entries(dump: Any, entries: Any) -> tuple[int, int]:
    """Recompute the index entries of every row of a dump; the number of entries compared and of indexes."""
    headers: dict[str, Any] = {}
    rows: dict[str, list[Any]] = defaultdict(list)
    for line in lines(dump):
        if "table" in line:
            headers[line["table"]] = line
        elif "r" in line:
            rows[line["t"]].append(line)
    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for line in lines(entries):
        if "k" in line:
            found[line["t"], line["ix"]][line["bm"]].append(line["k"])
    names = {r["r"]["ObjidTable"]: bytes.fromhex(r["r"]["Name"]).decode() for r in rows["MSysObjects"] if r["r"]["Type"] == 1}
    compared = indexes = 0
    for entry in rows["MSysObjects"]:
        row = entry["r"]
        table = names.get(row["ObjidTable"], "")
        if row["Type"] != 3 or table not in headers:
            continue
        columns = {column["id"]: column for column in headers[table]["columns"]}
        definition = definition_of(row, columns)
        if any(columns[s.column]["cp"] == 1200 and s.coltyp in (10, 12) for s in definition.segments):
            continue
        primary = bool(row["Flags"] & 0x20)
        name = bytes.fromhex(row["Name"]).decode()
        indexes += 1
        for record in rows[table]:
            values = record["r"]

            def instances(column: int, columns: Any = columns, values: Any = values) -> list[bytes]:
                about = columns[column]
                value = values.get(about["name"])
                if value is None:
                    return []
                return [stored(about["coltyp"], v) for v in (value if isinstance(value, list) else [value])]

            try:
                keys = [key.hex() for key in record_keys(definition, instances)]
            except LookupError:
                continue
            if primary:
                assert keys == [record["bm"]], (table, name)
            else:
                assert sorted(keys) == found[table, name][record["bm"]], (table, name, record["bm"])
            compared += len(keys)
    return compared, indexes


@pytest.mark.fixtures
@pytest.mark.parametrize(("name", "least"), [("clean-4k", 3000), ("clean-8k", 3000), ("clean-16k", 3000), ("clean-32k", 2500)])
def test_engine_entries(fixtures: Any, name: str, least: int) -> None:
    dump = fixtures.path(f"engine/{name}/dump-full.jsonl")
    compared, indexes = check_entries(dump, dump)
    assert compared > least
    assert indexes > 30


@pytest.mark.fixtures
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("types/index.edb", 150),
        ("types/Current.mdb", 600),
        ("types/SRUDB.dat", 500),
        ("types/multi.edb", 150),
        ("catalog/Catalog1.edb", 300),
        ("srum-win10/SRUDB.dat", 6000),
        ("srum-win10-logs-25-32/SRUDB.dat", 3000),
        ("ual-hyperv/SystemIdentity.mdb", 200),
    ],
)
def test_windows_entries(fixtures: Any, name: str, least: int) -> None:
    compared, _ = check_entries(fixtures.path(f"windows/{name}.dump.jsonl"), fixtures.path(f"windows/{name}.keys.jsonl"))
    assert compared > least


def key(coltyp: int, value: bytes | None, **options: Any) -> bytes:
    """The key of one value in an index of one segment."""
    segment = {name: options.pop(name) for name in ("code_page", "fixed", "descending") if name in options}
    return build_key(KeyDefinition((Segment(1, coltyp, **segment),), **options), [value])[0]


def test_prefixes() -> None:
    assert key(10, None) == b"\x00"
    assert key(10, None, flags=INDEX_SORT_NULLS_HIGH) == b"\xc0"
    assert key(10, b"") == b"\x40"
    assert key(10, b"", descending=True) == b"\xbf"
    assert key(4, struct.pack("<i", -2)) == bytes.fromhex("7f7ffffffe")
    assert key(16, bytes(range(16))) == bytes.fromhex("7f0a0b0c0d0e0f080906070405" + "00010203")
    assert key(16, bytes(range(16)), flags=0x20000) == bytes.fromhex("7f0302010005040706" + "08090a0b0c0d0e0f")


def test_text_of_1252() -> None:
    assert key(10, b"abc\xe9Z") == b"\x7fABC\xe9Z\0"
    assert key(10, b"ab\0cd") == b"\x7fAB\0"
    # cut: the last byte has 32 taken off whatever it is
    assert key(10, b"abcdefgh", key_most=5) == b"\x7fABC" + b"D"
    assert key(10, b"ABCDEFGH", key_most=5) == b"\x7fABC" + bytes([ord("D") - 32])
    assert key(10, b"abc\0efgh", key_most=5) == b"\x7fABC\0"
    assert len(key(10, b"q" * 300)) == 255


def test_binary_groups() -> None:
    assert key(9, b"12345678") == b"\x7f12345678\x08"
    assert key(9, b"123456789") == b"\x7f12345678\x099\0\0\0\0\0\0\0\x01"
    assert key(9, b"123456789", key_most=14) == b"\x7f12345678\x099\0\0\0"
    assert key(9, b"123456789", fixed=True) == b"\x7f123456789"
    assert key(9, b"x" * 40, var_seg_mac=16) == b"\x7fxxxxxxxx\x09xxxxxx"


def test_cut_by_the_segment_limit_leaves_room_for_the_next() -> None:
    two = (Segment(1, 9), Segment(2, 3))
    data, nulls, cut = build_key(KeyDefinition(two, var_seg_mac=10), [b"y" * 30, b"\x01\x00"])
    assert data == b"\x7fyyyyyyyy\x09" + b"\x7f\x80\x01"
    assert (nulls, cut) == (0, False)
    data, _, cut = build_key(KeyDefinition(two, key_most=255), [b"y" * 255, b"\x01\x00"])
    assert cut
    assert len(data) == 255


def test_nulls_are_classified_behind_a_cut() -> None:
    segments = (Segment(1, 10), Segment(2, 4), Segment(3, 4))
    _, nulls, cut = build_key(KeyDefinition(segments), [b"z" * 300, None, b"\0\0\0\0"])
    assert (nulls, cut) == (NULLS_SOME, True)
    assert build_key(KeyDefinition(segments), [None, None, None])[1] == NULLS_ALL
    assert build_key(KeyDefinition(segments), [None, b"\0\0\0\0", None])[1] == NULLS_FIRST


@pytest.mark.parametrize(
    ("grbit", "values", "expected"),
    [
        (0, [None, None], 1),
        (0x8, [None, None], 0),
        (0x8, [None, b"x"], 1),
        (0x40, [None, b"x"], 0),
        (0x40, [b"x", None], 1),
        (0x20, [b"x", None], 0),
        (0x20, [b"x", b"y"], 1),
    ],
)
def test_which_nulls_are_indexed(grbit: int, values: list[bytes | None], expected: int) -> None:
    definition = KeyDefinition((Segment(0, 10), Segment(1, 10)), index_flags(grbit))
    assert len(record_keys(definition, lambda c: [] if values[c] is None else [values[c] or b""])) == expected


def test_refusals() -> None:
    with pytest.raises(JetError) as caught:
        record_keys(KeyDefinition((Segment(0, 10),), INDEX_NO_NULL_SEGMENT), lambda c: [])
    assert caught.value.code == codes.JET_errNullKeyDisallowed
    with pytest.raises(JetError) as caught:
        record_keys(KeyDefinition((Segment(0, 10),), ALL_NULLS | INDEX_DISALLOW_TRUNCATION), lambda c: [b"k" * 300])
    assert caught.value.code == codes.JET_errKeyTruncated
    with pytest.raises(JetError) as caught:
        key(4, b"\0")
    assert caught.value.code == codes.JET_errInvalidBufferSize
    with pytest.raises(JetError) as caught:
        key(10, "é".encode("utf-16-le"), code_page=1200)
    assert caught.value.code == codes.JET_errUnicodeNormalizationNotSupported
    with pytest.raises(JetError) as caught:
        key(13, b"x")
    assert caught.value.code == codes.JET_errInvalidColumnType


def test_multi_valued_segments() -> None:
    a, b = Segment(0, 2, multi_valued=True), Segment(1, 2, multi_valued=True)
    values = [[b"\1", b"\2", b"\1"], [b"\7", b"\x08"]]

    def keys(flags: int) -> list[str]:
        return [k.hex() for k in record_keys(KeyDefinition((a, b), ALL_NULLS | INDEX_MULTIVALUED | flags), lambda c: values[c])]

    assert keys(0) == ["7f017f07", "7f027f07"]
    assert keys(0x2000) == ["7f017f07", "7f017f08", "7f027f07", "7f027f08"]
    assert keys(0x8000) == ["7f017f07", "7f027f08", "7f0100"]


def test_tuples_and_conditions() -> None:
    definition = KeyDefinition((Segment(0, 10),), ALL_NULLS, tuples=TupleLimits(3, 4, 2), conditions=((1, True),))
    values = {0: [b"hello"], 1: []}
    assert record_keys(definition, lambda c: values[c]) == [b"\x7fHELL\0", b"\x7fELLO\0"]
    values[1] = [b"set"]
    assert record_keys(definition, lambda c: values[c]) == []
    short = KeyDefinition((Segment(0, 10),), ALL_NULLS, tuples=TupleLimits())
    assert record_keys(short, lambda c: [b"hi"]) == []


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=2, max_size=2))
def test_order_of_integers(pair: list[int]) -> None:
    first, second = (key(4, struct.pack("<i", value)) for value in pair)
    assert (first < second) == (pair[0] < pair[1])


@given(st.lists(st.floats(allow_nan=False).map(lambda f: f + 0.0), min_size=2, max_size=2))
def test_order_of_floats(pair: list[float]) -> None:
    first, second = (key(7, struct.pack("<d", value)) for value in pair)
    assert (first < second) == (pair[0] < pair[1])


@given(st.lists(st.binary(max_size=40), min_size=2, max_size=2))
def test_order_of_binary(pair: list[bytes]) -> None:
    first, second = (key(9, value) for value in pair)
    assert (first < second) == (pair[0] < pair[1])
    assert (first == second) == (pair[0] == pair[1])
    first, second = (key(9, value, descending=True) for value in pair)
    assert (first > second) == (pair[0] < pair[1])
