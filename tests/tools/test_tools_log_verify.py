"""Verification of log streams: genuine ones are sound, and what is damaged in them is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esent.log import records
from esent.log.checkpoint import Checkpoint
from esent.log.header import LogHeader
from esent.log.writer import LogStream
from esent.pages.primitives import Lgpos, Signature
from esent.tools.verify import Finding, Severity
from esent.tools.verify_logs import verify_logs

Edit = Callable[[Path], None]


def flip(name: str, offset: int, mask: int = 0xFF) -> Edit:
    def edit(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[offset] ^= mask
        (folder / name).write_bytes(data)

    return edit


def remove(name: str) -> Edit:
    return lambda folder: (folder / name).unlink()


def change_header(name: str, **fields: Any) -> Edit:
    def edit(folder: Path) -> None:
        data = (folder / name).read_bytes()
        header = LogHeader.parse(data)
        for field, value in fields.items():
            setattr(header, field, value)
        (folder / name).write_bytes(header.pack() + data[4096:])

    return edit


def rename(name: str, other: str) -> Edit:
    return lambda folder: (folder / name).rename(folder / other) and None


def serious(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity is not Severity.NOTE]


@pytest.mark.parametrize(
    "name", ["clean-4k", "clean-32k", "dirty-4k", "dirty-circular-8k", "dirty-twodb-4k", "efv-8020", "efv-9600"]
)
def test_genuine_streams_are_sound(fixtures: Any, tmp_path: Path, name: str) -> None:
    folder = fixtures.copy_set(f"engine/{name}", tmp_path)
    findings = verify_logs(folder)
    assert serious(findings) == []
    assert bool(findings) == name.startswith("dirty")
    seen: list[tuple[int, int]] = []
    verify_logs(folder, "edb", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] > 3


def test_streams_of_windows(fixtures: Any, tmp_path: Path) -> None:
    assert serious(verify_logs(fixtures.copy_set("windows/srum-win10-logs-25-32", tmp_path / "a"))) == []
    assert serious(verify_logs(fixtures.copy_set("windows/srum-win11-dirty", tmp_path / "b"))) == []
    days = fixtures.copy_set("windows/srum-server2022-first-day", tmp_path / "c")
    second = fixtures.copy_set("windows/srum-server2022-second-day", tmp_path / "d")
    (days / "SRU.log").rename(days / "SRU00002.log")
    for name in ("SRU00003.log", "SRU00004.log", "SRU.log", "SRU.chk"):
        (second / name).rename(days / name)
    found = serious(verify_logs(days))
    assert [(finding.path.name, finding.severity) for finding in found] == [("SRU00003.log", Severity.ERROR)]
    assert "checksum" in found[0].text
    (second / "SRUtmp.log").rename(days / "SRU00002.log")
    assert serious(verify_logs(days)) == []


def test_backup_set_without_a_current_log(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/backup-stream-4k", tmp_path)
    assert [finding.severity for finding in serious(verify_logs(folder))] == [Severity.WARNING]


@pytest.mark.parametrize(
    ("edit", "severity", "path", "offset", "words"),
    [
        (flip("edb00005.log", 10 * 4096 + 99), Severity.ERROR, "edb00005.log", 10 * 4096, "generation 5: segment 10"),
        (flip("edb00005.log", 10 * 4096 + 99, 4), Severity.WARNING, "edb00005.log", 10 * 4096, "one bit of segment 10"),
        (flip("edb00005.log", 700), Severity.ERROR, "edb00005.log", 0, "generation 5: the checksum of the log header"),
        (flip("edb.log", 700), Severity.ERROR, "edb.log", 0, "the checksum of the log header"),
        (remove("edb00005.log"), Severity.ERROR, None, None, "generation 5 is missing"),
        (remove("edb00008.log"), Severity.ERROR, None, None, "generation 8 is missing"),
        (remove("edb.log"), Severity.WARNING, None, None, "no current log edb.log; its successor"),
        (remove("edb00001.log"), Severity.ERROR, "edb.chk", None, "the checkpoint is in generation 1"),
        (rename("edb00005.log", "edb0000A.log"), Severity.ERROR, "edb0000A.log", 0, "its name says 10"),
        (change_header("edb00004.log", signature=Signature(7)), Severity.ERROR, "edb00004.log", 0, "another stream"),
        (change_header("edb00004.log", page_size=8192), Severity.ERROR, "edb00004.log", 0, "8192"),
        (change_header("edb00004.log", previous_checksum=7), Severity.ERROR, "edb00004.log", 653, "another checksum"),
        (change_header("edb00004.log", created=LogHeader(1).created), Severity.ERROR, "edb00005.log", 24, "creation time"),
        (change_header("edb.log", generation=8), Severity.ERROR, "edb.log", 0, "generation 8 is there twice"),
        (flip("edb.chk", 300), Severity.WARNING, "edb.chk", 0, "the other copy is good"),
        (flip("edb.chk", 4096 + 300), Severity.WARNING, "edb.chk", 4096, "the other copy is good"),
    ],
)
def test_what_is_damaged_is_named(
    fixtures: Any, tmp_path: Path, edit: Edit, severity: Severity, path: str | None, offset: int | None, words: str
) -> None:
    folder = fixtures.copy_set("engine/damaged-logs-4k/base", tmp_path)
    assert serious(verify_logs(folder)) == []
    edit(folder)
    findings = serious(verify_logs(folder))
    match = [finding for finding in findings if words in finding.text]
    assert len(match) == 1, findings
    finding = match[0]
    assert (finding.severity, finding.path, finding.offset) == (severity, folder / path if path else folder, offset)
    assert str(finding)


def test_checkpoints(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=16 * 4096, reserves=0)
    stream.append(records.Term2())
    stream.close()
    path = tmp_path / "edb.chk"
    assert [finding.severity for finding in verify_logs(tmp_path)] == [Severity.NOTE]
    for checkpoint, words in (
        (Checkpoint(Lgpos(1, 9, 0), stream.signature), "behind the end"),
        (Checkpoint(Lgpos(4, 9, 0), stream.signature), "generation 4, which is missing"),
        (Checkpoint(Lgpos(1, 1, 0), Signature(1)), "another stream"),
    ):
        checkpoint.write(path)
        found = verify_logs(tmp_path)
        assert [finding.severity for finding in found] == [Severity.ERROR]
        assert words in found[0].text
    path.write_bytes(bytes(8192))
    assert [finding.severity for finding in verify_logs(tmp_path)] == [Severity.WARNING]
    (tmp_path / "elsewhere").mkdir()
    path.rename(tmp_path / "elsewhere" / "edb.chk")
    found = verify_logs(tmp_path, checkpoint_directory=tmp_path / "elsewhere")
    assert [finding.path for finding in found] == [tmp_path / "elsewhere" / "edb.chk"]


def test_unfinished_and_torn_writes(tmp_path: Path) -> None:
    stream = LogStream.create(tmp_path, log_file_size=16 * 4096, reserves=0)
    stream.append(records.Trace(1))
    stream.flush()
    stream.append(records.Trace(2))
    stream.flush(fill=False)
    stream.close()
    path = tmp_path / "edb.log"
    good = path.read_bytes()
    data = bytearray(good)
    data[2 * 4096 + 41] ^= 0x33
    path.write_bytes(data)
    assert any("segment 2 is torn, its shadow is good" in finding.text for finding in verify_logs(tmp_path))
    data[3 * 4096 + 41] ^= 0x33
    path.write_bytes(data)
    found = serious(verify_logs(tmp_path))
    assert [(finding.severity, finding.offset) for finding in found] == [(Severity.WARNING, 2 * 4096)]
    assert "did not finish" in found[0].text


def test_no_logs(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("x")
    for base in (None, "edb"):
        found = verify_logs(tmp_path, base)
        assert [finding.severity for finding in found] == [Severity.ERROR]
