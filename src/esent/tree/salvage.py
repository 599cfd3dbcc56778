"""A B+ tree as far as damage has left it: every entry that can be found, in key order, once.

The way down the tree says which keys are below each page. Where a page cannot be read there is a hole of known bounds; it
is filled with leaves of the same object id that no page points to. Two rules decide what counts:

- If the links from the leaf before the hole lead over such leaves to the leaf behind it, these are the leaves, all of them.
- Otherwise every such leaf counts with what it has of keys inside of the hole.

Entries of one key: that on the page with the newest dbtime. An entry outside of the bounds of its leaf (pages of a dirty
file were not written together) counts unless the leaf it belongs to is newer and has it not. Pages emptied by a merge never
count, nor, in a database that was closed well, pages that the tree's space says are free.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.pages.page import PAGE_INDEX, PAGE_LONG_VALUE, Page
from esent.tree.cursor import MAX_DEPTH, NODE_DELETED, Tree
from esent.tree.source import PageReader, PageSource
from esent.tree.space import Extent
from esent.tree.survey import PageSurvey

_WINDOW_MOST = 50_000  # entries kept for sorting where the leaves of a hostile file all overlap
_CHAIN_STARTS_MOST = 16
_CLASS = PAGE_INDEX | PAGE_LONG_VALUE
_UNREADABLE = frozenset({codes.JET_errReadVerifyFailure, codes.JET_errPageNotInitialized, codes.JET_errFileIOBeyondEOF})

Entry = tuple[int, bytes, bytes]
"""(flags, key, data) of a node."""


@dataclass(slots=True, eq=False)
class Damage:
    """A page that could not be followed. Missing are at most the entries with `low` <= key < `high` (None: no end).

    `complete`: nothing is missing, the leaves below it were all found by their links. `leaves_found`: leaves that stand in.
    """

    page: int
    error: JetError
    low: bytes
    high: bytes | None
    complete: bool = False
    leaves_found: int = 0


class Batch(NamedTuple):
    """Entries in key order, deleted ones included; `page` is where they, or the last of them, come from."""

    page: int
    entries: list[Entry]


class _Orphan(NamedTuple):
    first: bytes
    last: bytes
    pgno: int
    previous: int
    next: int


class _Leaf(NamedTuple):
    """A leaf with its bounds; `home` is false for one that only fills a hole."""

    page: Page
    low: bytes
    high: bytes | None
    home: bool


class _Node(NamedTuple):
    place: bytes
    entry: Entry
    dbtime: int
    page: int


@dataclass(slots=True)
class _Window:
    """Entries that may still be overtaken by those of the next leaf, and the bounds of the leaf they come from."""

    nodes: list[_Node]
    low: bytes
    high: bytes | None
    dbtime: int
    home: bool


def _place(page: Page, key: bytes, data: bytes) -> bytes:
    """What orders the entries of a tree: the key, in a tree that is not unique the data too."""
    return key if page.has_unique_keys else key + data


def _place_of(page: Page, line: int) -> bytes:
    return _place(page, page.key(line), page.value(line))


class SalvagedTree(Tree):
    """A tree of a damaged file, read like any other.

    `damages`: what was met so far. `survey` finds leaves that nothing points to, `free` the extents that do not count for
    them; `report` is told each `Damage` once. `class_flags`: PAGE_INDEX or PAGE_LONG_VALUE where the tree is one. `fill` gives
    the entries (key, data) between two
    keys from elsewhere, in place of leaves without a parent.
    """

    def __init__(
        self,
        source: PageSource | PageReader,
        root: int,
        objid: int,
        *,
        survey: Callable[[], PageSurvey] | None = None,
        free: Callable[[], list[Extent]] | None = None,
        report: Callable[[Damage], None] | None = None,
        class_flags: int = 0,
        fill: Callable[[bytes, bytes | None], Iterable[tuple[bytes, bytes]]] | None = None,
        keep: int = 0,
    ) -> None:
        super().__init__(source, root, objid, keep=keep)
        self._survey = survey
        self._free = free
        self._tell = report
        self._class_flags = class_flags
        self._fill_elsewhere = fill
        self.damages: list[Damage] = []
        self._reported: set[int] = set()
        self._assessed = False
        self._orphans: dict[int, _Orphan] | None = None
        self._by_first: list[_Orphan] = []
        self._reach: list[bytes] = []  # the highest key of this one and all before it

    # ---- what is there ----------------------------------------------------------------------------------------------

    def batches(self, start: bytes | None = None) -> Iterator[Batch]:
        """All entries in key order, from the leaf where `start` belongs. Never raises for what is in the file."""
        window: _Window | None = None
        floor = b""
        some = False
        for item in self._walk(start):
            if isinstance(item, Damage):
                if start is None:
                    self._note(item)
                else:
                    self._assess()
                if self._fill_elsewhere is None:
                    continue
                found = [(0, key, data) for key, data in self._fill_elsewhere(item.low, item.high)]
                if found:
                    if window is not None:
                        yield from self._emit(window.nodes)
                        window = None
                    yield Batch(item.page, found)
                continue
            nodes = _nodes(item)
            if not nodes:
                continue
            if window is None or not window.nodes:
                ready: list[_Node] = []
                window = _Window(nodes, item.low, item.high, item.page.dbtime, item.home)
            elif _disjoint(window, item, nodes):
                ready, window = window.nodes, _Window(nodes, item.low, item.high, item.page.dbtime, item.home)
            else:
                ready, window = _merged(window, item, nodes)
            if some and ready and ready[0].place <= floor:
                ready = [node for node in ready if node.place > floor]
            if ready:
                floor, some = ready[-1].place, True
                yield from self._emit(ready)
        if window is not None:
            yield from self._emit([node for node in window.nodes if not some or node.place > floor])

    @staticmethod
    def _emit(nodes: list[_Node]) -> Iterator[Batch]:
        if nodes:
            yield Batch(nodes[-1].page, [node.entry for node in nodes])

    def entries(self, start: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        for batch in self.batches(start):
            for flags, key, data in batch.entries:
                if not flags & NODE_DELETED and (start is None or key >= start):
                    yield key, data

    def first_from(self, key: bytes) -> tuple[bytes, bytes] | None:
        """The first entry whose key is at least `key`."""
        return next(self.entries(key), None)

    def find(self, key: bytes) -> bytes | None:
        """The data of the entry with exactly this key, None without one, or where it is lost."""
        newest = -1
        found: bytes | None = None
        for page in self._pages_for(key):
            if page.dbtime <= newest:
                continue
            line, exact = page.seek(key)
            if exact:
                newest = page.dbtime
                found = None if page.node_flags(line) & NODE_DELETED else page.value(line)
        return found

    def _pages_for(self, key: bytes) -> Iterator[Page]:
        """The leaf where a key belongs; where it cannot be reached the leaves that may have it."""
        try:
            page = self.root_page()
            for _ in range(MAX_DEPTH):
                if page.is_leaf:
                    yield page
                    return
                page = self._child(page, _line_for(page, key), page.objid, keep=True)
            raise self._bad_parent(page, page.pgno)
        except JetError:
            self._assess()
        self._find_orphans()
        place = bisect.bisect_right(self._by_first, key, key=lambda each: each.first) - 1
        while place >= 0 and self._reach[place] >= key:
            orphan = self._by_first[place]
            page_found = self._readable(orphan.pgno) if orphan.last >= key else None
            if page_found is not None:
                yield page_found
            place -= 1

    def reachable(self) -> Iterator[int]:
        """The numbers of all pages that are reached from the root, leaves included, and of those that fill holes."""
        yield self.root
        for page in self._inner_pages():
            for line in range(page.line_count):
                try:
                    yield page.child(line)
                except JetError:
                    continue
        if self._orphans is not None:
            yield from self._orphans

    # ---- the way down -----------------------------------------------------------------------------------------------

    def _walk(self, start: bytes | None) -> Iterator[_Leaf | Damage]:
        """Leaves in the order of the tree; in the place of each hole its damage, followed by what fills it."""
        left: Page | None = None
        waiting: list[Damage] = []
        fresh = start is None
        for item in self._descend_all(start):
            if isinstance(item, Damage):
                waiting.append(item)
                continue
            if waiting or not _linked(left, item.page, fresh=fresh):
                yield from self._hole(left, waiting, item, fresh=fresh)
            waiting = []
            yield item
            left, fresh = item.page, True
        if waiting or (left is not None and left.next):
            yield from self._hole(left, waiting, None, fresh=fresh)

    def _descend_all(self, start: bytes | None) -> Iterator[_Leaf | Damage]:
        seen = {self.root}
        try:
            page = self.root_page()
        except JetError as problem:
            yield Damage(self.root, problem, b"", None)
            return
        objid = page.objid
        first = 0 if start is None or page.is_leaf else _line_for(page, start)
        path: list[tuple[Page, int, bytes, bytes | None]] = [(page, first, b"", None)]
        while path:
            page, line, low, high = path.pop()
            if page.is_leaf:
                yield _Leaf(page, low, high, home=True)
                continue
            if line >= page.line_count:
                continue
            path.append((page, line + 1, low, high))
            low, high = _bounds(page, line, low, high)
            pgno = 0
            try:
                pgno = page.child(line)
                if pgno in seen or len(path) > MAX_DEPTH:
                    raise self._bad_parent(page, pgno)
                seen.add(pgno)
                child = self._child(page, line, objid, keep=False)
                if child.is_empty or (not child.is_leaf and not child.line_count):
                    raise jet_error(codes.JET_errBadEmptyPage, "a page above points to it, but it is empty", page=pgno)
            except JetError as problem:
                yield Damage(pgno or page.pgno, problem, low, high)
                continue
            begin = 0 if start is None or child.is_leaf or low > start else _line_for(child, start)
            path.append((child, begin, low, high))

    def _inner_pages(self) -> Iterator[Page]:
        """The pages above the leaves that can be reached."""
        seen = {self.root}
        try:
            path = [self.root_page()]
        except JetError:
            return
        objid = path[0].objid
        while path:
            page = path.pop()
            if page.is_leaf:
                continue
            yield page
            if page.is_parent_of_leaf:
                continue
            for line in range(page.line_count):
                try:
                    pgno = page.child(line)
                    if pgno not in seen and len(path) < MAX_DEPTH * page.line_count:
                        seen.add(pgno)
                        path.append(self._child(page, line, objid, keep=False))
                except JetError:
                    continue

    # ---- holes ------------------------------------------------------------------------------------------------------

    def _hole(self, left: Page | None, damages: list[Damage], right: _Leaf | None, *, fresh: bool) -> Iterator[_Leaf | Damage]:
        """Damage between two leaves that can be reached, and the leaves that stand in."""
        if self._fill_elsewhere is not None and damages:
            for damage in damages:
                damage.complete = True
            yield from damages
            return
        orphans = self._find_orphans()
        chain = self._chain(left, right, orphans) if fresh else None
        if chain is not None:
            for damage in damages:
                damage.complete = True
                damage.leaves_found = len(chain)
            yield from damages
            yield from self._orphan_leaves(chain, b"", None)
            return
        if not damages:
            missing = self._missing_sibling(left, right)
            if missing is None:
                return
            damages = [missing]
        for damage in damages:
            inside = self._orphans_between(damage.low, damage.high)
            damage.leaves_found = len(inside)
            yield damage
            yield from self._orphan_leaves(inside, damage.low, damage.high)

    def _missing_sibling(self, left: Page | None, right: _Leaf | None) -> Damage | None:
        """A leaf that its neighbours know and the pages above do not, where that page is unreadable."""
        low: bytes = b""
        high: bytes | None = None
        if left is not None and left.line_count:
            low = _place_of(left, left.line_count - 1)
        if right is not None and right.page.line_count:
            high = _place_of(right.page, 0)
        for pgno in (left.next if left is not None else 0, right.page.previous if right is not None else 0):
            if pgno:
                try:
                    self.reader.once(pgno)
                except JetError as problem:
                    if problem.code in _UNREADABLE:
                        return Damage(pgno, problem, low, high)
        return None

    def _chain(self, left: Page | None, right: _Leaf | None, orphans: dict[int, _Orphan]) -> list[_Orphan] | None:
        """The leaves that the links lead over from one leaf to the other, None where they break off."""
        end = right.page.pgno if right is not None else 0
        back = right.page.previous if right is not None else None
        if left is not None:
            return _follow(left.next, left.pgno, end, back, orphans)
        starts = [each.pgno for each in orphans.values() if not each.previous]
        if right is not None and not right.page.previous:
            return []
        chains = [_follow(start, 0, end, back, orphans) for start in starts[:_CHAIN_STARTS_MOST]]
        return max((chain for chain in chains if chain), key=len, default=None)

    def _find_orphans(self) -> dict[int, _Orphan]:
        """The leaves of the object id that no page of the tree points to; looked for once."""
        if self._orphans is not None:
            return self._orphans
        self._orphans = {}
        survey = self._survey() if self._survey is not None else None
        if survey is None or self._fill_elsewhere is not None:
            return self._orphans
        reached = bytearray(survey.page_count + 1)
        for page in self._inner_pages():
            for line in range(page.line_count if page.is_parent_of_leaf else 0):
                pgno = int.from_bytes(page.value(line), "little")
                if pgno < len(reached):
                    reached[pgno] = 1
        free = sorted(self._free()) if self._free is not None else []
        for pgno in survey.leaves.get(self.objid, ()):
            if reached[pgno] or _is_within(free, pgno):
                continue
            orphan = self._readable(pgno)
            if orphan is not None and orphan.line_count:
                ends = _place_of(orphan, 0), _place_of(orphan, orphan.line_count - 1)
                self._orphans[pgno] = _Orphan(*ends, pgno, orphan.previous, orphan.next)
        self._by_first = sorted(self._orphans.values())
        self._reach = list(itertools.accumulate((orphan.last for orphan in self._by_first), max))
        return self._orphans

    def _readable(self, pgno: int) -> Page | None:
        """A leaf of this tree, None where the page is not one after all."""
        try:
            page = self.reader.once(pgno)
        except JetError:
            return None
        wrong = page.objid != self.objid or not page.is_leaf or page.is_root or page.is_space or page.is_empty
        return None if wrong or page.flags & _CLASS != self._class_flags else page

    def _orphans_between(self, low: bytes, high: bytes | None) -> list[_Orphan]:
        return [each for each in self._by_first if each.last >= low and (high is None or each.first < high)]

    def _orphan_leaves(self, orphans: Iterable[_Orphan], low: bytes, high: bytes | None) -> Iterator[_Leaf]:
        for orphan in orphans:
            page = self._readable(orphan.pgno)
            if page is not None:
                yield _Leaf(page, low, high, home=False)

    def _assess(self) -> None:
        """Report all damage: what is lost shows only when the whole tree is looked at."""
        if not self._assessed:
            self._assessed = True
            for item in self._walk(None):
                if isinstance(item, Damage):
                    self._note(item)

    def _note(self, damage: Damage) -> None:
        if damage.page not in self._reported:
            self._reported.add(damage.page)
            self.damages.append(damage)
            if self._tell is not None:
                self._tell(damage)


def _line_for(page: Page, key: bytes) -> int:
    if not page.line_count:
        raise jet_error(codes.JET_errBadEmptyPage, "descending in a tree", page=page.pgno)
    return page.branch(key)


def _bounds(page: Page, line: int, low: bytes, high: bytes | None) -> tuple[bytes, bytes | None]:
    """Which keys are below a line of an internal page whose own are from `low` to `high`."""
    if line:
        low = max(low, page.key(line - 1))
    if line < page.line_count - 1:
        above = page.key(line)
        high = above if high is None else min(high, above)
    return low, high


def _linked(left: Page | None, right: Page, *, fresh: bool) -> bool:
    if left is None:
        return not fresh or not right.previous
    return left.next == right.pgno and right.previous == left.pgno


def _follow(start: int, before: int, end: int, back: int | None, orphans: dict[int, _Orphan]) -> list[_Orphan] | None:
    chain: list[_Orphan] = []
    taken: set[int] = set()
    while start != end:
        orphan = orphans.get(start)
        if orphan is None or orphan.previous != before or start in taken:
            return None
        taken.add(start)
        chain.append(orphan)
        before, start = start, orphan.next
    return chain if back is None or back == before else None


def _is_within(extents: list[Extent], pgno: int) -> bool:
    place = bisect.bisect_right(extents, pgno, key=lambda extent: extent.first) - 1
    return place >= 0 and pgno <= extents[place].last


def _nodes(leaf: _Leaf) -> list[_Node]:
    """The entries of a leaf in order; of one that fills a hole those inside of it."""
    page = leaf.page
    nodes = [_Node(_place(page, entry[1], entry[2]), entry, page.dbtime, page.pgno) for entry in page.entries()]
    if not leaf.home:
        nodes = [node for node in nodes if node.place >= leaf.low and (leaf.high is None or node.place < leaf.high)]
    if any(nodes[i].place <= nodes[i - 1].place for i in range(1, len(nodes))):
        nodes = sorted({node.place: node for node in nodes}.values())
    return nodes


def _disjoint(window: _Window, leaf: _Leaf, nodes: list[_Node]) -> bool:
    """The ordinary case: what waits lies before the leaf, and each within its own bounds."""
    last, first = window.nodes[-1].place, nodes[0].place
    return last < first and (window.high is None or last < window.high) and (not leaf.home or first >= leaf.low)


def _inside(place: bytes, low: bytes, high: bytes | None) -> bool:
    return place >= low and (high is None or place < high)


def _merged(window: _Window, leaf: _Leaf, nodes: list[_Node]) -> tuple[list[_Node], _Window]:
    """What can go out, and the rest with the entries of `leaf`, which overlap."""
    dbtime = leaf.page.dbtime
    old = {node.place: node for node in window.nodes}
    new = {node.place: node for node in nodes}
    if leaf.home:
        old = {p: n for p, n in old.items() if p in new or n.dbtime >= dbtime or not _inside(p, leaf.low, leaf.high)}
    if window.home:
        new = {p: n for p, n in new.items() if p in old or dbtime >= window.dbtime or not _inside(p, window.low, window.high)}
    for place, node in new.items():
        known = old.get(place)
        if known is None or known.dbtime <= node.dbtime:
            old[place] = node
    together = sorted(old.values(), key=lambda node: node.place)
    limit = min(nodes[0].place, leaf.low) if leaf.home else nodes[0].place
    split = bisect.bisect_left(together, limit, key=lambda node: node.place)
    if len(together) - split > _WINDOW_MOST:
        split = len(together) - _WINDOW_MOST // 2
    return together[:split], _Window(together[split:], leaf.low, leaf.high, dbtime, leaf.home)


__all__ = ["Batch", "Damage", "Entry", "SalvagedTree"]
