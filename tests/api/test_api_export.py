"""`export` through its door: every format read back by its library and compared with recorded dumps; damage, fleets, hostile
names, processes that are killed, disks that are full."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import esent
from esent.api.export import export, find_databases
from esent.api.export_source import export_source
from esent.catalog.schema import Catalog
from esent.pages.database_file import DatabaseFile
from esent.pages.header import DatabaseState
from esent.tree.cursor import Tree
from recorded_rows import assert_same_row, recorded

NULL = "\\N"
NEEDS_ARROW = ("parquet", "arrow")


def rows_of(form: str, folder: Path, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a table, by the library of the format, without those of the columns for odd values that are empty."""
    path = folder / entry["file"]
    if form == "jsonl":
        found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return [{"_odd": None, **row} for row in found]
    if form == "csv":
        with path.open(encoding="utf-8", newline="") as file:
            return [{name: None if value == NULL else value for name, value in row.items()} for row in csv.DictReader(file)]
    if form == "sqlite":
        connection = sqlite3.connect(path)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(f'SELECT * FROM "{entry["table"]}" ORDER BY rowid')]
        finally:
            connection.close()
    if form == "parquet":
        found = pytest.importorskip("pyarrow.parquet").ParquetFile(path).read()
    else:
        found = pytest.importorskip("pyarrow.ipc").open_file(str(path)).read_all()
    found.validate(full=True)
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def entries(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [table for source in manifest["sources"] for table in source["tables"]]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("form", "name"),
    [
        *((form, "engine/clean-4k") for form in ("jsonl", "csv", "sqlite", "parquet", "arrow")),
        ("sqlite", "engine/deleted-4k"),
        ("parquet", "engine/deleted-4k"),
    ],
)
def test_every_format_gives_back_the_recorded_rows(fixtures, tmp_path, form: str, name: str) -> None:
    if form in NEEDS_ARROW:
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = fixtures.path(f"{name}/db.edb")
    manifest = export(path, tmp_path / "out", to=form, null=NULL)
    tables = recorded(fixtures, f"{name}/dump.jsonl")
    assert manifest == json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert manifest["whole"]
    assert sorted(tables) == [entry["table"] for entry in entries(manifest)]
    (source,) = manifest["sources"]
    assert source["sha256"] == digest(path)
    assert source["state"] == "clean shutdown"
    for entry in entries(manifest):
        columns, wanted = tables[entry["table"]]
        assert [each["name"] for each in manifest["schemas"][entry["schema"]]] == list(columns)
        assert entry["sha256"] == digest(tmp_path / "out" / entry["file"])
        found = rows_of(form, tmp_path / "out", entry)
        assert entry["rows"] == len(found) == len(wanted)
        for mine, row in zip(found, wanted, strict=True):
            assert mine.pop("_odd") is None
            assert_same_row(columns, mine, row, signed_zero=form != "sqlite")  # SQLite has no minus zero
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out"]


def test_databases_of_windows(fixtures, tmp_path) -> None:
    """FILETIMEs in date columns are dates; several values are lists."""
    files = [fixtures.path(f"windows/types/{name}") for name in ("Current.mdb", "multi.edb", "basic.edb")]
    manifest = export(files, tmp_path / "out", to="jsonl", where=None)
    assert manifest["whole"]
    by_table = {entry["table"]: entry for entry in entries(manifest)}
    clients = rows_of("jsonl", tmp_path / "out", by_table["CLIENTS"])
    assert clients[0]["InsertDate"] == "2021-07-23T10:30:55.980808"
    assert rows_of("jsonl", tmp_path / "out", by_table["multi"])[0]["Long"] == [0, -2147483647, 2147483647]
    assert rows_of("jsonl", tmp_path / "out", by_table["basic"])[0]["DateTime"] == "1999-03-01T00:00:00"


def test_tables_columns_and_conditions(fixtures, tmp_path) -> None:
    path = fixtures.path("engine/clean-4k/db.edb")
    chosen = export(path, tmp_path / "out", to="jsonl", tables=["alltypes"], columns=["ID", "vTextU"], where="Id > 50")
    (entry,) = entries(chosen)
    rows = rows_of("jsonl", tmp_path / "out", entry)
    assert rows
    assert all(set(row) == {"_odd", "Id", "vTextU"} and row["Id"] > 50 for row in rows)
    assert chosen["options"]["where"] == "Id > 50"
    unknown = export(path, tmp_path / "none", to="jsonl", tables=["Heap", "nothing"])
    assert not unknown["whole"]
    assert unknown["notes"] == ["no database has a table nothing"]
    other = export(path, tmp_path / "other", to="jsonl", where="Id > 50")
    assert not other["whole"]
    assert {entry["table"]: entry["error"] is None for entry in entries(other)}["AllTypes"]
    assert "JET_errColumnNotFound" in next(entry["error"] for entry in entries(other) if entry["table"] == "Heap")
    assert not list((tmp_path / "other").glob("Heap*"))


def damaged(fixtures, path: Path, *, table: str = "AllTypes") -> int:
    """A copy with a leaf that cannot be read; its number."""
    name = "engine/clean-2000-4k/db.edb"
    data = bytearray(fixtures.read(name))
    with DatabaseFile(fixtures.path(name)) as file:
        definition = Catalog.load(file).table(table)
        leaves = [page.pgno for page in Tree(file, definition.root, definition.objid).leaves()]
    victim = leaves[len(leaves) // 3]
    at = (victim + 1) * 4096
    data[at + 500 : at + 520] = bytes(each ^ 0x5A for each in data[at + 500 : at + 520])
    path.write_bytes(data)
    return victim


def test_a_damaged_page_costs_its_rows_and_is_in_the_manifest(fixtures, tmp_path) -> None:
    page = damaged(fixtures, tmp_path / "db.edb")
    before = digest(tmp_path / "db.edb")
    manifest = export(tmp_path / "db.edb", tmp_path / "out", to="jsonl")
    whole = export(fixtures.path("engine/clean-2000-4k/db.edb"), tmp_path / "whole", to="jsonl")
    assert not manifest["whole"]
    for entry, sound in zip(entries(manifest), entries(whole), strict=True):
        if entry["table"] != "AllTypes":
            assert (entry["sha256"], entry["damage"]) == (sound["sha256"], [])
            continue
        assert entry["lost"]
        assert page in {loss["page"] for loss in entry["damage"]}
        assert 0 < sound["rows"] - entry["rows"] < 40
        lines = (tmp_path / "whole" / sound["file"]).read_text("utf-8").splitlines()
        kept = (tmp_path / "out" / entry["file"]).read_text("utf-8").splitlines()
        position = iter(lines)
        assert all(line in position for line in kept)
    assert digest(tmp_path / "db.edb") == before


def test_a_dirty_database_is_exported_as_of_its_last_commit_or_refused(fixtures, tmp_path) -> None:
    path = fixtures.copy_set("engine/dirty-4k", tmp_path / "set") / "db.edb"
    manifest = export(path, tmp_path / "out", to="jsonl")
    assert manifest["whole"]
    (source,) = manifest["sources"]
    assert source["state"] == "dirty shutdown"
    assert {log["file"] for log in source["replayed"]["logs"]} >= {"edb.log"}
    for entry in entries(manifest):
        columns, wanted = recorded(fixtures, "engine/dirty-4k/recovered.jsonl")[entry["table"]]
        found = rows_of("jsonl", tmp_path / "out", entry)
        assert len(found) == len(wanted)
        for mine, row in zip(found, wanted, strict=True):
            del mine["_odd"]
            assert_same_row(columns, mine, row)
    alone = tmp_path / "alone.edb"
    alone.write_bytes(path.read_bytes())
    refused = export(alone, tmp_path / "refused", to="jsonl")
    assert not refused["whole"]
    assert "--dirty" in refused["sources"][0]["error"]
    as_it_is = export(alone, tmp_path / "as-it-is", to="jsonl", dirty=True)
    assert as_it_is["sources"][0]["replayed"] is None
    assert as_it_is["rows"] > 0
    logs = export(alone, tmp_path / "logs", to="jsonl", log_directory=tmp_path / "set")
    assert logs["rows"] == manifest["rows"]


def test_a_database_of_another_state_is_refused_unless_told(fixtures, tmp_path) -> None:
    path = tmp_path / "db.edb"
    path.write_bytes(fixtures.read("engine/clean-4k/db.edb"))
    with DatabaseFile(path, writable=True) as file:
        file.header.dbstate = DatabaseState.FORCE_DETACH
        file.write_header()
    refused = export(path, tmp_path / "out", to="jsonl")
    assert refused["rows"] == 0 and not refused["whole"]
    assert "force detached" in refused["sources"][0]["error"] and "--dirty" in refused["sources"][0]["error"]
    assert export(path, tmp_path / "as-it-is", to="jsonl", dirty=True)["rows"] > 200


def make(path: Path, columns: dict[str, Any], rows: list[dict[str, Any]], table: str = "people") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with esent.open(path) as db, db.transaction():
        db.create_table(table, columns, primary_key="id").insert_many(rows)


def test_a_fleet_is_one_dataset(tmp_path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    fleet = tmp_path / "fleet"
    for number in range(3):
        rows = [{"id": each, "name": f"{number}-{each}"} for each in range(10)]
        make(fleet / f"m{number}" / "app.edb", {"id": esent.Int32(), "name": esent.Text()}, rows)
    make(
        fleet / "m3" / "app.edb",
        {"id": esent.Int64(), "name": esent.Text(), "more": esent.Bool()},
        [{"id": 2**40, "more": True}],
    )
    make(fleet / "m4" / "app.edb", {"id": esent.Int32(), "NAME": esent.Guid()}, [{"id": 1}])
    (fleet / "letter.txt").write_text("not a database")
    (fleet / "bad.edb").write_bytes(bytes(4) + b"\xef\xcd\xab\x89" + bytes(20_000))
    out = tmp_path / "out"
    manifest = export(fleet, out, to="parquet", jobs=2)
    assert not manifest["whole"]
    assert len(manifest["sources"]) == 6
    (bad,) = [source for source in manifest["sources"] if not source["whole"]]
    assert bad["path"].endswith("bad.edb")
    assert bad["error"] or bad["damage"]
    assert manifest["rows"] == 32
    assert len({source["id"] for source in manifest["sources"]}) == 6
    parts = sorted(out.glob("table=people/source=*/part-0.parquet"))
    assert len(parts) == 5
    dataset = pytest.importorskip("pyarrow.dataset")
    whole = dataset.dataset(out / "table=people", partitioning="hive").to_table()
    assert whole.num_rows == 32
    assert str(whole.schema.field("id").type) == "int64"
    assert set(whole.schema.names) == {"id", "name", "more", "NAME~uuid", "_odd", "source"}
    assert any("schemas brought to one" in note for note in manifest["notes"])
    for entry in entries(manifest):
        assert entry["sha256"] == digest(out / entry["file"])
    again = export(fleet / "m0", tmp_path / "again", to="parquet")
    assert again["sources"][0]["id"] in {source["id"] for source in manifest["sources"]}
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    parts_read = f"read_parquet('{out}/table=people/*/*.parquet', hive_partitioning=true)"
    count, sources = duckdb.connect().execute(f"SELECT count(*), count(DISTINCT source) FROM {parts_read}").fetchone()
    assert (count, sources) == (32, 5)


def dies_over_one(path: Path, folder: Path, options: Any) -> Any:
    """Stands for the export of a source in a process that the system kills over one of them."""
    if path.name == "deadly.edb":
        folder.mkdir(exist_ok=True)
        (folder / "tables.sqlite").write_bytes(b"half of a file")
        os._exit(9)
    return export_source(path, folder, options)


def test_a_process_that_dies_costs_its_database_only(fixtures, tmp_path, monkeypatch) -> None:
    data = fixtures.read("engine/clean-4k/db.edb")
    for name in ("a.edb", "deadly.edb", "z.edb"):
        (tmp_path / name).write_bytes(data)
    monkeypatch.setattr("esent.api.export.export_source", dies_over_one)
    files = [tmp_path / name for name in ("a.edb", "deadly.edb", "z.edb")]
    manifest = export(files, tmp_path / "out", to="sqlite", tables=["Heap"], jobs=2)
    assert not manifest["whole"]
    assert [source["error"] for source in manifest["sources"]] == [None, "the process that read it has died", None]
    assert [source["whole"] for source in manifest["sources"]] == [True, False, True]
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".json", ".sqlite", ".sqlite"]


def test_an_export_is_not_overwritten_and_other_folders_never(fixtures, tmp_path) -> None:
    path = fixtures.path("engine/clean-4k/db.edb")
    out = tmp_path / "out"
    out.mkdir()
    export(path, out, to="jsonl", tables=["Heap"])  # an empty folder may be there
    with pytest.raises(esent.FileAlreadyExistsError, match="--force"):
        export(path, out, to="csv")
    export(path, out, to="csv", tables=["Heap"], force=True)
    assert sorted(each.name for each in out.iterdir()) == ["Heap.csv", "manifest.json"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out"]
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter").write_text("to keep")
    with pytest.raises(esent.FileAccessDeniedError):
        export(path, mine, to="csv", force=True)
    (mine / "manifest.json").write_text("{}")
    with pytest.raises(esent.FileAccessDeniedError):
        export(path, mine, to="csv", force=True)
    link = tmp_path / "link"
    link.symlink_to(mine, target_is_directory=True)
    with pytest.raises(esent.FileAccessDeniedError):
        export(path, link, to="csv", force=True)
    with pytest.raises(esent.InvalidPathError):
        export(path, tmp_path / "no" / "such", to="csv")
    with pytest.raises(ValueError, match="xlsx"):
        export(path, tmp_path / "new", to="xlsx")
    assert (mine / "letter").read_text() == "to keep"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link", "mine", "out"]


def rename_in_catalog(path: Path, names: dict[str, str]) -> None:
    """Put other names of the same length into the catalog, as no engine would."""
    with DatabaseFile(path, writable=True) as file:
        for pgno in range(1, file.page_count + 1):
            try:
                data = file.read_page(pgno)
            except esent.JetError:
                continue
            changed = data
            for old, new in names.items():
                assert len(old) == len(new)
                changed = changed.replace(old.encode("ascii"), new.encode("cp1252"))
            if changed != data:
                file.write_page(pgno, changed)


HOSTILE = {
    "TableOne": "../../ab",
    "TableTwo": "/tmp/abc",
    "TableThree": "C:\\x\0y|?*.",
    "TableFour": "samename1",
    "TableFive": "SAMENAME1",
    "TableSix": "nul.aux~",
    "TableSeven": "sqlite_x.y",
    "ColumnOne": 'a"b,c\nd;e',
}


@pytest.mark.parametrize("form", ["jsonl", "csv", "sqlite", "parquet", "arrow"])
def test_hostile_names_stay_inside(tmp_path, form: str) -> None:
    if form in NEEDS_ARROW:
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = tmp_path / "db.edb"
    with esent.open(path) as db, db.transaction():
        for name in HOSTILE:
            if name.startswith("Table"):
                table = db.create_table(name, {"id": esent.Int32(), "ColumnOne": esent.Text()}, primary_key="id")
                table.insert(id=1, ColumnOne="x")
    rename_in_catalog(path, HOSTILE)
    manifest = export(path, tmp_path / "out", to=form)
    wanted = {new for old, new in HOSTILE.items() if old.startswith("Table")}
    assert {entry["table"] for entry in entries(manifest)} == wanted
    assert all(entry["error"] is None and entry["rows"] == 1 for entry in entries(manifest))
    files = [entry["file"] for entry in entries(manifest)]
    assert len({name.casefold() for name in files}) == (1 if form == "sqlite" else len(files))
    for name in files:
        assert (tmp_path / "out" / name).resolve().is_relative_to((tmp_path / "out").resolve())
        assert ".." not in Path(name).parts
    assert sorted(each.name for each in tmp_path.iterdir() if not each.name.startswith("edb")) == ["db.edb", "out"]
    if form == "sqlite":
        connection = sqlite3.connect(tmp_path / "out" / files[0])
        told = connection.execute('SELECT DISTINCT "table", "source_table" FROM "_esent_columns"').fetchall()
        assert {source for _, source in told} == wanted
        for table, _ in told:
            assert connection.execute('SELECT count(*) FROM "{}"'.format(table.replace('"', '""'))).fetchone() == (1,)
        connection.close()


def run_cli(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    source = Path(esent.__file__).resolve().parent.parent
    code = "from esent.cli.main import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "export", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(source)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        **options,
    )


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_a_killed_export_leaves_nothing_that_looks_finished(fixtures, tmp_path) -> None:
    path = fixtures.path("engine/rows-200k-8k/db.edb")
    out, draft = tmp_path / "out", tmp_path / ".out.exporting"
    process = run_cli(path, "--to", "jsonl", "--out", out)
    started = draft / ".work" / "0" / "0.jsonl"
    while process.poll() is None and not started.exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not out.exists()
    assert sorted(each.name for each in tmp_path.iterdir()) == [".out.exporting"]
    manifest = export(path, out, to="jsonl", tables=["BenchDurable"])
    assert manifest["whole"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out"]


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
@pytest.mark.parametrize("form", ["jsonl", "csv", "sqlite", "parquet", "arrow"])
def test_a_full_disk_ends_the_export_and_leaves_nothing(fixtures, tmp_path, form: str) -> None:
    import resource

    if form in NEEDS_ARROW:
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = fixtures.path("engine/clean-2000-4k/db.edb")
    process = run_cli(
        *(path, "--to", form, "--out", tmp_path / "out"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, 16_384)),
    )
    _, said = process.communicate()
    assert process.returncode == 1, said
    assert b"esent: " in said
    assert b"Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_what_is_meant_by_files_folders_and_patterns(fixtures, tmp_path, monkeypatch) -> None:
    data = fixtures.read("engine/clean-4k/db.edb")
    for name in ("a/one.edb", "a/deep/two.dat", "b/three.edb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "a" / "edb.log").write_bytes(b"no database" * 1000)
    (tmp_path / "a" / "round").symlink_to(tmp_path, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    assert [path.name for path in find_databases(["a"])] == ["one.edb", "two.dat"]
    assert [path.name for path in find_databases(["**/t*.*", "a"])] == ["two.dat", "three.edb", "one.edb"]
    for wrong in ("missing.edb", "*.nothing"):
        with pytest.raises(esent.FileNotFoundError):
            find_databases([wrong])
    with pytest.raises(esent.InvalidPathError):
        export("a", "a", to="jsonl", force=True)
