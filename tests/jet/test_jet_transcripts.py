"""Every recorded transcript is replayed; what agrees with the original engine's answers must not become less."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path

import pytest

from transcript_runner import AGREEMENT, outcome, place, replay_agrees, state_table, transcripts

FLOOR = json.loads(AGREEMENT.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def clean_process() -> Iterator[Executor]:
    """A process in which no test has run: what it forks begins with an engine in which nothing was created."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


@pytest.mark.parametrize("path", [path for path in transcripts() if place(path) in FLOOR], ids=place)
def test_agreement_does_not_fall(fixtures, clean_process: Executor, path: Path):
    floor = FLOOR[place(path)]["agreed"]
    agreed, summary = clean_process.submit(outcome, path).result()
    if agreed < floor:
        # how much log the same work makes depends on when it is flushed, and with it a few recorded names and sizes
        agreed, summary = clean_process.submit(outcome, path).result()
    assert agreed >= floor, summary


def test_every_backup_call_in_every_state(fixtures, clean_process: Executor, tmp_path: Path):
    """The recorded table of states: not one call may disagree."""
    for path in state_table(tmp_path):
        agrees, summary = clean_process.submit(replay_agrees, path).result()
        assert agrees, summary
