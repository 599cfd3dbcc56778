"""Definitions at random: rolled back without a trace, committed for good, recovered after a kill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from esent import jet
from esent.recovery.options import RecoveryOptions
from esent.recovery.soft import soft_recover
from jet_helpers import Running
from schema_model import SchemaWalk, compare, compare_file, copy_of

SEEDS = range(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_walk_ends_as_the_model_says(start: Callable[..., Running], seed: int) -> None:
    running = start(LogFileSize=128, CircularLog=1)
    dbid = jet.JetCreateDatabase(running.sesid, running.path())
    walk = SchemaWalk(running, dbid, seed)
    for _ in range(4):
        model = walk.run(60)
        compare(running.sesid, dbid, model)
    running.term()
    compare_file(Path(running.path()), model)


@pytest.mark.parametrize("page_size", [8192, 32768])
def test_a_walk_without_a_log(start: Callable[..., Running], page_size: int) -> None:
    jet.JetSetSystemParameter(None, jet.JET_sesidNil, jet.JET_paramDatabasePageSize, page_size)
    running = start(Recovery="off")
    dbid = jet.JetCreateDatabase(running.sesid, running.path())
    model = SchemaWalk(running, dbid, page_size).run(150)
    compare(running.sesid, dbid, model)
    running.term()
    compare_file(Path(running.path()), model)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_walk_recovers_to_what_was_committed(start: Callable[..., Running], tmp_path: Path, seed: int) -> None:
    running = start("live", LogFileSize=128)
    dbid = jet.JetCreateDatabase(running.sesid, running.path())
    walk = SchemaWalk(running, dbid, seed)
    walk.run(80)
    for _ in range(40):
        walk.step()
    jet.JetCommitTransaction(running.sesid, jet.JET_bitWaitAllLevel0Commit)
    goal = copy_of(tmp_path / "live", tmp_path / "copy")
    committed = walk.levels[0]
    soft_recover(RecoveryOptions(log_path=goal, alternate_path=goal, base="edb"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(goal)
        compare_file(goal / "db.edb", committed)
