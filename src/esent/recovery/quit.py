"""The second half of a recovery: undo, clean headers, quit record, checkpoint (`reference/log-and-recovery.md` 7.5-7.8)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

from esent.constants import codes, grbits
from esent.errors import jet_error
from esent.log.checkpoint import ATTACH_LIST_IN_USE, Checkpoint
from esent.log.header import AttachInfo
from esent.log.reader import LogFile
from esent.log.records import RecoveryQuit2, RecoveryQuitKeepAttachments
from esent.log.writer import LogStream
from esent.pages.primitives import LGPOS_MIN, Lgpos, LogTime
from esent.recovery.cache import RecoveredDatabase
from esent.recovery.events import Events
from esent.recovery.finish import close_clean, fit_size
from esent.recovery.logset import LogSet
from esent.recovery.options import RecoveryOptions, RecoveryResult
from esent.recovery.redo import Redo
from esent.recovery.undo import Undo


def flush_without_undo(options: RecoveryOptions, redo: Redo, events: Events, result: RecoveryResult) -> NoReturn:
    """End after redo: pages that may be written are, headers stay dirty, nothing is logged."""
    open_transactions = redo.sessions.open_transactions() or bool(redo.databases)
    for db in list(redo.databases.values()):
        redo.writeback.flush(db)
        result.pages_written += db.pages_written
        db.write_header()
    events.complete()
    if open_transactions:
        raise jet_error(
            codes.JET_errRecoveredWithoutUndo, "the logs were replayed; open transactions were left", file=options.log_path
        )
    raise jet_error(
        codes.JET_errRecoveredWithoutUndoDatabasesConsistent, "the logs were replayed to a clean end", file=options.log_path
    )


def attach_info(db: RecoveredDatabase) -> AttachInfo:
    """The database's entry in the list of a log header or a checkpoint."""
    header = db.header
    return AttachInfo(
        db.dbid,
        db.logged_path,
        db.dbtime,
        db.objid,
        0,
        header.lgpos_attach,
        header.lgpos_consistent,
        header.sign_db,
    )


def _open_stream(
    options: RecoveryOptions,
    logs: LogSet,
    attached: Callable[[Lgpos], list[AttachInfo]],
    checkpoint: Callable[[], Lgpos],
    previous: Path | None,
) -> LogStream:
    """The stream to log undo in: that in the log folder, or a new log there behind `previous`, which lies elsewhere."""
    files = options.files
    if previous is None or previous.parent == options.log_path:
        return LogStream.resume(
            options.log_path,
            options.base,
            files=files,
            allow_missing_current=True,
            circular=options.circular,
            attachments=attached,
            checkpoint=checkpoint,
        )
    with LogFile(previous, files=files) as log:
        header = log.header
        return LogStream.create(
            options.log_path,
            options.base,
            page_size=header.page_size,
            log_file_size=header.file_size,
            files=files,
            extension=logs.extension,
            generation=header.generation + 1,
            signature=header.signature,
            created_previous=header.created,
            previous_checksum=log.accumulated_checksum,
            version=header.version,
            engine_format_version=header.engine_format_version,
            circular=options.circular,
            attachments=attached,
            checkpoint=checkpoint,
        )


def _begin_range(db: RecoveredDatabase, generation: int) -> None:
    """All pages are on disk: nothing before `generation` is needed any more."""
    header = db.header
    header.dbtime_dirtied = max(header.dbtime_dirtied, db.dbtime)
    header.objid_last = max(header.objid_last, db.objid)
    header.gen_min_required = header.gen_min_consistent = generation
    header.gen_recovering = 0
    db.write_header()


def finish_with_undo(
    options: RecoveryOptions,
    logs: LogSet,
    redo: Redo,
    events: Events,
    result: RecoveryResult,
    redo_from: Lgpos,
    checkpoint: Checkpoint | None,
    *,
    hard: bool,
    previous: Path | None = None,
) -> None:
    """Undo, quit, checkpoint. Afterwards the databases are closed (or, on request, dirty and described by the checkpoint)."""
    writeback = redo.writeback
    attachments = redo.attachments
    keep = bool(options.grbit & grbits.JET_bitKeepDbAttachedAtEndOfRecovery) and not hard
    position = checkpoint.position if checkpoint is not None else redo_from

    def attached(at: Lgpos) -> list[AttachInfo]:
        return [attach_info(db) for db in redo.databases.values() if at > db.attach]

    log = _open_stream(options, logs, attached, lambda: position, previous)
    try:
        log.recovering = True
        writeback.generation, writeback.created = log.generation, log.created

        def new_generation(generation: int, created: LogTime) -> None:
            writeback.generation, writeback.created = generation, created
            for db in redo.databases.values():
                writeback.raise_required(db)

        log.on_new_generation = new_generation
        writeback.log_flush = partial(log.flush, fill=False)
        attachments.drop_half_created()
        undo = Undo(redo, log)
        events.control(grbits.JET_sntBeginUndo)
        for db in redo.databases.values():
            attachments.leaving(db)
        undo.run()
        result.transactions_rolled_back = undo.rolled_back
        result.pages_written = redo.pages_written
        for db in redo.databases.values():
            fit_size(db)
            writeback.flush(db)
            db.traces.note(db.pages.values())
            result.traces[db.file.path] = db.traces
        databases = list(redo.databases.values())
        result.databases = list(dict.fromkeys([*attachments.finished, *(db.file.path for db in databases)]))
        undo_at = undo.begun if undo.begun != LGPOS_MIN else log.tip()
        if keep:
            kept = attached(log.tip())
            end = log.append(RecoveryQuitKeepAttachments(undo_at, redo_from, int(hard), LogTime.now()))
            log.flush()
            for db in databases:
                writeback.raise_required(db)
                _begin_range(db, end.generation)
                result.pages_written += db.pages_written
        else:
            mark = undo.shut_down_mark()
            for db in databases:
                close_clean(db, writeback, mark, hard=hard)
                result.pages_written += db.pages_written
                attachments.drop(db.dbid)
            kept = []
            log.fill_segment()
            end = log.append(RecoveryQuit2(undo_at, redo_from, int(hard), LogTime.now()))
        log.flush()
        result.last_generation = log.generation
        after = checkpoint.copy() if checkpoint is not None else Checkpoint()
        after.position = after.db_consistency = end
        after.signature = log.signature
        after.attachments = kept
        after.flags = after.flags | ATTACH_LIST_IN_USE if kept else after.flags & ~ATTACH_LIST_IN_USE
        after.write(options.checkpoint_path / logs.checkpoint_name, files=options.files)
        if options.grbit & grbits.JET_bitTruncateLogsAfterRecovery and not keep:
            log.delete_generations_below(end.generation)
    finally:
        log.close()
    events.complete()
    if hard:
        return  # the instance ends here, and does not go on with the stream
    events.notify()
    events.open_log(result.last_generation, options.log_path / f"{options.base}{logs.extension}")
