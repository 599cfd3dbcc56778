"""Segments of a log and where the log ends (`reference/log-and-recovery.md` 3.1 to 3.4, 3.6).

LGSEGHDR, the first 40 bytes of each data segment of 4096 bytes:

| off | size | field                                                         |
|-----|------|---------------------------------------------------------------|
| 0   | 8    | checksum (3.2; that of a page whose number is the segment's)  |
| 8   | 8    | LGPOS of the segment: generation, number, byte 0              |
| 16  | 8    | LOGTIME when the segment was opened for records               |
| 24  | 12   | zero; in ours the batch mark: 0xE5E7 u16@24, first segment of the batch u16@26 |
| 36  | 4    | flags: 0x2000                                                 |

The batch mark says which segments were not yet known to be on disk when this one was written: those from that number on.
It lets a reader tell the remains of a write that never finished, which nobody was promised, from damage. The original
neither writes nor reads it.

The tail segment is written twice, at its place and, with the same header and checksum, in the place behind it (the shadow).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from esent.log.kinds import CLEAN_ENDS, FRAGMENT, NOP2
from esent.log.scan import SEGMENT_HEADER, SEGMENT_SIZE, scan_segment
from esent.pages.checksum import (
    PAGE_BLANK,
    PAGE_GOOD,
    PAGE_REPAIRABLE,
    repair_page,
    segment_checksum,
    verify_page,
    verify_run,
)
from esent.pages.primitives import Lgpos, LogTime

NEW_CHECKSUM = 0x2000
BATCH_MARK = 0xE5E7
MARK_OFFSET = 24
CHUNK = 64  # segments read at a time

_HEAD = struct.Struct("<Q8s8s12xI")
_PLACE = struct.Struct("<HHi")
_MARK = struct.Struct("<HH")


def segment_head(generation: int, isec: int, opened: LogTime) -> bytes:
    """The 40 bytes a segment begins with, the checksum still zero."""
    return _HEAD.pack(0, Lgpos(generation, isec, 0).pack(), opened.pack(), NEW_CHECKSUM)


def batch_mark(first: int) -> bytes:
    """The mark of a batch whose first segment is `first`; it goes into a segment at MARK_OFFSET."""
    return _MARK.pack(BATCH_MARK, first)


def batch_first(segment: bytes, offset: int = 0) -> int | None:
    """The first segment of the batch in which a segment was written; None where it carries no mark."""
    mark, first = _MARK.unpack_from(segment, offset + MARK_OFFSET)
    return first if mark == BATCH_MARK else None


def seal(segment: bytes | bytearray, isec: int) -> bytes:
    """The segment with its checksum."""
    data = bytes(segment)
    return segment_checksum(data, isec).to_bytes(8, "little") + data[8:]


def stored_checksum(segment: bytes, offset: int = 0) -> int:
    return int.from_bytes(segment[offset : offset + 8], "little")


def segment_place(data: bytes, offset: int = 0) -> Lgpos:
    """Where the segment at `offset` says it belongs."""
    ib, isec, generation = _PLACE.unpack_from(data, offset + 8)
    return Lgpos(generation, isec, ib)


def segment_time(data: bytes, offset: int = 0) -> LogTime:
    return LogTime.unpack(data, offset + 16)


class Damage(Enum):
    """Why a log does not end as a log should; the value is the event's reason."""

    CORRUPT_SEGMENT = "a segment is damaged"
    VALID_AFTER_EMPTY = "a written segment follows an empty one"
    CORRUPT_AFTER_EMPTY = "a damaged segment follows an empty one"
    BAD_POSITION = "a segment belongs to a later place"


_MAYBE_UNFINISHED = frozenset({Damage.CORRUPT_SEGMENT, Damage.VALID_AFTER_EMPTY, Damage.CORRUPT_AFTER_EMPTY})


@dataclass(slots=True)
class LogEnd:
    """What the scan for the end of a log found.

    `last` is the number of the last data segment (that of the header's last one if there is none); `accumulated` the XOR of the
    data segments' checksums; `torn` the segment that has to be read from its shadow, its image in `mended`; `repaired` those in
    which one bit is wrong. With `damage`, `damaged` is the bad segment and `last` the last good one before it.
    `unfinished` is the segment from which on a write that never finished left its remains; they are no part of the log.
    """

    last: int
    accumulated: int = 0
    closed: bool = False
    torn: int | None = None
    repaired: set[int] = field(default_factory=set)
    mended: dict[int, bytes] = field(default_factory=dict)
    damage: Damage | None = None
    damaged: int | None = None
    unfinished: int | None = None

    def image(self, isec: int, data: bytes) -> bytes:
        """Segment `isec` as it was meant to be, where the file has `data`."""
        if isec in self.repaired:
            return repair_page(data, isec) or data
        return self.mended.get(isec, data)


def find_end(
    read: Callable[[int, int], bytes],
    generation: int,
    file_segments: int,
    *,
    header_segments: int = 1,
    marked: bool | None = None,
) -> LogEnd:
    """Classify all data segments of a log of the current format; `read(offset, count)` gives the bytes of the file.

    `marked`: whether the header is ours, so that already the first segment may be the remains of an unfinished write; None
    where no write can have been under way.
    """
    segment_size = SEGMENT_SIZE
    end = LogEnd(header_segments - 1)
    first_empty = -1
    limit = file_segments - 1  # the last one only ever holds a shadow
    isec = header_segments
    while isec < limit and end.damage is None:
        count = min(CHUNK, limit - isec)
        # one more than is looked at: the shadow of a torn segment, and one before for the number of a shadow
        data = read(isec * segment_size, (count + 1) * segment_size)
        whole = len(data) // segment_size
        count = min(count, whole)
        if count == 0:
            break
        status = dict(verify_run(data[: count * segment_size], segment_size, isec))
        for index in range(count):
            number = isec + index
            offset = index * segment_size
            found = status.get(number, PAGE_GOOD)
            if found == PAGE_GOOD:
                place = segment_place(data, offset)
                checksum = stored_checksum(data, offset)
            elif found == PAGE_BLANK:
                first_empty = number if first_empty < 0 else first_empty
                continue
            else:
                segment = data[offset : offset + segment_size]
                mended = repair_page(segment, number) if found == PAGE_REPAIRABLE else None
                if mended is not None:
                    end.repaired.add(number)
                elif number > header_segments and _is_shadow(segment, number - 1):
                    first_empty = number if first_empty < 0 else first_empty
                    continue
                elif first_empty >= 0:
                    end.damage, end.damaged = Damage.CORRUPT_AFTER_EMPTY, number
                    break
                else:
                    mended = _from_shadow(data[offset + segment_size : offset + 2 * segment_size], generation, number)
                    if mended is None:
                        end.damage, end.damaged = Damage.CORRUPT_SEGMENT, number
                        break
                    end.torn = number
                    end.mended[number] = mended
                place = segment_place(mended)
                checksum = stored_checksum(mended)
            here = Lgpos(generation, number, 0)
            if place == here:
                if first_empty >= 0:
                    end.damage, end.damaged = Damage.VALID_AFTER_EMPTY, number
                    break
                end.last = number
                end.accumulated ^= checksum
            elif place < here:
                first_empty = number if first_empty < 0 else first_empty
            else:
                end.damage, end.damaged = Damage.BAD_POSITION, number
                break
        isec += count
    if marked is not None and end.damage in _MAYBE_UNFINISHED:
        _judge_unfinished(read, end, generation, limit, header_segments, marked)
    if end.damage is None and end.last >= header_segments:
        segment = end.image(end.last, read(end.last * segment_size, segment_size))
        end.closed = ends_clean(segment)
    return end


def _judge_unfinished(
    read: Callable[[int, int], bytes], end: LogEnd, generation: int, limit: int, header_segments: int, marked: bool
) -> None:
    """Take back the damage if it is what a write left that never finished.

    It is, where the last good segment is ours, and no segment behind the gap was written after the gap was known to be on disk.
    """
    gap = end.last + 1
    if gap > header_segments:
        segment = end.image(end.last, read(end.last * SEGMENT_SIZE, SEGMENT_SIZE))
        if batch_first(segment) is None:
            return
    elif not marked:
        return
    for isec in range(gap, limit):
        segment = read(isec * SEGMENT_SIZE, SEGMENT_SIZE)
        if len(segment) < SEGMENT_SIZE or segment_place(segment) != Lgpos(generation, isec, 0):
            continue
        if verify_page(segment, isec) == PAGE_GOOD:
            first = batch_first(segment)
            if first is None or first > gap:
                return
    end.damage = end.damaged = None
    end.unfinished = gap
    end.repaired = {isec for isec in end.repaired if isec < gap}


def _is_shadow(segment: bytes, isec: int) -> bool:
    return verify_page(segment, isec) in (PAGE_GOOD, PAGE_REPAIRABLE)


def _from_shadow(shadow: bytes, generation: int, isec: int) -> bytes | None:
    """The image of segment `isec` if `shadow`, what stands behind it, is its shadow."""
    if len(shadow) < SEGMENT_SIZE:
        return None
    whole = repair_page(shadow, isec)
    return whole if whole is not None and segment_place(whole) == Lgpos(generation, isec, 0) else None


def ends_clean(segment: bytes) -> bool:
    """Whether the last record in a segment, filler left out, is one that closes a log."""
    found, _, bad = scan_segment(segment, 0, SEGMENT_HEADER)
    kinds = [kind for kind, _, _ in found if kind != NOP2]
    return bad < 0 and bool(kinds) and kinds[-1] in CLEAN_ENDS


def continues_record(segment: bytes, offset: int = 0) -> bool:
    """Whether a segment begins with a piece of a record of the segment before it."""
    return segment[offset + SEGMENT_HEADER] == FRAGMENT
