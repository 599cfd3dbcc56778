"""Backup: JetBackup..., the streaming calls, JetStopBackup... (`reference/backup-and-restore.md` 2).

Each function exists with an instance and, under its older name, without one (one-instance mode). What they do is in
`esent.backup.context`; here the entry check is made and results get their documented form.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from esent.backup.context import BackupContext
from esent.backup.directory import Status, back_up
from esent.constants import codes, grbits
from esent.engine.instance import Instance
from esent.engine.process import PROCESS
from esent.errors import jet_error
from esent.jet.handles import JET_ERR, JET_GRBIT, JET_HANDLE, JET_INSTANCE, JET_PFNSTATUS
from esent.jet.structures import JET_LOGINFO, JET_SNPROG

WritableBuffer = bytearray | memoryview


@contextmanager
def _backup_of(instance: Instance) -> Iterator[BackupContext]:
    """The backup of an instance, within the entry check of a call."""
    with instance.call():
        yield instance.backup


def as_name(name: object) -> str | None:
    """A path argument as text; JET_errInvalidParameter for what is no path."""
    if name is None or isinstance(name, str):
        return name
    if isinstance(name, os.PathLike):
        return os.fsdecode(name)
    raise jet_error(codes.JET_errInvalidParameter, f"a path is text, not {type(name).__name__}")


def as_grbit(grbit: object) -> int:
    """An option argument; JET_errInvalidGrbit for what is no number."""
    if isinstance(grbit, int):
        return int(grbit)
    raise jet_error(codes.JET_errInvalidGrbit, f"options are a number, not {type(grbit).__name__}")


# ---- JetBackup ---------------------------------------------------------------------------------------


def JetBackupInstance(
    instance: JET_INSTANCE, szBackupPath: str | None, grbit: JET_GRBIT = 0, pfnStatus: JET_PFNSTATUS | None = None
) -> JET_ERR:
    """Back up all databases of the instance into a directory, then delete the logs nobody needs any more."""
    return _back_up(PROCESS.resolve(instance), szBackupPath, grbit, pfnStatus)


def JetBackup(szBackupPath: str | None, grbit: JET_GRBIT = 0, pfnStatus: JET_PFNSTATUS | None = None) -> JET_ERR:
    """JetBackupInstance of the only instance."""
    return _back_up(PROCESS.one_instance(), szBackupPath, grbit, pfnStatus)


def _back_up(instance: Instance, path: str | None, grbit: JET_GRBIT, pfnStatus: JET_PFNSTATUS | None) -> JET_ERR:
    problems: list[BaseException] = []
    status: Status | None = None
    if pfnStatus is not None:
        call = pfnStatus

        def report(snt: int, done: int, total: int) -> None:
            try:  # what it returns does not matter; what it raises comes out when the backup is over
                call(grbits.JET_sesidNil, grbits.JET_snpBackup, snt, JET_SNPROG(cunitDone=done, cunitTotal=total))
            except Exception as problem:
                problems.append(problem)

        status = report
    with _backup_of(instance) as backup:
        back_up(backup, as_name(path), as_grbit(grbit), status)
    if problems:
        raise problems[0]
    return 0


# ---- begin -------------------------------------------------------------------------------------------


def JetBeginExternalBackupInstance(instance: JET_INSTANCE, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Begin a full or incremental streaming backup."""
    return _begin(PROCESS.resolve(instance), grbit)


def JetBeginExternalBackup(grbit: JET_GRBIT = 0) -> JET_ERR:
    """JetBeginExternalBackupInstance of the only instance."""
    return _begin(PROCESS.one_instance(), grbit)


def _begin(instance: Instance, grbit: JET_GRBIT) -> JET_ERR:
    with _backup_of(instance) as backup:
        backup.begin(as_grbit(grbit))
    return 0


# ---- databases and files -----------------------------------------------------------------------------


def JetGetAttachInfoInstance(instance: JET_INSTANCE) -> list[str]:
    """Paths of the databases to back up."""
    with _backup_of(PROCESS.resolve(instance)) as backup:
        return backup.attach_info()


def JetGetAttachInfo() -> list[str]:
    """JetGetAttachInfoInstance of the only instance."""
    with _backup_of(PROCESS.one_instance()) as backup:
        return backup.attach_info()


def JetOpenFileInstance(instance: JET_INSTANCE, szFileName: str) -> tuple[JET_HANDLE, int]:
    """Open a database or a log of the backup: (handle, size in bytes)."""
    return _open(PROCESS.resolve(instance), szFileName)


def JetOpenFile(szFileName: str) -> tuple[JET_HANDLE, int]:
    """JetOpenFileInstance of the only instance."""
    return _open(PROCESS.one_instance(), szFileName)


def JetOpenFileSectionInstance(
    instance: JET_INSTANCE, szFile: str, iSection: int, cSections: int, ibRead: int
) -> tuple[JET_HANDLE, int]:
    """Open a database or a log from byte `ibRead` on; only one section is possible."""
    return _open(PROCESS.resolve(instance), szFile, ibRead, cSections)


def _open(instance: Instance, name: str, start: int = 0, sections: int = 1) -> tuple[JET_HANDLE, int]:
    with _backup_of(instance) as backup:
        return backup.open_file(os.fspath(name) if isinstance(name, os.PathLike) else name, start=start, sections=sections)


def JetReadFileInstance(instance: JET_INSTANCE, hfFile: JET_HANDLE, cb: int | WritableBuffer) -> bytes | int:
    """The next `cb` bytes of the open file, b"" at its end; a writable buffer for `cb` is filled, and the count returned."""
    with _backup_of(PROCESS.resolve(instance)) as backup:
        return backup.read_file(hfFile, cb)


def JetReadFile(hfFile: JET_HANDLE, cb: int | WritableBuffer) -> bytes | int:
    """JetReadFileInstance of the only instance."""
    with _backup_of(PROCESS.one_instance()) as backup:
        return backup.read_file(hfFile, cb)


def JetCloseFileInstance(instance: JET_INSTANCE, hfFile: JET_HANDLE) -> JET_ERR:
    """Close the open file."""
    return _close(PROCESS.resolve(instance), hfFile)


def JetCloseFile(hfFile: JET_HANDLE) -> JET_ERR:
    """JetCloseFileInstance of the only instance."""
    return _close(PROCESS.one_instance(), hfFile)


def _close(instance: Instance, handle: JET_HANDLE) -> JET_ERR:
    with _backup_of(instance) as backup:
        backup.close_file(handle)
    return 0


# ---- logs --------------------------------------------------------------------------------------------


def JetGetLogInfoInstance(instance: JET_INSTANCE) -> list[str]:
    """Paths of the logs to copy; the first call closes the current log and ends the copying of databases."""
    return JetGetLogInfoInstance2(instance)[0]


def JetGetLogInfoInstance2(instance: JET_INSTANCE) -> tuple[list[str], JET_LOGINFO]:
    """The same, with the generations and the base name."""
    return _log_info(PROCESS.resolve(instance))


def JetGetLogInfo() -> list[str]:
    """JetGetLogInfoInstance of the only instance."""
    return _log_info(PROCESS.one_instance())[0]


def _log_info(instance: Instance) -> tuple[list[str], JET_LOGINFO]:
    with _backup_of(instance) as backup:
        names, low, high, base = backup.log_info()
    return names, JET_LOGINFO(ulGenLow=low, ulGenHigh=high, szBaseName=base)


def JetGetTruncateLogInfoInstance(instance: JET_INSTANCE) -> list[str]:
    """Paths of the logs that JetTruncateLogInstance would delete."""
    with _backup_of(PROCESS.resolve(instance)) as backup:
        return backup.truncate_log_info()


def JetTruncateLogInstance(instance: JET_INSTANCE) -> JET_ERR:
    """Delete the logs that are not needed any more, once all of this backup were read."""
    return _truncate(PROCESS.resolve(instance))


def JetTruncateLog() -> JET_ERR:
    """JetTruncateLogInstance of the only instance."""
    return _truncate(PROCESS.one_instance())


def _truncate(instance: Instance) -> JET_ERR:
    with _backup_of(instance) as backup:
        backup.truncate_log()
    return 0


# ---- end and stop ------------------------------------------------------------------------------------


def JetEndExternalBackupInstance(instance: JET_INSTANCE) -> JET_ERR:
    """End the backup; returns its outcome: 0, JET_errBackupAbortByServer or JET_errBackupAbortByCaller (not raised)."""
    return _end(PROCESS.resolve(instance), grbits.JET_bitBackupEndNormal)


def JetEndExternalBackupInstance2(instance: JET_INSTANCE, grbit: JET_GRBIT) -> JET_ERR:
    """The same, normally or as given up."""
    return _end(PROCESS.resolve(instance), grbit)


def JetEndExternalBackup() -> JET_ERR:
    """JetEndExternalBackupInstance of the only instance."""
    return _end(PROCESS.one_instance(), grbits.JET_bitBackupEndNormal)


def _end(instance: Instance, grbit: JET_GRBIT) -> JET_ERR:
    with _backup_of(instance) as backup:
        if not isinstance(grbit, int):
            raise jet_error(codes.JET_errInvalidParameter, f"options are a number, not {type(grbit).__name__}")
        return backup.end(int(grbit))


def JetStopBackupInstance(instance: JET_INSTANCE) -> JET_ERR:
    """Make the streaming backup of the instance fail at its next call. Never waits; also without a backup it succeeds."""
    PROCESS.resolve(instance).backup.stop()
    return 0


def JetStopBackup() -> JET_ERR:
    """JetStopBackupInstance of the only instance."""
    PROCESS.one_instance().backup.stop()
    return 0


# ---- backups taken elsewhere, obsolete calls ---------------------------------------------------------


def JetBeginSurrogateBackup(instance: JET_INSTANCE, lgenFirst: int, lgenLast: int, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Note that the generations lgenFirst..lgenLast are being backed up from a replica."""
    with _backup_of(PROCESS.resolve(instance)) as backup:
        backup.begin_surrogate(lgenFirst, lgenLast, as_grbit(grbit))
    return 0


def JetEndSurrogateBackup(instance: JET_INSTANCE, grbit: JET_GRBIT = 0) -> JET_ERR:
    """End the backup taken elsewhere; returns its outcome like JetEndExternalBackupInstance2."""
    with _backup_of(PROCESS.resolve(instance)) as backup:
        return backup.end_surrogate(as_grbit(grbit))


def JetSnapshotStart(instance: JET_INSTANCE, szDatabases: str, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Obsolete: raises JET_wrnNyi."""
    with _backup_of(PROCESS.resolve(instance)):
        raise jet_error(codes.JET_wrnNyi, "JetSnapshotStart is obsolete; use JetOSSnapshotPrepare")


def JetSnapshotStop(instance: JET_INSTANCE, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Obsolete: raises JET_wrnNyi."""
    with _backup_of(PROCESS.resolve(instance)):
        raise jet_error(codes.JET_wrnNyi, "JetSnapshotStop is obsolete; use JetOSSnapshotEnd")


__all__ = [
    "JetBackup",
    "JetBackupInstance",
    "JetBeginExternalBackup",
    "JetBeginExternalBackupInstance",
    "JetBeginSurrogateBackup",
    "JetCloseFile",
    "JetCloseFileInstance",
    "JetEndExternalBackup",
    "JetEndExternalBackupInstance",
    "JetEndExternalBackupInstance2",
    "JetEndSurrogateBackup",
    "JetGetAttachInfo",
    "JetGetAttachInfoInstance",
    "JetGetLogInfo",
    "JetGetLogInfoInstance",
    "JetGetLogInfoInstance2",
    "JetGetTruncateLogInfoInstance",
    "JetOpenFile",
    "JetOpenFileInstance",
    "JetOpenFileSectionInstance",
    "JetReadFile",
    "JetReadFileInstance",
    "JetSnapshotStart",
    "JetSnapshotStop",
    "JetStopBackup",
    "JetStopBackupInstance",
    "JetTruncateLog",
    "JetTruncateLogInstance",
]
