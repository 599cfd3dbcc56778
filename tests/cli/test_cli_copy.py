"""`copy` and `defrag`."""

from __future__ import annotations

import json

import pytest

import esent as library
from esent.tools.dump import dump
from esent.tools.example import build_example


@pytest.fixture
def example(tmp_path):
    path = tmp_path / "library.edb"
    build_example(path, rows=300)
    return path


def test_a_copy_is_the_same_file(esent, example, tmp_path):
    done = esent("copy", example, tmp_path / "new.edb")
    assert done.status == 0, done.err
    assert (tmp_path / "new.edb").read_bytes() == example.read_bytes()
    again = esent("copy", example, tmp_path / "new.edb")
    assert again.status == 1 and "JET_errDatabaseDuplicate" in again.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["library.edb", "new.edb"]


def test_a_copy_tells_of_wrong_pages(esent, example, tmp_path):
    data = bytearray(example.read_bytes())
    data[4096 * 10 + 100] ^= 0xFF  # page 9
    example.write_bytes(data)
    done = esent("copy", "--json", example, tmp_path / "new.edb")
    assert done.status == 1
    assert json.loads(done.out)["wrong_pages"] == [9]
    assert (tmp_path / "new.edb").read_bytes() == bytes(data)


def test_defrag_keeps_every_row_and_gives_space_back(esent, tmp_path):
    path = tmp_path / "live" / "app.edb"
    with library.open(path) as db:
        table = db.create_table(
            "t",
            {"k": library.Int32(), "gone": library.Int32(), "v": library.LongBinary(), "n": library.Text()},
            primary_key="k",
            indexes={"by_n": "n"},
        )
        table.insert_many({"k": k, "gone": k, "v": b"v" * 3000, "n": f"n{k:04}"} for k in range(400))
        with db.transaction():
            for k in range(400):
                if k % 10:
                    table.delete(k)
        table.delete_column("gone")
        expected = [dict(row) for row in table.index("by_n")]
    done = esent("defrag", "--json", path, tmp_path / "new.edb")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    assert told["verified"] and told["bytes_after"] < told["bytes_before"] / 2
    with library.open(tmp_path / "new.edb", read_only=True) as db:
        assert [dict(row) for row in db["t"].index("by_n")] == expected
        assert len(expected) == 40
    with library.open(tmp_path / "new.edb") as db:
        db["t"].insert(k=1, v=b"new", n="n")
        assert len(db["t"]) == 41


def test_defrag_of_the_example_keeps_every_line(esent, example, tmp_path):
    assert esent("defrag", example, tmp_path / "new.edb").status == 0
    assert list(dump(tmp_path / "new.edb", entries=True)) == list(dump(example, entries=True))
    assert esent("defrag", example, tmp_path / "new.edb").status == 1


def test_defrag_wants_a_clean_file(esent, fixtures, tmp_path):
    dirty = fixtures.path("engine/dirty-4k/db.edb")
    done = esent("defrag", dirty, tmp_path / "new.edb")
    assert done.status == 1 and "JET_errDatabaseDirtyShutdown" in done.err
    assert not list(tmp_path.iterdir())


def test_defrag_raises_the_format_and_never_lowers_it(esent, example, tmp_path):
    raised = tmp_path / "raised.edb"
    assert esent("defrag", "--format-version", "9180", example, raised).status == 0
    assert "0x620,110,240" in esent("info", raised).out
    lower = esent("defrag", "--format-version", "8920", raised, tmp_path / "lower.edb")
    assert lower.status == 1 and "JET_errEngineFormatVersionSpecifiedTooLowForDatabaseVersion" in lower.err
    assert esent("defrag", "--format-version", "17", example, tmp_path / "lower.edb").status != 0
    assert not (tmp_path / "lower.edb").exists()
