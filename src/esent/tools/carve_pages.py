"""Deleted rows in the pages of a database: flagged nodes, what lies between the nodes, and pages that no tree has any more.

A node that is deleted is first flagged. When it is removed its bytes stay until something is written over them: its tag is
taken away, the gap in the data remains; behind the last tag the slots of former tags remain, too. A page that is freed keeps
all of its content, and the object id of its tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from esent.errors import JetError
from esent.pages.page import Page, header_size
from esent.tools.carve_records import Confidence, Node, RecordTest
from esent.tree.cursor import NODE_DELETED

_SLOTS_MOST = 64  # former tags that are looked at
_GAP_LEAST = 8


class PageFind(NamedTuple):
    """A node on a page: how it was found, where on the page it begins, and how certain it is."""

    how: str
    offset: int
    key: bytes
    record: bytes
    confidence: Confidence
    open: bool = False  # where the last column ends is a guess


def deleted_nodes(page: Page, test: RecordTest | None, *, freed: bool) -> Iterator[PageFind]:
    """The nodes with the deleted flag; of a freed page all nodes. Without a test nothing is known of the record."""
    for line in range(page.line_count):
        if not freed and not page.node_flags(line) & NODE_DELETED:
            continue
        key, record = page.key(line), page.value(line)
        offset, _ = page.tag(line + page.first_tag)
        how = "freed page" if freed else "flagged"
        if test is None:
            yield PageFind(how, offset, key, record, Confidence.LOW)
        elif test.is_record(record):
            made = test.key_of(record)
            certain = Confidence.HIGH if made in (key, None) else Confidence.MEDIUM
            yield PageFind(how, offset, key, record, certain)


def slack_nodes(page: Page, test: RecordTest) -> Iterator[PageFind]:
    """Old nodes in the parts of a page that no tag is for."""
    taken: set[int] = set()
    gaps = list(_gaps(page))
    for node in _former_tags(page, gaps):
        certain = _confidence(test, node) if node.start not in taken else None
        if certain is not None:
            taken.add(node.start)
            yield PageFind("slack", node.start, node.key, node.record, certain, node.open)
    for low, high in gaps:
        reached = low
        for node in test.nodes(page.data, low, high, page.prefix):
            if node.start in taken or node.start < reached:
                continue
            certain = _confidence(test, node)
            if certain is not None:
                reached = node.start + len(node.record)
                yield PageFind("slack", node.start, node.key, node.record, certain, node.open)


def _confidence(test: RecordTest, node: Node) -> Confidence | None:
    """Of a node that nothing frames any more; None also where its text is none, as something was written over it."""
    certain = test.confidence(node)
    if certain is None:
        return None
    doubtful = test.uncertain(node.record) if node.open else ()
    return certain if test.is_sane(node.record, doubtful) else None


def _gaps(page: Page) -> Iterator[tuple[int, int]]:
    """The stretches between header and tags that belong to no tag."""
    used = []
    for index in range(page.tag_count):
        start, size = page.tag(index)
        if size:
            used.append((start, start + size))
    place = header_size(page.page_size)
    for start, end in sorted(used):
        if start - place >= _GAP_LEAST:
            yield place, start
        place = max(place, end)
    end = page.page_size - 4 * page.tag_count
    if end - place >= _GAP_LEAST:
        yield place, end


def _former_tags(page: Page, gaps: list[tuple[int, int]]) -> Iterator[Node]:
    """Nodes to which slots behind the last tag still point."""
    small = page.page_size <= 8192
    mask = 0x1FFF if small else 0x7FFF
    for index in range(page.tag_count, page.tag_count + _SLOTS_MOST):
        slot = page.page_size - 4 * (index + 1)
        if not gaps or slot < gaps[-1][0]:
            return
        size = int.from_bytes(page.data[slot : slot + 2], "little") & mask
        word = int.from_bytes(page.data[slot + 2 : slot + 4], "little")
        start = page.header_size + (word & mask)
        if size < _GAP_LEAST or not any(low <= start and start + size <= high for low, high in gaps):
            continue
        node = page.data[start : start + size]
        if not small:
            word = int.from_bytes(node[:2], "little")
        shared, rest = 0, 0
        if word & 0x8000:
            shared, rest = int.from_bytes(node[:2], "little") & 0x1FFF, 2
        length = int.from_bytes(node[rest : rest + 2], "little") & 0x1FFF
        begin = rest + 2
        if shared <= len(page.prefix) and begin + length < size:
            key = page.prefix[:shared] + node[begin : begin + length]
            # it was right once; what was written there since may have changed its end
            yield Node(start, key, node[begin + length :], open=True)


def page_of(data: bytes, pgno: int) -> Page | None:
    """The page in an image, None where it is none."""
    try:
        return Page(data, pgno)
    except JetError:
        return None


__all__ = ["PageFind", "deleted_nodes", "page_of", "slack_nodes"]
