"""JetBackup: a backup of every database of an instance into a directory (`reference/backup-and-restore.md` 5).

What is copied collects in the subdirectory `temp`, which restore never looks at, and moves to its place when all of it is on
stable storage:

- atomic: `temp` is renamed to `new`; the previous set waits in `old` until then;
- full: the files are moved one by one. A marker in `temp` lists them; a directory that has it holds no set, restore refuses it,
  and the next backup clears it;
- incremental: logs are moved in ascending order, so that the set is whole, and longer, at every moment.

Logs are deleted from the instance only afterwards. A failure removes everything this call made.

Another process asks for a stop by a file beside the directory (`stop_request`), which the backup removes as it stops.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from esent.backup.context import BackupContext, Run
from esent.backup.events import events
from esent.backup.host import BackupHost
from esent.backup.paths import absolute, is_plain
from esent.constants import codes, grbits
from esent.errors import JetError, jet_error
from esent.pages.filesystem import FileSystem

WORK = "temp"
NEW = "new"
OLD = "old"
MARKER = "incomplete"
PATCH_EXTENSION = ".pat"
CHUNK_PAGES = 256

Status = Callable[[int, int, int], None]
"""Called as status(snt, done, total): JET_sntBegin 0 of 100 and JET_sntComplete 100 of 100 of a full backup."""
Progress = Callable[[Path, int, int], None]
"""Called as progress(file, bytes done, bytes of the file) after every chunk."""


def back_up(
    context: BackupContext,
    directory: str | None,
    grbit: int = 0,
    status: Status | None = None,
    progress: Progress | None = None,
) -> None:
    """Run a whole backup into `directory`. Unknown option bits are ignored, as the original does.

    Without a directory the current one is meant; where that is empty, the logs below the checkpoint are deleted and nothing
    is copied. Raises the documented errors, JET_errBackupAbortByServer after a stop; nothing of the backup is left then.
    """
    run = context.begin(grbit & grbits.JET_bitBackupIncremental, private=True)
    try:
        if not directory and not context.host.files.names(absolute(".")):
            context.delete_unneeded_logs()
            return
        job = DirectoryBackup(context, run, absolute(directory or "."), grbit, status, progress)
        outcome = job.run()
    except BaseException as problem:
        # a failed step may have ended the backup already; then there is nothing left to cancel
        context.cancel(problem.code if isinstance(problem, JetError) else codes.JET_errBackupAbortByCaller, run)
        raise
    if outcome:
        raise context.last_problem or jet_error(outcome, "the backup was stopped", file=directory)


class DirectoryBackup:
    """One JetBackup, from Begin to End."""

    def __init__(
        self,
        context: BackupContext,
        run: Run,
        root: Path,
        grbit: int,
        status: Status | None,
        progress: Progress | None,
    ) -> None:
        self.context = context
        self.backup = run
        self.host: BackupHost = context.host
        self.files: FileSystem = context.host.files
        self.root = root
        self.incremental = bool(grbit & grbits.JET_bitBackupIncremental)
        self.atomic = bool(grbit & grbits.JET_bitBackupAtomic)
        self.status = status if not self.incremental else None
        self.progress = progress
        self.work = root / WORK
        self._stop_request = stop_request(root)
        self._made_directories: list[Path] = []
        self._published: list[Path] = []
        self._databases: list[str] = []
        self._logs: list[str] = []

    def run(self) -> int:
        """Copy, publish, delete logs, end; returns the outcome of the end. On failure everything made here is removed."""
        try:
            self._prepare_directory()
            if self.files.exists(self._stop_request):  # of an earlier backup, which had ended
                self.files.remove(self._stop_request)
            if self.status:
                self.status(grbits.JET_sntBegin, 0, 100)
            if not self.incremental:
                for path in self.context.attach_info():
                    self._copy_database(path)
            self._must_be_ours()
            for path in self.context.log_info()[0]:
                self._copy_file(path)
                self._logs.append(Path(path).name)
            self.files.sync_directory(self.work)
            self._must_be_ours()
            self._publish()
            self.context.truncate_log()
            if self.status:
                self.status(grbits.JET_sntComplete, 100, 100)
            self._must_be_ours()
            outcome = self.context.end()
        except BaseException:
            self._undo()
            raise
        if outcome:
            self._undo()
        elif self.atomic and self.files.exists(self.root / OLD):
            self.files.remove_tree(self.root / OLD)
            self.files.sync_directory(self.root)
        return outcome

    def _must_be_ours(self) -> None:
        """Somebody else may have ended this backup, and begun another one, in the meantime."""
        if self.context.run is not self.backup:
            raise jet_error(codes.JET_errNoBackup, "the backup was ended by another call", file=self.root)

    # ---- the directory -------------------------------------------------------------------------------------

    def _prepare_directory(self) -> None:
        self._make_root()
        self._clear_leftovers()
        if self.atomic:
            self._retire_new()
            if self.incremental:
                raise jet_error(codes.JET_errInvalidPath, "an atomic backup cannot be incremental", file=self.root)
        elif self.incremental:
            for name in (NEW, OLD):
                if self.files.exists(self.root / name):
                    raise jet_error(
                        codes.JET_errBackupDirectoryNotEmpty, f"the directory holds an atomic set ({name})", file=self.root
                    )
        elif self.files.names(self.root):
            raise jet_error(codes.JET_errBackupDirectoryNotEmpty, "the directory is not empty", file=self.root)
        try:
            self.files.make_directory(self.work)
        except JetError as problem:
            raise jet_error(codes.JET_errMakeBackupDirectoryFail, problem.message, file=self.work) from problem

    def _make_root(self) -> None:
        if self.files.is_directory(self.root):
            return
        if self.files.exists(self.root) or not self.host.create_paths:
            raise jet_error(codes.JET_errInvalidPath, "the backup directory does not exist", file=self.root)
        missing = [self.root]
        while not self.files.exists(missing[-1].parent):
            missing.append(missing[-1].parent)
        for path in reversed(missing):
            try:
                self.files.make_directory(path)
            except JetError as problem:
                raise jet_error(codes.JET_errInvalidPath, problem.message, file=path) from problem
            self._made_directories.append(path)

    def _clear_leftovers(self) -> None:
        """Remove `temp` of an earlier, ended run, and what it had moved already if it never got to the end."""
        if not self.files.exists(self.work):
            return
        try:
            for name in unfinished_files(self.root, self.files):
                if self.files.exists(self.root / name):
                    self.files.remove(self.root / name)
            self.files.remove_tree(self.work)
        except JetError as problem:
            raise jet_error(codes.JET_errDeleteBackupFileFail, problem.message, file=self.work) from problem

    def _retire_new(self) -> None:
        """The set in `new` becomes the one in `old`, whose previous content goes."""
        new, old = self.root / NEW, self.root / OLD
        if not self.files.exists(new):
            return
        if self.files.exists(old):
            try:
                self.files.remove_tree(old)
            except JetError as problem:
                raise jet_error(codes.JET_errDeleteBackupFileFail, problem.message, file=old) from problem
        self.files.rename(new, old)

    # ---- copying -------------------------------------------------------------------------------------------

    def _copy_database(self, path: str) -> None:
        name = Path(path).name
        if name.casefold() in (each.casefold() for each in self._databases):
            raise jet_error(codes.JET_errFileAlreadyExists, "two databases have the same file name", file=path)
        self._copy_file(path)
        self._databases.append(name)
        with self.files.open(self.work / patch_name(name), writable=True, create=True) as empty:
            empty.sync()

    def _copy_file(self, path: str) -> None:
        """Stream one file into `temp`; on stable storage when this returns."""
        context = self.context
        self._must_be_ours()
        handle, size = context.open_file(path)
        done = 0
        with self.files.open(self.work / Path(path).name, writable=True, exclusive=True) as target:
            while done < size:
                if self.host.terminating:
                    raise jet_error(codes.JET_errTermInProgress, "the instance is terminating")
                self._look_for_stop()
                data = context.read_file(handle, CHUNK_PAGES * self.host.page_size)
                if not isinstance(data, bytes) or not data:
                    raise jet_error(codes.JET_errReadVerifyFailure, "a file ended early while it was copied", file=path)
                target.write(done, data)
                done += len(data)
                if self.progress:
                    self.progress(Path(path), done, size)
            target.sync()
        context.close_file(handle)

    def _look_for_stop(self) -> None:
        if self.files.exists(self._stop_request):
            self.files.remove(self._stop_request)
            self.context.stop()

    # ---- publishing ----------------------------------------------------------------------------------------

    def _publish(self) -> None:
        if self.atomic:
            self.files.rename(self.work, self.root / NEW)
            self._published.append(self.root / NEW)
            return
        names = [*self._logs, *self._databases, *(patch_name(name) for name in self._databases)]
        if not self.incremental:
            self._write_marker(names)
        for name in names:
            target = self.root / name
            if not self.files.exists(target):
                self._published.append(target)
            self.files.rename(self.work / name, target)
        marker = self.work / MARKER
        if self.files.exists(marker):  # from here on the set is whole
            self.files.remove(marker)
        self.files.remove_tree(self.work)
        self.files.sync_directory(self.root)

    def _write_marker(self, names: list[str]) -> None:
        data = "".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape")
        self.files.make_directory(self.work)
        with self.files.open(self.work / MARKER, writable=True, create=True) as marker:
            marker.write(0, data)
            marker.sync()
        self.files.sync_directory(self.work)

    def _undo(self) -> None:
        """Remove what this call made; a step that fails does not keep the others from being done. The marker is put up again
        first, so that a set half removed is not taken for a whole one."""
        steps: list[Callable[[], None]] = []
        if self._published and not self.atomic and not self.incremental:
            steps.append(lambda: self._write_marker([path.name for path in self._published]))
        steps += [partial(self._remove, path) for path in reversed(self._published)]
        steps.append(lambda: self._remove(self.work))
        steps += [partial(self.files.remove_directory, path) for path in reversed(self._made_directories)]
        for step in steps:
            try:
                step()
            except JetError as problem:
                events.warning("cleaning up after a failed backup: %s", problem)

    def _remove(self, path: Path) -> None:
        if self.files.is_directory(path):
            self.files.remove_tree(path)
        elif self.files.exists(path):
            self.files.remove(path)


def stop_request(root: Path) -> Path:
    """The file whose appearance stops a backup into `root`."""
    return root.with_name(f".{root.name}.stop")


def patch_name(database: str) -> str:
    """The name of the empty file through which restore finds a database: a.edb has a.pat."""
    return Path(database).stem + PATCH_EXTENSION


def unfinished_files(root: Path, files: FileSystem) -> list[str]:
    """What a full backup that never got to its end may have moved into `root`; empty where there was none.

    Only plain names count: the marker cannot point out of the directory."""
    marker = root / WORK / MARKER
    if not files.exists(marker):
        return []
    with files.open(marker) as file:
        text = file.read(0, 1 << 20).decode("utf-8", "surrogateescape")
    return [name for name in text.split("\n") if is_plain(name)]


def is_unfinished(root: Path, files: FileSystem) -> bool:
    """True where a full backup into `root` was moving its files into place and did not finish."""
    return files.exists(root / WORK / MARKER)
