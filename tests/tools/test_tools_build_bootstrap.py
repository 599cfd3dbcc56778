"""A built database compared with ones the engine made: system tables, their pages and keys, header fields."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from esent.catalog.schema import Catalog
from esent.pages.database_file import DatabaseFile
from esent.pages.header import DatabaseHeader
from esent.pages.page import NODE_DELETED, Page
from esent.pages.primitives import Lgpos, Signature
from esent.tools.build import ColumnSpec, IndexSpec, TableSpec, build_database
from esent.tree.cursor import Tree
from esent.tree.space import owned_extents, space_header

pytestmark = pytest.mark.fixtures

FIRST_USER_TABLE = bytes.fromhex("7f80000008")
ROOTS = (1, 4, 7, 10, 24, 29, 30)
CLASS = 0x1 | 0x20 | 0x40 | 0x80 | 0x400 | 0x800 | 0x2000  # page flags that do not depend on the number of nodes


@pytest.fixture(params=["4k", "8k", "16k", "32k"])
def pair(request: pytest.FixtureRequest, fixtures: Any, tmp_path: Path) -> Any:
    """A genuine database, and an empty built one of the same page size."""
    with DatabaseFile(fixtures.path(f"engine/clean-{request.param}/db.edb")) as genuine:
        path = tmp_path / "built.edb"
        build_database(path, [], page_size=genuine.page_size)
        with DatabaseFile(path) as built:
            yield genuine, built


def nodes(database: DatabaseFile, root: int) -> dict[bytes, bytes]:
    entries = (entry for page in Tree(database, root).leaves() for entry in page.entries())
    return {key: data for flags, key, data in entries if not flags & NODE_DELETED}


def test_catalogue(pair: tuple[DatabaseFile, DatabaseFile]) -> None:
    genuine, built = pair
    for root in (4, 24):
        wanted = {key: row for key, row in nodes(genuine, root).items() if key < FIRST_USER_TABLE}
        assert len(wanted) == 74
        assert nodes(built, root) == wanted
    system = set(nodes(built, 4))
    for root in (7, 10):
        assert nodes(built, root) == {key: row for key, row in nodes(genuine, root).items() if row in system}
    assert nodes(built, 29) == {k: v for k, v in nodes(genuine, 29).items() if k < FIRST_USER_TABLE}
    locales = {k: v for k, v in nodes(genuine, 30).items() if b"L\0o\0c\0a\0l\0e\0N\0" not in v}
    assert nodes(built, 30) == locales
    assert len(locales) == 7


def test_roots(pair: tuple[DatabaseFile, DatabaseFile]) -> None:
    genuine, built = pair
    for root in ROOTS:
        theirs, ours = space_header(genuine, root), space_header(built, root)
        assert (ours.parent, ours.multiple, ours.non_unique) == (theirs.parent, theirs.multiple, theirs.non_unique)
        pages = [root, ours.word, ours.word + 1] if ours.multiple else [root]
        if ours.multiple:
            assert ours.word == theirs.word
            first = next(iter(owned_extents(built, root)))
            if root != 1:
                assert first == next(iter(owned_extents(genuine, root)))
        for pgno in pages:
            a, b = Page(genuine.read_page(pgno), pgno), Page(built.read_page(pgno), pgno)
            assert a.flags & CLASS == b.flags & CLASS, pgno
            assert a.objid == b.objid
            assert len(a.external_header()) == len(b.external_header())
            assert (b.previous, b.next, b.uncommitted_free) == (0, 0, 0)


def test_header(pair: tuple[DatabaseFile, DatabaseFile]) -> None:
    """All fields agree but times, signatures, counters, and what ties the genuine file to its logs."""
    genuine, built = pair
    differing = {
        field.name
        for field in dataclasses.fields(DatabaseHeader)
        if field.compare and getattr(genuine.header, field.name) != getattr(built.header, field.name)
    }
    assert differing <= {
        "dbtime_dirtied",
        "objid_last",
        "sign_db",
        "sign_log",
        "sign_db_hdr_flush",
        "sign_flush_map_hdr_flush",
        "lgpos_consistent",
        "lgpos_attach",
        "lgpos_detach",
        "logtime_consistent",
        "logtime_attach",
        "logtime_detach",
        "extend_count",
        "logtime_last_extend",
        "db_flags",
    }
    header = built.header
    assert header.db_flags & 0xFFFFFF == genuine.header.db_flags & 0xFFFFFF
    assert header.objid_last == 7
    assert header.sign_db and header.sign_db_hdr_flush
    assert header.sign_log == header.sign_flush_map_hdr_flush == Signature()
    assert header.lgpos_attach == header.lgpos_consistent == header.lgpos_detach == Lgpos()
    assert header.logtime_consistent == header.logtime_detach


def test_definitions_come_back(pair: tuple[DatabaseFile, DatabaseFile], tmp_path: Path) -> None:
    """A table of a genuine database, defined anew: the same columns, offsets, flags, key maxima and index flags."""
    genuine, _ = pair
    catalog = Catalog.load(genuine)
    for name in ("Events", "Counters", "Wide", "Heap"):
        table = catalog.table(name)
        columns = [
            ColumnSpec(c.name, c.coltyp, c.grbit, c.code_page, c.max_size if c.coltyp in (9, 10) else 0, c.default)
            for c in table.columns
        ]
        names = {column.fid: column.name for column in table.columns}
        indexes = [
            IndexSpec(
                index.name,
                [("-" if segment.descending else "+") + names[segment.fid] for segment in index.segments],
                index.grbit & ~0x8000,
                index.density,
            )
            for index in table.indexes
        ]
        path = tmp_path / f"{name}.edb"
        spec = TableSpec(name, columns, indexes, table.density, table.initial_pages)
        build_database(path, [(spec, [])], page_size=genuine.page_size)
        with DatabaseFile(path) as database:
            again = Catalog.load(database).table(name)
            for a, b in zip(table.columns, again.columns, strict=True):
                for what in ("name", "fid", "coltyp", "max_size", "flags", "code_page", "record_offset", "default"):
                    assert getattr(a, what) == getattr(b, what), (name, a.name, what)
            for x, y in zip(table.indexes, again.indexes, strict=True):
                for what in (
                    "name",
                    "flags",
                    "segments",
                    "conditions",
                    "density",
                    "locale",
                    "lcmap",
                    "key_most",
                    "tuple_limits",
                ):
                    assert getattr(x, what) == getattr(y, what), (name, x.name, what)
