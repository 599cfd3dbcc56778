"""A log file as a list of its records, in the terms of the original's utility.

`dump_log` yields one dictionary a line: `{"segment", "checksum", "time"}` where a segment begins, and for a record `lgpos`
[generation, segment, byte], `type`, `text` and, where there is more to say, `more` (a list of lines). An operation on a node
has its common head in fields of their own: `dbtime`, `dbtime_before`, `trx`, `level`, `procid`, `dbid`, `pgno`, `line`; in the
text of the other page operations the head stands as dbtime,before,trx:level, in hexadecimal.

In the text: U unique tree, NU not; V versioned, NV not; D deleted, ND not; SP space tree, NSP not; USR or SYS, user or system;
NCI or CI, without or with concurrent creation of an index. Data are cut to their first 16 bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from esent.constants import codes
from esent.errors import jet_error
from esent.log import kinds
from esent.log.header import AttachInfo, DbmsParam, LogHeader
from esent.log.layout import Record
from esent.log.reader import LogFile
from esent.log.records import decode_sized
from esent.log.segments import segment_time, stored_checksum
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.primitives import Lgpos, LogTime, Signature

Line = dict[str, Any]

_NAMES = {
    kinds.INIT: "Init",
    kinds.TERM: "Term",
    kinds.MS: "MS",
    kinds.END: "End",
    kinds.BEGIN: "Begin",
    kinds.COMMIT: "Commit",
    kinds.ROLLBACK: "Rollback",
    kinds.BEGIN0: "Begin0",
    kinds.COMMIT0: "Commit0",
    kinds.REFRESH: "Refresh",
    kinds.MACRO_BEGIN: "McroBegin",
    kinds.MACRO_COMMIT: "McroComit",
    kinds.MACRO_ABORT: "McroAbort",
    kinds.CREATE_DB: "CreateDB",
    kinds.ATTACH_DB: "AttachDB",
    kinds.DETACH_DB: "DetachDB",
    kinds.RECOVERY_UNDO: "RcvUndo",
    kinds.RECOVERY_QUIT: "RcvQuit",
    kinds.FULL_BACKUP: "FullBkUp",
    kinds.INC_BACKUP: "IncBkUp",
    kinds.JET_OP: "JetOp",
    kinds.TRACE: "Trace",
    kinds.SHUT_DOWN_MARK: "ShutDown",
    kinds.CREATE_MEFDP: "Create M",
    kinds.CREATE_SEFDP: "Create S",
    kinds.CONVERT_FDP: "Convert",
    kinds.SPLIT: "Split",
    kinds.MERGE: "Merge",
    kinds.INSERT: "Insert",
    kinds.FLAG_INSERT: "FInsert",
    kinds.FLAG_INSERT_AND_REPLACE_DATA: "FInsertRD",
    kinds.FLAG_DELETE: "FDelete",
    kinds.REPLACE: "Replace",
    kinds.REPLACE_D: "ReplaceD",
    kinds.DELETE: "Delete",
    kinds.UNDO_INFO: "UndoInfo",
    kinds.DELTA: "Delta",
    kinds.SET_EXTERNAL_HEADER: "SetExtHdr",
    kinds.UNDO: "Undo",
    kinds.CHECKSUM: "Checksum",
    kinds.EXT_RESTORE: "ExtRestore",
    kinds.BACKUP: "Backup",
    kinds.EMPTY_TREE: "EmptyTree",
    kinds.INIT2: "Init",
    kinds.TERM2: "Term",
    kinds.RECOVERY_UNDO2: "RcvUndo",
    kinds.RECOVERY_QUIT2: "RcvQuit",
    kinds.BEGIN_DT: "BeginDT",
    kinds.PREP_COMMIT: "PrepCommit",
    kinds.FORCE_WRITE_LOG: "ForceWriteLog",
    kinds.CONVERT_FDP2: "Convert",
    kinds.EXT_RESTORE2: "ExtRestore2",
    kinds.BACKUP2: "Backup2",
    kinds.FORCE_LOG_ROLLOVER: "ForceLogRollover",
    kinds.SPLIT2: "Split2",
    kinds.MERGE2: "Merge2",
    kinds.SCRUB: "Scrub",
    kinds.PAGE_MOVE: "PageMove",
    kinds.PAGE_PATCH_REQUEST: "PagePatch",
    kinds.MACRO_INFO: "McroInfo",
    kinds.EXTEND_DB: "ExtendDB",
    kinds.COMMIT_CTX: "CommitCtx",
    kinds.SCAN_CHECK: "ScanCheck",
    kinds.NOP2: "NOP2",
    kinds.RE_ATTACH: "ReAttach",
    kinds.MACRO_INFO2: "McroInfo2",
    kinds.FREE_FDP: "FreeFDP",
    kinds.SHRINK_DB: "ShrinkDB",
    kinds.CREATE_DB_FINISH: "CrDBFinsh",
    kinds.RECOVERY_QUIT_KEEP_ATTACHMENTS: "RcvQuitKeep",
    kinds.TRIM_DB: "TrimDB",
    kinds.SET_DB_VERSION: "SetDbVer",
    kinds.DELTA64: "Delta64",
    kinds.SHRINK_DB2: "ShrinkDB2",
    kinds.NEW_PAGE: "NewPage",
    kinds.ROOT_PAGE_MOVE: "RootPageMove",
    kinds.SIGNAL_ATTACH_DB: "SignalAttach",
    kinds.SCAN_CHECK2: "ScanCheck2",
    kinds.SHRINK_DB3: "ShrinkDB3",
    kinds.EXTENT_FREED: "ExtentFreed",
    kinds.EXTENT_FREED2: "ExtentFreed2",
}
_NODE_OPERATIONS = frozenset(
    {
        kinds.INSERT,
        kinds.FLAG_INSERT,
        kinds.FLAG_INSERT_AND_REPLACE_DATA,
        kinds.FLAG_DELETE,
        kinds.REPLACE,
        kinds.REPLACE_D,
        kinds.DELETE,
        kinds.DELTA,
        kinds.DELTA64,
        kinds.UNDO,
    }
)
_SPLIT_TYPES = {kinds.SPLIT_VERTICAL: "SplitVertical", kinds.SPLIT_RIGHT: "SplitRight", kinds.SPLIT_APPEND: "Append"}
_SPLIT_OPERATIONS = {
    kinds.SPLIT_OPER_NONE: "None",
    kinds.SPLIT_OPER_INSERT: "Insert",
    kinds.SPLIT_OPER_REPLACE: "Replace",
    kinds.SPLIT_OPER_FLAG_INSERT_AND_REPLACE_DATA: "FlagInsertAndReplaceData",
}
_MERGE_TYPES = {
    kinds.MERGE_NONE: "None",
    kinds.MERGE_EMPTY_PAGE: "EmptyPage",
    kinds.MERGE_FULL_RIGHT: "FullRight",
    kinds.MERGE_PARTIAL_RIGHT: "PartialRight",
    kinds.MERGE_EMPTY_TREE: "EmptyTree",
    kinds.MERGE_FULL_LEFT: "FullLeft",
    kinds.MERGE_PARTIAL_LEFT: "PartialLeft",
    kinds.MERGE_PAGE_MOVE: "PageMove",
}
_BACKUP_PHASES = {
    kinds.BACKUP_BEGIN: "Begin",
    kinds.BACKUP_PREPARE_LOGS: "PrepLogs",
    kinds.BACKUP_TRUNCATE: "Truncate",
    kinds.BACKUP_UPDATE: "Update",
    kinds.BACKUP_ABORT: "Abort",
    kinds.BACKUP_STOP: "Stop",
}
_BACKUP_TYPES = {
    kinds.BACKUP_NORMAL: "External",
    kinds.BACKUP_OS_SNAPSHOT: "OSSnapshot",
    kinds.BACKUP_SNAPSHOT: "Snapshot",
    kinds.BACKUP_SURROGATE: "Surrogate",
}
_BACKUP_SCOPES = {
    kinds.SCOPE_FULL: "Full",
    kinds.SCOPE_INCREMENTAL: "Incremental",
    kinds.SCOPE_COPY: "Copy",
    kinds.SCOPE_DIFFERENTIAL: "Differential",
}
_FDP_TYPES = {kinds.FDP_TABLE: "T", kinds.FDP_INDEX: "I"}
_SHOWN = 16  # bytes of data


def _hexadecimal(data: bytes) -> str:
    return data[:_SHOWN].hex(" ").upper()


def _unsigned(dbtime: int) -> int:
    return dbtime & 0xFFFFFFFFFFFFFFFF


def _place(position: Lgpos) -> str:
    return f"({position.generation:X},{position.isec:X},{position.ib:X})"


def _short_time(time: LogTime) -> str:
    return f"({time.month}/{time.day}/{time.year + 1900} {time.hour}:{time.minute:02}:{time.second:02}.{time.millisecond:03})"


def format_time(time: LogTime) -> str:
    """Month/day/year and time, with the zone, as the utility prints times in headers."""
    zone = "UTC" if time.utc else "LOC"
    return (
        f"{time.month:02}/{time.day:02}/{time.year + 1900} "
        f"{time.hour:02}:{time.minute:02}:{time.second:02}.{time.millisecond:03} {zone}"
    )


def _signature(signature: Signature) -> str:
    created = format_time(signature.created)[:-4]
    return f"Create time:{created} Rand:{signature.random} Computer:{signature.computer.decode('ascii', 'replace') or '<None>'}"


def _flags(flags: int, *parts: str) -> str:
    """The words of the page prefix's flags, those of `parts` (U V ND SP USR NCI), joined with colons."""
    words = {
        "U": "U" if flags & kinds.UNIQUE else "NU",
        "V": "V" if flags & kinds.VERSIONED else "NV",
        "ND": "D" if flags & kinds.DELETED else "ND",
        "SP": "SP" if flags & kinds.SPACE_TREE else "NSP",
        "USR": "SYS" if flags & kinds.SYSTEM_TASK else "USR",
        "NCI": "CI" if flags & kinds.CONCURRENT_CREATE_INDEX else "NCI",
    }
    return ":".join(words[part] for part in parts)


def _head(record: Any) -> str:
    return f"{_unsigned(record.dbtime):x},{_unsigned(record.dbtime_before):x},{record.trx_begin0:x}:{record.level}"


def _optional(dbtime: int, pgno: int) -> int:
    """The dbtime of a page that may be absent."""
    return _unsigned(dbtime) if pgno else 0


def _objid(record: Any) -> str:
    return f"objid:[{record.dbid}:{record.objid_fdp}])"


def _image(record: Any) -> str:
    flags = ("D" if record.image_flags & kinds.IMAGE_DEHYDRATED else "") + (
        "X" if record.image_flags & kinds.IMAGE_COMPRESSED else ""
    )
    return f"beforeImage:{len(record.image)}[{flags}])"


def _insert(r: Any) -> str:
    return (
        f"{_flags(r.flags, 'U', 'V', 'ND', 'SP', 'USR', 'NCI')},{len(r.prefix)},{len(r.suffix)},{len(r.data)},"
        f"rceid:{r.rceid},{_objid(r)}{_hexadecimal(r.prefix + r.suffix + r.data)}"
    )


def _flag_insert_and_replace(r: Any) -> str:
    data = r.key + r.data
    return (
        f"{_flags(r.flags, 'U', 'V', 'SP', 'USR', 'NCI')},{len(data):5},rceidInsert:{r.rceid},rceidReplace:{r.rceid_replace},"
        f"{_objid(r)}{_hexadecimal(data)}"
    )


def _replace(r: Any) -> str:
    shown = "" if r.kind == kinds.REPLACE_D else _hexadecimal(r.data)
    return (
        f"{_flags(r.flags, 'U', 'V', 'SP', 'USR', 'NCI')},{len(r.data):5},{r.new_size:5},{r.old_size:5},"
        f"rceid:{r.rceid},{_objid(r)}{shown}"
    )


def _undo_info(r: Any) -> str:
    return (
        f"{r.trx_begin0:x}:{r.level}({r.procid:x},[{r.dbid}:{r.pgno}],{_flags(r.flags, 'U', 'USR')},"
        f"{len(r.key)},{len(r.bookmark_data)},{len(r.data)},rceid:{r.rceid},{_objid(r)}"
        f"{_hexadecimal(r.key + r.bookmark_data + r.data)}"
    )


def _split(r: Any) -> str:
    if not r.pgno_new:
        return f"ParentOfSplitPage {_head(r)}({r.procid:x},parent:{_unsigned(r.dbtime_parent_before):x},[{r.dbid}:{r.pgno}])"
    name = _SPLIT_TYPES.get(r.split_type, str(r.split_type))
    alone = r.split_oper == kinds.SPLIT_OPER_INSERT and r.line_split == r.line_oper == r.line_count - 1
    if r.split_type == kinds.SPLIT_RIGHT and alone:  # only the new node goes to the new page
        name = "SplitHotpoint"
    return (
        f"{name} {_head(r)}({r.procid:x},split:[{r.dbid}:{r.pgno}:{r.line_split}],"
        f"oper/last:[{r.line_oper}/{r.line_count - 1}],new:[{r.dbid}:{r.pgno_new}],"
        f"parent:{_optional(r.dbtime_parent_before, r.pgno_parent):x},[{r.dbid}:{r.pgno_parent}],"
        f"right:{_optional(r.dbtime_right_before, r.pgno_right):x},[{r.dbid}:{r.pgno_right}], objid:[{r.dbid}:{r.objid_fdp}], "
        f"{_flags(r.flags, 'U', 'SP', 'USR', 'NCI')}, splitoper:{_SPLIT_OPERATIONS.get(r.split_oper, str(r.split_oper))}"
        + (f", {_image(r)}" if r.kind == kinds.SPLIT2 else ")")
    )


def _merge(r: Any) -> str:
    flags = ":".join(
        (
            "KC" if r.merge_flags & kinds.MERGE_KEY_CHANGE else "NKC",
            "EP" if r.merge_flags & kinds.MERGE_PAGE_BECOMES_EMPTY else "NEP",
            "D" if r.merge_flags & kinds.MERGE_DELETE_NODE else "ND",
            _MERGE_TYPES.get(r.merge_type, str(r.merge_type)),
        )
    )
    return (
        f"{_head(r)}({r.procid:x},merge:[{r.dbid}:{r.pgno}:{r.line_merge}],"
        f"right:{_optional(r.dbtime_right_before, r.pgno_right):x},[{r.dbid}:{r.pgno_right}],"
        f"left:{_optional(r.dbtime_left_before, r.pgno_left):x},[{r.dbid}:{r.pgno_left}],"
        f"parent:{_optional(r.dbtime_parent_before, r.pgno_parent):x},[{r.dbid}:{r.pgno_parent}],"
        f"{_flags(r.flags, 'U', 'SP', 'USR')}:{flags},size:{r.size_total},maxsize:{r.size_max_total},"
        f"uncfree:{r.uncommitted_free_destination}"
        + (f",{_image(r)}" if r.kind == kinds.MERGE2 else ")")
        + _hexadecimal(r.key_parent_separator)
    )


def _create_multiple(r: Any) -> str:
    return (
        f"{_unsigned(r.dbtime):x},{r.trx_begin0:x}:{r.level}({r.procid:x},FDP:[{r.dbid}:{r.pgno}],OE:[{r.dbid}:{r.pgno_oe}],"
        f"AE:[{r.dbid}:{r.pgno_ae}],FDPParent:[{r.dbid}:{r.pgno_fdp_parent}],objid:[{r.dbid}:{r.objid_fdp}],"
        f"PageFlags:[0x{r.page_flags:x}],{r.cpg_primary},{_flags(r.flags, 'U', 'USR')})"
    )


def _create_single(r: Any) -> str:
    return (
        f"{_unsigned(r.dbtime):x},{r.trx_begin0:x}:{r.level}({r.procid:x},[{r.dbid}:{r.pgno}],[{r.dbid}:{r.pgno_fdp_parent}],"
        f"[{r.objid_fdp}],PageFlags:[0x{r.page_flags:x}]{r.cpg_primary},{_flags(r.flags, 'U', 'USR')})"
    )


def _convert(r: Any) -> str:
    return (
        f"{_head(r)}({r.procid:x},[{r.dbid}:{r.pgno}],[{r.dbid}:{r.pgno_fdp_parent}],[{r.objid_fdp}],+{r.cpg_primary},"
        f"[{r.dbid}:{r.pgno_secondary_first}],+{r.cpg_secondary},{_flags(r.flags, 'U', 'USR')})"
    )


def _page_operation(r: Any, *, objid: bool, data: bytes) -> str:
    middle = f"objid:[{r.dbid}:{r.objid_fdp}]," if objid else ""
    return (
        f"{_head(r)}({r.procid:x},[{r.dbid}:{r.pgno}],{middle}{_flags(r.flags, 'U', 'SP', 'USR')},"
        + (f"{len(data)}" if objid else f"{len(data):5}")
        + f"){_hexadecimal(data)}"
    )


def _create_db(r: Any) -> str:
    version = f" Version: 0x{r.version[0]:x},0x{r.version[1]:x}" if r.version else ""
    return (
        f"({r.procid:x},{r.path},{r.dbid}){version} cpgMax: {r.cpg_database_size_max} Sig: {_signature(r.sign_db)} "
        f"sparse: {int(r.sparse)}"
    )


def _attach_db(r: Any) -> str:
    return (
        f"({r.procid:x},{r.path},{r.dbid}) cpgMax: {r.cpg_database_size_max} consistent:{_place(r.lgpos_consistent)}   "
        f"SigDb: {_signature(r.sign_db)}   SigLog: {_signature(r.sign_log)} sparse: {int(r.sparse)}"
    )


def _backup(r: Any) -> str:
    info = r.info
    return (
        f"{_BACKUP_PHASES.get(r.phase, r.phase)}( {_BACKUP_TYPES.get(r.backup_type, r.backup_type)}:"
        f"{_BACKUP_SCOPES.get(r.scope, r.scope)}, dbid={r.dbid}, phaseDetails[{_place(info.mark)},"
        f"{_short_time(info.marked_at)},({info.generation_low},{info.generation_high})] )"
    )


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("latin-1")


_TEXTS: dict[int, Callable[[Any], str]] = {
    kinds.INIT2: lambda r: _short_time(r.logtime),
    kinds.TERM2: lambda r: _short_time(r.logtime),
    kinds.RECOVERY_UNDO2: lambda r: _short_time(r.logtime),
    kinds.RECOVERY_QUIT2: lambda r: _short_time(r.logtime),
    kinds.RECOVERY_QUIT_KEEP_ATTACHMENTS: lambda r: _short_time(r.logtime),
    kinds.BEGIN: lambda r: f"({r.procid:x},from:{r.level_begin_from},to:{r.level_begin_from + r.clevels_to_begin})",
    kinds.BEGIN0: lambda r: (
        f"({r.procid:x},from:{r.level_begin_from},to:{r.level_begin_from + r.clevels_to_begin}) {r.trx_begin0:x}"
    ),
    kinds.COMMIT: lambda r: f"({r.procid:x},to:{r.level_commit_to})",
    kinds.COMMIT0: lambda r: f"({r.procid:x},to:{r.level_commit_to}) {r.trx_commit0:x}",
    kinds.ROLLBACK: lambda r: f"({r.procid:x},{r.level_rollback})",
    kinds.REFRESH: lambda r: f"({r.procid:x}) {r.trx_begin0:x}",
    kinds.MACRO_BEGIN: lambda r: f"({r.procid:x}) {_unsigned(r.dbtime):x}",
    kinds.FORCE_WRITE_LOG: lambda r: f"({r.procid:x})",
    kinds.CREATE_DB: _create_db,
    kinds.CREATE_DB_FINISH: lambda r: f"({r.procid:x},{r.dbid})",
    kinds.ATTACH_DB: _attach_db,
    kinds.DETACH_DB: lambda r: f"({r.procid:x},{r.path},{r.dbid})",
    kinds.SET_DB_VERSION: lambda r: f"(dbid:{r.dbid}, DB ver:{r.major}.{r.update_major}.{r.update_minor})",
    kinds.EXTEND_DB: lambda r: f"[{r.dbid}:{r.pgno_last}]",
    kinds.SHRINK_DB: lambda r: f"[{r.dbid}:{r.pgno_last}],-{r.cpg_shrunk}",
    kinds.TRIM_DB: lambda r: f"[{r.dbid}:{r.pgno_start}],{r.cpg_zeroed}",
    kinds.NEW_PAGE: lambda r: f"{_unsigned(r.dbtime):x},({r.procid:x},page:[{r.dbid}:{r.pgno}],objid:[{r.dbid}:{r.objid}])",
    kinds.FREE_FDP: lambda r: f"{r.trx_committed:x}:([{r.dbid}:{r.pgno_fdp}] ({_FDP_TYPES.get(r.type, r.type)}))",
    kinds.EXTENT_FREED: lambda r: f"[{r.dbid}:{r.pgno_first}],{r.cpg_extent},0x{r.flags:x}",
    kinds.TRACE: lambda r: f"({r.procid:x}) {_text(r.text)}",
    kinds.FORCE_LOG_ROLLOVER: lambda r: f"({r.procid:x}) {_text(r.text)}",
    kinds.NOP2: lambda r: f"(lrtyp = {r.kind}, {r.filler} bytes)",
    kinds.IGNORED9: lambda r: f"(lrtyp = {r.kind}, {len(r.content)} bytes)",
    kinds.BACKUP2: _backup,
    kinds.MACRO_INFO: lambda r: "".join(f"[1:{pgno}]," for pgno in r.pages),
    kinds.MACRO_INFO2: lambda r: "".join(f"[{r.dbid}:{pgno}]," for pgno in r.pages),
    kinds.CREATE_MEFDP: _create_multiple,
    kinds.CREATE_SEFDP: _create_single,
    kinds.CONVERT_FDP: _convert,
    kinds.SPLIT: _split,
    kinds.MERGE: _merge,
    kinds.INSERT: _insert,
    kinds.FLAG_INSERT: lambda r: f"{_flags(r.flags, 'U', 'V', 'ND', 'SP', 'USR', 'NCI')},rceid:{r.rceid},{_objid(r)}",
    kinds.FLAG_INSERT_AND_REPLACE_DATA: _flag_insert_and_replace,
    kinds.FLAG_DELETE: lambda r: f"{_flags(r.flags, 'U', 'V', 'SP', 'USR', 'NCI')}),rceid:{r.rceid},{_objid(r)[:-1]}",
    kinds.REPLACE: _replace,
    kinds.REPLACE_D: _replace,
    kinds.DELETE: lambda r: f"{_flags(r.flags, 'U', 'SP', 'USR')},{_objid(r)}",
    kinds.UNDO_INFO: _undo_info,
    kinds.DELTA: lambda r: (
        f"{_flags(r.flags, 'U', 'V', 'USR', 'NCI')},{r.delta},offset:{r.data_offset},rceid:{r.rceid},{_objid(r)}"
    ),
    kinds.UNDO: lambda r: f"{_flags(r.flags, 'U', 'USR')},{r.undo_level},{r.oper},rceid:{r.rceid})",
    kinds.SET_EXTERNAL_HEADER: lambda r: _page_operation(r, objid=False, data=r.data),
    kinds.EMPTY_TREE: lambda r: _page_operation(r, objid=True, data=r.pages),
}
for _alias, _original in {
    kinds.BEGIN_DT: kinds.BEGIN0,
    kinds.MACRO_COMMIT: kinds.MACRO_BEGIN,
    kinds.MACRO_ABORT: kinds.MACRO_BEGIN,
    kinds.SHRINK_DB2: kinds.SHRINK_DB,
    kinds.SHRINK_DB3: kinds.SHRINK_DB,
    kinds.EXTENT_FREED2: kinds.EXTENT_FREED,
    kinds.CONVERT_FDP2: kinds.CONVERT_FDP,
    kinds.SPLIT2: kinds.SPLIT,
    kinds.MERGE2: kinds.MERGE,
    kinds.DELTA64: kinds.DELTA,
    **dict.fromkeys(range(kinds.IGNORED10, kinds.IGNORED10 + 10), kinds.IGNORED9),
}.items():
    _TEXTS[_alias] = _TEXTS[_original]


def _fields(record: Any) -> str:
    """What a record of a type without a text of its own holds."""
    shown = []
    for name in record.__dataclass_fields__:
        value = getattr(record, name)
        shown.append(f"{name}:{_hexadecimal(value) if isinstance(value, bytes) else value}")
    return "(" + ",".join(shown) + ")" if shown else ""


def _differences(record: Any) -> list[str]:
    """The entries of a ReplaceD, a line each. Raises JET_errLogFileCorrupt where they are not whole."""
    lines = []
    data, at = record.data, 0
    width = 3 if record.wide else 2
    head = f"ReplDiff  {_head(record)}({record.procid:x},[{record.dbid}:{record.pgno}:{record.line}],objid:[{record.dbid}:"
    while at < len(data):
        start = at
        value = int.from_bytes(data[at : at + 2], "little")
        if record.wide:
            flags = data[at + 2] << 8 if at + 2 < len(data) else 0
            offset = value
        else:
            flags, offset = value & 0xE000, value & 0x1FFF
        at += width
        size = 2 if flags & 0x8000 else 1
        new = int.from_bytes(data[at : at + size], "little")
        at += size
        if flags & 0x2000:
            what = f"ReplaceWithSameLength ({new})"
        elif flags & 0x4000:
            what = f"InsertWithValue ({new})"
        else:
            old = int.from_bytes(data[at : at + size], "little")
            at += size
            what = f"ReplaceWithNewValue ({old}=>{new})"
        if at + new > len(data):
            raise jet_error(codes.JET_errLogFileCorrupt, "a ReplaceD record is cut off", page=record.pgno, offset=start)
        shown = _hexadecimal(data[at : at + new]) + (" " if new else "")
        lines.append(f"{head}{record.objid_fdp}],[ Offs:{offset} {size}B {what}: {shown}])")
        at += new
    return lines


def _environment(param: DbmsParam) -> list[str]:
    numbers = (
        param.sessions,
        param.open_tables,
        param.version_pages,
        param.cursors,
        param.log_buffers,
        param.log_file_segments,
        param.cache_size,
    )
    return [
        f"Env SystemPath:{param.system_path}",
        f"Env LogFilePath:{param.log_path}",
        "Env (CircLog,Session,Opentbl,VerPage,Cursors,LogBufs,LogFile,Buffers)",
        "(" + ",".join([f"{'on' if param.circular else 'off':>7}", *(f"{number:7}" for number in numbers)]) + ")",
    ]


def _more(record: Any) -> list[str]:
    kind = record.kind
    if kind == kinds.REPLACE_D:
        return _differences(record)
    if kind in (kinds.INIT, kinds.INIT2):
        return _environment(record.dbms_param)
    if kind in (kinds.RECOVERY_QUIT, kinds.RECOVERY_QUIT2, kinds.RECOVERY_QUIT_KEEP_ATTACHMENTS):
        return [
            f"Quit on {'Hard' if record.hard else 'Soft'} Restore.",
            f"RedoFrom:{_place(record.lgpos_redo_from)}",
            f"UndoRecordFrom:{_place(record.lgpos)}",
        ]
    return []


def describe(position: Lgpos, record: Record) -> Line:
    """One record as a line of the dump."""
    kind = record.kind
    line: Line = {"lgpos": list(position), "type": _NAMES.get(kind, f"Ignored{kind}")}
    if kind in _NODE_OPERATIONS:
        node: Any = record
        line |= {
            "dbtime": _unsigned(node.dbtime),
            "dbtime_before": _unsigned(node.dbtime_before),
            "trx": node.trx_begin0,
            "level": node.level,
            "procid": node.procid,
            "dbid": node.dbid,
            "pgno": node.pgno,
            "line": node.line,
        }
    text = _TEXTS.get(kind)
    line["text"] = text(record) if text else _fields(record)
    more = _more(record)
    if more:
        line["more"] = more
    return line


def dump_log(path: Path, *, files: FileSystem = FILES, start: Lgpos | None = None) -> Iterator[Line]:
    """The lines of a log from position `start` on (default: all of it). Raises as `LogFile` and its `records`.

    A log that is damaged gives the lines before the damage, then JET_errLogFileCorrupt.
    """
    with LogFile(path, files=files) as log:
        legacy = log.header.version.is_legacy
        segment = start.isec if start is not None else log.header.header_segments
        for batch in log.entries(start):
            if not legacy:
                image = log.segment(segment)
                yield {
                    "segment": segment,
                    "checksum": f"0x{stored_checksum(image):016x}",
                    "time": format_time(segment_time(image)),
                }
                segment += 1
            for isec, ib, _, data, offset, size in batch:
                yield describe(Lgpos(log.generation, isec, ib), decode_sized(data, offset, size))
        end = log.end
        if end.damage is not None:
            raise jet_error(
                codes.JET_errLogFileCorrupt, end.damage.value, file=path, offset=(end.damaged or 0) * log.header.segment_size
            )


def dump_text(path: Path, *, files: FileSystem = FILES) -> Iterator[str]:
    """The dump as lines for people."""
    for line in dump_log(path, files=files):
        if "segment" in line:
            yield f"-- segment {line['segment']}  {line['checksum']}  {line['time']}"
            continue
        place = str(Lgpos(*line["lgpos"]))
        head = ""
        if "dbtime" in line:
            before = line["dbtime_before"]
            head = (
                f"{line['dbtime']:x},{before:x},{line['trx']:x}:{line['level']}"
                f"({line['procid']:x},[{line['dbid']}:{line['pgno']}:{line['line']}],"
            )
        yield f"{place}  {line['type']:<10} {head}{line['text']}"
        for extra in line.get("more", ()):
            yield f"{'':18}{extra}"


def dump_json(path: Path, *, files: FileSystem = FILES) -> Iterator[str]:
    """The dump as JSON lines."""
    for line in dump_log(path, files=files):
        yield json.dumps(line)


def _header_signature(signature: Signature) -> Line:
    return {
        "create_time": format_time(signature.created)[:-4],
        "rand": signature.random,
        "computer": signature.computer.decode("ascii", "replace"),
    }


def _header_attachment(info: AttachInfo) -> Line:
    return {
        "dbid": info.dbid,
        "path": info.path,
        "dbtime": info.dbtime,
        "objidlast": info.objid_last,
        "signature": _header_signature(info.sign_db),
        "maxdbsize": info.cpg_database_size_max,
        "last_attach": {"lgpos": list(info.lgpos_attach)},
        "last_consistent": {"lgpos": list(info.lgpos_consistent)},
    }


def header_facts(header: LogHeader) -> Line:
    """The header of a log in plain keys, as the utility names them."""
    return {
        "lgeneration": header.generation,
        "creation_time": format_time(header.created),
        "prev_gen_time": format_time(header.created_previous),
        "prev_gen_accumulated_segment_checksum": f"0x{header.previous_checksum:016x}",
        "format_lgversion": str(header.version),
        "engine_format_version": header.engine_format_version,
        "page_size": header.page_size,
        "signature": _header_signature(header.signature),
        "env_systempath": header.dbms_param.system_path,
        "env_logfilepath": header.dbms_param.log_path,
        "circular": header.dbms_param.circular,
        "flags": header.flags,
        "checkpoint_at_log_creation_time": {"lgpos": list(header.checkpoint)},
        "databases": [_header_attachment(info) for info in header.attachments],
    }
