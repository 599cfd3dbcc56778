"""Log records: one class a type, and `decode` (`reference/log-and-recovery.md` 4).

The classes stand in `records_session`, `records_pages` and `records_system`, in the order of the reference; all of them are
names of this module. `decode` is the reader's side, `record.encode()` the writer's.
"""

from __future__ import annotations

from esent.constants import codes
from esent.errors import jet_error
from esent.log.layout import REGISTRY, Record
from esent.log.records_pages import (
    ConvertFDP,
    ConvertFDP2,
    CreateMEFDP,
    CreateSEFDP,
    Delete,
    Delta,
    Delta64,
    EmptyTree,
    FlagDelete,
    FlagInsert,
    FlagInsertAndReplaceData,
    Insert,
    Merge,
    Merge2,
    NodeRecord,
    PageMove,
    PageRecord,
    Replace,
    ReplaceD,
    Scrub,
    SetExternalHeader,
    Split,
    Split2,
    Undo,
    UndoInfo,
)
from esent.log.records_session import (
    Begin,
    Begin0,
    BeginDT,
    Commit,
    Commit0,
    ForceWriteLog,
    MacroAbort,
    MacroBegin,
    MacroCommit,
    PrepCommit,
    Refresh,
    Rollback,
)
from esent.log.records_system import (
    AttachDB,
    Backup,
    Backup2,
    Checksum,
    CommitCtx,
    CreateDB,
    CreateDBFinish,
    DetachDB,
    End,
    ExtendDB,
    ExtentFreed,
    ExtentFreed2,
    ExtRestore,
    ExtRestore2,
    ForceLogRollover,
    Fragment,
    FragmentBegin,
    FreeFDP,
    FullBackup,
    Ignored,
    IncBackup,
    Init,
    Init2,
    JetOp,
    MacroInfo,
    MacroInfo2,
    NewPage,
    Nop,
    Nop2,
    OldSectorChain,
    PagePatchRequest,
    ReAttach,
    RecoveryQuit,
    RecoveryQuit2,
    RecoveryQuitKeepAttachments,
    RecoveryUndo,
    RecoveryUndo2,
    RootPageMove,
    ScanCheck,
    ScanCheck2,
    SetDbVersion,
    ShrinkDB,
    ShrinkDB2,
    ShrinkDB3,
    ShutDownMark,
    SignalAttachDb,
    Term,
    Term2,
    Trace,
    TrimDB,
)
from esent.log.scan import record_size

_CLASSES: list[type[Record] | None] = [REGISTRY.get(kind) for kind in range(256)]
_IGNORED = frozenset({75, *range(82, 92)})


def decode(data: bytes, offset: int = 0, end: int | None = None) -> tuple[Record, int]:
    """The record at `offset` and its size in bytes; it lies wholly before `end` (default: the end of `data`).

    Raises JET_errLogFileCorrupt where no known record stands there, or one whose content is shorter than its type demands.
    """
    if end is None:
        end = len(data)
    size = record_size(data, offset, end)
    if size == 0:
        raise jet_error(codes.JET_errLogFileCorrupt, "no log record", offset=offset)
    return decode_sized(data, offset, size), size


def decode_sized(data: bytes, offset: int, size: int) -> Record:
    """The record at `offset` whose size the scan has found."""
    kind = data[offset]
    cls = _CLASSES[kind]
    if cls is None:
        if kind in _IGNORED:
            return Ignored(kind, data[offset + 5 : offset + size])
        raise jet_error(codes.JET_errLogFileCorrupt, f"log record of unknown type {kind}", offset=offset)
    if size < cls.minimum_size:
        raise jet_error(codes.JET_errLogFileCorrupt, f"log record {cls.__name__} of only {size} bytes", offset=offset)
    return cls.parse(data, offset, size)


__all__ = [
    "AttachDB",
    "Backup",
    "Backup2",
    "Begin",
    "Begin0",
    "BeginDT",
    "Checksum",
    "Commit",
    "Commit0",
    "CommitCtx",
    "ConvertFDP",
    "ConvertFDP2",
    "CreateDB",
    "CreateDBFinish",
    "CreateMEFDP",
    "CreateSEFDP",
    "Delete",
    "Delta",
    "Delta64",
    "DetachDB",
    "EmptyTree",
    "End",
    "ExtRestore",
    "ExtRestore2",
    "ExtendDB",
    "ExtentFreed",
    "ExtentFreed2",
    "FlagDelete",
    "FlagInsert",
    "FlagInsertAndReplaceData",
    "ForceLogRollover",
    "ForceWriteLog",
    "Fragment",
    "FragmentBegin",
    "FreeFDP",
    "FullBackup",
    "Ignored",
    "IncBackup",
    "Init",
    "Init2",
    "Insert",
    "JetOp",
    "MacroAbort",
    "MacroBegin",
    "MacroCommit",
    "MacroInfo",
    "MacroInfo2",
    "Merge",
    "Merge2",
    "NewPage",
    "NodeRecord",
    "Nop",
    "Nop2",
    "OldSectorChain",
    "PageMove",
    "PagePatchRequest",
    "PageRecord",
    "PrepCommit",
    "ReAttach",
    "Record",
    "RecoveryQuit",
    "RecoveryQuit2",
    "RecoveryQuitKeepAttachments",
    "RecoveryUndo",
    "RecoveryUndo2",
    "Refresh",
    "Replace",
    "ReplaceD",
    "Rollback",
    "RootPageMove",
    "ScanCheck",
    "ScanCheck2",
    "Scrub",
    "SetDbVersion",
    "SetExternalHeader",
    "ShrinkDB",
    "ShrinkDB2",
    "ShrinkDB3",
    "ShutDownMark",
    "SignalAttachDb",
    "Split",
    "Split2",
    "Term",
    "Term2",
    "Trace",
    "TrimDB",
    "Undo",
    "UndoInfo",
    "decode",
    "decode_sized",
]
