"""`restore`: the databases of a backup directory, put back and made clean."""

from __future__ import annotations

import os
from pathlib import Path

from esent.backup.directory import NEW, OLD
from esent.backup.restore import restore_directory
from esent.constants import codes
from esent.errors import jet_error
from esent.log.files import detect_bases
from esent.pages.filesystem import FILES, FileSystem
from esent.recovery.options import RecoveryOptions, RecoveryResult

PathLike = str | os.PathLike[str]


def restore(
    backup: PathLike,
    destination: PathLike,
    *,
    log_directory: PathLike | None = None,
    base_name: str | None = None,
    files: FileSystem = FILES,
) -> RecoveryResult:
    """Copy the databases of the set in the directory `backup` to the directory `destination` and recover them there.

    The logs that recovery writes, and the checkpoint, go to `log_directory` (default: `destination`); logs of the same
    stream that are there already and continue the set are replayed too. `base_name` is needed only where the set has logs of
    several streams. Both directories are made where missing. The set is not changed, and a database that is already in
    `destination` is replaced only when its successor is clean.

    Returns what was done (`.databases` are the new paths). Raises the documented errors of JetRestoreInstance: a set that was
    stopped, is incomplete, mixed or damaged is refused with the file named.
    """
    source, target = Path(backup).absolute(), Path(destination).absolute()
    logs = Path(log_directory).absolute() if log_directory else target
    base = base_name or _base_of(source, files)
    return restore_directory(
        str(source), str(target), RecoveryOptions(log_path=logs, base=base, files=files), create_paths=True
    )


def _base_of(source: Path, files: FileSystem) -> str:
    for folder in (source, source / NEW, source / OLD):
        if not files.is_directory(folder):
            continue
        bases = detect_bases(files.names(folder))
        if len(bases) > 1:
            raise jet_error(
                codes.JET_errInvalidParameter, f"logs of several streams ({', '.join(bases)}): name one", file=folder
            )
        if bases:
            return bases[0]
    raise jet_error(codes.JET_errFileNotFound, "the directory holds no log of a backup", file=source)
