"""Instances: making, starting, ending and listing them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

from esent.constants import codes, grbits
from esent.engine.process import PROCESS
from esent.engine.session import session_call
from esent.engine.startup import InitRequest
from esent.errors import JetWarning, jet_error
from esent.jet.convert import path_of, position_of, structures, time_of, to_logtime, to_signature
from esent.jet.cursors import array
from esent.jet.handles import JET_ERR, JET_GRBIT, JET_INSTANCE, JET_SESID
from esent.jet.structures_instance import (
    JET_CHECKPOINTINFO,
    JET_INSTANCE_INFO,
    JET_RECOVERYCONTROL,
    JET_RSTINFO,
    JET_RSTINFO2,
    JET_RSTMAP,
    JET_RSTMAP2,
    JET_SETSYSPARAM,
    JET_SIGNATURE,
    JET_SNPROG,
)
from esent.recovery.options import MapEntry, Progress, RecoveryControl

ENGINE_BUILD = 9600  # the generation of the engine whose formats and answers these are
INIT_OPTIONS = 0x7FFD  # JET_bitReplay..., JET_bitRecovery... and their kin
_OPEN_LOGS = (grbits.JET_sntOpenLog, grbits.JET_sntOpenCheckpoint)


def JetCreateInstance(szInstanceName: str | None) -> JET_INSTANCE:
    """Allocate an instance, so that its parameters can be set before JetInit."""
    return PROCESS.create(szInstanceName).handle


def JetCreateInstance2(szInstanceName: str | None, szDisplayName: str | None, grbit: JET_GRBIT = 0) -> JET_INSTANCE:
    """JetCreateInstance with a name for display; `grbit` has no meaning."""
    return PROCESS.create(szInstanceName, szDisplayName).handle


def JetEnableMultiInstance(psetsysparam: list[JET_SETSYSPARAM] | None = None) -> int:
    """Set global parameters and switch to multi-instance mode; returns how many were set."""
    return PROCESS.enable_multi_instance(structures(psetsysparam or [], JET_SETSYSPARAM))


def JetInit(instance: JET_INSTANCE | None = None) -> JET_INSTANCE:
    """Start an instance; without one, the single instance of the process."""
    return _initialise(instance, InitRequest())


def JetInit2(instance: JET_INSTANCE | None, grbit: JET_GRBIT) -> JET_INSTANCE:
    """JetInit with options for recovery."""
    return _initialise(instance, InitRequest(_checked_options(grbit)))


def JetInit3(instance: JET_INSTANCE | None, rstInfo: JET_RSTINFO | None, grbit: JET_GRBIT = 0) -> JET_INSTANCE:
    """JetInit with a path map, a stop position and a callback for recovery."""
    request = InitRequest(_checked_options(grbit))
    if rstInfo is not None:
        _check_kind(rstInfo, JET_RSTINFO)
        status = rstInfo.pfnStatus
        _describe(request, rstInfo, None if status is None else lambda snp, snt, pv: status(None, snp, snt, pv))
    return _initialise(instance, request)


def JetInit4(instance: JET_INSTANCE | None, rstInfo: JET_RSTINFO2 | None, grbit: JET_GRBIT = 0) -> JET_INSTANCE:
    """JetInit3 with the newer form of the recovery information."""
    request = InitRequest(_checked_options(grbit))
    if rstInfo is not None:
        _check_kind(rstInfo, JET_RSTINFO2)
        status, context = rstInfo.pfnCallback, rstInfo.pvCallbackContext
        _describe(request, rstInfo, None if status is None else lambda snp, snt, pv: status(snp, snt, pv, context))
    return _initialise(instance, request)


def _check_kind(value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise jet_error(codes.JET_errInvalidParameter, f"{value!r} is no {kind.__name__}")


def _checked_options(grbit: object) -> int:
    if not isinstance(grbit, int) or grbit & ~INIT_OPTIONS:
        raise jet_error(codes.JET_errInvalidGrbit, f"initialising with grbit {grbit!r}")
    return int(grbit)


def _describe(
    request: InitRequest, info: JET_RSTINFO | JET_RSTINFO2, status: Callable[[int, int, object], int | None] | None
) -> None:
    """Put what a JET_RSTINFO says into the request."""
    array(info.rgrstmap, (JET_RSTMAP, JET_RSTMAP2), "rgrstmap")
    if info.rgrstmap:
        request.restore_map = [
            MapEntry(
                _map_name(entry.szDatabaseName),
                Path(path_of(entry.szNewDatabaseName or entry.szDatabaseName)),
                getattr(entry, "grbit", 0),
            )
            for entry in info.rgrstmap
        ]
    request.stop = position_of(info.lgposStop)
    request.stop_time = time_of(info.logtimeStop)
    if status is not None:
        request.callback = lambda snp, snt, pv: status(snp, snt, _payload(snt, pv))


def _map_name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise jet_error(codes.JET_errInvalidParameter, "an entry of the path map without a database name")
    return name


def _payload(snt: int, pv: object) -> object:
    """What a callback gets as `pv`, as the documented structure."""
    if isinstance(pv, Progress):
        return JET_SNPROG(cunitDone=pv.done, cunitTotal=pv.total)
    if isinstance(pv, RecoveryControl):
        return JET_RECOVERYCONTROL(
            errDefault=pv.error_default,
            lGenNext=pv.generation if snt in _OPEN_LOGS else 0,
            fCurrentLog=int(pv.is_current_log),
            eReason=pv.reason,
            wszLogFile=pv.path if snt == grbits.JET_sntOpenLog else None,
            wszCheckpoint=pv.path if snt == grbits.JET_sntOpenCheckpoint else None,
            lGenMissing=pv.generation if snt == grbits.JET_sntMissingLog else 0,
            wszDbPath=pv.database or None,
        )
    return pv


def _initialise(instance: object, request: InitRequest) -> JET_INSTANCE:
    found = PROCESS.for_initialisation(instance)
    warning = found.initialise(request)
    if warning:
        warnings.warn(JetWarning(warning), stacklevel=3)
    return found.handle


def JetTerm(instance: JET_INSTANCE) -> JET_ERR:
    """End an instance: JetTerm2 with JET_bitTermAbrupt."""
    return JetTerm2(instance, grbits.JET_bitTermAbrupt)


def JetTerm2(instance: JET_INSTANCE, grbit: JET_GRBIT) -> JET_ERR:
    """End an instance."""
    PROCESS.resolve(instance).terminate(grbit)
    return 0


def JetStopService() -> JET_ERR:
    """Prepare the single instance for a quick end."""
    return PROCESS.one_instance().stop_service()


def JetStopServiceInstance(instance: JET_INSTANCE) -> JET_ERR:
    """Prepare an instance for a quick end: all calls but those that close something fail from now on."""
    return PROCESS.resolve(instance).stop_service()


def JetStopServiceInstance2(instance: JET_INSTANCE, grbit: JET_GRBIT) -> JET_ERR:
    """Stop selected activities of an instance, or resume them."""
    return PROCESS.resolve(instance).stop_service(grbit)


def JetGetInstanceInfo() -> list[JET_INSTANCE_INFO]:
    """The instances of the process, each with its attached, logged databases."""
    with PROCESS.lock:
        instances = list(PROCESS.instances)
    found = []
    for instance in instances:
        paths = [database.path for database in instance.attached_databases() if database.logged]
        found.append(
            JET_INSTANCE_INFO(
                hInstanceId=instance.handle,
                szInstanceName=instance.name,
                szDatabaseFileName=[str(path) for path in paths],
                szDatabaseDisplayName=[str(path) for path in paths],
            )
        )
    return found


def JetGetInstanceMiscInfo(instance: JET_INSTANCE, InfoLevel: int) -> JET_SIGNATURE | JET_CHECKPOINTINFO:
    """The signature of the log stream, or the generations a crash now would need."""
    with PROCESS.resolve(instance).call() as found:
        if InfoLevel == grbits.JET_InstanceMiscInfoLogSignature:
            return to_signature(found.log.signature)
        if InfoLevel == grbits.JET_InstanceMiscInfoCheckpoint:
            stream = found.log
            return JET_CHECKPOINTINFO(
                genMin=found.checkpoint().generation,
                genMax=stream.generation,
                logtimeGenMaxCreate=to_logtime(stream.created),
            )
        raise jet_error(codes.JET_errInvalidParameter, f"information level {InfoLevel!r} about an instance")


def JetGetVersion(sesid: JET_SESID) -> int:
    """The version of the engine: its build number in the bits above the lowest eight, which are for a service level."""
    with session_call(sesid):
        return ENGINE_BUILD << 8


__all__ = [
    "JetCreateInstance",
    "JetCreateInstance2",
    "JetEnableMultiInstance",
    "JetGetInstanceInfo",
    "JetGetInstanceMiscInfo",
    "JetGetVersion",
    "JetInit",
    "JetInit2",
    "JetInit3",
    "JetInit4",
    "JetStopService",
    "JetStopServiceInstance",
    "JetStopServiceInstance2",
    "JetTerm",
    "JetTerm2",
]
