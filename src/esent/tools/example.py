"""A database to try things on: a lending library, made anew from nothing, the same rows for the same size and seed.

| table   | share | what it shows                                                                                       |
|---------|-------|-----------------------------------------------------------------------------------------------------|
| Books   | 1/5   | auto-increment, unique and multi-valued indexes, defaults, escrow and version columns, GUID, Currency, |
|         |       | multi-valued text, compressed and long text, covers as separated long values                          |
| Members | 1/10  | Unicode text, dates, NULLs, a conditional index                                                     |
| Loans   | 1/2   | composite primary key with a descending column, secondary indexes that ignore NULLs                  |
| Journal | rest  | no primary index: rows in the order of their arrival                                                |
"""

from __future__ import annotations

import datetime
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from esent.constants import grbits
from esent.pages.filesystem import FILES, FileSystem
from esent.records.columns import Coltyp
from esent.tools.build import build_database
from esent.tools.build_schema import ColumnSpec, IndexSpec, TableSpec

_UNIQUE = grbits.JET_bitIndexUnique
_PRIMARY = grbits.JET_bitIndexPrimary
_IGNORE_NULL = grbits.JET_bitIndexIgnoreNull
_NOT_NULL = grbits.JET_bitColumnNotNULL
_MULTI = grbits.JET_bitColumnTagged | grbits.JET_bitColumnMultiValued

BOOKS = TableSpec(
    "Books",
    [
        ColumnSpec("Id", Coltyp.LONG, grbits.JET_bitColumnAutoincrement),
        ColumnSpec("Isbn", Coltyp.TEXT, grbits.JET_bitColumnFixed | _NOT_NULL, 1252, 13),
        ColumnSpec("Catalogued", Coltyp.GUID, _NOT_NULL),
        ColumnSpec("Published", Coltyp.DATE_TIME),
        ColumnSpec("Pages", Coltyp.SHORT),
        ColumnSpec("Price", Coltyp.CURRENCY),
        ColumnSpec("Rating", Coltyp.IEEE_SINGLE),
        ColumnSpec("Weight", Coltyp.IEEE_DOUBLE),
        ColumnSpec("Shelf", Coltyp.UNSIGNED_BYTE),
        ColumnSpec("InPrint", Coltyp.BIT, default=True),
        ColumnSpec("Copies", Coltyp.LONG, grbits.JET_bitColumnEscrowUpdate, default=1),
        ColumnSpec("Revision", Coltyp.LONG, grbits.JET_bitColumnVersion),
        ColumnSpec("Title", Coltyp.TEXT, _NOT_NULL, 1252),
        ColumnSpec("Original", Coltyp.TEXT, 0, 1200),
        ColumnSpec("Language", Coltyp.TEXT, 0, 1252, 8, "en"),
        ColumnSpec("Authors", Coltyp.TEXT, _MULTI, 1200, 120),
        ColumnSpec("Subjects", Coltyp.TEXT, _MULTI, 1252, 40),
        ColumnSpec("Binding", Coltyp.TEXT, grbits.JET_bitColumnTagged, 1252, 20, "paperback"),
        ColumnSpec("Blurb", Coltyp.LONG_TEXT, grbits.JET_bitColumnCompressed, 1200),
        ColumnSpec("Cover", Coltyp.LONG_BINARY),
    ],
    [
        IndexSpec("ById", ["+Id"], _PRIMARY),
        IndexSpec("ByIsbn", ["+Isbn"], _UNIQUE),
        IndexSpec("ByTitle", ["+Title"]),
        IndexSpec("ByPublished", ["-Published", "+Title"], _IGNORE_NULL),
        IndexSpec("BySubject", ["+Subjects"], _IGNORE_NULL),
    ],
    in_order=True,
)

MEMBERS = TableSpec(
    "Members",
    [
        ColumnSpec("Number", Coltyp.LONG_LONG, _NOT_NULL),
        ColumnSpec("Joined", Coltyp.DATE_TIME, _NOT_NULL),
        ColumnSpec("Born", Coltyp.DATE_TIME),
        ColumnSpec("Fines", Coltyp.CURRENCY, default=0),
        ColumnSpec("Name", Coltyp.TEXT, _NOT_NULL, 1200),
        ColumnSpec("Mail", Coltyp.TEXT, 0, 1252),
        ColumnSpec("Card", Coltyp.BINARY, 0, 0, 16),
        ColumnSpec("Notes", Coltyp.LONG_TEXT, 0, 1200),
    ],
    [
        IndexSpec("ByNumber", ["+Number"], _PRIMARY),
        IndexSpec("ByMail", ["+Mail"], _IGNORE_NULL),
        IndexSpec("InDebt", ["-Fines"], conditions=["+Notes"]),
    ],
)

LOANS = TableSpec(
    "Loans",
    [
        ColumnSpec("Member", Coltyp.LONG_LONG, _NOT_NULL),
        ColumnSpec("Borrowed", Coltyp.DATE_TIME, _NOT_NULL),
        ColumnSpec("Book", Coltyp.LONG, _NOT_NULL),
        ColumnSpec("Returned", Coltyp.DATE_TIME),
        ColumnSpec("Renewals", Coltyp.UNSIGNED_SHORT, default=0),
        ColumnSpec("Desk", Coltyp.UNSIGNED_LONG),
    ],
    [
        IndexSpec("ByMember", ["+Member", "-Borrowed", "+Book"], _PRIMARY),
        IndexSpec("ByBook", ["+Book"]),
        IndexSpec("ByReturn", ["+Returned"], _IGNORE_NULL),
    ],
)

JOURNAL = TableSpec(
    "Journal",
    [
        ColumnSpec("At", Coltyp.DATE_TIME, _NOT_NULL),
        ColumnSpec("Level", Coltyp.UNSIGNED_BYTE),
        ColumnSpec("Message", Coltyp.TEXT, 0, 1252),
        ColumnSpec("Payload", Coltyp.LONG_BINARY),
    ],
    [IndexSpec("ByLevel", ["+Level"])],
)

_START = datetime.datetime(2015, 1, 5, 9)
_ADJECTIVES = [
    "quiet",
    "burning",
    "hidden",
    "lost",
    "last",
    "northern",
    "paper",
    "silver",
    "long",
    "forgotten",
    "green",
    "distant",
    "broken",
    "open",
    "winter",
    "small",
]
_NOUNS = [
    "river",
    "garden",
    "lighthouse",
    "map",
    "winter",
    "orchard",
    "machine",
    "letter",
    "island",
    "clock",
    "station",
    "harbour",
    "meadow",
    "library",
    "bridge",
    "storm",
]
_SUBJECTS = [
    "history",
    "travel",
    "poetry",
    "mathematics",
    "gardening",
    "music",
    "astronomy",
    "cookery",
    "biography",
    "chess",
    "geology",
    "sailing",
]
_FIRST_NAMES = [
    "Ada",
    "Björn",
    "Chloé",
    "Dušan",
    "Elif",
    "Fadil",
    "Grace",
    "Håkon",
    "Inés",
    "Jürgen",
    "Katya",
    "Łucja",
    "Mårten",
    "Noor",
    "Óscar",
    "Παύλος",
    "Rafał",
    "Søren",
    "Юлия",
    "明",
]
_LAST_NAMES = [
    "Ahlgren",
    "Bacon",
    "Çelik",
    "Dvořák",
    "Eriksen",
    "Ferrari",
    "García",
    "Horváth",
    "Ito",
    "Jones",
    "Kowalska",
    "Larsen",
    "Müller",
    "Novák",
    "O'Neil",
    "Petrov",
]
_LANGUAGES = ["en", "en", "en", "en", "de", "fr", "sv", "ja", "pl"]
_VERBS = ["opened", "closed", "counted", "moved", "repaired", "lent", "mislaid", "found"]


def _words(rng: random.Random, count: int) -> str:
    return " ".join(f"the {rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)}" for _ in range(count))


def _name(rng: random.Random) -> str:
    return f"{rng.choice(_FIRST_NAMES)} {rng.choice(_LAST_NAMES)}"


def _isbn(number: int) -> str:
    """A book number with its check digit."""
    digits = f"978{number * 7919 % 10**9:09d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return digits + str(-total % 10)


def _books(count: int, seed: int) -> Iterator[dict[str, Any]]:
    rng = random.Random(f"books {seed}")
    for number in range(1, count + 1):
        title = f"The {rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)}"
        book: dict[str, Any] = {
            "Isbn": _isbn(number),
            "Catalogued": uuid.UUID(int=rng.getrandbits(128), version=4),
            "Pages": rng.randint(40, 1200),
            "Price": rng.randint(400, 9000) * 100,
            "Title": title.title(),
            "Authors": [_name(rng) for _ in range(rng.choice((1, 1, 1, 2, 3)))],
            "Subjects": sorted(rng.sample(_SUBJECTS, rng.randint(0, 4))),
            "Shelf": rng.randrange(200),
            "Copies": rng.randint(1, 9),
        }
        if rng.random() < 0.9:
            book["Published"] = _START - datetime.timedelta(days=rng.randint(0, 40000))
        if rng.random() < 0.7:
            book["Rating"] = rng.randint(10, 50) / 10
        if rng.random() < 0.5:
            book["Weight"] = rng.randint(100, 3000) / 1000
        if rng.random() < 0.2:
            book["InPrint"] = None if rng.random() < 0.3 else False
            book["Binding"] = rng.choice(("hardcover", "leather", None))
        language = rng.choice(_LANGUAGES)
        if language != "en":
            book["Language"] = language
            book["Original"] = f"{rng.choice(_LAST_NAMES)}: {title} ({language})"
        if rng.random() < 0.6:
            book["Blurb"] = _words(rng, rng.choice((3, 6, 12, 12, 30))).capitalize() + "."
        if rng.random() < 0.05:
            book["Cover"] = rng.randbytes(rng.randint(500, 12000))
        yield book


def _members(count: int, seed: int) -> Iterator[dict[str, Any]]:
    rng = random.Random(f"members {seed}")
    numbers = rng.sample(range(10**6, 10**6 + 10 * max(count, 1)), count)
    for number in numbers:
        member: dict[str, Any] = {
            "Number": number,
            "Joined": _START + datetime.timedelta(minutes=rng.randint(0, 5 * 10**6)),
            "Name": _name(rng),
            "Card": rng.randbytes(8),
        }
        if rng.random() < 0.8:
            member["Mail"] = f"reader{number}@library.example"
        if rng.random() < 0.6:
            member["Born"] = datetime.datetime(1930, 1, 1) + datetime.timedelta(days=rng.randint(0, 30000))
        if rng.random() < 0.2:
            member["Fines"] = rng.randint(1, 400) * 1000
            member["Notes"] = f"Owes for {_words(rng, rng.randint(1, 20))}."
        yield member


def _loans(count: int, books: int, members: int, seed: int) -> Iterator[dict[str, Any]]:
    rng = random.Random(f"loans {seed}")
    numbers = [member["Number"] for member in _members(members, seed)]
    for serial in range(count):
        # one loan a minute, so that no two share a key
        borrowed = _START + datetime.timedelta(minutes=serial)
        loan: dict[str, Any] = {
            "Member": rng.choice(numbers),
            "Borrowed": borrowed,
            "Book": rng.randint(1, books),
            "Desk": rng.randrange(4),
        }
        if rng.random() < 0.9:
            loan["Returned"] = borrowed + datetime.timedelta(hours=rng.randint(1, 900))
        if rng.random() < 0.1:
            loan["Renewals"] = rng.randint(1, 5)
        yield loan


def _journal(count: int, seed: int) -> Iterator[dict[str, Any]]:
    rng = random.Random(f"journal {seed}")
    for serial in range(count):
        entry: dict[str, Any] = {
            "At": _START + datetime.timedelta(seconds=37 * serial),
            "Level": rng.choice((0, 0, 0, 1, 1, 2)),
            "Message": f"{_name(rng).encode('cp1252', 'replace').decode('cp1252')} {rng.choice(_VERBS)} {_words(rng, 1)}",
        }
        if rng.random() < 0.02:
            entry["Payload"] = rng.randbytes(rng.randint(1, 3000))
        yield entry


def build_example(
    path: str | Path,
    rows: int = 2000,
    *,
    page_size: int = 4096,
    seed: int = 1,
    files: FileSystem = FILES,
    overwrite: bool = False,
) -> None:
    """Write the example database with about `rows` rows (at least 10) over all tables; errors as `build_database`."""
    rows = max(rows, 10)
    books, members, loans = rows // 5, rows // 10, rows // 2
    tables = [
        (BOOKS, _books(books, seed)),
        (MEMBERS, _members(members, seed)),
        (LOANS, _loans(loans, books, members, seed)),
        (JOURNAL, _journal(rows - books - members - loans, seed)),
    ]
    build_database(path, tables, page_size=page_size, files=files, overwrite=overwrite)
