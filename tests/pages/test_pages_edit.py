"""The mutable page against a plain list of nodes, and against every page of genuine files."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esent.errors import JetError
from esent.pages.edit import PAGE_LEAF, PAGE_PRE_INIT, PAGE_ROOT, MutablePage
from esent.pages.words import common_prefix

SIZES = (2048, 4096, 8192, 16384, 32768)


def audit(page: MutablePage) -> None:
    """The rules of a page: counters add up, lines lie inside and do not overlap."""
    image = bytes(page.data)
    large = page.page_size > 8192
    header, mask = (80, 0x7FFF) if large else (40, 0x1FFF)
    free, _, top, tags = struct.unpack_from("<HHHH", image, 28)
    tags &= 0xFFF
    spans = []
    for tag in range(tags):
        cb, ib = (word & mask for word in struct.unpack_from("<HH", image, page.page_size - 4 * (tag + 1)))
        if cb:
            spans.append((ib, ib + cb))
    spans.sort()
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))
    assert not spans or spans[-1][1] <= top
    assert sum(b - a for a, b in spans) + free + 4 * tags == page.page_size - header
    assert top + 4 * tags <= page.page_size - header
    MutablePage(image, page.pgno)


key_bytes = st.binary(min_size=1, max_size=40)
value_bytes = st.binary(min_size=1, max_size=300)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), st.integers(0, 200), key_bytes, value_bytes, st.integers(0, 3)),
        st.tuples(st.just("replace"), st.integers(0, 200), value_bytes),
        st.tuples(st.just("rekey"), st.integers(0, 200), key_bytes),
        st.tuples(st.just("delete"), st.integers(0, 200)),
        st.tuples(st.just("flags"), st.integers(0, 200), st.integers(0, 3)),
        st.tuples(st.just("prefix"), key_bytes),
        st.tuples(st.just("reorganise")),
    ),
    max_size=60,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(size=st.sampled_from(SIZES), prefix=key_bytes, script=steps)
def test_operations_match_a_plain_list(size: int, prefix: bytes, script: list[tuple[Any, ...]]) -> None:
    page = MutablePage.initialise(size, 77, 9, PAGE_LEAF, 1000)
    page.set_external_header(prefix)
    model: list[tuple[int, bytes, bytes]] = []
    for kind, *rest in script:
        before = bytes(page.data)
        line = rest[0] % len(model) if model and kind in ("replace", "rekey", "delete", "flags") else 0
        if kind in ("replace", "rekey", "delete", "flags") and not model:
            continue
        try:
            if kind == "insert":
                at = rest[0] % (len(model) + 1)
                page.insert_key(at, rest[1], rest[2], rest[3])
                model.insert(at, (rest[3], rest[1], rest[2]))
            elif kind == "replace":
                page.replace(line, rest[1])
                model[line] = (model[line][0], model[line][1], rest[1])
            elif kind == "rekey":
                page.replace_key(line, rest[1])
                model[line] = (model[line][0], rest[1], model[line][2])
            elif kind == "delete":
                page.delete(line)
                del model[line]
            elif kind == "flags":
                page.change_node_flags(line, 3, rest[1])
                model[line] = (rest[1], *model[line][1:])
            elif kind == "prefix":
                page.set_prefix(rest[0])
            else:
                page.reorganise()
        except JetError:
            assert bytes(page.data) == before  # refused: nothing has changed
        assert page.nodes() == model
        audit(page)


@given(size=st.sampled_from(SIZES), flags=st.integers(0, 0x7FF), objid=st.integers(1, 2**32 - 1))
def test_a_fresh_page_is_empty_and_sound(size: int, flags: int, objid: int) -> None:
    page = MutablePage.initialise(size, 5, objid, flags, 0x40)
    assert (page.objid, page.dbtime, page.line_count, page.external_header()) == (objid, 0x40, 0, b"")
    assert page.free == size - (80 if size > 8192 else 40) - 4
    audit(page)


def test_a_pre_initialised_page_has_no_tags() -> None:
    page = MutablePage.initialise(4096, 5, 3, PAGE_PRE_INIT, 0x40)
    assert (page.tag_count, page.free) == (0, 4056)
    page.clear()
    assert (page.tag_count, page.free) == (1, 4052)


@pytest.mark.parametrize("size", SIZES)
def test_search(size: int) -> None:
    page = MutablePage.initialise(size, 5, 3, PAGE_LEAF, 0x40)
    for line in range(20):
        page.insert_key(line, bytes((line * 2,)), b"x%d" % line)
    assert page.seek(b"\x08") == (4, True)
    assert page.seek(b"\x09") == (5, False)
    assert page.seek(b"\xff") == (20, False)
    assert page.seek(b"\x08", b"x4") == (4, True)
    assert page.seek(b"\x08", b"x5") == (5, False)
    assert page.seek(b"\x08", b"x3") == (4, False)


def test_descent_takes_the_first_separator_above() -> None:
    page = MutablePage.initialise(4096, 5, 3, PAGE_ROOT, 0x40)
    for line, key in enumerate((b"b", b"d", b"")):
        page.insert_key(line, key, (10 + line).to_bytes(4, "little"))
    assert [page.child(page.seek_child(key)) for key in (b"a", b"b", b"c", b"d", b"z")] == [10, 11, 11, 12, 12]


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_common_prefix(first: bytes, second: bytes) -> None:
    shared = common_prefix(first, second)
    assert first[:shared] == second[:shared]
    assert first[shared : shared + 1] != second[shared : shared + 1] or shared in (len(first), len(second))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_images_end_in_a_jet_error(data: st.DataObject) -> None:
    size = data.draw(st.sampled_from((4096, 16384)))
    page = MutablePage.initialise(size, 5, 3, PAGE_LEAF, 0x40)
    page.set_external_header(b"prefix")
    for line in range(12):
        page.insert_key(line, b"prefix%02d" % line, b"v" * line or b"-")
    image = bytearray(page.data)
    spots = st.one_of(st.integers(28, 35), st.integers(size - 60, size - 1), st.integers(40, 300))
    for _ in range(data.draw(st.integers(1, 4))):
        image[data.draw(spots)] ^= 1 << data.draw(st.integers(0, 7))
    try:
        damaged = MutablePage(image, 5)
        damaged.nodes()
        damaged.insert_key(0, b"prefix", b"w" * 500)
        damaged.replace(0, b"q" * 700)
        damaged.set_prefix(b"pre")
        damaged.delete(1)
        damaged.reorganise()
        damaged.seek(b"prefix03")
    except JetError:
        return
    assert len(damaged.data) == size


@pytest.mark.fixtures
@pytest.mark.parametrize("name", ["clean-4k", "clean-8k", "clean-16k", "clean-32k"])
def test_genuine_pages_survive_compaction_and_rebuilding(fixtures: Any, name: str) -> None:
    image = Path(fixtures.path(f"engine/{name}/db.edb")).read_bytes()
    size = struct.unpack_from("<I", image, 236)[0]
    seen = 0
    for start in range(2 * size, len(image), size):
        raw = image[start : start + size]
        if not any(raw):
            continue
        page = MutablePage(raw, start // size - 1)
        nodes, header = page.nodes(), page.external_header()
        page.reorganise()
        assert (page.nodes(), page.external_header()) == (nodes, header)
        audit(page)
        stored = [page.raw_node(line) for line in range(page.line_count)]
        page.fill(nodes, header)
        audit(page)
        assert page.nodes() == nodes
        again = [page.raw_node(line) for line in range(page.line_count)]
        assert again == stored  # the rule of compression is the original's
        seen += len(nodes)
    assert seen > 1000
