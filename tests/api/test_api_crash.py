"""A process that is killed while it writes: what was committed is there, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

import esent

WRITER = """
import sys
import esent

db = esent.open(sys.argv[1])
table = db.create_table("t", {"k": esent.Int32(), "v": esent.Text()}, primary_key="k", indexes={"by_v": "v"})
print("ready", flush=True)
number = 0
while True:
    with db.transaction():
        for _ in range(5):
            table.insert(k=number, v=f"v{number}")
            number += 1
    print(number, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills a process")
def test_a_killed_writer_loses_nothing_that_was_committed(tmp_path):
    path = tmp_path / "data" / "app.edb"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    told = [int(writer.stdout.readline()) for _ in range(20)]
    os.kill(writer.pid, signal.SIGKILL)
    told += [int(line) for line in writer.stdout if line.endswith("\n")]
    writer.wait()

    with esent.open(path, read_only=True) as db:
        before = [(row.k, row.v) for row in db["t"]]
    assert before == [(number, f"v{number}") for number in range(len(before))]
    assert len(before) in (told[-1], told[-1] + 5)
    with esent.open(path) as db:
        assert [(row.k, row.v) for row in db["t"]] == before
        assert len(db["t"].index("by_v")) == len(before)
        db["t"].insert(k=-1, v="after")
    assert esent.verify(path).ok


def test_text_of_the_western_code_page_can_be_looked_up(db):
    table = db.create_table("t", {"name": esent.Text(code_page=1252)}, indexes={"by_name": "name"})
    table.insert_many({"name": name} for name in ("Zoë", "Zoe", "Åsa"))
    assert [row.name for row in table.index("by_name").equal("Zoë")] == ["Zoë"]
    unicode = db.create_table("u", {"name": esent.Text()}, indexes={"by_name": "name"})
    with pytest.raises(esent.UnicodeNormalizationNotSupportedError):
        unicode.insert(name="\u1112\u1161\u11ab")  # letters of Hangul, whose place is not settled
    assert len(unicode) == 0
    unicode.insert_many({"name": name} for name in ("Zoë", "zoe", "Åsa", "Zoo", "Ærø", "Straße"))
    assert [row.name for row in unicode.index("by_name")] == ["Ærø", "Åsa", "Straße", "zoe", "Zoë", "Zoo"]
    assert [row.name for row in unicode.index("by_name").equal("ZOË")] == ["Zoë"]
    assert [row.name for row in unicode.index("by_name").prefix("zo")] == ["zoe", "Zoë", "Zoo"]
    assert [row.name for row in unicode.index("by_name").between("strasse", "zoë")] == ["Straße", "zoe", "Zoë"]
