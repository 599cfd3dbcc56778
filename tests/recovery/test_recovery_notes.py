"""What a recovery leaves out is said: in its result, and in the engine's event log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import esent
from esent.pages.filesystem import FILES
from esent.pages.overlay import OverlayFileSystem
from esent.recovery.options import RecoveryOptions
from esent.recovery.soft import soft_recover


def test_a_last_write_that_is_not_whole_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = esent.open(tmp_path / "app.edb", log_file_size=256 * 1024)
    table = database.create_table("t", {"id": esent.Int32()}, primary_key="id")
    for number in range(3):
        table.insert(id=number)
    crashed = tmp_path / "crashed"  # the files as a crash at this moment leaves them
    crashed.mkdir()
    for name in FILES.names(tmp_path):
        path = tmp_path / name
        if path.is_file():
            (crashed / name).write_bytes(path.read_bytes())
    database.close()

    log = crashed / "edb.log"
    data = bytearray(log.read_bytes())
    last = max(isec for isec in range(1, len(data) // 4096) if any(data[isec * 4096 : isec * 4096 + 4096]))
    for isec in (last - 1, last):  # the last segment, and its shadow behind it
        data[isec * 4096 + 100] ^= 0xFF
        data[isec * 4096 + 101] ^= 0x5A
    log.write_bytes(data)

    overlay = OverlayFileSystem()
    result = soft_recover(RecoveryOptions(log_path=crashed, alternate_path=crashed, files=overlay))
    overlay.close()
    assert any("never finished or was damaged later" in note for note in result.notes)

    instance = esent.Instance("again", directory=crashed, parameters={"AlternateDatabaseRecoveryPath": str(crashed)})
    with caplog.at_level(logging.WARNING, logger="esent.engine"), instance:
        pass
    assert any("never finished" in record.getMessage() for record in caplog.records)
