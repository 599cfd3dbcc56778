"""What recovery leaves for the engine to tidy up on leaves: where, so that nobody has to look everywhere.

Undo by recovery leaves the nodes of undone inserts flagged deleted, as it leaves those that a clean-up had not come to
(`reference/log-and-recovery.md` 4.9, 7.7).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from esent.pages.cache import CachedPage
from esent.pages.edit import NODE_DELETED, PAGE_LONG_VALUE, PAGE_SPACE_TREE


@dataclass(slots=True)
class Traces:
    """Of one database: leaves that have nodes flagged deleted or long values."""

    leaves: set[int] = field(default_factory=set)

    def note(self, pages: Iterable[CachedPage]) -> None:
        """Pages as they go to the file."""
        for page in pages:
            flags = page.flags
            if page.is_leaf and not flags & PAGE_SPACE_TREE and (flags & PAGE_LONG_VALUE or has_deleted_node(page)):
                self.leaves.add(page.pgno)
            else:
                self.leaves.discard(page.pgno)


def has_deleted_node(page: CachedPage) -> bool:
    """Whether a node of the page is flagged deleted."""
    return any(page.node_flags(line) & NODE_DELETED for line in range(page.line_count))
