"""What a file of the engine is, and what its header says: database, backup copy, log, checkpoint, reserve log, flush map.

Kinds are told apart by the file type at offset 667, the same place in every header (`reference/database-format.md` 2.2),
after its checksum was found right; a database whose first header copy is damaged is known by the second one.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from esent.catalog.schema import Catalog
from esent.constants import codes
from esent.constants.formats import database_formats, log_formats
from esent.errors import JetError, jet_error
from esent.log.checkpoint import Checkpoint
from esent.log.files import LOG_EXTENSIONS
from esent.log.header import HEADER_SIZE, AttachInfo, LogHeader
from esent.pages.checksum import header_checksum
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.flush_map import FILE_TYPE_FLUSH_MAP, MAP_PAGE_SIZE, FlushMapHeader
from esent.pages.header import FILE_TYPE_DATABASE, DatabaseHeader, DatabaseState
from esent.pages.primitives import BackupInfo, Lgpos, LogTime, Signature
from esent.pages.trailer import PatchPage
from esent.tools.known import Application, recognise

_FILE_TYPE: Final = slice(667, 671)
_LOG: Final = 3
_CHECKPOINT: Final = 4
_TEMPORARY: Final = 5

STATES: Final = {
    DatabaseState.JUST_CREATED: "just created",
    DatabaseState.DIRTY_SHUTDOWN: "dirty shutdown",
    DatabaseState.CLEAN_SHUTDOWN: "clean shutdown",
    DatabaseState.BEING_CONVERTED: "being converted",
    DatabaseState.FORCE_DETACH: "force detached",
    DatabaseState.INCREMENTAL_RESEED_IN_PROGRESS: "incremental reseed in progress",
    DatabaseState.DIRTY_AND_PATCHED_SHUTDOWN: "dirty and patched shutdown",
    DatabaseState.REVERT_IN_PROGRESS: "revert in progress",
}


@dataclass(frozen=True, slots=True)
class FileInfo:
    """`kind` in a word or two, `summary` as pairs for people, `header` with every field for programs."""

    path: Path
    kind: str
    summary: list[tuple[str, object]]
    header: dict[str, Any]
    application: Application | None = None  # whose database it is, where that is known

    def as_json(self) -> dict[str, Any]:
        application = self.application.name if self.application else None
        return {"path": str(self.path), "kind": self.kind, "application": application, "header": self.header}


def describe(path: Path, *, files: FileSystem = FILES) -> FileInfo:
    """Read the header of `path`, which is never written to.

    Raises JET_errFileInvalidType for what is none of the engine's files, and what reading a damaged header raises.
    """
    with files.open(path) as file:
        head = file.read(0, MAP_PAGE_SIZE)
        size = file.size()
    kind = _file_type(head)
    if int.from_bytes(head[_FILE_TYPE], "little") == FILE_TYPE_FLUSH_MAP and not _looks_like_database(head):
        return _flush_map(path, FlushMapHeader.parse(head, file=path), size)
    if kind == _LOG:
        return _log(path, LogHeader.parse(head, path), size)
    if kind == _CHECKPOINT:
        return _checkpoint(path, Checkpoint.read(path, files=files))
    if head and not any(head) and path.suffix.lower() == ".jrs":
        return FileInfo(path, "reserve log", [("size", size)], {"size": size})
    try:
        with DatabaseFile(path, files=files) as database:
            return _database(path, database, size)
    except JetError as problem:
        if kind is not None or _looks_like_database(head):
            raise
        raise jet_error(codes.JET_errFileInvalidType, "no header of a database, log or checkpoint", file=path) from problem


def is_log(path: Path, *, files: FileSystem = FILES) -> bool:
    """Whether a file is a transaction log: by its header, or by its name where that is damaged."""
    with files.open(path) as file:
        kind = _file_type(file.read(0, HEADER_SIZE))
    return kind == _LOG or (kind is None and path.suffix.lower() in LOG_EXTENSIONS)


def _file_type(head: bytes) -> int | None:
    """The file type of a header whose checksum over 4096 bytes is right; None if it is not."""
    if len(head) < HEADER_SIZE or header_checksum(head[:HEADER_SIZE]) != int.from_bytes(head[:4], "little"):
        return None
    return int.from_bytes(head[_FILE_TYPE], "little")


def _looks_like_database(head: bytes) -> bool:
    return head[4:8] == b"\xef\xcd\xab\x89"


def plain(value: Any) -> Any:
    """A header field as JSON has it: positions as [generation, segment, byte], times in ISO form, None where unset."""
    if isinstance(value, Lgpos):
        return list(value) if any(value) else None
    if isinstance(value, LogTime):
        moment = value.to_datetime()
        return moment.isoformat(timespec="milliseconds") if moment else None
    if isinstance(value, Signature):
        return {"random": value.random, "created": plain(value.created), "computer": value.computer.hex()} if value else None
    if isinstance(value, BackupInfo):
        names = ("mark", "marked_at", "generation_low", "generation_high")
        return dict(zip(names, map(plain, value), strict=True)) if value else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value) if field.name[0] != "_"}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _generations(low: int, high: int) -> str:
    return f"{low}-{high}" if low or high else "-"


def _formats(efvs: list[int]) -> str:
    if not efvs:
        return "unknown"
    return str(efvs[0]) if len(efvs) == 1 else f"{efvs[0]} to {efvs[-1]}"


def _backup(info: BackupInfo) -> str:
    if not info:
        return "-"
    return f"{info.marked_at}, generations {_generations(info.generation_low, info.generation_high)}"


def _database(path: Path, file: DatabaseFile, size: int) -> FileInfo:
    header: DatabaseHeader = file.header
    trailer = _trailer(file)
    if header.file_type not in (0, FILE_TYPE_DATABASE, _TEMPORARY):
        raise jet_error(codes.JET_errFileInvalidType, f"file type {header.file_type} in a database header", file=path)
    kind = "database"
    if header.file_type == _TEMPORARY:
        kind = "temporary database"
    elif header.bkinfo_full_cur.generation_low:
        kind = "database, copy of a streaming backup"
    state = STATES.get(DatabaseState(header.dbstate), "") if header.dbstate in set(DatabaseState) else ""
    version, update, minor = header.format_version
    summary: list[tuple[str, object]] = [
        ("state", state or f"unknown ({header.dbstate})"),
        ("format", f"{version:#x},{update},{minor}"),
        ("engine format", _formats(database_formats(header.format_version))),
        ("newest engine", header.efv_max_bin_attach or "-"),
        ("page size", header.page_size),
        ("pages", file.page_count),
        ("size", size),
        ("database signature", header.sign_db),
        ("log signature", header.sign_log),
        ("last attached", f"{header.logtime_attach}  at {header.lgpos_attach}"),
        ("last consistent", f"{header.logtime_consistent}  at {header.lgpos_consistent}"),
        ("last detached", f"{header.logtime_detach}  at {header.lgpos_detach}"),
        ("logs required", _generations(header.gen_min_required, header.gen_max_required)),
        ("logs committed", header.gen_max_committed or "-"),
        ("last full backup", _backup(header.bkinfo_full_prev)),
        ("last incremental backup", _backup(header.bkinfo_inc_prev)),
        ("last copy backup", _backup(header.bkinfo_copy_prev)),
        ("last differential backup", _backup(header.bkinfo_diff_prev)),
        ("highest dbtime", header.dbtime_dirtied),
        ("highest object id", header.objid_last),
        ("shadow catalog", "yes" if header.is_shadowed else "no"),
        ("written under", f"{header.os_major}.{header.os_minor}.{header.os_build}"),
    ]
    if header.bkinfo_full_cur:
        summary.append(("taken by the backup of", _backup(header.bkinfo_full_cur)))
    if trailer:
        summary.append(("backup needs the logs", _generations(trailer.backup.generation_low, trailer.backup.generation_high)))
    fields = plain(header)
    if trailer:
        fields["trailer"] = plain(trailer)
    application = _application(file)
    summary.insert(0, ("application", application or "not known"))
    return FileInfo(path, kind, summary, fields, application)


def _application(file: DatabaseFile) -> Application | None:
    """Whose database it is, by its tables as the file has them; None where they cannot be read."""
    try:
        catalog = Catalog.load(file)
        return recognise(name for name in catalog.names() if not catalog.is_system(name))
    except JetError:
        return None


def _trailer(file: DatabaseFile) -> PatchPage | None:
    """The trailer page of a backup copy, where the last page is one."""
    if not file.header.bkinfo_full_cur.generation_low or file.page_count < 1:
        return None
    try:
        return PatchPage.parse(file.read_pages(file.page_count, 1), file=file.path)
    except JetError:
        return None


def _attachment(info: AttachInfo) -> str:
    return f"{info.path}  (id {info.dbid}, attached at {info.lgpos_attach})"


def _log(path: Path, header: LogHeader, size: int) -> FileInfo:
    summary: list[tuple[str, object]] = [
        ("generation", f"{header.generation} ({header.generation:#x})"),
        ("format", header.version),
        ("engine format", "-" if header.version.is_legacy else _formats(log_formats(header.version[2:]))),
        ("written by engine", header.engine_format_version or "-"),
        ("created", header.created),
        ("previous log created", header.created_previous),
        ("log signature", header.signature),
        ("segments", f"{header.file_segments} of {header.segment_size} bytes"),
        ("size", size if size == header.file_size else f"{size}, but the header says {header.file_size}"),
        ("page size", header.page_size),
        ("checkpoint", header.checkpoint),
        ("circular logging", "yes" if header.dbms_param.circular else "no"),
        *(("database", _attachment(info)) for info in header.attachments),
    ]
    return FileInfo(path, "log", summary, plain(header))


def _checkpoint(path: Path, checkpoint: Checkpoint) -> FileInfo:
    summary: list[tuple[str, object]] = [
        ("checkpoint", checkpoint.position),
        ("databases consistent from", checkpoint.db_consistency),
        ("log signature", checkpoint.signature),
        ("last full backup", f"{checkpoint.full_backup_time}  at {checkpoint.full_backup}"),
        ("last incremental backup", f"{checkpoint.incremental_backup_time}  at {checkpoint.incremental_backup}"),
        ("circular logging", "yes" if checkpoint.dbms_param.circular else "no"),
        *(("database", _attachment(info)) for info in checkpoint.attachments),
    ]
    return FileInfo(path, "checkpoint", summary, plain(checkpoint))


def _flush_map(path: Path, header: FlushMapHeader, size: int) -> FileInfo:
    summary: list[tuple[str, object]] = [
        ("version", ".".join(map(str, header.version))),
        ("state", "clean" if header.is_clean else "not clean"),
        ("created", header.created),
        ("attached", header.attached),
        ("detached", header.detached),
        ("lowest log required", header.gen_min_required or "-"),
        ("belongs to header write", header.sign_db_hdr_flush),
        ("signature", header.sign_flush_map_hdr_flush),
        ("size", size),
    ]
    return FileInfo(path, "flush map", summary, plain(header))
