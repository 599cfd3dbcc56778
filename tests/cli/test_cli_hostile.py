"""What an unlucky or hostile person does with the commands: a sentence and an exit status, nothing lost, nothing left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from esent.constants import codes
from esent.errors import jet_error
from esent.pages.filesystem import FileSystem
from esent.tools.example import build_example

posix = pytest.mark.skipif(os.name != "posix", reason="devices and pipes of POSIX")
READING = ("info", "tables", "dump", "verify")


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def live(tmp_path):
    path = tmp_path / "live" / "library.edb"
    path.parent.mkdir()
    build_example(path, rows=50)
    return path


@posix
@pytest.mark.parametrize("command", READING)
def test_a_pipe_without_a_writer_is_refused_at_once(esent, tmp_path, command):
    os.mkfifo(tmp_path / "pipe.edb")
    assert esent(command, tmp_path / "pipe.edb").status == 1


@posix
@pytest.mark.parametrize("command", READING)
def test_a_device_without_an_end_is_refused(esent, command):
    assert esent(command, "/dev/zero").status == 1


@posix
def test_a_pipe_among_the_files_of_a_directory(esent, live):
    os.mkfifo(live.parent / "other.edb")
    assert esent("verify", live.parent).status in (0, 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.parametrize("command", READING)
def test_output_that_cannot_be_written_is_told_in_a_sentence(live, command):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from esent.cli.main import main; main()", command, str(live)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@posix
@pytest.mark.parametrize("command", READING)
def test_output_that_is_closed(live, command):
    program = f"exec >&-; exec {sys.executable} -c 'from esent.cli.main import main; main()' {command} {live}"
    done = subprocess.run(["sh", "-c", program], stderr=subprocess.PIPE, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1)


def test_demo_where_no_directory_can_be_made(esent, tmp_path):
    (tmp_path / "file").write_text("in the way")
    outcome = esent("demo", tmp_path / "file" / "demo")
    assert outcome.status in (1, 2)
    assert "file" in outcome.err


def test_a_set_is_not_restored_into_itself(esent, live, tmp_path):
    assert esent("backup", live, tmp_path / "set").status == 0
    before = content(tmp_path / "set")
    (tmp_path / "other name").symlink_to(tmp_path / "set")
    for arguments in (["set", "set"], ["set", "other name"], ["set", "elsewhere", "--logs", tmp_path / "set"]):
        source, target, *options = arguments
        outcome = esent("restore", tmp_path / source, tmp_path / target, *options)
        assert outcome.status == 1
        assert "JET_errInvalidPath (-1023)" in outcome.err
        assert content(tmp_path / "set") == before
    assert esent("restore", tmp_path / "set", tmp_path / "restored").status == 0


def test_a_copy_that_cannot_be_finished_is_not_left_by_recover(esent, live, tmp_path, monkeypatch):
    assert esent("backup", live, tmp_path / "set").status == 0
    rename = FileSystem.sync_directory

    def full(self, path):
        if path == tmp_path:  # the folder of the copy was made; nothing goes into it
            monkeypatch.setattr(FileSystem, "open", fail)
        rename(self, path)

    def fail(self, path, **_):
        raise jet_error(codes.JET_errDiskFull, "writing", file=path)

    monkeypatch.setattr(FileSystem, "sync_directory", full)
    outcome = esent("recover", live.parent, "--to", tmp_path / "copy")
    assert outcome.status == 1
    assert "JET_errDiskFull (-1808)" in outcome.err
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("base", ["xyz", "../edb", "", "\n"])
def test_recover_of_a_stream_that_is_not_there(esent, live, tmp_path, base):
    assert esent("backup", live, tmp_path / "set").status == 0
    outcome = esent("recover", live.parent, "--base", base)
    assert outcome.status == 1
    assert "JET_errFileNotFound (-1811)" in outcome.err
    assert not (tmp_path / "live.recovered").exists()


def test_a_folder_that_may_not_be_searched_holds_no_directory(tmp_path, monkeypatch):
    def denied(path, **_):
        raise PermissionError(13, "Permission denied", os.fspath(path))

    monkeypatch.setattr(os, "stat", denied)
    assert not FileSystem().is_directory(tmp_path)


@pytest.mark.parametrize(
    "moment", ["0001-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1800-01-01", "ffffffffff,fffff,fffff"]
)
def test_moments_beyond_what_a_log_can_hold(esent, live, tmp_path, moment):
    assert esent("backup", live, tmp_path / "set").status == 0
    before = content(live.parent)
    outcome = esent("recover", live.parent, "--until", moment, "--to", tmp_path / "copy")
    assert outcome.status == 0 or "JET_err" in outcome.err
    assert content(live.parent) == before


def test_a_set_with_a_damaged_page_does_not_replace_a_database(esent, live, tmp_path):
    assert esent("backup", live, tmp_path / "set").status == 0
    copy = tmp_path / "set" / "library.edb"
    data = bytearray(copy.read_bytes())
    data[21 * 4096 + 2000] ^= 0x55
    copy.write_bytes(data)
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "library.edb").write_bytes(b"precious")
    outcome = esent("restore", tmp_path / "set", tmp_path / "target")
    assert outcome.status == 1
    assert "JET_errReadVerifyFailure (-1018)" in outcome.err
    assert "page 20" in outcome.err
    assert content(tmp_path / "target") == {"library.edb": b"precious"}
