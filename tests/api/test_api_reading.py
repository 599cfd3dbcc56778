"""The reading layer: the same answers from a database in use and from its file, rows as tuples, stored bytes, long values."""

from __future__ import annotations

import datetime
import decimal
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import esent
from esent.constants import codes
from esent.errors import JetError
from genuine import Fixtures

BIG = bytes(range(256)) * 700  # out of its row, and of several chunks
WHEN = datetime.datetime(2024, 2, 29, 12, 30, 15)
WHO = uuid.UUID("12345678-9abc-def0-1122-334455667788")

COLUMNS = {
    "id": esent.Int32(),
    "name": esent.Text(),
    "western": esent.Text(code_page=1252),
    "flag": esent.Bool(),
    "tiny": esent.UInt8(),
    "short": esent.Int16(),
    "word": esent.UInt16(),
    "unsigned": esent.UInt32(),
    "long": esent.Int64(),
    "huge": esent.UInt64(),
    "single": esent.Float32(),
    "double": esent.Float64(),
    "amount": esent.Currency(),
    "when": esent.DateTime(),
    "who": esent.Guid(),
    "data": esent.Binary(),
    "marks": esent.Text(multi_valued=True),
    "photo": esent.LongBinary(),
    "notes": esent.LongText(multi_valued=True),
    "level": esent.Int32(default=7),
}

ROWS: list[dict[str, Any]] = [
    {
        "id": 1,
        "name": "Ada",
        "western": "café €",
        "flag": True,
        "tiny": 255,
        "short": -32768,
        "word": 65535,
        "unsigned": 2**32 - 1,
        "long": -(2**63),
        "huge": 2**64 - 1,
        "single": 0.5,
        "double": -1e300,
        "amount": decimal.Decimal("-12.3456"),
        "when": WHEN,
        "who": WHO,
        "data": b"\0\1\2",
        "marks": ["one", "two", "three"],
        "photo": BIG,
        "notes": ["short", "long" * 5000],
        "level": 1,
    },
    {"id": 2, "name": "Grace", "flag": False, "marks": ["only"], "photo": b"small"},
    {"id": -3, "name": "Änne", "western": "plain"},
    *({"id": number, "name": f"name{number % 10}", "double": number / 8} for number in range(100, 400)),
]


def _expected(row: dict[str, Any]) -> dict[str, Any]:
    empty: dict[str, Any] = {name: [] if kind.multi_valued else None for name, kind in COLUMNS.items()}
    return {**empty, "level": 7, **row}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reading") / "reading.edb"
    with esent.open(path) as db:
        table = db.create_table(
            "people",
            COLUMNS,
            primary_key="id",
            indexes={
                "by_western": "+western",
                "by_double": "-double",
                "by_flag": "+flag",
                "by_two": esent.Key(["+flag", "-id"]),
                "by_who": esent.Key("+who", unique=True, ignore_null=True),
            },
        )
        table.insert_many(ROWS)
        heap = db.create_table("heap", {"text": esent.Text()})
        heap.insert(text="first")
        heap.insert(text="second")
    return path


@pytest.fixture(params=["live", "read-only"])
def db(path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    with esent.open(path) if request.param == "live" else esent.open(path, read_only=True) as found:
        yield found


IN_ORDER = sorted((_expected(row) for row in ROWS), key=lambda row: row["id"])


def test_rows_have_python_values(db: Any) -> None:
    found = [dict(row) for row in db["people"]]
    assert found == IN_ORDER
    row = db["people"][1]
    assert (row.who, row.when, row["amount"], row.huge) == (WHO, WHEN, decimal.Decimal("-12.3456"), 2**64 - 1)
    assert [type(row[name]) for name in ("flag", "tiny", "single", "who", "when")] == [
        bool, int, float, uuid.UUID, datetime.datetime,
    ]  # fmt: skip


def test_rows_as_tuples_are_the_rows(db: Any) -> None:
    table = db["people"]
    names = list(table.columns)
    assert [dict(zip(names, row, strict=True)) for row in table.rows()] == IN_ORDER
    chosen = ["photo", "id", "NOTES", "marks"]
    assert list(table.rows(chosen)) == [(row["photo"], row["id"], row["notes"], row["marks"]) for row in IN_ORDER]
    assert list(table.between(150, 160).rows(["id"])) == [(number,) for number in range(150, 161)]
    assert list(table.index("by_western").rows(["western"]))[-2:] == [("café €",), ("plain",)]
    assert list(db["heap"].rows(["text"])) == [("first",), ("second",)]
    with pytest.raises(esent.ColumnNotFoundError):
        table.rows(["id", "nothing"])


def test_lists_of_two_tuples_are_not_the_same_list(db: Any) -> None:
    rows = list(db["people"].rows(["marks"]))
    rows[5][0].append("changed by the reader")
    assert rows[6][0] == []
    assert list(db["people"].rows(["marks"]))[5][0] == []


def test_looking_rows_up(db: Any) -> None:
    table = db["people"]
    assert table.get(2).name == "Grace"
    assert table.get(-3).name == "Änne"
    assert table.get(3) is None
    assert table.get(3, "nobody") == "nobody"
    assert 2 in table
    assert 3 not in table
    with pytest.raises(esent.RecordNotFoundError):
        table[3]
    for wrong in ((), (1, 2)):
        with pytest.raises(esent.InvalidParameterError):
            table[wrong]
    with pytest.raises(esent.NoCurrentIndexError):
        db["heap"][1]


def test_looking_rows_up_by_an_index(db: Any) -> None:
    table = db["people"]
    assert table.index("by_western").get("CAFÉ €") is None  # this collation folds ASCII only
    assert table.index("by_western").get("café €").id == 1
    assert table.index("by_western").get("nothing", 5) == 5
    assert table.index("by_who").get(WHO).id == 1
    assert table.index("by_who").get(uuid.UUID(int=0)) is None
    assert table.index("by_two").get((False, 2)).name == "Grace"
    assert table.index("by_two").get((True,)).id == 1  # fewer values than columns: the first such row
    assert table.index("by_two").get(True).id == 1
    assert table.index("by_flag").get(False).id == 2
    assert table.index("by_double").get(20.0).id == 160
    with pytest.raises(esent.InvalidParameterError):
        table.index("by_flag").get((1, 2, 3))
    with pytest.raises(esent.IndexNotFoundError):
        table.index("by_nothing")


def test_ranges(db: Any) -> None:
    table = db["people"]
    by_double = table.index("by_double")
    assert [row.id for row in by_double.between(12.5, 13.0)] == [104, 103, 102, 101, 100]
    assert [row.id for row in table.index("by_western").prefix("pl")] == [-3]
    assert [row.id for row in table.between(None, 1)] == [-3, 1]
    assert len(table.between(390)) == 10
    assert table.between(395, 390).first() is None
    assert len(table) == len(ROWS)


def test_stored_bytes(db: Any) -> None:
    raw = db["people"][1].raw
    assert raw["id"] == (1).to_bytes(4, "little")
    assert raw["western"] == "café €".encode("cp1252")
    assert raw["who"] == WHO.bytes_le
    assert raw["photo"] == BIG
    assert raw["marks"] == [text.encode("utf-16-le") for text in ("one", "two", "three")]
    assert raw["notes"][1] == ("long" * 5000).encode("utf-16-le")
    assert db["people"][2].raw["who"] is None


def test_long_values_as_streams(db: Any) -> None:
    row = db["people"][1]
    with row.stream("photo") as stream:
        assert stream.read(1000) == BIG[:1000]
        assert stream.read(5) == BIG[1000:1005]
        assert stream.read() == BIG[1005:]
        assert stream.read() == b""
    assert row.stream("notes", 2).read() == ("long" * 5000).encode("utf-16-le")
    assert row.stream("name").read() == "Ada".encode("utf-16-le")
    with pytest.raises(esent.BadItagSequenceError):
        row.stream("notes", 3)
    with pytest.raises(esent.BadItagSequenceError):
        db["people"][2].stream("name", 0)


def test_definitions(db: Any) -> None:
    assert db.tables == ["heap", "people"]
    table = db["people"]
    assert set(table.columns) == set(COLUMNS)
    assert table.primary_key == ["id"]
    assert db["heap"].primary_key == []
    assert table.indexes["by_two"] == ["+flag", "-id"]
    assert table.title is None
    assert db.application is None


def test_long_values_of_a_file_are_read_when_they_are_asked_for(path: Path) -> None:
    with esent.open(path, read_only=True) as db:
        asked = []
        read = db.source.read_page

        def counted(pgno: int) -> bytes:
            asked.append(pgno)
            return read(pgno)

        table = db["people"]
        row = table[1]
        db.source.read_page = counted
        assert row.name == "Ada"
        assert not asked
        assert row.photo == BIG
        assert asked
        count = len(asked)
        assert row.photo == BIG
        assert len(asked) == count


def test_a_row_of_a_database_in_use_is_what_was_read(tmp_path: Path) -> None:
    with esent.open(tmp_path / "db.edb") as db:
        table = db.create_table("t", {"id": esent.Int32(), "photo": esent.LongBinary()}, primary_key="id")
        table.insert(id=1, photo=BIG)
        row = table[1]
        rows = iter(table.rows())
        table.update(1, photo=BIG[::-1])
        assert row.photo == BIG
        assert table.get(row).photo == BIG[::-1]
        assert next(rows) == (1, BIG[::-1])
        table.delete(1)
        assert table.get(row) is None
        assert row not in table


def test_look_ups_see_what_their_transaction_sees(tmp_path: Path) -> None:
    with esent.open(tmp_path / "db.edb") as db:
        table = db.create_table("t", {"id": esent.Int32(), "n": esent.Int32()}, primary_key="id", indexes={"by_n": "+n"})
        table.insert(id=1, n=10)

        def elsewhere() -> None:
            table.update(1, n=11)
            table.insert(id=2, n=10)

        with db.transaction():
            assert table.get(1).n == 10
            other = threading.Thread(target=elsewhere)
            other.start()
            other.join()
            assert table.get(1).n == 10
            assert table.get(2) is None
            assert table.index("by_n").get(10).id == 1
            assert table.index("by_n").get(11) is None
            assert list(table.rows()) == [(1, 10)]
        assert table.index("by_n").get(10).id == 2
        assert list(table.rows()) == [(1, 11), (2, 10)]


def test_look_ups_follow_changes_of_the_definition(tmp_path: Path) -> None:
    with esent.open(tmp_path / "db.edb") as db:
        table = db.create_table("t", {"id": esent.Int32(), "n": esent.Int32()}, primary_key="id", indexes={"by_n": "+n"})
        table.insert(id=1, n=5)
        assert table.index("by_n").get(5).id == 1
        table.delete_index("by_n")
        table.add_column("text", esent.Text())
        table.create_index("by_n", "-n")
        table.insert(id=2, n=6, text="x")
        assert table.index("by_n").get(6).text == "x"
        assert list(table.rows(["text", "id"])) == [(None, 1), ("x", 2)]


GENUINE = ("windows/types/basic.edb", "windows/types/multi.edb", "windows/types/text.edb", "windows/srum-win10/SRUDB.dat")


@pytest.mark.parametrize("name", GENUINE)
def test_tuples_of_genuine_files_are_their_rows(fixtures: Fixtures, name: str) -> None:
    with esent.open(fixtures.path(name), read_only=True) as db:
        for each in db.tables:
            table = db[each]
            names = list(table.columns)
            for row, values in zip(table, table.rows(), strict=True):
                for column, value in zip(names, values, strict=True):
                    if isinstance(value, JetError):
                        with pytest.raises(type(value)):
                            row[column]
                    else:
                        assert row[column] == value or value != value


def test_a_record_that_is_none_is_an_error(path: Path) -> None:
    with esent.open(path, read_only=True) as db:
        table = db["people"]
        with pytest.raises(JetError) as caught:
            table.row(b"key", b"\x05")
        assert caught.value.code == codes.JET_errDatabaseCorrupted
