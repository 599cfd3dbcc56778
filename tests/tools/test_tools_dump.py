"""Dumps against the original's: every recorded dump that belongs to a recorded database, to the character."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from esent.catalog.schema import Catalog
from esent.constants import codes
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.tools.dump import dump
from esent.tree.cursor import Tree

DATABASE_OF = {
    "dump.jsonl": "db.edb",
    "dump-full.jsonl": "db.edb",
    "recovered.jsonl": "recovered.edb",
    "recovered2.jsonl": "recovered2.edb",
    "restored.jsonl": "restored.edb",
}
"""Recorded dump to the database beside it, in the sets of `engine/`; in `windows/` the name of the file comes first."""


def _is_there(path: Path) -> bool:
    return path.is_file() or path.with_name(path.name + ".gz").is_file()


def recorded(root: Path) -> list[tuple[str, str]]:
    """(dump, database) for all dumps whose database is recorded too."""
    found = []
    for path in sorted(root.rglob("*.jsonl*")):
        name = path.name.removesuffix(".gz")
        database = DATABASE_OF.get(name) or name.removesuffix(".dump.jsonl").removesuffix(".keys.jsonl")
        if database != name and _is_there(path.with_name(database)):
            found.append((str(path.with_name(name).relative_to(root)), str(path.with_name(database).relative_to(root))))
    return found


def damaged(root: Path) -> list[str]:
    return sorted(str(path.parent.relative_to(root)) for path in root.glob("engine/damaged-pages-*/*/page.bin"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    root = metafunc.config.pluginmanager.get_plugin(str(Path(__file__).parents[1] / "conftest.py")).FIXTURES
    if "pair" in metafunc.fixturenames:
        pairs = recorded(root) if root else [("absent", "absent")]
        metafunc.parametrize("pair", pairs, ids=[dump for dump, _ in pairs])
    if "variant" in metafunc.fixturenames:
        metafunc.parametrize("variant", damaged(root) if root else ["absent"])


def agree(got: list[str], wanted: list[str]) -> None:
    """Line by line, in meaning; that the text is the same too is shown on one file of each kind."""
    for mine, theirs in zip(got, wanted, strict=False):
        if mine != theirs:
            assert json.loads(mine) == json.loads(theirs)
    assert len(got) == len(wanted)


def test_as_the_original(fixtures, pair: tuple[str, str]) -> None:
    wanted = fixtures.read(pair[0]).decode("ascii").splitlines()
    keys = pair[0].endswith(".keys.jsonl")
    system = any(line.startswith('{"table":"MSysObjects"') for line in wanted)
    entries = any("k" in json.loads(line) for line in wanted if '"ix":' in line and not line.startswith('{"table"'))
    lines = dump(fixtures.path(pair[1]), system=system, rows=not keys, entries=entries)
    agree(list(lines), wanted)


def test_there_are_recorded_dumps(fixtures) -> None:
    assert len(recorded(fixtures.root)) >= 70
    assert len(damaged(fixtures.root)) >= 7


def test_damaged_pages(fixtures, variant: str, tmp_path: Path) -> None:
    """The rows up to the bad page, the error, and everything that does not need the page."""
    outcome = json.loads(fixtures.read(f"{variant}/outcome.json"))
    base = str(Path(variant).parent)
    image = bytearray(fixtures.read(f"{base}/db.edb"))
    page = fixtures.read(f"{variant}/page.bin")
    image[outcome["file_offset"] : outcome["file_offset"] + len(page)] = page
    copy = tmp_path / "db.edb"
    copy.write_bytes(image)
    wanted = f"{variant}/dump.jsonl" if _is_there(fixtures.root / variant / "dump.jsonl") else f"{base}/dump.jsonl"
    agree(list(dump(copy)), fixtures.read(wanted).decode("ascii").splitlines())
    assert copy.read_bytes() == image


def test_salvage_goes_on_behind_a_damaged_page(fixtures, variant: str, tmp_path: Path) -> None:
    """Only what is on the damaged page is missing; every row there is, is a row of the undamaged dump."""
    outcome = json.loads(fixtures.read(f"{variant}/outcome.json"))
    base = str(Path(variant).parent)
    image = bytearray(fixtures.read(f"{base}/db.edb"))
    page = fixtures.read(f"{variant}/page.bin")
    image[outcome["file_offset"] : outcome["file_offset"] + len(page)] = page
    copy = tmp_path / "db.edb"
    copy.write_bytes(image)
    undamaged = set(fixtures.read(f"{base}/dump.jsonl").decode("ascii").splitlines())
    plain, salvaged = rows_of(dump(copy)), rows_of(dump(copy, salvage=True))
    assert set(salvaged) <= undamaged
    scan_ended = any('"scanerror"' in line and '"ix"' not in line for line in dump(copy))
    assert len(salvaged) > len(plain) if scan_ended else salvaged == plain


def rows_of(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if ',"r":{' in line]


def test_salvage_of_a_whole_database_is_its_dump(fixtures) -> None:
    path = fixtures.path("engine/clean-2000-4k/db.edb")
    assert list(dump(path, system=True, salvage=True)) == list(dump(path, system=True))


def test_salvage_of_a_dirty_database(fixtures) -> None:
    """Leaves whose links were not written together are there when reached from above."""
    path = fixtures.path("engine/dirty-4k/db.edb")
    plain = list(dump(path, allow_dirty=True))
    salvaged = list(dump(path, allow_dirty=True, salvage=True))
    assert any(f'"scanerror":{codes.JET_errBadPageLink}' in line for line in plain)
    assert not any(f'"scanerror":{codes.JET_errBadPageLink}' in line for line in salvaged)


def test_whole_text_of_the_timing_set(fixtures) -> None:
    results = json.loads(fixtures.read("engine/rows-200k-8k/set.json"))["results"]["dump"]
    sample = iter(fixtures.read("engine/rows-200k-8k/dump-sample.jsonl").decode("ascii").splitlines())
    digest = hashlib.sha256()
    count = 0
    waiting = next(sample)
    for line in dump(fixtures.path("engine/rows-200k-8k/db.edb")):
        digest.update(line.encode() + b"\n")
        count += 1
        if line == waiting:
            waiting = next(sample, "")
    assert (count, digest.hexdigest(), waiting) == (results["lines"], results["sha256"], "")


def test_recovered_and_repaired_are_the_same_rows(fixtures) -> None:
    """The dirty database of this machine, recovered, has the content of its repaired copy."""
    repaired = list(dump(fixtures.path("windows/srum-win11-repaired/SRUDB.dat"), system=True))
    agree(repaired, fixtures.read("windows/srum-win11-dirty/SRUDB.dat.recovered.dump.jsonl").decode("ascii").splitlines())


def test_dirty_without_logs_as_it_is(fixtures) -> None:
    """The original could only repair a copy of this file; read as it is, all of its rows are there."""
    lines = dump(fixtures.path("windows/ual-hyperv/Current.mdb"), system=True, allow_dirty=True)
    agree(list(lines), fixtures.read("windows/ual-hyperv/Current.mdb.repaired.dump.jsonl").decode("ascii").splitlines())


def test_dirty_is_refused_unless_allowed(fixtures) -> None:
    path = fixtures.path("engine/dirty-4k/db.edb")
    with pytest.raises(JetError) as refused:
        next(dump(path))
    assert refused.value.code == codes.JET_errDatabaseDirtyShutdown
    assert next(dump(path, allow_dirty=True)).startswith('{"table":"AllTypes"')


def test_chosen_tables(fixtures) -> None:
    path = fixtures.path("engine/clean-4k/db.edb")
    everything = list(dump(path))
    chosen = list(dump(path, ["heap", "Counters"]))
    about = [json.loads(line).get("table") or json.loads(line)["t"] for line in everything]
    assert chosen == [line for line, table in zip(everything, about, strict=True) if table in ("Heap", "Counters")]
    with pytest.raises(JetError) as unknown:
        list(dump(path, ["none of that name"]))
    assert unknown.value.code == codes.JET_errObjectNotFound


def test_a_page_source_is_as_good_as_a_path(fixtures) -> None:
    path = fixtures.path("engine/clean-8k/db.edb")
    with DatabaseFile(path) as file:
        assert list(dump(file)) == list(dump(path))


def test_streams(fixtures) -> None:
    """Lines come one by one: the first rows of a table are there before its last page is read."""
    with DatabaseFile(fixtures.path("engine/rows-200k-8k/db.edb")) as file:
        asked: list[int] = []

        class Counted:
            page_size = file.page_size

            def read_page(self, pgno: int) -> bytes:
                asked.append(pgno)
                return file.read_page(pgno)

        lines = dump(Counted(), ["BenchLazy"])
        next(lines)
        next(lines)
        early = len(asked)
        for _ in lines:
            pass
        assert early * 10 < len(asked)


def test_catalog_damage_falls_back_to_the_shadow(fixtures, tmp_path: Path) -> None:
    """With the root of MSysObjects gone, the shadow catalog gives the same user tables."""
    source = fixtures.path("engine/clean-4k/db.edb")
    image = bytearray(source.read_bytes())
    size = 4096
    image[(4 + 1) * size + 100] ^= 0x5A
    image[(4 + 1) * size + 201] ^= 0x35
    copy = tmp_path / "db.edb"
    copy.write_bytes(image)
    with DatabaseFile(copy) as file:
        catalog = Catalog.load(file)
        assert catalog.source_table == "MSysObjectsShadow"
        assert catalog.damage is not None and catalog.damage.code == codes.JET_errReadVerifyFailure
    assert list(dump(copy)) == list(dump(source))


def test_a_damaged_definition_costs_one_table(fixtures) -> None:
    with DatabaseFile(fixtures.path("engine/clean-4k/db.edb")) as file:
        root = next(page for page in Tree(file, 4, 2).leaves() if b"cUByte" in page.data)
        image = bytearray(root.data)
        line = next(line for line in range(root.line_count) if b"cUByte" in root.value(line))
        start, _ = root.value_bounds(line)
        image[start + 14] = 99  # its column type

        class Changed:
            page_size = file.page_size

            def read_page(self, pgno: int) -> bytes:
                return bytes(image) if pgno == root.pgno else file.read_page(pgno)

        lines = list(dump(Changed()))
        assert f'{{"table":"AllTypes","error":{codes.JET_errCatalogCorrupted}}}' in lines
        assert lines[1:] == [line for line in dump(file) if '"AllTypes"' not in line]


def test_expected_dumps_are_ascii_without_spaces(fixtures) -> None:
    """Ours are equal to the recorded text itself, not only in meaning."""
    with gzip.open(fixtures.root / "engine/clean-4k/dump-full.jsonl.gz", "rt", encoding="ascii") as lines:
        wanted = lines.read().splitlines()
    assert list(dump(fixtures.path("engine/clean-4k/db.edb"), system=True, entries=True)) == wanted
