"""`Instance`: a log stream and up to six databases, as a context manager."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final

from esent import jet
from esent.api.backup import Backup, ProgressOption
from esent.constants import codes, grbits, params
from esent.engine.handles import Handle
from esent.errors import JetError, jet_error
from esent.jet.handles import JET_INSTANCE, JET_SESID

PathLike = str | os.PathLike[str]
KIB: Final = 1024


class Instance:
    """An instance of the engine. Entering it starts it (recovering its databases if they need it), leaving it closes them well.

    `directory` holds logs and checkpoint unless `log_directory` or `system_directory` name other places; missing ones are made.
    `parameters` sets system parameters by name ("JET_paramCacheSizeMax" or "CacheSizeMax") before the start. Everything else
    is as documented for the parameter of that name. An instance may be started once.
    """

    def __init__(
        self,
        name: str = "esent",
        *,
        directory: PathLike,
        log_directory: PathLike | None = None,
        system_directory: PathLike | None = None,
        base_name: str = "edb",
        page_size: int = 4096,
        log_file_size: int | None = None,
        circular_logging: bool = False,
        parameters: Mapping[str, int | str] | None = None,
    ) -> None:
        """`log_file_size` is in bytes, a multiple of 1024. Raises nothing yet: the start does."""
        self.name = name
        self.directory = Path(directory).absolute()
        self.log_directory = Path(log_directory).absolute() if log_directory else self.directory
        self.system_directory = Path(system_directory).absolute() if system_directory else self.directory
        self._handle: JET_INSTANCE | None = None
        self._page_size = page_size
        self._parameters: dict[int, int | str] = {
            params.JET_paramCreatePathIfNotExist: 1,
            params.JET_paramBaseName: base_name,
            params.JET_paramSystemPath: _folder(self.system_directory),
            params.JET_paramLogFilePath: _folder(self.log_directory),
            params.JET_paramTempPath: _folder(self.directory),
            params.JET_paramCircularLog: int(circular_logging),
        }
        if log_file_size is not None:
            self._parameters[params.JET_paramLogFileSize] = log_file_size // KIB
        for parameter, value in (parameters or {}).items():
            self._parameters[_parameter_number(parameter)] = value

    # ---- life cycle ----------------------------------------------------------------------------------------

    @property
    def handle(self) -> JET_INSTANCE:
        """The handle for calls of `esent.jet`; JET_errNotInitialized before the start and after the end."""
        if self._handle is None:
            raise jet_error(codes.JET_errNotInitialized, f"the instance {self.name} is not running")
        return self._handle

    def start(self) -> None:
        """JetCreateInstance2, JetSetSystemParameter, JetInit."""
        if self._handle is not None:
            raise jet_error(codes.JET_errAlreadyInitialized, f"the instance {self.name} is running")
        if jet.JetGetSystemParameter(None, None, params.JET_paramDatabasePageSize) != self._page_size:
            jet.JetSetSystemParameter(None, None, params.JET_paramDatabasePageSize, self._page_size)
        handle = jet.JetCreateInstance2(self.name, self.name)
        try:
            for number, value in self._parameters.items():
                if isinstance(value, str):
                    jet.JetSetSystemParameter(handle, None, number, 0, value)
                else:
                    jet.JetSetSystemParameter(handle, None, number, value)
        except BaseException:
            jet.JetTerm(handle)
            raise
        jet.JetInit(handle)  # a failure frees the instance
        self._handle = handle

    def close(self) -> None:
        """JetTerm2: databases are closed well; a backup that is under way is stopped first. A second call does nothing."""
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        try:
            jet.JetTerm2(handle, grbits.JET_bitTermComplete | grbits.JET_bitTermStopBackup)
        except JetError:
            if isinstance(handle, Handle) and handle.target is not None:  # refused: it runs on, and can be closed later
                self._handle = handle
            raise

    def __enter__(self) -> Instance:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # ---- databases -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def session(self) -> Iterator[JET_SESID]:
        """A session for calls of `esent.jet`, ended at the end of the block."""
        sesid = jet.JetBeginSession(self.handle)
        try:
            yield sesid
        finally:
            jet.JetEndSession(sesid)

    def attach(self, path: PathLike, *, read_only: bool = False) -> None:
        """JetAttachDatabase."""
        with self.session() as sesid:
            jet.JetAttachDatabase(sesid, os.fspath(path), grbits.JET_bitDbReadOnly if read_only else 0)

    def detach(self, path: PathLike) -> None:
        """JetDetachDatabase: the file is clean afterwards."""
        with self.session() as sesid:
            jet.JetDetachDatabase(sesid, os.fspath(path))

    # ---- backup --------------------------------------------------------------------------------------------

    def backup(
        self, destination: PathLike, *, incremental: bool = False, atomic: bool = False, progress: ProgressOption = False
    ) -> Backup:
        """A streaming backup of every attached database into the directory `destination`; `run` takes it.

        `progress` True shows a bar, or give a function of (bytes done, bytes in all).
        """
        return Backup(self.handle, destination, incremental=incremental, atomic=atomic, progress=progress)

    def stop_backup(self) -> None:
        """JetStopBackupInstance, from any thread: the backup under way ends with JET_errBackupAbortByServer."""
        jet.JetStopBackupInstance(self.handle)


def _folder(path: Path) -> str:
    """A directory as a path parameter wants it, with a separator at its end."""
    return os.path.join(path, "")  # noqa: PTH118


def _parameter_number(name: str) -> int:
    full = name if name.startswith("JET_param") else f"JET_param{name}"
    try:
        return params.PARAMS[full]
    except KeyError:
        raise jet_error(codes.JET_errInvalidParameter, f"there is no system parameter {name!r}") from None
