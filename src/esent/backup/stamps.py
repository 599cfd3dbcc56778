"""What a backup writes: its log records, the stamps in database headers, the backup fields of the checkpoint.

The stamp of each kind of backup is table 4.5 of `reference/backup-and-restore.md`; recovery applies the same stamp when it
replays the Update record (`apply_stamp`), so a stamp survives a crash right after the end of the backup.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING

from esent.backup.events import events
from esent.errors import JetError
from esent.log.records import Backup2, Trace
from esent.pages.primitives import BackupInfo, Lgpos, LogTime

if TYPE_CHECKING:
    from esent.backup.host import BackupDatabase, BackupHost
    from esent.log.checkpoint import Checkpoint
    from esent.pages.header import DatabaseHeader

NO_INFO = BackupInfo()
PROCID = 1


class Phase(enum.IntEnum):
    """eBackupPhase of a Backup2 record."""

    BEGIN = 1
    PREPARE_LOGS = 2
    TRUNCATE = 3
    UPDATE = 4
    ABORT = 5
    STOP = 6


class Kind(enum.IntEnum):
    """eBackupType: who takes the backup; also stored beside each stamp."""

    NORMAL = 0
    OS_SNAPSHOT = 1
    SNAPSHOT = 2
    SURROGATE = 3


class Scope(enum.IntEnum):
    """eBackupScope: which stamp a finished backup leaves."""

    FULL = 1
    INCREMENTAL = 2
    COPY = 5
    DIFFERENTIAL = 6


def apply_stamp(header: DatabaseHeader, scope: int, kind: int, info: BackupInfo) -> bool:
    """Put the stamp of a finished backup into `header`; False when it holds a later one already."""
    stored = Kind.OS_SNAPSHOT if kind == Kind.SURROGATE else Kind(kind)
    field, kind_field = {
        Scope.FULL: ("bkinfo_full_prev", "bkinfo_type_full_prev"),
        Scope.INCREMENTAL: ("bkinfo_inc_prev", "bkinfo_type_inc_prev"),
        Scope.COPY: ("bkinfo_copy_prev", "bkinfo_type_copy_prev"),
        Scope.DIFFERENTIAL: ("bkinfo_diff_prev", "bkinfo_type_diff_prev"),
    }[Scope(scope)]
    if getattr(header, field).mark > info.mark:
        return False
    setattr(header, field, info)
    setattr(header, kind_field, int(stored))
    if scope == Scope.FULL:
        header.bkinfo_inc_prev = NO_INFO
        header.bkinfo_diff_prev = NO_INFO
        header.bkinfo_snapshot_cur = NO_INFO
    return True


def apply_to_checkpoint(checkpoint: Checkpoint, scope: Scope, info: BackupInfo, begun_at: Lgpos) -> None:
    """Note a finished full or incremental backup; `begun_at` is the checkpoint position when it began."""
    if scope == Scope.FULL:
        checkpoint.last_full_backup_checkpoint = begun_at
        checkpoint.full_backup = info.mark
        checkpoint.full_backup_time = info.marked_at
        checkpoint.incremental_backup = Lgpos()
        checkpoint.incremental_backup_time = LogTime()
    elif scope == Scope.INCREMENTAL:
        checkpoint.incremental_backup = info.mark
        checkpoint.incremental_backup_time = info.marked_at


def log_phase(
    host: BackupHost,
    phase: Phase,
    kind: Kind,
    scope: Scope,
    *,
    dbid: int = 0,
    info: BackupInfo | None = None,
) -> Lgpos:
    """Append the Backup2 record of a phase; without `info` it carries the time only. Returns its position."""
    details = info if info is not None else BackupInfo(marked_at=LogTime.now())
    return host.append(Backup2(phase=phase, backup_type=kind, scope=scope, dbid=dbid, info=details))


def log_note(host: BackupHost, text: str) -> None:
    """Append a Trace record: plain text for whoever reads the log."""
    stamp = LogTime.now().to_datetime()
    when = f"{stamp.month}/{stamp.day}/{stamp.year} {stamp:%H:%M:%S}.{stamp.microsecond // 1000:03}" if stamp else "-"
    host.append(Trace(procid=PROCID, text=f"[{when}] {text}".encode("cp1252", "replace") + b"\0"))


def note_file(host: BackupHost, path: Path, size: int | None) -> None:
    """The trace at the start (`size` in bytes) or at the end (None) of copying a database."""
    if size is None:
        log_note(host, f"Stop backup file {path}")
    else:
        log_note(host, f"Start backup file {path}, size {size >> 20} Mb")


def finished_scope(*, incremental: bool, truncated: bool) -> Scope:
    """Which stamp a finished backup leaves."""
    if incremental:
        return Scope.INCREMENTAL if truncated else Scope.DIFFERENTIAL
    return Scope.FULL if truncated else Scope.COPY


def stamp_databases(
    host: BackupHost, databases: list[BackupDatabase], kind: Kind, scope: Scope, info: BackupInfo, checkpoint: Lgpos
) -> None:
    """Log an Update record for each database, then put the stamp into its header; the records are durable before. A header
    that cannot be written only gives a warning: recovery stamps it again."""
    if not databases:
        return
    last = Lgpos()
    for database in databases:
        last = log_phase(host, Phase.UPDATE, kind, scope, dbid=database.dbid, info=info)
    host.flush_log(last)
    for database in databases:
        try:
            database.update_header(lambda header: (apply_stamp(header, scope, kind, info), None)[1])
        except JetError as problem:
            events.warning("the header of %s could not be stamped: %s", database.path, problem)
    if scope in (Scope.FULL, Scope.INCREMENTAL):
        try:
            host.update_checkpoint(lambda live: apply_to_checkpoint(live, scope, info, checkpoint))
        except JetError as problem:
            events.warning("the checkpoint could not be updated: %s", problem)
