"""The power goes after a change of a file: what is there then must be what was committed, sound, and able to go on.

Every cut is recovered by an instance of its own, whose files are recorded too, so that it can be cut short in its turn, and so
can the one after it.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from crash_lives import Life
from crash_model import Contents, History, Row

import esent
from esent.errors import JetError
from esent.tools.verify import Severity, verify_database
from process_reset import end_instances
from recovery_crash_files import FATES, Change, Disk, RecordingFiles

AFTER = "after"  # the table that is made after a recovery
DATABASE = "db.edb"


@dataclass
class Tally:
    """What a campaign looked at."""

    cuts: int = 0
    recoveries: int = 0
    sets_restored: int = 0
    sets_refused: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in vars(self).items())


@dataclass(frozen=True, slots=True)
class Cut:
    """The power goes after so many changes."""

    after: int
    fate: str
    seed: int

    def __str__(self) -> str:
        return f"after {self.after} changes, {self.fate} (seed {self.seed})"


@dataclass
class Story:
    """A recorded life: the files at its start, what happened to them, and what was committed when."""

    life: Life
    changes: list[Change]
    start: dict[str, bytes] = field(default_factory=dict)

    @property
    def history(self) -> History:
        return self.life.history

    def images(self, cuts: Iterable[Cut]) -> Iterator[tuple[Cut, dict[str, bytes]]]:
        """The files after each of some cuts, in ascending order."""
        disk, done = Disk(self.start, self.life.folder), 0
        for cut in cuts:
            for change in self.changes[done : cut.after]:
                disk.apply(change)
            done = max(done, cut.after)
            yield cut, disk.image(cut.fate, cut.seed)


class Campaign:
    """Recovers cuts of a life in a scratch folder. Failures are told with the cuts that led to them."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.tally = Tally()
        self.failures: list[str] = []
        self._sets_seen: dict[str, tuple[int, bool]] = {}

    def every(self, story: Story, *, step: int = 1, turn: int = 0, depth: int = 1) -> None:
        """Each `step`-th cut of a life, the fates in turn from the one of number `turn` on, and by chance one cut of each of
        the `depth` recoveries that follow."""
        places = range(0, len(story.changes) + 1, step)
        cuts = (Cut(after, FATES[(place + turn) % len(FATES)], after) for place, after in enumerate(places))
        for cut, image in story.images(cuts):
            self.tally.cuts += 1
            with self._collected():
                self.check(image, story.life, story.history.allowed(cut.after), [cut], depth)
            with self._collected():
                self.check_sets(story, image, cut)

    @contextmanager
    def _collected(self) -> Iterator[None]:
        """A failure is kept, and the campaign goes on."""
        try:
            yield
        except AssertionError as problem:
            self.failures.append(str(problem))

    def every_of_recovery(self, story: Story, cuts: Iterable[Cut]) -> None:
        """For some cuts of a life each cut of the recovery that follows, and one by chance of the recovery after that."""
        for cut, image in story.images(cuts):
            self.tally.cuts += 1
            with self._collected():
                second = self.check(image, story.life, story.history.allowed(cut.after), [cut], 0)
                for again, later in second.images(Cut(n, FATES[n % len(FATES)], n) for n in range(len(second.changes) + 1)):
                    with self._collected():
                        self.check(later, story.life, second.history.allowed(again.after), [cut, again], 1)

    def check(self, image: dict[str, bytes], before: Life, allowed: list[Contents], cuts: list[Cut], depth: int) -> Story:
        """Recover the files a cut left, look at everything, go on working, end; then cut that short."""
        folder = self.scratch / f"cut{len(cuts)}"
        lay_out(image, folder)
        try:
            story = self._recover(image, folder, before, allowed)
        except Exception as problem:
            end_instances()
            raise AssertionError(f"{' then '.join(map(str, cuts))}: {problem!r}") from problem
        self.tally.recoveries += 1
        if depth:
            chosen = random.Random(cuts[-1].seed)
            cut = Cut(chosen.randint(0, len(story.changes)), chosen.choice(FATES), chosen.randrange(1 << 30))
            for _, again in story.images([cut]):
                self.check(again, before, story.history.allowed(cut.after), [*cuts, cut], depth - 1)
        return story

    def _recover(self, image: dict[str, bytes], folder: Path, before: Life, allowed: list[Contents]) -> Story:
        life = Life(folder, RecordingFiles(), **before.parameters)
        life.start()
        life.tidy()
        found = life.contents()
        assert found in allowed, difference(found, allowed)
        life.history = History(lambda: life.clock, dict(zip(life.table_numbers, found.values(), strict=False)))
        go_on(life, found)
        life.end()
        sound(life.path)
        return Story(life, life.files.recorder.changes, image)

    def check_sets(self, story: Story, image: dict[str, bytes], cut: Cut) -> None:
        """Each backup set in the image is restored to a state it may have, or refused if it never was whole."""
        for name in sorted({backup.directory for backup in story.life.backups}):
            done = [each for each in story.life.backups if each.directory == name and each.returned <= cut.after]
            least = max((each.least for each in done), default=None)
            inside = {file.removeprefix(f"{name}/"): data for file, data in image.items() if file.startswith(f"{name}/")}
            if not inside:
                assert least is None, f"{cut}: the set {name} is gone"
                continue
            known = (hash(tuple(sorted(inside.items()))), least is None)
            if self._sets_seen.get(name) == known:
                continue
            self._sets_seen[name] = known
            lay_out(inside, self.scratch / "set")
            allowed = story.history.reached(cut.after, least or 0)
            try:
                self._restore(story.life, allowed, refusable=least is None)
            except Exception as problem:
                end_instances()
                raise AssertionError(f"{cut}: the set {name}: {problem!r}") from problem

    def _restore(self, before: Life, allowed: list[Contents], *, refusable: bool) -> None:
        target = self.scratch / "restored"
        shutil.rmtree(target, ignore_errors=True)
        try:
            esent.restore(self.scratch / "set", target, files=RecordingFiles())
        except JetError:
            if not refusable:
                raise
            self.tally.sets_refused += 1
            return
        self.tally.sets_restored += 1
        life = Life(target, RecordingFiles(), **before.parameters)
        life.start()
        found = life.contents()
        assert found in allowed, difference(found, allowed)
        life.end()
        sound(life.path)


def lay_out(image: dict[str, bytes], folder: Path) -> None:
    """Write files, and nothing else, to a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in image.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def go_on(life: Life, state: Contents) -> None:
    """A durable transaction with a definition and a long value."""
    actor = life.actor()
    with actor.transaction():
        if AFTER not in state:
            actor.create_table(AFTER)
        number = 1 + max(state[AFTER].rows, default=0) if AFTER in state else 1
        actor.insert(AFTER, number, Row(b"n", number, (b"t",), random.Random(number).randbytes(5000)))


def sound(path: Path) -> None:
    """Verification finds nothing to complain about, and no page that nobody has."""
    report = verify_database(path, keys=True)
    complaints = [str(each) for each in report.findings if each.severity is not Severity.NOTE]
    assert not complaints, complaints
    assert not report.pages_leaked, f"{report.pages_leaked} pages leaked"


def difference(found: Contents, allowed: list[Contents]) -> str:
    """What is there that should not be, against the newest of the states allowed, and how many there were."""
    newest = allowed[-1]
    parts = [f"none of {len(allowed)} states"]
    for table in sorted({*found, *newest}):
        there, wanted = found.get(table), newest.get(table)
        if there is None or wanted is None:
            parts.append(f"{table}: {'missing' if there is None else 'not committed'}")
        elif there != wanted:
            rows = [n for n in {*there.rows, *wanted.rows} if there.rows.get(n) != wanted.rows.get(n)]
            parts.append(
                f"{table}: rows {sorted(rows)[:20]}, {sorted(there.indexes ^ wanted.indexes)}, "
                f"{sorted(there.columns ^ wanted.columns)}"
            )
    return "; ".join(parts)
