"""Long values that live outside their record: the long-value tree of a table.

Layout (`reference/records-and-indexes.md` 3.1-3.2):

| node  | key                                        | data                                             |
|-------|--------------------------------------------|--------------------------------------------------|
| root  | LID big-endian: u32, or u64 with bit 63 set | u32 reference count, u32 size, [u8 flags: 1 encrypted] |
| chunk | LID + u32 big-endian offset                | bytes, compressed if fewer than the chunk's part |

Offsets and size count plain bytes. How much a chunk stands for follows from the offset of the next one, or from the size for
the last: what is stored in fewer bytes is compressed. Records hold the LID little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.records.compression import decompress
from esent.tree.cursor import Tree
from esent.tree.source import PageReader, PageSource

_ROOT = struct.Struct("<II")
_OFFSET = struct.Struct(">I")

FLAG_ENCRYPTED = 0x01
SIZE_MAX = 0x7FFFFFFF


class LongValueRoot(NamedTuple):
    """What the root node of a long value says; `size` in plain bytes."""

    reference_count: int
    size: int
    flags: int


class LongValues:
    """The long values of one table. `root` is the root page of the tree, 0 where the table has none."""

    def __init__(
        self, source: PageSource | PageReader, root: int, objid: int = 0, *, keep: int = 0, tree: Tree | None = None
    ) -> None:
        """`tree`: another way of reading the tree, for damaged files."""
        self.tree = Tree(source, root, objid, keep=keep) if tree is None else tree
        self.page_size = self.tree.reader.page_size

    def root(self, lid: bytes) -> LongValueRoot:
        """Root of the value a record calls `lid` (4 or 8 bytes, little-endian). Raises JET_errLVCorrupted."""
        data = self.tree.find(lid[::-1]) if self.tree.root else None
        if data is None:
            raise self._corrupted(lid, "there is no such value")
        return self._parse_root(lid, data)

    def _parse_root(self, lid: bytes, data: bytes) -> LongValueRoot:
        if len(data) < _ROOT.size:
            raise self._corrupted(lid, "its root is too short")
        count, size = _ROOT.unpack_from(data)
        if size > SIZE_MAX:
            raise self._corrupted(lid, f"a size of {size} bytes")
        return LongValueRoot(count, size, data[_ROOT.size] if len(data) > _ROOT.size else 0)

    def chunks(self, lid: bytes) -> Iterator[bytes]:
        """The plain bytes of a value, chunk by chunk; each chunk is bounded by the page size.

        Raises JET_errLVCorrupted, JET_errDecompressionFailed, JET_errColumnNoEncryptionKey, and what reading pages raises.
        """
        prefix = lid[::-1]
        entries = self.tree.entries(prefix) if self.tree.root else iter(())
        key, data = next(entries, (b"", b""))
        if key != prefix:
            raise self._corrupted(lid, "there is no such value")
        root = self._parse_root(lid, data)
        if root.flags & FLAG_ENCRYPTED:
            raise jet_error(codes.JET_errColumnNoEncryptionKey, f"reading the encrypted long value {prefix.hex()}")
        done = 0
        waiting = b""
        for key, data in entries:
            if len(key) != len(prefix) + _OFFSET.size or not key.startswith(prefix):
                break
            (offset,) = _OFFSET.unpack_from(key, len(prefix))
            if offset >= root.size:
                raise self._corrupted(lid, f"a chunk at {offset} of {root.size} bytes")
            if offset:
                yield self._plain(lid, waiting, offset - done)
                done = offset
            elif waiting:
                raise self._corrupted(lid, "two first chunks")
            waiting = data
        if root.size:
            yield self._plain(lid, waiting, root.size - done)

    def _plain(self, lid: bytes, stored: bytes, size: int) -> bytes:
        """The `size` bytes a chunk stands for."""
        if not 0 < size <= self.page_size or len(stored) > size or not stored:
            raise self._corrupted(lid, f"a chunk of {len(stored)} bytes stands for {size}")
        if len(stored) == size:
            return stored
        plain = decompress(stored)
        if len(plain) != size:
            raise self._corrupted(lid, f"a chunk gives {len(plain)} bytes in place of {size}")
        return plain

    def read(self, lid: bytes) -> bytes:
        """All bytes of a value. Memory is taken for what is stored, not for what the root promises."""
        return b"".join(self.chunks(lid))

    def values(self) -> Iterator[tuple[bytes, LongValueRoot]]:
        """(LID as records have it, root) of every value in the tree."""
        if not self.tree.root:
            return
        for key, data in self.tree.entries():
            if len(key) == 4 or (len(key) == 8 and key[0] & 0x80):
                lid = key[::-1]
                yield lid, self._parse_root(lid, data)

    def _corrupted(self, lid: bytes, what: str) -> JetError:
        return jet_error(
            codes.JET_errLVCorrupted, f"reading the long value {lid[::-1].hex()}: {what}", page=self.tree.root or None
        )
