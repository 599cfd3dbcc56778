"""What a strict replay asks of a log, beyond what our own redo looks at: every record is judged before it is applied.

Our redo reads some fields of a record and does without others; another one takes those others at their word. A record is
compared here with the page as it stands before it, and with what the log has said of its session so far: transaction and
level, versions and their roll-back, dbtimes of siblings and parents, images, flags, lines and keys.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from esent.constants.formats import Feature
from esent.log import kinds
from esent.log.header import LogHeader, LogVersion
from esent.log.reader import LogFile
from esent.log.records import Merge2, NodeRecord, Record, Split2
from esent.pages.cache import CachedPage
from esent.pages.edit import (
    MIN_PREFIX,
    NODE_DELETED,
    PAGE_INDEX,
    PAGE_LEAF,
    PAGE_LONG_VALUE,
    PAGE_NEW_RECORD_FORMAT,
    PAGE_NON_UNIQUE,
    PAGE_PARENT_OF_LEAF,
    PAGE_ROOT,
    PAGE_SPACE_TREE,
)
from esent.pages.primitives import Lgpos
from esent.recovery import redo as redo_module
from esent.recovery.images import restore_image
from esent.recovery.options import RecoveryOptions, RecoveryResult
from esent.recovery.redo import Redo
from esent.recovery.soft import soft_recover

NOTHING = -1
TRANSACTION_STEP = 4
MOST_LEVELS = 11
MOST_DEPTH = 8
CLASSES = PAGE_INDEX | PAGE_LONG_VALUE | PAGE_NON_UNIQUE | PAGE_NEW_RECORD_FORMAT | 0x2000
FILLER = frozenset({kinds.NOP, kinds.NOP2, kinds.TRACE, kinds.MACRO_INFO, kinds.MACRO_INFO2, kinds.FORCE_WRITE_LOG})
OTHERS = frozenset(
    {kinds.EXTEND_DB, kinds.SHRINK_DB, kinds.SHRINK_DB2, kinds.SHRINK_DB3, kinds.FREE_FDP, kinds.BACKUP2, kinds.SHUT_DOWN_MARK}
    | {kinds.CREATE_DB, kinds.CREATE_DB_FINISH, kinds.ATTACH_DB, kinds.DETACH_DB}
)
ENDS = frozenset({kinds.INIT2, kinds.TERM2, kinds.RECOVERY_QUIT2})
IMAGED_MERGES = (kinds.MERGE_FULL_RIGHT, kinds.MERGE_PARTIAL_RIGHT, kinds.MERGE_FULL_LEFT, kinds.MERGE_PARTIAL_LEFT)


def precedes(rceid: int, other: int) -> bool:
    """Whether a number of versions comes before another one; they wrap around."""
    return 0 < (other - rceid & 0xFFFFFFFF) < 1 << 31


@dataclass
class OpenVersion:
    oper: int
    level: int
    proxy: bool  # made by another session that built an index


@dataclass
class OpenSession:
    level: int = 0
    trx: int = 0
    versions: dict[int, OpenVersion] = field(default_factory=dict)
    macro: list[Any] | None = None
    macro_dbtime: int = 0


class Demands:
    """`wrong`: a sentence for each record that asks too much of a strict replay; `seen`: how many there were of each kind."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.seen: dict[str, int] = {}
        self.sessions: dict[int, OpenSession] = {}
        self.attached: set[int] = set()
        self.transactions: set[int] = set()
        self.rceids: set[int] = set()
        self.proxies = 0  # records of what a session did in the name of another
        self.highest: dict[int, int] = {}  # dbtime by database
        self.version = LogVersion()  # of the log
        self.announced: dict[tuple[int, int], Any] = {}  # records of pages that are about to be taken into use
        self._closing = False  # between the mark of a clean end and the end
        self._last_macro: list[int] | None = None
        self._here = Lgpos()
        self._record: Any = None

    def require(self, condition: object, what: str) -> None:
        if not condition:
            self.wrong.append(f"{self._here} {type(self._record).__name__}: {what}")

    # -- the chain of logs ------------------------------------------------------------------------------------------------

    def header(self, header: LogHeader) -> None:
        """The list in a header names the databases that are attached where the log begins."""
        self._here, self._record = Lgpos(header.generation, 0, 0), header
        self.version = header.version
        listed = {each.dbid for each in header.attachments}
        self.require(listed == self.attached or (self._closing and not listed), "the list of attached databases")
        for info in header.attachments:
            self.require(info.lgpos_attach < self._here, f"{info.path} is attached later, at {info.lgpos_attach}")
        self.require(header.checkpoint < Lgpos(header.generation + 1, 0, 0), "a checkpoint that is still to come")

    # -- one record -------------------------------------------------------------------------------------------------------

    def check(self, redo: Redo, at: Lgpos, record: Any) -> None:
        self._here, self._record = at, record
        name = type(record).__name__
        self.seen[name] = self.seen.get(name, 0) + 1
        kind = record.kind
        if kind in (kinds.MACRO_INFO, kinds.MACRO_INFO2):
            self.require(list(record.pages) == self._last_macro, "not the pages of the macro before it")
            return
        if kind in FILLER:
            return
        self._closing = kind == kinds.SHUT_DOWN_MARK
        if kind in ENDS:
            self.require(
                kind == kinds.INIT2 or not any(each.level for each in self.sessions.values()), "with open transactions"
            )
            self.sessions.clear()
            self.rceids.clear()
            self.transactions.clear()
            self.attached.clear()
        elif kind in (kinds.CREATE_DB, kinds.ATTACH_DB):
            self.require(record.dbid not in self.attached, f"database {record.dbid} is attached")
            self.attached.add(record.dbid)
        elif kind == kinds.DETACH_DB:
            self.require(record.dbid in self.attached, f"database {record.dbid} is not attached")
            self.attached.discard(record.dbid)
            self.highest.pop(record.dbid, None)
        elif kind == kinds.SET_DB_VERSION:
            self._version(redo, record)
        elif kind == kinds.NEW_PAGE:
            self._new_page(redo, record)
        elif kind in OTHERS or kind == kinds.RECOVERY_UNDO2:
            return
        elif kind in (kinds.BEGIN0, kinds.BEGIN, kinds.COMMIT, kinds.COMMIT0, kinds.ROLLBACK):
            self._transaction(record)
        elif kind in (kinds.MACRO_BEGIN, kinds.MACRO_COMMIT, kinds.MACRO_ABORT):
            self._macro(redo, record)
        else:
            self._change(redo, record)

    def _version(self, redo: Redo, record: Any) -> None:
        self.require(record.dbid in self.attached, f"database {record.dbid} is not attached")
        self.require(self.version.has(Feature.SET_DB_VERSION), f"in a log of version {self.version}")
        db = redo.databases.get(record.dbid)
        version = (record.major, record.update_major, record.update_minor)
        self.require(db is None or version >= db.header.format_version, f"down to version {version}")

    def _new_page(self, redo: Redo, record: Any) -> None:
        self.require(record.dbid in self.attached, f"database {record.dbid} is not attached")
        highest = self.highest.get(record.dbid, 0)
        self.require(record.dbtime > highest, f"dbtime {record.dbtime} after {highest}")
        self.highest[record.dbid] = max(highest, record.dbtime)
        db = redo.databases.get(record.dbid)
        if db is not None:
            self.require(self._announces(db), "in a format without it")
            self.require(0 < record.pgno <= db.file.page_count, f"page {record.pgno} is behind the end of the file")
        self.announced[record.dbid, record.pgno] = record

    def _announces(self, db: Any) -> bool:
        return self.version.has(Feature.NEW_PAGE) and db.header.has(Feature.NEW_PAGE)

    def _taken(self, db: Any, record: Any, *pages: int) -> None:
        """Pages of nobody are filled: where the format has a record for that, it named the same session and tree before."""
        for pgno in pages:
            told = self.announced.pop((record.dbid, pgno), None)
            if not self._announces(db):
                continue
            self.require(told is not None, f"page {pgno} is taken into use unannounced")
            if told is not None:
                mine = (told.procid, told.objid) == (record.procid, record.objid_fdp)
                self.require(mine and told.dbtime < record.dbtime, f"page {pgno} was announced for something else")

    # -- transactions -----------------------------------------------------------------------------------------------------

    def _session(self, procid: int) -> OpenSession:
        return self.sessions.setdefault(procid, OpenSession())

    def _transaction(self, record: Any) -> None:
        session = self._session(record.procid)
        self.require(session.macro is None, "inside of a macro")
        kind = record.kind
        if kind == kinds.BEGIN0:
            self.require(session.level == 0 and record.level_begin_from == 0, f"the session is at level {session.level}")
            self.require(record.trx_begin0 % TRANSACTION_STEP == 0, f"number {record.trx_begin0}")
            self.require(record.trx_begin0 not in self.transactions, f"the number {record.trx_begin0} again")
            self.transactions.add(record.trx_begin0)
            session.trx = record.trx_begin0
            session.versions.clear()
            session.level = record.clevels_to_begin
        elif kind == kinds.BEGIN:
            self.require(0 < session.level == record.level_begin_from, f"the session is at level {session.level}")
            session.level += record.clevels_to_begin
        elif kind == kinds.COMMIT:
            self.require(1 <= record.level_commit_to == session.level - 1, f"the session is at level {session.level}")
            session.level = record.level_commit_to
            for version in session.versions.values():
                version.level = min(version.level, session.level)
        elif kind == kinds.COMMIT0:
            self.require(session.level == 1 and record.level_commit_to == 0, f"the session is at level {session.level}")
            self.require(record.trx_commit0 % TRANSACTION_STEP == 0, f"number {record.trx_commit0}")
            self.require(record.trx_commit0 not in self.transactions, f"the number {record.trx_commit0} again")
            self.require(record.trx_commit0 > session.trx, f"number {record.trx_commit0} of transaction {session.trx}")
            self.transactions.add(record.trx_commit0)
            session.level = 0
            session.versions.clear()
        else:
            self.require(0 < record.level_rollback <= session.level, f"the session is at level {session.level}")
            session.level -= record.level_rollback
            left = [rceid for rceid, version in session.versions.items() if version.level > session.level]
            self.require(not left, f"versions {left} are not undone")
        self.require(session.level <= MOST_LEVELS, f"level {session.level}")

    def _add_version(self, session: OpenSession, rceid: int, oper: int, record: Any) -> None:
        self.require(rceid not in self.rceids, f"version {rceid} again")
        self.require(rceid % 2, f"the number {rceid} of a version")
        self.require(all(precedes(each, rceid) for each in session.versions), f"version {rceid} after a newer one")
        self.rceids.add(rceid)
        proxy = bool(record.flags & kinds.CONCURRENT_CREATE_INDEX)
        session.versions[rceid] = OpenVersion(oper, record.level, proxy)

    # -- macros -----------------------------------------------------------------------------------------------------------

    def _macro(self, redo: Redo, record: Any) -> None:
        session = self._session(record.procid)
        if record.kind == kinds.MACRO_BEGIN:
            self.require(session.macro is None, "two macros at once")
            self.require(session.level, "outside of a transaction")
            session.macro, session.macro_dbtime = [], record.dbtime
            return
        self.require(session.macro and session.macro_dbtime == record.dbtime, "of no macro, or of an empty one")
        macro, session.macro = session.macro or [], None
        if record.kind == kinds.MACRO_ABORT or not macro:
            return
        chain = [each for each in macro if each.kind in (kinds.SPLIT2, kinds.MERGE2)]
        operations = [each for each in macro if each not in chain]
        self.require(macro[: len(chain)] == chain, "an operation before the split")
        self.require(len({each.kind for each in chain}) == 1, "splits and merges in one")
        self.require(len({(each.pgno_fdp, each.objid_fdp, each.flags) for each in chain}) == 1, "two trees in one")
        db = redo.databases.get(macro[0].dbid)
        if db is None:
            return
        pages = [self._page(db, each) for each in chain]
        for each, page in zip(chain, pages, strict=True):
            self._record = each
            self._owned(db, each, page)
        for above, below in itertools.pairwise(chain):
            self._record = below
            self.require(below.pgno_parent == above.pgno, f"page {above.pgno} is not its parent {below.pgno_parent}")
            self.require(below.dbtime_parent_before == above.dbtime_before, "the dbtime of its parent")
        if chain[0].kind == kinds.SPLIT2:
            self._last_macro = [n for each in chain for n in (each.pgno, each.pgno_new, each.pgno_right) if n]
            self._split(db, chain, pages, operations)
        else:
            self._last_macro = [n for each in chain for n in (each.pgno, each.pgno_left, each.pgno_right) if n]
            self.require(not operations, "an operation in a merge")
            self._merge(db, chain, pages)

    def _sibling(self, db: Any, pgno: int, before: int, dbtime: int) -> CachedPage | None:
        if not pgno:
            return None
        page: CachedPage = db.get(pgno)
        self.require(page.dbtime == before < dbtime, f"the dbtime of page {pgno} before is {page.dbtime}, not {before}")
        self.require(page.objid == self._record.objid_fdp, f"page {pgno} is of tree {page.objid}")
        self.require(page.is_leaf, f"page {pgno} is no leaf")
        return page

    def _same_image(self, db: Any, record: Any, page: CachedPage) -> None:
        image = CachedPage.of(restore_image(record.image, record.image_flags, db.page_size, record.pgno), record.pgno)
        self.require(image.dbtime == record.dbtime, "the image has another dbtime")
        self.require(image.nodes() == page.nodes(), "the image has other nodes")
        self.require(image.external_header() == page.external_header(), "the image has another external header")
        links = (image.previous, image.next, image.objid)
        self.require(links == (page.previous, page.next, page.objid), "the image has other links")

    def _split(self, db: Any, chain: list[Split2], pages: list[CachedPage], operations: list[Any]) -> None:
        self.require(len(operations) <= 1, "more than one operation")
        for number, (record, page) in enumerate(zip(chain, pages, strict=True)):
            self._record = record
            child = chain[number + 1] if number + 1 < len(chain) else None
            self.require(record.line == 0, "the line of the record")
            if not record.pgno_new:
                self.require(number == 0 and child is not None, "a level without a new page that is not the highest")
                assert child is not None
                line = page.seek_child(child.key_parent)
                self.require(page.child(line) == child.pgno, "the key for the parent leads elsewhere")
                self.require(page.key(line) != child.key_parent, "the key for the parent is there already")
                continue
            self._split_level(db, record, page, child, operations[0] if operations and child is None else None)

    def _split_level(
        self, db: Any, record: Split2, page: CachedPage, child: Split2 | None, operation: NodeRecord | None
    ) -> None:
        vertical = record.split_type == kinds.SPLIT_VERTICAL
        leaf = page.is_leaf
        insert = record.split_oper == kinds.SPLIT_OPER_INSERT
        self.require(leaf == (child is None) or (vertical and child is None), "the leaf is not the last level")
        self.require(vertical == bool(page.flags & PAGE_ROOT), "a root splits downwards, and nothing else does")
        self.require((record.line_split == 0) == vertical, f"split at line {record.line_split}")
        self.require(bool(record.key_parent) != vertical, "the key for the parent")
        self._taken(db, record, record.pgno_new)
        self.require(record.line_count == page.line_count + insert, f"{record.line_count} nodes")
        self.require(record.split_oper or not record.line_oper, "the line of no operation")
        self.require(record.line_oper < max(record.line_count, 1), "the line of the operation")
        only_new = insert and record.line_split == record.line_oper == record.line_count - 1
        if record.split_type != kinds.SPLIT_APPEND and not (record.split_type == kinds.SPLIT_RIGHT and only_new):
            self.require(record.image, "no image of the page")
        if record.split_type == kinds.SPLIT_APPEND:
            self.require(only_new and leaf and not page.next, "not an append")
        if record.image:
            self._same_image(db, record, page)
        if leaf and not vertical:
            self.require(record.pgno_right == page.next, "the page to the right")
            right = self._sibling(db, record.pgno_right, record.dbtime_right_before, record.dbtime)
            self.require(right is None or right.previous == record.pgno, "the link from the right")
        else:
            self.require(not record.pgno_right, "a page to the right of an internal one")
        if child is not None:
            self.require(insert and page.child(record.line_oper) == child.pgno, "the pointer that splits")
            self.require(record.line_oper + 1 < record.line_count, "no pointer behind the new one")
        if child is None and record.split_oper:
            self._folded(record, page, operation)
        self.require(child is not None or record.split_oper or operation is None, "an operation that the split does not name")
        self._split_flags(record, page)
        self._split_prefixes(record, page, child, operation)

    def _folded(self, record: Split2, page: CachedPage, operation: Any) -> None:
        expected = {
            kinds.SPLIT_OPER_INSERT: kinds.INSERT,
            kinds.SPLIT_OPER_REPLACE: kinds.REPLACE,
            kinds.SPLIT_OPER_FLAG_INSERT_AND_REPLACE_DATA: kinds.FLAG_INSERT_AND_REPLACE_DATA,
        }
        self.require(operation is not None and operation.kind == expected[record.split_oper], "the operation of the split")
        if operation is None:
            return
        self.require((operation.pgno, operation.line) == (record.pgno, record.line_oper), "the place of the operation")
        self.require(operation.dbtime == record.dbtime and operation.dbtime_before == NOTHING, "the dbtime of the operation")
        self.require((operation.pgno_fdp, operation.objid_fdp) == (record.pgno_fdp, record.objid_fdp), "its tree")
        shared = kinds.UNIQUE | kinds.SPACE_TREE
        self.require(operation.flags & shared == record.flags & shared, "its flags")
        if operation.kind == kinds.REPLACE:
            self.require(len(operation.data) > page.value_size(record.line_oper), "a replace that needs no room")
        if operation.kind == kinds.INSERT:
            self._between(page, record.line_oper, operation.prefix + operation.suffix, operation.data)

    def _split_flags(self, record: Split2, page: CachedPage) -> None:
        kept = PAGE_LEAF | PAGE_PARENT_OF_LEAF | PAGE_SPACE_TREE | CLASSES
        before = page.flags & kept
        self.require(record.new_page_flags & kept == before, f"the flags {record.new_page_flags:#x} of the new page")
        self.require(not record.new_page_flags & PAGE_ROOT, "a new root")
        if page.flags & PAGE_ROOT:
            before &= ~(PAGE_LEAF | PAGE_PARENT_OF_LEAF)
            before |= PAGE_PARENT_OF_LEAF if page.is_leaf else 0
        self.require(
            record.split_page_flags & kept == before, f"the flags {record.split_page_flags:#x} of the page that splits"
        )
        self.require((record.split_page_flags ^ page.flags) & PAGE_ROOT == 0, "the root")

    def _split_prefixes(self, record: Split2, page: CachedPage, child: Split2 | None, operation: Any) -> None:
        keys = [key for _, key, _ in page.nodes()]
        if child is not None:
            keys.insert(record.line_oper, child.key_parent)
        elif record.split_oper == kinds.SPLIT_OPER_INSERT and operation is not None:
            keys.insert(record.line_oper, operation.prefix + operation.suffix)
        old = b"" if page.flags & PAGE_ROOT else page.prefix()
        self.require(record.prefix_split_old == old, "the prefix of before")
        if record.split_type != kinds.SPLIT_APPEND:
            none = record.line_prefix_split < 0
            self.require(none == (not record.prefix_split_new), "a prefix from no line, or none from a line")
            if not none:
                self.require(record.line_prefix_split < record.line_split, "the prefix of another page")
                self.require(keys[record.line_prefix_split] == record.prefix_split_new, "not the key of the line of the prefix")
        if record.line_prefix_new >= 0:
            line = record.line_split + record.line_prefix_new
            self.require(line < len(keys) and len(keys[line]) >= MIN_PREFIX, "the prefix of the new page")
        if page.flags & PAGE_SPACE_TREE:
            self.require(record.line_prefix_split < 0 and record.line_prefix_new < 0, "a prefix in a space tree")
            self.require(not record.uncommitted_free_source and not record.uncommitted_free_new, "uncommitted space")

    def _merge(self, db: Any, chain: list[Merge2], pages: list[CachedPage]) -> None:
        leaf, page = chain[-1], pages[-1]
        self._record = leaf
        kind = leaf.merge_type
        self.require(leaf.level == 1, f"at level {leaf.level}")
        self.require(len(chain) > 1, "a leaf without a parent")
        self.require(page.is_leaf and not page.flags & PAGE_ROOT, "not a leaf")
        self.require(kind == kinds.MERGE_EMPTY_PAGE or kind in IMAGED_MERGES, f"a merge of type {kind}")
        left = self._sibling(db, leaf.pgno_left, leaf.dbtime_left_before, leaf.dbtime)
        right = self._sibling(db, leaf.pgno_right, leaf.dbtime_right_before, leaf.dbtime)
        partial = kind in (kinds.MERGE_PARTIAL_RIGHT, kinds.MERGE_PARTIAL_LEFT)
        emptied = bool(leaf.merge_flags & kinds.MERGE_PAGE_BECOMES_EMPTY)
        self.require(emptied != partial, "whether the page becomes empty")
        if emptied:
            self.require((leaf.pgno_left, leaf.pgno_right) == (page.previous, page.next), "the siblings")
            self.require(left is None or left.next == leaf.pgno, "the link from the left")
            self.require(right is None or right.previous == leaf.pgno, "the link from the right")
        if kind in IMAGED_MERGES:
            self.require(leaf.image, "no image of the page")
            self._same_image(db, leaf, page)
            goes_right = kind in (kinds.MERGE_FULL_RIGHT, kinds.MERGE_PARTIAL_RIGHT)
            self.require((right if goes_right else left) is not None, "nowhere to go")
            self.require(leaf.line_merge == 0 or kind != kinds.MERGE_FULL_RIGHT, "the first line that moves")
            self.require(leaf.line_merge < page.line_count, "no line moves")
        live = [line for line in range(page.line_count) if not page.node_flags(line) & NODE_DELETED]
        self.require(kind != kinds.MERGE_EMPTY_PAGE or not live, "nodes are lost")
        self.require(partial == bool(leaf.key_parent_separator) or not partial, "no key for the parent")
        for number, (record, above) in enumerate(zip(chain[:-1], pages[:-1], strict=True)):
            self._merge_above(record, above, chain[number + 1], leaf, number)

    def _merge_above(self, record: Merge2, page: CachedPage, below: Merge2, leaf: Merge2, number: int) -> None:
        self._record = record
        flags = record.merge_flags
        self.require(record.merge_type == kinds.MERGE_NONE, "a type above the leaf")
        self.require(not page.is_leaf and page.child(record.line) == below.pgno, "the pointer")
        if flags == kinds.MERGE_PAGE_BECOMES_EMPTY:
            self.require(number and page.line_count == 1, "the page does not become empty")
        elif flags == kinds.MERGE_DELETE_NODE:
            self.require(page.line_count > 1 and leaf.merge_type in (kinds.MERGE_EMPTY_PAGE, kinds.MERGE_FULL_RIGHT), "delete")
            last = record.line == page.line_count - 1
            self.require(not last or not page.key(record.line), "the range of the page changes")
        elif flags == kinds.MERGE_KEY_CHANGE:
            self.require(leaf.merge_type == kinds.MERGE_PARTIAL_RIGHT and leaf.key_parent_separator, "key change")
            self.require(page.key(record.line) != b"", "the key of the last pointer")
        else:
            both = kinds.MERGE_DELETE_NODE | kinds.MERGE_KEY_CHANGE
            self.require(flags == both and leaf.merge_type == kinds.MERGE_FULL_LEFT and record.line, f"flags {flags}")
            self.require(record.line and page.child(record.line - 1) == leaf.pgno_left, "the pointer to the left page")

    # -- changes of pages -------------------------------------------------------------------------------------------------

    def _page(self, db: Any, record: Any) -> CachedPage:
        page: CachedPage = db.get(record.pgno)
        self.require(page.dbtime == record.dbtime_before, f"page {record.pgno} has dbtime {page.dbtime} before")
        self.require(record.dbtime_before < record.dbtime, "dbtimes in the wrong order")
        return page

    def _owned(self, db: Any, record: Any, page: CachedPage) -> None:
        """The page is of the tree that the record names, and the tree is what the record says."""
        self.require(page.objid == record.objid_fdp, f"page {record.pgno} is of tree {page.objid}")
        root = db.get(record.pgno_fdp)
        self.require(root.flags & PAGE_ROOT and not root.flags & PAGE_SPACE_TREE, "pgnoFDP is no root")
        self.require(root.objid == record.objid_fdp, "pgnoFDP is of another tree")
        unique = not root.flags & PAGE_NON_UNIQUE
        self.require(bool(record.flags & kinds.UNIQUE) == unique, "whether the tree is unique")
        self.require(bool(record.flags & kinds.SPACE_TREE) == bool(page.flags & PAGE_SPACE_TREE), "whether it is a space tree")

    def _change(self, redo: Redo, record: Any) -> None:
        session = self._session(record.procid)
        self.require(record.dbid in self.attached, f"database {record.dbid} is not attached")
        self.require(session.level and record.trx_begin0 == session.trx, f"of transaction {record.trx_begin0}")
        if record.kind == kinds.UNDO_INFO:
            self._undo_info(redo, session, record)
            return
        # what the session does itself, or another one in its name that builds an index
        mine = record.level == session.level or (
            0 < record.level < session.level and record.flags & kinds.CONCURRENT_CREATE_INDEX
        )
        self.require(mine, f"at level {record.level}, the session is at {session.level}")
        highest = self.highest.get(record.dbid, 0)
        self.require(record.dbtime > highest or session.macro is not None, f"dbtime {record.dbtime} after {highest}")
        self.highest[record.dbid] = max(highest, record.dbtime)
        self._versions(session, record)
        self.proxies += bool(record.flags & kinds.CONCURRENT_CREATE_INDEX)
        if session.macro is not None and record.dbtime == session.macro_dbtime:
            session.macro.append(record)
            return
        self.require(record.kind not in (kinds.SPLIT2, kinds.MERGE2), "outside of a macro")
        self.require(session.macro is None, "of another dbtime inside of a macro")
        db = redo.databases.get(record.dbid)
        if db is None:
            return
        if record.kind in (kinds.CREATE_MEFDP, kinds.CREATE_SEFDP):
            self._create(db, record)
            return
        page = self._page(db, record)
        if record.kind == kinds.CONVERT_FDP2:
            self._taken(db, record, record.pgno_oe, record.pgno_ae)
            self._convert(record, page)
            return
        self._owned(db, record, page)
        if record.kind == kinds.PAGE_MOVE:
            self._page_move(db, record, page)
            return
        self.require(page.is_leaf or record.kind in (kinds.SET_EXTERNAL_HEADER, kinds.EMPTY_TREE), "not on a leaf")
        judge = getattr(self, f"_{type(record).__name__}")
        judge(db, record, page)

    def _page_move(self, db: Any, record: Any, page: CachedPage) -> None:
        """A page goes elsewhere: its parent and its neighbours are those it has, at the dbtimes that the record says."""
        self.require(not page.flags & (PAGE_ROOT | PAGE_SPACE_TREE), "a page that cannot move")
        self.require(record.move_flags == 0, f"flags {record.move_flags:#x} of a root")
        self.require((record.pgno_left, record.pgno_right) == (page.previous, page.next), "other neighbours")
        for pgno, before in (
            (record.pgno_parent, record.dbtime_parent_before),
            (record.pgno_left, record.dbtime_left_before),
            (record.pgno_right, record.dbtime_right_before),
        ):
            if pgno:
                near = db.get(pgno)
                self.require(near.objid == record.objid_fdp, f"page {pgno} is of tree {near.objid}")
                self.require(near.dbtime == before < record.dbtime, f"page {pgno} has dbtime {near.dbtime} before")
        parent = db.get(record.pgno_parent)
        self.require(0 <= record.line_parent < parent.line_count, f"line {record.line_parent} of the parent")
        self.require(parent.child(record.line_parent) == record.pgno, "the parent points elsewhere")
        self.require(0 < record.pgno_dest <= db.file.page_count, f"page {record.pgno_dest} is behind the end of the file")
        self.require(len(record.page_header) + len(record.page_trailer) <= page.page_size, "more than a page")
        self._taken(db, record, record.pgno_dest)

    def _versions(self, session: OpenSession, record: Any) -> None:
        versioned = bool(record.flags & kinds.VERSIONED)
        known = kinds.VERSIONED | kinds.UNIQUE | kinds.SPACE_TREE | kinds.CONCURRENT_CREATE_INDEX
        self.require(not record.flags & ~known, f"flags {record.flags:#x}")
        if not isinstance(record, NodeRecord):
            self.require(not versioned, "a version of no node")
            return
        if record.kind == kinds.UNDO:
            version = session.versions.pop(record.rceid, None)
            self.require(version is not None, f"version {record.rceid} is not open")
            if version is not None:
                self.require(version.oper == record.oper, f"version {record.rceid} is of operation {version.oper}")
                self.require(version.level == record.undo_level == session.level, f"version {record.rceid}: its level")
                # one that follows from another is undone with it
                newer = [each for rceid, each in session.versions.items() if not precedes(rceid, record.rceid)]
                self.require(version.proxy or all(each.proxy for each in newer), "a newer version is still open")
            return
        self.require(versioned == bool(record.rceid), f"version {record.rceid} with flags {record.flags:#x}")
        self.require(not (versioned and record.flags & kinds.SPACE_TREE), "a version in a space tree")
        if not versioned:
            return
        opers = {
            kinds.INSERT: kinds.OPER_INSERT,
            kinds.FLAG_INSERT: kinds.OPER_INSERT,
            kinds.FLAG_INSERT_AND_REPLACE_DATA: kinds.OPER_INSERT,
            kinds.FLAG_DELETE: kinds.OPER_FLAG_DELETE,
            kinds.REPLACE: kinds.OPER_REPLACE,
            kinds.DELTA: kinds.OPER_DELTA,
            kinds.DELTA64: kinds.OPER_DELTA64,
        }
        self.require(record.kind in opers, "an operation that has no version")
        self._add_version(session, record.rceid, opers.get(record.kind, 0), record)
        if record.kind == kinds.FLAG_INSERT_AND_REPLACE_DATA:
            self._add_version(session, record.rceid_replace, kinds.OPER_REPLACE, record)

    def _undo_info(self, redo: Redo, session: OpenSession, record: Any) -> None:
        self.require(record.dbtime == record.dbtime_before == NOTHING, "it changes no page")
        self.require(record.oper in (kinds.OPER_REPLACE, kinds.OPER_FLAG_DELETE), f"operation {record.oper}")
        version = session.versions.get(record.rceid)
        self.require(version is not None and version.oper == record.oper, f"version {record.rceid} is not open")
        self.require(version is None or record.level == version.level, "the level of the version")
        self.require(record.oper == kinds.OPER_REPLACE or not record.data, "a before image of a deletion")
        self.require(record.max_size >= len(record.data), "less room than the image needs")
        db = redo.databases.get(record.dbid)
        if db is not None:
            self.require(db.get(record.pgno).objid == record.objid_fdp, f"page {record.pgno} is of another tree")

    def _create(self, db: Any, record: Any) -> None:
        self.require(record.dbtime_before == NOTHING, "a new page had a dbtime")
        self.require(not record.page_flags & ~CLASSES, f"flags {record.page_flags:#x}")
        self.require(bool(record.flags & kinds.UNIQUE) != bool(record.page_flags & PAGE_NON_UNIQUE), "whether it is unique")
        pages = [record.pgno]
        least = 1
        if record.kind == kinds.CREATE_MEFDP:
            self.require((record.pgno_oe, record.pgno_ae) == (record.pgno + 1, record.pgno + 2), "the space trees")
            pages += [record.pgno_oe, record.pgno_ae]
            least = 3
        self._taken(db, record, *pages)
        self.require(record.cpg_primary >= least, f"{record.cpg_primary} pages")
        self.require(record.pgno + record.cpg_primary - 1 <= db.file.page_count, "pages behind the end of the file")
        if record.pgno_fdp_parent:
            self.require(db.get(record.pgno_fdp_parent).flags & PAGE_ROOT, "the parent is no root")
        else:
            self.require(record.pgno == 1, "a tree without a parent")

    def _convert(self, record: Any, page: CachedPage) -> None:
        self.require(page.objid == record.objid_fdp and page.flags & PAGE_ROOT, "not the root of the tree")
        self.require(
            (record.pgno_oe, record.pgno_ae) == (record.pgno_secondary_first, record.pgno_secondary_first + 1), "trees"
        )
        self.require(record.cpg_secondary >= 2, f"{record.cpg_secondary} pages")
        self.require(not record.page_flags & ~CLASSES, f"flags {record.page_flags:#x}")
        header = page.external_header()
        plain = header if len(header) == 16 else header[1:17]
        self.require(int.from_bytes(plain[8:12], "little") & 1 == 0, "the tree has space trees")
        self.require(int.from_bytes(plain[0:4], "little") == record.cpg_primary, "the size of the first extent")
        self.require(int.from_bytes(plain[4:8], "little") == record.pgno_fdp_parent, "the parent")
        self.require(int.from_bytes(plain[12:16], "little") == record.avail_bitmap, "the free pages")
        unique = not page.flags & PAGE_NON_UNIQUE
        self.require(bool(record.flags & kinds.UNIQUE) == unique, "whether the tree is unique")

    def _between(self, page: CachedPage, line: int, key: bytes, data: bytes) -> None:
        """A node fits into the order of a page before `line`."""
        unique = not page.flags & PAGE_NON_UNIQUE or bool(page.flags & PAGE_SPACE_TREE)
        here = (key, b"" if unique else data)
        if line:
            _, before, value = page.node(line - 1)
            self.require((before, b"" if unique else value) < here, "out of order")
        if line < page.line_count:
            _, behind, value = page.node(line)
            self.require(here < (behind, b"" if unique else value), "out of order")

    def _Insert(self, db: Any, record: Any, page: CachedPage) -> None:
        size = len(record.prefix)
        self.require(size == 0 or size >= MIN_PREFIX, f"a prefix of {size} bytes")
        self.require(page.prefix()[:size] == record.prefix, "not the prefix of the page")
        self.require(not size or not page.flags & PAGE_ROOT, "a prefix on a root")
        self.require(record.prefix + record.suffix and record.data, "an empty key or no data")
        self.require(record.line <= page.line_count, f"line {record.line} of {page.line_count}")
        self._between(page, record.line, record.prefix + record.suffix, record.data)

    def _node(self, record: Any, page: CachedPage, *, deleted: bool | None = None) -> tuple[bytes, bytes]:
        if record.line >= page.line_count:
            self.require(False, f"line {record.line} of {page.line_count}")
            return b"", b""
        flags, key, data = page.node(record.line)
        if deleted is not None:
            self.require(bool(flags & NODE_DELETED) == deleted, "whether the node is deleted")
        return key, data

    def _FlagInsert(self, db: Any, record: Any, page: CachedPage) -> None:
        self.require(self._node(record, page, deleted=True) == (record.key, record.data), "another node")

    def _FlagInsertAndReplaceData(self, db: Any, record: Any, page: CachedPage) -> None:
        self.require(self._node(record, page, deleted=True)[0] == record.key, "another node")
        self.require(record.flags & (kinds.UNIQUE | kinds.SPACE_TREE), "in a tree that is not unique")
        self.require(record.data, "no data")

    def _FlagDelete(self, db: Any, record: Any, page: CachedPage) -> None:
        self._node(record, page, deleted=False)

    def _Delete(self, db: Any, record: Any, page: CachedPage) -> None:
        self._node(record, page)
        self.require(page.line_count > 1 or page.flags & PAGE_ROOT, "a page without a node")

    def _Replace(self, db: Any, record: Any, page: CachedPage) -> None:
        _, data = self._node(record, page, deleted=False)
        self.require(record.flags & (kinds.UNIQUE | kinds.SPACE_TREE), "in a tree that is not unique")
        self.require(record.old_size == len(data), f"{len(data)} bytes before, not {record.old_size}")
        self.require(record.new_size == len(record.data) > 0, f"{len(record.data)} bytes, not {record.new_size}")

    def _ReplaceD(self, db: Any, record: Any, page: CachedPage) -> None:
        self._node(record, page)

    def _delta(self, record: Any, page: CachedPage, size: int) -> None:
        key, data = self._node(record, page, deleted=False)
        bookmark = (key, b"" if record.flags & kinds.UNIQUE else data)
        self.require((record.key, record.bookmark_data) == bookmark, "another node")
        self.require(record.data_offset + size <= len(data), "no counter")

    def _Delta(self, db: Any, record: Any, page: CachedPage) -> None:
        self._delta(record, page, 4)

    def _Delta64(self, db: Any, record: Any, page: CachedPage) -> None:
        self._delta(record, page, 8)

    def _SetExternalHeader(self, db: Any, record: Any, page: CachedPage) -> None:
        sizes = (16,) if page.flags & PAGE_SPACE_TREE else (16, 17, 25)
        self.require(page.flags & PAGE_ROOT and len(record.data) in sizes, f"{len(record.data)} bytes")

    def _Undo(self, db: Any, record: Any, page: CachedPage) -> None:
        deleted = {kinds.OPER_INSERT: False, kinds.OPER_FLAG_DELETE: True}.get(record.oper)
        key, data = self._node(record, page, deleted=deleted)
        bookmark = (key, b"" if record.flags & kinds.UNIQUE else data)
        self.require((record.key, record.bookmark_data) == bookmark, "another node")

    def _EmptyTree(self, db: Any, record: Any, page: CachedPage) -> None:
        entries = record.entries()
        self.require(page.flags & PAGE_ROOT and not page.is_leaf, "not a root above leaves")
        self.require(page.line_count == 1, f"{page.line_count} pointers")
        self.require(0 < len(entries) <= MOST_DEPTH, f"{len(entries)} pages")
        for before, pgno, flags in entries:
            emptied: CachedPage = db.get(pgno)
            self.require(emptied.dbtime == before < record.dbtime, f"the dbtime of page {pgno} before is {emptied.dbtime}")
            self.require(emptied.objid == record.objid_fdp and emptied.flags == flags, f"page {pgno}")


class WatchedRedo(Redo):
    """Redo that has every record judged before it is applied."""

    demands: Demands

    def run(self, log: LogFile, start: Lgpos | None = None, *_: object) -> bool:  # type: ignore[override]
        if start is None or start.isec <= log.header.header_segments:
            self.demands.header(log.header)
        for at, record in log.records(start):
            self.demands.check(self, at, record)
            self._take(at, record)
        return False

    def _take(self, at: Lgpos, record: Record) -> None:
        if record.kind in redo_module._WITHOUT_EFFECT:
            return
        if record.kind in redo_module._PAGE_KINDS:
            self._page_record(at, record)
        else:
            self.apply(at, record)


def replay_strictly(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[Demands, RecoveryResult]:
    """Recover a folder with every record judged; what was found."""
    demands = Demands()
    watched = type("Watched", (WatchedRedo,), {"demands": demands})
    with monkeypatch.context() as patch:
        patch.setattr("esent.recovery.soft.Redo", watched)
        result = soft_recover(RecoveryOptions(log_path=folder, alternate_path=folder, **options))
    return demands, result


def missing(demands: Demands, wanted: Iterable[str]) -> list[str]:
    """Kinds of records that a test wants to have met, and has not."""
    return [name for name in wanted if name not in demands.seen]
