"""The conformance checklist of `reference/backup-and-restore.md`, sections 9.3 to 9.6: a test a statement, by number.

Numbers that are missing speak of buffers that a Python call does not have (45, 46); 37 is in test_jet_backup_threads.py, 78 and
79 are in test_api_backup_while_writing.py, 87 is in test_engine_scrub.py. The sections 9.7 to 9.9 are in
test_jet_conformance_stop.py.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from backup_helpers import (
    PAGE,
    add_database,
    begin,
    damage,
    is_stamped,
    opened,
    read,
    read_file,
    stamps,
    stream,
    to_log_phase,
)
from esent import jet
from esent.backup import page_stream
from esent.pages.header import DatabaseHeader
from esent.pages.trailer import PatchPage
from jet_helpers import code_of

INCREMENTAL = jet.JET_bitBackupIncremental


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_stream.time, "sleep", lambda seconds: None)


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
        handle, size = jet.JetOpenFileInstance(run.instance, name)
        assert size == Path(run.path()).stat().st_size + PAGE
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
