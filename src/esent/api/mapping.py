"""`PersistentDict`: a mapping in a table of a database.

| part of the table | content                                                                                          |
|-------------------|--------------------------------------------------------------------------------------------------|
| key, primary      | one byte of kind, then bytes that sort as the keys do                                            |
| value             | one byte of kind, then the value: numbers, text, bytes, dates as such; lists and dicts as JSON   |

Kinds of keys, in their order: 1 int (a byte for sign and length, then big-endian), 2 bytes, 3 str (UTF-8), 4 UUID.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import pickle
import struct
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from types import TracebackType
from typing import Any, TypeVar

from esent.api.columns import LongBinary
from esent.api.database import Database, Key, Transaction
from esent.api.opening import open as open_database
from esent.api.table import Rows
from esent.constants import codes
from esent.errors import JetError

PathLike = str | os.PathLike[str]
T = TypeVar("T")

_KEY_INT, _KEY_BYTES, _KEY_TEXT, _KEY_UUID = b"\x01", b"\x02", b"\x03", b"\x04"
_LONGEST_INT = 127
_SIGN = 0x80
_TRY_FOR = 10.0  # seconds
_PAUSE = 0.001
_CONFLICTS = frozenset({codes.JET_errWriteConflict, codes.JET_errKeyDuplicate, codes.JET_errRecordNotFound})
_MISSING = object()


def encode_key(key: object) -> bytes:
    """A key as bytes that sort like it. TypeError for what cannot be one, OverflowError for an int beyond 127 bytes."""
    if isinstance(key, int):
        size = (key.bit_length() + 7) // 8
        if size > _LONGEST_INT:
            raise OverflowError("an int of more than 127 bytes as a key")
        if key >= 0:
            return _KEY_INT + bytes((_SIGN + size,)) + key.to_bytes(size, "big")
        return _KEY_INT + bytes((_SIGN - 1 - size,)) + (key + (1 << 8 * size)).to_bytes(size, "big")
    if isinstance(key, bytes):
        return _KEY_BYTES + key
    if isinstance(key, str):
        return _KEY_TEXT + key.encode("utf-8", "surrogatepass")
    if isinstance(key, uuid.UUID):
        return _KEY_UUID + key.bytes
    raise TypeError(f"a key is int, bytes, str or UUID, not {type(key).__name__}")


def decode_key(data: bytes) -> Any:
    """ValueError for bytes that are no key."""
    kind, rest = data[:1], data[1:]
    if kind == _KEY_INT and rest:
        digits = rest[1:]
        number = int.from_bytes(digits, "big")
        return number if rest[0] >= _SIGN else number - (1 << 8 * len(digits))
    if kind == _KEY_BYTES:
        return rest
    if kind == _KEY_TEXT:
        return rest.decode("utf-8", "surrogatepass")
    if kind == _KEY_UUID:
        return uuid.UUID(bytes=rest)
    raise ValueError(f"not the key of a mapping: {data[:20]!r}")


def encode_value(value: Any, *, with_pickle: bool = False) -> bytes:
    """A value as bytes. TypeError for one that would not come back the same."""
    if value is None:
        return b"n"
    if isinstance(value, bool):
        return b"t" if value else b"f"
    kind = type(value)
    encoder = _ENCODERS.get(kind)
    if encoder is not None:
        return encoder(value)
    if kind is datetime.datetime and (value.tzinfo is None or isinstance(value.tzinfo, datetime.timezone)):
        return b"m" + str(value.isoformat()).encode("ascii")
    if kind in (list, dict):
        with contextlib.suppress(TypeError, ValueError):
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            if _same(json.loads(text), value):
                return b"j" + text.encode("utf-8", "surrogatepass")
    if with_pickle:
        return b"p" + pickle.dumps(value)
    raise TypeError(f"a value of type {kind.__name__} would not come back the same; pickle=True stores any object")


def _same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down: JSON makes lists of tuples and text of other keys."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other or (one != one and other != other))


def decode_value(data: bytes, *, with_pickle: bool = False) -> Any:
    """ValueError for bytes that are no value, TypeError for a pickle where none is wanted."""
    kind, rest = data[:1], data[1:]
    if kind in _CONSTANTS:
        return _CONSTANTS[kind]
    if kind == b"p":
        if not with_pickle:
            raise TypeError("the value is pickled, and reading it can run code: open the mapping with pickle=True to allow it")
        return pickle.loads(rest)
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise ValueError(f"not the value of a mapping: {data[:20]!r}")
    return decoder(rest)


_CONSTANTS: dict[bytes, Any] = {b"n": None, b"t": True, b"f": False}
_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    int: lambda value: b"i" + value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True),
    float: lambda value: b"d" + struct.pack(">d", value),
    str: lambda value: b"s" + value.encode("utf-8", "surrogatepass"),
    bytes: lambda value: b"b" + value,
    datetime.date: lambda value: b"y" + value.isoformat().encode("ascii"),
    uuid.UUID: lambda value: b"u" + value.bytes,
}
_DECODERS: dict[bytes, Callable[[bytes], Any]] = {
    b"i": lambda data: int.from_bytes(data, "big", signed=True),
    b"d": lambda data: struct.unpack(">d", data)[0],
    b"s": lambda data: data.decode("utf-8", "surrogatepass"),
    b"b": bytes,
    b"m": lambda data: datetime.datetime.fromisoformat(data.decode("ascii")),
    b"y": lambda data: datetime.date.fromisoformat(data.decode("ascii")),
    b"u": lambda data: uuid.UUID(bytes=data),
    b"j": lambda data: json.loads(data.decode("utf-8", "surrogatepass")),
}


class PersistentDict(MutableMapping[Any, Any]):
    """A dict that stays. Iterates in the order of its keys: ints, then bytes, then text, then UUIDs.

    Keys are int, bytes, str and UUID (the last three up to about 850 bytes on pages of 4 KB); values None, bool, int, float,
    str, bytes, datetime, date, UUID, and lists and dicts that JSON gives back the same. `pickle=True` stores any other object
    pickled, and allows reading it, which can run code: only for files you trust.

    Each call is atomic and durable; `with mapping.transaction():` makes several of them one. `len` counts. Any thread may use
    it. `source` is a path, or a `Database` to share, which then stays open.
    """

    def __init__(self, source: PathLike | Database, name: str = "mapping", *, pickle: bool = False, **options: Any) -> None:
        """`options` are those of `esent.open`."""
        self._owned = not isinstance(source, Database)
        self.database = source if isinstance(source, Database) else open_database(source, **options)
        self.name = name
        self._pickle = pickle
        try:
            if name not in self.database:
                self.database.create_table(
                    name,
                    {"key": LongBinary(), "value": LongBinary()},
                    primary_key=Key("key", long=True, no_truncation=True, not_null=True),
                )
            self._table = self.database[name]
        except BaseException:
            if self._owned:
                self.database.close()
            raise

    def __enter__(self) -> PersistentDict:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the database, unless it was given open."""
        if self._owned:
            self.database.close()

    def transaction(self, *, lazy: bool = False) -> Transaction:
        """Several changes as one, for `with`; of what other threads change it may meet JET_errWriteConflict."""
        return self.database.transaction(lazy=lazy)

    def __repr__(self) -> str:
        return f"<PersistentDict {self.name} of {self.database.path.name}>"

    # ---- reading ---------------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        row = self._table.get(encode_key(key))
        if row is None:
            raise KeyError(key)
        return self._value(row["value"])

    def _value(self, data: bytes) -> Any:
        return decode_value(data, with_pickle=self._pickle)

    def __contains__(self, key: object) -> bool:
        return encode_key(key) in self._table

    def __iter__(self) -> Iterator[Any]:
        for row in self._table:
            yield decode_key(row["key"])

    def __reversed__(self) -> Iterator[Any]:
        for row in reversed(self._table):
            yield decode_key(row["key"])

    def __len__(self) -> int:
        return len(self._table)

    def __bool__(self) -> bool:
        return next(iter(self._table), None) is not None

    def range(self, low: Any = None, high: Any = None) -> Iterator[tuple[Any, Any]]:
        """Items with keys from `low` to `high`, both included; None leaves that end open."""
        start = None if low is None else encode_key(low)
        end = None if high is None else encode_key(high)
        return self._items(self._table.between(start, end))

    def prefix(self, start: str | bytes) -> Iterator[tuple[Any, Any]]:
        """Items whose keys, text or bytes, begin with `start`."""
        return self._items(self._table.prefix(encode_key(start)))

    def _items(self, rows: Rows) -> Iterator[tuple[Any, Any]]:
        for row in rows:
            yield decode_key(row["key"]), self._value(row["value"])

    # ---- changing --------------------------------------------------------------------------------------------------------

    def __setitem__(self, key: Any, value: Any) -> None:
        name, data = encode_key(key), encode_value(value, with_pickle=self._pickle)
        self._atomically(lambda: self._store(name, data))

    def _store(self, key: bytes, data: bytes) -> None:
        if key in self._table:
            self._table.update(key, value=data)
        else:
            self._table.insert(key=key, value=data)

    def __delitem__(self, key: Any) -> None:
        self.pop(key)

    def pop(self, key: Any, default: Any = _MISSING) -> Any:
        name = encode_key(key)

        def take() -> Any:
            row = self._table.get(name)
            if row is None:
                return _MISSING
            self._table.delete(name)
            return self._value(row["value"])

        found = self._atomically(take)
        if found is not _MISSING:
            return found
        if default is _MISSING:
            raise KeyError(key)
        return default

    def popitem(self) -> tuple[Any, Any]:
        """Remove and return the item with the highest key."""

        def take() -> Any:
            key = next(reversed(self), _MISSING)
            return _MISSING if key is _MISSING else (key, self.pop(key))

        found = self._atomically(take)
        if found is _MISSING:
            raise KeyError("popitem(): the mapping is empty")
        item: tuple[Any, Any] = found
        return item

    def setdefault(self, key: Any, default: Any = None) -> Any:
        name, data = encode_key(key), encode_value(default, with_pickle=self._pickle)

        def settle() -> Any:
            row = self._table.get(name)
            if row is not None:
                return self._value(row["value"])
            self._table.insert(key=name, value=data)
            return default

        return self._atomically(settle)

    def modify(self, key: Any, change: Callable[[Any], Any], default: Any = None) -> Any:
        """Replace a value by `change` of it (of `default` where there is none), whatever other threads do; the new value."""
        name = encode_key(key)

        def replace() -> Any:
            row = self._table.get(name)
            value = change(default if row is None else self._value(row["value"]))
            self._store(name, encode_value(value, with_pickle=self._pickle))
            return value

        return self._atomically(replace)

    def update(self, other: Any = (), /, **more: Any) -> None:
        """All or none."""
        pairs = [*(other.items() if isinstance(other, Mapping) else other), *more.items()]
        stored = [(encode_key(key), encode_value(value, with_pickle=self._pickle)) for key, value in pairs]

        def store() -> None:
            for key, data in stored:
                self._store(key, data)

        self._atomically(store)

    def clear(self) -> None:
        """All or none."""

        def empty() -> None:
            for row in self._table:
                self._table.delete(row)

        self._atomically(empty)

    def _atomically(self, work: Callable[[], T]) -> T:
        """`work` in a transaction; once more when another thread came first, unless that is in a transaction of the caller."""
        outermost = not self.database.in_transaction
        give_up = time.monotonic() + _TRY_FOR
        while True:
            try:
                with self.database.transaction():
                    return work()
            except JetError as problem:
                if problem.code not in _CONFLICTS or not outermost or time.monotonic() > give_up:
                    raise
            time.sleep(_PAUSE)


__all__ = ["PersistentDict", "decode_key", "decode_value", "encode_key", "encode_value"]
