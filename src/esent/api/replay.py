"""A dirty database as of its last commit: recovered with its logs in temporary files."""

from __future__ import annotations

from pathlib import Path

from esent.constants import codes, grbits
from esent.errors import JetError, jet_error
from esent.log.files import detect_bases, detect_extension, find_name, list_generations, log_name
from esent.log.header import HEADER_SIZE, LogHeader
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FileSystem
from esent.pages.header import DatabaseHeader, DatabaseState
from esent.pages.overlay import OverlayFileSystem
from esent.recovery.options import MapEntry, RecoveryOptions, RecoveryResult
from esent.recovery.soft import soft_recover


def replay(path: Path, header: DatabaseHeader, logs: Path, files: FileSystem) -> tuple[OverlayFileSystem, RecoveryResult]:
    """Files over `files` in which the database is clean, and what recovery did. The overlay is the caller's to close.

    Raises JET_errDatabaseDirtyShutdown where its logs are not in the folder `logs`, and what recovery raises.
    """
    overlay = OverlayFileSystem(files)
    try:
        base = _stream_of(header, logs, overlay)
        if base is None:
            what = "the database was not closed well, and its logs are not there"
            raise jet_error(codes.JET_errDatabaseDirtyShutdown, what, file=path)
        # only this database is wanted, which is known by its signature whatever its name is now; others may be anywhere
        options = RecoveryOptions(log_path=logs, base=base, files=overlay, restore_map=[MapEntry("", path)])
        options.grbit = grbits.JET_bitReplayIgnoreMissingDB
        result = soft_recover(options)
        with DatabaseFile(path, files=overlay) as file:
            if file.header.dbstate == DatabaseState.DIRTY_SHUTDOWN:
                what = "the database was not closed well, and the logs that are there do not know it"
                raise jet_error(codes.JET_errDatabaseDirtyShutdown, what, file=path)
        return overlay, result
    except BaseException:
        overlay.close()
        raise


def _stream_of(header: DatabaseHeader, logs: Path, files: FileSystem) -> str | None:
    """The base name of the stream in `logs` that the database belongs to."""
    for base in detect_bases(files.names(logs)):
        extension = detect_extension(logs, base, files) or ".log"
        current = find_name(logs, log_name(base, extension=extension), files)
        paths = [*list_generations(logs, base, files, extension=extension).values(), *([current] if current else [])]
        for path in paths:
            try:
                with files.open(path) as file:
                    signature = LogHeader.parse(file.read(0, HEADER_SIZE), path).signature
            except JetError:
                continue  # another log of the stream may be readable; recovery tells what is wrong with this one
            if signature == header.sign_log:
                return base
            break
    return None
