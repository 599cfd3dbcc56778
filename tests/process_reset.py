"""The process of the API as every test finds it: without an instance, its parameters as they begin."""

from __future__ import annotations

from esent import jet
from esent.engine.parameters import ParameterSet
from esent.engine.process import PROCESS, RunMode
from esent.errors import JetError


def end_instances() -> None:
    """No instance is left, as when the process ends without clean-up."""
    for instance in list(PROCESS.instances):
        try:
            instance.terminate(jet.JET_bitTermDirty)
        except JetError:
            PROCESS.free(instance)


def reset_process() -> None:
    """No instance is left, and no parameter of the process."""
    end_instances()
    PROCESS.mode = RunMode.NOT_SET
    PROCESS.parameters = ParameterSet()
