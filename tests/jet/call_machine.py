"""Random calls of several sessions on one table and on a plain model at once: data, transactions, indexes, clean and unclean
ends of the process, backups that are restored."""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from version_model import COUNTER, VersionModel

from esent import jet
from esent.errors import JetError
from jet_helpers import Running, code_of
from process_reset import end_instances

SESSIONS = 3
sessions = st.integers(0, SESSIONS - 1)
ids = st.integers(-3, 8)
numbers = st.one_of(st.none(), st.integers(-2, 3))
uniques = st.one_of(st.none(), st.integers(0, 5))
texts = st.one_of(st.none(), st.sampled_from([b"", b"a", b"A", b"ab", b"b", b"m" * 60]))
bodies = st.one_of(st.none(), st.tuples(st.integers(0, 255), st.sampled_from([1, 900, 1100, 4100, 20000])))
deltas = st.integers(-5, 5)
ERRORS = {"KeyDuplicate": jet.JET_errKeyDuplicate, "WriteConflict": jet.JET_errWriteConflict}
NUMBER_BYTES = 4
LOCK = "write lock"


class Row(NamedTuple):
    """What a record holds beside its id and its counter."""

    number: int | None
    unique: int | None
    text: bytes | None
    body: bytes | None


class Columns(NamedTuple):
    identity: int
    number: int
    unique: int
    counter: int
    text: int
    body: int


def packed(value: int | None) -> bytes | None:
    return None if value is None else value.to_bytes(NUMBER_BYTES, "little", signed=True)


def unpacked(data: bytes | None) -> int | None:
    return None if data is None else int.from_bytes(data, "little", signed=True)


def place(identity: int) -> tuple[bytes, bytes]:
    return b"row %d" % identity, b""


def unique_place(value: int) -> tuple[bytes, bytes]:
    return b"unique %d" % value, b""


def body_of(chosen: tuple[int, int] | None) -> bytes | None:
    if chosen is None:
        return None
    seed, size = chosen
    return bytes((seed + step * step) & 255 for step in range(97)) * (size // 97 + 1)


class CallMachine(RuleBasedStateMachine):
    """`self.states`: what may be there after a crash, the last first: everything committed since the last durable commit."""

    page_size = 4096

    @initialize(page_size=st.sampled_from([4096, 8192, 32768]))
    def begin_machine(self, page_size: int) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="calls-"))
        self.page_size = page_size
        self.count = 0
        self.model = VersionModel()
        self.states = [self.model.committed]
        self.with_text_index = False
        self.folder = self.new_folder()
        self.running = self.start(self.folder)
        self.create()
        self.open_sessions()

    def teardown(self) -> None:
        if hasattr(self, "root"):
            end_instances()
            shutil.rmtree(self.root, ignore_errors=True)

    # ---- the process ----------------------------------------------------------------------------------------------------

    def new_folder(self) -> Path:
        self.count += 1
        folder = self.root / str(self.count)
        folder.mkdir()
        return folder

    def start(self, folder: Path) -> Running:
        jet.JetSetSystemParameter(None, jet.JET_sesidNil, jet.JET_paramDatabasePageSize, self.page_size)
        return Running(folder, f"calls {self.count}", AlternateDatabaseRecoveryPath=str(folder))

    def create(self) -> None:
        sesid = self.running.sesid
        dbid = jet.JetCreateDatabase(sesid, self.running.path())
        fixed = jet.JET_bitColumnFixed
        wishes = [
            jet.JET_COLUMNCREATE(szColumnName="Id", coltyp=jet.JET_coltypLong, grbit=fixed),
            jet.JET_COLUMNCREATE(szColumnName="N", coltyp=jet.JET_coltypLong),
            jet.JET_COLUMNCREATE(szColumnName="U", coltyp=jet.JET_coltypLong, grbit=jet.JET_bitColumnTagged),
            jet.JET_COLUMNCREATE(
                szColumnName="E",
                coltyp=jet.JET_coltypLong,
                grbit=fixed | jet.JET_bitColumnEscrowUpdate,
                pvDefault=bytes(NUMBER_BYTES),
            ),
            jet.JET_COLUMNCREATE(szColumnName="T", coltyp=jet.JET_coltypText, cp=1252),
            jet.JET_COLUMNCREATE(szColumnName="B", coltyp=jet.JET_coltypLongBinary),
        ]
        unique = jet.JET_bitIndexUnique | jet.JET_bitIndexIgnoreNull
        indexes = [
            jet.JET_INDEXCREATE2(szIndexName="id", szKey=["+Id"], grbit=jet.JET_bitIndexPrimary),
            jet.JET_INDEXCREATE2(szIndexName="n", szKey=["-N", "+Id"]),
            jet.JET_INDEXCREATE2(szIndexName="u", szKey=["+U"], grbit=unique),
        ]
        table = jet.JET_TABLECREATE3(szTableName="T", rgcolumncreate=wishes, rgindexcreate=indexes)
        jet.JetCreateTableColumnIndex3(sesid, dbid, table)
        jet.JetCloseTable(sesid, table.tableid)
        self.columns = Columns(*(wish.columnid for wish in wishes))

    def open_sessions(self) -> None:
        self.sesids = [jet.JetBeginSession(self.running.instance) for _ in range(SESSIONS)]
        self.tables = []
        for sesid in self.sesids:
            dbid = jet.JetOpenDatabase(sesid, self.running.path())
            self.tables.append(jet.JetOpenTable(sesid, dbid, "T"))

    def is_quiet(self) -> bool:
        return not any(self.model.level(session) for session in range(SESSIONS))

    @rule()
    def restart(self) -> None:
        if not self.is_quiet():
            # recorded: a clean end refuses while a transaction is open, and all goes on
            assert code_of(self.running.term, jet.JET_bitTermComplete) == jet.JET_errTooManyActiveUsers
            return
        self.running.term(jet.JET_bitTermComplete)
        self.model.crash()
        self.states = [self.model.committed]
        self.running = self.start(self.folder)
        self.running.attach()
        self.open_sessions()

    @rule()
    def crash(self) -> None:
        """The process is killed; what it had written is found by the next one."""
        goal = self.new_folder()
        shutil.copytree(self.folder, goal, dirs_exist_ok=True)
        end_instances()
        self.folder = goal
        self.running = self.start(goal)
        self.running.attach()
        self.model.crash()
        found = self.content(self.running.sesid, self.running.open())
        possible = [self.rows(state) for state in self.states]
        assert found in possible, (found, possible)
        self.model.committed = self.states[possible.index(found)]
        self.states = [self.model.committed]
        self.open_sessions()

    @rule(stopped=st.booleans())
    def backup_and_restore(self, stopped: bool) -> None:
        """A set holds what was committed when the backup ended, nothing of open transactions."""
        backup, goal, logs = self.new_folder(), self.new_folder(), self.new_folder()
        if stopped:
            jet.JetBeginExternalBackupInstance(self.running.instance)
            jet.JetStopBackupInstance(self.running.instance)
            assert jet.JetEndExternalBackupInstance(self.running.instance) == jet.JET_errBackupAbortByServer
        jet.JetBackupInstance(self.running.instance, str(backup))
        self.states = [self.model.committed]
        other = jet.JetCreateInstance(f"restore {self.count}")
        for number in (jet.JET_paramSystemPath, jet.JET_paramLogFilePath, jet.JET_paramTempPath):
            jet.JetSetSystemParameter(other, jet.JET_sesidNil, number, 0, f"{logs}/")
        jet.JetSetSystemParameter(other, jet.JET_sesidNil, jet.JET_paramLogFileSize, 128)
        assert jet.JetRestoreInstance(other, str(backup), f"{goal}/") == 0
        jet.JetInit(other)
        sesid = jet.JetBeginSession(other)
        path = str(goal / "db.edb")
        jet.JetAttachDatabase(sesid, path)
        assert self.content(sesid, jet.JetOpenDatabase(sesid, path)) == self.rows(self.model.committed)
        jet.JetTerm2(other, jet.JET_bitTermComplete)
        for folder in (backup, goal, logs):
            shutil.rmtree(folder)

    # ---- transactions -----------------------------------------------------------------------------------------------------

    @rule(session=sessions)
    def begin(self, session: int) -> None:
        if self.model.level(session) < 5:
            jet.JetBeginTransaction(self.sesids[session])
            self.model.begin(session)

    @rule(session=sessions, lazy=st.booleans())
    def commit(self, session: int, lazy: bool) -> None:
        if self.model.level(session):
            jet.JetCommitTransaction(self.sesids[session], jet.JET_bitCommitLazyFlush if lazy else 0)
            self.committed(session, lazy=lazy)

    def committed(self, session: int, *, lazy: bool) -> None:
        outermost = self.model.level(session) == 1
        logged = any(change.kind != LOCK for change in self.model.open[session].changes())
        self.model.commit(session)
        if outermost:
            # a commit that changed nothing waits for nothing
            keep = self.states if lazy or not logged else []
            self.states = [self.model.committed, *keep]

    @rule(session=sessions, everything=st.booleans())
    def rollback(self, session: int, everything: bool) -> None:
        if self.model.level(session):
            jet.JetRollback(self.sesids[session], jet.JET_bitRollbackAll if everything else 0)
            self.model.rollback(session)
            while everything and self.model.level(session):
                self.model.rollback(session)

    @contextmanager
    def own_transaction(self, session: int) -> Iterator[Callable[[], None]]:
        """Around a call: outside of a transaction it has one of its own, kept where the call says that it worked."""
        own = not self.model.level(session)
        if own:
            self.model.begin(session)
        worked: list[bool] = []
        yield lambda: worked.append(True)
        if own and worked:
            self.committed(session, lazy=False)
        elif own:
            self.model.rollback(session)

    # ---- changes ----------------------------------------------------------------------------------------------------------

    def seek(self, session: int, identity: int) -> bool:
        sesid, tableid = self.sesids[session], self.tables[session]
        jet.JetSetCurrentIndex(sesid, tableid, None)
        jet.JetMakeKey(sesid, tableid, packed(identity), jet.JET_bitNewKey)
        try:
            jet.JetSeek(sesid, tableid, jet.JET_bitSeekEQ)
        except JetError as problem:
            assert problem.code == jet.JET_errRecordNotFound
            return False
        return True

    def expect(self, names: set[str], call: Callable[[], object]) -> bool:
        """Whether the call worked; it must end as one of `names` says."""
        wanted = {ERRORS.get(name, 0) for name in names}
        try:
            call()
        except JetError as problem:
            assert problem.code in wanted, (problem, names)
            return False
        assert 0 in wanted, names
        return True

    @rule(session=sessions, identity=ids, number=numbers, unique=uniques, text=texts, body=bodies)
    def insert(
        self,
        session: int,
        identity: int,
        number: int | None,
        unique: int | None,
        text: bytes | None,
        body: tuple[int, int] | None,
    ) -> None:
        sesid, tableid = self.sesids[session], self.tables[session]
        row = self.fitting(session, Row(number, unique, text, body_of(body)))
        with self.own_transaction(session) as worked:
            expected = self.outcomes_of_insert(session, identity, row.unique)
            jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepInsert)
            jet.JetSetColumn(sesid, tableid, self.columns.identity, packed(identity))
            self.set_row(session, row)
            if self.expect(expected, lambda: jet.JetUpdate(sesid, tableid)):
                self.model.change(session, "insert", place(identity), bytes(COUNTER) + pickle.dumps(tuple(row)))
                if row.unique is not None:
                    self.model.change(session, "insert", unique_place(row.unique), b"")
                worked()
            else:
                jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepCancel)

    def fitting(self, session: int, row: Row) -> Row:
        """Outside of a transaction no long value can be set."""
        return row if self.model.level(session) else row._replace(body=None)

    def set_row(self, session: int, row: Row) -> None:
        sesid, tableid, columns = self.sesids[session], self.tables[session], self.columns
        values = [(columns.number, packed(row.number)), (columns.unique, packed(row.unique)), (columns.text, row.text)]
        if self.in_transaction(session):
            values.append((columns.body, row.body))
        for columnid, value in values:
            jet.JetSetColumn(sesid, tableid, columnid, value, jet.JET_bitSetZeroLength if value == b"" else 0)

    def outcomes_of_insert(self, session: int, identity: int, unique: int | None, *, row: bool = True) -> set[str]:
        found = self.model.outcomes(session, "insert", place(identity)) if row else {""}
        if found == {""} and unique is not None and self.model.outcomes(session, "insert", unique_place(unique)) != {""}:
            return {"KeyDuplicate", "WriteConflict"}
        return found

    @rule(session=sessions, identity=ids, number=numbers, unique=uniques, text=texts, body=bodies, append=st.booleans())
    def replace(
        self,
        session: int,
        identity: int,
        number: int | None,
        unique: int | None,
        text: bytes | None,
        body: tuple[int, int] | None,
        append: bool,
    ) -> None:
        sesid, tableid = self.sesids[session], self.tables[session]
        with self.own_transaction(session) as worked:
            data = self.model.view(session).get(place(identity))
            assert self.seek(session, identity) == (data is not None)
            if data is None:
                return
            old = Row(*pickle.loads(data[COUNTER:]))
            allowed = self.model.outcomes(session, "replace", place(identity))
            # outside of a transaction the record is locked when the update is made only
            early = allowed if self.in_transaction(session) else {""}
            if not self.expect(early, lambda: jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepReplace)):
                return
            if self.in_transaction(session):  # the lock lasts as long as the transaction, whatever becomes of the update
                self.model.change(session, LOCK, place(identity))
            row = Row(number, unique, text, body_of(body))
            appended = b"tail" * 300
            appends = append and self.in_transaction(session)
            if not self.in_transaction(session):
                row = row._replace(body=old.body)
            if appends:
                row = row._replace(body=(old.body or b"") + appended)
            expected = allowed
            if expected == {""} and row.unique is not None and row.unique != old.unique:
                expected = self.outcomes_of_insert(session, identity, row.unique, row=False)
            self.set_row(session, row._replace(body=old.body if appends else row.body))
            if appends:
                jet.JetSetColumn(sesid, tableid, self.columns.body, appended, jet.JET_bitSetAppendLV)
            if self.expect(expected, lambda: jet.JetUpdate(sesid, tableid)):
                self.model.change(session, "replace", place(identity), data[:COUNTER] + pickle.dumps(tuple(row)))
                if row.unique != old.unique:
                    if old.unique is not None:
                        self.model.change(session, "delete", unique_place(old.unique))
                    if row.unique is not None:
                        self.model.change(session, "insert", unique_place(row.unique), b"")
                worked()
            else:
                jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepCancel)

    def in_transaction(self, session: int) -> bool:
        """Whether the program is in a transaction, that of the call aside."""
        return bool(self.sesids[session].target.level)

    @rule(session=sessions, identity=ids)
    def delete(self, session: int, identity: int) -> None:
        sesid, tableid = self.sesids[session], self.tables[session]
        with self.own_transaction(session) as worked:
            data = self.model.view(session).get(place(identity))
            assert self.seek(session, identity) == (data is not None)
            if data is None:
                return
            expected = self.model.outcomes(session, "delete", place(identity))
            if self.expect(expected, lambda: jet.JetDelete(sesid, tableid)):
                self.model.change(session, "delete", place(identity))
                old = Row(*pickle.loads(data[COUNTER:]))
                if old.unique is not None:
                    self.model.change(session, "delete", unique_place(old.unique))
                worked()

    @rule(session=sessions, identity=ids, delta=deltas)
    def escrow(self, session: int, identity: int, delta: int) -> None:
        sesid, tableid = self.sesids[session], self.tables[session]
        if not self.model.level(session) or not self.seek(session, identity):
            return
        expected = self.model.outcomes(session, "delta", place(identity))
        amount = packed(delta)
        if self.expect(expected, lambda: jet.JetEscrowUpdate(sesid, tableid, self.columns.counter, amount)):
            self.model.change(session, "delta", place(identity), delta=delta)

    # ---- definitions --------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.is_quiet())
    @rule()
    def text_index_comes_or_goes(self) -> None:
        sesid, tableid = self.sesids[0], self.tables[0]
        for other, table in zip(self.sesids, self.tables, strict=True):
            jet.JetSetCurrentIndex(other, table, None)
        if self.with_text_index:
            jet.JetDeleteIndex(sesid, tableid, "t")
        else:
            jet.JetCreateIndex(sesid, tableid, "t", 0, ["+T"], 80)
        self.with_text_index = not self.with_text_index
        self.states = [self.model.committed]

    # ---- what is seen -------------------------------------------------------------------------------------------------------

    @staticmethod
    def rows(state: dict[tuple[bytes, bytes], bytes]) -> dict[int, tuple[int, Row]]:
        """Counter and content by id."""
        found = {}
        for (key, _), data in state.items():
            if key.startswith(b"row "):
                counter = int.from_bytes(data[:COUNTER], "little", signed=True)
                found[int(key[4:])] = (counter, Row(*pickle.loads(data[COUNTER:])))
        return dict(sorted(found.items()))

    def record(self, sesid: Any, tableid: Any) -> tuple[int, tuple[int, Row]]:
        columns = self.columns
        values = {name: jet.JetRetrieveColumn(sesid, tableid, getattr(columns, name)) for name in Columns._fields}
        row = Row(unpacked(values["number"]), unpacked(values["unique"]), values["text"], values["body"])
        identity, counter = unpacked(values["identity"]), unpacked(values["counter"])
        assert identity is not None
        assert counter is not None
        return identity, (counter, row)

    def walk(self, sesid: Any, tableid: Any, index: str | None) -> list[tuple[int, tuple[int, Row]]]:
        jet.JetSetCurrentIndex(sesid, tableid, index)
        found = []
        step = jet.JET_MoveFirst
        while True:
            try:
                jet.JetMove(sesid, tableid, step)
            except JetError as problem:
                assert problem.code == jet.JET_errNoCurrentRecord
                return found
            found.append(self.record(sesid, tableid))
            step = jet.JET_MoveNext

    def content(self, sesid: Any, dbid: int) -> dict[int, tuple[int, Row]]:
        tableid = jet.JetOpenTable(sesid, dbid, "T")
        found = dict(self.walk(sesid, tableid, None))
        for index in ("n", "u"):
            for identity, seen in self.walk(sesid, tableid, index):
                assert found[identity] == seen
        jet.JetCloseTable(sesid, tableid)
        return found

    @rule(session=sessions)
    def scan(self, session: int) -> None:
        sesid, tableid = self.sesids[session], self.tables[session]
        expected = self.rows(self.model.view(session))
        assert self.walk(sesid, tableid, None) == list(expected.items())
        by_number = self.walk(sesid, tableid, "n")
        assert dict(by_number) == expected
        order = [(row.number is None, -(row.number or 0), identity) for identity, (_, row) in by_number]
        assert order == sorted(order)
        by_unique = self.walk(sesid, tableid, "u")
        wanted = sorted((row.unique, identity) for identity, (_, row) in expected.items() if row.unique is not None)
        assert [(row.unique, identity) for identity, (_, row) in by_unique] == wanted
        if self.with_text_index:
            assert dict(self.walk(sesid, tableid, "t")) == expected

    @rule(session=sessions, identity=ids, how=st.sampled_from(["GE", "GT", "LE", "LT", "EQ"]))
    def look_for(self, session: int, identity: int, how: str) -> None:
        sesid, tableid = self.sesids[session], self.tables[session]
        present = list(self.rows(self.model.view(session)))
        below, above = [each for each in present if each < identity], [each for each in present if each > identity]
        here = [identity] if identity in present else []
        wanted = {"EQ": here, "GE": here + above, "GT": above, "LE": here + below[::-1], "LT": below[::-1]}[how]
        jet.JetSetCurrentIndex(sesid, tableid, None)
        jet.JetMakeKey(sesid, tableid, packed(identity), jet.JET_bitNewKey)
        grbit = getattr(jet, f"JET_bitSeek{how}")
        if not wanted:
            try:
                jet.JetSeek(sesid, tableid, grbit)
            except JetError as problem:
                assert problem.code == jet.JET_errRecordNotFound
                return
            raise AssertionError("a record was found where there is none")
        status = jet.JetSeek(sesid, tableid, grbit)
        assert status == (jet.JET_wrnSeekNotEqual if wanted[0] != identity and how in ("GE", "LE") else 0)
        assert self.record(sesid, tableid)[0] == wanted[0]
        bookmark = jet.JetGetBookmark(sesid, tableid)
        jet.JetGotoBookmark(sesid, tableid, bookmark)
        assert self.record(sesid, tableid)[0] == wanted[0]

    @rule(session=sessions, low=ids, high=ids)
    def look_between(self, session: int, low: int, high: int) -> None:
        sesid, tableid = self.sesids[session], self.tables[session]
        wanted = [each for each in self.rows(self.model.view(session)) if low <= each <= high]
        jet.JetSetCurrentIndex(sesid, tableid, None)
        jet.JetMakeKey(sesid, tableid, packed(low), jet.JET_bitNewKey)
        try:
            jet.JetSeek(sesid, tableid, jet.JET_bitSeekGE)
            jet.JetMakeKey(sesid, tableid, packed(high), jet.JET_bitNewKey)
            jet.JetSetIndexRange(sesid, tableid, jet.JET_bitRangeInclusive | jet.JET_bitRangeUpperLimit)
        except JetError as problem:
            assert problem.code in (jet.JET_errRecordNotFound, jet.JET_errNoCurrentRecord)
            assert not wanted
            return
        found = []
        while True:
            found.append(self.record(sesid, tableid)[0])
            try:
                jet.JetMove(sesid, tableid, jet.JET_MoveNext)
            except JetError as problem:
                assert problem.code == jet.JET_errNoCurrentRecord
                break
        assert found == wanted
