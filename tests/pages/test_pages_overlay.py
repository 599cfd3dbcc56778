"""An overlay behaves as the real file system does, and leaves it alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esent.errors import JetError
from esent.pages.filesystem import FILES
from esent.pages.overlay import OverlayFileSystem

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 20000), st.binary(min_size=1, max_size=9000)),
        st.tuples(st.just("truncate"), st.integers(0, 20000), st.just(b"")),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(original=st.binary(max_size=15000), steps=STEPS)
def test_reads_like_a_file_that_was_written(tmp_path_factory, original, steps):
    folder: Path = tmp_path_factory.mktemp("overlay")
    path = folder / "a.bin"
    path.write_bytes(original)
    overlay = OverlayFileSystem()
    model = bytearray(original)
    with overlay.open(path, writable=True) as file:
        for step, offset, data in steps:
            if step == "write":
                file.write(offset, data)
                model.extend(bytes(max(0, offset + len(data) - len(model))))
                model[offset : offset + len(data)] = data
            else:
                file.truncate(offset)
                del model[offset:]
                model.extend(bytes(offset - len(model)))
        assert file.size() == len(model)
        assert file.read(0, len(model) + 100) == model
        assert file.read(1234, 5000) == model[1234:6234]
    with overlay.open(path) as again:
        assert again.read(0, len(model)) == model
    overlay.close()
    assert path.read_bytes() == original


def test_names_renames_and_deletions_stay_in_the_overlay(tmp_path):
    (tmp_path / "kept").write_bytes(b"kept")
    (tmp_path / "gone").write_bytes(b"gone")
    before = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in tmp_path.iterdir()}
    overlay = OverlayFileSystem()
    with overlay.open(tmp_path / "new", writable=True, create=True) as file:
        file.write(0, b"new")
    overlay.rename(tmp_path / "kept", tmp_path / "renamed")
    overlay.remove(tmp_path / "gone")
    assert overlay.names(tmp_path) == ["new", "renamed"]
    with overlay.open(tmp_path / "renamed") as file:
        assert file.read(0, 10) == b"kept"
    assert not overlay.exists(tmp_path / "gone")
    with pytest.raises(JetError, match="JET_errFileNotFound"):
        overlay.open(tmp_path / "gone")
    with pytest.raises(JetError, match="JET_errFileAlreadyExists"):
        overlay.open(tmp_path / "new", writable=True, exclusive=True)
    overlay.close()
    assert {path.name: hashlib.sha256(path.read_bytes()).digest() for path in tmp_path.iterdir()} == before
    assert FILES.names(tmp_path) == ["gone", "kept"]
