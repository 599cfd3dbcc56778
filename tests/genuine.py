"""Where the genuine files are, and expanded copies of them."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def fixtures_folder() -> Path | None:
    """The folder of genuine files: ESENT_FIXTURES, or `shared/fixtures` beside the repository; None where absent."""
    named = os.environ.get("ESENT_FIXTURES")
    candidates = [Path(named)] if named else [ROOT.parent / "shared" / "fixtures"]
    return next((path for path in candidates if (path / "SHA256SUMS").is_file()), None)


FIXTURES = fixtures_folder()


class Fixtures:
    """Read access to the genuine files; what is stored compressed is expanded once a session into `cache`."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root
        self.cache = cache

    def path(self, name: str) -> Path:
        """A readable, uncompressed file such as "engine/clean-4k/db.edb". Never written to by a test."""
        plain = self.root / name
        if plain.is_file():
            return plain
        expanded = self.cache / name
        if not expanded.is_file():
            packed = self.root / (name + ".gz")
            if not packed.is_file():
                raise FileNotFoundError(name)
            expanded.parent.mkdir(parents=True, exist_ok=True)
            partial = expanded.with_name(f"{expanded.name}.{os.getpid()}")
            with gzip.open(packed, "rb") as source, partial.open("wb") as target:
                shutil.copyfileobj(source, target)
            partial.replace(expanded)
        return expanded

    def read(self, name: str) -> bytes:
        return self.path(name).read_bytes()

    def copy_set(self, name: str, target: Path) -> Path:
        """Expand everything below the folder `name` into `target`, writable, and return `target`."""
        for source in sorted((self.root / name).rglob("*")):
            if source.is_dir():
                continue
            relative = source.relative_to(self.root / name)
            goal = target / relative
            goal.parent.mkdir(parents=True, exist_ok=True)
            if source.suffix == ".gz":
                with gzip.open(source, "rb") as packed, goal.with_suffix("").open("wb") as plain:
                    shutil.copyfileobj(packed, plain)
            else:
                shutil.copyfile(source, goal)
        return target
