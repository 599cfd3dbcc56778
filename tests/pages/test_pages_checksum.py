"""Checksums: the vectors of the reference, genuine pages and log segments, and every kind of wrong bit."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esent.errors import JetError
from esent.pages import checksum
from esent.pages.checksum import (
    NEW_FORMAT_BIT,
    PAGE_BAD,
    PAGE_BLANK,
    PAGE_GOOD,
    PAGE_REPAIRABLE,
    block_checksum,
    flip_bits,
    header_checksum,
    repair_page,
    segment_checksum,
    stamp_page,
    verify_page,
    verify_run,
    wrong_bits,
)
from genuine import Fixtures


def noise(size: int) -> bytes:
    """The generator the reference's vectors are made with."""
    state = 1
    out = bytearray()
    for _ in range(size):
        state = (state * 1103515245 + 12345) % 2**31
        out.append((state >> 16) & 0xFF)
    return bytes(out)


def by_definition(block: bytes, number: int, header: bool) -> int:
    """The definition of the reference (4.4.2), bit by bit."""
    data = bytes(8) + block[8:] if header else block
    x = low = count = 0
    for place in range(0, len(data), 4):
        x ^= int.from_bytes(data[place : place + 4], "little")
    for index in range(len(data) * 8):
        if data[index >> 3] >> (index & 7) & 1:
            low ^= index
            count += 1
    high = low ^ (len(data) * 8 - 1) if count & 1 else low
    return (high << 16 | low) << 32 | (x ^ number)


VECTORS = [
    (2048, 0x11D811D822942CB3, 0x2E2D11D2B2F7A93E, 0x50DD0823),
    (4096, 0x0670798FDE21A4A7, 0x798579854E42212A, 0xAC688037),
    (8192, 0xB031B0310B8457A8, 0x4FC4B03B9BE7D225, 0x79CD7338),
]


@pytest.mark.parametrize(("size", "header", "other", "xor"), VECTORS)
def test_synthetic_vectors(size: int, header: int, other: int, xor: int) -> None:
    data = noise(size)
    assert block_checksum(data, 0, size, 0x1234, True) == header
    assert block_checksum(data, 0, size, 0x1234, False) == other
    assert header_checksum(data) == xor


def test_one_bit_vector() -> None:
    block = flip_bits(bytes(4096), [12345])
    assert block_checksum(block, 0, 4096, 7, False) == 0x4FC6303902000007


@given(st.binary(min_size=1024, max_size=1024), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=30, deadline=None)
def test_against_the_definition(block: bytes, number: int, header: bool) -> None:
    assert block_checksum(block, 0, 1024, number, header) == by_definition(block, number, header)


def test_block_inside_a_page() -> None:
    data = noise(16384)
    for place in range(0, 16384, 4096):
        assert block_checksum(data, place, 4096, 9, False) == by_definition(data[place : place + 4096], 9, False)


PAGES = {
    ("windows/types/basic.edb", 4096): {
        1: "7fdf7fdf0001a77c",
        2: "0192019200ec59d4",
        3: "0184018400cfd8c9",
        4: "13c013c079864f4b",
        5: "7e3701c80006b0db",
    },
    ("windows/compression/decompress_test.edb", 8192): {
        1: "00ccff330001b77c",
        2: "fe81017e00ec49d4",
        3: "0107010700dd48db",
        4: "d7f5280a0541e5ae",
        5: "012401240006a0db",
    },
    ("windows/bits-win11-24h2/qmgr.db", 16384): {
        1: "7d4a02b5001ae81f 0000000000000001 0000000000000001 001b7fe400000011",
        3: "04f904f90037454e 0000000000000003 0000000000000003 0032003200100019",
        4: "60ba60ba77ba9da1 70450fba07bb9375 0000000000000004 041e041e02ca0027",
    },
    ("windows/types/large.edb", 32768): {
        2: "fe1a01e5fe9bb954 0000000000000002 0000000000000002 0079ff86000a0012",
        4: "368436847a31f703 0000000000000004 0000000000000004 1568ea97007a0001",
        5: "84ba7b453238c1bb 0000000000000005 0000000000000005 0038ffc700600015",
    },
}


@pytest.mark.parametrize("place", PAGES)
def test_genuine_vectors(fixtures: Fixtures, place: tuple[str, int]) -> None:
    name, size = place
    data = fixtures.read(name)
    block = size if size <= 8192 else size // 4
    for pgno, text in PAGES[place].items():
        page = data[(pgno + 1) * size : (pgno + 2) * size]
        values = [int(value, 16) for value in text.split()]
        for number, value in enumerate(values):
            assert block_checksum(page, number * block, block, pgno, number == 0) == value
        assert verify_page(page, pgno) == PAGE_GOOD
        assert stamp_page(flip_bits(page, [3, 60]), pgno) == page


DATABASES = [
    ("engine/clean-4k/db.edb", 4096),
    ("engine/clean-8k/db.edb", 8192),
    ("engine/clean-16k/db.edb", 16384),
    ("engine/clean-32k/db.edb", 32768),
    ("engine/dirty-twodb-4k/db.edb", 4096),
    ("engine/efv-9600/db.edb", 8192),
    ("windows/srum-win11-dirty/SRUDB.dat", 4096),
]


@pytest.mark.parametrize(("name", "size"), DATABASES)
def test_every_page_of_genuine_databases(fixtures: Fixtures, name: str, size: int) -> None:
    pages = fixtures.read(name)[2 * size :]
    found = verify_run(pages, size, 1)
    assert {status for _, status in found} <= {PAGE_BLANK}
    blank = {pgno for pgno, _ in found}
    written = 0
    for place in range(0, len(pages), size):
        pgno = place // size + 1
        page = pages[place : place + size]
        assert (pgno in blank) == (not any(page))
        if pgno not in blank:
            written += 1
            assert stamp_page(page, pgno) == page
            # the number takes part: the page is not good at another place
            assert verify_page(page, pgno + 1) in (PAGE_BAD, PAGE_REPAIRABLE)
    assert written > 20


@pytest.mark.parametrize("folder", ["engine/clean-4k", "engine/efv-9180"])
def test_every_segment_of_genuine_logs(fixtures: Fixtures, folder: str) -> None:
    for generation in range(1, 4):
        data = fixtures.read(f"{folder}/edb{generation:05X}.log")
        good = 0
        for isec in range(1, len(data) // 4096):
            segment = data[isec * 4096 : (isec + 1) * 4096]
            stored = int.from_bytes(segment[:8], "little")
            if int.from_bytes(segment[8:16], "little") != generation << 32 | isec << 16:
                continue  # the pattern of a segment that was never used
            assert segment_checksum(segment, isec) == stored
            assert verify_page(segment, isec) == PAGE_GOOD
            assert stamp_page(segment, isec) == segment
            flipped = flip_bits(segment, [isec * 97 + 320])
            assert verify_page(flipped, isec) == PAGE_REPAIRABLE
            assert repair_page(flipped, isec) == segment
            good += 1
        assert good > 5


def genuine_page(fixtures: Fixtures, size: int) -> tuple[bytes, int]:
    name = {4096: "clean-4k", 8192: "clean-8k", 16384: "clean-16k", 32768: "clean-32k"}[size]
    data = fixtures.read(f"engine/{name}/db.edb")
    return data[5 * size : 6 * size], 4


@pytest.mark.parametrize("size", [4096, 8192, 16384, 32768])
def test_any_single_bit_is_repaired(fixtures: Fixtures, size: int) -> None:
    page, pgno = genuine_page(fixtures, size)
    large = size > 8192
    for bit in [*range(64, 700), *range(700, size * 8, 1009), size * 8 - 1, size * 2, size * 4 - 1, size * 6 + 5]:
        flipped = flip_bits(page, [bit])
        if bit == NEW_FORMAT_BIT:
            assert verify_page(flipped, pgno) == PAGE_BAD
            continue
        assert wrong_bits(flipped, pgno) == [bit]
        assert verify_page(flipped, pgno) == PAGE_REPAIRABLE
        assert repair_page(flipped, pgno) == page
        assert verify_run(flipped, size, pgno) == [(pgno, PAGE_REPAIRABLE)]
    for bit in range(64):
        assert verify_page(flip_bits(page, [bit]), pgno) == PAGE_BAD
        assert repair_page(flip_bits(page, [bit]), pgno) is None
    if large:
        quarter = size * 2
        bits = [640, quarter + 5, 2 * quarter + 77, 4 * quarter - 1]
        assert wrong_bits(flip_bits(page, bits), pgno) == bits
        assert repair_page(flip_bits(page, bits), pgno) == page
        # a stored checksum of a later block is part of block 0
        assert repair_page(flip_bits(page, [40 * 8 + 7, quarter + 1]), pgno) == page


@given(first=st.integers(64, 4096 * 8 - 1), second=st.integers(64, 4096 * 8 - 1))
@settings(max_examples=200, deadline=None)
def test_two_wrong_bits_are_never_good(first: int, second: int) -> None:
    page = stamp_page(flip_bits(noise(4096), []), 77)
    if first == second or not page[37] & 0x20:
        return
    flipped = flip_bits(page, [first, second])
    assert verify_page(flipped, 77) == PAGE_BAD
    assert repair_page(flipped, 77) is None


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_stamp_and_verify(data: st.DataObject) -> None:
    size = data.draw(st.sampled_from([2048, 4096, 8192, 16384, 32768]))
    pgno = data.draw(st.integers(1, 0x7FEFFFFF))
    seed = data.draw(st.binary(min_size=1, max_size=64))
    raw = (seed * (size // len(seed) + 1))[:size]
    page = stamp_page(raw, pgno)
    assert verify_page(page, pgno) in (PAGE_GOOD, PAGE_BLANK)
    assert stamp_page(page, pgno) == page
    assert repair_page(page, pgno) == page or not any(page)
    assert page[80:] == raw[80:]


def test_old_format() -> None:
    page = bytearray(noise(4096))
    page[37] &= ~0x20
    stamped = stamp_page(bytes(page), 0x1234)
    assert stamped[4:8] == (0x1234).to_bytes(4, "little")
    assert int.from_bytes(stamped[:4], "little") == header_checksum(stamped)
    assert verify_page(stamped, 0x1234) == PAGE_GOOD
    assert verify_page(stamped, 0x1235) == PAGE_BAD
    for bit in (0, 33, 4000, 4096 * 8 - 1):
        assert verify_page(flip_bits(stamped, [bit]), 0x1234) == PAGE_BAD
    # above 8 KB there is no old format
    large = bytearray(noise(16384))
    large[37] &= ~0x20
    assert verify_page(bytes(large), 1) == PAGE_BAD
    assert verify_page(stamp_page(bytes(large), 1), 1) == PAGE_GOOD


def test_a_large_page_knows_its_number() -> None:
    page = bytearray(stamp_page(noise(32768), 5))
    page[64:68] = (6).to_bytes(4, "little")
    page[:8] = block_checksum(bytes(page), 0, 8192, 5, True).to_bytes(8, "little")
    assert verify_page(bytes(page), 5) == PAGE_BAD


def test_blank_pages() -> None:
    for size in checksum.PAGE_SIZES:
        assert verify_page(bytes(size), 3) == PAGE_BLANK
        assert verify_run(bytes(3 * size + 10), size, 3) == [(3, PAGE_BLANK), (4, PAGE_BLANK), (5, PAGE_BLANK)]
        assert verify_page(flip_bits(bytes(size), [size * 8 - 1]), 3) != PAGE_BLANK


def test_run_reports_places(fixtures: Fixtures) -> None:
    pages = fixtures.read("engine/clean-4k/db.edb")[8192 : 8192 + 12 * 4096]
    spoilt = flip_bits(pages, [4096 * 8 * 2 + 100, 4096 * 8 * 5 + 500, 4096 * 8 * 5 + 501, 4096 * 8 * 11 + 3])
    assert verify_run(pages, 4096, 1) == []
    assert verify_run(spoilt, 4096, 1) == [(3, PAGE_REPAIRABLE), (6, PAGE_BAD), (12, PAGE_BAD)]


def test_sizes_that_are_no_page() -> None:
    for size in (0, 1, 100, 4095, 4097, 65536):
        for call in (verify_page, repair_page, stamp_page, wrong_bits):
            with pytest.raises(JetError) as caught:
                call(bytes(size), 1)
            assert caught.value.name == "JET_errInvalidParameter"
    for size in (0, 3, 4097):
        with pytest.raises(JetError):
            header_checksum(bytes(size))
    for arguments in ((bytes(4096), 1, 2048), (bytes(4096), 8, 4096), (bytes(4096), -8, 1024), (bytes(512), 0, 512)):
        with pytest.raises(JetError):
            block_checksum(*arguments, 1, True)


def test_damaged_variants(fixtures: Fixtures) -> None:
    """What the original's checksum utility counts in each damaged variant."""
    size = 4096
    base = fixtures.read("engine/damaged-pages-4k/db.edb")
    for variant in ("bit", "bit-in-checksum", "bit-in-header", "byte", "swapped", "two-bits", "zeroed"):
        outcome = json.loads(fixtures.read(f"engine/damaged-pages-4k/{variant}/outcome.json"))
        counted = {line.split(" ", 1)[1]: int(line.split(" ", 1)[0]) for line in outcome["checksum_run"][1:6]}
        place = outcome["file_offset"]
        image = fixtures.read(f"engine/damaged-pages-4k/{variant}/page.bin")
        data = base[:place] + image + base[place + size :]
        statuses = [status for _, status in verify_run(data[2 * size :], size, 1)]
        assert statuses.count(PAGE_BAD) == counted["bad checksums"], variant
        assert statuses.count(PAGE_REPAIRABLE) == counted["correctable checksums"], variant
        assert statuses.count(PAGE_BLANK) == counted["uninitialized pages"], variant
        if variant in ("bit", "bit-in-header"):
            assert repair_page(image, outcome["page"]) == base[place : place + size]
