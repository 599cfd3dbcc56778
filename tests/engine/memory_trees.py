"""Trees in memory behind `VersionedTree`: a list of nodes in order, no pages, no log."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esent.constants import params
from esent.engine.instance import Instance
from esent.engine.process import Process
from esent.engine.session import Session
from esent.engine.transactions import Writer
from esent.pages.edit import NODE_DELETED
from esent.versions.store import OPER_DELTA, OPER_DELTA64, OPER_FLAG_DELETE, OPER_INSERT, OPER_REPLACE, Version, add_to_counter


@dataclass
class MemoryNode:
    key: bytes
    data: bytes
    flags: int = 0


class MemoryNodes:
    """`engine.versioned.NodeTree` over a sorted list."""

    def __init__(self, *, unique: bool) -> None:
        self.unique = unique
        self.nodes: list[MemoryNode] = []
        self.header = b""

    def _bookmark(self, node: MemoryNode) -> tuple[bytes, bytes]:
        return node.key, b"" if self.unique else node.data

    def _at(self, key: bytes, data: bytes) -> int:
        return bisect_left(self.nodes, (key, b"" if self.unique else data), key=self._bookmark)

    def _get(self, at: int) -> MemoryNode | None:
        return self.nodes[at] if 0 <= at < len(self.nodes) else None

    def find(self, key: bytes, data: bytes | None = None) -> MemoryNode | None:
        node = self._get(self._at(key, data or b""))
        if node is None or node.key != key or (data is not None and not self.unique and node.data != data):
            return None
        return MemoryNode(node.key, node.data, node.flags)

    def first(self) -> MemoryNode | None:
        return self._get(0)

    def last(self) -> MemoryNode | None:
        return self._get(len(self.nodes) - 1)

    def next(self, node: Any) -> MemoryNode | None:
        at = self._at(node.key, node.data)
        found = self._get(at)
        return self._get(at + 1) if found is not None and self._bookmark(found) == self._bookmark(node) else found

    def previous(self, node: Any) -> MemoryNode | None:
        return self._get(self._at(node.key, node.data) - 1)

    def seek_ge(self, key: bytes, data: bytes = b"") -> MemoryNode | None:
        return self._get(self._at(key, data))

    def seek_lt(self, key: bytes, data: bytes = b"") -> MemoryNode | None:
        return self._get(self._at(key, data) - 1)

    def _known(self, key: bytes, data: bytes) -> int:
        at = self._at(key, data)
        node = self._get(at)
        assert node is not None
        assert self._bookmark(node) == (key, b"" if self.unique else data)
        return at

    def _put(self, at: int, data: bytes, flags: int) -> None:
        self.nodes[at] = MemoryNode(self.nodes[at].key, data, flags)

    def insert(self, writer: Writer, key: bytes, data: bytes, *, rceid: int = 0) -> None:
        assert self.find(key, None if self.unique else data) is None
        self.nodes.insert(self._at(key, data), MemoryNode(key, data))

    def flag_insert(self, writer: Writer, key: bytes, data: bytes, *, rceid: int = 0) -> None:
        self._put(self._known(key, data), data, 0)

    def flag_insert_and_replace(
        self, writer: Writer, key: bytes, data: bytes, *, rceid: int = 0, rceid_replace: int = 0
    ) -> None:
        self._put(self._known(key, data), data, 0)

    def replace(self, writer: Writer, key: bytes, data_bookmark: bytes, new_data: bytes, *, rceid: int = 0) -> None:
        at = self._known(key, data_bookmark)
        self._put(at, new_data, self.nodes[at].flags)

    def flag_delete(self, writer: Writer, key: bytes, data_bookmark: bytes, *, rceid: int = 0) -> None:
        at = self._known(key, data_bookmark)
        self._put(at, self.nodes[at].data, NODE_DELETED)

    def delete(self, writer: Writer, key: bytes, data_bookmark: bytes) -> None:
        del self.nodes[self._known(key, data_bookmark)]

    def delta(
        self, writer: Writer, key: bytes, data_bookmark: bytes, offset: int, delta: int, size: int, *, rceid: int = 0
    ) -> None:
        at = self._known(key, data_bookmark)
        self._put(at, add_to_counter(self.nodes[at].data, offset, delta, size), self.nodes[at].flags)

    def undo(self, writer: Writer, version: Version, key: bytes, data_bookmark: bytes) -> None:
        at = self._known(key, data_bookmark)
        node = self.nodes[at]
        if version.oper == OPER_INSERT:
            self._put(at, node.data, NODE_DELETED)
        elif version.oper == OPER_FLAG_DELETE:
            self._put(at, node.data, 0)
        elif version.oper == OPER_REPLACE:
            self._put(at, version.before, node.flags)
        else:
            assert version.oper in (OPER_DELTA, OPER_DELTA64)
            self._put(at, add_to_counter(node.data, version.offset, -version.delta, version.delta_size), node.flags)

    def external_header(self) -> bytes:
        return self.header

    def set_external_header(self, writer: Writer, content: bytes) -> None:
        self.header = content

    def fraction_of(self, key: bytes, data: bytes = b"") -> tuple[int, int]:
        return self._at(key, data), len(self.nodes)

    def at_fraction(self, before: int, total: int) -> MemoryNode | None:
        return self._get(min(before * len(self.nodes) // max(total, 1), len(self.nodes) - 1)) if self.nodes else None

    def page_of(self, key: bytes, data_bookmark: bytes) -> int:
        return 1


class MemoryDatabase:
    """A database of trees in memory, of an instance that is not initialised and has no files.

    `parameters`: system parameters of the instance by name, without the JET_param in front.
    """

    def __init__(self, **parameters: int) -> None:
        self.instance = Instance(Process(), "memory", None)
        for name, value in parameters.items():
            self.instance.parameters.put(getattr(params, f"JET_param{name}"), value)
        self.dbid = 1
        self.logged = False
        self.path = Path("memory.edb")
        self._trees: dict[int, MemoryNodes] = {}

    def nodes(self, objid: int, root: int, *, unique: bool) -> MemoryNodes:
        return self._trees.setdefault(objid, MemoryNodes(unique=unique))

    def session(self) -> Session:
        return self.instance.begin_session()
