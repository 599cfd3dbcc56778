"""Information about errors, pages of live databases, and what says that it does not exist here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esent import jet
from esent.errors import JetWarning
from esent.pages.checksum import verify_page
from jet_helpers import Running, code_of

Start = Callable[..., Running]


@pytest.mark.parametrize(
    ("code", "path"),
    [
        (jet.JET_errDiskFull, [1, 2, 5, 8]),
        (jet.JET_errReadVerifyFailure, [1, 9, 10]),
        (jet.JET_errBackupAbortByServer, [1, 2]),
        (jet.JET_errInvalidParameter, [1, 13, 14]),
    ],
)
def test_categories_of_errors(code: int, path: list[int]) -> None:
    found = jet.JetGetErrorInfo(code, jet.JET_ErrorInfoSpecificErr)
    assert found.errValue == code
    assert found.errcatMostSpecific == path[-1]
    assert found.rgCategoricalHierarchy == path + [0] * (8 - len(path))


def test_errors_that_are_none() -> None:
    assert code_of(jet.JetGetErrorInfo, -99999, 1) == jet.JET_errInvalidParameter
    assert code_of(jet.JetGetErrorInfo, None, 1) == jet.JET_errInvalidParameter
    assert code_of(jet.JetGetErrorInfo, -1003, 2) == jet.JET_errInvalidParameter
    assert code_of(jet.JetGetErrorInfo, -1003, 1, 1) == jet.JET_errInvalidGrbit
    assert jet.JetFreeBuffer(object()) == 0


def test_pages_of_a_live_database(start: Start) -> None:
    running = start()
    dbid = jet.JetCreateDatabase(running.sesid, running.path("new.edb"))
    data = jet.JetGetDatabasePages(running.sesid, dbid, 1, 3)
    size = len(data) // 3
    assert len(data) == 3 * size
    assert [verify_page(data[at * size : (at + 1) * size], at + 1) for at in range(3)] == [0, 0, 0]
    for first, count, grbit, code in (
        (0, 1, 0, jet.JET_errInvalidParameter),
        (1, 0, 0, jet.JET_errInvalidParameter),
        (1, 1, 1, jet.JET_errInvalidGrbit),
        (10**6, 1, 0, jet.JET_errFileIOBeyondEOF),
    ):
        assert code_of(jet.JetGetDatabasePages, running.sesid, dbid, first, count, grbit) == code
    assert code_of(jet.JetGetDatabasePages, running.sesid, 0, 1, 1) == jet.JET_errInvalidDatabaseId


def test_a_scan_finds_the_damaged_page(start: Start, database: Path) -> None:
    running = start()
    running.attach()
    dbid = running.open()
    ended: list[int] = []
    begin = jet.JET_bitDatabaseScanBatchStart

    def scan() -> Any:
        return jet.JetDatabaseScan(running.sesid, dbid, None, 0, lambda *each: ended.append(each[3]), begin)

    assert scan() >= 0
    assert ended == [jet.JET_cbtypScanCompleted]
    size = 4096
    with database.open("r+b") as file:
        file.seek((20 + 1) * size + 100)
        file.write(b"damage" * 20)
    with pytest.raises(jet.JetError, match="page 20") as caught:
        scan()
    assert caught.value.code == jet.JET_errReadVerifyFailure
    with pytest.warns(JetWarning, match="JET_wrnDatabaseScanNotRunning"):
        jet.JetDatabaseScan(running.sesid, dbid, grbit=jet.JET_bitDatabaseScanBatchStop)
    assert code_of(jet.JetDatabaseScan, running.sesid, dbid) == jet.JET_errInvalidGrbit


def test_what_is_not_there_says_so(start: Start) -> None:
    running = start()
    instance, sesid = running.instance, running.sesid
    dbid = jet.JetCreateDatabase(sesid, running.path("new.edb"))
    tableid = jet.JetCreateTable(sesid, dbid, "T")
    calls: list[tuple[Any, ...]] = [
        (jet.JetGetCounter, sesid, 0),
        (jet.JetResetCounter, sesid, 0),
        (jet.JetConvertDDL, sesid, dbid, 1, None),
        (jet.JetCreateEncryptionKey, 1),
        (jet.JetTracing, 0, 0, 0),
        (jet.JetTestHook, 0),
        (jet.JetGetResourceParam, instance, 0, 0),
        (jet.JetSetResourceParam, instance, 0, 0, 0),
        (jet.JetSetTableInfo, sesid, tableid, b"", 0),
        (jet.JetBeginDatabaseIncrementalReseed, instance, "a.edb", 1),
        (jet.JetPatchDatabasePages, instance, "a.edb", 1, 1, b"page"),
        (jet.JetEndDatabaseIncrementalReseed, instance, "a.edb", 1, 2, 3),
        (jet.JetRBSPrepareRevert, instance, jet.JET_LOGTIME(), 0),
        (jet.JetRBSExecuteRevert, instance),
        (jet.JetRBSCancelRevert, instance),
        (jet.JetRemoveLogfile, "a.edb", "b.log"),
        (jet.JetConsumeLogData, instance, jet.JET_EMITDATACTX(), b""),
    ]
    for call, *arguments in calls:
        with pytest.raises(jet.JetError) as caught:
            call(*arguments)
        assert caught.value.code == jet.JET_errFeatureNotAvailable, call
        assert caught.value.message


def test_their_arguments_are_checked_first(start: Start) -> None:
    running = start()
    instance, sesid = running.instance, running.sesid
    calls: list[tuple[Any, ...]] = [
        (jet.JetGetCounter, 0, 0, jet.JET_errInvalidSesid),
        (jet.JetRBSCancelRevert, 0, jet.JET_errInvalidParameter),
        (jet.JetPatchDatabasePages, instance, "a.edb", 0, 1, b"page", jet.JET_errInvalidParameter),
        (jet.JetPatchDatabasePages, instance, "a.edb", 1, 1, b"page", 64, jet.JET_errInvalidGrbit),
        (jet.JetEndDatabaseIncrementalReseed, instance, "a.edb", 3, 2, 1, jet.JET_errInvalidParameter),
        (jet.JetEndDatabaseIncrementalReseed, instance, "a.edb", 1, 2, 3, 1, jet.JET_errInvalidParameter),
        (jet.JetRemoveLogfile, "", "b.log", jet.JET_errInvalidParameter),
        (jet.JetConsumeLogData, instance, None, b"", jet.JET_errInvalidParameter),
        (jet.JetOnlinePatchDatabasePage, sesid, 0, 1, b"", b"", jet.JET_errInvalidDatabaseId),
        (jet.JetConfigureProcessForCrashDump, 0, jet.JET_errInvalidGrbit),
        (jet.JetConfigureProcessForCrashDump, 0x4000, jet.JET_errInvalidGrbit),
    ]
    for call, *arguments, code in calls:
        assert code_of(call, *arguments) == code, call
    assert jet.JetConfigureProcessForCrashDump(jet.JET_bitDumpMinimum) == 0
