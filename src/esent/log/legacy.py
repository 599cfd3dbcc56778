"""The sector format of logs 7.3704 (`reference/log-and-recovery.md` 3.7), for reading only.

Records are one stream of bytes from the end of the header on; LRCHECKSUM records in it protect ranges:

| off | size | field            | meaning                                                                              |
|-----|------|------------------|--------------------------------------------------------------------------------------|
| 0   | 1    | type             | 42                                                                                   |
| 1   | 4    | cbBackwards      | bytes before the record in its range: those of its sector, or 0 (then they are stale) |
| 5   | 4    | cbForwards       | bytes behind the record in its range                                                 |
| 9   | 4    | cbNext           | from the end of this record to the next LRCHECKSUM; 0: this is the last               |
| 13  | 4    | ulChecksum       | over both spans                                                                      |
| 17  | 4    | ulShortChecksum  | the forward span ending with the record's sector                                     |
| 21  | 1    | bUseShortChecksum | 0x9A the short checksum is in use, 0xD1 not                                         |

A checksum is its seed XOR both spans (as u32 words counted from each span's first byte) XOR the three counts, the flag and the
generation. Free space holds a 512-byte tile of 0xDA with every 16th byte raised by its offset. The last flush of a single
sector is repeated in the next sector, its checksum changed by the shadow's constant.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from esent.constants import codes
from esent.errors import jet_error
from esent.log.header import LogHeader
from esent.log.kinds import CHECKSUM, CLEAN_ENDS, NOP
from esent.log.scan import record_size
from esent.log.segments import Damage, LogEnd
from esent.pages.primitives import Lgpos

Read = Callable[[int, int], bytes]

SEED = 0xFEEDBEAF
SHORT_SEED = 0xDEADC0DE
SHADOW = 0x5AD05EC7
SHORT_IN_USE = 0x9A
SHORT_NOT_USED = 0xD1
TILE = bytes((0xDA + offset) & 0xFF if offset % 16 == 0 else 0xDA for offset in range(512))

_CHECKSUM = struct.Struct("<BIIIIIB")


@dataclass(slots=True)
class LegacyEnd(LogEnd):
    """The end of a log in the sector format: `ranges` are the protected spans [first byte, end) of the file, in order."""

    ranges: list[tuple[int, int]] = field(default_factory=list)


def span_xor(data: bytes) -> int:
    """The XOR of `data` as little-endian u32 words from its first byte on, left-over bytes in the low lanes."""
    value = int.from_bytes(data, "little")
    count = (len(data) + 3) >> 2
    while count > 1:
        half = (count + 1) >> 1
        value = value & ((1 << 32 * half) - 1) ^ value >> 32 * half
        count = half
    return value


@dataclass(slots=True, frozen=True)
class _Range:
    """An LRCHECKSUM at byte `at` of the file and the range it protects."""

    at: int
    backwards: int
    forwards: int
    next: int
    checksum: int
    short_checksum: int
    use_short: int

    @property
    def start(self) -> int:
        return self.at - self.backwards

    @property
    def body(self) -> int:
        return self.at + _CHECKSUM.size

    @property
    def end(self) -> int:
        return self.body + self.forwards

    def compute(self, seed: int, before: bytes, behind: bytes, generation: int) -> int:
        counts = self.backwards ^ self.forwards ^ self.next ^ self.use_short
        return seed ^ span_xor(before) ^ span_xor(behind) ^ counts ^ generation


class _Reader:
    """The walk from LRCHECKSUM to LRCHECKSUM."""

    def __init__(self, read: Read, header: LogHeader) -> None:
        self.read = read
        self.header = header
        self.sector = header.segment_size
        self.first = header.header_segments * header.segment_size
        self.limit = header.file_size
        self.end = LegacyEnd(header.header_segments - 1)

    def at(self, place: int, image: bytes | None = None) -> _Range | None:
        """The LRCHECKSUM at `place` if its numbers are possible; `image` stands for the sector it is in."""
        if image is None:
            data = self.read(place, _CHECKSUM.size)
        else:
            data = image[place % self.sector :][: _CHECKSUM.size]
        if len(data) < _CHECKSUM.size:
            return None
        kind, *fields = _CHECKSUM.unpack(data)
        found = _Range(place, *fields)
        if kind != CHECKSUM or found.backwards not in (0, place % self.sector) or found.end > self.limit:
            return None
        if found.use_short not in (SHORT_IN_USE, SHORT_NOT_USED):
            return None
        return found

    def is_good(self, found: _Range) -> bool:
        before = self.read(found.start, found.backwards)
        behind = self.read(found.body, found.forwards)
        return found.compute(SEED, before, behind, self.header.generation) == found.checksum

    def is_pattern(self, start: int) -> bool:
        """Whether everything from byte `start`, a sector boundary, to the end of the file is the fill pattern."""
        for offset in range(start, self.limit, 1 << 16):
            count = min(1 << 16, self.limit - offset)
            if self.read(offset, count) != TILE * (count // 512):
                return False
        return True

    def shadow_of(self, place: int) -> bytes | None:
        """The image of the sector of `place`, an LRCHECKSUM, if the next sector is its shadow."""
        start = place - place % self.sector
        image = self.read(start + self.sector, self.sector)
        if len(image) < self.sector:
            return None
        found = self.at(place, image)
        if found is None or found.end > start + self.sector:
            return None
        before = image[found.start - start : found.at - start]
        behind = image[found.body - start : found.end - start]
        if found.compute(SEED, before, behind, self.header.generation) ^ SHADOW != found.checksum:
            return None
        offset = found.at - start + 13
        return image[:offset] + (found.checksum ^ SHADOW).to_bytes(4, "little") + image[offset + 4 :]

    def walk(self) -> LegacyEnd:
        end = self.end
        place = self.first
        while True:
            found = self.at(place)
            sector_start = place - place % self.sector
            if found is None or not self.is_good(found):
                self._tail(place, found)
                break
            end.ranges.append((found.start, found.end))
            if not found.next:
                self._check_rest(found)
                break
            following = found.body + found.next
            if following < found.end or following - following % self.sector <= sector_start or following >= self.limit:
                end.damage, end.damaged = Damage.BAD_POSITION, place // self.sector
                break
            place = following
        if end.ranges:
            end.last = (end.ranges[-1][1] - 1) // self.sector
        end.closed = end.damage is None and self._ends_clean()
        return end

    def _check_rest(self, found: _Range) -> None:
        """Behind the last range only the fill pattern, or the shadow of its sector, may stand."""
        rest = -(-found.end // self.sector) * self.sector
        if self.is_pattern(rest):
            return
        if rest + self.sector <= self.limit and self.shadow_of(found.at) is not None and self.is_pattern(rest + self.sector):
            return
        self.end.damage, self.end.damaged = Damage.CORRUPT_AFTER_EMPTY, rest // self.sector

    def _tail(self, place: int, found: _Range | None) -> None:
        """What the last write left when it did not finish: the parts of it that are whole."""
        end = self.end
        sector_start = place - place % self.sector
        behind = sector_start + self.sector
        if found is not None and found.use_short == SHORT_IN_USE:
            before = self.read(found.start, found.backwards)
            first = self.read(found.body, max(0, behind - found.body))
            valid = found.compute(SHORT_SEED, before, first, self.header.generation) == found.short_checksum
            old_shadow = self.is_pattern(behind + self.sector) if behind + self.sector <= self.limit else True
            if valid and (self.is_pattern(behind) or (found.end <= behind + self.sector and old_shadow)):
                end.ranges.append((found.start, behind))
                end.torn = place // self.sector
                return
        image = self.shadow_of(place)
        if image is not None:
            mended = self.at(place, image)
            if mended is not None:
                end.ranges.append((mended.start, mended.end))
                end.torn = place // self.sector
                end.mended[place // self.sector] = image
                return
        end.damage, end.damaged = Damage.CORRUPT_SEGMENT, place // self.sector

    def _ends_clean(self) -> bool:
        last = NOP
        for batch in entries(self.read, self.header, self.end, None):
            for _, _, kind, _, _, _ in batch:
                last = kind
        return last in CLEAN_ENDS


def find_end(read: Read, header: LogHeader) -> LegacyEnd:
    """Follow the LRCHECKSUM records to the end of the log, and judge what stands there."""
    return _Reader(read, header).walk()


def _runs(end: LegacyEnd) -> Iterator[tuple[int, int]]:
    """The ranges, those that touch joined: records cross from one into the next."""
    start, stop = -1, -1
    for first, limit in end.ranges:
        if first == stop:
            stop = limit
        else:
            if stop >= 0:
                yield start, stop
            start, stop = first, limit
    if stop >= 0:
        yield start, stop


def entries(
    read: Read, header: LogHeader, end: LogEnd, start: Lgpos | None
) -> Iterator[list[tuple[int, int, int, bytes, int, int]]]:
    """As `LogFile.entries`, a list a run of ranges; LRCHECKSUM records and filler are left out."""
    if not isinstance(end, LegacyEnd):
        return
    sector = header.segment_size
    begin = 0
    if start is not None:
        if start.generation > header.generation:
            return
        begin = start.isec * sector + start.ib if start.generation == header.generation else 0
    for first, limit in _runs(end):
        data = read(first, limit - first)
        for isec, image in end.mended.items():
            offset = isec * sector - first
            if 0 <= offset < len(data):
                data = data[:offset] + image[: len(data) - offset] + data[offset + sector :]
        offset = 0
        batch: list[tuple[int, int, int, bytes, int, int]] = []
        while offset < len(data):
            kind = data[offset]
            size = record_size(data, offset, len(data))
            place = first + offset
            if not size:
                if end.torn is not None and limit == end.ranges[-1][1]:
                    break  # the write that did not finish cut this record off
                raise jet_error(codes.JET_errLogFileCorrupt, f"no log record, generation {header.generation}", offset=place)
            if kind not in (NOP, CHECKSUM) and place >= begin:
                batch.append((place // sector, place % sector, kind, data, offset, size))
            offset += size
        yield batch
