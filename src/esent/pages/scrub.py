"""Bytes of a page that belong to no node: what was deleted lies there until something else takes its place."""

from __future__ import annotations

from esent.pages.edit import MutablePage

LARGE_HEADER_ABOVE = 8192


def scrub(page: MutablePage) -> bool:
    """Overwrite the free bytes of a page with zeros; its nodes stay what they are. False where they are zeros."""
    before = bytes(page.data)
    page.reorganise()
    begin = (80 if page.page_size > LARGE_HEADER_ABOVE else 40) + page.mic_free
    end = page.page_size - 4 * page.tag_count
    page.data[begin:end] = bytes(end - begin)
    return before != page.data
