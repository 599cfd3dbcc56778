"""Long values as files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class LongValueStream(io.RawIOBase):
    """The parts of a long value, fetched as they are read; forward only."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """The bytes put into `buffer`, 0 at the end. Raises what reading the value raises."""
        if not self._left:
            self._left = next(self._chunks, b"")
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._left))
        target[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


__all__ = ["LongValueStream"]
