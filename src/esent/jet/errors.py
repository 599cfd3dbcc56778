"""What is known about errors."""

from __future__ import annotations

from esent.constants import codes, grbits
from esent.constants.codes import NAMES
from esent.constants.table import rows
from esent.errors import jet_error
from esent.jet.handles import JET_ERR, JET_GRBIT
from esent.jet.structures_instance import JET_ERRINFOBASIC

_CATEGORIES = (
    "Unknown",
    "Error",
    "Operation",
    "Fatal",
    "IO",
    "Resource",
    "Memory",
    "Quota",
    "Disk",
    "Data",
    "Corruption",
    "Inconsistent",
    "Fragmentation",
    "Api",
    "Usage",
    "State",
    "Obsolete",
)
_HIERARCHY_LENGTH = 8
_PATHS = {int(row["value"]): row["category"] for row in rows("errors.tsv")}


def JetGetErrorInfo(pvContext: int | None, InfoLevel: int, grbit: JET_GRBIT = 0) -> JET_ERRINFOBASIC:
    """The categories of an error number, the widest one first."""
    if not isinstance(pvContext, int) or InfoLevel != grbits.JET_ErrorInfoSpecificErr:
        raise jet_error(codes.JET_errInvalidParameter, f"level {InfoLevel!r} of information about error {pvContext!r}")
    if grbit:
        raise jet_error(codes.JET_errInvalidGrbit, f"information about an error with grbit {grbit!r}")
    if pvContext not in NAMES:
        raise jet_error(codes.JET_errInvalidParameter, f"there is no error {pvContext}")
    path = [_CATEGORIES.index(name) for name in _PATHS[pvContext].split("/") if name in _CATEGORIES]
    return JET_ERRINFOBASIC(
        errValue=pvContext,
        errcatMostSpecific=path[-1] if path else 0,
        rgCategoricalHierarchy=(path + [0] * _HIERARCHY_LENGTH)[:_HIERARCHY_LENGTH],
    )


def JetFreeBuffer(pbBuf: object) -> JET_ERR:
    """There is nothing to free: what calls return is Python's."""
    return 0


__all__ = ["JetFreeBuffer", "JetGetErrorInfo"]
