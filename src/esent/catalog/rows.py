"""Rows of the catalogue as bytes: records and keys of MSysObjects, its indexes, MSysObjids and MSysLocales.

Layout (`reference/database-format.md` 8.2-8.10): the columns are `catalog.system.CATALOG_COLUMNS`, records as any other.

| row        | Type | Id         | fixed columns up to   | further                                                       |
|------------|------|------------|-----------------------|---------------------------------------------------------------|
| table      | 1    | objid      | 8 RootFlag            | 12 LVChunkMax, 130 template, 258 threshold, 259 and 260 hints   |
| column     | 2    | column id  | 7, fixed ones 9       | 131 default                                                   |
| index      | 3    | objid      | 10, with KeyMost 11   | 132 segments, 133-137, 259 hints, 261 locale                  |
| long value | 4    | objid      | 7                     |                                                               |
| callback   | 5    | 5          | 7                     | 130 function                                                  |

| key of                | segments                                                                     |
|-----------------------|------------------------------------------------------------------------------|
| MSysObjects           | ObjidTable, Type, Id                                                         |
| Name                  | ObjidTable, Type, Name                                                       |
| RootObjects (tables)  | RootFlag, Name                                                               |
| MSysObjids            | objid                                                                        |
| MSysLocales           | Key, UTF-16 with its terminator                                              |
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from esent.catalog.objects import Index, Table
from esent.catalog.objects import Segment as IndexSegment
from esent.catalog.system import (
    CATALOG,
    CATALOG_COLUMNS,
    CATALOG_DENSITY,
    CATALOG_OBJID,
    CATALOG_PAGES,
    CATALOG_ROOT,
    NAME_OBJID,
    NAME_ROOT,
    ROOT_OBJECTS_OBJID,
    ROOT_OBJECTS_ROOT,
    SHADOW,
    SHADOW_OBJID,
    SHADOW_ROOT,
    SYSTEM_TABLE_FLAGS,
    ObjectType,
)
from esent.constants import codes
from esent.errors import jet_error
from esent.records.columns import Coltyp, Column
from esent.records.encode import Tagged, Value, encode_record
from esent.records.keys import INDEX_DERIVED, KEY_MOST_DEFAULT, KeyDefinition, Segment, SortKey, TupleLimits, build_key

Row = dict[str, Any]
"""Column name to value: int, bytes, or str for text of code page 1252. Columns that are NULL are absent."""

OBJIDS, OBJIDS_OBJID, OBJIDS_ROOT = "MSysObjids", 6, 29
LOCALES, LOCALES_OBJID, LOCALES_ROOT = "MSysLocales", 7, 30
OBJIDS_FLAGS = 0xC8000000
LOCALES_FLAGS = 0x88000000
LOCALES_DENSITY = 92
_LOCALES_UPDATE = ".Schema\\Internal\\Update"
SHADOW_PAGES = 5
LONG_VALUE_NAME = "LV"
LONG_VALUE_DENSITY = 100
CALLBACK_NAME = "CB"
NAME_MOST = 64
_NAME_CHARACTERS = frozenset(map(chr, range(0x20, 0x7F))) - frozenset("!.[]")

_INDEX_ID_FLAGS = 0x10031
_INDEX_NAME_FLAGS = 0x10011
_INDEX_ROOT_OBJECTS_FLAGS = 0x10009
_PRIMARY_FLAGS = 0x1002F
_LOCALES_PRIMARY_FLAGS = 0x1402F
_ESCROW_DEFAULT = 0x30
_FILETIME_OF_1970 = 116444736000000000  # in units of 100 nanoseconds since 1601

_FIXED = [column for column in CATALOG_COLUMNS if column.is_fixed]
_VARIABLE = [column for column in CATALOG_COLUMNS if column.is_variable]
_TAGGED = [column for column in CATALOG_COLUMNS if column.is_tagged]
_SIZES = [column.max_size for column in _FIXED]

_NAME_KEY = KeyDefinition((Segment(0, Coltyp.LONG), Segment(1, Coltyp.SHORT), Segment(2, Coltyp.TEXT, 1252)))
_ROOT_OBJECTS_KEY = KeyDefinition((Segment(0, Coltyp.BIT), Segment(1, Coltyp.TEXT, 1252)))
_LOCALES_KEY = KeyDefinition((Segment(0, Coltyp.BINARY),))


def name_bytes(name: str) -> bytes:
    """The name of an object as the catalogue keeps it.

    JET_errInvalidName: empty, longer than 64, not of printable ASCII, a leading blank, or one of `!.[]` in it.
    """
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= NAME_MOST
        or name[0] == " "
        or any(not " " <= c <= "~" or c in "!.[]" for c in name)
    ):
        raise jet_error(codes.JET_errInvalidName, f"naming an object {name!r}")
    return name.encode("ascii")


def catalog_key(objid_table: int, kind: int, identity: int) -> bytes:
    """The key of a row in both catalogue tables, at once the bookmark in their indexes."""
    return struct.pack(">BIBHBI", 0x7F, objid_table ^ 0x80000000, 0x7F, kind ^ 0x8000, 0x7F, identity ^ 0x80000000)


def row_key(row: Mapping[str, Any]) -> bytes:
    return catalog_key(row["ObjidTable"], row["Type"], row["Id"])


def _bytes(column: Column, value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("cp1252")
    if isinstance(value, int):
        if column.coltyp == Coltyp.BIT:
            return b"\xff" if value else b"\0"
        return (value & ((1 << 8 * column.max_size) - 1)).to_bytes(column.max_size, "little")
    return bytes(value)


def catalog_record(row: Mapping[str, Any], *, small_page: bool) -> bytes:
    """The record of a row. It reaches as far as the last column of each class that is set."""
    fixed = [_bytes(column, row[column.name]) if column.name in row else None for column in _FIXED]
    variable = [_bytes(column, row[column.name]) if column.name in row else None for column in _VARIABLE]
    for values in (fixed, variable):
        while values and values[-1] is None:
            values.pop()
    tagged = [
        Tagged(column.fid, (Value(_bytes(column, row[column.name])),), long=True) for column in _TAGGED if column.name in row
    ]
    return encode_record(fixed, _SIZES, variable, tagged, small_page=small_page)


def name_index_key(row: Mapping[str, Any]) -> bytes:
    """The key of a row in the index Name."""
    kind = int(row["Type"])
    return build_key(_NAME_KEY, (struct.pack("<I", row["ObjidTable"]), struct.pack("<H", kind), _name(row)))[0]


def root_objects_key(row: Mapping[str, Any]) -> bytes:
    """The key of a table's row in the index RootObjects; other rows have none."""
    return build_key(_ROOT_OBJECTS_KEY, (b"\xff", _name(row)))[0]


def _name(row: Mapping[str, Any]) -> bytes:
    name = row["Name"]
    return name.encode("cp1252") if isinstance(name, str) else bytes(name)


def date_root(row: Row) -> None:
    """Let the row of something that has a tree say that its root was made now."""
    if row["Type"] in (ObjectType.TABLE, ObjectType.INDEX, ObjectType.LONG_VALUE):
        row["PgnoFDPLastSetTime"] = time.time_ns() // 100 + _FILETIME_OF_1970


def table_row(table: Table) -> Row:
    row: Row = {
        "ObjidTable": table.objid,
        "Type": int(ObjectType.TABLE),
        "Id": table.objid,
        "ColtypOrPgnoFDP": table.root,
        "SpaceUsage": table.density,
        "Flags": table.flags,
        "PagesOrLocale": table.initial_pages,
        "RootFlag": 1,
        "Name": table.name,
    }
    if table.long_value_chunk is not None:
        row["LVChunkMax"] = table.long_value_chunk
    if table.template_name is not None:
        row["TemplateTable"] = table.template_name
    if table.separate_threshold is not None:
        row["SeparateLV"] = struct.pack("<I", table.separate_threshold)
    if table.space_hints is not None:
        row["SpaceHints"] = table.space_hints
    if table.deferred_space_hints is not None:
        row["SpaceDeferredLVHints"] = table.deferred_space_hints
    return row


def column_row(objid_table: int, column: Column) -> Row:
    row: Row = {
        "ObjidTable": objid_table,
        "Type": int(ObjectType.COLUMN),
        "Id": column.fid,
        "ColtypOrPgnoFDP": int(column.coltyp),
        "SpaceUsage": column.max_size,
        "Flags": column.flags,
        "PagesOrLocale": column.code_page,
        "Name": column.name,
    }
    if column.is_fixed:
        row["RecordOffset"] = column.record_offset
    if column.default is not None:
        row["DefaultValue"] = column.default
    if column.callback is not None:
        row["TemplateTable"] = column.callback
    if column.callback_data is not None:
        row["CallbackData"] = column.callback_data
    return row


def segment_bytes(segments: Iterable[IndexSegment]) -> bytes:
    """KeyFldIDs or ConditionalColumns in the extended form."""
    return b"".join(struct.pack("<BBH", segment.flags, 0, segment.fid) for segment in segments)


def index_row(objid_table: int, index: Index) -> Row:
    row: Row = {
        "ObjidTable": objid_table,
        "Type": int(ObjectType.INDEX),
        "Id": index.objid,
        "ColtypOrPgnoFDP": index.root,
        "SpaceUsage": index.density,
        "Flags": index.flags,
        "PagesOrLocale": 0,
        # a derived index normalises as that of the template does
        "LCMapFlags": 0 if index.flags & INDEX_DERIVED else index.lcmap,
        "Name": index.name,
        "KeyFldIDs": segment_bytes(index.segments),
        "LocaleName": index.locale.encode("utf-16-le"),
    }
    if index.key_most != KEY_MOST_DEFAULT:
        row["KeyMost"] = index.key_most
    if index.variable_segment_most is not None and index.variable_segment_most != index.key_most:
        row["VarSegMac"] = struct.pack("<H", index.variable_segment_most)
    if index.conditions:
        row["ConditionalColumns"] = segment_bytes(index.conditions)
    if index.tuple_limits is not None:
        row["TupleLimits"] = struct.pack("<5I", *index.tuple_limits)
    if index.version is not None:
        row["Version"] = struct.pack("<Q", index.version)
    if index.sort_id is not None:
        row["SortID"] = index.sort_id
    if index.space_hints is not None:
        row["SpaceHints"] = index.space_hints
    return row


def long_value_row(objid_table: int, objid: int, root: int) -> Row:
    return {
        "ObjidTable": objid_table,
        "Type": int(ObjectType.LONG_VALUE),
        "Id": objid,
        "ColtypOrPgnoFDP": root,
        "SpaceUsage": LONG_VALUE_DENSITY,
        "Flags": 0,
        "PagesOrLocale": 1,
        "Name": LONG_VALUE_NAME,
    }


def callback_row(objid_table: int, kind: int, function: str) -> Row:
    return {
        "ObjidTable": objid_table,
        "Type": int(ObjectType.CALLBACK),
        "Id": int(ObjectType.CALLBACK),
        "ColtypOrPgnoFDP": 0,
        "SpaceUsage": 0,
        "Flags": kind,
        "PagesOrLocale": 0,
        "Name": CALLBACK_NAME,
        "TemplateTable": function,
    }


def table_rows(table: Table) -> list[Row]:
    """All rows of a table, in no particular order; columns of its template are not its own."""
    rows = [table_row(table)]
    rows += [column_row(table.objid, column) for column in table.columns if table.is_template or not column.template]
    rows += [index_row(table.objid, index) for index in table.indexes]
    if table.long_value_root:
        rows.append(long_value_row(table.objid, table.long_value_objid, table.long_value_root))
    rows += [callback_row(table.objid, kind, function) for kind, function in table.callbacks]
    return rows


def system_tables(*, locales_2: bool = False) -> list[Table]:
    """MSysObjects, MSysObjectsShadow, MSysObjids and MSysLocales as the catalogue of a new database describes them.

    `locales_2`: with the columns MSysLocales has in its second form (1.0.2).
    """
    # The catalogue says of its own columns that all begin at 4 and have code page 1252.
    own = [Column(c.name, c.fid, c.coltyp, c.max_size, c.flags, 1252, 4 if c.is_fixed else 0) for c in CATALOG_COLUMNS]
    fids = {column.name: column.fid for column in CATALOG_COLUMNS}

    def index(name: str, objid: int, root: int, flags: int, columns: tuple[str, ...]) -> Index:
        return Index(name, objid, root, flags, [IndexSegment(fids[c]) for c in columns], density=CATALOG_DENSITY)

    identity = ("ObjidTable", "Type", "Id")
    catalog = Table(CATALOG, CATALOG_OBJID, CATALOG_ROOT, SYSTEM_TABLE_FLAGS, CATALOG_DENSITY, CATALOG_PAGES, columns=own)
    catalog.indexes = [
        index("Id", CATALOG_OBJID, CATALOG_ROOT, _INDEX_ID_FLAGS, identity),
        index("Name", NAME_OBJID, NAME_ROOT, _INDEX_NAME_FLAGS, ("ObjidTable", "Type", "Name")),
        index("RootObjects", ROOT_OBJECTS_OBJID, ROOT_OBJECTS_ROOT, _INDEX_ROOT_OBJECTS_FLAGS, ("RootFlag", "Name")),
    ]
    shadow = Table(SHADOW, SHADOW_OBJID, SHADOW_ROOT, SYSTEM_TABLE_FLAGS, CATALOG_DENSITY, SHADOW_PAGES, columns=own)
    shadow.indexes = [index("Id", SHADOW_OBJID, SHADOW_ROOT, _INDEX_ID_FLAGS, identity)]
    objids = Table(OBJIDS, OBJIDS_OBJID, OBJIDS_ROOT, OBJIDS_FLAGS, 100)
    objids.columns = [
        Column("objid", 256, Coltyp.LONG, 4),
        Column("objidTable", 257, Coltyp.LONG, 4),
        Column("type", 258, Coltyp.SHORT, 2),
    ]
    objids.indexes = [Index("primary", OBJIDS_OBJID, OBJIDS_ROOT, _PRIMARY_FLAGS, [IndexSegment(256)])]
    locales = Table(LOCALES, LOCALES_OBJID, LOCALES_ROOT, LOCALES_FLAGS, LOCALES_DENSITY)
    locales.columns = [
        Column("Type", 1, Coltyp.UNSIGNED_BYTE, 1, 1, 0, 4),
        Column("iValue", 2, Coltyp.LONG, 4, _ESCROW_DEFAULT, 0, 5, bytes(4)),
        Column("Key", 128, Coltyp.BINARY, 255),
    ]
    if locales_2:
        locales.columns.insert(2, Column("i64Value", 3, Coltyp.CURRENCY, 8, 0, 0, 9))
        locales.columns.append(Column("rgbValue", 256, Coltyp.LONG_BINARY, 0))
    locales.indexes = [
        Index("KeyPrimary", LOCALES_OBJID, LOCALES_ROOT, _LOCALES_PRIMARY_FLAGS, [IndexSegment(128)], density=LOCALES_DENSITY)
    ]
    return [catalog, shadow, objids, locales]


def objids_node(objid: int, objid_table: int, kind: int, *, small_page: bool) -> tuple[bytes, bytes]:
    """Key and record of MSysObjids for a table, a secondary index or a long-value tree."""
    values = (struct.pack("<I", objid), struct.pack("<I", objid_table), struct.pack("<H", kind))
    tagged = [Tagged(256 + i, (Value(value),)) for i, value in enumerate(values)]
    return struct.pack(">BI", 0x7F, objid ^ 0x80000000), encode_record((), (), (), tagged, small_page=small_page)


def locale_key(locale: str, sort_id: str, version: int) -> str:
    """What MSysLocales calls a sort order: `sort_id` is a GUID in lower case without braces."""
    return f"LocaleName={locale},SortID={sort_id},Ver={version:x}"


def locales_nodes(locales: Mapping[str, int], *, small_page: bool, locales_2: bool = False) -> Iterator[tuple[bytes, bytes]]:
    """Keys and records of MSysLocales in key order; `locales` counts the indexes of each `locale_key`."""
    rows: list[tuple[str, int, int]] = [
        (f".Schema\\{side}\\{part}", 1, 1 if part == "Major" else 0)
        for side in ("Internal", "External")
        for part in ("Major", "Minor", "Update")
    ]
    if locales_2:
        rows = [(name, kind, 2 if name == _LOCALES_UPDATE else value) for name, kind, value in rows]
    rows.append(("MSysLocalesConsistent", 2, 1))
    rows += [(name, 2, count) for name, count in locales.items()]
    nodes = [_locales_node(name, kind, value, small_page=small_page) for name, kind, value in rows]
    yield from sorted(nodes)


def locale_node(name: str, count: int, *, small_page: bool) -> tuple[bytes, bytes]:
    """Key and record of MSysLocales for a sort order (`locale_key`) that `count` indexes have."""
    return _locales_node(name, 2, count, small_page=small_page)


def _locales_node(name: str, kind: int, value: int, *, small_page: bool) -> tuple[bytes, bytes]:
    text = (name + "\0").encode("utf-16-le")
    record = encode_record((bytes((kind,)), struct.pack("<i", value)), (1, 4), (text,), small_page=small_page)
    return build_key(_LOCALES_KEY, (text,))[0], record


def key_definition(table: Table, index: Index, sort_key: SortKey | None = None) -> KeyDefinition:
    """How keys of an index are made; segments and conditions refer to columns by columnid.

    JET_errCatalogCorrupted: a segment of a column that is not there.
    """
    segments = []
    for segment in index.segments:
        column = table.segment_column(segment)
        if column is None:
            raise jet_error(codes.JET_errCatalogCorrupted, f"index {index.name} of table {table.name}: no column {segment.fid}")
        segments.append(
            Segment(
                column.columnid,
                int(column.coltyp),
                column.code_page,
                column.is_fixed,
                segment.descending,
                column.is_multivalued,
                bool(column.flags & 0x800),
            )
        )
    conditions = []
    for condition in index.conditions:
        column = table.segment_column(condition)
        if column is None:
            raise jet_error(codes.JET_errCatalogCorrupted, f"index {index.name} of {table.name}: no column {condition.fid}")
        conditions.append((column.columnid, condition.must_be_null))
    limits = index.tuple_limits
    return KeyDefinition(
        tuple(segments),
        index.flags,
        index.key_most,
        index.variable_segment_most or 0,
        tuple(conditions),
        TupleLimits(*limits) if limits is not None else None,
        sort_key,
    )
