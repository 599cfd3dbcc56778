# cython: annotation_typing=False
# What a caller gives may be of any type; compiled code would answer a wrong one with TypeError.
"""Rows: records as mappings of column names to Python values, and Python values as what columns store."""

from __future__ import annotations

import datetime
import decimal
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from esent.api.columns import ColumnType
from esent.api.long_values import LongValueStream
from esent.catalog.objects import Index, Table
from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.records.columns import Coltyp, Column
from esent.records.decode import RecordPlan, Separated
from esent.records.encode import value_bytes
from esent.records.layout import SMALL_PAGE_MAX
from esent.records.tuples import Resolve, TupleReader
from esent.records.values import rich_converter

_BYTES = frozenset({Coltyp.BINARY, Coltyp.LONG_BINARY, Coltyp.SLV})
NOT_PLAIN = (JetError, Separated, list)


class ReadLongValue(Protocol):
    """Separated values by the ids that records have."""

    def __call__(self, lid: bytes, /) -> bytes: ...

    def chunks(self, lid: bytes) -> Iterator[bytes]:
        """The bytes of a value part by part."""
        ...


def to_bytes(column: Column, value: Any) -> bytes:
    """A Python value as a column stores it. JET_errColumnTooBig, JET_errInvalidColumnType, JET_errInvalidParameter."""
    if column.coltyp == Coltyp.CURRENCY and isinstance(value, int | decimal.Decimal):
        scaled = decimal.Decimal(value).scaleb(4)
        if not scaled.is_finite() or scaled != scaled.to_integral_value():
            raise jet_error(codes.JET_errInvalidColumnType, f"column {column.name} takes four decimals, not {value}")
        value = int(scaled)
    if column.coltyp == Coltyp.DATE_TIME and isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time())
    if isinstance(value, bytes | bytearray | memoryview) and column.coltyp not in _BYTES:
        raise _refused(column, value)
    try:
        data = value_bytes(column.coltyp, column.code_page, value)
    except JetError as problem:
        if problem.code == codes.JET_errInvalidColumnType:
            raise _refused(column, value) from problem
        raise jet_error(problem.code, f"column {column.name}: {problem.message}") from problem
    if column.max_size and len(data) > column.max_size:
        raise jet_error(codes.JET_errColumnTooBig, f"{len(data)} bytes for column {column.name}, which takes {column.max_size}")
    return data


def _refused(column: Column, value: object) -> JetError:
    kind = ColumnType.of(column).__class__.__name__
    what = f"{value!r:.100}" if isinstance(value, int | float) else f"a value of type {type(value).__name__}"
    return jet_error(codes.JET_errInvalidColumnType, f"column {column.name} of type {kind} does not take {what}")


class Row(Mapping[str, Any]):
    """A row as it was when it was read. Its columns are items and, where the name is free, attributes; NULL is None, of a
    multi-valued column the empty list. Of a file that is open for reading only, long values are read when they are asked for.

    `bookmark` says which row of the table it is.
    """

    __slots__ = ("_layout", "_read", "_record", "_values", "bookmark")

    def __init__(self, layout: Layout, values: Sequence[Any], bookmark: bytes, record: bytes, read: ReadLongValue) -> None:
        self._layout = layout
        self._values = values
        self._record = record
        self._read = read
        self.bookmark = bookmark

    def __getitem__(self, name: str) -> Any:
        place = self._layout.places[name]
        value = self._values[place]
        if isinstance(value, NOT_PLAIN):
            if isinstance(value, JetError):
                raise value
            value = self._layout.whole(place, value, self._read)
            # what was read once stays
            self._values = [*self._values[:place], value, *self._values[place + 1 :]]
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

    @property
    def raw(self) -> dict[str, bytes | list[bytes] | None]:
        """The bytes of each column as they are stored, decompressed; None for NULL, a list of a multi-valued column.

        Raises what stands in the way of a value.
        """
        return self._layout.raw(self._record, self._read)

    def stream(self, name: str, number: int = 1) -> io.BufferedIOBase:
        """A value of a column (of several the one with this number) as a file to read bytes from.

        A long value of a file that is open for reading only is read as it is asked for, and need not fit into memory.
        JET_errBadItagSequence where there is no such value.
        """
        return self._layout.stream(name, number, self._record, self._read)


class Layout:
    """How the records of one state of a table become rows. For one thread at a time."""

    def __init__(self, table: Table, page_size: int) -> None:
        self.table = table
        self.columns = list(table.columns)
        self.page_size = page_size
        self.places = {column.name: place for place, column in enumerate(self.columns)}
        self._reader: TupleReader | None = None
        self._long = [place for place, column in enumerate(self.columns) if column.is_long_value]
        self._folded: dict[str, Column] | None = None
        self._key_columns: dict[int, tuple[Index, list[Column]]] = {}  # by identity of the index

    @property
    def has_long_values(self) -> bool:
        """Whether values may be in the tree of long values."""
        return bool(self._long)

    def column(self, name: str) -> Column:
        """A column by its name, whatever its case. JET_errColumnNotFound; TypeError for what cannot be a name."""
        if not isinstance(name, str):
            raise TypeError(f"{name!r:.100} is not the name of a column")
        if self._folded is None:
            self._folded = {column.name.upper(): column for column in self.columns}
        found = self._folded.get(name.upper())
        return found if found is not None else self.table.column(name)

    def reader(self, columns: Sequence[Column] | None = None, resolve: Resolve | None = None) -> TupleReader:
        """What makes tuples of records, of all columns or of some."""
        return TupleReader(
            self.columns if columns is None else columns,
            page_size=self.page_size,
            derived=self.table.is_derived,
            rich=True,
            resolve=resolve,
        )

    def row(self, record: bytes, bookmark: bytes, now: ReadLongValue | None, later: ReadLongValue) -> Row:
        """A record as a row. Its long values are read by `now`; without that they stay where they are until somebody asks for
        them, then they are read by `later`."""
        if self._reader is None:
            self._reader = self.reader()
        values: Sequence[Any] = self._reader.read(record)
        if self._long and now is not None:
            values = list(values)
            for place in self._long:
                if isinstance(values[place], NOT_PLAIN) and not isinstance(values[place], JetError):
                    values[place] = self.whole(place, values[place], now)
        return Row(self, values, bookmark, record, later)

    def whole(self, place: int, value: Any, read: ReadLongValue) -> Any:
        """A value, or the list of them, with what is in the tree of long values read."""
        if isinstance(value, list):
            return [self.whole(place, part, read) for part in value]
        if not isinstance(value, Separated):
            return value
        return rich_converter(self.columns[place])(read(value.lid))

    def raw(self, record: bytes, read: ReadLongValue) -> dict[str, bytes | list[bytes] | None]:
        """The stored bytes of a record by column."""
        found = {}
        for column, value in zip(self.columns, self.table.plan(self.page_size).values(record), strict=True):
            found[column.name] = _stored(value, read)
        return found

    def stream(self, name: str, number: int, record: bytes, read: ReadLongValue) -> io.BufferedIOBase:
        """One value of a record as a file."""
        column = self.column(name)
        plan = RecordPlan([column], large_pages=self.page_size > SMALL_PAGE_MAX, derived=self.table.is_derived)
        value = plan.values(record)[0]
        values = value if isinstance(value, list) else [] if value is None else [value]
        if not 1 <= number <= len(values):
            raise jet_error(codes.JET_errBadItagSequence, f"the row has no value {number} in column {name}")
        chosen = values[number - 1]
        if isinstance(chosen, JetError):
            raise chosen
        if isinstance(chosen, Separated):
            return io.BufferedReader(LongValueStream(read.chunks(chosen.lid)))
        return io.BytesIO(chosen)

    def key_columns(self, index: Index) -> list[Column]:
        """The columns of an index, in its order. JET_errIndexCorrupted's kin: one that is gone is JET_errColumnNotFound."""
        known = self._key_columns.get(id(index))
        if known is not None:
            return known[1]
        found = []
        for segment in index.segments:
            column = self.table.segment_column(segment)
            if column is None:
                raise jet_error(codes.JET_errColumnNotFound, f"index {index.name} of table {self.table.name} lacks a column")
            found.append(column)
        self._key_columns[id(index)] = index, found
        return found


def _stored(value: Any, read: ReadLongValue) -> Any:
    if isinstance(value, list):
        return [_stored(part, read) for part in value]
    if isinstance(value, JetError):
        raise value
    return read(value.lid) if isinstance(value, Separated) else value


def as_key(key: Any) -> Sequence[Any]:
    """A key as the values of its columns: a tuple or list of several, anything else is one."""
    return key if isinstance(key, tuple | list) else (key,)


__all__ = ["NOT_PLAIN", "Layout", "ReadLongValue", "Row", "as_key", "to_bytes"]
