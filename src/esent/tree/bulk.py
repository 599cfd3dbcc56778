"""B+ trees built from the bottom up: nodes come in key order, full pages go out, one open page a level stays in memory.

What is built (`reference/database-format.md` 5 and 6):

| thing             | rule                                                                                              |
|-------------------|---------------------------------------------------------------------------------------------------|
| leaf              | linked to its neighbours; filled to the density; the key prefix that saves most in tag 0            |
| separator         | shortest: what two neighbouring keys share and one byte of the right one (6.3)                      |
| internal page     | no links; the last key is empty on the rightmost path, else the separator in the parent             |
| root              | at its fixed page number, external header in tag 0, no prefix, last key empty                       |
| node              | prefix and suffix length u16 and suffix, or key length u16 and key; then the data                    |
| tag               | size u16, offset u16; flags in the top bits of the offset (small pages) or of the node's first u16     |
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.constants import codes
from esent.errors import jet_error
from esent.pages.page import (
    LARGEST_SMALL_PAGE,
    NODE_COMPRESSED,
    PAGE_LEAF,
    PAGE_NEW_CHECKSUM_FORMAT,
    PAGE_NEW_RECORD_FORMAT,
    PAGE_NON_UNIQUE_KEYS,
    PAGE_PARENT_OF_LEAF,
    PAGE_ROOT,
    PAGE_SPACE_TREE,
    header_size,
)

_FLUSH_TYPE_FIRST = 0x8000

_MINIMUM_PREFIX = 3
_EXTERNAL_HEADER = 16
_HEADER = struct.Struct("<QQIIIHHHHI")


class PageSink(Protocol):
    """Where built pages go."""

    page_size: int

    def next_dbtime(self) -> int:
        """A database time no page has had."""

    def put(self, pgno: int, image: bytes) -> None:
        """Take the image of a page, its checksum not yet set."""


@cython.cfunc
def _common(left: bytes, right: bytes) -> int:
    """How many bytes two keys share from their beginning."""
    count: cython.Py_ssize_t = min(len(left), len(right))
    if cython.compiled:
        i: cython.Py_ssize_t
        for i in range(count):
            if left[i] != right[i]:
                return i
        return count
    difference = int.from_bytes(left[:count], "big") ^ int.from_bytes(right[:count], "big")
    return count - (difference.bit_length() + 7) // 8


def separator(left: bytes, left_data: bytes, right: bytes, right_data: bytes) -> bytes:
    """The shortest key above (left, left_data) and not above (right, right_data); the data count where the keys are equal."""
    if left != right:
        return right[: _common(left, right) + 1]
    return right + right_data[: _common(left_data, right_data) + 1]


def choose_prefix(keys: list[bytes]) -> bytes:
    """The key that makes the page smallest when it is the prefix of all; empty where none pays.

    Each node that shares more than 2 bytes with the prefix saves what it shares less the 2 bytes of a prefix length; the
    prefix itself takes its own length.
    """
    count: cython.Py_ssize_t = len(keys)
    if count < 2:
        return b""
    shared = [0] * count  # with the key before
    i: cython.Py_ssize_t
    for i in range(1, count):
        shared[i] = _common(keys[i - 1], keys[i])
    saving = [0] * count
    # A key shares with one further away the least of what neighbours in between share. Two sweeps with a stack of
    # falling runs (shared length, number of keys) give each key's sum over all keys on one side.
    for backwards in (False, True):
        runs: list[tuple[int, int]] = []
        total = 0
        for i in range(1, count):
            at = count - 1 - i if backwards else i
            limit = shared[at + 1] if backwards else shared[at]
            members = 1
            while runs and runs[-1][0] >= limit:
                length, number = runs.pop()
                members += number
                if length >= _MINIMUM_PREFIX:
                    total -= (length - 2) * number
            runs.append((limit, members))
            if limit >= _MINIMUM_PREFIX:
                total += (limit - 2) * members
            saving[at] += total
    best = -1
    gain = 0
    for i in range(count):
        size = len(keys[i])
        own = saving[i] + (size - 2 if size >= _MINIMUM_PREFIX else 0) - size
        if own > gain:
            gain = own
            best = i
    return keys[best] if best >= 0 else b""


def compose_page(
    page_size: int,
    pgno: int,
    objid: int,
    flags: int,
    dbtime: int,
    links: tuple[int, int],
    external: bytes,
    prefix: bytes,
    keys: list[bytes],
    values: list[bytes],
) -> bytes:
    """The image of a page: tag 0 holds `external`, nodes share `prefix` where that pays. The checksum is left zero.

    `links` are the numbers of the left and right neighbour. JET_errRecordTooBig: the nodes do not fit.
    """
    small: cython.bint = page_size <= LARGEST_SMALL_PAGE
    header: cython.Py_ssize_t = header_size(page_size)
    count: cython.Py_ssize_t = len(keys)
    i: cython.Py_ssize_t
    parts: list[bytes] = [external]
    tags: list[int] = [0, len(external)]
    offset: cython.Py_ssize_t = len(external)
    for i in range(count):
        key = keys[i]
        value = values[i]
        common = _common(prefix, key) if prefix else 0
        if common >= _MINIMUM_PREFIX:
            suffix = len(key) - common
            parts.append(struct.pack("<HH", common if small else common | NODE_COMPRESSED << 13, suffix))
            parts.append(key[common:])
            size = 4 + suffix + len(value)
            tags.append(offset | NODE_COMPRESSED << 13 if small else offset)
        else:
            parts.append(struct.pack("<H", len(key)))
            parts.append(key)
            size = 2 + len(key) + len(value)
            tags.append(offset)
        parts.append(value)
        tags.append(size)
        offset += size
    free = page_size - header - offset - 4 * (count + 1)
    if free < 0:
        raise jet_error(codes.JET_errRecordTooBig, f"laying out {count} nodes of {offset} bytes in a page", page=pgno)
    head = _HEADER.pack(
        0,
        dbtime,
        links[0],
        links[1],
        objid,
        free,
        0,
        offset,
        count + 1,
        flags | PAGE_NEW_RECORD_FORMAT | PAGE_NEW_CHECKSUM_FORMAT | _FLUSH_TYPE_FIRST,
    )
    if not small:
        head += struct.pack("<24xI12x", pgno)
    tags.reverse()
    return b"".join((head, *parts, b"\0" * free, struct.pack(f"<{len(tags)}H", *tags)))


class _Filling:
    """The open page of one level: its nodes, the prefix in use, and what they take."""

    def __init__(self, page_size: int, reserve: int, shares: bool) -> None:
        self.shares = shares
        self.room = page_size - header_size(page_size) - 4
        self.target = self.room - reserve
        self.keys: list[bytes] = []
        self.values: list[bytes] = []
        self.prefix = b""
        self.used = 0
        self._tuned = 0

    def clear(self) -> None:
        self.keys = []
        self.values = []
        self.prefix = b""
        self.used = 0
        self._tuned = 0

    def cost(self, key: bytes, value: bytes) -> int:
        """The bytes a node takes, its tag included."""
        common = _common(self.prefix, key)
        return len(key) + len(value) + (6 if common < _MINIMUM_PREFIX else 8 - common)

    def tune(self) -> None:
        """Take the best prefix for the nodes that are there."""
        if self.shares:
            self.prefix = choose_prefix(self.keys)
        self._tuned = len(self.keys)
        used = len(self.prefix)
        for i in range(self._tuned):
            used += self.cost(self.keys[i], self.values[i])
        self.used = used

    def add(self, key: bytes, value: bytes) -> bool:
        """Put a node at the end; False if the page is full."""
        size = self.cost(key, value)
        limit = self.target if self.keys else self.room
        if self.used + size > limit:
            count = len(self.keys)
            if count < 2 or count - self._tuned <= count // 8:
                return False
            self.tune()
            size = self.cost(key, value)
            if self.used + size > limit:
                return False
        self.keys.append(key)
        self.values.append(value)
        self.used += size
        return True

    def plain_size(self) -> int:
        """What the nodes take without a prefix."""
        return sum(map(len, self.keys)) + sum(map(len, self.values)) + 6 * len(self.keys)


class BulkTree:
    """One tree under construction: `add` in key order, `finish`, then `write_root` with the root's external header.

    `allocate` gives the number of the next page; `root` is the tree's own page number. `density` is the percentage to
    which leaves are filled. With the class flag for keys that are not unique, order is by key and data.
    """

    def __init__(
        self,
        sink: PageSink,
        allocate: Callable[[], int],
        *,
        root: int,
        objid: int,
        class_flags: int = 0,
        density: int = 100,
    ) -> None:
        self.root = root
        self.objid = objid
        self.class_flags = class_flags
        self.unique = not class_flags & PAGE_NON_UNIQUE_KEYS
        self.count = 0
        self.pages = 0
        self._shares = not class_flags & PAGE_SPACE_TREE  # the engine never writes a prefix in a space tree
        self._sink = sink
        self._allocate = allocate
        self._last_key: bytes | None = None
        self._last_value = b""
        self._levels = [_Filling(sink.page_size, sink.page_size * (100 - density) // 100, self._shares)]
        self._flushed = [0]
        self._leaf = 0
        self._left = 0
        self._top = 0

    def add(self, key: bytes, value: bytes) -> None:
        """Append a node.

        JET_errKeyDuplicate: the key (in a tree that is not unique: key and data) is there already. JET_errInvalidParameter:
        below the last one. JET_errRecordTooBig: larger than a page.
        """
        last = self._last_key
        if last is not None and key <= last:
            if key < last or (not self.unique and value < self._last_value):
                raise jet_error(codes.JET_errInvalidParameter, f"building the tree at page {self.root}: keys out of order")
            if self.unique or value == self._last_value:
                raise jet_error(codes.JET_errKeyDuplicate, f"building the tree at page {self.root}: key {key.hex()} twice")
        leaf = self._levels[0]
        if not leaf.add(key, value):
            if not leaf.keys:
                raise jet_error(
                    codes.JET_errRecordTooBig, f"building the tree at page {self.root}: {len(key) + len(value)} bytes in a node"
                )
            self._flush_leaf(separator(last or b"", self._last_value, key, value), last=False)
            self.add(key, value)
            return
        self._last_key = key
        self._last_value = value
        self.count += 1

    def _put(self, pgno: int, flags: int, links: tuple[int, int], external: bytes, level: _Filling) -> None:
        image = compose_page(
            self._sink.page_size,
            pgno,
            self.objid,
            flags | self.class_flags,
            self._sink.next_dbtime(),
            links,
            external,
            level.prefix,
            level.keys,
            level.values,
        )
        self._sink.put(pgno, image)
        self.pages += 1

    def _flush_leaf(self, above: bytes, *, last: bool) -> None:
        """Write the open leaf; `above` separates it from what follows."""
        leaf = self._levels[0]
        pgno = self._leaf or self._allocate()
        self._leaf = 0 if last else self._allocate()
        self._put(pgno, PAGE_LEAF, (self._left, self._leaf), leaf.prefix, leaf)
        self._left = pgno
        self._flushed[0] += 1
        leaf.clear()
        self._push(1, above, pgno)

    def _push(self, number: int, key: bytes, child: int) -> None:
        """Give level `number` the node of a finished page below it."""
        if number == len(self._levels):
            self._levels.append(_Filling(self._sink.page_size, 0, self._shares))
            self._flushed.append(0)
        level = self._levels[number]
        data = child.to_bytes(4, "little")
        if not level.add(key, data):
            self._flush_internal(number)
            level.add(key, data)

    def _flush_internal(self, number: int) -> None:
        """Write the open page of a level above the leaves; its last key becomes its separator in the parent."""
        level = self._levels[number]
        pgno = self._allocate()
        self._put(pgno, PAGE_PARENT_OF_LEAF if number == 1 else 0, (0, 0), level.prefix, level)
        self._flushed[number] += 1
        above = level.keys[-1]
        level.clear()
        self._push(number + 1, above, pgno)

    def finish(self) -> None:
        """Write all pages but the root."""
        number = 0
        while True:
            level = self._levels[number]
            fits = _EXTERNAL_HEADER + level.plain_size() <= level.room
            if not self._flushed[number]:
                if fits:
                    break
                if len(level.keys) > 1:
                    self._halve(number)
            if number == 0:
                self._flush_leaf(b"", last=True)
            else:
                self._flush_internal(number)
            number += 1
        self._top = number
        self._levels[number].prefix = b""

    def _halve(self, number: int) -> None:
        """Write the first half of a page that is alone on its level and too large for a root."""
        level = self._levels[number]
        keys, values = level.keys, level.values
        half = len(keys) // 2
        level.keys, level.values = keys[:half], values[:half]
        level.tune()
        if number == 0:
            self._flush_leaf(separator(keys[half - 1], values[half - 1], keys[half], values[half]), last=False)
        else:
            self._flush_internal(number)
        level.keys, level.values = keys[half:], values[half:]
        level.tune()

    def write_root(self, external: bytes) -> None:
        """Write the root, its external header in tag 0. The tree is complete."""
        flags = PAGE_ROOT | (PAGE_LEAF if self._top == 0 else PAGE_PARENT_OF_LEAF if self._top == 1 else 0)
        self._put(self.root, flags, (0, 0), external, self._levels[self._top])

    @property
    def depth(self) -> int:
        """The number of levels, after `finish`."""
        return self._top + 1
