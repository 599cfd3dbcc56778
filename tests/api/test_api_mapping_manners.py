"""`PersistentDict` has the manners of a dict: every method, side by side."""

from __future__ import annotations

import copy
import pickle
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import esent

KEYS = st.integers(-3, 3) | st.booleans() | st.sampled_from(["", "a", "ab", "\ud800"]) | st.sampled_from([b"", b"a"])
STRANGE = st.sampled_from([1.0, 1.5, float("nan"), None, (1,), frozenset(), 1 << 2000, "x" * 3000])
WITHOUT_HASH = st.sampled_from([[1], {}, bytearray(b"a")])
VALUES = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
DICTS = st.dictionaries(KEYS, VALUES, max_size=6)


ON_ONE_MAPPING = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def mapping(tmp_path: Path) -> Iterator[esent.PersistentDict[Any, Any]]:
    with esent.PersistentDict(tmp_path / "m.edb") as found:
        yield found


def outcome(call: Callable[[Any], Any], on: Any) -> Any:
    """What a call returns, or the type of what it raises and, of a KeyError, the key."""
    try:
        return call(on)
    except KeyError as problem:
        return KeyError, problem.args
    except Exception as problem:
        return type(problem)


class WithKeys:
    """What `dict.update` takes though it is no mapping."""

    def __init__(self, content: dict[Any, Any]) -> None:
        self.keys = content.keys
        self.__class__ = type("WithKeys", (WithKeys,), {"__getitem__": lambda _self, key: content[key]})


def changed(by: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The content after a change, and what it gave."""

    def call(on: Any) -> Any:
        result = outcome(by, on)
        return dict(on), None if result is on else result

    return call


def merged(on: Any, other: Any) -> Any:
    on |= other
    return on


def set_item(on: Any, key: Any, value: Any) -> None:
    on[key] = value


@ON_ONE_MAPPING
@given(content=DICTS, other=DICTS, key=KEYS | STRANGE | WITHOUT_HASH, value=VALUES)
def test_what_is_read(
    mapping: esent.PersistentDict[Any, Any], content: dict[Any, Any], other: dict[Any, Any], key: Any, value: Any
) -> None:
    mapping.clear()
    mapping.update(content)
    calls: list[Callable[[Any], Any]] = [
        lambda m: m[key],
        lambda m: m.get(key),
        lambda m: m.get(key, value),
        lambda m: key in m,
        lambda m: key in m.keys(),  # noqa: SIM118 - the view is tested
        lambda m: (key, value) in m.items(),
        lambda m: value in m.values(),
        lambda m: [len(each) for each in (m, m.keys(), m.values(), m.items())],
        bool,
        dict,
        lambda m: m.copy(),
        lambda m: type(m.copy()),
        lambda m: set(m) == set(m.keys()) == {each for each, _ in m.items()},
        lambda m: list(reversed(m.items())) == list(m.items())[::-1],
        lambda m: list(reversed(m.keys())) == list(m)[::-1] == list(reversed(m)),
        lambda m: list(reversed(m.values())) == list(m.values())[::-1],
        lambda m: [m[each] for each in m] == list(m.values()),
        lambda m: m == other,
        lambda m: other == m,
        lambda m: m != other,
        lambda m: m == content,
        lambda m: m == 3,
        lambda m: m | other,
        lambda m: other | m,
        lambda m: m | 3,
        lambda m: m | [("a", 1)],
        lambda m: m.keys() & other.keys(),
        lambda m: m.keys() | set(other),
        lambda m: m.keys() - other.keys(),
        lambda m: m.keys() ^ other.keys(),
        lambda m: m.keys() <= other.keys(),
        lambda m: m.keys() == other.keys(),
        lambda m: m.keys().isdisjoint(other),
        lambda m: m.items() == other.items(),
        lambda m: m.items() >= other.items(),
        lambda m: m.items() == m.items(),
        hash,
    ]
    for number, call in enumerate(calls):
        assert outcome(call, mapping) == outcome(call, content), number


@ON_ONE_MAPPING
@given(content=DICTS, other=DICTS, key=KEYS, strange=STRANGE, value=VALUES)
def test_what_is_changed(
    mapping: esent.PersistentDict[Any, Any], content: dict[Any, Any], other: dict[Any, Any], key: Any, strange: Any, value: Any
) -> None:
    calls: list[Callable[[Any], Any]] = [
        lambda m: set_item(m, key, value),
        lambda m: m.__delitem__(key),
        lambda m: m.__delitem__(strange),
        lambda m: m.pop(key),
        lambda m: m.pop(key, value),
        lambda m: m.pop(strange, value),
        lambda m: m.setdefault(key),
        lambda m: m.setdefault(key, value),
        lambda m: m.update(other),
        lambda m: m.update(list(other.items())),
        lambda m: m.update(iter(other.items())),
        lambda m: m.update(WithKeys(other)),
        lambda m: m.update(other, self=value, key=value),
        lambda m: m.update(),
        lambda m: m.update(m),
        lambda m: m.update(5),
        lambda m: m.update(None),
        lambda m: m.update([5]),
        lambda m: m.update(["abc"]),
        lambda m: merged(m, other),
        lambda m: merged(m, list(other.items())),
        lambda m: merged(m, 5),
        lambda m: m.clear(),
    ]
    for number, call in enumerate(calls):
        mapping.clear()
        mapping.update(content)
        assert outcome(changed(call), mapping) == outcome(changed(call), dict(content)), number


def test_the_order_is_that_of_the_keys(mapping: esent.PersistentDict[Any, Any]) -> None:
    number = uuid.uuid4()
    keys = [-(2**70), -1, 0, 5, 2**70, b"", b"a", b"b", "", "Z", "a", "\u00e9", "\U0001f600", number]
    mapping.clear()
    mapping.update(dict.fromkeys(reversed(keys)))
    assert list(mapping) == keys
    assert mapping.popitem() == (number, None)


@pytest.mark.parametrize("strange", [1.5, None, (1,), [1]])
def test_what_cannot_be_a_key_is_not_stored(mapping: esent.PersistentDict[Any, Any], strange: Any) -> None:
    mapping.clear()
    for call in (lambda: mapping.__setitem__(strange, 1), lambda: mapping.update([("a", 1), (strange, 1)])):
        with pytest.raises(TypeError, match="int, bytes, str or UUID"):
            call()
    assert dict(mapping) == {}


def test_a_key_that_is_too_long_is_told_so(mapping: esent.PersistentDict[Any, Any]) -> None:
    mapping.clear()
    with pytest.raises(esent.KeyTruncatedError, match="a key of 3000 bytes"):
        mapping.update({"a": 1, "x" * 3000: 2})
    assert dict(mapping) == {}


def test_a_default_that_is_not_needed_need_not_be_storable(mapping: esent.PersistentDict[Any, Any]) -> None:
    mapping["a"] = 1
    assert mapping.setdefault("a", object()) == 1


@pytest.mark.parametrize("by", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_is_not_pickled(mapping: esent.PersistentDict[Any, Any], by: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        by(mapping)


def test_it_may_change_under_an_iteration(mapping: esent.PersistentDict[Any, Any]) -> None:
    mapping.clear()
    mapping.update(dict.fromkeys(range(10), 0))
    for key in mapping:
        del mapping[key]
    assert not mapping
    mapping.update(dict.fromkeys(range(10), 0))
    met = []
    for key, value in mapping.items():
        met.append((key, value))
        mapping.pop(key + 1, None)
        if key < 12:
            mapping[key + 10] = key
    assert met == [(0, 0), (2, 0), (4, 0), (6, 0), (8, 0), (10, 0), (12, 2), (14, 4), (16, 6), (18, 8), (20, 10)]


def test_items_are_there_whatever_other_threads_do(mapping: esent.PersistentDict[Any, Any]) -> None:
    """A view that looks up each key that it has met would meet one that is gone."""
    mapping.clear()
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            mapping["a"] = 1
            del mapping["a"]

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        for _ in range(100):
            assert list(mapping.items()) in ([], [("a", 1)])
            assert list(mapping.values()) in ([], [1])
            assert mapping.copy() in ({}, {"a": 1})
    finally:
        stop.set()
        other.join()


def test_more_rows_than_a_small_version_store_holds(tmp_path: Path) -> None:
    with esent.PersistentDict(tmp_path / "m.edb") as mapping:
        with mapping.database.transaction(lazy=True):
            mapping.database["mapping"].insert_many(
                [{"key": b"\x01" + number.to_bytes(3, "big"), "value": b"n"} for number in range(13_000)]
            )
        assert len(mapping) == 13_000


def test_the_table_of_something_else_is_refused(tmp_path: Path) -> None:
    with esent.open(tmp_path / "a.edb") as db:
        db.create_table("people", {"id": esent.Int64(), "name": esent.Text()}, primary_key="id")
        with pytest.raises(esent.TableDuplicateError, match="people"):
            esent.PersistentDict(db, "people")
        with pytest.raises(TypeError, match="page_size"):
            esent.PersistentDict(db, "other", page_size=8192)
    with pytest.raises(TypeError, match="for writing"):
        esent.PersistentDict(tmp_path / "a.edb", read_only=True)


def test_after_the_end_it_says_that_it_is_closed(tmp_path: Path) -> None:
    mapping = esent.PersistentDict[str, int](tmp_path / "m.edb")
    mapping["a"] = 1
    mapping.close()
    calls: list[Callable[[], Any]] = [
        lambda: mapping["a"],
        lambda: mapping.get("a"),
        lambda: "a" in mapping,
        lambda: list(mapping),
        lambda: len(mapping),
        lambda: mapping.update(a=2),
        lambda: mapping.transaction().__enter__(),
        lambda: mapping.database.tables,
    ]
    for call in calls:
        with pytest.raises(esent.NotInitializedError, match="the database is closed"):
            call()
    mapping.close()
