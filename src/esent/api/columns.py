"""Column types of the Pythonic layer: what `create_table` and `add_column` are given, and what a table says of its columns.

| class                                              | stored as                                | Python value               |
|----------------------------------------------------|------------------------------------------|----------------------------|
| Bool                                               | Bit                                      | bool                       |
| UInt8, Int16, UInt16, Int32, UInt32, Int64, UInt64 | the integer of that size                 | int                        |
| Currency                                           | Currency, ten-thousandths                | decimal.Decimal            |
| Float32, Float64                                   | IEEESingle, IEEEDouble                   | float                      |
| DateTime                                           | DateTime                                 | datetime.datetime, no zone |
| Guid                                               | GUID                                     | uuid.UUID                  |
| Binary, LongBinary                                 | Binary (255 bytes), LongBinary           | bytes                      |
| Text, LongText                                     | Text (255 bytes), LongText               | str                        |

A column that is `multi_valued` has a list of these.
"""

from __future__ import annotations

from typing import Any, ClassVar

from esent.constants import grbits
from esent.records.columns import Coltyp, Column

UNICODE = 1200


class ColumnType:
    """The type and options of a column. `default` is a Python value; `tagged` columns take no space where they are not set."""

    coltyp: ClassVar[Coltyp]
    title: str | None = None  # what the application that made the database calls the column, where that is known

    def __init__(
        self, *, not_null: bool = False, default: Any = None, multi_valued: bool = False, tagged: bool = False
    ) -> None:
        self.default = default
        self.code_page = 0
        self.size = 0
        self.grbit = grbits.JET_bitColumnNotNULL if not_null else 0
        if multi_valued:
            self.grbit |= grbits.JET_bitColumnMultiValued
        if tagged or multi_valued:
            self.grbit |= grbits.JET_bitColumnTagged

    @classmethod
    def of(cls, column: Column, title: str | None = None) -> ColumnType:
        """The type of a column of a table."""
        found = object.__new__(_CLASSES[Coltyp(column.coltyp)])
        found.default, found.grbit, found.code_page, found.size = (
            column.default,
            column.grbit,
            column.code_page,
            column.max_size,
        )
        if title is not None:
            found.title = title
        return found

    @property
    def multi_valued(self) -> bool:
        return bool(self.grbit & grbits.JET_bitColumnMultiValued)

    @property
    def autoincrement(self) -> bool:
        return bool(self.grbit & grbits.JET_bitColumnAutoincrement)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and {**vars(self), "title": None} == {**vars(other), "title": None}

    def __hash__(self) -> int:
        return hash((type(self), self.grbit, self.code_page, self.size))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} grbit={self.grbit:#x}>"


class Bool(ColumnType):
    """True and False."""

    coltyp = Coltyp.BIT


class UInt8(ColumnType):
    """0 to 255."""

    coltyp = Coltyp.UNSIGNED_BYTE


class Int16(ColumnType):
    """-32,768 to 32,767."""

    coltyp = Coltyp.SHORT


class UInt16(ColumnType):
    """0 to 65,535."""

    coltyp = Coltyp.UNSIGNED_SHORT


class _Counting(ColumnType):
    """An integer that can number the rows of its table, or (with a default) be changed by several sessions at once."""

    def __init__(self, *, autoincrement: bool = False, escrow: bool = False, **options: Any) -> None:
        super().__init__(**options)
        if autoincrement:
            self.grbit |= grbits.JET_bitColumnAutoincrement
        if escrow:
            self.grbit |= grbits.JET_bitColumnEscrowUpdate
            self.default = self.default or 0


class Int32(_Counting):
    """`version` counts the updates of its row."""

    coltyp = Coltyp.LONG

    def __init__(self, *, version: bool = False, **options: Any) -> None:
        super().__init__(**options)
        if version:
            self.grbit |= grbits.JET_bitColumnVersion


class UInt32(ColumnType):
    """32 bits without a sign."""

    coltyp = Coltyp.UNSIGNED_LONG


class Int64(_Counting):
    """64 bits with a sign."""

    coltyp = Coltyp.LONG_LONG


class UInt64(ColumnType):
    """64 bits without a sign."""

    coltyp = Coltyp.UNSIGNED_LONG_LONG


class Currency(ColumnType):
    """Decimals with four places."""

    coltyp = Coltyp.CURRENCY


class Float32(ColumnType):
    """A float of single precision."""

    coltyp = Coltyp.IEEE_SINGLE


class Float64(ColumnType):
    """A float as Python has it."""

    coltyp = Coltyp.IEEE_DOUBLE


class DateTime(ColumnType):
    """Naive; a datetime with a zone is stored as UTC."""

    coltyp = Coltyp.DATE_TIME


class Guid(ColumnType):
    """uuid.UUID."""

    coltyp = Coltyp.GUID


class _Bytes(ColumnType):
    """`size`: at most so many bytes, 0 for the most the type takes."""

    def __init__(self, size: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.size = size


class Binary(_Bytes):
    """At most 255 bytes."""

    coltyp = Coltyp.BINARY


class _Long(_Bytes):
    """A value that may be long; `compressed` stores it so where that saves space."""

    def __init__(self, size: int = 0, *, compressed: bool = False, **options: Any) -> None:
        super().__init__(size, **options)
        if compressed:
            self.grbit |= grbits.JET_bitColumnCompressed


class LongBinary(_Long):
    """Up to 2 GB."""

    coltyp = Coltyp.LONG_BINARY


class Text(_Bytes):
    """At most 127 characters of UTF-16, or 255 of `code_page` 1252; `LongText` takes more."""

    coltyp = Coltyp.TEXT

    def __init__(self, size: int = 0, *, code_page: int = UNICODE, **options: Any) -> None:
        super().__init__(size, **options)
        self.code_page = code_page


class LongText(_Long):
    """Up to 2 GB."""

    coltyp = Coltyp.LONG_TEXT

    def __init__(self, size: int = 0, *, code_page: int = UNICODE, **options: Any) -> None:
        super().__init__(size, **options)
        self.code_page = code_page


TYPES = (
    Bool, UInt8, Int16, UInt16, Int32, UInt32, Int64, UInt64, Currency, Float32, Float64, DateTime, Guid, Binary, LongBinary,
    Text, LongText,
)  # fmt: skip
_CLASSES: dict[Coltyp, type[ColumnType]] = {each.coltyp: each for each in TYPES}
_CLASSES[Coltyp.SLV] = LongBinary  # a type of old that only readers meet

__all__ = ["ColumnType", *(each.__name__ for each in TYPES)]
