"""A clean process for every test, and the everyday set-ups."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jet_helpers import Running
from process_reset import reset_process


@pytest.fixture(autouse=True)
def clean_process() -> Iterator[None]:
    """No instance is left behind by a test, and no parameter of the process."""
    yield
    reset_process()


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Running]:
    """Start an instance in the test's folder (or one below it)."""

    def begin(below: str = "", name: str | None = "test", **parameters: Any) -> Running:
        folder = tmp_path / below if below else tmp_path
        folder.mkdir(parents=True, exist_ok=True)
        return Running(folder, name, **parameters)

    return begin


@pytest.fixture
def database(fixtures: Any, tmp_path: Path) -> Path:
    """A genuine clean database of 4 KB pages in the test's folder."""
    target = tmp_path / "db.edb"
    shutil.copyfile(fixtures.path("engine/clean-4k/db.edb"), target)
    return target


@pytest.fixture
def run(start: Callable[..., Running], database: Path) -> Running:
    """An instance with one genuine database attached."""
    running = start()
    running.attach()
    return running
