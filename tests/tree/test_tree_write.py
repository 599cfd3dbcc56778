"""Writable trees against a model, with replay of their log: the same pages, nothing for the verifier to find."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from write_bench import Bench, contents, contents_backwards

from esent.constants import codes
from esent.errors import JetError
from esent.log.reader import LogFile
from esent.log.records import Merge2, Split2
from esent.tools.verify import verify_database
from esent.tree.live import TreeName
from recovery_support import different_pages

PAGE_SIZES = (4096, 8192, 16384, 32768)
Model = dict[bytes, bytes]


def fresh(tmp_path: Path, **options: int | bool) -> Bench:
    folder = tmp_path / "live"
    folder.mkdir()
    return Bench(folder, **options)  # type: ignore[arg-type]


def logged(bench: Bench) -> Counter[str]:
    """How often each kind of record is in the logs."""
    assert bench.log is not None
    bench.log.flush()
    found: Counter[str] = Counter()
    for path in sorted(bench.folder.glob("*.log")):
        with LogFile(path) as log:
            for _, record in log.records():
                name = type(record).__name__
                if isinstance(record, Split2) and record.pgno_new:
                    name += ("-vertical", "-right", "-append")[record.split_type]
                if isinstance(record, Merge2) and record.merge_type:
                    name += f"-{record.merge_type}"
                found[name] += 1
    return found


def prove(bench: Bench, tmp_path: Path, *, orphans: bool = False) -> None:
    """Replaying the log gives the pages that are in memory, and neither file has a fault (but for `orphans`, which are pages of
    trees that no catalogue knows)."""
    recovered = bench.crash(tmp_path / "recovered")
    finished = bench.finish()
    bench.close()
    compared, different = different_pages(recovered, finished)
    assert compared == bench.page_count
    assert different == []
    for path in (recovered, finished):
        report = verify_database(path)
        found = [str(finding) for finding in report.findings]
        assert [text for text in found if not (orphans and "neither in use nor available" in text)] == []
        assert report.ok


def same(bench: Bench, model: Model) -> None:
    nodes = contents(bench.tree)
    assert [(key, data) for key, data, deleted in nodes if not deleted] == sorted(model.items())
    assert contents_backwards(bench.tree) == nodes[::-1]


def churn(bench: Bench, model: Model, chosen: random.Random, count: int, most: int) -> None:
    """Random inserts, replaces and deletes, in transactions."""
    tree, writer = bench.tree, bench.writer
    for _ in range(count):
        what = chosen.random()
        if what < 0.55 or not model:
            key = bytes((chosen.randrange(4),)) * chosen.randrange(1, 20) + chosen.randbytes(chosen.randrange(1, 12))
            if key in model:
                with pytest.raises(JetError) as caught:
                    tree.insert(writer, key, b"again")
                assert caught.value.code == codes.JET_errKeyDuplicate
                continue
            model[key] = chosen.randbytes(chosen.randrange(1, most if chosen.random() < 0.1 else 60))
            tree.insert(writer, key, model[key])
        elif what < 0.8:
            key = chosen.choice(list(model))
            model[key] = chosen.randbytes(chosen.randrange(1, most if chosen.random() < 0.1 else 200))
            tree.replace(writer, key, b"", model[key])
        else:
            key = chosen.choice(list(model))
            if chosen.random() < 0.5:
                tree.flag_delete(writer, key)
            tree.delete(writer, key)
            del model[key]
        if chosen.random() < 0.02:
            writer.commit()
    writer.commit()


@pytest.mark.parametrize("page_size", PAGE_SIZES)
def test_random_changes(page_size: int, tmp_path: Path) -> None:
    bench = fresh(tmp_path, page_size=page_size)
    model: Model = {}
    churn(bench, model, random.Random(page_size), 2500, page_size // 3)
    same(bench, model)
    prove(bench, tmp_path)


def test_a_cache_that_is_too_small(tmp_path: Path) -> None:
    bench = fresh(tmp_path, log_size=1 << 17)
    bench.store.cache.limit = 12
    model: Model = {}
    churn(bench, model, random.Random(1), 2500, 1200)
    assert bench.store.pages_written > 1000
    assert len(bench.store.cache.pages) < 30
    same(bench, model)
    prove(bench, tmp_path)


def ascending(number: int) -> bytes:
    return number.to_bytes(4, "big")


def descending(number: int) -> bytes:
    return ((1 << 20) - number).to_bytes(4, "big")


def long_keys(number: int) -> bytes:
    return bytes((number % 7,)) * 30 + number.to_bytes(4, "big") * 60


@pytest.mark.parametrize("key_of", [ascending, descending, long_keys])
def test_runs_of_keys(key_of: Callable[[int], bytes], tmp_path: Path) -> None:
    bench = fresh(tmp_path)
    model = {key_of(number): bytes(60 + number % 50) for number in range(2500)}
    for key, data in model.items():
        bench.tree.insert(bench.writer, key, data)
    bench.writer.commit()
    same(bench, model)
    found = logged(bench)
    assert found["Split2-vertical"] >= 1
    assert found["Split2-append"] > 50 if key_of is ascending else found["Split2-right"] > 50
    prove(bench, tmp_path)


def test_appending_fills_pages_up_to_the_density(tmp_path: Path) -> None:
    bench = fresh(tmp_path)
    loose = bench.store.tree(bench.objid, bench.root, unique=True, density=50)
    for number in range(400):
        loose.insert(bench.writer, ascending(number), bytes(100))
    position = loose.first()
    assert position is not None
    second = bench.store.get(position.page.next)  # the first one was full when it was the root
    assert 4000 * 0.45 <= second.free <= 4000 * 0.55
    bench.close()


def test_deleting_everything_gives_the_pages_back(tmp_path: Path) -> None:
    bench = fresh(tmp_path)
    chosen = random.Random(3)
    tree, writer = bench.tree, bench.writer
    for order in ("random", "ascending", "descending"):
        model = {chosen.randbytes(30): bytes(chosen.randrange(20, 400)) for _ in range(700)}
        for key, data in model.items():
            tree.insert(writer, key, data)
        keys = sorted(model, reverse=order == "descending")
        if order == "random":
            chosen.shuffle(keys)
        for key in keys[:-5]:
            tree.delete(writer, key)
            del model[key]
        same(bench, model)
        for key in keys[-5:]:
            tree.delete(writer, key)
            del model[key]
        assert contents(tree) == []
        assert tree.first() is None
    writer.commit()
    size = bench.file.page_count
    found = logged(bench)
    assert found["Merge2-1"] > 100
    assert found["EmptyTree"] >= 3
    assert size < 500
    prove(bench, tmp_path)


def test_a_leaf_at_the_end_of_its_parent_is_merged_to_the_left(tmp_path: Path) -> None:
    bench = fresh(tmp_path)
    tree, writer = bench.tree, bench.writer
    model = {long_keys(number): bytes(900) for number in range(600)}
    for key, data in model.items():
        tree.insert(writer, key, data)
    assert len(tree._path(max(model))) > 2
    for key in sorted(model, reverse=True)[50:550]:
        tree.delete(writer, key)
        del model[key]
    writer.commit()
    same(bench, model)
    assert logged(bench)["Merge2-5"] > 0
    prove(bench, tmp_path)


def test_the_end_of_a_high_tree_goes(tmp_path: Path) -> None:
    """The last pointer of all has no key, whichever pages at the end of the tree have been emptied."""
    bench = fresh(tmp_path)
    tree, writer = bench.tree, bench.writer
    model = {long_keys(number): bytes(900) for number in range(600)}
    for key, data in model.items():
        tree.insert(writer, key, data)
    assert len(tree._path(max(model))) > 2
    for key in sorted(model, reverse=True)[:400]:
        tree.delete(writer, key)
        del model[key]
    for number in range(1000, 1040):
        model[long_keys(number)] = bytes(900)
        tree.insert(writer, long_keys(number), bytes(900))
    writer.commit()
    same(bench, model)
    prove(bench, tmp_path)


def test_a_tree_that_is_not_unique(tmp_path: Path) -> None:
    bench = fresh(tmp_path)
    chosen = random.Random(4)
    tree, writer = bench.index, bench.writer
    entries: set[tuple[bytes, bytes]] = set()
    for _ in range(3000):
        entry = (bytes((chosen.randrange(5),)) * 12, chosen.randbytes(5))
        if entry in entries:
            continue
        entries.add(entry)
        tree.insert(writer, *entry)
        if bench.tree.find(entry[1]) is None:
            bench.tree.insert(writer, entry[1], b"what the entry points to")
    for entry in chosen.sample(sorted(entries), 1500):
        entries.remove(entry)
        tree.delete(writer, *entry)
    writer.commit()
    assert [(key, data) for key, data, _ in contents(tree)] == sorted(entries)
    key = bytes((2,)) * 12
    own = sorted(data for each, data in entries if each == key)
    first, last = tree.find(key), tree.seek_le(key)
    assert first is not None and last is not None
    assert (first.data, last.data) == (own[0], own[-1])
    below, above = tree.seek_lt(key), tree.seek_ge(key, own[-1] + b"\0")
    assert below is not None and above is not None
    assert (below.key[0], above.key[0]) == (1, 3)
    assert tree.find(key, own[7]) is not None
    assert tree.find(key, own[7] + b"x") is None
    prove(bench, tmp_path)


def test_navigation_survives_changes(tmp_path: Path) -> None:
    bench = fresh(tmp_path)
    tree, writer = bench.tree, bench.writer
    for number in range(0, 2000, 2):
        tree.insert(writer, ascending(number), bytes(80))
    position = tree.find(ascending(1000))
    assert position is not None
    for number in range(1, 2000, 2):
        tree.insert(writer, ascending(number), bytes(80))
    tree.delete(writer, ascending(1000))
    following, before = tree.next(position), tree.previous(position)
    assert following is not None and before is not None
    assert (following.key, before.key) == (ascending(1001), ascending(999))
    last = tree.seek_le(ascending(5000))
    assert last is not None and last.key == ascending(1999)
    assert tree.next(last) is None
    first = tree.first()
    assert first is not None and tree.previous(first) is None
    assert tree.seek_ge(ascending(2000)) is None
    assert tree.seek_lt(ascending(0)) is None
    exact = tree.seek_le(ascending(7))
    assert exact is not None and exact.key == ascending(7)
    bench.close()


def test_versioned_operations_and_their_undo(tmp_path: Path) -> None:
    """Each kind of change once, undone: the log says so, and replay agrees."""

    class Undone:
        def __init__(self, oper: int, rceid: int, before: bytes = b"", offset: int = 0, delta: int = 0) -> None:
            self.oper, self.rceid, self.before, self.offset, self.delta = oper, rceid, before, offset, delta

    bench = fresh(tmp_path)
    tree, writer = bench.tree, bench.writer
    for key in (b"a", b"b", b"c"):
        tree.insert(writer, key, bytes(16))
    writer.commit()
    tree.insert(writer, b"n", b"new", rceid=11)
    tree.replace(writer, b"a", b"", b"other", rceid=13)
    tree.flag_delete(writer, b"b", rceid=15)
    tree.delta(writer, b"c", b"", 4, 7, 4, rceid=17)
    tree.delta(writer, b"c", b"", 8, -7, 8, rceid=19)
    with pytest.raises(JetError):
        tree.delta(writer, b"c", b"", 13, 1, 4)
    found = tree.find(b"c")
    assert found is not None and found.data == bytes(4) + b"\7\0\0\0" + (2**64 - 7).to_bytes(8, "little")
    tree.undo(writer, Undone(9, 19, offset=8, delta=-7), b"c")
    tree.undo(writer, Undone(4, 17, offset=4, delta=7), b"c")
    tree.undo(writer, Undone(3, 15), b"b")
    tree.undo(writer, Undone(2, 13, before=bytes(16)), b"a")
    tree.undo(writer, Undone(1, 11), b"n")
    assert contents(tree) == [(b"a", bytes(16), 0), (b"b", bytes(16), 0), (b"c", bytes(16), 0), (b"n", b"new", 2)]
    tree.flag_insert(writer, b"n", b"new", rceid=21)
    tree.flag_delete(writer, b"n", rceid=23)
    tree.flag_insert_and_replace(writer, b"n", b"x" * 3000, rceid=25, rceid_replace=27)
    tree.flag_delete(writer, b"n", rceid=29)
    tree.flag_insert_and_replace(writer, b"n", b"y" * 3900, rceid=31, rceid_replace=33)
    writer.commit()
    kinds = logged(bench)
    assert (kinds["Undo"], kinds["Delta"], kinds["Delta64"], kinds["FlagInsertAndReplaceData"]) == (5, 1, 1, 2)
    prove(bench, tmp_path)


def test_space_kept_for_roll_backs_is_not_used(tmp_path: Path) -> None:
    bench = fresh(tmp_path)
    tree, writer = bench.tree, bench.writer
    tree.insert(writer, b"k", bytes(3000))
    tree.replace(writer, b"k", b"", b"x", rceid=5)
    page = bench.store.get(bench.root)
    bench.store.reserved_space = lambda page, beside: 2999 if page.pgno == bench.root and beside is None else 0
    tree.insert(writer, b"m", bytes(1500))
    assert not page.is_leaf
    bench.close()


def test_trees_come_and_go(tmp_path: Path) -> None:
    bench = fresh(tmp_path)
    store, writer = bench.store, bench.writer
    before = bench.file.page_count
    for number in range(6):
        names = []
        for kind in range(4):
            parent = TreeName(1, 1, unique=True) if kind < 2 else names[-2]
            unique = kind != 3
            name = store.create(writer, parent, pages=(1, 5, 1, 1)[kind], unique=unique, class_flags=0 if kind < 2 else 0x40)
            names.append(name)
            tree = store.tree(name.objid, name.fdp, unique=unique)
            for each in range(300):
                tree.insert(writer, ascending(each), bytes(100 + number))
        for name in (names[3], names[2], names[0], names[1]):
            store.free(writer, name)
    writer.commit()
    assert bench.file.page_count < before + 300
    found = logged(bench)
    assert found["CreateSEFDP"] == 24
    assert found["ConvertFDP2"] == 24
    assert found["FreeFDP"] == 24
    prove(bench, tmp_path)


def test_space_trees_split(tmp_path: Path) -> None:
    """Hundreds of extents: more than one page of OwnExt and AvailExt holds."""
    bench = fresh(tmp_path)
    store, writer = bench.store, bench.writer
    root = TreeName(1, 1, unique=True)
    store.growth = 1
    names = [store.create(writer, root, pages=1 + number % 3) for number in range(1200)]
    for name in names[::2]:
        store.free(writer, name)
    for number in range(700):
        store.create(writer, root, pages=2 + number % 2)
    writer.commit()
    assert not store.get(2).is_leaf
    assert not store.get(3).is_leaf
    prove(bench, tmp_path, orphans=True)


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    bench = fresh(tmp_path)
    bench.store.size_limit = 60
    model: Model = {}
    with pytest.raises(JetError) as caught:
        for number in range(10000):
            bench.tree.insert(bench.writer, ascending(number), bytes(500))
            model[ascending(number)] = bytes(500)
    assert caught.value.code == codes.JET_errOutOfDatabaseSpace
    assert bench.file.page_count == 60
    same(bench, model)
    bench.store.size_limit = 0
    bench.tree.insert(bench.writer, b"\xff", bytes(500))
    bench.writer.commit()
    prove(bench, tmp_path)


def test_without_a_log(tmp_path: Path) -> None:
    bench = fresh(tmp_path, logged=False)
    model: Model = {}
    churn(bench, model, random.Random(5), 1500, 1200)
    same(bench, model)
    path = bench.finish()
    bench.close()
    report = verify_database(path)
    assert report.ok
    assert [str(finding) for finding in report.findings] == []


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(30))
def test_random_changes_for_long(seed: int, tmp_path: Path) -> None:
    page_size = PAGE_SIZES[seed % 4]
    bench = fresh(tmp_path, page_size=page_size)
    if seed % 2:
        bench.store.cache.limit = 20
    model: Model = {}
    churn(bench, model, random.Random(seed), 20000, page_size // 3)
    same(bench, model)
    prove(bench, tmp_path)


def test_what_was_found_is_not_taken_for_a_place_on_another_leaf(tmp_path: Path) -> None:
    """The same key is looked for again, the very same object, after something else was sought elsewhere."""
    bench = fresh(tmp_path)
    tree, writer = bench.tree, bench.writer
    model = {b"%04d" % number: bytes(200) for number in range(60)}
    for each, data in model.items():
        tree.insert(writer, each, data)
    key = b"%04d" % 17
    for number, seek in enumerate((tree.seek_ge, tree.seek_lt, tree.seek_le)):
        assert tree.find(key) is not None
        seek(b"0055")
        model[key] = b"new%d" % number
        tree.replace(writer, key, b"", model[key])
        same(bench, model)
    writer.commit()
    bench.close()
