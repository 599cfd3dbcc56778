"""Redo: megabytes of log and pages a second, replaying whole streams into nothing.

    python benchmarks/bench_redo.py [FOLDER ...] [--repeat N] [--profile]

A folder holds the logs of a stream from generation 1 (and perhaps its database, which is not used). Without one the sets
`clean-*` and `efv-*` of the genuine files are taken. The best of N runs counts. Memory is bounded as in recovery; the time
is that of the processor, and includes reading the logs, checking their checksums, and writing the pages.
"""

from __future__ import annotations

import argparse
import cProfile
import gzip
import os
import pstats
import shutil
import tempfile
import time
from pathlib import Path

from esent.constants import grbits
from esent.errors import JetError
from esent.pages import edit
from esent.recovery.options import RecoveryOptions
from esent.recovery.soft import soft_recover

ROOT = Path(__file__).resolve().parent.parent
SETS = ("clean-4k", "clean-8k", "clean-16k", "clean-32k", "efv-8020", "efv-9600")


def unpack(source: Path, target: Path) -> None:
    """The logs of a set, expanded."""
    target.mkdir()
    for path in source.iterdir():
        name = path.name.removesuffix(".gz")
        if name.endswith(".log") and not name.endswith("tmp.log"):
            data = path.read_bytes()
            (target / name).write_bytes(gzip.decompress(data) if path.suffix == ".gz" else data)


def replay(folder: Path) -> tuple[float, int, int]:
    """Seconds, bytes of log used, pages in the database."""
    for leftover in (*folder.glob("*.edb"), *folder.glob("*.chk")):
        leftover.unlink()
    base = min(folder.glob("*.log")).name[:3]
    used = sum(path.stat().st_size for path in folder.glob("*.log"))
    options = RecoveryOptions(log_path=folder, base=base, alternate_path=folder, grbit=grbits.JET_bitRecoveryWithoutUndo)
    begun = time.process_time()
    try:
        soft_recover(options)
    except JetError as problem:
        if "RecoveredWithoutUndo" not in problem.name:
            raise
    seconds = time.process_time() - begun
    database = next(path for path in folder.iterdir() if path.suffix not in (".log", ".chk"))
    size = int.from_bytes(database.read_bytes()[236:240], "little")
    return seconds, used, database.stat().st_size // size - 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    fixtures = Path(os.environ.get("ESENT_FIXTURES", ROOT.parent / "shared" / "fixtures"))
    folders = arguments.folders or [fixtures / "engine" / name for name in SETS]
    print("compiled" if edit.__file__.endswith((".so", ".pyd")) else "not compiled")
    total = [0.0, 0, 0]
    for folder in folders:
        with tempfile.TemporaryDirectory() as scratch:
            logs = Path(scratch) / "logs"
            unpack(folder, logs)
            if arguments.profile:
                profile = cProfile.Profile()
                profile.runcall(replay, logs)
                pstats.Stats(profile).sort_stats("tottime").print_stats(25)
            seconds, used, pages = min(replay(logs) for _ in range(arguments.repeat))
            shutil.rmtree(logs)
        total = [total[0] + seconds, total[1] + used, total[2] + pages]
        print(f"{folder.name:14} {used / seconds / 1e6:8.1f} MB/s of log {pages / seconds:10.0f} pages/s {seconds:8.3f} s")
    print(f"{'all':14} {total[1] / total[0] / 1e6:8.1f} MB/s of log {total[2] / total[0]:10.0f} pages/s {total[0]:8.3f} s")


if __name__ == "__main__":
    main()
