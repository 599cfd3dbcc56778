"""Creating databases: what is in a new one, what is refused, what a failure leaves; growing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from engine_genuine import facts_of, genuine_start

from esent import jet
from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.pages.database_file import DatabaseFile
from esent.pages.edit import MutablePage
from esent.pages.filesystem import FILES, File, FileSystem
from esent.pages.header import DatabaseState
from esent.tools.dump import dump
from esent.tools.verify import verify_database
from jet_helpers import Running, allocate, code_of

SYSTEM_PAGES = 31  # up to the first page of a user's
SHADOW = jet.JET_bitDbShadowingOff


@pytest.fixture
def instance(tmp_path: Path) -> Any:
    running = Running(tmp_path, DbExtensionSize=16)
    yield running
    code_of(running.term)


@pytest.mark.parametrize(("growth", "size"), [(16, 48), (256, 256), (1, 33)])
def test_the_size_of_a_new_database(growth: int, size: int, tmp_path: Path) -> None:
    running = Running(tmp_path, DbExtensionSize=growth)
    dbid = jet.JetCreateDatabase(running.sesid, running.path())
    sizes = [jet.JetGetDatabaseInfo(running.sesid, dbid, level) for level in (10, 11, 12)]
    assert sizes == [size, size - 2, size - 2 - SYSTEM_PAGES + 1]
    running.term()
    assert Path(running.path()).stat().st_size == size * 4096


@pytest.mark.parametrize("page_size", [4096, 8192, 16384, 32768])
def test_a_new_database_is_sound(page_size: int, tmp_path: Path) -> None:
    jet.JetSetSystemParameter(None, jet.JET_sesidNil, jet.JET_paramDatabasePageSize, page_size)
    try:
        running = Running(tmp_path, DbExtensionSize=16)
        jet.JetCreateDatabase(running.sesid, running.path())
        running.term()
    finally:
        jet.JetSetSystemParameter(None, jet.JET_sesidNil, jet.JET_paramDatabasePageSize, 4096)
    report = verify_database(Path(running.path()))
    assert report.ok
    assert report.findings == []
    assert report.pages_leaked == 0


@pytest.mark.fixtures
@pytest.mark.parametrize(
    ("name", "page_size"), [("clean-4k", 4096), ("clean-8k", 8192), ("clean-16k", 16384), ("clean-32k", 32768)]
)
def test_a_new_database_is_what_the_original_makes(name: str, page_size: int, fixtures: Any, tmp_path: Path) -> None:
    """The same pages with the same objects, flags, links and space; the same rows in the catalogue and its indexes."""
    theirs = genuine_start(fixtures, name, tmp_path / "theirs")
    (tmp_path / "ours").mkdir()
    jet.JetSetSystemParameter(None, jet.JET_sesidNil, jet.JET_paramDatabasePageSize, page_size)
    try:
        running = Running(tmp_path / "ours", DbExtensionSize=16)
        jet.JetCreateDatabase(running.sesid, running.path())
        running.term()
    finally:
        jet.JetSetSystemParameter(None, jet.JET_sesidNil, jet.JET_paramDatabasePageSize, 4096)
    assert facts_of(Path(running.path())) == facts_of(theirs)


def test_it_is_attached_and_open(instance: Running) -> None:
    path = instance.path()
    dbid = jet.JetCreateDatabase(instance.sesid, path)
    assert jet.JetGetDatabaseInfo(instance.sesid, dbid, jet.JET_DbInfoFilename) == path
    assert instance.attach() == codes.JET_wrnDatabaseAttached
    assert instance.header().dbstate == jet.JET_dbstateDirtyShutdown
    assert code_of(jet.JetDetachDatabase, instance.sesid, path) == codes.JET_errDatabaseInUse
    jet.JetCloseDatabase(instance.sesid, dbid)
    jet.JetDetachDatabase(instance.sesid, path)
    assert instance.header().dbstate == jet.JET_dbstateCleanShutdown
    assert instance.attach() == 0
    again = instance.open()
    assert again != dbid
    jet.JetCloseDatabase(instance.sesid, again)
    jet.JetDetachDatabase(instance.sesid, path)
    tables = [json.loads(line)["table"] for line in dump(path, system=True) if line.startswith('{"table"')]
    assert tables == ["MSysLocales", "MSysObjects", "MSysObjectsShadow", "MSysObjids"]


def test_what_is_refused(instance: Running, tmp_path: Path) -> None:
    sesid, path = instance.sesid, instance.path()
    other = str(tmp_path / "other.edb")
    jet.JetCreateDatabase(sesid, path)
    assert code_of(jet.JetCreateDatabase, sesid, path) == codes.JET_errDatabaseDuplicate
    overwrite = jet.JET_bitDbOverwriteExisting
    assert code_of(jet.JetCreateDatabase, sesid, path, None, overwrite) == codes.JET_errDatabaseDuplicate
    Path(other).write_bytes(b"something else")
    assert code_of(jet.JetCreateDatabase, sesid, other) == codes.JET_errDatabaseDuplicate
    assert Path(other).read_bytes() == b"something else"
    assert code_of(jet.JetCreateDatabase, sesid, str(tmp_path)) == codes.JET_errFileAccessDenied
    assert code_of(jet.JetCreateDatabase, sesid, str(tmp_path / "no" / "where.edb")) == codes.JET_errInvalidPath
    assert code_of(jet.JetCreateDatabase, sesid, "") == codes.JET_errDatabaseInvalidPath
    assert code_of(jet.JetCreateDatabase, sesid, None) == codes.JET_errInvalidParameter
    assert code_of(jet.JetCreateDatabase, sesid, other, None, 0x40000000) == codes.JET_errInvalidGrbit
    assert code_of(jet.JetCreateDatabase, sesid, other, None, jet.JET_bitDbVersioningOff) == codes.JET_errInvalidGrbit
    assert code_of(jet.JetCreateDatabase2, sesid, other, -1) == codes.JET_errInvalidParameter
    jet.JetBeginTransaction(sesid)
    assert code_of(jet.JetCreateDatabase, sesid, other) == codes.JET_errInTransaction
    jet.JetRollback(sesid)
    for number in range(5):
        jet.JetCreateDatabase(sesid, str(tmp_path / f"{number}.edb"))
    assert code_of(jet.JetCreateDatabase, sesid, str(tmp_path / "7.edb")) == codes.JET_errTooManyAttachedDatabases
    assert not (tmp_path / "7.edb").exists()


def test_overwriting(instance: Running) -> None:
    path = Path(instance.path())
    path.write_bytes(b"junk" * 5000)
    dbid = jet.JetCreateDatabase(instance.sesid, str(path), None, jet.JET_bitDbOverwriteExisting)
    jet.JetCloseDatabase(instance.sesid, dbid)
    instance.term()
    assert verify_database(path).ok


def test_folders_are_made_where_that_is_wanted(tmp_path: Path) -> None:
    running = Running(tmp_path, CreatePathIfNotExist=1)
    jet.JetCreateDatabase(running.sesid, str(tmp_path / "a" / "b" / "c.edb"))
    running.term()
    assert verify_database(tmp_path / "a" / "b" / "c.edb").ok


def test_a_limit_to_the_size(tmp_path: Path) -> None:
    running = Running(tmp_path, DbExtensionSize=256)
    dbid = jet.JetCreateDatabase2(running.sesid, running.path(), 100)
    assert jet.JetGetDatabaseInfo(running.sesid, dbid, 11) == 100
    assert jet.JetGetMaxDatabaseSize(running.sesid, dbid) == 100
    assert code_of(jet.JetResizeDatabase, running.sesid, dbid, 300) == codes.JET_errOutOfDatabaseSpace
    jet.JetSetMaxDatabaseSize(running.sesid, dbid, 0)
    assert jet.JetResizeDatabase(running.sesid, dbid, 300) == 512
    running.term()
    assert verify_database(Path(running.path())).ok


def test_growing(tmp_path: Path) -> None:
    running = Running(tmp_path, DbExtensionSize=256)
    sesid = running.sesid
    dbid = jet.JetCreateDatabase(sesid, running.path())
    assert jet.JetResizeDatabase(sesid, dbid, 600) == 768
    assert jet.JetResizeDatabase(sesid, dbid, 100, jet.JET_bitResizeDatabaseOnlyGrow) == 768
    assert jet.JetResizeDatabase(sesid, dbid, 1000, jet.JET_bitResizeDatabaseOnlyShrink) == 768
    assert jet.JetResizeDatabase(sesid, dbid, 600) == 600
    assert jet.JetGrowDatabase(sesid, dbid, 1000) == 1024
    assert jet.JetGetDatabaseInfo(sesid, dbid, 11) == 1022
    assert code_of(jet.JetResizeDatabase, sesid, dbid, 1000, 3) == codes.JET_errInvalidGrbit
    assert code_of(jet.JetResizeDatabase, sesid, dbid, -1) == codes.JET_errInvalidParameter
    running.term()
    report = verify_database(Path(running.path()))
    assert (report.ok, report.findings, report.last_owned) == (True, [], 1022)


def test_without_a_log(tmp_path: Path) -> None:
    running = Running(tmp_path, Recovery="off", DbExtensionSize=16)
    jet.JetCreateDatabase(running.sesid, running.path())
    running.term()
    assert verify_database(Path(running.path())).findings == []
    assert not list(tmp_path.glob("edb*"))


def test_without_a_shadow_catalogue(instance: Running) -> None:
    jet.JetCreateDatabase(instance.sesid, instance.path(), None, SHADOW)
    instance.term()
    assert verify_database(Path(instance.path())).ok
    with DatabaseFile(instance.path()) as file:
        assert not file.header.is_shadowed
        assert MutablePage(file.read_page(24), 24).objid == 6


class FullDisk(FileSystem):
    """A file system whose databases can be written a number of times."""

    def __init__(self, writes: int) -> None:
        self.left = writes

    def open(self, path: Path, *, writable: bool = False, create: bool = False, exclusive: bool = False) -> File:
        file = super().open(path, writable=writable, create=create, exclusive=exclusive)
        if path.suffix == ".edb":
            write = file.write

            def limited(offset: int, data: Any) -> None:
                self.left -= 1
                if self.left < 0:
                    raise jet_error(codes.JET_errDiskFull, "writing", file=path)
                write(offset, data)

            file.write = limited  # type: ignore[method-assign]
        return file


@pytest.mark.parametrize("writes", range(3))
def test_a_full_disk_leaves_nothing(writes: int, tmp_path: Path) -> None:
    instance = allocate(tmp_path, DbExtensionSize=16)
    instance.target.files = FullDisk(writes)
    jet.JetInit(instance)
    sesid = jet.JetBeginSession(instance)
    path = tmp_path / "db.edb"
    if writes < 3:
        assert code_of(jet.JetCreateDatabase, sesid, str(path)) == codes.JET_errDiskFull
        assert not path.exists()
    instance.target.files.left = 1 << 30
    jet.JetCreateDatabase(sesid, str(path), None, jet.JET_bitDbOverwriteExisting)
    with pytest.raises(JetError):
        jet.JetTerm2(instance, jet.JET_bitTermDirty)
    instance = allocate(tmp_path)
    jet.JetInit(instance)
    jet.JetTerm(instance)
    assert verify_database(path).ok


def test_what_a_failed_creation_left_in_the_log_is_no_database(tmp_path: Path) -> None:
    """Redo makes the file again and finds the record that takes the creation back: the file is in nobody's way."""
    instance = allocate(tmp_path, DbExtensionSize=16)
    instance.target.files = FullDisk(0)
    jet.JetInit(instance)
    sesid = jet.JetBeginSession(instance)
    path = tmp_path / "db.edb"
    assert code_of(jet.JetCreateDatabase, sesid, str(path)) == codes.JET_errDiskFull
    with pytest.raises(JetError):
        jet.JetTerm2(instance, jet.JET_bitTermDirty)
    running = Running(tmp_path)
    with DatabaseFile(path) as file:
        assert file.header.state == DatabaseState.JUST_CREATED
    jet.JetCreateDatabase(running.sesid, str(path))
    running.term()
    assert verify_database(path).ok
    assert FILES.exists(path)
