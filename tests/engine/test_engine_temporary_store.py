"""The nodes of temporary tables against a plain dictionary, with data in memory and in the file."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from esent.engine.temporary_store import SORT_MEMORY, Spill, TemporaryTree
from esent.pages.edit import NODE_DELETED
from esent.pages.filesystem import FILES

WRITER: Any = None


@pytest.mark.parametrize("limit", [0, 500, 1_000_000])
def test_random_changes(tmp_path: Path, limit: int) -> None:
    spill = Spill(FILES, tmp_path / "tmp.edb", limit)
    tree = TemporaryTree(spill)
    model: dict[bytes, bytes] = {}
    generator = random.Random(limit)
    for _ in range(2000):
        key = generator.randbytes(1)
        data = generator.randbytes(generator.choice((0, 3, 64, 200)))
        if key not in model:
            tree.insert(WRITER, key, data)
            model[key] = data
        elif generator.random() < 0.5:
            tree.replace(WRITER, key, b"", data)
            model[key] = data
        else:
            tree.delete(WRITER, key, b"")
            del model[key]
        probe = generator.randbytes(1)
        keys = sorted(model)
        above = tree.seek_ge(probe)
        assert (above and (above.key, above.data)) == next(((k, model[k]) for k in keys if k >= probe), None)
        below = tree.seek_lt(probe)
        assert (below and (below.key, below.data)) == next(((k, model[k]) for k in reversed(keys) if k < probe), None)
        found = tree.find(probe)
        assert (found and found.data) == model.get(probe)
    walked = []
    node = tree.first()
    while node is not None:
        walked.append((node.key, node.data))
        node = tree.next(node)
    assert walked == sorted(model.items())
    back = []
    node = tree.last()
    while node is not None:
        back.append(node.key)
        node = tree.previous(node)
    assert back == sorted(model, reverse=True)
    assert (tmp_path / "tmp.edb").exists() == (limit < 1_000_000)
    spill.close()
    assert not (tmp_path / "tmp.edb").exists()


def test_moving_on_from_a_node_that_is_gone(tmp_path: Path) -> None:
    tree = TemporaryTree(Spill(FILES, tmp_path / "tmp.edb", 100))
    for key in (b"a", b"b", b"c"):
        tree.insert(WRITER, key, key)
    middle = tree.find(b"b")
    tree.delete(WRITER, b"b", b"")
    after, before = tree.next(middle), tree.previous(middle)
    assert after is not None and after.key == b"c"
    assert before is not None and before.key == b"a"
    assert tree.fraction_of(b"b") == (1, 2)
    first = tree.at_fraction(0, 2)
    assert first is not None and first.key == b"a"


def test_a_sort_shows_nothing_until_it_is_in_order(tmp_path: Path) -> None:
    tree = TemporaryTree(Spill(FILES, tmp_path / "tmp.edb", 100))
    tree.collecting = True
    for key in (b"b", b"a", b"b"):
        tree.insert(WRITER, key, bytes(SORT_MEMORY // 3))
    assert tree.find(b"a") is None and tree.first() is None
    assert tree.overflowed
    tree.end_collecting()
    assert [tree.key_at(place) for place in range(3)] == [b"a", b"b", None]
    assert tree.index_of(b"b") == 1
    tree.flag_delete(WRITER, b"a", b"")
    node = tree.find(b"a")
    assert node is not None and node.flags & NODE_DELETED
