"""Repair: a new, clean database with everything that can be kept of a damaged one, and a report of everything lost.

The source is only read. What the new database takes over of each table is in `tools/repair_table.py`; leaves of objects that
the catalogue does not know any more, as far as it is itself damaged, go to lost-and-found whole.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from esent.catalog.salvage import SYSTEM_OBJID_LAST, Loss, Losses, Salvage, reason
from esent.constants import codes
from esent.constants.formats import FEATURE_OF_DATABASE, Feature
from esent.errors import JetError, jet_error
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.page import PAGE_INDEX, PAGE_LONG_VALUE, Page
from esent.tools.build import VERSION_DEFAULT, Builder, new_database
from esent.tools.lost_and_found import lost_and_found, lost_and_found_rows
from esent.tools.repair_entries import LeftOver, RepairEntries
from esent.tools.repair_table import MADE, TableOutcome, TableRepair
from esent.tools.verify import verify_database
from esent.tree.cursor import NODE_DELETED

Progress = Callable[[int, int], None]

_READS = 4  # how often a page is read, about


@dataclass(slots=True)
class RepairReport:
    """What a repair came to. `verified`: the new database was read again and found well. `lost_and_found` names the table with
    what no other could hold, None where there is none."""

    source: Path
    destination: Path
    page_size: int
    pages: int
    bad_pages: list[int]
    losses: Losses
    tables: list[TableOutcome] = field(default_factory=list)
    lost_and_found: str | None = None
    left_over: int = 0
    verified: bool = False

    @property
    def ok(self) -> bool:
        """Whether the new database has everything that was in the old one."""
        return self.verified and not self.losses.any_lost

    def as_json(self) -> dict[str, Any]:
        return {
            "source": str(self.source),
            "destination": str(self.destination),
            "ok": self.ok,
            "verified": self.verified,
            "page_size": self.page_size,
            "pages": self.pages,
            "bad_pages": self.bad_pages,
            "tables": [
                {
                    "name": table.name,
                    "whole": table.whole,
                    "rows": table.rows,
                    "left_over": table.left_over,
                    "values_lost": table.values_lost,
                    "indexes": table.indexes,
                }
                for table in self.tables
            ],
            "lost_and_found": self.lost_and_found,
            "left_over": self.left_over,
            "losses": [loss.as_json() for loss in self.losses],
            "losses_not_listed": self.losses.suppressed,
        }


class _Repair:
    def __init__(
        self,
        salvage: Salvage,
        builder: Builder,
        entries: RepairEntries,
        report: RepairReport,
        tell: Progress,
        *,
        trusting: bool,
    ) -> None:
        self._salvage = salvage
        self._builder = builder
        self._entries = entries
        self._report = report
        self._tell = tell
        self._trusting = trusting
        self._done = 0

    def _advance(self) -> None:
        self._done += 1
        total = _READS * max(1, self._report.pages)
        if self._done % 64 == 0:
            self._tell(min(self._done, total), total)

    def run(self) -> None:
        salvage, catalog = self._salvage, self._salvage.catalog
        names = [name for name in catalog.names() if not catalog.is_system(name)]
        tables = []
        for name in names:
            try:
                tables.append(catalog.table(name))
            except JetError as problem:
                salvage.losses.add(Loss(name, "catalog", None, problem.code, reason(problem)))
                self._leave_object(catalog.objid(name), name)
            catalog.forget(name)
        # a template comes before what is derived from it
        order = sorted((table.is_derived, table.name.upper(), table.name) for table in tables)
        del tables
        for _, _, name in order:
            repair = TableRepair(salvage, self._builder, self._entries, catalog.table(name), self._advance)
            outcome = repair.run(trusting=self._trusting)
            self._report.tables.append(outcome)
            for index, done in outcome.indexes.items():
                if done == MADE:
                    salvage.losses.settle(name, f"index {index}")
            catalog.forget(name)
        if not catalog.is_complete:
            self._leave_unknown()
        count = self._entries.left_over_count()
        if count:
            spec = lost_and_found(self._builder.names | {table.name for table in self._builder.tables})
            self._builder.add_table(spec, lost_and_found_rows(self._entries.left_over()))
            self._report.lost_and_found, self._report.left_over = spec.name, count

    def _leave_unknown(self) -> None:
        """What has an object id that the catalogue does not know, now that it is damaged itself."""
        catalog = self._salvage.catalog
        known = set(range(SYSTEM_OBJID_LAST + 1))
        for name in catalog.names():
            try:
                table = catalog.table(name)
            except JetError:
                known.add(catalog.objid(name))
                continue
            known |= {table.objid, table.long_value_objid, *(index.objid for index in table.indexes)}
            if not catalog.is_system(name):
                catalog.forget(name)
        survey = self._salvage.survey
        for objid in sorted({*survey.leaves, *survey.roots} - known):
            self._leave_object(objid, f"object {objid}")

    def _leave_object(self, objid: int, owner: str) -> None:
        """All nodes with an object id, but those of indexes, to lost-and-found."""
        survey = self._salvage.survey
        count = 0
        for pgno in (*survey.roots.get(objid, ()), *survey.leaves.get(objid, ())):
            self._advance()
            try:
                page = Page(self._salvage.file.read_page(pgno), pgno)
            except JetError as problem:
                self._salvage.losses.add(Loss(owner, "rows", pgno, problem.code, reason(problem)))
                continue
            if not page.is_leaf or page.flags & PAGE_INDEX:
                continue
            part = "long values" if page.flags & PAGE_LONG_VALUE else "rows"
            for line, (flags, key, data) in enumerate(page.entries()):
                if not flags & NODE_DELETED:
                    why = "the catalog does not tell any more what it belongs to"
                    self._entries.leave(LeftOver(owner, part, pgno, why, key, line, data))
                    count += 1
        if count:
            text = f"{count} records and pieces are in lost-and-found, as the catalog does not describe them any more"
            self._salvage.losses.add(Loss(owner, "rows", None, codes.JET_errCatalogCorrupted, text))


def repair(salvage: Salvage, destination: Path, *, progress: Progress | None = None, files: FileSystem = FILES) -> RepairReport:
    """Write what `salvage` finds into the new database `destination`.

    JET_errDatabaseDuplicate: the file is there. JET_errDatabaseCorrupted: nothing is left that could be repaired. After an
    error there is no new file.
    """
    file = salvage.file
    if files.exists(destination):
        raise jet_error(codes.JET_errDatabaseDuplicate, "repairing into a file that is there", file=destination)
    survey = salvage.survey
    if not survey.leaves and not survey.roots:
        raise jet_error(codes.JET_errDatabaseCorrupted, "repairing a database of which no page is left", file=file.path)
    tell = progress if progress is not None else _silent
    draft = destination.with_name(f".{destination.name}.{secrets.token_hex(4)}.repairing")
    try:
        report = _build(salvage, draft, destination, files, tell, trusting=True)
        if not report.verified:  # what is stored contradicts itself: no index is taken over
            files.remove(draft)
            report = _build(salvage, draft, destination, files, tell, trusting=False)
        if files.exists(destination):
            raise jet_error(codes.JET_errDatabaseDuplicate, "repairing into a file that is there", file=destination)
        files.rename(draft, destination)
    except BaseException:
        with contextlib.suppress(JetError):
            files.remove(draft)
        raise
    return report


def _build(
    salvage: Salvage, draft: Path, destination: Path, files: FileSystem, tell: Progress, *, trusting: bool
) -> RepairReport:
    """One attempt; the file is whole, durable and verified, but does not have its name yet."""
    survey = salvage.survey
    report = RepairReport(
        salvage.file.path, destination, salvage.file.page_size, survey.page_count, list(survey.bad), salvage.losses
    )
    version = _version(salvage)
    with RepairEntries() as entries, new_database(draft, salvage.file.page_size, version, files=files) as builder:
        _Repair(salvage, builder, entries, report, tell, trusting=trusting).run()
    report.verified = verify_database(draft, files=files).ok
    return report


def _version(salvage: Salvage) -> tuple[int, int, int]:
    """The format of the source; where its header is lost one that knows the ids its long values have."""
    header = salvage.file.header
    if salvage.file.header_damage is not None:
        return FEATURE_OF_DATABASE[Feature.LID_64]
    return max((header.version, header.update_major, header.update_minor), VERSION_DEFAULT)


def _silent(_done: int, _total: int) -> None:
    """Progress that nobody asked for."""


__all__ = ["RepairReport", "repair"]
