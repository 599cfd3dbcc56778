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
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, MutableMapping, ValuesView
from types import TracebackType
from typing import Any, NoReturn, TypeVar

from esent.api.columns import LongBinary
from esent.api.database import Database, Key, Transaction
from esent.api.opening import open as open_database
from esent.api.rows import Row
from esent.constants import codes
from esent.errors import JetError, KeyTruncatedError, jet_error

PathLike = str | os.PathLike[str]
K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

_KEY_INT, _KEY_BYTES, _KEY_TEXT, _KEY_UUID = b"\x01", b"\x02", b"\x03", b"\x04"
_LONGEST_INT = 127
_SIGN = 0x80
_TRY_FOR = 10.0  # seconds
_PAUSE = 0.001
_CONFLICTS = frozenset({codes.JET_errWriteConflict, codes.JET_errKeyDuplicate, codes.JET_errRecordNotFound})
_MISSING = object()
_COLUMNS = {"key", "value"}


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


def sought_key(key: object) -> bytes | None:
    """The bytes of a key to look for; None for one that no mapping has. TypeError, as of a dict, for what has no hash."""
    if isinstance(key, float) and key.is_integer():
        key = int(key)  # they are equal
    try:
        return encode_key(key)
    except (TypeError, OverflowError):
        hash(key)
        return None


class _Keys(KeysView[K]):
    def __init__(self, mapping: PersistentDict[K, Any]) -> None:
        super().__init__(mapping)
        self._shown = mapping

    def __reversed__(self) -> Iterator[K]:
        return reversed(self._shown)


class _Items(ItemsView[K, V]):
    """Reads keys and values together, so that an item is there whatever other threads do meanwhile."""

    def __init__(self, mapping: PersistentDict[K, V]) -> None:
        super().__init__(mapping)
        self._shown = mapping

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return self._shown.range()

    def __reversed__(self) -> Iterator[tuple[K, V]]:
        return self._shown.items_backward()


class _Values(ValuesView[V]):
    def __init__(self, mapping: PersistentDict[Any, V]) -> None:
        super().__init__(mapping)
        self._shown = mapping

    def __contains__(self, value: object) -> bool:
        return any(each is value or each == value for each in self)

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in self._shown.range())

    def __reversed__(self) -> Iterator[V]:
        return (value for _, value in self._shown.items_backward())


class PersistentDict(MutableMapping[K, V]):
    """A dict that stays. Iterates in the order of its keys: ints, then bytes, then text by code points, then UUIDs.

    Keys are int, bytes, str and UUID (the last three up to about 850 bytes on pages of 4 KB); values None, bool, int, float,
    str, bytes, datetime, date, UUID, and lists and dicts that JSON gives back the same. `pickle=True` stores any other object
    pickled, and allows reading it, which can run code: only for files you trust. A key or value of another kind is a TypeError
    where it would be stored, and not there where it is looked for.

    Each call is atomic and durable; `with mapping.transaction():` makes several of them one. It may be changed while it is
    iterated over, by this thread or another: what appears or goes is met or missed by where it is. A value that was read is a
    copy: store it again to change it. `len` counts. Any thread may use it. `source` is a path, or a `Database` to share, which
    then stays open.
    """

    def __init__(self, source: PathLike | Database, name: str = "mapping", *, pickle: bool = False, **options: Any) -> None:
        """`options` are those of `esent.open`. JET_errTableDuplicate where the table `name` is not that of a mapping."""
        self._owned = not isinstance(source, Database)
        if options and not self._owned:
            raise TypeError(f"a database that is open takes no options: {', '.join(options)}")
        if options.get("read_only") or options.get("salvage"):
            raise TypeError("a mapping is opened for writing; esent.open(path, read_only=True) reads the table of one")
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
            if self._table.primary_key != ["key"] or set(self._table.columns) != _COLUMNS:
                raise jet_error(codes.JET_errTableDuplicate, f"table {name} is there and is not that of a mapping")
        except BaseException:
            if self._owned:
                self.database.close()
            raise

    def __enter__(self) -> PersistentDict[K, V]:
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

    def __reduce__(self) -> NoReturn:
        raise TypeError("a PersistentDict cannot be pickled or copied, as it is a file; its copy() can, which is a dict")

    # ---- reading ---------------------------------------------------------------------------------------------------------

    def __getitem__(self, key: K) -> V:
        value: V = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def get(self, key: Any, default: Any = None) -> Any:
        """The value of a key, or `default`. TypeError for a pickled one where none is wanted."""
        name = sought_key(key)
        row = None if name is None else self._table.get(name)
        return default if row is None else self._value(row["value"])

    def _value(self, data: bytes) -> Any:
        return decode_value(data, with_pickle=self._pickle)

    def __contains__(self, key: object) -> bool:
        name = sought_key(key)
        return name is not None and name in self._table

    def __iter__(self) -> Iterator[K]:
        for (key,) in self._table.rows(["key"]):
            yield decode_key(key)

    def __reversed__(self) -> Iterator[K]:
        for row in reversed(self._table):
            yield decode_key(row["key"])

    def keys(self) -> KeysView[K]:
        return _Keys(self)

    def items(self) -> ItemsView[K, V]:
        return _Items(self)

    def values(self) -> ValuesView[V]:
        return _Values(self)

    def items_backward(self) -> Iterator[tuple[K, V]]:
        """Items from the highest key down; `reversed(mapping.items())`."""
        return self._items(reversed(self._table))

    def __len__(self) -> int:
        return len(self._table)

    def __bool__(self) -> bool:
        return next(iter(self._table), None) is not None

    def range(self, low: Any = None, high: Any = None) -> Iterator[tuple[K, V]]:
        """Items with keys from `low` to `high`, both included; None leaves that end open."""
        start = None if low is None else encode_key(low)
        end = None if high is None else encode_key(high)
        return self._items(self._table.between(start, end))

    def prefix(self, start: str | bytes) -> Iterator[tuple[K, V]]:
        """Items whose keys, text or bytes, begin with `start`."""
        return self._items(self._table.prefix(encode_key(start)))

    def _items(self, rows: Iterable[Row]) -> Iterator[tuple[Any, Any]]:
        for row in rows:
            yield decode_key(row["key"]), self._value(row["value"])

    def copy(self) -> dict[K, V]:
        """A dict of what is in it, as of one moment."""
        with self.database.transaction():
            return dict(self.range())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return self.copy() == (other.copy() if isinstance(other, PersistentDict) else dict(other))

    __hash__ = None  # type: ignore[assignment]

    def __or__(self, other: Mapping[Any, Any]) -> dict[Any, Any]:
        """A dict, as everything that is made of a mapping and not put into it."""
        return {**self.copy(), **other} if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: Mapping[Any, Any]) -> dict[Any, Any]:
        return {**other, **self.copy()} if isinstance(other, Mapping) else NotImplemented

    def __ior__(self, other: Any) -> PersistentDict[K, V]:  # type: ignore[misc]
        self.update(other)
        return self

    # ---- changing --------------------------------------------------------------------------------------------------------

    def __setitem__(self, key: K, value: V) -> None:
        name, data = encode_key(key), encode_value(value, with_pickle=self._pickle)
        self._atomically(lambda: self._store(name, data))

    def _store(self, key: bytes, data: bytes) -> None:
        if key in self._table:
            self._table.update(key, value=data)
            return
        try:
            self._table.insert(key=key, value=data)
        except KeyTruncatedError as problem:
            what = f"a key of {len(key) - 1} bytes, more than pages of {self.database.page_size} bytes take"
            raise jet_error(codes.JET_errKeyTruncated, what) from problem

    def __delitem__(self, key: K) -> None:
        self.pop(key)

    def pop(self, key: Any, default: Any = _MISSING) -> Any:
        """Remove a key; its value, or `default`. KeyError where there is neither."""
        name = sought_key(key)

        def take() -> Any:
            row = None if name is None else self._table.get(name)
            if row is None:
                return _MISSING
            value = self._value(row["value"])
            self._table.delete(row)
            return value

        found = self._atomically(take)
        if found is not _MISSING:
            return found
        if default is _MISSING:
            raise KeyError(key)
        return default

    def popitem(self) -> tuple[K, V]:
        """Remove and return the item with the highest key."""

        def take() -> Any:
            key = next(reversed(self), _MISSING)
            return _MISSING if key is _MISSING else (key, self.pop(key))

        found = self._atomically(take)
        if found is _MISSING:
            raise KeyError("popitem(): the mapping is empty")
        item: tuple[K, V] = found
        return item

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """The value of a key, which gets `default` where it is not there."""

        def settle() -> Any:
            value = self.get(key, _MISSING)
            if value is _MISSING:
                value = default
                self._store(encode_key(key), encode_value(default, with_pickle=self._pickle))
            return value

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
        if isinstance(other, Mapping):
            other = other.items()
        elif hasattr(other, "keys"):
            other = [(key, other[key]) for key in other.keys()]  # noqa: SIM118 - no iterator is asked for
        pairs = list(other)
        pairs += more.items()
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


__all__ = ["PersistentDict", "decode_key", "decode_value", "encode_key", "encode_value", "sought_key"]
