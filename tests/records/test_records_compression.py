"""Compression: every compressed chunk of the genuine files, round trips, what the decoder of Windows demands, damage."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esent.errors import JetError
from esent.pages.page import Page
from esent.records.compression import (
    SCHEME_7BIT_ASCII,
    SCHEME_7BIT_UNICODE,
    SCHEME_XPRESS,
    compress,
    decompress,
    decompressed_size,
    looks_random,
    lz4_decompress,
    pack_ascii,
    pack_unicode,
    xpress_compress,
    xpress_decompress,
)
from genuine import Fixtures


def chunks(data: bytes) -> list[tuple[bytes, int]]:
    """(stored, plain length) of the compressed chunks in the long-value trees of a database image."""
    size = int.from_bytes(data[236:240], "little")
    lengths: dict[tuple[int, bytes], int] = {}
    found: dict[tuple[int, bytes], list[tuple[int, bytes]]] = {}
    for pgno in range(1, len(data) // size - 1):
        image = data[(pgno + 1) * size : (pgno + 2) * size]
        flags = int.from_bytes(image[36:40], "little")
        if flags & 0xAA != 0x82:  # a leaf of a long-value tree, not of its space trees, not an emptied one
            continue
        page = Page(image, pgno)
        for bits, key, value in page.entries():
            lid = 8 if key[0] & 0x80 else 4
            if bits & 2:
                continue
            if len(key) == lid:
                lengths[page.objid, key] = int.from_bytes(value[4:8], "little")
            else:
                found.setdefault((page.objid, key[:lid]), []).append((int.from_bytes(key[lid:], "big"), value))
    compressed = []
    for place, whole in lengths.items():
        parts = sorted(found.get(place, []))
        ends = [start for start, _ in parts[1:]] + [whole]
        compressed += [
            (value, end - start) for (start, value), end in zip(parts, ends, strict=True) if len(value) < end - start
        ]
    return compressed


GENUINE = [
    ("windows/types/multi.edb", {SCHEME_XPRESS}),
    ("windows/types/text.edb", {SCHEME_XPRESS}),
    ("windows/compression/decompress_test2.edb", {SCHEME_XPRESS}),
    ("engine/clean-2000-4k/db.edb", {SCHEME_XPRESS, SCHEME_7BIT_UNICODE}),
    ("engine/clean-2000-32k/db.edb", {SCHEME_XPRESS}),
    ("engine/deleted-4k/db.edb", {SCHEME_XPRESS, SCHEME_7BIT_ASCII, SCHEME_7BIT_UNICODE}),
]


@pytest.mark.parametrize(("name", "expected"), GENUINE)
def test_genuine_chunks(fixtures: Fixtures, name: str, expected: set[int]) -> None:
    seen: Counter[int] = Counter()
    for stored, length in chunks(fixtures.read(name)):
        plain = decompress(stored)
        assert len(plain) == length == decompressed_size(stored)
        seen[stored[0] >> 3] += 1
        again = compress(plain)
        assert again is not None
        assert decompress(again) == plain
        if stored[0] >> 3 != SCHEME_XPRESS:
            assert again == stored
    assert expected <= set(seen)


def windows_decoder_takes(stream: bytes, size: int) -> bytes:
    """A decoder by the letter of the reference, with the demand of the original: a match flag just behind the data."""
    out = bytearray()
    place = 0
    bits: list[int] = []
    half: int | None = None

    def flag() -> int:
        nonlocal place
        if not bits:
            word = int.from_bytes(stream[place : place + 4], "little")
            assert place + 4 <= len(stream)
            place += 4
            bits.extend(word >> shift & 1 for shift in range(31, -1, -1))
        return bits.pop(0)

    while True:
        match = flag()
        if len(out) == size:
            assert match, "no match flag behind the data"
            assert place == len(stream)
            return bytes(out)
        if not match:
            out.append(stream[place])
            place += 1
            continue
        word = int.from_bytes(stream[place : place + 2], "little")
        place += 2
        distance, length = (word >> 3) + 1, word & 7
        if length == 7:
            if half is None:
                half = stream[place] >> 4
                length = stream[place] & 15
                place += 1
            else:
                length, half = half, None
            if length == 15:
                length = stream[place]
                place += 1
                if length == 255:
                    length = int.from_bytes(stream[place : place + 2], "little") - 22
                    assert length >= 255
                    place += 2
                length += 15
            length += 7
        length += 3
        assert distance <= len(out)
        assert len(out) + length <= size - 8, "a match in the last 8 bytes"
        for _ in range(length):
            out.append(out[-distance])


def matter(seed: int) -> bytes:
    """Bytes with repetitions at all distances and of all lengths."""
    chance = random.Random(seed)
    goal = chance.choice([9, 10, 17, 40, 100, 600, 1500, 4014, 8150, 20000, 65535])
    if seed % 5 == 0:
        return (chance.randbytes(chance.randrange(1, 300)) * goal)[:goal]
    out = bytearray()
    while len(out) < goal:
        if out and chance.random() < 0.6:
            distance = chance.randrange(1, min(len(out), 9000) + 1)
            for _ in range(chance.randrange(3, chance.choice([10, 20, 50, 400, 2000]))):
                out.append(out[-distance])
        else:
            out += chance.randbytes(chance.randrange(1, 12))
    return bytes(out[:goal])


@pytest.mark.parametrize("seed", range(80))
def test_xpress_round_trip(seed: int) -> None:
    plain = matter(seed)
    stream = xpress_compress(plain)
    if stream is None:
        assert len(plain) < 2000
        return
    assert 8 <= len(stream) < len(plain)
    assert windows_decoder_takes(stream, len(plain)) == plain
    assert xpress_decompress(stream, len(plain)) == plain
    whole = compress(plain, minimum_for_xpress=0)
    assert whole is None or decompress(whole) == plain


@given(st.binary(max_size=600), st.integers(1, 40))
@settings(max_examples=80, deadline=None)
def test_xpress_of_anything(unit: bytes, times: int) -> None:
    plain = unit * times
    stream = xpress_compress(plain)
    if stream is not None:
        assert windows_decoder_takes(stream, len(plain)) == plain
        assert xpress_decompress(stream, len(plain)) == plain


def test_xpress_by_hand() -> None:
    flags = (0b0001 << 28 | (1 << 28) - 1).to_bytes(4, "little")
    # "abc", then distance 3 and length 3 + 7 + 15 + 3 = 28 in the long form: nibble 15, byte 3
    stream = flags + b"abc" + ((2 << 3) | 7).to_bytes(2, "little") + b"\x0f" + b"\x03"
    assert xpress_decompress(stream, 31) == (b"abc" * 11)[:31]
    # two long matches share the nibble byte
    flags = (0b00011 << 27 | (1 << 27) - 1).to_bytes(4, "little")
    word = ((2 << 3) | 7).to_bytes(2, "little")
    assert xpress_decompress(flags + b"abc" + word + b"\x21" + word, 3 + 11 + 12) == (b"abc" * 9)[:26]
    # the longest form: 255, then the length - 3
    flags = (0b01 << 30 | (1 << 30) - 1).to_bytes(4, "little")
    stream = flags + b"z" + (7).to_bytes(2, "little") + b"\x0f\xff" + (5000).to_bytes(2, "little")
    assert xpress_decompress(stream, 5004) == b"z" * 5004
    too_short = flags + b"z" + (7).to_bytes(2, "little") + b"\x0f\xff" + (276).to_bytes(2, "little")
    with pytest.raises(JetError):
        xpress_decompress(too_short, 280)
    # as long as the plain data: stored
    assert decompress(b"\x18\x0c\x00plain bytes!") == b"plain bytes!"


def test_xpress_damage() -> None:
    plain = matter(7)
    stream = xpress_compress(plain)
    assert stream is not None
    for length in range(len(stream) - 4):
        with pytest.raises(JetError) as caught:
            xpress_decompress(stream[:length], len(plain))
        assert caught.value.name == "JET_errDecompressionFailed"
    before_the_start = (0b01 << 30).to_bytes(4, "little") + b"a" + (8 << 3).to_bytes(2, "little")
    with pytest.raises(JetError):
        xpress_decompress(before_the_start, 20)
    for size in (-1, 65536):
        with pytest.raises(JetError):
            xpress_decompress(stream, size)


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_bytes_decompress_or_fail(data: bytes) -> None:
    for scheme in range(9):
        hostile = bytes((scheme << 3 | (data[0] & 7 if data else 0),)) + data
        try:
            plain = decompress(hostile)
        except JetError as problem:
            assert problem.name == "JET_errDecompressionFailed"
        else:
            assert len(plain) == decompressed_size(hostile) <= 65535


@given(st.text(st.characters(max_codepoint=127), min_size=1, max_size=300))
@settings(max_examples=100, deadline=None)
def test_seven_bit_round_trip(text: str) -> None:
    plain = text.encode("ascii")
    packed = pack_ascii(plain)
    assert packed is not None
    assert len(packed) == 1 + -(-7 * len(plain) // 8)
    assert packed[0] == SCHEME_7BIT_ASCII << 3 | (7 * len(plain) - 1) % 8
    assert decompress(packed) == plain
    bits = int.from_bytes(packed[1:], "little")
    assert bytes(bits >> 7 * i & 0x7F for i in range(len(plain))) == plain
    wide = text.encode("utf-16-le")
    packed = pack_unicode(wide)
    assert packed is not None
    assert packed[0] >> 3 == SCHEME_7BIT_UNICODE
    assert decompress(packed) == wide


def test_what_seven_bits_do_not_hold() -> None:
    assert pack_ascii(b"caf\xe9") is None
    assert pack_ascii(b"") is None
    assert pack_unicode("caf\u00e9".encode("utf-16-le")) is None
    assert pack_unicode("\u0100".encode("utf-16-le")) is None
    assert pack_unicode(b"a\0b") is None
    assert pack_unicode(b"") is None


def test_choice_of_the_scheme() -> None:
    assert compress(b"") is None
    assert compress(b"a") is None  # two bytes instead of one
    text = b"The quick brown fox."
    assert compress(text) == pack_ascii(text)
    assert compress(text.decode().encode("utf-16-le")) == pack_unicode(text.decode().encode("utf-16-le"))
    assert compress("Gr\u00fc\u00dfe an alle".encode("utf-16-le")) is None
    long = text * 60
    whole = compress(long)
    assert whole is not None
    assert whole[0] == SCHEME_XPRESS << 3
    assert int.from_bytes(whole[1:3], "little") == len(long)
    shorter = compress(long, minimum_for_xpress=len(long) + 1)
    assert shorter == pack_ascii(long)
    noise = random.Random(3).randbytes(4000)
    assert looks_random(noise)
    assert compress(noise) is None
    assert not looks_random(noise[:127])
    # text without repetitions: XPRESS does not reach what 7 bits a unit give
    letters = "".join(random.Random(4).choices([chr(code) for code in range(33, 127)], k=600)).encode("utf-16-le")
    assert compress(letters) == pack_unicode(letters)


def test_lz4_block() -> None:
    # literals "abcd", a match of 4 + 15 + 3 at distance 4, then the last literals
    block = b"\x4fabcd\x04\x00\x03\x20xy"
    assert lz4_decompress(block, 28) == (b"abcd" * 7)[:26] + b"xy"
    assert decompress(b"\x38\x1c\x00" + block) == (b"abcd" * 7)[:26] + b"xy"
    long_literals = b"\xf0\xff\x01" + bytes(271)
    assert lz4_decompress(long_literals, 271) == bytes(271)
    for broken, size in (
        (block[:-1], 28),
        (block, 27),
        (block, 29),
        (b"\x40ab", 4),
        (b"\x11a\x09\x00", 9),
        (b"\xf0\xff", 300),
        (b"\x00\x00\x00", 4),
    ):
        with pytest.raises(JetError) as caught:
            lz4_decompress(broken, size)
        assert caught.value.name == "JET_errDecompressionFailed"


def test_schemes_that_cannot_be_decoded() -> None:
    assert decompress(b"\x20llll") == b""
    for data, word in (
        (b"\x28" + bytes(40), "XPRESS9"),
        (b"\x30" + bytes(40), "XPRESS10"),
        (b"\x00abc", "0x00"),
        (b"\xf8abc", "0xf8"),
        (b"", "scheme"),
    ):
        for call in (decompress, decompressed_size):
            with pytest.raises(JetError) as caught:
                call(data)
            assert caught.value.name == "JET_errDecompressionFailed"
            assert word in str(caught.value)
    for cut in (b"\x08", b"\x10", b"\x18", b"\x18\x05", b"\x38\x00"):
        with pytest.raises(JetError):
            decompress(cut)
