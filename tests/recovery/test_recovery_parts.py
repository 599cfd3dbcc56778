"""The parts of recovery by themselves: differences, images, versions, free runs, splits of which only one side is on disk."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esent.constants import codes
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.pages.edit import PAGE_LEAF, MutablePage
from esent.pages.page import Page
from esent.pages.primitives import Lgpos
from esent.recovery.images import apply_difference, logged_image, restore_image
from esent.recovery.redo_trees import free_runs
from esent.recovery.sessions import SessionTable, Version
from recovery_support import different_pages, dump_lines, lines_of, outcome, recover

# differences


@pytest.mark.parametrize(
    ("old", "difference", "wide", "new"),
    [
        (b"abcdef", b"\x02\x20\x02XY", False, b"abXYef"),  # two bytes of the same length
        (b"abcdef", b"\x03\x40\x01-", False, b"abc-def"),  # insert
        (b"abcdef", b"\x01\x00\x01\x03Z", False, b"aZef"),  # one for three
        (b"abcdef", b"\x05\x80\x01\x00\x01\x00!", False, b"abcde!"),  # long lengths
        (b"abcdef", b"\x00\x00\x20\x01A\x05\x00\x20\x01F", True, b"AbcdeF"),  # two entries, wide
        (b"abcdef", b"\x04\x00\x00\x02", False, b"abcd"),  # removal
        (b"abcdef", b"", False, b"abcdef"),
    ],
)
def test_differences(old: bytes, difference: bytes, wide: bool, new: bytes) -> None:
    assert apply_difference(old, difference, wide=wide, new_size=len(new)) == new


@given(st.binary(max_size=64), st.binary(max_size=64), st.booleans())
def test_any_difference_ends(old: bytes, difference: bytes, wide: bool) -> None:
    try:
        data = apply_difference(old, difference, wide=wide, new_size=len(old))
    except JetError as problem:
        assert problem.code in (codes.JET_errLogFileCorrupt, codes.JET_errLogCorrupted)
    else:
        assert len(data) == len(old)


# images


@pytest.mark.parametrize("size", [8192, 16384, 32768])
def test_a_dehydrated_image_gets_its_gap_back(size: int) -> None:
    page = MutablePage.initialise(size, 9, 4, PAGE_LEAF, 99)
    for line in range(10):
        page.insert_key(line, b"key%d" % line, b"value" * 3)
    whole = bytes(page.data)
    tags = 4 * page.tag_count
    top = (80 if size > 8192 else 40) + page.mic_free
    gap = size - top - tags
    body = bytearray(whole[:top] + whole[size - tags :])
    body[28:30] = (page.free - gap).to_bytes(2, "little")
    assert restore_image(bytes(body), 1, size, 9) == whole
    with pytest.raises(JetError):
        restore_image(bytes(body), 0, size, 9)


@pytest.mark.parametrize("size", [4096, 8192, 16384, 32768])
def test_an_image_is_logged_small_and_comes_back_whole(size: int) -> None:
    page = MutablePage.initialise(size, 9, 4, PAGE_LEAF, 99)
    assert restore_image(*logged_image(bytes(page.data)), size, 9) == bytes(page.data)
    for line in range(40):
        page.insert_key(line, b"key%02d" % line, b"value %d " % line * 5)
        image, flags = logged_image(bytes(page.data))
        assert restore_image(image, flags, size, 9) == bytes(page.data)
    assert len(image) < size // 2


@pytest.mark.fixtures
@pytest.mark.parametrize("name", ["clean-2000-4k", "clean-2000-32k"])
def test_images_of_genuine_pages(fixtures: Any, name: str) -> None:
    with DatabaseFile(fixtures.path(f"engine/{name}/db.edb")) as file:
        for pgno in range(1, min(file.page_count, 120)):
            page = Page(bytes(file.read_pages(pgno, 1)), pgno)
            whole = Page(restore_image(*logged_image(page.data), file.page_size, pgno), pgno)
            end = page.header_size + page.mic_free  # bytes between it and the tags mean nothing
            assert whole.data[:end] == page.data[:end]
            assert [whole.tag(number) for number in range(whole.tag_count)] == [
                page.tag(number) for number in range(page.tag_count)
            ]


@given(st.binary(max_size=200), st.integers(0, 3))
def test_any_image_ends(image: bytes, flags: int) -> None:
    with contextlib.suppress(JetError):
        assert len(restore_image(image, flags, 4096, 1)) == 4096


# extents


@pytest.mark.parametrize(
    ("cpg", "bitmap", "runs"),
    [
        (1, 0, []),
        (4, 0b111, [(13, 3)]),
        (8, 0b1101001, [(11, 1), (14, 1), (17, 2)]),
        (33, 0xFFFFFFFF, [(42, 32)]),
        (40, 0xFFFFFFFF, [(49, 39)]),
        (40, 0x7FFFFFFF, [(41, 31), (49, 7)]),
        (3, 0xFFFFFFFF, [(12, 2)]),
    ],
)
def test_free_runs(cpg: int, bitmap: int, runs: list[tuple[int, int]]) -> None:
    assert free_runs(10, cpg, bitmap) == runs


# sessions and versions


def version(table: SessionTable, rceid: int) -> Version:
    return Version(rceid, 1, 5, 3, True, 2, b"k", b"", table.next_order(), 8, before=b"x" * 100, pending=True)


def test_levels_of_a_transaction() -> None:
    table = SessionTable(1 << 20)
    session = table.get(5)
    session.begin(0, 1)
    first = version(table, 1)
    table.add(session, first, 1)
    session.begin(1, 2)
    second, third = version(table, 3), version(table, 5)
    table.add(session, second, 3)
    table.add(session, third, 2)
    assert [each.rceid for each in session.newest_first()] == [3]
    session.commit_to(2)
    assert [each.rceid for each in session.newest_first()] == [5, 3]
    table.rollback(session, 1)
    assert (session.level, session.find(3), session.find(1)) == (1, None, first)
    assert not second.pending
    assert first.pending
    table.commit(session)
    assert (session.level, session.find(1), first.pending) == (0, None, False)
    assert not table.open_transactions()


def test_the_store_is_bounded_and_gives_back() -> None:
    table = SessionTable(1000)
    session = table.get(5)
    for _ in range(10):
        session.begin(0, 1)
        table.add(session, version(table, 1), 1)
        table.add(session, version(table, 3), 1)
        table.undone(session, 3)
        table.commit(session)
    session.begin(0, 1)
    with pytest.raises(JetError) as caught:
        for rceid in range(10):
            table.add(session, version(table, rceid), 1)
    assert caught.value.code == codes.JET_errVersionStoreOutOfMemory


# any subset of pages on disk


@pytest.mark.fixtures
@pytest.mark.parametrize("seed", range(4))
def test_any_mixture_of_old_and_new_pages(fixtures: Any, tmp_path: Path, seed: int) -> None:
    """Pages as of an early and a late position, mixed at random: splits and merges are found half done, in every way."""
    folder = fixtures.copy_set("engine/dirty-4k", tmp_path / "logs")
    for leftover in ("db.edb", "edb.chk"):
        (folder / leftover).unlink()
    for stop, name in ((Lgpos(2, 5, 0), "early"), (Lgpos(14, 20, 0), "late")):
        assert outcome(folder, stop=stop) == codes.JET_errRecoveredWithoutUndo
        (tmp_path / name).write_bytes((folder / "db.edb").read_bytes())
    early = (tmp_path / "early").read_bytes()
    chosen = random.Random(seed)
    replaced = 0
    with DatabaseFile(folder / "db.edb", writable=True) as file:
        size = file.page_size
        for pgno in range(1, file.page_count + 1):
            offset = file.offset_of(pgno)
            if chosen.random() < 0.5:
                file.file.write(offset, early[offset : offset + size].ljust(size, b"\0"))
                replaced += 1
    assert replaced > 100
    recover(folder)
    assert list(dump_lines(folder / "db.edb")) == lines_of(folder / "recovered.jsonl")
    assert len(different_pages(folder / "db.edb", folder / "recovered.edb")[1]) <= 8  # bytes of NULL columns
