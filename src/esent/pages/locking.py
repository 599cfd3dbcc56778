"""Exclusive use of a file between processes, and between instances of one process.

The original engine opens its files without sharing. Here an advisory lock on the whole file stands for that: every
instance takes it, a reader that only looks does not need it. The lock goes away with the process.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from esent.constants import codes
from esent.errors import jet_error
from esent.pages.filesystem import File, os_error


class FileLock:
    """The exclusive lock on an open file; closing the file releases it too."""

    def __init__(self, file: File, *, shared: bool = False, taken: str = "in use by another instance") -> None:
        """Take the lock or raise JET_errFileAccessDenied at once, saying `taken`; never waits.

        A `shared` one only keeps exclusive ones out.
        """
        self._file = file
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                # flock, not lockf: a lock of lockf is lost when any other descriptor of the file is closed in this process
                fcntl.flock(file.fileno(), (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as problem:
            if problem.errno in (errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK):
                raise jet_error(codes.JET_errFileAccessDenied, taken, file=file.path) from problem
            raise os_error(problem, "locking", file.path) from problem

    def release(self) -> None:
        """Give the lock back; the file stays open. A second call does nothing."""
        if self._file.fileno() < 0 or sys.platform == "win32":
            return
        import fcntl

        fcntl.flock(self._file.fileno(), fcntl.LOCK_UN)


class DirectoryLock:
    """Exclusive use of a folder between instances, also while the files in it are renamed and made anew."""

    def __init__(self, directory: Path, base: str) -> None:
        """Take the lock or raise JET_errFileAccessDenied at once. Where a folder cannot be opened, `<base>.lck` stands in."""
        is_file = sys.platform == "win32"
        path = directory / f"{base}.lck" if is_file else directory
        flags = os.O_RDWR | os.O_CREAT if is_file else os.O_RDONLY
        try:
            descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o644)
        except OSError as problem:
            raise os_error(problem, "locking the folder", directory) from problem
        self._file = File(path, descriptor, writable=is_file)
        try:
            self._lock = FileLock(self._file, taken="another instance has its logs or its checkpoint in this folder")
        except BaseException:
            self._file.close()
            raise

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        self._file.close()
