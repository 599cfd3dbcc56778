"""Record codecs: the worked example of the reference, every genuine record, and bytes that are no records."""

from __future__ import annotations

import typing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esent.errors import JetError
from esent.log import kinds, records
from esent.log.header import DbmsParam
from esent.log.layout import REGISTRY
from esent.log.scan import record_size, scan_segment
from esent.pages.primitives import BackupInfo, Lgpos, LogTime, Signature

PAYLOAD = b"\x07payload\x00"


def sample(cls: type[records.Record]) -> records.Record:
    """A record of the class with distinct values in all fields."""
    values: dict[str, object] = {}
    for number, (name, hint) in enumerate(typing.get_type_hints(cls, include_extras=True).items(), 1):
        code, kind = (*getattr(hint, "__metadata__", ("", None)), None)[:2]
        if typing.get_origin(hint) is typing.ClassVar or name == "kind":
            continue
        if kind is Lgpos:
            values[name] = Lgpos(number, number + 1, number + 2)
        elif kind is LogTime:
            values[name] = LogTime(1, 2, 3, 4, 5, 126, 999, True)
        elif kind is Signature:
            values[name] = Signature(number, LogTime(1, 2, 3, 4, 5, 126, 7, True))
        elif kind is bytes:
            values[name] = PAYLOAD * number
        elif code:
            values[name] = number
    return cls(**values)


BY_HAND = [
    records.Begin(5, 1, 2),
    records.Begin0(5, 0x1234, 0, 3),
    records.BeginDT(5, 0x1234, 0, 3),
    records.CreateDB(5, 1, 2, 3, Signature(9), 0x1C, (2, 0), "D:\\däta\\db.edb"),
    records.CreateDB(5, 1, 2, 3, Signature(9), 0x08, None, "x"),
    records.AttachDB(5, 1, 0, Lgpos(1, 2, 3), Signature(1), Signature(2), 0x18, "D:\\data\\db.edb"),
    records.AttachDB(5, 1, 0, Lgpos(1, 2, 3), Signature(1), Signature(2), 0, "D:\\data\\db.edb"),
    records.DetachDB(5, 1, path="D:\\data\\db.edb"),
    records.Init(DbmsParam("C:\\", "D:\\", 1, 2, 3, 4, 5, 6, 7, 8)),
    records.Init2(DbmsParam("C:\\", "D:\\", 1, 2, 3, 4, 5, 6, 7, 8), LogTime(1, 2, 3, 4, 5, 126, 999, True)),
    records.Backup2(kinds.BACKUP_UPDATE, 0, kinds.SCOPE_FULL, 1, BackupInfo(Lgpos(1, 2, 3), LogTime(), 4, 5), b"path"),
    records.Replace(5, 1, 2, 3, 4, 5, 6, 7, 4, 8, 9, 10, 4, 5, b"12345"),
    records.ReplaceD(5, 1, 2, 3, 4, 5, 6, 7, 4, 8, 9, 10, 4, 5, b"12345", True),
    records.OldSectorChain(b"12345678"),
    records.Nop2(100),
    records.MacroInfo((4, 13, 14)),
    records.MacroInfo2(2, (4, 13, 14)),
    records.Ignored(85, b"abc"),
    records.FragmentBegin(100, b"12345"),
    records.PagePatchRequest(1, 2, 3, bytes(range(32))),
]


@pytest.mark.parametrize("made", BY_HAND + [sample(cls) for cls in REGISTRY.values()], ids=lambda made: type(made).__name__)
def test_round_trip(made: records.Record) -> None:
    data = made.encode()
    assert data[0] == made.kind
    found, size = records.decode(b"\xff" + data + b"\x17", 1)
    assert size == len(data)
    assert found == made
    for short in range(len(data)):
        assert record_size(data[:short], 0, short) == 0


def test_sizes_are_those_of_the_reference() -> None:
    sizes = {
        records.Init2: 576, records.Term2: 26, records.RecoveryUndo2: 9, records.RecoveryQuit2: 26, records.Begin: 4,
        records.Begin0: 8, records.Commit: 4, records.Commit0: 8, records.Rollback: 4, records.MacroBegin: 11,
        records.CreateMEFDP: 56, records.CreateSEFDP: 48, records.ConvertFDP2: 68, records.ConvertFDP: 60,
        records.FlagDelete: 44, records.Insert: 50, records.FlagInsert: 48, records.FlagInsertAndReplaceData: 52,
        records.Replace: 50, records.Delete: 44, records.UndoInfo: 56, records.Undo: 51, records.Delta: 54,
        records.Delta64: 58, records.SetExternalHeader: 46, records.EmptyTree: 46, records.Split2: 110,
        records.Split: 102, records.Merge2: 96, records.Merge: 88, records.Scrub: 54, records.PageMove: 96,
        records.PagePatchRequest: 46, records.ExtendDB: 10, records.ScanCheck: 44, records.ReAttach: 50,
        records.FreeFDP: 15, records.ShrinkDB: 10, records.ShrinkDB3: 18, records.CreateDBFinish: 4,
        records.SetDbVersion: 14, records.NewPage: 20, records.RootPageMove: 16, records.SignalAttachDb: 2,
        records.ScanCheck2: 27, records.ExtentFreed: 11, records.ExtentFreed2: 19, records.Checksum: 22,
        records.Backup2: 35, records.Backup: 5, records.ShutDownMark: 1, records.TrimDB: 10, records.PrepCommit: 7,
        records.Refresh: 7, records.JetOp: 4, records.ForceWriteLog: 3,
    }  # fmt: skip
    assert {cls.__name__: len(cls().encode()) for cls in sizes} == {cls.__name__: size for cls, size in sizes.items()}


def test_worked_example() -> None:
    extend, size = records.decode(bytes.fromhex("440500000001fe000000"))
    assert (extend, size) == (records.ExtendDB(1, 254), 10)
    assert records.Begin0(5, 4).encode() == bytes.fromhex("0805001004000000")
    assert records.Commit0(5, trx_commit0=8).encode() == bytes.fromhex("0905000008000000")
    created = records.CreateDB(5, 1, path="D:\\data\\longer-name\\path.edb").encode()
    assert created[:12] == bytes.fromhex("0e0500010000000000000000")
    assert created[40:47] == bytes.fromhex("3a000c02000000")
    assert len(created) == 105


@given(st.binary(max_size=300))
@settings(max_examples=400, deadline=None)
def test_any_bytes_decode_or_raise(data: bytes) -> None:
    for offset in range(min(len(data), 40)):
        try:
            found, size = records.decode(data, offset)
        except JetError:
            continue
        assert offset + size <= len(data)
        assert record_size(found.encode(), 0, size) == size


@given(st.integers(0, 101), st.binary(max_size=400))
@settings(max_examples=600, deadline=None)
def test_any_content_decodes_or_raises(kind: int, content: bytes) -> None:
    data = bytes((kind,)) + content
    try:
        found, size = records.decode(data)
    except JetError:
        return
    assert found.kind == kind
    assert len(found.encode()) <= max(size, 600)


@given(st.binary(max_size=400), st.integers(40, 4096))
@settings(max_examples=200, deadline=None)
def test_scan_of_any_segment_stays_inside(content: bytes, start: int) -> None:
    segment = (bytes(start) + content).ljust(4096, b"\0")[:4096]
    found, end, bad = scan_segment(segment, 0, 40)
    assert all(offset >= 40 and offset + size <= 4096 for _, offset, size in found)
    assert 40 <= end <= 4096
    assert bad == -1 or 40 <= bad < 4096
