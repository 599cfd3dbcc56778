"""Recorded sequences of navigation, retrieval and updates, all of whose answers agree."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
WHOLE = [
    "columns-retrieve-set/autoinc-version",
    "columns-retrieve-set/record-size-8k",
    "columns-retrieve-set/type-guid",
    "escrow/walk-05",
    "index-kinds/unique-primary-2",
    "isolation/conflict-lv",
    "isolation/conflict-rep",
    "isolation/walk-07",
    "keys/key-bin-asc",
    "keys/random-02",
    "keys/truncation-4k",
    "long-values/grbit-append-8k",
    "long-values/grbit-sizeover-4k",
    "long-values/walk-01",
    "navigation-seek-ranges/dup-cursor",
    "navigation-seek-ranges/index-switch",
    "navigation-seek-ranges/position-50",
    "navigation-seek-ranges/range-nd",
    "navigation-seek-ranges/wildcard-pk",
    "updates-currency/delete-currency-a",
    "updates-currency/prepare-pairs",
    "updates-currency/replace-currency-n",
    "updates-currency/walk-06",
]


@pytest.mark.parametrize("name", WHOLE)
def test_transcript_agrees(fixtures: Any, name: str) -> None:
    folder = fixtures.root / "transcripts"
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    from replay import replay_file

    report = replay_file(folder / f"{name}.jsonl.gz", environment=dict(os.environ, PYTHONPATH=str(SOURCE)))
    assert report.ok, report.summary()
    assert report.compared > 40
