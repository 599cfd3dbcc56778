"""File names as callers of the API give them."""

from __future__ import annotations

import os
from pathlib import Path

from esent.constants import codes
from esent.errors import jet_error

PATH_LIMIT = 4096
NAME_LIMIT = 255


def absolute(name: str) -> Path:
    """The absolute path of a file name that may be relative or have backslashes. Raises JET_errInvalidPath."""
    if os.name == "posix":
        name = name.replace("\\", "/")
    if "\0" in name:
        raise jet_error(codes.JET_errInvalidPath, "a NUL in a path")
    try:
        os.fsencode(name)
    except UnicodeEncodeError as problem:
        raise jet_error(codes.JET_errInvalidPath, f"no file can be named {name!r}") from problem
    path = os.path.normpath(Path.cwd() / name)
    if len(os.fsencode(path)) >= PATH_LIMIT or any(len(os.fsencode(part)) > NAME_LIMIT for part in Path(path).parts):
        raise jet_error(codes.JET_errInvalidPath, "a path that is too long")
    return Path(path)


def is_plain(name: str) -> bool:
    """Whether a name that comes from a log can only be that of a file in a folder."""
    return name not in ("", ".", "..") and not set(name) & {"/", "\\", "\0"}
