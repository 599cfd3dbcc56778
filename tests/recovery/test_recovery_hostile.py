"""Logs made to do harm: whatever stands in them, recovery ends, with a result or a `JetError`, and stays in its folder."""

from __future__ import annotations

import random
import resource
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from esent.constants import codes
from esent.errors import JetError
from esent.log.header import LogHeader
from esent.log.reader import LogFile
from esent.log.records import ExtendDB
from esent.log.segments import seal
from esent.pages.database_file import PGNO_MAX, DatabaseFile
from esent.pages.filesystem import FileSystem
from esent.recovery.cache import RecoveredDatabase
from recovery_story import Story
from recovery_support import outcome, recover

pytestmark = pytest.mark.fixtures

SEGMENT = 4096
FIRST_SIZE = 30  # pages of a database before its first ExtendDB
VALUES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF)


def rewrite(folder: Path, name: str, edit: Any) -> None:
    """Change a log's bytes, then make every checksum right again, that of the chain to the next log included."""
    path = folder / name
    data = bytearray(path.read_bytes())
    with LogFile(path) as log:
        last = log.end.last
        generation = log.generation
    for isec in sorted(set(edit(data, last))):
        data[isec * SEGMENT : (isec + 1) * SEGMENT] = seal(bytes(data[isec * SEGMENT : (isec + 1) * SEGMENT]), isec)
    path.write_bytes(data)
    with LogFile(path) as log:
        accumulated = log.accumulated_checksum
    for following in folder.glob("edb*.log"):
        raw = following.read_bytes()
        if following.name == "edbtmp.log" or len(raw) < SEGMENT:
            continue
        header = LogHeader.parse(raw[:SEGMENT], following)
        if header.generation == generation + 1:
            header.previous_checksum = accumulated
            following.write_bytes(header.pack() + raw[SEGMENT:])


def damage(chosen: random.Random) -> Any:
    def edit(data: bytearray, last: int) -> list[int]:
        touched = []
        for _ in range(chosen.randint(1, 4)):
            isec = chosen.randint(1, max(1, last))
            offset = isec * SEGMENT + chosen.randint(40, SEGMENT - 9)
            if chosen.random() < 0.5:
                data[offset] ^= 1 << chosen.randint(0, 7)
            else:
                value = chosen.choice(VALUES)
                width = chosen.choice((1, 2, 4, 8))
                data[offset : offset + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")
            touched.append(isec)
        return touched

    return edit


def attack(source: Path, folder: Path, seed: int) -> str:
    chosen = random.Random(seed)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    if chosen.random() < 0.6:  # replayed from the creation on, or against the pages that are there
        for leftover in ("db.edb", "edb.chk"):
            (folder / leftover).unlink()
    name = chosen.choice([path.name for path in sorted(folder.glob("edb*.log")) if path.name != "edbtmp.log"])
    rewrite(folder, name, damage(chosen))
    outside = sorted(path.name for path in folder.parent.iterdir())
    begun = time.monotonic()
    try:
        recover(folder)
        result = "recovered"
    except JetError as problem:
        result = problem.name
    assert time.monotonic() - begun < 60
    assert sorted(path.name for path in folder.parent.iterdir()) == outside
    assert {path.suffix for path in folder.iterdir()} <= {".edb", ".log", ".chk", ".jrs", ".jfm"}
    return result


def source_of(fixtures: Any, name: str, target: Path) -> Path:
    folder: Path = fixtures.copy_set(f"engine/{name}", target)
    for path in folder.iterdir():
        if path.name != "db.edb" and not path.name.startswith("edb"):
            path.unlink()
    return folder


def test_changed_records(fixtures: Any, tmp_path: Path) -> None:
    source = source_of(fixtures, "dirty-reattach-4k", tmp_path / "source")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    results = [attack(source, tmp_path / "logs", seed) for seed in range(25)]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # kilobytes
    assert "recovered" in results
    assert len(set(results)) > 3


@pytest.mark.campaign
@pytest.mark.parametrize("name", ["dirty-4k", "dirty-16k", "dirty-circular-8k", "clean-32k"])
def test_changed_records_at_length(fixtures: Any, tmp_path: Path, name: str) -> None:
    source = source_of(fixtures, name, tmp_path / "source")
    results = {attack(source, tmp_path / "logs", seed) for seed in range(1000)}
    assert "recovered" in results
    assert len(results) > 3


class SmallDisk(FileSystem):
    """A disk with room for 1000 pages; it counts how often that is asked for."""

    asked = 0

    def free_bytes(self, path: Path) -> int:
        self.asked += 1
        return 1000 * 4096


@pytest.mark.parametrize(
    ("wanted", "fits"), [((FIRST_SIZE + 1000,), True), ((FIRST_SIZE + 900, FIRST_SIZE + 1001), False), ((PGNO_MAX,), False)]
)
def test_a_log_cannot_grow_a_database_beyond_its_disk(tmp_path: Path, wanted: tuple[int, ...], fits: bool) -> None:
    """A file of zeros takes no room, so that the system would let it have any size."""
    story = Story(tmp_path)
    for page_count in wanted:
        story.add(ExtendDB(1, page_count))
    story.end()
    files = SmallDisk()
    assert outcome(tmp_path, files=files) == (0 if fits else codes.JET_errDiskFull)
    assert files.asked == 1
    assert story.path.stat().st_size <= (FIRST_SIZE + 1000 + 2) * 4096


def test_a_page_number_cannot_grow_a_database_beyond_its_disk(tmp_path: Path) -> None:
    """While the file may hold changes of later logs, pages behind its end are made."""
    story = Story(tmp_path)
    story.end()
    recover(tmp_path)
    with DatabaseFile(story.path, files=SmallDisk()) as file:
        db = RecoveredDatabase(1, file, cache_bytes=1 << 20, logged_path="")
        db.future = True
        assert db.needs_new(file.page_count + 1000, 1 << 40)
        with pytest.raises(JetError) as problem:
            db.needs_new(file.page_count + 1001, 1 << 40)
    assert problem.value.code == codes.JET_errDiskFull
