"""The example database: sound, the same every time, of any size."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from dissect.database.ese import ESE
from impacket.ese import ESENT_DB

from esent.tools.dump import dump
from esent.tools.example import build_example
from esent.tools.verify import verify_database


@pytest.mark.parametrize(("rows", "page_size"), [(0, 4096), (300, 8192), (2000, 4096), (1000, 32768)])
def test_example(tmp_path: Path, rows: int, page_size: int) -> None:
    path = tmp_path / "library.edb"
    build_example(path, rows, page_size=page_size)
    report = verify_database(path)
    assert not report.findings, [str(finding) for finding in report.findings]
    lines = [json.loads(line) for line in dump(path)]
    counts = {line["t"]: line["rows"] for line in lines if "rows" in line}
    assert set(counts) == {"Books", "Members", "Loans", "Journal"}
    assert sum(counts.values()) == max(rows, 10)
    entries = {line["ix"]: line["entries"] for line in lines if "entries" in line}
    assert entries["ByIsbn"] == entries["ByTitle"] == counts["Books"]
    assert entries["ByBook"] == counts["Loans"]
    books = [line for line in lines if line.get("t") == "Books" and "r" in line]
    assert [book["r"]["Id"] for book in books] == list(range(1, len(books) + 1))
    assert all(book["r"]["Revision"] == 0 for book in books)


def test_a_large_enough_example_has_everything(tmp_path: Path) -> None:
    path = tmp_path / "library.edb"
    build_example(path, 2000)
    seen: Counter[str] = Counter()
    defaults: Counter[str] = Counter()
    for text in dump(path):
        line = json.loads(text)
        if "r" in line:
            seen.update(f"{line['t']}.{column}" for column in line["r"])
            defaults.update(line.get("d", ()))
            seen["several authors"] += len(line["r"].get("Authors", ())) > 1
            seen["separated"] += any(isinstance(v, dict) and v["len"] > 1023 for v in line["r"].values())
    rows = 400
    assert seen["Books.Title"] == rows
    assert 0 < seen["Books.Original"] < rows
    assert 0 < seen["Books.Published"] < rows
    assert seen["several authors"] > 50
    assert seen["separated"] > 10
    assert defaults["Binding"] > 200
    assert seen["Journal.Payload"] > 0


def test_the_same_rows_every_time(tmp_path: Path) -> None:
    texts = []
    for number in (1, 2):
        build_example(tmp_path / f"{number}.edb", 200)
        texts.append(list(dump(tmp_path / f"{number}.edb", entries=True)))
    build_example(tmp_path / "3.edb", 200, seed=2)
    assert texts[0] == texts[1]
    assert texts[0] != list(dump(tmp_path / "3.edb", entries=True))


@pytest.mark.parametrize("page_size", [4096, 8192])
def test_a_third_reader(tmp_path: Path, page_size: int) -> None:
    """impacket reads the rows of every table (it knows neither 7-bit compression nor several values)."""
    path = tmp_path / "library.edb"
    build_example(path, 400, page_size=page_size)
    ours: dict[str, list[dict[str, object]]] = {}
    for text in dump(path):
        line = json.loads(text)
        if "r" in line:
            ours.setdefault(line["t"], []).append(line["r"])
    database = ESENT_DB(str(path))
    plain = {
        "Books": ("Id", "Pages", "Price", "Shelf"),
        "Members": ("Number",),
        "Loans": ("Member", "Book"),
        "Journal": ("Level",),
    }
    for table, columns in plain.items():
        cursor = database.openTable(table)
        for row in ours[table]:
            record = database.getNextRow(cursor)
            assert {column: record[column.encode()] for column in columns} == {column: row[column] for column in columns}
            if table in ("Books", "Journal"):
                column = "Title" if table == "Books" else "Message"
                assert record[column.encode()].encode("cp1252").hex() == row[column]
        assert database.getNextRow(cursor) is None
    database.close()


def test_indexes_of_a_second_reader(tmp_path: Path) -> None:
    """dissect makes search keys of its own, and finds with them what it should."""
    path = tmp_path / "library.edb"
    build_example(path, 3000)
    with path.open("rb") as file:
        database = ESE(file)
        books, loans = database.table("Books"), database.table("Loans")
        for record in list(books.records())[::29]:
            assert books.search(Id=record.get("Id")) == record
            assert books.index("ByIsbn").search(Isbn=record.get("Isbn")) == record
            found = books.index("ByTitle").search(Title=record.get("Title"))
            assert found.get("Title") == record.get("Title")
        for record in list(loans.records())[::97]:
            assert loans.index("ByBook").search(Book=record.get("Book")).get("Book") == record.get("Book")
