"""Writing logs: the original's layout byte for byte, positions, generations, group commit, failures."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.log import kinds, records
from esent.log.buffer import SegmentBuffer
from esent.log.files import GENERATION_LIMIT, GENERATION_LIMIT_RECOVERY, list_generations
from esent.log.header import (
    FLAG_CIRCULAR,
    FLAG_EVER_CIRCULAR,
    FLAG_FROM_RESERVE,
    AttachInfo,
    DbmsParam,
    LogHeader,
    LogVersion,
)
from esent.log.reader import LogFile
from esent.log.scan import SEGMENT_SIZE, scan_segment
from esent.log.segments import segment_time
from esent.log.writer import LogStream
from esent.pages.filesystem import File, FileSystem
from esent.pages.primitives import Lgpos, LogTime, Signature

SIZE = 32 * 4096
NOW = LogTime(1, 2, 3, 4, 5, 126, 7, True)
SMALL = records.Commit0(5, trx_commit0=8)


def made(number: int, size: int = 20) -> records.Record:
    return records.Trace(number & 0xFFFF, bytes(size))


def read_all(directory: Path, base: str = "edb") -> list[tuple[Lgpos, records.Record]]:
    """All records but filler of a stream, whose chain of generations is checked on the way."""
    found: list[tuple[Lgpos, records.Record]] = []
    previous: tuple[LogHeader, int] | None = None
    for path in [*list_generations(directory, base).values(), directory / f"{base}.log"]:
        with LogFile(path) as log:
            assert log.end.damage is None
            if previous is not None:
                assert log.header.generation == previous[0].generation + 1
                assert log.header.created_previous == previous[0].created
                assert log.header.previous_checksum == previous[1]
                assert log.header.signature == previous[0].signature
            previous = log.header, log.accumulated_checksum
            found += [pair for pair in log.records() if pair[1].kind != kinds.NOP2]
    return found


# ---- layout ----------------------------------------------------------------------------------------------------


def whole_records(log: LogFile) -> Iterator[tuple[int, bytes]]:
    """(segment, record) of everything in a log, as it lies there: NOP2 included, fragments joined.

    A record that a crash cut off at the end is made up to its length.
    """
    joined = b""
    begun = total = 0
    for isec in range(1, log.end.last + 1):
        segment = log.segment(isec)
        for kind, offset, size in scan_segment(segment, 0, 40)[0]:
            if kind == kinds.FRAGMENT:
                joined += segment[offset + 3 : offset + size]
                if len(joined) == total:
                    yield begun, joined
                    total = 0
            elif kind == kinds.FRAGMENT_BEGIN:
                begun, total = isec, int.from_bytes(segment[offset + 1 : offset + 5], "little")
                joined = segment[offset + 7 : offset + size]
            else:
                yield isec, segment[offset : offset + size]
    if total:
        yield begun, joined.ljust(total, b"?")


def test_genuine_segments_come_out_byte_for_byte(genuine_logs: list[Any]) -> None:
    segments = 0
    for genuine in genuine_logs:
        with LogFile(genuine.path) as log:
            original = b"".join(log.segment(isec) for isec in range(1, log.end.last + 1))
            times = [segment_time(original, offset) for offset in range(0, len(original), SEGMENT_SIZE)]
            times += [NOW, NOW, NOW]  # for what a crash cut off
            buffer = SegmentBuffer(log.generation, 0, log.header.file_segments - 2, iter(times).__next__, marked=False)
            for isec, data in whole_records(log):
                room = SEGMENT_SIZE - buffer.ib
                if isec > buffer.isec and (room >= 32 or len(data) <= room):
                    buffer.ib = SEGMENT_SIZE  # the original left the segment here: a restart
                buffer.append(data)
            written = b"".join(buffer.take(1, close=True))
            assert written[: len(original)] == original, genuine.name
            segments += log.end.last
    assert segments > 7000


def test_fits_says_what_append_does() -> None:
    rnd = random.Random(5)
    for _ in range(300):
        buffer = SegmentBuffer(1, 0, 6, lambda: NOW)
        while True:
            size = rnd.choice((1, 4, 8, 26, 31, 32, 60, 500, 4000, 4049, 4050, 4056, 4057, 8102, 9000))
            sizes = [size, rnd.choice((1, 8, 40, 4056))]
            if not buffer.fits(sizes):
                break
            for each in sizes:
                buffer.append(bytes(each))
        assert buffer.isec <= 6
        buffer.append(bytes(sizes[0]))
        buffer.append(bytes(sizes[1]))
        assert buffer.isec > 6


# ---- streams ----------------------------------------------------------------------------------------------------


def test_positions_are_those_the_reader_gives(tmp_path: Path) -> None:
    rnd = random.Random(1)
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0)
    written = []
    for number in range(2500):
        record = made(number, rnd.choice((0, 10, 60, 300, 4000, 4060, 9000) if number % 40 == 0 else (0, 9, 60, 120)))
        written.append((stream.append(record), record))
        if number % 37 == 0:
            stream.flush(written[-1][0])
            assert stream.is_durable(written[-1][0])
        if number % 700 == 699:
            assert stream.roll() == stream.generation
    stream.close()
    assert read_all(tmp_path) == written
    assert len(list_generations(tmp_path, "edb")) >= 3


def test_header_of_a_new_stream(tmp_path: Path) -> None:
    attached = AttachInfo(1, "D:\\a.edb", 5, 6, 0, Lgpos(1, 1, 616), Lgpos(), Signature(4))
    param = DbmsParam("C:\\s\\", "C:\\l\\", 0, 64, 2000, 4096, 4096, 254)
    stream = LogStream.create(tmp_path, "abc", page_size=8192, log_file_size=SIZE, dbms_param=param, reserves=2)
    stream.attachments = lambda position: [attached] if position > attached.lgpos_attach else []
    stream.checkpoint = lambda: Lgpos(1, 7, 7)
    stream.append(SMALL)
    announced = []
    stream.on_new_generation = lambda generation, created: announced.append((generation, created))
    stream.roll()
    stream.close()
    with LogFile(tmp_path / "abc00001.log", page_size=8192, generation=1) as log:
        header = log.header
        assert (header.checkpoint, header.attachments, header.flags, header.previous_checksum) == (Lgpos(1, 1, 0), [], 0, 0)
        assert header.version == (8, 4000, 5, 16)
        assert header.dbms_param.log_file_segments == header.file_segments == 32
        assert header.dbms_param.sessions == 64
    with LogFile(tmp_path / "abc.log", signature=stream.signature, generation=2) as log:
        assert (log.header.checkpoint, log.header.attachments) == (Lgpos(1, 7, 7), [attached])
        assert announced == [(2, log.header.created)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "abc.log",
        "abc00001.log",
        "abcres00001.jrs",
        "abcres00002.jrs",
    ]
    assert (tmp_path / "abcres00002.jrs").stat().st_size == SIZE
    with pytest.raises(JetError) as problem:
        LogStream.create(tmp_path, "abc")
    assert problem.value.code == codes.JET_errFileAlreadyExists


def test_waited_for_segments_are_full_and_others_have_a_shadow(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0)
    stream.append(SMALL)
    stream.flush()
    assert stream.tip() == Lgpos(1, 2, 0)
    stream.append(SMALL)
    stream.flush(fill=False)
    assert stream.tip() == Lgpos(1, 2, 48)
    data = (tmp_path / "edb.log").read_bytes()
    assert data[2 * 4096 : 3 * 4096] == data[3 * 4096 : 4 * 4096] != bytes(4096)
    stream.append(made(1, 5000))
    stream.fill_segment()
    assert stream.tip() == Lgpos(1, 4, 0)
    stream.close()
    assert [found for _, found in read_all(tmp_path)] == [SMALL, SMALL, made(1, 5000)]


def test_resume_goes_on_in_a_fresh_segment(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0)
    first = stream.append(SMALL)
    stream.close()
    again = LogStream.resume(tmp_path, reserves=0)
    assert (again.signature, again.generation, again.created) == (stream.signature, 1, stream.created)
    second = again.append(SMALL)
    assert (first, second) == (Lgpos(1, 1, 0), Lgpos(1, 1, 48))  # a reader comes upon it where the filler begins
    again.roll()
    third = again.append(SMALL)
    again.close()
    assert [place for place, _ in read_all(tmp_path)] == [first, second, third]


def test_resume_behind_the_last_usable_segment(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0)
    while stream.tip().isec < 30:
        stream.append(made(1, 500))
    stream.close()
    again = LogStream.resume(tmp_path, reserves=0)
    assert again.append(SMALL) == Lgpos(2, 1, 0)
    again.close()
    assert read_all(tmp_path)[-1] == (Lgpos(2, 1, 0), SMALL)


def test_states_a_stopped_roll_leaves(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0)
    stream.append(SMALL)
    stream.roll()
    stream.append(SMALL)
    stream.close()
    archive, current, temporary = tmp_path / "edb00002.log", tmp_path / "edb.log", tmp_path / "edbtmp.log"
    current.rename(archive)
    with pytest.raises(JetError) as problem:
        LogStream.resume(tmp_path)
    assert problem.value.code == codes.JET_errMissingLogFile
    temporary.write_bytes(b"half")
    again = LogStream.resume(tmp_path, reserves=0)
    assert (again.generation, again.append(SMALL)) == (3, Lgpos(3, 1, 0))
    again.close()
    assert not temporary.exists()
    assert len(read_all(tmp_path)) == 3
    temporary.write_bytes(b"half")
    LogStream.resume(tmp_path, reserves=0).close()
    assert not temporary.exists()
    current.unlink()
    allowed = LogStream.resume(tmp_path, reserves=0, allow_missing_current=True)
    assert allowed.generation == 3
    allowed.close()


def test_nothing_to_resume(tmp_path: Path) -> None:
    (tmp_path / "edbtmp.log").write_bytes(b"")
    with pytest.raises(JetError) as problem:
        LogStream.resume(tmp_path, allow_missing_current=True)
    assert problem.value.code == codes.JET_errMissingLogFile


def test_resume_of_genuine_streams(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/dirty-4k", tmp_path / "a")
    with LogFile(folder / "edb.log") as log:
        before, end = list(log.records()), log.end_position
    stream = LogStream.resume(folder, reserves=2)
    place = stream.append(records.RecoveryUndo2(NOW))
    stream.roll()
    stream.close()
    with LogFile(folder / "edb0000F.log") as log:
        found = list(log.records())
        assert found == [*before, (place, records.RecoveryUndo2(NOW))]
        assert log.end.last == end.isec
        checksum = log.accumulated_checksum
    with LogFile(folder / "edb.log") as log:
        assert log.header.previous_checksum == checksum
        assert log.header.version == (8, 4000, 5, 16)
    folder = fixtures.copy_set("engine/efv-9600", tmp_path / "b")
    stream = LogStream.resume(folder)
    stream.roll()
    stream.close()
    with LogFile(folder / "edb.log") as log:
        assert log.header.version == LogVersion(8, 4000, 130, 280)
    folder = fixtures.copy_set("windows/srum-server2022-second-day", tmp_path / "c")
    stream = LogStream.resume(folder, "SRU")
    assert (stream.generation, stream.tip()) == (5, Lgpos(5, 6, 66))  # segment 6 ends with filler from there on
    stream.close()


def test_resume_puts_right_what_reading_corrects(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/damaged-logs-4k/base", tmp_path)
    path = folder / "edb.log"
    good = path.read_bytes()
    data = bytearray(good)
    data[5 * 4096 + 100] ^= 0x08
    data[26 * 4096 + 200] ^= 0xFF  # the tail, whose shadow is in the place behind it
    path.write_bytes(data)
    LogStream.resume(folder, reserves=2).close()
    assert path.read_bytes() == good


def test_resume_of_a_name_in_another_case(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0)
    stream.append(SMALL)
    stream.close()
    (tmp_path / "edb.log").rename(tmp_path / "EDB.LOG")
    again = LogStream.resume(tmp_path, reserves=0)
    again.append(SMALL)
    again.roll()
    again.close()
    assert len(read_all(tmp_path)) == 2


def test_damage_is_not_continued(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/dirty-4k", tmp_path)
    data = bytearray((folder / "edb.log").read_bytes())
    data[5 * 4096 + 100] ^= 0xFF
    (folder / "edb.log").write_bytes(data)
    with pytest.raises(JetError) as problem:
        LogStream.resume(folder)
    assert problem.value.code == codes.JET_errLogFileCorrupt
    assert (folder / "edb.log").read_bytes() == data


def test_record_too_large_for_a_log(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=16 * 4096, reserves=0)
    stream.append(SMALL)
    stream.append(made(1, 50_000))
    with pytest.raises(JetError) as problem:
        stream.append(made(1, 60_000))
    assert problem.value.code == codes.JET_errLogBufferTooSmall
    group = [made(number, 30_000) for number in range(4)]
    places = stream.append_all(group)
    stream.close()
    assert [pair for pair in read_all(tmp_path) if pair[0] in places] == list(zip(places, group, strict=True))


def test_groups_are_not_interleaved(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0)

    def work(procid: int) -> None:
        for _ in range(100):
            stream.append_all([records.Commit0(procid), records.Trace(procid, b"x" * 300), records.Begin0(procid)])
            stream.flush()

    workers = [threading.Thread(target=work, args=(procid,)) for procid in range(1, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    stream.close()
    found = [record for _, record in read_all(tmp_path)]
    assert len(found) == 1200
    for at in range(0, 1200, 3):
        assert [record.kind for record in found[at : at + 3]] == [kinds.COMMIT0, kinds.TRACE, kinds.BEGIN0]
        assert len({record.procid for record in found[at : at + 3]}) == 1


class CountingFiles(FileSystem):
    """Counts syncs and lets a test stop them."""

    def __init__(self) -> None:
        self.syncs = 0
        self.gate = threading.Event()
        self.gate.set()
        self.fail: int | None = None
        self.full = False
        self.room = 1 << 60

    def open(self, path: Path, **options: Any) -> File:
        file = super().open(path, **options)
        sync, write = file.sync, file.write

        def counted() -> None:
            self.gate.wait()
            self.syncs += 1
            if self.fail is not None:
                raise jet_error(self.fail, "injected", file=path)
            sync()

        def bounded(offset: int, data: Any) -> None:
            if self.full and offset + len(data) > file.size():
                raise jet_error(codes.JET_errDiskFull, "injected", file=path)
            write(offset, data)

        file.sync, file.write = counted, bounded  # type: ignore[method-assign]
        return file


def test_waiting_threads_share_a_write(tmp_path: Path) -> None:
    files = CountingFiles()
    stream = LogStream.create(tmp_path, log_file_size=SIZE, files=files, reserves=0)
    files.syncs = 0
    files.gate.clear()
    ready = threading.Barrier(9)

    def work() -> None:
        place = stream.append(SMALL)
        ready.wait()
        stream.flush(place)
        assert stream.is_durable(place)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    ready.wait()
    files.gate.set()
    for worker in workers:
        worker.join(10)
        assert not worker.is_alive()
    assert files.syncs == 1
    stream.close()


def test_flush_of_what_is_durable_does_nothing(tmp_path: Path) -> None:
    files = CountingFiles()
    stream = LogStream.create(tmp_path, log_file_size=SIZE, files=files, reserves=0)
    place = stream.append(SMALL)
    stream.flush()
    count = files.syncs
    stream.flush(place)
    stream.flush()
    assert files.syncs == count
    stream.close()


def test_a_failed_write_ends_the_stream(tmp_path: Path) -> None:
    files = CountingFiles()
    stream = LogStream.create(tmp_path, log_file_size=SIZE, files=files, reserves=0)
    stream.append(SMALL)
    files.fail = codes.JET_errDiskIO
    for call in (stream.flush, stream.flush, lambda: stream.append(SMALL), stream.roll, stream.fill_segment):
        with pytest.raises(JetError) as problem:
            call()
        assert problem.value.code == codes.JET_errLogWriteFail
        files.fail = None
    assert stream.failed is not None
    stream.close()


def test_a_failure_while_rolling_ends_the_stream(tmp_path: Path) -> None:
    files = CountingFiles()
    stream = LogStream.create(tmp_path, log_file_size=SIZE, files=files, reserves=0)
    files.fail = codes.JET_errDiskIO
    with pytest.raises(JetError) as problem:
        stream.roll()
    assert problem.value.code == codes.JET_errLogWriteFail
    with pytest.raises(JetError):
        stream.append(SMALL)
    stream.close()


def test_a_failing_callback_ends_the_stream(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0)

    def refuse(generation: int, created: LogTime) -> None:
        raise jet_error(codes.JET_errDiskIO, "header")

    stream.on_new_generation = refuse
    with pytest.raises(JetError) as problem:
        stream.roll()
    assert problem.value.code == codes.JET_errDiskIO
    with pytest.raises(JetError) as problem:
        stream.append(SMALL)
    assert problem.value.code == codes.JET_errLogWriteFail
    stream.close()


def test_logging_from_the_callback_is_refused(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0)
    stream.on_new_generation = lambda generation, created: stream.append(SMALL) and None
    with pytest.raises(JetError) as problem:
        stream.roll()
    assert problem.value.code == codes.JET_errInternalError
    stream.close()


def test_callbacks_may_ask_and_flush(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0)
    tips = []

    def announce(generation: int, created: LogTime) -> None:
        stream.flush()
        tips.append((stream.tip(), stream.durable_tip()))

    stream.on_new_generation = announce
    stream.append(SMALL)
    stream.roll()
    assert tips == [(Lgpos(2, 1, 0), Lgpos(2, 1, 0))]
    stream.close()


def test_full_disk(tmp_path: Path) -> None:
    files = CountingFiles()
    stream = LogStream.create(tmp_path, log_file_size=SIZE, files=files, reserves=2)
    files.full = True
    assert stream.roll() == 2
    assert stream.disk_full
    assert not (tmp_path / "edbres00002.jrs").exists()
    with pytest.raises(JetError) as problem:
        stream.append(SMALL)
    assert problem.value.code == codes.JET_errLogDiskFull
    stream.append_all([records.Undo(5), records.Rollback(5)])
    stream.flush()
    with LogFile(tmp_path / "edb.log") as log:
        assert log.header.flags & FLAG_FROM_RESERVE
    files.full = False
    stream._last_try = 0.0
    stream.append(SMALL)
    assert not stream.disk_full
    assert (tmp_path / "edbres00002.jrs").exists()
    files.full = True
    stream.roll()
    stream.roll()
    with pytest.raises(JetError) as problem:
        stream.roll()
    assert problem.value.code == codes.JET_errLogDiskFull
    with pytest.raises(JetError) as problem:
        stream.append(records.Rollback(5))
    assert problem.value.code == codes.JET_errLogDiskFull
    stream.close()
    assert [found.kind for _, found in read_all(tmp_path)] == [kinds.UNDO, kinds.ROLLBACK, kinds.COMMIT0]


def test_no_room_for_a_stream(tmp_path: Path) -> None:
    files = CountingFiles()
    files.full = True
    with pytest.raises(JetError) as problem:
        LogStream.create(tmp_path, files=files)
    assert problem.value.code == codes.JET_errLogDiskFull
    assert list(tmp_path.iterdir()) == []


class _Making(FileSystem):
    """Counts the logs that are made anew."""

    def __init__(self) -> None:
        self.made = 0

    def open(self, path: Path, *, writable: bool = False, create: bool = False, exclusive: bool = False) -> File:
        self.made += path.suffix == ".log" and (create or exclusive) and not path.exists()
        return super().open(path, writable=writable, create=create, exclusive=exclusive)


def test_circular_logging(tmp_path: Path) -> None:
    files = _Making()
    stream = LogStream.create(tmp_path, log_file_size=SIZE, circular=True, reserves=0, files=files)
    stream.checkpoint = lambda: Lgpos(stream.generation - 1, 1, 0)
    for number in range(8):
        stream.append(made(number, 3000 * number))
        stream.flush()
        stream.roll()
    assert list(list_generations(tmp_path, "edb")) == [8]
    stream.keep_from = lambda: 8
    stream.roll()
    stream.roll()
    assert list(list_generations(tmp_path, "edb")) == [8, 9, 10]
    made_so_far = files.made
    stream.keep_from = None
    stream.roll()
    assert files.made == made_so_far  # the file of a generation nobody needs any more came back as the new log
    assert list(list_generations(tmp_path, "edb")) == [11]
    stream.append(SMALL)
    stream.close()
    with LogFile(tmp_path / "edb.log") as log:
        assert log.header.flags == FLAG_CIRCULAR | FLAG_EVER_CIRCULAR
        assert log.header.dbms_param.circular
        assert [found for _, found in log.records()] == [SMALL]
    again = LogStream.resume(tmp_path, reserves=0)
    again.roll()
    again.close()
    with LogFile(tmp_path / "edb.log") as log:
        assert log.header.flags == FLAG_EVER_CIRCULAR


def test_deleting_closed_logs(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0)
    for _ in range(5):
        stream.roll()
    assert stream.delete_generations_below(4) == [1, 2, 3]
    assert stream.delete_generations_below(100) == [4, 5]
    assert stream.generation == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edb.log"]
    stream.close()


def test_end_of_the_sequence(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0, generation=GENERATION_LIMIT - 1, signature=Signature(1))
    stream.append(SMALL)
    assert stream.roll() == GENERATION_LIMIT
    assert stream.sequence_end
    with pytest.raises(JetError) as problem:
        stream.append(SMALL)
    assert problem.value.code == codes.JET_errLogSequenceEnd
    stream.append(records.Rollback(5))
    stream.append(records.Term2())
    stream.close()
    assert (tmp_path / f"edb{GENERATION_LIMIT - 1:08X}.log").exists()
    (tmp_path / "edb.log").unlink()
    last = LogStream.create(
        tmp_path, log_file_size=SIZE, reserves=0, generation=GENERATION_LIMIT_RECOVERY, signature=Signature(1)
    )
    last.recovering = True
    last.append(SMALL)
    with pytest.raises(JetError) as problem:
        last.roll()
    assert problem.value.code == codes.JET_errLogSequenceEnd
    last.close()


def test_closed_stream(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0)
    stream.close()
    with pytest.raises(JetError) as problem:
        stream.append(SMALL)
    assert problem.value.code == codes.JET_errLoggingDisabled
    stream.close()


def test_long_runs_without_waiting_keep_the_buffer_small(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=4 << 20, reserves=0)
    for number in range(900):
        stream.append(made(number, 4000))
        assert stream.buffered <= 260
    stream.close()
    assert len(read_all(tmp_path)) == 900


def test_eight_digits(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0, digits=8, extension=".jtx")
    stream.roll()
    stream.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edb.jtx", "edb00000001.jtx"]
    again = LogStream.resume(tmp_path, reserves=0)
    again.roll()
    again.close()
    assert (tmp_path / "edb00000002.jtx").exists()


@pytest.mark.parametrize("room", [0, 1, 4, 5, 20, 31, 32, 900])
def test_the_first_position_behind_a_resume_is_that_of_the_reader(tmp_path: Path, room: int) -> None:
    """Where the last segment ends with filler, a reader comes upon what follows at the filler."""
    stream = LogStream.create(tmp_path, log_file_size=SIZE, reserves=0)
    size = len(made(1, 0).encode())
    stream.append(made(1, 4096 - 40 - room - size))
    stream.flush(fill=False)
    stream.close()
    with LogFile(tmp_path / "edb.log") as log:
        filled = log.filler
    again = LogStream.resume(tmp_path, reserves=0)
    tip = again.tip()
    places = [again.append(SMALL), again.append(made(2, 30))]
    again.close()
    assert places[0] == tip == (Lgpos(1, 1, filled) if filled < 4096 else Lgpos(1, 2, 0))
    assert [place for place, _ in read_all(tmp_path)[1:]] == places
    third = LogStream.resume(tmp_path, reserves=0)
    third.flush(third.tip())
    assert third.append(SMALL) == read_after(third, tmp_path)


def read_after(stream: LogStream, folder: Path) -> Lgpos:
    stream.close()
    return read_all(folder)[-1][0]
