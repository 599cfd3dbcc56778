"""The recorded answers about system parameters, all of them, and those of sessions that need no data."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
WHOLE = [
    "parameters/defaults-global-0",
    "parameters/defaults-global-75",
    "parameters/defaults-instance-0",
    "parameters/defaults-instance-75",
    "parameters/error-to-string",
    "parameters/set-global-after",
    "parameters/set-global-before",
    "parameters/set-instance-before",
    "sessions-transactions/max-sessions",
    "lifecycle/create-instance",
    "lifecycle/double-init",
    "lifecycle/multi-enable",
    "lifecycle/term-dirty-idle",
    "lifecycle/term-complete-idle",
]


@pytest.mark.parametrize("name", WHOLE)
def test_transcript_agrees(fixtures: Any, name: str) -> None:
    folder = fixtures.root / "transcripts"
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    from replay import replay_file

    environment = dict(os.environ, PYTHONPATH=str(SOURCE))
    report = replay_file(folder / f"{name}.jsonl.gz", environment=environment)
    assert report.ok, report.summary()
    assert report.compared > 10
