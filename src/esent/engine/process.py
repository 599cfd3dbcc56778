"""The process: its run mode, the table of its instances, and the parameters that belong to all of them.

Modes and their transitions (`reference/backup-and-restore.md` 1.2): nothing set -> one instance (JetInit without an instance,
JetRestore) or -> multi instance (JetCreateInstance, JetEnableMultiInstance); back to nothing set when the last one is freed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from esent.constants import codes, grbits, params
from esent.engine.handles import Handle, InstanceHandle
from esent.engine.parameters import Moment, ParameterSet, ParameterValue, definition_of
from esent.errors import JetError, jet_error

if TYPE_CHECKING:
    from esent.engine.instance import Instance


class RunMode(Enum):
    NOT_SET = "not set"
    ONE = "one instance"
    MULTI = "multi instance"


class Process:
    """One table of instances. The module's `PROCESS` is the one behind the API; `lock` guards table, mode and global values."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.mode = RunMode.NOT_SET
        self.instances: list[Instance] = []
        self._inherited: list[Instance] = []
        self.parameters = ParameterSet()

    # -- looking up -----------------------------------------------------------------------------------------------

    def resolve(self, instance: object) -> Instance:
        """The instance of a handle.

        0, None and the nil constant stand for the single instance in one-instance mode and are JET_errInvalidParameter
        elsewhere; a stale or foreign handle is JET_errInvalidInstance in every mode.
        """
        with self.lock:
            if isinstance(instance, InstanceHandle):
                found = next((each for each in self.instances if each.handle is instance), None)
                if found is not None:
                    return found
            if not is_nil(instance):
                raise jet_error(codes.JET_errInvalidInstance, "not the handle of an instance, or of one that has ended")
            if self.mode is RunMode.ONE and self.instances:
                return self.instances[0]
            raise jet_error(codes.JET_errInvalidParameter, "an instance handle is needed")

    def one_instance(self) -> Instance:
        """The instance of the functions without an instance argument."""
        with self.lock:
            if self.mode is RunMode.MULTI:
                raise jet_error(codes.JET_errRunningInMultiInstanceMode, "a call without an instance, in multi-instance mode")
            if not self.instances:
                raise jet_error(codes.JET_errInvalidParameter, "a call without an instance, and none was initialised")
            return self.instances[0]

    # -- making and freeing ---------------------------------------------------------------------------------------

    def create(self, name: object, display_name: object = None) -> Instance:
        """JetCreateInstance2: an allocated instance; the process is in multi-instance mode then."""
        from esent.engine.instance import Instance

        for text in (name, display_name):
            if text is not None and (not isinstance(text, str) or "\0" in text):
                raise jet_error(codes.JET_errInvalidParameter, "the name of an instance is text")
        assert name is None or isinstance(name, str)
        assert display_name is None or isinstance(display_name, str)
        with self.lock:
            if self.mode is RunMode.ONE:
                raise jet_error(codes.JET_errRunningInOneInstanceMode, "creating an instance in one-instance mode")
            self._check_room(name)
            created = Instance(self, name, display_name)
            self.instances.append(created)
            self.mode = RunMode.MULTI
            return created

    def _check_room(self, name: str | None) -> None:
        if any(each.given_name == name for each in self.instances):
            raise jet_error(codes.JET_errInstanceNameInUse, f"an instance named {name!r} exists")
        if len(self.instances) >= self.parameters.number(params.JET_paramMaxInstances):
            raise jet_error(codes.JET_errTooManyInstances, f"there are {len(self.instances)} instances already")

    def for_initialisation(self, instance: object) -> Instance:
        """The instance JetInit means; one that is allocated on the spot where it means none.

        None is the NULL pointer: one-instance mode. 0, or a handle that is stale, is a cell that holds no instance: a new one,
        in multi-instance mode if that is on.
        """
        from esent.engine.instance import Instance

        with self.lock:
            if isinstance(instance, InstanceHandle):
                found = next((each for each in self.instances if each.handle is instance), None)
                if found is not None:
                    return found
            elif not is_nil(instance):
                raise jet_error(codes.JET_errInvalidInstance, "initialising something that is no instance")
            if self.mode is RunMode.ONE:
                raise jet_error(codes.JET_errAlreadyInitialized, "the one instance of the process is running")
            if self.mode is RunMode.MULTI and instance is None:
                raise jet_error(
                    codes.JET_errRunningInMultiInstanceMode, "initialising without an instance, in multi-instance mode"
                )
            self._check_room(None)
            created = Instance(self, None, None)
            self.instances.append(created)
            if self.mode is RunMode.NOT_SET:
                self.mode = RunMode.ONE
            return created

    def restoring_instance(self, name: str | None, *, one_instance: bool) -> Instance:
        """An allocated instance for a restore that was given none; the caller frees it."""
        from esent.engine.instance import Instance

        with self.lock:
            if one_instance:
                if self.mode is RunMode.MULTI:
                    raise jet_error(codes.JET_errRunningInMultiInstanceMode, "restoring without an instance")
                if self.mode is RunMode.ONE:
                    raise jet_error(codes.JET_errAlreadyInitialized, "restoring while the instance is running")
                created = Instance(self, name, None)
                self.instances.append(created)
                self.mode = RunMode.ONE
                return created
            return self.create(name)

    def free(self, instance: Instance) -> None:
        """Take an instance out of the table; its handle is dead. Without instances the mode is open again."""
        with self.lock:
            if instance in self.instances:
                self.instances.remove(instance)
            instance.handle.target = None
            if not self.instances:
                self.mode = RunMode.NOT_SET

    def forget_inherited(self) -> None:
        """In a process forked from this one: the instances are the parent's, and so are their files, locks and threads.

        Their handles are dead here. The objects are kept, so that nothing of them is closed or written on the way out.
        """
        self.lock = threading.RLock()
        self._inherited += self.instances
        for instance in self.instances:
            instance.handle.target = None
            for session in list(instance.sessions.values()):
                session.handle.target = None
        self.instances = []
        self.mode = RunMode.NOT_SET

    # -- parameters -----------------------------------------------------------------------------------------------

    def _parameter_home(self, instance: object) -> tuple[ParameterSet, Moment]:
        if is_nil(instance):
            if self.mode is RunMode.ONE and self.instances:
                only = self.instances[0]
                return only.parameters, only.moment
            return self.parameters, Moment.NO_INSTANCE
        found = self.resolve(instance)
        return found.parameters, found.moment

    def set_parameter(self, instance: object, paramid: object, number: object, text: object) -> None:
        """JetSetSystemParameter, of the process (nil) or of an instance."""
        with self.lock:
            home, moment = self._parameter_home(instance)
            if paramid == params.JET_paramEngineFormatVersion:
                self._require_nothing_attached(home)
            home.set(paramid, number, text, moment, any_instance=bool(self.instances) or self.mode is not RunMode.NOT_SET)

    def _require_nothing_attached(self, home: ParameterSet) -> None:
        """JET_errAlreadyInitialized where an instance has databases, whose format the parameter has decided on."""
        if any(each.parameters is home and each.databases.all() for each in self.instances):
            raise jet_error(codes.JET_errAlreadyInitialized, "choosing a format while databases are attached")

    def get_parameter(self, instance: object, paramid: object) -> ParameterValue:
        """JetGetSystemParameter, of the process (nil) or of an instance."""
        with self.lock:
            home, moment = self._parameter_home(instance)
            if paramid == params.JET_paramRecoveryCurrentLogfile and moment is Moment.INITIALISED:
                return self.resolve(instance).current_generation
            return home.get(paramid)

    def parameters_of(self, instance: object) -> ParameterSet:
        """The values that count for an instance, or for the process (nil)."""
        with self.lock:
            return self._parameter_home(instance)[0]

    def enable_multi_instance(self, wanted: Sequence[object]) -> int:
        """JetEnableMultiInstance: set global parameters and switch the mode; `.err` of each element is filled in.

        Returns how many were set. Where the mode is on already nothing is set: JET_errSystemParamsAlreadySet says that the
        values are those in force, JET_errSystemParameterConflict that they are not.
        """
        with self.lock:
            if self.mode is RunMode.ONE:
                raise jet_error(codes.JET_errRunningInOneInstanceMode, "enabling multi-instance mode in one-instance mode")
            if self.mode is RunMode.MULTI:
                raise self._compared(wanted)
            done = 0
            for item in wanted:
                try:
                    self.set_parameter(None, *_wanted_value(item))
                except JetError as problem:
                    item.err = problem.code  # type: ignore[attr-defined]
                    raise
                item.err = 0  # type: ignore[attr-defined]
                done += 1
            self.mode = RunMode.MULTI
            return done

    def _compared(self, wanted: Sequence[object]) -> JetError:
        """The error that says whether `wanted` are the global values the program has set."""
        named = set()
        for item in wanted:
            paramid, number, text = _wanted_value(item)
            definition = definition_of(paramid)
            named.add(definition.number)
            value: object = text if definition.is_text else number
            same = self.parameters.value(definition.number) == value
            item.err = 0 if same else codes.JET_errSystemParameterConflict  # type: ignore[attr-defined]
            if not same:
                return jet_error(codes.JET_errSystemParameterConflict, f"{definition.name} was set to another value")
        if not self.parameters.explicit <= named:
            return jet_error(codes.JET_errSystemParameterConflict, "other parameters were set before")
        return jet_error(codes.JET_errSystemParamsAlreadySet, "multi-instance mode is on, with these parameters")

    # -- paths ----------------------------------------------------------------------------------------------------

    def attached_elsewhere(self, instance: Instance, path: str) -> bool:
        """Whether another instance of the process has the file attached."""
        with self.lock:
            others = [each for each in self.instances if each is not instance]
        return any(same_file(path, str(each_path)) for each in others for each_path in each.attached_paths())


def _wanted_value(item: object) -> tuple[object, object, object]:
    return getattr(item, "paramid", None), getattr(item, "lParam", 0), getattr(item, "sz", None)


def is_nil(handle: object) -> bool:
    """Whether a value stands for no handle: None, 0, or all bits set."""
    return handle is None or (not isinstance(handle, Handle) and handle in (0, grbits.JET_instanceNil, -1))


def same_file(one: str, other: str) -> bool:
    """Whether two absolute paths mean one file, links and case of the file system considered where the files exist."""
    if one == other:
        return True
    try:
        return Path(one).samefile(other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


PROCESS = Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=PROCESS.forget_inherited)
resolve = PROCESS.resolve
one_instance = PROCESS.one_instance
