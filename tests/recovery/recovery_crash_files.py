"""A file system that records every change, and folders as a power cut after any of them would leave them.

What a cut may do to changes that no sync has made durable, its *fate*:

| fate | contents                                                            | entries of directories                |
|------|---------------------------------------------------------------------|---------------------------------------|
| kept | all there                                                           | all there                             |
| lost | all gone, also that a file became longer or shorter                 | all gone                              |
| some | each there or not                                                   | those up to some moment               |
| torn | all there but those torn, the last write among them: sectors of it  | all there                             |

Sectors are torn in logs, checkpoints and headers of databases. The format has no remedy for a torn page of a database: a page
is written or not, but of a write of several pages any may be missing.

A sync of a file makes its content durable, and its name, as a journal does; that a file went or got another name is durable
when its directory was synced.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from esent.pages.filesystem import File, FileSystem

FATES = ("kept", "lost", "some", "torn")
SECTOR = 512
HEADER_PAGES = 2


@dataclass(slots=True)
class Change:
    """One change: what, to which file or directory, and its arguments."""

    kind: str
    path: Path
    offset: int = 0
    data: bytes = b""
    target: Path | None = None


@dataclass
class Recorder:
    """The changes in the order in which they happened, whichever thread made them."""

    changes: list[Change] = field(default_factory=list)
    _order: threading.RLock = field(default_factory=threading.RLock)

    @contextmanager
    def noted(self, change: Change) -> Iterator[None]:
        """Around making the change; one that fails did not happen."""
        with self._order:
            self.changes.append(change)
            place = len(self.changes) - 1
            try:
                yield
            except BaseException:
                del self.changes[place:]
                raise


class RecordedFile(File):
    """A file whose writes, truncations and syncs are recorded."""

    recorder: Recorder
    durable: bool

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        with self.recorder.noted(Change("write", self.path, offset, bytes(data))):
            super().write(offset, data)

    def truncate(self, size: int) -> None:
        with self.recorder.noted(Change("truncate", self.path, size)):
            super().truncate(size)

    def sync(self) -> None:
        with self.recorder.noted(Change("sync", self.path)):
            if self.durable:
                super().sync()


class RecordingFiles(FileSystem):
    """`durable`: whether a sync reaches the disk; a test that only asks what was recorded is much faster without."""

    def __init__(self, *, durable: bool = False) -> None:
        self.recorder = Recorder()
        self.durable = durable

    def open(self, path: Path, *, writable: bool = False, create: bool = False, exclusive: bool = False) -> File:
        if (create or exclusive) and not path.exists():
            with self.recorder.noted(Change("create", path)):
                file = super().open(path, writable=writable, create=create, exclusive=exclusive)
        else:
            file = super().open(path, writable=writable, create=create, exclusive=exclusive)
        file.__class__ = RecordedFile
        assert isinstance(file, RecordedFile)
        file.recorder = self.recorder
        file.durable = self.durable
        return file

    def remove(self, path: Path) -> None:
        with self.recorder.noted(Change("remove", path)):
            super().remove(path)

    def rename(self, source: Path, target: Path) -> None:
        with self.recorder.noted(Change("rename", source, target=target)):
            super().rename(source, target)

    def remove_tree(self, path: Path) -> None:
        with self.recorder.noted(Change("remove tree", path)):
            super().remove_tree(path)

    def sync_directory(self, path: Path) -> None:
        with self.recorder.noted(Change("sync directory", path)):
            if self.durable:
                super().sync_directory(path)


@dataclass(slots=True)
class Content:
    """A file whatever its name: what is durable of it, and the writes and truncations since."""

    durable: bytearray
    pending: list[Change] = field(default_factory=list)

    def settle(self) -> None:
        for change in self.pending:
            apply(self.durable, change.offset, None if change.kind == "truncate" else change.data)
        self.pending.clear()

    def after(self, fate: str, chosen: random.Random, *, pages: bool, last: Change | None) -> bytes:
        """What is in it when the power has gone. `pages`: it is a database."""
        if fate == "lost" or not self.pending:
            return bytes(self.durable)
        data = bytearray(self.durable)
        for change in self.pending:
            if change.kind == "truncate":
                if fate != "some" or chosen.random() < 0.5:
                    apply(data, change.offset, None)
                continue
            whole = fate == "kept" or (fate == "torn" and change is not last and chosen.random() < 0.5)
            if whole:
                apply(data, change.offset, change.data)
                continue
            unit = page_size_of(change.data, data) if pages and change.offset >= HEADER_PAGES * page_size_of(b"", data) else 0
            if fate == "some" and not unit:
                if chosen.random() < 0.5:
                    apply(data, change.offset, change.data)
                continue
            for start in range(0, len(change.data), unit or SECTOR):
                if chosen.random() < 0.5:
                    apply(data, change.offset + start, change.data[start : start + (unit or SECTOR)])
        return bytes(data)


def page_size_of(written: bytes, content: bytearray) -> int:
    """The bytes of a page of a database, as its header says; a shorter write is a page of its own."""
    size = int.from_bytes(content[236:240], "little") or 4096
    return min(size, len(written)) if written else size


def apply(data: bytearray, offset: int, payload: bytes | None) -> None:
    """A write, or a truncation where nothing is written."""
    if payload is None:
        del data[offset:]
        data.extend(bytes(offset - len(data)))
        return
    data.extend(bytes(max(0, offset + len(payload) - len(data))))
    data[offset : offset + len(payload)] = payload


class Disk:
    """The files below a folder as change after change happens. Names are relative to the `root`, or without any folder."""

    def __init__(self, start: dict[str, bytes], root: Path | None = None) -> None:
        self.root = root
        self.names = {name: Content(bytearray(data)) for name, data in start.items()}  # as programs see them
        self.durable = dict(self.names)
        self.journal: list[tuple[str, Change, Content | None]] = []  # changes of names that are not durable
        self.last: Change | None = None

    def _name(self, path: Path) -> str:
        return path.name if self.root is None else str(path.relative_to(self.root))

    def apply(self, change: Change) -> None:
        """One more change has happened."""
        self.last = None
        name = self._name(change.path)
        if change.kind in ("write", "truncate"):
            self.names[name].pending.append(change)
            self.last = change
        elif change.kind == "sync":
            content = self.names[name]
            content.settle()
            self._commit(next((place for place, (_, _, made) in enumerate(self.journal, 1) if made is content), 0))
        elif change.kind == "sync directory":
            inside = [
                place for place, (_, each, _) in enumerate(self.journal, 1) if change.path in (each.path, each.path.parent)
            ]
            self._commit(max(inside, default=0))
        else:
            fresh = Content(bytearray()) if change.kind == "create" else None
            self._rename(self.names, name, change, fresh)
            self.journal.append((name, change, fresh))

    def _commit(self, count: int) -> None:
        for name, change, content in self.journal[:count]:
            self._rename(self.durable, name, change, content)
        del self.journal[:count]

    def _rename(self, names: dict[str, Content], name: str, change: Change, content: Content | None) -> None:
        if content is not None:
            names[name] = content
        elif change.kind == "remove":
            names.pop(name, None)
        elif change.kind == "remove tree":
            for each in [each for each in names if each.startswith(f"{name}/")]:
                del names[each]
        else:
            assert change.kind == "rename"
            assert change.target is not None
            target = self._name(change.target)
            moving = [each for each in names if each == name or each.startswith(f"{name}/")]
            for each in moving:
                names[target + each[len(name) :]] = names.pop(each)

    def image(self, fate: str, seed: int = 0) -> dict[str, bytes]:
        """The files when the power goes now."""
        chosen = random.Random(seed)
        names = dict(self.durable)
        happened = len(self.journal)
        if fate == "lost":
            happened = 0
        elif fate == "some":
            happened = chosen.randint(0, happened)
        for name, change, content in self.journal[:happened]:
            self._rename(names, name, change, content)
        return {
            name: content.after(fate, chosen, pages=name.endswith(".edb"), last=self.last) for name, content in names.items()
        }


def crash_image(start: dict[str, bytes], changes: list[Change], count: int, fate: str, seed: int = 0) -> dict[str, bytes]:
    """The files of one folder after `count` changes."""
    disk = Disk(start)
    for change in changes[:count]:
        disk.apply(change)
    return disk.image(fate, seed)
