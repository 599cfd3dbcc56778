"""A mutable page image: nodes in and out, external header, counters, compaction, what splits and merges move.

Layout (`reference/database-format.md` 4.1, 5.1-5.6):

| bytes          | small page (2-8 KiB)                                          | large page (16, 32 KiB)               |
|----------------|---------------------------------------------------------------|---------------------------------------|
| header         | 0..39                                                         | 0..79, own page number at 64          |
| 8, 16, 20, 24  | dbtime i64, previous u32, next u32, objid u32                 | same                                  |
| 28, 30, 32     | cbFree, cbUncommittedFree, ibMicFree                          | same                                  |
| 34, 36         | itagState (low 12 bits: tags, next 3: reserved), page flags   | same                                  |
| data area      | grows up from the header to ibMicFree                         | same                                  |
| tag i          | at page end - 4(i+1): cb (13 bits), ib (13 bits), node flags  | 15 and 15 bits                        |
| node           | [u16 prefix size, if flag 4] u16 suffix size, suffix, data    | node flags on top of the first word   |

Tag 0 is the external header: the key prefix of the page, on the root of a tree its space header or split buffer.
Always: sum of cb + cbFree + 4 * tags = page size - header. Every operation keeps that; one that does not fit, or a node that
is not what its lengths say, is a `JetError`, and the page stays as it was.
"""

from __future__ import annotations

import struct

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.constants import codes
from esent.errors import jet_error
from esent.pages.words import common_prefix

if not cython.compiled:
    from esent.pages.words import close_tag, fetch, get16, get32, open_tag, order, put16, put64, store

NODE_VERSIONED = 1
NODE_DELETED = 2
NODE_COMPRESSED = 4

PAGE_ROOT = 0x1
PAGE_LEAF = 0x2
PAGE_PARENT_OF_LEAF = 0x4
PAGE_EMPTY = 0x8
PAGE_SPACE_TREE = 0x20
PAGE_INDEX = 0x40
PAGE_LONG_VALUE = 0x80
PAGE_NON_UNIQUE = 0x400
PAGE_NEW_RECORD_FORMAT = 0x800
PAGE_SCRUBBED = 0x4000
PAGE_FLUSH_TYPE = 0x18000
PAGE_PRE_INIT = 0x20000

PAGE_SIZES = (2048, 4096, 8192, 16384, 32768)
MIN_PREFIX = 3  # a shared prefix of one or two bytes would not pay for its length word


@cython.cclass
class MutablePage:
    """One page as it stands in memory. `data` is always a whole page; `bytes(page.data)` is its image (checksum not fresh)."""

    data: bytearray
    page_size: int
    pgno: int
    _large: bool
    _header: int
    _compact_mask: int
    # the node that `_find` found last
    _tag: int
    _begin: int
    _end: int
    _flags: int
    _shared: int
    _suffix: int
    _cut: int
    _equal: bool  # whether `_bisect` found what it was given

    def __init__(self, data: bytes | bytearray, pgno: int) -> None:
        """Take an image over (it is copied). JET_errDatabaseCorrupted where its tag array or counters are impossible."""
        size: cython.Py_ssize_t = len(data)
        if size not in PAGE_SIZES:
            raise jet_error(codes.JET_errPageSizeMismatch, f"a page image of {size} bytes", page=pgno)
        self.data = bytearray(data)
        self.page_size = size
        self.pgno = pgno
        self._large = size > 8192
        self._header = 80 if self._large else 40
        self._compact_mask = 0x7FFF if self._large else 0x1FFF
        self._check()

    @classmethod
    def initialise(cls, page_size: int, pgno: int, objid: int, flags: int, dbtime: int) -> MutablePage:
        """A fresh page: zeroed, an empty external header, no nodes."""
        page: MutablePage = cls.__new__(cls)
        page._set_up(page_size, pgno, objid, flags, dbtime)
        return page

    @cython.cfunc
    def _set_up(
        self,
        page_size: cython.Py_ssize_t,
        pgno: cython.Py_ssize_t,
        objid: cython.longlong,
        flags: cython.longlong,
        dbtime: cython.longlong,
    ) -> cython.int:
        data: bytearray = bytearray(page_size)
        self.data = data
        self.page_size = page_size
        self.pgno = pgno
        self._large = page_size > 8192
        self._header = 80 if self._large else 40
        self._compact_mask = 0x7FFF if self._large else 0x1FFF
        put64(data, 8, dbtime)
        data[24:28] = objid.to_bytes(4, "little")
        data[36:40] = (flags | PAGE_NEW_RECORD_FORMAT).to_bytes(4, "little")
        if self._large:
            data[64:68] = pgno.to_bytes(4, "little")
        if flags & PAGE_PRE_INIT:
            put16(data, 28, page_size - self._header)
        else:
            put16(data, 28, page_size - self._header - 4)
            put16(data, 34, 1)
        return 0

    def twin(self) -> MutablePage:
        """The page as it stands, in an object of its own."""
        page: MutablePage = MutablePage.__new__(MutablePage)
        page.data = bytearray(self.data)
        page.page_size = self.page_size
        page.pgno = self.pgno
        page._large = self._large
        page._header = self._header
        page._compact_mask = self._compact_mask
        return page

    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _check(self) -> None:
        data: bytearray = self.data
        size: cython.Py_ssize_t = self.page_size
        area: cython.Py_ssize_t = size - self._header
        mask: cython.int = self._compact_mask
        tags: cython.int = get16(data, 34) & 0xFFF
        reserved: cython.int = (get16(data, 34) >> 12) & 7
        mic_free: cython.Py_ssize_t = get16(data, 32)
        used: cython.Py_ssize_t = 4 * tags
        at: cython.Py_ssize_t = size
        i: cython.int
        cb: cython.int
        if used + mic_free > area or (tags == 0 and mic_free) or (tags and reserved > tags):
            raise self._damaged(f"{tags} tags and {mic_free} bytes of nodes cannot be on a page", 32)
        for i in range(tags):
            at -= 4
            cb = get16(data, at) & mask
            if (get16(data, at + 2) & mask) + cb > mic_free and cb:
                raise self._damaged(f"tag {i} lies outside of the used area", at)
            used += cb
        if used + get16(data, 28) != area or get16(data, 30) > get16(data, 28):
            raise self._damaged("used and free bytes do not add up to the page", 28)

    def _damaged(self, what: str, offset: int) -> Exception:
        return jet_error(codes.JET_errDatabaseCorrupted, what, page=self.pgno, offset=offset)

    def _refused(self, what: str) -> Exception:
        return jet_error(codes.JET_errLogOperationInconsistentWithDatabase, what, page=self.pgno)

    # header fields

    @property
    def dbtime(self) -> int:
        return self.changed_at()

    @dbtime.setter
    def dbtime(self, value: int) -> None:
        put64(self.data, 8, value)

    @cython.cfunc
    def changed_at(self) -> cython.longlong:
        """The dbtime."""
        if not cython.compiled:
            return int.from_bytes(self.data[8:16], "little", signed=True)
        high: cython.longlong = get32(self.data, 12)
        return get32(self.data, 8) | high << 32

    @cython.ccall
    def changed(self, dbtime: cython.longlong) -> cython.int:
        """A logged change was made: the page has its dbtime, and whatever was scrubbed need not be any more."""
        put64(self.data, 8, dbtime)
        if self.data[37] & PAGE_SCRUBBED >> 8:
            self.flags &= ~PAGE_SCRUBBED
        return 0

    def has_prefix(self, prefix: bytes) -> bool:
        """Whether the key prefix of the page begins with `prefix`."""
        return not self._is_root() and bool(self._begins_with(prefix, 0, len(prefix)))

    @property
    def previous(self) -> int:
        return get32(self.data, 16)

    @previous.setter
    def previous(self, value: int) -> None:
        self.data[16:20] = value.to_bytes(4, "little")

    @property
    def next(self) -> int:
        return get32(self.data, 20)

    @next.setter
    def next(self, value: int) -> None:
        self.data[20:24] = value.to_bytes(4, "little")

    @property
    def objid(self) -> int:
        return get32(self.data, 24)

    @property
    def flags(self) -> int:
        return get32(self.data, 36)

    @flags.setter
    def flags(self, value: int) -> None:
        self.data[36:40] = value.to_bytes(4, "little")

    @property
    def free(self) -> int:
        """cbFree: free bytes, contiguous or not, the tag array already taken off."""
        return get16(self.data, 28)

    @property
    def uncommitted_free(self) -> int:
        """cbUncommittedFree: the part of `free` that is promised to transactions that may still roll back."""
        return get16(self.data, 30)

    @uncommitted_free.setter
    def uncommitted_free(self, value: int) -> None:
        put16(self.data, 30, min(value, self.free))

    @property
    def mic_free(self) -> int:
        """ibMicFree: offset in the data area of the first byte behind the highest used one."""
        return get16(self.data, 32)

    @property
    def tag_count(self) -> int:
        return get16(self.data, 34) & 0xFFF

    @property
    def first_tag(self) -> int:
        """Tag of line 0: 1, or more on a page with reserved tags."""
        return max(1, (get16(self.data, 34) >> 12) & 7)

    @property
    def line_count(self) -> int:
        return self.lines()

    @cython.cfunc
    def lines(self) -> cython.int:
        """The number of lines."""
        state: cython.int = get16(self.data, 34)
        first: cython.int = (state >> 12) & 7
        count: cython.int = (state & 0xFFF) - (first if first else 1)
        return count if count > 0 else 0

    @property
    def is_root(self) -> bool:
        return bool(self.flags & PAGE_ROOT)

    @property
    def is_leaf(self) -> bool:
        return bool(self.data[36] & PAGE_LEAF)

    @property
    def has_unique_keys(self) -> bool:
        return not self.flags & PAGE_NON_UNIQUE

    # lines

    @cython.cfunc
    def _find(self, line: cython.Py_ssize_t) -> cython.int:
        """Check the node of a line, and note where it stands: from `_begin` its head, from `_suffix` its key, from `_cut` its
        data, up to `_end`."""
        data: bytearray = self.data
        state: cython.int = get16(data, 34)
        first: cython.int = (state >> 12) & 7
        if first == 0:
            first = 1
        if line < 0 or line >= (state & 0xFFF) - first:
            raise self._refused(f"there is no line {line} (of {self.line_count})")
        tag: cython.Py_ssize_t = line + first
        at: cython.Py_ssize_t = self.page_size - 4 * (tag + 1)
        mask: cython.int = self._compact_mask
        cb: cython.int = get16(data, at) & mask
        word: cython.int = get16(data, at + 2)
        offset: cython.Py_ssize_t = self._header + (word & mask)
        flags: cython.int
        prefix: cython.int = 0
        start: cython.Py_ssize_t
        if cb < 2:
            raise self._damaged(f"the node of line {line} has {cb} bytes", offset)
        flags = data[offset + 1] >> 5 if self._large else word >> 13
        start = offset + 2
        if flags & 4:
            prefix = get16(data, offset) & 0x1FFF
            start = offset + 4
            if cb < 4 or prefix > (get16(data, self.page_size - 4) & mask):
                raise self._damaged(f"the prefix of line {line} is longer than that of the page", offset)
        cut: cython.Py_ssize_t = start + (get16(data, start - 2) & 0x1FFF)
        if cut > offset + cb:
            raise self._damaged(f"the key of line {line} is longer than its node", offset)
        self._tag = tag
        self._begin = offset
        self._end = offset + cb
        self._flags = flags
        self._shared = prefix
        self._suffix = start
        self._cut = cut
        return 0

    @cython.ccall
    def node_flags(self, line: cython.Py_ssize_t) -> cython.int:
        self._find(line)
        return self._flags

    def flagged(self, flags: cython.int) -> list[int]:
        """The lines whose nodes have any of these flags."""
        found: list[int] = []
        line: cython.Py_ssize_t
        for line in range(self.lines()):
            self._find(line)
            if self._flags & flags:
                found.append(line)
        return found

    @cython.ccall
    def change_node_flags(self, line: cython.Py_ssize_t, clear: cython.int, flags: cython.int) -> cython.int:
        """Take the flags `clear` off a node and set `flags`; "compressed" belongs to the stored form and stays."""
        self._find(line)
        bits: cython.int = ((self._flags & ~clear | flags) & 3) | (self._flags & 4)
        if self._large:
            self.data[self._begin + 1] = (self.data[self._begin + 1] & 0x1F) | bits << 5
        else:
            at: cython.Py_ssize_t = self.page_size - 4 * (self._tag + 1) + 2
            put16(self.data, at, (get16(self.data, at) & 0x1FFF) | bits << 13)
        return 0

    @cython.ccall
    def key(self, line: cython.Py_ssize_t) -> bytes:
        """The complete key, prefix put before."""
        self._find(line)
        if self._shared:
            at: cython.Py_ssize_t = self._header + (get16(self.data, self.page_size - 2) & self._compact_mask)
            return fetch(self.data, at, at + self._shared) + fetch(self.data, self._suffix, self._cut)
        return fetch(self.data, self._suffix, self._cut)

    @cython.ccall
    def value(self, line: cython.Py_ssize_t) -> bytes:
        """The data of a node."""
        self._find(line)
        return fetch(self.data, self._cut, self._end)

    @cython.ccall
    def value_size(self, line: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The length of the data of a node."""
        self._find(line)
        return self._end - self._cut

    @cython.ccall
    def child(self, line: cython.Py_ssize_t) -> cython.longlong:
        """The page number an internal node points to."""
        self._find(line)
        if self._end - self._cut != 4:
            raise self._damaged(f"the pointer of line {line} has {self._end - self._cut} bytes", self._cut)
        return get32(self.data, self._cut)

    def set_child(self, line: int, pgno: int) -> None:
        """Redirect the pointer of an internal node."""
        self.child(line)
        self.replace(line, pgno.to_bytes(4, "little"))

    def raw_node(self, line: int) -> tuple[int, int, bytes, bytes]:
        """(node flags, prefix size, suffix, data)."""
        self._find(line)
        return self._flags, self._shared, fetch(self.data, self._suffix, self._cut), fetch(self.data, self._cut, self._end)

    @cython.boundscheck(False)
    @cython.wraparound(False)
    def nodes(self, first: int = 0, last: int | None = None) -> list[tuple[int, bytes, bytes]]:
        """(flags without "compressed", complete key, data) of the lines first..last (exclusive)."""
        found: list[tuple[int, bytes, bytes]] = []
        image = bytes(self.data)
        head = self.external_header() if self.tag_count else b""
        line: cython.Py_ssize_t
        stop: cython.Py_ssize_t = self.line_count if last is None else last
        begin: cython.Py_ssize_t = first
        for line in range(begin, stop):
            self._find(line)
            key = image[self._suffix : self._cut]
            if self._shared:
                key = head[: self._shared] + key
            found.append((self._flags & 3, key, image[self._cut : self._end]))
        return found

    # space

    @cython.cfunc
    def _contiguous(self) -> cython.Py_ssize_t:
        return self.page_size - self._header - get16(self.data, 32) - 4 * (get16(self.data, 34) & 0xFFF)

    @cython.ccall
    def reorganise(self) -> cython.int:
        """Close the gaps between the lines; their order in memory and the order of the tags stay."""
        data: bytearray = self.data
        mask: cython.int = self._compact_mask
        header: cython.Py_ssize_t = self._header
        tags: cython.int = get16(data, 34) & 0xFFF
        lines: list[tuple[int, int, int]] = []
        i: cython.int
        at: cython.Py_ssize_t
        for i in range(tags):
            at = self.page_size - 4 * (i + 1)
            if get16(data, at) & mask:
                lines.append((get16(data, at + 2) & mask, at, get16(data, at) & mask))
            else:
                put16(data, at + 2, get16(data, at + 2) & ~mask)
        lines.sort()
        old = bytes(data[header : header + get16(data, 32)])
        top: cython.Py_ssize_t = 0
        for ib, at, cb in lines:
            data[header + top : header + top + cb] = old[ib : ib + cb]
            put16(data, at + 2, (get16(data, at + 2) & ~mask) | top)
            top += cb
        put16(data, 32, top)
        return 0

    @cython.cfunc
    def _set_tag(self, tag: cython.Py_ssize_t, cb: cython.Py_ssize_t, ib: cython.Py_ssize_t, flags: cython.int) -> cython.int:
        at: cython.Py_ssize_t = self.page_size - 4 * (tag + 1)
        put16(self.data, at, cb)
        put16(self.data, at + 2, ib if self._large else ib | flags << 13)
        return 0

    @cython.cfunc
    def _replace_tag(self, tag: cython.Py_ssize_t, body: bytes, flags: cython.int) -> cython.int:
        """Give a tag new content, in place where it fits there."""
        data: bytearray = self.data
        at: cython.Py_ssize_t = self.page_size - 4 * (tag + 1)
        old: cython.Py_ssize_t = get16(data, at) & self._compact_mask
        ib: cython.Py_ssize_t = get16(data, at + 2) & self._compact_mask
        size: cython.Py_ssize_t = len(body)
        free: cython.Py_ssize_t = get16(data, 28)
        top: cython.Py_ssize_t = get16(data, 32)
        last: cython.bint = ib + old == top and old > 0
        if size - old > free:
            raise self._refused(f"{size - old} more bytes do not fit: {free} are free")
        if size > old and not (last and size - old <= self._contiguous()):
            self._set_tag(tag, 0, 0, 0)
            put16(data, 28, free + old)
            if last:
                put16(data, 32, ib)
            if self._contiguous() < size:
                self.reorganise()
            free += old
            old = 0
            ib = get16(data, 32)
            last = True
        if last:
            put16(data, 32, ib + size)
        store(data, self._header + ib, body, 0, size)
        self._set_tag(tag, size, ib if size else 0, flags)
        put16(data, 28, free + old - size)
        if get16(data, 30) > get16(data, 28):
            put16(data, 30, get16(data, 28))
        return 0

    # operations on nodes

    @cython.ccall
    def insert(
        self, line: cython.Py_ssize_t, prefix: cython.Py_ssize_t, suffix: bytes, data: bytes, flags: cython.int = 0
    ) -> cython.int:
        """Put a node before `line`: its key is the first `prefix` bytes of the page's prefix and `suffix`."""
        return self._insert(line, prefix, len(suffix), suffix + data, 0, len(suffix) + len(data), flags)

    def insert_record(
        self,
        line: cython.Py_ssize_t,
        source: bytes,
        start: cython.Py_ssize_t,
        prefix: cython.Py_ssize_t,
        suffix: cython.Py_ssize_t,
        rest: cython.Py_ssize_t,
        flags: cython.int,
    ) -> bool:
        """The same for prefix, suffix and data (`rest`) that stand one behind the other in `source` from `start` on.

        False, and the page unchanged, where that prefix is not the page's.
        """
        if start < 0 or prefix < 0 or suffix < 0 or rest < 0 or start + prefix + suffix + rest > len(source):
            raise self._refused("a node that is cut off")
        if prefix and (self._is_root() or not self._begins_with(source, start, prefix)):
            return False
        self._insert(line, prefix, suffix, source, start + prefix, suffix + rest, flags)
        return True

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _is_root(self) -> cython.bint:
        return bool(self.data[36] & PAGE_ROOT)

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _begins_with(self, source: bytes, start: cython.Py_ssize_t, count: cython.Py_ssize_t) -> cython.bint:
        """Whether tag 0 begins with `count` bytes of `source` (all of them inside)."""
        image: bytearray = self.data
        at: cython.Py_ssize_t = self._header + (get16(image, self.page_size - 2) & self._compact_mask)
        i: cython.Py_ssize_t
        if (get16(image, 34) & 0xFFF) == 0 or count > (get16(image, self.page_size - 4) & self._compact_mask):
            return False
        if cython.compiled:
            i = 0
            while i < count and image[at + i] == source[start + i]:
                i += 1
            return i == count
        return image[at : at + count] == source[start : start + count]

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _insert(
        self,
        line: cython.Py_ssize_t,
        prefix: cython.Py_ssize_t,
        suffix: cython.Py_ssize_t,
        source: bytes,
        start: cython.Py_ssize_t,
        count: cython.Py_ssize_t,
        flags: cython.int,
    ) -> cython.int:
        """Suffix and data are the `count` bytes of `source` from `start` on."""
        image: bytearray = self.data
        size: cython.Py_ssize_t = count + (4 if prefix else 2)
        state: cython.int = get16(image, 34)
        tags: cython.int = state & 0xFFF
        first: cython.int = (state >> 12) & 7
        if first == 0:
            first = 1
        if tags < first or line < 0 or line > tags - first:
            raise self._refused(f"no node can go before line {line} (of {self.line_count})")
        if prefix and (prefix < 0 or prefix > (get16(image, self.page_size - 4) & self._compact_mask)):
            raise self._refused(f"a prefix of {prefix} bytes where the page has fewer")
        if suffix > 0x1FFF or size + 4 > get16(image, 28):
            raise self._refused(f"a node of {size} bytes does not fit: {self.free} are free")
        if self._contiguous() < size + 4:
            self.reorganise()
        tag: cython.Py_ssize_t = line + first
        open_tag(image, tags, tag)
        ib: cython.Py_ssize_t = get16(image, 32)
        at: cython.Py_ssize_t = self._header + ib
        flags = (flags & 3) | (4 if prefix else 0)
        if prefix:
            put16(image, at, prefix)
            put16(image, at + 2, suffix)
            store(image, at + 4, source, start, count)
        else:
            put16(image, at, suffix)
            store(image, at + 2, source, start, count)
        if self._large:
            image[at + 1] |= flags << 5
        self._set_tag(tag, size, ib, flags)
        put16(image, 32, ib + size)
        put16(image, 28, get16(image, 28) - size - 4)
        put16(image, 34, state + 1)
        if get16(image, 30) > get16(image, 28):
            put16(image, 30, get16(image, 28))
        return 0

    def insert_key(self, line: int, key: bytes, data: bytes, flags: int = 0) -> None:
        """Put a node with a complete key before `line`, compressed against the page's prefix where that pays."""
        shared = common_prefix(self.prefix(), key)
        if shared < MIN_PREFIX:
            shared = 0
        self.insert(line, shared, key[shared:], data, flags)

    @cython.ccall
    def replace(self, line: cython.Py_ssize_t, data: bytes) -> cython.int:
        """Give a node new data; key and flags stay."""
        self._find(line)
        return self._replace_tag(self._tag, fetch(self.data, self._begin, self._cut) + data, self._flags)

    def replace_key(self, line: int, key: bytes) -> None:
        """Give a node another key; data and flags stay."""
        flags, _, _, data = self.raw_node(line)
        grown = len(key) + len(data) + 2 - (self._end - self._begin)
        if grown > self.free:
            raise self._refused(f"a key {grown} bytes longer does not fit: {self.free} are free")
        self.delete(line)
        self.insert_key(line, key, data, flags)

    @cython.ccall
    def delete(self, line: cython.Py_ssize_t) -> cython.int:
        """Take a node off the page."""
        image: bytearray = self.data
        state: cython.int = get16(image, 34)
        tags: cython.int = state & 0xFFF
        tag: cython.Py_ssize_t = line + self.first_tag
        if line < 0 or tag >= tags:
            raise self._refused(f"there is no line {line} (of {self.line_count})")
        end: cython.Py_ssize_t = self.page_size
        at: cython.Py_ssize_t = end - 4 * (tag + 1)
        cb: cython.Py_ssize_t = get16(image, at) & self._compact_mask
        ib: cython.Py_ssize_t = get16(image, at + 2) & self._compact_mask
        close_tag(image, tags, tag)
        put16(image, 34, state - 1)
        put16(image, 28, get16(image, 28) + cb + 4)
        if ib + cb == get16(image, 32):
            put16(image, 32, ib)
        if tags == 2 and not get16(image, end - 4) & self._compact_mask:
            put16(image, 32, 0)
        return 0

    # external header and prefix

    @cython.ccall
    def external_header(self) -> bytes:
        """The content of tag 0."""
        if not get16(self.data, 34) & 0xFFF:
            return b""
        at: cython.Py_ssize_t = self._header + (get16(self.data, self.page_size - 2) & self._compact_mask)
        return fetch(self.data, at, at + (get16(self.data, self.page_size - 4) & self._compact_mask))

    def set_external_header(self, content: bytes) -> None:
        """Replace the content of tag 0 as it is; refused where a node's prefix would no longer be covered."""
        if not self.tag_count:
            raise self._refused("a page without tags has no external header")
        longest: cython.Py_ssize_t = 0
        if len(content) < (get16(self.data, self.page_size - 4) & self._compact_mask):
            for line in range(self.line_count):
                self._find(line)
                longest = max(longest, self._shared)
        if len(content) < longest:
            raise self._refused(f"nodes share {longest} bytes with the external header, {len(content)} would be left")
        self._replace_tag(0, content, 0)

    @cython.ccall
    def prefix(self) -> bytes:
        """The key prefix of the page; a root has none."""
        return b"" if self._is_root() else self.external_header()

    def fill(self, nodes: list[tuple[int, bytes, bytes]], header: bytes) -> None:
        """Give the page other content: `header` in tag 0 and (flags, complete key, data) nodes, compressed against it."""
        large: cython.bint = self._large
        prefix = b"" if self.flags & PAGE_ROOT else header
        top: cython.Py_ssize_t = len(header)
        size: cython.Py_ssize_t
        shared: cython.Py_ssize_t
        flags: cython.int
        parts = [header]
        tags: list[tuple[int, int]] = [(top, 0)]
        for flags, key, data in nodes:
            shared = common_prefix(prefix, key) if prefix else 0
            if shared >= MIN_PREFIX:
                flags = (flags & 3) | 4
                size = 4 + len(key) - shared + len(data)
                words = (len(key) - shared) << 16 | shared
                parts.append((words | flags << 13 if large else words).to_bytes(4, "little"))
                parts.append(key[shared:])
            else:
                flags &= 3
                size = 2 + len(key) + len(data)
                if len(key) > 0x1FFF:
                    raise self._refused(f"a key of {len(key)} bytes")
                parts.append((len(key) | flags << 13 if large else len(key)).to_bytes(2, "little"))
                parts.append(key)
            parts.append(data)
            tags.append((size, top if large else top | flags << 13))
            top += size
        count: cython.Py_ssize_t = len(tags)
        room: cython.Py_ssize_t = self.page_size - self._header - 4 * count - top
        if room < 0:
            raise self._refused(f"{count - 1} nodes of {top} bytes do not fit")
        self.clear()
        image: bytearray = self.data
        image[self._header : self._header + top] = b"".join(parts)
        if not header:
            tags[0] = (0, 0)
        tags.reverse()
        image[self.page_size - 4 * count :] = b"".join([struct.pack("<HH", cb, ib) for cb, ib in tags])
        put16(image, 28, room)
        put16(image, 32, top)
        put16(image, 34, (get16(image, 34) & 0x7000) | count)

    def clear(self) -> None:
        """Remove all nodes and the content of the external header; header fields stay."""
        reserved: cython.int = get16(self.data, 34) & 0x7000
        put16(self.data, 28, self.page_size - self._header - 4)
        put16(self.data, 30, 0)
        put16(self.data, 32, 0)
        put16(self.data, 34, 1 | (0x1000 if reserved else 0))
        self._set_tag(0, 0, 0, 0)

    def set_prefix(self, prefix: bytes) -> None:
        """Change the page's prefix; every node is stored anew against it."""
        self.fill(self.nodes(), prefix)

    # search

    def seek(self, key: bytes, data: bytes | None = None) -> tuple[int, bool]:
        """First line whose (key, and data where given) is not below what is asked for, and whether it is equal."""
        place: cython.Py_ssize_t = self.place(key, data)
        return (place, True) if place >= 0 else (-1 - place, False)

    @cython.ccall
    def place(self, key: bytes, data: bytes | None = None) -> cython.Py_ssize_t:
        """The line `seek` finds if it is equal; else -1 less that line."""
        low: cython.Py_ssize_t = self._bisect(key, data, self.lines(), False)
        return low if self._equal else -1 - low

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _bisect(self, key: bytes, data: bytes | None, high: cython.Py_ssize_t, above: cython.bint) -> cython.Py_ssize_t:
        """The first line, `high` at the last, whose key (and data) is not below, with `above`: is above; sets `_equal`."""
        image: bytearray = self.data
        header: cython.Py_ssize_t = self._header
        end: cython.Py_ssize_t = self.page_size
        mask: cython.int = self._compact_mask
        large: cython.bint = self._large
        first: cython.int = ((image[34] | image[35] << 8) >> 12) & 7
        low: cython.Py_ssize_t = 0
        middle: cython.Py_ssize_t
        at: cython.Py_ssize_t
        offset: cython.Py_ssize_t
        start: cython.Py_ssize_t
        stop: cython.Py_ssize_t
        head: cython.Py_ssize_t = header + ((image[end - 2] | image[end - 1] << 8) & mask)
        head_size: cython.int = (image[end - 4] | image[end - 3] << 8) & mask
        size: cython.int
        word: cython.int
        prefix: cython.int
        side: cython.int
        if first == 0:
            first = 1
        self._equal = False
        while low < high:
            middle = (low + high) >> 1
            at = end - 4 * (middle + first + 1)
            size = (image[at] | image[at + 1] << 8) & mask
            word = image[at + 2] | image[at + 3] << 8
            offset = header + (word & mask)
            if size < 4:
                self._find(middle)
                start, prefix = offset + 2, 0
            elif (image[offset + 1] >> 5 if large else word >> 13) & 4:
                prefix = (image[offset] | image[offset + 1] << 8) & 0x1FFF
                start = offset + 4
            else:
                start, prefix = offset + 2, 0
            stop = start + ((image[start - 2] | image[start - 1] << 8) & 0x1FFF)
            if prefix > head_size or stop > offset + size:
                self._find(middle)  # says what is wrong
            if cython.compiled:
                side = order(image, head, prefix, start, stop, key)
            else:
                found = image[head : head + prefix] + image[start:stop] if prefix else image[start:stop]
                side = -1 if found < key else found != key
            if side == 0 and data is not None:
                side = order(image, 0, 0, stop, offset + size, data)
            if side < 0 or (above and side == 0):
                low = middle + 1
            else:
                high = middle
                self._equal = side == 0
        return low

    @cython.ccall
    def encloses(self, bookmark: bytes, whole: cython.bint) -> cython.bint:
        """Whether a leaf of a tree surely is where a bookmark belongs, `whole`: of key and data.

        It is if there is none beyond it on that side, or if its first (or last) node is.
        """
        image: bytearray = self.data
        last: cython.Py_ssize_t = self.lines() - 1
        if get32(image, 16) and (last < 0 or self._order_of(0, bookmark, whole) > 0):
            return False
        return not get32(image, 20) or (last >= 0 and self._order_of(last, bookmark, whole) >= 0)

    @cython.cfunc
    def _order_of(self, line: cython.Py_ssize_t, bookmark: bytes, whole: cython.bint) -> cython.int:
        self._find(line)
        head: cython.Py_ssize_t = self._header + (get16(self.data, self.page_size - 2) & self._compact_mask)
        return order(self.data, head, self._shared, self._suffix, self._end if whole else self._cut, bookmark)

    @cython.ccall
    def room_before(
        self, line: cython.Py_ssize_t, key: bytes, count: cython.Py_ssize_t, density: cython.int, reserve: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        """How many bytes of the page's prefix a node with a key and `count` bytes of data is stored with before `line`.

        -1 where it has no room: `reserve` bytes stay free, and behind the last node of the last leaf of a tree all beyond
        `density` percent.
        """
        image: bytearray = self.data
        root: cython.bint = self._is_root()
        shared: cython.Py_ssize_t = 0
        prefix: cython.Py_ssize_t = 0 if root else get16(image, self.page_size - 4) & self._compact_mask
        free: cython.Py_ssize_t = get16(image, 28) - reserve
        if prefix:
            shared = common_prefix(self.prefix(), key)
            if shared < MIN_PREFIX:
                shared = 0
        size: cython.Py_ssize_t = len(key) - shared + count + (8 if shared else 6)
        if not root and line and not get32(image, 20) and line == self.lines():
            free -= (self.page_size - self._header - 4) * (100 - density) // 100
        return shared if size <= free else -1

    def seek_child(self, bookmark: bytes) -> int:
        """Line of the child in whose subtree `bookmark` (key, and data in a non-unique tree) belongs."""
        return self._seek_child(bookmark)

    @cython.cfunc
    def _seek_child(self, bookmark: bytes) -> cython.Py_ssize_t:
        last: cython.Py_ssize_t = self.lines() - 1
        if last < 0:
            raise self._damaged("an internal page without a node", 34)
        return self._bisect(bookmark, None, last, True)

    @cython.ccall
    def step_down(self, bookmark: bytes, objid: cython.longlong) -> cython.longlong:
        """The child in whose subtree a bookmark belongs; 0 on a leaf, -1 where the page is not of the object `objid`."""
        image: bytearray = self.data
        if get32(image, 24) != objid:
            return -1
        if image[36] & PAGE_LEAF:
            return 0
        child: cython.longlong = self.child(self._seek_child(bookmark))
        if child == 0:
            raise self._damaged("an internal page points to page 0", self._cut)
        return child

    def node(self, line: cython.Py_ssize_t) -> tuple[int, bytes, bytes]:
        """(flags without "compressed", complete key, data) of a line."""
        self._find(line)
        key = fetch(self.data, self._suffix, self._cut)
        if self._shared:
            at: cython.Py_ssize_t = self._header + (get16(self.data, self.page_size - 2) & self._compact_mask)
            key = fetch(self.data, at, at + self._shared) + key
        return self._flags & 3, key, fetch(self.data, self._cut, self._end)
