"""Tables and indexes as the catalog describes them, and how the API shows them.

Sub-structures of catalog rows (`reference/database-format.md` 8.4-8.5, `reference/records-and-indexes.md` 6.2):

| column             | layout                                                                                              |
|--------------------|-----------------------------------------------------------------------------------------------------|
| Flags of an index  | `INDEX_...` of `records.keys`; 0x40000 deferred, 0x80000 optionally unique                           |
| KeyFldIDs          | extended: u8 flags (0x80 template, 0x40 descending), u8, u16 column; old: i16, negative descending |
| ConditionalColumns | the same, 0x20 (old form: negative) must be NULL                                                      |
| TupleLimits        | u32 shortest, longest, to index, [increment, start]                                                  |
| VarSegMac, KeyMost | u16; NULL: as KeyMost, 255                                                                           |
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from esent.constants import codes, grbits
from esent.errors import jet_error
from esent.records.columns import TEMPLATE_BIT, TEXT_TYPES, UNICODE, Column
from esent.records.decode import RecordPlan
from esent.records.keys import (
    INDEX_ALLOW_ALL_NULLS,
    INDEX_ALLOW_FIRST_NULL,
    INDEX_ALLOW_SOME_NULLS,
    INDEX_CROSS_PRODUCT,
    INDEX_DISALLOW_TRUNCATION,
    INDEX_DOT_NET_GUID,
    INDEX_LOCALIZED,
    INDEX_NESTED_TABLE,
    INDEX_NO_NULL_SEGMENT,
    INDEX_PRIMARY,
    INDEX_SORT_NULLS_HIGH,
    INDEX_UNIQUE,
    KEY_MOST_DEFAULT,
)
from esent.records.layout import SMALL_PAGE_MAX

SEGMENT_TEMPLATE = 0x80
SEGMENT_DESCENDING = 0x40
SEGMENT_MUST_BE_NULL = 0x20

LCID_DEFAULT = 0x0409
NORMALISATION_FLAGS_DEFAULT = 0x00030401

TABLE_TEMPLATE = 0x20000000
TABLE_DERIVED = 0x10000000
TABLE_SYSTEM = 0x80000000

_GRBIT_OF_FLAG = (
    (INDEX_UNIQUE, grbits.JET_bitIndexUnique),
    (INDEX_PRIMARY, grbits.JET_bitIndexPrimary),
    (INDEX_SORT_NULLS_HIGH, grbits.JET_bitIndexSortNullsHigh),
    (INDEX_CROSS_PRODUCT, grbits.JET_bitIndexCrossProduct),
    (INDEX_DISALLOW_TRUNCATION, grbits.JET_bitIndexDisallowTruncation),
    (INDEX_NESTED_TABLE, grbits.JET_bitIndexNestedTable),
    (INDEX_DOT_NET_GUID, grbits.JET_bitIndexDotNetGuid),
)


class Segment(NamedTuple):
    """One column of an index key or one condition; `flags` are the SEGMENT_... bits."""

    fid: int
    flags: int = 0

    @property
    def columnid(self) -> int:
        return self.fid | TEMPLATE_BIT if self.flags & SEGMENT_TEMPLATE else self.fid

    @property
    def descending(self) -> bool:
        return bool(self.flags & SEGMENT_DESCENDING)

    @property
    def must_be_null(self) -> bool:
        return bool(self.flags & SEGMENT_MUST_BE_NULL)


class TupleLimits(NamedTuple):
    """Limits of a substring index, in characters."""

    shortest: int = 3
    longest: int = 10
    to_index: int = 0x7FFF
    increment: int = 1
    start: int = 0


def parse_segments(data: bytes, extended: bool, negative: int = SEGMENT_DESCENDING) -> list[Segment]:
    """The segments in KeyFldIDs or ConditionalColumns; `negative` is what a negative id of the old form means."""
    size = 4 if extended else 2
    if len(data) % size:
        raise jet_error(codes.JET_errCatalogCorrupted, f"reading an index definition: {len(data)} bytes of key segments")
    if extended:
        return [Segment(fid, flags) for flags, _, fid in struct.iter_unpack("<BBH", data)]
    return [Segment(abs(fid), negative if fid < 0 else 0) for (fid,) in struct.iter_unpack("<h", data)]


def parse_tuple_limits(data: bytes) -> TupleLimits:
    if len(data) not in (12, 20):
        raise jet_error(codes.JET_errCatalogCorrupted, f"reading an index definition: {len(data)} bytes of tuple limits")
    return TupleLimits(*struct.unpack(f"<{len(data) // 4}I", data))


@dataclass(slots=True, eq=False)
class Index:
    """One index. `root` and `objid` of its tree; of a primary index those of the table."""

    name: str
    objid: int
    root: int
    flags: int = 0
    segments: list[Segment] = field(default_factory=list)
    conditions: list[Segment] = field(default_factory=list)
    density: int = 100
    locale: str = "en-US"
    lcmap: int = NORMALISATION_FLAGS_DEFAULT
    key_most: int = KEY_MOST_DEFAULT
    variable_segment_most: int | None = None  # the longest part of a variable segment that goes into a key
    tuple_limits: TupleLimits | None = None
    version: int | None = None  # sort version, of an index over Unicode text
    sort_id: bytes | None = None
    space_hints: bytes | None = None
    always_lcmap: bool = False  # the built-in indexes of the catalog show their normalisation flags, text or not

    @property
    def is_primary(self) -> bool:
        return bool(self.flags & INDEX_PRIMARY)

    @property
    def is_unique(self) -> bool:
        return bool(self.flags & INDEX_UNIQUE)

    @property
    def is_localized(self) -> bool:
        """True if a segment is Unicode text."""
        return bool(self.flags & INDEX_LOCALIZED)

    @property
    def grbit(self) -> int:
        """JET_bitIndex... as JetGetTableIndexInfo gives them."""
        grbit = 0
        for flag, bit in _GRBIT_OF_FLAG:
            if self.flags & flag:
                grbit |= bit
        if self.flags & INDEX_NO_NULL_SEGMENT:
            grbit |= grbits.JET_bitIndexDisallowNull
        else:
            if not self.flags & INDEX_ALLOW_ALL_NULLS:
                grbit |= grbits.JET_bitIndexIgnoreNull
            if not self.flags & INDEX_ALLOW_FIRST_NULL:
                grbit |= grbits.JET_bitIndexIgnoreFirstNull
            if not self.flags & INDEX_ALLOW_SOME_NULLS:
                grbit |= grbits.JET_bitIndexIgnoreAnyNull
        if self.tuple_limits is not None:
            grbit |= grbits.JET_bitIndexTuples
        if self.key_most > KEY_MOST_DEFAULT:
            grbit |= grbits.JET_bitIndexKeyMost
        return grbit

    @property
    def shown_lcmap(self) -> int:
        """The normalisation flags the API gives: 0 where no segment is Unicode text."""
        return self.lcmap if self.is_localized or self.always_lcmap else 0


@dataclass(slots=True, eq=False)
class Table:
    """One table with its columns and indexes; columns in the order of their columnids, indexes in that of their names."""

    name: str
    objid: int
    root: int
    flags: int = 0
    density: int = 80
    initial_pages: int = 0
    template_name: str | None = None
    template: Table | None = None
    columns: list[Column] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)
    long_value_objid: int = 0
    long_value_root: int = 0
    long_value_chunk: int | None = None
    separate_threshold: int | None = None
    space_hints: bytes | None = None
    deferred_space_hints: bytes | None = None
    callbacks: list[tuple[int, str]] = field(default_factory=list)  # (type bits, "module!function")
    hidden_indexes: list[Index] = field(default_factory=list)  # live ones that the reader does not see, but has to keep up

    @property
    def stamp(self) -> object:
        """Another value after columns or indexes have changed."""
        return len(self.columns), len(self.indexes), self.root

    @property
    def is_derived(self) -> bool:
        return bool(self.flags & TABLE_DERIVED)

    @property
    def is_template(self) -> bool:
        return bool(self.flags & TABLE_TEMPLATE)

    @property
    def is_system(self) -> bool:
        return bool(self.flags & TABLE_SYSTEM)

    @property
    def primary_index(self) -> Index | None:
        return next((index for index in self.indexes if index.is_primary), None)

    def column(self, name: str) -> Column:
        """Raises JET_errColumnNotFound. Names are compared without regard to case, as the engine does."""
        wanted = name.upper()
        for column in self.columns:
            if column.name.upper() == wanted:
                return column
        raise jet_error(codes.JET_errColumnNotFound, f"table {self.name} has no column {name}")

    def index(self, name: str) -> Index:
        """Raises JET_errIndexNotFound."""
        wanted = name.upper()
        for index in self.indexes:
            if index.name.upper() == wanted:
                return index
        raise jet_error(codes.JET_errIndexNotFound, f"table {self.name} has no index {name}")

    def segment_column(self, segment: Segment) -> Column | None:
        """The column of an index segment, None where it was deleted."""
        if segment.flags & SEGMENT_TEMPLATE or self.is_template:
            owner, fid = True, segment.fid
        else:
            owner, fid = False, segment.fid
        return next((column for column in self.columns if column.fid == fid and column.template == owner), None)

    def plan(self, page_size: int) -> RecordPlan:
        """How records of the table are taken apart on pages of this size."""
        return RecordPlan(self.columns, large_pages=page_size > SMALL_PAGE_MAX, derived=self.is_derived)


def is_unicode_text(column: Column) -> bool:
    return column.coltyp in TEXT_TYPES and column.code_page == UNICODE
