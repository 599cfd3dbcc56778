"""Record classes from their declarations: the fields of a class are the layout of the record, in byte order.

A class decorated with `record(kind)` becomes a slots dataclass with `kind`, `parse`, `encode` and `minimum_size`. Field types
(all little-endian, packed; `reference/log-and-recovery.md` 4):

| type                      | bytes in the fixed part | value                                                              |
|---------------------------|-------------------------|--------------------------------------------------------------------|
| U8 U16 U32 I16 I32 I64    | 1 2 4 2 4 8             | int                                                                |
| Position Time Sign        | 8 8 28                  | Lgpos, LogTime, Signature                                          |
| Bytes16 Bytes32           | 2 4 (the length)        | bytes, stored behind the fixed part, in the order of `payload_order` |
| Rest                      | 0                       | bytes: what an ignorable record has behind its fixed part          |

The functions are generated once per class, as dataclasses generate `__init__`: one `unpack_from` and one constructor call
a record.
"""

from __future__ import annotations

import dataclasses
import struct
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, dataclass_transform

from esent.pages.primitives import Lgpos, LogTime, Signature

T = TypeVar("T")

U8 = Annotated[int, "B"]
U16 = Annotated[int, "H"]
U32 = Annotated[int, "I"]
I16 = Annotated[int, "h"]
I32 = Annotated[int, "i"]
I64 = Annotated[int, "q"]
Position = Annotated[Lgpos, "8s", Lgpos]
Time = Annotated[LogTime, "8s", LogTime]
Sign = Annotated[Signature, "28s", Signature]
Bytes16 = Annotated[bytes, "H", bytes]
Bytes32 = Annotated[bytes, "I", bytes]
Rest = Annotated[bytes, "", bytes]

IGNORABLE = frozenset({67, 68, 69, 70, 71, 72, 73, 74, 75, *range(82, 92)})  # LRIGNORED: u32 at 1 counts the bytes behind it


class Record:
    """A log record. `kind` is its type byte; `encode` gives its bytes, type byte included."""

    __slots__ = ()
    kind: ClassVar[int]
    minimum_size: ClassVar[int]
    payload_order: ClassVar[tuple[str, ...]] = ()

    if TYPE_CHECKING:  # `record` generates them

        @classmethod
        def parse(cls, data: bytes, offset: int, size: int) -> Record:
            """The record of `size` bytes at `offset`; the size is that of `scan.record_size` and lies inside `data`."""

        def encode(self) -> bytes: ...


def _generate(cls: type[Any]) -> None:
    """Give `cls` its `parse` and `encode`, unless its body has them, and `minimum_size`."""
    hints = typing.get_type_hints(cls, include_extras=True)
    names = [field.name for field in dataclasses.fields(cls)]
    ignorable = cls.kind in IGNORABLE
    format_ = "<BI" if ignorable else "<B"
    unpacked = ["_kind", "_rest"] if ignorable else ["_kind"]
    arguments: dict[str, str] = {}
    packed: list[str] = []
    payloads: list[str] = []
    rest = ""
    scope: dict[str, Any] = {"cls": cls}
    for name in names:
        code, *special = hints[name].__metadata__
        target = special[0] if special else None
        format_ += code
        if target is None:
            unpacked.append(name)
            arguments[name] = name
            packed.append(f"self.{name}")
        elif target is not bytes:
            unpacked.append(name)
            scope[target.__name__] = target
            arguments[name] = f"{target.__name__}.unpack({name})"
            packed.append(f"self.{name}.pack()")
        elif code:
            unpacked.append(f"size_{name}")
            packed.append(f"len(self.{name})")
            payloads.append(name)
            arguments[name] = name
        else:
            rest = name
            arguments[name] = name
    layout = struct.Struct(format_)
    payloads = list(cls.payload_order) or payloads
    cls.minimum_size = layout.size
    scope |= {"unpack": layout.unpack_from, "pack": layout.pack, "kind": cls.kind}
    lines = [f"    {', '.join(unpacked)}, = unpack(data, offset)"]
    if payloads or rest:
        lines.append(f"    start = offset + {layout.size}")
    for name in payloads:
        lines += [f"    end = start + size_{name}", f"    {name} = data[start:end]", "    start = end"]
    if rest:
        lines.append(f"    {rest} = data[start : offset + size]")
    lines.append(f"    return cls({', '.join(arguments[name] for name in names)})")
    parse = "def parse(data, offset, size):\n" + "\n".join(lines)
    tail = "".join(f" + self.{name}" for name in payloads) + (f" + self.{rest}" if rest else "")
    head = ["kind"]
    if ignorable:
        head.append(f"{layout.size - 5}" + (f" + len(self.{rest})" if rest else ""))
    encode = f"def encode(self):\n    return pack({', '.join(head + packed)}){tail}"
    exec(compile(parse + "\n" + encode, f"<layout of {cls.__name__}>", "exec"), scope)
    if "parse" not in cls.__dict__:
        cls.parse = staticmethod(scope["parse"])
    if "encode" not in cls.__dict__:
        cls.encode = scope["encode"]


REGISTRY: dict[int, type[Record]] = {}


@dataclass_transform()
def prefix(cls: type[T]) -> type[T]:
    """The fields that several records begin with."""
    return dataclasses.dataclass(slots=True)(cls)


@dataclass_transform()
def record(kind: int, *, minimum_size: int | None = None) -> Callable[[type[T]], type[T]]:
    """Make a class the record of type `kind`; `minimum_size` where its fixed part is not the sum of its fields."""

    def decorate(cls: type[T]) -> type[T]:
        made: Any = dataclasses.dataclass(slots=True)(cls)
        if "kind" not in made.__dataclass_fields__:  # one class may stand for several types
            made.kind = kind
        if minimum_size is None:
            _generate(made)
        else:
            made.minimum_size = minimum_size
        REGISTRY[kind] = made
        return made  # type: ignore[no-any-return]

    return decorate
