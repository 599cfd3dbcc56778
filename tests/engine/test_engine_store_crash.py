"""Power cuts while trees are written: recovery brings back exactly what was committed, whatever got to the disk."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from live_instances import running

from esent.constants import grbits
from esent.engine.create import create_database
from esent.engine.database import AttachedDatabase
from esent.engine.instance import Instance
from esent.engine.session import Session
from esent.engine.versioned import VersionedTree
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.recovery.options import RecoveryOptions
from esent.recovery.soft import soft_recover
from esent.tools.verify import verify_database
from esent.tree.cursor import Tree
from esent.tree.live import TreeName
from recovery_crash_files import Change, RecordingFiles, crash_image

FATES = ("kept", "lost", "some", "torn")
SYSTEM = TreeName(1, 1, unique=True)


@dataclass
class Life:
    """What happened: all changes of files, and what was committed when (the number of changes at its begin and its end)."""

    changes: list[Change] = field(default_factory=list)
    created: int = 0
    root: int = 0
    commits: list[tuple[int, int, dict[bytes, bytes]]] = field(default_factory=list)


def work(session: Session, tree: VersionedTree, model: dict[bytes, bytes], chosen: random.Random) -> None:
    """One transaction's changes."""
    for _ in range(chosen.randrange(1, 12)):
        key = chosen.randbytes(2)
        value = chosen.randbytes(chosen.choice((3, 40, 300, 900)))
        if key not in model:
            tree.insert(session, key, value)
            model[key] = value
        elif chosen.random() < 0.5:
            tree.replace(session, key, b"", value)
            model[key] = value
        else:
            tree.delete(session, key)
            del model[key]


def live(folder: Path, seed: int, transactions: int) -> Life:
    """Create a database, write to it for a while, with a cache and logs so small that pages are written all the time."""
    files = RecordingFiles()
    changes = files.recorder.changes
    chosen = random.Random(seed)
    instance: Instance = running(folder, files=files, LogFileSize=32, CheckpointDepthMax=65536, DbExtensionSize=16)
    life = Life(changes)
    session = instance.begin_session()
    other = instance.begin_session()
    create_database(session, str(folder / "db.edb"))
    life.created = len(changes)
    database: AttachedDatabase = instance.databases.all()[0]
    database.store.cache.limit = 12
    with session.implicit_transaction():
        name = database.store.create(session, SYSTEM)
    tree = VersionedTree(database, name.objid, name.fdp, unique=True)
    life.root = name.fdp
    model: dict[bytes, bytes] = {}
    life.commits.append((len(changes), len(changes), {}))
    for number in range(transactions):
        draft = dict(model)
        session.begin()
        work(session, tree, draft, chosen)
        if number % 7 == 3:
            session.rollback()
            continue
        if number % 11 == 5:
            database.store.flush()
        begun = len(changes)
        session.commit()
        model = draft
        life.commits.append((begun, len(changes), model))
    other.begin()
    work(other, tree, dict(model), chosen)
    database.store.flush()
    instance.flush_log()
    life.changes = list(changes)
    with pytest.raises(JetError):
        instance.terminate(grbits.JET_bitTermDirty)
    return life


def check(life: Life, point: int, fate: str, folder: Path) -> None:
    """The folder as a cut after `point` changes leaves it, recovered: one of the states that were allowed at that moment."""
    folder.mkdir()
    for name, data in crash_image({}, life.changes, point, fate, seed=point).items():
        (folder / name).write_bytes(data)
    logs = [path for path in folder.iterdir() if path.suffix in (".log", ".jtx")]
    if logs:
        soft_recover(RecoveryOptions(log_path=folder, alternate_path=folder))
    path = folder / "db.edb"
    if point < life.created and not path.exists():
        return
    acknowledged = max((number for number, (_, end, _) in enumerate(life.commits) if end <= point), default=-1)
    possible = [model for number, (begun, _, model) in enumerate(life.commits) if number >= acknowledged and begun <= point]
    report = verify_database(path)
    assert report.ok, [str(finding) for finding in report.findings]
    if acknowledged < 0:
        return
    with DatabaseFile(path) as file:
        assert file.header.is_clean
        contents = dict(Tree(file, life.root).entries())
    assert contents in possible


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    return live(tmp_path_factory.mktemp("live"), seed=1, transactions=60)


def test_the_life_has_what_it_should(life: Life) -> None:
    pages = sum(change.kind == "write" and change.path.suffix == ".edb" for change in life.changes)
    rolls = sum(change.kind == "rename" for change in life.changes)
    assert pages > 200
    assert rolls > 3
    assert len(life.commits) > 40


@pytest.mark.parametrize("fate", FATES)
def test_cuts(life: Life, fate: str, tmp_path: Path) -> None:
    chosen = random.Random(fate)
    points = [len(life.changes), *(chosen.randrange(1, len(life.changes)) for _ in range(8))]
    for number, point in enumerate(points):
        check(life, point, fate, tmp_path / str(number))


@pytest.mark.parametrize("fate", FATES)
def test_cuts_while_a_database_is_created(life: Life, fate: str, tmp_path: Path) -> None:
    first = next(number for number, change in enumerate(life.changes) if change.path.name == "db.edb")
    for point in range(first - 2, life.created + 2):
        check(life, point, fate, tmp_path / str(point))


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(2, 12))
def test_cuts_everywhere(seed: int, tmp_path: Path) -> None:
    (tmp_path / "live").mkdir()
    life = live(tmp_path / "live", seed=seed, transactions=60)
    chosen = random.Random(seed)
    for number in range(100):
        point = chosen.randrange(1, len(life.changes) + 1)
        check(life, point, FATES[number % len(FATES)], tmp_path / str(number))
