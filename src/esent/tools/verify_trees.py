"""Verification of the trees of a database: every page reached, its links and bounds, and who owns which page.

Rules (`reference/database-format.md` 6.1 to 6.3, 7.1 to 7.4): all leaves on one depth, linked in key order; separators bound
what lies below them; one object id and one class of flags a tree; no empty leaf but a root; each page in one place only; owned
extents within those of the parent and apart from those of other trees; available extents owned and not in use; the record of
each index entry is there.

The roots come from the rows of MSysObjects: ObjidTable u32 at 4 of the record, Type u16 at 8, Id u32 at 10, root u32 at 14, and
the name, the first variable column.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from esent.constants import codes
from esent.errors import JetError
from esent.pages.checksum import PAGE_BAD
from esent.pages.database_file import DatabaseFile
from esent.pages.header import DatabaseHeader
from esent.pages.page import NODE_DELETED, PAGE_INDEX, PAGE_LONG_VALUE, PAGE_NON_UNIQUE_KEYS, PAGE_SPACE_TREE, Page
from esent.tree.space import parse_space_header, split_buffer

# one byte a page: the checksum status in the low bits, then what else is known
STATUS = 0x03
DAMAGED = 0x04
USED = 0x08
AVAILABLE = 0x10
TABLE_OWNED = 0x20
CHILD_OWNED = 0x40

_CLASS = PAGE_SPACE_TREE | PAGE_INDEX | PAGE_LONG_VALUE | PAGE_NON_UNIQUE_KEYS
_DATABASE_ROOT = 1
_DATABASE_OBJID = 1
_CATALOG_ROOT = 4
_CATALOG_OBJID = 2
_SHADOW_OBJID = 3
_TYPE_TABLE = 1
_TYPE_INDEX = 3
_TYPE_LONG_VALUE = 4
_ROW_SIZE = 18
_FIRST_VARIABLE = 128
_SHELVED = 2
_DEPTH = 32
_KEPT_PAGES = 512
_RESERVED_DBTIME = 0xFFFFFFFFFFFFFFFB
_MOST_PAGES = 0x7FFFFFFF

_SETS = {bit: bytes(value | bit for value in range(256)) for bit in (USED, AVAILABLE, TABLE_OWNED, CHILD_OWNED)}
_USED_OR_AVAILABLE = bytes(int(value & (USED | AVAILABLE) != 0) for value in range(256))
_TESTS = {bit: bytes(int(value & bit != 0) for value in range(256)) for bit in (USED, AVAILABLE, TABLE_OWNED, CHILD_OWNED)}


class _Root(NamedTuple):
    """A tree as the catalog has it."""

    pgno: int
    objid: int
    kind: int
    name: str


class _Extents:
    """Disjoint spans of pages, in order."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self.firsts: list[int] = []
        self.lasts: list[int] = []
        for first, last in sorted(spans):
            if self.lasts and first <= self.lasts[-1] + 1:
                self.lasts[-1] = max(self.lasts[-1], last)
            else:
                self.firsts.append(first)
                self.lasts.append(last)

    def holds(self, first: int, last: int) -> bool:
        place = bisect_right(self.firsts, first) - 1
        return place >= 0 and last <= self.lasts[place]


class TreeVerifier:
    """Walks all trees of `source`. `state` (a byte a page) is read and marked; what is wrong goes to `find(page, text)`."""

    def __init__(
        self,
        source: DatabaseFile,
        header: DatabaseHeader,
        state: bytearray,
        count: int,
        find: Callable[[int | None, str], None],
        advance: Callable[[int], None],
        *,
        references: bool = True,
    ) -> None:
        # what index entries point to says nothing in a file whose pages are of different times
        self.references = references and header.is_clean
        self.source = source
        self.header = header
        self.state = state
        self.count = count
        self.find = find
        self.advance = advance
        self.notes: list[str] = []
        self.trees = 0
        self.last_owned = 0
        self.pages_used = 0
        self.pages_available = 0
        self.pages_leaked = 0
        self.complete = True
        self.unreadable: dict[int, str] = {}  # page and what it belongs to
        self._contents: dict[int, bytes] = {}
        self._walked: set[int] = set()

    def run(self) -> None:
        database = _Root(_DATABASE_ROOT, _DATABASE_OBJID, _TYPE_TABLE, "the database")
        everything = self._tree(database, None, 0, None)
        if everything is None:
            return
        self.last_owned = everything.lasts[-1] if everything.lasts else 0
        rows: list[tuple[int, _Root]] = []
        catalog = _Root(_CATALOG_ROOT, _CATALOG_OBJID, _TYPE_TABLE, "table MSysObjects")
        owned: dict[int, tuple[int, _Extents | None]] = {}
        owned[_CATALOG_OBJID] = _CATALOG_ROOT, self._tree(catalog, everything, _DATABASE_ROOT, rows)
        for _, root in rows:
            if root.kind != _TYPE_TABLE or root.objid == _CATALOG_OBJID:
                continue
            if root.pgno in self._walked:
                self.find(root.pgno, f"{root.name} has the root page of another tree")
            else:
                owned[root.objid] = root.pgno, self._tree(root, everything, _DATABASE_ROOT, None)
        for table, root in rows:
            if root.kind == _TYPE_TABLE:
                continue
            if table not in owned:
                self.find(root.pgno, f"{root.name} belongs to table {table}, which the catalog does not have")
                continue
            parent, extents = owned[table]
            if root.pgno in self._walked:
                # the primary index is the table itself
                if root.pgno != parent:
                    self.find(root.pgno, f"{root.name} has the root page of another tree")
            else:
                self._tree(root, extents, parent, None, records=parent if root.kind == _TYPE_INDEX else 0)
        self._compare_shadow()
        self._count_leaks(everything)

    def _compare_shadow(self) -> None:
        ours, shadow = self._contents.get(_CATALOG_OBJID), self._contents.get(_SHADOW_OBJID)
        if ours is None or shadow is None or ours == shadow or not self.complete:
            return
        if self.header.is_shadowed:
            self.find(None, "the shadow catalog (MSysObjectsShadow) differs from the catalog")
        else:
            self.notes.append("the shadow catalog differs from the catalog; shadowing is turned off in this database")

    def _count_leaks(self, everything: _Extents) -> None:
        marks = self.state.translate(_TESTS[AVAILABLE])
        self.pages_available = marks.count(1)
        if not self.complete:
            return
        taken = self.state.translate(_USED_OR_AVAILABLE)
        for first, last in zip(everything.firsts, everything.lasts, strict=True):
            last = min(last, self.count)
            if first <= last:
                self.pages_leaked += taken.count(0, first, last + 1)

    # ---- one tree: its space, then its pages

    def _tree(
        self,
        root: _Root,
        within: _Extents | None,
        parent: int,
        rows: list[tuple[int, _Root]] | None,
        *,
        records: int = 0,
    ) -> _Extents | None:
        """Verify a tree. `within`: what the parent owns (None: not known, or this is the database itself); `rows` takes the
        trees that the rows of this one stand for; `records`: the root of the table whose records the entries point to."""
        self._walked.add(root.pgno)
        self.trees += 1
        page = self._read(root.pgno, root.name)
        if page is None:
            return None
        if not page.is_root or page.is_space:
            self.find(root.pgno, f"the root of {root.name} is not a root page")
            self.complete = False
            return None
        if page.objid != root.objid:
            self.find(root.pgno, f"the root of {root.name} has object id {page.objid}, not {root.objid}")
        wanted = {_TYPE_INDEX: PAGE_INDEX, _TYPE_LONG_VALUE: PAGE_LONG_VALUE}.get(root.kind, 0)
        if page.flags & (PAGE_INDEX | PAGE_LONG_VALUE) != wanted:
            self.find(root.pgno, f"the root of {root.name} is a page of another kind (flags {page.flags:#x})")
        owned = self._space(root, page, within, parent)
        digest = hashlib.sha256() if root.objid in (_CATALOG_OBJID, _SHADOW_OBJID) and root.kind == _TYPE_TABLE else None
        lookup = _Lookup(self.source, records) if records and self.references else None

        def each(leaf: Page) -> None:
            for flags, key, value in leaf.entries():
                if flags & NODE_DELETED:
                    continue
                if digest is not None:
                    digest.update(b"%d %d " % (len(key), len(value)) + key + value)
                if rows is not None:
                    row = _catalog_row(value)
                    if row is not None:
                        rows.append(row)

        pages = _Walk(self, root.pgno, page.objid, page.flags & _CLASS, root.name, owned)
        pages.run(each if digest is not None else lookup.check if lookup else None)
        if lookup and lookup.missing:
            text = f"{root.name}: entries that point to records that do not exist: {lookup.missing}"
            self.find(lookup.first_missing, text)
        if digest is not None and pages.complete:
            self._contents[root.objid] = digest.digest()
        return owned

    def _space(self, root: _Root, page: Page, within: _Extents | None, parent: int) -> _Extents | None:
        """Owned and available pages of a tree; what it owns, or None where that cannot be told."""
        try:
            header = parse_space_header(page.external_header(), root.pgno)
        except JetError as problem:
            self.find(root.pgno, f"{root.name}: {problem.message}")
            self.complete = False
            return None
        if header.parent != parent:
            self.find(root.pgno, f"{root.name} says that its space comes from page {header.parent}, not {parent}")
        if header.non_unique == page.has_unique_keys:
            self.find(root.pgno, f"space header and page flags of {root.name} disagree on whether keys are unique")
        spans: list[tuple[int, int]]
        if header.multiple:
            found = self._space_tree(header.word, page, f"OwnExt of {root.name}")
            free = self._space_tree(header.word + 1, page, f"AvailExt of {root.name}")
            if found is None or free is None:
                return None
            spans = found
        else:
            spans = [(root.pgno, root.pgno + max(1, min(header.pages, _MOST_PAGES)) - 1)]
            free = _bitmap_spans(root.pgno, header.pages, header.word)
        spans.sort()
        for (_, before), (first, _) in pairwise(spans):
            if first <= before:
                self.find(first, f"{root.name} owns page {first} twice")
        owned = _Extents(spans)
        if parent:
            self._claim(root, spans, within, parent)
        for first, last in free:
            if not owned.holds(first, last):
                self.find(first, f"{root.name} has pages {first} to {last} as available, which it does not own")
            both = self._mark(first, last, AVAILABLE, (USED, AVAILABLE))
            if both:
                self.find(both, f"{root.name} has page {both} as available, which is in use or available elsewhere")
        return owned

    def _claim(self, root: _Root, spans: list[tuple[int, int]], within: _Extents | None, parent: int) -> None:
        level = TABLE_OWNED if parent == _DATABASE_ROOT else CHILD_OWNED
        for first, last in spans:
            if within is not None and not within.holds(first, last):
                self.find(first, f"{root.name} owns pages {first} to {last}, which its parent does not own")
            taken = self._mark(first, last, level, (level, AVAILABLE))
            if taken:
                self.find(taken, f"{root.name} owns page {taken}, which another tree owns or has as available")

    def _mark(self, first: int, last: int, bit: int, against: tuple[int, ...]) -> int:
        """Set `bit` for pages in the file; the first page that has one of the bits `against` already, or 0."""
        first, last = max(1, first), min(last, self.count)
        if first > last:
            return 0
        part = self.state[first : last + 1]
        found = [place for place in (part.translate(_TESTS[other]).find(1) for other in against) if place >= 0]
        self.state[first : last + 1] = part.translate(_SETS[bit])
        return first + min(found) if found else 0

    def _space_tree(self, pgno: int, owner: Page, name: str) -> list[tuple[int, int]] | None:
        root = self._read(pgno, name)
        if root is None:
            return None
        if not root.is_root or not root.is_space:
            self.find(pgno, f"the root of {name} is not the root of a space tree")
            self.complete = False
            return None
        spans: list[tuple[int, int]] = []
        available = name.startswith("Avail")

        def each(leaf: Page) -> None:
            for line, (flags, key, value) in enumerate(leaf.entries()):
                if flags & NODE_DELETED:
                    continue
                pool = key[0] - 0x80 if len(key) == 5 else 0
                last = int.from_bytes(key[-4:], "big")
                pages = int.from_bytes(value, "little", signed=True)
                if (
                    len(key) not in (4, 5)
                    or len(value) != 4
                    or pages < 0
                    or pages > last
                    or (pages == 0 and pool == 0)
                    or pool < 0
                ):
                    self.find(leaf.pgno, f"line {line} of {name} is no extent")
                elif pages and pool != _SHELVED:
                    spans.append((last - pages + 1, last))

        walk = _Walk(self, pgno, owner.objid, owner.flags & _CLASS | PAGE_SPACE_TREE, name, None)
        walk.run(each)
        if not walk.complete:
            return None
        if available:
            return spans
        for extent in split_buffer(root):
            self._mark(extent.first, extent.last, USED, ())
        return spans

    # ---- pages

    def _read(self, pgno: int, name: str, parent: int = 0) -> Page | None:
        """Page `pgno`, or None where it cannot be used, which then is known to the report."""
        reached = f", reached from page {parent}" if parent else ""
        if not 1 <= pgno <= self.count:
            self.find(parent or None, f"{name} points to page {pgno}, which the file does not have")
            self.complete = False
            return None
        try:
            return Page(self.source.read_page(pgno), pgno)
        except JetError as problem:
            self.complete = False
            self.state[pgno] |= USED
            self.unreadable[pgno] = f"{name}{reached}"
            if problem.code == codes.JET_errPageNotInitialized:
                self.find(pgno, f"{name}{reached} cannot be followed: the page was never written")
            elif not self.state[pgno] & DAMAGED and self.state[pgno] & STATUS != PAGE_BAD:
                self.find(pgno, f"{name}{reached} cannot be followed: {problem.message}")
            return None

    def use(self, pgno: int, name: str, parent: int) -> bool:
        """Take a page for a tree; False if it is taken already."""
        value = self.state[pgno]
        if value & USED:
            self.find(pgno, f"{name} reaches the page a second time (from page {parent})")
            self.complete = False
            return False
        if value & AVAILABLE:
            self.find(pgno, f"the page is in use by {name} and listed as available")
        self.state[pgno] = value | USED
        self.pages_used += 1
        if not self.pages_used & 0x3FF:
            self.advance(self.pages_used)
        return True


class _Walk:
    """One walk through all pages of a tree, in key order."""

    def __init__(self, verifier: TreeVerifier, root: int, objid: int, kind: int, name: str, owned: _Extents | None) -> None:
        self.verifier = verifier
        self.root = root
        self.objid = objid
        self.kind = kind
        self.name = name
        self.owned = owned
        self.complete = True
        self._with_data = bool(kind & PAGE_NON_UNIQUE_KEYS) and not kind & PAGE_SPACE_TREE
        self._leaf_depth = 0
        self._left: Page | None = None
        self._links_known = True

    def run(self, each: Callable[[Page], None] | None) -> None:
        stack: list[tuple[int, bytes, bytes | None, int, Page | None]] = [(self.root, b"", None, 1, None)]
        while stack:
            pgno, low, high, depth, parent = stack.pop()
            page = self._page(pgno, parent)
            if page is None:
                self.complete = False
                self._links_known = False
                continue
            self._check(page, low, high, depth, parent)
            if page.is_leaf:
                self._leaf(page, depth)
                if each is not None:
                    each(page)
            else:
                stack.extend(self._children(page, low, high, depth))
        if self._left is not None and self._links_known and self._left.next:
            self._find(self._left.pgno, f"the last leaf has page {self._left.next} as its right neighbour")

    def _find(self, page: int, text: str) -> None:
        self.verifier.find(page, f"{self.name}: {text}")

    def _page(self, pgno: int, parent: Page | None) -> Page | None:
        number = parent.pgno if parent else 0
        if 1 <= pgno <= self.verifier.count and not self.verifier.use(pgno, self.name, number):
            return None
        return self.verifier._read(pgno, self.name, number)

    def _check(self, page: Page, low: bytes, high: bytes | None, depth: int, parent: Page | None) -> None:
        pgno = page.pgno
        if page.objid != self.objid:
            self._find(pgno, f"object id {page.objid} in the tree of object {self.objid}")
        if page.flags & _CLASS != self.kind:
            self._find(pgno, f"a page of another kind (flags {page.flags:#x})")
        if page.is_root != (parent is None):
            self._find(pgno, "a root page below the root" if parent else "the root is not marked as one")
        if page.is_empty or page.is_pre_init:
            self._find(pgno, "an emptied page or one not yet filled")
        if parent is not None and parent.is_parent_of_leaf != page.is_leaf:
            self._find(pgno, "the parent page has another opinion on whether this is a leaf")
        if not page.is_leaf and (page.previous or page.next):
            self._find(pgno, "an internal page with neighbours")
        if self.owned is not None and not self.owned.holds(pgno, pgno):
            self._find(pgno, "the page is in use, but not owned by the tree")
        header = self.verifier.header
        if header.is_clean and header.dbtime_dirtied < page.dbtime < _RESERVED_DBTIME:
            self._find(pgno, f"dbtime {page.dbtime:#x} is greater than that of the database, {header.dbtime_dirtied:#x}")
        if not page.line_count:
            if parent is not None or not page.is_leaf:
                self._find(pgno, "a page without nodes")
            return
        first, last = self._bookmark(page, 0), self._bookmark(page, page.line_count - 1)
        # an only separator may be empty: infinity
        infinite = not page.is_leaf and not first and page.line_count == 1
        if not infinite and (first < low or (not page.is_leaf and low and first == low)):
            self._find(pgno, "keys below the bound that the parent sets")
        if page.is_leaf and high is not None and last >= high:
            self._find(pgno, "keys above the bound that the parent sets")
        if not page.is_leaf:
            if high is None and last:
                self._find(pgno, "the last key on the right edge of the tree is not empty")
            elif high is not None and last != high:
                self._find(pgno, "the last separator is not the bound that the parent sets")

    def _bookmark(self, page: Page, line: int) -> bytes:
        if self._with_data and page.is_leaf:
            return page.key(line) + page.value(line)
        return page.key(line)

    def _leaf(self, page: Page, depth: int) -> None:
        if not self._leaf_depth:
            self._leaf_depth = depth
            if self._links_known and page.previous:
                self._find(page.pgno, f"the first leaf has page {page.previous} as its left neighbour")
        elif depth != self._leaf_depth:
            self._find(page.pgno, f"a leaf on level {depth} beside leaves on level {self._leaf_depth}")
        left = self._left
        if left is not None and self._links_known:
            if page.previous != left.pgno:
                self._find(page.pgno, f"the left neighbour is page {left.pgno}, the page says {page.previous}")
            if left.next != page.pgno:
                self._find(left.pgno, f"the right neighbour is page {page.pgno}, the page says {left.next}")
        self._left = page
        self._links_known = True

    def _children(
        self, page: Page, low: bytes, high: bytes | None, depth: int
    ) -> list[tuple[int, bytes, bytes | None, int, Page | None]]:
        """What is to be walked below an internal page, the last child first."""
        if depth >= _DEPTH:
            self._find(page.pgno, f"the tree is deeper than {_DEPTH} levels")
            self.complete = self.verifier.complete = False
            return []
        children: list[tuple[int, bytes, bytes | None, int, Page | None]] = []
        below = low
        for line in range(page.line_count):
            upper: bytes | None = page.key(line)
            if not upper and line == page.line_count - 1:
                upper = high
            try:
                child = page.child(line)
            except JetError as problem:
                self._find(page.pgno, problem.message)
                self.complete = self.verifier.complete = False
            else:
                children.append((child, below, upper, depth + 1, page))
            below = upper or below
        children.reverse()
        return children


class _Lookup:
    """Whether the records are there that the entries of an index point to; a bounded number of pages is kept."""

    def __init__(self, source: DatabaseFile, root: int) -> None:
        self.missing = 0
        self.first_missing = 0  # page of the index
        self._source = source
        self._root = root
        self._pages: dict[int, Page] = {}

    def check(self, leaf: Page) -> None:
        for flags, _, bookmark in leaf.entries():
            if not flags & NODE_DELETED and not self._exists(bookmark):
                self.missing += 1
                self.first_missing = self.first_missing or leaf.pgno

    def _exists(self, bookmark: bytes) -> bool:
        """True also where damage, which was found already, is in the way."""
        pgno = self._root
        try:
            for _ in range(_DEPTH):
                page = self._page(pgno)
                line, exact = page.seek(bookmark)
                if page.is_leaf:
                    return exact
                pgno = page.child(line + exact)
        except JetError:
            return True
        return True

    def _page(self, pgno: int) -> Page:
        page = self._pages.get(pgno)
        if page is None:
            if len(self._pages) >= _KEPT_PAGES:
                del self._pages[next(iter(self._pages))]
            page = self._pages[pgno] = Page(self._source.read_page(pgno), pgno)
        return page


def _catalog_row(record: bytes) -> tuple[int, _Root] | None:
    """(object id of the table, tree) of a catalog record that stands for a tree."""
    if len(record) < _ROW_SIZE:
        return None
    kind = int.from_bytes(record[8:10], "little")
    if kind not in (_TYPE_TABLE, _TYPE_INDEX, _TYPE_LONG_VALUE):
        return None
    table = int.from_bytes(record[4:8], "little")
    objid = int.from_bytes(record[10:14], "little")
    pgno = int.from_bytes(record[14:18], "little")
    variable = int.from_bytes(record[2:4], "little")
    name = b""
    if record[1] >= _FIRST_VARIABLE:
        start = variable + 2 * (record[1] - _FIRST_VARIABLE + 1)
        name = record[start : start + (int.from_bytes(record[variable : variable + 2], "little") & 0x7FFF)]
    word = {_TYPE_TABLE: "table", _TYPE_INDEX: "index"}.get(kind, "long values of object")
    text = name.decode("cp1252", "replace") if kind != _TYPE_LONG_VALUE else str(table)
    return table, _Root(pgno, objid, kind, f"{word} {text or objid}")


def _bitmap_spans(root: int, pages: int, bitmap: int) -> list[tuple[int, int]]:
    """The free pages of a tree of one extent: a bit for each of the first 32 behind the root, all beyond."""
    spans = [(root + 1 + bit, root + 1 + bit) for bit in range(min(pages - 1, 32)) if bitmap >> bit & 1]
    if pages > 33:
        spans.append((root + 33, root + min(pages, _MOST_PAGES) - 1))
    return spans
