"""The rows of a table under construction: values to records, long values to their tree (see `tools/build.py`)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from esent.catalog.objects import Table
from esent.constants import codes
from esent.errors import jet_error
from esent.records.columns import FLAG_AUTOINCREMENT, FLAG_COMPRESSED, FLAG_NOT_NULL, FLAG_VERSION, INHERENT_SIZE, Column
from esent.records.compression import compress
from esent.records.encode import Tagged, Value, encode_record, record_most, stored_value, value_bytes
from esent.records.layout import SMALL_PAGE_MAX
from esent.tree.bulk import BulkTree

LONG_VALUE_CHUNK = {4096: 4014, 8192: 8110, 16384: 4050, 32768: 8150}
INTRINSIC_MOST = 1023
_FIRST_WIDE_ID = 0x8000000080000001
_LAST_ID = 0x7FFFFEFF


class LongValueWriter:
    """The long-value tree of one table, made when the first value goes there."""

    def __init__(self, chunk: int, create: Callable[[], BulkTree], *, wide_ids: bool) -> None:
        self.chunk = chunk
        self.id_size = 8 if wide_ids else 4
        self.tree: BulkTree | None = None
        self._create = create
        self._next = _FIRST_WIDE_ID if wide_ids else 1

    def add(self, data: bytes, compressed: bool) -> bytes:
        """Store a value; its id as a record holds it. JET_errOutOfLongValueIDs: none left."""
        if self.tree is None:
            self.tree = self._create()
        if self.id_size == 4 and self._next > _LAST_ID:
            raise jet_error(codes.JET_errOutOfLongValueIDs, f"storing a long value in the tree at page {self.tree.root}")
        lid = self._next.to_bytes(self.id_size, "big")
        self._next += 1
        self.tree.add(lid, struct.pack("<II", 1, len(data)))
        for offset in range(0, len(data), self.chunk):
            part = data[offset : offset + self.chunk]
            packed = compress(part) if compressed else None
            self.tree.add(lid + struct.pack(">I", offset), packed if packed is not None and len(packed) < len(part) else part)
        return lid[::-1]


class RowEncoder:
    """Turns rows (column name to value) into records of `table`.

    `key_most` is the effective key maximum of the primary index (4 without one), on which the largest record depends.
    """

    def __init__(self, table: Table, page_size: int, long_values: LongValueWriter, key_most: int) -> None:
        self.table = table
        self.small_page = page_size <= SMALL_PAGE_MAX
        self.most = record_most(page_size, key_most)
        self.long_values = long_values
        self.intrinsic_most = table.separate_threshold or INTRINSIC_MOST
        self.next_number = 1
        self._columns = {column.name: column for column in table.columns}
        self._upper = {column.name.upper(): column for column in table.columns}
        self._fixed = [column for column in table.columns if column.is_fixed]
        self._sizes = [column.max_size for column in self._fixed]
        self._variable = [column for column in table.columns if column.is_variable]
        self._tagged = [column for column in table.columns if column.is_tagged]
        self._by_fid = {column.fid: column for column in table.columns}
        self._defaults = {c.fid: value for c in table.columns if (value := c.default_value()) is not None}
        self._required = [c for c in table.columns if c.flags & FLAG_NOT_NULL and c.fid not in self._defaults]
        self._number = next((c for c in table.columns if c.flags & FLAG_AUTOINCREMENT), None)
        self._version = next((c for c in table.columns if c.flags & FLAG_VERSION), None)
        # what the engine writes into every record: all up to the last default
        self._fixed_least = max((c.fid for c in self._fixed if c.fid in self._defaults), default=0)
        self._variable_least = max((c.fid for c in self._variable if c.fid in self._defaults), default=127)
        # a record that is too large sheds long values in rounds, the longest first
        halves = [page_size // 2 >> i for i in range(6)]
        self._thresholds = [size for size in halves if size >= page_size // 64] + [long_values.id_size]
        self._values: dict[int, list[bytes]] = {}
        self._absent: set[int] = set()

    def instances(self, fid: int) -> Sequence[bytes]:
        """The values of a column of the row encoded last, its default included; none for NULL."""
        found = self._values.get(fid)
        if found is not None:
            return found
        if fid in self._defaults and fid not in self._absent:
            return (self._defaults[fid],)
        return ()

    def encode(self, row: Mapping[str, Any]) -> bytes:
        """The record of a row; its long values are stored by the way.

        JET_errColumnNotFound, JET_errNullInvalid, JET_errRecordTooBig, and what `value_bytes` and `stored_value` raise.
        """
        values = self._values = {}
        absent = self._absent = set()
        if not isinstance(row, Mapping):
            raise jet_error(codes.JET_errInvalidParameter, f"a row of table {self.table.name} is a {type(row).__name__}")
        for name, value in row.items():
            column = self._columns.get(name) or self._upper.get(str(name).upper())
            if column is None:
                raise jet_error(codes.JET_errColumnNotFound, f"table {self.table.name} has no column {name}")
            instances = self._stored(column, value)
            if instances:
                values[column.fid] = instances
            elif column.flags & FLAG_NOT_NULL:
                raise jet_error(codes.JET_errNullInvalid, f"storing NULL in column {name} of table {self.table.name}")
            else:
                absent.add(column.fid)
        if self._number is not None:
            self._count(self._number)
        if self._version is not None:
            values.setdefault(self._version.fid, [bytes(self._version.max_size)])
        for column in self._required:
            if column.fid not in values:
                raise jet_error(codes.JET_errNullInvalid, f"column {column.name} of table {self.table.name} is not set")
        fixed = self._slots(self._fixed, self._fixed_least)
        variable = self._slots(self._variable, self._variable_least)
        if not self._tagged:
            record = encode_record(fixed, self._sizes, variable, small_page=self.small_page)
            if len(record) > self.most:
                raise self._too_big(len(record))
            return record
        return self._with_tagged(fixed, variable)

    def _stored(self, column: Column, value: Any) -> list[bytes]:
        """The instances of a value; none for NULL."""
        if value is None:
            return []
        if isinstance(value, list | tuple):
            if not column.is_multivalued:
                raise jet_error(codes.JET_errInvalidColumnType, f"column {column.name} of {self.table.name} holds one value")
            parts = [part for part in value if part is not None]
        else:
            parts = [value]
        found = []
        for part in parts:
            data = value_bytes(column.coltyp, column.code_page, part)
            stored = stored_value(column.coltyp, column.code_page, column.max_size, column.is_fixed, data)
            if stored is not None:
                found.append(stored)
        return found

    def _count(self, column: Column) -> None:
        """Number the row, or go on behind the number it brings."""
        given = self._values.get(column.fid)
        if given is not None:
            self.next_number = max(self.next_number, int.from_bytes(given[0], "little", signed=True) + 1)
            return
        size = INHERENT_SIZE[column.coltyp]
        if self.next_number >> (8 * size - 1):
            raise jet_error(codes.JET_errOutOfAutoincrementValues, f"numbering a row of table {self.table.name}")
        self._values[column.fid] = [self.next_number.to_bytes(size, "little")]
        self.next_number += 1

    def _slots(self, columns: list[Column], least: int) -> list[bytes | None]:
        """The fixed or variable part: up to the last column that is set or has a default."""
        values, defaults, absent = self._values, self._defaults, self._absent
        slots: list[bytes | None] = []
        reach = 0
        for position, column in enumerate(columns, 1):
            fid = column.fid
            found = values.get(fid)
            if found is not None:
                slots.append(found[0])
                reach = position
            else:
                slots.append(defaults.get(fid) if fid not in absent else None)
                if fid <= least:
                    reach = position
        return slots[:reach]

    def _with_tagged(self, fixed: list[bytes | None], variable: list[bytes | None]) -> bytes:
        """The record with its tagged columns; where it is too large, long values leave it, the largest first."""
        tagged: list[Tagged] = []
        for column in self._tagged:
            instances = self._values.get(column.fid)
            if instances is not None:
                long = column.is_long_value
                parts = self._long(column, instances) if long else [Value(data) for data in instances]
                tagged.append(Tagged(column.fid, parts, long))
            elif column.fid in self._absent and column.fid in self._defaults:
                tagged.append(Tagged(column.fid, (), column.is_long_value))
        size = self._size(fixed, variable, tagged)
        for threshold in self._thresholds:
            if size <= self.most:
                break
            tagged = [self._shrunk(each, threshold) for each in tagged]
            size = self._size(fixed, variable, tagged)
        if size > self.most:
            raise self._too_big(size)
        return encode_record(fixed, self._sizes, variable, tagged, small_page=self.small_page)

    def _size(self, fixed: list[bytes | None], variable: list[bytes | None], tagged: list[Tagged]) -> int:
        """The bytes `encode_record` would make of it."""
        size = 4 + sum(self._sizes[: len(fixed)]) + (len(fixed) + 7) // 8
        size += sum(2 + len(value or b"") for value in variable)
        for column in tagged:
            count = len(column.values)
            header = 1 if not self.small_page or count > 1 or (column.long and count) else 0
            size += 4 + header + sum(len(value.data) for value in column.values)
            if count > 1:
                size += 1 if count == 2 and self.small_page and not column.long else 2 * count
        return size

    def _long(self, column: Column, instances: list[bytes]) -> list[Value]:
        """The instances of a long column: separated above the threshold; in the record only the first is compressed."""
        parts = []
        compressed = bool(column.flags & FLAG_COMPRESSED)
        for number, data in enumerate(instances):
            if len(data) > max(self.intrinsic_most, self.long_values.id_size):
                parts.append(Value(self.long_values.add(data, compressed), separated=True))
                continue
            packed = compress(data) if compressed and number == 0 else None
            if packed is not None and self.long_values.id_size <= len(packed) < len(data):
                parts.append(Value(packed, compressed=True))
            else:
                parts.append(Value(data))
        return parts

    def _shrunk(self, tagged: Tagged, threshold: int) -> Tagged:
        """A tagged column, its long values of more than `threshold` stored bytes separated."""
        if not tagged.long or all(part.separated or len(part.data) <= threshold for part in tagged.values):
            return tagged
        column = self._by_fid[tagged.fid]
        instances = self._values[tagged.fid]
        parts = []
        for part, data in zip(tagged.values, instances, strict=True):
            if part.separated or len(part.data) <= threshold:
                parts.append(part)
            else:
                parts.append(Value(self.long_values.add(data, bool(column.flags & FLAG_COMPRESSED)), separated=True))
        return tagged._replace(values=parts)

    def _too_big(self, size: int) -> Exception:
        return jet_error(
            codes.JET_errRecordTooBig, f"a record of {size} bytes in table {self.table.name}, whose limit is {self.most}"
        )
