"""The disk of a database is full: what is asked of it fails, what was committed stays, and with room it goes on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from esent import jet
from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.log.reader import LogFile
from esent.log.records import ExtendDB
from esent.pages.filesystem import File, FileSystem
from esent.tools.verify import verify_database
from jet_helpers import Running, allocate

pytestmark = pytest.mark.usefixtures("clean_process")


class SmallDisk(FileSystem):
    """Has room for a database of so many bytes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def open(self, path: Path, *, writable: bool = False, create: bool = False, exclusive: bool = False) -> File:
        file = super().open(path, writable=writable, create=create, exclusive=exclusive)
        if path.suffix == ".edb":
            grow = file.grow

            def limited(size: int) -> None:
                if size > self.room:
                    raise jet_error(codes.JET_errDiskFull, "growing", file=path)
                grow(size)

            file.grow = limited  # type: ignore[method-assign]
        return file


class Filled:
    """A database on a small disk, with rows of a key and 900 bytes."""

    def __init__(self, folder: Path, room: int) -> None:
        self.path = folder / "db.edb"
        self.disk = SmallDisk(room)
        self.instance = allocate(folder, DbExtensionSize=16, CircularLog=1)
        self.instance.target.files = self.disk
        jet.JetInit(self.instance)
        self.sesid = jet.JetBeginSession(self.instance)
        self.dbid = jet.JetCreateDatabase(self.sesid, str(self.path))
        self.tableid = jet.JetCreateTable(self.sesid, self.dbid, "rows")
        number = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong)
        self.key = jet.JetAddColumn(self.sesid, self.tableid, "key", number)
        self.value = jet.JetAddColumn(self.sesid, self.tableid, "value", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLongBinary))
        jet.JetCreateIndex(self.sesid, self.tableid, "key", jet.JET_bitIndexPrimary, ["+key"])

    def insert(self, first: int, count: int) -> None:
        """So many rows in one transaction."""
        jet.JetBeginTransaction(self.sesid)
        try:
            for number in range(first, first + count):
                jet.JetPrepareUpdate(self.sesid, self.tableid, jet.JET_prepInsert)
                jet.JetSetColumn(self.sesid, self.tableid, self.key, number.to_bytes(4, "little"))
                jet.JetSetColumn(self.sesid, self.tableid, self.value, bytes([number % 251]) * 900)
                jet.JetUpdate(self.sesid, self.tableid)
        except JetError:
            jet.JetRollback(self.sesid)
            raise
        jet.JetCommitTransaction(self.sesid)

    def fill(self) -> int:
        """Rows until there is no room; how many were committed."""
        committed = 0
        while committed < 10_000:
            try:
                self.insert(committed, 10)
            except JetError as problem:
                assert problem.code == codes.JET_errDiskFull
                return committed
            committed += 10
        raise AssertionError("the disk is never full")

    def numbers(self) -> list[int]:
        jet.JetMove(self.sesid, self.tableid, jet.JET_MoveFirst)
        found = []
        while True:
            data = jet.JetRetrieveColumn(self.sesid, self.tableid, self.key)
            assert data is not None
            found.append(int.from_bytes(data, "little"))
            try:
                jet.JetMove(self.sesid, self.tableid, jet.JET_MoveNext)
            except JetError as problem:
                assert problem.code == codes.JET_errNoCurrentRecord
                return found


def test_the_instance_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    filled = Filled(tmp_path, 600_000)
    committed = filled.fill()
    assert filled.numbers() == list(range(committed))
    filled.disk.room = 1 << 30
    filled.insert(committed, 10)
    assert filled.numbers() == list(range(committed + 10))
    jet.JetTerm(filled.instance)
    assert verify_database(filled.path).ok


def test_it_ends_and_starts_on_the_full_disk(tmp_path: Path) -> None:
    filled = Filled(tmp_path, 600_000)
    committed = filled.fill()
    jet.JetTerm(filled.instance)
    assert verify_database(filled.path).ok
    again = Running(tmp_path)
    again.attach()
    tableid = jet.JetOpenTable(again.sesid, again.open(), "rows")
    assert jet.JetIndexRecordCount(again.sesid, tableid) == committed
    again.term()


def test_recovery_asks_for_no_more_room_than_there_was(tmp_path: Path) -> None:
    """Growth that failed is not in the log."""
    filled = Filled(tmp_path, 600_000)
    committed = filled.fill()
    jet.JetCommitTransaction(filled.sesid, jet.JET_bitWaitAllLevel0Commit)
    with pytest.raises(JetError):
        jet.JetTerm2(filled.instance, jet.JET_bitTermDirty)
    longest = 0
    for path in tmp_path.glob("edb*.log"):
        with LogFile(path) as log:
            longest = max([longest, *(record.pgno_last for _, record in log.records() if isinstance(record, ExtendDB))])
    assert (longest + 2) * 4096 <= 600_000
    again = Running(tmp_path)
    again.attach()
    tableid = jet.JetOpenTable(again.sesid, again.open(), "rows")
    assert jet.JetIndexRecordCount(again.sesid, tableid) == committed
    again.term()
    assert verify_database(filled.path).ok


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot give a file room before it is written")
def test_every_page_of_a_database_has_its_place_on_the_disk(tmp_path: Path) -> None:
    """Pages that are logged are written later, when it is too late to say that the disk is full."""
    filled = Filled(tmp_path, 1 << 30)
    filled.insert(0, 200)
    found = filled.path.stat()
    assert found.st_blocks * 512 >= found.st_size
    jet.JetTerm(filled.instance)


def test_a_file_that_cannot_grow_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FileSystem().open(tmp_path / "file", writable=True, create=True) as file:
        file.write(0, b"content")
        file.grow(10)
        assert file.read(0, 20) == b"content\0\0\0"

        def full(*_arguments: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
        with pytest.raises(JetError) as caught:
            file.grow(1 << 20)
        assert caught.value.code == codes.JET_errDiskFull
        assert file.size() == 10
        monkeypatch.delattr(os, "posix_fallocate")
        file.grow(3 << 20)
        assert file.size() == 3 << 20
        assert file.read(0, 7) == b"content"
        assert not any(file.read(10, 3 << 20))
