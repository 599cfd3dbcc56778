"""Records that the clean-up deletes when their escrow counter has come to zero (JET_bitColumnDeleteOnZero)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esent.engine.collation import sort_key_of
from esent.engine.index_entries import RecordValues
from esent.engine.long_value_writer import plain_prefix, reclaim
from esent.engine.record_buffer import separated_ids
from esent.engine.schema import SessionTable
from esent.engine.table_view import TableView
from esent.engine.versioned import VersionedTree
from esent.records import access
from esent.records.columns import Column

if TYPE_CHECKING:
    from esent.engine.cursor import Cursor
    from esent.engine.transactions import Writer

_REFERENCES_OFFSET = 0
_REFERENCES_SIZE = 4


class ZeroRecord:
    """A record that an escrow update was made to; called when no snapshot needs it as it was before."""

    def __init__(self, cursor: Cursor, bookmark: bytes, column: Column) -> None:
        self.database = cursor.database
        self.view = cursor.view
        self.bookmark = bookmark
        self.column = column
        self.tree = cursor.primary.tree
        values = cursor.long_values()
        self.values = values.tree if values is not None else None

    def __call__(self, writer: Writer) -> None:
        image = settled_record(self.tree, self.bookmark)
        if image is None or not is_zero(image, self.column):
            return
        table = self.view.table
        if isinstance(table, SessionTable) and table.live.unbuilt:
            self.tree.store.call_when_clean(self)  # the record has been seen by who builds an index
            return
        if not self.view.current:
            self.view = TableView(table, self.view.page_size, sort_key_of)
        values = RecordValues(self.view, image, self._read)
        for index in self.view.maintained:
            tree = VersionedTree(self.database, index.objid, index.root, index.is_unique)
            for key in values.keys(index):
                _remove(tree, writer, key, self.bookmark)
        for lid in separated_ids(image, self.view.small_page):
            assert self.values is not None
            self.values.take_off(writer, lid[::-1], _REFERENCES_OFFSET, 1, _REFERENCES_SIZE)
            reclaim(self.values, writer, lid)
        self.tree.expunge(writer, self.bookmark)

    def _read(self, lid: bytes, count: int) -> bytes:
        """The first bytes of a long value, as its nodes are now."""
        assert self.values is not None
        return plain_prefix(self.values, lid, count)


def settled_record(tree: VersionedTree, bookmark: bytes) -> bytes | None:
    """A record that everybody sees as it is; None where it is gone, or somebody sees it otherwise."""
    node = tree.nodes.find(bookmark)
    return None if node is None or tree.versions.chain(bookmark, b"") is not None else node.data


def is_zero(image: bytes, column: Column) -> bool:
    """Whether the counter `column` of a record is zero."""
    state, counter = access.fixed_value(image, column.fid, column.record_offset, column.max_size)
    return state == access.PRESENT and not any(counter)


def _remove(tree: VersionedTree, writer: Writer, key: bytes, data: bytes) -> None:
    bookmark = b"" if tree.unique else data
    if tree.nodes.find(key, None if tree.unique else bookmark) is not None:
        tree.expunge(writer, key, bookmark)
