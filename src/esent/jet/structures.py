# ruff: noqa: F403 - this module only gathers
"""Every documented structure: keyword arguments with defaults, one module a subject, all of them here."""

from __future__ import annotations

from esent.jet import structures_database, structures_instance, structures_records, structures_tables
from esent.jet.structures_database import *
from esent.jet.structures_instance import *
from esent.jet.structures_records import *
from esent.jet.structures_tables import *

__all__ = []
__all__ += structures_database.__all__
__all__ += structures_instance.__all__
__all__ += structures_records.__all__
__all__ += structures_tables.__all__
