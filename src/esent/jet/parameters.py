"""System parameters."""

from __future__ import annotations

from esent.constants import codes, params
from esent.engine.parameters import error_to_string
from esent.engine.process import PROCESS, is_nil
from esent.engine.session import Session, checked_commit_options, resolve_session
from esent.errors import jet_error
from esent.jet.convert import to_signature
from esent.jet.handles import JET_CALLBACK, JET_ERR, JET_INSTANCE, JET_SESID
from esent.jet.structures_instance import JET_COMMIT_ID
from esent.jet.structures_tables import JET_UNICODEINDEX
from esent.pages.primitives import Signature


class DurableCommitCallback:
    """A JET_PFNDURABLECOMMITCALLBACK: called with the instance, the JET_COMMIT_ID that is durable now, and a grbit."""

    def __init__(self, call: JET_CALLBACK) -> None:
        self.call = call

    def __call__(self, instance: JET_INSTANCE, signature: Signature, number: int, grbit: int) -> object:
        return self.call(instance, JET_COMMIT_ID(signLog=to_signature(signature), commitId=number), grbit)


def _session(sesid: object) -> Session | None:
    return None if is_nil(sesid) else resolve_session(sesid)


def JetSetSystemParameter(
    instance: JET_INSTANCE | None,
    sesid: JET_SESID | None,
    paramid: int,
    lParam: int | JET_CALLBACK | JET_UNICODEINDEX | None = 0,
    szParam: str | None = None,
) -> JET_ERR:
    """Set a parameter: a text by `szParam`, anything else by `lParam`. Without an instance: the default of later ones.

    JET_paramUnicodeIndexDefault takes a JET_UNICODEINDEX; callbacks are Python callables.
    """
    session = _session(sesid)
    if session is not None and paramid == params.JET_paramCommitDefault:
        session.commit_default = checked_commit_options(lParam)
        return 0
    home = session.instance.handle if session is not None and is_nil(instance) else instance
    if paramid == params.JET_paramDurableCommitCallback and callable(lParam):
        lParam = DurableCommitCallback(lParam)
    PROCESS.set_parameter(home, paramid, lParam, szParam)
    return 0


def JetGetSystemParameter(
    instance: JET_INSTANCE | None,
    sesid: JET_SESID | None,
    paramid: int,
    plParam: int | JET_UNICODEINDEX | None = None,
) -> int | str:
    """Read a parameter: `str` for a text, else `int`.

    `plParam` is read for JET_paramErrorToString (the error number), and a JET_UNICODEINDEX given for
    JET_paramUnicodeIndexDefault is filled in.
    """
    session = _session(sesid)
    home = session.instance.handle if session is not None and is_nil(instance) else instance
    if session is not None and paramid == params.JET_paramTransactionLevel:
        return session.level
    if session is not None and paramid == params.JET_paramCommitDefault and session.commit_default is not None:
        return session.commit_default
    value = PROCESS.get_parameter(home, paramid)
    if paramid == params.JET_paramErrorToString:
        if not isinstance(plParam, int):
            raise jet_error(codes.JET_errInvalidParameter, "the number of the error is needed")
        return error_to_string(plParam)
    if paramid == params.JET_paramUnicodeIndexDefault and isinstance(plParam, JET_UNICODEINDEX):
        default = PROCESS.parameters_of(home).unicode_default
        plParam.lcid, plParam.dwMapFlags = default.lcid, default.map_flags
    return value


__all__ = ["JetGetSystemParameter", "JetSetSystemParameter"]
