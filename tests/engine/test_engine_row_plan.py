"""Rows that are inserted, changed and found whole: the same records, index entries and answers as column by column."""

from __future__ import annotations

import datetime
import decimal
import itertools
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import esent
from esent.api import table as table_module
from esent.engine.row_plan import RowPlan
from esent.errors import JetError

_names = itertools.count(1)
BYTES = st.one_of(st.binary(max_size=12), st.binary(min_size=250, max_size=256), st.binary(min_size=1000, max_size=1100))
TEXT = st.one_of(
    st.text(max_size=8), st.text("ab é\0", min_size=120, max_size=130), st.text("xyz", min_size=500, max_size=1100)
)
MOMENTS = st.datetimes(datetime.datetime(1800, 1, 1), datetime.datetime(2200, 1, 1))
VALUES: dict[type[esent.ColumnType], st.SearchStrategy[Any]] = {
    esent.Bool: st.booleans(),
    esent.UInt8: st.integers(0, 255),
    esent.Int16: st.integers(-(2**15), 2**15 - 1),
    esent.Int32: st.integers(-(2**31), 2**31 - 1),
    esent.UInt32: st.integers(0, 2**32 - 1),
    esent.Int64: st.integers(-(2**63), 2**63 - 1),
    esent.Currency: st.decimals(-1000, 1000, places=3),
    esent.Float32: st.floats(width=32, allow_nan=False),
    esent.Float64: st.floats(allow_nan=False),
    esent.DateTime: MOMENTS,
    esent.Guid: st.uuids(),
    esent.Binary: BYTES,
    esent.LongBinary: BYTES,
    esent.Text: TEXT,
    esent.LongText: TEXT,
}
ODD = st.sampled_from(
    [b"", "", b"\1", b"1234", b"12345678", "text", 300, -1, 2**70, 1.5, True, [], [1, 2], object, uuid.UUID(int=5),
     decimal.Decimal("1.23456"), datetime.date(2020, 2, 3), bytearray(b"ab"), float("inf")]
)  # fmt: skip


@st.composite
def columns(draw: st.DrawFn) -> dict[str, esent.ColumnType]:
    found: dict[str, esent.ColumnType] = {}
    for number in range(draw(st.integers(1, 7))):
        kind = draw(st.sampled_from(list(VALUES)))
        options: dict[str, Any] = {}
        if draw(st.integers(0, 4)) == 0:
            options["not_null"] = True
        if draw(st.integers(0, 3)) == 0:
            options["tagged"] = True
        if draw(st.integers(0, 9)) == 0:
            options["multi_valued"] = True
        if kind in (esent.Text, esent.LongText):
            options["code_page"] = draw(st.sampled_from([1252, 1200]))
        if kind in (esent.LongText, esent.LongBinary) and draw(st.integers(0, 3)) == 0:
            options["compressed"] = True
        if kind in (esent.Binary, esent.LongBinary) and draw(st.booleans()):
            options["size"] = draw(st.sampled_from([4, 200]))
        if kind in (esent.Int32, esent.UInt8, esent.Int64) and draw(st.booleans()):
            options["default"] = draw(st.integers(0, 100))
        elif kind is esent.Binary and draw(st.booleans()):
            options["default"] = draw(st.binary(min_size=1, max_size=4))
        found[f"c{number}"] = kind(**options)
    if draw(st.integers(0, 2)) == 0:
        found["number"] = esent.Int32(autoincrement=True)
    if draw(st.integers(0, 9)) == 0:
        found["version"] = esent.Int32(version=True)
    return found


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, esent.ColumnType], Any, dict[str, Any], list[dict[str, Any]]]:
    kinds = draw(columns())
    names = [name for name in kinds if name != "version"]
    some = st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True)
    signed = some.map(lambda chosen: [("-" if len(name) % 2 and len(chosen) > 1 else "+") + name for name in chosen])
    primary = draw(st.one_of(st.none(), signed, st.builds(esent.Key, signed, long=st.booleans())))
    key = st.builds(
        esent.Key,
        signed,
        unique=st.booleans(),
        not_null=st.integers(0, 4).map(lambda chance: chance == 0),
        ignore_null=st.booleans(),
        no_truncation=st.booleans(),
    )
    indexes = {f"i{number}": each for number, each in enumerate(draw(st.lists(key, max_size=3)))}
    rows = []
    for _ in range(draw(st.integers(1, 6))):
        row: dict[str, Any] = {}
        for name, kind in kinds.items():
            chance = draw(st.integers(0, 19))
            if chance < 3 or (name in ("number", "version") and chance < 17):
                continue
            shown = name.upper() if chance == 3 else name
            row[shown] = None if chance == 4 else draw(ODD) if chance == 5 else draw(VALUES[type(kind)])
        if draw(st.integers(0, 19)) == 0:
            row["nobody"] = draw(st.sampled_from([None, 1]))
        rows.append(row)
    return kinds, primary, indexes, rows


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[esent.Database]:
    with esent.open(tmp_path_factory.mktemp("rows") / "rows.edb", page_size=8192) as found:
        yield found


def contents(database: esent.Database, name: str) -> list[tuple[str, list[tuple[bytes, bytes]]]]:
    """Every node of the table: of its records, then of each index."""
    found = []
    with database[name].session_cursor() as (cursor, _):
        trees = [("", cursor.primary.tree)]
        trees += [(index.name, cursor.index_tree(index)) for index in cursor.view.maintained]
        for label, tree in trees:
            place = tree.cursor(cursor.session)
            nodes = []
            more = place.first()
            while more:
                nodes.append((place.key, place.data))
                more = place.next()
            found.append((label, nodes))
    return found


def outcome(database: esent.Database, step: Callable[[], object]) -> object:
    try:
        with database.transaction():
            return step()
    except JetError as problem:
        return problem.code
    except (TypeError, AttributeError, ValueError, ArithmeticError) as problem:
        return type(problem)


def steps(table: esent.Table, rows: list[dict[str, Any]], changes: list[dict[str, Any]]) -> Iterator[Callable[[], object]]:
    """Insert the rows, change and look for what is there, and delete some."""
    for number, row in enumerate(rows):
        yield (lambda row=row: table.insert(row)) if number % 2 else (lambda row=row: table.insert_many([row]))
    primary = table.primary_key
    keys: list[Any] = [tuple(row.get(name) for name in primary) for row in rows] if primary else []
    for key in [*keys, *table]:
        yield lambda key=key: key in table
        for change in changes:
            yield lambda key=key, change=change: table.update(key, change)
    for key in [*keys[::2], *list(table)[:1]]:
        yield lambda key=key: table.delete(key)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables())
def test_the_short_way_and_the_long_way_come_to_the_same(
    database: esent.Database, drawn: tuple[dict[str, esent.ColumnType], Any, dict[str, Any], list[dict[str, Any]]]
) -> None:
    kinds, primary, indexes, rows = drawn
    serial = next(_names)
    names = [f"short{serial}", f"long{serial}"]
    try:
        for name in names:
            database.create_table(name, kinds, primary_key=primary, indexes=indexes)
    except JetError:
        return  # no table can be like that
    added, changes = rows[: (len(rows) + 1) // 2], rows[(len(rows) + 1) // 2 :]
    try:
        short = steps(database[names[0]], added, changes)
        long = steps(database[names[1]], added, changes)
        while (quick := next(short, None)) is not None:
            found = outcome(database, quick)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(table_module, "insert_plan", lambda *_: None)
                patch.setattr(table_module, "row_plan", lambda *_: None)
                assert outcome(database, next(long)) == found
            assert contents(database, names[0]) == contents(database, names[1])
    finally:
        for name in names:
            database.delete_table(name)


def test_a_usual_row_goes_the_short_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with esent.open(tmp_path / "usual.edb") as database:
        kinds = {"k": esent.Int32(), "n": esent.Int64(default=7), "t": esent.Text(), "v": esent.LongBinary()}
        rows = [{"k": number, "t": f"row {number}", "v": bytes(number)} for number in range(300)]
        table = database.create_table("t", kinds, primary_key="k", indexes={"by_t": "-t"})

        def refuse(*_: object) -> None:
            raise AssertionError("the long way")

        monkeypatch.setattr(table_module.update, "prepare", refuse)
        assert table.insert_many(rows) == 300
        assert table.insert(k=1000, n=1, t="x") == 1000
        assert table.get(17).v == bytes(17)
        assert table.get(17).n == 7
        assert len(table.index("by_t")) == 301


def test_rows_before_a_wrong_one_stay_in_a_transaction_that_goes_on(tmp_path: Path) -> None:
    with esent.open(tmp_path / "wrong.edb") as database:
        table = database.create_table("t", {"k": esent.Int32(), "u": esent.Int32()}, primary_key="k", indexes={})
        table.create_index("by_u", esent.Key("u", unique=True))
        with database.transaction():
            table.insert(k=1, u=1)
            with pytest.raises(esent.KeyDuplicateError):
                table.insert(k=2, u=1)  # its record is in before the index refuses it
            with pytest.raises(esent.KeyDuplicateError):
                table.insert_many([{"k": 3, "u": 3}, {"k": 4, "u": 3}])
            table.insert(k=5, u=5)
        assert [row.k for row in table] == [1, 5]


def test_rows_that_are_asked_for_one_by_one_see_those_before_them(tmp_path: Path) -> None:
    with esent.open(tmp_path / "self.edb") as database:
        table = database.create_table("t", {"k": esent.Int32()}, primary_key="k")
        assert table.insert_many({"k": number} for number in (1, 2, 2, 3, 1) if number not in table) == 3
        assert table.insert_many([{"k": number} for number in range(10, 20)], commit_every=3) == 10
        assert len(table) == 13
        with pytest.raises(esent.InvalidParameterError):
            table.insert_many([], commit_every=0)


def test_a_table_that_changes_is_planned_anew(tmp_path: Path) -> None:
    with esent.open(tmp_path / "changes.edb") as database:
        table = database.create_table("t", {"k": esent.Int32(), "a": esent.Int32()}, primary_key="k")
        table.insert(k=1, a=1)
        table.add_column("b", esent.Text(tagged=True))
        table.create_index("by_a", "a")
        table.insert_many([{"k": 2, "a": 2, "b": "two"}])
        table.delete_index("by_a")
        table.delete_column("a")
        table.add_column("c", esent.Int64())
        table.insert_many([{"k": 3, "c": 3, "b": "three"}])
        assert [(row.k, row.b, row.c) for row in table] == [(1, None, None), (2, "two", None), (3, "three", 3)]


def test_the_plan_is_kept_with_the_view_of_the_table(tmp_path: Path) -> None:
    with esent.open(tmp_path / "kept.edb") as database:
        table = database.create_table("t", {"k": esent.Int32()}, primary_key="k")
        table.insert(k=1)
        with table.session_cursor() as (cursor, _):
            first = cursor.view.row_plan
        table.insert(k=2)
        with table.session_cursor() as (cursor, _):
            assert isinstance(first, RowPlan)
            assert cursor.view.row_plan is first


@pytest.mark.parametrize("failing", ["primary", "secondary"])
def test_numbers_of_rows_behind_one_that_fails_are_not_lost(tmp_path: Path, failing: str) -> None:
    """As row by row: the next number is that behind the row that failed."""
    kinds: dict[str, esent.ColumnType] = {"id": esent.Int32(autoincrement=True), "key": esent.Int32(), "other": esent.Int32()}
    rows = [{"key": number, "other": number} for number in range(20)]
    rows[7]["key" if failing == "primary" else "other"] = 3
    with esent.open(tmp_path / "numbers.edb") as database:
        next_ones = []
        for name, given in (("list", rows), ("one by one", iter(rows))):
            table = database.create_table(name, kinds, primary_key="key", indexes={"other": esent.Key("other", unique=True)})
            with pytest.raises(esent.errors.KeyDuplicateError):
                table.insert_many(given)
            assert len(table) == 0
            table.insert(key=1, other=1)
            next_ones.append(table[1]["id"])
        assert next_ones == [9, 9]
