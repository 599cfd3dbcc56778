"""Databases and logs of real Windows machines: rolled forward, recreated, recovered."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from esent.pages.database_file import DatabaseFile
from recovery_support import different_pages, dump_lines, lines_of, outcome, recover

pytestmark = pytest.mark.fixtures

CASES = ["from-nothing-1-2", "forward-2-5", "forward-1-5", "from-nothing-1-5", "forward-2-5-first-SRU-log-as-2"]


@pytest.mark.parametrize("case", CASES)
def test_two_days_of_one_server(fixtures: Any, tmp_path: Path, case: str) -> None:
    root = fixtures.root / "windows"
    told = next(each for each in json.loads((root / "server2022-replay.json").read_text()) if each["case"] == case)
    folder = tmp_path / "logs"
    folder.mkdir()
    for source, name in told["files"]:
        (folder / name).write_bytes(fixtures.read(f"windows/{source}"))
    assert outcome(folder, base="SRU") == told["JetInit"]["err"]
    if told["JetInit"]["err"]:
        return
    day = f"srum-server2022-{told['dump_equals']}-day"
    assert list(dump_lines(folder / "SRUDB.dat", system=True)) == lines_of(root / day / "SRUDB.dat.dump.jsonl")
    assert different_pages(folder / "SRUDB.dat", fixtures.path(f"windows/{day}/SRUDB.dat"))[1] == []
    assert (folder / "SRUDB.dat").stat().st_size == told["sizes"][0]
    header = DatabaseFile(folder / "SRUDB.dat").header
    assert header.dbtime_dirtied == told["header"]["dbtime"]
    assert list(header.lgpos_consistent) == told["header"]["last_consistent"]["lgpos"]
    assert list(header.lgpos_attach) == told["header"]["last_attach"]["lgpos"]


def test_a_dirty_file_of_windows_11(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("windows/srum-win11-dirty", tmp_path)
    assert recover(folder, base="SRU").needed
    expected = gzip.decompress((fixtures.root / "windows/srum-win11-dirty/SRUDB.dat.recovered.dump.jsonl.gz").read_bytes())
    assert list(dump_lines(folder / "SRUDB.dat", system=True)) == expected.decode("ascii").splitlines()
    told = json.loads((folder / "results.json").read_text())["SRUDB.dat"]["recovery"]["header"]
    header = DatabaseFile(folder / "SRUDB.dat").header
    assert header.is_clean
    assert header.dbtime_dirtied == told["dbtime"]
    assert list(header.lgpos_consistent) == told["last_consistent"]["lgpos"]


def test_clean_logs_of_windows_10(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("windows/srum-win10-logs-25-32", tmp_path)
    assert not recover(folder, base="SRU").needed
