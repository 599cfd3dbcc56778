"""`JET_err...` and `JET_wrn...`: every result code, as plain ints (see `errors.tsv`)."""

from __future__ import annotations

from esent.constants.table import rows

CODES: dict[str, int] = {row["name"]: int(row["value"]) for row in rows("errors.tsv")}
# Where two names share a value the newer one, listed first in the documentation's own tables, is the one to report.
PREFERRED = ("JET_errNullInvalid", "JET_errDatabaseDirtyShutdown", "JET_wrnSeekNotEqual", "JET_errIndexTuplesOneColumnOnly")
NAMES: dict[int, str] = {value: name for name, value in reversed(CODES.items())}
NAMES.update((CODES[name], name) for name in PREFERRED)
MEANINGS: dict[int, str] = {int(row["value"]): row["meaning"] for row in reversed(rows("errors.tsv"))}

globals().update(CODES)
__all__ = [*CODES]
