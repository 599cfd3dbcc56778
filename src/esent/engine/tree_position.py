"""The position of a cursor in one tree: before the first node, on one that may be gone, where one would be, behind the last.

Rules (`reference/records-and-indexes.md` 6.7-6.9): moving off the end leaves the position there; a range limits moves in its
direction only and ends when it is left. A position that was reached in a transaction level that is rolled back is before the
first node afterwards.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from esent.constants import codes
from esent.engine.search_key import SearchKey
from esent.engine.versioned_cursor import VersionedCursor
from esent.errors import JetError, jet_error

if TYPE_CHECKING:
    from esent.engine.session import Session
    from esent.engine.versioned import VersionedTree


class Where(Enum):
    BEFORE_FIRST = "before first"
    ON_NODE = "on a node"
    BETWEEN = "where a node would be"
    AFTER_LAST = "after last"
    FIRST_DEFERRED = "on the first node, once that is asked for"


class Found(Enum):
    """What a seek has found, as seen from the key."""

    EQUAL = "equal"
    GREATER = "greater"
    LESS = "less"


class Range(NamedTuple):
    """A limit for moves; the limit itself is the search key of the position."""

    upper: bool
    inclusive: bool


# looking a member up in its class takes longer than a step within a page
_ON_NODE, _BETWEEN = Where.ON_NODE, Where.BETWEEN
_FIRST_DEFERRED, _BEFORE_FIRST, _AFTER_LAST = Where.FIRST_DEFERRED, Where.BEFORE_FIRST, Where.AFTER_LAST


@cython.cclass
class TreePosition:
    """Where a session is in a tree. `level`: the transaction level it got there in; `level_open`: that it was made in."""

    session: Session = cython.declare(object, visibility="readonly")
    tree: VersionedTree = cython.declare(object, visibility="readonly")
    place: VersionedCursor = cython.declare(object, visibility="readonly")
    where: Where = cython.declare(object, visibility="public")
    level: int = cython.declare(object, visibility="public")
    level_open: int = cython.declare(object, visibility="public")
    search: SearchKey = cython.declare(object, visibility="readonly")
    range: Range | None = cython.declare(object, visibility="public")
    _last_key: bytes = cython.declare(bytes)

    def __init__(self, session: Session, tree: VersionedTree, search: SearchKey | None = None) -> None:
        self.session = session
        self.tree = tree
        self.place = tree.cursor(session)
        self.where = _BEFORE_FIRST
        self.level = self.level_open = session.level
        self.search = search or SearchKey()
        self.range = None
        self._last_key = b""

    # -- reading --------------------------------------------------------------------------------------------------

    @property
    def on_node(self) -> bool:
        return self.where is _ON_NODE

    def require_node(self) -> None:
        """JET_errNoCurrentRecord unless it was put on a node."""
        if self.where is _FIRST_DEFERRED:
            self.refresh()
        if self.where is not _ON_NODE:
            raise self._nowhere()

    def data(self) -> bytes:
        """The node's data. JET_errNoCurrentRecord, JET_errRecordDeleted."""
        if self.where is not _ON_NODE:
            self.require_node()
        return self.place.data

    @property
    def key(self) -> bytes:
        return self.place.key

    @property
    def last_key(self) -> bytes:
        """The key it is at, or was at before it moved off the end; empty if it never was anywhere."""
        return self.place.bookmark_key or self._last_key

    def _nowhere(self) -> JetError:
        return jet_error(codes.JET_errNoCurrentRecord, f"the cursor is {self.where.value}")

    # -- moving ---------------------------------------------------------------------------------------------------

    def defer_first(self) -> None:
        self.where = _FIRST_DEFERRED

    def refresh(self) -> None:
        """Go to the first node if that was put off; JET_errNoCurrentRecord, and still put off, in an empty tree."""
        if self.where is not _FIRST_DEFERRED:
            return
        if not self.place.first():
            raise self._nowhere()
        self.where = _ON_NODE

    def goto(self, key: bytes, data: bytes = b"") -> None:
        """Be on the node with this bookmark, whether it is there or not."""
        self.place.goto(key, data)
        self.where = _ON_NODE

    def goto_between(self, key: bytes, data: bytes = b"") -> None:
        """Be where a node with this bookmark would be."""
        self.place.goto(key, data, on=False)
        self.where = _BETWEEN

    def first(self) -> None:
        self.level = self.session.level
        self._last_key = self.last_key
        if not self.place.first():
            raise self._nowhere()
        self.where = _ON_NODE

    def last(self) -> None:
        self.level = self.session.level
        self._last_key = self.last_key
        if not self.place.last():
            raise self._nowhere()
        self.where = _ON_NODE

    @cython.cfunc
    def _leave(self) -> cython.int:
        self.level = self.session.level
        if self.where is _FIRST_DEFERRED:
            self.refresh()
        self._last_key = self.place.bookmark_key or self._last_key
        return 0

    def next(self, other_key: bool = False) -> None:
        """To the next node, or the next with another key. JET_errNoCurrentRecord at the end of the tree or range."""
        self._leave()
        if self.where is _AFTER_LAST:
            raise self._nowhere()
        if self.where is _BEFORE_FIRST:
            if not self.place.first():
                raise self._nowhere()
        else:
            same = self.place.key if other_key and self.where is _ON_NODE else None
            while True:
                if not self.place.next():
                    self.where = _AFTER_LAST
                    raise self._nowhere()
                if same is None or self.place.key != same:
                    break
        self.where = _ON_NODE
        if self.range is not None and self.range.upper:
            self.check_range()

    def previous(self, other_key: bool = False) -> None:
        """To the node before, as `next`."""
        self._leave()
        if self.where is _BEFORE_FIRST:
            raise self._nowhere()
        if self.where is _AFTER_LAST:
            if not self.place.last():
                raise self._nowhere()
        else:
            same = self.place.key if other_key and self.on_node else None
            while True:
                if not self.place.previous():
                    self.where = _BEFORE_FIRST
                    raise self._nowhere()
                if same is None or self.place.key != same:
                    break
        self.where = _ON_NODE
        if self.range is not None and not self.range.upper:
            self.check_range()

    def seek_equal(self, key: bytes, data: bytes | None = None) -> bool:
        """To the first node with the key (and data); else it is where that would be."""
        self.level = self.session.level
        found = self.place.seek(key, "eq", data)
        self.where = _ON_NODE if found else _BETWEEN
        return found

    def seek_near(self, key: bytes, *, forward: bool) -> Found | None:
        """To the first node with the key, else to the next one in the direction, else to that in the other one.

        None in an empty tree; then it is where the key would be.
        """
        self.level = self.session.level
        place = self.place
        self.where = _ON_NODE
        if forward:
            if place.seek(key, "ge"):
                return Found.EQUAL if place.key == key else Found.GREATER
            if place.last():
                return Found.LESS
        else:
            if place.seek(key, "eq"):
                return Found.EQUAL
            if place.seek(key, "lt"):
                return Found.LESS
            if place.first():
                return Found.GREATER
        self.goto_between(key)
        return None

    # -- ranges ---------------------------------------------------------------------------------------------------

    def in_range(self, key: bytes) -> bool:
        limit = self.search.data
        assert self.range is not None
        if key == limit:
            return self.range.inclusive
        return (key < limit) == self.range.upper

    def check_range(self) -> None:
        """JET_errNoCurrentRecord, beyond the end and without a range, if the position is outside of the range."""
        if self.range is not None and not self.in_range(self.place.bookmark_key):
            self.where = _AFTER_LAST if self.range.upper else _BEFORE_FIRST
            self.range = None
            raise self._nowhere()

    # -- as a fraction --------------------------------------------------------------------------------------------

    def is_only_with_key(self) -> bool:
        """Whether the next node is known at once to have another key: it is on the same page."""
        nodes = self.tree.nodes
        place = self.place
        node = nodes.find(place.bookmark_key, None if self.tree.unique else place.data_bookmark)
        following = nodes.next(node) if node is not None else None
        if node is None or following is None or following.key == node.key:
            return False
        return nodes.page_of(following.key, following.data) == nodes.page_of(node.key, node.data)

    def position(self) -> tuple[int, int]:
        """(nodes before this one, nodes in all), estimated."""
        before, total = self.tree.nodes.fraction_of(self.place.bookmark_key, self.place.place_data)
        return before, total

    def goto_fraction(self, before: int, total: int) -> bool:
        """To the node that `before` of `total` nodes are before, estimated; False in an empty tree."""
        self.level = self.session.level
        node = self.tree.nodes.at_fraction(before, total)
        if node is None:
            return False
        data = None if self.tree.unique else node.data
        if not self.place.seek(node.key, "ge", data) and not self.place.last():
            return False
        self.where = _ON_NODE
        return True

    # -- transactions ---------------------------------------------------------------------------------------------

    def committed(self, level: int) -> None:
        """Transaction level `level` has been committed into the one below."""
        self.level = min(self.level, level - 1)
        self.level_open = min(self.level_open, level - 1)

    def rolled_back(self, level: int) -> None:
        """Transaction level `level` is being rolled back."""
        if self.level >= level:
            self.level = level - 1
            self.where = _BEFORE_FIRST
