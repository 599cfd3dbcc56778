"""Indexes built while others read and write the table: between any two portions anything may happen."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from live_home import Home, complaints, recovered
from test_engine_index_beside import User, act, create, opened

import esent
from esent import jet
from esent.engine import index_build
from esent.engine.instance import Instance
from esent.errors import JetError
from esent.tools.verify import verify_database
from process_reset import end_instances
from recovery_crash_files import crash_image

pytestmark = pytest.mark.usefixtures("clean_process")


def between(monkeypatch: pytest.MonkeyPatch, work: Callable[[], None], portion: int = 4) -> None:
    """Have `work` done between two portions."""

    def let_others_in(_instance: Instance) -> None:
        work()

    monkeypatch.setattr(index_build, "PORTION", portion)
    monkeypatch.setattr(index_build, "let_others_in", let_others_in)


def finished(home: Home) -> list[str]:
    jet.JetTerm(home.handle)
    report = verify_database(home.path, keys=True)
    return [*complaints(report), *([f"{report.pages_leaked} pages leaked"] if report.pages_leaked else [])]


def step(chosen: random.Random, user: User) -> None:
    """Something a writer may do."""
    action = chosen.random()
    if not user.level or (action < 0.2 and user.level < 4):
        user.begin()
    elif action < 0.32:
        user.commit()
    elif action < 0.44:
        user.rollback()
    else:
        act(chosen, user)


@pytest.mark.parametrize("seed", range(6))
def test_any_life_between_the_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    chosen = random.Random(seed)
    home, users = opened(tmp_path, 4, rows=30)
    creator, *writers = users
    for _ in range(40):
        step(chosen, chosen.choice(writers))
    for _ in range(chosen.randrange(4)):
        creator.begin()
        try:
            act(chosen, creator)
        except JetError:
            creator.rollback()

    def work() -> None:
        for _ in range(chosen.randrange(12)):
            step(chosen, chosen.choice(writers))

    between(monkeypatch, work)
    expected = creator.rows(None) if creator.level else None
    create(creator)
    if expected is not None:
        assert creator.rows(None) == expected
    creator.agrees("late")
    for _ in range(30):
        step(chosen, chosen.choice(writers))
    creator.agrees("late")
    while creator.level:
        creator.commit()
    home.instance.flush_log()
    shutil.copytree(home.folder, tmp_path / "copy")
    for user in writers:
        while user.level:
            chosen.choice([user.commit, user.rollback])()
    for user in users:
        user.agrees("late")
    assert finished(home) == []
    end_instances()
    recovered(tmp_path / "copy", tmp_path / "again")
    report = verify_database(tmp_path / "again" / "db.edb", keys=True)
    assert (complaints(report), report.pages_leaked) == ([], 0)


@pytest.mark.parametrize("seed", range(4))
def test_a_unique_index_between_the_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Keys go from record to record meanwhile; each is there once whenever anybody looks."""
    chosen = random.Random(seed)
    home, (creator, *writers) = opened(tmp_path, 3, rows=0)
    for number in range(20):
        creator.insert(number, f"u{number}")
    fresh = iter(range(100, 10_000))

    def work() -> None:
        user = chosen.choice(writers)
        first, second = chosen.sample([int(number) for number, _ in user.rows(None)], 2)
        names = dict(user.rows(None))
        user.begin()
        try:
            user.begin()
            user.delete(first)
            user.insert(next(fresh), names[first].decode())
            chosen.choice([user.commit, user.rollback])()
            user.replace(second, f"u{next(fresh)}")
        except JetError as problem:
            assert problem.code in (jet.JET_errWriteConflict, jet.JET_errRecordDeleted, jet.JET_errKeyDuplicate)
        if chosen.random() < 0.8:
            while user.level:
                chosen.choice([user.commit, user.rollback])()

    between(monkeypatch, work, 3)
    try:
        create(creator, "one", jet.JET_bitIndexUnique)
    except JetError as problem:
        assert problem.code == jet.JET_errWriteConflict
    else:
        creator.agrees("one")
    for user in writers:
        while user.level:
            chosen.choice([user.commit, user.rollback])()
    for user in (creator, *writers):
        if "one" in names_of(user):
            user.agrees("one")
    assert finished(home) == []


def names_of(user: User) -> list[str]:
    names = []
    for name in ("byname", "one"):
        try:
            jet.JetSetCurrentIndex(user.sesid, user.table, name)
            names.append(name)
        except JetError as problem:
            assert problem.code == jet.JET_errIndexNotFound
    return names


def test_a_second_key_that_came_meanwhile_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, (writer, creator) = opened(tmp_path, 2, rows=0)
    for number in range(12):
        creator.insert(number, f"u{number}")
    done: list[int] = []

    def work() -> None:
        if not done:
            done.append(1)
            writer.insert(50, "u3")

    between(monkeypatch, work)
    with pytest.raises(JetError) as caught:
        create(creator, "one", jet.JET_bitIndexUnique)
    assert caught.value.code == jet.JET_errKeyDuplicate
    writer.delete(50)
    create(creator, "one", jet.JET_bitIndexUnique)
    creator.agrees("one")
    assert finished(home) == []


def test_its_columns_cannot_be_deleted_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, (writer, creator) = opened(tmp_path, 2)
    found: list[int] = []

    def work() -> None:
        jet.JetDeleteIndex(writer.sesid, writer.table, "byname") if not found else None
        with pytest.raises(JetError) as caught:
            jet.JetDeleteColumn(writer.sesid, writer.table, "name")
        found.append(caught.value.code)
        with pytest.raises(JetError) as caught:
            jet.JetSetCurrentIndex(writer.sesid, writer.table, "late")
        found.append(caught.value.code)

    between(monkeypatch, work)
    create(creator)
    assert set(found) == {jet.JET_errColumnInUse, jet.JET_errIndexNotFound}
    writer.agrees("late")
    assert finished(home) == []


def test_long_values_that_are_keys_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, (writer, creator) = opened(tmp_path, 2, rows=0)
    text = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLongText, cp=1252)
    column = jet.JetAddColumn(creator.sesid, creator.table, "long", text)

    def put(user: User, number: int, value: bytes) -> None:
        user.seek(number)
        jet.JetPrepareUpdate(user.sesid, user.table, jet.JET_prepReplace)
        jet.JetSetColumn(user.sesid, user.table, column, value, jet.JET_bitSetSeparateLV)
        jet.JetUpdate(user.sesid, user.table)

    for number in range(12):
        creator.insert(number, "n")
    turn = iter(range(100))

    def work() -> None:
        number = next(turn)
        if number < 12:
            writer.begin()
            put(writer, number, b"%03d" % (500 - number) + b"x" * 3000)
            writer.commit() if number % 3 else writer.rollback()

    between(monkeypatch, work, 2)
    jet.JetCreateIndex(creator.sesid, creator.table, "late", 0, "+long\0\0")
    for user in (creator, writer):
        values = [(number, value) for number, value in by(user, "late", column) if value is not None]
        assert values == sorted(by(user, None, column, present=True), key=lambda row: row[1])
    assert len(values) == 8
    assert finished(home) == []


def by(user: User, index: str | None, column: int, *, present: bool = False) -> list[tuple[int, bytes]]:
    """Number and a column of the records in the order of an index."""
    jet.JetSetCurrentIndex(user.sesid, user.table, index)
    found = []
    move = jet.JET_MoveFirst
    while True:
        try:
            jet.JetMove(user.sesid, user.table, move)
        except JetError:
            break
        number = int.from_bytes(jet.JetRetrieveColumn(user.sesid, user.table, 1), "little")
        value = jet.JetRetrieveColumn(user.sesid, user.table, column)
        if value is not None or not present:
            found.append((number, value))
        move = jet.JET_MoveNext
    return found


def test_threads_write_while_an_index_is_built(tmp_path: Path) -> None:
    home, (creator, *_) = opened(tmp_path, 1, rows=1500)
    built = threading.Event()
    problems: list[BaseException] = []
    commits = [0, 0]

    def write(place: int) -> None:
        try:
            user = User(home)
            chosen = random.Random(place)
            while not built.is_set() or commits[place] < 5:
                user.begin()
                for _ in range(3):
                    number = chosen.randrange(750) * 2 + place
                    user.seek(number)
                    user.replace(number, f"t{chosen.randrange(1000)}")
                user.insert(10_000 + place + 2 * commits[place], "new")
                chosen.choice([user.commit, user.commit, user.rollback])()
                commits[place] += 1
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=write, args=(place,)) for place in (0, 1)]
    for thread in threads:
        thread.start()
    try:
        create(creator)
    finally:
        built.set()
        for thread in threads:
            thread.join()
    assert problems == []
    creator.agrees("late")
    assert finished(home) == []


@pytest.mark.parametrize("outcome", ["created", "given up"])
def test_a_cut_at_any_write_of_a_building(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: str) -> None:
    """Nothing is left of an index that was not finished, and nothing of the others' work is lost."""
    chosen = random.Random(5)
    home, (writer, creator) = opened(tmp_path, 2, rows=40, eager=True)
    home.database.store.cache.limit = 12
    states: list[tuple[int, list[tuple[int, bytes]]]] = []

    def note() -> None:
        states.append((len(home.files.recorder.changes), sorted(writer.rows(None))))

    def work() -> None:
        writer.begin()
        act(chosen, writer)
        writer.begin()
        act(chosen, writer)
        chosen.choice([writer.commit, writer.rollback])()
        chosen.choice([writer.commit, writer.commit, writer.rollback])()
        note()

    between(monkeypatch, work)
    note()
    creator.begin()
    create(creator)
    work()
    creator.commit() if outcome == "created" else creator.rollback()
    home.idle()
    note()
    changes = home.files.recorder.changes
    begun = states[0][0]
    end_instances()
    for count in sorted(chosen.sample(range(begun, len(changes)), 14)):
        files = crash_image({}, changes, count, chosen.choice(["kept", "lost", "some", "torn"]), count)
        goal = tmp_path / "cut"
        shutil.rmtree(goal, ignore_errors=True)
        goal.mkdir()
        for name, data in files.items():
            (goal / name).write_bytes(data)
        again = Home(goal, fresh=False)
        rows = sorted(User(again).rows(None))
        before = [state for at, state in states if at <= count][-1:]
        after = [state for at, state in states if at > count][:1]
        assert rows in before + after
        assert finished(again) == []


def test_an_index_that_comes_while_rows_are_inserted(tmp_path: Path) -> None:
    with esent.open(tmp_path / "a.edb") as db:
        table = db.create_table("t", {"id": esent.Int32(), "name": esent.Text()}, primary_key="id")

        def rows(count: int) -> Iterator[dict[str, object]]:
            for number in range(count):
                if number == 20:
                    creator = threading.Thread(target=lambda: db["t"].create_index("late", "+name"))
                    creator.start()
                    creator.join()
                yield {"id": number, "name": f"n{number * 7 % 40:02d}"}

        table.insert_many(rows(40))
        assert [row.name for row in db["t"].index("late")] == [f"n{number:02d}" for number in range(40)]
    assert complaints(verify_database(tmp_path / "a.edb", keys=True)) == []


def test_a_stopped_service_ends_a_building(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, (creator, reader) = opened(tmp_path, 2, rows=30)
    home.database.store.cache.limit = 12
    monkeypatch.setattr(index_build, "PORTION", 4)
    wait = threading.Condition.wait

    def stop(condition: threading.Condition, timeout: float | None = None) -> bool:
        home.instance.service_stopped = True
        return wait(condition, timeout)

    monkeypatch.setattr(threading.Condition, "wait", stop)
    with pytest.raises(JetError) as caught:
        create(creator)
    assert caught.value.code == jet.JET_errClientRequestToStopJetService
    monkeypatch.undo()
    home.instance.service_stopped = False
    with pytest.raises(JetError) as caught:
        jet.JetSetCurrentIndex(reader.sesid, reader.table, "late")
    assert caught.value.code == jet.JET_errIndexNotFound
    create(creator)
    reader.agrees("late")
    assert finished(home) == []


def test_two_indexes_are_built_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, (creator, other, writer) = opened(tmp_path, 3, rows=30)
    numbers = iter(range(1000, 2000))
    started: list[int] = []

    def work() -> None:
        writer.insert(next(numbers), "n3")
        if not started:
            started.append(1)
            with pytest.raises(JetError) as caught:
                create(other)
            assert caught.value.code in (jet.JET_errIndexDuplicate, jet.JET_errWriteConflict)
            create(other, "second")

    between(monkeypatch, work)
    create(creator)
    for user in (creator, other, writer):
        user.agrees("late")
        user.agrees("second")
    assert finished(home) == []
