"""One page of a database as lines for people: its header, its tags, its nodes."""

from __future__ import annotations

from collections.abc import Iterator

from esent.constants import codes
from esent.errors import jet_error
from esent.pages.checksum import PAGE_BAD, verify_run
from esent.pages.database_file import DatabaseFile
from esent.pages.page import (
    NODE_COMPRESSED,
    NODE_DELETED,
    NODE_VERSION,
    PAGE_EMPTY,
    PAGE_INDEX,
    PAGE_LEAF,
    PAGE_LONG_VALUE,
    PAGE_NEW_CHECKSUM_FORMAT,
    PAGE_NEW_RECORD_FORMAT,
    PAGE_NON_UNIQUE_KEYS,
    PAGE_PARENT_OF_LEAF,
    PAGE_PRE_INIT,
    PAGE_REPAIR,
    PAGE_ROOT,
    PAGE_SCRUBBED,
    PAGE_SPACE_TREE,
    Page,
)

_PAGE_FLAGS = (
    (PAGE_ROOT, "root"),
    (PAGE_LEAF, "leaf"),
    (PAGE_PARENT_OF_LEAF, "parent of leaf"),
    (PAGE_EMPTY, "empty"),
    (PAGE_REPAIR, "repaired"),
    (PAGE_SPACE_TREE, "space tree"),
    (PAGE_INDEX, "index"),
    (PAGE_LONG_VALUE, "long value"),
    (PAGE_NON_UNIQUE_KEYS, "non-unique keys"),
    (PAGE_NEW_RECORD_FORMAT, "new record format"),
    (PAGE_NEW_CHECKSUM_FORMAT, "new checksum format"),
    (PAGE_SCRUBBED, "scrubbed"),
    (PAGE_PRE_INIT, "not initialised"),
)
_NODE_FLAGS = ((NODE_VERSION, "versioned"), (NODE_DELETED, "deleted"), (NODE_COMPRESSED, "compressed"))
_SHOWN = 16  # bytes of a node's data


def read_page(file: DatabaseFile, pgno: int) -> tuple[Page, bool]:
    """A page as it is stored, and whether its checksum is right. JET_errBadPageLink: there is no such page."""
    if not 1 <= pgno <= file.page_count:
        raise jet_error(codes.JET_errBadPageLink, f"the database has {file.page_count} pages", file=file.path, page=pgno)
    data = file.read_pages(pgno, 1)
    sound = all(status != PAGE_BAD for _, status in verify_run(data, file.page_size, pgno))
    return Page(bytes(data), pgno), sound


def page_lines(file: DatabaseFile, pgno: int) -> Iterator[str]:
    """A page: header, then every tag."""
    page, sound = read_page(file, pgno)
    yield f"page {pgno} at offset {file.offset_of(pgno)}, checksum {'right' if sound else 'WRONG'}"
    yield f"dbtime {page.dbtime}, objid {page.objid}, previous {page.previous}, next {page.next}"
    yield f"free {page.free}, uncommitted {page.uncommitted_free}, end of data {page.mic_free}, tags {page.tag_count}"
    yield f"flags {page.flags:#x}: {_words(page.flags, _PAGE_FLAGS)}"
    if page.tag_count:
        yield f"tag 0: external header {page.external_header().hex() or '-'}, prefix {page.prefix.hex() or '-'}"
    for line in range(page.line_count):
        yield from node_lines(page, line)


def node_lines(page: Page, line: int, *, whole: bool = False) -> Iterator[str]:
    """A node of a page: the line of that number. JET_errInvalidParameter where there is none."""
    if not 0 <= line < page.line_count:
        raise jet_error(codes.JET_errInvalidParameter, f"line {line} of {page.line_count}", page=page.pgno)
    flags = page.node_flags(line)
    value = page.value(line)
    shown = value if whole else value[:_SHOWN]
    what = f"key {page.key(line).hex() or '-'}, {len(value)} bytes: {shown.hex()}{'...' if len(shown) < len(value) else ''}"
    if not page.is_leaf:
        what = f"key {page.key(line).hex() or '-'}, child {page.child(line)}"
    yield f"line {line}: {_words(flags, _NODE_FLAGS)}; {what}"


def _words(flags: int, names: tuple[tuple[int, str], ...]) -> str:
    return ", ".join(name for bit, name in names if flags & bit) or "-"
