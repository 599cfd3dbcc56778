"""Changes of the catalogue: rows of MSysObjects with everything that goes with them.

| a row of     | MSysObjects, shadow | index Name | index RootObjects | MSysObjids                 | MSysLocales             |
|--------------|---------------------|------------|-------------------|----------------------------|-------------------------|
| table        | by its key          | yes        | yes               | yes                        |                         |
| column       | by its key          | yes        |                   |                            |                         |
| index        | by its key          | yes        |                   | unless primary             | if over Unicode text    |
| long values  | by its key          | yes        |                   | yes                        |                         |
| callback     | by its key          | yes        |                   |                            |                         |

`reference/database-format.md` 8.3, 8.8-8.11. All of it is done in the caller's transaction, so it rolls back and recovers as
records do.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from esent.catalog.objects import Index
from esent.catalog.rows import (
    Row,
    catalog_key,
    catalog_record,
    date_root,
    index_row,
    locale_key,
    locale_node,
    name_index_key,
    objids_node,
    root_objects_key,
    row_key,
)
from esent.catalog.system import CATALOG_COLUMNS, ObjectType
from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.records.decode import RecordPlan
from esent.records.layout import SMALL_PAGE_MAX

_LOCALE_COUNT_OFFSET = 5  # iValue in a record of MSysLocales, behind Type
_LOCALE_COUNT_SIZE = 4
_OBJID_END = 5  # of a key of MSysObjects: its first segment
_KEY_TAIL = struct.Struct(">xHxI")


class RowTree(Protocol):
    """A tree as transactions see it (`engine.versioned.VersionedTree`)."""

    def insert(self, session: Any, key: bytes, data: bytes) -> None: ...
    def replace(self, session: Any, key: bytes, old_data_bookmark: bytes, new_data: bytes) -> None: ...
    def delete(self, session: Any, key: bytes, data_bookmark: bytes = b"") -> None: ...
    def delete_unseen(self, session: Any, key: bytes) -> None: ...
    def get(self, session: Any, key: bytes) -> bytes | None: ...
    def cursor(self, session: Any) -> Any: ...


@dataclass(slots=True)
class CatalogTrees:
    """The trees of the catalogue; those an older database does not have are None."""

    objects: RowTree
    shadow: RowTree | None
    names: RowTree
    roots: RowTree
    objids: RowTree | None
    locales: RowTree | None


def _no_level(_session: Any) -> AbstractContextManager[None]:
    return nullcontext()


class CatalogWriter:
    """Writes the catalogue of one database. `level`: a transaction level of its own, which every row is put into."""

    def __init__(
        self,
        trees: CatalogTrees,
        page_size: int,
        level: Callable[[Any], AbstractContextManager[None]] = _no_level,
        *,
        dated: bool = False,
    ) -> None:
        """`dated`: the format of the database has a place for when a root was made."""
        self._trees = trees
        self._level = level
        self._dated = dated
        self._small_page = page_size <= SMALL_PAGE_MAX
        self._plan = RecordPlan(CATALOG_COLUMNS, large_pages=not self._small_page)

    def add(self, session: Any, row: Mapping[str, Any]) -> None:
        """Insert a row. JET_errKeyDuplicate: there is an object of that kind with the name, or one is being made."""
        trees = self._trees
        key = row_key(row)
        if self._dated:
            row = dict(row)
            date_root(row)
        record = catalog_record(row, small_page=self._small_page)
        with self._level(session):
            trees.objects.insert(session, key, record)
            trees.names.insert(session, name_index_key(row), key)
            if row["Type"] == ObjectType.TABLE:
                trees.roots.insert(session, root_objects_key(row), key)
        if trees.shadow is not None:
            with self._level(session):
                trees.shadow.insert(session, key, record)

    def row(self, session: Any, objid_table: int, kind: int, identity: int) -> Row:
        """The row as the session sees it: what is set, as bytes, keys as numbers. JET_errCatalogCorrupted: there is none."""
        record = self._trees.objects.get(session, catalog_key(objid_table, kind, identity))
        if record is None:
            raise jet_error(codes.JET_errCatalogCorrupted, f"no row for object {identity} (type {kind}) of table {objid_table}")
        row: Row = {}
        for column, value in zip(CATALOG_COLUMNS, self._plan.values(record), strict=True):
            if isinstance(value, JetError):
                raise value
            if value is not None and not isinstance(value, bytes):
                raise jet_error(codes.JET_errFeatureNotAvailable, f"changing a catalog row whose {column.name} is separated")
            if value is not None:
                row[column.name] = value
        row.update(ObjidTable=objid_table, Type=kind, Id=identity)
        return row

    def change(self, session: Any, objid_table: int, kind: int, identity: int, changes: Mapping[str, Any]) -> None:
        """Set columns of a row, None to NULL. JET_errKeyDuplicate: a new name is taken."""
        trees = self._trees
        old = self.row(session, objid_table, kind, identity)
        new = {name: value for name, value in (old | dict(changes)).items() if value is not None}
        key = row_key(old)
        record = catalog_record(new, small_page=self._small_page)
        trees.objects.replace(session, key, b"", record)
        if "Name" in changes:
            self._rename(session, trees.names, name_index_key(old), name_index_key(new), key)
            if kind == ObjectType.TABLE:
                self._rename(session, trees.roots, root_objects_key(old), root_objects_key(new), key)
        if trees.shadow is not None:
            trees.shadow.replace(session, key, b"", record)

    @staticmethod
    def _rename(session: Any, tree: RowTree, old: bytes, new: bytes, key: bytes) -> None:
        if new != old:
            tree.delete(session, old)
            tree.insert(session, new, key)

    def remove(self, session: Any, objid_table: int, kind: int, identity: int) -> None:
        """Delete a row."""
        trees = self._trees
        row = self.row(session, objid_table, kind, identity)
        key = row_key(row)
        trees.objects.delete(session, key)
        trees.names.delete(session, name_index_key(row))
        if kind == ObjectType.TABLE:
            trees.roots.delete(session, root_objects_key(row))
        if trees.shadow is not None:
            trees.shadow.delete(session, key)

    def remove_unseen(self, session: Any, row: Mapping[str, Any]) -> None:
        """Delete the row of an object with a tree, and the note of it in MSysObjids, that came since the session's snapshot."""
        trees = self._trees
        key = row_key(row)
        trees.objects.delete_unseen(session, key)
        trees.names.delete_unseen(session, name_index_key(row))
        if trees.shadow is not None:
            trees.shadow.delete_unseen(session, key)
        if trees.objids is not None:
            trees.objids.delete_unseen(session, objids_node(row["Id"], 0, 0, small_page=self._small_page)[0])

    def objects_of(self, session: Any, objid_table: int) -> list[tuple[int, int]]:
        """Type and identity of every row of a table."""
        place = self._trees.objects.cursor(session)
        first = catalog_key(objid_table, 0, 0)
        found = []
        more = place.seek(first[:_OBJID_END], "ge")
        while more and place.key[:_OBJID_END] == first[:_OBJID_END]:
            kind, identity = _KEY_TAIL.unpack_from(place.key, _OBJID_END)
            found.append((kind ^ 0x8000, identity ^ 0x80000000))
            more = place.next()
        return found

    # -- indexes, and what else has a tree -------------------------------------------------------------------------------------

    def add_index(self, session: Any, objid_table: int, index: Index) -> None:
        """Insert the row of an index. JET_errKeyDuplicate: the name is taken."""
        self.add(session, index_row(objid_table, index))
        if not index.is_primary:
            self.add_objid(session, index.objid, objid_table, ObjectType.INDEX)
        if index.is_localized:
            self._count_locale(session, index, 1)

    def remove_index(self, session: Any, objid_table: int, index: Index) -> None:
        """Delete the row of an index."""
        self.remove(session, objid_table, ObjectType.INDEX, index.objid)
        if not index.is_primary:
            self.remove_objid(session, index.objid)
        if index.is_localized:
            self._count_locale(session, index, -1)

    def add_objid(self, session: Any, objid: int, objid_table: int, kind: int) -> None:
        """Note an object with a tree in MSysObjids."""
        if self._trees.objids is not None:
            with self._level(session):
                self._trees.objids.insert(session, *objids_node(objid, objid_table, kind, small_page=self._small_page))

    def remove_objid(self, session: Any, objid: int) -> None:
        """Take an object out of MSysObjids."""
        if self._trees.objids is not None:
            key, _ = objids_node(objid, 0, 0, small_page=self._small_page)
            if self._trees.objids.get(session, key) is not None:
                self._trees.objids.delete(session, key)

    def _count_locale(self, session: Any, index: Index, change: int) -> None:
        """Count the indexes of a sort order in MSysLocales; the last one takes the row with it."""
        tree = self._trees.locales
        if tree is None or index.sort_id is None or index.version is None:
            return
        sort_id = str(uuid.UUID(bytes_le=index.sort_id))
        key, record = locale_node(locale_key(index.locale, sort_id, index.version), change, small_page=self._small_page)
        found = tree.get(session, key)
        if found is None:
            if change > 0:
                self._begin_count(session, tree, key, record)
            return
        end = _LOCALE_COUNT_OFFSET + _LOCALE_COUNT_SIZE
        if len(found) < end:
            raise jet_error(codes.JET_errCatalogCorrupted, "a row of MSysLocales without its count")
        (count,) = struct.unpack_from("<i", found, _LOCALE_COUNT_OFFSET)
        if count + change > 0:
            tree.replace(session, key, b"", found[:_LOCALE_COUNT_OFFSET] + struct.pack("<i", count + change) + found[end:])
        else:
            tree.delete(session, key)

    @staticmethod
    def _begin_count(session: Any, tree: RowTree, key: bytes, record: bytes) -> None:
        """The row of a sort order the session sees none of. JET_errWriteConflict: another session has made one meanwhile."""
        try:
            tree.insert(session, key, record)
        except JetError as problem:
            if problem.code != codes.JET_errKeyDuplicate:
                raise
            what = "counting an index of a sort order that another session has just begun to use"
            raise jet_error(codes.JET_errWriteConflict, what) from problem
