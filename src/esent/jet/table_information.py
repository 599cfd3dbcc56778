"""What is known of tables, columns and indexes: single answers, and lists as tables to read."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from esent.catalog.locales import locale_number
from esent.catalog.objects import LCID_DEFAULT, Index, Segment, Table
from esent.constants import codes, grbits
from esent.engine.cursor import Call, Cursor, cursor_call
from esent.engine.database import AttachedDatabase
from esent.engine.list_table import list_table
from esent.engine.navigation import index_id
from esent.engine.schema import SessionTable, schema_of
from esent.engine.session import Session, session_call
from esent.engine.table_statistics import available_pages, compute_statistics, counts_of, owned_pages, table_available_pages
from esent.engine.table_view import chunk_size
from esent.errors import JetError, jet_error
from esent.jet.handles import JET_COLUMNID, JET_DBID, JET_ERR, JET_SESID, JET_TABLEID
from esent.jet.structures_records import JET_INDEXID
from esent.jet.structures_tables import (
    JET_COLUMNBASE,
    JET_COLUMNDEF,
    JET_COLUMNLIST,
    JET_CONDITIONALCOLUMN,
    JET_INDEXCREATE,
    JET_INDEXCREATE2,
    JET_INDEXCREATE3,
    JET_INDEXLIST,
    JET_OBJECTINFO,
    JET_OBJECTLIST,
    JET_SPACEHINTS,
    JET_TUPLELIMITS,
    JET_UNICODEINDEX,
    JET_UNICODEINDEX2,
)
from esent.records.columns import TEXT_TYPES, Coltyp, Column

ColumnInfo: TypeAlias = JET_COLUMNDEF | JET_COLUMNBASE | JET_COLUMNLIST
IndexCreated: TypeAlias = JET_INDEXCREATE | JET_INDEXCREATE2 | JET_INDEXCREATE3
IndexInfo: TypeAlias = int | str | bytes | JET_INDEXID | IndexCreated | JET_INDEXLIST
TableInfo: TypeAlias = str | int | tuple[int, int] | JET_OBJECTINFO
Row: TypeAlias = Mapping[str, int | str | bytes | None]

_COUNTRY = 1
_CONTAINER = "Tables"
_TABLE_GRBIT = grbits.JET_bitTableInfoUpdatable | grbits.JET_bitTableInfoBookmark | grbits.JET_bitTableInfoRollback
_LEVEL_OPTIONS = 0xF0000000
_LONG, _SHORT, _TEXT, _BINARY, _DATE = Coltyp.LONG, Coltyp.SHORT, Coltyp.TEXT, Coltyp.BINARY, Coltyp.DATE_TIME
_COLUMN_LIST = (
    ("PresentationOrder", _LONG),
    ("columnname", _TEXT),
    ("columnid", _LONG),
    ("coltyp", _LONG),
    ("Country", _SHORT),
    ("Langid", _SHORT),
    ("Cp", _SHORT),
    ("Collate", _SHORT),
    ("cbMax", _LONG),
    ("grbit", _LONG),
    ("Default", _BINARY),
    ("BaseTableName", _TEXT),
    ("BaseColumnName", _TEXT),
    ("DefinitionName", _TEXT),
)
_INDEX_LIST = (
    ("indexname", _TEXT),
    ("grbitIndex", _LONG),
    ("cKey", _LONG),
    ("cEntry", _LONG),
    ("cPage", _LONG),
    ("cColumn", _LONG),
    ("iColumn", _LONG),
    ("columnid", _LONG),
    ("coltyp", _LONG),
    ("Country", _SHORT),
    ("Langid", _SHORT),
    ("Cp", _SHORT),
    ("Collate", _SHORT),
    ("grbitColumn", _LONG),
    ("columnname", _TEXT),
    ("LCMapFlags", _LONG),
)
_OBJECT_LIST = (
    ("containername", _TEXT),
    ("objectname", _TEXT),
    ("objtyp", _LONG),
    ("dtCreate", _DATE),
    ("dtUpdate", _DATE),
    ("grbit", _LONG),
    ("flags", _LONG),
    ("cRecord", _LONG),
    ("cPage", _LONG),
)
_HINT_FIELDS = ("cbInitial", "grbit", "ulMaintDensity", "ulGrowth", "cbMinExtent", "cbMaxExtent")


def _unknown_level(level: object) -> JetError:
    return jet_error(codes.JET_errInvalidParameter, f"information level {level!r}")


def _unavailable_level(level: object) -> JetError:
    return jet_error(codes.JET_errFeatureNotAvailable, f"information level {level!r}")


# ---- columns ----------------------------------------------------------------------------------------------------------


def _column_of(table: Table, wanted: object, *, by_id: bool) -> Column:
    for column in table.columns:
        if column.columnid == wanted if by_id else isinstance(wanted, str) and column.name.upper() == wanted.upper():
            return column
    raise jet_error(codes.JET_errColumnNotFound, f"table {table.name} has no column {wanted!r}")


def _base_table(table: Table, column: Column) -> str:
    return table.template_name or table.name if column.template and not table.is_template else table.name


def _column_row(table: Table, column: Column, extra: int, *, ordered: bool, minimal: bool) -> Row:
    row: dict[str, int | str | bytes | None] = {
        "PresentationOrder": column.columnid if ordered else None,
        "columnname": column.name,
        "columnid": column.columnid,
        "DefinitionName": column.name,
    }
    if not minimal:
        row |= {
            "coltyp": int(column.coltyp),
            "Country": _COUNTRY,
            "Langid": LCID_DEFAULT,
            "Cp": column.code_page,
            "Collate": 0,
            "cbMax": column.max_size,
            "grbit": column.grbit | extra,
            "Default": column.default_value(),
            "BaseTableName": _base_table(table, column),
            "BaseColumnName": column.name,
        }
    return row


def _column_list(session: Session, table: Table, level: int, extra: int) -> JET_COLUMNLIST:
    kind = level & ~_LEVEL_OPTIONS
    minimal = bool(level & grbits.JET_ColInfoGrbitMinimalInfo)
    ordered = kind == grbits.JET_ColInfoListSortColumnid or bool(level & grbits.JET_ColInfoGrbitSortByColumnid)
    columns = list(table.columns)
    if level & grbits.JET_ColInfoGrbitNonDerivedColumnsOnly and not table.is_template:
        columns = [column for column in columns if not column.template]
    if not ordered and kind != grbits.JET_ColInfoListCompact:
        columns.sort(key=lambda column: column.name.upper())
    rows = [_column_row(table, column, extra, ordered=ordered, minimal=minimal) for column in columns]
    cursor, ids = list_table(session, _COLUMN_LIST, rows)
    filled = {f"columnid{name}": columnid for name, columnid in ids.items()}
    return JET_COLUMNLIST(tableid=cursor.handle, cRecord=len(rows), **filled)


def _column_info(session: Session, table: Table, wanted: object, level: object, extra: int) -> ColumnInfo:
    if not isinstance(level, int):
        raise _unknown_level(level)
    kind = level & ~_LEVEL_OPTIONS
    if kind == grbits.JET_ColInfoSysTabCursor:
        raise _unavailable_level(level)
    if kind in (grbits.JET_ColInfoList, grbits.JET_ColInfoListCompact, grbits.JET_ColInfoListSortColumnid):
        return _column_list(session, table, level, extra)
    by_id = kind in (grbits.JET_ColInfoByColid, grbits.JET_ColInfoBaseByColid)
    if kind in (grbits.JET_ColInfo, grbits.JET_ColInfoByColid):
        column = _column_of(table, wanted, by_id=by_id)
        return JET_COLUMNDEF(
            columnid=column.columnid,
            coltyp=int(column.coltyp),
            wCountry=_COUNTRY,
            langid=LCID_DEFAULT,
            cp=column.code_page,
            cbMax=column.max_size,
            grbit=column.grbit | extra,
        )
    if kind in (grbits.JET_ColInfoBase, grbits.JET_ColInfoBaseByColid):
        column = _column_of(table, wanted, by_id=by_id)
        return JET_COLUMNBASE(
            columnid=column.columnid,
            coltyp=int(column.coltyp),
            wCountry=_COUNTRY,
            langid=LCID_DEFAULT,
            cp=column.code_page,
            cbMax=column.max_size,
            grbit=column.grbit | extra,
            szBaseTableName=_base_table(table, column),
            szBaseColumnName=column.name,
        )
    raise _unknown_level(level)


def _own_table(cursor: Cursor, code: int) -> SessionTable:
    """The table of a cursor, which may not be a temporary one."""
    table = cursor.table
    if not isinstance(table, SessionTable):
        raise jet_error(code, f"not about the temporary table {table.name}")
    table.follow()
    return table


def JetGetTableColumnInfo(
    sesid: JET_SESID, tableid: JET_TABLEID, szColumnName: str | JET_COLUMNID | None, InfoLevel: int
) -> ColumnInfo:
    """About one column of an open table, by name or by id, or a list of all, by level."""
    with cursor_call(sesid, tableid) as cursor, cursor.session.instance.lock:
        table = cursor.table
        if InfoLevel not in (grbits.JET_ColInfo, grbits.JET_ColInfoByColid):
            table = _own_table(cursor, codes.JET_errIllegalOperation)
        extra = grbits.JET_bitColumnUpdatable if cursor.updatable else 0
        return _column_info(cursor.session, table, szColumnName, InfoLevel, extra)


def JetGetColumnInfo(
    sesid: JET_SESID, dbid: JET_DBID, szTableName: str, szColumnName: str | JET_COLUMNID | None, InfoLevel: int
) -> ColumnInfo:
    """JetGetTableColumnInfo for a table by its name."""
    with session_call(sesid) as session:
        table, _ = _named_table(session, dbid, szTableName)
        with session.instance.lock:
            return _column_info(session, table, szColumnName, InfoLevel, 0)


def _named_table(session: Session, dbid: object, name: object) -> tuple[SessionTable, AttachedDatabase]:
    session.check_owner()
    database = session.instance.databases.get(session, dbid)
    if name is None:
        raise jet_error(codes.JET_errInvalidParameter, "the name of a table is needed")
    with session.instance.lock:
        return schema_of(database).find(session, name).view(session), database


# ---- indexes ----------------------------------------------------------------------------------------------------------


def _index_rows(table: SessionTable, index: Index) -> list[Row]:
    counts = counts_of(table, index)
    rows: list[Row] = []
    for number, segment in enumerate(index.segments):
        column = _segment_column(table, segment)
        rows.append(
            {
                "indexname": index.name,
                "grbitIndex": index.grbit,
                "cKey": counts.keys,
                "cEntry": counts.entries,
                "cPage": counts.pages,
                "cColumn": len(index.segments),
                "iColumn": number,
                "columnid": column.columnid,
                "coltyp": int(column.coltyp),
                "Country": _COUNTRY,
                "Langid": LCID_DEFAULT,
                "Cp": column.code_page,
                "Collate": 0,
                "grbitColumn": grbits.JET_bitKeyDescending if segment.descending else grbits.JET_bitKeyAscending,
                "columnname": column.name,
                "LCMapFlags": index.shown_lcmap,
            }
        )
    return rows


def _segment_column(table: Table, segment: Segment) -> Column:
    column = table.segment_column(segment)
    if column is None:
        raise jet_error(codes.JET_errCatalogCorrupted, f"table {table.name} has no column {segment.fid}, but an index of it")
    return column


def _index_list(session: Session, table: SessionTable, wanted: object) -> JET_INDEXLIST:
    indexes = [_index_of(table, wanted)] if wanted else table.indexes
    rows = [row for index in indexes for row in _index_rows(table, index)]
    cursor, ids = list_table(session, _INDEX_LIST, rows)
    filled = {f"columnid{name}": columnid for name, columnid in ids.items()}
    return JET_INDEXLIST(tableid=cursor.handle, cRecord=len(rows), **filled)


def _index_of(table: Table, wanted: object) -> Index:
    for index in table.indexes:
        if isinstance(wanted, str) and index.name.upper() == wanted.rstrip(" ").upper():
            return index
    raise jet_error(codes.JET_errIndexNotFound, f"table {table.name} has no index {wanted!r}")


def _effective_key_most(table: Table, index: Index) -> int:
    """Of a primary index over columns of one size each what their keys take, else the maximum."""
    columns = [_segment_column(table, segment) for segment in index.segments]
    if not index.is_primary or not all(column.is_fixed and column.coltyp not in TEXT_TYPES for column in columns):
        return index.key_most
    return min(index.key_most, sum(1 + column.max_size for column in columns))


def _hints(table: Table, index: Index, page_size: int) -> JET_SPACEHINTS:
    hints = JET_SPACEHINTS(ulInitialDensity=index.density)
    if index.is_primary:
        hints.cbInitial = table.initial_pages * page_size
    packed = index.space_hints
    if packed:
        values = struct.unpack_from(f"<{(len(packed) - 1) // 4}I", packed, 1)
        for name, value in zip(_HINT_FIELDS, values, strict=False):
            setattr(hints, name, value)
    return hints


def _created(table: Table, wanted: object, kind: Callable[..., IndexCreated], page_size: int) -> IndexCreated:
    """The structure an index would be created with."""
    index = table.primary_index if not wanted else _index_of(table, wanted)
    if index is None:
        raise jet_error(codes.JET_errIndexNotFound, f"table {table.name} has no primary index")
    grbit = index.grbit | grbits.JET_bitIndexUnicode
    most = _effective_key_most(table, index)
    made = kind(
        szIndexName=index.name,
        szKey=[f"{'-' if each.descending else '+'}{_segment_column(table, each).name}" for each in index.segments],
        ulDensity=index.density,
        rgconditionalcolumn=[
            JET_CONDITIONALCOLUMN(
                szColumnName=_segment_column(table, each).name,
                grbit=grbits.JET_bitIndexColumnMustBeNull if each.must_be_null else grbits.JET_bitIndexColumnMustBeNonNull,
            )
            for each in index.conditions
        ],
        cbKeyMost=index.key_most,
    )
    limits = index.tuple_limits
    if limits is None:
        made.cbVarSegMac = min(index.variable_segment_most or most, most)
    else:
        grbit |= grbits.JET_bitIndexTupleLimits
        made.ptuplelimits = JET_TUPLELIMITS(
            chLengthMin=limits.shortest,
            chLengthMax=limits.longest,
            chToIndexMax=limits.to_index,
            cchIncrement=limits.increment,
            ichStart=limits.start,
        )
    made.grbit = grbit
    if isinstance(made, JET_INDEXCREATE3):
        made.pidxunicode = JET_UNICODEINDEX2(szLocaleName=index.locale, dwMapFlags=index.lcmap)
    else:
        made.lcid = locale_number(index.locale)
        made.pidxunicode = JET_UNICODEINDEX(lcid=made.lcid, dwMapFlags=index.lcmap)
    if not isinstance(made, JET_INDEXCREATE):
        made.pSpacehints = _hints(table, index, page_size)
    return made


def _index_info(session: Session, database: AttachedDatabase, table: SessionTable, wanted: object, level: object) -> IndexInfo:
    if level in (grbits.JET_IdxInfo, grbits.JET_IdxInfoList):
        return _index_list(session, table, wanted)
    if level in (grbits.JET_IdxInfoSysTabCursor, grbits.JET_IdxInfoOLC, grbits.JET_IdxInfoResetOLC):
        raise _unavailable_level(level)
    if level == grbits.JET_IdxInfoCount:
        return 1 + sum(not index.is_primary for index in table.indexes)  # the order of the records counts as one
    page_size = database.file.page_size
    if level == grbits.JET_IdxInfoCreateIndex:
        return _created(table, wanted, JET_INDEXCREATE, page_size)
    if level == grbits.JET_IdxInfoCreateIndex2:
        return _created(table, wanted, JET_INDEXCREATE2, page_size)
    if level == grbits.JET_IdxInfoCreateIndex3:
        return _created(table, wanted, JET_INDEXCREATE3, page_size)
    single = _SINGLE.get(level) if isinstance(level, int) else None
    if single is not None:
        return single(database, table, _index_of(table, wanted))
    raise _unknown_level(level)


def _sort_version(_: AttachedDatabase, __: Table, index: Index) -> int:
    return (index.version or 0) >> 32


def _defined_version(_: AttachedDatabase, __: Table, index: Index) -> int:
    return (index.version or 0) & 0xFFFFFFFF


_SINGLE: dict[int, Callable[[AttachedDatabase, SessionTable, Index], IndexInfo]] = {
    grbits.JET_IdxInfoSpaceAlloc: lambda _database, _table, index: index.density,
    grbits.JET_IdxInfoLCID: lambda _database, _table, index: locale_number(index.locale),
    grbits.JET_IdxInfoVarSegMac: lambda _database, _table, index: index.variable_segment_most or index.key_most,
    grbits.JET_IdxInfoIndexId: lambda _database, table, index: JET_INDEXID(
        rgbIndexId=index_id(None if index.is_primary else index, table.objid, table.root)
    ),
    grbits.JET_IdxInfoKeyMost: lambda _database, _table, index: index.key_most,
    grbits.JET_IdxInfoLocaleName: lambda _database, _table, index: index.locale,
    grbits.JET_IdxInfoSortVersion: _sort_version,
    grbits.JET_IdxInfoDefinedSortVersion: _defined_version,
    grbits.JET_IdxInfoSortId: lambda _database, _table, index: index.sort_id or bytes(16),
    grbits.JET_IdxInfoSpaceOwned: lambda database, _table, index: owned_pages(database, index.objid, index.root),
    grbits.JET_IdxInfoSpaceAvailable: lambda database, _table, index: available_pages(database, index.objid, index.root),
}


def JetGetTableIndexInfo(sesid: JET_SESID, tableid: JET_TABLEID, szIndexName: str | None, InfoLevel: int) -> IndexInfo:
    """About one index of an open table, or a list of all, by level."""
    with cursor_call(sesid, tableid) as cursor, cursor.session.instance.lock:
        table = _own_table(cursor, codes.JET_errIllegalOperation)
        return _index_info(cursor.session, cursor.database, table, szIndexName, InfoLevel)


def JetGetIndexInfo(sesid: JET_SESID, dbid: JET_DBID, szTableName: str, szIndexName: str | None, InfoLevel: int) -> IndexInfo:
    """JetGetTableIndexInfo for a table by its name."""
    with session_call(sesid) as session:
        table, database = _named_table(session, dbid, szTableName)
        with session.instance.lock:
            return _index_info(session, database, table, szIndexName, InfoLevel)


# ---- tables -----------------------------------------------------------------------------------------------------------


def _object_info(table: SessionTable) -> JET_OBJECTINFO:
    counts = counts_of(table)
    return JET_OBJECTINFO(
        objtyp=grbits.JET_objtypTable,
        grbit=_TABLE_GRBIT,
        flags=table.flags,
        cRecord=counts.entries,
        cPage=counts.pages,
    )


def JetGetTableInfo(sesid: JET_SESID, tableid: JET_TABLEID, InfoLevel: int) -> TableInfo:
    """About an open table, by level; sizes are in pages."""
    with cursor_call(sesid, tableid, Call.TABLE_INFO) as cursor, cursor.session.instance.lock:
        table = _own_table(cursor, codes.JET_errInvalidOperation)
        database = cursor.database
        answers: dict[int, Callable[[], TableInfo]] = {
            grbits.JET_TblInfo: lambda: _object_info(table),
            grbits.JET_TblInfoName: lambda: table.name,
            grbits.JET_TblInfoDbid: lambda: database.number,
            grbits.JET_TblInfoSpaceUsage: lambda: 0,
            grbits.JET_TblInfoSpaceAlloc: lambda: (table.initial_pages, table.density),
            grbits.JET_TblInfoSpaceOwned: lambda: owned_pages(database, table.objid, table.root),
            grbits.JET_TblInfoSpaceAvailable: lambda: table_available_pages(database, table),
            grbits.JET_TblInfoTemplateTableName: lambda: table.template_name or "",
            grbits.JET_TblInfoLVChunkMax: lambda: table.long_value_chunk or chunk_size(database.file.page_size),
            grbits.JET_TblInfoSpaceOwnedLV: lambda: owned_pages(database, table.long_value_objid, table.long_value_root),
            grbits.JET_TblInfoSpaceAvailableLV: lambda: available_pages(
                database, table.long_value_objid, table.long_value_root
            ),
            grbits.JET_TblInfoObjectId: lambda: table.objid,
        }
        answer = answers.get(InfoLevel) if isinstance(InfoLevel, int) else None
        if answer is None:
            raise _unavailable_level(InfoLevel)
        return answer()


def JetGetObjectInfo(
    sesid: JET_SESID,
    dbid: JET_DBID,
    objtyp: int,
    szContainerName: str | None,
    szObjectName: str | None,
    InfoLevel: int,
) -> JET_OBJECTINFO | JET_OBJECTLIST:
    """About one table by its name, or a list of all, by level."""
    with session_call(sesid) as session:
        session.check_owner()
        database = session.instance.databases.get(session, dbid)
        if InfoLevel in (grbits.JET_ObjInfoSysTabCursor, grbits.JET_ObjInfoListACM, grbits.JET_ObjInfoSysTabReadOnly):
            raise _unavailable_level(InfoLevel)
        single = InfoLevel in (grbits.JET_ObjInfo, grbits.JET_ObjInfoNoStats)
        if not single and InfoLevel not in (grbits.JET_ObjInfoList, grbits.JET_ObjInfoListNoStats):
            raise _unknown_level(InfoLevel)
        if szContainerName is not None and not isinstance(szContainerName, str):
            raise jet_error(codes.JET_errInvalidParameter, f"{szContainerName!r} as the name of a container")
        known = not szContainerName or szContainerName.upper() == _CONTAINER.upper()
        with session.instance.lock:
            schema = schema_of(database)
            if single:
                if not known or not szObjectName:
                    raise jet_error(codes.JET_errObjectNotFound, f"object {szObjectName!r} in container {szContainerName!r}")
                return _object_info(schema.find(session, szObjectName).view(session))
            tables: Sequence[SessionTable] = []
            if known and objtyp in (grbits.JET_objtypNil, grbits.JET_objtypTable):
                tables = [live.view(session) for _, live in schema.visible(session)]
            return _object_list(session, tables)


def _object_list(session: Session, tables: Sequence[SessionTable]) -> JET_OBJECTLIST:
    rows: list[Row] = [
        {
            "containername": _CONTAINER,
            "objectname": table.name,
            "objtyp": grbits.JET_objtypTable,
            "grbit": _TABLE_GRBIT,
            "flags": table.flags,
            "cRecord": counts_of(table).entries,
            "cPage": counts_of(table).pages,
        }
        for table in tables
    ]
    cursor, ids = list_table(session, _OBJECT_LIST, rows)
    filled = {f"columnid{name}": columnid for name, columnid in ids.items()}
    return JET_OBJECTLIST(tableid=cursor.handle, cRecord=len(rows), **filled)


def JetComputeStats(sesid: JET_SESID, tableid: JET_TABLEID) -> JET_ERR:
    """Count the records of a table and the entries of its indexes."""
    with cursor_call(sesid, tableid) as cursor, cursor.session.instance.lock:
        compute_statistics(cursor, _own_table(cursor, codes.JET_errIllegalOperation))
    return 0


__all__ = [
    "JetComputeStats",
    "JetGetColumnInfo",
    "JetGetIndexInfo",
    "JetGetObjectInfo",
    "JetGetTableColumnInfo",
    "JetGetTableIndexInfo",
    "JetGetTableInfo",
]
