"""The conformance checklist of `reference/backup-and-restore.md`, sections 9.3 to 9.9: a test a statement, by number.

Numbers that are missing speak of buffers that a Python call does not have (45, 46, 93, 94), need records to be written (78, 79,
87), or are in test_jet_backup_threads.py (37, 126, 138, 139).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backup_helpers import PAGE, add_database, damage, logs_in, read_file, stream, to_log_phase
from jet_helpers import Running, code_of

from esent import jet
from esent.backup import page_stream
from esent.engine.process import PROCESS
from esent.pages.header import DatabaseHeader
from esent.pages.trailer import PatchPage

INCREMENTAL = jet.JET_bitBackupIncremental
Start = Callable[..., Running]


@pytest.fixture
def run(start: Start, database: Path) -> Running:
    """An instance with one genuine database attached."""
    running = start()
    running.attach()
    return running


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_stream.time, "sleep", lambda seconds: None)


def begin(run: Running, grbit: int = 0) -> int:
    return code_of(jet.JetBeginExternalBackupInstance, run.instance, grbit)


def opened(run: Running, name: str = "db.edb") -> Any:
    return jet.JetOpenFileInstance(run.instance, run.path(name))


def read(run: Running, handle: Any, size: int) -> int:
    """Bytes read, or the error."""
    try:
        return len(jet.JetReadFileInstance(run.instance, handle, size))
    except jet.JetError as problem:
        return problem.code


def stamps(run: Running, name: str = "db.edb") -> Any:
    return jet.JetGetDatabaseFileInfo(run.path(name), jet.JET_DbInfoMisc)


def is_stamped(info: Any) -> bool:
    return info.genHigh != 0


def all_calls_say(run: Running, code: int, handle: Any = None) -> None:
    """Every call that goes on with a backup answers with `code`."""
    instance = run.instance
    assert code_of(jet.JetGetAttachInfoInstance, instance) == code
    assert code_of(jet.JetOpenFileInstance, instance, run.path()) == code
    assert code_of(jet.JetReadFileInstance, instance, handle or 0, 3 * PAGE) == code
    assert code_of(jet.JetGetLogInfoInstance, instance) == code
    assert code_of(jet.JetGetLogInfoInstance2, instance) == code
    assert code_of(jet.JetGetTruncateLogInfoInstance, instance) == code
    assert code_of(jet.JetTruncateLogInstance, instance) == code


# ---- 9.3 Begin ---------------------------------------------------------------------------------------


def test_028_begin_refuses_atomic(run):
    assert begin(run, jet.JET_bitBackupAtomic) == jet.JET_errInvalidGrbit


def test_029_begin_refuses_snapshot(run):
    assert begin(run, jet.JET_bitBackupSnapshot) == jet.JET_errInvalidGrbit


@pytest.mark.parametrize("grbit", [0x2, 0x8, 0x80000000, "0", None])
def test_030_begin_refuses_unknown_bits(run, grbit):
    assert begin(run, grbit) == jet.JET_errInvalidGrbit
    assert code_of(jet.JetGetAttachInfoInstance, run.instance) == jet.JET_errNoBackup


def test_031_circular_logging_forbids_incremental(start, database):
    running = start(CircularLog=1)
    running.attach()
    assert begin(running, INCREMENTAL) == jet.JET_errInvalidBackup


def test_032_circular_logging_allows_full(start, database):
    running = start(CircularLog=1)
    running.attach()
    assert begin(running) == 0


def test_033_incremental_needs_a_full_one(run):
    assert begin(run, INCREMENTAL) == jet.JET_errMissingFullBackup
    assert code_of(jet.JetGetAttachInfoInstance, run.instance) == jet.JET_errNoBackup


def test_034_incremental_needs_a_full_one_of_every_database(fixtures, run):
    stream(run.instance)
    assert begin(run, INCREMENTAL) == 0
    jet.JetEndExternalBackupInstance(run.instance)
    add_database(fixtures, run)
    assert begin(run, INCREMENTAL) == jet.JET_errMissingFullBackup


def test_035_incremental_without_databases(start):
    assert begin(start(), INCREMENTAL) == 0


@pytest.mark.parametrize("grbit", [0, INCREMENTAL])
def test_036_second_begin(run, grbit):
    assert begin(run) == 0
    assert begin(run, grbit) == jet.JET_errBackupInProgress
    assert len(jet.JetGetAttachInfoInstance(run.instance)) == 1


def test_038_begin_during_a_surrogate_backup(run):
    jet.JetBeginSurrogateBackup(run.instance, 1, 1, 0)
    assert begin(run) == jet.JET_errSurrogateBackupInProgress
    assert code_of(jet.JetGetAttachInfoInstance, run.instance) == jet.JET_errNoBackup
    assert code_of(jet.JetDetachDatabase, run.sesid, run.path()) == jet.JET_errSurrogateBackupInProgress
    assert jet.JetEndSurrogateBackup(run.instance, jet.JET_bitBackupEndNormal) == 0
    assert begin(run) == 0


def test_039_begin_without_checkpoint(run):
    (run.folder / "edb.chk").unlink()
    assert begin(run) in (jet.JET_errCheckpointFileNotFound, jet.JET_errCheckpointCorrupt)
    assert code_of(jet.JetGetAttachInfoInstance, run.instance) == jet.JET_errNoBackup


def test_040_bits_are_checked_before_circular_logging(start, database):
    running = start(CircularLog=1)
    assert begin(running, INCREMENTAL | 0x8) == jet.JET_errInvalidGrbit


def test_041_logging_is_checked_before_bits(start):
    assert begin(start(Recovery="off"), 0x8) == jet.JET_errLoggingDisabled


def test_042_backups_are_of_instances(start):
    one, two = start("one", "one"), start("two", "two")
    assert begin(one) == 0
    assert begin(two) == 0


# ---- 9.4 JetGetAttachInfo ----------------------------------------------------------------------------


def test_043_attach_info_without_backup(run):
    assert code_of(jet.JetGetAttachInfoInstance, run.instance) == jet.JET_errNoBackup


def test_044_attach_info_lists_full_paths(fixtures, run):
    add_database(fixtures, run)
    begin(run)
    assert jet.JetGetAttachInfoInstance(run.instance) == [run.path(), run.path("two.edb")]


def test_047_databases_without_log_are_not_listed(fixtures, run):
    shutil.copyfile(fixtures.path("windows/types/basic.edb"), run.path("two.edb"))
    run.attach("two.edb", jet.JET_bitDbRecoveryOff)
    begin(run)
    assert jet.JetGetAttachInfoInstance(run.instance) == [run.path()]


def test_048_attach_info_without_databases(start):
    running = start()
    begin(running)
    assert jet.JetGetAttachInfoInstance(running.instance) == []


def test_049_attach_info_of_an_incremental_backup(run):
    stream(run.instance)
    assert begin(run, INCREMENTAL) == 0
    assert code_of(jet.JetGetAttachInfoInstance, run.instance) == jet.JET_errInvalidBackupSequence
    assert jet.JetGetLogInfoInstance(run.instance)


def test_050_attach_info_in_the_log_phase(run):
    to_log_phase(run.instance)
    assert jet.JetGetAttachInfoInstance(run.instance) == [run.path()]


# ---- 9.5 JetOpenFile, JetCloseFile -------------------------------------------------------------------


def test_051_open_and_close_without_backup(run):
    assert code_of(jet.JetOpenFileInstance, run.instance, run.path()) == jet.JET_errNoBackup
    assert code_of(jet.JetCloseFileInstance, run.instance, 0) == jet.JET_errNoBackup


def test_052_size_of_an_open_database(run):
    begin(run)
    _, size = opened(run)
    assert size == Path(run.path()).stat().st_size + PAGE


def test_053_relative_and_other_forms_of_the_name(run, monkeypatch):
    monkeypatch.chdir(run.folder)
    begin(run)
    for name in (
        "db.edb",
        "./db.edb",
        "sub/../db.edb",
        ".\\db.edb",
        run.path().upper().replace(str(run.folder).upper(), str(run.folder)),
    ):
        handle, _ = jet.JetOpenFileInstance(run.instance, name)
        jet.JetCloseFileInstance(run.instance, handle)


@pytest.mark.parametrize("name", [None, "", 7])
def test_054_no_name(run, name):
    begin(run)
    assert code_of(jet.JetOpenFileInstance, run.instance, name) == jet.JET_errInvalidParameter
    opened(run)


@pytest.mark.parametrize("name", ["nosuch.edb", "edb.chk", "edb.log", "edb00001.log", ""])
def test_055_not_an_attached_database(run, name):
    begin(run)
    assert code_of(jet.JetOpenFileInstance, run.instance, f"{run.folder}/{name}") == jet.JET_errDatabaseNotFound
    opened(run)


def test_056_one_file_at_a_time(fixtures, run):
    add_database(fixtures, run)
    begin(run)
    handle, _ = opened(run)
    for name in ("db.edb", "two.edb", "nosuch.edb"):
        assert code_of(jet.JetOpenFileInstance, run.instance, run.path(name)) == jet.JET_errOutOfMemory
    assert read(run, handle, 3 * PAGE) == 3 * PAGE


def test_057_database_in_the_log_phase(run):
    to_log_phase(run.instance)
    assert code_of(jet.JetOpenFileInstance, run.instance, run.path()) == jet.JET_errInvalidBackupSequence
    assert code_of(jet.JetGetLogInfoInstance, run.instance) == jet.JET_errNoBackup


def test_058_database_in_an_incremental_backup(run):
    stream(run.instance)
    begin(run, INCREMENTAL)
    assert code_of(jet.JetOpenFileInstance, run.instance, run.path()) == jet.JET_errInvalidBackupSequence
    assert code_of(jet.JetGetLogInfoInstance, run.instance) == jet.JET_errNoBackup


def test_059_size_of_an_open_log(run):
    for name in to_log_phase(run.instance):
        handle, size = jet.JetOpenFileInstance(run.instance, name)
        assert size == Path(name).stat().st_size == 128 * 1024
        jet.JetCloseFileInstance(run.instance, handle)


def test_060_missing_log(run):
    to_log_phase(run.instance)
    assert code_of(jet.JetOpenFileInstance, run.instance, run.path("edb00099.log")) == jet.JET_errMissingFileToBackup
    assert code_of(jet.JetGetLogInfoInstance, run.instance) == jet.JET_errNoBackup


def test_061_log_of_another_base_name(run):
    (run.folder / "xyz00001.log").write_bytes(bytes(4096))
    to_log_phase(run.instance)
    assert code_of(jet.JetOpenFileInstance, run.instance, run.path("xyz00001.log")) == jet.JET_errInvalidParameter
    assert code_of(jet.JetGetLogInfoInstance, run.instance) == jet.JET_errNoBackup


def test_062_close_twice(run):
    begin(run)
    handle, _ = opened(run)
    assert jet.JetCloseFileInstance(run.instance, handle) == 0
    assert code_of(jet.JetCloseFileInstance, run.instance, handle) == jet.JET_errInvalidParameter


@pytest.mark.parametrize("handle", [77, -1, 1, None, "0", 2**64, object()])
def test_063_close_a_handle_never_issued(run, handle):
    begin(run)
    opened(run)
    assert code_of(jet.JetCloseFileInstance, run.instance, handle) == jet.JET_errInvalidParameter
    assert jet.JetGetAttachInfoInstance(run.instance)


def test_064_partly_read_database_is_not_stamped(run):
    begin(run)
    handle, _ = opened(run)
    read(run, handle, 5 * PAGE)
    assert jet.JetCloseFileInstance(run.instance, handle) == 0
    for name in jet.JetGetLogInfoInstance(run.instance):
        read_file(run.instance, name)
    jet.JetTruncateLogInstance(run.instance)
    assert jet.JetEndExternalBackupInstance(run.instance) == 0
    assert not is_stamped(stamps(run).bkinfoFullPrev)


def test_065_read_again_from_the_start(run):
    begin(run)
    handle, _ = opened(run)
    read(run, handle, 5 * PAGE)
    jet.JetCloseFileInstance(run.instance, handle)
    read_file(run.instance, run.path())
    for name in jet.JetGetLogInfoInstance(run.instance):
        read_file(run.instance, name)
    jet.JetTruncateLogInstance(run.instance)
    jet.JetEndExternalBackupInstance(run.instance)
    assert is_stamped(stamps(run).bkinfoFullPrev)


def test_066_end_closes_the_file(run):
    begin(run)
    handle, _ = opened(run)
    assert jet.JetEndExternalBackupInstance(run.instance) == jet.JET_errBackupAbortByCaller
    assert code_of(jet.JetCloseFileInstance, run.instance, handle) == jet.JET_errNoBackup


# ---- 9.6 JetReadFile ---------------------------------------------------------------------------------


def test_067_unaligned_size(run):
    begin(run)
    handle, _ = opened(run)
    for size in (100, 5000, 3 * PAGE + 1, -PAGE, -1):
        assert read(run, handle, size) == jet.JET_errInvalidParameter
    assert read(run, handle, 3 * PAGE) == 3 * PAGE


def test_068_first_read_of_a_database(run):
    begin(run)
    handle, _ = opened(run)
    assert read(run, handle, PAGE) == jet.JET_errInvalidParameter
    assert read(run, handle, 2 * PAGE) == jet.JET_errInvalidParameter
    assert read(run, handle, 3 * PAGE) == 3 * PAGE


def test_069_later_reads_may_be_small(run):
    begin(run)
    handle, _ = opened(run)
    read(run, handle, 3 * PAGE)
    assert read(run, handle, PAGE) == PAGE


def test_070_size_zero(run):
    begin(run)
    handle, _ = opened(run)
    assert read(run, handle, 0) == jet.JET_errInvalidParameter
    assert read(run, handle, 3 * PAGE) == 3 * PAGE
    assert read(run, handle, 0) == jet.JET_errInvalidParameter


def test_071_first_read_of_a_log(run):
    name = to_log_phase(run.instance)[0]
    handle, _ = jet.JetOpenFileInstance(run.instance, name)
    assert read(run, handle, PAGE) == jet.JET_errInvalidParameter
    assert read(run, handle, 2 * PAGE) == 2 * PAGE


@pytest.mark.parametrize("pages", [3, 5, 16, 4000])
def test_072_all_of_it_whatever_the_size(run, pages):
    begin(run)
    assert len(read_file(run.instance, run.path(), pages * PAGE)) == Path(run.path()).stat().st_size + PAGE


def test_073_reading_on_at_the_end(run):
    begin(run)
    handle, size = opened(run)
    assert read(run, handle, (size // PAGE + 5) * PAGE) == size
    for _ in range(3):
        assert jet.JetReadFileInstance(run.instance, handle, PAGE) == b""
        assert jet.JetReadFileInstance(run.instance, handle, bytearray(PAGE)) == 0


def test_074_header_of_the_stream(run):
    begin(run)
    data = read_file(run.instance, run.path())
    assert data[:PAGE] == data[PAGE : 2 * PAGE]
    info = DatabaseHeader.parse(data[:PAGE]).bkinfo_full_cur
    assert (info.generation_low, info.generation_high) == (1, 0)
    assert info.mark.generation == 1


def test_075_state_and_signatures_of_the_stream(run):
    begin(run)
    header = DatabaseHeader.parse(read_file(run.instance, run.path())[:PAGE])
    live = DatabaseHeader.parse(Path(run.path()).read_bytes()[:PAGE])
    assert header.dbstate == 2
    assert (header.sign_db, header.sign_log) == (live.sign_db, live.sign_log)


def test_076_trailer_of_the_stream(run):
    begin(run)
    data = read_file(run.instance, run.path())
    header = DatabaseHeader.parse(data[:PAGE])
    trailer = PatchPage.parse(data[-PAGE:])
    assert trailer.belongs_to(header)
    assert trailer.backup.generation_low == header.bkinfo_full_cur.generation_low
    assert trailer.backup.generation_high >= trailer.backup.generation_low


def test_077_trailer_by_itself(run):
    begin(run)
    handle, size = opened(run)
    assert read(run, handle, size - PAGE) == size - PAGE
    assert read(run, handle, 10 * PAGE) == PAGE
    assert read(run, handle, 10 * PAGE) == 0


def test_080_damaged_page(run, no_pauses):
    damage(Path(run.path()), 20)
    begin(run)
    handle, _ = opened(run)
    assert read(run, handle, 10 * PAGE) == 10 * PAGE
    assert read(run, handle, 100 * PAGE) == jet.JET_errReadVerifyFailure
    assert code_of(jet.JetCloseFileInstance, run.instance, handle) == jet.JET_errInvalidParameter
    assert jet.JetGetLogInfoInstance(run.instance)


def test_081_only_the_good_database_is_stamped(fixtures, run, no_pauses):
    add_database(fixtures, run)
    damage(Path(run.path()), 20)
    begin(run)
    assert code_of(read_file, run.instance, run.path()) == jet.JET_errReadVerifyFailure
    read_file(run.instance, run.path("two.edb"))
    for name in jet.JetGetLogInfoInstance(run.instance):
        read_file(run.instance, name)
    jet.JetTruncateLogInstance(run.instance)
    assert jet.JetEndExternalBackupInstance(run.instance) == 0
    assert not is_stamped(stamps(run).bkinfoFullPrev)
    assert is_stamped(stamps(run, "two.edb").bkinfoFullPrev)


def test_082_single_bit(fixtures, run):
    damage(Path(run.path()), 20, mask=0x10)
    begin(run)
    data = read_file(run.instance, run.path())
    assert data[2 * PAGE : -PAGE] == fixtures.read("engine/clean-4k/db.edb")[2 * PAGE :]


def test_083_damaged_log(run):
    name = to_log_phase(run.instance)[0]
    with Path(name).open("r+b") as file:
        file.seek(PAGE + 100)
        file.write(bytes.fromhex("8d348ffac4ea7475ee8a77cf52fe2270"))  # an even pattern could escape the checksum
    assert code_of(read_file, run.instance, name) == jet.JET_errLogReadVerifyFailure
    assert code_of(jet.JetGetLogInfoInstance, run.instance) == jet.JET_errNoBackup


def test_084_bytes_of_a_log(run):
    for name in to_log_phase(run.instance):
        assert read_file(run.instance, name) == Path(name).read_bytes()


@pytest.mark.parametrize("handle", [77, -1, None, "0", object()])
def test_085_read_with_a_handle_that_is_not_open(run, handle):
    begin(run)
    assert read(run, 0, 3 * PAGE) == jet.JET_errInvalidParameter
    old, _ = opened(run)
    jet.JetCloseFileInstance(run.instance, old)
    opened(run)
    assert read(run, handle, 3 * PAGE) == jet.JET_errInvalidParameter
    assert read(run, old, 3 * PAGE) == jet.JET_errInvalidParameter, "a handle of an earlier open"


def test_086_into_a_buffer(run):
    begin(run)
    expected = read_file(run.instance, run.path())
    handle, size = opened(run)
    buffer = bytearray(64 * PAGE)
    got = b""
    while count := jet.JetReadFileInstance(run.instance, handle, memoryview(buffer)):
        got += bytes(buffer[:count])
    assert got == expected
    assert len(got) == size
    for bad in (b"\0" * 3 * PAGE, "text", None, 1.5, [0] * 3):
        assert read(run, handle, bad) == jet.JET_errInvalidParameter  # type: ignore[arg-type]


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


def shallow(start: Start) -> Running:
    """An instance whose checkpoint follows the log closely, so that there are logs to delete."""
    running = start(CheckpointDepthMax=16384)
    running.attach()
    for _ in range(3):
        to_log_phase(running.instance)
        jet.JetEndExternalBackupInstance2(running.instance, jet.JET_bitBackupEndAbort)
    return running


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
