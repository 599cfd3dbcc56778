"""The log of a running instance: its stream, the checkpoint file beside it, and the attached databases that follow it."""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from esent.constants import codes, params
from esent.engine.statistics import COUNTERS, Counters, ThreadCounters
from esent.errors import JetError, jet_error
from esent.log import kinds
from esent.log.checkpoint import ATTACH_LIST_IN_USE, Checkpoint
from esent.log.header import AttachInfo, DbmsParam
from esent.log.sink import RecordSink
from esent.log.writer import WINDING_UP, LogStream
from esent.pages.primitives import Lgpos, LogTime

if TYPE_CHECKING:
    from esent.engine.instance import Instance

_ENDS = WINDING_UP | {kinds.COMMIT, kinds.COMMIT0}
SEGMENT_BODY = 4000  # bytes of records in a segment, at least
SEGMENTS_KEPT_FREE = 3


@cython.cclass
class InstanceLog(RecordSink):
    """Appends, flushes and rolls through the instance's write gate; keeps the checkpoint.

    The checkpoint stays where the instance started until the log is deeper than JET_paramCheckpointDepthMax; then old pages
    are written, and it follows the oldest page that the files lack and the oldest open transaction. At a clean end it goes to
    the end of the log. A write that fails makes the log dead: `failed`, and the instance unavailable.

    Locks, in this order: that of the instance, the gate, that of the checkpoint.
    """

    def __init__(self, instance: Instance, stream: LogStream, checkpoint_path: Path, dbms_param: DbmsParam) -> None:
        self.instance: Instance = instance
        self.stream: LogStream = stream
        self.started_at: Lgpos = Lgpos()  # of the Init2 record
        self.failed: bool = False
        self.pressing = False
        self._deep: bool = False  # the checkpoint has to move on
        self._too_deep: bool = False  # and until it has, nothing new is begun
        self._path: Path = checkpoint_path
        self._guard: threading.RLock = threading.RLock()  # of the live checkpoint and its file, behind the gate
        self._live: Checkpoint = Checkpoint(signature=stream.signature, dbms_param=dbms_param)
        self._counters: ThreadCounters = COUNTERS
        stream.attachments = self.attachments
        stream.checkpoint = lambda: self.checkpoint_position
        stream.on_new_generation = self._new_generation
        stream.keep_from = lambda: 0 if instance.backup.holds_logs else stream.generation

    # -- records --------------------------------------------------------------------------------------------------

    def _checked(self) -> None:
        if self.failed:
            raise jet_error(codes.JET_errLogWriteFail, "the log takes no more records", file=self.stream.directory)

    def _met(self, problem: JetError) -> JetError:
        """What could not be written leaves the log dead: nothing after it may claim to be durable. A refusal (disk full, ...)
        does not."""
        if self.stream.failed is not None:
            self.failed = True
            self.instance.unavailable = problem
        return problem

    @cython.ccall
    def append_image(self, image: bytes) -> Lgpos:
        """Put the bytes of a record into the log; its position."""
        if self.failed:
            self._checked()
        if self._too_deep:
            self._refuse_new([image])
        position = self.stream.append_at_once(image)
        if position is None:
            with self.instance.gate.writing() if self._may_roll(len(image)) else nullcontext():
                try:
                    position = self.stream.append_images([image])[0]
                except JetError as problem:
                    raise self._met(problem) from None
        self._count(1, len(image))
        return position

    @cython.ccall
    def append_images(self, images: Sequence[bytes]) -> list[Lgpos]:
        """Put records into the log, none of another thread between them; their positions."""
        size: cython.Py_ssize_t = 0
        self._checked()
        if self._too_deep:
            self._refuse_new(images)
        for image in images:
            size += len(image)
        positions = self.stream.append_images_at_once(images, size)
        if positions is None:
            with self.instance.gate.writing() if self._may_roll(size) else nullcontext():
                try:
                    positions = self.stream.append_images(images)
                except JetError as problem:
                    raise self._met(problem) from None
        self._count(len(images), size)
        return positions

    @cython.cfunc
    def _count(self, records: cython.Py_ssize_t, size: cython.Py_ssize_t) -> cython.int:
        counters: Counters = self._counters.mine
        counters.log_records += records
        counters.log_bytes += size
        return 0

    def _may_roll(self, size: int) -> bool:
        """Whether appending that many bytes may need a new generation, which writes; elsewhere appending is work in memory."""
        last_needed = self.stream.tip().isec + size // SEGMENT_BODY + 1
        return last_needed > self.stream.header.file_segments - SEGMENTS_KEPT_FREE

    def flush(self, upto: Lgpos | None = None, *, fill: bool = True) -> None:
        """Return when the records up to `upto` (all) are durable; with `fill` the next record starts a segment of its own, so
        that the one just written need not be written again."""
        self._checked()
        with self.instance.gate.writing():
            try:
                self.stream.flush(upto, fill=fill)
            except JetError as problem:
                raise self._met(problem) from None

    def roll(self) -> None:
        """Start a new generation."""
        self._checked()
        with self.instance.gate.writing():
            try:
                self.stream.roll()
            except JetError as problem:
                raise self._met(problem) from None

    def close(self) -> None:
        self.stream.close()

    # -- the databases that follow --------------------------------------------------------------------------------

    def attachments(self, position: Lgpos) -> list[AttachInfo]:
        """The attach list as of a position."""
        entries = (database.attach_info(position) for database in self.instance.databases.all())
        return [entry for entry in entries if entry is not None]

    def _new_generation(self, generation: int, created: LogTime) -> None:
        """Before a new generation takes records: the headers, and where the log is deep the checkpoint, in this order: a
        checkpoint file that lies behind the headers only makes recovery longer. Old logs may go when this is done.

        Another thread may hold the lock of the instance and wait for this; then the checkpoint moves on a little later.
        """
        position = self._live.position
        deep = self.started_at != Lgpos() and self._behind(generation) > self._depth
        if deep and not self.instance.databases.unsettled:
            self._deep = self.pressing = True
            if self.instance.lock.acquire(blocking=False):
                try:
                    position, _ = self._reachable(Lgpos(generation, 1, 0))
                finally:
                    self.instance.lock.release()
        self.instance.databases.stamp_generation(generation, created, position.generation)
        if position > self._live.position:
            with self.instance.gate.writing(), self._guard:
                self._move_to(position)
                self.write_checkpoint()
        self._judge_depth(generation)

    @property
    def _depth(self) -> int:
        return self.instance.parameters.number(params.JET_paramCheckpointDepthMax)

    def _behind(self, generation: int) -> int:
        """Bytes of log between the checkpoint and a generation."""
        return (generation - self._live.position.generation) * self.stream.log_file_size

    def tend(self) -> None:
        """Between two operations, the lock of the instance held: where the log is deep, write old pages and the checkpoint."""
        if not self.pressing or self.instance.gate.closed or self.instance.databases.unsettled:
            return
        self._deep = False
        generation = self.stream.generation
        keep = max(1, self._depth // self.stream.log_file_size)
        for database in self.instance.databases.all():
            if database.logged:
                database.store.flush(Lgpos(generation - keep + 1, 0, 0))
        position, consistent = self._reachable(self.stream.durable_tip())
        if position.generation > self._live.position.generation:
            self.instance.databases.stamp_lowest(position.generation)
            self._move_to(position, consistent)
            self.write_checkpoint()
        self._judge_depth(generation)

    def _judge_depth(self, generation: int) -> None:
        most = self.instance.parameters.number(params.JET_paramCheckpointTooDeep)
        self._too_deep = self.started_at != Lgpos() and generation - self._live.position.generation >= most
        self.pressing = self._deep or self._too_deep

    def _refuse_new(self, images: Sequence[bytes]) -> None:
        """JET_errCheckpointDepthTooDeep for what is not the end of something."""
        if any(image[0] not in _ENDS for image in images):
            oldest = self.instance.transactions.oldest_logged()
            holder = "what is not written yet" if oldest is None else f"the open transaction {oldest.trx_begin0} of {oldest}"
            what = f"{holder} keeps the checkpoint in generation {self._live.position.generation}"
            raise jet_error(codes.JET_errCheckpointDepthTooDeep, what, file=self.stream.directory)

    def _reachable(self, tip: Lgpos) -> tuple[Lgpos, Lgpos]:
        """Where redo has to start, at `tip` at the latest; and the same without regard to open transactions."""
        instance = self.instance
        consistent = tip
        for database in instance.databases.all():
            if database.logged:
                consistent = min(consistent, database.store.oldest(), database.pinned)
        begun = instance.transactions.oldest_begin()
        return (min(consistent, begun) if begun is not None else consistent), consistent

    def _move_to(self, position: Lgpos, consistent: Lgpos | None = None) -> None:
        """Put the checkpoint forward; it never goes back. The headers of the databases say so already."""
        with self._guard:
            if position > self._live.position:
                self._live.position = position
                self._live.db_consistency = max(self._live.db_consistency, consistent or position)

    # -- the checkpoint -------------------------------------------------------------------------------------------

    @property
    def checkpoint_position(self) -> Lgpos:
        return self._live.position

    def start_checkpoint(self, position: Lgpos, before: Checkpoint | None) -> None:
        """Put the checkpoint where the instance starts; the backup fields go over from the one before of this stream."""
        with self.instance.gate.writing(), self._guard:
            if before is not None and before.signature == self._live.signature:
                self._live.last_full_backup_checkpoint = before.last_full_backup_checkpoint
                self._live.full_backup, self._live.full_backup_time = before.full_backup, before.full_backup_time
                self._live.incremental_backup = before.incremental_backup
                self._live.incremental_backup_time = before.incremental_backup_time
            self._advance(position)
            self.write_checkpoint()

    def _advance(self, position: Lgpos) -> None:
        self._live.position = self._live.db_consistency = position

    def update_checkpoint(self, change: Callable[[Checkpoint], None]) -> None:
        """Apply `change` to the live checkpoint and write it; if that fails the live one is as it was."""
        with self.instance.gate.writing(), self._guard:
            changed = self._live.copy()
            change(changed)
            self._write(changed)
            self._live = changed

    def write_checkpoint(self) -> None:
        """Write the live checkpoint with its attach list."""
        with self.instance.gate.writing(), self._guard:
            self._write(self._live)

    def finish_checkpoint(self, end: Lgpos) -> None:
        """After a clean end: at the end record, with nothing attached."""
        with self.instance.gate.writing(), self._guard:
            self._advance(end)
            self._live.attachments = []
            self._live.flags &= ~ATTACH_LIST_IN_USE
            self._live.write(self._path, files=self.instance.files)

    def _write(self, checkpoint: Checkpoint) -> None:
        checkpoint.attachments = self.attachments(checkpoint.position)
        checkpoint.flags |= ATTACH_LIST_IN_USE
        checkpoint.write(self._path, files=self.instance.files)
