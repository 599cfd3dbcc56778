"""Records of the instance, of databases and backups, and ignorable ones (`reference/log-and-recovery.md` 4.5.3 to 4.5.6).

Each class lists its fields in byte order behind the type byte; members of the LRIGNORED family have the u32 count of the bytes
behind it at 1 and their fields from 5 on. Fields that cannot be listed so (paths, optional parts) are described in the class.
"""

from __future__ import annotations

import struct

from esent.constants import codes
from esent.errors import jet_error
from esent.log.header import DbmsParam
from esent.log.kinds import DB_SPARSE, DB_UNICODE_PATH, DB_VERSION_INFO, DETACH_UNICODE_PATH
from esent.log.layout import I64, U8, U16, U32, Bytes16, Position, Record, Rest, Sign, Time, record
from esent.log.paths import decode_path, encode_path
from esent.pages.primitives import LGPOS_MIN, BackupInfo, Lgpos, LogTime, Signature

_CREATE = struct.Struct("<BHBII28sHB")
_ATTACH = struct.Struct("<BHBI8s28s28sHB")
_DETACH = struct.Struct("<BHBHB")
_VERSION = struct.Struct("<HH")
_IGNORED = struct.Struct("<BI")
_MACRO_INFO2 = struct.Struct("<BIBI")
_NO_SIGNATURE = Signature()
_NO_TIME = LogTime()


@record(0)
class Nop(Record):
    """One byte of filler."""


@record(3, minimum_size=9)
class OldSectorChain(Record):
    """MS of the formats before ESE98: sized, never interpreted."""

    content: bytes = bytes(8)

    @classmethod
    def parse(cls, data: bytes, offset: int, size: int) -> OldSectorChain:
        return cls(data[offset + 1 : offset + 9])

    def encode(self) -> bytes:
        return b"\x03" + self.content


@record(4)
class End(Record):
    """End mark of the formats before ESE98."""


# ---- databases -------------------------------------------------------------------------------------------


@record(14, minimum_size=43)
class CreateDB(Record):
    """Create a database: procid u16@1, dbid u8@3, grbit u32@4, cpgDatabaseSizeMax u32@8, signDb@12, cbPath u16@40, flags u8@42;
    version u16 and update u16 where flag 4 says so (not counted in cbPath); path with terminator."""

    procid: int = 0
    dbid: int = 0
    grbit: int = 0
    cpg_database_size_max: int = 0
    sign_db: Signature = _NO_SIGNATURE
    flags: int = DB_VERSION_INFO | DB_UNICODE_PATH
    version: tuple[int, int] | None = (2, 0)
    path: str = ""

    @property
    def sparse(self) -> bool:
        return bool(self.flags & DB_SPARSE)

    @classmethod
    def parse(cls, data: bytes, offset: int, size: int) -> CreateDB:
        _, procid, dbid, grbit, cpg, signature, _, flags = _CREATE.unpack_from(data, offset)
        start = offset + 43
        version: tuple[int, int] | None = None
        if flags & DB_VERSION_INFO:
            version = _VERSION.unpack_from(data, start)
            start += 4
        path = decode_path(data[start : offset + size], unicode=bool(flags & DB_UNICODE_PATH))
        return cls(procid, dbid, grbit, cpg, Signature.unpack(signature), flags, version, path)

    def encode(self) -> bytes:
        path = encode_path(self.path, unicode=bool(self.flags & DB_UNICODE_PATH))
        flags = self.flags & ~DB_VERSION_INFO | (DB_VERSION_INFO if self.version else 0)
        head = _CREATE.pack(
            self.kind, self.procid, self.dbid, self.grbit, self.cpg_database_size_max, self.sign_db.pack(), len(path), flags
        )
        return head + (_VERSION.pack(*self.version) if self.version else b"") + path


@record(79)
class CreateDBFinish(Record):
    """The creation is complete."""

    procid: U16 = 0
    dbid: U8 = 0


@record(15, minimum_size=75)
class AttachDB(Record):
    """Attach: procid u16@1, dbid u8@3, cpgDatabaseSizeMax u32@4, lgposConsistent@8, signDb@16, signLog@44, cbPath u16@72,
    flags u8@74, path with terminator. Position and log signature are those of the database header before the attach."""

    procid: int = 0
    dbid: int = 0
    cpg_database_size_max: int = 0
    lgpos_consistent: Lgpos = LGPOS_MIN
    sign_db: Signature = _NO_SIGNATURE
    sign_log: Signature = _NO_SIGNATURE
    flags: int = DB_UNICODE_PATH
    path: str = ""

    @property
    def sparse(self) -> bool:
        return bool(self.flags & DB_SPARSE)

    @classmethod
    def parse(cls, data: bytes, offset: int, size: int) -> AttachDB:
        _, procid, dbid, cpg, consistent, sign_db, sign_log, _, flags = _ATTACH.unpack_from(data, offset)
        path = decode_path(data[offset + 75 : offset + size], unicode=bool(flags & DB_UNICODE_PATH))
        return cls(
            procid, dbid, cpg, Lgpos.unpack(consistent), Signature.unpack(sign_db), Signature.unpack(sign_log), flags, path
        )

    def encode(self) -> bytes:
        path = encode_path(self.path, unicode=bool(self.flags & DB_UNICODE_PATH))
        head = _ATTACH.pack(
            self.kind,
            self.procid,
            self.dbid,
            self.cpg_database_size_max,
            self.lgpos_consistent.pack(),
            self.sign_db.pack(),
            self.sign_log.pack(),
            len(path),
            self.flags,
        )
        return head + path


@record(16, minimum_size=7)
class DetachDB(Record):
    """Detach: procid u16@1, dbid u8@3, cbPath u16@4, flags u8@6, path with terminator."""

    procid: int = 0
    dbid: int = 0
    flags: int = DETACH_UNICODE_PATH
    path: str = ""

    @classmethod
    def parse(cls, data: bytes, offset: int, size: int) -> DetachDB:
        _, procid, dbid, _, flags = _DETACH.unpack_from(data, offset)
        path = decode_path(data[offset + 7 : offset + size], unicode=bool(flags & DETACH_UNICODE_PATH))
        return cls(procid, dbid, flags, path)

    def encode(self) -> bytes:
        path = encode_path(self.path, unicode=bool(self.flags & DETACH_UNICODE_PATH))
        return _DETACH.pack(self.kind, self.procid, self.dbid, len(path), self.flags) + path


@record(72)
class ReAttach(Record):
    """A passive copy was attached again."""

    dbid: U8 = 0
    lgpos_attach: Position = LGPOS_MIN
    lgpos_consistent: Position = LGPOS_MIN
    sign_db: Sign = _NO_SIGNATURE
    rest: Rest = b""


@record(92)
class SetDbVersion(Record):
    """Raise the version in the database header."""

    dbid: U8 = 0
    major: U32 = 0
    update_major: U32 = 0
    update_minor: U32 = 0


@record(97)
class SignalAttachDb(Record):
    dbid: U8 = 0


@record(68)
class ExtendDB(Record):
    """The file has at least `pgno_last` pages behind its headers."""

    dbid: U8 = 0
    pgno_last: U32 = 0
    rest: Rest = b""


@record(78)
class ShrinkDB(Record):
    """The file was cut to `pgno_last` pages."""

    dbid: U8 = 0
    pgno_last: U32 = 0
    cpg_shrunk: U32 = 0


@record(94)
class ShrinkDB2(Record):
    dbid: U8 = 0
    pgno_last: U32 = 0
    cpg_shrunk: U32 = 0


@record(99)
class ShrinkDB3(Record):
    dbid: U8 = 0
    pgno_last: U32 = 0
    cpg_shrunk: U32 = 0
    dbtime: I64 = 0


@record(81)
class TrimDB(Record):
    """A region of the file was made sparse."""

    dbid: U8 = 0
    pgno_start: U32 = 0
    cpg_zeroed: U32 = 0


@record(95)
class NewPage(Record):
    """A page is taken into use: empty, with that dbtime."""

    procid: U16 = 0
    dbid: U8 = 0
    pgno: U32 = 0
    objid: U32 = 0
    dbtime: I64 = 0


@record(96)
class RootPageMove(Record):
    """Head of the macro that moves the root of a tree."""

    dbtime: I64 = 0
    dbid: U8 = 0
    objid: U32 = 0
    procid: U16 = 0


@record(74)
class FreeFDP(Record):
    """A tree was deleted: forget what is cached of it. `type` 1 table, 2 index."""

    dbid: U8 = 0
    pgno_fdp: U32 = 0
    trx_committed: U32 = 0
    type: U8 = 0
    rest: Rest = b""


@record(100)
class ExtentFreed(Record):
    dbid: U8 = 0
    pgno_first: U32 = 0
    cpg_extent: U32 = 0
    flags: U8 = 0


@record(101)
class ExtentFreed2(Record):
    dbid: U8 = 0
    pgno_first: U32 = 0
    cpg_extent: U32 = 0
    flags: U8 = 0
    dbtime: I64 = 0


# ---- instance --------------------------------------------------------------------------------------------


@record(1, minimum_size=568)
class Init(Record):
    """Start of an instance, without a time: DBMS_PARAM@1."""

    dbms_param: DbmsParam = DbmsParam()

    @classmethod
    def parse(cls, data: bytes, offset: int, size: int) -> Init:
        return cls(DbmsParam.unpack(data, offset + 1))

    def encode(self) -> bytes:
        return b"\x01" + self.dbms_param.pack()


@record(49, minimum_size=576)
class Init2(Record):
    """Start of an instance: DBMS_PARAM@1, logtime@568."""

    dbms_param: DbmsParam = DbmsParam()
    logtime: LogTime = _NO_TIME

    @classmethod
    def parse(cls, data: bytes, offset: int, size: int) -> Init2:
        return cls(DbmsParam.unpack(data, offset + 1), LogTime.unpack(data, offset + 568))

    def encode(self) -> bytes:
        return b"\x31" + self.dbms_param.pack() + self.logtime.pack()


@record(2)
class Term(Record):
    lgpos: Position = LGPOS_MIN
    lgpos_redo_from: Position = LGPOS_MIN
    hard: U8 = 0


@record(18)
class RecoveryQuit(Record):
    lgpos: Position = LGPOS_MIN
    lgpos_redo_from: Position = LGPOS_MIN
    hard: U8 = 0


@record(50)
class Term2(Record):
    """Clean end of an instance; `lgpos` is the position of its Init2."""

    lgpos: Position = LGPOS_MIN
    lgpos_redo_from: Position = LGPOS_MIN
    hard: U8 = 0
    logtime: Time = _NO_TIME


@record(52)
class RecoveryQuit2(Record):
    """End of a recovery; `lgpos` is the position of its RecoveryUndo2, `hard` 1 after a restore."""

    lgpos: Position = LGPOS_MIN
    lgpos_redo_from: Position = LGPOS_MIN
    hard: U8 = 0
    logtime: Time = _NO_TIME


@record(80)
class RecoveryQuitKeepAttachments(Record):
    """End of a recovery that left the databases attached."""

    lgpos: Position = LGPOS_MIN
    lgpos_redo_from: Position = LGPOS_MIN
    hard: U8 = 0
    logtime: Time = _NO_TIME


@record(17)
class RecoveryUndo(Record):
    """The legacy form of RecoveryUndo2."""


@record(51)
class RecoveryUndo2(Record):
    """Redo is over, undo begins."""

    logtime: Time = _NO_TIME


@record(23)
class ShutDownMark(Record):
    """Its position becomes that at which the databases are consistent."""


# ---- backup ----------------------------------------------------------------------------------------------


@record(19)
class FullBackup(Record):
    path: Bytes16 = b""


@record(20)
class IncBackup(Record):
    path: Bytes16 = b""


@record(45)
class ExtRestore(Record):
    text: Bytes16 = b""


@record(59)
class ExtRestore2(Record):
    text: Bytes16 = b""


@record(46)
class Backup(Record):
    """The old form: type 1 full, 2 incremental, 3 snapshot start, 4 snapshot stop, 5 truncate; one byte unused."""

    backup_type: U8 = 0
    reserved: U8 = 0
    path: Bytes16 = b""


_BACKUP2 = struct.Struct("<BBIBB24sBH")


@record(60, minimum_size=35)
class Backup2(Record):
    """Life cycle of a backup: phase u8@1, type u32@2, scope u8@6, dbid u8@7, BKINFO@8, reserved u8@32, cbPath u16@33, path."""

    phase: int = 0
    backup_type: int = 0
    scope: int = 0
    dbid: int = 0
    info: BackupInfo = BackupInfo()
    path: bytes = b""
    reserved: int = 0

    @classmethod
    def parse(cls, data: bytes, offset: int, size: int) -> Backup2:
        _, phase, type_, scope, dbid, info, reserved, _ = _BACKUP2.unpack_from(data, offset)
        return cls(phase, type_, scope, dbid, BackupInfo.unpack(info), data[offset + 35 : offset + size], reserved)

    def encode(self) -> bytes:
        head = _BACKUP2.pack(
            self.kind, self.phase, self.backup_type, self.scope, self.dbid, self.info.pack(), self.reserved, len(self.path)
        )
        return head + self.path


# ---- traces and ignorable ones ---------------------------------------------------------------------------


@record(21)
class JetOp(Record):
    procid: U16 = 0
    op: U8 = 0


@record(22)
class Trace(Record):
    """Text, without effect."""

    procid: U16 = 0
    text: Bytes16 = b""


@record(61)
class ForceLogRollover(Record):
    """A new generation follows; the text is the reason."""

    procid: U16 = 0
    text: Bytes16 = b""


@record(42)
class Checksum(Record):
    """LRCHECKSUM, the protection of the legacy sector format (`reference` 3.7)."""

    backwards: U32 = 0
    forwards: U32 = 0
    next: U32 = 0
    checksum: U32 = 0
    short_checksum: U32 = 0
    use_short_checksum: U8 = 0


@record(66, minimum_size=46)
class PagePatchRequest(Record):
    """A page is to be repaired from another copy: dbid u8@1, pgno u32@2, dbtime i64@6, 32 bytes reserved."""

    dbid: int = 0
    pgno: int = 0
    dbtime: int = 0
    reserved: bytes = bytes(32)

    @classmethod
    def parse(cls, data: bytes, offset: int, size: int) -> PagePatchRequest:
        dbid, pgno, dbtime, reserved = _PATCH.unpack_from(data, offset + 1)
        return cls(dbid, pgno, dbtime, reserved)

    def encode(self) -> bytes:
        return b"\x42" + _PATCH.pack(self.dbid, self.pgno, self.dbtime, self.reserved)


_PATCH = struct.Struct("<BIq32s")


@record(69)
class CommitCtx(Record):
    """Context a client gave with a commit; streams from 4.8 or 5.2 on have a flag byte before the data."""

    procid: U16 = 0
    content: Rest = b""


@record(70)
class ScanCheck(Record):
    dbid: U8 = 0
    pgno: U32 = 0
    dbtime_page: I64 = 0
    dbtime_current: I64 = 0
    dbtime_before: I64 = 0
    dbtime_after: I64 = 0
    checksum: U16 = 0
    rest: Rest = b""


@record(98)
class ScanCheck2(Record):
    dbid: U8 = 0
    pgno: U32 = 0
    flags: U8 = 0
    dbtime_page: I64 = 0
    dbtime_current: I64 = 0
    checksum: U32 = 0


@record(71, minimum_size=5)
class Nop2(Record):
    """`filler` bytes behind the five of the head: takes a segment to its end."""

    filler: int = 0

    @classmethod
    def parse(cls, data: bytes, offset: int, size: int) -> Nop2:
        return cls(size - 5)

    def encode(self) -> bytes:
        return _IGNORED.pack(self.kind, self.filler) + bytes(self.filler)


def _page_numbers(data: bytes) -> tuple[int, ...]:
    if len(data) % 4:
        raise jet_error(codes.JET_errLogFileCorrupt, "the page list of a MacroInfo record is cut off")
    return tuple(pgno for (pgno,) in struct.iter_unpack("<I", data))


@record(67, minimum_size=5)
class MacroInfo(Record):
    """The pages of the macro before it (database 1): u32 page numbers @5."""

    pages: tuple[int, ...] = ()

    @classmethod
    def parse(cls, data: bytes, offset: int, size: int) -> MacroInfo:
        return cls(_page_numbers(data[offset + 5 : offset + size]))

    def encode(self) -> bytes:
        return struct.pack(f"<BI{len(self.pages)}I", self.kind, 4 * len(self.pages), *self.pages)


@record(73, minimum_size=10)
class MacroInfo2(Record):
    """The pages of the macro before it: dbid u8@5, count u32@6, u32 page numbers @10."""

    dbid: int = 0
    pages: tuple[int, ...] = ()

    @classmethod
    def parse(cls, data: bytes, offset: int, size: int) -> MacroInfo2:
        _, _, dbid, count = _MACRO_INFO2.unpack_from(data, offset)
        if count != (size - 10) // 4:
            raise jet_error(codes.JET_errLogFileCorrupt, "a MacroInfo2 record is not of its size", offset=offset)
        return cls(dbid, _page_numbers(data[offset + 10 : offset + size]))

    def encode(self) -> bytes:
        count = len(self.pages)
        return struct.pack(f"<BIBI{count}I", self.kind, 5 + 4 * count, self.dbid, count, *self.pages)


@record(75, minimum_size=5)
class Ignored(Record):
    """A reserved ignorable type (75, 82 to 91)."""

    kind: int = 75  # type: ignore[misc]
    content: bytes = b""

    @classmethod
    def parse(cls, data: bytes, offset: int, size: int) -> Ignored:
        return cls(data[offset], data[offset + 5 : offset + size])

    def encode(self) -> bytes:
        return _IGNORED.pack(self.kind, len(self.content)) + self.content


@record(76, minimum_size=7)
class FragmentBegin(Record):
    """The first piece of a record of `total` bytes: u32@1, piece length u16@5, piece."""

    total: int = 0
    piece: bytes = b""

    @classmethod
    def parse(cls, data: bytes, offset: int, size: int) -> FragmentBegin:
        return cls(int.from_bytes(data[offset + 1 : offset + 5], "little"), data[offset + 7 : offset + size])

    def encode(self) -> bytes:
        return struct.pack("<BIH", self.kind, self.total, len(self.piece)) + self.piece


@record(77)
class Fragment(Record):
    """A further piece of the record that a FragmentBegin began."""

    piece: Bytes16 = b""
