"""Indexes built over records that other sessions are changing: nobody's entries are lost, whatever becomes of the changes."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from live_home import Home, complaints, recovered

from esent import jet
from esent.errors import JetError
from esent.tools.verify import verify_database
from process_reset import end_instances

pytestmark = pytest.mark.usefixtures("clean_process")


class User:
    """A session with a table open."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.sesid = jet.JetBeginSession(home.handle)
        self.dbid = jet.JetOpenDatabase(self.sesid, str(home.path))
        self.table = jet.JetOpenTable(self.sesid, self.dbid, "T1")
        self.level = 0

    def begin(self) -> None:
        jet.JetBeginTransaction(self.sesid)
        self.level += 1

    def commit(self) -> None:
        jet.JetCommitTransaction(self.sesid)
        self.level -= 1

    def rollback(self) -> None:
        jet.JetRollback(self.sesid)
        self.level -= 1

    def seek(self, number: int) -> None:
        jet.JetSetCurrentIndex(self.sesid, self.table, None)
        jet.JetMakeKey(self.sesid, self.table, number.to_bytes(4, "little"), jet.JET_bitNewKey)
        jet.JetSeek(self.sesid, self.table, jet.JET_bitSeekEQ)

    def insert(self, number: int, name: str) -> None:
        try:
            self.home_insert(number, name)
        except JetError:
            jet.JetPrepareUpdate(self.sesid, self.table, jet.JET_prepCancel)
            raise

    def home_insert(self, number: int, name: str) -> None:
        jet.JetPrepareUpdate(self.sesid, self.table, jet.JET_prepInsert)
        jet.JetSetColumn(self.sesid, self.table, 1, number.to_bytes(4, "little"))
        jet.JetSetColumn(self.sesid, self.table, 128, name.encode())
        jet.JetUpdate(self.sesid, self.table)

    def prepare(self, number: int, name: str) -> None:
        self.seek(number)
        jet.JetPrepareUpdate(self.sesid, self.table, jet.JET_prepReplace)
        jet.JetSetColumn(self.sesid, self.table, 128, name.encode())

    def update(self) -> None:
        try:
            jet.JetUpdate(self.sesid, self.table)
        except JetError:
            jet.JetPrepareUpdate(self.sesid, self.table, jet.JET_prepCancel)
            raise

    def replace(self, number: int, name: str) -> None:
        self.prepare(number, name)
        self.update()

    def delete(self, number: int) -> None:
        self.seek(number)
        jet.JetDelete(self.sesid, self.table)

    def rows(self, index: str | None) -> list[tuple[int, bytes]]:
        """Number and name of the records in the order of an index."""
        jet.JetSetCurrentIndex(self.sesid, self.table, index)
        found = []
        move = jet.JET_MoveFirst
        while True:
            try:
                jet.JetMove(self.sesid, self.table, move)
            except JetError as problem:
                assert problem.code == jet.JET_errNoCurrentRecord
                break
            number = jet.JetRetrieveColumn(self.sesid, self.table, 1)
            found.append((int.from_bytes(number, "little"), jet.JetRetrieveColumn(self.sesid, self.table, 128)))
            move = jet.JET_MoveNext
        jet.JetSetCurrentIndex(self.sesid, self.table, None)
        return found

    def agrees(self, index: str) -> None:
        assert self.rows(index) == sorted(self.rows(None), key=lambda row: (row[1], row[0]))


def opened(tmp_path: Path, users: int, rows: int = 20, *, eager: bool = False) -> tuple[Home, list[User]]:
    home = Home(tmp_path / "live", eager=eager)
    table = home.create_table("T1")
    for number in range(rows):
        home.insert(table, number, f"n{number % 7}")
    jet.JetCloseTable(home.sesid, table)
    return home, [User(home) for _ in range(users)]


def create(user: User, name: str = "late", grbit: int = 0) -> None:
    jet.JetCreateIndex(user.sesid, user.table, name, grbit, "+name\0\0")


@pytest.mark.parametrize("committed", [True, False])
def test_uncommitted_changes_come_or_go_with_their_transaction(tmp_path: Path, committed: bool) -> None:
    home, (writer, creator, reader) = opened(tmp_path, 3)
    writer.begin()
    writer.insert(100, "inserted")
    writer.replace(3, "replaced")
    writer.replace(4, "replaced")
    writer.replace(4, "n0")
    writer.delete(5)
    writer.insert(101, "gone again")
    writer.delete(101)
    create(creator)
    creator.agrees("late")
    reader.agrees("late")
    writer.replace(6, "later")
    writer.delete(100)
    writer.insert(102, "late")
    reader.agrees("late")
    writer.commit() if committed else writer.rollback()
    for user in (writer, creator, reader):
        user.agrees("late")
    assert (102 in dict(reader.rows("late"))) is committed
    jet.JetTerm(home.handle)
    report = verify_database(home.path, keys=True)
    assert (complaints(report), report.pages_leaked) == ([], 0)


def test_an_update_that_was_prepared_before(tmp_path: Path) -> None:
    home, (writer, creator) = opened(tmp_path, 2)
    writer.begin()
    writer.prepare(3, "prepared")
    create(creator)
    writer.update()
    creator.agrees("late")
    writer.commit()
    creator.agrees("late")
    assert dict(creator.rows("late"))[3] == b"prepared"
    jet.JetTerm(home.handle)


@pytest.mark.parametrize("crash", [False, True])
def test_a_creation_that_is_given_up(tmp_path: Path, crash: bool) -> None:
    """What others did in the index can be undone, by them or by recovery, though the index is no more."""
    home, (writer, creator, other) = opened(tmp_path, 3)
    writer.begin()
    writer.replace(3, "replaced")
    writer.insert(100, "inserted")
    creator.begin()
    create(creator)
    writer.insert(101, "inserted after")
    creator.rollback()
    home.idle()
    jet.JetCloseTable(other.sesid, jet.JetCreateTable(other.sesid, other.dbid, "T2"))  # might take the pages
    if crash:
        home.leave()
        report = recovered(home.folder, tmp_path / "again")
    else:
        writer.rollback()
        home.idle()
        jet.JetTerm(home.handle)
        report = verify_database(home.path, keys=True)
    assert (complaints(report), report.pages_leaked) == ([], 0)


def test_a_unique_index(tmp_path: Path) -> None:
    home, (writer, creator) = opened(tmp_path, 2, rows=5)
    writer.begin()
    writer.insert(100, "n0")
    with pytest.raises(JetError) as caught:
        create(creator, "one", jet.JET_bitIndexUnique)
    assert caught.value.code == jet.JET_errWriteConflict
    writer.replace(100, "n100")
    writer.delete(4)
    create(creator, "one", jet.JET_bitIndexUnique)
    with pytest.raises(JetError) as caught:
        creator.insert(7, "n100")
    assert caught.value.code in (jet.JET_errKeyDuplicate, jet.JET_errWriteConflict)
    writer.commit()
    with pytest.raises(JetError) as caught:
        writer.insert(8, "n1")
    assert caught.value.code == jet.JET_errKeyDuplicate
    creator.insert(9, "n4")
    creator.agrees("one")
    jet.JetTerm(home.handle)
    assert complaints(verify_database(home.path, keys=True)) == []


def act(chosen: random.Random, user: User) -> None:
    number = chosen.randrange(30)
    try:
        chosen.choice([user.insert, user.replace, lambda number, _: user.delete(number)])(number, f"v{chosen.randrange(9)}")
    except JetError as problem:
        assert problem.code in (
            jet.JET_errKeyDuplicate,
            jet.JET_errWriteConflict,
            jet.JET_errRecordNotFound,
            jet.JET_errRecordDeleted,
        )


@pytest.mark.parametrize("seed", range(4))
def test_any_life(tmp_path: Path, seed: int) -> None:
    """Sessions work by chance while indexes come and go; the indexes there are always agree with the records."""
    chosen = random.Random(seed)
    home, users = opened(tmp_path, 4)
    creator, *writers = users
    made: list[str] = []
    for step in range(160):
        user = chosen.choice(writers)
        action = chosen.random()
        if not user.level:
            user.begin()
        elif action < 0.08:
            user.commit()
        elif action < 0.16:
            user.rollback()
        elif action < 0.22 and user.level < 3:
            user.begin()
        elif action < 0.30:
            create(creator, f"i{step}")
            made.append(f"i{step}")
        elif action < 0.34 and made:
            creator.begin()
            create(creator, f"i{step}")
            creator.rollback()
        elif action < 0.38 and len(made) > 2:
            jet.JetDeleteIndex(creator.sesid, creator.table, made.pop(0))
        else:
            act(chosen, user)
        if made and step % 5 == 0:
            creator.agrees(chosen.choice(made))
    assert len(made) > 1
    home.instance.flush_log()
    copy = tmp_path / "copy"
    shutil.copytree(home.folder, copy)
    for user in writers:
        while user.level:
            chosen.choice([user.commit, user.rollback])()
    for name in made:
        for user in users:
            user.agrees(name)
    jet.JetTerm(home.handle)
    report = verify_database(home.path, keys=True)
    assert (complaints(report), report.pages_leaked) == ([], 0)
    end_instances()
    recovered(copy, tmp_path / "again")
    report = verify_database(tmp_path / "again" / "db.edb", keys=True)
    assert (complaints(report), report.pages_leaked) == ([], 0)
