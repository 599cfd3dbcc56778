"""Rows: records as mappings of column names to Python values, and Python values as what columns store."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from esent.catalog.objects import Index, Table
from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.records.columns import Coltyp, Column
from esent.records.decode import Separated
from esent.records.encode import value_bytes
from esent.records.values import converter

_DAY_ZERO = datetime.datetime(1899, 12, 30)
_MICROSECONDS_A_DAY = 86_400_000_000
_TEN_THOUSAND = 10_000

ReadLongValue = Callable[[bytes], bytes | JetError]
"""A separated value by the id its record has."""


def moment(days: Any) -> Any:
    """A stored date as a datetime; what is none (some programs store other things) as it is.

    The fraction counts from midnight forward also before the day zero.
    """
    if not isinstance(days, float):
        return days
    try:
        whole = int(days)
        part = round(abs(days - whole) * _MICROSECONDS_A_DAY)
        return _DAY_ZERO + datetime.timedelta(days=whole, microseconds=part)
    except (OverflowError, ValueError):
        return days


def _amount(value: Any) -> Any:
    return decimal.Decimal(value).scaleb(-4) if isinstance(value, int) else value


def from_bytes(column: Column) -> Callable[[bytes], Any]:
    """What turns a stored value of a column into a Python value."""
    plain = converter(column)
    if column.coltyp == Coltyp.DATE_TIME:
        return lambda data: moment(plain(data))
    if column.coltyp == Coltyp.CURRENCY:
        return lambda data: _amount(plain(data))
    return plain


def to_bytes(column: Column, value: Any) -> bytes:
    """A Python value as a column stores it. JET_errColumnTooBig, JET_errInvalidColumnType, JET_errInvalidParameter."""
    if column.coltyp == Coltyp.CURRENCY and isinstance(value, int | decimal.Decimal):
        scaled = decimal.Decimal(value).scaleb(4)
        if not scaled.is_finite() or scaled != scaled.to_integral_value():
            raise jet_error(codes.JET_errInvalidColumnType, f"column {column.name} takes four decimals, not {value}")
        value = int(scaled)
    if column.coltyp == Coltyp.DATE_TIME and isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time())
    try:
        data = value_bytes(column.coltyp, column.code_page, value)
    except JetError as problem:
        raise jet_error(problem.code, f"column {column.name}: {problem.message}") from problem
    if column.max_size and len(data) > column.max_size:
        raise jet_error(codes.JET_errColumnTooBig, f"{len(data)} bytes for column {column.name}, which takes {column.max_size}")
    return data


class Row(Mapping[str, Any]):
    """A row as it was when it was read. Its columns are items and, where the name is free, attributes; NULL is None, of a
    multi-valued column the empty list.

    `bookmark` says which row of the table it is.
    """

    __slots__ = ("_layout", "_values", "bookmark")

    def __init__(self, layout: Layout, values: list[Any], bookmark: bytes) -> None:
        self._layout = layout
        self._values = values
        self.bookmark = bookmark

    def __getitem__(self, name: str) -> Any:
        value = self._values[self._layout.places[name]]
        if isinstance(value, JetError):
            raise value
        return value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self._layout.places:
            raise AttributeError(f"the row has no column {name!r}")
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._layout.places)

    def __len__(self) -> int:
        return len(self._layout.places)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *self._layout.places})

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in zip(self._layout.places, self._values, strict=True))
        return f"Row({shown})"


class Layout:
    """How the records of one state of a table become rows. For one thread at a time."""

    def __init__(self, table: Table, page_size: int) -> None:
        self.table = table
        self.columns = list(table.columns)
        self.places = {column.name: place for place, column in enumerate(self.columns)}
        self._folded = {column.name.upper(): column for column in self.columns}
        self._plan = table.plan(page_size)
        self._several = [column.is_multivalued for column in self.columns]
        self._converters = [from_bytes(column) for column in self.columns]

    def column(self, name: str) -> Column:
        """A column by its name, whatever its case. JET_errColumnNotFound."""
        found = self._folded.get(name.upper())
        return found if found is not None else self.table.column(name)

    def row(self, record: bytes, bookmark: bytes, read: ReadLongValue) -> Row:
        """A record as a row."""
        converters = self._converters
        values = self._plan.values(record)
        for place, value in enumerate(values):
            if value is None:
                if self._several[place]:
                    values[place] = []
                continue
            if type(value) is bytes:
                values[place] = converters[place](value)
            elif isinstance(value, list):
                values[place] = [_plain(part, converters[place], read) for part in value]
            else:
                values[place] = _plain(value, converters[place], read)
        return Row(self, values, bookmark)

    def key_columns(self, index: Index) -> list[Column]:
        """The columns of an index, in its order. JET_errIndexCorrupted's kin: one that is gone is JET_errColumnNotFound."""
        found = []
        for segment in index.segments:
            column = self.table.segment_column(segment)
            if column is None:
                raise jet_error(codes.JET_errColumnNotFound, f"index {index.name} of table {self.table.name} lacks a column")
            found.append(column)
        return found


def _plain(value: Any, convert: Callable[[bytes], Any], read: ReadLongValue) -> Any:
    if isinstance(value, Separated):
        value = read(value.lid)
    return convert(value) if isinstance(value, bytes) else value


def as_key(key: Any) -> Sequence[Any]:
    """A key as the values of its columns: a tuple or list of several, anything else is one."""
    return key if isinstance(key, tuple | list) else (key,)


__all__ = ["Layout", "Row", "as_key", "from_bytes", "to_bytes"]
