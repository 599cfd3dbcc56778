"""A B+ tree as a reader sees it: descend, search, walk the leaves in key order.

Rules (`reference/database-format.md` 6.1-6.3): a tree is its root page and object id; every page of it carries that id; the
key of an internal node is an exclusive upper bound of what is below its child, the last node stands for everything above;
leaves are linked both ways, all on one depth.

Links are not believed: a page of another object, a leaf that does not point back, a path that returns to itself end in a
`JetError` that names the page. A walk needs no memory of the pages it has seen: as each leaf must point back to the one
before it and the first to none, a circle cannot close.
"""

from __future__ import annotations

from collections.abc import Iterator

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.pages.page import Page
from esent.tree.source import PageReader, PageSource

NODE_DELETED = 2
MAX_DEPTH = 32  # a page holds two nodes at the least, and there are fewer than 2**31 pages


class Tree:
    """One tree of a page source. `objid` 0 accepts the object id the root page has."""

    def __init__(self, source: PageSource | PageReader, root: int, objid: int = 0, *, keep: int = 0) -> None:
        self.reader = source if isinstance(source, PageReader) else PageReader(source, keep=keep)
        self.root = root
        self.objid = objid

    def root_page(self) -> Page:
        """Raises JET_errCatalogCorrupted where the page is not the root of this object."""
        page = self.reader.page(self.root)
        if not page.is_root or (self.objid and page.objid != self.objid):
            raise jet_error(
                codes.JET_errCatalogCorrupted, f"opening the tree of object {self.objid}: not its root page", page=self.root
            )
        return page

    def _child(self, parent: Page, line: int, objid: int, *, keep: bool) -> Page:
        pgno = parent.child(line)
        page = self.reader.page(pgno) if keep else self.reader.once(pgno)
        if page.objid != objid or page.is_root or page.is_space != parent.is_space or page.is_leaf != parent.is_parent_of_leaf:
            raise self._bad_parent(parent, pgno)
        return page

    def below(self, parent: Page) -> Iterator[Page]:
        """The pages an internal page points to, in key order. JET_errBadParentPageLink for one that is none of this tree."""
        for line in range(parent.line_count):
            yield self._child(parent, line, parent.objid, keep=False)

    def _bad_parent(self, parent: Page, child: int) -> JetError:
        return jet_error(
            codes.JET_errBadParentPageLink,
            f"descending in the tree at page {self.root}: page {child} is not a child of its parent",
            page=parent.pgno,
        )

    def _descend(self, key: bytes | None, last: bool = False) -> Page:
        """The leaf that holds `key`, or the first (last) leaf."""
        page = self.root_page()
        objid = page.objid
        for _ in range(MAX_DEPTH):
            if page.is_leaf:
                return page
            if page.line_count == 0:
                raise jet_error(codes.JET_errBadEmptyPage, f"descending in the tree at page {self.root}", page=page.pgno)
            line = page.line_count - 1 if last else 0 if key is None else page.branch(key)
            page = self._child(page, line, objid, keep=not page.is_parent_of_leaf or key is not None)
        raise self._bad_parent(page, page.pgno)

    def first_leaf(self) -> Page:
        return self._descend(None)

    def last_leaf(self) -> Page:
        return self._descend(None, last=True)

    def leaves(self, start: bytes | None = None) -> Iterator[Page]:
        """The leaf pages in key order, from the one where `start` belongs or from the first.

        Raises JET_errBadPageLink where the links between two leaves disagree, whatever the source raises for a page.
        """
        page = self._descend(start)
        first = page.pgno
        if start is None and page.previous:
            raise self._bad_link(page, page.previous)
        yield page
        while page.next:
            before, page = page, self.reader.once(page.next)
            if (
                page.previous != before.pgno
                or page.objid != before.objid
                or not page.is_leaf
                or page.is_root
                or page.pgno == first
            ):
                raise self._bad_link(before, page.pgno)
            yield page

    def _bad_link(self, page: Page, sibling: int) -> JetError:
        return jet_error(
            codes.JET_errBadPageLink,
            f"walking the tree at page {self.root}: the link to page {sibling} does not agree with that page",
            page=page.pgno,
        )

    def seek(self, key: bytes) -> tuple[Page, int, bool] | None:
        """The first entry, deleted or not, whose key is at least `key`: (page, line, equal), or None behind the last."""
        for page in self.leaves(key):
            line, exact = page.seek(key)
            if line < page.line_count:
                return page, line, exact
        return None

    def entries(self, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """(key, data) of all entries that are not deleted, from the first whose key is at least `start`."""
        for page in self.leaves(start):
            line = 0
            if start is not None:
                line, _ = page.seek(start)
                start = None if line < page.line_count else start
            for each in range(line, page.line_count):
                if not page.node_flags(each) & NODE_DELETED:
                    yield page.key(each), page.value(each)

    def first_from(self, key: bytes) -> tuple[bytes, bytes] | None:
        """(key, data) of the first entry that is not deleted and whose key is at least `key`."""
        page = self._descend(key)
        line, _ = page.seek(key)
        if line < page.line_count and not page.node_flags(line) & NODE_DELETED:
            return page.key(line), page.value(line)
        return next(self.entries(key), None)

    def find(self, key: bytes) -> bytes | None:
        """The data of the entry with exactly this key, None without one."""
        page = self._descend(key)
        line, exact = page.seek(key)
        if not exact and line >= page.line_count:  # the key may be the first of the next leaf
            found = self.seek(key)
            if found is None:
                return None
            page, line, exact = found
        if not exact or page.node_flags(line) & NODE_DELETED:
            return None
        return page.value(line)
