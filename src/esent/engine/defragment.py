"""Online defragmentation: passes over the trees of a database in a thread of its own, while everybody works on.

Each step is a transaction of the clean-up that looks at two leaves, with the lock of the instance held. It waits while a backup
is on, and ends with its passes, its time, a stop, the detach of the database, or the instance.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from esent.catalog.schema import Catalog
from esent.constants import params
from esent.engine.leftovers import Forest, reclaim_space, sweep_leaf
from esent.engine.transactions import UnloggedWriter
from esent.engine.versioned import VersionedTree
from esent.errors import JetError
from esent.pages.edit import PAGE_LONG_VALUE
from esent.tree.account import tree_at
from esent.tree.allocate import DATABASE_ROOT
from esent.tree.defragment import LeafMerger

if TYPE_CHECKING:
    from esent.engine.database import AttachedDatabase
    from esent.engine.instance import Instance

BACKUP_PAUSE = 0.1  # seconds between two looks whether a backup is still on


class Defragmentation:
    """One run over a database, or over one table of it. `passes` and `seconds`: 0 for one, and for no limit.

    Without `leaves` it only looks after space trees, which are in order at any time. `partial`: see `LeafMerger`. `done` is
    called at the end, in the thread of the run.
    """

    def __init__(
        self,
        database: AttachedDatabase,
        *,
        table: str | None = None,
        passes: int = 0,
        seconds: int = 0,
        leaves: bool = True,
        partial: bool = True,
        done: Callable[[], None] | None = None,
    ) -> None:
        self.database = database
        self.table = table
        self.passes = max(passes, 1)
        self.leaves = leaves
        self.partial = partial
        self.pages_freed = 0
        self._until = time.monotonic() + seconds if seconds > 0 else None
        self._stop = threading.Event()
        self._finished = threading.Event()
        self._done = done
        self._thread = threading.Thread(target=self._run, name="esent defragmentation", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def running(self) -> bool:
        """Until it is stopped, its passes are made, or, where its time is limited, the time is over."""
        if self._stop.is_set():
            return False
        return not self._finished.is_set() or (self._until is not None and time.monotonic() < self._until)

    def stop(self) -> None:
        """End it; nothing of it but the call that says so is under way any more. The lock of the instance is not held."""
        self._stop.set()
        self._finished.wait()

    def _run(self) -> None:
        try:
            self._reclaim()
            for _ in range(self.passes):
                if not self._pass():
                    break
        except JetError:
            self._stop.set()  # the next user of the tree meets what is wrong
        finally:
            self._finished.set()
        if self._done is not None:
            self._done()

    def _reclaim(self) -> None:
        """Make the pages of the database free that no table has, as a crash leaves them, if nobody is at work just now."""
        instance = self.database.instance
        with instance.lock:
            if (
                self.table is None
                and not instance.backup.in_progress
                and instance.cleanup.allowed
                and instance.transactions.at_rest
            ):
                reclaim_space(self.database, Forest.of(Catalog.load(self.database.store)), [DATABASE_ROOT])

    def _pass(self) -> bool:
        """Once over all trees; False where it was ended."""
        return not self.leaves or all(self._tree(objid, root) for objid, root in self._trees())

    def _trees(self) -> Iterator[tuple[int, int]]:
        """Object id and root page of all trees there are now, or of those of the one table."""
        database = self.database
        with database.instance.lock:
            catalog = Catalog.load(database.store)
            wanted = None
            if self.table is not None:
                wanted = catalog.table(self.table).root if self.table in catalog else 0
            forest = Forest.of(catalog)
        for objid, root in forest.roots.items():
            if wanted is None or root == wanted or root in forest.below.get(wanted, ()):
                yield objid, root

    def _tree(self, objid: int, root: int) -> bool:
        """Once over a tree; False where the run was ended."""
        database = self.database
        instance = database.instance
        merger: LeafMerger | None = None
        while not self._ended():
            if instance.backup.in_progress:
                self._stop.wait(BACKUP_PAUSE)
                continue
            with instance.lock:
                if self._ended() or not instance.cleanup.allowed:
                    return False
                if root > database.store.page_count:
                    return True
                name = tree_at(database.store, root)
                if name.objid != objid:  # dropped meanwhile
                    return True
                merger = merger or LeafMerger(database.store, name, partial=self.partial)
                with instance.transactions.cleaning() as cleaner:
                    leaf = merger.leaf()
                    if leaf is not None and leaf.flags & PAGE_LONG_VALUE:
                        sweep_leaf(cleaner, VersionedTree(database, objid, root, name.unique), leaf)
                    more = merger.step(cleaner if database.logged else UnloggedWriter(cleaner))
            if not more:
                self.pages_freed += merger.pages_freed
                return True
        return False

    def _ended(self) -> bool:
        if self.database.instance.service_stopped:
            return True
        return self._stop.is_set() or (self._until is not None and time.monotonic() >= self._until)


class Defragmenter:
    """The runs of an instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._batches: dict[AttachedDatabase, Defragmentation] = {}
        self._others: list[Defragmentation] = []

    def is_running(self, database: AttachedDatabase) -> bool:
        """Whether a run over the whole database is on."""
        run = self._batches.get(database)
        return run is not None and run.running

    def start(self, run: Defragmentation, *, batch: bool = True) -> None:
        """Begin a run; only a `batch` is known to `is_running` and `stop`."""
        if not self.instance.parameters.number(params.JET_paramEnableOnlineDefrag):
            return
        if batch:
            self._batches[run.database] = run
        else:
            self._others = [each for each in self._others if each.running]
            self._others.append(run)
        run.start()

    def stop(self, database: AttachedDatabase) -> None:
        """End the run over a database."""
        run = self._batches.pop(database, None)
        if run is not None:
            run.stop()

    def close(self, database: AttachedDatabase | None = None) -> None:
        """End all runs, or those over one database. The lock of the instance is not held."""
        for run in [*self._batches.values(), *self._others]:
            if database is None or run.database is database:
                run.stop()


__all__ = ["Defragmentation", "Defragmenter"]
