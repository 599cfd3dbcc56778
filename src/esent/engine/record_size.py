"""How large a record is, by kind of data (JetGetRecordSize and its successors)."""

from __future__ import annotations

from dataclasses import dataclass

from esent.constants import grbits
from esent.engine.cursor import Cursor
from esent.engine.navigation import grbit_of
from esent.engine.retrieve import RecordReader
from esent.engine.update import Mode
from esent.records import access
from esent.records.compression import decompressed_size
from esent.records.encode import Value
from esent.records.layout import TAG_LONG_VALUE

IN_COPY_BUFFER = grbits.JET_bitRecordSizeInCopyBuffer
RUNNING_TOTAL = grbits.JET_bitRecordSizeRunningTotal
LOCAL = grbits.JET_bitRecordSizeLocal
STORED_ONLY = grbits.JET_bitRecordSizeIntrinsicPhysicalOnly
LOGICAL_ONLY = grbits.JET_bitRecordSizeExtrinsicLogicalOnly

_NODE = 4 + 2  # an entry of the tag array and the size of a key
_HEADER = 4
_ENTRY = 4
_VALUE_HEADER = 1
_ROOT = 8


@dataclass(slots=True)
class RecordSize:
    """Bytes and counts; `data` without separated long values, `overhead` all that is no value."""

    data: int = 0
    long_data: int = 0
    overhead: int = 0
    long_overhead: int = 0
    plain_columns: int = 0
    tagged_columns: int = 0
    long_values: int = 0
    multi_values: int = 0
    compressed_columns: int = 0
    data_stored: int = 0
    long_data_stored: int = 0
    intrinsic: int = 0
    intrinsic_stored: int = 0
    intrinsic_count: int = 0
    key: int = 0


def record_size(cursor: Cursor, grbit: object = 0) -> RecordSize:
    """The size of the current record, or of that in the copy buffer."""
    options = grbit_of(grbit)
    with cursor.session.instance.lock:
        reader = RecordReader(cursor, copy=bool(options & IN_COPY_BUFFER))
        key = 0
        update = cursor.update
        if not reader.is_copy or (update is not None and update.mode in (Mode.REPLACE, Mode.REPLACE_NO_LOCK)):
            key = len(cursor.primary.key)
        return _measure(reader, options, key)


def _measure(reader: RecordReader, options: int, key: int) -> RecordSize:
    image = reader.image
    small_page = reader.view.small_page
    bitmap = (image[0] + 7) // 8
    variable = image[1] - 127
    start = access.tagged_start(image)
    size = RecordSize(key=key, overhead=_NODE + _HEADER + key + bitmap + 2 * variable)
    size.data = size.data_stored = start - _HEADER - bitmap - 2 * variable
    size.plain_columns = image[0] + variable
    for _, flags, data in access.tagged_entries(image, small_page):
        size.tagged_columns += 1
        size.overhead += _ENTRY
        if access.entry_is_null(flags, data, small_page):
            continue
        values = access.entry_values(flags, data, small_page)
        long = bool(access.entry_header(flags, data, small_page) & TAG_LONG_VALUE)
        if long or len(values) > 1:
            size.overhead += _VALUE_HEADER
        if len(values) > 1:
            size.overhead += len(data) - _VALUE_HEADER - sum(len(value.data) for value in values)
            size.multi_values += len(values) - 1
        for value in values:
            _add(reader, size, value, options, key, long=long)
    return size


def _add(reader: RecordReader, size: RecordSize, value: Value, options: int, key: int, *, long: bool) -> None:
    stored = len(value.data)
    if value.separated:
        size.overhead += stored
        size.long_values += 1
        if not options & LOCAL:
            _add_separated(reader, size, value.data, options, key)
        return
    plain = decompressed_size(value.data) if value.compressed and not options & STORED_ONLY else stored
    size.data += plain
    size.data_stored += stored
    if long:
        size.intrinsic += plain
        size.intrinsic_stored += stored
        size.intrinsic_count += 1


def _add_separated(reader: RecordReader, size: RecordSize, lid: bytes, options: int, key: int) -> None:
    update = reader.cursor.update
    pending = update.pending.get(lid) if reader.is_copy and update is not None else None
    size.long_overhead += _NODE + len(lid) + _ROOT
    if pending is not None:
        plain = pending.size
        chunks = range(0, plain, pending.chunk)
        stored, count = sum(len(pending.packed(offset)) for offset in chunks), len(chunks)
    else:
        values = reader.cursor.require_long_values()
        plain = values.size(lid)
        stored, count = (plain, 0) if options & LOGICAL_ONLY else values.stored_size(lid)
    size.long_data += plain
    if options & LOGICAL_ONLY:
        size.long_data_stored += plain
        return
    size.long_data_stored += stored
    # The engine counts the record's key for each chunk, not the chunk's own; so sizes agree with its.
    size.long_overhead += count * (_NODE + key)
