"""Runs every benchmark of this folder, one after another, with what each says.

    python benchmarks/run.py [NAME...]       all, or those named (by what comes after `bench_`)

Each measures this package beside a peer in the same run and prints ratios. Genuine files come from ESENT_FIXTURES or
../shared/fixtures; a benchmark that needs them and has none says so. Nothing here passes or fails.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

from esent.version import VERSION, build_kind

HERE = Path(__file__).resolve().parent


def main(names: list[str]) -> int:
    found = {path.stem.removeprefix("bench_"): path for path in sorted(HERE.glob("bench_*.py"))}
    unknown = set(names) - set(found)
    if unknown:
        print(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(found)}")
        return 2
    print(f"esent {VERSION}, {build_kind()}; Python {platform.python_version()} on {platform.machine()}")
    status = 0
    for name, path in found.items():
        if names and name not in names:
            continue
        print(f"\n=== {name}", flush=True)
        status |= subprocess.run([sys.executable, str(path)], check=False).returncode
    return int(bool(status))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
