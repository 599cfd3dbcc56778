"""`esent copy`: a database file as it is, every page checked on the way."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from esent.api.progress import human_size
from esent.api.progress import progress as show_progress
from esent.cli.console import json_option, print_json
from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.pages.checksum import verify_run
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FILES
from esent.pages.header import DatabaseState

CHUNK_PAGES = 128
_REPAIRABLE, _WRONG = 3, 2


@click.command("copy", short_help="Copy a database page by page, and check it.")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.argument("destination", type=click.Path(path_type=Path), metavar="NEW")
@json_option
def command(source: Path, destination: Path, as_json: bool) -> None:
    """Copy the database FILE to the new file NEW page by page, and tell of every page whose checksum is wrong.

    All pages are copied, wrong ones as they are. NEW is there only when all of it is on stable storage. A dirty database
    wants its logs as well: `esent backup` or `esent recover` are for that.
    """
    with DatabaseFile(source) as database:
        dirty = database.header.dbstate == DatabaseState.DIRTY_SHUTDOWN
        wrong, size = _copy(database, destination)
    if as_json:
        print_json({"file": str(destination), "bytes": size, "wrong_pages": wrong, "dirty": dirty})
    else:
        for pgno in wrong:
            click.echo(f"page {pgno}: wrong checksum")
        click.echo(f"copied {human_size(size)} to {destination}{', which is dirty: take its logs along' if dirty else ''}")
    if wrong or dirty:
        raise SystemExit(1)


def _copy(database: DatabaseFile, destination: Path) -> tuple[list[int], int]:
    """The pages with wrong checksums, and the bytes copied. JET_errDatabaseDuplicate."""
    if FILES.exists(destination):
        raise jet_error(codes.JET_errDatabaseDuplicate, "copying to a file that is there", file=destination)
    page_size = database.page_size
    draft = destination.with_name(f".{destination.name}.copying")
    wrong: list[int] = []
    file = FILES.open(draft, writable=True, exclusive=True)
    try:
        with FILES.open(database.path) as whole, show_progress(f"copying {database.path.name}") as advance:
            size = whole.size()
            step = CHUNK_PAGES * page_size
            for offset in range(0, size, step):
                data = whole.read(offset, min(step, size - offset))
                first = offset // page_size - 1  # the number of a page; the two headers have none
                skipped = max(0, 1 - first)
                pages = data[skipped * page_size : len(data) - len(data) % page_size]
                wrong += [
                    pgno for pgno, state in verify_run(pages, page_size, first + skipped) if state in (_WRONG, _REPAIRABLE)
                ]
                file.write(offset, data)
                advance(offset + len(data), size)
        file.sync()
        file.close()
        FILES.rename(draft, destination)
    except BaseException:
        file.close()
        with contextlib.suppress(JetError):
            FILES.remove(draft)
        raise
    return wrong, size


__all__ = ["command"]
