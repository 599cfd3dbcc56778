"""The folder of an export while it is being made: beside its place, under a name that nobody takes for a finished one."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from types import TracebackType

from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.pages.filesystem import FILES
from esent.pages.locking import DirectoryLock

MANIFEST = "manifest.json"
TOOL = "esent export"
_SYNC_EACH_MOST = 200  # files; beyond that flushing the whole system at once is quicker


class Draft:
    """`folder` is where to write; `publish` gives it its name, leaving the context without that removes it.

    A process that is killed leaves `.NAME.exporting` behind, which the next export to NAME clears away.
    """

    def __init__(self, out: Path, *, force: bool) -> None:
        """JET_errFileAlreadyExists where `out` is there and not empty, unless `force` is given and it is a former export.

        JET_errFileAccessDenied: another export to `out` is under way, or `out` is something else. JET_errInvalidPath.
        """
        self.out = Path(os.path.abspath(out))  # noqa: PTH100 - links stay as they are
        self.folder = self.out.with_name(f".{self.out.name}.exporting")
        self._former = self.out.with_name(f".{self.out.name}.replaced")
        self._published = False
        if not self.out.name:
            raise jet_error(codes.JET_errInvalidPath, "exporting to the root of a file system", file=self.out)
        if not FILES.is_directory(self.out.parent):
            raise jet_error(codes.JET_errInvalidPath, "exporting to a folder that is not there", file=self.out.parent)
        self._require_place(force)
        self._clear()
        FILES.make_directory(self.folder)
        self._lock = DirectoryLock(self.folder, "export")

    def _require_place(self, force: bool) -> None:
        if not FILES.exists(self.out):
            return
        if self.out.is_symlink() or not FILES.is_directory(self.out):
            raise jet_error(codes.JET_errFileAccessDenied, "exporting to what is no folder", file=self.out)
        if not FILES.names(self.out):
            return
        if not force:
            what = "exporting to a folder that is not empty; --force replaces a former export"
            raise jet_error(codes.JET_errFileAlreadyExists, what, file=self.out)
        try:
            with (self.out / MANIFEST).open("rb") as file:
                # no need to read the manifest of ten thousand databases: it begins with the name of the tool
                start = file.read(256).decode("utf-8", "replace")
        except OSError:
            start = ""
        if json.dumps(TOOL) not in start:
            raise jet_error(codes.JET_errFileAccessDenied, "replacing a folder that is no former export", file=self.out)

    def _clear(self) -> None:
        """Put away what a killed export has left."""
        if FILES.exists(self.folder):
            if self.folder.is_symlink() or not FILES.is_directory(self.folder):
                raise jet_error(codes.JET_errFileAccessDenied, "something is in the way", file=self.folder)
            DirectoryLock(self.folder, "export").release()  # refused while another export is at it
            FILES.remove_tree(self.folder)
        if FILES.exists(self._former) and not self._former.is_symlink():
            if FILES.exists(self.out):
                FILES.remove_tree(self._former)
            else:
                FILES.rename(self._former, self.out)

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._lock.release()
        if not self._published:
            with contextlib.suppress(JetError):
                FILES.remove_tree(self.folder)

    def publish(self) -> None:
        """Make all that was written durable, then give the folder its name; a former export is in its place until then."""
        files = [Path(folder) / name for folder, _, names in os.walk(self.folder) for name in names]
        if len(files) > _SYNC_EACH_MOST and hasattr(os, "sync"):
            os.sync()
        else:
            for path in files:
                with FILES.open(path, writable=True) as file:
                    file.sync()
            for folder, _, _ in os.walk(self.folder):
                FILES.sync_directory(Path(folder))
        replaces = FILES.exists(self.out) and bool(FILES.names(self.out))
        if replaces:
            FILES.rename(self.out, self._former)
        FILES.rename(self.folder, self.out)
        self._published = True
        if replaces:
            FILES.remove_tree(self._former)
