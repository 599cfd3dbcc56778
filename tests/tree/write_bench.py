"""A database with a log of its own for tests of writable trees: no instance, no transactions but their records."""

from __future__ import annotations

import shutil
from pathlib import Path

from esent.catalog.schema import Catalog
from esent.engine.store import DatabaseStore
from esent.log.header import DbmsParam
from esent.log.records import AttachDB, Begin0, Commit0, Init2
from esent.log.writer import LogStream
from esent.pages.database_file import DatabaseFile
from esent.pages.filesystem import FILES, FileSystem
from esent.pages.header import DatabaseState
from esent.pages.primitives import LGPOS_MIN, Lgpos, LogTime
from esent.recovery.options import RecoveryOptions
from esent.recovery.soft import soft_recover
from esent.tools.build import ColumnSpec, IndexSpec, TableSpec, build_database
from esent.tree.live import TreeName, Writer
from esent.tree.write import WritableTree

LONG, LONG_BINARY, BINARY = 4, 11, 9


class BenchWriter(Writer):
    """One session that is in one transaction at a time."""

    def __init__(self, log: LogStream | None, procid: int = 5) -> None:
        super().__init__(procid)
        self.log = log
        self.trx_begin0 = 4
        self.level = 1

    def log_begin(self) -> None:
        if not self.logged_level and self.log is not None:
            self.begin_position = self.log.append(Begin0(self.procid, self.trx_begin0, 0, 1))
            self.logged_level = 1

    def commit(self) -> Lgpos:
        position = LGPOS_MIN
        if self.logged_level and self.log is not None:
            position = self.log.append(Commit0(self.procid, 0, self.trx_begin0 + 4))
        self.logged_level = 0
        self.trx_begin0 += 8
        return position


class Bench:
    """A database attached to a fresh log, in `folder`."""

    def __init__(
        self,
        folder: Path,
        *,
        page_size: int = 4096,
        logged: bool = True,
        cache_pages: int = 1 << 16,
        log_size: int = 1 << 20,
        files: FileSystem = FILES,
    ) -> None:
        self.folder = folder
        self.path = folder / "db.edb"
        table = TableSpec("t", [ColumnSpec("k", LONG_BINARY), ColumnSpec("b", BINARY)], [IndexSpec("i", ["+b"])], pages=2)
        build_database(self.path, [(table, [])], page_size=page_size)
        self.file = DatabaseFile(self.path, writable=True, files=files)
        self.log: LogStream | None = None
        header = self.file.header
        if logged:
            self.log = LogStream.create(folder, "edb", page_size=page_size, log_file_size=log_size, files=files, reserves=0)
            self.log.append(Init2(DbmsParam(), LogTime.now()))
            record = AttachDB(5, 1, 0, header.lgpos_consistent, header.sign_db, header.sign_log, path=str(self.path))
            position = self.log.append(record)
            self.log.flush()
            header.change_state(DatabaseState.DIRTY_SHUTDOWN)
            header.sign_log = self.log.signature
            header.lgpos_attach = position
            header.lgpos_consistent = Lgpos()
            header.gen_min_required = header.gen_min_consistent = 1
            header.gen_max_required = header.gen_max_committed = 1
            header.dbid = 1
            self.file.write_header(header)
            self.log.on_new_generation = self._new_generation
        self.store = DatabaseStore(
            1, self.file, self.log, dbtime=header.dbtime_dirtied, objid=header.objid_last, cache_pages=cache_pages
        )
        self.store.growth = 16
        self.writer = BenchWriter(self.log)
        table_object = Catalog.load(self.file).table("t")
        self.objid, self.root = table_object.objid, table_object.root
        index = table_object.indexes[0]
        self.name = TreeName(self.objid, self.root, unique=True)
        self.tree = self.store.tree(self.objid, self.root, unique=True, density=100)
        self.index = self.store.tree(index.objid, index.root, unique=False)

    def _new_generation(self, generation: int, created: LogTime) -> None:
        header = self.file.header
        header.gen_max_required = header.gen_max_committed = generation
        header.logtime_gen_max_create = created
        self.file.write_header(header)

    def crash(self, target: Path) -> Path:
        """The files as they are, recovered in another folder; the database there."""
        if self.log is not None:
            self.log.flush()
        shutil.copytree(self.folder, target)
        soft_recover(RecoveryOptions(log_path=target, alternate_path=target))
        return target / "db.edb"

    def finish(self) -> Path:
        """Write everything, header clean; the database."""
        self.store.flush()
        header = self.file.header
        header.change_state(DatabaseState.CLEAN_SHUTDOWN)
        header.dbtime_dirtied, header.objid_last = self.store.dbtime, self.store.objid
        self.file.write_header(header)
        self.file.sync()
        return self.path

    @property
    def page_count(self) -> int:
        """Pages of the file, which may be closed."""
        return self.path.stat().st_size // self.store.page_size - 2

    def close(self) -> None:
        self.file.close()
        if self.log is not None:
            self.log.close()


def contents(tree: WritableTree) -> list[tuple[bytes, bytes, int]]:
    """All nodes, forwards."""
    found = []
    node = tree.first()
    while node is not None:
        found.append((node.key, node.data, node.flags & 2))
        node = tree.next(node)
    return found


def contents_backwards(tree: WritableTree) -> list[tuple[bytes, bytes, int]]:
    found = []
    node = tree.last()
    while node is not None:
        found.append((node.key, node.data, node.flags & 2))
        node = tree.previous(node)
    return found
