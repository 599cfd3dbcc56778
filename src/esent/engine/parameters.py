"""System parameters: what may be set when, to what, and what is answered.

A `ParameterSet` holds the values of one scope: the process (its defaults for new instances, and the global parameters), or one
instance. Order of the checks when setting, first match wins: number unknown or read-only -> JET_errInvalidParameter; the value
is the current one -> success; too late -> JET_errAlreadyInitialized; an advanced parameter while JET_paramEnableAdvanced is
0 -> success without effect; out of range -> JET_errInvalidParameter.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from esent.constants import codes, grbits, params
from esent.constants.formats import HIGHEST, RECOMMENDED, JET_efvAllowHigherPersistedFormat, JET_efvUseEngineDefault
from esent.constants.params import ERROR_TEXTS, PARAMETERS, ParameterDefinition
from esent.errors import JetError, jet_error
from esent.log.format_choice import FormatChoice

ParameterValue = int | str

WORD = 2**64
KEY_MOST = {2048: 500, 4096: 1000, 8192: 2000, 16384: 2000, 32768: 2000}
LONG_VALUE_CHUNK_MOST = {2048: 1966, 4096: 4014, 8192: 8110, 16384: 4050, 32768: 8150}
RECORD_SIZE_MOST = {2048: 1743, 4096: 3791, 8192: 7887, 16384: 16288, 32768: 32672}
# Where nobody asks for a format: what everything from Windows 10 on takes, and files keep the one they have.
_CAUTIOUS_FORMAT = RECOMMENDED.efv | JET_efvAllowHigherPersistedFormat
# Readable only through something else: a session, a recovery under way.
_UNREADABLE = (params.JET_paramTransactionLevel, params.JET_paramRecoveryCurrentLogfile)


class Moment(IntEnum):
    """How far the life of what a parameter belongs to has come."""

    NO_INSTANCE = 0  # nothing created in the process
    ALLOCATED = 1  # this instance, or for the process any instance, exists
    INITIALISED = 2  # JetInit of this instance has begun


@dataclass(slots=True)
class UnicodeDefault:
    """JET_paramUnicodeIndexDefault: locale and mapping flags of Unicode indexes that give none."""

    lcid: int = 1033
    map_flags: int = 0x20403


def definition_of(paramid: object) -> ParameterDefinition:
    """The definition of a parameter number, or JET_errInvalidParameter."""
    found = PARAMETERS.get(paramid) if isinstance(paramid, int) else None
    if found is None or found.status == "invalid":
        raise jet_error(codes.JET_errInvalidParameter, f"there is no system parameter {paramid!r}")
    return found


def error_to_string(code: int) -> str:
    """JET_paramErrorToString: name and text of a result code."""
    signed = (code + 2**31) % 2**32 - 2**31
    name = codes.NAMES.get(signed)
    if name is None:
        return "Unknown Error, Unknown Error"
    return f"{name}, {ERROR_TEXTS.get(signed) or codes.MEANINGS[signed]}"


def _refused(definition: ParameterDefinition, why: str) -> JetError:
    return jet_error(codes.JET_errInvalidParameter, f"setting {definition.name}: {why}")


def absolute_folder(text: str) -> str:
    """A folder as the engine keeps it: absolute, with a separator at its end."""
    try:
        folder = os.path.abspath(text or ".")  # noqa: PTH100 - Path drops the separator at the end that callers see
    except ValueError as problem:
        raise jet_error(codes.JET_errInvalidPath, f"a folder cannot have this name: {problem}") from problem
    return folder if folder.endswith(os.sep) else folder + os.sep


class ParameterSet:
    """The parameter values of one scope. Not thread-safe by itself: the owner's lock is held around it."""

    def __init__(self, parent: ParameterSet | None = None) -> None:
        self._parent = parent  # where values not set here come from
        self._values: dict[int, ParameterValue] = {} if parent is None else dict(parent._values)
        self._objects: dict[int, object] = {} if parent is None else dict(parent._objects)
        self.explicit: set[int] = set() if parent is None else set(parent.explicit)
        self.unicode_default: UnicodeDefault = UnicodeDefault() if parent is None else parent.unicode_default

    def _home(self, definition: ParameterDefinition) -> ParameterSet:
        return self._parent if self._parent is not None and definition.scope == "global" else self

    def value(self, paramid: int) -> ParameterValue:
        """The current value as the engine uses it."""
        definition = PARAMETERS[paramid]
        home = self._home(definition)
        if paramid in home._values:
            return home._values[paramid]
        if paramid == params.JET_paramEngineFormatVersion and self._parent is not None:
            return _CAUTIOUS_FORMAT
        default = definition.default
        if isinstance(default, str) and definition.type == "Folder":
            return default.replace("\\", os.sep)
        return default

    def number(self, paramid: int) -> int:
        return int(self.value(paramid))

    def text(self, paramid: int) -> str:
        return str(self.value(paramid))

    @property
    def format_choice(self) -> FormatChoice:
        """What JET_paramEngineFormatVersion asks for."""
        return FormatChoice.of(self.number(params.JET_paramEngineFormatVersion))

    def callback(self, paramid: int) -> Callable[..., Any] | None:
        """The Python callable behind a Pointer parameter, if one was set."""
        found = self._home(PARAMETERS[paramid])._objects.get(paramid)
        return found if callable(found) else None

    def put(self, paramid: int, value: ParameterValue) -> None:
        """Store what the engine itself worked out (no checks)."""
        self._home(PARAMETERS[paramid])._values[paramid] = value

    # -- JetGetSystemParameter ------------------------------------------------------------------------------------

    def get(self, paramid: object) -> ParameterValue:
        """The value as the API reports it."""
        definition = definition_of(paramid)
        number = definition.number
        if number in _UNREADABLE:
            raise jet_error(codes.JET_errInvalidParameter, f"{definition.name} cannot be read here")
        if number == params.JET_paramUnicodeIndexDefault:
            return ""
        page_size = self.number(params.JET_paramDatabasePageSize)
        if number == params.JET_paramKeyMost:
            return KEY_MOST[page_size]
        if number == params.JET_paramLVChunkSizeMost:
            return LONG_VALUE_CHUNK_MOST[page_size]
        if number == params.JET_paramRecordSizeMost:
            return RECORD_SIZE_MOST[page_size]
        value = self.value(number)
        if number == params.JET_paramEngineFormatVersion and value == JET_efvUseEngineDefault:
            return HIGHEST.efv
        return value

    # -- JetSetSystemParameter ------------------------------------------------------------------------------------

    def set(self, paramid: object, number: object, text: object, moment: Moment, *, any_instance: bool) -> None:
        """Set one parameter; `any_instance` says whether an instance exists in the process."""
        definition = definition_of(paramid)
        if definition.settable.startswith("read-only"):
            raise _refused(definition, "it is read-only")
        home = self._home(definition)
        if definition.number == params.JET_paramUnicodeIndexDefault:
            self._set_unicode_default(definition, number, moment)
            return
        if definition.is_text:
            home._set_text(definition, text, moment, any_instance)
        else:
            home._set_number(definition, number, moment, any_instance)

    @staticmethod
    def _check_moment(definition: ParameterDefinition, moment: Moment, any_instance: bool) -> None:
        late = (definition.settable == "before JetInit" and moment is Moment.INITIALISED) or (
            definition.settable == "before first instance" and any_instance
        )
        if late:
            raise jet_error(codes.JET_errAlreadyInitialized, f"too late to set {definition.name}: {definition.settable} only")

    def _ignored(self, definition: ParameterDefinition) -> bool:
        """Advanced parameters are left alone while JET_paramEnableAdvanced is off."""
        return definition.advanced and not self.number(params.JET_paramEnableAdvanced)

    def _set_text(self, definition: ParameterDefinition, text: object, moment: Moment, any_instance: bool) -> None:
        if text is not None and not isinstance(text, str):
            raise _refused(definition, "its value is text (szParam)")
        if text is not None and text == self.value(definition.number):
            return
        self._check_moment(definition, moment, any_instance)
        if self._ignored(definition):
            return
        value = text or ""
        if "\0" in value:
            raise _refused(definition, "its value holds a NUL")
        clears = not value and definition.number == params.JET_paramAlternateDatabaseRecoveryPath
        if definition.type == "Folder" and not clears:
            value = absolute_folder(value)
        low, high = definition.low or 0, definition.high
        if len(value) < low or (high is not None and len(value) > high):
            raise _refused(definition, f"{len(value)} characters, not {definition.range}")
        self._store(definition, value)

    def _set_number(self, definition: ParameterDefinition, number: object, moment: Moment, any_instance: bool) -> None:
        attached: object = None
        if definition.type == "Pointer" and callable(number):
            attached, number = number, 1  # a callable is set, whatever its address would be
        if number is None:
            number = 0
        if not isinstance(number, int):
            raise _refused(definition, "its value is a number (lParam)")
        value = int(number) % WORD
        is_current = attached is None and value == self.number(definition.number) % WORD
        if is_current and definition.number != params.JET_paramConfiguration:  # that one gathers, it is never just repeated
            return
        self._check_moment(definition, moment, any_instance)
        if self._ignored(definition):
            return
        value = self._in_range(definition, value)
        if definition.number == params.JET_paramEngineFormatVersion:
            FormatChoice.of(value)
        if definition.number == params.JET_paramConfiguration:
            value = self._configured(value)
        self._store(definition, value, attached)

    @staticmethod
    def _in_range(definition: ParameterDefinition, value: int) -> int:
        """The value as it is stored, or JET_errInvalidParameter."""
        low, high = definition.low, definition.high
        if high is None or low is None:
            return value
        if definition.type == "Boolean" and high == 1:
            return int(value != 0)
        fits = value & ~high == 0 if definition.type == "Grbit" else low <= value <= high
        if definition.type == "BlockSize" and value & (value - 1):
            fits = False
        if not fits:
            raise _refused(definition, f"{value} is not within {definition.range}")
        return value

    def _configured(self, profile: int) -> int:
        """JET_paramConfiguration gathers the profiles asked for; the default profile puts numbers back to their defaults."""
        if profile & grbits.JET_configDefault:
            for number, definition in PARAMETERS.items():
                if definition.scope == "instance" and not definition.is_text and number in self._values:
                    if number != params.JET_paramConfiguration:
                        del self._values[number]
                    self.explicit.discard(number)
        return self.number(params.JET_paramConfiguration) | profile

    def _store(self, definition: ParameterDefinition, value: ParameterValue, attached: object = None) -> None:
        self._values[definition.number] = value
        self.explicit.add(definition.number)
        if attached is None:
            self._objects.pop(definition.number, None)
        else:
            self._objects[definition.number] = attached

    def _set_unicode_default(self, definition: ParameterDefinition, value: object, moment: Moment) -> None:
        if value is None or value == 0:
            return
        lcid, flags = getattr(value, "lcid", None), getattr(value, "dwMapFlags", None)
        if not isinstance(lcid, int) or not isinstance(flags, int):
            raise _refused(definition, "its value is a JET_UNICODEINDEX")
        self._check_moment(definition, moment, any_instance=False)
        self.unicode_default = UnicodeDefault(lcid, flags)
