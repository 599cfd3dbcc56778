"""The header of a log file, and the two structures it shares with the checkpoint (`reference/log-and-recovery.md` 2).

LGFILEHDR, 4096 bytes at 0 (one copy):

| off | size | field                      | off  | size | field                                        |
|-----|------|----------------------------|------|------|----------------------------------------------|
| 0   | 4    | checksum (2.3)             | 639  | 1    | flags: 1 from a reserve, 2 circular, 4 ever circular |
| 4   | 4    | generation                 | 640  | 8    | LGPOS checkpoint                             |
| 8   | 2    | segment size               | 648  | 4    | update minor                                 |
| 10  | 2    | segments of the header     | 652  | 1    | disk sector size mismatch (diagnostic)       |
| 12  | 2    | segments of the file       | 653  | 8    | checksum of all segments of the previous log |
| 14  | 2    | page size (0: 4096)        | 661  | 4    | engine format version of the writer          |
| 16  | 8    | LOGTIME created            | 665  | 2    | zero; in ours 0xE5E7 (see `segments`)         |
| 24  | 8    | LOGTIME created, previous generation | 667 | 4 | file type: 3                                 |
| 32  | 4    | major                      | 671  | 2048 | ATTACHINFO list                              |
| 36  | 4    | minor                      | 2719 | 1377 | zero                                         |
| 40  | 4    | update major               |      |      |                                              |
| 44  | 28   | SIGNATURE of the stream    |      |      |                                              |
| 72  | 567  | DBMS_PARAM                 |      |      |                                              |

ATTACHINFO, repeated until a first byte of 0: dbid u8@0, flags u8@1 (0x20 UTF-16 name, 0x40 sparse), cbNames u16@2,
dbtime i64@4, objidLast u32@12, cpgDatabaseSizeMax u32@16, LGPOS attach@20, LGPOS consistent@28, SIGNATURE db@36, name@64.

DBMS_PARAM, 567 bytes: system path char[261]@0, log path char[261]@261, flags u8@522 (1 circular), then u32: sessions@523,
open tables@527, version pages@531, cursors@535, log buffers@539, log file segments@543, cache size@547; 16 reserved.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from esent.constants import codes
from esent.constants.formats import FEATURE_OF_LOG, HIGHEST, RECOMMENDED, EngineFormat, Feature
from esent.errors import JetError, jet_error
from esent.log.paths import decode_path, encode_path
from esent.pages.checksum import header_checksum
from esent.pages.primitives import LGPOS_MIN, Lgpos, LogTime, Signature

HEADER_SIZE = 4096
ATTACH_LIST_SIZE = 2048
FILE_TYPE_LOG = 3
FLAG_FROM_RESERVE = 0x01
FLAG_CIRCULAR = 0x02
FLAG_EVER_CIRCULAR = 0x04
SECTOR_SIZE_MATCHES = 1
ATTACH_UNICODE = 0x20
ATTACH_SPARSE = 0x40
MAJOR_CURRENT = 8
MINOR_CURRENT = 4000
MAJOR_LEGACY = 7
MINOR_LEGACY = 3704
CHECKSUM_CHAIN_MINOR = 13  # from this update minor on, a header carries the checksum of the whole previous log

_HEADER = struct.Struct("<IiHHHH8s8sIII28s567sB8sIBQIHI2048s")
_ATTACH = struct.Struct("<BBHqII8s8s28s")
_PARAM = struct.Struct("<261s261sBIIIIIII16s")


class LogVersion(NamedTuple):
    """A log format version: 8.4000.update_major.update_minor for the current one, 7.3704.update for the legacy one."""

    major: int = MAJOR_CURRENT
    minor: int = MINOR_CURRENT
    update_major: int = RECOMMENDED.log[0]
    update_minor: int = RECOMMENDED.log[1]

    @property
    def is_legacy(self) -> bool:
        return self.major <= MAJOR_LEGACY

    @property
    def reuses_content(self) -> bool:
        """Whether a recycled file keeps its old segments (8.4000.2 and later)."""
        return self >= (MAJOR_CURRENT, MINOR_CURRENT, 2, 0)

    @property
    def has_checkpoint_list(self) -> bool:
        """Whether the attach list in a checkpoint is to be trusted (8.4000.4.3 and later)."""
        return self >= (MAJOR_CURRENT, MINOR_CURRENT, 4, 3)

    @classmethod
    def of(cls, engine_format: EngineFormat) -> LogVersion:
        return cls(MAJOR_CURRENT, MINOR_CURRENT, *engine_format.log)

    def has(self, feature: Feature) -> bool:
        """Whether logs of this version may have what came with a feature."""
        return self >= (MAJOR_CURRENT, MINOR_CURRENT, *FEATURE_OF_LOG[feature])

    def __str__(self) -> str:
        return ".".join(map(str, self))


@dataclass(slots=True, frozen=True)
class DbmsParam:
    """DBMS_PARAM: paths and resource numbers of the instance that wrote; recovery only needs `log_file_segments`."""

    system_path: str = ""
    log_path: str = ""
    flags: int = 0
    sessions: int = 0
    open_tables: int = 0
    version_pages: int = 0
    cursors: int = 0
    log_buffers: int = 0
    log_file_segments: int = 0
    cache_size: int = 0
    reserved: bytes = bytes(16)

    @property
    def circular(self) -> bool:
        return bool(self.flags & 1)

    @classmethod
    def unpack(cls, data: bytes, offset: int = 0) -> DbmsParam:
        system, log, *rest = _PARAM.unpack_from(data, offset)
        return cls(decode_path(system, unicode=False), decode_path(log, unicode=False), *rest)

    def pack(self) -> bytes:
        return _PARAM.pack(
            _ansi_field(self.system_path),
            _ansi_field(self.log_path),
            self.flags,
            self.sessions,
            self.open_tables,
            self.version_pages,
            self.cursors,
            self.log_buffers,
            self.log_file_segments,
            self.cache_size,
            self.reserved,
        )

    def of_log(self, segments: int, circular: bool) -> DbmsParam:
        """The parameters with the log's real size and kind."""
        return replace(self, log_file_segments=segments, flags=self.flags & ~1 | circular)


def _ansi_field(text: str) -> bytes:
    """At most 260 bytes and a NUL; informational only, so a character the code page lacks becomes a question mark."""
    try:
        data = encode_path(text, unicode=False)
    except UnicodeEncodeError:
        data = text.encode("cp1252", "replace")
    return data[:260]


DBMS_PARAM_SIZE = _PARAM.size


@dataclass(slots=True)
class AttachInfo:
    """One database of an attach list."""

    dbid: int
    path: str
    dbtime: int = 0
    objid_last: int = 0
    cpg_database_size_max: int = 0
    lgpos_attach: Lgpos = LGPOS_MIN
    lgpos_consistent: Lgpos = LGPOS_MIN
    sign_db: Signature = field(default_factory=Signature)
    flags: int = ATTACH_UNICODE

    @property
    def sparse(self) -> bool:
        return bool(self.flags & ATTACH_SPARSE)

    def pack(self) -> bytes:
        name = encode_path(self.path, unicode=bool(self.flags & ATTACH_UNICODE))
        return (
            _ATTACH.pack(
                self.dbid,
                self.flags,
                len(name),
                self.dbtime,
                self.objid_last,
                self.cpg_database_size_max,
                self.lgpos_attach.pack(),
                self.lgpos_consistent.pack(),
                self.sign_db.pack(),
            )
            + name
        )


def unpack_attach_list(data: bytes) -> list[AttachInfo]:
    """The entries of a list. Raises JET_errLogFileCorrupt where an entry does not lie in it."""
    found: list[AttachInfo] = []
    offset = 0
    while offset < len(data) and data[offset]:
        if offset + _ATTACH.size > len(data):
            raise jet_error(codes.JET_errLogFileCorrupt, "the list of attached databases is cut off", offset=offset)
        dbid, flags, names, dbtime, objid, cpg, attach, consistent, signature = _ATTACH.unpack_from(data, offset)
        start = offset + _ATTACH.size
        if start + names > len(data):
            raise jet_error(codes.JET_errLogFileCorrupt, "a name in the list of attached databases is cut off", offset=offset)
        path = decode_path(data[start : start + names], unicode=bool(flags & ATTACH_UNICODE))
        found.append(
            AttachInfo(
                dbid,
                path,
                dbtime,
                objid,
                cpg,
                Lgpos.unpack(attach),
                Lgpos.unpack(consistent),
                Signature.unpack(signature),
                flags,
            )
        )
        offset = start + names
    return found


def pack_attach_list(attachments: list[AttachInfo]) -> bytes:
    """The 2048 bytes of a list. Raises JET_errTooManyAttachedDatabases where the names do not fit."""
    data = b"".join(info.pack() for info in attachments)
    if len(data) > ATTACH_LIST_SIZE:
        raise jet_error(codes.JET_errTooManyAttachedDatabases, "the paths of the attached databases do not fit")
    return data.ljust(ATTACH_LIST_SIZE, b"\0")


@dataclass(slots=True)
class LogHeader:
    """LGFILEHDR. `page_size` is in bytes; sizes in segments as stored."""

    generation: int
    segment_size: int = 4096
    header_segments: int = 1
    file_segments: int = 0
    page_size: int = 4096
    created: LogTime = field(default_factory=LogTime)
    created_previous: LogTime = field(default_factory=LogTime)
    version: LogVersion = field(default_factory=LogVersion)
    signature: Signature = field(default_factory=Signature)
    dbms_param: DbmsParam = field(default_factory=DbmsParam)
    flags: int = 0
    checkpoint: Lgpos = LGPOS_MIN
    sector_size_mismatch: int = 0
    previous_checksum: int = 0
    engine_format_version: int = 0
    file_type: int = FILE_TYPE_LOG
    attachments: list[AttachInfo] = field(default_factory=list)
    mark: int = 0

    @property
    def file_size(self) -> int:
        return self.segment_size * self.file_segments

    @classmethod
    def parse(cls, data: bytes, path: object = None) -> LogHeader:
        """The header in the first 4096 bytes of a log, accepted by the rules of `reference` 2.5 as far as the bytes alone tell.

        Raises JET_errLogFileCorrupt (checksum, list), JET_errFileInvalidType, JET_errBadLogVersion,
        JET_errLogSectorSizeMismatch.
        """
        if len(data) < HEADER_SIZE:
            raise jet_error(codes.JET_errLogFileCorrupt, "the log header is cut off", file=path)
        data = data[:HEADER_SIZE]
        (
            checksum,
            generation,
            segment_size,
            header_segments,
            file_segments,
            page_size,
            created,
            created_previous,
            major,
            minor,
            update_major,
            signature,
            param,
            flags,
            checkpoint,
            update_minor,
            mismatch,
            previous_checksum,
            efv,
            mark,
            file_type,
            attach,
        ) = _HEADER.unpack_from(data)
        if checksum != header_checksum(data):
            raise jet_error(codes.JET_errLogFileCorrupt, "the checksum of the log header is wrong", file=path, offset=0)
        if generation < 1 or file_segments < header_segments + 2:
            raise jet_error(codes.JET_errLogFileCorrupt, "the log header has an impossible generation or size", file=path)
        version = LogVersion(major, minor, update_major, update_minor)
        untyped = version < (MAJOR_LEGACY, MINOR_LEGACY, 5, 0)
        if file_type != FILE_TYPE_LOG and not (file_type == 0 and untyped):
            raise jet_error(codes.JET_errFileInvalidType, f"not a log file (file type {file_type})", file=path)
        page_size = page_size or 4096
        _check_version(version, page_size, path)
        if version.is_legacy:
            sound = segment_size in (512, 1024, 2048, 4096) and header_segments * segment_size == HEADER_SIZE
        else:
            sound = segment_size == 4096 and header_segments == 1
        if not sound:
            raise jet_error(codes.JET_errLogSectorSizeMismatch, f"log segments of {segment_size} bytes", file=path)
        try:
            attachments = unpack_attach_list(attach)
        except JetError as problem:
            raise jet_error(problem.code, problem.message, file=path) from problem
        return cls(
            generation,
            segment_size,
            header_segments,
            file_segments,
            page_size,
            LogTime.unpack(created),
            LogTime.unpack(created_previous),
            version,
            Signature.unpack(signature),
            DbmsParam.unpack(param),
            flags,
            Lgpos.unpack(checkpoint),
            mismatch,
            previous_checksum,
            efv,
            file_type,
            attachments,
            mark,
        )

    def pack(self) -> bytes:
        """The 4096 bytes, checksum included."""
        body = _HEADER.pack(
            0,
            self.generation,
            self.segment_size,
            self.header_segments,
            self.file_segments,
            self.page_size,
            self.created.pack(),
            self.created_previous.pack(),
            self.version.major,
            self.version.minor,
            self.version.update_major,
            self.signature.pack(),
            self.dbms_param.pack(),
            self.flags,
            self.checkpoint.pack(),
            self.version.update_minor,
            self.sector_size_mismatch,
            self.previous_checksum,
            self.engine_format_version,
            self.mark,
            self.file_type,
            pack_attach_list(self.attachments),
        ).ljust(HEADER_SIZE, b"\0")
        return header_checksum(body).to_bytes(4, "little") + body[4:]

    def copy(self) -> LogHeader:
        return replace(self, attachments=list(self.attachments))


def _check_version(version: LogVersion, page_size: int, path: object) -> None:
    if version[:2] == (MAJOR_CURRENT, MINOR_CURRENT):
        accepted = version.update_major <= HIGHEST.log[0]
    elif version[:2] == (MAJOR_LEGACY, MINOR_LEGACY):
        accepted = page_size <= 8192 or version.update_major >= 14
    else:
        accepted = False
    if not accepted:
        raise jet_error(codes.JET_errBadLogVersion, f"log format {version} is not supported", file=path)
