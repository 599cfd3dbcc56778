"""Logs of the sector format 7.3704, made by hand after its description: ranges, stale bytes, torn ends, damage."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esent.constants import codes
from esent.errors import JetError
from esent.log import records
from esent.log.header import LogHeader, LogVersion
from esent.log.legacy import SEED, SHADOW, SHORT_IN_USE, SHORT_NOT_USED, SHORT_SEED, TILE, span_xor
from esent.log.reader import LogFile
from esent.log.segments import Damage
from esent.log.writer import LogStream
from esent.pages.primitives import Lgpos, LogTime, Signature
from esent.tools.log_dump import dump_log

SECTOR = 512
SECTORS = 64
FIRST = 8 * SECTOR
GENERATION = 7
NOW = LogTime(1, 2, 3, 4, 5, 100, 7, True)


def words(data: bytes) -> int:
    """The XOR of a span, written down as the description has it."""
    padded = data + bytes(-len(data) % 4)
    value = 0
    for (word,) in struct.iter_unpack("<I", padded):
        value ^= word
    return value


class LegacyLog:
    """Makes a log of the sector format: `flush` writes one range."""

    def __init__(self) -> None:
        header = LogHeader(
            GENERATION,
            SECTOR,
            8,
            SECTORS,
            4096,
            NOW,
            version=LogVersion(7, 3704, 15, 0),
            signature=Signature(3),
        )
        self.data = bytearray(header.pack() + TILE * (SECTORS - 8))
        self.checksums: list[tuple[int, int, int, int]] = []  # place, backwards, forwards, next

    def checksum(self, place: int, backwards: int, forwards: int, following: int) -> bytes:
        short = (place % SECTOR) + 22 + forwards > SECTOR
        flag = SHORT_IN_USE if short else SHORT_NOT_USED
        counts = backwards ^ forwards ^ following ^ flag ^ GENERATION
        before = bytes(self.data[place - backwards : place])
        behind = bytes(self.data[place + 22 : place + 22 + forwards])
        whole = SEED ^ words(before) ^ words(behind) ^ counts
        end = place - place % SECTOR + SECTOR
        part = SHORT_SEED ^ words(before) ^ words(bytes(self.data[place + 22 : end])) ^ counts if short else 0
        return struct.pack("<BIIIIIB", 42, backwards, forwards, following, whole, part, flag)

    def put(self, place: int, content: bytes) -> int:
        self.data[place : place + len(content)] = content
        return place + len(content)

    def seal(self, place: int, backwards: int, forwards: int, following: int) -> None:
        self.put(place, self.checksum(place, backwards, forwards, following))


def two_ranges(*, stale: bool = False) -> tuple[LegacyLog, list[tuple[Lgpos, records.Record]], int]:
    """A log of two ranges: the first of three sectors, the second within one; the place of the second LRCHECKSUM."""
    log = LegacyLog()
    wanted: list[tuple[Lgpos, records.Record]] = []
    at = FIRST + 22
    limit = FIRST + 3 * SECTOR
    number = 0
    while limit - at >= 120:
        record = records.Trace(number, bytes([number + 1]) * (40 + number))
        wanted.append((Lgpos(GENERATION, at // SECTOR, at % SECTOR), record))
        at = log.put(at, record.encode())
        number += 1
    filler = records.Trace(99, b"f" * (limit - at - 5 if stale else limit - at - 5 + 30))
    wanted.append((Lgpos(GENERATION, at // SECTOR, at % SECTOR), filler))
    at = log.put(at, filler.encode())
    if stale:
        at = log.put(limit, b"\xff" * 60)  # of an earlier flush, superseded
    second = at
    at = second + 22
    record = records.Commit0(5, trx_commit0=8)
    wanted.append((Lgpos(GENERATION, at // SECTOR, at % SECTOR), record))
    end = log.put(at, record.encode())
    log.seal(second, 0 if stale else second % SECTOR, end - second - 22, 0)
    log.seal(FIRST, 0, limit - FIRST - 22, second - FIRST - 22)
    return log, wanted, second


def written(log: LegacyLog, path: Path, data: bytes | None = None) -> Path:
    path.write_bytes(log.data if data is None else data)
    return path


def test_span_xor_counts_from_its_own_start() -> None:
    for size in (0, 1, 2, 3, 4, 5, 8, 13, 512, 1021):
        data = bytes((number * 37 + 11) % 256 for number in range(size))
        assert span_xor(data) == words(data)


@pytest.mark.parametrize("stale", [False, True])
def test_records_of_two_ranges(tmp_path: Path, stale: bool) -> None:
    log, wanted, _ = two_ranges(stale=stale)
    with LogFile(written(log, tmp_path / "edb.log"), generation=GENERATION) as file:
        assert (file.end.damage, file.end.torn, file.end.closed) == (None, None, False)
        assert list(file.records()) == wanted
        assert list(file.records(wanted[3][0])) == wanted[3:]
        assert file.end.last == (FIRST + 3 * SECTOR) // SECTOR
    lines = list(dump_log(tmp_path / "edb.log"))
    assert [line["type"] for line in lines][-1] == "Commit0"


def test_clean_end(tmp_path: Path) -> None:
    log = LegacyLog()
    end = log.put(FIRST + 22, records.Term2().encode())
    log.seal(FIRST, 0, end - FIRST - 22, 0)
    with LogFile(written(log, tmp_path / "edb.log")) as file:
        assert file.end.closed


def test_damage_in_a_range(tmp_path: Path) -> None:
    log, _, second = two_ranges()
    for place in (FIRST + 3, FIRST + 100, FIRST + SECTOR + 5):
        data = bytearray(log.data)
        data[place] ^= 0x10
        with LogFile(written(log, tmp_path / "edb.log", data)) as file:
            assert file.end.damage is not None
    data = bytearray(log.data)
    data[second + 23] ^= 0x10
    with LogFile(written(log, tmp_path / "edb.log", data)) as file:
        assert file.end.damage == Damage.CORRUPT_SEGMENT


def test_garbage_behind_the_end(tmp_path: Path) -> None:
    log, _, _ = two_ranges()
    data = bytearray(log.data)
    data[-700] ^= 1
    with LogFile(written(log, tmp_path / "edb.log", data)) as file:
        assert file.end.damage == Damage.CORRUPT_AFTER_EMPTY


def shadowed(log: LegacyLog, place: int) -> bytes:
    """The sector of an LRCHECKSUM as its shadow."""
    start = place - place % SECTOR
    image = bytearray(log.data[start : start + SECTOR])
    at = place - start + 13
    checksum = int.from_bytes(image[at : at + 4], "little") ^ SHADOW
    image[at : at + 4] = checksum.to_bytes(4, "little")
    return bytes(image)


def test_shadow_of_the_last_sector(tmp_path: Path) -> None:
    log, wanted, second = two_ranges()
    start = second - second % SECTOR
    log.put(start + SECTOR, shadowed(log, second))
    with LogFile(written(log, tmp_path / "a.log")) as file:
        assert (file.end.damage, file.end.torn) == (None, None)
        assert list(file.records()) == wanted
    log.data[start : start + SECTOR] = bytes(number % 256 for number in range(SECTOR))
    with LogFile(written(log, tmp_path / "b.log")) as file:
        assert (file.end.damage, file.end.torn) == (None, start // SECTOR)
        assert list(file.records()) == wanted


def test_last_flush_of_which_only_the_first_sector_arrived(tmp_path: Path) -> None:
    log = LegacyLog()
    at = FIRST + 22
    wanted = []
    for number in range(12):
        record = records.Trace(number, b"x" * 60)
        wanted.append((Lgpos(GENERATION, at // SECTOR, at % SECTOR), record))
        at = log.put(at, record.encode())
    log.seal(FIRST, 0, at - FIRST - 22, 0)
    whole = [pair for pair in wanted if pair[0].isec == 8 and pair[0].ib + 65 <= SECTOR]
    log.data[FIRST + SECTOR :] = TILE * (SECTORS - 9)
    with LogFile(written(log, tmp_path / "edb.log")) as file:
        assert (file.end.damage, file.end.torn) == (None, 8)
        assert list(file.records()) == whole
    log.data[FIRST + 100] ^= 1
    with LogFile(written(log, tmp_path / "edb.log")) as file:
        assert file.end.damage == Damage.CORRUPT_SEGMENT


def test_a_stream_goes_on_in_the_current_format(tmp_path: Path) -> None:
    log, wanted, _ = two_ranges()
    written(log, tmp_path / "edb.log")
    stream = LogStream.resume(tmp_path, reserves=0)
    assert stream.append(records.RecoveryUndo2(NOW)) == Lgpos(GENERATION + 1, 1, 0)
    stream.close()
    with LogFile(tmp_path / "edb00007.log") as old, LogFile(tmp_path / "edb.log") as new:
        assert list(old.records()) == wanted
        assert new.header.signature == old.header.signature
        assert new.header.created_previous == NOW
        assert not new.header.version.is_legacy


def test_impossible_chains_end(tmp_path: Path) -> None:
    log, _, _ = two_ranges()
    for following in (1, FIRST, 1 << 20, 0xFFFFFFF0):
        data = bytearray(log.data)
        log.seal(FIRST, 0, 3 * SECTOR - 22, following)
        with LogFile(written(log, tmp_path / "edb.log")) as file:
            assert file.end.damage is not None
        log.data = data


@given(st.lists(st.tuples(st.integers(FIRST, FIRST + 5 * SECTOR), st.integers(1, 255)), min_size=1, max_size=8), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_change_ends_in_records_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int]], reseal: bool
) -> None:
    log, _, _ = two_ranges()
    for place, change in edits:
        log.data[place] ^= change
    if reseal:
        _, backwards, forwards, following = struct.unpack_from("<BIII", log.data, FIRST)
        if backwards == 0 and forwards < 20 * SECTOR:
            log.seal(FIRST, 0, forwards, following)
    path = tmp_path_factory.getbasetemp() / "legacy-fuzzed.log"
    try:
        with LogFile(written(log, path)) as file:
            assert sum(1 for _ in file.records()) < SECTORS * SECTOR
    except JetError as problem:
        assert problem.code == codes.JET_errLogFileCorrupt
