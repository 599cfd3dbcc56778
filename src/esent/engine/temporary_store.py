"""What temporary tables keep their nodes in: sorted keys in memory, data in memory up to a limit and in a file beyond it.

A sort collects its rows as they come and puts them in order when it is first read; of rows with one key it keeps the first.
Nothing here is logged; what is rolled back is put back from the versions.
"""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esent.constants import codes
from esent.engine.list_table import MemoryHome, MemoryNode
from esent.errors import jet_error
from esent.pages.edit import NODE_DELETED
from esent.versions.store import (
    OPER_DELTA,
    OPER_DELTA64,
    OPER_FLAG_DELETE,
    OPER_INSERT,
    OPER_REPLACE,
    add_to_counter,
)

if TYPE_CHECKING:
    from esent.engine.instance import Instance
    from esent.engine.transactions import Writer
    from esent.pages.filesystem import File, FileSystem
    from esent.versions.store import Version

SORT_MEMORY = 64 * 1024  # what a sort of the engine holds before it overflows into the temporary database
SMALLEST_SPILLED = 64
TIE_BREAKER = 8  # bytes behind the key of a row where a sort keeps rows with equal keys


class Spill:
    """A file for data that memory has no room for. It is made when first needed; what is freed in it is not used again."""

    def __init__(self, files: FileSystem, path: Path, limit: int) -> None:
        self.files = files
        self.path = path
        self.room = limit
        self._file: File | None = None
        self._end = 0

    def put(self, data: bytes) -> int:
        """Append `data`; its offset."""
        if self._file is None:
            self._file = self.files.open(self.path, writable=True, create=True)
            self._file.truncate(0)
        offset = self._end
        self._file.write(offset, data)
        self._end += len(data)
        return offset

    def get(self, offset: int, size: int) -> bytes:
        data = self._file.read(offset, size) if self._file is not None else b""
        if len(data) != size:
            raise jet_error(codes.JET_errDiskIO, "reading a temporary table back", file=self.path, offset=offset)
        return data

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self.files.remove(self.path)


class _Stored:
    """The data of a node: in memory, or in the file at `offset`."""

    __slots__ = ("data", "flags", "offset", "size")

    def __init__(self, data: bytes | None, flags: int, offset: int, size: int) -> None:
        self.data = data
        self.flags = flags
        self.offset = offset
        self.size = size


class TemporaryTree:
    """The nodes of a unique tree of a temporary table (`engine.versioned.NodeTree`)."""

    def __init__(self, spill: Spill) -> None:
        self.spill = spill
        self.collecting = False
        self.keeps_equal = False  # rows with equal keys, each key with a tie-breaker behind it
        self.collected = 0  # bytes
        self._keys: list[bytes] = []
        self._stored: dict[bytes, _Stored] = {}

    # -- collecting -----------------------------------------------------------------------------------------------------

    def end_collecting(self) -> None:
        """Put what was collected in order."""
        self.collecting = False
        self._keys = sorted(self._stored)

    @property
    def overflowed(self) -> bool:
        """Whether a sort of the engine would have left its memory."""
        return self.collected > SORT_MEMORY

    def index_of(self, key: bytes) -> int:
        """How many nodes are before a key."""
        return bisect_left(self._keys, key)

    def key_at(self, index: int) -> bytes | None:
        return self._keys[index] if 0 <= index < len(self._keys) else None

    # -- reading --------------------------------------------------------------------------------------------------------

    def _node(self, key: bytes) -> MemoryNode:
        stored = self._stored[key]
        data = stored.data if stored.data is not None else self.spill.get(stored.offset, stored.size)
        return MemoryNode(key, data, stored.flags)

    def _at(self, place: int) -> MemoryNode | None:
        return self._node(self._keys[place]) if 0 <= place < len(self._keys) else None

    def find(self, key: bytes, data: bytes | None = None) -> MemoryNode | None:
        return self._node(key) if key in self._stored and not self.collecting else None

    def first(self) -> MemoryNode | None:
        return self._at(0)

    def last(self) -> MemoryNode | None:
        return self._at(len(self._keys) - 1)

    def next(self, node: Any) -> MemoryNode | None:
        place = bisect_left(self._keys, node.key)
        if place < len(self._keys) and self._keys[place] == node.key:
            place += 1
        return self._at(place)

    def previous(self, node: Any) -> MemoryNode | None:
        return self._at(bisect_left(self._keys, node.key) - 1)

    def seek_ge(self, key: bytes, data: bytes = b"") -> MemoryNode | None:
        return self._at(bisect_left(self._keys, key))

    def seek_lt(self, key: bytes, data: bytes = b"") -> MemoryNode | None:
        return self._at(bisect_left(self._keys, key) - 1)

    def fraction_of(self, key: bytes, data: bytes = b"") -> tuple[int, int]:
        """(nodes before the place of a key, nodes in all)."""
        return bisect_left(self._keys, key), len(self._keys)

    def at_fraction(self, before: int, total: int) -> MemoryNode | None:
        """The node that `before` of `total` nodes are before."""
        return self._at(min(before * len(self._keys) // total if total else 0, len(self._keys) - 1))

    # -- changing -------------------------------------------------------------------------------------------------------

    def _put(self, key: bytes, data: bytes, flags: int) -> None:
        old = self._stored.get(key)
        if old is not None and old.data is not None:
            self.spill.room += len(old.data)
        if len(data) > self.spill.room and len(data) >= SMALLEST_SPILLED:
            self._stored[key] = _Stored(None, flags, self.spill.put(data), len(data))
        else:
            self.spill.room -= len(data)
            self._stored[key] = _Stored(data, flags, 0, len(data))

    def insert(self, writer: Writer, key: bytes, data: bytes, *, rceid: int = 0) -> None:
        if self.collecting:
            self.collected += len(key) + len(data)
            if self.keeps_equal:
                key += len(self._stored).to_bytes(TIE_BREAKER, "big")
            elif key in self._stored:
                return
        else:
            self._keys.insert(bisect_left(self._keys, key), key)
        self._put(key, data, 0)

    def flag_insert(self, writer: Writer, key: bytes, data: bytes, *, rceid: int = 0) -> None:
        self._put(key, data, 0)

    def flag_insert_and_replace(
        self, writer: Writer, key: bytes, data: bytes, *, rceid: int = 0, rceid_replace: int = 0
    ) -> None:
        self._put(key, data, 0)

    def replace(self, writer: Writer, key: bytes, data_bookmark: bytes, new_data: bytes, *, rceid: int = 0) -> None:
        self._put(key, new_data, 0)

    def flag_delete(self, writer: Writer, key: bytes, data_bookmark: bytes, *, rceid: int = 0) -> None:
        self._stored[key].flags |= NODE_DELETED

    def delete(self, writer: Writer, key: bytes, data_bookmark: bytes) -> None:
        stored = self._stored.pop(key)
        if stored.data is not None:
            self.spill.room += len(stored.data)
        del self._keys[bisect_left(self._keys, key)]

    def delta(
        self, writer: Writer, key: bytes, data_bookmark: bytes, offset: int, delta: int, size: int, *, rceid: int = 0
    ) -> None:
        node = self._node(key)
        self._put(key, add_to_counter(node.data, offset, delta, size), node.flags)

    def undo(self, writer: Writer, version: Version, key: bytes, data_bookmark: bytes) -> None:
        """Take back a change. A node that was inserted stays, as deleted, for the clean-up of versions to remove."""
        stored = self._stored.get(key)
        if stored is None:
            return
        if version.oper == OPER_INSERT:
            stored.flags |= NODE_DELETED
        elif version.oper == OPER_FLAG_DELETE:
            stored.flags &= ~NODE_DELETED
        elif version.oper == OPER_REPLACE:
            self._put(key, version.before, stored.flags)
        elif version.oper in (OPER_DELTA, OPER_DELTA64):
            counted = add_to_counter(self._node(key).data, version.offset, -version.delta, version.delta_size)
            self._put(key, counted, stored.flags)

    def page_of(self, key: bytes, data_bookmark: bytes) -> int:
        return 0


class TemporaryHome(MemoryHome):
    """The database of one temporary table; `limit` bytes of its data stay in memory."""

    def __init__(self, instance: Instance, path: Path, limit: int) -> None:
        super().__init__(instance)
        self.spill = Spill(instance.files, path, limit)
        self.users = 0  # open cursors
        self._temporary: dict[int, TemporaryTree] = {}

    def nodes(self, objid: int, root: int, *, unique: bool) -> TemporaryTree:  # type: ignore[override]
        found = self._temporary.get(objid)
        if found is None:
            found = self._temporary[objid] = TemporaryTree(self.spill)
        return found

    def forget(self) -> None:
        """The table is closed."""
        for objid in self._temporary:
            self._forget_tree(objid)
        self._temporary.clear()
        self.spill.close()
