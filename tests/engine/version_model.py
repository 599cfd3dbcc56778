"""What sessions must see and may do, said forwards: a dictionary of what is committed, and for each transaction a copy of it
from its begin with the transaction's own changes on top."""

from __future__ import annotations

from dataclasses import dataclass, field

Bookmark = tuple[bytes, bytes]

COUNTER = 4


@dataclass(eq=False)
class Change:
    """`value` is the new data of an insert or replace; `delta` what is added to the counter."""

    owner: ModelTransaction
    kind: str
    bookmark: Bookmark
    value: bytes = b""
    delta: int = 0


@dataclass(eq=False)
class ModelTransaction:
    base: dict[Bookmark, bytes]
    began: int
    levels: list[list[Change]] = field(default_factory=lambda: [[]])
    committed: int | None = None

    def changes(self) -> list[Change]:
        return [change for level in self.levels for change in level]

    def state(self) -> dict[Bookmark, bytes]:
        return apply(self.base, self.changes())


def apply(state: dict[Bookmark, bytes], changes: list[Change]) -> dict[Bookmark, bytes]:
    state = dict(state)
    for change in changes:
        if change.kind in ("insert", "replace"):
            state[change.bookmark] = change.value
        elif change.kind == "delete":
            del state[change.bookmark]
        elif change.kind == "delta" and change.bookmark in state:
            old = state[change.bookmark]
            counter = int.from_bytes(old[:COUNTER], "little") + change.delta
            state[change.bookmark] = (counter & (1 << 8 * COUNTER) - 1).to_bytes(COUNTER, "little") + old[COUNTER:]
    return state


class VersionModel:
    """Sessions are numbers."""

    def __init__(self) -> None:
        self.committed: dict[Bookmark, bytes] = {}
        self.clock = 0
        self.open: dict[int, ModelTransaction] = {}
        self.done: list[ModelTransaction] = []

    # transactions

    def begin(self, session: int) -> None:
        if session in self.open:
            self.open[session].levels.append([])
        else:
            self.clock += 1
            self.open[session] = ModelTransaction(self.committed, self.clock)

    def level(self, session: int) -> int:
        return len(self.open[session].levels) if session in self.open else 0

    def commit(self, session: int) -> None:
        transaction = self.open[session]
        if len(transaction.levels) > 1:
            inner = transaction.levels.pop()
            transaction.levels[-1].extend(inner)
            return
        self.clock += 1
        transaction.committed = self.clock
        self.committed = apply(self.committed, transaction.changes())
        self.done.append(transaction)
        del self.open[session]

    def rollback(self, session: int) -> None:
        transaction = self.open[session]
        transaction.levels.pop()
        if not transaction.levels:
            del self.open[session]

    def crash(self) -> None:
        self.open.clear()
        self.done.clear()

    # what is seen, what is allowed

    def view(self, session: int) -> dict[Bookmark, bytes]:
        return self.open[session].state() if session in self.open else self.committed

    def foreign(self, session: int, bookmark: Bookmark) -> list[Change]:
        """Changes of others that are not in the snapshot."""
        mine = self.open[session]
        others = [each for each in self.open.values() if each is not mine]
        others += [each for each in self.done if each.committed is not None and each.committed > mine.began]
        return [change for each in others for change in each.changes() if change.bookmark == bookmark]

    def outcomes(self, session: int, kind: str, bookmark: Bookmark) -> set[str]:
        """ "" or the name of the error. A deleted node can be locked, and take deltas, until the clean-up gets at it."""
        foreign = self.foreign(session, bookmark)
        seen = bookmark in self.view(session)
        if kind == "insert":
            return {"KeyDuplicate" if seen or foreign else ""}
        commutes = kind in ("delta", "read lock")
        conflict = any(not (commutes and change.kind == kind) for change in foreign)
        if seen or conflict:
            return {"WriteConflict" if conflict else ""} | (set() if seen else {"RecordDeleted"})
        return {"RecordDeleted"} if kind in ("replace", "delete") else {"", "RecordDeleted"}

    def page_counter(self, session: int, bookmark: Bookmark) -> int:
        """The counter with everybody's deltas, of a node that the session sees and may add to."""
        foreign = sum(change.delta for change in self.foreign(session, bookmark))
        own = int.from_bytes(self.view(session)[bookmark][:COUNTER], "little")
        return own + foreign & (1 << 8 * COUNTER) - 1

    def change(self, session: int, kind: str, bookmark: Bookmark, value: bytes = b"", delta: int = 0) -> None:
        transaction = self.open[session]
        transaction.levels[-1].append(Change(transaction, kind, bookmark, value, delta))
