"""Deleted rows that are still there: in the pages of a database and in its logs, marked as such and never mixed with live ones.

What is found is compared with the live row of the same key: one that is equal is not deleted and not told. Tables that were
deleted are known by what is left of their rows in the catalogue, or by the logs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from esent.catalog.objects import Table
from esent.catalog.salvage import Salvage
from esent.catalog.schema import Catalog
from esent.catalog.system import CATALOG, CATALOG_OBJID, SHADOW_OBJID
from esent.errors import JetError
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.page import PAGE_INDEX, PAGE_LEAF, PAGE_LONG_VALUE, PAGE_PRE_INIT, PAGE_SPACE_TREE
from esent.tools.carve_logs import LogCarver
from esent.tools.carve_pages import PageFind, deleted_nodes, page_of, slack_nodes
from esent.tools.carve_records import Confidence, RecordTest
from esent.tree.long_values import LongValues
from esent.tree.salvage import SalvagedTree
from esent.tree.survey import Progress

_HEAD = struct.Struct("<24xI8xI")  # object id, flags
_OWNER = struct.Struct("<i")
_OWNER_OFFSET = 4
_OTHER_PAGES = PAGE_SPACE_TREE | PAGE_INDEX | PAGE_LONG_VALUE | PAGE_PRE_INIT
_KEEP = 64
_KNOWN_MOST = 2_000_000  # finds that are remembered, so that each is told once
_FIRST_USER_OBJID = 8
_ORDER = {Confidence.HIGH: 0, Confidence.MEDIUM: 1, Confidence.LOW: 2}


@dataclass(frozen=True, slots=True)
class CarvedRow:
    """A row that is not there any more, or an earlier state of one that is.

    `how`: "flagged" (marked as deleted, not yet removed), "slack" (between the nodes of a page), "freed page" (on a page no
    tree has), "log insert", "log replace", "log before image", "log page image". `live`: a row with this key is there, None
    where the key is not known. `committed`: whether the transaction that wrote it was, None where no log tells. `page` and
    `offset` (within the page), or `log` and `position` [generation, segment, byte] say where. `table_deleted`: the table is
    not there any more. `uncertain`: columns whose value may have lost its end, or got a wrong one.
    """

    table: str
    objid: int
    how: str
    confidence: str
    live: bool | None
    key: bytes
    values: dict[str, Any]
    record: bytes
    page: int | None = None
    offset: int | None = None
    log: str | None = None
    position: tuple[int, int, int] | None = None
    committed: bool | None = None
    table_deleted: bool = False
    uncertain: tuple[str, ...] = ()

    def as_json(self, *, raw: bool = False) -> dict[str, Any]:
        found: dict[str, Any] = {
            "table": self.table,
            "objid": self.objid,
            "table_deleted": self.table_deleted,
            "how": self.how,
            "confidence": self.confidence,
            "live": self.live,
            "committed": self.committed,
            "page": self.page,
            "offset": self.offset,
            "log": self.log,
            "position": None if self.position is None else list(self.position),
            "uncertain": list(self.uncertain),
            "key": self.key.hex(),
            "values": self.values,
        }
        if raw:
            found["record"] = self.record.hex()
        return found


@dataclass(slots=True)
class _Subject:
    """A table whose rows are looked for: live, deleted (`tree` None), or known by its object id only (`test` None)."""

    name: str
    test: RecordTest | None
    tree: SalvagedTree | None = None
    long_values: LongValues | None = None


@dataclass(slots=True)
class CarveSummary:
    """How many rows were found, by table, way and confidence; what could not be read."""

    counts: dict[tuple[str, str, str], int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class Carver:
    """Looks for deleted rows in a database that is being salvaged, and in `logs`. `tables`: only of these.

    Iterate over it once; `summary` grows by the way.
    """

    def __init__(
        self,
        salvage: Salvage,
        logs: Iterable[Path] = (),
        tables: Iterable[str] | None = None,
        *,
        files: FileSystem = FILES,
        progress: Progress | None = None,
    ) -> None:
        self._salvage = salvage
        self._file = salvage.file
        self._logs = list(logs)
        self._wanted = None if tables is None else {name.upper() for name in tables}
        self._files = files
        self._progress = progress
        self._known: set[int] = set()
        self._ends: dict[int, bool] = {}  # of rows that are in the logs: whether their transaction was committed
        self._live: dict[int, str] = {}
        self._others: set[int] = set()  # object ids of indexes and long values
        self._subjects: dict[int, _Subject | None] = {}
        self._reached = bytearray(self._file.page_count + 1)
        self.summary = CarveSummary()

    def __iter__(self) -> Iterator[CarvedRow]:
        self._look_at_what_is_live()
        self._look_for_deleted_tables()
        yield from self._pages()
        yield from self._log_rows()

    # ---- what is there ----------------------------------------------------------------------------------------------

    def _look_at_what_is_live(self) -> None:
        """Which pages belong to trees, and what the object ids stand for."""
        catalog = self._salvage.catalog
        for name in catalog.names():
            try:
                table = catalog.table(name)
            except JetError as problem:
                self.summary.problems.append(f"table {name}: {problem.message}")
                continue
            self._live[table.objid] = name
            trees = [self._salvage.rows(table)]
            if table.long_value_root:
                self._others.add(table.long_value_objid)
            self._others |= {index.objid for index in table.indexes if not index.is_primary}
            for tree in trees:
                for pgno in tree.reachable():
                    if 0 < pgno < len(self._reached):
                        self._reached[pgno] = 1
            catalog.forget(name)

    def _subject(self, objid: int) -> _Subject | None:
        """The table with an object id; None where it is not wanted or is none."""
        if objid in self._subjects:
            return self._subjects[objid]
        subject: _Subject | None = None
        name = self._live.get(objid)
        if name is not None:
            subject = self._live_subject(name)
        elif objid >= _FIRST_USER_OBJID and objid not in self._others:
            subject = _Subject(f"object {objid}", None)
        if subject is not None and self._wanted is not None and subject.name.upper() not in self._wanted:
            subject = None
        self._subjects[objid] = subject
        return subject

    def _live_subject(self, name: str) -> _Subject:
        catalog = self._salvage.catalog
        table = catalog.table(name)
        test = RecordTest(table, self._file.page_size, self._column_ids(catalog, table))
        values = self._salvage.long_values(table, keep=_KEEP)
        return _Subject(name, test, self._salvage.rows(table, keep=_KEEP), values)

    @staticmethod
    def _column_ids(catalog: Catalog, table: Table) -> list[tuple[int, int, int]]:
        """Rows of columns, those of the template too; none for the catalogue, whose rows do not say how its records are."""
        if table.name == CATALOG:
            return []
        return catalog.column_ids(table.name)

    # ---- tables that were deleted -----------------------------------------------------------------------------------

    def _look_for_deleted_tables(self) -> None:
        """Definitions from rows of the catalogue that are not live."""
        test = RecordTest(self._salvage.catalog.table(CATALOG), self._file.page_size, [])
        found: dict[int, dict[bytes, tuple[int, bytes]]] = {}

        def keep(key: bytes, record: bytes, certain: Confidence) -> None:
            (owner,) = _OWNER.unpack_from(record, _OWNER_OFFSET)
            if owner in self._live or owner < _FIRST_USER_OBJID:
                return
            rows = found.setdefault(owner, {})
            rank = _ORDER[certain]
            if key not in rows or rank < rows[key][0]:
                rows[key] = rank, record

        for pgno in range(1, len(self._reached)):
            for find in self._finds(pgno, only=(CATALOG_OBJID,), tests={CATALOG_OBJID: test}):
                keep(find[1].key, find[1].record, find[1].confidence)
        for each in LogCarver(self._file.page_size, self._dbid, files=self._files).run(self._logs):
            if each.committed is not None and len(self._ends) < _KNOWN_MOST:
                self._ends[hash((each.objid, each.key, each.record))] = each.committed
            if each.objid == CATALOG_OBJID and test.is_record(each.record) and each.committed is not False:
                key = each.key if each.key is not None else test.key_of(each.record)
                if key is not None:
                    keep(key, each.record, Confidence.HIGH)
        for objid, rows in found.items():
            catalog = Catalog.of_records(self._file, [record for _, record in rows.values()])
            for name in catalog.names():
                try:
                    table = catalog.table(name)
                except JetError:
                    continue
                self._others |= {index.objid for index in table.indexes if not index.is_primary} | {table.long_value_objid}
                wanted = self._wanted is None or name.upper() in self._wanted
                deleted = RecordTest(table, self._file.page_size, catalog.column_ids(name)) if table.columns else None
                self._subjects[objid] = _Subject(name, deleted) if wanted else None

    @property
    def _dbid(self) -> int:
        return self._file.header.dbid or 1

    # ---- pages ------------------------------------------------------------------------------------------------------

    def _finds(
        self, pgno: int, *, only: tuple[int, ...] = (), tests: dict[int, RecordTest] | None = None
    ) -> Iterator[tuple[int, PageFind]]:
        """(object id, find) of one page."""
        try:
            data = self._file.read_page(pgno)
        except JetError:
            return  # a damaged page; who reads the tables is told of it
        objid, flags = _HEAD.unpack_from(data)
        if not flags & PAGE_LEAF or flags & _OTHER_PAGES or objid == SHADOW_OBJID or (only and objid not in only):
            return
        if tests is not None:
            test: RecordTest | None = tests.get(objid)
        else:
            subject = self._subject(objid)
            if subject is None:
                return
            test = subject.test
        page = page_of(data, pgno)
        if page is None:
            return
        freed = not self._reached[pgno]
        for find in deleted_nodes(page, test, freed=freed):
            yield objid, find
        if test is not None:
            for find in slack_nodes(page, test):
                yield objid, find

    def _pages(self) -> Iterator[CarvedRow]:
        for pgno in range(1, len(self._reached)):
            if self._progress is not None and pgno % 64 == 0:
                self._progress(pgno, len(self._reached))
            for objid, find in self._finds(pgno):
                committed = self._ends.get(hash((objid, find.key, find.record)))
                place = {"page": pgno, "offset": find.offset, "committed": committed}
                row = self._row(objid, find.how, find.key, find.record, find.confidence, open_end=find.open, **place)
                if row is not None:
                    yield row

    # ---- logs -------------------------------------------------------------------------------------------------------

    def _log_rows(self) -> Iterator[CarvedRow]:
        carver = LogCarver(self._file.page_size, self._dbid, files=self._files)
        for find in carver.run(self._logs):
            subject = self._subject(find.objid) if find.objid != SHADOW_OBJID else None
            if subject is None or subject.test is None or not subject.test.is_record(find.record):
                continue
            made = subject.test.key_of(find.record)
            key = find.key if find.key is not None else made
            certain = Confidence.HIGH if key is not None and made in (key, None) else Confidence.MEDIUM
            row = self._row(
                find.objid,
                find.how,
                key,
                find.record,
                certain,
                log=find.log.name,
                position=(find.position[0], find.position[1], find.position[2]),
                committed=find.committed,
            )
            if row is not None:
                yield row
        self.summary.problems += [f"{path.name}: {problem.message}" for path, problem in carver.problems]

    # ---- rows -------------------------------------------------------------------------------------------------------

    def _row(
        self,
        objid: int,
        how: str,
        key: bytes | None,
        record: bytes,
        certain: Confidence,
        *,
        open_end: bool = False,
        **place: Any,
    ) -> CarvedRow | None:
        """The find as a row; None where it is the live row, or was told before."""
        subject = self._subjects.get(objid)
        if subject is None:
            return None
        mark = hash((objid, key, record))
        if mark in self._known:
            return None
        if len(self._known) >= _KNOWN_MOST:
            self._known.clear()
        self._known.add(mark)
        live: bool | None = None
        if subject.tree is not None and key is not None:
            current = subject.tree.find(key)
            if current == record:
                return None
            live = current is not None
        elif subject.test is not None and key is not None:
            live = False
        values: dict[str, Any] = {}
        uncertain: tuple[str, ...] = ()
        if subject.test is not None:
            try:
                values = subject.test.values(record, subject.long_values)
                uncertain = subject.test.uncertain(record) if open_end else ()
            except JetError:
                return None
        counts = self.summary.counts
        counts[subject.name, how, str(certain)] = counts.get((subject.name, how, str(certain)), 0) + 1
        return CarvedRow(
            subject.name,
            objid,
            how,
            str(certain),
            live,
            key or b"",
            values,
            record,
            table_deleted=subject.tree is None,
            uncertain=uncertain,
            **place,
        )


__all__ = ["CarveSummary", "CarvedRow", "Carver"]
