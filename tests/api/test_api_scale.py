"""Large files: what is read of them, in pages and in memory. Files with holes; where there are none the tests are skipped."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

import esent
from esent import jet
from esent.api.reading import ReadOnlyDatabase
from esent.pages.filesystem import File, FileSystem
from esent.tools.verify import verify_database

GIGABYTE = 2**30
PAGE = 4096
ROWS = 20_000


class CountingFile(File):
    """Keeps the offsets of what is read."""

    def __init__(self, path: Path, descriptor: int, *, writable: bool, offsets: list[int]) -> None:
        super().__init__(path, descriptor, writable=writable)
        self.offsets = offsets

    def read(self, offset: int, count: int) -> bytes:
        self.offsets.extend(range(offset, offset + count, PAGE))
        return super().read(offset, count)


class CountingFiles(FileSystem):
    def __init__(self) -> None:
        self.offsets: list[int] = []

    def open(self, path: Path, *, writable: bool = False, create: bool = False, exclusive: bool = False) -> File:
        file = super().open(path, writable=writable, create=create, exclusive=exclusive)
        return CountingFile(file.path, file.fileno(), writable=writable, offsets=self.offsets)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database of more than 32 GB; the pages in use are behind the 32 that are not."""
    folder = tmp_path_factory.mktemp("large")
    probe = folder / "probe"
    with probe.open("wb") as file:
        file.truncate(64 * 2**20)
    if probe.stat().st_blocks * 512 > 2**20:
        pytest.skip("the file system has no holes")
    path = folder / "large.edb"
    with pytest.MonkeyPatch.context() as patch, esent.open(path, page_size=PAGE) as db:
        patch.setattr(File, "_reserve", lambda *_: None)  # a file grows with holes, as none of an instance does
        session = db.sessions.current()
        filler = jet.JetCreateTable(session.sesid, session.dbid, "filler", 32 * GIGABYTE // PAGE, 80)
        jet.JetCloseTable(session.sesid, filler)
        table = db.create_table(
            "rows", {"id": esent.Int32(), "text": esent.Text()}, primary_key="id", indexes={"by_text": "+text"}
        )
        rows = ({"id": number, "text": f"text {number * 7919 % ROWS}"} for number in range(ROWS))
        table.insert_many(rows, commit_every=500)
    assert path.stat().st_size > 32 * GIGABYTE
    yield path
    path.unlink()


def test_ten_rows_of_a_large_file_take_a_few_dozen_pages(large: Path) -> None:
    files = CountingFiles()
    with ReadOnlyDatabase(large, files=files) as db:
        table = db["rows"]
        assert [table.get(number).text for number in range(0, ROWS, ROWS // 10)] == [
            f"text {number * 7919 % ROWS}" for number in range(0, ROWS, ROWS // 10)
        ]
        assert table.index("by_text").get("text 7919").id == 1
    assert max(files.offsets) > 32 * GIGABYTE
    assert len(files.offsets) < 60


def test_memory_does_not_grow_with_the_rows_read(large: Path) -> None:
    with esent.open(large, read_only=True) as db:
        rows = db["rows"].rows()
        next(rows)
        tracemalloc.start()
        count = sum(1 for _ in rows)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count == ROWS - 1
        assert peak < 2**20


def test_pages_in_memory_have_a_limit(large: Path) -> None:
    files = CountingFiles()
    with ReadOnlyDatabase(large, cache_size=0, files=files) as db:
        table = db["rows"]
        for number in range(0, ROWS, 7):
            assert table.get(number).id == number
        few = len(files.offsets)
    with ReadOnlyDatabase(large, files=files) as db:
        table = db["rows"]
        tracemalloc.start()
        for _ in range(2):
            for number in range(0, ROWS, 7):
                assert table.get(number).id == number
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 2 * 16 * 2**20
    assert len(files.offsets) - few <= few  # what was read once was still there the second time


def test_memory_of_an_instance_is_bounded_by_its_cache(tmp_path: Path) -> None:
    with esent.open(tmp_path / "db.edb", page_size=PAGE, parameters={"CacheSizeMax": 64, "CacheSizeMin": 1}) as db:
        table = db.create_table("t", {"id": esent.Int32(), "data": esent.Binary()}, primary_key="id")
        table.insert_many(({"id": number, "data": bytes(200)} for number in range(5000)), commit_every=500)
        assert sum(1 for _ in table.rows()) == 5000
        session = db.sessions.current()
        cursor = jet.JetOpenTable(session.sesid, session.dbid, "t").target
        store = cursor.database.store  # type: ignore[union-attr]
        assert store.page_count > 200
        assert len(store.cache.pages) <= 80


def test_holes_of_a_file_are_not_read_to_verify_it(large: Path) -> None:
    files = CountingFiles()
    report = verify_database(large, files=files)
    assert report.ok, report.findings
    assert report.uninitialized_pages > 32 * GIGABYTE // PAGE - 1000
    assert len(files.offsets) < 20_000
