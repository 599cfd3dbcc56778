"""The database header (DBFILEHDR): all fields, the two copies, the rules for writing it.

Layout (`reference/database-format.md` 2.2): 748 bytes packed, zero up to the end of the page; the fields, their offsets and
kinds are those of the class `DatabaseHeader` below, in the order of the file. Checksum and choice of the copy: 2.4,
states: 2.3.

| kind | size | value                        | kind      | size | value                              |
|------|------|------------------------------|-----------|------|------------------------------------|
| u32  | 4    | int                          | lgpos     | 8    | `Lgpos`                            |
| i32  | 4    | int, signed                  | logtime   | 8    | `LogTime`                          |
| i64  | 8    | int, signed                  | signature | 28   | `Signature`                        |
| u64  | 8    | int                          | bkinfo    | 24   | `BackupInfo`                       |
"""

# ruff: noqa: RUF009 - `_at` makes the field itself, with its default
from __future__ import annotations

import copy
import dataclasses
import enum
from dataclasses import dataclass
from typing import Any, Final, Literal

from esent.constants import codes
from esent.constants.formats import DATABASE_MAJOR, FEATURE_OF_DATABASE, HIGHEST, RECOMMENDED, Feature
from esent.errors import jet_error
from esent.pages.checksum import PAGE_SIZES, header_checksum
from esent.pages.primitives import BackupInfo, Lgpos, LogTime, Signature

MAGIC: Final = 0x89ABCDEF
FORMAT_MAJOR: Final = DATABASE_MAJOR
FORMAT_UPDATE: Final = RECOMMENDED.database[0]  # what every new file begins with; a later format is stamped on it then
FILE_TYPE_DATABASE: Final = 1
HEADER_PAGES: Final = 2
FIRST_DBTIME: Final = 0x40
SORT_VERSIONS_IN_CATALOG: Final = 0xFFFFFFFFFFFFFFFF
SHADOWING_OFF: Final = 0x01  # bit of `db_flags`: no shadow catalog
_SIZE = 748
_DEFAULT_PAGE_SIZE = 4096


class DatabaseState(enum.IntEnum):
    """dbstate."""

    NONE = 0
    JUST_CREATED = 1
    DIRTY_SHUTDOWN = 2
    CLEAN_SHUTDOWN = 3
    BEING_CONVERTED = 4
    FORCE_DETACH = 5
    INCREMENTAL_RESEED_IN_PROGRESS = 6
    DIRTY_AND_PATCHED_SHUTDOWN = 7
    REVERT_IN_PROGRESS = 8


_MOVES = {0: (1,), 1: (2,), 2: (3, 6, 8), 3: (2, 8), 4: (3,), 5: (), 6: (7,), 7: (2, 6, 8), 8: (7, 3, 2, 1)}


class _Integer:
    def __init__(self, size: int, signed: bool) -> None:
        self.size = size
        self.signed = signed

    def unpack(self, data: bytes, offset: int) -> int:
        return int.from_bytes(data[offset : offset + self.size], "little", signed=self.signed)

    def pack(self, value: int) -> bytes:
        try:
            return value.to_bytes(self.size, "little", signed=self.signed)
        except OverflowError as problem:
            raise jet_error(codes.JET_errInvalidParameter, f"packing a header: {value} does not fit its field") from problem


class _Structure:
    def __init__(self, kind: type[Lgpos] | type[LogTime] | type[Signature] | type[BackupInfo]) -> None:
        self.kind = kind

    def unpack(self, data: bytes, offset: int) -> object:
        return self.kind.unpack(data, offset)

    def pack(self, value: Any) -> bytes:
        packed: bytes = value.pack()
        return packed


U32 = _Integer(4, False)
I32 = _Integer(4, True)
I64 = _Integer(8, True)
U64 = _Integer(8, False)
LGPOS = _Structure(Lgpos)
LOGTIME = _Structure(LogTime)
SIGNATURE = _Structure(Signature)
BKINFO = _Structure(BackupInfo)


def _at(offset: int, kind: _Integer | _Structure, default: object = None) -> Any:
    if default is None:
        default = 0 if isinstance(kind, _Integer) else kind.kind()
    return dataclasses.field(default=default, metadata={"offset": offset, "kind": kind})


@dataclass(slots=True)
class DatabaseHeader:
    """The fields of a database header; mutable. A new one is that of a database being created."""

    magic: int = _at(4, U32, MAGIC)
    version: int = _at(8, U32, FORMAT_MAJOR)
    attrib: int = _at(12, I32)
    dbtime_dirtied: int = _at(16, I64)
    sign_db: Signature = _at(24, SIGNATURE)
    dbstate: int = _at(52, U32)
    lgpos_consistent: Lgpos = _at(56, LGPOS)
    logtime_consistent: LogTime = _at(64, LOGTIME)
    logtime_attach: LogTime = _at(72, LOGTIME)
    lgpos_attach: Lgpos = _at(80, LGPOS)
    logtime_detach: LogTime = _at(88, LOGTIME)
    lgpos_detach: Lgpos = _at(96, LGPOS)
    dbid: int = _at(104, U32)
    sign_log: Signature = _at(108, SIGNATURE)
    bkinfo_full_prev: BackupInfo = _at(136, BKINFO)
    bkinfo_inc_prev: BackupInfo = _at(160, BKINFO)
    bkinfo_full_cur: BackupInfo = _at(184, BKINFO)
    db_flags: int = _at(208, U32)
    objid_last: int = _at(212, U32)
    os_major: int = _at(216, U32)
    os_minor: int = _at(220, U32)
    os_build: int = _at(224, U32)
    os_service_pack: int = _at(228, I32)
    update_major: int = _at(232, U32, FORMAT_UPDATE)
    page_size_field: int = _at(236, U32)
    repair_count: int = _at(240, U32)
    logtime_repair: LogTime = _at(244, LOGTIME)
    dbtime_last_scrub: int = _at(280, I64)
    logtime_scrub: LogTime = _at(288, LOGTIME)
    gen_min_required: int = _at(296, I32)
    gen_max_required: int = _at(300, I32)
    cpg_upgrade55_format: int = _at(304, I32)
    cpg_upgrade_free_pages: int = _at(308, I32)
    cpg_upgrade_space_map_pages: int = _at(312, I32)
    bkinfo_snapshot_cur: BackupInfo = _at(316, BKINFO)
    create_version: int = _at(340, U32, FORMAT_MAJOR)
    create_update: int = _at(344, U32, FORMAT_UPDATE)
    logtime_gen_max_create: LogTime = _at(348, LOGTIME)  # of generation gen_max_committed
    bkinfo_type_full_prev: int = _at(356, U32)
    bkinfo_type_inc_prev: int = _at(360, U32)
    repair_count_old: int = _at(364, U32)
    ecc_fix_success: int = _at(368, U32)
    logtime_ecc_fix_success: LogTime = _at(372, LOGTIME)
    ecc_fix_success_old: int = _at(380, U32)
    ecc_fix_fail: int = _at(384, U32)
    logtime_ecc_fix_fail: LogTime = _at(388, LOGTIME)
    ecc_fix_fail_old: int = _at(396, U32)
    bad_checksum: int = _at(400, U32)
    logtime_bad_checksum: LogTime = _at(404, LOGTIME)
    bad_checksum_old: int = _at(412, U32)
    gen_max_committed: int = _at(416, I32)
    bkinfo_copy_prev: BackupInfo = _at(420, BKINFO)
    bkinfo_diff_prev: BackupInfo = _at(444, BKINFO)
    bkinfo_type_copy_prev: int = _at(468, U32)
    bkinfo_type_diff_prev: int = _at(472, U32)
    incremental_reseed_count: int = _at(476, U32)
    logtime_incremental_reseed: LogTime = _at(480, LOGTIME)
    incremental_reseed_count_old: int = _at(488, U32)
    page_patch_count: int = _at(492, U32)
    logtime_page_patch: LogTime = _at(496, LOGTIME)
    page_patch_count_old: int = _at(504, U32)
    sort_version: int = _at(508, U64)
    logtime_dbscan_prev: LogTime = _at(516, LOGTIME)
    logtime_dbscan_start: LogTime = _at(524, LOGTIME)
    pgno_dbscan_highest_continuous: int = _at(532, U32)
    gen_recovering: int = _at(536, I32)
    extend_count: int = _at(540, U32)
    logtime_last_extend: LogTime = _at(544, LOGTIME)
    shrink_count: int = _at(552, U32)
    logtime_last_shrink: LogTime = _at(556, LOGTIME)
    logtime_last_reattach: LogTime = _at(564, LOGTIME)
    lgpos_last_reattach: Lgpos = _at(572, LGPOS)
    trim_count: int = _at(580, U32)
    sign_db_hdr_flush: Signature = _at(584, SIGNATURE)
    sign_flush_map_hdr_flush: Signature = _at(612, SIGNATURE)
    gen_min_consistent: int = _at(640, I32)
    update_minor: int = _at(644, U32)
    efv_max_bin_attach: int = _at(648, U32)
    pgno_dbscan_highest: int = _at(652, U32)
    lgpos_last_resize: Lgpos = _at(656, LGPOS)
    file_type: int = _at(667, U32, FILE_TYPE_DATABASE)
    logtime_gen_max_required: LogTime = _at(672, LOGTIME)
    gen_pre_redo_min_consistent: int = _at(680, I32)
    gen_pre_redo_min_required: int = _at(684, I32)
    sign_rbs_hdr_flush: Signature = _at(688, SIGNATURE)
    revert_count: int = _at(716, U32)
    logtime_revert_from: LogTime = _at(720, LOGTIME)
    logtime_revert_to: LogTime = _at(728, LOGTIME)
    revert_page_count: int = _at(736, U32)
    lgpos_commit_before_revert: Lgpos = _at(740, LGPOS)
    # what the header was parsed from: bytes no field stands for, and bits a field drops, are kept by pack()
    _image: bytes = dataclasses.field(default=b"", repr=False, compare=False)

    @property
    def page_size(self) -> int:
        """Bytes of a page; the field may be 0, which means 4096."""
        return self.page_size_field or _DEFAULT_PAGE_SIZE

    @property
    def state(self) -> DatabaseState | int:
        """`dbstate` by name, where it has one."""
        return DatabaseState(self.dbstate) if self.dbstate in _MOVES else self.dbstate

    @property
    def is_clean(self) -> bool:
        return self.dbstate == DatabaseState.CLEAN_SHUTDOWN

    @property
    def format_version(self) -> tuple[int, int, int]:
        """(major, update major, update minor); features compare with it."""
        return self.version, self.update_major, self.update_minor

    def has(self, feature: Feature) -> bool:
        """Whether databases of this version may have what came with a feature."""
        return self.format_version >= FEATURE_OF_DATABASE[feature]

    def raise_version(self, version: tuple[int, int, int]) -> bool:
        """Make the version at least `version`; whether anything changed. It never goes down."""
        before = self.format_version, self.efv_max_bin_attach
        if version >= FEATURE_OF_DATABASE[Feature.SET_DB_VERSION]:
            self.efv_max_bin_attach = max(self.efv_max_bin_attach, HIGHEST.efv)
        if version > self.format_version:
            self.version, self.update_major, self.update_minor = version
        return before != (self.format_version, self.efv_max_bin_attach)

    @property
    def keeps_last_resize(self) -> bool:
        """Whether `lgpos_last_resize` has to follow the life of the file."""
        return self.has(Feature.LAST_RESIZE) or self.lgpos_last_resize != Lgpos()

    def resized_at(self, position: Lgpos) -> None:
        """The file was given its length at `position` of the log, or was attached there: not below `lgpos_attach`."""
        if self.keeps_last_resize:
            self.lgpos_last_resize = max(self.lgpos_last_resize, position)

    def consistent_at(self, position: Lgpos) -> None:
        """The file is detached, with everything up to `position` in it."""
        self.lgpos_consistent = self.lgpos_detach = position
        if self.keeps_last_resize:
            self.lgpos_last_resize = position

    @property
    def is_left_by_crash(self) -> bool:
        """Whether recovery has made it clean, and nobody has attached it since: there may be pages that nobody has."""
        return self.is_clean and self.lgpos_attach != Lgpos() and self.logtime_detach == LogTime()

    @property
    def is_shadowed(self) -> bool:
        """Whether the database keeps a shadow catalog."""
        return not self.db_flags & SHADOWING_OFF

    @classmethod
    def parse(cls, data: bytes, *, file: object = None) -> DatabaseHeader:
        """The header in `data`, one page. JET_errReadVerifyFailure for a wrong checksum, JET_errDatabaseCorrupted if it is not
        the header of an ESE file, JET_errFileInvalidType for one of another type."""
        if len(data) not in PAGE_SIZES or header_checksum(data) != U32.unpack(data, 0):
            raise jet_error(
                codes.JET_errReadVerifyFailure, "reading the database header: the checksum is wrong", file=file, offset=0
            )
        values = {name: kind.unpack(data, offset) for name, offset, kind in FIELDS}
        header = cls(**values, _image=data)
        if header.magic != MAGIC:
            raise jet_error(codes.JET_errDatabaseCorrupted, "reading the database header: not a database", file=file, offset=4)
        if header.file_type not in (0, FILE_TYPE_DATABASE) or header.attrib != 0:
            what = f"reading the database header: the file is of type {header.file_type}, attribute {header.attrib}"
            raise jet_error(codes.JET_errFileInvalidType, what, file=file, offset=667)
        if header.page_size != len(data):
            what = f"reading the database header: {len(data)} bytes that speak of pages of {header.page_size}"
            raise jet_error(codes.JET_errPageSizeMismatch, what, file=file, offset=236)
        return header

    def pack(self, page_size: int | None = None) -> bytes:
        """The header page, checksum included. `page_size`: where it is to differ from the header's own, which is set to it."""
        if page_size is not None:
            self.page_size_field = page_size
        size = self.page_size
        if size not in PAGE_SIZES:
            raise jet_error(codes.JET_errInvalidParameter, f"packing a header: {size} is not a page size")
        before = self._image[:size].ljust(size, b"\0")
        image = bytearray(before)
        for name, offset, kind in FIELDS:
            value = getattr(self, name)
            if kind.unpack(before, offset) != value:
                packed = kind.pack(value)
                image[offset : offset + len(packed)] = packed
        image[:4] = header_checksum(bytes(image)).to_bytes(4, "little")
        return bytes(image)

    def copy(self) -> DatabaseHeader:
        """An independent copy (all values of fields are immutable)."""
        return copy.copy(self)

    def check(self) -> list[str]:
        """What hinders writing this header: a sentence for each relation that does not hold."""
        wrong = []
        if self.file_type != FILE_TYPE_DATABASE:
            wrong.append(f"the file type is {self.file_type}")
        if self.page_size not in PAGE_SIZES:
            wrong.append(f"the page size is {self.page_size}")
        if not self.version:
            wrong.append("the format version is 0")
        if not self.gen_min_required <= self.gen_max_required <= self.gen_max_committed:
            wrong.append(
                f"the generations are not in order: minimum {self.gen_min_required}, maximum {self.gen_max_required}, "
                f"committed {self.gen_max_committed}"
            )
        if self.gen_min_consistent and not self.gen_min_required <= self.gen_min_consistent <= self.gen_max_required:
            wrong.append(f"generation {self.gen_min_consistent} (consistent) is not among those required")
        if self.lgpos_last_resize != Lgpos():
            if self.lgpos_last_resize < self.lgpos_attach:
                wrong.append(f"the last resize ({self.lgpos_last_resize}) lies before the attach ({self.lgpos_attach})")
            elif self.is_clean and self.lgpos_last_resize != self.lgpos_consistent:
                wrong.append(f"clean, but the last resize ({self.lgpos_last_resize}) is not the end ({self.lgpos_consistent})")
        return wrong

    def change_state(self, state: DatabaseState) -> None:
        """Move to `state`, with the fields that go with it; JET_errInternalError for a move that is not permitted."""
        if state != self.dbstate and state not in _MOVES.get(self.dbstate, ()):
            raise jet_error(codes.JET_errInternalError, f"changing the state of a database from {self.dbstate} to {int(state)}")
        self.dbstate = int(state)
        if state == DatabaseState.CLEAN_SHUTDOWN:
            self.gen_min_required = self.gen_min_consistent = self.gen_max_required = self.gen_max_committed = 0
            self.logtime_gen_max_create = self.logtime_gen_max_required = LogTime()
        if state != DatabaseState.DIRTY_SHUTDOWN:
            self.gen_pre_redo_min_consistent = self.gen_pre_redo_min_required = 0


FIELDS: Final[list[tuple[str, int, Any]]] = [
    (field.name, field.metadata["offset"], field.metadata["kind"])
    for field in dataclasses.fields(DatabaseHeader)
    if "offset" in field.metadata
]


@dataclass(slots=True)
class HeaderChoice:
    """Which of the two copies counts: the parsed header, its image, and what is wrong with the copies."""

    header: DatabaseHeader
    image: bytes
    source: Literal["primary", "shadow"]
    primary_valid: bool
    shadow_valid: bool
    equal: bool

    @property
    def stale(self) -> list[int]:
        """The copies (0 primary, 1 shadow) that a writable open rewrites from the good one."""
        if self.equal:
            return []
        return [1] if self.source == "primary" else [0]


def is_valid_copy(data: bytes) -> bool:
    """Whether `data` is one header page whose checksum is right and whose page-size field is its length."""
    if len(data) not in PAGE_SIZES or header_checksum(data) != U32.unpack(data, 0):
        return False
    return (U32.unpack(data, 236) or _DEFAULT_PAGE_SIZE) == len(data)


def detect_page_size(data: bytes) -> int | None:
    """The page size of a database from its first 64 KB (or what there is of them); None if neither header copy is valid."""
    for size in PAGE_SIZES:
        if is_valid_copy(data[:size]):
            return size
    for size in PAGE_SIZES:
        if is_valid_copy(data[size : 2 * size]):
            return size
    return None


def choose_header(primary: bytes, shadow: bytes, *, file: object = None) -> HeaderChoice:
    """Choose between the two copies (a page each): the primary if it is valid, else the shadow.

    Raises JET_errReadVerifyFailure where neither is valid, else what `DatabaseHeader.parse` raises.
    """
    primary_valid = is_valid_copy(primary)
    shadow_valid = is_valid_copy(shadow)
    if not primary_valid and not shadow_valid:
        raise jet_error(
            codes.JET_errReadVerifyFailure,
            "reading the database header: this is no database, or both copies are damaged",
            file=file,
            offset=0,
        )
    image = primary if primary_valid else shadow
    return HeaderChoice(
        header=DatabaseHeader.parse(image, file=file),
        image=image,
        source="primary" if primary_valid else "shadow",
        primary_valid=primary_valid,
        shadow_valid=shadow_valid,
        equal=primary == shadow,
    )
