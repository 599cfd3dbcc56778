"""Filling a new index with the entries of the records that are there."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from esent.catalog.objects import Index
from esent.constants import codes
from esent.engine.index_entries import index_entries
from esent.errors import jet_error
from esent.pages.edit import NODE_DELETED

if TYPE_CHECKING:
    from esent.engine.cursor import Cursor


def require_empty(cursor: Cursor) -> None:
    """JET_errTableNotEmpty where the table has a record that somebody sees."""
    tree = cursor.primary.tree
    node = tree.nodes.first()
    while node is not None:
        if not node.flags & NODE_DELETED or tree.visible_data(cursor.session, node) is not None:
            raise jet_error(codes.JET_errTableNotEmpty, f"table {cursor.table.name} has records")
        node = tree.nodes.next(node)


def build_index(cursor: Cursor, index: Index) -> None:
    """Insert the entries of all records, in key order.

    The index has to hold what is there when its creator commits, so it is made from the newest records. One that another
    session is changing, or has changed since the creator's snapshot, is JET_errWriteConflict; two with one key in a unique
    index JET_errKeyDuplicate.
    """
    session, tree = cursor.session, cursor.primary.tree
    entries: list[tuple[bytes, bytes]] = []
    node = tree.nodes.first()
    while node is not None:
        if tree.changed_since(session, node.key):
            raise jet_error(codes.JET_errWriteConflict, f"building index {index.name} over records that others are changing")
        if not node.flags & NODE_DELETED:
            key = node.key
            entries += ((entry, key) for entry in index_entries(cursor.view, index, node.data, cursor.read_long_value))
        node = tree.nodes.next(node)
    entries.sort()
    if index.is_unique:
        for (key, _), (following, _) in pairwise(entries):
            if key == following:
                raise jet_error(codes.JET_errKeyDuplicate, f"two records have the same key in index {index.name}")
    target = cursor.index_tree(index)
    for key, bookmark in entries:
        target.insert(session, key, bookmark, versioned=False)


__all__ = ["build_index", "require_empty"]
