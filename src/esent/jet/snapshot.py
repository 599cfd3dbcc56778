"""Volume snapshots: JetOSSnapshot... (`reference/backup-and-restore.md` 2.16, 8); see `esent.backup.snapshot`."""

from __future__ import annotations

from esent.backup.snapshot import SESSIONS
from esent.constants import params
from esent.engine.instance import Instance
from esent.engine.process import PROCESS
from esent.jet.backup import as_grbit
from esent.jet.handles import JET_ERR, JET_GRBIT, JET_INSTANCE, JET_OSSNAPID
from esent.jet.structures import JET_INSTANCE_INFO


def _infos(owners: list[object]) -> list[JET_INSTANCE_INFO]:
    return [_info(owner) for owner in owners if isinstance(owner, Instance)]


def _info(instance: Instance) -> JET_INSTANCE_INFO:
    paths = [str(database.path) for database in instance.backup_databases()]
    return JET_INSTANCE_INFO(
        hInstanceId=instance.handle,
        szInstanceName=instance.name,
        szDatabaseFileName=paths,
        szDatabaseDisplayName=list(paths),
    )


def JetOSSnapshotPrepare(grbit: JET_GRBIT = 0) -> JET_OSSNAPID:
    """A new session, of all initialised instances that are in no other one (none with JET_bitExplicitPrepare)."""
    with PROCESS.lock:
        running = [(each.backup, each) for each in PROCESS.instances if each.backup_allowed]
    return SESSIONS.prepare(as_grbit(grbit), running)


def JetOSSnapshotPrepareInstance(snapId: JET_OSSNAPID, instance: JET_INSTANCE, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Add an instance to a session."""
    found = PROCESS.resolve(instance)
    with found.call():
        SESSIONS.prepare_instance(snapId, found.backup, found, as_grbit(grbit))
    return 0


def JetOSSnapshotFreeze(snapId: JET_OSSNAPID, grbit: JET_GRBIT = 0) -> list[JET_INSTANCE_INFO]:
    """Hold all writes of the session's instances; what was frozen. JET_paramOSSnapshotTimeout ends it at the latest."""
    timeout = PROCESS.parameters.number(params.JET_paramOSSnapshotTimeout) / 1000
    return _infos(SESSIONS.freeze(snapId, as_grbit(grbit), timeout))


def JetOSSnapshotThaw(snapId: JET_OSSNAPID, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Let the writes go on; the end of the session unless it was prepared with JET_bitContinueAfterThaw."""
    SESSIONS.thaw(snapId, as_grbit(grbit))
    return 0


def JetOSSnapshotAbort(snapId: JET_OSSNAPID, grbit: JET_GRBIT = 0) -> JET_ERR:
    """End the session as failed."""
    SESSIONS.abort(snapId, as_grbit(grbit))
    return 0


def JetOSSnapshotTruncateLog(snapId: JET_OSSNAPID, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Delete the logs the snapshot made superfluous, of all instances of the session."""
    SESSIONS.truncate(snapId, as_grbit(grbit))
    return 0


def JetOSSnapshotTruncateLogInstance(snapId: JET_OSSNAPID, instance: JET_INSTANCE, grbit: JET_GRBIT = 0) -> JET_ERR:
    """The same, of one instance."""
    found = PROCESS.resolve(instance)
    with found.call():
        SESSIONS.truncate(snapId, as_grbit(grbit), found.backup)
    return 0


def JetOSSnapshotGetFreezeInfo(snapId: JET_OSSNAPID, grbit: JET_GRBIT = 0) -> list[JET_INSTANCE_INFO]:
    """The instances of the session and their databases."""
    return _infos(SESSIONS.freeze_info(snapId, as_grbit(grbit)))


def JetOSSnapshotEnd(snapId: JET_OSSNAPID, grbit: JET_GRBIT = 0) -> JET_ERR:
    """End the session: well, or with JET_bitAbortSnapshot as failed."""
    SESSIONS.end(snapId, as_grbit(grbit))
    return 0


__all__ = [
    "JetOSSnapshotAbort",
    "JetOSSnapshotEnd",
    "JetOSSnapshotFreeze",
    "JetOSSnapshotGetFreezeInfo",
    "JetOSSnapshotPrepare",
    "JetOSSnapshotPrepareInstance",
    "JetOSSnapshotThaw",
    "JetOSSnapshotTruncateLog",
    "JetOSSnapshotTruncateLogInstance",
]
