"""Long values as a transaction sees and changes them.

Nodes of the tree (`reference/records-and-indexes.md` 3.2): a root (reference count, size) under the id, chunks under id and
offset; what is stored in fewer bytes than it stands for is compressed. A value begins with one reference; references are
added and taken by commuting deltas, and a value without any is removed when no snapshot needs it any more (3.5).

Changes that belong to an update are kept apart (`PendingValue`) until the update is made: retrieval of the record as it was
shows the values as they were, and to cancel is to forget.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.records.compression import compress, decompress
from esent.tree.long_values import FLAG_ENCRYPTED, SIZE_MAX

if TYPE_CHECKING:
    from esent.engine.session import Session
    from esent.engine.table_view import TableCounters
    from esent.engine.transactions import Writer
    from esent.engine.versioned import VersionedTree

_ROOT = struct.Struct("<II")
_OFFSET = struct.Struct(">I")
_REFERENCES_OFFSET = 0
_REFERENCES_SIZE = 4
_FIRST_WIDE_ID = 0x8000_0000_8000_0001
_LAST_WIDE_ID = 0x80FF_FFFE_FFFF_FFFF
_LAST_ID = 0x7FFF_FEFF
_NARROW = 4
_WIDE = 8


class LongValueTree:
    """The long values of one table in the view of a session. Ids are as records have them: little-endian."""

    def __init__(self, session: Session, tree: VersionedTree, chunk: int) -> None:
        self.session = session
        self.tree = tree
        self.chunk = chunk

    # -- reading --------------------------------------------------------------------------------------------------

    def _root(self, lid: bytes) -> tuple[int, int]:
        """(references, size) of a value. JET_errLVCorrupted where there is none."""
        data = self.tree.get(self.session, lid[::-1])
        if data is None or len(data) < _ROOT.size:
            raise self._corrupted(lid, "there is no such value")
        if len(data) > _ROOT.size and data[_ROOT.size] & FLAG_ENCRYPTED:
            raise jet_error(codes.JET_errColumnNoEncryptionKey, f"reading the encrypted long value {lid[::-1].hex()}")
        references, size = _ROOT.unpack_from(data)
        if size > SIZE_MAX:
            raise self._corrupted(lid, f"a size of {size} bytes")
        return references, size

    def size(self, lid: bytes) -> int:
        return self._root(lid)[1]

    def references(self, lid: bytes) -> int:
        return self._root(lid)[0]

    def read(self, lid: bytes, offset: int = 0, count: int | None = None) -> bytes:
        """The bytes of a value from `offset` on, at most `count`."""
        size = self.size(lid)
        end = size if count is None else min(size, offset + count)
        parts = []
        for start, plain in self._chunks(lid, size, offset, end):
            parts.append(plain[max(offset - start, 0) : end - start])
        return b"".join(parts)

    def stored_size(self, lid: bytes) -> tuple[int, int]:
        """Bytes of all chunks as they are stored, and how many chunks there are."""
        stored = count = 0
        for _, data in self._stored(lid, 0):
            stored += len(data)
            count += 1
        return stored, count

    def _stored(self, lid: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
        """(offset, stored bytes) of the chunks from the one that holds `offset` on."""
        prefix = lid[::-1]
        place = self.tree.cursor(self.session)
        found = place.seek(prefix + _OFFSET.pack(offset), "le")
        while found:
            key = place.key
            if key.startswith(prefix) and len(key) == len(prefix) + _OFFSET.size:
                yield _OFFSET.unpack_from(key, len(prefix))[0], place.data
            elif key != prefix:
                return
            found = place.next()

    def _chunks(self, lid: bytes, size: int, offset: int, end: int) -> Iterator[tuple[int, bytes]]:
        """(offset, plain bytes) of the chunks that hold the bytes from `offset` to `end`."""
        if offset >= end:
            return
        waiting: tuple[int, bytes] | None = None
        for start, stored in self._stored(lid, offset):
            if start >= size:
                raise self._corrupted(lid, f"a chunk at {start} of {size} bytes")
            if waiting is not None:
                yield waiting[0], self._plain(lid, waiting[1], start - waiting[0])
                if start >= end:
                    return
            elif start > offset:
                raise self._corrupted(lid, f"no chunk for offset {offset}")
            waiting = start, stored
        if waiting is None:
            raise self._corrupted(lid, f"no chunk for offset {offset}")
        yield waiting[0], self._plain(lid, waiting[1], size - waiting[0])

    def _plain(self, lid: bytes, stored: bytes, size: int) -> bytes:
        if not 0 < len(stored) <= size <= 0xFFFF:
            raise self._corrupted(lid, f"a chunk of {len(stored)} bytes stands for {size}")
        if len(stored) == size:
            return stored
        plain = decompress(stored)
        if len(plain) != size:
            raise self._corrupted(lid, f"a chunk gives {len(plain)} bytes in place of {size}")
        return plain

    def chunk_of(self, lid: bytes, size: int) -> int:
        """Plain bytes to a chunk of this value; where it has one chunk only, of new values."""
        starts = self._stored(lid, 0)
        next(starts, None)
        second = next(starts, None) if size > 0 else None
        return self.chunk if second is None else second[0]

    def _corrupted(self, lid: bytes, what: str) -> JetError:
        return jet_error(
            codes.JET_errLVCorrupted, f"reading the long value {lid[::-1].hex()}: {what}", page=self.tree.root or None
        )

    # -- changing -------------------------------------------------------------------------------------------------

    def next_lid(self, counters: TableCounters, size: int) -> bytes:
        """A new id. JET_errOutOfLongValueIDs."""
        with self.tree.instance.lock:  # that no two sessions take the same
            if counters.next_lid is None:
                counters.next_lid = self._highest_lid() + 1
            number = counters.next_lid
            if size == _WIDE:
                number = max(number, _FIRST_WIDE_ID)
            wide = number >= _FIRST_WIDE_ID
            if number > (_LAST_WIDE_ID if wide else _LAST_ID):
                raise jet_error(codes.JET_errOutOfLongValueIDs, f"storing a long value in tree {self.tree.objid}")
            counters.next_lid = number + 1
        return number.to_bytes(_WIDE if wide else 4, "little")

    def _highest_lid(self) -> int:
        """The id of the last node, also of one that no session sees any more: it may still be in use on a page."""
        node = self.tree.nodes.last()
        if node is None:
            return 0
        wide = bool(node.key[0] & 0x80) if node.key else False
        return int.from_bytes(node.key[: _WIDE if wide else 4], "big")

    def store(self, lid: bytes, pending: PendingValue) -> None:
        """Put a value that is new, or replace what has changed of one that is there."""
        key = lid[::-1]
        root = _ROOT.pack(1, pending.size)
        if pending.base is None:
            # The first chunk goes before the root, so that all the rest is appended behind it.
            parts = iter(range(0, pending.size, pending.chunk))
            first = next(parts, None)
            if first is not None:
                self._insert_chunk(key, pending, first)
            self.tree.insert(self.session, key, root)
            for offset in parts:
                self._insert_chunk(key, pending, offset)
            return
        old_size = self.size(lid)
        if old_size != pending.size:
            self.tree.replace(self.session, key, b"", root)
        else:
            self.tree.lock(self.session, key, write=True)
        for number in pending.changed():
            offset = number * pending.chunk
            if offset < old_size:
                self.tree.replace(self.session, key + _OFFSET.pack(offset), b"", pending.packed(offset))
            else:
                self._insert_chunk(key, pending, offset)
        for offset in range(-(-pending.size // pending.chunk) * pending.chunk, old_size, pending.chunk):
            self.tree.delete(self.session, key + _OFFSET.pack(offset))

    def _insert_chunk(self, key: bytes, pending: PendingValue, offset: int) -> None:
        self.tree.insert(self.session, key + _OFFSET.pack(offset), pending.packed(offset))

    def add_reference(self, lid: bytes) -> None:
        self.tree.delta(self.session, lid[::-1], _REFERENCES_OFFSET, 1, _REFERENCES_SIZE)

    def take_reference(self, lid: bytes) -> None:
        """One record less refers to the value; the last one takes it away."""
        self.tree.delta(self.session, lid[::-1], _REFERENCES_OFFSET, -1, _REFERENCES_SIZE)
        if self.references(lid) == 0:
            tree = self.tree
            self.session.when_unneeded(lambda writer: reclaim(tree, writer, lid))


def plain_prefix(tree: VersionedTree, lid: bytes, count: int) -> bytes:
    """The first bytes of a value as its nodes are now, whoever has changed them."""
    key = lid[::-1]
    root = tree.nodes.find(key)
    size = _ROOT.unpack_from(root.data)[1] if root is not None and len(root.data) >= _ROOT.size else 0
    found = b""
    node = tree.nodes.find(key + _OFFSET.pack(0)) if size else None
    while node is not None and len(found) < min(size, count) and node.key.startswith(key):
        following = tree.nodes.next(node)
        end = size
        if following is not None and following.key.startswith(key) and len(following.key) == len(node.key):
            (end,) = _OFFSET.unpack_from(following.key, len(key))
        found += node.data if len(node.data) == end - len(found) else decompress(node.data)
        node = following
    return found[:count]


def is_unreferenced(key: bytes, data: bytes) -> bool:
    """Whether a node of a tree of long values is the root of a value to which no record refers."""
    is_root = len(key) == _NARROW or (len(key) == _WIDE and key[0] >= 0x80)  # else that is a chunk of a value with a narrow id
    return is_root and len(data) >= _ROOT.size and not _ROOT.unpack_from(data)[0]


def reclaim(tree: VersionedTree, writer: Writer, lid: bytes) -> None:
    """Remove a value that nothing refers to any more."""
    key = lid[::-1]
    node = tree.nodes.find(key)
    if node is None or len(node.data) < _ROOT.size or tree.versions.chain(key, b"") is not None:
        return
    if _ROOT.unpack_from(node.data)[0]:
        return
    while True:
        chunk = tree.nodes.seek_ge(key + _OFFSET.pack(0))
        if chunk is None or not chunk.key.startswith(key) or len(chunk.key) != len(key) + _OFFSET.size:
            break
        tree.expunge(writer, chunk.key)
    tree.expunge(writer, key)


class PendingValue:
    """A long value with changes that are not stored yet.

    `base`: the value the changes are to, None for a new one; what was not touched is read from `source` when it is needed.
    """

    def __init__(
        self, values: LongValueTree | None, chunk: int, *, base: bytes | None = None, compressed: bool = False
    ) -> None:
        self.values = values
        self.base = base
        self.source = base  # a burst copy has a source without being a change to it
        self.compressed = compressed
        self.size = 0
        self.chunk = chunk
        self._source_size = 0
        self._chunks: dict[int, bytearray] = {}
        if base is not None and values is not None:
            self.size = self._source_size = values.size(base)
            self.chunk = values.chunk_of(base, self.size)

    def burst(self) -> None:
        """Become a new value with the same bytes, for the value is shared."""
        self.base = None
        if self.values is not None and self.chunk != self.values.chunk:
            data = self.read()
            self.chunk, self.source, self._source_size = self.values.chunk, None, 0
            self._chunks = {}
            self.size = 0
            self.write(0, data)

    def changed(self) -> list[int]:
        """Numbers of the chunks that are not as they are stored."""
        last = -(-self.size // self.chunk)
        return sorted(number for number in self._chunks if number < last)

    def _part(self, number: int) -> bytes | bytearray:
        """The plain bytes of a chunk, those behind the stored ones zero."""
        found = self._chunks.get(number)
        if found is not None:
            return found
        start = number * self.chunk
        length = min(self.chunk, self.size - start)
        stored = min(length, self._source_size - start)
        if stored <= 0 or self.source is None or self.values is None:
            return bytes(length)
        return self.values.read(self.source, start, stored).ljust(length, b"\0")

    def packed(self, offset: int) -> bytes:
        """A chunk as it is to be stored."""
        part = bytes(self._part(offset // self.chunk))
        if self.compressed:
            small = compress(part)
            if small is not None and len(small) < len(part):
                return small
        return part

    def read(self, offset: int = 0, count: int | None = None) -> bytes:
        end = self.size if count is None else min(self.size, offset + count)
        parts = []
        place = offset
        while place < end:
            number, skip = divmod(place, self.chunk)
            part = self._part(number)[skip : skip + end - place]
            parts.append(bytes(part))
            place += len(part)
        return b"".join(parts)

    def resize(self, size: int) -> None:
        """Cut, or lengthen with zeros."""
        old = self.size
        first, skip = divmod(min(old, size), self.chunk)
        if size < old:
            if skip:
                self._own(first)[skip:] = b""
            for number in [number for number in self._chunks if number * self.chunk >= size]:
                del self._chunks[number]
            self._source_size = min(self._source_size, size)
            self.size = size
            return
        if skip and size > old:
            part = self._own(first)
            part += bytes(min(self.chunk, size - first * self.chunk) - len(part))
        self.size = size
        for number in range(first + bool(skip), -(-size // self.chunk)):
            self._chunks[number] = bytearray(min(self.chunk, size - number * self.chunk))

    def _own(self, number: int) -> bytearray:
        """A chunk that may be changed."""
        found = self._chunks.get(number)
        if found is None:
            found = self._chunks[number] = bytearray(self._part(number))
        return found

    def write(self, offset: int, data: bytes) -> None:
        """Put `data` at `offset` (at most the size), lengthening the value where it does not end within."""
        end = offset + len(data)
        view = memoryview(data)
        place = offset
        while place < end:
            number, skip = divmod(place, self.chunk)
            take = min(self.chunk - skip, end - place)
            piece = view[place - offset : place - offset + take]
            if skip == 0 and place + take >= self.size:
                self._chunks[number] = bytearray(piece)
            else:
                part = self._own(number)
                part[skip : skip + take] = piece
            place += take
            self.size = max(self.size, place)


def stored_form(data: bytes, lid_bytes: int, *, compressed: bool) -> tuple[bytes, bool]:
    """A value inside its record: compressed where that is asked for and pays, but never below the size of an id."""
    if compressed:
        small = compress(data)
        if small is not None and lid_bytes <= len(small) < len(data):
            return small, True
    return data, False
