"""The Extensible Storage Engine (ESE, ESENT, "JET Blue") for Python, on any operating system.

Three doors: this module, the Pythonic layer; `esent.jet`, the documented API under its own names; the command `esent`.
Names are loaded when they are first used, so that `import esent` costs nothing that is not needed.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from esent import errors, version
from esent.errors import *  # noqa: F403

if TYPE_CHECKING:
    from esent.api.backup import Backup as Backup
    from esent.api.instance import Instance as Instance
    from esent.api.reading import ReadOnlyDatabase as ReadOnlyDatabase
    from esent.api.recover import recover as recover
    from esent.api.restore import restore as restore
    from esent.tools.dump import dump as dump
    from esent.tools.verify import verify_database

    verify = verify_database

_HOMES = {
    "Backup": ("esent.api.backup", "Backup"),
    "Instance": ("esent.api.instance", "Instance"),
    "ReadOnlyDatabase": ("esent.api.reading", "ReadOnlyDatabase"),
    "recover": ("esent.api.recover", "recover"),
    "restore": ("esent.api.restore", "restore"),
    "dump": ("esent.tools.dump", "dump"),
    "verify": ("esent.tools.verify", "verify_database"),
}

# events of the engine are for whoever asks for them
logging.getLogger("esent").addHandler(logging.NullHandler())

__version__ = version.VERSION
__all__ = ["JetError", "JetWarning", "__version__"]  # noqa: F405
__all__ += [*_HOMES, *errors.LEAVES, *sorted({category.__name__ for category in errors.CATEGORIES.values()})]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'esent' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
