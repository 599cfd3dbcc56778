"""Every recorded transcript is replayed; what agrees with the original engine's answers must not become less."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from transcript_runner import AGREEMENT, place, replay, transcripts

FLOOR = json.loads(AGREEMENT.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", [path for path in transcripts() if place(path) in FLOOR], ids=place)
def test_agreement_does_not_fall(fixtures, path: Path):
    report = replay(path)
    expected = FLOOR[place(path)]["agreed"]
    assert report.counts["agreed"] >= expected, report.summary()
