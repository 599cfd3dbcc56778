"""Engine format versions (`JET_efv...`): the versions of databases and logs that belong to each, and what came with which
(`reference/database-format.md` 3.3, `reference/log-and-recovery.md` 2.7).

A feature may be written to a file whose own version is at least that of the feature; a feature of the log needs the log to be
so, one of both needs both. Where a row has no feature of ours beside it, it changes the numbers only.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

JET_efvWindows10Rtm: Final = 8020
JET_efvPersistedLostFlushMapStagedToDebug: Final = 8220
JET_efvExchange2016Rtm: Final = 8520
JET_efvWindows10v2Rtm: Final = 8620
JET_efvEncryptedColumns: Final = 8720
JET_efvLoggingDeleteOfTableFcbs: Final = 8820
JET_efvSupportNlsInvariantLocale: Final = 8880
JET_efvExchange2016Cu1Rtm: Final = 8920
JET_efvWindows19H1Rtm: Final = 8920
JET_efvSetDbVersion: Final = 8940
JET_efvExtHdrRootFieldAutoIncStorageReleased: Final = 8960
JET_efvXpress9Compression: Final = 8980
JET_efvUppercaseTextNormalization: Final = 9000
JET_efvDbscanHeaderHighestPageSeen: Final = 9020
JET_efvEscrow64: Final = 9040
JET_efvSynchronousLVCleanup: Final = 9060
JET_efvLid64: Final = 9080
JET_efvShrinkEof: Final = 9100
JET_efvLogNewPage: Final = 9120
JET_efvRootPageMove: Final = 9140
JET_efvScanCheck2: Final = 9160
JET_efvLgposLastResize: Final = 9180
JET_efvShelvedPages: Final = 9200
JET_efvShelvedPagesRevert: Final = 9220
JET_efvShelvedPages2: Final = 9240
JET_efvLogtimeGenMaxRequired: Final = 9260
JET_efvVariableDbHdrSignatureSnapshot: Final = 9280
JET_efvLowerMinReqLogGenOnRedo: Final = 9300
JET_efvDbTimeShrink: Final = 9320
JET_efvXpress10Compression: Final = 9340
JET_efvRevertSnapshot: Final = 9360
JET_efvApplyRevertSnapshot: Final = 9380
JET_efvExtentPageCountCache: Final = 9400
JET_efvLz4Compression: Final = 9420
JET_efvRBSNonRevertableTableDeletes: Final = 9460
JET_efvScanCheck2Flags: Final = 9480
JET_efvExtentFreed2: Final = 9500
JET_efvKVPStoreV2: Final = 9520
JET_efvIndexDeferredPopulate: Final = 9540
JET_efvReservedTags: Final = 9560
JET_efvRBSTooSoonDeletes: Final = 9580
JET_efvOptionallyUniqueIndices: Final = 9600

JET_efvUseEngineDefault: Final = 0x40000001  # the highest there is
JET_efvUsePersistedFormat: Final = 0x40000002  # that of the files
JET_efvAllowHigherPersistedFormat: Final = 0x41000000  # with one of the versions: files may have a higher one

DATABASE_MAJOR: Final = 0x620
LOG_MAJOR: Final = 8


class EngineFormat(NamedTuple):
    """A row of the table: update major and update minor of a database (of 0x620) and of a log (of 8.4000)."""

    efv: int
    database: tuple[int, int]
    log: tuple[int, int]


_ROWS = (
    EngineFormat(7060, (20, 0), (4, 3)),
    EngineFormat(8020, (20, 0), (4, 3)),
    EngineFormat(8220, (20, 0), (5, 13)),
    EngineFormat(8520, (20, 0), (5, 14)),
    EngineFormat(8620, (20, 0), (5, 14)),
    EngineFormat(8720, (20, 0), (5, 15)),
    EngineFormat(8820, (20, 0), (5, 16)),
    EngineFormat(8880, (20, 0), (5, 14)),
    EngineFormat(8920, (20, 0), (5, 16)),
    EngineFormat(8940, (20, 20), (6, 20)),
    EngineFormat(8960, (30, 40), (6, 20)),
    EngineFormat(8980, (40, 60), (7, 40)),
    EngineFormat(9000, (50, 80), (7, 40)),
    EngineFormat(9020, (50, 100), (7, 40)),
    EngineFormat(9040, (60, 120), (20, 60)),
    EngineFormat(9060, (60, 140), (20, 60)),
    EngineFormat(9080, (70, 160), (20, 60)),
    EngineFormat(9100, (80, 180), (30, 80)),
    EngineFormat(9120, (90, 200), (40, 100)),
    EngineFormat(9140, (100, 220), (50, 120)),
    EngineFormat(9160, (100, 220), (60, 140)),
    EngineFormat(9180, (110, 240), (60, 140)),
    EngineFormat(9200, (120, 260), (60, 140)),
    EngineFormat(9220, (130, 280), (60, 140)),
    EngineFormat(9240, (140, 300), (60, 140)),
    EngineFormat(9260, (150, 320), (60, 140)),
    EngineFormat(9280, (160, 340), (60, 140)),
    EngineFormat(9300, (160, 360), (60, 140)),
    EngineFormat(9320, (160, 360), (70, 160)),
    EngineFormat(9340, (170, 380), (80, 180)),
    EngineFormat(9360, (180, 400), (90, 200)),
    EngineFormat(9380, (190, 420), (90, 200)),
    EngineFormat(9400, (200, 440), (90, 200)),
    EngineFormat(9420, (210, 460), (100, 220)),
    EngineFormat(9460, (230, 500), (100, 220)),
    EngineFormat(9480, (230, 500), (110, 240)),
    EngineFormat(9500, (230, 500), (120, 260)),
    EngineFormat(9520, (250, 520), (120, 260)),
    EngineFormat(9540, (260, 540), (120, 260)),
    EngineFormat(9560, (270, 560), (120, 260)),
    EngineFormat(9580, (280, 580), (130, 280)),
    EngineFormat(9600, (290, 600), (130, 280)),
)
ENGINE_FORMATS: Final[dict[int, EngineFormat]] = {row.efv: row for row in _ROWS}
LOWEST: Final = _ROWS[0]
HIGHEST: Final = _ROWS[-1]
RECOMMENDED: Final = ENGINE_FORMATS[JET_efvExchange2016Cu1Rtm]  # what everything from Windows 10 on takes


class Feature(IntEnum):
    """What is written only from an engine format version on; the number is that version's."""

    SET_DB_VERSION = 8940  # both: the record; update minor and highest engine in the header
    ROOT_AUTOINCREMENT = 8960  # database: highest number of an auto-increment column in the root of the table
    UPPERCASE_KEYS = 9000  # database: Unicode indexes may map to upper case
    ESCROW_64 = 9040  # both: the column and its record
    LID_64 = 9080  # database: wide ids of long values
    SHRINK_2 = 9100  # both: the record of a file cut short
    NEW_PAGE = 9120  # both: the record of a page taken into use
    LAST_RESIZE = 9180  # database: header field
    REQUIRED_TIME = 9260  # database: header field
    SHRINK_3 = 9320  # both: the record with a dbtime
    ROOT_TIME = 9460  # database: when the root of a tree was made, in its row of the catalogue
    LOCALES_2 = 9520  # database: more columns of MSysLocales


def database_version(feature: Feature | EngineFormat) -> tuple[int, int, int]:
    """(major, update major, update minor) of the first databases with a feature, or of those of a format."""
    row = ENGINE_FORMATS[feature] if isinstance(feature, Feature) else feature
    return (DATABASE_MAJOR, *row.database)


def database_formats(version: tuple[int, int, int]) -> list[int]:
    """The engine format versions that databases of a version belong to."""
    return [row.efv for row in _ROWS if database_version(row) == version]


def log_formats(update: tuple[int, int]) -> list[int]:
    """The engine format versions that logs of 8.4000 of an update major and minor belong to."""
    return [row.efv for row in _ROWS if row.log == update]


FEATURE_OF_DATABASE: Final = {feature: database_version(feature) for feature in Feature}
FEATURE_OF_LOG: Final = {feature: ENGINE_FORMATS[feature].log for feature in Feature}

# what `esent.jet` gives on
__all__ = [
    "JET_efvAllowHigherPersistedFormat",
    "JET_efvApplyRevertSnapshot",
    "JET_efvDbTimeShrink",
    "JET_efvDbscanHeaderHighestPageSeen",
    "JET_efvEncryptedColumns",
    "JET_efvEscrow64",
    "JET_efvExchange2016Cu1Rtm",
    "JET_efvExchange2016Rtm",
    "JET_efvExtHdrRootFieldAutoIncStorageReleased",
    "JET_efvExtentFreed2",
    "JET_efvExtentPageCountCache",
    "JET_efvIndexDeferredPopulate",
    "JET_efvKVPStoreV2",
    "JET_efvLgposLastResize",
    "JET_efvLid64",
    "JET_efvLogNewPage",
    "JET_efvLoggingDeleteOfTableFcbs",
    "JET_efvLogtimeGenMaxRequired",
    "JET_efvLowerMinReqLogGenOnRedo",
    "JET_efvLz4Compression",
    "JET_efvOptionallyUniqueIndices",
    "JET_efvPersistedLostFlushMapStagedToDebug",
    "JET_efvRBSNonRevertableTableDeletes",
    "JET_efvRBSTooSoonDeletes",
    "JET_efvReservedTags",
    "JET_efvRevertSnapshot",
    "JET_efvRootPageMove",
    "JET_efvScanCheck2",
    "JET_efvScanCheck2Flags",
    "JET_efvSetDbVersion",
    "JET_efvShelvedPages",
    "JET_efvShelvedPages2",
    "JET_efvShelvedPagesRevert",
    "JET_efvShrinkEof",
    "JET_efvSupportNlsInvariantLocale",
    "JET_efvSynchronousLVCleanup",
    "JET_efvUppercaseTextNormalization",
    "JET_efvUseEngineDefault",
    "JET_efvUsePersistedFormat",
    "JET_efvVariableDbHdrSignatureSnapshot",
    "JET_efvWindows10Rtm",
    "JET_efvWindows10v2Rtm",
    "JET_efvWindows19H1Rtm",
    "JET_efvXpress9Compression",
    "JET_efvXpress10Compression",
]
