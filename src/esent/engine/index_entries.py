"""The entries a record has in an index (`reference/records-and-indexes.md` 6.3-6.5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.catalog.objects import Index
from esent.engine.table_view import TableView
from esent.records import access
from esent.records.access import MORE, ColumnPlace
from esent.records.columns import Column
from esent.records.compression import decompress
from esent.records.encode import Value
from esent.records.keys import KEY_MOST_DEFAULT, KeyDefinition, KeyPlan, record_keys

if TYPE_CHECKING:
    from esent.engine.cursor import Cursor
    from esent.engine.versioned import VersionedTree

ReadLongValue = Callable[[bytes, int], bytes]
"""The first bytes of a long value: (id as the record has it, how many at most) -> bytes."""

_BYTES_TO_A_KEY_BYTE = 16  # of Unicode text; many characters have no weight of their own


def no_long_values(lid: bytes, count: int) -> bytes:
    """For tables without separated long values."""
    return b""


def column_values(view: TableView, column: Column, image: bytes) -> list[Value] | None:
    """What a record holds of a column, as stored: none for NULL; None where its default holds."""
    if column.is_fixed:
        state, data = access.fixed_value(image, column.fid, column.record_offset, column.max_size)
    elif column.is_variable:
        state, data = access.variable_value(image, column.fid)
    else:
        entry = access.tagged_entry(image, column.fid, view.derived(column), view.small_page)
        return None if entry is None else access.entry_values(*entry, view.small_page)
    if state == access.ABSENT:
        return None
    return [] if state == access.NULL else [Value(data)]


def _bytes_wanted(definition: KeyDefinition) -> int:
    """How much of a value can decide about a key."""
    if definition.tuples is not None:
        limits = definition.tuples
        return 2 * (limits.start + limits.most * limits.increment + limits.longest)
    if definition.key_most <= KEY_MOST_DEFAULT:
        return KEY_MOST_DEFAULT + 1
    return _BYTES_TO_A_KEY_BYTE * definition.key_most


@cython.cclass
class RecordKeyPlan:
    """The keys of records in an index with one key a record, made of what the records hold without looking further."""

    _plan: KeyPlan
    _places: list[ColumnPlace]

    def __init__(self, view: TableView, definition: KeyDefinition) -> None:
        self._plan = KeyPlan(definition, primary=False)
        self._places = [view.place_of(segment.column) for segment in definition.segments]

    @cython.ccall
    def key(self, image: bytes) -> bytes | None:
        """The key of a record, empty where the index leaves it out; None where it takes more than the record."""
        values: list[bytes | None] = []
        place: ColumnPlace
        for place in self._places:
            value = place.value(image)
            if value is MORE:
                return None
            values.append(value)
        return self._plan.key(values)

    def keys(self, image: bytes) -> list[bytes] | None:
        """As `RecordValues.keys`; None where it takes more than the record."""
        key = self.key(image)
        return None if key is None else [key] if key else []


@cython.cclass
class Upkeep:
    """One index that the updates of a cursor keep up; `columns` decide about its entries."""

    index: Index
    tree: VersionedTree
    columns: frozenset[int]
    _plan: RecordKeyPlan | None

    def __init__(self, cursor: Cursor, index: Index) -> None:
        self.index = index
        self.tree = cursor.index_tree(index)
        self.columns = cursor.view.index_columns(index)
        self._plan = key_plan(cursor.view, index)

    @cython.ccall
    def key(self, image: bytes) -> bytes | None:
        """As `RecordKeyPlan.key`, for any index."""
        return None if self._plan is None else self._plan.key(image)


def key_plan(view: TableView, index: Index) -> RecordKeyPlan | None:
    """The plan of an index, None where its keys have to be looked for."""
    number = id(index)
    if number in view.key_plans:
        return view.key_plans[number]
    definition = view.definition(index)
    plan = RecordKeyPlan(view, definition) if KeyPlan.serves(definition) else None
    view.key_plans[number] = plan
    return plan


class RecordValues:
    """The values of a record as keys are made from them: defaults put in, long values fetched as far as needed."""

    __slots__ = ("_found", "_wanted", "image", "read", "view")

    def __init__(self, view: TableView, image: bytes, read: ReadLongValue) -> None:
        self.view = view
        self.image = image
        self.read = read
        self._wanted = 0
        self._found: dict[int, list[bytes]] = {}

    def keys(self, index: Index) -> list[bytes]:
        """The distinct keys of the record in an index. JET_errNullKeyDisallowed, JET_errKeyTruncated."""
        plan = key_plan(self.view, index)
        if plan is not None:
            keys = plan.keys(self.image)
            if keys is not None:
                return keys
        definition = self.view.definition(index)
        wanted = _bytes_wanted(definition)
        if wanted > self._wanted:
            self._found.clear()
            self._wanted = wanted
        return record_keys(definition, self.instances)

    def instances(self, columnid: int) -> Sequence[bytes]:
        found = self._found.get(columnid)
        if found is None:
            column = self.view.columns[columnid]
            values = column_values(self.view, column, self.image)
            if values is None:
                default = self.view.defaults.get(columnid)
                found = [] if default is None else [default]
            else:
                found = [self._plain(value) for value in values]
            self._found[columnid] = found
        return found

    def _plain(self, value: Value) -> bytes:
        if value.separated:
            return self.read(value.data, self._wanted)
        return decompress(value.data) if value.compressed else value.data


def index_entries(view: TableView, index: Index, image: bytes, read: ReadLongValue = no_long_values) -> list[bytes]:
    """The keys a record has in an index, each once, in the order they arise; none where the index leaves the record out."""
    return RecordValues(view, image, read).keys(index)
