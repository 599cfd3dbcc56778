"""Reading damaged files: exactly what was on the bad pages is missing, and the report names them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from damaged_files import HOW, Undamaged, build_deep, losses, row_lines, row_name

from esent.catalog.salvage import Salvage
from esent.constants import codes
from esent.errors import JetError
from esent.pages.checksum import stamp_page
from esent.pages.database_file import DatabaseFile
from esent.pages.page import Page
from esent.tools.dump import dump
from esent.tools.example import build_example
from esent.tree.survey import PageSurvey


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Undamaged:
    """A database of our own writer whose largest trees have three levels."""
    path = tmp_path_factory.mktemp("built") / "deep.edb"
    build_deep(path, 400)
    return Undamaged(path)


@pytest.fixture(scope="module")
def genuine(fixtures) -> Undamaged:
    return Undamaged(fixtures.path("engine/clean-4k/db.edb"))


def check(sound: Undamaged, pgno: int, how: str, target: Path) -> None:
    """One page destroyed: the rows that were on it are missing and no others, and it is named."""
    page, owner = sound.pages[pgno], sound.owner(pgno)
    lines = list(dump(sound.damaged([pgno], how, target), salvage=True))
    got, wanted = row_lines(lines), sound.rows_without([pgno])
    told = losses(lines)
    if owner.part == "long values" and page.is_leaf:
        assert list(map(row_name, got)) == list(map(row_name, wanted))
        assert all('{"error":' in line for line in set(got) - set(wanted))
    else:
        assert got == wanted
    named = [loss for loss in told if loss["page"] == pgno]
    if len(wanted) < len(sound.rows):
        assert [loss for loss in named if loss["table"] == owner.table and not loss["complete"]]
    elif not page.is_leaf:
        assert all(loss["complete"] for loss in told if loss["part"] in ("rows", "long values", "catalog"))
    assert all(loss["page"] == pgno for loss in told)


def classes(sound: Undamaged) -> dict[str, list[int]]:
    """Pages by what they are."""
    found: dict[str, list[int]] = {}
    for pgno, page in sound.pages.items():
        owner = sound.owner(pgno)
        place = "root" if page.is_root else "leaf" if page.is_leaf else "internal"
        kind = "space" if page.is_space else owner.part.partition(" ")[0] or "other"
        if owner.table.startswith("MSys"):
            kind = f"system {kind}"
        found.setdefault(f"{kind} {place}", []).append(pgno)
    return found


def test_a_page_of_every_class_of_a_built_database(built: Undamaged, tmp_path: Path) -> None:
    chance = random.Random(6)
    kinds = classes(built)
    assert {
        "rows leaf",
        "rows internal",
        "rows root",
        "index leaf",
        "index root",
        "long leaf",
        "long root",
    } <= set(kinds)
    assert {"system rows root", "system rows leaf"} <= set(kinds)
    for kind in sorted(kinds):
        check(built, chance.choice(kinds[kind]), chance.choice(HOW), tmp_path / "x.edb")


def test_every_class_of_a_genuine_database(genuine: Undamaged, tmp_path: Path) -> None:
    chance = random.Random(4)
    for number, (_, pgnos) in enumerate(sorted(classes(genuine).items())):
        check(genuine, chance.choice(pgnos), HOW[number % len(HOW)], tmp_path / "x.edb")


@pytest.mark.campaign
@pytest.mark.parametrize("how", HOW)
def test_every_page(genuine: Undamaged, built: Undamaged, how: str, tmp_path: Path) -> None:
    for sound in (genuine, built):
        for pgno in sound.pages:
            check(sound, pgno, how, tmp_path / "x.edb")


def test_many_pages_at_once(built: Undamaged, tmp_path: Path) -> None:
    """With internal pages gone as well, the leaves left are found by what they say of themselves."""
    chance = random.Random(9)
    for count in (3, 12, 40):
        pgnos = chance.sample([p for p in built.pages if not built.owner(p).table.startswith("MSys")], count)
        lines = list(dump(built.damaged(pgnos, "zero", tmp_path / "x.edb"), salvage=True))
        got, wanted = row_lines(lines), built.rows_without(pgnos)
        assert list(map(row_name, got)) == list(map(row_name, wanted))
        changed = [line for line in got if line not in set(wanted)]
        assert all('{"error":' in line for line in changed)
        assert {loss["page"] for loss in losses(lines) if loss["page"]} <= set(pgnos)


def test_both_headers_gone(built: Undamaged, genuine: Undamaged, tmp_path: Path) -> None:
    for sound, how in ((built, "zero"), (genuine, "flip")):
        path = sound.damaged([0], how, tmp_path / "x.edb")
        with pytest.raises(JetError) as refused:
            list(dump(path))
        assert refused.value.code == codes.JET_errReadVerifyFailure
        lines = list(dump(path, salvage=True))
        assert row_lines(lines) == sound.rows
        assert [loss["part"] for loss in losses(lines)] == ["header"]


@pytest.mark.parametrize("page_size", [4096, 8192, 16384, 32768])
def test_page_sizes_are_inferred(page_size: int, tmp_path: Path) -> None:
    path = tmp_path / "x.edb"
    build_example(path, 30, page_size=page_size)
    image = bytearray(path.read_bytes())
    image[: 2 * page_size] = bytes(2 * page_size)
    path.write_bytes(image)
    with DatabaseFile(path, infer=True) as file:
        assert file.page_size == page_size
        assert file.header_damage is not None


def test_a_file_without_a_single_page_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"\0" * 100_000, random.Random(1).randbytes(100_000)):
        path = tmp_path / "x.edb"
        path.write_bytes(content)
        with pytest.raises(JetError):
            list(dump(path, salvage=True))


def test_the_whole_catalog_gone_and_its_shadow_left(built: Undamaged, tmp_path: Path) -> None:
    pgnos = [p for p in built.pages if built.owner(p).table == "MSysObjects"]
    lines = list(dump(built.damaged(pgnos, "zero", tmp_path / "x.edb"), salvage=True))
    assert row_lines(lines) == built.rows


def test_both_roots_of_the_catalog_gone(built: Undamaged, tmp_path: Path) -> None:
    """Its leaves are enough."""
    lines = list(dump(built.damaged([4, 24], "zero", tmp_path / "x.edb"), salvage=True))
    assert row_lines(lines) == built.rows


def test_a_truncated_file(built: Undamaged, tmp_path: Path) -> None:
    path = tmp_path / "x.edb"
    length = len(built.image) // 2 // built.page_size * built.page_size
    path.write_bytes(built.image[: length + 100])
    cut = [pgno for pgno in built.pages if (pgno + 2) * built.page_size > length]
    assert set(map(row_name, row_lines(dump(path, salvage=True)))) == set(map(row_name, built.rows_without(cut)))


def test_links_in_a_circle_end(built: Undamaged, tmp_path: Path) -> None:
    """An internal page that leads back to its root, and leaves that follow each other in a circle."""
    image = bytearray(built.image)
    size = built.page_size
    inner = next(p for p, page in built.pages.items() if page.is_parent_of_leaf and built.owner(p).part == "rows")
    root = next(p for p, page in built.pages.items() if page.is_root and page.objid == built.pages[inner].objid)
    page = built.pages[inner]
    for line in range(page.line_count):
        start, end = page.value_bounds(line)
        image[(inner + 1) * size + start : (inner + 1) * size + end] = root.to_bytes(4, "little")
    leaves = [p for p, other in built.pages.items() if other.objid == page.objid and other.is_leaf and not other.is_space]
    for pgno in leaves:
        image[(pgno + 1) * size + 20 : (pgno + 1) * size + 24] = leaves[0].to_bytes(4, "little")
    for pgno in (inner, *leaves):
        image[(pgno + 1) * size : (pgno + 2) * size] = stamp_page(bytes(image[(pgno + 1) * size : (pgno + 2) * size]), pgno)
    path = tmp_path / "x.edb"
    path.write_bytes(image)
    lines = list(dump(path, salvage=True))
    assert row_lines(lines) == built.rows
    assert losses(lines)


def test_what_a_merge_left_does_not_come_back(fixtures, tmp_path: Path) -> None:
    """Rows deleted for good are on free pages with the object id of their table; a hole is not filled with them."""
    sound = Undamaged(fixtures.path("engine/deleted-4k/db.edb"))
    names = set(map(row_name, sound.rows))
    for pgno, page in sound.pages.items():
        if page.is_parent_of_leaf and page.is_root and sound.owner(pgno).part == "rows":
            path = sound.damaged([pgno], "zero", tmp_path / "x.edb")
            assert set(map(row_name, row_lines(dump(path, salvage=True)))) <= names


def test_the_survey_counts_every_page_once(built: Undamaged, tmp_path: Path) -> None:
    path = built.damaged([40, 41], "flip", tmp_path / "x.edb")
    with DatabaseFile(path) as file:
        survey = PageSurvey(file)
    assert list(survey.bad) == [40, 41]
    leaves = {pgno for found in survey.leaves.values() for pgno in found}
    wanted = {p for p, page in built.pages.items() if page.is_leaf and not page.is_root and not page.is_space}
    assert leaves == wanted - {40, 41}


def test_search_in_a_damaged_tree(built: Undamaged, tmp_path: Path) -> None:
    """Look-ups find what a scan finds, also below an internal page that is gone."""
    inner = [
        p for p, page in built.pages.items() if page.is_parent_of_leaf and not page.is_root and built.owner(p).part == "rows"
    ]
    leaf = next(
        p for p, page in built.pages.items() if page.is_leaf and built.owner(p) == ("Heap", "rows") and not page.is_root
    )
    path = built.damaged([*inner[:2], leaf], "zero", tmp_path / "x.edb")
    with DatabaseFile(path) as file:
        salvage = Salvage(file)
        for name in ("Heap", "Deep"):
            tree = salvage.rows(salvage.catalog.table(name))
            entries = list(tree.entries())
            for key, data in entries[:: max(1, len(entries) // 40)]:
                assert tree.find(key) == data
                assert next(tree.entries(key)) == (key, data)
        gone = Page(built.pages[leaf].data, leaf).key(0)
        assert salvage.rows(salvage.catalog.table("Heap")).find(gone) is None
