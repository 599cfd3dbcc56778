"""The types of the API's parameters, under their documented names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from esent.engine.handles import Handle, InstanceHandle, SessionHandle

JET_ERR: TypeAlias = int
JET_GRBIT: TypeAlias = int
JET_COLUMNID: TypeAlias = int
JET_DBID: TypeAlias = int
# Handles are opaque; 0 and the nil constants are accepted wherever a handle is, and answered with the documented error.
JET_INSTANCE: TypeAlias = InstanceHandle | int
JET_SESID: TypeAlias = SessionHandle | int
JET_TABLEID: TypeAlias = Handle | int
JET_HANDLE: TypeAlias = Handle | int
JET_OSSNAPID: TypeAlias = Handle | int
JET_LS: TypeAlias = int

Buffer: TypeAlias = bytes | bytearray | memoryview

JET_PFNSTATUS: TypeAlias = Callable[..., Any]  # pfnStatus(sesid, snp, snt, pv)
JET_PFNINITCALLBACK: TypeAlias = Callable[..., Any]  # pfnCallback(snp, snt, pv, pvContext)
JET_CALLBACK: TypeAlias = Callable[..., Any]  # pCallback(sesid, dbid, tableid, cbtyp, pvArg1, pvArg2, pvContext)

__all__ = [
    "JET_CALLBACK",
    "JET_COLUMNID",
    "JET_DBID",
    "JET_ERR",
    "JET_GRBIT",
    "JET_HANDLE",
    "JET_INSTANCE",
    "JET_LS",
    "JET_OSSNAPID",
    "JET_PFNINITCALLBACK",
    "JET_PFNSTATUS",
    "JET_SESID",
    "JET_TABLEID",
    "Buffer",
]
