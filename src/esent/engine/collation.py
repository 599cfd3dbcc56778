"""Which collation an index over Unicode text has: by the sort order, sort version and flags that the catalogue keeps.

The weights are those of sort version 6.3.05. What of them holds for 6.2 and the earlier ones of 6.3 is known for a part of the
characters; others are refused. An index of another version, or with flags that do not make a sort key, can be read as it is;
making keys for it is JET_errUnicodeNormalizationNotSupported.
"""

from __future__ import annotations

from functools import lru_cache

from esent.catalog.objects import NORMALISATION_FLAGS_DEFAULT, Index
from esent.records import sort_orders
from esent.records.collation import LINGUISTIC_CASING, MAP_SORT_KEY, SUPPORTED_FLAGS, Collation
from esent.records.keys import SortKey

_EARLIER = range(0x00060200, sort_orders.TABLE_VERSION)


@lru_cache(maxsize=32)
def collation(number: int, version: int, flags: int) -> Collation | None:
    """The collation of a sort order (its number) in a sort version (0x00060305) under flags; None where there is none."""
    if not flags & MAP_SORT_KEY or flags & ~SUPPORTED_FLAGS:
        return None
    if version == sort_orders.TABLE_VERSION:
        order = sort_orders.sort_order(number, linguistic=bool(flags & LINGUISTIC_CASING))
    elif version in _EARLIER:
        order = sort_orders.earlier_order(number)
    else:
        order = None
    return Collation(order, flags) if order is not None else None


def sort_key_of(index: Index) -> SortKey | None:
    """The collation of an index over Unicode text; None where there is none."""
    number = sort_orders.number_of(index.sort_id) if index.sort_id else sort_orders.order_number(index.locale)
    found = collation(number, (index.version or 0) >> 32, index.lcmap) if number is not None else None
    return found.key if found is not None else None


def default_sort_key(text: bytes, most: int) -> bytes:
    """The sort key of a text in the default order, under the default flags."""
    found = collation(sort_orders.DEFAULT_ORDER, sort_orders.TABLE_VERSION, NORMALISATION_FLAGS_DEFAULT)
    assert found is not None
    return found.key(text, most)


__all__ = ["collation", "default_sort_key", "sort_key_of"]
