"""Versioned trees on real pages against the model, with kills: recovery brings back what was committed, and the same pages."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from live_trees import LiveDatabase
from page_comparison import comparable
from versioned_machine import COUNTER, VersionedMachine, sessions

from esent.engine.versioned import VersionedTree

BULK = 40


class PagesMachine(VersionedMachine):
    cache_pages = 1 << 16

    def make_database(self) -> Any:
        self.folder = Path(tempfile.mkdtemp(prefix="versioned"))
        (self.folder / "live").mkdir()
        return LiveDatabase(self.folder / "live", cache_pages=self.cache_pages)

    def make_tree(self, database: Any) -> VersionedTree:
        tree: VersionedTree = database.create_tree(unique=self.unique)
        return tree

    def bulk_bookmark(self, number: int) -> tuple[bytes, bytes]:
        return (b"n%02d" % number, b"") if self.unique else (b"n", b"%02d" % number * 60)

    @rule(session=sessions, first=st.integers(0, BULK), step=st.sampled_from([1, 3, 7]), size=st.integers(0, 400))
    def insert_many(self, session: int, first: int, step: int, size: int) -> None:
        """Enough to split pages."""
        for number in range(first, BULK, step):
            bookmark = self.bulk_bookmark(number)
            self.attempt(session, "insert", bookmark, value=bytes(COUNTER + size) if self.unique else bookmark[1])

    @precondition(lambda self: self.unique)
    @rule(session=sessions, first=st.integers(0, BULK), step=st.sampled_from([1, 3, 7]), size=st.integers(0, 500))
    def replace_many(self, session: int, first: int, step: int, size: int) -> None:
        for number in range(first, BULK, step):
            self.attempt(session, "replace", self.bulk_bookmark(number), value=bytes(COUNTER + size))

    @rule(session=sessions, first=st.integers(0, BULK), step=st.sampled_from([1, 3]))
    def delete_many(self, session: int, first: int, step: int) -> None:
        for number in range(first, BULK, step):
            self.attempt(session, "delete", self.bulk_bookmark(number))

    @rule()
    def write_pages(self) -> None:
        self.database.store.flush()

    @rule()
    def kill(self) -> None:
        """What a start would find if the power went now."""
        copy = self.database.kill_and_recover(self.folder / "copy")
        assert copy.contents(self.tree.root) == sorted((key, value) for (key, _), value in self.model.committed.items())
        if not self.model.open:
            store = self.database.store
            numbers = [pgno for pgno in sorted(store.cache.pages) if pgno <= copy.page_count]
            recovered = copy.pages(numbers)
            different = [pgno for pgno in numbers if comparable(recovered[pgno]) != comparable(store.read_page(pgno))]
            assert different == []

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            if hasattr(self, "folder"):
                self.database.close()
                shutil.rmtree(self.folder)

    def check_end(self) -> None:
        super().check_end()
        self.kill()


class BookmarkPagesMachine(PagesMachine):
    unique = False


class SmallCacheMachine(PagesMachine):
    cache_pages = 4


def of(machine: type[PagesMachine], examples: int) -> Any:
    case = machine.TestCase
    case.settings = settings(
        max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )
    return case


TestUnique = of(PagesMachine, 25)
TestBookmark = of(BookmarkPagesMachine, 15)
TestSmallCache = of(SmallCacheMachine, 15)
