"""An instance with a database whose tables are filled and emptied, and what verification says of its copies."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from live_instances import NEVER

from esent import jet
from esent.engine import startup
from esent.engine.database import AttachedDatabase
from esent.engine.instance import Instance
from esent.engine.instance_log import InstanceLog
from esent.errors import JetError
from esent.pages.primitives import Lgpos
from esent.tools.verify import Severity, VerifyReport, verify_database
from recovery_crash_files import RecordingFiles


class EagerLog(InstanceLog):
    """Once it is `eager`, every record is on disk when it has been appended."""

    eager = False

    def append_image(self, image: bytes) -> Lgpos:
        position = super().append_image(image)
        if self.eager:
            self.flush(fill=False)
        return position


class Home:
    """An instance with a database; where it is `eager` the log is on disk after every record."""

    def __init__(self, folder: Path, *, eager: bool = False, fresh: bool = True) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.files = RecordingFiles()
        handle = self.handle = jet.JetCreateInstance(str(folder))
        self.instance: Instance = handle.target
        self.instance.files = self.files
        self.instance.cleanup.delay = NEVER
        for number in (jet.JET_paramSystemPath, jet.JET_paramLogFilePath, jet.JET_paramTempPath):
            jet.JetSetSystemParameter(handle, 0, number, 0, f"{folder}/")
        jet.JetSetSystemParameter(handle, 0, jet.JET_paramAlternateDatabaseRecoveryPath, 0, f"{folder}/")
        for number, value in (
            (jet.JET_paramLogFileSize, 64),
            (jet.JET_paramDbExtensionSize, 16),
            (jet.JET_paramMaxTemporaryTables, 0),
        ):
            jet.JetSetSystemParameter(handle, 0, number, value)
        with pytest.MonkeyPatch.context() as patch:
            if eager:
                patch.setattr(startup, "InstanceLog", EagerLog)
            jet.JetInit(handle)
        self.sesid = jet.JetBeginSession(handle)
        self.path = folder / "db.edb"
        if fresh:
            self.dbid = jet.JetCreateDatabase(self.sesid, str(self.path))
        else:
            jet.JetAttachDatabase(self.sesid, str(self.path))
            self.dbid = jet.JetOpenDatabase(self.sesid, str(self.path))
        self.database: AttachedDatabase = self.instance.databases.all()[0]
        if eager:
            log = self.instance.instance_log
            assert isinstance(log, EagerLog)
            log.eager = True
        self.begun = len(self.files.recorder.changes)

    def create_table(self, name: str) -> Any:
        tableid = jet.JetCreateTable(self.sesid, self.dbid, name)
        jet.JetAddColumn(self.sesid, tableid, "id", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong))
        jet.JetAddColumn(self.sesid, tableid, "name", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypText, cp=1252))
        jet.JetCreateIndex(self.sesid, tableid, "pk", jet.JET_bitIndexPrimary, "+id\0\0")
        jet.JetCreateIndex(self.sesid, tableid, "byname", 0, "-name\0\0")
        return tableid

    def insert(self, tableid: Any, number: int, name: str) -> None:
        jet.JetPrepareUpdate(self.sesid, tableid, jet.JET_prepInsert)
        jet.JetSetColumn(self.sesid, tableid, 1, number.to_bytes(4, "little"))
        jet.JetSetColumn(self.sesid, tableid, 128, name.encode())
        jet.JetUpdate(self.sesid, tableid)

    def fill(self, tableid: Any, numbers: range, name: str = "x") -> None:
        jet.JetBeginTransaction(self.sesid)
        for number in numbers:
            self.insert(tableid, number, f"{name * 40}{number}")
        jet.JetCommitTransaction(self.sesid)

    def delete(self, tableid: Any, numbers: Iterable[int]) -> None:
        jet.JetBeginTransaction(self.sesid)
        for number in numbers:
            jet.JetMakeKey(self.sesid, tableid, number.to_bytes(4, "little"), jet.JET_bitNewKey)
            jet.JetSeek(self.sesid, tableid, jet.JET_bitSeekEQ)
            jet.JetDelete(self.sesid, tableid)
        jet.JetCommitTransaction(self.sesid)

    def idle(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            jet.JetIdle(self.sesid, 0)

    def leave(self) -> None:
        """Die, with the log on disk."""
        self.instance.flush_log()
        with pytest.raises(JetError):
            jet.JetTerm2(self.handle, jet.JET_bitTermDirty)


def recovered(folder: Path, goal: Path) -> VerifyReport:
    """A copy of a folder, started, attached and ended: what verification says."""
    shutil.rmtree(goal, ignore_errors=True)
    shutil.copytree(folder, goal)
    jet.JetTerm(Home(goal, fresh=False).handle)
    return verify_database(goal / "db.edb")


def complaints(report: VerifyReport) -> list[str]:
    return [str(each) for each in report.findings if each.severity is not Severity.NOTE]
