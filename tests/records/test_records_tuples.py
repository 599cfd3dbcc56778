"""Tuples of records are what the plan and the converters give, for sound records and for broken ones."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esent.catalog.objects import Table
from esent.catalog.schema import Catalog
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.pages.page import Page
from esent.records.columns import Coltyp, Column
from esent.records.decode import RecordPlan
from esent.records.tuples import TupleReader
from esent.records.values import converter, moment, rich_converter
from esent.tree.cursor import Tree
from genuine import Fixtures

NAMES = ("windows/types/basic.edb", "windows/types/multi.edb", "windows/types/text.edb", "windows/types/default.edb")


def _table(fixtures: Fixtures, name: str) -> tuple[Table, list[bytes], list[Page]]:
    with DatabaseFile(fixtures.path(name)) as file:
        catalog = Catalog.load(file)
        table = max((catalog.table(each) for each in catalog.names()), key=lambda table: len(table.columns))
        pages = list(Tree(file, table.root, table.objid).leaves())
        return table, [record for page in pages for record in page.live_values()], pages


def _expected(plan: RecordPlan, record: bytes) -> list[Any]:
    values = plan.values(record)
    for place, column in enumerate(plan.columns):
        convert, value = converter(column), values[place]
        if isinstance(value, bytes):
            values[place] = convert(value)
        elif isinstance(value, list):
            values[place] = [convert(part) if isinstance(part, bytes) else part for part in value]
    return values


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, JetError):
        return isinstance(right, JetError) and left.code == right.code
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(_same, left, right))
    return type(left) is type(right) and (left == right or (left != left and right != right))


@pytest.mark.parametrize("name", NAMES)
def test_records_of_genuine_files(fixtures: Fixtures, name: str) -> None:
    table, records, pages = _table(fixtures, name)
    size = pages[0].page_size
    plan, reader = table.plan(size), TupleReader(table.columns, page_size=size, derived=table.is_derived)
    assert records
    read = reader.read_all(records)
    assert reader.refused == 0
    for record, row in zip(records, read, strict=True):
        assert _same(list(row), _expected(plan, record))  # type: ignore[arg-type]
        assert _same(list(row), list(reader.read(record)))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_broken_records_are_the_same_errors(fixtures: Fixtures, name: str) -> None:
    table, records, pages = _table(fixtures, name)
    size = pages[0].page_size
    plan, reader = table.plan(size), TupleReader(table.columns, page_size=size, derived=table.is_derived)

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def broken(data: st.DataObject) -> None:
        record = bytearray(data.draw(st.sampled_from(records)))
        for _ in range(data.draw(st.integers(1, 4))):
            if record:
                record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
        mutated = bytes(record[: data.draw(st.integers(0, len(record)))])
        try:
            expected = _expected(plan, mutated)
        except JetError as problem:
            with pytest.raises(type(problem)):
                reader.read(mutated)
            (row,) = reader.read_all([mutated])
            assert _same(problem, row)
            assert reader.refused == 1
        else:
            assert _same(list(reader.read(mutated)), expected)

    broken()


@pytest.mark.parametrize("name", NAMES)
def test_searching_broken_pages_ends(fixtures: Fixtures, name: str) -> None:
    _, _, pages = _table(fixtures, name)

    @settings(max_examples=200, deadline=None)
    @given(st.data())
    def broken(data: st.DataObject) -> None:
        page = data.draw(st.sampled_from(pages))
        image = bytearray(page.data)
        for _ in range(data.draw(st.integers(1, 6))):
            image[data.draw(st.integers(8, len(image) - 1))] = data.draw(st.integers(0, 255))
        key = data.draw(st.binary(max_size=12) | st.sampled_from([page.key(line) for line in range(page.line_count)]))
        try:
            found = Page(bytes(image), page.pgno)
        except JetError:
            return
        keys = [found.key(line) for line in range(found.line_count)]
        line, exact = found.seek(key)
        assert 0 <= line <= found.line_count
        assert not exact or key in keys
        if keys:
            assert 0 <= found.branch(key) < len(keys)
        assert found.live_values() == [value for flags, _, value in found.entries() if not flags & 2]

    broken()


@given(st.lists(st.binary(max_size=6), min_size=1, max_size=30, unique=True), st.binary(max_size=7))
def test_keys_of_pages_are_ordered_as_bytes(keys: list[bytes], key: bytes) -> None:
    from esent.pages.edit import MutablePage

    page = MutablePage.initialise(4096, 5, 7, 2, 1)
    for line, each in enumerate(sorted(keys)):
        page.insert_key(line, each, b"data")
    found = Page(bytes(page.data), 5)
    expected = sum(each < key for each in keys)
    assert found.seek(key) == (expected, key in keys)
    assert page.seek(key) == (expected, key in keys)
    assert found.branch(key) == min(sum(each <= key for each in keys), len(keys) - 1)


def test_rich_values() -> None:
    guid = Column("g", 256, Coltyp.GUID)
    value = uuid.uuid4()
    found = rich_converter(guid)(value.bytes_le)
    assert found == value
    assert hash(found) == hash(value)
    assert (str(found), found.bytes_le, found.is_safe) == (str(value), value.bytes_le, value.is_safe)
    assert moment(float("inf")) == float("inf")
    assert moment(1e300) == 1e300
    assert moment(-1.25).isoformat() == "1899-12-29T06:00:00"
