"""The trailer page of a backed-up database (PATCHHDR): the one page behind the last of a streaming backup.

Layout (`reference/log-and-recovery.md` 9.2, `reference/database-format.md` 1), little-endian, the rest of the page zero:

| off | size | field                                                                                     |
|-----|------|-------------------------------------------------------------------------------------------|
| 0   | 4    | header checksum (XOR) over the page; 4 to 39 stand for a page header and are zero         |
| 40  | 24   | BKINFO: mark and time as in the header's bkinfoFullCur, lowest and highest generation     |
| 64  | 28   | signature of the database                                                                 |
| 92  | 28   | signature of the log stream                                                               |
| 120 | 4    | lowest generation required, 124: highest required, 128: highest committed (0 if not told) |
| 132 | 8    | LOGTIME of the highest required, 140: of the highest committed                            |
"""

# ruff: noqa: RUF009 - the defaults are immutable
from __future__ import annotations

import struct
from dataclasses import dataclass

from esent.constants import codes
from esent.errors import jet_error
from esent.pages.checksum import PAGE_SIZES, header_checksum
from esent.pages.header import DatabaseHeader
from esent.pages.primitives import BackupInfo, LogTime, Signature

_BACKUP = 40
_SIGN_DB = 64
_SIGN_LOG = 92
_GENERATIONS = struct.Struct("<III")
_GENERATIONS_AT = 120
_TIMES_AT = 132
_END = 148


@dataclass(slots=True)
class PatchPage:
    """The trailer page: what restore needs to know that was not known yet when the header was copied."""

    backup: BackupInfo = BackupInfo()
    sign_db: Signature = Signature()
    sign_log: Signature = Signature()
    gen_min_required: int = 0
    gen_max_required: int = 0
    gen_max_committed: int = 0
    logtime_gen_max_required: LogTime = LogTime()
    logtime_gen_max_committed: LogTime = LogTime()

    @classmethod
    def parse(cls, data: bytes, *, file: object = None, offset: int | None = None) -> PatchPage:
        """The trailer in `data`, one page; JET_errBadPatchPage where it is none. Wrong bits are not corrected here."""
        if not is_trailer(data):
            what = "reading the trailer page of a backup: it is damaged or missing"
            raise jet_error(codes.JET_errBadPatchPage, what, file=file, offset=offset)
        minimum, maximum, committed = _GENERATIONS.unpack_from(data, _GENERATIONS_AT)
        return cls(
            BackupInfo.unpack(data, _BACKUP),
            Signature.unpack(data, _SIGN_DB),
            Signature.unpack(data, _SIGN_LOG),
            minimum,
            maximum,
            committed,
            LogTime.unpack(data, _TIMES_AT),
            LogTime.unpack(data, _TIMES_AT + 8),
        )

    def pack(self, page_size: int) -> bytes:
        """The page, checksum included."""
        if page_size not in PAGE_SIZES:
            raise jet_error(codes.JET_errInvalidParameter, f"packing a trailer page: {page_size} is not a page size")
        body = (
            self.backup.pack()
            + self.sign_db.pack()
            + self.sign_log.pack()
            + _GENERATIONS.pack(self.gen_min_required, self.gen_max_required, self.gen_max_committed)
            + self.logtime_gen_max_required.pack()
            + self.logtime_gen_max_committed.pack()
        )
        page = bytes(_BACKUP) + body + bytes(page_size - _END)
        return header_checksum(page).to_bytes(4, "little") + page[4:]

    def belongs_to(self, header: DatabaseHeader) -> bool:
        """Whether this is the trailer of the backup that `header` was copied by: same signatures, same mark and time."""
        begun = header.bkinfo_full_cur
        return (
            self.sign_db == header.sign_db
            and self.sign_log == header.sign_log
            and (self.backup.mark, self.backup.marked_at) == (begun.mark, begun.marked_at)
        )


def is_trailer(data: bytes) -> bool:
    """Whether `data`, one page, has the checksum of a header and the empty page header of a trailer."""
    if len(data) not in PAGE_SIZES or data[4:_BACKUP] != bytes(_BACKUP - 4):
        return False
    return header_checksum(data) == int.from_bytes(data[:4], "little")
