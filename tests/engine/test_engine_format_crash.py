"""The power goes while a database is raised to a newer format, or is created in one: every cut starts again."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest
from cut_disk import Disk

import esent
from esent import jet
from esent.constants import codes
from esent.errors import jet_error
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import File
from jet_helpers import Running, allocate, code_of

pytestmark = pytest.mark.usefixtures("clean_process")

PARAMETERS: dict[str, Any] = {"DbExtensionSize": 1, "EngineFormatVersion": 9600}
OLD, NEW = (0x620, 20, 0), (0x620, 290, 600)


def add_rows(running: Running, dbid: int, count: int, done: list[int]) -> None:
    """Rows with numbers of the engine's, each committed durably, then noted."""
    sesid = running.sesid
    tableid = jet.JetOpenTable(sesid, dbid, "t")
    columns = {name: jet.JetGetTableColumnInfo(sesid, tableid, name, jet.JET_ColInfo).columnid for name in ("id", "v")}
    for _ in range(count):
        jet.JetBeginTransaction(sesid)
        jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepInsert)
        number = int.from_bytes(jet.JetRetrieveColumn(sesid, tableid, columns["id"], jet.JET_bitRetrieveCopy), "little")
        jet.JetSetColumn(sesid, tableid, columns["v"], bytes([number % 251]) * 2500)
        jet.JetUpdate(sesid, tableid)
        jet.JetCommitTransaction(sesid)
        done.append(number)
    jet.JetCloseTable(sesid, tableid)


def add_table(running: Running, dbid: int) -> None:
    sesid = running.sesid
    tableid = jet.JetCreateTable(sesid, dbid, "t")
    number = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong, grbit=jet.JET_bitColumnAutoincrement | jet.JET_bitColumnFixed)
    jet.JetAddColumn(sesid, tableid, "id", number)
    jet.JetAddColumn(sesid, tableid, "v", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLongBinary))
    jet.JetCreateIndex(sesid, tableid, "pk", jet.JET_bitIndexPrimary, "+id\0\0", 0)
    jet.JetCloseTable(sesid, tableid)


def state_of(cut: Path, **parameters: Any) -> tuple[tuple[int, int, int], list[tuple[int, bytes]]] | None:
    """Recover, attach, end: the version of the database and its rows; None where there is no database."""
    running = Running(cut, "again", AlternateDatabaseRecoveryPath=f"{cut}/", **parameters)
    attached = running.attach() if (cut / "db.edb").exists() else None
    running.term()
    if attached is None:
        return None
    assert esent.verify(cut / "db.edb").ok, cut.name
    with DatabaseFile(cut / "db.edb") as file:
        assert file.header.is_clean and file.header.check() == [], cut.name
        version = file.header.format_version
    with esent.ReadOnlyDatabase(cut / "db.edb") as database:
        return version, [(row.id, row.v) for row in database["t"]] if "t" in database.tables else []


def correct(rows: list[tuple[int, bytes]], least: int) -> bool:
    numbers = [number for number, _ in rows]
    whole = all(value == bytes([number % 251]) * 2500 for number, value in rows)
    return whole and numbers == sorted(set(numbers)) and len(numbers) >= least


@pytest.mark.parametrize("synced_only", [False, True])
def test_a_database_is_raised_or_not_but_whole(synced_only: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "live"
    folder.mkdir()
    before: list[int] = []
    running = Running(folder, DbExtensionSize=1)
    dbid = jet.JetCreateDatabase(running.sesid, running.path())
    add_table(running, dbid)
    add_rows(running, dbid, 3, before)
    running.term()
    committed: list[int] = list(before)
    known: dict[str, int] = {}
    with monkeypatch.context() as watched:
        disk = Disk(folder, tmp_path / "cuts", watched, synced_only=synced_only)
        cut = disk.cut

        def noted() -> None:
            count = len(disk.cuts)
            cut()
            if len(disk.cuts) > count:
                known[disk.cuts[-1].name] = len(committed)

        monkeypatch.setattr(disk, "cut", noted)
        running = Running(folder, **PARAMETERS)
        running.attach()
        add_rows(running, running.open(), 4, committed)
        running.term()
    assert len(disk.cuts) > 20
    versions = set()
    for number, cut_folder in enumerate(disk.cuts):
        found = state_of(cut_folder, **({} if number % 2 else PARAMETERS))
        assert found is not None
        version, rows = found
        versions.add(version)
        assert version == NEW or (version == OLD and number % 2), cut_folder.name
        assert correct(rows, known[cut_folder.name]), cut_folder.name
    assert versions == {OLD, NEW}


@pytest.mark.parametrize("synced_only", [False, True])
def test_a_database_is_created_in_a_format_or_not_at_all(
    synced_only: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "live"
    folder.mkdir()
    with monkeypatch.context() as watched:
        disk = Disk(folder, tmp_path / "cuts", watched, synced_only=synced_only)
        running = Running(folder, **PARAMETERS)
        dbid = jet.JetCreateDatabase(running.sesid, running.path())
        add_table(running, dbid)
        add_rows(running, dbid, 2, [])
        running.term()
    there = 0
    for number, cut_folder in enumerate(disk.cuts):
        if number % 3:  # a part of them: creating writes much, and recovery of it is what is slow here
            continue
        found = state_of(cut_folder)
        if found is None:
            continue
        there += 1
        assert found[0] == NEW, cut_folder.name
        assert correct(found[1], 0), cut_folder.name
    assert 0 < there <= len(disk.cuts)


def at(home: Path) -> dict[str, str]:
    return {"AlternateDatabaseRecoveryPath": f"{home}/"}


def fail(monkeypatch: pytest.MonkeyPatch, failing: int, last: int) -> None:
    """The writes of numbers from `failing` to `last` find the disk full."""
    write, count = File.write, itertools.count(1)

    def limited(file: File, offset: int, data: Any) -> None:
        if failing <= next(count) <= last:
            raise jet_error(codes.JET_errDiskFull, "writing", file=file.path)
        write(file, offset, data)

    monkeypatch.setattr(File, "write", limited)


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("raising", [False, True])
def test_a_full_disk_while_attaching_leaves_a_whole_database(
    raising: bool, once: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever write fails, or all from one on: the instance can be ended, and the database can be attached again."""
    folder = tmp_path / "live"
    folder.mkdir()
    running = Running(folder, DbExtensionSize=1)
    add_table(running, jet.JetCreateDatabase(running.sesid, running.path()))
    running.term()
    versions, retried = set(), 0
    for failing in range(1, 14):
        home = shutil.copytree(folder, tmp_path / f"full{failing}")
        instance = allocate(home, f"full {failing}", **(PARAMETERS if raising else {"DbExtensionSize": 1}), **at(home))
        with monkeypatch.context() as watched:
            fail(watched, failing, failing if once else 10**9)
            begun = code_of(jet.JetInit, instance) == 0
            failed = code_of(attach, instance, home) if begun else 0
        if failed == codes.JET_errDiskFull and once:
            retried += code_of(attach, instance, home) in (0, codes.JET_wrnDatabaseAttached)
        code_of(jet.JetTerm2, instance, jet.JET_bitTermAbrupt)
        found = state_of(home)
        assert found is not None and found[1] == [], failing
        versions.add(found[0])
    assert versions == ({OLD, NEW} if raising else {OLD})
    assert bool(retried) == once


def attach(instance: Any, home: Path) -> int:
    return jet.JetAttachDatabase(jet.JetBeginSession(instance), str(home / "db.edb"))
