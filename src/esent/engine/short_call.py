"""The short way into a call that moves, reads or changes: for the usual case, in which nothing stands against it.

Such a call holds the lock of the instance from its begin to its end, so nobody can end the instance, the session or the cursor
meanwhile, and there is nothing to register. Whoever gets None goes the long way (`cursor_call`), which knows every reason.
"""

from __future__ import annotations

import threading

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.engine.callbacks import watched
from esent.engine.cores import CursorCore, InstanceCore, SessionCore, TableCore
from esent.engine.cursor import Cursor
from esent.engine.handles import SessionHandle, TableHandle
from esent.engine.instance import State

_INITIALISED = State.INITIALISED
_this_thread = threading.get_ident


def begin(sesid: object, tableid: object) -> Cursor | None:
    """The cursor of a handle, with the lock of its instance taken (`end` lets go of it), or None."""
    if type(sesid) is not SessionHandle or type(tableid) is not TableHandle:
        return None
    target: object = cython.cast(TableHandle, tableid).target
    # cursors of other classes may refuse a call, or do something first
    if type(target) is not Cursor:
        return None
    cursor: CursorCore = cython.cast(CursorCore, target)
    session: SessionCore = cursor.session
    if cython.cast(SessionHandle, sesid).target is not session:
        return None
    instance: InstanceCore = cursor.instance
    cursor.acquire()
    try:
        if (
            instance.state is _INITIALISED
            and not instance.service_stopped
            and instance.unavailable is None
            and cython.cast(SessionHandle, sesid).target is session
            and cython.cast(TableHandle, tableid).target is target
            and not session._depth
            and session._context is None
            and (not session.level or session._owner_thread == _this_thread())
            and (_is_as_seen(cursor) or _is_current(cursor))
        ):
            found: Cursor = target
            return found
    except BaseException:
        cursor.release()
        raise
    cursor.release()
    return None


@cython.cfunc
@cython.inline
def _is_as_seen(cursor: CursorCore) -> cython.bint:
    """Whether nothing at all has happened to the definition of the table since it was last looked at."""
    live: TableCore | None = cursor.live
    return live is not None and live.epoch == cursor.epoch and not live.pending


@cython.cfunc
def _is_current(cursor: CursorCore) -> cython.bint:
    """Whether nothing has been added to the table, nor taken away, as the session sees it."""
    view = cursor.view
    if view.stamp != view.table.stamp:
        return False
    live = getattr(view.table, "live", None)
    if live is not None:
        cursor.live = live
        cursor.epoch = live.epoch
    return True


def begin_in_transaction(sesid: object, tableid: object) -> Cursor | None:
    """`begin` for a call that changes the table: only where a transaction is open, so that it need not wait for the disk, and
    where no callback is made within it."""
    cursor = begin(sesid, tableid)
    if cursor is None or (cython.cast(CursorCore, cursor).session.level and not watched(cursor)):
        return cursor
    end(cursor)
    return None


def end(cursor: Cursor) -> None:
    """The call is over."""
    cython.cast(CursorCore, cursor).release()
