"""Sort keys of Unicode text for the characters of ASCII, as Windows makes them with the flags indexes have by default.

A sort key (`reference/records-and-indexes.md` 5.7): `primary* 01 diacritic* 01 case* 01 [extra] 01 special* 00`. With the
flags 0x30401 (ignore case, kana type and width) there is no case group, and no character of ASCII has a diacritic or extra
weight:

| character             | in the primary group        | in the special group                                             |
|-----------------------|-----------------------------|------------------------------------------------------------------|
| NUL                   |                             |                                                                  |
| letter, digit, symbol | script u8, weight u8        |                                                                  |
| hyphen, apostrophe    |                             | u16 big-endian -(primary bytes / 2) - 1, weight u8, 12             |

The weights are those of the sort versions 6.2 to 6.3, which agree for these characters; 6.1 (Windows 7) gives digits others.
Anything but printable ASCII and NUL is refused: an index with keys that Windows would not make is a damaged one.
"""

from __future__ import annotations

import uuid

from esent.constants import codes
from esent.errors import jet_error

SORT_VERSION = 0x0006020F0006020F
SORT_ID = uuid.UUID("00000001-57ee-1e5c-00b4-d0000bb1e11e")

_SYMBOLS = {
    " ": 0x02, "!": 0x1C, '"': 0x1D, "#": 0x1F, "$": 0x21, "%": 0x23, "&": 0x25, "(": 0x27, ")": 0x2A, "*": 0x2D, ",": 0x2F,
    ".": 0x33, "/": 0x35, ":": 0x37, ";": 0x3A, "?": 0x3C, "@": 0x3E, "[": 0x3F, "\\": 0x41, "]": 0x42, "^": 0x43, "_": 0x44,
    "`": 0x48, "{": 0x4A, "|": 0x4C, "}": 0x4E, "~": 0x50,
}  # fmt: skip
_MATHEMATICAL = {"+": 0x03, "<": 0x0E, "=": 0x12, ">": 0x14}
_DIGITS = dict(zip("0123456789", (0x03, 0x1A, 0x1C, 0x1E, 0x20, 0x22, 0x24, 0x26, 0x28, 0x2A), strict=True))
_LETTERS = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        bytes.fromhex("02 09 0a 1a 21 23 25 2c 32 35 36 48 51 70 7c 7e 89 8a 91 99 9f a2 a4 a6 a7 a9"),
        strict=True,
    )
)
_SPECIAL = {"'": 0x80, "-": 0x82}
_SPECIAL_TAIL = 0x12


def _primary() -> list[bytes | None]:
    """The primary weights by character; None for a character that has none of its own."""
    weights: list[bytes | None] = [None] * 128
    weights[0] = b""
    for script, table in ((7, _SYMBOLS), (8, _MATHEMATICAL), (13, _DIGITS), (14, _LETTERS)):
        for character, weight in table.items():
            weights[ord(character)] = weights[ord(character.upper())] = bytes((script, weight))
    return weights


_PRIMARY = _primary()
_SPECIAL_CODES = {ord(character): weight for character, weight in _SPECIAL.items()}


def ascii_sort_key(text: bytes) -> bytes:
    """The sort key of a text (UTF-16LE, even length).

    JET_errUnicodeNormalizationNotSupported: a character that is neither printable ASCII nor NUL.
    """
    low, high = text[::2], text[1::2]
    if any(high) or not low.isascii():
        raise _refusal(text)
    primary: list[bytes] = []
    special: list[bytes] = []
    count = 0
    for code in low:
        weight = _PRIMARY[code]
        if weight is not None:
            if weight:
                primary.append(weight)
                count += 1
        elif code in _SPECIAL_CODES:
            special.append(((-count - 1) & 0xFFFF).to_bytes(2, "big") + bytes((_SPECIAL_CODES[code], _SPECIAL_TAIL)))
        else:
            raise _refusal(text)
    return b"".join((*primary, b"\1\1\1\1", *special, b"\0"))


def _refusal(text: bytes) -> Exception:
    shown = text.decode("utf-16-le", "backslashreplace")
    return jet_error(codes.JET_errUnicodeNormalizationNotSupported, f"a sort key of {shown!r}: not printable ASCII")
