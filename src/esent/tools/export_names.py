"""Names of files for tables and databases whose own names may be anything.

Every character that is not a letter, a digit or one of a few harmless signs becomes %XX (of its UTF-8), as in a URL, which is
also how the readers of partitioned datasets take such names apart. What remains can leave no folder, hides nothing, means no
device, and is not too long; the manifest tells which table is where.
"""

from __future__ import annotations

import hashlib

_HARMLESS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.{}()@+,;~^ ")
_DEVICES = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CLOCK$", *(f"COM{each}" for each in range(10)), *(f"LPT{each}" for each in range(10))}
)
LONGEST = 120


def safe_name(name: str) -> str:
    """`name` as a part of a path on any system. Different names stay different; long ones are told apart by a hash."""
    found = "".join(each if each in _HARMLESS else _escaped(each) for each in name)
    if found[:1] in (".", " ", "~", "") or found.split(".")[0].strip().upper() in _DEVICES:
        found = _escaped(name[:1]) + found[1:] if name else "%00"
    if found[-1:] in (".", " "):
        found = found[:-1] + _escaped(found[-1])
    if len(found) > LONGEST:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        head = found[: LONGEST - 17]
        cut = head.rfind("%", len(head) - 2)  # no escape is cut in the middle
        found = (head if cut < 0 else head[:cut]) + "-" + digest
    return found


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


class Names:
    """Hands out names that no other has, also where case does not count."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, name: str) -> str:
        """A safe form of `name`, with ~2, ~3, ... behind it where it is taken."""
        plain = found = safe_name(name)
        number = 2
        while found.casefold() in self._taken:
            found = f"{plain}~{number}"
            number += 1
        self._taken.add(found.casefold())
        return found
