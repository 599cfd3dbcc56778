"""Redo of the records that make trees and of those that change the file's size (`reference/log-and-recovery.md` 4.5.3).

| SPACE_HEADER (external header of a tree's root, 16 bytes)                                              |
|--------------------------------------------------------------------------------------------------------|
| cpgPrimary u32, parent FDP u32, flags u32 (1 multiple extents, 2 non-unique keys), bitmap or pgnoOE u32 |

An extent node has the last page as key, four bytes big-endian, and the number of pages as data, u32 little-endian. The external
header of the roots of extent trees is a split buffer: 16 bytes, zero at first.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from esent.log import kinds
from esent.log.records import ConvertFDP2, CreateMEFDP, CreateSEFDP, NewPage
from esent.pages.edit import PAGE_LEAF, PAGE_NON_UNIQUE, PAGE_PRE_INIT, PAGE_ROOT, PAGE_SPACE_TREE
from esent.recovery.cache import RedoPages
from esent.recovery.sessions import Session, SessionTable

_SPACE_HEADER = struct.Struct("<IIII")
_MULTIPLE = 1
_NON_UNIQUE = 2
_SPLIT_BUFFER = bytes(16)
_BITMAP_PAGES = 32


def space_header(cpg_primary: int, parent: int, last: int, *, multiple: bool, unique: bool) -> bytes:
    flags = (_MULTIPLE if multiple else 0) | (0 if unique else _NON_UNIQUE)
    return _SPACE_HEADER.pack(cpg_primary, parent, flags, last)


def _class_flags(record: CreateMEFDP | CreateSEFDP | ConvertFDP2) -> int:
    return record.page_flags | (0 if record.flags & kinds.UNIQUE else PAGE_NON_UNIQUE)


def _extent_root(
    db: RedoPages, pgno: int, objid: int, flags: int, dbtime: int, generation: int, extents: list[tuple[int, int]]
) -> None:
    """The root of an extent tree with its first nodes: (last page, number of pages) in ascending order."""
    if not db.needs_new(pgno, dbtime):
        return
    page = db.new_page(pgno, objid, flags | PAGE_ROOT | PAGE_LEAF | PAGE_SPACE_TREE, dbtime, generation)
    page.set_external_header(_SPLIT_BUFFER)
    for line, (last, count) in enumerate(extents):
        page.insert(line, 0, (last & 0xFFFFFFFF).to_bytes(4, "big"), count.to_bytes(4, "little"))


def create_multiple(db: RedoPages, sessions: SessionTable, session: Session, generation: int, record: CreateMEFDP) -> None:
    unique = bool(record.flags & kinds.UNIQUE)
    flags = _class_flags(record)
    if db.needs_new(record.pgno, record.dbtime):
        root = db.new_page(record.pgno, record.objid_fdp, flags | PAGE_ROOT | PAGE_LEAF, record.dbtime, generation)
        root.set_external_header(
            space_header(record.cpg_primary, record.pgno_fdp_parent, record.pgno_oe, multiple=True, unique=unique)
        )
    last = record.pgno + record.cpg_primary - 1
    owned = [(last, record.cpg_primary)]
    available = [(last, record.cpg_primary - 3)] if record.cpg_primary > 3 else []
    _extent_root(db, record.pgno_oe, record.objid_fdp, flags, record.dbtime, generation, owned)
    _extent_root(db, record.pgno_ae, record.objid_fdp, flags, record.dbtime, generation, available)


def create_single(db: RedoPages, sessions: SessionTable, session: Session, generation: int, record: CreateSEFDP) -> None:
    if not db.needs_new(record.pgno, record.dbtime):
        return
    root = db.new_page(record.pgno, record.objid_fdp, _class_flags(record) | PAGE_ROOT | PAGE_LEAF, record.dbtime, generation)
    bitmap = (1 << min(max(record.cpg_primary - 1, 0), _BITMAP_PAGES)) - 1
    unique = bool(record.flags & kinds.UNIQUE)
    root.set_external_header(space_header(record.cpg_primary, record.pgno_fdp_parent, bitmap, multiple=False, unique=unique))


def free_runs(pgno_fdp: int, cpg_primary: int, bitmap: int) -> list[tuple[int, int]]:
    """(last page, number of pages) of each free run in a single extent; bit i is page FDP+1+i, those beyond 32 are free."""
    runs: list[tuple[int, int]] = []
    for bit in range(min(_BITMAP_PAGES, max(cpg_primary - 1, 0))):
        if bitmap >> bit & 1:
            page = pgno_fdp + 1 + bit
            if runs and runs[-1][0] == page - 1:
                runs[-1] = (page, runs[-1][1] + 1)
            else:
                runs.append((page, 1))
    beyond = cpg_primary - 1 - _BITMAP_PAGES
    if beyond > 0:
        last = pgno_fdp + cpg_primary - 1
        if runs and runs[-1][0] == pgno_fdp + _BITMAP_PAGES:
            runs[-1] = (last, runs[-1][1] + beyond)
        else:
            runs.append((last, beyond))
    return runs


def convert(db: RedoPages, sessions: SessionTable, session: Session, generation: int, record: ConvertFDP2) -> None:
    root = db.for_redo(record.pgno, record.dbtime, record.dbtime_before)
    if root is not None:
        header = root.external_header()
        plain = header[-16:] if len(header) in (16, 17, 25) else b""
        if len(header) == 25:
            plain = header[1:17]
        if len(plain) != 16:
            plain = space_header(record.cpg_primary, record.pgno_fdp_parent, 0, multiple=False, unique=True)
        cpg, parent, flags, _ = _SPACE_HEADER.unpack(plain)
        changed = _SPACE_HEADER.pack(cpg, parent, flags | _MULTIPLE, record.pgno_oe)
        root.set_external_header(header[:1] + changed + header[17:] if len(header) in (17, 25) else changed)
        db.touch(root, record.dbtime, generation)
    primary = (record.pgno + record.cpg_primary - 1, record.cpg_primary)
    secondary_last = record.pgno_secondary_first + record.cpg_secondary - 1
    available = free_runs(record.pgno, record.cpg_primary, record.avail_bitmap)
    if record.cpg_secondary > 2:
        available.append((secondary_last, record.cpg_secondary - 2))
    owned = sorted([primary, (secondary_last, record.cpg_secondary)])
    flags = _class_flags(record)
    _extent_root(db, record.pgno_oe, record.objid_fdp, flags, record.dbtime, generation, owned)
    _extent_root(db, record.pgno_ae, record.objid_fdp, flags, record.dbtime, generation, sorted(available))


def new_page(db: RedoPages, generation: int, record: NewPage) -> None:
    """A page is taken into use: pre-initialised and empty, until the record that fills it."""
    if db.needs_new(record.pgno, record.dbtime):
        db.new_page(record.pgno, record.objid, PAGE_PRE_INIT, record.dbtime, generation)


HANDLERS: dict[int, Callable[[RedoPages, SessionTable, Session, int, Any], None]] = {
    kinds.CREATE_MEFDP: create_multiple,
    kinds.CREATE_SEFDP: create_single,
    kinds.CONVERT_FDP2: convert,
}
