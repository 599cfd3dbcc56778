"""Which version this is, and whether its leaf modules are compiled."""

from __future__ import annotations

from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("esent")
except PackageNotFoundError:  # run from a source tree that is not installed
    VERSION = "0+source"


def is_compiled() -> bool:
    """Whether the leaf modules run as extension modules; the checksum module stands for all of them."""
    file = import_module("esent.pages.checksum").__file__ or ""
    return file.endswith(tuple(EXTENSION_SUFFIXES))


def build_kind() -> str:
    return "compiled modules" if is_compiled() else "plain Python"
