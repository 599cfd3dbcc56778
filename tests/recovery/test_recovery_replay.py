"""Replaying a whole stream with nothing there recreates the database: the pages and the content of the original's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from esent.constants import codes, grbits
from esent.pages.database_file import DatabaseFile
from esent.pages.primitives import Lgpos
from recovery_support import different_pages, dump_lines, facts, lines_of, outcome, recover

pytestmark = pytest.mark.fixtures

# Rows of these pages have NULL columns of fixed size, whose bytes no log record carries; where the original was asked to do the
# same, the set names the pages in which its own two files differ.
DEAD_BYTES = {"efv-8020": [37, 38], "efv-9180": [37], "efv-9600": []}


@pytest.mark.parametrize("name", ["clean-4k", "clean-8k", "clean-16k", "clean-32k", "efv-8020", "efv-9180", "efv-9600"])
def test_replay_from_nothing(fixtures: Any, tmp_path: Path, name: str) -> None:
    folder = fixtures.copy_set(f"engine/{name}", tmp_path)
    original = folder / "db.edb"
    original.rename(folder / "original.edb")
    (folder / "edb.chk").unlink()
    result = recover(folder)
    assert result.first_generation == 1
    assert result.pages_written > 60
    _, different = different_pages(folder / "db.edb", folder / "original.edb")
    recorded = facts(fixtures.root / "engine", name).get("replay_from_nothing")
    if recorded is not None:
        assert different == recorded["pages_different_after_normalising"]
        assert (folder / "db.edb").stat().st_size == recorded["size"][1]
    else:
        assert different == DEAD_BYTES[name]
    ours, theirs = DatabaseFile(folder / "db.edb").header, DatabaseFile(folder / "original.edb").header
    for field in (
        "sign_db",
        "sign_log",
        "dbtime_dirtied",
        "objid_last",
        "lgpos_attach",
        "lgpos_consistent",
        "lgpos_detach",
        "dbstate",
        "format_version",
        "page_size",
        "dbid",
    ):
        assert getattr(ours, field) == getattr(theirs, field), field


@pytest.mark.parametrize("name", ["clean-4k", "clean-32k", "efv-9600"])
def test_replayed_content(fixtures: Any, tmp_path: Path, name: str) -> None:
    folder = fixtures.copy_set(f"engine/{name}", tmp_path)
    for leftover in ("db.edb", "edb.chk"):
        (folder / leftover).unlink()
    recover(folder)
    system = name.startswith("efv")
    assert list(dump_lines(folder / "db.edb", system=system)) == lines_of(folder / "dump.jsonl")


def test_a_clean_stream_needs_no_recovery(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/clean-4k", tmp_path)
    before = (folder / "db.edb").read_bytes()
    assert not recover(folder).needed
    assert (folder / "db.edb").read_bytes() == before


def test_a_clean_database_among_its_logs_is_left_alone(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/clean-4k", tmp_path)
    (folder / "edb.chk").unlink()
    before = (folder / "db.edb").read_bytes()
    assert recover(folder).needed
    assert (folder / "db.edb").read_bytes() == before


def test_redo_alone_of_a_clean_stream(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/clean-4k", tmp_path)
    for leftover in ("db.edb", "edb.chk"):
        (folder / leftover).unlink()
    expected = codes.JET_errRecoveredWithoutUndoDatabasesConsistent
    assert outcome(folder, grbit=grbits.JET_bitRecoveryWithoutUndo) == expected
    assert list(dump_lines(folder / "db.edb")) == lines_of(folder / "dump.jsonl")


def test_stopping_at_a_position(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/clean-4k", tmp_path)
    for leftover in ("db.edb", "edb.chk"):
        (folder / leftover).unlink()
    stop = Lgpos(3, 5, 0)
    assert outcome(folder, stop=stop) == codes.JET_errRecoveredWithoutUndo
    header = DatabaseFile(folder / "db.edb").header
    assert (header.gen_min_required, header.gen_max_required) == (1, 3)
    assert not header.is_clean
    recover(folder)  # and on from there
    assert list(dump_lines(folder / "db.edb")) == lines_of(folder / "dump.jsonl")


def test_no_logs_is_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "edb.chk").write_bytes(b"stale")
    assert not recover(tmp_path).needed
    assert not (tmp_path / "edb.chk").exists()
