"""Hard recovery of streaming backups: the files of the original, and its answers to damaged sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from esent.constants import codes, grbits
from esent.errors import JetError
from esent.log.reader import LogFile
from esent.log.records import RecoveryQuit2, ShutDownMark
from esent.pages.database_file import DatabaseFile
from esent.pages.primitives import BackupInfo, Lgpos
from esent.recovery.hard import hard_recover
from esent.recovery.options import MapEntry, RecoveryOptions, RecoveryResult
from recovery_support import different_pages, dump_lines, facts, lines_of, outcome, recover

pytestmark = pytest.mark.fixtures


def restore(folder: Path, low: int | None, high: int | None, **more: Any) -> RecoveryResult:
    """Hard recovery of the copy in `folder`, new logs beside it; the old folder in the map is wrong on purpose."""
    logs = folder / "restored-logs"
    logs.mkdir(exist_ok=True)
    entry = MapEntry("D:\\somewhere\\db.edb", folder / "db.edb")
    return hard_recover(folder, low, high, RecoveryOptions(log_path=logs, restore_map=[entry]), **more)


def code_of(folder: Path, low: int | None, high: int | None, **more: Any) -> int:
    try:
        return restore(folder, low, high, **more).warning
    except JetError as problem:
        return problem.code


@pytest.mark.parametrize(("name", "low", "high"), [("backup-stream-4k", 9, 21), ("backup-incremental-4k", 7, 24)])
def test_a_streamed_set(fixtures: Any, tmp_path: Path, name: str, low: int, high: int) -> None:
    folder = fixtures.copy_set(f"engine/{name}", tmp_path)
    before = {path.name: path.read_bytes() for path in folder.glob("edb*.log")}
    result = restore(folder, low, high)
    assert (result.first_generation, result.last_generation) == (low, high + 1)
    assert result.databases == [folder / "db.edb"]
    count, different = different_pages(folder / "db.edb", folder / "restored.edb")
    assert different == []
    assert count > 400
    assert (folder / "db.edb").stat().st_size == (folder / "restored.edb").stat().st_size
    assert list(dump_lines(folder / "db.edb")) == lines_of(folder / "restored.jsonl")
    header = DatabaseFile(folder / "db.edb").header
    expected = facts(fixtures.root / "engine", name)["restored"]
    assert header.is_clean
    assert header.dbtime_dirtied == expected["dbtime"]
    assert list(header.lgpos_consistent)[:2] == expected["last_consistent"]["lgpos"][:2]
    assert list(header.lgpos_attach) == expected["last_attach"]["lgpos"]
    for info in ("bkinfo_full_cur", "bkinfo_full_prev", "bkinfo_inc_prev", "bkinfo_copy_prev", "bkinfo_diff_prev"):
        assert getattr(header, info) == BackupInfo()
    assert {path.name: path.read_bytes() for path in folder.glob("edb*.log")} == before  # the set is only read


@pytest.mark.parametrize("name", ["backup-jet-incremental-4k/set", "backup-jet-atomic-8k/set/new"])
def test_a_directory_set(fixtures: Any, tmp_path: Path, name: str) -> None:
    folder = fixtures.copy_set(f"engine/{name}", tmp_path)
    restore(folder, None, None)
    assert different_pages(folder / "db.edb", fixtures.path(f"engine/{name.split('/')[0]}/restored.edb"))[1] == []


def test_the_new_log_says_that_it_was_a_restore(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/backup-stream-4k", tmp_path)
    restore(folder, 9, 21)
    with LogFile(folder / "edb00015.log") as last, LogFile(folder / "restored-logs" / "edb.log") as log:
        assert (log.generation, log.header.signature) == (22, last.header.signature)
        assert log.header.created_previous == last.header.created
        assert log.header.previous_checksum == last.accumulated_checksum
        records = [record for _, record in log.records()]
    assert any(isinstance(record, ShutDownMark) for record in records)
    quits = [record for record in records if isinstance(record, RecoveryQuit2)]
    assert [record.hard for record in quits] == [1]


def damage(folder: Path, entry: dict[str, Any]) -> None:
    for edit in entry["edits"]:
        path = folder / edit["file"]
        data = bytearray(path.read_bytes())
        if "xor" in edit:
            data[edit["offset"]] ^= edit["xor"]
        elif "truncate_to" in edit:
            del data[edit["truncate_to"] :]
        elif "zero" in edit:
            data[edit["offset"] : edit["offset"] + edit["zero"]] = bytes(edit["zero"])
        else:
            start, count = edit["append_copy_of"]
            data += data[start : start + count]
        path.write_bytes(data)
    for name in entry["removed"]:
        (folder / name).unlink()


VARIANTS = [
    "none",
    "trailer-missing",
    "trailer-flip",
    "trailer-bit",
    "trailer-zeroed",
    "trailer-twice",
    "header-first-copy",
    "header-both",
    "page-flip",
    "db-short",
    "first-log-missing",
    "last-log-missing",
    "middle-log-missing",
    "log-flip",
    "log-bit",
    "log-header-flip",
    "log-truncated",
    "genlow-plus-1",
    "genhigh-minus-1",
    "genhigh-plus-1",
    "gens-zero",
    "last-log-missing-genhigh-minus-1",
    "jet-none",
    "jet-db-missing",
    "jet-first-log-missing",
    "jet-middle-log-missing",
    "jet-last-log-missing",
    "jet-trailer-missing",
    "jet-log-flip",
]  # jet-pat-missing is for the part that looks for sets


@pytest.mark.parametrize("variant", VARIANTS)
def test_damaged_sets(fixtures: Any, tmp_path: Path, variant: str) -> None:
    root = fixtures.root / "engine" / "damaged-backup-4k"
    entry = next(each for each in json.loads((root / "outcomes.json").read_text()) if each["variant"] == variant)
    base = entry["base"].removeprefix("../")
    folder = fixtures.copy_set(f"engine/{base}", tmp_path)
    damage(folder, entry)
    expected = entry.get("JetExternalRestore") or entry["JetRestoreInstance"]
    assert code_of(folder, entry.get("genLow"), entry.get("genHigh")) == expected["err"]
    database = folder / "db.edb"
    if expected["err"] == 0:
        assert list(dump_lines(database)) == lines_of((root / entry["dump"]).resolve())
    elif database.exists() and variant != "header-both":
        header = DatabaseFile(database).header
        assert not header.is_clean
        assert header.bkinfo_full_cur.generation_low  # attaching it is refused with JET_errSoftRecoveryOnBackupDatabase


def test_rolling_forward(fixtures: Any, tmp_path: Path) -> None:
    """The database and first logs of a backup, the later logs left where the instance wrote them."""
    folder = fixtures.copy_set("engine/backup-incremental-4k", tmp_path / "set")
    live = tmp_path / "live"
    live.mkdir()
    for generation in range(0x13, 0x19):
        (folder / f"edb000{generation:02X}.log").rename(live / f"edb000{generation:02X}.log")
    result = restore(folder, 7, 0x12, roll_forward=[live])
    assert result.last_generation == 0x19
    assert list(dump_lines(folder / "db.edb")) == lines_of(folder / "restored.jsonl")


def test_stopping_after_the_backup(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/backup-incremental-4k", tmp_path)
    logs = folder / "restored-logs"
    logs.mkdir()
    entry = MapEntry("D:\\somewhere\\db.edb", folder / "db.edb")
    for stop, expected in (
        (Lgpos(3, 1, 0), codes.JET_errRequiredLogFilesMissing),
        (Lgpos(8, 1, 0), codes.JET_errRequiredLogFilesMissing),
        (Lgpos(23, 1, 0), codes.JET_errRecoveredWithoutUndo),
    ):
        with pytest.raises(JetError) as caught:
            hard_recover(folder, 7, 24, RecoveryOptions(log_path=logs, restore_map=[entry], stop=stop))
        assert caught.value.code == expected
        assert not DatabaseFile(folder / "db.edb").header.is_clean
    assert not list(logs.iterdir())  # nothing was logged
    (folder / "edb00018.log").rename(folder / "edb.log")
    recover(folder)  # and on to the end
    assert list(dump_lines(folder / "db.edb")) == lines_of(folder / "restored.jsonl")


def test_restoring_where_the_backup_lies(fixtures: Any, tmp_path: Path) -> None:
    """Then the logs behind the required ones count, and the stream goes on behind them."""
    folder = fixtures.copy_set("engine/backup-incremental-4k", tmp_path)
    entry = MapEntry("D:\\somewhere\\db.edb", folder / "db.edb")
    result = hard_recover(folder, 7, 0x14, RecoveryOptions(log_path=folder, restore_map=[entry]))
    assert result.last_generation == 0x19
    assert list(dump_lines(folder / "db.edb")) == lines_of(folder / "restored.jsonl")


def test_logs_in_the_way(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/backup-incremental-4k", tmp_path / "set")
    logs = folder / "restored-logs"
    logs.mkdir()
    (logs / "edb00018.log").write_bytes((folder / "edb00018.log").read_bytes())
    assert code_of(folder, 7, 0x12) == codes.JET_errMissingCurrentLogFiles
    (logs / "edb00018.log").unlink()
    (logs / "edb00013.log").write_bytes(fixtures.read("engine/backup-stream-4k/edb00013.log"))
    assert code_of(folder, 7, 0x12) == codes.JET_errExistingLogFileHasBadSignature


def test_a_database_that_is_no_copy(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/backup-stream-4k", tmp_path)
    (folder / "db.edb").write_bytes((folder / "restored.edb").read_bytes())
    assert code_of(folder, 9, 21) == codes.JET_errRestoreOfNonBackupDatabase


def test_the_trailer_of_another_backup(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/backup-stream-4k", tmp_path)
    other = fixtures.read("engine/backup-incremental-4k/db.edb")
    data = (folder / "db.edb").read_bytes()
    (folder / "db.edb").write_bytes(data[:-4096] + other[-4096:])
    assert code_of(folder, 9, 21) == codes.JET_errDatabasePatchFileMismatch


def test_soft_recovery_of_a_copy(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/backup-stream-4k", tmp_path)
    (folder / "edb00015.log").rename(folder / "edb.log")
    original = (folder / "db.edb").read_bytes()
    assert outcome(folder) == codes.JET_errSoftRecoveryOnBackupDatabase
    assert (folder / "db.edb").read_bytes() == original
    assert outcome(folder, grbit=grbits.JET_bitAllowSoftRecoveryOnBackup) == 0
    assert list(dump_lines(folder / "db.edb")) == lines_of(folder / "restored.jsonl")
