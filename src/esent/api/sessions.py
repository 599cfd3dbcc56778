# cython: annotation_typing=False
# What a caller gives may be of any type; compiled code would answer a wrong one with TypeError.
"""One session a thread: what a database keeps for each thread that uses it, and the cursors it has open."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from esent import jet
from esent.api.keys import KeyMaker
from esent.api.rows import Layout
from esent.catalog.objects import Index
from esent.constants import codes
from esent.engine import short_call
from esent.engine.cursor import Cursor, cursor_call
from esent.engine.session import Session
from esent.engine.versioned_cursor import VersionedCursor
from esent.errors import JetError, jet_error
from esent.jet.handles import JET_DBID, JET_SESID, JET_TABLEID
from esent.records.tuples import TupleReader

T = TypeVar("T")


class OpenTable:
    """A cursor and the layout of the records it reads, made anew when the table has changed."""

    def __init__(self, sesid: JET_SESID, tableid: JET_TABLEID) -> None:
        self.sesid = sesid
        self.tableid = tableid
        self._view: object = None
        self._layout: Layout | None = None
        self._reader: tuple[Layout, tuple[str, ...] | None, TupleReader] | None = None
        self._keys: dict[int, KeyMaker] = {}
        self._walkers: dict[int, VersionedCursor] = {}

    @property
    def alive(self) -> bool:
        """False once its transaction level was rolled back, or its session has ended."""
        return getattr(self.tableid, "target", None) is not None

    def layout(self, cursor: Cursor) -> Layout:
        if self._layout is None or self._view is not cursor.view:
            self._view = cursor.view
            self._layout = Layout(cursor.table, cursor.view.page_size)
            self._keys.clear()
            self._walkers.clear()
        return self._layout

    def reader(self, layout: Layout, columns: tuple[str, ...] | None) -> TupleReader:
        """What makes tuples of records of a layout, of all columns or of those named."""
        if self._reader is None or self._reader[0] is not layout or self._reader[1] != columns:
            chosen = None if columns is None else [layout.column(name) for name in columns]
            self._reader = layout, columns, layout.reader(chosen)
        return self._reader[2]

    def keys(self, cursor: Cursor, index: Index | None) -> KeyMaker:
        """What makes the keys of an index (None: the primary one). JET_errNoCurrentIndex where there is none."""
        layout = self.layout(cursor)
        chosen = index or cursor.view.primary
        if chosen is None:
            raise jet_error(codes.JET_errNoCurrentIndex, f"table {cursor.table.name} has no primary key to look in")
        maker = self._keys.get(chosen.objid)
        if maker is None or maker.index is not chosen:
            maker = self._keys[chosen.objid] = KeyMaker(cursor.view, layout, chosen)
        return maker

    def find(self, cursor: Cursor, index: Index | None, values: Sequence[Any]) -> tuple[bytes, bytes] | None:
        """Bookmark and record of the first row with values for all columns of an index. The cursor stays where it is.

        The caller holds the lock of the instance.
        """
        maker = self.keys(cursor, index)
        key = maker.exact(values)
        if not maker.index.is_primary:
            walker = self._walkers.get(maker.index.objid)
            if walker is None:
                walker = self._walkers[maker.index.objid] = cursor.index_tree(maker.index).cursor(cursor.session)
            if not walker.seek(key, "eq"):
                return None
            key = walker.data
        record = cursor.primary.tree.get(cursor.session, key)
        return None if record is None else (key, record)


class Use:
    """One use of a table by a thread, for `with`: gives the cursor and the layout of its records."""

    __slots__ = ("_call", "_name", "_opened", "_session")

    def __init__(self, session: ThreadSession, name: str) -> None:
        self._session = session
        self._name = name

    def __enter__(self) -> tuple[Cursor, Layout]:
        session = self._session
        self._opened = opened = session.open(self._name)
        try:
            self._call = cursor_call(session.sesid, opened.tableid)
            cursor = self._call.__enter__()
            try:
                return cursor, opened.layout(cursor)
            except BaseException:
                self._call.__exit__()
                raise
        except BaseException:
            session.close(opened)
            raise

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._call.__exit__()
        if kind is not None:
            self._session.close(self._opened)
        else:
            self._session.give_back(self._name, self._opened)


class ThreadSession:
    """The session of one thread with the database open, and cursors that wait for their next use by table name."""

    def __init__(self, instance: jet.JET_INSTANCE, path: Path) -> None:
        self.thread = threading.current_thread()
        self.sesid: JET_SESID = jet.JetBeginSession(instance)
        try:
            self.dbid: JET_DBID = jet.JetOpenDatabase(self.sesid, os.fspath(path))
        except BaseException:
            jet.JetEndSession(self.sesid)
            raise
        self._idle: dict[str, list[OpenTable]] = {}

    def open(self, name: str) -> OpenTable:
        """A cursor on a table, to be given back. JET_errObjectNotFound."""
        waiting = self._idle.get(name)
        while waiting:
            found = waiting.pop()
            if found.alive:
                return found
        return OpenTable(self.sesid, jet.JetOpenTable(self.sesid, self.dbid, name))

    def give_back(self, name: str, opened: OpenTable) -> None:
        if opened.alive:
            self._idle.setdefault(name, []).append(opened)

    def read(self, name: str, look: Callable[[Cursor, OpenTable], T]) -> T:
        """What `look` returns, with the lock of the instance held; for reading, without the cost of `cursor`."""
        opened = self.open(name)
        try:
            cursor = short_call.begin(self.sesid, opened.tableid)
            if cursor is None:
                with cursor_call(self.sesid, opened.tableid) as found, found.lock:
                    result = look(found, opened)
            else:
                try:
                    result = look(cursor, opened)
                finally:
                    short_call.end(cursor)
        except BaseException:
            self.close(opened)
            raise
        self.give_back(name, opened)
        return result

    def change(self, name: str, step: Callable[[Cursor, OpenTable, bool], T]) -> T:
        """What `step` returns, which changes the table with the lock of the instance held.

        It is durable when this returns, or a part of the transaction that is open. `step` is told whether the transaction is
        its own, which an error undoes; in that of the caller it has to see to that.
        """
        own = not self.level
        if own:
            jet.JetBeginTransaction(self.sesid)
        try:
            opened = self.open(name)
            try:
                cursor = short_call.begin_in_transaction(self.sesid, opened.tableid)
                if cursor is None:
                    with cursor_call(self.sesid, opened.tableid) as found, found.lock:
                        found.refresh_view()  # an index may have come while this waited
                        result = step(found, opened, own)
                else:
                    try:
                        result = step(cursor, opened, own)
                    finally:
                        short_call.end(cursor)
            except BaseException:
                self.close(opened)
                raise
            self.give_back(name, opened)
            if own:
                jet.JetCommitTransaction(self.sesid)
            return result
        except BaseException:
            if own and self.level:
                jet.JetRollback(self.sesid)
            raise

    def cursor(self, name: str) -> Use:
        """A cursor for one call. Closed, not kept, where the call fails: nobody knows what state it is in."""
        return Use(self, name)

    @property
    def level(self) -> int:
        """How many transactions are open, one in the other."""
        session = getattr(self.sesid, "target", None)
        return session.level if isinstance(session, Session) else 0

    @staticmethod
    def close(opened: OpenTable) -> None:
        """Close a cursor, from whatever thread."""
        cursor = getattr(opened.tableid, "target", None)
        if isinstance(cursor, Cursor):
            with cursor.session.instance.lock:
                cursor.close()

    def forget(self, name: str) -> None:
        """Close the waiting cursors of a table that is to be deleted or renamed."""
        folded = name.upper()
        for known in [each for each in list(self._idle) if each.upper() == folded]:
            for opened in self._idle.pop(known, []):
                self.close(opened)

    def end(self) -> None:
        """End the session; what it had open is closed, an open transaction rolled back."""
        self._idle.clear()
        with contextlib.suppress(JetError):  # the instance may have ended it, or be unable to go on
            jet.JetEndSession(self.sesid)


class ThreadSessions:
    """The sessions of all threads that use a database; those of threads that have ended are ended when the next one begins."""

    def __init__(self, instance: jet.JET_INSTANCE, path: Path) -> None:
        self._instance = instance
        self._path = path
        self._local = threading.local()
        self._all: list[ThreadSession] = []
        self._lock = threading.Lock()

    def current(self) -> ThreadSession:
        found: ThreadSession | None = getattr(self._local, "session", None)
        if found is None:
            if getattr(self._instance, "target", None) is None:
                raise jet_error(codes.JET_errNotInitialized, "the database is closed", file=self._path)
            self._end([each for each in self.all() if not each.thread.is_alive()])
            found = self._local.session = ThreadSession(self._instance, self._path)
            with self._lock:
                self._all.append(found)
        return found

    def all(self) -> list[ThreadSession]:
        with self._lock:
            return list(self._all)

    def _end(self, sessions: list[ThreadSession]) -> None:
        for each in sessions:
            with self._lock:
                if each not in self._all:
                    continue
                self._all.remove(each)
            each.end()

    def end_all(self) -> None:
        self._local = threading.local()  # of those that have ended no thread has one any more
        self._end(self.all())


__all__ = ["OpenTable", "ThreadSession", "ThreadSessions", "Use"]
