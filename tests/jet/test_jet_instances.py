"""Making, starting and ending instances: names, folders, locks between instances and processes, crashes."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esent import jet
from esent.engine.process import PROCESS
from esent.errors import JetError, JetWarning
from esent.log.checkpoint import Checkpoint
from esent.log.reader import LogFile
from jet_helpers import Running, allocate, code_of, set_paths

Start = Callable[..., Running]
SOURCE = Path(__file__).resolve().parents[2] / "src"

CHILD = """
import sys, time
from esent import jet
folder, action = sys.argv[1], sys.argv[2]
instance = jet.JetCreateInstance("child")
for number in (jet.JET_paramSystemPath, jet.JET_paramLogFilePath, jet.JET_paramTempPath):
    jet.JetSetSystemParameter(instance, jet.JET_sesidNil, number, 0, folder + "/")
jet.JetSetSystemParameter(instance, jet.JET_sesidNil, jet.JET_paramLogFileSize, 128)
if action in ("deep", "circular"):
    jet.JetSetSystemParameter(instance, jet.JET_sesidNil, jet.JET_paramCheckpointDepthMax, 256 * 1024)
    jet.JetSetSystemParameter(instance, jet.JET_sesidNil, jet.JET_paramCircularLog, int(action == "circular"))
jet.JetInit(instance)
sesid = jet.JetBeginSession(instance)
if action != "idle":
    jet.JetAttachDatabase(sesid, sys.argv[3])
if action in ("rolled", "deep", "circular"):
    for _ in range(3 if action == "rolled" else 9):
        jet.JetCommitTransaction(sesid, jet.JET_bitForceNewLog)
print("ready", flush=True)
time.sleep(120)
"""


class Child:
    """An instance in a process of its own."""

    def __init__(self, folder: Path, action: str, database: Path | None = None) -> None:
        command = [sys.executable, "-c", CHILD, str(folder), action, str(database)]
        environment = dict(os.environ, PYTHONPATH=str(SOURCE))
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()


# ---- names and handles ------------------------------------------------------------------------------------------


def test_names() -> None:
    assert code_of(jet.JetCreateInstance, "A") == 0
    assert code_of(jet.JetCreateInstance, "A") == jet.JET_errInstanceNameInUse
    assert code_of(jet.JetCreateInstance, None) == 0
    assert code_of(jet.JetCreateInstance, None) == jet.JET_errInstanceNameInUse
    assert code_of(jet.JetCreateInstance2, "", None, 0) == 0
    assert code_of(jet.JetCreateInstance2, "B", "shown", 1) == 0
    for wrong in (5, b"C", "a\0b", ["D"]):
        assert code_of(jet.JetCreateInstance, wrong) == jet.JET_errInvalidParameter
    infos = jet.JetGetInstanceInfo()
    assert [info.szInstanceName for info in infos] == ["A", None, None, "B"]
    for info in infos:
        jet.JetTerm(info.hInstanceId)
    assert jet.JetGetInstanceInfo() == []


def test_too_many_instances() -> None:
    codes = [code_of(jet.JetCreateInstance, str(number)) for number in range(17)]
    assert codes == [0] * 16 + [jet.JET_errTooManyInstances]


@pytest.mark.parametrize("handle", [1, 0x1234560, "instance", 2.5, [], object(), True])
def test_what_is_no_instance(handle: Any) -> None:
    jet.JetCreateInstance("one")
    for call in (
        jet.JetTerm,
        jet.JetInit,
        jet.JetStopServiceInstance,
        jet.JetStopBackupInstance,
        lambda it: jet.JetTerm2(it, 0),
        lambda it: jet.JetInit3(it, None),
        lambda it: jet.JetBeginSession(it),
        lambda it: jet.JetGetInstanceMiscInfo(it, 0),
        lambda it: jet.JetSetSystemParameter(it, 0, 5, 1),
        lambda it: jet.JetGetSystemParameter(it, 0, 5),
    ):
        assert code_of(call, handle) == jet.JET_errInvalidInstance


@pytest.mark.parametrize("handle", [0, None, jet.JET_instanceNil])
def test_nil_instances_in_multi_mode(handle: Any) -> None:
    jet.JetCreateInstance("one")
    for call in (jet.JetTerm, jet.JetStopServiceInstance, jet.JetBeginSession):
        assert code_of(call, handle) == jet.JET_errInvalidParameter


def test_a_session_is_no_instance_and_the_other_way_round(start: Start) -> None:
    running = start()
    assert code_of(jet.JetTerm, running.sesid) == jet.JET_errInvalidInstance
    assert code_of(jet.JetBeginTransaction, running.instance) == jet.JET_errInvalidSesid


def test_init_twice_and_of_an_ended_instance(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    running = start()
    assert code_of(jet.JetInit, running.instance) == jet.JET_errAlreadyInitialized
    assert code_of(jet.JetInit2, running.instance, 0) == jet.JET_errAlreadyInitialized
    running.term()
    again = jet.JetInit(running.instance)  # a cell that holds no instance: a new one, with the parameters of the process
    assert again is not running.instance
    assert jet.JetGetSystemParameter(again, 0, jet.JET_paramLogFileSize) == 128
    assert jet.JetTerm(again) == 0


def test_init_grbits(tmp_path: Path) -> None:
    assert code_of(jet.JetInit2, allocate(tmp_path), 0x80000000) == jet.JET_errInvalidGrbit
    for instance in list(PROCESS.instances):
        jet.JetTerm(instance.handle)
    assert code_of(jet.JetInit2, allocate(tmp_path), jet.JET_bitLogStreamMustExist) == jet.JET_errMissingLogFile
    assert jet.JetGetInstanceInfo() == []


# ---- folders ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (jet.JET_paramSystemPath, jet.JET_errInvalidSystemPath),
        (jet.JET_paramLogFilePath, jet.JET_errInvalidLogDirectory),
        (jet.JET_paramTempPath, jet.JET_errInvalidPath),
    ],
)
def test_missing_folders(tmp_path: Path, number: int, code: int) -> None:
    instance = allocate(tmp_path)
    jet.JetSetSystemParameter(instance, 0, number, 0, f"{tmp_path}/a/b/")
    assert code_of(jet.JetInit, instance) == code
    instance = allocate(tmp_path, CreatePathIfNotExist=1)
    jet.JetSetSystemParameter(instance, 0, number, 0, f"{tmp_path}/a/b/")
    assert code_of(jet.JetInit, instance) == 0
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    instance = allocate(tmp_path, CreatePathIfNotExist=1)
    jet.JetSetSystemParameter(instance, 0, jet.JET_paramLogFilePath, 0, f"{tmp_path}/file/")
    assert code_of(jet.JetInit, instance) == jet.JET_errInvalidLogDirectory


@pytest.mark.parametrize(
    ("shared", "code"),
    [
        (jet.JET_paramTempPath, jet.JET_errTempPathInUse),
        (jet.JET_paramLogFilePath, jet.JET_errLogFilePathInUse),
        (jet.JET_paramSystemPath, jet.JET_errSystemPathInUse),
    ],
)
def test_instances_share_no_folders(start: Start, tmp_path: Path, shared: int, code: int) -> None:
    start("one", "one")
    (tmp_path / "two").mkdir()
    second = allocate(tmp_path / "two", "two")
    jet.JetSetSystemParameter(second, 0, shared, 0, f"{tmp_path}/two/../one/")
    assert code_of(jet.JetInit, second) == code
    assert code_of(jet.JetTerm, second) == jet.JET_errInvalidInstance
    assert len(jet.JetGetInstanceInfo()) == 1


def test_folders_of_their_own(tmp_path: Path) -> None:
    for name in ("logs", "system", "temp"):
        (tmp_path / name).mkdir()
    instance = allocate(tmp_path)
    jet.JetSetSystemParameter(instance, 0, jet.JET_paramLogFilePath, 0, f"{tmp_path}/logs")
    jet.JetSetSystemParameter(instance, 0, jet.JET_paramSystemPath, 0, f"{tmp_path}/system")
    jet.JetSetSystemParameter(instance, 0, jet.JET_paramTempPath, 0, f"{tmp_path}/temp")
    jet.JetSetSystemParameter(instance, 0, jet.JET_paramBaseName, 0, "xyz")
    jet.JetInit(instance)
    assert jet.JetGetSystemParameter(instance, 0, jet.JET_paramTempPath) == f"{tmp_path}/temp/tmp.edb"
    jet.JetTerm(instance)
    assert (tmp_path / "logs" / "xyz.log").exists()
    assert (tmp_path / "system" / "xyz.chk").exists()
    assert not list((tmp_path / "temp").iterdir())


def test_log_size_of_the_stream(start: Start, tmp_path: Path) -> None:
    start().term()
    code = code_of(start, LogFileSize=256)
    assert code == jet.JET_errLogFileSizeMismatchDatabasesConsistent
    first = Checkpoint.read(tmp_path / "edb.chk").signature
    start(LogFileSize=256, CleanupMismatchedLogFiles=1).term()
    assert (tmp_path / "edb.log").stat().st_size == 256 * 1024
    assert Checkpoint.read(tmp_path / "edb.chk").signature != first


def test_wrong_page_size_of_the_logs(start: Start, tmp_path: Path) -> None:
    start().term()
    jet.JetSetSystemParameter(None, 0, jet.JET_paramDatabasePageSize, 8192)
    assert code_of(start) == jet.JET_errPageSizeMismatch


def test_damaged_log_is_refused_and_kept(start: Start, tmp_path: Path) -> None:
    start().term()
    log = tmp_path / "edb.log"
    data = bytearray(log.read_bytes())
    data[100:140] = bytes(40)
    log.write_bytes(bytes(data))
    assert code_of(start) == jet.JET_errLogFileCorrupt
    assert log.read_bytes() == bytes(data)
    assert jet.JetGetInstanceInfo() == []


# ---- other processes and crashes --------------------------------------------------------------------------------


def test_another_process_holds_the_log_folder(tmp_path: Path) -> None:
    child = Child(tmp_path, "idle")
    try:
        assert code_of(jet.JetInit, allocate(tmp_path)) == jet.JET_errFileAccessDenied
    finally:
        child.kill()
    assert code_of(jet.JetInit, allocate(tmp_path)) == 0


def test_another_process_holds_the_database(start: Start, database: Path, tmp_path: Path) -> None:
    (tmp_path / "child").mkdir()
    child = Child(tmp_path / "child", "attached", database)
    try:
        running = start("mine")
        before = database.read_bytes()
        assert code_of(running.attach, "../db.edb") == jet.JET_errFileAccessDenied
        assert code_of(running.attach, "../db.edb", jet.JET_bitDbReadOnly) == jet.JET_errFileAccessDenied
        assert jet.JetGetDatabaseFileInfo(str(database), jet.JET_DbInfoDBInUse) == 1
        assert database.read_bytes() == before
    finally:
        child.kill()


@pytest.mark.parametrize("action", ["attached", "rolled", "deep", "circular"])
def test_killed_while_attached(start: Start, database: Path, tmp_path: Path, action: str) -> None:
    child = Child(tmp_path, action, database)
    child.kill()
    archives = len(list(tmp_path.glob("edb0*.log")))
    assert archives == {"attached": 0, "rolled": 3, "deep": 9}.get(action, archives)
    assert archives < 9 or action == "deep"
    if action in ("deep", "circular"):
        checkpoint = Checkpoint.read(tmp_path / "edb.chk")
        assert checkpoint.position.generation > 1
        assert [entry.path for entry in checkpoint.attachments] == [str(database)]
    assert jet.JetGetDatabaseFileInfo(str(database), jet.JET_DbInfoMisc).dbstate == jet.JET_dbstateDirtyShutdown
    running = start()
    header = running.header()
    assert header.dbstate == jet.JET_dbstateCleanShutdown
    assert running.attach() == 0
    assert running.header().lgposConsistent == header.lgposConsistent
    running.term()
    with LogFile(tmp_path / "edb.log") as log:
        kinds = [type(record).__name__ for _, record in log.records()]
    assert kinds.index("RecoveryQuit2") < len(kinds) - 1
    assert kinds[-1] == "Term2"


def test_killed_twice_and_dirty_file_is_refused_elsewhere(start: Start, database: Path, tmp_path: Path) -> None:
    for _ in range(2):
        Child(tmp_path, "attached", database).kill()
    (tmp_path / "other").mkdir()
    other = start("other", "other")
    assert code_of(other.attach, "../db.edb") == jet.JET_errDatabaseDirtyShutdown
    assert start().attach() == 0


def test_recovery_finds_a_moved_database_by_the_map(start: Start, database: Path, tmp_path: Path) -> None:
    Child(tmp_path, "attached", database).kill()
    moved = tmp_path / "moved.edb"
    database.rename(moved)
    assert code_of(start) == jet.JET_errAttachedDatabaseMismatch
    instance = allocate(tmp_path)
    entry = jet.JET_RSTMAP(szDatabaseName=str(database), szNewDatabaseName=str(moved))
    events: list[tuple[int, int, str]] = []

    def status(_sesid: Any, snp: int, snt: int, pv: Any) -> int:
        events.append((snp, snt, type(pv).__name__))
        return 0

    jet.JetInit3(instance, jet.JET_RSTINFO(rgrstmap=[entry], pfnStatus=status))
    assert jet.JetGetDatabaseFileInfo(str(moved), jet.JET_DbInfoMisc).dbstate == jet.JET_dbstateCleanShutdown
    assert {name for _, _, name in events} == {"JET_RECOVERYCONTROL", "JET_SNPROG"}
    assert (jet.JET_snpRestore, jet.JET_sntComplete, "JET_SNPROG") in events


def test_recovery_into_the_alternate_path(database: Path, tmp_path: Path) -> None:
    Child(tmp_path, "attached", database).kill()
    (tmp_path / "elsewhere").mkdir()
    database.rename(tmp_path / "elsewhere" / "db.edb")
    instance = allocate(tmp_path)
    jet.JetSetSystemParameter(instance, 0, jet.JET_paramAlternateDatabaseRecoveryPath, 0, f"{tmp_path}/elsewhere")
    assert code_of(jet.JetInit, instance) == 0
    header = jet.JetGetDatabaseFileInfo(str(tmp_path / "elsewhere" / "db.edb"), jet.JET_DbInfoMisc)
    assert header.dbstate == jet.JET_dbstateCleanShutdown


def test_lost_logs_are_a_warning_where_allowed(database: Path, tmp_path: Path) -> None:
    Child(tmp_path, "attached", database).kill()
    database.unlink()
    instance = allocate(tmp_path)
    assert code_of(jet.JetInit2, instance, jet.JET_bitReplayIgnoreMissingDB) == 0


def test_databases_wanted_attached_after_recovery(start: Start, database: Path, tmp_path: Path) -> None:
    Child(tmp_path, "attached", database).kill()
    instance = allocate(tmp_path)
    jet.JetInit2(instance, jet.JET_bitKeepDbAttachedAtEndOfRecovery)
    sesid = jet.JetBeginSession(instance)
    assert code_of(jet.JetAttachDatabase, sesid, str(database)) in (0, jet.JET_wrnDatabaseAttached)
    assert jet.JetTerm(instance) == 0


def test_recovery_without_undo_starts_nothing(database: Path, tmp_path: Path) -> None:
    Child(tmp_path, "attached", database).kill()
    code = code_of(jet.JetInit2, allocate(tmp_path), jet.JET_bitRecoveryWithoutUndo)
    assert code in (jet.JET_errRecoveredWithoutUndo, jet.JET_errRecoveredWithoutUndoDatabasesConsistent)
    assert jet.JetGetInstanceInfo() == []
    header = jet.JetGetDatabaseFileInfo(str(database), jet.JET_DbInfoMisc)
    assert header.dbstate == jet.JET_dbstateDirtyShutdown
    assert code_of(jet.JetInit, allocate(tmp_path)) == 0


def test_callback_of_the_caller_fails(database: Path, tmp_path: Path) -> None:
    Child(tmp_path, "attached", database).kill()

    def status(*_: object) -> int:
        raise RuntimeError("of the caller")

    with pytest.raises(RuntimeError, match="of the caller"):
        jet.JetInit4(allocate(tmp_path), jet.JET_RSTINFO2(pfnCallback=status))
    assert jet.JetGetInstanceInfo() == []
    assert code_of(jet.JetInit, allocate(tmp_path)) == 0


# ---- genuine sets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dirty-4k", "dirty-checkpoint-8k"])
def test_genuine_dirty_sets_start(fixtures: Any, tmp_path: Path, name: str) -> None:
    fixtures.copy_set(f"engine/{name}", tmp_path)
    page_size = 8192 if name.endswith("8k") else 4096
    jet.JetSetSystemParameter(None, 0, jet.JET_paramDatabasePageSize, page_size)
    instance = jet.JetCreateInstance("genuine")
    set_paths(instance, tmp_path)
    jet.JetSetSystemParameter(instance, 0, jet.JET_paramAlternateDatabaseRecoveryPath, 0, str(tmp_path))
    size = (tmp_path / "edb.log").stat().st_size // 1024
    jet.JetSetSystemParameter(instance, 0, jet.JET_paramLogFileSize, size)
    jet.JetInit(instance)
    sesid = jet.JetBeginSession(instance)
    assert jet.JetAttachDatabase(sesid, str(tmp_path / "db.edb")) == 0
    assert jet.JetTerm2(instance, jet.JET_bitTermComplete) == 0


def test_genuine_clean_set_goes_on(fixtures: Any, tmp_path: Path) -> None:
    fixtures.copy_set("engine/clean-4k", tmp_path)
    instance = allocate(tmp_path, LogFileSize=256)
    jet.JetInit(instance)
    signature = jet.JetGetInstanceMiscInfo(instance, jet.JET_InstanceMiscInfoLogSignature)
    sesid = jet.JetBeginSession(instance)
    before = jet.JetGetDatabaseFileInfo(str(tmp_path / "db.edb"), jet.JET_DbInfoMisc)
    assert before.signLog == signature
    jet.JetAttachDatabase(sesid, str(tmp_path / "db.edb"))
    after = jet.JetGetDatabaseFileInfo(str(tmp_path / "db.edb"), jet.JET_DbInfoMisc)
    assert after.lgposConsistent == before.lgposConsistent
    assert after.lgposAttach > before.lgposDetach
    jet.JetTerm(instance)


# ---- ending -----------------------------------------------------------------------------------------------------


def test_term_waits_for_calls_under_way(start: Start, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = start()
    inside, go_on = threading.Event(), threading.Event()
    databases = PROCESS.instances[0].databases
    attach = databases.attach

    def held(*arguments: Any) -> int:
        inside.set()
        go_on.wait(20)
        return attach(*arguments)

    monkeypatch.setattr(databases, "attach", held)
    codes: list[int] = []
    attaching = threading.Thread(target=lambda: codes.append(code_of(running.attach)))
    attaching.start()
    assert inside.wait(20)
    ending = threading.Thread(target=running.term)
    ending.start()
    while PROCESS.instances and not PROCESS.instances[0].terminating:
        pass
    assert code_of(jet.JetBeginSession, running.instance) == jet.JET_errTermInProgress
    assert code_of(jet.JetTerm, running.instance) == jet.JET_errTermInProgress
    assert ending.is_alive()
    go_on.set()
    attaching.join(20)
    ending.join(20)
    assert codes == [0]
    assert running.header().dbstate == jet.JET_dbstateCleanShutdown


def test_many_threads_end_one_instance(start: Start) -> None:
    running = start()
    codes: list[int] = []
    workers = [threading.Thread(target=lambda: codes.append(code_of(jet.JetTerm, running.instance))) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert sorted(codes)[-1] == 0
    assert codes.count(0) == 1
    assert set(codes) <= {0, jet.JET_errTermInProgress, jet.JET_errInvalidInstance}


def test_calls_while_initialising(tmp_path: Path, fixtures: Any) -> None:
    fixtures.copy_set("engine/clean-4k", tmp_path)
    instance = allocate(tmp_path, LogFileSize=256)
    codes: list[int] = []

    def status(*_: object) -> int:
        if not codes:
            codes.extend(
                [
                    code_of(jet.JetBeginSession, instance),
                    code_of(jet.JetGetInstanceMiscInfo, instance, 0),
                    code_of(jet.JetInit, instance),
                    code_of(jet.JetTerm, instance),
                    code_of(jet.JetSetSystemParameter, instance, 0, jet.JET_paramMaxSessions, 3),
                    code_of(jet.JetStopBackupInstance, instance),
                ]
            )
        return 0

    jet.JetInit3(instance, jet.JET_RSTINFO(pfnStatus=status))
    assert codes == [
        jet.JET_errInitInProgress,
        jet.JET_errNotInitialized,
        jet.JET_errInitInProgress,
        jet.JET_errInitInProgress,
        jet.JET_errAlreadyInitialized,
        0,
    ]


def test_term_from_within_a_call_is_refused(start: Start, database: Path, tmp_path: Path) -> None:
    running = start()
    running.attach()
    (tmp_path / "backup").mkdir()
    codes: list[int] = []

    def status(*_: object) -> int:
        codes.append(code_of(jet.JetTerm, running.instance))
        return 0

    jet.JetBackupInstance(running.instance, str(tmp_path / "backup"), 0, status)
    assert set(codes) == {jet.JET_errTermInProgress}
    assert running.term() == 0


def test_handles_after_the_end(start: Start, database: Path) -> None:
    running = start()
    running.attach()
    dbid = running.open()
    running.term()
    assert code_of(jet.JetBeginTransaction, running.sesid) == jet.JET_errInvalidSesid
    assert code_of(jet.JetCloseDatabase, running.sesid, dbid) == jet.JET_errInvalidSesid
    assert code_of(jet.JetEndSession, running.sesid) == jet.JET_errInvalidSesid
    assert code_of(jet.JetTerm2, running.instance, 0) == jet.JET_errInvalidInstance


@pytest.mark.parametrize("grbit", [jet.JET_bitTermComplete, jet.JET_bitTermDirty])
def test_an_instance_that_has_ended_keeps_no_memory(start: Start, grbit: int) -> None:
    running = start()
    dbid = jet.JetCreateDatabase(running.sesid, running.path())
    jet.JetCloseTable(running.sesid, jet.JetCreateTable(running.sesid, dbid, "T"))
    instance = weakref.ref(running.instance.target)
    assert code_of(running.term, grbit) in (0, jet.JET_errDirtyShutdown)
    gc.collect()
    assert instance() is None


@pytest.mark.parametrize("sesid", [0, None, jet.JET_sesidNil, 7, "session", object(), [1]])
def test_what_is_no_session(sesid: Any) -> None:
    for call in (
        jet.JetEndSession,
        jet.JetBeginTransaction,
        jet.JetCommitTransaction,
        jet.JetRollback,
        jet.JetIdle,
        jet.JetDupSession,
        jet.JetResetSessionContext,
        lambda it: jet.JetSetSessionContext(it, 1),
        lambda it: jet.JetAttachDatabase(it, "a.edb"),
        lambda it: jet.JetDetachDatabase(it, None),
        lambda it: jet.JetOpenDatabase(it, "a.edb"),
        lambda it: jet.JetCloseDatabase(it, 1),
        lambda it: jet.JetGetDatabaseInfo(it, 1, 0),
        lambda it: jet.JetGetSessionInfo(it, 0),
    ):
        assert code_of(call, sesid) == jet.JET_errInvalidSesid


@pytest.mark.parametrize("dbid", [0, None, -1, jet.JET_dbidNil, 99, "db", 1.5, object(), []])
def test_what_is_no_database(start: Start, dbid: Any) -> None:
    sesid = start().sesid
    assert code_of(jet.JetCloseDatabase, sesid, dbid) == jet.JET_errInvalidDatabaseId
    assert code_of(jet.JetGetDatabaseInfo, sesid, dbid, 0) == jet.JET_errInvalidDatabaseId


def test_many_sessions_wait_and_roll_at_once(start: Start, database: Path) -> None:
    running = start(CheckpointDepthMax=256 * 1024)
    running.attach()
    codes: set[int] = set()

    def work() -> None:
        sesid = jet.JetBeginSession(running.instance)
        for turn in range(12):
            codes.add(code_of(jet.JetBeginTransaction, sesid))
            codes.add(code_of(jet.JetCommitTransaction, sesid))
            codes.add(code_of(jet.JetCommitTransaction, sesid, jet.JET_bitWaitAllLevel0Commit))
            if turn % 4 == 0:
                codes.add(code_of(jet.JetCommitTransaction, sesid, jet.JET_bitForceNewLog))
                snapshot = code_of(jet.JetGetInstanceMiscInfo, running.instance, jet.JET_InstanceMiscInfoCheckpoint)
                codes.add(snapshot)
        codes.add(code_of(jet.JetEndSession, sesid))

    workers = [threading.Thread(target=work, daemon=True) for _ in range(6)]
    for worker in workers:
        worker.start()
    for _ in range(5):
        frozen = jet.JetOSSnapshotPrepare(0)
        jet.JetOSSnapshotFreeze(frozen, 0)
        jet.JetOSSnapshotThaw(frozen, 0)
    for worker in workers:
        worker.join(60)
    assert not any(worker.is_alive() for worker in workers)
    assert codes == {0}
    assert running.term() == 0
    assert running.header().dbstate == jet.JET_dbstateCleanShutdown


def test_end_after_the_log_failed(start: Start, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from esent.errors import jet_error
    from esent.pages.filesystem import File

    running = start()
    running.attach()

    def fail(*_: object) -> None:
        raise jet_error(jet.JET_errDiskIO, "simulated")

    with monkeypatch.context() as broken:
        broken.setattr(File, "write", fail)
        assert code_of(jet.JetCommitTransaction, running.sesid, jet.JET_bitWaitAllLevel0Commit) == jet.JET_errLogWriteFail
    assert code_of(jet.JetBeginTransaction, running.sesid) == jet.JET_errInstanceUnavailable
    assert code_of(jet.JetBeginSession, running.instance) == jet.JET_errInstanceUnavailable
    assert code_of(running.term) == jet.JET_errLogWriteFail
    assert code_of(running.term) == jet.JET_errInvalidInstance
    assert running.header().dbstate == jet.JET_dbstateDirtyShutdown
    assert start().header().dbstate == jet.JET_dbstateCleanShutdown


def test_no_room_for_the_next_log(start: Start, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from esent.errors import jet_error
    from esent.log.generations import StreamFiles

    running = start()
    running.attach()

    def full(*_: object, **__: object) -> bool:
        raise jet_error(jet.JET_errDiskFull, "simulated")

    with monkeypatch.context() as broken:
        broken.setattr(StreamFiles, "prepare", full)
        code = code_of(jet.JetCommitTransaction, running.sesid, jet.JET_bitForceNewLog)
        assert code == jet.JET_errLogDiskFull
        assert code_of(jet.JetBeginTransaction, running.sesid) == jet.JET_errInstanceUnavailableDueToFatalLogDiskFull
    assert code_of(running.term) == jet.JET_errLogDiskFull
    assert start().attach() == 0


def test_end_after_the_log_was_stopped(start: Start, database: Path) -> None:
    running = start()
    running.attach()
    stop = jet.JetStopServiceInstance2(running.instance, jet.JET_bitStopServiceStopAndEmitLog)
    assert stop == jet.JET_wrnCallbackNotRegistered
    assert code_of(jet.JetBeginExternalBackupInstance, running.instance, 0) == jet.JET_errLogWriteFail
    assert code_of(running.term) == jet.JET_errLogWriteFail
    assert start().attach() == 0


def test_stopping_the_service_of_what_does_not_run(tmp_path: Path) -> None:
    assert code_of(jet.JetStopServiceInstance, allocate(tmp_path)) == jet.JET_errNotInitialized


def test_misc_info(start: Start) -> None:
    running = start()
    assert jet.JetGetInstanceMiscInfo(running.instance, 1).genMin == 1
    assert code_of(jet.JetGetInstanceMiscInfo, running.instance, 9) == jet.JET_errInvalidParameter


def test_disk_full_at_init_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from esent.errors import jet_error
    from esent.pages.filesystem import File

    def full(*_: object) -> None:
        raise jet_error(jet.JET_errDiskFull, "simulated")

    with monkeypatch.context() as broken:
        broken.setattr(File, "write", full)
        assert code_of(jet.JetInit, allocate(tmp_path)) in (jet.JET_errLogDiskFull, jet.JET_errDiskFull)
    assert jet.JetGetInstanceInfo() == []
    assert code_of(jet.JetInit, allocate(tmp_path)) == 0


def test_warnings_of_recovery_are_issued(start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from esent.engine import startup

    start().term()
    recover = startup.soft_recover

    def with_warning(options: Any) -> Any:
        result = recover(options)
        result.warning = jet.JET_wrnCommittedLogFilesLost
        return result

    monkeypatch.setattr(startup, "soft_recover", with_warning)
    with pytest.warns(JetWarning) as caught:
        jet.JetInit(allocate(tmp_path))
    assert caught[0].message.code == jet.JET_wrnCommittedLogFilesLost  # type: ignore[union-attr]


def test_a_failed_header_write_at_the_end_is_reported(start: Start, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from esent.errors import jet_error
    from esent.pages.database_file import DatabaseFile

    running = start()
    running.attach()

    def full(*_: object, **__: object) -> None:
        raise jet_error(jet.JET_errDiskIO, "simulated")

    with monkeypatch.context() as broken:
        broken.setattr(DatabaseFile, "write_header", full)
        with pytest.raises(JetError):
            running.term()
    assert jet.JetGetInstanceInfo() == []
    again = start()
    assert again.header().dbstate == jet.JET_dbstateCleanShutdown
