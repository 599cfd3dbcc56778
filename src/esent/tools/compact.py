"""Offline defragmentation: a database into a new file, every tree full to its density and in order (JetCompact).

Nodes are copied as they are stored: records, keys of indexes (whatever collation made them) and long values. Only where columns
of a table were deleted its records are written anew, without what they still hold of those columns, and the columns that stay
are numbered without gaps, as JetCompact does. The order of writing and the clean state are those of `tools/build.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from copy import copy
from pathlib import Path

from esent.catalog.objects import Index, Segment, Table
from esent.catalog.rows import LONG_VALUE_DENSITY
from esent.catalog.schema import Catalog
from esent.constants import codes
from esent.errors import jet_error
from esent.log.format_choice import FormatChoice
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.header import DatabaseState
from esent.pages.page import PAGE_INDEX, PAGE_LONG_VALUE, PAGE_NON_UNIQUE_KEYS
from esent.records import access
from esent.records.columns import FIXED_FIRST, FIXED_LAST, TAGGED_FIRST, VARIABLE_FIRST, Column
from esent.records.layout import SMALL_PAGE_MAX
from esent.tools.build import VERSION_DEFAULT, Builder, new_database
from esent.tree.allocate import DATABASE_ROOT
from esent.tree.cursor import NODE_DELETED, Tree
from esent.tree.fresh_space import BITMAP_PAGES
from esent.tree.source import PageSource
from esent.tree.space import available_extents, owned_extents

Progress = Callable[[int, int], None]
"""Told pages done and pages in all; what it raises ends the copy."""

SYSTEM_PAGES = 20  # what the copy of the catalogue counts for in the progress
_HEADER_SIZE = 4
_NULL_END = 0x8000


class _Renumbering:
    """The columns of a table without the deleted ones: new definitions, and records written anew."""

    def __init__(self, table: Table, small_page: bool) -> None:
        self._small_page = small_page
        self._fixed = [column for column in table.columns if column.is_fixed]
        self._variable = [column for column in table.columns if column.is_variable]
        self.number: dict[int, int] = {}
        self.columns: list[Column] = []
        following = {FIXED_FIRST: FIXED_FIRST, VARIABLE_FIRST: VARIABLE_FIRST, TAGGED_FIRST: TAGGED_FIRST}
        offset = _HEADER_SIZE
        for column in table.columns:
            kind = FIXED_FIRST if column.is_fixed else VARIABLE_FIRST if column.is_variable else TAGGED_FIRST
            twin = copy(column)
            twin.fid = following[kind]
            following[kind] += 1
            if twin.is_fixed:
                twin.record_offset = offset
                offset += twin.max_size
            self.number[column.fid] = twin.fid
            self.columns.append(twin)

    def index(self, index: Index) -> None:
        """Let an index refer to the new numbers."""
        index.segments = [Segment(self.number[each.fid], each.flags) for each in index.segments]
        index.conditions = [Segment(self.number[each.fid], each.flags) for each in index.conditions]

    def record(self, image: bytes) -> bytes:
        """A record with the columns that stay. JET_errDatabaseCorrupted, JET_errRecordTooBig."""
        fixed = bytearray()
        nulls = []
        for column in self._fixed:
            state, value = access.fixed_value(image, column.fid, column.record_offset, column.max_size)
            if state == access.ABSENT:
                break
            nulls.append(state == access.NULL)
            fixed += value if state == access.PRESENT else b"*" * column.max_size
        bitmap = bytearray(b"\xff" * ((len(nulls) + 7) // 8))
        for place, null in enumerate(nulls):
            if not null:
                bitmap[place >> 3] ^= 1 << (place & 7)
        ends: list[int] = []
        variable = bytearray()
        for column in self._variable:
            state, value = access.variable_value(image, column.fid)
            if state == access.ABSENT:
                break
            variable += value
            ends.append(len(variable) | (_NULL_END if state == access.NULL else 0))
        header = struct.pack("<BBH", len(nulls), FIXED_LAST + len(ends), _HEADER_SIZE + len(fixed) + len(bitmap))
        kept = [
            (self.number[fid], flags, data)
            for fid, flags, data in access.tagged_entries(image, self._small_page)
            if fid in self.number
        ]
        array = bytearray()
        offset = 4 * len(kept)
        for fid, flags, data in kept:
            array += struct.pack("<HH", fid, offset | flags)
            offset += len(data)
        parts: list[bytes | bytearray] = [header, fixed, bitmap, struct.pack(f"<{len(ends)}H", *ends), variable, array]
        parts += [data for _, _, data in kept]
        return b"".join(parts)


class _Meter:
    """Progress in pages of the source: of those its trees own, what is free counted with what is in use (as recorded)."""

    def __init__(self, source: PageSource, progress: Progress) -> None:
        self._source = source
        self._progress = progress
        owned, free = self._pages(DATABASE_ROOT, DATABASE_ROOT)
        self._total = max(owned - free, SYSTEM_PAGES)
        self._done = self._goal = SYSTEM_PAGES
        self._step = 1
        self._tell()

    def _pages(self, root: int, objid: int) -> tuple[int, int]:
        """What a tree owns, and what of it nothing uses."""
        extents = owned_extents(self._source, root, objid), available_extents(self._source, root, objid)
        owned, free = (sum(extent.pages for extent in each) for each in extents)
        return owned, free

    def begin_table(self, table: Table) -> None:
        owned, free = self._pages(table.root, table.objid)
        self._goal = min(self._done + owned, self._total)
        self._step = 1 + free // max(owned - free, 1)

    def page(self) -> None:
        """A leaf of rows or of long values is done."""
        self._done = min(self._done + self._step, self._goal)
        self._tell()

    def begin_indexes(self, count: int) -> None:
        self._step = (self._goal - self._done) // count if count else 0

    def end_table(self) -> None:
        self._done = self._goal
        self._tell()

    def _tell(self) -> None:
        self._progress(self._done, self._total)


class _Copier:
    """Copies the tables of a source, one after another."""

    def __init__(self, source: PageSource, builder: Builder, progress: Progress) -> None:
        self._source = source
        self._catalog = Catalog.load(source)
        self._builder = builder
        self._meter = _Meter(source, progress)

    def run(self) -> None:
        names = [name for name in self._catalog.names() if not self._catalog.is_system(name)]
        # a template comes before what is derived from it
        names.sort(key=lambda name: (self._catalog.table(name).is_derived, name.upper()))
        for name in names:
            self._table(self._catalog.table(name))
            self._catalog.forget(name)

    def _nodes(self, tree: Tree, *, told: bool = True) -> Iterator[tuple[bytes, bytes]]:
        for page in tree.leaves():
            for line in range(page.line_count):
                if not page.node_flags(line) & NODE_DELETED:
                    yield page.key(line), page.value(line)
            if told:
                self._meter.page()

    def _table(self, old: Table) -> None:
        builder = self._builder
        meter = self._meter
        meter.begin_table(old)
        small = self._source.page_size <= SMALL_PAGE_MAX
        renumbering = _Renumbering(old, small) if self._has_gaps(old) else None
        new = copy(old)
        new.objid = builder.next_objid()
        new.indexes = [copy(index) for index in old.indexes]
        if renumbering is not None:
            new.columns = renumbering.columns
            for index in new.indexes:
                renumbering.index(index)
        secondary = [pair for pair in zip(old.indexes, new.indexes, strict=True) if not pair[0].is_primary]
        new.initial_pages = max(old.initial_pages, min(1 + len(secondary), BITMAP_PAGES + 1))
        tree = builder.primary(new)
        new.root = tree.space.root
        for index in new.indexes:
            if index.is_primary:
                index.objid, index.root = new.objid, new.root
        below = []
        for origin, index in secondary:
            flags = PAGE_INDEX if index.is_unique else PAGE_INDEX | PAGE_NON_UNIQUE_KEYS
            index.objid = builder.next_objid()
            made = builder.child(tree, index.objid, flags, index.density)
            index.root = made.space.root
            below.append((Tree(self._source, origin.root, origin.objid), made))
        values = None
        if old.long_value_root:
            new.long_value_objid = builder.next_objid()
            values = builder.child(tree, new.long_value_objid, PAGE_LONG_VALUE, LONG_VALUE_DENSITY)
            new.long_value_root = values.space.root
            for key, data in self._nodes(Tree(self._source, old.long_value_root, old.long_value_objid)):
                values.nodes.add(key, data)
            values.end()
        for key, record in self._nodes(Tree(self._source, old.root, old.objid)):
            tree.nodes.add(key, record if renumbering is None else renumbering.record(record))
        tree.end()
        meter.begin_indexes(len(below))
        for origin_tree, made in below:
            for key, data in self._nodes(origin_tree, told=False):
                made.nodes.add(key, data)
            made.end()
            meter.page()
        if values is not None:
            below.append((Tree(self._source, old.long_value_root, old.long_value_objid), values))
        for _, made in below:
            made.complete(builder.output)
        tree.complete(builder.output)
        meter.end_table()
        builder.tables.append(new)

    def _has_gaps(self, table: Table) -> bool:
        """Whether columns of the table were deleted. JET_errFeatureNotAvailable where it has to do with a template."""
        own = [column.fid for column in table.columns if table.is_template or not column.template]
        gone = {fid for fid, _, _ in self._catalog.column_ids(table.name)} - set(own)
        if not table.is_derived:
            for first in (FIXED_FIRST, VARIABLE_FIRST, TAGGED_FIRST):
                ids = [c.fid for c in table.columns if first == _first(c)]
                gone |= set(range(first, first + len(ids))) - set(ids)
        if gone and (table.is_derived or table.is_template):
            raise jet_error(
                codes.JET_errFeatureNotAvailable, f"compacting table {table.name}: a deleted column in a template or below one"
            )
        return bool(gone)


def _first(column: Column) -> int:
    return FIXED_FIRST if column.is_fixed else VARIABLE_FIRST if column.is_variable else TAGGED_FIRST


def compact(
    source: PageSource,
    version: tuple[int, int, int],
    destination: str | Path,
    *,
    progress: Progress | None = None,
    files: FileSystem = FILES,
) -> None:
    """Copy the database that `source` shows into the new file `destination`, which is clean and belongs to no log.

    `progress(done, total)` counts pages of the source that are in use. JET_errDatabaseDuplicate: the file is there. After an
    error there is no new file.
    """
    goal = Path(destination)
    if files.exists(goal):
        raise jet_error(codes.JET_errDatabaseDuplicate, "compacting into a file that is there", file=goal)
    with new_database(goal, source.page_size, max(version, VERSION_DEFAULT), files=files) as builder:
        tell = progress if progress is not None else _silent
        _Copier(source, builder, tell).run()


def _silent(_done: int, _total: int) -> None:
    """Progress that nobody asked for."""


def compact_file(
    source: str | Path,
    destination: str | Path,
    *,
    engine_format: int | None = None,
    progress: Progress | None = None,
    files: FileSystem = FILES,
) -> None:
    """Compact a clean database file that nobody has open.

    `engine_format`: the engine format version (JET_efv...) of the new one, not below that of the old one, which is the default.
    JET_errDatabaseDirtyShutdown, and what `FormatChoice` raises.
    """
    choice = None if engine_format is None else FormatChoice.of(engine_format)
    with DatabaseFile(source, files=files) as database:
        header = database.header
        if header.dbstate != DatabaseState.CLEAN_SHUTDOWN:
            raise jet_error(
                codes.JET_errDatabaseDirtyShutdown, "compacting a database that was not closed well", file=database.path
            )
        version = header.format_version
        if choice is not None:
            choice.check_database(version, database.path)
            version = choice.raised_database(version) or version
        compact(database, version, destination, progress=progress, files=files)


__all__ = ["compact", "compact_file"]
