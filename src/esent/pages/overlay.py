"""A file system that changes nothing: what is written goes to temporary files, reading sees both.

Recovery of a database that must not be touched runs on it as it would on the real files; afterwards the recovered state is
read through it. Blocks that were written are kept in one unnamed temporary file for each changed file, so memory stays small
whatever is replayed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO, Final

from esent.constants import codes
from esent.errors import jet_error
from esent.pages.filesystem import FILES, File, FileSystem

_BLOCK: Final = 4096


class _Content:
    """The content of one changed file: blocks of a temporary file over those of the original, if there is one."""

    def __init__(self, base: File | None) -> None:
        self.base = base
        self.size = base.size() if base is not None else 0
        self._base_end = self.size  # of the original, what lies behind this was cut off
        self._written: set[int] = set()
        self._spill: IO[bytes] = tempfile.TemporaryFile(prefix="esent-overlay-")  # noqa: SIM115 - lives as long as the overlay
        self._changed = File(Path(str(base.path) if base is not None else "overlay"), self._spill.fileno(), writable=True)

    def fileno(self) -> int:
        return self._spill.fileno()

    def read(self, offset: int, count: int) -> bytes:
        end = min(offset + count, self.size)
        parts: list[bytes] = []
        while offset < end:
            block = offset // _BLOCK
            changed = block in self._written
            stop = (block + 1) * _BLOCK
            while stop < end and (stop // _BLOCK in self._written) == changed:
                stop += _BLOCK
            stop = min(stop, end)
            data = self._changed.read(offset, stop - offset) if changed else self._original(offset, stop - offset)
            parts.append(data.ljust(stop - offset, b"\0"))
            offset = stop
        return b"".join(parts)

    def _original(self, offset: int, count: int) -> bytes:
        if self.base is None or offset >= self._base_end:
            return b""
        return self.base.read(offset, min(count, self._base_end - offset))

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        end = offset + len(data)
        for block in {offset // _BLOCK, max(end - 1, 0) // _BLOCK}:
            start = block * _BLOCK
            if block not in self._written and (start < offset or start + _BLOCK > end):
                self._changed.write(start, self._original(start, _BLOCK).ljust(_BLOCK, b"\0"))
        self._changed.write(offset, data)
        self._written.update(range(offset // _BLOCK, -(-end // _BLOCK)))
        self.size = max(self.size, end)

    def truncate(self, size: int) -> None:
        if size < self.size:
            self._base_end = min(self._base_end, size)
            last = size // _BLOCK
            if size % _BLOCK and last in self._written:
                self._changed.write(size, bytes(_BLOCK - size % _BLOCK))
            self._written = {block for block in self._written if block * _BLOCK < size}
        self.size = size

    def close(self) -> None:
        self._spill.close()
        if self.base is not None:
            self.base.close()


class OverlayFile(File):
    """An open file of an overlay; closing it keeps what was written."""

    def __init__(self, path: Path, content: _Content, *, writable: bool) -> None:
        super().__init__(path, content.fileno(), writable=writable)
        self._content = content

    def size(self) -> int:
        return self._content.size

    def read(self, offset: int, count: int) -> bytes:
        return self._content.read(offset, count)

    def next_data(self, offset: int) -> int:
        return offset

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        if not self.writable:
            raise jet_error(codes.JET_errFileAccessDenied, "writing to a file opened for reading", file=self.path)
        self._content.write(offset, data)

    def truncate(self, size: int) -> None:
        if not self.writable:
            raise jet_error(codes.JET_errFileAccessDenied, "resizing a file opened for reading", file=self.path)
        self._content.truncate(size)

    def grow(self, size: int) -> None:
        """Takes no room: what is new here is not written as a whole."""
        self.truncate(size)

    def sync(self) -> None:
        """Nothing here outlives the process."""

    def close(self) -> None:
        self._descriptor = -1


class OverlayFileSystem(FileSystem):
    """Reads fall through to `below`; writes, renames and deletions happen here only. `close` forgets them."""

    def __init__(self, below: FileSystem = FILES) -> None:
        self.below = below
        self._contents: dict[Path, _Content | None] = {}  # None: deleted
        self._directories: set[Path] = set()

    def close(self) -> None:
        for content in self._contents.values():
            if content is not None:
                content.close()
        self._contents.clear()

    def open(self, path: Path, *, writable: bool = False, create: bool = False, exclusive: bool = False) -> File:
        content = self._contents.get(path)
        there = self.exists(path)
        if exclusive and there:
            raise jet_error(codes.JET_errFileAlreadyExists, "making a file that exists", file=path)
        if not there and not (create or exclusive):
            raise jet_error(codes.JET_errFileNotFound, "opening", file=path)
        if content is None:
            if there and not writable:
                return self.below.open(path)
            content = _Content(self.below.open(path) if there else None)
            self._contents[path] = content
        return OverlayFile(path, content, writable=writable)

    def exists(self, path: Path) -> bool:
        if path in self._contents:
            return self._contents[path] is not None
        return path in self._directories or self.below.exists(path)

    def is_directory(self, path: Path) -> bool:
        return path in self._directories or (path not in self._contents and self.below.is_directory(path))

    def size(self, path: Path) -> int:
        content = self._contents.get(path)
        if content is not None:
            return content.size
        if not self.exists(path):
            raise jet_error(codes.JET_errFileNotFound, "reading the size", file=path)
        return self.below.size(path)

    def names(self, directory: Path) -> list[str]:
        names = set() if directory in self._directories else set(self.below.names(directory))
        for path, content in self._contents.items():
            if path.parent == directory:
                if content is None:
                    names.discard(path.name)
                else:
                    names.add(path.name)
        names.update(path.name for path in self._directories if path.parent == directory)
        return sorted(names)

    def make_directory(self, path: Path, *, parents: bool = False) -> None:
        if not self.is_directory(path):
            self._directories.add(path)

    def remove(self, path: Path) -> None:
        if not self.exists(path):
            raise jet_error(codes.JET_errFileNotFound, "deleting", file=path)
        content = self._contents.get(path)
        if content is not None:
            content.close()
        self._contents[path] = None

    def remove_directory(self, path: Path) -> None:
        self._directories.discard(path)

    def remove_tree(self, path: Path) -> None:
        for each in [*self._contents]:
            if each.is_relative_to(path):
                self.remove(each)
        self._directories = {each for each in self._directories if not each.is_relative_to(path)}

    def rename(self, source: Path, target: Path) -> None:
        content = self._contents.get(source)
        if content is None:
            if not self.exists(source):
                raise jet_error(codes.JET_errFileNotFound, f"renaming to {target}", file=source)
            content = _Content(self.below.open(source))
        replaced = self._contents.get(target)
        if replaced is not None and replaced is not content:
            replaced.close()
        self._contents[source] = None
        self._contents[target] = content

    def sync_directory(self, path: Path) -> None:
        """Nothing here outlives the process."""
