"""What a backup needs of the instance it belongs to, as protocols. `engine/` implements them; nothing here imports it.

An instance owns one `BackupContext` (context.py) for its whole life. The context calls the host; the host asks the context
(`in_progress`, `attaching()`, `deletable_below()`) before it attaches, detaches, terminates or removes old logs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from esent.pages.filesystem import FileSystem
from esent.pages.primitives import Lgpos

if TYPE_CHECKING:
    from esent.log.checkpoint import Checkpoint
    from esent.log.records import Record
    from esent.log.writer import LogStream
    from esent.pages.header import DatabaseHeader


class PageSource(Protocol):
    """Where a backup takes database pages from: the file itself, or later a cache that is in front of it."""

    def read_pages(self, pgno: int, count: int) -> bytes:
        """`count` whole pages from `pgno` on as they are on disk, not verified; fewer only at the end of the file."""
        ...


class BackupDatabase(Protocol):
    """An attached database."""

    @property
    def dbid(self) -> int: ...

    @property
    def path(self) -> Path:
        """Absolute path, as JetGetAttachInfo lists it."""
        ...

    @property
    def logged(self) -> bool:
        """False for a database attached without logging; it cannot be backed up."""
        ...

    @property
    def page_source(self) -> PageSource: ...

    def header_image(self) -> DatabaseHeader:
        """A copy of the live header; changing it changes nothing."""
        ...

    def update_header(self, change: Callable[[DatabaseHeader], None]) -> None:
        """Apply `change` to the live header and write both copies durably."""
        ...

    def page_range_lock(self, first: int, last: int) -> AbstractContextManager[None]:
        """Keeps write-back of the pages first..last out while it is held; other pages may be written."""
        ...

    def last_pgno(self) -> int:
        """Number of the last page of the database now (pages in the file, the two headers not counted)."""
        ...


class BackupHost(Protocol):
    """An initialised instance."""

    @property
    def lock(self) -> threading.RLock:
        """The instance's state lock; never held across a wait for the disk."""
        ...

    @property
    def log(self) -> LogStream:
        """The live stream, to look at; what writes goes through the three functions below."""
        ...

    def append(self, record: Record) -> Lgpos:
        """Put a record into the log; its position."""
        ...

    def flush_log(self, upto: Lgpos | None = None) -> None:
        """Return when the records up to `upto` (all) are durable."""
        ...

    def roll_log(self) -> None:
        """Close the current log; the next generation is current when this returns."""
        ...

    @property
    def files(self) -> FileSystem: ...

    @property
    def base(self) -> str:
        """Base name of the log files, for example "edb"."""
        ...

    @property
    def log_path(self) -> Path:
        """Absolute folder of the log files."""
        ...

    @property
    def system_path(self) -> Path:
        """Absolute folder of the checkpoint file."""
        ...

    @property
    def page_size(self) -> int: ...

    @property
    def circular_logging(self) -> bool: ...

    @property
    def recovery_on(self) -> bool:
        """False when JET_paramRecovery is off: nothing is logged, nothing can be backed up."""
        ...

    @property
    def create_paths(self) -> bool:
        """JET_paramCreatePathIfNotExist."""
        ...

    @property
    def backup_allowed(self) -> bool:
        """True from the end of a successful JetInit to the beginning of JetTerm."""
        ...

    @property
    def recovering(self) -> bool: ...

    @property
    def terminating(self) -> bool:
        """True while JetTerm waits or works; a directory backup looks at it before every chunk."""
        ...

    @property
    def log_failed(self) -> bool:
        """True after a log write failed: nothing more is logged."""
        ...

    def parameter(self, paramid: int) -> int | str:
        """A system parameter of the instance (JET_paramDisableBlockVerification, JET_paramAggressiveLogRollover, ...)."""
        ...

    def backup_databases(self) -> list[BackupDatabase]:
        """The attached, logged databases in order of their ids."""
        ...

    def checkpoint(self) -> Lgpos:
        """The current checkpoint position."""
        ...

    def update_checkpoint(self, change: Callable[[Checkpoint], None]) -> None:
        """Apply `change` to the live checkpoint (backup fields) and write the checkpoint file, both copies."""
        ...

    def freeze_writes(self) -> None:
        """Returns when nothing is being written any more: log flushes, page write-back, headers, checkpoint and file sizes
        all wait until `thaw_writes`. Reads and lazy work in memory go on. Called once per freeze, from any thread."""
        ...

    def thaw_writes(self) -> None:
        """Ends `freeze_writes`; what waited goes on. May be called from another thread than the freeze."""
        ...
