"""Everyday set-ups of the tests of the API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from esent import jet
from esent.errors import JetError


class Running:
    """An initialised instance in a folder of its own, with a session."""

    def __init__(self, folder: Path, name: str | None = "test", **parameters: Any) -> None:
        self.folder = folder
        self.instance: Any = allocate(folder, name, **parameters)
        jet.JetInit(self.instance)
        self.sesid = jet.JetBeginSession(self.instance)

    def path(self, name: str = "db.edb") -> str:
        return str(self.folder / name)

    def attach(self, name: str = "db.edb", grbit: int = 0) -> int:
        return jet.JetAttachDatabase(self.sesid, self.path(name), grbit)

    def open(self, name: str = "db.edb", grbit: int = 0) -> int:
        return jet.JetOpenDatabase(self.sesid, self.path(name), None, grbit)

    def term(self, grbit: int = jet.JET_bitTermComplete) -> int:
        return jet.JetTerm2(self.instance, grbit)

    def header(self, name: str = "db.edb") -> Any:
        return jet.JetGetDatabaseFileInfo(self.path(name), jet.JET_DbInfoMisc)


def set_paths(instance: Any, folder: Path, **parameters: Any) -> None:
    """The folders of an instance (None: of the process), small logs, and further parameters by number-name."""
    for number in (jet.JET_paramSystemPath, jet.JET_paramLogFilePath, jet.JET_paramTempPath):
        jet.JetSetSystemParameter(instance, jet.JET_sesidNil, number, 0, f"{folder}/")
    jet.JetSetSystemParameter(instance, jet.JET_sesidNil, jet.JET_paramLogFileSize, 128)
    for name, value in parameters.items():
        number = getattr(jet, f"JET_param{name}")
        if isinstance(value, str):
            jet.JetSetSystemParameter(instance, jet.JET_sesidNil, number, 0, value)
        else:
            jet.JetSetSystemParameter(instance, jet.JET_sesidNil, number, value)


def allocate(folder: Path, name: str | None = "test", **parameters: Any) -> Any:
    """An allocated instance whose files go to `folder`."""
    instance = jet.JetCreateInstance(name)
    set_paths(instance, folder, **parameters)
    return instance


def code_of(call: Callable[..., Any], *arguments: Any, **keywords: Any) -> int:
    """The code a call raises, or what it returns as a status (0 for any other result)."""
    try:
        result = call(*arguments, **keywords)
    except JetError as problem:
        return problem.code
    return result if isinstance(result, int) else 0
