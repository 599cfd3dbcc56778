"""The genuine log sets, for the tests of this folder."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest


class GenuineLog(NamedTuple):
    """A log file of the fixtures and what the original says about it."""

    name: str
    path: Path
    records: list[dict[str, Any]]  # without the marks of segments
    segments: list[dict[str, Any]]
    facts: dict[str, Any]


def _json(folder: Path, name: str) -> Any:
    plain = folder / name
    return json.loads(plain.read_bytes() if plain.is_file() else gzip.decompress((folder / f"{name}.gz").read_bytes()))


@pytest.fixture(scope="session")
def genuine_logs(fixtures: Any) -> list[GenuineLog]:
    """Every log file for which the original's records and header are recorded."""
    found = []
    for listing in sorted(fixtures.root.rglob("logrecords.json.gz")):
        folder = listing.parent
        facts = _json(folder, "facts.json")
        for name, lines in _json(folder, "logrecords.json").items():
            where = str((folder / name).relative_to(fixtures.root))
            try:
                path = fixtures.path(where)
            except FileNotFoundError:
                path = fixtures.path(str((folder / "set" / name).relative_to(fixtures.root)))
            headers = facts if "logs" in facts else facts["new" if name.startswith("new/") else "."]
            found.append(
                GenuineLog(
                    f"{folder.name}/{name}",
                    path,
                    [line for line in lines if "type" in line],
                    [line for line in lines if "type" not in line],
                    headers["logs"][name.removeprefix("new/")],
                )
            )
    return found


@pytest.fixture
def variant(fixtures: Any, tmp_path: Path) -> Callable[[str, str], tuple[Path, dict[str, Any]]]:
    """A damaged variant of a set, made in a scratch folder: (folder, outcome)."""

    def make(set_name: str, name: str) -> tuple[Path, dict[str, Any]]:
        source = fixtures.root / "engine" / set_name / name
        outcome = json.loads((source / "outcome.json").read_text())
        folder = fixtures.copy_set(f"engine/{set_name}/base", tmp_path / name)
        extra = fixtures.copy_set(f"engine/{set_name}/{name}", tmp_path / f"{name}-files")
        for file in outcome["replaced_or_added"]:
            shutil.copyfile(extra / file, folder / file)
        for file in outcome["removed"]:
            (folder / file).unlink()
        for edit in outcome["edits"]:
            data = bytearray((folder / edit["file"]).read_bytes())
            data[edit["offset"]] ^= edit["xor"]
            (folder / edit["file"]).write_bytes(data)
        return folder, outcome

    return make
