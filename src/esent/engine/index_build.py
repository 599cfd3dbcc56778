"""Filling a new index with the entries of the records that are there."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from esent.catalog.objects import Index
from esent.constants import codes
from esent.engine.index_entries import index_entries
from esent.engine.long_value_writer import LongValueTree
from esent.errors import JetError, jet_error
from esent.pages.edit import NODE_DELETED
from esent.versions.store import OPER_DELTA, OPER_DELTA64, OPER_FLAG_DELETE, OPER_INSERT, OPER_REPLACE, Chain, view

if TYPE_CHECKING:
    from esent.engine.cursor import Cursor
    from esent.engine.session import Session

_CHANGES = (OPER_INSERT, OPER_REPLACE, OPER_FLAG_DELETE, OPER_DELTA, OPER_DELTA64)


def require_empty(cursor: Cursor) -> None:
    """JET_errTableNotEmpty where the table has a record that somebody sees."""
    tree = cursor.primary.tree
    node = tree.nodes.first()
    while node is not None:
        if not node.flags & NODE_DELETED or tree.visible_data(cursor.session, node) is not None:
            raise jet_error(codes.JET_errTableNotEmpty, f"table {cursor.table.name} has records")
        node = tree.nodes.next(node)


class _Changed(NamedTuple):
    """A record that another session has changed in an open transaction: what it was and is, None for no record.

    `shared`: several have, as counters allow; then nobody's entries can be told from another's.
    """

    owner: Session
    shared: bool
    before: bytes | None
    now: bytes | None


def build_index(cursor: Cursor, index: Index) -> None:
    """Insert the entries of all records, in key order, in a transaction that nobody else works beside.

    Entries of records that other sessions are changing come with the versions that those sessions would have made, had they
    known of the index: they go with the change or with its roll-back. From now on everybody keeps the index up.

    JET_errWriteConflict for a record that was changed, and committed, since the creator's snapshot, and where the entries of an
    uncommitted change cannot be told or go against others; JET_errKeyDuplicate for two records with one key in a unique index.
    """
    session, tree = cursor.session, cursor.primary.tree
    settled: list[tuple[bytes, bytes]] = []
    coming: list[tuple[bytes, bytes, Session]] = []
    going: list[tuple[bytes, bytes, Session]] = []
    node = tree.nodes.first()
    while node is not None:
        key = node.key
        data = None if node.flags & NODE_DELETED else node.data
        chain = tree.versions.chain(key, b"")
        changed = _changed(chain, session, node.data, data) if chain is not None else None
        if changed is None:
            if data is not None:
                settled += ((entry, key) for entry in index_entries(cursor.view, index, data, cursor.read_long_value))
        else:
            before = _entries(cursor, index, session, changed.before)
            now = _entries(cursor, index, changed.owner, changed.now)
            if changed.shared and before != now:
                raise jet_error(codes.JET_errWriteConflict, f"building index {index.name} over a counter that others change")
            settled += ((entry, key) for entry in before)
            coming += ((entry, key, changed.owner) for entry in now if entry not in before)
            going += ((entry, key, changed.owner) for entry in before if entry not in now)
        node = tree.nodes.next(node)
    settled.sort()
    if index.is_unique:
        _require_unique(index, settled, coming)
    target = cursor.index_tree(index)
    for entry, bookmark in settled:
        target.insert(session, entry, bookmark, versioned=False)
    for entry, bookmark, owner in going:
        target.delete(owner, entry, bookmark)
    for entry, bookmark, owner in coming:
        target.insert(owner, entry, bookmark)


def _changed(chain: Chain, session: Session, newest: bytes, data: bytes | None) -> _Changed | None:
    """What another session is doing to a record; None for nothing. `newest` is what the page has, `data` None if it is deleted.

    A change of an outer level of its transaction could not be told from one of the innermost, which may be rolled back alone.
    """
    reader = session.open_transaction()
    owners: list[Session] = []
    for version in chain.versions:
        if reader.sees(version) or version.oper not in _CHANGES:
            continue
        transaction = version.transaction
        if transaction.commit0 or transaction.level_of(version) != transaction.level:
            raise jet_error(codes.JET_errWriteConflict, "building an index over a record that others are changing")
        if transaction.owner not in owners:
            owners.append(transaction.owner)
    if not owners:
        return None
    return _Changed(owners[-1], len(owners) > 1, view(chain, newest, reader, deleted=data is None), data)


def _entries(cursor: Cursor, index: Index, reader: Session, record: bytes | None) -> list[bytes]:
    """The entries of a record as a session sees it."""
    if record is None:
        return []
    if reader is cursor.session:
        return index_entries(cursor.view, index, record, cursor.read_long_value)

    def read(lid: bytes, count: int) -> bytes:
        values = cursor.require_long_values()
        return LongValueTree(reader, values.tree, values.chunk).read(lid, 0, count)

    try:
        return index_entries(cursor.view, index, record, read)
    except JetError as problem:
        what = f"building index {index.name} over a record that another session is changing: {problem.message}"
        raise jet_error(codes.JET_errWriteConflict, what) from problem


def _require_unique(index: Index, settled: list[tuple[bytes, bytes]], coming: list[tuple[bytes, bytes, Session]]) -> None:
    for (key, _), (following, _) in pairwise(settled):
        if key == following:
            raise jet_error(codes.JET_errKeyDuplicate, f"two records have the same key in index {index.name}")
    taken = {key for key, _ in settled}
    for key, _, _ in coming:
        if key in taken:
            raise jet_error(codes.JET_errWriteConflict, f"another session is making a second key of unique index {index.name}")
        taken.add(key)


__all__ = ["build_index", "require_empty"]
