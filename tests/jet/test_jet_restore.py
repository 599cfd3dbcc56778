"""Restore: section 9.12 of the conformance checklist by number, and the recorded outcomes of damaged sets.

Where the recorded answers of the original differ from the checklist they are what is tested: logs that a copy needs and the set
lacks at its ends are JET_errRequiredLogFilesMissing, not -553 or -554 (182).
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backup_helpers import PAGE, Streamed, add_database, begin, is_stamped, read_file, restoring, stamps, stream
from esent import jet
from esent.backup import restore as restore_module
from esent.engine.process import PROCESS
from esent.tools.dump import dump
from jet_helpers import Running, code_of, set_paths

INCREMENTAL = jet.JET_bitBackupIncremental


@pytest.fixture
def genuine(fixtures: Any, tmp_path: Path) -> Path:
    """A genuine JetBackup set with an increment."""
    return fixtures.copy_set("engine/backup-jet-incremental-4k/set", tmp_path / "set")


def restore(source: Path, out: Path, *, logs: Path | None = None, pfn: Any = None, name: str = "restorer") -> int:
    """Restore a set to the folder `out` with an instance whose logs are in `logs`; the instance is freed."""
    out.mkdir(parents=True, exist_ok=True)
    instance = restoring(logs or out, name)
    try:
        return code_of(jet.JetRestoreInstance, instance, str(source), str(out), pfn)
    finally:
        jet.JetTerm(instance)


def lines(fixtures: Any, name: str) -> list[str]:
    return fixtures.read(name).decode("ascii").splitlines()


def test_169_to_the_original_path(run, tmp_path):
    target = tmp_path / "bk"
    target.mkdir()
    jet.JetBackupInstance(run.instance, str(target))
    run.term()
    expected = list(dump(Path(run.path())))
    for path in [Path(run.path()), *run.folder.glob("edb*")]:
        path.unlink()
    assert code_of(jet.JetRestoreInstance, restoring(run.folder), str(target), None) == 0
    assert list(dump(Path(run.path()))) == expected
    again = Running(run.folder, "again")
    assert again.attach() == 0
    again.term()


def test_170_to_a_destination(fixtures, genuine, tmp_path):
    out = tmp_path / "out"
    assert restore(genuine, out, logs=tmp_path / "logs") == 0
    assert sorted(path.name for path in out.iterdir()) == ["db.edb"]
    assert list(dump(out / "db.edb")) == lines(fixtures, "engine/backup-jet-incremental-4k/restored.jsonl")


def test_171_initialised_instance(run, genuine):
    code = code_of(jet.JetRestoreInstance, run.instance, str(genuine), str(run.folder / "out"))
    assert code == jet.JET_errAlreadyInitialized


def test_172_directory_without_logs(tmp_path):
    (tmp_path / "empty" / "new").mkdir(parents=True)
    assert restore(tmp_path / "empty", tmp_path / "out") == jet.JET_errFileNotFound
    assert restore(tmp_path / "nosuch", tmp_path / "out") == jet.JET_errFileNotFound


@pytest.mark.parametrize("source", [None, 7, b"x"])
def test_no_directory(tmp_path, source):
    instance = restoring(tmp_path / "logs")
    assert code_of(jet.JetRestoreInstance, instance, source) == jet.JET_errInvalidParameter


def test_173_without_patch_files(genuine, tmp_path):
    (genuine / "db.pat").unlink()
    assert restore(genuine, tmp_path / "out") == jet.JET_errPatchFileMissing
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("below", ["new", "old"])
def test_174_atomic_sets(fixtures, tmp_path, below):
    fixtures.copy_set("engine/backup-jet-atomic-8k/set/new", tmp_path / "bk" / below)
    if below == "new":
        (tmp_path / "bk" / "old").mkdir()
    out = tmp_path / "out"
    out.mkdir()
    jet.JetSetSystemParameter(None, 0, jet.JET_paramDatabasePageSize, 8192)
    assert code_of(jet.JetRestoreInstance, restoring(tmp_path / "logs"), str(tmp_path / "bk"), str(out)) == 0
    assert list(dump(out / "db.edb")) == lines(fixtures, "engine/backup-jet-atomic-8k/restored.jsonl")


def full_and_later(fixtures: Any, tmp_path: Path, *, first_later: int = 0x11) -> tuple[Path, Path]:
    """The full set of a genuine streaming backup as a directory, and a folder with the later logs."""
    everything = fixtures.copy_set("engine/backup-incremental-4k", tmp_path / "all")
    folder, later = tmp_path / "set", tmp_path / "later"
    folder.mkdir()
    later.mkdir()
    shutil.copyfile(everything / "db.edb", folder / "db.edb")
    (folder / "db.pat").touch()
    for log in everything.glob("edb000??.log"):
        number = int(log.stem[3:], 16)
        if number <= 0x10:
            shutil.copyfile(log, folder / log.name)
        elif number >= first_later:
            shutil.copyfile(log, later / log.name)
    return folder, later


def test_175_later_logs_are_replayed(fixtures, tmp_path):
    folder, later = full_and_later(fixtures, tmp_path)
    assert restore(folder, tmp_path / "out", logs=later) == 0
    assert list(dump(tmp_path / "out" / "db.edb")) == lines(fixtures, "engine/backup-incremental-4k/restored.jsonl")


def test_176_gap_to_the_later_logs(fixtures, tmp_path):
    folder, later = full_and_later(fixtures, tmp_path, first_later=0x13)
    before = sorted(path.name for path in later.iterdir())
    assert restore(folder, tmp_path / "out", logs=later) == jet.JET_errMissingCurrentLogFiles
    assert sorted(path.name for path in later.iterdir()) == before
    assert list((tmp_path / "out").iterdir()) == []


def test_177_logs_of_another_stream_in_the_log_folder(fixtures, tmp_path):
    folder, later = full_and_later(fixtures, tmp_path, first_later=0x99)
    shutil.copyfile(fixtures.path("engine/backup-stream-4k/edb00011.log"), later / "edb00011.log")
    assert restore(folder, tmp_path / "out", logs=later) == jet.JET_errExistingLogFileHasBadSignature


def test_178_missing_generation(genuine, tmp_path):
    (genuine / "edb0000A.log").unlink()
    assert restore(genuine, tmp_path / "out") == jet.JET_errFileNotFound


def test_179_log_of_another_stream_in_the_set(fixtures, genuine, tmp_path):
    shutil.copyfile(fixtures.path("engine/backup-stream-4k/edb0000A.log"), genuine / "edb0000A.log")
    assert restore(genuine, tmp_path / "out") == jet.JET_errGivenLogFileHasBadSignature


def test_180_plain_copy_in_the_set(fixtures, genuine, tmp_path):
    shutil.copyfile(fixtures.path("engine/clean-4k/db.edb"), genuine / "db.edb")
    assert restore(genuine, tmp_path / "out") == jet.JET_errRestoreOfNonBackupDatabase
    (genuine / "db.pat").unlink()
    assert restore(genuine, tmp_path / "out") == jet.JET_errRestoreOfNonBackupDatabase
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("of_another", [False, True])
def test_181_trailer(fixtures, genuine, tmp_path, of_another):
    data = bytearray((genuine / "db.edb").read_bytes())
    if of_another:
        data[-PAGE:] = fixtures.read("engine/backup-stream-4k/db.edb")[-PAGE:]
    else:
        data[-PAGE + 50] ^= 0xFF
    (genuine / "db.edb").write_bytes(data)
    expected = jet.JET_errDatabasePatchFileMismatch if of_another else jet.JET_errBadPatchPage
    assert restore(genuine, tmp_path / "out") == expected
    assert list((tmp_path / "out").iterdir()) == []


def test_182_logs_missing_at_the_ends(genuine, tmp_path):
    for log in list(genuine.glob("edb000??.log")):
        if int(log.stem[3:], 16) >= 0x0C:  # the copy needs up to generation 12
            log.unlink()
    assert restore(genuine, tmp_path / "high") == jet.JET_errRequiredLogFilesMissing
    (genuine / "edb00007.log").unlink()
    assert restore(genuine, tmp_path / "low") == jet.JET_errRequiredLogFilesMissing


def test_183_184_after_a_restore(run, tmp_path):
    target = tmp_path / "bk"
    target.mkdir()
    jet.JetBackupInstance(run.instance, str(target))
    assert is_stamped(stamps(run).bkinfoFullPrev)
    run.term()
    assert restore(target, tmp_path / "r") == 0
    assert jet.JetGetDatabaseFileInfo(str(tmp_path / "r" / "db.edb"), jet.JET_DbInfoMisc).dbstate == 3
    again = Running(tmp_path / "r", "again")
    assert again.attach() == 0
    assert begin(again, INCREMENTAL) == jet.JET_errMissingFullBackup
    stream(again.instance)
    assert begin(again, INCREMENTAL) == 0


def mapped(old: str, new: Path) -> list[Any]:
    return [jet.JET_RSTMAP(szDatabaseName=old, szNewDatabaseName=str(new))]


def external(taken: Streamed, folder: Path, entries: list[Any], **changes: Any) -> int:
    """JetExternalRestore of a streamed backup whose logs are put into folder/bk."""
    logs = folder / "bk"
    logs.mkdir(parents=True, exist_ok=True)
    for name, data in taken.logs.items():
        (logs / name).write_bytes(data)
    own = folder / "own"
    arguments: dict[str, Any] = {
        "szCheckpointFilePath": str(own),
        "szLogPath": str(own),
        "rgrstmap": entries,
        "szBackupLogPath": str(logs),
        "genLow": taken.low,
        "genHigh": taken.high,
    }
    return code_of(jet.JetExternalRestore, **(arguments | changes))


def test_185_external_restore(run, tmp_path):
    taken = stream(run.instance)
    run.term()
    copy = tmp_path / "x" / "new.edb"
    copy.parent.mkdir()
    copy.write_bytes(taken.databases["db.edb"])
    assert external(taken, tmp_path / "x", mapped(run.path(), copy)) == 0
    assert list(dump(copy)) == list(dump(Path(run.path())))
    assert (tmp_path / "x" / "own" / "edb.log").exists()
    assert sorted(path.name for path in (tmp_path / "x" / "bk").iterdir()) == sorted(taken.logs)


def test_186_one_of_two_databases(fixtures, run, tmp_path):
    add_database(fixtures, run)
    taken = stream(run.instance)
    run.term()
    copy = tmp_path / "x" / "two.edb"
    copy.parent.mkdir()
    copy.write_bytes(taken.databases["two.edb"])
    assert external(taken, tmp_path / "x", mapped(run.path("two.edb"), copy)) == 0
    assert list(dump(copy)) == list(dump(Path(run.path("two.edb"))))


@pytest.mark.parametrize(
    "change",
    [
        {"rgrstmap": None},
        {"rgrstmap": []},
        {"rgrstmap": [jet.JET_RSTMAP()]},
        {"rgrstmap": [jet.JET_RSTMAP(szDatabaseName="a", szNewDatabaseName="b")] * 13},
        {"genLow": 2, "genHigh": 1},
        {"genLow": "1"},
        {"szBackupLogPath": None},
        {"szLogPath": None},
        {"szCheckpointFilePath": None},
    ],
)
def test_external_restore_with_impossible_arguments(run, tmp_path, change):
    taken = stream(run.instance)
    run.term()
    entries = mapped(run.path(), tmp_path / "x" / "db.edb")
    assert external(taken, tmp_path / "x", entries, **change) == jet.JET_errInvalidParameter


def second_form(taken: Streamed, folder: Path, entries: list[Any], **changes: Any) -> int:
    arguments: dict[str, Any] = {
        "szCheckpointFilePath": str(folder / "own"),
        "szLogPath": str(folder / "own"),
        "rgrstmap": entries,
        "szBackupLogPath": str(folder / "bk"),
        "pLogInfo": jet.JET_LOGINFO(ulGenLow=taken.low, ulGenHigh=taken.high, szBaseName="edb"),
    }
    taken.write(folder / "bk")
    return code_of(jet.JetExternalRestore2, **(arguments | changes))


def test_187_one_path_of_the_target(run, tmp_path):
    taken = stream(run.instance)
    entries = mapped(run.path(), tmp_path / "x" / "db.edb")
    for change in (
        {"szTargetInstanceLogPath": str(run.folder)},
        {"szTargetInstanceCheckpointPath": str(run.folder)},
        {
            "szTargetInstanceName": "test",
            "szTargetInstanceLogPath": str(run.folder),
            "szTargetInstanceCheckpointPath": str(run.folder),
        },
        {"pLogInfo": None},
    ):
        assert second_form(taken, tmp_path / "x", entries, **change) == jet.JET_errInvalidParameter


def test_188_target_instance(run, tmp_path):
    taken = stream(run.instance, truncate=False)
    stream(run.instance, truncate=False)
    copy = tmp_path / "x" / "db.edb"
    copy.parent.mkdir()
    copy.write_bytes(taken.databases["db.edb"])
    entries = mapped(run.path(), copy)
    assert second_form(taken, tmp_path / "x", entries, szTargetInstanceName="nobody") == jet.JET_errBadRestoreTargetInstance
    paths = {"szTargetInstanceLogPath": str(run.folder), "szTargetInstanceCheckpointPath": str(run.folder)}
    assert second_form(taken, tmp_path / "x", entries, **paths) == jet.JET_wrnTargetInstanceRunning
    run.term()
    assert list(dump(copy)) == list(dump(Path(run.path())))
    assert jet.JetGetDatabaseFileInfo(str(copy), jet.JET_DbInfoMisc).dbstate == 3


def test_external_restore_goes_on_with_the_logs_of_a_target_that_is_not_running(run, tmp_path):
    taken = stream(run.instance, truncate=False)
    run.term()
    Path(run.path()).write_bytes(taken.databases["db.edb"])
    entries = mapped(run.path(), Path(run.path()))
    paths = {"szTargetInstanceLogPath": str(run.folder), "szTargetInstanceCheckpointPath": str(run.folder)}
    assert second_form(taken, tmp_path / "x", entries, **paths) == 0
    again = Running(run.folder, "again")
    assert again.attach() == 0
    again.term()


def test_189_soft_recovery_refuses_a_copy(run):
    taken = stream(run.instance)
    assert code_of(run.term, jet.JET_bitTermDirty) == jet.JET_errDirtyShutdown
    Path(run.path()).write_bytes(taken.databases["db.edb"])
    instance = restoring(run.folder, "again")
    assert code_of(jet.JetInit, instance) == jet.JET_errSoftRecoveryOnBackupDatabase


# ---- modes -------------------------------------------------------------------------------------------


def test_restore_without_an_instance(fixtures, genuine, tmp_path):
    set_paths(None, tmp_path)
    (tmp_path / "out").mkdir()
    assert jet.JetRestore2(str(genuine), str(tmp_path / "out")) == 0
    assert not PROCESS.instances
    assert list(dump(tmp_path / "out" / "db.edb")) == lines(fixtures, "engine/backup-jet-incremental-4k/restored.jsonl")
    jet.JetInit(None)
    assert code_of(jet.JetRestore, str(genuine)) == jet.JET_errAlreadyInitialized
    assert external(Streamed(low=1, high=1), tmp_path, mapped("a", tmp_path / "b")) == jet.JET_errRunningInOneInstanceMode


def test_restore_without_an_instance_in_multi_instance_mode(genuine, tmp_path):
    jet.JetCreateInstance("other")
    assert code_of(jet.JetRestore, str(genuine)) == jet.JET_errRunningInMultiInstanceMode


def test_restore_with_a_nil_instance(genuine, tmp_path):
    set_paths(None, tmp_path)
    (tmp_path / "out").mkdir()
    assert jet.JetRestoreInstance(jet.JET_instanceNil, str(genuine), str(tmp_path / "out")) == 0
    assert not PROCESS.instances


def test_original_path_of_another_system(genuine, tmp_path):
    instance = restoring(tmp_path / "logs")
    assert code_of(jet.JetRestoreInstance, instance, str(genuine), None) == jet.JET_errInvalidPath


def test_missing_destination(genuine, tmp_path):
    instance = restoring(tmp_path / "logs")
    assert code_of(jet.JetRestoreInstance, instance, str(genuine), str(tmp_path / "no")) == jet.JET_errInvalidPath
    jet.JetSetSystemParameter(instance, 0, jet.JET_paramCreatePathIfNotExist, 1)
    assert code_of(jet.JetRestoreInstance, instance, str(genuine), str(tmp_path / "no" / "such")) == 0


# ---- what is there already ---------------------------------------------------------------------------


def test_a_failed_restore_destroys_nothing(fixtures, genuine, tmp_path):
    """Database, checkpoint and logs in the way of a restore that fails late are as they were."""
    out, logs = tmp_path / "out", tmp_path / "logs"
    out.mkdir()
    logs.mkdir()
    shutil.copyfile(fixtures.path("engine/clean-4k/db.edb"), out / "db.edb")
    (logs / "edb.chk").write_bytes(b"c" * 8192)
    before = {path: path.read_bytes() for folder in (out, logs) for path in folder.iterdir()}
    data = bytearray((genuine / "edb00015.log").read_bytes())
    data[6 * 4096 + 99] ^= 0xFF
    (genuine / "edb00015.log").write_bytes(data)
    assert restore(genuine, out, logs=logs) == jet.JET_errLogCorruptDuringHardRestore
    assert {path: path.read_bytes() for folder in (out, logs) for path in folder.iterdir()} == before


def test_a_restore_that_works_replaces_what_is_there(fixtures, genuine, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    shutil.copyfile(fixtures.path("engine/clean-4k/db.edb"), out / "db.edb")
    assert restore(genuine, out, logs=tmp_path / "logs") == 0
    assert sorted(path.name for path in out.iterdir()) == ["db.edb"]
    assert list(dump(out / "db.edb")) == lines(fixtures, "engine/backup-jet-incremental-4k/restored.jsonl")


def test_the_set_is_only_read(genuine, tmp_path):
    before = {path.name: path.read_bytes() for path in genuine.iterdir()}
    for path in genuine.iterdir():
        path.chmod(0o444)
    genuine.chmod(0o555)
    try:
        assert restore(genuine, tmp_path / "out") == 0
    finally:
        genuine.chmod(0o755)
    assert {path.name: path.read_bytes() for path in genuine.iterdir()} == before


def test_a_leftover_copy_is_no_hindrance(genuine, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / f"db.edb{restore_module.RESTORING}").write_bytes(b"of a restore that died")
    assert restore(genuine, out, logs=tmp_path / "logs") == 0
    assert sorted(path.name for path in out.iterdir()) == ["db.edb"]


@pytest.mark.parametrize("at", [1, 2, 3])
def test_what_the_callback_answers(genuine, tmp_path, at):
    """As recorded: an error ends the restore at a recovery-control event (the second); at begin and progress it does not."""
    seen: list[int] = []

    def status(sesid: Any, snp: int, snt: int, pv: Any) -> int:
        seen.append(snp)
        return jet.JET_errCallbackFailed if len(seen) == at else 0

    code = restore(genuine, tmp_path / "out", pfn=status)
    assert seen[:2] == [jet.JET_snpRestore, jet.JET_snpRecoveryControl]
    assert code == (jet.JET_errCallbackFailed if at == 2 else 0)
    assert (tmp_path / "out" / "db.edb").exists() == (at != 2)


def test_what_the_callback_raises_ends_the_restore(genuine, tmp_path):
    def status(*_: Any) -> None:
        raise ZeroDivisionError

    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(ZeroDivisionError):
        jet.JetRestoreInstance(restoring(tmp_path / "logs"), str(genuine), str(out), status)
    assert list(out.iterdir()) == []


def test_streams_of_a_full_and_two_incremental_backups(run, tmp_path):
    taken = [stream(run.instance), stream(run.instance, incremental=True), stream(run.instance, incremental=True)]
    run.term()
    for each in taken:
        each.write(tmp_path / "set", patches=True)
    assert restore(tmp_path / "set", tmp_path / "out") == 0
    assert list(dump(tmp_path / "out" / "db.edb")) == list(dump(Path(run.path())))


@pytest.mark.parametrize("left_out", ["open", "logs", "stopped"])
def test_a_streamed_set_that_is_not_complete(run, tmp_path, left_out):
    """What a backup that was given up or stopped has delivered so far does not restore."""
    taken = Streamed()
    begin(run)
    handle, size = jet.JetOpenFileInstance(run.instance, run.path())
    taken.databases["db.edb"] = jet.JetReadFileInstance(run.instance, handle, size - PAGE if left_out == "open" else size)
    jet.JetCloseFileInstance(run.instance, handle)
    if left_out == "stopped":
        jet.JetStopBackupInstance(run.instance)
        assert code_of(jet.JetGetLogInfoInstance, run.instance) == jet.JET_errBackupAbortByServer
    else:
        names = jet.JetGetLogInfoInstance(run.instance)
        if left_out == "open":
            for name in names:
                taken.logs[Path(name).name] = read_file(run.instance, name)
    assert jet.JetEndExternalBackupInstance2(run.instance, jet.JET_bitBackupEndAbort) == jet.JET_errBackupAbortByCaller
    taken.write(tmp_path / "set", patches=True)
    expected = jet.JET_errBadPatchPage if left_out == "open" else jet.JET_errFileNotFound
    assert restore(tmp_path / "set", tmp_path / "out") == expected
    assert not (tmp_path / "out" / "db.edb").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
from jet_helpers import allocate
from esent import jet
from esent.pages.filesystem import FileSystem, File
from esent.engine.process import PROCESS
source, folder, fatal = Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
instance = allocate(folder)
steps = 0
def step():
    global steps
    steps += 1
    if steps == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
class Counting(FileSystem):
    def open(self, path, **how):
        file = super().open(path, **how)
        class Stepping(File):
            def write(self, offset, data):
                step()
                super().write(offset, data)
        return Stepping(file.path, file.fileno(), writable=file.writable)
    def rename(self, source, goal):
        step()
        super().rename(source, goal)
        step()
    def remove(self, path):
        step()
        super().remove(path)
PROCESS.resolve(instance).files = Counting()
jet.JetRestoreInstance(instance, str(source), str(folder))
print(steps)
"""


def test_killed_in_the_middle(fixtures, genuine, tmp_path):
    """Wherever the process dies: the database in the way is the old one or the restored one, and it can be repeated."""
    old = fixtures.read("engine/clean-4k/db.edb")
    new = lines(fixtures, "engine/backup-jet-incremental-4k/restored.jsonl")

    def attempt(fatal: int) -> tuple[Path, subprocess.CompletedProcess[str]]:
        folder = tmp_path / f"at{fatal}"
        folder.mkdir()
        (folder / "db.edb").write_bytes(old)
        here = str(Path(__file__).parent)
        command = [sys.executable, "-c", KILLED, here, str(genuine), str(folder), str(fatal)]
        return folder, subprocess.run(command, capture_output=True, text=True, check=False)

    folder, done = attempt(0)
    assert done.returncode == 0, done.stderr
    assert list(dump(folder / "db.edb")) == new
    steps = int(done.stdout)
    replaced = 0
    for fatal in sorted({1, steps // 2, *range(steps - 3, steps + 1)}):
        folder, done = attempt(fatal)
        assert done.returncode == -signal.SIGKILL, done.stderr
        if (folder / "db.edb").read_bytes() != old:
            assert list(dump(folder / "db.edb")) == new
            replaced += 1
        for log in folder.glob("edb*"):  # what the dead restore had logged
            log.unlink()
        assert restore(genuine, folder, name=f"again{fatal}") == 0
        assert list(dump(folder / "db.edb")) == new
    assert replaced == 1, "only when the very last step was done"


# ---- recorded outcomes -------------------------------------------------------------------------------


VARIANTS = (
    "none trailer-missing trailer-flip trailer-bit trailer-zeroed trailer-twice header-first-copy header-both "
    "page-flip db-short first-log-missing last-log-missing middle-log-missing log-flip log-bit log-header-flip "
    "log-truncated genlow-plus-1 genhigh-minus-1 genhigh-plus-1 gens-zero last-log-missing-genhigh-minus-1 jet-none "
    "jet-pat-missing jet-db-missing jet-first-log-missing jet-middle-log-missing jet-last-log-missing "
    "jet-trailer-missing jet-log-flip "
)


@pytest.mark.parametrize("variant", VARIANTS.split())
def test_recorded_outcome(fixtures, tmp_path, variant):
    """Each damaged set: the same error as the original, and nothing that opens as a database; or the same content."""
    recorded = json.loads(fixtures.read("engine/damaged-backup-4k/outcomes.json"))
    assert [each["variant"] for each in recorded] == VARIANTS.split()
    entry = next(each for each in recorded if each["variant"] == variant)
    folder = fixtures.copy_set(f"engine/{Path(entry['base']).as_posix().removeprefix('../')}", tmp_path / "set")
    for edit in entry["edits"]:
        path = folder / edit["file"]
        data = bytearray(path.read_bytes())
        if "truncate_to" in edit:
            del data[edit["truncate_to"] :]
        elif "xor" in edit:
            data[edit["offset"]] ^= edit["xor"]
        elif "zero" in edit:
            data[edit["offset"] : edit["offset"] + edit["zero"]] = bytes(edit["zero"])
        else:
            start, count = edit["append_copy_of"]
            data += data[start : start + count]
        path.write_bytes(data)
    for name in entry["removed"]:
        (folder / name).unlink()
    out = tmp_path / "out"
    out.mkdir()
    if "JetExternalRestore" in entry:
        shutil.move(folder / "db.edb", out / "db.edb")
        code = code_of(
            jet.JetExternalRestore,
            str(tmp_path / "own"),
            str(tmp_path / "own"),
            mapped("D:\\data\\backup-stream-4k\\db.edb", out / "db.edb"),
            str(folder),
            entry["genLow"],
            entry["genHigh"],
        )
        expected = entry["JetExternalRestore"]["err"]
    else:
        code = restore(folder, out, logs=tmp_path / "own")
        expected = entry["JetRestoreInstance"]["err"]
    assert code == expected
    if expected == 0:
        name = entry["dump"]
        name = name.removeprefix("../") if name.startswith("../") else f"damaged-backup-4k/{name}"
        assert list(dump(out / "db.edb")) == lines(fixtures, f"engine/{name}")
    elif (out / "db.edb").exists():
        (tmp_path / "after").mkdir()
        running = Running(tmp_path / "after", "after")
        refused = code_of(jet.JetAttachDatabase, running.sesid, str(out / "db.edb"))
        assert refused == entry["JetAttachDatabase after it"]["err"]
