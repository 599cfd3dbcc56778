"""Temporary tables in the tests of the API: filling and reading them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from esent import jet
from esent.errors import JetError

KEY = jet.JET_bitColumnTTKey
DESCENDING = jet.JET_bitColumnTTDescending


def definition(coltyp: int, grbit: int = 0, **more: Any) -> Any:
    return jet.JET_COLUMNDEF(coltyp=coltyp, grbit=grbit, **more)


def number(value: int) -> bytes:
    return value.to_bytes(4, "little", signed=True)


class Temporary:
    """A temporary table of a number that is the key and a value."""

    def __init__(self, sesid: Any, grbit: int, value: int = jet.JET_coltypBinary) -> None:
        self.sesid = sesid
        columns = [definition(jet.JET_coltypLong, KEY), definition(value)]
        self.tableid, (self.key, self.value) = jet.JetOpenTempTable(sesid, columns, grbit)

    def insert(self, key: int, value: bytes | None = None) -> bytes:
        jet.JetPrepareUpdate(self.sesid, self.tableid, jet.JET_prepInsert)
        jet.JetSetColumn(self.sesid, self.tableid, self.key, number(key))
        if value is not None:
            jet.JetSetColumn(self.sesid, self.tableid, self.value, value)
        return jet.JetUpdate(self.sesid, self.tableid)

    def move(self, rows: int) -> bool:
        try:
            jet.JetMove(self.sesid, self.tableid, rows)
        except JetError as problem:
            if problem.code != jet.JET_errNoCurrentRecord:
                raise
            return False
        return True

    def current(self) -> tuple[int, bytes | None]:
        found = jet.JetRetrieveColumn(self.sesid, self.tableid, self.key)
        assert found is not None
        value = jet.JetRetrieveColumn(self.sesid, self.tableid, self.value)
        return int.from_bytes(found, "little", signed=True), value

    def rows(self) -> Iterator[tuple[int, bytes | None]]:
        found = self.move(jet.JET_MoveFirst)
        while found:
            yield self.current()
            found = self.move(1)
