"""One table of a damaged database as a reader has it: indexes that fall back to the rows, rows that are passed over."""

from __future__ import annotations

from esent.catalog.objects import Index, Table
from esent.catalog.salvage import Loss, Salvage, reason
from esent.engine.table_view import TableView
from esent.errors import JetError
from esent.pages.page import PAGE_INDEX
from esent.tools.computed_index import computed_entries, entries_between
from esent.tree.salvage import SalvagedTree

_KEEP = 64


class TableDamage:
    """Takes note of what a table has lost, and makes up for what can be made up."""

    def __init__(self, salvage: Salvage, table: Table, view: TableView) -> None:
        self._salvage = salvage
        self._table = table
        self._view = view
        self._long_values = salvage.long_values(table, keep=_KEEP)

    def lost_row(self, bookmark: bytes, problem: JetError) -> None:
        """Note a row that is known by its key and cannot be read."""
        text = f"the row with the key {bookmark.hex()}: {reason(problem)}"
        self._salvage.losses.add(Loss(self._table.name, "rows", None, problem.code, text))

    def index_tree(self, index: Index) -> SalvagedTree:
        """A secondary index; the entries of a page that cannot be read are made from the rows, if their keys can be made.

        Where they cannot, leaves that no page points to stand in, as in every tree.
        """
        salvage, table = self._salvage, self._table
        if index.is_localized and self._view.definition(index).sort_key is None:
            return salvage.index(table, index, keep=_KEEP)

        def fill(low: bytes, high: bytes | None) -> list[tuple[bytes, bytes]]:
            entries = computed_entries(self._view, index, salvage.rows(table).entries(), self._read, refused)
            return entries_between(entries, low, high, unique=index.is_unique)

        def refused(bookmark: bytes, problem: JetError) -> None:
            text = f"not in this order is the row with the key {bookmark.hex()}: {reason(problem)}"
            salvage.losses.add(Loss(table.name, f"index {index.name}", None, problem.code, text))

        return SalvagedTree(
            salvage.file,
            index.root,
            index.objid,
            report=salvage.report(table.name, f"index {index.name}"),
            class_flags=PAGE_INDEX,
            fill=fill,
            keep=_KEEP,
        )

    def _read(self, lid: bytes, count: int) -> bytes:
        """The first bytes of a long value."""
        found = b""
        for chunk in self._long_values.chunks(lid):
            found += chunk
            if len(found) >= count:
                break
        return found[:count]


__all__ = ["TableDamage"]
