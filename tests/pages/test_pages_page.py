"""Pages: every field, tag and key the original's utility prints of genuine pages; hostile images."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esent.errors import JetError
from esent.pages.checksum import stamp_page
from esent.pages.page import Page
from genuine import FIXTURES, Fixtures

LISTS = (
    [path.relative_to(FIXTURES).as_posix() for path in sorted(FIXTURES.rglob("*pages.json.gz"))] if FIXTURES is not None else []
)
WORDS = {
    "Root page": "is_root",
    "Leaf page": "is_leaf",
    "Parent of leaf": "is_parent_of_leaf",
    "Long Value page": "is_long_value",
    "Empty page": "is_empty",
}


@pytest.mark.parametrize("name", LISTS)
def test_pages_as_printed(fixtures: Fixtures, name: str) -> None:
    listing = json.loads(gzip.decompress((fixtures.root / name).read_bytes()))
    database = (
        name.removesuffix(".pages.json.gz") if name.endswith(".pages.json.gz") else name.replace("pages.json.gz", "db.edb")
    )
    data = fixtures.read(database)
    size = listing["page_size"]
    checked = 0
    for printed in listing["pages"]:
        if "flags" not in printed:
            continue
        pgno = printed["pgno"]
        assert printed["offset"] == (pgno + 1) * size
        page = Page(data[printed["offset"] : printed["offset"] + size], pgno)
        ours = {
            "dbtime": page.dbtime,
            "prev": page.previous,
            "next": page.next,
            "objid": page.objid,
            "cb_free": page.free,
            "cb_uncommitted_free": page.uncommitted_free,
            "ib_mic_free": page.mic_free,
            "flags": page.flags,
            "tags": page.tag_count,
        }
        assert {key: printed[key] for key in ours} == ours
        words = printed["flag_words"]
        assert f"PageFlushType = {page.flush_type}" in words or page.flush_type == 0
        for word, attribute in WORDS.items():
            assert (word in words) == getattr(page, attribute), (word, words)
        assert any(word.startswith("Space tree page") for word in words) == page.is_space
        assert ("Index page (unique keys)" in words) == (page.is_index and page.has_unique_keys)
        assert ("Index page (non-unique keys)" in words) == (page.is_index and not page.has_unique_keys)
        if "tag0" in printed:
            assert page.external_header().hex() == printed["tag0"]
        if "first_key" in printed:
            assert page.key(0).hex() == printed["first_key"]
            assert page.key(page.line_count - 1).hex() == printed["last_key"]
        check_lines(page, printed["tag_list"])
        checked += 1
    assert checked > 3


def check_lines(page: Page, tags: list[dict[str, Any]]) -> None:
    entries = page.entries()
    assert len(entries) == page.line_count == max(0, page.tag_count - page.first_tag)
    for tag in tags:
        start, size = page.tag(tag["tag"])
        assert (size, start - page.header_size) == (tag["cb"], tag["ib"])
        if "offset" in tag:
            assert [start, start + size] == tag["offset"]
        line = tag["tag"] - page.first_tag
        if line < 0:
            continue
        flags, shared, suffix, value = page.raw_node(line)
        assert flags == tag["flags"] == page.node_flags(line)
        if "suffix" in tag:
            assert (shared, len(suffix), len(value)) == (tag["prefix"], tag["suffix"], tag["data"])
        key = page.key(line)
        assert key == page.prefix[:shared] + suffix
        assert entries[line] == (flags, key, value) == page.entry(line)
        assert page.value(line) == value
        low, high = page.value_bounds(line)
        assert page.data[low:high] == value
        if not page.is_leaf:
            assert page.child(line) == int.from_bytes(value, "little")
        if "space" in tag and flags != 2:
            pool, extent = tag["space"].removeprefix("SP: ").split(": ")
            pages, span = extent.split(",")
            first, last = (int(number) for number in span.split("-"))
            assert pool == "Gen"
            assert (int.from_bytes(key, "big"), int.from_bytes(value, "little")) == (last, int(pages))
            assert last - first + 1 == int(pages)


@pytest.mark.parametrize("name", ["engine/clean-4k/db.edb", "engine/clean-32k/db.edb", "windows/types/index.edb"])
def test_seek_on_genuine_pages(fixtures: Fixtures, name: str) -> None:
    data = fixtures.read(name)
    size = int.from_bytes(data[236:240], "little")
    leaves = inner = 0
    for pgno in range(1, len(data) // size - 1):
        image = data[(pgno + 1) * size : (pgno + 2) * size]
        if not any(image):
            continue
        page = Page(image, pgno)
        keys = [page.key(line) for line in range(page.line_count)]
        ordered = keys if page.is_leaf or not keys or keys[-1] else keys[:-1]
        assert ordered == sorted(ordered)
        for wanted in {*ordered, *(key + b"\0" for key in ordered), *(key[:-1] for key in ordered), b"", b"\xff" * 20}:
            expected = next((line for line, key in enumerate(ordered) if key >= wanted), len(ordered))
            assert page.seek(wanted) == (expected, expected < len(ordered) and ordered[expected] == wanted)
        leaves += page.is_leaf
        inner += not page.is_leaf and bool(keys)
    assert leaves > 10
    assert inner >= 1


def page_of(lines: list[bytes], *, size: int = 4096, flags: int = 0x2802, prefix: bytes = b"", tag_flags: list[int]) -> bytes:
    """A page put together here, by the layout alone; the flags of large pages are in `lines` already."""
    header = 40 if size <= 8192 else 80
    image = bytearray(size)
    image[34:36] = (len(lines) + 1).to_bytes(2, "little")
    image[36:40] = flags.to_bytes(4, "little")
    used = 0
    for number, (line, bits) in enumerate(zip([prefix, *lines], [0, *tag_flags], strict=True)):
        image[header + used : header + used + len(line)] = line
        place = size - 4 * (number + 1)
        # the unused bits of the size word may hold garbage
        garbage = 0xE000 if size <= 8192 else 0x8000
        image[place : place + 2] = (len(line) | garbage).to_bytes(2, "little")
        image[place + 2 : place + 4] = (used | bits << 13).to_bytes(2, "little")
        used += len(line)
    image[32:34] = used.to_bytes(2, "little")
    image[28:30] = (size - header - used - 4 * (len(lines) + 1)).to_bytes(2, "little")
    return stamp_page(bytes(image), 7)


@pytest.mark.parametrize("size", [4096, 8192, 16384, 32768])
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_pages_put_together(size: int, data: st.DataObject) -> None:
    prefix = data.draw(st.binary(max_size=20))
    nodes = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from([0, 1, 2, 3]),
                st.integers(0, len(prefix)),
                st.binary(max_size=20),
                st.binary(min_size=1, max_size=40),
            ),
            max_size=20,
        )
    )
    large = size > 8192
    lines, tag_flags = [], []
    for flags, shared, suffix, value in nodes:
        flags |= 4 if shared else 0
        first = (shared if shared else len(suffix)) | (flags << 13 if large else 0)
        head = first.to_bytes(2, "little") + (len(suffix).to_bytes(2, "little") if shared else b"")
        lines.append(head + suffix + value)
        tag_flags.append(0 if large else flags)
    page = Page(page_of(lines, size=size, prefix=prefix, tag_flags=tag_flags), 7)
    assert page.prefix == page.external_header() == prefix
    assert page.entries() == [
        (flags | (4 if shared else 0), prefix[:shared] + suffix, value) for flags, shared, suffix, value in nodes
    ]
    assert [page.raw_node(line) for line in range(page.line_count)] == [
        (flags | (4 if shared else 0), shared, suffix, value) for flags, shared, suffix, value in nodes
    ]


def test_reserved_tags_are_no_nodes() -> None:
    image = bytearray(page_of([b"\x01reserved", b"\x01\0kv"], tag_flags=[0, 0]))
    image[34:36] = (0x2003).to_bytes(2, "little")
    page = Page(bytes(image), 7)
    assert (page.tag_count, page.first_tag, page.line_count) == (3, 2, 1)
    assert page.entries() == [(0, b"k", b"v")]
    image[34:36] = (0x1003).to_bytes(2, "little")
    with pytest.raises(JetError):
        Page(bytes(image), 7)  # the reserved tag read as a node


def test_roots_have_no_prefix() -> None:
    header = bytes(range(16))
    data_root = Page(page_of([b"\1\0kv"], flags=0x2803, prefix=header, tag_flags=[0]), 7)
    assert (data_root.external_header(), data_root.prefix) == (header, b"")
    space_root = Page(page_of([b"\3\0\1\0kv"], flags=0x2823, prefix=header + b"abc", tag_flags=[4]), 7)
    assert (space_root.prefix, space_root.key(0)) == (b"abc", b"abck")
    with pytest.raises(JetError) as caught:
        Page(page_of([b"\3\0\1\0kv"], flags=0x2803, prefix=header, tag_flags=[4]), 7)
    assert caught.value.name == "JET_errNodeCorrupted"


def test_blank_and_pre_init() -> None:
    page = Page(bytes(4096), 9)
    assert (page.is_blank, page.line_count, page.entries(), page.external_header()) == (True, 0, [], b"")
    image = bytearray(4096)
    image[36:40] = (0x20800).to_bytes(4, "little")
    page = Page(bytes(image), 9)
    assert (page.is_pre_init, page.is_blank, page.line_count) == (True, False, 0)


@pytest.mark.parametrize(
    ("lines", "tag_flags", "name"),
    [
        ([b"\1"], [0], "JET_errNodeCorrupted"),
        ([b"\5\0ab"], [0], "JET_errNodeCorrupted"),
        ([b"\1\0a"], [4], "JET_errNodeCorrupted"),
        ([b"\1\0\1\0ab"], [4], "JET_errNodeCorrupted"),
    ],
)
def test_damaged_nodes(lines: list[bytes], tag_flags: list[int], name: str) -> None:
    with pytest.raises(JetError) as caught:
        Page(page_of(lines, tag_flags=tag_flags), 12)
    assert caught.value.name == name
    assert "page 12" in str(caught.value)


def test_damaged_tags() -> None:
    image = bytearray(page_of([b"\1\0kv"], tag_flags=[0]))
    for word, value in ((34, 0x0FFF), (4096 - 6, 0x1FFF), (4096 - 8, 0x1FFF)):
        broken = bytearray(image)
        broken[word : word + 2] = value.to_bytes(2, "little")
        with pytest.raises(JetError) as caught:
            Page(bytes(broken), 3)
        assert caught.value.name == "JET_errPageTagCorrupted"


def test_lines_that_are_not_there() -> None:
    page = Page(page_of([b"\1\0kv"], tag_flags=[0]), 3)
    for line in (-1, 1, 1000):
        for call in (page.key, page.value, page.raw_node, page.node_flags, page.value_bounds, page.entry, page.child):
            with pytest.raises(JetError):
                call(line)
    for tag in (-1, 2):
        with pytest.raises(JetError):
            page.tag(tag)
    with pytest.raises(JetError) as caught:
        page.child(0)
    assert caught.value.name == "JET_errNodeCorrupted"
    for size in (0, 40, 4095, 65536):
        with pytest.raises(JetError):
            Page(bytes(size), 1)


def read_all(image: bytes) -> None:
    """Everything there is to ask a page; the only way out is a value or a JetError."""
    try:
        page = Page(image, 5)
    except JetError:
        return
    entries = page.entries()
    for line in range(page.line_count):
        assert page.entry(line) == entries[line]
        assert page.key(line) == entries[line][1]
        assert page.value(line) == entries[line][2]
        page.raw_node(line)
        try:
            page.child(line)
        except JetError:
            continue
    for tag in range(page.tag_count):
        start, size = page.tag(tag)
        assert 0 <= start <= start + size <= len(image)
    page.external_header()
    page.seek(b"\x7f\x80")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_hostile_images(data: st.DataObject) -> None:
    size = data.draw(st.sampled_from([2048, 4096, 16384]))
    kind = data.draw(st.sampled_from(["random", "tags", "lines"]))
    if kind == "random":
        seed = data.draw(st.binary(min_size=1, max_size=200))
        image = bytearray((seed * (size // len(seed) + 1))[:size])
    else:
        image = bytearray(page_of([b"\1\0kv", b"\2\0kkvv", b"\0\0v"], size=size, tag_flags=[0, 0, 0]))
    for _ in range(data.draw(st.integers(0, 6))):
        place = data.draw(st.integers(32, 110) if kind == "lines" else st.integers(size - 24, size - 1))
        image[place] = data.draw(st.integers(0, 255))
    read_all(bytes(image))


def test_flipped_bits_of_genuine_pages(fixtures: Fixtures) -> None:
    for name, size in (("engine/clean-4k/db.edb", 4096), ("engine/clean-32k/db.edb", 32768)):
        data = fixtures.read(name)
        for pgno in (2, 4, 8, 30, 40):
            image = data[(pgno + 1) * size : (pgno + 2) * size]
            for bit in [*range(32 * 8, 50 * 8), *range(size * 8 - 400, size * 8, 3), *range(640, 4000, 37)]:
                changed = bytearray(image)
                changed[bit >> 3] ^= 1 << (bit & 7)
                read_all(bytes(changed))


def sound(**fields: int) -> bytearray:
    """A leaf of three lines on which all rules hold, some header words changed."""
    image = bytearray(page_of([b"\1\0bv", b"\1\0cv", b"\1\0dv"], tag_flags=[0, 0, 0]))
    places = {"free": 28, "uncommitted": 30, "mic": 32, "flags": 36}
    for name, value in fields.items():
        size = 4 if name == "flags" else 2
        image[places[name] : places[name] + size] = value.to_bytes(size, "little")
    return image


def test_rules_hold() -> None:
    assert Page(bytes(sound()), 7).problems() == []
    assert Page(bytes(4096), 7).problems() == []
    empty = bytearray(4096)
    empty[36:40] = (0x280A).to_bytes(4, "little")
    assert Page(bytes(empty), 7).problems() == []
    pre_init = bytearray(4096)
    pre_init[36:40] = (0x22800).to_bytes(4, "little")
    pre_init[28:30] = (4056).to_bytes(2, "little")
    assert Page(bytes(pre_init), 7).problems() == []


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"free": 4060}, "does not fit"),
        ({"uncommitted": 4060}, "does not fit"),
        ({"mic": 4060}, "does not fit"),
        ({"mic": 11}, "first free byte"),
        ({"free": 3}, "add up"),
        ({"flags": 0x28C2}, "index and long values"),
        ({"flags": 0x2812}, "repair"),
        ({"flags": 0x2806}, "leaf and parent"),
        ({"flags": 0x22802}, "not yet filled"),
    ],
)
def test_rules_of_the_header(fields: dict[str, int], word: str) -> None:
    assert any(word in problem for problem in Page(bytes(sound(**fields)), 7).problems())


@pytest.mark.parametrize("size", [4096, 16384])
def test_rules_of_the_lines(size: int) -> None:
    def problems(lines: list[bytes], flags: int = 0x2802, prefix: bytes = b"") -> str:
        return "; ".join(Page(page_of(lines, size=size, flags=flags, prefix=prefix, tag_flags=[0] * len(lines)), 7).problems())

    leaf = [b"\1\0bv", b"\1\0cv"]
    assert problems(leaf) == ""
    assert "empty" in problems([b"\0\0v"])
    assert "no data" in problems([b"\1\0b"])
    assert "not greater" in problems(leaf[::-1])
    assert "not greater" in problems([leaf[0], leaf[0]])
    # a key that is the beginning of the other comes first; bytes compare unsigned
    assert problems([b"\1\0bv", b"\2\0bbv", b"\1\0\xff" + b"v"]) == ""
    assert "not greater" in problems([b"\2\0bbv", b"\1\0bv"])
    # an index that is not unique orders by key and data together
    assert problems([b"\1\0b1", b"\1\0b2"], flags=0x2C42) == ""
    assert "not greater" in problems([b"\1\0b2", b"\1\0b1"], flags=0x2C42)
    child = (9).to_bytes(4, "little")
    assert problems([b"\1\0b" + child, b"\0\0" + child], flags=0x2804) == ""
    assert "empty" in problems([b"\0\0" + child, b"\1\0b" + child], flags=0x2804)
    # the second line put into the first, at its beginning and at its end
    image = bytearray(page_of([b"\1\0\1\0cv", b"\1\0cv"], size=size, tag_flags=[0, 0]))
    for place in (0, 2):
        image[size - 10 : size - 8] = place.to_bytes(2, "little")
        assert any("overlap" in problem for problem in Page(bytes(image), 7).problems())


def test_order_across_the_prefix() -> None:
    def problems(nodes: list[tuple[int, bytes]]) -> list[str]:
        lines = [shared.to_bytes(2, "little") + len(rest).to_bytes(2, "little") + rest + b"v" for shared, rest in nodes]
        return Page(page_of(lines, prefix=b"abcdef", tag_flags=[4] * len(lines)), 7).problems()

    assert problems([(3, b"a"), (3, b"cz"), (4, b""), (4, b"a"), (6, b""), (6, b"\0"), (3, b"e")]) == []
    assert problems([(6, b""), (5, b"f")]) == ["line 1 is not greater than the line before it"]
    assert problems([(3, b"e"), (6, b"")]) == ["line 1 is not greater than the line before it"]
    assert problems([(6, b""), (3, b"da")]) == ["line 1 is not greater than the line before it"]
    assert problems([(3, b"a"), (1, b"c")]) == ["line 1 shares a single byte with the prefix"]


def test_rules_hold_on_genuine_pages(fixtures: Fixtures) -> None:
    for name in (
        "engine/clean-8k/db.edb",
        "engine/clean-16k/db.edb",
        "engine/deleted-4k/db.edb",
        "windows/bits-win11-24h2/qmgr.db",
    ):
        data = fixtures.read(name)
        size = int.from_bytes(data[236:240], "little")
        for pgno in range(1, len(data) // size - 1):
            assert Page(data[(pgno + 1) * size : (pgno + 2) * size], pgno).problems() == [], (name, pgno)
