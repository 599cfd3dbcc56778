"""Volume snapshots: section 9.13 of the conformance checklist by number, and that a freeze really holds writes.

The recorded answers decide where the checklist differs: an instance of a default Prepare cannot be added again. 203 and 204
(JetGetInstanceInfo, JetGetInstanceMiscInfo) are tested with the other information calls.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backup_helpers import begin, is_stamped, logs_in, shallow, stamps, stream, to_log_phase
from esent import jet
from esent.engine.process import PROCESS
from esent.tools.dump import dump
from jet_helpers import Running, code_of

PATIENCE = 20.0
CONTINUE = jet.JET_bitContinueAfterThaw
ABORT = jet.JET_bitAbortSnapshot


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def frozen(grbit: int = 0) -> Any:
    session = jet.JetOSSnapshotPrepare(grbit)
    jet.JetOSSnapshotFreeze(session)
    return session


def thawed(grbit: int = CONTINUE) -> Any:
    session = frozen(grbit)
    jet.JetOSSnapshotThaw(session)
    return session


def is_gone(session: Any) -> bool:
    return code_of(jet.JetOSSnapshotGetFreezeInfo, session) == jet.JET_errOSSnapshotInvalidSnapId


def test_190_unknown_bits(run):
    for grbit in (0x10, 0x4000, "0"):
        assert code_of(jet.JetOSSnapshotPrepare, grbit) == jet.JET_errInvalidGrbit
    session = jet.JetOSSnapshotPrepare()
    for call, bad in (
        (jet.JetOSSnapshotFreeze, 1),
        (jet.JetOSSnapshotThaw, 1),
        (jet.JetOSSnapshotAbort, 1),
        (jet.JetOSSnapshotGetFreezeInfo, 1),
        (jet.JetOSSnapshotTruncateLog, 2),
        (jet.JetOSSnapshotEnd, 2),
    ):
        assert code_of(call, session, bad) == jet.JET_errInvalidGrbit
    assert code_of(jet.JetOSSnapshotPrepareInstance, session, run.instance, 1) == jet.JET_errInvalidGrbit


def test_without_an_instance():
    assert code_of(jet.JetOSSnapshotPrepare) == jet.JET_errNotInitialized


def test_191_sequence_and_ids(run):
    session = jet.JetOSSnapshotPrepare()
    assert code_of(jet.JetOSSnapshotThaw, session) == jet.JET_errOSSnapshotInvalidSequence
    for number in (0, 12345, -1, None, "1"):
        assert code_of(jet.JetOSSnapshotThaw, number) == jet.JET_errOSSnapshotInvalidSnapId


def test_192_streaming_backup_running(run):
    begin(run)
    session = jet.JetOSSnapshotPrepare()
    assert code_of(jet.JetOSSnapshotFreeze, session) == jet.JET_errOSSnapshotNotAllowed
    assert jet.JetOSSnapshotEnd(session) == 0
    assert len(jet.JetGetAttachInfoInstance(run.instance)) == 1


def test_193_a_freeze_holds_commits_and_lets_reads_go_on(run, pool):
    session = frozen()
    assert code_of(jet.JetOSSnapshotFreeze, session) == jet.JET_errOSSnapshotInvalidSequence
    before = {path.name: path.read_bytes() for path in run.folder.iterdir() if path.is_file()}

    def durable() -> int:
        sesid = jet.JetBeginSession(run.instance)
        jet.JetBeginTransaction(sesid)
        return code_of(jet.JetCommitTransaction, sesid, jet.JET_bitWaitLastLevel0Commit)

    engine = PROCESS.resolve(run.instance)
    rolling = pool.submit(engine.roll_log)
    committing = pool.submit(durable)
    time.sleep(0.2)
    assert not rolling.done()
    dbid = run.open()
    assert jet.JetGetDatabaseInfo(run.sesid, dbid, jet.JET_DbInfoMisc).dbstate == 2
    assert {path.name: path.read_bytes() for path in run.folder.iterdir() if path.is_file()} == before
    assert jet.JetOSSnapshotThaw(session) == 0
    rolling.result(PATIENCE)
    assert committing.result(PATIENCE) == 0
    assert len(logs_in(run.folder)) > len([name for name in before if name.startswith("edb0")])


def test_194_timeout(run, pool):
    jet.JetSetSystemParameter(None, 0, jet.JET_paramOSSnapshotTimeout, 1000)
    session = frozen()
    rolling = pool.submit(PROCESS.resolve(run.instance).roll_log)
    rolling.result(PATIENCE)  # goes on by itself
    assert code_of(jet.JetOSSnapshotThaw, session) == jet.JET_errOSSnapshotTimeOut
    assert is_gone(session)
    assert not is_stamped(stamps(run).bkinfoFullPrev)
    assert begin(run) == 0


def timed_out(run: Running, grbit: int) -> Any:
    jet.JetSetSystemParameter(None, 0, jet.JET_paramOSSnapshotTimeout, 1000)
    session = frozen(grbit)
    begin(run)  # waits for the thaw
    jet.JetEndExternalBackupInstance(run.instance)
    return session


def test_195_end_of_a_session_that_timed_out(run):
    session = timed_out(run, CONTINUE)
    assert code_of(jet.JetOSSnapshotTruncateLog, session) == jet.JET_errOSSnapshotInvalidSequence
    assert code_of(jet.JetOSSnapshotThaw, session) == jet.JET_errOSSnapshotTimeOut
    assert code_of(jet.JetOSSnapshotEnd, session) == jet.JET_errOSSnapshotTimeOut
    assert is_gone(session)


@pytest.mark.parametrize("call", [jet.JetOSSnapshotAbort, lambda session: jet.JetOSSnapshotEnd(session, ABORT)])
def test_abort_of_a_session_that_timed_out(run, call):
    session = timed_out(run, CONTINUE)
    assert call(session) == 0
    assert is_gone(session)


def test_196_thaw_ends_the_session(run):
    session = frozen()
    assert jet.JetOSSnapshotThaw(session) == 0
    for call in (jet.JetOSSnapshotThaw, jet.JetOSSnapshotEnd, jet.JetOSSnapshotAbort, jet.JetOSSnapshotTruncateLog):
        assert code_of(call, session) == jet.JET_errOSSnapshotInvalidSnapId


def test_197_attaching_between_thaw_and_end(fixtures, run):
    shutil.copyfile(fixtures.path("windows/types/basic.edb"), run.path("two.edb"))
    session = thawed()
    assert code_of(run.attach, "two.edb") == jet.JET_errBackupInProgress
    assert code_of(jet.JetTerm2, run.instance, jet.JET_bitTermComplete) == jet.JET_errBackupInProgress
    assert begin(run) == jet.JET_errBackupInProgress
    assert code_of(jet.JetGetAttachInfoInstance, run.instance) == jet.JET_errNoBackup
    assert code_of(jet.JetEndExternalBackupInstance, run.instance) == jet.JET_errNoBackup
    assert jet.JetOSSnapshotEnd(session) == 0
    assert run.attach("two.edb") == 0


@pytest.mark.parametrize("one", [False, True])
def test_198_truncation(start, database, one):
    running = shallow(start)
    session = thawed()
    before = logs_in(running.folder)

    def truncate(grbit: int) -> int:
        if one:
            return jet.JetOSSnapshotTruncateLogInstance(session, running.instance, grbit)
        return jet.JetOSSnapshotTruncateLog(session, grbit)

    assert truncate(0) == 0
    assert logs_in(running.folder) == before
    assert truncate(jet.JET_bitAllDatabasesSnapshot) == 0
    left = logs_in(running.folder)
    assert left != before
    assert left == before[len(before) - len(left) :]
    assert truncate(jet.JET_bitAllDatabasesSnapshot) == 0
    assert jet.JetOSSnapshotEnd(session) == 0
    running.term()


def test_199_a_copy_truncates_nothing(run):
    session = thawed(jet.JET_bitCopySnapshot | CONTINUE)
    assert code_of(jet.JetOSSnapshotTruncateLog, session) == jet.JET_errOSSnapshotInvalidSequence
    assert jet.JetOSSnapshotEnd(session) == 0
    info = stamps(run)
    assert is_stamped(info.bkinfoCopyPrev)
    assert not is_stamped(info.bkinfoFullPrev)


def test_200_stamps_of_a_full_snapshot(run):
    assert (
        code_of(jet.JetOSSnapshotFreeze, jet.JetOSSnapshotPrepare(jet.JET_bitIncrementalSnapshot))
        == jet.JET_errMissingFullBackup
    )
    jet.JetOSSnapshotThaw(frozen())
    header = PROCESS.resolve(run.instance).backup_databases()[0].header_image()
    assert header.bkinfo_full_prev.generation_high == 1
    assert header.bkinfo_type_full_prev == 1
    assert begin(run, jet.JET_bitBackupIncremental) == jet.JET_errMissingFullBackup
    jet.JetOSSnapshotThaw(frozen(jet.JET_bitIncrementalSnapshot))
    info = stamps(run)
    assert (info.bkinfoIncPrev.genLow, info.bkinfoIncPrev.genHigh) == (1, 2)
    jet.JetOSSnapshotThaw(frozen(jet.JET_bitIncrementalSnapshot | jet.JET_bitCopySnapshot))
    assert is_stamped(stamps(run).bkinfoDiffPrev)


def test_a_streaming_full_backup_does_not_count_for_an_incremental_snapshot(run):
    stream(run.instance)
    session = jet.JetOSSnapshotPrepare(jet.JET_bitIncrementalSnapshot)
    assert code_of(jet.JetOSSnapshotFreeze, session) == jet.JET_errMissingFullBackup
    assert jet.JetOSSnapshotGetFreezeInfo(session) == []
    assert begin(run) == 0


def test_incremental_snapshot_with_circular_logging(start, database):
    running = start(CircularLog=1)
    running.attach()
    session = jet.JetOSSnapshotPrepare(jet.JET_bitIncrementalSnapshot)
    assert code_of(jet.JetOSSnapshotFreeze, session) == jet.JET_errInvalidBackup
    jet.JetOSSnapshotThaw(frozen())
    assert is_stamped(stamps(running).bkinfoFullPrev)


@pytest.mark.parametrize("state", ["prepared", "frozen", "thawed"])
@pytest.mark.parametrize("call", [jet.JetOSSnapshotAbort, lambda session: jet.JetOSSnapshotEnd(session, ABORT)])
def test_201_abort_leaves_no_stamp(run, state, call):
    session = {"prepared": lambda: jet.JetOSSnapshotPrepare(CONTINUE), "frozen": lambda: frozen(CONTINUE), "thawed": thawed}[
        state
    ]()
    assert call(session) == 0
    assert is_gone(session)
    assert not is_stamped(stamps(run).bkinfoFullPrev)
    assert begin(run) == 0


def test_202_a_snapshot_of_one_instance(start, database):
    one, two = start("one", "one"), start("two", "two")
    session = jet.JetOSSnapshotPrepare(jet.JET_bitExplicitPrepare)
    assert jet.JetOSSnapshotGetFreezeInfo(session) == []
    assert jet.JetOSSnapshotPrepareInstance(session, one.instance) == 0
    assert code_of(jet.JetOSSnapshotPrepareInstance, session, one.instance) == jet.JET_errOSSnapshotNotAllowed
    (info,) = jet.JetOSSnapshotFreeze(session)
    assert info.hInstanceId is one.instance
    assert begin(two) == 0
    assert code_of(jet.JetOSSnapshotPrepareInstance, session, two.instance) == jet.JET_errOSSnapshotInvalidSequence
    assert jet.JetOSSnapshotThaw(session) == 0


def test_freeze_info(run):
    session = jet.JetOSSnapshotPrepare()
    (info,) = jet.JetOSSnapshotGetFreezeInfo(session)
    assert (info.szInstanceName, info.szDatabaseFileName) == ("test", [run.path()])
    assert jet.JetOSSnapshotFreeze(session) == [info]
    jet.JetOSSnapshotThaw(session)


def test_an_instance_is_in_one_session_only(run):
    first, second = jet.JetOSSnapshotPrepare(), jet.JetOSSnapshotPrepare()
    assert jet.JetOSSnapshotFreeze(second) == []
    assert code_of(jet.JetOSSnapshotPrepareInstance, first, run.instance) == jet.JET_errOSSnapshotNotAllowed
    assert jet.JetOSSnapshotThaw(second) == 0
    assert jet.JetOSSnapshotEnd(first) == 0


def test_truncation_of_an_instance_outside(run):
    first, second = jet.JetOSSnapshotPrepare(CONTINUE), jet.JetOSSnapshotPrepare(CONTINUE)
    jet.JetOSSnapshotFreeze(second)
    jet.JetOSSnapshotThaw(second)
    assert code_of(jet.JetOSSnapshotTruncateLogInstance, second, run.instance) == jet.JET_wrnNyi
    assert jet.JetOSSnapshotEnd(second) == 0
    assert jet.JetOSSnapshotEnd(first) == 0


def test_begin_waits_for_the_thaw(run, pool):
    session = frozen()
    beginning = pool.submit(begin, run)
    time.sleep(0.2)
    assert not beginning.done()
    jet.JetOSSnapshotThaw(session)
    assert beginning.result(PATIENCE) == 0


def test_termination_waits_for_the_end_of_the_session(run, pool):
    session = frozen(CONTINUE)
    ending = pool.submit(code_of, jet.JetTerm, run.instance)
    time.sleep(0.2)
    assert not ending.done()
    jet.JetOSSnapshotThaw(session)
    time.sleep(0.1)
    assert not ending.done()
    jet.JetOSSnapshotEnd(session)
    assert ending.result(PATIENCE) == 0


def test_termination_does_not_wait_for_ever(run, pool):
    jet.JetSetSystemParameter(None, 0, jet.JET_paramOSSnapshotTimeout, 1000)
    session = thawed()
    assert pool.submit(code_of, jet.JetTerm, run.instance).result(PATIENCE) == 0
    assert jet.JetOSSnapshotGetFreezeInfo(session) == []
    assert jet.JetOSSnapshotEnd(session) == 0
    info = jet.JetGetDatabaseFileInfo(run.path(), jet.JET_DbInfoMisc)
    assert info.dbstate == 3
    assert not is_stamped(info.bkinfoFullPrev)


def test_an_instance_that_ended_before_the_freeze_is_not_in_it(run):
    session = jet.JetOSSnapshotPrepare()
    run.term()
    assert jet.JetOSSnapshotFreeze(session) == []
    assert jet.JetOSSnapshotThaw(session) == 0


def test_files_copied_while_frozen_recover(fixtures, run, tmp_path):
    for _ in range(2):
        to_log_phase(run.instance)
        jet.JetEndExternalBackupInstance2(run.instance, jet.JET_bitBackupEndAbort)
    session = frozen()
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in run.folder.iterdir():
        if path.is_file():
            shutil.copyfile(path, copy / path.name)
    jet.JetOSSnapshotThaw(session)
    run.term()
    instance = jet.JetCreateInstance("copy")
    for number in (jet.JET_paramSystemPath, jet.JET_paramLogFilePath, jet.JET_paramTempPath):
        jet.JetSetSystemParameter(instance, 0, number, 0, f"{copy}/")
    jet.JetSetSystemParameter(instance, 0, jet.JET_paramLogFileSize, 128)
    jet.JetSetSystemParameter(instance, 0, jet.JET_paramAlternateDatabaseRecoveryPath, 0, str(copy))
    jet.JetInit(instance)
    jet.JetTerm2(instance, jet.JET_bitTermComplete)
    assert jet.JetGetDatabaseFileInfo(str(copy / "db.edb"), jet.JET_DbInfoMisc).dbstate == 3
    assert list(dump(copy / "db.edb")) == list(dump(fixtures.path("engine/clean-4k/db.edb")))


def test_sessions_from_many_threads(run, pool):
    """However they interleave, no call hangs, and the instance is free in the end."""

    def whole(_: int) -> None:
        session = jet.JetOSSnapshotPrepare(CONTINUE)
        if code_of(jet.JetOSSnapshotFreeze, session) == 0:
            jet.JetOSSnapshotThaw(session)
        jet.JetOSSnapshotEnd(session)

    list(pool.map(whole, range(24)))
    assert begin(run) == 0
    assert threading.active_count() < 50
