"""What of a page the log determines."""

from __future__ import annotations

from typing import Any

from esent.pages.edit import PAGE_FLUSH_TYPE, MutablePage

NEW_CHECKSUM = 0x2000  # set with the checksum, when a page is written


def comparable(image: bytes) -> tuple[Any, ...]:
    """Everything but the checksum and its format, the flush type and the places of nodes in the page."""
    page = MutablePage(image, 0)
    links = (page.dbtime, page.previous, page.next, page.objid, page.flags & ~(PAGE_FLUSH_TYPE | NEW_CHECKSUM))
    return links, page.external_header(), [page.raw_node(line) for line in range(page.line_count)]
