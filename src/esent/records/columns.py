"""Column types and column definitions.

Column ids (`reference/records-and-indexes.md` 1.2), types (section 2), persisted flags (1.8):

| class    | ids          | stored in a record as                                               |
|----------|--------------|---------------------------------------------------------------------|
| fixed    | 1..127       | a slot at the column's offset, NULL in a bitmap                     |
| variable | 128..255     | an end offset and bytes                                             |
| tagged   | 256..0xFEE0  | an entry of the sorted TAGFLD array, absent unless set              |

A columnid of the API is the id with bit 31 set when the column belongs to the template of the table.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import IntEnum

from esent.constants import grbits

FIXED_FIRST, FIXED_LAST = 1, 127
VARIABLE_FIRST, VARIABLE_LAST = 128, 255
TAGGED_FIRST, TAGGED_LAST = 256, 0xFEE0
TEMPLATE_BIT = 0x80000000
UNICODE = 1200  # the code page of text in UTF-16


class Coltyp(IntEnum):
    """JET_coltyp: the type of a column; `NIL` marks a deleted one in the catalog."""

    NIL = 0
    BIT = 1
    UNSIGNED_BYTE = 2
    SHORT = 3
    LONG = 4
    CURRENCY = 5
    IEEE_SINGLE = 6
    IEEE_DOUBLE = 7
    DATE_TIME = 8
    BINARY = 9
    TEXT = 10
    LONG_BINARY = 11
    LONG_TEXT = 12
    SLV = 13
    UNSIGNED_LONG = 14
    LONG_LONG = 15
    GUID = 16
    UNSIGNED_SHORT = 17
    UNSIGNED_LONG_LONG = 18


INHERENT_SIZE: dict[int, int] = {
    Coltyp.BIT: 1,
    Coltyp.UNSIGNED_BYTE: 1,
    Coltyp.SHORT: 2,
    Coltyp.UNSIGNED_SHORT: 2,
    Coltyp.LONG: 4,
    Coltyp.UNSIGNED_LONG: 4,
    Coltyp.IEEE_SINGLE: 4,
    Coltyp.CURRENCY: 8,
    Coltyp.IEEE_DOUBLE: 8,
    Coltyp.DATE_TIME: 8,
    Coltyp.LONG_LONG: 8,
    Coltyp.UNSIGNED_LONG_LONG: 8,
    Coltyp.GUID: 16,
}
"""Bytes of a value of the types that have only one size."""

LONG_TYPES = frozenset({Coltyp.LONG_BINARY, Coltyp.LONG_TEXT})
TEXT_TYPES = frozenset({Coltyp.TEXT, Coltyp.LONG_TEXT})

FLAG_NOT_NULL = 0x0001
FLAG_VERSION = 0x0002
FLAG_AUTOINCREMENT = 0x0004
FLAG_MULTIVALUED = 0x0008
FLAG_DEFAULT = 0x0010
FLAG_ESCROW = 0x0020
FLAG_FINALIZE = 0x0040
FLAG_USER_DEFINED_DEFAULT = 0x0080
FLAG_TEMPLATE = 0x0100
FLAG_DELETE_ON_ZERO = 0x0200
FLAG_PLACEHOLDER = 0x0800
FLAG_COMPRESSED = 0x1000
FLAG_ENCRYPTED = 0x2000

_GRBIT_OF_FLAG = (
    (FLAG_NOT_NULL, grbits.JET_bitColumnNotNULL),
    (FLAG_VERSION, grbits.JET_bitColumnVersion),
    (FLAG_AUTOINCREMENT, grbits.JET_bitColumnAutoincrement),
    (FLAG_MULTIVALUED, grbits.JET_bitColumnMultiValued),
    (FLAG_ESCROW, grbits.JET_bitColumnEscrowUpdate),
    (FLAG_FINALIZE, grbits.JET_bitColumnFinalize),
    (FLAG_USER_DEFINED_DEFAULT, grbits.JET_bitColumnUserDefinedDefault),
    (FLAG_DELETE_ON_ZERO, grbits.JET_bitColumnDeleteOnZero),
    (FLAG_COMPRESSED, grbits.JET_bitColumnCompressed),
    (FLAG_ENCRYPTED, grbits.JET_bitColumnEncrypted),
)


@dataclass(slots=True, eq=False)
class Column:
    """One column of a table. `fid` is the id without the template bit; `default` are the bytes the user gave."""

    name: str
    fid: int
    coltyp: int
    max_size: int = 0  # bytes; 0 means unlimited
    flags: int = 0  # the 16 persisted flags
    code_page: int = 0  # 1252 or 1200 for text, else 0
    record_offset: int = 0  # fixed columns: where the slot begins in a record
    default: bytes | None = None
    template: bool = False  # belongs to the template of the table
    callback: str | None = None  # "module!function" of a user-defined default
    callback_data: bytes | None = None  # what that is called with

    @property
    def columnid(self) -> int:
        """What the API calls the column: the id, with bit 31 for a column of the template."""
        return self.fid | TEMPLATE_BIT if self.template else self.fid

    @property
    def is_fixed(self) -> bool:
        return self.fid <= FIXED_LAST

    @property
    def is_variable(self) -> bool:
        return VARIABLE_FIRST <= self.fid <= VARIABLE_LAST

    @property
    def is_tagged(self) -> bool:
        return self.fid >= TAGGED_FIRST

    @property
    def is_long_value(self) -> bool:
        return self.coltyp in LONG_TYPES

    @property
    def is_multivalued(self) -> bool:
        return bool(self.flags & FLAG_MULTIVALUED)

    @property
    def derived_bit(self) -> bool:
        """True if records of a derived table mark the column with the derived bit (templates since 1998)."""
        return self.template and bool(self.flags & FLAG_TEMPLATE)

    @property
    def grbit(self) -> int:
        """JET_bitColumn... as JetGetTableColumnInfo gives them."""
        return _grbit(self.flags, min(self.fid, TAGGED_FIRST))

    def default_value(self) -> bytes | None:
        """The default as records and retrieval show it: a fixed slot is filled up, a Bit is 00 or FF; None without one."""
        value = self.default
        if value is None or not self.flags & FLAG_DEFAULT:
            return None
        if self.coltyp == Coltyp.BIT:
            return b"\xff" if any(value) else b"\x00"
        if self.is_fixed and len(value) < self.max_size:
            if self.coltyp == Coltyp.TEXT:
                fill = b" \0" if self.code_page == UNICODE else b" "
                value += (fill * self.max_size)[len(value) % len(fill) :]
            return value.ljust(self.max_size, b"\0")[: self.max_size]
        return value


@functools.lru_cache(maxsize=1024)
def _grbit(flags: int, fid: int) -> int:
    """JET_bitColumn... of persisted flags and an id, `fid` TAGGED_FIRST for all tagged ones."""
    grbit = grbits.JET_bitColumnFixed if fid <= FIXED_LAST else grbits.JET_bitColumnTagged if fid >= TAGGED_FIRST else 0
    for flag, bit in _GRBIT_OF_FLAG:
        if flags & flag:
            grbit |= bit
    return grbit
