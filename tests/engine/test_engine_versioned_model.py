"""Versioned trees against the model, over nodes in memory."""

from __future__ import annotations

from hypothesis import settings
from memory_trees import MemoryDatabase
from versioned_machine import VersionedMachine


class UniqueMachine(VersionedMachine):
    def make_database(self) -> MemoryDatabase:
        return MemoryDatabase()


class BookmarkMachine(UniqueMachine):
    unique = False


TestUnique = UniqueMachine.TestCase
TestUnique.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestBookmark = BookmarkMachine.TestCase
TestBookmark.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
