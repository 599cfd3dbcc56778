"""Verification of a database file: headers, every page checksum, the structure of pages, trees and space.

`verify_database` reads the file once from front to end in big pieces (checksums, structure of each page), then once more along
its trees (`tools.verify_trees`). Memory: one byte a page, and the roots and extents of the trees. Nothing is written.

What counts as an error, and what does not (`reference/database-format.md` 1, 4.3, 5.5, 7):

- a damaged page is an error where a tree reaches it, a warning where it is free, a note behind the last page the
  database owns, which is not part of it;
- a page with a single wrong bit is a warning: reading corrects it;
- in a database that was not shut down cleanly the trees may disagree until recovery: what is found there is a warning;
- entries of an index that are not those its records make are an error; a warning where the index is over Unicode text, as
  the system that made it may have had other sort tables.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from esent.constants import codes
from esent.errors import JetError
from esent.pages.checksum import PAGE_BAD, PAGE_BLANK, PAGE_GOOD, PAGE_REPAIRABLE, verify_run, wrong_bits
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.header import HEADER_PAGES, DatabaseState
from esent.pages.page import Page
from esent.pages.trailer import PatchPage, is_trailer
from esent.tools.verify_keys import check_keys
from esent.tools.verify_trees import DAMAGED, STATUS, USED, TreeVerifier

Progress = Callable[[int, int], None]

_PIECE = 512 << 10  # fits the processor's cache


class Severity(enum.StrEnum):
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: where (page and offset in the file, where there is one), how bad, and a sentence."""

    path: Path
    page: int | None
    offset: int | None
    severity: Severity
    text: str

    def __str__(self) -> str:
        place = "" if self.page is None else f" page {self.page}"
        place += "" if self.offset is None else f" offset {self.offset}"
        return f"{self.severity}: {self.path.name}{place}: {self.text}"


@dataclass(slots=True)
class VerifyReport:
    """What verification of one database came to. `ok`: no errors (warnings and notes there may be)."""

    path: Path
    page_size: int = 0
    state: DatabaseState | int = DatabaseState.NONE
    backup_copy: bool = False  # the file as a streaming backup delivers it: dirty, with a trailer page
    pages_seen: int = 0  # header pages included
    bad_checksums: int = 0
    correctable_checksums: int = 0
    uninitialized_pages: int = 0
    last_owned: int = 0  # last page that belongs to the database
    trees: int = 0
    pages_used: int = 0
    pages_available: int = 0
    pages_leaked: int = 0  # owned, but neither in use nor available: wasted, harmless
    entries_compared: int = 0  # index entries that were compared with the records, primary ones included
    findings: list[Finding] = field(default_factory=list)
    suppressed: int = 0  # findings beyond the limit, counted only
    errors: int = 0
    warnings: int = 0

    @property
    def ok(self) -> bool:
        return not self.errors


class _Verifier:
    def __init__(
        self, database: DatabaseFile, progress: Progress | None, structure: bool, references: bool, keys: bool, limit: int
    ) -> None:
        self.database = database
        self.report = VerifyReport(database.path)
        self.progress = progress
        self.structure = structure
        self.references = references
        self.keys = keys and database.header.is_clean
        self.limit = limit
        self.count = database.page_count
        self.total = self.count * (2 if structure else 1)
        self.state = bytearray(self.count + 1)
        self.troubles: dict[int, str] = {}
        self.unreadable: dict[int, str] = {}

    def add(self, severity: Severity, text: str, page: int | None = None, offset: int | None = None) -> None:
        report = self.report
        if severity is Severity.ERROR:
            report.errors += 1
        elif severity is Severity.WARNING:
            report.warnings += 1
        if len(report.findings) >= self.limit:
            report.suppressed += 1
            return
        if offset is None and page is not None:
            offset = (page + 1) * self.database.page_size
        report.findings.append(Finding(self.database.path, page, offset, severity, text))

    def run(self) -> VerifyReport:
        self._header()
        self._pages()
        tree_findings: list[tuple[int | None, str]] = []
        if self.structure:
            self._trees(tree_findings)
        self._judge_pages()
        if self.structure and self.keys and not tree_findings and not self.report.errors:
            self._keys(tree_findings)
        clean = self.database.header.is_clean
        for page, text in tree_findings:
            self.add(Severity.ERROR if clean else Severity.WARNING, text, page)
        if self.progress:
            self.progress(self.total, self.total)
        return self.report

    def _header(self) -> None:
        database, report = self.database, self.report
        header, choice = database.header, database.choice
        report.page_size = database.page_size
        report.state = header.state
        report.backup_copy = bool(header.bkinfo_full_cur)
        report.pages_seen = self.count + HEADER_PAGES
        if not choice.primary_valid:
            self.add(Severity.WARNING, "the header is damaged; its shadow copy stands in for it", offset=0)
        elif not choice.shadow_valid:
            self.add(Severity.WARNING, "the shadow copy of the header is damaged", offset=database.page_size)
        elif not choice.equal:
            self.add(Severity.WARNING, "the shadow copy of the header differs from the header", offset=database.page_size)
        for problem in header.check():
            self.add(Severity.ERROR, f"the header contradicts itself: {problem}", offset=0)
        if header.dbstate == DatabaseState.DIRTY_SHUTDOWN:
            first, last = header.gen_min_required, header.gen_max_required
            logs = f"it needs the logs {first} to {last}" if first else "it was not logged"
            self.add(Severity.NOTE, f"the database was not shut down cleanly; {logs}", offset=0)
        elif not header.is_clean:
            self.add(Severity.ERROR, f"the database is in state {_state_name(header.state)}", offset=0)
        rest = database.file.size() % database.page_size
        if rest:
            end = database.file.size() - rest
            self.add(Severity.WARNING, f"{rest} bytes behind the last whole page", offset=end)
        if report.backup_copy:
            self._trailer()

    def _trailer(self) -> None:
        """The last page of a backup's copy; taken out of what is verified as database pages."""
        page = self.database.read_pages(self.count, 1) if self.count else b""
        if not is_trailer(page):
            text = "the copy of a backup has no trailer page at its end, or a damaged one"
            self.add(Severity.ERROR, text, self.count or None)
            return
        if not PatchPage.parse(page).belongs_to(self.database.header):
            self.add(Severity.ERROR, "the trailer page belongs to another backup than the header", self.count)
        self.count -= 1
        self.total = self.count * (2 if self.structure else 1)

    def _pages(self) -> None:
        size = self.database.page_size
        piece = max(1, _PIECE // size)
        report = self.report
        first = 1
        while first <= self.count:
            holes = min(self.database.unstored_pages(first), self.count - first + 1)
            if holes:
                self.state[first : first + holes] = bytes([PAGE_BLANK]) * holes
                report.uninitialized_pages += holes
                first += holes
                continue
            data = self.database.read_pages(first, min(piece, self.count - first + 1))
            got = len(data) // size
            if not got:
                self.add(Severity.ERROR, "the file became shorter while it was read", first)
                break
            for pgno, status in verify_run(data, size, first):
                self.state[pgno] = status
                if status == PAGE_BLANK:
                    report.uninitialized_pages += 1
                elif status == PAGE_BAD:
                    report.bad_checksums += 1
                else:
                    report.correctable_checksums += 1
                    place = (pgno - first) * size
                    bits = wrong_bits(data[place : place + size], pgno) or []
                    self._note_trouble(pgno, f"bit {', '.join(map(str, bits))} is wrong and can be corrected")
            if self.structure:
                self._structures(data, first, got)
            first += got
            if self.progress:
                self.progress(first - 1, self.total)

    def _structures(self, data: bytes, first: int, got: int) -> None:
        size = self.database.page_size
        state = self.state
        for number in range(got):
            pgno = first + number
            if state[pgno] != PAGE_GOOD:
                continue
            try:
                problems = Page(data[number * size : (number + 1) * size], pgno).problems()
            except JetError as problem:
                problems = [problem.message.removeprefix("reading a page: ").rpartition(" (page")[0]]
            if problems:
                state[pgno] |= DAMAGED
                self._note_trouble(pgno, "; ".join(problems[:3]))

    def _note_trouble(self, pgno: int, text: str) -> None:
        if len(self.troubles) < self.limit:
            self.troubles[pgno] = text

    def _trees(self, findings: list[tuple[int | None, str]]) -> None:
        report = self.report

        def find(page: int | None, text: str) -> None:
            if len(findings) < self.limit:
                findings.append((page, text))
            else:
                report.suppressed += 1
                report.errors += self.database.header.is_clean

        def advance(used: int) -> None:
            if self.progress:
                self.progress(min(self.count + used, self.total), self.total)

        verifier = TreeVerifier(
            self.database, self.database.header, self.state, self.count, find, advance, references=self.references
        )
        verifier.run()
        self.unreadable = verifier.unreadable
        report.trees = verifier.trees
        report.last_owned = verifier.last_owned
        report.pages_used = verifier.pages_used
        report.pages_available = verifier.pages_available
        report.pages_leaked = verifier.pages_leaked
        if verifier.last_owned > self.count:
            text = f"the file ends after page {self.count}, but the database owns pages up to {verifier.last_owned}"
            find(None, text)
        elif verifier.last_owned and verifier.last_owned < self.count:
            text = f"the file is {self.count - verifier.last_owned} pages longer than the database"
            self.add(Severity.NOTE, text, verifier.last_owned + 1)
        if verifier.pages_leaked:
            self.add(Severity.NOTE, f"{verifier.pages_leaked} pages are neither in use nor available")
        for text in verifier.notes:
            self.add(Severity.WARNING, text)

    def _keys(self, findings: list[tuple[int | None, str]]) -> None:
        """Entries of indexes against records, in a database whose trees are sound."""
        try:
            found = check_keys(self.database)
        except JetError as problem:
            findings.append((problem.page, f"comparing index entries with records: {problem.message}"))
            return
        self.report.entries_compared = found.compared
        findings += found.wrong
        for page, text in found.outdated:
            self.add(Severity.WARNING, text, page)
        for page, text in found.unknown:
            self.add(Severity.NOTE, text, page)

    def _judge_pages(self) -> None:
        """A finding for each page that is not sound, as bad as the place it has in the database."""
        interesting = bytes(int(value & STATUS in (PAGE_BAD, PAGE_REPAIRABLE) or value & DAMAGED > 0) for value in range(256))
        marks = self.state.translate(interesting)
        pgno = marks.find(1, 1)
        while pgno > 0:
            value = self.state[pgno]
            status = value & STATUS
            text = self.troubles.get(pgno, "")
            if status == PAGE_BAD:
                text = "the checksum does not match the content"
            if self.structure and self.report.last_owned and pgno > self.report.last_owned:
                severity = Severity.NOTE
                text += " (behind the last page of the database)"
            elif status == PAGE_REPAIRABLE:
                severity = Severity.WARNING
            elif not self.structure or value & USED or not self.report.last_owned:
                severity = Severity.ERROR
                if pgno in self.unreadable:
                    text = f"{self.unreadable[pgno]}: {text}"
            else:
                severity = Severity.WARNING
                text += " (the page is not in use)"
            self.add(severity, text, pgno)
            pgno = marks.find(1, pgno + 1)


def _state_name(state: DatabaseState | int) -> str:
    return state.name.replace("_", " ").lower() if isinstance(state, DatabaseState) else str(state)


def verify_database(
    database: str | os.PathLike[str] | DatabaseFile,
    *,
    progress: Progress | None = None,
    structure: bool = True,
    references: bool = True,
    keys: bool = False,
    limit: int = 1000,
    files: FileSystem = FILES,
) -> VerifyReport:
    """Verify a database file and report what was found; the file is not changed.

    `progress(done, total)` is called now and then, in pages. `structure=False` looks at checksums and header only;
    `references=False` does not look up the record of each index entry, which takes a search for each; `keys=True` makes the
    keys of every record anew and compares them with the entries of the indexes. At most `limit` findings are kept, further
    ones are counted. Damage is in the report; a `JetError` is raised only where the file cannot be opened at all as what it
    is (JET_errFileNotFound, JET_errFileAccessDenied, a failing disk).
    """
    if isinstance(database, DatabaseFile):
        return _Verifier(database, progress, structure, references, keys, limit).run()
    path = Path(database)
    try:
        opened = DatabaseFile(path, files=files)
    except JetError as problem:
        if problem.code not in _DAMAGED_HEADER:
            raise
        report = VerifyReport(path, errors=1)
        report.findings.append(Finding(path, None, 0, Severity.ERROR, problem.message))
        return report
    with opened:
        return _Verifier(opened, progress, structure, references, keys, limit).run()


_DAMAGED_HEADER = (
    codes.JET_errReadVerifyFailure,
    codes.JET_errDatabaseCorrupted,
    codes.JET_errFileInvalidType,
    codes.JET_errPageSizeMismatch,
)
