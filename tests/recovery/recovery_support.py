"""What the recovery tests share: sets unpacked, recovered, and compared with the original's files page by page."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from esent.errors import JetError
from esent.recovery.options import RecoveryOptions, RecoveryResult
from esent.recovery.soft import soft_recover
from esent.tools.dump import dump

FLUSH_TYPE = 0x18000
VERSIONED = 1


def comparable(page: bytes) -> tuple[Any, ...]:
    """What two correct runs must agree on: no checksum, flush type, place of bytes in the page, or "versioned" flag."""
    large = len(page) > 8192
    mask, header = (0x7FFF, 80) if large else (0x1FFF, 40)
    dbtime, previous, following, objid = struct.unpack_from("<QIII", page, 8)
    tags = struct.unpack_from("<H", page, 34)[0] & 0xFFF
    flags = struct.unpack_from("<I", page, 36)[0] & ~FLUSH_TYPE
    lines = []
    for tag in range(tags):
        cb, ib = struct.unpack_from("<HH", page, len(page) - 4 * (tag + 1))
        body = bytearray(page[header + (ib & mask) : header + (ib & mask) + (cb & mask)])
        bits = ib >> 13
        if large:
            bits = body[1] >> 5 if tag and len(body) > 1 else 0
            if tag and len(body) > 1:
                body[1] &= 0x1F
        lines.append((bits & ~VERSIONED if tag else 0, bytes(body)))
    return dbtime, previous, following, objid, flags, lines


def different_pages(ours: Path, theirs: Path) -> tuple[int, list[int]]:
    """(pages compared, numbers of those that differ) of the part two database files have in common."""
    a, b = ours.read_bytes(), theirs.read_bytes()
    size = struct.unpack_from("<I", b, 236)[0] or 4096
    count = min(len(a), len(b)) // size
    found = []
    for number in range(2, count):
        x, y = a[number * size : (number + 1) * size], b[number * size : (number + 1) * size]
        if x != y and comparable(x) != comparable(y):
            found.append(number - 1)
    return count - 2, found


def lines_of(path: Path) -> list[str]:
    data = path.read_bytes() if path.exists() else gzip.decompress(path.with_name(path.name + ".gz").read_bytes())
    return data.decode("ascii").splitlines()


def dump_lines(path: Path, *, system: bool = False) -> Iterator[str]:
    return (line.rstrip("\n") for line in dump(path, system=system))


def facts(root: Path, name: str) -> dict[str, Any]:
    """The `results` of a set's set.json."""
    found: dict[str, Any] = json.loads((root / name / "set.json").read_text())["results"]
    return found


def recover(folder: Path, **more: Any) -> RecoveryResult:
    """Soft recovery of a set that was copied to `folder`, whatever path its logs speak of."""
    return soft_recover(RecoveryOptions(log_path=folder, alternate_path=folder, **more))


def outcome(folder: Path, *, notes: list[str] | None = None, **more: Any) -> int:
    """The code recovery ends with; 0 for success, and then `notes` takes what it has to say."""
    try:
        result = recover(folder, **more)
        if notes is not None:
            notes += result.notes
        return result.warning
    except JetError as problem:
        return problem.code
