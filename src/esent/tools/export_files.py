"""Writers of the export formats, one a table: given batches, they leave a file that the library of its format has written.

| format  | written by | a table is                                                                                    |
|---------|------------|-----------------------------------------------------------------------------------------------|
| jsonl   | json       | a file in UTF-8, an object a line with every column                                            |
| csv     | csv        | a file in UTF-8 by RFC 4180 with a line of names; quotes where needed, a NULL as told           |
| sqlite  | sqlite3    | a table of the database's file; table `_esent_columns` says what the columns were               |
| parquet | pyarrow    | a file, a row group a batch, compressed with zstd                                              |
| arrow   | pyarrow    | a file of record batches (Feather 2), not compressed                                           |
"""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from esent.records.columnar import ColumnBatch
from esent.records.columns import Coltyp, Column
from esent.tools.arrow import arrow, odd_name, record_batch, schema_of, unique_names
from esent.tools.export_rows import json_text, rows

EXTENSIONS = {"jsonl": "jsonl", "csv": "csv", "sqlite": "sqlite", "parquet": "parquet", "arrow": "arrow"}
FORMATS = tuple(EXTENSIONS)
NEED_ARROW = frozenset({"parquet", "arrow"})
_WRITE_BUFFER = 1 << 20
_AS_TEXT = frozenset({Coltyp.CURRENCY, Coltyp.DATE_TIME, Coltyp.GUID, Coltyp.TEXT, Coltyp.LONG_TEXT})


class Writer(Protocol):
    """Takes the batches of one table. `close` completes the file; one that was not closed is not whole."""

    def write(self, batch: ColumnBatch, chosen: list[bool] | None) -> int:
        """Write the chosen rows (None: all); how many they are."""
        ...

    def close(self) -> None: ...


class _Lines:
    """What JSON lines and CSV share: a text file."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self.columns = columns
        self.names = unique_names(columns)
        self.odd = odd_name(self.names)
        self.file = path.open("w", encoding="utf-8", newline="", buffering=_WRITE_BUFFER)

    def close(self) -> None:
        self.file.close()


class JsonLines(_Lines):
    def write(self, batch: ColumnBatch, chosen: list[bool] | None) -> int:
        encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        count = 0
        for values, odd in rows("jsonl", self.columns, self.names, batch, chosen):
            row = dict(zip(self.names, values, strict=True))
            if odd:
                row[self.odd] = odd
            self.file.write(encode(row) + "\n")
            count += 1
        return count


class CommaSeparated(_Lines):
    def __init__(self, path: Path, columns: Sequence[Column], null: str) -> None:
        super().__init__(path, columns)
        self._null = null
        self._writer = csv.writer(self.file)
        self._writer.writerow([*self.names, self.odd])

    def write(self, batch: ColumnBatch, chosen: list[bool] | None) -> int:
        null = self._null
        count = 0
        for values, odd in rows("csv", self.columns, self.names, batch, chosen):
            row = [null if value is None else value for value in values]
            row.append(json_text(odd) if odd else null)
            self._writer.writerow(row)
            count += 1
        return count


class SqliteFile:
    """The database that the tables of one source go to."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        # the file gets its name when it is whole, so nothing has to survive a crash on the way
        self.connection.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA page_size=8192;")
        self.connection.execute(
            'CREATE TABLE "_esent_columns" ("table" TEXT, "source_table" TEXT, "column" TEXT, "source_column" TEXT,'
            ' "type" TEXT, "columnid" INTEGER, "code_page" INTEGER, "multi_valued" INTEGER)'
        )
        self._tables = {"_esent_columns"}

    def table(self, name: str, columns: Sequence[Column]) -> SqliteTable:
        """A new table for the rows of table `name`. ValueError where it has more columns than SQLite takes."""
        # one for the odd values
        most = min(
            self.connection.getlimit(sqlite3.SQLITE_LIMIT_COLUMN),
            self.connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER),
        )
        if len(columns) + 1 > most:
            raise ValueError(f"{len(columns)} columns, where SQLite takes {most - 1}; --columns chooses some")
        plain = chosen = name.replace("\0", "\ufffd") or "table"
        if chosen.lower().startswith("sqlite_"):
            plain = chosen = f"_{chosen}"
        number = 2
        while chosen.lower() in self._tables:
            chosen = f"{plain}~{number}"
            number += 1
        self._tables.add(chosen.lower())
        return SqliteTable(self.connection, name, chosen, columns)

    def close(self) -> None:
        self.connection.close()


class SqliteTable:
    def __init__(self, connection: sqlite3.Connection, source: str, name: str, columns: Sequence[Column]) -> None:
        self.name = name
        self._connection = connection
        self._columns = columns
        self._names = [each.replace("\0", "\ufffd") for each in unique_names(columns)]
        odd = odd_name(self._names)
        kinds = [_affinity(column) for column in columns]
        defined = [f"{_quoted(each)} {kind}".rstrip() for each, kind in zip(self._names, kinds, strict=True)]
        connection.execute(f"CREATE TABLE {_quoted(name)} ({', '.join([*defined, f'{_quoted(odd)} TEXT'])})")
        about = [(each.name, Coltyp(each.coltyp).name, each.columnid, each.code_page, each.is_multivalued) for each in columns]
        connection.executemany(
            'INSERT INTO "_esent_columns" VALUES (?,?,?,?,?,?,?,?)',
            [(name, source, mine, *each) for mine, each in zip(self._names, about, strict=True)],
        )
        self._insert = f"INSERT INTO {_quoted(name)} VALUES ({','.join('?' * (len(columns) + 1))})"

    def write(self, batch: ColumnBatch, chosen: list[bool] | None) -> int:
        found = [
            (*values, json_text(odd) if odd else None)
            for values, odd in rows("sqlite", self._columns, self._names, batch, chosen)
        ]
        self._connection.execute("BEGIN")
        self._connection.executemany(self._insert, found)
        self._connection.execute("COMMIT")
        return len(found)

    def close(self) -> None:
        """The file is the database's to close."""


def _affinity(column: Column) -> str:
    """The declared type: none where a value may be of two kinds, so that SQLite keeps each as it is."""
    if column.is_multivalued or column.coltyp in (
        Coltyp.CURRENCY,
        Coltyp.DATE_TIME,
        Coltyp.GUID,
        Coltyp.TEXT,
        Coltyp.LONG_TEXT,
    ):
        return "TEXT"
    if column.coltyp in (Coltyp.IEEE_SINGLE, Coltyp.IEEE_DOUBLE):
        return "REAL"
    if column.coltyp == Coltyp.UNSIGNED_LONG_LONG:
        return ""
    return "BLOB" if column.coltyp in (Coltyp.BINARY, Coltyp.LONG_BINARY, Coltyp.SLV) else "INTEGER"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class ArrowFile:
    """A file of record batches: `open_file` gives the library's writer for a path and a schema."""

    def __init__(self, open_file: Callable[[Path, Any], Any], path: Path, table: str, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._schema = schema_of(table, columns, odd=True)
        self._file = open_file(path, self._schema)

    def write(self, batch: ColumnBatch, chosen: list[bool] | None) -> int:
        found = record_batch(self._schema, self._columns, batch)
        if chosen is not None:
            found = found.filter(arrow().array(chosen, arrow().bool_()))
        self._file.write_batch(found)
        return int(found.num_rows)

    def close(self) -> None:
        self._file.close()


def open_parquet(path: Path, schema: Any) -> Any:
    import pyarrow.parquet

    return pyarrow.parquet.ParquetWriter(path, schema, compression="zstd")


def open_feather(path: Path, schema: Any) -> Any:
    import pyarrow.ipc

    return pyarrow.ipc.new_file(str(path), schema)


def open_writer(form: str, path: Path, table: str, columns: Sequence[Column], *, null: str = "") -> Writer:
    """The writer of a table to a file of its own, in any format but sqlite."""
    if form == "jsonl":
        return JsonLines(path, columns)
    if form == "csv":
        return CommaSeparated(path, columns, null)
    return ArrowFile(open_parquet if form == "parquet" else open_feather, path, table, columns)
