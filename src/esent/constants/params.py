"""`JET_param...`: every system parameter with its type, default, range and the moments at which it may be set."""

from __future__ import annotations

from dataclasses import dataclass

from esent.constants.table import rows


@dataclass(frozen=True, slots=True)
class ParameterDefinition:
    """One row of `parameters.tsv`; `default` and `range` as written there."""

    number: int
    name: str
    type: str
    default: str
    range: str
    scope: str
    settable: str
    status: str
    meaning: str


PARAMETERS: dict[int, ParameterDefinition] = {
    int(row["number"]): ParameterDefinition(
        int(row["number"]),
        *(row[column] for column in ("name", "type", "default", "range", "scope", "settable", "status", "meaning")),
    )
    for row in rows("parameters.tsv")
}
PARAMS: dict[str, int] = {definition.name: number for number, definition in PARAMETERS.items()}

STUB = """from dataclasses import dataclass

@dataclass(frozen=True, slots=True)
class ParameterDefinition:
    number: int
    name: str
    type: str
    default: str
    range: str
    scope: str
    settable: str
    status: str
    meaning: str

PARAMETERS: dict[int, ParameterDefinition]
PARAMS: dict[str, int]
STUB: str
"""

globals().update(PARAMS)
__all__ = [*PARAMS]
