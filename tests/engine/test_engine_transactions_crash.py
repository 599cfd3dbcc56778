"""Power cuts after any write of a busy life with transactions: recovery brings back exactly what was committed.

What a commit that was waited for has made is there; a lazy one may be lost, but only with all that came after it.
"""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from live_trees import LiveDatabase, RecoveredCopy

from esent.engine.session import Session
from esent.engine.versioned import VersionedTree
from esent.errors import JetError
from esent.pages.primitives import LGPOS_MIN
from esent.recovery.options import RecoveryOptions
from esent.recovery.soft import soft_recover
from recovery_crash_files import Change, RecordingFiles, crash_image

FATES = ["kept", "lost", "some", "torn"]
State = list[tuple[bytes, bytes]]


@dataclass
class Committed:
    """What is committed from one outermost commit on: it may be on disk after `begun` changes, it is after `returned`."""

    state: State
    begun: int
    returned: int | None


class Life:
    """Sessions at work on one tree; single-threaded, by chance."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.files = RecordingFiles()
        self.database = LiveDatabase(folder, files=self.files, cache_pages=12, CheckpointDepthMax=128 * 1024)
        self.tree: VersionedTree = self.database.create_tree(unique=True)
        self.start = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.first = len(self.changes)
        self.sessions = [self.database.instance.begin_session() for _ in range(3)]
        self.committed = [Committed([], 0, 0)]

    @property
    def changes(self) -> list[Change]:
        return self.files.recorder.changes

    @property
    def time(self) -> int:
        return len(self.changes) - self.first

    def live(self) -> State:
        cursor = self.tree.cursor(self.database.session)
        found = []
        while cursor.next():
            found.append((cursor.key, cursor.data))
        return found

    def step(self) -> None:
        chance = self.chance
        session = chance.choice(self.sessions)
        action = chance.random()
        if session.level == 0 or (session.level < 4 and action < 0.05):
            session.begin()
        elif action < 0.12:
            self.commit(session, lazy=chance.random() < 0.5)
        elif action < 0.17:
            session.rollback(chance.randrange(2))
        elif action < 0.19:
            session.idle()
        elif action < 0.22:
            self.database.store.flush()
        else:
            self.change(session)

    def commit(self, session: Session, *, lazy: bool) -> None:
        begun = self.time
        if session.commit(int(lazy)) != LGPOS_MIN:
            self.committed.append(Committed(self.live(), begun, None if lazy else self.time))

    def change(self, session: Session) -> None:
        chance, tree = self.chance, self.tree
        key = b"%03d" % chance.randrange(150) * chance.choice([1, 1, 12])
        size = chance.choice([4, 40, 400])
        data = chance.randbytes(size)
        try:
            with session.implicit_transaction():
                kind = chance.randrange(5)
                if kind < 2:
                    tree.insert(session, key, data)
                elif kind == 2:
                    tree.replace(session, key, b"", data)
                elif kind == 3:
                    tree.delete(session, key)
                else:
                    tree.delta(session, key, 0, chance.randrange(1000), 4)
        except JetError:
            return

    def allowed(self, cut: int) -> list[State]:
        """What may be there when the power goes after `cut` changes."""
        last_sure = max(
            number for number, each in enumerate(self.committed) if each.returned is not None and each.returned <= cut
        )
        return [each.state for each in self.committed[last_sure:] if each.begun <= cut]

    def recovered(self, goal: Path, cut: int, fate: str, seed: int) -> State:
        image = crash_image(self.start, self.changes[self.first :], cut, fate, seed)
        shutil.rmtree(goal, ignore_errors=True)
        goal.mkdir()
        for name, content in image.items():
            (goal / name).write_bytes(content)
        soft_recover(RecoveryOptions(log_path=goal, alternate_path=goal))
        return RecoveredCopy(goal / "db.edb").contents(self.tree.root)


def lived(folder: Path, seed: int, steps: int) -> Life:
    folder.mkdir()
    life = Life(folder, seed)
    for _ in range(steps):
        life.step()
    return life


def check(life: Life, goal: Path, cuts: list[int]) -> None:
    for number, cut in enumerate(cuts):
        fate = FATES[number % len(FATES)]
        found = life.recovered(goal, cut, fate, number)
        assert found in life.allowed(cut), f"after {cut} changes, {fate}"
    life.database.close()


@pytest.mark.parametrize(("seed", "steps"), [(0, 700), (1, 700), (7, 4000)])
def test_any_cut_leaves_what_was_committed(tmp_path: Path, seed: int, steps: int) -> None:
    life = lived(tmp_path / "live", seed, steps)
    assert len(life.committed) > 10
    assert any(len(each.state) > 30 for each in life.committed)
    assert steps < 4000 or life.database.instance.checkpoint().generation > 10
    cuts = sorted(life.chance.randrange(life.time + 1) for _ in range(24))
    check(life, tmp_path / "copy", cuts)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(100, 120))
def test_every_cut_leaves_what_was_committed(tmp_path: Path, seed: int) -> None:
    life = lived(tmp_path / "live", seed, 1500)
    check(life, tmp_path / "copy", [cut for cut in range(life.time + 1) for _ in FATES])
