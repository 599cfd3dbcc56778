"""A table with columns of every class in a database of trees in memory, and a cursor on it."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

from memory_trees import MemoryDatabase

from esent.catalog.objects import Index, Segment, Table
from esent.constants.formats import Feature
from esent.engine.cursor import Cursor
from esent.engine.session import Session
from esent.pages.header import DatabaseHeader
from esent.records.columns import FLAG_DEFAULT, FLAG_ESCROW, FLAG_MULTIVALUED, Coltyp, Column
from esent.records.keys import index_flags

ID, NUMBER, COUNTER, NAME, TAGS, BLOB = 1, 2, 3, 128, 256, 257


class CursorDatabase(MemoryDatabase):
    """A `MemoryDatabase` with what a cursor asks of a database file."""

    def __init__(self, page_size: int = 4096) -> None:
        super().__init__()
        header = DatabaseHeader()
        header.update_major, header.update_minor = 20, 0
        self.file = SimpleNamespace(page_size=page_size, header=header)
        self.read_only = False
        self.size_limit = 0
        self.table = sample_table()

    def keeps(self, feature: Feature) -> bool:
        return self.file.header.has(feature)

    def cursor(self, session: Session, grbit: int = 0) -> Cursor:
        database: Any = self
        return Cursor(session, database, self.table, grbit, make_long_values=_make_long_values)


def _make_long_values(cursor: Cursor) -> None:
    cursor.table.long_value_objid = cursor.table.long_value_root = 90


def sample_table() -> Table:
    """Id (primary key), Number (index "number"), Counter (escrow, default 5), Name, Tags (index "tags"), Blob."""
    table = Table("Sample", 20, 20)
    table.columns = [
        Column("Id", ID, Coltyp.LONG, 4, 0, 0, 4),
        Column("Number", NUMBER, Coltyp.SHORT, 2, 0, 0, 8),
        Column("Counter", COUNTER, Coltyp.LONG, 4, FLAG_ESCROW | FLAG_DEFAULT, 0, 10, default=struct.pack("<i", 5)),
        Column("Name", NAME, Coltyp.TEXT, 40, 0, 1252),
        Column("Tags", TAGS, Coltyp.LONG, 4, FLAG_MULTIVALUED),
        Column("Blob", BLOB, Coltyp.LONG_BINARY, 0),
    ]
    table.indexes = [
        Index("number", 22, 22, index_flags(0), [Segment(NUMBER)]),
        Index("pk", 20, 20, index_flags(0x3), [Segment(ID)]),
        Index("tags", 23, 23, index_flags(0x8, multi_valued=True), [Segment(TAGS)]),
    ]
    return table


def long(value: int) -> bytes:
    return struct.pack("<i", value)


def short(value: int) -> bytes:
    return struct.pack("<h", value)
