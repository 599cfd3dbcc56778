"""What a transaction that stays open costs the others, and who is told to have it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import esent


@contextmanager
def old_transaction(db: esent.Database, *, writes: bool) -> Iterator[None]:
    """A transaction of a thread called "old one", which sees to the end what it saw at first."""
    begun, done = threading.Event(), threading.Event()
    seen: list[list[tuple[int, bytes]]] = []

    def work() -> None:
        with db.transaction():
            if writes:
                db["rows"].insert(id=-1, data=b"")
            seen.append(list(db["rows"].rows()))
            begun.set()
            done.wait()
            seen.append(list(db["rows"].rows()))

    thread = threading.Thread(target=work, name="old one")
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert seen[0] == seen[1]


def filled(path: Path, **parameters: int) -> esent.Database:
    db = esent.open(path, log_file_size=64 * 1024, parameters=parameters)
    rows = db.create_table("rows", {"id": esent.Int64(), "data": esent.LongBinary()}, primary_key="id")
    rows.insert_many([{"id": number, "data": b"a" * 800} for number in range(20)])
    return db


def change_until_refused(db: esent.Database) -> esent.JetError:
    for number in range(2_000):
        try:
            with db.transaction(lazy=True):
                db["rows"].update(number % 20, data=bytes([number % 251]) * 800)
        except esent.JetError as problem:
            return problem
    raise AssertionError("never refused")


def test_versions_that_a_reader_keeps(tmp_path: Path) -> None:
    with filled(tmp_path / "a.edb", MaxVerPages=4) as db:
        with old_transaction(db, writes=False):
            problem = change_until_refused(db)
            assert isinstance(problem, esent.VersionStoreOutOfMemoryError)
            assert "(thread old one) holds it with transaction" in str(problem)
            assert "JET_paramMaxVerPages" in str(problem)
        db["rows"].update(1, data=b"goes on")
        assert db["rows"][1].data == b"goes on"


def test_log_that_a_writer_keeps(tmp_path: Path) -> None:
    with filled(tmp_path / "a.edb", CheckpointTooDeep=32, CheckpointDepthMax=128 * 1024) as db:
        with old_transaction(db, writes=True):
            problem = change_until_refused(db)
            assert isinstance(problem, esent.CheckpointDepthTooDeepError)
            assert "(thread old one) keeps the checkpoint in generation" in str(problem)
        db["rows"].update(1, data=b"goes on")
        assert len(db["rows"]) == 21
    assert esent.verify(tmp_path / "a.edb").ok
