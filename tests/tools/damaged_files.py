"""Files with damage in chosen places, and what is on a page of the undamaged one."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from esent.catalog.schema import Catalog
from esent.constants import grbits
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.pages.page import Page
from esent.records.columns import Coltyp
from esent.tools.build import ColumnSpec, IndexSpec, TableSpec, build_database
from esent.tools.dump import dump

HOW = ("zero", "flip", "foreign")


def build_deep(path: Path, rows: int, page_size: int = 4096) -> None:
    """A database of our own writer whose largest tree has three levels, with indexes, long values and a table without a key."""
    columns = [
        ColumnSpec("Key", Coltyp.BINARY, cb_max=220),
        ColumnSpec("Number", Coltyp.LONG),
        ColumnSpec("Text", Coltyp.TEXT, cp=1200),
        ColumnSpec("Notes", Coltyp.LONG_TEXT, grbits.JET_bitColumnCompressed, cp=1200),
        ColumnSpec("Tags", Coltyp.LONG_BINARY, grbits.JET_bitColumnTagged | grbits.JET_bitColumnMultiValued),
    ]
    indexes = [
        IndexSpec("ByKey", ["+Key"], grbits.JET_bitIndexPrimary),
        IndexSpec("ByNumber", ["-Number"], grbits.JET_bitIndexUnique),
        IndexSpec("ByText", ["+Text"]),
    ]
    deep = TableSpec("Deep", columns, indexes)
    heap = TableSpec("Heap", [ColumnSpec("Line", Coltyp.TEXT, cp=1252), ColumnSpec("When", Coltyp.DATE_TIME)])
    chance = random.Random(rows)

    def deep_rows() -> Iterator[dict[str, Any]]:
        for number in range(rows):
            tags = [chance.randbytes(1 + chance.randrange(2500)) for _ in range(number % 4)] if number % 7 == 0 else None
            yield {
                # neighbours share a long beginning that others do not share: separators are long
                "Key": (number // 20).to_bytes(4, "big") + random.Random(number // 20).randbytes(180) + bytes((number % 20,)),
                "Number": number * 3,
                "Text": f"text {number % 97}",
                "Notes": f"note {number} " * chance.choice((1, 40, 3000)) if number % 5 == 0 else None,
                "Tags": tags,
            }

    lines = ({"Line": f"line {number} of the heap {chance.random()}", "When": 40000.5 + number} for number in range(rows))
    build_database(path, [(deep, deep_rows()), (heap, lines)], page_size=page_size)


class Owner(NamedTuple):
    """What a page belongs to: the table, and "rows", "long values" or "index NAME"."""

    table: str
    part: str


class Undamaged:
    """A sound file: its pages by number, whose they are, its row lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.image = path.read_bytes()
        self.rows = row_lines(dump(path, allow_dirty=True))
        self.owners: dict[int, Owner] = {}
        self.pages: dict[int, Page] = {}
        with DatabaseFile(path) as file:
            self.page_size = file.page_size
            for table in Catalog.load(file):
                self.owners[table.objid] = Owner(table.name, "rows")
                self.owners[table.long_value_objid] = Owner(table.name, "long values")
                for index in table.indexes:
                    if not index.is_primary:
                        self.owners[index.objid] = Owner(table.name, f"index {index.name}")
            for pgno in range(1, file.page_count + 1):
                try:
                    self.pages[pgno] = Page(file.read_page(pgno), pgno)
                except JetError:
                    continue  # never written

    def owner(self, pgno: int) -> Owner:
        return self.owners.get(self.pages[pgno].objid, Owner("", ""))

    def damaged(self, pgnos: Iterable[int], how: str, target: Path) -> Path:
        """A copy with these pages destroyed; 0 is both headers."""
        image = bytearray(self.image)
        for pgno in pgnos:
            start, size = ((pgno + 1) * self.page_size, self.page_size) if pgno else (0, 2 * self.page_size)
            if how == "zero":
                image[start : start + size] = bytes(size)
            elif how == "flip":
                for place in (start + 9, start + size // 2, start + size - 5):
                    image[place] ^= 0x5A
            else:  # another page of the same file, as a write that went astray leaves it
                image[start : start + size] = image[5 * self.page_size : 5 * self.page_size + size]
        target.write_bytes(image)
        return target

    def rows_without(self, pgnos: Iterable[int]) -> list[str]:
        """The row lines without those whose records are on these pages."""
        gone = set()
        for pgno in pgnos:
            page, owner = self.pages[pgno], self.owner(pgno)
            if page.is_leaf and not page.is_space and not page.is_empty and owner.part == "rows":
                gone |= {(owner.table, key.hex()) for flags, key, _ in page.entries() if not flags & 2}
        return [line for line in self.rows if row_name(line) not in gone]


def row_lines(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if ',"r":{' in line and not line.startswith('{"t":"lost_and_found')]


def row_name(line: str) -> tuple[str, str]:
    row: dict[str, Any] = json.loads(line)
    return row["t"], row["bm"]


def losses(lines: list[str]) -> list[dict[str, Any]]:
    """The losses in the last line of a dump."""
    found: list[dict[str, Any]] = json.loads(lines[-1]).get("losses", []) if lines else []
    return found
