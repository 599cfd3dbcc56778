"""Pieces of a table that other processes can read: by ranges of its keys, cut where its tree is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esent.api.rows import Row
from esent.catalog.column_scan import BATCH_ROWS
from esent.constants import codes
from esent.errors import jet_error
from esent.tree.cursor import Tree

if TYPE_CHECKING:
    from esent.api.reading_table import ReadOnlyTable
    from esent.tools.where import Condition

_PIECES_OF_A_PART = 4  # children of the tree for each part, so that parts are about equal
_PAGES_MOST = 10_000  # of one level that are read to divide a tree


@dataclass(frozen=True, slots=True)
class Partition:
    """The rows of a table with `low` <= key < `high` (None: no limit), as the tree has its keys. Small, and picklable: whoever
    reads it opens the database anew, in whatever process that is.

    `stamp` says which state of the database was divided.
    """

    path: Path
    log_directory: Path | None
    table: str
    low: bytes | None
    high: bytes | None
    stamp: tuple[object, ...]

    @contextmanager
    def open(self) -> Iterator[ReadOnlyTable]:
        """The table, from a database opened for this. JET_errDataHasChanged where the file is not as it was when divided."""
        from esent.api.reading import ReadOnlyDatabase

        with ReadOnlyDatabase(self.path, log_directory=self.log_directory) as database:
            if database.stamp != self.stamp:
                what = f"reading a part of table {self.table}: the database has changed since the table was divided"
                raise jet_error(codes.JET_errDataHasChanged, what, file=self.path)
            yield database[self.table]

    def __iter__(self) -> Iterator[Row]:
        with self.open() as table:
            for key, record in table.tree.entries(self.low):
                if self.high is not None and key >= self.high:
                    break
                yield table.row(key, record)

    def to_arrow(
        self,
        columns: Sequence[str] | None = None,
        where: Condition | str | None = None,
        *,
        batch_size: int = BATCH_ROWS,
        odd: bool = True,
    ) -> Any:
        """As `esent.to_arrow`, of these rows. The database is open until the reader has come to its end."""
        from esent.api.arrow import read_only_reader
        from esent.tools.arrow import arrow

        with self.open() as table:
            schema = read_only_reader(table, columns, where, batch_size=batch_size, odd=odd).schema

        def batches() -> Iterator[Any]:
            with self.open() as table:
                yield from read_only_reader(table, columns, where, batch_size=batch_size, odd=odd, low=self.low, high=self.high)

        return arrow().RecordBatchReader.from_batches(schema, batches())


def key_cuts(tree: Tree, parts: int) -> list[bytes]:
    """Up to `parts` - 1 keys that cut a tree into parts of about equal size: separators of the first level that has enough."""
    page = tree.root_page()
    level = [page]
    separators: list[bytes] = []
    while not level[0].is_leaf:
        separators = [key for page in level for line in range(page.line_count) if (key := page.key(line))]
        if len(separators) >= parts * _PIECES_OF_A_PART or level[0].is_parent_of_leaf:
            break
        if sum(page.line_count for page in level) > _PAGES_MOST:
            break
        level = [child for page in level for child in tree.below(page)]
    separators = sorted(set(separators))
    wanted = min(parts, len(separators) + 1)
    return [separators[len(separators) * part // wanted] for part in range(1, wanted)]
