"""Sessions, transactions, contexts and session parameters; who may use a session."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esent import jet
from jet_helpers import Running, code_of

Start = Callable[..., Running]


def in_thread(call: Callable[..., Any], *arguments: Any) -> int:
    """What a call does in another thread."""
    codes: list[int] = []
    worker = threading.Thread(target=lambda: codes.append(code_of(call, *arguments)))
    worker.start()
    worker.join(20)
    return codes[0]


def test_levels_and_their_ends(start: Start) -> None:
    sesid = start().sesid
    assert code_of(jet.JetCommitTransaction, sesid) == jet.JET_errNotInTransaction
    assert code_of(jet.JetRollback, sesid) == jet.JET_errNotInTransaction
    for level in range(1, 8):
        assert jet.JetBeginTransaction(sesid) == 0
        assert jet.JetGetSessionInfo(sesid, 0).ulTrxLevel == level
    assert code_of(jet.JetBeginTransaction, sesid) == jet.JET_errTransTooDeep
    assert jet.JetCommitTransaction(sesid) == 0
    assert jet.JetRollback(sesid) == 0
    assert jet.JetGetSessionInfo(sesid, 0).ulTrxLevel == 5
    assert jet.JetRollback(sesid, jet.JET_bitRollbackAll) == 0
    assert jet.JetGetSessionInfo(sesid, 0).ulTrxLevel == 0


def test_transaction_ids_ascend(start: Start) -> None:
    sesid = start().sesid
    seen = []
    for _ in range(3):
        jet.JetBeginTransaction(sesid)
        jet.JetBeginTransaction(sesid)
        seen.append(jet.JetGetSessionInfo(sesid, 0).ulTrxBegin0)
        jet.JetRollback(sesid, jet.JET_bitRollbackAll)
    assert seen == sorted(set(seen))


@pytest.mark.parametrize("grbit", [3, 9, 4, 128, -1, "1"])
def test_commit_refuses_options_that_contradict(start: Start, grbit: Any) -> None:
    sesid = start().sesid
    jet.JetBeginTransaction(sesid)
    assert code_of(jet.JetCommitTransaction, sesid, grbit) == jet.JET_errInvalidGrbit
    assert jet.JetGetSessionInfo(sesid, 0).ulTrxLevel == 1


@pytest.mark.parametrize("grbit", [jet.JET_bitWaitLastLevel0Commit, jet.JET_bitWaitAllLevel0Commit, jet.JET_bitForceNewLog])
def test_waiting_commits_nothing(start: Start, grbit: int, tmp_path: Path) -> None:
    sesid = start().sesid
    jet.JetBeginTransaction(sesid)
    assert jet.JetCommitTransaction(sesid, grbit) == 0
    assert jet.JetGetSessionInfo(sesid, 0).ulTrxLevel == 1
    assert (tmp_path / "edb00001.log").exists() == (grbit == jet.JET_bitForceNewLog)


def test_commit_with_an_id(start: Start) -> None:
    running = start()
    jet.JetBeginTransaction(running.sesid)
    found = jet.JetCommitTransaction2(running.sesid, jet.JET_bitCommitLazyFlush, 0)
    assert found.signLog == jet.JetGetInstanceMiscInfo(running.instance, jet.JET_InstanceMiscInfoLogSignature)
    jet.JetBeginTransaction(running.sesid)
    assert code_of(jet.JetCommitTransaction2, running.sesid, 0, -5) == jet.JET_errInvalidParameter


def test_commit_without_a_log(start: Start) -> None:
    sesid = start(Recovery="off").sesid
    jet.JetBeginTransaction(sesid)
    assert jet.JetCommitTransaction(sesid, jet.JET_bitWaitAllLevel0Commit) == 0
    assert jet.JetCommitTransaction2(sesid).signLog == jet.JET_SIGNATURE()


def test_session_limit(start: Start) -> None:
    running = start(MaxSessions=3)
    opened = [running.sesid]
    while not (code := code_of(jet.JetDupSession, running.sesid)):
        opened.append(None)
        assert len(opened) < 200
    assert (code, len(opened)) == (jet.JET_errOutOfSessions, 69)
    jet.JetEndSession(running.sesid)
    assert code_of(jet.JetBeginSession, running.instance) == 0


def test_end_of_a_session_rolls_back(start: Start, database: Path) -> None:
    running = start()
    running.attach()
    running.open()
    jet.JetBeginTransaction(running.sesid)
    assert jet.JetEndSession(running.sesid) == 0
    assert code_of(jet.JetEndSession, running.sesid) == jet.JET_errInvalidSesid
    assert running.term() == 0


# ---- threads and contexts ---------------------------------------------------------------------------------------


def test_a_session_outside_a_transaction_may_change_threads(start: Start) -> None:
    sesid = start().sesid
    assert in_thread(jet.JetBeginTransaction, sesid) == 0
    assert code_of(jet.JetCommitTransaction, sesid) == jet.JET_errSessionSharingViolation
    assert code_of(jet.JetRollback, sesid) == jet.JET_errSessionSharingViolation
    assert code_of(jet.JetBeginTransaction, sesid) == jet.JET_errSessionSharingViolation
    assert jet.JetEndSession(sesid) == 0


def test_a_context_takes_the_transaction_along(start: Start) -> None:
    sesid = start().sesid
    assert jet.JetSetSessionContext(sesid, 5) == 0
    assert code_of(jet.JetSetSessionContext, sesid, 5) == jet.JET_errSessionContextAlreadySet
    assert jet.JetBeginTransaction(sesid) == 0
    assert jet.JetGetSessionInfo(sesid, 0).ulTrxContext == 5
    assert in_thread(jet.JetCommitTransaction, sesid) == jet.JET_errSessionSharingViolation
    assert in_thread(jet.JetSetSessionContext, sesid, 6) == jet.JET_errSessionContextAlreadySet
    assert in_thread(jet.JetResetSessionContext, sesid) == jet.JET_errSessionContextNotSetByThisThread
    assert jet.JetResetSessionContext(sesid) == 0
    assert code_of(jet.JetResetSessionContext, sesid) == jet.JET_errSessionContextNotSetByThisThread
    assert code_of(jet.JetCommitTransaction, sesid) == jet.JET_errSessionSharingViolation

    def elsewhere() -> int:
        jet.JetSetSessionContext(sesid, 5)
        jet.JetCommitTransaction(sesid)
        return jet.JetResetSessionContext(sesid)

    assert in_thread(elsewhere) == 0
    assert jet.JetGetSessionInfo(sesid, 0).ulTrxLevel == 0


@pytest.mark.parametrize("context", [0, 2**64 - 1, -1, None, "5"])
def test_contexts_that_are_none(start: Start, context: Any) -> None:
    assert code_of(jet.JetSetSessionContext, start().sesid, context) == jet.JET_errInvalidParameter


def test_two_threads_in_one_session(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    running = start()
    inside, go_on = threading.Event(), threading.Event()
    session = running.sesid.target

    def held(_grbit: object = 0) -> int:
        inside.set()
        go_on.wait(20)
        return 0

    monkeypatch.setattr(session, "idle", held)
    worker = threading.Thread(target=jet.JetIdle, args=(running.sesid,))
    worker.start()
    assert inside.wait(20)
    code = code_of(jet.JetBeginTransaction, running.sesid)
    go_on.set()
    worker.join(20)
    assert code == jet.JET_errSessionSharingViolation
    assert jet.JetBeginTransaction(running.sesid) == 0


# ---- session parameters -----------------------------------------------------------------------------------------


def test_session_parameters(start: Start) -> None:
    sesid = start().sesid
    get, put = jet.JetGetSessionParameter, jet.JetSetSessionParameter
    assert get(sesid, jet.JET_sesparamCommitDefault) == bytes(4)
    assert put(sesid, jet.JET_sesparamCommitDefault, struct.pack("<I", jet.JET_bitCommitLazyFlush)) == 0
    assert get(sesid, jet.JET_sesparamCommitDefault) == b"\1\0\0\0"
    assert jet.JetGetSystemParameter(None, sesid, jet.JET_paramCommitDefault) == 1
    jet.JetBeginTransaction(sesid)
    assert get(sesid, jet.JET_sesparamTransactionLevel) == b"\1\0\0\0"
    assert jet.JetGetSystemParameter(None, sesid, jet.JET_paramTransactionLevel) == 1
    assert put(sesid, jet.JET_sesparamCommitGenericContext, b"context") == 0
    assert get(sesid, jet.JET_sesparamCommitGenericContext) == b"context"
    assert get(sesid, jet.JET_sesparamCachePriority) == struct.pack("<I", 100)


@pytest.mark.parametrize(
    ("number", "value", "code"),
    [
        (jet.JET_sesparamTransactionLevel, bytes(4), jet.JET_errFeatureNotAvailable),
        (jet.JET_sesparamOperationContext, bytes(4), jet.JET_errInvalidBufferSize),
        (jet.JET_sesparamCorrelationID, bytes(5), jet.JET_errInvalidBufferSize),
        (jet.JET_sesparamCachePriority, struct.pack("<I", 1001), jet.JET_errInvalidParameter),
        (jet.JET_sesparamCommitDefault, struct.pack("<I", 3), jet.JET_errInvalidGrbit),
        (jet.JET_sesparamCommitGenericContext, bytes(5000), jet.JET_errInvalidBufferSize),
        (jet.JET_sesparamCommitGenericContext, "text", jet.JET_errInvalidParameter),
        (jet.JET_sesparamMaxValueInvalid, bytes(4), jet.JET_errInvalidSesparamId),
        (0, bytes(4), jet.JET_errInvalidSesparamId),
        (None, bytes(4), jet.JET_errInvalidSesparamId),
    ],
)
def test_session_parameters_refused(start: Start, number: Any, value: Any, code: int) -> None:
    assert code_of(jet.JetSetSessionParameter, start().sesid, number, value) == code


def test_idle(start: Start) -> None:
    sesid = start().sesid
    assert [code_of(jet.JetIdle, sesid, grbit) for grbit in (0, 2, 4, 8, 32)] == [1058, 1058, 0, 0, 0]
    assert code_of(jet.JetIdle, sesid, 1) == jet.JET_errInvalidGrbit


def test_thread_statistics_count_what_was_logged(start: Start, database: Path) -> None:
    running = start()
    before = jet.JetGetThreadStats()
    running.attach()
    after = jet.JetGetThreadStats()
    assert after.cLogRecord == before.cLogRecord + 1
    assert after.cbLogRecord - before.cbLogRecord == 75 + len(str(database).encode("utf-16-le")) + 2


def test_odds_and_ends(start: Start) -> None:
    sesid = start().sesid
    assert jet.JetGetVersion(sesid) >> 8 == 9600
    assert code_of(jet.JetGetSessionInfo, sesid, 7) == jet.JET_errInvalidParameter
    assert code_of(jet.JetPrepareToCommitTransaction, sesid, b"") == jet.JET_errFeatureNotAvailable
    assert jet.JetBeginTransaction3(sesid, 42) == 0
    assert jet.JetBeginTransaction2(sesid, jet.JET_bitTransactionReadOnly) == 0
    assert code_of(jet.JetBeginTransaction2, sesid, None) == jet.JET_errInvalidGrbit
