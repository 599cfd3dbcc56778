# ruff: noqa: F403 - this module only gathers
"""The documented API under its own names: `from esent.jet import *` gives every function, constant and structure.

How a C call becomes a Python call: names and order of the in-parameters stay; sizes of buffers vanish; out-parameters are the
result; a negative result is raised as a `JetError`; a structure that C fills is filled in place.
"""

from __future__ import annotations

from esent.constants import codes, formats, grbits, params
from esent.constants.codes import *
from esent.constants.formats import *
from esent.constants.grbits import *
from esent.constants.params import *
from esent.errors import JetError, JetWarning
from esent.jet import (
    backup,
    callbacks,
    compact,
    cursors,
    databases,
    errors,
    handles,
    instance,
    maintenance,
    navigation,
    parameters,
    records,
    restore,
    retrieval,
    schema,
    sessions,
    snapshot,
    structures,
    table_information,
    temporary,
    updates,
    utilities,
)
from esent.jet.backup import *
from esent.jet.callbacks import *
from esent.jet.compact import *
from esent.jet.cursors import *
from esent.jet.databases import *
from esent.jet.errors import *
from esent.jet.handles import *
from esent.jet.instance import *
from esent.jet.maintenance import *
from esent.jet.navigation import *
from esent.jet.parameters import *
from esent.jet.records import *
from esent.jet.restore import *
from esent.jet.retrieval import *
from esent.jet.schema import *
from esent.jet.sessions import *
from esent.jet.snapshot import *
from esent.jet.structures import *
from esent.jet.table_information import *
from esent.jet.temporary import *
from esent.jet.updates import *
from esent.jet.utilities import *

__all__ = ["JetError", "JetWarning"]
__all__ += codes.CODES
__all__ += grbits.GRBITS
__all__ += params.PARAMS
__all__ += formats.__all__
__all__ += handles.__all__
__all__ += structures.__all__
__all__ += instance.__all__
__all__ += parameters.__all__
__all__ += sessions.__all__
__all__ += databases.__all__
__all__ += backup.__all__
__all__ += compact.__all__
__all__ += restore.__all__
__all__ += snapshot.__all__
__all__ += cursors.__all__
__all__ += navigation.__all__
__all__ += retrieval.__all__
__all__ += updates.__all__
__all__ += schema.__all__
__all__ += table_information.__all__
__all__ += temporary.__all__
__all__ += callbacks.__all__
__all__ += errors.__all__
__all__ += maintenance.__all__
__all__ += records.__all__
__all__ += utilities.__all__
