"""A folder whose every write and sync may be the last thing before the power goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from esent.pages.filesystem import File, FileSystem


class Disk:
    """Watches the files of a folder: what was written, and what of it is durable."""

    def __init__(self, folder: Path, keep: Path, monkeypatch: pytest.MonkeyPatch, *, synced_only: bool) -> None:
        self.folder = folder
        self.keep = keep
        self.synced_only = synced_only
        self.durable: dict[str, bytes] = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.cuts: list[Path] = []
        self._last: dict[str, bytes] = {}
        self._watch(monkeypatch)

    def _watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        write, truncate, sync = File.write, File.truncate, File.sync
        rename, remove = FileSystem.rename, FileSystem.remove

        def watched_write(file: File, offset: int, data: Any) -> None:
            self.cut()
            write(file, offset, data)

        def watched_truncate(file: File, size: int) -> None:
            self.cut()
            truncate(file, size)

        def watched_sync(file: File) -> None:
            sync(file)
            if file.path.parent == self.folder:
                self.durable[file.path.name] = file.read(0, file.size())
            self.cut()

        def watched_rename(files: FileSystem, source: Path, target: Path) -> None:
            self.cut()
            rename(files, source, target)
            self.durable[target.name] = self.durable.pop(source.name, b"")

        def watched_remove(files: FileSystem, path: Path) -> None:
            self.cut()
            remove(files, path)
            self.durable.pop(path.name, None)

        monkeypatch.setattr(File, "write", watched_write)
        monkeypatch.setattr(File, "truncate", watched_truncate)
        monkeypatch.setattr(File, "sync", watched_sync)
        monkeypatch.setattr(FileSystem, "rename", watched_rename)
        monkeypatch.setattr(FileSystem, "remove", watched_remove)

    def cut(self) -> None:
        """The power goes now: keep the folder as the next start would find it."""
        files = self.durable if self.synced_only else {path.name: path.read_bytes() for path in self.folder.iterdir()}
        if files == self._last:
            return
        self._last = dict(files)
        target = self.keep / f"{len(self.cuts):03d}"
        target.mkdir(parents=True)
        for name, content in files.items():
            (target / name).write_bytes(content)
        self.cuts.append(target)
