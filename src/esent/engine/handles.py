"""The opaque handles of the API: what they stand for is known to the engine alone.

A handle of another kind, a stale one, 0, a nil constant or any other value is answered with the documented error of the kind.
"""

from __future__ import annotations

import itertools

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

_serials = itertools.count(1)


@cython.cclass
class Handle:
    """An opaque handle; two are equal only if they are the same. `target` becomes None when the handle dies."""

    target: object
    _serial: int

    def __init__(self, target: object) -> None:
        self.target = target
        self._serial = next(_serials)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._serial}{'' if self.target is not None else ', closed'}>"


@cython.cclass
class InstanceHandle(Handle):
    """JET_INSTANCE."""


@cython.cclass
class SessionHandle(Handle):
    """JET_SESID."""


@cython.cclass
class TableHandle(Handle):
    """JET_TABLEID."""
