"""The copy buffer, single columns of records and pending long values against plain models."""

from __future__ import annotations

import random

import pytest
from cursor_tables import BLOB, COUNTER, ID, NAME, NUMBER, TAGS, long, sample_table, short
from hypothesis import given, settings
from hypothesis import strategies as st

from esent.constants import codes
from esent.engine.index_entries import column_values
from esent.engine.key_columns import column_from_key, tells_column
from esent.engine.long_value_writer import PendingValue
from esent.engine.record_buffer import RecordBuffer
from esent.engine.table_view import TableView
from esent.errors import JetError
from esent.records import access
from esent.records.columns import Coltyp, Column
from esent.records.encode import Value
from esent.records.keys import KeyDefinition, Segment, build_key

PAGE_SIZES = (4096, 32768)

changes = st.lists(
    st.one_of(
        st.tuples(st.just(ID), st.none() | st.integers(-5, 5).map(long)),
        st.tuples(st.just(NUMBER), st.none() | st.integers(-5, 5).map(short)),
        st.tuples(st.just(COUNTER), st.none() | st.integers(-5, 5).map(long)),
        st.tuples(st.just(NAME), st.none() | st.binary(max_size=20)),
        st.tuples(st.just(TAGS), st.tuples(st.integers(0, 4), st.none() | st.integers(-5, 5).map(long))),
        st.tuples(st.just(BLOB), st.none() | st.binary(max_size=40)),
    ),
    max_size=12,
)


@pytest.mark.parametrize("page_size", PAGE_SIZES)
@given(changes)
@settings(max_examples=120, deadline=None)
def test_a_record_shows_what_was_set(page_size: int, steps: list[tuple[int, object]]) -> None:
    view = TableView(sample_table(), page_size)
    buffer = RecordBuffer(view)
    wanted: dict[int, list[bytes]] = {COUNTER: [long(5)]}
    for fid, value in steps:
        column = view.columns[fid]
        if fid == TAGS:
            assert isinstance(value, tuple)
            number, data = value
            values = wanted.setdefault(TAGS, [])
            buffer.set_tagged(column, number, None if data is None else Value(data))
            if data is None:
                if 1 <= number <= len(values):
                    del values[number - 1]
            elif 1 <= number <= len(values):
                values[number - 1] = data
            else:
                values.append(data)
            continue
        assert value is None or isinstance(value, bytes)
        if column.is_fixed:
            buffer.set_fixed(column, value)
        elif column.is_variable:
            buffer.set_variable(column, value)
        else:
            buffer.set_tagged(column, 1, None if value is None else Value(value))
        wanted[fid] = [] if value is None else [value]
    image = buffer.image()
    assert len(image) == buffer.size
    assert RecordBuffer(view, image).image() == image
    plan = sample_table().plan(page_size)
    row = plan.values(image)
    for column, decoded in zip(plan.columns, row, strict=True):
        expected = wanted.get(column.fid, [])
        shown = column_values(view, column, image)
        found = [view.defaults[column.columnid]] if shown is None and column.columnid in view.defaults else shown or []
        assert [value.data if isinstance(value, Value) else value for value in found] == expected
        values = decoded if isinstance(decoded, list) else [] if decoded is None else [decoded]
        assert values == expected


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    view = TableView(sample_table(), 4096)
    buffer = RecordBuffer(view)
    blob = view.columns[BLOB]
    buffer.set_tagged(blob, 1, Value(b"a" * 3000))
    before = buffer.image()
    with pytest.raises(JetError) as caught:
        buffer.set_tagged(blob, 2, Value(b"b" * 2000))
    assert caught.value.code == codes.JET_errRecordTooBig
    assert buffer.image() == before


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes_as_a_record_end_in_a_value_or_an_error(data: bytes) -> None:
    view = TableView(sample_table(), 4096)
    for column in view.table.columns:
        try:
            column_values(view, column, data)
        except JetError as problem:
            assert problem.code == codes.JET_errDatabaseCorrupted
    try:
        access.tagged_entries(data, True)
        RecordBuffer(view, data)
    except JetError as problem:
        assert problem.code == codes.JET_errDatabaseCorrupted


@given(st.integers(0, 2**32), st.integers(1, 9))
@settings(max_examples=150, deadline=None)
def test_pending_values_are_bytes_that_can_be_changed(seed: int, chunk: int) -> None:
    dice = random.Random(seed)
    pending = PendingValue(None, chunk)
    model = bytearray()
    for _ in range(dice.randrange(1, 10)):
        if dice.random() < 0.4:
            size = dice.randrange(0, 40)
            pending.resize(size)
            model[size:] = b""
            model += bytes(size - len(model))
        else:
            offset = dice.randrange(0, len(model) + 1)
            data = dice.randbytes(dice.randrange(0, 20))
            pending.write(offset, data)
            model[offset : offset + len(data)] = data
        assert pending.size == len(model)
        assert pending.read() == bytes(model)
        start = dice.randrange(0, len(model) + 1)
        assert pending.read(start, 7) == bytes(model[start : start + 7])
        assert b"".join(pending.packed(offset) for offset in range(0, pending.size, chunk)) == bytes(model)


KINDS = {
    Coltyp.BIT: 1,
    Coltyp.UNSIGNED_BYTE: 1,
    Coltyp.SHORT: 2,
    Coltyp.UNSIGNED_SHORT: 2,
    Coltyp.LONG: 4,
    Coltyp.UNSIGNED_LONG: 4,
    Coltyp.CURRENCY: 8,
    Coltyp.IEEE_SINGLE: 4,
    Coltyp.IEEE_DOUBLE: 8,
    Coltyp.LONG_LONG: 8,
    Coltyp.BINARY: 0,
}


@pytest.mark.parametrize("coltyp", KINDS)
@pytest.mark.parametrize("descending", [False, True])
def test_keys_tell_the_values_they_were_made_from(coltyp: Coltyp, descending: bool) -> None:
    size = KINDS[coltyp]
    fid = 1 if size else 128
    columns = {fid: Column("A", fid, coltyp, size or 200), 2: Column("B", 2, Coltyp.LONG, 4)}
    segments = (Segment(fid, coltyp, 0, bool(size), descending), Segment(2, Coltyp.LONG, 0, True))
    definition = KeyDefinition(segments)
    dice = random.Random(coltyp)
    for _ in range(60):
        value = None if dice.random() < 0.1 else dice.randbytes(size or dice.randrange(0, 30))
        if coltyp == Coltyp.BIT and value is not None:
            value = b"\xff" if value[0] & 1 else b"\0"
        other = dice.randbytes(4)
        key, _, cut = build_key(definition, (value, other))
        assert not cut
        assert tells_column(definition, columns, fid, key)
        assert column_from_key(definition, columns, fid, key) == value
        assert column_from_key(definition, columns, 2, key) == other
