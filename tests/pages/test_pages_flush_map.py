"""Headers of genuine flush maps."""

from __future__ import annotations

import pytest

from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.pages.flush_map import MAP_PAGE_SIZE, FlushMapHeader


def test_a_clean_map_belongs_to_its_database(fixtures):
    header = FlushMapHeader.parse(fixtures.read("engine/clean-4k/db.jfm"))
    assert header.version == (3, 0, 0)
    assert header.is_clean
    with DatabaseFile(fixtures.path("engine/clean-4k/db.edb")) as database:
        pairs = (
            (header.sign_flush_map_hdr_flush, database.header.sign_flush_map_hdr_flush),
            (header.sign_db_hdr_flush, database.header.sign_db_hdr_flush),
        )
    # what makes the original use a map: one of the two is set and the same on both sides
    assert any(of_map and of_map == of_database for of_map, of_database in pairs)


@pytest.mark.parametrize("offset", [1, 40, 667, 8000])
def test_damage_is_told(fixtures, offset):
    data = bytearray(fixtures.read("engine/clean-4k/db.jfm"))
    data[offset] ^= 0x10
    with pytest.raises(JetError):
        FlushMapHeader.parse(bytes(data))


@pytest.mark.parametrize("size", [0, 4, 4096, MAP_PAGE_SIZE - 1])
def test_cut_off(fixtures, size):
    with pytest.raises(JetError):
        FlushMapHeader.parse(fixtures.read("engine/clean-4k/db.jfm")[:size])
