"""Filling a new index with the entries of the records that are there, while others read and write the table.

It goes in portions, and between two of them the lock of the instance is free:

1. The entries of the records that the creator sees, which stay what they are as long as its transaction is open, are put in
   order, and go into the tree, which nobody else knows of.
2. The changes others have made since are repeated in the index, oldest first, each in the transaction and the level in which it
   was made, so that entries go with the change or with its roll-back. That is done again with what has come meanwhile, until
   little comes; then the lock is kept until everybody keeps the index up.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from heapq import merge
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

from esent.catalog.objects import Index
from esent.constants import codes
from esent.engine.index_entries import ReadLongValue, index_entries
from esent.engine.long_value_writer import LongValueTree
from esent.engine.session import Session
from esent.errors import JetError, jet_error
from esent.pages.edit import NODE_DELETED
from esent.versions.store import (
    OPER_DELTA,
    OPER_DELTA64,
    OPER_FLAG_DELETE,
    OPER_INSERT,
    OPER_REPLACE,
    RCEID_STEP,
    Chain,
    Transaction,
    Version,
    as_it_was,
)

if TYPE_CHECKING:
    from esent.engine.cursor import Cursor
    from esent.engine.instance import Instance

PORTION = 64  # records read, entries inserted or changes repeated without letting anybody in
_RUN = 8192  # entries that are put in order at once
_PAUSE = 0.0002  # seconds, for those who wait to get hold of the lock
_CHANGES = (OPER_INSERT, OPER_REPLACE, OPER_FLAG_DELETE)
_DELTAS = (OPER_DELTA, OPER_DELTA64)
_RCEIDS = 0xFFFFFFFF

_Entry = tuple[bytes, bytes]
"""Key and bookmark."""


def require_empty(cursor: Cursor) -> None:
    """JET_errTableNotEmpty where the table has a record that somebody sees."""
    tree = cursor.primary.tree
    node = tree.nodes.first()
    while node is not None:
        if not node.flags & NODE_DELETED or tree.visible_data(cursor.session, node) is not None:
            raise jet_error(codes.JET_errTableNotEmpty, f"table {cursor.table.name} has records")
        node = tree.nodes.next(node)


def build_index(cursor: Cursor, index: Index) -> None:
    """Insert all entries. The lock of the instance is held, once more or not, and is still when there is nothing left to do.

    JET_errKeyDuplicate for two records with one key in a unique index, JET_errWriteConflict where one of them is of another
    session and not committed, or where the entries of what others have changed cannot be told; JET_errNullKeyDisallowed.
    """
    _fill(cursor, index, _sorted_runs(cursor, index))
    catching_up = _CatchingUp(cursor, index)
    before = 0
    while True:
        pending = catching_up.pending()
        if len(pending) <= PORTION or (before and len(pending) > before // 2):
            catching_up.repeat(pending)
            return
        before = len(pending)
        for start in range(0, before, PORTION):
            catching_up.repeat(pending[start : start + PORTION])
            let_others_in(cursor.instance)


def let_others_in(instance: Instance) -> None:
    """Let go of the lock of the instance, however often it is held, for a moment. Raises where the instance cannot go on."""
    threading.Condition(instance.lock).wait(_PAUSE)
    if instance.service_stopped or instance.unavailable is not None:
        instance.check_entry()


def _sorted_runs(cursor: Cursor, index: Index) -> list[list[_Entry]]:
    """The entries of the records that the creator sees, in lists that are in order."""
    session, tree = cursor.session, cursor.primary.tree
    runs: list[list[_Entry]] = []
    run: list[_Entry] = []
    read = 0
    node = tree.nodes.first()
    while node is not None:
        data = tree.visible_data(session, node)
        if data is not None:
            key = node.key
            run += [(entry, key) for entry in index_entries(cursor.view, index, data, cursor.read_long_value)]
        if len(run) >= _RUN:
            run.sort()
            runs.append(run)
            run = []
        read += 1
        if not read % PORTION:
            let_others_in(cursor.instance)
        node = tree.nodes.next(node)
    run.sort()
    return [*runs, run]


def _fill(cursor: Cursor, index: Index, runs: list[list[_Entry]]) -> None:
    """Insert entries; before they are committed only their creator sees them."""
    target = cursor.index_tree(index)
    entries = merge(*runs)
    while portion := list(islice(entries, PORTION)):
        _, problem = target.insert_many(cursor.session, portion, versioned=False)
        if problem is not None:
            if problem.code != codes.JET_errKeyDuplicate:
                raise problem
            raise jet_error(codes.JET_errKeyDuplicate, f"two records have the same key in index {index.name}") from problem
        if len(portion) == PORTION:
            let_others_in(cursor.instance)


class _State(NamedTuple):
    """A record before or after a change, None for no record, and who sees its long values as they were, None if nobody does."""

    record: bytes | None
    reader: Session | None


class _Change(NamedTuple):
    """What became of a record in a level; `original` is the last version of it there."""

    original: Version
    before: _State
    after: _State


class _CatchingUp:
    """The changes of others repeated in an index."""

    def __init__(self, cursor: Cursor, index: Index) -> None:
        self.cursor = cursor
        self.index = index
        self.tree = cursor.primary.tree
        self.target = cursor.index_tree(index)
        self.reader = cursor.session.open_transaction()
        self._repeated: set[int] = set()  # changes, by the ids of their versions

    def pending(self) -> list[Version]:
        """The changes that neither the creator sees nor the index has, oldest first."""
        reader, repeated = self.reader, self._repeated
        found = [
            version
            for chain in self.tree.versions.chains.values()
            for version in chain.versions
            if version.oper in _CHANGES and version.rceid not in repeated and not reader.sees(version)
        ]
        if found:
            now = self.tree.store.next_rceid()
            found.sort(key=lambda version: (version.rceid - now) & _RCEIDS)
        return found

    def repeat(self, changes: list[Version]) -> None:
        """Do to the index what the changes, as far as they have not been rolled back, would have done to it."""
        self.cursor.refresh_view()
        current = [each for each in changes if each.chain is not None and each in each.chain.versions]
        for _, same_level in groupby(current, lambda each: (id(each.transaction), each.transaction.level_of(each))):
            self._repeat(same_level)

    def _repeat(self, changes: Iterable[Version]) -> None:
        """Changes of one level go together: all that is no more, then all that is new."""
        records: dict[bytes, _Change] = {}
        for version in changes:
            chain = version.chain
            assert chain is not None
            if version.rceid in self._repeated:
                continue
            place = chain.versions.index(version)
            last = place + 1 if _is_insert_over_deleted(chain, place) else place
            self._repeated.update(each.rceid for each in chain.versions[place : last + 1])
            earlier = records.get(chain.key)
            before = self._before(chain, place) if earlier is None else earlier.before
            records[chain.key] = _Change(chain.versions[last], before, self._after(chain, last))
        going: list[tuple[Version, bytes, bytes]] = []
        coming: list[tuple[Version, bytes, bytes]] = []
        for key, (original, was, now) in records.items():
            old, new = self._entries(was, original), self._entries(now, original)
            going += ((original, entry, key) for entry in old if entry not in new)
            coming += ((original, entry, key) for entry in new if entry not in old)
        session, target = self.cursor.session, self.target
        for change in going:
            target.delete_for(session, *change)
        for change in coming:
            try:
                target.insert_for(session, *change)
            except JetError as problem:
                if problem.code != codes.JET_errKeyDuplicate:
                    raise
                raise self._duplicate(change[0]) from problem

    def _duplicate(self, change: Version) -> JetError:
        if change.transaction.commit0:
            return jet_error(codes.JET_errKeyDuplicate, f"two records have the same key in index {self.index.name}")
        return jet_error(
            codes.JET_errWriteConflict, f"another session is making a second key of unique index {self.index.name}"
        )

    # -- what a record was ----------------------------------------------------------------------------------------------------

    def _before(self, chain: Chain, place: int) -> _State:
        earlier = next((each for each in reversed(chain.versions[:place]) if each.oper in _CHANGES), None)
        reader: Session | None = self.cursor.session
        if earlier is not None and not self.reader.sees(earlier):
            reader = self._reader_after(chain, earlier)
        return _State(self._record(chain, place), reader)

    def _after(self, chain: Chain, place: int) -> _State:
        return _State(self._record(chain, place + 1), self._reader_after(chain, chain.versions[place]))

    def _record(self, chain: Chain, count: int) -> bytes | None:
        """The record as it was when it had this many of its versions."""
        node = self.tree.nodes.find(chain.key)
        if node is None:
            return None
        return as_it_was(chain, count, node.data, deleted=bool(node.flags & NODE_DELETED))

    def _reader_after(self, chain: Chain, version: Version) -> Session | None:
        """Who sees the long values of a record as they were after a change; nobody does if the same transaction went on."""
        transaction = version.transaction
        following = chain.versions[chain.versions.index(version) + 1 :]
        if any(each.transaction is transaction and each.oper in _CHANGES for each in following):
            return None
        if not transaction.commit0:
            owner: Session = transaction.owner
            return owner
        reader = Session(self.cursor.instance, 0)
        reader.transaction = Transaction(reader, transaction.commit0 + 1)
        return reader

    def _entries(self, state: _State, original: Version) -> list[bytes]:
        if state.record is None:
            return []
        try:
            return index_entries(self.cursor.view, self.index, state.record, self._long_values_of(state.reader))
        except JetError as problem:
            if original.transaction.commit0 and state.reader is not None:
                raise
            what = f"building index {self.index.name} over a record that another session is changing: {problem.message}"
            raise jet_error(codes.JET_errWriteConflict, what) from problem

    def _long_values_of(self, reader: Session | None) -> ReadLongValue:
        def read(lid: bytes, count: int) -> bytes:
            if reader is None:
                raise jet_error(codes.JET_errWriteConflict, "its transaction has changed the long value again")
            values = self.cursor.require_long_values()
            return LongValueTree(reader, values.tree, values.chunk).read(lid, 0, count)

        return read


def _is_insert_over_deleted(chain: Chain, place: int) -> bool:
    """Whether the version behind belongs to the same change: a record inserted where a deleted one still is."""
    if chain.versions[place].oper != OPER_INSERT or place + 1 == len(chain.versions):
        return False
    version, following = chain.versions[place : place + 2]
    if following.oper != OPER_REPLACE or (following.rceid - version.rceid) & _RCEIDS != RCEID_STEP:
        return False
    transaction = version.transaction
    return transaction.level_of(version) == transaction.level_of(following)


__all__ = ["build_index", "let_others_in", "require_empty"]
