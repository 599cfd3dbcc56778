"""`to_arrow`: genuine tables against their recorded dumps, live tables in transactions, parts in other processes."""

from __future__ import annotations

import concurrent.futures
import datetime
import decimal
import multiprocessing
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import esent
from esent.tools.where import ConditionError
from recorded_rows import assert_same_row, recorded

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")


@pytest.mark.parametrize("name", ["engine/clean-4k", "engine/clean-32k", "engine/deleted-4k"])
def test_everything_in_the_recorded_dumps(fixtures, name: str) -> None:
    tables = recorded(fixtures, f"{name}/dump.jsonl")
    with esent.open(fixtures.path(f"{name}/db.edb"), read_only=True) as db:
        assert db.tables == sorted(tables)
        for table, (columns, rows) in tables.items():
            found = esent.to_arrow(db[table], batch_size=17).read_all()
            found.validate(full=True)
            assert found.num_rows == len(rows)
            for row, wanted in zip(found.to_pylist(), rows, strict=True):
                assert row.pop("_odd") is None
                assert_same_row(columns, row, wanted)


def test_columns_conditions_and_batches(fixtures) -> None:
    with esent.open(fixtures.path("engine/rows-200k-8k/db.edb"), read_only=True) as db:
        table = db["BenchLazy"]
        reader = esent.to_arrow(table, ["t", "id"], "id between 10 and 1000 and a is not null", batch_size=100, odd=False)
        assert reader.schema.names == ["t", "id"]
        batches = list(reader)
        rows = [row for batch in batches for row in batch.to_pylist()]
        wanted = [{"t": row.t, "id": row.id} for row in table.between(10, 1000)]
        assert rows == wanted
        assert len(rows) > 500
        with pytest.raises(esent.ColumnNotFoundError):
            esent.to_arrow(table, ["nothing"])
        with pytest.raises(ConditionError, match="character 5"):
            esent.to_arrow(table, where="id >")


def test_only_the_part_of_the_index_is_read(fixtures) -> None:
    with esent.open(fixtures.path("engine/rows-200k-8k/db.edb"), read_only=True) as db:
        table = db["BenchLazy"]
        read = []
        original = table.source.read_page
        table.source.read_page = lambda pgno: read.append(pgno) or original(pgno)
        assert esent.to_arrow(table, where="150000 <= id and id < 150010").read_all().num_rows == 10
        assert len(read) < 10


KINDS = {
    "flag": (esent.Bool(), st.booleans()),
    "small": (esent.UInt8(), st.integers(0, 255)),
    "short": (esent.Int16(tagged=True), st.integers(-(2**15), 2**15 - 1)),
    "word": (esent.UInt16(), st.integers(0, 2**16 - 1)),
    "number": (esent.Int32(), st.integers(-(2**31), 2**31 - 1)),
    "count": (esent.UInt32(), st.integers(0, 2**32 - 1)),
    "large": (esent.Int64(), st.integers(-(2**63), 2**63 - 1)),
    "size": (esent.UInt64(), st.integers(0, 2**64 - 1)),
    "price": (esent.Currency(), st.integers(-(2**63), 2**63 - 1).map(lambda each: decimal.Decimal(each).scaleb(-4))),
    "real": (esent.Float64(), st.floats(allow_nan=False)),
    "moment": (
        esent.DateTime(),
        # a stored date is a number of days, and is exact to a microsecond in these years
        st.datetimes(datetime.datetime(1990, 1, 1), datetime.datetime(2075, 1, 1)),
    ),
    "key": (esent.Guid(), st.uuids()),
    "data": (esent.Binary(), st.binary(max_size=200)),
    "name": (esent.Text(), st.text(st.characters(exclude_categories=["Cs"]), max_size=60)),
    "western": (esent.Text(code_page=1252), st.text(st.sampled_from("az\u20ac\u00fc\u0178 0"), max_size=200)),
    "story": (esent.LongText(compressed=True), st.text(st.characters(exclude_categories=["Cs"]), max_size=3000)),
    "blob": (esent.LongBinary(), st.binary(max_size=6000)),
    "tags": (esent.Int32(multi_valued=True), st.lists(st.integers(-5, 5), min_size=1, max_size=5)),
    "words": (
        esent.LongText(multi_valued=True),
        st.lists(st.text(st.sampled_from("ab\u03bb\U0001f600"), max_size=9), min_size=1, max_size=4),
    ),
}  # fmt: skip
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | values for name, (_, values) in KINDS.items()}), max_size=6)


def test_values_come_back_of_a_live_table_and_within_a_transaction(tmp_path) -> None:
    columns = {"id": esent.Int32(autoincrement=True), **{name: kind for name, (kind, _) in KINDS.items()}}
    with esent.open(tmp_path / "live.edb") as db:
        things = db.create_table("things", columns, primary_key="id")

        @settings(max_examples=40, deadline=None)
        @given(rows=ROWS)
        def come_back(rows) -> None:
            with db.transaction() as transaction:
                for row in rows:
                    things.insert({name: value for name, value in row.items() if value is not None})
                found = esent.to_arrow(things, batch_size=4).read_all()
                found.validate(full=True)
                transaction.rollback()
            for mine, row in zip(found.to_pylist(), rows, strict=True):
                assert {name: mine[name] for name in row} == row
                assert mine["_odd"] is None
            assert esent.to_arrow(things).read_all().num_rows == 0

        come_back()


def test_rows_and_arrow_agree_on_dates_and_file_times(fixtures) -> None:
    compared = 0
    for name in ("Current.mdb", "basic.edb", "SRUDB.dat", "default.edb"):
        with esent.open(fixtures.path(f"windows/types/{name}"), read_only=True) as db:
            for table in db.tables:
                dates = [each for each, kind in db[table].columns.items() if isinstance(kind, esent.DateTime)]
                if dates:
                    found = esent.to_arrow(db[table], dates, odd=False).read_all().to_pylist()
                    assert [tuple(row.values()) for row in found] == list(db[table].rows(dates))
                    compared += len(found)
    assert compared > 100


def count_rows(partition: Any) -> tuple[int, int]:
    table = partition.to_arrow(["id"]).read_all()
    return table.num_rows, sum(table.column("id").to_pylist())


def test_parts_can_be_read_by_other_processes(fixtures) -> None:
    with esent.open(fixtures.path("engine/rows-200k-8k/db.edb"), read_only=True) as db:
        table = db["BenchLazy"]
        parts = table.partitions(7)
        whole = esent.to_arrow(table, ["id"]).read_all()
        assert len(parts) == 7
        assert len(db["BenchLazy"].partitions(1)) == 1
        again = pickle.loads(pickle.dumps(table))
        assert again.name == "BenchLazy" and next(iter(again)) == next(iter(table))
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        counts = list(pool.map(count_rows, parts))
    assert sum(rows for rows, _ in counts) == whole.num_rows
    assert sum(ids for _, ids in counts) == sum(whole.column("id").to_pylist())
    assert max(rows for rows, _ in counts) < 2 * whole.num_rows / 7
    assert [row.id for row in parts[0]] == whole.column("id").to_pylist()[: counts[0][0]]


def test_a_part_of_a_database_that_has_changed_is_refused(tmp_path) -> None:
    path = tmp_path / "db.edb"
    with esent.open(path) as db:
        db.create_table("t", {"id": esent.Int32(autoincrement=True)}, primary_key="id").insert()
    with esent.open(path, read_only=True) as db:
        (part,) = db["t"].partitions(4)
    assert part.to_arrow().read_all().num_rows == 1
    with esent.open(path) as db:
        db["t"].insert()
    with pytest.raises(esent.DataHasChangedError):
        part.to_arrow()


def test_without_pyarrow_the_call_says_how_to_get_it(fixtures, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with (
        esent.open(fixtures.path("engine/clean-4k/db.edb"), read_only=True) as db,
        pytest.raises(ImportError, match=r"esent\[arrow\]"),
    ):
        esent.to_arrow(db["Heap"])
