"""Power cuts at every write and every sync of lives with all there is: sessions, definitions, space, backups, restarts.

The suite takes a few cuts of each life. All of them, each with one cut of the recovery after it, and all cuts of some
recoveries, are 27,000 cuts; compiled some 25 to 60 ms for each recovery of one, an hour in all by reckoning:

    python -m pytest -m campaign tests/crash/test_crash_campaign.py

With ESENT_CRASH_SEED another number than 1 the lives are others; ESENT_CRASH_FATES=all tries each cut with every fate.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from crash_campaign import Campaign, Cut, Story
from crash_workloads import WORKLOADS

from recovery_crash_files import FATES

pytestmark = pytest.mark.usefixtures("clean_process")

SEED = int(os.environ.get("ESENT_CRASH_SEED", "1"))
ALL_FATES = os.environ.get("ESENT_CRASH_FATES") == "all"
SAMPLE = 4  # cuts of each life in the suite
RECOVERIES = 8  # of each life that are cut short everywhere


def lived(name: str, folder: Path) -> Story:
    return WORKLOADS[name].run(folder / "live", SEED)


@pytest.mark.parametrize("name", [name for name in WORKLOADS if name not in ("definitions-circular", "space-circular")])
def test_some_cuts(name: str, tmp_path: Path) -> None:
    story = lived(name, tmp_path)
    assert len(story.history.commits) > 10
    campaign = Campaign(tmp_path / "scratch")
    campaign.every(story, step=len(story.changes) // SAMPLE)
    assert campaign.failures == []


def test_a_cut_in_each_of_three_recoveries(tmp_path: Path) -> None:
    story = lived("definitions", tmp_path)
    campaign = Campaign(tmp_path / "scratch")
    campaign.every(story, step=len(story.changes) // 3, depth=3)
    assert campaign.failures == []


def test_a_log_that_is_not_synced_is_noticed(tmp_path: Path) -> None:
    """Were the engine to forget it, committed transactions would be lost."""
    story = lived("rows", tmp_path)
    forgotten = [change for change in story.changes if change.kind != "sync" or change.path.suffix != ".log"]
    for commit in story.history.commits:
        commit.begun = commit.returned = 0
    campaign = Campaign(tmp_path / "scratch")
    for cut, image in replace(story, changes=forgotten).images([Cut(len(forgotten), "lost", 0)]):
        with pytest.raises(AssertionError):
            campaign.check(image, story.life, story.history.allowed(cut.after), [cut], 0)


@pytest.mark.campaign
@pytest.mark.timeout(0)
@pytest.mark.parametrize("fates", range(len(FATES)) if ALL_FATES else [0])
@pytest.mark.parametrize("name", WORKLOADS)
def test_every_cut(name: str, fates: int, tmp_path: Path) -> None:
    story = lived(name, tmp_path)
    campaign = Campaign(tmp_path / "scratch")
    campaign.every(story, turn=fates)
    print(f"{name}: {campaign.tally}")
    assert campaign.failures == []


@pytest.mark.campaign
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", WORKLOADS)
def test_every_cut_of_recoveries(name: str, tmp_path: Path) -> None:
    story = lived(name, tmp_path)
    campaign = Campaign(tmp_path / "scratch")
    step = len(story.changes) // RECOVERIES
    campaign.every_of_recovery(story, [Cut(n, FATES[n // step % len(FATES)], n) for n in range(step, len(story.changes), step)])
    print(f"{name}: {campaign.tally}")
    assert campaign.failures == []
