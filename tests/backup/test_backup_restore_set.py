"""Backup sets as restore finds them: hostile and mixed ones, and databases known from log records alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from esent.backup.directory import MARKER, unfinished_files
from esent.backup.paths import absolute, is_plain
from esent.backup.restore_set import check_distinct, check_logs, find_databases, find_set, name_of
from esent.constants import codes
from esent.errors import JetError
from esent.log.header import LogHeader
from esent.pages.filesystem import FILES


def error_of(action: Any, *arguments: Any) -> int:
    with pytest.raises(JetError) as caught:
        action(*arguments)
    return caught.value.code


@pytest.fixture
def genuine(fixtures: Any, tmp_path: Path) -> Path:
    return fixtures.copy_set("engine/backup-jet-incremental-4k/set", tmp_path / "set")


def rewrite_header(log: Path, path: str) -> None:
    """Give the log a list of attached databases with another path, and a right checksum."""
    data = log.read_bytes()
    header = LogHeader.parse(data[:4096])
    for info in header.attachments:
        info.path = path
    log.write_bytes(header.pack() + data[4096:])


def test_genuine_set(genuine):
    found = find_set(genuine, "edb", FILES)
    check_logs(found, 4096, FILES)
    find_databases(found, FILES)
    check_distinct(found, FILES)
    assert (found.low, found.high, found.extension) == (7, 21, ".log")
    (database,) = found.databases
    assert database.name == "db.edb"
    assert database.file == genuine / "db.edb"
    assert database.original == "D:\\data\\backup-jet-incremental-4k\\db.edb"


def test_logs_of_another_base_name_do_not_count(genuine):
    assert error_of(find_set, genuine, "xyz", FILES) == codes.JET_errFileNotFound


@pytest.mark.parametrize("path", ["D:\\x\\..", "/x/..", "D:\\", "", "C:\\a\\other.edb"])
def test_paths_in_the_logs_cannot_lead_out_of_the_folder(genuine, path):
    for log in genuine.glob("*.log"):
        rewrite_header(log, path)
    (genuine / "...pat").touch()
    found = find_set(genuine, "edb", FILES)
    try:
        find_databases(found, FILES)
    except JetError as problem:
        assert problem.code == codes.JET_errDatabasePatchFileMismatch
    assert all(is_plain(each.name) for each in found.databases)


def test_patch_file_of_a_database_the_logs_do_not_know(genuine):
    (genuine / "foreign.pat").touch()
    found = find_set(genuine, "edb", FILES)
    assert error_of(find_databases, found, FILES) == codes.JET_errDatabasePatchFileMismatch


def test_database_known_from_records_alone(fixtures, tmp_path):
    """No log begins with the database attached, but one creates it."""
    fixtures.copy_set("engine/clean-4k", tmp_path / "set")
    for log in (tmp_path / "set").glob("edb0*.log"):
        if log.name != "edb00001.log":
            log.unlink()
    (tmp_path / "set" / "db.pat").touch()
    found = find_set(tmp_path / "set", "edb", FILES)
    find_databases(found, FILES)
    assert [each.original for each in found.databases] == ["D:\\data\\clean-4k\\db.edb"]


def test_one_database_twice(genuine):
    for log in genuine.glob("*.log"):
        data = log.read_bytes()
        header = LogHeader.parse(data[:4096])
        if header.attachments:
            twin = LogHeader.parse(data[:4096]).attachments[0]
            twin.dbid, twin.path = 2, "D:\\data\\twin.edb"
            header.attachments.append(twin)
            log.write_bytes(header.pack() + data[4096:])
    shutil.copyfile(genuine / "db.edb", genuine / "twin.edb")
    (genuine / "twin.pat").touch()
    found = find_set(genuine, "edb", FILES)
    find_databases(found, FILES)
    assert len(found.databases) == 2
    assert error_of(check_distinct, found, FILES) == codes.JET_errInvalidParameter


def test_logs_that_do_not_follow_each_other(genuine):
    log = genuine / "edb0000A.log"
    data = log.read_bytes()
    header = LogHeader.parse(data[:4096])
    header.created_previous = header.created
    log.write_bytes(header.pack() + data[4096:])
    assert error_of(check_logs, find_set(genuine, "edb", FILES), 4096, FILES) == codes.JET_errGivenLogFileIsNotContiguous


def test_other_page_size(genuine):
    assert error_of(check_logs, find_set(genuine, "edb", FILES), 8192, FILES) == codes.JET_errPageSizeMismatch


def test_what_a_marker_may_name(tmp_path):
    (tmp_path / "temp").mkdir()
    (tmp_path / "temp" / MARKER).write_bytes(b"a.edb\n../x\n..\n/etc/x\nb\\c\n\n\0\n\xff\xfe\nedb00001.log")
    assert unfinished_files(tmp_path, FILES) == ["a.edb", "\udcff\udcfe", "edb00001.log"]
    assert unfinished_files(tmp_path / "nosuch", FILES) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("D:\\data\\x.edb", "x.edb"),
        ("/data/x.edb", "x.edb"),
        ("x.edb", "x.edb"),
        ("\\\\server\\share\\x.edb", "x.edb"),
        ("", ""),
    ],
)
def test_file_name_of_a_logged_path(path, name):
    assert name_of(path) == name


def test_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("a/../b\\c") == tmp_path / "b" / "c"
    for bad in ("x\0y", "x" * 300, "x/" * 3000):
        assert error_of(absolute, bad) == codes.JET_errInvalidPath
