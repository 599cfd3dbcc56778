"""A database file on disk: header copies, verified reading of pages, stamped writing.

Offsets (`reference/database-format.md` 1): header at 0, shadow header one page on, page `pgno` at (pgno + 1) * page size.
Order of validation on read: 4.5; safe update of the header: 2.5.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.pages.checksum import PAGE_BAD, PAGE_BLANK, PAGE_SIZES, flip_bits, stamp_page, verify_page, wrong_bits
from esent.pages.filesystem import FILES, File, FileSystem
from esent.pages.geometry import infer_page_size
from esent.pages.header import (
    FORMAT_MAJOR,
    FORMAT_UPDATE,
    HEADER_PAGES,
    DatabaseHeader,
    DatabaseState,
    HeaderChoice,
    choose_header,
    detect_page_size,
)
from esent.pages.locking import FileLock
from esent.pages.primitives import Signature

PGNO_MAX = 0x7FEFFFFF
_NEW_CHECKSUM_FORMAT = 0x20  # bit of byte 37 of a page
_FLAG_BYTE = 37
_FIRST_UPDATE_WITH_ECC = 0x0B


class Correction(NamedTuple):
    """A bit that was wrong on disk and was corrected in memory: `bit` = 8 * byte + bit in the page."""

    pgno: int
    bit: int


class DatabaseFile:
    """An open database file. A page source for the layers above: `page_size`, `read_page(pgno) -> bytes`.

    Opened for reading it never changes the file. Reads may come from several threads; writes of header and size are the
    owner's to order.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        writable: bool = False,
        files: FileSystem = FILES,
        page_size: int | None = None,
        infer: bool = False,
    ) -> None:
        """Open `path` and read its header, from the shadow copy if the first is damaged; a writable open then rewrites the
        damaged copy.

        `infer`, when only reading: where both copies are damaged the page size is found from the checksums of the pages (or is
        `page_size`), `header` is one of a dirty database, and `header_damage` the error that made it necessary.

        Raises JET_errReadVerifyFailure where both copies are damaged, JET_errPageSizeMismatch where `page_size` is given and
        the file has another, JET_errFileNotFound and the like as the file system says.
        """
        self.path = Path(path)
        self.files = files
        self.writable = writable
        self.corrections: list[Correction] = []
        self._corrected: set[Correction] = set()
        self.header_damage: JetError | None = None
        self._guard = threading.Lock()
        self._lock: FileLock | None = None
        self.file: File = files.open(self.path, writable=writable)
        try:
            self.choice = self._read_header(page_size, infer=infer and not writable)
            self.header: DatabaseHeader = self.choice.header
            self.page_size: int = self.header.page_size
        except BaseException:
            self.file.close()
            raise

    def _read_header(self, page_size: int | None, *, infer: bool) -> HeaderChoice:
        head = self.file.read(0, 2 * max(PAGE_SIZES))
        found = detect_page_size(head)
        size = found or page_size or min(PAGE_SIZES)
        try:
            choice = choose_header(head[:size], head[size : 2 * size], file=self.path)
        except JetError as problem:
            inferred = (page_size or infer_page_size(self.file)) if infer else None
            if inferred is None:
                raise
            self.header_damage = problem
            header = DatabaseHeader(version=FORMAT_MAJOR, update_major=FORMAT_UPDATE, dbstate=int(DatabaseState.DIRTY_SHUTDOWN))
            header.page_size_field = inferred
            return HeaderChoice(header, header.pack(), "primary", primary_valid=False, shadow_valid=False, equal=False)
        if page_size is not None and page_size != size:
            what = f"opening a database: its pages have {size} bytes, not {page_size}"
            raise jet_error(codes.JET_errPageSizeMismatch, what, file=self.path)
        if self.writable and choice.stale:
            for number in choice.stale:
                self.file.write(number * size, choice.image)
            self.file.sync()
        return choice

    def __enter__(self) -> DatabaseFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"DatabaseFile({str(self.path)!r})"

    @property
    def page_count(self) -> int:
        """Whole pages in the file behind the two headers; more than the database owns where the file was pre-extended."""
        return max(0, self.file.size() // self.page_size - HEADER_PAGES)

    def offset_of(self, pgno: int) -> int:
        """Where page `pgno` begins in the file; JET_errFileIOBeyondEOF for a number no page can have."""
        if not 1 <= pgno <= PGNO_MAX:
            raise jet_error(codes.JET_errFileIOBeyondEOF, "reaching for a page that cannot be", file=self.path, page=pgno)
        return (pgno + 1) * self.page_size

    def read_page(self, pgno: int) -> bytes:
        """Page `pgno`, its checksum verified; a single wrong bit is corrected in memory and recorded in `corrections`.

        Raises JET_errReadVerifyFailure, JET_errPageNotInitialized (all zero) or JET_errFileIOBeyondEOF, with the place.
        """
        offset = self.offset_of(pgno)
        data = self.file.read(offset, self.page_size)
        if len(data) < self.page_size:
            what = f"reading a page: the file ends {self.page_size - len(data)} bytes before the page does"
            raise jet_error(codes.JET_errFileIOBeyondEOF, what, file=self.path, page=pgno, offset=offset)
        return self.verified(data, pgno)

    def verified(self, data: bytes, pgno: int) -> bytes:
        """`data`, an image of page `pgno` as it came from the disk, verified and corrected as by `read_page`."""
        status = verify_page(data, pgno)
        if not status:
            return data
        offset = self.offset_of(pgno)
        if status == PAGE_BLANK:
            what = "reading a page: it was never written"
            raise jet_error(codes.JET_errPageNotInitialized, what, file=self.path, page=pgno, offset=offset)
        bits = None if status == PAGE_BAD else wrong_bits(data, pgno)
        if bits is None:
            what = "reading a page: its checksum does not match its content"
            raise jet_error(codes.JET_errReadVerifyFailure, what, file=self.path, page=pgno, offset=offset)
        with self._guard:
            for bit in bits:
                correction = Correction(pgno, bit)
                if correction not in self._corrected:
                    self._corrected.add(correction)
                    self.corrections.append(correction)
        return flip_bits(data, bits)

    def read_pages(self, pgno: int, count: int) -> bytes:
        """Up to `count` consecutive pages as on disk, unverified; fewer only where the file ends (whole pages always)."""
        data = self.file.read(self.offset_of(pgno), max(0, count) * self.page_size)
        return data[: len(data) - len(data) % self.page_size]

    def unstored_pages(self, pgno: int) -> int:
        """How many pages from `pgno` on are known, without reading them, to have never been written: holes of the file."""
        offset = self.offset_of(pgno)
        return max(0, min(self.file.next_data(offset), self.file.size()) - offset) // self.page_size

    def write_page(self, pgno: int, data: bytes) -> None:
        """Write the image of page `pgno` with a fresh checksum. A page behind the end makes the file longer."""
        if len(data) != self.page_size:
            what = f"writing a page: {len(data)} bytes are not a page of {self.page_size}"
            raise jet_error(codes.JET_errInvalidParameter, what, file=self.path, page=pgno)
        self._must_be_writable()
        if self.header.update_major >= _FIRST_UPDATE_WITH_ECC and not data[_FLAG_BYTE] & _NEW_CHECKSUM_FORMAT:
            data = data[:_FLAG_BYTE] + bytes((data[_FLAG_BYTE] | _NEW_CHECKSUM_FORMAT,)) + data[_FLAG_BYTE + 1 :]
        self.file.write(self.offset_of(pgno), stamp_page(bytes(data), pgno))

    def write_header(self, header: DatabaseHeader | None = None, *, sync: bool = True) -> None:
        """Write both copies of the header, the primary first, each durable before the next thing happens if `sync`.

        `header` (default: the one in `self.header`) becomes `self.header`. It gets a fresh flush signature and none of a
        flush map: there is no map beside the file that knows of our writes, and one that does not must not be believed.
        Raises JET_errInternalError, and writes nothing, where its fields contradict each other.
        """
        self._must_be_writable()
        header = self.header if header is None else header
        wrong = header.check()
        if header.page_size != self.page_size:
            wrong.append(f"the page size would change from {self.page_size} to {header.page_size}")
        if wrong:
            raise jet_error(codes.JET_errInternalError, f"writing the database header: {'; '.join(wrong)}", file=self.path)
        header.sign_db_hdr_flush = Signature.fresh()
        header.sign_flush_map_hdr_flush = Signature()
        image = header.pack()
        for copy in range(HEADER_PAGES):
            self.file.write(copy * self.page_size, image)
            if sync:
                self.file.sync()
        self.header = header

    def _must_be_writable(self) -> None:
        if not self.writable:
            raise jet_error(codes.JET_errFileAccessDenied, "writing to a database that is open for reading", file=self.path)

    def lock(self) -> None:
        """Take the file for this instance alone; JET_errFileAccessDenied where another has it. Ends with `close`."""
        if self._lock is None:
            self._lock = FileLock(self.file)

    def sync(self) -> None:
        """Return when all that was written is on stable storage."""
        self.file.sync()

    def resize(self, page_count: int) -> None:
        """Make the file hold exactly `page_count` pages behind the headers; new ones are zero, with room for them on the disk.

        JET_errDiskFull, and the file is as it was.
        """
        self._must_be_writable()
        if not 0 <= page_count <= PGNO_MAX:
            raise jet_error(codes.JET_errInvalidParameter, f"resizing a database to {page_count} pages", file=self.path)
        size = (page_count + HEADER_PAGES) * self.page_size
        if size > self.file.size():
            self.file.grow(size)
        else:
            self.file.truncate(size)

    def close(self) -> None:
        """Release the lock and close the file; a second call does nothing."""
        self.file.close()
        self._lock = None
