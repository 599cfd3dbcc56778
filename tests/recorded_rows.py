"""Values that were exported, as the recorded dumps show them."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import json
import struct
import uuid
from typing import Any

from genuine import Fixtures

Recorded = dict[str, tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]]


def recorded(fixtures: Fixtures, name: str) -> Recorded:
    """By table: the definitions of its columns, and its rows; values that cannot be read are left out."""
    found: Recorded = {}
    for line in map(json.loads, fixtures.read(name).splitlines()):
        if "columns" in line:
            found[line["table"]] = ({each["name"]: each for each in line["columns"]}, [])
        elif "r" in line:
            found[line["t"]][1].append(line["r"])
    return found


def _bytes(coltyp: int, code_page: int, value: Any) -> bytes:
    if coltyp in (10, 12):
        return value.encode("utf-16-le") if code_page == 1200 else _western(value)
    if coltyp == 6:
        return struct.pack("<f", float(value))
    if coltyp == 7:
        return struct.pack("<d", float(value))
    if coltyp == 16:
        return uuid.UUID(str(value)).bytes_le
    return bytes(value) if isinstance(value, bytes | bytearray) else bytes.fromhex(value)


def _western(value: str) -> bytes:
    return b"".join(bytes([ord(each)]) if "\x80" <= each <= "\x9f" else each.encode("cp1252") for each in value)


def _same(about: dict[str, Any], value: Any, wanted: Any, signed_zero: bool) -> bool:
    coltyp = about["coltyp"]
    if not signed_zero and coltyp in (6, 7) and float(value) == 0:
        return set(wanted) <= {"0", "8"}
    if coltyp == 1:
        return bool(value) is wanted or value == str(wanted).lower()
    if coltyp in (2, 3, 4, 14, 15, 17, 18):
        return bool(int(value) == wanted)
    if coltyp == 5:
        return bool(decimal.Decimal(value) * 10000 == wanted)
    if coltyp == 8:
        (days,) = struct.unpack("<d", bytes.fromhex(wanted))
        moment = value if isinstance(value, datetime.datetime) else datetime.datetime.fromisoformat(value)
        return bool(abs((moment - datetime.datetime(1899, 12, 30)) / datetime.timedelta(days=1) - days) < 1e-10)
    data = _bytes(coltyp, about["cp"], value)
    shown = data.hex() if len(data) <= 128 else {"len": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return bool(shown == wanted)


def assert_same_row(
    columns: dict[str, dict[str, Any]], row: dict[str, Any], wanted: dict[str, Any], *, signed_zero: bool = True
) -> None:
    """`row` has the recorded values, and NULL where none is. Numbers, dates, bytes may be text, as formats have them."""
    assert set(row) == set(columns)
    for name, value in row.items():
        if value is None:
            assert name not in wanted, name
            continue
        recorded_value = wanted[name]
        if isinstance(recorded_value, list):
            several = json.loads(value) if isinstance(value, str) else value
            assert len(several) == len(recorded_value), name
            assert all(
                _same(columns[name], one, each, signed_zero) for one, each in zip(several, recorded_value, strict=True)
            ), name
        else:
            assert _same(columns[name], value, recorded_value, signed_zero), (name, value, recorded_value)
