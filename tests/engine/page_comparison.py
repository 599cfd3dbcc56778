"""What of a page the log determines, and whether it does so from nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.pages.edit import PAGE_FLUSH_TYPE, MutablePage
from esent.recovery.options import RecoveryOptions
from esent.recovery.soft import soft_recover

NEW_CHECKSUM = 0x2000  # set with the checksum, when a page is written


def comparable(image: bytes) -> tuple[Any, ...]:
    """Everything but the checksum and its format, the flush type and the places of nodes in the page."""
    page = MutablePage(image, 0)
    links = (page.dbtime, page.previous, page.next, page.objid, page.flags & ~(PAGE_FLUSH_TYPE | NEW_CHECKSUM))
    return links, page.external_header(), [page.raw_node(line) for line in range(page.line_count)]


def recovered_with_and_without_its_file(home: Path, scratch: Path) -> tuple[Path, int]:
    """Recover copies of the folder `home` below `scratch`, one of them without the database file, whose pages must come out
    alike. The file of the other one, and how many pages were compared."""
    kept, rebuilt = scratch / "kept", scratch / "rebuilt"
    for folder in (kept, rebuilt):
        shutil.copytree(home, folder)
    (rebuilt / "db.edb").unlink()
    (rebuilt / "edb.chk").unlink()
    for folder in (kept, rebuilt):
        soft_recover(RecoveryOptions(log_path=folder, alternate_path=folder))
    used = 0
    with DatabaseFile(kept / "db.edb") as first, DatabaseFile(rebuilt / "db.edb") as second:
        assert first.page_count == second.page_count
        for pgno in range(1, first.page_count + 1):
            try:
                image = first.read_page(pgno)
            except JetError:
                continue
            used += 1
            assert comparable(image) == comparable(second.read_page(pgno)), pgno
    return kept / "db.edb", used
