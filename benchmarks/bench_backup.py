"""How fast a full backup is, beside reading and copying the same warm file, all in one run.

    python benchmarks/bench_backup.py [--size MB] [--rounds N] [--scratch FOLDER] [database ...]

Without a database a file of `--size` MB is made (4 KB pages with right checksums). Two backups are measured:

- stream: JetOpenFile ... JetReadFile into a buffer of 1 MB that is thrown away, every page verified; beside reading the file;
- directory: JetBackupInstance, every page verified, everything on stable storage before it returns; beside `cp` followed by
  a flush of the copy to the disk, and beside `cp` alone.

The aim is 1.5 times the plain work, with the checksums compiled.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from esent import jet
from esent.pages import checksum
from esent.pages.checksum import stamp_page
from esent.pages.header import DatabaseHeader, DatabaseState
from esent.pages.primitives import Signature

PAGE = 4096
PIECE = 1 << 20


def best(rounds: int, work: Callable[[], object]) -> float:
    """The shortest of `rounds` times, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def make(path: Path, megabytes: int) -> None:
    """A clean database file of pages with right checksums; what they hold does not matter here."""
    header = DatabaseHeader(
        page_size_field=PAGE, dbstate=DatabaseState.CLEAN_SHUTDOWN, sign_db=Signature.fresh(), dbid=1
    ).pack()
    with path.open("wb") as target:
        target.write(header * 2)
        for pgno in range(1, (megabytes << 20) // PAGE - 1):
            body = bytearray(os.urandom(64) * (PAGE // 64))
            body[37] |= 0x20
            target.write(stamp_page(bytes(body), pgno))


def read(path: Path) -> None:
    with path.open("rb", buffering=0) as source:
        buffer = bytearray(PIECE)
        while source.readinto(buffer):
            pass


def copy(path: Path, target: Path, *, flush: bool) -> None:
    target.unlink(missing_ok=True)
    subprocess.run(["cp", str(path), str(target)], check=True)
    if flush:
        descriptor = os.open(target, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def stream(instance: jet.JET_INSTANCE, name: str) -> None:
    jet.JetBeginExternalBackupInstance(instance)
    handle, _ = jet.JetOpenFileInstance(instance, name)
    while jet.JetReadFileInstance(instance, handle, PIECE):
        pass
    jet.JetCloseFileInstance(instance, handle)
    jet.JetEndExternalBackupInstance2(instance, jet.JET_bitBackupEndAbort)


def directory(instance: jet.JET_INSTANCE, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    jet.JetBackupInstance(instance, str(target))


def measure(path: Path, scratch: Path, rounds: int) -> None:
    size = path.stat().st_size
    jet.JetSetSystemParameter(None, 0, jet.JET_paramDatabasePageSize, DatabaseHeader.parse(first_page(path)).page_size)
    instance = jet.JetCreateInstance("bench")
    for number in (jet.JET_paramSystemPath, jet.JET_paramLogFilePath, jet.JET_paramTempPath):
        jet.JetSetSystemParameter(instance, 0, number, 0, f"{scratch}/")
    jet.JetInit(instance)
    sesid = jet.JetBeginSession(instance)
    jet.JetAttachDatabase(sesid, str(path))
    read(path)
    times = {
        "read": best(rounds, lambda: read(path)),
        "stream": best(rounds, lambda: stream(instance, str(path))),
        "cp": best(rounds, lambda: copy(path, scratch / "copy", flush=False)),
        "cp+flush": best(rounds, lambda: copy(path, scratch / "copy", flush=True)),
        "directory": best(rounds, lambda: directory(instance, scratch / "set")),
    }
    jet.JetTerm(instance)
    print(f"{path.name}: {size / 1e6:.1f} MB")
    for name, seconds in times.items():
        print(f"  {name:10} {seconds * 1000:9.1f} ms  {size / seconds / 1e6:9.0f} MB/s")
    print(
        f"  stream / read {times['stream'] / times['read']:.2f}"
        f"   directory / (cp+flush) {times['directory'] / times['cp+flush']:.2f}"
        f"   directory / (read + cp) {times['directory'] / (times['read'] + times['cp']):.2f}"
    )


def first_page(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(32768)
    size = int.from_bytes(data[236:240], "little") or PAGE
    return data[:size]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--size", type=int, default=256, help="MB of the file that is made")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--scratch", type=Path, default=None, help="where to work; the disk there is measured too")
    options.add_argument("databases", nargs="*", type=Path)
    given = options.parse_args()
    compiled = not (checksum.__file__ or "").endswith(".py")
    print(f"checksums compiled: {'yes' if compiled else 'no'}")
    with tempfile.TemporaryDirectory(dir=given.scratch) as name:
        scratch = Path(name)
        databases = [shutil.copyfile(each, scratch / each.name) for each in given.databases]
        if not databases:
            databases = [scratch / "made.edb"]
            make(databases[0], given.size)
        for database in databases:
            measure(database, scratch, given.rounds)


if __name__ == "__main__":
    main()
