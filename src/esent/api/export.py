"""`export`: the tables of one database, or of thousands, as files that other tools read.

In the folder of the export, with `manifest.json`, which tells what is where and where it came from:

| format            | one database           | several databases                                                     |
|-------------------|------------------------|-----------------------------------------------------------------------|
| jsonl, csv, arrow | TABLE.jsonl, ...       | source=ID/TABLE.jsonl, ...                                            |
| sqlite            | NAME.sqlite            | ID.sqlite                                                             |
| parquet           | table=TABLE/source=ID/part-0.parquet, so that readers of partitioned datasets see one table for all  ||

ID is the name of the file and the beginning of its SHA-256: the same file has the same ID in every export.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime
import fnmatch
import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from esent.api.export_draft import MANIFEST, TOOL, Draft
from esent.api.export_source import SourceReport, export_source
from esent.constants import codes
from esent.errors import JetError, jet_error
from esent.pages.filesystem import FILES
from esent.tools.arrow import arrow
from esent.tools.export import Options, TableReport, file_digest
from esent.tools.export_files import EXTENSIONS, FORMATS, NEED_ARROW
from esent.tools.export_names import Names, safe_name
from esent.tools.export_unify import Unified, rewrite
from esent.tools.where import Condition
from esent.version import VERSION, build_kind

PathLike = str | os.PathLike[str]
_MAGIC = b"\xef\xcd\xab\x89"
_MAGIC_AT = 4
_WILD = "*?["
_SHADOW_AT = (2048, 4096, 8192, 16384, 32768)


def find_databases(given: Iterable[PathLike]) -> list[Path]:
    """The database files that are meant: files as they are named, in folders every file that begins like a database, and the
    files that patterns (`**` for any folders) match. Links to folders are not followed; each file comes once.

    JET_errFileNotFound for a name, a folder or a pattern that gives none.
    """
    found: dict[Path, None] = {}
    for each in given:
        path = Path(each)
        if path.is_dir():
            matched = [Path(folder) / name for folder, _, names in os.walk(path) for name in sorted(names)]
            matched = [file for file in matched if _begins_like_one(file)]
        elif path.exists() or not any(sign in str(each) for sign in _WILD):
            matched = [path]
            if not path.exists():
                raise jet_error(codes.JET_errFileNotFound, "looking for a database", file=path)
        else:
            matched = sorted(_matching(path))
        if not matched:
            raise jet_error(codes.JET_errFileNotFound, "looking for databases: there is none", file=path)
        found.update(dict.fromkeys(Path(os.path.abspath(file)) for file in matched))  # noqa: PTH100 - links stay as they are
    return list(found)


def _matching(pattern: Path) -> Iterator[Path]:
    """The files whose paths a pattern matches, part by part."""
    parts = pattern.parts
    fixed = next(number for number, part in enumerate(parts) if any(sign in part for sign in _WILD))
    top = Path(*parts[:fixed])
    wild = parts[fixed:]
    for folder, folders, names in os.walk(top):
        below = Path(folder).relative_to(top).parts
        if "**" not in wild and len(below) + 1 >= len(wild):
            folders.clear()
        for name in names:
            if _matches((*below, name), wild):
                yield Path(folder, name)


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skipped:], pattern[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _begins_like_one(path: Path) -> bool:
    """Whether a file has the mark of a database in one of its header copies."""
    try:
        with FILES.open(path) as file:
            return any(file.read(at + _MAGIC_AT, 4) == _MAGIC for at in (0, *_SHADOW_AT))
    except JetError:
        return False


class _Progress:
    """Adds up what is done of all sources."""

    def __init__(self, paths: Sequence[Path], advance: Callable[[int, int], None]) -> None:
        # each file is read twice: for its hash, and for its rows
        self._sizes = {path: 2 * path.stat().st_size for path in paths if path.is_file()}
        self._total = sum(self._sizes.values())
        self._finished = 0
        self._here = 0
        self._advance = advance

    def told(self, count: int) -> None:
        self._here += count
        self._advance(min(self._finished + self._here, self._total), self._total)

    def finish(self, path: Path) -> None:
        self._finished += self._sizes.get(path, 0)
        self._here = 0
        self._advance(self._finished, self._total)


def export(
    files: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    to: str,
    tables: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    where: str | None = None,
    system: bool = False,
    dirty: bool = False,
    log_directory: PathLike | None = None,
    null: str = "",
    jobs: int = 1,
    force: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Export the tables of databases to the new folder `out`, and give the manifest, which is there as well.

    `files`: databases, folders and patterns (`find_databases`). `to`: jsonl, csv, parquet, sqlite or arrow. `tables`, `columns`
    (those that a table has) and `where` (`esent.tools.where`) choose; `system` adds the engine's own tables. Databases are
    never written to; a dirty one is read as of its last commit if its logs are beside it or in `log_directory`, `dirty` reads
    it as it is. `null` is what stands for NULL in CSV. `jobs` processes work at once.

    What is wrong with one database is told in the manifest, whose "whole" is then false, and does not end the export. `out`
    gets its name when all is written; with `force` it replaces a former export. Raises ValueError for a format that is none,
    `ConditionError`, ImportError where pyarrow is needed and absent, JET_errFileAlreadyExists and the like for `out`, OSError
    where writing fails; then nothing is left.
    """
    if to not in FORMATS:
        raise ValueError(f"there is no format {to!r}; there are {', '.join(FORMATS)}")
    if where is not None:
        Condition(where)
    if to in NEED_ARROW:
        arrow()
    paths = find_databases([files] if isinstance(files, str | os.PathLike) else files)
    options = Options(
        to,
        None if tables is None else list(tables),
        None if columns is None else list(columns),
        where,
        system,
        dirty,
        null,
        None if log_directory is None else Path(log_directory).absolute(),
    )
    inside = Path(os.path.abspath(out))  # noqa: PTH100
    if any(path.is_relative_to(inside) for path in paths):
        raise jet_error(codes.JET_errInvalidPath, "exporting into the folder of a database", file=inside)
    with Draft(Path(out), force=force) as draft:
        assembly = _Assembly(draft.folder, options, several=len(paths) > 1)
        counted = _Progress(paths, progress)
        work = draft.folder / ".work"
        FILES.make_directory(work)
        for number, report in _reports(paths, work, options, jobs, counted):
            assembly.add(number, report, work / str(number))
            counted.finish(report.path)
        FILES.remove_tree(work)
        manifest = assembly.manifest()
        with (draft.folder / MANIFEST).open("w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=1, ensure_ascii=False)
            file.write("\n")
        draft.publish()
    return manifest


def _reports(
    paths: Sequence[Path], work: Path, options: Options, jobs: int, counted: _Progress
) -> Iterator[tuple[int, SourceReport]]:
    """The report of each database, as they are finished."""
    if jobs <= 1 or len(paths) == 1:
        for number, path in enumerate(paths):
            yield number, export_source(path, work / str(number), options, counted.told)
        return
    waiting = dict(enumerate(paths))
    at_once = jobs
    while waiting:
        # a process that dies takes the whole pool along; whose fault it was shows when those left are read one at a time
        chosen = list(waiting) if at_once > 1 else list(waiting)[:1]
        done = False
        for number, report in _in_processes({each: waiting[each] for each in chosen}, work, options, at_once):
            del waiting[number]
            done = True
            yield number, report
        if waiting and at_once == 1 and not done:
            number, path = next(iter(waiting.items()))
            del waiting[number]
            yield number, SourceReport(path, error="the process that read it has died")
        at_once = 1 if waiting else at_once


def _in_processes(paths: dict[int, Path], work: Path, options: Options, jobs: int) -> Iterator[tuple[int, SourceReport]]:
    """Reports from a pool of processes, fewer than asked for where a process died."""
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads of a progress display
    with concurrent.futures.ProcessPoolExecutor(min(jobs, len(paths)), context) as pool:
        futures = {pool.submit(export_source, path, work / str(number), options): number for number, path in paths.items()}
        try:
            for future in concurrent.futures.as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool:
            return
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Assembly:
    """Puts the files of the sources where they belong, and the manifest together."""

    def __init__(self, folder: Path, options: Options, *, several: bool) -> None:
        self._folder = folder
        self._options = options
        self._several = several
        self._ids = Names()
        self._sources: dict[int, dict[str, Any]] = {}
        self._schemas: dict[str, list[dict[str, Any]]] = {}
        self._parts: dict[str, list[dict[str, Any]]] = {}  # by the folder of a table: the entries of its files
        self._seen: set[str] = set()
        self._whole = True
        self._notes: list[str] = []

    def add(self, number: int, report: SourceReport, made: Path) -> None:
        """One source is finished; its files are in `made`."""
        source_id = self._ids.take(f"{report.path.stem}-{(report.sha256 or 'unread')[:12]}")
        names = Names()
        moved: dict[str, str] = {}
        tables = []
        for table in report.tables:
            self._seen.add(table.name.upper())
            entry = self._entry(table)
            if table.file is not None:
                if table.file not in moved:
                    moved[table.file] = self._move(made / table.file, report, table, source_id, names)
                entry["file"] = moved[table.file]
                entry["bytes"], entry["sha256"] = report.outputs[table.file]
                if self._options.form == "parquet":
                    self._parts.setdefault(str(Path(moved[table.file]).parent.parent), []).append(entry)
            tables.append(entry)
        self._whole = self._whole and report.is_whole
        self._sources[number] = {
            "id": source_id,
            "path": os.fspath(report.path),
            "size": report.size,
            "sha256": report.sha256,
            **report.header,
            "replayed": report.replayed,
            "whole": report.is_whole,
            "error": report.error,
            "damage": report.damage,
            "changed_while_read": report.changed,
            "tables": tables,
        }
        if FILES.exists(made):
            FILES.remove_tree(made)

    def _entry(self, table: TableReport) -> dict[str, Any]:
        schema = hashlib.sha256(json.dumps(table.columns).encode()).hexdigest()[:16]
        self._schemas[schema] = table.columns
        return {
            "table": table.name,
            "file": None,
            "rows": table.rows,
            "bytes": None,
            "sha256": None,
            "schema": schema,
            "odd_values": table.odd_values,
            "lost": table.lost,
            "damage": table.damage,
            "error": table.error,
        }

    def _move(self, path: Path, report: SourceReport, table: TableReport, source_id: str, names: Names) -> str:
        """Put a file to where it belongs; its path from the folder of the export."""
        extension = EXTENSIONS[self._options.form]
        if self._options.form == "parquet":
            goal = Path(f"table={names.take(table.name)}", f"source={source_id}", "part-0.parquet")
        elif self._options.form == "sqlite":
            stem = source_id if self._several else safe_name(report.path.stem)
            goal = Path(f"{stem}.{extension}")
        else:
            name = names.take(table.name)
            goal = Path(f"source={source_id}", f"{name}.{extension}") if self._several else Path(f"{name}.{extension}")
        target = self._folder / goal
        FILES.make_directory(target.parent, parents=True)
        FILES.rename(path, target)
        return goal.as_posix()

    def manifest(self) -> dict[str, Any]:
        """All that there is to say, once every source has been added."""
        missing = []
        if self._options.tables is not None:
            missing = [name for name in self._options.tables if name.upper() not in self._seen]
            self._notes += [f"no database has a table {name}" for name in missing]
        if self._options.form == "parquet":
            self._unify()
        sources = [self._sources[number] for number in sorted(self._sources)]
        options = dataclasses.asdict(self._options)
        options["log_directory"] = None if self._options.log_directory is None else os.fspath(self._options.log_directory)
        return {
            "tool": TOOL,
            "version": VERSION,
            "build": build_kind(),
            "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "whole": self._whole and not missing,
            "options": options,
            "rows": sum(table["rows"] for source in sources for table in source["tables"]),
            "notes": self._notes,
            "sources": sources,
            "schemas": self._schemas,
        }

    def _unify(self) -> None:
        """Bring the files of each table to one schema where they differ."""
        import pyarrow.parquet

        for folder, entries in sorted(self._parts.items()):
            kinds = list(dict.fromkeys(entry["schema"] for entry in entries))
            if len(kinds) == 1:
                continue
            samples = {entry["schema"]: self._folder / entry["file"] for entry in reversed(entries)}
            unified = Unified(pyarrow.parquet.read_schema(samples[kind]) for kind in kinds)
            for entry in entries:
                number = kinds.index(entry["schema"])
                if not unified.fits(number):
                    path = self._folder / entry["file"]
                    rewrite(path, unified, unified.places[number])
                    entry["bytes"], entry["sha256"] = path.stat().st_size, file_digest(path)
            apart = [name for name in unified.schema.names if "~" in name]
            text = f"{folder}: {len(kinds)} schemas brought to one"
            self._notes.append(f"{text}; of other types, in columns of their own: {', '.join(apart)}" if apart else text)


__all__ = ["export", "find_databases"]
