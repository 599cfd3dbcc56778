"""Lives to be cut short: what each does, and how it begins."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from crash_campaign import Story
from crash_lives import INDEXES, REFUSALS, Actor, Life, some_row
from crash_model import Row, named

from esent import jet
from esent.errors import JetError
from recovery_crash_files import RecordingFiles

TABLES = ("T1", "T2", "T3", "T4")
Action = Callable[[Actor], None]


@dataclass(frozen=True, slots=True)
class Workload:
    """`live` works until it returns, in the middle of whatever is open then. `parameters`: without the JET_param in front."""

    live: Callable[[Life, random.Random], None]
    parameters: dict[str, int] = field(default_factory=dict)

    def run(self, folder: Path, seed: int) -> Story:
        """Live it; what the instance writes when it is ended is not part of the story."""
        life = Life(folder, RecordingFiles(), **self.parameters)
        life.start()
        self.live(life, random.Random(seed))
        changes = list(life.files.recorder.changes)
        life.crash()
        return Story(life, changes)


class Chance:
    """Actors who do by chance what may be refused because of what others do."""

    def __init__(self, life: Life, chosen: random.Random, actors: int) -> None:
        self.life = life
        self.chosen = chosen
        self.actors = [life.actor() for _ in range(actors)]
        self.refused = 0
        self.done = 0

    def tables(self) -> list[str]:
        return sorted(named(self.life.history.state))

    def attempt(self, actor: Actor, action: Action) -> None:
        level = actor.level
        if not level:
            actor.begin()
        try:
            action(actor)
            self.done += 1
        except JetError as problem:
            if problem.code not in REFUSALS:
                raise
            self.refused += 1
        if not level:
            actor.commit(lazy=True)

    def row_action(self, table: str, numbers: int) -> Action:
        """Something with a row."""
        chosen = self.chosen
        number = chosen.randrange(numbers)
        what = chosen.choice(("insert", "insert", "replace", "append", "delete", "count"))
        if what == "insert":
            return lambda actor: actor.insert(table, number, some_row(chosen))
        if what == "replace":
            return lambda actor: actor.replace(table, number, some_row(chosen))
        if what == "append":
            return lambda actor: actor.append(table, number, chosen.randbytes(1500))
        if what == "delete":
            return lambda actor: actor.delete(table, number)
        return lambda actor: actor.count(table, number, chosen.randrange(1, 1000))

    def definition_action(self) -> Action:
        """Something with a table, an index or a column."""
        chosen = self.chosen
        table, other = chosen.sample(TABLES, 2)
        index = chosen.choice(sorted(INDEXES))
        column = f"c{chosen.randrange(3)}"
        return chosen.choice(
            (
                lambda actor: actor.create_table(table, tuple(chosen.sample(sorted(INDEXES), 2))),
                lambda actor: actor.create_table(table),
                lambda actor: actor.delete_table(table),
                lambda actor: actor.rename_table(table, other),
                lambda actor: actor.create_index(table, index),
                lambda actor: actor.delete_index(table, index),
                lambda actor: actor.add_column(table, column),
                lambda actor: actor.delete_column(table, column),
            )
        )

    def step(self, *, definitions: float = 0.0, numbers: int = 60, lazy: float = 0.5) -> None:
        """One of the actors goes on with what it is at."""
        chosen = self.chosen
        actor = chosen.choice(self.actors)
        fate = chosen.random()
        if not actor.level or (fate < 0.04 and actor.level < 4):
            actor.begin()
        elif fate < 0.24:
            actor.commit(lazy=chosen.random() < lazy)
        elif fate < 0.28:
            actor.rollback(everything=chosen.random() < 0.3)
        elif fate < 0.28 + definitions:
            self.attempt(actor, self.definition_action())
        elif self.tables():
            self.attempt(actor, self.row_action(chosen.choice(self.tables()), numbers))

    def settle(self) -> None:
        """End all that is open, some way."""
        for actor in self.actors:
            while actor.level:
                actor.commit() if self.chosen.random() < 0.7 else actor.rollback()


def founded(life: Life, *tables: str) -> Actor:
    actor = life.actor()
    for table in tables:
        with actor.transaction():
            actor.create_table(table)
    return actor


def filled(actor: Actor, table: str, numbers: range, chosen: random.Random, sizes: tuple[int, ...] = (0, 30, 300)) -> None:
    with actor.transaction():
        for number in numbers:
            actor.insert(table, number, Row(b"n%d" % (number % 7), number, (), chosen.randbytes(chosen.choice(sizes)) or None))


def thinned(actor: Actor, table: str, chosen: random.Random, share: float) -> None:
    with actor.transaction():
        for number in sorted(named(actor.life.history.state)[table].rows):
            if chosen.random() < share:
                actor.delete(table, number)


# ---- the lives ----------------------------------------------------------------------------------------------------------


def rows(life: Life, chosen: random.Random) -> None:
    """Several sessions, levels, long values, counters, lazy commits; pages are written all the time."""
    founded(life, "T1", "T2")
    chance = Chance(life, chosen, 4)
    for number in range(320):
        chance.step()
        if number % 40 == 20:
            life.tidy()
        if number % 60 == 50:
            life.flush()


def definitions(life: Life, chosen: random.Random) -> None:
    """Tables, indexes and columns come and go in transactions beside rows, and roll back."""
    founded(life, "T1")
    chance = Chance(life, chosen, 3)
    for number in range(260):
        chance.step(definitions=0.4, numbers=25)
        if number % 30 == 15:
            life.tidy()


def dropped(life: Life, chosen: random.Random) -> None:
    """Tables and indexes with long values are deleted while snapshots still see them; their pages go later."""
    actor, reader = founded(life), life.actor()
    for number in range(5):
        table = TABLES[number % 2]
        with actor.transaction():
            actor.create_table(table)
        filled(actor, table, range(30), chosen, (30, 900, 5000))
        reader.begin()
        reader.numbers(table)
        if number % 2:
            with actor.transaction(lazy=True):
                actor.delete_index(table, "byname")
                actor.delete_index(table, "bytag")
        with actor.transaction(lazy=number % 3 == 0):
            actor.delete_table(table)
        if number % 2:
            life.flush()
        reader.rollback()
        life.tidy()


def space(life: Life, chosen: random.Random) -> None:
    """A database that grows, is thinned, put together and made shorter, again and again."""
    actor = founded(life, "T1", "T2")
    for number in range(5):
        for table in ("T1", "T2"):
            filled(actor, table, range(number * 100, number * 100 + 70), chosen, (30, 300, 300, 2500))
        thinned(actor, "T1", chosen, 0.7)
        thinned(actor, "T2", chosen, 0.4 if number % 2 else 1.0)
        life.tidy()
        life.defragment("T1" if number % 2 else None)
        life.resize(1)
        if number == 2:
            life.resize(life.database.file.page_count + 40)


def background(life: Life, chosen: random.Random) -> None:
    """The clean-up and defragmentation go on in their own threads while sessions work."""
    life.instance.cleanup.delay = 0.001
    life.instance.parameters.put(jet.JET_paramEnableShrinkDatabase, jet.JET_bitShrinkDatabaseRealtime)
    actor = founded(life, "T1", "T2")
    filled(actor, "T1", range(100, 200), chosen)
    thinned(actor, "T1", chosen, 0.8)
    chance = Chance(life, chosen, 3)
    for number in range(250):
        chance.step(definitions=0.05)
        if number % 50 == 10:
            life.defragment("T1" if number % 100 == 10 and "T1" in chance.tables() else None)


def index_building(life: Life, chosen: random.Random) -> None:
    """Indexes are made over records that other sessions are changing."""
    actor = founded(life, "T1")
    filled(actor, "T1", range(0, 60, 2), chosen, (30, 1500))
    chance = Chance(life, chosen, 3)
    made = ["byname", "bycode", "bytag"]
    for number in range(240):
        chance.step(numbers=60)
        if number % 8 == 4:
            absent = sorted(set(INDEXES) - set(made))
            wanted = chosen.choice(absent if absent and (number % 16 == 4 or not made) else made)
            before = chance.done
            if wanted in made:
                chance.attempt(actor, lambda each, index=wanted: each.delete_index("T1", index))  # type: ignore[misc]
                made.remove(wanted) if chance.done > before else None
            else:
                chance.attempt(actor, lambda each, index=wanted: each.create_index("T1", index))  # type: ignore[misc]
                made.append(wanted) if chance.done > before else None
        if number % 60 == 30:
            life.tidy()


def restarts(life: Life, chosen: random.Random) -> None:
    """Clean ends, detaches and attaches, new logs, between short spells of work."""
    founder = founded(life, "T1")
    for number in range(6):
        chance = Chance(life, chosen, 2)
        for _ in range(25):
            chance.step(definitions=0.1)
        chance.settle()
        if number % 3 == 1:
            jet.JetCommitTransaction(life.sesid, jet.JET_bitForceNewLog)
        if number % 3 == 2:
            for actor in (founder, *chance.actors):
                jet.JetEndSession(actor.sesid)
            life.detach_and_attach()
            founder = life.actor()
        else:
            life.restart()
            founder = life.actor()


def backups(life: Life, chosen: random.Random) -> None:
    """Full, incremental and atomic backups into directories, with writers between the pieces of a streamed one."""
    actor = founded(life, "T1")
    filled(actor, "T1", range(200, 260), chosen, (30, 300, 3000))
    chance = Chance(life, chosen, 3)

    def work() -> None:
        for _ in range(6):
            chance.step(definitions=0.05)

    for number in range(7):
        work()
        grbit = (0, jet.JET_bitBackupIncremental, jet.JET_bitBackupAtomic)[number % 3]
        name = "atomic" if grbit == jet.JET_bitBackupAtomic else f"full{number // 3}"
        life.back_up(name, grbit, work)
        if number % 2:
            thinned_by_chance(chance)
            life.tidy()


def thinned_by_chance(chance: Chance) -> None:
    for number in range(200, 260):
        chance.attempt(chance.actors[0], lambda actor, each=number: actor.delete("T1", each))  # type: ignore[misc]


def streams(life: Life, chosen: random.Random) -> None:
    """Streamed backups between whose reads the writers go on; some are stopped, logs are deleted after others."""
    actor = founded(life, "T1")
    filled(actor, "T1", range(200, 260), chosen, (30, 300, 3000))
    chance = Chance(life, chosen, 3)
    for number in range(5):
        jet.JetBeginExternalBackupInstance(life.handle, 0)
        for path in jet.JetGetAttachInfoInstance(life.handle):
            file, _ = jet.JetOpenFileInstance(life.handle, path)
            while jet.JetReadFileInstance(life.handle, file, 64 * 1024):
                for _ in range(8):
                    chance.step()
            jet.JetCloseFileInstance(life.handle, file)
        if number % 3 == 2:
            jet.JetStopBackupInstance(life.handle)
        else:
            for path in jet.JetGetLogInfoInstance(life.handle):
                file, _ = jet.JetOpenFileInstance(life.handle, path)
                while jet.JetReadFileInstance(life.handle, file, 64 * 1024):
                    chance.step()
                jet.JetCloseFileInstance(life.handle, file)
            if number % 3 == 0:
                jet.JetTruncateLogInstance(life.handle)
        jet.JetEndExternalBackupInstance(life.handle)
        for _ in range(10):
            chance.step(definitions=0.1)
        life.tidy()


def scrubbing(life: Life, chosen: random.Random) -> None:
    """Backups that overwrite what was deleted, in the file as well."""
    actor = founded(life, "T1")
    chance = Chance(life, chosen, 2)
    for number in range(4):
        filled(actor, "T1", range(100 + number * 50, 140 + number * 50), chosen, (30, 300, 2500))
        thinned(actor, "T1", chosen, 0.6)
        life.back_up(f"full{number}", 0, lambda: [chance.step() for _ in range(8)])
        chance.settle()


WORKLOADS: dict[str, Workload] = {
    "rows": Workload(rows),
    "rows-circular": Workload(rows, {"CircularLog": 1, "CheckpointDepthMax": 32 * 1024}),
    "definitions": Workload(definitions),
    "definitions-circular": Workload(definitions, {"CircularLog": 1}),
    "dropped": Workload(dropped),
    "space": Workload(space),
    "space-circular": Workload(space, {"CircularLog": 1}),
    "background": Workload(background),
    "index-building": Workload(index_building),
    "restarts": Workload(restarts),
    "restarts-circular": Workload(restarts, {"CircularLog": 1}),
    "backups": Workload(backups),
    "streams": Workload(streams),
    "scrubbing": Workload(scrubbing, {"ZeroDatabaseDuringBackup": 1}),
}
