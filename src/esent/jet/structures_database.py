# ruff: noqa: N801 - structures keep their documented names
"""Structures about databases and files (`JET_DBINFOMISC`, `JET_LOGINFOMISC`, `JET_PAGEINFO`, `JET_DBUTIL`, ...).

Fields have their documented names; sizes, counts and reserved members of C are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from esent.jet.handles import JET_PFNINITCALLBACK, JET_TABLEID
from esent.jet.structures_instance import JET_LGPOS, JET_LOGTIME, JET_SIGNATURE


@dataclass(kw_only=True, slots=True)
class JET_BKINFO:
    """Where and when a backup began and the generations in it."""

    lgposMark: JET_LGPOS = field(default_factory=JET_LGPOS)
    logtimeMark: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    genLow: int = 0
    genHigh: int = 0


@dataclass(kw_only=True, slots=True)
class JET_DBINFOMISC:
    """The database header."""

    ulVersion: int = 0
    ulUpdate: int = 0
    signDb: JET_SIGNATURE = field(default_factory=JET_SIGNATURE)
    dbstate: int = 0
    lgposConsistent: JET_LGPOS = field(default_factory=JET_LGPOS)
    logtimeConsistent: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    logtimeAttach: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    lgposAttach: JET_LGPOS = field(default_factory=JET_LGPOS)
    logtimeDetach: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    lgposDetach: JET_LGPOS = field(default_factory=JET_LGPOS)
    signLog: JET_SIGNATURE = field(default_factory=JET_SIGNATURE)
    bkinfoFullPrev: JET_BKINFO = field(default_factory=JET_BKINFO)
    bkinfoIncPrev: JET_BKINFO = field(default_factory=JET_BKINFO)
    bkinfoFullCur: JET_BKINFO = field(default_factory=JET_BKINFO)
    fShadowingDisabled: int = 0
    fUpgradeDb: int = 0
    dwMajorVersion: int = 0
    dwMinorVersion: int = 0
    dwBuildNumber: int = 0
    lSPNumber: int = 0
    cbPageSize: int = 0
    genMinRequired: int = 0
    genMaxRequired: int = 0
    logtimeGenMaxCreate: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    ulRepairCount: int = 0
    logtimeRepair: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    ulRepairCountOld: int = 0
    ulECCFixSuccess: int = 0
    logtimeECCFixSuccess: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    ulECCFixSuccessOld: int = 0
    ulECCFixFail: int = 0
    logtimeECCFixFail: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    ulECCFixFailOld: int = 0
    ulBadChecksum: int = 0
    logtimeBadChecksum: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    ulBadChecksumOld: int = 0
    genCommitted: int = 0
    bkinfoCopyPrev: JET_BKINFO = field(default_factory=JET_BKINFO)
    bkinfoDiffPrev: JET_BKINFO = field(default_factory=JET_BKINFO)
    ulIncrementalReseedCount: int = 0
    logtimeIncrementalReseed: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    ulIncrementalReseedCountOld: int = 0
    ulPagePatchCount: int = 0
    logtimePagePatch: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    ulPagePatchCountOld: int = 0
    logtimeChecksumPrev: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    logtimeChecksumStart: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    cpgDatabaseChecked: int = 0
    logtimeLastReAttach: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    lgposLastReAttach: JET_LGPOS = field(default_factory=JET_LGPOS)


@dataclass(kw_only=True, slots=True)
class JET_DBINFOUPGRADE:
    """What upgrading a database would take."""

    cbFilesizeLow: int = 0
    cbFilesizeHigh: int = 0
    cbFreeSpaceRequiredLow: int = 0
    cbFreeSpaceRequiredHigh: int = 0
    csecToUpgrade: int = 0
    ulFlags: int = 0


@dataclass(kw_only=True, slots=True)
class JET_LOGINFOMISC:
    """The header of a log file."""

    ulGeneration: int = 0
    signLog: JET_SIGNATURE = field(default_factory=JET_SIGNATURE)
    logtimeCreate: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    logtimePreviousGeneration: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    ulFlags: int = 0
    ulVersionMajor: int = 0
    ulVersionMinor: int = 0
    ulVersionUpdate: int = 0
    cbSectorSize: int = 0
    cbHeader: int = 0
    cbFile: int = 0
    cbDatabasePageSize: int = 0


@dataclass(kw_only=True, slots=True)
class JET_LOGINFOMISC2:
    """JET_LOGINFOMISC with the checkpoint position."""

    ulGeneration: int = 0
    signLog: JET_SIGNATURE = field(default_factory=JET_SIGNATURE)
    logtimeCreate: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    logtimePreviousGeneration: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    ulFlags: int = 0
    ulVersionMajor: int = 0
    ulVersionMinor: int = 0
    ulVersionUpdate: int = 0
    cbSectorSize: int = 0
    cbHeader: int = 0
    cbFile: int = 0
    cbDatabasePageSize: int = 0
    lgposCheckpoint: JET_LGPOS = field(default_factory=JET_LGPOS)


@dataclass(kw_only=True, slots=True)
class JET_LOGINFOMISC3:
    """JET_LOGINFOMISC2 with all parts of the version and the checksum of the log before."""

    ulGeneration: int = 0
    signLog: JET_SIGNATURE = field(default_factory=JET_SIGNATURE)
    logtimeCreate: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    logtimePreviousGeneration: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    ulFlags: int = 0
    ulVersionMajor: int = 0
    ulVersionUpdateMajor: int = 0
    ulVersionUpdateMinor: int = 0
    cbSectorSize: int = 0
    cbHeader: int = 0
    cbFile: int = 0
    cbDatabasePageSize: int = 0
    lgposCheckpoint: JET_LGPOS = field(default_factory=JET_LGPOS)
    ulVersionMinorDeprecated: int = 0
    checksumPrevLogAllSegments: int = 0


@dataclass(kw_only=True, slots=True)
class JET_RBSINFOMISC:
    """The header of a revert snapshot file."""

    lRBSGeneration: int = 0
    logtimeCreate: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    logtimeCreatePrevRBS: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    ulMajor: int = 0
    ulMinor: int = 0
    cbLogicalFileSize: int = 0


@dataclass(kw_only=True, slots=True)
class JET_RBSREVERTINFOMISC:
    """The outcome of a revert."""

    lGenMinRevertStart: int = 0
    lGenMaxRevertStart: int = 0
    lGenMinRevertEnd: int = 0
    lGenMaxRevertEnd: int = 0
    logtimeRevertFrom: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    cSecRevert: int = 0
    cPagesReverted: int = 0
    lGenRBSMaxApplied: int = 0
    lGenRBSMinApplied: int = 0


@dataclass(kw_only=True, slots=True)
class JET_PAGEINFO:
    """What the checksum of a page says."""

    pgno: int = 0
    fPageIsInitialized: int = 0
    fCorrectableError: int = 0
    checksumActual: int = 0
    checksumExpected: int = 0
    dbtime: int = 0
    structureChecksum: int = 0
    flags: int = 0


@dataclass(kw_only=True, slots=True)
class JET_PAGEINFO2:
    """JET_PAGEINFO with all checksums of a large page."""

    pageInfo: JET_PAGEINFO = field(default_factory=JET_PAGEINFO)
    rgChecksumActual: list[int] = field(default_factory=list)
    rgChecksumExpected: list[int] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class JET_DBUTIL:
    """The request of a database utility operation; the operation decides which fields count."""

    sesid: int = 0
    dbid: int = 0
    tableid: JET_TABLEID | None = None
    op: int = 0
    edbdump: int = 0
    grbitOptions: int = 0
    szDatabase: str | None = None
    szSLV_ObsoleteAndUnused: str | None = None
    szBackup: str | None = None
    szTable: str | None = None
    szIndex: str | None = None
    szIntegPrefix: str | None = None
    pgno: int = 0
    iline: int = 0
    lGeneration: int = 0
    isec: int = 0
    ib: int = 0
    cRetry: int = 0
    pfnCallback: JET_PFNINITCALLBACK | None = None
    pvCallback: object = None
    szLog: str | None = None
    szBase: str | None = None
    pvBuffer: object = None
    cbBuffer: int = 0
    checksumlogfrommemory: int = 0
    pgnoFirst: int = 0
    pgnoLast: int = 0
    pfnSpaceCatCallback: object = None
    pvContext: object = None
    spcatOptions: int = 0
    rbsOptions: int = 0


@dataclass(kw_only=True, slots=True)
class JET_CONVERT:
    """Obsolete conversion request."""

    szOldDll: str | None = None
    fFlags: int = 0


__all__ = [
    "JET_BKINFO",
    "JET_CONVERT",
    "JET_DBINFOMISC",
    "JET_DBINFOUPGRADE",
    "JET_DBUTIL",
    "JET_LOGINFOMISC",
    "JET_LOGINFOMISC2",
    "JET_LOGINFOMISC3",
    "JET_PAGEINFO",
    "JET_PAGEINFO2",
    "JET_RBSINFOMISC",
    "JET_RBSREVERTINFOMISC",
]
