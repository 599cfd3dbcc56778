"""Values known by a reference: what a retrieval with JET_bitRetrieveAsRefIfNotInRecord gives for a separated value.

A reference names table, column, instance, the id of the value, and the record.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from esent.constants import codes
from esent.errors import jet_error
from esent.records.columns import Column

if TYPE_CHECKING:
    from esent.engine.cursor import Cursor

_REFERENCE = struct.Struct("<4sIIIBH")
_REFERENCE_MAGIC = b"JREF"


def reference_to(cursor: Cursor, column: Column, instance: int, lid: bytes) -> bytes:
    """The reference to a separated value of the current record."""
    mark = cursor.bookmark
    head = _REFERENCE.pack(_REFERENCE_MAGIC, cursor.table.objid, column.columnid, instance, len(lid), len(mark))
    return head + lid + mark


def require_reference(cursor: Cursor, reference: bytes) -> bytes:
    """The id of the value in a reference. JET_errInvalidColumnReference for what is none to this table."""
    wrong = jet_error(codes.JET_errInvalidColumnReference, f"not a reference to a value of table {cursor.table.name}")
    if len(reference) < _REFERENCE.size:
        raise wrong
    magic, objid, _, _, lid_size, mark_size = _REFERENCE.unpack_from(reference)
    if magic != _REFERENCE_MAGIC or objid != cursor.table.objid or len(reference) != _REFERENCE.size + lid_size + mark_size:
        raise wrong
    return reference[_REFERENCE.size : _REFERENCE.size + lid_size]


def read_reference(cursor: Cursor, reference: bytes, offset: object) -> bytes:
    """The bytes of a referenced value from `offset` on.

    JET_errInvalidColumnReference for what is none of this table, JET_errStaleColumnReference where the value is gone.
    """
    if not isinstance(offset, int) or offset < 0:
        raise jet_error(codes.JET_errInvalidParameter, f"a value from byte {offset!r} on")
    lid = require_reference(cursor, reference)
    values = cursor.long_values()
    if values is None or values.tree.get(cursor.session, lid[::-1]) is None:
        raise jet_error(codes.JET_errStaleColumnReference, "the value that is referred to is gone")
    return values.read(lid, offset)


__all__ = ["read_reference", "reference_to", "require_reference"]
