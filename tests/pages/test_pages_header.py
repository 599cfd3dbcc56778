"""The database header: the fields of every genuine file as the original's utility prints them, copies, states, packing."""

from __future__ import annotations

import dataclasses
import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esent.errors import JetError
from esent.pages.checksum import PAGE_SIZES, header_checksum
from esent.pages.header import (
    FIELDS,
    DatabaseHeader,
    DatabaseState,
    choose_header,
    detect_page_size,
    is_valid_copy,
)
from esent.pages.primitives import BackupInfo, Lgpos, LogTime, Signature
from esent.pages.trailer import PatchPage
from genuine import FIXTURES, Fixtures

STATES = {
    "Just Created": 1,
    "Dirty Shutdown": 2,
    "Clean Shutdown": 3,
}


def facts() -> list[tuple[str, dict[str, Any]]]:
    """(file, header as printed) of every database of the fixtures."""
    found = []
    if FIXTURES is not None:
        for path in sorted(FIXTURES.rglob("facts.json*")):
            text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            content = json.loads(text)
            folder = path.parent.relative_to(FIXTURES).as_posix()
            levels = [("", content)] if "databases" in content else [(f"/set/{name}", inner) for name, inner in content.items()]
            for level, inner in levels:
                for name, header in inner.get("databases", {}).items():
                    found.append((f"{folder}{level}/{name}".replace("/./", "/"), header))
    return found


FACTS = facts()


def time_text(time: LogTime, zone: bool = True) -> str:
    day = f"{time.month:02}/{time.day:02}/{time.year + 1900}"
    text = f"{day} {time.hour:02}:{time.minute:02}:{time.second:02}.{time.millisecond:03}"
    return f"{text} {'UTC' if time.utc else 'LOC'}" if zone else text


def signature(value: Signature) -> dict[str, Any]:
    return {
        "create_time": time_text(value.created, zone=False),
        "rand": value.random,
        "computer": value.computer.decode("ascii"),
    }


def position(value: Lgpos) -> dict[str, Any]:
    return {"lgpos": [value.generation, value.isec, value.ib]}


def backup(value: BackupInfo) -> dict[str, Any]:
    return {
        "gen": [value.generation_low, value.generation_high],
        "mark": position(value.mark),
        "mark_time": time_text(value.marked_at),
    }


def counted(value: int) -> int | str:
    return value or "none"


@pytest.mark.parametrize(("name", "printed"), FACTS, ids=[name for name, _ in FACTS])
def test_fields_of_genuine_headers(fixtures: Fixtures, name: str, printed: dict[str, Any]) -> None:
    data = fixtures.read(name)
    size = detect_page_size(data[:65536])
    assert size == printed["cbdbpage"]
    choice = choose_header(data[:size], data[size : 2 * size])
    header = choice.header
    ours = {
        "expected_checksum": f"{header_checksum(choice.image):#010x}",
        "file_type": "Database",
        "format_ulmagic": f"{header.magic:#010x}",
        "created_ulversion": f"{header.create_version:#x},{header.create_update}",
        "db_signature": signature(header.sign_db),
        "dbtime": header.dbtime_dirtied,
        "log_required_pre_redo": header.gen_pre_redo_min_required,
        "log_required": [header.gen_min_required, header.gen_max_required],
        "gen_max_req_creation_time": time_text(header.logtime_gen_max_required),
        "log_consistent": header.gen_min_consistent,
        "gen_max_com_creation_time": time_text(header.logtime_gen_max_create),
        "log_recovering": header.gen_recovering,
        "shadowed": "Yes" if header.is_shadowed else "No",
        "last_objid": header.objid_last,
        "scrub_dbtime": header.dbtime_last_scrub,
        "scrub_date": time_text(header.logtime_scrub),
        "repair_count": header.repair_count,
        "repair_date": time_text(header.logtime_repair),
        "old_repair_count": header.repair_count_old,
        "dbid": header.dbid,
        "log_signature": signature(header.sign_log),
        "extend_count": header.extend_count,
        "extend_date": time_text(header.logtime_last_extend),
        "shrink_count": header.shrink_count,
        "shrink_date": time_text(header.logtime_last_shrink),
        "trim_count": header.trim_count,
        "cpgupgrade55format": header.cpg_upgrade55_format,
        "cpgupgradefreepages": header.cpg_upgrade_free_pages,
        "cpgupgradespacemappages": header.cpg_upgrade_space_map_pages,
        "highest_continuous_database_maintenance_page": header.pgno_dbscan_highest_continuous,
        "highest_database_maintenance_page": header.pgno_dbscan_highest,
        # of a backup's copy the utility prints none: it belongs to no flush map
        "database_header_flush_signature": signature(Signature() if header.bkinfo_full_cur else header.sign_db_hdr_flush),
        "flush_map_header_flush_signature": signature(
            Signature() if header.bkinfo_full_cur else header.sign_flush_map_hdr_flush
        ),
        "rbs_header_flush_signature": signature(header.sign_rbs_hdr_flush),
        "current_full_backup": backup(header.bkinfo_full_cur),
        "last_database_maintenance_finish_date": time_text(header.logtime_dbscan_prev),
        "current_database_maintenance_start_date": time_text(header.logtime_dbscan_start),
    }
    assert {key: printed[key] for key in ours} == ours
    assert printed["last_resize"]["lgpos"] == position(header.lgpos_last_resize)["lgpos"]
    places = {
        "last_consistent": (header.lgpos_consistent, header.logtime_consistent),
        "last_attach": (header.lgpos_attach, header.logtime_attach),
        "last_detach": (header.lgpos_detach, header.logtime_detach),
        "last_reattach": (header.lgpos_last_reattach, header.logtime_last_reattach),
    }
    for key, (lgpos, time) in places.items():
        assert printed[key] == {**position(lgpos), "time": time_text(time)}
    shadow_copy = header.bkinfo_snapshot_cur
    if header.bkinfo_full_cur:
        # of a backup's copy the listing runs the lines of the trailer page into those of the shadow copy backup
        trailer = PatchPage.parse(data[-size:])
        assert trailer.belongs_to(header)
        shadow_copy = trailer.backup._replace(mark=Lgpos())
    backups = {
        "previous_full_backup": header.bkinfo_full_prev,
        "previous_incremental_backup": header.bkinfo_inc_prev,
        "previous_copy_backup": header.bkinfo_copy_prev,
        "previous_differential_backup": header.bkinfo_diff_prev,
        "current_shadow_copy_backup": shadow_copy,
    }
    for key, info in backups.items():
        assert {part: printed[key][part] for part in ("gen", "mark", "mark_time")} == backup(info)
    counts = {
        "ecc_fix_success_count": header.ecc_fix_success,
        "old_ecc_fix_success_count": header.ecc_fix_success_old,
        "ecc_fix_error_count": header.ecc_fix_fail,
        "old_ecc_fix_error_count": header.ecc_fix_fail_old,
        "bad_checksum_error_count": header.bad_checksum,
        "old_bad_checksum_error_count": header.bad_checksum_old,
    }
    for key, number in counts.items():
        assert str(printed[key]).split(" ")[0].strip("(") in (str(counted(number)), str(number))
    assert printed["state"].startswith(next(text for text, value in STATES.items() if value == header.dbstate))
    version = ",".join((f"{header.version:#x}", *(str(part) for part in header.format_version[1:] if part or part != 0)))
    assert printed["format_ulversion"].startswith(version)
    assert f"(attached by {header.efv_max_bin_attach})" in printed["format_ulversion"]
    assert printed["os_version"].startswith(
        f"({header.os_major}.{header.os_minor}.{header.os_build} SP {header.os_service_pack} "
    )


@pytest.mark.parametrize("name", [name for name, _ in FACTS])
def test_genuine_headers_pack_to_themselves(fixtures: Fixtures, name: str) -> None:
    data = fixtures.read(name)
    size = detect_page_size(data[:65536])
    assert size is not None
    header = DatabaseHeader.parse(data[:size])
    assert header.pack() == data[:size]
    assert header.check() == []
    again = dataclasses.replace(header, _image=b"")
    assert DatabaseHeader.parse(again.pack()) == header
    assert header.copy() == header


def test_fields_do_not_overlap() -> None:
    covered = bytearray(748)
    covered[:4] = b"\1" * 4  # the checksum
    for name, offset, kind in FIELDS:
        size = len(kind.pack(getattr(DatabaseHeader(), name)))
        assert not any(covered[offset : offset + size]), name
        covered[offset : offset + size] = b"\1" * size
    gaps = [index for index, value in enumerate(covered) if not value]
    # the obsolete signature, rgbReserved and rgbReserved2
    assert gaps == [*range(252, 280), 664, 665, 666, 671]


TIMES = st.builds(
    LogTime,
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 1023),
    st.booleans(),
)
POSITIONS = st.builds(Lgpos, st.integers(-(2**31), 2**31 - 1), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
SIGNATURES = st.builds(Signature, st.integers(0, 2**32 - 1), TIMES, st.binary(max_size=16).map(lambda raw: raw.rstrip(b"\0")))
BACKUPS = st.builds(BackupInfo, POSITIONS, TIMES, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
FIXED = {"magic", "attrib", "page_size_field", "file_type"}


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_round_trip_of_any_fields(data: st.DataObject) -> None:
    header = DatabaseHeader(page_size_field=4096)
    for name, _, kind in FIELDS:
        if name in FIXED:
            continue
        current = getattr(header, name)
        if isinstance(current, int):
            low, high = (
                (-(2 ** (kind.size * 8 - 1)), 2 ** (kind.size * 8 - 1) - 1) if kind.signed else (0, 2 ** (kind.size * 8) - 1)
            )
            value: object = data.draw(st.integers(low, high))
        else:
            value = data.draw({Lgpos: POSITIONS, LogTime: TIMES, Signature: SIGNATURES, BackupInfo: BACKUPS}[type(current)])
        setattr(header, name, value)
    for size in (2048, 4096, 32768):
        packed = header.pack(size)
        assert len(packed) == size
        assert DatabaseHeader.parse(packed) == header


def test_unknown_bytes_are_kept() -> None:
    image = bytearray(DatabaseHeader(page_size_field=4096).pack())
    image[252:256] = b"SLV!"
    image[800:804] = b"new!"
    image[71] = 0xF1  # garbage bits of logtime_consistent
    image[:4] = header_checksum(bytes(image)).to_bytes(4, "little")
    header = DatabaseHeader.parse(bytes(image))
    assert header.pack() == bytes(image)
    header.objid_last = 77
    changed = header.pack()
    assert changed[252:256] == b"SLV!"
    assert changed[800:804] == b"new!"
    assert changed[71] == 0xF1
    assert DatabaseHeader.parse(changed).objid_last == 77


def image(size: int = 4096, **fields: Any) -> bytes:
    return DatabaseHeader(page_size_field=size, **fields).pack()


def spoilt(data: bytes, place: int = 500) -> bytes:
    return data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]


@pytest.mark.parametrize("size", PAGE_SIZES)
def test_choice_of_the_copy(size: int) -> None:
    old, new = image(size, objid_last=1), image(size, objid_last=2)
    assert detect_page_size(old + old) == size
    both = choose_header(old, old)
    assert (both.source, both.equal, both.stale, both.header.objid_last) == ("primary", True, [], 1)
    differ = choose_header(new, old)
    assert (differ.source, differ.stale, differ.header.objid_last) == ("primary", [1], 2)
    first = choose_header(new, spoilt(old))
    assert (first.source, first.stale, first.shadow_valid, first.header.objid_last) == ("primary", [1], False, 2)
    second = choose_header(spoilt(new), old)
    assert (second.source, second.stale, second.primary_valid, second.header.objid_last) == ("shadow", [0], False, 1)
    assert detect_page_size(spoilt(new) + old) == size
    with pytest.raises(JetError) as caught:
        choose_header(spoilt(new), spoilt(old))
    assert caught.value.name == "JET_errReadVerifyFailure"
    assert detect_page_size(spoilt(new) + spoilt(old)) is None


def test_a_page_size_of_zero_is_4096() -> None:
    data = image(4096)
    zero = bytearray(data)
    zero[236:240] = bytes(4)
    zero[:4] = header_checksum(bytes(zero)).to_bytes(4, "little")
    assert is_valid_copy(bytes(zero))
    assert detect_page_size(bytes(zero) * 2) == 4096
    assert DatabaseHeader.parse(bytes(zero)).page_size == 4096


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"magic": 1}, "JET_errDatabaseCorrupted"),
        ({"file_type": 3}, "JET_errFileInvalidType"),
        ({"attrib": 1}, "JET_errFileInvalidType"),
        ({"page_size_field": 8192}, "JET_errPageSizeMismatch"),
    ],
)
def test_what_is_not_a_database(fields: dict[str, int], name: str) -> None:
    header = DatabaseHeader(page_size_field=4096)
    for field, value in fields.items():
        setattr(header, field, value)
    data = header.pack()[:4096]
    data = header_checksum(data).to_bytes(4, "little") + data[4:]
    with pytest.raises(JetError) as caught:
        DatabaseHeader.parse(data)
    assert caught.value.name == name


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"file_type": 3}, "type"),
        ({"page_size_field": 1000}, "page size"),
        ({"version": 0}, "version"),
        ({"gen_min_required": 2, "gen_max_required": 1, "gen_max_committed": 1}, "order"),
        ({"gen_min_required": 1, "gen_max_required": 2, "gen_max_committed": 1}, "order"),
        ({"gen_max_required": 2, "gen_max_committed": 2, "gen_min_consistent": 3}, "consistent"),
        ({"lgpos_last_resize": Lgpos(1, 2, 3), "lgpos_attach": Lgpos(1, 3, 0)}, "resize"),
        ({"lgpos_last_resize": Lgpos(4, 2, 3), "lgpos_attach": Lgpos(1, 3, 0), "dbstate": 3}, "resize"),
    ],
)
def test_relations_before_a_write(fields: dict[str, Any], word: str) -> None:
    header = dataclasses.replace(DatabaseHeader(page_size_field=4096), **fields)
    problems = header.check()
    assert len(problems) == 1
    assert word in problems[0]


def test_states() -> None:
    header = DatabaseHeader(page_size_field=4096)
    header.change_state(DatabaseState.JUST_CREATED)
    header.change_state(DatabaseState.DIRTY_SHUTDOWN)
    header.gen_min_required = header.gen_min_consistent = header.gen_pre_redo_min_required = 3
    header.gen_max_required = header.gen_max_committed = 4
    header.logtime_gen_max_create = LogTime.now()
    header.change_state(DatabaseState.CLEAN_SHUTDOWN)
    assert header.is_clean
    assert header.gen_min_required == header.gen_max_required == header.gen_max_committed == header.gen_min_consistent == 0
    assert header.gen_pre_redo_min_required == 0
    assert header.logtime_gen_max_create == LogTime()
    with pytest.raises(JetError) as caught:
        header.change_state(DatabaseState.JUST_CREATED)
    assert caught.value.name == "JET_errInternalError"
    assert header.state is DatabaseState.CLEAN_SHUTDOWN
    header.dbstate = 99
    assert header.state == 99


@given(st.binary(max_size=9000), st.sampled_from(PAGE_SIZES))
@settings(max_examples=100, deadline=None)
def test_random_bytes(data: bytes, size: int) -> None:
    for candidate in (data, data[:size].ljust(size, b"\0")):
        with pytest.raises(JetError):
            choose_header(candidate, candidate)
    # with a right checksum, whatever the fields say
    page = data[:size].ljust(size, b"\0")
    page = header_checksum(page).to_bytes(4, "little") + page[4:]
    try:
        header = DatabaseHeader.parse(page)
    except JetError:
        return
    assert header.pack() == page


@given(st.dictionaries(st.integers(8, 747), st.integers(0, 255), min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_absurd_fields(changes: dict[int, int]) -> None:
    page = bytearray(image(4096))
    for place, value in changes.items():
        page[place] = value
    page[:4] = header_checksum(bytes(page)).to_bytes(4, "little")
    try:
        header = choose_header(bytes(page), bytes(page)).header
    except JetError:
        return
    assert header.pack() == bytes(page)
    assert isinstance(header.check(), list)
