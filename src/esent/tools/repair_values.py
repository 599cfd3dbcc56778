"""Long values of a damaged table: which are whole, and records without references to those that are not."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from esent.catalog.objects import Table
from esent.errors import JetError
from esent.records import access
from esent.records.compression import decompress
from esent.records.encode import Tagged, Value, tagged_value
from esent.records.layout import SMALL_PAGE_MAX, WORD_DERIVED
from esent.tree.cursor import NODE_DELETED
from esent.tree.salvage import SalvagedTree

_ROOT = struct.Struct("<II")
_OFFSET = struct.Struct(">I")
_ENCRYPTED = 0x01


class Piece(NamedTuple):
    """A node of the tree of long values: `offset` None for the root of a value. `lid` as in keys."""

    lid: bytes
    offset: int | None
    page: int
    key: bytes
    data: bytes


def pieces(tree: SalvagedTree) -> Iterator[Piece]:
    """The nodes of a tree of long values that are not deleted, in order; nodes that are none are left out."""
    for batch in tree.batches():
        for flags, key, data in batch.entries:
            if flags & NODE_DELETED:
                continue
            if len(key) in (4, 8) and (len(key) == 4 or key[0] & 0x80) and len(data) >= _ROOT.size:
                yield Piece(key, None, batch.page, key, data)
            elif len(key) in (8, 12):
                yield Piece(key[:-4], _OFFSET.unpack_from(key, len(key) - 4)[0], batch.page, key, data)


class _Value:
    """One long value as its nodes come."""

    def __init__(self, root: Piece | None, lid: bytes) -> None:
        self.lid = lid
        self.size = 0
        self.encrypted = False
        self.wrong = "" if root is not None else "its root is lost"
        if root is not None:
            _, self.size = _ROOT.unpack_from(root.data)
            self.encrypted = len(root.data) > _ROOT.size and bool(root.data[_ROOT.size] & _ENCRYPTED)
        self._end = 0  # where the chunk that waits begins
        self._waiting: bytes | None = None

    def add(self, piece: Piece) -> None:
        offset = piece.offset or 0
        if self.wrong:
            return
        if self._waiting is None:
            if offset:
                self.wrong = f"bytes 0 to {offset} are lost"
        elif not self._stands_for(offset - self._end):
            self.wrong = f"bytes from {self._end} to {offset} are lost or damaged"
        self._end, self._waiting = offset, piece.data

    def finish(self) -> str:
        """What is wrong with the value; empty where it is whole."""
        if not self.wrong and self.size and (self._waiting is None or not self._stands_for(self.size - self._end)):
            self.wrong = f"bytes from {self._end} to {self.size} are lost or damaged"
        return self.wrong

    def _stands_for(self, size: int) -> bool:
        stored = self._waiting or b""
        if self.encrypted:
            return size > 0
        if len(stored) >= size or not stored:
            return len(stored) == size
        try:
            return len(decompress(stored)) == size
        except JetError:
            return False


def broken_values(tree: SalvagedTree) -> dict[bytes, str]:
    """The long values of a tree that cannot be read whole, and why. JET errors do not arise; damage is the tree's to report."""
    broken: dict[bytes, str] = {}
    value: _Value | None = None
    for piece in pieces(tree):
        if value is not None and piece.lid != value.lid:
            if value.finish():
                broken[value.lid] = value.wrong
            value = None
        if value is None:
            value = _Value(piece if piece.offset is None else None, piece.lid)
        if piece.offset is not None:
            value.add(piece)
    if value is not None and value.finish():
        broken[value.lid] = value.wrong
    return broken


class RecordMender:
    """Records of one table, and the long values they refer to."""

    def __init__(self, table: Table, page_size: int) -> None:
        self._small = page_size <= SMALL_PAGE_MAX
        self._columns = {
            (column.fid, table.is_derived and column.derived_bit): column for column in table.columns if column.is_tagged
        }

    def _values(self, fid: int, flags: int, data: bytes) -> list[Value]:
        if access.entry_header(flags, data, self._small) == 0:
            return []
        return access.entry_values(flags, data, self._small)

    def references(self, record: bytes) -> list[bytes]:
        """The ids of the long values a record refers to, as in keys. JET_errDatabaseCorrupted."""
        return [
            value.data[::-1]
            for entry in access.tagged_entries(record, self._small)
            for value in self._values(*entry)
            if value.separated
        ]

    def without(self, record: bytes, lost: set[bytes]) -> tuple[bytes, list[tuple[str, bytes]]]:
        """The record without the references to `lost`, and which column each was of.

        A column of one value becomes NULL; of several values the others keep their places, and this one is empty.
        """
        kept: list[tuple[int, int, bytes]] = []
        gone: list[tuple[str, bytes]] = []
        for fid, flags, data in access.tagged_entries(record, self._small):
            values = self._values(fid, flags, data)
            missing = [value.data[::-1] for value in values if value.separated and value.data[::-1] in lost]
            if not missing:
                kept.append((fid, flags, data))
                continue
            derived = bool(flags & WORD_DERIVED)
            column = self._columns.get((fid, derived))
            gone += [(column.name if column is not None else f"column {fid}", lid) for lid in missing]
            if len(values) > 1:
                values = [Value(b"") if value.separated and value.data[::-1] in lost else value for value in values]
            elif column is not None and column.default_value() is None:
                continue
            else:
                values = []
            body, word = tagged_value(Tagged(fid, values, long=True, derived=derived), small_page=self._small)
            kept.append((fid, word, body))
        start = access.tagged_start(record)
        array = bytearray()
        offset = 4 * len(kept)
        for fid, flags, data in kept:
            array += struct.pack("<HH", fid, offset | flags)
            offset += len(data)
        return b"".join((record[:start], array, *(data for _, _, data in kept))), gone


__all__ = ["Piece", "RecordMender", "broken_values", "pieces"]
