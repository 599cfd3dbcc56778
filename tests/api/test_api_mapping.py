"""`PersistentDict` beside a dict."""

from __future__ import annotations

import datetime
import tempfile
import threading
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import esent
from esent.api.mapping import decode_key, decode_value, encode_key, encode_value

KEYS = st.integers(-(2**200), 2**200) | st.text(max_size=40) | st.binary(max_size=40) | st.uuids()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
VALUES = JSON | st.binary() | st.datetimes() | st.dates() | st.uuids()
RANKS = {int: 1, bytes: 2, str: 3, uuid.UUID: 4}


@given(KEYS, KEYS)
def test_keys_sort_as_their_bytes(one, other):
    assert decode_key(encode_key(one)) == one
    if type(one) is type(other):
        assert (encode_key(one) < encode_key(other)) == (
            (one.bytes if type(one) is uuid.UUID else one) < (other.bytes if type(other) is uuid.UUID else other)
        )
    else:
        assert (encode_key(one) < encode_key(other)) == (RANKS[type(one)] < RANKS[type(other)])


@given(VALUES)
def test_values_come_back(value):
    found = decode_value(encode_value(value))
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("value", [(1, 2), {1: "a"}, [(1,)], {"a": b"b"}, object(), {1}])
def test_what_would_not_come_back_is_refused(value):
    with pytest.raises(TypeError):
        encode_value(value)


def test_pickles_are_for_those_who_ask(db):
    with_pickle = esent.PersistentDict(db, pickle=True)
    with_pickle["a"] = (1, {2, 3})
    assert with_pickle["a"] == (1, {2, 3})
    with pytest.raises(TypeError, match="pickle=True"):
        esent.PersistentDict(db)["a"]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["set", "del", "pop", "default", "update", "popitem", "lost"]), st.integers(-5, 5), st.integers()
    ),
    max_size=25,
)


@settings(max_examples=15, deadline=None)
@given(STEPS)
def test_it_does_what_a_dict_does(steps):
    model = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.edb"
        with esent.PersistentDict(path) as mapping:
            for what, key, value in steps:
                if what == "set":
                    mapping[key] = model[key] = value
                elif what == "del" and key in model:
                    del mapping[key], model[key]
                elif what == "pop":
                    assert mapping.pop(key, None) == model.pop(key, None)
                elif what == "default":
                    assert mapping.setdefault(key, value) == model.setdefault(key, value)
                elif what == "update":
                    mapping.update({key: value, key + 1: value})
                    model.update({key: value, key + 1: value})
                elif what == "popitem" and model:
                    last = max(model)
                    assert mapping.popitem() == (last, model.pop(last))
                elif what == "lost":
                    with pytest.raises(ZeroDivisionError), mapping.transaction():
                        mapping[key] = value
                        mapping.clear()
                        _ = 1 // 0
                assert list(mapping.items()) == sorted(model.items())
        with esent.PersistentDict(path) as mapping:
            assert dict(mapping) == model and len(mapping) == len(model) and bool(mapping) == bool(model)


def test_ranges_and_missing_keys(db):
    mapping = esent.PersistentDict(db, "m")
    mapping.update({"a1": 1, "a2": 2, "b": datetime.date(2024, 1, 1)}, c=None)
    assert list(mapping.prefix("a")) == [("a1", 1), ("a2", 2)]
    assert list(mapping.range("a2", "b")) == [("a2", 2), ("b", datetime.date(2024, 1, 1))]
    assert list(reversed(mapping)) == ["c", "b", "a2", "a1"]
    for call in (lambda: mapping["x"], lambda: mapping.pop("x"), lambda: mapping.__delitem__("x")):
        with pytest.raises(KeyError):
            call()
    with pytest.raises(TypeError):
        mapping[1.5] = 1
    mapping.clear()
    with pytest.raises(KeyError):
        mapping.popitem()
    with pytest.raises(esent.JetError):
        mapping["k" * 1000] = 1
    assert not mapping


def test_threads_that_change_one_key_lose_nothing(db):
    mapping = esent.PersistentDict(db)

    def work():
        for _ in range(25):
            mapping.modify("n", lambda value: value + 1, 0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert mapping["n"] == 100
