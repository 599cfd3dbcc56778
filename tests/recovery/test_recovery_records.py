"""Record types the genuine logs at hand do not hold, or hold rarely: hand-made streams, and the pages they must lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from esent.constants import codes
from esent.errors import JetError
from esent.log import kinds
from esent.log.records import (
    Begin,
    Commit,
    CreateSEFDP,
    Delta,
    Delta64,
    EmptyTree,
    ExtendDB,
    FlagDelete,
    FlagInsert,
    FlagInsertAndReplaceData,
    Insert,
    MacroAbort,
    MacroBegin,
    MacroCommit,
    Merge2,
    NewPage,
    PageMove,
    Replace,
    Scrub,
    SetDbVersion,
    ShrinkDB3,
    Split2,
    TrimDB,
)
from esent.pages.database_file import DatabaseFile
from esent.pages.edit import PAGE_EMPTY, PAGE_LEAF, PAGE_PARENT_OF_LEAF, PAGE_ROOT, PAGE_SCRUBBED, MutablePage
from recovery_story import OBJID, PAGES, Story
from recovery_support import outcome, recover

ROWS = {b"a": b"\x01\0\0\0\0\0\0\0one", b"b": b"\x02\0\0\0\0\0\0\0two", b"c": b"\x03\0\0\0\0\0\0\0three"}


@pytest.fixture(params=[4096, 16384])
def story(tmp_path: Path, request: Any) -> Story:
    return Story(tmp_path, request.param)


def change_everything(story: Story, root: int) -> None:
    """Each kind of versioned change once, at two levels."""
    story.node(Insert, root, line=3, suffix=b"d", data=b"four")
    story.node(Replace, root, line=0, data=b"ONE", new_size=3)
    story.add(Begin(story.session, 1, 1))
    story.node(FlagDelete, root, line=1)
    story.node(FlagInsertAndReplaceData, root, line=1, key=b"b", data=b"TWO", rceid_replace=1000)
    story.node(Delta, root, line=2, key=b"c", delta=-5, data_offset=0)
    story.node(Delta64, root, line=2, key=b"c", delta=1 << 40, data_offset=0)
    story.add(Commit(story.session, 1))
    story.node(FlagDelete, root, line=2)
    story.node(FlagInsert, root, line=2, key=b"c", data=b"")


def test_open_changes_are_undone(story: Story) -> None:
    story.tree(10, ROWS)
    story.begin()
    change_everything(story, 10)
    story.end()
    assert recover(story.folder).transactions_rolled_back == 1
    assert story.rows(10) == ROWS
    assert [flags & 2 for flags, _, _ in story.read(10).nodes()] == [0, 0, 0, 2]  # the undone insert stays, flagged


def test_committed_changes_stay(story: Story) -> None:
    story.tree(10, ROWS)
    with story.transaction():
        change_everything(story, 10)
    story.end()
    assert recover(story.folder).transactions_rolled_back == 0
    number = 3 - 5 & 0xFFFFFFFF
    changed = (number + (1 << 40)).to_bytes(8, "little") + b"three"
    assert story.rows(10) == {b"a": b"ONE", b"b": b"TWO", b"c": changed, b"d": b"four"}


def test_open_changes_in_a_tree_with_duplicates(story: Story) -> None:
    story.tree(10, {b"k1": b"x", b"k2": b"y"}, unique=False)
    story.begin()
    story.node(Insert, 10, flags=0, line=1, suffix=b"k1", data=b"z")
    story.node(FlagDelete, 10, flags=0, line=0)
    story.end()
    recover(story.folder)
    assert [(flags & 2, key, data) for flags, key, data in story.read(10).nodes()] == [
        (0, b"k1", b"x"),
        (2, b"k1", b"z"),
        (0, b"k2", b"y"),
    ]


def two_levels(story: Story) -> None:
    """Root 10 over leaves 11, 12, 13 with one row each, made by committed records."""
    with story.transaction():
        story.page(CreateSEFDP, 10, objid_fdp=OBJID, pgno_fdp_parent=1, cpg_primary=8)
        for line, key in enumerate((b"b", b"d", b"f")):
            story.node(Insert, 10, versioned=False, line=line, suffix=key, data=b"row " + key)
        split(story, 10, 11, kinds.SPLIT_VERTICAL, 0, 3, with_image=True)
        split(story, 11, 12, kinds.SPLIT_RIGHT, 1, 3, with_image=True, parent=10, key=b"d")
        split(story, 12, 13, kinds.SPLIT_RIGHT, 1, 2, with_image=True, parent=10, key=b"f")


def split(
    story: Story, pgno: int, new: int, kind: int, line: int, count: int, *, with_image: bool, parent: int = 0, key: bytes = b""
) -> None:
    """A split without an operation folded in; the image, where wanted, is a blank page (both sides need redo)."""
    dbtime = story.tick()
    trx = story.trx - 4
    chain: list[Split2] = []
    if parent:
        before = story.stamp(parent, dbtime)
        chain.append(Split2(story.session, 1, parent, dbtime, before, trx, 1, 0, kinds.UNIQUE, pgno_fdp=10, objid_fdp=OBJID))
    flags = PAGE_LEAF | 0x800
    source_flags = PAGE_ROOT | PAGE_PARENT_OF_LEAF | 0x800 if kind == kinds.SPLIT_VERTICAL else flags
    before = story.stamp(pgno, dbtime)
    story.stamp(new, dbtime)
    chain.append(
        Split2(
            story.session, 1, pgno, dbtime, before, trx, 1, 0, kinds.UNIQUE,
            pgno_new=new, pgno_parent=parent, pgno_fdp=10, objid_fdp=OBJID, split_type=kind, split_oper=kinds.SPLIT_OPER_NONE,
            line_split=line, line_count=count, new_page_flags=flags, split_page_flags=source_flags,
            key_parent=key, image=bytes(story.page_size) if with_image else b"",
        )
    )  # fmt: skip
    story.add(MacroBegin(story.session, dbtime))
    for record in chain:
        story.add(record)
    story.add(MacroCommit(story.session, dbtime))


def leaves(story: Story) -> list[tuple[int, dict[bytes, bytes]]]:
    """(page, rows) of the leaves as their parent lists them; links must agree."""
    root = story.read(10)
    assert root.flags & PAGE_PARENT_OF_LEAF
    assert root.key(root.line_count - 1) == b""
    children = [root.child(line) for line in range(root.line_count)]
    for number, child in enumerate(children):
        page = story.read(child)
        assert page.previous == (children[number - 1] if number else 0)
        assert page.next == (children[number + 1] if number + 1 < len(children) else 0)
    return [(child, story.rows(child)) for child in children]


def test_splits(story: Story) -> None:
    two_levels(story)
    story.end()
    recover(story.folder)
    assert leaves(story) == [(11, {b"b": b"row b"}), (12, {b"d": b"row d"}), (13, {b"f": b"row f"})]
    root = story.read(10)
    assert [root.key(line) for line in range(3)] == [b"d", b"f", b""]


def test_a_split_that_needs_an_image_must_have_one(story: Story) -> None:
    with story.transaction():
        story.page(CreateSEFDP, 10, objid_fdp=OBJID, pgno_fdp_parent=1, cpg_primary=8)
        story.node(Insert, 10, versioned=False, line=0, suffix=b"k", data=b"v")
        split(story, 10, 11, kinds.SPLIT_VERTICAL, 0, 1, with_image=False)
    story.end()
    assert outcome(story.folder) == codes.JET_errDatabaseBufferDependenciesCorrupted


def test_an_aborted_or_unfinished_macro_has_no_effect(story: Story) -> None:
    story.tree(10, ROWS)
    story.begin()
    for abort in (True, False):
        dbtime = story.tick()
        story.add(MacroBegin(story.session, dbtime))
        story.add(
            Split2(story.session, 1, 10, dbtime, story.stamps[10], story.trx - 4, 1, 0, kinds.UNIQUE, pgno_new=11, line_count=3)
        )
        if abort:
            story.add(MacroAbort(story.session, dbtime))
    story.end()
    recover(story.folder)
    assert story.rows(10) == ROWS
    assert story.read(10).flags & PAGE_LEAF


def merge(
    story: Story,
    kind: int,
    pgno: int,
    *,
    left: int,
    right: int,
    line: int,
    root_line: int,
    root_flags: int,
    empty: bool,
    key: bytes = b"",
) -> None:
    dbtime = story.tick()
    trx = story.trx - 4
    root_before, before = story.stamp(10, dbtime), story.stamp(pgno, dbtime)
    left_before = story.stamp(left, dbtime) if left else -1
    right_before = story.stamp(right, dbtime) if right else -1
    story.add(MacroBegin(story.session, dbtime))
    story.add(
        Merge2(
            story.session, 1, 10, dbtime, root_before, trx, 1, root_line, kinds.UNIQUE,
            pgno_fdp=10, objid_fdp=OBJID, merge_flags=root_flags, pgno_left=left,
        )
    )  # fmt: skip
    story.add(
        Merge2(
            story.session, 1, pgno, dbtime, before, trx, 1, 0, kinds.UNIQUE,
            pgno_right=right, dbtime_right_before=right_before, pgno_left=left, dbtime_left_before=left_before,
            pgno_fdp=10, objid_fdp=OBJID, line_merge=line, merge_type=kind, key_parent_separator=key,
            merge_flags=kinds.MERGE_PAGE_BECOMES_EMPTY if empty else 0, image=bytes(story.page_size),
        )
    )  # fmt: skip
    story.add(MacroCommit(story.session, dbtime))


MERGES = [
    # (type, line, line of the pointer, change of the parent, emptied, separator, what is left)
    (kinds.MERGE_FULL_RIGHT, 0, 1, kinds.MERGE_DELETE_NODE, True, b"",
     [(11, {b"b": b"row b"}), (13, {b"d": b"row d", b"f": b"row f"})]),
    (kinds.MERGE_FULL_LEFT, 0, 1, kinds.MERGE_DELETE_NODE | kinds.MERGE_KEY_CHANGE, True, b"",
     [(11, {b"b": b"row b", b"d": b"row d"}), (13, {b"f": b"row f"})]),
    (kinds.MERGE_PARTIAL_RIGHT, 1, 1, kinds.MERGE_KEY_CHANGE, False, b"e",
     [(11, {b"b": b"row b"}), (12, {b"d": b"row d"}), (13, {b"e": b"row e", b"f": b"row f"})]),
    (kinds.MERGE_PARTIAL_LEFT, 0, 1, kinds.MERGE_KEY_CHANGE, False, b"e",
     [(11, {b"b": b"row b", b"d": b"row d"}), (12, {b"e": b"row e"}), (13, {b"f": b"row f"})]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "line", "root_line", "root_flags", "empty", "key", "expected"), MERGES)
def test_merges(
    story: Story, kind: int, line: int, root_line: int, root_flags: int, empty: bool, key: bytes, expected: Any
) -> None:
    two_levels(story)
    with story.transaction():
        if not empty:
            story.node(Insert, 12, versioned=False, root=10, line=1, suffix=b"e", data=b"row e")
        merge(story, kind, 12, left=11, right=13, line=line, root_line=root_line, root_flags=root_flags, empty=empty, key=key)
    story.end()
    recover(story.folder)
    assert leaves(story) == expected
    assert bool(story.read(12).flags & PAGE_EMPTY) == empty


def test_the_last_page_is_emptied(story: Story) -> None:
    two_levels(story)
    with story.transaction():
        merge(story, kinds.MERGE_EMPTY_PAGE, 13, left=12, right=0, line=0, root_line=2,
              root_flags=kinds.MERGE_DELETE_NODE, empty=True)  # fmt: skip
    story.end()
    recover(story.folder)
    assert [pgno for pgno, _ in leaves(story)] == [11, 12]


def test_a_page_moves(story: Story) -> None:
    two_levels(story)
    image = MutablePage.initialise(story.page_size, 12, OBJID, PAGE_LEAF, story.stamps[12])
    image.previous, image.next = 11, 13
    image.insert(0, 0, b"d", b"row d")
    with story.transaction():
        dbtime = story.tick()
        story.add(MacroBegin(story.session, dbtime))
        story.add(
            PageMove(
                story.session, 1, 12, dbtime, story.stamp(12, dbtime), story.trx - 4, 1, 0, kinds.UNIQUE,
                pgno_dest=20, pgno_left=11, pgno_right=13, pgno_parent=10, dbtime_left_before=story.stamp(11, dbtime),
                dbtime_right_before=story.stamp(13, dbtime), dbtime_parent_before=story.stamp(10, dbtime),
                pgno_fdp=10, objid_fdp=OBJID, line_parent=1,
                page_header=bytes(image.data[:200]), page_trailer=bytes(image.data[-100:]),
            )
        )  # fmt: skip
        story.add(MacroCommit(story.session, dbtime))
    story.end()
    recover(story.folder)
    assert leaves(story) == [(11, {b"b": b"row b"}), (20, {b"d": b"row d"}), (13, {b"f": b"row f"})]
    assert story.read(12).flags & PAGE_EMPTY
    assert (story.read(20).dbtime, story.read(20).pgno) == (dbtime, 20)


def test_a_tree_is_emptied(story: Story) -> None:
    two_levels(story)
    with story.transaction():
        dbtime = story.tick()
        entries = [(story.stamp(pgno, dbtime), pgno, 0) for pgno in (11, 12, 13)]
        before = story.stamp(10, dbtime)
        story.add(
            EmptyTree(
                story.session, 1, 10, dbtime, before, story.trx - 4, 1, 0, kinds.UNIQUE, 0, 10, OBJID,
                EmptyTree.pack_entries(entries),
            )
        )  # fmt: skip
    story.end()
    recover(story.folder)
    root = story.read(10)
    assert (root.line_count, root.flags & (PAGE_LEAF | PAGE_PARENT_OF_LEAF)) == (0, PAGE_LEAF)
    assert all(story.read(pgno).flags & PAGE_EMPTY for pgno in (11, 12, 13))


def test_scrubbing(story: Story) -> None:
    story.tree(10, ROWS)
    with story.transaction():
        story.node(FlagDelete, 10, line=1)
        story.node(Scrub, 10, versioned=False, scrub_count=3, opers=b"\x00\x01\x00")
    story.end()
    recover(story.folder)
    page = story.read(10)
    assert [page.value(line) for line in range(3)] == [ROWS[b"a"], b"D" * len(ROWS[b"b"]), ROWS[b"c"]]
    assert page.flags & PAGE_SCRUBBED


def test_a_page_is_taken_into_use_and_given_up(story: Story) -> None:
    with story.transaction():
        dbtime = story.tick()
        story.add(NewPage(story.session, 1, 30, OBJID, dbtime))
        story.page(CreateSEFDP, 30, objid_fdp=OBJID, pgno_fdp_parent=1, cpg_primary=8)
        story.node(Insert, 30, versioned=False, line=0, suffix=b"k", data=b"v")
    story.add(TrimDB(1, 40, 10))
    story.add(ExtendDB(1, PAGES + 40))
    story.add(ShrinkDB3(1, PAGES, 40, story.tick()))
    story.end()
    recover(story.folder)
    assert story.rows(30) == {b"k": b"v"}
    with DatabaseFile(story.path) as file:
        assert file.page_count == PAGES
        assert file.header.shrink_count == 1


def test_the_version_is_raised(story: Story) -> None:
    story.add(SetDbVersion(1, 0x620, 60, 120))
    story.add(SetDbVersion(1, 0x620, 20, 0))  # never lowered
    story.end()
    recover(story.folder)
    with DatabaseFile(story.path) as file:
        assert file.header.format_version == (0x620, 60, 120)


@pytest.mark.parametrize("major", [0, 0x621, 0xFFFFFFFF])
def test_no_record_makes_a_database_something_else(major: int, story: Story) -> None:
    story.add(SetDbVersion(1, major, 60, 120))
    story.end()
    with pytest.raises(JetError) as caught:
        recover(story.folder)
    assert caught.value.code == codes.JET_errLogCorrupted
    with DatabaseFile(story.path) as file:
        assert file.header.version == 0x620


def test_an_unfinished_creation_leaves_no_file(tmp_path: Path) -> None:
    story = Story(tmp_path, finished=False)
    story.end()
    assert recover(tmp_path).needed
    assert not story.path.exists()
    assert not recover(tmp_path).needed
