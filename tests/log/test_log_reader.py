"""Reading logs: positions and ends against the original's listings, classification of damage, hostile files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esent.constants import codes
from esent.errors import JetError
from esent.log import kinds, records
from esent.log.header import LogHeader, LogVersion
from esent.log.reader import LogFile
from esent.log.segments import Damage, find_end, seal, segment_head
from esent.pages.checksum import header_checksum
from esent.pages.filesystem import FILES
from esent.pages.primitives import Lgpos, LogTime, Signature

Variant = Callable[[str, str], tuple[Path, dict[str, Any]]]
NOW = LogTime(1, 2, 3, 4, 5, 126, 7, True)
SHUT_DOWN_MARK_IS_NOT_LISTED = kinds.SHUT_DOWN_MARK


def test_positions_and_ends_of_all_genuine_logs(genuine_logs: list[Any]) -> None:
    total = 0
    for genuine in genuine_logs:
        with LogFile(genuine.path) as log:
            places = [place for place, found in log.records() if found.kind != SHUT_DOWN_MARK_IS_NOT_LISTED]
            assert places == [Lgpos(*line["lgpos"]) for line in genuine.records], genuine.name
            assert log.end.damage is None
            assert log.end.last == len(genuine.segments), genuine.name
            assert log.end_position == Lgpos(*genuine.facts["last_lgpos"]["lgpos"]), genuine.name
            assert log.accumulated_checksum == int(genuine.facts["accumulated_segment_checksum"], 16), genuine.name
            for line in genuine.segments:
                stored = int.from_bytes(log.segment(line["segment"])[:8], "little")
                assert stored == int(line["checksum"], 16)
        total += len(places)
    assert total > 380_000


def test_every_genuine_record_encodes_to_its_bytes(genuine_logs: list[Any]) -> None:
    seen = set()
    for genuine in genuine_logs:
        with LogFile(genuine.path) as log:
            for batch in log.entries():
                for isec, ib, kind, data, offset, size in batch:
                    found = records.decode_sized(data, offset, size)
                    assert found.encode() == data[offset : offset + size], (genuine.name, isec, ib)
                    seen.add(kind)
    assert len(seen) >= 40


def test_reading_may_start_at_any_record(genuine_logs: list[Any]) -> None:
    genuine = next(genuine for genuine in genuine_logs if genuine.name == "clean-16k/edb00002.log")
    with LogFile(genuine.path) as log:
        everything = list(log.records())
        for index in range(0, len(everything), 97):
            assert list(log.records(everything[index][0])) == everything[index:]
        assert list(log.records(Lgpos(1, 5, 5))) == everything
        assert list(log.records(Lgpos(3, 0, 0))) == []


def test_closed_logs_are_told_from_crashed_ones(fixtures: Any) -> None:
    with LogFile(fixtures.path("engine/clean-4k/edb.log")) as log:
        assert log.end.closed
    with LogFile(fixtures.path("engine/dirty-4k/edb.log")) as log:
        assert not log.end.closed


@pytest.mark.parametrize(
    ("set_name", "name", "damage", "repaired"),
    [
        ("damaged-logs-4k", "cut", Damage.CORRUPT_SEGMENT, False),
        ("damaged-logs-4k", "flip", Damage.CORRUPT_SEGMENT, False),
        ("damaged-logs-4k", "flip-last", Damage.CORRUPT_SEGMENT, False),
        ("damaged-logs-4k", "flip-bit-last", None, False),
        ("damaged-logs-4k", "garbage-after", Damage.CORRUPT_AFTER_EMPTY, False),
        ("damaged-logs-4k", "lastfill", None, False),
        ("damaged-logs-4k", "zero", None, False),
        ("damaged-checkpoint-8k", "cut", Damage.CORRUPT_SEGMENT, False),
        ("damaged-checkpoint-8k", "flip", Damage.CORRUPT_SEGMENT, False),
        ("damaged-checkpoint-8k", "flip-last", Damage.CORRUPT_SEGMENT, False),
        ("damaged-checkpoint-8k", "flip-bit-last", None, True),
        ("damaged-checkpoint-8k", "garbage-after", None, False),
        ("damaged-checkpoint-8k", "lastfill", None, False),
    ],
)
def test_damaged_current_logs(variant: Variant, set_name: str, name: str, damage: Damage | None, repaired: bool) -> None:
    folder, outcome = variant(set_name, name)
    with LogFile(folder / "edb.log") as log:
        assert log.end.damage == damage
        assert bool(log.end.repaired) == repaired
        assert (damage is None) == (outcome["JetInit"]["err"] == 0)
        assert sum(1 for _ in log.records()) > 0


def test_damaged_archives(variant: Variant) -> None:
    folder, _ = variant("damaged-logs-4k", "middle-flip-bit")
    with LogFile(folder / "edb00005.log") as log:
        assert log.end.damage is None
        assert log.end.repaired == {10}
        mended = list(log.records())
    folder, _ = variant("damaged-logs-4k", "middle-flip")
    with LogFile(folder / "edb00005.log") as log:
        assert (log.end.damage, log.end.damaged, log.end.last) == (Damage.CORRUPT_SEGMENT, 10, 9)
        before = list(log.records())
    assert mended[: len(before)] == before


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("header-flip", codes.JET_errLogFileCorrupt),
        ("trunc", codes.JET_errLogFileSizeMismatch),
        ("trunc-sector", codes.JET_errLogFileSizeMismatch),
    ],
)
def test_refused_headers(variant: Variant, name: str, code: int) -> None:
    folder, _ = variant("damaged-logs-4k", name)
    with pytest.raises(JetError) as problem:
        LogFile(folder / "edb.log")
    assert problem.value.code == code


def test_header_expectations(fixtures: Any) -> None:
    path = fixtures.path("engine/clean-4k/edb00001.log")
    for expected, code in (
        ({"page_size": 8192}, codes.JET_errPageSizeMismatch),
        ({"signature": Signature(1)}, codes.JET_errBadLogSignature),
        ({"generation": 2}, codes.JET_errLogGenerationMismatch),
    ):
        with pytest.raises(JetError) as problem:
            LogFile(path, **expected)
        assert problem.value.code == code


# ---- made logs ------------------------------------------------------------------------------------------------------------


def made_segment(content: bytes, isec: int, generation: int = 1) -> bytes:
    return seal((segment_head(generation, isec, NOW) + content).ljust(4096, b"\0"), isec)


def made_log(path: Path, *segments: bytes, count: int = 8) -> Path:
    header = LogHeader(1, file_segments=count, signature=Signature(1), created=NOW)
    path.write_bytes((header.pack() + b"".join(segments)).ljust(count * 4096, b"\0"))
    return path


def whole(content: bytes) -> bytes:
    """The content, filled up to a segment's end."""
    return content + records.Nop2(4056 - len(content) - 5).encode()


def pieces(record: bytes, room: int) -> list[bytes]:
    """A record cut into what fits behind `room` bytes left of a segment, and the following ones."""
    begin = records.FragmentBegin(len(record), record[: room - 7]).encode()
    rest = record[room - 7 :]
    return [begin] + [records.Fragment(rest[at : at + 4053]).encode() for at in range(0, len(rest), 4053)]


COMMIT = records.Commit0(5, trx_commit0=8)
BIG = records.Trace(5, b"x" * 6000)


def test_torn_tail_is_read_from_its_shadow(tmp_path: Path) -> None:
    first = made_segment(whole(COMMIT.encode()), 1)
    tail = made_segment(COMMIT.encode() * 3, 2)
    torn = tail[:2048] + bytes(number * number % 251 for number in range(2048))
    with LogFile(made_log(tmp_path / "a.log", first, torn, tail)) as log:
        assert (log.end.torn, log.end.last, log.end.damage) == (2, 2, None)
        assert log.end.mended == {2: tail}
        assert [found for _, found in log.records()].count(COMMIT) == 4
    with LogFile(made_log(tmp_path / "b.log", first, tail, torn)) as log:
        assert (log.end.damage, log.end.damaged) == (Damage.CORRUPT_SEGMENT, 3)


def test_stale_future_and_late_segments(tmp_path: Path) -> None:
    first = made_segment(COMMIT.encode(), 1, 5)
    header = LogHeader(5, file_segments=8, signature=Signature(1), created=NOW)

    def ends(*segments: bytes) -> Any:
        path = tmp_path / "x.log"
        path.write_bytes((header.pack() + b"".join(segments)).ljust(8 * 4096, b"\0"))
        with LogFile(path) as log:
            return log.end

    stale = ends(first, made_segment(COMMIT.encode(), 2, 4))
    assert (stale.last, stale.damage) == (1, None)
    assert ends(first, made_segment(COMMIT.encode(), 2, 6)).damage == Damage.BAD_POSITION
    assert ends(first, bytes(4096), made_segment(COMMIT.encode(), 3, 5)).damage == Damage.VALID_AFTER_EMPTY
    last_slot = ends(first, *[bytes(4096)] * 5, made_segment(b"", 7, 5))
    assert (last_slot.last, last_slot.damage) == (1, None)


def test_record_cut_off_before_undo_is_dropped(tmp_path: Path) -> None:
    begun = pieces(BIG.encode(), 4056)[0]
    undo = records.RecoveryUndo2(NOW)
    with LogFile(made_log(tmp_path / "a.log", made_segment(begun, 1), made_segment(undo.encode(), 2))) as log:
        assert list(log.records()) == [(Lgpos(1, 2, 0), undo)]
    with LogFile(made_log(tmp_path / "b.log", made_segment(begun, 1))) as log:
        assert list(log.records()) == []
    with LogFile(made_log(tmp_path / "c.log", made_segment(begun, 1), made_segment(COMMIT.encode(), 2))) as log:
        with pytest.raises(JetError) as problem:
            list(log.records())
        assert problem.value.code == codes.JET_errLogFileCorrupt


def test_fragments_are_joined(tmp_path: Path) -> None:
    begun, rest = pieces(BIG.encode(), 4056 - 8)
    first = made_segment(COMMIT.encode() + begun, 1)
    with LogFile(made_log(tmp_path / "a.log", first, made_segment(rest + COMMIT.encode(), 2))) as log:
        assert list(log.records()) == [
            (Lgpos(1, 1, 0), COMMIT),
            (Lgpos(1, 1, 48), BIG),
            (Lgpos(1, 2, 40 + len(rest)), COMMIT),
        ]
        assert list(log.records(Lgpos(1, 2, 0))) == [(Lgpos(1, 2, 40 + len(rest)), COMMIT)]
        assert list(log.records(Lgpos(1, 1, 50))) == [(Lgpos(1, 2, 40 + len(rest)), COMMIT)]


@pytest.mark.parametrize(
    "contents",
    [
        [b"\x77"],
        [b"\x66" + bytes(8)],
        [records.Fragment(b"abc").encode()],
        [records.FragmentBegin(100, b"abc").encode()],
        [records.FragmentBegin(100, b"a" * 4049).encode()],
        [records.FragmentBegin(5000, b"a" * 4049).encode(), records.Fragment(b"b" * 100).encode()],
        [records.FragmentBegin(5000, b"a" * 4049).encode(), records.Fragment(b"b" * 951).encode()],
        [records.FragmentBegin(5000, b"a" * 4049).encode(), records.Fragment(b"b" * 952).encode()],
        [records.FragmentBegin(5000, b"\x4c" + b"a" * 4048).encode(), records.Fragment(b"b" * 951).encode()],
        [records.Trace(1, b"x" * 5000).encode()[:4056]],
        [records.MacroInfo().encode()[:1] + b"\x03\0\0\0abc"],
    ],
)
def test_undecodable_content_is_corruption(tmp_path: Path, contents: list[bytes]) -> None:
    segments = [made_segment(content, isec) for isec, content in enumerate(contents, 1)]
    with LogFile(made_log(tmp_path / "a.log", *segments)) as log:
        with pytest.raises(JetError) as problem:
            list(log.records())
        assert problem.value.code == codes.JET_errLogFileCorrupt


def test_versions() -> None:
    def header(version: LogVersion, page_size: int = 4096, file_type: int = 3) -> bytes:
        segment = 4096 if not version.is_legacy else 512
        return LogHeader(
            1, segment, 4096 // segment, 64, page_size, version=version, file_type=file_type, signature=Signature(1)
        ).pack()

    for accepted in ((8, 4000, 0, 0), (8, 4000, 5, 16), (8, 4000, 5, 9999), (8, 4000, 130, 280), (7, 3704, 17, 0)):
        assert LogHeader.parse(header(LogVersion(*accepted))).version == accepted
    assert LogHeader.parse(header(LogVersion(7, 3704, 4, 0), file_type=0)).file_type == 0
    for version, page_size, file_type, code in (
        ((8, 4000, 131, 0), 4096, 3, codes.JET_errBadLogVersion),
        ((8, 4001, 0, 0), 4096, 3, codes.JET_errBadLogVersion),
        ((9, 4000, 0, 0), 4096, 3, codes.JET_errBadLogVersion),
        ((7, 3703, 5, 0), 4096, 3, codes.JET_errBadLogVersion),
        ((7, 3704, 13, 0), 16384, 3, codes.JET_errBadLogVersion),
        ((8, 4000, 5, 16), 4096, 1, codes.JET_errFileInvalidType),
        ((7, 3704, 5, 0), 4096, 0, codes.JET_errFileInvalidType),
    ):
        with pytest.raises(JetError) as problem:
            LogHeader.parse(header(LogVersion(*version), page_size, file_type))
        assert problem.value.code == code


@pytest.fixture(scope="module")
def small_log(fixtures: Any) -> bytes:
    """The first 16 segments of a genuine log as a log of its own size."""
    data = fixtures.read("engine/clean-4k/edb00001.log")[: 16 * 4096]
    header = LogHeader.parse(data)
    header.file_segments = 20
    return (header.pack() + data[4096:]).ljust(20 * 4096, b"\0")


@given(
    edits=st.lists(st.tuples(st.integers(0, 20 * 4096 - 1), st.integers(1, 255)), min_size=1, max_size=6), reseal=st.booleans()
)
@settings(max_examples=150, deadline=None)
def test_damaged_bytes_end_in_records_or_an_error(
    small_log: bytes, tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int]], reseal: bool
) -> None:
    data = bytearray(small_log)
    for offset, change in edits:
        data[offset] ^= change
    if reseal:  # damage that carries right checksums reaches the decoders
        for offset, _ in edits:
            isec = offset // 4096
            if isec:
                data[isec * 4096 : (isec + 1) * 4096] = seal(data[isec * 4096 : (isec + 1) * 4096], isec)
    path = tmp_path_factory.getbasetemp() / "fuzzed.log"
    path.write_bytes(data)
    try:
        with LogFile(path) as log:
            count = sum(1 for _ in log.records())
            assert count <= len(data)
    except JetError:
        pass


@given(st.binary(max_size=200), st.integers(0, 4095))
@settings(max_examples=300, deadline=None)
def test_any_header_parses_or_raises(content: bytes, at: int) -> None:
    header = LogHeader(1, file_segments=64, signature=Signature(1)).pack()
    data = header[:at] + content + header[at + len(content) :]
    data = data[:4096]
    data = header_checksum(data).to_bytes(4, "little") + data[4:]
    try:
        found = LogHeader.parse(data)
    except JetError:
        return
    assert found.generation >= 1


def test_scan_stops_at_the_end_of_a_short_file() -> None:
    end = find_end(lambda offset, count: bytes(min(count, max(0, 3 * 4096 - offset))), 1, 65535)
    assert (end.last, end.damage) == (0, None)


def test_files_are_only_read(fixtures: Any, tmp_path: Path) -> None:
    target = tmp_path / "edb.log"
    target.write_bytes(fixtures.read("engine/dirty-4k/edb.log"))
    target.chmod(0o444)
    with LogFile(target, files=FILES) as log:
        assert not log._file.writable
        assert sum(1 for _ in log.records()) > 10
