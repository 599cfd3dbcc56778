"""`esent export`: what it says, exit status, and that it refuses before it writes."""

from __future__ import annotations

import json
import sys

import pytest

from esent.catalog.schema import Catalog
from esent.pages.database_file import DatabaseFile
from esent.tree.cursor import Tree


@pytest.fixture
def clean(fixtures, tmp_path):
    copy = tmp_path / "db.edb"
    copy.write_bytes(fixtures.read("engine/clean-4k/db.edb"))
    return copy


def test_rows_of_a_table(esent, clean, tmp_path):
    outcome = esent("export", clean, "--to", "jsonl", "--out", tmp_path / "out", "--table", "heap", "--columns", "A,C")
    assert outcome.status == 0, outcome.err
    assert "22 rows of 1 tables of 1 database" in outcome.out
    rows = [json.loads(line) for line in (tmp_path / "out" / "Heap.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 22 and set(rows[0]) == {"A", "C"}


def test_the_manifest_is_printed_on_request(esent, clean, tmp_path):
    outcome = esent(
        "export", "--json", clean, "--to", "csv", "--out", tmp_path / "out", "--where", "Id > 90", "--table", "AllTypes"
    )
    manifest = json.loads(outcome.out)
    assert manifest == json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert manifest["tool"] == "esent export" and manifest["options"]["form"] == "csv"
    assert 0 < manifest["rows"] < 30


def test_exit_status_one_where_something_is_missing(esent, clean, tmp_path):
    with DatabaseFile(clean) as file:
        table = Catalog.load(file).table("AllTypes")
        leaf = [page.pgno for page in Tree(file, table.root, table.objid).leaves()][3]
    data = bytearray(clean.read_bytes())
    for at in range(500, 520):
        data[(leaf + 1) * 4096 + at] ^= 0x5A
    clean.write_bytes(data)
    outcome = esent("export", clean, "--to", "jsonl", "--out", tmp_path / "out")
    assert outcome.status == 1
    assert f"table AllTypes: page {leaf}" in outcome.err
    unknown = esent("export", clean, "--to", "jsonl", "--out", tmp_path / "other", "--table", "nothing")
    assert unknown.status == 1
    assert "no database has a table nothing" in unknown.err


@pytest.mark.parametrize("where", ["Id >", "__import__('os').system('true')", "Id = 'x' or", "1 = 1"])
def test_a_condition_that_is_none_is_wrong_use_and_writes_nothing(esent, clean, tmp_path, where):
    outcome = esent("export", clean, "--to", "jsonl", "--out", tmp_path / "out", "--where", where)
    assert outcome.status in (1, 2)
    if outcome.status == 2:
        assert "--where" in outcome.err
        assert not (tmp_path / "out").exists()
    else:
        manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
        assert manifest["rows"] == 0 and not manifest["whole"]


def test_a_dirty_database_without_logs_names_the_flag(esent, fixtures, tmp_path):
    dirty = tmp_path / "db.edb"
    dirty.write_bytes(fixtures.read("engine/dirty-4k/db.edb"))
    outcome = esent("export", dirty, "--to", "jsonl", "--out", tmp_path / "out")
    assert outcome.status == 1
    assert "JET_errDatabaseDirtyShutdown" in outcome.err and "--dirty" in outcome.err
    assert esent("export", dirty, "--to", "jsonl", "--out", tmp_path / "out", "--force", "--dirty").out


def test_wrong_use(esent, clean, tmp_path):
    assert esent("export", clean, "--out", tmp_path / "out").status == 2
    assert esent("export", clean, "--to", "xlsx", "--out", tmp_path / "out").status == 2
    assert esent("export", "--to", "csv", "--out", tmp_path / "out").status == 2
    missing = esent("export", tmp_path / "missing.edb", "--to", "csv", "--out", tmp_path / "out")
    assert missing.status == 1 and "JET_errFileNotFound" in missing.err
    there = tmp_path / "there"
    there.mkdir()
    (there / "letter").write_text("to keep")
    refused = esent("export", clean, "--to", "csv", "--out", there)
    assert refused.status == 1 and "--force" in refused.err
    assert [each.name for each in there.iterdir()] == ["letter"]


def test_without_pyarrow_the_command_says_how_to_get_it(esent, clean, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    outcome = esent("export", clean, "--to", "parquet", "--out", tmp_path / "out")
    assert outcome.status == 1
    assert "esent[arrow]" in outcome.err
    assert esent("export", clean, "--to", "jsonl", "--out", tmp_path / "out").status == 0
