"""JetBackup to a directory: section 9.11 of the conformance checklist by number, and that no partial set is ever left.

Where the recorded answers of the original differ from the checklist they are what is tested: unknown option bits are ignored
(162), an atomic incremental backup is JET_errInvalidPath, no path means the current directory, and only where that is empty
the logs are deleted (165).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backup_helpers import (
    PAGE,
    add_database,
    begin,
    damage,
    is_stamped,
    logs_in,
    read_file,
    restoring,
    shallow,
    stamps,
    stream,
)
from esent import jet
from esent.backup import directory, page_stream
from esent.constants import codes
from esent.engine.process import PROCESS
from esent.errors import jet_error
from esent.pages.filesystem import File, FileSystem
from esent.tools.dump import dump
from jet_helpers import Running, code_of

INCREMENTAL = jet.JET_bitBackupIncremental
ATOMIC = jet.JET_bitBackupAtomic


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "bk"
    folder.mkdir()
    return folder


def back_up(run: Running, folder: Path | str | None, grbit: int = 0, status: Any = None) -> int:
    return code_of(jet.JetBackupInstance, run.instance, None if folder is None else str(folder), grbit, status)


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def no_backup_is_on(run: Running) -> None:
    assert begin(run) == 0
    jet.JetEndExternalBackupInstance2(run.instance, jet.JET_bitBackupEndAbort)


def restored_dump(folder: Path, where: Path) -> list[str]:
    """The content of db.edb restored from a set."""
    out = where / "out"
    out.mkdir(parents=True)
    instance = restoring(where / "logs")
    jet.JetRestoreInstance(instance, str(folder), str(out))
    return list(dump(out / "db.edb"))


def test_154_files_of_a_set(run, target):
    assert back_up(run, target) == 0
    assert names(target) == ["db.edb", "db.pat", "edb00001.log"]
    assert (target / "db.pat").stat().st_size == 0
    assert not (run.folder / "db.pat").exists()
    assert (target / "db.edb").stat().st_size == Path(run.path()).stat().st_size + PAGE


def test_155_directory_that_is_not_empty(run, target):
    (target / "x").touch()
    assert back_up(run, target) == jet.JET_errBackupDirectoryNotEmpty
    assert names(target) == ["x"]
    no_backup_is_on(run)


def test_156_missing_directory(start, run, tmp_path):
    assert back_up(run, tmp_path / "no" / "such") == jet.JET_errInvalidPath
    assert not (tmp_path / "no").exists()
    assert back_up(run, run.path()) == jet.JET_errInvalidPath
    jet.JetSetSystemParameter(run.instance, 0, jet.JET_paramCreatePathIfNotExist, 1)
    assert back_up(run, tmp_path / "no" / "such") == 0
    assert "no/such/db.edb" in names(tmp_path)
    assert back_up(run, run.path()) == jet.JET_errInvalidPath, "a file where a directory was expected"


def test_157_atomic_three_times(run, target):
    for _ in range(3):
        assert back_up(run, target, ATOMIC) == 0
        assert sorted(path.name for path in target.iterdir()) == ["new"]
    assert {"db.edb", "db.pat", "edb00001.log"} <= {path.name for path in (target / "new").iterdir()}


def test_158_a_failed_atomic_backup_keeps_the_set_before(fixtures, run, target, tmp_path, monkeypatch):
    monkeypatch.setattr(page_stream.time, "sleep", lambda seconds: None)
    assert back_up(run, target, ATOMIC) == 0
    first = {path.name: path.read_bytes() for path in (target / "new").iterdir()}
    expected = list(dump(fixtures.path("engine/clean-4k/db.edb")))
    damage(Path(run.path()), 20)
    assert back_up(run, target, ATOMIC) == jet.JET_errReadVerifyFailure
    assert sorted(path.name for path in target.iterdir()) == ["old"]
    assert {path.name: path.read_bytes() for path in (target / "old").iterdir()} == first
    assert restored_dump(target, tmp_path / "r") == expected


def test_159_incremental_adds_logs_only(run, target):
    assert back_up(run, target) == 0
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    assert back_up(run, target, INCREMENTAL) == 0
    after = {path.name: path.read_bytes() for path in target.iterdir()}
    assert set(after) - set(before) == {"edb00002.log"}
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("name", ["new", "old"])
def test_160_incremental_beside_an_atomic_set(run, target, name):
    stream(run.instance)
    (target / name).mkdir()
    assert back_up(run, target, INCREMENTAL) == jet.JET_errBackupDirectoryNotEmpty


def test_161_incremental_with_circular_logging(start, database, target):
    running = start(CircularLog=1)
    running.attach()
    assert back_up(running, target, INCREMENTAL) == jet.JET_errInvalidBackup
    assert back_up(running, target) == 0


@pytest.mark.parametrize("grbit", [0x10, 0x8, 32768])
def test_162_other_bits_are_ignored(run, target, grbit):
    assert back_up(run, target, grbit) == 0


def test_163_164_status_callback(run, target):
    seen: list[tuple[Any, ...]] = []

    def status(sesid: Any, snp: int, snt: int, progress: Any) -> int:
        seen.append((snp, snt, progress.cunitDone, progress.cunitTotal))
        return jet.JET_errCallbackFailed  # is of no consequence

    assert back_up(run, target, 0, status) == 0
    assert seen == [(9, 5, 0, 100), (9, 6, 100, 100)]
    seen.clear()
    assert back_up(run, target, INCREMENTAL, status) == 0
    assert seen == []


def test_what_the_callback_raises_comes_out_afterwards(run, target):
    def status(*_: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        jet.JetBackupInstance(run.instance, str(target), 0, status)
    assert "db.pat" in names(target)
    assert is_stamped(stamps(run).bkinfoFullPrev)


@pytest.mark.parametrize("path", [None, ""])
def test_165_no_directory(start, database, tmp_path, monkeypatch, path):
    running = shallow(start)
    before = logs_in(running.folder)
    monkeypatch.chdir(running.folder)
    assert back_up(running, path) == jet.JET_errBackupDirectoryNotEmpty
    assert logs_in(running.folder) == before
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    assert back_up(running, path) == 0
    assert names(empty) == []
    assert logs_in(running.folder) == []
    no_backup_is_on(running)


def test_166_damaged_page(start, database, target, monkeypatch):
    monkeypatch.setattr(page_stream.time, "sleep", lambda seconds: None)
    running = shallow(start)
    before = logs_in(running.folder)
    damage(Path(running.path()), 20)
    assert back_up(running, target) == jet.JET_errReadVerifyFailure
    assert logs_in(running.folder) == before
    assert names(target) == []


def test_167_two_databases_of_one_name(fixtures, run, target):
    other = run.folder / "sub"
    other.mkdir()
    shutil.copyfile(fixtures.path("windows/types/basic.edb"), other / "db.edb")
    run.attach("sub/db.edb")
    assert back_up(run, target) == jet.JET_errFileAlreadyExists
    assert names(target) == []
    no_backup_is_on(run)


def test_168_logs_and_stamps_after_success(start, database, target):
    running = shallow(start)
    assert back_up(running, target) == 0
    info = stamps(running)
    assert is_stamped(info.bkinfoFullPrev)
    left = logs_in(running.folder)
    assert not left or int(left[0][3:8], 16) >= info.genMinRequired


def test_atomic_and_incremental(run, target):
    assert back_up(run, target, ATOMIC) == 0
    assert back_up(run, target, ATOMIC | INCREMENTAL) == jet.JET_errInvalidPath
    assert sorted(path.name for path in target.iterdir()) == ["old"]


def test_leftovers_of_a_backup_that_died_are_cleared(run, target):
    (target / "temp").mkdir()
    (target / "temp" / "db.edb").write_bytes(b"half")
    assert back_up(run, target) == 0
    assert names(target) == ["db.edb", "db.pat", "edb00001.log"]


def test_a_directory_whose_backup_never_finished_is_no_set(run, target, tmp_path):
    assert back_up(run, target) == 0
    (target / "temp").mkdir()
    (target / "temp" / directory.MARKER).write_text("db.edb\ndb.pat\nedb00001.log\n../x\n")
    instance = restoring(tmp_path / "r")
    assert code_of(jet.JetRestoreInstance, instance, str(target), str(tmp_path / "r")) == jet.JET_errPatchFileMissing
    assert not (tmp_path / "r" / "db.edb").exists()
    assert back_up(run, target) == 0, "what the marker lists is cleared"
    assert "temp" not in names(target)


# ---- failures of the file system ---------------------------------------------------------------------


class Full(FileSystem):
    """A disk on which only so many writes to the backup directory succeed."""

    def __init__(self, below: Path, writes: int) -> None:
        self.below = below
        self.left = writes

    def open(self, path: Path, **how: bool) -> File:
        file = super().open(path, **how)
        if self.below in path.parents:
            owner = self

            class Limited(File):
                def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
                    if not owner.left:
                        raise jet_error(codes.JET_errDiskFull, "writing", file=self.path)
                    owner.left -= 1
                    super().write(offset, data)

            return Limited(file.path, file.fileno(), writable=file.writable)
        return file


@pytest.mark.parametrize("grbit", [0, ATOMIC])
@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_disk_full_leaves_nothing(start, database, target, monkeypatch, writes, grbit):
    running = shallow(start)
    before = logs_in(running.folder)
    monkeypatch.setattr(directory, "CHUNK_PAGES", 64)
    monkeypatch.setattr(PROCESS.resolve(running.instance), "files", Full(target, writes))
    assert back_up(running, target, grbit) == jet.JET_errDiskFull
    assert names(target) == []
    assert set(before) <= set(logs_in(running.folder))
    assert not is_stamped(stamps(running).bkinfoFullPrev)
    monkeypatch.setattr(PROCESS.resolve(running.instance), "files", FileSystem())
    assert back_up(running, target, grbit) == 0


def test_a_backup_that_cannot_be_recorded_leaves_nothing(run, target, monkeypatch):
    engine = PROCESS.resolve(run.instance)
    flushed = engine.flush_log
    left = 1  # the truncation is recorded, the stamps are not

    def failing(upto: Any = None) -> None:
        nonlocal left
        if not left:
            raise jet_error(codes.JET_errLogDiskFull, "flushing")
        left -= 1
        flushed(upto)

    with monkeypatch.context() as broken:
        broken.setattr(engine, "flush_log", failing)
        assert back_up(run, target) == jet.JET_errLogDiskFull
    assert names(target) == []
    assert not is_stamped(stamps(run).bkinfoFullPrev)
    assert back_up(run, target) == 0


def test_disk_full_in_an_incremental_backup_keeps_the_set(run, target, tmp_path, monkeypatch):
    assert back_up(run, target) == 0
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    monkeypatch.setattr(PROCESS.resolve(run.instance), "files", Full(target, 1))
    assert back_up(run, target, INCREMENTAL) == jet.JET_errDiskFull
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before


@pytest.mark.parametrize("grbit", [0, ATOMIC])
def test_stop_at_every_point(start, database, target, monkeypatch, grbit):
    """A stop that arrives before the n-th call of the backup: -801, nothing left, nothing stamped, and the next one works."""
    run = start(CheckpointDepthMax=16384)  # few logs to copy
    run.attach()
    backup = PROCESS.resolve(run.instance).backup
    steps = ("attach_info", "open_file", "read_file", "close_file", "log_info", "truncate_log", "end")
    count = 0
    stop_at = -1

    def counting(name: str) -> Callable[..., Any]:
        original = getattr(backup, name)

        def step(*arguments: Any, **keywords: Any) -> Any:
            nonlocal count
            count += 1
            if count == stop_at:
                jet.JetStopBackupInstance(run.instance)
            return original(*arguments, **keywords)

        return step

    for name in steps:
        monkeypatch.setattr(backup, name, counting(name))
    monkeypatch.setattr(directory, "CHUNK_PAGES", 128)
    point = 1
    while True:
        count, stop_at = 0, point
        outcome = back_up(run, target, grbit)
        if count < stop_at:
            assert outcome == 0
            break
        assert outcome == jet.JET_errBackupAbortByServer, f"point {point}"
        assert names(target) == [], f"point {point}"
        assert not is_stamped(stamps(run).bkinfoFullPrev)
        point += 1
    assert point > 10
    assert is_stamped(stamps(run).bkinfoFullPrev)


def test_two_databases_and_their_restore(fixtures, run, target, tmp_path):
    add_database(fixtures, run)
    assert back_up(run, target) == 0
    run.term()
    expected = {name: list(dump(Path(run.path(name)))) for name in ("db.edb", "two.edb")}
    out = tmp_path / "out"
    out.mkdir()
    assert jet.JetRestoreInstance(restoring(tmp_path / "logs"), str(target), str(out)) == 0
    assert {name: list(dump(out / name)) for name in expected} == expected


@pytest.mark.parametrize("page_size", [4096, 8192, 16384, 32768])
def test_backup_and_restore_of_every_page_size(fixtures, start, tmp_path, target, page_size):
    shutil.copyfile(fixtures.path(f"engine/clean-{page_size >> 10}k/db.edb"), tmp_path / "db.edb")
    jet.JetSetSystemParameter(None, 0, jet.JET_paramDatabasePageSize, page_size)
    running = start()
    running.attach()
    assert back_up(running, target) == 0
    assert back_up(running, target, INCREMENTAL) == 0
    running.term()
    assert restored_dump(target, tmp_path / "r") == list(dump(tmp_path / "db.edb"))
    restored, original = (path.read_bytes() for path in (tmp_path / "r" / "out" / "db.edb", tmp_path / "db.edb"))
    assert restored[2 * page_size :] == original[2 * page_size : len(restored)]
    assert not any(original[len(restored) :]), "only pages that no database owns are cut off"


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
from jet_helpers import Running
from esent import jet
from esent.pages.filesystem import FileSystem, File
from esent.engine.process import PROCESS
folder, target, grbit, fatal = Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
run = Running(folder)
run.attach()
steps = 0
def step():
    global steps
    steps += 1
    if steps == fatal:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
class Counting(FileSystem):
    def open(self, path, **how):
        file = super().open(path, **how)
        if target not in path.parents:
            return file
        step()
        class Stepping(File):
            def write(self, offset, data):
                step()
                super().write(offset, data[: len(data) // 2])
                step()
                super().write(offset, data)
        return Stepping(file.path, file.fileno(), writable=file.writable)
    def rename(self, source, goal):
        step()
        super().rename(source, goal)
    def remove(self, path):
        step()
        super().remove(path)
PROCESS.resolve(run.instance).files = Counting()
jet.JetBackupInstance(run.instance, str(target), grbit)
print("done", steps)
"""


@pytest.mark.parametrize("grbit", [0, ATOMIC])
def test_killed_in_the_middle(fixtures, tmp_path, grbit):
    """At whatever step the process dies: the directory restores as a whole set with the right content, or not at all."""
    expected = list(dump(fixtures.path("engine/clean-4k/db.edb")))
    whole = refused = 0
    step = 1
    while True:
        folder = tmp_path / f"{step}"
        target = folder / "bk"
        target.mkdir(parents=True)
        shutil.copyfile(fixtures.path("engine/clean-4k/db.edb"), folder / "db.edb")
        here = str(Path(__file__).parent)
        command = [sys.executable, "-c", KILLED, here, str(folder), str(target), str(grbit), str(step)]
        done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=False)
        if done.returncode == 0:
            assert done.stdout.startswith("done")
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        out = folder / "out"
        out.mkdir()
        code = code_of(jet.JetRestoreInstance, restoring(folder / "r", f"r{step}"), str(target), str(out))
        if code == 0:
            whole += 1
            assert list(dump(out / "db.edb")) == expected
        else:
            refused += 1
            assert code in (jet.JET_errFileNotFound, jet.JET_errPatchFileMissing), f"step {step}"
            assert not list(out.iterdir())
        step += 1
    assert refused > 5
    assert whole + refused == step - 1


def test_read_file_helper_is_not_fooled(run):
    """A backup into a directory cannot be disturbed by somebody who guesses its file handle."""
    backup = PROCESS.resolve(run.instance).backup
    backup.begin(0, private=True)
    handle, _ = backup.open_file(run.path())
    assert code_of(jet.JetReadFileInstance, run.instance, 0, 3 * PAGE) == jet.JET_errInvalidParameter
    assert len(backup.read_file(handle, 3 * PAGE)) == 3 * PAGE
    backup.close_file(handle)
    backup.cancel(jet.JET_errBackupAbortByCaller)
    assert code_of(read_file, run.instance, run.path()) == jet.JET_errNoBackup
