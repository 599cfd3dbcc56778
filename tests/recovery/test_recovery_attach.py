"""What header and log say of each other decides whether a database takes part (`reference/log-and-recovery.md` 7.4, 7.6)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esent.constants import codes, grbits
from esent.errors import JetError
from esent.pages.database_file import DatabaseFile
from esent.pages.header import DatabaseHeader, DatabaseState
from esent.pages.primitives import BackupInfo, Lgpos, Signature
from esent.recovery.options import MAP_FAIL_WHEN_MISSING, MAP_IGNORE_WHEN_MISSING, MapEntry, RecoveryOptions
from esent.recovery.paths import PathResolver, bare_name
from esent.recovery.soft import soft_recover
from recovery_support import dump_lines, lines_of, outcome, recover

SET = "engine/dirty-checkpoint-8k"  # attached before the checkpoint: redo begins with the checkpoint's list


def change(folder: Path, edit: Callable[[DatabaseHeader], None]) -> None:
    path = folder / "db.edb"
    with DatabaseFile(path) as file:
        header = file.header
        edit(header)
        image = header.pack()
    data = path.read_bytes()
    path.write_bytes(image + image + data[2 * len(image) :])


def set_field(name: str, value: object) -> Callable[[DatabaseHeader], None]:
    return lambda header: setattr(header, name, value)


def set_fields(**values: object) -> Callable[[DatabaseHeader], None]:
    def edit(header: DatabaseHeader) -> None:
        for name, value in values.items():
            setattr(header, name, value)

    return edit


CASES: list[tuple[str, Callable[[DatabaseHeader], None], int]] = [
    ("unchanged", lambda header: None, 0),
    ("another database", set_field("sign_db", Signature(5)), codes.JET_errAttachedDatabaseMismatch),
    ("another stream", set_field("sign_log", Signature(5)), codes.JET_errAttachedDatabaseMismatch),
    ("attached earlier", set_field("lgpos_attach", Lgpos(1, 1, 1)), codes.JET_errAttachedDatabaseMismatch),
    ("just created", set_field("dbstate", DatabaseState.JUST_CREATED), codes.JET_errAttachedDatabaseMismatch),
    ("being converted", set_field("dbstate", DatabaseState.BEING_CONVERTED), codes.JET_errDatabaseCorrupted),
    ("required log to come", set_fields(gen_max_required=16, gen_max_committed=16), codes.JET_errRequiredLogFilesMissing),
    ("committed log to come", set_field("gen_max_committed", 16), codes.JET_errCommittedLogFilesMissing),
    ("required log before the start", set_fields(gen_min_required=3, gen_min_consistent=0),
     codes.JET_errRequiredLogFilesMissing),
    ("copy of a backup", set_field("bkinfo_full_cur", BackupInfo(Lgpos(1, 1, 1), generation_low=1)),
     codes.JET_errSoftRecoveryOnBackupDatabase),
]  # fmt: skip


@pytest.mark.fixtures
@pytest.mark.parametrize(("edit", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_header_against_log(fixtures: Any, tmp_path: Path, edit: Callable[[DatabaseHeader], None], expected: int) -> None:
    folder = fixtures.copy_set(SET, tmp_path)
    change(folder, edit)
    before = (folder / "db.edb").read_bytes()
    assert outcome(folder) == expected
    if expected in (codes.JET_errAttachedDatabaseMismatch, codes.JET_errSoftRecoveryOnBackupDatabase):
        assert (folder / "db.edb").read_bytes() == before


@pytest.mark.fixtures
def test_page_that_lags_or_leads(fixtures: Any, tmp_path: Path) -> None:
    """A page whose dbtime fits no record: older than the log needs, in between, and gone."""
    original = fixtures.copy_set(SET, tmp_path / "original")
    with DatabaseFile(original / "db.edb") as file:
        size = file.page_size
        target = 33  # changed many times within the logs
        page = bytearray(file.read_page(target))
    dbtime = int.from_bytes(page[8:16], "little")
    for number, (value, expected) in enumerate(
        [(0x50, codes.JET_errDbTimeTooOld), (dbtime - 1, codes.JET_errDbTimeTooNew), (None, codes.JET_errPageNotInitialized)]
    ):
        folder = fixtures.copy_set(SET, tmp_path / str(number))
        with DatabaseFile(folder / "db.edb", writable=True) as file:
            if value is None:
                file.file.write(file.offset_of(target), bytes(size))
            else:
                page[8:16] = value.to_bytes(8, "little")
                file.write_page(target, bytes(page))
        assert outcome(folder) == expected


@pytest.mark.fixtures
def test_restore_map(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set(SET, tmp_path / "logs")
    moved = tmp_path / "elsewhere.edb"
    (folder / "db.edb").rename(moved)

    def run(*entries: MapEntry, grbit: int = 0) -> int:
        try:
            return soft_recover(RecoveryOptions(log_path=folder, restore_map=list(entries), grbit=grbit)).warning
        except JetError as problem:
            return problem.code

    logged = "D:\\data\\dirty-checkpoint-8k\\db.edb"
    assert run() == codes.JET_errAttachedDatabaseMismatch
    assert run(MapEntry(logged, tmp_path / "absent.edb")) == codes.JET_errAttachedDatabaseMismatch
    assert run(MapEntry(logged, tmp_path / "absent.edb", MAP_FAIL_WHEN_MISSING)) == codes.JET_errFileNotFound
    assert not DatabaseFile(moved).header.is_clean
    assert run(MapEntry("X:\\any.edb", moved)) == 0  # found by its signature
    assert list(dump_lines(moved)) == lines_of(folder / "recovered.jsonl")


@pytest.mark.fixtures
def test_map_entry_that_may_be_missing(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set(SET, tmp_path)
    (folder / "db.edb").unlink()
    entry = MapEntry("D:\\data\\dirty-checkpoint-8k\\db.edb", tmp_path / "absent.edb", MAP_IGNORE_WHEN_MISSING)
    assert not soft_recover(RecoveryOptions(log_path=folder, restore_map=[entry])).databases


@pytest.mark.fixtures
def test_nothing_outside_of_what_the_caller_named_is_touched(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/clean-4k", tmp_path / "logs")
    (folder / "db.edb").unlink()
    (folder / "edb.chk").unlink()
    names = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(JetError):
        soft_recover(RecoveryOptions(log_path=folder, grbit=0, alternate_path=tmp_path / "absent"))
    soft_recover(RecoveryOptions(log_path=folder, grbit=grbits.JET_bitReplayIgnoreMissingDB))
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert not list(folder.glob("*.edb"))


@pytest.mark.parametrize(
    ("logged", "allowed"),
    [
        ("{logs}/db.edb", True),
        ("{logs}/deeper/db.edb", True),
        ("db.edb", True),
        ("{logs}/../db.edb", False),
        ("../db.edb", False),
        ("/etc/passwd", False),
        ("{logs}/link/db.edb", False),
        ("C:\\data\\db.edb", False),
        ("", False),
    ],
)
def test_which_logged_paths_are_believed(tmp_path: Path, logged: str, allowed: bool) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (tmp_path / "outside").mkdir()
    (logs / "link").symlink_to(tmp_path / "outside")
    logged = logged.replace("{logs}", str(logs))
    found = PathResolver(RecoveryOptions(log_path=logs)).find(logged, Signature())
    assert (found.path is not None) == allowed
    wider = PathResolver(RecoveryOptions(log_path=logs, roots=(tmp_path,))).find(logged, Signature())
    inside = logged.startswith((str(tmp_path), "..", "db"))
    assert (wider.path is not None) == inside


@pytest.mark.parametrize("logged", ["D:\\x\\db.edb", "/x/db.edb", "db.edb", "\\\\?\\D:\\x/db.edb"])
def test_alternate_path_takes_the_bare_name(tmp_path: Path, logged: str) -> None:
    resolver = PathResolver(RecoveryOptions(log_path=tmp_path, alternate_path=tmp_path / "alt"))
    assert resolver.find(logged, Signature()).path == tmp_path / "alt" / "db.edb"
    assert bare_name(logged) == "db.edb"


@pytest.mark.parametrize("logged", ["", "..", "D:\\x\\..", "/x/."])
def test_alternate_path_needs_a_name(tmp_path: Path, logged: str) -> None:
    resolver = PathResolver(RecoveryOptions(log_path=tmp_path, alternate_path=tmp_path))
    found = resolver.find(logged, Signature()).path
    assert found is None or (found.parent == tmp_path and found.name not in ("", ".", ".."))


@pytest.mark.fixtures
def test_a_database_where_its_log_says_it_is(fixtures: Any, tmp_path: Path) -> None:
    """The paths in these logs are another system's; only the map, the folder or ignoring helps."""
    folder = fixtures.copy_set(SET, tmp_path)
    with pytest.raises(JetError) as caught:
        soft_recover(RecoveryOptions(log_path=folder, trust_logged_paths=True))
    assert caught.value.code == codes.JET_errAttachedDatabaseMismatch
    assert recover(folder).databases == [folder / "db.edb"]


@pytest.mark.fixtures
def test_a_database_is_listed_once(fixtures: Any, tmp_path: Path) -> None:
    """However often it is attached and detached in the logs."""
    folder = fixtures.copy_set("engine/dirty-reattach-4k", tmp_path)
    assert recover(folder).databases == [folder / "db.edb"]
