"""Verification of a directory: its databases, its logs with their chain, and whether they make a whole.

A directory is judged as what it is. A backup set is well if every database copy in it has its trailer page and every log
that the trailers ask for, although the copies are dirty by nature. Anywhere else a dirty database is not well; the verdict
says which logs bring it clean, and which of them are missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from esent.backup.directory import NEW, OLD, is_unfinished
from esent.errors import JetError
from esent.log.files import detect_bases, detect_extension, find_name, list_generations, log_name
from esent.log.header import HEADER_SIZE, LogHeader
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.header import DatabaseHeader, DatabaseState
from esent.pages.primitives import Signature
from esent.pages.trailer import PatchPage
from esent.tools.verify import Finding, Severity, VerifyReport, verify_database
from esent.tools.verify_logs import verify_logs

Progress = Callable[[int, int], None]

_DATABASE_MAGIC = b"\xef\xcd\xab\x89"


@dataclass(slots=True)
class DirectoryReport:
    """What a directory came to. `verdicts` are sentences about the whole; `ok`: no errors and no bad verdict."""

    path: Path
    databases: list[VerifyReport] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)  # of logs and checkpoint, and of the whole
    verdicts: list[str] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)  # base names of the logs
    is_backup: bool = False

    @property
    def ok(self) -> bool:
        errors = any(finding.severity is Severity.ERROR for finding in self.findings)
        return not errors and all(report.ok for report in self.databases)


def verify_directory(
    directory: Path, *, keys: bool = False, progress: Progress | None = None, files: FileSystem = FILES
) -> DirectoryReport:
    """Verify every database and log stream in `directory`, or in its `new` or `old` where it holds an atomic backup.

    `progress(done, total)` is called now and then, in bytes; `keys` as in `verify_database`. Nothing is written.
    """
    folder = _where_the_files_are(directory, files)
    report = DirectoryReport(folder)
    databases = [folder / name for name in files.names(folder) if _is_database(folder / name, files)]
    names = files.names(folder)
    sizes = {path: files.size(path) for path in databases}
    total, done = sum(sizes.values()), 0
    for path in databases:
        part = _in_bytes(progress, done, sizes[path], total)
        report.databases.append(verify_database(path, keys=keys, progress=part, files=files))
        done += sizes[path]
    report.streams = detect_bases(names)
    for base in report.streams:
        report.findings += verify_logs(folder, base, files=files)
    if is_unfinished(folder, files):
        _error(report, folder, "a backup into this directory never finished: it holds no set")
    logs = _generations(folder, report.streams, files)
    for path in databases:
        _judge(report, path, logs, files)
    if not databases and not report.streams:
        _error(report, folder, "no database and no log is here")
    return report


def _where_the_files_are(directory: Path, files: FileSystem) -> Path:
    if not detect_bases(files.names(directory)):
        for name in (NEW, OLD):
            if files.is_directory(directory / name):
                return directory / name
    return directory


def _is_database(path: Path, files: FileSystem) -> bool:
    if files.is_directory(path):
        return False
    try:
        with files.open(path) as file:
            head = file.read(0, 8)
            if head[4:] == _DATABASE_MAGIC:
                return True
    except JetError:
        return False
    try:  # the first copy of the header may be what is damaged
        with DatabaseFile(path, files=files):
            return True
    except JetError:
        return False


def _in_bytes(progress: Progress | None, before: int, size: int, total: int) -> Progress | None:
    if progress is None:
        return None
    tell = progress
    return lambda done, pages: tell(before + size * done // max(pages, 1), total)


def _generations(folder: Path, bases: list[str], files: FileSystem) -> dict[Signature, set[int]]:
    """The generations that are there, by log stream; a log whose header cannot be read is none."""
    found: dict[Signature, set[int]] = {}
    for base in bases:
        paths = list(list_generations(folder, base, files).values())
        current = find_name(folder, log_name(base, extension=detect_extension(folder, base, files) or ".log"), files)
        for path in [*paths, *([current] if current else [])]:
            try:
                with files.open(path) as file:
                    header = LogHeader.parse(file.read(0, HEADER_SIZE), path)
            except JetError:
                continue
            found.setdefault(header.signature, set()).add(header.generation)
    return found


def _judge(report: DirectoryReport, path: Path, logs: dict[Signature, set[int]], files: FileSystem) -> None:
    try:
        with DatabaseFile(path, files=files) as database:
            header = database.header
            last = database.read_pages(database.page_count, 1) if database.page_count else b""
    except JetError:
        return  # reported by the verification of the database
    present = logs.get(header.sign_log, set())
    if header.bkinfo_full_cur.generation_low:
        report.is_backup = True
        _judge_copy(report, path, header, last, present)
    elif header.dbstate == DatabaseState.CLEAN_SHUTDOWN:
        report.verdicts.append(f"{path.name} is clean")
    elif header.dbstate == DatabaseState.DIRTY_SHUTDOWN:
        needed = range(header.gen_min_required, header.gen_max_required + 1)
        _judge_required(report, path, "is dirty", needed, present, bad=True)
    else:
        _error(report, path, "is in a state that cannot be opened")


def _judge_copy(report: DirectoryReport, path: Path, header: DatabaseHeader, last: bytes, present: set[int]) -> None:
    try:
        trailer = PatchPage.parse(last, file=path)
    except JetError:
        _error(report, path, "is cut short: its backup trailer is missing, the set cannot be restored")
        return
    if not trailer.belongs_to(header):
        _error(report, path, "has the trailer of another backup")
        return
    needed = range(trailer.backup.generation_low, trailer.backup.generation_high + 1)
    _judge_required(report, path, "is the copy of a streaming backup", needed, present, bad=False)


def _judge_required(report: DirectoryReport, path: Path, what: str, needed: range, present: set[int], *, bad: bool) -> None:
    """Whether the generations a database needs are there; `bad`: it is not well even if they are."""
    span = f"generations {needed.start} to {needed.stop - 1}" if len(needed) != 1 else f"generation {needed.start}"
    missing = [generation for generation in needed if generation not in present]
    if missing:
        listed = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        _error(report, path, f"{what} and needs {span} of its logs; missing: {listed}")
    elif bad:
        _error(report, path, f"{what}; it can be brought clean with {span} of its logs, which are here")
    else:
        report.verdicts.append(f"{path.name} {what}; it needs {span} of its logs, which are here")


def _error(report: DirectoryReport, path: Path, text: str) -> None:
    report.findings.append(Finding(path, None, None, Severity.ERROR, text))
