"""Opening a database: what it takes over from the files that are there."""

from __future__ import annotations

from pathlib import Path

import esent


def test_logs_that_are_there_keep_their_size(tmp_path: Path) -> None:
    path = tmp_path / "app.edb"
    esent.open(path, log_file_size=256 * 1024).close()
    with esent.open(path) as db:
        assert db.tables == []
    assert (tmp_path / "edb.log").stat().st_size == 256 * 1024
