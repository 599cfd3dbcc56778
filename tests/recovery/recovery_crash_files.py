"""A file system that records every change, and folders as a crash after any of them would leave them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from esent.pages.filesystem import File, FileSystem


@dataclass
class Change:
    """One change: what, to which file, and its arguments."""

    kind: str
    path: Path
    offset: int = 0
    data: bytes = b""
    target: Path | None = None


@dataclass
class Recorder:
    changes: list[Change] = field(default_factory=list)


class RecordedFile(File):
    """A file whose writes, truncations and syncs are recorded."""

    recorder: Recorder

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        super().write(offset, data)
        self.recorder.changes.append(Change("write", self.path, offset, bytes(data)))

    def truncate(self, size: int) -> None:
        super().truncate(size)
        self.recorder.changes.append(Change("truncate", self.path, size))

    def sync(self) -> None:
        super().sync()
        self.recorder.changes.append(Change("sync", self.path))


class RecordingFiles(FileSystem):
    def __init__(self) -> None:
        self.recorder = Recorder()

    def open(self, path: Path, *, writable: bool = False, create: bool = False, exclusive: bool = False) -> File:
        new = not path.exists()
        file = super().open(path, writable=writable, create=create, exclusive=exclusive)
        if new:
            self.recorder.changes.append(Change("create", path))
        file.__class__ = RecordedFile
        assert isinstance(file, RecordedFile)
        file.recorder = self.recorder
        return file

    def remove(self, path: Path) -> None:
        super().remove(path)
        self.recorder.changes.append(Change("remove", path))

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self.recorder.changes.append(Change("rename", source, target=target))


def crash_image(start: dict[str, bytes], changes: list[Change], count: int, fate: str, seed: int = 0) -> dict[str, bytes]:
    """The files after `count` changes. `fate` of writes that no sync had made durable: "kept", "lost", "some" or "torn".

    Torn are logs, checkpoints and database headers. The format has no remedy for a torn database page: a write of a page is
    taken to happen or not.
    """
    chosen = random.Random(seed)
    content = {name: bytearray(data) for name, data in start.items()}
    names = {name: name for name in start}  # a file keeps its identity through renames
    synced: dict[str, int] = {}
    history: list[tuple[int, str, Change]] = []
    for number, change in enumerate(changes[:count]):
        name = change.path.name
        if change.kind == "create":
            names[name] = f"{name}#{number}"
            content[names[name]] = bytearray()
        elif change.kind == "remove":
            content.pop(names.pop(name))
        elif change.kind == "rename":
            assert change.target is not None
            identity = names.pop(name)
            content.pop(names.get(change.target.name, ""), None)
            names[change.target.name] = identity
        elif change.kind == "sync":
            synced[names[name]] = number
        else:
            history.append((number, names[name], change))
    for number, identity, change in history:
        data = content.get(identity)
        if data is None:
            continue
        if change.kind == "truncate":
            del data[change.offset :]
            data.extend(bytes(change.offset - len(data)))
            continue
        payload = change.data
        if number > synced.get(identity, -1):
            if fate == "lost" or (fate == "some" and chosen.random() < 0.5):
                continue
            is_page = identity.partition("#")[0].endswith(".edb") and change.offset >= 2 * len(payload)
            if fate == "torn" and not is_page and chosen.random() < 0.5:
                payload = payload[: chosen.randrange(0, len(payload) + 1) // 512 * 512]
        end = change.offset + len(payload)
        data.extend(bytes(max(0, end - len(data))))
        data[change.offset : end] = payload
    return {name: bytes(content[identity]) for name, identity in names.items()}
