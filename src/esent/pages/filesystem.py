"""The file system as the engine sees it: every file it reads or writes goes through here.

`FileSystem` is the real one. Tests put a recording or failing one in its place; nothing above this module calls `open`
or `os` for the engine's own files. Errors of the operating system become `JetError`s that name the file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from esent.constants import codes
from esent.errors import JetError, jet_error

_ZEROS_AT_ONCE = 1 << 20

_BY_ERRNO = {
    errno.ENOENT: codes.JET_errFileNotFound,
    errno.ENOTDIR: codes.JET_errInvalidPath,
    errno.EISDIR: codes.JET_errFileAccessDenied,
    errno.EACCES: codes.JET_errFileAccessDenied,
    errno.EPERM: codes.JET_errFileAccessDenied,
    errno.EROFS: codes.JET_errFileAccessDenied,
    errno.EEXIST: codes.JET_errFileAlreadyExists,
    errno.ENOSPC: codes.JET_errDiskFull,
    errno.EDQUOT: codes.JET_errDiskFull,
    errno.EFBIG: codes.JET_errDiskFull,
    errno.ENAMETOOLONG: codes.JET_errInvalidPath,
    errno.ELOOP: codes.JET_errInvalidPath,
    errno.EMFILE: codes.JET_errOutOfFileHandles,
    errno.ENFILE: codes.JET_errOutOfFileHandles,
    errno.ENOMEM: codes.JET_errOutOfMemory,
}


def os_error(problem: OSError, what: str, path: object) -> JetError:
    """The `JetError` of an `OSError` met while doing `what` to `path`."""
    code = _BY_ERRNO.get(problem.errno or 0, codes.JET_errDiskIO)
    return jet_error(code, f"{what}: {problem.strerror or problem}", file=path)


@contextlib.contextmanager
def _translated(what: str, path: object) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise os_error(problem, what, path) from problem
    except ValueError as problem:  # a NUL in a path
        raise jet_error(codes.JET_errInvalidPath, f"{what}: {problem}", file=path) from problem


class File:
    """An open file: reads and writes at byte offsets, no file pointer. Safe to read from several threads."""

    def __init__(self, path: Path, descriptor: int, *, writable: bool) -> None:
        self.path = path
        self.writable = writable
        self._descriptor = descriptor

    def __enter__(self) -> File:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def fileno(self) -> int:
        return self._descriptor

    def size(self) -> int:
        with _translated("reading the size", self.path):
            return os.fstat(self._descriptor).st_size

    def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`; fewer only at the end of the file."""
        try:
            data = os.pread(self._descriptor, count, offset)
        except OSError as problem:
            raise os_error(problem, "reading", self.path) from problem
        if len(data) == count or not data:
            return data
        with _translated("reading", self.path):
            parts = [data]
            got = len(data)
            while got < count and (data := os.pread(self._descriptor, count - got, offset + got)):
                parts.append(data)
                got += len(data)
            return b"".join(parts)

    def next_data(self, offset: int) -> int:
        """Where from `offset` on the file system may have stored something; before it the file reads as zeros.

        `offset` itself where that is not known, the end of the file where nothing follows.
        """
        if not hasattr(os, "SEEK_DATA"):
            return offset
        try:
            return os.lseek(self._descriptor, offset, os.SEEK_DATA)
        except OSError as problem:
            return self.size() if problem.errno == errno.ENXIO else offset

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """All of `data` at `offset`."""
        with _translated("writing", self.path):
            view = memoryview(data)
            while view:
                done = os.pwrite(self._descriptor, view, offset)
                view = view[done:]
                offset += done

    def truncate(self, size: int) -> None:
        """Make the file exactly `size` bytes long; new bytes are zero."""
        with _translated("resizing", self.path):
            os.ftruncate(self._descriptor, size)

    def grow(self, size: int) -> None:
        """Make the file `size` bytes long, the new ones zero and with a place on the disk, so that writing them later succeeds.

        JET_errDiskFull where there is no room; the file is then as long as it was.
        """
        before = self.size()
        self.truncate(size)
        try:
            with _translated("growing", self.path):
                self._reserve(before, size)
        except JetError:
            self.truncate(before)
            raise

    def _reserve(self, start: int, end: int) -> None:
        reserve = getattr(os, "posix_fallocate", None)
        if reserve is not None:
            try:
                reserve(self._descriptor, start, end - start)
            except OSError as problem:
                if problem.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # the file system cannot
                    raise
            else:
                return
        while start < end:
            start += os.pwrite(self._descriptor, bytes(min(_ZEROS_AT_ONCE, end - start)), start)

    def sync(self) -> None:
        """Return when what was written is on stable storage."""
        with _translated("flushing", self.path):
            getattr(os, "fdatasync", os.fsync)(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with _translated("closing", self.path):
                os.close(descriptor)


class FileSystem:
    """Directory operations, and the opening of files."""

    def open(self, path: Path, *, writable: bool = False, create: bool = False, exclusive: bool = False) -> File:
        """Open `path`; `create` makes it if missing, `exclusive` fails with JET_errFileAlreadyExists if it is there."""
        flags = os.O_RDWR if writable else os.O_RDONLY
        if create:
            flags |= os.O_CREAT
        if exclusive:
            flags |= os.O_CREAT | os.O_EXCL
        # a pipe that nobody writes to would keep the opening waiting
        flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
        with _translated("opening", path):
            if path.is_dir():
                raise jet_error(codes.JET_errFileAccessDenied, "a directory where a file was expected", file=path)
            descriptor = os.open(path, flags, 0o644)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise jet_error(codes.JET_errFileAccessDenied, "a pipe or device where a file was expected", file=path)
        return File(path, descriptor, writable=writable)

    def exists(self, path: Path) -> bool:
        return os.path.lexists(path)

    def is_directory(self, path: Path) -> bool:
        """Whether a directory is there; False also for one that cannot be reached (the next step says why)."""
        return os.path.isdir(path)  # noqa: PTH112 - pathlib raises where a folder on the way may not be searched

    def size(self, path: Path) -> int:
        with _translated("reading the size", path):
            return path.stat().st_size

    def free_bytes(self, path: Path) -> int:
        """How much the disk that holds the file `path` has left."""
        with _translated("asking for free space", path):
            return shutil.disk_usage(path.parent).free

    def names(self, directory: Path) -> list[str]:
        """The names in `directory`, sorted."""
        with _translated("listing", directory):
            return sorted(entry.name for entry in directory.iterdir())

    def make_directory(self, path: Path, *, parents: bool = False) -> None:
        """Make a directory; one that is there already is fine."""
        with _translated("making the directory", path):
            path.mkdir(parents=parents, exist_ok=True)
        self.sync_directory(path.parent)

    def remove(self, path: Path) -> None:
        with _translated("deleting", path):
            path.unlink()

    def remove_directory(self, path: Path) -> None:
        """Remove an empty directory."""
        with _translated("removing the directory", path):
            path.rmdir()

    def remove_tree(self, path: Path) -> None:
        """Remove a directory and all below it; links in it are removed, not followed."""
        with _translated("removing the directory", path):
            shutil.rmtree(path)

    def rename(self, source: Path, target: Path) -> None:
        """Put `source` in the place of `target`, which is replaced if it is there, and make that durable."""
        with _translated(f"renaming to {target}", source):
            source.replace(target)
        self.sync_directory(target.parent)

    def sync_directory(self, path: Path) -> None:
        """Make the entries of a directory durable; a system that cannot open directories does it by itself."""
        if os.name != "posix":
            return
        with _translated("flushing the directory", path):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


FILES = FileSystem()
