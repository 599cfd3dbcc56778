"""What makes bytes a record of a certain table, and a node: the tests that old images have to pass.

A node is key length, key and record (`reference/database-format.md` 5.3). Of a record the schema demands (1.1-1.8 of
`reference/records-and-indexes.md`):

- the first four bytes: the end of the fixed columns follows from the number of the last one;
- ends of variable columns ascend, and no column is longer than it may be;
- tagged columns are known ones in order, with the size of their type;
- the key, where it can be made here, is that of the record.
"""

from __future__ import annotations

import enum
import re
import struct
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from esent.catalog.objects import Table
from esent.engine.collation import sort_key_of
from esent.engine.index_entries import index_entries
from esent.engine.table_view import TableView
from esent.errors import JetError
from esent.records import access
from esent.records.columns import FLAG_NOT_NULL, INHERENT_SIZE, TEXT_TYPES, VARIABLE_FIRST, Column
from esent.records.layout import SMALL_PAGE_MAX, TAG_SEPARATED, WORD_DERIVED, WORD_SMALL_HEADER
from esent.records.values import converter
from esent.tree.long_values import LongValues

_HEADER = 4
_KEY_SIZE_MASK = 0x1FFF
_HITS_MOST = 2000  # possible records that are looked at in one stretch of bytes
_WORD = struct.Struct("<H")
_NODE_COMPRESSED = 4
_ODD_CATEGORIES = frozenset({"Cc", "Cn", "Co", "Cs"})
_ROW_NUMBER_SIZE = 4  # the key of a table without a primary index


class Confidence(enum.StrEnum):
    """`HIGH`: the key is that of the record, and where the record ends is certain. `MEDIUM`: one of the two; there was such a
    row, but what it holds behind its fixed columns may have been written over. `LOW`: neither."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Node(NamedTuple):
    """A node found in a stretch of bytes: its place there, key and record; `open`: where its last column ends is a guess."""

    start: int
    key: bytes
    record: bytes
    open: bool


class RecordTest:
    """The tests of one table. `stubs`: (id, offset, size) of every column row, deleted ones included."""

    def __init__(self, table: Table, page_size: int, stubs: list[tuple[int, int, int]]) -> None:
        self.table = table
        self.small_page = page_size <= SMALL_PAGE_MAX
        self._view = TableView(table, page_size, sort_key_of)
        self._plan = table.plan(page_size)
        self._primary = table.primary_index
        self._key_most = _ROW_NUMBER_SIZE if self._primary is None else self._primary.key_most
        self._ends = self._fixed_ends(stubs)
        self._tagged: dict[tuple[int, bool], Column | None] = {(fid, False): None for fid, _, _ in stubs if fid >= 256}
        for column in table.columns:
            if column.is_tagged:
                self._tagged[column.fid, table.is_derived and column.derived_bit] = column
        variable = [fid for fid, _, _ in stubs if VARIABLE_FIRST <= fid < 256]
        self._variable_most = max([c.fid for c in table.columns if c.is_variable] + variable, default=127)
        self._variable = {column.fid: column for column in table.columns if column.is_variable}
        self._required = [place for place, column in enumerate(table.columns) if column.flags & FLAG_NOT_NULL]
        self._converters = [converter(column) for column in table.columns]
        self._pattern = self._header_pattern()

    def _fixed_ends(self, stubs: list[tuple[int, int, int]]) -> dict[int, int]:
        """Where the fixed part with its bitmap ends, by the number of the last fixed column."""
        places = {fid: (offset, size) for fid, offset, size in stubs if fid < VARIABLE_FIRST}
        for column in self.table.columns:
            if column.is_fixed:
                places[column.fid] = column.record_offset, column.max_size
        ends = {0: _HEADER}
        for fid, (offset, size) in places.items():
            ends[fid] = offset + size + (fid + 7) // 8
        return ends

    def _header_pattern(self) -> re.Pattern[bytes]:
        last = bytes((self._variable_most,))
        variable = b"[\x7f-" + (b"\\" + last if last in rb"\]^-" else last) + b"]"
        heads = [re.escape(bytes((fid,))) + variable + re.escape(_WORD.pack(end)) for fid, end in sorted(self._ends.items())]
        return re.compile(b"(?=" + b"|".join(heads) + b")", re.DOTALL)

    # ---- records ----------------------------------------------------------------------------------------------------

    def is_record(self, record: bytes) -> bool:
        """Whether these bytes, all of them, are a record of the table."""
        if len(record) < _HEADER or self._ends.get(record[0]) != _WORD.unpack_from(record, 2)[0]:
            return False
        if not 127 <= record[1] <= self._variable_most:
            return False
        try:
            start = access.tagged_start(record)
            entries = access.tagged_entries(record, self.small_page)
            values = self._plan.values(record)
        except JetError:
            return False
        return (
            self._variable_fit(record)
            and self._tagged_fit(entries)
            and (start < len(record) or not entries)
            and not any(isinstance(value, JetError) for value in values)
            and all(values[place] is not None for place in self._required)
        )

    def _variable_fit(self, record: bytes) -> bool:
        low = 0
        base = _WORD.unpack_from(record, 2)[0]
        for number in range(record[1] - 127):
            word = _WORD.unpack_from(record, base + 2 * number)[0]
            high = word & 0x7FFF
            column = self._variable.get(VARIABLE_FIRST + number)
            if high < low or (column is not None and column.max_size and high - low > column.max_size):
                return False
            if word & 0x8000 and high != low:
                return False
            low = high
        return True

    def _tagged_fit(self, entries: list[tuple[int, int, bytes]]) -> bool:
        before = (False, 0)
        for fid, flags, data in entries:
            derived = bool(flags & WORD_DERIVED) and self.table.is_derived
            place = (not derived, fid)
            if place <= before or (fid, derived) not in self._tagged:
                return False
            before = place
            column = self._tagged[fid, derived]
            if column is None:
                continue
            try:
                values = access.entry_values(flags, data, self.small_page)
            except JetError:
                return False
            if len(values) > 1 and not column.is_multivalued:
                return False
            size = INHERENT_SIZE.get(column.coltyp)
            for value in values:
                if value.separated and (not column.is_long_value or len(value.data) not in (4, 8)):
                    return False
                if size is not None and len(value.data) != size:
                    return False
                if column.max_size and not value.separated and not value.compressed and len(value.data) > column.max_size:
                    return False
        return True

    def is_sane(self, record: bytes, doubtful: tuple[str, ...] = ()) -> bool:
        """Whether text in a record is text, as far as characters tell; columns that are doubtful anyway do not count."""
        for column, convert, value in zip(self.table.columns, self._converters, self._plan.values(record), strict=True):
            text = column.coltyp in TEXT_TYPES and isinstance(value, bytes) and column.name not in doubtful
            if text and any(map(_is_odd, convert(value))):
                return False
        return True

    def key_of(self, record: bytes) -> bytes | None:
        """The primary key of a record, None where it cannot be made here."""
        if self._primary is None:
            return None
        try:
            keys = index_entries(self._view, self._primary, record)
        except JetError:
            return None
        return keys[0] if keys else None

    def confidence(self, node: Node) -> Confidence | None:
        """How certain a node is one of the table; None where it is none."""
        if not node.key or len(node.key) > self._key_most or not self.is_record(node.record):
            return None
        made = self.key_of(node.record)
        if made is not None:
            if made != node.key:
                return None
            return Confidence.MEDIUM if node.open else Confidence.HIGH
        if self._primary is None and len(node.key) != _ROW_NUMBER_SIZE:
            return None
        return Confidence.LOW if node.open else Confidence.MEDIUM

    def uncertain(self, record: bytes) -> tuple[str, ...]:
        """What the end of a record makes uncertain if it is a guess: its last tagged column, or whether it has any."""
        entries = access.tagged_entries(record, self.small_page)
        if not entries:
            return tuple(column.name for column in self.table.columns if column.is_tagged)
        fid, flags, _ = entries[-1]
        column = self._tagged.get((fid, bool(flags & WORD_DERIVED) and self.table.is_derived))
        return () if column is None else (column.name,)

    def values(self, record: bytes, long_values: LongValues | None) -> dict[str, Any]:
        """Column to value, as JSON can have it; NULL is left out. A long value that is gone is {"error": code}."""
        found: dict[str, Any] = {}
        for column, convert, value in zip(self.table.columns, self._converters, self._plan.values(record), strict=True):
            if isinstance(value, list):
                if value:
                    found[column.name] = [_plain(part, convert, long_values) for part in value]
            elif value is not None:
                found[column.name] = _plain(value, convert, long_values)
        return found

    # ---- nodes ------------------------------------------------------------------------------------------------------

    def nodes(self, data: bytes, low: int, high: int, prefix: bytes) -> Iterator[Node]:
        """The nodes that may lie in `data[low:high]`, of a page whose keys may share `prefix`. Their ends are guesses, but
        where the next one begins, or the structure of the record says."""
        starts: list[tuple[int, bytes, int]] = []
        stretch = data[low:high]
        for number, hit in enumerate(self._pattern.finditer(stretch)):
            if number >= _HITS_MOST:
                break
            frames = self._framed(data, low, low + hit.start(), prefix)
            starts += [frame for frame in frames if self._confirms(frame[1], data[frame[2] : high])]
        starts.sort()
        for number, (start, key, place) in enumerate(starts):
            following = [each[0] for each in starts[number + 1 :] if each[0] >= place + _HEADER][:1]
            for end in (*following, high):
                fitted = self._fitted(data[place:end])
                if fitted is not None:
                    yield Node(start, key, *fitted)
                    break

    def _confirms(self, key: bytes, data: bytes) -> bool:
        """Whether the record that begins `data` has this key, as far as that can be said."""
        made = self.key_of(data)
        if made is not None:
            return made == key
        return bool(key) and (self._primary is not None or len(key) == _ROW_NUMBER_SIZE)

    def _framed(self, data: bytes, low: int, place: int, prefix: bytes) -> Iterator[tuple[int, bytes, int]]:
        """(start, key, place of the record) for each way in which a key may stand before the record at `place`."""
        for size in range(min(self._key_most, place - low - 2) + 1):
            start = place - size - 2
            word = _WORD.unpack_from(data, start)[0]
            if word & _KEY_SIZE_MASK != size:
                continue
            if not word >> 13 & _NODE_COMPRESSED and size:
                yield start, data[place - size : place], place
            if start - 2 >= low and prefix:
                shared = _WORD.unpack_from(data, start - 2)[0] & _KEY_SIZE_MASK
                if 0 < shared <= len(prefix):
                    yield start - 2, prefix[:shared] + data[place - size : place], place

    def _fitted(self, data: bytes) -> tuple[bytes, bool] | None:
        """The record at the beginning of `data`, and whether its end is a guess."""
        try:
            start = access.tagged_start(data)
        except JetError:
            return None
        if start < len(data):
            end = self._tagged_end(data, start)
            if end is not None and self.is_record(data[:end]):
                return data[:end], False
            trimmed = data.rstrip(b"\0")
            for candidate in (data, trimmed) if end is None else ():
                if self.is_record(candidate):
                    return candidate, True
        if self.is_record(data[:start]):
            return data[:start], bool(self._tagged)
        return None

    def _tagged_end(self, data: bytes, start: int) -> int | None:
        """Where the record ends if its last tagged value tells its own size."""
        try:
            entries = access.tagged_entries(data, self.small_page)
        except JetError:
            return None
        if not entries:
            return None
        fid, flags, value = entries[-1]
        column = self._tagged.get((fid, bool(flags & WORD_DERIVED) and self.table.is_derived))
        if column is None:
            return None
        try:
            header = access.entry_header(flags, value, self.small_page)
            null = access.entry_is_null(flags, value, self.small_page)
        except JetError:
            return None
        has_header = not self.small_page or bool(flags & WORD_SMALL_HEADER)
        size = INHERENT_SIZE.get(column.coltyp)
        if null:
            size = 0
        elif header & TAG_SEPARATED and not header & 0x18:
            size = self._lid_size(value[1:])
        elif header & 0x18:
            return None
        return None if size is None else len(data) - len(value) + size + has_header

    @staticmethod
    def _lid_size(lid: bytes) -> int:
        """Ids of eight bytes have their highest bit set."""
        return 8 if len(lid) >= 8 and lid[7] & 0x80 else 4


def _is_odd(character: str) -> bool:
    """No character that text has: unassigned, private, half of a pair, a control other than white space or a terminator."""
    return unicodedata.category(character) in _ODD_CATEGORIES and character not in "\0\t\n\r"


def _plain(value: Any, convert: Callable[[bytes], Any], long_values: LongValues | None) -> Any:
    if isinstance(value, JetError):
        return {"error": value.code}
    if not isinstance(value, bytes):
        if long_values is None:
            return {"long_value": value.lid[::-1].hex()}
        try:
            value = long_values.read(value.lid)
        except JetError as problem:
            return {"long_value": value.lid[::-1].hex(), "error": problem.code}
    shown = convert(value)
    if isinstance(shown, bytes):
        return shown.hex()
    if (isinstance(shown, float) and shown != shown) or shown in (float("inf"), float("-inf")):
        return str(shown)
    return shown if isinstance(shown, int | float | str | bool) else str(shown)


__all__ = ["Confidence", "Node", "RecordTest"]
