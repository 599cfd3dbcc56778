"""What every call asks of instances, sessions, cursors and tables: fields that compiled code reaches without looking them up.

The classes that have these fields inherit them; what the fields mean is said there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

if TYPE_CHECKING:
    from threading import RLock

    from esent.engine.instance import Instance
    from esent.engine.session import Session
    from esent.engine.table_view import TableView
    from esent.engine.update import Update
    from esent.errors import JetError


@cython.cclass
class InstanceCore:
    """Of `engine.instance.Instance`."""

    lock: RLock
    state: Any
    service_stopped: bool
    unavailable: JetError | None


@cython.cclass
class SessionCore:
    """Of `engine.session.Session`."""

    level: int
    read_only: bool
    _depth: int
    _context: int | None
    _owner_thread: int


@cython.cclass
class TableCore:
    """Of `engine.schema.LiveTable`."""

    epoch: int
    pending: int


@cython.cclass
class CursorCore:
    """Of `engine.cursor.Cursor`. `live` and `epoch`: the table whose state at that time the view was found to be of."""

    session: Session
    instance: Instance
    lock: RLock
    acquire: Callable[[], object]
    release: Callable[[], object]
    view: TableView
    setters: dict[int, Any]
    update: Update | None
    changes: bool
    live: TableCore | None
    epoch: int
