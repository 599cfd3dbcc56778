"""The Extensible Storage Engine (ESE, ESENT, "JET Blue") for Python, on any operating system.

Three doors: this module, the Pythonic layer; `esent.jet`, the documented API under its own names; the command `esent`.
Names are loaded when they are first used, so that `import esent` costs nothing that is not needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from esent.errors import *  # noqa: F403
from esent.errors import __all__ as _error_names
from esent.version import VERSION as __version__

if TYPE_CHECKING:
    from esent.api.backup import Backup as Backup
    from esent.api.instance import Instance as Instance
    from esent.api.restore import restore as restore
    from esent.tools.dump import dump as dump
    from esent.tools.verify import verify_database as verify

_HOMES = {
    "Backup": ("esent.api.backup", "Backup"),
    "Instance": ("esent.api.instance", "Instance"),
    "restore": ("esent.api.restore", "restore"),
    "dump": ("esent.tools.dump", "dump"),
    "verify": ("esent.tools.verify", "verify_database"),
}

__all__ = ["__version__", *_HOMES, *_error_names]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'esent' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
