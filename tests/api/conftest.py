"""A database for every test, and no instance left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import esent
from process_reset import reset_process


@pytest.fixture(autouse=True)
def clean_process() -> Iterator[None]:
    yield
    reset_process()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[esent.Database]:
    with esent.open(tmp_path / "data" / "app.edb") as database:
        yield database
