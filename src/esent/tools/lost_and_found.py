"""The table that takes in what a repair found and no table could hold.

| column | what                                                                                                    |
|--------|---------------------------------------------------------------------------------------------------------|
| Id     | a number                                                                                                |
| Owner  | the table it belonged to, or "object N" where that is not known any more                                 |
| Part   | "rows": a record; "long values": a piece of one                                                         |
| Page   | the page of the damaged file it was on                                                                  |
| Reason | why it is here                                                                                          |
| Key    | the key of the node                                                                                     |
| Place  | of a piece of a long value its offset in the value                                                      |
| Data   | the record or piece as stored                                                                           |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from esent.constants import grbits
from esent.records.columns import Coltyp
from esent.tools.build_schema import ColumnSpec, IndexSpec, TableSpec
from esent.tools.repair_entries import LeftOver

NAME = "lost_and_found"
_TEXT_MOST = 255


def lost_and_found(taken: Iterable[str]) -> TableSpec:
    """The definition, under the first name that is free."""
    names = {name.upper() for name in taken}
    name, number = NAME, 2
    while name.upper() in names:
        name, number = f"{NAME}_{number}", number + 1
    columns = [
        ColumnSpec("Id", Coltyp.LONG, grbits.JET_bitColumnAutoincrement),
        ColumnSpec("Owner", Coltyp.TEXT, cp=1200),
        ColumnSpec("Part", Coltyp.TEXT, cp=1252),
        ColumnSpec("Page", Coltyp.LONG),
        ColumnSpec("Reason", Coltyp.TEXT, cp=1252),
        ColumnSpec("Key", Coltyp.LONG_BINARY),
        ColumnSpec("Place", Coltyp.LONG_LONG),
        ColumnSpec("Data", Coltyp.LONG_BINARY),
    ]
    return TableSpec(name, columns, [IndexSpec("Id", ["+Id"], grbits.JET_bitIndexPrimary)], in_order=True)


def lost_and_found_rows(left: Iterable[LeftOver]) -> Iterator[dict[str, Any]]:
    for each in left:
        yield {
            "Owner": each.owner.encode("utf-16-le", "surrogatepass")[: _TEXT_MOST - 1],
            "Part": each.part,
            "Page": each.page,
            "Reason": each.reason.encode("cp1252", "replace")[:_TEXT_MOST],
            "Key": each.key,
            "Place": each.place,
            "Data": each.data,
        }


__all__ = ["lost_and_found", "lost_and_found_rows"]
