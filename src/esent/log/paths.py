"""Paths inside log records and attach lists: NUL-terminated, UTF-16LE or in the writer's ANSI code page (taken as 1252)."""

from __future__ import annotations

_ANSI = "cp1252"


def decode_path(data: bytes, *, unicode: bool) -> str:
    """The text before the first NUL; ill-formed bytes survive a round trip."""
    if unicode:
        text = data[: len(data) & ~1].decode("utf-16-le", "surrogatepass")
    else:
        text = data.decode(_ANSI, "surrogateescape")
    return text.partition("\0")[0]


def encode_path(text: str, *, unicode: bool) -> bytes:
    """The stored form, terminator included. Raises UnicodeEncodeError where the ANSI code page lacks a character."""
    if unicode:
        return text.encode("utf-16-le", "surrogatepass") + b"\0\0"
    return text.encode(_ANSI, "surrogateescape") + b"\0"
