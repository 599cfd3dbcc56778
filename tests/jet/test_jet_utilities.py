"""JetDBUtilities: what each operation prints and raises, on files the engine made and on damaged copies of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from esent.jet import (
    DBUTIL_OP,
    JET_COLUMNDEF,
    JET_DBUTIL,
    JET_SNPROG,
    JET_bitDBUtilOptionDumpVerbose,
    JET_bitDBUtilOptionSuppressConsoleOutput,
    JET_coltypText,
    JET_errBadPageLink,
    JET_errDatabaseCorrupted,
    JET_errDatabaseDirtyShutdown,
    JET_errDatabaseDuplicate,
    JET_errDatabaseInvalidName,
    JET_errDatabaseSharingViolation,
    JET_errFeatureNotAvailable,
    JET_errFileInvalidType,
    JET_errFileNotFound,
    JET_errInvalidParameter,
    JET_errInvalidSesid,
    JET_errLogFileCorrupt,
    JET_errObjectNotFound,
    JET_prepInsert,
    JET_sntBegin,
    JET_sntComplete,
    JET_sntFail,
    JET_sntProgress,
    JetAddColumn,
    JetCreateDatabase,
    JetCreateTable,
    JetDBUtilities,
    JetError,
    JetPrepareUpdate,
    JetSetColumn,
    JetUpdate,
)
from genuine import Fixtures
from jet_helpers import Running

OP = DBUTIL_OP
PAGE_SIZE = 4096  # the default of the process
HEADER_PAGES = 2


def filled(running: Running, rows: int) -> Path:
    """A database that is open, with a table of `rows` rows."""
    path = running.path()
    dbid = JetCreateDatabase(running.sesid, path)
    tableid = JetCreateTable(running.sesid, dbid, "people")
    columnid = JetAddColumn(running.sesid, tableid, "name", JET_COLUMNDEF(coltyp=JET_coltypText, cp=1252, cbMax=50))
    for number in range(rows):
        JetPrepareUpdate(running.sesid, tableid, JET_prepInsert)
        JetSetColumn(running.sesid, tableid, columnid, b"name %d" % number)
        JetUpdate(running.sesid, tableid)
    return Path(path)


def refused(request: object) -> int:
    with pytest.raises(JetError) as raised:
        JetDBUtilities(request)
    return raised.value.code


def printed(capsys: pytest.CaptureFixture[str], **request: object) -> list[str]:
    assert JetDBUtilities(JET_DBUTIL(**request)) == 0
    return capsys.readouterr().out.splitlines()


@pytest.fixture
def closed(start: Callable[..., Running]) -> Path:
    """A clean database with a table of 30 rows, its logs and its checkpoint beside it."""
    running = start()
    path = filled(running, 30)
    running.term()
    return path


def test_a_sound_database_is_called_sound(closed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, op=OP.opDBUTILConsistency, szDatabase=str(closed))
    assert lines[-1].endswith("no errors")


def test_damage_is_found(closed: Path) -> None:
    with closed.open("r+b") as file:
        file.seek(PAGE_SIZE * (HEADER_PAGES + 3) + 300)
        file.write(b"\xff" * 64)
    quiet = JET_bitDBUtilOptionSuppressConsoleOutput
    request = JET_DBUTIL(op=OP.opDBUTILConsistency, szDatabase=str(closed), grbitOptions=quiet)
    assert refused(request) == JET_errDatabaseCorrupted


def test_rows_and_definitions(closed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [json.loads(line) for line in printed(capsys, op=OP.opDBUTILDumpData, szDatabase=str(closed), szTable="people")]
    assert rows[0]["table"] == "people"
    assert sum("r" in row for row in rows) == 30
    lines = printed(capsys, op=OP.opDBUTILDumpMetaData, szDatabase=str(closed))
    assert [json.loads(line)["table"] for line in lines if '"table"' in line] == ["people"]
    assert not any('"r"' in line for line in lines)
    request = JET_DBUTIL(op=OP.opDBUTILDumpData, szDatabase=str(closed), szTable="nobody")
    assert refused(request) == JET_errObjectNotFound


def test_a_page_and_its_nodes(closed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = printed(capsys, op=OP.opDBUTILDumpPage, szDatabase=str(closed), pgno=4)
    assert page[0].endswith("checksum right")
    assert "root" in page[3]
    first = printed(capsys, op=OP.opDBUTILDumpNode, szDatabase=str(closed), pgno=4, iline=0)
    assert first == printed(capsys, op=OP.opDBUTILDumpTag, szDatabase=str(closed), pgno=4, iline=1)
    assert refused(JET_DBUTIL(op=OP.opDBUTILDumpPage, szDatabase=str(closed), pgno=0)) == JET_errBadPageLink
    assert refused(JET_DBUTIL(op=OP.opDBUTILDumpPage, szDatabase=str(closed), pgno=10**6)) == JET_errBadPageLink
    assert refused(JET_DBUTIL(op=OP.opDBUTILDumpNode, szDatabase=str(closed), pgno=4, iline=999)) == JET_errInvalidParameter


def test_genuine_pages(fixtures: Fixtures, capsys: pytest.CaptureFixture[str]) -> None:
    path = fixtures.path("engine/clean-4k/db.edb")
    facts = json.loads(fixtures.read("engine/clean-4k/pages.json"))
    for page in [page for page in facts["pages"] if "error" not in page][:12]:
        lines = printed(capsys, op=OP.opDBUTILDumpPage, szDatabase=str(path), pgno=page["pgno"])
        assert lines[0] == f"page {page['pgno']} at offset {page['offset']}, checksum right"
        assert lines[1] == f"dbtime {page['dbtime']}, objid {page['objid']}, previous {page['prev']}, next {page['next']}"
        assert lines[3].startswith(f"flags {page['flags']:#x}: ")
        assert len(lines) == 4 + page["tags"]


def test_headers(closed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "clean" in " ".join(printed(capsys, op=OP.opDBUTILDumpHeader, szDatabase=str(closed)))
    verbose = JET_bitDBUtilOptionDumpVerbose
    assert len(printed(capsys, op=OP.opDBUTILDumpHeader, szDatabase=str(closed), grbitOptions=verbose)) > 20
    checkpoint = closed.with_name("edb.chk")
    assert printed(capsys, op=OP.opDBUTILDumpCheckpoint, szDatabase=str(checkpoint))[0].endswith("checkpoint")
    assert refused(JET_DBUTIL(op=OP.opDBUTILDumpCheckpoint, szDatabase=str(closed))) == JET_errFileInvalidType
    assert refused(JET_DBUTIL(op=OP.opDBUTILDumpHeader, szDatabase=str(checkpoint))) == JET_errFileInvalidType


def test_logs(closed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = closed.with_name("edb.log")
    short = printed(capsys, op=OP.opDBUTILDumpLogfile, szDatabase=str(log))
    assert "lgeneration: 2" in short
    records = printed(capsys, op=OP.opDBUTILDumpLogfile, szDatabase=str(log), grbitOptions=JET_bitDBUtilOptionDumpVerbose)
    assert any("ShutDown" in line for line in records)
    stream = closed.with_name("edb")
    both = printed(capsys, op=OP.opDBUTILDumpLogfile, szDatabase=str(stream), grbitOptions=JET_bitDBUtilOptionDumpVerbose)
    assert both[-len(records) :] == records
    assert any("CreateDB" in line for line in both)
    assert "edb.log" not in printed(capsys, op=OP.opDBUTILDumpLogfile, szDatabase=str(stream), lGeneration=1, isec=1)
    missing = JET_DBUTIL(op=OP.opDBUTILDumpLogfile, szDatabase=str(closed.with_name("xyz")))
    assert refused(missing) == JET_errFileNotFound


def test_a_log_in_memory(closed: Path) -> None:
    data = bytearray(closed.with_name("edb.log").read_bytes())
    quiet = JET_bitDBUtilOptionSuppressConsoleOutput
    request = JET_DBUTIL(op=OP.opDBUTILChecksumLogFromMemory, szBase="edb", pvBuffer=bytes(data), grbitOptions=quiet)
    assert JetDBUtilities(request) == 0
    data[3 * 4096 + 50 : 3 * 4096 + 90] = bytes(40)
    request.pvBuffer = data
    assert refused(request) == JET_errLogFileCorrupt
    request.pvBuffer = b"short"
    assert refused(request) < 0
    request.pvBuffer = None
    assert refused(request) == JET_errInvalidParameter


def test_defragmentation(closed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[int] = []

    def status(_sesid: object, _snp: int, snt: int, progress: JET_SNPROG | None) -> int:
        assert (progress is None) == (snt == JET_sntFail)
        told.append(snt)
        return 0

    copy = closed.with_name("copy.edb")
    request = JET_DBUTIL(
        op=OP.opDBUTILDBDefragment,
        szDatabase=str(closed),
        szTable=str(copy),
        pfnCallback=status,
        grbitOptions=JET_bitDBUtilOptionSuppressConsoleOutput,
    )
    assert JetDBUtilities(request) == 0
    assert told[0] == JET_sntBegin
    assert told[-1] == JET_sntComplete
    assert set(told[1:-1]) == {JET_sntProgress}
    before = printed(capsys, op=OP.opDBUTILDumpData, szDatabase=str(closed), szTable="people")
    assert printed(capsys, op=OP.opDBUTILDumpData, szDatabase=str(copy), szTable="people") == before
    assert refused(request) == JET_errDatabaseDuplicate
    assert told[-1] == JET_sntFail
    request.szTable = None
    assert refused(request) == JET_errInvalidParameter


def test_what_is_in_use_or_dirty_is_refused(start: Callable[..., Running], tmp_path: Path) -> None:
    path = filled(start(), 3)
    assert refused(JET_DBUTIL(op=OP.opDBUTILConsistency, szDatabase=str(path))) == JET_errDatabaseSharingViolation
    dirty = tmp_path / "dirty.edb"
    shutil.copyfile(path, dirty)
    assert refused(JET_DBUTIL(op=OP.opDBUTILConsistency, szDatabase=str(dirty))) == JET_errDatabaseDirtyShutdown


def test_wrong_requests() -> None:
    assert refused(None) == JET_errInvalidParameter
    assert refused(JET_DBUTIL(op=99)) == JET_errInvalidParameter
    assert refused(JET_DBUTIL(op="0")) == JET_errInvalidParameter
    assert refused(JET_DBUTIL(op=OP.opDBUTILConsistency)) == JET_errDatabaseInvalidName
    assert refused(JET_DBUTIL(op=OP.opDBUTILDumpHeader, szDatabase="")) == JET_errDatabaseInvalidName
    assert refused(JET_DBUTIL(op=OP.opDBUTILDumpHeader, szDatabase="nowhere.edb", sesid=4711)) == JET_errInvalidSesid
    assert refused(JET_DBUTIL(op=OP.opDBUTILDumpHeader, szDatabase="nowhere.edb")) == JET_errFileNotFound
    assert refused(JET_DBUTIL(op=OP.opDBUTILEDBScrub, szDatabase="a.edb")) == JET_errFeatureNotAvailable
