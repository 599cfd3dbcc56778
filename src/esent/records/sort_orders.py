"""The sort orders of Windows: which one a language has, and the weights of code units in it, read from the package's data file.

`sort_weights.bin` (made by `scripts/make_sort_weights.py`, which says from what): the weights of NLS sort version 6.3.05.
Little-endian; each section is compressed with zlib and read when it is first needed.

| part           | content                                                                                               |
|----------------|-------------------------------------------------------------------------------------------------------|
| head           | "ESSW", u32 sort version, u32 n; n x (u32 section, u32 offset behind the directory, u32 size)           |
| 0x10000        | default weights: 4 planes of 65536 bytes (script, primary, diacritic, case)                            |
| 0x10001        | a bit a code unit: its weights were the same before (in Windows Server 2008), so also between           |
| 0x10002        | expansions: 2 u16 each; an expanding code unit has its number as diacritic (low byte) and case           |
| a sort's number| u8 flags; planes of the exceptions; planes of the exceptions under linguistic casing; u32 n, contractions |

Planes: u32 n; then n bytes each of code unit (high), code unit (low), script, primary, diacritic, case. A contraction:
u8 length, u16 code units, the four weights. Bits 6 and 7 of a case weight say that a contraction may begin with the code unit.

Scripts below 13 have rules of their own (`esent.records.collation`); REFUSED marks a code unit whose weights are not known.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

MAGIC = b"ESSW"
FILE_NAME = "sort_weights.bin"
SECTION_DEFAULT, SECTION_UNCHANGED, SECTION_EXPANSIONS = 0x10000, 0x10001, 0x10002

UNSORTABLE, NONSPACE, EXPANSION, KANA_SPECIAL, JAMO, IDEOGRAPH, PUNCTUATION = range(7)
REFUSED = 250
CASE_FULL_SIZE = 0x02
CONTRACTION = 0xC0

THREE_BYTES, REVERSED, DOUBLED, INVERSE_CASE = 1, 2, 4, 8

DEFAULT_ORDER = 1
TABLE_VERSION = 0x00060305
SORT_VERSION = TABLE_VERSION << 32 | TABLE_VERSION

_UNITS = 0x10000
_HEAD = struct.Struct("<4s2I")
_ENTRY = struct.Struct("<3I")
_GUID_TAIL = "57ee-1e5c-00b4-d0000bb1e11e"
# The numbers of the sort GUIDs by language ("Sorting\Ids"); a language that is not here has the default order.
_ORDERS = {
    name: number
    for number, names in {
        0x02: "haw", 0x03: "fr oc wo", 0x04: "hu", 0x05: "lv", 0x06: "lv-lv_tradnl", 0x07: "pa-arab sd", 0x08: "tk",
        0x09: "sah", 0x0A: "mk", 0x0B: "kk", 0x0C: "km", 0x0D: "tzm", 0x0E: "co", 0x0F: "br", 0x10: "moh", 0x11: "rm",
        0x12: "arn", 0x13: "hsb", 0x14: "mi", 0x15: "ur", 0x16: "prs ps", 0x17: "ug", 0x18: "sq", 0x19: "bs hr sr",
        0x1A: "fi sv", 0x1B: "se-fi se-se sma smj smn sms", 0x1C: "cs", 0x1D: "pl", 0x1E: "sl", 0x1F: "da kl", 0x20: "nb nn no",
        0x21: "se sma-no smj-no", 0x22: "tr", 0x23: "az", 0x24: "ro", 0x25: "is", 0x26: "hu-hu_technl", 0x27: "et", 0x28: "lt",
        0x29: "sk", 0x2A: "es-es_tradnl", 0x2B: "es quc qut", 0x2C: "cy", 0x2D: "mt", 0x2E: "lo", 0x2F: "th", 0x30: "vi",
        0x31: "as", 0x32: "bn gu hi kn kok ml mr or pa sa si ta te", 0x33: "ne", 0x34: "bo", 0x35: "x-iv_mathan",
        0x36: "ja-jp_radstr", 0x37: "zh-hant zh-hk zh-mo zh-tw", 0x38: "zh-tw_pronun", 0x39: "zh-cn_stroke zh-sg_stroke",
        0x3A: "zh", 0x3B: "zh-hk_radstr zh-mo_radstr zh-tw_radstr", 0x3C: "ti", 0x3D: "ba", 0x3E: "fy", 0x3F: "de-de_phoneb",
        0x40: "uk", 0x41: "fa", 0x43: "tt", 0x44: "syr", 0x45: "dv", 0x46: "ja", 0x47: "ko", 0x48: "ka-ge_modern",
        0x4A: "bg ky mn ru tg uz-cyrl", 0x4B: "zh-cn_phoneb zh-sg_phoneb",
    }.items()
    for name in names.split()
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SortOrder:
    """The weights of code units in one sort order: planes of 65536 bytes, and what stands for several code units at once.

    `contractions` maps code units (UTF-16LE) to script, primary, diacritic and case weight; `flags` THREE_BYTES and the like.
    """

    scripts: bytes
    primaries: bytes
    diacritics: bytes
    cases: bytes
    expansions: tuple[int, ...]
    contractions: dict[bytes, bytes]
    flags: int = 0


def order_number(locale: str) -> int:
    """The number of the sort order that a locale has by its name."""
    name = locale.lower()
    while name:
        found = _ORDERS.get(name)
        if found is not None:
            return found
        name = name[: max(name.rfind("-"), name.rfind("_"), 0)]
    return DEFAULT_ORDER


def sort_id(number: int) -> bytes:
    """The GUID of a sort order as the catalogue keeps it."""
    return uuid.UUID(f"{number:08x}-{_GUID_TAIL}").bytes_le


def number_of(guid: bytes) -> int | None:
    """The number of a sort order by its GUID; None for a GUID that names none."""
    return (
        int.from_bytes(guid[:4], "little") if len(guid) == 16 and guid == sort_id(int.from_bytes(guid[:4], "little")) else None
    )


@lru_cache(maxsize=1)
def _directory() -> tuple[dict[int, tuple[int, int]], bytes]:
    data = Path(__file__).with_name(FILE_NAME).read_bytes()
    _, _, count = _HEAD.unpack_from(data)
    body = _HEAD.size + count * _ENTRY.size
    entries = (_ENTRY.unpack_from(data, _HEAD.size + i * _ENTRY.size) for i in range(count))
    return {section: (body + offset, size) for section, offset, size in entries}, data


def _section(number: int) -> bytes:
    places, data = _directory()
    offset, size = places[number]
    return zlib.decompress(data[offset : offset + size])


@lru_cache(maxsize=1)
def _default() -> SortOrder:
    planes = _section(SECTION_DEFAULT)
    scripts, primaries, diacritics, cases = (planes[i * _UNITS : (i + 1) * _UNITS] for i in range(4))
    expansions = _section(SECTION_EXPANSIONS)
    return SortOrder(scripts, primaries, diacritics, cases, struct.unpack(f"<{len(expansions) // 2}H", expansions), {})


def _planes(content: bytes, at: int) -> tuple[list[int], list[bytes], int]:
    """Code units and their four planes, and where these end."""
    (count,) = struct.unpack_from("<I", content, at)
    high, low, *planes = (content[at + 4 + i * count : at + 4 + (i + 1) * count] for i in range(6))
    return [a << 8 | b for a, b in zip(high, low, strict=True)], planes, at + 4 + 6 * count


@lru_cache(maxsize=8)
def sort_order(number: int, *, linguistic: bool = False) -> SortOrder | None:
    """A sort order of version 6.3.05, None for a number that it does not have; `linguistic`: under linguistic casing."""
    default = _default()
    if number == DEFAULT_ORDER:
        return default
    if number >= SECTION_DEFAULT or number not in _directory()[0]:
        return None
    content = _section(number)
    units, planes, at = _planes(content, 1)
    casing, casing_planes, at = _planes(content, at)
    if linguistic and casing:
        units, planes = casing, casing_planes
    changed = [bytearray(plane) for plane in (default.scripts, default.primaries, default.diacritics, default.cases)]
    for target, plane in zip(changed, planes, strict=True):
        for unit, weight in zip(units, plane, strict=True):
            target[unit] = weight
    (count,) = struct.unpack_from("<I", content, at)
    at += 4
    contractions = {}
    for _ in range(count):
        end = at + 1 + 2 * content[at]
        contractions[content[at + 1 : end]] = content[end : end + 4]
        at = end + 4
    scripts, primaries, diacritics, cases = map(bytes, changed)
    return SortOrder(scripts, primaries, diacritics, cases, default.expansions, contractions, content[0])


@lru_cache(maxsize=8)
def earlier_order(number: int) -> SortOrder | None:
    """What is known of a sort order in the versions between those of Windows Server 2008 and 6.3.05; the rest is REFUSED.

    In the default order: the code units whose weights are the same in both, and the digits of ASCII, whose weights in 6.2 keys
    of Windows show. In another: those of ASCII, as far as 6.3.05 leaves them alone.
    """
    order = sort_order(number)
    if order is None:
        return None
    default = _default()
    if number == DEFAULT_ORDER:
        bits = int.from_bytes(_section(SECTION_UNCHANGED), "little")
        known = bytearray(map(int, reversed(f"{bits:0{_UNITS}b}")))
        known[0x30:0x3A] = b"\1" * 10
    else:
        known = bytearray(_UNITS)
        starts = {units[0] for units in order.contractions if units[1::2].strip(b"\0") == b"" and units[::2].isascii()}
        for unit in range(0x80):
            known[unit] = unit not in starts and _weights(order, unit) == _weights(default, unit)
    scripts = bytes(script if sure else REFUSED for script, sure in zip(order.scripts, known, strict=True))
    return replace(order, scripts=scripts, contractions={})


def _weights(order: SortOrder, unit: int) -> tuple[int, int, int, int]:
    return order.scripts[unit], order.primaries[unit], order.diacritics[unit], order.cases[unit] & ~CONTRACTION


__all__ = ["DEFAULT_ORDER", "SORT_VERSION", "TABLE_VERSION", "SortOrder", "earlier_order", "number_of", "order_number"]
__all__ += ["sort_id", "sort_order"]
