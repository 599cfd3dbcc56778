"""Which collation an index over Unicode text has here.

There is one: that of ASCII under the default flags (`records.collation`), in languages that order ASCII as English does. An
index with another one can be read as it is; making keys for it is JET_errUnicodeNormalizationNotSupported.
"""

from __future__ import annotations

from esent.catalog.objects import NORMALISATION_FLAGS_DEFAULT, Index
from esent.records.collation import ascii_sort_key
from esent.records.keys import SortKey

_LANGUAGES = frozenset({"", "de", "en", "fr", "it", "ja", "ko", "nl", "pt", "ru", "uk", "zh"})
_NAMES = frozenset({"es-es", "es-mx"})
_SORT_MAJOR, _SORT_MINORS = 6, (2, 3)


def sort_key_of(index: Index) -> SortKey | None:
    """The collation of an index over Unicode text; None where there is none."""
    name = index.locale.lower()
    if index.lcmap != NORMALISATION_FLAGS_DEFAULT or (name.partition("-")[0] not in _LANGUAGES and name not in _NAMES):
        return None
    if name.count("-") > 1 or "_" in name:
        return None  # a sort order of its own
    version = (index.version or 0) >> 32
    if version >> 16 != _SORT_MAJOR or version >> 8 & 0xFF not in _SORT_MINORS:
        return None
    return ascii_sort_key


__all__ = ["sort_key_of"]
