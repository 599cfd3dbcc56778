"""What the status callback hears, and what it can decide (behaviours 17 and 18; recorded in transcripts of the life cycle)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from esent.constants import codes, grbits
from esent.pages.primitives import Lgpos
from esent.recovery.events import Events
from esent.recovery.options import Progress, RecoveryControl
from recovery_story import Story
from recovery_support import outcome, recover

pytestmark = pytest.mark.fixtures

CONTROL, RESTORE = grbits.JET_snpRecoveryControl, grbits.JET_snpRestore


class Listener:
    """Records the calls; `answers` maps an event to what is returned for it."""

    def __init__(self, answers: dict[tuple[int, int], int] | None = None) -> None:
        self.calls: list[tuple[int, int]] = []
        self.progress: list[int] = []
        self.answers = answers or {}

    def __call__(self, snp: int, snt: int, about: object) -> int | None:
        self.calls.append((snp, snt))
        if isinstance(about, Progress):
            assert about.total == 100
            self.progress.append(about.done)
            return self.answers.get((snp, snt))
        assert isinstance(about, RecoveryControl)
        assert about.snt == snt
        return self.answers.get((snp, snt), about.error_default)


def test_the_order_of_events(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/dirty-reattach-4k", tmp_path)
    listener = Listener()
    recover(folder, callback=listener)
    opened, read = (CONTROL, grbits.JET_sntOpenLog), (CONTROL, grbits.JET_sntNotificationEvent)
    assert listener.calls[:3] == [(CONTROL, grbits.JET_sntOpenCheckpoint), opened, (RESTORE, grbits.JET_sntBegin)]
    steps = [call for call in listener.calls[3:] if call != (RESTORE, grbits.JET_sntProgress)]
    # three numbered logs, the current one (looked for under its number first), undo, the end
    undo, complete = (CONTROL, grbits.JET_sntBeginUndo), (RESTORE, grbits.JET_sntComplete)
    assert steps == [*[opened, read] * 3, opened, opened, read, undo, complete, read, opened]
    assert listener.progress[0] == 0
    assert listener.progress[-1] == 100
    assert listener.progress == sorted(set(listener.progress))
    assert len(listener.progress) > 80


def test_progress_counts_the_segments_of_the_logs(fixtures: Any, tmp_path: Path) -> None:
    """As recorded in lifecycle/init4-crash-stop: one log of 32 segments, from its third segment on."""
    folder = fixtures.copy_set("engine/dirty-4k", tmp_path)
    listener = Listener()
    assert outcome(folder, callback=listener, stop=Lgpos(1, 0xFFFF, 0xFFFF)) == codes.JET_errRecoveredWithoutUndo
    recorded = [
        0,
        6,
        9,
        12,
        15,
        18,
        21,
        25,
        28,
        31,
        34,
        37,
        40,
        43,
        46,
        50,
        53,
        56,
        59,
        62,
        65,
        68,
        71,
        75,
        78,
        81,
        84,
        87,
        90,
        93,
    ]
    assert listener.progress == [*recorded, 100]


def test_a_clean_stream_tells_only_that_the_log_was_opened(fixtures: Any, tmp_path: Path) -> None:
    folder = fixtures.copy_set("engine/clean-4k", tmp_path)
    listener = Listener()
    recover(folder, callback=listener)
    assert listener.calls == [(CONTROL, grbits.JET_sntOpenLog)]


@pytest.mark.parametrize(
    "event", [(RESTORE, grbits.JET_sntProgress), (CONTROL, grbits.JET_sntOpenLog), (CONTROL, grbits.JET_sntBeginUndo)]
)
def test_an_error_from_the_callback_ends_recovery(fixtures: Any, tmp_path: Path, event: tuple[int, int]) -> None:
    folder = fixtures.copy_set("engine/dirty-reattach-4k", tmp_path)
    answers = {event: codes.JET_errCallbackFailed}
    assert outcome(folder, callback=Listener(answers)) == codes.JET_errCallbackFailed
    assert recover(folder).needed  # and the next one succeeds


def test_a_missing_log_can_be_accepted(fixtures: Any, tmp_path: Path) -> None:
    for number, (answer, expected) in enumerate(
        [
            (None, codes.JET_errMissingLogFile),
            (0, codes.JET_errRequiredLogFilesMissing),
            (codes.JET_errDiskIO, codes.JET_errDiskIO),
        ]
    ):
        folder = fixtures.copy_set("engine/dirty-reattach-4k", tmp_path / str(number))
        (folder / "edb.log").unlink()
        (folder / "edbtmp.log").unlink(missing_ok=True)
        missing = (CONTROL, grbits.JET_sntMissingLog)
        listener = Listener({} if answer is None else {missing: answer})
        assert outcome(folder, callback=listener) == expected
        assert missing in listener.calls


def test_the_current_log_is_looked_for_under_its_number_first(tmp_path: Path) -> None:
    """As recorded in lifecycle/crash-*: also where it is the only one that is replayed."""
    story = Story(tmp_path)
    story.end()
    listener = Listener()
    recover(tmp_path, callback=listener)
    opened, read = (CONTROL, grbits.JET_sntOpenLog), (CONTROL, grbits.JET_sntNotificationEvent)
    steps = [call for call in listener.calls if call != (RESTORE, grbits.JET_sntProgress)]
    assert steps == [
        (CONTROL, grbits.JET_sntOpenCheckpoint),
        opened,
        (RESTORE, grbits.JET_sntBegin),
        opened,
        opened,
        read,
        (CONTROL, grbits.JET_sntBeginUndo),
        (RESTORE, grbits.JET_sntComplete),
        read,
        opened,
    ]


def test_a_copied_database_counts_as_a_share_of_the_logs() -> None:
    listener = Listener()
    events = Events(listener)
    events.begin(1, 2, 32, copying=True)
    events.copied(1)
    for isec in range(2, 32):
        events.segment(isec)
    events.next_log()
    events.segment(1)
    events.complete()
    # two logs and one copy: as recorded
    assert listener.progress[:6] == [0, 33, 35, 36, 37, 38]
    assert listener.progress[-4:] == [65, 66, 67, 100]


def test_many_logs_are_counted_by_the_log() -> None:
    listener = Listener()
    events = Events(listener)
    events.begin(1, 62, 32, copying=True)
    events.copied(1)
    for _ in range(3):
        events.segment(20)
        events.next_log()
    assert listener.progress == [0, 8, 10, 11, 13]  # as recorded


def test_progress_never_falls_nor_passes_its_end() -> None:
    listener = Listener()
    events = Events(listener)
    events.begin(5, 5, 32)
    for isec in (3, 2, 40, 31, 4000):
        events.segment(isec)
    events.next_log()
    assert listener.progress == [0, 9, 100]
