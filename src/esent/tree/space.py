"""Which pages belong to a tree: space header, owned and available extents (read side).

Layout (`reference/database-format.md` 5.4, 7.2-7.4):

| structure        | content                                                                                             |
|------------------|-----------------------------------------------------------------------------------------------------|
| root header      | SPACE_HEADER alone (16 bytes), or u8 fields (1 space header, 2 autoincrement), then those present      |
| SPACE_HEADER     | u32 pages (first extent; with flag 4 the latest), u32 parent root, u32 flags, u32 bitmap or OwnExt root |
| flags            | 1 several extents, 2 tree is not unique, 4 meaning of the first field                                 |
| one extent       | bit i of the bitmap: page root + 1 + i is free; pages beyond root + 32 are free                        |
| extent node      | key: [0x80 + pool] u32 big-endian last page; data: i32 number of pages                                 |
| SPLIT_BUFFER     | of OwnExt and AvailExt roots: two times u32 last page, i32 pages                                      |

AvailExt is rooted in the page behind the OwnExt root.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.pages.page import Page
from esent.tree.cursor import Tree
from esent.tree.source import PageReader, PageSource

_HEADER = struct.Struct("<IIII")
_AUTOINCREMENT = struct.Struct("<Q")
_BUFFER = struct.Struct("<IiIi")
_LAST_PAGE = struct.Struct(">I")
_PAGES = struct.Struct("<i")

FLAG_MULTIPLE = 0x01
FLAG_NON_UNIQUE = 0x02
FLAG_LAST_EXTENT = 0x04
FIELD_SPACE = 0x01
FIELD_AUTOINCREMENT = 0x02
BITMAP_PAGES = 32
AUTOINCREMENT_ROOM = 1 + _AUTOINCREMENT.size  # more that the external header of a root takes with a number in it


class SpaceHeader(NamedTuple):
    """The external header of a data-tree root. `pages`: size of the first (`latest`: of the latest) extent."""

    pages: int
    parent: int
    multiple: bool
    non_unique: bool
    latest: bool
    word: int  # bitmap of free pages, or with several extents the root of OwnExt
    autoincrement: int | None  # highest number reserved for the autoincrement column, if kept here


class Extent(NamedTuple):
    """The pages `first`..`last`; `pool` 0 general, 1 continuous, 2 shelved."""

    first: int
    last: int
    pool: int = 0

    @property
    def pages(self) -> int:
        return self.last - self.first + 1


def parse_space_header(data: bytes, pgno: int = 0) -> SpaceHeader:
    """The space header in the external header of a root page. Raises JET_errDatabaseCorrupted."""
    autoincrement = None
    place = 0
    if len(data) != _HEADER.size:
        fields = data[0] if data else 0
        place = 1
        if not fields & FIELD_SPACE or len(data) < place + _HEADER.size:
            raise jet_error(codes.JET_errDatabaseCorrupted, "reading a space header", page=pgno)
        if fields & FIELD_AUTOINCREMENT:
            if len(data) < place + _HEADER.size + _AUTOINCREMENT.size:
                raise jet_error(codes.JET_errDatabaseCorrupted, "reading the autoincrement mark of a root page", page=pgno)
            (autoincrement,) = _AUTOINCREMENT.unpack_from(data, place + _HEADER.size)
    pages, parent, flags, word = _HEADER.unpack_from(data, place)
    return SpaceHeader(
        pages,
        parent,
        bool(flags & FLAG_MULTIPLE),
        bool(flags & FLAG_NON_UNIQUE),
        bool(flags & FLAG_LAST_EXTENT),
        word,
        autoincrement,
    )


def autoincrement_of(data: bytes) -> int | None:
    """The highest number reserved for the auto-increment column, from the external header of the root of a table."""
    if len(data) in (0, _HEADER.size) or not data[0] & FIELD_AUTOINCREMENT:
        return None
    place = 1 + (_HEADER.size if data[0] & FIELD_SPACE else 0)
    if len(data) < place + _AUTOINCREMENT.size:
        return None
    number: int = _AUTOINCREMENT.unpack_from(data, place)[0]
    return number


def with_autoincrement(data: bytes, number: int) -> bytes:
    """The external header of the root of a table with another highest number reserved, in the form that has a place for it."""
    place = 0 if len(data) == _HEADER.size else 1
    fields = FIELD_SPACE | FIELD_AUTOINCREMENT | (data[0] if place else 0)
    behind = place + _HEADER.size
    rest = data[behind + _AUTOINCREMENT.size :] if place and data[0] & FIELD_AUTOINCREMENT else data[behind:]
    return bytes((fields,)) + data[place:behind] + _AUTOINCREMENT.pack(number) + rest


def space_header(source: PageSource | PageReader, root: int, objid: int = 0) -> SpaceHeader:
    return parse_space_header(Tree(source, root, objid).root_page().external_header(), root)


def owned_extents(source: PageSource | PageReader, root: int, objid: int = 0) -> Iterator[Extent]:
    """The extents a tree owns, what its children own included. Raises JET_errSPOwnExtCorrupted."""
    page = Tree(source, root, objid).root_page()
    header = parse_space_header(page.external_header(), root)
    if header.multiple:
        yield from _extents(source, header.word, page.objid, codes.JET_errSPOwnExtCorrupted)
    else:
        yield Extent(root, root + max(header.pages, 1) - 1)


def available_extents(source: PageSource | PageReader, root: int, objid: int = 0) -> Iterator[Extent]:
    """The extents of a tree that nothing uses. Raises JET_errSPAvailExtCorrupted."""
    page = Tree(source, root, objid).root_page()
    header = parse_space_header(page.external_header(), root)
    if header.multiple:
        yield from _extents(source, header.word + 1, page.objid, codes.JET_errSPAvailExtCorrupted)
        return
    first = 0
    for number in range(1, min(header.pages, BITMAP_PAGES + 1)):
        if header.word >> (number - 1) & 1:
            first = first or root + number
        elif first:
            yield Extent(first, root + number - 1)
            first = 0
    if header.pages > BITMAP_PAGES + 1:
        first = first or root + BITMAP_PAGES + 1
    if first:
        yield Extent(first, root + header.pages - 1)


def split_buffer(page: Page) -> list[Extent]:
    """The extents set aside for splits of a space tree, from the external header of its root page."""
    data = page.external_header()
    if len(data) < _BUFFER.size:
        return []
    words = _BUFFER.unpack_from(data)
    return [Extent(words[i] - words[i + 1] + 1, words[i]) for i in (0, 2) if 0 < words[i + 1] <= words[i]]


def _extents(source: PageSource | PageReader, root: int, objid: int, code: int) -> Iterator[Extent]:
    tree = Tree(source, root, objid)
    if not tree.root_page().is_space:
        raise jet_error(code, "reading a space tree: not the root of one", page=root)
    for key, data in tree.entries():
        extent = _extent(key, data, root, code)
        if extent is not None:
            yield extent


def _extent(key: bytes, data: bytes, root: int, code: int) -> Extent | None:
    pool = 0
    if len(key) == _LAST_PAGE.size + 1:
        pool = key[0] - 0x80
        key = key[1:]
    if pool < 0 or len(key) != _LAST_PAGE.size or len(data) < _PAGES.size:
        raise _bad_extent(root, code)
    (last,) = _LAST_PAGE.unpack(key)
    (pages,) = _PAGES.unpack_from(data)
    if pages == 0:
        return None  # a mark of its pool without pages
    if pages < 0 or pages > last:
        raise _bad_extent(root, code)
    return Extent(last - pages + 1, last, pool)


def _bad_extent(root: int, code: int) -> JetError:
    return jet_error(code, "reading a space tree: an entry is not an extent", page=root)
