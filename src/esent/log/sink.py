"""What takes log records: the stream itself, or the log of an instance, which rolls and keeps the checkpoint as well."""

from __future__ import annotations

try:
    import cython
except ImportError:
    from esent import _uncompiled as cython  # type: ignore[no-redef]

from collections.abc import Sequence

from esent.log.layout import Record
from esent.pages.primitives import Lgpos


@cython.cclass
class RecordSink:
    """A log as those see it who append to it; everything is durable after a `flush` of its position.

    A base class, so that a store of pages reaches either log in compiled code.
    `pressing`: the log has become so deep that old pages should be written before more is changed.
    """

    pressing: bool

    def append(self, record: Record) -> Lgpos:
        """Log a record; its position."""
        return self.append_image(record.encode())

    @cython.ccall
    def append_image(self, image: bytes) -> Lgpos:
        """As `append`, for the bytes of a record."""
        raise NotImplementedError

    def append_all(self, records: Sequence[Record]) -> list[Lgpos]:
        """Log several records, with none of another thread between them; their positions."""
        return self.append_images([record.encode() for record in records])

    @cython.ccall
    def append_images(self, images: Sequence[bytes]) -> list[Lgpos]:
        """As `append_all`, for the bytes of records."""
        raise NotImplementedError

    def flush(self, upto: Lgpos | None = None, *, fill: bool = True) -> None:
        """Return when the record at `upto` (default: every record there is) is on disk."""
        raise NotImplementedError
