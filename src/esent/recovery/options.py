"""What a recovery is told, and what it reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from esent.log.format_choice import FormatChoice
from esent.log.header import LogVersion
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.primitives import LGPOS_MIN, Lgpos, LogTime
from esent.recovery.traces import Traces

MAP_IGNORE_WHEN_MISSING = 1
MAP_FAIL_WHEN_MISSING = 2
MAP_OVERWRITE_ON_CREATE = 4


@dataclass(slots=True)
class MapEntry:
    """A JET_RSTMAP entry: the path in the logs, where the file is now, and what to do where it is missing."""

    old: str
    new: Path
    grbit: int = 0


@dataclass(slots=True)
class RecoveryControl:
    """What a callback gets with JET_snpRecoveryControl: the event (`snt`), and the result unless it decides otherwise."""

    snt: int
    error_default: int = 0
    generation: int = 0
    lgpos: Lgpos = LGPOS_MIN
    path: str = ""
    database: str = ""
    reason: int = 0
    is_current_log: bool = False


@dataclass(slots=True)
class Progress:
    """JET_SNPROG: `done` of `total`."""

    done: int
    total: int = 100


Callback = Callable[[int, int, object], int | None]


@dataclass(slots=True)
class RecoveryOptions:
    """Where the files are and what is allowed.

    A path found in the logs is opened only where the caller gave it: through `restore_map`, through `alternate_path` (folder
    and bare name), or, as it stands, if it lies below one of `log_path`, `system_path` and `roots`. `trust_logged_paths`
    lifts that; an instance that recovers its own logs sets it.
    """

    log_path: Path
    base: str = "edb"
    system_path: Path | None = None  # of the checkpoint; default: log_path
    page_size: int = 0  # 0: that of the logs
    files: FileSystem = FILES
    restore_map: list[MapEntry] | None = None
    alternate_path: Path | None = None
    roots: tuple[Path, ...] = ()
    trust_logged_paths: bool = False
    stop: Lgpos | None = None
    stop_time: LogTime | None = None
    grbit: int = 0
    log_file_size: int = 0  # bytes of a log file; 0: that of the stream
    circular: bool = False
    delete_out_of_range_logs: bool = False
    callback: Callback | None = None
    cache_bytes: int = 64 << 20
    version_store_bytes: int = 1 << 30
    format_choice: FormatChoice | None = None  # which logs and databases are refused; None: none

    def check_log(self, version: LogVersion, path: object) -> None:
        """JET_errEngineFormatVersionSpecifiedTooLowForLogVersion for a log that is not to be touched."""
        if self.format_choice is not None:
            self.format_choice.check_log(version, path)

    @property
    def checkpoint_path(self) -> Path:
        return self.system_path or self.log_path


@dataclass(slots=True)
class RecoveryResult:
    """What a recovery did. `warning` is 0, or a positive code such as JET_wrnCommittedLogFilesLost."""

    needed: bool = False
    warning: int = 0
    first_generation: int = 0
    last_generation: int = 0
    records: int = 0
    log_bytes: int = 0
    pages_written: int = 0
    transactions_rolled_back: int = 0
    databases: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    traces: dict[Path, Traces] = field(default_factory=dict)  # by the path of the database
