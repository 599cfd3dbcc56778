"""Hand-made log streams: a database created by the log, then what a test wants; page numbers and dbtimes are kept right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from esent.log import kinds
from esent.log.header import DbmsParam
from esent.log.records import (
    Begin0,
    Commit0,
    CreateDB,
    CreateDBFinish,
    CreateMEFDP,
    CreateSEFDP,
    ExtendDB,
    Init2,
    Insert,
    Record,
)
from esent.log.writer import LogStream
from esent.pages.database_file import DatabaseFile
from esent.pages.edit import MutablePage
from esent.pages.primitives import LogTime, Signature

PAGES = 60
OBJID = 8


class Story:
    """Writes a stream into `folder`; `session` is the procid of what follows."""

    def __init__(self, folder: Path, page_size: int = 4096, *, finished: bool = True) -> None:
        self.folder = folder
        self.path = folder / "db.edb"
        self.page_size = page_size
        self.log = LogStream.create(folder, "edb", page_size=page_size, log_file_size=256 * 1024)
        self.dbtime = 0x40
        self.stamps: dict[int, int] = {}
        self.rceid = 1
        self.trx = 4
        self.session = 5
        self.add(Init2(DbmsParam(), LogTime.now()))
        self.add(CreateDB(self.session, 1, sign_db=Signature.fresh(), path=str(self.path)))
        self.add(ExtendDB(1, PAGES))
        with self.transaction():
            self.page(CreateMEFDP, 1, objid_fdp=1, pgno_oe=2, pgno_ae=3, pgno_fdp_parent=0, cpg_primary=PAGES, also=(2, 3))
        if finished:
            self.add(CreateDBFinish(self.session, 1))

    def add(self, record: Record) -> None:
        self.log.append(record)

    def begin(self) -> None:
        self.add(Begin0(self.session, self.trx))
        self.trx += 4

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.begin()
        yield
        self.add(Commit0(self.session, 0, self.trx))
        self.trx += 4

    def tick(self) -> int:
        self.dbtime += 1
        return self.dbtime

    def stamp(self, pgno: int, dbtime: int) -> int:
        """The page's dbtime before, and now it has `dbtime`."""
        before = self.stamps.get(pgno, -1)
        self.stamps[pgno] = dbtime
        return before

    def page(
        self, kind: type[Any], pgno: int, *, also: tuple[int, ...] = (), line: int = 0, flags: int = kinds.UNIQUE, **fields: Any
    ) -> None:
        """One record that changes a page (and those in `also`, to the same dbtime)."""
        dbtime = self.tick()
        before = self.stamp(pgno, dbtime)
        for other in also:
            self.stamp(other, dbtime)
        record = kind(self.session, 1, pgno, dbtime, before, self.trx - 4, 1, line, flags, **fields)
        self.add(record)

    def node(
        self, kind: type[Any], pgno: int, *, versioned: bool = True, flags: int = kinds.UNIQUE, root: int = 0, **fields: Any
    ) -> int:
        """One record that changes a node of the tree `root`; returns the version's rceid."""
        rceid = 0
        if versioned:
            self.rceid += 2
            rceid = self.rceid
            flags |= kinds.VERSIONED
        self.page(kind, pgno, flags=flags, rceid=rceid, pgno_fdp=root or pgno, objid_fdp=OBJID, **fields)
        return rceid

    def tree(self, pgno: int, rows: dict[bytes, bytes], *, unique: bool = True) -> None:
        """A committed single-extent tree with rows in key order."""
        flags = kinds.UNIQUE if unique else 0
        with self.transaction():
            self.page(CreateSEFDP, pgno, flags=flags, objid_fdp=OBJID, pgno_fdp_parent=1, cpg_primary=8)
            for line, (key, data) in enumerate(sorted(rows.items())):
                self.node(Insert, pgno, versioned=False, flags=flags, line=line, suffix=key, data=data)

    def end(self) -> None:
        """The process is gone; what it logged is on disk."""
        self.log.close()

    def read(self, pgno: int) -> MutablePage:
        with DatabaseFile(self.path) as file:
            return MutablePage(file.read_page(pgno), pgno)

    def rows(self, pgno: int) -> dict[bytes, bytes]:
        """The nodes of a leaf that are not flagged deleted."""
        return {key: data for flags, key, data in self.read(pgno).nodes() if not flags & 2}
