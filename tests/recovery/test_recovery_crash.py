"""A crash during recovery is harmless: from every state on disk the next recovery brings back the same rows."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from esent.pages.database_file import DatabaseFile
from recovery_crash_files import Change, RecordingFiles, crash_image
from recovery_support import dump_lines, lines_of, recover

pytestmark = pytest.mark.fixtures

FATES = ("kept", "lost", "some", "torn")


def record(folder: Path, **more: Any) -> tuple[dict[str, bytes], list[Change]]:
    """Recover a set once; the files before, and all changes."""
    start = {path.name: path.read_bytes() for path in folder.iterdir()}
    files = RecordingFiles()
    recover(folder, files=files, **more)
    return start, files.recorder.changes


def check(start: dict[str, bytes], changes: list[Change], count: int, fate: str, where: Path, expected: list[str]) -> None:
    where.mkdir()
    for name, data in crash_image(start, changes, count, fate, seed=count).items():
        (where / name).write_bytes(data)
    recover(where)
    assert list(dump_lines(where / "db.edb")) == expected, f"after {count} changes, unsynced ones {fate}"
    with DatabaseFile(where / "db.edb") as file:
        assert file.header.is_clean
    assert not recover(where).needed


def needed_files(folder: Path) -> list[str]:
    """Take away what recovery does not need, to keep the copies small; the content expected."""
    expected = lines_of(folder / "recovered.jsonl")
    for path in folder.iterdir():
        if path.name != "db.edb" and not path.name.startswith("edb"):
            path.unlink()
    return expected


@pytest.mark.parametrize("fate", FATES)
def test_crashes_during_recovery(fixtures: Any, tmp_path: Path, fate: str) -> None:
    folder = fixtures.copy_set("engine/dirty-reattach-4k", tmp_path / "set")
    expected = needed_files(folder)
    start, changes = record(folder)
    assert len(changes) > 50
    steps = sorted({*range(1, len(changes), max(1, len(changes) // 4)), len(changes) - 3, len(changes)})
    for count in steps:
        check(start, changes, count, fate, tmp_path / f"crash{count}", expected)


@pytest.mark.campaign
@pytest.mark.parametrize(
    "name", ["dirty-4k", "dirty-checkpoint-8k", "dirty-circular-8k", "dirty-reattach-4k", "dirty-twice-4k"]
)
@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("cache", [64 << 20, 0])
def test_every_crash_during_recovery(fixtures: Any, tmp_path: Path, name: str, fate: str, cache: int) -> None:
    folder = fixtures.copy_set(f"engine/{name}", tmp_path / "set")
    expected = needed_files(folder)
    start, changes = record(folder, cache_bytes=cache)
    for count in range(1, len(changes) + 1, 1 if fate == "lost" else 5):
        where = tmp_path / f"crash{count}"
        check(start, changes, count, fate, where, expected)
        shutil.rmtree(where)
