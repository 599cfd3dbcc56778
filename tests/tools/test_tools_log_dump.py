"""The dump of logs against the original's listings, all of them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esent.constants import codes
from esent.errors import JetError
from esent.log import records
from esent.log.layout import REGISTRY
from esent.log.reader import LogFile
from esent.log.writer import LogStream
from esent.pages.primitives import Lgpos, LogTime
from esent.tools.log_dump import describe, dump_json, dump_log, dump_text, header_facts

NOT_LISTED = "ShutDown"  # the original's utility leaves shut-down marks out


def load(folder: Path, name: str) -> Any:
    plain = folder / name
    return json.loads(plain.read_bytes() if plain.is_file() else gzip.decompress((folder / f"{name}.gz").read_bytes()))


def log_path(fixtures: Any, folder: Path, name: str) -> Path:
    try:
        return fixtures.path(str((folder / name).relative_to(fixtures.root)))
    except FileNotFoundError:
        return fixtures.path(str((folder / "set" / name).relative_to(fixtures.root)))


def with_head_in_text(line: dict[str, Any]) -> dict[str, Any]:
    """As the listings have operations whose session number has a letter: the head is still in the text."""
    line = dict(line)
    head = (
        f"{line.pop('dbtime'):x},{line.pop('dbtime_before'):x},{line.pop('trx'):x}:{line.pop('level')}"
        f"({line.pop('procid'):x},[{line.pop('dbid')}:{line.pop('pgno')}:{line.pop('line')}],"
    )
    line["text"] = head + line["text"]
    return line


def test_every_listing_of_the_original(fixtures: Any) -> None:
    total = 0
    types = set()
    for listing in sorted(fixtures.root.rglob("logrecords.json.gz")):
        for name, wanted in load(listing.parent, "logrecords.json").items():
            lines = [line for line in dump_log(log_path(fixtures, listing.parent, name)) if line.get("type") != NOT_LISTED]
            assert [line for line in lines if "segment" in line] == [line for line in wanted if "segment" in line]
            lines = [line for line in lines if "type" in line]
            wanted = [line for line in wanted if "type" in line]
            for line, other in zip(lines, wanted, strict=True):
                if "dbtime" in line and "dbtime" not in other:
                    line = with_head_in_text(line)
                assert line == other
                types.add(line["type"])
            total += len(wanted)
    assert total > 380_000
    assert not any(name.startswith("Ignored") for name in types)
    assert len(types) >= 40


def test_every_header_of_the_original(fixtures: Any) -> None:
    count = 0
    for listing in sorted(fixtures.root.rglob("facts.json*")):
        facts = load(listing.parent, "facts.json")
        for part, prefix in ((facts, ""), (facts.get("new", {}), "new/"), (facts.get(".", {}), "")):
            for name, wanted in part.get("logs", {}).items():
                with LogFile(log_path(fixtures, listing.parent, prefix + name)) as log:
                    found = header_facts(log.header)
                    checksum = log.accumulated_checksum
                same = (
                    "lgeneration",
                    "creation_time",
                    "prev_gen_accumulated_segment_checksum",
                    "signature",
                    "env_systempath",
                    "env_logfilepath",
                    "checkpoint_at_log_creation_time",
                )
                assert {key: found[key] for key in same} == {key: wanted[key] for key in same}
                if found["lgeneration"] > 1:
                    assert found["prev_gen_time"] == wanted["prev_gen_time"]
                assert f"({found['format_lgversion']})" == wanted["format_lgversion"].split(" (")[0]
                assert int(wanted["accumulated_segment_checksum"], 16) == checksum
                for info, other in zip(found["databases"], wanted.get("databases", []), strict=True):
                    assert info["dbtime"] == int(other["dbtime"].split()[0])
                    assert info["maxdbsize"] == int(other["maxdbsize"].split()[0])
                    for key in ("dbid", "path", "objidlast", "signature", "last_attach", "last_consistent"):
                        assert info[key] == other[key]
                count += 1
    assert count > 200


def test_text_and_json(fixtures: Any) -> None:
    path = fixtures.path("engine/clean-4k/edb00002.log")
    lines = list(dump_log(path))
    assert [json.loads(line) for line in dump_json(path)] == lines
    text = list(dump_text(path))
    assert len(text) == len(lines) + sum(len(line.get("more", ())) for line in lines)
    assert text[0].startswith("-- segment 1 ")


def test_every_type_can_be_described(tmp_path: Path) -> None:
    described = [describe(Lgpos(1, 1, 0), cls()) for cls in REGISTRY.values()]
    assert len({line["type"] for line in described}) >= 75
    assert all(isinstance(line["text"], str) for line in described)
    stream = LogStream.create(tmp_path, log_file_size=64 * 4096, reserves=0)
    made = [cls() for kind, cls in REGISTRY.items() if kind not in (0, 76, 77)]
    stream.append_all(made)
    stream.append(records.Backup2(9, 9, 9))
    stream.append(records.Split2(pgno_new=1, split_type=9, split_oper=9))
    stream.append(records.Merge2(merge_type=99))
    stream.append(records.FreeFDP(type=9))
    stream.close()
    assert len([line for line in dump_log(tmp_path / "edb.log") if "type" in line]) == len(made) + 4


def test_damage_ends_the_dump_in_an_error(fixtures: Any, tmp_path: Path) -> None:
    data = bytearray(fixtures.read("engine/clean-4k/edb00002.log"))
    data[9 * 4096 + 77] ^= 0xFF
    path = tmp_path / "edb00002.log"
    path.write_bytes(data)
    collected: list[dict[str, Any]] = []
    with pytest.raises(JetError) as problem:
        collected.extend(dump_log(path))
    assert problem.value.code == codes.JET_errLogFileCorrupt
    whole = list(dump_log(fixtures.path("engine/clean-4k/edb00002.log")))
    assert collected == whole[: len(collected)]
    assert collected[-1]["lgpos"][1] <= 8


@pytest.mark.parametrize("data", [b"\0", b"\x05\x20", b"\x05\x20\x04abc", b"\x05\xa0\x04", b"\x00\x80\x01"])
def test_differences_that_are_cut_off(data: bytes) -> None:
    for wide in (False, True):
        try:
            line = describe(Lgpos(1, 1, 0), records.ReplaceD(data=data, wide=wide))
        except JetError as problem:
            assert problem.code == codes.JET_errLogFileCorrupt
        else:
            assert line["type"] == "ReplaceD"


@given(st.integers(0, 101), st.binary(min_size=100, max_size=700))
@settings(max_examples=500, deadline=None)
def test_any_record_can_be_described(kind: int, content: bytes) -> None:
    try:
        found, _ = records.decode(bytes((kind,)) + content)
        line = describe(Lgpos(1, 1, 0), found)
    except JetError as problem:
        assert problem.code == codes.JET_errLogFileCorrupt
        return
    assert json.loads(json.dumps(line)) == line


def test_times_that_are_no_dates() -> None:
    line = describe(Lgpos(1, 1, 0), records.Term2(logtime=LogTime(99, 99, 99, 99, 99, 255, 1023, True)))
    assert "99/99/2155" in line["text"]
