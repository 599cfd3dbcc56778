"""Progress of long work: a bar on a terminal, otherwise a line now and then; on standard error, so that output can be piped."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

Advance = Callable[[int, int], None]
"""Told how many bytes are done, and how many there are in all."""

PLAIN_INTERVAL = 5.0  # seconds between lines where the output is not a terminal


def human_size(count: int) -> str:
    """ "12 bytes", "3.4 MiB"."""
    size = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


@contextlib.contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Advance]:
    """Yields the function to call as work goes on."""
    if quiet:
        yield lambda done, total: None
    elif sys.stderr.isatty():
        described = TextColumn("{task.description}")
        columns = (described, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bars:
            task = bars.add_task(what, total=None)
            yield lambda done, total: bars.update(task, completed=done, total=total)
    else:
        last = time.monotonic()

        def say(done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last >= PLAIN_INTERVAL:
                last = time.monotonic()
                print(f"{what}: {human_size(done)} of {human_size(total)}", file=sys.stderr, flush=True)

        yield say
