"""The page stream of a backup over genuine databases: sizes, alignment, verification, retries, the trailer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from esent.backup import page_stream
from esent.backup.page_stream import PageStream
from esent.constants import codes
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.pages.header import DatabaseHeader

SETS = {4096: "clean-4k", 8192: "clean-8k", 16384: "clean-16k", 32768: "clean-32k"}


class FileBehind:
    """A database of which only the file matters; remembers which ranges were locked."""

    dbid = 1
    logged = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = DatabaseFile(path)
        self.page_source = self.file
        self.locked: list[tuple[int, int]] = []

    def header_image(self) -> DatabaseHeader:
        return self.file.header.copy()

    def update_header(self, change: object) -> None:
        raise AssertionError("a page stream writes nothing")

    @contextlib.contextmanager
    def page_range_lock(self, first: int, last: int) -> Iterator[None]:
        self.locked.append((first, last))
        yield

    def last_pgno(self) -> int:
        return self.file.page_count


class Flaky:
    """A page source whose first reads are bad."""

    def __init__(self, source: DatabaseFile, bad_reads: int) -> None:
        self.source = source
        self.left = bad_reads
        self.reads = 0

    def read_pages(self, pgno: int, count: int) -> bytes:
        self.reads += 1
        data = self.source.read_pages(pgno, count)
        if self.left:
            self.left -= 1
            return b"\xff" * 64 + data[64:]
        return data


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    made: list[float] = []
    monkeypatch.setattr(page_stream.time, "sleep", made.append)
    return made


def opened(path: Path, trailer: bytes = b"T") -> tuple[FileBehind, PageStream]:
    database = FileBehind(path)
    size = database.file.page_size
    header = database.header_image().pack(size)
    return database, PageStream(database, size, header, lambda: trailer * size)


def drain(stream: PageStream, count: int) -> bytes:
    parts = []
    while data := stream.read(count):
        parts.append(data)
    return b"".join(parts)


def error_of(action: object, *arguments: object) -> JetError:
    with pytest.raises(JetError) as caught:
        action(*arguments)  # type: ignore[operator]
    return caught.value


@pytest.mark.parametrize("page_size", SETS)
@pytest.mark.parametrize("pages", [3, 4, 7, 64, 1000])
def test_whole_stream_whatever_the_size_of_the_reads(fixtures, page_size, pages):
    path = fixtures.path(f"engine/{SETS[page_size]}/db.edb")
    database, stream = opened(path)
    data = drain(stream, pages * page_size)
    original = path.read_bytes()
    assert len(data) == stream.size == (database.last_pgno() + 3) * page_size
    assert data[: 2 * page_size] == original[:page_size] * 2
    assert data[2 * page_size : -page_size] == original[2 * page_size :]
    assert data[-page_size:] == b"T" * page_size
    assert stream.complete
    assert stream.read(page_size) == b""
    assert stream.read(page_size) == b""


def test_trailer_has_room_or_comes_alone(fixtures):
    path = fixtures.path("engine/clean-4k/db.edb")
    _, stream = opened(path)
    exact = stream.size - 4096
    assert len(stream.read(exact)) == exact
    assert not stream.complete
    assert stream.read(65536) == b"T" * 4096
    _, other = opened(path)
    assert len(other.read(exact + 4096)) == exact + 4096


def test_sizes_that_are_refused_move_nothing(fixtures):
    _, stream = opened(fixtures.path("engine/clean-8k/db.edb"))
    for count in (0, -8192, 1, 4096, 8191, 8193, 100, 8192, 16384):
        assert error_of(stream.read, count).code == codes.JET_errInvalidParameter
        assert stream.position == 0
    assert len(stream.read(3 * 8192)) == 3 * 8192
    assert len(stream.read(8192)) == 8192
    assert error_of(stream.read, 0).code == codes.JET_errInvalidParameter


def test_ranges_are_locked_while_they_are_read(fixtures):
    database, stream = opened(fixtures.path("engine/clean-4k/db.edb"))
    drain(stream, 64 * 4096)
    covered = [pgno for first, last in database.locked for pgno in range(first, last + 1)]
    assert covered == list(range(1, database.last_pgno() + 1))


def test_a_read_that_is_bad_for_a_while_is_repeated(fixtures, pauses):
    database, stream = opened(fixtures.path("engine/clean-4k/db.edb"))
    database.page_source = Flaky(database.file, 3)
    assert len(drain(stream, 64 * 4096)) == stream.size
    assert pauses == pytest.approx([0.1, 0.2, 0.3])


def test_a_page_that_stays_bad_is_named_after_seventeen_attempts(fixtures, tmp_path, pauses):
    copy = tmp_path / "db.edb"
    data = bytearray(fixtures.read("engine/clean-4k/db.edb"))
    data[(9 + 1) * 4096 + 200] ^= 0xFF
    copy.write_bytes(data)
    database, stream = opened(copy)
    database.page_source = Flaky(database.file, 0)
    stream.read(8 * 4096)
    position = stream.position
    problem = error_of(stream.read, 16 * 4096)
    assert problem.code == codes.JET_errReadVerifyFailure
    assert "page 9" in problem.message
    assert str(copy) in problem.message
    assert stream.position == position
    assert len(pauses) == 16
    assert sum(pauses) == pytest.approx(13.6)
    assert database.page_source.reads == 18


def test_a_single_wrong_bit_is_corrected_in_the_stream(fixtures, tmp_path, pauses):
    copy = tmp_path / "db.edb"
    good = fixtures.read("engine/clean-4k/db.edb")
    data = bytearray(good)
    data[(9 + 1) * 4096 + 200] ^= 0x10
    copy.write_bytes(data)
    _, stream = opened(copy)
    assert drain(stream, 64 * 4096)[2 * 4096 : -4096] == good[2 * 4096 :]
    assert pauses == []


def test_never_written_pages_are_fine(fixtures, tmp_path):
    copy = tmp_path / "db.edb"
    good = fixtures.read("engine/clean-4k/db.edb")
    copy.write_bytes(good + bytes(5 * 4096))
    database, stream = opened(copy)
    assert drain(stream, 64 * 4096)[2 * 4096 : -4096] == good[2 * 4096 :] + bytes(5 * 4096)
    assert database.last_pgno() == len(good) // 4096 - 2 + 5


def test_growth_after_the_open_is_not_in_the_stream(fixtures, tmp_path):
    copy = tmp_path / "db.edb"
    good = fixtures.read("engine/clean-4k/db.edb")
    copy.write_bytes(good)
    _, stream = opened(copy)
    first = stream.read(8 * 4096)
    with copy.open("ab") as file:
        file.write(bytes(10 * 4096))
    assert len(first + drain(stream, 64 * 4096)) == stream.size == len(good) + 4096


def test_a_file_cut_short_while_it_is_read_is_an_error(fixtures, tmp_path):
    copy = tmp_path / "db.edb"
    good = fixtures.read("engine/clean-4k/db.edb")
    copy.write_bytes(good)
    _, stream = opened(copy)
    with copy.open("r+b") as file:
        file.truncate(20 * 4096)
    assert error_of(drain, stream, 64 * 4096).code == codes.JET_errFileIOBeyondEOF


def test_giving_up_ends_the_retries(fixtures, tmp_path, pauses):
    copy = tmp_path / "db.edb"
    data = bytearray(fixtures.read("engine/clean-4k/db.edb"))
    data[3 * 4096 + 200] ^= 0xFF
    copy.write_bytes(data)
    database = FileBehind(copy)
    header = database.header_image().pack(4096)
    stream = PageStream(database, 4096, header, lambda: bytes(4096), give_up=lambda: len(pauses) == 2)
    assert error_of(stream.read, 16 * 4096).code == codes.JET_errReadVerifyFailure
    assert len(pauses) == 2
