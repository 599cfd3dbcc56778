"""Power cuts: after every single write of an instance's life, what is on disk starts again with nothing lost.

Two kinds of disk: one that has everything that was written so far, and one that has of each file only what was synced.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from esent import jet
from esent.pages.filesystem import File, FileSystem

pytestmark = pytest.mark.usefixtures("clean_process")

PAGE = 4096
OWNED_PAGES = 270  # of the database used here


class Disk:
    """Watches the files of a folder: what was written, and what of it is durable."""

    def __init__(self, folder: Path, keep: Path, monkeypatch: pytest.MonkeyPatch, *, synced_only: bool) -> None:
        self.folder = folder
        self.keep = keep
        self.synced_only = synced_only
        self.durable: dict[str, bytes] = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.cuts: list[Path] = []
        self._last: dict[str, bytes] = {}
        self._watch(monkeypatch)

    def _watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        write, truncate, sync = File.write, File.truncate, File.sync
        rename, remove = FileSystem.rename, FileSystem.remove

        def watched_write(file: File, offset: int, data: Any) -> None:
            self.cut()
            write(file, offset, data)

        def watched_truncate(file: File, size: int) -> None:
            self.cut()
            truncate(file, size)

        def watched_sync(file: File) -> None:
            sync(file)
            if file.path.parent == self.folder:
                self.durable[file.path.name] = file.read(0, file.size())
            self.cut()

        def watched_rename(files: FileSystem, source: Path, target: Path) -> None:
            self.cut()
            rename(files, source, target)
            self.durable[target.name] = self.durable.pop(source.name, b"")

        def watched_remove(files: FileSystem, path: Path) -> None:
            self.cut()
            remove(files, path)
            self.durable.pop(path.name, None)

        monkeypatch.setattr(File, "write", watched_write)
        monkeypatch.setattr(File, "truncate", watched_truncate)
        monkeypatch.setattr(File, "sync", watched_sync)
        monkeypatch.setattr(FileSystem, "rename", watched_rename)
        monkeypatch.setattr(FileSystem, "remove", watched_remove)

    def cut(self) -> None:
        """The power goes now: keep the folder as the next start would find it."""
        files = self.durable if self.synced_only else {path.name: path.read_bytes() for path in self.folder.iterdir()}
        if files == self._last:
            return
        self._last = dict(files)
        target = self.keep / f"{len(self.cuts):03d}"
        target.mkdir(parents=True)
        for name, content in files.items():
            (target / name).write_bytes(content)
        self.cuts.append(target)


def start(folder: Path, *, circular: bool = False) -> tuple[Any, Any]:
    instance = jet.JetCreateInstance(folder.name)
    for number in (jet.JET_paramSystemPath, jet.JET_paramLogFilePath, jet.JET_paramTempPath):
        jet.JetSetSystemParameter(instance, 0, number, 0, f"{folder}/")
    jet.JetSetSystemParameter(instance, 0, jet.JET_paramLogFileSize, 64)
    jet.JetSetSystemParameter(instance, 0, jet.JET_paramAlternateDatabaseRecoveryPath, 0, f"{folder}/")
    jet.JetSetSystemParameter(instance, 0, jet.JET_paramCheckpointDepthMax, 64 * 1024)
    jet.JetSetSystemParameter(instance, 0, jet.JET_paramCircularLog, int(circular))
    jet.JetInit(instance)
    return instance, jet.JetBeginSession(instance)


def whole_life(folder: Path, *, circular: bool) -> None:
    """Start, attach, roll the log, detach, attach again, end; start on what is there, attach, end."""
    database = str(folder / "db.edb")
    instance, sesid = start(folder, circular=circular)
    jet.JetAttachDatabase(sesid, database)
    for _ in range(4 if circular else 2):
        jet.JetCommitTransaction(sesid, jet.JET_bitForceNewLog)
    jet.JetDetachDatabase(sesid, database)
    jet.JetAttachDatabase(sesid, database)
    jet.JetTerm(instance)
    instance, sesid = start(folder, circular=circular)
    jet.JetAttachDatabase(sesid, database)
    jet.JetTerm(instance)


@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("synced_only", [False, True])
def test_every_cut_starts_again(
    fixtures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced_only: bool, circular: bool
) -> None:
    folder = tmp_path / "live"
    folder.mkdir()
    shutil.copyfile(fixtures.path("engine/clean-4k/db.edb"), folder / "db.edb")
    pages = (folder / "db.edb").read_bytes()[2 * PAGE :]
    with monkeypatch.context() as watched:
        disk = Disk(folder, tmp_path / "cuts", watched, synced_only=synced_only)
        whole_life(folder, circular=circular)
    assert len(disk.cuts) > 20
    for cut in disk.cuts:
        instance, sesid = start(cut)
        database = str(cut / "db.edb")
        assert jet.JetAttachDatabase(sesid, database) == 0, cut.name
        jet.JetTerm(instance)
        header = jet.JetGetDatabaseFileInfo(database, jet.JET_DbInfoMisc)
        assert header.dbstate == jet.JET_dbstateCleanShutdown, cut.name
        after = (cut / "db.edb").read_bytes()[2 * PAGE :]
        assert len(after) >= OWNED_PAGES * PAGE, cut.name  # recovery cuts off what no tree owns
        assert after == pages[: len(after)], cut.name
        shutil.rmtree(cut)
