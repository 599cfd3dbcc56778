"""Taking and keeping streaming backups in tests of the API."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from esent import jet
from jet_helpers import Running, allocate, code_of

PAGE = 4096
OTHER_DATABASES = {"two.edb": "windows/types/basic.edb", "three.edb": "windows/types/index.edb"}


@dataclass
class Streamed:
    """What a streaming backup delivered, by file name."""

    databases: dict[str, bytes] = field(default_factory=dict)
    logs: dict[str, bytes] = field(default_factory=dict)
    low: int = 0
    high: int = 0
    outcome: int = 0

    def write(self, folder: Path, *, patches: bool = False) -> Path:
        """The files in a folder; with `patches` as JetBackup would leave them."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in (self.databases | self.logs).items():
            (folder / name).write_bytes(data)
        if patches:
            for name in self.databases:
                (folder / name).with_suffix(".pat").touch()
        return folder


def read_file(instance: Any, name: str, size: int = 64 * PAGE) -> bytes:
    """Open, read to the end, close."""
    handle, total = jet.JetOpenFileInstance(instance, name)
    parts = []
    while data := jet.JetReadFileInstance(instance, handle, size):
        parts.append(data)
    jet.JetCloseFileInstance(instance, handle)
    content = b"".join(parts)
    assert len(content) == total
    return content


def stream(
    instance: Any,
    *,
    incremental: bool = False,
    databases: bool = True,
    truncate: bool = True,
    end: int = jet.JET_bitBackupEndNormal,
) -> Streamed:
    """A whole streaming backup."""
    taken = Streamed()
    jet.JetBeginExternalBackupInstance(instance, jet.JET_bitBackupIncremental if incremental else 0)
    if databases and not incremental:
        for name in jet.JetGetAttachInfoInstance(instance):
            taken.databases[Path(name).name] = read_file(instance, name)
    names, info = jet.JetGetLogInfoInstance2(instance)
    taken.low, taken.high = info.ulGenLow, info.ulGenHigh
    for name in names:
        taken.logs[Path(name).name] = read_file(instance, name)
    if truncate:
        jet.JetTruncateLogInstance(instance)
    taken.outcome = jet.JetEndExternalBackupInstance2(instance, end)
    return taken


def to_log_phase(instance: Any, *, read: bool = False) -> list[str]:
    """Begin, copy the databases if `read`, list the logs."""
    jet.JetBeginExternalBackupInstance(instance, 0)
    if read:
        for name in jet.JetGetAttachInfoInstance(instance):
            read_file(instance, name)
    return jet.JetGetLogInfoInstance(instance)


def add_database(fixtures: Any, run: Running, name: str = "two.edb") -> Path:
    """Put another genuine database beside the first, and attach it."""
    target = run.folder / name
    shutil.copyfile(fixtures.path(OTHER_DATABASES[name]), target)
    run.attach(name)
    return target


def logs_in(folder: Path) -> list[str]:
    """Names of the closed logs in a folder."""
    return sorted(path.name for path in folder.glob("edb?????.log"))


def restoring(folder: Path, name: str = "restorer", **parameters: Any) -> Any:
    """An allocated instance in a folder that exists."""
    folder.mkdir(parents=True, exist_ok=True)
    return allocate(folder, name, **parameters)


def damage(path: Path, pgno: int, *, mask: int = 0xFF, page_size: int = PAGE) -> None:
    """Change one byte in a page of a database file."""
    with path.open("r+b") as file:
        file.seek((pgno + 1) * page_size + 200)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ mask]))


def begin(run: Running, grbit: int = 0) -> int:
    return code_of(jet.JetBeginExternalBackupInstance, run.instance, grbit)


def opened(run: Running, name: str = "db.edb") -> Any:
    return jet.JetOpenFileInstance(run.instance, run.path(name))


def read(run: Running, handle: Any, size: int) -> int:
    """Bytes read, or the error."""
    try:
        return len(jet.JetReadFileInstance(run.instance, handle, size))
    except jet.JetError as problem:
        return problem.code


def stamps(run: Running, name: str = "db.edb") -> Any:
    return jet.JetGetDatabaseFileInfo(run.path(name), jet.JET_DbInfoMisc)


def is_stamped(info: Any) -> bool:
    return info.genHigh != 0


def all_calls_say(run: Running, code: int, handle: Any = None) -> None:
    """Every call that goes on with a backup answers with `code`."""
    instance = run.instance
    assert code_of(jet.JetGetAttachInfoInstance, instance) == code
    assert code_of(jet.JetOpenFileInstance, instance, run.path()) == code
    assert code_of(jet.JetReadFileInstance, instance, handle or 0, 3 * PAGE) == code
    assert code_of(jet.JetGetLogInfoInstance, instance) == code
    assert code_of(jet.JetGetLogInfoInstance2, instance) == code
    assert code_of(jet.JetGetTruncateLogInfoInstance, instance) == code
    assert code_of(jet.JetTruncateLogInstance, instance) == code


def shallow(start: Callable[..., Running]) -> Running:
    """An instance whose checkpoint follows the log closely, so that there are logs to delete."""
    running = start(CheckpointDepthMax=16384)
    running.attach()
    for _ in range(3):
        to_log_phase(running.instance)
        jet.JetEndExternalBackupInstance2(running.instance, jet.JET_bitBackupEndAbort)
    return running
