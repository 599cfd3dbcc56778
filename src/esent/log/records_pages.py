"""Records that change pages (`reference/log-and-recovery.md` 4.1, 4.5.2, 4.5.3, 4.5.7).

| prefix  | size | fields                                                                                            |
|---------|------|---------------------------------------------------------------------------------------------------|
| LRPAGE_ | 32   | procid u16@1, dbid u8@3, pgno u32@4, dbtime i64@8, dbtimeBefore i64@16, trxBegin0 u32@24,           |
|         |      | level u8@28, iline u16@29, flags u8@31                                                            |
| LRNODE_ | 44   | LRPAGE_, rceid u32@32, pgnoFDP u32@36, objidFDP u32@40                                             |

The classes below list what follows, in byte order. A `Bytes16` or `Bytes32` field stands where its length stands; the bytes
come behind the fixed part, in the order of `payload_order` where that is another.
"""

from __future__ import annotations

import struct
from typing import ClassVar

from esent.constants import codes
from esent.errors import jet_error
from esent.log.layout import I16, I32, I64, U8, U16, U32, Bytes16, Bytes32, Record, prefix, record

_REPLACE = struct.Struct("<BHBIqqIBHBIIIHHH")
_LISTED = struct.Struct("<qII")


@prefix
class PageRecord(Record):
    """`line` counts from 0 without the external header; `dbtime_before` is -1 where there is none."""

    procid: U16 = 0
    dbid: U8 = 0
    pgno: U32 = 0
    dbtime: I64 = -1
    dbtime_before: I64 = -1
    trx_begin0: U32 = 0
    level: U8 = 0
    line: U16 = 0
    flags: U8 = 0


@prefix
class NodeRecord(PageRecord):
    """`rceid` names the version the operation makes (0: none); `pgno_fdp` and `objid_fdp` the tree that owns the page."""

    rceid: U32 = 0
    pgno_fdp: U32 = 0
    objid_fdp: U32 = 0


@record(29)
class Insert(NodeRecord):
    """Insert a node before `line`; with a `prefix` the node is stored compressed by that many bytes."""

    suffix: Bytes16 = b""
    prefix: Bytes16 = b""
    data: Bytes16 = b""
    payload_order: ClassVar[tuple[str, ...]] = ("prefix", "suffix", "data")


@record(30)
class FlagInsert(NodeRecord):
    """Take the deleted flag off; key and data are those on the page."""

    key: Bytes16 = b""
    data: Bytes16 = b""


@record(31)
class FlagInsertAndReplaceData(NodeRecord):
    """Take the deleted flag off and replace the data: versions `rceid` (insert) and `rceid_replace`."""

    key: Bytes16 = b""
    data: Bytes16 = b""
    rceid_replace: U32 = 0


@record(32)
class FlagDelete(NodeRecord):
    """Set the deleted flag."""


@record(33, minimum_size=50)
class Replace(NodeRecord):
    """Replace the data: `data` is the new value, and in a ReplaceD the difference (`wide`: 3-byte entry headers)."""

    old_size: U16 = 0
    new_size: U16 = 0
    data: bytes = b""
    wide: bool = False

    @classmethod
    def parse(cls, data: bytes, offset: int, size: int) -> Replace:
        (
            _,
            procid,
            dbid,
            pgno,
            dbtime,
            before,
            trx,
            level,
            line,
            flags,
            rceid,
            pgno_fdp,
            objid_fdp,
            length,
            old_size,
            new_size,
        ) = _REPLACE.unpack_from(data, offset)
        return cls(
            procid,
            dbid,
            pgno,
            dbtime,
            before,
            trx,
            level,
            line,
            flags,
            rceid,
            pgno_fdp,
            objid_fdp,
            old_size,
            new_size,
            data[offset + 50 : offset + size],
            length >= 0x8000,
        )

    def encode(self) -> bytes:
        length = len(self.data) | self.wide << 15
        return (
            _REPLACE.pack(
                self.kind,
                self.procid,
                self.dbid,
                self.pgno,
                self.dbtime,
                self.dbtime_before,
                self.trx_begin0,
                self.level,
                self.line,
                self.flags,
                self.rceid,
                self.pgno_fdp,
                self.objid_fdp,
                length,
                self.old_size,
                self.new_size,
            )
            + self.data
        )


@record(34, minimum_size=50)
class ReplaceD(Replace):
    """Replace the data by applying a difference (`reference` 4.6) to the old."""


@record(35)
class Delete(NodeRecord):
    """Remove the node."""


@record(36)
class UndoInfo(NodeRecord):
    """The before image that undoing `oper` (2 replace, 3 flag delete) needs; touches no page."""

    key: Bytes16 = b""
    bookmark_data: Bytes16 = b""
    oper: U16 = 0
    max_size: U16 = 0
    delta: I16 = 0
    data: Bytes16 = b""


@record(37)
class Delta(NodeRecord):
    """Add `delta` to the 32-bit integer at byte `data_offset` of the node's data."""

    key: Bytes16 = b""
    bookmark_data: Bytes16 = b""
    delta: I32 = 0
    data_offset: U16 = 0


@record(93)
class Delta64(NodeRecord):
    """Add `delta` to the 64-bit integer at byte `data_offset` of the node's data."""

    key: Bytes16 = b""
    bookmark_data: Bytes16 = b""
    delta: I64 = 0
    data_offset: U16 = 0


@record(38)
class SetExternalHeader(NodeRecord):
    """Replace the whole external header of the page."""

    data: Bytes16 = b""


@record(39)
class Undo(NodeRecord):
    """The operation of version `rceid` was undone; `undo_level` is its level."""

    key: Bytes16 = b""
    bookmark_data: Bytes16 = b""
    oper: U16 = 0
    undo_level: U8 = 0


@record(48)
class EmptyTree(NodeRecord):
    """Empty the listed pages and make the root a leaf. `pages` is {dbtimeBefore i64, pgno u32, flags u32} each."""

    pages: Bytes16 = b""

    def entries(self) -> list[tuple[int, int, int]]:
        """(dbtime before, page number, page flags before) of each page; JET_errLogFileCorrupt if the list is not whole."""
        if len(self.pages) % _LISTED.size:
            raise jet_error(codes.JET_errLogFileCorrupt, "the page list of an EmptyTree record is cut off", page=self.pgno)
        return list(_LISTED.iter_unpack(self.pages))

    @staticmethod
    def pack_entries(entries: list[tuple[int, int, int]]) -> bytes:
        return b"".join(_LISTED.pack(*entry) for entry in entries)


@record(64)
class Scrub(NodeRecord):
    """Overwrite deleted data: one SCRUBOPER byte a node in `opers`, `scrub_count` of them."""

    scrub_flags: U32 = 0
    scrub_count: U32 = 0
    opers: Bytes16 = b""


@record(24)
class CreateMEFDP(PageRecord):
    """Create a tree root (`pgno`) with trees of owned and available extents."""

    objid_fdp: U32 = 0
    pgno_oe: U32 = 0
    pgno_ae: U32 = 0
    pgno_fdp_parent: U32 = 0
    cpg_primary: U32 = 0
    page_flags: U32 = 0


@record(25)
class CreateSEFDP(PageRecord):
    """Create a tree root (`pgno`) that owns a single extent."""

    objid_fdp: U32 = 0
    pgno_fdp_parent: U32 = 0
    cpg_primary: U32 = 0
    page_flags: U32 = 0


@record(26)
class ConvertFDP(PageRecord):
    """The old form of ConvertFDP2, without bitmap and page flags; the engine does not replay it."""

    objid_fdp: U32 = 0
    pgno_oe: U32 = 0
    pgno_ae: U32 = 0
    pgno_fdp_parent: U32 = 0
    pgno_secondary_first: U32 = 0
    cpg_primary: U32 = 0
    cpg_secondary: U32 = 0


@record(58)
class ConvertFDP2(PageRecord):
    """A tree of a single extent gets extent trees; bit i of `avail_bitmap` is page FDP+1+i."""

    objid_fdp: U32 = 0
    pgno_oe: U32 = 0
    pgno_ae: U32 = 0
    pgno_fdp_parent: U32 = 0
    pgno_secondary_first: U32 = 0
    cpg_primary: U32 = 0
    cpg_secondary: U32 = 0
    avail_bitmap: U32 = 0
    page_flags: U32 = 0


@prefix
class SplitRecord(PageRecord):
    """One level of a split: `pgno` is the page that was there. `pgno_new` 0: the level only gets a pointer."""

    pgno_new: U32 = 0
    pgno_right: U32 = 0
    dbtime_right_before: I64 = -1
    pgno_parent: U32 = 0
    dbtime_parent_before: I64 = -1
    pgno_fdp: U32 = 0
    objid_fdp: U32 = 0
    split_type: U8 = 0
    split_oper: U8 = 0
    line_oper: U16 = 0
    line_split: U16 = 0
    line_count: U16 = 0
    new_page_flags: U32 = 0
    split_page_flags: U32 = 0
    uncommitted_free_source: U16 = 0
    uncommitted_free_new: U16 = 0
    line_prefix_split: I32 = -1
    line_prefix_new: I32 = -1
    prefix_split_old: Bytes16 = b""
    prefix_split_new: Bytes16 = b""
    key_parent: Bytes16 = b""


@record(27)
class Split(SplitRecord):
    """The old form, without image; the engine does not replay it."""

    payload_order: ClassVar[tuple[str, ...]] = ("key_parent", "prefix_split_old", "prefix_split_new")


@record(62)
class Split2(SplitRecord):
    image_flags: U32 = 0
    image: Bytes32 = b""
    payload_order: ClassVar[tuple[str, ...]] = ("key_parent", "prefix_split_old", "prefix_split_new", "image")


@prefix
class MergeRecord(PageRecord):
    """One level of a merge: `pgno` is the page whose nodes move."""

    pgno_right: U32 = 0
    dbtime_right_before: I64 = -1
    pgno_left: U32 = 0
    dbtime_left_before: I64 = -1
    pgno_parent: U32 = 0
    dbtime_parent_before: I64 = -1
    pgno_fdp: U32 = 0
    objid_fdp: U32 = 0
    size_total: U16 = 0
    size_max_total: U16 = 0
    uncommitted_free_destination: U16 = 0
    line_merge: U16 = 0
    merge_flags: U8 = 0
    merge_type: U8 = 0
    key_parent_separator: Bytes16 = b""


@record(28)
class Merge(MergeRecord):
    """The old form, without image; the engine does not replay it."""


@record(63)
class Merge2(MergeRecord):
    image_flags: U32 = 0
    image: Bytes32 = b""


@record(65)
class PageMove(PageRecord):
    """Move page `pgno` to `pgno_dest`: `page_header` and `page_trailer` are the two ends of the page, the gap is free."""

    pgno_dest: U32 = 0
    pgno_left: U32 = 0
    pgno_right: U32 = 0
    pgno_parent: U32 = 0
    dbtime_left_before: I64 = -1
    dbtime_right_before: I64 = -1
    dbtime_parent_before: I64 = -1
    pgno_fdp: U32 = 0
    objid_fdp: U32 = 0
    line_parent: I32 = 0
    move_flags: U32 = 0
    page_header: Bytes32 = b""
    page_trailer: Bytes32 = b""
