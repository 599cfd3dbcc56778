"""Conditions on rows, as `esent export --where` and `to_arrow(where=...)` take them.

    condition  = term { "or" term }
    term       = factor { "and" factor }
    factor     = "not" factor | "(" condition ")" | comparison
    comparison = operand [ ("=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=") operand
                         | "is" ["not"] "null"
                         | ["not"] "in" "(" literal { "," literal } ")"
                         | ["not"] "between" literal "and" literal
                         | ["not"] "like" 'pattern' ]
    operand    = column | literal
    column     = name | "name" | [name]
    literal    = 12 | -1.5 | 'text' | x'00ff' | true | false

Words may be in any case, and so may the names of columns. Quotes inside quotes are doubled. As in SQL, a comparison with NULL
is neither true nor false, and a row is chosen where the condition is true. What a literal is depends on the column beside it: a
date ('2024-01-31 12:00:00'), a GUID, an amount, text. Text is compared character by character; `like` takes `%` for
anything and `_` for one character and does not mind the case. A condition on a multi-valued column holds where it holds for one
of its values.

The text is taken apart by the grammar above and by nothing else: it is never run.
"""

from __future__ import annotations

import datetime
import decimal
import operator
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from esent.records.columns import TEXT_TYPES, Coltyp, Column

LONGEST = 65_536
DEEPEST = 64

Truth = bool | None
"""None: unknown, as of a comparison with NULL."""

Test = Callable[[Sequence[Any]], Truth]
"""A condition on the values of the columns it names, in the order of `Condition.names`."""

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<hex>[xX]'[^']*')
  | (?P<text>'(?:[^']|'')*')
  | (?P<quoted>"(?:[^"]|"")*"|\[[^\]]*\])
  | (?P<number>-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<word>[^\W\d]\w*)
  | (?P<sign><=|>=|<>|!=|==|[=<>(),])
    )""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_WORDS = frozenset({"and", "or", "not", "is", "null", "in", "like", "between", "true", "false"})
_WHOLE = frozenset(
    {
        Coltyp.UNSIGNED_BYTE,
        Coltyp.SHORT,
        Coltyp.UNSIGNED_SHORT,
        Coltyp.LONG,
        Coltyp.UNSIGNED_LONG,
        Coltyp.LONG_LONG,
        Coltyp.UNSIGNED_LONG_LONG,
    }
)
_NUMBERS = _WHOLE | {Coltyp.CURRENCY, Coltyp.IEEE_SINGLE, Coltyp.IEEE_DOUBLE}


class ConditionError(ValueError):
    """A condition that is none, or that does not fit the table."""


class _Name(NamedTuple):
    name: str


class _Literal(NamedTuple):
    kind: str  # "number", "text", "hex", "bool"
    text: str


_Operand = _Name | _Literal


@dataclass(frozen=True, slots=True)
class _Comparison:
    left: _Operand
    operator: str  # one of _COMPARE, "null", "in", "between", "like"
    right: tuple[_Operand, ...] = ()


@dataclass(frozen=True, slots=True)
class _Not:
    part: _Node


@dataclass(frozen=True, slots=True)
class _Group:
    word: str  # "and", "or"
    parts: tuple[_Node, ...]


_Node = _Comparison | _Not | _Group


class Condition:
    """A condition that was understood. `names`: the columns it looks at, as they are written in it."""

    def __init__(self, text: str) -> None:
        """Raises `ConditionError`, which says where `text` cannot be understood."""
        self.text = text
        self._root = _Parser(text).parsed()
        self.names: list[str] = []
        _collect(self._root, self.names)

    def bound(self, columns: Sequence[Column]) -> Test:
        """The condition as a test of the values of `names`; `columns` are those of the same names.

        Raises `ConditionError` where a literal is none of its column's type.
        """
        known = {name.upper(): (place, column) for place, (name, column) in enumerate(zip(self.names, columns, strict=True))}
        return _bound(self._root, known)

    def limits(self, column: Column) -> tuple[Any, Any]:
        """The least and the greatest value that `column`, a whole number, can have where the condition is true.

        None: no limit.
        """
        low: Any = None
        high: Any = None
        for part in self._root.parts if isinstance(self._root, _Group) and self._root.word == "and" else (self._root,):
            for sign, value in _limits_of(part, column):
                if sign in ("=", "==", ">", ">=") and (low is None or value > low):
                    low = value
                if sign in ("=", "==", "<", "<=") and (high is None or value < high):
                    high = value
        return low, high


def _limits_of(part: _Node, column: Column) -> list[tuple[str, Any]]:
    if not isinstance(part, _Comparison) or column.coltyp not in _WHOLE or column.is_multivalued:
        return []
    left, right, sign = part.left, part.right, part.operator
    if len(right) == 1 and isinstance(left, _Literal) and isinstance(right[0], _Name):
        left, right, sign = right[0], (left,), _MIRRORED.get(sign, sign)
    if not isinstance(left, _Name) or left.name.upper() != column.name.upper():
        return []
    values = [_value(each, column) for each in right if isinstance(each, _Literal)]
    if len(values) != len(right) or not values:
        return []
    if sign == "between":
        return [(">=", values[0]), ("<=", values[1])]
    if sign == "in":
        return [(">=", min(values)), ("<=", max(values))]
    return [(sign, values[0])] if sign in _COMPARE else []


def _collect(node: _Node, names: list[str]) -> None:
    if isinstance(node, _Not):
        _collect(node.part, names)
    elif isinstance(node, _Group):
        for part in node.parts:
            _collect(part, names)
    else:
        for operand in (node.left, *node.right):
            if isinstance(operand, _Name) and operand.name.upper() not in {name.upper() for name in names}:
                names.append(operand.name)


class _Parser:
    def __init__(self, text: str) -> None:
        if len(text) > LONGEST:
            raise ConditionError(f"a condition of {len(text)} characters; {LONGEST} are possible")
        self._tokens: list[tuple[str, str, int]] = []
        self._place = 0
        self._depth = 0
        at = 0
        end = len(text.rstrip())
        while at < end:
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise ConditionError(f"character {at + 1} of the condition: {text[at : at + 20]!r} is not understood")
            self._tokens.append((found.lastgroup, found.group(found.lastgroup), found.start(found.lastgroup)))
            at = found.end()
        self._tokens.append(("end", "", end))

    def parsed(self) -> _Node:
        node = self._condition()
        if self._tokens[self._place][0] != "end":
            raise self._unexpected("the end of the condition")
        return node

    def _unexpected(self, wanted: str) -> ConditionError:
        kind, text, at = self._tokens[self._place]
        return ConditionError(
            f"character {at + 1} of the condition: {wanted} is expected, not {'its end' if kind == 'end' else text}"
        )

    def _word(self, *words: str) -> str | None:
        """The next token if it is one of these words or signs, which is then behind us."""
        kind, text, _ = self._tokens[self._place]
        if kind in ("word", "sign") and text.lower() in words:
            self._place += 1
            return text.lower()
        return None

    def _require(self, *words: str) -> None:
        if self._word(*words) is None:
            raise self._unexpected(" or ".join(words))

    def _condition(self) -> _Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ConditionError(f"a condition that is nested more than {DEEPEST} times")
        parts = [self._term()]
        while self._word("or"):
            parts.append(self._term())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else _Group("or", tuple(parts))

    def _term(self) -> _Node:
        parts = [self._factor()]
        while self._word("and"):
            parts.append(self._factor())
        return parts[0] if len(parts) == 1 else _Group("and", tuple(parts))

    def _factor(self) -> _Node:
        negated = False
        while self._word("not"):
            negated = not negated
        if self._word("("):
            node = self._condition()
            self._require(")")
        else:
            node = self._comparison()
        return _Not(node) if negated else node

    def _comparison(self) -> _Node:
        left = self._operand()
        sign = self._word(*_COMPARE)
        if sign is not None:
            return _Comparison(left, sign, (self._operand(),))
        if self._word("is"):
            negated = self._word("not")
            self._require("null")
            return _Not(_Comparison(left, "null")) if negated else _Comparison(left, "null")
        negated = self._word("not")
        word = self._word("in", "between", "like")
        if word is None:
            if negated:
                raise self._unexpected("in, between or like")
            return _Comparison(left, "=", (_Literal("bool", "true"),))
        if word == "in":
            self._require("(")
            values = [self._literal()]
            while self._word(","):
                values.append(self._literal())
            self._require(")")
        elif word == "between":
            values = [self._literal()]
            self._require("and")
            values.append(self._literal())
        else:
            values = [self._literal()]
        node = _Comparison(left, word, tuple(values))
        return _Not(node) if negated else node

    def _operand(self) -> _Operand:
        kind, text, _ = self._tokens[self._place]
        if kind == "quoted":
            self._place += 1
            return _Name(text[1:-1].replace('""', '"') if text[0] == '"' else text[1:-1])
        if kind == "word" and text.lower() not in _WORDS:
            self._place += 1
            return _Name(text)
        return self._literal()

    def _literal(self) -> _Literal:
        kind, text, at = self._tokens[self._place]
        if kind == "text":
            text = text[1:-1].replace("''", "'")
        elif kind == "hex":
            text = text[2:-1]
            if len(text) % 2 or re.fullmatch("[0-9a-fA-F]*", text) is None:
                raise ConditionError(
                    f"character {at + 1} of the condition: bytes in hexadecimal are expected between the quotes"
                )
        elif kind == "word" and text.lower() in ("true", "false"):
            kind, text = "bool", text.lower()
        elif kind != "number":
            raise self._unexpected("a column or a value")
        self._place += 1
        return _Literal(kind, text)


_Known = dict[str, tuple[int, Column]]


def _bound(node: _Node, known: _Known) -> Test:
    if isinstance(node, _Not):
        part = _bound(node.part, known)

        def negation(row: Sequence[Any]) -> Truth:
            found = part(row)
            return None if found is None else not found

        return negation
    if isinstance(node, _Group):
        parts = [_bound(each, known) for each in node.parts]
        decides = node.word == "or"  # the truth that needs no look at the others

        def group(row: Sequence[Any]) -> Truth:
            result: Truth = not decides
            for each in parts:
                found = each(row)
                if found is decides:
                    return decides
                if found is None:
                    result = None
            return result

        return group
    return _bound_comparison(node, known)


def _bound_comparison(node: _Comparison, known: _Known) -> Test:
    names = [known[each.name.upper()] for each in (node.left, *node.right) if isinstance(each, _Name)]
    if not names:
        raise ConditionError("a comparison without a column")
    place, column = names[0]
    if len(names) == 2:
        return _two_columns(node.operator, names[0], names[1])
    if node.operator == "null":
        return lambda row: row[place] is None
    literals = [each for each in (node.left, *node.right) if isinstance(each, _Literal)]
    if node.operator == "like":
        check = _like(literals[0], column)
    else:
        values = [_value(each, column) for each in literals]
        if node.operator == "in":
            chosen = frozenset(values)
            check = chosen.__contains__
        elif node.operator == "between":
            low, high = values
            check = lambda value: low <= value <= high  # noqa: E731
        else:
            mirrored = isinstance(node.left, _Literal)
            compare = _COMPARE[_MIRRORED.get(node.operator, node.operator) if mirrored else node.operator]
            wanted = values[0]
            check = lambda value: compare(value, wanted)  # noqa: E731
    if column.is_multivalued:
        return lambda row: None if row[place] is None else any(each is not None and check(each) for each in row[place])
    return lambda row: None if row[place] is None else check(row[place])


def _two_columns(sign: str, left: tuple[int, Column], right: tuple[int, Column]) -> Test:
    (first, one), (second, other) = left, right
    if one.is_multivalued or other.is_multivalued or _family(one) != _family(other) or sign not in _COMPARE:
        raise ConditionError(f"columns {one.name} and {other.name} cannot be compared")
    compare = _COMPARE[sign]
    return lambda row: None if row[first] is None or row[second] is None else compare(row[first], row[second])


def _family(column: Column) -> object:
    if column.coltyp in _NUMBERS:
        return "number"
    if column.coltyp in TEXT_TYPES:
        return "text"
    if column.coltyp in (Coltyp.BIT, Coltyp.DATE_TIME, Coltyp.GUID):
        return column.coltyp
    return "bytes"


def _like(literal: _Literal, column: Column) -> Callable[[Any], bool]:
    if literal.kind != "text" or column.coltyp not in TEXT_TYPES:
        raise ConditionError(f"column {column.name}: like compares text with text")
    # between two % the first place that fits is as good as any, and taking it for good keeps the time linear
    pieces = ["".join("." if each == "_" else re.escape(each) for each in piece) for piece in literal.text.split("%")]
    middle = "".join(f"(?>.*?{piece})" for piece in pieces[1:-1] if piece)
    pattern = pieces[0] if len(pieces) == 1 else f"{pieces[0]}{middle}.*{pieces[-1]}"
    match = re.compile(pattern, re.DOTALL | re.IGNORECASE).fullmatch
    return lambda value: match(value) is not None


def _value(literal: _Literal, column: Column) -> Any:
    """A literal as a value of a column."""
    try:
        return _converted(literal, column)
    except (ValueError, ArithmeticError):
        pass
    raise ConditionError(f"column {column.name} is of type {Coltyp(column.coltyp).name}; {literal.text!r} is no value of that")


def _converted(literal: _Literal, column: Column) -> Any:
    kind, text = literal
    family = _family(column)
    if kind == "number" and family == "number":
        # exact, so that an integer is compared with 1.5 and an amount with 0.1 as they are written
        if column.coltyp in (Coltyp.IEEE_SINGLE, Coltyp.IEEE_DOUBLE):
            return float(text)
        return decimal.Decimal(text) if re.search("[.eE]", text) else int(text)
    if kind == "text" and family == "text":
        return text
    if kind == "hex" and family == "bytes":
        return bytes.fromhex(text)
    if family == Coltyp.BIT:
        if kind == "bool":
            return text == "true"
        if kind == "number" and text in ("0", "1"):
            return text == "1"
    if kind == "text" and family == Coltyp.GUID:
        return uuid.UUID(text)
    if kind == "text" and family == Coltyp.DATE_TIME:
        moment = datetime.datetime.fromisoformat(text)
        return moment if moment.tzinfo is None else moment.astimezone(datetime.UTC).replace(tzinfo=None)
    raise ValueError(text)
