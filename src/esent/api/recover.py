"""`recover`: dirty databases brought back from their logs, in place or in a copy."""

from __future__ import annotations

import contextlib
import datetime
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from esent.backup.restore import copy_file
from esent.constants import codes, grbits
from esent.errors import JetError, jet_error
from esent.log.checkpoint import Checkpoint
from esent.log.files import checkpoint_name, detect_bases, detect_extension, find_name, list_generations, log_name
from esent.log.header import HEADER_SIZE, AttachInfo, LogHeader
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.primitives import Lgpos, LogTime
from esent.recovery.options import MapEntry, Progress, RecoveryOptions, RecoveryResult
from esent.recovery.soft import soft_recover

PathLike = str | os.PathLike[str]
STOPPED = frozenset({codes.JET_errRecoveredWithoutUndo, codes.JET_errRecoveredWithoutUndoDatabasesConsistent})
LEFT_OUT = (".jfm", ".jrs")  # a copy does without flush maps and reserve logs


@dataclass(slots=True)
class Recovered:
    """`directory`: where it was done. `stopped`: redo ended at the point asked for, and nothing was undone."""

    directory: Path
    base_name: str
    in_place: bool
    stopped: bool = False
    result: RecoveryResult = field(default_factory=RecoveryResult)


def recover(
    directory: PathLike,
    *,
    base_name: str | None = None,
    to: PathLike | None = None,
    in_place: bool | None = None,
    databases: Mapping[str, PathLike] | None = None,
    until: Lgpos | datetime.datetime | None = None,
    ignore_missing: bool = False,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
    files: FileSystem = FILES,
) -> Recovered:
    """Recover the databases whose logs are in `directory`: redo from the checkpoint, undo of what was not committed.

    In place only where the logs say that the databases belong exactly there, or with `in_place`; otherwise, or with `to`, in a
    copy (default: the directory's name with ".recovered" behind it), which must not exist. `databases` maps paths in the logs
    to files; without it a database is looked for by its bare name in the directory. `until` ends redo at a log position, or
    before the first log that was begun after a moment; the databases stay dirty then. `ignore_missing` goes on without
    databases that are absent. `dry_run` does all of it in a temporary copy and keeps nothing. `progress` is called with
    (done, 100).

    Raises the documented errors of JetInit3, JET_errFileAlreadyExists for a copy that is there.
    """
    source = Path(directory).absolute()
    base = _base_in(source, base_name, files)
    ours = _is_ours(source, base, files) if in_place is None else in_place
    if dry_run:
        with tempfile.TemporaryDirectory(prefix="esent-recover-") as scratch:
            work = Path(scratch) / "copy"
            _copy(source, work, files)
            done = _run(work, base, databases, until, ignore_missing, progress, files, source)
            done.directory = source
            return done
    if to is None and ours:
        done = _run(source, base, databases, until, ignore_missing, progress, files, source)
        done.in_place = True
        return done
    work = Path(to).absolute() if to is not None else source.with_name(source.name + ".recovered")
    if files.exists(work) and (not files.is_directory(work) or files.names(work)):
        raise jet_error(codes.JET_errFileAlreadyExists, "the copy to recover in exists already", file=work)
    try:
        _copy(source, work, files)
        return _run(work, base, databases, until, ignore_missing, progress, files, source)
    except BaseException:
        files.remove_tree(work)
        raise


def _run(
    folder: Path,
    base: str,
    databases: Mapping[str, PathLike] | None,
    until: Lgpos | datetime.datetime | None,
    ignore_missing: bool,
    progress: Callable[[int, int], None] | None,
    files: FileSystem,
    source: Path,
) -> Recovered:
    options = RecoveryOptions(log_path=folder, base=base, files=files, roots=(folder,))
    if databases is None:
        options.alternate_path = folder
    else:
        options.restore_map = [MapEntry(old, _moved(Path(new).absolute(), source, folder)) for old, new in databases.items()]
    if isinstance(until, Lgpos):
        options.stop = until
    elif until is not None:
        options.stop_time = _log_time(until)
    if ignore_missing:
        options.grbit |= grbits.JET_bitReplayIgnoreMissingDB
    if progress is not None:
        options.callback = _telling(progress)
    done = Recovered(folder, base, in_place=False)
    try:
        done.result = soft_recover(options)
    except JetError as problem:
        if until is None or problem.code not in STOPPED:
            raise
        done.stopped = True
    return done


def _telling(progress: Callable[[int, int], None]) -> Callable[[int, int, object], int | None]:
    def tell(_snp: int, _snt: int, about: object) -> int | None:
        if isinstance(about, Progress):
            progress(about.done, about.total)
        return None

    return tell


def _moved(path: Path, source: Path, folder: Path) -> Path:
    """Where a file of the source directory is in the copy."""
    return folder / path.relative_to(source) if path.is_relative_to(source) else path


def _log_time(moment: datetime.datetime) -> LogTime:
    try:
        utc = moment.astimezone(datetime.UTC)
    except OverflowError as problem:
        raise jet_error(codes.JET_errInvalidParameter, f"{moment} is beyond the calendar") from problem
    parts = (utc.second, utc.minute, utc.hour, utc.day, utc.month, utc.year - 1900, utc.microsecond // 1000)
    return LogTime(*parts, utc=True)


def _base_in(directory: Path, wanted: str | None, files: FileSystem) -> str:
    """The stream to recover: the one wanted, or the only one there is."""
    bases = detect_bases(files.names(directory))
    if not bases:
        raise jet_error(codes.JET_errFileNotFound, "the directory holds no logs", file=directory)
    if wanted is not None:
        if wanted.casefold() not in (base.casefold() for base in bases):
            raise jet_error(codes.JET_errFileNotFound, f"the directory holds no logs of a stream {wanted!r}", file=directory)
        return wanted
    if len(bases) > 1:
        what = f"there are logs of several streams ({', '.join(bases)}): name one"
        raise jet_error(codes.JET_errInvalidParameter, what, file=directory)
    return bases[0]


def _is_ours(directory: Path, base: str, files: FileSystem) -> bool:
    """Whether the databases in the stream's attach lists are files in this very directory."""
    attached = _attachments(directory, base, files)
    return bool(attached) and all(Path(info.path).parent == directory and files.exists(Path(info.path)) for info in attached)


def _attachments(directory: Path, base: str, files: FileSystem) -> list[AttachInfo]:
    extension = detect_extension(directory, base, files) or ".log"
    found: list[AttachInfo] = []
    checkpoint = find_name(directory, checkpoint_name(base, extension), files)
    if checkpoint is not None:
        with contextlib.suppress(JetError):  # a damaged checkpoint says nothing; recovery does without it
            found += Checkpoint.read(checkpoint, files=files).attachments
    current = find_name(directory, log_name(base, extension=extension), files)
    for path in [*list_generations(directory, base, files, extension=extension).values(), *([current] if current else [])]:
        try:
            with files.open(path) as file:
                found += LogHeader.parse(file.read(0, HEADER_SIZE), path).attachments
        except JetError:
            continue  # recovery will say what is wrong with it
    return found


def _copy(source: Path, target: Path, files: FileSystem) -> None:
    """Copy the files of a directory, not what is below it, leaving out what recovery does not read."""
    files.make_directory(target, parents=True)
    for name in files.names(source):
        path = source / name
        if not files.is_directory(path) and path.suffix.lower() not in LEFT_OUT:
            copy_file(path, target / name, files)
