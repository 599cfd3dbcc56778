# ruff: noqa: N801 - structures keep their documented names
"""Structures of records and navigation (`JET_RETINFO`, `JET_SETCOLUMN`, `JET_RECSIZE`, ...).

Fields have their documented names; sizes, counts and reserved members of C are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from esent.jet.handles import JET_COLUMNID, JET_ERR, JET_GRBIT, JET_TABLEID, Buffer


@dataclass(kw_only=True, slots=True)
class JET_RETINFO:
    """Where in a column to read; `columnidNextTagged` is filled in."""

    ibLongValue: int = 0
    itagSequence: int = 1
    columnidNextTagged: JET_COLUMNID = 0


@dataclass(kw_only=True, slots=True)
class JET_SETINFO:
    """Where in a column to write."""

    ibLongValue: int = 0
    itagSequence: int = 1


@dataclass(kw_only=True, slots=True)
class JET_RETRIEVECOLUMN:
    """One column to read; data, `err` and the rest are filled in."""

    columnid: JET_COLUMNID = 0
    pvData: bytes | None = None
    grbit: JET_GRBIT = 0
    ibLongValue: int = 0
    itagSequence: int = 1
    columnidNextTagged: JET_COLUMNID = 0
    err: JET_ERR = 0


@dataclass(kw_only=True, slots=True)
class JET_SETCOLUMN:
    """One column to write; `err` is filled in."""

    columnid: JET_COLUMNID = 0
    pvData: Buffer | int | None = None
    grbit: JET_GRBIT = 0
    ibLongValue: int = 0
    itagSequence: int = 1
    err: JET_ERR = 0


@dataclass(kw_only=True, slots=True)
class JET_ENUMCOLUMNVALUE:
    """One value of an enumerated column."""

    itagSequence: int = 0
    err: JET_ERR = 0
    pvData: bytes | None = None


@dataclass(kw_only=True, slots=True)
class JET_ENUMCOLUMN:
    """One enumerated column: a single value in `pvData`, or `rgEnumColumnValue`."""

    columnid: JET_COLUMNID = 0
    err: JET_ERR = 0
    rgEnumColumnValue: list[JET_ENUMCOLUMNVALUE] = field(default_factory=list)
    pvData: bytes | None = None


@dataclass(kw_only=True, slots=True)
class JET_ENUMCOLUMNID:
    """One column to enumerate, and which of its values."""

    columnid: JET_COLUMNID = 0
    rgtagSequence: list[int] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class JET_RETRIEVEMULTIVALUECOUNT:
    """A tagged column of a record and the number of its values."""

    columnid: JET_COLUMNID = 0
    cMultiValues: int = 0
    usFlags: int = 0


@dataclass(kw_only=True, slots=True)
class JET_RECPOS:
    """Fractional position in an index."""

    centriesLT: int = 0
    centriesInRange: int = 0
    centriesTotal: int = 0


@dataclass(kw_only=True, slots=True)
class JET_RECPOS2:
    """JET_RECPOS in 64 bits."""

    centriesLTDeprecated: int = 0
    centriesInRangeDeprecated: int = 0
    centriesTotalDeprecated: int = 0
    centriesLT: int = 0
    centriesTotal: int = 0


@dataclass(kw_only=True, slots=True)
class JET_RECSIZE:
    """Size of a record by kind of data."""

    cbData: int = 0
    cbLongValueData: int = 0
    cbOverhead: int = 0
    cbLongValueOverhead: int = 0
    cNonTaggedColumns: int = 0
    cTaggedColumns: int = 0
    cLongValues: int = 0
    cMultiValues: int = 0


@dataclass(kw_only=True, slots=True)
class JET_RECSIZE2:
    """JET_RECSIZE with compressed sizes."""

    cbData: int = 0
    cbLongValueData: int = 0
    cbOverhead: int = 0
    cbLongValueOverhead: int = 0
    cNonTaggedColumns: int = 0
    cTaggedColumns: int = 0
    cLongValues: int = 0
    cMultiValues: int = 0
    cCompressedColumns: int = 0
    cbDataCompressed: int = 0
    cbLongValueDataCompressed: int = 0


@dataclass(kw_only=True, slots=True)
class JET_RECSIZE3:
    """JET_RECSIZE2 with the long values inside the record and the key."""

    cbData: int = 0
    cbLongValueData: int = 0
    cbOverhead: int = 0
    cbLongValueOverhead: int = 0
    cNonTaggedColumns: int = 0
    cTaggedColumns: int = 0
    cLongValues: int = 0
    cMultiValues: int = 0
    cCompressedColumns: int = 0
    cbDataCompressed: int = 0
    cbLongValueDataCompressed: int = 0
    cbIntrinsicLongValueData: int = 0
    cbIntrinsicLongValueDataCompressed: int = 0
    cIntrinsicLongValues: int = 0
    cbKey: int = 0


@dataclass(kw_only=True, slots=True)
class JET_RECORDLIST:
    """A temporary table of bookmarks and the column id to read it with."""

    tableid: JET_TABLEID | None = None
    cRecord: int = 0
    columnidBookmark: JET_COLUMNID = 0


@dataclass(kw_only=True, slots=True)
class JET_INDEXRANGE:
    """A cursor with an index range, for an intersection."""

    tableid: JET_TABLEID | None = None
    grbit: JET_GRBIT = 0


@dataclass(kw_only=True, slots=True)
class JET_INDEX_COLUMN:
    """One column of a range's start or end."""

    columnid: JET_COLUMNID = 0
    relop: int = 0
    pv: Buffer | None = None
    grbit: JET_GRBIT = 0


@dataclass(kw_only=True, slots=True)
class JET_INDEX_RANGE:
    """Start and end of a range, by columns."""

    rgStartColumns: list[JET_INDEX_COLUMN] = field(default_factory=list)
    rgEndColumns: list[JET_INDEX_COLUMN] = field(default_factory=list)


@dataclass(kw_only=True, slots=True)
class JET_INDEXID:
    """An index by identity; opaque."""

    rgbIndexId: bytes = b""


__all__ = [
    "JET_ENUMCOLUMN",
    "JET_ENUMCOLUMNID",
    "JET_ENUMCOLUMNVALUE",
    "JET_INDEXID",
    "JET_INDEXRANGE",
    "JET_INDEX_COLUMN",
    "JET_INDEX_RANGE",
    "JET_RECORDLIST",
    "JET_RECPOS",
    "JET_RECPOS2",
    "JET_RECSIZE",
    "JET_RECSIZE2",
    "JET_RECSIZE3",
    "JET_RETINFO",
    "JET_RETRIEVECOLUMN",
    "JET_RETRIEVEMULTIVALUECOUNT",
    "JET_SETCOLUMN",
    "JET_SETINFO",
]
