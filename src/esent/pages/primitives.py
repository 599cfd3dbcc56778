"""The four small structures that headers, logs and checkpoints share (packed, little-endian).

Layout (`reference/database-format.md` 2.1, `reference/log-and-recovery.md` 0.1):

| structure   | size | fields                                                                                      |
|-------------|------|---------------------------------------------------------------------------------------------|
| LGPOS       | 8    | ib u16, isec u16, lGeneration i32; ordered by (generation, isec, ib)                          |
| LOGTIME     | 8    | sec, min, hour, day, month, year-1900; byte 6: bit 0 UTC, bits 1-7 ms low; byte 7: bits 1-3 ms high |
| SIGNATURE   | 28   | random u32, LOGTIME creation, computer name 16 bytes                                        |
| BKINFO      | 24   | LGPOS mark, LOGTIME mark, genLow u32, genHigh u32                                           |
"""

from __future__ import annotations

import datetime
import secrets
import struct
from typing import NamedTuple

_LGPOS = struct.Struct("<HHi")
_SIGNATURE_HEAD = struct.Struct("<I")
_GENERATIONS = struct.Struct("<II")


class Lgpos(NamedTuple):
    """A log position: generation, segment (`isec`), byte in the segment (`ib`). All zero means unset."""

    generation: int = 0
    isec: int = 0
    ib: int = 0

    @classmethod
    def unpack(cls, data: bytes, offset: int = 0) -> Lgpos:
        ib, isec, generation = _LGPOS.unpack_from(data, offset)
        return cls(generation, isec, ib)

    def pack(self) -> bytes:
        return _LGPOS.pack(self.ib, self.isec, self.generation)

    def __str__(self) -> str:
        return f"{self.generation:06X},{self.isec:04X},{self.ib:04X}"


LGPOS_MIN = Lgpos()
LGPOS_MAX = Lgpos(0x7FFFFFFF, 0xFFFF, 0xFFFF)


class LogTime(NamedTuple):
    """A LOGTIME, its milliseconds put together; the bits that may hold garbage are dropped. All zero means unset."""

    second: int = 0
    minute: int = 0
    hour: int = 0
    day: int = 0
    month: int = 0
    year: int = 0  # since 1900
    millisecond: int = 0
    utc: bool = False

    @classmethod
    def unpack(cls, data: bytes, offset: int = 0) -> LogTime:
        second, minute, hour, day, month, year, low, high = data[offset : offset + 8]
        return cls(second, minute, hour, day, month, year, (low >> 1) | ((high & 0x0E) << 6), bool(low & 1))

    def pack(self) -> bytes:
        low = (self.millisecond & 0x7F) << 1 | self.utc
        high = (self.millisecond >> 6) & 0x0E
        return bytes((self.second, self.minute, self.hour, self.day, self.month, self.year, low, high))

    @classmethod
    def now(cls) -> LogTime:
        """The current time in UTC, cut to milliseconds."""
        now = datetime.datetime.now(datetime.UTC)
        return cls(now.second, now.minute, now.hour, now.day, now.month, now.year - 1900, now.microsecond // 1000, True)

    def to_datetime(self) -> datetime.datetime | None:
        """The moment, with time zone if the UTC bit is set; None where unset or not a calendar date."""
        if not self.month:
            return None
        zone = datetime.UTC if self.utc else None
        try:
            return datetime.datetime(
                self.year + 1900, self.month, self.day, self.hour, self.minute, self.second, self.millisecond * 1000, zone
            )
        except ValueError:
            return None

    def __str__(self) -> str:
        moment = self.to_datetime()
        return moment.isoformat(sep=" ", timespec="milliseconds") if moment else "-"


class Signature(NamedTuple):
    """The identity of a database, a log stream or a header write. All zero means not set."""

    random: int = 0
    created: LogTime = LogTime()
    computer: bytes = b""  # without trailing zeros; empty in files of current engines

    @classmethod
    def unpack(cls, data: bytes, offset: int = 0) -> Signature:
        (random,) = _SIGNATURE_HEAD.unpack_from(data, offset)
        return cls(random, LogTime.unpack(data, offset + 4), data[offset + 12 : offset + 28].rstrip(b"\0"))

    def pack(self) -> bytes:
        return _SIGNATURE_HEAD.pack(self.random) + self.created.pack() + self.computer.ljust(16, b"\0")[:16]

    @classmethod
    def fresh(cls) -> Signature:
        """A new signature: random number and the current time."""
        return cls(secrets.randbits(32), LogTime.now())

    def __bool__(self) -> bool:
        return self != _NO_SIGNATURE

    def __str__(self) -> str:
        return f"{self.random:08x} {self.created}" if self else "-"


_NO_SIGNATURE = Signature()


class BackupInfo(NamedTuple):
    """A BKINFO: where and when a backup began, and the log generations it holds."""

    mark: Lgpos = Lgpos()
    marked_at: LogTime = LogTime()
    generation_low: int = 0
    generation_high: int = 0

    @classmethod
    def unpack(cls, data: bytes, offset: int = 0) -> BackupInfo:
        low, high = _GENERATIONS.unpack_from(data, offset + 16)
        return cls(Lgpos.unpack(data, offset), LogTime.unpack(data, offset + 8), low, high)

    def pack(self) -> bytes:
        return self.mark.pack() + self.marked_at.pack() + _GENERATIONS.pack(self.generation_low, self.generation_high)

    def __bool__(self) -> bool:
        return self != _NO_BACKUP


_NO_BACKUP = BackupInfo()
