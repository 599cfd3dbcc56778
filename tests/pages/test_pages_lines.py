"""What a split counts and lays is what `fill` makes of the same nodes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esent.errors import JetError
from esent.pages.edit import PAGE_LEAF, PAGE_ROOT, MutablePage
from esent.pages.lines import TAG_SIZE, Lines, stored_size

Node = tuple[int, bytes, bytes]
KEY = st.one_of(st.binary(max_size=12), st.builds(lambda tail: b"a long beginning" + tail, st.binary(max_size=8)), st.just(b""))
NODE = st.tuples(st.integers(0, 3), KEY, st.binary(max_size=40))
PREFIX = st.one_of(st.just(b""), st.just(b"a long beginning"), st.just(b"a long way"), KEY)


@dataclass
class Case:
    """A page, as its nodes and its prefix; a node to fold in, and where; the part that is laid out, and against what."""

    page_size: int
    nodes: list[Node]
    prefix: bytes
    extra: Node | None
    at: int
    instead: bool
    first: int
    last: int
    header: bytes
    root: bool


@st.composite
def cases(draw: st.DrawFn) -> Case:
    nodes = draw(st.lists(NODE, min_size=1, max_size=25))
    extra = draw(st.one_of(st.none(), NODE))
    instead = extra is not None and draw(st.booleans())
    at = draw(st.integers(0, len(nodes) - 1 if instead else len(nodes)))
    count = len(nodes) + (1 if extra is not None and not instead else 0)
    first = draw(st.integers(0, count))
    return Case(
        draw(st.sampled_from([4096, 8192, 32768])),
        nodes,
        draw(PREFIX),
        extra,
        at,
        instead,
        first,
        draw(st.integers(first, count)),
        draw(PREFIX),
        draw(st.booleans()),
    )


def made(page_size: int, flags: int) -> MutablePage:
    return MutablePage.initialise(page_size, 7, 5, flags, 9)


def folded(case: Case) -> tuple[list[Node], Lines]:
    page = made(case.page_size, PAGE_LEAF)
    page.fill(case.nodes, case.prefix)
    nodes, lines = list(case.nodes), Lines(page)
    if case.extra is not None:
        flags, key, data = case.extra
        if case.instead:
            nodes[case.at] = (flags, nodes[case.at][1], data)
            lines.put_instead(case.at, data, flags)
        else:
            nodes.insert(case.at, case.extra)
            lines.put(case.at, key, data, flags)
    return nodes, lines


@given(cases())
def test_the_lines_are_those_of_the_list(case: Case) -> None:
    nodes, lines = folded(case)
    assert lines.count == len(nodes)
    assert [lines.node(line) for line in range(lines.count)] == nodes
    assert [lines.key(line) for line in range(lines.count)] == [key for _, key, _ in nodes]


@given(cases())
def test_a_part_is_laid_as_fill_would(case: Case) -> None:
    nodes, lines = folded(case)
    flags = PAGE_LEAF | (PAGE_ROOT if case.root else 0)
    ours, theirs = made(case.page_size, flags), made(case.page_size, flags)
    for page in (ours, theirs):
        page.fill([(0, b"something", b"was here before")], b"other")
    lines.lay(ours, case.first, case.last, case.header)
    theirs.fill(nodes[case.first : case.last], case.header)
    assert ours.data == theirs.data


@given(cases())
def test_sizes_are_those_that_nodes_are_stored_with(case: Case) -> None:
    nodes, lines = folded(case)
    part = nodes[case.first : case.last]
    size = lines.size(case.first, case.last, case.header)
    assert size == len(case.header) + sum(stored_size(key, data, case.header) for _, key, data in part)
    page = made(case.page_size, PAGE_LEAF)
    before = page.free
    page.fill(part, case.header)
    assert before - page.free == size
    assert sorted(lines.cuts(case.header)) == list(range(1, len(nodes)))


@given(cases())
def test_the_first_cut_is_the_most_even(case: Case) -> None:
    nodes, lines = folded(case)
    sizes = [stored_size(key, data, case.header) for _, key, data in nodes]
    uneven = [abs(sum(sizes) - 2 * sum(sizes[:line])) for line in lines.cuts(case.header)]
    assert uneven == sorted(uneven)


def test_what_does_not_fit_leaves_the_page_as_it_was() -> None:
    page = made(4096, PAGE_LEAF)
    page.fill([(0, bytes([number]), bytes(380)) for number in range(10)], b"")
    lines = Lines(page)
    lines.put(3, b"\x02\x01", bytes(390))
    goal = made(4096, PAGE_LEAF)
    goal.fill([(0, b"k", b"d")], b"")
    before = bytes(goal.data)
    with pytest.raises(JetError):
        lines.lay(goal, 0, lines.count, b"")
    with pytest.raises(JetError):
        lines.lay(goal, 0, 1, bytes(5000))
    assert bytes(goal.data) == before
    assert lines.size(3, 4, b"") == 2 + 2 + 390 + TAG_SIZE
