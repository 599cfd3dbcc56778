"""Power cuts: after every single write of an instance's life, what is on disk starts again with nothing lost.

Two kinds of disk: one that has everything that was written so far, and one that has of each file only what was synced.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from cut_disk import Disk

from esent import jet

pytestmark = pytest.mark.usefixtures("clean_process")

PAGE = 4096
OWNED_PAGES = 270  # of the database used here


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
