"""What columns and indexes may be like: options of the API into what the catalogue keeps, and the errors of wrong ones.

Rules: `reference/records-and-indexes.md` 1.2, 1.10, 5.1, 6.2; which error wins where several apply is as recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from esent.catalog.objects import (
    NORMALISATION_FLAGS_DEFAULT,
    SEGMENT_DESCENDING,
    SEGMENT_MUST_BE_NULL,
    SEGMENT_TEMPLATE,
    Index,
    Segment,
    Table,
    TupleLimits,
    is_unicode_text,
)
from esent.catalog.system import DEFAULT_LOCALE
from esent.constants import codes, grbits
from esent.errors import JetError, jet_error
from esent.records.columns import (
    FIXED_FIRST,
    FIXED_LAST,
    FLAG_AUTOINCREMENT,
    FLAG_COMPRESSED,
    FLAG_DEFAULT,
    FLAG_DELETE_ON_ZERO,
    FLAG_ESCROW,
    FLAG_FINALIZE,
    FLAG_MULTIVALUED,
    FLAG_NOT_NULL,
    FLAG_USER_DEFINED_DEFAULT,
    FLAG_VERSION,
    INHERENT_SIZE,
    LONG_TYPES,
    TAGGED_FIRST,
    TAGGED_LAST,
    TEXT_TYPES,
    VARIABLE_FIRST,
    VARIABLE_LAST,
    Coltyp,
    Column,
)
from esent.records.encode import COLUMN_MOST
from esent.records.keys import KEY_MOST_DEFAULT, SEGMENTS_MOST, index_flags, key_most_for_page
from esent.records.sort_orders import SORT_VERSION, order_number, sort_id

NAME_MOST = 64
DENSITY_LEAST, DENSITY_MOST = 20, 100
DENSITY_DEFAULT = 80
CODE_PAGES = (1252, 1200)
LAST_OF_CLASS = {FIXED_FIRST: FIXED_LAST, VARIABLE_FIRST: VARIABLE_LAST, TAGGED_FIRST: TAGGED_LAST}

_FLAGS = (
    (grbits.JET_bitColumnNotNULL, FLAG_NOT_NULL),
    (grbits.JET_bitColumnVersion, FLAG_VERSION),
    (grbits.JET_bitColumnAutoincrement, FLAG_AUTOINCREMENT),
    (grbits.JET_bitColumnMultiValued, FLAG_MULTIVALUED),
    (grbits.JET_bitColumnEscrowUpdate, FLAG_ESCROW),
    (grbits.JET_bitColumnFinalize, FLAG_FINALIZE),
    (grbits.JET_bitColumnDeleteOnZero, FLAG_DELETE_ON_ZERO),
    (grbits.JET_bitColumnUserDefinedDefault, FLAG_USER_DEFINED_DEFAULT),
    (grbits.JET_bitColumnCompressed, FLAG_COMPRESSED),
)
AUTOINCREMENT_TYPES = (Coltyp.LONG, Coltyp.LONG_LONG, Coltyp.UNSIGNED_LONG_LONG, Coltyp.CURRENCY)
_ENGINE_FILLS = FLAG_AUTOINCREMENT | FLAG_VERSION | FLAG_ESCROW
_NOT_COMPUTED = (
    grbits.JET_bitColumnFixed
    | grbits.JET_bitColumnNotNULL
    | grbits.JET_bitColumnVersion
    | grbits.JET_bitColumnAutoincrement
    | grbits.JET_bitColumnUpdatable
    | grbits.JET_bitColumnEscrowUpdate
    | grbits.JET_bitColumnFinalize
    | grbits.JET_bitColumnDeleteOnZero
    | grbits.JET_bitColumnMaybeNull
)
_ONE_OF_A_KIND = (FLAG_AUTOINCREMENT, FLAG_VERSION)
IGNORING = grbits.JET_bitIndexIgnoreNull | grbits.JET_bitIndexIgnoreAnyNull | grbits.JET_bitIndexIgnoreFirstNull
_TUPLES = grbits.JET_bitIndexTuples | grbits.JET_bitIndexTupleLimits
_TUPLE_LENGTHS = range(2, 256)
_TUPLE_PLACES = range(0x8000)
_LONG_MOST = 0x7FFFFFFF
_MAPPING_SORTS = 0x400
_MAPPING_FLAGS = 0x3F7_FF0F | NORMALISATION_FLAGS_DEFAULT


def _is_refused(character: str) -> bool:
    return character < " " or character in "!.[]"


def object_name(name: object, what: str) -> str:
    """The name of a table, column or index as it is kept, blanks at the end taken off.

    JET_errInvalidName: none, empty, longer than 64, a leading blank, control characters, `!.[]`, or beyond code page 1252.
    """
    if isinstance(name, str) and 0 < len(name) <= NAME_MOST and name[0] != " " and not any(map(_is_refused, name)):
        try:
            name.encode("cp1252")
        except UnicodeEncodeError:
            pass
        else:
            return name.rstrip(" ")
    raise jet_error(codes.JET_errInvalidName, f"{name!r} as the name of {what}")


def checked_density(density: object, default: int = DENSITY_DEFAULT) -> int:
    """JET_errDensityInvalid outside of 20 to 100 percent; 0 stands for the default."""
    if density == 0:
        return default
    if not isinstance(density, int) or not DENSITY_LEAST <= density <= DENSITY_MOST:
        raise jet_error(codes.JET_errDensityInvalid, f"a density of {density!r} percent")
    return density


def _wrong(code: int, name: str, what: str) -> JetError:
    return jet_error(code, f"defining column {name}: {what}")


def column_flags(grbit: int) -> int:
    """What the catalogue keeps of the options of a column."""
    return sum(flag for bit, flag in _FLAGS if grbit & bit)


def column_class(coltyp: int, grbit: int) -> int:
    """The first id of the class a column is in: fixed, variable or tagged."""
    if grbit & grbits.JET_bitColumnTagged or coltyp in LONG_TYPES:
        return TAGGED_FIRST
    return FIXED_FIRST if grbit & grbits.JET_bitColumnFixed or coltyp in INHERENT_SIZE else VARIABLE_FIRST


def define_column(
    name: str, coltyp: object, grbit: object, cp: object, cb_max: object, *, has_default: bool, wide_escrow: bool = False
) -> tuple[int, Column, bool]:
    """First id of the column's class, the column with that for an id, whether its size was cut to what is possible.

    Raises what wrong definitions are answered with; options that are not known have no meaning.
    """
    if not isinstance(coltyp, int) or coltyp in (Coltyp.NIL, Coltyp.SLV) or not 0 < coltyp <= Coltyp.UNSIGNED_LONG_LONG:
        raise _wrong(codes.JET_errInvalidColumnType, name, f"type {coltyp!r}")
    if not isinstance(grbit, int):
        raise _wrong(codes.JET_errInvalidGrbit, name, f"grbit {grbit!r}")
    if not isinstance(cb_max, int) or not isinstance(cp, int):
        raise _wrong(codes.JET_errInvalidParameter, name, f"size {cb_max!r}, code page {cp!r}")
    long = coltyp in LONG_TYPES
    inherent = INHERENT_SIZE.get(coltyp)
    tagged = bool(grbit & grbits.JET_bitColumnTagged)
    if grbit & grbits.JET_bitColumnFixed and (tagged or long):
        raise _wrong(codes.JET_errInvalidGrbit, name, f"fixed, grbit {grbit:#x} type {coltyp}")
    kind = column_class(coltyp, grbit)
    flags = column_flags(grbit)
    if flags & FLAG_MULTIVALUED and kind != TAGGED_FIRST:
        raise _wrong(codes.JET_errMultiValuedColumnMustBeTagged, name, "several values in a column that is not tagged")
    if flags & FLAG_COMPRESSED and not long:
        raise _wrong(codes.JET_errColumnCannotBeCompressed, name, f"type {coltyp}")
    if grbit & grbits.JET_bitColumnEncrypted:
        raise _wrong(codes.JET_errFeatureNotAvailable, name, "encryption")
    if grbit & grbits.JET_bitColumnUserDefinedDefault and (grbit & _NOT_COMPUTED or kind != TAGGED_FIRST):
        raise _wrong(codes.JET_errInvalidGrbit, name, f"a default computed by a callback, grbit {grbit:#x}")
    _check_special(name, coltyp, flags, tagged, has_default, wide_escrow)
    code_page = 0
    if coltyp in TEXT_TYPES:
        code_page = cp or CODE_PAGES[0]
        if code_page not in CODE_PAGES:
            raise _wrong(codes.JET_errInvalidCodePage, name, f"code page {cp}")
    most = _LONG_MOST if long else COLUMN_MOST
    size = inherent or min(cb_max & 0xFFFFFFFF, most) or (0 if long else most)
    return kind, Column(name, kind, Coltyp(coltyp), size, flags, code_page), not inherent and cb_max & 0xFFFFFFFF > most


def _check_special(name: str, coltyp: int, flags: int, tagged: bool, has_default: bool, wide_escrow: bool) -> None:
    """Columns the engine itself writes to."""
    if flags & FLAG_ESCROW and not has_default:
        raise _wrong(codes.JET_errInvalidGrbit, name, "escrow without a default")
    if flags & _ENGINE_FILLS and tagged:
        raise _wrong(codes.JET_errCannotBeTagged, name, "tagged")
    if flags & FLAG_AUTOINCREMENT and coltyp not in AUTOINCREMENT_TYPES:
        raise _wrong(codes.JET_errInvalidGrbit, name, f"numbers of type {coltyp}")
    if flags & FLAG_VERSION and coltyp != Coltyp.LONG:
        raise _wrong(codes.JET_errInvalidGrbit, name, f"a count of updates of type {coltyp}")
    if flags & FLAG_ESCROW:
        if flags & (FLAG_AUTOINCREMENT | FLAG_VERSION) or coltyp not in (Coltyp.LONG, Coltyp.LONG_LONG):
            raise _wrong(codes.JET_errInvalidGrbit, name, f"escrow of type {coltyp}")
        if coltyp == Coltyp.LONG_LONG and not wide_escrow:
            raise _wrong(codes.JET_errEngineFormatVersionParamTooLowForRequestedFeature, name, "escrow of 64 bits")
    elif flags & (FLAG_FINALIZE | FLAG_DELETE_ON_ZERO):
        raise _wrong(codes.JET_errInvalidGrbit, name, "acts on zero without escrow")
    if flags & FLAG_FINALIZE and flags & FLAG_DELETE_ON_ZERO:
        raise _wrong(codes.JET_errInvalidGrbit, name, "finalised and deleted on zero")
    if flags & FLAG_AUTOINCREMENT and flags & FLAG_VERSION:
        raise _wrong(codes.JET_errInvalidGrbit, name, "numbers rows and counts updates")


def require_one_of_a_kind(column: Column, columns: Sequence[Column]) -> None:
    """JET_errColumnRedundant for a second column that numbers rows or counts updates."""
    for flag in _ONE_OF_A_KIND:
        if column.flags & flag and any(each.flags & flag for each in columns):
            raise _wrong(codes.JET_errColumnRedundant, column.name, "the table has a column of that kind")


def set_default(column: Column, default: bytes) -> None:
    """Give a column a default. JET_errInvalidBufferSize: wrong size for the type; JET_errDefaultValueTooBig."""
    inherent = INHERENT_SIZE.get(column.coltyp)
    if inherent is not None and len(default) != inherent:
        raise _wrong(codes.JET_errInvalidBufferSize, column.name, f"a default of {len(default)} bytes")
    if len(default) > min(column.max_size or COLUMN_MOST, COLUMN_MOST):
        raise _wrong(codes.JET_errDefaultValueTooBig, column.name, f"a default of {len(default)} bytes")
    column.default = default
    column.flags |= FLAG_DEFAULT


# ---- indexes ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class IndexWish:
    """An index as it is asked for. `conditions`: (column, JET_bitIndexColumnMustBe...); `locale` None: the default."""

    name: Any
    key: Any
    grbit: Any = 0
    density: int = DENSITY_DEFAULT
    key_most: Any = 0
    variable_most: Any = 0
    conditions: Sequence[tuple[Any, Any]] = ()
    limits: TupleLimits | None = None
    locale: str | None = None
    mapping: int | None = None
    space_hints: bytes | None = None
    error: int = 0


def key_parts(key: object) -> list[str]:
    """The columns of a key, with their signs: a list, or text in which each part ends in a NUL, and the whole in another."""
    if isinstance(key, str):
        parts = key.split("\0")
        end = parts.index("") if "" in parts else len(parts)
        return parts[:end]
    if isinstance(key, Sequence) and all(isinstance(part, str) for part in key):
        return [str(part).rstrip("\0") for part in key]
    raise jet_error(codes.JET_errInvalidParameter, f"{key!r} as the key of an index")


def _bad(code: int, wish: IndexWish, what: str) -> JetError:
    return jet_error(code, f"defining index {wish.name}: {what}")


def define_index(wish: IndexWish, name: str, table: Table, page_size: int) -> Index:
    """The index as the catalogue keeps it, without a tree yet. Raises what wrong definitions are answered with."""
    grbit = wish.grbit
    if not isinstance(grbit, int):
        raise _bad(codes.JET_errInvalidGrbit, wish, f"grbit {grbit!r}")
    primary = bool(grbit & grbits.JET_bitIndexPrimary)
    parts = key_parts(wish.key)
    if not parts or len(parts) > SEGMENTS_MOST or not all(part.strip("+-") for part in parts):
        raise _bad(codes.JET_errIndexInvalidDef, wish, f"key {wish.key!r}")
    _check_options(wish, grbit, primary)
    limits = _tuple_limits(wish, grbit, primary)
    segments = [_segment(table, part) for part in parts]
    columns = [column for segment in segments if (column := table.segment_column(segment)) is not None]
    for column in columns:
        if column.flags & FLAG_ESCROW:
            raise _bad(codes.JET_errCannotIndex, wish, f"escrow column {column.name}")
    several = any(column.is_multivalued for column in columns)
    if primary and several:
        raise _bad(codes.JET_errIndexInvalidDef, wish, "primary over a column of several values")
    if limits is not None and columns[0].coltyp in INHERENT_SIZE:
        raise _bad(codes.JET_errIndexTuplesTextBinaryColumnsOnly, wish, f"column {columns[0].name} is neither text nor binary")
    localized = any(map(is_unicode_text, columns))
    flags = index_flags(grbit, multi_valued=several, localized=localized)
    index = Index(name, 0, 0, flags, segments, [_condition(wish, table, each) for each in wish.conditions], wish.density)
    index.tuple_limits = limits
    index.locale = wish.locale or DEFAULT_LOCALE
    if wish.mapping is not None:
        index.lcmap = checked_mapping(wish)
    if localized:
        index.version, index.sort_id = SORT_VERSION, sort_id(order_number(index.locale))
    index.key_most = _key_most(wish, grbit, page_size)
    if wish.variable_most:
        if not isinstance(wish.variable_most, int) or not 0 < wish.variable_most <= index.key_most:
            raise _bad(codes.JET_errIndexInvalidDef, wish, f"{wish.variable_most!r} bytes of a column")
        index.variable_segment_most = wish.variable_most
    index.space_hints = wish.space_hints
    return index


def _check_options(wish: IndexWish, grbit: int, primary: bool) -> None:
    if grbit & grbits.JET_bitIndexEmpty and not grbit & grbits.JET_bitIndexIgnoreAnyNull:
        raise _bad(codes.JET_errInvalidGrbit, wish, "empty, but not without NULLs")
    if primary and grbit & grbits.JET_bitIndexEmpty:
        raise _bad(codes.JET_errInvalidGrbit, wish, "primary and empty")
    if grbit & grbits.JET_bitIndexCrossProduct and grbit & grbits.JET_bitIndexNestedTable:
        raise _bad(codes.JET_errInvalidGrbit, wish, "cross product and nested table")
    if primary and (grbit & IGNORING or wish.conditions):
        raise _bad(codes.JET_errIndexInvalidDef, wish, "a primary index that leaves records out")
    if grbit & grbits.JET_bitIndexDeferredPopulateCreate or grbit & grbits.JET_bitIndexDeferredPopulateProcess:
        raise _bad(codes.JET_errFeatureNotAvailable, wish, "populated later")


def _segment(table: Table, part: str) -> Segment:
    sign, name = (part[0], part[1:]) if part[0] in "+-" else ("+", part)
    column = table.column(object_name(name, "a column"))
    flags = SEGMENT_DESCENDING if sign == "-" else 0
    return Segment(column.fid, flags | SEGMENT_TEMPLATE if column.template else flags)


def _condition(wish: IndexWish, table: Table, condition: tuple[Any, Any]) -> Segment:
    name, grbit = condition
    column = table.column(object_name(name, "a column"))
    if grbit not in (grbits.JET_bitIndexColumnMustBeNull, grbits.JET_bitIndexColumnMustBeNonNull):
        raise _bad(codes.JET_errInvalidGrbit, wish, f"condition {grbit!r}")
    flags = SEGMENT_MUST_BE_NULL if grbit == grbits.JET_bitIndexColumnMustBeNull else 0
    return Segment(column.fid, flags | SEGMENT_TEMPLATE if column.template else flags)


def _tuple_limits(wish: IndexWish, grbit: int, primary: bool) -> TupleLimits | None:
    if not grbit & _TUPLES:
        return None
    if primary:
        raise _bad(codes.JET_errIndexTuplesSecondaryIndexOnly, wish, "primary")
    if grbit & grbits.JET_bitIndexUnique:
        raise _bad(codes.JET_errIndexTuplesNonUniqueOnly, wish, "unique")
    if wish.variable_most:
        raise _bad(codes.JET_errIndexTuplesVarSegMacNotAllowed, wish, "a limit of bytes of a column")
    limits = wish.limits if grbit & grbits.JET_bitIndexTupleLimits else None
    if limits is None:
        return TupleLimits()
    shortest, longest, most, increment, start = limits
    filled = TupleLimits(shortest or 3, longest or 10, most or 0x7FFF, increment or 1, start)
    if not are_possible(filled):
        raise _bad(codes.JET_errIndexTuplesInvalidLimits, wish, str(limits))
    return filled


def are_possible(limits: TupleLimits) -> bool:
    """Whether an index of tuples can have these limits."""
    return (
        limits.shortest in _TUPLE_LENGTHS
        and limits.longest in _TUPLE_LENGTHS
        and limits.shortest <= limits.longest
        and limits.to_index in _TUPLE_PLACES
        and limits.increment in _TUPLE_PLACES
        and limits.start in _TUPLE_PLACES
    )


def _key_most(wish: IndexWish, grbit: int, page_size: int) -> int:
    if not grbit & grbits.JET_bitIndexKeyMost or wish.key_most == 0:
        return KEY_MOST_DEFAULT
    if not isinstance(wish.key_most, int) or not KEY_MOST_DEFAULT <= wish.key_most <= key_most_for_page(page_size):
        raise _bad(codes.JET_errIndexInvalidDef, wish, f"keys of {wish.key_most!r} bytes")
    return wish.key_most


def checked_mapping(wish: IndexWish) -> int:
    """JET_errInvalidLCMapStringFlags for flags of a mapping that are none, or do not sort."""
    mapping = wish.mapping
    if not isinstance(mapping, int) or mapping & ~_MAPPING_FLAGS or not mapping & _MAPPING_SORTS:
        raise _bad(codes.JET_errInvalidLCMapStringFlags, wish, f"mapping {mapping!r}")
    return mapping
