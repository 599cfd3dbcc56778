"""Verification of a log stream: every log file, the chain from one generation to the next, the checkpoint.

What counts as an error, and what does not (`reference/log-and-recovery.md` 2.5, 3.4, 3.6, 6.1, 7.3):

- what stops recovery is an error: a damaged header or segment, a record that cannot be read, a missing generation, a log that
  does not follow the one before it, a checkpoint that points to a log that is not there;
- what recovery puts right by itself is a warning: a single wrong bit, a torn tail with a good shadow, an unfinished last write,
  a damaged checkpoint, a missing current log;
- that the stream was not closed, so that recovery has work to do, and that there is no checkpoint, are notes.

Nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from esent.constants import codes
from esent.errors import JetError
from esent.log.checkpoint import COPY_SIZE, Checkpoint
from esent.log.files import (
    checkpoint_name,
    detect_bases,
    detect_extension,
    find_name,
    list_generations,
    log_name,
    temporary_name,
)
from esent.log.header import CHECKSUM_CHAIN_MINOR, LogHeader
from esent.log.reader import LogFile
from esent.log.records import decode_sized
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.primitives import Lgpos, Signature
from esent.tools.verify import Finding, Severity

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class _Link:
    """A verified log as the next one must follow it; `checksum` is None where it is not known."""

    header: LogHeader
    checksum: int | None


class _StreamVerifier:
    def __init__(
        self, directory: Path, base: str, checkpoint_directory: Path, files: FileSystem, progress: Progress | None
    ) -> None:
        self.directory = directory
        self.base = base
        self.checkpoint_directory = checkpoint_directory
        self.files = files
        self.progress = progress
        self.findings: list[Finding] = []
        self.signature: Signature | None = None
        self.page_size: int | None = None
        self.links: dict[int, _Link | None] = {}
        self.ends: dict[int, Lgpos] = {}

    def add(self, path: Path, severity: Severity, text: str, offset: int | None = None) -> None:
        self.findings.append(Finding(path, None, offset, severity, text))

    def run(self) -> list[Finding]:
        extension = detect_extension(self.directory, self.base, self.files) or ".log"
        archives = list_generations(self.directory, self.base, self.files, extension=extension)
        current = find_name(self.directory, log_name(self.base, extension=extension), self.files)
        logs: list[tuple[int | None, Path]] = [*archives.items()]
        if current is not None:
            logs.append((None, current))
        for number, (generation, path) in enumerate(logs):
            if self.progress is not None:
                self.progress(number, len(logs))
            self.log(generation, path, last=number == len(logs) - 1)
        if self.progress is not None:
            self.progress(len(logs), len(logs))
        if current is None:
            prepared = find_name(self.directory, temporary_name(self.base, extension), self.files)
            why = "; its successor was being made" if prepared else ""
            self.add(
                self.directory, Severity.WARNING, f"there is no current log {log_name(self.base, extension=extension)}{why}"
            )
        self.chain(dict(archives), current)
        self.checkpoint(extension)
        return self.findings

    def log(self, generation: int | None, path: Path, *, last: bool) -> None:
        """Verify one file; `generation` is what its name says, None for the current log."""
        try:
            log = LogFile(path, files=self.files, generation=generation, page_size=self.page_size, signature=self.signature)
        except JetError as problem:
            self.add(path, Severity.ERROR, f"{_number(generation)}{problem.message}", 0)
            if generation is not None:
                self.links[generation] = None
            return
        with log:
            header = log.header
            if self.signature is None:
                self.signature, self.page_size = header.signature, header.page_size
            if header.generation in self.links:
                self.add(path, Severity.ERROR, f"generation {header.generation} is there twice", 0)
                return
            whole = self.segments(log, path, archived=generation is not None, last=last)
            readable = self.records(log, path)
            self.links[header.generation] = _Link(header, log.accumulated_checksum if whole else None)
            self.ends[header.generation] = log.end_position
            if last and whole and readable and not log.end.closed:
                self.add(path, Severity.NOTE, f"generation {header.generation} was not closed: recovery has work to do")

    def segments(self, log: LogFile, path: Path, *, archived: bool, last: bool) -> bool:
        """Whether all segments are as they were written."""
        end = log.end
        size = log.header.segment_size
        name = f"generation {log.generation}: "
        for isec in sorted(end.repaired):
            self.add(path, Severity.WARNING, f"{name}one bit of segment {isec} is wrong, and corrected on reading", isec * size)
        if end.torn is not None:
            severity = Severity.WARNING if last or not archived else Severity.ERROR
            self.add(path, severity, f"{name}segment {end.torn} is torn, its shadow is good", end.torn * size)
        if end.unfinished is not None:
            offset = end.unfinished * size
            self.add(path, Severity.WARNING, f"{name}the last write, from segment {end.unfinished} on, did not finish", offset)
        if end.damage is not None:
            damaged = end.damaged or 0
            self.add(path, Severity.ERROR, f"{name}segment {damaged}: {end.damage.value}", damaged * size)
        return end.damage is None and end.unfinished is None

    def records(self, log: LogFile, path: Path) -> bool:
        """Whether every record can be read."""
        try:
            for batch in log.entries():
                for isec, ib, _, data, offset, size in batch:
                    try:
                        decode_sized(data, offset, size)
                    except JetError as problem:
                        place = isec * log.header.segment_size + ib
                        self.add(path, Severity.ERROR, f"generation {log.generation}: {problem.message}", place)
                        return False
        except JetError as problem:
            self.add(path, Severity.ERROR, f"generation {log.generation}: {problem.message}")
            return False
        return True

    def chain(self, archives: dict[int, Path], current: Path | None) -> None:
        """Whether each generation follows the one before it."""
        previous: int | None = None
        for generation in sorted(self.links):
            link = self.links[generation]
            path = archives.get(generation) or current or self.directory
            if previous is not None and generation != previous + 1:
                gap = (
                    f"generation {previous + 1} is"
                    if generation == previous + 2
                    else f"generations {previous + 1} to {generation - 1} are"
                )
                self.add(self.directory, Severity.ERROR, f"{gap} missing")
            elif previous is not None and link is not None:
                before = self.links[previous]
                if before is not None:
                    self.follows(path, before, link)
            previous = generation

    def follows(self, path: Path, before: _Link, link: _Link) -> None:
        header = link.header
        name = f"generation {header.generation} does not follow generation {before.header.generation}: "
        if header.created_previous != before.header.created:
            self.add(path, Severity.ERROR, f"{name}it names another creation time", 24)
        if header.file_size != before.header.file_size:
            self.add(path, Severity.ERROR, f"{name}it has another size", 12)
        carried = all(version.update_minor >= CHECKSUM_CHAIN_MINOR for version in (header.version, before.header.version))
        if carried and before.checksum is not None and header.previous_checksum != before.checksum:
            self.add(path, Severity.ERROR, f"{name}it names another checksum of its segments", 653)

    def checkpoint(self, extension: str) -> None:
        path = self.checkpoint_directory / checkpoint_name(self.base, extension)
        path = find_name(path.parent, path.name, self.files) or path
        try:
            found = Checkpoint.read(path, signature=self.signature, files=self.files)
        except JetError as problem:
            if problem.code == codes.JET_errBadCheckpointSignature:
                severity = Severity.ERROR
            else:
                severity = Severity.NOTE if problem.code == codes.JET_errCheckpointFileNotFound else Severity.WARNING
            self.add(path, severity, problem.message)
            return
        with self.files.open(path) as file:
            for offset in (0, COPY_SIZE):
                try:
                    Checkpoint.parse(file.read(offset, COPY_SIZE), path)
                except JetError as problem:
                    self.add(path, Severity.WARNING, f"{problem.message}; the other copy is good", offset)
        generation = found.position.generation
        if generation not in self.links:
            self.add(path, Severity.ERROR, f"the checkpoint is in generation {generation}, which is missing")
        elif generation in self.ends and found.position > self.ends[generation]:
            self.add(path, Severity.ERROR, f"the checkpoint {found.position} lies behind the end of its log")


def _number(generation: int | None) -> str:
    return "" if generation is None else f"generation {generation}: "


def verify_logs(
    directory: Path,
    base: str | None = None,
    *,
    checkpoint_directory: Path | None = None,
    files: FileSystem = FILES,
    progress: Progress | None = None,
) -> list[Finding]:
    """What is wrong with the log streams in a folder: with the one of that base name, or with all there are.

    The checkpoint is looked for in `checkpoint_directory`, by default in the same folder. `progress(done, total)` counts the
    logs of a stream. Where there is no log at all, that is the finding.
    """
    bases = [base] if base is not None else detect_bases(files.names(directory))
    findings: list[Finding] = []
    found = False
    for name in bases:
        if detect_extension(directory, name, files) is None:
            continue
        found = True
        findings += _StreamVerifier(directory, name, checkpoint_directory or directory, files, progress).run()
    if not found:
        what = "there are no logs" if base is None else f"there are no logs of the stream {base}"
        findings.append(Finding(directory, None, None, Severity.ERROR, what))
    return findings


def verify_log(path: Path, *, files: FileSystem = FILES) -> list[Finding]:
    """What is wrong with one log file by itself; its neighbours are not looked at."""
    verifier = _StreamVerifier(path.parent, path.name[:3], path.parent, files, None)
    verifier.log(None, path, last=True)
    return verifier.findings
