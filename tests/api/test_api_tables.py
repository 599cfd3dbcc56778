"""`esent.open`, tables, rows, indexes and transactions of the Pythonic layer."""

from __future__ import annotations

import datetime
import decimal
import threading
import uuid

import pytest

import esent

EVERY_TYPE = {
    "bit": (esent.Bool(), True),
    "u8": (esent.UInt8(), 255),
    "i16": (esent.Int16(), -(2**15)),
    "u16": (esent.UInt16(), 2**16 - 1),
    "i32": (esent.Int32(), -(2**31)),
    "u32": (esent.UInt32(), 2**32 - 1),
    "i64": (esent.Int64(), -(2**63)),
    "u64": (esent.UInt64(), 2**64 - 1),
    "money": (esent.Currency(), decimal.Decimal("-12.3456")),
    "single": (esent.Float32(), 0.5),
    "double": (esent.Float64(), 0.1),
    "when": (esent.DateTime(), datetime.datetime(2024, 2, 29, 23, 59, 59, 999999)),
    "guid": (esent.Guid(), uuid.UUID("12345678-1234-5678-1234-567812345678")),
    "binary": (esent.Binary(), b"\0\xff" * 100),
    "long": (esent.LongBinary(), b"x" * 100_000),
    "text": (esent.Text(), "Zoë"),
    "western": (esent.Text(code_page=1252), "Zoë €"),
    "note": (esent.LongText(), "日本" * 5000),
    "several": (esent.LongText(multi_valued=True), ["one", "two", "three"]),
}


@pytest.fixture
def people(db):
    return db.create_table(
        "people",
        {
            "id": esent.Int64(autoincrement=True),
            "name": esent.Text(),
            "born": esent.Int16(),
            "tags": esent.Text(multi_valued=True),
        },
        primary_key="id",
        indexes={"by_name": "+name", "by_age": ["-born", "+name"], "by_tag": "tags"},
    )


def names(rows):
    return [row.name for row in rows]


def test_every_type_comes_back_the_same(db, tmp_path):
    table = db.create_table("t", {"k": esent.Int32()} | {name: kind for name, (kind, _) in EVERY_TYPE.items()}, primary_key="k")
    values = {name: value for name, (_, value) in EVERY_TYPE.items()}
    assert table.insert(values, k=1) == 1
    assert table.insert(k=2) == 2
    assert dict(table[1]) == {"k": 1} | values
    assert dict(table[2]) == {"k": 2} | dict.fromkeys(values) | {"several": []}
    for name, kind in table.columns.items():
        if name != "k":
            assert type(kind) is type(EVERY_TYPE[name][0])
    db.close()
    with esent.open(db.path, read_only=True) as again:
        assert dict(again["t"][1]) == {"k": 1} | values


def test_rows_are_mappings_with_attributes(people):
    people.insert(name="Ada", born=1815)
    row = people[1]
    assert (row.name, row["born"], row["tags"], len(row)) == ("Ada", 1815, [], 4)
    assert dict(row) == {"id": 1, "born": 1815, "name": "Ada", "tags": []}
    assert "name" in row and row.get("nothing", 5) == 5
    with pytest.raises(AttributeError):
        _ = row.nothing
    with pytest.raises(KeyError):
        row["nothing"]


def test_ranges_of_an_index_follow_its_order(people):
    for name, born in (("Ada", 1815), ("Alan", 1912), ("Barbara", 1928), ("Edsger", 1930), ("Al", 1930)):
        people.insert(name=name, born=born)
    by_name, by_age = people.index("by_name"), people.index("by_age")
    assert names(by_name) == ["Ada", "Al", "Alan", "Barbara", "Edsger"]
    assert names(reversed(by_name)) == ["Edsger", "Barbara", "Alan", "Al", "Ada"]
    assert names(by_name.between("Al", "Barbara")) == ["Al", "Alan", "Barbara"]
    assert names(reversed(by_name.between("Al", "Barbara"))) == ["Barbara", "Alan", "Al"]
    assert names(by_name.between("Alb")) == ["Barbara", "Edsger"]
    assert names(by_name.between(high="Al")) == ["Ada", "Al"]
    assert names(by_name.prefix("Al")) == ["Al", "Alan"]
    assert names(by_name.between("X", "Z")) == [] and not by_name.between("X", "Z") and len(by_name.between("X")) == 0
    assert names(by_age.between(1912, 1929)) == ["Barbara", "Alan"]
    assert names(by_age.equal(1930)) == ["Al", "Edsger"]
    assert names(by_age.prefix((1930, "E"))) == ["Edsger"]
    assert by_age.get((1930, "Al")).id == 5 and by_name.get("Nobody") is None
    assert (by_name.first().name, by_name.last().name, len(by_name)) == ("Ada", "Edsger", 5)
    assert names(people.between(2, 3)) == ["Alan", "Barbara"]
    assert people.indexes["by_age"] == ["-born", "+name"] and people.primary_key == ["id"]


def test_a_file_that_is_only_read_gives_the_same_rows(db, people):
    for number in range(500):
        people.insert(name=f"n{number:03}", born=number % 7, tags=[f"t{number % 5}", "all"])
    asked = [
        lambda table: list(table),
        lambda table: list(table.index("by_name").between("n1", "n2")),
        lambda table: list(table.index("by_age").equal(3)),
        lambda table: list(table.index("by_tag").equal("all")),
        lambda table: list(table.between(7, 9)),
        lambda table: [table.get(1), table.get(1000), 5 in table, 1000 in table, len(table)],
    ]
    expected = [[dict(row) if isinstance(row, esent.Row) else row for row in ask(people)] for ask in asked]
    db.close()
    with esent.open(db.path, read_only=True) as again:
        table = again["people"]
        assert [[dict(row) if isinstance(row, esent.Row) else row for row in ask(table)] for ask in asked] == expected
    assert len(expected[0]) == len(expected[3]) == 500 and len(expected[1]) == 100


def test_updates_and_deletes(people):
    people.insert(name="Ada", tags=["a", "b", "c"])
    people.update(1, tags=["x"], born=3)
    assert (people[1].tags, people[1].born) == (["x"], 3)
    people.update(people[1], {"tags": ["x", "y"]}, born=None)
    assert (people[1].tags, people[1].born) == (["x", "y"], None)
    people.update(1, tags=None)
    assert people[1].tags == []
    people.delete(people[1])
    assert len(people) == 0 and 1 not in people and people.get(1, "none") == "none"
    for call in (lambda: people[1], lambda: people.update(1, born=1), lambda: people.delete(1)):
        with pytest.raises(esent.RecordNotFoundError):
            call()


def test_what_is_wrong_changes_nothing(people):
    people.insert_many({"name": "gone"} for _ in range(7))
    for number in range(1, 7):
        people.delete(number)
    people.update(7, name="seven")
    with pytest.raises(esent.KeyDuplicateError):
        people.insert(id=7, name="again")
    with pytest.raises(esent.ColumnTooBigError):
        people.insert(name="x" * 128)
    with pytest.raises(esent.InvalidColumnTypeError):
        people.insert(name=5)
    with pytest.raises(esent.ColumnNotFoundError):
        people.insert(nothing=5)
    with pytest.raises(esent.InvalidColumnTypeError):
        people.update(7, born=2**15)
    for row in (("name", "eight"), None, [("name", "eight")], {1: "eight"}):
        with pytest.raises(TypeError, match="column"):
            people.insert_many([{"name": "before"}, row])
    assert [(row.id, row.name) for row in people] == [(7, "seven")]
    assert people.insert(name="next") > 7


def test_transactions_nest(db, people):
    with db.transaction():
        people.insert(name="kept")
        with pytest.raises(ZeroDivisionError), db.transaction():
            people.insert(name="lost")
            _ = 1 // 0
        with db.transaction() as inner:
            people.insert(name="lost too")
            inner.rollback()
        with db.transaction():
            people.insert(name="kept too")
    assert names(people) == ["kept", "kept too"]
    with pytest.raises(ValueError, match="stop"), db.transaction():
        db.create_table("gone", {"a": esent.Int32()})
        people.insert(name="lost")
        raise ValueError("stop")
    assert db.tables == ["people"] and "gone" not in db and len(people) == 2
    with db.transaction(read_only=True), pytest.raises(esent.TransReadOnlyError):
        people.insert(name="no")


def test_many_rows_at_once(people):
    assert people.insert_many({"name": f"n{number}"} for number in range(250)) == 250
    assert people.insert_many(({"name": f"m{number}"} for number in range(250)), commit_every=100) == 250
    with pytest.raises(esent.KeyDuplicateError):
        people.insert_many([{"name": "new"}, {"id": 1}])
    assert len(people) == 500 and not people.index("by_name").equal("new")
    with pytest.raises(esent.SetAutoIncrementTooHighError):
        people.insert(id=10**6)


def test_rows_may_change_while_they_are_iterated_over(people):
    people.insert_many({"name": f"n{number:02}", "born": number} for number in range(50))
    for row in people:
        if row.born % 2:
            people.delete(row)
        else:
            people.update(row, born=row.born + 1000)
    assert [row.born for row in people] == list(range(1000, 1050, 2))


def test_a_table_without_a_primary_key_keeps_the_order_of_insertion(db):
    table = db.create_table("log", {"text": esent.LongText()})
    table.insert_many({"text": str(number)} for number in (3, 1, 2))
    assert [row.text for row in table] == ["3", "1", "2"] and table.primary_key == []
    for row in table:
        table.update(row, text=row.text + "!")
    assert [row.text for row in reversed(table)] == ["2!", "1!", "3!"]
    with pytest.raises(esent.NoCurrentIndexError):
        table.get(1)


def test_definitions_change(db, people):
    people.insert(name="Ada")
    people.add_column("email", esent.Text(default="none"))
    people.create_index("by_email", esent.Key("email", ignore_null=True))
    assert people[1].email == "none"
    people.insert(name="Bob", email="b")
    assert names(people.index("by_email").equal("b")) == ["Bob"]
    people.delete_index("by_email")
    people.delete_column("email")
    assert "email" not in people.columns
    with pytest.raises(esent.IndexNotFoundError):
        people.index("by_email")
    db.rename_table("people", "persons")
    assert list(db) == ["persons"] and len(db["persons"]) == 2
    db.delete_table("persons")
    assert db.tables == []
    with pytest.raises(esent.ObjectNotFoundError):
        db["persons"]


def test_every_thread_has_its_session(db, people):
    problems = []

    def work(start):
        try:
            for number in range(start, start + 20):
                with db.transaction():
                    people.update(people.insert(name=f"n{number}"), born=1)
        except esent.JetError as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(1000 * each,)) for each in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert {row.name for row in people} == {f"n{1000 * each + number}" for each in range(1, 5) for number in range(20)}
    assert {row.born for row in people} == {1} and len(people) == 80
    assert len(db.sessions.all()) <= 5
    with db.transaction():
        before = len(people)
        other = threading.Thread(target=lambda: people.insert(name="later"))
        other.start()
        other.join()
        assert len(people) == before
    assert len(people) == before + 1


def test_first_writer_wins_and_escrow_commutes(db):
    table = db.create_table("c", {"k": esent.Int32(), "n": esent.Int32(escrow=True), "v": esent.Int32()}, primary_key="k")
    table.insert(k=1, v=0)
    raised = []

    def other():
        table.add(1, "n", 10)
        try:
            table.update(1, v=2)
        except esent.JetError as problem:
            raised.append(problem.name)

    with db.transaction():
        table.add(1, "n", 5)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert raised == ["JET_errWriteConflict"]
    assert (table[1].n, table[1].v) == (15, 0)


def test_what_was_committed_is_there_after_the_file_is_opened_again(tmp_path):
    path = tmp_path / "new" / "folder" / "app.edb"
    with esent.open(path, page_size=8192) as db:
        db.create_table("t", {"a": esent.Int32()}, primary_key="a").insert(a=1)
        with db.transaction(lazy=True):
            db["t"].insert(a=2)
        db.flush()
    with esent.open(path) as db:
        assert db.page_size == 8192
        assert [row.a for row in db["t"]] == [1, 2]
    assert esent.verify(path).ok


def test_closed_is_closed(db, people):
    db.close()
    db.close()
    with pytest.raises(esent.JetError):
        people.insert(name="late")


def test_a_database_that_could_not_be_closed_can_be_closed_later(tmp_path):
    db = esent.open(tmp_path / "x.edb")
    table = db.create_table("t", {"a": esent.Int32()})
    table.insert(a=1)

    def rows():
        yield {"a": 2}
        db.close()

    with pytest.raises(esent.JetError):
        table.insert_many(rows())
    db.close()
    with esent.open(tmp_path / "x.edb") as again:
        assert [row.a for row in again["t"]] == [1]
