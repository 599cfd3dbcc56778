"""Sort keys of Unicode text: those that Windows stored, those of the original's recordings, and what must hold of all."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esent.constants import codes
from esent.engine.collation import collation
from esent.errors import JetError
from esent.records import collation as flags
from esent.records import sort_orders
from esent.records.collation import Collation

DEFAULT = 0x30401
EVERYTHING = 0x400
MOST = 4000


def collate(locale: str = "en-US", mapping: int = DEFAULT, version: int = 0x00060305) -> Collation:
    found = collation(sort_orders.order_number(locale), version, mapping)
    assert found is not None
    return found


def key(text: str, locale: str = "en-US", mapping: int = DEFAULT, version: int = 0x00060305) -> str:
    return collate(locale, mapping, version).key(text.encode("utf-16-le", "surrogatepass"), MOST).hex()


def test_keys_that_windows_stored() -> None:
    assert key("co-op") == "0e0a0e7c0e7c0e7e" + "01010101" + "fffd8212" + "00"
    assert key("It's") == "0e320e990e91" + "01010101" + "fffd8012" + "00"
    assert key("") == "0101010100"
    assert key("a\0b") == key("AB") == "0e020e090101010100"
    assert key("It\u2019s", version=0x0006020F) == "0e320e99077a0e910101010100"


@pytest.mark.parametrize(
    ("text", "mapping", "wanted"),
    [
        ("café ", DEFAULT, "0e0a0e020e230e210702" "01" "0202020e" "01010100"),
        ("Cafe\u0301 ", DEFAULT, "0e0a0e020e230e210702" "01" "0202020e" "01010100"),
        ("αβγ", DEFAULT, "0f020f040f06" "0101010100"),
        ("Привет ", DEFAULT, "104f105110221008101410570702" "0101010100"),
        ("かた", DEFAULT, "220a221a" "010101" "ff02c4c4ffc4c4ff" "0100"),
        ("日本語", DEFAULT, "fdff547ffdff55c8fdff7982" "0101010100"),
        ("กข", DEFAULT, "3c073c0d" "01" "0303" "01010100"),
        ("\u0130i\u0131I ", DEFAULT, "0e320e320e320e320702" "01" "100204" "01010100"),
        ("X x ", EVERYTHING, "0ea607020ea60702" "01" "01" "12" "010100"),
        ("かた", EVERYTHING, "220a221a" "010101" "ff02ffff" "0100"),
        ("カタ", EVERYTHING, "220a221a" "010101" "ff02c4c4ffff" "0100"),
        ("Straße", DEFAULT, "0e910e990e8a0e020e910e910e21" "0101010100"),
    ],
)  # fmt: skip
def test_recorded_keys(text: str, mapping: int, wanted: str) -> None:
    assert key(text, mapping=mapping) == wanted


def test_surrogates_and_superscripts_have_no_case_under_the_usual_flags() -> None:
    assert key("\U0001f600") == "b03fb6fc013f3f01010100"
    assert key("m²") == key("m2")
    assert key("m²", mapping=DEFAULT & ~flags.IGNORE_WIDTH) != key("m2", mapping=DEFAULT & ~flags.IGNORE_WIDTH)


def test_marks_of_repetition_and_length_repeat() -> None:
    assert key("かー") == "220a2202010101ff030502c4c4ffc4c4ff0100"
    assert key("かゝ") == "220a220a010101ff030402c4c4ffc4c4ff0100"
    assert key("aー") == "0e020e020101010100"
    assert key("人々") == "fdff3d26053d01020501010100"


def test_flags() -> None:
    assert key("e\u0301", mapping=DEFAULT | flags.IGNORE_NONSPACE) == key("e")
    assert key("a!b-c", mapping=DEFAULT | flags.IGNORE_SYMBOLS) == key("abc")
    assert key("a-b", mapping=DEFAULT | flags.STRING_SORT) == "0e0206820e090101010100"
    assert key("Ab", mapping=EVERYTHING) == "0e020e09010112010100"
    assert key("Äb", mapping=DEFAULT | flags.LINGUISTIC_IGNORE_DIACRITIC) == key("ab")


def test_word_sort_and_string_sort() -> None:
    """The example of the documentation of sorting on Windows."""
    word_sort = ["billet", "bills", "bill's", "cannot", "cant", "can't", "con", "coop", "co-op"]
    word_sort += ["sued", "sues", "sue's", "went", "were", "we're"]
    string_sort = ["bill's", "billet", "bills", "can't", "cannot", "cant", "co-op", "con", "coop"]
    string_sort += ["sue's", "sued", "sues", "we're", "went", "were"]
    assert sorted(string_sort, key=key) == word_sort
    assert sorted(word_sort, key=lambda word: key(word, mapping=DEFAULT | flags.STRING_SORT)) == string_sort


def test_languages() -> None:
    assert key("ch", "cs-CZ") > key("hz", "cs-CZ")
    assert key("ch", "cs-CZ") < key("i", "cs-CZ")
    assert key("ä", "sv-SE") > key("z", "sv-SE")
    assert key("ä", "de-DE") < key("b", "de-DE")
    assert key("ä", "de-DE_phoneb") == key("ae", "de-DE_phoneb")
    assert key("I", "tr-TR", DEFAULT | flags.LINGUISTIC_CASING) != key("i", "tr-TR", DEFAULT | flags.LINGUISTIC_CASING)
    words = ["cote", "côte", "coté", "côté"]
    assert sorted(words, key=key) == ["cote", "coté", "côte", "côté"]
    assert sorted(words, key=lambda word: key(word, "fr-FR")) == ["cote", "côte", "coté", "côté"]
    assert key("王", "zh-CN") == "ce93160101010100"
    assert key("日", "ko-KR") != key("日")


@pytest.mark.parametrize(
    ("locale", "number"),
    [("", 1), ("en-US", 1), ("sr-Latn-RS", 0x19), ("uz-Cyrl-UZ", 0x4A), ("uz-Latn-UZ", 1), ("zh-TW", 0x37), ("zh-CN", 0x3A),
     ("zh-CN_stroke", 0x39), ("de-DE_phoneb", 0x3F), ("es-ES_tradnl", 0x2A), ("ES-mx", 0x2B), ("sma-NO", 0x21)],
)  # fmt: skip
def test_sort_order_of_a_language(locale: str, number: int) -> None:
    assert sort_orders.order_number(locale) == number
    assert sort_orders.number_of(sort_orders.sort_id(number)) == number


@pytest.mark.parametrize(
    ("text", "locale", "version"),
    [
        ("\u1100\u1161", "en-US", 0x00060305),  # single letters of Hangul
        ("ー", "en-US", 0x00060305),  # nothing before it
        ("\u0301" * 30, "en-US", 0x00060305),  # more than a byte of diacritic weight
        ("\U00020000", "zh-CN", 0x00060305),
        ("王", "zh-CN_stroke", 0x00060305),
        ("ddzs", "hu-HU", 0x00060305),
        ("\u064a\u0654", "ug-CN", 0x00060305),
        ("²", "en-US", 0x0006020F),  # these weights were others once
        ("ά", "en-US", 0x0006020F),
        ("é", "sv-SE", 0x0006020F),
        ("ch", "cs-CZ", 0x0006020F),
    ],
)
def test_what_is_not_settled_is_refused(text: str, locale: str, version: int) -> None:
    with pytest.raises(JetError) as caught:
        key(text, locale, version=version)
    assert caught.value.code == codes.JET_errUnicodeNormalizationNotSupported


def test_versions_and_flags_that_are_not_known_have_no_collation() -> None:
    for version in (0, 0x00060101, 0x00060306, 0x00060403, 0x0005000F):
        assert collation(1, version, DEFAULT) is None
    for mapping in (0x200, 0x30401 | 0x8, 0x30401 | 0x800, 0x1):
        assert collation(1, 0x00060305, mapping) is None
    assert collation(0x4C, 0x00060305, DEFAULT) is None
    assert sort_orders.number_of(bytes(16)) is None
    assert sort_orders.number_of(b"x") is None


def test_earlier_versions_agree_where_they_are_known() -> None:
    """The letters of Europe, punctuation and ideographs have the weights they had."""
    for text in ("Grüße, Zoë", "smörgåsbord", "Żółć", "ñandú", "Привет", "日本語", "かな", "한국어", "a_b (c) [d]", "100 %"):
        assert key(text, version=0x0006020F) == key(text)


@pytest.mark.parametrize(
    ("number", "mapping"),
    [
        (1, DEFAULT),
        (1, EVERYTHING | flags.IGNORE_NONSPACE),
        (0x1C, EVERYTHING),
        (0x3A, DEFAULT),
        (0x46, DEFAULT),
        (0x47, DEFAULT),
    ],
)
def test_every_code_unit_has_a_key_or_is_refused(number: int, mapping: int) -> None:
    chosen = collation(number, 0x00060305, mapping)
    assert chosen is not None
    refused = 0
    for unit in range(0, 0x10000, 1 if number == 1 and mapping == DEFAULT else 7):
        try:
            made = chosen.key(unit.to_bytes(2, "little"), MOST)
        except JetError:
            refused += 1
            continue
        assert made.endswith(b"\0")
        if unit not in (0x0D57, 0x10D0):  # their primary weight is 1, as measured
            assert made.count(b"\1") == 4
            assert b"\0" not in made.partition(b"\1")[0]
    assert refused < 500


TEXTS = st.text(st.characters(max_codepoint=0x2FFFF, exclude_categories=("Cn",)), max_size=12)
LATIN = st.text(st.sampled_from("abcXYZ äÖéßÆ-'!1²\uff21かカゝー日\u0391Ж\u0301\0"), max_size=10)


def made(text: str, mapping: int = DEFAULT) -> str | None:
    try:
        return key(text, mapping=mapping)
    except JetError:
        return None


@given(st.text(st.sampled_from("abcxyzäöéåœßβжд "), max_size=12))
def test_case_does_not_matter_unless_it_is_to(text: str) -> None:
    upper = "".join(letter if letter == "ß" else letter.upper() for letter in text)
    assert made(text) == made(upper)
    if upper != text:
        assert made(text, EVERYTHING) < made(upper, EVERYTHING)  # type: ignore[operator]


@given(LATIN, LATIN, st.sampled_from([DEFAULT, EVERYTHING, EVERYTHING | flags.STRING_SORT]))
def test_a_key_is_cut_but_not_changed_by_what_is_needed_of_it(text: str, more: str, mapping: int) -> None:
    whole = made(text + more, mapping)
    if whole is None:
        return
    data = (text + more).encode("utf-16-le")
    for most in (1, 2, 7, 20):
        assert collate(mapping=mapping).key(data, most)[:most] == bytes.fromhex(whole)[:most]


@given(TEXTS, TEXTS)
def test_the_first_weights_are_those_of_the_parts(left: str, right: str) -> None:
    """Without marks that depend on what is before them, primary weights follow each other."""
    if any(0x3000 <= ord(letter) <= 0x30FF for letter in right):
        return
    one, other, both = made(left), made(right), made(left + right)
    if one is not None and other is not None and both is not None:
        assert primary(both) == primary(one) + primary(other)


def primary(text: str) -> bytes:
    return bytes.fromhex(text).split(b"\1")[0]


LETTERS = "aAbBzZéÉèöÖñ 09.,()"


def compared(one: str, other: str) -> int:
    """Which of two texts of LETTERS comes first, level by level, a missing weight counting as the least."""
    order = sort_orders.sort_order(sort_orders.DEFAULT_ORDER)
    assert order is not None
    pairs = list(itertools.zip_longest(*([ord(letter) for letter in text] for text in (one, other))))
    for weights, least in ((lambda unit: (order.scripts[unit], order.primaries[unit]), (0, 0)),
                           (lambda unit: order.diacritics[unit], 2), (lambda unit: order.cases[unit], 2)):  # fmt: skip
        for left, right in pairs:
            a, b = (least if unit is None else weights(unit) for unit in (left, right))
            if a != b:
                return -1 if a < b else 1
    return 0


@given(st.text(st.sampled_from(LETTERS), max_size=8), st.text(st.sampled_from(LETTERS), max_size=8))
def test_keys_are_in_the_order_of_the_texts(one: str, other: str) -> None:
    left, right = made(one, EVERYTHING), made(other, EVERYTHING)
    assert left is not None
    assert right is not None
    assert (left > right) - (left < right) == compared(one, other)


def test_plain_text_has_the_key_of_its_general_path() -> None:
    """Text of ASCII alone takes a short way; with a character that weighs nothing beside it, the long one."""
    letters = "".join(map(chr, range(0x80)))
    for mapping in (DEFAULT, EVERYTHING, DEFAULT | flags.IGNORE_SYMBOLS, EVERYTHING | flags.STRING_SORT | 0x30):
        for first, second in itertools.product(letters, "aZ9 !-\0"):
            assert key(first + second, mapping=mapping) == key(first + second + "\u00ad", mapping=mapping)


def test_long_text_takes_linear_time() -> None:
    marks = ("か" + "ゝ" * 200_000).encode("utf-16-le")
    assert len(collate().key(marks, 1_000_000)) > 400_000
    assert collate().key(("x" + "\0" * 500_000 + "-").encode("utf-16-le"), 255)[:2] == b"\x0e\xa6"
