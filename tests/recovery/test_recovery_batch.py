"""The hot loop of redo does what the handlers do, and reads what the record classes read."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from esent.constants import grbits
from esent.errors import JetError
from esent.log import kinds
from esent.log.reader import LogFile
from esent.log.records import Begin, Commit, FlagDelete, Insert, NodeRecord, Replace, Undo, decode_sized
from esent.recovery import redo
from esent.recovery.options import RecoveryOptions
from esent.recovery.redo_batch import node_head
from esent.recovery.soft import soft_recover
from recovery_story import OBJID, Story
from recovery_support import recover

HEAD = (
    "procid",
    "dbid",
    "pgno",
    "dbtime",
    "dbtime_before",
    "trx_begin0",
    "level",
    "line",
    "flags",
    "rceid",
    "pgno_fdp",
    "objid_fdp",
)


def logs_of(folder: Path, scratch: Path) -> list[Path]:
    found = []
    for path in sorted(folder.glob("*.log*")):
        name = path.name.removesuffix(".gz")
        if name.endswith("tmp.log"):
            continue
        data = path.read_bytes()
        (scratch / name).write_bytes(gzip.decompress(data) if path.suffix == ".gz" else data)
        found.append(scratch / name)
    return found


@pytest.mark.fixtures
def test_the_head_of_every_genuine_node_record(fixtures: Any, tmp_path: Path) -> None:
    compared = 0
    for folder in sorted((fixtures.root / "engine").iterdir()):
        if not folder.is_dir():
            continue
        for path in logs_of(folder, tmp_path):
            try:
                with LogFile(path) as log:
                    for batch in log.entries():
                        for _, _, _, data, offset, size in batch:
                            record = decode_sized(data, offset, size)
                            if isinstance(record, NodeRecord):
                                assert node_head(data, offset) == tuple(getattr(record, name) for name in HEAD)
                                compared += 1
            except JetError:
                continue  # a set that is damaged on purpose
    assert compared > 100_000


def test_the_head_with_all_bits() -> None:
    record = FlagDelete(0xFFFF, 0xFF, 0xFFFFFFFF, -2, -(1 << 63), 0xFFFFFFFE, 0xFD, 0xFFFC, 0xFB)
    record.rceid, record.pgno_fdp, record.objid_fdp = 0xFFFFFFFA, 0xFFFFFFF9, 0xFFFFFFF8
    assert node_head(b"x" + record.encode(), 1) == tuple(getattr(record, name) for name in HEAD)
    with pytest.raises(JetError):
        node_head(record.encode(), 1)


def state_after(folder: Path) -> dict[str, Any]:
    """Redo alone, and what it left: pages, counters, versions of what is open."""
    seen: dict[str, Any] = {}
    original = redo.Redo.verify_maps

    def look(self: redo.Redo) -> None:
        seen["records"] = self.records
        seen["held"] = {session.procid: session.level for session in self.sessions}
        seen["versions"] = {
            session.procid: sorted(
                (each.rceid, each.oper, each.key, each.bookmark_data, each.before, each.order, each.pending, each.trx_begin0)
                for each in session.versions()
            )
            for session in self.sessions
        }
        seen["counters"] = [(db.dbid, db.dbtime, db.objid) for db in self.databases.values()]
        original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redo.Redo, "verify_maps", look)
        try:
            soft_recover(RecoveryOptions(log_path=folder, alternate_path=folder, grbit=grbits.JET_bitRecoveryWithoutUndo))
        except JetError as problem:
            seen["error"] = problem.code
    for path in folder.glob("*.edb"):
        data = path.read_bytes()
        seen[path.name] = data[2 * int.from_bytes(data[236:240], "little") :]  # headers have times in them
    return seen


@pytest.mark.fixtures
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("name", ["dirty-4k", "dirty-twice-4k", "dirty-reattach-4k", "dirty-circular-8k", "clean-16k"])
def test_both_ways_leave_the_same(
    fixtures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, again: bool
) -> None:
    """`again`: redo of the same logs over pages that have all of it, where only versions are made."""
    results = []
    for way in ("batch", "handlers"):
        scratch = tmp_path / way
        scratch.mkdir()
        folder = fixtures.copy_set(f"engine/{name}", scratch)
        if name == "clean-16k":
            (folder / "edb.chk").unlink()
            if not again:
                (folder / "db.edb").unlink()
        if way == "handlers":
            monkeypatch.setattr(redo, "apply_batch", lambda _redo, _batch, first, _generation: first)
        if again and name != "clean-16k":
            state_after(folder)
        results.append(state_after(folder))
    assert results[0]["records"] > 100
    assert results[0] == results[1]


def test_inserts_kept_as_records_are_undone(tmp_path: Path) -> None:
    """One was committed, one belongs to a nested level that was, one is undone by the log, the rest by recovery."""
    story = Story(tmp_path)
    story.tree(30, {b"a": b"1"})
    with story.transaction():
        story.node(Insert, 30, line=1, suffix=b"b", data=b"2")
    story.begin()
    story.node(Insert, 30, line=2, suffix=b"c", data=b"3")
    story.add(Begin(story.session, 1, 1))
    story.node(Insert, 30, line=3, suffix=b"d", data=b"4")
    story.add(Commit(story.session, 1))
    undone = story.node(Insert, 30, line=4, suffix=b"e", data=b"5")
    story.page(
        Undo,
        30,
        line=4,
        flags=kinds.UNIQUE,
        rceid=undone,
        pgno_fdp=30,
        objid_fdp=OBJID,
        key=b"e",
        oper=kinds.OPER_INSERT,
        undo_level=1,
    )
    story.node(Replace, 30, line=0, data=b"9", old_size=1, new_size=1)
    story.node(FlagDelete, 30, line=1)
    story.end()
    result = recover(tmp_path)
    assert result.transactions_rolled_back == 1
    assert story.rows(30) == {b"a": b"1", b"b": b"2"}
    assert [key for _, key, _ in story.read(30).nodes()] == [b"a", b"b", b"c", b"d", b"e"]
    with LogFile(tmp_path / "edb.log") as log:
        undos = [record for _, record in log.records() if isinstance(record, Undo)]
    assert [record.key for record in undos] == [b"e", b"b", b"a", b"d", b"c"]
