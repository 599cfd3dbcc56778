"""How fast verification is, beside reading the same warm file and beside `cp` of it, all in one run.

    python benchmarks/bench_verify.py [--size MB] [--rounds N] [database ...]

Without a database a file of `--size` MB is made (pages of 4 KB with right checksums) and its checksums are verified; databases
named, or by default a genuine one of the fixtures if they are there, are verified completely, trees included.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from esent.pages import checksum, page
from esent.pages.checksum import stamp_page
from esent.pages.header import DatabaseHeader, DatabaseState
from esent.tools.verify import verify_database

PAGE = 4096
PIECE = 4 << 20
GENUINE = "engine/rows-200k-8k/db.edb.gz"


def best(rounds: int, work: Callable[[], object]) -> float:
    """The shortest of `rounds` times, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def read(path: Path) -> None:
    with path.open("rb", buffering=0) as source:
        while source.read(PIECE):
            pass


def copy(path: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    subprocess.run(["cp", str(path), str(target)], check=True)


def make(path: Path, megabytes: int) -> None:
    """A file of pages with right checksums; what they hold does not matter to checksums."""
    header = DatabaseHeader(page_size_field=PAGE, dbstate=DatabaseState.CLEAN_SHUTDOWN).pack()
    chance = random.Random(1)
    bodies = [chance.randbytes(PAGE) for _ in range(64)]
    with path.open("wb") as target:
        target.write(header * 2)
        for pgno in range(1, (megabytes << 20) // PAGE - 1):
            body = bytearray(bodies[pgno % 64])
            body[37] |= 0x20
            target.write(stamp_page(bytes(body), pgno))


def measure(path: Path, scratch: Path, rounds: int, structure: bool) -> None:
    size = path.stat().st_size
    read(path)
    plain = best(rounds, lambda: read(path))
    copied = best(rounds, lambda: copy(path, scratch / "copy"))
    reports = []
    verified = best(rounds, lambda: reports.append(verify_database(path, structure=structure)))
    what = "everything" if structure else "checksums"
    print(f"{path.name}: {size / 1e6:.1f} MB, {what}; {'sound' if reports[0].ok else 'NOT sound'}")
    for name, seconds in (("read", plain), ("cp", copied), ("verify", verified)):
        print(f"  {name:7} {seconds * 1000:9.1f} ms  {size / seconds / 1e6:9.0f} MB/s")
    print(f"  verify / read {verified / plain:.2f}   verify / cp {verified / copied:.2f}")


def fixture() -> Path | None:
    folder = os.environ.get("ESENT_FIXTURES", str(Path(__file__).resolve().parents[2] / "shared" / "fixtures"))
    path = Path(folder) / GENUINE
    return path if path.is_file() else None


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--size", type=int, default=256, help="MB of the file that is made")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("databases", nargs="*", type=Path)
    given = options.parse_args()
    forms = {module.__name__: "no" if (module.__file__ or "").endswith(".py") else "yes" for module in (checksum, page)}
    print("compiled:", ", ".join(f"{name} {form}" for name, form in forms.items()))
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        if given.size and not given.databases:
            made = scratch / "made.edb"
            make(made, given.size)
            measure(made, scratch, given.rounds, structure=False)
        databases = list(given.databases)
        genuine = fixture()
        if not databases and genuine is not None:
            databases.append(scratch / "rows-200k-8k.edb")
            with gzip.open(genuine) as packed, databases[0].open("wb") as target:
                shutil.copyfileobj(packed, target)
        for database in databases:
            measure(database, scratch, given.rounds, structure=True)


if __name__ == "__main__":
    main()
