"""The files of a log stream: the current one, numbered ones, the one being prepared, the reserves
(`reference/log-and-recovery.md` 1.3 to 1.6).

A new generation becomes visible in this order, so that a crash leaves one of the states of 1.5: the closed log is on disk;
BASEtmp is complete and on disk; BASE becomes the numbered log; BASEtmp becomes BASE. Each rename is durable before the next.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from esent.constants import codes
from esent.errors import JetError
from esent.log.files import (
    RESERVE_EXTENSION,
    detect_extension,
    list_generations,
    log_name,
    parse_log_name,
    reserve_name,
    temporary_name,
)
from esent.log.header import FLAG_FROM_RESERVE, LogHeader
from esent.pages.filesystem import FILES, File, FileSystem

SMALLEST_LOG_FILE = 64 * 1024
MOST_SEGMENTS = 65535
DEFAULT_RESERVES = 2
_PIECE = 1 << 20


def segments_of(log_file_size: int) -> int:
    """The number of 4096-byte segments of a log file of that many bytes (JET_paramLogFileSize times 1024)."""
    return max(3, min(log_file_size // 4096, MOST_SEGMENTS))


@dataclass(slots=True)
class StreamFiles:
    """The names of one stream in one folder. `digits`: 5 or 8, of the generation in a name."""

    directory: Path
    base: str
    files: FileSystem = FILES
    extension: str = ".log"
    digits: int = 5

    @classmethod
    def find(cls, directory: Path, base: str, files: FileSystem = FILES, *, extension: str | None = None) -> StreamFiles:
        """The stream that is in a folder, with the extension and the digits its files have."""
        extension = detect_extension(directory, base, files) or extension or ".log"
        short = True
        for path in list_generations(directory, base, files, extension=extension).values():
            parsed = parse_log_name(path.name, base)
            if parsed and parsed[1] == 8 and parsed[0] <= 0xFFFFF:
                short = False
        return cls(directory, base, files, extension, 5 if short else 8)

    @property
    def current(self) -> Path:
        return self.directory / log_name(self.base, extension=self.extension)

    @property
    def temporary(self) -> Path:
        return self.directory / temporary_name(self.base, self.extension)

    def archive(self, generation: int) -> Path:
        return self.directory / log_name(self.base, generation, self.extension, digits=self.digits)

    def generations(self) -> dict[int, Path]:
        """The numbered logs, ascending."""
        return list_generations(self.directory, self.base, self.files, extension=self.extension)

    def open_current(self) -> File:
        return self.files.open(self.current, writable=True)

    def prepare(self, header: LogHeader, recycle: Path | None = None) -> bool:
        """Make BASEtmp the complete log of `header`, on disk; `recycle` is a log whose file may be taken for it.

        Where the disk is full the highest reserve is taken, which the header then says. Returns whether that was so. Raises
        JET_errLogDiskFull's cause, JET_errDiskFull, where no reserve is left.

        A BASEtmp that is there is written over and never missing meanwhile: it may be all that tells of an unfinished roll.
        """
        temporary = self.temporary
        present = self.files.exists(temporary)
        filled = recycle is not None and self.files.size(recycle) == header.file_size
        if recycle is not None and filled:
            self.files.rename(recycle, temporary)
        try:
            self._write(temporary, header, filled=filled)
        except JetError as problem:
            if problem.code != codes.JET_errDiskFull:
                raise
            reserves = [path for path in self.reserves() if self.files.size(path) == header.file_size]
            if not reserves:
                if not present:
                    with contextlib.suppress(JetError):
                        self.files.remove(temporary)
                raise
            self.files.rename(reserves[-1], temporary)
            header.flags |= FLAG_FROM_RESERVE
            self._write(temporary, header, filled=True)
            return True
        return False

    def _write(self, path: Path, header: LogHeader, *, filled: bool) -> None:
        with self.files.open(path, writable=True, create=True) as file:
            if not filled:
                fill_with_zeros(file, header.file_size)
            file.write(0, header.pack())
            file.sync()

    def publish(self, closed_generation: int | None) -> None:
        """Give the closed log its number and BASEtmp the name of the current log; both durable on return."""
        if closed_generation is not None:
            self.files.rename(self.current, self.archive(closed_generation))
        self.files.rename(self.temporary, self.current)

    def reserves(self) -> list[Path]:
        """The reserve logs, ascending."""
        start = f"{self.base}res".lower()
        return [
            self.directory / name
            for name in self.files.names(self.directory)
            if name.lower().startswith(start) and name.lower().endswith(RESERVE_EXTENSION)
        ]

    def keep_reserves(self, count: int, size: int) -> bool:
        """Have exactly the reserves 1 to `count`, each of `size` bytes; False where the disk has no room for them."""
        wanted = {self.directory / reserve_name(self.base, number) for number in range(1, count + 1)}
        for path in self.reserves():
            if path not in wanted or self.files.size(path) != size:
                self.files.remove(path)
        for path in sorted(wanted):
            if self.files.exists(path):
                continue
            try:
                with self.files.open(path, writable=True, create=True) as file:
                    fill_with_zeros(file, size)
                    file.sync()
            except JetError as problem:
                if problem.code != codes.JET_errDiskFull:
                    raise
                with contextlib.suppress(JetError):
                    self.files.remove(path)
                return False
        return True

    def delete_below(self, generation: int) -> list[int]:
        """Delete the numbered logs below `generation`, oldest first, so that what is left is never broken; those deleted."""
        deleted = []
        for number, path in self.generations().items():
            if number >= generation:
                break
            self.files.remove(path)
            deleted.append(number)
        if deleted:
            self.files.sync_directory(self.directory)
        return deleted


def fill_with_zeros(file: File, size: int) -> None:
    """Make a file of `size` zero bytes that are really allocated, so that writing into it later finds room."""
    file.truncate(0)
    zeros = bytes(min(size, _PIECE))
    for offset in range(0, size, _PIECE):
        count = min(_PIECE, size - offset)
        file.write(offset, zeros if count == len(zeros) else zeros[:count])
