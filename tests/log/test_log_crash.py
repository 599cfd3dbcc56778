"""Stopping the machine at every moment of a log stream's life: what was promised is there, and the stream goes on.

A recording file system notes every change; a crash state is made from the changes up to some moment, those after a file's last
sync applied only in part: dropped, in another order, or torn at sectors of 512 bytes.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esent.log import kinds, records
from esent.log.files import list_generations
from esent.log.reader import LogFile
from esent.log.writer import LogStream
from esent.pages.filesystem import File, FileSystem
from esent.pages.primitives import Lgpos

SIZE = 16 * 4096
Change = tuple[Any, ...]


class RecordingFiles(FileSystem):
    """The real file system, with a list of what was changed, and how many promises had been made by then."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def open(self, path: Path, **options: Any) -> File:
        fresh = not path.exists()
        file = super().open(path, **options)
        # a file keeps its identity over renames
        identity = file.fileno(), path.stat().st_ino
        if fresh:
            self.changes.append(("create", path.name, identity[1]))
        write, truncate, sync = file.write, file.truncate, file.sync

        def recorded_write(offset: int, data: Any) -> None:
            self.changes.append(("write", identity[1], offset, bytes(data)))
            write(offset, data)

        def recorded_truncate(size: int) -> None:
            self.changes.append(("truncate", identity[1], size))
            truncate(size)

        def recorded_sync() -> None:
            sync()
            self.changes.append(("sync", identity[1]))

        file.write, file.truncate, file.sync = recorded_write, recorded_truncate, recorded_sync  # type: ignore[method-assign]
        return file

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self.changes.append(("rename", source.name, target.name))

    def remove(self, path: Path) -> None:
        super().remove(path)
        self.changes.append(("remove", path.name))


class Disk:
    """Files as they are on a disk: content by identity, names, and the writes no sync has covered."""

    def __init__(self) -> None:
        self.content: dict[int, bytearray] = {}
        self.names: dict[str, int] = {}
        self.pending: dict[int, list[tuple[int, bytes]]] = {}

    @staticmethod
    def put(content: bytearray, offset: int, data: bytes) -> None:
        if len(content) < offset + len(data):
            content.extend(bytes(offset + len(data) - len(content)))
        content[offset : offset + len(data)] = data

    def apply(self, change: Change) -> None:
        what = change[0]
        if what == "create":
            self.names[change[1]] = change[2]
            self.content[change[2]] = bytearray()
            self.pending[change[2]] = []
        elif what == "write":
            self.pending[change[1]].append((change[2], change[3]))
        elif what == "truncate":
            self.pending[change[1]].clear()
            del self.content[change[1]][change[2] :]
        elif what == "sync":
            for offset, data in self.pending[change[1]]:
                self.put(self.content[change[1]], offset, data)
            self.pending[change[1]].clear()
        elif what == "rename":
            self.names[change[2]] = self.names.pop(change[1])
        else:
            del self.names[change[1]]

    def crash(self, rnd: random.Random, folder: Path) -> None:
        """Write the files with some of the pending sectors into a folder."""
        folder.mkdir()
        for name, identity in self.names.items():
            content = bytearray(self.content[identity])
            sectors = [
                (offset + at, data[at : at + 512]) for offset, data in self.pending[identity] for at in range(0, len(data), 512)
            ]
            mode = rnd.randrange(4)
            if mode == 0:
                kept = sectors
            elif mode == 1:
                kept = sectors[: rnd.randrange(len(sectors) + 1)]
            elif mode == 2:
                kept = []
            else:
                kept = [sector for sector in sectors if rnd.random() < 0.5]
            for offset, data in kept:
                self.put(content, offset, data)
            (folder / name).write_bytes(content)


def life(stream: LogStream, rnd: random.Random, moments: int, mark: Callable[[int], None]) -> None:
    """Append and flush for a while; `mark(n)` when the first n records are promised."""
    count = 0
    for _ in range(moments):
        for _ in range(rnd.choice((1, 1, 1, 3, 10))):
            stream.append(records.Trace(count & 0xFFFF, bytes(rnd.choice((0, 20, 100, 700, 3900, 5000)))))
            count += 1
        action = rnd.random()
        if action < 0.45:
            stream.flush()
            mark(count)
        elif action < 0.65:
            stream.flush(fill=False)
            mark(count)
        elif action < 0.75:
            stream._write_back()
        elif action < 0.85:
            stream.roll()
            mark(count)


def numbers_in(folder: Path) -> list[int]:
    """The numbers of the records in a stream, whose chain must be sound."""
    found: list[int] = []
    previous = None
    for path in [*list_generations(folder, "edb").values(), folder / "edb.log"]:
        with LogFile(path) as log:
            assert log.end.damage is None
            if previous is not None:
                assert (log.header.created_previous, log.header.previous_checksum) == previous
            previous = log.header.created, log.accumulated_checksum
            for _, record in log.records():
                if isinstance(record, records.Trace):
                    found.append(record.procid)
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("circular", [False, True])
def test_crash_at_any_moment(tmp_path: Path, seed: int, circular: bool) -> None:
    rnd = random.Random(seed)
    files = RecordingFiles()
    folder = tmp_path / "live"
    folder.mkdir()
    stream = LogStream.create(folder, log_file_size=SIZE, files=files, reserves=0, circular=circular)
    if circular:
        stream.checkpoint = lambda: Lgpos(max(1, stream.generation - 1), 1, 0)
    start = len(files.changes)
    promises: list[tuple[int, int]] = [(start, 0)]
    life(stream, rnd, 60, lambda count: promises.append((len(files.changes), count)))
    stream.close(flush=False)
    changes = files.changes
    disk = Disk()
    moment = 0
    crashes = 0
    for stop in sorted(rnd.sample(range(start, len(changes) + 1), min(30, len(changes) - start))):
        while moment < stop:
            disk.apply(changes[moment])
            moment += 1
        promised = max(count for at, count in promises if at <= stop)
        target = tmp_path / f"crash{stop}"
        disk.crash(rnd, target)
        again = LogStream.resume(target, reserves=0, circular=circular)
        last = again.append(records.RecoveryUndo2())
        again.flush()
        again.append(records.ShutDownMark())
        again.roll()
        again.close()
        found = numbers_in(target)
        count = found[-1] + 1 if found else 0
        assert found == list(range(count - len(found), count))
        assert count >= promised or (circular and not found), (stop, changes[stop - 1][0])
        assert circular or len(found) == count
        assert last > Lgpos(1, 0, 0)
        crashes += 1
    assert crashes > 20


def test_torn_rewrite_of_a_durable_segment(tmp_path: Path) -> None:
    """Every state in which the tail, on disk already, is written again with more records keeps the records it had."""
    files = RecordingFiles()
    live = tmp_path / "live"
    live.mkdir()
    stream = LogStream.create(live, log_file_size=SIZE, files=files, reserves=0)
    stream.append(records.Trace(0, b"first" * 20))
    stream.flush(fill=False)
    start = len(files.changes)
    for number in range(1, 8):
        stream.append(records.Trace(number, b"later" * 180))
        stream.flush(fill=bool(number % 3))
    stream.close(flush=False)
    for stop in range(start, len(files.changes) + 1):
        for seed in range(6):
            disk = Disk()
            for change in files.changes[:stop]:
                disk.apply(change)
            target = tmp_path / f"{stop}-{seed}"
            disk.crash(random.Random(seed), target)
            LogStream.resume(target, reserves=0).close()
            assert numbers_in(target)[0] == 0


def test_damage_before_what_was_promised_is_no_unfinished_write(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0)
    for number in range(4):
        stream.append(records.Trace(number))
        stream.flush()
    stream.close()
    path = tmp_path / "edb.log"
    good = path.read_bytes()
    for isec, damaged in ((1, True), (2, True), (3, True), (4, False)):
        data = bytearray(good)
        data[isec * 4096 + 45] ^= 0xFF
        path.write_bytes(data)
        with LogFile(path) as log:
            assert (log.end.damage is not None) == damaged
            assert log.end.unfinished == (None if damaged else isec)
        # under the name of a closed generation it is damage wherever it lies
        archive = tmp_path / "edb00001.log"
        archive.write_bytes(data)
        with LogFile(archive) as log:
            assert log.end.damage is not None


def test_marks_can_be_left_out(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0, batch_marks=False)
    stream.append(records.Trace(0))
    stream.flush()
    stream.close()
    with LogFile(tmp_path / "edb.log") as log:
        assert log.segment(1)[24:36] == bytes(12)
        assert log.header.mark == 0
        assert [record.kind for _, record in log.records()] == [kinds.TRACE, kinds.NOP2]


@pytest.mark.parametrize("recycled", [False, True])
def test_a_roll_between_its_renames_is_known_as_such_until_it_is_over(tmp_path: Path, recycled: bool) -> None:
    """Without the current log only the temporary one says that none is missing; going on may be cut short too."""
    live = tmp_path / "live"
    live.mkdir()
    stream = LogStream.create(live, log_file_size=SIZE, reserves=0, circular=recycled)
    stream.append(records.Trace(0))
    stream.close()
    (live / "edb.log").rename(live / "edb00001.log")
    (live / "edbtmp.log").write_bytes(bytes(SIZE))
    names = {path.name for path in live.iterdir()}
    files = RecordingFiles()
    LogStream.resume(live, files=files, reserves=0, circular=recycled).close()
    for change in files.changes:
        if change[0] in ("create", "remove"):
            (names.add if change[0] == "create" else names.remove)(change[1])
        elif change[0] == "rename":
            names.remove(change[1])
            names.add(change[2])
        assert names & {"edb.log", "edbtmp.log"}, change
    assert numbers_in(live) == [0]
