"""The trailer page of genuine backups, and of none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esent.errors import JetError
from esent.pages.checksum import PAGE_SIZES, flip_bits
from esent.pages.header import DatabaseHeader
from esent.pages.primitives import BackupInfo, Lgpos, LogTime, Signature
from esent.pages.trailer import PatchPage, is_trailer
from genuine import Fixtures

BACKUPS = [
    ("engine/backup-stream-4k/db.edb", 4096, (9, 20)),
    ("engine/backup-incremental-4k/db.edb", 4096, (7, 15)),
    ("engine/backup-jet-incremental-4k/set/db.edb", 4096, (7, 12)),
    ("engine/backup-jet-atomic-8k/set/new/db.edb", 8192, (8, 10)),
]


@pytest.mark.parametrize(("name", "size", "generations"), BACKUPS)
def test_genuine_trailers(fixtures: Fixtures, name: str, size: int, generations: tuple[int, int]) -> None:
    data = fixtures.read(name)
    header = DatabaseHeader.parse(data[:size])
    page = data[-size:]
    trailer = PatchPage.parse(page)
    assert (trailer.backup.generation_low, trailer.backup.generation_high) == generations
    assert trailer.backup.generation_low == header.bkinfo_full_cur.generation_low
    assert trailer.belongs_to(header)
    assert trailer.pack(size) == page
    other = header.copy()
    other.sign_db = Signature.fresh()
    assert not trailer.belongs_to(other)
    other = header.copy()
    other.bkinfo_full_cur = header.bkinfo_full_cur._replace(mark=Lgpos(1, 2, 3))
    assert not trailer.belongs_to(other)
    # the page before it is one of the database; a wrong bit is not corrected (damaged-backup-4k, trailer-bit)
    for wrong in (data[-2 * size : -size], flip_bits(page, [700]), bytes(size), page[:-1], b""):
        assert not is_trailer(wrong)
        with pytest.raises(JetError) as caught:
            PatchPage.parse(wrong)
        assert caught.value.name == "JET_errBadPatchPage"


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 0xFFFF), st.sampled_from(PAGE_SIZES))
@settings(max_examples=50, deadline=None)
def test_round_trip(low: int, high: int, isec: int, size: int) -> None:
    now = LogTime.now()
    page = PatchPage(
        BackupInfo(Lgpos(5, isec, 8), now, low, high), Signature.fresh(), Signature.fresh(), low, high, high, now, now
    )
    assert PatchPage.parse(page.pack(size)) == page


def test_sizes() -> None:
    for size in (0, 100, 4095, 65536):
        with pytest.raises(JetError):
            PatchPage().pack(size)


@given(st.binary(max_size=5000))
def test_random_bytes(data: bytes) -> None:
    with pytest.raises(JetError):
        PatchPage.parse(data)
    with pytest.raises(JetError):
        PatchPage.parse(data[:4096].ljust(4096, b"\0"))
