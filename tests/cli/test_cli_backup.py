"""`backup`, `restore`, `recover` and `demo` as a person uses them, on a database of our own making."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from esent.pages.database_file import DatabaseFile
from esent.pages.header import DatabaseState
from esent.tools.dump import dump
from esent.tools.example import build_example


def content(path: Path) -> list[str]:
    return list(dump(path, system=True))


@pytest.fixture
def live(tmp_path):
    path = tmp_path / "live" / "library.edb"
    path.parent.mkdir()
    build_example(path, rows=200)
    return path


def test_backup_and_restore(esent, live, tmp_path):
    before = content(live)
    done = esent("backup", live, tmp_path / "set")
    assert done.status == 0, done.err
    assert "library.edb" in done.out
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == ["edb00001.log", "library.edb", "library.pat"]
    assert esent("verify", tmp_path / "set").status == 0
    restored = esent("restore", tmp_path / "set", tmp_path / "restored")
    assert restored.status == 0, restored.err
    assert "every page verified" in restored.out
    assert content(tmp_path / "restored" / "library.edb") == before
    assert content(live) == before


def test_the_live_database_is_clean_and_says_when_it_was_backed_up(esent, live, tmp_path):
    esent("backup", live, tmp_path / "set")
    with DatabaseFile(live) as database:
        assert database.header.dbstate == DatabaseState.CLEAN_SHUTDOWN
        assert database.header.bkinfo_full_prev.generation_low == 1


def test_incremental(esent, live, tmp_path):
    assert esent("backup", live, tmp_path / "set").status == 0
    added = esent("backup", "--incremental", "--json", live, tmp_path / "set")
    assert added.status == 0, added.err
    assert all(name.endswith(".log") for name in json.loads(added.out)["files"])
    assert esent("restore", tmp_path / "set", tmp_path / "restored").status == 0


def test_incremental_without_a_full_one(esent, live, tmp_path):
    (tmp_path / "set").mkdir()
    outcome = esent("backup", "--incremental", live, tmp_path / "set")
    assert outcome.status == 1
    assert "JET_errMissingFullBackup (-560)" in outcome.err
    assert list((tmp_path / "set").iterdir()) == []


def test_atomic_keeps_the_latest_set_in_new(esent, live, tmp_path):
    for _ in range(3):
        assert esent("backup", "--atomic", live, tmp_path / "set").status == 0
        assert [path.name for path in (tmp_path / "set").iterdir()] == ["new"]
    assert esent("restore", tmp_path / "set", tmp_path / "restored").status == 0


def test_a_full_backup_wants_an_empty_directory(esent, live, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "letter.txt").write_text("keep me")
    outcome = esent("backup", live, tmp_path / "set")
    assert outcome.status == 1
    assert "JET_errBackupDirectoryNotEmpty (-504)" in outcome.err
    assert (tmp_path / "set" / "letter.txt").read_text() == "keep me"


def test_a_damaged_page_fails_the_backup_and_names_itself(esent, live, tmp_path):
    data = bytearray(live.read_bytes())
    data[(40 + 1) * 4096 + 100] ^= 0x55
    live.write_bytes(data)
    outcome = esent("backup", live, tmp_path / "set")
    assert outcome.status == 1
    assert "JET_errReadVerifyFailure (-1018)" in outcome.err
    assert "page 40" in outcome.err
    assert not (tmp_path / "set").exists() or not list((tmp_path / "set").iterdir())


def test_restore_refuses_a_set_without_its_log(esent, live, tmp_path):
    esent("backup", live, tmp_path / "set")
    (tmp_path / "set" / "edb00001.log").unlink()
    outcome = esent("restore", tmp_path / "set", tmp_path / "restored")
    assert outcome.status == 1
    assert "JET_errFileNotFound (-1811)" in outcome.err
    assert esent("verify", tmp_path / "set").status == 1
    assert not (tmp_path / "restored" / "library.edb").exists()


def test_restore_that_fails_leaves_what_was_there(esent, live, tmp_path):
    esent("backup", live, tmp_path / "set")
    target = tmp_path / "restored"
    target.mkdir()
    (target / "library.edb").write_bytes(b"precious")
    copy = tmp_path / "set" / "library.edb"
    copy.write_bytes(copy.read_bytes()[:-4096])  # without its trailer page
    outcome = esent("restore", tmp_path / "set", target)
    assert outcome.status == 1
    assert "JET_errBadPatchPage (-535)" in outcome.err
    assert [path.name for path in target.iterdir()] == ["library.edb"]
    assert (target / "library.edb").read_bytes() == b"precious"


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_stops_the_backup_in_the_documented_way(tmp_path, esent):
    live = tmp_path / "live" / "library.edb"
    live.parent.mkdir()
    build_example(live, rows=3000)
    program = (
        "import time\n"
        "from esent.backup.context import BackupContext\n"
        "read = BackupContext.read_file\n"
        # each chunk takes its time, so that the signal arrives while the backup reads
        "BackupContext.read_file = lambda *a, **k: (print('reading', flush=True), time.sleep(0.2), read(*a, **k))[-1]\n"
        "from esent.cli.main import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", program, "backup", str(live), str(tmp_path / "set")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "JET_errBackupAbortByServer (-801)" in errors
    assert not (tmp_path / "set").exists() or not list((tmp_path / "set").iterdir())
    with DatabaseFile(live) as database:
        assert database.header.dbstate == DatabaseState.CLEAN_SHUTDOWN
        assert not database.header.bkinfo_full_prev
    assert esent("backup", live, tmp_path / "set").status == 0


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_killed_while_it_reads_nothing_is_left_that_restores(tmp_path, esent):
    live = tmp_path / "live" / "library.edb"
    live.parent.mkdir()
    build_example(live, rows=3000)
    before = content(live)
    program = (
        "import time\n"
        "from esent.backup.context import BackupContext\n"
        "read = BackupContext.read_file\n"
        "BackupContext.read_file = lambda *a, **k: (read(*a, **k), print('read', flush=True), time.sleep(30))[0]\n"
        "from esent.cli.main import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", program, "backup", str(live), str(tmp_path / "set")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "read\n"
    process.kill()
    process.communicate()
    with DatabaseFile(live) as database:
        assert database.header.dbstate == DatabaseState.DIRTY_SHUTDOWN
    assert esent("restore", tmp_path / "set", tmp_path / "restored").status == 1
    # the next run recovers the database from its own logs, and backs it up
    assert esent("backup", live, tmp_path / "set").status == 0
    assert content(live) == before


def test_recover_of_a_killed_database(esent, fixtures, tmp_path):
    work = tmp_path / "crashed"
    work.mkdir()
    for name in ("db.edb", "edb.chk", "edb.log", *(f"edb{generation:05X}.log" for generation in range(1, 15))):
        (work / name).write_bytes(fixtures.read(f"engine/dirty-4k/{name}"))
    before = {path.name: path.read_bytes() for path in work.iterdir()}
    trial = esent("recover", "--dry-run", work)
    assert trial.status == 0, trial.err
    assert not (tmp_path / "crashed.recovered").exists()
    done = esent("recover", "--json", work)
    assert done.status == 0, done.err
    assert json.loads(done.out)["transactions_rolled_back"] == 1
    assert {path.name: path.read_bytes() for path in work.iterdir()} == before
    recovered = [json.loads(line) for line in dump(tmp_path / "crashed.recovered" / "db.edb")]
    assert recovered == [json.loads(line) for line in fixtures.read("engine/dirty-4k/recovered.jsonl").splitlines()]


def test_recover_names_the_missing_log(esent, fixtures, tmp_path):
    work = tmp_path / "crashed"
    work.mkdir()
    for name in (
        "db.edb",
        "edb.chk",
        "edb.log",
        *(f"edb{generation:05X}.log" for generation in range(1, 15) if generation != 7),
    ):
        (work / name).write_bytes(fixtures.read(f"engine/dirty-4k/{name}"))
    outcome = esent("recover", work)
    assert outcome.status == 1
    assert "JET_errInvalidLogSequence (-515)" in outcome.err
    assert not (tmp_path / "crashed.recovered").exists()


def test_demo(esent, tmp_path):
    outcome = esent("demo", tmp_path / "demo")
    assert outcome.status == 0, outcome.err
    assert outcome.out.count("JET_errBackupAbortByServer (-801)") == 3
    assert "0 errors" in outcome.out
