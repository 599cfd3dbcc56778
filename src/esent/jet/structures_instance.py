# ruff: noqa: N801 - structures keep their documented names
"""Structures of instances, parameters, sessions and recovery (`JET_SETSYSPARAM`, `JET_RSTINFO`, `JET_RECOVERYCONTROL`, ...).

Fields have their documented names; sizes, counts and reserved members of C are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from esent.jet.handles import JET_ERR, JET_GRBIT, JET_INSTANCE, JET_PFNINITCALLBACK, JET_PFNSTATUS


@dataclass(order=True, slots=True)
class JET_LGPOS:
    """A log position: generation, segment, byte; ordered."""

    lGeneration: int = 0
    isec: int = 0
    ib: int = 0


@dataclass(slots=True)
class JET_LOGTIME:
    """A moment as the log files hold it; month 0 means unset."""

    bSeconds: int = 0
    bMinutes: int = 0
    bHours: int = 0
    bDay: int = 0
    bMonth: int = 0
    bYear: int = 0
    bFiller1: int = 0
    bFiller2: int = 0


@dataclass(slots=True)
class JET_BKLOGTIME:
    """A JET_LOGTIME in backup information."""

    bSeconds: int = 0
    bMinutes: int = 0
    bHours: int = 0
    bDay: int = 0
    bMonth: int = 0
    bYear: int = 0
    bFiller1: int = 0
    bFiller2: int = 0


@dataclass(kw_only=True, slots=True)
class JET_SIGNATURE:
    """The identity of a database or a log stream."""

    ulRandom: int = 0
    logtimeCreate: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    szComputerName: str | None = None


@dataclass(kw_only=True, slots=True)
class JET_COMMIT_ID:
    """A commit of one log stream; later commits have larger numbers."""

    signLog: JET_SIGNATURE = field(default_factory=JET_SIGNATURE)
    commitId: int = 0


@dataclass(kw_only=True, slots=True)
class JET_INSTANCE_INFO:
    """One instance with its databases: full paths and names for display."""

    hInstanceId: JET_INSTANCE | None = None
    szInstanceName: str | None = None
    szDatabaseFileName: list[str] = field(default_factory=list)
    szDatabaseDisplayName: list[str] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class JET_SETSYSPARAM:
    """One parameter for JetEnableMultiInstance; `err` is filled in."""

    paramid: int = 0
    lParam: int = 0
    sz: str | None = None
    err: JET_ERR = 0


@dataclass(kw_only=True, slots=True)
class JET_SETDBPARAM:
    """One database parameter (JET_dbparam...) with its value."""

    dbparamid: int = 0
    pvParam: object = None


@dataclass(kw_only=True, slots=True)
class JET_CHECKPOINTINFO:
    """The range of generations a crash now would need, and the creation time of the newest."""

    genMin: int = 0
    genMax: int = 0
    logtimeGenMaxCreate: JET_LOGTIME = field(default_factory=JET_LOGTIME)


@dataclass(kw_only=True, slots=True)
class JET_RSTMAP:
    """Old and new path of a database for recovery or restore."""

    szDatabaseName: str | None = None
    szNewDatabaseName: str | None = None


@dataclass(kw_only=True, slots=True)
class JET_RSTMAP2:
    """JET_RSTMAP with database parameters and flags of its own."""

    szDatabaseName: str | None = None
    szNewDatabaseName: str | None = None
    rgsetdbparam: list[JET_SETDBPARAM] = field(default_factory=list)
    grbit: JET_GRBIT = 0


@dataclass(kw_only=True, slots=True)
class JET_RSTINFO:
    """What JetInit3 is told about recovery: path map, stop position, callback."""

    rgrstmap: list[JET_RSTMAP] = field(default_factory=list)
    lgposStop: JET_LGPOS | None = None
    logtimeStop: JET_LOGTIME | None = None
    pfnStatus: JET_PFNSTATUS | None = None


@dataclass(kw_only=True, slots=True)
class JET_RSTINFO2:
    """What JetInit4 is told about recovery."""

    rgrstmap: list[JET_RSTMAP2] = field(default_factory=list)
    lgposStop: JET_LGPOS | None = None
    logtimeStop: JET_LOGTIME | None = None
    pfnCallback: JET_PFNINITCALLBACK | None = None
    pvCallbackContext: object = None


@dataclass(kw_only=True, slots=True)
class JET_RECOVERYCONTROL:
    """What a recovery callback is asked to decide; `errDefault` is what happens if it returns success."""

    errDefault: JET_ERR = 0
    instance: JET_INSTANCE | None = None
    lGenNext: int = 0
    fCurrentLog: int = 0
    eReason: int = 0
    wszLogFile: str | None = None
    wszCheckpoint: str | None = None
    lGenMissing: int = 0
    eNextAction: int = 0
    EventID: int = 0
    wszDbPath: str | None = None
    pbCommitCtx: object = None
    fCallbackType: int = 0


@dataclass(kw_only=True, slots=True)
class JET_SNPROG:
    """Progress: units done of units in all."""

    cunitDone: int = 0
    cunitTotal: int = 0


@dataclass(kw_only=True, slots=True)
class JET_EMITDATACTX:
    """Context of emitted log data."""

    dwVersion: int = 0
    qwSequenceNum: int = 0
    grbitOperationalFlags: int = 0
    logtimeEmit: JET_LOGTIME = field(default_factory=JET_LOGTIME)
    lgposLogData: JET_LGPOS = field(default_factory=JET_LGPOS)
    cbLogData: int = 0


@dataclass(kw_only=True, slots=True)
class JET_LOGINFO:
    """The logs of a set or an instance: lowest and highest generation, base name."""

    ulGenLow: int = 0
    ulGenHigh: int = 0
    szBaseName: str | None = None


@dataclass(kw_only=True, slots=True)
class JET_SESSIONINFO:
    """Transaction state of a session."""

    ulTrxBegin0: int = 0
    ulTrxLevel: int = 0
    ulProcid: int = 0
    ulFlags: int = 0
    ulTrxContext: int = 0


@dataclass(kw_only=True, slots=True)
class JET_OPERATIONCONTEXT:
    """The caller's tracing context of a session."""

    ulUserID: int = 0
    nOperationID: int = 0
    nOperationType: int = 0
    nClientType: int = 0
    fFlags: int = 0


@dataclass(kw_only=True, slots=True)
class JET_THREADSTATS:
    """Counters of the calling thread."""

    cPageReferenced: int = 0
    cPageRead: int = 0
    cPagePreread: int = 0
    cPageDirtied: int = 0
    cPageRedirtied: int = 0
    cLogRecord: int = 0
    cbLogRecord: int = 0
    cusecPageCacheMiss: int = 0
    cPageCacheMiss: int = 0
    cSeparatedLongValueRead: int = 0
    cusecLongValuePageCacheMiss: int = 0
    cLongValuePageCacheMiss: int = 0
    cSeparatedLongValueCreated: int = 0
    cPageUniqueCacheHits: int = 0
    cPageUniqueCacheRequests: int = 0
    cDatabaseReads: int = 0
    cSumDatabaseReadQueueDepthImpact: int = 0
    cSumDatabaseReadQueueDepth: int = 0
    cusecWait: int = 0
    cWait: int = 0
    cNodesFlagDeleted: int = 0
    cbNodesFlagDeleted: int = 0
    cPageTableAllocated: int = 0
    cPageTableReleased: int = 0
    cPageUpdateAllocated: int = 0
    cPageUpdateReleased: int = 0
    cPageUniqueModified: int = 0


@dataclass(kw_only=True, slots=True)
class JET_ERRINFOBASIC:
    """What is known about an error."""

    errValue: int = 0
    errcatMostSpecific: int = 0
    rgCategoricalHierarchy: list[int] = field(default_factory=list)
    lSourceLine: int = 0
    rgszSourceFile: str = ""


__all__ = [
    "JET_BKLOGTIME",
    "JET_CHECKPOINTINFO",
    "JET_COMMIT_ID",
    "JET_EMITDATACTX",
    "JET_ERRINFOBASIC",
    "JET_INSTANCE_INFO",
    "JET_LGPOS",
    "JET_LOGINFO",
    "JET_LOGTIME",
    "JET_OPERATIONCONTEXT",
    "JET_RECOVERYCONTROL",
    "JET_RSTINFO",
    "JET_RSTINFO2",
    "JET_RSTMAP",
    "JET_RSTMAP2",
    "JET_SESSIONINFO",
    "JET_SETDBPARAM",
    "JET_SETSYSPARAM",
    "JET_SIGNATURE",
    "JET_SNPROG",
    "JET_THREADSTATS",
]
