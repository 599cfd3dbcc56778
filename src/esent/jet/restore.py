"""Restore: JetRestore... of a directory, JetExternalRestore... of copies (`reference/backup-and-restore.md` 2.14, 2.15, 6)."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from esent.backup.paths import absolute
from esent.backup.restore import restore_copies, restore_directory
from esent.constants import codes, grbits, params
from esent.engine.instance import Instance
from esent.engine.process import PROCESS, is_nil, same_file
from esent.engine.startup import InitRequest, claim_folders, recovery_options
from esent.errors import jet_error
from esent.jet.backup import as_name
from esent.jet.handles import JET_ERR, JET_INSTANCE, JET_PFNSTATUS
from esent.jet.instance import _payload
from esent.jet.structures import JET_LOGINFO, JET_RSTMAP
from esent.log.files import list_generations
from esent.recovery.options import MapEntry, RecoveryOptions

MOST_ENTRIES = 12
"""Twice the number of databases an instance can have."""


@dataclass(slots=True)
class _Status:
    """A status callback. Its answers to recovery-control events steer the recovery, those to begin, progress and end do not
    matter; what it raises ends the restore, and comes out afterwards."""

    call: JET_PFNSTATUS
    problems: list[BaseException] = field(default_factory=list)

    def __call__(self, snp: int, snt: int, pv: object) -> int | None:
        try:
            answer = self.call(grbits.JET_sesidNil, snp, snt, _payload(snt, pv))
        except Exception as problem:
            self.problems.append(problem)
            return codes.JET_errCallbackFailed
        return answer if isinstance(answer, int) and snp == grbits.JET_snpRecoveryControl else None


def _required_path(name: object, what: str) -> str:
    text = as_name(name)
    if text is None:
        raise jet_error(codes.JET_errInvalidParameter, f"{what} is needed")
    return text


@contextmanager
def _claimed(instance: Instance) -> Iterator[None]:
    """The folders of the instance for the length of a restore: nobody else may use them."""
    claim_folders(instance)
    try:
        yield
    finally:
        if instance.claims is not None:
            instance.claims.release()
            instance.claims = None


def _run(instance: Instance, pfn: JET_PFNSTATUS | None, restore: Callable[[RecoveryOptions], int]) -> JET_ERR:
    """Run `restore` with the options of an instance that is not initialised; it is as before when this returns."""
    status = _Status(pfn) if pfn is not None else None
    with instance.restoring(), _claimed(instance):
        options = recovery_options(instance, InitRequest(callback=status))
        try:
            result = restore(replace(options, alternate_path=None, trust_logged_paths=False, grbit=0))
        finally:
            if status is not None and status.problems:
                raise status.problems[0]
    return result


# ---- JetRestore --------------------------------------------------------------------------------------


def JetRestoreInstance(instance: JET_INSTANCE, sz: str, szDest: str | None = None, pfn: JET_PFNSTATUS | None = None) -> JET_ERR:
    """Restore a JetBackup directory with an instance that is not initialised; a nil one stands for one made for the purpose."""
    if is_nil(instance) and not PROCESS.instances:
        return _with_temporary(lambda: PROCESS.restoring_instance("Restore", one_instance=False), sz, szDest, pfn)
    return _restore(PROCESS.resolve(instance), sz, szDest, pfn)


def JetRestore(sz: str, pfn: JET_PFNSTATUS | None = None) -> JET_ERR:
    """Restore a JetBackup directory to the original paths (one-instance mode)."""
    return JetRestore2(sz, None, pfn)


def JetRestore2(sz: str, szDest: str | None = None, pfn: JET_PFNSTATUS | None = None) -> JET_ERR:
    """The same, with a destination."""
    return _with_temporary(lambda: PROCESS.restoring_instance(None, one_instance=True), sz, szDest, pfn)


def _with_temporary(make: Callable[[], Instance], sz: str, szDest: str | None, pfn: JET_PFNSTATUS | None) -> JET_ERR:
    instance = make()
    try:
        return _restore(instance, sz, szDest, pfn)
    finally:
        PROCESS.free(instance)


def _restore(instance: Instance, sz: object, szDest: object, pfn: JET_PFNSTATUS | None) -> JET_ERR:
    source = _required_path(sz, "the directory of the backup")
    destination = as_name(szDest)
    create = instance.create_paths
    return _run(
        instance,
        pfn,
        lambda options: restore_directory(source, destination, options, create_paths=create).warning,
    )


# ---- JetExternalRestore ------------------------------------------------------------------------------


def JetExternalRestore(
    szCheckpointFilePath: str,
    szLogPath: str,
    rgrstmap: list[JET_RSTMAP] | None,
    szBackupLogPath: str,
    genLow: int,
    genHigh: int,
    pfn: JET_PFNSTATUS | None = None,
) -> JET_ERR:
    """Recover databases that were copied from a streaming backup to the new paths of the map."""
    return _external(szCheckpointFilePath, szLogPath, rgrstmap, szBackupLogPath, genLow, genHigh, None, None, pfn)


def JetExternalRestore2(
    szCheckpointFilePath: str,
    szLogPath: str,
    rgrstmap: list[JET_RSTMAP] | None,
    szBackupLogPath: str,
    pLogInfo: JET_LOGINFO,
    szTargetInstanceName: str | None = None,
    szTargetInstanceLogPath: str | None = None,
    szTargetInstanceCheckpointPath: str | None = None,
    pfn: JET_PFNSTATUS | None = None,
) -> JET_ERR:
    """The same, rolling forward with the logs of a target instance; JET_wrnTargetInstanceRunning if that is running."""
    if not isinstance(pLogInfo, JET_LOGINFO):
        raise jet_error(codes.JET_errInvalidParameter, "pLogInfo is needed")
    name, log, checkpoint = (
        as_name(each) or None for each in (szTargetInstanceName, szTargetInstanceLogPath, szTargetInstanceCheckpointPath)
    )
    if (log is None) != (checkpoint is None):
        raise jet_error(codes.JET_errInvalidParameter, "both paths of the target instance, or neither")
    if name is not None and log is not None:
        raise jet_error(codes.JET_errInvalidParameter, "the target instance by name or by paths, not both")
    target = _target(name, log, pLogInfo.szBaseName)
    if isinstance(target, Path) and checkpoint is not None:
        # nobody runs there: the restore goes on with the stream of the target itself
        szLogPath, szCheckpointFilePath = str(target), checkpoint
    return _external(
        szCheckpointFilePath,
        szLogPath,
        rgrstmap,
        szBackupLogPath,
        pLogInfo.ulGenLow,
        pLogInfo.ulGenHigh,
        pLogInfo.szBaseName,
        target if isinstance(target, Instance) else None,
        pfn,
    )


def _target(name: str | None, log: str | None, base: str | None) -> Instance | Path | None:
    """The running target instance, or the log folder of one that is not running; JET_errBadRestoreTargetInstance."""
    with PROCESS.lock:
        running = [each for each in PROCESS.instances if each.backup_allowed]
    if name is not None:
        found = next((each for each in running if each.name == name), None)
        if found is None:
            raise jet_error(codes.JET_errBadRestoreTargetInstance, f"no instance named {name!r} is running")
    elif log is not None:
        path = absolute(log)
        found = next((each for each in running if same_file(str(each.log_path), str(path))), None)
        if found is None:
            return path
    else:
        return None
    if base is not None and found.base != base:
        raise jet_error(codes.JET_errBadRestoreTargetInstance, f"the target instance has base name {found.base}, not {base}")
    return None if found.circular_logging else found


def _external(
    checkpoint_path: object,
    log_path: object,
    rgrstmap: Sequence[JET_RSTMAP] | None,
    backup_log_path: object,
    low: object,
    high: object,
    base: str | None,
    target: Instance | None,
    pfn: JET_PFNSTATUS | None,
) -> JET_ERR:
    system = _required_path(checkpoint_path, "the checkpoint path")
    logs = _required_path(log_path, "the log path")
    backup = absolute(_required_path(backup_log_path, "the folder of the backup logs") or ".")
    if not isinstance(low, int) or not isinstance(high, int):
        raise jet_error(codes.JET_errInvalidParameter, f"{low!r} to {high!r} are no log generations")
    entries = _map(rgrstmap)
    instance = _temporary(target.name if target is not None else None)
    try:
        values = instance.parameters
        values.put(params.JET_paramSystemPath, system)
        values.put(params.JET_paramLogFilePath, logs)
        values.put(params.JET_paramTempPath, os.path.join(system, ""))  # noqa: PTH118 - a Path drops the final slash
        values.put(params.JET_paramCreatePathIfNotExist, 1)
        if base:
            values.put(params.JET_paramBaseName, base)
        later: list[Path] = []
        if target is not None:
            with target.call():
                target.roll_log()
                later = _closed_logs(target, high)

        def restore(options: RecoveryOptions) -> int:
            return restore_copies(backup, low, high, replace(options, restore_map=entries), later).warning

        warning = _run(instance, pfn, restore)
    finally:
        PROCESS.free(instance)
    return codes.JET_wrnTargetInstanceRunning if target is not None else warning


def _closed_logs(target: Instance, above: int) -> list[Path]:
    """The closed logs of a running instance behind generation `above`."""
    extension = target.log.extension
    present = list_generations(target.log_path, target.base, target.files, extension=extension)
    return [path for generation, path in present.items() if above < generation < target.log.generation]


def _map(rgrstmap: Sequence[JET_RSTMAP] | None) -> list[MapEntry]:
    """The entries of a restore map; JET_errInvalidParameter for an impossible one."""
    if not isinstance(rgrstmap, Sequence) or not 0 < len(rgrstmap) <= MOST_ENTRIES:
        raise jet_error(codes.JET_errInvalidParameter, f"a restore map has 1 to {MOST_ENTRIES} databases")
    entries = []
    for entry in rgrstmap:
        old, new = getattr(entry, "szDatabaseName", None), getattr(entry, "szNewDatabaseName", None)
        if not isinstance(old, str) or not isinstance(new, str) or not old or not new:
            raise jet_error(codes.JET_errInvalidParameter, "an entry of the restore map lacks a name")
        entries.append(MapEntry(old, absolute(new)))
    return entries


_numbers = itertools.count(1)


def _temporary(target: str | None) -> Instance:
    """The instance a hard recovery runs in: "Restore" and a number, after the name of the target."""
    name = f"Restore{next(_numbers) % 10000:04}"
    return PROCESS.create(f"{target} - {name}" if target else name)


__all__ = [
    "JetExternalRestore",
    "JetExternalRestore2",
    "JetRestore",
    "JetRestore2",
    "JetRestoreInstance",
]
