"""A database for every test, and no instance left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import esent
from esent import jet
from esent.engine.parameters import ParameterSet
from esent.engine.process import PROCESS, RunMode
from esent.errors import JetError


@pytest.fixture(autouse=True)
def clean_process() -> Iterator[None]:
    yield
    for instance in list(PROCESS.instances):
        try:
            instance.terminate(jet.JET_bitTermDirty)
        except JetError:
            PROCESS.free(instance)
    PROCESS.mode = RunMode.NOT_SET
    PROCESS.parameters = ParameterSet()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[esent.Database]:
    with esent.open(tmp_path / "data" / "app.edb") as database:
        yield database
