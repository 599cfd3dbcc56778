"""Database files: verified reading, stamped writing, the two header copies, hostile files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esent.errors import JetError
from esent.pages.checksum import PAGE_GOOD, flip_bits, stamp_page, verify_page
from esent.pages.database_file import Correction, DatabaseFile
from esent.pages.filesystem import File, FileSystem
from esent.pages.header import DatabaseHeader, DatabaseState
from esent.pages.primitives import Lgpos, Signature
from genuine import Fixtures

SIZE = 4096


@pytest.fixture
def copy(fixtures: Fixtures, tmp_path: Path) -> Path:
    path = tmp_path / "db.edb"
    path.write_bytes(fixtures.read("engine/clean-4k/db.edb"))
    return path


def change(path: Path, place: int, data: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[place : place + len(data)] = data
    path.write_bytes(bytes(content))


def code_of(call: object, *arguments: object) -> str:
    with pytest.raises(JetError) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value.name


@pytest.mark.parametrize(("name", "size"), [("clean-4k", 4096), ("clean-8k", 8192), ("clean-16k", 16384), ("clean-32k", 32768)])
def test_reading(fixtures: Fixtures, name: str, size: int) -> None:
    path = fixtures.path(f"engine/{name}/db.edb")
    data = path.read_bytes()
    with DatabaseFile(path) as database:
        assert database.page_size == size
        assert database.header.is_clean
        assert database.page_count == len(data) // size - 2
        for pgno in (1, 2, 4, 20):
            page = data[(pgno + 1) * size : (pgno + 2) * size]
            if any(page):
                assert database.read_page(pgno) == page
        assert database.read_pages(3, 5) == data[4 * size : 9 * size]
        assert database.read_pages(database.page_count - 1, 50) == data[-2 * size :]
        assert database.read_pages(database.page_count + 1, 5) == b""
        assert database.corrections == []
    assert path.read_bytes() == data


def test_errors_name_the_place(copy: Path) -> None:
    data = copy.read_bytes()
    with DatabaseFile(copy) as database:
        last = database.page_count
        blank = next(pgno for pgno in range(1, last) if not any(data[(pgno + 1) * SIZE : (pgno + 2) * SIZE]))
        with pytest.raises(JetError) as caught:
            database.read_page(blank)
        assert caught.value.name == "JET_errPageNotInitialized"
        assert f"page {blank}" in str(caught.value)
        assert str(copy) in str(caught.value)
        for pgno in (0, -1, last + 1, 0x7FF00000, 2**40):
            assert code_of(database.read_page, pgno) == "JET_errFileIOBeyondEOF"
    change(copy, 5 * SIZE + 1000, b"xyz")
    copy.write_bytes(copy.read_bytes() + b"tail")
    with DatabaseFile(copy) as database:
        assert code_of(database.read_page, 4) == "JET_errReadVerifyFailure"
        assert code_of(database.read_page, last + 1) == "JET_errFileIOBeyondEOF"
        assert database.page_count == last
        assert database.read_pages(last, 3) == data[-SIZE:]


def test_a_wrong_bit_is_corrected_in_memory_only(fixtures: Fixtures, copy: Path) -> None:
    outcome = json.loads(fixtures.read("engine/damaged-pages-4k/bit/outcome.json"))
    base = fixtures.read("engine/damaged-pages-4k/db.edb")
    copy.write_bytes(base)
    change(copy, outcome["file_offset"], fixtures.read("engine/damaged-pages-4k/bit/page.bin"))
    damaged = copy.read_bytes()
    for writable in (False, True):
        with DatabaseFile(copy, writable=writable) as database:
            pgno = outcome["page"]
            assert database.read_page(pgno) == base[outcome["file_offset"] : outcome["file_offset"] + SIZE]
            database.read_page(pgno)
            # "Bit 16523 was corrupted and has been corrected", says the event of the original
            assert database.corrections == [Correction(44, 16523)]
    assert copy.read_bytes() == damaged


@pytest.mark.parametrize(
    ("variant", "name"),
    [
        ("bit-in-checksum", "JET_errReadVerifyFailure"),
        ("byte", "JET_errReadVerifyFailure"),
        ("swapped", "JET_errReadVerifyFailure"),
        ("two-bits", "JET_errReadVerifyFailure"),
        ("zeroed", "JET_errPageNotInitialized"),
    ],
)
def test_damaged_variants(fixtures: Fixtures, copy: Path, variant: str, name: str) -> None:
    outcome = json.loads(fixtures.read(f"engine/damaged-pages-4k/{variant}/outcome.json"))
    copy.write_bytes(fixtures.read("engine/damaged-pages-4k/db.edb"))
    change(copy, outcome["file_offset"], fixtures.read(f"engine/damaged-pages-4k/{variant}/page.bin"))
    with DatabaseFile(copy) as database, pytest.raises(JetError) as caught:
        database.read_page(outcome["page"])
    assert caught.value.name == name
    assert str(caught.value.code) in outcome["errors"]


def test_writing(copy: Path) -> None:
    with DatabaseFile(copy, writable=True) as database:
        page = bytearray(database.read_page(4))
        page[8:16] = (999).to_bytes(8, "little")
        page[37] &= ~0x20  # a page of an older engine gets the new checksum at its next write
        database.write_page(4, bytes(page))
        again = database.read_page(4)
        assert again[8:16] == (999).to_bytes(8, "little")
        assert again[37] & 0x20
        assert verify_page(again, 4) == PAGE_GOOD
        count = database.page_count
        database.write_page(count + 3, bytes(page))
        assert database.page_count == count + 3
        assert code_of(database.read_page, count + 1) == "JET_errPageNotInitialized"
        assert database.read_page(count + 3)[16:] == again[16:]
        database.resize(count)
        assert database.page_count == count
        assert code_of(database.read_page, count + 3) == "JET_errFileIOBeyondEOF"
        assert code_of(database.write_page, 4, b"short") == "JET_errInvalidParameter"
        assert code_of(database.write_page, 0, bytes(page)) == "JET_errFileIOBeyondEOF"
        assert code_of(database.resize, -1) == "JET_errInvalidParameter"
        database.sync()


def test_nothing_is_written_through_a_reader(copy: Path) -> None:
    before = hashlib.sha256(copy.read_bytes()).digest()
    with DatabaseFile(copy) as database:
        page = database.read_page(4)
        for call in (lambda: database.write_page(4, page), database.write_header, lambda: database.resize(1)):
            assert code_of(call) == "JET_errFileAccessDenied"
    assert hashlib.sha256(copy.read_bytes()).digest() == before


def test_old_format_is_kept_in_old_files(copy: Path) -> None:
    header = DatabaseHeader.parse(copy.read_bytes()[:SIZE])
    header.update_major = 9
    change(copy, 0, header.pack() * 2)
    with DatabaseFile(copy, writable=True) as database:
        page = bytearray(database.read_page(4))
        page[37] &= ~0x20
        database.write_page(4, bytes(page))
        raw = database.read_pages(4, 1)
        assert raw[4:8] == (4).to_bytes(4, "little")
        assert database.read_page(4) == raw


class Recorder(FileSystem):
    """Notes the order of writes and syncs."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def open(self, path: Path, *, writable: bool = False, create: bool = False, exclusive: bool = False) -> File:
        plain = super().open(path, writable=writable, create=create, exclusive=exclusive)
        calls = self.calls

        class Noted(File):
            def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
                calls.append(("write", offset))
                super().write(offset, data)

            def sync(self) -> None:
                calls.append(("sync", 0))
                super().sync()

        return Noted(path, plain.fileno(), writable=writable)


def test_header_is_written_one_copy_at_a_time(copy: Path) -> None:
    files = Recorder()
    with DatabaseFile(copy, writable=True, files=files) as database:
        assert files.calls == []
        before = database.header.sign_db_hdr_flush
        header = database.header.copy()
        header.change_state(DatabaseState.DIRTY_SHUTDOWN)
        header.gen_min_required = header.gen_max_required = header.gen_max_committed = 7
        database.write_header(header)
        assert files.calls == [("write", 0), ("sync", 0), ("write", SIZE), ("sync", 0)]
        assert database.header is header
        assert header.sign_db_hdr_flush not in (before, Signature())
        assert not header.sign_flush_map_hdr_flush
    data = copy.read_bytes()
    assert data[:SIZE] == data[SIZE : 2 * SIZE]
    with DatabaseFile(copy) as database:
        assert database.header == header


def test_a_header_that_contradicts_itself_is_not_written(copy: Path) -> None:
    before = copy.read_bytes()
    with DatabaseFile(copy, writable=True) as database:
        for field, value in (
            ("gen_min_required", 5),
            ("page_size_field", 8192),
            ("lgpos_last_resize", Lgpos(1, 1, 1)),
            ("file_type", 3),
        ):
            header = database.header.copy()
            setattr(header, field, value)
            assert code_of(database.write_header, header) == "JET_errInternalError"
    assert copy.read_bytes() == before


@pytest.mark.parametrize(("place", "source"), [(300, "shadow"), (SIZE + 300, "primary")])
def test_a_damaged_copy_is_replaced_by_a_writable_open(copy: Path, place: int, source: str) -> None:
    good = copy.read_bytes()
    change(copy, place, b"\xff\xee")
    damaged = copy.read_bytes()
    with DatabaseFile(copy) as database:
        assert database.choice.source == source
    assert copy.read_bytes() == damaged
    with DatabaseFile(copy, writable=True) as database:
        assert database.choice.source == source
        assert database.header == DatabaseHeader.parse(good[:SIZE])
    assert copy.read_bytes() == good


def test_both_copies_damaged(copy: Path) -> None:
    change(copy, 300, b"\xff")
    change(copy, SIZE + 301, b"\xff")
    for writable in (False, True):
        assert code_of(lambda writable=writable: DatabaseFile(copy, writable=writable)) == "JET_errReadVerifyFailure"


def test_page_size_that_was_asked_for(copy: Path) -> None:
    DatabaseFile(copy, page_size=SIZE).close()
    assert code_of(lambda: DatabaseFile(copy, page_size=8192)) == "JET_errPageSizeMismatch"


def test_lock(copy: Path) -> None:
    with DatabaseFile(copy, writable=True) as first, DatabaseFile(copy, writable=True) as second:
        first.lock()
        first.lock()
        assert code_of(second.lock) == "JET_errFileAccessDenied"
    with DatabaseFile(copy) as third:
        third.lock()


def test_files_that_are_no_database(tmp_path: Path, fixtures: Fixtures) -> None:
    assert code_of(lambda: DatabaseFile(tmp_path / "absent")) == "JET_errFileNotFound"
    for number, content in enumerate([b"", b"x", bytes(8192), bytes(70000), b"\xff" * 8192]):
        path = tmp_path / f"{number}"
        path.write_bytes(content)
        assert code_of(lambda path=path: DatabaseFile(path)) == "JET_errReadVerifyFailure"
    log = tmp_path / "edb.log"
    log.write_bytes(fixtures.read("engine/clean-4k/edb00001.log"))
    with pytest.raises(JetError):
        DatabaseFile(log)


def test_truncated_files(copy: Path, fixtures: Fixtures) -> None:
    data = copy.read_bytes()
    for length in (SIZE - 1, SIZE, SIZE + 1, 2 * SIZE, 2 * SIZE + 1, 3 * SIZE, 3 * SIZE + 100):
        copy.write_bytes(data[:length])
        if length < SIZE:
            assert code_of(lambda: DatabaseFile(copy)) == "JET_errReadVerifyFailure"
            continue
        with DatabaseFile(copy) as database:
            assert database.page_count == max(0, length // SIZE - 2)
            assert code_of(database.read_page, 2) == "JET_errFileIOBeyondEOF"
            assert len(database.read_pages(1, 10)) == database.page_count * SIZE


@given(st.lists(st.tuples(st.integers(0, 12 * SIZE * 8 - 1)), min_size=1, max_size=6), st.integers(0, 12 * SIZE))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_files(fixtures: Fixtures, tmp_path: Path, bits: list[tuple[int]], length: int) -> None:
    data = fixtures.read("engine/clean-4k/db.edb")[: 12 * SIZE]
    path = tmp_path / "hostile.edb"
    path.write_bytes(flip_bits(data, [bit for (bit,) in bits])[:length])
    try:
        database = DatabaseFile(path)
    except JetError:
        return
    with database:
        for pgno in range(-1, 14):
            try:
                page = database.read_page(pgno)
            except JetError:
                continue
            assert stamp_page(page, pgno) == page
