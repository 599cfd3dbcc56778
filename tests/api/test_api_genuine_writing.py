"""Databases that Windows or the original engine made, opened for writing again and again."""

from __future__ import annotations

import shutil

import pytest

import esent
from esent import jet
from esent.pages.database_file import DatabaseFile
from esent.pages.primitives import Lgpos

_SETS = [
    ("windows/srum-win10", "SRUDB.dat"),
    ("windows/srum-win11-repaired", "SRUDB.dat"),
    ("windows/ual-hyperv", "SystemIdentity.mdb"),
    ("engine/efv-8020", "db.edb"),
    ("engine/efv-9180", "db.edb"),
    ("engine/efv-9600", "db.edb"),
]
_KEEPS_LAST_RESIZE = (1568, 110, 240)


def _rows(path):
    with esent.ReadOnlyDatabase(path) as database:
        return {name: [row.raw for row in database[name]] for name in database.tables if not name.startswith("MSys")}


@pytest.mark.parametrize(("folder", "name"), _SETS)
def test_a_genuine_database_takes_rows_time_and_again(fixtures, tmp_path, folder, name):
    path = tmp_path / "again" / name
    path.parent.mkdir()
    path.write_bytes((fixtures.copy_set(folder, tmp_path / "set") / name).read_bytes())
    before = _rows(path)
    for number in range(3):
        with esent.open(path) as db:
            table = db.create_table(f"added {number}", {"k": esent.Int32(), "v": esent.LongBinary()}, primary_key="k")
            table.insert_many({"k": each, "v": bytes([each]) * 5000} for each in range(200))
        with DatabaseFile(path) as file:
            header = file.header
        assert header.is_clean and header.check() == []
        kept = header.format_version >= _KEEPS_LAST_RESIZE
        assert header.lgpos_last_resize == (header.lgpos_consistent if kept else Lgpos())
    for number in range(3):
        with esent.open(path) as db:
            assert [(row.k, bytes(row.v)) for row in db[f"added {number}"]] == [(k, bytes([k]) * 5000) for k in range(200)]
            db.delete_table(f"added {number}")
    assert _rows(path) == before
    assert esent.verify(path).ok


@pytest.mark.parametrize(
    ("folder", "name", "base"),
    [
        ("engine/dirty-4k", "db.edb", "edb"),
        ("engine/dirty-ddl-4k", "db.edb", "edb"),
        ("windows/srum-win11-dirty", "SRUDB.dat", "SRU"),
    ],
)
def test_tidying_up_after_recovery_takes_no_row_of_a_genuine_database(fixtures, tmp_path, folder, name, base):
    """Attaching makes pages free that recovery has left to nobody: of those of a database that Windows left dirty too."""
    work = fixtures.copy_set(folder, tmp_path / "work")
    path = next(work.rglob(name))
    shutil.copytree(path.parent, tmp_path / "other")
    esent.recover(tmp_path / "other", in_place=True, base_name=base)
    sizes = {log.stat().st_size for log in path.parent.glob(f"{base}*") if log.suffix.lower() in (".log", ".jtx")}
    parameters = {"AlternateDatabaseRecoveryPath": f"{path.parent}/"}
    with esent.Instance(
        "tidy", directory=path.parent, base_name=base, log_file_size=max(sizes), parameters=parameters
    ) as instance:
        instance.attach(path)
        jet.JetIdle(jet.JetBeginSession(instance.handle), 0)
    found = _rows(path)
    assert any(found.values()) and found == _rows(tmp_path / "other" / name)
    assert esent.verify(path).ok
