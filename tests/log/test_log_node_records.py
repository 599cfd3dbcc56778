"""Records packed without a record object are byte for byte what the record classes encode."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esent.errors import JetError
from esent.log import kinds, records
from esent.log.node_records import NodeRecords
from esent.tree.live import TreeName, Writer

U8, U16, U32 = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
DBTIME = st.integers(0, (1 << 62) - 1)
SHORT = st.binary(max_size=40)
DATA = st.one_of(SHORT, st.binary(min_size=900, max_size=1100))  # both sides of what is put together in place


def writer(procid: int, trx_begin0: int, level: int) -> Writer:
    made = Writer(procid)
    made.trx_begin0, made.level = trx_begin0, level
    return made


Place = tuple[int, int, int, int]
WHO = st.builds(writer, U16, U32, U8)
WHICH = st.builds(TreeName, U32, U32, st.booleans(), st.booleans())
PLACE = st.tuples(U32, DBTIME, DBTIME, U16)


@given(U8, WHO, WHICH, PLACE, U32, SHORT, SHORT, DATA)
def test_they_are_what_the_classes_encode(
    dbid: int,
    who: Writer,
    which: TreeName,
    place: tuple[int, int, int, int],
    rceid: int,
    prefix: bytes,
    key: bytes,
    data: bytes,
) -> None:
    packer = NodeRecords(dbid)
    pgno, dbtime, before, line = place

    def head(rceid: int) -> tuple[int, ...]:
        flags = kinds.VERSIONED * bool(rceid) | kinds.UNIQUE * which.unique | kinds.SPACE_TREE * which.space
        own = (who.procid, dbid, pgno, dbtime, before, who.trx_begin0, who.level, line)
        return (*own, flags, rceid, which.fdp, which.objid)

    common = (who, which, *place)
    assert packer.insert(*common, rceid, prefix, key, data) == records.Insert(*head(rceid), key, prefix, data).encode()
    assert packer.flag_insert(*common, rceid, key, data) == records.FlagInsert(*head(rceid), key, data).encode()
    assert packer.flag_delete(*common, rceid) == records.FlagDelete(*head(rceid)).encode()
    assert packer.delete(*common) == records.Delete(*head(0)).encode()
    old_size = len(key)
    replaced = records.Replace(*head(rceid), old_size, len(data), data)
    assert packer.replace(*common, rceid, old_size, data) == replaced.encode()
    read, size = records.decode(packer.replace(*common, rceid, old_size, data))
    assert read == replaced
    assert size == 50 + len(data)


def test_what_no_length_can_say_is_refused() -> None:
    packer = NodeRecords(1)
    common = (writer(5, 4, 1), TreeName(10, 30, True), 7, 9, 8, 0)
    for call in (
        lambda: packer.insert(*common, 1, b"", bytes(0x10000), b""),
        lambda: packer.insert(*common, 1, bytes(0x10000), b"", b""),
        lambda: packer.insert(*common, 1, b"", b"", bytes(0x10000)),
        lambda: packer.flag_insert(*common, 1, bytes(0x10000), b""),
        lambda: packer.replace(*common, 1, 3, bytes(0x8000)),
    ):
        with pytest.raises(JetError):
            call()
