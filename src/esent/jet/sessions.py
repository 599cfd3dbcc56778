"""Sessions and transactions."""

from __future__ import annotations

from esent.constants import codes, grbits
from esent.engine.process import PROCESS
from esent.engine.session import resolve_session, session_call
from esent.engine.statistics import thread_counters
from esent.engine.transactions import commit_number
from esent.errors import jet_error
from esent.jet.convert import to_signature
from esent.jet.handles import JET_ERR, JET_GRBIT, JET_INSTANCE, JET_SESID, Buffer
from esent.jet.structures_instance import JET_COMMIT_ID, JET_SESSIONINFO, JET_SIGNATURE, JET_THREADSTATS


def JetBeginSession(instance: JET_INSTANCE | None, szUserName: str | None = None, szPassword: str | None = None) -> JET_SESID:
    """Open a session; name and password have no meaning."""
    with PROCESS.resolve(instance).call(tolerant=True) as found:
        return found.begin_session().handle


def JetDupSession(sesid: JET_SESID) -> JET_SESID:
    """Open another session of the same instance."""
    with session_call(sesid) as session:
        return session.instance.begin_session().handle


def JetEndSession(sesid: JET_SESID, grbit: JET_GRBIT = 0) -> JET_ERR:
    """End a session: its transactions are rolled back, its databases closed."""
    with session_call(sesid, closing=True) as session:
        session.close()
    return 0


def JetBeginTransaction(sesid: JET_SESID) -> JET_ERR:
    """Begin a transaction, or one level more of it."""
    with session_call(sesid) as session:
        session.begin()
    return 0


def JetBeginTransaction2(sesid: JET_SESID, grbit: JET_GRBIT) -> JET_ERR:
    """JetBeginTransaction, with JET_bitTransactionReadOnly."""
    with session_call(sesid) as session:
        session.begin(grbit)
    return 0


def JetBeginTransaction3(sesid: JET_SESID, trxid: int, grbit: JET_GRBIT = 0) -> JET_ERR:
    """JetBeginTransaction2 with a number for tracing."""
    with session_call(sesid) as session:
        session.begin(grbit)
    return 0


def JetCommitTransaction(sesid: JET_SESID, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Commit the innermost level. An option to wait or to roll the log only does that."""
    with session_call(sesid) as session:
        session.commit(grbit)
    return 0


def JetCommitTransaction2(sesid: JET_SESID, grbit: JET_GRBIT = 0, cmsecDurableCommit: int = 0) -> JET_COMMIT_ID:
    """JetCommitTransaction; the result names the commit, with number 0 where nothing was logged.

    A lazy commit is durable within `cmsecDurableCommit` milliseconds, if that is not 0.
    """
    with session_call(sesid) as session:
        if not isinstance(cmsecDurableCommit, int) or cmsecDurableCommit < 0:
            raise jet_error(codes.JET_errInvalidParameter, f"{cmsecDurableCommit!r} is not a delay")
        position = session.commit(grbit, cmsecDurableCommit)
        instance = session.instance
        signature = to_signature(instance.log.signature) if instance.logging else JET_SIGNATURE()
        return JET_COMMIT_ID(signLog=signature, commitId=commit_number(position))


def JetRollback(sesid: JET_SESID, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Undo the innermost level, or all with JET_bitRollbackAll."""
    with session_call(sesid, closing=True) as session:
        session.rollback(grbit)
    return 0


def JetPrepareToCommitTransaction(sesid: JET_SESID, pvData: Buffer, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Two-phase commit, which current engines do not offer."""
    with session_call(sesid):
        raise jet_error(codes.JET_errFeatureNotAvailable, "there is no two-phase commit")


def JetSetSessionContext(sesid: JET_SESID, ulContext: int) -> JET_ERR:
    """Bind the session to a context of the caller's choice, so that threads can use it in turn within a transaction."""
    session = resolve_session(sesid)
    with session.instance.call():
        session.set_context(ulContext)
    return 0


def JetResetSessionContext(sesid: JET_SESID) -> JET_ERR:
    """Undo JetSetSessionContext of the same thread."""
    session = resolve_session(sesid)
    with session.instance.call(closing=True):
        session.reset_context()
    return 0


def JetSetSessionParameter(sesid: JET_SESID | None, sesparamid: int, pvParam: Buffer | None) -> JET_ERR:
    """Set a session parameter to the bytes of its value."""
    with session_call(sesid) as session:
        session.set_parameter(sesparamid, pvParam)
    return 0


def JetGetSessionParameter(sesid: JET_SESID | None, sesparamid: int) -> bytes:
    """The bytes of a session parameter's value."""
    with session_call(sesid) as session:
        return session.get_parameter(sesparamid)


def JetGetSessionInfo(sesid: JET_SESID, ulInfoLevel: int) -> JET_SESSIONINFO:
    """The state of a session's transaction."""
    with session_call(sesid, closing=True) as session:
        if ulInfoLevel != grbits.JET_SessionInfo:
            raise jet_error(codes.JET_errInvalidParameter, f"information level {ulInfoLevel!r} about a session")
        return JET_SESSIONINFO(
            ulTrxBegin0=session.trx_begin0,
            ulTrxLevel=session.level,
            ulProcid=session.procid,
            ulFlags=0,
            ulTrxContext=session.context,
        )


def JetIdle(sesid: JET_SESID, grbit: JET_GRBIT = 0) -> JET_ERR:
    """Do or report idle work; JET_wrnNoIdleActivity where there is none."""
    with session_call(sesid) as session:
        return session.idle(grbit)


def JetGetThreadStats() -> JET_THREADSTATS:
    """Counters of the calling thread since it began."""
    counters = thread_counters()
    return JET_THREADSTATS(cLogRecord=counters.log_records, cbLogRecord=counters.log_bytes)


__all__ = [
    "JetBeginSession",
    "JetBeginTransaction",
    "JetBeginTransaction2",
    "JetBeginTransaction3",
    "JetCommitTransaction",
    "JetCommitTransaction2",
    "JetDupSession",
    "JetEndSession",
    "JetGetSessionInfo",
    "JetGetSessionParameter",
    "JetGetThreadStats",
    "JetIdle",
    "JetPrepareToCommitTransaction",
    "JetResetSessionContext",
    "JetRollback",
    "JetSetSessionContext",
    "JetSetSessionParameter",
]
