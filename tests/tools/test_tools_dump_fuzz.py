"""Dumps of damaged files: whatever the bytes, it ends soon, with lines or a `JetError`.

A file is damaged under its checksums (pages are given to the reader as they are), as a checksum would stop nearly all of it.
"""

from __future__ import annotations

import contextlib
import json
import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.tools.dump import dump

SMALL = [
    ("windows/types/default.edb", 4096, 25),
    ("windows/types/multi.edb", 4096, 25),
    ("windows/types/binary.edb", 4096, 25),
    ("engine/clean-4k/db.edb", 4096, 20),
    ("engine/clean-16k/db.edb", 16384, 20),
]
"""File, page size, how many damaged forms of it."""
SECONDS = 20.0
MEMORY = 64 << 20


class Image:
    """A page source over the bytes of a file, without checksums; `changes` are (offset, xor) in the file."""

    def __init__(self, image: bytes, page_size: int) -> None:
        self.image = bytearray(image)
        self.page_size = page_size

    def read_page(self, pgno: int) -> bytes:
        start = (pgno + 1) * self.page_size
        data = bytes(self.image[start : start + self.page_size])
        if len(data) < self.page_size:
            raise jet_error(codes.JET_errFileIOBeyondEOF, "reading a page", page=pgno)
        return data


def check(source: Image) -> None:
    """All lines are JSON, or it ends in an error of the engine; in bounded time."""
    started = time.monotonic()
    with contextlib.suppress(JetError):
        for line in dump(source, system=True, entries=True):
            assert json.loads(line)
    assert time.monotonic() - started < SECONDS


@pytest.mark.parametrize(("name", "page_size", "examples"), SMALL)
def test_flipped_bytes(fixtures, name: str, page_size: int, examples: int) -> None:
    image = fixtures.read(name)
    # Bytes that are not zero, behind the header pages: where damage does something.
    places = [place for place in range(2 * page_size, len(image)) if image[place]]

    @settings(max_examples=examples, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, len(places) - 1), st.integers(1, 255)), min_size=1, max_size=30))
    def damaged(changes: list[tuple[int, int]]) -> None:
        source = Image(image, page_size)
        for place, change in changes:
            source.image[places[place]] ^= change
        check(source)

    damaged()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_headers_and_tags_of_pages(fixtures, data: st.DataObject) -> None:
    """Links, object ids, flags, tag counts and tags are where a reader can be led astray."""
    image = fixtures.read("windows/types/default.edb")
    source = Image(image, 4096)
    pages = [pgno for pgno in range(1, len(image) // 4096 - 2) if any(source.read_page(pgno))]
    for _ in range(data.draw(st.integers(1, 8))):
        start = (data.draw(st.sampled_from(pages)) + 1) * 4096
        where = data.draw(st.one_of(st.integers(16, 39), st.integers(4096 - 200, 4095)))
        source.image[start + where] = data.draw(st.integers(0, 255))
    check(source)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_pages_in_each_others_place(fixtures, data: st.DataObject) -> None:
    image = fixtures.read("windows/types/binary.edb")
    source = Image(image, 4096)
    count = len(image) // 4096
    for _ in range(data.draw(st.integers(1, 6))):
        first, second = data.draw(st.integers(2, count - 1)), data.draw(st.integers(2, count - 1))
        source.image[first * 4096 : (first + 1) * 4096] = image[second * 4096 : (second + 1) * 4096]
    check(source)


def test_memory_stays_bounded(fixtures) -> None:
    """A long value that promises two gigabytes, in a file of one megabyte."""
    image = fixtures.read("windows/types/binary.edb")
    source = Image(image, 4096)
    roots = 0
    for pgno in range(1, len(image) // 4096 - 1):
        start = (pgno + 1) * 4096
        if int.from_bytes(image[start + 36 : start + 40], "little") & 0x80:
            place = image.find(b"\1\0\0\0", start + 40, start + 4096)
            while 0 <= place < start + 4090:
                source.image[place + 4 : place + 8] = b"\xff\xff\xff\x7f"
                roots += 1
                place = image.find(b"\1\0\0\0", place + 4, start + 4096)
    assert roots
    tracemalloc.start()
    try:
        check(source)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY


@given(st.binary(min_size=0, max_size=9000))
@settings(max_examples=50, deadline=None)
def test_no_database_at_all(content: bytes) -> None:
    source = Image(content + bytes(4096 * 30), 4096)
    with pytest.raises(JetError):
        list(dump(source))
