"""Live databases of an instance: headers, checkpoint, detaching and attaching, backups while writers go on, snapshots."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from esent import jet
from esent.engine.versioned import VersionedTree
from esent.errors import JetError
from esent.log.checkpoint import Checkpoint
from esent.pages.database_file import DatabaseFile
from esent.recovery.options import RecoveryOptions
from esent.recovery.soft import soft_recover
from esent.tools.verify import verify_database
from esent.tree.cursor import Tree
from esent.tree.live import TreeName
from jet_helpers import Running, allocate, code_of

pytestmark = pytest.mark.usefixtures("clean_process")

SYSTEM = TreeName(1, 1, unique=True)


class Written(Running):
    """An instance with a new database, and a tree in it that no catalogue knows."""

    def __init__(self, folder: Path, **parameters: Any) -> None:
        super().__init__(folder, **{"DbExtensionSize": 16, **parameters})
        self.dbid = jet.JetCreateDatabase(self.sesid, self.path())
        self.session = self.sesid.target
        self.database = self.session.instance.databases.all()[0]
        with self.session.implicit_transaction():
            name = self.database.store.create(self.session, SYSTEM)
        self.tree = VersionedTree(self.database, name.objid, name.fdp, unique=True)
        self.root = name.fdp
        self.model: dict[bytes, bytes] = {}

    def write(self, count: int, chosen: random.Random, size: int = 300) -> None:
        """So many transactions of a few inserts, replaces and deletes."""
        for _ in range(count):
            self.session.begin()
            for _ in range(5):
                key, value = chosen.randbytes(2), chosen.randbytes(size)
                if key not in self.model:
                    self.tree.insert(self.session, key, value)
                elif chosen.random() < 0.5:
                    self.tree.replace(self.session, key, b"", value)
                else:
                    self.tree.delete(self.session, key)
                    del self.model[key]
                    continue
                self.model[key] = value
            self.session.commit(jet.JET_bitCommitLazyFlush)

    def die(self) -> None:
        with pytest.raises(JetError):
            self.term(jet.JET_bitTermDirty)


def start_and_end(folder: Path, **parameters: Any) -> None:
    """Recovery, and a clean end."""
    instance = allocate(folder, **parameters)
    jet.JetInit(instance)
    jet.JetTerm(instance)


def contents(path: Path, root: int) -> dict[bytes, bytes]:
    with DatabaseFile(path) as file:
        assert file.header.is_clean
        return dict(Tree(file, root).entries())


def sound(path: Path) -> bool:
    report = verify_database(path)
    assert [str(each) for each in report.findings if "neither in use nor available" not in str(each)] == []
    return report.ok


def test_a_clean_end_leaves_everything_in_the_file(tmp_path: Path) -> None:
    running = Written(tmp_path)
    running.write(50, random.Random(1))
    dbtime, objid = running.database.store.dbtime, running.database.store.objid
    running.term()
    assert contents(tmp_path / "db.edb", running.root) == running.model
    assert sound(tmp_path / "db.edb")
    with DatabaseFile(tmp_path / "db.edb") as file:
        assert file.header.dbtime_dirtied >= dbtime
        assert file.header.objid_last == objid
        assert file.header.extend_count > 0
        assert file.header.gen_max_required == 0


def test_detached_and_attached_again(tmp_path: Path) -> None:
    running = Written(tmp_path)
    chosen = random.Random(2)
    for _ in range(3):
        running.write(20, chosen)
        jet.JetCloseDatabase(running.sesid, running.dbid)
        jet.JetDetachDatabase(running.sesid, running.path())
        assert contents(tmp_path / "db.edb", running.root) == running.model
        running.attach()
        running.dbid = running.open()
        running.database = running.session.instance.databases.all()[0]
        running.tree = VersionedTree(running.database, running.tree.objid, running.root, unique=True)
    running.die()
    start_and_end(tmp_path)
    assert contents(tmp_path / "db.edb", running.root) == running.model


def test_a_database_attached_without_a_log(tmp_path: Path) -> None:
    running = Written(tmp_path)
    running.write(5, random.Random(3))
    jet.JetCloseDatabase(running.sesid, running.dbid)
    jet.JetDetachDatabase(running.sesid, running.path())
    running.attach(grbit=jet.JET_bitDbRecoveryOff)
    running.open()
    running.database = running.session.instance.databases.all()[0]
    assert running.database.store.log is None
    running.tree = VersionedTree(running.database, running.tree.objid, running.root, unique=True)
    running.write(30, random.Random(4))
    running.term()
    assert contents(tmp_path / "db.edb", running.root) == running.model


def test_the_checkpoint_follows_and_old_logs_are_not_needed(tmp_path: Path) -> None:
    """With small logs and a small depth: the checkpoint stays close, headers agree with it, and what is behind it may go."""
    running = Written(tmp_path, LogFileSize=64, CheckpointDepthMax=256 * 1024)
    log = running.session.instance.log
    running.write(400, random.Random(5), size=900)
    path = next(tmp_path.glob("*.chk"))
    checkpoint = Checkpoint.read(path).position.generation
    assert log.generation > 12
    assert log.generation - checkpoint <= 7
    header = running.database.header_image()
    assert header.gen_min_required >= checkpoint
    assert header.gen_max_required == header.gen_max_committed == log.generation
    running.session.instance.flush_log()
    for closed in tmp_path.glob("edb0*.log"):
        if int(closed.stem[3:], 16) < checkpoint:
            closed.unlink()
    running.die()
    start_and_end(tmp_path, LogFileSize=64)
    assert contents(tmp_path / "db.edb", running.root) == running.model
    assert sound(tmp_path / "db.edb")


def test_an_open_transaction_holds_the_checkpoint(tmp_path: Path) -> None:
    running = Written(tmp_path, LogFileSize=64, CheckpointDepthMax=128 * 1024)
    old = jet.JetBeginSession(running.instance).target
    old.begin()
    running.tree.insert(old, b"old one", b"of a transaction that never ends")
    began = running.session.instance.log.generation
    running.write(200, random.Random(6), size=900)
    assert running.session.instance.log.generation > began + 5
    assert running.session.instance.checkpoint().generation <= began
    running.session.instance.flush_log()
    running.die()
    start_and_end(tmp_path, LogFileSize=64)
    assert contents(tmp_path / "db.edb", running.root) == running.model


def test_a_checkpoint_that_is_too_far_behind(tmp_path: Path) -> None:
    """A transaction that never ends stops the writers at last; when it has ended they go on."""
    running = Written(tmp_path, LogFileSize=64, CheckpointDepthMax=128 * 1024, CheckpointTooDeep=32)
    old = jet.JetBeginSession(running.instance).target
    old.begin()
    running.tree.insert(old, b"old one", b"")
    with pytest.raises(JetError) as caught:
        running.write(2000, random.Random(15), size=900)
    assert caught.value.code == jet.JET_errCheckpointDepthTooDeep
    assert running.session.instance.log.generation - running.session.instance.checkpoint().generation == 32
    running.session.rollback()
    old.commit()
    model = dict(Tree(running.database.store, running.root).entries())
    running.model = dict(model)
    del running.model[b"old one"]
    running.write(20, random.Random(16), size=900)
    running.term()
    assert contents(tmp_path / "db.edb", running.root) == {**running.model, b"old one": b""}


def test_circular_logging_keeps_what_is_needed(tmp_path: Path) -> None:
    running = Written(tmp_path, LogFileSize=64, CheckpointDepthMax=256 * 1024, CircularLog=1)
    running.write(500, random.Random(7), size=900)
    assert running.session.instance.log.generation > 20
    assert len(list(tmp_path.glob("edb0*.log"))) < 12
    running.session.instance.flush_log()
    running.die()
    start_and_end(tmp_path, LogFileSize=64, CircularLog=1)
    assert contents(tmp_path / "db.edb", running.root) == running.model


def test_the_cache_keeps_to_its_limit(tmp_path: Path) -> None:
    running = Written(tmp_path, CacheSizeMax=100)
    running.write(600, random.Random(8))
    store = running.database.store
    assert store.file.page_count > 200
    assert len(store.cache.pages) <= 130
    running.term()
    assert contents(tmp_path / "db.edb", running.root) == running.model


@pytest.mark.parametrize("cache", [64, 100_000])
def test_a_backup_while_writers_go_on(cache: int, tmp_path: Path) -> None:
    """Whatever moment the copy is of: restored, it is sound and holds the end of one of the transactions."""
    live, copy, goal = tmp_path / "live", tmp_path / "backup", tmp_path / "goal"
    for folder in (live, copy, goal):
        folder.mkdir()
    running = Written(live, LogFileSize=128, CheckpointDepthMax=512 * 1024, CacheSizeMax=cache)
    running.write(150, random.Random(9), size=900)
    states: list[dict[bytes, bytes]] = []
    stop = threading.Event()

    def writer() -> None:
        chosen = random.Random(10)
        other = jet.JetBeginSession(running.instance).target
        running.session = other
        while not stop.is_set():
            states.append(dict(running.model))
            running.write(1, chosen, size=900)
        jet.JetEndSession(other.handle)

    thread = threading.Thread(target=writer)
    thread.start()
    try:
        while len(states) < 20:
            time.sleep(0.01)
        first = len(states)
        jet.JetBackupInstance(running.instance, str(copy))
        last = len(states)
        assert last > first  # the writer was not kept waiting
    finally:
        stop.set()
        thread.join()
    states.append(dict(running.model))
    running.term()
    restored = allocate(goal, LogFileSize=128)
    jet.JetRestoreInstance(restored, str(copy), str(goal))
    assert sound(goal / "db.edb")
    assert contents(goal / "db.edb", running.root) in states[first - 1 :]


def test_a_frozen_instance_still_changes_memory(tmp_path: Path) -> None:
    running = Written(tmp_path)
    number = jet.JetOSSnapshotPrepare()
    jet.JetOSSnapshotFreeze(number)
    written = running.database.store.pages_written
    running.session.begin()
    running.tree.insert(running.session, b"k", b"frozen")
    running.session.commit(jet.JET_bitCommitLazyFlush)
    running.model[b"k"] = b"frozen"
    assert running.database.store.pages_written == written
    jet.JetOSSnapshotThaw(number)
    running.term()
    assert contents(tmp_path / "db.edb", running.root) == running.model


def test_a_thaw_reaches_an_instance_that_waits_to_write(tmp_path: Path) -> None:
    """A thread that needs a new log while everything is frozen waits with the lock of the instance; the thaw needs no lock."""
    running = Written(tmp_path, LogFileSize=64)
    number = jet.JetOSSnapshotPrepare()
    jet.JetOSSnapshotFreeze(number)
    generation = running.session.instance.log.generation
    thread = threading.Thread(target=running.write, args=(100, random.Random(11), 900))
    running.session._owner = None
    thread.start()
    time.sleep(0.3)
    assert thread.is_alive()
    assert running.session.instance.log.generation == generation
    jet.JetOSSnapshotThaw(number)
    thread.join(30)
    assert not thread.is_alive()
    assert running.session.instance.log.generation > generation
    running.term()
    assert contents(tmp_path / "db.edb", running.root) == running.model


def test_a_read_only_database_is_read_through_its_pages(tmp_path: Path) -> None:
    running = Written(tmp_path)
    running.write(5, random.Random(12))
    running.term()
    before = (tmp_path / "db.edb").read_bytes()
    again = Running(tmp_path)
    again.attach(grbit=jet.JET_bitDbReadOnly)
    dbid = again.open(grbit=jet.JET_bitDbReadOnly)
    database = again.sesid.target.instance.databases.all()[0]
    found = database.nodes(running.tree.objid, running.root, unique=True).first()
    assert found is not None
    assert found.key == min(running.model)
    assert code_of(jet.JetResizeDatabase, again.sesid, dbid, 4000) == jet.JET_errFileAccessDenied
    again.term()
    assert (tmp_path / "db.edb").read_bytes() == before


def test_recovery_after_recovery(tmp_path: Path) -> None:
    """The undo of a recovery is logged: what is written afterwards stands on it."""
    running = Written(tmp_path, LogFileSize=64)
    chosen = random.Random(13)
    root, objid = running.root, running.tree.objid
    model = running.model
    for _ in range(4):
        running.write(20, chosen)
        loser = jet.JetBeginSession(running.instance).target
        loser.begin()
        for key in list(model)[:10]:
            running.tree.replace(loser, key, b"", b"never")
        running.database.store.flush()
        running.die()
        running.instance = allocate(tmp_path, LogFileSize=64)
        jet.JetInit(running.instance)
        running.instance.target.cleanup.attached = lambda *_, **__: None  # the tree is in no catalogue
        running.sesid = jet.JetBeginSession(running.instance)
        running.session = running.sesid.target
        running.attach()
        running.dbid = running.open()
        running.database = running.session.instance.databases.all()[0]
        running.tree = VersionedTree(running.database, objid, root, unique=True)
        assert dict(Tree(running.database.store, root).entries()) == model
    running.term()
    assert contents(tmp_path / "db.edb", root) == model
    assert sound(tmp_path / "db.edb")


def test_a_file_that_recovery_needs_no_log_for(tmp_path: Path) -> None:
    """After a clean end the logs may go altogether."""
    running = Written(tmp_path)
    running.write(5, random.Random(14))
    running.term()
    for path in tmp_path.glob("edb*"):
        path.unlink()
    assert contents(tmp_path / "db.edb", running.root) == running.model
    again = Running(tmp_path)
    assert again.attach() == 0
    again.term()
    with pytest.raises(JetError):
        soft_recover(RecoveryOptions(log_path=tmp_path / "nowhere"))
