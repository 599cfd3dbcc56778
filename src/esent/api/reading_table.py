"""Tables of a database that is open for reading only: the reading half of `esent.Table`, straight from the pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from esent.api.columns import ColumnType
from esent.api.rows import Layout, Row, as_key, to_bytes
from esent.catalog.objects import Index, Table
from esent.constants import codes, grbits
from esent.engine.collation import sort_key_of
from esent.engine.search_key import SearchKey
from esent.engine.table_view import TableView
from esent.errors import JetError, jet_error
from esent.tree.cursor import Tree
from esent.tree.long_values import LongValues
from esent.tree.source import PageSource

if TYPE_CHECKING:
    from esent.api.reading import ReadOnlyDatabase
    from esent.api.reading_partitions import Partition
    from esent.catalog.salvage import Salvage
    from esent.tools.table_damage import TableDamage

_KEEP = 64  # pages of a tree that stay in memory between look-ups


class ReadOnlyRows:
    """The rows of a range of an index, in its order. Iterate over it as often as you like."""

    def __init__(
        self,
        table: ReadOnlyTable,
        index: Index | None,
        low: Sequence[Any] | None = None,
        high: Sequence[Any] | None = None,
        *,
        partial: bool = False,
    ) -> None:
        self._table = table
        self._index = index
        if index is not None and not partial and index.segments[0].descending:
            low, high = high, low
        self._low = b"" if low is None else table.key(index, low, partial=partial, end=False)
        self._high = None if high is None else table.key(index, high, partial=partial, end=True)

    def __iter__(self) -> Iterator[Row]:
        table, primary = self._table, self._is_primary
        for key, data in self._entries():
            try:
                row = table.row(key, data) if primary else table.at(data)
            except JetError as problem:
                table.pass_over(key if primary else data, problem)
            else:
                yield row

    @property
    def _is_primary(self) -> bool:
        return self._index is None or self._index.is_primary

    def _entries(self) -> Iterator[tuple[bytes, bytes]]:
        tree = self._table.tree if self._is_primary or self._index is None else self._table.index_tree(self._index)
        for key, data in tree.entries(self._low):
            if self._high is not None and key > self._high:
                break
            yield key, data

    def first(self) -> Row | None:
        """The first row, None where there is none."""
        return next(iter(self), None)

    def __len__(self) -> int:
        """Counts the entries, all of them."""
        return sum(1 for _ in self._entries())

    def __bool__(self) -> bool:
        return next(self._entries(), None) is not None


class ReadOnlyIndex(ReadOnlyRows):
    """A table in the order of an index. Keys of several columns are tuples; a tuple may leave out the last ones."""

    def between(self, low: Any = None, high: Any = None) -> ReadOnlyRows:
        """Rows from one key to another, both included. None leaves that end open."""
        start, end = (None if each is None else as_key(each) for each in (low, high))
        return ReadOnlyRows(self._table, self._index, start, end)

    def equal(self, key: Any) -> ReadOnlyRows:
        """Rows with a key, or with these values in the first columns of the index."""
        return ReadOnlyRows(self._table, self._index, as_key(key), as_key(key))

    def prefix(self, start: Any) -> ReadOnlyRows:
        """Rows whose text or bytes begin with `start`; of a tuple that is its last value, those before are equal."""
        return ReadOnlyRows(self._table, self._index, as_key(start), as_key(start), partial=True)

    def get(self, key: Any, default: Any = None) -> Row | Any:
        """The first row with a key, or `default`."""
        found = self.equal(key).first()
        return default if found is None else found


class ReadOnlyTable:
    """A table that can be read. For one thread at a time. `definition` is what the catalogue says of it."""

    def __init__(self, source: PageSource, definition: Table, database: ReadOnlyDatabase | None = None) -> None:
        """`database`: the one it belongs to, for what another process opens anew."""
        self.definition = definition
        self.name = definition.name
        self.source = source
        self._database = database
        self._view = TableView(definition, source.page_size, sort_key_of)
        self._layout = Layout(definition, source.page_size)
        self._long_values = LongValues(source, definition.long_value_root, definition.long_value_objid, keep=_KEEP)
        self.tree = Tree(source, definition.root, definition.objid, keep=_KEEP)
        self._damage: TableDamage | None = None
        if database is not None and database.salvage is not None:
            from esent.tools.table_damage import TableDamage

            self._damage = TableDamage(database.salvage, definition, self._view)
            self._long_values = database.salvage.long_values(definition, keep=_KEEP)
            self.tree = database.salvage.rows(definition, keep=_KEEP)

    @property
    def salvage(self) -> Salvage | None:
        """What is done about damage, if anything is."""
        return None if self._database is None else self._database.salvage

    def __reduce__(self) -> tuple[Any, ...]:
        return _table_of, (self._belongs_to(), self.name)

    def _belongs_to(self) -> ReadOnlyDatabase:
        if self._database is None:
            raise jet_error(
                codes.JET_errInvalidParameter, f"table {self.name} belongs to no database that could be opened anew"
            )
        return self._database

    def partitions(self, count: int) -> list[Partition]:
        """The table in up to `count` parts of about equal size, by ranges of its keys; a small one has fewer.

        Parts can be pickled, and each read in a process of its own: iterated, or given to `esent.to_arrow`.
        JET_errInvalidParameter: the database is being salvaged, which wants a look at the whole.
        """
        if self._damage is not None:
            raise jet_error(codes.JET_errInvalidParameter, f"table {self.name} is salvaged, in one piece")
        from esent.api.reading_partitions import Partition, key_cuts

        database = self._belongs_to()
        cuts = key_cuts(self.tree, count)
        return [
            Partition(database.path, database.log_directory, self.name, low, high, database.stamp)
            for low, high in pairwise([None, *cuts, None])
        ]

    def index_tree(self, index: Index) -> Tree:
        if self._damage is not None:
            return self._damage.index_tree(index)
        return Tree(self.source, index.root, index.objid, keep=_KEEP)

    def row(self, key: bytes, record: bytes) -> Row:
        """A record as a row."""
        return self._layout.row(record, key, self._long_value)

    def _long_value(self, lid: bytes) -> bytes | JetError:
        try:
            return b"".join(self._long_values.chunks(lid))
        except JetError as problem:
            if self._damage is None:
                raise
            return problem  # the row stands; asking it for the value raises

    def pass_over(self, bookmark: bytes, problem: JetError) -> None:
        """Go on without a row that cannot be read; raises `problem` where damage is not to be passed over."""
        if self._damage is None:
            raise problem
        self._damage.lost_row(bookmark, problem)

    def at(self, bookmark: bytes) -> Row:
        """The row an index entry is of. JET_errSecondaryIndexCorrupted."""
        record = self.tree.find(bookmark)
        if record is None:
            raise jet_error(
                codes.JET_errSecondaryIndexCorrupted, f"an index of table {self.name} lists a row that is not there"
            )
        return self.row(bookmark, record)

    def key(self, index: Index | None, values: Sequence[Any], *, partial: bool = False, end: bool = False) -> bytes:
        """One end of a range of an index. JET_errNoCurrentIndex, JET_errInvalidParameter."""
        if index is None:
            raise jet_error(codes.JET_errNoCurrentIndex, f"table {self.name} has no primary key to look in")
        columns = self._layout.key_columns(index)
        if not 0 < len(values) <= len(columns):
            what = f"a key of {len(values)} values for index {index.name} of {len(columns)} columns"
            raise jet_error(codes.JET_errInvalidParameter, what)
        search = SearchKey()
        for place, (column, value) in enumerate(zip(columns, values, strict=False)):
            options = grbits.JET_bitNewKey if place == 0 else 0
            data = b"" if value is None else to_bytes(column, value)
            if value is not None and not data:
                options |= grbits.JET_bitKeyDataZeroLength
            if place == len(values) - 1:
                if partial:
                    options |= grbits.JET_bitPartialColumnEndLimit if end else grbits.JET_bitPartialColumnStartLimit
                else:
                    options |= grbits.JET_bitFullColumnEndLimit if end else grbits.JET_bitFullColumnStartLimit
            search.add(self._view.definition(index), self._view.columns, data, options)
        return search.data

    @property
    def columns(self) -> dict[str, ColumnType]:
        """The columns by name."""
        return {column.name: ColumnType.of(column) for column in self.definition.columns}

    @property
    def indexes(self) -> dict[str, list[str]]:
        """The indexes by name, each as "+column" and "-column"."""
        return {
            index.name: [
                ("-" if segment.descending else "+") + column.name
                for segment, column in zip(index.segments, self._layout.key_columns(index), strict=True)
            ]
            for index in self.definition.indexes
        }

    def __iter__(self) -> Iterator[Row]:
        return iter(ReadOnlyRows(self, self._view.primary))

    def __len__(self) -> int:
        """Counts the rows, all of them."""
        return len(ReadOnlyRows(self, self._view.primary))

    def __bool__(self) -> bool:
        return True

    def index(self, name: str | None = None) -> ReadOnlyIndex:
        """The table in the order of an index, or of its primary key. JET_errIndexNotFound."""
        return ReadOnlyIndex(self, self._view.primary if name is None else self.definition.index(name))

    def between(self, low: Any = None, high: Any = None) -> ReadOnlyRows:
        """Rows by a range of the primary key, both ends included."""
        return self.index().between(low, high)

    def prefix(self, start: Any) -> ReadOnlyRows:
        """Rows whose primary key begins so."""
        return self.index().prefix(start)

    def get(self, key: Any, default: Any = None) -> Row | Any:
        """The row with a primary key, or `default`."""
        return self.index().get(key, default)

    def __getitem__(self, key: Any) -> Row:
        """The row with a primary key. JET_errRecordNotFound."""
        found = self.index().equal(key).first()
        if found is None:
            raise jet_error(codes.JET_errRecordNotFound, f"table {self.name} has no row {key!r}")
        return found

    def __contains__(self, key: object) -> bool:
        return bool(self.index().equal(key))


def _table_of(database: ReadOnlyDatabase, name: str) -> ReadOnlyTable:
    return database[name]


__all__ = ["ReadOnlyIndex", "ReadOnlyRows", "ReadOnlyTable"]
