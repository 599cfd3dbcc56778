"""A database of a running instance with trees on real pages, and what a kill at this moment leaves of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from live_instances import running

from esent.constants import grbits
from esent.engine.versioned import VersionedTree
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FILES, FileSystem
from esent.recovery.options import RecoveryOptions
from esent.recovery.soft import soft_recover
from esent.tools.build import build_database
from esent.tree.cursor import Tree
from esent.tree.live import TreeName


class LiveDatabase:
    """`db.edb` in a folder, made if it is not there, attached to an instance of its own."""

    def __init__(self, folder: Path, *, files: FileSystem = FILES, cache_pages: int = 1 << 16, **parameters: int) -> None:
        self.folder = folder
        path = folder / "db.edb"
        if not path.exists():
            build_database(path, [])
        self.instance = running(folder, files=files, **parameters)
        session = self.instance.begin_session()
        self.instance.databases.attach(session, str(path))
        self.attached = self.instance.databases.all()[0]
        self.store = self.attached.store
        self.store.cache.limit = cache_pages  # also below what a store takes for the least
        self.session = session

    def create_tree(self, *, unique: bool) -> VersionedTree:
        with self.session.implicit_transaction():
            name = self.store.create(self.session, TreeName(1, 1, unique=True), unique=unique)
        return VersionedTree(self.attached, name.objid, name.fdp, unique)

    def close(self) -> None:
        """Let go of the files, as they are."""
        with pytest.raises(JetError):
            self.instance.terminate(grbits.JET_bitTermDirty)

    def kill_and_recover(self, goal: Path, *, lose_unwritten: bool = False) -> RecoveredCopy:
        """Everything that is on disk, copied and recovered; the log is complete unless `lose_unwritten`."""
        if not lose_unwritten:
            self.instance.flush_log()
        shutil.rmtree(goal, ignore_errors=True)
        shutil.copytree(self.folder, goal)
        soft_recover(RecoveryOptions(log_path=goal, alternate_path=goal))
        return RecoveredCopy(goal / "db.edb")


class RecoveredCopy:
    """A database that recovery has brought to a clean state."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with DatabaseFile(path) as file:
            assert file.header.is_clean
            self.page_count = file.page_count

    def contents(self, root: int) -> list[tuple[bytes, bytes]]:
        """Key and data of the nodes of a tree that are not deleted."""
        with DatabaseFile(self.path) as file:
            return list(Tree(file, root).entries())

    def pages(self, numbers: list[int]) -> dict[int, bytes]:
        with DatabaseFile(self.path) as file:
            return {pgno: file.read_page(pgno) for pgno in numbers}
