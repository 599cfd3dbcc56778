"""The numbers of the layout of records, for those who take records apart and those who put them together.

The layout itself is told at the top of `esent.records.decode` and `esent.records.encode`.
"""

from __future__ import annotations

HEADER_SIZE = 4
FILL = b"*"  # of the slots of fixed columns that have no value

# Tagged columns: an entry of the array is u16 id, u16 offset word. The word of a small page has room for two flags more.
SMALL_PAGE_MAX = 8192
ENTRY_SIZE = 4
OFFSET_MASK = 0x7FFF
OFFSET_MASK_SMALL = 0x1FFF
WORD_DERIVED = 0x8000
WORD_SMALL_HEADER = 0x4000
WORD_SMALL_NULL = 0x2000

# The header byte of a tagged value.
TAG_LONG_VALUE = 0x01
TAG_COMPRESSED = 0x02
TAG_SEPARATED = 0x04
TAG_MULTIPLE = 0x08
TAG_TWO = 0x10
TAG_NULL = 0x20
TAG_ENCRYPTED = 0x40
