"""Records copied in one call (JetStreamRecords).

A stream is a header (magic, where the next value is, bytes in all) and the values one behind the other: record, column and
instance number, size (-1: NULL), bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from esent.constants import codes, grbits
from esent.engine.retrieve import RecordReader
from esent.errors import JetError, jet_error
from esent.records.columns import Column

if TYPE_CHECKING:
    from esent.engine.cursor import Cursor

FORWARD, BACKWARD = grbits.JET_bitStreamForward, grbits.JET_bitStreamBackward
_HEADER = struct.Struct("<4sII")
_VALUE = struct.Struct("<IIIi")
_MAGIC = b"JSTR"


def stream(cursor: Cursor, columnids: Sequence[object] | None, limit: object, grbit: int) -> bytes:
    """The records from the current one on, as many as fit into `limit` bytes; the cursor goes behind them.

    JET_errBufferTooSmall if not one does; JET_errInvalidGrbit; JET_errNoCurrentRecord.
    """
    direction = grbit & (FORWARD | BACKWARD)
    if grbit & ~(FORWARD | BACKWARD) or direction == FORWARD | BACKWARD:
        raise jet_error(codes.JET_errInvalidGrbit, f"copying records with grbit {grbit:#x}")
    if not isinstance(limit, int) or limit < _HEADER.size:
        raise jet_error(codes.JET_errBufferTooSmall, f"copying records into {limit!r} bytes")
    view = cursor.view
    columns = [view.column(each) for each in columnids] if columnids else sorted(view.columns.values(), key=_by_id)
    parts: list[bytes] = []
    size = _HEADER.size
    number = 0
    with cursor.session.instance.lock:
        cursor.record()
        while True:
            record = _record(cursor, columns, number + 1, chosen=bool(columnids))
            if size + len(record) > limit:
                if not number:
                    raise jet_error(codes.JET_errBufferTooSmall, f"a record of {len(record)} bytes, where {limit} fit")
                break
            number += 1
            size += len(record)
            parts.append(record)
            try:
                if direction == BACKWARD:
                    cursor.current.previous()
                else:
                    cursor.current.next()
            except JetError as problem:
                if problem.code != codes.JET_errNoCurrentRecord:
                    raise
                cursor.primary.where = cursor.current.where
                break
            if cursor.secondary is not None:
                cursor.primary.goto(cursor.secondary.place.data)
    return b"".join([_HEADER.pack(_MAGIC, _HEADER.size, size), *parts])


def _by_id(column: Column) -> int:
    return column.fid


def _record(cursor: Cursor, columns: Sequence[Column], number: int, *, chosen: bool) -> bytes:
    reader = RecordReader(cursor, copy=False)
    parts = []
    for column in columns:
        values = reader.with_default(column)
        if not values and chosen:
            parts.append(_VALUE.pack(number, column.columnid, 0, -1))
        for instance, value in enumerate(values, 1):
            data = reader.plain(value)
            parts.append(_VALUE.pack(number, column.columnid, instance, len(data)) + data)
    return b"".join(parts)


def next_value(data: bytearray | memoryview) -> tuple[int, int, int, bytes | None] | None:
    """The next value of a stream, None behind the last; the stream remembers where it is.

    JET_errInvalidParameter for bytes that are no stream.
    """
    if len(data) < _HEADER.size:
        raise _no_stream()
    magic, place, end = _HEADER.unpack_from(data)
    if magic != _MAGIC or not _HEADER.size <= place <= end <= len(data):
        raise _no_stream()
    if place == end:
        return None
    if place + _VALUE.size > end:
        raise _no_stream()
    record, columnid, instance, size = _VALUE.unpack_from(data, place)
    place += _VALUE.size
    if size < -1 or place + max(size, 0) > end:
        raise _no_stream()
    value = None if size < 0 else bytes(data[place : place + size])
    _HEADER.pack_into(data, 0, _MAGIC, place + max(size, 0), end)
    return record, columnid, instance, value


def _no_stream() -> JetError:
    return jet_error(codes.JET_errInvalidParameter, "these bytes are not what JetStreamRecords gave")


__all__ = ["next_value", "stream"]
