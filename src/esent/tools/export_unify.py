"""One schema for the parts of a Parquet table that come from different databases.

A column of the same name (case apart) in several databases is one column where one type can hold all its values exactly: of
integers the smallest such integer, of IEEE numbers the larger; of lists the same for their values. Where there is none, the
column keeps the type it has in the first database, and what is of another type stands in a column of its own, NAME~TYPE.
Columns that a database has not are NULL. They are in the order of the first database, others behind them, odd values last.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from esent.tools.arrow import ODD, arrow

_SIGNED = ("int8", "int16", "int32", "int64")
_UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
_FLOATING = ("float", "double")


def common_type(one: Any, other: Any) -> Any | None:
    """The type that holds the values of both exactly, None where there is none."""
    pa = arrow()
    if one == other:
        return one
    if pa.types.is_list(one) and pa.types.is_list(other):
        value = common_type(one.value_type, other.value_type)
        return None if value is None else pa.list_(value)
    first, second = str(one), str(other)
    for family in (_SIGNED, _UNSIGNED):
        if first in family and second in family:
            return max(one, other, key=lambda each: each.bit_width)
    if {first, second} == set(_FLOATING):
        return pa.float64()
    if first in _UNSIGNED and second in _SIGNED:
        one, other, first, second = other, one, second, first
    if first in _SIGNED and second in _UNSIGNED and other.bit_width < 64:
        return getattr(pa, f"int{max(one.bit_width, 2 * other.bit_width)}")()
    return None


def _label(kind: Any) -> str:
    """A type in a word."""
    pa = arrow()
    if pa.types.is_list(kind):
        return f"list<{_label(kind.value_type)}>"
    return str(kind.extension_name.rpartition(".")[2] if isinstance(kind, pa.BaseExtensionType) else kind)


class Unified:
    """The common schema of several; `places` tells for each of them, in order, which of its columns each field comes from."""

    def __init__(self, schemas: Iterable[Any]) -> None:
        self._schemas = list(schemas)
        self._fields: list[Any] = []
        self._known: dict[str, list[int]] = {}
        self.places: list[list[int | None]] = []
        found = [[self._place(field) for field in schema] for schema in self._schemas]
        order = sorted(range(len(self._fields)), key=lambda place: self._fields[place].name.startswith(ODD))
        self.schema = arrow().schema([self._fields[place] for place in order], metadata=self._schemas[0].metadata)
        for places in found:
            came_from = {place: number for number, place in enumerate(places)}
            self.places.append([came_from.get(place) for place in order])

    def _place(self, field: Any) -> int:
        """Where a field of one of the schemas belongs in the common one."""
        candidates = self._known.setdefault(field.name.upper(), [])
        for place in candidates:
            common = common_type(self._fields[place].type, field.type)
            if common is not None:
                self._fields[place] = self._fields[place].with_type(common)
                return place
        name = f"{field.name}~{_label(field.type)}" if candidates else field.name
        while candidates and name.upper() in self._known:
            name += "_"
        self._known.setdefault(name.upper(), [])
        self._fields.append(field.with_name(name))
        candidates.append(len(self._fields) - 1)
        return len(self._fields) - 1

    def fits(self, number: int) -> bool:
        """Whether the schema `number` is the common one already."""
        mine, whole = self._schemas[number], self.schema
        return bool(mine.names == whole.names and mine.types == whole.types)


def rewrite(path: Path, unified: Unified, places: list[int | None]) -> None:
    """Bring a Parquet file to the common schema, a row group at a time."""
    import pyarrow.parquet

    pa = arrow()
    draft = path.with_name(f"{path.name}.new")
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(pyarrow.parquet.ParquetFile(path))
        target = stack.enter_context(pyarrow.parquet.ParquetWriter(draft, unified.schema, compression="zstd"))
        for batch in source.iter_batches():
            arrays = []
            for place, field in zip(places, unified.schema, strict=True):
                if place is None:
                    arrays.append(pa.nulls(batch.num_rows, field.type))
                else:
                    column = batch.column(place)
                    arrays.append(column if column.type == field.type else column.cast(field.type))
            target.write_batch(pa.RecordBatch.from_arrays(arrays, schema=unified.schema))
    draft.replace(path)
