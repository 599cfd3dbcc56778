"""The cache of pages: what is read, kept, written, and in what order it leaves."""

from __future__ import annotations

import pytest

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.pages.cache import FEWEST_PAGES, BufferCache, CachedPage
from esent.pages.edit import PAGE_LEAF
from esent.pages.primitives import LGPOS_MAX, Lgpos

EARLY, LATE, LATER = Lgpos(1, 5, 0), Lgpos(2, 1, 0), Lgpos(2, 9, 0)


class Disk:
    """Pages by number; remembers what was read and written."""

    def __init__(self) -> None:
        self.pages = {pgno: bytes(CachedPage.made(4096, pgno, 7, PAGE_LEAF, pgno).data) for pgno in range(1, 300)}
        self.reads: list[int] = []
        self.writes: list[list[int]] = []
        self.cache = BufferCache(4096, self.read, self.write, limit=FEWEST_PAGES)
        self.refuses: set[int] = set()

    def read(self, pgno: int) -> bytes:
        self.reads.append(pgno)
        if pgno not in self.pages:
            raise jet_error(codes.JET_errFileIOBeyondEOF, "no such page", page=pgno)
        return self.pages[pgno]

    def write(self, pages: list[CachedPage]) -> None:
        self.writes.append([page.pgno for page in pages])
        for page in pages:
            if page.pgno not in self.refuses:
                self.pages[page.pgno] = bytes(page.data)
                self.cache.written(page)


def test_a_page_is_read_once() -> None:
    disk = Disk()
    page = disk.cache.get(3)
    assert disk.cache.get(3) is page
    assert disk.cache.read_page(3) == disk.pages[3]
    assert disk.reads == [3]
    assert disk.cache.holds(page)
    with pytest.raises(JetError):
        disk.cache.get(300)
    assert not disk.cache.dirty


def test_oldest_is_the_earliest_begin_of_what_is_not_written() -> None:
    disk = Disk()
    assert disk.cache.oldest() == LGPOS_MAX
    one, two = disk.cache.get(1), disk.cache.get(2)
    disk.cache.changed(one, LATE, LATER)
    disk.cache.changed(two, LATER, LATER)
    assert disk.cache.oldest() == LATE
    disk.cache.changed(two, EARLY, LATER)  # of a transaction that began before that which made the page dirty
    assert disk.cache.oldest() == EARLY
    disk.cache.flush([two])
    assert disk.cache.oldest() == LATE
    disk.cache.flush()
    assert disk.cache.oldest() == LGPOS_MAX
    assert disk.writes == [[2], [1]]
    disk.cache.flush()
    assert disk.writes == [[2], [1]]


def test_flush_writes_in_the_order_of_the_file() -> None:
    disk = Disk()
    for pgno in (9, 2, 40, 3):
        disk.cache.changed(disk.cache.get(pgno), EARLY, LATE)
    disk.cache.flush()
    assert disk.writes == [[2, 3, 9, 40]]


def test_what_was_changed_is_not_lost_when_it_leaves() -> None:
    disk = Disk()
    for pgno in range(1, 250):
        page = disk.cache.get(pgno)
        page.dbtime = 1000 + pgno
        disk.cache.changed(page, EARLY, LATE)
        disk.cache.trim()
        assert len(disk.cache.pages) <= FEWEST_PAGES
    for pgno in range(1, 250):
        assert disk.cache.get(pgno).dbtime == 1000 + pgno
        disk.cache.trim()


def test_pages_in_use_stay_longer() -> None:
    disk = Disk()
    for pgno in range(1, 290):
        disk.cache.get(pgno)
        disk.cache.get(1)
        disk.cache.trim()
    assert disk.reads.count(1) == 1


def test_pages_that_cannot_be_written_stay() -> None:
    disk = Disk()
    disk.refuses = {5, 6}
    for pgno in range(1, 200):
        disk.cache.changed(disk.cache.get(pgno), EARLY, LATE)
        disk.cache.trim()
    assert {5, 6} <= set(disk.cache.dirty)
    assert disk.cache.pages[5].dirty


def test_new_pages_replace_and_cut_off_ones_go() -> None:
    disk = Disk()
    old = disk.cache.get(7)
    disk.cache.changed(old, EARLY, LATE)
    new = CachedPage.made(4096, 7, 9, PAGE_LEAF, 77)
    disk.cache.put(new)
    assert not disk.cache.holds(old)
    assert disk.cache.get(7) is new
    assert not disk.cache.dirty
    disk.cache.changed(new, LATE, LATE)
    disk.cache.get(8)
    disk.cache.drop(8, 20)
    assert set(disk.cache.pages) == {7}
    disk.cache.drop(7, 7)
    assert not disk.cache.dirty
