"""The way up of an instance: its folders, the locks on them, recovery, the log.

Folders are claimed in the process (two instances never share one) and locked against other processes, before anything in them
is looked at.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from esent.constants import codes, grbits, params
from esent.engine.instance_log import InstanceLog
from esent.engine.parameters import absolute_folder
from esent.engine.process import same_file
from esent.errors import JetError, jet_error
from esent.log.checkpoint import Checkpoint
from esent.log.files import checkpoint_name, detect_extension, find_name, list_generations, log_name
from esent.log.header import DbmsParam
from esent.log.records import Init2
from esent.log.writer import LogStream
from esent.pages.locking import DirectoryLock
from esent.pages.primitives import Lgpos, LogTime
from esent.recovery.options import MapEntry, RecoveryOptions
from esent.recovery.soft import soft_recover

if TYPE_CHECKING:
    from esent.engine.instance import Instance

TEMPORARY_DATABASE = "tmp.edb"
SEGMENT_SIZE = 4096
events = logging.getLogger("esent.engine")
logging.getLogger("esent").addHandler(logging.NullHandler())  # events are for whoever asks for them
MOST_SEGMENTS = 65535
CIRCULAR_FLAG = 1


@dataclass(slots=True)
class InitRequest:
    """What JetInit2..4 are told beside the instance."""

    grbit: int = 0
    restore_map: list[MapEntry] | None = None
    stop: Lgpos | None = None
    stop_time: LogTime | None = None
    callback: Callable[[int, int, object], int | None] | None = None


@dataclass(slots=True)
class Claims:
    """The folders and the temporary database that belong to a running instance alone."""

    system: str
    log: str
    temporary: str
    locks: list[DirectoryLock] = field(default_factory=list)

    def release(self) -> None:
        while self.locks:
            self.locks.pop().release()


def bring_up(instance: Instance, request: InitRequest) -> tuple[int, InstanceLog | None]:
    """Everything JetInit does: a warning or 0, and the log of the instance (None where recovery is off)."""
    claim_folders(instance)
    if not instance.recovery_on:
        return 0, None
    return start_log(instance, request)


# ---- folders ----------------------------------------------------------------------------------------------------


def claim_folders(instance: Instance) -> None:
    """Make the paths absolute, check or make the folders, claim and lock them."""
    values = instance.parameters
    system = absolute_folder(values.text(params.JET_paramSystemPath))
    log = absolute_folder(values.text(params.JET_paramLogFilePath))
    temporary = _temporary_path(values.text(params.JET_paramTempPath))
    claims = Claims(system, log, temporary)
    _claim(instance, claims)
    values.put(params.JET_paramSystemPath, system)
    values.put(params.JET_paramLogFilePath, log)
    values.put(params.JET_paramTempPath, temporary)
    uses_temporary = values.number(params.JET_paramMaxTemporaryTables) > 0
    _require_folder(instance, Path(system), codes.JET_errInvalidSystemPath, "the system path")
    _require_folder(instance, Path(log), codes.JET_errInvalidLogDirectory, "the log file path")
    if uses_temporary:
        _require_folder(instance, Path(temporary).parent, codes.JET_errInvalidPath, "the folder of the temporary database")
    base = values.text(params.JET_paramBaseName)
    for folder in dict.fromkeys(os.path.realpath(each) for each in (log, system)):
        claims.locks.append(DirectoryLock(Path(folder), base))


def _temporary_path(text: str) -> str:
    path = Path(os.path.abspath(text or "."))  # noqa: PTH100 - links are left as they are
    if not text or text.endswith(("/", os.sep)) or path.is_dir():
        path = path / TEMPORARY_DATABASE
    return str(path)


def _claim(instance: Instance, claims: Claims) -> None:
    """Two running instances share neither temporary database nor log path nor system path; checked in this order."""
    process = instance.process
    with process.lock:
        others = [each.claims for each in process.instances if each is not instance and each.claims is not None]
        for mine, of_others, code, what in (
            (claims.temporary, [each.temporary for each in others], codes.JET_errTempPathInUse, "temporary database"),
            (claims.log, [each.log for each in others], codes.JET_errLogFilePathInUse, "log file path"),
            (claims.system, [each.system for each in others], codes.JET_errSystemPathInUse, "system path"),
        ):
            if any(same_file(mine, other) for other in of_others):
                raise jet_error(code, f"another instance of this process uses the same {what}", file=mine)
        instance.claims = claims


def _require_folder(instance: Instance, folder: Path, code: int, what: str) -> None:
    files = instance.files
    if files.is_directory(folder):
        return
    if instance.create_paths:
        try:
            files.make_directory(folder, parents=True)
        except JetError as problem:
            raise jet_error(code, f"{what} cannot be made: {problem.message}", file=folder) from problem
        return
    raise jet_error(code, f"{what} is not there", file=folder)


# ---- the log ----------------------------------------------------------------------------------------------------


def start_log(instance: Instance, request: InitRequest) -> tuple[int, InstanceLog]:
    """Recover what is there, or begin a new stream; then the record that starts the instance, and the checkpoint."""
    files, directory, base = instance.files, instance.log_path, instance.base
    extension = detect_extension(directory, base, files) or preferred_extension(instance)
    checkpoint_path = instance.system_path / checkpoint_name(base, extension)
    warning = 0
    if not stream_exists(instance, extension):
        if request.grbit & grbits.JET_bitLogStreamMustExist:
            raise jet_error(codes.JET_errMissingLogFile, "there are no log files, and the caller wants some", file=directory)
        _remove_stale_checkpoint(instance, checkpoint_path)
        stream = _create(instance, extension)
    else:
        recovered = soft_recover(recovery_options(instance, request))
        warning = recovered.warning
        instance.cleanup.recovered = recovered.traces
        for note in recovered.notes:
            events.warning("recovering %s: %s", instance.name or "the instance", note)
        stream = _resume(instance)
        if stream.log_file_size != wanted_size(instance):
            stream = _other_size(instance, stream, extension, checkpoint_path)
    before = _existing_checkpoint(instance, checkpoint_path)
    param = dbms_param(instance)
    try:
        log = InstanceLog(instance, stream, checkpoint_path, param)
        log.started_at = log.append(Init2(param, LogTime.now()))
        log.start_checkpoint(log.started_at, before)
    except BaseException:
        stream.close()
        raise
    return warning, log


def preferred_extension(instance: Instance) -> str:
    legacy = instance.parameters.number(params.JET_paramLegacyFileNames) & grbits.JET_bitESE98FileNames
    return ".log" if legacy else ".jtx"


def stream_exists(instance: Instance, extension: str) -> bool:
    """Whether a current log or closed ones are there."""
    directory, base, files = instance.log_path, instance.base, instance.files
    if find_name(directory, log_name(base, extension=extension), files):
        return True
    return bool(list_generations(directory, base, files, extension=extension))


def wanted_size(instance: Instance) -> int:
    """Bytes of a log file as JET_paramLogFileSize asks for: whole segments."""
    wanted = instance.parameters.number(params.JET_paramLogFileSize) * 1024
    return min(wanted // SEGMENT_SIZE, MOST_SEGMENTS) * SEGMENT_SIZE


def dbms_param(instance: Instance) -> DbmsParam:
    """What the log says about the instance that writes it."""
    values = instance.parameters
    return DbmsParam(
        system_path=str(instance.system_path),
        log_path=str(instance.log_path),
        flags=CIRCULAR_FLAG if instance.circular_logging else 0,
        sessions=values.number(params.JET_paramMaxSessions),
        open_tables=values.number(params.JET_paramMaxOpenTables),
        version_pages=values.number(params.JET_paramMaxVerPages),
        cursors=values.number(params.JET_paramMaxCursors),
        log_buffers=values.number(params.JET_paramLogBuffers),
        log_file_segments=wanted_size(instance) // SEGMENT_SIZE,
        cache_size=min(values.number(params.JET_paramCacheSizeMax), 2**32 - 1),
    )


def recovery_options(instance: Instance, request: InitRequest) -> RecoveryOptions:
    """What recovery is told. Databases are not kept attached (JET_bitKeepDbAttachedAtEndOfRecovery): they end clean, and the
    attach that follows finds them so."""
    values = instance.parameters
    alternate = values.text(params.JET_paramAlternateDatabaseRecoveryPath)
    return RecoveryOptions(
        log_path=instance.log_path,
        base=instance.base,
        system_path=instance.system_path,
        page_size=instance.page_size,
        files=instance.files,
        restore_map=request.restore_map,
        alternate_path=Path(alternate) if alternate else None,
        trust_logged_paths=True,
        stop=request.stop,
        stop_time=request.stop_time,
        grbit=request.grbit & ~grbits.JET_bitKeepDbAttachedAtEndOfRecovery,
        circular=instance.circular_logging,
        delete_out_of_range_logs=bool(values.number(params.JET_paramDeleteOutOfRangeLogs)),
        callback=request.callback,
        format_choice=values.format_choice,
    )


def _create(instance: Instance, extension: str) -> LogStream:
    return LogStream.create(
        instance.log_path,
        instance.base,
        page_size=instance.page_size,
        log_file_size=wanted_size(instance),
        files=instance.files,
        extension=extension,
        version=instance.parameters.format_choice.first_log,
        circular=instance.circular_logging,
        dbms_param=dbms_param(instance),
    )


def _resume(instance: Instance) -> LogStream:
    return LogStream.resume(
        instance.log_path,
        instance.base,
        page_size=instance.page_size,
        files=instance.files,
        version=instance.parameters.format_choice.log,
        circular=instance.circular_logging,
        dbms_param=dbms_param(instance),
    )


def _other_size(instance: Instance, stream: LogStream, extension: str, checkpoint_path: Path) -> LogStream:
    """The logs have another size than asked for, though everything in them was recovered.

    A size nobody asked for follows the stream; else JET_paramCleanupMismatchedLogFiles decides between new logs and an error.
    """
    values = instance.parameters
    if params.JET_paramLogFileSize not in values.explicit:
        values.put(params.JET_paramLogFileSize, stream.log_file_size // 1024)
        return stream
    size = stream.log_file_size
    stream.close()
    if not values.number(params.JET_paramCleanupMismatchedLogFiles):
        raise jet_error(
            codes.JET_errLogFileSizeMismatchDatabasesConsistent,
            f"the logs have {size} bytes, not the {wanted_size(instance)} asked for; the databases are consistent",
            file=instance.log_path,
        )
    current = find_name(instance.log_path, log_name(instance.base, extension=extension), instance.files)
    closed = list_generations(instance.log_path, instance.base, instance.files, extension=extension)
    for path in [*closed.values(), *([current] if current else [])]:
        instance.files.remove(path)
    _remove_stale_checkpoint(instance, checkpoint_path)
    return _create(instance, extension)


def _remove_stale_checkpoint(instance: Instance, path: Path) -> None:
    if instance.files.exists(path):
        instance.files.remove(path)


def _existing_checkpoint(instance: Instance, path: Path) -> Checkpoint | None:
    """The checkpoint of before, whose notes about backups live on; a damaged or missing one has none."""
    try:
        return Checkpoint.read(path, files=instance.files)
    except JetError:
        return None
