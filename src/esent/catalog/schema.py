"""The catalog of a database: which tables there are, and what is known of each.

`Catalog.load` reads MSysObjects with its built-in schema, whatever it says about itself, and keeps the rows as they are; a
table is put together from its rows when it is first asked for. Where MSysObjects cannot be read to its end, the shadow catalog
stands in for it, and `damage` says why.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any

from esent.catalog.objects import (
    NORMALISATION_FLAGS_DEFAULT,
    SEGMENT_MUST_BE_NULL,
    TABLE_TEMPLATE,
    Index,
    Segment,
    Table,
    parse_segments,
    parse_tuple_limits,
)
from esent.catalog.system import (
    CATALOG,
    CATALOG_COLUMNS,
    CATALOG_DENSITY,
    CATALOG_LCMAP,
    CATALOG_OBJID,
    CATALOG_PAGES,
    CATALOG_ROOT,
    DEFAULT_LOCALE,
    NAME_OBJID,
    NAME_ROOT,
    ROOT_OBJECTS_OBJID,
    ROOT_OBJECTS_ROOT,
    SHADOW,
    SHADOW_OBJID,
    SHADOW_PAGES,
    SHADOW_ROOT,
    SYSTEM_TABLE_FLAGS,
    ObjectType,
)
from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.records.columns import FLAG_DEFAULT, TAGGED_LAST, Coltyp, Column
from esent.records.decode import RecordPlan, Separated
from esent.records.keys import INDEX_DERIVED, KEY_MOST_DEFAULT
from esent.records.layout import SMALL_PAGE_MAX
from esent.records.values import western_text
from esent.tree.cursor import NODE_DELETED, Tree
from esent.tree.long_values import LongValues
from esent.tree.source import PageSource

_HEAD = struct.Struct("<ihi")  # ObjidTable, Type, Id: the first three columns of a record, all NOT NULL
_HEAD_OFFSET = 4
_HEAD_END = _HEAD_OFFSET + _HEAD.size
_FIRST_FIXED = 3
_TYPES = frozenset(ObjectType)
_NIL, _LAST_TYPE = int(Coltyp.NIL), int(Coltyp.UNSIGNED_LONG_LONG)
_PLACES = {column.name: place for place, column in enumerate(CATALOG_COLUMNS)}
(_ID, _ROOT, _SPACE, _FLAGS, _PAGES, _OFFSET, _LCMAP, _KEY_MOST, _CHUNK, _NAME, _TEMPLATE, _DEFAULT, _SEGMENTS, _VARIABLE) = (
    _PLACES[name]
    for name in (
        "Id", "ColtypOrPgnoFDP", "SpaceUsage", "Flags", "PagesOrLocale", "RecordOffset", "LCMapFlags", "KeyMost", "LVChunkMax",
        "Name", "TemplateTable", "DefaultValue", "KeyFldIDs", "VarSegMac",
    )
)  # fmt: skip
(_CONDITIONS, _TUPLE, _VERSION, _SORT_ID, _SEPARATE, _HINTS, _DEFERRED_HINTS, _LOCALE) = (
    _PLACES[name]
    for name in (
        "ConditionalColumns", "TupleLimits", "Version", "SortID", "SeparateLV", "SpaceHints", "SpaceDeferredLVHints",
        "LocaleName",
    )
)  # fmt: skip

_CALLBACK_DATA = _PLACES["CallbackData"]
_COLUMN = int(ObjectType.COLUMN)
_ROWS_AT_ONCE = 256
_COLUMN_NUMBERS = struct.Struct("<5i")
# What rows of columns say, taken alone as there may be very many of them; `_column` takes it in this order.
_COLUMN_COLUMNS = [
    CATALOG_COLUMNS[place] for place in (_ROOT, _ID, _FLAGS, _SPACE, _PAGES, _OFFSET, _NAME, _TEMPLATE, _DEFAULT)
]

Row = list[Any]


class Catalog:
    """All tables of a database by name.

    `source_table`: which of the two catalogs was read; `damage`: the error that made it the shadow, else None.
    """

    def __init__(self, source: PageSource) -> None:
        self.source = source
        self.source_table = CATALOG
        self.damage: JetError | None = None
        self._plan = RecordPlan(CATALOG_COLUMNS, large_pages=source.page_size > SMALL_PAGE_MAX)
        self._column_plan = RecordPlan(_COLUMN_COLUMNS, large_pages=source.page_size > SMALL_PAGE_MAX)
        self._records: dict[int, list[bytes]] = {}  # by object id of the table, without the table's own row
        self._heads: dict[str, tuple[int, bytes]] = {}  # object id and record by name of the table
        self._tables: dict[str, Table] = {}
        self._upper: dict[str, str] = {}

    @classmethod
    def load(cls, source: PageSource) -> Catalog:
        """Raises what reading both catalogs raises; JET_errCatalogCorrupted for rows that are none."""
        catalog = cls(source)
        try:
            catalog._read(CATALOG_ROOT, CATALOG_OBJID)
        except JetError as damage:
            catalog._records.clear()
            catalog._heads.clear()
            try:
                catalog._read(SHADOW_ROOT, SHADOW_OBJID)
            except JetError:
                raise damage from None
            catalog.source_table = SHADOW
            catalog.damage = damage
        catalog._upper = {name.upper(): name for name in catalog._heads}
        return catalog

    @classmethod
    def of_records(cls, source: PageSource, records: Iterable[bytes]) -> Catalog:
        """A catalogue of just these rows, wherever they come from; those that describe nothing are left out."""
        catalog = cls(source)
        for record in records:
            try:
                catalog._take(record, 0)
                catalog.check(record)
            except JetError:
                for kept in catalog._records.values():
                    if record in kept:
                        kept.remove(record)
                catalog._heads = {name: head for name, head in catalog._heads.items() if head[1] is not record}
        catalog._upper = {name.upper(): name for name in catalog._heads}
        return catalog

    def _read(self, root: int, objid: int) -> None:
        for page in Tree(self.source, root, objid).leaves():
            for flags, _, record in page.entries():
                if not flags & NODE_DELETED:
                    self._take(record, page.pgno)
        if CATALOG not in self._heads:
            raise _corrupted("no row for the catalog itself", root)

    def _take(self, record: bytes, pgno: int) -> None:
        """Keep a row."""
        if len(record) < _HEAD_END or record[0] < _FIRST_FIXED:
            raise _corrupted("a row without its key columns", pgno)
        table, kind, _ = _HEAD.unpack_from(record, _HEAD_OFFSET)
        if kind == ObjectType.TABLE:
            name = _text(self._row(record)[_NAME])
            self._heads[name] = (table, record)
        elif kind in _TYPES:
            self._records.setdefault(table, []).append(record)

    def check(self, record: bytes) -> None:
        """JET_errCatalogCorrupted where a row does not describe what its type says, and what reading its long values raises."""
        _, kind, _ = _HEAD.unpack_from(record, _HEAD_OFFSET)
        if kind == _COLUMN:
            _column(self._column_plan.values(record), template=False)
            return
        row = self._row(record)
        if kind == ObjectType.INDEX:
            self._index(row)
        elif kind == ObjectType.TABLE:
            for place in (_ROOT, _FLAGS, _SPACE, _PAGES):
                _signed(row[place])
        elif kind == ObjectType.LONG_VALUE:
            _signed(row[_ID]), _signed(row[_ROOT])
        elif kind == ObjectType.CALLBACK:
            _signed(row[_FLAGS]), _text(row[_TEMPLATE])

    def names(self) -> list[str]:
        """All tables, those of the system included, in byte order of their names."""
        return sorted(self._heads)

    def __iter__(self) -> Iterator[Table]:
        return (self.table(name) for name in self.names())

    def __len__(self) -> int:
        return len(self._heads)

    def __contains__(self, name: str) -> bool:
        return name.upper() in self._upper

    def is_system(self, name: str) -> bool:
        """True for a table with the system flag."""
        row = self._row(self._heads[name][1])
        return bool(_signed(row[_FLAGS]) & 0x80000000)

    def table(self, name: str) -> Table:
        """The table of this name, case apart. Raises JET_errObjectNotFound, JET_errCatalogCorrupted."""
        known = name if name in self._heads else self._upper.get(name.upper())
        if known is None:
            raise jet_error(codes.JET_errObjectNotFound, f"there is no table {name}")
        table = self._tables.get(known)
        if table is None:
            table = self._build(known, ())
        return table

    def objid(self, name: str) -> int:
        """The object id of the table of this name."""
        return self._heads[name][0]

    def column_ids(self, name: str) -> list[tuple[int, int, int]]:
        """Of every column row of a table, deleted columns included: id, offset in the record, size."""
        objid, _ = self._heads[name]
        found = []
        for each in self._records.get(objid, ()):
            _, kind, fid = _HEAD.unpack_from(each, _HEAD_OFFSET)
            if kind == ObjectType.COLUMN:
                row = self._row(each)
                offset = 0 if row[_OFFSET] is None else _unsigned(row[_OFFSET])
                found.append((fid, offset, _signed(row[_SPACE])))
        return found

    def forget(self, name: str) -> None:
        """Let go of the table of this name; what it takes in memory comes back when it is asked for again."""
        self._tables.pop(name, None)

    def _build(self, name: str, above: tuple[str, ...]) -> Table:
        """Put the table together; `above` are the derived tables on whose behalf, to end where templates go in a circle."""
        objid, record = self._heads[name]
        row = self._row(record)
        flags = _signed(row[_FLAGS]) & 0xFFFFFFFF
        table = Table(name, objid, _signed(row[_ROOT]), flags, _signed(row[_SPACE]), _signed(row[_PAGES]))
        table.long_value_chunk = _optional(row[_CHUNK])
        table.separate_threshold = _optional(row[_SEPARATE])
        table.space_hints = row[_HINTS] if isinstance(row[_HINTS], bytes) else None
        table.deferred_space_hints = row[_DEFERRED_HINTS] if isinstance(row[_DEFERRED_HINTS], bytes) else None
        built_in = name in (CATALOG, SHADOW)
        columns: list[bytes] = []
        for each in self._records.get(objid, ()):
            _, kind, _ = _HEAD.unpack_from(each, _HEAD_OFFSET)
            if kind == ObjectType.LONG_VALUE:
                part = self._row(each)
                table.long_value_objid, table.long_value_root = _signed(part[_ID]), _signed(part[_ROOT])
            elif built_in:
                continue
            elif kind == _COLUMN:
                columns.append(each)
            elif kind == ObjectType.INDEX:
                table.indexes.append(self._index(self._row(each)))
            elif kind == ObjectType.CALLBACK:
                part = self._row(each)
                table.callbacks.append((_signed(part[_FLAGS]), _text(part[_TEMPLATE])))
        if built_in:
            _fill_built_in(table)
        else:
            template = bool(flags & TABLE_TEMPLATE)
            for place in range(0, len(columns), _ROWS_AT_ONCE):
                batch = columns[place : place + _ROWS_AT_ONCE]
                for each, values in zip(batch, self._column_plan.rows(batch), strict=True):
                    column = _column(values, template)
                    if column is None:
                        continue
                    if column.callback is not None and isinstance(data := self._row(each)[_CALLBACK_DATA], bytes):
                        column.callback_data = data
                    table.columns.append(column)
        if row[_TEMPLATE] is not None and table.is_derived:
            self._inherit(table, _text(row[_TEMPLATE]), above)
        table.columns.sort(key=lambda column: column.columnid)
        table.indexes.sort(key=lambda index: index.name.upper())
        self._tables[name] = table
        return table

    def _inherit(self, table: Table, template_name: str, above: tuple[str, ...]) -> None:
        known = self._upper.get(template_name.upper())
        if known is None or known == table.name or known in above:
            raise _corrupted(f"table {table.name} is derived from {template_name}, which is not there", None)
        template = self._tables.get(known) or self._build(known, (*above, table.name))
        if not template.is_template:
            raise _corrupted(f"table {table.name} is derived from {template_name}, which is no template", None)
        table.template_name = template.name
        table.template = template
        table.columns.extend(template.columns)
        for index in table.indexes:
            origin = next((each for each in template.indexes if index.flags & INDEX_DERIVED and each.name == index.name), None)
            if origin is not None:  # the row of a derived index leaves out how it normalises
                index.locale, index.lcmap, index.version, index.sort_id = (
                    origin.locale,
                    origin.lcmap,
                    origin.version,
                    origin.sort_id,
                )

    def _row(self, record: bytes) -> Row:
        try:
            return self._plan.values(record)
        except JetError as problem:
            raise _corrupted(problem.message, None) from problem

    def _long(self, value: Any) -> bytes:
        """A value of a tagged column of the catalog: in its place, or from the long values of the catalog."""
        if isinstance(value, Separated):
            catalog = self.table(self.source_table)
            return LongValues(self.source, catalog.long_value_root, catalog.long_value_objid).read(value.lid)
        if isinstance(value, JetError):
            raise value
        return bytes(value)

    def _index(self, row: Row) -> Index:
        flags = _signed(row[_FLAGS]) & 0xFFFFFFFF
        extended = bool(flags & 0x10000)
        index = Index(_text(row[_NAME]), _signed(row[_ID]), _signed(row[_ROOT]), flags)
        index.density = _signed(row[_SPACE])
        index.segments = parse_segments(row[_SEGMENTS] or b"", extended)
        index.conditions = parse_segments(row[_CONDITIONS] or b"", extended, SEGMENT_MUST_BE_NULL)
        index.lcmap = NORMALISATION_FLAGS_DEFAULT if row[_LCMAP] is None else _signed(row[_LCMAP]) & 0xFFFFFFFF
        index.key_most = KEY_MOST_DEFAULT if row[_KEY_MOST] is None else _unsigned(row[_KEY_MOST])
        index.variable_segment_most = None if row[_VARIABLE] is None else _unsigned(row[_VARIABLE])
        if row[_TUPLE] is not None:
            index.tuple_limits = parse_tuple_limits(row[_TUPLE])
        index.version = None if row[_VERSION] is None else _unsigned(row[_VERSION])
        index.sort_id = row[_SORT_ID]
        if row[_LOCALE] is not None:
            index.locale = self._long(row[_LOCALE]).decode("utf-16-le", "replace").rstrip("\0")
        return index


def _column(row: Row | JetError, template: bool) -> Column | None:
    """The column a row of `_COLUMN_COLUMNS` describes, None for a deleted one."""
    if isinstance(row, JetError):
        raise _corrupted(row.message, None)
    try:
        numbers = b"".join(row[:5])
    except TypeError:
        raise _corrupted("a column without one of its numbers", None) from None
    coltyp, fid, flags, size, code_page = _COLUMN_NUMBERS.unpack(numbers)
    if coltyp == _NIL:
        return None
    if not 1 <= fid <= TAGGED_LAST or not _NIL < coltyp <= _LAST_TYPE:
        raise _corrupted(f"column {fid} of type {coltyp}", None)
    if size < 0 or (fid < 128 and not 0 < size <= 255):
        raise _corrupted(f"column {fid} of {size} bytes", None)
    _, _, _, _, _, offset, name, callback, default = row
    return Column(
        _text(name),
        fid,
        coltyp,
        size,
        flags & 0xFFFF,
        code_page,
        0 if offset is None else _unsigned(offset),
        default if flags & FLAG_DEFAULT else None,
        template,
        None if callback is None else _text(callback),
    )


def _fill_built_in(table: Table) -> None:
    """The catalog tables as they are, whatever their rows say."""
    catalog = table.name == CATALOG
    table.objid, table.root = (CATALOG_OBJID, CATALOG_ROOT) if catalog else (SHADOW_OBJID, SHADOW_ROOT)
    table.flags, table.density = SYSTEM_TABLE_FLAGS, CATALOG_DENSITY
    table.initial_pages = CATALOG_PAGES if catalog else SHADOW_PAGES
    table.columns = list(CATALOG_COLUMNS)
    table.indexes = [_built_in_index("Id", table.objid, table.root, 0x10031, ("ObjidTable", "Type", "Id"))]
    if catalog:
        table.indexes += [
            _built_in_index("Name", NAME_OBJID, NAME_ROOT, 0x10011, ("ObjidTable", "Type", "Name")),
            _built_in_index("RootObjects", ROOT_OBJECTS_OBJID, ROOT_OBJECTS_ROOT, 0x10009, ("RootFlag", "Name")),
        ]


def _built_in_index(name: str, objid: int, root: int, flags: int, columns: tuple[str, ...]) -> Index:
    segments = [Segment(CATALOG_COLUMNS[_PLACES[column]].fid) for column in columns]
    return Index(
        name,
        objid,
        root,
        flags,
        segments,
        density=CATALOG_DENSITY,
        locale=DEFAULT_LOCALE,
        lcmap=CATALOG_LCMAP,
        always_lcmap=True,
    )


def _text(value: Any) -> str:
    if not isinstance(value, bytes):
        raise _corrupted("a row without a name", None)
    return western_text(value)


def _signed(value: Any) -> int:
    if not isinstance(value, bytes):
        raise _corrupted("a row without one of its numbers", None)
    return int.from_bytes(value, "little", signed=True)


def _unsigned(value: Any) -> int:
    if not isinstance(value, bytes):
        raise _corrupted("a row with a number that is none", None)
    return int.from_bytes(value, "little")


def _optional(value: Any) -> int | None:
    return int.from_bytes(value, "little") if isinstance(value, bytes) else None


def _corrupted(what: str, page: int | None) -> JetError:
    return jet_error(codes.JET_errCatalogCorrupted, f"reading the catalog: {what}", page=page)
