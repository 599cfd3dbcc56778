"""The checkpoint file (`reference/log-and-recovery.md` 6.1): 4096 bytes, twice, at 0 and at 4096.

| off | size | field                                        | off  | size | field                                 |
|-----|------|----------------------------------------------|------|------|---------------------------------------|
| 0   | 4    | checksum, as of a log header                 | 639  | 8    | LOGTIME of the last incremental backup |
| 4   | 8    | LGPOS checkpoint at the last full backup     | 647  | 1    | bit 0: the attach list is in use       |
| 12  | 8    | LGPOS checkpoint                             | 648  | 8    | LGPOS database consistency             |
| 20  | 28   | SIGNATURE of the stream                      | 656  | 11   | reserved                              |
| 48  | 567  | DBMS_PARAM                                   | 667  | 4    | file type: 4                          |
| 615 | 8    | LGPOS last full backup                       | 671  | 8    | reserved                              |
| 623 | 8    | LOGTIME of it                                | 679  | 2048 | ATTACHINFO list as of the checkpoint  |
| 631 | 8    | LGPOS last incremental backup                | 2727 | 1369 | zero                                  |
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from pathlib import Path

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.log.header import AttachInfo, DbmsParam, pack_attach_list, unpack_attach_list
from esent.pages.checksum import header_checksum
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.primitives import LGPOS_MIN, Lgpos, LogTime, Signature

COPY_SIZE = 4096
FILE_SIZE = 2 * COPY_SIZE
FILE_TYPE_CHECKPOINT = 4
ATTACH_LIST_IN_USE = 0x01

_CHECKPOINT = struct.Struct("<I8s8s28s567s8s8s8s8sB8s11sI8s2048s")
_NO_TIME = LogTime()


@dataclass(slots=True)
class Checkpoint:
    """Where redo may start (`position`), in which stream, with which databases attached."""

    position: Lgpos = LGPOS_MIN
    signature: Signature = field(default_factory=Signature)
    dbms_param: DbmsParam = field(default_factory=DbmsParam)
    db_consistency: Lgpos = LGPOS_MIN
    flags: int = 0
    attachments: list[AttachInfo] = field(default_factory=list)
    last_full_backup_checkpoint: Lgpos = LGPOS_MIN
    full_backup: Lgpos = LGPOS_MIN
    full_backup_time: LogTime = _NO_TIME
    incremental_backup: Lgpos = LGPOS_MIN
    incremental_backup_time: LogTime = _NO_TIME

    @property
    def has_attachments(self) -> bool:
        """Whether the list here is to be used in place of that of a log header."""
        return bool(self.flags & ATTACH_LIST_IN_USE)

    @classmethod
    def parse(cls, data: bytes, path: object = None) -> Checkpoint:
        """One copy. Raises JET_errCheckpointCorrupt (checksum, list) or JET_errFileInvalidType."""
        if len(data) < COPY_SIZE:
            raise jet_error(codes.JET_errCheckpointCorrupt, "the checkpoint file is cut off", file=path)
        data = data[:COPY_SIZE]
        (
            checksum,
            at_full_backup,
            position,
            signature,
            param,
            full,
            full_time,
            incremental,
            incremental_time,
            flags,
            consistency,
            _,
            file_type,
            _,
            attach,
        ) = _CHECKPOINT.unpack_from(data)
        if checksum != header_checksum(data):
            raise jet_error(codes.JET_errCheckpointCorrupt, "the checksum of the checkpoint is wrong", file=path)
        if file_type != FILE_TYPE_CHECKPOINT:
            raise jet_error(codes.JET_errFileInvalidType, f"not a checkpoint file (file type {file_type})", file=path)
        try:
            attachments = unpack_attach_list(attach)
        except JetError as problem:
            raise jet_error(codes.JET_errCheckpointCorrupt, problem.message, file=path) from problem
        return cls(
            Lgpos.unpack(position),
            Signature.unpack(signature),
            DbmsParam.unpack(param),
            Lgpos.unpack(consistency),
            flags,
            attachments,
            Lgpos.unpack(at_full_backup),
            Lgpos.unpack(full),
            LogTime.unpack(full_time),
            Lgpos.unpack(incremental),
            LogTime.unpack(incremental_time),
        )

    def pack(self) -> bytes:
        """One copy, checksum included."""
        body = _CHECKPOINT.pack(
            0,
            self.last_full_backup_checkpoint.pack(),
            self.position.pack(),
            self.signature.pack(),
            self.dbms_param.pack(),
            self.full_backup.pack(),
            self.full_backup_time.pack(),
            self.incremental_backup.pack(),
            self.incremental_backup_time.pack(),
            self.flags,
            self.db_consistency.pack(),
            b"",
            FILE_TYPE_CHECKPOINT,
            b"",
            pack_attach_list(self.attachments),
        ).ljust(COPY_SIZE, b"\0")
        return header_checksum(body).to_bytes(4, "little") + body[4:]

    def copy(self) -> Checkpoint:
        return replace(self, attachments=list(self.attachments))

    @classmethod
    def read(cls, path: Path, *, signature: Signature | None = None, files: FileSystem = FILES) -> Checkpoint:
        """The first good copy.

        Raises JET_errCheckpointFileNotFound, JET_errCheckpointCorrupt (no good copy), JET_errFileInvalidType, and, where the
        stream's `signature` is given, JET_errBadCheckpointSignature.
        """
        try:
            with files.open(path) as file:
                data = file.read(0, FILE_SIZE)
        except JetError as problem:
            if problem.code == codes.JET_errFileNotFound:
                raise jet_error(codes.JET_errCheckpointFileNotFound, "reading the checkpoint", file=path) from problem
            raise
        try:
            found = cls.parse(data, path)
        except JetError as problem:
            if problem.code != codes.JET_errCheckpointCorrupt:
                raise
            found = cls.parse(data[COPY_SIZE:], path)
        if signature is not None and found.signature != signature:
            raise jet_error(codes.JET_errBadCheckpointSignature, "the checkpoint belongs to another stream", file=path)
        return found

    def write(self, path: Path, *, files: FileSystem = FILES) -> None:
        """Both copies, the first on disk before the second is begun, so that one of them is whole at every moment."""
        data = self.pack()
        created = not files.exists(path)
        with files.open(path, writable=True, create=True) as file:
            for offset in (0, COPY_SIZE):
                file.write(offset, data)
                file.sync()
        if created:
            files.sync_directory(path.parent)
