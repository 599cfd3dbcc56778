"""Batches as rows of plain values, for the formats that are written row by row.

| value          | JSON lines                             | CSV               | SQLite                                    |
|----------------|----------------------------------------|-------------------|-------------------------------------------|
| Bit            | true, false                            | true, false       | 1, 0                                      |
| integers       | number                                 | digits            | INTEGER; above 2^63 - 1 the digits as TEXT |
| IEEE           | number; "NaN", "Infinity", "-Infinity" | the same          | REAL; "NaN" as TEXT; no minus zero        |
| Currency       | string with four decimals              | the same          | the same, TEXT                            |
| DateTime       | string, ISO 8601, without a zone       | the same          | the same, TEXT                            |
| GUID           | string                                 | the same          | the same, TEXT                            |
| Text           | string                                 | text              | TEXT                                      |
| Binary         | string of hexadecimal digits           | the same          | BLOB                                      |
| several values | array                                  | the array as JSON | the array as JSON, TEXT                   |
| NULL           | null                                   | see the option    | NULL                                      |

Odd values of a row (`records/columnar.py`) are an array of {"column", "number", "stored" or "error"}.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from typing import Any

from esent.records.column_values import python_values
from esent.records.columnar import ColumnBatch
from esent.records.columns import INHERENT_SIZE, TEXT_TYPES, Coltyp, Column

Plain = Callable[[Any], Any]
_INTEGER_MOST = 2**63 - 1


def _float(value: float) -> Any:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def json_value(column: Column) -> Plain | None:
    """What makes a single value of a column fit for JSON; None where it is already."""
    if column.coltyp in (Coltyp.IEEE_SINGLE, Coltyp.IEEE_DOUBLE):
        return _float
    if column.coltyp == Coltyp.DATE_TIME:
        return lambda value: value.isoformat()
    if column.coltyp in (Coltyp.CURRENCY, Coltyp.GUID):
        return str
    if column.coltyp in INHERENT_SIZE or column.coltyp in TEXT_TYPES:
        return None
    return lambda value: value.hex()


def _json_column(column: Column) -> Plain | None:
    """What makes a value of a column, several included, fit for JSON."""
    single = json_value(column)
    if single is None or not column.is_multivalued:
        return single
    return lambda values: [None if each is None else single(each) for each in values]


def _csv_column(column: Column) -> Plain | None:
    if column.is_multivalued:
        several = _json_column(column)
        return lambda values: json_text(several(values) if several else values)
    if column.coltyp == Coltyp.BIT:
        return lambda value: "true" if value else "false"
    return json_value(column)


def _sqlite_column(column: Column) -> Plain | None:
    if column.is_multivalued:
        return _csv_column(column)
    if column.coltyp == Coltyp.BIT:
        return int
    if column.coltyp == Coltyp.UNSIGNED_LONG_LONG:
        return lambda value: value if value <= _INTEGER_MOST else str(value)
    if column.coltyp in (Coltyp.IEEE_SINGLE, Coltyp.IEEE_DOUBLE):
        return lambda value: "NaN" if math.isnan(value) else value
    if column.coltyp in INHERENT_SIZE:
        return json_value(column)
    return None  # text and bytes


MAKERS: dict[str, Callable[[Column], Plain | None]] = {
    "jsonl": _json_column,
    "csv": _csv_column,
    "sqlite": _sqlite_column,
}


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def rows(
    form: str, columns: Sequence[Column], names: Sequence[str], batch: ColumnBatch, chosen: list[bool] | None
) -> Iterator[tuple[tuple[Any, ...], list[dict[str, Any]] | None]]:
    """The chosen rows of a batch as values for the format `form`, and the odd values of each."""
    make = MAKERS[form]
    lists: list[list[Any]] = []
    for column, buffers in zip(columns, batch.columns, strict=True):
        values = python_values(column, buffers)
        maker = make(column)
        lists.append(values if maker is None else [None if value is None else maker(value) for value in values])
    odd: list[list[dict[str, Any]] | None] = [None] * batch.rows
    for each in batch.odd:
        about: dict[str, Any] = {"column": names[each.column], "number": each.number}
        if each.stored is None:
            about["error"] = each.code
        else:
            about["stored"] = each.stored.hex()
        odd[each.row] = [*(odd[each.row] or ()), about]
    values_of_rows = zip(*lists, strict=True) if lists else iter([()] * batch.rows)
    pairs = zip(values_of_rows, odd, strict=True)
    return pairs if chosen is None else compress(pairs, chosen)
