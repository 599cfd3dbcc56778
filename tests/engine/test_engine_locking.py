"""The trees of an instance are only touched with its lock held, whatever call it is."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from live_home import Home

from esent import jet

pytestmark = pytest.mark.usefixtures("clean_process")


def is_free(lock: Any) -> bool:
    """Whether another thread could take the lock now."""
    answer: list[bool] = []

    def try_it() -> None:
        taken = lock.acquire(blocking=False)
        answer.append(taken)
        if taken:
            lock.release()

    other = threading.Thread(target=try_it)
    other.start()
    other.join()
    return answer[0]


def test_a_tree_is_never_touched_without_the_lock(tmp_path: Path) -> None:
    home = Home(tmp_path / "live")
    sesid, dbid = home.sesid, home.dbid
    table = home.create_table("T1")
    home.fill(table, range(40))
    text = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLongBinary)
    big = jet.JetAddColumn(sesid, table, "big", text)
    numbered = jet.JetCreateTable(sesid, dbid, "N")
    auto = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLong, grbit=jet.JET_bitColumnAutoincrement)
    number = jet.JetAddColumn(sesid, numbered, "number", auto)
    jet.JetCreateIndex(sesid, numbered, "number", jet.JET_bitIndexPrimary, "+number\0\0")
    jet.JetCloseTable(sesid, numbered)
    jet.JetTerm(home.handle)

    home = Home(tmp_path / "live", fresh=False)
    sesid, dbid = home.sesid, home.dbid
    touched: list[bool] = []
    home.database.store.tend = lambda: touched.append(is_free(home.instance.lock))
    home.instance.instance_log.pressing = True
    table = jet.JetOpenTable(sesid, dbid, "T1")
    jet.JetBeginTransaction(sesid)
    home.insert(table, 100, "new")
    jet.JetPrepareUpdate(sesid, table, jet.JET_prepInsert)
    jet.JetSetColumn(sesid, table, 1, (101).to_bytes(4, "little"))
    jet.JetSetColumn(sesid, table, big, bytes(range(256)) * 40)
    jet.JetUpdate(sesid, table)
    jet.JetCommitTransaction(sesid)
    home.instance.instance_log.pressing = True  # a new generation has judged that anew
    jet.JetSetCurrentIndex(sesid, table, "byname")
    jet.JetMove(sesid, table, jet.JET_MoveFirst)
    jet.JetMove(sesid, table, 3)
    jet.JetRetrieveColumn(sesid, table, 128)
    position = jet.JetGetRecordPosition(sesid, table)
    jet.JetGotoPosition(sesid, table, position)
    jet.JetIndexRecordCount(sesid, table, 0)
    jet.JetSetCurrentIndex(sesid, table, None)
    jet.JetMove(sesid, table, jet.JET_MoveLast)
    jet.JetRetrieveColumn(sesid, table, big)
    jet.JetDelete(sesid, table)
    jet.JetComputeStats(sesid, table)
    numbered = jet.JetOpenTable(sesid, dbid, "N")
    for _ in range(3):
        jet.JetPrepareUpdate(sesid, numbered, jet.JET_prepInsert)
        jet.JetRetrieveColumn(sesid, numbered, number, jet.JET_bitRetrieveCopy)
        jet.JetUpdate(sesid, numbered)
    home.idle()
    jet.JetDefragment(sesid, dbid, "T1", grbit=jet.JET_bitDefragmentBTree)
    home.instance.defragmenter.close()
    jet.JetResizeDatabase(sesid, dbid, 400)
    assert len(touched) > 40
    assert not any(touched)
    home.database.store.tend = home.instance.instance_log.tend
    jet.JetTerm(home.handle)
