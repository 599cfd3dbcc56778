"""Option flags and the other named numbers of the API (see `grbits.tsv`)."""

from __future__ import annotations

from esent.constants.table import rows

GRBITS: dict[str, int] = {row["name"]: int(row["value"], 0) for row in rows("grbits.tsv")}

globals().update(GRBITS)
__all__ = [*GRBITS]
