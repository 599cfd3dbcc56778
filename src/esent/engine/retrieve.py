"""Reading columns of a cursor: of the current record, of the copy buffer, from an index entry.

Rules: `reference/records-and-indexes.md` 1.6, 1.7, 6.9. A column the record does not have shows its default; NULL is no value,
a zero-length value is one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from esent.constants import codes, grbits
from esent.engine.callbacks import computed_default
from esent.engine.column_references import reference_to
from esent.engine.cursor import Cursor
from esent.engine.index_entries import RecordValues, column_values
from esent.engine.key_columns import column_from_key, tells_column
from esent.engine.navigation import grbit_of
from esent.engine.tree_position import Where
from esent.errors import jet_error
from esent.records.access import MORE
from esent.records.columns import FLAG_DEFAULT, FLAG_ENCRYPTED, FLAG_USER_DEFINED_DEFAULT, Column
from esent.records.compression import decompress
from esent.records.encode import Value
from esent.records.keys import build_key

FROM_INDEX = grbits.JET_bitRetrieveFromIndex
FROM_BOOKMARK = grbits.JET_bitRetrieveFromPrimaryBookmark
PHYSICAL_SIZE = grbits.JET_bitRetrievePhysicalSize
LONG_ID = grbits.JET_bitRetrieveLongId
REFERENCE_COUNT = grbits.JET_bitRetrieveLongValueRefCount
IGNORE_DEFAULT = grbits.JET_bitRetrieveIgnoreDefault
_AS_REFERENCE = grbits.JET_bitRetrieveAsRefIfNotInRecord
_INTERNAL = 0xF0000000
_ANY_SIZE = 0xFFFFFFFF
_ON_NODE = Where.ON_NODE


class Answer(NamedTuple):
    """What a retrieval gives: `data` None for NULL; the instance it was, and the column."""

    data: bytes | None
    number: int
    columnid: int
    status: int = 0  # a warning beside the value


class RecordReader:
    """One record as retrieval sees it: that of the copy buffer, or the current one."""

    def __init__(self, cursor: Cursor, *, copy: bool) -> None:
        self.cursor = cursor
        self.view = cursor.view
        update = cursor.update
        self.is_copy = copy and update is not None
        self.image = update.image() if copy and update is not None else cursor.record()

    def values(self, column: Column) -> list[Value] | None:
        """The stored instances, none for NULL; None where the default holds."""
        return column_values(self.view, column, self.image)

    def with_default(self, column: Column, *, ignore_default: bool = False) -> list[Value]:
        """The instances, the default put in. JET_errCallbackFailed for a default that cannot be computed."""
        values = self.values(column)
        if values is not None:
            return values
        if ignore_default and column.is_tagged:
            return []
        if column.flags & FLAG_USER_DEFINED_DEFAULT:
            computed = computed_default(self.cursor, column)
            return [] if computed is None else [Value(computed)]
        default = self.view.defaults.get(column.columnid)
        return [] if default is None else [Value(default)]

    def plain(self, value: Value, offset: int = 0, count: int | None = None) -> bytes:
        """The bytes of an instance from `offset` on, at most `count`."""
        if value.separated:
            return self.long_value(value.data, offset, count)
        data = decompress(value.data) if value.compressed else value.data
        return data[offset:] if count is None else data[offset : offset + count]

    def long_value(self, lid: bytes, offset: int = 0, count: int | None = None) -> bytes:
        update = self.cursor.update
        pending = update.pending.get(lid) if self.is_copy and update is not None else None
        if pending is not None:
            return pending.read(offset, count)
        return self.cursor.require_long_values().read(lid, offset, count)

    def references(self, lid: bytes) -> int:
        update = self.cursor.update
        if self.is_copy and update is not None:
            if lid in update.pending:
                return 1
            return self.cursor.require_long_values().references(lid) + update.references.get(lid, 0)
        return self.cursor.require_long_values().references(lid)


def retrieve(cursor: Cursor, columnid: object, grbit: object = 0, number: object = 1, offset: object = 0) -> Answer:
    """JetRetrieveColumn: instance `number` of a column from byte `offset` on; column 0 scans the tagged columns."""
    options = grbit_of(grbit)
    with cursor.session.instance.lock:
        return _Retrieval(cursor).column(columnid, options, number, offset)


def plain_value(cursor: Cursor, columnid: object) -> Any:
    """The first value of a column of the current record without options; `access.MORE` where `retrieve` has to find it.

    The caller holds the lock of the instance.
    """
    position = cursor.primary
    if position.where is not _ON_NODE or type(columnid) is not int:
        return MORE
    view = cursor.view
    place = view.places.get(columnid)
    if place is None:
        place = view.place(columnid)
        if place is None:
            return MORE
    return place.value(position.place.data)


def tells_instance(grbit: object) -> bool:
    """Whether a retrieval says which instance of its column the index entry is about."""
    options = grbit_of(grbit)
    return bool(options & grbits.JET_bitRetrieveTag and options & (FROM_INDEX | FROM_BOOKMARK))


class _Retrieval:
    """Retrievals of one call: the record is looked up once."""

    def __init__(self, cursor: Cursor, *, several: bool = False) -> None:
        self.cursor = cursor
        self.several = several
        self._readers: dict[bool, RecordReader] = {}

    def reader(self, options: int) -> RecordReader:
        copy = bool(options & grbits.JET_bitRetrieveCopy) and self.cursor.update is not None
        found = self._readers.get(copy)
        if found is None:
            found = self._readers[copy] = RecordReader(self.cursor, copy=copy)
        return found

    def column(self, columnid: object, options: int, number: object, offset: object) -> Answer:
        cursor = self.cursor
        if not isinstance(columnid, int):
            raise jet_error(codes.JET_errBadColumnId, f"{columnid!r} is not the id of a column")
        if not isinstance(number, int) or not isinstance(offset, int) or number < 0 or not 0 <= offset <= _ANY_SIZE:
            raise jet_error(codes.JET_errInvalidParameter, f"value {number!r} from byte {offset!r} on")
        number = int(number)
        if options & _INTERNAL:
            raise jet_error(codes.JET_errInvalidGrbit, f"retrieving with grbit {options:#x}")
        update = cursor.update
        if update is not None and update.read_only:
            options &= ~(FROM_INDEX | FROM_BOOKMARK)
        if not self.several:
            special = self._special(columnid, options, number)
            if special is not None:
                return special
        if options & PHYSICAL_SIZE:
            if options & ~(PHYSICAL_SIZE | grbits.JET_bitRetrieveCopy):
                raise jet_error(codes.JET_errInvalidGrbit, f"the physical size with grbit {options:#x}")
            if offset:
                raise jet_error(codes.JET_errInvalidParameter, f"the physical size from byte {offset} on")
        if not self.several and options & grbits.JET_bitRetrieveTuple and not options & FROM_INDEX:
            raise jet_error(codes.JET_errInvalidGrbit, "retrieving a substring of an index from the record")
        if options & _AS_REFERENCE and (update is not None or not cursor.versioned):
            raise jet_error(codes.JET_errInvalidGrbit, "a reference to a value while an update is prepared")
        if options & (FROM_INDEX | FROM_BOOKMARK):
            known, number = self._from_index(columnid, options, number, offset)
            if known is not None:
                return known
        if columnid == 0:
            return self._scan(options, number, offset)
        column = cursor.view.column(columnid)
        reader = self.reader(options)
        if number == 0 and self.several:
            return Answer(b"", _count(reader, column), columnid)
        values = reader.with_default(column, ignore_default=bool(options & IGNORE_DEFAULT))
        if column.is_tagged:
            value = values[number - 1] if 1 <= number <= len(values) else values[0] if number == 0 and len(values) > 1 else None
        else:
            value = values[0] if values else None
        return self._answer(reader, column, value, options, number, offset)

    def _special(self, columnid: int, options: int, number: int) -> Answer | None:
        """Retrievals that are about the record as a whole."""
        cursor = self.cursor
        if options & grbits.JET_bitRetrievePageNumber:
            if options != grbits.JET_bitRetrievePageNumber:
                raise jet_error(codes.JET_errInvalidGrbit, f"the page number with grbit {options:#x}")
            cursor.record()
            page = cursor.primary.tree.nodes.page_of(cursor.primary.key, b"")
            return Answer(struct.pack("<I", page), number, columnid)
        if options & grbits.JET_bitRetrieveCopyIntrinsic:
            if options != grbits.JET_bitRetrieveCopyIntrinsic:
                raise jet_error(codes.JET_errInvalidGrbit, f"the room in the copy buffer with grbit {options:#x}")
            if cursor.update is None:
                raise jet_error(codes.JET_errUpdateNotPrepared, "the room in the copy buffer without one")
            return Answer(struct.pack("<I", cursor.update.room(cursor.view.column(columnid), number)), number, columnid)
        return None

    def _answer(
        self, reader: RecordReader, column: Column, value: Value | None, options: int, number: int, offset: int
    ) -> Answer:
        columnid = column.columnid
        about_separated = bool(options & (LONG_ID | REFERENCE_COUNT))
        if about_separated and (value is None or not value.separated):
            return Answer(None, number, columnid)
        if value is None:
            return Answer(None, number, columnid)
        if column.flags & FLAG_ENCRYPTED and not options & PHYSICAL_SIZE and not about_separated:
            raise jet_error(codes.JET_errColumnNoEncryptionKey, f"reading the encrypted column {column.name}")
        if value.separated:
            if options & LONG_ID:
                lid = value.data.ljust(8, b"\0")
                return Answer(lid, number, columnid, codes.JET_wrnSeparateLongValue)
            if options & REFERENCE_COUNT:
                count = struct.pack("<I", reader.references(value.data))
                return Answer(count, number, columnid, codes.JET_wrnSeparateLongValue)
            if options & _AS_REFERENCE:
                reference = reference_to(self.cursor, column, number, value.data)
                return Answer(reference, number, columnid, codes.JET_wrnColumnReference)
            if options & PHYSICAL_SIZE:
                stored, _ = self.cursor.require_long_values().stored_size(value.data)
                return Answer(bytes(stored), number, columnid)
        if options & PHYSICAL_SIZE:
            return Answer(bytes(len(value.data)), number, columnid)
        return Answer(reader.plain(value, offset if column.is_long_value else 0), number, columnid)

    def _scan(self, options: int, number: int, offset: int) -> Answer:
        """The instance `number` counted over all tagged columns; 0 counts them all."""
        if number == 0 and not self.several:
            raise jet_error(codes.JET_errBadItagSequence, "retrieving value 0 of all")
        reader = self.reader(options)
        defaults = not options & IGNORE_DEFAULT and reader.view.has_default
        seen = 0
        for column in reader.view.tagged:
            values = reader.values(column)
            if values is None:
                if not defaults:
                    continue
                values = reader.with_default(column)
            elif not values:
                if options & grbits.JET_bitRetrieveNull:
                    seen += 1
                    if seen == number:
                        return Answer(None, 1, column.columnid, codes.JET_wrnColumnSetNull)
                continue
            if seen < number <= seen + len(values):
                which = number - seen
                return self._answer(reader, column, values[which - 1], options, which, offset)
            seen += len(values)
        if number == 0:
            return Answer(b"", seen, 0)
        return Answer(None, 0, 0)

    # -- from the index -------------------------------------------------------------------------------------------

    def _from_index(self, columnid: int, options: int, number: int, offset: int) -> tuple[Answer | None, int]:
        """The value as the index entry or the bookmark tells it, or None and the instance to read from the record."""
        cursor = self.cursor
        view = cursor.view
        if options & FROM_INDEX and options & FROM_BOOKMARK:
            raise jet_error(codes.JET_errInvalidGrbit, "from the index and from the bookmark at once")
        index = cursor.index
        if cursor.secondary is None:
            if not cursor.primary.on_node or view.primary is None:
                return None, 1
            index, key = view.primary, cursor.primary.key
        elif options & FROM_BOOKMARK:
            if view.primary is None:
                raise jet_error(codes.JET_errColumnNotFound, "the bookmark of a table without a primary index")
            index = view.primary
            key = b""
        else:
            key = b""
        assert index is not None
        definition = view.definition(index)
        if columnid not in view.columns and columnid != 0:
            view.column(columnid)
        places = [place for place, segment in enumerate(definition.segments) if segment.column == columnid]
        if not places:
            raise jet_error(codes.JET_errColumnNotFound, f"index {index.name} has no column {columnid:#x}")
        if definition.tuples is not None and places[0] == 0 and not options & grbits.JET_bitRetrieveTuple:
            raise jet_error(codes.JET_errIndexTuplesCannotRetrieveFromIndex, f"index {index.name} has substrings only")
        if cursor.secondary is not None:
            place = cursor.secondary
            if not place.on_node or (options & FROM_BOOKMARK and not cursor.primary.on_node):
                place.data()
            key = cursor.primary.key if options & FROM_BOOKMARK else place.key
        column = view.columns[columnid]
        known: Answer | None = None
        if tells_column(definition, view.columns, columnid, key):
            data = column_from_key(definition, view.columns, columnid, key)
            if data is not None and column.is_long_value:
                data = data[offset:]
            known = Answer(data, number, columnid)
            if not options & grbits.JET_bitRetrieveTag:
                return known, number
        found = 1
        if column.is_multivalued and (known is None or known.data is not None):
            found = self._instance_of_key(index.name, columnid, key)
        return (None if known is None else known._replace(number=found)), found

    def _instance_of_key(self, name: str, columnid: int, key: bytes) -> int:
        """Which instance of a multi-valued column the current entry is about."""
        cursor = self.cursor
        index = cursor.table.index(name)
        definition = cursor.view.definition(index)
        values = RecordValues(cursor.view, cursor.record(), cursor.read_long_value)
        values.keys(index)
        row: list[bytes | None] = []
        for segment in definition.segments:
            instances = values.instances(segment.column)
            row.append(instances[0] if instances else None)
        place = next(i for i, segment in enumerate(definition.segments) if segment.column == columnid)
        for number, value in enumerate(values.instances(columnid), 1):
            if build_key(definition, [*row[:place], value, *row[place + 1 :]])[0] == key:
                return number
        if not values.instances(columnid):
            return 1
        raise jet_error(codes.JET_errSecondaryIndexCorrupted, f"index {name} has an entry its record does not have")


def _count(reader: RecordReader, column: Column) -> int:
    """How many instances of a column there are, the default counted where it holds."""
    values = reader.values(column)
    if values is None:
        return 1 if column.flags & FLAG_DEFAULT else 0
    return len(values)


def retrieve_several(cursor: Cursor, requests: Iterable[tuple[object, object, object, object]]) -> Iterator[Answer]:
    """JetRetrieveColumns: (column, grbit, number, offset) each; the first error ends it."""
    with cursor.session.instance.lock:
        retrieval = _Retrieval(cursor, several=True)
        for columnid, grbit, number, offset in requests:
            yield retrieval.column(columnid, grbit_of(grbit), number, offset)
