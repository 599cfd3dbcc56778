"""The copy buffer of an update: a record whose columns can be set one after another.

Rules (`reference/records-and-indexes.md` 1.1-1.7): a record reaches up to the highest fixed and variable column it ever needed;
on the way there skipped columns get their defaults, those without one NULL. A tagged column is there only if it was set; an
explicit NULL stands where a default has to be overridden.
"""

from __future__ import annotations

import struct

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.constants import codes
from esent.engine.table_view import TableView
from esent.errors import jet_error
from esent.records import access
from esent.records.columns import FLAG_DEFAULT, VARIABLE_FIRST, Column
from esent.records.encode import Tagged, Value, tagged_value
from esent.records.layout import ENTRY_SIZE, FILL, HEADER_SIZE, WORD_DERIVED, WORD_SMALL_HEADER

Key = tuple[bool, int]  # not derived, id: the order in the record
Entry = tuple[int, bytes]  # flags of the offset word, stored bytes


@cython.cclass
class RecordBuffer:
    """A record in parts. A change either fits (`TableView.record_most`) or raises JET_errRecordTooBig and changes nothing."""

    view: TableView
    size: int  # of the record as it would be stored
    _most: int
    _fixed: bytearray  # from offset 4 on, without the bitmap
    _nulls: bytearray  # of the fixed columns, 1 a NULL
    _variable: list[bytes | None]
    _tagged: dict[Key, Entry]
    _image: bytes | None

    def __init__(self, view: TableView, image: bytes | None = None) -> None:
        self.view = view
        self._most = view.record_most
        self._fixed = bytearray()
        self._nulls = bytearray()
        self._variable = []
        self._tagged = {}
        self._image = None
        self.size = HEADER_SIZE
        if image is None:
            if view.default_fixed:
                self._reach_fixed(view.default_fixed)
            if view.default_variable:
                self._reach_variable(view.default_variable)
        else:
            self._take_apart(image)

    def use_view(self, view: TableView) -> None:
        """The definition of the table has changed: go on with this one."""
        self.view = view
        self._most = view.record_most

    def copy(self) -> RecordBuffer:
        twin: RecordBuffer = RecordBuffer.__new__(RecordBuffer)
        twin.view = self.view
        twin.size = self.size
        twin._most = self._most
        twin._fixed = bytearray(self._fixed)
        twin._nulls = bytearray(self._nulls)
        twin._variable = self._variable.copy()
        twin._tagged = self._tagged.copy()
        twin._image = self._image
        return twin

    @cython.cfunc
    def _take_apart(self, image: bytes) -> cython.int:
        access.check_record(image)
        count: cython.Py_ssize_t = image[0]
        end: cython.Py_ssize_t = image[2] | image[3] << 8
        bitmap: cython.Py_ssize_t = end - (count + 7) // 8
        i: cython.Py_ssize_t
        self._fixed = bytearray(image[HEADER_SIZE:bitmap])
        nulls: bytearray = bytearray(count)
        for i in range(count):
            nulls[i] = image[bitmap + (i >> 3)] >> (i & 7) & 1
        self._nulls = nulls
        self.size = HEADER_SIZE + len(self._fixed) + (count + 7) // 8
        for i in range(image[1] - (VARIABLE_FIRST - 1)):
            state, value = access.variable_value(image, VARIABLE_FIRST + i)
            self._variable.append(None if state == access.NULL else value)
            self.size += 2 + len(value)
        small_page = self.view.small_page
        if len(image) > access.tagged_start(image):
            for fid, flags, data in access.tagged_entries(image, small_page):
                self._tagged[(not flags & WORD_DERIVED, fid)] = (flags, data)
                self.size += ENTRY_SIZE + len(data)
        self._image = image
        return 0

    # -- as bytes -------------------------------------------------------------------------------------------------

    @cython.ccall
    def image(self) -> bytes:
        """The record as it would be stored."""
        if self._image is None:
            self._image = self._assemble()
        return self._image

    @cython.cfunc
    def _assemble(self) -> bytes:
        count: cython.Py_ssize_t = len(self._nulls)
        nulls: bytearray = self._nulls
        i: cython.Py_ssize_t
        bitmap: bytearray = bytearray(b"\xff" * ((count + 7) // 8))
        for i in range(count):
            if not nulls[i]:
                bitmap[i >> 3] = bitmap[i >> 3] ^ (1 << (i & 7))
        end: cython.Py_ssize_t = HEADER_SIZE + len(self._fixed) + len(bitmap)
        several: cython.Py_ssize_t = len(self._variable)
        head: bytearray = bytearray(HEADER_SIZE)
        head[0] = count
        head[1] = VARIABLE_FIRST - 1 + several
        head[2] = end & 0xFF
        head[3] = end >> 8
        parts: list[bytes | bytearray] = [head, self._fixed, bitmap]
        offset: cython.Py_ssize_t = 0
        if several:
            ends: bytearray = bytearray(2 * several)
            parts.append(ends)
            for i in range(several):
                value = self._variable[i]
                if value is None:
                    ends[2 * i] = offset & 0xFF
                    ends[2 * i + 1] = (offset >> 8) | 0x80
                else:
                    offset += len(value)
                    ends[2 * i] = offset & 0xFF
                    ends[2 * i + 1] = offset >> 8
                    parts.append(value)
        if self._tagged:
            offset = ENTRY_SIZE * len(self._tagged)
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

    @cython.cfunc
    def _require_room(self, more: cython.Py_ssize_t, column: Column) -> cython.int:
        if more > 0 and self.size + more > self._most:
            raise jet_error(
                codes.JET_errRecordTooBig,
                f"setting column {column.name} of table {self.view.table.name}: more than {self._most} bytes",
            )
        return 0

    # -- fixed columns --------------------------------------------------------------------------------------------

    def set_fixed(self, column: Column, value: bytes | None) -> None:
        """`value` fills the slot, or is None for NULL."""
        self.put_fixed(column, column.fid, column.record_offset - HEADER_SIZE, column.max_size, value)

    @cython.ccall
    def put_fixed(
        self, column: Column, fid: cython.Py_ssize_t, start: cython.Py_ssize_t, size: cython.Py_ssize_t, value: bytes | None
    ) -> cython.int:
        """`set_fixed` for who knows the slot of the column: its id, where it begins behind the header, and its bytes."""
        nulls: bytearray = self._nulls
        fixed: bytearray = self._fixed
        last: cython.Py_ssize_t = len(nulls)
        i: cython.Py_ssize_t
        if fid > last:
            self._require_room(start + size - len(fixed) + (fid + 7) // 8 - (last + 7) // 8, column)
            self._reach_fixed(fid)
        self._image = None
        if value is None:
            nulls[fid - 1] = 1
            return 0
        nulls[fid - 1] = 0
        if len(value) == size and start + size <= len(fixed) and start >= 0:
            for i in range(size):
                fixed[start + i] = value[i]
        else:
            fixed[start : start + size] = value
        return 0

    @cython.cfunc
    def _reach_fixed(self, fid: cython.Py_ssize_t) -> cython.int:
        """Let the fixed part reach up to this column."""
        last: cython.Py_ssize_t = len(self._nulls)
        if fid <= last:
            return 0
        view = self.view
        column = view.fixed[fid]
        grown: cython.Py_ssize_t = column.record_offset + column.max_size - HEADER_SIZE - len(self._fixed)
        self._fixed += FILL * grown
        self.size += max(grown, 0) + (fid + 7) // 8 - (last + 7) // 8
        skipped: cython.Py_ssize_t
        for skipped in range(last + 1, fid + 1):
            each = view.fixed.get(skipped)  # None: a deleted column, which keeps its slot
            default = view.defaults.get(each.columnid) if each is not None else None
            self._nulls.append(default is None)
            if each is not None and default is not None:
                start = each.record_offset - HEADER_SIZE
                self._fixed[start : start + each.max_size] = default
        self._image = None
        return 0

    # -- variable columns -----------------------------------------------------------------------------------------

    def set_variable(self, column: Column, value: bytes | None) -> None:
        self.put_variable(column, column.fid, value)

    @cython.ccall
    def put_variable(self, column: Column, fid: cython.Py_ssize_t, value: bytes | None) -> cython.int:
        """`set_variable` for who knows the id of the column."""
        number: cython.Py_ssize_t = fid - VARIABLE_FIRST
        last: cython.Py_ssize_t = len(self._variable)
        size: cython.Py_ssize_t = 0 if value is None else len(value)
        more: cython.Py_ssize_t = size
        i: cython.Py_ssize_t
        if number < last:
            more -= _length(self._variable[number])
        else:
            more += 2 * (number + 1 - last)
            for i in range(last, number):
                more += _length(self._variable_default(i + VARIABLE_FIRST))
        self._require_room(more, column)
        self._reach_variable(fid)
        self.size += size - _length(self._variable[number])
        self._variable[number] = value
        self._image = None
        return 0

    def _variable_default(self, fid: int) -> bytes | None:
        column = self.view.variable.get(fid)
        return self.view.defaults.get(column.columnid) if column is not None else None

    @cython.cfunc
    def _reach_variable(self, fid: cython.Py_ssize_t) -> cython.int:
        number: cython.Py_ssize_t
        for number in range(len(self._variable) + VARIABLE_FIRST, fid + 1):
            default = self._variable_default(number)
            self._variable.append(default)
            self.size += 2 + _length(default)
        self._image = None
        return 0

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
                self.size -= ENTRY_SIZE + len(old[1])
                self._image = None
            return
        tagged = Tagged(column.fid, values, column.is_long_value, self.view.derived(column))
        data, flags = tagged_value(tagged, small_page=self.view.small_page)
        self._put(key, (flags, data), column)

    @cython.cfunc
    def _put(self, key: Key, entry: Entry, column: Column) -> cython.int:
        old = self._tagged.get(key)
        more: cython.Py_ssize_t = len(entry[1])
        more += ENTRY_SIZE if old is None else -len(old[1])
        self._require_room(more, column)
        self._tagged[key] = entry
        self.size += more
        self._image = None
        return 0

    @cython.ccall
    def set_entry(self, column: Column, key: Key, entry: Entry) -> cython.bint:
        """Give a tagged column the one value it has in an entry as it is stored; False, and nothing done, where it has any."""
        if key in self._tagged:
            return False
        self._put(key, entry, column)
        return True

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
            if self.view.small_page and not flags & WORD_SMALL_HEADER:
                continue
            found += [value.data for value in access.entry_values(flags, data, self.view.small_page) if value.separated]
        return found


@cython.cfunc
def _length(value: bytes | None) -> cython.Py_ssize_t:
    return 0 if value is None else len(value)


def separated_ids(image: bytes, small_page: bool) -> list[bytes]:
    """The ids of all long values a stored record refers to."""
    found = []
    for _, flags, data in access.tagged_entries(image, small_page):
        if not small_page or flags & WORD_SMALL_HEADER:
            found += [value.data for value in access.entry_values(flags, data, small_page) if value.separated]
    return found
