"""Temporary tables."""

from __future__ import annotations

from collections.abc import Sequence

from esent.catalog.definition import IndexWish, checked_mapping
from esent.catalog.locales import locale_name
from esent.constants import codes
from esent.engine.navigation import grbit_of
from esent.engine.session import Session, session_call
from esent.engine.temporary import ColumnWish, TableWish, open_temporary
from esent.errors import jet_error
from esent.jet.cursors import array
from esent.jet.handles import JET_COLUMNID, JET_ERR, JET_GRBIT, JET_SESID, JET_TABLEID
from esent.jet.structures_tables import (
    JET_COLUMNDEF,
    JET_OPENTEMPORARYTABLE,
    JET_OPENTEMPORARYTABLE2,
    JET_UNICODEINDEX,
    JET_UNICODEINDEX2,
)


def _collation(unicode: JET_UNICODEINDEX | JET_UNICODEINDEX2 | None) -> tuple[str | None, int | None]:
    """Locale and mapping of text keys. JET_errInvalidLanguageId, JET_errInvalidLCMapStringFlags."""
    if unicode is None:
        return None, None
    if isinstance(unicode, JET_UNICODEINDEX2):
        locale = unicode.szLocaleName
    elif isinstance(unicode, JET_UNICODEINDEX):
        locale = locale_name(unicode.lcid)
    else:
        raise jet_error(codes.JET_errInvalidParameter, f"{unicode!r} is not a JET_UNICODEINDEX")
    return locale, checked_mapping(IndexWish("key", (), mapping=unicode.dwMapFlags)) if unicode.dwMapFlags else None


def _open(
    session: Session,
    definitions: Sequence[JET_COLUMNDEF],
    grbit: object,
    unicode: JET_UNICODEINDEX | JET_UNICODEINDEX2 | None,
    sizes: tuple[object, object] = (0, 0),
) -> tuple[JET_TABLEID, list[JET_COLUMNID]]:
    options = grbit_of(grbit)
    session.check_owner()
    definitions = array(definitions, JET_COLUMNDEF, "the definitions of columns")
    columns = [ColumnWish(each.coltyp, grbit_of(each.grbit), each.cp, each.cbMax) for each in definitions]
    locale, mapping = _collation(unicode)
    cursor, columnids = open_temporary(session, TableWish(columns, options, *sizes, locale, mapping))
    for definition, columnid in zip(definitions, columnids, strict=True):
        definition.columnid = columnid
    return cursor.handle, columnids


def JetOpenTempTable(
    sesid: JET_SESID, prgcolumndef: list[JET_COLUMNDEF], grbit: JET_GRBIT = 0
) -> tuple[JET_TABLEID, list[JET_COLUMNID]]:
    """Open a temporary table: its handle and the ids of its columns, which are put down in the definitions too."""
    with session_call(sesid) as session:
        return _open(session, prgcolumndef, grbit, None)


def JetOpenTempTable2(
    sesid: JET_SESID, prgcolumndef: list[JET_COLUMNDEF], lcid: int, grbit: JET_GRBIT = 0
) -> tuple[JET_TABLEID, list[JET_COLUMNID]]:
    """JetOpenTempTable with the locale of Unicode keys."""
    with session_call(sesid) as session:
        return _open(session, prgcolumndef, grbit, JET_UNICODEINDEX(lcid=lcid))


def JetOpenTempTable3(
    sesid: JET_SESID, prgcolumndef: list[JET_COLUMNDEF], pidxunicode: JET_UNICODEINDEX | None, grbit: JET_GRBIT = 0
) -> tuple[JET_TABLEID, list[JET_COLUMNID]]:
    """JetOpenTempTable with locale and mapping of Unicode keys."""
    with session_call(sesid) as session:
        return _open(session, prgcolumndef, grbit, pidxunicode)


def _open_structure(sesid: JET_SESID, wish: JET_OPENTEMPORARYTABLE | JET_OPENTEMPORARYTABLE2, kind: type) -> JET_ERR:
    with session_call(sesid) as session:
        if not isinstance(wish, kind):
            raise jet_error(codes.JET_errInvalidParameter, f"{wish!r} is not a {kind.__name__}")
        sizes = (wish.cbKeyMost, wish.cbVarSegMac)
        wish.tableid, wish.prgcolumnid = _open(session, wish.prgcolumndef, wish.grbit, wish.pidxunicode, sizes)
    return 0


def JetOpenTemporaryTable(sesid: JET_SESID, popentemporarytable: JET_OPENTEMPORARYTABLE) -> JET_ERR:
    """JetOpenTempTable3 with the sizes of keys; the structure gets the handle and the column ids."""
    return _open_structure(sesid, popentemporarytable, JET_OPENTEMPORARYTABLE)


def JetOpenTemporaryTable2(sesid: JET_SESID, popentemporarytable: JET_OPENTEMPORARYTABLE2) -> JET_ERR:
    """JetOpenTemporaryTable with a locale name."""
    return _open_structure(sesid, popentemporarytable, JET_OPENTEMPORARYTABLE2)


__all__ = [
    "JetOpenTempTable",
    "JetOpenTempTable2",
    "JetOpenTempTable3",
    "JetOpenTemporaryTable",
    "JetOpenTemporaryTable2",
]
