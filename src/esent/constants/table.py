"""Reads the tab-separated tables of this package."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent  # importlib.resources takes longer to load than all the tables


def rows(name: str) -> list[dict[str, str]]:
    """The rows of `name` (such as "errors.tsv"), each by the names in the table's first line."""
    lines = (_HERE / name).read_text(encoding="utf-8").splitlines()
    columns = lines[0].split("\t")
    return [dict(zip(columns, line.split("\t"), strict=True)) for line in lines[1:]]
