"""The log stream of a backup over genuine logs: bytes as they are, damage found, single bits corrected."""

from __future__ import annotations

from pathlib import Path

import pytest

from esent.backup.log_stream import LogFileStream
from esent.constants import codes
from esent.errors import JetError
from esent.pages.filesystem import FILES

LOGS = [
    ("engine/clean-4k/edb00001.log", 4096),
    ("engine/clean-16k/edb00001.log", 16384),
    ("engine/clean-32k/edb00001.log", 32768),
    ("engine/backup-stream-4k/edb00009.log", 4096),
    ("engine/backup-stream-4k/edb00015.log", 4096),
    ("engine/backup-jet-atomic-8k/set/new/edb00008.log", 8192),
]


def opened(path: Path, page_size: int, **options: bool) -> LogFileStream:
    return LogFileStream(path, page_size, FILES, generation=int(path.stem[3:], 16), **options)


def drain(stream: LogFileStream, count: int) -> bytes:
    parts = []
    while data := stream.read(count):
        parts.append(data)
    stream.close()
    return b"".join(parts)


def damaged(fixtures, tmp_path: Path, *, offset: int, mask: int) -> Path:
    copy = tmp_path / "edb00009.log"
    data = bytearray(fixtures.read("engine/backup-stream-4k/edb00009.log"))
    data[offset] ^= mask
    copy.write_bytes(data)
    return copy


@pytest.mark.parametrize(("name", "page_size"), LOGS)
@pytest.mark.parametrize("pages", [2, 3, 100])
def test_bytes_are_those_of_the_file(fixtures, name, page_size, pages):
    path = fixtures.path(name)
    stream = opened(path, page_size)
    assert stream.size == path.stat().st_size
    assert drain(stream, pages * page_size) == path.read_bytes()
    assert stream.complete


def test_sizes_that_are_refused(fixtures):
    stream = opened(fixtures.path("engine/backup-stream-4k/edb00009.log"), 4096)
    for count in (1, 4095, 4096, 0, -4096, 6000):
        with pytest.raises(JetError) as caught:
            stream.read(count)
        assert caught.value.code == codes.JET_errInvalidParameter
    assert len(stream.read(8192)) == 8192
    assert len(stream.read(4096)) == 4096
    stream.close()


@pytest.mark.parametrize("offset", [4, 700, 4096 + 8, 5 * 4096 + 1000, 10 * 4096])
def test_damage_is_found_and_placed(fixtures, tmp_path, offset):
    stream = opened(damaged(fixtures, tmp_path, offset=offset, mask=0xFF), 4096)
    with pytest.raises(JetError) as caught:
        drain(stream, 2 * 4096)
    assert caught.value.code == codes.JET_errLogReadVerifyFailure
    assert f"offset {offset // 4096 * 4096}" in caught.value.message
    stream.close()


def test_unverified_on_request(fixtures, tmp_path):
    path = damaged(fixtures, tmp_path, offset=5000, mask=0xFF)
    assert drain(opened(path, 4096, verify=False), 8192) == path.read_bytes()


def test_single_bit_is_corrected(fixtures, tmp_path):
    stream = opened(damaged(fixtures, tmp_path, offset=6 * 4096 + 99, mask=0x10), 4096)
    assert drain(stream, 8192) == fixtures.read("engine/backup-stream-4k/edb00009.log")


def test_a_log_under_the_name_of_another_generation(fixtures, tmp_path):
    copy = tmp_path / "edb00010.log"
    copy.write_bytes(fixtures.read("engine/backup-stream-4k/edb00009.log"))
    stream = opened(copy, 4096)
    with pytest.raises(JetError) as caught:
        stream.read(65536)
    assert caught.value.code == codes.JET_errLogReadVerifyFailure
    stream.close()


def test_a_log_that_is_cut_off(fixtures, tmp_path):
    copy = tmp_path / "edb00009.log"
    copy.write_bytes(fixtures.read("engine/backup-stream-4k/edb00009.log")[:65536])
    stream = opened(copy, 4096)
    with pytest.raises(JetError) as caught:
        stream.read(65536)
    assert caught.value.code == codes.JET_errLogReadVerifyFailure
    stream.close()
