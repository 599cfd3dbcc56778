"""`info`, `tables`, `dump` and `verify` on genuine files: what they say, and that they never write."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

CLEAN = "engine/clean-4k/db.edb"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def clean(fixtures, tmp_path):
    """A writable copy, so that a command that wrote would succeed and be caught."""
    copy = tmp_path / "db.edb"
    copy.write_bytes(fixtures.read(CLEAN))
    return copy


def test_info_of_a_database(esent, clean):
    outcome = esent("info", clean)
    assert outcome.status == 0
    assert "clean shutdown" in outcome.out
    assert "0x620,20,0" in outcome.out


def test_info_json_agrees_with_the_recorded_facts(esent, fixtures, clean):
    facts = json.loads(fixtures.read("engine/clean-4k/facts.json"))["databases"]["db.edb"]
    header = json.loads(esent("info", "--json", clean).out)["header"]
    assert header["lgpos_consistent"] == facts["last_consistent"]["lgpos"]
    assert header["dbtime_dirtied"] == facts["dbtime"]
    assert header["sign_db"]["random"] == facts["db_signature"]["rand"]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("edb.log", "generation"),
        ("edb00001.log", "generation"),
        ("edb.chk", "checkpoint"),
        ("db.jfm", "flush map"),
        ("edbres00001.jrs", "reserve log"),
    ],
)
def test_info_of_the_other_files(esent, fixtures, name, word):
    outcome = esent("info", fixtures.path(f"engine/clean-4k/{name}"))
    assert outcome.status == 0
    assert word in outcome.out
    assert esent("info", "--json", fixtures.path(f"engine/clean-4k/{name}")).status == 0


def test_info_of_something_else(esent, tmp_path):
    other = tmp_path / "letter.txt"
    other.write_text("not a database" * 1000)
    outcome = esent("info", other)
    assert outcome.status == 1
    assert "JET_errFileInvalidType (-1812)" in outcome.err
    assert str(other) in outcome.err


def test_tables(esent, clean):
    listed = json.loads(esent("tables", "--json", clean).out)
    assert {"AllTypes", "Heap", "Wide"} <= {table["name"] for table in listed}
    columns = next(table["columns"] for table in listed if table["name"] == "AllTypes")
    assert {
        "name": "Id",
        "title": None,
        "id": 1,
        "type": "Long",
        "coltyp": 4,
        "max_size": 4,
        "code_page": 0,
        "grbit": 0x11,
    } in columns
    assert "AllTypes" in esent("tables", "--columns", clean).out


def test_dump_equals_the_recorded_one(esent, fixtures, clean):
    outcome = esent("dump", clean)
    assert outcome.status == 0
    expected = [json.loads(line) for line in fixtures.read("engine/clean-4k/dump.jsonl").splitlines()]
    assert [json.loads(line) for line in outcome.out.splitlines()] == expected


def test_dump_of_one_table(esent, clean):
    lines = [json.loads(line) for line in esent("dump", clean, "heap").out.splitlines()]
    assert lines[0]["table"] == "Heap"
    assert {line.get("t", "Heap") for line in lines} == {"Heap"}


def test_dump_of_a_table_that_is_not_there(esent, clean):
    outcome = esent("dump", clean, "nothing")
    assert outcome.status == 1
    assert "JET_errObjectNotFound" in outcome.err


def test_dump_refuses_a_dirty_database_without_logs_unless_told(esent, fixtures, tmp_path):
    dirty = tmp_path / "db.edb"
    dirty.write_bytes(fixtures.read("engine/dirty-4k/db.edb"))
    outcome = esent("dump", dirty)
    assert outcome.status == 1
    assert "JET_errDatabaseDirtyShutdown (-550)" in outcome.err
    assert esent("dump", "--dirty", dirty).out


def test_dump_of_a_dirty_database_replays_its_logs_in_memory(esent, fixtures, tmp_path):
    for name in ("db.edb", "edb.chk", "edb.log", *(f"edb{generation:05X}.log" for generation in range(1, 15))):
        (tmp_path / name).write_bytes(fixtures.read(f"engine/dirty-4k/{name}"))
    before = {path.name: digest(path) for path in tmp_path.iterdir()}
    outcome = esent("dump", tmp_path / "db.edb")
    assert outcome.status == 0, outcome.err
    assert "as of its last commit" in outcome.err
    expected = [json.loads(line) for line in fixtures.read("engine/dirty-4k/recovered.jsonl").splitlines()]
    assert [json.loads(line) for line in outcome.out.splitlines()] == expected
    assert {path.name: digest(path) for path in tmp_path.iterdir()} == before


def test_verify_of_a_good_database(esent, clean):
    outcome = esent("verify", clean)
    assert outcome.status == 0
    assert "well" in outcome.out


def test_verify_names_the_damaged_page(esent, clean):
    data = bytearray(clean.read_bytes())
    data[(48 + 1) * 4096 + 1000] ^= 0xFF
    clean.write_bytes(data)
    outcome = esent("verify", clean)
    assert outcome.status == 1
    assert "page 48" in outcome.out


def test_nothing_is_written(esent, clean):
    before = digest(clean), sorted(clean.parent.iterdir())
    damaged = clean.parent / "damaged.edb"
    damaged.write_bytes(bytes(4096) + clean.read_bytes()[4096:])  # the shadow header has to stand in
    damaged_before = digest(damaged)
    for arguments in (["info"], ["tables"], ["dump"], ["verify"]):
        esent(*arguments, clean)
        esent(*arguments, damaged)
    damaged_after = digest(damaged)
    damaged.unlink()
    assert (digest(clean), sorted(clean.parent.iterdir())) == before
    assert damaged_after == damaged_before


def test_wrong_use(esent, tmp_path):
    assert esent("info").status == 2
    assert esent("info", tmp_path / "missing").status == 2
    assert esent("nonsense").status == 2


def test_the_command_without_its_script(esent):
    found = subprocess.run([sys.executable, "-m", "esent", "--version"], capture_output=True, text=True, check=True)
    assert found.stdout == esent("--version").out


def test_version(esent):
    outcome = esent("--version")
    assert outcome.status == 0
    assert "compiled modules" in outcome.out or "plain Python" in outcome.out
