"""The checkpoint: genuine files, which copy is read, what is refused, and the order of writing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esent.constants import codes
from esent.errors import JetError
from esent.log.checkpoint import COPY_SIZE, FILE_SIZE, Checkpoint
from esent.log.header import AttachInfo
from esent.pages.checksum import header_checksum
from esent.pages.filesystem import FileSystem
from esent.pages.primitives import Lgpos, LogTime, Signature


def genuine_checkpoints(fixtures: Any) -> list[tuple[Path, dict[str, Any]]]:
    found = []
    for facts in sorted(fixtures.root.rglob("facts.json*")):
        text = facts.read_bytes() if facts.suffix == ".json" else gzip.decompress(facts.read_bytes())
        for name, header in json.loads(text).get("checkpoint", {}).items():
            found.append((fixtures.path(str((facts.parent / name).relative_to(fixtures.root))), header))
    return found


def test_genuine_checkpoints(fixtures: Any) -> None:
    genuine = genuine_checkpoints(fixtures)
    for path, facts in genuine:
        found = Checkpoint.read(path)
        assert found.position == Lgpos(*facts["checkpoint"]["lgpos"])
        assert found.db_consistency == Lgpos(*facts["dbconsistency"]["lgpos"])
        assert found.full_backup == Lgpos(*facts["fullbackup"]["lgpos"])
        assert found.incremental_backup == Lgpos(*facts["incbackup"]["lgpos"])
        assert found.last_full_backup_checkpoint == Lgpos(*facts["lastfullbackupcheckpoint"]["lgpos"])
        # the listing's last signature is that of a database, where the checkpoint lists one
        listed = found.attachments[-1].sign_db if found.attachments else found.signature
        assert listed.random == facts["signature"]["rand"]
        assert found.has_attachments or not found.attachments
        data = path.read_bytes()
        assert len(data) == FILE_SIZE
        assert data[:COPY_SIZE] == data[COPY_SIZE:]
        if found.attachments:
            assert found.pack() == data[:COPY_SIZE]
        else:  # behind the end of the list remains of an older one may stand
            assert found.pack()[4:679] == data[4:679]
    assert len(genuine) >= 20


SAMPLE = Checkpoint(
    Lgpos(5, 6, 7),
    Signature(9, LogTime(1, 2, 3, 4, 5, 126)),
    db_consistency=Lgpos(5, 6, 8),
    flags=1,
    attachments=[AttachInfo(1, "D:\\a.edb", 77, 8, 0, Lgpos(1, 2, 3), Lgpos(1, 1, 1), Signature(3))],
    full_backup=Lgpos(2, 0, 0),
    full_backup_time=LogTime(1, 2, 3, 4, 5, 126, 7, True),
)


def test_either_copy_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "edb.chk"
    SAMPLE.write(path)
    good = path.read_bytes()
    for bad, code in (((100,), 0), ((COPY_SIZE + 100,), 0), ((100, COPY_SIZE + 100), codes.JET_errCheckpointCorrupt)):
        data = bytearray(good)
        for offset in bad:
            data[offset] ^= 1
        path.write_bytes(data)
        if code:
            with pytest.raises(JetError) as problem:
                Checkpoint.read(path)
            assert problem.value.code == code
        else:
            assert Checkpoint.read(path) == SAMPLE


def test_refused_files(tmp_path: Path) -> None:
    path = tmp_path / "edb.chk"

    def refused(**expected: Any) -> int:
        with pytest.raises(JetError) as problem:
            Checkpoint.read(path, **expected)
        return problem.value.code

    assert refused() == codes.JET_errCheckpointFileNotFound
    path.write_bytes(b"short")
    assert refused() == codes.JET_errCheckpointCorrupt
    SAMPLE.write(path)
    assert refused(signature=Signature(1)) == codes.JET_errBadCheckpointSignature
    data = bytearray(SAMPLE.pack())
    data[667] = 3
    data[:4] = header_checksum(bytes(data)).to_bytes(4, "little")
    path.write_bytes(data + data)
    assert refused() == codes.JET_errFileInvalidType


def test_first_copy_is_durable_before_the_second(tmp_path: Path) -> None:
    calls: list[tuple[str, int]] = []

    class Recorder(FileSystem):
        def open(self, path: Path, **options: Any) -> Any:
            file = super().open(path, **options)
            write, sync = file.write, file.sync
            file.write = lambda offset, data: (calls.append(("write", offset)), write(offset, data))
            file.sync = lambda: (calls.append(("sync", 0)), sync())
            return file

    SAMPLE.write(tmp_path / "edb.chk", files=Recorder())
    assert calls == [("write", 0), ("sync", 0), ("write", COPY_SIZE), ("sync", 0)]


@given(st.integers(0, COPY_SIZE - 1), st.binary(min_size=1, max_size=100))
@settings(max_examples=300, deadline=None)
def test_any_content_parses_or_raises(offset: int, content: bytes) -> None:
    data = SAMPLE.pack()
    data = (data[:offset] + content + data[offset + len(content) :])[:COPY_SIZE]
    data = header_checksum(data).to_bytes(4, "little") + data[4:]
    try:
        found = Checkpoint.parse(data)
    except JetError as problem:
        assert problem.code in (codes.JET_errCheckpointCorrupt, codes.JET_errFileInvalidType)
        return
    assert len(found.attachments) <= 32
