"""The short way into a call that moves, reads or changes: for the usual case, in which nothing stands against it.

Such a call holds the lock of the instance from its begin to its end, so nobody can end the instance, the session or the cursor
meanwhile, and there is nothing to register. Whoever gets None goes the long way (`cursor_call`), which knows every reason.
"""

from __future__ import annotations

from esent.engine.callbacks import watched
from esent.engine.cursor import Cursor
from esent.engine.handles import SessionHandle, TableHandle
from esent.engine.instance import State

_INITIALISED = State.INITIALISED


def begin(sesid: object, tableid: object) -> Cursor | None:
    """The cursor of a handle, with the lock of its instance taken (`end` lets go of it), or None."""
    if type(sesid) is not SessionHandle or type(tableid) is not TableHandle:
        return None
    cursor = tableid.target
    session = sesid.target
    # cursors of other classes may refuse a call, or do something first
    if type(cursor) is not Cursor or cursor.session is not session:
        return None
    instance = cursor.instance
    cursor.lock.acquire()
    try:
        if (
            instance.state is _INITIALISED
            and not instance.service_stopped
            and instance.unavailable is None
            and sesid.target is session
            and tableid.target is cursor
            and session.at_hand()
        ):
            view = cursor.view
            if view.stamp == view.table.stamp:  # nothing has been added to the table, nor taken away
                return cursor
    except BaseException:
        cursor.lock.release()
        raise
    cursor.lock.release()
    return None


def begin_in_transaction(sesid: object, tableid: object) -> Cursor | None:
    """`begin` for a call that changes the table: only where a transaction is open, so that it need not wait for the disk, and
    where no callback is made within it."""
    cursor = begin(sesid, tableid)
    if cursor is None or (cursor.session.level and not watched(cursor)):
        return cursor
    end(cursor)
    return None


def end(cursor: Cursor) -> None:
    """The call is over."""
    cursor.lock.release()
