"""The logs of a recovery: which there are, and replaying them in order (`reference/log-and-recovery.md` 7.2, 7.3, 7.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from esent.constants import codes, grbits
from esent.errors import JetError, jet_error
from esent.log.files import checkpoint_name, detect_extension, find_name, list_generations, log_name, temporary_name
from esent.log.header import CHECKSUM_CHAIN_MINOR, LogHeader
from esent.log.kinds import NOP2
from esent.log.reader import LogFile, read_header
from esent.pages.filesystem import FileSystem
from esent.pages.primitives import Lgpos, Signature
from esent.recovery.events import Events
from esent.recovery.options import RecoveryOptions
from esent.recovery.redo import Redo

_CORRUPT = frozenset(
    {
        codes.JET_errLogFileCorrupt,
        codes.JET_errLogCorruptDuringHardRestore,
        codes.JET_errLogCorruptDuringHardRecovery,
        codes.JET_errLogTornWriteDuringHardRestore,
        codes.JET_errLogTornWriteDuringHardRecovery,
    }
)
_SEQUENCE = frozenset({codes.JET_errInvalidLogSequence, codes.JET_errLogSequenceChecksumMismatch, codes.JET_errBadLogSignature})


@dataclass(slots=True)
class LogSet:
    """The files of one stream in one folder. `current` is the log without a number, `current_header` its header."""

    directory: Path
    base: str
    files: FileSystem
    extension: str = ".log"
    archives: dict[int, Path] = field(default_factory=dict)
    current: Path | None = None
    current_header: LogHeader | None = None
    has_temporary: bool = False

    @classmethod
    def scan(cls, directory: Path, base: str, files: FileSystem) -> LogSet:
        """What is in the folder. Raises what the header of the current log is refused for (JET_errLogFileCorrupt, ...)."""
        extension = detect_extension(directory, base, files) or ".log"
        found = cls(directory, base, files, extension, list_generations(directory, base, files, extension=extension))
        found.current = find_name(directory, log_name(base, extension=extension), files)
        found.has_temporary = find_name(directory, temporary_name(base, extension), files) is not None
        if found.current is not None:
            with files.open(found.current) as file:
                found.current_header = read_header(file, found.current)
                if file.size() != found.current_header.file_size:
                    what = f"the log has {file.size()} bytes in place of {found.current_header.file_size}"
                    raise jet_error(codes.JET_errLogFileSizeMismatch, what, file=found.current)
        return found

    @property
    def checkpoint_name(self) -> str:
        return checkpoint_name(self.base, self.extension)

    def all_paths(self) -> dict[int, Path]:
        """Every generation's file, ascending; the current log counts under the generation in its header."""
        paths = dict(self.archives)
        if self.current is not None and self.current_header is not None:
            paths[self.current_header.generation] = self.current
        return dict(sorted(paths.items()))


def last_record_position(log: LogFile) -> Lgpos:
    """Where the last record of a log stands, filler not counted; the end of the log if there is none."""
    last = log.end_position
    for batch in log.entries(Lgpos(log.generation, max(1, log.end.last), 0)):
        for isec, ib, kind, _, _, _ in batch:
            if kind != NOP2:
                last = Lgpos(log.generation, isec, ib)
    return last


@dataclass(slots=True)
class Replayed:
    """How far replay came."""

    last_generation: int
    last_header: LogHeader
    stopped: bool = False
    truncated_at: int = 0  # the first generation that was given up, 0 if none


class Replayer:
    """Replays generations in order, checking that each follows the one before it."""

    def __init__(self, options: RecoveryOptions, redo: Redo, events: Events, signature: Signature, page_size: int) -> None:
        self.options = options
        self.redo = redo
        self.events = events
        self.signature = signature
        self.page_size = page_size
        self.bytes = 0
        self.notes: list[str] = []
        self._rolling_forward = False

    def announce(self, generation: int, path: Path, current: Path | None, elsewhere: Path | None = None) -> None:
        """Say that a log is opened, and where it was looked for first: in the folder `elsewhere`, under its number."""
        if elsewhere is not None:
            self.events.open_log(generation, elsewhere / self._name(generation).name)
        if path == current:
            self.events.open_log(generation, self._name(generation))
        self.events.open_log(generation, path)

    def announce_missing(self, generation: int, elsewhere: Path | None) -> None:
        """Say where the log behind the last one was looked for, in vain."""
        current = self.options.log_path / log_name(self.options.base)
        self.announce(generation, current, current, elsewhere)

    def run(self, paths: dict[int, Path], start: Lgpos, last: int, *, current: Path | None, hard_until: int = -1) -> Replayed:
        """Replay from `start`, whose log was announced, to generation `last`.

        `hard_until`: in a restore, the highest generation of the backup; the codes for damaged logs differ before and after.
        """
        stop = self.options.stop
        generation = start.generation
        previous: LogHeader | None = None
        checksum = 0
        while generation <= last:
            path = paths.get(generation)
            try:
                if path is None:
                    raise jet_error(
                        codes.JET_errInvalidLogSequence, f"generation {generation} is missing", file=self._name(generation)
                    )
                if previous is not None:
                    backup = paths[hard_until].parent if generation == hard_until + 1 else None
                    self.announce(generation, path, current, backup)
                log = self._open(generation, path, previous, checksum)
            except JetError as problem:
                if previous is None:
                    raise
                self._judge(generation, problem, hard_until)
                return Replayed(generation - 1, previous, truncated_at=generation)
            with log:
                if log.end.damage is not None and previous is not None and self._may_truncate(generation):
                    return Replayed(generation - 1, previous, truncated_at=generation)
                if self._after_stop_time(log.header):
                    return Replayed(generation - 1, previous or log.header, stopped=True)
                stopped = self._replay(log, start if generation == start.generation else None, stop, last, hard_until, current)
                previous, checksum = log.header, log.accumulated_checksum
            self.events.notify()
            if stopped or (stop is not None and stop.generation <= generation):
                return Replayed(generation, previous, stopped=True)
            generation += 1
        assert previous is not None
        return Replayed(generation - 1, previous)

    def _name(self, generation: int) -> Path:
        return self.options.log_path / log_name(self.options.base, generation)

    def _open(self, generation: int, path: Path, previous: LogHeader | None, checksum: int) -> LogFile:
        options = self.options
        try:
            log = LogFile(path, files=options.files, page_size=self.page_size, generation=generation)
        except JetError as problem:
            if problem.code == codes.JET_errFileNotFound:
                raise jet_error(codes.JET_errInvalidLogSequence, f"generation {generation} is missing", file=path) from problem
            raise
        try:
            self._check_chain(log, previous, checksum)
        except JetError:
            log.close()
            raise
        return log

    def _check_chain(self, log: LogFile, previous: LogHeader | None, checksum: int) -> None:
        header = log.header
        self.options.check_log(header.version, log.path)
        if header.signature != self.signature:
            code = codes.JET_errBadLogSignature if previous is None else codes.JET_errInvalidLogSequence
            raise jet_error(code, f"generation {header.generation} belongs to another stream", file=log.path)
        if previous is None:
            return
        if header.file_size != previous.file_size:
            what = f"generation {header.generation} has {header.file_size} bytes, the one before it {previous.file_size}"
            raise jet_error(codes.JET_errLogFileSizeMismatch, what, file=log.path)
        if header.created_previous != previous.created:
            what = f"generation {header.generation} follows another generation {previous.generation}"
            raise jet_error(codes.JET_errInvalidLogSequence, what, file=log.path)
        both = header.version.update_minor >= CHECKSUM_CHAIN_MINOR and previous.version.update_minor >= CHECKSUM_CHAIN_MINOR
        if both and not header.version.is_legacy and header.previous_checksum != checksum:
            what = f"generation {header.generation} expects other content of generation {previous.generation}"
            raise jet_error(codes.JET_errLogSequenceChecksumMismatch, what, file=log.path)

    def _after_stop_time(self, header: LogHeader) -> bool:
        stop = self.options.stop_time
        if stop is None:
            return False
        wanted, created = stop.to_datetime(), header.created.to_datetime()
        return wanted is not None and created is not None and created.replace(tzinfo=None) > wanted.replace(tzinfo=None)

    def _replay(
        self, log: LogFile, start: Lgpos | None, stop: Lgpos | None, last: int, hard_until: int, current: Path | None
    ) -> bool:
        generation = log.generation
        self.redo.begin_generation(generation, log.header.created)
        if start is None or generation != start.generation:
            self.events.next_log()
        if 0 <= hard_until < generation and not self._rolling_forward:
            self._rolling_forward = True
            self.redo.attachments.roll_forward()
        try:
            stopped = self.redo.run(log, start, stop, self.events.segment)
        except JetError as problem:
            if problem.code == codes.JET_errLogFileCorrupt and hard_until >= 0:
                raise self._hard_code(generation, hard_until, problem.message, log.path) from problem
            raise
        self.bytes += max(0, log.end.last) * log.header.segment_size
        if log.end.repaired:
            self.notes.append(f"generation {generation}: a wrong bit was corrected in {len(log.end.repaired)} segments")
        if log.end.torn is not None:
            self.notes.append(f"generation {generation}: the last write was torn, its segment was read from the shadow")
        if log.end.unfinished is not None:
            self.notes.append(
                f"generation {generation}: the last write, from segment {log.end.unfinished} on, never finished or was damaged "
                "later; nothing of it was replayed"
            )
        if log.end.damage is not None and not stopped:
            what = f"{log.end.damage.value}, generation {generation}"
            damage = jet_error(
                codes.JET_errLogFileCorrupt, what, file=log.path, offset=(log.end.damaged or 0) * log.header.segment_size
            )
            if hard_until >= 0:
                damage = self._hard_code(generation, hard_until, damage.message, log.path)
            self._judge(generation, damage, hard_until)
        if log.end.torn is not None and not stopped:
            if generation <= hard_until:
                raise jet_error(codes.JET_errLogTornWriteDuringHardRestore, f"generation {generation} is torn", file=log.path)
            if generation < last:
                code = codes.JET_errLogTornWriteDuringHardRecovery if hard_until >= 0 else codes.JET_errLogFileCorrupt
                raise jet_error(code, f"generation {generation} is torn, and is not the last", file=log.path)
        return stopped

    @staticmethod
    def _hard_code(generation: int, hard_until: int, what: str, path: Path) -> JetError:
        restore = generation <= hard_until
        code = codes.JET_errLogCorruptDuringHardRestore if restore else codes.JET_errLogCorruptDuringHardRecovery
        return jet_error(code, what, file=path)

    def _satisfied(self, generation: int, name: str) -> bool:
        return all(getattr(db.header, name) <= generation for db in self.redo.databases.values())

    def _may_truncate(self, generation: int) -> bool:
        """Whether generation and all behind it may be given up: nothing in the files needs them, and the caller said so."""
        options = self.options
        both = options.grbit & grbits.JET_bitReplayIgnoreLostLogs and options.delete_out_of_range_logs
        return bool(both) and self._satisfied(generation - 1, "gen_max_required")

    def _judge(self, generation: int, problem: JetError, hard_until: int) -> None:
        """A generation is bad or missing: returns where it may be given up, else raises what the loss means."""
        if hard_until >= 0 or problem.code not in (_CORRUPT | _SEQUENCE):
            raise problem
        if self._may_truncate(generation):
            return
        if not self._satisfied(generation - 1, "gen_max_required") or self._satisfied(generation - 1, "gen_max_committed"):
            raise problem
        code = codes.JET_errCommittedLogFileCorrupt if problem.code in _CORRUPT else codes.JET_errCommittedLogFilesMissing
        raise jet_error(code, problem.message, file=self._name(generation)) from problem
