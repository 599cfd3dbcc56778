"""An update that fails in the middle, within an open transaction: what it had done is undone, the rest goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import esent
from esent import jet
from esent.log import kinds
from esent.log.files import log_name
from esent.log.reader import LogFile
from esent.log.records import Undo
from esent.tools.verify import verify_database
from jet_helpers import Running, code_of


class Table:
    """Rows of a key and two numbers, each unique, the second in the index that is kept up last."""

    def __init__(self, running: Running) -> None:
        self.sesid = running.sesid
        dbid = jet.JetCreateDatabase(running.sesid, running.path())
        columns = [jet.JET_COLUMNCREATE(szColumnName=name, coltyp=jet.JET_coltypLong) for name in ("key", "a", "b")]
        indexes = [
            jet.JET_INDEXCREATE2(szIndexName="key", szKey=["+key"], grbit=jet.JET_bitIndexPrimary),
            jet.JET_INDEXCREATE2(szIndexName="a", szKey=["+a"], grbit=jet.JET_bitIndexUnique),
            jet.JET_INDEXCREATE2(szIndexName="b", szKey=["+b"], grbit=jet.JET_bitIndexUnique),
        ]
        table = jet.JET_TABLECREATE3(szTableName="t", rgcolumncreate=columns, rgindexcreate=indexes)
        jet.JetCreateTableColumnIndex3(running.sesid, dbid, table)
        self.tableid = table.tableid
        self.columns = [column.columnid for column in columns]

    def _set(self, *values: int | None) -> None:
        for columnid, value in zip(self.columns, values, strict=True):
            if value is not None:
                jet.JetSetColumn(self.sesid, self.tableid, columnid, value.to_bytes(4, "little"))

    def _update(self) -> int:
        code = code_of(jet.JetUpdate, self.sesid, self.tableid)
        if code:
            jet.JetPrepareUpdate(self.sesid, self.tableid, jet.JET_prepCancel)
        return code

    def insert(self, *values: int) -> int:
        jet.JetPrepareUpdate(self.sesid, self.tableid, jet.JET_prepInsert)
        self._set(*values)
        return self._update()

    def seek(self, key: int) -> None:
        jet.JetMakeKey(self.sesid, self.tableid, key.to_bytes(4, "little"), jet.JET_bitNewKey)
        jet.JetSeek(self.sesid, self.tableid, jet.JET_bitSeekEQ)

    def change(self, key: int, a: int, b: int) -> int:
        self.seek(key)
        jet.JetPrepareUpdate(self.sesid, self.tableid, jet.JET_prepReplace)
        self._set(None, a, b)
        return self._update()

    def delete(self, key: int) -> None:
        self.seek(key)
        jet.JetDelete(self.sesid, self.tableid)


@pytest.fixture
def table(start: Callable[..., Running]) -> Table:
    return Table(start())


def rows_after_crash(folder: Path, goal: Path) -> list[tuple[Any, ...]]:
    """The rows of a copy of the files as they are now, recovered, every entry checked."""
    shutil.copytree(folder, goal)
    Running(goal, "copy", AlternateDatabaseRecoveryPath=f"{goal}/").term()
    with esent.open(goal / "db.edb", read_only=True) as database:
        rows = list(database["t"].rows())
        for name in ("a", "b"):
            assert sorted(row.key for row in database["t"].index(name)) == sorted(row[0] for row in rows)
    assert not verify_database(goal / "db.edb").findings
    return rows


def work(table: Table) -> None:
    """A transaction of updates, some of which fail at their last node: it comes to rows 1, 2, 4."""
    duplicate = jet.JET_errKeyDuplicate
    jet.JetBeginTransaction(table.sesid)
    assert table.insert(1, 10, 100) == 0
    assert table.insert(2, 20, 200) == 0
    assert table.insert(3, 30, 200) == duplicate
    assert table.change(1, 11, 200) == duplicate
    assert table.change(1, 12, 101) == 0
    assert table.insert(4, 11, 400) == 0  # what the failed change gave back
    assert table.insert(3, 30, 300) == 0
    table.delete(3)
    assert table.change(2, 30, 400) == duplicate


AFTER = [(1, 12, 101), (2, 20, 200), (4, 11, 400)]


def test_committed_then_crashed(table: Table, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    work(table)
    jet.JetCommitTransaction(table.sesid)
    assert rows_after_crash(tmp_path, tmp_path_factory.mktemp("copy") / "x") == AFTER


def test_crashed_before_the_commit(table: Table, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    jet.JetBeginTransaction(table.sesid)
    table.insert(9, 9, 9)
    jet.JetCommitTransaction(table.sesid)
    work(table)
    other = jet.JetDupSession(table.sesid)
    jet.JetCommitTransaction(other, jet.JET_bitWaitAllLevel0Commit)  # all that was logged is on the disk
    assert rows_after_crash(tmp_path, tmp_path_factory.mktemp("copy") / "x") == [(9, 9, 9)]


def test_rolled_back_by_the_caller(table: Table, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    jet.JetBeginTransaction(table.sesid)
    table.insert(9, 9, 9)
    jet.JetBeginTransaction(table.sesid)
    work(table)
    jet.JetCommitTransaction(table.sesid)
    jet.JetRollback(table.sesid, 0)
    table.insert(3, 30, 200)
    jet.JetCommitTransaction(table.sesid)
    assert rows_after_crash(tmp_path, tmp_path_factory.mktemp("copy") / "x") == [(3, 30, 200), (9, 9, 9)]


def test_no_level_of_its_own_in_the_log(table: Table, tmp_path: Path) -> None:
    work(table)
    jet.JetCommitTransaction(table.sesid)
    with LogFile(tmp_path / log_name("edb", extension=".log")) as log:
        records = [record for _, record in log.records()]
    mine = next(record.procid for record in reversed(records) if isinstance(record, Undo))
    found = [record.kind for record in records if getattr(record, "procid", None) == mine]
    found = found[len(found) - found[::-1].index(kinds.BEGIN0) :]
    assert found.count(kinds.UNDO) == 2 + 3 + 4  # the last of a node that was put in the place of a deleted one
    assert found[-1] == kinds.COMMIT0
    assert kinds.BEGIN not in found and kinds.ROLLBACK not in found


def test_a_callback_that_ends_levels_meets_one_of_the_update(table: Table) -> None:
    """Levels that callbacks begin and end are within that of the update, which an error undoes as before."""

    def refuse(sesid: Any, *_arguments: Any) -> int:
        jet.JetBeginTransaction(sesid)
        table_of_levels.append(jet.JetGetSessionInfo(sesid, jet.JET_SessionInfo).ulTrxLevel)
        jet.JetCommitTransaction(sesid)
        return jet.JET_errCallbackFailed

    table_of_levels: list[int] = []
    jet.JetRegisterCallback(table.sesid, table.tableid, jet.JET_cbtypAfterInsert, refuse, None)
    jet.JetBeginTransaction(table.sesid)
    assert table.insert(1, 1, 1) == jet.JET_errCallbackFailed
    assert table_of_levels == [3]
    assert code_of(jet.JetMove, table.sesid, table.tableid, jet.JET_MoveFirst) == jet.JET_errNoCurrentRecord
    jet.JetCommitTransaction(table.sesid)
