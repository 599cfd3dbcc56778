"""`esent carve`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

FIELDS = [
    "table", "objid", "table_deleted", "how", "confidence", "live", "committed", "page", "offset", "log", "position",
    "uncertain", "key", "values",
]  # fmt: skip


def test_lines_and_summary(esent, fixtures) -> None:
    outcome = esent("carve", fixtures.path("engine/clean-4k/db.edb"))
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert outcome.status == 0
    assert lines
    assert all(list(line) == FIELDS for line in lines)
    assert f"{len(lines)} deleted rows and earlier states found" in outcome.err


def test_one_table_with_its_bytes(esent, fixtures) -> None:
    outcome = esent("carve", "--raw", "--table", "events", fixtures.path("engine/clean-4k/db.edb"))
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert {line["table"] for line in lines} == {"Events"}
    assert all(bytes.fromhex(line["record"]) for line in lines)


def test_a_folder_of_logs(esent, fixtures, tmp_path: Path) -> None:
    fixtures.copy_set("engine/dirty-4k", tmp_path)
    before = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in tmp_path.iterdir()}
    outcome = esent("carve", tmp_path / "db.edb", tmp_path)
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert any(line["log"] for line in lines)
    assert {path.name: hashlib.sha256(path.read_bytes()).digest() for path in tmp_path.iterdir()} == before


def test_a_log_that_is_none(esent, fixtures, tmp_path: Path) -> None:
    other = tmp_path / "edb.log"
    other.write_bytes(b"something else" * 1000)
    outcome = esent("carve", fixtures.path("windows/types/basic.edb"), other)
    assert outcome.status == 1
    assert "edb.log" in outcome.err
