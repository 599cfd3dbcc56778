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

from esent.tree.live import Writer

if TYPE_CHECKING:
    from threading import RLock

    from esent.engine.index_entries import Upkeep
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
class SessionCore(Writer):
    """Of `engine.session.Session`. It is a writer, as a class can only have one compiled line of ancestors."""

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
    """Of `engine.cursor.Cursor`.

    `upkeep`: of the indexes that updates keep up, once asked for; `live` and `epoch`: the table, and the state of it that
    the view is of; `changes`: whether it is one through which the table is changed.
    """

    session: Session
    instance: Instance
    lock: RLock
    acquire: Callable[[], object]
    release: Callable[[], object]
    view: TableView
    setters: dict[int, Any]
    update: Update | None
    upkeep: list[Upkeep] | None
    changes: bool
    live: TableCore | None
    epoch: int
