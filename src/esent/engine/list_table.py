"""Tables in memory that the engine answers with: rows of columns, read through a cursor like any table.

Their nodes are in a sorted list, not on pages; they have no log and no versions. A row is a record whose key is its number.
"""

from __future__ import annotations

import itertools
import struct
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from esent.catalog.objects import Table
from esent.constants import grbits
from esent.engine.cursor import Cursor
from esent.engine.table_view import forget_counters
from esent.pages.edit import NODE_DELETED
from esent.pages.header import DatabaseHeader
from esent.records.columns import INHERENT_SIZE, UNICODE, Coltyp, Column
from esent.records.encode import COLUMN_MOST, encode_record
from esent.records.layout import SMALL_PAGE_MAX
from esent.versions.store import OPER_INSERT, add_to_counter

if TYPE_CHECKING:
    from esent.engine.database import AttachedDatabase
    from esent.engine.instance import Instance
    from esent.engine.session import Session
    from esent.engine.transactions import Writer
    from esent.versions.store import Version

IN_MEMORY = 0  # the number in the log of what is never in the log
_objids = itertools.count(1)


@dataclass(slots=True)
class MemoryNode:
    """One node."""

    key: bytes
    data: bytes
    flags: int = 0


class MemoryTree:
    """The nodes of a tree in a sorted list (`engine.versioned.NodeTree`)."""

    def __init__(self, *, unique: bool) -> None:
        self.unique = unique
        self._nodes: list[MemoryNode] = []

    def _bookmark(self, node: MemoryNode) -> tuple[bytes, bytes]:
        return node.key, b"" if self.unique else node.data

    def _place(self, key: bytes, data: bytes) -> int:
        return bisect_left(self._nodes, (key, b"" if self.unique else data), key=self._bookmark)

    def _at(self, place: int) -> MemoryNode | None:
        return self._nodes[place] if 0 <= place < len(self._nodes) else None

    def find(self, key: bytes, data: bytes | None = None) -> MemoryNode | None:
        node = self._at(self._place(key, data or b""))
        if node is None or node.key != key or (data is not None and not self.unique and node.data != data):
            return None
        return node

    def first(self) -> MemoryNode | None:
        return self._at(0)

    def last(self) -> MemoryNode | None:
        return self._at(len(self._nodes) - 1)

    def next(self, node: Any) -> MemoryNode | None:
        place = self._place(node.key, node.data)
        found = self._at(place)
        if found is not None and self._bookmark(found) == self._bookmark(node):
            return self._at(place + 1)
        return found

    def previous(self, node: Any) -> MemoryNode | None:
        return self._at(self._place(node.key, node.data) - 1)

    def seek_ge(self, key: bytes, data: bytes = b"") -> MemoryNode | None:
        return self._at(self._place(key, data))

    def seek_lt(self, key: bytes, data: bytes = b"") -> MemoryNode | None:
        return self._at(self._place(key, data) - 1)

    def insert(self, writer: Writer, key: bytes, data: bytes, *, rceid: int = 0) -> None:
        self._nodes.insert(self._place(key, data), MemoryNode(key, data))

    def _put(self, key: bytes, bookmark: bytes, data: bytes, flags: int) -> None:
        place = self._place(key, bookmark)
        self._nodes[place] = MemoryNode(key, data, flags)

    def flag_insert(self, writer: Writer, key: bytes, data: bytes, *, rceid: int = 0) -> None:
        self._put(key, data, data, 0)

    def flag_insert_and_replace(
        self, writer: Writer, key: bytes, data: bytes, *, rceid: int = 0, rceid_replace: int = 0
    ) -> None:
        self._put(key, data, data, 0)

    def replace(self, writer: Writer, key: bytes, data_bookmark: bytes, new_data: bytes, *, rceid: int = 0) -> None:
        self._put(key, data_bookmark, new_data, 0)

    def flag_delete(self, writer: Writer, key: bytes, data_bookmark: bytes, *, rceid: int = 0) -> None:
        node = self._nodes[self._place(key, data_bookmark)]
        self._put(key, data_bookmark, node.data, NODE_DELETED)

    def delete(self, writer: Writer, key: bytes, data_bookmark: bytes) -> None:
        del self._nodes[self._place(key, data_bookmark)]

    def delta(
        self, writer: Writer, key: bytes, data_bookmark: bytes, offset: int, delta: int, size: int, *, rceid: int = 0
    ) -> None:
        node = self._nodes[self._place(key, data_bookmark)]
        self._put(key, data_bookmark, add_to_counter(node.data, offset, delta, size), node.flags)

    def undo(self, writer: Writer, version: Version, key: bytes, data_bookmark: bytes) -> None:
        """Nothing has versions; an insertion goes away."""
        if version.oper == OPER_INSERT:
            self.delete(writer, key, data_bookmark)

    def page_of(self, key: bytes, data_bookmark: bytes) -> int:
        return 0


@dataclass(slots=True)
class MemoryFile:
    """What a cursor asks the file of its database."""

    page_size: int
    header: DatabaseHeader


class MemoryHome:
    """The database of one table in memory, as cursors and trees see it."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.dbid = IN_MEMORY
        self.number = IN_MEMORY
        self.path = Path()
        self.logged = False
        self.read_only = False
        self.size_limit = 0
        self.file = MemoryFile(instance.page_size, DatabaseHeader())
        self._trees: dict[int, MemoryTree] = {}

    def nodes(self, objid: int, root: int, *, unique: bool) -> MemoryTree:
        found = self._trees.get(objid)
        if found is None:
            found = self._trees[objid] = MemoryTree(unique=unique)
        return found

    def forget(self) -> None:
        """The table is closed."""
        for objid in self._trees:
            self._forget_tree(objid)
        self._trees.clear()

    def _forget_tree(self, objid: int) -> None:
        self.instance.transactions.store.forget_tree(self.dbid, objid)
        forget_counters(self, objid)


def new_objid() -> int:
    """An object id for a tree in memory."""
    return next(_objids)


def list_table(
    session: Session, columns: Sequence[tuple[str, int]], rows: Sequence[Mapping[str, int | str | bytes | None]]
) -> tuple[Cursor, dict[str, int]]:
    """A cursor on a table of these rows, and the ids of its columns. `columns`: (name, type); texts are Unicode."""
    home = MemoryHome(session.instance)
    objid = new_objid()
    table = Table("list", objid, objid)
    fid = {True: 0, False: 127}
    offset = 4
    for name, coltyp in columns:
        size = INHERENT_SIZE.get(coltyp)
        fid[size is not None] += 1
        code_page = UNICODE if coltyp == Coltyp.TEXT else 0
        column = Column(name, fid[size is not None], coltyp, size or COLUMN_MOST, 0, code_page, offset if size else 0)
        offset += size or 0
        table.columns.append(column)
    nodes = home.nodes(objid, objid, unique=True)
    small = home.file.page_size <= SMALL_PAGE_MAX
    for number, row in enumerate(rows, 1):
        nodes.insert(session, struct.pack(">I", number), _record(table.columns, row, small_page=small))
    cursor = Cursor(session, cast("AttachedDatabase", home), table, grbits.JET_bitTableReadOnly, versioned=False)
    cursor.on_close.append(lambda _: home.forget())
    return cursor, {column.name: column.columnid for column in table.columns}


def _record(columns: Sequence[Column], row: Mapping[str, int | str | bytes | None], *, small_page: bool) -> bytes:
    fixed = [_stored(column, row.get(column.name)) for column in columns if column.is_fixed]
    variable = [_stored(column, row.get(column.name)) for column in columns if column.is_variable]
    sizes = [column.max_size for column in columns if column.is_fixed]
    return encode_record(fixed, sizes, variable, small_page=small_page)


def _stored(column: Column, value: int | str | bytes | None) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-16-le")
    return (value & ((1 << 8 * column.max_size) - 1)).to_bytes(column.max_size, "little")


__all__ = ["MemoryHome", "MemoryTree", "list_table", "new_objid"]
