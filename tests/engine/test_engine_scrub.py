"""JET_paramZeroDatabaseDuringBackup: what was deleted is neither in a backup nor, later, in the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from live_home import Home, complaints

import esent
from esent import jet
from esent.constants import params
from esent.engine.process import PROCESS
from esent.engine.scrubbed_pages import ScrubbedPages
from esent.tools.verify import verify_database

pytestmark = pytest.mark.usefixtures("clean_process")

SECRET = b"this was deleted"


@pytest.mark.parametrize("zeroes", [True, False])
def test_what_was_deleted_is_not_backed_up(tmp_path: Path, zeroes: bool) -> None:
    PROCESS.parameters.put(params.JET_paramZeroDatabaseDuringBackup, int(zeroes))
    home = Home(tmp_path / "live")
    assert isinstance(home.database.page_source, ScrubbedPages) is zeroes
    table = home.create_table("T1")
    big = jet.JetAddColumn(home.sesid, table, "big", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLongBinary))
    jet.JetBeginTransaction(home.sesid)
    for number in range(120):
        secret = number % 3 != 0
        jet.JetPrepareUpdate(home.sesid, table, jet.JET_prepInsert)
        jet.JetSetColumn(home.sesid, table, 1, number.to_bytes(4, "little"))
        jet.JetSetColumn(home.sesid, table, 128, SECRET if secret else b"this is kept")
        jet.JetSetColumn(home.sesid, table, big, (SECRET if secret else b"kept as well") * 400)
        jet.JetUpdate(home.sesid, table)
    jet.JetCommitTransaction(home.sesid)
    home.database.flush()
    home.delete(table, [number for number in range(120) if number % 3])
    home.database.flush()
    assert SECRET in home.path.read_bytes()
    (tmp_path / "set").mkdir()
    jet.JetBackupInstance(home.handle, str(tmp_path / "set"), 0)
    copy = next((tmp_path / "set").rglob("db.edb")).read_bytes()
    assert (SECRET in copy) is not zeroes
    assert b"this is kept" in copy
    jet.JetTerm(home.handle)
    assert (SECRET in home.path.read_bytes()) is not zeroes
    report = verify_database(home.path, keys=True)
    assert (complaints(report), report.pages_leaked) == ([], 0)
    esent.restore(tmp_path / "set", tmp_path / "restored")
    restored = next((tmp_path / "restored").glob("*.edb"))
    assert complaints(verify_database(restored, keys=True)) == []
    with esent.open(restored, read_only=True) as database:
        assert {row.name for row in database["T1"]} == {"this is kept"}
