"""What a repair has to sort or look up and cannot keep in memory: entries of indexes, references to long values, leftovers.

A temporary database of SQLite, which spills to a file of its own and removes it at the end. It compares bytes as trees do.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import NamedTuple

from esent.constants import codes
from esent.errors import jet_error

_SCHEMA = """
CREATE TABLE computed (ix INTEGER, key BLOB, bookmark BLOB);
CREATE TABLE stored (ix INTEGER, key BLOB, bookmark BLOB);
CREATE TABLE refused (ix INTEGER, bookmark BLOB);
CREATE TABLE kept (bookmark BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE excluded (bookmark BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE reference (lid BLOB);
CREATE TABLE left_over (owner TEXT, part TEXT, page INTEGER, reason TEXT, key BLOB, place INTEGER, data BLOB);
"""
_TABLES = ("computed", "stored", "refused", "kept", "excluded", "reference")
# The entries of an index whose keys can all be made, and of one whose stored keys follow another collation than ours.
_MADE = """
SELECT key, bookmark FROM computed WHERE ix = :ix
UNION SELECT key, bookmark FROM stored WHERE ix = :ix
AND bookmark IN (SELECT bookmark FROM refused WHERE ix = :ix)
"""
_FOUND = """
SELECT key, bookmark FROM stored WHERE ix = :ix AND bookmark IN (SELECT bookmark FROM kept)
UNION SELECT key, bookmark FROM computed WHERE ix = :ix
AND bookmark NOT IN (SELECT bookmark FROM stored WHERE ix = :ix)
"""


class LeftOver(NamedTuple):
    """Something that has no place in the tables: of which table, what, from which page, why it is here; `place` is a line of
    the page, or the offset of a piece of a long value."""

    owner: str
    part: str
    page: int
    reason: str
    key: bytes
    place: int
    data: bytes


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as problem:
        full = "full" in str(problem)
        code = codes.JET_errDiskFull if full else codes.JET_errDiskIO
        raise jet_error(code, f"keeping temporary data of a repair: {problem}") from problem


class RepairEntries:
    """The temporary data of a repair. `clear` between two tables; leftovers stay."""

    def __init__(self) -> None:
        with _translated():
            self._database = sqlite3.connect("", isolation_level=None)
            self._database.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN; {_SCHEMA}")

    def __enter__(self) -> RepairEntries:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._database.close()

    def clear(self) -> None:
        with _translated():
            for table in _TABLES:
                self._database.execute(f"DELETE FROM {table}")

    def _add(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        with _translated():
            self._database.executemany(statement, rows)

    def add_computed(self, index: int, entries: Iterable[tuple[bytes, bytes]]) -> None:
        self._add("INSERT INTO computed VALUES (?, ?, ?)", ((index, *entry) for entry in entries))

    def add_stored(self, index: int, entries: Iterable[tuple[bytes, bytes]]) -> None:
        self._add("INSERT INTO stored VALUES (?, ?, ?)", ((index, *entry) for entry in entries))

    def add_refused(self, index: int, bookmark: bytes) -> None:
        """A row whose keys in an index cannot be made."""
        self._add("INSERT INTO refused VALUES (?, ?)", [(index, bookmark)])

    def add_kept(self, bookmark: bytes) -> None:
        self._add("INSERT OR IGNORE INTO kept VALUES (?)", [(bookmark,)])

    def exclude(self, bookmark: bytes) -> None:
        """Take a row out again, with all its entries."""
        self._add("INSERT OR IGNORE INTO excluded VALUES (?)", [(bookmark,)])

    def is_excluded(self, bookmark: bytes) -> bool:
        with _translated():
            return self._database.execute("SELECT 1 FROM excluded WHERE bookmark = ?", (bookmark,)).fetchone() is not None

    def add_references(self, lids: Iterable[bytes]) -> None:
        """References to long values; their ids big-endian, as they are in keys."""
        self._add("INSERT INTO reference VALUES (?)", ((lid,) for lid in lids))

    def references(self) -> Iterator[tuple[bytes, int]]:
        """(id, number of references) in the order of the ids."""
        with _translated():
            yield from self._database.execute("SELECT lid, COUNT(*) FROM reference GROUP BY lid ORDER BY lid")

    def prepare(self) -> None:
        """All entries are there; they will be looked up."""
        with _translated():
            for table in ("computed", "stored", "refused"):
                self._database.execute(f"CREATE INDEX IF NOT EXISTS by_{table} ON {table} (ix, bookmark)")

    def agreement(self, index: int) -> tuple[int, int]:
        """Of the rows with stored and made entries: in how many they agree, in how many they do not."""
        with _translated():
            both, same = self._database.execute(
                "SELECT COUNT(*), COALESCE(SUM(EXISTS (SELECT 1 FROM computed c WHERE c.ix = s.ix AND c.bookmark = s.bookmark "
                "AND c.key = s.key)), 0) FROM stored s WHERE s.ix = :ix AND EXISTS "
                "(SELECT 1 FROM computed c WHERE c.ix = s.ix AND c.bookmark = s.bookmark)",
                {"ix": index},
            ).fetchone()
        return same, both - same

    def uncovered(self, index: int) -> int:
        """How many rows whose keys cannot be made have no stored entry either."""
        with _translated():
            (count,) = self._database.execute(
                "SELECT COUNT(*) FROM refused r WHERE r.ix = :ix AND r.bookmark NOT IN (SELECT bookmark FROM excluded) "
                "AND NOT EXISTS (SELECT 1 FROM stored s WHERE s.ix = r.ix AND s.bookmark = r.bookmark)",
                {"ix": index},
            ).fetchone()
        return int(count)

    def entries(self, index: int, *, made: bool) -> Iterator[tuple[bytes, bytes]]:
        """(key, bookmark) in order; `made`: ours where there are any, else the stored ones."""
        query = f"SELECT * FROM ({_MADE if made else _FOUND}) WHERE bookmark NOT IN (SELECT bookmark FROM excluded)"
        with _translated():
            yield from self._database.execute(f"{query} ORDER BY 1, 2", {"ix": index})

    def leave(self, left: LeftOver) -> None:
        self._add("INSERT INTO left_over VALUES (?, ?, ?, ?, ?, ?, ?)", [left])

    def left_over(self) -> Iterator[LeftOver]:
        """All leftovers in the order in which they came."""
        with _translated():
            yield from map(LeftOver._make, self._database.execute("SELECT * FROM left_over ORDER BY rowid"))

    def left_over_count(self) -> int:
        with _translated():
            (count,) = self._database.execute("SELECT COUNT(*) FROM left_over").fetchone()
        return int(count)


__all__ = ["LeftOver", "RepairEntries"]
