"""Makes `src/esent/records/sort_weights.bin`, the weights by which Windows sorts Unicode text, from what is published of them.

    python scripts/make_sort_weights.py SORTDEFAULT_NLS INDEX_CODES_DIR [OUTPUT]

SORTDEFAULT_NLS: the numbers of Microsoft's "Windows 10 Sorting Weight Table" ([MS-UCODEREF] 3.1.5.2.3.1, whose notice lets
implementers copy and distribute them) in the container that Windows reads them from, `sortdefault.nls`. Debian's package
`libwine` has one that was converted from that table; its default weights were compared with the list in `dissect.database`
(Apache-2.0), converted by others: every weight that both have is the same.

INDEX_CODES_DIR: a folder with `index_codes_gen.txt` and `index_codes_ext_gen.txt` of Jackcess (Apache-2.0), index keys of
single characters under the weights of Windows Server 2008, as measured. A weight that is the same there and in Windows 10 is
taken for that of the versions between.

Layout of sortdefault.nls (little-endian): u32 offsets of the sections sort keys, case maps, character types, sort ids.

| section   | content                                                                                                     |
|-----------|-------------------------------------------------------------------------------------------------------------|
| sort keys | u32 a code unit: primary, script, diacritic, case; then for the exception tables 256 u32 row numbers, and rows |
| sort ids  | u32 version, n; n x (GUID, u32 flags, contractions, exceptions, linguistic exceptions, case map)             |
|           | u32 n; n x 2 u16: expansions; an expanding code unit has its number in the place of diacritic and case       |
|           | u32 n; n x (u32 offset, u16 least, u16 largest code unit, 8 x u16 count by length 2..9); the u16 units, u32 |

What is made: see `esent.records.sort_orders`.
"""

from __future__ import annotations

import struct
import sys
import uuid
import zlib
from pathlib import Path
from typing import NamedTuple

from esent.records import sort_orders as orders

UNITS = 0x10000
SURROGATES = range(0xD800, 0xE000)
# What they order is a permutation of some 25,000 ideographs each; room for the more common ones only.
LEFT_OUT = (0x38, 0x39, 0x4B)
# Index keys of Access expand these two everywhere, which Windows does in one order of German only.
EXPANDED_BY_ACCESS = (0xDC, 0xFC)


class Weights(NamedTuple):
    script: int
    primary: int
    diacritic: int
    case: int


class Order(NamedTuple):
    number: int
    flags: int
    exceptions: dict[int, Weights]
    linguistic: dict[int, Weights]
    contractions: dict[tuple[int, ...], Weights]


def _weights(value: int) -> Weights:
    return Weights(value >> 8 & 0xFF, value & 0xFF, value >> 16 & 0xFF, value >> 24)


class SortDefault:
    """What a sortdefault.nls says."""

    def __init__(self, data: bytes) -> None:
        keys, cases, _, ids = struct.unpack_from("<4I", data)
        self._keys = struct.unpack_from(f"<{(cases - keys) // 4}I", data, keys)
        self.default = [_weights(value) for value in self._keys[:UNITS]]
        self.version, count = struct.unpack_from("<2I", data, ids)
        at = ids + 8
        sorts = [
            (uuid.UUID(bytes_le=data[at + 36 * i :][:16]), *struct.unpack_from("<4I", data, at + 36 * i + 16))
            for i in range(count)
        ]
        at += 36 * count
        (count,) = struct.unpack_from("<I", data, at)
        self.expansions = [struct.unpack_from("<2H", data, at + 4 + 4 * i) for i in range(count)]
        at += 4 + 4 * count
        (count,) = struct.unpack_from("<I", data, at)
        heads = [struct.unpack_from("<I2x2x8H", data, at + 4 + 24 * i) for i in range(count)]
        tables = [self._contractions(data, at + 4 + 24 * count + 2 * offset, counts) for offset, *counts in heads]
        self.orders = [
            Order(
                guid.fields[0],
                flags,
                self._exceptions(exceptions),
                self._exceptions(linguistic),
                tables[table] if table < len(tables) else {},
            )
            for guid, flags, table, exceptions, linguistic in sorts
        ]

    def _contractions(self, data: bytes, at: int, counts: list[int]) -> dict[tuple[int, ...], Weights]:
        found = {}
        for length, count in enumerate(counts, 2):
            size = 2 * (length + length % 2) + 4
            for _ in range(count):
                found[struct.unpack_from(f"<{length}H", data, at)] = _weights(struct.unpack_from("<I", data, at + size - 4)[0])
                at += size
        return found

    def _exceptions(self, table: int) -> dict[int, Weights]:
        if not table:
            return {}
        keys = self._keys
        units = {unit: _weights(keys[keys[table + (unit >> 8)] + (unit & 0xFF)]) for unit in range(UNITS)}
        return {unit: weights for unit, weights in units.items() if weights != self.default[unit]}

    def expanded(self, weights: Weights) -> list[Weights]:
        """The weights of an expanding code unit."""
        first, second = (self.default[unit] for unit in self.expansions[weights.diacritic | weights.case << 8])
        return [first, *(self.expanded(second) if second.script == orders.EXPANSION else [second])]


def _hexadecimal(text: str) -> bytes:
    return bytes.fromhex(text if len(text) % 2 == 0 else "0" + text)


def _same_as_measured(table: SortDefault, unit: int, measured: str) -> bool:
    """Whether a code unit had the weights of now: `measured` is the kind, the key, the second key, a mark of small kana."""
    weights = table.default[unit]
    kind, first, second, *_ = (measured[0], *measured[1:].split(","), "", "")
    key = _hexadecimal(first)
    if weights.script == orders.UNSORTABLE:
        return kind == "X"
    if weights.script == orders.NONSPACE:
        return kind == "P" and key == bytes((weights.diacritic,))
    if weights.script == orders.PUNCTUATION:
        return kind == "U" and key == bytes((weights.primary,)) and weights.diacritic == 2
    if weights.script == orders.IDEOGRAPH:
        return kind == "S" and key == bytes((0xFD, 0xFF, weights.primary, weights.diacritic))
    if weights.script == orders.KANA_SPECIAL:
        small = not weights.case & orders.CASE_FULL_SIZE
        own = _hexadecimal(second) or b"\2"
        return (
            kind == "Z"
            and key[1] == weights.primary > 1
            and own == bytes((weights.diacritic,))
            and small == measured.endswith(",1")
        )
    if weights.script == orders.JAMO:
        return False
    parts = table.expanded(weights) if weights.script == orders.EXPANSION else [weights]
    if key != b"".join(bytes((part.script, part.primary)) for part in parts):
        return False
    diacritics = bytes(part.diacritic for part in parts)
    if kind == "S":
        return not diacritics.strip(b"\2")
    return kind == "I" and _hexadecimal(second) == diacritics.rstrip(b"\2")


def unchanged_units(table: SortDefault, folder: Path) -> bytes:
    """A bit a code unit: set where Windows Server 2008 had the same weights as the table."""
    measured = [
        line
        for name in ("index_codes_gen.txt", "index_codes_ext_gen.txt")
        for line in (folder / name).read_text().split("\n")
        if line
    ]
    units = [unit for unit in range(UNITS) if unit not in SURROGATES]
    assert len(measured) == len(units), f"{len(measured)} measured code units"
    same = {unit for unit, line in zip(units, measured, strict=True) if _same_as_measured(table, unit, line)}
    # Jackcess computes the keys of surrogates: a number from their place, 254 to a first byte, under one diacritic weight.
    for unit in SURROGATES:
        place = unit - 10238 if unit < 0xDC00 else unit - 9992 + 2 * min((unit % 0x400 + 246) // 254, 4)
        weights = table.default[unit]
        if (weights.script << 8 | weights.primary, weights.diacritic) == (place, 0x3F):
            same.add(unit)
    same.update(EXPANDED_BY_ACCESS)
    bits = bytearray(UNITS // 8)
    for unit in same:
        bits[unit >> 3] |= 1 << (unit & 7)
    return bytes(bits)


def _planes(units: dict[int, Weights]) -> bytes:
    ordered = sorted(units.items(), key=lambda item: (item[1], item[0]))
    codes = b"".join(bytes(unit >> shift & 0xFF for unit, _ in ordered) for shift in (8, 0))
    return (
        struct.pack("<I", len(units)) + codes + b"".join(bytes(column) for column in zip(*(w for _, w in ordered), strict=True))
    )


def _order(order: Order) -> bytes:
    flags = 0
    for bit, flag in ((0x01, orders.THREE_BYTES), (0x10, orders.REVERSED), (0x20, orders.DOUBLED), (0x40, orders.INVERSE_CASE)):
        if order.flags & bit:
            flags |= flag
    exceptions, contractions = order.exceptions, order.contractions
    refused = Weights(orders.REFUSED, 0, 0, 0)
    if order.number in LEFT_OUT:
        exceptions = dict.fromkeys(exceptions, refused)
    if len(contractions) > 200 and any(units[0] in SURROGATES for units in contractions):
        # ideographs beyond the basic plane, tens of thousands; their first halves are refused
        starts = {units[0] for units in contractions if units[0] in SURROGATES}
        exceptions = exceptions | dict.fromkeys(starts, refused)
        contractions = {units: weights for units, weights in contractions.items() if units[0] not in SURROGATES}
    parts = [bytes((flags,)), _planes(exceptions), _planes(order.linguistic), struct.pack("<I", len(contractions))]
    parts += [
        bytes((len(units),)) + struct.pack(f"<{len(units)}H", *units) + bytes(w) for units, w in sorted(contractions.items())
    ]
    return b"".join(parts)


def made(table: SortDefault, folder: Path) -> bytes:
    """The content of the package's data file."""
    sections = {
        orders.SECTION_DEFAULT: b"".join(bytes(column) for column in zip(*table.default, strict=True)),
        orders.SECTION_UNCHANGED: unchanged_units(table, folder),
        orders.SECTION_EXPANSIONS: b"".join(struct.pack("<2H", *units) for units in table.expansions),
    }
    sections |= {order.number: _order(order) for order in table.orders}
    directory, body = b"", b""
    for number, content in sections.items():
        packed = zlib.compress(content, 9)
        directory += struct.pack("<3I", number, len(body), len(packed))
        body += packed
    return struct.pack("<4s2I", orders.MAGIC, table.version, len(sections)) + directory + body


def main(arguments: list[str]) -> int:
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    output = Path(arguments[2]) if len(arguments) == 3 else Path(orders.__file__).with_name(orders.FILE_NAME)
    content = made(SortDefault(Path(arguments[0]).read_bytes()), Path(arguments[1]))
    output.write_bytes(content)
    print(f"{output}: {len(content)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
