"""One database page, read side: header fields, tags, nodes, keys.

Layout (`reference/database-format.md` 4.1 and 5.1 to 5.5), little-endian:

| off | size | field                                                                                        |
|-----|------|----------------------------------------------------------------------------------------------|
| 0   | 8    | checksum                                                                                     |
| 8   | 8    | dbtimeDirtied                                                                                |
| 16  | 4    | pgnoPrev, 20: pgnoNext (leaves only), 24: objidFDP                                           |
| 28  | 2    | cbFree, 30: cbUncommittedFree, 32: ibMicFree                                                 |
| 34  | 2    | itagState: bits 0-11 number of tags, bits 12-14 number of reserved tags (0 means 1)          |
| 36  | 4    | flags                                                                                        |
| 40  | 40   | pages above 8 KB only: three checksums, page number at 64, 12 bytes zero                     |

Data grow up from the end of the header; tag `i` is the 4-byte word at page size - 4 * (i + 1): size u16, offset u16 behind
the header. Tag 0 is the external header, the lines (nodes) follow.

|                  | up to 8 KB                   | above                                      |
|------------------|------------------------------|--------------------------------------------|
| mask of the tag  | 0x1FFF                       | 0x7FFF                                     |
| 3 node flags     | bits 13-15 of the tag's offset | bits 13-15 of the node's first u16       |

Node: [u16 prefix size, if compressed] u16 suffix size, suffix, data; key = prefix of the external header + suffix.

The constructor validates every tag and node, so that the accessors, compiled without bounds checks, stay inside the page.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.constants import codes
from esent.errors import JetError, jet_error

PAGE_ROOT = 0x1
PAGE_LEAF = 0x2
PAGE_PARENT_OF_LEAF = 0x4
PAGE_EMPTY = 0x8
PAGE_REPAIR = 0x10
PAGE_SPACE_TREE = 0x20
PAGE_INDEX = 0x40
PAGE_LONG_VALUE = 0x80
PAGE_NON_UNIQUE_KEYS = 0x400
PAGE_NEW_RECORD_FORMAT = 0x800
PAGE_NEW_CHECKSUM_FORMAT = 0x2000
PAGE_SCRUBBED = 0x4000
PAGE_FLUSH_TYPE = 0x18000
PAGE_PRE_INIT = 0x20000
PAGE_FDP_DELETE = 0x40000

NODE_VERSION = 1
NODE_DELETED = 2
NODE_COMPRESSED = 4

LARGEST_SMALL_PAGE = 8192
_PAGE_SIZES = (2048, 4096, 8192, 16384, 32768)
_SPLIT_BUFFER_SIZE = 16
_NODE_LENGTH_MASK = 0x1FFF
# dbtime values that stand for something else than a time
DBTIME_SHRUNK = 0xFFFFFFFFFFFFFFFD


def header_size(page_size: int) -> int:
    """Size of the page header: 40 up to 8 KB, 80 above."""
    return 40 if page_size <= LARGEST_SMALL_PAGE else 80


@cython.cfunc
@cython.inline
@cython.boundscheck(False)
@cython.wraparound(False)
def _u16(data: bytes, offset: cython.Py_ssize_t) -> cython.int:
    low: cython.int = data[offset]
    high: cython.int = data[offset + 1]
    return low | high << 8


@cython.cfunc
@cython.inline
@cython.boundscheck(False)
@cython.wraparound(False)
def _u32(data: bytes, offset: cython.Py_ssize_t) -> cython.ulonglong:
    low: cython.ulonglong = _u16(data, offset)
    high: cython.ulonglong = _u16(data, offset + 2)
    return low | high << 16


@cython.cclass
class Page:
    """A page image (`bytes` of one page) and its number; immutable.

    Raises JET_errPageTagCorrupted or JET_errNodeCorrupted, with page and offset, where tags or nodes do not stay inside the
    page. An all-zero page has no tags and no lines.
    """

    data: bytes = cython.declare(bytes, visibility="readonly")
    page_size: int = cython.declare(cython.Py_ssize_t, visibility="readonly")
    pgno: int = cython.declare(cython.ulonglong, visibility="readonly")
    dbtime: int = cython.declare(cython.ulonglong, visibility="readonly")
    previous: int = cython.declare(cython.ulonglong, visibility="readonly")
    next: int = cython.declare(cython.ulonglong, visibility="readonly")
    objid: int = cython.declare(cython.ulonglong, visibility="readonly")
    free: int = cython.declare(cython.int, visibility="readonly")
    uncommitted_free: int = cython.declare(cython.int, visibility="readonly")
    mic_free: int = cython.declare(cython.int, visibility="readonly")
    itag_state: int = cython.declare(cython.int, visibility="readonly")
    flags: int = cython.declare(cython.ulonglong, visibility="readonly")
    tag_count: int = cython.declare(cython.int, visibility="readonly")
    first_tag: int = cython.declare(cython.int, visibility="readonly")
    line_count: int = cython.declare(cython.Py_ssize_t, visibility="readonly")
    prefix: bytes = cython.declare(bytes, visibility="readonly")
    _header: int = cython.declare(cython.Py_ssize_t)
    _large: bool = cython.declare(cython.bint)
    _mask: int = cython.declare(cython.int)

    def __init__(self, data: bytes, pgno: int) -> None:
        size: cython.Py_ssize_t = len(data)
        if size not in _PAGE_SIZES:
            raise jet_error(codes.JET_errInvalidParameter, f"reading a page: {size} bytes are not a page", page=pgno)
        self.data = data
        self.page_size = size
        self.pgno = pgno
        self._large = size > 8192
        self._header = 80 if self._large else 40
        self._mask = 0x7FFF if self._large else 0x1FFF
        self.dbtime = _u32(data, 8) | _u32(data, 12) << 32
        self.previous = _u32(data, 16)
        self.next = _u32(data, 20)
        self.objid = _u32(data, 24)
        self.free = _u16(data, 28)
        self.uncommitted_free = _u16(data, 30)
        self.mic_free = _u16(data, 32)
        self.itag_state = _u16(data, 34)
        self.flags = _u32(data, 36)
        self.tag_count = self.itag_state & 0x0FFF
        reserved: cython.int = (self.itag_state >> 12) & 7
        self.first_tag = reserved if reserved > 1 else 1
        self.line_count = self.tag_count - self.first_tag if self.tag_count > self.first_tag else 0
        self.prefix = b""
        self._validate()

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _validate(self) -> cython.bint:
        data: bytes = self.data
        tags: cython.Py_ssize_t = self.tag_count
        first: cython.Py_ssize_t = self.first_tag
        header: cython.Py_ssize_t = self._header
        end: cython.Py_ssize_t = self.page_size - 4 * tags
        mask: cython.int = self._mask
        large: cython.bint = self._large
        shared: cython.Py_ssize_t = 0
        i: cython.Py_ssize_t
        place: cython.Py_ssize_t
        size: cython.int
        start: cython.Py_ssize_t
        word: cython.int
        taken: cython.int
        if end < header:
            raise self._damage(codes.JET_errPageTagCorrupted, f"{tags} tags do not fit", 34)
        place = self.page_size
        for i in range(tags):
            place -= 4
            size = _u16(data, place) & mask
            word = _u16(data, place + 2)
            start = header + (word & mask)
            if start + size > end:
                raise self._damage(codes.JET_errPageTagCorrupted, f"tag {i} reaches outside the data", place)
            if i == 0:
                # roots hold their space there instead of a prefix
                if not self.flags & 0x1:
                    self.prefix = data[start : start + size]
                elif self.flags & 0x20 and size > 16:
                    self.prefix = data[start + 16 : start + size]
                shared = len(self.prefix)
            elif i >= first:
                if size < 2:
                    raise self._damage(codes.JET_errNodeCorrupted, f"line {i - first} of {size} bytes", start)
                if large:
                    word = _u16(data, start)
                taken = 2
                if word & 0x8000:
                    taken = 4
                    if size < 4 or (_u16(data, start) & 0x1FFF) > shared:
                        raise self._damage(codes.JET_errNodeCorrupted, f"line {i - first} shares more than there is", start)
                if taken + (_u16(data, start + taken - 2) & 0x1FFF) > size:
                    raise self._damage(
                        codes.JET_errNodeCorrupted, f"the key of line {i - first} is longer than the line", start
                    )
        return True

    def _damage(self, code: int, what: str, offset: int) -> JetError:
        return jet_error(code, f"reading a page: {what}", page=self.pgno, offset=offset)

    @property
    def is_root(self) -> bool:
        return self.flags & 0x1 != 0

    @property
    def is_leaf(self) -> bool:
        return self.flags & 0x2 != 0

    @property
    def is_parent_of_leaf(self) -> bool:
        return self.flags & 0x4 != 0

    @property
    def is_empty(self) -> bool:
        """Emptied by a merge: free space, not part of a tree."""
        return self.flags & 0x8 != 0

    @property
    def is_space(self) -> bool:
        """Page of an OwnExt or AvailExt tree."""
        return self.flags & 0x20 != 0

    @property
    def is_index(self) -> bool:
        """Page of a secondary index (or of its space trees)."""
        return self.flags & 0x40 != 0

    @property
    def is_long_value(self) -> bool:
        return self.flags & 0x80 != 0

    @property
    def has_unique_keys(self) -> bool:
        return self.flags & 0x400 == 0

    @property
    def is_pre_init(self) -> bool:
        """Allocated, not yet filled: no tags at all."""
        return self.flags & 0x20000 != 0

    @property
    def is_blank(self) -> bool:
        """Never written: all bytes zero."""
        return self.flags == 0 and not any(self.data)

    @property
    def flush_type(self) -> int:
        """0 unknown, 1 rock, 2 paper, 3 scissors."""
        return (self.flags >> 15) & 3

    @property
    def header_size(self) -> int:
        return self._header

    def tag(self, index: int) -> tuple[int, int]:
        """Offset in the page and size of what tag `index` (0 to tag_count - 1) holds."""
        if not 0 <= index < self.tag_count:
            raise self._damage(codes.JET_errPageTagCorrupted, f"there is no tag {index}", 34)
        place: cython.Py_ssize_t = self.page_size - 4 * (index + 1)
        return self._header + (_u16(self.data, place + 2) & self._mask), _u16(self.data, place) & self._mask

    def external_header(self) -> bytes:
        """The content of tag 0: prefix, or on a root its space header or split buffer; empty where there are no tags."""
        if not self.tag_count:
            return b""
        start, size = self.tag(0)
        return self.data[start : start + size]

    @cython.cfunc
    @cython.inline
    def _line(self, line: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The place of the tag of a line; JET_errNodeCorrupted where there is no such line."""
        if line < 0 or line >= self.line_count:
            raise self._damage(codes.JET_errNodeCorrupted, f"there is no line {line}", 34)
        return self.page_size - 4 * (line + self.first_tag + 1)

    def node_flags(self, line: int) -> int:
        """1 version, 2 deleted, 4 compressed."""
        place: cython.Py_ssize_t = self._line(line)
        if self._large:
            place = self._header + (_u16(self.data, place + 2) & 0x7FFF) - 2
        return _u16(self.data, place + 2) >> 13

    def raw_node(self, line: int) -> tuple[int, int, bytes, bytes]:
        """(flags, size of the prefix shared, suffix, data) as stored."""
        place: cython.Py_ssize_t = self._line(line)
        data: bytes = self.data
        size: cython.int = _u16(data, place) & self._mask
        word: cython.int = _u16(data, place + 2)
        start: cython.Py_ssize_t = self._header + (word & self._mask)
        end: cython.Py_ssize_t = start + size
        shared: cython.int = 0
        suffix: cython.int
        if self._large:
            word = _u16(data, start)
        if word & 0x8000:
            shared = _u16(data, start) & 0x1FFF
            start += 2
        suffix = _u16(data, start) & 0x1FFF
        start += 2
        return word >> 13, shared, data[start : start + suffix], data[start + suffix : end]

    def entry(self, line: int) -> tuple[int, bytes, bytes]:
        """(flags, complete key, data) of a line."""
        flags, shared, suffix, value = self.raw_node(line)
        return flags, self.prefix[:shared] + suffix if shared else suffix, value

    def key(self, line: int) -> bytes:
        """The complete key, prefix put before."""
        place: cython.Py_ssize_t = self._line(line)
        data: bytes = self.data
        word: cython.int = _u16(data, place + 2)
        start: cython.Py_ssize_t = self._header + (word & self._mask)
        shared: cython.int = 0
        suffix: cython.int
        if self._large:
            word = _u16(data, start)
        if word & 0x8000:
            shared = _u16(data, start) & 0x1FFF
            start += 2
        suffix = _u16(data, start) & 0x1FFF
        start += 2
        if shared:
            return self.prefix[:shared] + data[start : start + suffix]
        return data[start : start + suffix]

    def value_bounds(self, line: int) -> tuple[int, int]:
        """Where in `.data` the data of a line begin and end."""
        place: cython.Py_ssize_t = self._line(line)
        data: bytes = self.data
        size: cython.int = _u16(data, place) & self._mask
        word: cython.int = _u16(data, place + 2)
        start: cython.Py_ssize_t = self._header + (word & self._mask)
        end: cython.Py_ssize_t = start + size
        if self._large:
            word = _u16(data, start)
        if word & 0x8000:
            start += 2
        return start + 2 + (_u16(data, start) & 0x1FFF), end

    def value(self, line: int) -> bytes:
        """The data of a line."""
        start, end = self.value_bounds(line)
        return self.data[start:end]

    def child(self, line: int) -> int:
        """The page a line of an internal page points to; JET_errNodeCorrupted where its data are not a page number."""
        start, end = self.value_bounds(line)
        if end - start != 4:
            raise self._damage(
                codes.JET_errNodeCorrupted, f"line {line} of an internal page has {end - start} bytes of data", start
            )
        return _u32(self.data, start)

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _order(self, line: cython.Py_ssize_t, key: bytes) -> cython.int:
        """Whether the key of a line, which there is, is below (-1), equal to or above (1) `key`."""
        data: bytes = self.data
        place: cython.Py_ssize_t = self.page_size - 4 * (line + self.first_tag + 1)
        word: cython.int = _u16(data, place + 2)
        start: cython.Py_ssize_t = self._header + (word & self._mask)
        shared: cython.Py_ssize_t = 0
        rest: cython.Py_ssize_t
        if self._large:
            word = _u16(data, start)
        if word & 0x8000:
            shared = _u16(data, start) & 0x1FFF
            start += 2
        rest = _u16(data, start) & 0x1FFF
        start += 2
        if not cython.compiled:
            found = self.prefix[:shared] + data[start : start + rest]
            return (found > key) - (found < key)
        left: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, data)) + start
        prefix: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, self.prefix))
        right: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, key))
        length: cython.Py_ssize_t = len(key)
        i: cython.Py_ssize_t
        count: cython.Py_ssize_t = shared if shared < length else length
        for i in range(count):
            if prefix[i] != right[i]:
                return -1 if prefix[i] < right[i] else 1
        if shared > length:
            return 1
        right += shared
        length -= shared
        count = rest if rest < length else length
        for i in range(count):
            if left[i] != right[i]:
                return -1 if left[i] < right[i] else 1
        return (rest > length) - (rest < length)

    def branch(self, key: bytes) -> int:
        """The line of an internal page to follow for `key`: the first whose key is above it, else the last."""
        low: cython.Py_ssize_t = 0
        high: cython.Py_ssize_t = self.line_count - 1
        middle: cython.Py_ssize_t
        while low < high:
            middle = (low + high) >> 1
            if self._order(middle, key) > 0:
                high = middle
            else:
                low = middle + 1
        return low

    def seek(self, key: bytes) -> tuple[int, bool]:
        """The first line whose key is >= `key`, and whether it is equal; (line_count, False) if there is none.

        An internal page's last key may be empty, which there means infinity: it is never less.
        """
        low: cython.Py_ssize_t = 0
        high: cython.Py_ssize_t = self.line_count
        middle: cython.Py_ssize_t
        infinite: cython.bint = not self.flags & 0x2
        order: cython.int
        exact: bool = False
        if infinite and high and not self.key(high - 1):
            high -= 1
        while low < high:
            middle = (low + high) >> 1
            order = self._order(middle, key)
            if order < 0:
                low = middle + 1
            else:
                high = middle
                if order == 0:
                    exact = True
        return low, exact

    def entries(self) -> list[tuple[int, bytes, bytes]]:
        """(flags, complete key, data) of all lines in order; nothing is skipped, deleted nodes neither."""
        result: list[tuple[int, bytes, bytes]] = []
        data: bytes = self.data
        prefix: bytes = self.prefix
        place: cython.Py_ssize_t = self.page_size - 4 * self.first_tag
        mask: cython.int = self._mask
        _line: cython.Py_ssize_t
        start: cython.Py_ssize_t
        end: cython.Py_ssize_t
        word: cython.int
        shared: cython.int
        suffix: cython.int
        key: bytes
        for _line in range(self.line_count):
            place -= 4
            word = _u16(data, place + 2)
            start = self._header + (word & mask)
            end = start + (_u16(data, place) & mask)
            if self._large:
                word = _u16(data, start)
            shared = 0
            if word & 0x8000:
                shared = _u16(data, start) & 0x1FFF
                start += 2
            suffix = _u16(data, start) & 0x1FFF
            start += 2
            key = data[start : start + suffix]
            if shared:
                key = prefix[:shared] + key
            result.append((word >> 13, key, data[start + suffix : end]))
        return result

    @cython.boundscheck(False)
    @cython.wraparound(False)
    def data_bounds(self) -> bytearray:
        """Where in `.data` the data of each line that is not deleted begin and end, in order: u32 each, in the order of bytes
        of the machine. For who takes the page apart without copying it."""
        data: bytes = self.data
        place: cython.Py_ssize_t = self.page_size - 4 * self.first_tag
        mask: cython.int = self._mask
        _line: cython.Py_ssize_t
        start: cython.Py_ssize_t
        end: cython.Py_ssize_t
        word: cython.int
        used: cython.Py_ssize_t = 0
        image: bytearray = bytearray(8 * self.line_count)
        if cython.compiled:
            bounds: cython.p_uint = cython.cast(cython.p_uint, cython.cast(cython.p_char, image))
        else:
            bounds = memoryview(image).cast("I")  # type: ignore[assignment]
        for _line in range(self.line_count):
            place -= 4
            word = _u16(data, place + 2)
            start = self._header + (word & mask)
            end = start + (_u16(data, place) & mask)
            if self._large:
                word = _u16(data, start)
            if word & 0x4000:  # deleted
                continue
            if word & 0x8000:
                start += 2
            start += 2 + (_u16(data, start) & 0x1FFF)
            bounds[used] = start
            bounds[used + 1] = end
            used += 2
        return image[: 4 * used]

    def live_values(self) -> list[bytes]:
        """The data of all lines that are not deleted, in order."""
        result: list[bytes] = []
        data: bytes = self.data
        place: cython.Py_ssize_t = self.page_size - 4 * self.first_tag
        mask: cython.int = self._mask
        _line: cython.Py_ssize_t
        start: cython.Py_ssize_t
        end: cython.Py_ssize_t
        word: cython.int
        for _line in range(self.line_count):
            place -= 4
            word = _u16(data, place + 2)
            start = self._header + (word & mask)
            end = start + (_u16(data, place) & mask)
            if self._large:
                word = _u16(data, start)
            if word & 0x4000:
                continue
            if word & 0x8000:
                start += 2
            result.append(data[start + 2 + (_u16(data, start) & 0x1FFF) : end])
        return result

    def problems(self) -> list[str]:
        """Which rules for the structure of a page (5.5) do not hold: a sentence each; empty for a sound or a blank page."""
        found: list[str] = []
        area: cython.Py_ssize_t = self.page_size - self._header
        tags: cython.Py_ssize_t = self.tag_count
        if self.is_blank:
            return found
        if self.free > area or self.mic_free > area or self.uncommitted_free > self.free:
            found.append("the free space does not fit the page")
        if not tags:
            if not self.flags & (0x8 | 0x20000):
                found.append("there are no tags")
            elif self.flags & 0x8 and self.flags & 0x20000:
                found.append("empty and not yet filled at once")
            elif self.flags & 0x20000 and (self.flags & ~0x3A800 or self.previous or self.next or self.free != area):
                found.append("not yet filled, but with marks of use")
            return found
        if self.flags & 0x20000:
            found.append("not yet filled, but with tags")
        if 4 * tags + 4 * self.line_count > area:
            found.append("there are more tags than lines fit")
        if self.flags & 0x40 and self.flags & 0x80:
            found.append("index and long values at once")
        if self.flags & 0x10:
            found.append("left over from a repair")
        if self.flags & 0x2 and self.flags & 0x4:
            found.append("leaf and parent of leaves at once")
        self._check_places(found)
        self._check_lines(found)
        return found

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _check_places(self, found: list[str]) -> None:
        data: bytes = self.data
        mask: cython.int = self._mask
        area: cython.Py_ssize_t = self.page_size - self._header
        place: cython.Py_ssize_t = self.page_size
        # size of the line that begins at an offset, u16 each: in C a sweep over it is cheaper than sorting
        sizes: bytearray = bytearray(2 * area if cython.compiled else 0)
        if cython.compiled:
            table: cython.p_ushort = cython.cast(cython.p_ushort, cython.cast(cython.p_char, sizes))
        spans: list[int] = []
        start: cython.Py_ssize_t
        size: cython.Py_ssize_t
        end: cython.Py_ssize_t = 0
        total: cython.Py_ssize_t = 0
        overlap: cython.bint = False
        _tag: cython.Py_ssize_t
        for _tag in range(self.tag_count):
            place -= 4
            size = _u16(data, place) & mask
            if size == 0:
                continue
            start = _u16(data, place + 2) & mask
            total += size
            if start + size > end:
                end = start + size
            if cython.compiled:
                if table[start]:
                    overlap = True
                table[start] = size
            else:
                spans.append(start << 16 | size)
        if end > self.mic_free:
            found.append("data lie behind the mark of the first free byte")
        end = 0
        if cython.compiled:
            for start in range(area):
                if table[start]:
                    if start < end:
                        overlap = True
                    end = start + table[start]
        else:
            for span in sorted(spans):
                overlap = overlap or span >> 16 < end
                end = (span >> 16) + (span & 0xFFFF)
        if overlap:
            found.append("lines overlap")
        if total + self.free + 4 * self.tag_count != area:
            found.append("data, tags and free space do not add up to the page")

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _check_lines(self, found: list[str]) -> None:
        data: bytes = self.data
        mask: cython.int = self._mask
        place: cython.Py_ssize_t = self.page_size - 4 * self.first_tag
        last: cython.Py_ssize_t = self.line_count - 1
        leaf: cython.bint = self.flags & 0x2 != 0
        both: cython.bint = leaf and self.flags & 0x400 != 0 and not self.flags & 0x20
        line: cython.Py_ssize_t
        start: cython.Py_ssize_t
        end: cython.Py_ssize_t
        word: cython.int
        shared: cython.Py_ssize_t
        suffix: cython.Py_ssize_t
        # of the line before: prefix size, where the rest of the key begins, how long that is
        shared_before: cython.Py_ssize_t = 0
        start_before: cython.Py_ssize_t = 0
        rest_before: cython.Py_ssize_t = 0
        for line in range(self.line_count):
            place -= 4
            word = _u16(data, place + 2)
            start = self._header + (word & mask)
            end = start + (_u16(data, place) & mask)
            if self._large:
                word = _u16(data, start)
            shared = 0
            if word & 0x8000:
                shared = _u16(data, start) & 0x1FFF
                start += 2
            suffix = _u16(data, start) & 0x1FFF
            start += 2
            if shared + suffix == 0 and (leaf or line < last):
                found.append(f"the key of line {line} is empty")
            if shared == 1:  # what saves nothing is never shared
                found.append(f"line {line} shares a single byte with the prefix")
            if start + suffix == end:
                found.append(f"line {line} has no data")
            if not leaf and word & 0x6000:
                found.append(f"line {line} of an internal page is versioned or deleted")
            if both:  # the data follow the key at once
                suffix = end - start
            if (
                line
                and (leaf or line < last or shared + suffix)
                and not self._less(shared_before, start_before, rest_before, shared, start, suffix)
            ):
                found.append(f"line {line} is not greater than the line before it")
            shared_before = shared
            start_before = start
            rest_before = suffix

    @cython.cfunc
    @cython.boundscheck(False)
    @cython.wraparound(False)
    def _less(
        self,
        left_shared: cython.Py_ssize_t,
        left_start: cython.Py_ssize_t,
        left_rest: cython.Py_ssize_t,
        right_shared: cython.Py_ssize_t,
        right_start: cython.Py_ssize_t,
        right_rest: cython.Py_ssize_t,
    ) -> cython.bint:
        """Whether the key of the left line (prefix size, start and length of the rest) is less than that of the right."""
        data: bytes = self.data
        prefix: bytes = self.prefix
        i: cython.Py_ssize_t
        left: cython.int
        right: cython.int
        if cython.compiled:
            for i in range(min(left_shared, right_shared), min(left_shared + left_rest, right_shared + right_rest)):
                left = prefix[i] if i < left_shared else data[left_start + i - left_shared]
                right = prefix[i] if i < right_shared else data[right_start + i - right_shared]
                if left != right:
                    return left < right
            return left_shared + left_rest < right_shared + right_rest
        left_key = prefix[:left_shared] + data[left_start : left_start + left_rest]
        return left_key < prefix[:right_shared] + data[right_start : right_start + right_rest]
