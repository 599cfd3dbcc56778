"""`esent.carve`: deleted rows that are still in a database and its logs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from esent.catalog.salvage import Salvage
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FILES, FileSystem
from esent.tools.carve import CarvedRow, Carver

PathLike = str | os.PathLike[str]


def carve(
    path: PathLike,
    logs: Iterable[PathLike] = (),
    *,
    tables: Iterable[str] | None = None,
    page_size: int | None = None,
    files: FileSystem = FILES,
) -> Iterator[CarvedRow]:
    """The deleted rows of a database that are still present in its pages and in `logs`, and earlier states of rows.

    Each says where and how it was found, how certain that is, and whether a row with its key is live; live rows are never
    among them. `tables`: only of these, deleted tables by the name they had. Files are only read, dirty and damaged ones as
    they are. Memory does not grow with the database but for one byte a page and the definitions of its tables.
    """
    with DatabaseFile(path, files=files, infer=True, page_size=page_size) as file:
        yield from Carver(Salvage(file), [Path(each) for each in logs], tables, files=files)


__all__ = ["CarvedRow", "carve"]
