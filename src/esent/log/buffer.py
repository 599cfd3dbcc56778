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

if not cython.compiled:
    from esent.pages.words import store

BODY = SEGMENT_SIZE - SEGMENT_HEADER
MOST_BUFFERED = 256  # segments; more are written, though not yet waited for
_BEGIN = struct.Struct("<BIH")
_PIECE = struct.Struct("<BH")
_NOP2 = struct.Struct("<BI")
# the same numbers, which compiled are no objects
_SIZE: cython.Py_ssize_t = SEGMENT_SIZE
_BODY: cython.Py_ssize_t = BODY
_MOST: cython.Py_ssize_t = MOST_BUFFERED
_HEADER: cython.Py_ssize_t = SEGMENT_HEADER
_MIN_FRAGMENT: cython.Py_ssize_t = MIN_FRAGMENT
_BEGIN_SIZE: cython.Py_ssize_t = _BEGIN.size
_PIECE_SIZE: cython.Py_ssize_t = _PIECE.size
_position = tuple.__new__  # what the constructor of a named tuple does in the end


@cython.cclass
class SegmentBuffer:
    """The segments of one generation that are not written for good, and the place where the next record goes.

    `isec`, `ib`: the current segment and the byte in it where the next record goes; 4096 means that the segment is full (or, of
    `isec` = the segment before the first one, that none was begun). `filler` is the byte at which the records of the segment
    written last end: what begins the next one has its position there, for that is where a reader comes upon it.
    """

    generation: int
    isec: int
    ib: int
    last_usable: int
    marked: bool
    _filler: int
    _clock: Callable[[], LogTime]
    _segments: list[bytearray]
    _current: bytearray  # the last of them

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

    @cython.cfunc
    def _open(self) -> bytearray:
        segment = bytearray(_SIZE)
        self.isec += 1
        self._filler = _SIZE
        segment[:SEGMENT_HEADER] = segment_head(self.generation, self.isec, self._clock())
        self.ib = _HEADER
        self._segments.append(segment)
        self._current = segment
        return segment

    @cython.ccall
    def append_within(self, data: bytes) -> Lgpos | None:
        """Lay down one record if the current segment has room for it; its position, or None."""
        at: cython.Py_ssize_t = self.ib
        size: cython.Py_ssize_t = len(data)
        if size > _SIZE - at or len(self._current) != _SIZE:
            return None
        self.ib = at + size
        store(self._current, at, data, 0, size)
        return _position(Lgpos, (self.generation, self.isec, at))

    @cython.ccall
    def append_at_once(self, data: bytes) -> Lgpos | None:
        """Lay down one record if there surely is room for it, here and in the file; its position, or None."""
        within = self.append_within(data)
        if within is not None:
            return within
        return self.append(data) if self.has_room_at_once(len(data)) else None

    @cython.cfunc
    def has_room_at_once(self, size: cython.Py_ssize_t) -> cython.bint:
        """Whether records of together `size` bytes surely have room in the file, with segments to spare, and in memory."""
        lost: cython.Py_ssize_t = (size // _BODY + 2) * _MIN_FRAGMENT  # at the ends of segments
        needed: cython.Py_ssize_t = self.isec + (size + lost) // _BODY + 3
        return needed <= self.last_usable and len(self._segments) < _MOST

    @cython.ccall
    def append(self, data: bytes) -> Lgpos:
        """Lay down one record, for which there is room; its position."""
        within = self.append_within(data)
        if within is not None:
            return within
        place = self.tip
        room: cython.Py_ssize_t = _SIZE - self.ib
        size: cython.Py_ssize_t = len(data)
        done: cython.Py_ssize_t
        piece: cython.Py_ssize_t
        if size > room and room < _MIN_FRAGMENT:
            segment = self._open()
            room = _BODY
        else:
            segment = self._current
        if size <= room:
            store(segment, self.ib, data, 0, size)
            self.ib += size
            return place
        done = room - _BEGIN_SIZE
        store(segment, self.ib, _BEGIN.pack(FRAGMENT_BEGIN, size, done), 0, _BEGIN_SIZE)
        store(segment, self.ib + _BEGIN_SIZE, data, 0, done)
        while done < size:
            segment = self._open()
            piece = size - done
            if piece > _BODY - _PIECE_SIZE:
                piece = _BODY - _PIECE_SIZE
            store(segment, _HEADER, _PIECE.pack(FRAGMENT, piece), 0, _PIECE_SIZE)
            store(segment, _HEADER + _PIECE_SIZE, data, done, piece)
            self.ib = _HEADER + _PIECE_SIZE + piece
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
