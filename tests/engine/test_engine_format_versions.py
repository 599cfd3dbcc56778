"""JET_paramEngineFormatVersion: in which versions databases and logs are made, which are raised, which are refused, and what
every version is written with."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine_genuine import facts_of, genuine_start
from page_comparison import comparable

import esent
from esent import jet
from esent.constants import codes
from esent.constants.formats import ENGINE_FORMATS, HIGHEST, Feature, database_version
from esent.log.header import LogHeader
from esent.log.reader import LogFile
from esent.pages.database_file import DatabaseFile
from esent.pages.edit import MutablePage
from esent.pages.header import DatabaseHeader
from esent.tools.compact import compact_file
from esent.tools.info import describe
from esent.tree.space import autoincrement_of
from jet_helpers import Running, allocate, code_of

DEFAULT = 8920
HIGHER = jet.JET_efvAllowHigherPersistedFormat
PERSISTED = jet.JET_efvUsePersistedFormat
# one of each set of features, and the neighbours of some
VERSIONS = [7060, 8020, 8920, 8940, 8960, 9040, 9080, 9100, 9120, 9180, 9260, 9320, 9460, 9520, 9600]
# fields of the header of a clean database that nothing but its making decides
DETERMINED = (
    *("magic", "version", "attrib", "dbstate", "dbid", "page_size_field", "file_type", "sort_version"),
    *("os_major", "os_minor", "os_build", "os_service_pack", "repair_count", "trim_count", "shrink_count"),
    *("update_major", "update_minor", "create_version", "create_update", "efv_max_bin_attach"),
    *("gen_min_required", "gen_max_required", "gen_min_consistent", "gen_max_committed", "logtime_gen_max_required"),
    *("gen_pre_redo_min_consistent", "gen_pre_redo_min_required", "sign_rbs_hdr_flush", "lgpos_commit_before_revert"),
)
ROOT_TIME_BYTES = slice(43, 51)  # of PgnoFDPLastSetTime in a row of the catalogue


@pytest.fixture(autouse=True)
def page_size() -> Iterator[None]:
    yield
    jet.JetSetSystemParameter(None, jet.JET_sesidNil, jet.JET_paramDatabasePageSize, 4096)


def header_of(path: str | Path) -> DatabaseHeader:
    with DatabaseFile(Path(path)) as file:
        return file.header


def log_headers(folder: Path) -> list[LogHeader]:
    names = [path for path in folder.iterdir() if path.suffix in (".log", ".jtx") and "tmp" not in path.name]
    return sorted((LogHeader.parse(path.read_bytes()[:4096]) for path in names), key=lambda header: header.generation)


def kinds_of(folder: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for path in folder.iterdir():
        if path.suffix in (".log", ".jtx") and "tmp" not in path.name:
            with LogFile(path) as log:
                found.update(type(record).__name__ for _, record in log.records())
    return found


def new_database(folder: Path, **parameters: Any) -> Path:
    folder.mkdir(exist_ok=True)
    running = Running(folder, "new", **parameters)
    jet.JetCreateDatabase(running.sesid, running.path())
    running.term()
    return Path(running.path())


def set_format(value: int) -> int:
    instance = jet.JetCreateInstance("formats")
    try:
        jet.JetSetSystemParameter(instance, jet.JET_sesidNil, jet.JET_paramEngineFormatVersion, value)
        found = jet.JetGetSystemParameter(instance, jet.JET_sesidNil, jet.JET_paramEngineFormatVersion)
    finally:
        jet.JetTerm(instance)
    assert isinstance(found, int)
    return found


# ---- the parameter -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (8020, 8020),
        (9600, 9600),
        (9180 | HIGHER, 9180 | HIGHER),
        (jet.JET_efvUseEngineDefault, 9600),
        (PERSISTED, PERSISTED),
    ],
)
def test_the_parameter_takes_versions(value: int, found: int) -> None:
    assert set_format(value) == found


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (0, codes.JET_errEngineFormatVersionNoLongerSupportedTooLow),
        (7059, codes.JET_errEngineFormatVersionNoLongerSupportedTooLow),
        (9001, codes.JET_errEngineFormatVersionNoLongerSupportedTooLow),
        (9440 | HIGHER, codes.JET_errEngineFormatVersionNoLongerSupportedTooLow),
        (9601, codes.JET_errEngineFormatVersionNotYetImplementedTooHigh),
        (9620 | HIGHER, codes.JET_errEngineFormatVersionNotYetImplementedTooHigh),
        (0x40000003, codes.JET_errEngineFormatVersionNotYetImplementedTooHigh),
        (0xFFFFFFFF, codes.JET_errEngineFormatVersionNotYetImplementedTooHigh),
        (jet.JET_efvUseEngineDefault | HIGHER, codes.JET_errInvalidParameter),
        (PERSISTED | HIGHER, codes.JET_errInvalidParameter),
    ],
)
def test_the_parameter_refuses_what_is_no_version(value: int, code: int) -> None:
    assert code_of(set_format, value) == code


def test_the_parameter_of_an_instance_is_a_cautious_one_until_it_is_set() -> None:
    instance = jet.JetCreateInstance("formats")
    number = jet.JET_paramEngineFormatVersion
    try:
        assert jet.JetGetSystemParameter(instance, jet.JET_sesidNil, number) == DEFAULT | HIGHER
        assert jet.JetGetSystemParameter(None, jet.JET_sesidNil, number) == HIGHEST.efv
    finally:
        jet.JetTerm(instance)


def test_the_parameter_stays_while_databases_are_attached(tmp_path: Path) -> None:
    running = Running(tmp_path)
    arguments = (running.instance, jet.JET_sesidNil, jet.JET_paramEngineFormatVersion)
    jet.JetSetSystemParameter(*arguments, 9180)  # at any time else
    jet.JetCreateDatabase(running.sesid, running.path())
    assert code_of(jet.JetSetSystemParameter, *arguments, 9600) == codes.JET_errAlreadyInitialized
    assert jet.JetGetSystemParameter(*arguments) == 9180
    running.term()
    assert header_of(running.path()).format_version == (0x620, 110, 240)


# ---- new files -----------------------------------------------------------------------------------------------------------


def test_without_a_choice_new_files_have_what_everything_from_windows_10_on_takes(tmp_path: Path) -> None:
    header = header_of(new_database(tmp_path / "a"))
    assert header.format_version == (0x620, 20, 0)
    assert header.efv_max_bin_attach == 0
    assert [str(log.version) for log in log_headers(tmp_path / "a")] == ["8.4000.5.16"]
    assert not kinds_of(tmp_path / "a").keys() & {"SetDbVersion", "NewPage"}


@pytest.mark.parametrize("efv", VERSIONS)
def test_new_files_have_the_versions_of_the_format(efv: int, tmp_path: Path) -> None:
    path = new_database(tmp_path / "a", EngineFormatVersion=efv, DbExtensionSize=1)
    header, row = header_of(path), ENGINE_FORMATS[efv]
    assert header.format_version == database_version(row)
    assert (header.create_version, header.create_update) == (0x620, 20)
    assert header.efv_max_bin_attach == (9600 if efv >= Feature.SET_DB_VERSION else 0)
    assert header.check() == []
    assert (header.lgpos_last_resize == header.lgpos_consistent) == header.has(Feature.LAST_RESIZE)
    for log in log_headers(tmp_path / "a"):
        assert log.version == (8, 4000, *row.log)
        assert log.engine_format_version == 9600
    kinds = kinds_of(tmp_path / "a")
    assert kinds["SetDbVersion"] == (efv >= Feature.SET_DB_VERSION)
    assert kinds["NewPage"] == (2 if efv >= Feature.NEW_PAGE else 0)


@pytest.mark.fixtures
@pytest.mark.parametrize("efv", [8020, 9180, 9600])
def test_a_new_database_is_what_the_original_makes_of_that_version(efv: int, fixtures: Any, tmp_path: Path) -> None:
    """The same pages with the same objects, flags, links and space; the same rows in the catalogue and its indexes."""
    theirs = genuine_start(fixtures, f"efv-{efv}", tmp_path / "theirs")
    jet.JetSetSystemParameter(None, jet.JET_sesidNil, jet.JET_paramDatabasePageSize, 8192)
    ours = new_database(tmp_path / "ours", EngineFormatVersion=efv, DbExtensionSize=16)
    (our_pages, our_nodes), (their_pages, their_nodes) = facts_of(ours), facts_of(theirs)
    assert our_pages == their_pages
    assert without_root_times(our_nodes) == without_root_times(their_nodes)
    mine, genuine = header_of(ours), header_of(fixtures.copy_set(f"engine/efv-{efv}", tmp_path / "set") / "db.edb")
    for name in DETERMINED:
        assert getattr(mine, name) == getattr(genuine, name), name
    assert (mine.lgpos_last_resize == mine.lgpos_consistent) == (genuine.lgpos_last_resize == genuine.lgpos_consistent)
    log, genuine_log = log_headers(tmp_path / "ours")[0], log_headers(tmp_path / "theirs")[0]
    assert log.version == genuine_log.version
    assert log.engine_format_version == genuine_log.engine_format_version


def without_root_times(nodes: dict[Any, list[tuple[bytes, bytes]]]) -> dict[Any, list[tuple[bytes, bytes]]]:
    """The rows of the catalogue (objects 2 and 3) with the times of roots, where they have one, made one and the same."""
    found = {}
    for place, rows in nodes.items():
        found[place] = [(key, undated(data) if place[0] in (2, 3) else data) for key, data in rows]
    return found


def undated(record: bytes) -> bytes:
    if record[0] < 13 or record[ROOT_TIME_BYTES] == b"*" * 8:
        return record
    return record[: ROOT_TIME_BYTES.start] + bytes(8) + record[ROOT_TIME_BYTES.stop :]


# ---- work in every version -----------------------------------------------------------------------------------------------


def work(path: Path, efv: int) -> None:
    """A bit of everything that formats differ in: numbers, long values, counters, splits, trees made and deleted."""
    with esent.open(path, parameters={"EngineFormatVersion": efv}) as database:
        with database.transaction():
            table = database.create_table(
                "rows",
                {"id": esent.Int64(autoincrement=True), "name": esent.Text(), "photo": esent.LongBinary()},
                primary_key="id",
                indexes={"by_name": "+name"},
            )
            gone = database.create_table("gone", {"k": esent.Int32(), "v": esent.LongBinary()}, primary_key="k")
        for number in range(120):
            table.insert(name=f"{number * 7919 % 120:05d}" * 12, photo=b"y" * (9000 if number % 10 == 0 else 10))
        gone.insert_many({"k": number, "v": bytes(700)} for number in range(300))
        with database.transaction():
            for row in list(table.index("by_name"))[:40]:
                table.delete(row.id)
        database.delete_table("gone")
    running = Running(path.parent, "counts", EngineFormatVersion=efv, LogFileSize=1024)
    running.attach()
    count_widely(running.sesid, running.open())
    running.term()


def count_widely(sesid: Any, dbid: int) -> None:
    """A counter of 64 bits, where the format has them."""
    tableid = jet.JetCreateTable(sesid, dbid, "counters")
    column = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLongLong, grbit=jet.JET_bitColumnEscrowUpdate | jet.JET_bitColumnFixed)
    jet.JetBeginTransaction(sesid)
    try:
        columnid = jet.JetAddColumn(sesid, tableid, "n", column, bytes(8))
    except esent.JetError as problem:
        assert problem.code == codes.JET_errEngineFormatVersionParamTooLowForRequestedFeature
        jet.JetRollback(sesid)
        return
    jet.JetPrepareUpdate(sesid, tableid, jet.JET_prepInsert)
    jet.JetUpdate(sesid, tableid)
    jet.JetMove(sesid, tableid, jet.JET_MoveFirst)
    jet.JetEscrowUpdate(sesid, tableid, columnid, (2**40).to_bytes(8, "little"))
    jet.JetCommitTransaction(sesid)
    assert jet.JetRetrieveColumn(sesid, tableid, columnid) == (2**40).to_bytes(8, "little")


def pages_of(path: Path) -> dict[int, Any]:
    found = {}
    with DatabaseFile(path) as file:
        for pgno in range(1, file.page_count + 1):
            try:
                found[pgno] = comparable(file.read_page(pgno))
            except esent.JetError as problem:
                assert problem.code == codes.JET_errPageNotInitialized
    return found


@pytest.mark.parametrize("efv", VERSIONS)
def test_the_log_of_every_version_makes_the_same_database_again(efv: int, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    path = home / "db.edb"
    work(path, efv)
    before, header = pages_of(path), header_of(path)
    row = ENGINE_FORMATS[efv]
    assert header.format_version == database_version(row)
    assert {log.version for log in log_headers(home)} == {(8, 4000, *row.log)}
    kinds = kinds_of(home)
    assert bool(kinds["NewPage"]) == (efv >= Feature.NEW_PAGE)
    assert bool(kinds["Delta64"]) == (efv >= Feature.ESCROW_64)
    assert esent.verify(path).ok
    again = tmp_path / "again"
    shutil.copytree(home, again)
    for name in ("db.edb", "edb.chk", "edb.jcp"):
        (again / name).unlink(missing_ok=True)
    esent.recover(again, in_place=True)
    remade = header_of(again / "db.edb")
    assert pages_of(again / "db.edb") == before
    assert (remade.format_version, remade.efv_max_bin_attach) == (header.format_version, header.efv_max_bin_attach)
    with esent.ReadOnlyDatabase(path) as one, esent.ReadOnlyDatabase(again / "db.edb") as other:
        for table in one.tables:
            assert [row.raw for row in one[table]] == [row.raw for row in other[table]]
    with esent.open(again / "db.edb") as database:
        assert database["rows"].insert(name="later") is not None
    assert header_of(again / "db.edb").format_version == header.format_version
    assert esent.verify(again / "db.edb").ok


# ---- files that are there ------------------------------------------------------------------------------------------------


def attached(folder: Path, value: int | None, grbit: int = 0) -> int:
    """Attach the database of a folder under a format, and end; the code of whatever refuses."""
    parameters = {} if value is None else {"EngineFormatVersion": value}
    instance = allocate(folder, "attaching", **parameters)
    try:
        jet.JetInit(instance)
        sesid = jet.JetBeginSession(instance)
        return jet.JetAttachDatabase(sesid, str(folder / "db.edb"), grbit)
    except esent.JetError as problem:
        return problem.code
    finally:
        code_of(jet.JetTerm, instance)


def without_logs(folder: Path) -> None:
    for path in folder.iterdir():
        if path.suffix != ".edb":
            path.unlink()


@pytest.mark.parametrize("logs", [True, False])
def test_a_database_is_raised_when_it_is_attached_for_writing(logs: bool, tmp_path: Path) -> None:
    path = new_database(tmp_path / "a")
    if not logs:
        without_logs(path.parent)
    image = path.read_bytes()
    assert attached(path.parent, 9180, jet.JET_bitDbReadOnly) == 0
    assert path.read_bytes() == image
    assert attached(path.parent, 9180) == 0
    header = header_of(path)
    assert header.format_version == (0x620, 110, 240)
    assert (header.create_version, header.create_update, header.efv_max_bin_attach) == (0x620, 20, 9600)
    versions = [str(log.version) for log in log_headers(path.parent)]
    assert versions == ["8.4000.5.16", "8.4000.60.140"] if logs else ["8.4000.60.140"]
    assert kinds_of(path.parent)["SetDbVersion"] == 1
    assert esent.verify(path).ok


@pytest.mark.parametrize("value", [8920 | HIGHER, 8020 | HIGHER, PERSISTED, None, jet.JET_efvUseEngineDefault])
def test_a_database_with_logs_of_a_higher_version_keeps_it(value: int | None, tmp_path: Path) -> None:
    path = new_database(tmp_path / "a", EngineFormatVersion=9600)
    assert attached(path.parent, value) == 0
    assert header_of(path).format_version == (0x620, 290, 600)
    assert {str(log.version) for log in log_headers(path.parent)} == {"8.4000.130.280"}


def test_a_version_alone_refuses_logs_of_a_higher_one(tmp_path: Path) -> None:
    path = new_database(tmp_path / "a", EngineFormatVersion=9600)
    before = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    too_low = codes.JET_errEngineFormatVersionSpecifiedTooLowForLogVersion
    assert attached(path.parent, 9180) == too_low
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == before
    assert attached(path.parent, 9580) == codes.JET_errEngineFormatVersionSpecifiedTooLowForDatabaseVersion


def test_a_version_alone_refuses_a_database_of_a_higher_one(tmp_path: Path) -> None:
    path = new_database(tmp_path / "a", EngineFormatVersion=9180)
    without_logs(path.parent)
    image = path.read_bytes()
    too_low = codes.JET_errEngineFormatVersionSpecifiedTooLowForDatabaseVersion
    assert attached(path.parent, 9080) == too_low
    assert path.read_bytes() == image
    assert attached(path.parent, 9080, jet.JET_bitDbReadOnly) == 0
    assert attached(path.parent, 9080 | HIGHER) == 0
    assert header_of(path).format_version == (0x620, 110, 240)


def test_no_database_is_made_in_the_format_of_one_that_is_there(tmp_path: Path) -> None:
    running = Running(tmp_path, EngineFormatVersion=PERSISTED)
    assert code_of(jet.JetCreateDatabase, running.sesid, running.path()) == codes.JET_errInvalidOperation
    assert not Path(running.path()).exists()
    running.term()


def test_under_the_format_of_the_files_logs_and_database_stay_as_they_are(tmp_path: Path) -> None:
    path = new_database(tmp_path / "a", EngineFormatVersion=8940)
    running = Running(path.parent, EngineFormatVersion=PERSISTED)
    running.attach()
    dbid = running.open()
    jet.JetCreateTable(running.sesid, dbid, "t")
    with pytest.raises(esent.JetError):
        count_and_see(running, dbid)
    running.term()
    assert header_of(path).format_version == (0x620, 20, 20)
    assert {str(log.version) for log in log_headers(path.parent)} == {"8.4000.6.20"}


def count_and_see(running: Running, dbid: int) -> None:
    """Add a counter of 64 bits to a new table; JET_errEngineFormatVersionParamTooLowForRequestedFeature."""
    tableid = jet.JetCreateTable(running.sesid, dbid, "seen")
    column = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLongLong, grbit=jet.JET_bitColumnEscrowUpdate | jet.JET_bitColumnFixed)
    jet.JetAddColumn(running.sesid, tableid, "n", column, bytes(8))


def test_a_database_that_nobody_here_knows_is_only_read(tmp_path: Path) -> None:
    path = new_database(tmp_path / "a")
    without_logs(path.parent)
    with DatabaseFile(path, writable=True) as file:
        header = file.header.copy()
        header.update_major, header.update_minor = 300, 620
        file.write_header(header)
    for value in (None, PERSISTED, jet.JET_efvUseEngineDefault):
        assert attached(path.parent, value) == codes.JET_errInvalidDatabaseVersion
    assert attached(path.parent, None, jet.JET_bitDbReadOnly) == 0
    with esent.ReadOnlyDatabase(path) as database:
        assert database.tables == []


def test_a_crash_between_record_and_header_raises_the_version_all_the_same(tmp_path: Path) -> None:
    path = new_database(tmp_path / "a")
    image = path.read_bytes()
    running = Running(path.parent, "raising", EngineFormatVersion=9600)
    running.attach()
    jet.JetCreateTable(running.sesid, running.open(), "t")
    shutil.copytree(path.parent, tmp_path / "crashed")
    (tmp_path / "crashed" / "db.edb").write_bytes(image)  # as it was when it was clean
    running.term()
    again = Running(
        tmp_path / "crashed", "again", EngineFormatVersion=9600, AlternateDatabaseRecoveryPath=f"{tmp_path / 'crashed'}/"
    )
    again.term()
    header = header_of(tmp_path / "crashed" / "db.edb")
    assert (header.format_version, header.efv_max_bin_attach) == ((0x620, 290, 600), 9600)
    assert esent.verify(tmp_path / "crashed" / "db.edb").ok


def test_recovery_refuses_to_raise_a_database_above_the_format(tmp_path: Path) -> None:
    path = new_database(tmp_path / "a")
    running = Running(path.parent, "raising", EngineFormatVersion=9600)
    running.attach()
    crashed = tmp_path / "crashed"
    shutil.copytree(path.parent, crashed)
    running.term()
    alternate = f"{crashed}/"
    instance = allocate(crashed, "low", EngineFormatVersion=9580, AlternateDatabaseRecoveryPath=alternate)
    too_low = codes.JET_errEngineFormatVersionSpecifiedTooLowForDatabaseVersion
    assert code_of(jet.JetInit, instance) == too_low
    instance = allocate(crashed, "lower", EngineFormatVersion=8920, AlternateDatabaseRecoveryPath=alternate)
    assert code_of(jet.JetInit, instance) == codes.JET_errEngineFormatVersionSpecifiedTooLowForLogVersion
    Running(crashed, "again", AlternateDatabaseRecoveryPath=alternate).term()
    assert header_of(crashed / "db.edb").is_clean


def test_databases_of_several_versions_share_a_log(tmp_path: Path) -> None:
    """Each is written with what it and the log may have; the log has the highest of the formats asked for."""
    low = new_database(tmp_path / "low", EngineFormatVersion=8920)
    high = new_database(tmp_path / "high", EngineFormatVersion=9600)
    running = Running(tmp_path, "both", EngineFormatVersion=PERSISTED)
    for path in (low, high):
        jet.JetAttachDatabase(running.sesid, str(path), 0)
        dbid = jet.JetOpenDatabase(running.sesid, str(path), None, 0)
        with pytest.raises(esent.JetError) as caught:
            count_and_see(running, dbid)
        assert caught.value.code == codes.JET_errEngineFormatVersionParamTooLowForRequestedFeature
    running.term()
    assert "NewPage" not in kinds_of(tmp_path)
    assert [header_of(path).format_version for path in (low, high)] == [(0x620, 20, 0), (0x620, 290, 600)]
    assert esent.verify(low).ok and esent.verify(high).ok


# ---- what a version is written with --------------------------------------------------------------------------------------


def root_number(path: Path, table: str) -> int | None:
    """The highest number that the root of a table keeps for its auto-increment column."""
    with esent.ReadOnlyDatabase(path) as database:
        root = database[table].definition.root
    with DatabaseFile(path) as file:
        return autoincrement_of(MutablePage(file.read_page(root), root).external_header())


def numbered(path: Path, count: int, value: int) -> None:
    with esent.open(path, parameters={"EngineFormatVersion": value}) as database:
        if "n" not in database.tables:
            database.create_table("n", {"id": esent.Int32(autoincrement=True), "v": esent.Int32()}, primary_key="id")
        for number in range(count):
            database["n"].insert(v=number)


def ids(path: Path) -> list[int]:
    with esent.ReadOnlyDatabase(path) as database:
        return [row.id for row in database["n"]]


def test_the_root_keeps_the_highest_number_from_its_format_on(tmp_path: Path) -> None:
    old, new = tmp_path / "old" / "db.edb", tmp_path / "new" / "db.edb"
    for path, value in ((old, 8940), (new, 8960)):
        path.parent.mkdir()
        numbered(path, 3, value)
    assert root_number(old, "n") is None
    kept = root_number(new, "n")
    assert kept is not None and kept >= 3
    numbered(old, 2, 8960)  # raised: the first number that is drawn puts it there
    kept = root_number(old, "n")
    assert kept is not None and kept >= 5
    assert ids(old) == [1, 2, 3, 4, 5]
    numbered(new, 2, 8960)
    assert len(set(ids(new))) == 5


def test_roots_have_a_date_in_the_catalogue_from_its_format_on(tmp_path: Path) -> None:
    for efv in (9420, 9460):
        path = tmp_path / str(efv) / "db.edb"
        path.parent.mkdir()
        with esent.open(path, parameters={"EngineFormatVersion": efv}) as database:
            database.create_table("t", {"a": esent.Int32(), "b": esent.LongBinary()}, primary_key="a", indexes={"i": "+a"})
            database["t"].insert(a=1, b=bytes(20000))
            objid = next(row.Id for row in database["MSysObjects"] if row.Type == 1 and row.Name == "t")
            dated = {
                (row.Type, row.Name): row.PgnoFDPLastSetTime is not None
                for row in database["MSysObjects"]
                if row.ObjidTable == objid
            }
        assert {kind for (kind, _), has in dated.items() if has} == ({1, 3, 4} if efv == 9460 else set())
        assert {kind for kind, _ in dated} == {1, 2, 3, 4}


@pytest.mark.fixtures
@pytest.mark.parametrize(
    ("efv", "value"), [(8020, 8020), (9180, 9180), (9600, 9600), (9180, None), (9600, PERSISTED), (8020, 9600)]
)
def test_a_genuine_database_goes_on_with_its_logs(efv: int, value: int | None, fixtures: Any, tmp_path: Path) -> None:
    """Attached and written again under its own format, under none, raised: what the log says makes the same database."""
    folder = fixtures.copy_set(f"engine/efv-{efv}", tmp_path / "set")
    jet.JetSetSystemParameter(None, jet.JET_sesidNil, jet.JET_paramDatabasePageSize, 8192)
    parameters = {"LegacyFileNames": 1, "AlternateDatabaseRecoveryPath": f"{folder}/"}
    before = header_of(folder / "db.edb")
    image = (folder / "db.edb").read_bytes()
    running = Running(folder, "genuine", **parameters, **({} if value is None else {"EngineFormatVersion": value}))
    running.attach()
    dbid = running.open()
    tableid = jet.JetCreateTable(running.sesid, dbid, "added")
    column = jet.JET_COLUMNDEF(coltyp=jet.JET_coltypLongBinary)
    columnid = jet.JetAddColumn(running.sesid, tableid, "v", column)
    for number in range(60):
        jet.JetBeginTransaction(running.sesid)
        jet.JetPrepareUpdate(running.sesid, tableid, jet.JET_prepInsert)
        jet.JetSetColumn(running.sesid, tableid, columnid, bytes([number]) * (500 + 200 * number))
        jet.JetUpdate(running.sesid, tableid)
        jet.JetCommitTransaction(running.sesid)
    jet.JetCloseTable(running.sesid, tableid)
    running.term()
    after = header_of(folder / "db.edb")
    wanted = max(before.format_version, database_version(ENGINE_FORMATS[9600])) if value == 9600 else before.format_version
    assert after.format_version == wanted
    assert after.check() == []
    assert esent.verify(folder / "db.edb").ok
    newest = log_headers(folder)[-1].version
    assert newest == (8, 4000, *ENGINE_FORMATS[9600 if value == 9600 else efv].log) or value is None
    again = tmp_path / "again"
    shutil.copytree(folder, again)
    (again / "db.edb").write_bytes(image)
    for name in ("edb.chk", "db.jfm"):
        (again / name).unlink(missing_ok=True)
    for path in again.glob("edb0*.log"):
        if LogHeader.parse(path.read_bytes()[:4096]).generation < before.lgpos_consistent.generation:
            path.unlink()
    esent.recover(again, in_place=True)
    assert header_of(again / "db.edb").format_version == after.format_version
    assert pages_of(again / "db.edb") == pages_of(folder / "db.edb")


def test_text_is_mapped_to_upper_case_only_from_its_format_on(tmp_path: Path) -> None:
    """Below, the documented error; from there on the index is made, but no key of it yet."""
    for efv, code in ((8980, codes.JET_errEngineFormatVersionParamTooLowForRequestedFeature), (9000, 0)):
        running = Running(tmp_path / str(efv), f"upper {efv}", EngineFormatVersion=efv, CreatePathIfNotExist=1)
        tableid = jet.JetCreateTable(running.sesid, jet.JetCreateDatabase(running.sesid, running.path()), "t")
        jet.JetAddColumn(running.sesid, tableid, "c", jet.JET_COLUMNDEF(coltyp=jet.JET_coltypText, cp=1200))
        unicode = jet.JET_UNICODEINDEX2(szLocaleName="en-US", dwMapFlags=0x600)
        index = jet.JET_INDEXCREATE3(szIndexName="i", szKey="+c\0\0", pidxunicode=unicode, grbit=jet.JET_bitIndexUnicode)
        assert code_of(jet.JetCreateIndex4, running.sesid, tableid, [index]) == code
        running.term()


# ---- tools ---------------------------------------------------------------------------------------------------------------


def test_a_compacted_copy_has_the_format_asked_for_and_never_a_lower_one(tmp_path: Path) -> None:
    source = tmp_path / "a" / "db.edb"
    source.parent.mkdir()
    work(source, 9040)
    for name, engine_format, version in (("same", None, (60, 120)), ("raised", 9600, (290, 600))):
        goal = tmp_path / f"{name}.edb"
        compact_file(source, goal, engine_format=engine_format)
        header = header_of(goal)
        assert (header.format_version, header.efv_max_bin_attach) == ((0x620, *version), 9600)
        assert esent.verify(goal).ok
        with esent.ReadOnlyDatabase(source) as one, esent.ReadOnlyDatabase(goal) as other:
            assert [row.raw for row in one["rows"]] == [row.raw for row in other["rows"]]
        without = tmp_path / name / "db.edb"
        without.parent.mkdir()
        goal.rename(without)
        with esent.open(without) as database:
            database["rows"].insert(name="later", photo=bytes(9000))
        assert esent.verify(without).ok
    with pytest.raises(esent.JetError) as caught:
        compact_file(source, tmp_path / "lower.edb", engine_format=8920)
    assert caught.value.code == codes.JET_errEngineFormatVersionSpecifiedTooLowForDatabaseVersion
    assert not (tmp_path / "lower.edb").exists()


def test_compacting_by_the_api_raises_to_the_format_of_the_instance(tmp_path: Path) -> None:
    new_database(tmp_path / "a")
    running = Running(tmp_path / "a", EngineFormatVersion=9180)
    running.attach("db.edb", jet.JET_bitDbReadOnly)
    jet.JetCompact(running.sesid, running.path(), running.path("small.edb"))
    running.term()
    assert header_of(running.path("small.edb")).format_version == (0x620, 110, 240)
    assert header_of(running.path()).format_version == (0x620, 20, 0)


@pytest.mark.parametrize(
    ("efv", "database", "log"),
    [(8920, "7060 to 8920", "8820 to 8920"), (9180, "9180", "9160 to 9300"), (9600, "9600", "9580 to 9600")],
)
def test_info_tells_the_engine_format(efv: int, database: str, log: str, tmp_path: Path) -> None:
    path = new_database(tmp_path / "a", EngineFormatVersion=efv)
    assert dict(describe(path).summary)["engine format"] == database
    logs = [each for each in path.parent.iterdir() if each.suffix in (".log", ".jtx") and "tmp" not in each.name]
    assert {dict(describe(each).summary)["engine format"] for each in logs} == {log}


# ---- backup --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("efv", [8020, 9600])
def test_a_backup_of_any_format_is_restored_in_it(efv: int, tmp_path: Path) -> None:
    path = tmp_path / "live" / "db.edb"
    path.parent.mkdir()
    with esent.open(path, parameters={"EngineFormatVersion": efv}) as database:
        database.create_table("n", {"id": esent.Int32(autoincrement=True), "v": esent.LongBinary()}, primary_key="id")
        for number in range(40):
            database["n"].insert(v=bytes([number]) * 5000)
        with database.backup(tmp_path / "set") as backup:
            backup.run()
        database["n"].insert(v=b"later")
    restored = tmp_path / "restored"
    esent.restore(tmp_path / "set", restored)
    goal = next(restored.rglob("db.edb"))
    assert header_of(goal).format_version == database_version(ENGINE_FORMATS[efv])
    assert [row.v for row in esent.ReadOnlyDatabase(goal)["n"]] == [bytes([number]) * 5000 for number in range(40)]
    assert esent.verify(goal).ok


def test_a_second_database_raises_the_log_of_the_first(tmp_path: Path) -> None:
    path = new_database(tmp_path / "a")
    running = Running(path.parent, "second", EngineFormatVersion=9180)
    jet.JetCreateDatabase(running.sesid, running.path("second.edb"))
    running.term()
    assert header_of(path).format_version == (0x620, 20, 0)  # it was not attached
    assert header_of(running.path("second.edb")).format_version == (0x620, 110, 240)
    assert [str(log.version) for log in log_headers(path.parent)] == ["8.4000.5.16", "8.4000.60.140"]


# ---- other readers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("efv", [8020, 9060, 9180, 9600])
def test_other_readers_see_the_rows(efv: int, tmp_path: Path) -> None:
    pyesedb, ese = pytest.importorskip("pyesedb"), pytest.importorskip("dissect.database.ese")
    path = tmp_path / "a" / "db.edb"
    path.parent.mkdir()
    work(path, efv)
    with esent.ReadOnlyDatabase(path) as database:
        mine = [(row.id, row.name, row.photo) for row in database["rows"]]
    with path.open("rb") as stream:
        records = list(ese.ESE(stream).table("rows").records())
        assert [(each.get("id"), each.get("name").rstrip("\0"), bytes(each.get("photo"))) for each in records] == mine
    peer = pyesedb.file()
    peer.open(str(path))
    table = peer.get_table_by_name("rows")
    assert table.get_number_of_records() == len(mine)
    for number, (key, name, photo) in enumerate(mine):
        record = table.get_record(number)
        assert int.from_bytes(record.get_value_data(0), "little") == key
        assert record.get_value_data(1).decode("utf-16-le").rstrip("\0") == name
        value = record.get_value_data_as_long_value(2) if record.is_long_value(2) else None
        assert (value.get_data() if value is not None else record.get_value_data(2)) == photo
    peer.close()
