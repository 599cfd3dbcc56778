"""Laying records into segments, in memory (`reference/log-and-recovery.md` 3.3).

| room left in the segment      | what happens to a record of n bytes                                                          |
|-------------------------------|----------------------------------------------------------------------------------------------|
| n or more                     | it is copied                                                                                 |
| below 32                      | zero bytes to the end of the segment, then as at the start of the next                       |
| 32 or more, below n           | FragmentBegin (7 bytes) and a piece to the end; Fragment (3 bytes) and pieces in the next    |

The last segment of a file takes no records: it is kept for the shadow of the one before it.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

import struct
from collections.abc import Callable, Sequence

from esent.log.kinds import FRAGMENT, FRAGMENT_BEGIN, NOP2
from esent.log.scan import MIN_FRAGMENT, SEGMENT_HEADER, SEGMENT_SIZE
from esent.log.segments import MARK_OFFSET, batch_mark, seal, segment_head
from esent.pages.primitives import Lgpos, LogTime

BODY = SEGMENT_SIZE - SEGMENT_HEADER
_BEGIN = struct.Struct("<BIH")
_PIECE = struct.Struct("<BH")
_NOP2 = struct.Struct("<BI")
_SIZE: cython.Py_ssize_t = SEGMENT_SIZE
_position = tuple.__new__  # what the constructor of a named tuple does in the end


@cython.cclass
class SegmentBuffer:
    """The segments of one generation that are not written for good, and the place where the next record goes.

    `isec`, `ib`: the current segment and the byte in it where the next record goes; 4096 means that the segment is full (or, of
    `isec` = the segment before the first one, that none was begun). `filler` is the byte at which the records of the segment
    written last end: what begins the next one has its position there, for that is where a reader comes upon it.
    """

    generation: int = cython.declare(cython.longlong, visibility="readonly")
    isec: int = cython.declare(cython.Py_ssize_t, visibility="readonly")
    ib: int = cython.declare(cython.Py_ssize_t, visibility="public")
    last_usable: int = cython.declare(cython.Py_ssize_t, visibility="readonly")
    marked: bool = cython.declare(cython.bint, visibility="readonly")
    _filler: int = cython.declare(cython.Py_ssize_t)
    _clock: Callable[[], LogTime] = cython.declare(object)
    _segments: list[bytearray] = cython.declare(list)
    _current: bytearray = cython.declare(bytearray)  # the last of them

    def __init__(
        self,
        generation: int,
        last_written: int,
        last_usable: int,
        clock: Callable[[], LogTime],
        *,
        marked: bool = True,
        filler: int = SEGMENT_SIZE,
    ) -> None:
        self.generation = generation
        self.isec = last_written
        self.ib = SEGMENT_SIZE
        self.last_usable = last_usable
        self.marked = marked
        self._filler = filler
        self._clock = clock
        self._segments = []
        self._current = bytearray()

    @property
    def first(self) -> int:
        """The number of the first segment held here; behind the current one if none is."""
        return self.isec + 1 - len(self._segments)

    @property
    def count(self) -> int:
        return len(self._segments)

    @property
    def tip(self) -> Lgpos:
        """The position the next record gets."""
        if self.ib == SEGMENT_SIZE:
            if self._filler < SEGMENT_SIZE:
                return Lgpos(self.generation, self.isec, self._filler)
            return Lgpos(self.generation, self.isec + 1, 0)
        return Lgpos(self.generation, self.isec, self.ib)

    def fits(self, sizes: Sequence[int]) -> bool:
        """Whether records of these sizes can follow one another before the end of the file."""
        isec, ib = self.isec, self.ib
        for size in sizes:
            room = SEGMENT_SIZE - ib
            if size <= room:
                ib += size
                continue
            if room < MIN_FRAGMENT:
                isec, room = isec + 1, BODY
            if size <= room:
                ib = SEGMENT_HEADER + size
                continue
            left = size - (room - _BEGIN.size)
            whole, rest = divmod(left, BODY - _PIECE.size)
            isec += whole + (1 if rest else 0)
            ib = SEGMENT_HEADER + _PIECE.size + rest if rest else SEGMENT_SIZE
        return isec <= self.last_usable

    def _open(self) -> bytearray:
        segment = bytearray(SEGMENT_SIZE)
        self.isec += 1
        self._filler = SEGMENT_SIZE
        segment[:SEGMENT_HEADER] = segment_head(self.generation, self.isec, self._clock())
        self.ib = SEGMENT_HEADER
        self._segments.append(segment)
        self._current = segment
        return segment

    def append_within(self, data: bytes) -> Lgpos | None:
        """Lay down one record if the current segment has room for it; its position, or None."""
        at: cython.Py_ssize_t = self.ib
        size: cython.Py_ssize_t = len(data)
        if size > _SIZE - at or len(self._current) != _SIZE:
            return None
        self.ib = at + size
        if cython.compiled:
            i: cython.Py_ssize_t
            goal: cython.p_char = cython.cast(cython.p_char, self._current) + at
            source: cython.p_char = cython.cast(cython.p_char, data)
            for i in range(size):
                goal[i] = source[i]
        else:
            self._current[at : at + size] = data
        return _position(Lgpos, (self.generation, self.isec, at))

    def append(self, data: bytes) -> Lgpos:
        """Lay down one record, for which there is room; its position."""
        within = self.append_within(data)
        if within is not None:
            return within
        place = self.tip
        room = SEGMENT_SIZE - self.ib
        size = len(data)
        if size > room and room < MIN_FRAGMENT:
            segment = self._open()
            room = BODY
        else:
            segment = self._segments[-1]
        if size <= room:
            segment[self.ib : self.ib + size] = data
            self.ib += size
            return place
        done = room - _BEGIN.size
        segment[self.ib :] = _BEGIN.pack(FRAGMENT_BEGIN, size, done) + data[:done]
        while done < size:
            segment = self._open()
            piece = min(size - done, BODY - _PIECE.size)
            end = SEGMENT_HEADER + _PIECE.size + piece
            segment[SEGMENT_HEADER:end] = _PIECE.pack(FRAGMENT, piece) + data[done : done + piece]
            self.ib = end
            done += piece
        return place

    def fill(self) -> bool:
        """End the current segment with a NOP2, so that it is never written again; nothing where fewer than 5 bytes are left."""
        room = SEGMENT_SIZE - self.ib
        if room < _NOP2.size:
            return False
        _NOP2.pack_into(self._segments[-1], self.ib, NOP2, room - _NOP2.size)
        self.ib = SEGMENT_SIZE
        return True

    def take(self, unsynced: int, *, close: bool = False, partial: bool = True) -> list[bytes]:
        """The sealed images of the segments from `first` on, which are then no longer held.

        The current one, if it is not full, is taken but stays; with `close` it ends where it is; without `partial` it is left
        out. `unsynced` is the first segment that may not be on disk; below `first` where earlier ones are only handed over, and
        above it where `first` itself, not full then, is on disk already.
        """
        if close:
            self.ib = SEGMENT_SIZE
        first = self.first
        full = self.ib == SEGMENT_SIZE
        taken = self._segments if full or partial else self._segments[:-1]
        self._segments = [] if full else self._segments[-1:]
        images = []
        for number, segment in enumerate(taken, first):
            if self.marked:
                segment[MARK_OFFSET : MARK_OFFSET + 4] = batch_mark(min(unsynced, number))
            images.append(seal(segment, number))
        return images
