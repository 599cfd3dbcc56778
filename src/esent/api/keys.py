# cython: annotation_typing=False
# What a caller gives may be of any type; compiled code would answer a wrong one with TypeError.
"""Search keys of Python values, for databases in use and for files that are only read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from esent.api.rows import Layout, to_bytes
from esent.catalog.objects import Index
from esent.constants import codes, grbits
from esent.engine.search_key import SearchKey
from esent.engine.table_view import TableView
from esent.errors import jet_error

_NEW = grbits.JET_bitNewKey
_ZERO_LENGTH = grbits.JET_bitKeyDataZeroLength
_PARTIAL_START, _PARTIAL_END = grbits.JET_bitPartialColumnStartLimit, grbits.JET_bitPartialColumnEndLimit
_FULL_START, _FULL_END = grbits.JET_bitFullColumnStartLimit, grbits.JET_bitFullColumnEndLimit


class KeyMaker:
    """Makes the keys of one index of one state of a table. For one thread at a time."""

    def __init__(self, view: TableView, layout: Layout, index: Index) -> None:
        self.index = index
        self.columns = layout.key_columns(index)
        self._definition = view.definition(index)
        self._column_of = view.columns
        self._search = SearchKey()

    def exact(self, values: Sequence[Any]) -> bytes:
        """The key of values for all columns. JET_errInvalidParameter, and what the values do wrong."""
        return self._key(values, 0)

    def limit(self, values: Sequence[Any], *, partial: bool = False, end: bool = False) -> bytes:
        """One end of the range of keys that begin with values for the first columns.

        With `partial` the last one, a text or bytes, need only begin so. JET_errInvalidParameter.
        """
        if partial:
            return self._key(values, _PARTIAL_END if end else _PARTIAL_START)
        return self._key(values, _FULL_END if end else _FULL_START)

    def _key(self, values: Sequence[Any], limit: int) -> bytes:
        columns = self.columns
        count = len(values)
        if not 0 < count <= len(columns) or (not limit and count != len(columns)):
            what = f"a key of {count} values for index {self.index.name} of {len(columns)} columns"
            raise jet_error(codes.JET_errInvalidParameter, what)
        search = self._search
        options = _NEW
        for place, value in enumerate(values):
            data = b"" if value is None else to_bytes(columns[place], value)
            if place == count - 1:
                options |= limit
            if value is not None and not data:
                options |= _ZERO_LENGTH
            search.add(self._definition, self._column_of, data, options)
            options = 0
        return search.data


__all__ = ["KeyMaker"]
