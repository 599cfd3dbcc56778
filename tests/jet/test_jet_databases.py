"""Attaching, opening, closing, detaching; the life of the header; what is known about databases and files."""

from __future__ import annotations

import hashlib
import shutil
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esent import jet
from esent.log.checkpoint import Checkpoint
from esent.log.reader import LogFile
from esent.pages.checksum import header_checksum
from jet_helpers import Running, code_of

Start = Callable[..., Running]


def rewrite_header(path: Path, page_size: int = 4096, **fields: tuple[int, str, int]) -> None:
    """Put values at offsets of both header copies, with right checksums: name=(offset, struct format, value)."""
    data = bytearray(path.read_bytes())
    for copy in (0, page_size):
        page = bytearray(data[copy : copy + page_size])
        for offset, layout, value in fields.values():
            struct.pack_into(layout, page, offset, value)
        page[:4] = header_checksum(bytes(page)).to_bytes(4, "little")
        data[copy : copy + page_size] = page
    path.write_bytes(bytes(data))


# ---- the life of the header -------------------------------------------------------------------------------------


def test_attach_dirties_and_detach_cleans(start: Start, database: Path) -> None:
    before = jet.JetGetDatabaseFileInfo(str(database), jet.JET_DbInfoMisc)
    running = start()
    signature = jet.JetGetInstanceMiscInfo(running.instance, jet.JET_InstanceMiscInfoLogSignature)
    assert running.attach() == 0
    dirty = running.header()
    assert dirty.dbstate == jet.JET_dbstateDirtyShutdown
    assert dirty.signDb == before.signDb
    assert dirty.signLog == signature != before.signLog
    assert dirty.lgposAttach == jet.JET_LGPOS(1, 1, 616)
    assert dirty.lgposConsistent == jet.JET_LGPOS()
    assert (dirty.genMinRequired, dirty.genMaxRequired, dirty.genCommitted) == (1, 1, 1)
    assert jet.JetDetachDatabase(running.sesid, str(database)) == 0
    clean = running.header()
    assert clean.dbstate == jet.JET_dbstateCleanShutdown
    assert clean.lgposConsistent == clean.lgposDetach == jet.JET_LGPOS(1, 2, 0)
    assert (clean.genMinRequired, clean.genMaxRequired, clean.genCommitted) == (0, 0, 0)
    assert clean.signDb == before.signDb


def test_term_cleans_what_is_attached(start: Start, database: Path) -> None:
    running = start()
    running.attach()
    running.term()
    header = running.header()
    assert header.dbstate == jet.JET_dbstateCleanShutdown
    with LogFile(database.parent / "edb.log") as log:
        kinds = [type(record).__name__ for _, record in log.records()]
        positions = {type(record).__name__: position for position, record in log.records()}
        assert log.end.closed
    assert [kind for kind in kinds if kind != "Nop2"] == ["Init2", "AttachDB", "ShutDownMark", "Term2"]
    mark = positions["ShutDownMark"]
    assert header.lgposConsistent == jet.JET_LGPOS(mark.generation, mark.isec, mark.ib)
    checkpoint = Checkpoint.read(database.parent / "edb.chk")
    assert checkpoint.position == positions["Term2"]
    assert checkpoint.attachments == []


def test_second_attach_under_the_same_stream_keeps_its_history(start: Start, database: Path) -> None:
    first = start()
    first.attach()
    first.term()
    consistent = first.header().lgposConsistent
    second = start()
    second.attach()
    header = second.header()
    assert header.lgposConsistent == consistent
    assert header.lgposAttach > consistent


def test_generations_follow_the_log(start: Start, database: Path) -> None:
    running = start()
    running.attach()
    jet.JetCommitTransaction(running.sesid, jet.JET_bitForceNewLog)
    jet.JetCommitTransaction(running.sesid, jet.JET_bitForceNewLog)
    header = running.header()
    assert (header.genMinRequired, header.genMaxRequired, header.genCommitted) == (1, 3, 3)
    assert (database.parent / "edb00002.log").exists()
    with LogFile(database.parent / "edb.log") as log:
        assert [entry.path for entry in log.header.attachments] == [str(database)]
    running.term()
    assert running.header().genMinRequired == 0


def test_required_range_moves_up_where_the_log_is_deep(start: Start, database: Path) -> None:
    running = start(CheckpointDepthMax=256 * 1024)
    running.attach()
    for _ in range(6):
        jet.JetCommitTransaction(running.sesid, jet.JET_bitForceNewLog)
    header = running.header()
    assert 1 < header.genMinRequired <= header.genMaxRequired == 7
    info = jet.JetGetInstanceMiscInfo(running.instance, jet.JET_InstanceMiscInfoCheckpoint)
    assert info.genMin == header.genMinRequired
    assert info.genMax == 7


def test_attach_and_detach_while_others_roll(start: Start, database: Path) -> None:
    running = start(CheckpointDepthMax=128 * 1024)
    stop = threading.Event()
    codes: set[int] = set()

    def roll() -> None:
        sesid = jet.JetBeginSession(running.instance)
        while not stop.is_set():
            codes.add(code_of(jet.JetCommitTransaction, sesid, jet.JET_bitForceNewLog))
            time.sleep(0.01)

    workers = [threading.Thread(target=roll, daemon=True) for _ in range(2)]
    for worker in workers:
        worker.start()
    for _ in range(8):
        assert running.attach() == 0
        header = running.header()
        assert header.genMinRequired <= header.genMaxRequired == header.genCommitted
        assert jet.JetDetachDatabase(running.sesid, str(database)) == 0
        header = running.header()
        assert (header.dbstate, header.genCommitted) == (jet.JET_dbstateCleanShutdown, 0)
    stop.set()
    for worker in workers:
        worker.join(30)
    assert codes == {0}
    assert running.term() == 0


def test_attach_without_logging(start: Start, database: Path) -> None:
    running = start(Recovery="off")
    before = running.header()
    running.attach()
    dirty = running.header()
    assert dirty.dbstate == jet.JET_dbstateDirtyShutdown
    assert dirty.signDb != before.signDb
    assert dirty.signLog == jet.JET_SIGNATURE(szComputerName="")
    assert (dirty.genMinRequired, dirty.genMaxRequired) == (0, 0)
    assert jet.JetGetInstanceInfo()[0].szDatabaseFileName == []
    running.term()
    assert running.header().dbstate == jet.JET_dbstateCleanShutdown
    assert not list(database.parent.glob("*.log"))


def test_read_only_attach_writes_nothing(start: Start, database: Path) -> None:
    before = hashlib.sha256(database.read_bytes()).hexdigest()
    database.chmod(0o444)
    running = start()
    assert running.attach(grbit=jet.JET_bitDbReadOnly) == 0
    dbid = running.open()
    assert running.open(grbit=jet.JET_bitDbReadOnly) == dbid
    assert jet.JetGetDatabaseInfo(running.sesid, dbid, jet.JET_DbInfoMisc).dbstate == jet.JET_dbstateCleanShutdown
    running.term()
    assert hashlib.sha256(database.read_bytes()).hexdigest() == before


# ---- what cannot be attached ------------------------------------------------------------------------------------


def test_attach_twice_is_a_warning(start: Start, database: Path) -> None:
    running = start()
    assert running.attach() == 0
    assert running.attach() == jet.JET_wrnDatabaseAttached
    link = database.with_name("link.edb")
    link.symlink_to(database)
    assert running.attach("link.edb") == jet.JET_wrnDatabaseAttached


def test_attach_by_two_instances(start: Start, database: Path) -> None:
    start("one", "one").attach("../db.edb")
    assert code_of(start("two", "two").attach, "../db.edb") == jet.JET_errDatabaseSharingViolation


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (1, jet.JET_errDatabaseCorrupted),
        (2, jet.JET_errDatabaseDirtyShutdown),
        (4, jet.JET_errDatabaseCorrupted),
        (6, jet.JET_errDatabaseIncompleteIncrementalReseed),
        (7, jet.JET_errDatabaseDirtyShutdown),
        (77, jet.JET_errDatabaseCorrupted),
    ],
)
@pytest.mark.parametrize("grbit", [0, jet.JET_bitDbReadOnly])
def test_attach_in_a_wrong_state(start: Start, database: Path, state: int, code: int, grbit: int) -> None:
    rewrite_header(database, state=(52, "<I", state))
    before = database.read_bytes()
    assert code_of(start().attach, grbit=grbit) == code
    assert database.read_bytes() == before


@pytest.mark.parametrize("grbit", [0, jet.JET_bitDbReadOnly])
def test_attach_with_both_copies_of_the_header_damaged(start: Start, database: Path, grbit: int) -> None:
    data = bytearray(database.read_bytes())
    data[200] ^= 0xFF
    data[4096 + 200] ^= 0xFF
    database.write_bytes(data)
    assert code_of(start().attach, grbit=grbit) == jet.JET_errDatabaseCorrupted
    assert database.read_bytes() == data


def test_attach_of_an_unrestored_copy(start: Start, database: Path) -> None:
    rewrite_header(database, state=(52, "<I", 2), low=(200, "<I", 1))
    assert code_of(start().attach) == jet.JET_errSoftRecoveryOnBackupDatabase


def test_attach_with_another_page_size(start: Start, fixtures: Any, tmp_path: Path) -> None:
    shutil.copyfile(fixtures.path("engine/clean-8k/db.edb"), tmp_path / "db.edb")
    assert code_of(start().attach) == jet.JET_errPageSizeMismatch


def test_attach_of_what_is_no_database(start: Start, tmp_path: Path) -> None:
    running = start()
    (tmp_path / "junk.edb").write_bytes(b"no database at all" * 1000)
    (tmp_path / "empty.edb").touch()
    (tmp_path / "folder.edb").mkdir()
    assert code_of(running.attach, "missing.edb") == jet.JET_errFileNotFound
    assert code_of(running.attach, "junk.edb") == jet.JET_errDatabaseCorrupted
    assert code_of(running.attach, "empty.edb") == jet.JET_errDatabaseCorrupted
    assert code_of(running.attach, "folder.edb") == jet.JET_errFileAccessDenied
    assert code_of(jet.JetAttachDatabase, running.sesid, "") == jet.JET_errDatabaseInvalidPath
    assert code_of(jet.JetAttachDatabase, running.sesid, "a\0b") == jet.JET_errDatabaseInvalidPath
    assert code_of(jet.JetAttachDatabase, running.sesid, None) == jet.JET_errInvalidParameter
    assert code_of(running.attach, "missing.edb", 0x40000000) == jet.JET_errInvalidGrbit


def test_damaged_header_copy_is_repaired_at_attach(start: Start, database: Path) -> None:
    data = bytearray(database.read_bytes())
    data[100:200] = bytes(100)
    database.write_bytes(bytes(data))
    running = start()
    assert running.attach() == 0
    running.term()
    repaired = database.read_bytes()
    assert repaired[:4096] == repaired[4096:8192]


def test_too_many_databases(start: Start, database: Path) -> None:
    running = start()
    for number in range(7):
        shutil.copyfile(database, running.path(f"db{number}.edb"))
    assert [code_of(running.attach, f"db{number}.edb") for number in range(7)] == [0] * 6 + [
        jet.JET_errTooManyAttachedDatabases
    ]
    assert jet.JetDetachDatabase(running.sesid, running.path("db3.edb")) == 0
    assert running.attach("db6.edb") == 0
    assert len(jet.JetGetInstanceInfo()[0].szDatabaseFileName) == 6
    assert jet.JetDetachDatabase(running.sesid, None) == 0
    assert jet.JetGetInstanceInfo()[0].szDatabaseFileName == []
    assert running.term() == 0


def test_attach_and_detach_in_a_transaction(start: Start, database: Path) -> None:
    running = start()
    jet.JetBeginTransaction(running.sesid)
    assert code_of(running.attach) == jet.JET_errInTransaction
    assert code_of(jet.JetDetachDatabase, running.sesid, str(database)) == jet.JET_errInTransaction


def test_attach_and_detach_during_a_backup(start: Start, database: Path) -> None:
    running = start()
    running.attach()
    shutil.copyfile(database, running.path("other.edb"))
    jet.JetBeginExternalBackupInstance(running.instance, 0)
    assert code_of(running.attach) == jet.JET_errBackupInProgress
    assert code_of(running.attach, "other.edb") == jet.JET_errBackupInProgress
    assert code_of(jet.JetDetachDatabase, running.sesid, str(database)) == jet.JET_errBackupInProgress
    jet.JetEndExternalBackupInstance(running.instance)
    assert jet.JetDetachDatabase(running.sesid, str(database)) == 0


# ---- open, close, detach ----------------------------------------------------------------------------------------


def test_opens_are_counted(start: Start, database: Path) -> None:
    running = start()
    running.attach()
    other = jet.JetBeginSession(running.instance)
    dbid = running.open()
    assert running.open() == dbid == jet.JetOpenDatabase(other, str(database))
    assert jet.JetCloseDatabase(running.sesid, dbid) == 0
    assert jet.JetCloseDatabase(running.sesid, dbid) == 0
    assert code_of(jet.JetCloseDatabase, running.sesid, dbid) == jet.JET_errInvalidDatabaseId
    assert code_of(jet.JetDetachDatabase, running.sesid, str(database)) == jet.JET_errDatabaseInUse
    jet.JetEndSession(other)
    assert jet.JetDetachDatabase(running.sesid, str(database)) == 0
    assert code_of(running.open) == jet.JET_errDatabaseNotFound
    assert running.attach() == 0
    assert code_of(jet.JetGetDatabaseInfo, running.sesid, dbid, 0) == jet.JET_errInvalidDatabaseId


def test_exclusive_open(start: Start, database: Path) -> None:
    running = start()
    running.attach()
    other = jet.JetBeginSession(running.instance)
    dbid = running.open(grbit=jet.JET_bitDbExclusive)
    assert running.open() == dbid
    assert code_of(jet.JetOpenDatabase, other, str(database)) == jet.JET_errDatabaseLocked
    jet.JetCloseDatabase(running.sesid, dbid)
    jet.JetCloseDatabase(running.sesid, dbid)
    assert jet.JetOpenDatabase(other, str(database)) == dbid
    assert code_of(running.open, grbit=jet.JET_bitDbExclusive) == jet.JET_errDatabaseInUse


def test_one_database_per_session(start: Start, database: Path) -> None:
    running = start(OneDatabasePerSession=1)
    shutil.copyfile(database, running.path("other.edb"))
    running.attach()
    running.attach("other.edb")
    dbid = running.open()
    assert code_of(running.open, "other.edb") == jet.JET_errOneDatabasePerSession
    jet.JetCloseDatabase(running.sesid, dbid)
    assert code_of(running.open, "other.edb") != jet.JET_errOneDatabasePerSession


def test_forced_detach(start: Start, database: Path) -> None:
    running = start()
    running.attach()
    dbid = running.open()
    assert code_of(jet.JetDetachDatabase2, running.sesid, str(database), 0x8) == jet.JET_errInvalidGrbit
    assert jet.JetDetachDatabase2(running.sesid, str(database), jet.JET_bitForceCloseAndDetach) == 0
    assert code_of(jet.JetCloseDatabase, running.sesid, dbid) == jet.JET_errInvalidDatabaseId
    assert running.header().dbstate == jet.JET_dbstateCleanShutdown


# ---- information ------------------------------------------------------------------------------------------------


def test_database_info(start: Start, database: Path) -> None:
    running = start()
    running.attach()
    dbid = running.open()

    def info(level: int) -> Any:
        return jet.JetGetDatabaseInfo(running.sesid, dbid, level)

    pages = database.stat().st_size // 4096
    assert info(jet.JET_DbInfoFilename) == str(database)
    assert info(jet.JET_DbInfoConnect) == ""
    assert info(jet.JET_DbInfoPageSize) == 4096
    assert info(jet.JET_DbInfoVersion) == 1568
    assert info(jet.JET_DbInfoFilesize) == info(jet.JET_DbInfoFilesizeOnDisk) == pages
    assert 0 < info(jet.JET_DbInfoSpaceAvailable) < info(jet.JET_DbInfoSpaceOwned) <= pages - 2
    assert info(jet.JET_DbInfoMisc).cbPageSize == 4096
    assert code_of(info, jet.JET_DbInfoIsam) == jet.JET_errFeatureNotAvailable
    for level in (jet.JET_DbInfoUpgrade, jet.JET_DbInfoDBInUse, 99, -1, None, "x"):
        assert code_of(info, level) == jet.JET_errInvalidParameter


def test_database_file_info(start: Start, database: Path) -> None:
    info = jet.JetGetDatabaseFileInfo
    name = str(database)
    assert info(name, jet.JET_DbInfoDBInUse) == 0
    assert info(name, jet.JET_DbInfoUpgrade).ulFlags == 2
    running = start()
    running.attach()
    assert info(name, jet.JET_DbInfoFilesize) == database.stat().st_size
    assert info(name, jet.JET_DbInfoUpgrade).ulFlags == 0
    assert info(name, jet.JET_DbInfoDBInUse) == 1
    assert info(name, jet.JET_DbInfoFileType) == jet.JET_filetypeDatabase
    assert info(running.path("edb.log"), jet.JET_DbInfoFileType) == jet.JET_filetypeLog
    assert info(running.path("edb.chk"), jet.JET_DbInfoFileType) == jet.JET_filetypeCheckpoint
    assert code_of(info, running.path("edb.log"), jet.JET_DbInfoMisc) == jet.JET_errFileInvalidType
    assert code_of(info, running.path("nope.edb"), 99) == jet.JET_errFileNotFound
    assert code_of(info, name, 99) == jet.JET_errInvalidParameter
    assert code_of(info, None, 10) == jet.JET_errInvalidParameter


def test_log_file_info(start: Start, database: Path) -> None:
    running = start()
    info = jet.JetGetLogFileInfo(running.path("edb.log"), 1)
    assert (info.ulGeneration, info.ulVersionMajor, info.cbSectorSize, info.cbFile) == (1, 8, 4096, 32)
    assert info.lgposCheckpoint == jet.JET_LGPOS(1, 1, 0)
    assert code_of(jet.JetGetLogFileInfo, str(database), 1) == jet.JET_errFileInvalidType
    assert code_of(jet.JetGetLogFileInfo, running.path("edb.chk"), 1) == jet.JET_errFileInvalidType
    assert code_of(jet.JetGetLogFileInfo, running.path("nope.log"), 1) == jet.JET_errFileNotFound
    assert code_of(jet.JetGetLogFileInfo, running.path("edb.log"), 9) == jet.JET_errInvalidParameter
    assert code_of(jet.JetGetRBSFileInfo, str(database), 0) == jet.JET_errFileInvalidType


def test_page_info(database: Path) -> None:
    data = bytearray(database.read_bytes()[2 * 4096 : 5 * 4096])
    data[4096 + 900] ^= 4  # one bit of page 2
    data[2 * 4096 :] = bytes(4096)
    infos = [jet.JET_PAGEINFO(pgno=number) for number in (1, 2, 3)]
    assert jet.JetGetPageInfo(bytes(data), infos) == 0
    assert [info.fPageIsInitialized for info in infos] == [1, 1, 0]
    assert [info.fCorrectableError for info in infos] == [0, 1, 0]
    assert infos[0].checksumActual == infos[0].checksumExpected
    assert infos[1].checksumActual != infos[1].checksumExpected
    assert infos[0].dbtime > 0
    assert code_of(jet.JetGetPageInfo, bytes(data[:-1]), infos) == jet.JET_errInvalidBufferSize
    assert code_of(jet.JetGetPageInfo, None, infos) == jet.JET_errInvalidParameter


def test_page_info_of_large_pages(fixtures: Any) -> None:
    data = fixtures.read("engine/clean-32k/db.edb")[2 * 32768 : 3 * 32768]
    info = jet.JET_PAGEINFO2(pageInfo=jet.JET_PAGEINFO(pgno=1))
    jet.JetGetPageInfo2(data, [info])
    assert info.rgChecksumActual == info.rgChecksumExpected
    assert len(info.rgChecksumActual) == 3


# ---- sizes ------------------------------------------------------------------------------------------------------


def test_set_database_size(start: Start, database: Path) -> None:
    running = start()
    pages = database.stat().st_size // 4096 - 2
    assert jet.JetSetDatabaseSize(running.sesid, str(database), 256) == pages
    assert jet.JetSetDatabaseSize(running.sesid, str(database), pages + 100) == pages + 100
    assert database.stat().st_size == (pages + 102) * 4096
    assert code_of(jet.JetSetDatabaseSize, running.sesid, str(database), 255) == jet.JET_errInvalidParameter
    assert code_of(jet.JetSetDatabaseSize, running.sesid, running.path("nope.edb"), 300) == jet.JET_errFileNotFound
    assert running.attach() == 0
    assert code_of(jet.JetSetDatabaseSize, running.sesid, str(database), 1000) == jet.JET_errFileAccessDenied


def test_maximum_size(start: Start, database: Path) -> None:
    running = start()
    assert jet.JetAttachDatabase2(running.sesid, str(database), 500) == 0
    dbid = running.open()
    assert jet.JetGetMaxDatabaseSize(running.sesid, dbid) == 500
    assert jet.JetSetMaxDatabaseSize(running.sesid, dbid, 900) == 0
    assert jet.JetGetMaxDatabaseSize(running.sesid, dbid) == 900
    assert code_of(jet.JetSetMaxDatabaseSize, running.sesid, dbid, -1) == jet.JET_errInvalidParameter
    assert code_of(jet.JetGetMaxDatabaseSize, running.sesid, dbid, 1) == jet.JET_errInvalidGrbit


def test_attach_with_database_parameters(start: Start, database: Path) -> None:
    running = start()
    limit = jet.JET_SETDBPARAM(dbparamid=jet.JET_dbparamDbSizeMaxPages, pvParam=700)
    assert jet.JetAttachDatabase3(running.sesid, str(database), [limit]) == 0
    assert jet.JetGetMaxDatabaseSize(running.sesid, running.open()) == 700
    wrong = jet.JET_SETDBPARAM(dbparamid=1, pvParam=700)
    assert code_of(jet.JetAttachDatabase3, running.sesid, str(database), [wrong]) == jet.JET_errInvalidDbparamId


def test_upgrade(start: Start, database: Path) -> None:
    running = start()
    assert code_of(jet.JetUpgradeDatabase, running.sesid, str(database)) == jet.JET_errDatabaseAlreadyUpgraded
