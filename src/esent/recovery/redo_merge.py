"""Redo of merges (chains of Merge2 records, root to leaf) and of page moves (`reference/log-and-recovery.md` 4.5.7).

| merge type | leaf level: what moves                                           | level above                                 |
|------------|------------------------------------------------------------------|---------------------------------------------|
| 1 empty    | nothing; page unlinked and emptied                               | pointer deleted                             |
| 2 right    | lines from `line_merge` on go before those of the right page;    | pointer deleted                             |
|            | unlinked and emptied                                             |                                             |
| 3 part     | the same, the page stays                                         | its separator := that in the leaf record    |
| 5 left     | all lines go behind those of the left page; unlinked and emptied | pointer := left page, the one before it goes |
| 6 part     | lines up to `line_merge` go behind those of the left page        | separator of the left page                  |

Nodes flagged deleted never move.
"""

from __future__ import annotations

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.log import kinds
from esent.log.records import Merge2, PageMove
from esent.pages.cache import CachedPage
from esent.pages.edit import NODE_DELETED
from esent.recovery.cache import RedoPages
from esent.recovery.images import restore_image
from esent.recovery.redo_nodes import empty_page

_RIGHT = (kinds.MERGE_FULL_RIGHT, kinds.MERGE_PARTIAL_RIGHT)
_LEFT = (kinds.MERGE_FULL_LEFT, kinds.MERGE_PARTIAL_LEFT)
_WHOLE_PAGE = (kinds.MERGE_EMPTY_PAGE, kinds.MERGE_FULL_RIGHT, kinds.MERGE_FULL_LEFT)


def _contradiction(record: Merge2 | PageMove, what: str) -> JetError:
    return jet_error(codes.JET_errLogOperationInconsistentWithDatabase, f"merge: {what}", page=record.pgno)


def redo_merge(db: RedoPages, generation: int, chain: list[Merge2]) -> None:
    """Apply the whole chain, top level first."""
    leaf = chain[-1]
    for number, record in enumerate(chain[:-1]):
        _redo_internal(db, generation, record, leaf, chain[number + 1])
    _redo_leaf(db, generation, leaf)


def _redo_internal(db: RedoPages, generation: int, record: Merge2, leaf: Merge2, below: Merge2) -> None:
    page = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    if page is None:
        return
    line = record.line
    if record.merge_flags & kinds.MERGE_PAGE_BECOMES_EMPTY:
        empty_page(page)
    else:
        key_change = record.merge_flags & kinds.MERGE_KEY_CHANGE
        delete_node = record.merge_flags & kinds.MERGE_DELETE_NODE
        if key_change and delete_node:
            page.set_child(line, below.pgno_left)
            page.delete(line - 1)
        elif key_change:
            target = line - 1 if leaf.merge_type == kinds.MERGE_PARTIAL_LEFT else line
            page.replace_key(target, leaf.key_parent_separator)
        elif delete_node:
            last = line == page.line_count - 1
            was_open = last and not page.key(line)
            page.delete(line)
            if was_open and page.line_count:
                page.replace_key(page.line_count - 1, b"")
    db.touch(page, record.dbtime, generation)


def _image(db: RedoPages, record: Merge2) -> CachedPage:
    if not record.image:
        what = "the log has no image of the page that is merged"
        raise jet_error(codes.JET_errDatabaseBufferDependenciesCorrupted, what, page=record.pgno)
    return CachedPage.of(restore_image(record.image, record.image_flags, db.page_size, record.pgno), record.pgno)


def _redo_leaf(db: RedoPages, generation: int, record: Merge2) -> None:
    kind = record.merge_type
    if kind not in (*_RIGHT, *_LEFT, kinds.MERGE_EMPTY_PAGE):
        raise jet_error(codes.JET_errInvalidLoggedOperation, f"a merge of type {kind}", page=record.pgno)
    page = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    left = right = None
    if record.pgno_left:
        left = db.for_redo(record.pgno_left, record.dbtime, record.dbtime_left_before)
    if record.pgno_right:
        right = db.for_redo(record.pgno_right, record.dbtime, record.dbtime_right_before)

    receiver = right if kind in _RIGHT else left if kind in _LEFT else None
    if receiver is not None:
        source = page if page is not None else _image(db, record)
        _move(record, source, receiver)
        if source.pending:
            source.pending = receiver.pending = [v for v in (*source.pending, *receiver.pending) if v.pending]
    if kind in _WHOLE_PAGE:
        if left is not None:
            left.next = record.pgno_right
        if right is not None:
            right.previous = record.pgno_left
    for sibling in (left, right):
        if sibling is not None:
            db.touch(sibling, record.dbtime, generation)
    if page is None:
        return
    if record.merge_flags & kinds.MERGE_PAGE_BECOMES_EMPTY:
        pending = page.pending
        empty_page(page)
        page.pending = pending
    elif kind == kinds.MERGE_PARTIAL_RIGHT:
        while page.line_count > record.line_merge:
            page.delete(page.line_count - 1)
    elif kind == kinds.MERGE_PARTIAL_LEFT:
        for _ in range(min(record.line_merge + 1, page.line_count)):
            page.delete(0)
    db.touch(page, record.dbtime, generation)


def _move(record: Merge2, source: CachedPage, receiver: CachedPage) -> None:
    count = source.line_count
    first = record.line_merge if record.merge_type in _RIGHT else 0
    stop = count if record.merge_type != kinds.MERGE_PARTIAL_LEFT else min(record.line_merge + 1, count)
    if first > count:
        raise _contradiction(record, f"nodes move from line {first} of {count}")
    moved = [node for node in source.nodes(first, stop) if not node[0] & NODE_DELETED]
    at = 0 if record.merge_type in _RIGHT else receiver.line_count
    for offset, (flags, key, data) in enumerate(moved):
        receiver.insert_key(at + offset, key, data, flags)
    receiver.uncommitted_free = record.uncommitted_free_destination


def redo_page_move(db: RedoPages, generation: int, record: PageMove) -> None:
    """The page goes to `pgno_dest`; siblings and parent follow, each by its own dbtime."""
    source = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    if db.needs_new(record.pgno_dest, record.dbtime):
        gap = db.page_size - len(record.page_header) - len(record.page_trailer)
        if gap < 0:
            raise jet_error(codes.JET_errLogFileCorrupt, "the image of a moved page is larger than a page", page=record.pgno)
        image = CachedPage.of(record.page_header + bytes(gap) + record.page_trailer, record.pgno_dest)
        dest = db.new_page(record.pgno_dest, image.objid, image.flags, record.dbtime, generation)
        checked_pgno = bytes(dest.data[64:68])
        dest.data[:] = image.data
        dest.dbtime = record.dbtime
        if db.page_size > 8192:
            dest.data[64:68] = checked_pgno
        if source is not None:
            dest.pending = source.pending
    for pgno, before, is_left in (
        (record.pgno_left, record.dbtime_left_before, True),
        (record.pgno_right, record.dbtime_right_before, False),
    ):
        sibling = db.for_redo(pgno, record.dbtime, before) if pgno else None
        if sibling is not None:
            if is_left:
                sibling.next = record.pgno_dest
            else:
                sibling.previous = record.pgno_dest
            db.touch(sibling, record.dbtime, generation)
    parent = db.for_redo(record.pgno_parent, record.dbtime, record.dbtime_parent_before) if record.pgno_parent else None
    if parent is not None and record.line_parent >= 0:
        parent.set_child(record.line_parent, record.pgno_dest)
        db.touch(parent, record.dbtime, generation)
    if source is not None:
        pending = source.pending
        empty_page(source)
        source.pending = pending
        db.touch(source, record.dbtime, generation)
