"""The lines of a page as they would be with one node put between them, or in the place of another: what a split has to divide.

Compiled, sizes are counted and parts laid into other pages without making objects of the nodes; the results are those of
`MutablePage.fill` for the same nodes.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from collections.abc import Iterator

from esent.constants import codes
from esent.errors import jet_error
from esent.pages.edit import MIN_PREFIX, NODE_COMPRESSED, NODE_DELETED, NODE_VERSIONED, MutablePage
from esent.pages.words import common_prefix

if not cython.compiled:
    from esent.pages.words import get16, put16, store

TAG_SIZE = 4
_TAG: cython.Py_ssize_t = TAG_SIZE
_SHORTEST: cython.Py_ssize_t = MIN_PREFIX
_COMPRESSED: cython.int = NODE_COMPRESSED
_OWN_FLAGS: cython.int = NODE_VERSIONED | NODE_DELETED
_LONGEST_KEY: cython.Py_ssize_t = 0x1FFF


def stored_size(key: bytes, data: bytes, prefix: bytes) -> int:
    """Bytes a node takes on a page with a prefix, its tag included."""
    shared = common_prefix(prefix, key) if prefix else 0
    return len(key) + len(data) + TAG_SIZE + (4 - shared if shared >= MIN_PREFIX else 2)


@cython.cclass
class Lines:
    """The lines of `page`, which must stay as it is meanwhile; `put` or `put_instead` folds a node in, one at the most."""

    page: MutablePage
    count: int
    _own: int  # the line of the node folded in, -1 for none
    _inserted: bool
    _key: bytes
    _data: bytes
    _flags: int
    # the node that `_open` found last: bytes of the page's prefix, then those from `_at` on of the page, or of `_key`
    _shared: int
    _key_size: int
    _rest: int

    def __init__(self, page: MutablePage) -> None:
        self.page = page
        self.count = page.line_count
        self._own = -1
        self._inserted = False
        self._key = self._data = b""
        self._flags = 0

    def put(self, line: cython.Py_ssize_t, key: bytes, data: bytes, flags: cython.int = 0) -> None:
        """Put a node before a line."""
        self._own, self._inserted, self.count = line, True, self.count + 1
        self._key, self._data, self._flags = key, data, flags

    def put_instead(self, line: cython.Py_ssize_t, data: bytes, flags: cython.int = 0) -> None:
        """Give the node of a line other data and flags."""
        self._own, self._inserted = line, False
        self._key, self._data, self._flags = self.page.key(line), data, flags

    @cython.cfunc
    def _line(self, line: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The line of the page that a line is."""
        return line - 1 if self._inserted and line > self._own else line

    def node(self, line: cython.Py_ssize_t) -> tuple[int, bytes, bytes]:
        """(flags without "compressed", complete key, data)."""
        if line == self._own:
            return self._flags & _OWN_FLAGS, self._key, self._data
        return self.page.node(self._line(line))

    def key(self, line: cython.Py_ssize_t) -> bytes:
        return self._key if line == self._own else self.page.key(self._line(line))

    @cython.cfunc
    def _open(self, line: cython.Py_ssize_t) -> cython.int:
        """Note what is to be known of a node; its flags without "compressed"."""
        page: MutablePage = self.page
        if line == self._own:
            self._shared = 0
            self._key_size, self._rest = len(self._key), len(self._data)
            return self._flags & _OWN_FLAGS
        page._find(self._line(line))
        self._shared = page._shared
        self._key_size = page._shared + page._cut - page._suffix
        self._rest = page._end - page._cut
        return page._flags & _OWN_FLAGS

    @cython.cfunc
    def _common(self, line: cython.Py_ssize_t, prefix: bytes) -> cython.Py_ssize_t:
        """How many bytes of a prefix the key of the line opened last is stored with."""
        size: cython.Py_ssize_t = min(len(prefix), self._key_size)
        i: cython.Py_ssize_t = 0
        if not cython.compiled:
            i = common_prefix(prefix, self.key(line))
            return i if i >= _SHORTEST else 0
        page: MutablePage = self.page
        goal: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, prefix))
        image: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, page.data))
        head: cython.p_uchar = image + page._header + (get16(page.data, page.page_size - 2) & page._compact_mask)
        suffix: cython.p_uchar
        if line == self._own:
            suffix = cython.cast(cython.p_uchar, cython.cast(cython.p_char, self._key))
        else:
            suffix = image + page._suffix
        while i < size and goal[i] == (head[i] if i < self._shared else suffix[i - self._shared]):
            i += 1
        return i if i >= _SHORTEST else 0

    @cython.cfunc
    def _stored(self, line: cython.Py_ssize_t, prefix: bytes) -> cython.Py_ssize_t:
        """Bytes a node takes with a prefix, its tag included."""
        self._open(line)
        common: cython.Py_ssize_t = self._common(line, prefix)
        return self._key_size + self._rest + _TAG + (4 - common if common else 2)

    @cython.ccall
    def size(self, first: cython.Py_ssize_t, last: cython.Py_ssize_t, prefix: bytes) -> cython.Py_ssize_t:
        """Bytes that lines first..last (exclusive) take on a page with a prefix, that and their tags included."""
        total: cython.Py_ssize_t = len(prefix)
        line: cython.Py_ssize_t
        for line in range(first, last):
            total += self._stored(line, prefix)
        return total

    @cython.ccall
    def closest(self, first: cython.Py_ssize_t, last: cython.Py_ssize_t, prefix: bytes) -> cython.Py_ssize_t:
        """The first of the lines whose key has most of a prefix."""
        best: cython.Py_ssize_t = first
        most: cython.Py_ssize_t = -1
        common: cython.Py_ssize_t
        line: cython.Py_ssize_t
        for line in range(first, last):
            self._open(line)
            common = self._common(line, prefix)
            if common > most:
                best, most = line, common
        return best

    def cuts(self, prefix: bytes) -> Iterator[int]:
        """The lines the page can be divided at, that with the most even parts first; sizes are those with a prefix."""
        sizes: list[int] = []
        total: cython.Py_ssize_t = 0
        left: cython.Py_ssize_t = 0
        line: cython.Py_ssize_t
        best: cython.Py_ssize_t = 0
        size: cython.Py_ssize_t
        least: cython.Py_ssize_t
        uneven: cython.Py_ssize_t
        for line in range(self.count):
            size = self._stored(line, prefix)
            sizes.append(size)
            total += size
        least = 2 * total
        for line in range(1, self.count):
            size = sizes[line - 1]
            left += size
            uneven = abs(total - 2 * left)
            if uneven < least:
                best, least = line, uneven
        if best:
            yield best
        found: list[tuple[int, int]] = []
        left = 0
        for line in range(1, self.count):
            size = sizes[line - 1]
            left += size
            if line != best:
                found.append((abs(total - 2 * left), line))
        found.sort()
        for _, line in found:
            yield line

    def lay(self, page: MutablePage, first: cython.Py_ssize_t, last: cython.Py_ssize_t, header: bytes) -> None:
        """Give another page lines first..last (exclusive), stored against `header`, which goes into its tag 0.

        Raises as `MutablePage.fill`; the page is as it was then.
        """
        if not cython.compiled or first < 0 or last < first or last > self.count:
            page.fill([self.node(line) for line in range(first, last)], header)
            return
        source: MutablePage = self.page
        count: cython.Py_ssize_t = last - first + 1
        body: bytearray = bytearray(page.page_size)
        tags: bytearray = bytearray(_TAG * count)
        prefix: bytes = b"" if page._is_root() else header
        head: cython.Py_ssize_t = source._header + (get16(source.data, source.page_size - 2) & source._compact_mask)
        old: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, source.data))
        out: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, body))
        limit: cython.Py_ssize_t = page.page_size - page._header - _TAG * count
        top: cython.Py_ssize_t = len(header)
        line: cython.Py_ssize_t
        at: cython.Py_ssize_t
        common: cython.Py_ssize_t
        needed: cython.Py_ssize_t
        shared: cython.Py_ssize_t
        i: cython.Py_ssize_t
        flags: cython.int
        suffix: cython.p_uchar
        content: cython.p_uchar
        if top > limit:
            raise _unfit(page, top)
        store(body, 0, header, 0, top)
        put16(tags, _TAG * (count - 1), cython.cast(cython.int, top))
        for line in range(first, last):
            flags = self._open(line)
            common = self._common(line, prefix)
            shared = self._shared
            needed = self._key_size - common + self._rest + (4 if common else 2)
            if (not common and self._key_size > _LONGEST_KEY) or top + needed > limit:
                raise _unfit(page, top + needed)
            if line == self._own:
                suffix = cython.cast(cython.p_uchar, cython.cast(cython.p_char, self._key))
                content = cython.cast(cython.p_uchar, cython.cast(cython.p_char, self._data))
            else:
                suffix = old + source._suffix
                content = old + source._cut
            at = top
            if common:
                flags |= _COMPRESSED
                put16(body, at, cython.cast(cython.int, common))
                at += 2
            put16(body, at, cython.cast(cython.int, self._key_size - common))
            at += 2
            for i in range(common, self._key_size):
                out[at] = old[head + i] if i < shared else suffix[i - shared]
                at += 1
            for i in range(self._rest):
                out[at + i] = content[i]
            if page._large:
                out[top + 1] |= flags << 5
            put16(tags, _TAG * (last - 1 - line), cython.cast(cython.int, needed))
            put16(tags, _TAG * (last - 1 - line) + 2, cython.cast(cython.int, top if page._large else top | flags << 13))
            top += needed
        page.clear()
        image: bytearray = page.data
        image[page._header : page._header + top] = body[:top]
        image[page.page_size - _TAG * count :] = tags
        put16(image, 28, cython.cast(cython.int, limit - top))
        put16(image, 32, cython.cast(cython.int, top))
        put16(image, 34, (get16(image, 34) & 0x7000) | cython.cast(cython.int, count))


def _unfit(page: MutablePage, top: int) -> Exception:
    what = f"nodes of {top} bytes or more do not fit"
    return jet_error(codes.JET_errLogOperationInconsistentWithDatabase, what, page=page.pgno)
