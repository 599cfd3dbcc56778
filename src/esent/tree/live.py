"""What writable trees stand on: who writes, and a store of pages that logs each change and makes it.

`engine.store.DatabaseStore` is such a store. A change of one page is one call; the store takes the next dbtime, logs the change
and makes it. Splits, merges and new trees change several pages at once (`reference/log-and-recovery.md` 4.5.3, 4.5.7).
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from esent.pages.cache import CachedPage
from esent.pages.primitives import LGPOS_MIN, Lgpos

Bookmark = tuple[bytes, bytes]
"""Key and data of a node."""

SPLIT_VERTICAL, SPLIT_RIGHT, SPLIT_APPEND = 0, 1, 2
OPER_NONE, OPER_INSERT, OPER_REPLACE, OPER_FLAG_INSERT_AND_REPLACE = 0, 1, 2, 3
MERGE_EMPTY_PAGE, MERGE_FULL_RIGHT, MERGE_PARTIAL_RIGHT, MERGE_FULL_LEFT = 1, 2, 3, 5
MERGE_KEY_CHANGE, MERGE_DELETE_NODE, MERGE_PAGE_BECOMES_EMPTY = 1, 2, 4


@cython.cclass
class Writer:
    """Who changes pages, as the log knows it: a number, a transaction, a level.

    `level` is how many are open, `logged_level` how many of them the log knows of, `begin_position` where Begin0 is. `mark` is
    a flag that all its records carry. A base class: who writes says how its transaction begins.
    """

    procid: int
    level: int
    trx_begin0: int
    logged_level: int
    begin_position: Lgpos
    mark: int

    def __init__(self, procid: int) -> None:
        self.procid = procid
        self.level = 0
        self.trx_begin0 = 0
        self.logged_level = 0
        self.begin_position = LGPOS_MIN
        self.mark = 0

    def log_begin(self) -> None:
        """Log the begin of the levels that are not in the log yet."""
        raise NotImplementedError


class Node(Protocol):
    """A node as it is on its page; `flags` as of `pages.edit`."""

    key: bytes
    data: bytes
    flags: int


class Change(Protocol):
    """A change that is to be undone."""

    oper: int  # 1 insert, 2 replace, 3 flag delete, 4 and 9 delta of 32 and 64 bits
    rceid: int
    before: bytes
    offset: int
    delta: int


@cython.cclass
class TreeName:
    """A tree as records name it; those of a space tree name the tree that owns it. `unique`: of the owner."""

    objid: int
    fdp: int
    unique: bool
    space: bool

    def __init__(self, objid: int, fdp: int, unique: bool, space: bool = False) -> None:
        self.objid = objid
        self.fdp = fdp
        self.unique = unique
        self.space = space

    def __repr__(self) -> str:
        return f"TreeName({self.objid}, {self.fdp}, unique={self.unique}, space={self.space})"


@cython.cclass
class Operation:
    """A change to one node of a leaf that a split carries out by the way. `line` counts as if it were done."""

    kind: int
    line: int
    key: bytes
    data: bytes
    rceid: int
    rceid_replace: int

    def __init__(
        self,
        kind: cython.int,
        line: cython.Py_ssize_t,
        key: bytes,
        data: bytes,
        rceid: cython.longlong = 0,
        rceid_replace: cython.longlong = 0,
    ) -> None:
        self.kind = kind
        self.line = line
        self.key = key
        self.data = data
        self.rceid = rceid
        self.rceid_replace = rceid_replace


@cython.cclass
class SplitLevel:
    """What a split does to one level of the tree.

    Without `pgno_new` the page only gets a pointer, before `line`. Else the nodes from `at` on, of `count` with the new one
    (`oper` at `line`), move to the new page; `prefix_new` and `prefix_left` are the lines whose key becomes the page's prefix,
    `prefix` is that of the page that stays. For the owner to set: `pgno_new`, and the pages beside and above.
    """

    page: CachedPage
    line: int
    pgno_new: int
    kind: int
    oper: int
    at: int
    count: int
    prefix_new: int
    prefix_left: int
    prefix: bytes
    key_parent: bytes
    right: CachedPage | None
    parent: CachedPage | None
    with_image: bool

    def __init__(
        self,
        page: CachedPage,
        line: cython.Py_ssize_t,
        *,
        kind: cython.int = 0,
        oper: cython.int = OPER_NONE,
        at: cython.Py_ssize_t = 0,
        count: cython.Py_ssize_t = 0,
        prefix_new: cython.Py_ssize_t = -1,
        prefix_left: cython.Py_ssize_t = -1,
        prefix: bytes = b"",
        key_parent: bytes = b"",
        with_image: cython.bint = True,
    ) -> None:
        self.page = page
        self.line = line
        self.pgno_new = 0
        self.kind = kind
        self.oper = oper
        self.at = at
        self.count = count
        self.prefix_new = prefix_new
        self.prefix_left = prefix_left
        self.prefix = prefix
        self.key_parent = key_parent
        self.right = self.parent = None
        self.with_image = with_image


@dataclass(slots=True)
class MergeLevel:
    """What a merge does to one level: `flags` as of Merge2; `line` is that of the child's pointer.

    Of a leaf whose nodes go to the right: those from `at` on, and the key that bounds what stays, if anything does.
    """

    page: CachedPage
    line: int
    kind: int = 0
    flags: int = 0
    left: CachedPage | None = None
    right: CachedPage | None = None
    parent: CachedPage | None = None
    at: int = 0
    separator: bytes = b""


@dataclass(slots=True)
class Move:
    """A page that goes to another place; `line` is that of its pointer in `parent`. Leaves have siblings."""

    page: CachedPage
    goal: int
    parent: CachedPage
    line: int
    left: CachedPage | None = None
    right: CachedPage | None = None


@dataclass(slots=True)
class NewTree:
    """A tree to be made at `root`: `pages` from there on are its own. `multiple`: with space trees, in the pages behind."""

    root: int
    objid: int
    parent: int
    pages: int
    unique: bool
    class_flags: int = 0
    multiple: bool = False


@dataclass(slots=True)
class Conversion:
    """A tree of one extent gets space trees, the first two of `secondary_pages` from `secondary_first` on."""

    root: CachedPage
    parent: int
    primary_pages: int
    bitmap: int
    secondary_first: int
    secondary_pages: int
    name: TreeName = field(kw_only=True)


@cython.cclass
class NodeStore:
    """Pages of one database, and logged changes to them. Lines and pages are those of now: look them up before each call.

    A base class, of which trees call everything: compiled code reaches the store above through it.
    `growth`: pages by which the file grows at least; `fragment`: runs of free pages below this go along with the extent
    beside them. `space_trees`, by object id and root, are kept for whoever allocates.
    """

    page_size: int
    growth: int
    fragment: int
    space_trees: dict[tuple[int, int], Any]

    @property
    def page_count(self) -> int:
        """Pages the file has behind its headers."""
        raise NotImplementedError

    @cython.ccall
    def begin(self, writer: Writer) -> cython.int:
        """Before a change: what the log has to know of the writer."""
        raise NotImplementedError

    @cython.ccall
    def get(self, pgno: cython.longlong) -> CachedPage:
        """The page as it stands now."""
        raise NotImplementedError

    @cython.ccall
    def holds(self, page: CachedPage) -> cython.bint:
        """Whether the object is still the page."""
        raise NotImplementedError

    @cython.ccall
    def trim(self) -> cython.int:
        """Between two operations: pages may leave memory now."""
        raise NotImplementedError

    def steady(self) -> AbstractContextManager[None]:
        """While it is entered no page leaves memory: what has been got stays the page."""
        raise NotImplementedError

    @cython.ccall
    def reserved(self, page: CachedPage, beside: Bookmark | None) -> cython.Py_ssize_t:
        """Bytes that must stay free for roll-backs, without those of the node `beside`."""
        raise NotImplementedError

    def dead_lines(self, page: CachedPage) -> list[int]:
        """The lines of a leaf whose nodes are flagged deleted and that no transaction needs."""
        raise NotImplementedError

    def inserted_by(self, page: CachedPage, line: int) -> int:
        """The id of the version that inserted the node at a line of a leaf, if some transaction still has it, else 0."""
        raise NotImplementedError

    def is_settled(self, page: CachedPage) -> bool:
        """Whether no transaction needs any node of a leaf as it was, or may still take back what it did there."""
        raise NotImplementedError

    def new_objid(self) -> int:
        raise NotImplementedError

    def take_page(self, writer: Writer, name: TreeName, near: int) -> int:
        """A free page of a tree, if possible behind the page `near`."""
        raise NotImplementedError

    def give_back(self, writer: Writer, name: TreeName, first: int, count: int) -> None:
        """Pages a tree does not use any more."""
        raise NotImplementedError

    @cython.ccall
    def insert(
        self,
        writer: Writer,
        name: TreeName,
        page: CachedPage,
        line: cython.int,
        prefix: cython.int,
        suffix: bytes,
        data: bytes,
        rceid: cython.longlong,
    ) -> cython.int:
        """A node before a line: a key of `prefix` bytes of the page's prefix and `suffix`."""
        raise NotImplementedError

    @cython.ccall
    def flag_insert(
        self, writer: Writer, name: TreeName, page: CachedPage, line: cython.int, rceid: cython.longlong
    ) -> cython.int:
        raise NotImplementedError

    def flag_insert_and_replace(
        self, writer: Writer, name: TreeName, page: CachedPage, line: int, data: bytes, rceid: int, rceid_replace: int
    ) -> None:
        raise NotImplementedError

    @cython.ccall
    def replace(
        self, writer: Writer, name: TreeName, page: CachedPage, line: cython.int, data: bytes, rceid: cython.longlong
    ) -> cython.int:
        raise NotImplementedError

    @cython.ccall
    def flag_delete(
        self, writer: Writer, name: TreeName, page: CachedPage, line: cython.int, rceid: cython.longlong
    ) -> cython.int:
        raise NotImplementedError

    @cython.ccall
    def delete(self, writer: Writer, name: TreeName, page: CachedPage, line: cython.int) -> cython.int:
        raise NotImplementedError

    def delta(
        self, writer: Writer, name: TreeName, page: CachedPage, line: int, offset: int, delta: int, size: int, rceid: int
    ) -> None:
        raise NotImplementedError

    def undo(self, writer: Writer, name: TreeName, page: CachedPage, line: int, change: Change, data: bytes) -> None:
        """`data` is the bookmark's, empty in a unique tree."""
        raise NotImplementedError

    def set_external_header(self, writer: Writer, name: TreeName, page: CachedPage, content: bytes) -> None:
        raise NotImplementedError

    def split(self, writer: Writer, name: TreeName, levels: Sequence[SplitLevel], operation: Operation | None) -> None:
        """The levels from the highest that changes down to the leaf."""
        raise NotImplementedError

    def merge(self, writer: Writer, name: TreeName, levels: Sequence[MergeLevel]) -> None:
        """The levels from the highest that changes down to the leaf."""
        raise NotImplementedError

    def move(self, writer: Writer, name: TreeName, move: Move) -> None:
        """The page is empty then."""

    def empty_tree(self, writer: Writer, name: TreeName, root: CachedPage, pages: Sequence[CachedPage]) -> None:
        """The root becomes a leaf without nodes, `pages` become empty."""
        raise NotImplementedError

    def create_tree(self, writer: Writer, tree: NewTree) -> None:
        raise NotImplementedError

    def convert(self, writer: Writer, conversion: Conversion) -> None:
        raise NotImplementedError

    def extend(self, last: int) -> None:
        """Make the file reach to page `last`. JET_errOutOfDatabaseSpace, JET_errDiskFull."""
        raise NotImplementedError
