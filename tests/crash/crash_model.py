"""What a database holds, kept beside it in plain Python: the states that commits made, and when each came to be.

A transaction is a list of changes that is applied to the committed state when it commits. Sessions may have changes open beside
each other: the engine refuses two changes of one row, so that those of transactions commute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Row:
    """The columns of a row but its id. `hits` is an escrow counter."""

    name: bytes | None = None
    code: int | None = None
    tags: tuple[bytes, ...] = ()
    big: bytes | None = None
    hits: int = 0


@dataclass(frozen=True, slots=True)
class TableState:
    """Rows by id, secondary indexes by name, and the columns that came later."""

    name: str
    rows: dict[int, Row] = field(default_factory=dict)
    indexes: frozenset[str] = frozenset()
    columns: frozenset[str] = frozenset()


State = dict[int, TableState]
"""Tables by a number that they keep when they get another name."""
Contents = dict[str, TableState]
Step = Callable[[State], None]
"""A change made to a state whose tables are its own, but not their rows."""


def named(state: State) -> Contents:
    """The tables of a state by name."""
    contents = {table.name: table for table in state.values()}
    assert len(contents) == len(state)
    return contents


def put(table: int, number: int, row: Row) -> Step:
    """A row with these columns; its counter is as it was."""

    def step(state: State) -> None:
        rows = state[table].rows
        hits = rows[number].hits if number in rows else 0
        state[table] = replace(state[table], rows={**rows, number: replace(row, hits=hits)})

    return step


def drop(table: int, number: int) -> Step:
    def step(state: State) -> None:
        rows = dict(state[table].rows)
        del rows[number]
        state[table] = replace(state[table], rows=rows)

    return step


def count(table: int, number: int, amount: int) -> Step:
    def step(state: State) -> None:
        rows = state[table].rows
        row = rows[number]
        state[table] = replace(state[table], rows={**rows, number: replace(row, hits=row.hits + amount)})

    return step


def create_table(table: int, name: str, indexes: Iterable[str]) -> Step:
    def step(state: State) -> None:
        assert table not in state
        state[table] = TableState(name, indexes=frozenset(indexes))

    return step


def delete_table(table: int) -> Step:
    def step(state: State) -> None:
        del state[table]

    return step


def rename_table(table: int, name: str) -> Step:
    def step(state: State) -> None:
        state[table] = replace(state[table], name=name)

    return step


def create_index(table: int, index: str) -> Step:
    def step(state: State) -> None:
        state[table] = replace(state[table], indexes=state[table].indexes | {index})

    return step


def delete_index(table: int, index: str) -> Step:
    def step(state: State) -> None:
        state[table] = replace(state[table], indexes=state[table].indexes - {index})

    return step


def add_column(table: int, column: str) -> Step:
    def step(state: State) -> None:
        state[table] = replace(state[table], columns=state[table].columns | {column})

    return step


def delete_column(table: int, column: str) -> Step:
    def step(state: State) -> None:
        state[table] = replace(state[table], columns=state[table].columns - {column})

    return step


@dataclass(slots=True)
class Committed:
    """A state that may be what a cut leaves after `begun` changes of files; it or a later one is, after `returned`."""

    state: State
    begun: int
    returned: int | None


class History:
    """All states there ever were. `clock` tells how many changes of files there have been."""

    def __init__(self, clock: Callable[[], int], state: State | None = None) -> None:
        self.clock = clock
        self.commits = [Committed(state or {}, 0, 0)]

    @property
    def state(self) -> State:
        return self.commits[-1].state

    def commit(self, steps: list[Step], begun: int, *, sure: bool) -> None:
        """A transaction was committed by a call that began at `begun` and is over now."""
        state = dict(self.state)
        for step in steps:
            step(state)
        self.commits.append(Committed(state, begun, self.clock() if sure else None))

    def all_sure(self) -> None:
        """Everything that was committed is on disk."""
        self.commits[-1].returned = self.clock()

    def last_sure(self, cut: int) -> int:
        """The number of the last state that cannot be lost when the power goes after `cut` changes."""
        return max(number for number, each in enumerate(self.commits) if each.returned is not None and each.returned <= cut)

    def allowed(self, cut: int) -> list[Contents]:
        """The states of which one must be there when the power goes after `cut` changes."""
        return self.reached(cut, self.last_sure(cut))

    def reached(self, cut: int, least: int = 0) -> list[Contents]:
        """All states from the number `least` on that there were before the power goes after `cut` changes."""
        return [named(each.state) for each in self.commits[least:] if each.begun <= cut]
