"""Verification of index entries against records: those that the records make are those that are stored, no more, no fewer.

A sum over the entries that the records of a table make is compared with the sum over those that its indexes hold, so the
order does not matter and nothing is kept; only where they differ is the table gone through again for the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from esent.catalog.objects import Index, Table
from esent.catalog.schema import Catalog
from esent.constants import codes
from esent.engine.collation import sort_key_of
from esent.engine.index_entries import RecordValues
from esent.engine.table_view import TableView
from esent.errors import JetError
from esent.tree.cursor import Tree
from esent.tree.long_values import LongValues
from esent.tree.source import PageSource

_BITS = 0xFFFF_FFFF_FFFF_FFFF
_TOLD = 1_000_000  # entries of an index that are gone through to tell how many are wrong


@dataclass(slots=True)
class _Sum:
    """What is known of the entries of an index so far; `refusal` says why its keys cannot be made."""

    index: Index
    count: int = 0
    total: int = 0
    refusal: str = ""

    def add(self, key: bytes, bookmark: bytes) -> None:
        self.count += 1
        self.total = (self.total + hash((key, bookmark))) & _BITS


@dataclass(slots=True)
class KeyReport:
    """What the comparison came to: (root page, sentence) of each index that differs, or that could not be compared."""

    compared: int = 0  # entries, primary ones included
    wrong: list[tuple[int | None, str]] = field(default_factory=list)
    outdated: list[tuple[int | None, str]] = field(default_factory=list)  # localized: perhaps of other sort tables
    unknown: list[tuple[int | None, str]] = field(default_factory=list)


class _TableKeys:
    """The entries that the records of one table make."""

    def __init__(self, source: PageSource, table: Table) -> None:
        self._source = source
        self.table = table
        self.view = TableView(table, source.page_size, sort_key_of)
        self._long_values = LongValues(source, table.long_value_root, table.long_value_objid)

    def records(self) -> Iterator[tuple[bytes, RecordValues]]:
        for bookmark, record in Tree(self._source, self.table.root, self.table.objid).entries():
            yield bookmark, RecordValues(self.view, record, self._read)

    def _read(self, lid: bytes, count: int) -> bytes:
        data = bytearray()
        for chunk in self._long_values.chunks(lid):
            data += chunk
            if len(data) >= count:
                break
        return bytes(data[:count])

    def stored(self, index: Index) -> Iterator[tuple[bytes, bytes]]:
        return Tree(self._source, index.root, index.objid).entries()


def check_keys(source: PageSource) -> KeyReport:
    """Compare all indexes of a sound database with its records. Raises what reading damaged pages and records raises."""
    report = KeyReport()
    catalog = Catalog.load(source)
    for name in catalog.names():
        _check_table(_TableKeys(source, catalog.table(name)), report)
    return report


def _check_table(keys: _TableKeys, report: KeyReport) -> None:
    view = keys.view
    sums = [_Sum(index) for index in view.maintained]
    primary = _Sum(view.primary) if view.primary is not None else None
    for each in (*sums, *([primary] if primary else ())):
        if each.index.is_localized and view.definition(each.index).sort_key is None:
            version = (each.index.version or 0) >> 32
            each.refusal = f"there is no collation of sort version {version:#x} with the flags {each.index.lcmap:#x}"
    misplaced = 0
    for bookmark, values in keys.records():
        if primary is not None and not primary.refusal:
            made = _made(primary, values)
            misplaced += bool(made) and made != [bookmark]
            primary.count += 1
        for each in sums:
            if not each.refusal:
                for key in _made(each, values):
                    each.add(key, bookmark)
    if primary is not None:
        _judge(report, keys, primary, f"{misplaced} records are not at the place of their key" if misplaced else "")
    for each in sums:
        text = ""
        if not each.refusal:
            stored = _Sum(each.index)
            for key, bookmark in keys.stored(each.index):
                stored.add(key, bookmark)
            if (stored.count, stored.total) != (each.count, each.total):
                text = _difference(keys, each, stored.count)
        _judge(report, keys, each, text)


def _made(each: _Sum, values: RecordValues) -> list[bytes]:
    try:
        return values.keys(each.index)
    except JetError as problem:
        if problem.code != codes.JET_errUnicodeNormalizationNotSupported:
            raise
        each.refusal = problem.message
        return []


def _judge(report: KeyReport, keys: _TableKeys, each: _Sum, text: str) -> None:
    index = each.index
    name = f"index {index.name} of table {keys.table.name}"
    if each.refusal:
        report.unknown.append((index.root, f"{name} was not compared with the records: {each.refusal}"))
        return
    report.compared += each.count
    if text:
        (report.outdated if index.is_localized else report.wrong).append((index.root, f"{name}: {text}"))


def _difference(keys: _TableKeys, each: _Sum, stored: int) -> str:
    """How many entries are missing, and how many no record makes."""
    if max(stored, each.count) > _TOLD:
        return f"{stored} entries, not the {each.count} that the records make"
    wanted = {(key, bookmark) for bookmark, values in keys.records() for key in values.keys(each.index)}
    surplus = 0
    for entry in keys.stored(each.index):
        if entry in wanted:
            wanted.discard(entry)
        else:
            surplus += 1
    return f"{len(wanted)} entries that records make are missing, {surplus} are there that no record makes"


__all__ = ["KeyReport", "check_keys"]
