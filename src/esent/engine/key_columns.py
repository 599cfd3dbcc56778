"""Column values back from a normalised key, where that loses nothing (`reference/records-and-indexes.md` 5, 6.9)."""

from __future__ import annotations

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.records.columns import INHERENT_SIZE, UNICODE, Coltyp, Column
from esent.records.keys import INDEX_DOT_NET_GUID, KEY_MOST_DEFAULT, KeyDefinition

_NULL = (0x00, 0xC0)
_ZERO_LENGTH = 0x40
_DATA = 0x7F
_COMPLEMENT = bytes(255 - value for value in range(256))
_TEXT = (Coltyp.TEXT, Coltyp.LONG_TEXT)
_SIGNED = (Coltyp.SHORT, Coltyp.LONG, Coltyp.CURRENCY, Coltyp.LONG_LONG)
_FLOATING = (Coltyp.IEEE_SINGLE, Coltyp.IEEE_DOUBLE, Coltyp.DATE_TIME)
_GUID_ORDER = (10, 11, 12, 13, 14, 15, 8, 9, 6, 7, 4, 5, 0, 1, 2, 3)
_DOT_NET_ORDER = (3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15)


def tells_column(definition: KeyDefinition, columns: dict[int, Column], columnid: int, key: bytes) -> bool:
    """Whether the key tells the value of the column: not for text, nor behind Unicode text, nor where it may have been cut."""
    for segment in definition.segments:
        if segment.column == columnid:
            break
        if segment.coltyp == Coltyp.GUID and segment.descending:
            return False
        if segment.coltyp in _TEXT and segment.code_page == UNICODE:
            return False
    column = columns[columnid]
    if column.coltyp in _TEXT or (len(key) == definition.key_most and definition.key_most >= KEY_MOST_DEFAULT):
        return False
    cut_segments = 0 < definition.var_seg_mac < definition.key_most
    return not (cut_segments and not column.is_fixed and column.coltyp in (Coltyp.BINARY, Coltyp.LONG_BINARY))


def column_from_key(definition: KeyDefinition, columns: dict[int, Column], columnid: int, key: bytes) -> bytes | None:
    """The value of a column that the key tells; None for NULL. JET_errSecondaryIndexCorrupted for a key that is none."""
    place = 0
    for segment in definition.segments:
        column = columns[segment.column]
        start = place
        place = _segment_end(key, start, column, descending=segment.descending)
        if segment.column == columnid:
            if segment.coltyp == Coltyp.GUID and segment.descending:
                return None  # the engine does not recognise the complement of a GUID
            part = key[start:place]
            if segment.descending:
                part = part.translate(_COMPLEMENT)
            return _value(part, column, dot_net=bool(definition.flags & INDEX_DOT_NET_GUID))
    raise jet_error(codes.JET_errColumnNotFound, f"column {columnid:#x} is not in the index")


def _broken() -> JetError:
    return jet_error(codes.JET_errSecondaryIndexCorrupted, "taking a key apart: a segment ends behind it")


def _segment_end(key: bytes, start: int, column: Column, *, descending: bool) -> int:
    if start >= len(key):
        raise _broken()
    flip = 0xFF if descending else 0
    if key[start] ^ flip != _DATA:
        return start + 1
    size = INHERENT_SIZE.get(column.coltyp)
    if size is None and column.is_fixed and column.coltyp == Coltyp.BINARY:
        size = column.max_size
    if size is not None:
        end = start + 1 + size
    elif column.coltyp in _TEXT:
        end = key.find(bytes((flip,)), start + 1) + 1 or len(key)
    else:
        end = start + 1
        while True:
            end += 9
            if end > len(key):
                raise _broken()
            if key[end - 1] ^ flip != 9:
                break
    if end > len(key):
        raise _broken()
    return end


def _value(part: bytes, column: Column, *, dot_net: bool) -> bytes | None:
    if part[0] in _NULL:
        return None
    if part[0] == _ZERO_LENGTH:
        return b""
    body = part[1:]
    coltyp = column.coltyp
    if coltyp in _SIGNED:
        return body[:0:-1] + bytes((body[0] ^ 0x80,))
    if coltyp in _FLOATING:
        if body[0] & 0x80:
            return body[:0:-1] + bytes((body[0] & 0x7F,))
        return body[::-1].translate(_COMPLEMENT)
    if coltyp == Coltyp.GUID:
        value = bytearray(16)
        for place, source in enumerate(_DOT_NET_ORDER if dot_net else _GUID_ORDER):
            value[source] = body[place]
        return bytes(value)
    if coltyp in INHERENT_SIZE:
        return body[::-1]
    if column.is_fixed:
        return body
    parts = [body[i : i + 8] for i in range(0, len(body), 9)]
    count = body[-1]
    parts[-1] = parts[-1][:count]
    return b"".join(parts)
