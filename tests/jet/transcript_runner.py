"""Replays recorded transcripts with the replayer of the fixtures, a forked process a segment instead of a new interpreter.

The replayer starts an interpreter for every recorded process; there are thousands. Forking one that has the module loaded, and
has made nothing with it, does the same in a tenth of the time: the fork begins with an engine in which nothing was created,
and ends without clean-up.

    python tests/jet/transcript_runner.py [CHAPTER...]       replays them all, and writes down how many calls agree:
                                                             tests/jet/agreement.json and docs/compatibility.md
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import select
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from genuine import FIXTURES, ROOT

AGREEMENT = Path(__file__).with_name("agreement.json")
COMPATIBILITY = ROOT / "docs" / "compatibility.md"
MARKER = "<!-- the rest is made by tests/jet/transcript_runner.py -->"


def replayer() -> Any:
    """The module `replay` of the transcripts folder."""
    assert FIXTURES is not None
    folder = str(FIXTURES / "transcripts")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module("replay")


def transcripts() -> list[Path]:
    """Every transcript, by chapter and name; none where the genuine files are absent."""
    return sorted((FIXTURES / "transcripts").glob("*/*.jsonl.gz")) if FIXTURES is not None else []


def state_table(folder: Path) -> list[Path]:
    """The recorded table of backup calls by state, a transcript a scenario, written below `folder`."""
    assert FIXTURES is not None
    replayer()
    written: list[Path] = importlib.import_module("backup_states").write_transcripts(
        FIXTURES / "engine" / "backup-states.jsonl.gz", folder
    )
    return written


def place(path: Path) -> str:
    """ "chapter/name" of a transcript."""
    return f"{path.parent.name}/{path.name.removesuffix('.jsonl.gz')}"


def replay(path: Path, *, time_limit: float = 240.0) -> Any:
    """The report of one transcript, replayed against `esent.jet`."""
    module = replayer()
    if not hasattr(os, "fork"):
        return module.replay_file(path, time_limit=time_limit)

    class ForkedRun(module.TranscriptRun):  # type: ignore[misc, name-defined]
        def _run_segment(self, index: int, part: list[dict[str, Any]], scratch: str) -> None:
            output, code, late = _forked(part, scratch, self.deadline)
            entries = [json.loads(text) for text in output.decode("utf-8", "replace").splitlines() if text.endswith("}")]
            for line, entry in zip(part, entries, strict=False):
                self._record(line, entry)
            if len(entries) < len(part):
                self._record_death(part, len(entries), code, b"", late)

    return ForkedRun(path, "esent.jet", time_limit, None, [], None).run()


def _forked(part: list[dict[str, Any]], scratch: str, deadline: float) -> tuple[bytes, int, bool]:
    """Replay one recorded process in a fork; its reports, its exit status, and whether it had to be ended."""
    jet = importlib.import_module("esent.jet")
    worker = importlib.import_module("worker")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _replay_here(worker, jet, part, scratch, writing)
    os.close(writing)
    chunks: list[bytes] = []
    late = False
    while True:
        ready, _, _ = select.select([reading], [], [], max(deadline - time.monotonic(), 0.1))
        if not ready:
            late = True
            os.kill(child, signal.SIGKILL)
            break
        data = os.read(reading, 1 << 16)
        if not data:
            break
        chunks.append(data)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    return b"".join(chunks), os.waitstatus_to_exitcode(status), late


def _replay_here(worker: Any, jet: Any, part: list[dict[str, Any]], scratch: str, writing: int) -> None:
    """The life of the forked process; it never returns."""
    code = 1
    try:
        os.chdir(scratch)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        with os.fdopen(writing, "w", encoding="utf-8") as stream:
            segment = worker.Segment(jet, scratch, None)
            for line in part:
                worker.report(stream, segment.replay(line) | {"number": line["number"]})
                if line["call"] == "_Crash":
                    os.kill(os.getpid(), signal.SIGKILL)
        code = 0
    finally:
        os._exit(code)


def outcome(path: Path) -> tuple[int, str]:
    """How many calls of a transcript agree, and a summary of what does not."""
    report = replay(path)
    return report.counts["agreed"], report.summary()


def replay_agrees(path: Path) -> tuple[bool, str]:
    """Whether all of a transcript agrees, and a summary of what does not."""
    report = replay(path)
    return report.ok, report.summary()


def counts_of(path: Path) -> tuple[str, dict[str, int]]:
    """What `main` keeps of a report."""
    report = replay(path)
    return place(path), {status: report.counts[status] for status in ("agreed", "disagreed", "not reached", "skipped")}


def main(chapters: list[str]) -> int:
    """Replay, and write down the agreement of each transcript and the table of the chapters."""
    chosen = [path for path in transcripts() if not chapters or path.parent.name in chapters]
    found: dict[str, dict[str, int]] = json.loads(AGREEMENT.read_text(encoding="utf-8")) if AGREEMENT.exists() else {}
    with multiprocessing.Pool() as pool:
        for number, (name, counts) in enumerate(pool.imap_unordered(counts_of, chosen), start=1):
            found[name] = counts
            print(f"{number}/{len(chosen)} {name}: {counts['agreed']} agreed, {counts['disagreed']} not", flush=True)
    AGREEMENT.write_text(json.dumps(found, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    head = COMPATIBILITY.read_text(encoding="utf-8").partition(MARKER)[0]
    COMPATIBILITY.write_text(head + MARKER + "\n\n" + _table(found), encoding="utf-8")
    return 0


def _table(found: dict[str, dict[str, int]]) -> str:
    chapters: dict[str, Counter[str]] = {}
    for name, counts in found.items():
        chapters.setdefault(name.partition("/")[0], Counter()).update(counts)
    lines = ["| chapter | calls compared | agreed | not reached | not comparable |", "|---|---|---|---|---|"]
    for chapter, counts in sorted(chapters.items()):
        compared = counts["agreed"] + counts["disagreed"]
        share = f"{100 * counts['agreed'] / compared:.1f} %" if compared else "-"
        lines.append(
            f"| {chapter} | {compared} | {counts['agreed']} ({share}) | {counts['not reached']} | {counts['skipped']} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
