"""The opaque handles of the API: what they stand for is known to the engine alone.

A handle of another kind, a stale one, 0, a nil constant or any other value is answered with the documented error of the kind.
"""

from __future__ import annotations

import itertools

_serials = itertools.count(1)


class Handle:
    """An opaque handle; two are equal only if they are the same. `target` becomes None when the handle dies."""

    __slots__ = ("_serial", "target")

    def __init__(self, target: object) -> None:
        self.target: object | None = target
        self._serial = next(_serials)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._serial}{'' if self.target is not None else ', closed'}>"


class InstanceHandle(Handle):
    """JET_INSTANCE."""

    __slots__ = ()


class SessionHandle(Handle):
    """JET_SESID."""

    __slots__ = ()


class TableHandle(Handle):
    """JET_TABLEID."""

    __slots__ = ()
