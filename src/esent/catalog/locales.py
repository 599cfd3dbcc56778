"""Locales of indexes: the numbers of the older API and the names that the catalogue keeps ([MS-LCID])."""

from __future__ import annotations

from esent.constants import codes
from esent.errors import jet_error

NEUTRAL = 0
INVARIANT = 0x7F
_NAMES = {
    0x0401: "ar-SA", 0x0402: "bg-BG", 0x0403: "ca-ES", 0x0404: "zh-TW", 0x0405: "cs-CZ", 0x0406: "da-DK", 0x0407: "de-DE",
    0x0408: "el-GR", 0x0409: "en-US", 0x040A: "es-ES_tradnl", 0x040B: "fi-FI", 0x040C: "fr-FR", 0x040D: "he-IL",
    0x040E: "hu-HU", 0x040F: "is-IS", 0x0410: "it-IT", 0x0411: "ja-JP", 0x0412: "ko-KR", 0x0413: "nl-NL", 0x0414: "nb-NO",
    0x0415: "pl-PL", 0x0416: "pt-BR", 0x0417: "rm-CH", 0x0418: "ro-RO", 0x0419: "ru-RU", 0x041A: "hr-HR", 0x041B: "sk-SK",
    0x041C: "sq-AL", 0x041D: "sv-SE", 0x041E: "th-TH", 0x041F: "tr-TR", 0x0420: "ur-PK", 0x0421: "id-ID", 0x0422: "uk-UA",
    0x0423: "be-BY", 0x0424: "sl-SI", 0x0425: "et-EE", 0x0426: "lv-LV", 0x0427: "lt-LT", 0x0429: "fa-IR", 0x042A: "vi-VN",
    0x042B: "hy-AM", 0x042D: "eu-ES", 0x042F: "mk-MK", 0x0436: "af-ZA", 0x0437: "ka-GE", 0x0439: "hi-IN", 0x043E: "ms-MY",
    0x043F: "kk-KZ", 0x0804: "zh-CN", 0x0807: "de-CH", 0x0809: "en-GB", 0x080A: "es-MX", 0x080C: "fr-BE", 0x0810: "it-CH",
    0x0813: "nl-BE", 0x0814: "nn-NO", 0x0816: "pt-PT", 0x0C04: "zh-HK", 0x0C07: "de-AT", 0x0C09: "en-AU", 0x0C0A: "es-ES",
    0x0C0C: "fr-CA", 0x1004: "zh-SG", 0x1009: "en-CA", 0x100C: "fr-CH", 0x10407: "de-DE_phoneb",
}  # fmt: skip
_NUMBERS = {name.lower(): number for number, name in _NAMES.items()}


def locale_name(lcid: object) -> str | None:
    """The name of a locale, "" for the invariant one, None for none. JET_errInvalidLanguageId."""
    if lcid == NEUTRAL:
        return None
    if lcid == INVARIANT:
        return ""
    name = _NAMES.get(lcid) if isinstance(lcid, int) else None
    if name is None:
        raise jet_error(codes.JET_errInvalidLanguageId, f"there is no locale {lcid!r}")
    return name


def locale_number(name: str) -> int:
    """The number of a locale, 0 where it has none."""
    return _NUMBERS.get(name.lower(), NEUTRAL) if name else INVARIANT


__all__ = ["locale_name", "locale_number"]
