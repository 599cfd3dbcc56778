"""`esent.repair`: a new database from a damaged one."""

from __future__ import annotations

import os
from pathlib import Path

from esent.api.reading import ReadOnlyDatabase
from esent.pages.filesystem import FILES, FileSystem
from esent.tools.repair import Progress, RepairReport
from esent.tools.repair import repair as repair_into

PathLike = str | os.PathLike[str]


def repair(
    path: PathLike,
    to: PathLike,
    *,
    log_directory: PathLike | None = None,
    page_size: int | None = None,
    progress: Progress | None = None,
    files: FileSystem = FILES,
) -> RepairReport:
    """Keep everything that can be kept of the database `path` in the new database `to`, which is clean and was
    verified; `report.ok` says whether nothing was lost, `report.losses` what was.

    The source is not changed, nor are its logs: where it is dirty and they are beside it (or in `log_directory`), it is
    repaired as of its last commit, otherwise as it is. `page_size`: what the database is known to have, where its headers are
    lost. `progress(done, total)` is called now and then.

    JET_errDatabaseDuplicate: `to` is there. JET_errDatabaseCorrupted, JET_errReadVerifyFailure: nothing is left to repair.
    """
    with ReadOnlyDatabase(path, log_directory=log_directory, salvage=True, page_size=page_size, files=files) as database:
        assert database.salvage is not None
        return repair_into(database.salvage, Path(to).absolute(), progress=progress, files=files)


__all__ = ["RepairReport", "repair"]
