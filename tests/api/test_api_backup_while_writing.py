"""Statements 78 and 79 of the conformance checklist: a database that grows and changes while it is streamed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import esent
from esent import jet
from esent.constants import grbits
from esent.tools.verify import verify_database

BIG = b"\x5a" * 3000


def nothing() -> None:
    """What happens at a moment at which nothing is to happen."""


def stream(
    instance: jet.JET_INSTANCE,
    target: Path,
    *,
    between: Callable[[], None] = nothing,
    before_logs: Callable[[], None] = nothing,
) -> int:
    """Stream a whole backup by hand into `target`; returns the size that was promised for the database."""
    target.mkdir()
    jet.JetBeginExternalBackupInstance(instance)
    promised = 0
    for name in jet.JetGetAttachInfoInstance(instance):
        handle, promised = jet.JetOpenFileInstance(instance, name)
        with (target / Path(name).name).open("wb") as copy:
            while data := jet.JetReadFileInstance(instance, handle, 65536):
                copy.write(data)
                between()
        jet.JetCloseFileInstance(instance, handle)
        (target / Path(name).with_suffix(".pat").name).touch()
    before_logs()
    for name in jet.JetGetLogInfoInstance(instance):
        handle, _ = jet.JetOpenFileInstance(instance, name)
        with (target / Path(name).name).open("wb") as copy:
            while data := jet.JetReadFileInstance(instance, handle, 65536):
                copy.write(data)
        jet.JetCloseFileInstance(instance, handle)
    jet.JetTruncateLogInstance(instance)
    assert jet.JetEndExternalBackupInstance2(instance, grbits.JET_bitBackupEndNormal) == 0
    return promised


def rows_of(path: Path) -> dict[int, int]:
    with esent.open(path, read_only=True) as database:
        return {row["id"]: row["n"] for row in database["t"]}


def create(db: esent.Database) -> esent.Table:
    return db.create_table("t", {"id": esent.Int32(), "n": esent.Int32(), "b": esent.LongBinary()}, primary_key="id")


def test_078_growth_after_the_file_was_opened_is_in_the_logs(db: esent.Database, tmp_path: Path) -> None:
    table = create(db)
    table.insert(id=0, n=0, b=BIG)
    ids = iter(range(1, 10_000))

    def grow() -> None:
        for _ in range(20):
            table.insert(id=next(ids), n=1, b=BIG)

    promised = stream(db.instance.handle, tmp_path / "set", between=grow)
    added = next(ids) - 1
    assert (tmp_path / "set" / "app.edb").stat().st_size == promised
    (restored,) = esent.restore(tmp_path / "set", tmp_path / "restored").databases
    assert len(rows_of(restored)) == added + 1
    assert restored.stat().st_size > promised


def test_079_what_was_committed_before_the_logs_were_taken_is_restored(db: esent.Database, tmp_path: Path) -> None:
    table = create(db)
    for number in range(200):
        table.insert(id=number, n=0, b=BIG if number % 10 == 0 else None)
    stop = threading.Event()
    committed: dict[int, int] = dict.fromkeys(range(200), 0)

    def write() -> None:
        number = 200
        while not stop.is_set():
            with db.transaction(lazy=True):
                table.insert(id=number, n=number, b=BIG if number % 7 == 0 else None)
                table.update(table.get(number % 200), n=number)
            committed[number] = number
            committed[number % 200] = number
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    known: dict[int, int] = {}
    try:
        stream(db.instance.handle, tmp_path / "set", before_logs=lambda: known.update(dict(committed)))
    finally:
        stop.set()
        writer.join()
    (restored,) = esent.restore(tmp_path / "set", tmp_path / "restored").databases
    assert verify_database(restored).ok
    found = rows_of(restored)
    assert found.keys() >= known.keys()
    assert all(found[key] >= value for key, value in known.items())
    # every transaction is whole or not there: the row it added and the one it changed say the same
    newest = max(found)
    assert set(found) == set(range(newest + 1))
    assert all(
        found[number] == max([n for n in range(200, newest + 1) if n % 200 == number], default=0) for number in range(200)
    )
    assert len(known) > 200
