"""Running the command in the test's process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from esent.cli.main import main


@dataclass
class Outcome:
    status: int
    out: str
    err: str


Runner = Callable[..., Outcome]


@pytest.fixture
def esent(capsys: pytest.CaptureFixture[str]) -> Runner:
    """`esent("info", path)` runs a command; what it printed and its exit status."""

    def run(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(int(end.value.code or 0), captured.out, captured.err)

    return run
