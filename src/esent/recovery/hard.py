"""Hard recovery: databases of a streaming backup become consistent with the backup's logs and those made since.

Facts: `reference/log-and-recovery.md` 9.3 and `reference/backup-and-restore.md` 6.3 to 6.5; where they differ from the recorded
results of the original (fixtures, damaged-backup-4k), those go first. No log in the backup's folder is changed or deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from esent.constants import codes, grbits
from esent.errors import JetError, jet_error
from esent.log.files import detect_extension, log_name
from esent.log.header import LogHeader
from esent.log.reader import LogFile, read_header
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FileSystem
from esent.pages.primitives import Lgpos, Signature
from esent.recovery.attachments import Attachments
from esent.recovery.backup_copy import merge_trailer
from esent.recovery.events import Events
from esent.recovery.logset import LogSet, Replayer
from esent.recovery.options import RecoveryOptions, RecoveryResult
from esent.recovery.quit import finish_with_undo, flush_without_undo
from esent.recovery.redo import Redo
from esent.recovery.soft import check_generations
from esent.recovery.writeback import WriteBack


def hard_recover(
    backup_log_path: Path,
    generation_low: int | None,
    generation_high: int | None,
    options: RecoveryOptions,
    *,
    roll_forward: Sequence[Path] = (),
    copying: bool = False,
) -> RecoveryResult:
    """Recover the databases of `options.restore_map`, which are copies out of a streaming backup, in place.

    The logs `generation_low` to `generation_high` in `backup_log_path` are required (None: all that are there); those
    behind them are taken from `roll_forward` and `options.log_path`, as far as they connect. `copying`: the copies were made
    for this recovery, which the progress counts as part of it. The stream goes on in
    `options.log_path`, unless the caller asked to stop somewhere: then it ends with JET_errRecoveredWithoutUndo. Raises
    JET_errFileNotFound, JET_errRequiredLogFilesMissing, JET_errBadPatchPage, JET_errDatabasePatchFileMismatch,
    JET_errRestoreOfNonBackupDatabase, JET_errLogCorruptDuringHardRestore, and others. Then the copies must be made anew.
    """
    files = options.files
    events = Events(options.callback)
    paths, headers = _backup_logs(backup_log_path, generation_low, generation_high, options)
    low, high = min(paths), max(paths)
    signature, page_size = headers[low].signature, headers[low].page_size
    last, current = _roll_forward(paths, headers[high], options, backup_log_path, roll_forward)
    _check_databases(options, signature, files)
    start = Lgpos(low, headers[low].header_segments, 0)

    if options.stop is not None and options.stop < start:
        what = f"recovery was to stop at {options.stop}, before the logs of the backup"
        raise jet_error(codes.JET_errRequiredLogFilesMissing, what, file=backup_log_path)

    attachments = Attachments(options, signature, page_size, events, hard=True)
    attachments.copying = copying
    writeback = WriteBack()
    redo = Redo(options, attachments, writeback)
    replayer = Replayer(options, redo, events, signature, page_size)
    try:
        target = last if options.stop is None else min(last, options.stop.generation)
        events.begin(low, target, headers[low].file_segments, copying=copying)
        writeback.generation = low
        replayer.announce(low, paths[low], current)
        attachments.start(headers[low].attachments, start)
        replayed = replayer.run(paths, start, target, current=current, hard_until=high)
        result = RecoveryResult(True, 0, low, replayed.last_generation, records=redo.records, log_bytes=replayer.bytes)
        following = replayed.last_generation + 1
        ended = current is None and not replayed.stopped
        if ended:
            replayer.announce_missing(following, backup_log_path if following == high + 1 else None)
        check_generations(options, redo, replayed, result)
        if ended:
            events.missing_log(following, options.log_path / log_name(options.base), default=codes.JET_errSuccess)
        redo.verify_maps()
        attachments.check_mismatch()
        if replayed.stopped or options.stop is not None or options.grbit & grbits.JET_bitRecoveryWithoutUndo:
            flush_without_undo(options, redo, events, result)
        result.notes = replayer.notes + attachments.notes()
        logs = LogSet.scan(options.log_path, options.base, files)
        logs.extension = paths[low].suffix.lower()
        finish_with_undo(options, logs, redo, events, result, start, None, hard=True, previous=paths[replayed.last_generation])
        return result
    finally:
        attachments.close()


def _backup_logs(
    folder: Path, low: int | None, high: int | None, options: RecoveryOptions
) -> tuple[dict[int, Path], dict[int, LogHeader]]:
    """The required logs and their headers, checked: all there, one stream, an unbroken chain."""
    files = options.files
    if low == 0 and high == 0:
        raise jet_error(codes.JET_errInvalidPath, "no generations were named", file=folder)
    present = LogSet.scan(folder, options.base, files) if detect_extension(folder, options.base, files) else None
    found = present.all_paths() if present is not None else {}
    if not found:
        raise jet_error(codes.JET_errMissingRestoreLogFiles, "the backup has no logs", file=folder)
    low = low or min(found)
    high = high or max(found)
    if low > high:
        raise jet_error(codes.JET_errInvalidParameter, f"generations {low} to {high}")
    chain: dict[int, Path] = {}
    headers: dict[int, LogHeader] = {}
    for generation in range(low, high + 1):
        path = found.get(generation)
        if path is None:
            raise jet_error(codes.JET_errFileNotFound, f"generation {generation} of the backup is missing", file=folder)
        with LogFile(path, files=files, page_size=options.page_size or None, generation=generation) as log:
            headers[generation] = log.header
        chain[generation] = path
        first = headers[low]
        if headers[generation].signature != first.signature:
            raise jet_error(codes.JET_errGivenLogFileHasBadSignature, "a log of another stream is in the backup", file=path)
        before = headers.get(generation - 1)
        if before is not None and headers[generation].created_previous != before.created:
            raise jet_error(
                codes.JET_errGivenLogFileIsNotContiguous, f"generation {generation} follows another {generation - 1}", file=path
            )
    return chain, headers


def _roll_forward(
    paths: dict[int, Path], last: LogHeader, options: RecoveryOptions, backup: Path, folders: Sequence[Path]
) -> tuple[int, Path | None]:
    """Add the logs behind the backup's as far as they connect; returns the last generation, and the current log if it is it.

    What lies in `options.log_path` must connect, because the stream is to go on there: JET_errExistingLogFileHasBadSignature,
    JET_errExistingLogFileIsNotContiguous, JET_errMissingCurrentLogFiles.
    """
    files = options.files
    newest = last
    current: Path | None = None
    seen: set[Path] = set()
    for folder in (*folders, options.log_path):
        if folder in seen or not files.is_directory(folder) or (folder == backup and folder != options.log_path):
            continue
        seen.add(folder)
        logs = LogSet.scan(folder, options.base, files)
        candidates = logs.all_paths()
        own = folder == options.log_path
        if own:
            _check_existing(candidates, last, newest, files)
        while (path := candidates.get(newest.generation + 1)) is not None:
            header = _header(path, files)
            if header.signature != last.signature or header.created_previous != newest.created:
                if own:
                    raise jet_error(
                        codes.JET_errExistingLogFileIsNotContiguous,
                        f"generation {header.generation} does not connect",
                        file=path,
                    )
                break
            newest = header
            paths[newest.generation] = path
            current = path if path == logs.current else None
        if own and logs.current is not None and logs.current not in paths.values():
            what = "the current log is older than the backup, or not of its kind"
            raise jet_error(codes.JET_errExistingLogFileIsNotContiguous, what, file=logs.current)
    return newest.generation, current


def _header(path: Path, files: FileSystem) -> LogHeader:
    with files.open(path) as file:
        return read_header(file, path)


def _check_existing(candidates: dict[int, Path], last: LogHeader, newest: LogHeader, files: FileSystem) -> None:
    newer = {generation: path for generation, path in candidates.items() if generation > newest.generation}
    for path in candidates.values():
        if _header(path, files).signature != last.signature:
            raise jet_error(codes.JET_errExistingLogFileHasBadSignature, "a log of another stream is in the way", file=path)
    if newer and newest.generation + 1 not in newer:
        what = f"the logs between generations {newest.generation} and {min(newer)} are missing"
        raise jet_error(codes.JET_errMissingCurrentLogFiles, what, file=newer[min(newer)])


def _check_databases(options: RecoveryOptions, signature: Signature, files: FileSystem) -> None:
    """Every copy in the map must be one of a streaming backup of this stream; its trailer page goes into its header."""
    for entry in options.restore_map or []:
        if not files.exists(entry.new):
            continue
        try:
            file = DatabaseFile(entry.new, writable=True, files=files)
        except JetError as problem:
            if problem.code != codes.JET_errReadVerifyFailure:
                raise
            raise jet_error(codes.JET_errDatabaseCorrupted, problem.message, file=entry.new) from problem
        with file:
            begun = file.header.bkinfo_full_cur
            if not begun.generation_low:
                raise jet_error(codes.JET_errRestoreOfNonBackupDatabase, "not the copy of a streaming backup", file=entry.new)
            if file.header.sign_log != signature:
                raise jet_error(
                    codes.JET_errDatabasePatchFileMismatch, "the copy belongs to another log stream", file=entry.new
                )
            if not begun.generation_high:
                merge_trailer(file)
