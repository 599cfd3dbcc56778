"""The conformance checklist of `reference/backup-and-restore.md`, sections 9.1, 9.2 and 9.10: a test a statement, by number.

A stale or foreign instance handle is answered with JET_errInvalidInstance (-1115), as the original was recorded to do; the page
names -1003 and calls -1115 harmless.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esent import jet
from esent.engine.process import PROCESS
from esent.errors import JetError, jet_error
from esent.pages.filesystem import File
from jet_helpers import Running, allocate, code_of, set_paths

Start = Callable[..., Running]
LEGACY_STREAM: list[tuple[Any, tuple[Any, ...]]] = [
    (jet.JetBeginExternalBackup, (0,)),
    (jet.JetGetAttachInfo, ()),
    (jet.JetOpenFile, ("db.edb",)),
    (jet.JetReadFile, (0, 65536)),
    (jet.JetCloseFile, (0,)),
    (jet.JetGetLogInfo, ()),
    (jet.JetTruncateLog, ()),
    (jet.JetEndExternalBackup, ()),
]


def start_legacy(folder: Path) -> Any:
    """The single instance of one-instance mode."""
    set_paths(None, folder)
    return jet.JetInit(None)


def read_all(read: Callable[[int], bytes]) -> int:
    total = 0
    while data := read(65536):
        total += len(data)
    return total


# ---- 9.1 modes and handles --------------------------------------------------------------------------------------


def test_001_stop_backup_with_nothing_created() -> None:
    assert code_of(jet.JetStopBackup) == jet.JET_errInvalidParameter


def test_002_stop_service_with_nothing_created() -> None:
    assert code_of(jet.JetStopService) == jet.JET_errInvalidParameter


def test_003_streaming_calls_with_nothing_created() -> None:
    assert {code_of(call, *arguments) for call, arguments in LEGACY_STREAM} == {jet.JET_errInvalidParameter}


def test_004_stop_backup_of_the_one_instance(tmp_path: Path) -> None:
    start_legacy(tmp_path)
    assert jet.JetStopBackup() == 0


def test_005_whole_sequence_without_an_instance(tmp_path: Path, database: Path) -> None:
    instance = start_legacy(tmp_path)
    sesid = jet.JetBeginSession(instance)
    jet.JetAttachDatabase(sesid, str(database))
    jet.JetBeginExternalBackup(0)
    assert jet.JetGetAttachInfo() == [str(database)]
    handle, size = jet.JetOpenFile(str(database))
    assert read_all(lambda count: jet.JetReadFile(handle, count)) == size
    jet.JetCloseFile(handle)
    logs = jet.JetGetLogInfo()
    assert [Path(log).name for log in logs] == ["edb00001.log"]
    for log in logs:
        handle, size = jet.JetOpenFile(log)
        assert read_all(lambda count, handle=handle: jet.JetReadFile(handle, count)) == size
        jet.JetCloseFile(handle)
    assert jet.JetTruncateLog() == 0
    assert jet.JetEndExternalBackup() == 0


@pytest.mark.parametrize("given", [None, 0, jet.JET_instanceNil])
def test_006_instance_forms_use_the_one_instance(tmp_path: Path, given: Any) -> None:
    start_legacy(tmp_path)
    assert jet.JetStopBackupInstance(given) == 0
    assert code_of(jet.JetBeginExternalBackupInstance, given, 0) == 0


def test_007_legacy_forms_with_one_created_instance() -> None:
    jet.JetCreateInstance("only")
    codes = {code_of(call, *arguments) for call, arguments in LEGACY_STREAM}
    codes |= {code_of(jet.JetStopBackup), code_of(jet.JetStopService)}
    assert codes == {jet.JET_errRunningInMultiInstanceMode}


def test_008_stop_backup_in_multi_mode_without_instance() -> None:
    assert jet.JetEnableMultiInstance([]) == 0
    assert code_of(jet.JetStopBackup) == jet.JET_errRunningInMultiInstanceMode


def test_009_create_instance_in_one_instance_mode(tmp_path: Path) -> None:
    start_legacy(tmp_path)
    assert code_of(jet.JetCreateInstance, "other") == jet.JET_errRunningInOneInstanceMode


def test_010_init_without_instance_in_multi_mode() -> None:
    jet.JetCreateInstance("one")
    assert code_of(jet.JetInit, None) == jet.JET_errRunningInMultiInstanceMode


def test_011_init_again_in_one_instance_mode(tmp_path: Path) -> None:
    start_legacy(tmp_path)
    assert code_of(jet.JetInit, None) == jet.JET_errAlreadyInitialized


def test_012_stop_backup_of_an_unknown_handle() -> None:
    jet.JetCreateInstance("one")
    assert code_of(jet.JetStopBackupInstance, 0x1234560) == jet.JET_errInvalidInstance
    assert code_of(jet.JetStopBackupInstance, 0) == jet.JET_errInvalidParameter


def test_013_stop_backup_of_a_terminated_instance(start: Start) -> None:
    running = start()
    running.term()
    jet.JetCreateInstance("keeps multi-instance mode on")
    assert code_of(jet.JetStopBackupInstance, running.instance) == jet.JET_errInvalidInstance


def test_014_mode_is_open_again_after_the_last_instance(start: Start, tmp_path: Path) -> None:
    start("a").term()
    assert code_of(start_legacy, tmp_path) == 0


def test_015_create_after_the_one_instance_ended(tmp_path: Path) -> None:
    jet.JetTerm(start_legacy(tmp_path))
    assert code_of(jet.JetCreateInstance, "now") == 0


def test_016_restore_in_the_wrong_mode(tmp_path: Path) -> None:
    jet.JetCreateInstance("one")
    backup = str(tmp_path / "backup")
    assert code_of(jet.JetRestore, backup, None) == jet.JET_errRunningInMultiInstanceMode
    assert code_of(jet.JetRestore2, backup, str(tmp_path), None) == jet.JET_errRunningInMultiInstanceMode
    jet.JetTerm(PROCESS.instances[0].handle)
    start_legacy(tmp_path)
    restore_map = [jet.JET_RSTMAP(szDatabaseName="old.edb", szNewDatabaseName=str(tmp_path / "new.edb"))]
    code = code_of(jet.JetExternalRestore, str(tmp_path), str(tmp_path), restore_map, backup, 1, 1, None)
    assert code == jet.JET_errRunningInOneInstanceMode


def test_017_setting_parameters_chooses_no_mode() -> None:
    jet.JetSetSystemParameter(None, jet.JET_sesidNil, jet.JET_paramMaxSessions, 20)
    assert code_of(jet.JetCreateInstance, "one") == 0


# ---- 9.2 life cycle ---------------------------------------------------------------------------------------------


def test_018_begin_backup_before_init(tmp_path: Path) -> None:
    assert code_of(jet.JetBeginExternalBackupInstance, allocate(tmp_path), 0) == jet.JET_errNotInitialized


def test_019_stop_backup_before_init(tmp_path: Path) -> None:
    assert jet.JetStopBackupInstance(allocate(tmp_path)) == 0


def test_020_term_before_init(tmp_path: Path) -> None:
    instance = allocate(tmp_path)
    assert jet.JetTerm(instance) == 0
    assert code_of(jet.JetTerm, instance) == jet.JET_errInvalidInstance


def test_021_begin_backup_while_initialising(tmp_path: Path, fixtures: Any) -> None:
    fixtures.copy_set("engine/clean-4k", tmp_path)
    instance = allocate(tmp_path, LogFileSize=256)
    codes: list[int] = []

    def status(*_: object) -> int:
        if not codes:
            worker = threading.Thread(target=lambda: codes.append(code_of(jet.JetBeginExternalBackupInstance, instance, 0)))
            worker.start()
            worker.join(20)
        return 0

    jet.JetInit3(instance, jet.JET_RSTINFO(pfnStatus=status))
    assert codes == [jet.JET_errNotInitialized]


def test_022_streaming_call_while_terminating(start: Start, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running = start()
    running.attach()
    inside, go_on = threading.Event(), threading.Event()
    target = PROCESS.instances[0]
    shut_down = target.databases.shut_down

    def held(position: Any) -> None:
        inside.set()
        go_on.wait(20)
        shut_down(position)

    monkeypatch.setattr(target.databases, "shut_down", held)
    worker = threading.Thread(target=running.term)
    worker.start()
    assert inside.wait(20)
    code = code_of(jet.JetGetAttachInfoInstance, running.instance)
    go_on.set()
    worker.join(20)
    assert code == jet.JET_errTermInProgress


def test_023_begin_backup_when_initialised(start: Start) -> None:
    assert jet.JetBeginExternalBackupInstance(start().instance, 0) == 0


def test_024_backups_stay_allowed_after_a_refused_term(start: Start) -> None:
    running = start()
    jet.JetBeginExternalBackupInstance(running.instance, 0)
    assert code_of(running.term) == jet.JET_errBackupInProgress
    jet.JetEndExternalBackupInstance(running.instance)
    assert jet.JetBeginExternalBackupInstance(running.instance, 0) == 0


def test_025_backup_works_after_a_term_refused_for_a_transaction(start: Start, database: Path, tmp_path: Path) -> None:
    running = start()
    running.attach()
    jet.JetBeginTransaction(running.sesid)
    assert code_of(running.term) == jet.JET_errTooManyActiveUsers
    (tmp_path / "backup").mkdir()
    assert jet.JetBackupInstance(running.instance, str(tmp_path / "backup"), 0, None) == 0


def test_026_backup_without_logging(start: Start, tmp_path: Path) -> None:
    running = start(Recovery="off")
    assert code_of(jet.JetBeginExternalBackupInstance, running.instance, 0) == jet.JET_errLoggingDisabled
    assert code_of(jet.JetBackupInstance, running.instance, str(tmp_path / "b"), 0, None) == jet.JET_errLoggingDisabled


def test_027_begin_backup_after_a_log_write_failed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running = start()

    def fail(*_: object) -> None:
        raise jet_error(jet.JET_errDiskIO, "simulated")

    monkeypatch.setattr(File, "write", fail)
    jet.JetBeginTransaction(running.sesid)
    assert code_of(jet.JetCommitTransaction, running.sesid, jet.JET_bitWaitAllLevel0Commit) == jet.JET_errLogWriteFail
    code = code_of(jet.JetBeginExternalBackupInstance, running.instance, 0)
    assert code in (jet.JET_errLogWriteFail, jet.JET_errInstanceUnavailable)


# ---- 9.10 stop service and termination --------------------------------------------------------------------------


def test_142_stop_service_twice(start: Start) -> None:
    running = start()
    assert jet.JetStopServiceInstance(running.instance) == 0
    assert jet.JetStopServiceInstance(running.instance) == 0


def test_143_streaming_calls_after_stop_service(start: Start) -> None:
    running = start()
    jet.JetStopServiceInstance(running.instance)
    codes = {
        code_of(jet.JetBeginExternalBackupInstance, running.instance, 0),
        code_of(jet.JetReadFileInstance, running.instance, 0, 65536),
        code_of(jet.JetEndExternalBackupInstance, running.instance),
    }
    assert codes == {jet.JET_errClientRequestToStopJetService}


def test_144_closing_calls_after_stop_service(start: Start, database: Path) -> None:
    running = start()
    running.attach()
    dbid = running.open()
    jet.JetBeginTransaction(running.sesid)
    jet.JetStopServiceInstance(running.instance)
    assert code_of(jet.JetBeginTransaction, running.sesid) == jet.JET_errClientRequestToStopJetService
    assert jet.JetRollback(running.sesid) == 0
    assert jet.JetCloseDatabase(running.sesid, dbid) == 0
    assert jet.JetDetachDatabase(running.sesid, str(database)) == 0
    assert jet.JetEndSession(running.sesid) == 0


def test_145_term_after_stop_service(start: Start) -> None:
    running = start()
    jet.JetStopServiceInstance(running.instance)
    assert jet.JetTerm(running.instance) == 0


@pytest.mark.parametrize("grbit", [0x1, 0x10, 0x8000, 0x8 | 0x4, 0x80000000 | 0x8])
def test_146_stop_service_with_wrong_bits(start: Start, grbit: int) -> None:
    assert code_of(jet.JetStopServiceInstance2, start().instance, grbit) == jet.JET_errInvalidGrbit


def test_147_a_stopped_service_is_not_resumed(start: Start) -> None:
    running = start()
    assert jet.JetStopServiceInstance2(running.instance, 0) == 0
    code = code_of(jet.JetStopServiceInstance2, running.instance, jet.JET_bitStopServiceResume)
    assert code == jet.JET_errClientRequestToStopJetService


@pytest.mark.parametrize("grbit", [jet.JET_bitTermComplete, 0])
def test_148_clean_term_with_a_backup(start: Start, database: Path, grbit: int) -> None:
    running = start()
    running.attach()
    jet.JetBeginExternalBackupInstance(running.instance, 0)
    handle, _ = jet.JetOpenFileInstance(running.instance, str(database))
    assert code_of(running.term, grbit) == jet.JET_errBackupInProgress
    assert len(jet.JetReadFileInstance(running.instance, handle, 65536)) == 65536


def test_149_term_that_stops_the_backup(start: Start) -> None:
    running = start()
    jet.JetBeginExternalBackupInstance(running.instance, 0)
    assert running.term(jet.JET_bitTermComplete | jet.JET_bitTermStopBackup) == 0


@pytest.mark.parametrize("term", [jet.JetTerm, lambda instance: jet.JetTerm2(instance, jet.JET_bitTermAbrupt)])
def test_150_abrupt_term_with_a_backup(start: Start, term: Callable[[Any], int]) -> None:
    running = start()
    jet.JetBeginExternalBackupInstance(running.instance, 0)
    assert term(running.instance) == 0
    assert jet.JetGetInstanceInfo() == []


def test_151_clean_term_with_a_stopped_backup(start: Start) -> None:
    running = start()
    jet.JetBeginExternalBackupInstance(running.instance, 0)
    jet.JetStopBackupInstance(running.instance)
    assert code_of(running.term) == jet.JET_errBackupInProgress


def test_152_clean_term_with_a_transaction(start: Start) -> None:
    running = start()
    jet.JetBeginTransaction(running.sesid)
    assert code_of(running.term) == jet.JET_errTooManyActiveUsers
    assert jet.JetCommitTransaction(running.sesid) == 0
    assert running.term() == 0


def test_153_dirty_term_and_recovery(start: Start, database: Path) -> None:
    running = start()
    running.attach()
    assert code_of(running.term, jet.JET_bitTermDirty) == jet.JET_errDirtyShutdown
    assert running.header().dbstate == jet.JET_dbstateDirtyShutdown
    again = start()
    assert again.header().dbstate == jet.JET_dbstateCleanShutdown
    assert again.attach() == 0


def test_errors_are_raised_as_their_own_class() -> None:
    with pytest.raises(JetError) as caught:
        jet.JetStopBackup()
    assert type(caught.value).__name__ == "InvalidParameterError"
