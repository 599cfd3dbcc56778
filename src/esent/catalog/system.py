"""The catalog's own tables, which describe everything else and therefore cannot be read from it.

MSysObjects and MSysObjectsShadow (`reference/database-format.md` 8.1-8.3):

| table             | objid | root | indexes (objid, root)                                    |
|-------------------|-------|------|----------------------------------------------------------|
| MSysObjects       | 2     | 4    | Id (primary), Name (4, 7), RootObjects (5, 10)           |
| MSysObjectsShadow | 3     | 24   | Id (primary)                                             |

The columns are those of `CATALOG_COLUMNS`; all carry code page 1252. Records of older files end before the newest columns.
"""

from __future__ import annotations

import enum

from esent.records.columns import FLAG_NOT_NULL, INHERENT_SIZE, Coltyp, Column


class ObjectType(enum.IntEnum):
    """The `Type` column: what a row of the catalog describes."""

    TABLE = 1
    COLUMN = 2
    INDEX = 3
    LONG_VALUE = 4
    CALLBACK = 5


CATALOG, SHADOW = "MSysObjects", "MSysObjectsShadow"
CATALOG_OBJID, CATALOG_ROOT = 2, 4
SHADOW_OBJID, SHADOW_ROOT = 3, 24
NAME_OBJID, NAME_ROOT = 4, 7
ROOT_OBJECTS_OBJID, ROOT_OBJECTS_ROOT = 5, 10
CATALOG_DENSITY = 80
CATALOG_PAGES = 20
SHADOW_PAGES = 9
SYSTEM_TABLE_FLAGS = 0xC0000000
CATALOG_LCMAP = 0x00030401
DEFAULT_LOCALE = "en-US"

_COLUMNS: tuple[tuple[str, int, Coltyp, int], ...] = (
    ("ObjidTable", 1, Coltyp.LONG, FLAG_NOT_NULL),
    ("Type", 2, Coltyp.SHORT, FLAG_NOT_NULL),
    ("Id", 3, Coltyp.LONG, FLAG_NOT_NULL),
    ("ColtypOrPgnoFDP", 4, Coltyp.LONG, FLAG_NOT_NULL),
    ("SpaceUsage", 5, Coltyp.LONG, FLAG_NOT_NULL),
    ("Flags", 6, Coltyp.LONG, FLAG_NOT_NULL),
    ("PagesOrLocale", 7, Coltyp.LONG, FLAG_NOT_NULL),
    ("RootFlag", 8, Coltyp.BIT, 0),
    ("RecordOffset", 9, Coltyp.SHORT, 0),
    ("LCMapFlags", 10, Coltyp.LONG, 0),
    ("KeyMost", 11, Coltyp.UNSIGNED_SHORT, 0),
    ("LVChunkMax", 12, Coltyp.LONG, 0),
    ("PgnoFDPLastSetTime", 13, Coltyp.DATE_TIME, 0),
    ("Name", 128, Coltyp.TEXT, FLAG_NOT_NULL),
    ("Stats", 129, Coltyp.BINARY, 0),
    ("TemplateTable", 130, Coltyp.TEXT, 0),
    ("DefaultValue", 131, Coltyp.BINARY, 0),
    ("KeyFldIDs", 132, Coltyp.BINARY, 0),
    ("VarSegMac", 133, Coltyp.BINARY, 0),
    ("ConditionalColumns", 134, Coltyp.BINARY, 0),
    ("TupleLimits", 135, Coltyp.BINARY, 0),
    ("Version", 136, Coltyp.BINARY, 0),
    ("SortID", 137, Coltyp.BINARY, 0),
    ("CallbackData", 256, Coltyp.LONG_BINARY, 0),
    ("CallbackDependencies", 257, Coltyp.LONG_BINARY, 0),
    ("SeparateLV", 258, Coltyp.LONG_BINARY, 0),
    ("SpaceHints", 259, Coltyp.LONG_BINARY, 0),
    ("SpaceDeferredLVHints", 260, Coltyp.LONG_BINARY, 0),
    ("LocaleName", 261, Coltyp.LONG_BINARY, 0),
)


def _built_in() -> list[Column]:
    columns = []
    offset = 4
    for name, fid, coltyp, flags in _COLUMNS:
        size = INHERENT_SIZE.get(coltyp, 0 if coltyp == Coltyp.LONG_BINARY else 255)
        columns.append(Column(name, fid, coltyp, size, flags, 1252, offset if fid < 128 else 0))
        offset += size
    return columns


CATALOG_COLUMNS: list[Column] = _built_in()
"""Columns of both catalog tables, in the order of their ids."""
