# ruff: noqa: N801 - structures keep their documented names
"""Structures of tables, columns and indexes (`JET_COLUMNDEF`, `JET_TABLECREATE`, `JET_INDEXCREATE`, ...).

Fields have their documented names; sizes, counts and reserved members of C are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from esent.jet.handles import JET_COLUMNID, JET_ERR, JET_GRBIT, JET_TABLEID, Buffer


@dataclass(kw_only=True, slots=True)
class JET_COLUMNBASE:
    """A column with the table it belongs to."""

    columnid: JET_COLUMNID = 0
    coltyp: int = 0
    wCountry: int = 0
    langid: int = 0
    cp: int = 0
    cbMax: int = 0
    grbit: JET_GRBIT = 0
    szBaseTableName: str | None = None
    szBaseColumnName: str | None = None


@dataclass(kw_only=True, slots=True)
class JET_COLUMNCREATE:
    """A column to create; `columnid` and `err` are filled in."""

    szColumnName: str | None = None
    coltyp: int = 0
    cbMax: int = 0
    grbit: JET_GRBIT = 0
    pvDefault: Buffer | None = None
    cp: int = 0
    columnid: JET_COLUMNID = 0
    err: JET_ERR = 0


@dataclass(kw_only=True, slots=True)
class JET_COLUMNDEF:
    """Type and options of a column; `columnid` is filled in."""

    columnid: JET_COLUMNID = 0
    coltyp: int = 0
    wCountry: int = 0
    langid: int = 0
    cp: int = 0
    wCollate: int = 0
    cbMax: int = 0
    grbit: JET_GRBIT = 0


@dataclass(kw_only=True, slots=True)
class JET_COLUMNLIST:
    """A temporary table of columns and the column ids to read it with; its text is UTF-16LE."""

    tableid: JET_TABLEID | None = None
    cRecord: int = 0
    columnidPresentationOrder: JET_COLUMNID = 0
    columnidcolumnname: JET_COLUMNID = 0
    columnidcolumnid: JET_COLUMNID = 0
    columnidcoltyp: JET_COLUMNID = 0
    columnidCountry: JET_COLUMNID = 0
    columnidLangid: JET_COLUMNID = 0
    columnidCp: JET_COLUMNID = 0
    columnidCollate: JET_COLUMNID = 0
    columnidcbMax: JET_COLUMNID = 0
    columnidgrbit: JET_COLUMNID = 0
    columnidDefault: JET_COLUMNID = 0
    columnidBaseTableName: JET_COLUMNID = 0
    columnidBaseColumnName: JET_COLUMNID = 0
    columnidDefinitionName: JET_COLUMNID = 0


@dataclass(kw_only=True, slots=True)
class JET_CONDITIONALCOLUMN:
    """A column that decides whether a row is in an index."""

    szColumnName: str | None = None
    grbit: JET_GRBIT = 0


@dataclass(kw_only=True, slots=True)
class JET_UNICODEINDEX:
    """Locale and mapping flags of a Unicode index."""

    lcid: int = 0
    dwMapFlags: int = 0


@dataclass(kw_only=True, slots=True)
class JET_TUPLELIMITS:
    """Lengths and steps of a tuple index."""

    chLengthMin: int = 0
    chLengthMax: int = 0
    chToIndexMax: int = 0
    cchIncrement: int = 0
    ichStart: int = 0


@dataclass(kw_only=True, slots=True)
class JET_INDEXCREATE:
    """An index to create; `err` is filled in."""

    szIndexName: str | None = None
    szKey: str | list[str] = ""
    grbit: JET_GRBIT = 0
    ulDensity: int = 100
    lcid: int = 0
    pidxunicode: JET_UNICODEINDEX | None = None
    cbVarSegMac: int = 0
    ptuplelimits: JET_TUPLELIMITS | None = None
    rgconditionalcolumn: list[JET_CONDITIONALCOLUMN] = field(default_factory=list)
    err: JET_ERR = 0
    cbKeyMost: int = 0


@dataclass(kw_only=True, slots=True)
class JET_SPACEHINTS:
    """How a tree takes and gives back space."""

    ulInitialDensity: int = 0
    cbInitial: int = 0
    grbit: JET_GRBIT = 0
    ulMaintDensity: int = 0
    ulGrowth: int = 0
    cbMinExtent: int = 0
    cbMaxExtent: int = 0


@dataclass(kw_only=True, slots=True)
class JET_INDEXCREATE2:
    """JET_INDEXCREATE with space hints."""

    szIndexName: str | None = None
    szKey: str | list[str] = ""
    grbit: JET_GRBIT = 0
    ulDensity: int = 100
    lcid: int = 0
    pidxunicode: JET_UNICODEINDEX | None = None
    cbVarSegMac: int = 0
    ptuplelimits: JET_TUPLELIMITS | None = None
    rgconditionalcolumn: list[JET_CONDITIONALCOLUMN] = field(default_factory=list)
    err: JET_ERR = 0
    cbKeyMost: int = 0
    pSpacehints: JET_SPACEHINTS | None = None


@dataclass(kw_only=True, slots=True)
class JET_UNICODEINDEX2:
    """JET_UNICODEINDEX with a locale name."""

    szLocaleName: str | None = None
    dwMapFlags: int = 0


@dataclass(kw_only=True, slots=True)
class JET_INDEXCREATE3:
    """JET_INDEXCREATE2 with a locale name."""

    szIndexName: str | None = None
    szKey: str | list[str] = ""
    grbit: JET_GRBIT = 0
    ulDensity: int = 100
    pidxunicode: JET_UNICODEINDEX2 | None = None
    cbVarSegMac: int = 0
    ptuplelimits: JET_TUPLELIMITS | None = None
    rgconditionalcolumn: list[JET_CONDITIONALCOLUMN] = field(default_factory=list)
    err: JET_ERR = 0
    cbKeyMost: int = 0
    pSpacehints: JET_SPACEHINTS | None = None


@dataclass(kw_only=True, slots=True)
class JET_INDEXLIST:
    """A temporary table of index segments and the column ids to read it with; its text is UTF-16LE."""

    tableid: JET_TABLEID | None = None
    cRecord: int = 0
    columnidindexname: JET_COLUMNID = 0
    columnidgrbitIndex: JET_COLUMNID = 0
    columnidcKey: JET_COLUMNID = 0
    columnidcEntry: JET_COLUMNID = 0
    columnidcPage: JET_COLUMNID = 0
    columnidcColumn: JET_COLUMNID = 0
    columnidiColumn: JET_COLUMNID = 0
    columnidcolumnid: JET_COLUMNID = 0
    columnidcoltyp: JET_COLUMNID = 0
    columnidCountry: JET_COLUMNID = 0
    columnidLangid: JET_COLUMNID = 0
    columnidCp: JET_COLUMNID = 0
    columnidCollate: JET_COLUMNID = 0
    columnidgrbitColumn: JET_COLUMNID = 0
    columnidcolumnname: JET_COLUMNID = 0
    columnidLCMapFlags: JET_COLUMNID = 0


@dataclass(kw_only=True, slots=True)
class JET_OBJECTINFO:
    """A table as the catalog knows it."""

    objtyp: int = 0
    dtCreate: int = 0
    dtUpdate: int = 0
    grbit: JET_GRBIT = 0
    flags: int = 0
    cRecord: int = 0
    cPage: int = 0


@dataclass(kw_only=True, slots=True)
class JET_OBJECTLIST:
    """A temporary table of objects and the column ids to read it with; its text is UTF-16LE."""

    tableid: JET_TABLEID | None = None
    cRecord: int = 0
    columnidcontainername: JET_COLUMNID = 0
    columnidobjectname: JET_COLUMNID = 0
    columnidobjtyp: JET_COLUMNID = 0
    columniddtCreate: JET_COLUMNID = 0
    columniddtUpdate: JET_COLUMNID = 0
    columnidgrbit: JET_COLUMNID = 0
    columnidflags: JET_COLUMNID = 0
    columnidcRecord: JET_COLUMNID = 0
    columnidcPage: JET_COLUMNID = 0


@dataclass(kw_only=True, slots=True)
class JET_OPENTEMPORARYTABLE:
    """A temporary table to open; `prgcolumnid` and `tableid` are filled in."""

    prgcolumndef: list[JET_COLUMNDEF] = field(default_factory=list)
    pidxunicode: JET_UNICODEINDEX | None = None
    grbit: JET_GRBIT = 0
    prgcolumnid: list[JET_COLUMNID] = field(default_factory=list)
    cbKeyMost: int = 0
    cbVarSegMac: int = 0
    tableid: JET_TABLEID | None = None


@dataclass(kw_only=True, slots=True)
class JET_OPENTEMPORARYTABLE2:
    """JET_OPENTEMPORARYTABLE with a locale name."""

    prgcolumndef: list[JET_COLUMNDEF] = field(default_factory=list)
    pidxunicode: JET_UNICODEINDEX2 | None = None
    grbit: JET_GRBIT = 0
    prgcolumnid: list[JET_COLUMNID] = field(default_factory=list)
    cbKeyMost: int = 0
    cbVarSegMac: int = 0
    tableid: JET_TABLEID | None = None


@dataclass(kw_only=True, slots=True)
class JET_TABLECREATE:
    """A table to create with its columns and indexes; `tableid` and `cCreated` are filled in."""

    szTableName: str | None = None
    szTemplateTableName: str | None = None
    ulPages: int = 0
    ulDensity: int = 0
    rgcolumncreate: list[JET_COLUMNCREATE] = field(default_factory=list)
    rgindexcreate: list[JET_INDEXCREATE] = field(default_factory=list)
    grbit: JET_GRBIT = 0
    tableid: JET_TABLEID | None = None
    cCreated: int = 0


@dataclass(kw_only=True, slots=True)
class JET_TABLECREATE2:
    """JET_TABLECREATE with a callback."""

    szTableName: str | None = None
    szTemplateTableName: str | None = None
    ulPages: int = 0
    ulDensity: int = 0
    rgcolumncreate: list[JET_COLUMNCREATE] = field(default_factory=list)
    rgindexcreate: list[JET_INDEXCREATE] = field(default_factory=list)
    szCallback: str | None = None
    cbtyp: int = 0
    grbit: JET_GRBIT = 0
    tableid: JET_TABLEID | None = None
    cCreated: int = 0


@dataclass(kw_only=True, slots=True)
class JET_TABLECREATE3:
    """JET_TABLECREATE2 with space hints."""

    szTableName: str | None = None
    szTemplateTableName: str | None = None
    ulPages: int = 0
    ulDensity: int = 0
    rgcolumncreate: list[JET_COLUMNCREATE] = field(default_factory=list)
    rgindexcreate: list[JET_INDEXCREATE2] = field(default_factory=list)
    szCallback: str | None = None
    cbtyp: int = 0
    grbit: JET_GRBIT = 0
    pSeqSpacehints: JET_SPACEHINTS | None = None
    pLVSpacehints: JET_SPACEHINTS | None = None
    cbSeparateLV: int = 0
    tableid: JET_TABLEID | None = None
    cCreated: int = 0


@dataclass(kw_only=True, slots=True)
class JET_TABLECREATE4:
    """JET_TABLECREATE3 with locale names in its indexes."""

    szTableName: str | None = None
    szTemplateTableName: str | None = None
    ulPages: int = 0
    ulDensity: int = 0
    rgcolumncreate: list[JET_COLUMNCREATE] = field(default_factory=list)
    rgindexcreate: list[JET_INDEXCREATE3] = field(default_factory=list)
    szCallback: str | None = None
    cbtyp: int = 0
    grbit: JET_GRBIT = 0
    pSeqSpacehints: JET_SPACEHINTS | None = None
    pLVSpacehints: JET_SPACEHINTS | None = None
    cbSeparateLV: int = 0
    tableid: JET_TABLEID | None = None
    cCreated: int = 0


@dataclass(kw_only=True, slots=True)
class JET_TABLECREATE5:
    """JET_TABLECREATE4 with the chunk size of long values."""

    szTableName: str | None = None
    szTemplateTableName: str | None = None
    ulPages: int = 0
    ulDensity: int = 0
    rgcolumncreate: list[JET_COLUMNCREATE] = field(default_factory=list)
    rgindexcreate: list[JET_INDEXCREATE3] = field(default_factory=list)
    szCallback: str | None = None
    cbtyp: int = 0
    grbit: JET_GRBIT = 0
    pSeqSpacehints: JET_SPACEHINTS | None = None
    pLVSpacehints: JET_SPACEHINTS | None = None
    cbSeparateLV: int = 0
    cbLVChunkMax: int = 0
    tableid: JET_TABLEID | None = None
    cCreated: int = 0


@dataclass(kw_only=True, slots=True)
class JET_USERDEFINEDDEFAULT:
    """A callback that computes the default of a column."""

    szCallback: str | None = None
    pbUserData: Buffer | None = None
    szDependantColumns: list[str] = field(default_factory=list)


__all__ = [
    "JET_COLUMNBASE",
    "JET_COLUMNCREATE",
    "JET_COLUMNDEF",
    "JET_COLUMNLIST",
    "JET_CONDITIONALCOLUMN",
    "JET_INDEXCREATE",
    "JET_INDEXCREATE2",
    "JET_INDEXCREATE3",
    "JET_INDEXLIST",
    "JET_OBJECTINFO",
    "JET_OBJECTLIST",
    "JET_OPENTEMPORARYTABLE",
    "JET_OPENTEMPORARYTABLE2",
    "JET_SPACEHINTS",
    "JET_TABLECREATE",
    "JET_TABLECREATE2",
    "JET_TABLECREATE3",
    "JET_TABLECREATE4",
    "JET_TABLECREATE5",
    "JET_TUPLELIMITS",
    "JET_UNICODEINDEX",
    "JET_UNICODEINDEX2",
    "JET_USERDEFINEDDEFAULT",
]
