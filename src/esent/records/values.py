"""Stored bytes to Python values, one converter a column type.

| type                                    | Python value                                                              |
|-----------------------------------------|---------------------------------------------------------------------------|
| Bit                                     | bool                                                                      |
| the integers, Currency                  | int (Currency: ten-thousandths)                                           |
| IEEESingle, IEEEDouble                  | float                                                                     |
| DateTime                                | float: days since 1899-12-30; some programs store a FILETIME instead       |
| GUID                                    | uuid.UUID                                                                 |
| Text, LongText                          | str: UTF-16 where the code page is 1200, else Windows-1252                |
| Binary, LongBinary                      | bytes                                                                     |

Bytes of another length than the type has (the engine does not check what a record holds) are given as they are.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from typing import Any

from esent.records.columns import INHERENT_SIZE, TEXT_TYPES, Coltyp, Column

UNICODE = 1200

_FORMATS: dict[int, str] = {
    Coltyp.UNSIGNED_BYTE: "<B",
    Coltyp.SHORT: "<h",
    Coltyp.UNSIGNED_SHORT: "<H",
    Coltyp.LONG: "<i",
    Coltyp.UNSIGNED_LONG: "<I",
    Coltyp.CURRENCY: "<q",
    Coltyp.LONG_LONG: "<q",
    Coltyp.UNSIGNED_LONG_LONG: "<Q",
    Coltyp.IEEE_SINGLE: "<f",
    Coltyp.IEEE_DOUBLE: "<d",
    Coltyp.DATE_TIME: "<d",
}

# The five bytes that code page 1252 leaves open stand for the control characters of the same number, as Windows has it.
_WESTERN = [bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(256)]


def western_text(data: bytes) -> str:
    """Text of code page 1252; every byte stands for a character."""
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        return "".join([_WESTERN[code] for code in data])


def unicode_text(data: bytes) -> str:
    """UTF-16LE as stored; lone surrogates stay, an odd last byte is left out."""
    return data[: len(data) & ~1].decode("utf-16-le", "surrogatepass")


def converter(column: Column) -> Callable[[bytes], Any]:
    """What turns a stored value of `column` into a Python value."""
    coltyp = column.coltyp
    if coltyp in TEXT_TYPES:
        return unicode_text if column.code_page == UNICODE else western_text
    if coltyp not in INHERENT_SIZE:
        return bytes
    size = INHERENT_SIZE[coltyp]
    decode: Callable[[bytes], Any]
    if coltyp == Coltyp.BIT:
        decode = any
    elif coltyp == Coltyp.GUID:
        decode = _guid
    else:
        unpack = struct.Struct(_FORMATS[coltyp]).unpack
        return lambda data: unpack(data)[0] if len(data) == size else data
    return lambda data: decode(data) if len(data) == size else data


def _guid(data: bytes) -> uuid.UUID:
    return uuid.UUID(bytes_le=data)
