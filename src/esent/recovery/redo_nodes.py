"""Redo of the records that change nodes of one page, and of their undo (`reference/log-and-recovery.md` 4.5.2).

Each function gets the database, the sessions, the session that logged the record, the generation, and the record. It makes the
version where the transaction may still be rolled back, asks whether the page needs the record, and changes the page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.log import kinds
from esent.log.records import (
    Delete,
    Delta,
    Delta64,
    EmptyTree,
    FlagDelete,
    FlagInsert,
    FlagInsertAndReplaceData,
    Insert,
    NodeRecord,
    Replace,
    ReplaceD,
    Scrub,
    SetExternalHeader,
    Undo,
    UndoInfo,
)
from esent.pages.cache import CachedPage
from esent.pages.edit import (
    NODE_DELETED,
    NODE_VERSIONED,
    PAGE_EMPTY,
    PAGE_LEAF,
    PAGE_PARENT_OF_LEAF,
    PAGE_SCRUBBED,
    MutablePage,
)
from esent.recovery.cache import RecoveredDatabase
from esent.recovery.images import apply_difference
from esent.recovery.sessions import Session, SessionTable, Version, make_version

_SCRUB_UNUSED_PAGE = 1
_SCRUB_FILL = {1: b"D", 2: b"L"}


def inconsistent(what: str, record: NodeRecord) -> JetError:
    return jet_error(codes.JET_errLogOperationInconsistentWithDatabase, what, page=record.pgno)


def _version(sessions: SessionTable, record: NodeRecord, rceid: int, oper: int, key: bytes, data: bytes) -> Version:
    return make_version(record, rceid, oper, key, data, sessions.next_order())


def _node_flags(record: NodeRecord) -> int:
    return NODE_VERSIONED if record.flags & kinds.VERSIONED else 0


def _is_versioned(record: NodeRecord, rceid: int) -> bool:
    return bool(record.flags & kinds.VERSIONED and rceid)


def make_insert_version(sessions: SessionTable, session: Session, record: NodeRecord, key: bytes, data: bytes) -> None:
    """The version of an insert, whether or not the page still needs the node."""
    if _is_versioned(record, record.rceid):
        sessions.add(session, _version(sessions, record, record.rceid, kinds.OPER_INSERT, key, data), record.level)


def make_image_version(
    sessions: SessionTable, session: Session, record: NodeRecord, rceid: int, oper: int, page: CachedPage | None, line: int
) -> Version | None:
    """The version of a replace or flag-delete of `line`: from the page as it is before, or deferred where `page` is None."""
    if not _is_versioned(record, rceid):
        return None
    if page is None:
        session.deferred[rceid] = sessions.next_order()
        return None
    version = _version(sessions, record, rceid, oper, page.key(line), page.value(line))
    if oper == kinds.OPER_REPLACE:
        version.before = page.value(line)
    version.pending = True
    page.pending.append(version)
    sessions.add(session, version, record.level)
    return version


def insert(db: RecoveredDatabase, sessions: SessionTable, session: Session, generation: int, record: Insert) -> None:
    page = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    if page is None and db.is_absent(record.pgno):
        return
    make_insert_version(sessions, session, record, record.prefix + record.suffix, record.data)
    if page is not None:
        prefix = record.prefix
        if prefix and not page.has_prefix(prefix):
            raise inconsistent("the prefix of the inserted node is not that of the page", record)
        page.insert(record.line, len(prefix), record.suffix, record.data, _node_flags(record))
        db.touch(page, record.dbtime, generation)


def flag_insert(db: RecoveredDatabase, sessions: SessionTable, session: Session, generation: int, record: FlagInsert) -> None:
    page = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    if page is None and db.is_absent(record.pgno):
        return
    make_insert_version(sessions, session, record, record.key, record.data)
    if page is not None:
        page.change_node_flags(record.line, NODE_DELETED, _node_flags(record))
        db.touch(page, record.dbtime, generation)


def flag_insert_and_replace(
    db: RecoveredDatabase, sessions: SessionTable, session: Session, generation: int, record: FlagInsertAndReplaceData
) -> None:
    page = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    if page is None and db.is_absent(record.pgno):
        return
    make_insert_version(sessions, session, record, record.key, record.data)
    make_image_version(sessions, session, record, record.rceid_replace, kinds.OPER_REPLACE, page, record.line)
    if page is not None:
        page.replace(record.line, record.data)
        page.change_node_flags(record.line, NODE_DELETED, _node_flags(record))
        db.touch(page, record.dbtime, generation)


def flag_delete(db: RecoveredDatabase, sessions: SessionTable, session: Session, generation: int, record: FlagDelete) -> None:
    page = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    if page is None and db.is_absent(record.pgno):
        return
    make_image_version(sessions, session, record, record.rceid, kinds.OPER_FLAG_DELETE, page, record.line)
    if page is not None:
        page.change_node_flags(record.line, 0, NODE_DELETED | _node_flags(record))
        db.touch(page, record.dbtime, generation)


def replace(db: RecoveredDatabase, sessions: SessionTable, session: Session, generation: int, record: Replace) -> None:
    page = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    if page is None and db.is_absent(record.pgno):
        return
    data = record.data
    if page is not None and isinstance(record, ReplaceD):
        old = page.value(record.line)
        data = apply_difference(old, record.data, wide=record.wide, new_size=record.new_size)
    make_image_version(sessions, session, record, record.rceid, kinds.OPER_REPLACE, page, record.line)
    if page is not None:
        page.replace(record.line, data)
        if record.flags & kinds.VERSIONED:
            page.change_node_flags(record.line, 0, NODE_VERSIONED)
        db.touch(page, record.dbtime, generation)


def delete(db: RecoveredDatabase, sessions: SessionTable, session: Session, generation: int, record: Delete) -> None:
    page = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    if page is not None:
        page.delete(record.line)
        db.touch(page, record.dbtime, generation)


def add_delta(page: MutablePage, line: int, offset: int, delta: int, size: int) -> bool:
    """Add to the little-endian integer of `size` bytes at `offset` of a node's data; False where it does not lie in it."""
    data = page.value(line)
    if offset + size > len(data):
        return False
    number = int.from_bytes(data[offset : offset + size], "little") + delta
    number &= (1 << 8 * size) - 1
    page.replace(line, data[:offset] + number.to_bytes(size, "little") + data[offset + size :])
    return True


def delta(db: RecoveredDatabase, sessions: SessionTable, session: Session, generation: int, record: Delta | Delta64) -> None:
    page = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    if page is None and db.is_absent(record.pgno):
        return
    wide = record.kind == kinds.DELTA64
    if _is_versioned(record, record.rceid):
        oper = kinds.OPER_DELTA64 if wide else kinds.OPER_DELTA
        version = _version(sessions, record, record.rceid, oper, record.key, record.bookmark_data)
        version.delta = record.delta
        version.data_offset = record.data_offset
        sessions.add(session, version, record.level)
    if page is not None:
        if not add_delta(page, record.line, record.data_offset, record.delta, 8 if wide else 4):
            raise inconsistent("the counter of a delta lies outside of its node", record)
        if record.flags & kinds.VERSIONED:
            page.change_node_flags(record.line, 0, NODE_VERSIONED)
        db.touch(page, record.dbtime, generation)


def set_external_header(
    db: RecoveredDatabase, sessions: SessionTable, session: Session, generation: int, record: SetExternalHeader
) -> None:
    page = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    if page is not None:
        page.set_external_header(record.data)
        db.touch(page, record.dbtime, generation)


def undo_info(db: RecoveredDatabase, sessions: SessionTable, session: Session, generation: int, record: UndoInfo) -> None:
    """Supply the before image of a deferred version, or note that one is in the log already."""
    version = session.find(record.rceid)
    if version is not None:
        version.pending = False
        return
    order = session.deferred.pop(record.rceid, None)
    if order is None or not session.level or record.trx_begin0 != session.trx_begin0:
        return
    version = _version(sessions, record, record.rceid, record.oper, record.key, record.bookmark_data)
    version.order = order
    version.before = record.data
    sessions.add(session, version, record.level)


def apply_undo(page: MutablePage, line: int, version: Version) -> bool:
    """Take the version's change off the node at `line`; False where the node cannot be what was changed."""
    if version.oper == kinds.OPER_INSERT:
        page.change_node_flags(line, 0, NODE_DELETED)
    elif version.oper == kinds.OPER_FLAG_DELETE:
        page.change_node_flags(line, NODE_DELETED, 0)
    elif version.oper == kinds.OPER_REPLACE:
        page.replace(line, version.before)
    else:
        size = 8 if version.oper == kinds.OPER_DELTA64 else 4
        return add_delta(page, line, version.data_offset, -version.delta, size)
    return True


def undo(db: RecoveredDatabase, sessions: SessionTable, session: Session, generation: int, record: Undo) -> None:
    """A roll-back that was logged: the same change to the page, and the version is gone."""
    page = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    version = session.find(record.rceid)
    if page is not None:
        if version is None and record.oper in (kinds.OPER_INSERT, kinds.OPER_FLAG_DELETE):
            version = _version(sessions, record, record.rceid, record.oper, record.key, record.bookmark_data)
        if version is None or version.oper != record.oper:
            raise inconsistent(f"the log undoes version {record.rceid}, which redo has not met", record)
        if not apply_undo(page, record.line, version):
            raise inconsistent("an undone delta lies outside of its node", record)
        db.touch(page, record.dbtime, generation)
    sessions.undone(session, record.rceid)


def empty_page(page: CachedPage) -> None:
    """Remove prefix and nodes; the page is free space now."""
    page.clear()
    page.flags |= PAGE_EMPTY
    page.pending.clear()


def empty_tree(db: RecoveredDatabase, sessions: SessionTable, session: Session, generation: int, record: EmptyTree) -> None:
    for before, pgno, _ in record.entries():
        page = db.for_redo(pgno, record.dbtime, before)
        if page is not None:
            empty_page(page)
            db.touch(page, record.dbtime, generation)
    root = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    if root is not None:
        while root.line_count:
            root.delete(root.line_count - 1)
        root.flags = root.flags & ~PAGE_PARENT_OF_LEAF | PAGE_LEAF
        db.touch(root, record.dbtime, generation)


def scrub(db: RecoveredDatabase, sessions: SessionTable, session: Session, generation: int, record: Scrub) -> None:
    page = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    if page is None:
        return
    if record.scrub_flags & _SCRUB_UNUSED_PAGE:
        for line in range(page.line_count):
            page.replace(line, b"U" * len(page.value(line)))
    elif record.scrub_count > min(len(record.opers), page.line_count):
        raise inconsistent("a scrub names more nodes than the page has", record)
    else:
        for line in range(record.scrub_count):
            fill = _SCRUB_FILL.get(record.opers[line])
            if fill:
                page.replace(line, fill * len(page.value(line)))
    db.touch(page, record.dbtime, generation)
    page.flags |= PAGE_SCRUBBED


HANDLERS: dict[int, Callable[[RecoveredDatabase, SessionTable, Session, int, Any], None]] = {
    kinds.INSERT: insert,
    kinds.FLAG_INSERT: flag_insert,
    kinds.FLAG_INSERT_AND_REPLACE_DATA: flag_insert_and_replace,
    kinds.FLAG_DELETE: flag_delete,
    kinds.REPLACE: replace,
    kinds.REPLACE_D: replace,
    kinds.DELETE: delete,
    kinds.DELTA: delta,
    kinds.DELTA64: delta,
    kinds.SET_EXTERNAL_HEADER: set_external_header,
    kinds.UNDO: undo,
    kinds.EMPTY_TREE: empty_tree,
    kinds.SCRUB: scrub,
}
