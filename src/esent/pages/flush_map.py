"""The header of a flush map (`<database>.jfm`), which remembers the flush type of the last write of each page.

Layout (`reference/database-format.md` 4.7), pages of 8192 bytes, this header in the first:

| offset | size | field                                   | offset | size | field                         |
|--------|------|-----------------------------------------|--------|------|-------------------------------|
| 0      | 4    | checksum, as of a database header       | 64     | 4    | lowest generation required    |
| 4      | 12   | version: major, update major, minor     | 68     | 4    | the one it is on its way to   |
| 36     | 4    | flags: 1 clean, 0x2000 checksum format  | 72, 80 | 8    | last flush started, completed |
| 40     | 8    | LOGTIME of creation                     | 88     | 28   | SIGNATURE of database header  |
| 48, 56 | 8    | LOGTIME of attach, detach               | 116    | 28   | SIGNATURE of the map          |
| 667    | 4    | file type 7                             |        |      |                               |

The engine keeps no flush map: where it writes a database it takes the map's signature out of the header, so that nobody
takes a map that is there for a current one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from esent.constants import codes
from esent.errors import jet_error
from esent.pages.checksum import header_checksum
from esent.pages.primitives import LogTime, Signature

MAP_PAGE_SIZE: Final = 8192
FILE_TYPE_FLUSH_MAP: Final = 7
CLEAN: Final = 1

_FIELDS = struct.Struct("<IIII20xI8s8s8sII8s8s28s28s")
_FILE_TYPE = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class FlushMapHeader:
    """The fields of the header."""

    version: tuple[int, int, int]
    flags: int
    created: LogTime
    attached: LogTime
    detached: LogTime
    gen_min_required: int
    gen_min_required_target: int
    flush_started: LogTime
    flush_completed: LogTime
    sign_db_hdr_flush: Signature
    sign_flush_map_hdr_flush: Signature

    @property
    def is_clean(self) -> bool:
        return bool(self.flags & CLEAN)

    @classmethod
    def parse(cls, data: bytes, *, file: object = None) -> FlushMapHeader:
        """The header in the first 8192 bytes; JET_errReadVerifyFailure or JET_errFileInvalidType where it is none."""
        if len(data) < MAP_PAGE_SIZE:
            raise jet_error(codes.JET_errFileInvalidType, "the header of a flush map is cut off", file=file)
        checksum, major, update, minor, flags, *rest = _FIELDS.unpack_from(data)
        if checksum != header_checksum(data[:MAP_PAGE_SIZE]):
            raise jet_error(
                codes.JET_errReadVerifyFailure, "the checksum of the flush map's header is wrong", file=file, offset=0
            )
        (kind,) = _FILE_TYPE.unpack_from(data, 667)
        if kind != FILE_TYPE_FLUSH_MAP:
            raise jet_error(codes.JET_errFileInvalidType, f"not a flush map (file type {kind})", file=file, offset=667)
        created, attached, detached, required, target, started, completed, database, own = rest
        return cls(
            (major, update, minor),
            flags,
            LogTime.unpack(created),
            LogTime.unpack(attached),
            LogTime.unpack(detached),
            required,
            target,
            LogTime.unpack(started),
            LogTime.unpack(completed),
            Signature.unpack(database),
            Signature.unpack(own),
        )
