"""File names made of the names of tables: always one part of a path, always another for another name."""

from __future__ import annotations

import urllib.parse

from hypothesis import given
from hypothesis import strategies as st

from esent.tools.export_names import LONGEST, Names, safe_name

ANY = st.text(st.characters(), max_size=200)


@given(ANY)
def test_a_name_is_one_harmless_part_of_a_path(name: str) -> None:
    found = safe_name(name)
    assert 0 < len(found) <= LONGEST + 20
    assert not set(found) & set('/\\:*?"<>|\0\n=')
    assert found.isascii() and found.isprintable()
    assert found[0] not in ". ~" and found[-1] not in ". "


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10))
def test_a_short_name_can_be_read_back_as_in_a_url(name: str) -> None:
    assert urllib.parse.unquote(safe_name(name)) == name


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=121, max_size=200))
def test_a_long_name_keeps_its_beginning_and_no_half_of_an_escape(name: str) -> None:
    head, _, digest = safe_name(name).rpartition("-")
    assert len(digest) == 16 and len(head) > 100
    shown = urllib.parse.unquote(head, errors="surrogateescape").encode("utf-8", "surrogateescape")
    assert name.encode().startswith(shown)


@given(st.lists(ANY, max_size=20))
def test_no_name_is_given_out_twice_case_apart(names: list[str]) -> None:
    taken = Names()
    found = [taken.take(name) for name in names]
    assert len({each.casefold() for each in found}) == len(names)


def test_names_of_devices_and_of_windows() -> None:
    assert safe_name("NUL") != "NUL" and safe_name("com1.txt").split(".")[0].upper() != "COM1"
    assert safe_name("{973F5D5C-1D90-4944-BE8E-24B94231A174}") == "{973F5D5C-1D90-4944-BE8E-24B94231A174}"
    assert safe_name("..") == "%2E%2E"
    assert safe_name("") == "%00"
