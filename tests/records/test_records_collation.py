"""Sort keys of Unicode text: those of the characters we know are the ones Windows stored."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from esent.constants import codes
from esent.errors import JetError
from esent.records.collation import ascii_sort_key
from esent.records.keys import KeyDefinition, Segment, build_key


def key(text: str) -> str:
    return ascii_sort_key(text.encode("utf-16-le", "surrogatepass")).hex()


def test_known_keys() -> None:
    assert key("co-op") == "0e0a0e7c0e7c0e7e" + "01010101" + "fffd8212" + "00"
    assert key("It's") == "0e320e990e91" + "01010101" + "fffd8012" + "00"
    assert key("") == "0101010100"
    assert key("a\0b") == key("AB") == "0e020e090101010100"


@pytest.mark.parametrize("text", ["é", "\x01", "\t", "\x7f", "日", "\ud83e\udd8a", "a\u2019s"])
def test_unknown_characters_are_refused(text: str) -> None:
    with pytest.raises(JetError) as caught:
        key(text)
    assert caught.value.code == codes.JET_errUnicodeNormalizationNotSupported


@pytest.mark.fixtures
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("catalog/Catalog1.edb", 900),
        ("ual-hyperv/{03A01CC5-91BB-4936-B685-63697785D39E}.mdb", 50),
        ("types/Current.mdb", 25),
    ],
)
def test_keys_of_windows(fixtures: Any, name: str, least: int) -> None:
    """Indexes whose first segment is Unicode text: the stored keys begin with ours."""
    rows: dict[str, dict[str, Any]] = {}
    headers = {}
    definitions = []
    for text in fixtures.path(f"windows/{name}.dump.jsonl").open():
        line = json.loads(text)
        if "table" in line:
            headers[line["table"]] = line
            rows[line["table"]] = {}
        elif "r" in line:
            rows[line["t"]][line["bm"]] = line["r"]
            if line["t"] == "MSysObjects" and line["r"]["Type"] == 3 and line["r"]["Flags"] & 0x400:
                definitions.append(line["r"])
    names = {row["ObjidTable"]: bytes.fromhex(row["Name"]).decode() for row in rows["MSysObjects"].values() if row["Type"] == 1}
    stored: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for text in fixtures.path(f"windows/{name}.keys.jsonl").open():
        line = json.loads(text)
        if "k" in line:
            stored.setdefault((line["t"], line["ix"]), []).append((line["k"], line["bm"]))
    compared = 0
    for index in definitions:
        table = names[index["ObjidTable"]]
        columns = {column["id"]: column for column in headers[table]["columns"]}
        flags, fid = struct.unpack_from("<BxH", bytes.fromhex(index["KeyFldIDs"]))
        column = columns[fid]
        if column["cp"] != 1200 or flags & 0x40:
            continue
        most = index.get("KeyMost", 255)
        definition = KeyDefinition((Segment(0, column["coltyp"], 1200),), key_most=most, sort_key=ascii_sort_key)
        entries = stored.get((table, bytes.fromhex(index["Name"]).decode()), [])
        if index["Flags"] & 0x20:
            entries = [(bookmark, bookmark) for bookmark in rows[table]]
        for found, bookmark in entries:
            value = rows[table][bookmark].get(column["name"])
            if not isinstance(value, str):
                continue
            try:
                made = build_key(definition, [bytes.fromhex(value)])[0].hex()
            except JetError:
                assert not bytes.fromhex(value).decode("utf-16-le", "surrogatepass").isascii()
                continue
            assert found.startswith(made), bytes.fromhex(value).decode("utf-16-le")
            compared += 1
    assert compared >= least
