"""Verification: genuine files with the original's verdicts, every kind of damage, hostile files."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esent.errors import JetError
from esent.pages.checksum import flip_bits, stamp_page
from esent.pages.database_file import DatabaseFile
from esent.pages.header import DatabaseHeader, DatabaseState
from esent.pages.page import Page
from esent.tools.verify import Finding, Severity, VerifyReport, verify_database
from genuine import FIXTURES, Fixtures

SIZE = 4096
VARIANTS = ["bit", "bit-in-checksum", "bit-in-header", "byte", "swapped", "two-bits", "zeroed"]


def results() -> list[tuple[str, dict[str, Any]]]:
    found = []
    if FIXTURES is not None:
        for path in sorted(FIXTURES.glob("windows/*/results.json")):
            for name, result in json.loads(path.read_bytes()).items():
                if isinstance(result, dict) and "checksum_run" in result:
                    found.append((f"windows/{path.parent.name}/{name}", result))
    return found


RESULTS = results()


@pytest.mark.parametrize(("name", "result"), RESULTS, ids=[name for name, _ in RESULTS])
def test_files_of_windows(fixtures: Fixtures, name: str, result: dict[str, Any]) -> None:
    report = verify_database(fixtures.path(name))
    run = result["checksum_run"]
    assert report.pages_seen == run["pages_seen"]
    assert report.bad_checksums == run["bad_checksums"]
    assert report.correctable_checksums == run["correctable_checksums"]
    assert report.uninitialized_pages == run["uninitialized_pages"]
    assert report.page_size == result.get("page_size", report.page_size)
    bad = {finding.page for finding in report.findings if finding.page and "checksum" in finding.text}
    assert bad == set(run.get("bad_pages", []))
    # the original's complaint about types/index.edb is about sort keys of its own system, not about the file
    if "integrity_check" in result and name != "windows/types/index.edb":
        assert report.ok == (result["integrity_check"]["err"] == 0), report.findings
    else:
        assert report.ok, report.findings


def test_real_defects(fixtures: Fixtures) -> None:
    """catalog/Catalog1.edb: the pages whose dbtime the original complains about, and the shadow catalog."""
    report = verify_database(fixtures.path("windows/catalog/Catalog1.edb"))
    complaints = json.loads(fixtures.read("windows/catalog/results.json"))["Catalog1.edb"]["integrity_errors"]
    named = {int(line.split("page ")[1].split(":")[0]) for line in complaints if "dbtime is larger" in line}
    assert named == {finding.page for finding in report.findings if finding.severity is Severity.ERROR} == {49, 50, 51}
    assert any("shadow catalog" in finding.text for finding in report.findings)
    assert any("256 pages longer" in finding.text for finding in report.findings)
    index = next(line.split('Index "')[1].split('"')[0] for line in complaints if "Index" in line)
    dangling = [finding.text for finding in report.findings if "records that do not exist" in finding.text]
    assert dangling == [f"index {index}: entries that point to records that do not exist: 1"]


CLEAN = [
    "clean-4k/db.edb",
    "clean-8k/db.edb",
    "clean-16k/db.edb",
    "clean-32k/db.edb",
    "clean-2000-32k/db.edb",
    "deleted-4k/db.edb",
    "efv-8020/db.edb",
    "efv-9180/db.edb",
    "efv-9600/db.edb",
    "dirty-4k/recovered.edb",
    "dirty-twice-4k/recovered.edb",
    "dirty-ddl-4k/recovered.edb",
    "backup-stream-4k/restored.edb",
]


@pytest.mark.parametrize("name", CLEAN)
def test_sound_databases(fixtures: Fixtures, name: str) -> None:
    report = verify_database(fixtures.path(f"engine/{name}"))
    assert report.ok
    assert report.warnings == 0
    assert report.state is DatabaseState.CLEAN_SHUTDOWN
    assert report.trees > 50
    # every page of the database is in one tree or free
    assert report.pages_leaked == 0
    assert report.pages_used + report.pages_available == report.last_owned


@pytest.mark.parametrize("name", ["dirty-4k", "dirty-32k", "dirty-checkpoint-8k", "dirty-reattach-4k", "dirty-ddl-4k"])
def test_dirty_databases_are_no_error(fixtures: Fixtures, name: str) -> None:
    path = fixtures.path(f"engine/{name}/db.edb")
    report = verify_database(path)
    assert report.state is DatabaseState.DIRTY_SHUTDOWN
    assert report.ok
    with DatabaseFile(path) as database:
        first, last = database.header.gen_min_required, database.header.gen_max_required
    assert any(f"logs {first} to {last}" in finding.text for finding in report.findings)


@pytest.mark.parametrize(
    "name", ["backup-stream-4k/db.edb", "backup-incremental-4k/db.edb", "backup-jet-atomic-8k/set/new/db.edb"]
)
def test_backup_copies(fixtures: Fixtures, tmp_path: Path, name: str) -> None:
    path = fixtures.path(f"engine/{name}")
    report = verify_database(path)
    assert report.backup_copy
    assert report.ok
    assert report.bad_checksums == 0
    data = path.read_bytes()
    copy = tmp_path / "copy.edb"
    size = report.page_size
    for damaged in (data[:-size], data[:-size] + flip_bits(data[-size:], [400]), data[:-size] + bytes(size)):
        copy.write_bytes(damaged)
        report = verify_database(copy)
        assert not report.ok
        assert any("trailer" in finding.text and finding.severity is Severity.ERROR for finding in report.findings)


@pytest.mark.parametrize("variant", VARIANTS)
def test_damaged_variants(fixtures: Fixtures, tmp_path: Path, variant: str) -> None:
    outcome = json.loads(fixtures.read(f"engine/damaged-pages-4k/{variant}/outcome.json"))
    base = fixtures.read("engine/damaged-pages-4k/db.edb")
    place = outcome["file_offset"]
    path = tmp_path / "db.edb"
    path.write_bytes(base[:place] + fixtures.read(f"engine/damaged-pages-4k/{variant}/page.bin") + base[place + SIZE :])
    report = verify_database(path)
    counted = {line.split(" ", 1)[1]: int(line.split(" ", 1)[0]) for line in outcome["checksum_run"][1:6]}
    assert report.pages_seen == counted["pages seen"]
    assert report.bad_checksums == counted["bad checksums"]
    assert report.correctable_checksums == counted["correctable checksums"]
    assert report.uninitialized_pages == counted["uninitialized pages"]
    assert report.ok == (outcome["integrity"]["err"] == 0)
    worst = [finding for finding in report.findings if finding.page == outcome["page"]]
    assert worst
    assert all(finding.offset == place for finding in worst)
    quick = verify_database(path, structure=False)
    assert (quick.bad_checksums, quick.uninitialized_pages) == (report.bad_checksums, report.uninitialized_pages)
    assert quick.ok == (counted["bad checksums"] == 0)


class Bench:
    """A copy of a sound database whose pages can be changed, checksums put right."""

    def __init__(self, data: bytes, path: Path) -> None:
        self.data = bytearray(data)
        self.path = path

    def page(self, pgno: int) -> Page:
        return Page(bytes(self.data[(pgno + 1) * SIZE : (pgno + 2) * SIZE]), pgno)

    def pages(self) -> list[Page]:
        numbers = range(1, len(self.data) // SIZE - 1)
        return [self.page(pgno) for pgno in numbers if any(self.data[(pgno + 1) * SIZE : (pgno + 2) * SIZE])]

    def patch(self, pgno: int, offset: int, value: bytes) -> None:
        start = (pgno + 1) * SIZE
        page = bytearray(self.data[start : start + SIZE])
        page[offset : offset + len(value)] = value
        self.data[start : start + SIZE] = stamp_page(bytes(page), pgno)

    def header(self, change: Callable[[DatabaseHeader], None]) -> None:
        header = DatabaseHeader.parse(bytes(self.data[:SIZE]))
        change(header)
        self.data[: 2 * SIZE] = header.pack() * 2

    def verify(self) -> VerifyReport:
        self.path.write_bytes(bytes(self.data))
        return verify_database(self.path)

    def errors(self) -> list[Finding]:
        return [finding for finding in self.verify().findings if finding.severity is Severity.ERROR]


@pytest.fixture
def bench(fixtures: Fixtures, tmp_path: Path) -> Bench:
    return Bench(fixtures.read("engine/clean-4k/db.edb"), tmp_path / "db.edb")


def live_leaf(bench: Bench) -> Page:
    """A leaf below a root, in use, that has a right neighbour."""
    with DatabaseFile(bench.path) as database:
        for page in bench.pages():
            if page.is_parent_of_leaf and page.is_root and page.line_count > 3 and page.objid > 7:
                leaf = Page(database.read_page(page.child(1)), page.child(1))
                if leaf.objid == page.objid and leaf.next:
                    return leaf
    raise AssertionError("no such page")


def test_the_bench_is_sound(bench: Bench) -> None:
    assert bench.errors() == []


@pytest.mark.parametrize(
    ("offset", "value", "word"),
    [
        (20, (3).to_bytes(4, "little"), "right neighbour"),
        (16, (3).to_bytes(4, "little"), "left neighbour"),
        (24, (99).to_bytes(4, "little"), "object id 99"),
        (8, (1 << 40).to_bytes(8, "little"), "dbtime"),
        (36, (0x40).to_bytes(4, "little"), "another kind"),
        (36, (0x10).to_bytes(4, "little"), "repair"),
        (28, (77).to_bytes(2, "little"), "add up"),
        (32, (3).to_bytes(2, "little"), "first free byte"),
        (30, (4000).to_bytes(2, "little"), "free space"),
        (36, (0x08).to_bytes(4, "little"), "emptied"),
    ],
)
def test_damage_to_a_leaf(bench: Bench, offset: int, value: bytes, word: str) -> None:
    bench.verify()
    leaf = live_leaf(bench)
    if offset == 36:  # a flag that is set besides
        value = (leaf.flags | int.from_bytes(value, "little")).to_bytes(4, "little")
    bench.patch(leaf.pgno, offset, value)
    errors = bench.errors()
    assert any(word in finding.text and finding.page in (leaf.pgno, leaf.next, leaf.previous) for finding in errors), errors


def test_a_root_that_is_none(bench: Bench) -> None:
    space = next(page for page in bench.pages() if page.is_root and page.is_space and page.objid > 7)
    bench.patch(space.pgno, 36, (space.flags & ~1).to_bytes(4, "little"))
    assert any("not the root of a space tree" in finding.text for finding in bench.errors())
    index = next(page for page in bench.pages() if page.is_root and page.is_index and not page.is_space)
    bench.patch(index.pgno, 36, (index.flags & ~1).to_bytes(4, "little"))
    assert any("not a root page" in finding.text for finding in bench.errors())


def test_keys_out_of_bounds(bench: Bench) -> None:
    bench.verify()
    leaf = live_leaf(bench)
    start, end = leaf.value_bounds(0)
    size = len(leaf.raw_node(0)[2])
    assert size
    bench.patch(leaf.pgno, start - size, b"\xff" * size)
    words = " ".join(finding.text for finding in bench.errors())
    assert "is not greater than the line before" in words
    bench.patch(leaf.pgno, start - size, b"\x00" * size)
    assert "below the bound" in " ".join(finding.text for finding in bench.errors())
    assert end > start


@pytest.mark.parametrize("step", [-1, 1])
def test_a_last_separator_that_is_not_the_one_above(fixtures: Fixtures, tmp_path: Path, step: int) -> None:
    """The engine's own check wants the last key of an internal page to be the very key that leads to it."""
    bench = Bench(fixtures.read("windows/srum-win10/SRUDB.dat"), tmp_path / "db.edb")
    assert bench.errors() == []
    pages = (page for page in bench.pages() if not page.is_leaf and not page.is_root and page.line_count > 1)
    page = next(page for page in pages if page.objid > 7 and page.key(page.line_count - 1))
    start, _ = page.value_bounds(page.line_count - 1)
    changed = bytes(bench.data[(page.pgno + 1) * SIZE + start - 1 :][:1])[0] + step
    bench.patch(page.pgno, start - 1, bytes([changed]))
    found = [finding for finding in bench.errors() if finding.page == page.pgno]
    assert ["last separator" in finding.text for finding in found] == [True], found


def test_a_leaf_that_was_never_written(bench: Bench) -> None:
    bench.verify()
    leaf = live_leaf(bench)
    bench.data[(leaf.pgno + 1) * SIZE : (leaf.pgno + 2) * SIZE] = bytes(SIZE)
    errors = bench.errors()
    assert [finding.page for finding in errors] == [leaf.pgno]
    assert "never written" in errors[0].text


def test_children_that_are_wrong(bench: Bench) -> None:
    bench.verify()
    parent = next(
        page for page in bench.pages() if page.is_parent_of_leaf and page.is_root and page.line_count > 3 and page.objid > 7
    )
    start, _ = parent.value_bounds(1)
    for child, word in ((parent.child(0), "second time"), (10**6, "does not have"), (0, "does not have"), (1, "second time")):
        bench.patch(parent.pgno, start, child.to_bytes(4, "little"))
        assert any(word in finding.text for finding in bench.errors()), child
    bench.patch(parent.pgno, start, parent.pgno.to_bytes(4, "little"))  # a circle
    assert any("second time" in finding.text for finding in bench.errors())


def space_lines(bench: Bench, pgno: int) -> list[tuple[int, int, int, int]]:
    """(line, offset of the data, last page, pages) of the live lines of a space page."""
    page = bench.page(pgno)
    lines = []
    for line, (flags, key, value) in enumerate(page.entries()):
        if not flags & 2:
            lines.append((line, page.value_bounds(line)[0], int.from_bytes(key, "big"), int.from_bytes(value, "little")))
    return lines


def test_space_that_is_given_twice(bench: Bench) -> None:
    _, offset, last, pages = space_lines(bench, 3)[-1]
    bench.patch(3, offset, (pages + 1).to_bytes(4, "little"))
    words = [finding.text for finding in bench.errors()]
    assert any("available" in word and str(last - pages) in word for word in words), words


def test_space_that_is_not_owned(bench: Bench) -> None:
    report = bench.verify()
    _, offset, last, _ = space_lines(bench, 2)[-1]
    assert last == report.last_owned
    bench.patch(2, offset, (2).to_bytes(4, "little"))
    words = [finding.text for finding in bench.errors()]
    assert any("does not own" in word or "not owned" in word for word in words), words


def test_extents_that_are_none(bench: Bench) -> None:
    _, offset, _, _ = space_lines(bench, 2)[0]
    for pages in (0, 0xFFFFFFFF, 10**6):
        bench.patch(2, offset, pages.to_bytes(4, "little"))
        assert any("no extent" in finding.text for finding in bench.errors())


def test_a_parent_that_is_another(bench: Bench) -> None:
    root = next(page for page in bench.pages() if page.is_root and not page.is_space and page.objid > 7)
    start, _ = root.tag(0)
    bench.patch(root.pgno, start + 4, (2).to_bytes(4, "little"))
    assert any("its space comes from page 2" in finding.text for finding in bench.errors())
    bench.patch(root.pgno, start + 8, b"\x06")
    assert any("disagree" in finding.text for finding in bench.errors())


def test_a_shadow_catalog_that_differs(bench: Bench) -> None:
    page = next(
        page for page in bench.pages() if page.objid == 3 and page.is_leaf and not page.is_space and page.line_count > 3
    )
    _, end = page.value_bounds(2)
    bench.patch(page.pgno, end - 1, bytes((page.data[end - 1] ^ 1,)))
    assert any("shadow catalog" in finding.text for finding in bench.errors())
    bench.header(lambda header: setattr(header, "db_flags", header.db_flags | 1))
    report = bench.verify()
    assert report.ok
    assert report.warnings == 1


def test_a_root_of_the_catalog_that_leads_nowhere(bench: Bench) -> None:
    for page in bench.pages():
        if page.objid != 2 or not page.is_leaf or page.is_space or page.is_index:
            continue
        for line in range(page.line_count):
            start, _ = page.value_bounds(line)
            record = page.value(line)
            if record[8:10] == b"\x01\0" and int.from_bytes(record[10:14], "little") > 7:
                bench.patch(page.pgno, start + 14, (10**7).to_bytes(4, "little"))
                assert any("does not have" in finding.text for finding in bench.errors())
                bench.patch(page.pgno, start + 14, (29).to_bytes(4, "little"))
                assert any("root page of another tree" in finding.text for finding in bench.errors())
                return
    raise AssertionError("no table")


def test_entries_without_a_record(bench: Bench) -> None:
    for page in bench.pages():
        if page.is_leaf and page.is_index and not page.is_space and page.objid > 7 and page.line_count > 1:
            start, end = page.value_bounds(page.line_count - 1)
            bench.patch(page.pgno, end - 1, b"\xee")
            break
    errors = bench.errors()
    assert [finding.page for finding in errors] == [page.pgno]
    assert errors[0].text.endswith("records that do not exist: 1")
    assert start < end
    assert verify_database(bench.path, references=False).ok


def test_pages_that_are_not_in_use(bench: Bench) -> None:
    """Damage to a free page is a warning, behind the database a note."""
    report = bench.verify()
    free = next(last for _, _, last, pages in space_lines(bench, 3) if pages)
    bench.data[(free + 1) * SIZE + 100] ^= 0xFF
    behind = report.last_owned + 1
    bench.data[(behind + 1) * SIZE + 100] ^= 0xFF
    report = bench.verify()
    assert report.ok
    assert {finding.page: finding.severity for finding in report.findings if "checksum" in finding.text} == {
        free: Severity.WARNING,
        behind: Severity.NOTE,
    }


def test_short_and_odd_files(bench: Bench) -> None:
    report = bench.verify()
    whole = bytes(bench.data)
    bench.data[:] = whole[: (report.last_owned + 1) * SIZE]
    assert any("the file ends after page" in finding.text for finding in bench.errors())
    bench.data[:] = whole + b"odd"
    report = bench.verify()
    assert report.ok
    assert any("3 bytes behind" in finding.text for finding in report.findings)
    for length in (2 * SIZE, 3 * SIZE, 5 * SIZE, 9 * SIZE + 100):
        bench.data[:] = whole[:length]
        assert not bench.verify().ok


def test_header_copies(bench: Bench) -> None:
    whole = bytes(bench.data)
    for place, word in ((200, "shadow copy stands in"), (SIZE + 200, "shadow copy of the header is damaged")):
        bench.data[:] = whole
        bench.data[place] ^= 1
        report = bench.verify()
        assert report.ok
        assert [word in finding.text for finding in report.findings if finding.severity is Severity.WARNING] == [True]
        assert bench.path.read_bytes() == bytes(bench.data)
    bench.data[200] ^= 1
    report = bench.verify()
    assert not report.ok
    assert report.pages_seen == 0
    bench.data[:] = whole
    bench.header(lambda header: setattr(header, "objid_last", 1000))
    bench.data[SIZE : 2 * SIZE] = whole[:SIZE]
    assert any("differs" in finding.text for finding in bench.verify().findings)


def test_header_states(bench: Bench) -> None:
    bench.header(lambda header: setattr(header, "dbstate", 1))
    assert any("just created" in finding.text for finding in bench.errors())
    bench.header(lambda header: setattr(header, "gen_min_required", 9))
    assert any("contradicts" in finding.text for finding in bench.errors())


def test_calls(fixtures: Fixtures, tmp_path: Path) -> None:
    path = fixtures.path("engine/clean-8k/db.edb")
    seen: list[tuple[int, int]] = []
    report = verify_database(path, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]
    assert seen == sorted(seen)
    with DatabaseFile(path) as database:
        assert verify_database(database) == report
    assert str(report.findings[0]).startswith("note: db.edb")
    with pytest.raises(JetError) as caught:
        verify_database(tmp_path / "absent.edb")
    assert caught.value.name == "JET_errFileNotFound"
    (tmp_path / "nothing.edb").write_bytes(b"")
    assert not verify_database(tmp_path / "nothing.edb").ok
    log = tmp_path / "edb.log"
    log.write_bytes(gzip.decompress((fixtures.root / "engine/clean-4k/edb00001.log.gz").read_bytes()))
    assert not verify_database(log).ok


def test_the_number_of_findings_is_bounded(bench: Bench) -> None:
    for pgno in range(1, 250):
        bench.data[(pgno + 1) * SIZE + 200] ^= 0x55
    bench.path.write_bytes(bytes(bench.data))
    report = verify_database(bench.path, limit=10)
    assert len(report.findings) == 10
    assert report.suppressed > 100
    assert report.errors > 10


@pytest.mark.parametrize("seed", range(12))
def test_hostile_files(bench: Bench, seed: int) -> None:
    """Changed pages with right checksums: always a report, in bounded time."""
    chance = random.Random(seed)
    pages = [page.pgno for page in bench.pages()]
    for _ in range(chance.randrange(1, 60)):
        pgno = chance.choice(pages if seed % 3 else pages[:12])
        if chance.random() < 0.2:
            other = chance.choice(pages)
            bench.patch(pgno, 8, bytes(bench.data[(other + 1) * SIZE + 8 : (other + 2) * SIZE]))
        elif chance.random() < 0.1:
            bench.patch(pgno, 8, chance.randbytes(SIZE - 8))
        else:
            place = chance.choice([chance.randrange(8, 120), SIZE - chance.randrange(1, 200), chance.randrange(8, SIZE)])
            bench.patch(pgno, place, chance.randbytes(min(chance.randrange(1, 5), SIZE - place)))
    report = bench.verify()
    assert report.pages_seen == len(bench.data) // SIZE
    assert report.errors == sum(finding.severity is Severity.ERROR for finding in report.findings) or report.suppressed


def test_random_files(tmp_path: Path) -> None:
    chance = random.Random(5)
    path = tmp_path / "random.edb"
    for size in (100, 4096, 20000, 300000):
        path.write_bytes(chance.randbytes(size))
        assert not verify_database(path).ok
    header = DatabaseHeader(page_size_field=4096, dbstate=3).pack()
    path.write_bytes(header * 2 + chance.randbytes(40 * 4096))
    report = verify_database(path)
    assert not report.ok
    assert report.bad_checksums >= 39
