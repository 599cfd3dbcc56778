"""A complete, clean database file from a schema and rows, without logging.

`build_database` writes to a file of its own beside the goal and renames it when it is whole and durable, so that nothing half
built ever stands under the final name. Order of writing and clean state: `reference/database-format.md` 9 and 2.6; places of
the system's own trees: 7.8. Pages of a table come in key order, full to its density.
"""

from __future__ import annotations

import contextlib
import secrets
import struct
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from esent.catalog.objects import Index, Table
from esent.catalog.rows import (
    LOCALES_DENSITY,
    LOCALES_OBJID,
    LOCALES_ROOT,
    LONG_VALUE_DENSITY,
    OBJIDS_OBJID,
    OBJIDS_ROOT,
    SHADOW_PAGES,
    Row,
    catalog_record,
    date_root,
    key_definition,
    locale_key,
    locales_nodes,
    name_index_key,
    objids_node,
    root_objects_key,
    row_key,
    system_tables,
    table_rows,
)
from esent.catalog.system import (
    CATALOG_DENSITY,
    CATALOG_OBJID,
    CATALOG_PAGES,
    CATALOG_ROOT,
    NAME_OBJID,
    ROOT_OBJECTS_OBJID,
    SHADOW_OBJID,
    SHADOW_ROOT,
    ObjectType,
)
from esent.constants import codes
from esent.constants.formats import FEATURE_OF_DATABASE, Feature
from esent.engine.collation import sort_key_of
from esent.errors import JetError, jet_error
from esent.pages.checksum import stamp_page
from esent.pages.filesystem import FILES, File, FileSystem
from esent.pages.header import (
    FIRST_DBTIME,
    FORMAT_MAJOR,
    FORMAT_UPDATE,
    HEADER_PAGES,
    SORT_VERSIONS_IN_CATALOG,
    DatabaseHeader,
    DatabaseState,
)
from esent.pages.page import PAGE_INDEX, PAGE_LONG_VALUE, PAGE_NON_UNIQUE_KEYS
from esent.pages.primitives import LogTime, Signature
from esent.records.keys import KeyDefinition, record_keys
from esent.records.layout import SMALL_PAGE_MAX
from esent.tools.build_rows import LONG_VALUE_CHUNK, LongValueWriter, RowEncoder
from esent.tools.build_schema import ColumnSpec, IndexSpec, TableSpec, define_table
from esent.tree.bulk import BulkTree
from esent.tree.fresh_space import BITMAP_PAGES, Extent, FileSpace, TreeSpace, write_root_space

VERSION_DEFAULT = (FORMAT_MAJOR, FORMAT_UPDATE, 0)
_VERSION_MOST = (FORMAT_MAJOR, 300, 620)
_FIRST_FREE_PAGE = 31
_FIRST_OBJID = 8
_PAGES_LEAST = 46
_FILE_UNIT = 16  # pages
_RUN_MOST = 128  # pages kept until they are written together
_OS_VERSION = (6, 2, 9200)  # what a process without a manifest sees on any Windows


class Output:
    """The file under construction as a sink of pages."""

    def __init__(self, file: File, page_size: int) -> None:
        self.file = file
        self.page_size = page_size
        self.dbtime = FIRST_DBTIME
        self._waiting: dict[int, bytes] = {}

    def next_dbtime(self) -> int:
        self.dbtime += 1
        return self.dbtime

    def put(self, pgno: int, image: bytes) -> None:
        self._waiting[pgno] = stamp_page(image, pgno)
        if len(self._waiting) >= _RUN_MOST:
            self.flush()

    def flush(self) -> None:
        """Write what waits, neighbours together."""
        run: list[bytes] = []
        start = 0
        for pgno in sorted(self._waiting):
            if run and pgno != start + len(run):
                self.file.write((start - 1 + HEADER_PAGES) * self.page_size, b"".join(run))
                run = []
            if not run:
                start = pgno
            run.append(self._waiting[pgno])
        if run:
            self.file.write((start - 1 + HEADER_PAGES) * self.page_size, b"".join(run))
        self._waiting.clear()


class BuiltTree:
    """A tree with its space."""

    def __init__(self, output: Output, space: TreeSpace, density: int) -> None:
        self.space = space
        self.nodes = BulkTree(
            output, space.allocate, root=space.root, objid=space.objid, class_flags=space.class_flags, density=density
        )

    def complete(self, output: Output) -> None:
        """Write all that is left: space trees and root. Trees below this one come first."""
        self.nodes.write_root(self.space.finish(output))

    def end(self) -> None:
        """All nodes are there."""
        self.nodes.finish()
        self.space.cut_unused()


class Builder:
    """The database under construction: pages, object ids, and the rows of its catalogue."""

    def __init__(self, output: Output, version: tuple[int, int, int]) -> None:
        self.output = output
        self.version = version
        self.small_page = output.page_size <= SMALL_PAGE_MAX
        self.wide_ids = version >= FEATURE_OF_DATABASE[Feature.LID_64]
        self.space = FileSpace(_FIRST_FREE_PAGE)
        self.last_objid = _FIRST_OBJID - 1
        self.locales_2 = version >= FEATURE_OF_DATABASE[Feature.LOCALES_2]
        self.tables = system_tables(locales_2=self.locales_2)
        self.names = {table.name.upper() for table in self.tables}

    def next_objid(self) -> int:
        self.last_objid += 1
        return self.last_objid

    def add_table(self, spec: TableSpec, rows: Iterable[Mapping[str, Any]]) -> None:
        """Lay out one table with its indexes and long values."""
        table = define_table(spec, self.output.page_size)
        if table.name.upper() in self.names:
            raise jet_error(codes.JET_errTableDuplicate, f"building table {table.name}")
        self.names.add(table.name.upper())
        secondary = [index for index in table.indexes if not index.is_primary]
        table.objid = self.next_objid()
        table.initial_pages = spec.pages or min(1 + len(secondary), BITMAP_PAGES + 1)
        tree = self.primary(table)
        table.root = tree.space.root
        indexes: list[tuple[Index, KeyDefinition, BuiltTree, list[tuple[bytes, bytes]]]] = []
        for index in table.indexes:
            if index.is_primary:
                index.objid, index.root = table.objid, table.root
                continue
            flags = PAGE_INDEX if index.is_unique else PAGE_INDEX | PAGE_NON_UNIQUE_KEYS
            index.objid = self.next_objid()
            below = self.child(tree, index.objid, flags, index.density)
            index.root = below.space.root
            indexes.append((index, key_definition(table, index, sort_key_of(index)), below, []))
        long_tree: list[BuiltTree] = []

        def make_long_tree() -> BulkTree:
            table.long_value_objid = self.next_objid()
            long_tree.append(self.child(tree, table.long_value_objid, PAGE_LONG_VALUE, LONG_VALUE_DENSITY))
            table.long_value_root = long_tree[0].space.root
            return long_tree[0].nodes

        writer = LongValueWriter(LONG_VALUE_CHUNK[self.output.page_size], make_long_tree, wide_ids=self.wide_ids)
        self._fill(table, tree, rows, indexes, writer, spec.in_order)
        for below in long_tree:
            below.end()
        tree.end()
        for index, _, below, entries in indexes:
            entries.sort()
            try:
                for key, bookmark in entries:
                    below.nodes.add(key, bookmark)
            except JetError as problem:
                raise jet_error(problem.code, f"index {index.name} of table {table.name}: {problem.message}") from problem
            entries.clear()
            below.end()
        for below in (*long_tree, *(entry[2] for entry in indexes), tree):
            below.complete(self.output)
        self.tables.append(table)

    def primary(self, table: Table) -> BuiltTree:
        extent = self.space.grant(table.initial_pages)
        multiple = table.initial_pages > BITMAP_PAGES + 1
        space = TreeSpace(
            self.space, extent, objid=table.objid, own_trees=extent.first + 1 if multiple else 0, used=3 if multiple else 1
        )
        return BuiltTree(self.output, space, table.density)

    def child(self, parent: BuiltTree, objid: int, flags: int, density: int) -> BuiltTree:
        return BuiltTree(self.output, TreeSpace(parent.space, parent.space.grant(1), objid=objid, class_flags=flags), density)

    def _fill(
        self,
        table: Table,
        tree: BuiltTree,
        rows: Iterable[Mapping[str, Any]],
        indexes: list[tuple[Index, KeyDefinition, BuiltTree, list[tuple[bytes, bytes]]]],
        writer: LongValueWriter,
        in_order: bool,
    ) -> None:
        """Store the rows; entries of the secondary indexes are collected."""
        primary = table.primary_index
        key_of = key_definition(table, primary, sort_key_of(primary)) if primary is not None else None
        encoder = RowEncoder(table, self.output.page_size, writer, primary.key_most if primary is not None else 4)
        instances = encoder.instances
        kept: list[tuple[bytes, bytes]] = []
        for number, row in enumerate(rows, 1):
            record = encoder.encode(row)
            key = struct.pack(">I", number) if key_of is None else record_keys(key_of, instances)[0]
            if key_of is None or in_order:
                tree.nodes.add(key, record)
            else:
                kept.append((key, record))
            for _, definition, _, entries in indexes:
                for entry in record_keys(definition, instances):
                    entries.append((entry, key))
        kept.sort(key=lambda node: node[0])
        try:
            for key, record in kept:
                tree.nodes.add(key, record)
        except JetError as problem:
            raise jet_error(problem.code, f"table {table.name}: {problem.message}") from problem

    def finish(self, pages: int) -> int:
        """Write the catalogue and the system's own trees; the number of pages of the database."""
        output, small = self.output, self.small_page
        rows = sorted(((row_key(row), row) for table in self.tables for row in table_rows(table)), key=lambda pair: pair[0])
        if self.version >= FEATURE_OF_DATABASE[Feature.ROOT_TIME]:
            for _, row in rows:
                date_root(row)
        records = [(key, catalog_record(row, small_page=small)) for key, row in rows]
        catalog = self._fixed(CATALOG_OBJID, Extent(CATALOG_ROOT, CATALOG_PAGES), 0, CATALOG_DENSITY, 3, self.space)
        name = self._fixed(NAME_OBJID, catalog.space.grant(3), PAGE_INDEX, CATALOG_DENSITY, 3, catalog.space)
        roots = self._fixed(ROOT_OBJECTS_OBJID, catalog.space.grant(3), PAGE_INDEX, CATALOG_DENSITY, 3, catalog.space)
        shadow = self._fixed(SHADOW_OBJID, Extent(SHADOW_ROOT, SHADOW_PAGES), 0, CATALOG_DENSITY, 3, self.space)
        objids = self._fixed(OBJIDS_OBJID, Extent(OBJIDS_ROOT, 1), 0, 100, 1, self.space)
        locales = self._fixed(LOCALES_OBJID, Extent(LOCALES_ROOT, 1), 0, LOCALES_DENSITY, 1, self.space)
        self._add(catalog, records)
        self._add(name, sorted((name_index_key(row), key) for key, row in rows))
        tables = [(key, row) for key, row in rows if row["Type"] == ObjectType.TABLE]
        self._add(roots, sorted((root_objects_key(row), key) for key, row in tables))
        self._add(shadow, records)
        self._add(objids, sorted(objids_node(*entry, small_page=small) for entry in self._objids(rows)))
        self._add(locales, locales_nodes(self._locales(), small_page=small, locales_2=self.locales_2))
        for tree in (name, roots, catalog, shadow, objids, locales):
            tree.complete(output)
        used = self.space.next - 1
        total = max(used, pages, _PAGES_LEAST) + HEADER_PAGES
        total += -total % _FILE_UNIT
        write_root_space(output, total - HEADER_PAGES, used)
        return total - HEADER_PAGES

    def _fixed(
        self, objid: int, extent: Extent, flags: int, density: int, used: int, parent: FileSpace | TreeSpace
    ) -> BuiltTree:
        own = extent.first + 1 if used > 1 else 0
        space = TreeSpace(parent, extent, objid=objid, class_flags=flags, own_trees=own, used=used, keeps_space=used > 1)
        return BuiltTree(self.output, space, density)

    def _add(self, tree: BuiltTree, nodes: Iterable[tuple[bytes, bytes]]) -> None:
        for key, data in nodes:
            tree.nodes.add(key, data)
        tree.end()

    def _objids(self, rows: list[tuple[bytes, Row]]) -> Iterable[tuple[int, int, int]]:
        """Table, secondary index and long-value tree of every table: (objid, that of the table, type)."""
        for _, row in rows:
            kind, objid, table = row["Type"], row["Id"], row["ObjidTable"]
            if kind in (ObjectType.TABLE, ObjectType.LONG_VALUE) or (kind == ObjectType.INDEX and objid != table):
                yield objid, table, kind

    def _locales(self) -> dict[str, int]:
        """How many indexes depend on each sort order."""
        indexes = [index for table in self.tables for index in table.indexes if index.is_localized]
        return Counter(
            locale_key(index.locale, str(uuid.UUID(bytes_le=index.sort_id)), index.version)
            for index in indexes
            if index.sort_id is not None and index.version is not None
        )


def built_header(page_size: int, version: tuple[int, int, int], dbtime: int, last_objid: int) -> DatabaseHeader:
    """The header of a clean database that no log stream knows."""
    now = LogTime.now()
    header = DatabaseHeader(version=version[0], update_major=version[1], update_minor=version[2])
    header.raise_version(version)
    header.page_size_field = page_size
    header.dbtime_dirtied = dbtime
    header.objid_last = last_objid
    header.sign_db = Signature.fresh()
    header.sign_db_hdr_flush = Signature.fresh()
    header.dbid = 1
    header.logtime_attach = header.logtime_consistent = header.logtime_detach = now
    header.os_major, header.os_minor, header.os_build = _OS_VERSION
    header.sort_version = SORT_VERSIONS_IN_CATALOG
    header.dbstate = int(DatabaseState.CLEAN_SHUTDOWN)
    return header


@contextlib.contextmanager
def new_database(
    goal: Path, page_size: int, version: tuple[int, int, int], *, files: FileSystem = FILES, pages: int = 0
) -> Iterator[Builder]:
    """A builder to add tables to. At the end of the block the database is completed, made durable and only then gets its name;
    after an error in it there is no new file."""
    draft = goal.with_name(f".{goal.name}.{secrets.token_hex(4)}.building")
    file = files.open(draft, writable=True, exclusive=True)
    try:
        try:
            output = Output(file, page_size)
            builder = Builder(output, version)
            yield builder
            total = builder.finish(pages)
            output.flush()
            file.truncate((total + HEADER_PAGES) * page_size)
            file.sync()
            image = built_header(page_size, builder.version, output.dbtime, builder.last_objid).pack()
            file.write(0, image + image)
            file.sync()
        finally:
            file.close()
        files.rename(draft, goal)
    except BaseException:
        with contextlib.suppress(JetError):
            files.remove(draft)
        raise


def build_database(
    path: str | Path,
    tables: Iterable[tuple[TableSpec, Iterable[Mapping[str, Any]]]],
    *,
    page_size: int = 4096,
    files: FileSystem = FILES,
    version: tuple[int, int, int] = VERSION_DEFAULT,
    pages: int = 0,
    overwrite: bool = False,
) -> None:
    """Write the database `path` with `tables`: (definition, rows) pairs.

    A row maps column names to values: None, bytes, a Python value of the column's type, or a list of these in a multi-valued
    column. A table with a primary index is sorted by it unless its rows come `in_order`; one without keeps their order. Rows
    of one table and the entries of its secondary indexes are kept in memory.

    JET_errUnicodeNormalizationNotSupported: a character in an index whose weights are not known (`esent.records.collation`).

    `pages` is the least size, `version` the format (major, update, minor) to stamp. JET_errDatabaseDuplicate: the file is
    there and `overwrite` is not set. JET_errKeyDuplicate, JET_errRecordTooBig, JET_errNullInvalid and the like for rows;
    those of `define_table` for definitions. After an error there is no new file.
    """
    goal = Path(path)
    if page_size not in LONG_VALUE_CHUNK:
        raise jet_error(codes.JET_errInvalidParameter, f"building a database with pages of {page_size} bytes", file=goal)
    if not VERSION_DEFAULT <= version <= _VERSION_MOST:
        raise jet_error(codes.JET_errInvalidDatabaseVersion, f"building a database of format {version}", file=goal)
    if not overwrite and files.exists(goal):
        raise jet_error(codes.JET_errDatabaseDuplicate, "building a database", file=goal)
    with new_database(goal, page_size, version, files=files, pages=pages) as builder:
        for spec, rows in tables:
            builder.add_table(spec, rows)


__all__ = ["ColumnSpec", "IndexSpec", "TableSpec", "build_database"]
