"""All columns of a record at once, or chosen ones, with all their instances (JetEnumerateColumns)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from esent.constants import codes, grbits
from esent.engine.cursor import Cursor
from esent.engine.navigation import grbit_of
from esent.engine.retrieve import RecordReader
from esent.errors import jet_error
from esent.records.columns import FLAG_ENCRYPTED, FLAG_USER_DEFINED_DEFAULT, Column
from esent.records.encode import Value

COPY = grbits.JET_bitEnumerateCopy
IGNORE_DEFAULT = grbits.JET_bitEnumerateIgnoreDefault
PRESENCE_ONLY = grbits.JET_bitEnumeratePresenceOnly
TAGGED_ONLY = grbits.JET_bitEnumerateTaggedOnly
COMPRESS_OUTPUT = grbits.JET_bitEnumerateCompressOutput
IN_RECORD_ONLY = grbits.JET_bitEnumerateInRecordOnly
AS_REFERENCE = grbits.JET_bitEnumerateAsRefIfNotInRecord
_KNOWN = (
    COPY
    | IGNORE_DEFAULT
    | PRESENCE_ONLY
    | TAGGED_ONLY
    | COMPRESS_OUTPUT
    | IN_RECORD_ONLY
    | AS_REFERENCE
    | grbits.JET_bitEnumerateIgnoreUserDefinedDefault
)


class EnumeratedValue(NamedTuple):
    number: int
    status: int
    data: bytes | None = None


class EnumeratedColumn(NamedTuple):
    """`data` with JET_wrnColumnSingleValue, else `values`, or neither where the status says it all."""

    columnid: int
    status: int
    values: Sequence[EnumeratedValue] = ()
    data: bytes | None = None


def enumerate_columns(
    cursor: Cursor, wanted: Sequence[tuple[object, Sequence[int]]], most: object = 0xFFFFFFFF, grbit: object = 0
) -> list[EnumeratedColumn]:
    """The columns in `wanted` with the instances asked for (none: all), or all columns the record has.

    `most`: bytes of a separated value that are read. JET_errInvalidGrbit, JET_errColumnNotFound, JET_errBadColumnId, and what
    reading the record raises.
    """
    options = grbit_of(grbit)
    if not isinstance(most, int) or most < 0:
        raise jet_error(codes.JET_errInvalidParameter, f"{most!r} bytes at most")
    if options & ~_KNOWN or (wanted and options & TAGGED_ONLY) or (options & IN_RECORD_ONLY and options & AS_REFERENCE):
        raise jet_error(codes.JET_errInvalidGrbit, f"enumerating columns with grbit {options:#x}")
    with cursor.session.instance.lock:
        reader = RecordReader(cursor, copy=bool(options & COPY))
        if options & AS_REFERENCE and (cursor.update is not None or not cursor.versioned):
            raise jet_error(codes.JET_errInvalidGrbit, "references to values while an update is prepared")
        work = _Enumeration(reader, options, most)
        if not wanted:
            return work.all()
        return [work.chosen(columnid, numbers) for columnid, numbers in wanted]


class _Enumeration:
    def __init__(self, reader: RecordReader, options: int, most: int) -> None:
        self.reader = reader
        self.options = options
        self.most = most

    def all(self) -> list[EnumeratedColumn]:
        view = self.reader.view
        found = []
        columns: list[Column] = list(view.tagged)
        if not self.options & TAGGED_ONLY:
            columns = [*view.fixed.values(), *view.variable.values(), *columns]
        for column in sorted(columns, key=lambda each: (each.fid, not each.template)):
            values = self.reader.values(column)
            if values is None:
                if self.options & IGNORE_DEFAULT or not self._in_default_record(column):
                    continue
                values = self.reader.with_default(column)
            if not values:
                found.append(EnumeratedColumn(column.columnid, codes.JET_wrnColumnNull))
            elif self.options & PRESENCE_ONLY:
                found.append(EnumeratedColumn(column.columnid, codes.JET_wrnColumnPresent))
            else:
                found.append(self._with_values(column, values, range(1, len(values) + 1)))
        return found

    def _in_default_record(self, column: Column) -> bool:
        """Whether the record of the defaults reaches the column, or a callback computes its default."""
        if column.flags & FLAG_USER_DEFINED_DEFAULT:
            return not self.options & grbits.JET_bitEnumerateIgnoreUserDefinedDefault
        view = self.reader.view
        if column.is_fixed:
            return column.fid <= view.default_fixed
        if not view.has_default:
            return False
        if column.is_variable:
            return column.fid <= view.default_variable
        return column.columnid in view.defaults

    def chosen(self, columnid: object, numbers: Sequence[int]) -> EnumeratedColumn:
        if columnid == 0:
            return EnumeratedColumn(0, codes.JET_wrnColumnSkipped)
        return self._chosen(self.reader.view.column(columnid), numbers)

    def _chosen(self, column: Column, numbers: Sequence[int]) -> EnumeratedColumn:
        values = self.reader.values(column)
        computed = column.flags & FLAG_USER_DEFINED_DEFAULT
        ignore = self.options & (IGNORE_DEFAULT | (grbits.JET_bitEnumerateIgnoreUserDefinedDefault if computed else 0))
        absent = values is None
        if values is None:
            values = [] if ignore else self.reader.with_default(column)
        by_default = absent and bool(ignore)
        if not numbers:
            if by_default:
                return EnumeratedColumn(column.columnid, codes.JET_wrnColumnDefault)
            if not values:
                return EnumeratedColumn(column.columnid, codes.JET_wrnColumnNull)
            if self.options & PRESENCE_ONLY:
                return EnumeratedColumn(column.columnid, codes.JET_wrnColumnPresent)
        return self._with_values(column, values, numbers or range(1, len(values) + 1), single=not numbers, default=by_default)

    def _with_values(
        self, column: Column, values: Sequence[Value], numbers: Sequence[int], *, single: bool = True, default: bool = False
    ) -> EnumeratedColumn:
        if column.flags & FLAG_ENCRYPTED:
            return EnumeratedColumn(column.columnid, codes.JET_errColumnNoEncryptionKey)
        if single and len(values) == 1 and self.options & COMPRESS_OUTPUT and not values[0].separated:
            return EnumeratedColumn(column.columnid, codes.JET_wrnColumnSingleValue, data=self.reader.plain(values[0]))
        found = []
        for number in numbers:
            if number == 0:
                found.append(EnumeratedValue(0, codes.JET_wrnColumnSkipped))
            elif not 0 < number <= len(values):
                found.append(EnumeratedValue(number, codes.JET_wrnColumnDefault if default else codes.JET_wrnColumnNull))
            elif self.options & PRESENCE_ONLY:
                found.append(EnumeratedValue(number, codes.JET_wrnColumnPresent))
            else:
                found.append(self._value(number, values[number - 1]))
        return EnumeratedColumn(column.columnid, 0, found)

    def _value(self, number: int, value: Value) -> EnumeratedValue:
        if not value.separated:
            return EnumeratedValue(number, 0, self.reader.plain(value))
        if self.options & IN_RECORD_ONLY:
            return EnumeratedValue(number, codes.JET_wrnColumnNotInRecord)
        data = self.reader.long_value(value.data, 0, self.most + 1)
        if len(data) > self.most:
            return EnumeratedValue(number, codes.JET_wrnColumnTruncated, data[: self.most])
        return EnumeratedValue(number, 0, data)
