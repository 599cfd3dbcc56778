"""The Extensible Storage Engine (ESE, ESENT, "JET Blue") for Python, on any operating system.

Three doors: this module, the Pythonic layer; `esent.jet`, the documented API under its own names; the command `esent`.
Names are loaded when they are first used, so that `import esent` costs nothing that is not needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from esent import errors
from esent.errors import *  # noqa: F403

if TYPE_CHECKING:
    from esent.api.arrow import to_arrow as to_arrow
    from esent.api.backup import Backup as Backup
    from esent.api.carve import carve as carve
    from esent.api.columns import *  # noqa: F403
    from esent.api.database import Database as Database
    from esent.api.database import Key as Key
    from esent.api.database import Transaction as Transaction
    from esent.api.export import export as export
    from esent.api.instance import Instance as Instance
    from esent.api.mapping import PersistentDict as PersistentDict
    from esent.api.opening import open as open
    from esent.api.reading import ReadOnlyDatabase as ReadOnlyDatabase
    from esent.api.recover import recover as recover
    from esent.api.repair import repair as repair
    from esent.api.restore import restore as restore
    from esent.api.rows import Row as Row
    from esent.api.table import Index as Index
    from esent.api.table import Rows as Rows
    from esent.api.table import Table as Table
    from esent.tools.dump import dump as dump
    from esent.tools.verify import verify_database

    verify = verify_database
    __version__: str

_COLUMN_TYPES = (
    "Binary", "Bool", "ColumnType", "Currency", "DateTime", "Float32", "Float64", "Guid", "Int16", "Int32", "Int64",
    "LongBinary", "LongText", "Text", "UInt16", "UInt32", "UInt64", "UInt8",
)  # fmt: skip
_HOMES = {
    **{name: ("esent.api.columns", name) for name in _COLUMN_TYPES},
    "Backup": ("esent.api.backup", "Backup"),
    "Database": ("esent.api.database", "Database"),
    "Index": ("esent.api.table", "Index"),
    "Instance": ("esent.api.instance", "Instance"),
    "Key": ("esent.api.database", "Key"),
    "PersistentDict": ("esent.api.mapping", "PersistentDict"),
    "ReadOnlyDatabase": ("esent.api.reading", "ReadOnlyDatabase"),
    "Row": ("esent.api.rows", "Row"),
    "Rows": ("esent.api.table", "Rows"),
    "Table": ("esent.api.table", "Table"),
    "Transaction": ("esent.api.database", "Transaction"),
    "open": ("esent.api.opening", "open"),
    "carve": ("esent.api.carve", "carve"),
    "recover": ("esent.api.recover", "recover"),
    "repair": ("esent.api.repair", "repair"),
    "export": ("esent.api.export", "export"),
    "restore": ("esent.api.restore", "restore"),
    "to_arrow": ("esent.api.arrow", "to_arrow"),
    "dump": ("esent.tools.dump", "dump"),
    "verify": ("esent.tools.verify", "verify_database"),
    "__version__": ("esent.version", "VERSION"),
}

__all__ = ["JetError", "JetWarning"]  # noqa: F405
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
