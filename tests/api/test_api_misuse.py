"""What is said to those who use the Pythonic layer wrongly, and that nothing has changed then."""

from __future__ import annotations

import datetime
import decimal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import esent


@pytest.fixture
def people(db: esent.Database) -> esent.Table:
    return db.create_table(
        "people",
        {
            "id": esent.Int64(autoincrement=True),
            "name": esent.Text(),
            "age": esent.UInt8(default=18),
            "wage": esent.Currency(),
            "born": esent.DateTime(),
            "key": esent.Guid(),
            "photo": esent.LongBinary(),
            "notes": esent.LongText(multi_valued=True),
            "town": esent.LongText(default="Paris"),
            "rank": esent.Int32(not_null=True, default=5),
        },
        primary_key="id",
        indexes={"by_name": esent.Key("name", unique=True, ignore_null=True)},
    )


def in_thread(call: Callable[[], Any]) -> BaseException | None:
    found: list[BaseException] = []

    def work() -> None:
        try:
            call()
        except BaseException as problem:
            found.append(problem)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return found[0] if found else None


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("name", 5, "column name of type Text does not take 5"),
        ("name", b"bytes", "column name of type Text does not take a value of type bytes"),
        ("age", 256, "column age of type UInt8 does not take 256"),
        ("age", -1, "column age of type UInt8 does not take -1"),
        ("age", "1", "column age of type UInt8 does not take a value of type str"),
        ("age", b"\1", "column age of type UInt8 does not take a value of type bytes"),
        ("wage", 1.5, "column wage of type Currency does not take 1.5"),
        ("wage", decimal.Decimal("1.23456"), "four decimals"),
        ("wage", 10**30, "column wage of type Currency does not take"),
        ("born", "2024-01-01", "column born of type DateTime does not take a value of type str"),
        ("key", b"\0" * 16, "column key of type Guid does not take a value of type bytes"),
        ("photo", "text", "column photo of type LongBinary does not take a value of type str"),
        ("notes", [1], "column notes of type LongText does not take 1"),
    ],
)
def test_values_of_another_type(people: esent.Table, column: str, value: Any, text: str) -> None:
    people.insert(name="Ada")
    before = list(people.rows())
    for change in (
        lambda: people.insert({column: value}),
        lambda: people.insert_many([{"name": "Bob"}, {column: value}]),
        lambda: people.update(1, {"name": "Eve", column: value}),
    ):
        with pytest.raises(esent.InvalidColumnTypeError, match=text):
            change()
        assert list(people.rows()) == before


def test_none_is_null_also_where_there_is_a_default(people: esent.Table) -> None:
    people.insert(name="a")
    people.insert(name="b", age=None, town=None)
    people.insert_many([{"name": "c", "age": None}, {"name": "d", "town": None}, {"name": "e", "NAME": None, "AGE": None}])
    assert list(people.rows(["name", "age", "town"])) == [
        ("a", 18, "Paris"),
        ("b", None, None),
        ("c", None, "Paris"),
        ("d", 18, None),
        ("e", None, "Paris"),
    ]
    with pytest.raises(esent.NullInvalidError):
        people.insert(rank=None)
    assert people.insert(id=None, name=None, rank=7, born=None) == 7
    assert people[7].rank == 7


def test_a_column_that_is_not_there_is_told_whatever_its_value(people: esent.Table) -> None:
    for values in ({"nmae": None}, {"nmae": "Ada"}):
        with pytest.raises(esent.ColumnNotFoundError, match="nmae"):
            people.insert(values)
        with pytest.raises(esent.ColumnNotFoundError, match="nmae"):
            people.insert_many([values])
    assert len(people) == 0


def test_what_is_in_the_way_is_named(db: esent.Database, people: esent.Table) -> None:
    people.insert(name="Ada")
    with pytest.raises(esent.KeyDuplicateError, match="in index by_name of table people"):
        people.insert(name="ada")
    with pytest.raises(esent.KeyDuplicateError, match="in table people"):
        people.insert(id=1)
    with db.transaction():
        people.update(1, age=3)
        problem = in_thread(lambda: people.update(1, age=4))
        assert isinstance(problem, esent.WriteConflictError)
        assert "in table people" in str(problem)
    with db.transaction():
        db.create_table("others", {"a": esent.Int32()})
        problem = in_thread(lambda: db.create_table("OTHERS", {"a": esent.Int32()}))
        assert isinstance(problem, esent.JetError)
        assert "tree" not in str(problem)
    with pytest.raises(esent.KeyDuplicateError, match="there is a table people"):
        db.rename_table("others", "people")
    assert db.tables == ["others", "people"]


def test_another_thread_cannot_end_a_transaction(db: esent.Database, people: esent.Table) -> None:
    """And the one whose it is still can."""
    for outcome in (1, 2):
        with db.transaction() as transaction:
            people.insert(name=f"Ada {outcome}")
            for call in (transaction.commit, transaction.rollback):
                assert isinstance(in_thread(call), esent.SessionSharingViolationError)
        assert not db.in_transaction
        assert len(people) == outcome


def test_ending_a_transaction_ends_those_inside_of_it(db: esent.Database, people: esent.Table) -> None:
    with db.transaction() as outer:
        people.insert(name="a")
        with db.transaction():
            people.insert(name="b")
            outer.rollback()
            assert not db.in_transaction
        assert len(people) == 0
    with db.transaction() as outer:
        people.insert(name="a")
        with db.transaction() as inner:
            people.insert(name="b")
            outer.commit()
            assert not db.in_transaction
            with pytest.raises(esent.NotInTransactionError):
                inner.commit()
    assert len(people) == 2
    with db.transaction() as outer, db.transaction() as inner:
        inner.commit()
        people.insert(name="c")
    assert len(people) == 3


def test_a_transaction_that_closing_ended_is_not_taken_for_committed(tmp_path: Path) -> None:
    db = esent.open(tmp_path / "a.edb")
    rows = db.create_table("rows", {"at": esent.DateTime()})
    with pytest.raises(esent.NotInitializedError, match="the database is closed"), db.transaction():
        rows.insert(at=datetime.datetime(2024, 1, 1))
        db.close()
    with esent.open(tmp_path / "a.edb") as again:
        assert len(again["rows"]) == 0


def test_databases_of_one_name_in_two_folders(tmp_path: Path) -> None:
    with esent.open(tmp_path / "one" / "a.edb") as one, esent.open(tmp_path / "two" / "a.edb") as two:
        one.create_table("t", {"a": esent.Int32()})
        assert (one.tables, two.tables) == (["t"], [])
        with pytest.raises(esent.InstanceNameInUseError, match="one"):
            esent.open(tmp_path / "one" / "a.edb")
        one["t"].insert(a=1)


def test_what_is_no_database_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "a.edb").write_text("a text, and a short one")
    for read_only in (False, True):
        with pytest.raises(esent.ReadVerifyFailureError, match="this is no database"):
            esent.open(tmp_path / "a.edb", read_only=read_only)  # type: ignore[call-overload]
    assert (tmp_path / "a.edb").read_text() == "a text, and a short one"
    assert [path.name for path in tmp_path.iterdir()] == ["a.edb"]


def test_databases_beside_each_other_need_a_folder_each_for_their_logs(tmp_path: Path) -> None:
    with esent.open(tmp_path / "a.edb") as one:
        one.create_table("t", {"a": esent.Int32()})
        for options in ({}, {"base_name": "two"}):
            with pytest.raises(esent.TempPathInUseError, match="another one needs a log_directory of its own"):
                esent.open(tmp_path / "b.edb", **options)  # type: ignore[call-overload]
        with esent.open(tmp_path / "b.edb", log_directory=tmp_path / "logs") as two:
            two.create_table("u", {"a": esent.Int32()})
            assert (one.tables, two.tables) == (["t"], ["u"])
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith("b")} == {"b.edb"}
    with esent.open(tmp_path / "b.edb", log_directory=tmp_path / "logs") as two:
        assert two.tables == ["u"]
    with esent.open(tmp_path / "made" / "c.edb", log_directory=tmp_path / "other"):
        assert [path.name for path in (tmp_path / "made").iterdir()] == ["c.edb"]
