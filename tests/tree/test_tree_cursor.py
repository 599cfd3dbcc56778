"""Trees of genuine files walked and searched, and trees whose links lie."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterator

import pytest

from esent.catalog.schema import Catalog
from esent.constants import codes
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.pages.page import Page
from esent.tree.cursor import Tree

SETS = ["engine/clean-4k/db.edb", "engine/clean-2000-4k/db.edb", "engine/clean-32k/db.edb", "windows/srum-win10/SRUDB.dat"]


class Overlay:
    """A page source with some of its pages changed in memory."""

    def __init__(self, file: DatabaseFile) -> None:
        self.file = file
        self.page_size = file.page_size
        self.changed: dict[int, bytes] = {}
        self.reads = 0

    def read_page(self, pgno: int) -> bytes:
        self.reads += 1
        return self.changed.get(pgno) or self.file.read_page(pgno)

    def put(self, pgno: int, offset: int, form: str, value: int) -> None:
        image = bytearray(self.read_page(pgno))
        struct.pack_into(form, image, offset, value)
        self.changed[pgno] = bytes(image)


PREVIOUS, NEXT, OBJID, FLAGS = 16, 20, 24, 36


@pytest.fixture
def deep(fixtures) -> Iterator[tuple[Overlay, Tree]]:
    """A table whose tree has several leaves."""
    with DatabaseFile(fixtures.path("engine/clean-2000-4k/db.edb")) as file:
        table = Catalog.load(file).table("Events")
        source = Overlay(file)
        yield source, Tree(source, table.root, table.objid)


def trees(file: DatabaseFile) -> Iterator[tuple[int, int]]:
    for table in Catalog.load(file):
        yield table.root, table.objid
        yield from ((index.root, index.objid) for index in table.indexes)
        if table.long_value_root:
            yield table.long_value_root, table.long_value_objid


@pytest.mark.parametrize("name", SETS)
def test_every_tree_is_in_order_and_every_entry_is_found(fixtures, name: str) -> None:
    deepest = 0
    with DatabaseFile(fixtures.path(name)) as file:
        for root, objid in trees(file):
            tree = Tree(file, root, objid, keep=64)
            pages = list(tree.leaves())
            assert tree.first_leaf().pgno == pages[0].pgno
            assert tree.last_leaf().pgno == pages[-1].pgno
            everything = [(key, value) for page in pages for _, key, value in page.entries()]
            if pages[0].has_unique_keys:
                assert all(one[0] < other[0] for one, other in itertools.pairwise(everything))
            else:
                assert all(one < other for one, other in itertools.pairwise(everything))
            deepest = max(deepest, len(pages))
            for key, _ in everything[:: max(1, len(everything) // 40)]:
                found = tree.seek(key)
                assert found is not None and found[2] and found[0].key(found[1]) == key
                after = tree.seek(key + b"\0")
                if after is not None:
                    assert (after[0].key(after[1]) > key and not after[2]) or after[0].key(after[1]) == key + b"\0"
            assert tree.seek(b"\xff" * 600) is None
    assert deepest > 1


@pytest.mark.parametrize("name", SETS)
def test_entries_from_a_key_on(fixtures, name: str) -> None:
    with DatabaseFile(fixtures.path(name)) as file:
        root, objid = max(trees(file), key=lambda each: sum(1 for _ in Tree(file, *each).leaves()))
        tree = Tree(file, root, objid)
        everything = list(tree.entries())
        for place in range(0, len(everything), max(1, len(everything) // 7)):
            key = everything[place][0]
            assert list(tree.entries(key)) == [entry for entry in everything if entry[0] >= key]
        assert list(tree.entries(everything[-1][0] + b"\0")) == []


def test_deleted_nodes_are_passed_over(fixtures) -> None:
    seen = 0
    with DatabaseFile(fixtures.path("engine/clean-4k/db.edb")) as file:
        for root, objid in trees(file):
            tree = Tree(file, root, objid)
            marked = {key for page in tree.leaves() for flags, key, _ in page.entries() if flags & 2}
            alive = {key for key, _ in tree.entries()}
            for key in marked - alive:
                seen += 1
                assert tree.find(key) is None
    assert seen


def test_find(deep: tuple[Overlay, Tree]) -> None:
    _, tree = deep
    for key, value in list(tree.entries())[::50]:
        assert tree.find(key) == value
        assert tree.find(key[:-1]) is None


def leaves(tree: Tree) -> list[Page]:
    return list(tree.leaves())


def walk_codes(tree: Tree) -> tuple[int, int]:
    """How many leaves came, and the code of the error that ended it."""
    count = 0
    with pytest.raises(JetError) as ended:
        for _ in tree.leaves():
            count += 1
    assert "page" in str(ended.value)
    return count, ended.value.code


def test_a_link_back_that_leads_elsewhere(deep: tuple[Overlay, Tree]) -> None:
    source, tree = deep
    pages = leaves(tree)
    source.put(pages[2].pgno, PREVIOUS, "<I", pages[0].pgno)
    assert walk_codes(tree) == (2, codes.JET_errBadPageLink)


def test_a_link_in_a_circle(deep: tuple[Overlay, Tree]) -> None:
    source, tree = deep
    pages = leaves(tree)
    source.put(pages[3].pgno, NEXT, "<I", pages[0].pgno)
    assert walk_codes(tree) == (4, codes.JET_errBadPageLink)


def test_a_page_that_follows_itself(deep: tuple[Overlay, Tree]) -> None:
    source, tree = deep
    pages = leaves(tree)
    source.put(pages[1].pgno, NEXT, "<I", pages[1].pgno)
    source.put(pages[1].pgno, PREVIOUS, "<I", pages[1].pgno)
    assert walk_codes(tree) == (1, codes.JET_errBadPageLink)


def test_a_closed_circle_with_links_both_ways(deep: tuple[Overlay, Tree]) -> None:
    """First and last leaf linked to each other: nothing disagrees but that the first leaf has one before it."""
    source, tree = deep
    pages = leaves(tree)
    source.put(pages[-1].pgno, NEXT, "<I", pages[0].pgno)
    source.put(pages[0].pgno, PREVIOUS, "<I", pages[-1].pgno)
    assert walk_codes(tree) == (0, codes.JET_errBadPageLink)
    middle = pages[4].key(0)
    with pytest.raises(JetError) as ended:
        list(tree.leaves(middle))
    assert ended.value.code == codes.JET_errBadPageLink


def test_a_link_behind_the_end_of_the_file(deep: tuple[Overlay, Tree]) -> None:
    source, tree = deep
    pages = leaves(tree)
    source.put(pages[0].pgno, NEXT, "<I", 0x7FFFFFF0)
    assert walk_codes(tree) == (1, codes.JET_errFileIOBeyondEOF)


def test_a_leaf_of_another_object(deep: tuple[Overlay, Tree]) -> None:
    source, tree = deep
    pages = leaves(tree)
    source.put(pages[1].pgno, OBJID, "<I", 2)
    assert walk_codes(tree) == (1, codes.JET_errBadPageLink)
    with pytest.raises(JetError) as ended:
        tree.seek(pages[1].key(0))
    assert ended.value.code == codes.JET_errBadParentPageLink


@pytest.mark.parametrize("change", [lambda root: root, lambda root: 0, lambda root: 0x7FFFFFF0])
def test_a_child_that_is_none(deep: tuple[Overlay, Tree], change: Callable[[int], int]) -> None:
    source, tree = deep
    page = tree.root_page()
    assert not page.is_leaf
    start, _ = page.value_bounds(0)
    source.put(tree.root, start, "<I", change(tree.root))
    with pytest.raises(JetError) as ended:
        tree.first_leaf()
    assert ended.value.code in (codes.JET_errBadParentPageLink, codes.JET_errBadPageLink, codes.JET_errFileIOBeyondEOF)


def test_not_a_root(deep: tuple[Overlay, Tree]) -> None:
    source, tree = deep
    for wrong in (Tree(source, leaves(tree)[0].pgno, tree.objid), Tree(source, tree.root, tree.objid + 1)):
        with pytest.raises(JetError) as ended:
            wrong.first_leaf()
        assert ended.value.code == codes.JET_errCatalogCorrupted


def test_pages_kept_are_not_read_again(deep: tuple[Overlay, Tree]) -> None:
    source, tree = deep
    keys = [key for key, _ in tree.entries()][:20]
    kept = Tree(source, tree.root, tree.objid, keep=8)
    before = source.reads
    for key in keys:
        assert kept.find(key) is not None
    assert source.reads - before < len(keys)
