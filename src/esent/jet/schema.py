"""Tables, columns and indexes: creating, opening, changing and deleting them."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Sequence
from typing import TypeAlias

from esent.catalog.definition import DENSITY_DEFAULT, checked_density
from esent.catalog.locales import locale_name
from esent.catalog.objects import TupleLimits
from esent.constants import codes, grbits
from esent.engine import ddl
from esent.engine.cursor import cursor_call
from esent.engine.ddl import ColumnWish, ComputedDefault, IndexWish, TableWish
from esent.engine.session import session_call
from esent.errors import JetWarning, jet_error
from esent.jet.cursors import buffer
from esent.jet.handles import JET_COLUMNID, JET_DBID, JET_ERR, JET_GRBIT, JET_SESID, JET_TABLEID, Buffer
from esent.jet.structures_tables import (
    JET_COLUMNCREATE,
    JET_COLUMNDEF,
    JET_CONDITIONALCOLUMN,
    JET_INDEXCREATE,
    JET_INDEXCREATE2,
    JET_INDEXCREATE3,
    JET_SPACEHINTS,
    JET_TABLECREATE,
    JET_TABLECREATE2,
    JET_TABLECREATE3,
    JET_TABLECREATE4,
    JET_TABLECREATE5,
    JET_TUPLELIMITS,
    JET_UNICODEINDEX,
    JET_UNICODEINDEX2,
    JET_USERDEFINEDDEFAULT,
)

TableCreate: TypeAlias = JET_TABLECREATE | JET_TABLECREATE2 | JET_TABLECREATE3 | JET_TABLECREATE4 | JET_TABLECREATE5
IndexCreate: TypeAlias = JET_INDEXCREATE | JET_INDEXCREATE2 | JET_INDEXCREATE3
_HINTS_VERSION = 1
_HINT_FIELDS = ("ulInitialDensity", "cbInitial", "grbit", "ulMaintDensity", "ulGrowth", "cbMinExtent", "cbMaxExtent")
_FROM_GRBIT, _FROM_INITIAL, _FROM_DENSITY = 2, 1, 0
_HINT_BITS = 0x3FF
_LEAST_LONG_VALUE_CHUNK = 100
_LARGEST_THRESHOLD = 0xFFFFFFFF
_CALLBACK_NAME_MOST = 255  # bytes of a variable column


# ---- tables -----------------------------------------------------------------------------------------------------------


def JetCreateTable(sesid: JET_SESID, dbid: JET_DBID, szTableName: str, lPages: int = 0, lDensity: int = 0) -> JET_TABLEID:
    """Create an empty table; it is open for its creator alone until it is closed."""
    with session_call(sesid) as session:
        session.check_owner()
        database = session.instance.databases.get(session, dbid)
        wish = TableWish(szTableName, lPages, checked_density(lDensity))
        return ddl.create_table(session, database, wish).handle


def _create_table(sesid: JET_SESID, dbid: JET_DBID, structure: TableCreate, kinds: tuple[type, ...]) -> JET_ERR:
    """JetCreateTableColumnIndex...: results go into the structure, also when the call raises."""
    if not isinstance(structure, kinds):
        raise jet_error(codes.JET_errInvalidParameter, f"{type(structure).__name__} where {kinds[0].__name__} is wanted")
    with session_call(sesid) as session:
        session.check_owner()
        database = session.instance.databases.get(session, dbid)
        structure.cCreated = 0
        _require_parts(structure.rgcolumncreate, (JET_COLUMNCREATE,))
        _require_parts(structure.rgindexcreate, (JET_INDEXCREATE, JET_INDEXCREATE2, JET_INDEXCREATE3))
        indexes: Sequence[IndexCreate] = structure.rgindexcreate
        for column in structure.rgcolumncreate:
            column.err = 0
        for index in indexes:
            index.err = 0
        wish = _table_wish(structure, database.file.page_size)
        try:
            structure.tableid = ddl.create_table(session, database, wish).handle
        finally:
            structure.cCreated = wish.created
            for column, asked in zip(structure.rgcolumncreate, wish.columns, strict=True):
                column.err = asked.error
                if structure.tableid is not None and asked.columnid:
                    column.columnid = asked.columnid
            for index, asked_index in zip(indexes, wish.indexes, strict=True):
                index.err = asked_index.error
    return 0


def _require_parts(parts: object, kinds: tuple[type, ...]) -> None:
    """A list of structures, or JET_errInvalidParameter."""
    if not isinstance(parts, Sequence) or not all(isinstance(part, kinds) for part in parts):
        raise jet_error(codes.JET_errInvalidParameter, f"a list of {kinds[0].__name__} is wanted")


def _table_wish(structure: TableCreate, page_size: int) -> TableWish:
    hints = _checked_hints(getattr(structure, "pSeqSpacehints", None), page_size)
    below = _checked_hints(getattr(structure, "pLVSpacehints", None), page_size)
    density = _hinted_density(structure.ulDensity, hints)
    columns = [_column_wish(each) for each in structure.rgcolumncreate]
    indexes = [_index_wish(each, density, page_size) for each in structure.rgindexcreate]
    wish = TableWish(structure.szTableName, structure.ulPages, density, structure.szTemplateTableName, structure.grbit)
    wish.columns, wish.indexes = columns, indexes
    if hints is not None:
        wish.space_hints = _packed_hints(hints, _FROM_GRBIT)
        if not structure.ulPages:
            wish.pages = -(-hints.cbInitial // page_size)
    if below is not None:
        wish.deferred_space_hints = _packed_hints(below, _FROM_DENSITY)
    if name := getattr(structure, "szCallback", None):
        events = getattr(structure, "cbtyp", 0)
        if not isinstance(events, int) or events <= 0:
            raise jet_error(codes.JET_errInvalidParameter, f"callback {name} for events {events!r}")
        wish.callback = events, _callback_name(name)
    threshold = getattr(structure, "cbSeparateLV", 0) or None
    if threshold is not None and (not isinstance(threshold, int) or not 0 < threshold <= _LARGEST_THRESHOLD):
        raise jet_error(codes.JET_errInvalidParameter, f"long values apart from {threshold!r} bytes on")
    wish.separate_threshold = threshold
    wish.chunk = _chunk(getattr(structure, "cbLVChunkMax", 0), page_size)
    return wish


def _chunk(size: object, page_size: int) -> int | None:
    if not size:
        return None
    if not isinstance(size, int) or not _LEAST_LONG_VALUE_CHUNK <= size <= page_size:
        raise jet_error(codes.JET_errInvalidParameter, f"chunks of {size!r} bytes")
    return size


def JetCreateTableColumnIndex(sesid: JET_SESID, dbid: JET_DBID, ptablecreate: JET_TABLECREATE) -> JET_ERR:
    """Create a table with its columns and indexes, or one derived from a template."""
    return _create_table(sesid, dbid, ptablecreate, (JET_TABLECREATE,))


def JetCreateTableColumnIndex2(sesid: JET_SESID, dbid: JET_DBID, ptablecreate: JET_TABLECREATE2) -> JET_ERR:
    """JetCreateTableColumnIndex with a callback."""
    return _create_table(sesid, dbid, ptablecreate, (JET_TABLECREATE2,))


def JetCreateTableColumnIndex3(sesid: JET_SESID, dbid: JET_DBID, ptablecreate: JET_TABLECREATE3) -> JET_ERR:
    """JetCreateTableColumnIndex with space hints."""
    return _create_table(sesid, dbid, ptablecreate, (JET_TABLECREATE3,))


def JetCreateTableColumnIndex4(sesid: JET_SESID, dbid: JET_DBID, ptablecreate: JET_TABLECREATE4) -> JET_ERR:
    """JetCreateTableColumnIndex with space hints and locale names."""
    return _create_table(sesid, dbid, ptablecreate, (JET_TABLECREATE4,))


def JetCreateTableColumnIndex5(sesid: JET_SESID, dbid: JET_DBID, ptablecreate: JET_TABLECREATE5) -> JET_ERR:
    """JetCreateTableColumnIndex4 with the size of the chunks of long values."""
    return _create_table(sesid, dbid, ptablecreate, (JET_TABLECREATE5,))


def JetDeleteTable(sesid: JET_SESID, dbid: JET_DBID, szTableName: str) -> JET_ERR:
    """Delete a table that nobody has open."""
    return JetDeleteTable2(sesid, dbid, szTableName, 0)


def JetDeleteTable2(sesid: JET_SESID, dbid: JET_DBID, szTableName: str, grbit: JET_GRBIT = 0) -> JET_ERR:
    """JetDeleteTable; there are no options."""
    with session_call(sesid) as session:
        session.check_owner()
        database = session.instance.databases.get(session, dbid)
        if not isinstance(grbit, int):
            raise jet_error(codes.JET_errInvalidGrbit, f"deleting a table with grbit {grbit!r}")
        ddl.delete_table(session, database, szTableName)
    return 0


def JetRenameTable(sesid: JET_SESID, dbid: JET_DBID, szName: str, szNameNew: str) -> JET_ERR:
    """Give a table another name."""
    with session_call(sesid) as session:
        session.check_owner()
        ddl.rename_table(session, session.instance.databases.get(session, dbid), szName, szNameNew)
    return 0


def JetOpenTable(
    sesid: JET_SESID, dbid: JET_DBID, szTableName: str, pvParameters: Buffer | None = None, grbit: JET_GRBIT = 0
) -> JET_TABLEID:
    """Open a table, on its first record."""
    with session_call(sesid) as session:
        session.check_owner()
        return ddl.open_table(session, session.instance.databases.get(session, dbid), szTableName, grbit).handle


# ---- columns ----------------------------------------------------------------------------------------------------------


def _column_wish(column: JET_COLUMNCREATE) -> ColumnWish:
    default = _default(column.pvDefault)
    return ColumnWish(column.szColumnName, column.coltyp, column.grbit, column.cp, column.cbMax, *default)


def _default(default: Buffer | JET_USERDEFINEDDEFAULT | None) -> tuple[bytes | None, ComputedDefault | None]:
    """A default that is stored, or one that a named callback computes."""
    if not isinstance(default, JET_USERDEFINEDDEFAULT):
        return buffer(default, "pvDefault"), None
    return None, ComputedDefault(_callback_name(default.szCallback), buffer(default.pbUserData, "pbUserData"))


def _callback_name(name: object) -> str:
    """ "module!function", in the code page of the catalogue; JET_errInvalidParameter for another form."""
    if isinstance(name, str) and name.isascii() and 0 < len(name) <= _CALLBACK_NAME_MOST and all(name.partition("!")):
        return name
    raise jet_error(codes.JET_errInvalidParameter, f"a callback is named module!function, not {name!r}")


def JetAddColumn(
    sesid: JET_SESID,
    tableid: JET_TABLEID,
    szColumnName: str,
    pcolumndef: JET_COLUMNDEF,
    pvDefault: Buffer | JET_USERDEFINEDDEFAULT | None = None,
) -> JET_COLUMNID:
    """Add a column to a table. Records that are there have its default, or NULL."""
    with cursor_call(sesid, tableid) as cursor:
        if not isinstance(pcolumndef, JET_COLUMNDEF):
            raise jet_error(codes.JET_errInvalidParameter, f"{pcolumndef!r} as the definition of a column")
        definition = pcolumndef.coltyp, pcolumndef.grbit, pcolumndef.cp, pcolumndef.cbMax
        wish = ColumnWish(szColumnName, *definition, *_default(pvDefault))
        ddl.add_column(cursor, wish)
    pcolumndef.columnid = wish.columnid
    if wish.cut:
        warnings.warn(JetWarning(codes.JET_wrnColumnMaxTruncated), stacklevel=2)
    return wish.columnid


def JetDeleteColumn(sesid: JET_SESID, tableid: JET_TABLEID, szColumnName: str) -> JET_ERR:
    """Delete a column that no index refers to."""
    return JetDeleteColumn2(sesid, tableid, szColumnName, 0)


def JetDeleteColumn2(sesid: JET_SESID, tableid: JET_TABLEID, szColumnName: str, grbit: JET_GRBIT = 0) -> JET_ERR:
    """JetDeleteColumn; JET_bitDeleteColumnIgnoreTemplateColumns does not find those of the template."""
    with cursor_call(sesid, tableid) as cursor:
        if not isinstance(grbit, int) or grbit & ~grbits.JET_bitDeleteColumnIgnoreTemplateColumns:
            raise jet_error(codes.JET_errInvalidGrbit, f"deleting a column with grbit {grbit!r}")
        ddl.delete_column(cursor, szColumnName, own_only=bool(grbit))
    return 0


def JetRenameColumn(sesid: JET_SESID, tableid: JET_TABLEID, szName: str, szNameNew: str, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Give a column another name; not in a transaction."""
    with cursor_call(sesid, tableid) as cursor:
        ddl.rename_column(cursor, szName, szNameNew, grbit)
    return 0


def JetSetColumnDefaultValue(
    sesid: JET_SESID,
    dbid: JET_DBID,
    szTableName: str,
    szColumnName: str,
    pvData: Buffer | None,
    grbit: JET_GRBIT = 0,
) -> JET_ERR:
    """Give a column another default, which records without a value of their own have from now on."""
    with session_call(sesid) as session:
        session.check_owner()
        database = session.instance.databases.get(session, dbid)
        ddl.set_column_default(session, database, szTableName, szColumnName, buffer(pvData, "pvData"))
    return 0


# ---- indexes ----------------------------------------------------------------------------------------------------------


def _index_wish(index: IndexCreate, table_density: int, page_size: int) -> IndexWish:
    hints = _checked_hints(getattr(index, "pSpacehints", None), page_size)
    if isinstance(index, JET_INDEXCREATE):
        density = checked_density(index.ulDensity)
    elif hints is None:
        density = table_density
    else:
        density = checked_density(hints.ulInitialDensity or index.ulDensity)
    wish = IndexWish(index.szIndexName, index.szKey, index.grbit, density, index.cbKeyMost, index.cbVarSegMac)
    _require_parts(index.rgconditionalcolumn, (JET_CONDITIONALCOLUMN,))
    wish.conditions = [(each.szColumnName, each.grbit) for each in index.rgconditionalcolumn]
    limits = index.ptuplelimits
    if limits is not None:
        _require_parts([limits], (JET_TUPLELIMITS,))
        wish.limits = TupleLimits(
            limits.chLengthMin, limits.chLengthMax, limits.chToIndexMax, limits.cchIncrement, limits.ichStart
        )
    if hints is not None:
        wish.space_hints = _packed_hints(hints, _FROM_INITIAL)
    unicode = index.pidxunicode
    if isinstance(unicode, JET_UNICODEINDEX2):
        if unicode.szLocaleName is not None and not isinstance(unicode.szLocaleName, str):
            raise jet_error(codes.JET_errInvalidLanguageId, f"there is no locale {unicode.szLocaleName!r}")
        wish.locale, wish.mapping = unicode.szLocaleName, unicode.dwMapFlags or None
    elif unicode is not None:
        _require_parts([unicode], (JET_UNICODEINDEX,))
        wish.locale, wish.mapping = locale_name(unicode.lcid), unicode.dwMapFlags or None
    elif not isinstance(index, JET_INDEXCREATE3) and index.lcid:
        wish.locale = locale_name(index.lcid)
    return wish


def JetCreateIndex(
    sesid: JET_SESID,
    tableid: JET_TABLEID,
    szIndexName: str,
    grbit: JET_GRBIT,
    szKey: str | list[str],
    lDensity: int = 100,
) -> JET_ERR:
    """Create an index over the records of a table. The key: "+a\\0-b\\0\\0" or ["+a", "-b"]."""
    with cursor_call(sesid, tableid) as cursor:
        ddl.create_indexes(cursor, [IndexWish(szIndexName, szKey, grbit, checked_density(lDensity))])
    return 0


def _create_indexes(sesid: JET_SESID, tableid: JET_TABLEID, structures: Sequence[IndexCreate], kind: type) -> JET_ERR:
    with cursor_call(sesid, tableid) as cursor:
        _require_parts(structures, (kind,))
        for each in structures:
            each.err = 0
        density, page_size = cursor.table.density, cursor.database.file.page_size
        ddl.create_indexes(cursor, [_index_wish(each, density, page_size) for each in structures])
    return 0


def JetCreateIndex2(sesid: JET_SESID, tableid: JET_TABLEID, pindexcreate: list[JET_INDEXCREATE]) -> JET_ERR:
    """Create indexes, all or none."""
    return _create_indexes(sesid, tableid, pindexcreate, JET_INDEXCREATE)


def JetCreateIndex3(sesid: JET_SESID, tableid: JET_TABLEID, pindexcreate: list[JET_INDEXCREATE2]) -> JET_ERR:
    """JetCreateIndex2 with space hints; without them an index has the density of the table."""
    return _create_indexes(sesid, tableid, pindexcreate, JET_INDEXCREATE2)


def JetCreateIndex4(sesid: JET_SESID, tableid: JET_TABLEID, pindexcreate: list[JET_INDEXCREATE3]) -> JET_ERR:
    """JetCreateIndex3 with locale names."""
    return _create_indexes(sesid, tableid, pindexcreate, JET_INDEXCREATE3)


def JetDeleteIndex(sesid: JET_SESID, tableid: JET_TABLEID, szIndexName: str) -> JET_ERR:
    """Delete a secondary index that is not the current one of any cursor."""
    with cursor_call(sesid, tableid) as cursor:
        ddl.delete_index(cursor, szIndexName)
    return 0


# ---- space hints --------------------------------------------------------------------------------------------------------


def _hinted_density(density: object, hints: JET_SPACEHINTS | None) -> int:
    """JET_errSpaceHintsInvalid where the density is given twice and differently."""
    hinted = 0 if hints is None else hints.ulInitialDensity
    if not isinstance(density, int) or (hinted and density and density != hinted):
        raise jet_error(codes.JET_errSpaceHintsInvalid, f"densities of {density!r} and {hinted!r} percent")
    return density or hinted or DENSITY_DEFAULT


def _checked_hints(hints: object, page_size: int) -> JET_SPACEHINTS | None:
    """JET_errSpaceHintsInvalid for hints that are none, or contradict each other."""
    if hints is None:
        return None
    if not isinstance(hints, JET_SPACEHINTS):
        raise jet_error(codes.JET_errInvalidParameter, f"{hints!r} as space hints")
    values = [getattr(hints, name) for name in _HINT_FIELDS]
    if not all(isinstance(value, int) and 0 <= value <= 0xFFFFFFFF for value in values):
        raise jet_error(codes.JET_errSpaceHintsInvalid, f"{hints}")
    sizes = (hints.cbInitial, hints.cbMinExtent, hints.cbMaxExtent)
    if (
        (hints.ulInitialDensity and not 20 <= hints.ulInitialDensity <= 100)
        or hints.ulMaintDensity > 100
        or hints.grbit & ~_HINT_BITS
        or (hints.cbMaxExtent and hints.cbMinExtent > hints.cbMaxExtent)
        or any(size % page_size for size in sizes)
        or (hints.ulGrowth and hints.ulGrowth < 100)
    ):
        raise jet_error(codes.JET_errSpaceHintsInvalid, f"{hints}")
    return hints


def _packed_hints(hints: JET_SPACEHINTS, first: int) -> bytes | None:
    """The hints as a catalogue row keeps them, from a field on; None where nothing is set."""
    values = [getattr(hints, name) for name in _HINT_FIELDS[first:]]
    while values and not values[-1]:
        values.pop()
    return struct.pack(f"<B{len(values)}I", _HINTS_VERSION, *values) if values else None


__all__ = [
    "JetAddColumn",
    "JetCreateIndex",
    "JetCreateIndex2",
    "JetCreateIndex3",
    "JetCreateIndex4",
    "JetCreateTable",
    "JetCreateTableColumnIndex",
    "JetCreateTableColumnIndex2",
    "JetCreateTableColumnIndex3",
    "JetCreateTableColumnIndex4",
    "JetCreateTableColumnIndex5",
    "JetDeleteColumn",
    "JetDeleteColumn2",
    "JetDeleteIndex",
    "JetDeleteTable",
    "JetDeleteTable2",
    "JetOpenTable",
    "JetRenameColumn",
    "JetRenameTable",
    "JetSetColumnDefaultValue",
]
