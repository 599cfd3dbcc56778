"""A closed log file as a backup delivers it: the bytes on disk, every segment verified on the way.

A segment is good when it carries its checksum, when it is all zero (never written), or when it is the shadow of its
predecessor (`reference/log-and-recovery.md` 3.3); a single wrong bit is corrected in the stream. The header has to be that
of the generation which the file name says. Anything else is JET_errLogReadVerifyFailure: a backup must not hold a log that
recovery cannot read. Of a log in the legacy format only the header is verified.
"""

from __future__ import annotations

from pathlib import Path

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.log.header import LogHeader
from esent.log.scan import SEGMENT_SIZE
from esent.log.segments import segment_place
from esent.pages.checksum import PAGE_BLANK, PAGE_GOOD, PAGE_REPAIRABLE, repair_page, verify_page, verify_run
from esent.pages.filesystem import File, FileSystem

FIRST_READ_PAGES = 2


class LogFileStream:
    """The bytes of one log file. `size` and `position` count bytes; `complete` once all were read."""

    def __init__(self, path: Path, page_size: int, files: FileSystem, *, generation: int, verify: bool = True) -> None:
        """`verify` False hands the bytes out unlooked at (JET_paramDisableBlockVerification)."""
        self.path = path
        self.page_size = page_size
        self.generation = generation
        self.started = False
        self.position = 0
        self._verify = verify
        self._legacy = False
        self._file: File | None = files.open(path)
        self.size = self._file.size()

    @property
    def complete(self) -> bool:
        return self.position >= self.size

    def check_count(self, count: int) -> None:
        """The size a caller may ask for: whole pages, two at first (JET_errInvalidParameter)."""
        if count < 0 or count % self.page_size:
            raise jet_error(
                codes.JET_errInvalidParameter,
                f"reading {count} bytes of a log, which is not a multiple of the page size {self.page_size}",
                file=self.path,
            )
        if not self.started and count < FIRST_READ_PAGES * self.page_size:
            raise jet_error(
                codes.JET_errInvalidParameter,
                f"the first read of a log has to be of at least {FIRST_READ_PAGES} pages",
                file=self.path,
            )

    def read(self, count: int) -> bytes:
        """The next bytes: `count` of them, or what is left; b"" at the end."""
        self.check_count(count)
        count = min(count, self.size - self.position)
        if not count or self._file is None:
            return b""
        data = self._file.read(self.position, count)
        if len(data) != count:
            raise jet_error(codes.JET_errLogReadVerifyFailure, "the log became shorter while it was read", file=self.path)
        if self._verify:
            data = self._checked(data)
        self.started = True
        self.position += count
        return data

    def _checked(self, data: bytes) -> bytes:
        """`data` with single wrong bits corrected; the segments it ends in the middle of are looked at as a whole."""
        first = self.position // SEGMENT_SIZE
        lead = self.position - first * SEGMENT_SIZE
        tail = -(lead + len(data)) % SEGMENT_SIZE
        whole = data
        if self._file is not None and (lead or tail):
            whole = self._file.read(first * SEGMENT_SIZE, lead + len(data) + tail)
        if first == 0:
            self._check_header(whole[:SEGMENT_SIZE])
        if self._legacy:
            return data
        if len(whole) % SEGMENT_SIZE:
            raise self._damaged("a log that ends inside a segment", self.size // SEGMENT_SIZE)
        corrected: dict[int, bytes] = {}
        for isec, status in verify_run(whole, SEGMENT_SIZE, first):
            if isec == 0 or status == PAGE_BLANK:
                continue
            start = (isec - first) * SEGMENT_SIZE
            segment = whole[start : start + SEGMENT_SIZE]
            if segment_place(segment).isec == isec - 1 and verify_page(segment, isec - 1) == PAGE_GOOD:
                continue  # the shadow of its predecessor
            good = repair_page(segment, isec) if status == PAGE_REPAIRABLE else None
            if good is None:
                raise self._damaged("a segment of a log to back up does not have its checksum", isec)
            corrected[start] = good
        if not corrected:
            return data
        mended = bytearray(whole)
        for start, segment in corrected.items():
            mended[start : start + SEGMENT_SIZE] = segment
        return bytes(mended[lead : lead + len(data)])

    def _check_header(self, data: bytes) -> None:
        try:
            header = LogHeader.parse(data, self.path)
        except JetError as problem:
            raise self._damaged(problem.message, 0) from problem
        if header.generation != self.generation or header.file_size != self.size:
            raise self._damaged(
                f"a log of generation {header.generation} and {header.file_size} bytes, not {self.generation} and {self.size}",
                0,
            )
        self._legacy = header.version.is_legacy

    def _damaged(self, what: str, isec: int) -> JetError:
        return jet_error(codes.JET_errLogReadVerifyFailure, what, file=self.path, offset=isec * SEGMENT_SIZE)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
