"""Damaged logs, checkpoints and databases: the result the original gives, code or content, for every recorded variant."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from esent.constants import codes, grbits
from esent.pages.database_file import DatabaseFile
from esent.pages.primitives import Lgpos
from recovery_support import dump_lines, lines_of, outcome

pytestmark = pytest.mark.fixtures

VARIANTS = [
    "chk-both-copies",
    "chk-first-copy",
    "chk-missing",
    "cut",
    "db-chk-missing",
    "db-missing",
    "dbhdr-both-copies",
    "dbhdr-first-copy",
    "flip",
    "flip-bit-last",
    "flip-last",
    "garbage-after",
    "header-flip",
    "jfm-missing",
    "lastfill",
    "lastold-missing",
    "lost3",
    "middle-flip",
    "middle-flip-bit",
    "middle-missing",
    "missing",
    "renamed",
    "trunc",
    "trunc-sector",
    "zero",
]


def prepare(fixtures: Any, base: str, variant: str, target: Path) -> dict[str, Any]:
    """Unpack a base and apply a variant; returns what the original answered."""
    folder = fixtures.root / "engine" / base / variant
    told: dict[str, Any] = json.loads((folder / "outcome.json").read_text())
    fixtures.copy_set(f"engine/{base}/base", target)
    for name in told.get("replaced_or_added", []):
        if (folder / name).exists():
            shutil.copyfile(folder / name, target / name)
        else:
            (target / name).write_bytes(gzip.decompress((folder / (name + ".gz")).read_bytes()))
    for name in told.get("removed", []):
        (target / name).unlink()
    for edit in told.get("edits", []):
        data = bytearray((target / edit["file"]).read_bytes())
        data[edit["offset"]] ^= edit["xor"]
        (target / edit["file"]).write_bytes(data)
    return told


@pytest.mark.parametrize("base", ["damaged-logs-4k", "damaged-checkpoint-8k"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_result_of_the_original(fixtures: Any, tmp_path: Path, base: str, variant: str) -> None:
    told = prepare(fixtures, base, variant, tmp_path / "set")
    notes: list[str] = []
    assert outcome(tmp_path / "set", notes=notes) == told["JetInit"]["err"]
    if told["JetInit"]["err"] == 0:
        expected = fixtures.root / "engine" / base / variant / told["dump"]
        assert list(dump_lines(tmp_path / "set" / "db.edb")) == lines_of(expected.resolve())
        if variant == "middle-flip-bit":
            assert any("a wrong bit was corrected" in note for note in notes)
    else:
        database = tmp_path / "set" / "db.edb"
        if database.exists() and not variant.startswith("dbhdr-both"):
            assert not DatabaseFile(database).header.is_clean  # nothing that looks whole
    lossy = told.get("JetInit(JET_bitReplayIgnoreLostLogs)")
    if lossy is not None:
        prepare(fixtures, base, variant, tmp_path / "again")
        assert outcome(tmp_path / "again", grbit=grbits.JET_bitReplayIgnoreLostLogs) == lossy["err"]


def committed_ahead(fixtures: Any, target: Path) -> Path:
    """A database that was written up to generation 11, and whose header knows of committed work up to 15 (a late waypoint)."""
    folder: Path = fixtures.copy_set("engine/dirty-4k", target)
    for leftover in ("db.edb", "edb.chk"):
        (folder / leftover).unlink()
    assert outcome(folder, stop=Lgpos(11, 20, 0)) == codes.JET_errRecoveredWithoutUndo
    with DatabaseFile(folder / "db.edb", writable=True) as file:
        assert file.header.gen_max_required == 11
        file.header.gen_max_committed = 15
        file.write_header()
    return folder


BOTH = {"grbit": grbits.JET_bitReplayIgnoreLostLogs, "delete_out_of_range_logs": True}
LOSSY = {"grbit": grbits.JET_bitReplayIgnoreLostLogs}


def test_the_current_log_is_lost(fixtures: Any, tmp_path: Path) -> None:
    for number, (options, temporary, expected) in enumerate(
        [
            ({}, True, codes.JET_errCommittedLogFilesMissing),
            ({}, False, codes.JET_errMissingLogFile),
            ({"grbit": grbits.JET_bitAllowMissingCurrentLog}, False, codes.JET_errCommittedLogFilesMissing),
            (LOSSY, False, codes.JET_wrnCommittedLogFilesLost),
        ]
    ):
        folder = committed_ahead(fixtures, tmp_path / str(number))
        (folder / "edb.log").unlink()
        (folder / "edbtmp.log").unlink(missing_ok=True)
        if temporary:
            (folder / "edbtmp.log").write_bytes(b"")
        assert outcome(folder, **options) == expected


def test_an_archive_with_committed_work_is_lost(fixtures: Any, tmp_path: Path) -> None:
    for number, (options, expected) in enumerate(
        [
            ({}, codes.JET_errCommittedLogFilesMissing),
            (LOSSY, codes.JET_errCommittedLogFilesMissing),
            (BOTH, codes.JET_wrnCommittedLogFilesRemoved),
        ]
    ):
        folder = committed_ahead(fixtures, tmp_path / str(number))
        (folder / "edb0000E.log").unlink()
        assert outcome(folder, **options) == expected
        if expected > 0:
            with DatabaseFile(folder / "db.edb") as file:
                assert file.header.is_clean
            assert int.from_bytes((folder / "edb.log").read_bytes()[4:8], "little") == 14  # goes on where the loss begins


def test_the_current_log_is_damaged(fixtures: Any, tmp_path: Path) -> None:
    for number, (options, expected) in enumerate(
        [
            ({}, codes.JET_errCommittedLogFileCorrupt),
            (LOSSY, codes.JET_errCommittedLogFileCorrupt),
            (BOTH, codes.JET_wrnCommittedLogFilesRemoved),
        ]
    ):
        folder = committed_ahead(fixtures, tmp_path / str(number))
        data = bytearray((folder / "edb.log").read_bytes())
        data[5 * 4096 + 100 : 5 * 4096 + 200] = b"\x5a" * 100
        (folder / "edb.log").write_bytes(data)
        assert outcome(folder, **options) == expected
