"""Tidying up that nobody asks for: versions nobody needs, nodes nobody can see, what recovery has left.

A commit or a roll-back that leaves something to do wakes it; a little later a thread of its own does the work in small
portions, each with the lock of the instance held and in a transaction of the clean-up, so that writers wait for one portion
at the most. There is no thread while there is nothing to do.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from esent.catalog.schema import Catalog
from esent.constants import grbits, params
from esent.engine.leftovers import Forest, reclaim_space, sweep_leaf
from esent.engine.shrink import clear_tail, shrink_database
from esent.errors import JetError
from esent.tree.shrink import free_pages, last_needed

if TYPE_CHECKING:
    from esent.engine.database import AttachedDatabase
    from esent.engine.instance import Instance
    from esent.recovery.traces import Traces

DELAY = 2.0  # seconds between the first thing there is to do and its doing
_SHRINKS = grbits.JET_bitShrinkDatabaseOn | grbits.JET_bitShrinkDatabaseRealtime
SPARE = 4  # that part of a database has to be free for what is at its end to be moved
PORTION = 64  # nodes removed, or leaves looked at, without letting anybody else in


class Cleanup:
    """The clean-up of an instance. `recovered`: what recovery left, by the path of the database."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.delay = DELAY
        self.recovered: dict[Path, Traces] = {}
        self._leaves: dict[AttachedDatabase, tuple[Forest, list[int]]] = {}  # where a crash may have left something
        self._timer: threading.Timer | None = None
        self._stopped = False

    # -- after recovery -------------------------------------------------------------------------------------------------

    def attached(self, database: AttachedDatabase, *, left_by_crash: bool) -> None:
        """A database was attached. What recovery has put right, here or elsewhere, may be `left_by_crash`: make the space free
        that nobody has, and have the deleted nodes looked at later, if it is known where they are."""
        traces = self._traces_of(database.path)
        if database.read_only or not (left_by_crash or traces is not None):
            return
        try:
            forest = Forest.of(Catalog.load(database.store))
            reclaim_space(database, forest, forest.below)
        except JetError:
            return  # the next user of the database meets what is wrong, if anything is
        if traces is not None and traces.leaves:
            with self.instance.lock:
                self._leaves[database] = forest, sorted(traces.leaves, reverse=True)
                self.wake()

    def _traces_of(self, path: Path) -> Traces | None:
        wanted = os.path.realpath(path)
        for known in self.recovered:
            if os.path.realpath(known) == wanted:
                return self.recovered.pop(known)
        return None

    # -- by itself ------------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """There is something to do. The lock of the instance is held."""
        if self._timer is None and not self._stopped:
            self._timer = threading.Timer(self.delay, self._run)
            self._timer.daemon = True
            self._timer.start()

    def _run(self) -> None:
        while self._portion():
            pass
        if self.instance.parameters.number(params.JET_paramEnableShrinkDatabase) & _SHRINKS:
            self._shrink()
        with self.instance.lock:
            self._timer = None

    def _shrink(self) -> None:
        """Make databases shorter that have a step of growth, or more, free at their end."""
        for database in self.instance.databases.all():
            try:
                with self.instance.lock:
                    if not self.allowed or database.read_only:
                        continue
                    needed = last_needed(database.store)
                    spare = free_pages(database.store)
                if spare >= max(database.store.growth, database.file.page_count // SPARE):
                    clear_tail(database, 1)
                    with self.instance.lock:
                        needed = last_needed(database.store)
                if database.file.page_count - needed >= database.store.growth:
                    shrink_database(database, needed)
            except JetError:
                continue  # a backup is on, or the database is being detached

    @property
    def allowed(self) -> bool:
        """Whether the instance is one in which things are tidied up."""
        instance = self.instance
        return not (self._stopped or instance.terminating or instance.unavailable is not None or instance.log_failed)

    def _portion(self) -> bool:
        """Do a little; whether there may be more."""
        instance = self.instance
        with instance.lock:
            if not self.allowed:
                return False
            store = instance.transactions.store
            store.collect()
            waiting = store.removable
            try:
                if not waiting:
                    return bool(self._sweep(PORTION))
                instance.transactions.clean(most=PORTION)
            except JetError:
                return False  # it is tried again when there is more to do
            return store.removable < waiting  # what has to wait for somebody comes back

    # -- on request -----------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Do all there is to do, now. The lock of the instance is held."""
        self.instance.transactions.clean()
        while self._sweep(PORTION):
            pass

    def forget(self, database: AttachedDatabase) -> None:
        """The database is about to be detached: look at what is left of it. The lock of the instance is held."""
        while self._sweep(PORTION, database):
            pass

    def stop(self) -> None:
        """Nothing is done by itself any more, and nothing is under way. The lock of the instance is not held."""
        with self.instance.lock:
            self._stopped = True
            timer = self._timer
        if timer is not None:
            timer.cancel()
            if timer is not threading.current_thread():
                timer.join()

    # -- what a crash left on leaves ----------------------------------------------------------------------------------

    def _sweep(self, most: int, only: AttachedDatabase | None = None) -> int:
        """Look at some of the leaves; how many."""
        database = only if only is not None else next(iter(self._leaves), None)
        if database is None or database not in self._leaves:
            return 0
        forest, leaves = self._leaves[database]
        chosen = [leaves.pop() for _ in range(min(most, len(leaves)))]
        if not leaves:
            del self._leaves[database]
        with self.instance.transactions.cleaning() as writer:
            for pgno in chosen:
                if pgno <= database.store.page_count:
                    page = database.store.get(pgno)
                    tree = forest.tree(database, page.objid)
                    if tree is not None:
                        sweep_leaf(writer, tree, page)
        return len(chosen)
