"""Names of the files of a log stream (`reference/log-and-recovery.md` 1.1).

| file                 | name                                                                            |
|----------------------|---------------------------------------------------------------------------------|
| current log          | BASE.log or BASE.jtx                                                             |
| archived log         | BASE + generation, 5 or 8 hexadecimal digits in upper case                       |
| log being prepared   | BASEtmp                                                                         |
| reserve log          | BASEres + number, 5 digits, .jrs                                                 |
| checkpoint           | BASE.chk (beside .log) or BASE.jcp (beside .jtx), in the system folder           |
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from esent.pages.filesystem import FILES, FileSystem

LOG_EXTENSIONS = (".log", ".jtx")
CHECKPOINT_EXTENSIONS = {".log": ".chk", ".jtx": ".jcp"}
RESERVE_EXTENSION = ".jrs"
GENERATION_FIRST = 1
GENERATION_LIMIT = 0x7FFFF800  # new work ends here
GENERATION_LIMIT_RECOVERY = 0x7FFFFA00  # undo may go on to here
SHORT_NAME_LIMIT = 0xFFFFF
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


def log_name(base: str, generation: int | None = None, extension: str = ".log", *, digits: int = 5) -> str:
    """The name of the log of a generation; of the current one where `generation` is None.

    `digits` is 5 where the stream keeps to short names (the default of Windows), which ends at generation 0xFFFFF, or 8.
    """
    if generation is None:
        return base + extension
    width = 5 if digits == 5 and generation <= SHORT_NAME_LIMIT else 8
    return f"{base}{generation:0{width}X}{extension}"


def temporary_name(base: str, extension: str = ".log") -> str:
    return f"{base}tmp{extension}"


def reserve_name(base: str, number: int) -> str:
    return f"{base}res{number:05X}{RESERVE_EXTENSION}"


def checkpoint_name(base: str, extension: str = ".log") -> str:
    """The name of the checkpoint of a stream whose logs have `extension`."""
    return base + CHECKPOINT_EXTENSIONS[extension]


def parse_log_name(name: str, base: str) -> tuple[int, int, str] | None:
    """(generation, digits, extension in lower case) of an archived log's name; None for any other file."""
    stem, dot, extension = name.rpartition(".")
    extension = (dot + extension).lower()
    if extension not in LOG_EXTENSIONS or stem[: len(base)].lower() != base.lower():
        return None
    number = stem[len(base) :]
    if len(number) not in (5, 8) or not _HEXADECIMAL.issuperset(number):
        return None
    return int(number, 16), len(number), extension


def list_generations(directory: Path, base: str, files: FileSystem = FILES, *, extension: str | None = None) -> dict[int, Path]:
    """The archived logs of a stream in a folder by generation, ascending; only those with `extension` where it is given."""
    found: dict[int, Path] = {}
    for name in files.names(directory):
        parsed = parse_log_name(name, base)
        if parsed and parsed[0] >= GENERATION_FIRST and extension in (None, parsed[2]):
            found[parsed[0]] = directory / name
    return dict(sorted(found.items()))


def find_name(directory: Path, name: str, files: FileSystem = FILES) -> Path | None:
    """The file of that name in a folder, whatever its case; None where it is missing."""
    path = directory / name
    if files.exists(path):
        return path
    wanted = name.lower()
    return next((directory / entry for entry in files.names(directory) if entry.lower() == wanted), None)


def detect_extension(directory: Path, base: str, files: FileSystem = FILES) -> str | None:
    """The extension the logs in a folder have: .log or .jtx (a current log decides before archived ones); None without logs."""
    for extension in LOG_EXTENSIONS:
        if find_name(directory, log_name(base, extension=extension), files):
            return extension
    for extension in LOG_EXTENSIONS:
        if list_generations(directory, base, files, extension=extension):
            return extension
    return None


def detect_bases(names: Iterable[str]) -> list[str]:
    """The base names of the streams whose files are among `names`: three characters before a log's number or extension."""
    found: dict[str, str] = {}
    for name in names:
        stem, dot, extension = name.rpartition(".")
        if (dot + extension).lower() not in LOG_EXTENSIONS:
            continue
        base = stem[:3]
        if len(base) == 3 and (len(stem) == 3 or parse_log_name(name, base)):
            found.setdefault(base.lower(), base)
    return sorted(found.values())
