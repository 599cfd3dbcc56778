# cython: annotation_typing=False
# What a caller gives may be of any type; compiled code would answer a wrong one with TypeError.
"""Tables of a database that is open for reading only: the reading half of `esent.Table`, straight from the pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from esent.api.columns import ColumnType
from esent.api.keys import KeyMaker
from esent.api.rows import Layout, Row, as_key
from esent.catalog.objects import Index, Table
from esent.constants import codes
from esent.engine.collation import sort_key_of
from esent.engine.table_view import TableView
from esent.errors import JetError, jet_error
from esent.records.decode import Separated
from esent.records.tuples import TupleReader
from esent.records.values import rich_converter
from esent.tree.cursor import Tree
from esent.tree.long_values import LongValues
from esent.tree.source import PageReader, PageSource

if TYPE_CHECKING:
    from esent.api.reading import ReadOnlyDatabase
    from esent.api.reading_partitions import Partition
    from esent.catalog.salvage import Salvage
    from esent.tools.table_damage import TableDamage

_KEEP = 64  # pages that stay in memory between look-ups of a table by itself


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
        self._is_primary = index is None or index.is_primary
        self._low = b""
        self._high: bytes | None = None
        if low is None and high is None:
            return
        maker = table.keys(index)
        if not partial and maker.index.segments[0].descending:
            low, high = high, low
        if low is not None:
            self._low = maker.limit(low, partial=partial)
        if high is not None:
            self._high = maker.limit(high, partial=partial, end=True)

    def __iter__(self) -> Iterator[Row]:
        table, primary = self._table, self._is_primary
        for key, data in self._entries():
            try:
                row = table.row(key, data) if primary else table.at(data)
            except JetError as problem:
                table.pass_over(key if primary else data, problem)
            else:
                yield row

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[tuple[Any, ...]]:
        """The rows as tuples of the values of these columns (all without), which is the fastest way to read many.

        Long values are read whole. A value that cannot be read is given as its error.
        JET_errColumnNotFound.
        """
        return self._table.tuples(self, columns)

    @property
    def is_whole_table(self) -> bool:
        """Whether these are all rows, in the order of the table."""
        return self._is_primary and not self._low and self._high is None

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """(bookmark, record) of each row."""
        table = self._table
        for key, data in self._entries():
            if self._is_primary:
                yield key, data
                continue
            try:
                record = table.record(data)
            except JetError as problem:
                table.pass_over(data, problem)
            else:
                yield data, record

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
        found = self._table.find(self._index, as_key(key))
        return default if found is None else found


class ReadOnlyTable:
    """A table that can be read. For one thread at a time. `definition` is what the catalogue says of it."""

    def __init__(self, source: PageSource, definition: Table, database: ReadOnlyDatabase | None = None) -> None:
        """`database`: the one it belongs to, for what another process opens anew."""
        self.definition = definition
        self.name = definition.name
        self.source = source
        self._database = database
        self._layout = Layout(definition, source.page_size)
        self._primary = definition.primary_index
        self._view: TableView | None = None
        self._keys: dict[int, KeyMaker] = {}
        self._trees: dict[int, Tree] = {}
        self._pages = PageReader(source, keep=_KEEP) if database is None else database.pages
        self._long_values = StoredLongValues(LongValues(self._pages, definition.long_value_root, definition.long_value_objid))
        self.tree = Tree(self._pages, definition.root, definition.objid)
        self._damage: TableDamage | None = None
        if database is not None and database.salvage is not None:
            from esent.tools.table_damage import TableDamage

            self._damage = TableDamage(database.salvage, definition, self.view)
            self._long_values = StoredLongValues(database.salvage.long_values(definition, keep=_KEEP))
            self.tree = database.salvage.rows(definition, keep=_KEEP)

    def __repr__(self) -> str:
        return f"<ReadOnlyTable {self.name}>"

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

    # -- rows ---------------------------------------------------------------------------------------------------------

    def index_tree(self, index: Index) -> Tree:
        if self._damage is not None:
            return self._damage.index_tree(index)
        tree = self._trees.get(index.objid)
        if tree is None:
            tree = self._trees[index.objid] = Tree(self._pages, index.root, index.objid)
        return tree

    def pass_over(self, bookmark: bytes, problem: JetError) -> None:
        """Go on without a row that cannot be read; raises `problem` where damage is not to be passed over."""
        if self._damage is None:
            raise problem
        self._damage.lost_row(bookmark, problem)

    def row(self, key: bytes, record: bytes) -> Row:
        """A record as a row."""
        return self._layout.row(record, key, None, self._long_values)

    def record(self, bookmark: bytes) -> bytes:
        """The record an index entry is of. JET_errSecondaryIndexCorrupted."""
        record = self.tree.find(bookmark)
        if record is None:
            raise jet_error(
                codes.JET_errSecondaryIndexCorrupted, f"an index of table {self.name} lists a row that is not there"
            )
        return record

    def at(self, bookmark: bytes) -> Row:
        """The row an index entry is of. JET_errSecondaryIndexCorrupted."""
        return self.row(bookmark, self.record(bookmark))

    def keys(self, index: Index | None) -> KeyMaker:
        """What makes keys of an index (None: the primary one). JET_errNoCurrentIndex where there is none."""
        if index is None:
            index = self._primary
        if index is None:
            raise jet_error(codes.JET_errNoCurrentIndex, f"table {self.name} has no primary key to look in")
        maker = self._keys.get(index.objid)
        if maker is None:
            maker = self._keys[index.objid] = KeyMaker(self.view, self._layout, index)
        return maker

    @property
    def view(self) -> TableView:
        """What keys are made with."""
        if self._view is None:
            self._view = TableView(self.definition, self.source.page_size, sort_key_of)
        return self._view

    def find(self, index: Index | None, values: Sequence[Any]) -> Row | None:
        """The first row with these values in the columns of an index, or in the first of them."""
        maker = self.keys(index)
        # behind damage the first row may be one to pass over
        if len(values) != len(maker.columns) or self._damage is not None:
            return ReadOnlyRows(self, index, values, values).first()
        key = maker.exact(values)
        if maker.index.is_primary:
            record = self.tree.find(key)
            return None if record is None else self.row(key, record)
        found = self.index_tree(maker.index).first_from(key)
        return None if found is None or found[0] != key else self.at(found[1])

    def tuples(self, rows: ReadOnlyRows, names: Sequence[str] | None = None) -> Iterator[tuple[Any, ...]]:
        """`ReadOnlyRows.rows`."""
        columns = self._layout.columns if names is None else [self._layout.column(name) for name in names]
        converters = [rich_converter(column) for column in columns]

        def resolve(place: int, value: Separated) -> Any:
            try:
                return converters[place](self._long_values(value.lid))
            except JetError as problem:
                return problem

        reader = self._layout.reader(columns, resolve)
        if rows.is_whole_table and self._damage is None:
            return self._scan(reader)
        return self._read(reader, rows)

    def _read(self, reader: TupleReader, rows: ReadOnlyRows) -> Iterator[tuple[Any, ...]]:
        for bookmark, record in rows.records():
            try:
                row = reader.read(record)
            except JetError as problem:
                self.pass_over(bookmark, problem)
            else:
                yield row

    def _scan(self, reader: TupleReader) -> Iterator[tuple[Any, ...]]:
        for page in self.tree.leaves():
            found = reader.read_all(page.live_values())
            if reader.refused:
                raise next(row for row in found if isinstance(row, JetError))
            yield from found  # type: ignore[misc] # no errors among them

    # -- what it is like ------------------------------------------------------------------------------------------------

    @property
    def columns(self) -> dict[str, ColumnType]:
        """The columns by name."""
        if self._database is None:
            return {column.name: ColumnType.of(column) for column in self.definition.columns}
        title = self._database.known.column
        return {column.name: ColumnType.of(column, title(self.name, column.name)) for column in self.definition.columns}

    @property
    def title(self) -> str | None:
        """What the application that made the database calls the table; None where that is not known."""
        return None if self._database is None else self._database.known.table(self.name)

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

    @property
    def primary_key(self) -> list[str]:
        """Names of the columns of the primary key; none where rows are in the order of their insertion."""
        return [] if self._primary is None else [column.name for column in self._layout.key_columns(self._primary)]

    # -- as a collection ------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Row]:
        return iter(ReadOnlyRows(self, self._primary))

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[tuple[Any, ...]]:
        """Every row as a tuple of the values of these columns, of all without (`ReadOnlyRows.rows`)."""
        return ReadOnlyRows(self, self._primary).rows(columns)

    def __len__(self) -> int:
        """Counts the rows, all of them."""
        return len(ReadOnlyRows(self, self._primary))

    def __bool__(self) -> bool:
        return True

    def index(self, name: str | None = None) -> ReadOnlyIndex:
        """The table in the order of an index, or of its primary key. JET_errIndexNotFound."""
        return ReadOnlyIndex(self, self._primary if name is None else self.definition.index(name))

    def between(self, low: Any = None, high: Any = None) -> ReadOnlyRows:
        """Rows by a range of the primary key, both ends included."""
        return self.index().between(low, high)

    def prefix(self, start: Any) -> ReadOnlyRows:
        """Rows whose primary key begins so."""
        return self.index().prefix(start)

    def get(self, key: Any, default: Any = None) -> Row | Any:
        """The row with a primary key, or `default`."""
        found = self.find(self._primary, as_key(key))
        return default if found is None else found

    def __getitem__(self, key: Any) -> Row:
        """The row with a primary key. JET_errRecordNotFound."""
        found = self.find(self._primary, as_key(key))
        if found is None:
            raise jet_error(codes.JET_errRecordNotFound, f"table {self.name} has no row {key!r}")
        return found

    def __contains__(self, key: object) -> bool:
        return self.find(self._primary, as_key(key)) is not None


class StoredLongValues:
    """The long values of a table, whole or part by part."""

    def __init__(self, values: LongValues) -> None:
        self._values = values
        self.chunks = values.chunks

    def __call__(self, lid: bytes, /) -> bytes:
        return self._values.read(lid)


def _table_of(database: ReadOnlyDatabase, name: str) -> ReadOnlyTable:
    return database[name]


__all__ = ["ReadOnlyIndex", "ReadOnlyRows", "ReadOnlyTable"]
