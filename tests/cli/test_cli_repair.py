"""`esent repair`, and looking at damaged files with `--salvage`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def damaged(fixtures, tmp_path: Path) -> Path:
    """Rows of one table are gone with page 46, and both headers."""
    image = bytearray(fixtures.read("engine/damaged-pages-4k/db.edb"))
    image[47 * 4096 : 48 * 4096] = bytes(4096)
    image[: 2 * 4096] = bytes(2 * 4096)
    path = tmp_path / "broken.edb"
    path.write_bytes(image)
    return path


def test_what_is_lost_is_told(esent, damaged: Path, tmp_path: Path) -> None:
    outcome = esent("repair", damaged, "--to", tmp_path / "new.edb")
    assert outcome.status == 1
    assert "page 46, table AllTypes" in outcome.out
    assert "see above for what is lost" in outcome.out
    assert esent("verify", tmp_path / "new.edb").status == 0


def test_json(esent, damaged: Path, tmp_path: Path) -> None:
    outcome = esent("repair", damaged, "--to", tmp_path / "new.edb", "--json")
    assert outcome.status == 1
    report = json.loads(outcome.out)
    assert report["ok"] is False
    assert report["verified"] is True
    assert {loss["part"] for loss in report["losses"]} >= {"header", "rows"}
    assert [loss["page"] for loss in report["losses"] if loss["part"] == "rows"] == [46]
    assert {table["name"]: table["whole"] for table in report["tables"]}["AllTypes"] is False


def test_nothing_lost(esent, fixtures, tmp_path: Path) -> None:
    outcome = esent("repair", fixtures.path("windows/types/basic.edb"), "--to", tmp_path / "new.edb")
    assert outcome.status == 0
    assert "nothing is lost" in outcome.out


def test_could_not(esent, damaged: Path, tmp_path: Path) -> None:
    outcome = esent("repair", damaged, "--to", damaged)
    assert outcome.status == 2
    assert "JET_errDatabaseDuplicate" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["broken.edb"]


def test_dump_and_tables_of_a_damaged_file(esent, damaged: Path) -> None:
    assert esent("dump", damaged).status == 1
    outcome = esent("dump", damaged, "--salvage")
    assert outcome.status == 1
    assert "damage is told of in 2 lines\n" in outcome.err
    last = json.loads(outcome.out.splitlines()[-1])
    assert {loss["page"] for loss in last["losses"]} == {None, 46}
    assert len(outcome.out.splitlines()) > 100
    assert esent("tables", damaged).status == 1
    listed = esent("tables", damaged, "--salvage")
    assert listed.status == 0
    assert "AllTypes" in listed.out
    assert "both copies are damaged" in listed.err
