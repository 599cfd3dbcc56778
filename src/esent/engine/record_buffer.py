"""The copy buffer of an update: a record whose columns can be set one after another.

Rules (`reference/records-and-indexes.md` 1.1-1.7): a record reaches up to the highest fixed and variable column it ever needed;
on the way there skipped columns get their defaults, those without one NULL. A tagged column is there only if it was set; an
explicit NULL stands where a default has to be overridden.
"""

from __future__ import annotations

import struct

from esent.constants import codes
from esent.engine.table_view import TableView
from esent.errors import jet_error
from esent.records import access
from esent.records.columns import FLAG_DEFAULT, Column
from esent.records.encode import Tagged, Value, tagged_value

HEADER_SIZE = 4
FILL = b"*"

Entry = tuple[int, bytes]  # flags of the offset word, stored bytes


class RecordBuffer:
    """A record in parts. A change either fits (`TableView.record_most`) or raises JET_errRecordTooBig and changes nothing."""

    def __init__(self, view: TableView, image: bytes | None = None) -> None:
        self.view = view
        self._fixed = bytearray()  # from offset 4 on, without the bitmap
        self._nulls: list[bool] = []  # of the fixed columns
        self._variable: list[bytes | None] = []
        self._tagged: dict[tuple[bool, int], Entry] = {}  # by (not derived, id): the order in the record
        self._image: bytes | None = None
        if image is None:
            self._reach_fixed(view.default_fixed)
            self._reach_variable(view.default_variable)
        else:
            self._take_apart(image)

    def copy(self) -> RecordBuffer:
        twin = RecordBuffer.__new__(RecordBuffer)
        twin.view = self.view
        twin._fixed = bytearray(self._fixed)
        twin._nulls = self._nulls.copy()
        twin._variable = self._variable.copy()
        twin._tagged = self._tagged.copy()
        twin._image = self._image
        return twin

    def _take_apart(self, image: bytes) -> None:
        access.check_record(image)
        count = image[0]
        end = image[2] | image[3] << 8
        bitmap = end - (count + 7) // 8
        self._fixed = bytearray(image[HEADER_SIZE:bitmap])
        self._nulls = [bool(image[bitmap + i // 8] >> (i % 8) & 1) for i in range(count)]
        self._variable = []
        for number in range(image[1] - 127):
            state, value = access.variable_value(image, 128 + number)
            self._variable.append(None if state == access.NULL else value)
        self._tagged = {
            (not flags & access.WORD_DERIVED, fid): (flags, data)
            for fid, flags, data in access.tagged_entries(image, self.view.small_page)
        }
        self._image = image

    # -- as bytes -------------------------------------------------------------------------------------------------

    def image(self) -> bytes:
        """The record as it would be stored."""
        if self._image is None:
            self._image = self._assemble()
        return self._image

    def _assemble(self) -> bytes:
        count = len(self._nulls)
        bitmap = bytearray(b"\xff" * ((count + 7) // 8))
        for i, null in enumerate(self._nulls):
            if not null:
                bitmap[i >> 3] ^= 1 << (i & 7)
        end = HEADER_SIZE + len(self._fixed) + len(bitmap)
        parts: list[bytes | bytearray] = [struct.pack("<BBH", count, 127 + len(self._variable), end), self._fixed, bitmap]
        offset = 0
        ends = []
        for value in self._variable:
            if value is None:
                ends.append(offset | 0x8000)
            else:
                offset += len(value)
                ends.append(offset)
        parts.append(struct.pack(f"<{len(ends)}H", *ends))
        parts.extend(value for value in self._variable if value)
        if self._tagged:
            offset = 4 * len(self._tagged)
            array = []
            stored = []
            for key in sorted(self._tagged):
                flags, data = self._tagged[key]
                array += [key[1], offset | flags]
                stored.append(data)
                offset += len(data)
            parts.append(struct.pack(f"<{len(array)}H", *array))
            parts += stored
        return b"".join(parts)

    @property
    def size(self) -> int:
        count = len(self._nulls)
        size = HEADER_SIZE + len(self._fixed) + (count + 7) // 8 + 2 * len(self._variable)
        size += sum([len(value) for value in self._variable if value])
        return size + sum([4 + len(data) for _, data in self._tagged.values()])

    def _require_room(self, more: int, what: str) -> None:
        if more > 0 and self.size + more > self.view.record_most:
            raise jet_error(
                codes.JET_errRecordTooBig,
                f"setting column {what} of table {self.view.table.name}: more than {self.view.record_most} bytes",
            )

    # -- fixed columns --------------------------------------------------------------------------------------------

    def set_fixed(self, column: Column, value: bytes | None) -> None:
        """`value` fills the slot, or is None for NULL."""
        last = len(self._nulls)
        if column.fid > last:
            grown = column.record_offset + column.max_size - HEADER_SIZE - len(self._fixed)
            self._require_room(grown + (column.fid + 7) // 8 - (last + 7) // 8, column.name)
            self._reach_fixed(column.fid)
        self._nulls[column.fid - 1] = value is None
        if value is not None:
            start = column.record_offset - HEADER_SIZE
            self._fixed[start : start + column.max_size] = value
        self._image = None

    def _reach_fixed(self, fid: int) -> None:
        """Let the fixed part reach up to this column."""
        if fid <= len(self._nulls):
            return
        column = self.view.fixed[fid]
        self._fixed += FILL * (column.record_offset + column.max_size - HEADER_SIZE - len(self._fixed))
        for skipped in range(len(self._nulls) + 1, fid + 1):
            each = self.view.fixed.get(skipped)  # None: a deleted column, which keeps its slot
            default = self.view.defaults.get(each.columnid) if each is not None else None
            self._nulls.append(default is None)
            if each is not None and default is not None:
                start = each.record_offset - HEADER_SIZE
                self._fixed[start : start + each.max_size] = default
        self._image = None

    # -- variable columns -----------------------------------------------------------------------------------------

    def set_variable(self, column: Column, value: bytes | None) -> None:
        number = column.fid - 128
        old = 0
        more = len(value or b"")
        if number < len(self._variable):
            old = len(self._variable[number] or b"")
        else:
            more += 2 * (number + 1 - len(self._variable))
            for skipped in range(len(self._variable) + 128, column.fid):
                more += len(self._variable_default(skipped) or b"")
        self._require_room(more - old, column.name)
        self._reach_variable(column.fid)
        self._variable[number] = value
        self._image = None

    def _variable_default(self, fid: int) -> bytes | None:
        column = self.view.variable.get(fid)
        return self.view.defaults.get(column.columnid) if column is not None else None

    def _reach_variable(self, fid: int) -> None:
        for skipped in range(len(self._variable) + 128, fid + 1):
            self._variable.append(self._variable_default(skipped))
        self._image = None

    # -- tagged columns -------------------------------------------------------------------------------------------

    def _key(self, column: Column) -> tuple[bool, int]:
        return not self.view.derived(column), column.fid

    def instances(self, column: Column) -> list[Value] | None:
        """The stored instances of a tagged column, none for an explicit NULL; None where the record has no entry."""
        entry = self._tagged.get(self._key(column))
        return None if entry is None else access.entry_values(*entry, self.view.small_page)

    def put_instances(self, column: Column, values: list[Value] | None) -> None:
        """Replace all instances of a tagged column; an empty list is an explicit NULL, None takes the entry out."""
        key = self._key(column)
        old = self._tagged.get(key)
        if values is None:
            if old is not None:
                del self._tagged[key]
                self._image = None
            return
        tagged = Tagged(column.fid, values, column.is_long_value, self.view.derived(column))
        data, flags = tagged_value(tagged, small_page=self.view.small_page)
        more = len(data) - len(old[1]) if old is not None else 4 + len(data)
        self._require_room(more, column.name)
        self._tagged[key] = (flags, data)
        self._image = None

    def set_tagged(self, column: Column, number: int, value: Value | None, *, revert: bool = False) -> None:
        """Set instance `number` (0, or one more than there are: another one), or take it out (None).

        The last instance taken out of a column with a default leaves an explicit NULL, unless `revert`.
        """
        values = self.instances(column)
        has_default = bool(column.flags & FLAG_DEFAULT)
        if value is not None:
            values = values or []
            if not values:
                values = [value]
            elif 1 <= number <= len(values):
                values[number - 1] = value
            else:
                values.append(value)
            self.put_instances(column, values)
        elif values is None:
            if has_default and number == 1 and not revert:
                self.put_instances(column, [])
        elif not values:
            if revert:
                self.put_instances(column, None)
        elif 1 <= number <= len(values):
            del values[number - 1]
            if values:
                self.put_instances(column, values)
            else:
                self.put_instances(column, [] if has_default and not revert else None)

    def separated(self) -> list[bytes]:
        """The ids of all long values the record refers to, as it has them."""
        found = []
        for flags, data in self._tagged.values():
            if self.view.small_page and not flags & access.WORD_SMALL_HEADER:
                continue
            found += [value.data for value in access.entry_values(flags, data, self.view.small_page) if value.separated]
        return found


def separated_ids(image: bytes, small_page: bool) -> list[bytes]:
    """The ids of all long values a stored record refers to."""
    found = []
    for _, flags, data in access.tagged_entries(image, small_page):
        if not small_page or flags & access.WORD_SMALL_HEADER:
            found += [value.data for value in access.entry_values(flags, data, small_page) if value.separated]
    return found
