"""Which log generations a backup copies, and which it may delete afterwards (`reference/backup-and-restore.md` 4.4, 7)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from esent.backup.stamps import Kind
from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.log.checkpoint import Checkpoint
from esent.log.files import checkpoint_name, list_generations, log_name
from esent.pages.primitives import Lgpos

if TYPE_CHECKING:
    from esent.backup.host import BackupDatabase, BackupHost


@dataclass(slots=True)
class Ranges:
    """Half-open ranges of generations."""

    copy_low: int = 0
    copy_end: int = 0
    delete_low: int = 0
    delete_end: int = 0


def log_path(host: BackupHost, generation: int) -> Path:
    """Full path of the closed log of a generation."""
    return host.log_path / log_name(host.base, generation, host.log.extension)


def log_paths(host: BackupHost, low: int, end: int) -> list[str]:
    """Full paths of the closed logs low..end-1, as they are named on disk, ascending."""
    present = list_generations(host.log_path, host.base, host.files, extension=host.log.extension)
    return [str(present.get(generation) or log_path(host, generation)) for generation in range(low, end)]


def read_checkpoint(host: BackupHost) -> Lgpos:
    """The position in the checkpoint file. Raises JET_errCheckpointFileNotFound, JET_errCheckpointCorrupt."""
    path = host.system_path / checkpoint_name(host.base, host.log.extension)
    return Checkpoint.read(path, files=host.files).position


def lowest_closed(host: BackupHost) -> int:
    """The lowest closed log on disk. Raises JET_errFileNotFound where there is none."""
    present = list_generations(host.log_path, host.base, host.files, extension=host.log.extension)
    generation = next((number for number in present if number < host.log.generation), None)
    if generation is None:
        raise jet_error(codes.JET_errFileNotFound, "there is no closed log to back up", file=host.log_path)
    return generation


def require_full_backup(databases: Iterable[BackupDatabase], kind: Kind) -> None:
    """JET_errMissingFullBackup unless every database has a recorded full backup of the same kind."""
    stored = Kind.OS_SNAPSHOT if kind == Kind.SURROGATE else kind
    for database in databases:
        header = database.header_image()
        if not header.bkinfo_full_prev.generation_high or header.bkinfo_type_full_prev != stored:
            raise jet_error(
                codes.JET_errMissingFullBackup,
                "an incremental backup needs a recorded full backup of every attached database",
                file=database.path,
            )


def require_unbroken(databases: Iterable[BackupDatabase], lowest: int) -> None:
    """JET_errMissingFileToBackup where logs between the last backup of a database and the lowest log on disk are gone."""
    for database in databases:
        header = database.header_image()
        last = max(header.bkinfo_full_prev.generation_high, header.bkinfo_inc_prev.generation_high)
        if lowest > last + 1:
            raise jet_error(
                codes.JET_errMissingFileToBackup,
                f"the lowest log is of generation {lowest}, but the last backup ends with generation {last}",
                file=database.path,
            )


def deletion_range(host: BackupHost, *, full: bool, copied: Collection[Path]) -> tuple[int, int]:
    """The closed logs nobody needs after this backup, half open: below the checkpoint, and, in a full backup, below the last
    full backup of each database that this one left out."""
    current = host.log.generation
    low = lowest_closed(host)
    end = min(read_checkpoint(host).generation, current)
    if full:
        for database in host.backup_databases():
            if database.path not in copied:
                end = min(end, database.header_image().bkinfo_full_prev.generation_high)
    return min(low, end), end


def delete_logs(host: BackupHost, low: int, end: int) -> None:
    """Delete the closed logs low..end-1, ascending; one that is missing already is passed over, any other failure stops."""
    present = list_generations(host.log_path, host.base, host.files, extension=host.log.extension)
    deleted = False
    try:
        for generation in range(low, end):
            path = present.get(generation)
            if path is None:
                continue
            try:
                host.files.remove(path)
                deleted = True
            except JetError as problem:
                if problem.code != codes.JET_errFileNotFound:
                    raise
    finally:
        if deleted:
            host.files.sync_directory(host.log_path)
