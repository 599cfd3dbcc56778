"""Threads at work in a process that is killed: writers, readers of snapshots, definitions, clean-up, shrinking, backups.

Each time what is left must be what was promised, and the process that comes next goes on with it. The suite kills a few times:

    ESENT_CRASH_KILLS=200 python -m pytest -m campaign tests/crash/test_crash_threads.py
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crash_bank import WRITERS, Ledger, made, problems
from crash_campaign import sound

import esent

KILLS = int(os.environ.get("ESENT_CRASH_KILLS", "60"))
PROGRAM = Path(__file__).with_name("crash_bank.py")
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")


class Bank:
    """The folder of the bank, and what processes have promised about it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()
        self.ledger = Ledger()
        self.promised = [0] * WRITERS
        self.sets: dict[str, list[int]] = {}
        self.wrong: list[str] = []

    def live(self, seed: int, seconds: float) -> None:
        """A process that works for some seconds and is killed."""
        command = [sys.executable, str(PROGRAM), str(self.folder), str(seed)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first == b"ready\n", first
        time.sleep(seconds)
        process.kill()
        for line in process.stdout.read().decode().splitlines():
            self._heard(line)
        process.stdout.close()
        process.wait()

    def _heard(self, line: str) -> None:
        word, *rest = line.split(" ")
        if word == "done":
            self.promised[int(rest[0])] = int(rest[1])
        elif word == "set":
            self.sets[rest[0]] = [int(number) for number in rest[1:]]
        else:
            self.wrong.append(line)

    def check(self) -> None:
        """Recover, look at everything, end, verify; then the backup sets."""
        assert self.wrong == []
        with esent.open(self.folder / "bank.edb", log_file_size=128 << 10) as database, database.transaction():
            assert list(problems(database, self.ledger)) == []
            counts = made(database)
        assert all(count >= promised for count, promised in zip(counts, self.promised, strict=True)), (counts, self.promised)
        self.promised = counts
        sound(self.folder / "bank.edb")

    def check_sets(self) -> None:
        """Complete sets restore to a state not older than their begin; others are refused, or give a state as well."""
        for path in sorted(self.folder.glob("set-*")):
            target = self.folder / "restored"
            try:
                esent.restore(path, target)
            except esent.JetError:
                assert path.name not in self.sets, path.name
            else:
                with esent.open(target / "bank.edb") as database, database.transaction():
                    assert list(problems(database, Ledger())) == []
                    for count, promised in zip(made(database), self.sets.get(path.name, [0] * WRITERS), strict=True):
                        assert count >= promised
                sound(target / "bank.edb")
            shutil.rmtree(target, ignore_errors=True)
            shutil.rmtree(path)


def lived(folder: Path, kills: int, longest: float) -> Bank:
    bank, chosen = Bank(folder), random.Random(kills)
    for number in range(kills):
        bank.live(number, chosen.uniform(0.05, longest))
        bank.check()
        bank.check_sets()
    return bank


def test_a_few_kills(tmp_path: Path) -> None:
    bank = lived(tmp_path / "bank", 2, 0.6)
    assert sum(bank.promised) > 0


@pytest.mark.campaign
@pytest.mark.timeout(0)
def test_many_kills(tmp_path: Path) -> None:
    bank = lived(tmp_path / "bank", KILLS, 4.0)
    print(f"{KILLS} kills, transactions {bank.promised}")
    assert min(bank.promised) > KILLS
