"""Running instances in a folder, and what their logs say."""

from __future__ import annotations

from pathlib import Path

from esent.constants import params
from esent.engine.instance import Instance
from esent.engine.process import Process
from esent.engine.startup import InitRequest
from esent.log import kinds
from esent.log.files import detect_extension, list_generations, log_name
from esent.log.reader import LogFile
from esent.log.records import Record
from esent.pages.filesystem import FILES, FileSystem

NEVER = 1e6


def running(folder: Path, *, files: FileSystem = FILES, **parameters: int) -> Instance:
    """An instance of a process of its own with everything in one folder; it cleans up only when it is told to.

    `parameters`: without the JET_param in front.
    """
    instance = Process().create(folder.name)
    instance.files = files
    values = instance.parameters
    for number in (params.JET_paramSystemPath, params.JET_paramLogFilePath, params.JET_paramTempPath):
        values.put(number, f"{folder}/")
    for name, value in {"LogFileSize": 64, "MaxTemporaryTables": 0, **parameters}.items():
        values.put(getattr(params, f"JET_param{name}"), value)
    instance.initialise(InitRequest())
    instance.cleanup.delay = NEVER
    return instance


def logged(folder: Path, base: str = "edb") -> list[Record]:
    """Every record in the logs of a folder, in order, without those that only fill space."""
    records: list[Record] = []
    current = log_name(base, extension=detect_extension(folder, base) or "")
    for path in [*list_generations(folder, base).values(), folder / current]:
        with LogFile(path) as log:
            records.extend(record for _, record in log.records() if record.kind not in (kinds.NOP, kinds.NOP2))
    return records


def kinds_of(records: list[Record], procid: int | None = None) -> list[str]:
    """Names of the kinds of records, of one session or of all."""
    return [type(each).__name__ for each in records if procid is None or getattr(each, "procid", None) == procid]
