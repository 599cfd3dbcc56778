"""New databases of the original, and what of them is determined."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from esent.constants import codes
from esent.errors import JetError
from esent.log.reader import LogFile
from esent.pages.database_file import DatabaseFile
from esent.pages.edit import MutablePage
from esent.recovery.options import RecoveryOptions
from esent.recovery.soft import soft_recover


def genuine_start(fixtures: Any, set_name: str, folder: Path) -> Path:
    """The genuine database of a set as it was when its creation had ended: its log, replayed up to the first user table."""
    fixtures.copy_set(f"engine/{set_name}", folder)
    for name in ("db.edb", "edb.chk"):
        (folder / name).unlink(missing_ok=True)
    for path in folder.glob("edb*.log"):
        if path.name != "edb00001.log":
            path.unlink()
    stop = before = None
    with LogFile(folder / "edb00001.log") as log:
        for position, record in log.records():
            kind = type(record).__name__
            if kind == "CreateSEFDP" and getattr(record, "objid_fdp", 0) == 8:
                stop = before
                break
            if kind == "Begin0":
                before = position
    assert stop is not None
    (folder / "edb00001.log").rename(folder / "edb.log")
    with pytest.raises(JetError) as caught:
        soft_recover(RecoveryOptions(log_path=folder, alternate_path=folder, stop=stop))
    assert caught.value.code == codes.JET_errRecoveredWithoutUndo
    return folder / "db.edb"


def facts_of(path: Path) -> tuple[dict[int, Any], dict[int, list[tuple[bytes, bytes]]]]:
    """Of each page: object, flags, siblings, space header of a root; of each object: the nodes of its leaves, in order."""
    pages, nodes = {}, {}
    with DatabaseFile(path) as file:
        for pgno in range(1, file.page_count + 1):
            try:
                page = MutablePage(file.read_page(pgno), pgno)
            except JetError as problem:
                assert problem.code == codes.JET_errPageNotInitialized
                continue
            root = page.external_header() if page.is_root else b""
            pages[pgno] = page.objid, page.flags & ~0x1A000, page.previous, page.next, root
            if page.is_leaf:
                nodes.setdefault((page.objid, page.flags & 0x20), []).extend(
                    (key, data) for flags, key, data in page.nodes() if not flags & 2
                )
    return pages, nodes
