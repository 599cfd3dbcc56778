"""The conformance checklist of `reference/backup-and-restore.md`, sections 9.7 to 9.9: a test a statement, by number.

Numbers that are missing speak of buffers that a Python call does not have (93, 94), or are in test_jet_backup_threads.py (126,
138, 139).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from backup_helpers import (
    PAGE,
    add_database,
    all_calls_say,
    begin,
    is_stamped,
    logs_in,
    opened,
    read,
    read_file,
    shallow,
    stamps,
    stream,
    to_log_phase,
)
from esent import jet
from esent.engine.process import PROCESS
from jet_helpers import Running, code_of, set_paths

INCREMENTAL = jet.JET_bitBackupIncremental


# ---- 9.7 Logs ----------------------------------------------------------------------------------------


def test_088_log_info_rolls_the_log(run):
    before = len(logs_in(run.folder))
    to_log_phase(run.instance)
    assert len(logs_in(run.folder)) > before


def test_089_log_info_twice(run):
    names = to_log_phase(run.instance)
    on_disk = logs_in(run.folder)
    assert jet.JetGetLogInfoInstance(run.instance) == names
    assert logs_in(run.folder) == on_disk


def test_090_log_info_range(run):
    stream(run.instance)
    names = to_log_phase(run.instance)
    assert names == [run.path(name) for name in logs_in(run.folder)]
    assert run.path("edb.log") not in names


@pytest.mark.parametrize("call", ["JetGetLogInfoInstance", "JetGetTruncateLogInfoInstance", "JetTruncateLogInstance"])
def test_091_log_calls_with_an_open_file(run, call):
    begin(run)
    handle, _ = opened(run)
    assert code_of(getattr(jet, call), run.instance) == jet.JET_errInvalidBackupSequence
    assert read(run, handle, 3 * PAGE) == 3 * PAGE


def test_092_log_info_2(run):
    begin(run)
    names, info = jet.JetGetLogInfoInstance2(run.instance)
    assert (info.ulGenLow, info.ulGenHigh, info.szBaseName) == (1, len(names), "edb")


def test_095_log_info_without_databases_opened(run):
    begin(run)
    assert jet.JetGetLogInfoInstance(run.instance)
    assert code_of(jet.JetOpenFileInstance, run.instance, run.path()) == jet.JET_errInvalidBackupSequence


def test_096_incremental_begins_with_the_lowest_log(run):
    stream(run.instance)
    begin(run, INCREMENTAL)
    assert jet.JetGetLogInfoInstance(run.instance)[0] == run.path(logs_in(run.folder)[0])


def test_097_incremental_with_a_gap(run):
    stream(run.instance)
    for _ in range(2):
        to_log_phase(run.instance)
        jet.JetEndExternalBackupInstance2(run.instance, jet.JET_bitBackupEndAbort)
    for name in logs_in(run.folder)[:2]:
        (run.folder / name).unlink()
    assert begin(run, INCREMENTAL) == 0
    assert code_of(jet.JetGetLogInfoInstance, run.instance) == jet.JET_errMissingFileToBackup
    assert code_of(jet.JetGetLogInfoInstance, run.instance) == jet.JET_errNoBackup


def test_098_truncate_log_info_first(run):
    begin(run)
    jet.JetGetTruncateLogInfoInstance(run.instance)
    assert code_of(jet.JetOpenFileInstance, run.instance, run.path()) == jet.JET_errInvalidBackupSequence


def test_099_nothing_to_truncate(run):
    begin(run)
    assert jet.JetGetTruncateLogInfoInstance(run.instance) == []


def test_100_truncate_before_log_info(run):
    begin(run)
    assert code_of(jet.JetTruncateLogInstance, run.instance) == jet.JET_errInvalidBackupSequence
    assert jet.JetGetLogInfoInstance(run.instance)


@pytest.mark.parametrize("partly", [False, True])
def test_101_truncate_with_a_log_unread(start, database, partly):
    running = start(CheckpointDepthMax=16384)
    running.attach()
    names = to_log_phase(running.instance, read=True)
    before = logs_in(running.folder)
    for name in names[1:]:
        read_file(running.instance, name)
    if partly:
        handle, _ = jet.JetOpenFileInstance(running.instance, names[0])
        read(running, handle, 4 * PAGE)
        jet.JetCloseFileInstance(running.instance, handle)
    if len(names) > 1:
        read_file(running.instance, names[-1])  # once more: it does not stand for another
    assert code_of(jet.JetTruncateLogInstance, running.instance) == jet.JET_errLogFileNotCopied
    assert logs_in(running.folder) == before
    read_file(running.instance, names[0])
    assert jet.JetTruncateLogInstance(running.instance) == 0


def test_102_exactly_the_listed_logs_go(start, database):
    running = shallow(start)
    before = logs_in(running.folder)
    for name in to_log_phase(running.instance, read=True):
        read_file(running.instance, name)
    doomed = jet.JetGetTruncateLogInfoInstance(running.instance)
    assert doomed
    before = logs_in(running.folder)
    assert jet.JetTruncateLogInstance(running.instance) == 0
    assert logs_in(running.folder) == [name for name in before if running.path(name) not in doomed]


def test_103_a_log_that_is_gone_already(start, database):
    running = shallow(start)
    for name in to_log_phase(running.instance, read=True):
        read_file(running.instance, name)
    Path(jet.JetGetTruncateLogInfoInstance(running.instance)[0]).unlink()
    assert jet.JetTruncateLogInstance(running.instance) == 0


def test_104_a_database_left_out_keeps_its_logs(fixtures, start, database):
    running = shallow(start)
    add_database(fixtures, running)
    begin(running)
    read_file(running.instance, running.path())
    for name in jet.JetGetLogInfoInstance(running.instance):
        read_file(running.instance, name)
    before = logs_in(running.folder)
    assert jet.JetTruncateLogInstance(running.instance) == 0
    assert logs_in(running.folder) == before


def test_105_truncate_again(run):
    for name in to_log_phase(run.instance, read=True):
        read_file(run.instance, name)
    assert jet.JetTruncateLogInstance(run.instance) == 0
    assert jet.JetTruncateLogInstance(run.instance) == 0


def test_106_truncate_after_the_end(run):
    stream(run.instance)
    assert code_of(jet.JetTruncateLogInstance, run.instance) == jet.JET_errNoBackup


# ---- 9.8 End -----------------------------------------------------------------------------------------


def test_107_end_without_backup(run):
    assert code_of(jet.JetEndExternalBackupInstance, run.instance) == jet.JET_errNoBackup


@pytest.mark.parametrize("grbit", [0, 0x3, 0x100, 0x4000, 0x401, None])
def test_108_end_with_impossible_options(run, grbit):
    assert code_of(jet.JetEndExternalBackupInstance2, run.instance, grbit) == jet.JET_errInvalidParameter
    begin(run)
    assert code_of(jet.JetEndExternalBackupInstance2, run.instance, grbit) == jet.JET_errInvalidParameter
    assert jet.JetGetAttachInfoInstance(run.instance)


def test_109_complete_full_backup_is_stamped(fixtures, run):
    add_database(fixtures, run)
    taken = stream(run.instance)
    assert taken.outcome == 0
    for name in ("db.edb", "two.edb"):
        info = stamps(run, name).bkinfoFullPrev
        assert (info.genLow, info.genHigh) == (taken.low, taken.high)
        assert info.lgposMark.lGeneration == 1
        assert not is_stamped(stamps(run, name).bkinfoCopyPrev)


def test_110_without_truncation_it_is_a_copy(run):
    taken = stream(run.instance, truncate=False)
    info = stamps(run)
    assert (info.bkinfoCopyPrev.genLow, info.bkinfoCopyPrev.genHigh) == (taken.low, taken.high)
    assert not is_stamped(info.bkinfoFullPrev)


def test_111_truncation_done_elsewhere(run):
    stream(run.instance, truncate=False, end=jet.JET_bitBackupEndNormal | jet.JET_bitBackupTruncateDone)
    assert is_stamped(stamps(run).bkinfoFullPrev)


def test_112_no_incremental_after_a_copy(run):
    stream(run.instance, truncate=False)
    assert begin(run, INCREMENTAL) == jet.JET_errMissingFullBackup


def test_113_incremental_after_a_full_one(run):
    stream(run.instance)
    taken = stream(run.instance, incremental=True)
    info = stamps(run).bkinfoIncPrev
    assert (info.genLow, info.genHigh) == (taken.low, taken.high)


def test_114_untruncated_incremental_is_differential(run):
    stream(run.instance)
    stream(run.instance, incremental=True, truncate=False)
    info = stamps(run)
    assert is_stamped(info.bkinfoDiffPrev)
    assert not is_stamped(info.bkinfoIncPrev)


def test_115_a_full_one_starts_anew(run):
    stream(run.instance)
    stream(run.instance, incremental=True, truncate=False)
    stream(run.instance, incremental=True)
    stream(run.instance)
    info = stamps(run)
    assert is_stamped(info.bkinfoFullPrev)
    assert not is_stamped(info.bkinfoIncPrev)
    assert not is_stamped(info.bkinfoDiffPrev)


@pytest.mark.parametrize("state", ["begun", "open", "logs", "truncated"])
def test_116_abort_in_any_state(run, state):
    if state in ("begun", "open"):
        begin(run)
    if state == "open":
        opened(run)
    if state in ("logs", "truncated"):
        for name in to_log_phase(run.instance, read=True):
            read_file(run.instance, name)
    if state == "truncated":
        jet.JetTruncateLogInstance(run.instance)
    assert jet.JetEndExternalBackupInstance2(run.instance, jet.JET_bitBackupEndAbort) == jet.JET_errBackupAbortByCaller
    info = stamps(run)
    assert not is_stamped(info.bkinfoFullPrev)
    assert not is_stamped(info.bkinfoCopyPrev)
    assert begin(run) == 0


def test_117_normal_end_in_the_database_phase(run):
    begin(run)
    read_file(run.instance, run.path())
    assert jet.JetEndExternalBackupInstance(run.instance) == jet.JET_errBackupAbortByCaller
    assert not is_stamped(stamps(run).bkinfoCopyPrev)


def test_118_normal_end_with_unread_logs(run):
    to_log_phase(run.instance, read=True)
    assert jet.JetEndExternalBackupInstance(run.instance) == 0


def test_119_after_the_end(run):
    stream(run.instance)
    all_calls_say(run, jet.JET_errNoBackup)


def test_120_stamps_survive_a_crash(run):
    for name in to_log_phase(run.instance, read=True):
        read_file(run.instance, name)
    jet.JetTruncateLogInstance(run.instance)
    before = Path(run.path()).read_bytes()
    assert jet.JetEndExternalBackupInstance(run.instance) == 0
    assert code_of(run.term, jet.JET_bitTermDirty) == jet.JET_errDirtyShutdown
    Path(run.path()).write_bytes(before)  # the stamp never reached the header
    assert not is_stamped(stamps(run).bkinfoFullPrev)
    again = Running(run.folder)
    info = stamps(run)
    assert (info.bkinfoFullPrev.genLow, info.bkinfoFullPrev.genHigh) == (1, 1)
    again.term()


def test_121_stamps_and_attaching(start, run):
    stream(run.instance)
    jet.JetDetachDatabase(run.sesid, run.path())
    run.attach()
    assert is_stamped(stamps(run).bkinfoFullPrev)
    assert begin(run, INCREMENTAL) == 0
    jet.JetEndExternalBackupInstance(run.instance)
    jet.JetDetachDatabase(run.sesid, run.path())
    other = start("other", "other")
    jet.JetAttachDatabase(other.sesid, run.path())
    assert not is_stamped(stamps(run).bkinfoFullPrev)
    assert begin(other, INCREMENTAL) == jet.JET_errMissingFullBackup


# ---- 9.9 Stop ----------------------------------------------------------------------------------------


def test_122_stop_without_backup(run):
    assert jet.JetStopBackupInstance(run.instance) == 0
    assert begin(run) == 0
    assert jet.JetGetAttachInfoInstance(run.instance)


def test_123_stop_in_the_database_phase(run):
    begin(run)
    assert jet.JetStopBackupInstance(run.instance) == 0
    all_calls_say(run, jet.JET_errBackupAbortByServer)


def test_124_stop_with_an_open_database(run):
    begin(run)
    handle, _ = opened(run)
    read(run, handle, 5 * PAGE)
    jet.JetStopBackupInstance(run.instance)
    assert read(run, handle, 3 * PAGE) == jet.JET_errBackupAbortByServer
    assert jet.JetCloseFileInstance(run.instance, handle) == 0


def test_125_stop_comes_before_sizes(run):
    begin(run)
    handle, _ = opened(run)
    jet.JetStopBackupInstance(run.instance)
    for size in (0, 1, 100, -1, "x", None):
        assert read(run, handle, size) == jet.JET_errBackupAbortByServer  # type: ignore[arg-type]
    assert read(run, 77, PAGE) == jet.JET_errBackupAbortByServer


def test_127_attaching_after_a_stop(fixtures, run):
    shutil.copyfile(fixtures.path("windows/types/basic.edb"), run.path("two.edb"))
    begin(run)
    jet.JetStopBackupInstance(run.instance)
    assert code_of(run.attach, "two.edb") == jet.JET_errBackupInProgress
    assert code_of(jet.JetDetachDatabase, run.sesid, run.path()) == jet.JET_errBackupInProgress
    jet.JetEndExternalBackupInstance(run.instance)
    assert run.attach("two.edb") == 0
    assert jet.JetDetachDatabase(run.sesid, run.path()) == 0


def test_128_begin_between_stop_and_end(run):
    begin(run)
    jet.JetStopBackupInstance(run.instance)
    assert begin(run) == jet.JET_errBackupInProgress
    all_calls_say(run, jet.JET_errBackupAbortByServer)


def test_129_end_of_a_stopped_backup(run):
    for name in to_log_phase(run.instance, read=True):
        read_file(run.instance, name)
    jet.JetStopBackupInstance(run.instance)
    assert jet.JetEndExternalBackupInstance(run.instance) == jet.JET_errBackupAbortByServer
    assert PROCESS.resolve(run.instance).backup.last_outcome == jet.JET_errBackupAbortByServer
    info = stamps(run)
    assert not is_stamped(info.bkinfoFullPrev)
    assert not is_stamped(info.bkinfoCopyPrev)


def test_130_abort_of_a_stopped_backup(run):
    begin(run)
    jet.JetStopBackupInstance(run.instance)
    assert jet.JetEndExternalBackupInstance2(run.instance, jet.JET_bitBackupEndAbort) == jet.JET_errBackupAbortByCaller


def test_131_end_again(run):
    begin(run)
    jet.JetStopBackupInstance(run.instance)
    jet.JetEndExternalBackupInstance(run.instance)
    assert code_of(jet.JetEndExternalBackupInstance, run.instance) == jet.JET_errNoBackup


def test_132_a_new_backup_after_a_stop(run):
    begin(run)
    jet.JetStopBackupInstance(run.instance)
    jet.JetEndExternalBackupInstance(run.instance)
    assert stream(run.instance).outcome == 0
    assert is_stamped(stamps(run).bkinfoFullPrev)


def test_133_stop_after_truncation(run):
    for name in to_log_phase(run.instance, read=True):
        read_file(run.instance, name)
    jet.JetTruncateLogInstance(run.instance)
    jet.JetStopBackupInstance(run.instance)
    assert jet.JetEndExternalBackupInstance(run.instance) == jet.JET_errBackupAbortByServer
    assert not is_stamped(stamps(run).bkinfoFullPrev)


def test_134_stop_twice(run):
    begin(run)
    assert jet.JetStopBackupInstance(run.instance) == 0
    assert jet.JetStopBackupInstance(run.instance) == 0


def test_135_stop_before_truncation(start, database):
    running = shallow(start)
    for name in to_log_phase(running.instance, read=True):
        read_file(running.instance, name)
    assert jet.JetGetTruncateLogInfoInstance(running.instance)
    before = logs_in(running.folder)
    jet.JetStopBackupInstance(running.instance)
    assert code_of(jet.JetTruncateLogInstance, running.instance) == jet.JET_errBackupAbortByServer
    assert logs_in(running.folder) == before


def test_136_stop_of_an_incremental_backup(run):
    stream(run.instance)
    begin(run, INCREMENTAL)
    jet.JetStopBackupInstance(run.instance)
    all_calls_say(run, jet.JET_errBackupAbortByServer)
    assert jet.JetEndExternalBackupInstance(run.instance) == jet.JET_errBackupAbortByServer
    assert not is_stamped(stamps(run).bkinfoIncPrev)
    assert begin(run, INCREMENTAL) == 0


def test_137_stop_is_of_one_instance(start):
    one, two = start("one", "one"), start("two", "two")
    begin(one)
    begin(two)
    jet.JetStopBackupInstance(one.instance)
    assert code_of(jet.JetGetAttachInfoInstance, one.instance) == jet.JET_errBackupAbortByServer
    assert jet.JetGetAttachInfoInstance(two.instance) == []


def test_140_stop_during_a_freeze(run):
    session = jet.JetOSSnapshotPrepare(0)
    jet.JetOSSnapshotFreeze(session)
    assert jet.JetStopBackupInstance(run.instance) == 0
    assert jet.JetOSSnapshotThaw(session) == 0
    assert is_stamped(stamps(run).bkinfoFullPrev)


def test_141_stop_after_the_service_was_stopped(run):
    jet.JetStopServiceInstance(run.instance)
    assert jet.JetStopBackupInstance(run.instance) == 0


# ---- beyond the checklist ----------------------------------------------------------------------------


def test_an_end_that_cannot_be_logged_is_no_success(run, monkeypatch):
    for name in to_log_phase(run.instance, read=True):
        read_file(run.instance, name)
    jet.JetTruncateLogInstance(run.instance)
    engine = PROCESS.resolve(run.instance)

    def failing(upto: object = None) -> None:
        raise jet.JetError("no room", code=jet.JET_errLogDiskFull)

    with monkeypatch.context() as broken:
        broken.setattr(engine, "flush_log", failing)
        assert jet.JetEndExternalBackupInstance(run.instance) == jet.JET_errBackupAbortByServer
    assert engine.backup.last_outcome == jet.JET_errBackupAbortByServer
    assert engine.backup.last_problem.code == jet.JET_errLogDiskFull
    assert not is_stamped(stamps(run).bkinfoFullPrev)
    assert begin(run) == 0


def test_a_header_that_cannot_be_stamped_is_stamped_by_recovery(run, monkeypatch):
    for name in to_log_phase(run.instance, read=True):
        read_file(run.instance, name)
    jet.JetTruncateLogInstance(run.instance)
    database = PROCESS.resolve(run.instance).backup_databases()[0]

    def failing(change: object) -> None:
        raise jet.JetError("bad disk", code=jet.JET_errDiskIO)

    monkeypatch.setattr(database, "update_header", failing)
    assert jet.JetEndExternalBackupInstance(run.instance) == 0
    assert not is_stamped(stamps(run).bkinfoFullPrev)
    assert code_of(run.term, jet.JET_bitTermDirty) == jet.JET_errDirtyShutdown
    again = Running(run.folder, "again")
    assert is_stamped(stamps(run).bkinfoFullPrev)
    again.term()


def test_sections(run):
    begin(run)
    whole = read_file(run.instance, run.path())
    for bad in (1, PAGE, 2 * PAGE, -PAGE, PAGE + 1):
        assert code_of(jet.JetOpenFileSectionInstance, run.instance, run.path(), 0, 1, bad) == jet.JET_errInvalidParameter
    assert code_of(jet.JetOpenFileSectionInstance, run.instance, run.path(), 0, 2, 0) == jet.JET_wrnNyi
    handle, size = jet.JetOpenFileSectionInstance(run.instance, run.path(), 0, 1, 10 * PAGE)
    assert size == len(whole) - 10 * PAGE
    assert jet.JetReadFileInstance(run.instance, handle, len(whole)) == whole[10 * PAGE :]
    jet.JetCloseFileInstance(run.instance, handle)


def test_a_section_is_not_a_copy(run):
    begin(run)
    handle, size = jet.JetOpenFileSectionInstance(run.instance, run.path(), 0, 1, 10 * PAGE)
    read(run, handle, size)
    jet.JetCloseFileInstance(run.instance, handle)
    for name in jet.JetGetLogInfoInstance(run.instance):
        read_file(run.instance, name)
    jet.JetTruncateLogInstance(run.instance)
    jet.JetEndExternalBackupInstance(run.instance)
    assert not is_stamped(stamps(run).bkinfoFullPrev)


def test_no_header_update_on_request(run):
    stream(run.instance, end=jet.JET_bitBackupEndNormal | 0x200)
    info = stamps(run)
    assert not is_stamped(info.bkinfoFullPrev)
    assert not is_stamped(info.bkinfoCopyPrev)


def test_calls_without_an_instance(database, tmp_path):
    set_paths(None, tmp_path)
    jet.JetInit(None)
    sesid = jet.JetBeginSession(0)
    jet.JetAttachDatabase(sesid, str(database))
    assert code_of(jet.JetGetAttachInfo) == jet.JET_errNoBackup
    jet.JetBeginExternalBackup(0)
    assert jet.JetGetAttachInfo() == [str(database)]
    handle, size = jet.JetOpenFile(str(database))
    assert sum(map(len, iter(lambda: jet.JetReadFile(handle, 64 * PAGE), b""))) == size
    jet.JetCloseFile(handle)
    for name in jet.JetGetLogInfo():
        handle, size = jet.JetOpenFile(name)
        assert len(jet.JetReadFile(handle, size)) == size
        jet.JetCloseFile(handle)
    jet.JetTruncateLog()
    assert jet.JetEndExternalBackup() == 0
    jet.JetBeginExternalBackup()
    assert jet.JetStopBackup() == 0
    assert code_of(jet.JetGetLogInfo) == jet.JET_errBackupAbortByServer
    assert jet.JetEndExternalBackup() == jet.JET_errBackupAbortByServer
    (tmp_path / "bk").mkdir()
    assert jet.JetBackup(str(tmp_path / "bk")) == 0
