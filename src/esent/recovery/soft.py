"""Soft recovery: what starting an instance does after a crash (`reference/log-and-recovery.md` 7).

Redo from the checkpoint to the end of the last log, undo of what was open there, then the databases are marked clean, the end
is logged, and the checkpoint moves behind it. A crash at any point leaves a state from which the same recovery gives the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from esent.constants import codes, grbits
from esent.errors import JetError, jet_error
from esent.log.checkpoint import Checkpoint
from esent.log.header import AttachInfo
from esent.log.reader import LogFile
from esent.pages.database_file import DatabaseFile
from esent.pages.primitives import LGPOS_MIN, Lgpos
from esent.recovery.attachments import Attachments
from esent.recovery.events import Events
from esent.recovery.logset import LogSet, Replayed, Replayer, last_record_position
from esent.recovery.options import RecoveryOptions, RecoveryResult
from esent.recovery.quit import finish_with_undo, flush_without_undo
from esent.recovery.redo import Redo
from esent.recovery.writeback import WriteBack

_NO_CHECKPOINT = frozenset(
    {
        codes.JET_errCheckpointFileNotFound,
        codes.JET_errCheckpointCorrupt,
        codes.JET_errBadCheckpointSignature,
        codes.JET_errFileInvalidType,
    }
)


@dataclass(slots=True)
class _Start:
    """Where redo begins and which databases are attached there."""

    position: Lgpos
    attached: list[AttachInfo]


def read_checkpoint(options: RecoveryOptions, logs: LogSet) -> Checkpoint | None:
    """The checkpoint of the stream; None where it is missing, damaged, or another stream's."""
    try:
        return Checkpoint.read(options.checkpoint_path / logs.checkpoint_name, files=options.files)
    except JetError as problem:
        if problem.code in _NO_CHECKPOINT:
            return None
        raise


def soft_recover(options: RecoveryOptions) -> RecoveryResult:
    """Recover the databases of the log stream in `options.log_path`.

    Returns `needed` False where the stream ended cleanly (or there is none). Raises the errors of `reference` 7.4 to 7.6;
    JET_errRecoveredWithoutUndo (or ...DatabasesConsistent) where the caller asked to stop before undo.
    """
    files = options.files
    events = Events(options.callback)
    logs = LogSet.scan(options.log_path, options.base, files)
    if not logs.archives and logs.current is None:
        return _no_stream(options, logs)
    checkpoint = read_checkpoint(options, logs)
    if logs.current is None:
        _accept_missing_current(options, logs, events)
    paths = logs.all_paths()
    last = max(paths)
    with LogFile(paths[last], files=files) as log:
        header = log.header
        options.check_log(header.version, log.path)
        if options.page_size and header.page_size != options.page_size:
            what = f"the logs are for pages of {header.page_size} bytes, not {options.page_size}"
            raise jet_error(codes.JET_errPageSizeMismatch, what, file=log.path)
        if checkpoint is not None and checkpoint.signature != header.signature:
            checkpoint = None
        closed = log.end.damage is None and log.end.closed
        detached = checkpoint is not None and not (checkpoint.has_attachments and checkpoint.attachments)
        if closed and detached and checkpoint is not None and checkpoint.position == last_record_position(log):
            events.open_log(last, log.path)
            return RecoveryResult(last_generation=last)
    if options.delete_out_of_range_logs and not options.grbit & grbits.JET_bitReplayIgnoreLostLogs:
        _delete_out_of_range(logs, paths)
    events.control(grbits.JET_sntOpenCheckpoint, path=options.checkpoint_path / logs.checkpoint_name)
    events.open_log(last, paths[last])
    start = _choose_start(options, logs, paths, checkpoint)
    if options.stop is not None and options.stop < start.position:
        raise jet_error(codes.JET_errRecoveredWithoutUndo, f"recovery was to stop at {options.stop}, before it begins")
    attachments = Attachments(options, header.signature, header.page_size, events)
    writeback = WriteBack()
    redo = Redo(options, attachments, writeback)
    replayer = Replayer(options, redo, events, header.signature, header.page_size)
    try:
        target = last if options.stop is None else min(last, options.stop.generation)
        events.begin(start.position.generation, target, header.file_segments)
        writeback.generation = start.position.generation
        replayer.announce(start.position.generation, paths[start.position.generation], logs.current)
        attachments.start(start.attached, start.position)
        replayed = replayer.run(paths, start.position, target, current=logs.current)
        result = RecoveryResult(
            True, 0, start.position.generation, replayed.last_generation, records=redo.records, log_bytes=replayer.bytes
        )
        without_undo = options.stop is not None or replayed.stopped or options.grbit & grbits.JET_bitRecoveryWithoutUndo
        if not without_undo or not replayed.stopped:
            check_generations(options, redo, replayed, result)
        redo.verify_maps()
        attachments.check_mismatch_unless_clean(redo.shutdown_mark != LGPOS_MIN or redo.ended)
        if without_undo:
            flush_without_undo(options, redo, events, result)
        result.notes = replayer.notes + attachments.notes()
        if replayed.truncated_at:
            result.notes.append(f"the logs from generation {replayed.truncated_at} on were given up")
            _give_up_logs(paths, logs, replayed.truncated_at)
            result.warning = codes.JET_wrnCommittedLogFilesRemoved
        finish_with_undo(options, logs, redo, events, result, start.position, checkpoint, hard=False)
        return result
    finally:
        attachments.close()


def _no_stream(options: RecoveryOptions, logs: LogSet) -> RecoveryResult:
    """There are no logs: nothing can be recovered, and a checkpoint that is left over means nothing."""
    if options.grbit & grbits.JET_bitLogStreamMustExist:
        raise jet_error(codes.JET_errMissingLogFile, "there is no log stream", file=options.log_path)
    stale = options.checkpoint_path / logs.checkpoint_name
    if options.files.exists(stale):
        options.files.remove(stale)
    return RecoveryResult()


def _accept_missing_current(options: RecoveryOptions, logs: LogSet, events: Events) -> None:
    allowed = grbits.JET_bitAllowMissingCurrentLog | grbits.JET_bitReplayIgnoreLostLogs
    if logs.has_temporary or options.grbit & allowed:
        return
    generation = max(logs.archives) + 1
    path = options.log_path / f"{options.base}{logs.extension}"
    verdict = events.control(grbits.JET_sntMissingLog, default=codes.JET_errMissingLogFile, generation=generation, path=path)
    if verdict < 0:
        raise jet_error(verdict, "the current log is missing", file=path)


def _delete_out_of_range(logs: LogSet, paths: dict[int, Path]) -> None:
    """Remove archives that no chain of generations connects to the current log."""
    if logs.current_header is None:
        return
    lowest = logs.current_header.generation
    while lowest - 1 in paths:
        lowest -= 1
    for generation in [number for number in logs.archives if number < lowest or number > logs.current_header.generation]:
        logs.files.remove(logs.archives.pop(generation))
        paths.pop(generation, None)


def _choose_start(options: RecoveryOptions, logs: LogSet, paths: dict[int, Path], checkpoint: Checkpoint | None) -> _Start:
    if options.grbit & grbits.JET_bitReplayInferCheckpointFromRstmapDbs and checkpoint is None:
        generation = _inferred_generation(options)
        if generation in paths:
            return _start_of_log(options, paths, generation)
    if checkpoint is None:
        return _start_of_log(options, paths, min(paths))
    generation = checkpoint.position.generation
    if generation not in paths:
        what = f"the checkpoint lies in generation {generation}, which is missing"
        raise jet_error(codes.JET_errMissingLogFile, what, file=options.log_path)
    with LogFile(paths[generation], files=options.files) as log:
        if log.header.version.has_checkpoint_list and checkpoint.has_attachments:
            return _Start(checkpoint.position, checkpoint.attachments)
        return _Start(Lgpos(generation, log.header.header_segments, 0), log.header.attachments)


def _start_of_log(options: RecoveryOptions, paths: dict[int, Path], generation: int) -> _Start:
    with LogFile(paths[generation], files=options.files) as log:
        return _Start(Lgpos(generation, log.header.header_segments, 0), log.header.attachments)


def _inferred_generation(options: RecoveryOptions) -> int:
    """The lowest generation that a database of the restore map needs; 0 if none says."""
    needed: list[int] = []
    for entry in options.restore_map or []:
        if options.files.exists(entry.new):
            with DatabaseFile(entry.new, files=options.files) as file:
                needed.append(file.header.gen_min_required)
    return min((generation for generation in needed if generation), default=0)


def _give_up_logs(paths: dict[int, Path], logs: LogSet, first: int) -> None:
    """Remove the generations from `first` on; the stream goes on with a new log of that number."""
    for generation in [number for number in paths if number >= first]:
        logs.files.remove(paths.pop(generation))
        logs.archives.pop(generation, None)
    logs.current = None
    logs.current_header = None


def check_generations(options: RecoveryOptions, redo: Redo, replayed: Replayed, result: RecoveryResult) -> None:
    """The last log must be new enough for every database (7.5)."""
    last = replayed.last_generation
    for db in redo.databases.values():
        header = db.header
        if last < header.gen_max_required:
            what = f"the database needs logs up to generation {header.gen_max_required}, the last is {last}"
            raise jet_error(codes.JET_errRequiredLogFilesMissing, what, file=db.file.path)
    for db in redo.databases.values():
        header = db.header
        if last >= header.gen_max_committed:
            continue
        if not options.grbit & grbits.JET_bitReplayIgnoreLostLogs:
            what = f"generations up to {header.gen_max_committed} hold committed transactions, the last is {last}"
            raise jet_error(codes.JET_errCommittedLogFilesMissing, what, file=db.file.path)
        header.gen_max_committed = max(last, header.gen_max_required)
        result.warning = result.warning or codes.JET_wrnCommittedLogFilesLost
