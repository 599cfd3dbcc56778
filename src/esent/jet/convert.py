"""Between the values of the engine and the structures of the API."""

from __future__ import annotations

from typing import TypeVar

from esent.constants import codes
from esent.engine.database import full_path
from esent.errors import jet_error
from esent.jet.cursors import array
from esent.jet.structures_database import JET_BKINFO, JET_DBINFOMISC, JET_LOGINFOMISC2
from esent.jet.structures_instance import JET_LGPOS, JET_LOGTIME, JET_SIGNATURE
from esent.log.header import LogHeader
from esent.pages.header import SHADOWING_OFF, DatabaseHeader
from esent.pages.primitives import BackupInfo, Lgpos, LogTime, Signature

Structure = TypeVar("Structure")


def path_of(name: object) -> str:
    """A database path as the engine keeps it: absolute."""
    return str(full_path(name))


def structures(value: object, kind: type[Structure]) -> list[Structure]:
    """An array of structures as a list; JET_errInvalidParameter for anything else."""
    if value is None:
        raise jet_error(codes.JET_errInvalidParameter, f"a list of {kind.__name__} is needed")
    return list(array(value, kind, f"a list of {kind.__name__}"))


def to_lgpos(position: Lgpos) -> JET_LGPOS:
    return JET_LGPOS(position.generation, position.isec, position.ib)


def position_of(lgpos: JET_LGPOS | None) -> Lgpos | None:
    """A stop position; None, and the largest position there is, mean none."""
    if lgpos is None:
        return None
    if not isinstance(lgpos, JET_LGPOS):
        raise jet_error(codes.JET_errInvalidParameter, f"{lgpos!r} is not a log position")
    values = (lgpos.lGeneration, lgpos.isec, lgpos.ib)
    if not all(isinstance(value, int) for value in values):
        raise jet_error(codes.JET_errInvalidParameter, f"{lgpos!r} is not a log position")
    if values >= (0x7FFFFFFF, 0, 0):
        return None
    return Lgpos(*values)


def to_logtime(moment: LogTime) -> JET_LOGTIME:
    return JET_LOGTIME(*moment.pack())


def time_of(logtime: JET_LOGTIME | None) -> LogTime | None:
    """A stop time; None where unset."""
    if logtime is None:
        return None
    if not isinstance(logtime, JET_LOGTIME):
        raise jet_error(codes.JET_errInvalidParameter, f"{logtime!r} is not a time")
    if not logtime.bMonth:
        return None
    fields = (
        logtime.bSeconds,
        logtime.bMinutes,
        logtime.bHours,
        logtime.bDay,
        logtime.bMonth,
        logtime.bYear,
        logtime.bFiller1,
        logtime.bFiller2,
    )
    try:
        return LogTime.unpack(bytes(fields))
    except (TypeError, ValueError) as problem:
        raise jet_error(codes.JET_errInvalidParameter, f"{logtime!r} is not a time") from problem


def to_signature(signature: Signature) -> JET_SIGNATURE:
    return JET_SIGNATURE(
        ulRandom=signature.random,
        logtimeCreate=to_logtime(signature.created),
        szComputerName=signature.computer.decode("cp1252", "replace"),
    )


def to_bkinfo(info: BackupInfo) -> JET_BKINFO:
    return JET_BKINFO(
        lgposMark=to_lgpos(info.mark),
        logtimeMark=to_logtime(info.marked_at),
        genLow=info.generation_low,
        genHigh=info.generation_high,
    )


def to_dbinfomisc(header: DatabaseHeader) -> JET_DBINFOMISC:
    """The database header as the API reports it."""
    return JET_DBINFOMISC(
        ulVersion=header.version,
        ulUpdate=header.update_major,
        signDb=to_signature(header.sign_db),
        dbstate=header.dbstate,
        lgposConsistent=to_lgpos(header.lgpos_consistent),
        logtimeConsistent=to_logtime(header.logtime_consistent),
        logtimeAttach=to_logtime(header.logtime_attach),
        lgposAttach=to_lgpos(header.lgpos_attach),
        logtimeDetach=to_logtime(header.logtime_detach),
        lgposDetach=to_lgpos(header.lgpos_detach),
        signLog=to_signature(header.sign_log),
        bkinfoFullPrev=to_bkinfo(header.bkinfo_full_prev),
        bkinfoIncPrev=to_bkinfo(header.bkinfo_inc_prev),
        bkinfoFullCur=to_bkinfo(header.bkinfo_full_cur),
        fShadowingDisabled=header.db_flags & SHADOWING_OFF,
        fUpgradeDb=0,
        dwMajorVersion=header.os_major,
        dwMinorVersion=header.os_minor,
        dwBuildNumber=header.os_build,
        lSPNumber=header.os_service_pack,
        cbPageSize=header.page_size,
        genMinRequired=header.gen_min_required,
        genMaxRequired=header.gen_max_required,
        logtimeGenMaxCreate=to_logtime(header.logtime_gen_max_create),
        ulRepairCount=header.repair_count,
        logtimeRepair=to_logtime(header.logtime_repair),
        ulRepairCountOld=header.repair_count_old,
        ulECCFixSuccess=header.ecc_fix_success,
        logtimeECCFixSuccess=to_logtime(header.logtime_ecc_fix_success),
        ulECCFixSuccessOld=header.ecc_fix_success_old,
        ulECCFixFail=header.ecc_fix_fail,
        logtimeECCFixFail=to_logtime(header.logtime_ecc_fix_fail),
        ulECCFixFailOld=header.ecc_fix_fail_old,
        ulBadChecksum=header.bad_checksum,
        logtimeBadChecksum=to_logtime(header.logtime_bad_checksum),
        ulBadChecksumOld=header.bad_checksum_old,
        genCommitted=header.gen_max_committed,
        bkinfoCopyPrev=to_bkinfo(header.bkinfo_copy_prev),
        bkinfoDiffPrev=to_bkinfo(header.bkinfo_diff_prev),
        ulIncrementalReseedCount=header.incremental_reseed_count,
        logtimeIncrementalReseed=to_logtime(header.logtime_incremental_reseed),
        ulIncrementalReseedCountOld=header.incremental_reseed_count_old,
        ulPagePatchCount=header.page_patch_count,
        logtimePagePatch=to_logtime(header.logtime_page_patch),
        ulPagePatchCountOld=header.page_patch_count_old,
        logtimeChecksumPrev=to_logtime(header.logtime_dbscan_prev),
        logtimeChecksumStart=to_logtime(header.logtime_dbscan_start),
        cpgDatabaseChecked=header.pgno_dbscan_highest_continuous,
        logtimeLastReAttach=to_logtime(header.logtime_last_reattach),
        lgposLastReAttach=to_lgpos(header.lgpos_last_reattach),
    )


def to_loginfomisc(header: LogHeader, checkpoint: Lgpos) -> JET_LOGINFOMISC2:
    """The header of a log file as the API reports it; header and file are counted in segments."""
    return JET_LOGINFOMISC2(
        ulGeneration=header.generation,
        signLog=to_signature(header.signature),
        logtimeCreate=to_logtime(header.created),
        logtimePreviousGeneration=to_logtime(header.created_previous),
        ulFlags=header.flags,
        ulVersionMajor=header.version.major,
        ulVersionMinor=header.version.minor,
        ulVersionUpdate=header.version.update_major,
        cbSectorSize=header.segment_size,
        cbHeader=header.header_segments,
        cbFile=header.file_segments,
        cbDatabasePageSize=header.page_size,
        lgposCheckpoint=to_lgpos(checkpoint),
    )
