"""Which application made a database, and what its tables and columns are called there.

Databases are known by their tables, never by the name of the file. Names come from two tables of this package
(`known_databases.tsv`, with sources; `known_names.tsv`), and for some applications from the database itself: Active Directory
keeps the names of its columns among its objects, WebCache those of its containers.

A pattern of tables is a list of names, all of which have to be there; `*` and `?` stand for any characters, `a|b` for either.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from esent.errors import JetError

_HERE = Path(__file__).parent
_WILD = re.compile(r"[*?]")
_ATTRIBUTE = re.compile(r"ATT[a-z](-?\d+)")
_WORD = 0xFFFFFFFF

# of the objects that describe the schema of a directory
_SCHEMA_OBJECT = ("ATTc131102", "ATTj591540", "ATTm131532")  # attributeID, msDS-IntId, lDAPDisplayName
_SCHEMA_INDEX = "INDEX_000201CC"  # by lDAPDisplayName, which no other objects have
_CONTAINER = ("ContainerId", "Name")

ReadRows = Callable[[str, Sequence[str], str | None], Iterable[tuple[Any, ...]]]
"""Rows of a table: (its name, names of columns, the index that has them) -> tuples. Raises JetError where one is not there."""


@dataclass(frozen=True, slots=True)
class Application:
    """An application whose databases are known: `name` for programs, `title` for people."""

    name: str
    title: str

    def __str__(self) -> str:
        return self.title


@dataclass(frozen=True, slots=True)
class _Pattern:
    application: Application
    tables: tuple[tuple[str, ...], ...]  # of each one must be there

    def fits(self, names: Sequence[str]) -> bool:
        return all(any(fnmatchcase(name, each) for each in either for name in names) for either in self.tables)


def _lines(name: str) -> Iterator[list[str]]:
    lines = (_HERE / name).read_text(encoding="utf-8").splitlines()
    return (line.split("\t") for line in lines[1:])


@functools.cache
def _patterns() -> list[_Pattern]:
    return [
        _Pattern(Application(name, title), tuple(tuple(each.split("|")) for each in tables.split(" ")))
        for name, title, tables, _source in _lines("known_databases.tsv")
    ]


@functools.cache
def _titles(application: str) -> tuple[dict[tuple[str, str], str], list[tuple[str, str, str]]]:
    """The titles of an application: those of plain names, and (table, column, title) of patterns. Column "": the table."""
    plain: dict[tuple[str, str], str] = {}
    wild = []
    for known, table, column, title in _lines("known_names.tsv"):
        if known != application:
            continue
        if _WILD.search(table + column):
            wild.append((table, column, title))
        else:
            plain[table, column] = title
    return plain, wild


def recognise(tables: Iterable[str]) -> Application | None:
    """The application whose database has these tables."""
    names = list(tables)
    return next((pattern.application for pattern in _patterns() if pattern.fits(names)), None)


class KnownNames:
    """What the tables and columns of one database are called in its application.

    `read` is used when a name that the database itself has is asked for first; damage there costs the names it has.
    """

    def __init__(self, tables: Iterable[str], read: ReadRows) -> None:
        self.application = recognise(tables)
        self._read = read
        self._own: dict[str, str] | None = None

    def table(self, name: str) -> str | None:
        """The title of a table, None where it has none."""
        if self.application is None:
            return None
        if self.application.name == "webcache" and name.startswith("Container_"):
            return self._of_database().get(name)
        return self._known(name, "")

    def column(self, table: str, name: str) -> str | None:
        """The title of a column, None where it has none."""
        if self.application is None:
            return None
        if self.application.name == "active-directory" and table == "datatable":
            attribute = _ATTRIBUTE.fullmatch(name)
            if attribute:
                return self._of_database().get(str(int(attribute[1]) & _WORD)) or self._known(table, name)
        return self._known(table, name)

    def _known(self, table: str, column: str) -> str | None:
        assert self.application is not None
        plain, wild = _titles(self.application.name)
        found = plain.get((table, column))
        if found is not None:
            return found
        return next((title for a, b, title in wild if fnmatchcase(table, a) and fnmatchcase(column, b)), None)

    def _of_database(self) -> dict[str, str]:
        """The names the database has: attributes by number, containers by table."""
        if self._own is None:
            self._own = {}
            assert self.application is not None
            try:
                if self.application.name == "webcache":
                    for number, title in self._read("Containers", _CONTAINER, None):
                        if isinstance(number, int) and isinstance(title, str):
                            self._own[f"Container_{number}"] = title.rstrip("\0")
                else:
                    for identity, internal, title in self._read("datatable", _SCHEMA_OBJECT, _SCHEMA_INDEX):
                        number = internal if isinstance(internal, int) else identity
                        if isinstance(number, int) and isinstance(title, str):
                            self._own[str(number & _WORD)] = title
            except JetError:
                pass  # the names of this package remain
        return self._own


__all__ = ["Application", "KnownNames", "recognise"]
