"""Reading one log file: header, end of the log, its records in order (`reference/log-and-recovery.md` 2.5, 3.4, 3.5, 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.log import legacy
from esent.log.files import parse_log_name
from esent.log.header import HEADER_SIZE, LogHeader
from esent.log.kinds import FRAGMENT, FRAGMENT_BEGIN, RECOVERY_UNDO, RECOVERY_UNDO2, UNDO_INFO
from esent.log.records import Record, decode_sized
from esent.log.scan import SEGMENT_HEADER, SEGMENT_SIZE, record_size, scan_segment, whole_records
from esent.log.segments import BATCH_MARK, CHUNK, LogEnd, continues_record, find_end
from esent.pages.filesystem import FILES, File, FileSystem
from esent.pages.primitives import Lgpos, Signature

Entry = tuple[int, int, int, bytes, int, int]
"""(segment, byte, type, buffer, first byte of the record in the buffer, size): a record found but not decoded."""

_UNDO_STARTS = frozenset({RECOVERY_UNDO, RECOVERY_UNDO2, UNDO_INFO})


def read_header(file: File, path: object) -> LogHeader:
    """The header of an open log; raises as `LogHeader.parse`."""
    return LogHeader.parse(file.read(0, HEADER_SIZE), path)


class LogFile:
    """A log file, open for reading.

    Opening it checks the header in the documented order. Raises, besides the errors of `LogHeader.parse`:
    JET_errPageSizeMismatch, JET_errLogFileSizeMismatch, JET_errBadLogSignature, JET_errLogGenerationMismatch. Damage behind
    the header does not raise: it is in `end`, and `records` gives all that stands before it.

    Positions are those a reader of the original gives: a record at the start of a segment has byte 0, or, where filler ends
    the segment before it, the position at which the filler begins. (The original's writer knows an Init2 that opens a fresh
    segment after a restart as (segment, 0) all the same.)
    """

    def __init__(
        self,
        path: Path,
        *,
        files: FileSystem = FILES,
        page_size: int | None = None,
        signature: Signature | None = None,
        generation: int | None = None,
    ) -> None:
        self.path = path
        self._file = files.open(path)
        self._end: LogEnd | None = None
        # a generation is finished and on disk before it gets its number as name: no write can have broken off there
        self._archived = parse_log_name(path.name, path.name[:3]) is not None
        try:
            self.header = read_header(self._file, path)
            self._accept(page_size, signature, generation)
        except JetError:
            self._file.close()
            raise

    def _accept(self, page_size: int | None, signature: Signature | None, generation: int | None) -> None:
        header = self.header
        if page_size is not None and header.page_size != page_size:
            raise jet_error(
                codes.JET_errPageSizeMismatch, f"a log for pages of {header.page_size} bytes, not {page_size}", file=self.path
            )
        size = self._file.size()
        if size != header.file_size:
            raise jet_error(
                codes.JET_errLogFileSizeMismatch, f"the log has {size} bytes in place of {header.file_size}", file=self.path
            )
        if signature is not None and header.signature != signature:
            raise jet_error(codes.JET_errBadLogSignature, "the log belongs to another stream", file=self.path)
        if generation is not None and header.generation != generation:
            raise jet_error(
                codes.JET_errLogGenerationMismatch,
                f"the log holds generation {header.generation}, its name says {generation}",
                file=self.path,
            )

    def __enter__(self) -> LogFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    @property
    def generation(self) -> int:
        return self.header.generation

    @property
    def end(self) -> LogEnd:
        """Where the log ends and in what state; found on first use and kept."""
        if self._end is None:
            header = self.header
            if header.version.is_legacy:
                self._end = legacy.find_end(self._file.read, header)
            else:
                self._end = find_end(
                    self._file.read,
                    header.generation,
                    header.file_segments,
                    marked=None if self._archived else header.mark == BATCH_MARK,
                )
        return self._end

    @property
    def end_position(self) -> Lgpos:
        """Where new records would go after a crash: the segment behind the last one."""
        return Lgpos(self.generation, self.end.last + 1, 0)

    @property
    def filler(self) -> int:
        """The byte of the last segment at which its records end; the size of a segment where there is none, or it is full."""
        if self.header.version.is_legacy or self.end.last < self.header.header_segments:
            return SEGMENT_SIZE
        return scan_segment(self.segment(self.end.last), 0, SEGMENT_HEADER)[1]

    @property
    def accumulated_checksum(self) -> int:
        """What the next generation's header must carry as checksum of this one."""
        return self.end.accumulated

    def segment(self, isec: int) -> bytes:
        """One segment, mended where that was possible."""
        size = self.header.segment_size
        return self.end.image(isec, self._file.read(isec * size, size))

    def _corrupt(self, isec: int, ib: int, what: str) -> JetError:
        return jet_error(
            codes.JET_errLogFileCorrupt,
            f"{what}, generation {self.generation}",
            file=self.path,
            offset=isec * SEGMENT_SIZE + ib,
        )

    def _segments(self, first: int) -> Iterator[tuple[int, bytes, int]]:
        """(number, buffer, offset) of the data segments from `first` on."""
        end = self.end
        isec = first
        while isec <= end.last:
            count = min(CHUNK, end.last + 1 - isec)
            data = self._file.read(isec * SEGMENT_SIZE, count * SEGMENT_SIZE)
            if len(data) < count * SEGMENT_SIZE:
                raise self._corrupt(isec, 0, "the log became shorter while it was read")
            for index in range(count):
                number = isec + index
                offset = index * SEGMENT_SIZE
                if number in end.repaired or number in end.mended:
                    yield number, end.image(number, data[offset : offset + SEGMENT_SIZE]), 0
                else:
                    yield number, data, offset
            isec += count

    def entries(self, start: Lgpos | None = None) -> Iterator[list[Entry]]:
        """The records from position `start` on (default: all), a list a segment; fragments are joined, filler bytes left out.

        A record that begins in one segment and ends in another is in the list of the segment where it ends. Raises
        JET_errLogFileCorrupt for what is no record, and for a record cut off anywhere but at the end or before the output of a
        recovery's undo.
        """
        header = self.header
        if header.version.is_legacy:
            yield from legacy.entries(self._file.read, header, self.end, start)
            return
        first = header.header_segments
        skip = SEGMENT_HEADER
        if start is not None and start.generation > self.generation:
            return
        if start is not None and start.generation == self.generation and start.isec >= first:
            first = start.isec
            skip = max(start.ib, SEGMENT_HEADER)
        pieces: list[bytes] = []
        wanted = have = 0
        begun = (0, 0)
        padding = (0, 0)  # where the filler at the end of the previous segment began
        if first > header.header_segments and first <= self.end.last:
            _, finish, _ = scan_segment(self.segment(first - 1), 0, SEGMENT_HEADER)
            if finish < SEGMENT_SIZE:
                padding = (first - 1, finish)
        leading = first > header.header_segments
        for isec, data, base in self._segments(first):
            found, finish, bad = scan_segment(data, base, SEGMENT_HEADER)
            if bad >= 0:
                raise self._corrupt(isec, bad, "no log record")
            batch: list[Entry] = []
            limit = base + SEGMENT_SIZE
            entry_base = base + SEGMENT_HEADER
            if wanted and not (found and found[0][0] == FRAGMENT and found[0][1] == entry_base):
                if found and not self._begins_undo(found[0], data):
                    raise self._corrupt(isec, SEGMENT_HEADER, "the rest of a record is missing")
                wanted, pieces = 0, []
            place = padding if padding[0] else (isec, 0)
            index = 0
            while index < len(found):
                kind, offset, size = found[index]
                ib = offset - base
                if kind < FRAGMENT_BEGIN or kind > FRAGMENT:
                    leading = False
                    index = whole_records(batch, found, index, isec, place, data, base, skip)
                    continue
                index += 1
                if kind == FRAGMENT_BEGIN:
                    leading = False
                    wanted = int.from_bytes(data[offset + 1 : offset + 5], "little")
                    pieces = [data[offset + 7 : offset + size]]
                    have = size - 7
                    begun = place if ib == SEGMENT_HEADER else (isec, ib)
                    if offset + size != limit or have >= wanted:
                        raise self._corrupt(isec, ib, "a record cut into pieces does not reach the end of its segment")
                    if ib < skip:
                        wanted, pieces, leading = 0, [], True
                elif ib != SEGMENT_HEADER or not (wanted or leading):
                    raise self._corrupt(isec, ib, "a piece of a record without its beginning")
                elif wanted:
                    pieces.append(data[offset + 3 : offset + size])
                    have += size - 3
                    if have > wanted or (have < wanted and offset + size != limit):
                        raise self._corrupt(isec, ib, "a piece of a record has the wrong size")
                    if have == wanted:
                        whole = b"".join(pieces)
                        if record_size(whole, 0, wanted) != wanted or FRAGMENT_BEGIN <= whole[0] <= FRAGMENT:
                            raise self._corrupt(*begun, "the pieces make no record")
                        batch.append((begun[0], begun[1], whole[0], whole, 0, wanted))
                        wanted, pieces = 0, []
            skip = SEGMENT_HEADER
            padding = (isec, finish) if finish < SEGMENT_SIZE else (0, 0)
            yield batch

    @staticmethod
    def _begins_undo(found: tuple[int, int, int], data: bytes) -> bool:
        """Whether a record is one that recovery's undo may write behind a record that was cut off."""
        kind, offset, size = found
        return kind in _UNDO_STARTS or (kind == FRAGMENT_BEGIN and size > 7 and data[offset + 7] == UNDO_INFO)

    def records(self, start: Lgpos | None = None) -> Iterator[tuple[Lgpos, Record]]:
        """(position, record) of all records from `start` on; raises as `entries`."""
        generation = self.generation
        for batch in self.entries(start):
            for isec, ib, _, data, offset, size in batch:
                yield Lgpos(generation, isec, ib), decode_sized(data, offset, size)

    def continues(self, isec: int) -> bool:
        """Whether segment `isec` begins with a piece of a record of the segment before it."""
        return continues_record(self.segment(isec))
