"""What the commands share: text or JSON."""

from __future__ import annotations

import json
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=True, default=str))


def aligned(pairs: list[tuple[str, object]]) -> str:
    """Lines of `label  value`, the values in one column."""
    width = max((len(label) for label, _ in pairs), default=0)
    return "\n".join(f"{label:<{width}}  {value}" for label, value in pairs)
