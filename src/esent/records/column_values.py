"""Columns of a batch as lists of Python values: what formats that are written row by row need, and conditions on rows.

| kind                      | Python value                                   |
|---------------------------|------------------------------------------------|
| Bit                       | bool                                           |
| integers, IEEE            | int, float                                     |
| Currency                  | decimal.Decimal with four places               |
| DateTime                  | datetime.datetime without a zone               |
| GUID                      | uuid.UUID                                      |
| Text, Binary              | str, bytes                                     |
| a multi-valued column     | a list                                         |

NULL is None.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from esent.records.columnar import (
    KIND_BIT,
    KIND_BYTES,
    KIND_CURRENCY,
    KIND_DATE,
    KIND_GUID,
    KIND_LIST,
    KIND_NUMBER,
    Buffers,
)
from esent.records.columns import Coltyp, Column

_CODES: dict[int, Any] = {
    Coltyp.UNSIGNED_BYTE: "B",
    Coltyp.SHORT: "h",
    Coltyp.UNSIGNED_SHORT: "H",
    Coltyp.LONG: "i",
    Coltyp.UNSIGNED_LONG: "I",
    Coltyp.LONG_LONG: "q",
    Coltyp.UNSIGNED_LONG_LONG: "Q",
    Coltyp.IEEE_SINGLE: "f",
    Coltyp.IEEE_DOUBLE: "d",
}
_EPOCH = datetime.datetime(1970, 1, 1)
_BITS = [tuple(bool(byte >> place & 1) for place in range(8)) for byte in range(256)]


def python_values(column: Column, buffers: Buffers) -> list[Any]:
    """The values of one column of a batch, one a row."""
    if buffers.data is None:
        return [None] * buffers.length
    if buffers.kind == KIND_LIST:
        assert buffers.offsets is not None
        assert buffers.values is not None
        parts = python_values(column, buffers.values)
        found: list[Any] = [parts[low:high] for low, high in pairwise(memoryview(buffers.offsets).cast("I"))]
    else:
        found = _single_values(column, buffers)
    if buffers.validity is None:
        return found
    return [value if valid else None for value, valid in zip(found, _bits(buffers.validity), strict=False)]


def _bits(data: Iterable[int]) -> Iterable[bool]:
    return (bit for byte in data for bit in _BITS[byte])


def _single_values(column: Column, buffers: Buffers) -> list[Any]:
    kind = buffers.kind
    data = memoryview(buffers.data or b"")
    if kind == KIND_BIT:
        return [bit for bit, _ in zip(_bits(data), range(buffers.length), strict=False)]
    if kind == KIND_NUMBER:
        return list(data.cast(_CODES[column.coltyp]))
    if kind == KIND_CURRENCY:
        return [decimal.Decimal(value).scaleb(-4) for value in data.cast("q").tolist()[::2]]
    if kind == KIND_DATE:
        return [_EPOCH + datetime.timedelta(microseconds=value) for value in data.cast("q").tolist()]
    if kind == KIND_GUID:
        return [uuid.UUID(bytes=bytes(data[place : place + 16])) for place in range(0, len(data), 16)]
    assert buffers.offsets is not None
    pairs = pairwise(memoryview(buffers.offsets).cast("I"))
    if kind == KIND_BYTES:
        return [bytes(data[low:high]) for low, high in pairs]
    return [str(data[low:high], "utf-8") for low, high in pairs]
