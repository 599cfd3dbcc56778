"""What JET_paramEngineFormatVersion asks for: in which versions databases and logs are made and raised to, and which files are
refused (`reference/database-format.md` 3.1, `reference/log-and-recovery.md` 2.5).

| value                            | new logs, new databases | files of a lower version         | files of a higher version |
|----------------------------------|-------------------------|----------------------------------|---------------------------|
| a version                        | that version            | raised when attached for writing | refused                   |
| a version, with AllowHigher...   | that version            | raised when attached for writing | stay as they are          |
| JET_efvUseEngineDefault          | the highest there is    | raised when attached for writing | (there is none)           |
| JET_efvUsePersistedFormat        | old logs; no databases  | stay as they are                 | stay as they are          |
"""

from __future__ import annotations

from dataclasses import dataclass

from esent.constants import codes
from esent.constants.formats import (
    ENGINE_FORMATS,
    HIGHEST,
    LOWEST,
    EngineFormat,
    JET_efvAllowHigherPersistedFormat,
    JET_efvExchange2016Rtm,
    JET_efvUseEngineDefault,
    JET_efvUsePersistedFormat,
    database_version,
)
from esent.errors import jet_error
from esent.log.header import LogVersion

_SPECIAL = 0x40000000  # in every value that is not a bare version
_LEAST_VERSION = 5


@dataclass(slots=True, frozen=True)
class FormatChoice:
    """A checked value of the parameter. `engine_format` is None where the files decide."""

    engine_format: EngineFormat | None
    allows_higher: bool

    @classmethod
    def of(cls, value: int) -> FormatChoice:
        """JET_errEngineFormatVersionNoLongerSupportedTooLow, JET_errEngineFormatVersionNotYetImplementedTooHigh,
        JET_errInvalidParameter for special values put together."""
        if value < LOWEST.efv:
            raise jet_error(codes.JET_errEngineFormatVersionNoLongerSupportedTooLow, f"engine format version {value}")
        if value == JET_efvUsePersistedFormat:
            return cls(None, True)
        if value == JET_efvUseEngineDefault:
            return cls(HIGHEST, False)
        higher = value & JET_efvAllowHigherPersistedFormat == JET_efvAllowHigherPersistedFormat
        efv = value & ~JET_efvAllowHigherPersistedFormat if higher else value
        if efv > HIGHEST.efv:
            raise jet_error(codes.JET_errEngineFormatVersionNotYetImplementedTooHigh, f"engine format version {efv}")
        if value & _SPECIAL and efv < _LEAST_VERSION:
            raise jet_error(codes.JET_errInvalidParameter, f"engine format version {value:#x} puts special values together")
        found = ENGINE_FORMATS.get(efv)
        if found is None:
            raise jet_error(codes.JET_errEngineFormatVersionNoLongerSupportedTooLow, f"there is no engine format version {efv}")
        return cls(found, higher)

    @property
    def log(self) -> LogVersion | None:
        """The least version of logs to come; None: that of those there are."""
        return None if self.engine_format is None else LogVersion.of(self.engine_format)

    @property
    def first_log(self) -> LogVersion:
        """The version of a log nothing goes before."""
        return self.log or LogVersion.of(ENGINE_FORMATS[JET_efvExchange2016Rtm])

    def raised_database(self, current: tuple[int, int, int]) -> tuple[int, int, int] | None:
        """The version to stamp on a database of version `current`, its own included, when it is attached for writing; None
        where it has a higher one, or one so old that a version alone does not make it a database of today."""
        if self.engine_format is None or current < database_version(LOWEST):
            return None
        wanted = database_version(self.engine_format)
        return wanted if wanted >= current else None

    def check_log(self, version: LogVersion, path: object) -> None:
        """JET_errEngineFormatVersionSpecifiedTooLowForLogVersion for a log that is not to be touched."""
        if self.engine_format is None or self.allows_higher or version.is_legacy:
            return
        if version.update_major > self.engine_format.log[0]:
            what = f"the log has format {version}; engine format version {self.engine_format.efv} stands for a lower one"
            raise jet_error(codes.JET_errEngineFormatVersionSpecifiedTooLowForLogVersion, what, file=path)

    def check_database(self, version: tuple[int, int, int], path: object) -> None:
        """JET_errInvalidDatabaseVersion for a database nobody here knows how to write to,
        JET_errEngineFormatVersionSpecifiedTooLowForDatabaseVersion for one that is not to be touched."""
        shown = f"the database has format {version[0]:#x},{version[1]},{version[2]}"
        if version[:2] > database_version(HIGHEST)[:2]:
            raise jet_error(codes.JET_errInvalidDatabaseVersion, f"{shown}, which is too new to write to", file=path)
        if self.engine_format is None or self.allows_higher:
            return
        if version[:2] > database_version(self.engine_format)[:2]:
            what = f"{shown}; engine format version {self.engine_format.efv} stands for a lower one"
            raise jet_error(codes.JET_errEngineFormatVersionSpecifiedTooLowForDatabaseVersion, what, file=path)


__all__ = ["FormatChoice"]
