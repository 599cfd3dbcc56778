"""`JetError`: every negative result of the API, one class per code below one class per category.

The table is `constants/errors.tsv`. `jet_error(code, ...)` makes an instance of the leaf class of a code; a message says
what was being done to what, and names file, page and offset where there are any.
"""

from __future__ import annotations

from esent.constants.codes import CODES, MEANINGS, NAMES
from esent.constants.table import rows


class JetError(Exception):
    """Base of all errors of the engine: `.code` (negative int), `.name` ("JET_err..."), and a sentence.

    `.page` is the number of the page at fault where that is known.
    """

    code: int = 0
    name: str = ""
    page: int | None = None

    def __init__(self, message: str = "", *, code: int | None = None) -> None:
        if code is not None:
            self.code = code
            self.name = NAMES.get(code, f"JET_err({code})")
        self.message = message or MEANINGS.get(self.code, "")
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.name} ({self.code}): {self.message}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.code, self.message, self.page))


class JetWarning(UserWarning):
    """A positive result beside a value, issued through `warnings`: `.code` and `.name`."""

    def __init__(self, code: int, message: str = "") -> None:
        self.code = code
        self.name = NAMES.get(code, f"JET_wrn({code})")
        super().__init__(f"{self.name} ({code}): {message or MEANINGS.get(code, '')}")


class OperationError(JetError):
    """The operation could not be carried out, whatever was asked."""


class FatalError(OperationError):
    """The instance cannot go on."""


class IoError(OperationError):
    """Reading or writing a file failed."""


class ResourceError(OperationError):
    """Something ran out."""


class OutOfMemoryError(ResourceError):
    """Memory or a table of fixed size ran out: the category, and at once the class of its plainest code."""

    code = CODES["JET_errOutOfMemory"]
    name = "JET_errOutOfMemory"


class QuotaError(ResourceError):
    """A configured limit was reached."""


class DiskError(ResourceError):
    """A volume is full."""


class DataError(JetError):
    """The data are not as they should be."""


class CorruptionError(DataError):
    """Stored bytes are damaged."""


class InconsistentError(DataError):
    """Files do not belong together, or their state forbids what was asked."""


class FragmentationError(DataError):
    """A resource is fragmented beyond use."""


class ApiError(JetError):
    """The call itself was at fault."""


class UsageError(ApiError):
    """Wrong arguments or wrong use."""


class StateError(ApiError):
    """Right call, wrong moment."""


class ObsoleteError(ApiError):
    """The feature is gone."""


CATEGORIES: dict[str, type[JetError]] = {
    "Error/Operation": OperationError,
    "Error/Operation/Fatal": FatalError,
    "Error/Operation/IO": IoError,
    "Error/Operation/Resource": ResourceError,
    "Error/Operation/Resource/Memory": OutOfMemoryError,
    "Error/Operation/Resource/Quota": QuotaError,
    "Error/Operation/Resource/Disk": DiskError,
    "Error/Data": DataError,
    "Error/Data/Corruption": CorruptionError,
    "Error/Data/Inconsistent": InconsistentError,
    "Error/Data/Fragmentation": FragmentationError,
    "Error/Api": ApiError,
    "Error/Api/Usage": UsageError,
    "Error/Api/State": StateError,
    "Error/Api/Obsolete": ObsoleteError,
}


def class_name(name: str) -> str:
    """The Python class of a code's name: JET_errBackupAbortByServer is BackupAbortByServerError."""
    stem = name.removeprefix("JET_err").removeprefix("JET_wrn")
    return stem if stem.endswith("Error") else stem + "Error"


def _leaf_classes() -> tuple[dict[str, type[JetError]], dict[int, type[JetError]]]:
    by_name: dict[str, type[JetError]] = {}
    by_code: dict[int, type[JetError]] = {}
    for row in rows("errors.tsv"):
        code = int(row["value"])
        if code >= 0:
            continue
        name = row["name"]
        if name == OutOfMemoryError.name:
            by_code[code] = OutOfMemoryError
            continue
        base = CATEGORIES.get(row["category"], OperationError)
        leaf = type(class_name(name), (base,), {"code": code, "name": name, "__doc__": row["meaning"], "__module__": __name__})
        by_name[leaf.__name__] = leaf
        if NAMES[code] == name:
            by_code[code] = leaf
    return by_name, by_code


LEAVES, BY_CODE = _leaf_classes()
globals().update(LEAVES)


def jet_error(
    code: int, message: str = "", *, file: object = None, page: int | None = None, offset: int | None = None
) -> JetError:
    """An instance of the leaf class of `code`, its message followed by the place: file, page number, byte offset."""
    place = [f"{label} {value}" for label, value in (("file", file), ("page", page), ("offset", offset)) if value is not None]
    text = message or MEANINGS.get(code, "")
    if place:
        text = f"{text} ({', '.join(place)})"
    return _rebuild(code, text, page)


def _rebuild(code: int, message: str, page: int | None) -> JetError:
    leaf = BY_CODE.get(code)
    problem = leaf(message) if leaf else JetError(message, code=code)
    problem.page = page
    return problem


__all__ = ["CATEGORIES", "CODES", "JetError", "JetWarning", "jet_error", *LEAVES]
__all__ += sorted({category.__name__ for category in CATEGORIES.values()})
