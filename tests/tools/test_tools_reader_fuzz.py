"""Every way of reading a file, over damaged ones: it ends in what it gives or in a `JetError`, in bounded time and memory.

Half of the damage is under a checksum made right again, as a checksum would stop nearly all of it. The campaign takes as many
forms as `ESENT_FUZZ_EXAMPLES` says (default 400 a file): `ESENT_FUZZ_EXAMPLES=5000 python -m pytest -m campaign
tests/tools/test_tools_reader_fuzz.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from damaged_files import build_deep

import esent
from esent.catalog.column_scan import column_batches
from esent.catalog.schema import Catalog
from esent.errors import JetError
from esent.pages.checksum import stamp_page
from esent.pages.database_file import DatabaseFile
from esent.tools.dump import dump
from esent.tools.info import describe
from esent.tools.log_dump import dump_json
from esent.tools.verify import verify_database

SECONDS = 60.0
MEMORY = 128 << 20
EXAMPLES = int(os.environ.get("ESENT_FUZZ_EXAMPLES", "400"))
FILES = [
    "windows/types/default.edb",
    "windows/types/multi.edb",
    "windows/types/binary.edb",
    "engine/clean-4k/db.edb",
    "engine/clean-16k/db.edb",
    "engine/dirty-ddl-4k/db.edb",
]


def read_plain(path: Path) -> None:
    for line in dump(path, system=True, entries=True, allow_dirty=True):
        json.loads(line)


def read_salvage(path: Path) -> None:
    for line in dump(path, system=True, entries=True, allow_dirty=True, salvage=True):
        json.loads(line)


def read_api(path: Path) -> None:
    with esent.open(path, salvage=True) as db:
        for name in db.tables:
            with contextlib.suppress(JetError):
                table = db[name]
                rows = [row.bookmark for row in table]
                for index in table.indexes:
                    for _ in table.index(index):
                        pass
                for bookmark in rows[:3]:
                    with contextlib.suppress(JetError):
                        table.at(bookmark)
        assert all(str(loss) for loss in db.losses)


def read_columns(path: Path) -> None:
    with esent.open(path, salvage=True) as db:
        for name in db.tables:
            with contextlib.suppress(JetError):
                for batch in column_batches(db.source, db.table(name), salvage=db.salvage, batch_rows=500):
                    assert batch is not None


def read_log(path: Path) -> None:
    """A database taken for a log, as one with a damaged header may be."""
    for line in dump_json(path):
        json.dumps(line)


def read_catalog(path: Path) -> None:
    with DatabaseFile(path) as file:
        list(Catalog.load(file))


def read_info(path: Path) -> None:
    json.dumps(describe(path).as_json(), default=str)


def verify(path: Path) -> None:
    verify_database(path)


def repair(path: Path) -> None:
    target = path.with_suffix(".new")
    target.unlink(missing_ok=True)
    try:
        report = esent.repair(path, target)
        json.dumps(report.as_json())
        assert verify_database(target).ok == report.verified
        assert report.verified
    finally:
        target.unlink(missing_ok=True)
        assert [each.name for each in path.parent.iterdir() if each.name.startswith(".")] == []


def carve(path: Path) -> None:
    for row in esent.carve(path, [path]):
        json.dumps(row.as_json(raw=True))


DOORS: list[Callable[[Path], None]] = [
    read_plain,
    read_salvage,
    read_api,
    read_columns,
    read_catalog,
    read_log,
    read_info,
    verify,
    repair,
    carve,
]


def mutated(image: bytes, page_size: int, chance: random.Random) -> bytes:
    """A damaged form of a file."""
    data = bytearray(image)
    pages = len(data) // page_size
    used = [number for number in range(pages) if any(data[number * page_size : number * page_size + 64])]
    stamped = chance.random() < 0.6
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        start = chance.choice(used) * page_size
        kind = chance.randrange(7)
        if kind == 0:
            data[start : start + page_size] = bytes(page_size)
        elif kind == 1:
            other = chance.choice(used) * page_size
            data[start : start + page_size] = data[other : other + page_size]
        elif kind == 2:  # a field of the header
            data[start + chance.randrange(8, 40)] = chance.randrange(256)
        elif kind == 3:  # a tag
            data[start + page_size - 1 - chance.randrange(80)] = chance.randrange(256)
        elif kind == 4:  # a number of four bytes, at the limits
            place = start + 4 * chance.randrange(page_size // 4)
            data[place : place + 4] = chance.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\1\0\0\0"))
        else:
            for _ in range(chance.choice((1, 4, 32))):
                data[start + chance.randrange(page_size)] ^= 1 << chance.randrange(8)
        if stamped and start >= 2 * page_size:
            pgno = start // page_size - 1
            data[start : start + page_size] = stamp_page(bytes(data[start : start + page_size]), pgno)
    if chance.random() < 0.1:
        del data[chance.randrange(len(data)) :]
    return bytes(data)


def check(door: Callable[[Path], None], path: Path) -> None:
    started = time.monotonic()
    with contextlib.suppress(JetError):
        door(path)
    assert time.monotonic() - started < SECONDS


def campaign(image: bytes, page_size: int, count: int, seed: int, folder: Path) -> None:
    path = folder / "x.edb"
    for number in range(count):
        chance = random.Random(seed * 1_000_003 + number)
        form = mutated(image, page_size, chance)
        path.write_bytes(form)
        for door in DOORS:
            try:
                check(door, path)
            except BaseException as problem:
                problem.add_note(f"{door.__name__}, seed {seed}, form {number}")
                raise
        assert path.read_bytes() == form


def test_a_few_forms_of_a_small_file(tmp_path: Path) -> None:
    path = tmp_path / "deep.edb"
    build_deep(path, 40)
    image = path.read_bytes()
    path.unlink()
    campaign(image, 4096, 4, 1, tmp_path)


def test_memory_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "deep.edb"
    build_deep(path, 40)
    image = path.read_bytes()
    path.unlink()
    tracemalloc.start()
    try:
        campaign(image, 4096, 1, 2, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


@pytest.mark.campaign
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", FILES)
def test_campaign(fixtures, name: str, tmp_path: Path) -> None:
    image = fixtures.read(name)
    seed = int(os.environ.get("ESENT_FUZZ_SEED", "7"))
    campaign(image, 16384 if "16k" in name else 4096, EXAMPLES, seed, tmp_path)
