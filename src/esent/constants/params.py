"""`JET_param...`: every system parameter with its type, default, range and the moments at which it may be set."""

from __future__ import annotations

from dataclasses import dataclass

from esent.constants.table import rows

TEXT_TYPES = ("String", "Folder", "Path")


@dataclass(frozen=True, slots=True)
class ParameterDefinition:
    """One row of `parameters.tsv`.

    `default` is text for the types String, Folder and Path, otherwise a number. `low` and `high` bound the value, or the number
    of characters of a text; None where nothing is settable. An advanced parameter stays as it is while
    JET_paramEnableAdvanced is 0.
    """

    number: int
    name: str
    type: str
    default: int | str
    low: int | None
    high: int | None
    scope: str
    settable: str
    advanced: bool
    status: str
    meaning: str

    @property
    def is_text(self) -> bool:
        return self.type in TEXT_TYPES

    @property
    def range(self) -> str:
        """The range for people."""
        if self.low is None:
            return ""
        high = "unlimited" if self.high == 2**64 - 1 else str(self.high)
        return f"{self.low}..{high}" + (" characters" if self.is_text else "")


def _definition(row: dict[str, str]) -> ParameterDefinition:
    default = row["default"] if row["type"] in TEXT_TYPES else int(row["default"])
    low, high = (int(row[column]) if row[column] else None for column in ("low", "high"))
    place = (row["scope"], row["settable"], row["advanced"] == "yes", row["status"], row["meaning"])
    return ParameterDefinition(int(row["number"]), row["name"], row["type"], default, low, high, *place)


PARAMETERS: dict[int, ParameterDefinition] = {int(row["number"]): _definition(row) for row in rows("parameters.tsv")}
PARAMS: dict[str, int] = {item.name: number for number, item in PARAMETERS.items() if item.name.startswith("JET_")}
# What JET_paramErrorToString says about a code after its name; programs compare these texts, so they are kept to the letter.
ERROR_TEXTS: dict[int, str] = {int(row["value"]): row["text"] for row in rows("error_texts.tsv")}

STUB = """from dataclasses import dataclass

TEXT_TYPES: tuple[str, ...]

@dataclass(frozen=True, slots=True)
class ParameterDefinition:
    number: int
    name: str
    type: str
    default: int | str
    low: int | None
    high: int | None
    scope: str
    settable: str
    advanced: bool
    status: str
    meaning: str
    @property
    def is_text(self) -> bool: ...
    @property
    def range(self) -> str: ...

PARAMETERS: dict[int, ParameterDefinition]
PARAMS: dict[str, int]
ERROR_TEXTS: dict[int, str]
STUB: str
"""

globals().update(PARAMS)
__all__ = [*PARAMS]
