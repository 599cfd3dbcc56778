"""Records of sessions and transactions (`reference/log-and-recovery.md` 4.5.1): type u8@0, procid u16@1, then

| record                | fields                                                                              |
|-----------------------|-------------------------------------------------------------------------------------|
| Begin 5               | byte@3: low nibble the level begun from, high nibble the number of levels           |
| Begin0 8, BeginDT 53  | the same, trxBegin0 u32@4                                                           |
| Commit 6              | levelCommitTo u8@3                                                                  |
| Commit0 9             | levelCommitTo u8@3 = 0, trxCommit0 u32@4                                            |
| Rollback 7            | levels rolled back u8@3                                                             |
| Refresh 10            | trxBegin0 u32@3                                                                     |
| Macro... 11, 12, 13   | dbtime i64@3                                                                        |
| PrepCommit 54         | cbData u32@3, data                                                                  |
| ForceWriteLog 57      | -                                                                                   |
"""

from __future__ import annotations

import struct

from esent.log.layout import I64, U8, U16, U32, Bytes32, Record, prefix, record

_BEGIN = struct.Struct("<BHB")
_BEGIN0 = struct.Struct("<BHBI")


@prefix
class TransactionRecord(Record):
    procid: U16 = 0


@record(5, minimum_size=4)
class Begin(TransactionRecord):
    """A nested begin: `clevels_to_begin` levels on top of `level_begin_from`."""

    level_begin_from: U8 = 1
    clevels_to_begin: U8 = 1

    @classmethod
    def parse(cls, data: bytes, offset: int, size: int) -> Begin:
        _, procid, levels = _BEGIN.unpack_from(data, offset)
        return cls(procid, levels & 15, levels >> 4)

    def encode(self) -> bytes:
        return _BEGIN.pack(self.kind, self.procid, self.level_begin_from | self.clevels_to_begin << 4)


@record(8, minimum_size=8)
class Begin0(TransactionRecord):
    """The outermost begin of transaction `trx_begin0`."""

    trx_begin0: U32 = 0
    level_begin_from: U8 = 0
    clevels_to_begin: U8 = 1

    @classmethod
    def parse(cls, data: bytes, offset: int, size: int) -> Begin0:
        _, procid, levels, trx = _BEGIN0.unpack_from(data, offset)
        return cls(procid, trx, levels & 15, levels >> 4)

    def encode(self) -> bytes:
        return _BEGIN0.pack(self.kind, self.procid, self.level_begin_from | self.clevels_to_begin << 4, self.trx_begin0)


@record(53, minimum_size=8)
class BeginDT(Begin0):
    """The outermost begin of a distributed session."""


@record(6)
class Commit(TransactionRecord):
    level_commit_to: U8 = 1


@record(9)
class Commit0(TransactionRecord):
    level_commit_to: U8 = 0
    trx_commit0: U32 = 0


@record(7)
class Rollback(TransactionRecord):
    level_rollback: U8 = 1  # number of levels


@record(10)
class Refresh(TransactionRecord):
    trx_begin0: U32 = 0


@record(11)
class MacroBegin(TransactionRecord):
    dbtime: I64 = 0


@record(12)
class MacroCommit(TransactionRecord):
    dbtime: I64 = 0


@record(13)
class MacroAbort(TransactionRecord):
    dbtime: I64 = 0


@record(54)
class PrepCommit(TransactionRecord):
    data: Bytes32 = b""


@record(57)
class ForceWriteLog(TransactionRecord):
    """Carries nothing; waited for where everything before it must be durable."""
