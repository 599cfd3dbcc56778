"""Trees built from the bottom up, and the space trees of a fresh file: what a plain walk finds is what was put in."""

from __future__ import annotations

import itertools
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esent.constants import codes
from esent.errors import JetError
from esent.pages.page import PAGE_INDEX, PAGE_NON_UNIQUE_KEYS, Page
from esent.tree.bulk import BulkTree, choose_prefix, compose_page, separator
from esent.tree.fresh_space import Extent, FileSpace, TreeSpace, write_root_space

PAGE_SIZES = (4096, 8192, 16384, 32768)


class Pages:
    """A page sink in memory."""

    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self.images: dict[int, bytes] = {}
        self.last = 100
        self.time = 0

    def next_dbtime(self) -> int:
        self.time += 1
        return self.time

    def put(self, pgno: int, image: bytes) -> None:
        assert pgno not in self.images
        assert len(image) == self.page_size
        self.images[pgno] = image

    def allocate(self) -> int:
        self.last += 1
        return self.last


def build(
    page_size: int, nodes: list[tuple[bytes, bytes]], *, class_flags: int = 0, density: int = 100
) -> tuple[Pages, BulkTree]:
    pages = Pages(page_size)
    tree = BulkTree(pages, pages.allocate, root=9, objid=77, class_flags=class_flags, density=density)
    for key, value in nodes:
        tree.add(key, value)
    tree.finish()
    tree.write_root(b"S" * 16)
    return pages, tree


def check_page(page: Page) -> None:
    """The structural rules of one page."""
    sizes = [page.tag(i) for i in range(page.tag_count)]
    assert sum(size for _, size in sizes) + page.free + 4 * page.tag_count == page.page_size - page.header_size
    spans = sorted((start, start + size) for start, size in sizes if size)
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))
    assert spans[-1][1] - page.header_size == page.mic_free
    for line in range(page.line_count):
        flags, shared, _, data = page.raw_node(line)
        assert flags in (0, 4)
        assert data
        assert shared != 1 and shared != 2


def walk(images: dict[int, bytes], pgno: int, low: tuple[bytes, bytes], high: bytes | None, leaves: list[Page]) -> int:
    """Collect the leaves below a page, checking that separators bound what is below; the depth."""
    page = Page(images[pgno], pgno)
    check_page(page)
    assert page.objid == 77
    if page.is_leaf:
        leaves.append(page)
        return 1
    assert (page.previous, page.next) == (0, 0)
    depths = set()
    bound = low
    for line in range(page.line_count):
        _, key, data = page.entry(line)
        assert key or line == page.line_count - 1
        upper = key or None
        if line == page.line_count - 1:
            assert upper == high if not page.is_root else upper is None
        child = int.from_bytes(data, "little")
        depths.add(walk(images, child, bound, upper, leaves))
        for entry in range(leaves[-1].line_count):
            whole = leaves[-1].key(entry) + (leaves[-1].entry(entry)[2] if not leaves[-1].has_unique_keys else b"")
            assert upper is None or whole < upper
        bound = (key, b"")
    assert len(depths) == 1
    depth = depths.pop()
    assert page.is_parent_of_leaf == (depth == 1)
    return depth + 1


def contents(pages: Pages, root: int) -> tuple[list[tuple[bytes, bytes]], int]:
    leaves: list[Page] = []
    depth = walk(pages.images, root, (b"", b""), None, leaves)
    if depth > 1:
        assert [leaf.previous for leaf in leaves] == [0, *[leaf.pgno for leaf in leaves[:-1]]]
        assert [leaf.next for leaf in leaves] == [*[leaf.pgno for leaf in leaves[1:]], 0]
        assert all(leaf.line_count for leaf in leaves)
    return [leaf.entry(line)[1:] for leaf in leaves for line in range(leaf.line_count)], depth


@pytest.mark.parametrize("page_size", PAGE_SIZES)
@pytest.mark.parametrize("count", [0, 1, 2, 60, 3000, 30000])
def test_sizes_and_depths(page_size: int, count: int) -> None:
    nodes = [(b"\x7f" + struct.pack(">I", 3 * i), b"data %d " % i * (i % 5 + 1)) for i in range(count)]
    pages, tree = build(page_size, nodes)
    found, depth = contents(pages, 9)
    assert found == nodes
    assert depth == tree.depth
    assert tree.pages == len(pages.images)
    assert {*range(101, pages.last + 1), 9} == set(pages.images)


def test_several_levels_of_wide_keys() -> None:
    nodes = [(b"w" * 890 + b"%06d" % i, b"v") for i in range(6000)]
    pages, tree = build(4096, nodes)
    found, depth = contents(pages, 9)
    assert found == nodes
    assert depth >= 3
    assert tree.depth == depth


def test_separators_of_keys_that_differ_early_are_short() -> None:
    rng = random.Random(5)
    nodes = sorted({rng.randbytes(900): b"v" for _ in range(400)}.items())
    pages, _ = build(4096, nodes)
    assert contents(pages, 9)[0] == nodes
    root = Page(pages.images[9], 9)
    assert all(len(root.key(line)) <= 3 for line in range(root.line_count))


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_keys_with_long_common_beginnings_are_shared(page_size: int) -> None:
    nodes = [(b"a common beginning of all keys/%06d" % i, b"x") for i in range(5000)]
    pages, _ = build(page_size, nodes)
    assert contents(pages, 9)[0] == nodes
    size = sum(map(len, pages.images.values()))
    assert size < 5000 * 18 + page_size  # 37 bytes a key without


def test_density_leaves_room() -> None:
    nodes = [(struct.pack(">I", i), bytes(40)) for i in range(2000)]
    pages, _ = build(4096, nodes, density=60)
    leaves: list[Page] = []
    walk(pages.images, 9, (b"", b""), None, leaves)
    assert all(leaf.free >= 4096 * 40 // 100 for leaf in leaves[:-1])
    assert all(leaf.free < 4096 * 40 // 100 + 200 for leaf in leaves[:-1])


def test_equal_keys_are_told_apart_by_their_data() -> None:
    nodes = [(b"\x7fsame\0", b"\x7f" + struct.pack(">I", i)) for i in range(4000)]
    pages, _ = build(4096, nodes, class_flags=PAGE_INDEX | PAGE_NON_UNIQUE_KEYS)
    assert contents(pages, 9)[0] == nodes


def test_a_leaf_too_large_for_a_root_is_halved() -> None:
    assert 3 * (4 + 1340 + 6) <= 4096 - 44 < 16 + 3 * (4 + 1340 + 6)
    nodes = [(struct.pack(">I", i), bytes(1340)) for i in range(3)]
    pages, _ = build(4096, nodes)
    assert contents(pages, 9) == (nodes, 2)
    assert len(pages.images) == 3


def test_the_largest_record_needs_a_page_of_its_own() -> None:
    nodes = [(b"k" * 255, bytes(3789))]
    pages, _ = build(4096, nodes)
    assert contents(pages, 9) == (nodes, 2)


def test_order_is_enforced() -> None:
    pages = Pages(4096)
    tree = BulkTree(pages, pages.allocate, root=9, objid=77)
    tree.add(b"b", b"1")
    for key, code in ((b"b", codes.JET_errKeyDuplicate), (b"a", codes.JET_errInvalidParameter)):
        with pytest.raises(JetError) as caught:
            tree.add(key, b"2")
        assert caught.value.code == code
    with pytest.raises(JetError) as caught:
        BulkTree(pages, pages.allocate, root=9, objid=77).add(b"a", bytes(4050))
    assert caught.value.code == codes.JET_errRecordTooBig
    tree = BulkTree(pages, pages.allocate, root=9, objid=77, class_flags=PAGE_NON_UNIQUE_KEYS)
    tree.add(b"a", b"1")
    tree.add(b"a", b"2")
    with pytest.raises(JetError) as caught:
        tree.add(b"a", b"2")
    assert caught.value.code == codes.JET_errKeyDuplicate


def test_a_page_that_does_not_fit_is_refused() -> None:
    with pytest.raises(JetError) as caught:
        compose_page(4096, 5, 1, 2, 1, (0, 0), b"", b"", [b"k"], [bytes(4051)])
    assert caught.value.code == codes.JET_errRecordTooBig


def saving(prefix: bytes, keys: list[bytes]) -> int:
    total = -len(prefix)
    for key in keys:
        common = next((i for i, (a, b) in enumerate(zip(prefix, key, strict=False)) if a != b), min(len(prefix), len(key)))
        total += common - 2 if common > 2 else 0
    return total


@given(st.lists(st.text("ab", max_size=12).map(str.encode), unique=True, max_size=25).map(sorted))
def test_the_best_prefix_is_found(keys: list[bytes]) -> None:
    chosen = choose_prefix(keys)
    best = max([saving(key, keys) for key in keys], default=0)
    if best > 0:
        assert saving(chosen, keys) == best
    else:
        assert chosen == b""


@given(st.lists(st.binary(min_size=1, max_size=6), unique=True, min_size=2, max_size=2).map(sorted))
def test_separators_are_shortest(pair: list[bytes]) -> None:
    left, right = pair
    between = separator(left, b"", right, b"")
    assert left < between <= right
    assert len(between) == 1 or not left < between[:-1]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(PAGE_SIZES),
    st.dictionaries(st.binary(min_size=1, max_size=60), st.binary(min_size=1, max_size=900), max_size=120),
    st.integers(20, 100),
)
def test_any_tree(page_size: int, model: dict[bytes, bytes], density: int) -> None:
    nodes = sorted(model.items())
    pages, _ = build(page_size, nodes, density=density)
    assert contents(pages, 9)[0] == nodes


def extents(pages: Pages, root: int) -> list[tuple[int, int]]:
    """The extents of a space tree as (first, count)."""
    found: list[tuple[int, int]] = []
    page = Page(pages.images[root], root)
    assert page.is_space
    if page.is_leaf:
        for line in range(page.line_count):
            _, key, data = page.entry(line)
            count = int.from_bytes(data, "little")
            found.append((int.from_bytes(key, "big") - count + 1, count))
        return found
    for line in range(page.line_count):
        found += extents(pages, int.from_bytes(page.entry(line)[2], "little"))
    return found


def reached(pages: Pages, root: int) -> set[int]:
    """The pages of a tree."""
    page = Page(pages.images[root], root)
    found = {root}
    if not page.is_leaf:
        for line in range(page.line_count):
            found |= reached(pages, int.from_bytes(page.entry(line)[2], "little"))
    return found


def buffers(pages: Pages, root: int) -> set[int]:
    words = struct.unpack("<4I", Page(pages.images[root], root).external_header())
    return {last - i for last, count in (words[:2], words[2:]) for i in range(count)}


def span(runs: list[tuple[int, int]]) -> set[int]:
    pages = [pgno for first, count in runs for pgno in range(first, first + count)]
    assert len(pages) == len(set(pages))
    return set(pages)


@pytest.mark.parametrize("seed", range(12))
def test_space_adds_up(seed: int) -> None:
    """Tables with children that allocate in any order: owned = used + free + handed on, no page twice, none lost."""
    rng = random.Random(seed)
    pages = Pages(4096)
    file = FileSpace(31)
    trees: list[tuple[TreeSpace, list[TreeSpace]]] = []
    used: dict[int, set[int]] = {}
    for number in range(rng.randint(1, 6)):
        table = TreeSpace(file, file.grant(rng.choice([1, 2, 5, 33])), objid=100 + number)
        count = rng.randint(0, 4)
        children = [TreeSpace(table, table.grant(1), objid=200 + 10 * number + child) for child in range(count)]
        trees.append((table, children))
        used.update({space.root: {space.root} for space in (table, *children)})
        for _ in range(rng.choice([0, 3, 40, 400, 3000])):
            space = rng.choice([table, *children])
            pgno = space.allocate()
            assert not any(pgno in taken for taken in used.values())
            used[space.root].add(pgno)
    headers = {}
    for table, children in trees:
        for space in (*children, table):
            headers[space.root] = struct.unpack("<4I", space.finish(pages))
    total = file.next + 6
    write_root_space(pages, total, file.next - 1)
    every: set[int] = set(range(1, 31))

    def account(space: TreeSpace, handed: set[int]) -> set[int]:
        size, parent, flags, word = headers[space.root]
        assert parent == space.parent.root
        taken = set(used[space.root])
        if flags & 1:
            owned, free = span(extents(pages, word)), span(extents(pages, word + 1))
            if not flags & 4:
                assert extents(pages, word)[0] == (space.root, size) or (space.root, size) in extents(pages, word)
            taken |= reached(pages, word) | reached(pages, word + 1) | buffers(pages, word) | buffers(pages, word + 1)
        else:
            owned = set(range(space.root, space.root + size))
            free = {space.root + 1 + bit for bit in range(32) if word >> bit & 1}
        assert free <= owned
        assert not taken & free
        assert not handed & (taken | free)
        assert taken | free | handed == owned
        return owned

    for table, children in trees:
        handed: set[int] = set()
        for child in children:
            owned = account(child, set())
            assert not owned & handed
            handed |= owned
        owned = account(table, handed)
        assert not owned & every
        every |= owned
    assert every | span(extents(pages, 3)) == span(extents(pages, 2)) == set(range(1, total + 1))
    assert not every & span(extents(pages, 3))


def test_a_space_tree_of_several_pages() -> None:
    pages = Pages(4096)
    file = FileSpace(31)
    tree = TreeSpace(file, file.grant(1), objid=77)
    child = TreeSpace(tree, tree.grant(1), objid=78)
    for _ in range(700):
        tree.grant(1)
    tree.finish(pages)
    root = Page(pages.images[tree.own_trees], tree.own_trees)
    assert not root.is_leaf
    assert len(extents(pages, tree.own_trees)) > 700
    assert span(extents(pages, tree.own_trees)) == set(range(31, file.next))
    assert child.root == 32 or child.root in span(extents(pages, tree.own_trees))


def test_a_single_extent_holds_33_pages() -> None:
    file = FileSpace(31)
    with pytest.raises(JetError) as caught:
        TreeSpace(file, Extent(31, 34), objid=9)
    assert caught.value.code == codes.JET_errInvalidParameter
    space = TreeSpace(file, file.grant(33), objid=9)
    header = space.finish(Pages(4096))
    assert struct.unpack("<4I", header) == (33, 1, 0, 0xFFFFFFFF)


def test_out_of_page_numbers() -> None:
    file = FileSpace(0x7FEFFFF0)
    with pytest.raises(JetError) as caught:
        file.grant(17)
    assert caught.value.code == codes.JET_errOutOfDatabaseSpace
