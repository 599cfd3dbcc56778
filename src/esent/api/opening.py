"""`esent.open`. What it does not need for the way in which it is asked to open is not loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, overload

if TYPE_CHECKING:
    from esent.api.database import Database
    from esent.api.reading import ReadOnlyDatabase

PathLike = str | os.PathLike[str]


@overload
def open(
    path: PathLike,
    *,
    read_only: Literal[False] = False,
    page_size: int | None = None,
    log_directory: PathLike | None = None,
    base_name: str = "edb",
    circular_logging: bool = True,
    log_file_size: int | None = None,
    parameters: Mapping[str, int | str] | None = None,
) -> Database: ...


@overload
def open(
    path: PathLike, *, read_only: Literal[True], log_directory: PathLike | None = None, cache_size: int | None = None
) -> ReadOnlyDatabase: ...


@overload
def open(
    path: PathLike,
    *,
    salvage: Literal[True],
    page_size: int | None = None,
    log_directory: PathLike | None = None,
    cache_size: int | None = None,
) -> ReadOnlyDatabase: ...


def open(
    path: PathLike,
    *,
    read_only: bool = False,
    salvage: bool = False,
    page_size: int | None = None,
    log_directory: PathLike | None = None,
    base_name: str = "edb",
    circular_logging: bool = True,
    log_file_size: int | None = None,
    parameters: Mapping[str, int | str] | None = None,
    cache_size: int | None = None,
) -> Database | ReadOnlyDatabase:
    """Open a database with an instance of its own, creating file and folder where missing, recovering it after a crash.

    Logs and checkpoint are beside the file, or in `log_directory`: databases that are open at the same time need a folder each
    for theirs, and those that take turns in one a `base_name` each. With
    `circular_logging` logs that are no longer needed are used again; without it they are kept until a backup, for incremental
    backups and for recovery of a restored backup up to now. `page_size` counts for new files; all databases that a process has
    open share one. `log_file_size` is in bytes (default: that of the logs that are there, else 1 MiB). `parameters` are system
    parameters by name ("CacheSizeMax"). A transaction holds some 300,000 changes; larger ones, or many changes while one is
    open, are JET_errVersionStoreOutOfMemory ("MaxVerPages" sets the bound, in pages of 32 KB).

    `read_only` never touches the file: a dirty one is read as of its last commit if its logs are there. `salvage` is read-only,
    too, and gives whatever damage has left, of a dirty file without its logs as well; `losses` tells what is missing.
    `cache_size` are bytes of pages that a read-only database keeps in memory (default 16 MiB); of others that is the parameter
    "CacheSizeMax", in pages.
    """
    if read_only or salvage:
        from esent.api.reading import CACHE_SIZE, ReadOnlyDatabase

        return ReadOnlyDatabase(
            path,
            log_directory=log_directory,
            salvage=salvage,
            page_size=page_size if salvage else None,
            cache_size=CACHE_SIZE if cache_size is None else cache_size,
        )
    from esent.api.database import Database

    return Database(
        path,
        page_size=page_size,
        log_directory=log_directory,
        base_name=base_name,
        circular_logging=circular_logging,
        log_file_size=log_file_size,
        parameters=parameters,
    )


__all__ = ["open"]
