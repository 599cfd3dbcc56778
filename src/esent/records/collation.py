"""Sort keys of Unicode text, byte for byte as Windows makes them (LCMapStringEx with LCMAP_SORTKEY).

A sort key ([MS-UCODEREF] 3.1.5.2.4, `reference/records-and-indexes.md` 5.7) is a group of weights after another:

    primary* 01 diacritic* 01 case* 01 [extra] 01 special* 00

Each code unit has a script, a primary, a diacritic and a case weight (`esent.records.sort_orders`). What it adds by its script:

| script            | what it adds                                                                                            |
|-------------------|---------------------------------------------------------------------------------------------------------|
| 0 unsortable      | nothing                                                                                                 |
| 1 non-spacing     | its diacritic weight, to the one before                                                                 |
| 2 expansion       | what two other code units add                                                                           |
| 3 kana            | primary `22 weight`, diacritic, extra weights; a mark of repetition or length: those of what it repeats |
| 5 ideograph       | primary `FD FF weight diacritic`                                                                        |
| 6 punctuation     | special: u16 -(primary bytes / 2) - 1, weight, case + 8 x diacritic; with SORT_STRINGSORT as a symbol    |
| 7-12 symbols      | primary `script weight`, diacritic, case; nothing with NORM_IGNORESYMBOLS                               |
| A9-AF private use | primary `script weight diacritic`, case; ideographs in Chinese orders likewise                          |
| others            | primary `script weight`, diacritic, case                                                                |

Trailing weights up to 2 are left out of the diacritic and the case group. The diacritic group is empty with
NORM_IGNORENONSPACE, the case group with both NORM_IGNORECASE and NORM_IGNOREWIDTH. Extra weights are four groups,
`small* FF mark* 02 kana* FF width* FF`, each without its usual value at its end; NORM_IGNORENONSPACE empties the first two.

Refused, because what Windows makes of it is not settled: single letters of Hangul (U+1100 and the like, not syllables),
marks of repetition after something that they do not repeat, expansions and contractions to a non-spacing mark, and sums of
diacritic weights over 255. An index with keys that Windows would not make is a damaged one.
"""

from __future__ import annotations

from typing import Any

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.records.sort_orders import CONTRACTION, DOUBLED, INVERSE_CASE, REFUSED, REVERSED, THREE_BYTES, SortOrder

IGNORE_CASE = 0x1
IGNORE_NONSPACE = 0x2
IGNORE_SYMBOLS = 0x4
LINGUISTIC_IGNORE_CASE = 0x10
LINGUISTIC_IGNORE_DIACRITIC = 0x20
MAP_SORT_KEY = 0x400
STRING_SORT = 0x1000
IGNORE_KANA_TYPE = 0x1_0000
IGNORE_WIDTH = 0x2_0000
LINGUISTIC_CASING = 0x800_0000
SUPPORTED_FLAGS = (
    IGNORE_CASE
    | IGNORE_NONSPACE
    | IGNORE_SYMBOLS
    | LINGUISTIC_IGNORE_CASE
    | LINGUISTIC_IGNORE_DIACRITIC
    | MAP_SORT_KEY
    | STRING_SORT
    | IGNORE_KANA_TYPE
    | IGNORE_WIDTH
    | LINGUISTIC_CASING
)

_UNKNOWN = cython.declare(cython.uint, REFUSED)
_STARTS = cython.declare(cython.uint, CONTRACTION)
_KANA = cython.declare(cython.uint, 34)
_HEBREW = cython.declare(cython.uint, 40)
_ARABIC = cython.declare(cython.uint, 41)
_PRIVATE_FIRST = cython.declare(cython.uint, 169)
_PRIVATE_LAST = cython.declare(cython.uint, 175)
_WIDE_FIRST = cython.declare(cython.uint, 192)
_WIDE_LAST = cython.declare(cython.uint, 239)
_SYMBOL_FIRST = cython.declare(cython.uint, 7)
_SYMBOL_LAST = cython.declare(cython.uint, 12)
_CASE_WIDTH = cython.declare(cython.uint, 0x01)
_CASE_SIZE = cython.declare(cython.uint, 0x02)
_CASE_KATAKANA = cython.declare(cython.uint, 0x20)
_CASE_UPPER = 0x18
_EXTRA = cython.declare(cython.uint, 0xC4)
_MARK_LAST = cython.declare(cython.uint, 1)  # primary weights up to this are marks: 0 of repetition, 1 of length
_LENGTH_MASK = cython.declare(cython.uint, 0x87)
_NO_UNIT = cython.declare(cython.int, -1)
_LEAST = cython.declare(bytes, b"\0\1\2")


@cython.cclass
class _Weights:
    """The groups of a sort key as they grow, and the last code unit that a mark of repetition can repeat."""

    primary: bytearray = cython.declare(bytearray)
    diacritic: bytearray = cython.declare(bytearray)
    case: bytearray = cython.declare(bytearray)
    special: bytearray = cython.declare(bytearray)
    small: bytearray = cython.declare(bytearray)
    mark: bytearray = cython.declare(bytearray)
    kana: bytearray | None = cython.declare(bytearray)  # None as long as there is no kana, nor any of the extra weights
    width: bytearray = cython.declare(bytearray)
    repeatable: int = cython.declare(cython.int)
    uneven: bool = cython.declare(cython.bint)

    def __init__(self) -> None:
        self.primary = bytearray()
        self.diacritic = bytearray()
        self.case = bytearray()
        self.special = bytearray()
        self.kana = None
        self.repeatable = _NO_UNIT
        self.uneven = False


@cython.cclass
class Collation:
    """How text is put in order: a sort order under flags (NORM_..., SORT_..., LINGUISTIC_...; SUPPORTED_FLAGS)."""

    order: SortOrder = cython.declare(object, visibility="readonly")
    _scripts: bytes = cython.declare(bytes)
    _primaries: bytes = cython.declare(bytes)
    _diacritics: bytes = cython.declare(bytes)
    _cases: bytes = cython.declare(bytes)
    _contractions: dict[bytes, bytes] = cython.declare(dict)
    _expansions: tuple[int, ...] = cython.declare(tuple)
    _case_mask: int = cython.declare(cython.uint)
    # flags
    _has_case: bool = cython.declare(cython.bint)
    _ignores_nonspace: bool = cython.declare(cython.bint)
    _ignores_symbols: bool = cython.declare(cython.bint)
    _string_sort: bool = cython.declare(cython.bint)
    _least_case: bool = cython.declare(cython.bint)
    _least_diacritic: bool = cython.declare(cython.bint)
    # traits of the order
    _three_bytes: bool = cython.declare(cython.bint)
    _reversed: bool = cython.declare(cython.bint)
    _doubled: bool = cython.declare(cython.bint)
    _unsettled: bool = cython.declare(cython.bint)
    # what of ASCII adds nothing but script, primary and case weight, and those
    _plain: bytes = cython.declare(bytes)
    _plain_scripts: bytes = cython.declare(bytes)
    _plain_primaries: bytes = cython.declare(bytes)
    _plain_cases: bytes = cython.declare(bytes)

    def __init__(self, order: SortOrder, flags: int) -> None:
        self.order = order
        self._scripts, self._primaries = order.scripts, order.primaries
        self._diacritics, self._cases = order.diacritics, order.cases
        self._contractions, self._expansions = order.contractions, order.expansions
        self._ignores_nonspace = bool(flags & IGNORE_NONSPACE)
        self._ignores_symbols = bool(flags & IGNORE_SYMBOLS)
        self._string_sort = bool(flags & STRING_SORT)
        self._least_case = bool(flags & LINGUISTIC_IGNORE_CASE)
        self._least_diacritic = bool(flags & LINGUISTIC_IGNORE_DIACRITIC)
        self._three_bytes = bool(order.flags & THREE_BYTES)
        self._reversed = bool(order.flags & REVERSED)
        self._doubled = bool(order.flags & DOUBLED)
        mask = 0x3F
        for flag, bits in ((IGNORE_CASE, _CASE_UPPER), (IGNORE_WIDTH, _CASE_WIDTH), (IGNORE_KANA_TYPE, _CASE_KATAKANA)):
            if flags & flag:
                mask &= ~bits
        self._case_mask = mask
        self._has_case = not (flags & IGNORE_CASE and flags & IGNORE_WIDTH)
        self._unsettled = self._has_case and bool(order.flags & INVERSE_CASE)
        first = _SYMBOL_LAST + 1 if self._ignores_symbols else _SYMBOL_FIRST
        self._plain = bytes(
            unit
            for unit in range(0x80)
            if first <= order.scripts[unit] < _PRIVATE_FIRST
            and order.diacritics[unit] == 2
            and not order.cases[unit] & CONTRACTION
        )
        self._plain_scripts = order.scripts[:0x100]
        self._plain_primaries = order.primaries[:0x100]
        self._plain_cases = bytes(
            2 if self._least_case and order.scripts[unit] > _SYMBOL_LAST else order.cases[unit] & mask for unit in range(0x100)
        )

    def key(self, text: bytes, most: int) -> bytes:
        """The sort key of a text (UTF-16LE, even length); only its first `most` bytes are sure to be right.

        JET_errUnicodeNormalizationNotSupported: a character whose weights are not known.
        """
        if not text[1::2].strip(b"\0"):
            low = text[::2]
            if not low.translate(None, self._plain):
                if self._unsettled:
                    raise self._refusal(text, 0)
                primary: Any = cython.declare(object, bytearray(len(text)))  # C cannot assign to every other byte
                primary[::2] = low.translate(self._plain_scripts)
                primary[1::2] = low.translate(self._plain_primaries)
                if not self._has_case:
                    return bytes(primary) + b"\1\1\1\1\0"
                return b"".join((primary, b"\1\1", low.translate(self._plain_cases).rstrip(_LEAST), b"\1\1\0"))
        return self._general(text, most)

    @cython.cfunc
    def _general(self, text: bytes, most: cython.Py_ssize_t) -> bytes:
        weights = _Weights()
        size: cython.Py_ssize_t = len(text)
        at: cython.Py_ssize_t = 0
        end: cython.Py_ssize_t
        unit: cython.uint
        if self._unsettled:
            raise self._refusal(text, 0)
        while at + 1 < size and len(weights.primary) < most:
            unit = text[at] | text[at + 1] << 8
            end = at + 2
            contracted: bytes | None = None
            if self._cases[unit] & _STARTS:
                end = self._contraction_end(text, at)
                if end > at + 2:
                    contracted = self._contractions[text[at:end]]
            if contracted is not None:
                if contracted[0] < _SYMBOL_FIRST:
                    raise self._refusal(text, at)  # a contraction that is but a mark, in Uyghur
                self._add_letter(weights, contracted[0], contracted[1], contracted[2], contracted[3] & self._case_mask)
            elif not self._add(weights, unit):
                raise self._refusal(text, at)
            while at < end:
                unit = text[at] | text[at + 1] << 8
                if self._is_repeatable(unit):
                    weights.repeatable = unit
                at += 2
        return self._joined(weights)

    @cython.cfunc
    def _contraction_end(self, text: bytes, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """Where the longest contraction that begins at `at` ends; two bytes on where none does."""
        bits: cython.uint = self._cases[text[at] | text[at + 1] << 8] & _STARTS
        length: cython.Py_ssize_t = 8 if bits == 0xC0 else 5 if bits == 0x80 else 3
        length = min(length, (len(text) - at) // 2)
        if self._doubled and length >= 2 and text[at : at + 2] == text[at + 2 : at + 4]:
            for units in range(length, 1, -1):
                if text[at + 2 : at + 2 + 2 * units] in self._contractions:
                    raise self._refusal(text, at)  # a doubled contraction, like ddzs of Hungarian for dzsdzs
        while length > 1:
            if text[at : at + 2 * length] in self._contractions:
                return at + 2 * length
            length -= 1
        return at + 2

    @cython.cfunc
    def _is_repeatable(self, unit: cython.uint) -> cython.bint:
        script: cython.uint = self._scripts[unit]
        if script <= 1:
            return False
        return script != 3 or self._primaries[unit] > _MARK_LAST

    @cython.cfunc
    def _add(self, weights: _Weights, unit: cython.uint) -> cython.bint:
        """Add what one code unit adds; False for one whose weights are not known."""
        script: cython.uint = self._scripts[unit]
        primary: cython.uint = self._primaries[unit]
        diacritic: cython.uint = self._diacritics[unit]
        case: cython.uint = self._cases[unit] & self._case_mask
        if script == _UNKNOWN or script == 4:
            return False
        if script > _SYMBOL_LAST:
            self._add_letter(weights, script, primary, diacritic, case)
        elif script == 0:
            return True
        elif script == 1:
            if self._least_diacritic:
                diacritic = 2
            if not weights.diacritic:
                weights.diacritic.append(diacritic)
            elif weights.diacritic[-1] + diacritic > 0xFF:
                return self._ignores_nonspace
            else:
                weights.diacritic[-1] += diacritic
        elif script == 2:
            return self._add_expansion(weights, diacritic | (self._cases[unit] & 0x3F) << 8)
        elif script == 3:
            return self._add_kana(weights, primary, diacritic, case)
        elif script == 5:
            weights.primary.append(0xFD)
            weights.primary.append(0xFF)
            weights.primary.append(primary)
            weights.primary.append(diacritic)
            weights.diacritic.append(2)
            weights.case.append(2)
        elif self._ignores_symbols:
            return True
        elif script == 6 and not self._string_sort:
            return self._add_special(weights, primary, diacritic, case)
        else:
            weights.primary.append(script)
            weights.primary.append(primary)
            weights.diacritic.append(diacritic)
            weights.case.append(case)
        return True

    @cython.cfunc
    def _add_letter(
        self, weights: _Weights, script: cython.uint, primary: cython.uint, diacritic: cython.uint, case: cython.uint
    ) -> None:
        weights.primary.append(script)
        weights.primary.append(primary)
        if self._has_third(script):
            weights.primary.append(diacritic)
            weights.case.append(case)
            weights.uneven = True
            return
        if script <= _ARABIC and script != _HEBREW:
            if self._least_diacritic:
                diacritic = 2
            if self._least_case:
                case = 2
        weights.diacritic.append(diacritic)
        weights.case.append(case)

    @cython.cfunc
    def _has_third(self, script: cython.uint) -> cython.bint:
        """Whether the diacritic weight of a script is the third byte of the primary one."""
        if _PRIVATE_FIRST <= script <= _PRIVATE_LAST:
            return True
        return self._three_bytes and _WIDE_FIRST <= script <= _WIDE_LAST

    @cython.cfunc
    def _add_expansion(self, weights: _Weights, number: cython.Py_ssize_t) -> cython.bint:
        """Both parts of an expansion; the second may be one itself."""
        unit: cython.uint
        while True:
            unit = self._expansions[2 * number]
            if not self._add_part(weights, unit):
                return False
            unit = self._expansions[2 * number + 1]
            if self._scripts[unit] != 2:
                return self._add_part(weights, unit)
            number = self._diacritics[unit] | (self._cases[unit] & 0x3F) << 8

    @cython.cfunc
    def _add_part(self, weights: _Weights, unit: cython.uint) -> cython.bint:
        script: cython.uint = self._scripts[unit]
        if script == _UNKNOWN or script <= 1:
            return False  # a mark would put a separator among the primary weights
        self._add_letter(weights, script, self._primaries[unit], self._diacritics[unit], self._cases[unit] & self._case_mask)
        return True

    @cython.cfunc
    def _add_kana(self, weights: _Weights, primary: cython.uint, diacritic: cython.uint, case: cython.uint) -> cython.bint:
        mark: cython.uint = 3
        if primary <= _MARK_LAST:
            if weights.repeatable == _NO_UNIT:
                return False
            unit: cython.uint = weights.repeatable
            script: cython.uint = self._scripts[unit]
            if script != 3:
                if script in (2, 4, 6) or script == _UNKNOWN or self._has_third(script):
                    return False
                self._add_letter(weights, script, self._primaries[unit], diacritic, 2)
                return True
            kana_case: cython.uint = self._cases[unit] & self._case_mask
            mark = 4 + primary
            if primary == 0:
                primary = self._primaries[unit]
                case = kana_case
            else:
                primary = self._primaries[unit] & _LENGTH_MASK
                case = (kana_case & 0xFE) | (case & _CASE_WIDTH)
        if weights.kana is None:
            weights.small, weights.mark, weights.kana, weights.width = bytearray(), bytearray(), bytearray(), bytearray()
        if not self._ignores_nonspace:
            weights.small.append(_EXTRA | (case & _CASE_SIZE))
            weights.mark.append(mark)
        weights.kana.append(_EXTRA | (case & _CASE_KATAKANA))
        weights.width.append(_EXTRA | (case & _CASE_WIDTH))
        self._add_letter(weights, _KANA, primary, diacritic, 2)
        return True

    @cython.cfunc
    def _add_special(self, weights: _Weights, primary: cython.uint, diacritic: cython.uint, case: cython.uint) -> cython.bint:
        if weights.uneven:
            return False  # whether three bytes count as one or as one and a half
        if self._least_diacritic:
            diacritic = 2
        if self._least_case:
            case = 2
        position: cython.uint = (-(len(weights.primary) // 2) - 1) & 0xFFFF
        weights.special.append(position >> 8)
        weights.special.append(position & 0xFF)
        weights.special.append(primary)
        weights.special.append((case | diacritic << 3) & 0xFF)
        return True

    @cython.cfunc
    def _joined(self, weights: _Weights) -> bytes:
        diacritic: bytes = b""
        if not self._ignores_nonspace:
            if self._reversed:
                weights.diacritic.reverse()
            diacritic = bytes(weights.diacritic.rstrip(_LEAST))
        case: bytes = bytes(weights.case.rstrip(_LEAST)) if self._has_case else b""
        extra: bytes = b""
        if weights.kana is not None:
            small = weights.small.rstrip(bytes((_EXTRA | _CASE_SIZE,)))
            kana = weights.kana.rstrip(bytes((_EXTRA | _CASE_KATAKANA,)))
            width = weights.width.rstrip(bytes((_EXTRA | _CASE_WIDTH,)))
            extra = b"".join((small, b"\xff", weights.mark.rstrip(b"\3"), b"\2", kana, b"\xff", width, b"\xff"))
        return b"".join((weights.primary, b"\1", diacritic, b"\1", case, b"\1", extra, b"\1", weights.special, b"\0"))

    def _refusal(self, text: bytes, at: int) -> JetError:
        shown = text[at : at + 2].decode("utf-16-le", "backslashreplace")
        return jet_error(
            codes.JET_errUnicodeNormalizationNotSupported,
            f"a sort key with {shown!r} at character {at // 2}: its weights in this sort order and version are not known",
        )
