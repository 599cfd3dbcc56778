"""The live log of an instance: appending, making durable, going on to the next generation
(`reference/log-and-recovery.md` 1.5, 3.3, 8.7).

Threads: one lock guards the memory; nobody holds it while the disk works. A thread that needs durability writes for everybody
whose records are in the buffer, the others wait for it (group commit). While a new generation is made, appending waits. The
callbacks run in the thread whose append or roll it is, without this lock: a caller holds what its callbacks need before it
appends.

What a write leaves when the machine stops in it: see `segments`. A segment that is on disk before it is full is written again,
and synced, before anything behind it is touched, because its shadow stands there.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from esent.constants import codes
from esent.constants.formats import HIGHEST
from esent.errors import JetError, jet_error
from esent.log import kinds
from esent.log.buffer import MOST_BUFFERED, SegmentBuffer
from esent.log.files import GENERATION_FIRST, GENERATION_LIMIT, GENERATION_LIMIT_RECOVERY, find_name
from esent.log.generations import DEFAULT_RESERVES, StreamFiles, segments_of
from esent.log.header import (
    FLAG_CIRCULAR,
    FLAG_EVER_CIRCULAR,
    AttachInfo,
    DbmsParam,
    LogHeader,
    LogVersion,
)
from esent.log.reader import LogFile
from esent.log.scan import SEGMENT_SIZE
from esent.log.segments import BATCH_MARK, LogEnd, stored_checksum
from esent.log.sink import RecordSink
from esent.pages.filesystem import FILES, File, FileSystem
from esent.pages.primitives import LGPOS_MIN, Lgpos, LogTime, Signature

DEFAULT_VERSION = LogVersion()
DEFAULT_ENGINE_FORMAT = HIGHEST.efv  # of this engine, whatever the version of the log
NO_TIME = LogTime()
DEFAULT_LOG_FILE_SIZE = 5120 * 1024
RESERVE_RETRY = 1.0  # seconds between two looks whether the disk has room again

# what still may be logged where new work is refused: the ends of what was begun
WINDING_UP = frozenset(
    {
        kinds.UNDO,
        kinds.UNDO_INFO,
        kinds.ROLLBACK,
        kinds.MACRO_ABORT,
        kinds.SHUT_DOWN_MARK,
        kinds.TERM,
        kinds.TERM2,
        kinds.RECOVERY_UNDO,
        kinds.RECOVERY_UNDO2,
        kinds.RECOVERY_QUIT,
        kinds.RECOVERY_QUIT2,
        kinds.RECOVERY_QUIT_KEEP_ATTACHMENTS,
        kinds.DETACH_DB,
        kinds.BACKUP2,
        kinds.TRACE,
        kinds.NOP2,
    }
)


def _no_attachments(_position: Lgpos) -> list[AttachInfo]:
    return []


@dataclass(slots=True, frozen=True)
class StreamSettings:
    """What a stream keeps to in all generations it begins."""

    version: LogVersion
    engine_format_version: int
    dbms_param: DbmsParam
    circular: bool
    reserves: int
    batch_marks: bool
    clock: Callable[[], LogTime]

    @property
    def mark(self) -> int:
        return BATCH_MARK if self.batch_marks else 0


@cython.cclass
class LogStream(RecordSink):
    """The log stream of a running instance. Made by `create` or `resume`.

    These are for the owner to set: `attachments(position)` gives the databases attached as of a position, `checkpoint()` the
    current checkpoint; both are asked for when a header is written. `on_new_generation(generation, created)` is called when a
    generation exists and before it takes records. `keep_from()` gives the lowest generation circular logging must keep, beside
    those from the checkpoint on. `recovering` lets the stream go on into the last generations, which are kept for undo.
    """

    def __init__(
        self,
        place: StreamFiles,
        header: LogHeader,
        file: File,
        last_written: int,
        accumulated: int,
        settings: StreamSettings,
        filler: int = SEGMENT_SIZE,
    ) -> None:
        self.place: StreamFiles = place
        self.header: LogHeader = header
        self.settings: StreamSettings = settings
        self.recovering: bool = False
        self.pressing = False
        self.attachments: Callable[[Lgpos], list[AttachInfo]] = _no_attachments
        self.checkpoint: Callable[[], Lgpos] = lambda: LGPOS_MIN
        self.on_new_generation: Callable[[int, LogTime], None] | None = None
        self.keep_from: Callable[[], int] | None = None
        self._file: File = file
        self._mutex: threading.Lock = threading.Lock()
        self._changed: threading.Condition = threading.Condition(self._mutex)
        self._busy: bool = False  # a thread writes
        self._rolling: bool = False  # a generation is being made
        self._roller: int = 0
        self._failure: JetError | None = None
        self._quiesced: bool = False
        self._last_try: float = 0.0
        self._closed: bool = False
        self._accumulated: int = accumulated
        self._start_buffer(last_written, filler)

    def _start_buffer(self, last_written: int, filler: int = SEGMENT_SIZE) -> None:
        header = self.header
        self._buffer: SegmentBuffer = SegmentBuffer(
            header.generation,
            last_written,
            header.file_segments - 2,
            self.settings.clock,
            marked=self.settings.batch_marks,
            filler=filler,
        )
        self._unsynced: int = last_written + 1  # the first segment that may not be on disk
        self._tail_on_disk: int = -1  # the segment that is on disk, with its shadow, and not full
        self._durable: Lgpos = self._buffer.tip
        self._note_state()

    def _note_state(self) -> None:
        """After a change of what may stand in the way of a record: whether nothing does."""
        self._usual: bool = not (
            self._rolling or self._closed or self._quiesced or self._failure is not None or self.sequence_end
        )

    # ---- making one ---------------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        directory: Path,
        base: str = "edb",
        *,
        page_size: int = 4096,
        log_file_size: int = DEFAULT_LOG_FILE_SIZE,
        files: FileSystem = FILES,
        extension: str = ".log",
        digits: int = 5,
        generation: int = GENERATION_FIRST,
        signature: Signature | None = None,
        created_previous: LogTime = NO_TIME,
        previous_checksum: int = 0,
        version: LogVersion = DEFAULT_VERSION,
        engine_format_version: int = DEFAULT_ENGINE_FORMAT,
        dbms_param: DbmsParam | None = None,
        circular: bool = False,
        attachments: Callable[[Lgpos], list[AttachInfo]] = _no_attachments,
        checkpoint: Callable[[], Lgpos] | None = None,
        reserves: int = DEFAULT_RESERVES,
        batch_marks: bool = True,
        clock: Callable[[], LogTime] = LogTime.now,
    ) -> LogStream:
        """A new stream, or, with `generation`, `signature` and what the header says of the previous one, a new current log.

        `log_file_size` is in bytes. Raises JET_errFileAlreadyExists where there is a current log, JET_errLogDiskFull.
        """
        place = StreamFiles(directory, base, files, extension, digits)
        if files.exists(place.current):
            raise jet_error(codes.JET_errFileAlreadyExists, "creating a log stream", file=place.current)
        segments = segments_of(log_file_size)
        param = dbms_param or DbmsParam()
        settings = StreamSettings(version, engine_format_version, param, circular, reserves, batch_marks, clock)
        header = LogHeader(
            generation,
            file_segments=segments,
            page_size=page_size,
            created=clock(),
            created_previous=created_previous,
            version=version,
            signature=signature or Signature.fresh(),
            dbms_param=param.of_log(segments, circular),
            flags=FLAG_CIRCULAR if circular else 0,
            checkpoint=checkpoint() if checkpoint else Lgpos(generation, 1, 0),
            previous_checksum=previous_checksum,
            engine_format_version=engine_format_version,
            attachments=attachments(Lgpos(generation, 0, 0)),
            mark=settings.mark,
        )
        stream = cls._begin(place, header, settings, None)
        stream.attachments = attachments
        stream.checkpoint = checkpoint or stream.checkpoint
        return stream

    @classmethod
    def _begin(
        cls, place: StreamFiles, header: LogHeader, settings: StreamSettings, closed_generation: int | None
    ) -> LogStream:
        """Make the file of `header` the current log and open the stream at its first segment."""
        try:
            from_reserve = place.prepare(header)
        except JetError as problem:
            if problem.code == codes.JET_errDiskFull:
                raise jet_error(codes.JET_errLogDiskFull, "creating a log", file=place.temporary) from problem
            raise
        place.publish(closed_generation)
        place.keep_reserves(settings.reserves, header.file_size)
        stream = cls(place, header, place.open_current(), header.header_segments - 1, 0, settings)
        stream._quiesced = from_reserve
        stream._note_state()
        return stream

    @classmethod
    def resume(
        cls,
        directory: Path,
        base: str = "edb",
        *,
        files: FileSystem = FILES,
        extension: str = ".log",
        signature: Signature | None = None,
        page_size: int | None = None,
        allow_missing_current: bool = False,
        version: LogVersion | None = None,
        engine_format_version: int = DEFAULT_ENGINE_FORMAT,
        dbms_param: DbmsParam | None = None,
        circular: bool = False,
        attachments: Callable[[Lgpos], list[AttachInfo]] = _no_attachments,
        checkpoint: Callable[[], Lgpos] | None = None,
        reserves: int = DEFAULT_RESERVES,
        batch_marks: bool = True,
        clock: Callable[[], LogTime] = LogTime.now,
    ) -> LogStream:
        """Go on with the stream in `directory`, in the segment behind its last one.

        `extension` is what the stream has if its files do not tell; `version` is that of the generations to come, at least the
        stream's own. What the last write left unfinished is put right first: a
        torn tail from its shadow, the rest of a batch by clearing it. Where the current log is missing but BASEtmp is there (a
        roll that stopped between its renames), or with `allow_missing_current`, a new current log follows the highest numbered
        one; so it does behind a log of the legacy format. Raises JET_errMissingLogFile, JET_errLogFileCorrupt for damage that
        is not such a remainder, and the errors of `LogFile`.
        """
        place = StreamFiles.find(directory, base, files, extension=extension)
        current = find_name(directory, place.current.name, files)
        archived = current is None
        unfinished_roll = files.exists(place.temporary)
        if current is None:
            archives = place.generations()
            if not archives or not (unfinished_roll or allow_missing_current):
                raise jet_error(codes.JET_errMissingLogFile, "the current log is missing", file=place.current)
            current = archives[max(archives)]
        with LogFile(current, files=files, page_size=page_size, signature=signature) as log:
            end, header = log.end, log.header
            filler = log.filler
        if end.damage is not None:
            raise jet_error(
                codes.JET_errLogFileCorrupt,
                f"continuing a log: {end.damage.value}",
                file=current,
                offset=(end.damaged or 0) * header.segment_size,
            )
        param = dbms_param or header.dbms_param
        settings = StreamSettings(
            version or (DEFAULT_VERSION if header.version.is_legacy else header.version),
            engine_format_version,
            param,
            circular,
            reserves,
            batch_marks,
            clock,
        )
        if header.version.is_legacy or archived:
            accumulated = 0 if header.version.is_legacy else end.accumulated
            following = following_header(header, accumulated, settings)
            following.checkpoint = checkpoint() if checkpoint else header.checkpoint
            following.attachments = attachments(Lgpos(following.generation, 0, 0))
            stream = cls._begin(place, following, settings, None if archived else header.generation)
        else:
            if current.name != place.current.name:  # the same name in another case, from a system that does not tell them apart
                files.rename(current, place.current)
            file = place.open_current()
            try:
                put_right(file, header, end)
                if unfinished_roll:
                    files.remove(place.temporary)
                place.keep_reserves(reserves, header.file_size)
            except JetError:
                file.close()
                raise
            stream = cls(place, header, file, end.last, end.accumulated, settings, filler)
        stream.attachments = attachments
        stream.checkpoint = checkpoint or stream.checkpoint
        return stream

    def raise_version(self, version: LogVersion) -> bool:
        """Let the generations to come have at least this version; whether the current one has a lower one."""
        with self._mutex:
            self.settings = replace(self.settings, version=max(self.settings.version, version))
            return self.header.version < version

    # ---- what it is ------------------------------------------------------------------------------------------------------

    @property
    def signature(self) -> Signature:
        return self.header.signature

    @property
    def generation(self) -> int:
        return self.header.generation

    @property
    def created(self) -> LogTime:
        return self.header.created

    @property
    def base(self) -> str:
        return self.place.base

    @property
    def directory(self) -> Path:
        return self.place.directory

    @property
    def extension(self) -> str:
        return self.place.extension

    @property
    def log_file_size(self) -> int:
        return self.header.file_size

    @property
    def failed(self) -> JetError | None:
        """The error that ended the stream, if one did."""
        return self._failure

    @property
    def disk_full(self) -> bool:
        """Whether only the end of what was begun may be logged, because the disk is full."""
        return self._quiesced

    @property
    def sequence_end(self) -> bool:
        """Whether the generations are used up, but for those kept for recovery."""
        return self.generation >= GENERATION_LIMIT

    @property
    def buffered(self) -> int:
        """Segments held in memory."""
        return self._buffer.count

    def tip(self) -> Lgpos:
        """The position the next record gets (if it does not have to go into a new generation)."""
        with self._changed:
            return self._buffer.tip

    def durable_tip(self) -> Lgpos:
        """All records at positions below this one are on disk."""
        with self._changed:
            return self._durable

    # ---- appending -------------------------------------------------------------------------------------------------------

    # `append` and what is like it raise JET_errLogWriteFail (the stream is dead), JET_errLogDiskFull, JET_errLogSequenceEnd,
    # JET_errLogBufferTooSmall.

    @cython.ccall
    def append_image(self, image: bytes) -> Lgpos:
        """Log the bytes of a record; its position. It is durable after a `flush` of that position."""
        position = self.append_at_once(image)
        return position if position is not None else self.append_images([image])[0]

    @cython.ccall
    def append_at_once(self, image: bytes) -> Lgpos | None:
        """As `append_image` if that takes no more than the buffer; else None, and nothing happened."""
        self._mutex.acquire()
        try:
            return self._buffer.append_at_once(image) if self._usual else None
        finally:
            self._mutex.release()

    @cython.ccall
    def append_images_at_once(self, images: Sequence[bytes], size: cython.Py_ssize_t) -> list[Lgpos] | None:
        """As `append_images` for records of together `size` bytes if that takes no more than the buffer; else None."""
        self._mutex.acquire()
        try:
            if not self._usual or not self._buffer.has_room_at_once(size):
                return None
            return [self._buffer.append(image) for image in images]
        finally:
            self._mutex.release()

    @cython.ccall
    def append_images(self, images: Sequence[bytes]) -> list[Lgpos]:
        """As `append_image` for several records, with none of another thread between them; their positions."""
        sizes = [len(image) for image in images]
        while True:
            with self._changed:
                self._await_roll()
                self._check(images)
                buffer = self._buffer
                if buffer.fits(sizes):
                    places = [buffer.append(image) for image in images]
                    write_back = buffer.count > MOST_BUFFERED and not self._busy
                    break
                fresh = buffer.tip == Lgpos(self.generation, self.header.header_segments, 0)
                generation = self.generation
            if not fresh:
                self._roll_from(generation)
            elif len(images) > 1:
                return [self.append_image(image) for image in images]
            else:
                raise jet_error(
                    codes.JET_errLogBufferTooSmall, f"a log record of {sizes[0]} bytes does not fit into a log file"
                )
        if write_back:
            self._write_back()
        return places

    def _await_roll(self) -> None:
        if self._rolling and self._roller == threading.get_ident():
            raise jet_error(codes.JET_errInternalError, "logging from within the callback for a new generation")
        while self._rolling:
            self._changed.wait()

    def _check(self, images: Sequence[bytes]) -> None:
        self._check_alive()
        if (self._quiesced or self.sequence_end) and any(image[0] not in WINDING_UP for image in images):
            if self.sequence_end and not self.recovering:
                raise jet_error(codes.JET_errLogSequenceEnd, "the generations of the log are used up")
            if self._quiesced and not self._has_room_again():
                raise jet_error(codes.JET_errLogDiskFull, "the disk of the log is full", file=self.directory)

    def _check_alive(self) -> None:
        if self._failure is not None:
            raise jet_error(self._failure.code, self._failure.message) from self._failure
        if self._closed:
            raise jet_error(codes.JET_errLoggingDisabled, "the log is closed", file=self.directory)

    def _has_room_again(self) -> bool:
        """Whether the reserves can be made again, which ends the state of a full disk."""
        now = time.monotonic()
        if now - self._last_try < RESERVE_RETRY:
            return False
        self._last_try = now
        self._quiesced = not self.place.keep_reserves(max(1, self.settings.reserves), self.header.file_size)
        self._note_state()
        return not self._quiesced

    def fill_segment(self) -> None:
        """Fill the current segment, so that the next record begins a fresh one."""
        with self._changed:
            self._await_roll()
            self._check_alive()
            self._buffer.fill()

    # ---- making durable ----------------------------------------------------------------------------------------------------

    def flush(self, upto: Lgpos | None = None, *, fill: bool = True) -> None:
        """Return when the record at `upto` (default: every record there is) is on disk.

        With `fill` the segment written last is filled, so that it need not be written again. Raises JET_errLogWriteFail.
        """
        with self._changed:
            tip = self._buffer.tip
            while True:
                self._check_alive()
                if self._durable > upto if upto is not None else self._durable >= tip:
                    return
                if not self._busy:
                    break
                self._changed.wait()
            self._busy = True
            if fill:
                self._buffer.fill()
            tip = self._buffer.tip
            first, images, partial = self._take()
        self._finish(self._write(first, images, partial), tip, partial)

    def is_durable(self, position: Lgpos) -> bool:
        """Whether the record at a position is on disk."""
        return self.durable_tip() > position

    def _take(self, *, close: bool = False, partial: bool = True) -> tuple[int, list[bytes], bool]:
        """(number of the first, images, whether the last one is not full) of what is to be written; full ones are done with."""
        buffer = self._buffer
        first = buffer.first
        images = buffer.take(self._unsynced, close=close, partial=partial)
        stays = partial and buffer.count > 0
        for image in images[:-1] if stays else images:
            self._accumulated ^= stored_checksum(image)
        return first, images, stays

    def _write(self, first: int, images: Sequence[bytes], partial: bool, *, sync: bool = True) -> JetError | None:
        """Write segments, and the shadow of the last one where it is not full; the error if that failed."""
        file = self._file
        try:
            if images:
                rest = images
                at = first
                if self._tail_on_disk == first:
                    file.write(first * SEGMENT_SIZE, images[0])
                    file.sync()
                    rest = images[1:]
                    at = first + 1
                if rest:
                    file.write(at * SEGMENT_SIZE, b"".join(rest))
                if partial:
                    file.write((first + len(images)) * SEGMENT_SIZE, images[-1])
            if sync:
                file.sync()
        except JetError as problem:
            return problem
        except BaseException as problem:  # an interrupt: nobody knows how far the write came
            with self._changed:
                self._fail(_interrupted(problem), "writing the log")
            raise
        return None

    def _fail(self, problem: JetError, what: str) -> JetError:
        """Make the stream dead (the lock is held); the error to raise."""
        self._failure = failure = jet_error(codes.JET_errLogWriteFail, f"{what}: {problem.message}")
        self._busy = self._rolling = False
        self._note_state()
        self._changed.notify_all()
        return failure

    def _finish(self, problem: JetError | None, tip: Lgpos, partial: bool) -> None:
        with self._changed:
            if problem is not None:
                raise self._fail(problem, "writing the log") from problem
            self._durable = max(self._durable, tip)
            # the number of the segment behind what is on disk for good
            self._unsynced = tip.isec if tip.ib == 0 else tip.isec + 1
            self._tail_on_disk = tip.isec if partial else -1
            self._busy = False
            self._changed.notify_all()

    def _write_back(self) -> None:
        """Hand the full segments to the system, so that the buffer stays small; nobody waits for them to be on disk."""
        with self._changed:
            if self._busy or self._failure is not None:
                return
            self._busy = True
            first, images, _ = self._take(partial=False)
        problem = self._write(first, images, False, sync=False)
        with self._changed:
            if problem is not None:
                raise self._fail(problem, "writing the log") from problem
            if images:
                self._tail_on_disk = -1
            self._busy = False
            self._changed.notify_all()

    # ---- generations -------------------------------------------------------------------------------------------------------

    def roll(self) -> int:
        """Close the current generation and begin the next one, whose number is returned. Raises as `append`."""
        self._roll_from(self.generation)
        return self.generation

    def _roll_from(self, generation: int) -> None:
        """Begin the generation after `generation`, unless another thread has done so."""
        with self._changed:
            while self._busy or self._rolling:
                if self._rolling and self._roller == threading.get_ident():
                    raise jet_error(codes.JET_errInternalError, "a new generation from within the callback for one")
                self._changed.wait()
            self._check_alive()
            if self.generation != generation:
                return
            if generation >= (GENERATION_LIMIT_RECOVERY if self.recovering or self.sequence_end else GENERATION_LIMIT):
                raise jet_error(codes.JET_errLogSequenceEnd, "the generations of the log are used up")
            self._busy = self._rolling = True
            self._note_state()
            self._roller = threading.get_ident()
            first, images, _ = self._take(close=True)
        try:
            header, from_reserve = self._make_generation(self._write(first, images, False))
            file = self.place.open_current()
        except BaseException as problem:
            with self._changed:
                failure = self._fail(_interrupted(problem), "beginning a new log")
                if isinstance(problem, JetError) and problem.code == codes.JET_errLogDiskFull:
                    self._failure = failure = problem
            if isinstance(problem, JetError):
                raise failure from problem
            raise
        with self._changed:
            closed, self._file = self._file, file
            self.header = header
            self._accumulated = 0
            self._quiesced = from_reserve
            self._start_buffer(header.header_segments - 1)
            self._busy = False
            self._changed.notify_all()
        closed.close()
        try:
            if self.on_new_generation is not None:
                self.on_new_generation(header.generation, header.created)
        except BaseException as problem:
            with self._changed:
                self._fail(_interrupted(problem), "announcing a new log")
            raise
        with self._changed:
            self._rolling = False
            self._note_state()
            self._changed.notify_all()
        self._drop_surplus()

    def _make_generation(self, problem: JetError | None) -> tuple[LogHeader, bool]:
        """The files of the next generation, the closed one being on disk (or not: `problem`); whether a reserve was needed."""
        if problem is not None:
            raise problem
        header = self._next_header()
        from_reserve = self._prepare(header)
        self.place.publish(self.generation)
        return header, from_reserve

    def _next_header(self) -> LogHeader:
        header = following_header(self.header, self._accumulated, self.settings)
        position = self.checkpoint()
        header.checkpoint = position if position != LGPOS_MIN else Lgpos(self.generation, self.header.header_segments, 0)
        header.attachments = self.attachments(Lgpos(header.generation, 0, 0))
        return header

    def _prepare(self, header: LogHeader) -> bool:
        """Make BASEtmp for `header`, from an old log where circular logging frees one; whether a reserve was needed."""
        recycle = None
        if self.settings.circular and header.version.reuses_content:
            limit = self._circular_limit()
            oldest = next(iter(self.place.generations().items()), None)
            if oldest is not None and oldest[0] < limit:
                recycle = oldest[1]
        try:
            return self.place.prepare(header, recycle)
        except JetError as problem:
            if problem.code == codes.JET_errDiskFull:
                raise jet_error(codes.JET_errLogDiskFull, "no room for the next log", file=self.place.temporary) from problem
            raise

    def _circular_limit(self) -> int:
        """The lowest generation circular logging must keep."""
        limit = self.checkpoint().generation
        return min(limit, self.keep_from()) if self.keep_from is not None else limit

    def _drop_surplus(self) -> None:
        if self.settings.circular:
            with contextlib.suppress(JetError):  # a log that cannot be deleted now is deleted at the next chance
                self.place.delete_below(self._circular_limit())

    def delete_generations_below(self, generation: int) -> list[int]:
        """Delete the closed logs below a generation; those deleted. Which may go is the caller's knowledge."""
        return self.place.delete_below(min(generation, self.generation))

    def close(self, *, flush: bool = True) -> None:
        """Write what is left, without filling the last segment, and close the file; `flush=False` drops it, as a crash does."""
        try:
            if flush and self._failure is None and not self._closed:
                self.flush(fill=False)
        finally:
            with self._changed:
                while self._busy or self._rolling:
                    self._changed.wait()
                self._closed = True
                self._note_state()
            self._file.close()


def _interrupted(problem: BaseException) -> JetError:
    if isinstance(problem, JetError):
        return problem
    return jet_error(codes.JET_errInternalError, f"interrupted by {type(problem).__name__}")


def following_header(previous: LogHeader, accumulated: int, settings: StreamSettings) -> LogHeader:
    """The header of the generation after `previous`, its version at least that one's; list and checkpoint are the caller's."""
    segments = segments_of(previous.file_size)
    flags = FLAG_CIRCULAR if settings.circular else 0
    if previous.flags & (FLAG_CIRCULAR | FLAG_EVER_CIRCULAR):
        flags |= FLAG_EVER_CIRCULAR
    return LogHeader(
        previous.generation + 1,
        file_segments=segments,
        page_size=previous.page_size,
        created=settings.clock(),
        created_previous=previous.created,
        version=max(settings.version, previous.version),
        signature=previous.signature,
        dbms_param=settings.dbms_param.of_log(segments, settings.circular),
        flags=flags,
        previous_checksum=accumulated,
        engine_format_version=settings.engine_format_version,
        mark=settings.mark,
    )


def put_right(file: File, header: LogHeader, end: LogEnd) -> None:
    """Repair on disk what reading the log repaired in memory, and clear what an unfinished write left."""
    wrong = sorted({*end.repaired, *end.mended})
    for isec in wrong:
        offset = isec * SEGMENT_SIZE
        file.write(offset, end.image(isec, file.read(offset, SEGMENT_SIZE)))
    if wrong:
        file.sync()
    if end.unfinished is not None:
        start = end.unfinished * SEGMENT_SIZE
        file.write(start, bytes(header.file_size - start))
        file.sync()
