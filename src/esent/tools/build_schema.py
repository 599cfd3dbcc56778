"""What a new table is to be like, and its translation into what the catalogue keeps (see `tools/build.py`).

Rules of definitions: `reference/records-and-indexes.md` 1.2, 1.10, 2, 5.1 and 6.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from esent.catalog.definition import (
    AUTOINCREMENT_TYPES,
    CODE_PAGES,
    DENSITY_LEAST,
    DENSITY_MOST,
    IGNORING,
    LAST_OF_CLASS,
    are_possible,
    column_class,
    column_flags,
)
from esent.catalog.objects import (
    NORMALISATION_FLAGS_DEFAULT,
    SEGMENT_DESCENDING,
    SEGMENT_MUST_BE_NULL,
    Index,
    Segment,
    Table,
    TupleLimits,
    is_unicode_text,
)
from esent.catalog.rows import name_bytes
from esent.constants import codes, grbits
from esent.errors import JetError, jet_error
from esent.records.columns import (
    FIXED_FIRST,
    FLAG_AUTOINCREMENT,
    FLAG_COMPRESSED,
    FLAG_DEFAULT,
    FLAG_DELETE_ON_ZERO,
    FLAG_ESCROW,
    FLAG_FINALIZE,
    FLAG_MULTIVALUED,
    FLAG_VERSION,
    INHERENT_SIZE,
    LONG_TYPES,
    TAGGED_FIRST,
    TEXT_TYPES,
    Coltyp,
    Column,
)
from esent.records.encode import COLUMN_MOST, LONG_VALUE_MOST, stored_value, value_bytes
from esent.records.keys import INDEX_LOCALE_SET, INDEX_PRIMARY, KEY_MOST_DEFAULT, SEGMENTS_MOST, index_flags, key_most_for_page
from esent.records.sort_orders import SORT_VERSION, order_number, sort_id

_COLUMN_GRBITS = (
    grbits.JET_bitColumnNotNULL
    | grbits.JET_bitColumnVersion
    | grbits.JET_bitColumnAutoincrement
    | grbits.JET_bitColumnMultiValued
    | grbits.JET_bitColumnEscrowUpdate
    | grbits.JET_bitColumnFinalize
    | grbits.JET_bitColumnDeleteOnZero
    | grbits.JET_bitColumnCompressed
    | grbits.JET_bitColumnFixed
    | grbits.JET_bitColumnTagged
    | grbits.JET_bitColumnUnversioned
)
_INDEX_GRBITS = (
    grbits.JET_bitIndexUnique
    | grbits.JET_bitIndexPrimary
    | grbits.JET_bitIndexDisallowNull
    | grbits.JET_bitIndexIgnoreNull
    | grbits.JET_bitIndexIgnoreAnyNull
    | grbits.JET_bitIndexIgnoreFirstNull
    | grbits.JET_bitIndexSortNullsHigh
    | grbits.JET_bitIndexUnicode
    | grbits.JET_bitIndexTuples
    | grbits.JET_bitIndexTupleLimits
    | grbits.JET_bitIndexCrossProduct
    | grbits.JET_bitIndexKeyMost
    | grbits.JET_bitIndexDisallowTruncation
    | grbits.JET_bitIndexNestedTable
    | grbits.JET_bitIndexDotNetGuid
)


@dataclass(slots=True)
class ColumnSpec:
    """A column: `grbit` as of JET_COLUMNDEF, `cp` 1252 or 1200 for text, `cb_max` 0 for the type's own maximum.

    `default` is bytes, or a Python value as rows have them.
    """

    name: str
    coltyp: int
    grbit: int = 0
    cp: int = 0
    cb_max: int = 0
    default: Any = None


@dataclass(slots=True)
class IndexSpec:
    """An index: `key` such as ["+last", "-year"], `grbit` as of JET_INDEXCREATE, `density` 0 for that of the table.

    `key_most` and `var_seg_mac` 0: the defaults. `conditions`: "+column" must be set, "-column" must be NULL.
    """

    name: str
    key: Sequence[str]
    grbit: int = 0
    density: int = 0
    key_most: int = 0
    var_seg_mac: int = 0
    conditions: Sequence[str] = ()
    tuple_limits: TupleLimits | None = None


@dataclass(slots=True)
class TableSpec:
    """A table. `pages`: its first extent; 0 makes it just large enough for the roots of its trees.

    `separate_most`: long values above so many bytes leave their record (0: the default, 1023). `in_order`: the rows come in
    the order of the primary key and need not be kept in memory.
    """

    name: str
    columns: Sequence[ColumnSpec]
    indexes: Sequence[IndexSpec] = ()
    density: int = 80
    pages: int = 0
    separate_most: int = 0
    in_order: bool = False


def define_table(spec: TableSpec, page_size: int) -> Table:
    """The table as the catalogue describes it, objids and root pages still 0; its indexes in the order of the spec.

    JET_errInvalidName, JET_errDensityInvalid, JET_errTooManyColumns, JET_errColumnDuplicate, JET_errIndexDuplicate,
    JET_errIndexHasPrimary and what a column or index can do wrong.
    """
    name_bytes(spec.name)
    _density(spec.density)
    if spec.pages < 0 or not 0 <= spec.separate_most <= LONG_VALUE_MOST:
        raise jet_error(codes.JET_errInvalidParameter, f"defining table {spec.name} with {spec.pages} pages")
    table = Table(spec.name, 0, 0, 0, spec.density, spec.pages)
    if spec.separate_most:
        table.separate_threshold = spec.separate_most
    seen: set[str] = set()
    following = {first: first for first in LAST_OF_CLASS}
    offset = 4
    for each in spec.columns:
        name_bytes(each.name)
        if each.name.upper() in seen:
            raise jet_error(codes.JET_errColumnDuplicate, f"defining column {each.name} of table {spec.name}")
        seen.add(each.name.upper())
        kind, column = _column(each, spec.name)
        column.fid = following[kind]
        following[kind] += 1
        if column.fid > LAST_OF_CLASS[kind]:
            raise jet_error(codes.JET_errTooManyColumns, f"defining column {each.name} of table {spec.name}")
        if column.is_fixed:
            column.record_offset = offset
            offset += column.max_size
        if column.flags & FLAG_AUTOINCREMENT and any(c.flags & FLAG_AUTOINCREMENT for c in table.columns):
            raise jet_error(codes.JET_errColumnRedundant, f"defining column {each.name} of table {spec.name}")
        table.columns.append(column)
    table.columns.sort(key=lambda column: column.fid)
    seen.clear()
    for index in spec.indexes:
        name_bytes(index.name)
        if index.name.upper() in seen:
            raise jet_error(codes.JET_errIndexDuplicate, f"defining index {index.name} of table {spec.name}")
        seen.add(index.name.upper())
        table.indexes.append(_index(index, table, page_size))
        if sum(each.is_primary for each in table.indexes) > 1:
            raise jet_error(codes.JET_errIndexHasPrimary, f"defining index {index.name} of table {spec.name}")
    return table


def table_spec(table: Table) -> TableSpec:
    """The definition of a table as a catalogue has it, to build one like it; columns are numbered without gaps.

    JET_errFeatureNotAvailable: a template table, one derived from a template, or one with callbacks.
    """
    if table.is_template or table.is_derived or table.callbacks:
        raise jet_error(codes.JET_errFeatureNotAvailable, f"a table like {table.name}: templates and callbacks")
    columns = [
        ColumnSpec(
            column.name,
            int(column.coltyp),
            column.grbit,
            column.code_page,
            0 if column.coltyp in INHERENT_SIZE else column.max_size,
            column.default,
        )
        for column in table.columns
    ]
    indexes = [
        IndexSpec(
            index.name,
            _signs(table, index.segments, SEGMENT_DESCENDING),
            index.grbit | (grbits.JET_bitIndexUnicode if index.flags & INDEX_LOCALE_SET else 0),
            index.density,
            index.key_most if index.key_most > KEY_MOST_DEFAULT else 0,
            index.variable_segment_most or 0,
            _signs(table, index.conditions, SEGMENT_MUST_BE_NULL),
            index.tuple_limits,
        )
        for index in table.indexes
    ]
    return TableSpec(
        table.name, columns, indexes, table.density, table.initial_pages, table.separate_threshold or 0, in_order=True
    )


def _signs(table: Table, segments: Sequence[Segment], minus: int) -> list[str]:
    names = {column.fid: column.name for column in table.columns}
    return [("-" if segment.flags & minus else "+") + names.get(segment.fid, "") for segment in segments]


def _density(density: int) -> None:
    if not DENSITY_LEAST <= density <= DENSITY_MOST:
        raise jet_error(codes.JET_errDensityInvalid, f"a density of {density} percent")


def _wrong(code: int, spec: ColumnSpec | IndexSpec, table: str, what: str) -> JetError:
    kind = "column" if isinstance(spec, ColumnSpec) else "index"
    return jet_error(code, f"defining {kind} {spec.name} of table {table}: {what}")


def _column(spec: ColumnSpec, table: str) -> tuple[int, Column]:
    """The first id of the column's class, and the column."""
    grbit = spec.grbit
    try:
        coltyp = Coltyp(spec.coltyp)
    except ValueError as problem:
        raise _wrong(codes.JET_errInvalidColumnType, spec, table, f"type {spec.coltyp}") from problem
    if coltyp in (Coltyp.NIL, Coltyp.SLV):
        raise _wrong(codes.JET_errInvalidColumnType, spec, table, f"type {spec.coltyp}")
    if grbit & grbits.JET_bitColumnEncrypted or grbit & grbits.JET_bitColumnUserDefinedDefault:
        raise _wrong(codes.JET_errFeatureNotAvailable, spec, table, "encryption and computed defaults are not available")
    if grbit & ~_COLUMN_GRBITS or (grbit & grbits.JET_bitColumnTagged and grbit & grbits.JET_bitColumnFixed):
        raise _wrong(codes.JET_errInvalidGrbit, spec, table, f"grbit {grbit:#x}")
    inherent = INHERENT_SIZE.get(coltyp)
    kind = column_class(coltyp, grbit)
    flags = column_flags(grbit)
    if flags & FLAG_MULTIVALUED and kind != TAGGED_FIRST:
        raise _wrong(codes.JET_errMultiValuedColumnMustBeTagged, spec, table, "several values in a column that is not tagged")
    if flags & FLAG_COMPRESSED and coltyp not in LONG_TYPES:
        raise _wrong(codes.JET_errColumnCannotBeCompressed, spec, table, f"type {spec.coltyp}")
    if flags & FLAG_AUTOINCREMENT and (kind != FIXED_FIRST or coltyp not in AUTOINCREMENT_TYPES):
        raise _wrong(codes.JET_errInvalidColumnType, spec, table, "numbers rows, but is no fixed integer")
    if flags & FLAG_VERSION and (kind != FIXED_FIRST or coltyp != Coltyp.LONG):
        raise _wrong(codes.JET_errInvalidColumnType, spec, table, "counts updates, but is no fixed Long")
    if flags & FLAG_ESCROW and (kind != FIXED_FIRST or coltyp not in (Coltyp.LONG, Coltyp.LONG_LONG) or spec.default is None):
        raise _wrong(codes.JET_errInvalidGrbit, spec, table, "escrow needs a fixed integer with a default")
    if flags & (FLAG_FINALIZE | FLAG_DELETE_ON_ZERO) and not flags & FLAG_ESCROW:
        raise _wrong(codes.JET_errInvalidGrbit, spec, table, "acts on zero without escrow")
    code_page = 0
    if coltyp in TEXT_TYPES:
        code_page = spec.cp or CODE_PAGES[0]
        if code_page not in CODE_PAGES:
            raise _wrong(codes.JET_errInvalidCodePage, spec, table, f"code page {code_page}")
    if inherent:
        size = inherent
    elif coltyp in LONG_TYPES:
        size = spec.cb_max
    else:
        size = spec.cb_max or COLUMN_MOST
    if not 0 <= size <= (LONG_VALUE_MOST if coltyp in LONG_TYPES else COLUMN_MOST):
        raise _wrong(codes.JET_errInvalidParameter, spec, table, f"at most {size} bytes")
    column = Column(spec.name, 0, coltyp, size, flags, code_page)
    if spec.default is not None:
        default = value_bytes(coltyp, code_page, spec.default)
        if len(default) > COLUMN_MOST:
            raise _wrong(codes.JET_errDefaultValueTooBig, spec, table, f"a default of {len(default)} bytes")
        if stored_value(coltyp, code_page, size, kind == FIXED_FIRST, default) is not None:
            column.default = default
            column.flags |= FLAG_DEFAULT
    return kind, column


def _segment(text: str, minus: int, table: Table) -> Segment:
    """One "+column" or "-column"; without a sign it is "+"."""
    sign, name = (text[0], text[1:]) if text[:1] in "+-" and text else ("+", text)
    return Segment(table.column(name).fid, minus if sign == "-" else 0)


def _index(spec: IndexSpec, table: Table, page_size: int) -> Index:
    if not spec.key:
        raise _wrong(codes.JET_errIndexInvalidDef, spec, table.name, "no columns")
    if len(spec.key) > SEGMENTS_MOST:
        raise _wrong(codes.JET_errIndexInvalidDef, spec, table.name, f"{len(spec.key)} columns")
    grbit = spec.grbit
    if grbit & ~_INDEX_GRBITS:
        raise _wrong(codes.JET_errInvalidGrbit, spec, table.name, f"grbit {grbit:#x}")
    if spec.density:
        _density(spec.density)
    segments = [_segment(part, SEGMENT_DESCENDING, table) for part in spec.key]
    columns = [column for segment in segments if (column := table.segment_column(segment)) is not None]
    several = any(column.is_multivalued for column in columns)
    flags = index_flags(grbit, multi_valued=several, localized=any(map(is_unicode_text, columns)))
    if len({segment.fid for segment in segments}) < len(segments):
        raise _wrong(codes.JET_errIndexInvalidDef, spec, table.name, "a column twice")
    if any(column.flags & FLAG_ESCROW for column in columns):
        raise _wrong(codes.JET_errCannotIndex, spec, table.name, "an escrow column")
    if grbit & grbits.JET_bitIndexCrossProduct and grbit & grbits.JET_bitIndexNestedTable:
        raise _wrong(codes.JET_errInvalidGrbit, spec, table.name, f"grbit {grbit:#x}")
    primary = bool(flags & INDEX_PRIMARY)
    if primary and (several or spec.conditions or grbit & IGNORING):
        raise _wrong(codes.JET_errIndexInvalidDef, spec, table.name, "a primary index that leaves rows out or lists them twice")
    index = Index(spec.name, 0, 0, flags, segments, density=spec.density or table.density)
    index.lcmap = NORMALISATION_FLAGS_DEFAULT
    if index.is_localized:
        index.version, index.sort_id = SORT_VERSION, sort_id(order_number(index.locale))
    index.conditions = [_segment(part, SEGMENT_MUST_BE_NULL, table) for part in spec.conditions]
    if grbit & (grbits.JET_bitIndexTuples | grbits.JET_bitIndexTupleLimits) or spec.tuple_limits is not None:
        index.tuple_limits = _tuple_limits(spec, table, columns[0])
    index.key_most = _key_most(spec, table, columns, page_size)
    if spec.var_seg_mac:
        if not 0 < spec.var_seg_mac <= index.key_most:
            raise _wrong(codes.JET_errIndexInvalidDef, spec, table.name, f"{spec.var_seg_mac} bytes of a column")
        index.variable_segment_most = spec.var_seg_mac
    return index


def _tuple_limits(spec: IndexSpec, table: Table, first: Column) -> TupleLimits:
    limits = spec.tuple_limits or TupleLimits()
    if spec.grbit & grbits.JET_bitIndexPrimary:
        raise _wrong(codes.JET_errIndexTuplesSecondaryIndexOnly, spec, table.name, "primary")
    if spec.grbit & grbits.JET_bitIndexUnique:
        raise _wrong(codes.JET_errIndexTuplesNonUniqueOnly, spec, table.name, "unique")
    if first.coltyp not in TEXT_TYPES:
        raise _wrong(codes.JET_errIndexTuplesTextBinaryColumnsOnly, spec, table.name, f"column {first.name} is no text")
    if spec.var_seg_mac:
        raise _wrong(codes.JET_errIndexTuplesVarSegMacNotAllowed, spec, table.name, "a limit of bytes of a column")
    if not are_possible(limits) or not limits.to_index or not limits.increment:
        raise _wrong(codes.JET_errIndexTuplesInvalidLimits, spec, table.name, str(limits))
    return limits


def _key_most(spec: IndexSpec, table: Table, columns: list[Column], page_size: int) -> int:
    """The key maximum; of a primary index whose columns all have one size, the bytes they take."""
    if spec.key_most:
        if not KEY_MOST_DEFAULT <= spec.key_most <= key_most_for_page(page_size):
            raise _wrong(codes.JET_errIndexInvalidDef, spec, table.name, f"keys of {spec.key_most} bytes")
        return spec.key_most
    if not spec.grbit & grbits.JET_bitIndexPrimary:
        return KEY_MOST_DEFAULT
    if not all(column.is_fixed and column.coltyp not in TEXT_TYPES for column in columns):
        return KEY_MOST_DEFAULT
    return min(sum(1 + column.max_size for column in columns), KEY_MOST_DEFAULT)
