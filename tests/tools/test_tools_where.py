"""Conditions: what they mean, against the same in Python; text that is none."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esent.records.columns import FLAG_MULTIVALUED, Coltyp, Column
from esent.tools.where import Condition, ConditionError

COLUMNS = {
    each.name.upper(): each
    for each in (
        Column("a", 1, Coltyp.LONG),
        Column("b", 2, Coltyp.LONG_LONG),
        Column("Name", 128, Coltyp.TEXT, code_page=1200),
        Column("When", 3, Coltyp.DATE_TIME),
        Column("Price", 4, Coltyp.CURRENCY),
        Column("Real", 5, Coltyp.IEEE_DOUBLE),
        Column("Key", 6, Coltyp.GUID),
        Column("Flag", 7, Coltyp.BIT),
        Column("Data", 129, Coltyp.BINARY),
        Column("Odd ]name", 130, Coltyp.TEXT, code_page=1252),
        Column("many", 256, Coltyp.LONG, flags=FLAG_MULTIVALUED),
    )
}
GUID = uuid.UUID("3f360af1-6766-46dc-9af2-0dacf295c2a1")
ROW: dict[str, Any] = {
    "A": 5, "B": None, "NAME": "Ada's 100%", "WHEN": datetime.datetime(2024, 2, 29, 12), "PRICE": decimal.Decimal("0.1000"),
    "REAL": 1.5, "KEY": GUID, "FLAG": True, "DATA": b"\0\xff", "ODD ]NAME": "x", "MANY": [1, 2, None],
}  # fmt: skip


def holds(text: str, row: dict[str, Any] = ROW) -> bool | None:
    condition = Condition(text)
    test = condition.bound([COLUMNS[name.upper()] for name in condition.names])
    return test([row[name.upper()] for name in condition.names])


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("a = 5", True), ("5 == A", True), ("a <> 5", False), ("6 > a", True), ("a < 5.5", True), ("a >= -5", True),
        ("b = 1", None), ("not b = 1", None), ("b is null", True), ("b is not null", False), ("b = 1 or a = 5", True),
        ("b = 1 and a = 6", False), ("b = 1 and a = 5", None), ("a in (1, 5)", True), ("a not in (1, 5)", False),
        ("a between 5 and 6", True), ("a not between 1 and 4", True), ("name like 'ada%'", True), ("name like '_da''s%'", True),
        ("name like '%z%'", False), ("name not like '%0\\%'", True), ("Name = 'Ada''s 100%'", True),
        ("name = 'ADA''S 100%'", False),
        ("when > '2024-02-29'", True), ("when < '2024-02-29T12:00:00Z'", False), ("price = 0.1", True), ("price < 1", True),
        ("real = 1.5", True), ("key = '{3F360AF1-6766-46DC-9AF2-0DACF295C2A1}'", True), ("flag", True), ("not flag", False),
        ("flag = 0", False), ("data = x'00FF'", True), ("\"odd ]name\" = 'x'", True), ("many = 2", True), ("many > 2", False),
        ("many is null", False), ("a = 5 or a = 6 and a = 7", True), ("(a = 5 or a = 6) and a = 7", False), ("a = real", False),
        ("not not (a = 5)", True), ("  a=5  ", True),
    ],
)  # fmt: skip
def test_what_conditions_mean(text: str, truth: bool | None) -> None:
    assert holds(text) is truth


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a =", "= 5", "a = 'x'", "a == 5 == 5", "(a = 5", "a = 5)", "a like 'x'", "name like 5", "when = 'yesterday'",
        "data = x'0'", "key = 'x'", "a is 5", "a not 5", "in (5)", "a in ()", "a in (5", "name = \"x", "a = 5; b = 5",
        "a ** 2 = 25",
        "open('x')", "a.real = 5", "a = lambda: 5", "a between 5", "1 = 1", "many = many", "name = a",
        "(" * 70 + "a = 5" + ")" * 70,
        "a = 5 or " * 9000 + "a = 5", "a = 1e", "a = 0x10", "\0", "a = \ud800",
    ],
)  # fmt: skip
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises((ConditionError, KeyError)):
        holds(text)


NUMBERS = st.integers(-3, 3)
LEAVES = st.tuples(st.sampled_from("ab"), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), NUMBERS)
TREES = st.recursive(LEAVES, lambda parts: st.tuples(st.sampled_from(["and", "or"]), parts, parts), max_leaves=12)


def written(tree: Any) -> str:
    if tree[0] in ("and", "or"):
        return f"({written(tree[1])} {tree[0]} {written(tree[2])})"
    return f"{tree[0]} {tree[1]} {tree[2]}"


@given(TREES, NUMBERS, NUMBERS)
def test_conditions_agree_with_python_and_limits_leave_out_nothing(tree: Any, a: int, b: int) -> None:
    text = written(tree)
    truth = holds(text, {"A": a, "B": b})
    assert truth is bool(eval(text.replace(" = ", " == "), {}, {"a": a, "b": b}))
    low, high = Condition(text).limits(COLUMNS["A"])
    if truth:
        assert (low is None or low <= a) and (high is None or a <= high)


@given(st.text(st.sampled_from("ab(),'=<>! andornotlikesx0%_\"[]."), max_size=40))
def test_any_text_is_a_condition_or_told_not_to_be(text: str) -> None:
    with contextlib.suppress(ConditionError):
        condition = Condition(text)
        test = condition.bound([COLUMNS["A"]] * len(condition.names))
        assert test([5] * len(condition.names)) in (True, False, None)
